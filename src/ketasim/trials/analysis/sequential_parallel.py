"""Sequential parallel comparison: two stages, the second among those who took placebo and did not respond.

The drug is compared with placebo in everyone (stage 1), then again in placebo non-responders who are
randomised anew (stage 2); both differences are pooled with a weight fixed before (Fava et al. 2003).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import (
    Floats,
    check_level,
    read_codes,
    read_covariates,
    read_numbers,
    same_length,
    two_groups,
)
from ketasim.trials.analysis.estimate import Estimate, wald

__all__ = ["SequentialParallel", "sequential_parallel", "sequential_parallel_rates"]


@dataclass(frozen=True)
class SequentialParallel:
    """Result of both stages.

    Parameters
    ----------
    pooled : Estimate
        ``weight * stage1 + (1 - weight) * stage2`` and the test that it is zero.
    stage1, stage2 : Estimate
        Treatment minus placebo in each stage.
    correlation : float
        Of the two stage estimates, over the persons who are in both.
    weight : float
        Weight of stage 1.
    """

    pooled: Estimate
    stage1: Estimate
    stage2: Estimate
    correlation: float
    weight: float


def sequential_parallel(
    y1: npt.ArrayLike,
    group1: npt.ArrayLike,
    y2: npt.ArrayLike,
    group2: npt.ArrayLike,
    *,
    weight: float = 0.5,
    covariates1: npt.ArrayLike | None = None,
    covariates2: npt.ArrayLike | None = None,
    alpha: float = 0.05,
) -> SequentialParallel:
    """Analyse a continuous outcome, such as the change of a score in each stage.

    Each stage is an analysis of covariance. The variance of the pooled difference takes from the influence of
    each person on both estimates how they correlate, as seemingly unrelated regressions do (Tamura and Huang
    2007; Doros et al. 2013), and does not assume equal variances. Degrees of freedom are Satterthwaite's.

    Parameters
    ----------
    y1, y2 : array_like (n,)
        Outcomes of stage 1 and of stage 2. NaN for a value that is missing, and in `y2` for whoever is not
        part of stage 2.
    group1, group2 : array_like (n,)
        1 treatment, 0 placebo. Whatever `group2` says of persons with NaN in `y2` is not looked at, but it
        must be a number; put 0.
    weight : float
        Weight of stage 1, between 0 and 1; fixed before the data are seen.
    covariates1, covariates2 : array_like (n, p), optional
        Columns of each stage's analysis, such as the score at the start of the stage. Those of persons who
        are not in the stage are not looked at (NaN is allowed).
    alpha : float
        One minus the level.

    Returns
    -------
    SequentialParallel
        Pooled difference, both stages, correlation.

    Raises
    ------
    StudyError
        If values do not fit, or a stage lacks a group.
    """
    check_level(weight, "weight")
    first, influence1 = _stage("stage 1", y1, group1, covariates1, alpha)
    second, influence2 = _stage("stage 2", y2, group2, covariates2, alpha)
    same_length(y1=influence1, y2=influence2)
    covariance = float(influence1 @ influence2)
    parts = (weight * first.se) ** 2, ((1.0 - weight) * second.se) ** 2
    variance = sum(parts) + 2.0 * weight * (1.0 - weight) * covariance
    # Satterthwaite: stage 2 is often small, and a normal reference would then claim too much.
    df = sum(parts) ** 2 / (parts[0] ** 2 / first.df + parts[1] ** 2 / second.df)
    pooled = wald(
        "treatment - placebo, pooled",
        weight * first.value + (1.0 - weight) * second.value,
        math.sqrt(max(variance, 0.0)),
        df,
        f"sequential parallel comparison, weight {weight:g}, Satterthwaite df",
        alpha=alpha,
    )
    spread = first.se * second.se
    return SequentialParallel(pooled, first, second, covariance / spread if spread > 0.0 else 0.0, weight)


def sequential_parallel_rates(
    stage1: tuple[int, int, int, int],
    stage2: tuple[int, int, int, int],
    *,
    weight: float = 0.5,
    alpha: float = 0.05,
) -> SequentialParallel:
    """Analyse responders of both stages from counts (Fava et al. 2003).

    Parameters
    ----------
    stage1, stage2 : tuple of int
        Responders and persons of the treatment, then of placebo, in each stage.
    weight : float
        Weight of stage 1.
    alpha : float
        One minus the level.

    Returns
    -------
    SequentialParallel
        Differences of rates. Given who went on, the stages are independent, so that variances add: interval
        with the rates as seen, test with the rates pooled over the groups of a stage (no difference).
    """
    check_level(weight, "weight")
    parts, null = [], 0.0
    for name, counts, share in (("stage 1", stage1, weight), ("stage 2", stage2, 1.0 - weight)):
        x1, n1, x0, n0 = counts
        if not (0 <= x1 <= n1 and 0 <= x0 <= n0 and n1 > 0 and n0 > 0):
            raise StudyError(
                f"{name}: {counts!r}; give responders and persons of treatment, then of placebo."
            )
        p1, p0, every = x1 / n1, x0 / n0, (x1 + x0) / (n1 + n0)
        se = math.sqrt(p1 * (1.0 - p1) / n1 + p0 * (1.0 - p0) / n0)
        parts.append(wald(f"{name}, treatment - placebo", p1 - p0, se, math.inf, "rates", alpha=alpha))
        null += share**2 * every * (1.0 - every) * (1.0 / n1 + 1.0 / n0)
    first, second = parts
    value = weight * first.value + (1.0 - weight) * second.value
    se = math.hypot(weight * first.se, (1.0 - weight) * second.se)
    words = f"sequential parallel comparison of rates, weight {weight:g}"
    interval = wald("treatment - placebo, pooled", value, se, math.inf, words, alpha=alpha)
    tested = wald("", value, math.sqrt(null), math.inf, words)
    pooled = Estimate(
        interval.label,
        value,
        se,
        math.inf,
        interval.low,
        interval.high,
        tested.statistic,
        tested.p,
        words,
    )
    return SequentialParallel(pooled, first, second, 0.0, weight)


def _stage(
    name: str, y: npt.ArrayLike, group: npt.ArrayLike, covariates: npt.ArrayLike | None, alpha: float
) -> tuple[Estimate, Floats]:
    """One stage's difference, and the influence of every person on it (0 for who is not in the stage)."""
    outcome, arm = read_numbers(name, y), read_codes(f"{name} group", group)
    n = same_length(y=outcome, group=arm)
    inside = ~np.isnan(outcome)
    two_groups(arm[inside])
    columns = [np.ones(int(inside.sum())), arm[inside].astype(np.float64)]
    if covariates is not None:
        given = np.asarray(covariates, dtype=np.float64)
        given = given[:, None] if given.ndim == 1 else given
        if given.ndim != 2 or given.shape[0] != n:
            raise StudyError(f"{name} covariates: shape {given.shape}; give one row for each of {n} persons.")
        columns.append(read_covariates(given[inside], int(inside.sum())))
    design = np.column_stack(columns)
    df = design.shape[0] - np.linalg.matrix_rank(design)
    if df < 1:
        raise StudyError(f"{name}: {design.shape[0]} persons are too few for {design.shape[1]} columns.")
    inverse = np.linalg.pinv(design.T @ design)
    slopes = inverse @ design.T @ outcome[inside]
    # Residuals over 1 minus leverage (HC2) keep the variance unbiased in small trials of equal variances.
    leverage = np.einsum("nq,qr,nr->n", design, inverse, design)
    scaled = (outcome[inside] - design @ slopes) / np.sqrt(np.maximum(1.0 - leverage, 1e-12))
    influence = np.zeros(n)
    influence[inside] = (design @ inverse)[:, 1] * scaled
    se = math.sqrt(float(influence @ influence))
    words = "analysis of covariance, robust variance (HC2)"
    estimate = wald(f"{name}, treatment - placebo", float(slopes[1]), se, float(df), words, alpha=alpha)
    return estimate, influence
