"""The normal population behind a trial's reported mean and SD when entry was limited by a cut-off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim._lazy import lazy_module
from ketasim.errors import StudyError

if TYPE_CHECKING:
    from scipy import optimize, special
else:
    optimize = lazy_module("scipy.optimize")
    special = lazy_module("scipy.special")

__all__ = ["Parent", "parent_normal"]

#: A parent mean further than this many reported SDs from the reported mean is not believed: it would
#: turn a rounded SD into a huge regression to the mean.
_FARTHEST_MEAN = 1.5
_NARROWEST_SD, _WIDEST_SD, _TRIALS = 0.5, 3.0, 41
_HALVINGS = 20


@dataclass(frozen=True)
class Parent:
    """A normal distribution that is seen only between two cut-offs.

    Parameters
    ----------
    mean, sd : float
        Of the whole normal distribution.
    lower, upper : float
        The cut-offs.
    shown_mean, shown_sd : float
        Mean and SD between the cut-offs.
    """

    mean: float
    sd: float
    lower: float
    upper: float
    shown_mean: float
    shown_sd: float

    def quantile(self, probability: ArrayLike) -> NDArray[np.float64]:
        """Values between the cut-offs at given probabilities, by the inverse distribution function."""
        # The upper tail is computed from the upper side, where the distribution function would round to 1.
        a, b = (self.lower - self.mean) / self.sd, (self.upper - self.mean) / self.sd
        u = np.asarray(probability, dtype=np.float64)
        if a > 0:
            z = -special.ndtri(special.ndtr(-a) + u * (special.ndtr(-b) - special.ndtr(-a)))
        else:
            z = special.ndtri(special.ndtr(a) + u * (special.ndtr(b) - special.ndtr(a)))
        return np.clip(self.mean + self.sd * z, self.lower, self.upper)


def _moments(mean: float, sd: float, lower: float, upper: float) -> tuple[float, float]:
    """Mean and SD of a normal distribution between two finite cut-offs."""
    a, b = (lower - mean) / sd, (upper - mean) / sd
    inside = special.ndtr(-a) - special.ndtr(-b) if a > 0 else special.ndtr(b) - special.ndtr(a)
    low, high = (math.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) for z in (a, b))
    shift = (low - high) / inside
    variance = 1.0 + (a * low - b * high) / inside - shift * shift
    return float(mean + sd * shift), float(sd * math.sqrt(max(variance, 0.0)))


def _centre(mean: float, reach: float, width: float, lower: float, upper: float) -> float:
    """Parent mean, at most ``reach`` away, that shows ``mean`` with a parent SD ``width``; NaN if none."""

    def gap(m: float) -> float:
        return _moments(m, width, lower, upper)[0] - mean

    first, last = mean - reach, mean + reach
    if gap(first) > 0.0 or gap(last) < 0.0:
        return math.nan
    return float(optimize.brentq(gap, first, last, xtol=1e-10))


def _solve(mean: float, sd: float, lower: float, upper: float) -> tuple[Parent | None, bool]:
    """Nearest parent between fixed cut-offs, and whether it shows the reported SD."""
    reach = _FARTHEST_MEAN * sd

    def excess(width: float) -> float:
        middle = _centre(mean, reach, width, lower, upper)
        return math.nan if math.isnan(middle) else _moments(middle, width, lower, upper)[1] - sd

    widths = [float(width) for width in sd * np.geomspace(_NARROWEST_SD, _WIDEST_SD, _TRIALS)]
    gaps = np.array([excess(width) for width in widths])
    crossings = np.flatnonzero((gaps[:-1] <= 0.0) & (gaps[1:] > 0.0))
    if crossings.size:
        first = int(crossings[0])
        width = float(optimize.brentq(excess, widths[first], widths[first + 1], xtol=1e-10))
    elif np.isfinite(gaps).any():
        width = widths[int(np.nanargmin(np.abs(gaps)))]
    else:
        return None, False
    middle = _centre(mean, reach, width, lower, upper)
    return Parent(middle, width, lower, upper, *_moments(middle, width, lower, upper)), bool(crossings.size)


@lru_cache(maxsize=1024)
def parent_normal(
    mean: float, sd: float, lower: float, upper: float, scale: tuple[float, float] | None = None
) -> Parent:
    """Find the normal distribution that shows a given mean and SD between two cut-offs.

    Parameters
    ----------
    mean, sd : float
        As reported for those who were let in.
    lower, upper : float
        Finite entry limits; the ends of the scale where a trial had no limit.
    scale : tuple of float, optional
        Ends of the scale. If no such normal distribution exists between the limits,
        they are moved towards these ends as little as needed: reported moments are
        data, and an entry rule was often applied at an earlier visit. Without it the
        limits stay and the nearest SD is taken.

    Returns
    -------
    Parent
        Shows ``mean`` exactly, and ``sd`` where a distribution exists whose mean is
        within 1.5 reported SDs of the reported one; else the nearest SD that can be
        had. ``shown_sd``, ``lower`` and ``upper`` say what was reached.

    Raises
    ------
    StudyError
        If the SD is not positive, the mean does not lie between the cut-offs, or no
        normal distribution comes near.

    Notes
    -----
    First two moments of the doubly truncated normal distribution: Johnson, Kotz
    and Balakrishnan 1994, Continuous Univariate Distributions 1, chapter 13.
    """
    if not (math.isfinite(sd) and sd > 0.0):
        raise StudyError(f"SD {sd!r}: it must be a positive number; give the SD at entry.")
    if not lower < mean < upper:
        raise StudyError(
            f"mean {mean!r} does not lie between the entry limits {lower:g} and {upper:g}; "
            "change the mean or the entry rule."
        )
    best, exact = _solve(mean, sd, lower, upper)
    if not exact and scale is not None:
        best = _relaxed(mean, sd, (lower, upper), scale) or best
    if best is None:
        raise StudyError(
            f"mean {mean:g} and SD {sd:g} cannot come from limits {lower:g} to {upper:g}; "
            "check the limits, the mean and the SD."
        )
    return best


def _relaxed(
    mean: float, sd: float, limits: tuple[float, float], scale: tuple[float, float]
) -> Parent | None:
    """Parent for the limits that are nearest to the given ones, towards the ends of the scale."""

    def at(share: float) -> tuple[Parent | None, bool]:
        lower, upper = (limit + share * (end - limit) for limit, end in zip(limits, scale, strict=True))
        return _solve(mean, sd, lower, upper)

    best, exact = at(1.0)
    if not exact:
        return best
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        found, exact = at(middle)
        if exact:
            best, high = found, middle
        else:
            low = middle
    return best
