"""The likelihood of population values without approximation, over draws of each person's parameters.

What the model gives for a drawn person does not depend on the population: with the same draws the likelihood
of other population values needs no further run, only other weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import logsumexp

from ketasim.inference.population_fit.importance import Importance
from ketasim.inference.population_fit.marginal import Marginal

__all__ = ["Sampled"]

FloatArray = npt.NDArray[np.float64]

_LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True)
class Sampled:
    """Minus twice the log of the sampled likelihood, and what the priors add.

    Parameters
    ----------
    marginal : Marginal
        Data, error, and the point at which the draws were made; values that nobody differs in move the
        predictions along its slopes.
    draws : Importance
        The draws.
    """

    marginal: Marginal
    draws: Importance

    @cached_property
    def _alone(self) -> list[int]:
        """Places, among the estimated, of values in which people do not differ."""
        effects = self.marginal.predictor.effects
        return [at for at, place in enumerate(effects.estimated) if place not in effects.random]

    @cached_property
    def _shared(self) -> list[tuple[int, int]]:
        """Place among the estimated, and among the random, of values in which people differ."""
        effects = self.marginal.predictor.effects
        return [
            (at, effects.random.index(place))
            for at, place in enumerate(effects.estimated)
            if place in effects.random
        ]

    @cached_property
    def _slopes(self) -> FloatArray:
        effects = self.marginal.predictor.effects
        return self.marginal.linear.slopes[:, :, [effects.estimated[at] for at in self._alone]]

    def loss(self, vector: FloatArray) -> tuple[float, FloatArray]:
        """Loss and its gradient.

        Parameters
        ----------
        vector : array
            As :attr:`Marginal.start`.

        Returns
        -------
        loss : float
        gradient : array, of the shape of ``vector``
        """
        marginal, data, residual = self.marginal, self.marginal.predictor.data, self.marginal.residual
        effects, point = marginal.predictor.effects, marginal.at(vector)
        moved = point.theta - marginal.point.theta
        predicted = self.draws.predicted + self._slopes @ moved[[effects.estimated[at] for at in self._alone]]
        variance, change = residual.variance(predicted, data.quantity, point.log_sigma)
        off = residual.working(data.y, data.quantity) - predicted
        inside = data.mask & np.isfinite(off)
        off, variance = np.where(inside, off, 0.0), np.where(inside, variance, 1.0)
        measured = -0.5 * np.where(inside, off**2 / variance + np.log(variance) + _LOG_2PI, 0.0).sum(axis=2)
        measured = np.where((inside == data.mask).all(axis=2), measured, -np.inf)
        away = (self.draws.eta - moved[effects.random]) / point.omega
        differ = -0.5 * (away**2).sum(axis=2) - point.log_omega.sum() - 0.5 * len(effects.random) * _LOG_2PI
        ratio = measured + differ - self.draws.drawn
        sums = np.asarray(logsumexp(ratio, axis=0))
        weights = np.exp(ratio - sums)
        gradient = np.zeros(len(vector))
        count, spreads = len(effects.estimated), len(effects.random)
        for at, own in self._shared:
            gradient[at] = -2.0 * float((weights * away[:, :, own]).sum() / point.omega[own])
        tilt = 0.5 * (off**2 / variance - 1.0) / variance * weights[:, :, None]
        tilt = np.where(inside, tilt, 0.0)
        pull = off / variance * weights[:, :, None] + tilt * np.where(inside, change, 0.0)
        gradient[self._alone] = -2.0 * np.einsum("knm,nme->e", pull, self._slopes)
        gradient[count : count + spreads] = -2.0 * np.einsum("kn,knr->r", weights, away**2 - 1.0)
        a, b = residual.parts(point.log_sigma)
        for at, (place, part) in enumerate(residual.names):
            here = data.quantity == place
            share = a[place] ** 2 if part == "additive" else (b[place] * predicted) ** 2
            gradient[count + spreads + at] = -4.0 * float(np.where(here & inside, tilt * share, 0.0).sum())
        gap = (point.theta - effects.start)[effects.estimated] / effects.prior_sd
        gradient[:count] += 2.0 * gap / effects.prior_sd
        total = -2.0 * float(sums.sum() - len(sums) * np.log(len(ratio))) + float(gap @ gap)
        return total, gradient

    def improved(self, reach: float) -> FloatArray:
        """Best vector within reach of where the draws were made; see :meth:`Marginal.improved`."""
        low, high = self.marginal.bounds(reach)
        found = minimize(
            self.loss,
            np.clip(self.marginal.start, low, high),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low.tolist(), high.tolist(), strict=True)),
            options={"maxiter": 100, "ftol": 1e-9},
        )
        return np.asarray(found.x, dtype=np.float64)
