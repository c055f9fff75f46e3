"""The forest: the difference between two arms in each subgroup."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import blended_transform_factory

from ketasim.report.style import INK, INK2, INK3, LINE, SMALL, WIDTH, ArmStyle, arm_styles, bare, new_figure
from ketasim.report.trial.layout import (
    EDGE,
    draw_heading,
    empty_figure,
    fitted,
    heading_height,
    place,
    wrapped,
)
from ketasim.report.trial.phase import trial_from
from ketasim.report.trial.subgroups import LEAST_PEOPLE, Row, subgroup_rows
from ketasim.report.trial.tables import Tables, arm_names, first_arms, rated_times, scale_words
from ketasim.report.words import MINUS, number
from ketasim.trials.study import Study

__all__ = ["compared_arms", "forest_caption", "forest_figure"]

_ROW, _HEAD, _BELOW = 0.23, 0.3, 0.78
#: Left ends of the columns, and of the axes, inches.
_COUNTS, _NUMBERS, _TEST, _AXES = 2.75, 3.05, 4.95, 5.75


def compared_arms(
    study: Study, arm: str = "", comparator: str = "", origin: str = "entry"
) -> tuple[str, str] | None:
    """Choose the two arms of a comparison.

    Parameters
    ----------
    study : Study
        The design.
    arm, comparator : str
        Their ids; without one, the first active arm and the first other arm of those that people
        are allocated to at the origin, or else the first two.
    origin : str
        ``entry``, or the label of a phase.

    Returns
    -------
    tuple of str, or None
        None if there are not two arms.

    Raises
    ------
    StudyError
        If the study has no such arm.
    """
    for name in (arm, comparator):
        if name:
            study.arm(name)
    ids = first_arms(study, origin)
    active = [item for item in ids if study.arm(item).active]
    control = [item for item in ids if item not in active]
    other = comparator or next((item for item in (*control, *ids[1:]) if item != arm), "")
    chosen = arm or next((item for item in (*active, *ids) if item != other), "")
    return (chosen, other) if chosen and other else None


def forest_figure(
    tables: Tables,
    study: Study,
    *,
    arm: str = "",
    comparator: str = "",
    time_h: float | None = None,
    scale: str = "",
    columns: Sequence[str] = (),
    replicate: int | None = None,
    origin: str = "entry",
) -> Figure:
    """Draw the difference in change between two arms by subgroup, with 95 % intervals.

    Parameters
    ----------
    tables : Tables
        The results.
    study : Study
        The design.
    arm, comparator : str
        As in :func:`compared_arms`.
    time_h : float, optional
        The visit, hours; without it, the last one.
    scale : str
        A rated scale; without one, that of the baseline.
    columns : sequence of str
        Covariates; empty for all that are known.
    replicate : int, optional
        Which one; without it, the first.
    origin : str
        ``entry``, or the label of a phase; see :func:`~ketasim.report.trial.phase.trial_from`.

    Returns
    -------
    Figure

    Raises
    ------
    StudyError
        If the study has no such arm, or there is no such replicate.
    """
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    title = f"{scale_words(scale)}: difference in change by subgroup"
    pair = compared_arms(study, arm, comparator, origin)
    if pair is None:
        return empty_figure(title, "The study has one arm only, so there is no difference.")
    times = rated_times(trial.outcomes, scale)
    if not times:
        return empty_figure(title, "Nobody was rated after entry.")
    when = times[-1] if time_h is None else time_h
    rows = subgroup_rows(trial, scale, *pair, when, columns)
    names = arm_names(study)
    compared = f"{names[pair[0]]} minus {names[pair[1]]}"
    title = f"{scale_words(scale)}: {compared}, change at {trial.at(study, when)}"
    if not any(math.isfinite(row.value) for row in rows):
        few = f"Fewer than {LEAST_PEOPLE} people of one of the two arms were rated at this visit."
        return empty_figure(title, few)
    return _drawn(rows, title, [names[name] for name in pair], arm_styles(study)[pair[0]], scale)


def _drawn(rows: Sequence[Row], title: str, names: Sequence[str], style: ArmStyle, scale: str) -> Figure:
    """Draw the rows of two arms with these names."""
    covariates = len({row.covariate for row in rows if row.covariate})
    tall = _ROW * (len(rows) + covariates + 0.5)
    feet = _directions(names)
    top = heading_height(title) + _HEAD
    figure = new_figure(top + tall + _BELOW + 0.16 * max(len(foot) for foot in feet))
    draw_heading(figure, title)
    ax = place(figure, _AXES, top, WIDTH - _AXES - 0.2, tall)
    _ground(ax, rows, tall, feet, scale)
    _columns(ax, rows, style)
    return figure


def _directions(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Lines of text that say which arm each side of zero favours."""
    room = 0.5 * (WIDTH - _AXES - 0.2) - 0.05
    found = [wrapped(f"favours {fitted(name, 3.2 * room)}", room) for name in names]
    return found[0], found[1]


def _ground(
    ax: Axes, rows: Sequence[Row], tall: float, feet: tuple[tuple[str, ...], tuple[str, ...]], scale: str
) -> None:
    """Set the limits, draw zero and the difference of all, and name the axis."""
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.axvline(0.0, color=INK3, linewidth=1.0)
    ends = [end for row in rows for end in (row.low, row.high) if math.isfinite(end)]
    reach = max(1.0, *(abs(end) for end in _usual(ends)))
    ax.set_xlim(-1.08 * reach, 1.08 * reach)
    ax.set_ylim(tall / _ROW, 0.0)
    ax.set_yticks([])
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]))
    ax.set_xlabel(f"difference in {scale_words(scale)}, points", fontsize=SMALL, color=INK2)
    if math.isfinite(rows[0].value):
        ax.axvline(rows[0].value, color=INK2, linewidth=0.9, linestyle=(0, (3.0, 2.0)))
    for x, side, lines in ((0.49, "right", feet[0]), (0.51, "left", feet[1])):
        ax.text(
            x,
            -0.52 / tall,
            "\n".join(lines),
            transform=ax.transAxes,
            fontsize=SMALL,
            color=INK2,
            ha=side,
            va="top",
            linespacing=1.15,
        )


def _usual(ends: Sequence[float]) -> list[float]:
    """Ends of intervals without those so far out that they would hide the rest."""
    sizes = sorted(abs(end) for end in ends)
    most = 3.0 * sizes[len(sizes) // 2]
    return [min(size, most) for size in sizes]


def _columns(ax: Axes, rows: Sequence[Row], style: ArmStyle) -> None:
    """Write and draw a line for each row, with a head for each covariate."""
    wide = WIDTH - _AXES - 0.2
    across = blended_transform_factory(ax.transAxes, ax.transData)

    def write(left: float, y: float, text: str, side: str = "left", *, strong: bool = False) -> None:
        ax.text(
            (left - _AXES) / wide,
            y,
            text,
            transform=across,
            fontsize=SMALL,
            ha=side,
            va="center_baseline",
            color=INK if strong else INK2,
            fontweight="bold" if strong else "normal",
        )

    write(EDGE, -0.5, "subgroup")
    write(_COUNTS, -0.5, "n, each arm", "right")
    write(_NUMBERS, -0.5, "difference (95 %)")
    write(_TEST, -0.5, "p, interaction")
    y, covariate = 0.0, ""
    most = max(row.treated + row.control for row in rows)
    for row in rows:
        if row.covariate != covariate:
            covariate = row.covariate
            write(EDGE, y + 0.5, fitted(covariate, _TEST - EDGE - 0.2), strong=True)
            if math.isfinite(row.interaction):
                write(_TEST, y + 0.5, _p_text(row.interaction))
            y += 1.0
        middle = y + 0.5
        write(EDGE + (0.15 if covariate else 0.0), middle, row.name, strong=not covariate)
        write(_COUNTS, middle, f"{row.treated}, {row.control}", "right")
        write(_NUMBERS, middle, _numbers(row))
        if math.isfinite(row.value):
            _mark(ax, row, middle, style, (row.treated + row.control) / most)
        y += 1.0


def _mark(ax: Axes, row: Row, y: float, style: ArmStyle, share: float) -> None:
    """Draw a difference: a square as large as its number of people, and its interval."""
    left, right = ax.get_xlim()
    ax.plot([max(row.low, left), min(row.high, right)], [y, y], color=style.colour, linewidth=1.5)
    for end, limit, mark in ((row.low, left, "<"), (row.high, right, ">")):
        if abs(end) > abs(limit):
            ax.plot([limit], [y], marker=mark, color=style.colour, markersize=5.0, clip_on=False)
    if left < row.value < right:
        marker = "D" if not row.covariate else "s"
        ax.plot([row.value], [y], marker=marker, color=style.colour, markersize=3.0 + 5.0 * math.sqrt(share))


def _numbers(row: Row) -> str:
    if not math.isfinite(row.value):
        few = min(row.treated, row.control) < LEAST_PEOPLE
        return "too few people" if few else "not estimable"
    # Adding zero takes the sign from what rounds to nothing.
    value, low, high = (
        f"{round(item, 1) + 0.0:.1f}".replace("-", MINUS) for item in (row.value, row.low, row.high)
    )
    return f"{value} ({low} to {high})"


def _p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else number(p, 2)


def forest_caption(
    tables: Tables,
    study: Study,
    *,
    arm: str = "",
    comparator: str = "",
    time_h: float | None = None,
    scale: str = "",
    replicate: int | None = None,
    origin: str = "entry",
) -> str:
    """Say in a sentence what :func:`forest_figure` shows."""
    trial = trial_from(tables, study, replicate, origin)
    scale = scale or study.population.baseline.scale
    pair = compared_arms(study, arm, comparator, origin)
    times = rated_times(trial.outcomes, scale)
    if pair is None or not times:
        return "There is nothing to compare by subgroup."
    names = arm_names(study)
    when = trial.at(study, times[-1] if time_h is None else time_h)
    between = f"{names[pair[0]]} and {names[pair[1]]} from {trial.since} at {when}"
    return (
        f"Difference in change of the {scale_words(scale)} between {between}, with its 95 % interval, by "
        "analysis of covariance with the score at entry among those rated, in all people (dashed line) and "
        "in each subgroup, with squares as large as the number of people and Cochran's Q as the test of "
        f"interaction, neither corrected for the number of subgroups{trial.words}."
    )
