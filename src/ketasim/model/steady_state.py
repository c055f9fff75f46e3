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
from ketasim.dosing.regimen import DEVICE_GAP_H
from ketasim.engine import Batch, VectorEngine
from ketasim.engine.events import Flows, Happenings, Marks, Schedules, merged_events
from ketasim.engine.program import Program
from ketasim.errors import SolverError
from ketasim.model.administration import INFUSED, Values
from ketasim.model.chain import Chain
from ketasim.model.happenings import doses_given

__all__ = ["EarlierDoses", "placed_at_start"]

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
        return VectorEngine(self._part.recipe, forced, hour=self.chain.units.factor("h"))

    def left(
        self,
        program: Program,
        table: DoseTable,
        values: Values,
        rows: FloatArray,
        outside: Callable[[int, float], Mapping[str, float]],
    ) -> tuple[Marks, Flows]:
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
        Marks, Flows
            What earlier doses left in each state, as jumps, and what of them still flows, in the
            chain's units.

        Raises
        ------
        SolverError
            If a dose is never eliminated.
        """
        entries = np.flatnonzero(np.isfinite(table.steady_state_h))
        if not len(entries):
            return Marks.joined([]), Flows.joined([])
        given = table.rows(entries)
        hour = self.chain.units.factor("h")
        # Devices of one dose, and doses of one group, begin one after another: each course is counted from
        # the first start of the group, so that what is to come later is there before it too.
        begins_h, offset_h = _groups(given)
        begins = begins_h * hour
        happenings = self._alone(replace(given, time_h=offset_h), values, outside, begins_h)
        names = [name for name in self._engine.program.state_names if not name.startswith(_NOT_LINEAR)]
        own_rows = self._own_rows(program, rows)[given.subject]
        intervals = given.steady_state_h * hour
        amounts = self._summed(happenings, own_rows, intervals, names)
        left = Marks(
            np.repeat(given.subject, len(names)),
            np.tile([program.state_places[name] for name in names], len(entries)),
            np.repeat(begins, len(names)),
            amounts.ravel(),
        )
        places = np.array([program.state_places[name] for name in self._engine.program.state_names])
        jumps, flows = _still_coming(happenings, intervals)
        coming = [
            Marks(given.subject[own], places[target], time + begins[own], value)
            for own, target, time, value in jumps
        ]
        flowing = [
            Flows(given.subject[own], places[target], start + begins[own], end + begins[own], amount)
            for own, target, start, end, amount in flows
        ]
        return Marks.joined([left, *coming]), Flows.joined(flowing)

    def _own_rows(self, program: Program, rows: FloatArray) -> FloatArray:
        places = {name: place for place, name in enumerate(program.parameters)}
        return rows[:, [places[name] for name in self._engine.program.parameters]]

    def _alone(
        self,
        given: DoseTable,
        values: Values,
        outside: Callable[[int, float], Mapping[str, float]],
        hours: FloatArray,
    ) -> Happenings:
        """Each dose by itself, with what is outside at the hour at which it is given."""
        program, people = self._engine.program, given.subject

        def of_person(name: str, part: DoseTable) -> FloatArray:
            return values(name, replace(part, subject=people[part.subject]))

        alone = replace(given, subject=np.arange(len(given)))
        happenings = doses_given(program, self.chain.units, alone, of_person)
        beside = [
            (i, program.inputs.index(name), 0.0, value)
            for i, (person, time) in enumerate(zip(people.tolist(), hours.tolist(), strict=True))
            for name, value in outside(person, time).items()
            if name in program.inputs
        ]
        return happenings._replace(inputs=Marks.joined([happenings.inputs, Marks.of_rows(beside)]))

    def _summed(
        self, happenings: Happenings, rows: FloatArray, intervals: FloatArray, names: Sequence[str]
    ) -> FloatArray:
        """Sum over all earlier doses, shape (doses, states)."""
        program, count = self._engine.program, len(intervals)
        schedules = Schedules(program, happenings, count)
        places = [program.state_places[name] for name in names]
        scales = np.array(program.scales)[places]
        defaults = self._part.input_defaults()
        found, waiting, most = np.zeros((count, len(places))), np.arange(count), _INTERVALS
        while len(waiting):
            if most > _MOST_INTERVALS:
                raise SolverError(
                    f"steady state: what a dose leaves is not eliminated within {_MOST_INTERVALS:,} "
                    "intervals; give a longer one."
                )
            times = [np.arange(most + 1) * interval for interval in intervals.tolist()]
            ends = np.array([own[-1] for own in times])
            events = merged_events(program, happenings, np.zeros(count), ends, defaults)
            starts = np.zeros((count, len(program.state_names)))
            whole = Batch(rows, starts, schedules, times, events)
            solutions = self._engine.solve(whole.part(waiting.tolist()), defaults, _RTOL)
            if solutions.failures:
                raise SolverError(f"steady state: {next(iter(solutions.failures.values()))}")
            left = np.array([course[1:, places] for course in solutions.values])
            found[waiting] = left.sum(axis=1)
            size = np.maximum(np.abs(found[waiting]), scales)
            waiting = waiting[~(np.abs(left[:, -1]) <= _LEFT * size).all(axis=1)]
            most *= 4
        return found


def _groups(given: DoseTable) -> tuple[FloatArray, FloatArray]:
    """Start of the group that each entry belongs to, and how much later it comes, both in h.

    A group is what begins within one interval of a person's first dose of a steady state.
    """
    # The very number of the first device's time, which a sum would miss by rounding.
    starts = given.time_h[np.arange(len(given)) - given.device]
    first = np.full(int(given.subject.max()) + 1, np.inf)
    np.minimum.at(first, given.subject, starts)
    behind = starts - first[given.subject]
    grouped = behind < given.steady_state_h
    begins = np.where(grouped, first[given.subject], starts)
    offset = np.asarray(given.device * DEVICE_GAP_H + np.where(grouped, behind, 0.0), dtype=np.float64)
    return begins, offset


def _still_coming(happenings: Happenings, intervals: FloatArray) -> tuple[list[Marks], list[Flows]]:
    """What of earlier doses comes only after the next one is given, as of a release longer than that."""
    jumps, flows = [], []
    last = max(happenings.flows.end.max(initial=0.0), happenings.jumps.time.max(initial=0.0))
    for before in range(1, 1 + int(last / intervals.min())):
        marks, streams = happenings.jumps, happenings.flows
        time = marks.time - before * intervals[marks.patient]
        jumps.append(marks._replace(time=time).picked(time >= 0.0))
        shift = before * intervals[streams.patient]
        start, end = np.maximum(streams.start - shift, 0.0), streams.end - shift
        share = (end - start) / (streams.end - streams.start)
        # What rounding leaves of a span is none.
        late = share > _LEFT
        flows.append(Flows(streams.patient, streams.target, start, end, share * streams.amount).picked(late))
    return jumps, flows


def placed_at_start(left: Marks, starts: FloatArray, begins: FloatArray) -> tuple[FloatArray, Marks]:
    """Put what is there when a run begins into its starting states, so that its first value shows it.

    Parameters
    ----------
    left : Marks
        Jumps of :meth:`EarlierDoses.left`.
    starts : array, shape (persons, states)
        States at the first time.
    begins : array, shape (persons,)
        First times, in the chain's units.

    Returns
    -------
    starts : array, shape (persons, states)
        With what was left.
    left : Marks
        Jumps that come later.
    """
    if not len(left.time):
        return starts, left
    now = left.time == begins[left.patient]
    whole = starts.copy()
    np.add.at(whole, (left.patient[now], left.target[now]), left.value[now])
    return whole, left.picked(~now)
