"""Ticks of an axis of several clocks: each piece in its own unit, the seams between them in bold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ketasim.api.scenarios import Axis

__all__ = ["ClockTick", "clock_names", "clock_ticks", "seam_text"]

#: Longest time since the dose of each clock, hours; its name, its unit in hours and its steps in that unit.
_CLOCKS = (
    (2.0, "minutes", 1.0 / 60.0, (5, 10, 15, 30, 60)),
    (24.0, "hours", 1.0, (1, 2, 3, 6, 12)),
    (336.0, "days", 24.0, (1, 2, 3, 7)),
    (4368.0, "weeks", 168.0, (1, 2, 4, 8, 13)),
    (math.inf, "months", 730.5, (1, 2, 3, 6, 12, 24, 60)),
)
_MOST = 4
#: Least distance of a tick from a seam, in widths of the axis.
_ROOM = 0.042
#: An axis of more pieces has no clocks: its pieces stand for a smooth scale.
_MOST_CLOCKS = 6


@dataclass(frozen=True)
class ClockTick:
    """A mark: its place from 0 to 1, its text, and whether two clocks meet there."""

    place: float
    text: str
    seam: bool


def seam_text(hours: float) -> str:
    """Write a time since the dose in the largest unit that it fills."""
    size = abs(hours)
    sign = "−" if hours < 0.0 else ""
    if size == 0.0:
        return "0"
    if size < 1.0:
        return f"{sign}{size * 60.0:.3g} min"
    if size < 24.0:
        return f"{sign}{size:.3g} h"
    if size < 336.0 or size % 168.0:
        return f"{sign}{size / 24.0:.3g} d"
    return f"{sign}{size / 168.0:.3g} wk"


def clock_ticks(axis: Axis) -> list[ClockTick]:
    """Marks of the whole axis, from left to right."""
    places = axis.edges_x
    if len(places) - 1 > _MOST_CLOCKS:
        chosen = np.unique(np.linspace(0, len(places) - 1, 7).round().astype(int))
        return [ClockTick(float(places[at]), seam_text(axis.knots_h[at]), False) for at in chosen]
    found = []
    for index, hours in enumerate(axis.knots_h):
        # A narrow piece before the dose has no room for a mark of its own.
        if index > 0 or hours >= 0.0 or places[1] > 2.0 * _ROOM:
            found.append(ClockTick(float(places[index]), seam_text(hours), True))
        if index < len(places) - 1:
            found += _inside(axis, index)
    return found


def _inside(axis: Axis, index: int) -> list[ClockTick]:
    """A few round times within a piece, in the unit of its clock."""
    start, end = axis.knots_h[index], axis.knots_h[index + 1]
    if start < 0.0:
        return []
    _, _, unit, steps = _clock(end)
    width = (end - start) / unit
    step = next((step for step in steps if width / step <= _MOST + 1), steps[-1] * math.ceil(width / 60.0))
    low, high = axis.edges_x[index] + _ROOM, axis.edges_x[index + 1] - _ROOM
    found = []
    for count in range(math.ceil(start / unit / step), math.floor(end / unit / step) + 1):
        place = float(axis.position(count * step * unit))
        if low < place < high:
            found.append(ClockTick(place, f"{count * step:g}", False))
    return found[: 3 * _MOST]


def clock_names(axis: Axis) -> list[tuple[float, str]]:
    """Middle of each piece and the name of its clock; empty where the axis has no clocks."""
    places = axis.edges_x
    if not 1 < len(places) - 1 <= _MOST_CLOCKS:
        return []
    return [
        (0.5 * float(places[index] + places[index + 1]), _clock(end)[1])
        for index, end in enumerate(axis.knots_h[1:])
        if end > 0.0
    ]


def _clock(end_h: float) -> tuple[float, str, float, tuple[int, ...]]:
    """The clock that a piece belongs to, by its end."""
    return next(clock for clock in _CLOCKS if end_h <= clock[0] + 1e-9)
