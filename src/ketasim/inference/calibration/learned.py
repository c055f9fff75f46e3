"""A quadratic that stands for misses around a fit, learned from sets at which they were computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.inference.calibration.search import Fit, costs

__all__ = ["Learned", "learn", "terms"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

#: Ridge on standardised terms, as a share of the sets.
_RIDGE = 0.01
#: A set counts the less the worse it is: by e for so much cost a parameter, but never less than this.
_WORSE, _LEAST = 0.25, 1e-3


@dataclass(frozen=True, eq=False)
class Learned:
    """Misses around a fit: straight lines, and for some of them what a quadratic adds.

    Parameters
    ----------
    found : Fit
        Where the lines touch.
    places : array of int
        Parameters that the quadratic knows.
    scale : array, shape (terms,)
        Of the terms.
    weights : array, shape (terms, misses)
        Of the scaled terms, for the first misses.
    """

    found: Fit
    places: IntArray
    scale: FloatArray
    weights: FloatArray

    def costs(self, z: FloatArray) -> FloatArray:
        """Half the sum of squares, prior included, at rows of standardised values."""
        residuals = self.found.straight(z)
        residuals[:, : self.weights.shape[1]] += (
            _terms(self.found, self.places, z) / self.scale @ self.weights
        )
        return costs(residuals, z)


def terms(places: IntArray) -> int:
    """How many terms a quadratic of some parameters has."""
    count = len(places)
    return 1 + count + count * (count + 1) // 2


def learn(found: Fit, places: IntArray, z: FloatArray, residuals: FloatArray) -> Learned:
    """Learn how misses depart from their straight lines (ridge regression, better sets counting more).

    Parameters
    ----------
    found : Fit
        Where the lines touch.
    places : array of int
        Parameters that move the misses.
    z : array, shape (sets, parameters)
        Standardised values.
    residuals : array, shape (sets, misses)
        The first misses there, all finite; the others stay straight.

    Returns
    -------
    Learned
    """
    rows = residuals.shape[1]
    straight = found.straight(z)
    departure = residuals - straight[:, :rows]
    straight[:, :rows] = residuals
    total = costs(straight, z)
    dimensions = z.shape[1]
    few = np.sort(total)[: max(dimensions, 2)].mean()
    counts = np.maximum(np.exp(-np.clip((total - few) / (_WORSE * dimensions), 0.0, None)), _LEAST)
    counts *= len(z) / counts.sum()
    own = _terms(found, places, z)
    scale = own.std(axis=0)
    scale[scale == 0.0] = 1.0
    own /= scale
    counted = own * counts[:, None]
    square = own.T @ counted + _RIDGE * len(z) * np.eye(own.shape[1])
    return Learned(found, places, scale, np.linalg.solve(square, counted.T @ departure))


def _terms(found: Fit, places: IntArray, z: FloatArray) -> FloatArray:
    """One, each parameter, and each product of two, away from the fit; shape (sets, terms)."""
    away = z[:, places] - found.z[places]
    first, second = np.triu_indices(len(places))
    return np.concatenate([np.ones((len(z), 1)), away, away[:, first] * away[:, second]], axis=1)
