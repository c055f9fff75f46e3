"""Responders: rates, differences, ratios, exact and adjusted methods, numbers needed to treat."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from ketasim.errors import StudyError
from ketasim.trials.analysis.binary import (
    exact_p,
    odds_ratio,
    rate,
    rate_interval,
    risk_difference,
    risk_difference_interval,
    risk_ratio,
    score_statistic,
)
from ketasim.trials.analysis.binary_adjusted import (
    cochran_mantel_haenszel,
    fit_logistic,
    mantel_haenszel_tables,
    standardised_difference,
    standardised_rates,
)
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.number_needed import number_needed

# Admissions to the University of California, Berkeley, 1973, by department (Bickel, Hammel and O'Connell
# 1975): admitted and rejected men, admitted and rejected women.
BERKELEY = np.array(
    [
        [512, 313, 89, 19],
        [353, 207, 17, 8],
        [120, 205, 202, 391],
        [138, 279, 131, 244],
        [53, 138, 94, 299],
        [22, 351, 24, 317],
    ]
)


# Newcombe (1998, Statistics in Medicine 17:857), table I: methods 3 (Wilson) and 5 (Clopper-Pearson).
@pytest.mark.parametrize(
    ("events", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0000, 0.1611), (0.0000, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_interval_of_a_rate_as_published(
    events: int, n: int, wilson: tuple[float, float], exact: tuple[float, float]
) -> None:
    # Printed to four decimals.
    assert rate_interval(events, n, method="wilson") == pytest.approx(wilson, abs=5.1e-5)
    assert rate_interval(events, n) == pytest.approx(exact, abs=5.1e-5)
    found = rate(events, n)
    assert found.value == events / n
    assert (found.low, found.high) == pytest.approx(exact, abs=5.1e-5)


@pytest.mark.parametrize("method", ["exact", "wilson"])
def test_interval_of_a_rate_is_scipys(method: str) -> None:
    for events, n in ((0, 7), (3, 7), (7, 7)):
        limits = stats.binomtest(events, n).proportion_ci(0.9, method=method)  # type: ignore[arg-type]
        # The library solves for the exact limits numerically, to about 1e-11.
        assert rate_interval(events, n, method=method, alpha=0.1) == pytest.approx(tuple(limits), abs=1e-10)


# Newcombe (1998, Statistics in Medicine 17:873), table II: methods 1 (Wald), 6 (Miettinen-Nurminen) and 10.
@pytest.mark.parametrize(
    ("counts", "score", "newcombe"),
    [
        ((56, 70, 48, 80), (0.0528, 0.3382), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1700, 0.8406), (0.1705, 0.8090)),
        ((5, 56, 0, 29), (-0.0326, 0.1933), (-0.0381, 0.1926)),
        ((0, 10, 0, 10), (-0.2879, 0.2879), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.7156, 1.0000), (0.6791, 1.0000)),
    ],
)
def test_interval_of_a_difference_as_published(
    counts: tuple[int, int, int, int], score: tuple[float, float], newcombe: tuple[float, float]
) -> None:
    assert risk_difference_interval(*counts) == pytest.approx(score, abs=5.1e-5)
    assert risk_difference_interval(*counts, method="newcombe") == pytest.approx(newcombe, abs=5.1e-5)


def test_score_interval_and_score_test_agree() -> None:
    low, high = risk_difference_interval(12, 30, 5, 28, alpha=0.05)
    z = float(stats.norm.ppf(0.975))
    # The limits are found to 2^-59; the statistic changes about tenfold as fast.
    assert score_statistic(12, 30, 5, 28, low) == pytest.approx(z, abs=1e-10)
    assert score_statistic(12, 30, 5, 28, high) == pytest.approx(-z, abs=1e-10)
    # At no difference, and without the factor, it is Pearson's chi-squared.
    chi2 = stats.chi2_contingency([[12, 18], [5, 23]], correction=False).statistic
    assert score_statistic(12, 30, 5, 28, corrected=False) ** 2 == pytest.approx(chi2, rel=1e-12)


def test_restricted_rates_maximise_the_likelihood() -> None:
    x1, n1, x0, n0, delta = 7, 20, 9, 25, -0.2
    grid = np.linspace(0.2 + 1e-9, 1.0 - 1e-9, 400_001)
    likelihood = (
        x1 * np.log(grid + delta)
        + (n1 - x1) * np.log(1 - grid - delta)
        + x0 * np.log(grid)
        + (n0 - x0) * np.log(1 - grid)
    )
    p0 = grid[np.argmax(likelihood)]
    p1 = p0 + delta
    spread = math.sqrt((p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * 45 / 44)
    # The grid has a step of 2e-6, and the spread is flat in the rates.
    expected = (x1 / n1 - x0 / n0 - delta) / spread
    assert score_statistic(x1, n1, x0, n0, delta) == pytest.approx(expected, rel=1e-5)


def test_ratios() -> None:
    found = risk_ratio(30, 40, 15, 40)
    library = stats.contingency.relative_risk(30, 40, 15, 40)
    limits = library.confidence_interval(0.95)
    assert (found.value, found.low, found.high) == pytest.approx(
        (library.relative_risk, limits.low, limits.high), rel=1e-12
    )
    assert risk_ratio(0, 40, 15, 40).value == 0.0
    assert risk_ratio(3, 40, 0, 40).value == math.inf
    assert math.isnan(risk_ratio(0, 40, 0, 40).value)
    # Convictions of twins, Fisher (1970), as printed by R's help page of fisher.test.
    twins = odds_ratio(2, 17, 10, 13)
    assert twins.value == pytest.approx(0.04693661, abs=2e-6)
    # R's search for the limits stops at 1.2e-4 in a transformed scale; at the limits the tails are 2.5 %.
    assert (twins.low, twins.high) == pytest.approx((0.003325764, 0.363182271), abs=2e-5)
    tails = [stats.nchypergeom_fisher(30, 17, 12, limit) for limit in (twins.low, twins.high)]
    assert tails[0].sf(1) == pytest.approx(0.025, rel=1e-6)
    assert tails[1].cdf(2) == pytest.approx(0.025, rel=1e-6)
    assert twins.p == pytest.approx(0.0005367, abs=5e-8)


def test_exact_tests() -> None:
    # Fisher's tea tasting: 17 of 35 ways are as extreme.
    assert exact_p(3, 4, 1, 4) == pytest.approx(17 / 35, rel=1e-12)
    assert exact_p([3, 3, 0], 4, [1, 1, 0], 4) == pytest.approx([17 / 35, 17 / 35, 1.0], rel=1e-12)
    fisher, boschloo = (float(exact_p(8, 14, 2, 11, method=m)) for m in ("fisher", "boschloo"))
    assert boschloo < fisher
    # By definition: the largest chance, over the common rate, of a table with a one-sided Fisher p value as
    # small as the one seen; twice that, as SciPy does.
    x1, x0 = np.meshgrid(np.arange(15), np.arange(12), indexing="ij")
    one_sided = stats.hypergeom.sf(x1 - 1, 25, x1 + x0, 14)
    extreme = one_sided <= one_sided[8, 2] * (1.0 + 1e-9)
    common = np.linspace(0.0, 1.0, 2001)[:, None, None]
    chance = (stats.binom.pmf(x1, 14, common) * stats.binom.pmf(x0, 11, common) * extreme).sum(axis=(1, 2))
    # Both searches find the flat top of a smooth curve.
    assert boschloo == pytest.approx(2.0 * chance.max(), rel=1e-4)


@pytest.mark.parametrize("method", ["boschloo", "barnard"])
def test_unconditional_tests_keep_their_level(method: str) -> None:
    n1, n0 = 9, 6
    x1, x0 = np.meshgrid(np.arange(n1 + 1), np.arange(n0 + 1), indexing="ij")
    claims = exact_p(x1, n1, x0, n0, method=method) < 0.05
    error = [
        float((claims * stats.binom.pmf(x1, n1, rate) * stats.binom.pmf(x0, n0, rate)).sum())
        for rate in np.linspace(0.05, 0.95, 19)
    ]
    assert max(error) < 0.05
    # And claim at least as often as Fisher's test.
    assert (claims >= (exact_p(x1, n1, x0, n0) < 0.05)).all() or method == "barnard"


def test_number_needed_runs_through_infinity() -> None:
    # Altman (1998, BMJ 317:1309): a reduction of 10 % (-5 % to 25 %).
    difference = Estimate("", 0.10, math.nan, math.inf, -0.05, 0.25, math.nan, math.nan, "")
    found = number_needed(difference)
    assert found.text == "NNTB 10 (NNTH 20 to inf to NNTB 4)"
    assert (found.value, found.low, found.high) == pytest.approx((10.0, 20.0, 4.0), rel=1e-12)
    harm = number_needed(Estimate("", 0.2, 0.0, math.inf, 0.1, 0.25, 0.0, 0.0, ""), event="harm")
    assert harm.text == "NNTH 5 (4 to 10)"
    assert number_needed(Estimate("", 0.0, 0.0, 1.0, -0.1, 0.1, 0.0, 0.0, "")).value == math.inf
    with pytest.raises(StudyError, match="nearest valid name is 'benefit'"):
        number_needed(difference, event="benefits")


def test_mantel_haenszel_as_published() -> None:
    men, women = BERKELEY[:, :2], BERKELEY[:, 2:]
    counts = (men[:, 0], men.sum(axis=1), women[:, 0], women.sum(axis=1))
    found = mantel_haenszel_tables(*counts, continuity=True)
    # As R's mantelhaen.test(UCBAdmissions) prints them.
    assert found.chi2 == pytest.approx(1.4269, abs=5e-5)
    assert found.p == pytest.approx(0.2323, abs=5e-5)
    assert found.odds_ratio.value == pytest.approx(0.9046968, abs=5e-8)
    assert (found.odds_ratio.low, found.odds_ratio.high) == pytest.approx((0.7719074, 1.0603298), abs=5e-8)
    people = [
        (admitted, sex, department)
        for department, row in enumerate(BERKELEY)
        for (admitted, sex), number in zip(((1, 1), (0, 1), (1, 0), (0, 0)), row, strict=True)
        for _ in range(number)
    ]
    response, group, strata = np.array(people).T
    by_person = cochran_mantel_haenszel(response, group, strata)
    assert by_person.risk_difference == mantel_haenszel_tables(*counts).risk_difference
    assert by_person.chi2 > found.chi2


def test_one_stratum_is_the_plain_comparison() -> None:
    found = mantel_haenszel_tables([30], [40], [15], [40])
    assert found.risk_difference.value == pytest.approx(30 / 40 - 15 / 40, rel=1e-12)
    assert found.odds_ratio.value == pytest.approx((30 / 10) / (15 / 25), rel=1e-12)
    # Woolf's variance is that of Robins, Breslow and Greenland in one stratum.
    assert found.odds_ratio.se == pytest.approx(math.sqrt(1 / 30 + 1 / 10 + 1 / 15 + 1 / 25), rel=1e-12)
    # With equal groups Sato's variance is the binomial one.
    assert found.risk_difference.se == pytest.approx(
        math.sqrt(0.75 * 0.25 / 40 + 0.375 * 0.625 / 40), rel=1e-12
    )
    # A stratum of one group only says nothing.
    assert mantel_haenszel_tables([30, 2], [40, 5], [15, 0], [40, 0]).chi2 == found.chi2


def test_logistic_regression() -> None:
    # Newton's steps satisfy the likelihood equations to rounding; one binary covariate is the log odds ratio.
    y = np.repeat([1.0, 0.0, 1.0, 0.0], [30, 10, 15, 25])
    x = np.column_stack([np.ones(80), np.repeat([1.0, 0.0], 40)])
    beta, covariance, converged = fit_logistic(y, x)
    assert converged
    assert beta == pytest.approx([math.log(15 / 25), math.log(3.0 / 0.6)], rel=1e-10)
    assert covariance[1, 1] == pytest.approx(1 / 30 + 1 / 10 + 1 / 15 + 1 / 25, rel=1e-8)
    # Complete separation: not converged, but the rates are right.
    assert not fit_logistic(np.array([0.0, 0.0, 1.0, 1.0]), np.column_stack([np.ones(4), np.arange(4.0)]))[2]


def test_standardisation_without_use_of_covariates_is_the_raw_difference() -> None:
    rng = np.random.default_rng(5)
    group, response = np.repeat([0, 1], 50), (rng.random(100) < 0.4).astype(float)
    constant = np.zeros((100, 1))
    raw = response[50:].mean() - response[:50].mean()
    for variance in ("ye", "delta"):
        found = standardised_difference(response, group, constant, variance=variance)
        assert found.value == pytest.approx(raw, abs=1e-9)
        binomial = math.sqrt(sum(r.mean() * (1 - r.mean()) / 50 for r in (response[50:], response[:50])))
        # The robust variance divides by n - 1 instead of n: 1 % of the standard error.
        assert found.se == pytest.approx(binomial, rel=0.011)
    missing = response.copy()
    missing[0] = math.nan
    assert standardised_difference(missing, group, constant).value == pytest.approx(
        response[50:].mean() - response[1:50].mean(), abs=1e-9
    )


@pytest.mark.parametrize("variance", ["ye", "delta"])
def test_standardised_difference_keeps_its_level_and_gains_precision(variance: str) -> None:
    rng = np.random.default_rng(11)
    trials, n, effect = 1500, 160, 0.8
    x = rng.normal(size=(trials, n, 1))
    group = np.tile([0, 1], n // 2)
    chance = 1.0 / (1.0 + np.exp(-(-0.4 + 1.5 * x[..., 0])))
    null = standardised_rates((rng.random((trials, n)) < chance).astype(float), group, x, variance=variance)
    error = np.mean(np.abs(null.difference / null.se) > 1.96)
    # Three Monte-Carlo standard errors of 5 % in 1500 trials are 1.7 %.
    assert abs(error - 0.05) < 0.017
    # Coverage of the difference in the population, found from a million covariates.
    many = rng.normal(size=1_000_000)
    curve = [np.mean(1 / (1 + np.exp(-(-0.4 + 1.5 * many + shift)))) for shift in (0.0, effect)]
    lifted = 1.0 / (1.0 + np.exp(-(-0.4 + 1.5 * x[..., 0] + effect * group)))
    y = (rng.random((trials, n)) < lifted).astype(float)
    found = standardised_rates(y, group, x, variance=variance)
    covered = np.abs(found.difference - (curve[1] - curve[0])) < 1.96 * found.se
    assert abs(covered.mean() - 0.95) < 0.017
    raw = y[:, group == 1].mean(axis=1) - y[:, group == 0].mean(axis=1)
    # The covariate explains about a quarter of the variance here.
    assert found.difference.std() < 0.93 * raw.std()


def test_intervals_of_rates_and_differences_cover() -> None:
    rng = np.random.default_rng(3)
    n1, n0, p1, p0 = 35, 28, 0.45, 0.2
    x1, x0 = rng.binomial(n1, p1, 3000), rng.binomial(n0, p0, 3000)
    for method in ("miettinen_nurminen", "newcombe"):
        low, high = risk_difference_interval(x1, n1, x0, n0, method=method)
        covered = np.mean((low < p1 - p0) & (p1 - p0 < high))
        # Two-binomial coverage varies by about 1 % around its level; 3000 trials add 1.2 %.
        assert abs(covered - 0.95) < 0.02
    low, high = rate_interval(x1, n1)
    assert np.mean((low < p1) & (p1 < high)) > 0.94  # exact: never below 95 % but for chance
    null = rng.binomial(n0, p0, 3000)
    fisher = np.mean(exact_p(rng.binomial(n1, p0, 3000), n1, null, n0) < 0.05)
    assert 0.005 < fisher < 0.05  # Fisher's test is conservative


def test_mantel_haenszel_keeps_its_level_and_sato_covers() -> None:
    rng = np.random.default_rng(8)
    n1, n0 = np.array([12, 8, 15, 9, 6]), np.array([11, 9, 14, 10, 5])
    base = np.array([0.2, 0.35, 0.5, 0.15, 0.6])
    errors = covered = 0
    for _ in range(1000):
        null = mantel_haenszel_tables(rng.binomial(n1, base), n1, rng.binomial(n0, base), n0)
        errors += null.p < 0.05
        shifted = mantel_haenszel_tables(rng.binomial(n1, base + 0.2), n1, rng.binomial(n0, base), n0)
        covered += shifted.risk_difference.low < 0.2 < shifted.risk_difference.high
    # Three Monte-Carlo standard errors of 1000 trials: 2.1 %.
    assert abs(errors / 1000 - 0.05) < 0.021
    assert abs(covered / 1000 - 0.95) < 0.021


def test_impossible_input_is_refused() -> None:
    with pytest.raises(StudyError, match="whole numbers from 0 to n"):
        rate_interval(5, 4)
    with pytest.raises(StudyError, match="at least one"):
        rate_interval(0, 0)
    with pytest.raises(StudyError, match="nearest valid name is 'newcombe'"):
        risk_difference(1, 10, 2, 10, method="newcomb")
    with pytest.raises(StudyError, match="nearest valid name is 'fisher'"):
        exact_p(1, 10, 2, 10, method="fischer")
    with pytest.raises(StudyError, match="only 0 and 1"):
        cochran_mantel_haenszel([0, 2], [0, 1], [0, 0])
    with pytest.raises(StudyError, match="persons in both"):
        cochran_mantel_haenszel([0, 1], [1, 1], [0, 0])
