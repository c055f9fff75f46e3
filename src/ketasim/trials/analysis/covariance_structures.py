"""Structures that the covariance of a person's visits can take, with their derivatives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import StudyError, unknown_name

__all__ = ["FALLBACK_ORDER", "STRUCTURES", "Derivatives", "Structure", "structure"]

Array = NDArray[np.float64]

#: The order in which structures are tried when the one before cannot be fitted.
FALLBACK_ORDER = ("unstructured", "heterogeneous Toeplitz", "AR(1)", "compound symmetry")


@dataclass(frozen=True)
class Derivatives:
    """A covariance matrix of V visits and how it depends on its m parameters.

    Parameters
    ----------
    matrix : array, shape (V, V)
        The covariance, in squared units of the outcome.
    first : array, shape (m, V, V)
        First derivatives.
    second : array, shape (m, m, V, V), or None
        Second derivatives; None if the matrix is linear in its parameters.
    """

    matrix: Array
    first: Array
    second: Array | None


@dataclass(frozen=True)
class Structure:
    """A named structure.

    Parameters
    ----------
    name : str
        Its name.
    start : function
        From a covariance, shape (V, V), to the parameters, shape (m,), that come near it.
    build : function
        From parameters and V to the matrix with its derivatives.
    """

    name: str
    start: Callable[[Array], Array]
    build: Callable[[Array, int], Derivatives]


def structure(name: str) -> Structure:
    """Give a structure by name.

    Raises
    ------
    StudyError
        If there is none of that name.
    """
    if name not in STRUCTURES:
        raise StudyError(f"structures: {unknown_name('covariance structure', name, STRUCTURES)}")
    return STRUCTURES[name]


def _triangle_basis(visits: int) -> Array:
    rows, columns = np.tril_indices(visits)
    basis = np.zeros((len(rows), visits, visits))
    places = np.arange(len(rows))
    basis[places, rows, columns] = 1.0
    basis[places, columns, rows] = 1.0
    return basis


def _unstructured(parameters: Array, visits: int) -> Derivatives:
    basis = _triangle_basis(visits)
    return Derivatives(np.tensordot(parameters, basis, 1), basis, None)


def _compound(parameters: Array, visits: int) -> Derivatives:
    basis = np.stack([np.ones((visits, visits)), np.eye(visits)])
    return Derivatives(np.tensordot(parameters, basis, 1), basis, None)


def _compound_start(covariance: Array) -> Array:
    visits = len(covariance)
    common = _mean_off_diagonal(covariance)
    residual = float(np.trace(covariance)) / visits - common
    return np.array([common, residual])


def _mean_off_diagonal(matrix: Array) -> float:
    visits = len(matrix)
    if visits == 1:
        return 0.0
    return float((matrix.sum() - np.trace(matrix)) / (visits * (visits - 1)))


def _lags(visits: int) -> NDArray[np.int64]:
    return np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))


def _autoregressive(parameters: Array, visits: int) -> Derivatives:
    variance, rho = parameters
    lag = _lags(visits)
    power = rho**lag
    slope = np.where(lag >= 1, lag * rho ** np.maximum(lag - 1, 0), 0.0)
    bend = np.where(lag >= 2, lag * (lag - 1) * rho ** np.maximum(lag - 2, 0), 0.0)
    nothing = np.zeros_like(power)
    second = np.stack([np.stack([nothing, slope]), np.stack([slope, variance * bend])])
    return Derivatives(variance * power, np.stack([power, variance * slope]), second)


def _autoregressive_start(covariance: Array) -> Array:
    deviations = np.sqrt(np.diag(covariance))
    neighbours = np.diag(covariance, 1) / (deviations[1:] * deviations[:-1])
    rho = float(neighbours.mean()) if neighbours.size else 0.0
    return np.array([float(np.diag(covariance).mean()), min(max(rho, -0.9), 0.9)])


def _toeplitz(parameters: Array, visits: int) -> Derivatives:
    """Variances by visit, then one correlation for each distance between visits."""
    variances, correlations = parameters[:visits], parameters[visits:]
    roots = np.sqrt(np.maximum(variances, 0.0))
    lag = _lags(visits)
    correlation = np.concatenate([[1.0], correlations])[lag]
    scale = np.outer(roots, roots)
    matrix = scale * correlation
    count = len(parameters)
    first = np.zeros((count, visits, visits))
    second = np.zeros((count, count, visits, visits))
    # d log of entry (a, b) by the variance v is ([a = v] + [b = v]) / (2 variance).
    share = np.zeros((visits, visits, visits))
    for visit in range(visits):
        share[visit, visit, :] += 0.5 / variances[visit]
        share[visit, :, visit] += 0.5 / variances[visit]
    lagged = np.stack([(lag == each) * scale for each in range(1, visits)]) if visits > 1 else first[:0]
    first[:visits] = share * matrix
    first[visits:] = lagged
    second[:visits, :visits] = share[:, None] * share[None, :] * matrix
    for visit in range(visits):
        second[visit, visit] -= share[visit] * matrix / variances[visit]
    cross = share[:, None] * lagged[None, :]
    second[:visits, visits:] = cross
    second[visits:, :visits] = cross.transpose(1, 0, 2, 3)
    return Derivatives(matrix, first, second)


def _toeplitz_start(covariance: Array) -> Array:
    variances = np.diag(covariance)
    roots = np.sqrt(variances)
    correlation = covariance / np.outer(roots, roots)
    lags = [float(np.diag(correlation, lag).mean()) for lag in range(1, len(covariance))]
    start = np.concatenate([variances, lags])
    # Averages over diagonals need not make a positive definite matrix; shrink them until they do.
    for _ in range(30):
        if np.linalg.eigvalsh(_toeplitz(start, len(covariance)).matrix)[0] > 0.0:
            break
        start[len(covariance) :] *= 0.8
    return start


def _lower_triangle(covariance: Array) -> Array:
    return covariance[np.tril_indices(len(covariance))]


#: All structures by name.
STRUCTURES = {
    each.name: each
    for each in (
        Structure("unstructured", _lower_triangle, _unstructured),
        Structure("heterogeneous Toeplitz", _toeplitz_start, _toeplitz),
        Structure("AR(1)", _autoregressive_start, _autoregressive),
        Structure("compound symmetry", _compound_start, _compound),
    )
}
