"""Kaplan-Meier curves with numbers at risk."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ketasim.report.style import INK2, SMALL, WIDTH, ArmStyle, arm_styles, new_figure
from ketasim.report.trial.event_times import EventTimes
from ketasim.report.trial.layout import (
    EDGE,
    KeyItem,
    draw_heading,
    empty_figure,
    heading_height,
    left_room,
    name_y,
    place,
    plain_axes,
)
from ketasim.report.trial.tables import arm_names
from ketasim.report.trial.visits import counts_height, draw_counts, even_ticks
from ketasim.report.words import number, time_text
from ketasim.trials.analysis.survival import KaplanMeier, kaplan_meier, log_rank, median_time, numbers_at_risk
from ketasim.trials.study import Study

__all__ = ["survival_caption", "survival_figure"]

_TALL = 2.9
#: More curves than this have no bands, which would hide each other.
_MOST_BANDS = 3
#: Points of a curve, and ticks across it, that are drawn at most.
_MOST_POINTS = 400


@dataclass(frozen=True)
class _Group:
    """One arm's curve, its people and when observation ended without an event, hours."""

    curve: KaplanMeier
    time_h: np.ndarray
    censored_h: np.ndarray
    events: int


def survival_figure(times: EventTimes, study: Study) -> Figure:
    """Draw the share of people without an event over time, with numbers at risk below.

    Parameters
    ----------
    times : EventTimes
        Such as :func:`~ketasim.report.trial.event_times.relapse_times` gives.
    study : Study
        The design.

    Returns
    -------
    Figure
        Ticks across a curve are people whose observation ended. It says so if an arm has nobody.
    """
    title = f"Time to {times.word}, {times.origin}"
    groups = _groups(times)
    end = max((float(group.time_h.max()) for group in groups.values()), default=0.0)
    if end <= 0.0:
        return empty_figure(title, "Nobody was observed for any time, so there is no curve.")
    names, styles = arm_names(study), arm_styles(study)
    items = [
        KeyItem.of_arm(names[arm] + _told(groups.get(arm), alone=len(times.arms) == 1), styles[arm])
        for arm in times.arms
    ]
    tick = Line2D([], [], color=INK2, linestyle="none", marker="|", markersize=8.0)
    items.append(KeyItem("observation ended", tick))
    p = _test(times)
    if math.isfinite(p):
        text = f"log-rank p {'< 0.001' if p < 0.001 else f'= {number(p, 2)}'}"
        items.append(KeyItem(text, None))
    left = left_room([names[arm] for arm in times.arms], most=1.8) + 0.6
    wide = WIDTH - left - EDGE - 0.1
    top = heading_height(title, items)
    figure = new_figure(top + _TALL + counts_height(len(times.arms)))
    draw_heading(figure, title, items)
    ax = place(figure, left, top, wide, _TALL)
    plain_axes(ax)
    for arm in times.arms:
        if arm in groups:
            _curve(ax, groups[arm], styles[arm], band=len(groups) <= _MOST_BANDS)
    ticks = even_ticks(end, wide)
    ax.set_xlim(-0.012 * end, 1.012 * end)
    ax.set_ylim(0.0, 1.04)
    ax.set_xticks([time for time, _ in ticks], [text for _, text in ticks])
    ax.tick_params(axis="x", pad=6)
    ax.set_yticks(np.linspace(0.0, 1.0, 6), [f"{share} %" for share in range(0, 101, 20)])
    ax.set_xlabel(f"time {times.origin}", fontsize=SMALL, color=INK2)
    name_y(ax, f"without {times.word}", _TALL)
    grid = [time for time, _ in ticks]
    rows = {arm: (names[arm], styles[arm], _at_risk(groups.get(arm), grid)) for arm in times.arms}
    draw_counts(ax, "number at risk", grid, rows, left, _TALL)
    return figure


def _groups(times: EventTimes) -> dict[str, _Group]:
    """Estimate the curve of each arm that has people."""
    found = {}
    for arm in times.arms:
        # Who was never seen after the origin says nothing.
        chosen = (times.arm == arm) & ((times.time_h > 0.0) | times.event)
        if chosen.any():
            when, event = times.time_h[chosen], times.event[chosen]
            found[arm] = _Group(kaplan_meier(when, event), when, np.unique(when[~event]), int(event.sum()))
    return found


def _told(group: _Group | None, *, alone: bool) -> str:
    """What stands behind the name of an arm in the key."""
    if group is None:
        return " (nobody observed)"
    people = f": {group.events} of {len(group.time_h)}"
    middle = median_time(group.curve).value if len(group.curve.times) else math.inf
    told = f", median {time_text(middle)}" if math.isfinite(middle) else ", median not reached"
    return people + (" with the event" if alone else "") + told


def _test(times: EventTimes) -> float:
    """P value of the log-rank test of all arms; NaN where there is nothing to test."""
    usable = (times.time_h > 0.0) | times.event
    codes = np.array([times.arms.index(arm) for arm in times.arm[usable]], dtype=np.int64)
    if len(np.unique(codes)) < 2 or not times.event[usable].any():
        return math.nan
    return log_rank(times.time_h[usable], times.event[usable], codes).p


def _curve(ax: Axes, group: _Group, style: ArmStyle, *, band: bool) -> None:
    curve = group.curve
    end = float(group.time_h.max())
    shown = _even_places(len(curve.times))
    x = np.concatenate([[0.0], curve.times[shown], [end]])
    steps = np.concatenate([[1.0], curve.survival])
    ax.step(x, np.concatenate([[1.0], curve.survival[shown], steps[-1:]]), where="post", **style.line(1.8))
    if band and len(curve.times):
        low, high = np.concatenate([[1.0], curve.low[shown]]), np.concatenate([[1.0], curve.high[shown]])
        ax.fill_between(
            x,
            np.append(low, low[-1]),
            np.append(high, high[-1]),
            step="post",
            color=style.colour,
            alpha=0.13,
            linewidth=0,
        )
    ends = group.censored_h[_even_places(len(group.censored_h))]
    at = steps[np.searchsorted(curve.times, ends, side="right")]
    ax.plot(
        ends,
        at,
        linestyle="none",
        marker="|",
        markersize=8.0,
        markeredgewidth=1.3,
        color=style.colour,
        zorder=4,
    )


def _even_places(count: int) -> np.ndarray:
    """Places of at most so many points as can be told apart, the last among them."""
    if count <= _MOST_POINTS:
        return np.arange(count)
    return np.linspace(0, count - 1, _MOST_POINTS).round().astype(np.int64)


def _at_risk(group: _Group | None, grid: list[float]) -> list[str]:
    if group is None:
        return ["0"] * len(grid)
    return [str(int(count)) for count in numbers_at_risk(group.time_h, grid)]


def survival_caption(times: EventTimes, study: Study) -> str:
    """Say in a sentence what :func:`survival_figure` shows."""
    groups = _groups(times)
    names = arm_names(study)
    told = [
        f"{names[arm]} {groups[arm].events} of {len(groups[arm].time_h)}"
        for arm in times.arms
        if arm in groups
    ]
    bands = " and 95 % bands on the log-log scale" if len(groups) <= _MOST_BANDS else ""
    with_event = f", with the event in {', '.join(told)}" if told else ""
    return (
        f"Kaplan-Meier share of people without {times.word}, {times.origin}, with ticks where observation of "
        f"somebody ended{bands}{with_event}; events are known at visits only."
    )
