"""Find the coefficients of a closed-form surface, and how well it foretells points that it has not seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import cho_factor, cho_solve

from ketasim.circuit.ridge import Ridge, evaluate
from ketasim.errors import ModelError

__all__ = ["cross_validate", "fit_ridge"]

_Floats = NDArray[np.float64]

# The search ends after so many steps, or when several in a row lower the cost by less than this share.
_MOST_STEPS = 150
_SMALL_GAIN = 1e-4
_PATIENCE = 4
_LARGEST_DAMPING = 1e8


@dataclass(frozen=True)
class _Problem:
    """Weighted residuals of a fit and their derivatives; the coefficients lie in one vector."""

    x: _Floats
    y: _Floats
    spread: _Floats
    units: int
    limit: float
    penalty: float

    def parts(self, theta: _Floats) -> tuple[_Floats, _Floats, _Floats, _Floats]:
        inputs, outputs, h = self.x.shape[1], self.y.shape[1], self.units
        weights, offsets, gains, slopes = np.split(theta, np.cumsum([h * inputs, h, outputs * h]))
        return (
            weights.reshape(h, inputs),
            offsets,
            gains.reshape(outputs, h),
            slopes.reshape(outputs, inputs),
        )

    def cost(self, theta: _Floats) -> float:
        """Half the sum of squares."""
        weights, offsets, gains, slopes = self.parts(theta)
        z = self.x @ weights.T + offsets
        steps = z / np.sqrt(1.0 + z**2) - offsets / np.sqrt(1.0 + offsets**2)
        total = steps @ gains.T + self.x @ slopes.T
        error = (total / np.sqrt(1.0 + (total / self.limit) ** 2) - self.y) / self.spread
        return 0.5 * float(np.nansum(error**2) + self.penalty * theta @ theta)

    def normal(self, theta: _Floats) -> tuple[_Floats, _Floats]:
        """Gradient and Gauss-Newton matrix."""
        weights, offsets, gains, slopes = self.parts(theta)
        n, inputs = self.x.shape
        outputs = self.y.shape[1]
        z = self.x @ weights.T + offsets
        root, root0 = np.sqrt(1.0 + z**2), np.sqrt(1.0 + offsets**2)
        steps = z / root - offsets / root0
        slope, slope0 = root**-3, root0**-3
        total = steps @ gains.T + self.x @ slopes.T
        scaled = np.sqrt(1.0 + (total / self.limit) ** 2)
        error = (total / scaled - self.y) / self.spread
        # d output / d total, over the spread of each value.
        outer = scaled**-3 / self.spread
        known = np.isfinite(self.y)
        error, outer = np.where(known, error, 0.0), np.where(known, outer, 0.0)
        gradient = self.penalty * theta
        matrix = self.penalty * np.eye(len(theta))
        linear = np.concatenate([steps, self.x], axis=1)
        first = self.units * (inputs + 1)
        for o in range(outputs):
            # Derivatives of one output: by every weight and offset, and by its own gains and slopes.
            bend = outer[:, o, None] * gains[o] * slope
            by_weight = (bend[:, :, None] * self.x[:, None, :]).reshape(n, -1)
            by_offset = outer[:, o, None] * gains[o] * (slope - slope0)
            by_linear = outer[:, o, None] * linear
            columns = np.concatenate([by_weight, by_offset, by_linear], axis=1)
            own = np.concatenate(
                [
                    np.arange(first),
                    first + o * self.units + np.arange(self.units),
                    first + outputs * self.units + o * inputs + np.arange(inputs),
                ]
            )
            gradient[own] += columns.T @ error[:, o]
            matrix[np.ix_(own, own)] += columns.T @ columns
        return gradient, matrix


def _descend(problem: _Problem, theta: _Floats) -> tuple[_Floats, float]:
    """Levenberg-Marquardt on the normal equations: the problem is tall, and a library's SVD is slow."""
    damping, cost = 1e-2, problem.cost(theta)
    idle = 0
    for _ in range(_MOST_STEPS):
        gradient, matrix = problem.normal(theta)
        while True:
            damped = matrix + damping * np.diag(np.diag(matrix))
            tried = theta - cho_solve(cho_factor(damped), gradient)
            lower = problem.cost(tried)
            if lower < cost or damping > _LARGEST_DAMPING:
                break
            damping *= 4.0
        if not lower < cost:
            break
        idle = idle + 1 if cost - lower < _SMALL_GAIN * cost else 0
        theta, cost, damping = tried, lower, damping / 3.0
        if idle >= _PATIENCE:
            break
    return theta, cost


def fit_ridge(
    x: ArrayLike,
    y: ArrayLike,
    spread: ArrayLike,
    inputs: Sequence[str],
    outputs: Sequence[str],
    units: int,
    limit: float,
    penalty: float = 0.02,
    starts: int = 3,
    seed: int = 0,
) -> Ridge:
    """Fit a surface by least squares from several random starts; the best is kept.

    Parameters
    ----------
    x : array_like, shape (points, inputs)
        Where the outputs are known.
    y : array_like, shape (points, outputs)
        The outputs; NaN where one is not known.
    spread : array_like, shape (outputs,) or (points, outputs)
        Standard deviation of the outputs.
    inputs, outputs : sequence of str
        Names.
    units : int
        Number of steps.
    limit : float
        Largest value in either direction.
    penalty : float
        Weight of the coefficients' squares, which keeps those that the data do not need small.
    starts, seed : int
        Number of random starts, and their seed.

    Raises
    ------
    ModelError
        If the arrays do not fit together or there are fewer values than coefficients.
    """
    where, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if where.ndim != 2 or values.shape != (len(where), len(outputs)) or where.shape[1] != len(inputs):
        raise ModelError(f"x has shape {where.shape} and y {values.shape}; give a row a point.")
    spreads = np.broadcast_to(np.asarray(spread, dtype=np.float64), values.shape)
    problem = _Problem(where, values, spreads, units, limit, penalty)
    many = units * (len(inputs) + 1 + len(outputs)) + len(inputs) * len(outputs)
    if np.isfinite(values).sum() < many:
        raise ModelError(
            f"{np.isfinite(values).sum()} values cannot fix {many} coefficients; run more points."
        )
    rng = np.random.default_rng(seed)
    best, lowest = None, np.inf
    for _ in range(starts):
        theta, cost = _descend(problem, 0.5 * rng.standard_normal(many))
        if cost < lowest:
            best, lowest = theta, cost
    if best is None:
        raise ModelError("the fit of the surface did not end: a value of x or y is not finite.")
    return Ridge(tuple(inputs), tuple(outputs), *problem.parts(best), limit)


def cross_validate(
    x: ArrayLike,
    y: ArrayLike,
    spread: ArrayLike,
    inputs: Sequence[str],
    outputs: Sequence[str],
    units: int,
    limit: float,
    folds: int = 4,
    penalty: float = 0.02,
) -> _Floats:
    """Errors of points, each predicted by a fit without its fold; shape (points, outputs)."""
    where, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    spreads = np.broadcast_to(np.asarray(spread, dtype=np.float64), values.shape)
    fold = np.arange(len(where)) % folds
    errors = np.empty_like(values)
    for k in range(folds):
        rest = fold != k
        ridge = fit_ridge(
            where[rest], values[rest], spreads[rest], inputs, outputs, units, limit, penalty, starts=2, seed=k
        )
        errors[~rest] = evaluate(ridge, where[~rest]) - values[~rest]
    return errors
