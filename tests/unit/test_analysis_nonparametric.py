"""Tests on ranks and trends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ketasim.errors import StudyError
from ketasim.trials.analysis.nonparametric import (
    jonckheere,
    linear_trend,
    randomisation_ancova,
    rank_ancova,
    rank_ancova_many,
    trend_in_rates,
    van_elteren,
)

# Quade (1967, JASA 62:1187), page 1188: group, outcome and two covariates.
QUADE = np.array(
    [
        [1, 16, 26, 12],
        [1, 60, 10, 21],
        [1, 82, 42, 24],
        [1, 126, 49, 29],
        [1, 137, 55, 34],
        [2, 44, 21, 17],
        [2, 67, 28, 2],
        [2, 87, 5, 40],
        [2, 100, 12, 38],
        [2, 142, 58, 36],
        [3, 17, 1, 8],
        [3, 28, 19, 1],
        [3, 105, 41, 9],
        [3, 149, 48, 28],
        [3, 160, 35, 16],
    ]
)
# Hollander and Wolfe (1999), example 6.2: output of workers with no, rough and accurate information.
WORKERS = [40, 35, 38, 43, 44, 41, 38, 40, 47, 44, 40, 42, 48, 40, 45, 43, 46, 44]


def test_quades_analysis_is_that_of_variance_of_rank_residuals() -> None:
    # The recipe that SPSS documents for this table: ranks, regression without group, one-way analysis.
    y, x = stats.rankdata(QUADE[:, 1]), stats.rankdata(QUADE[:, 2:], axis=0)
    design = np.column_stack([np.ones(15), x])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    expected = stats.f_oneway(*(left[QUADE[:, 0] == code] for code in (1, 2, 3)))
    found = rank_ancova(QUADE[:, 1], QUADE[:, 0], QUADE[:, 2:])
    assert (found.statistic, found.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-9)
    assert (found.df, found.df_error) == (2.0, 12.0)
    # Ranks alone count: any rising change of the outcome leaves it as it was.
    assert rank_ancova(np.exp(QUADE[:, 1] / 50), QUADE[:, 0], QUADE[:, 2:]).p == pytest.approx(
        found.p, rel=1e-9
    )


def test_rank_ancova_keeps_its_level_and_gains_power() -> None:
    rng = np.random.default_rng(1)
    trials, n = 2000, 40
    group = np.tile([0, 1], n // 2)
    x = rng.normal(size=(trials, n, 1))
    y = np.exp(x[..., 0] + 0.7 * rng.normal(size=(trials, n)))
    _, p = rank_ancova_many(y, group, x)
    # Three Monte-Carlo standard errors of 2000 trials: 1.5 %.
    assert abs(np.mean(p < 0.05) - 0.05) < 0.015
    better = y * np.exp(0.5 * group)
    adjusted = np.mean(rank_ancova_many(better, group, x)[1] < 0.05)
    plain = np.mean(
        stats.mannwhitneyu(better[:, group == 1], better[:, group == 0], axis=1, method="asymptotic").pvalue
        < 0.05
    )
    assert adjusted > plain + 0.1
    one = rank_ancova(better[0], group, x[0])
    assert one.p == pytest.approx(float(rank_ancova_many(better[:1], group, x[:1])[1][0]), rel=1e-12)


def test_tests_over_strata_keep_their_level() -> None:
    rng = np.random.default_rng(2)
    group, strata = np.tile([0, 1], 30), np.repeat([0, 1, 2], [12, 20, 28])
    elteren, koch = [], []
    for _ in range(800):
        x = rng.normal(size=60)
        y = np.round(2.0 * rng.normal(size=60) + 2.0 * x + 5.0 * strata)
        elteren.append(van_elteren(y, group, strata).p)
        koch.append(rank_ancova(y, group, x, strata=strata).p)
    # Three Monte-Carlo standard errors of 800 trials: 2.3 %.
    assert abs(np.mean(np.array(elteren) < 0.05) - 0.05) < 0.023
    assert abs(np.mean(np.array(koch) < 0.05) - 0.05) < 0.023


def test_one_stratum_is_wilcoxons_test() -> None:
    rng = np.random.default_rng(3)
    one, other = np.round(2 * rng.normal(size=20)), np.round(2 * rng.normal(size=25) + 1)
    expected = stats.mannwhitneyu(other, one, use_continuity=False, method="asymptotic").pvalue
    y, group = np.concatenate([one, other]), np.repeat([0, 1], [20, 25])
    assert van_elteren(y, group, np.zeros(45)).p == pytest.approx(expected, rel=1e-9)
    assert jonckheere(y, group).p == pytest.approx(expected, rel=1e-9)
    assert van_elteren(y, group, np.zeros(45)).direction == 1.0
    # Strata of equal size: ranks within each, summed; here each is twice the same.
    double = van_elteren(np.tile(y, 2), np.tile(group, 2), np.repeat([0, 1], 45))
    assert double.statistic == pytest.approx(2 * van_elteren(y, group, np.zeros(45)).statistic, rel=1e-9)
    # More than two groups in one stratum: Kruskal and Wallis.
    three = np.arange(45) % 3
    kruskal = stats.kruskal(*(y[three == code] for code in range(3)))
    assert van_elteren(y, three, np.zeros(45)).statistic == pytest.approx(kruskal.statistic, rel=1e-9)


def test_jonckheere_as_published() -> None:
    group = np.repeat([0, 1, 2], 6)
    found = jonckheere(WORKERS, group)
    # J = 79, with an approximate upper-tail p value of about 0.02 in the book.
    assert found.method == "Jonckheere-Terpstra (J = 79)"
    assert found.p / 2 == pytest.approx(0.0207, abs=5e-5)
    # Against the permutation distribution: mean, and variance with ties.
    rng = np.random.default_rng(4)
    y = rng.permuted(np.tile(np.array(WORKERS, dtype=float), (20_000, 1)), axis=1)
    counts = np.zeros(20_000)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        low, high = y[:, 6 * a : 6 * a + 6, None], y[:, None, 6 * b : 6 * b + 6]
        counts += ((low < high) + 0.5 * (low == high)).sum(axis=(1, 2))
    # z is (79 - 54) / sd; the sd of 20,000 draws is good to 0.5 %.
    assert found.statistic == pytest.approx(25.0 / counts.std(), rel=0.015)
    assert jonckheere(WORKERS[::-1], group).statistic == pytest.approx(-found.statistic, rel=1e-12)


def test_jonckheere_keeps_its_level() -> None:
    rng = np.random.default_rng(5)
    group = np.repeat([0, 1, 2], [10, 15, 20])
    p = np.array([jonckheere(np.round(2 * rng.normal(size=45)), group).p for _ in range(1500)])
    # Three Monte-Carlo standard errors of 1500 trials: 1.7 %.
    assert abs(np.mean(p < 0.05) - 0.05) < 0.017


def test_linear_trend() -> None:
    rng = np.random.default_rng(6)
    group = np.repeat([0, 1, 2, 3], 9)
    doses = np.array([0.0, 0.1, 0.5, 1.0])
    y = rng.normal(size=36) - 4.0 * doses[group]
    # With equal groups the contrast has the slope of the regression on dose.
    found = linear_trend(y, group, scores=doses)
    assert found.value == pytest.approx(stats.linregress(doses[group], y).slope, rel=1e-9)
    assert found.df == 32.0
    two = linear_trend(y[group < 2], group[group < 2])
    student = stats.ttest_ind(y[group == 1], y[group == 0])
    assert (two.statistic, two.p) == pytest.approx((student.statistic, student.pvalue), rel=1e-9)
    covered = error = 0
    for _ in range(600):
        noise = rng.normal(size=36)
        one = linear_trend(noise - 4.0 * doses[group], group, scores=doses, covariates=rng.normal(size=36))
        covered += one.low < -4.0 < one.high
        error += linear_trend(noise, group).p < 0.05
    # Three Monte-Carlo standard errors of 600 trials: 2.7 %.
    assert abs(covered / 600 - 0.95) < 0.027
    assert abs(error / 600 - 0.05) < 0.027


def test_trend_in_rates() -> None:
    # For two groups it is Pearson's chi-squared test.
    chi2 = stats.chi2_contingency([[12, 18], [5, 23]], correction=False)
    assert trend_in_rates([5, 12], [28, 30]).p == pytest.approx(chi2.pvalue, rel=1e-9)
    rng = np.random.default_rng(7)
    p = np.array([trend_in_rates(rng.binomial(25, 0.3, 4), np.full(4, 25)).p for _ in range(2000)])
    assert abs(np.mean(p < 0.05) - 0.05) < 0.015


def test_randomisation_ancova() -> None:
    rng = np.random.default_rng(8)
    covered = error = 0
    group = np.tile([0, 1], 40)
    for _ in range(800):
        x = rng.normal(size=80)
        y = x + x**2 + rng.normal(size=80)  # not a straight line
        error += randomisation_ancova(y, group, x).p < 0.05
        one = randomisation_ancova(y + 0.8 * group, group, x)
        covered += one.low < 0.8 < one.high
    # Three Monte-Carlo standard errors of 800 trials: 2.3 %.
    assert abs(error / 800 - 0.05) < 0.023
    assert abs(covered / 800 - 0.95) < 0.023
    y = rng.normal(size=80)
    welch = stats.ttest_ind(y[group == 1], y[group == 0], equal_var=False)
    plain = randomisation_ancova(y, group, np.zeros(80))
    assert plain.statistic == pytest.approx(welch.statistic, rel=1e-9)
    assert plain.df == math.inf


def test_equal_outcomes_claim_nothing() -> None:
    group, x = np.tile([0, 1], 5), np.arange(10.0)
    for found in (
        rank_ancova(np.ones(10), group, x),
        van_elteren(np.ones(10), group, np.zeros(10)),
        jonckheere(np.ones(10), group),
        trend_in_rates([0, 0], [5, 5]),
    ):
        assert (found.statistic, found.p) == (0.0, 1.0)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(StudyError, match="at least two groups"):
        jonckheere([1.0, 2.0], [0, 0])
    with pytest.raises(StudyError, match="shapes differ"):
        van_elteren([1.0, 2.0], [0, 1], [0])
    with pytest.raises(StudyError, match="not all equal"):
        linear_trend([1.0, 2.0, 3.0], [0, 1, 1], scores=[2.0, 2.0])
    with pytest.raises(StudyError, match="each group needs at least two"):
        randomisation_ancova([1.0, 2.0, 3.0], [0, 1, 1], [0.0, 1.0, 2.0])
