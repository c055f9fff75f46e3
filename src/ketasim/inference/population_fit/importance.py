"""Each person's posterior by importance sampling, and the likelihood without approximation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp

from ketasim.inference.population_fit.modes import Linear, Point, person_losses
from ketasim.inference.population_fit.predict import Predictor
from ketasim.inference.population_fit.residual import Residual

__all__ = ["Importance", "importance"]

FloatArray = npt.NDArray[np.float64]

#: Degrees of freedom of what is drawn from, and how much wider it is than the normal at the mode.
_FREEDOM, _WIDER = 6.0, 1.1
#: One in so many draws comes from the population, and not from around the mode.
_PARTS = 5
_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Importance:
    """Draws of each person's deviations.

    Parameters
    ----------
    eta : array, shape (samples, persons, random)
        The draws.
    weights : array, shape (samples, persons)
        Their weights, which sum to 1 over the samples.
    loss, loss_error : float
        Minus twice the log likelihood, and its Monte-Carlo standard error.
    effective : array, shape (persons,)
        Draws that the weights are worth.
    predicted : array, shape (samples, persons, most)
        Predictions of the draws, on the working scale.
    drawn : array, shape (samples, persons)
        Log density of what was drawn from.
    """

    eta: FloatArray
    weights: FloatArray
    loss: float
    loss_error: float
    effective: FloatArray
    predicted: FloatArray
    drawn: FloatArray

    def sd(self) -> FloatArray:
        """Standard deviation of each person's posterior, shape (persons, random)."""
        mean = np.einsum("knr,kn->nr", self.eta, self.weights)
        return np.asarray(np.sqrt(np.einsum("knr,kn->nr", (self.eta - mean) ** 2, self.weights)))

    def resampled(self, person: int, count: int, rng: np.random.Generator) -> FloatArray:
        """Deviations of one person with equal weights, shape (count, random)."""
        steps = (np.arange(count) + rng.uniform()) / count
        places = np.searchsorted(np.cumsum(self.weights[:, person]), steps)
        return np.asarray(self.eta[np.minimum(places, len(self.eta) - 1), person])


def importance(
    predictor: Predictor, residual: Residual, point: Point, linear: Linear, *, samples: int, seed: int
) -> Importance:
    """Draw each person's deviations.

    Parameters
    ----------
    predictor, residual, point, linear
        Data, error, population values, and the modes.
    samples : int
        Draws of each person.
    seed : int
        Names the random numbers.

    Returns
    -------
    Importance
    """
    rng = np.random.default_rng(seed)
    count, random = linear.eta.shape
    measured = predictor.data.mask.sum(axis=1)
    if not random:
        losses = person_losses(predictor, residual, point, linear.predicted, linear.eta)
        total = float((losses + measured * _LOG_2PI).sum())
        ones = np.full((1, count), 1.0)
        one = linear.predicted[None]
        return Importance(np.zeros((1, count, 0)), ones, total, 0.0, np.ones(count), one, 0.0 * ones)
    roots = np.linalg.cholesky(_WIDER * np.linalg.inv(linear.information))
    # Drawn in pairs that mirror each other.
    pairs = samples * (_PARTS - 1) // (2 * _PARTS)
    half = rng.standard_normal((pairs, count, random))
    raw = half * np.sqrt(_FREEDOM / rng.chisquare(_FREEDOM, (pairs, count, 1)))
    near = linear.eta + np.einsum("nrs,kns->knr", roots, np.concatenate([raw, -raw]))
    # Some come from the population, so that no part of a long tail is missed.
    anywhere = point.omega * rng.standard_normal((samples - 2 * pairs, count, random))
    eta = np.concatenate([near, anywhere])
    person = np.tile(np.arange(count), len(eta))
    z = predictor.effects.persons(point.theta, eta.reshape(-1, random))
    quantity = predictor.data.quantity
    predicted = residual.working(predictor.at_data(person, z), quantity[person]).reshape(len(eta), count, -1)
    losses = person_losses(predictor, residual, point, predicted, eta)
    target = -0.5 * (losses + (measured + random) * _LOG_2PI + 2.0 * point.log_omega.sum())
    away = np.einsum("nrs,kns->knr", np.linalg.inv(roots), eta - linear.eta)
    around = (
        gammaln(0.5 * (_FREEDOM + random))
        - gammaln(0.5 * _FREEDOM)
        - 0.5 * random * np.log(_FREEDOM * np.pi)
        - 0.5 * (_FREEDOM + random) * np.log1p((away**2).sum(axis=2) / _FREEDOM)
        - np.log(np.einsum("nrr->nr", roots)).sum(axis=1)
    )
    people = -0.5 * (((eta / point.omega) ** 2).sum(axis=2) + random * _LOG_2PI) - point.log_omega.sum()
    share = len(near) / samples
    drawn = np.logaddexp(np.log(share) + around, np.log1p(-share) + people)
    ratio = target - drawn
    sums = np.asarray(logsumexp(ratio, axis=0))
    weights = np.exp(ratio - sums)
    likelihood = sums - np.log(len(eta))
    effective = 1.0 / (weights**2).sum(axis=0)
    error = 2.0 * np.sqrt(np.sum(np.maximum(1.0 / effective - 1.0 / len(eta), 0.0)))
    return Importance(eta, weights, float(-2.0 * likelihood.sum()), float(error), effective, predicted, drawn)
