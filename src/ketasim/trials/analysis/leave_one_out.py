"""Fit a repeated-measures model again without each person in turn, all such samples at once.

A sample without one person has its restricted maximum close to that of all, at a distance of the order of
1 / n. From there, and from the information of the fit to all, few quasi-Newton steps get there, each of which
needs no more than the gradient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.covariance_structures import structure
from ketasim.trials.analysis.posterior import Draws
from ketasim.trials.analysis.repeated import RepeatedFit
from ketasim.trials.analysis.repeated_fit import fit_repeated
from ketasim.trials.analysis.restricted_likelihood import PatternSums, evaluate, pattern_sums

__all__ = ["decisive", "leave_one_out"]

Array = NDArray[np.float64]

#: Numbers that are held at a time.
_BLOCK = 4_000_000
#: Steps before a sample is fitted on its own. Most need five.
_STEPS = 25
#: A step that promises less deviance than this is not taken: it is 1e-6 standard errors long or shorter.
_TOLERANCE = 1e-12
#: A person with this leverage or more alone decides a coefficient: nothing but rounding is missing to 1.
_ALONE = 1.0 - 1e-9


@dataclass(frozen=True)
class _Left:
    """The J persons left out: pattern, covariates, outcomes less the shift (zero if not seen), if seen."""

    place: NDArray[np.int64]
    z: Array
    y: Array
    seen: Array

    def part(self, rows: NDArray[np.int64]) -> _Left:
        return _Left(self.place[rows], self.z[rows], self.y[rows], self.seen[rows])


def leave_one_out(y: Array, design: Array, fit: RepeatedFit) -> Draws:
    """Fit without each person in turn by restricted maximum likelihood.

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes; nan where missing.
    design : array, shape (n, q)
        Covariates, the first the intercept, of like size and centred; each has a coefficient at each visit.
    fit : RepeatedFit
        The fit to all, whose covariance structure the samples keep.

    Returns
    -------
    Draws
        Coefficients and covariances of n samples, in the order of the persons left out.

    Raises
    ------
    StudyError
        If a sample cannot be fitted.
    """
    (n, visits), q = y.shape, design.shape[1]
    sums = pattern_sums(y, design, np.ones(q, dtype=bool))
    left = _left_out(y, design, sums)
    whole = evaluate(sums, structure(fit.structure).build(fit.parameters, visits))
    # Coefficients of their own take up all that decisive persons tell: without them, nothing changes.
    done = decisive(design)
    _check_visits(y, design, sums, done)
    coefficients = np.repeat(whole.coefficients.reshape(1, q, visits), n, axis=0)
    covariances = np.repeat(fit.covariance[None], n, axis=0)
    size = max(1, _BLOCK // (q * q * visits * visits + 4 * len(sums.persons) * visits * visits))
    for first in range(0, n, size):
        rows = first + np.flatnonzero(~done[first : first + size])
        found, tables, matrices = _search(sums, left.part(rows), fit, whole.observed)
        done[rows] = found
        coefficients[rows[found]], covariances[rows[found]] = tables[found], matrices[found]
    coefficients[:, 0] += sums.shift
    for person in np.flatnonzero(~done):
        coefficients[person], covariances[person] = _alone(y, design, fit.structure, int(person))
    return Draws(coefficients, covariances)


def decisive(design: Array) -> NDArray[np.bool_]:
    """Tell who alone decides a coefficient of least squares, such as the one person of a stratum."""
    return np.asarray(_leverage(design.T @ design, design) >= _ALONE, dtype=bool)


def _leverage(cross: Array, rows: Array) -> Array:
    return np.asarray((rows * np.linalg.solve(cross, rows.T).T).sum(axis=1), dtype=float)


def _check_visits(y: Array, design: Array, sums: PatternSums, spared: NDArray[np.bool_]) -> None:
    at_visit = np.tensordot(sums.seen.astype(float), sums.zz, (0, 0))
    for visit, cross in enumerate(at_visit):
        seen = np.flatnonzero(np.isfinite(y[:, visit]) & ~spared)
        if (_leverage(cross, design[seen]) >= _ALONE).any():
            raise StudyError(
                f"covariates: at visit {visit} one person alone tells how an arm, a covariate or a stratum "
                "does, so that the model cannot be fitted without that person. Leave the visit, covariate or "
                "strata out, or use draws of multiple imputation."
            )


def _left_out(y: Array, design: Array, sums: PatternSums) -> _Left:
    there = np.isfinite(y)
    powers = 1 << np.arange(y.shape[1])
    # Who was never seen has no pattern, and takes nothing from the sums of any.
    some = np.asarray(there.any(axis=1), dtype=bool)
    return _Left(
        place=np.searchsorted(sums.seen @ powers, np.asarray(there @ powers)),
        z=np.where(some[:, None], design, 0.0),
        y=np.where(there, y - sums.shift, 0.0),
        seen=some.astype(float),
    )


def _search(
    sums: PatternSums, left: _Left, fit: RepeatedFit, information: Array
) -> tuple[NDArray[np.bool_], Array, Array]:
    """Minimise the deviances; tell which were found (J,), with coefficients (J, q, V) and covariances."""
    count, (q, visits) = len(left.place), sums.zy.shape[1:]
    found = np.zeros(count, dtype=bool)
    tables, matrices = np.zeros((count, q, visits)), np.zeros((count, visits, visits))
    rows, place = np.arange(count), np.repeat(fit.parameters[None], count, axis=0)
    # The inverse of the second derivatives of the deviance, which is twice the information.
    bend = np.repeat(0.5 * np.linalg.inv(information)[None], count, axis=0)
    step, before = np.zeros_like(place), np.zeros_like(place)
    for number in range(_STEPS):
        if not len(rows):
            break
        matrix, slopes = _build(fit.structure, place, visits)
        sound = np.linalg.eigvalsh(matrix)[:, 0] > 0.0
        if not sound.any():
            break
        rows, place, step, before = rows[sound], place[sound], step[sound], before[sound]
        bend, matrix = bend[sound], matrix[sound]
        slopes = slopes if len(slopes) == 1 else slopes[sound]
        table, total = _gradient(sums, left.part(rows), matrix)
        gradient = (slopes.reshape(len(slopes), -1, visits**2) @ total.reshape(-1, visits**2, 1))[..., 0]
        if number:
            bend = _bent(bend, step, gradient - before)
        step, before = -(bend @ gradient[..., None])[..., 0], gradient
        ready = -(gradient * step).sum(axis=1) < _TOLERANCE
        found[rows[ready]], tables[rows[ready]], matrices[rows[ready]] = True, table[ready], matrix[ready]
        rows, place, bend = rows[~ready], (place + step)[~ready], bend[~ready]
        step, before = step[~ready], before[~ready]
    return found, tables, matrices


def _bent(bend: Array, step: Array, change: Array) -> Array:
    """Update inverse second derivatives (J, m, m) by what the gradient changed in a step (BFGS)."""
    curve = (step * change).sum(axis=1)
    # Without positive curvature along the step there is nothing to learn that keeps the matrix definite.
    useful = curve > 0.0
    weight = np.where(useful, 1.0 / np.where(useful, curve, 1.0), 0.0)[:, None, None]
    one = np.eye(step.shape[1]) - weight * step[:, :, None] * change[:, None, :]
    return np.asarray(
        one @ bend @ one.transpose(0, 2, 1) + weight * step[:, :, None] * step[:, None, :], dtype=float
    )


def _build(name: str, parameters: Array, visits: int) -> tuple[Array, Array]:
    """Give covariances (J, V, V) and their derivatives, (J, m, V, V) or (1, m, V, V) if all the same."""
    build = structure(name).build
    first = build(parameters[0], visits)
    if first.second is None:
        return np.tensordot(parameters, first.first, 1), first.first[None]
    built = [build(each, visits) for each in parameters]
    return np.stack([each.matrix for each in built]), np.stack([each.first for each in built])


def _gradient(sums: PatternSums, left: _Left, matrix: Array) -> tuple[Array, Array]:
    """Give coefficients (J, q, V) and derivatives of the deviance by the covariance (J, V, V)."""
    count, (q, visits), size = len(matrix), sums.zy.shape[1:], matrix.shape[1] ** 2
    patterns, rows = len(sums.persons), np.arange(count)
    both = sums.seen[:, :, None] & sums.seen[:, None, :]
    inverse = np.where(both, np.linalg.inv(np.where(both, matrix[:, None], np.eye(visits))), 0.0)
    mine = inverse[rows, left.place]
    square = (left.z[:, :, None] * left.z[:, None, :]).reshape(count, q * q)
    pooled = sums.zz.reshape(patterns, q * q)
    kernel = pooled.T @ inverse.reshape(count, patterns, size)
    kernel -= square[:, :, None] * mine.reshape(count, 1, size)
    full = _turn(kernel, q, q, visits, visits).reshape(count, q * visits, -1)
    variance = np.asarray(np.linalg.inv(full), dtype=float)
    right = (sums.zy @ inverse).sum(axis=1) - left.z[:, :, None] * (left.y[:, None] @ mine)
    table = (variance @ right.reshape(count, -1, 1)).reshape(count, q, visits)

    turned = table.transpose(0, 2, 1)[:, None]
    cross = turned @ sums.zy
    spread = _turn(variance, q, visits, q, visits).reshape(count, q * q, size)
    loss = sums.yy - cross - cross.transpose(0, 1, 3, 2) + turned @ sums.zz @ table[:, None]
    loss += (pooled @ spread).reshape(loss.shape)
    rest = left.y - (left.z[:, None] @ table)[:, 0]
    own = (square[:, None] @ spread).reshape(count, visits, visits)
    loss[rows, left.place] -= rest[:, :, None] * rest[:, None, :] + own
    persons = np.repeat(sums.persons[None], count, axis=0)
    persons[rows, left.place] -= left.seen
    return table, (persons[..., None, None] * inverse - inverse @ loss @ inverse).sum(axis=1)


def _turn(matrix: Array, *shape: int) -> Array:
    return matrix.reshape(len(matrix), *shape).transpose(0, 1, 3, 2, 4)


def _alone(y: Array, design: Array, name: str, person: int) -> tuple[Array, Array]:
    rest = np.arange(len(y)) != person
    fit = fit_repeated(y[rest], design[rest], [True] * design.shape[1], structures=(name,))
    return fit.coefficients.reshape(design.shape[1], -1), fit.covariance
