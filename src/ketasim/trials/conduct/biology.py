"""Runs the model for the persons of a trial, stretch by stretch, and reads what visits need.

Persons with one path have one course of doses and one grid of output times; they are read
together. What becomes of a person does not depend on who else is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.model.cohort import Cohort, Given, InputStep, Rested, at_rest, run_stretch
from ketasim.model.simulator import Simulator
from ketasim.trials.conduct.stays import Path, Plan, Plans

__all__ = ["Biology", "Group", "Stretch"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: After this time, in h, a treatment visit's peaks are over.
_SESSION_H = 24.0
_SAME_TIME_H = 1e-9
#: Quantities of which harm means a fall.
_FALLING = ("sedation",)


@dataclass(frozen=True)
class Group:
    """Persons with one path in one stretch.

    Parameters
    ----------
    plan : Plan
        What they are given.
    persons : array of int
        Their places.
    times_h : array, shape (times,)
        Output times.
    courses : dict of str to array, shape (persons, times)
        Quantities in their shown units.
    """

    plan: Plan
    persons: IntArray
    times_h: FloatArray
    courses: Mapping[str, FloatArray]

    def part(self, chosen: npt.NDArray[np.bool_]) -> Group:
        """Some of the persons."""
        courses = {name: course[chosen] for name, course in self.courses.items()}
        return Group(self.plan, self.persons[chosen], self.times_h, courses)

    def between(self, name: str, time_h: FloatArray) -> FloatArray:
        """A quantity of each person at a time of his own, on a straight line between output times."""
        right = np.clip(np.searchsorted(self.times_h, time_h), 1, len(self.times_h) - 1)
        rows = np.arange(len(self.persons))
        low, high = self.times_h[right - 1], self.times_h[right]
        share = np.clip((time_h - low) / (high - low), 0.0, 1.0)
        course = self.courses[name]
        return course[rows, right - 1] * (1.0 - share) + course[rows, right] * share

    def extreme(self, name: str, after_h: float, until_h: float) -> FloatArray:
        """Most extreme value of each person later than one time and up to another; NaN without a time there.

        The largest, but of alertness the smallest.
        """
        inside = (self.times_h > after_h + _SAME_TIME_H) & (self.times_h <= until_h + _SAME_TIME_H)
        if not inside.any():
            return np.full(len(self.persons), np.nan)
        course = self.courses[name][:, inside]
        return np.asarray(course.min(axis=1) if name in _FALLING else course.max(axis=1), dtype=np.float64)

    def sessions(self, begin_h: float, end_h: float) -> list[tuple[float, float]]:
        """Treatment visits that begin in a stretch: start, and when their peaks are over."""
        starts = self.plan.sessions_h
        following = np.append(starts, np.inf)[1:]
        return [
            (start, min(after, start + _SESSION_H))
            for start, after in zip(starts.tolist(), following.tolist(), strict=True)
            if begin_h - _SAME_TIME_H <= start < end_h - _SAME_TIME_H
        ]


@dataclass(frozen=True)
class Stretch:
    """A stretch of time as it went.

    Parameters
    ----------
    begin_h, end_h : float
        From where to where.
    groups : list of Group
        Persons with their courses.
    failed : dict of int to str
        Persons that could not be solved, and why.
    """

    begin_h: float
    end_h: float
    groups: list[Group]
    failed: dict[int, str]


@dataclass
class Biology:
    """The bodies of a trial's persons: their states go on from stretch to stretch.

    Parameters
    ----------
    simulator : Simulator
        The model.
    cohort : Cohort
        The persons.
    plans : Plans
        Turns paths into doses.
    inputs : sequence of mapping of str to float
        Outside inputs that are on in each arm of the study.
    occasions : dict of str to array, shape (persons, doses)
        See :class:`~ketasim.model.cohort.Given`.
    active : bool
        Whether active drugs are given; without, every dose is zero.
    thorough : bool
        See :func:`~ketasim.model.cohort.at_rest`.
    """

    simulator: Simulator
    cohort: Cohort
    plans: Plans
    inputs: Sequence[Mapping[str, float]]
    occasions: Mapping[str, FloatArray] = field(default_factory=dict)
    active: bool = True
    thorough: bool = True
    states: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @cached_property
    def rested(self) -> Rested:
        """All at rest before the trial."""
        options = {} if self.thorough else {"thorough": False}
        found = at_rest(self.simulator, self.cohort, **options)
        self.states = found.states.copy()
        return found

    def twin(self) -> Biology:
        """The same persons in the same trial with dose zero."""
        other = Biology(self.simulator, self.cohort, self.plans, self.inputs, self.occasions, False)
        other.__dict__["rested"] = self.rested
        other.states = self.rested.states.copy()
        return other

    def go_on(
        self, persons: IntArray, paths: Sequence[Path], begin_h: float, end_h: float, names: Sequence[str]
    ) -> Stretch:
        """Run some persons from where they are.

        Parameters
        ----------
        persons : array of int
            Who; those that have failed must not be among them.
        paths : sequence of Path
            The path of each, up to now.
        begin_h, end_h : float
            The stretch.
        names : sequence of str
            Quantities that are wanted.
        """
        rested = self.rested
        kinds = {path: place for place, path in enumerate(dict.fromkeys(paths))}
        which = np.array([kinds[path] for path in paths], dtype=np.int64)
        plans = [self.plans.of(path) for path in kinds]
        grids = [plan.times_between(begin_h, end_h) for plan in plans]
        given = Given(
            tuple(plan.regimen for plan in plans),
            which,
            {name: values[persons] for name, values in self.occasions.items()},
            self._steps(list(kinds), which),
        )
        solutions = run_stretch(
            self.simulator,
            self.cohort.part(persons),
            rested.rows[persons],
            self.states[persons],
            given if self.active else given.without_active_drug(),
            [grids[kind] for kind in which.tolist()],
            names,
        )
        self.states[persons] = solutions.finals
        failed = {int(persons[place]): text for place, text in solutions.failures.items()}
        groups = []
        for kind, plan in enumerate(plans):
            members = [i for i in np.flatnonzero(which == kind).tolist() if i not in solutions.failures]
            if members:
                values = np.stack([solutions.values[i] for i in members])
                courses = {name: values[:, :, place] for place, name in enumerate(names)}
                groups.append(Group(plan, persons[members], grids[kind], courses))
        return Stretch(begin_h, end_h, groups, failed)

    def _steps(self, paths: Sequence[Path], which: IntArray) -> list[InputStep]:
        """Outside inputs that are switched on and off on the way through the arms."""
        steps = []
        for kind, path in enumerate(paths):
            members = np.flatnonzero(which == kind)
            on: Mapping[str, float] = {}
            for stay in path:
                own = self.inputs[stay.arm]
                for name in sorted({*on, *own}):
                    if on.get(name, 0.0) != own.get(name, 0.0):
                        time = np.full(len(members), stay.start_h)
                        value = np.full(len(members), own.get(name, 0.0))
                        steps.append(InputStep(name, members, time, value))
                on = own
        return steps
