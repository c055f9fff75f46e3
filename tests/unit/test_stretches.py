"""A run that is cut goes on as if it had not been cut."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from ketasim.dosing import Regimen, parse_regimen
from ketasim.engine import Solutions
from ketasim.errors import ModelError
from ketasim.model import Simulator, build_chain
from ketasim.model.cohort import Cohort, Given, InputStep, Rested, at_rest, run_stretch
from ketasim.model.parameters import load_parameters

FloatArray = npt.NDArray[np.float64]

COUNT = 4
NAMES = ("ketamine_arterial", "nmda_block_mean", "spine_density", "severity", "antidepressant_drive")
TIMES = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 12.0, 24.0, 30.0, 72.0, 73.0, 96.0])
#: Relative tolerance of the solver; a cut adds another step of the same accuracy.
RTOL = 1e-7
NEAR = 2e-5

REGIMENS = {
    "within an infusion": ("0.5 mg/kg ketamine iv over 40 min, on days 1, 4", 0.5),
    "within a long infusion": ("100 mg ketamine iv over 24 h, daily x 3", 30.0),
    "while a spray is absorbed": ("56 mg esketamine intranasal, on days 1, 4", 0.25),
    "while a tablet dissolves": ("120 mg ketamine oral prolonged release, daily x 3", 2.0),
    "while something is absorbed under the skin": ("0.5 mg/kg ketamine sc (F 0.9, ka 2.5 /h), once", 0.75),
    "at a dose": ("0.5 mg/kg ketamine iv over 40 min, on days 1, 4", 72.0),
    "after all doses": ("0.5 mg/kg ketamine iv bolus", 24.0),
}


@cache
def simulator() -> Simulator:
    return Simulator(build_chain(), RTOL)


@cache
def cohort() -> Cohort:
    spread = np.linspace(-0.5, 0.5, COUNT)
    parameters = load_parameters()
    varied = {
        "weight": np.linspace(60.0, 95.0, COUNT),
        "mood_time": parameters["mood_time"].value * np.exp(spread),
    }
    stress = np.sin(np.arange(5)[None, :] + spread[:, None])
    return Cohort(parameters, varied, np.linspace(24.0, 40.0, COUNT), stress)


@cache
def rested() -> Rested:
    return at_rest(simulator(), cohort())


def run(given: Given, states: FloatArray, times: FloatArray) -> Solutions:
    found = run_stretch(simulator(), cohort(), rested().rows, states, given, [times] * COUNT, NAMES)
    assert not found.failures
    return found


def cut(given: Given, *borders: float) -> tuple[FloatArray, FloatArray]:
    """Values at all times, and where it ends, of a run that is cut at borders."""
    states, edges = rested().states, [0.0, *borders, TIMES[-1]]
    parts = []
    for begin, end in pairwise(edges):
        times = np.unique([begin, *TIMES[(begin <= TIMES) & (end >= TIMES)], end])
        found = run(given, states, times)
        states = found.finals
        wanted = np.isin(times, TIMES) & ((times > begin) | (begin == 0.0))
        parts.append(np.stack(found.values)[:, wanted])
    return np.concatenate(parts, axis=1), states


def close(left: FloatArray, right: FloatArray) -> None:
    scale = np.maximum(np.abs(right).max(axis=tuple(range(right.ndim - 1)), keepdims=True), 1e-12)
    np.testing.assert_array_less(np.abs(left - right) / scale, NEAR)


@pytest.mark.parametrize("where", REGIMENS)
def test_two_stretches_are_one_run(where: str) -> None:
    text, border = REGIMENS[where]
    given = Given.same(parse_regimen(text), COUNT)
    whole, end = cut(given)
    parts, end_of_parts = cut(given, border)
    close(parts, whole)
    close(end_of_parts, end)
    # Something happened after the border, so that there was something to lose.
    after = np.flatnonzero(border < TIMES)
    assert np.ptp(whole[:, after, 3], axis=1).min() > 0.01


def test_many_cuts_are_one_run() -> None:
    given = Given.same(parse_regimen("0.5 mg/kg ketamine iv over 40 min, on days 1, 4"), COUNT)
    whole, _ = cut(given)
    parts, _ = cut(given, 0.25, 0.5, 12.0, 24.0, 72.0, 73.0)
    close(parts, whole)


def test_a_stretch_ends_in_the_states_in_which_the_next_begins() -> None:
    given = Given.same(parse_regimen("0.5 mg/kg ketamine iv over 40 min"), COUNT)
    first = run(given, rested().states, np.array([0.0, 0.25, 0.5]))
    second = run(given, first.finals, np.array([0.5, 1.0]))
    ends = np.stack([values[-1] for values in first.values])
    begins = np.stack([values[0] for values in second.values])
    # The same states and inputs, so the same numbers but for rounding in the read-out.
    np.testing.assert_allclose(begins, ends, rtol=1e-12, atol=1e-12)


def test_a_dose_at_the_border_belongs_to_the_next_stretch() -> None:
    given = Given.same(parse_regimen("0.5 mg/kg ketamine iv bolus, on days 1, 4"), COUNT)
    first = run(given, rested().states, np.array([0.0, 24.0, 72.0]))
    once = Given.same(parse_regimen("0.5 mg/kg ketamine iv bolus"), COUNT)
    without = run(once, rested().states, np.array([0.0, 24.0, 72.0]))
    close(np.stack(first.values), np.stack(without.values))
    second = run(given, first.finals, np.array([72.0, 72.5]))
    arterial = np.stack(second.values)[:, -1, 0]
    assert (arterial > 10.0 * np.stack(first.values)[:, -1, 0]).all()


def test_outside_inputs_and_stress_go_on_across_the_border() -> None:
    person = np.arange(COUNT)
    # The first value of an input also holds before its time, so off is said first.
    steps = [
        InputStep("antidepressant", person, np.full(COUNT, time), np.full(COUNT, value))
        for time, value in ((0.0, 0.0), (12.0, 1.0), (73.0, 0.0))
    ]
    given = Given((Regimen(()),), np.zeros(COUNT, dtype=np.int64), steps=steps)
    whole, _ = cut(given)
    parts, _ = cut(given, 24.0, 73.0)
    close(parts, whole)
    drive = whole[:, :, 4]
    np.testing.assert_array_equal(drive[:, TIMES <= 12.0], 0.0)
    assert (drive[:, TIMES == 72.0] > drive[:, TIMES == 24.0]).all()
    # Stress moves severity from day to day without any drug.
    assert np.ptp(whole[:, :, 3], axis=1).min() > 0.01


def test_persons_with_different_plans_do_not_touch_each_other() -> None:
    plans = (parse_regimen("0.5 mg/kg ketamine iv over 40 min"), parse_regimen("saline iv over 40 min"))
    which = np.array([0, 1, 0, 1])
    mixed, _ = cut(Given(plans, which), 24.0)
    for place, plan in enumerate(plans):
        alone, _ = cut(Given.same(plan, COUNT), 24.0)
        np.testing.assert_array_equal(mixed[which == place], alone[which == place])


def test_dose_zero_keeps_the_visits_and_gives_no_drug() -> None:
    given = Given.same(parse_regimen("0.5 mg/kg ketamine iv over 40 min, on days 1, 4"), COUNT)
    without, _ = cut(given.without_active_drug())
    nothing, _ = cut(Given.same(parse_regimen("saline iv over 40 min, on days 1, 4"), COUNT))
    np.testing.assert_array_equal(without, nothing)
    np.testing.assert_array_equal(without[:, :, 0], 0.0)


def test_an_input_that_is_none_is_refused() -> None:
    step = InputStep("sunlight", np.arange(COUNT), np.zeros(COUNT), np.ones(COUNT))
    given = Given((Regimen(()),), np.zeros(COUNT, dtype=np.int64), steps=[step])
    with pytest.raises(ModelError, match="sunlight"):
        run(given, rested().states, np.array([0.0, 1.0]))
