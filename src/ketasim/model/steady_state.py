"""What an endless course of doses has left in the body when its next dose is given.

Everything from a dose to the site of action is linear. What all earlier doses left is
then the sum of what one dose leaves after one, two, three ... intervals: one run of one
dose, and exact to the accuracy of the solver. What follows from the block (all slower
biology) is not in a steady state: it begins at the patient's rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.dosing.dose_table import DoseTable
from ketasim.engine import Batch, VectorEngine
from ketasim.engine.events import Marks, Schedules, merged_events
from ketasim.engine.lower import Program
from ketasim.errors import SolverError
from ketasim.model.administration import INFUSED, Values
from ketasim.model.chain import Chain
from ketasim.model.happenings import doses_given

__all__ = ["EarlierDoses"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_RTOL = 1e-9
#: What the last interval that is looked at may still leave, over all: beyond it nothing is missed.
_LEFT = 1e-11
#: Intervals looked at, at first and at most.
_INTERVALS, _MOST_INTERVALS = 32, 16_384

#: Stages from dose to site of action, and those of their states that do not follow doses linearly.
_STAGES = ("pharmacokinetics", "comparators", "receptors")
_NOT_LINEAR = ("trapped_", "antidepressant_")


@dataclass(frozen=True)
class EarlierDoses:
    """Works out what earlier doses of a steady state left, for the persons of a chain.

    Parameters
    ----------
    chain : Chain
        The model in which they are.
    """

    chain: Chain

    @cached_property
    def _part(self) -> Chain:
        """The stages that follow doses linearly."""
        return replace(self.chain, stages=tuple(s for s in self.chain.stages if s.name in _STAGES))

    @cached_property
    def _engine(self) -> VectorEngine:
        forced = tuple(name for name in INFUSED if name in self._part.states)
        return VectorEngine(self._part.system, forced, hour=self.chain.units.factor("h"))

    def left(
        self,
        program: Program,
        table: DoseTable,
        values: Values,
        rows: FloatArray,
        outside: Callable[[int, float], Mapping[str, float]],
    ) -> Marks:
        """Amounts that are there when the doses of a steady state are given.

        Parameters
        ----------
        program : Program
            Of the whole chain; numbers the states.
        table : DoseTable
            What is given.
        values : callable
            See :func:`~ketasim.model.administration.deposits_of`.
        rows : array, shape (persons, parameters)
            Parameters of the persons, in the order of ``program``.
        outside : callable
            Outside inputs of a person at an hour, in the chain's units.

        Returns
        -------
        Marks
            A jump a state and dose, in the chain's units.

        Raises
        ------
        SolverError
            If a dose is never eliminated.
        """
        entries = np.flatnonzero(np.isfinite(table.steady_state_h))
        if not len(entries):
            return Marks.joined([])
        given = table.rows(entries)
        hour = self.chain.units.factor("h")
        names = [name for name in self._engine.program.state_names if not name.startswith(_NOT_LINEAR)]
        amounts = self._summed(given, values, self._own_rows(program, rows)[given.subject], outside, names)
        count = len(names)
        return Marks(
            np.repeat(given.subject, count),
            np.tile([program.state_places[name] for name in names], len(entries)),
            np.repeat(given.time_h * hour, count),
            amounts.ravel(),
        )

    def _own_rows(self, program: Program, rows: FloatArray) -> FloatArray:
        places = {name: place for place, name in enumerate(program.parameters)}
        return rows[:, [places[name] for name in self._engine.program.parameters]]

    def _summed(
        self,
        given: DoseTable,
        values: Values,
        rows: FloatArray,
        outside: Callable[[int, float], Mapping[str, float]],
        names: Sequence[str],
    ) -> FloatArray:
        """Sum over all earlier doses, shape (doses, states)."""
        program, hour = self._engine.program, self.chain.units.factor("h")
        alone = replace(given, subject=np.arange(len(given)), time_h=np.zeros(len(given)))
        people = given.subject

        def of_person(name: str, part: DoseTable) -> FloatArray:
            return values(name, replace(part, subject=people[part.subject]))

        happenings = doses_given(program, self.chain.units, alone, of_person)
        beside = [
            (i, program.inputs.index(name), 0.0, value)
            for i, (person, time) in enumerate(zip(people.tolist(), given.time_h.tolist(), strict=True))
            for name, value in outside(person, time).items()
            if name in program.inputs
        ]
        inputs = Marks.joined([happenings.inputs, Marks.of_rows(beside)])
        happenings = happenings._replace(inputs=inputs)
        schedules = Schedules(program, happenings, len(given))
        places = [program.state_places[name] for name in names]
        scales = np.array(self._part.system.scales)[places]
        defaults = self._part.input_defaults()
        found, waiting, count = np.zeros((len(given), len(places))), np.arange(len(given)), _INTERVALS
        while len(waiting):
            if count > _MOST_INTERVALS:
                raise SolverError(
                    f"steady state: what a dose leaves is not eliminated within {_MOST_INTERVALS:,} "
                    "intervals; give a longer one."
                )
            times = [np.arange(count + 1) * every * hour for every in given.steady_state_h.tolist()]
            ends = np.array([own[-1] for own in times])
            events = merged_events(program, happenings, np.zeros(len(given)), ends, defaults)
            starts = np.zeros((len(given), len(program.state_names)))
            whole = Batch(rows, starts, schedules, times, events)
            solutions = self._engine.solve(whole.part(waiting.tolist()), defaults, _RTOL)
            if solutions.failures:
                raise SolverError(f"steady state: {next(iter(solutions.failures.values()))}")
            left = np.array([course[1:, places] for course in solutions.values])
            found[waiting] = left.sum(axis=1)
            size = np.maximum(np.abs(found[waiting]), scales)
            waiting = waiting[~(np.abs(left[:, -1]) <= _LEFT * size).all(axis=1)]
            count *= 4
        return found
