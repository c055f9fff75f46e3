"""Fits of the node to circuit rates and of effective connectivity to people; distance from criticality."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from ketasim.brain import (
    Connectome,
    EffectiveConnectivity,
    Influence,
    NodeFit,
    NodeTarget,
    SyntheticPeople,
    brain_model,
    dose_influences,
    fit_effective_connectivity,
    fit_node,
    fixed_point,
    linear_connectivity,
    load_node_parameters,
    load_node_targets,
    mean_correlations,
    safety,
    score,
    score_people,
    strongest_safe_weights,
    synthetic_connectome,
    synthetic_people,
    write_node_parameters,
)
from ketasim.brain.coupling_fit import fit_coupling
from ketasim.brain.coupling_fit import main as coupling_main
from ketasim.brain.criticality import EIGENVALUE_LIMIT, RATE_CHANGE_LIMIT
from ketasim.brain.equations import jacobian
from ketasim.brain.fit_scores import pairs
from ketasim.brain.node_fit import FREE, main
from ketasim.errors import BrainError

NODE = load_node_parameters()
MIDDLE = Influence(block_excitatory=0.17, block_inhibitory=0.36)


@cache
def people() -> SyntheticPeople:
    return synthetic_people(synthetic_connectome(24, seed=1), people=8, seed=2)


@cache
def fitted() -> EffectiveConnectivity:
    return fit_effective_connectivity(people().connectome, "a", rounds=4)


@cache
def node_fit() -> NodeFit:
    return fit_node(load_node_targets())


def test_fit_predicts_people_it_has_not_seen_better_than_structure_does() -> None:
    found, connectome = fitted(), people().connectome
    held_out = score(found.fc, connectome.group("b")).correlation
    # Both groups share one hidden wiring, which a fit must find: it comes near to what one group tells about
    # the other. The structural wiring is a disturbance of it, and its own score says how large.
    between_groups = score(connectome.group("a"), connectome.group("b")).correlation
    assert held_out > between_groups - 0.05
    assert held_out > found.plain.correlation + 0.02
    assert held_out > score(connectome.weights, connectome.group("b")).correlation + 0.1
    assert found.fitted.correlation == pytest.approx(
        np.corrcoef(pairs(found.fc), pairs(connectome.group("a")))[0, 1], rel=1e-12
    )


def test_fit_keeps_both_limits_at_every_dose() -> None:
    found = fitted()
    model = brain_model(people().connectome, weights=found.weights)
    again = safety(model)
    assert again.eigenvalue <= -1.8
    assert again.rate_change <= 0.18
    assert again.safe
    np.testing.assert_allclose(again.eigenvalues, found.safety.eigenvalues, rtol=1e-9)
    assert len(again.eigenvalues) == len(dose_influences())
    # As strong as safety allows: 5 % more of all weights breaks a limit.
    stronger = safety(brain_model(people().connectome, weights=1.05 * found.weights))
    assert stronger.eigenvalue > -1.8 or stronger.rate_change > 0.18


def test_fitted_weights_are_allowed_ones() -> None:
    connectome = people().connectome
    weights = fitted().weights
    np.testing.assert_allclose(weights, weights.T, rtol=1e-12)
    assert (weights >= 0.0).all()
    mirror = np.zeros_like(weights, dtype=bool)
    for i, j in enumerate(connectome.homotopic):
        mirror[i, j] = j >= 0
    weak = connectome.weights < np.quantile(connectome.weights[connectome.weights > 0.0], 0.29)
    assert (weights[weak & ~mirror] == 0.0).all()
    assert int((weights > 0.0).sum()) // 2 <= fitted().connections
    np.testing.assert_allclose(
        linear_connectivity(brain_model(connectome, weights=weights)).fc, fitted().fc, atol=1e-10
    )


def test_fit_gets_better_and_tells_its_history() -> None:
    history, calls = fitted().history, []
    assert len(history) == 4
    assert history[-1].correlation > history[0].correlation
    assert max(step.correlation for step in history) == fitted().fitted.correlation
    assert all(step.eigenvalue <= -1.8 and step.rate_change <= 0.18 for step in history)
    fit_effective_connectivity(
        people().connectome, "a", rounds=1, influences=[Influence()], progress=lambda *now: calls.append(now)
    )
    assert calls == [(1, 1)]


def test_fit_takes_correlations_as_they_are() -> None:
    connectome = people().connectome
    by_name = fit_effective_connectivity(connectome, "a", rounds=1, influences=[Influence()])
    given = fit_effective_connectivity(connectome, connectome.group("a"), rounds=1, influences=[Influence()])
    assert np.array_equal(by_name.weights, given.weights)
    assert given.group == "given correlations"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eigenvalue_limit": -1.0}, r"eigenvalue_limit is -1\.0 /s; it must be at most -1\.5 /s"),
        ({"rate_change_limit": 0.3}, r"rate_change_limit is 0\.3; it must be above 0 and at most 0\.2"),
        ({"edge_share": 0.0}, r"edge_share is 0\.0"),
        ({"rounds": 0}, "rounds is 0; it must be at least 1"),
        ({"group": "c"}, "unknown group 'c'"),
        ({"node": replace(NODE, local_weight=2.5)}, "no scale of the weights is safe"),
        ({"group": np.eye(3)}, r"group has shape \(3, 3\); correlations of the connectome's 24"),
    ],
)
def test_fits_that_cannot_be_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(BrainError, match=message):
        fit_effective_connectivity(people().connectome, **{"group": "a", **settings})


def test_coupling_fit_makes_node_and_network_agree() -> None:
    connectome, targets = people().connectome, load_node_targets()[2::3]
    row = fit_coupling(connectome, "a", targets, local_weight=0.5, rounds=2)
    node = row.node_fit.node
    assert node.local_weight == 0.5
    assert row.effective.weights.sum(axis=1).mean() == pytest.approx(1.0, abs=0.02)
    model = brain_model(connectome, node, row.effective.weights)
    errors = []
    for target in targets:
        point = fixed_point(model, Influence(target.block_pyramidal, target.block_interneuron))
        errors.append(np.log(point.rate_e.mean() / node.target_rate / target.pyramidal_rate))
    assert row.rms_excitatory == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=1e-6)


def test_coupling_fit_refuses_what_it_cannot_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert coupling_main(["--connectome", "synthetics"]) == 2
    assert "the nearest valid name is 'synthetic'" in capsys.readouterr().err
    assert coupling_main(["--connectome", "synthetic"]) == 2
    assert "holds no functional connectivity" in capsys.readouterr().err


def test_strongest_safe_weights_only_scale_the_connectome() -> None:
    connectome = synthetic_connectome(24)
    weights = strongest_safe_weights(connectome)
    scale = weights.sum() / connectome.weights.sum()
    np.testing.assert_allclose(weights, scale * connectome.weights, rtol=1e-12)
    assert safety(brain_model(connectome, weights=weights)).safe
    more = safety(brain_model(connectome, weights=1.05 * weights))
    assert more.eigenvalue > -1.8 or more.rate_change > 0.18


def test_safety_is_what_it_says() -> None:
    model = brain_model(synthetic_connectome(24), replace(NODE, global_coupling=1.0))
    found = safety(model, [Influence(), MIDDLE])
    for k, influence in enumerate([Influence(), MIDDLE]):
        point = fixed_point(model, influence)
        eigenvalues = np.linalg.eigvals(jacobian(model.terms(influence), point.s_e, point.s_i))
        assert found.eigenvalues[k] == pytest.approx(eigenvalues.real.max(), rel=1e-9)
        moved = fixed_point(model, replace(influence, local_weight=1.05)).rate_e
        assert found.rate_changes[k] == pytest.approx(np.abs(moved / point.rate_e - 1.0).max(), rel=1e-6)
        mean = moved.mean() / point.rate_e.mean() - 1.0
        assert found.mean_rate_changes[k] == pytest.approx(mean, rel=1e-6)
    assert found.eigenvalue == found.eigenvalues.max()
    assert found.rate_change == found.rate_changes.max()


def test_safety_sees_what_is_too_near() -> None:
    connectome = synthetic_connectome(24)
    near = brain_model(connectome, weights=1.15 * strongest_safe_weights(connectome))
    found = safety(near)
    assert not found.safe
    assert found.eigenvalue > EIGENVALUE_LIMIT or found.rate_change > RATE_CHANGE_LIMIT
    with pytest.raises(BrainError, match="unstable network"):
        safety(brain_model(synthetic_connectome(24), replace(NODE, local_weight=4.0)))
    with pytest.raises(BrainError, match="no influence is given"):
        safety(near, [])


def test_score_of_known_matrices() -> None:
    observed = people().connectome.group("a")
    half = 0.5 * observed + 0.1
    found = score(half, observed)
    assert found.correlation == pytest.approx(1.0, rel=1e-12)
    assert found.slope == pytest.approx(2.0, rel=1e-9)
    assert found.rmse == pytest.approx(np.sqrt(np.mean((0.5 * pairs(observed) - 0.1) ** 2)), rel=1e-12)
    assert found.mean_model == pytest.approx(0.5 * found.mean_observed + 0.1, rel=1e-12)


def correlations(seed: int, n: int = 6) -> np.ndarray:
    return np.corrcoef(np.random.default_rng(seed).normal(size=(n, 50)))


def test_people_are_scored_one_by_one_beside_what_needs_no_model() -> None:
    some = {f"p{k}": correlations(k) for k in range(4)}
    fit, held = {k: some[k] for k in ("p0", "p1")}, {k: some[k] for k in ("p2", "p3")}
    structure = np.abs(correlations(9))
    found = score_people(correlations(8), structure, fit, held)
    person = found.people[1]

    def r(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.corrcoef(pairs(a), pairs(b))[0, 1])

    assert person.name == "p3"
    assert person.model == pytest.approx(r(correlations(8), some["p3"]), rel=1e-12)
    assert person.structure == pytest.approx(r(structure, some["p3"]), rel=1e-12)
    assert person.mean_of_fitted == pytest.approx(
        r(mean_correlations(list(fit.values())), some["p3"]), rel=1e-12
    )
    assert person.mean_of_all == pytest.approx(
        r(mean_correlations(list(some.values())), some["p3"]), rel=1e-12
    )
    assert found.mean("model") == pytest.approx(np.mean([row.model for row in found.people]), rel=1e-12)
    both = [r(some[f"p{i}"], some[f"p{j}"]) for i in range(4) for j in range(i)]
    assert found.between_people == pytest.approx(np.mean(both), rel=1e-12)
    means = (mean_correlations(list(group.values())) for group in (fit, held))
    assert found.group_means == pytest.approx(r(*means), rel=1e-12)


def test_mean_correlation_is_taken_over_fisher_z() -> None:
    a, b = np.array([[1.0, 0.2], [0.2, 1.0]]), np.array([[1.0, 0.8], [0.8, 1.0]])
    expected = np.tanh((np.arctanh(0.2) + np.arctanh(0.8)) / 2.0)
    np.testing.assert_allclose(mean_correlations([a, b]), [[1.0, expected], [expected, 1.0]], rtol=1e-12)


def test_people_are_fitted_or_held_out_but_not_both() -> None:
    fit = {"p0": correlations(0), "p1": correlations(1)}
    with pytest.raises(BrainError, match="people p1 are fitted and held out"):
        score_people(correlations(8), correlations(9), fit, {"p1": correlations(1), "p2": correlations(2)})
    with pytest.raises(BrainError, match="2 fitted and 1 held-out people; give at least 2 of each"):
        score_people(correlations(8), correlations(9), fit, {"p2": correlations(2)})


def test_shipped_shares_are_the_fit_to_the_shipped_targets() -> None:
    found = node_fit()
    for name in FREE:
        # The table holds six digits, and the fit starts from the rest of the same table.
        assert getattr(NODE, name) == pytest.approx(getattr(found.node, name), rel=1e-3, abs=1e-4)
    assert found.starts_agreeing >= 2
    assert found.rms[0] < 0.08
    assert found.eigenvalue < EIGENVALUE_LIMIT
    peak = int(np.argmax([row.pyramidal_rate for row in load_node_targets()]))
    assert found.ratios[peak, 0] > 1.2
    assert found.ratios[-1, 0] < 0.8
    # Inhibitory cells end below 60 %; that they fall too early on the way is a known misfit of this node.
    assert found.ratios[-1, 1] < 0.6


def test_node_fit_finds_the_shares_that_made_the_rates() -> None:
    true = replace(
        NODE,
        nmda_recurrent_excitatory=0.45,
        nmda_recurrent_inhibitory=0.5,
        nmda_external_excitatory=0.05,
        nmda_external_inhibitory=0.2,
    )
    ring = np.roll(np.eye(4), 1, axis=0) + np.roll(np.eye(4), -1, axis=0)
    regions = Connectome("ring", ring, tuple("abcd"), ("default",) * 4, ("left",) * 4, (-1,) * 4)
    # Equal regions with row sums of 1: the network that the fit stands for, computed region by region.
    model = brain_model(regions, true)
    rest, rows = fixed_point(model), []
    for block in np.linspace(0.05, 0.85, 9):
        point = fixed_point(model, Influence(block_excitatory=block, block_inhibitory=0.9 * block + 0.1))
        rates = (point.rate_e[0] / rest.rate_e[0], point.rate_i[0] / rest.rate_i[0])
        rows.append(NodeTarget(block, 0.9 * block + 0.1, *rates, source="made"))
    found = fit_node(rows)
    # Priors pull; rates are met closely, and shares to within their stated uncertainty.
    assert found.rms.max() < 0.02
    for name in FREE:
        assert abs(getattr(found.node, name) - getattr(true, name)) < 2.0 * found.errors[name]


def test_fitted_shares_go_into_the_table_and_nothing_else(tmp_path: Path) -> None:
    found = replace(
        node_fit(),
        errors={name: 0.01 * (1 + 50 * (name == "nmda_recurrent_inhibitory")) for name in FREE},
    )
    write_node_parameters(found, tmp_path / "node.csv", {"local_weight": ("a search", "derived")})
    shipped = (resources.files("ketasim.brain") / "node.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader((tmp_path / "node.csv").read_text(encoding="utf-8").splitlines()))
    for row, old in zip(rows, csv.DictReader(shipped), strict=True):
        if row["name"] in FREE:
            assert float(row["value"]) == pytest.approx(getattr(found.node, row["name"]), abs=1e-6)
            informed = row["name"] != "nmda_recurrent_inhibitory"
            assert row["grade"] == ("calibrated" if informed else "assumed")
        elif row["name"] == "local_weight":
            assert (row["source"], row["grade"]) == ("a search", "derived")
        else:
            assert row == old
    with pytest.raises(BrainError, match="cannot be written"):
        write_node_parameters(found, tmp_path / "no" / "node.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.1,0.2,1.1", "interneuron_rate is None"),
        ("1.2,0.2,1.1,0.9,x", "block_pyramidal is '1.2'; it must be above 0 and at most 1"),
        ("0.1,0.2,1.1,0,x", "interneuron_rate is '0'; it must be finite and above 0"),
        ("0.1,0.2,1.1,0.9,x", "1 rows cannot fix 4 shares"),
    ],
)
def test_wrong_targets_are_refused(
    tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "targets.csv"
    header = "block_pyramidal,block_interneuron,pyramidal_rate,interneuron_rate,source"
    path.write_text(f"{header}\n{text}\n", encoding="utf-8")
    assert main(["--targets", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_targets_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(BrainError, match="there is no such file"):
        load_node_targets(tmp_path / "none.csv")
    (tmp_path / "other.csv").write_text("block,rate\n1,1\n", encoding="utf-8")
    with pytest.raises(BrainError, match="the columns must be block_pyramidal"):
        load_node_targets(tmp_path / "other.csv")
