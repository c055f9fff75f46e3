"""What the model gives for persons with parameters of their own, at the times at which they were measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.errors import KetasimError, ModelError
from ketasim.inference.population_fit.data import FitData
from ketasim.inference.population_fit.effects import Effects
from ketasim.model.chain import build_chain
from ketasim.model.cohort import Cohort, Given, at_rest, run_stretch
from ketasim.model.kinetics import kinetic_simulator, untreated
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Case, Simulator

__all__ = ["Predictor", "simulator_for", "whole_simulator"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Differences between runs are taken, so that runs of the whole chain are more exact than usual.
_RTOL = 1e-6
#: Runs at once: enough to fill the kernels, few enough for little memory.
_CHUNK = 2000
_LEAST_H = 1.0


def simulator_for(quantities: Sequence[str]) -> Simulator:
    """The smallest model that has some quantities: the kinetics alone, or the whole chain."""
    kinetic = kinetic_simulator()
    if all(name in kinetic.chain.quantities for name in quantities):
        return kinetic
    return whole_simulator()


@cache
def whole_simulator() -> Simulator:
    """The simulator of the whole chain; who is simulated brings his own parameters."""
    return Simulator(build_chain(), _RTOL)


@dataclass(frozen=True)
class Predictor:
    """Simulates persons of a data set.

    Parameters
    ----------
    simulator : Simulator
        The model.
    data : FitData
        Who, what they are given and when they are looked at.
    effects : Effects
        In which parameters they are moved.
    base : ParameterSet, optional
        Values of all other parameters. Default: the shipped human ones.
    check : callable, optional
        Called before each block of runs; what it raises ends the work.
    """

    simulator: Simulator
    data: FitData
    effects: Effects
    base: ParameterSet | None = None
    check: Callable[[], None] | None = None

    @cached_property
    def parameters(self) -> ParameterSet:
        """Values of all parameters before persons are told apart."""
        return load_parameters() if self.base is None else self.base

    @property
    def names(self) -> tuple[str, ...]:
        """The observed quantities."""
        return tuple(item.name for item in self.data.observed)

    def at_data(self, person: IntArray, z: FloatArray) -> FloatArray:
        """Predictions of every measurement.

        Parameters
        ----------
        person : array of int, shape (runs,)
            Place of the person in the data.
        z : array, shape (runs, effects)
            His parameters, on their scales.

        Returns
        -------
        array, shape (runs, most)
            In the shown units; zero where there is no measurement, NaN where the equations have no
            solution with these parameters.
        """
        data = self.data
        times = [
            np.unique(np.append(own[mask], 0.0)) for own, mask in zip(data.times_h, data.mask, strict=True)
        ]
        grids = [own if len(own) > 1 else np.array([0.0, _LEAST_H]) for own in times]
        places = [np.searchsorted(own, row) for own, row in zip(grids, data.times_h, strict=True)]
        found = np.zeros((len(person), data.y.shape[1]))
        courses = self.courses(person, z, [grids[own] for own in person.tolist()])
        for run, own in enumerate(person.tolist()):
            values = courses[run][places[own], data.quantity[own]]
            found[run] = np.where(data.mask[own], values, 0.0)
        return found

    def courses(
        self,
        person: IntArray,
        z: FloatArray,
        times_h: Sequence[FloatArray],
        regimens: Sequence[Regimen] | None = None,
    ) -> list[FloatArray]:
        """Courses of the observed quantities.

        Parameters
        ----------
        person, z
            As for :meth:`at_data`.
        times_h : sequence of arrays
            Times of each run, from 0 h.
        regimens : sequence of Regimen, optional
            What is given in each run; default: what the person was given.

        Returns
        -------
        list of arrays, shape (times, quantities)
            NaN where the equations have no solution.
        """
        given = [self.data.regimens[own] for own in person.tolist()] if regimens is None else list(regimens)
        found: list[FloatArray] = [np.empty(0)] * len(person)
        whole = "life_stress" in self.simulator.chain.inputs
        solve = self._whole if whole else self._kinetic
        for first in range(0, len(person), _CHUNK):
            self._solve(
                np.arange(first, min(first + _CHUNK, len(person))), person, z, times_h, given, solve, found
            )
        return found

    def _solve(
        self,
        runs: IntArray,
        person: IntArray,
        z: FloatArray,
        times_h: Sequence[FloatArray],
        given: Sequence[Regimen],
        solve: Callable[..., list[FloatArray]],
        found: list[FloatArray],
    ) -> None:
        """Solve some runs; if one of them cannot be, halves of them, so that it alone fails."""
        if self.check is not None:
            self.check()
        own_times = [times_h[run] for run in runs.tolist()]
        try:
            with np.errstate(all="ignore"):
                values = self.effects.values(z[runs])
                if not np.isfinite(values).all():
                    raise ModelError("a parameter is not finite.")
                answers = solve(person[runs], values, own_times, [given[run] for run in runs.tolist()])
        except (KetasimError, ArithmeticError):
            if len(runs) == 1:
                found[int(runs[0])] = np.full((len(own_times[0]), len(self.names)), np.nan)
                return
            for half in np.array_split(runs, 2):
                self._solve(half, person, z, times_h, given, solve, found)
            return
        for run, answer in zip(runs.tolist(), answers, strict=True):
            found[run] = answer

    def _columns(self, person: IntArray, values: FloatArray) -> dict[str, FloatArray]:
        brought = {name: own[person] for name, own in self.data.covariates.items()}
        return brought | {name: values[:, place] for place, name in enumerate(self.effects.names)}

    def _kinetic(
        self, person: IntArray, values: FloatArray, times: Sequence[FloatArray], given: Sequence[Regimen]
    ) -> list[FloatArray]:
        columns = self._columns(person, values)
        cases = []
        for run in range(len(person)):
            own = self.parameters.with_values({name: float(column[run]) for name, column in columns.items()})
            cases.append(Case(untreated(own), given[run], times[run]))
        answers = []
        for case, answer in zip(cases, self.simulator.run_many(cases, self.names), strict=True):
            if isinstance(answer, KetasimError):
                answers.append(np.full((len(case.times_h), len(self.names)), np.nan))
            else:
                answers.append(np.stack([answer.quantities[name] for name in self.names], axis=1))
        return answers

    def _whole(
        self, person: IntArray, values: FloatArray, times: Sequence[FloatArray], given: Sequence[Regimen]
    ) -> list[FloatArray]:
        count = len(person)
        cohort = Cohort(
            self.parameters, self._columns(person, values), self.data.severity[person], np.zeros((count, 1))
        )
        rest = at_rest(self.simulator, cohort)
        kept = np.array([run for run in range(count) if run not in rest.refused], dtype=np.int64)
        answers = [np.full((len(own), len(self.names)), np.nan) for own in times]
        if not len(kept):
            return answers
        plans = list({id(plan): plan for plan in given}.values())
        place = {id(plan): at for at, plan in enumerate(plans)}
        which = np.array([place[id(given[run])] for run in kept.tolist()], dtype=np.int64)
        solved = run_stretch(
            self.simulator,
            cohort.part(kept),
            rest.rows[kept],
            rest.states[kept],
            Given(tuple(plans), which),
            [times[run] for run in kept.tolist()],
            self.names,
        )
        for at, run in enumerate(kept.tolist()):
            if at not in solved.failures:
                answers[run] = solved.values[at]
        return answers
