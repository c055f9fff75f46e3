"""The exported document, simulated by libRoadRunner, against both solvers of the package."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from ketasim.dosing import parse_regimen
from ketasim.engine import Batch, InputPath, ReferenceEngine
from ketasim.interop import chain_document
from ketasim.model import Simulator, build_chain
from ketasim.model.clamp import Clamp
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case
from ketasim.trials import Study, shipped_studies

roadrunner = pytest.importorskip("roadrunner")
libsbml = pytest.importorskip("libsbml")

#: All three solvers are asked for this, and agree to AGREEMENT of each state's size. The factor
#: between the two is what many steps and restarts may add up to.
RTOL = 1e-10
AGREEMENT = 1e-6

#: Days that are simulated after the last dose.
AFTER = 2


@cache
def simulator() -> Simulator:
    return Simulator(build_chain())


def case_of(regimen: str, *, after: int = AFTER, clamps: tuple[Clamp, ...] = ()) -> Case:
    """A patient with a new life stress every day, until some days after his last dose."""
    patient = simulator().depressed(load_parameters(), 33.0, 0.5)
    doses = parse_regimen(regimen)
    days = int(max(dose.start_h for dose in doses.doses) // 24) + after
    stress = np.random.default_rng(3).normal(size=days)
    path = InputPath(tuple(24.0 * day for day in range(days)), tuple(stress.tolist()))
    # Not at a later bolus: the package gives the value before it, and libRoadRunner the one after it.
    early = [0.0, 0.5, 2.0 / 3.0, 1.0, 2.0, 6.0]
    times = np.array([*early, *(24.0 * day + 1.5 for day in range(1, days))])
    return Case(patient, doses, times, {"life_stress": path}, clamps)


def by_roadrunner(case: Case) -> np.ndarray:
    """States at the times of a case but the first, shape (times, states)."""
    runner: Any = roadrunner.RoadRunner(chain_document(simulator(), case))
    integrator, names = runner.integrator, list(simulator().chain.states)
    integrator.setValue("maximum_num_steps", 1_000_000)
    integrator.setValue("relative_tolerance", RTOL)
    # One for each state: a single number is multiplied by each state's value at each restart, and
    # what is left of a drug after days makes a tolerance of 1e-50 out of it, which nothing meets.
    integrator.setValue("absolute_tolerance", [1e-12] * len(names))
    return np.array(runner.simulate(times=case.times_h.tolist(), selections=names))[1:]


def states_of(case: Case, by: str) -> np.ndarray:
    own = simulator()
    engine = own.engine(tuple(sorted({clamp.quantity for clamp in case.clamps})))
    values = own.chain.parameter_values(case.patient.parameters)
    defaults = dict.fromkeys((symbol.name for symbol in engine.system.inputs), 0.0)
    defaults |= own.chain.input_defaults()
    if by == "reference":
        reference = ReferenceEngine(engine.system)
        solved = reference.solve(values, case.patient.state, own.schedule(case), case.times_h, defaults, RTOL)
        return solved.states.T[1:]
    row = np.array([[values[name] for name in engine.program.parameters]])
    batch = Batch(row, case.patient.state[None], [own.schedule(case)], [case.times_h])
    return engine.solve(batch, defaults, RTOL).values[0][1:]


def largest_difference(one: np.ndarray, other: np.ndarray) -> float:
    size = np.maximum(np.abs(other).max(axis=0), np.array(simulator().engine(()).system.scales))
    found: float = np.max(np.abs(one - other) / size)
    return found


@cache
def differences(regimen: str) -> tuple[float, float]:
    """Of the kernels and of libRoadRunner from the reference; once for studies with one regimen."""
    case = case_of(regimen)
    reference = states_of(case, "reference")
    return (
        largest_difference(states_of(case, "kernels"), reference),
        largest_difference(by_roadrunner(case), reference),
    )


@pytest.mark.parametrize("study", shipped_studies())
def test_three_solvers_agree_on_every_shipped_study(study: str) -> None:
    """In the last arm with a drug: of a series of doses it has the largest."""
    regimen = [arm.dosing.text for arm in Study.load(study).arms if arm.dosing.is_active][-1]
    kernels, other = differences(regimen)
    assert kernels < AGREEMENT
    assert other < AGREEMENT


@pytest.mark.parametrize(
    "regimen",
    [
        "0.5 mg/kg ketamine im",
        "50 mg ketamine oral",
        "0.3 mg/kg ketamine iv bolus, on days 1, 2",
        "0.045 mg/kg midazolam iv over 40 min",
        "0.25 mg/kg ketamine iv over 20 min; 0.25 mg/kg ketamine iv over 40 min, at 10 min",
    ],
)
def test_routes_and_overlaps_agree(regimen: str) -> None:
    case = case_of(regimen)
    assert largest_difference(by_roadrunner(case), states_of(case, "kernels")) < AGREEMENT


def test_a_clamped_state_and_a_clamped_quantity_agree() -> None:
    clamps = (Clamp("spines_nascent", 0.3, 1.5, 20.0), Clamp("ampa_drive", None, 0.7, 30.0))
    case = case_of("0.5 mg/kg ketamine iv over 40 min", clamps=clamps)
    free = case_of("0.5 mg/kg ketamine iv over 40 min")
    clamped = states_of(case, "kernels")
    assert largest_difference(by_roadrunner(case), clamped) < AGREEMENT
    assert largest_difference(states_of(free, "kernels"), clamped) > 0.01


def test_moving_a_dose_needs_no_new_document() -> None:
    case = case_of("0.5 mg/kg ketamine iv over 40 min, at 5 h")
    later = case_of("0.5 mg/kg ketamine iv over 40 min, at 7 h")
    runner: Any = roadrunner.RoadRunner(chain_document(simulator(), case))
    for number in (1, 2):
        runner[f"event_{number}_time"] = runner[f"event_{number}_time"] + 2.0
    moved = np.array(runner.simulate(times=[0.0, 7.5, 8.0], selections=["central_s"]))[:, 0]
    other: Any = roadrunner.RoadRunner(chain_document(simulator(), later))
    expected = np.array(other.simulate(times=[0.0, 7.5, 8.0], selections=["central_s"]))[:, 0]
    # Both at libRoadRunner's default tolerance of 1e-6.
    assert moved == pytest.approx(expected, rel=1e-4)
    assert moved[1] > 1.0
