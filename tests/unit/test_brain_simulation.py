"""Simulation of the whole brain: against closed forms without noise, and against linear theory with it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from ketasim.brain import (
    BrainModel,
    Connectome,
    Influence,
    brain_model,
    fixed_point,
    linear_connectivity,
    load_haemodynamics,
    load_node_parameters,
    simulate,
)
from ketasim.errors import BrainError

N = 10


def make_model(noise: float | None = None, feedforward: bool = False) -> BrainModel:
    random = np.random.default_rng(0)
    weights = np.triu(np.exp(random.normal(0.0, 1.0, (N, N))), 1)
    connectome = Connectome(
        name="random",
        weights=weights + weights.T,
        labels=tuple(f"r{i}" for i in range(N)),
        networks=("default",) * N,
        hemispheres=("left",) * N,
        homotopic=(-1,) * N,
    )
    node = load_node_parameters()
    if noise is not None:
        node = replace(node, noise=noise)
    forward = 0.05 * random.random((N, N)) if feedforward else None
    return brain_model(connectome, node, feedforward_weights=forward)


@pytest.mark.parametrize("feedforward", [False, True])
def test_without_noise_it_ends_at_the_fixed_point(feedforward: bool) -> None:
    model = make_model(noise=0.0, feedforward=feedforward)
    influence = Influence(
        block_excitatory=np.linspace(0.05, 0.3, N), block_inhibitory=0.4, feedforward=1.2, outgoing_weight=0.9
    )
    run = simulate(model, influence, seconds=2.0, transient=60.0)
    expected = fixed_point(model, influence)
    # After a minute nothing is left of the start; the compiled exponential is good to 1e-14.
    np.testing.assert_allclose(run.rate_e[-1], expected.rate_e, rtol=1e-8)
    np.testing.assert_allclose(run.rate_i[-1], expected.rate_i, rtol=1e-8)
    blood = load_haemodynamics()
    flow = 1.0 + (expected.s_e - model.resting_gate) / blood.autoregulation
    volume = flow**blood.stiffness
    deoxy = volume * (1.0 - (1.0 - blood.extraction) ** (1.0 / flow)) / blood.extraction
    k1, k2, k3 = blood.signal_weights
    signal = k1 * (1.0 - deoxy) + k2 * (1.0 - deoxy / volume) + k3 * (1.0 - volume)
    # Flow settles with exp(-0.33 t): 2e-9 is left of it after a minute.
    np.testing.assert_allclose(run.bold[-1], blood.volume_fraction * signal, rtol=1e-6)


def effective_volumes(bold: np.ndarray) -> np.ndarray:
    """Independent volumes behind the correlation of each pair (Bartlett 1946, for no true correlation)."""
    centred = bold - bold.mean(axis=0)
    t = len(bold)
    spectrum = np.abs(np.fft.rfft(centred, 2 * t, axis=0)) ** 2
    autocorrelation = np.fft.irfft(spectrum, axis=0)[:60]
    autocorrelation /= autocorrelation[0]
    shared = autocorrelation[1:].T @ autocorrelation[1:]
    return t / (1.0 + 2.0 * shared)


def test_linear_connectivity_agrees_with_a_long_simulation_within_sampling_noise() -> None:
    model = make_model()
    linear = linear_connectivity(model)
    run = simulate(model, seconds=3600.0, seed=3)
    upper = np.triu_indices(N, 1)
    spread = 1.0 / np.sqrt(effective_volumes(run.bold)[upper] - 3.0)
    error = (np.arctanh(run.fc[upper]) - np.arctanh(linear.fc[upper])) / spread
    # 45 errors of pairs that share regions: their mean square is 1 with an SD of about 0.3, their mean 0 with
    # one of about 0.4, because a lucky region shifts nine pairs at once.
    assert 0.3 < np.mean(error**2) < 2.2
    assert abs(error.mean()) < 1.2
    # The noise is small against what matters: a wrong connectivity would be seen.
    assert spread.max() < 0.3 * linear.fc[upper].mean()
    # A variance from about 1,500 independent volumes is good to 4 %; two more for Euler steps of the blood.
    np.testing.assert_allclose(run.bold.var(axis=0), np.diag(linear.covariance), rtol=0.2)
    assert run.bold.var(axis=0).mean() == pytest.approx(np.diag(linear.covariance).mean(), rel=0.1)


def test_mean_rates_stay_at_the_fixed_point() -> None:
    model, influence = make_model(), Influence(block_excitatory=0.17, block_inhibitory=0.36)
    run = simulate(model, influence, seconds=600.0, seed=1)
    expected = fixed_point(model, influence)
    # Small noise: the mean differs from the fixed point by sampling and by curvature, both below 2 %.
    np.testing.assert_allclose(run.rate_e.mean(axis=0), expected.rate_e, rtol=0.02)
    np.testing.assert_allclose(run.rate_i.mean(axis=0), expected.rate_i, rtol=0.02)


def test_a_seed_fixes_every_number_whatever_runs_beside() -> None:
    model = make_model()
    alone = simulate(model, seconds=20.0, seed=5, transient=1.0)
    with ThreadPoolExecutor(2) as pool:
        beside = list(pool.map(lambda seed: simulate(model, seconds=20.0, seed=seed, transient=1.0), (5, 6)))
    assert np.array_equal(alone.bold, beside[0].bold)
    assert np.array_equal(alone.rate_i, beside[0].rate_i)
    assert not np.array_equal(alone.bold, beside[1].bold)


def test_times_and_shapes() -> None:
    run = simulate(make_model(), seconds=3.0, repetition=0.5, transient=0.0, step=5e-4)
    np.testing.assert_allclose(run.times, [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    assert run.bold.shape == run.rate_e.shape == run.rate_i.shape == (6, N)


def test_a_given_start_is_used() -> None:
    model, influence = make_model(noise=0.0), Influence(block_excitatory=0.2, block_inhibitory=0.4)
    start = fixed_point(model, influence)
    run = simulate(model, influence, seconds=1.0, repetition=0.5, transient=0.0, start=start)
    np.testing.assert_allclose(run.rate_e[0], start.rate_e, rtol=1e-9)
    from_rest = simulate(model, influence, seconds=1.0, repetition=0.5, transient=0.0)
    assert (from_rest.rate_e[0] < 0.999 * start.rate_e).all()


def test_rates_that_run_away_are_told() -> None:
    with pytest.raises(BrainError, match=r"rates run away: region r\d fires at .*, more than 30 Hz"):
        simulate(make_model(), Influence(local_weight=10.0), seconds=30.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step": 0.003}, "step is 0.003 s; it must be at most 0.002 s"),
        ({"step": 0.0007}, "and divide 0.01 s"),
        ({"step": 0.0}, "step is 0.0 s"),
        ({"repetition": 0.725}, "repetition is 0.725 s; it must be a multiple of 0.01 s"),
        ({"seconds": 1.0}, "seconds is 1.0; it must hold at least two volumes"),
        ({"transient": -1.0}, "transient is -1.0 s"),
    ],
)
def test_times_that_do_not_fit_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(BrainError, match=message):
        simulate(make_model(), **settings)
