"""Restricted likelihood of a linear model for repeated measures, from sums over patterns of missing visits.

A person's mean at a visit is linear in a vector of covariates that does not change over visits (intercept,
arm, baseline, ...), with coefficients of their own at each visit or shared by all. Then the data enter only
by the number of persons with each pattern of seen visits and their cross products: a million persons cost
what a hundred do. With ``V`` the covariance of all data, ``A = X' V^-1 X`` and
``P = V^-1 - V^-1 X A^-1 X' V^-1``,

    deviance = (N - p) log(2 pi) + log|V| + log|A| + y' P y

(Patterson and Thompson 1971; Harville 1977), with no term for ``X' X``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.covariance_structures import Derivatives

__all__ = ["Likelihood", "PatternSums", "evaluate", "pattern_sums"]

Array = NDArray[np.float64]

#: Persons that are summed at a time, so that no second copy of a million rows is needed.
_ROWS = 65536


@dataclass(frozen=True)
class PatternSums:
    """Sums over persons by pattern of seen visits: P patterns, q covariates, V visits, p coefficients.

    Parameters
    ----------
    persons : array, shape (P,)
        Number of persons with the pattern.
    seen : array of bool, shape (P, V)
        Which visits the pattern has.
    zz, zy, yy : array, shapes (P, q, q), (P, q, V), (P, V, V)
        Cross products of covariates and outcomes; zero at visits not seen.
    design : array, shape (q V, p)
        From the coefficients to a coefficient for each covariate (slow) and visit (fast).
    shift : array, shape (V,)
        What was subtracted from the outcome before summing.
    """

    persons: Array
    seen: NDArray[np.bool_]
    zz: Array
    zy: Array
    yy: Array
    design: Array
    shift: Array

    @property
    def n_persons(self) -> int:
        """Persons with at least one visit."""
        return int(self.persons.sum())

    @property
    def n_observations(self) -> int:
        """Visits seen, over all persons."""
        return int((self.persons[:, None] * self.seen).sum())


def pattern_sums(y: Array, z: Array, by_visit: NDArray[np.bool_]) -> PatternSums:
    """Sum persons by pattern.

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes; nan where missing.
    z : array, shape (n, q)
        Covariates, finite; the first is the intercept.
    by_visit : array of bool, shape (q,)
        Which covariates have a coefficient of their own at each visit.

    Returns
    -------
    PatternSums
        The sums.

    Raises
    ------
    StudyError
        If a visit was never seen, or if there are more than 30 visits.
    """
    n, visits = y.shape
    if visits > 30:
        raise StudyError(f"y: {visits} visits; at most 30 can be analysed together. Leave some out.")
    code = np.zeros(n, dtype=np.int64)
    total, count = np.zeros(visits), np.zeros(visits)
    for visit in range(visits):
        column = y[:, visit]
        there = np.isfinite(column)
        code |= there.astype(np.int64) << visit
        total[visit], count[visit] = float(column[there].sum()), float(there.sum())
    if (count == 0).any():
        missing = [int(visit) for visit in np.flatnonzero(count == 0)]
        raise StudyError(f"y: nobody was seen at visit {missing}. Leave such visits out.")
    patterns, place = np.unique(code, return_inverse=True)
    # With coefficients shared by visits, only one number can be subtracted without changing the model.
    mean = total.sum() / count.sum()
    shift = np.full(visits, mean)
    if by_visit[0]:
        shift = total / count
    seen = (patterns[:, None] >> np.arange(visits) & 1).astype(bool)
    sums = _sum_rows(y, z, place, len(patterns), shift)
    used = seen.any(axis=1)
    persons = np.bincount(place, minlength=len(patterns)).astype(float)
    q = z.shape[1]
    return PatternSums(
        persons=persons[used],
        seen=seen[used],
        zz=sums[0][used],
        zy=sums[1][used],
        yy=sums[2][used],
        design=_design(by_visit, q, visits),
        shift=shift,
    )


def _sum_rows(
    y: Array, z: Array, place: NDArray[np.int64], n: int, shift: Array
) -> tuple[Array, Array, Array]:
    q, visits = z.shape[1], y.shape[1]
    zz, zy, yy = np.zeros((n, q, q)), np.zeros((n, q, visits)), np.zeros((n, visits, visits))
    for first in range(0, len(y), _ROWS):
        rows = slice(first, first + _ROWS)
        where = place[rows]
        order = np.argsort(where, kind="stable")
        part_z = z[rows][order]
        part_y = np.nan_to_num(y[rows][order] - shift, nan=0.0)
        present, starts = np.unique(where[order], return_index=True)
        for pattern, start, stop in zip(present, starts, [*starts[1:], len(order)], strict=True):
            one_z, one_y = part_z[start:stop], part_y[start:stop]
            zz[pattern] += one_z.T @ one_z
            zy[pattern] += one_z.T @ one_y
            yy[pattern] += one_y.T @ one_y
    return zz, zy, yy


def _design(by_visit: NDArray[np.bool_], q: int, visits: int) -> Array:
    columns = []
    for covariate in range(q):
        block = np.zeros((q, visits, visits))
        block[covariate] = np.eye(visits)
        flat = block.reshape(q * visits, visits)
        columns.append(flat if by_visit[covariate] else flat.sum(axis=1, keepdims=True))
    return np.concatenate(columns, axis=1)


@dataclass(frozen=True)
class Likelihood:
    """The restricted likelihood at one covariance, with what tests and adjustments need.

    Parameters
    ----------
    deviance : float
        Minus twice the restricted log-likelihood.
    gradient : array, shape (m,)
        Its derivative by the parameters of the covariance.
    expected, average : array, shape (m, m)
        Expected and average information of the restricted log-likelihood.
    observed : array, shape (m, m)
        Minus its second derivatives.
    coefficients : array, shape (p,)
        Generalised least squares estimates.
    variance : array, shape (p, p)
        ``A^-1``.
    slopes : array, shape (m, p, p)
        Derivatives of ``A`` by the parameters.
    inverse : array, shape (P, V, V)
        Inverse covariance of each pattern, zero at visits not seen.
    """

    deviance: float
    gradient: Array
    expected: Array
    average: Array
    observed: Array
    coefficients: Array
    variance: Array
    slopes: Array
    inverse: Array


def pattern_inverse(sums: PatternSums, matrix: Array) -> tuple[Array, float]:
    """Give the inverse covariance of each pattern, and the log determinant summed over persons.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance is not positive definite.
    """
    both = sums.seen[:, :, None] & sums.seen[:, None, :]
    padded = np.where(both, matrix, np.eye(sums.seen.shape[1]))
    root = np.linalg.cholesky(padded)
    logarithm = 2.0 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1)
    inverse = np.where(both, np.linalg.inv(padded), 0.0)
    return inverse, float(sums.persons @ logarithm)


def _symmetric_inverse(matrix: Array) -> tuple[Array, float]:
    diagonal = np.diag(matrix)
    if not (diagonal > 0.0).all():
        raise np.linalg.LinAlgError("not positive definite")
    # Scaled to a unit diagonal first, as covariates may have any unit.
    scale = 1.0 / np.sqrt(diagonal)
    root = np.linalg.cholesky(matrix * scale[:, None] * scale)
    half = np.linalg.inv(root) * scale
    return half.T @ half, 2.0 * float(np.log(np.diag(root)).sum() - np.log(scale).sum())


def _mean_part(sums: PatternSums, matrix: Array) -> tuple[float, Array, Array, Array, Array]:
    """Estimate coefficients; give deviance, coefficients, their variance, inverses and residual sums."""
    q, visits = sums.zy.shape[1:]
    inverse, log_v = pattern_inverse(sums, matrix)
    patterns = len(sums.persons)
    kernel = sums.zz.reshape(patterns, -1).T @ inverse.reshape(patterns, -1)
    full = kernel.reshape(q, q, visits, visits).transpose(0, 2, 1, 3).reshape(q * visits, q * visits)
    variance, log_a = _symmetric_inverse(sums.design.T @ full @ sums.design)
    right = (sums.zy @ inverse).sum(axis=0).reshape(-1)
    coefficients = variance @ (sums.design.T @ right)
    table = (sums.design @ coefficients).reshape(q, visits)
    both = sums.seen[:, :, None] & sums.seen[:, None, :]
    cross = table.T @ sums.zy
    residual = np.where(both, sums.yy - cross - cross.transpose(0, 2, 1) + table.T @ sums.zz @ table, 0.0)
    quadratic = float((inverse * residual).sum())
    free = sums.n_observations - len(coefficients)
    value = free * np.log(2.0 * np.pi) + log_v + log_a + quadratic
    return value, coefficients, variance, inverse, residual


def evaluate(sums: PatternSums, covariance: Derivatives) -> Likelihood:
    """Compute the restricted likelihood, its gradient and its information.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the covariance or the information on the coefficients is not positive definite.
    """
    value, coefficients, variance, inverse, residual = _mean_part(sums, covariance.matrix)
    q, visits = sums.zy.shape[1:]
    patterns, first = len(sums.persons), covariance.first
    count, size = len(first), visits * visits
    design = sums.design
    table = (design @ coefficients).reshape(q, visits)
    spread = (design @ variance @ design.T).reshape(q, visits, q, visits).transpose(0, 2, 1, 3)
    # Sum of z' (variance of the fitted means) z over the persons of a pattern.
    fitted = (sums.zz.reshape(patterns, -1) @ spread.reshape(q * q, size)).reshape(patterns, visits, visits)
    weight = sums.persons[:, None, None] * inverse
    squared_fit = inverse @ fitted @ inverse
    squared_rest = inverse @ residual @ inverse
    total = (weight - squared_rest - squared_fit).sum(axis=0)
    flat = first.reshape(count, size)
    gradient = flat @ total.reshape(-1)

    wedge = inverse[:, None] @ first @ inverse[:, None]
    slopes = -_project(design, sums.zz, wedge)
    partial = sums.zy - sums.zz @ table
    pull = np.einsum("pja,pkab->kjb", partial, wedge).reshape(count, -1) @ design
    scaled = slopes @ variance
    both = np.einsum("kij,lji->kl", scaled, scaled)
    plain = _double(flat, inverse, weight, visits)
    with_fit = _double(flat, inverse, squared_fit, visits)
    with_rest = _double(flat, inverse, squared_rest, visits)
    projected = plain - 2.0 * with_fit + both
    twice_average = with_rest - pull @ variance @ pull.T
    observed = twice_average - 0.5 * projected
    if covariance.second is not None:
        observed = observed + 0.5 * np.tensordot(covariance.second, total, 2)
    return Likelihood(
        deviance=value,
        gradient=gradient,
        expected=0.5 * projected,
        average=0.5 * twice_average,
        observed=observed,
        coefficients=coefficients,
        variance=variance,
        slopes=slopes,
        inverse=inverse,
    )


def _project(design: Array, zz: Array, blocks: Array) -> Array:
    """Give ``C' (sum over patterns of zz x block) C`` for blocks of shape (P, m, V, V)."""
    patterns, q = zz.shape[:2]
    count, visits = blocks.shape[1:3]
    kernel = zz.reshape(patterns, -1).T @ blocks.reshape(patterns, -1)
    full = kernel.reshape(q, q, count, visits, visits).transpose(2, 0, 3, 1, 4)
    projected = design.T @ full.reshape(count, q * visits, q * visits) @ design
    return np.asarray(projected, dtype=float)


def _double(flat: Array, left: Array, right: Array, visits: int) -> Array:
    """Give ``sum over patterns of trace(left D_k right D_l)`` for all pairs of derivatives."""
    patterns = len(left)
    kernel = left.reshape(patterns, -1).T @ right.reshape(patterns, -1)
    turned = kernel.reshape((visits,) * 4).transpose(1, 2, 3, 0).reshape(visits**2, visits**2)
    product = flat @ turned @ flat.T
    return 0.5 * (product + product.T)


def weighted_bend(sums: PatternSums, covariance: Derivatives, inverse: Array, weights: Array) -> Array:
    """Give ``sum_kl w_kl (Q_kl - R_kl / 4)`` of Kenward and Roger (1997), shape (p, p).

    ``Q_kl = X' V^-1 D_k V^-1 D_l V^-1 X`` and ``R_kl = X' V^-1 D_kl V^-1 X``; summed over the pairs before
    the persons, which needs no array of m squared matrices.
    """
    mixed = np.tensordot(weights, covariance.first, 1)
    middle = np.einsum("kab,pbc,kcd->pad", covariance.first, inverse, mixed, optimize=True)
    if covariance.second is not None:
        middle = middle - 0.25 * np.tensordot(weights, covariance.second, 2)
    block = inverse @ middle @ inverse
    return np.asarray(_project(sums.design, sums.zz, block[:, None])[0], dtype=float)
