"""The waterfall: the change of each person at a visit, from the worst to the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ketasim.report.style import DRUG, EXPECTANCY, INK2, INK3, SMALL, STRONG, new_figure
from ketasim.report.trial.layout import (
    KeyItem,
    count_text,
    draw_heading,
    empty_figure,
    heading_height,
    name_y,
    panel_grid,
    plain_axes,
)
from ketasim.report.trial.phase import trial_from
from ketasim.report.trial.tables import (
    Tables,
    Trial,
    arm_names,
    column_at,
    rated_times,
    responders,
    scale_words,
    scores,
)
from ketasim.report.words import signed
from ketasim.trials.study import Study
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = ["MOST_BARS", "waterfall_caption", "waterfall_figure"]

#: Bars of a panel at most.
MOST_BARS = 150
_TALL = 2.3
#: No response, response, remission: they differ in lightness too.
_COLOURS = (STRONG, EXPECTANCY, DRUG)
_WORDS = ("no response", "response without remission", "remission")


@dataclass(frozen=True)
class _Bars:
    """Change in percent of the score at entry, sorted from worst to best, and the grade of each."""

    change: npt.NDArray[np.float64]
    grade: npt.NDArray[np.int64]
    people: int

    @property
    def shown(self) -> npt.NDArray[np.int64]:
        """Places of the persons that are drawn: all, or at even steps."""
        count = len(self.change)
        if count <= MOST_BARS:
            return np.arange(count)
        return (np.arange(MOST_BARS) + 0.5).astype(np.int64) * count // MOST_BARS


def waterfall_figure(
    tables: Tables,
    study: Study,
    *,
    time_h: float | None = None,
    scale: str = "",
    replicate: int | None = None,
    origin: str = "entry",
) -> Figure:
    """Draw the change of each person at a visit in percent of entry, coloured by response.

    Parameters
    ----------
    tables : Tables
        The results.
    study : Study
        The design; says what remission is.
    time_h : float, optional
        The visit, hours; without it, the last one.
    scale : str
        A rated scale; without one, that of the baseline.
    replicate : int, optional
        Which one; without it, the first.
    origin : str
        ``entry``, or the label of a phase; see :func:`~ketasim.report.trial.phase.trial_from`.

    Returns
    -------
    Figure
        A panel an arm, with at most 150 bars at even steps of the order.
    """
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    when = _visit(trial, scale, time_h)
    title = f"{scale_words(scale)}: change of each person"
    if when is None:
        return empty_figure(title, "Nobody was rated after entry.")
    title += f" at {trial.at(study, when)}"
    names = arm_names(study)
    bars = {arm: _bars(trial, study, scale, arm, when) for arm in trial.arms(study)}
    if not any(len(part.change) for part in bars.values()):
        return empty_figure(title, "Nobody has a score both at entry and at this visit.")
    grid = panel_grid([_head(names[arm], part) for arm, part in bars.items()], _TALL, below=0.42)
    items = [
        KeyItem(word, Line2D([], [], color=colour, linewidth=7.0, solid_capstyle="butt"))
        for word, colour in zip(_WORDS, _COLOURS, strict=True)
    ]
    top = heading_height(title, items)
    figure = new_figure(top + grid.height)
    draw_heading(figure, title, items)
    values = np.concatenate([part.change for part in bars.values()])
    low, high = min(-100.0, float(values.min())), max(20.0, float(values.max()))
    for index, (ax, part) in enumerate(zip(grid.axes(figure, top), bars.values(), strict=True)):
        _panel(ax, part)
        _percent_axis(ax, low, high)
        if index % grid.columns == 0:
            name_y(ax, f"change of {scale_words(scale)}, % of entry", _TALL)
    return figure


def _percent_axis(ax: Axes, low: float, high: float) -> None:
    """Set the limits of the changes, and ticks with their signs."""
    ax.set_ylim(low, high + 0.05 * (high - low))
    step = 25.0 if high - low < 200.0 else 50.0 * math.ceil((high - low) / 400.0)
    ticks = np.arange(-100.0, high + 1.0, step)
    ax.set_yticks(ticks, [signed(float(tick)) for tick in ticks])


def _visit(trial: Trial, scale: str, time_h: float | None) -> float | None:
    times = rated_times(trial.outcomes, scale)
    if time_h is None:
        return times[-1] if times else None
    return time_h


def _bars(trial: Trial, study: Study, scale: str, arm: str, time_h: float) -> _Bars:
    people = int((trial.patients["arm"] == arm).sum())
    wide = scores(trial.outcomes[trial.outcomes["arm"] == arm], scale)
    entry, score = column_at(wide, 0.0), column_at(wide, time_h)
    grade = responders(score, entry, study, scale)
    keep = (grade >= 0) & (entry > 0.0)
    change = 100.0 * (score[keep] - entry[keep]) / entry[keep]
    order = np.argsort(-change, kind="stable")
    return _Bars(change[order], grade[keep][order], people)


def _head(name: str, bars: _Bars) -> str:
    count = len(bars.change)
    if not count:
        return f"{name}: nobody rated of {bars.people}"
    answered = int((bars.change <= -100.0 * RESPONSE_SHARE).sum())
    share = f"{100.0 * answered / count:.0f}\N{NO-BREAK SPACE}%"
    missing = f", {bars.people - count} not rated" if bars.people > count else ""
    return f"{name}: {count_text(count)}, response {share}{missing}"


def _panel(ax: Axes, bars: _Bars) -> None:
    plain_axes(ax)
    shown = bars.shown
    wide = 0.82 if len(shown) <= 60 else 1.0
    for grade, colour in enumerate(_COLOURS):
        places = np.flatnonzero(bars.grade[shown] == grade)
        ax.bar(places, bars.change[shown][places], width=wide, color=colour, linewidth=0)
    ax.axhline(0.0, color=INK3, linewidth=0.8)
    ax.axhline(-100.0 * RESPONSE_SHARE, color=INK2, linewidth=0.9, linestyle=(0, (3.0, 2.0)))
    # A bar of one person should not fill the panel.
    room = max(0.0, 0.5 * (8 - len(shown)))
    ax.set_xlim(-0.8 - room, max(len(shown), 1) - 0.2 + room)
    ax.set_xticks([])
    ax.set_xlabel("persons, from worst to best", fontsize=SMALL, color=INK2)


def waterfall_caption(
    tables: Tables,
    study: Study,
    *,
    time_h: float | None = None,
    scale: str = "",
    replicate: int | None = None,
    origin: str = "entry",
) -> str:
    """Say in a sentence what :func:`waterfall_figure` shows."""
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    when = _visit(trial, scale, time_h)
    at = "at no visit, as nobody was rated" if when is None else f"at {trial.at(study, when)}"
    most = int(trial.patients.groupby("arm", observed=True).size().max()) if len(trial.patients) else 0
    thinned = f"; of more than {MOST_BARS} persons so many are drawn, at even steps of the order"
    return (
        f"Change of the {scale_words(scale)} of each person from {trial.since} {at}, in percent, sorted "
        "within the arm; response is a fall of at least half (dashed line), and people without a rating have "
        f"no bar{thinned if most > MOST_BARS else ''}{trial.words}."
    )
