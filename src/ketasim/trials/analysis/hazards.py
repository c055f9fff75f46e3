"""Hazard ratios by Cox regression, and the score test that the log-rank test must agree with."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis._risk_sets import risk_sets
from ketasim.trials.analysis._samples import (
    Flags,
    Floats,
    check_level,
    read_codes,
    read_covariates,
    read_flags,
    read_numbers,
    same_length,
    two_groups,
)
from ketasim.trials.analysis.estimate import Estimate, two_sided_p
from ketasim.trials.analysis.survival import log_rank

__all__ = ["cox_score_chi2", "hazard_ratio", "hazard_ratio_many"]

_TIES = ("efron", "breslow")
#: A log hazard ratio of this size (a ratio of three million) is a search that ran away, not an estimate.
_NO_MAXIMUM = 15.0


def hazard_ratio(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    covariates: npt.ArrayLike | None = None,
    strata: npt.ArrayLike | None = None,
    ties: str = "efron",
    alpha: float = 0.05,
) -> Estimate:
    """Estimate the hazard ratio of group 1 over group 0 (Cox 1972), with statsmodels.

    Parameters
    ----------
    time, event : array_like (n,)
        Time of the event (1) or of the end of observation (0).
    group : array_like (n,)
        1 treatment, 0 comparator.
    covariates : array_like (n, p), optional
        Further columns of the model.
    strata : array_like (n,), optional
        Codes of strata, each with its own baseline hazard.
    ties : {"efron", "breslow"}
        How tied events are treated.
    alpha : float
        One minus the level.

    Returns
    -------
    Estimate
        The ratio; `se` and `statistic` are of its logarithm. If a group has no event (or none while the other
        is at risk) there is no finite estimate: the ratio is 0 or infinite, and p that of the log-rank test.

    Raises
    ------
    StudyError
        If values do not fit, there is no event, or statsmodels is not installed.
    """
    model, when, happened, arm = _model(time, event, group, covariates, strata, ties)
    z = float(ndtri(1.0 - check_level(alpha) / 2.0))
    words = f"Cox regression, {ties.capitalize()} ties" + ("" if strata is None else ", stratified")
    seen = [int(happened[arm == code].sum()) for code in (0, 1)]
    if not any(seen):
        raise StudyError("event: nobody had the event; a hazard ratio needs at least one in each group.")
    # No event in a group needs no fit; other forms of separation show in the fit.
    slope, se = (math.copysign(math.inf, seen[1] - 0.5), math.nan) if not all(seen) else _fit(model)
    if not abs(slope) < _NO_MAXIMUM or not math.isfinite(se):
        test = log_rank(when, happened, arm, strata=strata)
        value = 0.0 if slope < 0.0 else math.inf
        stated = f"{words}: no finite estimate, p of the log-rank test"
        return Estimate("hazard ratio", value, math.nan, math.inf, 0.0, math.inf, test.z, test.p, stated)
    statistic = slope / se
    low, high = math.exp(slope - z * se), math.exp(slope + z * se)
    p = two_sided_p(statistic, math.inf)
    return Estimate("hazard ratio", math.exp(slope), se, math.inf, low, high, statistic, p, words)


def _fit(model: Any) -> tuple[float, float]:
    """Give the log hazard ratio of the first column and its standard error."""
    with warnings.catch_warnings():
        # Without a maximum the library warns on its way; the caller tells it from the size of the estimate.
        warnings.simplefilter("ignore")
        fit = model.fit()
        return float(fit.params[0]), float(fit.bse[0])


def hazard_ratio_many(
    time: npt.ArrayLike, event: npt.ArrayLike, group: npt.ArrayLike, *, ties: str = "efron"
) -> tuple[Floats, Floats]:
    """Estimate the hazard ratio of two groups in many trials at once, without covariates.

    Parameters
    ----------
    time, event : array_like (R, n)
        One trial a row.
    group : array_like (n,) or (R, n)
        1 treatment, 0 comparator.
    ties : {"efron", "breslow"}
        How tied events are treated.

    Returns
    -------
    log_ratio, se : ndarray (R,)
        Log hazard ratio by Newton's method, and its standard error. Where a group has no event (nor anyone
        at risk at the others' events) the log ratio has no finite estimate: it is infinite, and `se` is nan.
    """
    if ties not in _TIES:
        raise StudyError(f"ties: {unknown_name('rule for ties', ties, _TIES)}")
    when = read_numbers("time", time, finite=True)
    happened = read_flags("event", event) == 1.0
    arm = np.broadcast_to(read_codes("group", group), when.shape)
    two_groups(arm.ravel())
    sets = risk_sets(when, happened, np.stack([arm == 0, arm == 1], axis=-1).astype(np.float64))
    at_risk = sets.at_risk
    if ties == "efron":
        # The l-th of d tied events meets the risk set less l / d of those d.
        share = sets.earlier / np.maximum(sets.deaths.sum(axis=-1), 1.0)
        at_risk = at_risk - share[..., None] * sets.deaths
    other, own = at_risk[..., 0], at_risk[..., 1]
    seen = (sets.event[..., None] * sets.member).sum(axis=-2)
    # Monotone likelihood: all events are in one group whenever both are at risk.
    both = sets.event * ((other > 0.0) & (own > 0.0))
    inside = (both[..., None] * sets.member).sum(axis=-2)
    finite = (inside > 0.0).all(axis=-1)
    limit = np.where(inside[..., 1] > 0.0, np.inf, np.where(inside[..., 0] > 0.0, -np.inf, np.nan))
    slope = np.zeros(when.shape[:-1])
    information = np.ones_like(slope)
    for _ in range(40):
        relative = np.exp(slope)[..., None]
        chance = own * relative / np.where(other + own * relative > 0.0, other + own * relative, 1.0)
        information = (sets.event * chance * (1.0 - chance)).sum(axis=-1)
        score = seen[..., 1] - (sets.event * chance).sum(axis=-1)
        step = np.where(finite, score / np.where(finite, np.maximum(information, 1e-300), 1.0), 0.0)
        slope = slope + np.clip(step, -1.0, 1.0)
        if np.abs(step).max(initial=0.0) < 1e-10:
            break
    se = 1.0 / np.sqrt(np.where(finite, np.maximum(information, 1e-300), np.nan))
    return np.where(finite, slope, limit), se


def cox_score_chi2(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
    ties: str = "breslow",
) -> float:
    """Give the score statistic of the Cox model at no effect (one degree of freedom).

    Without ties it is the log-rank statistic exactly; with ties the two differ in how they count them.
    Parameters as in `hazard_ratio`.
    """
    model, *_ = _model(time, event, group, None, strata, ties)
    zero = np.zeros(1)
    score, information = np.asarray(model.score(zero)), -np.asarray(model.hessian(zero))
    return float(score[0] ** 2 / information[0, 0])


def _model(
    time: npt.ArrayLike,
    event: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: npt.ArrayLike | None,
    strata: npt.ArrayLike | None,
    ties: str,
) -> tuple[Any, Floats, Flags, npt.NDArray[np.int64]]:
    if ties not in _TIES:
        raise StudyError(f"ties: {unknown_name('rule for ties', ties, _TIES)}")
    try:
        from statsmodels.duration.hazard_regression import PHReg
    except ImportError as error:
        raise StudyError(
            "Cox regression needs statsmodels, which is not installed. Install it with "
            "'pip install ketasim[trial]', or use the log-rank test."
        ) from error
    when, happened = read_numbers("time", time, finite=True), read_flags("event", event) == 1.0
    arm = read_codes("group", group)
    n = same_length(time=when, event=happened, group=arm)
    two_groups(arm)
    columns = np.column_stack([arm.astype(np.float64), read_covariates(covariates, n)])
    layer = None if strata is None else read_codes("strata", strata)
    if layer is not None:
        same_length(time=when, strata=layer)
    model = PHReg(when, columns, status=happened.astype(np.int64), strata=layer, ties=ties)
    return model, when, happened, arm
