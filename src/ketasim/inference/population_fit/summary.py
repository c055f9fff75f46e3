"""How well the data tell the fitted values, and what a reader must be warned of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.inference.population_fit.importance import Importance
from ketasim.inference.population_fit.marginal import Marginal

__all__ = ["Covariance", "covariance_of", "findings", "value_names"]

FloatArray = npt.NDArray[np.float64]

#: Correlation, relative standard error and share of the prior's SD from which on a reader is warned.
_TIED, _WIDE, _PRIOR_ONLY = 0.95, 0.5, 0.9
#: Effective draws below which a person's posterior is in doubt.
_FEW_DRAWS = 20.0


@dataclass(frozen=True)
class Covariance:
    """Covariance of the fitted values on the scales on which they are fitted.

    Parameters
    ----------
    matrix : array, shape (values, values)
        Estimated typical values, log spreads, log errors. NaN for values that the data do not tell.
    untold : tuple of int
        Places of values without a standard error.
    condition : float
        Largest over smallest eigenvalue of the correlations.
    """

    matrix: FloatArray
    untold: tuple[int, ...]
    condition: float

    @property
    def se(self) -> FloatArray:
        """Standard errors on these scales."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.sqrt(np.diag(self.matrix)))


def value_names(marginal: Marginal) -> list[str]:
    """Names of the fitted values, in the order of a vector."""
    effects, residual = marginal.predictor.effects, marginal.residual
    names = [effects.names[place] for place in effects.estimated]
    names += [f"spread of {effects.names[place]}" for place in effects.random]
    for place, part in residual.names:
        kind = "lognormal" if residual.kinds[place] == "lognormal" else part
        names.append(f"{kind} error of {marginal.predictor.names[place]}")
    return names


def _curvature(loss: Callable[[FloatArray], tuple[float, FloatArray]], vector: FloatArray) -> FloatArray:
    """Second derivatives of a loss, by differences of its gradient."""
    step = 1e-3
    rows = []
    for place in range(len(vector)):
        move = np.zeros(len(vector))
        move[place] = step
        rows.append((loss(vector + move)[1] - loss(vector - move)[1]) / (2.0 * step))
    found = np.array(rows)
    return np.asarray(0.5 * (found + found.T))


def covariance_of(
    marginal: Marginal, vector: FloatArray, loss: Callable[[FloatArray], tuple[float, FloatArray]]
) -> Covariance:
    """Covariance of fitted values from the curvature of a loss.

    A spread that is gone has no standard error, and what is not told by the data has none either; the
    others get theirs with these held.
    """
    curvature = 0.5 * _curvature(loss, vector)
    diagonal = np.diag(curvature)
    count = len(marginal.predictor.effects.estimated)
    spreads = np.arange(len(vector))
    gone = (spreads >= count) & (spreads < count + len(marginal.point.log_omega))
    flat = ~(diagonal > 1e-6)
    flat |= gone & (np.exp(np.where(gone, vector, 0.0)) < 0.02)
    kept = np.flatnonzero(~flat)
    matrix = np.full(curvature.shape, np.nan)
    condition = np.inf
    while len(kept):
        part = curvature[np.ix_(kept, kept)]
        scale = np.sqrt(np.diag(part))
        values, vectors = np.linalg.eigh(part / np.outer(scale, scale))
        if values[0] > 1e-8:
            inverse = np.linalg.inv(part)
            matrix[np.ix_(kept, kept)] = inverse
            deviation = np.sqrt(np.diag(inverse))
            among = np.linalg.eigvalsh(inverse / np.outer(deviation, deviation))
            condition = float(among[-1] / among[0])
            break
        # The value with the largest part in what is not told is held.
        kept = np.delete(kept, int(np.argmax(np.abs(vectors[:, 0]))))
    untold = tuple(place for place in range(len(vector)) if place not in kept.tolist())
    return Covariance(matrix, untold, condition)


def findings(
    marginal: Marginal,
    covariance: Covariance,
    drawn: Importance,
    converged: bool,
    iterations: int,
    gone: float,
) -> Iterator[str]:
    """Say what a reader should know of a fit, a sentence each."""
    names, effects = value_names(marginal), marginal.predictor.effects
    vector, count = marginal.start, len(effects.estimated)
    if not converged:
        yield f"The search had not come to rest after {iterations} iterations; raise --iterations."
    if iterations == 0:
        return
    for place, omega in zip(effects.random, marginal.point.omega.tolist(), strict=True):
        if omega < gone:
            yield (
                f"No difference between people in {effects.names[place]} was found; leave it out of --random."
            )
    for place in covariance.untold:
        if not (count <= place < count + len(effects.random) and np.exp(vector[place]) < gone):
            yield f"The data do not tell {names[place]}: it has no standard error."
    se = covariance.se
    for at, place in enumerate(effects.estimated):
        item, prior = effects.items[place], effects.prior_sd[at]
        if np.isfinite(prior) and se[at] > _PRIOR_ONLY * prior:
            yield (
                f"The data add next to nothing to the prior of {item.name} (posterior SD "
                f"{se[at] / prior:.2f} of it)."
            )
        if item.scale != "identity" and se[at] > _WIDE:
            yield f"{item.name} is poorly told: standard error {se[at]:.2f} on the {item.scale} scale."
        if np.isfinite(prior) and abs(marginal.point.theta[place] - item.start) > 2.0 * prior:
            yield (
                f"{item.name} lies outside the range of its table; look whether model and data fit each "
                f"other."
            )
    with np.errstate(invalid="ignore", divide="ignore"):
        together = covariance.matrix / np.outer(se, se)
    for first in range(len(names)):
        for second in range(first + 1, len(names)):
            if abs(together[first, second]) > _TIED:
                yield (
                    f"{names[first]} and {names[second]} cannot be told apart (correlation "
                    f"{together[first, second]:.2f})."
                )
    few = np.flatnonzero(drawn.effective < _FEW_DRAWS) if effects.random else np.empty(0, dtype=np.int64)
    if len(few):
        shown = ", ".join(f"{marginal.predictor.data.ids[place]:g}" for place in few[:8].tolist())
        yield (
            f"Far from normal is the posterior of ID {shown}{', ...' if len(few) > 8 else ''} (fewer than "
            f"{_FEW_DRAWS:g} effective draws): take their own values with care."
        )
