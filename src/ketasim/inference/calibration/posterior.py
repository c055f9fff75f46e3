"""An ensemble of parameter sets that the targets leave possible.

Chains start from the normal approximation at the best fit (Laplace, prior included), within the ranges of the
tables, and walk by steps that leave it as it is (preconditioned Crank-Nicolson); a step is taken by how much
better or worse than that approximation a set really does. Where the model is straight every step is taken,
and the ensemble is exact. Where it is curved, chains learn the shape from each other: every other step
follows the difference of two sets of the other half (differential evolution; ter Braak 2006, in halves as
Goodman and Weare 2010).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ketasim.errors import ModelError
from ketasim.inference.calibration.prior import EDGE, Prior
from ketasim.inference.calibration.search import Fit, Misses, costs

__all__ = ["Ensemble", "draw_ensemble"]

FloatArray = npt.NDArray[np.float64]

#: Chains whose first set has no solution draw it anew, so often at most.
_REDRAWS = 20
#: Rounds over all parameters until draws of the approximation know its ranges, and between two draws.
_ROUNDS, _ROUNDS_BETWEEN = 40, 4
#: Length of a step at first, its bounds, and the share of steps that should be taken.
_LENGTH, _SHORTEST, _LONGEST, _WANTED = 0.3, 0.02, 1.0, 0.3
#: Length of a step along the difference of two sets, times the root of twice the dimensions (2.38 is best for
#: a normal distribution), and what is added beside it.
_DIFFERENCE, _BESIDE = 2.38, 1e-3


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Sets drawn from the posterior.

    Parameters
    ----------
    z : array, shape (sets, parameters)
        Standardised values.
    accepted : float
        Share of the steps that were taken in the second half.
    moved : float
        Share of the chains that moved at least ten times in the second half.
    prior_sd_ratio : array, shape (parameters,)
        SD over the sets against the prior's.
    """

    z: FloatArray
    accepted: float
    moved: float
    prior_sd_ratio: FloatArray


@dataclass(frozen=True, eq=False)
class _Departure:
    """How much worse a set is than the normal approximation says; infinite where there is no solution."""

    misses: Misses
    found: Fit
    root: FloatArray
    exact: int | None

    def __call__(self, z: FloatArray) -> FloatArray:
        inside = (self.misses.prior.inside(z) == z).all(axis=1)
        found = np.full(len(z), np.inf)
        if inside.any():
            kept = z[inside]
            found[inside] = costs(self._residuals(kept), kept) - self.normal(kept)
        return found

    def normal(self, z: FloatArray) -> FloatArray:
        """Half the square of the distance from the best fit, by the approximation."""
        return np.asarray((np.linalg.solve(self.root, (z - self.found.z).T) ** 2).sum(axis=0) / 2.0)

    def _residuals(self, z: FloatArray) -> FloatArray:
        """Misses of the first blocks as they are, of the others on a straight line."""
        if self.exact is None:
            return self.misses(z)
        anew = np.concatenate([self.misses.of_block(number, z) for number in range(self.exact)], axis=1)
        straight = self.found.residuals + (z - self.found.z) @ self.found.jacobian.T
        return np.concatenate([anew, straight[:, anew.shape[1] :]], axis=1)


def draw_ensemble(
    misses: Misses,
    found: Fit,
    *,
    sets: int = 200,
    steps: int = 200,
    seed: int = 1,
    exact: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Ensemble:
    """Draw sets from the posterior around a fit.

    Parameters
    ----------
    misses : Misses
        What was aimed at.
    found : Fit
        The best fit.
    sets, steps : int
        Chains, each of which gives its last set, and their length.
    seed : int
        Names the random numbers.
    exact : int, optional
        Blocks of targets that are computed anew for each set; the others follow the slopes of the fit.
        Default: all.

    Returns
    -------
    Ensemble

    Raises
    ------
    ModelError
        If the model has a solution nearly nowhere around the fit.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    prior: Prior = misses.prior
    root: FloatArray = np.asarray(np.linalg.cholesky(found.covariance), dtype=np.float64)
    departure = _Departure(misses, found, root, exact)
    z, level = _first(departure, prior, sets, random)
    length, taken, moves = _LENGTH, 0.0, np.zeros(sets)
    halves = np.array_split(np.arange(sets), 2)
    for step in range(steps):
        by_others = step % 2 == 1 and len(halves[1]) > 1
        accepted = np.zeros(sets, dtype=bool)
        if by_others:
            for own, others in (halves, halves[::-1]):
                tried = z[own] + _difference(z[others], len(own), random)
                values = departure(tried)
                gain = level[own] + departure.normal(z[own]) - values - departure.normal(tried)
                accepted[own] = np.log(random.uniform(size=len(own))) < gain
                better = own[accepted[own]]
                z[better], level[better] = tried[accepted[own]], values[accepted[own]]
        else:
            noise = random.standard_normal(z.shape) @ root.T
            tried = found.z + np.sqrt(1.0 - length**2) * (z - found.z) + length * noise
            values = departure(tried)
            accepted = np.log(random.uniform(size=sets)) < level - values
            z, level = np.where(accepted[:, None], tried, z), np.where(accepted, values, level)
        share = float(accepted.mean())
        if step >= steps // 2:
            taken += share
            moves += accepted
        elif not by_others:
            # Longer or shorter steps until as many are taken as should be; then they stay.
            length = float(np.clip(length * np.exp(share - _WANTED), _SHORTEST, _LONGEST))
        progress(step + 1, steps)
    half = steps - steps // 2
    return Ensemble(z, taken / half, float((moves >= min(10, half)).mean()), z.std(axis=0, ddof=1))


def _difference(others: FloatArray, count: int, random: np.random.Generator) -> FloatArray:
    """Steps along the difference of two other sets, and a little beside it, shape (count, parameters)."""
    first = random.integers(len(others), size=count)
    second = (first + random.integers(1, len(others), size=count)) % len(others)
    length = _DIFFERENCE / np.sqrt(2.0 * others.shape[1])
    beside = _BESIDE * random.standard_normal((count, others.shape[1]))
    return np.asarray(length * (others[first] - others[second]) + beside, dtype=np.float64)


def _first(
    departure: _Departure, prior: Prior, sets: int, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """First set of each chain, and its departure."""
    drawn = np.tile(prior.inside(departure.found.z), (sets, 1))
    z, level = drawn.copy(), np.full(sets, np.inf)
    for number in range(_REDRAWS):
        lost = np.flatnonzero(~np.isfinite(level))
        if not len(lost):
            return z, level
        _draw_within(departure.found, drawn, random, _ROUNDS_BETWEEN if number else _ROUNDS)
        z[lost] = drawn[lost]
        level[lost] = departure(z[lost])
    raise ModelError(
        f"posterior: after {_REDRAWS} draws {np.sum(~np.isfinite(level))} of {sets} chains have no first set "
        "with a solution; look at the fit first."
    )


def _draw_within(found: Fit, z: FloatArray, random: np.random.Generator, rounds: int) -> None:
    """Move rows of `z` by the normal approximation within the ranges, one parameter after another (Gibbs)."""
    square = found.jacobian.T @ found.jacobian + np.eye(len(found.z))
    for _ in range(rounds):
        for place, own in enumerate(np.diag(square)):
            sd = 1.0 / np.sqrt(own)
            rest = (z - found.z) @ square[:, place] - (z[:, place] - found.z[place]) * own
            mean = found.z[place] - rest / own
            low, high = ndtr((-EDGE - mean) / sd), ndtr((EDGE - mean) / sd)
            shares = random.uniform(size=len(z))
            drawn = mean + sd * ndtri(low + shares * (high - low))
            # A normal that lies far outside of the range leaves the arithmetic no room: its nearer end.
            z[:, place] = np.clip(np.where(high > low, drawn, mean), -EDGE, EDGE)
