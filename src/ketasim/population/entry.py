"""What is hidden in the score with which people enter: stress, error and trait."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ketasim._lazy import lazy_module
from ketasim.population.streams import FloatArray, IntArray
from ketasim.population.truncation import Parent

if TYPE_CHECKING:
    from scipy import special
else:
    special = lazy_module("scipy.special")

__all__ = ["EntrySplit", "refused_scores", "score_quantile", "share_inside"]

#: Stress may carry at most this share of the spread between people, else nothing is left to be a trait.
_LARGEST_STRESS_SHARE = 0.8
#: Error may carry at most this share of the variance that stress leaves.
_LARGEST_ERROR_SHARE = 0.9


@dataclass(frozen=True)
class EntrySplit:
    """How the variance of the parent populations splits, in points.

    Parameters
    ----------
    mean, sd, stress_sd, error_sd, trait_sd : ndarray, shape (n,)
        Of each person's parent: its mean and SD, and the SD of each part.
    """

    mean: FloatArray
    sd: FloatArray
    stress_sd: FloatArray
    error_sd: FloatArray
    trait_sd: FloatArray

    @classmethod
    def of(cls, parents: Sequence[Parent], which: IntArray, stress_sd: float, error_sd: float) -> EntrySplit:
        """Split the parents.

        Parameters
        ----------
        parents : sequence of Parent
            Normal populations behind the baselines.
        which : ndarray of int, shape (n,)
            Parent of each person.
        stress_sd : float
            Points of the scale per unit of stress z; at most 0.8 of a parent's SD is used.
        error_sd : float
            SD of occasion and rater error, in points; at most 0.9 of the variance that stress leaves.
        """
        rows = []
        for parent in parents:
            stress = min(stress_sd, _LARGEST_STRESS_SHARE * parent.sd)
            rest = parent.sd**2 - stress**2
            error = min(error_sd**2, _LARGEST_ERROR_SHARE * rest)
            rows.append((parent.mean, parent.sd, stress, math.sqrt(error), math.sqrt(rest - error)))
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)[which]
        return cls(*table.T.copy())

    def given(
        self, baseline: FloatArray, z_stress: FloatArray, z_error: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Stress (z) and error (points) at entry from their normal distribution given the total."""
        variance = self.sd**2
        above = baseline - self.mean
        stress = above * self.stress_sd / variance + np.sqrt(1.0 - self.stress_sd**2 / variance) * z_stress
        rest = self.error_sd**2 + self.trait_sd**2
        error = self.error_sd**2 / rest * (above - self.stress_sd * stress)
        return stress, error + self.error_sd * self.trait_sd / np.sqrt(rest) * z_error


def score_quantile(parents: Sequence[Parent], which: IntArray, u: FloatArray) -> FloatArray:
    """Total at entry of each person at a probability."""
    score = np.empty(len(which))
    for place, parent in enumerate(parents):
        here = which == place
        score[here] = parent.quantile(u[here])
    return score


def share_inside(parent: Parent, top: float) -> float:
    """Share of a parent population, within the ends of the scale, that may enter."""
    lower, upper, bottom, end = (
        float(special.ndtr((limit - parent.mean) / parent.sd))
        for limit in (parent.lower, parent.upper, 0.0, top)
    )
    return min(1.0, (upper - lower) / (end - bottom))


def refused_scores(shares: FloatArray, needed: IntArray, u: FloatArray) -> npt.NDArray[np.int64]:
    """How many candidates the entry score refused before one could enter.

    Parameters
    ----------
    shares : ndarray, shape (n,)
        Share of candidates whose score is within the limits.
    needed : ndarray of int, shape (n,)
        Candidates with such a score that were seen: the others fail a rule on covariates, which
        goes independently of the score.
    u : ndarray, shape (n,)
        Uniform numbers.

    Returns
    -------
    ndarray of int, shape (n,)
        Geometric if one is needed, else negative binomial: failures before the last success.
    """
    from scipy.stats import nbinom

    count = np.zeros(len(u), dtype=np.int64)
    some = shares < 1.0
    one = some & (needed == 1)
    # The smallest k with 1 - (1 - p)^(k + 1) >= u.
    count[one] = np.ceil(np.log1p(-u[one]) / np.log1p(-shares[one])).astype(np.int64) - 1
    more = some & (needed > 1)
    if more.any():
        count[more] = np.asarray(nbinom.ppf(u[more], needed[more], shares[more]), dtype=np.int64)
    return np.maximum(count, 0)
