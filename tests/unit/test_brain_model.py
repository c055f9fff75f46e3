"""Nodes, currents and resting states of the whole brain, against other ways to compute them."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import ketasim.brain
from ketasim.brain import (
    BrainModel,
    Connectome,
    Influence,
    NodeParameters,
    brain_model,
    fixed_point,
    load_haemodynamics,
    load_node_parameters,
    readapt_inhibition,
)
from ketasim.brain.equations import currents, derivatives, jacobian, rate, rate_slope
from ketasim.brain.tables import TABLE_COLUMNS
from ketasim.errors import BrainError

NODE = load_node_parameters()
GAIN_E = (NODE.gain_excitatory, NODE.threshold_excitatory, NODE.curvature_excitatory)
CLINICAL = {"block_excitatory": 0.17, "block_inhibitory": 0.36}


def make_connectome(n: int = 8, seed: int = 0, nmda: np.ndarray | None = None) -> Connectome:
    weights = np.exp(np.random.default_rng(seed).normal(0.0, 1.0, (n, n)))
    weights = np.triu(weights, 1) + np.triu(weights, 1).T
    return Connectome(
        name="random",
        weights=weights,
        labels=tuple(f"r{i}" for i in range(n)),
        networks=("default",) * n,
        hemispheres=("left",) * n,
        homotopic=(-1,) * n,
        nmda=nmda,
    )


def with_feedforward(n: int = 8, node: NodeParameters = NODE) -> BrainModel:
    forward = 0.05 * np.random.default_rng(1).random((n, n))
    return brain_model(make_connectome(n), node, feedforward_weights=forward)


def varied(n: int = 8) -> Influence:
    random = np.random.default_rng(2)
    return Influence(
        block_excitatory=0.3 * random.random(n),
        block_inhibitory=0.5 * random.random(n),
        inhibition_gain=1.0 + 0.2 * random.random(n),
        local_weight=1.0 + 0.1 * random.random(n),
        outgoing_weight=1.0 - 0.2 * random.random(n),
        feedforward=1.0 + 0.5 * random.random(n),
    )


def test_rate_is_the_published_transfer_function() -> None:
    current = np.linspace(0.2, 0.6, 41)
    y = NODE.gain_excitatory * current - NODE.threshold_excitatory
    expected = y / (1.0 - np.exp(-NODE.curvature_excitatory * y))
    # The formula itself loses digits where y is near 0, none of these points is.
    np.testing.assert_allclose(rate(current, *GAIN_E), expected, rtol=1e-12)


def test_rate_has_no_hole_and_does_not_overflow() -> None:
    centre = NODE.threshold_excitatory / NODE.gain_excitatory
    near = centre + np.array([-1e-7, -1e-12, 0.0, 1e-12, 1e-7])
    # At y = 0 the rate is 1/d with slope a/2, so 1e-7 nA moves it by 1.6e-5 Hz.
    np.testing.assert_allclose(rate(near, *GAIN_E), 1.0 / 0.16 + 155.0 * (near - centre), rtol=1e-9)
    far = rate(np.array([-100.0, -1.0]), *GAIN_E)
    assert (far >= 0.0).all()
    assert (far < 1e-20).all()


def test_rate_slope_is_its_derivative() -> None:
    current = np.linspace(0.3, 0.5, 37)
    step = 1e-6
    difference = (rate(current + step, *GAIN_E) - rate(current - step, *GAIN_E)) / (2.0 * step)
    # Central differences: truncation and rounding are both near 1e-9 relative here.
    np.testing.assert_allclose(rate_slope(current, *GAIN_E), difference, rtol=1e-7)


def test_jacobian_is_the_derivative_of_all_equations() -> None:
    model, influence = with_feedforward(), varied()
    terms = model.terms(influence)
    point = fixed_point(model, influence)
    state = np.concatenate([point.s_e, point.s_i]) * 1.1
    n, step = 8, 1e-6
    columns = []
    for k in range(2 * n):
        up, down = state.copy(), state.copy()
        up[k] += step
        down[k] -= step
        d_up = np.concatenate(derivatives(terms, up[:n], up[n:]))
        d_down = np.concatenate(derivatives(terms, down[:n], down[n:]))
        columns.append((d_up - d_down) / (2.0 * step))
    # Entries reach 1e3, so that differences are good to about 1e-6 absolute.
    np.testing.assert_allclose(jacobian(terms, state[:n], state[n:]), np.stack(columns, 1), atol=1e-5)


def test_currents_follow_the_written_equation() -> None:
    model, influence, node = with_feedforward(), varied(), NODE
    s_e, s_i = np.linspace(0.1, 0.3, 8), np.linspace(0.02, 0.05, 8)
    b_e, b_i = influence.array("block_excitatory", 8), influence.array("block_inhibitory", 8)
    excitatory, inhibitory = currents(model.terms(influence), s_e, s_i)
    for i in range(8):
        sent = sum(model.weights[i, j] * influence.outgoing_weight[j] * s_e[j] for j in range(8))
        forward = sum(influence.feedforward[i] * model.feedforward_weights[i, j] * s_e[j] for j in range(8))
        coupled = node.coupling * (1.0 - node.nmda_recurrent_excitatory * b_e[i])
        expected_e = (
            node.share_excitatory * node.drive * (1.0 - node.nmda_external_excitatory * b_e[i])
            + coupled * (node.local_weight * influence.local_weight[i] * s_e[i] + node.global_coupling * sent)
            - influence.inhibition_gain[i] * model.inhibition[i] * s_i[i]
        )
        coupled = node.coupling * (1.0 - node.nmda_recurrent_inhibitory * b_i[i])
        expected_i = (
            node.share_inhibitory * node.drive * (1.0 - node.nmda_external_inhibitory * b_i[i])
            + coupled * (s_e[i] + node.global_coupling * forward)
            - s_i[i]
        )
        assert excitatory[i] == pytest.approx(expected_e, rel=1e-13)
        assert inhibitory[i] == pytest.approx(expected_i, rel=1e-13)


def test_inhibition_holds_every_region_at_the_target_rate() -> None:
    point = fixed_point(with_feedforward())
    # Closed form up to two scalar Newton solves to rounding; steep slopes (300 Hz/nA) cost some digits.
    np.testing.assert_allclose(point.rate_e, NODE.target_rate, rtol=1e-11)
    assert np.ptp(point.rate_i) > 0.1  # feedforward drives inhibitory cells unequally


def test_fixed_point_is_where_the_equations_end() -> None:
    model, influence = with_feedforward(), varied()
    terms, rest = model.terms(influence), fixed_point(model)

    def slope(_: float, y: np.ndarray) -> np.ndarray:
        return np.concatenate(derivatives(terms, y[:8], y[8:]))

    start = np.concatenate([rest.s_e, rest.s_i])
    # 60 s are more than a hundred time constants of the slowest mode.
    end = solve_ivp(slope, (0.0, 60.0), start, method="LSODA", rtol=1e-10, atol=1e-12).y[:, -1]
    found = fixed_point(model, influence)
    np.testing.assert_allclose(np.concatenate([found.s_e, found.s_i]), end, rtol=1e-7)
    warm = fixed_point(model, influence, start=found)
    np.testing.assert_allclose(warm.rate_e, found.rate_e, rtol=1e-10)


def test_clinical_block_disinhibits_only_through_the_drive_of_inhibitory_cells() -> None:
    influence = Influence(**CLINICAL)
    connectome = make_connectome()
    point = fixed_point(brain_model(connectome), influence)
    rest = fixed_point(brain_model(connectome))
    assert point.rate_e.mean() > 1.1 * rest.rate_e.mean()
    without = replace(NODE, nmda_external_inhibitory=0.0)
    assert fixed_point(brain_model(connectome, without), influence).rate_e.mean() < rest.rate_e.mean()
    assert NODE.nmda_external_inhibitory > NODE.nmda_external_excitatory


def test_deep_block_lowers_both_rates() -> None:
    model = brain_model(make_connectome())
    rest, deep = fixed_point(model), fixed_point(model, Influence(0.86, 0.94))
    assert (deep.rate_e < 0.9 * rest.rate_e).all()
    assert (deep.rate_i < 0.7 * rest.rate_i).all()


def test_local_weight_acts_like_the_parameter() -> None:
    model = brain_model(make_connectome())
    heavier = replace(model, node=replace(NODE, local_weight=1.04 * NODE.local_weight))
    expected = fixed_point(heavier).rate_e
    np.testing.assert_allclose(fixed_point(model, Influence(local_weight=1.04)).rate_e, expected, rtol=1e-9)
    assert (expected > NODE.target_rate).all()


def test_readapted_inhibition_restores_the_target_rate() -> None:
    model, influence = with_feedforward(), varied()
    whole = readapt_inhibition(model, influence)
    np.testing.assert_allclose(fixed_point(whole, influence).rate_e, NODE.target_rate, rtol=1e-10)
    half = readapt_inhibition(model, influence, 0.5)
    np.testing.assert_allclose(half.inhibition, (model.inhibition + whole.inhibition) / 2.0, rtol=1e-13)
    assert readapt_inhibition(model, influence, 0.0).inhibition.tolist() == model.inhibition.tolist()


def test_inhibition_never_turns_into_excitation() -> None:
    silenced = Influence(local_weight=0.0, outgoing_weight=0.0, block_excitatory=1.0)
    adapted = readapt_inhibition(with_feedforward(), silenced)
    assert (adapted.inhibition >= 0.0).all()
    without = readapt_inhibition(with_feedforward(), Influence(inhibition_gain=0.0))
    assert without.inhibition.tolist() == with_feedforward().inhibition.tolist()


def test_receptor_map_scales_the_shares() -> None:
    density = np.linspace(-1.0, 1.0, 8)
    model = brain_model(make_connectome(nmda=density))
    scaled = (density - density.mean()) / density.std()
    np.testing.assert_allclose(model.receptor_ratio, 1.0 + NODE.receptor_slope * scaled, rtol=1e-12)
    terms = model.terms(Influence(block_inhibitory=0.5))
    share = NODE.nmda_external_inhibitory * model.receptor_ratio
    expected = NODE.share_inhibitory * NODE.drive * (1.0 - 0.5 * share)
    np.testing.assert_allclose(terms.drive_inhibitory, expected, rtol=1e-12)
    assert brain_model(make_connectome()).receptor_ratio.tolist() == [1.0] * 8


def test_unstable_network_says_so() -> None:
    model = brain_model(make_connectome(), replace(NODE, local_weight=6.0))
    with pytest.raises(BrainError, match=r"unstable network: the leading eigenvalue is .*lower the local"):
        fixed_point(model)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((3, 3)), r"weights has shape \(3, 3\).*8 x 8"),
        (-np.eye(8), r"weights\[0, 0\] is -1.0; .*not negative"),
        (np.full((8, 8), np.nan), r"weights\[0, 0\] is nan; .*finite"),
    ],
)
def test_wrong_weights_are_refused(weights: np.ndarray, message: str) -> None:
    with pytest.raises(BrainError, match=message):
        brain_model(make_connectome(), weights=weights)


def test_target_rate_out_of_reach_is_refused() -> None:
    with pytest.raises(BrainError, match=r"region r\d cannot be held at target_rate 80 Hz"):
        brain_model(make_connectome(), replace(NODE, target_rate=80.0))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"block_excitatory": 1.2}, "block_excitatory is 1.2; every value must be between 0 and 1"),
        ({"block_inhibitory": [0.1, np.nan]}, "block_inhibitory"),
        ({"local_weight": -0.1}, "local_weight is -0.1; every value must be finite and not negative"),
        ({"inhibition_gain": np.inf}, "inhibition_gain is inf"),
    ],
)
def test_wrong_influences_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(BrainError, match=message):
        Influence(**values)


def test_influence_needs_one_value_a_region() -> None:
    with pytest.raises(
        BrainError, match=r"local_weight has shape \(3,\); give one number, or one for each of 8"
    ):
        fixed_point(brain_model(make_connectome()), Influence(local_weight=[1.0, 1.0, 1.0]))


def test_share_of_readaptation_is_checked() -> None:
    with pytest.raises(BrainError, match=r"share is 1\.5; it must be between 0 and 1"):
        readapt_inhibition(brain_model(make_connectome()), Influence(), 1.5)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("nmda_external_inhibitory", 1.1, "a share lies between 0 and 1"),
        ("time_excitatory", 0.0, "must be finite and above 0"),
        ("noise", -0.1, "must be finite and not negative"),
        ("drive", float("nan"), "must be finite and above 0"),
    ],
)
def test_wrong_node_parameters_are_refused(name: str, value: float, message: str) -> None:
    with pytest.raises(BrainError, match=f"{name} is .*{message}"):
        replace(NODE, **{name: value})


def table_rows() -> list[dict[str, str]]:
    text = (resources.files("ketasim.brain") / "node.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, TABLE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_shipped_table_says_which_numbers_nobody_knows() -> None:
    rows = table_rows()
    assert [row["name"] for row in rows] == [field.name for field in fields(NodeParameters)]
    assert all((row["grade"] == "assumed") == (row["source"] == "assumed") for row in rows)


def test_a_user_table_is_read(tmp_path: Path) -> None:
    rows = table_rows()
    rows[3]["value"] = rows[3]["low"]
    found = load_node_parameters(write_table(tmp_path / "mine.csv", rows))
    assert found == replace(NODE, local_weight=float(rows[3]["low"]))


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("value", "one", "line 2: value is 'one'; write a finite number"),
        ("value", "7", "line 2: drive is 7, outside its range"),
        ("grade", "guessed", "unknown grade 'guessed'"),
        ("distribution", "uniform", "unknown distribution 'uniform'"),
        ("source", "", "drive has no source"),
        ("name", "drives", "unknown parameter 'drives'; the nearest valid name is 'drive'"),
        ("name", "noise", "parameter 'noise' stands there twice"),
    ],
)
def test_wrong_tables_are_refused(tmp_path: Path, column: str, value: str, message: str) -> None:
    rows = table_rows()
    rows[0][column] = value
    with pytest.raises(BrainError, match=message):
        load_node_parameters(write_table(tmp_path / "mine.csv", rows))


def test_missing_rows_columns_and_files_are_told(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match="no row for drive; add it"):
        load_node_parameters(write_table(tmp_path / "short.csv", table_rows()[1:]))
    (tmp_path / "other.csv").write_text("name,value\ndrive,1\n", encoding="utf-8")
    with pytest.raises(BrainError, match="the columns must be name, value, unit"):
        load_node_parameters(tmp_path / "other.csv")
    with pytest.raises(BrainError, match="there is no such file"):
        load_node_parameters(tmp_path / "none.csv")


def test_haemodynamic_constants_are_checked() -> None:
    with pytest.raises(BrainError, match=r"extraction is 1\.0; it must be below 1"):
        replace(load_haemodynamics(), extraction=1.0)
    with pytest.raises(BrainError, match=r"transit_time is 0\.0; it must be finite and above 0"):
        replace(load_haemodynamics(), transit_time=0.0)


@pytest.mark.parametrize("name", ketasim.brain.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(ketasim.brain, name) is not None
    assert list(ketasim.brain.__all__).count(name) == 1
