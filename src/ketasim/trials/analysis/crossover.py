"""Two-period crossover: treatment, period and carry-over (Hills and Armitage 1979)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import read_codes, read_numbers, same_length
from ketasim.trials.analysis.estimate import Estimate, wald

__all__ = ["TWO_STAGE_WARNING", "Crossover", "crossover", "two_stage"]

Array = NDArray[np.float64]

#: Said with every result of `two_stage`.
TWO_STAGE_WARNING = (
    "two-stage procedure: the carry-over test goes with the first period's, so that a nominal 5 % test errs "
    "in 7 to 9.5 % (Freeman 1989); not recommended"
)


@dataclass(frozen=True)
class Crossover:
    """Result of a two-period crossover.

    Parameters
    ----------
    treatment : Estimate
        Treatment minus comparator within persons. Biased by half of what `carry_over` estimates if the
        treatment of the first period still acts in the second.
    period : Estimate
        Second minus first period.
    carry_over : Estimate
        Effect that the treatment in period 1 leaves in period 2, more than the comparator leaves. Between
        persons, hence imprecise.
    first_period : Estimate
        Treatment minus comparator from the first period only: free of carry-over, between persons.
    n : tuple of int
        Persons with both periods who had the comparator first, and the treatment first.
    left_out : int
        Persons without one of the periods; those with the first count in `first_period` only.
    """

    treatment: Estimate
    period: Estimate
    carry_over: Estimate
    first_period: Estimate
    n: tuple[int, int]
    left_out: int


def crossover(y: ArrayLike, first: ArrayLike, *, alpha: float = 0.05) -> Crossover:
    """Analyse a two-treatment, two-period crossover.

    With d the difference of a person's periods (first less second) and s their sum, half the difference of
    the mean d of the sequences estimates the treatment, half their sum the period (with its sign turned), and
    the difference of the mean s the carry-over (Hills and Armitage 1979). All are two-sample t tests with
    equal variances.

    Parameters
    ----------
    y : array, shape (n, 2)
        Outcomes by period; nan where missing.
    first : array of int, shape (n,)
        Treatment of the first period: 1 the treatment, 0 the comparator. The second is the other.
    alpha : float
        One minus the level of the intervals.

    Returns
    -------
    Crossover
        Estimates of treatment, period and carry-over.

    Raises
    ------
    StudyError
        If shapes do not agree or a sequence has fewer than two persons with both periods.
    """
    outcome, sequence = read_numbers("y", y), read_codes("first", first)
    if outcome.ndim != 2 or outcome.shape[1] != 2:
        raise StudyError(f"y: shape {outcome.shape}; give one row a person and one column for each period.")
    same_length(y=outcome[:, 0], first=sequence)
    if (sequence > 1).any():
        raise StudyError(f"first: {int(sequence.max())} is not 0 (comparator first) or 1 (treatment first).")
    both = np.isfinite(outcome).all(axis=1)
    counts = [int((both & (sequence == code)).sum()) for code in (0, 1)]
    if min(counts) < 2:
        raise StudyError(
            f"first: {counts[0]} persons with both periods had the comparator first and {counts[1]} the "
            "treatment; each sequence needs two. Analyse as parallel groups, or enrol more."
        )
    difference, total = outcome[both, 0] - outcome[both, 1], outcome[both].sum(axis=1)
    part = sequence[both]
    seen = np.isfinite(outcome[:, 0])
    early = outcome[seen, 0]
    method = "crossover of two periods, within persons, Hills and Armitage t test"
    between = "crossover of two periods, between persons, t test"
    return Crossover(
        treatment=_combine("treatment - comparator", difference, part, (-0.5, 0.5), method, alpha),
        period=_combine("period 2 - period 1", difference, part, (-0.5, -0.5), method, alpha),
        carry_over=_combine("carry-over of treatment", total, part, (-1.0, 1.0), between, alpha),
        first_period=_combine(
            "treatment - comparator, period 1", early, sequence[seen], (-1.0, 1.0), between, alpha
        ),
        n=(counts[0], counts[1]),
        left_out=int((~both).sum()),
    )


def _combine(
    label: str,
    values: Array,
    sequence: NDArray[np.int64],
    weights: tuple[float, float],
    method: str,
    alpha: float,
) -> Estimate:
    samples = [values[sequence == code] for code in (0, 1)]
    df = len(values) - 2
    pooled = sum(float(((sample - sample.mean()) ** 2).sum()) for sample in samples) / df
    value = sum(weight * float(sample.mean()) for weight, sample in zip(weights, samples, strict=True))
    variance = pooled * sum(weight**2 / len(sample) for weight, sample in zip(weights, samples, strict=True))
    return wald(label, value, math.sqrt(variance), float(df), method, alpha=alpha)


def two_stage(result: Crossover, *, carry_over_alpha: float = 0.10) -> Estimate:
    """Choose between both periods and the first by the carry-over test (Grizzle 1965): not recommended.

    Kept so that its error can be shown: see `TWO_STAGE_WARNING`.

    Parameters
    ----------
    result : Crossover
        The analysis.
    carry_over_alpha : float
        Level of the preliminary test.

    Returns
    -------
    Estimate
        The first period's estimate if carry-over is significant, else that of both; its method says so.

    Raises
    ------
    StudyError
        If the level is not between 0 and 1.
    """
    if not 0.0 < carry_over_alpha < 1.0:
        raise StudyError(f"carry_over_alpha: {carry_over_alpha!r} is not between 0 and 1; Grizzle took 0.1.")
    chosen = result.first_period if result.carry_over.p < carry_over_alpha else result.treatment
    return Estimate(
        label=chosen.label,
        value=chosen.value,
        se=chosen.se,
        df=chosen.df,
        low=chosen.low,
        high=chosen.high,
        statistic=chosen.statistic,
        p=chosen.p,
        method=f"{chosen.method}; {TWO_STAGE_WARNING}",
    )
