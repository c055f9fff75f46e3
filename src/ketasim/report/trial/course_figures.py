"""Scores over visits: the mean change of each arm, and the course of each person."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ketasim.report.style import INK, INK2, INK3, WIDTH, ArmStyle, arm_styles, new_figure
from ketasim.report.trial.layout import (
    EDGE,
    KeyItem,
    count_text,
    draw_heading,
    empty_figure,
    heading_height,
    left_room,
    name_y,
    panel_grid,
    place,
    plain_axes,
)
from ketasim.report.trial.phase import trial_from
from ketasim.report.trial.tables import (
    Tables,
    arm_names,
    changes,
    column_at,
    rated_times,
    scale_words,
    scores,
    times_of,
)
from ketasim.report.trial.visits import (
    VisitAxis,
    counts_height,
    draw_counts,
    draw_visits,
    visit_axis,
)
from ketasim.report.words import interval
from ketasim.trials.study import Study

__all__ = [
    "MOST_PERSONS",
    "mean_change_caption",
    "mean_change_figure",
    "persons_caption",
    "persons_figure",
    "sampled_persons",
]

#: Persons of an arm whose courses are drawn at most.
MOST_PERSONS = 40
_TALL, _PANEL = 3.0, 2.1
_MARKERS = ("o", "s", "^", "D", "v", "P")


def mean_change_figure(
    tables: Tables, study: Study, *, scale: str = "", replicate: int | None = None, origin: str = "entry"
) -> Figure:
    """Draw the mean change from entry with its 95 % interval, by arm over visits.

    Parameters
    ----------
    tables : Tables
        The results.
    study : Study
        The design.
    scale : str
        A rated scale; without one, that of the baseline.
    replicate : int, optional
        Which one; without it, the first.
    origin : str
        ``entry``, or the label of a phase; see :func:`~ketasim.report.trial.phase.trial_from`.

    Returns
    -------
    Figure
        With the number rated under each visit. It says so if nobody was rated, or nobody of an arm.
    """
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    title = f"{scale_words(scale)}: mean change from {trial.since}, with 95 % interval"
    wide = changes(trial.outcomes, scale)
    wide = wide.loc[:, wide.notna().any()]
    if wide.empty:
        return empty_figure(title, "Nobody has a score both at entry and at a later visit.")
    names, styles, arms = arm_names(study), arm_styles(study), trial.arms(study)
    groups = {arm: _of_arm(wide, arm) for arm in arms}
    items = [
        KeyItem.of_arm(
            names[arm] + ("" if groups[arm].notna().any(axis=None) else " (nobody rated)"),
            styles[arm],
            _MARKERS[index % len(_MARKERS)],
        )
        for index, arm in enumerate(arms)
    ]
    left = left_room([names[arm] for arm in arms], most=1.8) + 0.6
    top = heading_height(title, items)
    figure = new_figure(top + _TALL + counts_height(len(arms)))
    draw_heading(figure, title, items)
    ax = place(figure, left, top, WIDTH - left - EDGE, _TALL)
    axis = visit_axis((0.0, *times_of(wide)), WIDTH - left - EDGE, lambda time: trial.at(study, time))
    plain_axes(ax)
    ax.axhline(0.0, color=INK3, linewidth=0.8, zorder=1)
    for index, arm in enumerate(arms):
        shift = (index - 0.5 * (len(arms) - 1)) * _dodge(axis, len(arms), WIDTH - left - EDGE)
        _mean_line(ax, axis, groups[arm], shift, styles[arm], _MARKERS[index % len(_MARKERS)])
    draw_visits(ax, axis)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    name_y(ax, f"change of {scale_words(scale)}, points", _TALL)
    entry = scores(trial.outcomes, scale)
    entry = pd.DataFrame({0.0: column_at(entry, 0.0)}, index=entry.index)
    rated = {arm: [_of_arm(entry, arm).notna().sum(), groups[arm].notna().sum()] for arm in arms}
    rows = {arm: (names[arm], styles[arm], _shown(axis, pd.concat(rated[arm]))) for arm in arms}
    draw_counts(ax, "number rated", [at for at, _ in axis.shown], rows, left, _TALL)
    return figure


def _shown(axis: VisitAxis, counts: pd.Series) -> list[str]:
    """Counts at the visits that have a label."""
    return [str(int(count)) for count, label in zip(counts, axis.labels, strict=True) if label]


def _of_arm(wide: pd.DataFrame, arm: str) -> pd.DataFrame:
    """Rows of the people randomised to an arm."""
    return wide[wide.index.get_level_values("arm") == arm]


def _dodge(axis: VisitAxis, arms: int, wide: float) -> float:
    """Distance between the marks of two arms at one visit, in the unit of the axis."""
    gaps = np.diff(axis.places)
    least = float(gaps.min()) if len(gaps) else 1.0
    low, high = axis.span
    return min(0.09 * (high - low) / wide, 0.6 * least / max(1, arms))


def _mean_line(
    ax: Axes, axis: VisitAxis, rows: pd.DataFrame, shift: float, style: ArmStyle, marker: str
) -> None:
    """Draw one arm: a line from zero at entry, a marker and an interval at each visit."""
    counts = rows.notna().sum().to_numpy()
    if not counts.any():
        return
    x = np.array(axis.places) + shift
    means = np.append(0.0, rows.mean().to_numpy())
    errors = np.append(np.nan, rows.std(ddof=1).to_numpy() / np.sqrt(np.maximum(counts, 1)))
    seen = np.isfinite(means)
    ax.plot(x[seen], means[seen], **style.line(1.4))
    ax.plot(x[seen], means[seen], linestyle="none", marker=marker, markersize=4.8, color=style.colour)
    known = np.flatnonzero(np.isfinite(errors))
    ends = [
        interval(float(means[k]), float(errors[k]), freedom=float(counts[k - 1]) - 1.0)
        for k in known.tolist()
    ]
    low, high = [end[0] for end in ends], [end[1] for end in ends]
    ax.vlines(x[known], low, high, color=style.colour, linewidth=1.2)
    for caps in (low, high):
        ax.plot(x[known], caps, linestyle="none", marker="_", markersize=5.5, color=style.colour)


def mean_change_caption(
    tables: Tables, study: Study, *, scale: str = "", replicate: int | None = None, origin: str = "entry"
) -> str:
    """Say in a sentence what :func:`mean_change_figure` shows."""
    trial = trial_from(tables, study, replicate, origin)
    words = scale_words(scale or study.population.baseline.scale)
    return (
        f"Mean change of the {words} from {trial.since} among those rated at each visit, by arm, with 95 % "
        f"intervals of Student's t and no correction for missing ratings{trial.words}."
    )


def sampled_persons(count: int, most: int = MOST_PERSONS) -> list[int]:
    """Choose persons by a fixed rule: all, or ``most`` at even steps in the order of enrolment.

    Returns
    -------
    list of int
        Their places from 0.
    """
    return [index * count // most for index in range(most)] if count > most else list(range(count))


def persons_figure(
    tables: Tables,
    study: Study,
    *,
    scale: str = "",
    replicate: int | None = None,
    origin: str = "entry",
    most: int = MOST_PERSONS,
) -> Figure:
    """Draw the score of single persons over visits, a panel an arm, with the mean on top.

    Parameters
    ----------
    tables, study, scale, replicate, origin
        As in :func:`mean_change_figure`.
    most : int
        Persons of an arm that are drawn at most; the mean is of all.

    Returns
    -------
    Figure
    """
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    title = f"{scale_words(scale)}: the course of single persons, and the mean of all"
    wide = scores(trial.outcomes, scale)
    wide = wide.loc[:, wide.notna().any()]
    if wide.empty:
        return empty_figure(title, "Nobody was rated.")
    arms, names, styles = trial.arms(study), arm_names(study), arm_styles(study)
    groups = {arm: _rated_of_arm(wide, arm) for arm in arms}
    heads = [_persons_head(names[arm], groups[arm], most) for arm in arms]
    grid = panel_grid(heads, _PANEL)
    items = [
        KeyItem("a person", Line2D([], [], color=INK2, linewidth=0.8, alpha=0.6)),
        KeyItem("mean of those rated", Line2D([], [], color=INK, linewidth=2.6)),
    ]
    top = heading_height(title, items)
    figure = new_figure(top + grid.height)
    draw_heading(figure, title, items)
    axis = visit_axis(times_of(wide), grid.wide, lambda time: trial.at(study, time))
    peak = float(np.nanmax(wide.to_numpy()))
    for index, (ax, arm) in enumerate(zip(grid.axes(figure, top), arms, strict=True)):
        _persons(ax, axis, groups[arm], styles[arm], most)
        ax.set_ylim(0.0, 1.05 * peak)
        ax.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
        if index % grid.columns == 0:
            name_y(ax, f"{scale_words(scale)}, points", _PANEL)
    return figure


def _rated_of_arm(wide: pd.DataFrame, arm: str) -> pd.DataFrame:
    rows = _of_arm(wide, arm)
    return rows[rows.notna().any(axis=1)].sort_index()


def _persons_head(name: str, rows: pd.DataFrame, most: int) -> str:
    drawn = len(sampled_persons(len(rows), most))
    if not drawn:
        return f"{name}: nobody rated"
    return (
        f"{name}: {drawn} of {len(rows)} shown" if drawn < len(rows) else f"{name}: {count_text(len(rows))}"
    )


def _persons(ax: Axes, axis: VisitAxis, rows: pd.DataFrame, style: ArmStyle, most: int) -> None:
    plain_axes(ax)
    values = rows.to_numpy()
    x = np.array(axis.places)
    for line in values[sampled_persons(len(rows), most)]:
        seen = np.isfinite(line)
        # A person who missed a visit keeps an unbroken line; the marks tell where a score is.
        ax.plot(
            x[seen],
            line[seen],
            color=style.colour,
            linewidth=0.7,
            alpha=0.4,
            marker="o",
            markersize=1.6,
            markeredgewidth=0.0,
        )
    if len(rows):
        means = rows.mean().to_numpy()
        seen = np.isfinite(means)
        ax.plot(x[seen], means[seen], color=INK, linewidth=2.6, marker="o", markersize=3.6, zorder=5)
    draw_visits(ax, axis)


def persons_caption(
    tables: Tables,
    study: Study,
    *,
    scale: str = "",
    replicate: int | None = None,
    origin: str = "entry",
    most: int = MOST_PERSONS,
) -> str:
    """Say in a sentence what :func:`persons_figure` shows, and how persons were chosen."""
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    people = scores(trial.outcomes, scale).dropna(how="all").groupby(level="arm").size()
    rule = "every person"
    if len(people) and int(people.max()) > most:
        rule = f"at most {most} persons an arm, taken at even steps in the order of enrolment and not at will"
    times = len(rated_times(trial.outcomes, scale))
    return (
        f"Rated {scale_words(scale)} at {trial.since} and at {times} visits of {rule}, and the mean of all "
        f"who were rated{trial.words}."
    )
