"""One scenario as it is looked at: at which times, with which people, and the courses that come of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.axis import LONGEST_H, Axis
from ketasim.api.scenarios.columns import area_times, close_times, peak_times
from ketasim.api.scenarios.faults import Fault, ScenarioError
from ketasim.api.scenarios.metrics import LATEST_H, TERMINAL_H, TIMES_H, Measured
from ketasim.api.scenarios.people import Kind, block_of
from ketasim.api.scenarios.plans import Plan
from ketasim.api.scenarios.scored import scored_madrs
from ketasim.api.scenarios.solving import Lot, Solved, Stop, solve_lots
from ketasim.errors import SolverError

__all__ = ["Courses", "Look", "courses_of"]

FloatArray = npt.NDArray[np.float64]

#: Times closer than this are one.
_SAME_H: Final = 1e-9


@dataclass(frozen=True, eq=False)
class Look:
    """A scenario on an axis.

    Parameters
    ----------
    plan : Plan
        The scenario.
    axis : Axis
        The columns.
    zero_h : float
        Time of the dose at which the clock starts, in h since the first dose.
    """

    plan: Plan
    axis: Axis
    zero_h: float

    def __post_init__(self) -> None:
        if self.end_h > LONGEST_H:
            allowed = f"an end within {LONGEST_H:g} h of the first dose"
            message = f"it ends {self.end_h:g} h after the first dose; give {allowed}."
            raise ScenarioError([Fault("axis.knots_h", message, self.axis.knots_h[-1], allowed)])

    @cached_property
    def borders_h(self) -> FloatArray:
        """Borders of the columns, in h since the first dose."""
        return self.axis.borders_h + self.zero_h

    @cached_property
    def centres_h(self) -> FloatArray:
        """Middles of the columns, in h since the first dose."""
        return self.axis.centres_h + self.zero_h

    @property
    def end_h(self) -> float:
        """How far a run goes: to the end of the axis, and to the latest number of the table."""
        return max(float(self.axis.knots_h[-1]) + self.zero_h, LATEST_H)

    @property
    def horizon_h(self) -> float:
        """Time at which people are asked how they are: day 28, or the end of a shorter axis."""
        return min(LATEST_H, max(float(self.axis.knots_h[-1]) + self.zero_h, 24.0))

    @property
    def days(self) -> int:
        """Days of life stress."""
        return math.ceil(self.end_h / 24.0) + 1

    @property
    def last_dose_h(self) -> float:
        """End of the last dose."""
        return max((dose.end_h for dose in self.plan.regimen.doses), default=0.0)

    @cached_property
    def area_h(self) -> FloatArray:
        """Times from which the area under the level is worked out: the same on every axis."""
        found = area_times(self.plan.regimen)
        return np.concatenate(
            [[self.plan.start_h], found[(found > self.plan.start_h) & (found < LATEST_H)], [LATEST_H]]
        )

    @cached_property
    def times_h(self) -> FloatArray:
        """Times at which the typical person is looked at: no peak of a dose is missed."""
        return self._within([self.borders_h, self.centres_h, self.area_h, close_times(self.plan.regimen)])

    @cached_property
    def band_times_h(self) -> FloatArray:
        """Times at which draws and people are looked at: columns, and peaks after the visits that count."""
        return self._within([self.centres_h, self._peaks_h, self.area_h])

    @cached_property
    def count_times_h(self) -> FloatArray:
        """Times at which people are looked at who are only counted."""
        return self._within([self._peaks_h])

    @property
    def _peaks_h(self) -> FloatArray:
        visits = self.plan.visits_h
        return peak_times(visits[visits < LATEST_H]).ravel()

    def _within(self, parts: Sequence[FloatArray]) -> FloatArray:
        start, end = self.plan.start_h, self.end_h
        falling = self.last_dose_h + np.array(TERMINAL_H)
        fixed = np.array([start, 0.0, *TIMES_H.values(), *falling, self.horizon_h, end])
        found = np.unique(np.concatenate([fixed, *parts]))
        found = found[(found >= start) & (found <= end)]
        return np.asarray(found[np.concatenate([[True], np.diff(found) > _SAME_H])])

    def lots(self, times_h: FloatArray, kind: Kind, count: int, seed: int) -> tuple[Lot, Lot]:
        """The same people with the drug and with the control."""
        block = block_of(self.plan, kind, count, seed, self.days)
        drug, control = self.plan.regimen, self.plan.control
        return Lot(self.plan, block, drug, times_h), Lot(self.plan, block, control, times_h)


@dataclass(frozen=True, eq=False)
class Courses:
    """Courses of persons with the drug and with the control: of those who could be solved in both.

    Parameters
    ----------
    look : Look
        The scenario.
    lots : tuple of Lot
        Drug and control.
    solved : tuple of Solved
        Drug and control.
    scores : tuple of array, shape (persons, times)
        Scored MADRS with drug and control.
    """

    look: Look
    lots: tuple[Lot, Lot]
    solved: tuple[Solved, Solved]
    scores: tuple[FloatArray, FloatArray]

    @property
    def times_h(self) -> FloatArray:
        """Output times."""
        return self.lots[0].times_h

    @property
    def lost(self) -> int:
        """Persons who have no rest or could not be solved."""
        return self.lots[0].block.lost + len(self.lots[0].block) - len(self.solved[0].kept)

    @cached_property
    def measured(self) -> Measured:
        """What the table of numbers is made of."""
        return Measured(
            self.times_h, self.solved[0].values, *self.scores, self.look.last_dose_h, self._area_places
        )

    @property
    def _area_places(self) -> npt.NDArray[np.int64]:
        places = np.searchsorted(self.times_h, self.look.area_h - _SAME_H)
        return np.asarray(places.clip(max=len(self.times_h) - 1), dtype=np.int64)

    def at_columns(self, values: FloatArray) -> FloatArray:
        """Values at the middle of the columns; before the run they are those at its begin.

        Parameters
        ----------
        values : array, shape (persons, times)

        Returns
        -------
        array, shape (persons, columns)
        """
        places = np.searchsorted(self.times_h, self.look.centres_h - _SAME_H).clip(max=len(self.times_h) - 1)
        return np.asarray(values[:, places], dtype=np.float64)


def courses_of(
    looks: Sequence[tuple[Look, tuple[Lot, Lot]]],
    rtol: float,
    *,
    reference: bool = False,
    stop: Stop | None = None,
) -> list[Courses]:
    """Solve the persons of several scenarios in one go.

    Parameters
    ----------
    looks : sequence of (Look, (Lot, Lot))
        Scenarios, each with its people in both arms.
    rtol, reference, stop
        As for :func:`~ketasim.api.scenarios.solving.solve_lots`.

    Raises
    ------
    SolverError
        If nobody of a scenario can be solved in both arms.
    """
    if not looks:
        return []
    solved = solve_lots([lot for _, pair in looks for lot in pair], rtol, reference=reference, stop=stop)
    found = []
    for place, (look, lots) in enumerate(looks):
        both = _in_both(solved[2 * place], solved[2 * place + 1])
        settings = look.plan.settings
        drug, control = (scored_madrs(*each) for each in zip(lots, both, settings, strict=True))
        found.append(Courses(look, lots, both, (drug, control)))
    return found


def _in_both(drug: Solved, control: Solved) -> tuple[Solved, Solved]:
    """Those who could be solved in both arms, in the same order."""
    kept = np.intersect1d(drug.kept, control.kept)
    if not len(kept):
        raise SolverError("nobody could be solved both with the drug and with the control.")
    return drug.among(kept), control.among(kept)
