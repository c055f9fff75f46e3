from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import sympy

from ketasim.brain.conditions import load_conditions
from ketasim.brain.couplings import COUPLINGS
from ketasim.brain.fitting import fit_ridge
from ketasim.brain.formulas import INPUTS, REFERENCE, Surface, departure, evaluate
from ketasim.brain.illness import HEALTHY, BrainState
from ketasim.brain.model import BrainModel, brain_model
from ketasim.brain.parameters import load_node_parameters
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.brain.tabulate import (
    DESIGN,
    BrainSurfaces,
    design_states,
    load_surfaces,
    tabulate_brain,
    write_surfaces,
)
from ketasim.errors import BrainError

_SURFACE = Surface(
    "within_dmn",
    "log_ratio",
    0.3,
    (0.4, -1.1),
    (0.2, -0.5),
    ((1.0, -2.0, 0.5, 0.3, 0.1, 0.7), (-0.4, 0.6, 1.5, -2.0, 0.9, 0.2)),
    (0.1, -0.2, 0.3, -0.4, 0.5, -0.6),
    1.0,
    0.01,
    0.02,
)


def _model() -> BrainModel:
    # Weaker than the connectome's own weights: far from criticality.
    connectome = synthetic_connectome(20)
    return brain_model(connectome, weights=0.5 * connectome.weights)


def _inputs(state: BrainState) -> list[float]:
    return [float(getattr(state, name)) for name in INPUTS]


def test_a_surface_is_zero_in_the_healthy_brain() -> None:
    assert _inputs(HEALTHY) == list(REFERENCE.values())
    assert evaluate(_SURFACE, _inputs(HEALTHY)) == 0.0


def test_a_surface_is_the_formula_that_its_docstring_gives() -> None:
    x = np.array([0.3, 0.5, 1.1, 0.8, 0.9, 1.5])
    moved = x - np.array(list(REFERENCE.values()))
    total = float(np.dot(_SURFACE.linear, moved))
    for a, b, w in zip(_SURFACE.heights, _SURFACE.offsets, _SURFACE.slopes, strict=True):
        z = b + float(np.dot(w, moved))
        total += a * (z / math.sqrt(1.0 + z * z) - b / math.sqrt(1.0 + b * b))
    assert evaluate(_SURFACE, x) == pytest.approx(total, rel=1e-13)
    assert evaluate(_SURFACE, np.stack([x, x])).shape == (2,)


def test_a_surface_can_be_written_in_symbols() -> None:
    symbols = sympy.symbols(INPUTS)
    formula = departure(_SURFACE, symbols, lambda base, exponent: base**exponent)
    values = dict(zip(symbols, (0.3, 0.5, 1.1, 0.8, 0.9, 1.5), strict=True))
    expected = float(evaluate(_SURFACE, list(values.values())))
    assert float(formula.subs(values)) == pytest.approx(expected, rel=1e-12)


def test_a_surface_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(BrainError, match="surface within_dmn: 1 heights"):
        replace(_SURFACE, heights=(1.0,))
    with pytest.raises(BrainError, match="last axis must hold block_excitatory"):
        evaluate(_SURFACE, [0.0, 0.0])


def test_a_fit_finds_a_ridge_that_it_was_not_shown() -> None:
    random = np.random.default_rng(2)
    x = random.uniform(-1.0, 1.0, (300, 3))
    z = x @ np.array([1.5, -1.0, 0.5]) + 0.4

    def truth(at: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.asarray(0.8 * (z / np.sqrt(1.0 + z * z) - 0.4 / math.sqrt(1.16)) + 0.3 * at[:, 2])

    y = truth(x, z)
    fit = fit_ridge(x, y, (1, 2), np.random.default_rng(0))
    # The penalty on coefficients leaves a bias of this order; the spread of y is about 0.5.
    assert fit.rms_left_out < 0.02
    assert fit.rms <= fit.rms_left_out
    fresh = random.uniform(-1.0, 1.0, (100, 3))
    wanted = truth(fresh, fresh @ np.array([1.5, -1.0, 0.5]) + 0.4)
    assert float(np.sqrt(np.mean((fit(fresh) - wanted) ** 2))) < 0.02
    assert fit(np.zeros((1, 3)))[0] == pytest.approx(0.0, abs=1e-15)


def test_a_straight_line_needs_no_more_units_than_the_fewest() -> None:
    x = np.random.default_rng(4).uniform(-1.0, 1.0, (200, 2))
    noise = np.random.default_rng(5).normal(0.0, 0.1, 200)
    fit = fit_ridge(x, x @ np.array([1.0, 2.0]) + noise, (1, 3), np.random.default_rng(0))
    assert len(fit.heights) == 1
    # Nothing is left but the noise.
    assert fit.rms_left_out == pytest.approx(0.1, rel=0.2)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((5, 2)), np.zeros(4), "are needed"),
        (np.full((50, 2), np.nan), np.zeros(50), "must be finite"),
        (np.ones((4, 2)), np.ones(4), "cannot fix"),
        (np.random.default_rng(0).normal(size=(50, 2)), np.ones(50), "nothing to fit"),
    ],
)
def test_a_hopeless_fit_is_refused(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(BrainError, match=message):
        fit_ridge(x, y, (1,), np.random.default_rng(0))


def test_the_design_fills_its_ranges_and_stays_inside(surfaces: BrainSurfaces) -> None:
    states = design_states(256, 0)
    assert len(states) == 256
    assert states == design_states(256, 0)
    block = np.array([state.block_excitatory for state in states])
    # A Sobol sequence of 256 points leaves no gap as wide as a tenth of the range.
    assert np.diff(np.sort(block)).max() < 0.1 * DESIGN["block_excitatory"][1]
    assert all(surfaces.inside(state) for state in states)
    assert len(design_states(100, 0)) == 100
    with pytest.raises(BrainError, match="is empty"):
        design_states(0, 0)


@pytest.fixture(scope="module")
def surfaces() -> BrainSurfaces:
    steps: list[tuple[int, int]] = []
    model = _model()
    found = tabulate_brain(
        model,
        COUPLINGS["control_inhibition"],
        points=128,
        units=(2,),
        progress=lambda *step: steps.append(step),
    )
    assert steps[-1][0] == steps[-1][1] == len(steps)
    return found


def test_surfaces_follow_the_brain_at_points_that_no_fit_has_seen(surfaces: BrainSurfaces) -> None:
    model = _model()
    one = COUPLINGS["control_inhibition"]
    healthy = one.healthy(model)
    states = design_states(32, 7)
    surface = surfaces.surfaces["within_dmn"]
    wanted = []
    for state in states:
        value = one.readouts(healthy, state)["within_dmn"]
        assert value is not None
        wanted.append(math.log(value / surface.reference))
    found = surfaces("within_dmn", [_inputs(state) for state in states])
    error = float(np.sqrt(np.mean((found - wanted) ** 2)))
    # Few points: the honest error of cross-validation may be off by its own sampling spread.
    assert error < 2.0 * surface.rms_left_out
    assert surface.rms_left_out < 0.2 * surface.spread


def test_inside_knows_each_limit(surfaces: BrainSurfaces) -> None:
    assert surfaces.inside(HEALTHY)
    assert not surfaces.inside(BrainState(block_inhibitory=0.2))
    assert not surfaces.inside(BrainState(block_excitatory=0.9, block_inhibitory=0.9))
    assert not surfaces.inside(BrainState(block_excitatory=0.5, block_inhibitory=0.1))
    assert not surfaces.inside(BrainState(density=1.2, adapted_density=0.8))
    assert surfaces.inside(BrainState(density=0.8, adapted_density=0.8, illness=1.0))


def test_surfaces_survive_a_file(surfaces: BrainSurfaces, tmp_path: Path) -> None:
    path = tmp_path / "brain.json"
    write_surfaces(surfaces, path)
    again = load_surfaces(path)
    assert replace(again, surfaces=surfaces.surfaces) == surfaces
    points = [_inputs(state) for state in design_states(16, 3)]
    for name in surfaces.surfaces:
        # Coefficients are written with eight digits.
        np.testing.assert_allclose(again(name, points), surfaces(name, points), rtol=1e-5, atol=1e-6)
    with pytest.raises(BrainError, match="no surface of 'within_dnm'"):
        again("within_dnm", points)


def test_the_shipped_surfaces_belong_to_the_shipped_tables() -> None:
    shipped = load_surfaces()
    assert shipped.node == pytest.approx(asdict(load_node_parameters()), rel=1e-7)
    assert shipped.conditions == pytest.approx(asdict(load_conditions()), rel=1e-7)
    assert shipped.coupling in COUPLINGS
    for name, surface in shipped.surfaces.items():
        # What the surfaces of the circuit are held to, in log rate; differences of Fisher z are smaller.
        assert surface.rms_left_out < 0.05, name
        assert shipped(name, _inputs(HEALTHY)) == 0.0, name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "of format 1"),
        ({"inputs": ["dose"]}, "inputs must be block_excitatory"),
        ({"surfaces": {"within_dmn": {"name": "within_dmn"}}}, "missing or malformed"),
        ({"limits": None}, "missing or malformed"),
    ],
)
def test_a_wrong_file_is_refused(
    surfaces: BrainSurfaces, tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "brain.json"
    write_surfaces(surfaces, path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(BrainError, match=message):
        load_surfaces(path)


def test_a_file_that_is_none_is_refused(surfaces: BrainSurfaces, tmp_path: Path) -> None:
    with pytest.raises(BrainError, match="cannot be read"):
        load_surfaces(tmp_path / "absent.json")
    (tmp_path / "text.json").write_text("no json")
    with pytest.raises(BrainError, match="is no JSON file"):
        load_surfaces(tmp_path / "text.json")
    with pytest.raises(BrainError, match="cannot be written"):
        write_surfaces(surfaces, tmp_path / "absent" / "brain.json")


def test_a_brain_that_most_states_drive_too_near_to_criticality_is_refused() -> None:
    # The strongest illness of the design then takes nine tenths of prefrontal inhibition away.
    harsh = replace(load_conditions(), inhibition_loss=0.45, inhibition_compensated=0.0)
    base = _model()
    # The published local weight, and long-range weights at which the healthy brain is only just stable.
    node = replace(base.node, local_weight=1.4)

    def scaled(factor: float) -> BrainModel:
        return brain_model(base.connectome, node, weights=factor * base.connectome.weights)

    low, high = 0.0, 2.0
    while high - low > 0.01:
        middle = (low + high) / 2.0
        try:
            COUPLINGS["recurrent"].readouts(scaled(middle), HEALTHY)
            low = middle
        except BrainError:
            high = middle
    with pytest.raises(BrainError, match=r"of 32 states .* are unsafe; take a brain farther"):
        tabulate_brain(scaled(low), COUPLINGS["recurrent"], points=32, conditions=harsh)
