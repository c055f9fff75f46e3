"""The posterior of the fitted biology: from slopes at the shipped values to the file that is drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ketasim.inference.calibration import FREE, prior
from ketasim.inference.uncertainty import COVARIANCE_FILE, fit_covariance, write_covariance
from ketasim.model.parameters import load_parameters
from ketasim.population.uncertainty import load_fit_covariance

NAMES = ("fast_arm_ceiling", "mood_time")


def test_a_posterior_of_two_is_narrower_than_its_prior(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = fit_covariance(names=NAMES, progress=lambda done, total: told.append((done, total)))
    assert found.names == NAMES
    assert told == [(1, 2), (2, 2)]
    _, sd = prior(load_parameters(), NAMES)
    # With the others held, targets of the effect tell of both.
    assert (found.shrinkage < 0.7).all()
    assert np.sqrt(np.diag(found.covariance)) == pytest.approx(found.shrinkage * sd, rel=1e-12)
    assert found.covariance[0, 1] == found.covariance[1, 0]
    lines = write_covariance(found, tmp_path).read_text(encoding="utf-8").splitlines()
    assert (tmp_path / COVARIANCE_FILE).exists()
    assert [line.rsplit(",", 1)[0] for line in lines] == [
        "first,second",
        "fast_arm_ceiling,fast_arm_ceiling",
        "mood_time,fast_arm_ceiling",
        "mood_time,mood_time",
    ]
    assert float(lines[3].split(",")[2]) == pytest.approx(found.covariance[1, 1], rel=1e-5)


def test_what_ships_is_about_the_free_parameters_and_within_their_priors() -> None:
    names, covariance = load_fit_covariance()
    assert names == tuple(FREE)
    assert np.linalg.eigvalsh(covariance)[0] > 0.0
    _, sd = prior(load_parameters(), names)
    assert (np.sqrt(np.diag(covariance)) <= sd * (1.0 + 1e-6)).all()
