"""The exported document, simulated by libRoadRunner, against both solvers of the package."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from ketasim.dosing import parse_regimen
from ketasim.engine import Batch, ReferenceEngine
from ketasim.engine.schedule import InputPath
from ketasim.interop import chain_document
from ketasim.model import Simulator, build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case
from ketasim.trials import Study, shipped_studies

roadrunner = pytest.importorskip("roadrunner")
libsbml = pytest.importorskip("libsbml")

#: All three solvers are asked for this, and agree to 1e-6.
RTOL = 1e-10
DAYS = 4.0
STRESS = InputPath((0.0, 24.0, 48.0), (0.5, -1.0, 0.2))


@cache
def simulator() -> Simulator:
    return Simulator(build_chain())


def case_of(regimen: str) -> Case:
    patient = simulator().depressed(load_parameters(), 33.0, 0.5)
    times = np.array([0.0, 0.5, 2.0 / 3.0, 1.0, 2.0, 6.0, 24.0, 50.0, 24.0 * DAYS])
    return Case(patient, parse_regimen(regimen), times, {"life_stress": STRESS})


def by_roadrunner(case: Case) -> np.ndarray:
    """States at the times of a case but the first, shape (times, states)."""
    runner: Any = roadrunner.RoadRunner(chain_document(simulator(), case))
    names = list(simulator().chain.states)
    runner.integrator.maximum_num_steps = 1_000_000
    runner.integrator.relative_tolerance = RTOL
    # With less, CVODE's differences for the Jacobian are too coarse right after a dose.
    runner.integrator.absolute_tolerance = 1e-10
    return np.array(runner.simulate(times=case.times_h.tolist(), selections=names))[1:]


def states_of(case: Case, by: str) -> np.ndarray:
    own = simulator()
    engine = own.engine(())
    values = own.chain.parameter_values(case.patient.parameters)
    defaults = own.chain.input_defaults()
    if by == "reference":
        reference = ReferenceEngine(engine.system)
        solved = reference.solve(values, case.patient.state, own.schedule(case), case.times_h, defaults, RTOL)
        return solved.states.T[1:]
    row = np.array([[values[name] for name in engine.program.parameters]])
    batch = Batch(row, case.patient.state[None], [own.schedule(case)], [case.times_h])
    return engine.solve(batch, defaults, RTOL).values[0][1:]


def shipped_regimens() -> list[str]:
    """Every regimen of the shipped studies, each once."""
    texts = {
        arm.dosing.text for name in shipped_studies() for arm in Study.load(name).arms if arm.dosing.is_active
    }
    return sorted(texts)


@pytest.mark.parametrize("regimen", shipped_regimens())
def test_three_solvers_agree_on_every_shipped_regimen(regimen: str) -> None:
    case = case_of(regimen)
    kernels, reference = states_of(case, "kernels"), states_of(case, "reference")
    other = by_roadrunner(case)
    size = np.maximum(np.abs(reference).max(axis=0), np.array(simulator().engine(()).system.scales))
    assert np.max(np.abs(kernels - reference) / size) < 1e-6
    assert np.max(np.abs(other - kernels) / size) < 1e-6


@pytest.mark.parametrize(
    "regimen",
    [
        "0.5 mg/kg ketamine im",
        "50 mg ketamine oral",
        "0.3 mg/kg ketamine iv bolus",
        "0.045 mg/kg midazolam iv over 40 min",
        "0.25 mg/kg ketamine iv over 20 min; 0.25 mg/kg ketamine iv over 40 min, at 10 min",
    ],
)
def test_routes_and_overlaps_agree(regimen: str) -> None:
    case = case_of(regimen)
    kernels = states_of(case, "kernels")
    size = np.maximum(np.abs(kernels).max(axis=0), np.array(simulator().engine(()).system.scales))
    assert np.max(np.abs(by_roadrunner(case) - kernels) / size) < 1e-6


def test_the_document_is_valid_and_says_its_units() -> None:
    document = libsbml.readSBMLFromString(
        chain_document(simulator(), case_of("0.5 mg/kg ketamine iv over 40 min"))
    )
    assert document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) == 0
    model = document.getModel()
    assert model.getUnitDefinition(model.getTimeUnits()).getUnit(0).getMultiplier() == 3600.0
    chain = simulator().chain
    for name in (*chain.states, *chain.quantities, *chain.inputs):
        assert model.getParameter(name).isSetName(), name
    assert "source:" in model.getParameter("clearance").getNotesString()
    # Two infusions' worth of changes (S and R at the end), and two changes of stress.
    assert model.getNumEvents() == 3
    assert model.getParameter("event_1_time").getValue() == pytest.approx(2.0 / 3.0)


def test_moving_a_dose_needs_no_new_document() -> None:
    case = case_of("0.5 mg/kg ketamine iv over 40 min, at 5 h")
    later = case_of("0.5 mg/kg ketamine iv over 40 min, at 7 h")
    runner: Any = roadrunner.RoadRunner(chain_document(simulator(), case))
    for number in (1, 2):
        runner[f"event_{number}_time"] = runner[f"event_{number}_time"] + 2.0
    moved = np.array(runner.simulate(times=[0.0, 7.5, 8.0], selections=["central_s"]))[:, 0]
    other: Any = roadrunner.RoadRunner(chain_document(simulator(), later))
    expected = np.array(other.simulate(times=[0.0, 7.5, 8.0], selections=["central_s"]))[:, 0]
    assert moved == pytest.approx(expected, rel=1e-4)
    assert moved[1] > 1.0
