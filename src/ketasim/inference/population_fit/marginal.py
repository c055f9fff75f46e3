"""Likelihood of the population values when the model is linear around each person's mode.

With predictions ``g`` and slopes ``J`` at the modes, measurements are normal with mean
``g - J_random eta + J dtheta`` and covariance ``J_random Omega J_random' + Sigma``: the conditional
first-order approximation with interaction (FOCEI) of nonlinear mixed-effects models.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from ketasim.inference.population_fit.modes import Linear, Point
from ketasim.inference.population_fit.predict import Predictor
from ketasim.inference.population_fit.residual import Residual

__all__ = ["Marginal"]

FloatArray = npt.NDArray[np.float64]

_LOG_2PI = float(np.log(2.0 * np.pi))
#: Limits of a spread between people and of an error, on the log scale.
_OMEGA_LIMITS = (float(np.log(0.005)), float(np.log(3.0)))
_SIGMA_ROOM = 9.0


@dataclass(frozen=True)
class Marginal:
    """Minus twice the log likelihood, and what the priors add, around a linearisation.

    Parameters
    ----------
    predictor, residual : Predictor, Residual
        Data and error.
    point : Point
        Where the model was made linear.
    linear : Linear
        The model there.
    """

    predictor: Predictor
    residual: Residual
    point: Point
    linear: Linear

    @cached_property
    def _fixed(self) -> FloatArray:
        """Slopes over the estimated typical values, (persons, most, estimated)."""
        return self.linear.slopes[:, :, self.predictor.effects.estimated]

    @cached_property
    def _own(self) -> FloatArray:
        """Slopes over the deviations, (persons, most, random)."""
        return self.linear.slopes[:, :, self.predictor.effects.random]

    @cached_property
    def _settled(self) -> FloatArray:
        """Slopes of a person's own course over typical values, his mode following: (persons, most, est.)."""
        data, own = self.predictor.data, self._own
        variance, _ = self.residual.variance(self.linear.predicted, data.quantity, self.point.log_sigma)
        pulled = np.einsum("nmr,nm,nme->nre", own, np.where(data.mask, 1.0 / variance, 0.0), self._fixed)
        return np.asarray(self._fixed - own @ np.linalg.solve(self.linear.information, pulled))

    @cached_property
    def _off(self) -> FloatArray:
        """Measurement minus prediction at no deviation, (persons, most)."""
        data = self.predictor.data
        y = self.residual.working(data.y, data.quantity)
        found = y - self.linear.predicted + np.einsum("nmr,nr->nm", self._own, self.linear.eta)
        return np.where(data.mask, found, 0.0)

    @property
    def start(self) -> FloatArray:
        """The point as one vector: estimated typical values, log spreads, log errors."""
        effects = self.predictor.effects
        return np.concatenate(
            [self.point.theta[effects.estimated], self.point.log_omega, self.point.log_sigma]
        )

    def at(self, vector: FloatArray) -> Point:
        """The point of such a vector."""
        effects = self.predictor.effects
        first, second = len(effects.estimated), len(effects.estimated) + len(effects.random)
        theta = self.point.theta.copy()
        theta[effects.estimated] = vector[:first]
        return Point(theta, vector[first:second], vector[second:])

    def covariance(self, vector: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Covariance of measurements, their residuals, and predictions for the error."""
        point, data = self.at(vector), self.predictor.data
        moved = vector[: self._fixed.shape[2]] - self.point.theta[self.predictor.effects.estimated]
        predicted = self.linear.predicted + self._settled @ moved
        variance, _ = self.residual.variance(predicted, data.quantity, point.log_sigma)
        spread = self._own * point.omega
        covariance = spread @ spread.transpose(0, 2, 1)
        covariance[:, np.arange(data.y.shape[1]), np.arange(data.y.shape[1])] += np.where(
            data.mask, variance, 1.0
        )
        return covariance, self._off - self._fixed @ moved, predicted

    def loss(self, vector: FloatArray) -> tuple[float, FloatArray]:
        """Minus twice the log of likelihood and prior, and its gradient.

        Parameters
        ----------
        vector : array
            As :attr:`start`.

        Returns
        -------
        loss : float
        gradient : array, of the shape of ``vector``
        """
        data, point = self.predictor.data, self.at(vector)
        covariance, off, predicted = self.covariance(vector)
        inverse = np.linalg.inv(covariance)
        _, logs = np.linalg.slogdet(covariance)
        pulled = np.einsum("nij,nj->ni", inverse, off)
        loss = float(logs.sum() + (off * pulled).sum() + data.mask.sum() * _LOG_2PI)
        # How the loss follows each variance of an error, and from there what makes it.
        diagonal = np.where(data.mask, np.einsum("nii->ni", inverse) - pulled**2, 0.0)
        _, change = self.residual.variance(predicted, data.quantity, point.log_sigma)
        fixed = np.einsum("nm,nme->e", diagonal * change, self._settled)
        fixed -= 2.0 * np.einsum("nm,nme->e", pulled, self._fixed)
        weighed = np.einsum("nmr,nmk,nkr->r", self._own, inverse, self._own)
        drawn = (np.einsum("nmr,nm->nr", self._own, pulled) ** 2).sum(axis=0)
        spreads = 2.0 * point.omega**2 * (weighed - drawn)
        a, b = self.residual.parts(point.log_sigma)
        errors = []
        for place, part in self.residual.names:
            here = data.mask & (data.quantity == place)
            share = 2.0 * a[place] ** 2 if part == "additive" else 2.0 * (b[place] * predicted) ** 2
            errors.append(float(np.sum(np.where(here, diagonal * share, 0.0))))
        gap = vector[: len(fixed)] - self.predictor.effects.start[self.predictor.effects.estimated]
        with_prior = gap / self.predictor.effects.prior_sd
        loss += float(with_prior @ with_prior)
        fixed += 2.0 * with_prior / self.predictor.effects.prior_sd
        return loss, np.concatenate([fixed, spreads, errors])

    def bounds(self, reach: float) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest vectors of a step.

        Parameters
        ----------
        reach : float
            How far typical values may move on their scales; logs of spreads and errors move twice as far.
        """
        start = self.start
        count, spreads = len(self.predictor.effects.estimated), len(self.predictor.effects.random)
        rooms = np.concatenate([np.full(count, reach), np.full(len(start) - count, 2.0 * reach)])
        low, high = start - rooms, start + rooms
        inside = slice(count, count + spreads)
        low[inside], high[inside] = np.clip([low[inside], high[inside]], *_OMEGA_LIMITS)
        usual = self.residual.start
        low[count + spreads :] = np.maximum(low[count + spreads :], usual - _SIGMA_ROOM)
        high[count + spreads :] = np.minimum(high[count + spreads :], usual + _SIGMA_ROOM)
        return low, np.maximum(low, high)

    def improved(self, reach: float) -> FloatArray:
        """Best vector within reach of where the model was made linear, as :attr:`start`."""
        low, high = self.bounds(reach)
        found = minimize(
            self.loss,
            np.clip(self.start, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low.tolist(), high.tolist(), strict=True)),
            options={"maxiter": 200, "ftol": 1e-10, "gtol": 1e-6},
        )
        return np.asarray(found.x, dtype=np.float64)
