"""Draws of the parameters of a multivariate normal model from incomplete data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.covariance_structures import FALLBACK_ORDER
from ketasim.trials.analysis.repeated import RepeatedFit
from ketasim.trials.analysis.repeated_fit import fit_repeated

__all__ = ["Draws", "Hole", "bootstrap_draws", "conditional", "fill", "find_holes", "posterior_draws"]

Array = NDArray[np.float64]

#: Steps of a chain. Each draw is the end of its own chain, which starts at the restricted maximum of the
#: likelihood and keeps at each step no more of its past than the fraction of missing information. Of 0.6,
#: 3e-6 is left at the end.
_STEPS = 25
#: Numbers of completed data that are held at a time.
_BLOCK = 4_000_000
#: Resamples that may fail, for each that is wanted, before the bootstrap gives up.
_PATIENCE = 3


@dataclass(frozen=True)
class Draws:
    """M draws: coefficients of q covariates at V visits, shape (M, q, V); covariances, shape (M, V, V)."""

    coefficients: Array
    covariances: Array


def _fit(y: Array, design: Array, structures: tuple[str, ...] = FALLBACK_ORDER) -> RepeatedFit:
    names = ["intercept", *(f"column {place}" for place in range(1, design.shape[1]))]
    return fit_repeated(y, design, [True] * design.shape[1], names=names, structures=structures)


def posterior_draws(y: Array, design: Array, rng: np.random.Generator, n_draws: int) -> Draws:
    """Draw from the posterior by data augmentation (Tanner and Wong 1987; Schafer 1997, section 5.4).

    The prior is Jeffreys': flat for coefficients, ``|covariance|^(-(V + 1) / 2)``. Missing values are drawn
    given the parameters, then the covariance (inverse Wishart with n - q degrees of freedom) and the
    coefficients (normal) given complete data.

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes; nan where missing. Rows without any value tell nothing and are left out.
    design : array, shape (n, q)
        Covariates, the first the intercept; each has a coefficient at each visit.
    rng : numpy.random.Generator
        Source of randomness.
    n_draws : int
        Number of draws.

    Returns
    -------
    Draws
        The draws.

    Raises
    ------
    StudyError
        If there are too few persons, or the model cannot be fitted.
    """
    used = np.isfinite(y).any(axis=1)
    outcome, table = y[used], design[used]
    (n, visits), q = outcome.shape, design.shape[1]
    if n - q < visits:
        raise StudyError(f"y: {n} persons for {visits} visits and {q} covariates are too few to impute from.")
    # Orthonormal covariates: their coefficients are independent given the covariance.
    basis, triangle = np.linalg.qr(table)
    start = _fit(y, design)
    inner = triangle @ start.coefficients.reshape(q, visits)
    holes = find_holes(np.isfinite(outcome))
    size = max(1, _BLOCK // (n * visits))
    parts = [
        _chains(outcome, basis, inner, start.covariance, holes, rng, min(size, n_draws - first))
        for first in range(0, n_draws, size)
    ]
    coefficients = np.linalg.solve(triangle, np.concatenate([part[0] for part in parts]))
    return Draws(coefficients, np.concatenate([part[1] for part in parts]))


def _chains(
    outcome: Array,
    basis: Array,
    inner: Array,
    covariance: Array,
    holes: list[Hole],
    rng: np.random.Generator,
    count: int,
) -> tuple[Array, Array]:
    """Run `count` chains side by side; give coefficients of the basis and covariances at their ends."""
    (n, q), visits = basis.shape, outcome.shape[1]
    inner, covariance = np.repeat(inner[None], count, axis=0), np.repeat(covariance[None], count, axis=0)
    complete = np.repeat(outcome[None], count, axis=0)
    for _ in range(_STEPS):
        fill(complete, basis @ inner, covariance, holes, rng)
        estimate = basis.T @ complete
        residual = complete.transpose(0, 2, 1) @ complete - estimate.transpose(0, 2, 1) @ estimate
        root = _inverse_wishart_root(residual, n - q, rng)
        covariance = root @ root.transpose(0, 2, 1)
        inner = estimate + rng.standard_normal((count, q, visits)) @ root.transpose(0, 2, 1)
    return inner, covariance


@dataclass(frozen=True)
class Hole:
    """Persons (rows) with the same pattern, and the visits that they were seen and not seen at."""

    rows: NDArray[np.int64]
    seen: NDArray[np.int64]
    hidden: NDArray[np.int64]


def find_holes(there: NDArray[np.bool_]) -> list[Hole]:
    """Group persons with missing visits by pattern; `there`, shape (n, V), tells what was seen."""
    patterns, place = np.unique(there, axis=0, return_inverse=True)
    return [
        Hole(np.flatnonzero(place == code), np.flatnonzero(seen), np.flatnonzero(~seen))
        for code, seen in enumerate(patterns)
        if not seen.all()
    ]


def fill(
    complete: Array, mean: Array, covariance: Array, holes: list[Hole], rng: np.random.Generator
) -> None:
    """Draw missing values in place, given those seen.

    Parameters
    ----------
    complete, mean : array, shape (M, n, V)
        Outcomes and their means in M data sets.
    covariance : array, shape (M, V, V)
        Covariances.
    holes : list of Hole
        What is missing.
    rng : numpy.random.Generator
        Source of randomness.
    """
    for hole in holes:
        gain, root = conditional(covariance, hole)
        known, unknown = (
            (slice(None), hole.rows[:, None], hole.seen),
            (slice(None), hole.rows[:, None], hole.hidden),
        )
        noise = rng.standard_normal((len(complete), len(hole.rows), len(hole.hidden)))
        shift = (complete[known] - mean[known]) @ gain.transpose(0, 2, 1)
        complete[unknown] = mean[unknown] + shift + noise @ root.transpose(0, 2, 1)


def conditional(covariance: Array, hole: Hole) -> tuple[Array, Array]:
    """Give regressions of hidden on seen visits, and roots of the covariances that remain."""
    hidden, seen = hole.hidden, hole.seen
    across = covariance[:, hidden[:, None], seen]
    inner = covariance[:, seen[:, None], seen]
    gain = np.linalg.solve(inner, across.transpose(0, 2, 1)).transpose(0, 2, 1)
    rest = covariance[:, hidden[:, None], hidden] - gain @ across.transpose(0, 2, 1)
    return np.asarray(gain, dtype=float), np.asarray(np.linalg.cholesky(rest), dtype=float)


def _inverse_wishart_root(scale: Array, df: int, rng: np.random.Generator) -> Array:
    """Give roots, shape (M, V, V), of inverse Wishart matrices, by Bartlett's decomposition."""
    count, visits = scale.shape[:2]
    lower = np.tril(rng.standard_normal((count, visits, visits)), -1)
    places = np.arange(visits)
    lower[:, places, places] = np.sqrt(rng.chisquare(df - places, (count, visits)))
    # With scale = C C' and L Bartlett's triangle, C (L L')^-1 C' is the matrix, and C L'^-1 a root of it.
    turned = np.linalg.solve(lower, np.linalg.cholesky(scale).transpose(0, 2, 1))
    return np.asarray(turned.transpose(0, 2, 1), dtype=float)


def bootstrap_draws(
    y: Array, design: Array, arm: NDArray[np.int64], rng: np.random.Generator, n_draws: int
) -> Draws:
    """Draw by fitting resampled persons, within arms, by restricted maximum likelihood.

    Parameters
    ----------
    y, design, rng, n_draws
        As in `posterior_draws`.
    arm : array of int, shape (n,)
        Arm, which keeps its size in a resample.

    Returns
    -------
    Draws
        The draws.

    Raises
    ------
    StudyError
        If too many resamples cannot be fitted.
    """
    visits, q = y.shape[1], design.shape[1]
    members = [np.flatnonzero(arm == code) for code in np.unique(arm)]
    coefficients, covariances = [], []
    for _ in range(_PATIENCE * n_draws):
        rows = np.concatenate([rng.choice(each, len(each)) for each in members])
        try:
            fit = _fit(y[rows], design[rows])
        except StudyError:
            continue
        coefficients.append(fit.coefficients.reshape(q, visits))
        covariances.append(fit.covariance)
        if len(coefficients) == n_draws:
            return Draws(np.stack(coefficients), np.stack(covariances))
    raise StudyError(
        f"y: only {len(coefficients)} of {_PATIENCE * n_draws} resamples could be fitted. Use posterior "
        "draws, or fewer visits."
    )
