"""Sequential parallel comparison: pooled estimate, its variance, level and coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ketasim.errors import StudyError
from ketasim.trials.analysis.sequential_parallel import (
    SequentialParallel,
    sequential_parallel,
    sequential_parallel_rates,
)


def trial(
    rng: np.random.Generator, n: int, effect1: float, effect2: float, weight: float
) -> SequentialParallel:
    """One trial of change scores; placebo non-responders (change above -8) are randomised anew."""
    start, person = rng.normal(33.0, 5.0, n), rng.normal(0.0, 5.0, n)
    group1 = rng.permutation(np.repeat([0, 1], [2 * n // 3, n - 2 * n // 3]))
    y1 = -8.0 + effect1 * group1 + person + rng.normal(0.0, 6.0, n)
    again = np.flatnonzero((group1 == 0) & (y1 > -8.0))
    group2 = np.zeros(n, dtype=int)
    group2[rng.permutation(again)[: again.size // 2]] = 1
    y2 = np.full(n, np.nan)
    y2[again] = -3.0 + effect2 * group2[again] + 0.5 * person[again] + rng.normal(0.0, 5.0, again.size)
    after = np.where(np.isnan(y2), np.nan, start + y1)
    return sequential_parallel(y1, group1, y2, group2, weight=weight, covariates1=start, covariates2=after)


def test_pooled_estimate_is_the_weighted_sum() -> None:
    found = trial(np.random.default_rng(1), 90, -4.0, -3.0, 0.7)
    assert found.pooled.value == pytest.approx(0.7 * found.stage1.value + 0.3 * found.stage2.value, rel=1e-12)
    variance = (0.7 * found.stage1.se) ** 2 + (0.3 * found.stage2.se) ** 2
    variance += 2 * 0.21 * found.correlation * found.stage1.se * found.stage2.se
    assert found.pooled.se == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_a_stage_without_covariates_is_welchs_comparison() -> None:
    rng = np.random.default_rng(2)
    y, group = rng.normal(size=30), np.repeat([0, 1], [18, 12])
    second, again = np.full(30, np.nan), np.zeros(30)
    second[:10] = rng.normal(size=10)
    again[:5] = 1
    found = sequential_parallel(y, group, second, again, weight=0.5)
    welch = stats.ttest_ind(y[group == 1], y[group == 0], equal_var=False)
    # HC2 of two means is Welch's variance.
    assert found.stage1.statistic == pytest.approx(welch.statistic, rel=1e-9)
    # Two sets of influences that never overlap do not correlate.
    apart = sequential_parallel(
        np.concatenate([y, np.full(30, np.nan)]),
        np.concatenate([group, group]),
        np.concatenate([np.full(30, np.nan), y]),
        np.concatenate([group, group]),
    )
    assert apart.correlation == 0.0
    assert apart.pooled.se == pytest.approx(apart.stage1.se * math.sqrt(0.5), rel=1e-12)
    # The same persons and outcomes in both stages correlate fully.
    assert sequential_parallel(y, group, y, group).correlation == pytest.approx(1.0, rel=1e-12)


def test_type_one_error_and_coverage() -> None:
    rng = np.random.default_rng(3)
    weight, effects = 0.6, (-4.0, -3.0)
    truth = weight * effects[0] + (1 - weight) * effects[1]
    null = [trial(rng, 120, 0.0, 0.0, weight) for _ in range(1000)]
    active = [trial(rng, 120, *effects, weight) for _ in range(1000)]
    # Three Monte-Carlo standard errors of 1000 trials: 2.1 %.
    assert abs(np.mean([one.pooled.p < 0.05 for one in null]) - 0.05) < 0.021
    assert abs(np.mean([one.pooled.low < truth < one.pooled.high for one in active]) - 0.95) < 0.021
    values = np.array([one.pooled.value for one in active])
    assert values.mean() == pytest.approx(truth, abs=3 * values.std() / math.sqrt(1000))
    # The stated standard error is that of the simulated trials; the SD of 1000 is good to 2.3 %.
    assert np.mean([one.pooled.se for one in active]) == pytest.approx(values.std(), rel=0.08)
    # Estimates of the stages are uncorrelated, as Chen et al. (2011) derive.
    stages = np.corrcoef([one.stage1.value for one in active], [one.stage2.value for one in active])
    assert abs(stages[0, 1]) < 0.1  # three standard errors of a correlation of zero


def test_rates_by_hand() -> None:
    # Difference 0.5 - 0.3 in stage 1 and 0.4 - 0.2 in stage 2.
    found = sequential_parallel_rates((20, 40, 24, 80), (8, 20, 4, 20), weight=0.6)
    assert found.pooled.value == pytest.approx(0.2, rel=1e-12)
    variance = 0.36 * (0.25 / 40 + 0.21 / 80) + 0.16 * (0.24 / 20 + 0.16 / 20)
    assert found.pooled.se == pytest.approx(math.sqrt(variance), rel=1e-12)
    pooled = 0.36 * (44 / 120) * (76 / 120) * (1 / 40 + 1 / 80) + 0.16 * 0.3 * 0.7 * (1 / 20 + 1 / 20)
    assert found.pooled.statistic == pytest.approx(0.2 / math.sqrt(pooled), rel=1e-12)


def test_rates_keep_their_level_and_cover() -> None:
    rng = np.random.default_rng(4)

    def one(p1: float, q1: float, p2: float, q2: float) -> SequentialParallel:
        drug, placebo = rng.binomial(60, p1), rng.binomial(120, q1)
        again = (120 - placebo) // 2
        return sequential_parallel_rates(
            (drug, 60, placebo, 120), (rng.binomial(again, p2), again, rng.binomial(again, q2), again)
        )

    null = [one(0.35, 0.35, 0.2, 0.2).pooled.p for _ in range(2000)]
    active = [one(0.5, 0.35, 0.35, 0.2).pooled for _ in range(2000)]
    # Three Monte-Carlo standard errors of 2000 trials: 1.5 %.
    assert abs(np.mean(np.array(null) < 0.05) - 0.05) < 0.015
    assert abs(np.mean([each.low < 0.15 < each.high for each in active]) - 0.95) < 0.015


def test_impossible_input_is_refused() -> None:
    y, group = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0, 1, 0, 1])
    with pytest.raises(StudyError, match="weight"):
        sequential_parallel(y, group, y, group, weight=1.2)
    with pytest.raises(StudyError, match="persons in both"):
        sequential_parallel(y, group, [1.0, np.nan, 2.0, np.nan], group)
    with pytest.raises(StudyError, match="responders and persons"):
        sequential_parallel_rates((5, 4, 1, 4), (1, 4, 1, 4))
