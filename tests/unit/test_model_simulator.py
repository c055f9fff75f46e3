"""The whole chain for one patient: rest, clamps, shifts in time, splits of doses, other units."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest

from ketasim.api import simulate_regimen
from ketasim.dosing import Regimen, iv_infusion, parse_regimen
from ketasim.engine import DEFAULT_RTOL, InputPath, ReferenceEngine
from ketasim.errors import ModelError
from ketasim.model import Clamp, Patient, Run, Simulator, build_chain, load_parameters, output_times
from ketasim.units import UnitSystem

INFUSION = parse_regimen("0.5 mg/kg ketamine iv over 40 min")
NOTHING = Regimen(())
TIMES = output_times(INFUSION, 48.0)


@cache
def simulator() -> Simulator:
    return Simulator(build_chain())


@cache
def patient() -> Patient:
    return simulator().depressed(load_parameters(), 33.0)


@cache
def plain() -> Run:
    return simulator().run(patient(), INFUSION, TIMES)


def clamped(clamps: Sequence[Clamp]) -> Run:
    return simulator().run(patient(), INFUSION, TIMES, clamps=clamps)


def untouched_by(quantity: str) -> set[str]:
    """Quantities to which no path leads from a clamped one, by the symbols that the equations use."""
    system = simulator().chain.system
    feeds: dict[str, set[str]] = {}
    for symbol, expression in (*zip(system.states, system.rates, strict=True), *system.quantities.items()):
        for used in expression.free_symbols:
            feeds.setdefault(used.name, set()).add(symbol.name)
    held = system.held_state(quantity)
    reached: set[str] = set()
    frontier = {quantity if held is None else system.states[held].name}
    while frontier:
        reached |= frontier
        frontier = {name for source in frontier for name in feeds.get(source, set())} - reached
    return set(simulator().chain.quantities) - reached - {quantity}


def difference(first: Run, second: Run, name: str) -> float:
    """Largest difference relative to the size of the course."""
    one, two = first.quantities[name], second.quantities[name]
    return float(np.max(np.abs(one - two)) / max(float(np.max(np.abs(one))), 1e-9))


@pytest.mark.parametrize("severity", [None, 20.0, 33.0, 50.0])
def test_rest_is_a_fixed_point(severity: float | None) -> None:
    parameters = load_parameters()
    found = (
        simulator().healthy(parameters) if severity is None else simulator().depressed(parameters, severity)
    )
    chain = simulator().chain
    rhs, jacobian, _ = ReferenceEngine(chain.system).functions(
        chain.parameter_values(found.parameters), chain.input_defaults()
    )
    scales = np.array(chain.system.scales)
    assert np.max(np.abs(np.array(rhs(found.state.tolist()))) / scales) < 1e-10
    if severity is not None:
        assert simulator().baseline(found)["severity"] == pytest.approx(severity, abs=1e-9)
    # Nothing grows: the rest is stable.
    n = len(scales)
    matrix = np.zeros((n, n))
    matrix[ReferenceEngine(chain.system).code.jacobian_places] = jacobian(found.state.tolist())
    assert np.max(np.linalg.eigvals(matrix).real) < 0.0


def test_untreated_patient_stays_for_a_year() -> None:
    year = np.array([0.0, 24.0, 24.0 * 90, 24.0 * 365])
    for found in (patient(), simulator().healthy(load_parameters())):
        run = simulator().run(found, NOTHING, year)
        rest = simulator().baseline(found)
        drift = {
            name: np.max(np.abs(values - rest[name])) / max(1.0, abs(rest[name]))
            for name, values in run.quantities.items()
        }
        assert max(drift.values()) < 1e-6


@pytest.mark.parametrize("severity", [-1.0, 0.0, 60.0, 61.0, float("nan")])
def test_severity_that_no_load_gives(severity: float) -> None:
    with pytest.raises(ModelError, match="choose a severity between"):
        simulator().depressed(load_parameters(), severity)


def test_life_stress_at_entry_leaves_the_severity_as_asked() -> None:
    for stress in (-1.5, 1.5):
        found = simulator().depressed(load_parameters(), 30.0, stress)
        assert simulator().baseline(found)["severity"] == pytest.approx(30.0, abs=1e-9)
        still = simulator().run(found, NOTHING, np.array([0.0, 240.0]))
        assert still.quantities["severity"][-1] == pytest.approx(30.0, abs=1e-6)


def test_shifting_all_times_changes_nothing() -> None:
    # Six weeks; issue 2 asks for 1e-8. Each segment runs in its own time from zero, so what is left is
    # the rounding of times near 1,000 h: 1e-13 h.
    shift = 1008.0
    moved = simulator().run(patient(), INFUSION.shifted(shift), TIMES + shift)
    assert max(difference(plain(), moved, name) for name in moved.quantities) < 1e-8


def test_two_abutting_halves_equal_the_whole() -> None:
    third = 1.0 / 3.0
    halves = Regimen(
        (
            iv_infusion("ketamine", 0.25, "mg/kg", third),
            iv_infusion("ketamine", 0.25, "mg/kg", third, third),
        )
    )
    split = simulator().run(patient(), halves, TIMES)
    assert max(difference(plain(), split, name) for name in split.quantities) < 1e-8


def test_other_units_inside_give_the_same_outputs() -> None:
    other = UnitSystem(time="min", substance="nmol", volume="L", mass="g")
    # The steps fall elsewhere in other units, so the two runs agree to the accuracy asked for, not to the
    # bit; 1e-8 is what issue 2 asks for.
    first, second = (
        simulate_regimen(INFUSION, days="2d", units=units, rtol=1e-9).trajectories for units in (None, other)
    )
    for name, course in first.data_vars.items():
        scale = float(np.max(np.abs(course.to_numpy())))
        worst = float(np.max(np.abs(course.to_numpy() - second[name].to_numpy())))
        assert worst <= 1e-8 * max(scale, 1e-6), name


def test_clamped_state_is_constant_to_the_bit_inside_its_span() -> None:
    held = clamped([Clamp("bdnf", 1.25, 2.0, 12.0)]).quantities["bdnf"]
    inside = (TIMES > 2.0) & (TIMES <= 12.0)
    assert simulator().chain.system.held_state("bdnf") is not None
    assert np.unique(held[inside]).tolist() == [1.25]
    # Before the span nothing is different, and after it the state moves again.
    assert np.allclose(held[TIMES <= 2.0], plain().quantities["bdnf"][TIMES <= 2.0], rtol=10 * DEFAULT_RTOL)
    after = held[TIMES > 13.0]
    assert after[0] != 1.25
    assert np.abs(after[-1] - 1.0) < 0.25


def test_clamped_read_out_has_its_value_inside_its_span() -> None:
    found = clamped([Clamp("ampa_drive", None, 0.0, 12.0)]).quantities["ampa_drive"]
    rest = simulator().baseline(patient())["ampa_drive"]
    inside = TIMES <= 12.0
    assert simulator().chain.system.held_state("ampa_drive") is None
    # The value passes once into the chain's units and back.
    assert np.max(np.abs(found[inside] / rest - 1.0)) < 1e-14
    assert np.max(np.abs(plain().quantities["ampa_drive"][inside] / rest - 1.0)) > 0.01


@pytest.mark.parametrize(
    ("clamp", "upstream"),
    [
        (Clamp("ampa_drive", None, 0.0, 12.0), {"ketamine_venous", "nmda_block_vip", "nmda_block_mean"}),
        (Clamp("bdnf", 1.25, 2.0, 12.0), {"ketamine_venous", "nmda_block_vip", "nmda_block_mean"}),
        (Clamp("madrs", 10.0, 0.0, 48.0), {"severity", "spine_density", "fast_arm", "glutamate", "stress"}),
    ],
)
def test_what_lies_upstream_of_a_clamp_is_unchanged(clamp: Clamp, upstream: set[str]) -> None:
    found, names = clamped([clamp]), untouched_by(clamp.quantity)
    assert upstream <= names
    for name in names:
        # Both runs are accurate to rtol of the size of the states, by different steps.
        gap = np.max(np.abs(found.quantities[name] - plain().quantities[name]))
        size = np.max(np.abs(plain().quantities[name]))
        assert gap <= 10 * DEFAULT_RTOL * max(size, 1.0), name
    touched = set(found.quantities) - names
    assert max(difference(plain(), found, name) for name in touched) > 0.01


@pytest.mark.parametrize("quantity", ["bdnf", "ampa_drive"])
def test_first_value_is_the_one_before_a_clamp_that_begins_there(quantity: str) -> None:
    course = clamped([Clamp(quantity, 1.5)]).quantities[quantity]
    assert course[0] == pytest.approx(simulator().baseline(patient())[quantity], rel=1e-12)
    assert course[1:] == pytest.approx(1.5, rel=1e-14)


def test_first_values_follow_the_inputs_of_the_first_time_with_and_without_a_clamp() -> None:
    inputs = {"ampa_antagonist": InputPath((0.0, 0.5), (0.4, 0.0))}
    free = simulator().run(patient(), NOTHING, TIMES, inputs)
    held = simulator().run(patient(), NOTHING, TIMES, inputs, [Clamp("bdnf", 1.5)])
    for name, values in free.quantities.items():
        assert held.quantities[name][0] == pytest.approx(values[0], rel=1e-12, abs=1e-15), name
    rest = simulator().baseline(patient())["ampa_drive"]
    assert held.quantities["ampa_drive"][0] < 0.9 * rest


def test_baseline_clamp_of_what_would_stay_changes_nothing() -> None:
    run = simulator().run(patient(), NOTHING, TIMES, clamps=[Clamp("bdnf"), Clamp("ampa_drive")])
    rest = simulator().baseline(patient())
    for name, values in run.quantities.items():
        assert np.max(np.abs(values - rest[name])) <= 1e-6 * max(1.0, abs(rest[name])), name


def test_several_clamps_on_one_quantity_each_hold() -> None:
    spans = [Clamp("bdnf", 1.5, 20.0, 30.0), Clamp("bdnf", 1.25, 2.0, 12.0), Clamp("bdnf", 1.1, 12.0, 15.0)]
    held = clamped(spans).quantities["bdnf"]
    for span in spans:
        inside = (span.start_h < TIMES) & (span.end_h >= TIMES)
        assert np.unique(held[inside]).tolist() == [span.value]
    between = held[(TIMES > 16.0) & (TIMES < 20.0)]
    assert len(np.unique(between)) == len(between)


def test_clamps_that_overlap_or_name_nothing() -> None:
    with pytest.raises(
        ModelError, match="clamp 'bdnf': the span from 5 h overlaps with the one from 0 h to 6 h"
    ):
        clamped([Clamp("bdnf", 1.0, 0.0, 6.0), Clamp("bdnf", 2.0, 5.0, 8.0)])
    with pytest.raises(ModelError, match="clamp: unknown quantity 'bndf'; the nearest valid name is 'bdnf'"):
        clamped([Clamp("bndf")])


def test_clamp_that_ended_before_the_first_time_does_nothing() -> None:
    late = TIMES + 100.0
    free = simulator().run(patient(), INFUSION.shifted(100.0), late)
    found = simulator().run(patient(), INFUSION.shifted(100.0), late, clamps=[Clamp("bdnf", 1.25, 2.0, 12.0)])
    assert max(difference(free, found, name) for name in found.quantities) < 1e-8


def test_input_over_time_and_an_input_that_does_not_exist() -> None:
    quiet, harsh = (
        simulator().run(patient(), NOTHING, TIMES, {"life_stress": InputPath((0.0, 24.0), (0.0, size))})
        for size in (0.0, 2.0)
    )
    before = TIMES <= 24.0
    gap = harsh.quantities["stress"] - quiet.quantities["stress"]
    assert np.max(np.abs(gap[before])) < 1e-9
    assert gap[-1] > 0.01
    with pytest.raises(
        ModelError, match="unknown input 'life_stres'; the nearest valid name is 'life_stress'"
    ):
        simulator().run(patient(), NOTHING, TIMES, {"life_stres": InputPath((0.0,), (1.0,))})


def test_block_and_concentrations_stay_in_their_bounds_at_any_dose() -> None:
    for dose in ("0.05 mg/kg", "0.5 mg/kg", "5 mg/kg", "50 mg/kg"):
        run = simulator().run(patient(), parse_regimen(f"{dose} ketamine iv over 40 min"), TIMES)
        for name, values in run.quantities.items():
            if name.startswith("nmda_block"):
                assert -1e-9 <= values.min() <= values.max() <= 1.0, name
            if name.endswith(("_venous", "_arterial")):
                # The absolute tolerance of a state is 1e-9 of its scale; ng/mL add a factor of 1,000.
                assert values.min() >= -1e-9 * max(1.0, values.max()), name
        assert run.quantities["nmda_block_mean"].max() > 0.01


def test_course_is_the_same_whatever_outputs_are_asked_for() -> None:
    few = np.array([0.0, 24.0, 48.0])
    sparse = simulator().run(patient(), INFUSION, few)
    index = np.searchsorted(TIMES, few)
    for name, values in sparse.quantities.items():
        dense = plain().quantities[name][index]
        assert np.max(np.abs(values - dense)) <= 10 * DEFAULT_RTOL * max(1.0, np.max(np.abs(dense))), name
