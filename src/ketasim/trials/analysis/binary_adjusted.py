"""Rates of two groups compared over strata, or adjusted for covariates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, expit, ndtri

from ketasim.errors import StudyError, unknown_name
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
from ketasim.trials.analysis.estimate import Estimate, two_sided_p, wald

__all__ = [
    "MantelHaenszel",
    "StandardisedRates",
    "cochran_mantel_haenszel",
    "fit_logistic",
    "mantel_haenszel_tables",
    "standardised_difference",
    "standardised_rates",
]


@dataclass(frozen=True)
class MantelHaenszel:
    """Two rates compared over strata.

    Parameters
    ----------
    chi2, p : float
        Cochran-Mantel-Haenszel statistic (one degree of freedom) and its p value.
    odds_ratio : Estimate
        Mantel-Haenszel odds ratio; interval and `se` (of the logarithm) of Robins, Breslow and Greenland
        (1986).
    risk_difference : Estimate
        Mantel-Haenszel difference with the variance of Sato (1989).
    strata : int
        Strata with persons in both groups; others carry no information.
    """

    chi2: float
    p: float
    odds_ratio: Estimate
    risk_difference: Estimate
    strata: int


def cochran_mantel_haenszel(
    response: npt.ArrayLike, group: npt.ArrayLike, strata: npt.ArrayLike, *, alpha: float = 0.05
) -> MantelHaenszel:
    """Compare responders of two groups over strata.

    Parameters
    ----------
    response : array_like (n,)
        1 for an event, 0 for none, NaN for not known (the person is left out).
    group : array_like (n,)
        1 treatment, 0 comparator.
    strata : array_like (n,)
        Codes of the strata, whole numbers from 0.
    alpha : float
        One minus the level of the intervals.

    Returns
    -------
    MantelHaenszel
        Test, odds ratio and risk difference.

    Raises
    ------
    StudyError
        If shapes or codes do not fit, or no stratum has persons in both groups.
    """
    y = read_flags("response", response, missing=True)
    arm, layer = read_codes("group", group), read_codes("strata", strata)
    same_length(response=y, group=arm, strata=layer)
    known = ~np.isnan(y)
    y, arm, layer = y[known], arm[known], layer[known]
    two_groups(arm)
    size = int(layer.max()) + 1

    def count(which: Flags) -> Floats:
        return np.bincount(layer[which], minlength=size).astype(np.float64)

    treated, event = arm == 1, y == 1.0
    return mantel_haenszel_tables(
        count(treated & event), count(treated), count(~treated & event), count(~treated), alpha=alpha
    )


def mantel_haenszel_tables(
    events: npt.ArrayLike,
    n: npt.ArrayLike,
    control_events: npt.ArrayLike,
    control_n: npt.ArrayLike,
    *,
    alpha: float = 0.05,
    continuity: bool = False,
) -> MantelHaenszel:
    """Compare two rates over strata from counts of shape (strata,); see `cochran_mantel_haenszel`.

    With `continuity`, half a person is taken from the difference of the test, as some programs do.
    """
    check_level(alpha)
    names = ("events", "n", "control_events", "control_n")
    given = (events, n, control_events, control_n)
    x1, n1, x0, n0 = (read_numbers(name, each, finite=True) for name, each in zip(names, given, strict=True))
    same_length(events=x1, n=n1, control_events=x0, control_n=n0)
    if ((x1 < 0.0) | (x1 > n1) | (x0 < 0.0) | (x0 > n0)).any():
        raise StudyError(
            "events: more events than persons, or fewer than none, in a stratum; check the counts."
        )
    both = (n1 > 0.0) & (n0 > 0.0)
    if not both.any():
        raise StudyError("strata: none has persons of both groups. Use fewer or wider strata.")
    x1, n1, x0, n0 = x1[both], n1[both], x0[both], n0[both]
    total, event = n1 + n0, x1 + x0
    excess = float((x1 - n1 * event / total).sum())
    inside = total > 1.0
    spread = (n1 * n0 * event * (total - event))[inside] / (total**2 * (total - 1.0))[inside]
    variance = float(spread.sum())
    distance = max(abs(excess) - 0.5, 0.0) if continuity else abs(excess)
    chi2 = distance**2 / variance if variance > 0.0 else 0.0
    return MantelHaenszel(
        chi2=chi2,
        p=float(chdtrc(1, chi2)),
        odds_ratio=_pooled_odds_ratio(x1, n1, x0, n0, alpha),
        risk_difference=_pooled_difference(x1, n1, x0, n0, alpha),
        strata=int(both.sum()),
    )


def _pooled_odds_ratio(x1: Floats, n1: Floats, x0: Floats, n0: Floats, alpha: float) -> Estimate:
    total = n1 + n0
    r, s = x1 * (n0 - x0) / total, (n1 - x1) * x0 / total
    above, below = float(r.sum()), float(s.sum())
    words = "Mantel-Haenszel, Robins-Breslow-Greenland variance"
    if above == 0.0 or below == 0.0:
        value = above / below if below else (math.inf if above else math.nan)
        return Estimate("odds ratio", value, math.nan, math.inf, 0.0, math.inf, math.nan, math.nan, words)
    p, q = (x1 + n0 - x0) / total, (n1 - x1 + x0) / total
    variance = float((p * r).sum()) / (2.0 * above**2) + float((q * s).sum()) / (2.0 * below**2)
    variance += float((p * s + q * r).sum()) / (2.0 * above * below)
    value, se = above / below, math.sqrt(variance)
    z = float(ndtri(1.0 - alpha / 2.0))
    statistic = math.log(value) / se
    return Estimate(
        "odds ratio",
        value,
        se,
        math.inf,
        value * math.exp(-z * se),
        value * math.exp(z * se),
        statistic,
        two_sided_p(statistic, math.inf),
        words,
    )


def _pooled_difference(x1: Floats, n1: Floats, x0: Floats, n0: Floats, alpha: float) -> Estimate:
    total = n1 + n0
    weight = float((n1 * n0 / total).sum())
    value = float(((x1 * n0 - x0 * n1) / total).sum()) / weight
    p = (n1**2 * x0 - n0**2 * x1 + n1 * n0 * (n0 - n1) / 2.0) / total**2
    q = (x1 * (n0 - x0) + x0 * (n1 - x1)) / (2.0 * total)
    se = math.sqrt(max(value * float(p.sum()) + float(q.sum()), 0.0)) / weight
    return wald("risk difference", value, se, math.inf, "Mantel-Haenszel, Sato variance", alpha=alpha)


def fit_logistic(y: Floats, design: Floats, *, steps: int = 40) -> tuple[Floats, Floats, Flags]:
    """Fit logistic regressions by Newton's method, any number at once.

    Parameters
    ----------
    y : ndarray (..., n)
        0 and 1.
    design : ndarray (..., n, q)
        Columns of the model, the one of the intercept among them.
    steps : int
        Most steps taken.

    Returns
    -------
    coefficients : ndarray (..., q)
    covariance : ndarray (..., q, q)
        Inverse of the information.
    converged : ndarray (...) of bool
        False if the last step was still larger than 1e-8: with complete separation some coefficients have
        no finite estimate, while the fitted probabilities have their limits 0 and 1.
    """
    batch = y.shape[:-1]
    beta = np.zeros((*batch, design.shape[-1]))
    turned = np.swapaxes(design, -1, -2)
    converged = np.zeros(batch, dtype=np.bool_)
    # A trace of information keeps the steps finite when probabilities reach 0 or 1.
    trace = 1e-10 * np.eye(design.shape[-1])
    for _ in range(steps):
        mean = expit(np.einsum("...nq,...q->...n", design, beta))
        weight = mean * (1.0 - mean)
        information = (turned * weight[..., None, :]) @ design + trace
        score = np.einsum("...qn,...n->...q", turned, y - mean)
        step = np.linalg.solve(information, score[..., None])[..., 0]
        size = np.abs(np.einsum("...nq,...q->...n", design, step)).max(axis=-1)
        beta = beta + step * np.minimum(1.0, 4.0 / np.maximum(size, 1e-300))[..., None]
        converged = size < 1e-8
        if converged.all():
            break
    mean = expit(np.einsum("...nq,...q->...n", design, beta))
    information = (turned * (mean * (1.0 - mean))[..., None, :]) @ design + trace
    return beta, np.linalg.inv(information), converged


@dataclass(frozen=True)
class StandardisedRates:
    """Rates that both groups would have had in the whole sample, by logistic regression; arrays (...).

    Parameters
    ----------
    treatment, control : ndarray
        The standardised rates.
    difference, se : ndarray
        Treatment minus comparator, and its standard error.
    converged : ndarray of bool
        Whether the regression converged (see `fit_logistic`).
    """

    treatment: Floats
    control: Floats
    difference: Floats
    se: Floats
    converged: Flags


def standardised_rates(
    response: npt.ArrayLike, group: npt.ArrayLike, covariates: npt.ArrayLike, *, variance: str = "ye"
) -> StandardisedRates:
    """Standardise two rates to the covariates of everyone, in one trial or in many at once.

    Parameters
    ----------
    response : array_like (..., n)
        0 and 1, none missing.
    group : array_like (n,) or (..., n)
        1 treatment, 0 comparator.
    covariates : array_like (n, p) or (..., n, p)
        Columns beside treatment and intercept, from before treatment.
    variance : {"ye", "delta"}
        Robust variance of the population's difference (Ye et al. 2023), valid even if the model is wrong, or
        the delta method of Ge et al. (2011), which takes the covariates as fixed.

    Returns
    -------
    StandardisedRates
        Arrays of shape (...).

    Raises
    ------
    StudyError
        If values are missing or shapes do not fit.
    """
    if variance not in ("ye", "delta"):
        raise StudyError(f"variance: {unknown_name('variance', variance, ('ye', 'delta'))}")
    y = read_flags("response", response)
    arm = read_codes("group", group)
    x = read_numbers("covariates", covariates, finite=True)
    if arm.shape[-1] != y.shape[-1] or x.ndim < 2 or x.shape[-2] != y.shape[-1]:
        raise StudyError(f"shapes differ: response {y.shape}, group {arm.shape}, covariates {x.shape}.")
    two_groups(arm)
    treated = np.broadcast_to(arm, y.shape).astype(np.float64)
    x = np.broadcast_to(x, (*y.shape, x.shape[-1]))
    ones = np.ones((*y.shape, 1))
    beta, covariance, converged = fit_logistic(y, np.concatenate([ones, treated[..., None], x], axis=-1))
    designs = [np.concatenate([ones, np.full_like(ones, a), x], axis=-1) for a in (0.0, 1.0)]
    fitted = [expit(np.einsum("...nq,...q->...n", design, beta)) for design in designs]
    rates = [each.mean(axis=-1) for each in fitted]
    if variance == "delta":
        slope = [
            ((each * (1.0 - each))[..., None] * design).mean(axis=-2)
            for each, design in zip(fitted, designs, strict=True)
        ]
        gradient = slope[1] - slope[0]
        squared = np.einsum("...q,...qr,...r->...", gradient, covariance, gradient)
    else:
        squared = _robust_variance(y, treated, fitted[1], fitted[0])
    se = np.sqrt(np.maximum(squared, 0.0))
    return StandardisedRates(rates[1], rates[0], rates[1] - rates[0], se, converged)


def _robust_variance(y: Floats, treated: Floats, fitted: Floats, control: Floats) -> Floats:
    """Variance of the difference by equation (10) of Ye et al. (2023) for two groups."""
    n = y.shape[-1]
    parts = {1: treated, 0: 1.0 - treated}
    means = {1: fitted, 0: control}

    def covariance(weight: Floats, one: Floats, other: Floats) -> Floats:
        size = weight.sum(axis=-1)
        first = one - ((weight * one).sum(axis=-1) / size)[..., None]
        second = other - ((weight * other).sum(axis=-1) / size)[..., None]
        return np.asarray((weight * first * second).sum(axis=-1) / (size - 1.0))

    every = np.ones_like(y)
    total = -2.0 * (
        covariance(parts[1], y, means[0])
        + covariance(parts[0], y, means[1])
        - covariance(every, fitted, control)
    )
    for a in (0, 1):
        share = parts[a].mean(axis=-1)
        rest = y - means[a]
        total = total + covariance(parts[a], rest, rest) / share
        total = total + 2.0 * covariance(parts[a], y, means[a]) - covariance(every, means[a], means[a])
    return np.asarray(total / n)


def standardised_difference(
    response: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: npt.ArrayLike,
    *,
    variance: str = "ye",
    alpha: float = 0.05,
) -> Estimate:
    """Give the covariate-adjusted risk difference of one trial; persons without response are left out.

    Parameters as in `standardised_rates`, for arrays (n,) and (n, p).
    """
    y, arm = read_flags("response", response, missing=True), read_codes("group", group)
    n = same_length(response=y, group=arm)
    x = read_covariates(covariates, n)
    known = ~np.isnan(y)
    found = standardised_rates(y[known], arm[known], x[known], variance=variance)
    words = {"ye": "robust variance (Ye)", "delta": "delta method (Ge)"}[variance]
    stated = "" if found.converged else ", regression not converged: covariates separate the responders"
    return wald(
        "risk difference",
        float(found.difference),
        float(found.se),
        math.inf,
        f"logistic standardisation, {words}{stated}",
        alpha=alpha,
    )
