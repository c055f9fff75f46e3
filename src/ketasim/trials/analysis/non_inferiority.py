"""Non-inferiority: whether a treatment is worse than its comparator by less than a margin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, stdtr

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import Floats, check_level, read_flags, same_length
from ketasim.trials.analysis.binary import risk_difference, score_statistic
from ketasim.trials.analysis.estimate import Estimate, quantile

__all__ = ["NonInferiority", "composite_response", "non_inferior", "non_inferior_rates"]


@dataclass(frozen=True)
class NonInferiority:
    """What an interval says about a margin.

    Parameters
    ----------
    estimate : Estimate
        Treatment minus comparator.
    margin : float
        How much worse is still accepted, above 0, in the unit of the estimate.
    bound : float
        The limit of the interval on the side of harm.
    p : float
        One-sided p value of the hypothesis that the treatment is worse by the margin or more.
    non_inferior : bool
        The interval excludes a loss of the margin or more.
    superior : bool
        The interval also excludes no difference, in favour of the treatment.
    inferior : bool
        The whole interval is on the side of harm; it can be so inside the margin.
    conclusion : str
        ``"superior"``, ``"non-inferior"``, ``"inferior"`` or ``"inconclusive"``, with both words if the
        treatment is worse but inside the margin.
    """

    estimate: Estimate
    margin: float
    bound: float
    p: float
    non_inferior: bool
    superior: bool
    inferior: bool
    conclusion: str


def non_inferior(
    estimate: Estimate, margin: float, *, higher_is_better: bool = True, alpha: float = 0.05
) -> NonInferiority:
    """Judge a difference with a standard error, such as one of means, by its interval.

    Parameters
    ----------
    estimate : Estimate
        Treatment minus comparator, with `se` and `df`; its interval is made anew at `alpha`.
    margin : float
        Above 0.
    higher_is_better : bool
        False for a symptom score.
    alpha : float
        One minus the level of the two-sided interval: 0.05 is a one-sided test at 0.025.

    Returns
    -------
    NonInferiority
        The judgement (ICH E9; intervals as in Piaggio et al. 2012).

    Raises
    ------
    StudyError
        If the margin is not above zero or there is no standard error.
    """
    _check_margin(margin)
    if not estimate.se > 0.0:
        raise StudyError(f"estimate: {estimate.label!r} has no standard error; use the method for rates.")
    half = quantile(alpha, estimate.df) * estimate.se
    sign = 1.0 if higher_is_better else -1.0
    statistic = (sign * estimate.value + margin) / estimate.se
    p = float(ndtr(-statistic) if math.isinf(estimate.df) else stdtr(estimate.df, -statistic))
    return _judge(estimate, margin, estimate.value - half, estimate.value + half, p, higher_is_better)


def non_inferior_rates(
    events: int,
    n: int,
    control_events: int,
    control_n: int,
    margin: float,
    *,
    higher_is_better: bool = True,
    alpha: float = 0.05,
) -> NonInferiority:
    """Judge a difference of two rates by the score interval, whose test at the margin agrees with it.

    Parameters
    ----------
    events, n, control_events, control_n : int
        Counts of the treatment and of the comparator.
    margin : float
        Share above 0 and below 1: 0.1 is 10 percentage points.
    higher_is_better : bool
        True for response, False for failure.
    alpha : float
        One minus the level of the two-sided interval.

    Returns
    -------
    NonInferiority
        The judgement, with the interval and the test of Miettinen and Nurminen (1985).
    """
    _check_margin(margin)
    if margin >= 1.0:
        raise StudyError(f"margin: {margin!r} of a rate; give a share below 1, such as 0.1 for 10 points.")
    check_level(alpha)
    estimate = risk_difference(events, n, control_events, control_n, alpha=alpha)
    sign = 1.0 if higher_is_better else -1.0
    statistic = sign * float(score_statistic(events, n, control_events, control_n, -sign * margin))
    return _judge(estimate, margin, estimate.low, estimate.high, float(ndtr(-statistic)), higher_is_better)


def composite_response(response: npt.ArrayLike, intercurrent: npt.ArrayLike) -> Floats:
    """Count as failures those with an intercurrent event, and those whose response is not known.

    Parameters
    ----------
    response : array_like (n,)
        1 response, 0 none, NaN not known.
    intercurrent : array_like (n,)
        1 if treatment was stopped, rescue was given or whatever the estimand names.

    Returns
    -------
    ndarray (n,)
        1 only for a response that was seen without intercurrent event (composite strategy, ICH E9 R1).
    """
    seen = read_flags("response", response, missing=True)
    happened = read_flags("intercurrent", intercurrent)
    same_length(response=seen, intercurrent=happened)
    return np.where((seen == 1.0) & (happened == 0.0), 1.0, 0.0)


def _check_margin(margin: float) -> None:
    if not (math.isfinite(margin) and margin > 0.0):
        raise StudyError(f"margin: {margin!r}; give how much worse is accepted, a number above 0.")


def _judge(
    estimate: Estimate, margin: float, low: float, high: float, p: float, higher_is_better: bool
) -> NonInferiority:
    bound = low if higher_is_better else high
    worst, best = (low, high) if higher_is_better else (-high, -low)
    inside, better, worse = worst > -margin, worst > 0.0, best < 0.0
    if better:
        conclusion = "superior"
    elif inside:
        conclusion = "non-inferior, inferior within the margin" if worse else "non-inferior"
    else:
        conclusion = "inferior" if worse else "inconclusive"
    return NonInferiority(estimate, margin, bound, p, inside, better, worse, conclusion)
