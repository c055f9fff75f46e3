"""Functional connectivity by linear noise, against other ways to compute the same covariance."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import block_diag, solve_continuous_lyapunov

from ketasim.brain import (
    BrainModel,
    Connectome,
    Haemodynamics,
    Influence,
    brain_model,
    linear_connectivity,
    load_haemodynamics,
    load_node_parameters,
)
from ketasim.brain.equations import jacobian
from ketasim.brain.kernel import advance_blood
from ketasim.errors import BrainError

N = 9
BLOCKED = Influence(block_excitatory=0.2, block_inhibitory=0.4)


def make_model(n: int = N, seed: int = 0) -> BrainModel:
    random = np.random.default_rng(seed)
    weights = np.triu(np.exp(random.normal(0.0, 1.0, (n, n))), 1)
    connectome = Connectome(
        name="random",
        weights=weights + weights.T,
        labels=tuple(f"r{i}" for i in range(n)),
        networks=("default",) * n,
        hemispheres=("left",) * n,
        homotopic=(-1,) * n,
    )
    return brain_model(connectome, feedforward_weights=0.05 * random.random((n, n)))


def gates_jacobian(model: BrainModel, influence: Influence) -> np.ndarray:
    point = linear_connectivity(model, influence).fixed
    return jacobian(model.terms(influence), point.s_e, point.s_i)


@pytest.mark.parametrize("influence", [Influence(), BLOCKED])
def test_covariance_of_the_gates_solves_the_lyapunov_equation(influence: Influence) -> None:
    model = make_model()
    found = linear_connectivity(model, influence, haemodynamics=False)
    a = gates_jacobian(model, influence)
    full = solve_continuous_lyapunov(a, -(model.node.noise**2) * np.eye(2 * N))
    # Both lose about as many digits as the eigenvectors' condition number (some tens) has.
    np.testing.assert_allclose(found.covariance, full[:N, :N], rtol=1e-8, atol=1e-8 * full.max())
    assert found.eigenvalue == pytest.approx(np.linalg.eigvals(a).real.max(), rel=1e-10)


def blood_matrices(blood: Haemodynamics) -> tuple[np.ndarray, np.ndarray]:
    """Jacobian of signal, flow, volume and deoxyhaemoglobin at rest, and the gradient of BOLD."""
    k1, k2, k3 = 7.0 * blood.extraction, 2.0, 2.0 * blood.extraction - 0.2
    rho, tau, inverse = blood.extraction, blood.transit_time, 1.0 / blood.stiffness

    def extraction(f: float) -> float:
        return f * (1.0 - (1.0 - rho) ** (1.0 / f)) / rho

    slope = (extraction(1.0 + 1e-6) - extraction(1.0 - 1e-6)) / 2e-6
    matrix = np.array(
        [
            [-blood.signal_decay, -blood.autoregulation, 0.0, 0.0],
            [1.0, 0.0, 0.0, 0.0],
            [0.0, 1.0 / tau, -inverse / tau, 0.0],
            [0.0, slope / tau, -(inverse - 1.0) / tau, -1.0 / tau],
        ]
    )
    return matrix, blood.volume_fraction * np.array([0.0, 0.0, k2 - k3, -k1 - k2])


@pytest.mark.parametrize("influence", [Influence(), BLOCKED])
def test_covariance_of_bold_solves_the_lyapunov_equation_of_gates_and_blood(influence: Influence) -> None:
    model, blood = make_model(), load_haemodynamics()
    one, read = blood_matrices(blood)
    size = 6 * N
    a = block_diag(gates_jacobian(model, influence), *([one] * N))
    observe = np.zeros((N, size))
    for i in range(N):
        a[2 * N + 4 * i, i] = 1.0
        observe[i, 2 * N + 4 * i : 2 * N + 4 * i + 4] = read
    noise = np.zeros((size, size))
    noise[: 2 * N, : 2 * N] = model.node.noise**2 * np.eye(2 * N)
    expected = observe @ solve_continuous_lyapunov(a, -noise) @ observe.T
    found = linear_connectivity(model, influence)
    # The slope of extraction by differences is good to about 1e-9.
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-7, atol=1e-7 * expected.max())
    spread = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(found.fc, expected / np.outer(spread, spread), atol=1e-7)


def test_transfer_is_the_small_signal_response_of_the_full_blood_model() -> None:
    blood = load_haemodynamics()
    size, step, seconds = 1e-4, 1e-3, 400.0
    states = np.array([[0.0], [1.0], [1.0], [1.0]])
    constants = np.array(
        [
            step,
            blood.signal_decay,
            blood.autoregulation,
            blood.transit_time,
            blood.stiffness,
            blood.extraction,
        ]
    )
    # A small step of the input for so long that only the response at frequency 0 is left.
    advance_blood(states, np.full((int(seconds / step), 1), size), constants)
    _, _, v, q = states[:, 0]
    k1, k2, k3 = blood.signal_weights
    signal = blood.volume_fraction * (k1 * (1.0 - q) + k2 * (1.0 - q / v) + k3 * (1.0 - v))
    # The model is not linear: a step of 1e-4 leaves errors of that order.
    assert signal / size == pytest.approx(float(blood.transfer(0.0).real), rel=1e-3)


def test_transfer_is_the_sum_of_its_poles() -> None:
    blood = load_haemodynamics()
    s = 2j * np.pi * np.array([0.01, 0.1, 1.0])
    summed = sum(r / (s - p) for p, r in zip(blood.poles, blood.residues(), strict=True))
    np.testing.assert_allclose(blood.transfer(s), summed, rtol=1e-11)
    assert (blood.poles.real < 0.0).all()


def test_connectivity_is_a_correlation_and_does_not_depend_on_the_size_of_the_noise() -> None:
    model = make_model()
    found = linear_connectivity(model)
    np.testing.assert_allclose(np.diag(found.fc), 1.0, rtol=1e-13)
    assert np.linalg.eigvalsh(found.fc).min() > 0.0
    louder = linear_connectivity(replace(model, node=replace(model.node, noise=5.0 * model.node.noise)))
    np.testing.assert_allclose(louder.fc, found.fc, atol=1e-12)
    np.testing.assert_allclose(louder.covariance, 25.0 * found.covariance, rtol=1e-9)


def test_a_stronger_connection_couples_its_regions_most() -> None:
    model = make_model()
    weights = model.weights.copy()
    weights[2, 5] *= 1.5
    weights[5, 2] *= 1.5
    before = linear_connectivity(brain_model(model.connectome, weights=model.weights)).fc
    gain = linear_connectivity(brain_model(model.connectome, weights=weights)).fc - before
    assert np.unravel_index(np.argmax(gain), gain.shape) == (2, 5)
    assert gain[2, 5] > 0.0


def test_blood_flow_changes_connectivity_only_by_the_speed_of_modes() -> None:
    model = make_model()
    gates, bold = (linear_connectivity(model, haemodynamics=flag).fc for flag in (False, True))
    # Blood flow passes slow, shared modes and damps fast, local ones.
    upper = np.triu_indices(N, 1)
    assert (bold[upper] > gates[upper]).all()
    own = linear_connectivity(model, haemodynamics=replace(load_haemodynamics(), volume_fraction=0.04)).fc
    np.testing.assert_allclose(own, bold, atol=1e-12)


def test_what_has_no_connectivity_is_refused() -> None:
    model = make_model()
    with pytest.raises(BrainError, match="noise is 0; without noise there are no correlations"):
        linear_connectivity(replace(model, node=replace(model.node, noise=0.0)))
    wild = replace(load_node_parameters(), local_weight=6.0)
    with pytest.raises(BrainError, match="unstable network: the leading eigenvalue"):
        linear_connectivity(brain_model(model.connectome, wild))


def test_modes_that_coincide_are_told() -> None:
    model = make_model()
    # A chain of regions with equal input, each heard only by the next: equal eigenvalues, one eigenvector.
    chain = np.zeros((N, N))
    chain[np.arange(1, N), np.arange(N - 1)] = 0.5
    with pytest.raises(BrainError, match="two modes of the network coincide"):
        linear_connectivity(brain_model(model.connectome, weights=chain))
