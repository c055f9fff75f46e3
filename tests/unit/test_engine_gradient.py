"""Derivatives against closed forms, and of the whole chain against runs at a tight tolerance."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy as sp

from ketasim.dosing import parse_regimen
from ketasim.engine import Batch, Infusion, Schedule, System, VectorEngine, differentiate
from ketasim.errors import ModelError
from ketasim.model import Simulator, build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.patients import Wanted
from ketasim.model.simulator import Case

TIMES = np.array([0.0, 0.5, 1.0, 3.0, 8.0])


def engine() -> VectorEngine:
    amount, k = sp.symbols("amount k", real=True)
    return VectorEngine(System((amount,), (k,), (), (-k * amount,), {}, (1.0,)), ("amount",))


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
def test_an_infusion_by_its_rate_constant_and_its_length(rtol: float) -> None:
    def batch(pairs: list[tuple[float, float]]) -> Batch:
        schedules = [Schedule(infusions=[Infusion("amount", 0.0, length, 10.0)]) for _, length in pairs]
        count = len(pairs)
        return Batch(np.array([[k] for k, _ in pairs]), np.ones((count, 1)), schedules, [TIMES] * count)

    def exact(k: float, length: float) -> np.ndarray:
        running, after = np.clip(TIMES, 0.0, length), np.clip(TIMES - length, 0.0, None)
        return np.exp(-k * TIMES) + 10.0 / length / k * -np.expm1(-k * running) * np.exp(-k * after)

    move = 1e-4
    moved = [(0.7 + move, 2.0), (0.7 - move, 2.0), (0.7, 2.0 + move), (0.7, 2.0 - move)]
    found = differentiate(engine(), batch([(0.7, 2.0)]), batch(moved), [2 * move, 2 * move], {}, rtol)
    assert found.values[:, 0] == pytest.approx(exact(0.7, 2.0), rel=30 * rtol)
    # The differences are as exact as the solution itself: the steps add no noise.
    by_k = (exact(0.7 + 1e-6, 2.0) - exact(0.7 - 1e-6, 2.0)) / 2e-6
    by_length = (exact(0.7, 2.0 + 1e-6) - exact(0.7, 2.0 - 1e-6)) / 2e-6
    assert found.derivatives[0, :, 0] == pytest.approx(by_k, abs=30 * rtol + 1e-7)
    assert found.derivatives[1, :, 0] == pytest.approx(by_length, abs=30 * rtol + 1e-7)


def test_events_that_come_apart_are_refused() -> None:
    def batch(starts: list[float]) -> Batch:
        schedules = [
            Schedule(infusions=[Infusion("amount", 0.0, 2.0, 10.0), Infusion("amount", start, 4.0, 1.0)])
            for start in starts
        ]
        count = len(starts)
        return Batch(np.full((count, 1), 0.7), np.ones((count, 1)), schedules, [TIMES] * count)

    with pytest.raises(ModelError, match="fall together or apart"):
        differentiate(engine(), batch([2.0]), batch([2.1, 1.9]), [0.2], {})


@cache
def simulator(rtol: float) -> Simulator:
    return Simulator(build_chain(), rtol)


def test_the_chain_by_parameters_of_every_kind() -> None:
    names = ("weight", "clearance", "ic50_s_ketamine", "mood_time", "swallowed_duration", "nascent_life")
    times = np.array([0.0, 0.5, 2.0, 24.0, 168.0])
    wanted = ("ketamine_arterial", "severity", "cadss", "spine_density")
    regimen = parse_regimen("0.5 mg/kg ketamine iv over 40 min; 56 mg esketamine intranasal, at 30 h")
    own = load_parameters()
    case = Case(simulator(1e-5).depressed(own, 33.0), regimen, times)
    found = simulator(1e-5).gradient(case, names, wanted)
    assert found.run.quantities["severity"][0] == pytest.approx(33.0)
    for name in names:
        # The same by plain differences of exact runs.
        step = 1e-3 * own[name].value
        ends = []
        for sign in (1.0, -1.0):
            moved = own.with_values({name: own[name].value + sign * step})
            (patient,) = simulator(1e-11).depressed_many([Wanted(moved, 33.0)])
            assert not isinstance(patient, Exception)
            ends.append(simulator(1e-11).run(patient, regimen, times).quantities)
        for quantity in wanted:
            expected = (ends[0][quantity] - ends[1][quantity]) / (2.0 * step)
            size = max(float(np.max(np.abs(expected))), 1e-6 * np.max(np.abs(ends[0][quantity])) / step)
            gap = np.max(np.abs(found.derivatives[name][quantity] - expected))
            # Severity after the nasal dose hardly follows how long it is swallowed: what is left is the
            # accuracy of the runs, 1e-5 of severity over a step of a thousandth.
            assert gap <= 6e-3 * size, (name, quantity)


def test_what_has_no_gradient_is_refused() -> None:
    case = Case(simulator(1e-5).depressed(load_parameters(), 33.0), parse_regimen("none"), TIMES)
    with pytest.raises(ModelError, match="nearest valid name is 'clearance'"):
        simulator(1e-5).gradient(case, ["clearence"])
