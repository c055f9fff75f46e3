"""The visual predictive check: what replicates of a trial would show, and what one trial did show."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ketasim.report.style import DRUG, INK, new_figure
from ketasim.report.trial.layout import (
    KeyItem,
    draw_heading,
    empty_figure,
    heading_height,
    name_y,
    panel_grid,
    plain_axes,
)
from ketasim.report.trial.tables import Tables, arm_names, changes, first_arms, scale_words, scores, times_of
from ketasim.report.trial.visits import draw_visits, visit_axis
from ketasim.report.words import visit_text
from ketasim.trials.study import Observation, Study

__all__ = ["check_caption", "check_figure", "has_check"]

FloatArray = npt.NDArray[np.float64]

_PERCENTILES = (5.0, 50.0, 95.0)
#: Quantile of the normal distribution that lies at its 95th percentile.
_Z90 = 1.6448536269514722
_TALL = 2.2
#: Replicates that a band over replicates needs.
_LEAST = 5


@dataclass(frozen=True)
class _Check:
    """Lines of one trial and bands of its replicates, by arm.

    ``simulated`` has shape (replicates, 3, times), ``observed`` (3, times); lower, middle, upper.
    """

    times_h: tuple[float, ...]
    simulated: dict[str, FloatArray]
    observed: dict[str, FloatArray]
    change: bool
    moments: bool

    @property
    def replicates(self) -> int:
        """Number of simulated trials."""
        return max((len(part) for part in self.simulated.values()), default=0)


def check_figure(
    tables: Tables, study: Study, observed: pd.DataFrame | None = None, *, scale: str = ""
) -> Figure:
    """Draw percentiles 5, 50 and 95 of people's scores over replicates, and those of one observed trial.

    A publication gives means and standard deviations instead of percentiles. Against those, the
    mean and the mean with 1.645 SD to both sides are drawn, of the simulated trials too.

    Parameters
    ----------
    tables : Tables
        Replicates of the trial; fewer than 5 give lines without bands.
    study : Study
        The design.
    observed : DataFrame, optional
        Outcomes of one observed trial, real or simulated, by person. Without it, the published
        observations of the study.
    scale : str
        A rated scale; without one, that of the baseline.

    Returns
    -------
    Figure
        A panel an arm. Bands hold 95 % of the replicates.
    """
    scale = scale or study.population.baseline.scale
    title = f"{scale_words(scale)}: visual predictive check"
    check = _check(tables, study, observed, scale)
    if not check.times_h:
        return empty_figure(title, "Nobody was rated in the simulated trials.")
    names = arm_names(study)
    heads = []
    for arm, lines in check.simulated.items():
        head = names[arm]
        if not np.isfinite(lines).any():
            head += ": nobody simulated was rated"
        elif not np.isfinite(check.observed[arm]).any():
            head += ": nothing observed"
        heads.append(head)
    grid = panel_grid(heads, _TALL)
    items = _key(check)
    top = heading_height(title, items)
    figure = new_figure(top + grid.height)
    draw_heading(figure, title, items)
    low, high = _limits(check)
    axis = visit_axis(check.times_h, grid.wide, lambda time: visit_text(study, time))
    for index, (ax, arm) in enumerate(zip(grid.axes(figure, top), check.simulated, strict=True)):
        plain_axes(ax)
        _panel(ax, np.array(axis.places), check, arm)
        draw_visits(ax, axis)
        ax.set_ylim(low, high)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
        if index % grid.columns == 0:
            name_y(ax, f"{scale_words(scale)}{', change' if check.change else ''}, points", _TALL)
    return figure


def _check(tables: Tables, study: Study, observed: pd.DataFrame | None, scale: str) -> _Check:
    """Work out what is drawn."""
    arms = first_arms(study)
    rows = [row for row in study.observations if row.quantity == scale and len(row.arms) == 1]
    kinds = [row.statistic for row in rows if row.statistic in ("mean", "change") and row.arm in arms]
    moments = observed is None and bool(kinds)
    change = moments and kinds.count("change") > kinds.count("mean")

    def wide_of(outcomes: pd.DataFrame) -> pd.DataFrame:
        wide = (changes if change else scores)(outcomes, scale)
        return wide.loc[:, wide.notna().any()]

    wide = wide_of(tables.outcomes)
    times = times_of(wide)
    simulated = {arm: _by_replicate(wide, arm, moments=moments) for arm in arms}
    found = {arm: np.full((3, len(times)), np.nan) for arm in arms}
    if observed is not None:
        seen = wide_of(observed).reindex(columns=wide.columns)
        found = {arm: _first(_by_replicate(seen, arm, moments=False), found[arm]) for arm in arms}
    elif moments:
        found = {arm: _published(rows, arm, times, change=change) for arm in arms}
    return _Check(times, simulated, found, change, moments)


def _first(lines: FloatArray, otherwise: FloatArray) -> FloatArray:
    return lines[0] if len(lines) else otherwise


def _by_replicate(wide: pd.DataFrame, arm: str, *, moments: bool) -> FloatArray:
    """Lower, middle and upper line of an arm in each replicate, shape (replicates, 3, times)."""
    rows = wide[wide.index.get_level_values("arm") == arm]
    by = rows.groupby(level="replicate")
    if moments:
        mean, half = by.mean().to_numpy(), _Z90 * by.std(ddof=1).to_numpy()
        return np.stack([mean - half, mean, mean + half], axis=1)
    found = [by.quantile(percentile / 100.0).to_numpy() for percentile in _PERCENTILES]
    return np.stack(found, axis=1).astype(np.float64)


def _published(rows: list[Observation], arm: str, times: tuple[float, ...], *, change: bool) -> FloatArray:
    """Published mean and mean with 1.645 SD to both sides, shape (3, times); NaN where not published."""
    found = np.full((3, len(times)), np.nan)
    for row in rows:
        place = next((k for k, time in enumerate(times) if abs(time - row.time_h) < 1e-6), None)
        if row.arm != arm or row.statistic != ("change" if change else "mean") or place is None:
            continue
        error = row.standard_error
        half = math.nan if error is None or row.n is None else _Z90 * error * math.sqrt(row.n)
        found[:, place] = row.value - half, row.value, row.value + half
    return found


def _limits(check: _Check) -> tuple[float, float]:
    values = [array[np.isfinite(array)] for array in (*check.simulated.values(), *check.observed.values())]
    low, high = (float(end(np.concatenate(values))) for end in (np.min, np.max))
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _panel(ax: Axes, x: FloatArray, check: _Check, arm: str) -> None:
    """Draw the bands of the replicates, their middles, and the observed lines of one arm."""
    lines = check.simulated[arm]
    for line in range(3):
        part = lines[:, line, :] if len(lines) else np.full((1, len(x)), np.nan)
        seen = np.isfinite(part).any(axis=0)
        if not seen.any():
            continue
        low, middle, high = np.nanquantile(part[:, seen], (0.025, 0.5, 0.975), axis=0)
        dash = "-" if line == 1 else (0, (4.0, 2.0))
        if len(lines) >= _LEAST:
            # Visits of one time have no width to fill.
            ends = x[seen] if seen.sum() > 1 else np.array([x[seen][0] - 0.2, x[seen][0] + 0.2])
            fill = (low, high) if seen.sum() > 1 else (np.repeat(low, 2), np.repeat(high, 2))
            ax.fill_between(ends, *fill, color=DRUG, alpha=0.3 if line == 1 else 0.16, linewidth=0)
        ax.plot(x[seen], middle, color=DRUG, linestyle=dash, linewidth=1.2)
    for line, values in enumerate(check.observed[arm]):
        seen = np.isfinite(values)
        dash = "-" if line == 1 else (0, (4.0, 2.0))
        ax.plot(
            x[seen],
            values[seen],
            color=INK,
            linestyle=dash,
            linewidth=1.2,
            marker="o" if line == 1 else "_",
            markersize=4.0 if line == 1 else 6.0,
            zorder=5,
        )


def _key(check: _Check) -> list[KeyItem]:
    middle, ends = ("mean", "mean ± 1.645 SD") if check.moments else ("median", "5th and 95th percentile")
    dash = (0, (4.0, 2.0))
    name = f"band: 95 % of {check.replicates} simulated trials"
    items = [
        KeyItem(f"simulated {middle}", Line2D([], [], color=DRUG, linewidth=1.4)),
        KeyItem(f"simulated {ends}", Line2D([], [], color=DRUG, linewidth=1.4, linestyle=dash)),
        KeyItem(f"observed {middle}", Line2D([], [], color=INK, linewidth=1.4, marker="o", markersize=4)),
        KeyItem(f"observed {ends}", Line2D([], [], color=INK, linewidth=1.4, linestyle=dash)),
    ]
    if check.replicates >= _LEAST:
        items.append(KeyItem(name, Line2D([], [], color=DRUG, alpha=0.3, linewidth=7.0)))
    else:
        text = f"no band: {check.replicates} simulated trial{'s' * (check.replicates != 1)}"
        items.append(KeyItem(text, None))
    return items


def has_check(tables: Tables, study: Study, observed: pd.DataFrame | None = None) -> bool:
    """Tell whether a check shows anything: bands over replicates, or something observed."""
    check = _check(tables, study, observed, study.population.baseline.scale)
    return check.replicates >= _LEAST or any(np.isfinite(part).any() for part in check.observed.values())


def check_caption(
    tables: Tables, study: Study, observed: pd.DataFrame | None = None, *, scale: str = ""
) -> str:
    """Say in a sentence what :func:`check_figure` shows."""
    check = _check(tables, study, observed, scale or study.population.baseline.scale)
    what = "mean, and mean with 1.645 SD to both sides," if check.moments else "5th, 50th and 95th percentile"
    source = "published" if check.moments else "observed"
    if not any(np.isfinite(part).any() for part in check.observed.values()):
        against = "with nothing observed to lay beside them"
    else:
        against = f"against the same of the {source} trial (black)"
    band = "with bands that hold 95 % of the replicates"
    if check.replicates < _LEAST:
        band = f"without bands, which need {_LEAST} replicates"
    return (
        f"The {what} of people's {'change' if check.change else 'score'} at each visit over "
        f"{check.replicates} simulated trial{'s' * (check.replicates != 1)} (blue), {band}, {against}."
    )
