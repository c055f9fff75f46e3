"""What happens to patients, as the arrays that the driver reads.

Everything is done for all patients at once, and what becomes of one patient's
events follows from that patient alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from ketasim.engine.program import Program
from ketasim.engine.records import Action, Events
from ketasim.engine.schedule import CANCELLED, Bolus, Infusion, InputPath, Reset, Schedule
from ketasim.errors import ModelError, unknown_name

__all__ = [
    "EventTable",
    "Flows",
    "Happenings",
    "Marks",
    "Picked",
    "Schedules",
    "event_table",
    "merged_events",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: In which order things happen at one time: inputs and rates first, then jumps, then settings.
_TURN = np.zeros(len(Action), dtype=np.int64)
_TURN[[Action.SET_INPUT, Action.SET_RATE, Action.ADD, Action.SET_STATE]] = range(4)


@dataclass(frozen=True)
class EventTable:
    """What happens to each patient.

    Parameters
    ----------
    events : Events
        Everything after the first instant and at it, in order of time.
    inputs : array, shape (patients, inputs)
        Inputs before any event: their defaults, and no infusion.
    """

    events: Events
    inputs: FloatArray

    def part(self, places: IntArray) -> EventTable:
        """Those of some patients."""
        begins, counts = self.events.offsets[places], np.diff(self.events.offsets)[places]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        rows = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], counts)
        columns = (self.events.times, self.events.kinds, self.events.targets, self.events.values)
        return EventTable(Events(offsets, *(column[rows] for column in columns)), self.inputs[places])


class Marks(NamedTuple):
    """Things that happen at one time, each an entry of every column."""

    patient: IntArray
    target: IntArray  #: place of the state or input
    time: FloatArray
    value: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Marks]) -> Marks:
        """All in one."""
        if not parts:
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, np.zeros(0), np.zeros(0))
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    @classmethod
    def of_rows(cls, rows: Sequence[tuple[int, int, float, float]]) -> Marks:
        """Entries one by one."""
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        return cls(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2], table[:, 3])

    def picked(self, chosen: npt.NDArray[np.bool_] | IntArray) -> Marks:
        """Some of the entries."""
        return Marks(self.patient[chosen], self.target[chosen], self.time[chosen], self.value[chosen])


class Flows(NamedTuple):
    """Infusions on [start, end), each an entry of every column."""

    patient: IntArray
    target: IntArray  #: place of the state
    start: FloatArray
    end: FloatArray
    amount: FloatArray

    @classmethod
    def joined(cls, parts: Sequence[Flows]) -> Flows:
        """All in one."""
        if not parts:
            none = np.zeros(0, dtype=np.int64)
            return cls(none, none, *(np.zeros(0) for _ in range(3)))
        return cls(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    @classmethod
    def of_rows(cls, rows: Sequence[tuple[int, int, float, float, float]]) -> Flows:
        """Entries one by one."""
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        patient, target = table[:, 0].astype(np.int64), table[:, 1].astype(np.int64)
        return cls(patient, target, table[:, 2], table[:, 3], table[:, 4])

    def picked(self, chosen: npt.NDArray[np.bool_] | IntArray) -> Flows:
        """Some of the entries."""
        spans = (self.start[chosen], self.end[chosen], self.amount[chosen])
        return Flows(self.patient[chosen], self.target[chosen], *spans)


class Happenings(NamedTuple):
    """All that happens to patients, in any order."""

    jumps: Marks  #: amounts added to states
    flows: Flows
    inputs: Marks  #: values that hold from a time on; the first of an input holds before it too
    settings: Marks  #: values that states are put at


@dataclass(frozen=True)
class Schedules(Sequence[Schedule]):
    """What happens to patients as an object each, made when it is asked for.

    Parameters
    ----------
    program : Program
        Its states and inputs number the targets.
    happenings : Happenings
        What happens.
    patients : int
        How many there are.
    """

    program: Program
    happenings: Happenings
    patients: int

    def __len__(self) -> int:
        return self.patients

    @overload
    def __getitem__(self, item: int) -> Schedule: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Schedule]: ...
    def __getitem__(self, item: int | slice) -> Schedule | Sequence[Schedule]:
        if isinstance(item, slice):
            return Picked(self, np.arange(self.patients)[item])
        place = range(self.patients)[item]
        states, inputs = self.program.state_names, self.program.inputs
        jumps, flows, paths, settings = (_of(part, place) for part in self.happenings)
        steps: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for target, time, value in sorted(paths, key=lambda mark: mark[1]):
            steps[inputs[target]].append((time, value))
        return Schedule(
            [Bolus(states[target], time, value) for target, time, value in jumps],
            [Infusion(states[target], *rest) for target, *rest in flows],
            {name: InputPath(*zip(*dict(found).items(), strict=True)) for name, found in steps.items()},
            [Reset(states[target], time, value) for target, time, value in settings],
        )


def _of(part: Marks | Flows, place: int) -> list[tuple[int, ...]]:
    """Entries of a patient, without him."""
    own = np.flatnonzero(part.patient == place)
    return list(zip(*(column[own].tolist() for column in part[1:]), strict=True))


@dataclass(frozen=True)
class Picked(Sequence[Schedule]):
    """Some of many schedules, without making any.

    Parameters
    ----------
    schedules : sequence of Schedule
        All.
    places : array of int
        Which of them.
    """

    schedules: Sequence[Schedule]
    places: IntArray

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, item: int) -> Schedule: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Schedule]: ...
    def __getitem__(self, item: int | slice) -> Schedule | Sequence[Schedule]:
        if isinstance(item, slice):
            return Picked(self.schedules, self.places[item])
        return self.schedules[int(self.places[item])]


def event_table(
    program: Program,
    schedules: Sequence[Schedule],
    begins: Sequence[float],
    ends: Sequence[float],
    defaults: Mapping[str, float],
) -> EventTable:
    """Write schedules as arrays.

    Parameters
    ----------
    program : Program
        Its states and inputs number the targets.
    schedules : sequence of Schedule
        One a patient.
    begins, ends : sequences of float
        First and last time of each patient.
    defaults : mapping of str to float
        Value of every input without a path.

    Raises
    ------
    ModelError
        If a schedule names a state or an input that does not exist, or infuses into a state
        that the program cannot infuse into.
    """
    states, inputs = program.state_places, {name: i for i, name in enumerate(program.inputs)}
    jumps: list[tuple[int, int, float, float]] = []
    flows: list[tuple[int, int, float, float, float]] = []
    paths: list[tuple[int, int, float, float]] = []
    settings: list[tuple[int, int, float, float]] = []
    for i, schedule in enumerate(schedules):
        for name in sorted(schedule.states - set(states)):
            raise ModelError(f"event: {unknown_name('state', name, states)}")
        for name in sorted(set(schedule.inputs) - set(defaults)):
            raise ModelError(unknown_name("input", name, defaults))
        jumps += [(i, states[b.state], b.time, b.amount) for b in schedule.boluses]
        flows += [(i, states[f.state], f.start, f.end, f.amount) for f in schedule.infusions]
        settings += [(i, states[r.state], r.time, r.value) for r in schedule.resets]
        for name, path in schedule.inputs.items():
            paths += [
                (i, inputs[name], time, value) for time, value in zip(path.times, path.values, strict=True)
            ]
    happenings = Happenings(
        Marks.of_rows(jumps), Flows.of_rows(flows), Marks.of_rows(paths), Marks.of_rows(settings)
    )
    return merged_events(program, happenings, np.asarray(begins), np.asarray(ends), defaults)


def merged_events(
    program: Program,
    happenings: Happenings,
    begins: FloatArray,
    ends: FloatArray,
    defaults: Mapping[str, float],
) -> EventTable:
    """Write what happens to patients as arrays.

    Infusions that overlap or abut are summed into one course of rates; changes that cancel are
    no event. What was infused before the first time goes on; a bolus before it has been given.

    Parameters
    ----------
    program : Program
        Its states and inputs number the targets.
    happenings : Happenings
        In the units of the program.
    begins, ends : array, shape (patients,)
        First and last time of each.
    defaults : mapping of str to float
        Value of every input until it is set.

    Raises
    ------
    ModelError
        If something flows into a state that the program cannot infuse into, or in no time.
    """
    row = np.array([defaults.get(name, 0.0) for name in program.inputs])
    jumps = _summed(happenings.jumps)
    parts = [
        (_input_changes(happenings.inputs, begins, row), Action.SET_INPUT),
        (_rate_changes(_rate_targets(program, happenings.flows), begins), Action.SET_RATE),
        (jumps, Action.ADD),
        (happenings.settings, Action.SET_STATE),
    ]
    marks = Marks.joined([part for part, _ in parts])
    kinds = np.repeat([int(kind) for _, kind in parts], [len(part.time) for part, _ in parts])
    kept = (marks.time >= begins[marks.patient]) & (marks.time < ends[marks.patient])
    marks, kinds = marks.picked(kept), kinds[kept]
    order = np.lexsort((marks.target, _TURN[kinds], marks.time, marks.patient))
    offsets = np.zeros(len(begins) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum(np.bincount(marks.patient, minlength=len(begins)))
    events = Events(
        offsets, marks.time[order], kinds[order].astype(np.int64), marks.target[order], marks.value[order]
    )
    return EventTable(events, np.repeat(row[None], len(begins), axis=0))


def _rate_targets(program: Program, flows: Flows) -> Flows:
    """Flows with the inputs that hold their rates as targets."""
    places = {name: place for place, name in enumerate(program.inputs)}
    into = np.full(len(program.state_names), -1, dtype=np.int64)
    for name in program.forced:
        into[program.state_places[name]] = places[program.forcing(name)]
    targets = into[flows.target]
    if (targets < 0).any():
        name = program.state_names[int(flows.target[np.argmin(targets)])]
        raise ModelError(f"infusion: the engine was not made for infusions into {name!r}.")
    without = ~(flows.start < flows.end)
    if without.any():
        place = int(np.argmax(without))
        name, start, end = program.state_names[flows.target[place]], flows.start[place], flows.end[place]
        raise ModelError(
            f"infusion into {name!r}: it ends at {end:g}, which is not after its start at {start:g}; "
            "give it a length, or give a bolus."
        )
    return flows._replace(target=targets)


def _summed(marks: Marks) -> Marks:
    """Amounts that fall at one time into one state, in one."""
    # By size too, so that no order in which doses are named, and no neighbour's, changes a bit.
    marks = marks.picked(np.lexsort((marks.value, marks.time, marks.target, marks.patient)))
    first = _firsts(marks.patient, marks.target, marks.time)
    values = np.add.reduceat(marks.value, first) if len(first) else marks.value
    return Marks(marks.patient[first], marks.target[first], marks.time[first], values)


def _sorted(marks: Marks) -> Marks:
    order = np.lexsort((marks.time, marks.target, marks.patient))
    return marks.picked(order)


def _firsts(*columns: npt.NDArray[np.generic]) -> IntArray:
    """Where a run of entries begins that are alike in all columns."""
    if not len(columns[0]):
        return np.zeros(0, dtype=np.int64)
    moved = np.ones(len(columns[0]), dtype=bool)
    moved[1:] = np.logical_or.reduce([column[1:] != column[:-1] for column in columns])
    return np.flatnonzero(moved)


def _input_changes(paths: Marks, begins: FloatArray, defaults: FloatArray) -> Marks:
    """Values of inputs from the first time on, each where it differs from the one before."""
    paths = _sorted(paths)
    first = _firsts(paths.patient, paths.target)
    time = np.maximum(paths.time, begins[paths.patient])
    time[first] = begins[paths.patient[first]]
    last = np.ones(len(time), dtype=bool)
    last[:-1] = (
        (paths.patient[1:] != paths.patient[:-1])
        | (paths.target[1:] != paths.target[:-1])
        | (time[1:] != time[:-1])
    )
    marks = paths._replace(time=time).picked(last)
    before = np.empty(len(marks.value))
    before[1:] = marks.value[:-1]
    own = _firsts(marks.patient, marks.target)
    before[own] = defaults[marks.target[own]]
    return marks.picked(marks.value != before)


def _rate_changes(flows: Flows, begins: FloatArray) -> Marks:
    """Rates of infusion from the first time on, each where it differs from the one before."""
    rate = flows.amount / (flows.end - flows.start)
    edges = Marks(
        np.tile(flows.patient, 2),
        np.tile(flows.target, 2),
        np.maximum(np.concatenate([flows.start, flows.end]), begins[np.tile(flows.patient, 2)]),
        np.concatenate([rate, -rate]),
    )
    # At one time the larger change first, so that no order in which doses are named changes a bit.
    order = np.lexsort((-edges.value, edges.time, edges.target, edges.patient))
    edges = edges.picked(order)
    if not len(edges.time):
        return edges
    group = _firsts(edges.patient, edges.target)
    size = np.repeat(np.maximum.reduceat(np.abs(edges.value), group), np.diff([*group, len(edges.time)]))
    first = _firsts(edges.patient, edges.target, edges.time)
    changes = Marks(
        edges.patient[first], edges.target[first], edges.time[first], np.add.reduceat(edges.value, first)
    )
    real = np.abs(changes.value) > CANCELLED * size[first]
    changes, size = changes.picked(real), size[first][real]
    rates = _running_sum(changes.value, _firsts(changes.patient, changes.target))
    # What rounding leaves of a rate after the last infusion is none.
    rates[np.abs(rates) < 10.0 * CANCELLED * size] = 0.0
    return changes._replace(value=rates)


def _running_sum(values: FloatArray, firsts: IntArray) -> FloatArray:
    """Sum from the first of each run on, each by itself: nothing of one run rounds another's."""
    sums = values.copy()
    lengths = np.diff([*firsts, len(values)])
    for step in range(1, int(lengths.max(initial=0))):
        at = firsts[lengths > step] + step
        sums[at] += sums[at - 1]
    return sums
