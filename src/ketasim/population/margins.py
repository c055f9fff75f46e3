"""Distributions of single covariates, each given by its inverse distribution function.

A margin turns a uniform number into a value. That the reported moments are those of people
within limits is honoured: the distribution behind them is found first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from ketasim._lazy import lazy_module
from ketasim.errors import StudyError
from ketasim.population.truncation import Parent, parent_normal

if TYPE_CHECKING:
    from scipy import optimize, special
else:
    optimize = lazy_module("scipy.optimize")
    special = lazy_module("scipy.special")

__all__ = ["Alleles", "Classes", "Counts", "Fixed", "LogNormal", "Margin", "Normal", "Share"]

FloatArray = npt.NDArray[np.float64]

#: A whole number stands for the values up to a half around it.
_HALF = 0.5
#: Variance of a number that was rounded to whole ones (Sheppard's correction).
_ROUNDING = 1.0 / 12.0
#: How exactly moments must be met, as a share of the SD.
_CLOSE = 1e-6


class Margin(Protocol):
    """A distribution of one covariate."""

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:
        """Value at a probability; ``others`` are covariates that were found before."""

    @property
    def typical(self) -> float:
        """Value of a typical person."""


@dataclass(frozen=True)
class Fixed:
    """Everybody has one value."""

    value: float

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:  # noqa: ARG002
        """Return the value."""
        return np.full(u.shape, self.value)

    @property
    def typical(self) -> float:
        """The value."""
        return self.value


@dataclass(frozen=True)
class Normal:
    """A normal distribution cut at limits.

    Parameters
    ----------
    mean, sd : float
        Of those within ``window``.
    lower, upper : float
        Nobody lies outside.
    window : tuple of float
        Limits within which the moments were reported; equal to the limits, or narrower.
    """

    mean: float
    sd: float
    lower: float
    upper: float
    window: tuple[float, float]

    @property
    def parent(self) -> Parent:
        """The normal distribution behind it, cut at the limits."""
        found = parent_normal(self.mean, self.sd, *self.window)
        return Parent(found.mean, found.sd, self.lower, self.upper, found.shown_mean, found.shown_sd)

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:  # noqa: ARG002
        """Value at a probability."""
        return self.parent.quantile(u)

    @property
    def typical(self) -> float:
        """The mean."""
        return self.mean


@dataclass(frozen=True)
class LogNormal:
    """A log-normal distribution cut at limits; parameters as of :class:`Normal`."""

    mean: float
    sd: float
    lower: float
    upper: float
    window: tuple[float, float]

    @property
    def parent(self) -> Parent:
        """The normal distribution of the logarithm, cut at the limits."""
        centre, width = _log_parent(self.mean, self.sd, *self.window)
        low = math.log(self.lower) if self.lower > 0.0 else centre - 12.0 * width
        return Parent(centre, width, low, math.log(self.upper), math.nan, math.nan)

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:  # noqa: ARG002
        """Value at a probability."""
        return np.exp(self.parent.quantile(u))

    @property
    def typical(self) -> float:
        """The mean if the distribution is nearly symmetric, the median of a heavy tail."""
        return self.mean if self.sd < 0.5 * self.mean else math.exp(self.parent.mean)


@lru_cache(maxsize=512)
def _log_parent(mean: float, sd: float, lower: float, upper: float) -> tuple[float, float]:
    """Centre and SD of the logarithm so that mean and SD between the limits are met."""
    spread = math.sqrt(math.log1p((sd / mean) ** 2))
    low = math.log(lower) if lower > 0.0 else -math.inf
    high = math.log(upper)

    def misses(x: FloatArray) -> list[float]:
        centre, width = float(x[0]), math.exp(float(x[1]))
        first, second = _log_moments(centre, width, low, high)
        return [(first - mean) / sd, (math.sqrt(max(second - first * first, 0.0)) - sd) / sd]

    with np.errstate(all="ignore"):
        found = optimize.root(misses, [math.log(mean) - 0.5 * spread**2, math.log(spread)], tol=1e-12)
        left = np.abs(misses(found.x))
    if not (np.isfinite(left).all() and float(left.max()) < _CLOSE):
        raise StudyError(
            f"mean {mean:g} and SD {sd:g} cannot come from a log-normal distribution between {lower:g} and "
            f"{upper:g}; check the limits, the mean and the SD."
        )
    return float(found.x[0]), math.exp(float(found.x[1]))


def _log_moments(centre: float, width: float, low: float, high: float) -> tuple[float, float]:
    """Mean and mean square of exp(x) for a normal x between two limits."""
    a, b = (low - centre) / width, (high - centre) / width
    inside = special.ndtr(b) - special.ndtr(a)
    first, second = (
        math.exp(min(k * centre + 0.5 * (k * width) ** 2, 700.0))
        * float(special.ndtr(b - k * width) - special.ndtr(a - k * width))
        / inside
        for k in (1, 2)
    )
    return float(first), float(second)


@dataclass(frozen=True)
class Counts:
    """Whole numbers: a normal distribution cut at limits and rounded; parameters as of :class:`Normal`."""

    mean: float
    sd: float
    lower: float
    upper: float
    window: tuple[float, float]

    @property
    def parent(self) -> Parent:
        """The normal distribution that is rounded."""
        sd = math.sqrt(max(self.sd**2 - _ROUNDING, 0.01))
        found = parent_normal(self.mean, sd, self.window[0] - _HALF, self.window[1] + _HALF)
        return Parent(
            found.mean, found.sd, self.lower - _HALF, self.upper + _HALF, found.shown_mean, found.shown_sd
        )

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:  # noqa: ARG002
        """Value at a probability."""
        return np.clip(np.floor(self.parent.quantile(u) + _HALF), self.lower, self.upper)

    @property
    def typical(self) -> float:
        """The mean, rounded."""
        return float(math.floor(self.mean + _HALF))


@dataclass(frozen=True)
class Share:
    """1 for a share of people, 0 for the others."""

    share: float

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:  # noqa: ARG002
        """1 at the upper end, so that a positive correlation means that both go up together."""
        return (u >= 1.0 - self.share).astype(np.float64)

    @property
    def typical(self) -> float:
        """What most people have."""
        return float(self.share >= 0.5)


@dataclass(frozen=True)
class Classes:
    """Whole numbers from 0 with a share each.

    Parameters
    ----------
    shares : tuple of float
        Of 1, 2 and so on; the rest has 0.
    """

    shares: tuple[float, ...]

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:  # noqa: ARG002
        """Value at a probability."""
        # Shares of each number or a higher one.
        above = np.cumsum(self.shares[::-1])[::-1]
        return np.asarray(np.sum([u >= 1.0 - part for part in above], axis=0), dtype=np.float64)

    @property
    def typical(self) -> float:
        """The most frequent."""
        every = (1.0 - sum(self.shares), *self.shares)
        return float(every.index(max(every)))


@dataclass(frozen=True)
class Alleles:
    """How many of two alleles are of one kind, by ancestry.

    Parameters
    ----------
    frequency : float
        Of the allele, where the ancestry has no frequency of its own.
    by_group : tuple of (str, float)
        Frequency by the covariate of the ancestry.
    """

    frequency: float
    by_group: tuple[tuple[str, float], ...] = ()

    def quantile(self, u: FloatArray, others: Mapping[str, FloatArray]) -> FloatArray:
        """Number of alleles at a probability, with both alleles independent of each other."""
        frequency = np.full(u.shape, self.frequency)
        for group, own in self.by_group:
            frequency = np.where(others[group] > 0.5, own, frequency)
        one, two = 1.0 - (1.0 - frequency) ** 2, frequency**2
        return np.asarray((u >= 1.0 - one).astype(np.float64) + (u >= 1.0 - two), dtype=np.float64)

    @property
    def typical(self) -> float:
        """The most frequent genotype, without regard to ancestry."""
        return Classes((2.0 * self.frequency * (1.0 - self.frequency), self.frequency**2)).typical


def normal_scores(u: FloatArray) -> FloatArray:
    """Standard normal numbers of uniform ones."""
    return np.asarray(special.ndtri(u), dtype=np.float64)


def positions(z: FloatArray) -> FloatArray:
    """Uniform numbers of standard normal ones."""
    return np.asarray(special.ndtr(z), dtype=np.float64)


def categories(u: FloatArray, names: Sequence[str], shares: Sequence[float]) -> dict[str, FloatArray]:
    """Put each person into exactly one of several groups.

    Parameters
    ----------
    u : ndarray, shape (n,)
        Uniform numbers.
    names, shares : sequence
        Groups and their shares, which sum to 1.

    Returns
    -------
    dict of str to ndarray, shape (n,)
        1 in one group, 0 in the others.
    """
    ends = np.cumsum(shares)
    place = np.searchsorted(ends[:-1], u, side="right")
    return {name: (place == i).astype(np.float64) for i, name in enumerate(names)}
