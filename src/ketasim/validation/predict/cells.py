"""From persons in draws to the cells of a prediction: one number a draw, and how much one person moves it.

Groups of a draw are small. What needs many persons (a spread, a rate near its end) is therefore taken over
all draws, and draws enter by how far they are off, on a straight line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from ketasim.trials.row_people import Moments, People

__all__ = [
    "Cells",
    "Moved",
    "in_sample",
    "moved_by",
    "of_correlation",
    "of_effect_size",
    "of_log_mean",
    "of_mean",
    "of_median",
    "of_rate",
    "of_ratio_of_changes",
    "of_relative",
    "of_sd",
    "of_share",
    "of_share_log",
    "versus",
]

FloatArray = npt.NDArray[np.float64]

#: Sampling variance of a median over that of a mean, of a normal distribution.
_MEDIAN = 0.5 * np.pi
#: Fisher's z of a sample varies by the inverse of its size less this.
_FISHER = 3.0
_MOST_CORRELATION = 0.999
#: A point moves the logit of a share by at least this: a normal spread of 20 points would do as much at its
#: middle, and where nobody is near the limit, few persons tell less than that.
_LEAST_PER_POINT = 0.08
#: Standard errors of all draws together by which the divisor of a quotient must be off nothing.
_TOLD_APART = 3.0


@dataclass(frozen=True)
class Moved:
    """A share if everybody's total were otherwise.

    Parameters
    ----------
    worse, better : float
        The share with some points more, and with some less.
    points : float
        By how much the two differ.
    """

    worse: float
    better: float
    points: float


@dataclass(frozen=True, eq=False)
class Cells:
    """A statistic by draw, on the scale of its class.

    Parameters
    ----------
    values : array, shape (draws,)
        NaN in a draw without persons.
    within : float
        Variance of one person's contribution.
    sizes : array, shape (draws,)
        Persons of each cell, counted as the published size is.
    noise : float, optional
        Variance of one person's contribution to a cell, if another than ``within``.
    lost : float
        By how much a sample of the published size counts less.
    row_class : str, optional
        Class on whose scale the cells are, if another than that of the row.
    shares : array, shape (draws,), optional
        Of a rate, the share of each draw as it is.
    per_point : float, optional
        Of what is made of points (shares below a limit, as logits; standardised differences), by how much it
        changes if everybody's total does by a point.
    moved : Moved, optional
        Of a share below a limit, what it would be in a trial that is off by a usual amount.
    """

    values: FloatArray
    within: float
    sizes: FloatArray
    noise: float | None = None
    lost: float = 0.0
    row_class: str | None = None
    shares: FloatArray | None = None
    per_point: float | None = None
    moved: Moved | None = None

    @property
    def of_cells(self) -> float:
        """Variance of one person's contribution to a cell."""
        return self.within if self.noise is None else self.noise


def _pooled(moments: Moments) -> float:
    """Variance between persons of one draw, over all draws; 0 if there are no two in any."""
    known = moments.n > 1
    freedom = float((moments.n[known] - 1.0).sum())
    if freedom == 0.0:
        return 0.0
    return float(((moments.n[known] - 1.0) * moments.variance[known]).sum()) / freedom


def _overall(moments: Moments) -> float:
    """Mean of all persons."""
    known = moments.n > 0
    total = float(moments.n[known].sum())
    return float((moments.n[known] * moments.mean[known]).sum()) / total if total else np.nan


def of_mean(moments: Moments) -> Cells:
    """Means as they are."""
    return Cells(moments.mean, _pooled(moments), moments.n)


def of_log_mean(moments: Moments) -> Cells:
    """Logarithms of means; of values that are not positive, the means as they are, class ``absolute``."""
    known = moments.n > 0
    if not known.any() or (moments.mean[known] <= 0.0).any():
        return replace(of_mean(moments), row_class="absolute")
    with np.errstate(invalid="ignore"):
        scaled = Moments(moments.n, moments.mean, moments.variance / moments.mean**2)
        return Cells(np.log(moments.mean), _pooled(scaled), moments.n)


def of_median(people: People, values: FloatArray, *, log: bool) -> Cells:
    """Medians, as they are or as logarithms; the median of all persons with the draws' means about it."""
    moments = people.moments(values)
    means = of_log_mean(moments) if log else of_mean(moments)
    known = np.isfinite(values)
    if not known.any():
        return means
    off = 0.0
    if means.row_class is None:
        middle, mean = float(np.median(values[known])), _overall(moments)
        off = float(np.log(middle / mean)) if log else middle - mean
    return replace(means, values=means.values + off, noise=means.within, within=_MEDIAN * means.within)


def _share_of(moments: Moments) -> tuple[float, FloatArray]:
    """Share over all draws, with half a person on each side, and the share of each draw."""
    total = float(moments.n.sum())
    hits = float(np.nansum(moments.n * moments.mean))
    return (hits + 0.5) / (total + 1.0), moments.mean


def of_rate(moments: Moments) -> Cells:
    """Logits of shares of persons, on a straight line about the share in all draws."""
    share, shares = _share_of(moments)
    slope = share * (1.0 - share)
    values = _logit(share) + (shares - share) / slope
    return Cells(values, 1.0 / slope, moments.n, shares=shares)


def moved_by(cells: Cells, worse: Moments, better: Moments, points: float) -> Cells:
    """Cells of a rate with how far a point moves them.

    Parameters
    ----------
    cells : Cells
        As of :func:`of_rate`.
    worse, better : Moments
        Shares of the same persons with some points more, and some less.
    points : float
        By how much the two differ.
    """
    moved = Moved(_share_of(worse)[0], _share_of(better)[0], points)
    slope = (_logit(moved.better) - _logit(moved.worse)) / points
    return replace(cells, per_point=max(slope, _LEAST_PER_POINT), moved=moved)


def _logit(share: float) -> float:
    return float(np.log(share / (1.0 - share)))


def in_sample(cells: Cells, n: float) -> Cells:
    """Logits of shares as a sample shows them, with half a person on each side.

    Parameters
    ----------
    cells : Cells
        As of :func:`of_rate`.
    n : float
        Size of the sample.

    Returns
    -------
    Cells
        ``within / n`` is the exact variance of such a logit of a binomial number: in a small sample a rare
        thing varies far less than the slope of the logit says. Where it is known how a share follows the
        points, that variance is the mean of two trials, one worse and one better by a usual amount, and a
        point counts by what lies between them: what nobody reaches in a usual trial some reach in a good one.
    """
    if cells.shares is None:
        return cells
    known = cells.sizes > 0.0
    total = float(cells.sizes[known].sum())
    share = (float((cells.sizes[known] * cells.shares[known]).sum()) + 0.5) / (total + 1.0)
    seen = (n * share + 0.5) / (n + 1.0)
    slope = n / (n + 1.0) / (seen * (1.0 - seen))
    mean, variance = _sampled(share, n)
    values = mean + slope * (cells.shares - share)
    spread = share * (1.0 - share)
    per_point = cells.per_point
    if cells.moved is not None and per_point is not None:
        (worse, worse_variance), (better, better_variance) = (
            _sampled(own, n) for own in (cells.moved.worse, cells.moved.better)
        )
        variance = 0.5 * (worse_variance + better_variance)
        per_point = max((better - worse) / cells.moved.points, _LEAST_PER_POINT * spread * slope)
    return replace(cells, values=values, within=n * variance, noise=spread * slope**2, per_point=per_point)


def _sampled(share: float, n: float) -> tuple[float, float]:
    """Mean and variance of the logit of a share in samples, with half a person on each side."""
    whole = max(round(n), 1)
    hits = np.arange(whole + 1.0)
    chances = np.exp(
        gammaln(whole + 1.0) - gammaln(hits + 1.0) - gammaln(whole - hits + 1.0)
        + hits * np.log(share) + (whole - hits) * np.log1p(-share)
    )  # fmt: skip
    logits = np.log((hits + 0.5) / (whole - hits + 0.5))
    mean = float(chances @ logits)
    return mean, float(chances @ (logits - mean) ** 2)


def of_share(moments: Moments) -> Cells:
    """Shares of persons as they are."""
    share, shares = _share_of(moments)
    return Cells(shares, share * (1.0 - share), moments.n)


def of_share_log(moments: Moments) -> Cells:
    """Logarithms of shares of persons, on a straight line about the share in all draws."""
    share, shares = _share_of(moments)
    return Cells(np.log(share) + (shares - share) / share, (1.0 - share) / share, moments.n)


def versus(cells: Cells, other: Cells) -> Cells:
    """One group less another on the scale of the cells; sizes are those of one group, harmonic means."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = 2.0 / (1.0 / cells.sizes + 1.0 / other.sizes)
    return Cells(
        cells.values - other.values,
        cells.within + other.within,
        np.where(np.isfinite(sizes), sizes, 0.0),
        cells.of_cells + other.of_cells,
        row_class=cells.row_class or other.row_class,
    )


def of_relative(moments: Moments, base: Moments, covariance: float = 0.0, *, paired: bool) -> Cells:
    """Relative difference of means from those of a base.

    Parameters
    ----------
    moments, base : Moments
        Of the values, and of what they are compared with.
    covariance : float
        Between a person's value and his base, where both are of the same persons.
    paired : bool
        Whether both are of the same persons.
    """
    ratio, low = _overall(moments) / _overall(base), _overall(base)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = moments.mean / base.mean - 1.0
        sizes = moments.n if paired else 2.0 / (1.0 / moments.n + 1.0 / base.n)
    within = (_pooled(moments) + ratio**2 * _pooled(base) - 2.0 * ratio * covariance) / low**2
    return Cells(values, max(within, 0.0), np.where(np.isfinite(sizes), sizes, 0.0))


def of_sd(moments: Moments) -> Cells:
    """Logarithms of SDs between persons, on a straight line about the one within all draws."""
    variance = _pooled(moments)
    if variance == 0.0:
        return Cells(np.full(len(moments.n), np.nan), 0.5, moments.n)
    values = 0.5 * np.log(variance) + 0.5 * (moments.variance - variance) / variance
    return Cells(values, 0.5, np.maximum(moments.n - 1.0, 0.0), lost=1.0)


def of_effect_size(moments: Moments, other: Moments | None = None) -> Cells:
    """Difference of means over the SD between persons; without another group, mean over SD.

    Notes
    -----
    The SD is taken within all draws. A sample of n varies by its means and by its own SD (Hedges and
    Olkin 1985): ``1 / n + d^2 / (2 n)``, of two groups ``2 / n + d^2 / (4 n)``.
    """
    cells = of_mean(moments)
    if other is not None:
        cells = versus(cells, of_mean(other))
    variance = cells.within if other is None else 0.5 * cells.within
    if variance == 0.0:
        return replace(cells, values=np.full(len(cells.values), np.nan))
    values, groups = cells.values / np.sqrt(variance), 1.0 if other is None else 2.0
    known = np.isfinite(values) & (cells.sizes > 0.0)
    size = float(np.average(values[known], weights=cells.sizes[known])) if known.any() else 0.0
    within = groups + size**2 / (2.0 * groups)
    return Cells(values, within, cells.sizes, groups, per_point=1.0 / float(np.sqrt(variance)))


def of_correlation(people: People, first: FloatArray, second: FloatArray) -> Cells:
    """Fisher's z of the correlation between persons, about the one within all draws."""
    both = np.isfinite(first) & np.isfinite(second)
    first, second = np.where(both, first, np.nan), np.where(both, second, np.nan)
    one, two = people.moments(first), people.moments(second)
    products = (first - one.mean[people.place]) * (second - two.mean[people.place])
    sums = np.nan_to_num(people.moments(products).mean) * one.n
    spread = np.nan_to_num((one.n - 1.0)[:, None] * np.stack([one.variance, two.variance], axis=1))
    total = np.sqrt(spread.sum(axis=0).prod())
    sizes = np.where(one.n > _FISHER, one.n - _FISHER, 0.0)
    if total == 0.0:
        return Cells(np.full(len(one.n), np.nan), 1.0, sizes, lost=_FISHER)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.arctanh(np.clip(sums / np.sqrt(spread.prod(axis=1)), -_MOST_CORRELATION, _MOST_CORRELATION))
    known = np.isfinite(each) & (sizes > 0.0)
    all_draws = float(np.arctanh(np.clip(sums.sum() / total, -_MOST_CORRELATION, _MOST_CORRELATION)))
    # Few persons a draw: their own correlations tell how draws differ, and all of them where they lie.
    mean = float(np.average(each[known], weights=sizes[known])) if known.any() else 0.0
    return Cells(each - mean + all_draws, 1.0, sizes, lost=_FISHER)


def of_ratio_of_changes(first: Cells, second: Cells) -> Cells:
    """Quotient of two means or differences, on a straight line about the one in all draws.

    Logarithms, class ``log``, if both have the same sign; else as it is, class ``relative``. The two are
    taken as independent, which makes the spread too wide rather than too narrow.
    """
    known = np.isfinite(first.values) & np.isfinite(second.values) & (first.sizes > 0.0)
    above, below = (
        float(np.average(cells.values[known], weights=cells.sizes[known])) if known.any() else np.nan
        for cells in (first, second)
    )
    ratio = above / below if below else np.nan
    # A quotient by what is not told from nothing has no value.
    error = second.of_cells / float(second.sizes[known].sum()) if known.any() else np.nan
    if not abs(below) > _TOLD_APART * np.sqrt(error):
        ratio = np.nan
    values = ratio + (first.values - ratio * second.values) / below
    within = (first.within + ratio**2 * second.within) / below**2
    if ratio > 0.0:
        return Cells(np.log(ratio) + values / ratio - 1.0, within / ratio**2, first.sizes, row_class="log")
    return Cells(values, within, first.sizes, row_class="relative")
