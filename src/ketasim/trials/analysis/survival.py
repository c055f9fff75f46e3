"""Time to an event: Kaplan-Meier curves, medians, log-rank tests and restricted mean survival time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr, ndtri

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis._risk_sets import risk_sets
from ketasim.trials.analysis._samples import (
    Flags,
    Floats,
    Integers,
    check_level,
    read_codes,
    read_flags,
    read_numbers,
    same_length,
    two_groups,
)
from ketasim.trials.analysis.estimate import Estimate, wald

__all__ = [
    "KaplanMeier",
    "LogRank",
    "kaplan_meier",
    "log_rank",
    "log_rank_many",
    "median_time",
    "numbers_at_risk",
    "restricted_mean",
    "restricted_mean_difference",
]

_INTERVALS = ("log-log", "log", "plain")


@dataclass(frozen=True)
class KaplanMeier:
    """A survival curve: what holds from each event time on; before the first, survival is 1.

    Parameters
    ----------
    times : ndarray (m,)
        Times with at least one event, increasing.
    at_risk, events : ndarray (m,)
        Persons under observation just before the time, and events at it.
    survival, se : ndarray (m,)
        Share without event just after the time, and its standard error (Greenwood 1926).
    low, high : ndarray (m,)
        Pointwise limits; nan where survival is zero.
    last : float
        Longest time of observation; the curve says nothing after it.
    """

    times: Floats
    at_risk: Floats
    events: Floats
    survival: Floats
    se: Floats
    low: Floats
    high: Floats
    last: float

    def at(self, times: npt.ArrayLike) -> Floats:
        """Give survival at any times; nan after the last observation unless the curve has reached zero."""
        asked = np.asarray(times, dtype=np.float64)
        steps = np.concatenate([[1.0], self.survival])
        values = steps[np.searchsorted(self.times, asked, side="right")]
        return np.where((asked > self.last) & (steps[-1] > 0.0), np.nan, values)


def kaplan_meier(
    time: npt.ArrayLike, event: npt.ArrayLike, *, alpha: float = 0.05, interval: str = "log-log"
) -> KaplanMeier:
    """Estimate a survival curve (Kaplan and Meier 1958).

    Parameters
    ----------
    time : array_like (n,)
        Time of the event or of the end of observation, any unit, not below zero.
    event : array_like (n,)
        1 event, 0 end of observation. A person whose observation ends at the time of an event was at risk.
    alpha : float
        One minus the level.
    interval : {"log-log", "log", "plain"}
        Scale on which the limits are symmetric (Kalbfleisch and Prentice 1980 for the default).

    Returns
    -------
    KaplanMeier
        The curve.

    Raises
    ------
    StudyError
        If values do not fit or the interval is unknown.
    """
    if interval not in _INTERVALS:
        raise StudyError(f"interval: {unknown_name('interval of survival', interval, _INTERVALS)}")
    when, happened = _observations(time, event)
    z = float(ndtri(1.0 - check_level(alpha) / 2.0))
    times, deaths = np.unique(when[happened], return_counts=True)
    events = deaths.astype(np.float64)
    at_risk = numbers_at_risk(when, times).astype(np.float64)
    survival: Floats = np.asarray(np.cumprod(1.0 - events / at_risk), dtype=np.float64)
    alive = survival > 0.0
    hazard = np.cumsum(events / np.where(alive, at_risk * (at_risk - events), np.inf))
    root = np.sqrt(hazard)
    se = np.where(alive, survival * root, 0.0)
    safe = np.where(alive & (survival < 1.0), survival, 0.5)
    if interval == "plain":
        low, high = np.maximum(survival - z * se, 0.0), np.minimum(survival + z * se, 1.0)
    elif interval == "log":
        low, high = safe * np.exp(-z * root), np.minimum(safe * np.exp(z * root), 1.0)
    else:
        half = z * root / np.log(safe)
        low, high = safe ** np.exp(-half), safe ** np.exp(half)
    low, high = np.where(alive, low, np.nan), np.where(alive, high, np.nan)
    return KaplanMeier(times, at_risk, events, survival, se, low, high, float(when.max()))


def numbers_at_risk(time: npt.ArrayLike, grid: npt.ArrayLike) -> Integers:
    """Count the persons still under observation just before each time of `grid`."""
    when = np.sort(np.asarray(time, dtype=np.float64))
    return np.asarray(when.size - np.searchsorted(when, np.asarray(grid), side="left"), dtype=np.int64)


def median_time(curve: KaplanMeier, *, share: float = 0.5, label: str = "median") -> Estimate:
    """Give the time by which a share had the event, with the interval of Brookmeyer and Crowley (1982).

    The limits are where the curve's own limits cross; they use the interval that the curve was made with.

    Parameters
    ----------
    curve : KaplanMeier
        A survival curve.
    share : float
        Share with the event; 0.5 is the median.
    label : str
        Label of the estimate.

    Returns
    -------
    Estimate
        Value and limits in the unit of time; infinite where the curve does not reach the share. It has no
        standard error and no test.
    """
    level = 1.0 - check_level(share, "share")

    def crossing(heights: Floats) -> float:
        known = ~np.isnan(heights)
        reached = np.flatnonzero((heights <= level + 1e-12) & known | ~known)
        if not reached.size:
            return math.inf
        first = int(reached[0])
        here = float(curve.times[first])
        # On a stretch exactly at the level, the middle of the stretch is taken, as is usual.
        flat = known[first] and abs(heights[first] - level) <= 1e-12
        if not flat:
            return here
        return (here + float(curve.times[first + 1])) / 2.0 if first + 1 < curve.times.size else here

    value = crossing(curve.survival)
    low, high = crossing(curve.low), crossing(np.where(np.isnan(curve.high), np.inf, curve.high))
    words = "Kaplan-Meier, Brookmeyer-Crowley interval"
    return Estimate(label, value, math.nan, math.inf, low, high, math.nan, math.nan, words)


@dataclass(frozen=True)
class LogRank:
    """A log-rank test.

    Parameters
    ----------
    chi2, df, p : float
        Statistic, degrees of freedom and p value.
    observed, expected : ndarray (groups,)
        Weighted events seen, and expected if all groups had the same hazard.
    z : float
        For two groups the signed root of `chi2`, negative if group 1 has fewer events than expected; nan for
        more groups.
    method : str
        Weights and strata in words.
    """

    chi2: float
    df: float
    p: float
    observed: Floats
    expected: Floats
    z: float
    method: str


def log_rank(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
    rho: float = 0.0,
    gamma: float = 0.0,
) -> LogRank:
    """Compare survival curves by the log-rank test of two or more groups, weighted and over strata.

    Parameters
    ----------
    time, event : array_like (n,)
        As in `kaplan_meier`.
    group : array_like (n,)
        Codes of the groups, whole numbers from 0.
    strata : array_like (n,), optional
        Codes of strata; sums are taken over them.
    rho, gamma : float
        Weights ``S^rho (1 - S)^gamma`` with the pooled survival just before (Fleming and Harrington 1991).

    Returns
    -------
    LogRank
        The test.

    Raises
    ------
    StudyError
        If values do not fit or there is only one group.
    """
    when, happened = _observations(time, event)
    arm = read_codes("group", group)
    layer = np.zeros(when.size, dtype=np.int64) if strata is None else read_codes("strata", strata)
    same_length(time=when, group=arm, strata=layer)
    codes, place = np.unique(arm, return_inverse=True)
    if codes.size < 2:
        raise StudyError(f"group: only code {codes.tolist()}; a log-rank test compares at least two groups.")
    member = np.eye(codes.size)[place]
    observed, expected = np.zeros(codes.size), np.zeros(codes.size)
    variance = np.zeros((codes.size, codes.size))
    for code in np.unique(layer):
        inside = layer == code
        parts = _score(when[None, inside], happened[None, inside], member[None, inside], rho, gamma)
        observed, expected = observed + parts[0][0], expected + parts[1][0]
        variance = variance + parts[2][0]
    gap = (observed - expected)[1:]
    chi2 = float(gap @ np.linalg.pinv(variance[1:, 1:]) @ gap)
    df = float(codes.size - 1)
    z = math.copysign(math.sqrt(max(chi2, 0.0)), gap[0]) if codes.size == 2 else math.nan
    weights = "log-rank" if rho == gamma == 0.0 else f"Fleming-Harrington({rho:g}, {gamma:g})"
    method = weights + ("" if strata is None else f", {np.unique(layer).size} strata")
    return LogRank(chi2, df, float(chdtrc(df, max(chi2, 0.0))), observed, expected, z, method)


def log_rank_many(
    time: npt.ArrayLike, event: npt.ArrayLike, group: npt.ArrayLike, *, rho: float = 0.0, gamma: float = 0.0
) -> tuple[Floats, Floats]:
    """Do the log-rank test of two groups in many trials at once.

    Parameters
    ----------
    time, event : array_like (R, n)
        One trial a row.
    group : array_like (n,) or (R, n)
        1 treatment, 0 comparator.
    rho, gamma : float
        Weights as in `log_rank`.

    Returns
    -------
    z, p : ndarray (R,)
        Statistic (negative if group 1 has fewer events than expected) and two-sided p value.
    """
    when = read_numbers("time", time, finite=True)
    happened = read_flags("event", event) == 1.0
    arm = np.broadcast_to(read_codes("group", group), when.shape)
    two_groups(arm.ravel())
    member = np.stack([arm == 0, arm == 1], axis=-1).astype(np.float64)
    observed, expected, variance = _score(when, happened, member, rho, gamma)
    spread = np.sqrt(np.maximum(variance[..., 1, 1], 0.0))
    gap = observed[..., 1] - expected[..., 1]
    z = np.where(spread > 0.0, gap / np.where(spread > 0.0, spread, 1.0), 0.0)
    return z, 2.0 * ndtr(-np.abs(z))


def restricted_mean(
    time: npt.ArrayLike, event: npt.ArrayLike, horizon: float, *, alpha: float = 0.05
) -> Estimate:
    """Give the mean time without event up to a horizon: the area under the survival curve.

    Parameters
    ----------
    time, event : array_like (n,)
        As in `kaplan_meier`.
    horizon : float
        End of the area, above 0 and not after the last time of observation, unless the curve is at zero.
    alpha : float
        One minus the level.

    Returns
    -------
    Estimate
        In the unit of time, with the variance of Greenwood's form (Irwin 1949; Royston and Parmar 2013).

    Raises
    ------
    StudyError
        If the horizon lies where the curve says nothing.
    """
    curve = kaplan_meier(time, event, alpha=alpha)
    ends = curve.survival.size and curve.survival[-1] <= 0.0
    if not (math.isfinite(horizon) and horizon > 0.0) or (horizon > curve.last and not ends):
        raise StudyError(
            f"horizon: {horizon!r} must be above 0 and at most {curve.last:g}, the last time observed."
        )
    inside = curve.times < horizon
    edges = np.concatenate([[0.0], curve.times[inside], [horizon]])
    heights = np.concatenate([[1.0], curve.survival[inside]])
    areas = np.diff(edges) * heights
    rest = np.cumsum(areas[::-1])[::-1][1:]  # area from each event time on
    risk, deaths = curve.at_risk[inside], curve.events[inside]
    last = risk == deaths  # nothing is left, so that the area is zero
    terms = rest**2 * deaths / np.where(last, 1.0, risk * (risk - deaths))
    se = math.sqrt(float(np.where(last, 0.0, terms).sum()))
    words = f"restricted mean time to {horizon:g}"
    return wald(words, float(areas.sum()), se, math.inf, "area under the Kaplan-Meier curve", alpha=alpha)


def restricted_mean_difference(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: npt.ArrayLike,
    horizon: float,
    *,
    alpha: float = 0.05,
) -> Estimate:
    """Compare group 1 with group 0 by the difference of restricted mean times; see `restricted_mean`."""
    when, happened = _observations(time, event)
    arm = read_codes("group", group)
    same_length(time=when, group=arm)
    two_groups(arm)
    one, other = (restricted_mean(when[arm == a], happened[arm == a], horizon, alpha=alpha) for a in (1, 0))
    label = f"difference of restricted mean time to {horizon:g}"
    return wald(
        label, one.value - other.value, math.hypot(one.se, other.se), math.inf, one.method, alpha=alpha
    )


def _observations(time: npt.ArrayLike, event: npt.ArrayLike) -> tuple[Floats, Flags]:
    when, happened = read_numbers("time", time, finite=True), read_flags("event", event) == 1.0
    if not same_length(time=when, event=happened):
        raise StudyError("time: no persons; give at least one.")
    if (when < 0.0).any():
        raise StudyError(f"time: {when.min():g} is below zero; count time from the start of observation.")
    return when, happened


def _score(
    time: Floats, event: Flags, member: Floats, rho: float, gamma: float
) -> tuple[Floats, Floats, Floats]:
    """Weighted observed and expected events (R, G) and covariance (R, G, G) of trials in rows."""
    sets = risk_sets(time, event, member)
    risk = sets.at_risk.sum(axis=-1)
    share = sets.at_risk / risk[..., None]
    deaths = sets.deaths.sum(axis=-1)
    weight = sets.event
    if rho != 0.0 or gamma != 0.0:
        # One factor for each time with events: put at the first person of the time.
        factor = np.where(sets.opens, 1.0 - deaths / risk, 1.0)
        curve = np.cumprod(np.concatenate([np.ones((*risk.shape[:-1], 1)), factor], axis=-1), axis=-1)
        before = np.take_along_axis(curve, sets.first, -1)
        weight = sets.event * before**rho * (1.0 - before) ** gamma
    observed = (weight[..., None] * sets.member).sum(axis=-2)
    expected = (weight[..., None] * share).sum(axis=-2)
    square = sets.event * weight**2 * (risk - deaths) / np.maximum(risk - 1.0, 1.0)
    own = (square[..., None] * share).sum(axis=-2)
    cross = np.einsum("...n,...ng,...nh->...gh", square, share, share)
    return observed, expected, own[..., None] * np.eye(member.shape[-1]) - cross
