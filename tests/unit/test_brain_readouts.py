from __future__ import annotations

import numpy as np
import pytest

from ketasim.brain.connectome import Connectome
from ketasim.brain.readouts import (
    READOUTS,
    communication_loss,
    fisher_z,
    network_readouts,
    prefrontal,
    without_global_signal,
)
from ketasim.errors import BrainError

_NETWORKS = ("default", "default", "default", "control", "control", "salience", "salience", "somatomotor")
_LABELS = ("pcc", "mpfc_front", "angular", "lateral_pfc", "parietal", "insula", "cingulate", "hand")


def _connectome(**changes: object) -> Connectome:
    n = len(_LABELS)
    given: dict[str, object] = {
        "name": "eight",
        "weights": np.ones((n, n)) - np.eye(n),
        "labels": _LABELS,
        "networks": _NETWORKS,
        "hemispheres": ("left",) * n,
        "homotopic": (-1,) * n,
        "roles": {"pcc": (0,), "mpfc": (1,), "insula": (5,)},
    }
    return Connectome(**{**given, **changes})  # type: ignore[arg-type]


def _correlations(seed: int = 1, n: int = 8) -> np.ndarray:
    signals = np.random.default_rng(seed).normal(size=(n, 40))
    return np.asarray(np.corrcoef(signals + signals.mean(axis=0)))


def test_each_mean_runs_over_the_pairs_that_its_name_says() -> None:
    z = np.zeros((8, 8))
    z[0, 1], z[0, 2], z[1, 2] = 0.1, 0.2, 0.6
    z[5, :3] = 0.3, 0.5, 0.7
    z[3, :3] = 0.2
    z[4, :3] = 0.4
    z[5, 6], z[3, 4] = 0.8, -0.3
    z = z + z.T
    found = network_readouts(np.tanh(z) + np.eye(8), _connectome())
    expected = {
        "within_dmn": 0.3,
        "within_salience": 0.8,
        "within_control": -0.3,
        "pcc_mpfc": 0.1,
        "insula_dmn": 0.5,
        "dmn_control": 0.3,
        "prefrontal_gbc": ((0.1 + 0.6 + 0.5 + 0.2 + 0.4) + (0.2 * 3 - 0.3)) / 14,
        "whole_gbc": z[np.triu_indices(8, 1)].sum() / 28,
    }
    for name, value in expected.items():
        # tanh and its inverse: a few units in the last place.
        assert found[name] == pytest.approx(value, abs=1e-12), name


def test_a_readout_is_none_where_the_parcellation_lacks_the_regions() -> None:
    found = network_readouts(_correlations(), _connectome())
    assert set(found) == set(READOUTS)
    # No subgenual region, and one somatomotor region makes no pair.
    missing = {name for name, value in found.items() if value is None}
    assert missing == {"dmn_subgenual", "subgenual_mpfc", "within_somatomotor"}


def test_the_global_signal_is_removed_as_regression_on_its_time_series_would() -> None:
    random = np.random.default_rng(3)
    signals = random.normal(size=(6, 500)) + 0.7 * random.normal(size=500)
    signals = (signals - signals.mean(axis=1, keepdims=True)) / signals.std(axis=1, keepdims=True)
    shared = signals.mean(axis=0)
    slopes = signals @ shared / (shared @ shared)
    residuals = signals - np.outer(slopes, shared)
    found = without_global_signal(np.corrcoef(signals))
    # The same sums in another order.
    np.testing.assert_allclose(found, np.corrcoef(residuals), atol=1e-12)


def test_mutual_information_is_that_of_gaussian_pairs() -> None:
    fc = _correlations(5)
    r = fc[np.triu_indices(8, 1)]
    found = network_readouts(fc, _connectome())["mutual_information"]
    assert found == pytest.approx(float(np.mean(-0.5 * np.log(1.0 - r**2))), rel=1e-12)


def test_communication_loss_has_the_ends_that_its_definition_says() -> None:
    assert communication_loss(0.2, 0.2) == 0.0
    assert communication_loss(0.2, 0.0) == 1.0
    assert communication_loss(0.2, 0.3) == pytest.approx(-0.5)
    with pytest.raises(BrainError, match="must be positive"):
        communication_loss(0.0, 0.1)


def test_prefrontal_regions_are_found_by_label_role_or_place() -> None:
    assert prefrontal(_connectome()).tolist() == [1, 3]
    assert prefrontal(_connectome(), "control").tolist() == [3]
    plain = tuple(f"r{k}" for k in range(8))
    by_role = _connectome(labels=plain)
    assert prefrontal(by_role).tolist() == [1]
    places = np.zeros((8, 3))
    places[:, 1] = (-50, 40, -60, 30, -40, 10, 20, -20)
    by_place = _connectome(labels=plain, roles={}, positions=places)
    assert prefrontal(by_place).tolist() == [1, 3]
    assert prefrontal(_connectome(labels=plain, roles={})).tolist() == [0, 1, 2, 3, 4]


def test_prefrontal_says_what_is_missing() -> None:
    with pytest.raises(BrainError, match="eight: no prefrontal region in control"):
        prefrontal(_connectome(labels=tuple(f"r{k}" for k in range(8))), "control")
    with pytest.raises(BrainError, match="nearest valid name is 'control'"):
        prefrontal(_connectome(), "controls")


@pytest.mark.parametrize(
    ("fc", "message"),
    [
        (np.ones((2, 3)), "square matrix is needed"),
        (np.array([[1.0, np.nan], [np.nan, 1.0]]), "regions 0 and 1 is nan"),
        (np.array([[4.0, 1.0], [1.0, 4.0]]), "reaches 4"),
        (np.eye(2), "has 2 regions, connectome 'eight' has 8"),
    ],
)
def test_an_unusable_matrix_is_refused(fc: np.ndarray, message: str) -> None:
    with pytest.raises(BrainError, match=message):
        network_readouts(fc, _connectome())


def test_no_global_signal_and_nothing_but_it_are_refused() -> None:
    with pytest.raises(BrainError, match="nothing to regress out"):
        without_global_signal(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    with pytest.raises(BrainError, match="is the global signal itself"):
        without_global_signal(np.ones((3, 3)))


def test_fisher_z_keeps_perfect_pairs_finite() -> None:
    z = fisher_z(np.ones((2, 2)))
    assert z[0, 0] == 0.0
    assert 10.0 < z[0, 1] < 20.0
