"""Staying well over time: product-limit curves of the persons of a virtual trial."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Survival", "first_events", "staying_well"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Survival:
    """A product-limit curve.

    Parameters
    ----------
    times, well : array, shape (steps,)
        Times in days, from 0, and the share that is still well from each on.
    people : int
        Persons followed.
    """

    times: FloatArray
    well: FloatArray
    people: int

    def quantile(self, share: float) -> float:
        """Days until a share has relapsed; NaN if it never comes to that within the time followed."""
        reached = np.flatnonzero(self.well <= 1.0 - share + 1e-12)
        return float(self.times[reached[0]]) if reached.size else math.nan

    def median(self) -> tuple[float, bool]:
        """Days until half has relapsed, and whether they were found beyond the time followed.

        Beyond it a constant hazard is taken, that of the whole time followed; infinite if nobody relapses.
        """
        within = self.quantile(0.5)
        if not math.isnan(within):
            return within, False
        if not self.people:
            return math.nan, True
        left = float(self.well[-1])
        return (math.inf if left >= 1.0 else float(self.times[-1]) * math.log(2.0) / -math.log(left)), True

    def at(self, days: float) -> float:
        """Share that is still well at a time."""
        return float(self.well[np.searchsorted(self.times, days + 1e-9, side="right") - 1])


def first_events(
    bad: BoolArray, seen: BoolArray, times: FloatArray, consecutive: int
) -> tuple[FloatArray, BoolArray]:
    """Find when each person meets a rule, at the first of so many visits in a row.

    Parameters
    ----------
    bad, seen : array of bool, shape (persons, visits)
        Whether the rule is met, and whether the person was seen. A visit missed ends a row.
    times : array, shape (visits,) or (persons, visits)
        Days from the origin.
    consecutive : int
        Visits in a row.

    Returns
    -------
    when : array, shape (persons,)
        The event, or when last seen (0 for who never was).
    happened : array of bool, shape (persons,)
    """
    persons, visits = bad.shape
    every = np.broadcast_to(times, bad.shape)
    run = np.zeros(persons, dtype=np.int64)
    when = np.max(np.where(seen, every, 0.0), axis=1, initial=0.0)
    happened = np.zeros(persons, dtype=bool)
    for place in range(visits):
        run = np.where(bad[:, place] & seen[:, place], run + 1, 0)
        new = (run >= consecutive) & ~happened
        first = every[:, place - consecutive + 1] if place >= consecutive - 1 else every[:, place]
        when = np.where(new, first, when)
        happened |= new
    return np.asarray(when, dtype=np.float64), happened


def staying_well(when: FloatArray, happened: BoolArray) -> Survival:
    """Estimate a product-limit curve.

    Parameters
    ----------
    when : array, shape (persons,)
        Days to the event or to when a person was last seen.
    happened : array of bool, shape (persons,)
        Whether it was the event.
    """
    times = np.unique(when[happened])
    at_risk = np.array([(when >= time).sum() for time in times], dtype=np.float64)
    events = np.array([(when[happened] == time).sum() for time in times], dtype=np.float64)
    well = np.concatenate([[1.0], np.cumprod(1.0 - events / at_risk)]) if times.size else np.ones(1)
    last = float(when.max(initial=0.0))
    return Survival(np.concatenate([[0.0], times, [last]]), np.append(well, well[-1]), len(when))
