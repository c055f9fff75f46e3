"""Analysis of covariance: arms compared at one time, adjusted for baseline, other covariates and strata.

One trial, or thousands of replicates at once. Least squares with the classical variance, or with HC3
(MacKinnon and White 1985), which does not need equal variances.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

from ketasim.errors import StudyError
from ketasim.trials.analysis._inputs import read_arms
from ketasim.trials.analysis._samples import check_level, read_codes, read_numbers
from ketasim.trials.analysis.estimate import Estimate, wald

__all__ = ["Ancova", "AncovaMany", "ancova", "ancova_many"]

Array = NDArray[np.float64]

#: Numbers of the design that are held at a time, so that replicates by the ten thousand fit in memory.
_BLOCK = 4_000_000
#: A design whose cross products have an eigenvalue below this share is not of full rank.
_DEFICIENT = 1e-10


@dataclass(frozen=True)
class Ancova:
    """Result of an analysis of covariance of one trial.

    Parameters
    ----------
    differences : tuple of Estimate
        Each arm against the comparator, in the order of the codes.
    means : tuple of Estimate
        Adjusted mean of each arm, comparator first, at the mean of covariates over those analysed.
    residual_sd : float
        Residual standard deviation, in the unit of the outcome.
    n : tuple of int
        Persons analysed, by arm.
    left_out : int
        Persons without outcome or covariate.
    """

    differences: tuple[Estimate, ...]
    means: tuple[Estimate, ...]
    residual_sd: float
    n: tuple[int, ...]
    left_out: int


@dataclass(frozen=True)
class AncovaMany:
    """Differences from the comparator of G arms in R replicates.

    Parameters
    ----------
    value, se, low, high, statistic, p : array, shape (R, G - 1)
        Estimate, standard error, interval, t statistic and p value; nan where a replicate cannot be analysed
        (an arm empty, covariates that depend on each other, or no degrees of freedom).
    df : array, shape (R,)
        Residual degrees of freedom.
    n : array of int, shape (R, G)
        Persons analysed, by arm.
    """

    value: Array
    se: Array
    low: Array
    high: Array
    statistic: Array
    p: Array
    df: Array
    n: NDArray[np.int64]


def ancova(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    *,
    hc3: bool = False,
    alpha: float = 0.05,
) -> Ancova:
    """Compare arms in one trial.

    Parameters
    ----------
    y : array, shape (n,)
        Outcome; nan where missing.
    group : array of int, shape (n,)
        Arm; 0 is the comparator.
    covariates : array, shape (n, p) or (n,), optional
        Baseline and others, without intercept; who misses one is left out.
    strata : array of int, shape (n,), optional
        Stratum of randomisation; one mean each.
    hc3 : bool
        Whether to use the variance that is robust to unequal variances.
    alpha : float
        One minus the level of the intervals.

    Returns
    -------
    Ancova
        Differences and adjusted means.

    Raises
    ------
    StudyError
        If shapes do not agree, or arms, covariates and strata cannot be told apart in those analysed.
    """
    outcome = read_numbers("y", y)
    if outcome.ndim != 1:
        raise StudyError(f"y: shape {outcome.shape}; give one number a person, or use `ancova_many`.")
    arm = read_arms(group, len(outcome))
    codes = np.unique(arm)
    table, levels = _table(covariates, 1, len(outcome)), _strata(strata, 1, len(outcome))
    design = _design(outcome[None], arm[None], table, levels, codes, np.unique(levels))
    fit = _solve(outcome[None], design, len(codes) + table.shape[2], hc3)
    used = fit.used[0]
    if not np.isfinite(fit.variance[0]).all():
        raise StudyError(
            f"covariates: of {len(outcome)} persons, {int(used.sum())} have outcome and covariates, and they "
            "do not tell arms, covariates and strata apart. Leave a covariate or the strata out."
        )
    arms = len(codes)
    rest = design[0][used][:, arms:].mean(axis=0)
    method = f"ANCOVA, least squares, {'HC3' if hc3 else 'equal variances'}"
    df = float(fit.df[0])

    def estimate(contrast: Array, label: str) -> Estimate:
        se = float(np.sqrt(contrast @ fit.variance[0] @ contrast))
        return wald(label, float(contrast @ fit.coefficients[0]), se, df, method, alpha=alpha)

    unit = np.eye(design.shape[2])
    means = []
    for place, code in enumerate(codes):
        contrast = np.concatenate([[1.0], (np.arange(1, arms) == place).astype(float), rest])
        means.append(estimate(contrast, f"mean of arm {code}"))
    return Ancova(
        differences=tuple(
            estimate(unit[place], f"arm {codes[place]} - arm {codes[0]}") for place in range(1, arms)
        ),
        means=tuple(means),
        residual_sd=float(np.sqrt(fit.residual[0])),
        n=tuple(int((arm[used] == code).sum()) for code in codes),
        left_out=int(len(outcome) - used.sum()),
    )


def ancova_many(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    *,
    hc3: bool = False,
    alpha: float = 0.05,
) -> AncovaMany:
    """Compare arms in R replicates of a trial at once.

    Parameters
    ----------
    y : array, shape (R, n)
        Outcome; nan where missing.
    group : array of int, shape (n,) or (R, n)
        Arm; 0 is the comparator. All replicates have the same set of arms.
    covariates : array, shape (R, n, p) or (n, p), optional
        Baseline and others; who misses one is left out of the replicate.
    strata : array of int, shape (n,) or (R, n), optional
        Stratum of randomisation.
    hc3, alpha
        As in `ancova`.

    Returns
    -------
    AncovaMany
        Estimates of each arm against the comparator.

    Raises
    ------
    StudyError
        If shapes do not agree.
    """
    outcome = read_numbers("y", y)
    if outcome.ndim != 2:
        raise StudyError(f"y: shape {outcome.shape}; give one row a replicate and one column a person.")
    replicates, n = outcome.shape
    arm = read_codes("group", group)
    if arm.shape not in {(n,), (replicates, n)}:
        raise StudyError(f"group: shape {arm.shape}; give ({n},) or ({replicates}, {n}).")
    arm = np.broadcast_to(arm, outcome.shape)
    codes = read_arms(np.unique(arm), len(np.unique(arm)))
    table, levels = _table(covariates, replicates, n), _strata(strata, replicates, n)
    all_levels = np.unique(levels)
    width = n * (len(codes) + table.shape[2] + len(all_levels) + 4)
    rows = max(1, _BLOCK // width)
    parts = []
    for first in range(0, replicates, rows):
        here = slice(first, first + rows)
        design = _design(outcome[here], arm[here], table[here], levels[here], codes, all_levels)
        fit = _solve(outcome[here], design, len(codes) + table.shape[2], hc3)
        parts.append(_compare(fit, arm[here], codes, check_level(alpha)))
    return AncovaMany(*(np.concatenate([part[place] for part in parts]) for place in range(8)))


def _compare(
    fit: _Solved, arm: NDArray[np.int64], codes: NDArray[np.int64], alpha: float
) -> tuple[NDArray[np.float64] | NDArray[np.int64], ...]:
    arms = len(codes)
    value = fit.coefficients[:, 1:arms]
    # Rounding can leave a variance of zero slightly negative.
    se = np.sqrt(np.maximum(np.diagonal(fit.variance, axis1=1, axis2=2)[:, 1:arms], 0.0))
    df = fit.df[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0.0, value / se, np.nan)
    half = stdtrit(np.where(df > 0.0, df, np.nan), 1.0 - alpha / 2.0) * se
    p = 2.0 * stdtr(np.where(df > 0.0, df, np.nan), -np.abs(statistic))
    n = np.stack([(fit.used & (arm == code)).sum(axis=1) for code in codes], axis=1)
    return value, se, value - half, value + half, statistic, p, fit.df, n


def _table(covariates: ArrayLike | None, replicates: int, n: int) -> Array:
    if covariates is None:
        return np.zeros((replicates, n, 0))
    table = read_numbers("covariates", covariates)
    shape = table.shape
    if table.ndim == 1:
        table = table[:, None]
    if table.ndim == 2:
        table = table[None]
    if table.ndim != 3 or table.shape[0] not in {1, replicates} or table.shape[1] != n:
        raise StudyError(
            f"covariates: shape {shape}; give ({n}, p), or ({replicates}, {n}, p) for covariates that "
            "differ between replicates."
        )
    return np.broadcast_to(table, (replicates, *table.shape[1:]))


def _strata(strata: ArrayLike | None, replicates: int, n: int) -> NDArray[np.int64]:
    codes = np.zeros(n, dtype=np.int64) if strata is None else read_codes("strata", strata)
    if codes.shape not in {(n,), (replicates, n)}:
        raise StudyError(f"strata: shape {codes.shape}; give ({n},) or ({replicates}, {n}).")
    return np.broadcast_to(codes, (replicates, n))


def _design(
    outcome: Array,
    arm: NDArray[np.int64],
    table: Array,
    strata: NDArray[np.int64],
    codes: NDArray[np.int64],
    levels: NDArray[np.int64],
) -> Array:
    """Give columns (R, n, k): intercept, arms but the first, covariates, strata.

    The first stratum that has anyone in a replicate is its reference: its column is zero there.
    """
    parts = [np.ones((*arm.shape, 1)), (arm[..., None] == codes[1:]).astype(float), table]
    if len(levels) > 1:
        dummies = (strata[..., None] == levels).astype(float)
        used = np.isfinite(outcome) & np.isfinite(table).all(axis=2)
        reference = (dummies * used[..., None]).any(axis=1).argmax(axis=1)
        dummies[np.arange(len(arm)), :, reference] = 0.0
        parts.append(dummies)
    return np.concatenate(parts, axis=2)


@dataclass(frozen=True)
class _Solved:
    """Least squares of R replicates: coefficients (R, k), variance (R, k, k), residual variance, df, used."""

    coefficients: Array
    variance: Array
    residual: Array
    df: Array
    used: NDArray[np.bool_]


def _solve(outcome: Array, design: Array, strata_from: int, hc3: bool) -> _Solved:
    """Solve; columns from `strata_from` on may be constant in a replicate and are then left out of it."""
    used = np.isfinite(outcome) & np.isfinite(design).all(axis=2)
    size = design.shape[2]
    count = used.sum(axis=1)
    share = 1.0 / np.maximum(count, 1)
    # Centred and scaled columns: least squares by cross products then loses no digits to large means.
    kept = np.where(used[..., None], design, 0.0)
    centre = kept.sum(axis=1) * share[:, None]
    centre[:, 0] = 0.0
    kept = np.where(used[..., None], kept - centre[:, None], 0.0)
    scale = np.sqrt(np.einsum("rnk,rnk->rk", kept, kept))
    flat = scale <= 1e-12 * np.abs(centre)
    absent = flat & (np.arange(size) >= strata_from)
    scale = np.where(flat, 1.0, scale)
    kept = kept / scale[:, None]
    mean = np.where(used, outcome, 0.0).sum(axis=1) * share
    centred = np.where(used, outcome - mean[:, None], 0.0)

    cross = kept.transpose(0, 2, 1) @ kept
    places = np.arange(size)
    cross[:, places, places] += absent
    df = count.astype(float) - size + absent.sum(axis=1)
    good = (np.linalg.eigvalsh(cross)[:, 0] > _DEFICIENT) & (df > 0.0)
    inverse = np.linalg.inv(np.where(good[:, None, None], cross, np.eye(size)))
    standard = (inverse @ (kept.transpose(0, 2, 1) @ centred[..., None]))[..., 0]
    errors = np.where(used, centred - (kept @ standard[..., None])[..., 0], 0.0)
    residual = np.where(good, (errors**2).sum(axis=1) / np.where(df > 0.0, df, np.nan), np.nan)
    if hc3:
        leverage = np.einsum("rnk,rkl,rnl->rn", kept, inverse, kept, optimize=True)
        # A person who alone decides a coefficient has leverage 1 and no residual: no robust variance exists.
        rest = np.where(1.0 - leverage > 1e-12, 1.0 - leverage, np.nan)
        weighted = kept * np.where(used, errors / rest, 0.0)[..., None]
        spread = inverse @ (weighted.transpose(0, 2, 1) @ weighted) @ inverse
    else:
        spread = inverse * residual[:, None, None]
    return _Solved(*_unscale(standard, spread, centre, scale, mean, good), residual, df, used)


def _unscale(
    standard: Array, spread: Array, centre: Array, scale: Array, mean: Array, good: NDArray[np.bool_]
) -> tuple[Array, Array]:
    """Turn coefficients of centred, scaled columns and their variance into those of the columns given."""
    size = standard.shape[1]
    turn = np.zeros((len(standard), size, size))
    places = np.arange(size)
    turn[:, places, places] = 1.0 / scale
    turn[:, 0, 1:] = -(centre / scale)[:, 1:]
    coefficients = (turn @ standard[..., None])[..., 0]
    coefficients[:, 0] += mean
    variance = turn @ spread @ turn.transpose(0, 2, 1)
    return np.where(good[:, None], coefficients, np.nan), np.where(good[:, None, None], variance, np.nan)
