"""The exported document, simulated by COPASI, against both solvers of the package."""

from __future__ import annotations

import locale
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

# COPASI sets the locale of the whole process when it loads.
_LOCALE = locale.setlocale(locale.LC_ALL)
COPASI = pytest.importorskip("COPASI")
locale.setlocale(locale.LC_ALL, _LOCALE)
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
    # Not at a later bolus: the package gives the value before it, and COPASI the one after it.
    early = [0.0, 0.5, 2.0 / 3.0, 1.0, 2.0, 6.0]
    times = np.array([*early, *(24.0 * day + 1.5 for day in range(1, days))])
    return Case(patient, doses, times, {"life_stress": path}, clamps)


def simulated(document: str, times: np.ndarray, names: list[str]) -> np.ndarray:
    """Values at the given times by COPASI's LSODA, shape (times, names)."""
    model = COPASI.CRootContainer.addDatamodel()
    assert model.importSBMLFromString(document)
    task = model.getTask("Time-Course")
    task.setMethodType(COPASI.CTaskEnum.Method_deterministic)
    problem, method = task.getProblem(), task.getMethod()
    problem.setUseValues(True)
    problem.setValues(" ".join(repr(float(time)) for time in times))
    problem.setTimeSeriesRequested(True)
    method.getParameter("Relative Tolerance").setDblValue(RTOL)
    method.getParameter("Absolute Tolerance").setDblValue(1e-12)
    method.getParameter("Max Internal Steps").setUIntValue(1_000_000)
    assert task.initialize(COPASI.CCopasiTask.ONLY_TIME_SERIES)
    assert task.process(True), COPASI.CCopasiMessage.getAllMessageText()
    series: Any = task.getTimeSeries()
    column = {series.getSBMLId(k, model): k for k in range(series.getNumVariables())}
    rows = range(series.getRecordedSteps())
    found = np.array([[series.getData(row, column[name]) for name in names] for row in rows])
    COPASI.CRootContainer.removeDatamodel(model)
    return found


def by_copasi(case: Case) -> np.ndarray:
    """States at the times of a case but the first, shape (times, states)."""
    names = list(simulator().chain.states)
    return simulated(chain_document(simulator(), case), case.times_h, names)[1:]


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
    """Of the kernels and of COPASI from the reference; once for studies with one regimen."""
    case = case_of(regimen)
    reference = states_of(case, "reference")
    return (
        largest_difference(states_of(case, "kernels"), reference),
        largest_difference(by_copasi(case), reference),
    )


def last_regimens() -> list[str]:
    """Of each shipped study the last arm with a drug, which has the largest of a series of doses.

    Courses of more than four weeks are left out: they repeat doses that are among the shorter ones, and
    COPASI takes minutes for each.
    """
    found = set()
    for name in shipped_studies():
        active = [arm.dosing for arm in Study.load(name).arms if arm.dosing.is_active]
        if active and max(dose.start_h for dose in active[-1].doses) <= 28 * 24.0:
            found.add(active[-1].text)
    return sorted(found)


@pytest.mark.parametrize("regimen", last_regimens())
def test_three_solvers_agree_on_shipped_studies(regimen: str) -> None:
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
    assert largest_difference(by_copasi(case), states_of(case, "kernels")) < AGREEMENT


def test_a_clamped_state_and_a_clamped_quantity_agree() -> None:
    clamps = (Clamp("spines_nascent", 0.3, 1.5, 20.0), Clamp("ampa_drive", None, 0.7, 30.0))
    case = case_of("0.5 mg/kg ketamine iv over 40 min", clamps=clamps)
    free = case_of("0.5 mg/kg ketamine iv over 40 min")
    clamped = states_of(case, "kernels")
    assert largest_difference(by_copasi(case), clamped) < AGREEMENT
    assert largest_difference(states_of(free, "kernels"), clamped) > 0.01


def test_moving_a_dose_needs_no_new_document() -> None:
    case = case_of("0.5 mg/kg ketamine iv over 40 min, at 5 h")
    later = case_of("0.5 mg/kg ketamine iv over 40 min, at 7 h")
    document = libsbml.readSBMLFromString(chain_document(simulator(), case))
    for number in (1, 2):
        parameter = document.getModel().getParameter(f"event_{number}_time")
        parameter.setValue(parameter.getValue() + 2.0)
    times = np.array([0.0, 7.5, 8.0])
    moved = simulated(libsbml.writeSBMLToString(document), times, ["central_s"])[1:, 0]
    expected = simulated(chain_document(simulator(), later), times, ["central_s"])[1:, 0]
    assert moved == pytest.approx(expected, rel=1e-7)
    assert moved[0] > 1.0
