"""Fit of smooth ridge sums to a table, with the number of units chosen by cross-validation.

See :mod:`ketasim.brain.formulas` for the form. Least squares over all coefficients at once, with analytic
derivatives and a light penalty on the size of the coefficients, which keeps unused units flat.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from ketasim.errors import BrainError

__all__ = ["RidgeFit", "fit_ridge"]

_Floats = NDArray[np.float64]

# In units of the standard deviations of inputs and output.
_PENALTY = 1e-3
_STARTS = 2
_FOLDS = 5
# A larger sum must lower the error by this share to be chosen.
_GAIN = 0.05


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A fitted ridge sum; coefficients are in the units of the table.

    Parameters
    ----------
    heights, offsets : array, shape (k,)
        a and b.
    slopes : array, shape (k, d)
        w.
    linear : array, shape (d,)
        c.
    rms, rms_left_out : float
        Root mean square error over the table, and with each fold predicted by the others.
    """

    heights: _Floats
    offsets: _Floats
    slopes: _Floats
    linear: _Floats
    rms: float
    rms_left_out: float

    def __call__(self, moved: ArrayLike) -> _Floats:
        """Values at inputs of shape (n, d), given as departures from the reference."""
        x = np.asarray(moved, dtype=np.float64)
        theta = np.concatenate([self.heights, self.offsets, self.slopes.ravel(), self.linear])
        return _value(theta, x, len(self.heights))


def _parts(theta: _Floats, d: int, units: int) -> tuple[_Floats, _Floats, _Floats, _Floats]:
    return (
        theta[:units],
        theta[units : 2 * units],
        theta[2 * units : (2 + d) * units].reshape(units, d),
        theta[(2 + d) * units :],
    )


def _value(theta: _Floats, x: _Floats, units: int) -> _Floats:
    heights, offsets, slopes, linear = _parts(theta, x.shape[1], units)
    z = x @ slopes.T + offsets
    steps = z / np.sqrt(1.0 + z * z) - offsets / np.sqrt(1.0 + offsets * offsets)
    return np.asarray(steps @ heights + x @ linear, dtype=np.float64)


def _jacobian(theta: _Floats, x: _Floats, units: int) -> _Floats:
    heights, offsets, slopes, _ = _parts(theta, x.shape[1], units)
    z = x @ slopes.T + offsets
    steps = z / np.sqrt(1.0 + z * z) - offsets / np.sqrt(1.0 + offsets * offsets)
    slope = heights * (1.0 + z * z) ** -1.5
    at_reference = heights * (1.0 + offsets * offsets) ** -1.5
    by_slopes = (slope[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    return np.concatenate([steps, slope - at_reference, by_slopes, x], axis=1)


def _solve(x: _Floats, y: _Floats, units: int, start: _Floats) -> tuple[_Floats, float]:
    weight = np.sqrt(_PENALTY * len(x) / len(start))

    def residuals(theta: _Floats) -> _Floats:
        return np.concatenate([_value(theta, x, units) - y, weight * theta])

    def jacobian(theta: _Floats) -> _Floats:
        return np.concatenate([_jacobian(theta, x, units), weight * np.eye(len(theta))])

    found = least_squares(residuals, start, jac=jacobian, method="lm", xtol=1e-6, ftol=1e-7, max_nfev=200)
    return np.asarray(found.x, dtype=np.float64), float(found.cost)


def _best(x: _Floats, y: _Floats, units: int, random: np.random.Generator) -> _Floats:
    size = units * (2 + x.shape[1]) + x.shape[1]
    found = [_solve(x, y, units, random.normal(0.0, 0.5, size)) for _ in range(_STARTS)]
    return min(found, key=lambda one: one[1])[0]


def _rms(errors: _Floats) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def _left_out(x: _Floats, y: _Floats, units: int, start: _Floats, fold: NDArray[np.intp]) -> float:
    """Error of points that the fit has not seen; each fold starts from the fit to all, pushed off it."""
    errors = np.empty_like(y)
    for one in range(_FOLDS):
        kept = fold != one
        theta, _ = _solve(x[kept], y[kept], units, 0.5 * start)
        errors[~kept] = _value(theta, x[~kept], units) - y[~kept]
    return _rms(errors)


def fit_ridge(
    moved: ArrayLike, values: ArrayLike, units: Sequence[int], random: np.random.Generator
) -> RidgeFit:
    """Fit a ridge sum that is 0 at the reference.

    Parameters
    ----------
    moved : array_like, shape (n, d)
        Inputs less their reference.
    values : array_like, shape (n,)
        What to fit.
    units : sequence of int
        Numbers of steps to try, ascending. The smallest is kept unless a larger one lowers the error of
        points left out by 5 % or more.
    random : numpy.random.Generator
        For the starts and the folds.

    Returns
    -------
    RidgeFit
        The fit to all points, and its errors.

    Raises
    ------
    BrainError
        If shapes do not match, a number is not finite, nothing varies or there are too few points.
    """
    x, y = np.asarray(moved, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or y.shape != (len(x),):
        raise BrainError(f"inputs have shape {x.shape} and values {y.shape}; (n, d) and (n,) are needed.")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BrainError("inputs and values of a fit must be finite; leave unstable states out.")
    d = x.shape[1]
    most = max(units) * (2 + d) + d
    if len(x) < 2 * most:
        raise BrainError(f"{len(x)} points cannot fix {most} coefficients; give {2 * most} or more.")
    scale, height = x.std(axis=0), float(y.std())
    if height == 0.0 or (scale == 0.0).any():
        raise BrainError("an input or the output is the same at all points; there is nothing to fit.")
    fold = np.asarray(random.permutation(len(x)) % _FOLDS, dtype=np.intp)
    x, y = x / scale, y / height
    chosen: tuple[_Floats, int, float] | None = None
    for count in units:
        theta = _best(x, y, count, random)
        error = _left_out(x, y, count, theta, fold)
        if chosen is None or error < (1.0 - _GAIN) * chosen[2]:
            chosen = (theta, count, error)
    if chosen is None:
        raise BrainError("give at least one number of units to try.")
    theta, count, error = chosen
    a, b, w, c = _parts(theta, d, count)
    rms = _rms(_value(theta, x, count) - y)
    return RidgeFit(a * height, b.copy(), w / scale, c * height / scale, rms * height, error * height)
