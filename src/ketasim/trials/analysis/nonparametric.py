"""Tests on ranks, analyses that rest on randomisation alone, and trends over ordered doses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, fdtrc
from scipy.stats import rankdata

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import (
    Flags,
    Floats,
    Integers,
    read_codes,
    read_covariates,
    read_numbers,
    same_length,
    two_groups,
)
from ketasim.trials.analysis.estimate import Estimate, two_sided_p, wald

__all__ = [
    "RankTest",
    "jonckheere",
    "linear_trend",
    "randomisation_ancova",
    "rank_ancova",
    "rank_ancova_many",
    "trend_in_rates",
    "van_elteren",
]


@dataclass(frozen=True)
class RankTest:
    """A test on ranks.

    Parameters
    ----------
    statistic : float
        F, chi-squared or z, as `method` says.
    df, df_error : float
        Degrees of freedom; those of the error are infinite unless the statistic is F.
    p : float
        Two-sided p value.
    direction : float
        For two groups or a trend: positive if outcomes rise with the group's code; nan otherwise.
    method : str
        Name of the test.
    """

    statistic: float
    df: float
    df_error: float
    p: float
    direction: float
    method: str


def rank_ancova_many(
    y: npt.ArrayLike, group: npt.ArrayLike, covariates: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Do Quade's rank analysis of covariance in many trials at once.

    Parameters
    ----------
    y : array_like (..., n)
        Outcomes, none missing.
    group : array_like (n,)
        Codes of the groups.
    covariates : array_like (..., n, p)
        Covariates of each trial.

    Returns
    -------
    f, p : ndarray (...)
        F statistic and p value.
    """
    outcome, arm = read_numbers("y", y, finite=True), read_codes("group", group)
    x = read_numbers("covariates", covariates, finite=True)
    if arm.ndim != 1 or outcome.shape[-1] != arm.size or x.ndim < 2 or x.shape[-2] != arm.size:
        raise StudyError(f"shapes differ: y {outcome.shape}, group {arm.shape}, covariates {x.shape}.")
    left = _rank_residuals(outcome, x)
    codes, place = np.unique(arm, return_inverse=True)
    if codes.size < 2 or arm.size <= codes.size:
        raise StudyError(f"group: codes {codes.tolist()} for {arm.size} persons; give two groups or more.")
    member = np.eye(codes.size)[place]
    means = left @ member / member.sum(axis=0)
    between = (means**2 * member.sum(axis=0)).sum(axis=-1)
    within = (left**2).sum(axis=-1) - between
    df, df_error = codes.size - 1, arm.size - codes.size
    # Equal outcomes leave nothing to compare.
    some = within > 1e-12 * np.maximum(between, 1.0)
    f = np.where(
        some, (between / df) / np.where(some, within / df_error, 1.0), np.where(between > 1e-9, np.inf, 0.0)
    )
    return f, np.asarray(fdtrc(df, df_error, f))


def rank_ancova(
    y: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: npt.ArrayLike,
    *,
    strata: npt.ArrayLike | None = None,
) -> RankTest:
    """Compare groups by ranks, adjusted for the ranks of covariates.

    Without strata the F test of Quade (1967): ranks of the outcome are regressed on those of the covariates,
    leaving out the group, and the residuals are compared. With strata the same within each, and the residuals
    are compared by the extended Mantel-Haenszel statistic (Koch et al. 1982), which is chi-squared.

    Parameters
    ----------
    y : array_like (n,)
        Outcome; persons with NaN are left out.
    group : array_like (n,)
        Codes of the groups.
    covariates : array_like (n, p)
        Covariates from before treatment.
    strata : array_like (n,), optional
        Codes of strata.

    Returns
    -------
    RankTest
        The test.

    Raises
    ------
    StudyError
        If values do not fit.
    """
    outcome, arm = read_numbers("y", y), read_codes("group", group)
    x = read_covariates(covariates, same_length(y=outcome, group=arm))
    known = ~np.isnan(outcome)
    if strata is None:
        outcome, arm, x = outcome[known], arm[known], x[known]
        f, p = rank_ancova_many(outcome, arm, x)
        codes = np.unique(arm)
        direction = _direction(_rank_residuals(outcome, x), arm, codes)
        return RankTest(
            float(f), codes.size - 1.0, float(arm.size - codes.size), float(p), direction, "Quade's F"
        )
    layer = read_codes("strata", strata)
    same_length(y=outcome, strata=layer)
    outcome, arm, x, layer = outcome[known], arm[known], x[known], layer[known]
    left = np.zeros(outcome.size)
    for code in np.unique(layer):
        inside = layer == code
        # Standardised ranks weigh strata of different sizes alike.
        left[inside] = _rank_residuals(outcome[inside], x[inside]) / (inside.sum() + 1.0)
    return _mean_score(left, arm, layer, "rank analysis of covariance over strata (Koch)")


def van_elteren(y: npt.ArrayLike, group: npt.ArrayLike, strata: npt.ArrayLike) -> RankTest:
    """Compare groups by ranks within strata, weighted by 1 / (size + 1) (van Elteren 1960).

    Parameters
    ----------
    y, group, strata : array_like (n,)
        Outcome (persons with NaN are left out), codes of groups and of strata.

    Returns
    -------
    RankTest
        A chi-squared statistic, with ties accounted for.
    """
    outcome, arm, layer = read_numbers("y", y), read_codes("group", group), read_codes("strata", strata)
    same_length(y=outcome, group=arm, strata=layer)
    known = ~np.isnan(outcome)
    outcome, arm, layer = outcome[known], arm[known], layer[known]
    scores = np.zeros(outcome.size)
    for code in np.unique(layer):
        inside = layer == code
        scores[inside] = rankdata(outcome[inside]) / (inside.sum() + 1.0)
    return _mean_score(scores, arm, layer, "van Elteren")


def randomisation_ancova(y: npt.ArrayLike, group: npt.ArrayLike, covariates: npt.ArrayLike) -> Estimate:
    """Estimate the difference of two means, adjusted by weighted least squares (Koch et al. 1998).

    Randomisation makes the true difference of covariates zero; nothing else is assumed about how outcome and
    covariates are related. For a binary outcome it is a difference of rates.

    Parameters
    ----------
    y, group : array_like (n,)
        Outcome (persons with NaN are left out), and 1 treatment or 0 comparator.
    covariates : array_like (n, p)
        Covariates from before treatment.

    Returns
    -------
    Estimate
        Group 1 minus group 0, normal.
    """
    outcome, arm = read_numbers("y", y), read_codes("group", group)
    x = read_covariates(covariates, same_length(y=outcome, group=arm))
    known = ~np.isnan(outcome)
    every, arm = np.column_stack([outcome, x])[known], arm[known]
    two_groups(arm)
    sizes = [int((arm == code).sum()) for code in (0, 1)]
    if min(sizes) < 2:
        raise StudyError(f"group: {sizes[1]} and {sizes[0]} persons; each group needs at least two.")
    gap = every[arm == 1].mean(axis=0) - every[arm == 0].mean(axis=0)
    spread = np.zeros((gap.size, gap.size))
    for code, size in zip((0, 1), sizes, strict=True):
        spread = spread + np.atleast_2d(np.cov(every[arm == code], rowvar=False)) / size
    slope = np.linalg.pinv(spread[1:, 1:]) @ spread[1:, 0]
    value = float(gap[0] - slope @ gap[1:])
    se = math.sqrt(max(float(spread[0, 0] - slope @ spread[1:, 0]), 0.0))
    return wald("group 1 - group 0", value, se, math.inf, "randomisation-based analysis of covariance (Koch)")


def jonckheere(y: npt.ArrayLike, group: npt.ArrayLike) -> RankTest:
    """Test for a trend over ordered groups (Jonckheere 1954; Terpstra 1952), by the normal approximation.

    Parameters
    ----------
    y, group : array_like (n,)
        Outcome (persons with NaN are left out), and codes in the order of the doses.

    Returns
    -------
    RankTest
        z with the variance for ties (Hollander and Wolfe 1999, equation 6.19), two-sided.
    """
    outcome, arm = read_numbers("y", y), read_codes("group", group)
    same_length(y=outcome, group=arm)
    known = ~np.isnan(outcome)
    outcome, arm = outcome[known], arm[known]
    codes, sizes = np.unique(arm, return_counts=True)
    if codes.size < 2:
        raise StudyError(f"group: only code {codes.tolist()}; a trend needs at least two groups.")
    count = 0.0
    for place, code in enumerate(codes[1:], start=1):
        ranked = np.sort(outcome[arm == code])
        earlier = outcome[np.isin(arm, codes[:place])]
        above = ranked.size - np.searchsorted(ranked, earlier, side="right")
        equal = ranked.size - np.searchsorted(ranked, earlier, side="left") - above
        count += float(above.sum() + 0.5 * equal.sum())
    total = float(outcome.size)
    n, ties = sizes.astype(np.float64), np.unique(outcome, return_counts=True)[1].astype(np.float64)

    def third(k: Floats | float) -> float:
        return float(np.sum(np.asarray(k) * (np.asarray(k) - 1.0) * (2.0 * np.asarray(k) + 5.0)))

    def falling(k: Floats, order: int) -> float:
        return float(np.prod([k - step for step in range(order)], axis=0).sum())

    variance = (third(total) - third(n) - third(ties)) / 72.0
    if total > 2.0:
        variance += falling(n, 3) * falling(ties, 3) / (36.0 * total * (total - 1.0) * (total - 2.0))
    variance += falling(n, 2) * falling(ties, 2) / (8.0 * total * (total - 1.0))
    expected = (total**2 - float((n**2).sum())) / 4.0
    z = (count - expected) / math.sqrt(variance) if variance > 0.0 else 0.0
    method = f"Jonckheere-Terpstra (J = {count:g})"
    return RankTest(z, 1.0, math.inf, two_sided_p(z, math.inf), math.copysign(1.0, z), method)


def linear_trend(
    y: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    scores: npt.ArrayLike | None = None,
    covariates: npt.ArrayLike | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Estimate a linear trend of group means over scores such as doses: a contrast with pooled variance.

    Parameters
    ----------
    y, group : array_like (n,)
        Outcome (persons with NaN are left out), and codes of the groups.
    scores : array_like (groups,), optional
        Score of each code present, in order; by default 0, 1, 2 and so on.
    covariates : array_like (n, p), optional
        Columns of an analysis of covariance.
    alpha : float
        One minus the level.

    Returns
    -------
    Estimate
        Change of the outcome per unit of score: the least-squares slope through the adjusted group means,
        each group weighing the same.
    """
    outcome, arm = read_numbers("y", y), read_codes("group", group)
    x = read_covariates(covariates, same_length(y=outcome, group=arm))
    known = ~np.isnan(outcome)
    outcome, arm, x = outcome[known], arm[known], x[known]
    codes, place = np.unique(arm, return_inverse=True)
    line = _scores(scores, codes)
    design = np.column_stack([np.eye(codes.size)[place], x])
    df = float(outcome.size - np.linalg.matrix_rank(design))
    if df < 1.0:
        raise StudyError(
            f"y: {outcome.size} persons for {design.shape[1]} columns leave no error; use fewer."
        )
    inverse = np.linalg.pinv(design.T @ design)
    slopes = inverse @ design.T @ outcome
    sigma2 = float(((outcome - design @ slopes) ** 2).sum()) / df
    centred = line - line.mean()
    contrast = np.concatenate([centred / float((centred**2).sum()), np.zeros(x.shape[1])])
    se = math.sqrt(sigma2 * float(contrast @ inverse @ contrast))
    return wald("linear trend", float(contrast @ slopes), se, df, "contrast of means", alpha=alpha)


def trend_in_rates(
    events: npt.ArrayLike, n: npt.ArrayLike, *, scores: npt.ArrayLike | None = None
) -> RankTest:
    """Test for a linear trend of rates over ordered groups (Cochran 1954; Armitage 1955).

    Parameters
    ----------
    events, n : array_like (groups,)
        Persons with the event, and all.
    scores : array_like (groups,), optional
        Scores, by default 0, 1, 2 and so on.

    Returns
    -------
    RankTest
        z, two-sided.
    """
    count, total = read_numbers("events", events, finite=True), read_numbers("n", n, finite=True)
    groups = same_length(events=count, n=total)
    if ((count < 0.0) | (count > total) | (total < 1.0)).any():
        raise StudyError("events: counts lie between 0 and n, and every group needs persons.")
    line = _scores(scores, np.arange(groups))
    rate = float(count.sum() / total.sum())
    centred = line - float((total * line).sum() / total.sum())
    variance = rate * (1.0 - rate) * float((total * centred**2).sum())
    z = float((count * centred).sum()) / math.sqrt(variance) if variance > 0.0 else 0.0
    return RankTest(z, 1.0, math.inf, two_sided_p(z, math.inf), math.copysign(1.0, z), "Cochran-Armitage")


def _scores(given: npt.ArrayLike | None, codes: Integers) -> Floats:
    line = np.arange(codes.size, dtype=np.float64) if given is None else read_numbers("scores", given)
    if line.shape != codes.shape or np.unique(line).size < 2:
        raise StudyError(
            f"scores: {line.tolist()} for groups {codes.tolist()}; give one each, not all equal."
        )
    return line


def _rank_residuals(y: Floats, x: Floats) -> Floats:
    """Ranks of the outcome less what the ranks of the covariates predict; arrays (..., n), (..., n, p)."""
    ranks = rankdata(y, axis=-1)
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    by = rankdata(x, axis=-2) if x.shape[-1] else x
    by = by - by.mean(axis=-2, keepdims=True) if x.shape[-1] else by
    turned = np.swapaxes(by, -1, -2)
    slope = np.linalg.pinv(turned @ by) @ (turned @ ranks[..., None])
    return np.asarray(ranks - (by @ slope)[..., 0])


def _direction(scores: Floats, arm: Integers, codes: Integers) -> float:
    if codes.size != 2:
        return math.nan
    return math.copysign(1.0, float(scores[arm == codes[1]].mean() - scores[arm == codes[0]].mean()))


def _mean_score(scores: Floats, arm: Integers, layer: Integers, method: str) -> RankTest:
    """Extended Mantel-Haenszel comparison of mean scores of groups over strata; chi-squared."""
    codes, place = np.unique(arm, return_inverse=True)
    if codes.size < 2:
        raise StudyError(f"group: only code {codes.tolist()}; give at least two groups.")
    member = np.eye(codes.size)[place]
    gap, variance = np.zeros(codes.size), np.zeros((codes.size, codes.size))
    for code in np.unique(layer):
        inside: Flags = layer == code
        n = float(inside.sum())
        if n < 2.0:
            continue
        share = member[inside].mean(axis=0)
        own = scores[inside]
        gap = gap + own @ member[inside] - own.sum() * share
        spread = float(own.var(ddof=1))
        variance = variance + n * spread * (np.diag(share) - np.outer(share, share))
    chi2 = float(gap[1:] @ np.linalg.pinv(variance[1:, 1:]) @ gap[1:])
    direction = math.copysign(1.0, gap[1]) if codes.size == 2 else math.nan
    df = codes.size - 1.0
    return RankTest(chi2, df, math.inf, float(chdtrc(df, chi2)), direction, method)
