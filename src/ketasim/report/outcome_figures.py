"""Outcomes by arm and visit: the model's groups, and what was published."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ketasim.report.data import ReportData
from ketasim.report.findings import Course, courses, headline_time, score_statistic, visit_times
from ketasim.report.style import (
    INK,
    INK2,
    INK3,
    LINE,
    SMALL,
    SURFACE,
    TEXT,
    ArmStyle,
    arm_styles,
    bare,
    label_arms,
    new_figure,
)
from ketasim.report.words import SCALE_WORDS, arm_label, interval, number, visit_text
from ketasim.trials.endpoints import baselines

__all__ = ["change_by_person", "outcome_figure"]

_MOST_LABELS = 9
#: Heights of the panels, and the room between them, in inches.
_SCORES, _RATES, _NEXT = 2.75, 2.2, 0.95


def outcome_figure(data: ReportData) -> Figure | None:
    """Draw scores, response, remission and the spread between people.

    Parameters
    ----------
    data : ReportData
        Its ``endpoints``, ``outcomes`` and ``study`` are used.

    Returns
    -------
    Figure or None
        None if nobody was rated after the first dose.
    """
    times = visit_times(data)
    when = headline_time(data)
    if not times or when is None:
        return None
    styles = arm_styles(data.study, first=True)
    rows_tall = 0.3 * len(styles)
    height = 0.95 + _SCORES + _NEXT + _RATES + _NEXT + rows_tall + 0.55
    figure = new_figure(height)

    def place(left: float, right: float, top: float, tall: float) -> Axes:
        return figure.add_axes((left, 1.0 - (top + tall) / height, right - left, tall / height))

    top = 0.95
    scores = place(0.085, 0.99, top, _SCORES)
    top += _SCORES + _NEXT
    response, remission = place(0.085, 0.52, top, _RATES), place(0.555, 0.99, top, _RATES)
    top += _RATES + _NEXT
    people = place(0.2, 0.99, top, rows_tall)
    _scores(scores, data, styles, times)
    for ax, name in ((response, "response"), (remission, "remission")):
        _visits(ax, data, name, styles, times)
        _title(ax, f"{name.capitalize()}, % of patients")
    remission.tick_params(axis="y", labelleft=False)
    _people(people, data, styles, when)
    text = f"Change of each person at {visit_text(data.study, when)}, points: middle half and median"
    people.set_title(text, fontsize=TEXT, fontweight="bold", color=INK, loc="left", x=-0.1456, pad=6)
    return figure


def _scores(ax: Axes, data: ReportData, styles: dict[str, ArmStyle], times: tuple[float, ...]) -> None:
    """Draw the mean score or change by visit, with the key of the whole figure above it."""
    statistic = score_statistic(data)
    _visits(ax, data, statistic, styles, times)
    lines = label_arms(
        ax, [(arm_label(arm), style) for arm, style in styles.items()], y=1.035, extra=_keys(data)
    )
    scale = SCALE_WORDS[data.study.population.baseline.scale]
    word = "mean score" if statistic == "mean" else "change from baseline"
    title = f"{scale} {word}, points: mean and 95 % interval of the mean"
    _title(ax, title, y=1.055 + 0.075 * lines)


def _title(ax: Axes, text: str, y: float = 1.05) -> None:
    ax.set_title(text, fontsize=TEXT, fontweight="bold", color=INK, loc="left", y=y, pad=0)


def _keys(data: ReportData) -> list[Line2D]:
    """Markers in words: what is the model's, what was published, and how it was used."""
    keys = [Line2D([], [], color=INK2, marker="s", markersize=4.5, linestyle="none", label="model")]
    shown = ("response", "remission", score_statistic(data))
    scale = data.study.population.baseline.scale
    uses = {
        row.use
        for row in data.study.observations
        if row.quantity == scale and row.statistic in shown and len(row.arms) == 1
    }
    shapes = (("calibration", "o", INK2), ("check", "o", SURFACE), ("heldout", "D", SURFACE))
    for use, marker, face in shapes:
        if use in uses:
            label = {"calibration": "published, used to calibrate", "check": "published, check only"}.get(
                use, "published, held out"
            )
            keys.append(
                Line2D(
                    [],
                    [],
                    marker=marker,
                    markersize=6.5,
                    markerfacecolor=face,
                    markeredgecolor=INK2,
                    linestyle="none",
                    label=label,
                )
            )
    return keys


def _visits(
    ax: Axes, data: ReportData, statistic: str, styles: dict[str, ArmStyle], times: tuple[float, ...]
) -> None:
    """Draw a statistic of every arm at every visit; visits stand side by side in order."""
    bare(ax)
    ax.yaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    place = {time: float(index) for index, time in enumerate(times)}
    rate = statistic not in ("mean", "change")
    step = min(0.22 if rate else 0.15, 0.78 / len(styles))
    model = courses(data, statistic)
    for index, (arm, style) in enumerate(styles.items()):
        shift = (index - 0.5 * (len(styles) - 1)) * step
        _model_line(ax, model[arm], place, shift, style, rate=rate)
        _published(ax, data, statistic, arm, place, shift + 0.42 * step, style)
    if statistic == "change":
        ax.axhline(0.0, color=INK3, linewidth=0.8, zorder=1)
    ax.set_xlim(-0.5, len(times) - 0.5)
    every = math.ceil(len(times) / (5 if rate else _MOST_LABELS))
    shown = list(range(0, len(times), every))
    ax.set_xticks(shown, [visit_text(data.study, times[item]) for item in shown])
    ax.set_xlabel("visits in order", fontsize=SMALL, color=INK2)
    if rate:
        ax.set_ylim(-0.05, 1.05)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100.0 * value:.0f} %"))
        return
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _model_line(
    ax: Axes, course: Course, place: dict[float, float], shift: float, style: ArmStyle, *, rate: bool
) -> None:
    x = [place[time] + shift for time in course.times_h]
    if not rate:
        ax.plot(x, course.values, alpha=0.45, **style.line(1.2))
    for at, value, error, count in zip(x, course.values, course.errors, course.counts, strict=True):
        if math.isfinite(error):
            ends = interval(value, error, rate=rate, freedom=count - 1.0)
            ax.plot([at, at], ends, color=style.colour, linewidth=4.5, alpha=0.28, solid_capstyle="butt")
    ax.plot(x, course.values, linestyle="none", marker="s", markersize=4.5, color=style.colour)


def _published(
    ax: Axes,
    data: ReportData,
    statistic: str,
    arm: str,
    place: dict[float, float],
    shift: float,
    style: ArmStyle,
) -> None:
    scale = data.study.population.baseline.scale
    for row in data.study.observations:
        wanted = row.quantity == scale and row.statistic == statistic and row.arm == arm
        if not wanted or row.time_h not in place:
            continue
        at = place[row.time_h] + shift
        error = row.standard_error
        if error is not None:
            ends = interval(row.value, error, rate=statistic not in ("mean", "change"))
            ax.plot([at, at], ends, color=style.colour, linewidth=1.0)
        face = style.colour if row.use == "calibration" else SURFACE
        marker = "D" if row.use == "heldout" else "o"
        ax.plot(
            [at],
            [row.value],
            marker=marker,
            markersize=6.0,
            markerfacecolor=face,
            markeredgecolor=style.colour,
            markeredgewidth=1.3,
            zorder=5,
        )


def change_by_person(data: ReportData, arm: str, time_h: float) -> np.ndarray:
    """Each person's change of the primary scale at a visit.

    Returns
    -------
    array, shape (n_persons,)
        Points, sorted; people without a rating are left out.
    """
    scale = data.study.population.baseline.scale
    rows = data.outcomes[
        (data.outcomes["quantity"] == scale)
        & (data.outcomes["statistic"] == "score")
        & (data.outcomes["arm"] == arm)
        & np.isclose(data.outcomes["time_h"], time_h)
    ].set_index(["replicate", "arm", "subject"])["value"]
    change = (rows - baselines(data.outcomes, scale).reindex(rows.index)).dropna()
    return np.sort(change.to_numpy(dtype=np.float64))


def _people(ax: Axes, data: ReportData, styles: dict[str, ArmStyle], time_h: float) -> None:
    """Draw a dot a person, the middle half as a bar, and the median as a line; one row an arm."""
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.axvline(0.0, color=INK3, linewidth=0.8, zorder=1)
    for line, (arm, style) in enumerate(styles.items()):
        values = change_by_person(data, arm, time_h)
        if len(values) == 0:
            continue
        # Multiples of the golden ratio spread neighbours evenly without chance.
        jitter = ((np.arange(len(values)) * 0.618034) % 1.0 - 0.5) * 0.4
        ax.plot(
            values,
            line - 0.1 + jitter,
            linestyle="none",
            marker="o",
            markersize=3.4,
            color=style.colour,
            alpha=0.5,
            markeredgewidth=0.0,
        )
        low, middle, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
        ax.plot([low, high], [line + 0.3] * 2, color=style.colour, linewidth=4.0, solid_capstyle="butt")
        ax.plot([middle, middle], [line + 0.18, line + 0.42], color=INK, linewidth=2.0)
    ax.set_ylim(len(styles) - 0.45, -0.6)
    ax.set_yticks(range(len(styles)), [arm_label(arm) for arm in styles])
    ax.tick_params(axis="y", labelcolor=INK)
    ax.set_xlabel("change from baseline, points", fontsize=SMALL, color=INK2)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
