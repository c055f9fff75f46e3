"""What happens to persons as arrays: doses in the states of the model, and schedules made from arrays."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
import sympy as sp

from ketasim.dosing import Regimen, parse_regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.engine import Batch, Bolus, Infusion, InputPath, Reset, Schedule, System
from ketasim.engine.events import (
    EventTable,
    Flows,
    Happenings,
    Marks,
    Picked,
    Schedules,
    event_table,
    merged_events,
)
from ketasim.engine.lower import lower
from ketasim.engine.program import Program
from ketasim.engine.records import Action
from ketasim.errors import ModelError
from ketasim.model.administration import deposits_of
from ketasim.model.happenings import doses_given, marked_paths, marked_settings
from ketasim.model.kinetics import kinetic_simulator, untreated
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case
from ketasim.units import DEFAULT_SYSTEM, UnitSystem

DEFAULTS = {"factor": 0.5}


@cache
def program() -> Program:
    """Two states, one of which can be infused into, and an outside input."""
    one, two, factor = (sp.Symbol(name, real=True) for name in ("one", "two", "factor"))
    return lower(
        System((one, two), (), (factor,), (-factor * one, one - two), {}, (1.0, 1.0)), ("one",)
    ).program


SCHEDULES = (
    Schedule([Bolus("one", 1.0, 3.0), Bolus("two", 1.0, 4.0)], [Infusion("one", 0.0, 2.0, 6.0)]),
    Schedule(),
    Schedule(
        infusions=[Infusion("one", 1.0, 3.0, 2.0), Infusion("one", 2.0, 4.0, 8.0)],
        inputs={"factor": InputPath((0.0, 5.0), (0.5, 2.0))},
        resets=[Reset("two", 2.0, 9.0)],
    ),
)


def table(schedules: Sequence[Schedule], begin: float = 0.0, end: float = 8.0) -> EventTable:
    count = len(schedules)
    return event_table(program(), schedules, [begin] * count, [end] * count, DEFAULTS)


def rows(found: EventTable, place: int) -> list[tuple[float, str, str, float]]:
    events, own = found.events, program()
    named = []
    for i in range(events.offsets[place], events.offsets[place + 1]):
        kind, target = Action(events.kinds[i]), int(events.targets[i])
        names = own.state_names if kind in (Action.ADD, Action.SET_STATE) else own.inputs
        named.append((float(events.times[i]), kind.name, names[target], float(events.values[i])))
    return named


def test_events_by_hand() -> None:
    rate = program().forcing("one")
    found = table(SCHEDULES)
    assert rows(found, 0) == [
        (0.0, "SET_RATE", rate, 3.0),
        (1.0, "ADD", "one", 3.0),
        (1.0, "ADD", "two", 4.0),
        (2.0, "SET_RATE", rate, 0.0),
    ]
    assert rows(found, 1) == []
    # The input begins at its default: that is no event.
    assert rows(found, 2) == [
        (1.0, "SET_RATE", rate, 1.0),
        (2.0, "SET_RATE", rate, 5.0),
        (2.0, "SET_STATE", "two", 9.0),
        (3.0, "SET_RATE", rate, 4.0),
        (4.0, "SET_RATE", rate, 0.0),
        (5.0, "SET_INPUT", "factor", 2.0),
    ]


def test_abutting_halves_are_one_infusion_to_the_bit() -> None:
    whole = Schedule(infusions=[Infusion("one", 0.0, 1.0, 0.7)])
    halves = Schedule(infusions=[Infusion("one", 0.0, 0.5, 0.35), Infusion("one", 0.5, 1.0, 0.35)])
    found = table([whole, halves])
    assert rows(found, 0) == rows(found, 1)


def test_what_began_before_goes_on_and_what_was_given_before_is_not_given_again() -> None:
    early = Schedule(
        [Bolus("one", 1.0, 5.0), Bolus("one", 8.0, 5.0)],
        [Infusion("one", 0.0, 4.0, 8.0), Infusion("one", 1.0, 3.0, 2.0), Infusion("one", 7.0, 9.0, 1.0)],
        {"factor": InputPath((0.0, 2.0, 9.0), (0.1, 0.2, 0.3))},
    )
    found = table([early], begin=2.5)
    rate = program().forcing("one")
    assert rows(found, 0) == [
        (2.5, "SET_INPUT", "factor", 0.2),
        (2.5, "SET_RATE", rate, 3.0),
        (3.0, "SET_RATE", rate, 2.0),
        (4.0, "SET_RATE", rate, 0.0),
        (7.0, "SET_RATE", rate, 0.5),
    ]


def test_an_infusion_without_length_is_refused() -> None:
    with pytest.raises(ModelError, match="give it a length, or give a bolus"):
        Infusion("one", 1.0, 1.0, 5.0)
    none = Marks.joined([])
    for end in (1.0, 0.5):
        flows = Flows.of_rows([(0, 0, 1.0, end, 5.0)])
        with pytest.raises(ModelError, match="infusion into 'one'"):
            merged_events(program(), Happenings(none, flows, none, none), np.zeros(1), np.ones(1), DEFAULTS)


def test_an_infusion_goes_only_where_the_engine_was_made_for_it() -> None:
    with pytest.raises(ModelError, match="two"):
        table([Schedule(infusions=[Infusion("two", 0.0, 1.0, 1.0)])])


def plain(schedules: Sequence[Schedule]) -> list[list[object]]:
    """Schedules as lists, whatever kind of sequence they hold."""
    return [[list(s.boluses), list(s.infusions), dict(s.inputs), list(s.resets)] for s in schedules]


def test_schedules_from_arrays_are_the_ones_the_arrays_were_made_of() -> None:
    happenings = Happenings(
        jumps=Marks.of_rows([(0, 0, 1.0, 3.0), (0, 1, 1.0, 4.0)]),
        flows=Flows.of_rows([(2, 0, 1.0, 3.0, 2.0), (0, 0, 0.0, 2.0, 6.0), (2, 0, 2.0, 4.0, 8.0)]),
        inputs=Marks.of_rows([(2, 0, 5.0, 2.0), (2, 0, 0.0, 0.5)]),
        settings=Marks.of_rows([(2, 1, 2.0, 9.0)]),
    )
    made = Schedules(program(), happenings, 3)
    assert len(made) == 3
    assert plain(made) == plain(SCHEDULES)
    assert plain([made[-1]]) == plain(SCHEDULES[2:])
    assert plain(made[1:]) == plain(SCHEDULES[1:])
    with pytest.raises(IndexError):
        made[3]
    picked = Picked(made, np.array([2, 0, 2]))
    assert len(picked) == 3
    assert plain(picked) == plain([SCHEDULES[2], SCHEDULES[0], SCHEDULES[2]])
    assert plain(picked[1:][:1]) == plain(SCHEDULES[:1])
    merged = merged_events(program(), happenings, np.zeros(3), np.full(3, 8.0), DEFAULTS)
    assert [rows(merged, i) for i in range(3)] == [rows(table(SCHEDULES), i) for i in range(3)]


@pytest.mark.parametrize("chosen", [[2, 0], [1], [], slice(1, 3)])
def test_a_part_of_a_batch_keeps_everybodys_events(chosen: list[int] | slice) -> None:
    times = [np.array([0.0, 1.0 + i]) for i in range(3)]
    batch = Batch(
        np.arange(3.0)[:, None], np.arange(6.0).reshape(3, 2), SCHEDULES, times, table(SCHEDULES)
    ).part(chosen)
    places = list(range(3))[chosen] if isinstance(chosen, slice) else chosen
    assert batch.table is not None
    assert [rows(batch.table, i) for i in range(len(batch))] == [rows(table(SCHEDULES), i) for i in places]
    assert batch.parameters[:, 0].tolist() == places
    assert batch.starts[:, 0].tolist() == [2.0 * i for i in places]
    assert [own[-1] for own in batch.times] == [1.0 + i for i in places]
    assert list(batch.schedules) == [SCHEDULES[i] for i in places]


def value_of(name: str, entries: DoseTable) -> np.ndarray:
    return np.full(len(entries), load_parameters()[name].value)


def given(text: str, units: UnitSystem = DEFAULT_SYSTEM) -> Happenings:
    own = kinetic_simulator().engine().program
    return doses_given(own, units, dose_table(parse_regimen(text), np.array([70.0])), value_of)


def places(happenings: Happenings) -> set[str]:
    names = kinetic_simulator().engine().program.state_names
    return {names[i] for i in (*happenings.jumps.target.tolist(), *happenings.flows.target.tolist())}


@pytest.mark.parametrize(
    ("route", "states"),
    [
        ("iv bolus", {"central"}),
        ("iv over 40 min", {"central"}),
        ("im", {"muscle"}),
        ("sc (F 0.9, ka 2.5 /h)", {"subcutis"}),
        ("rectal (F 0.3, ka 1.5 /h)", {"rectum"}),
        ("inhaled over 20 min", {"central"}),
        ("nasal", {"nose", "gut_swallowed"}),
        ("oral", {"gut_oral"}),
        ("oral prolonged release", {"gut_prolonged"}),
        ("sublingual", {"mucosa", "gut_swallowed"}),
    ],
)
def test_where_a_dose_lands_and_how_much_of_it(route: str, states: set[str]) -> None:
    found = given(f"23.77 mg ketamine {route}")
    assert places(found) == {f"{name}_{e}" for name in states for e in "sr"}
    landed = found.jumps.value.sum() + found.flows.amount.sum()
    p = {name: item.value for name, item in load_parameters().items()}
    nose = p["nasal_fraction"]
    share = {
        "im": p["intramuscular_fraction"],
        "sc (F 0.9, ka 2.5 /h)": 0.9,
        "rectal (F 0.3, ka 1.5 /h)": 0.3,
        "inhaled over 20 min": p["inhaled_fraction"],
        "nasal": nose + (1.0 - nose) * p["nasal_swallowed_fraction"],
    }.get(route, 1.0)
    assert landed == pytest.approx(100.0 * share, rel=1e-12)


def test_esketamine_is_all_s_and_starts_when_it_is_given() -> None:
    found = given("23.77 mg esketamine iv over 30 min, at 5 h")
    assert places(found) == {"central_s"}
    assert (found.flows.start.tolist(), found.flows.end.tolist()) == ([5.0], [5.5])
    assert found.flows.amount.tolist() == pytest.approx([100.0])


def test_the_units_are_those_of_the_program() -> None:
    plain, other = (
        given("20 mg ketamine iv over 30 min; 5 mg ketamine im, at 2 h", units)
        for units in (DEFAULT_SYSTEM, UnitSystem(time="min", substance="nmol"))
    )
    assert other.flows.end == pytest.approx(60.0 * plain.flows.end)
    assert other.flows.amount == pytest.approx(1000.0 * plain.flows.amount)
    assert other.jumps.time == pytest.approx(60.0 * plain.jumps.time)
    sc = "20 mg ketamine sc (F 0.9, ka 2.5 /h)"
    assert given(sc, UnitSystem(time="min")).inputs.value == pytest.approx(given(sc).inputs.value / 60.0)
    assert given(sc).inputs.value.tolist() == [2.5]


def test_every_deposit_knows_its_dose() -> None:
    regimen = parse_regimen("56 mg esketamine nasal; 50 mg ketamine oral, at 4 h; placebo im, at 9 h")
    entries = dose_table(regimen, np.array([60.0, 90.0]))
    for part in deposits_of(entries, value_of):
        assert part.subject.tolist() == entries.subject[part.entry].tolist()
        assert (part.start_h >= entries.time_h[part.entry]).all()
        assert (part.amount > 0.0).all()


def test_paths_and_settings_of_persons_as_marks() -> None:
    paths = marked_paths(program(), [{}, {"factor": InputPath((0.0, 4.0), (1.0, 2.0))}])
    assert paths.patient.tolist() == [1, 1]
    assert paths.time.tolist() == [0.0, 4.0]
    assert paths.value.tolist() == [1.0, 2.0]
    settings = marked_settings(program(), [[Reset("two", 3.0, 7.0)], []])
    assert [column.tolist() for column in settings] == [[0], [1], [3.0], [7.0]]
    assert [len(column) for column in marked_settings(program(), [[], []])] == [0, 0, 0, 0]


def test_neighbours_do_not_change_what_a_person_gets() -> None:
    typical = untreated(load_parameters())
    times = np.linspace(0.0, 12.0, 7)
    texts = (
        "30 mg ketamine im; 20 mg esketamine im, at 0 h; 10 mg ketamine im, at 0 h",
        "84 mg esketamine nasal, at 1 h",
        "5 mg esketamine iv bolus; 20 mg ketamine oral; 20 mg ketamine sc (F 0.9, ka 2.5 /h), at 1 h",
        "20 mg ketamine iv over 40 min, every 4 h at steady state from 2 h",
        "none",
    )
    cases = [Case(typical, parse_regimen(text), times) for text in texts]
    together = kinetic_simulator().run_many([cases[2], *cases, cases[1]])
    for case, found in zip(cases, together[1:-1], strict=True):
        (alone,) = kinetic_simulator().run_many([case])
        for name, values in alone.quantities.items():
            np.testing.assert_array_equal(found.quantities[name], values, err_msg=name)


def test_nothing_given_is_nothing() -> None:
    own = kinetic_simulator().engine().program
    found = doses_given(own, DEFAULT_SYSTEM, dose_table(Regimen(), np.array([70.0])), value_of)
    assert [len(part.patient) for part in found] == [0, 0, 0, 0]
