"""Events as arrays against the readable path: schedules of random doses, inputs and settings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.engine import Bolus, Infusion, InputPath, Reset, Schedule, System
from ketasim.engine.events import EventTable, event_table
from ketasim.engine.lower import lower
from ketasim.engine.program import Program
from ketasim.engine.records import Action

STATES, INPUTS = ("one", "two"), {"factor": 0.5, "switch": 0.0}
BEGIN, END = 2.0, 9.0
#: Few enough times that doses overlap, abut, fall together, and lie before and after the run.
HOURS = st.one_of(st.integers(0, 11).map(float), st.sampled_from([2.0, 9.0, 1.0 / 3.0, 4.1]))
NAMES = st.sampled_from(STATES)
AMOUNTS = st.floats(0.1, 50.0)
INFUSIONS = st.tuples(NAMES, HOURS, st.sampled_from([1.0, 2.0, 1.0 / 3.0, 9.0]), AMOUNTS).map(
    lambda drawn: Infusion(drawn[0], drawn[1], drawn[1] + drawn[2], drawn[3])
)
PATHS = st.dictionaries(HOURS, st.sampled_from([0.0, 0.5, 1.0, 2.0]), min_size=1, max_size=4).map(
    lambda steps: InputPath(tuple(sorted(steps)), tuple(steps[time] for time in sorted(steps)))
)
SCHEDULES = st.builds(
    Schedule,
    # Many at few times: sums of three and more.
    st.lists(st.builds(Bolus, NAMES, st.sampled_from([0.0, 2.0, 4.1, 9.0]), AMOUNTS), max_size=12),
    st.lists(INFUSIONS, max_size=6),
    st.dictionaries(st.sampled_from(sorted(INPUTS)), PATHS, max_size=2),
    # Two settings of one state at one time have no order.
    st.lists(
        st.builds(Reset, NAMES, HOURS, AMOUNTS), max_size=3, unique_by=lambda reset: (reset.state, reset.time)
    ),
)


@cache
def program() -> Program:
    """Two states that can be infused into, and two outside inputs."""
    one, two, factor, switch = (sp.Symbol(name, real=True) for name in (*STATES, *INPUTS))
    system = System((one, two), (), (factor, switch), (-factor * one, switch - two), {}, (1.0, 1.0))
    return lower(system, STATES).program


def table(schedules: Sequence[Schedule]) -> EventTable:
    count = len(schedules)
    return event_table(program(), schedules, [BEGIN] * count, [END] * count, INPUTS)


def rows(found: EventTable, place: int) -> list[tuple[float, Action, int, float]]:
    """Events of a patient, in the order in which they are done."""
    events = found.events
    span = slice(events.offsets[place], events.offsets[place + 1])
    columns = (events.times[span], events.kinds[span], events.targets[span], events.values[span])
    return [(t, Action(kind), target, value) for t, kind, target, value in zip(*columns, strict=True)]


def same_bits(one: EventTable, other: EventTable) -> bool:
    """Whether two tables hold the same numbers."""
    pairs = [*zip(one.events, other.events, strict=True), (one.inputs, other.inputs)]
    return all(np.array_equal(a, b) for a, b in pairs)


@given(SCHEDULES)
@settings(max_examples=150)
def test_events_say_what_the_segments_of_a_schedule_say(schedule: Schedule) -> None:
    found = table([schedule])
    events, own = rows(found, 0), program()
    largest = max((infusion.rate for infusion in schedule.infusions), default=1.0)
    segments = schedule.segments(BEGIN, END, INPUTS)
    edges = {segment.start for segment in segments}
    assert {time for time, *_ in events} <= edges
    inputs = found.inputs[0].copy()
    for segment in segments:
        jumps, put = dict.fromkeys(STATES, 0.0), {}
        for _, kind, target, value in [event for event in events if event[0] == segment.start]:
            if kind in (Action.SET_INPUT, Action.SET_RATE):
                inputs[target] = value
            elif kind is Action.ADD:
                jumps[own.state_names[target]] += value
            else:
                put[own.state_names[target]] = value
        values = dict(zip(own.inputs, inputs.tolist(), strict=True))
        assert {name: values[name] for name in INPUTS} == segment.inputs
        assert put == segment.settings
        for state in STATES:
            rate, expected = values[own.forcing(state)], segment.rates.get(state, 0.0)
            # Sums in another order: a few roundings of the largest rate, and none of them when all is over.
            assert abs(rate - expected) <= 1e-13 * largest * (1 + len(schedule.infusions))
            assert (rate == 0.0) == (expected == 0.0)
            assert abs(jumps[state] - segment.jumps.get(state, 0.0)) <= 1e-13 * max(1.0, jumps[state])


@given(SCHEDULES, st.data())
@settings(max_examples=100)
def test_the_order_in_which_things_are_named_changes_no_bit(schedule: Schedule, data: st.DataObject) -> None:
    parts = (schedule.boluses, schedule.infusions, schedule.resets, sorted(schedule.inputs))
    boluses, infusions, resets, names = (data.draw(st.permutations(part)) for part in parts)
    other = Schedule(boluses, infusions, {name: schedule.inputs[name] for name in names}, resets)
    assert same_bits(table([schedule]), table([other]))


@given(st.lists(st.floats(0.1, 50.0), min_size=3, max_size=9), st.data())
@settings(max_examples=100)
def test_a_sum_of_simultaneous_doses_does_not_depend_on_their_order(
    amounts: list[float], data: st.DataObject
) -> None:
    at_once = [Bolus("one", 3.0, amount) for amount in amounts]
    slow = [Infusion("two", 3.0, 5.0, amount) for amount in amounts]
    order = data.draw(st.permutations(range(len(amounts))))
    other = Schedule([at_once[i] for i in order], [slow[i] for i in order])
    assert same_bits(table([Schedule(at_once, slow)]), table([other]))


@given(st.lists(SCHEDULES, min_size=2, max_size=5), st.data())
@settings(max_examples=60)
def test_neighbours_change_no_bit(schedules: list[Schedule], data: st.DataObject) -> None:
    places = data.draw(st.lists(st.integers(0, len(schedules) - 1), min_size=1, max_size=4))
    picked = table(schedules).part(np.array(places))
    assert same_bits(picked, table([schedules[place] for place in places]))
