"""The time axis of four clocks: minutes, hours, days and weeks side by side.

Time from the first dose is mapped to a place between 0 and 1 by one continuous, increasing,
piecewise linear function, so that an infusion of 40 minutes and a month of recovery are both
seen. Each piece has ticks in its own unit; the seams between them carry theirs in bold.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Clock", "ClockAxis", "Tick", "clock_axis"]

FloatArray = npt.NDArray[np.float64]

#: Where a clock ends (h), its share of the width, its name, its unit in h, and tick steps in that unit.
_CLOCKS: tuple[tuple[float, float, str, float, tuple[float, ...]], ...] = (
    (2.0, 0.27, "minutes", 1.0 / 60.0, (30.0, 60.0)),
    (24.0, 0.21, "hours", 1.0, (6.0, 12.0)),
    (336.0, 0.28, "days", 24.0, (1.0, 2.0, 3.0, 7.0)),
    (math.inf, 0.24, "weeks", 168.0, (1.0, 2.0, 4.0, 13.0, 26.0, 52.0)),
)

#: A last piece shorter than this part of the one before is joined to it.
_LEAST = 0.15

_MOST_TICKS = 4

#: Least distance of a tick from a seam, in widths of the axis, so that texts stay apart.
_ROOM = 0.055


@dataclass(frozen=True)
class Clock:
    """One piece of the axis: its name, span in hours and the unit of its ticks in hours."""

    name: str
    start_h: float
    end_h: float
    unit_h: float
    steps: tuple[float, ...]


@dataclass(frozen=True)
class Tick:
    """A mark on the axis: its time in hours, its text, and whether two clocks meet there."""

    time_h: float
    text: str
    seam: bool


@dataclass(frozen=True)
class ClockAxis:
    """A piecewise linear axis.

    Parameters
    ----------
    clocks : tuple of Clock
        The pieces, which follow on each other from time zero.
    places : tuple of float
        Where the pieces begin and end, from 0 to 1; one more than there are clocks.
    """

    clocks: tuple[Clock, ...]
    places: tuple[float, ...]

    @property
    def knots(self) -> tuple[float, ...]:
        """Times at which pieces begin and end, hours."""
        return (self.clocks[0].start_h, *(clock.end_h for clock in self.clocks))

    def position(self, hours: npt.ArrayLike) -> FloatArray:
        """Map times (hours from the first dose) to places from 0 to 1; beyond the ends is the end."""
        return np.asarray(np.interp(np.asarray(hours, dtype=np.float64), self.knots, self.places))

    def hours(self, position: npt.ArrayLike) -> FloatArray:
        """Map places back to times in hours: the inverse of :meth:`position`."""
        return np.asarray(np.interp(np.asarray(position, dtype=np.float64), self.places, self.knots))

    def ticks(self) -> tuple[Tick, ...]:
        """Marks of the whole axis in order: the start, ticks in each unit, seams and the end."""
        found = [Tick(self.knots[0], "0", True)]
        for index, clock in enumerate(self.clocks):
            left, right = self.places[index] + 0.7 * _ROOM, self.places[index + 1] - _ROOM
            counts = [count for count in _counts(clock) if left < self.position(count * clock.unit_h) < right]
            found += [Tick(count * clock.unit_h, f"{count:g}", False) for count in counts]
            found.append(Tick(clock.end_h, _seam_text(clock.end_h), True))
        return tuple(found)


def _counts(clock: Clock) -> list[float]:
    """Round counts of the clock's unit within the piece, a few of them."""
    first, last = clock.start_h / clock.unit_h, clock.end_h / clock.unit_h
    step = next((step for step in clock.steps if (last - first) / step <= _MOST_TICKS + 1), None)
    if step is None:
        step = clock.steps[-1] * math.ceil((last - first) / clock.steps[-1] / _MOST_TICKS)
    return [index * step for index in range(math.ceil(first / step), math.floor(last / step) + 1)]


def _seam_text(hours: float) -> str:
    if hours < 2.0:
        return f"{hours * 60.0:.3g} min"
    if hours < 24.0:
        return f"{hours:.3g} h"
    if hours < 336.0 or hours % 168.0:
        return f"{hours / 24.0:.3g} d"
    return f"{hours / 168.0:.3g} wk"


def clock_axis(end_h: float) -> ClockAxis:
    """Make the axis for a span of time that begins at the first dose.

    Parameters
    ----------
    end_h : float
        Last time shown, in hours; above 0.

    Returns
    -------
    ClockAxis

    Raises
    ------
    ValueError
        If ``end_h`` is not above 0.
    """
    if not end_h > 0.0:
        raise ValueError(f"end_h: {end_h!r} is not a length of time; give more than 0 hours.")
    clocks: list[Clock] = []
    shares: list[float] = []
    start = 0.0
    for limit, share, name, unit_h, steps in _CLOCKS:
        end = min(limit, end_h)
        previous = clocks[-1].end_h - clocks[-1].start_h if clocks else 0.0
        if end == end_h and clocks and end - start < _LEAST * previous:
            last = clocks[-1]
            clocks[-1] = Clock(last.name, last.start_h, end_h, last.unit_h, last.steps)
        else:
            clocks.append(Clock(name, start, end, unit_h, steps))
            shares.append(share)
        start = end
        if end == end_h:
            break
    widths = np.concatenate([[0.0], np.cumsum(shares)]) / sum(shares)
    widths[-1] = 1.0
    return ClockAxis(tuple(clocks), tuple(float(place) for place in widths))
