"""The error of every state of every shipped study at the tolerances that users meet."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ketasim.engine import DEFAULT_RTOL, Batch, VectorEngine
from ketasim.engine.schedule import InputPath
from ketasim.model import Simulator, build_chain, output_times
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Case
from ketasim.trials import Study, shipped_studies

EXACT = 1e-11


@cache
def simulator() -> Simulator:
    return Simulator(build_chain())


def regimens() -> list[str]:
    """Every active regimen of the shipped studies, each once."""
    texts = {
        arm.dosing.text for name in shipped_studies() for arm in Study.load(name).arms if arm.dosing.is_active
    }
    return sorted(texts)


def case_of(regimen: str, severity: float) -> Case:
    (arm,) = [
        arm for name in shipped_studies() for arm in Study.load(name).arms if arm.dosing.text == regimen
    ][:1]
    last = max(dose.start_h for dose in arm.dosing.doses)
    days = int(last / 24.0) + 4
    random = np.random.default_rng(7)
    stress = InputPath(tuple(24.0 * np.arange(days)), tuple(random.normal(0.0, 1.0, days).tolist()))
    patient = simulator().depressed(load_parameters(), severity, float(stress.values[0]))
    times = output_times(arm.dosing, 24.0 * days, fine=False)
    return Case(patient, arm.dosing, times, {"life_stress": stress})


def states(engine: VectorEngine, case: Case, rtol: float) -> np.ndarray:
    own = simulator()
    values = own.chain.parameter_values(case.patient.parameters)
    row = np.array([[values[name] for name in engine.program.parameters]])
    batch = Batch(row, case.patient.state[None], [own.schedule(case)], [case.times_h])
    found = engine.solve(batch, own.chain.input_defaults(), rtol)
    assert found.endings.tolist() == [0]
    return found.values[0]


@pytest.mark.parametrize("regimen", regimens())
def test_errors_keep_to_the_tolerance(regimen: str) -> None:
    case = case_of(regimen, 33.0)
    engine = simulator().engine(())
    exact = states(engine, case, EXACT)
    size = np.maximum(np.abs(exact).max(axis=0), np.array(engine.system.scales))

    def error(rtol: float) -> float:
        return float(np.max(np.abs(states(engine, case, rtol) - exact) / size))

    # Within a day-long infusion nothing starts the steps anew, and a long one may come upon the onset of
    # plasticity (below); a tolerance ten times smaller then leaves no more than usual.
    steady = any((dose.duration_h or 0.0) >= 24.0 for dose in case.regimen.doses)
    # The steep laws by which mGlu5 receptors follow glutamate (an exponent of 35) and spines follow proteins
    # leave up to three and a half times the tolerance after several doses.
    assert error(1e-6) <= 3.5e-6
    if steady:
        assert error(1e-7) <= 2e-7
    # Ten times the tolerance of 3e-5: plasticity is a steep switch (an exponent of 11), and one long step may
    # come upon its onset.
    assert error(DEFAULT_RTOL) <= 3e-4


def test_widths_agree_on_the_chain() -> None:
    case = case_of(regimens()[0], 33.0)
    engine = simulator().engine(())
    found = {
        width: states(VectorEngine(engine.system, engine.forced, width), case, 1e-6) for width in (1, 4, 8)
    }
    size = np.maximum(np.abs(found[1]).max(axis=0), np.array(engine.system.scales))
    for width in (4, 8):
        assert np.max(np.abs(found[width] - found[1]) / size) <= 10 * 1e-6
