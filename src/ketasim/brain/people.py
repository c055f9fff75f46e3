"""Made-up people on a connectome, to test and to teach how a fit is scored on people it was not fitted to.

They are computed, not measured: nothing about the brain follows from them, and no claim may rest on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.connectome import Connectome
from ketasim.brain.linear import correlation, linear_connectivity
from ketasim.brain.model import brain_model
from ketasim.brain.parameters import NodeParameters
from ketasim.brain.tables import read_table
from ketasim.brain.wiring import balanced
from ketasim.errors import BrainError

__all__ = ["SyntheticPeople", "synthetic_people"]

_Floats = NDArray[np.float64]
_NAMES = ("hidden_log_spread", "personal_log_spread", "scan_seconds", "seconds_per_sample")
_GROUPS = ("a", "b")


@dataclass(frozen=True, eq=False)
class SyntheticPeople:
    """Made-up people in two groups.

    Parameters
    ----------
    connectome : Connectome
        The one they were made on, with the mean correlations of groups ``a`` and ``b`` and a `source` that
        says they are synthetic.
    correlations : (people, n, n) array
        Of each person, as a finite scan shows them; the first half is group ``a``.
    weights : (n, n) array
        The effective connectivity that all of them share, which a fit should find. Row sums are those of the
        connectome.
    """

    connectome: Connectome
    correlations: _Floats
    weights: _Floats


def synthetic_people(
    connectome: Connectome,
    people: int = 20,
    seed: int = 0,
    node: NodeParameters | None = None,
    scan_seconds: float | None = None,
) -> SyntheticPeople:
    """Make two groups of people whose true connectivity is known.

    All share a hidden effective connectivity: the structural one with each weight multiplied by a log-normal
    factor, and each person's own differs from it by a further one. Every region keeps the sum of its weights:
    else the factors alone would bring most networks over the edge of stability. Their correlations are those
    of the linear model (`linear_connectivity`), seen through a scan of finite length: the scan counts as
    independent normal samples, one for each `seconds_per_sample` of the table ``people.csv``.

    Parameters
    ----------
    connectome : Connectome
        Where they differ from.
    people : int
        Even, at least 4; half in each group.
    seed : int
        Of all draws.
    node : NodeParameters, optional
        Default: those of the shipped table.
    scan_seconds : float, optional
        Length of the scan; ``inf`` leaves sampling noise out. Default: that of the table.

    Returns
    -------
    SyntheticPeople

    Raises
    ------
    BrainError
        If `people` is odd or below 4, the scan is shorter than two samples, or somebody's network is
        unstable.
    """
    if people < 4 or people % 2:
        raise BrainError(f"{people} synthetic people: give an even number, at least 4.")
    numbers = read_table("people.csv", _NAMES)
    seconds = numbers["scan_seconds"] if scan_seconds is None else scan_seconds
    samples = seconds / numbers["seconds_per_sample"]
    if not samples >= 2.0:
        raise BrainError(
            f"scan_seconds is {seconds:g}: at least {2.0 * numbers['seconds_per_sample']:g} are needed."
        )
    rng = np.random.default_rng(seed)
    hidden = _perturbed(connectome.weights, numbers["hidden_log_spread"], rng)
    seen = np.empty((people, *hidden.shape))
    for person in range(people):
        own = _perturbed(hidden, numbers["personal_log_spread"], rng)
        true = linear_connectivity(brain_model(connectome, node=node, weights=own)).fc
        seen[person] = true if np.isinf(samples) else _scanned(true, int(samples), rng)
    halves = np.split(seen, 2)
    shown = replace(
        connectome,
        name=f"{connectome.name}, {people} synthetic people",
        functional={name: half.mean(axis=0) for name, half in zip(_GROUPS, halves, strict=True)},
        source=f"synthetic people (computed, not measured; no evidence) on: {connectome.source}",
    )
    return SyntheticPeople(shown, seen, hidden)


def _perturbed(weights: _Floats, log_spread: float, rng: np.random.Generator) -> _Floats:
    draws = np.triu(rng.normal(0.0, log_spread, weights.shape), 1)
    return balanced(weights * np.exp(draws + draws.T), weights.sum(axis=1))


def _scanned(true: _Floats, samples: int, rng: np.random.Generator) -> _Floats:
    """Correlations of this many independent normal samples."""
    values, vectors = np.linalg.eigh(true)
    signal = rng.normal(size=(samples, len(true))) @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    return correlation(np.cov(signal, rowvar=False))
