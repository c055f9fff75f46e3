"""Switches: shares of a quantity's way from rest, against a closed form and against clamps."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from ketasim.api.scenarios import switches
from ketasim.api.scenarios.models import simulator
from ketasim.api.scenarios.switching import SWITCHED
from ketasim.dosing import parse_regimen
from ketasim.engine import Batch, InputPath, Schedule, System, VectorEngine
from ketasim.errors import ModelError
from ketasim.model import Chain, Clamp, Patient, Simulator, build_chain, load_parameters
from ketasim.model.clamp import share_inputs, share_settings

TIMES = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
REGIMEN = parse_regimen("0.5 mg/kg ketamine iv over 40 min")
HOURS = np.array([0.0, 1.0, 3.0, 24.0, 72.0, 168.0])


def plain_system() -> System:
    """x falls from 3 to 0; y grows by what is read of x; z by what is read of 2 x."""
    x, y, z, shown, twice = (sp.Symbol(name, real=True) for name in ("x", "y", "z", "shown", "twice"))
    return System(
        states=(x, y, z),
        parameters=(),
        inputs=(),
        rates=(-x, x, twice),
        quantities={shown: x, twice: 2 * x},
        scales=(1.0, 1.0, 1.0),
    )


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("name", ["shown", "twice"])
def test_readers_get_the_share_of_the_way_from_rest(name: str, share: float) -> None:
    rest = 3.0 if name == "shown" else 6.0
    engine = VectorEngine(plain_system().with_shares((name,)))
    inputs = {key: InputPath((0.0,), (value,)) for key, value in share_settings(name, share, rest).items()}
    start = np.array([[3.0, 0.0, 0.0]])
    batch = Batch(np.zeros((1, 0)), start, [Schedule(inputs=inputs)], [TIMES])
    defaults = {f"share_kept_{name}": 1.0, f"share_taken_{name}": 0.0, f"drawn_to_{name}": 0.0}
    states = engine.solve(batch, defaults, 1e-9).values[0]
    grown = 3.0 * (1.0 - np.exp(-TIMES))
    # The state that is shown goes on by its own rate, whatever is read of it.
    np.testing.assert_allclose(states[:, 0], 3.0 * np.exp(-TIMES), rtol=1e-7)
    left = share * grown + (1.0 - share) * 3.0 * TIMES
    # Whoever reads 2 x reads it of what is left of x; holding 2 x alone leaves the reader of x alone.
    expected_y = left if name == "shown" else grown
    np.testing.assert_allclose(states[:, 1], expected_y, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(states[:, 2], 2.0 * left, rtol=1e-7, atol=1e-9)


def test_a_switch_of_what_does_not_exist_is_refused() -> None:
    with pytest.raises(ModelError, match="glutamate"):
        build_chain(switched=("glutamat",))
    with pytest.raises(ModelError, match="negative"):
        share_inputs(("cognition",), simulator().chain.quantities)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return simulator().depressed(load_parameters(), 33.0)


def run(patient: Patient, shares: dict[str, float]) -> dict[str, np.ndarray]:
    """Courses with some quantities kept at a share."""
    model = simulator()
    rest = model.baseline(patient)
    inputs = {
        key: InputPath((0.0,), (value,))
        for name, share in shares.items()
        for key, value in share_settings(name, share, rest[name]).items()
    }
    return model.run(patient, REGIMEN, HOURS, inputs).quantities


def test_a_full_share_is_the_model_itself(patient: Patient) -> None:
    plain, full = run(patient, {}), run(patient, {"ampa_drive": 1.0, "glutamate": 1.0})
    for name, values in plain.items():
        np.testing.assert_array_equal(values, full[name], err_msg=name)


@pytest.mark.parametrize("name", ["ampa_drive", "glutamate", "trkb", "spine_density"])
def test_no_share_is_a_clamp_at_rest(name: str, patient: Patient) -> None:
    held = run(patient, {name: 0.0})
    clamped = Simulator(build_chain()).run(patient, REGIMEN, HOURS, clamps=[Clamp(name)]).quantities
    for shown in ("madrs", "ampa_drive", "mtorc1", "spine_density", name):
        # Two ways to hold it, each to the accuracy of the solver.
        np.testing.assert_allclose(held[shown], clamped[shown], rtol=3e-4, err_msg=shown)


def test_half_a_share_lies_between_and_leaves_what_is_upstream(patient: Patient) -> None:
    whole, half, none = (run(patient, {"ampa_drive": share}) for share in (1.0, 0.5, 0.0))
    at_24h = 3
    assert whole["madrs"][at_24h] < half["madrs"][at_24h] < none["madrs"][at_24h]
    for name in ("ketamine_venous", "nmda_block_mean"):
        # The solver's error is relative to the size of a quantity, not to what is left of it days later.
        np.testing.assert_allclose(half[name], whole[name], atol=1e-4 * whole[name].max())


def test_each_switch_holds_quantities_of_its_stage_and_stands_at_a_row() -> None:
    chain: Chain = simulator().chain
    for switch in switches():
        assert switch.row in chain.quantities
        for name in switch.quantities:
            assert chain.owner[name] == switch.stage, name
    assert len(set(SWITCHED)) == len(SWITCHED)


def test_each_switch_holds_all_that_its_stage_hands_to_those_below() -> None:
    chain = simulator().chain
    handed: dict[str, set[str]] = {}
    for giver, name, reader in chain.edges():
        if giver != reader:
            handed.setdefault(giver, set()).add(name)
    # What the drug does on the way down; the rest is tone, interventions and the state of the receptors.
    missing = {"block": {"interneuron_sensitivity"}, "circuit": set(), "inflammation": set()}
    for switch in switches():
        if switch.id in missing:
            wanted = {name for name in handed[switch.stage] if not name.startswith("occupancy_")}
            assert wanted - set(switch.quantities) <= missing[switch.id], switch.id
