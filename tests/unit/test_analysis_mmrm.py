"""MMRM: against SAS on data with gaps, exact theory on data without, and its own derivatives."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import f as f_distribution
from scipy.stats import ttest_ind

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import ancova
from ketasim.trials.analysis.covariance_structures import FALLBACK_ORDER, structure
from ketasim.trials.analysis.mmrm import fit_mmrm
from ketasim.trials.analysis.repeated_fit import fit_repeated
from ketasim.trials.analysis.restricted_likelihood import evaluate, pattern_sums

Array = NDArray[np.float64]
DATA = Path(__file__).parent / "data"

# SAS PROC MIXED on the antidepressant trial: change = baseline*visit therapy*visit, type=un, ddfm=kr.
# Source: R package rbmi (insightsengineering/rbmi), misc/antidepressant_analysis/results_SAS.pdf, pages 1-4.
SAS_COVARIANCE = [
    [19.6845, 16.5157, 15.3879, 16.3599],
    [16.5157, 34.2105, 25.4250, 26.1843],
    [15.3879, 25.4250, 38.4363, 33.8949],
    [16.3599, 26.1843, 33.8949, 45.2587],
]
SAS_DIFFERENCES = [
    (0.09181, 0.6826, 169, 0.8932),
    (-1.4032, 0.9244, 165, 0.1309),
    (-2.2247, 1.0008, 162, 0.0276),
    (-2.8018, 1.1163, 150, 0.0131),
]
# SAS PROC MIXED on fev_data: FEV1 = treatment, ddfm=kr: difference, standard error, degrees of freedom; then
# -2 restricted log-likelihood where it was read.
# Source: R package mmrm (openpharma/mmrm), design/ddfm_covtype/kr_{us,toeph,ar1,cs}.{csv,txt}.
SAS_STRUCTURES = {
    "unstructured": (3.81972492174648, 0.66124382270307, 160.733266403768, 3667.96276376),
    "heterogeneous Toeplitz": (3.92287746213894, 0.72543828853831, 180.062730071701, 3693.28667094),
    "AR(1)": (4.22574315817874, 0.95865439662225, 188.46934887972, None),
    "compound symmetry": (4.19663617897035, 0.7964696053595, 177.038485931223, 3890.97896859),
}
# Distance (mm) from pituitary to pterygomaxillary fissure at 8, 10, 12, 14 years: 11 girls, then 16 boys
# (Potthoff and Roy 1964, as printed in the SAS/STAT User's Guide, PROC MIXED, example "Repeated Measures").
GROWTH = """
21.0 20.0 21.5 23.0  21.0 21.5 24.0 25.5  20.5 24.0 24.5 26.0  23.5 24.5 25.0 26.5  21.5 23.0 22.5 23.5
20.0 21.0 21.0 22.5  21.5 22.5 23.0 25.0  23.0 23.0 23.5 24.0  20.0 21.0 22.0 21.5  16.5 19.0 19.0 19.5
24.5 25.0 28.0 28.0  26.0 25.0 29.0 31.0  21.5 22.5 23.0 26.5  23.0 22.5 24.0 27.5  25.5 27.5 26.5 27.0
20.0 23.5 22.5 26.0  24.5 25.5 27.0 28.5  22.0 22.0 24.5 26.5  24.0 21.5 24.5 25.5  23.0 20.5 31.0 26.0
27.5 28.0 31.0 31.5  23.0 23.0 23.5 25.0  21.5 23.5 24.0 28.0  17.0 24.5 26.0 29.5  22.5 25.5 25.5 26.0
23.0 24.5 26.0 30.0  22.0 21.5 23.5 25.0
"""


def antidepressant() -> tuple[Array, NDArray[np.int64], Array]:
    table = np.genfromtxt(DATA / "antidepressant_trial.csv", delimiter=",", skip_header=4)
    return table[:, 2:], table[:, 0].astype(int), table[:, 1]


def fev() -> tuple[Array, Array]:
    table = np.genfromtxt(DATA / "fev_trial.csv", delimiter=",", skip_header=3)
    return table[:, 1:], np.column_stack([np.ones(len(table)), table[:, 0]])


def growth() -> tuple[Array, NDArray[np.int64]]:
    return np.array(GROWTH.split(), dtype=float).reshape(27, 4), np.repeat([0, 1], [11, 16])


def with_gaps(seed: int, n: int = 40, visits: int = 4) -> tuple[Array, NDArray[np.int64], Array]:
    rng = np.random.default_rng(seed)
    baseline = rng.normal(30.0, 5.0, n)
    spread = (
        20.0 * (0.5 + 0.5 * np.eye(visits)) * np.outer(1 + np.arange(visits), 1 + np.arange(visits)) ** 0.5
    )
    y = rng.multivariate_normal(np.zeros(visits), spread, n) + 0.5 * baseline[:, None]
    y[rng.random((n, visits)) < 0.15] = np.nan
    return y, np.arange(n) % 2, baseline


def complete_trial(seed: int, n: int = 30) -> tuple[Array, NDArray[np.int64], Array]:
    rng = np.random.default_rng(seed)
    baseline = rng.normal(30.0, 5.0, n)
    return rng.normal(0.0, 6.0, (n, 3)) + 0.5 * baseline[:, None], np.arange(n) % 2, baseline


def test_an_antidepressant_trial_with_dropout_agrees_with_sas() -> None:
    y, group, baseline = antidepressant()
    result = fit_mmrm(y, group, baseline)
    assert result.fit.structure == "unstructured"
    assert (result.fit.n_persons, result.fit.n_observations) == (172, 608)
    # Half a unit of the last digit printed, and for covariances two: SAS stops a little before the maximum.
    assert result.fit.deviance == pytest.approx(3494.20285008, abs=1e-6)
    np.testing.assert_allclose(result.fit.covariance, SAS_COVARIANCE, atol=2e-4)
    for visit, (value, se, df, p) in enumerate(SAS_DIFFERENCES):
        estimate = result.difference(visit)
        assert estimate.value == pytest.approx(value, abs=1e-4)
        assert estimate.se == pytest.approx(se, abs=6e-5)
        assert estimate.df == pytest.approx(df, abs=0.51)
        assert estimate.p == pytest.approx(p, abs=6e-5)


def test_f_tests_of_several_contrasts_agree_with_sas() -> None:
    y, group, baseline = antidepressant()
    fit = fit_mmrm(y, group, baseline).fit
    # Coefficients: 4 intercepts, 4 effects of arm, 4 slopes of baseline.
    slopes = np.zeros((4, 12))
    slopes[range(4), range(8, 12)] = 1.0
    test = fit.test(slopes)
    assert (test.statistic, test.denominator) == (
        pytest.approx(6.46, abs=0.005),
        pytest.approx(153, abs=0.51),
    )
    # visit*therapy: all eight means of a person with baseline 0 are the same.
    cells = np.zeros((7, 12))
    cells[range(4), range(4, 8)] = 1.0
    cells[range(4, 7), range(3)], cells[range(4, 7), range(1, 4)] = 1.0, -1.0
    test = fit.test(cells)
    assert (test.numerator, test.statistic) == (7, pytest.approx(1.99, abs=0.0051))
    assert (test.denominator, test.p) == (pytest.approx(206, abs=0.51), pytest.approx(0.0573, abs=6e-5))


@pytest.mark.parametrize("name", SAS_STRUCTURES)
def test_each_structure_agrees_with_sas(name: str) -> None:
    y, covariates = fev()
    fit = fit_repeated(y, covariates, [False, False], structures=[name])
    estimate = fit.contrast(fit.vector([0.0, 1.0], 0), "treatment")
    value, se, df, deviance = SAS_STRUCTURES[name]
    # SAS stopped 8e-6 above the least deviance for the unstructured fit, which moves its estimate by 2e-5,
    # its standard error by 6e-5 and its degrees of freedom by 0.04; the others agree to 3e-6.
    loose = 20.0 if name == "unstructured" else 1.0
    assert estimate.value == pytest.approx(value, abs=5e-6 * loose)
    assert estimate.se == pytest.approx(se, abs=3e-6 * loose)
    assert estimate.df == pytest.approx(df, abs=3e-3 * loose)
    if deviance is not None:
        assert deviance - 1e-5 < fit.deviance < deviance + 1e-6


def test_complete_data_give_the_exact_t_test_at_each_visit() -> None:
    y, group = growth()
    result = fit_mmrm(y, group)
    for visit in range(4):
        exact = ttest_ind(y[group == 1, visit], y[group == 0, visit])
        estimate = result.difference(visit)
        # 1e-8: the maximum is found by iteration.
        assert estimate.statistic == pytest.approx(exact.statistic, rel=1e-8)
        assert estimate.df == pytest.approx(25.0, rel=1e-8)
        assert estimate.p == pytest.approx(exact.pvalue, rel=1e-7)
    pooled = sum(
        (y[group == code] - y[group == code].mean(0)).T @ (y[group == code] - y[group == code].mean(0))
        for code in (0, 1)
    )
    np.testing.assert_allclose(result.fit.covariance, pooled / 25.0, rtol=1e-7)


def test_complete_data_with_baseline_are_an_ancova_at_each_visit() -> None:
    y, group, baseline = complete_trial(10)
    result = fit_mmrm(y, group, baseline)
    for visit in range(3):
        exact, estimate = ancova(y[:, visit], group, baseline).differences[0], result.difference(visit)
        # 1e-7: the maximum is found by iteration.
        for name in ("value", "se", "df", "p"):
            assert getattr(estimate, name) == pytest.approx(getattr(exact, name), rel=1e-7)


def test_complete_data_give_the_exact_multivariate_tests() -> None:
    y, group = growth()
    result = fit_mmrm(y, group)
    for which, count in (("treatment", 4), ("interaction", 3)):
        values = y if which == "treatment" else np.diff(y, axis=1)
        gap = values[group == 1].mean(0) - values[group == 0].mean(0)
        pooled = (
            sum(np.cov(values[group == code], rowvar=False) * (np.sum(group == code) - 1) for code in (0, 1))
            / 25.0
        )
        hotelling = float(gap @ np.linalg.solve(pooled, gap)) / (1 / 11 + 1 / 16)
        expected = hotelling * (25 - count + 1) / (count * 25)
        test = result.test(which)  # type: ignore[arg-type]
        # Kenward and Roger (1997): their F is Hotelling's for complete data. 1e-7: iteration.
        assert test.statistic == pytest.approx(expected, rel=1e-7)
        assert test.denominator == pytest.approx(25 - count + 1, rel=1e-7)
        assert test.p == pytest.approx(float(f_distribution.sf(expected, count, 26 - count)), rel=1e-6)


@pytest.mark.parametrize("name", FALLBACK_ORDER)
def test_gradient_and_information_are_the_derivatives(name: str) -> None:
    y, group, baseline = with_gaps(1)
    z = np.column_stack([np.ones(40), group, (baseline - 30.0) / 5.0])
    sums = pattern_sums(y, z, np.array([True, True, False]))
    kind = structure(name)
    start = kind.start(fit_repeated(y, z, [True, True, False]).covariance) * 1.1
    here = evaluate(sums, kind.build(start, 4))
    for place, step in enumerate(1e-5 * np.abs(start) + 1e-7):
        up, down = start.copy(), start.copy()
        up[place] += step
        down[place] -= step
        above, below = evaluate(sums, kind.build(up, 4)), evaluate(sums, kind.build(down, 4))
        # Central differences err by some 1e-10 of the curvature and 1e-13 of the deviance over the step.
        size = np.abs(here.gradient).max() + 1.0
        assert here.gradient[place] == pytest.approx(
            (above.deviance - below.deviance) / (2 * step), abs=1e-5 * size, rel=1e-5
        )
        slope = (above.gradient - below.gradient) / (4 * step)
        np.testing.assert_allclose(here.observed[place], slope, rtol=1e-5, atol=1e-6 * np.abs(slope).max())


def test_expected_information_is_the_mean_of_the_observed() -> None:
    rng = np.random.default_rng(5)
    spread = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 1.0], [0.5, 1.0, 5.0]])
    seen = rng.random((30, 3)) > 0.2
    seen[~seen.any(axis=1), 0] = True
    z = np.column_stack([np.ones(30), np.arange(30) % 2])
    kind = structure("unstructured")
    parameters = kind.start(spread)
    observed, expected = [], []
    for _ in range(400):
        y = np.where(seen, rng.multivariate_normal(np.zeros(3), spread, 30), np.nan)
        here = evaluate(pattern_sums(y, z, np.array([True, True])), kind.build(parameters, 3))
        observed.append(here.observed)
        expected.append(here.expected)
    np.testing.assert_allclose(expected[0], expected[-1], rtol=1e-9)
    error = np.std(observed, axis=0) / math.sqrt(400)
    # Of 36 entries (21 different ones) none is likely to be 4.5 standard errors off.
    assert (np.abs(np.mean(observed, axis=0) - expected[0]) < 4.5 * error).all()


def test_units_and_origins_do_not_matter() -> None:
    y, group, baseline = with_gaps(2)
    plain = fit_mmrm(y, group, baseline)
    moved = fit_mmrm(1000.0 * y + 5.0e4, group, 1.0e-3 * baseline + 1.0e3)
    for visit in range(4):
        one, other = plain.difference(visit), moved.difference(visit)
        # Eight digits remain after five are lost to the origin and some to the scale.
        assert other.value == pytest.approx(1000.0 * one.value, rel=1e-6, abs=1e-4)
        assert other.se == pytest.approx(1000.0 * one.se, rel=1e-6)
        assert other.df == pytest.approx(one.df, rel=1e-6)
        assert moved.mean(1, visit).value == pytest.approx(
            1000.0 * plain.mean(1, visit).value + 5.0e4, rel=1e-8
        )


def test_repeating_persons_is_repeating_sums() -> None:
    y, group, baseline = with_gaps(3)
    once = fit_mmrm(y, group, baseline)
    twice = fit_mmrm(np.tile(y, (50, 1)), np.tile(group, 50), np.tile(baseline, 50))
    # Estimates move as restricted likelihood counts coefficients once; standard errors fall as 1/sqrt(50).
    assert twice.difference().value == pytest.approx(once.difference().value, abs=0.05 * once.difference().se)
    ratio = once.difference(degrees="satterthwaite").se / twice.difference(degrees="satterthwaite").se
    assert ratio == pytest.approx(math.sqrt(50.0), rel=0.06)


def test_degrees_of_freedom_can_be_chosen_and_are_named() -> None:
    y, group, baseline = with_gaps(4)
    result = fit_mmrm(y, group, baseline)
    kenward, satterthwaite = result.difference(), result.difference(degrees="satterthwaite")
    naive = result.difference(degrees="between-within")
    assert kenward.df == satterthwaite.df
    assert kenward.se > satterthwaite.se == naive.se
    assert naive.df == result.fit.n_persons - 3
    assert naive.df != kenward.df
    assert [each.method.split(", ")[-1] for each in (kenward, satterthwaite, naive)] == [
        "kenward-roger df",
        "satterthwaite df",
        "between-within df",
    ]
    one = result.fit.test(result.fit.vector([0.0, 1.0, 0.0], 2))
    estimate = result.difference(2)
    assert (one.statistic, one.denominator) == (
        pytest.approx(estimate.statistic**2, rel=1e-9),
        pytest.approx(estimate.df, rel=1e-9),
    )


def test_fai_cornelius_keeps_the_exact_df_of_one_variance() -> None:
    y, group = growth()
    test = fit_mmrm(y, group).test("treatment", degrees="satterthwaite")
    # With complete data each direction has 25 degrees of freedom: E = 4 * 25/23, and the df is 2 E / (E - 4).
    assert test.denominator == pytest.approx(25.0, rel=1e-7)


def test_fallback_is_in_order_and_told() -> None:
    y, group, _ = with_gaps(6, n=8, visits=4)
    y = np.concatenate([y, np.full((8, 4), np.nan)])
    y[:3, 2:] = np.nan
    y[:, 3] = np.where(np.isfinite(y[:, 3]), y[:, 2], np.nan)
    result = fit_mmrm(y, np.concatenate([group, group]))
    names = tuple(each.structure for each in result.fit.attempts)
    assert names == FALLBACK_ORDER[: len(names)]
    assert len(names) > 1
    assert all(each.reason and not each.converged for each in result.fit.attempts[:-1])
    assert result.fit.attempts[-1].converged
    assert result.difference().method.startswith(f"repeated measures, {names[-1]} covariance")
    with pytest.raises(StudyError, match=r"none could be fitted.*unstructured: "):
        fit_mmrm(y, np.concatenate([group, group]), structures=["unstructured"])


def test_shared_and_own_coefficients_of_a_covariate() -> None:
    y, group, baseline = with_gaps(7)
    shared = fit_mmrm(y, group, baseline, covariates_by_visit=False)
    own = fit_mmrm(y, group, baseline)
    assert (len(shared.fit.coefficients), len(own.fit.coefficients)) == (9, 12)
    same = np.zeros((3, 12))
    same[range(3), range(8, 11)], same[range(3), range(9, 12)] = 1.0, -1.0
    # The slope was simulated equal at all visits: the test must not be extreme, and fits must be near.
    assert own.fit.test(same).p > 0.001
    assert shared.difference().value == pytest.approx(own.difference().value, abs=own.difference().se)


def test_three_arms_and_averages() -> None:
    y, _, baseline = with_gaps(8, n=60)
    result = fit_mmrm(y, np.arange(60) % 3, baseline)
    direct = result.difference(1, 2, 1).value
    assert direct == pytest.approx(result.difference(1, 2).value - result.difference(1, 1).value, abs=1e-9)
    assert direct == pytest.approx(result.mean(2, 1).value - result.mean(1, 1).value, abs=1e-9)
    mean = np.mean([result.difference(visit, 2).value for visit in range(4)])
    assert result.average_difference(2).value == pytest.approx(mean, abs=1e-9)
    assert result.test("treatment").numerator == 8
    assert result.test("interaction").numerator == 6
    assert result.seen.sum() == result.fit.n_observations


def test_impossible_input_is_refused() -> None:
    y, group, baseline = with_gaps(9)
    empty = y.copy()
    empty[:, 1] = np.nan
    with pytest.raises(StudyError, match=r"nobody was seen at visit \[1\]"):
        fit_mmrm(empty, group)
    one_arm = y.copy()
    one_arm[group == 1, 3] = np.nan
    with pytest.raises(StudyError, match="at visit 3 those who were seen do not tell intercept, arm 1"):
        fit_mmrm(one_arm, group)
    with pytest.raises(StudyError, match=r"covariates.*finite numbers"):
        fit_mmrm(y, group, np.where(np.arange(40) == 3, np.nan, baseline))
    with pytest.raises(StudyError, match="there must be an arm 0"):
        fit_mmrm(y, np.ones(40, dtype=int))
    with pytest.raises(StudyError, match="nearest valid name is 'AR\\(1\\)'"):
        fit_mmrm(y, group, structures=["AR1"])
    result = fit_mmrm(y, group)
    with pytest.raises(StudyError, match="visit: 9 does not exist"):
        result.difference(9)
    with pytest.raises(StudyError, match="degrees: unknown method"):
        result.difference(degrees="kr")  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="contrast: zero"):
        result.fit.contrast(np.zeros(8), "nothing")
