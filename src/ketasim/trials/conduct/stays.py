"""A person's way through the arms of a trial, and what it means for his doses.

A stay is the time that a person spends in one arm. The path of his stays is all that
decides what he is given; persons with one path share one course of doses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.model.times import output_times
from ketasim.trials.scoring import visit_starts
from ketasim.trials.study import Arm

__all__ = ["Path", "Plan", "Plans", "Stay"]

FloatArray = npt.NDArray[np.float64]

#: Times closer than this, in h, are one: sums of hours are rounded.
_SAME_TIME_H = 1e-9


class Stay(NamedTuple):
    """The time that a person spends in one arm, and what he misses of it."""

    arm: int  #: place of the arm in the study
    start_h: float
    end_h: float = math.inf  #: doses from the start up to here, not at it, are given
    missed: tuple[int, ...] = ()  #: doses of the arm that are missed, from 0


Path = tuple[Stay, ...]


@dataclass(frozen=True)
class Plan:
    """What a path means.

    Parameters
    ----------
    path : tuple of Stay
        The path.
    regimen : Regimen
        All doses, in study time.
    sessions_h : array
        Starts of the treatment visits, in h.
    stay_starts_h : array, shape (stays,)
        When each arm was entered.
    first_doses_h : array, shape (stays,)
        First dose of each stay; infinite without one.
    times_h : array
        Output times that catch every peak, from 0 to the end of the trial, visits among them.
    """

    path: Path
    regimen: Regimen
    sessions_h: FloatArray
    stay_starts_h: FloatArray
    first_doses_h: FloatArray
    times_h: FloatArray

    def is_active(self, begin_h: float, end_h: float) -> bool:
        """Whether a drug is given from one time up to another."""
        return any(dose.is_active and begin_h <= dose.start_h < end_h for dose in self.regimen.doses)

    def times_between(self, begin_h: float, end_h: float) -> FloatArray:
        """Output times of a stretch, both ends among them."""
        inside = (self.times_h > begin_h + _SAME_TIME_H) & (self.times_h < end_h - _SAME_TIME_H)
        return np.concatenate([[begin_h], self.times_h[inside], [end_h]])


@dataclass(frozen=True)
class Plans:
    """Turns paths into plans, each once.

    Parameters
    ----------
    arms : sequence of Arm
        Those of the study, in its order.
    visits_h : sequence of float
        When persons are rated.
    end_h : float
        End of the trial.
    visit_gap_h : float
        Doses closer than this are one treatment visit.
    """

    arms: Sequence[Arm]
    visits_h: Sequence[float]
    end_h: float
    visit_gap_h: float
    _made: dict[Path, Plan] = field(default_factory=dict, repr=False)

    def of(self, path: Path) -> Plan:
        """The plan of a path."""
        if path not in self._made:
            self._made[path] = self._plan(path)
        return self._made[path]

    def _plan(self, path: Path) -> Plan:
        parts = [self._doses(stay) for stay in path]
        regimen = Regimen(tuple(dose for part in parts for dose in part.doses))
        firsts = [math.inf if part.first_start_h is None else part.first_start_h for part in parts]
        return Plan(
            path,
            regimen,
            visit_starts([dose.start_h for dose in regimen.doses], self.visit_gap_h),
            np.array([stay.start_h for stay in path]),
            np.array(firsts),
            output_times(regimen, self.end_h, self.visits_h, fine=False),
        )

    def _doses(self, stay: Stay) -> Regimen:
        doses = [
            dose.at(dose.start_h + stay.start_h)
            for place, dose in enumerate(self.arms[stay.arm].dosing.doses)
            if place not in stay.missed
        ]
        last = min(stay.end_h, self.end_h + _SAME_TIME_H)
        return Regimen(tuple(dose for dose in doses if dose.start_h < last - _SAME_TIME_H))
