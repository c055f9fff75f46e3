"""ANCOVA: a published analysis, plain least squares, and many replicates at once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import ancova, ancova_many
from ketasim.trials.analysis.estimate import Estimate, wald

Array = NDArray[np.float64]
DATA = Path(__file__).parent / "data"


def trial(seed: int, n: int = 50, arms: int = 2) -> tuple[Array, NDArray[np.int64], Array, NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    group, strata = np.arange(n) % arms, np.arange(n) // 2 % 3
    covariates = np.column_stack([rng.normal(30.0, 5.0, n), rng.random(n)])
    y = 0.4 * covariates[:, 0] + strata + 2.0 * group + rng.normal(0.0, 1.0 + group, n)
    return y, group, covariates, strata


def least_squares(y: Array, design: Array, *, hc3: bool = False) -> tuple[Array, Array]:
    """Coefficients and their variance by the textbook, from the whole design."""
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ y
    errors = y - design @ coefficients
    if not hc3:
        return coefficients, inverse * float(errors @ errors) / (len(y) - design.shape[1])
    leverage = np.diag(design @ inverse @ design.T)
    middle = design.T @ np.diag((errors / (1.0 - leverage)) ** 2) @ design
    return coefficients, inverse @ middle @ inverse


def test_the_antidepressant_trial_agrees_with_sas() -> None:
    table = np.genfromtxt(DATA / "antidepressant_trial.csv", delimiter=",", skip_header=4)
    result = ancova(table[:, 2], table[:, 0].astype(int), table[:, 1])
    # Week 1, where nobody is missing: R package rbmi, misc/antidepressant_analysis/results_SAS.pdf, page 5
    # (difference, standard error, df, p, limits; then the means). Half a unit of the last digit.
    estimate = result.differences[0]
    assert estimate.value == pytest.approx(0.09181, abs=5e-6)
    assert estimate.se == pytest.approx(0.68263, abs=5e-6)
    assert (estimate.df, estimate.p) == (169.0, pytest.approx(0.8932, abs=5e-5))
    assert (estimate.low, estimate.high) == (
        pytest.approx(-1.25577, abs=5e-6),
        pytest.approx(1.43938, abs=5e-6),
    )
    placebo, drug = result.means
    assert (drug.value, drug.se) == (pytest.approx(-1.61582, abs=5e-6), pytest.approx(0.48623, abs=5e-6))
    assert (placebo.value, placebo.se) == (
        pytest.approx(-1.70763, abs=5e-6),
        pytest.approx(0.47496, abs=5e-6),
    )


@pytest.mark.parametrize("hc3", [False, True])
def test_it_is_least_squares(hc3: bool) -> None:
    y, group, covariates, strata = trial(1)
    dummies = (strata[:, None] == np.array([1, 2])).astype(float)
    design = np.column_stack([np.ones(50), group, covariates, dummies])
    expected, variance = least_squares(y, design, hc3=hc3)
    result = ancova(y, group, covariates, strata, hc3=hc3)
    # 1e-10: two orders of solving the same equations.
    assert result.differences[0].value == pytest.approx(expected[1], rel=1e-10)
    assert result.differences[0].se == pytest.approx(math.sqrt(variance[1, 1]), rel=1e-10)
    assert result.differences[0].df == 50 - 6
    at = design.mean(axis=0)
    at[1] = 1.0
    assert result.means[1].value == pytest.approx(float(at @ expected), rel=1e-10)
    assert result.means[1].se == pytest.approx(math.sqrt(at @ variance @ at), rel=1e-10)


def test_without_covariates_it_is_the_t_test() -> None:
    y, group, _, _ = trial(2)
    exact = ttest_ind(y[group == 1], y[group == 0])
    estimate = ancova(y, group).differences[0]
    assert (estimate.statistic, estimate.p) == (
        pytest.approx(exact.statistic, rel=1e-12),
        pytest.approx(exact.pvalue, rel=1e-11),
    )


def test_many_replicates_are_the_same_as_one_at_a_time() -> None:
    rng = np.random.default_rng(3)
    replicates, n = 20, 36
    group = np.stack([rng.permutation(np.arange(n) % 3) for _ in range(replicates)])
    strata = rng.integers(0, 2, (replicates, n))
    covariates = rng.normal(25.0, 4.0, (replicates, n, 2))
    y = rng.normal(0.0, 1.0, (replicates, n)) + covariates[..., 0]
    y[rng.random((replicates, n)) < 0.2] = np.nan
    covariates[4, 5, 1] = np.nan
    for hc3 in (False, True):
        many = ancova_many(y, group, covariates, strata, hc3=hc3, alpha=0.1)
        assert many.value.shape == (replicates, 2)
        for row in range(replicates):
            one = ancova(y[row], group[row], covariates[row], strata[row], hc3=hc3, alpha=0.1)
            for place, estimate in enumerate(one.differences):
                for name in ("value", "se", "low", "high", "statistic", "p"):
                    assert getattr(many, name)[row, place] == pytest.approx(getattr(estimate, name), rel=1e-9)
            assert many.df[row] == one.differences[0].df
            assert tuple(many.n[row]) == one.n
            assert one.left_out == n - sum(one.n)


def test_large_means_cost_no_digits() -> None:
    y, group, covariates, strata = trial(4)
    plain = ancova(y, group, covariates, strata).differences[0]
    moved = ancova(y + 1e7, group, covariates + 1e6, strata).differences[0]
    # 1e7 leaves nine digits of the outcome, 1e6 ten of the covariates.
    assert moved.value == pytest.approx(plain.value, rel=1e-7)
    assert moved.se == pytest.approx(plain.se, rel=1e-7)


def test_an_empty_stratum_in_a_replicate_is_left_out() -> None:
    y, group, covariates, strata = trial(5)
    many = np.stack([y, y, y])
    many[1, strata == 0] = np.nan
    many[2, strata == 2] = np.nan
    result = ancova_many(many, group, covariates, strata)
    for row, empty in ((1, 0), (2, 2)):
        kept = strata != empty
        one = ancova(y[kept], group[kept], covariates[kept], strata[kept]).differences[0]
        assert result.value[row, 0] == pytest.approx(one.value, rel=1e-10)
        assert result.se[row, 0] == pytest.approx(one.se, rel=1e-10)
        assert result.df[row] == one.df
    assert result.df[0] == result.df[1] + (strata == 0).sum() - 1


def test_a_replicate_that_cannot_be_analysed_is_nan_and_alone() -> None:
    y, group, covariates, _ = trial(6)
    many = np.stack([y, y])
    many[0, group == 1] = np.nan
    result = ancova_many(many, group, covariates)
    assert np.isnan(result.value[0]).all()
    assert np.isnan(result.p[0]).all()
    assert result.n[0].tolist() == [25, 0]
    assert result.p[1, 0] == pytest.approx(ancova(y, group, covariates).differences[0].p, rel=1e-10)


def test_blocks_of_replicates_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    y, group, covariates = rng.normal(size=(9, 12)), np.arange(12) % 2, rng.normal(size=(12, 1))
    whole = ancova_many(y, group, covariates)
    monkeypatch.setattr("ketasim.trials.analysis.ancova._BLOCK", 150)
    np.testing.assert_array_equal(ancova_many(y, group, covariates).p, whole.p)


def test_refusals_name_the_fault() -> None:
    y, group, covariates, _ = trial(8)
    with pytest.raises(StudyError, match="do not tell arms, covariates and strata apart"):
        ancova(y, group, np.column_stack([covariates[:, 0], 2.0 * covariates[:, 0]]))
    with pytest.raises(StudyError, match="do not tell arms"):
        ancova(np.where(group == 1, np.nan, y), group)
    with pytest.raises(StudyError, match=r"group: shape \(49,\)"):
        ancova(y, group[1:])
    with pytest.raises(StudyError, match=r"covariates: shape \(7, 2\)"):
        ancova(y, group, covariates[:7])
    with pytest.raises(StudyError, match="alpha: 5 is not between 0 and 1"):
        ancova(y, group, alpha=5)
    with pytest.raises(StudyError, match="use `ancova_many`"):
        ancova(np.stack([y, y]), group)


def test_an_estimate_knows_its_interval_and_test() -> None:
    # 0.975 quantiles of t with 10 df and of the normal distribution, from tables: 2.2281 and 1.9600.
    t = wald("a - b", 1.0, 0.5, 10.0, "method")
    assert (t.low, t.high) == (pytest.approx(1.0 - 1.11407, abs=1e-5), pytest.approx(1.0 + 1.11407, abs=1e-5))
    normal = wald("a - b", 1.0, 0.5, math.inf, "method")
    assert normal.high == pytest.approx(1.0 + 0.97998, abs=1e-5)
    assert normal.p == pytest.approx(0.0455003, abs=1e-7)
    assert t.interval(0.05) == (t.low, t.high)
    narrow, wide = t.interval(0.2), t.interval(0.01)
    assert wide[0] < t.low < narrow[0] < 1.0 < narrow[1] < t.high < wide[1]
    shifted = wald("a - b", 1.0, 0.5, 10.0, "method", null=1.0)
    assert (shifted.statistic, shifted.p) == (0.0, 1.0)
    exact = Estimate("odds", 2.0, math.nan, math.inf, 0.5, 8.0, math.nan, 0.3, "exact")
    assert all(math.isnan(limit) for limit in exact.interval())
    with pytest.raises(StudyError, match="alpha"):
        t.interval(0.0)
