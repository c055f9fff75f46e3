"""The reference solver against closed forms, and what it does with events and with failures."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import Bolus, Infusion, InputPath, ReferenceEngine, Reset, Schedule, Solution, System
from ketasim.errors import ModelError, SolverError

#: The default accuracy of the engine is 1e-6 of the result; closed forms must be met ten times better,
#: since each step is asked for a thousandth of it.
RTOL = 1e-7

TIMES = np.array([0.0, 0.1, 0.5, 1.0, 2.0, 3.5, 6.0, 12.0])


def symbols(names: str) -> tuple[sp.Symbol, ...]:
    return tuple(sp.Symbol(name, real=True) for name in names.split())


def one_compartment() -> ReferenceEngine:
    amount, elimination, volume, concentration, change = symbols(
        "amount elimination volume concentration change"
    )
    return ReferenceEngine(
        System(
            states=(amount,),
            parameters=(elimination, volume),
            inputs=(change,),
            rates=(-elimination * (1 + change) * amount,),
            quantities={concentration: amount / volume},
            scales=(1.0,),
        )
    )


def two_compartments_with_depot() -> ReferenceEngine:
    depot, central, peripheral, ka, k10, k12, k21 = symbols("depot central peripheral ka k10 k12 k21")
    return ReferenceEngine(
        System(
            states=(depot, central, peripheral),
            parameters=(ka, k10, k12, k21),
            inputs=(),
            rates=(
                -ka * depot,
                ka * depot - (k10 + k12) * central + k21 * peripheral,
                k12 * central - k21 * peripheral,
            ),
            quantities={},
            scales=(1.0, 1.0, 1.0),
        )
    )


ONE = {"elimination": 0.7, "volume": 20.0}
TWO = {"ka": 1.9, "k10": 0.4, "k12": 1.1, "k21": 0.3}
OFF = {"change": 0.0}


def solve_one(schedule: Schedule, times: np.ndarray = TIMES, start: float = 0.0) -> Solution:
    return one_compartment().solve(ONE, np.array([start]), schedule, times, OFF)


def relative_error(found: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.abs(found - exact)) / np.max(np.abs(exact)))


def test_bolus_into_one_compartment() -> None:
    found = solve_one(Schedule(boluses=[Bolus("amount", 0.0, 50.0)]))
    exact = 50.0 * np.exp(-0.7 * TIMES)
    # The first value is the one before the bolus.
    assert found.states[0, 0] == 0.0
    assert np.max(np.abs(found.states[0, 1:] / exact[1:] - 1.0)) < RTOL
    assert np.max(np.abs(found.quantities["concentration"][1:] / (exact[1:] / 20.0) - 1.0)) < RTOL


def test_infusion_into_one_compartment() -> None:
    found = solve_one(Schedule(infusions=[Infusion("amount", 0.5, 2.0, 30.0)]))
    rate, k = 30.0 / 1.5, 0.7
    running = np.clip(TIMES - 0.5, 0.0, 1.5)
    after = np.clip(TIMES - 2.0, 0.0, None)
    exact = rate / k * -np.expm1(-k * running) * np.exp(-k * after)
    assert np.all(found.states[0, TIMES <= 0.5] == 0.0)
    later = TIMES > 0.5
    assert np.max(np.abs(found.states[0, later] / exact[later] - 1.0)) < RTOL


def test_two_compartments_after_bolus_and_first_order_absorption() -> None:
    alpha_beta = np.roots([1.0, -(0.4 + 1.1 + 0.3), 0.4 * 0.3])
    alpha, beta = float(max(alpha_beta)), float(min(alpha_beta))

    def central_after(times: np.ndarray) -> np.ndarray:
        return ((alpha - 0.3) * np.exp(-alpha * times) - (beta - 0.3) * np.exp(-beta * times)) / (
            alpha - beta
        )

    def absorbed(times: np.ndarray) -> np.ndarray:
        ka = 1.9
        return ka * (
            (0.3 - alpha) / ((ka - alpha) * (beta - alpha)) * np.exp(-alpha * times)
            + (0.3 - beta) / ((ka - beta) * (alpha - beta)) * np.exp(-beta * times)
            + (0.3 - ka) / ((alpha - ka) * (beta - ka)) * np.exp(-ka * times)
        )

    engine = two_compartments_with_depot()
    iv = engine.solve(TWO, np.zeros(3), Schedule(boluses=[Bolus("central", 0.0, 8.0)]), TIMES, {})
    assert np.max(np.abs(iv.states[1, 1:] / (8.0 * central_after(TIMES[1:])) - 1.0)) < RTOL
    oral = engine.solve(TWO, np.zeros(3), Schedule(boluses=[Bolus("depot", 0.0, 8.0)]), TIMES, {})
    assert relative_error(oral.states[1], 8.0 * absorbed(TIMES)) < RTOL
    assert relative_error(oral.states[0, 1:], 8.0 * np.exp(-1.9 * TIMES[1:])) < RTOL


def test_input_that_changes_is_piecewise_constant() -> None:
    path = InputPath((0.0, 2.0, 3.5), (0.0, 1.0, -1.0))
    found = solve_one(Schedule(inputs={"change": path}), start=10.0)
    exposure = np.clip(TIMES, 0.0, 2.0) + 2.0 * np.clip(TIMES - 2.0, 0.0, 1.5)
    assert np.max(np.abs(found.states[0] / (10.0 * np.exp(-0.7 * exposure)) - 1.0)) < RTOL


def test_bolus_is_an_exact_jump_and_output_at_its_time_is_the_value_before() -> None:
    change = {"elimination": 0.0, "volume": 20.0}
    boluses = [Bolus("amount", 1.0, 0.1), Bolus("amount", 1.0, 0.2), Bolus("amount", 3.5, 7.0)]
    found = one_compartment().solve(change, np.array([1.0]), Schedule(boluses=boluses), TIMES, OFF)
    # Nothing is eliminated, so the jumps are all that happens, and they are exact to the bit.
    before, between, after = 1.0, 1.0 + (0.1 + 0.2), 1.0 + (0.1 + 0.2) + 7.0
    expected = [before] * 4 + [between] * 2 + [after] * 2
    assert found.states[0].tolist() == expected


def test_bolus_at_the_last_time_is_not_seen_but_starts_the_next_run() -> None:
    schedule = Schedule(boluses=[Bolus("amount", 12.0, 5.0)])
    found = solve_one(schedule, start=10.0)
    assert found.states[0, -1] == pytest.approx(10.0 * np.exp(-0.7 * 12.0), rel=RTOL)
    later = solve_one(schedule, np.array([12.0, 13.0]), start=float(found.states[0, -1]))
    exact = (10.0 * np.exp(-0.7 * 12.0) + 5.0) * np.exp(-0.7)
    assert later.states[0, -1] == pytest.approx(exact, rel=RTOL)


def test_run_can_stop_inside_an_infusion_and_go_on() -> None:
    schedule = Schedule(infusions=[Infusion("amount", 0.0, 4.0, 40.0)])
    whole = solve_one(schedule)
    half = solve_one(schedule, np.array([0.0, 2.0]))
    rest = solve_one(schedule, np.array([2.0, 6.0, 12.0]), start=float(half.states[0, -1]))
    assert np.max(np.abs(rest.states[0, 1:] / whole.states[0, -2:] - 1.0)) < RTOL


def test_one_time_is_the_start_with_the_inputs_of_that_time() -> None:
    change, seen = symbols("change seen")
    amount = sp.Symbol("amount", real=True)
    engine = ReferenceEngine(System((amount,), (), (change,), (-amount,), {seen: change * amount}, (1.0,)))
    schedule = Schedule(inputs={"change": InputPath((0.0, 1.0), (2.0, 3.0))})
    found = engine.solve({}, np.array([5.0]), schedule, np.array([1.0]), OFF)
    assert found.states.tolist() == [[5.0]]
    assert found.quantities["seen"].tolist() == [15.0]


def test_reset_comes_after_a_bolus_at_the_same_time() -> None:
    schedule = Schedule(boluses=[Bolus("amount", 1.0, 100.0)], resets=[Reset("amount", 1.0, 2.0)])
    found = solve_one(schedule, np.array([0.0, 1.0, 2.0]), start=1.0)
    assert found.states[0, -1] == pytest.approx(2.0 * np.exp(-0.7), rel=RTOL)


def test_read_out_that_no_state_moves_fills_the_whole_course() -> None:
    amount, size, fixed = symbols("amount size fixed")
    engine = ReferenceEngine(System((amount,), (size,), (), (-amount,), {fixed: 2 * size}, (1.0,)))
    found = engine.solve({"size": 4.0}, np.array([1.0]), Schedule(), TIMES, {})
    assert found.quantities["fixed"].tolist() == [8.0] * len(TIMES)


@pytest.mark.parametrize("rate", ["amount**2", "exp(amount)"])
def test_what_runs_away_is_a_solver_error_with_the_time(rate: str) -> None:
    amount = sp.Symbol("amount", real=True)
    engine = ReferenceEngine(
        System((amount,), (), (), (sp.sympify(rate, locals={"amount": amount}),), {}, (1.0,))
    )
    with pytest.raises(SolverError, match=r"between 0 and 12"):
        engine.solve({}, np.array([1.0]), Schedule(), TIMES, {})


def test_root_of_a_negative_number_is_a_solver_error_not_a_lost_imaginary_part() -> None:
    amount = sp.Symbol("amount", real=True)
    engine = ReferenceEngine(System((amount,), (), (), (-sp.sqrt(amount) - 1,), {}, (1.0,)))
    with pytest.raises(SolverError, match="the solver stopped"):
        engine.solve({}, np.array([0.5]), Schedule(), TIMES, {})


@pytest.mark.parametrize("times", [[], [0.0, 2.0, 1.0], [0.0, 1.0, 1.0], [0.0, np.nan], [0.0, np.inf]])
def test_output_times_must_increase(times: list[float]) -> None:
    with pytest.raises(ModelError, match="output times"):
        solve_one(Schedule(), np.array(times))


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(boluses=[Bolus("amont", 0.0, 1.0)]),
        Schedule(infusions=[Infusion("amont", 0.0, 1.0, 1.0)]),
        Schedule(resets=[Reset("amont", 0.0, 1.0)]),
    ],
)
def test_event_on_a_state_that_does_not_exist(schedule: Schedule) -> None:
    with pytest.raises(ModelError, match="'amont'; the nearest valid name is 'amount'"):
        solve_one(schedule)


def test_path_of_an_input_that_does_not_exist() -> None:
    with pytest.raises(ModelError, match="'chang'; the nearest valid name is 'change'"):
        solve_one(Schedule(inputs={"chang": InputPath((0.0,), (1.0,))}))
