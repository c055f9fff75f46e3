"""Responders and remitters: rates, differences and ratios of two groups, exact tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ketasim._lazy import lazy_module
from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis._samples import Floats, check_level, read_numbers
from ketasim.trials.analysis.estimate import Estimate, two_sided_p

if TYPE_CHECKING:
    from scipy import special, stats
else:
    special = lazy_module("scipy.special")
    stats = lazy_module("scipy.stats")

__all__ = [
    "exact_p",
    "odds_ratio",
    "rate",
    "rate_interval",
    "risk_difference",
    "risk_difference_interval",
    "risk_ratio",
    "score_statistic",
]

_EXACT_TESTS = ("fisher", "boschloo", "barnard")


def rate_interval(
    events: npt.ArrayLike, n: npt.ArrayLike, *, method: str = "exact", alpha: float = 0.05
) -> tuple[Floats, Floats]:
    """Give the interval of a rate, for arrays of any shape.

    Parameters
    ----------
    events, n : array_like
        Persons with the event, and all persons (above 0); whole numbers that broadcast together.
    method : {"exact", "wilson"}
        Clopper and Pearson (1934), or the score interval of Wilson (1927).
    alpha : float
        One minus the level.

    Returns
    -------
    low, high : ndarray
        Limits between 0 and 1.

    Raises
    ------
    StudyError
        If a count is impossible or the method unknown.
    """
    count, total = _counts("events", events, "n", n)
    check_level(alpha)
    if method == "exact":
        low = np.where(
            count > 0.0, special.betaincinv(np.maximum(count, 0.5), total - count + 1.0, alpha / 2.0), 0.0
        )
        upper = special.betaincinv(count + 1.0, np.maximum(total - count, 0.5), 1.0 - alpha / 2.0)
        return low, np.where(count < total, upper, 1.0)
    if method == "wilson":
        return _wilson(count, total, alpha)
    raise StudyError(f"method: {unknown_name('interval of a rate', method, ('exact', 'wilson'))}")


def rate(events: int, n: int, *, method: str = "exact", alpha: float = 0.05, label: str = "rate") -> Estimate:
    """Give one rate with its interval (see `rate_interval`); it has no test."""
    low, high = rate_interval(events, n, method=method, alpha=alpha)
    value = events / n
    words = "Clopper-Pearson exact interval" if method == "exact" else "Wilson score interval"
    se = math.sqrt(value * (1.0 - value) / n)
    return Estimate(label, value, se, math.inf, float(low), float(high), math.nan, math.nan, words)


def score_statistic(
    events: npt.ArrayLike,
    n: npt.ArrayLike,
    control_events: npt.ArrayLike,
    control_n: npt.ArrayLike,
    difference: npt.ArrayLike = 0.0,
    *,
    corrected: bool = True,
) -> Floats:
    """Give the score statistic that the difference of two rates is `difference`, for arrays of any shape.

    The variance is that at the maximum-likelihood rates under the difference (Farrington and Manning 1990),
    with the factor N / (N - 1) of Miettinen and Nurminen (1985) if `corrected`.

    Parameters
    ----------
    events, n, control_events, control_n : array_like
        Counts of the treatment and of the comparator; they broadcast together.
    difference : array_like
        Rate of the treatment minus that of the comparator under the hypothesis, within (-1, 1).
    corrected : bool
        Whether the factor is used.

    Returns
    -------
    ndarray
        Statistic, standard normal under the hypothesis; positive if the observed difference is larger.
    """
    x1, n1 = _counts("events", events, "n", n)
    x0, n0 = _counts("control_events", control_events, "control_n", control_n)
    return _score(x1, n1, x0, n0, np.asarray(difference, dtype=np.float64), corrected)


def _score(x1: Floats, n1: Floats, x0: Floats, n0: Floats, delta: Floats, corrected: bool) -> Floats:
    total = n1 + n0
    # The restricted rate of the comparator is the root in range of a cubic with these coefficients.
    second = ((n1 + 2.0 * n0) * delta - total - x1 - x0) / (3.0 * total)
    first = (((n0 * delta) - total - 2.0 * x0) * delta + x1 + x0) / total
    zeroth = x0 * delta * (1.0 - delta) / total
    q = second**3 - first * second / 2.0 + zeroth / 2.0
    size = np.where(q < 0.0, -1.0, 1.0) * np.sqrt(np.maximum(second**2 - first / 3.0, 0.0))
    cosine = np.divide(q, size**3, out=np.zeros(q.shape), where=size != 0.0)
    angle = (math.pi + np.arccos(np.clip(cosine, -1.0, 1.0))) / 3.0
    p0 = np.clip(2.0 * size * np.cos(angle) - second, np.maximum(-delta, 0.0), np.minimum(1.0 - delta, 1.0))
    p1 = p0 + delta
    variance = p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0
    if corrected:
        variance = variance * total / (total - 1.0)
    gap = x1 / n1 - x0 / n0 - delta
    spread = np.sqrt(np.maximum(variance, 0.0))
    # No spread at all: the hypothesis holds exactly or is impossible.
    certain = np.where(np.abs(gap) < 1e-15, 0.0, np.where(gap > 0.0, np.inf, -np.inf))
    return np.where(spread > 0.0, gap / np.where(spread > 0.0, spread, 1.0), certain)


def risk_difference_interval(
    events: npt.ArrayLike,
    n: npt.ArrayLike,
    control_events: npt.ArrayLike,
    control_n: npt.ArrayLike,
    *,
    method: str = "miettinen_nurminen",
    alpha: float = 0.05,
) -> tuple[Floats, Floats]:
    """Give the interval of a difference of two rates, for arrays of any shape.

    Parameters
    ----------
    events, n, control_events, control_n : array_like
        Counts of the treatment and of the comparator; they broadcast together.
    method : {"miettinen_nurminen", "newcombe", "wald"}
        Score interval of Miettinen and Nurminen (1985); hybrid of Wilson intervals, method 10 of Newcombe
        (1998, Statistics in Medicine 17:873); or the simple one, which is too short in small trials.
    alpha : float
        One minus the level.

    Returns
    -------
    low, high : ndarray
        Limits between -1 and 1.

    Raises
    ------
    StudyError
        If a count is impossible or the method unknown.
    """
    x1, n1 = _counts("events", events, "n", n)
    x0, n0 = _counts("control_events", control_events, "control_n", control_n)
    x1, n1, x0, n0 = np.broadcast_arrays(x1, n1, x0, n0)
    z = float(special.ndtri(1.0 - check_level(alpha) / 2.0))
    p1, p0 = x1 / n1, x0 / n0
    gap = p1 - p0
    if method == "wald":
        half = z * np.sqrt(p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0)
        return np.maximum(gap - half, -1.0), np.minimum(gap + half, 1.0)
    if method == "newcombe":
        (low1, high1), (low0, high0) = _wilson(x1, n1, alpha), _wilson(x0, n0, alpha)
        below = np.sqrt((p1 - low1) ** 2 + (high0 - p0) ** 2)
        return gap - below, gap + np.sqrt((high1 - p1) ** 2 + (p0 - low0) ** 2)
    if method == "miettinen_nurminen":
        return (
            _bisect(lambda delta: _score(x1, n1, x0, n0, delta, True) - z, np.full(gap.shape, -1.0), gap),
            _bisect(lambda delta: _score(x1, n1, x0, n0, delta, True) + z, gap, np.full(gap.shape, 1.0)),
        )
    allowed = ("miettinen_nurminen", "newcombe", "wald")
    raise StudyError(f"method: {unknown_name('interval of a risk difference', method, allowed)}")


def risk_difference(
    events: int,
    n: int,
    control_events: int,
    control_n: int,
    *,
    method: str = "miettinen_nurminen",
    alpha: float = 0.05,
    label: str = "risk difference",
) -> Estimate:
    """Compare two rates by their difference; the p value is that of the score test of no difference."""
    low, high = risk_difference_interval(events, n, control_events, control_n, method=method, alpha=alpha)
    statistic = float(score_statistic(events, n, control_events, control_n))
    p1, p0 = events / n, control_events / control_n
    se = math.sqrt(p1 * (1.0 - p1) / n + p0 * (1.0 - p0) / control_n)
    words = {
        "miettinen_nurminen": "Miettinen-Nurminen score interval",
        "newcombe": "Newcombe hybrid score interval",
        "wald": "Wald interval",
    }[method]
    p = two_sided_p(statistic, math.inf)
    return Estimate(
        label, p1 - p0, se, math.inf, float(low), float(high), statistic, p, f"{words}, score test"
    )


def risk_ratio(
    events: int,
    n: int,
    control_events: int,
    control_n: int,
    *,
    alpha: float = 0.05,
    label: str = "risk ratio",
) -> Estimate:
    """Compare two rates by their ratio (Katz et al. 1978); `se` and the test are of its logarithm.

    With no event in a group the ratio is 0, infinite or undefined; then there is no standard error and the
    interval runs to where nothing is known.
    """
    _counts("events", events, "n", n)
    _counts("control_events", control_events, "control_n", control_n)
    z = float(special.ndtri(1.0 - check_level(alpha) / 2.0))
    words = "log interval (Katz)"
    if events == 0 or control_events == 0:
        value = 0.0 if control_events else (math.inf if events else math.nan)
        return Estimate(label, value, math.nan, math.inf, 0.0, math.inf, math.nan, math.nan, words)
    value = (events / n) / (control_events / control_n)
    se = math.sqrt(1.0 / events - 1.0 / n + 1.0 / control_events - 1.0 / control_n)
    statistic = math.log(value) / se if se > 0.0 else math.nan
    low, high = value * math.exp(-z * se), value * math.exp(z * se)
    return Estimate(label, value, se, math.inf, low, high, statistic, two_sided_p(statistic, math.inf), words)


def odds_ratio(
    events: int,
    n: int,
    control_events: int,
    control_n: int,
    *,
    alpha: float = 0.05,
    label: str = "odds ratio",
) -> Estimate:
    """Compare two rates by the conditional odds ratio with its exact interval; p is Fisher's.

    The estimate is the conditional maximum-likelihood one (Cornfield 1956), which differs a little from the
    cross product; it has no standard error.
    """
    x1, _ = _counts("events", events, "n", n)
    x0, _ = _counts("control_events", control_events, "control_n", control_n)
    table = np.array([[x1, n - x1], [x0, control_n - x0]]).astype(np.int64)
    result: Any = stats.contingency.odds_ratio(table, kind="conditional")
    limits: Any = result.confidence_interval(confidence_level=1.0 - check_level(alpha))
    p = float(exact_p(events, n, control_events, control_n))
    return Estimate(
        label,
        float(result.statistic),
        math.nan,
        math.inf,
        float(limits.low),
        float(limits.high),
        math.nan,
        p,
        "conditional maximum likelihood, exact interval, Fisher's test",
    )


def exact_p(
    events: npt.ArrayLike,
    n: npt.ArrayLike,
    control_events: npt.ArrayLike,
    control_n: npt.ArrayLike,
    *,
    method: str = "fisher",
) -> Floats:
    """Give two-sided exact p values, for arrays of any shape; each different table is computed once.

    Parameters
    ----------
    events, n, control_events, control_n : array_like
        Counts of the treatment and of the comparator; they broadcast together.
    method : {"fisher", "boschloo", "barnard"}
        Conditional (Fisher), or unconditional: Boschloo (1970) is never less powerful than Fisher.

    Returns
    -------
    ndarray
        The p values.

    Raises
    ------
    StudyError
        If a count is impossible or the method unknown.
    """
    if method not in _EXACT_TESTS:
        raise StudyError(f"method: {unknown_name('exact test', method, _EXACT_TESTS)}")
    x1, n1 = _counts("events", events, "n", n)
    x0, n0 = _counts("control_events", control_events, "control_n", control_n)
    test: Mapping[str, Callable[[npt.NDArray[np.int64]], Any]] = {
        "fisher": stats.fisher_exact,
        # SciPy's unconditional tests take the columns as the two samples.
        "boschloo": lambda table: stats.boschloo_exact(table.T),
        "barnard": lambda table: stats.barnard_exact(table.T),
    }
    every = np.stack(np.broadcast_arrays(x1, n1 - x1, x0, n0 - x0), axis=-1)
    tables, place = np.unique(every.reshape(-1, 4), axis=0, return_inverse=True)
    found = np.ones(len(tables))
    for row, table in enumerate(tables.astype(np.int64).reshape(-1, 2, 2)):
        if table.sum(axis=0).all():  # else everyone or nobody had the event: p is 1
            found[row] = float(test[method](table).pvalue)
    return np.minimum(found, 1.0)[place.ravel()].reshape(every.shape[:-1])


def _wilson(count: Floats, total: Floats, alpha: float) -> tuple[Floats, Floats]:
    z = float(special.ndtri(1.0 - alpha / 2.0))
    middle = count + z * z / 2.0
    half = z * np.sqrt(count * (total - count) / total + z * z / 4.0)
    low, high = (middle - half) / (total + z * z), (middle + half) / (total + z * z)
    return np.where(count > 0.0, low, 0.0), np.where(count < total, high, 1.0)


def _bisect(function: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Find where a decreasing function is zero, elementwise; 60 halvings of an interval of length 2."""
    for _ in range(60):
        middle = (low + high) / 2.0
        above = function(middle) > 0.0
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2.0


def _counts(
    field: str, count: npt.ArrayLike, total_field: str, total: npt.ArrayLike
) -> tuple[Floats, Floats]:
    some, every = read_numbers(field, count, finite=True), read_numbers(total_field, total, finite=True)
    some, every = np.broadcast_arrays(some, every)
    if (every < 1.0).any() or (every != np.round(every)).any():
        raise StudyError(f"{total_field}: {total!r}; a group needs a whole number of persons, at least one.")
    if ((some < 0.0) | (some > every) | (some != np.round(some))).any():
        raise StudyError(
            f"{field}: {count!r} of {total!r} persons; give whole numbers from 0 to {total_field}."
        )
    return some, every
