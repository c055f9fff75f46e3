"""Fit a linear model for repeated measures by restricted maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.covariance_structures import Derivatives, structure
from ketasim.trials.analysis.repeated import Attempt, RepeatedFit, Standardised
from ketasim.trials.analysis.restricted_likelihood import (
    Likelihood,
    PatternSums,
    evaluate,
    pattern_sums,
    weighted_bend,
)

__all__ = ["fit_repeated"]

Array = NDArray[np.float64]

#: Newton steps before a structure counts as not converged.
_STEPS = 60
#: Steps after which a singular covariance is taken for where the search is going.
_PATIENCE = 12
#: A step that promises less deviance than this share of it is the last one. Far below what the deviance can
#: show, since degrees of freedom feel an error of the covariance in first order.
_TOLERANCE = 1e-15
#: A correlation matrix with an eigenvalue below this is singular for the purpose of inference.
_SINGULAR = 1e-7


def fit_repeated(
    y: ArrayLike,
    covariates: ArrayLike,
    by_visit: Sequence[bool],
    *,
    names: Sequence[str] = (),
    structures: Sequence[str] = ("unstructured",),
    information: Literal["observed", "expected"] = "observed",
) -> RepeatedFit:
    """Fit by restricted maximum likelihood (Patterson and Thompson 1971).

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes; nan where missing.
    covariates : array, shape (n, q)
        Covariates that do not change over visits; the first must be the intercept.
    by_visit : sequence of bool, length q
        Which covariates have a coefficient of their own at each visit.
    names : sequence of str
        Names of the covariates, for messages.
    structures : sequence of str
        Covariance structures, tried in this order until one can be fitted.
    information : str
        Which information on the covariance parameters degrees of freedom and adjustment use: ``"observed"``,
        as the reference programs do, or ``"expected"``, as Kenward and Roger (1997) wrote.

    Returns
    -------
    RepeatedFit
        The fit, with the structures that failed and why.

    Raises
    ------
    StudyError
        If shapes do not agree, covariates are missing or depend on each other at the visits seen, or no
        structure can be fitted.
    """
    outcome, table = np.asarray(y, dtype=float), np.asarray(covariates, dtype=float)
    own = np.asarray(by_visit, dtype=bool)
    labels = tuple(names) or tuple(f"covariate {place}" for place in range(len(own)))
    if outcome.ndim != 2 or table.shape != (len(outcome), len(own)) or len(labels) != len(own):
        raise StudyError(
            f"covariates: shapes {outcome.shape} (y), {table.shape} (covariates) and {len(own)} (by_visit) "
            "do not agree; give (n, V), (n, q) and q."
        )
    if not (table[:, 0] == 1.0).all():
        raise StudyError("covariates: the first column must be the intercept, all 1.")
    if not np.isfinite(table).all():
        column = labels[int(np.flatnonzero(~np.isfinite(table).all(axis=0))[0])]
        raise StudyError(f"covariates: {column} is missing for someone. Impute it or leave the person out.")
    # Covariates of any unit and mean, to keep the equations well conditioned; undone at the end.
    centre, scale = _standard(table, own)
    sums = pattern_sums(outcome, (table - centre) / scale, own)
    _check_rank(sums, labels, own)
    attempts: list[Attempt] = []
    for name in structures:
        attempt, point = _search(sums, name)
        attempts.append(attempt)
        if point is not None:
            back = _undo(sums, centre, scale, own)
            return _finish(sums, tuple(attempts), point, back, own, labels, information)
    tried = "; ".join(f"{each.structure}: {each.reason}" for each in attempts)
    raise StudyError(f"structures: none could be fitted ({tried}). Add persons or leave visits out.")


def _standard(table: Array, own: NDArray[np.bool_]) -> tuple[Array, Array]:
    centre, scale = table.mean(axis=0), table.std(axis=0)
    scale[scale == 0.0] = 1.0
    centre[0], scale[0] = 0.0, 1.0
    if not own[0]:
        # One intercept cannot take up what is subtracted from a covariate with a slope for each visit.
        centre[own] = 0.0
    return centre, scale


def _undo(sums: PatternSums, centre: Array, scale: Array, own: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Give matrix and offset that turn coefficients of centred data into those of the originals."""
    visits = len(sums.shift)
    sizes = np.where(own, visits, 1)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    matrix = np.diag(np.repeat(1.0 / scale, sizes))
    for place in np.flatnonzero(centre):
        for step in range(sizes[place]):
            rows = starts[0] + (step if own[place] else np.arange(sizes[0]))
            matrix[rows, starts[place] + step] -= centre[place] / scale[place]
    offset = np.zeros(starts[-1])
    offset[: sizes[0]] = sums.shift[: sizes[0]]
    return matrix, offset


def _check_rank(sums: PatternSums, names: tuple[str, ...], own: NDArray[np.bool_]) -> None:
    at_visit = np.einsum("pjl,pv->vjl", sums.zz, sums.seen.astype(float))
    shared = at_visit.sum(axis=0)
    for visit, cross in enumerate(at_visit):
        part = cross[np.ix_(own, own)]
        if own.any() and _deficient(part):
            raise StudyError(
                f"covariates: at visit {visit} those who were seen do not tell "
                f"{', '.join(name for name, each in zip(names, own, strict=True) if each)} apart "
                "(for example, an arm without data there). Leave the visit or the covariate out."
            )
    if _deficient(shared):
        raise StudyError(f"covariates: {', '.join(names)} depend on each other. Leave one out.")


def _deficient(cross: Array) -> bool:
    diagonal = np.diag(cross)
    if (diagonal <= 0.0).any():
        return True
    scaled = cross / np.sqrt(np.outer(diagonal, diagonal))
    return bool(np.linalg.eigvalsh(scaled)[0] < 1e-10)


def _start(sums: PatternSums) -> Array:
    """Give covariances of residuals about least squares, pair by pair, made definite if need be."""
    visits = sums.seen.shape[1]
    seen = sums.seen.astype(float)
    pairs = np.einsum("p,pa,pb->ab", sums.persons, seen, seen)
    everyone = Derivatives(np.eye(visits), np.zeros((1, visits, visits)), None)
    fit = evaluate(sums, everyone)
    table = (sums.design @ fit.coefficients).reshape(sums.zy.shape[1:])
    cross = table.T @ sums.zy
    residual = sums.yy - cross - cross.transpose(0, 2, 1) + table.T @ sums.zz @ table
    both = sums.seen[:, :, None] & sums.seen[:, None, :]
    matrix = np.where(both, residual, 0.0).sum(axis=0) / np.maximum(pairs, 1.0)
    deviations = np.sqrt(np.maximum(np.diag(matrix), 1e-12 * max(float(np.diag(matrix).max()), 1e-300)))
    values, vectors = np.linalg.eigh(matrix / np.outer(deviations, deviations))
    start = (vectors * np.maximum(values, 0.05)) @ vectors.T * np.outer(deviations, deviations)
    return np.asarray(start, dtype=float)


@dataclass(frozen=True)
class _Point:
    """Parameters with the covariance and the likelihood that they make."""

    parameters: Array
    covariance: Derivatives
    fit: Likelihood


def _point(sums: PatternSums, name: str, parameters: Array) -> _Point | None:
    """Evaluate; None where the covariance is not positive definite."""
    covariance = structure(name).build(parameters, sums.seen.shape[1])
    if not (np.diag(covariance.matrix) > 0.0).all():
        return None
    try:
        return _Point(parameters, covariance, evaluate(sums, covariance))
    except np.linalg.LinAlgError:
        return None


def _search(sums: PatternSums, name: str) -> tuple[Attempt, _Point | None]:
    """Climb the restricted likelihood by Newton steps, or scoring steps where it is not concave."""
    visits = sums.seen.shape[1]
    if sums.n_persons - sums.zz.shape[1] < visits and name == "unstructured":
        reason = f"{sums.n_persons} persons are too few for {visits} visits"
        return Attempt(name, False, 0, reason), None
    here = _point(sums, name, structure(name).start(_start(sums)))
    for steps in range(1, _STEPS + 1):
        if here is None:
            return Attempt(name, False, steps - 1, "no step increases the likelihood"), None
        try:
            step = _direction(here.fit)
        except np.linalg.LinAlgError:
            return Attempt(name, False, steps, "the information on the covariance is singular"), None
        promise = float(-here.fit.gradient @ step)
        last = promise < _TOLERANCE * (1.0 + abs(here.fit.deviance))
        here = _advance(sums, name, here, step, promise)
        if steps >= _PATIENCE and here is not None and _singular(here.covariance.matrix):
            return Attempt(name, False, steps, "the covariance is singular"), None
        if last and here is not None:
            reason = _fault(here)
            return Attempt(name, not reason, steps, reason), None if reason else here
    return Attempt(name, False, _STEPS, f"not converged after {_STEPS} steps"), None


def _direction(fit: Likelihood) -> Array:
    # The gradient is that of the deviance, twice minus the log-likelihood.
    for matrix in (fit.observed, fit.expected):
        try:
            root = np.linalg.cholesky(matrix)
        except np.linalg.LinAlgError:
            continue
        return -0.5 * np.asarray(np.linalg.solve(root.T, np.linalg.solve(root, fit.gradient)))
    ridge = fit.expected + 0.1 * np.diag(np.abs(np.diag(fit.expected)) + 1e-300)
    return -0.5 * np.asarray(np.linalg.solve(ridge, fit.gradient))


def _advance(sums: PatternSums, name: str, here: _Point, step: Array, promise: float) -> _Point | None:
    """Take the largest of 1, 1/2, 1/4 ... steps that keeps the covariance definite, the deviance falling."""
    # Rounding of the deviance, which the last steps cannot be told from.
    limit = here.fit.deviance + 1e-12 * (1.0 + abs(here.fit.deviance))
    size = 1.0
    for _ in range(40):
        there = _point(sums, name, here.parameters + size * step)
        if there is not None and there.fit.deviance <= limit - 1e-4 * size * promise:
            return there
        size *= 0.5
    return None


def _singular(matrix: Array) -> bool:
    roots = np.sqrt(np.diag(matrix))
    return bool(np.linalg.eigvalsh(matrix / np.outer(roots, roots))[0] < _SINGULAR)


def _fault(point: _Point) -> str:
    if _singular(point.covariance.matrix):
        return "the covariance is singular"
    if np.linalg.eigvalsh(point.fit.observed)[0] <= 0.0:
        return "the information on the covariance is singular"
    return ""


def _finish(
    sums: PatternSums,
    attempts: tuple[Attempt, ...],
    point: _Point,
    back: tuple[Array, Array],
    own: NDArray[np.bool_],
    names: tuple[str, ...],
    information: str,
) -> RepeatedFit:
    covariance, fit = point.covariance, point.fit
    kept = fit.observed if information == "observed" else fit.expected
    weights: Array = np.asarray(np.linalg.inv(kept), dtype=float)
    bend = weighted_bend(sums, covariance, fit.inverse, weights)
    mixed = np.tensordot(weights, fit.slopes, 1)
    square = np.einsum("kij,jl,klm->im", fit.slopes, fit.variance, mixed, optimize=True)
    adjusted = fit.variance + 2.0 * fit.variance @ (bend - square) @ fit.variance
    turn, offset = back
    inside = Standardised(turn, offset, fit.coefficients, fit.variance, adjusted, fit.slopes, weights)
    return RepeatedFit(
        attempts=attempts,
        # The deviance of the data as given: the log determinant of A turns with the coefficients.
        deviance=float(fit.deviance - 2.0 * np.linalg.slogdet(turn)[1]),
        covariance=covariance.matrix,
        parameters=point.parameters,
        coefficients=turn @ fit.coefficients + offset,
        variance=turn @ fit.variance @ turn.T,
        adjusted=turn @ adjusted @ turn.T,
        by_visit=own,
        names=names,
        n_persons=sums.n_persons,
        n_observations=sums.n_observations,
        _inside=inside,
    )
