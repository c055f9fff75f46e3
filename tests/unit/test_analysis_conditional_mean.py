"""Conditional mean imputation with the jackknife: rbmi and SAS on published data, and long ways by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import ancova
from ketasim.trials.analysis.conditional_mean import conditional_mean_difference, imputed_difference
from ketasim.trials.analysis.covariance_structures import FALLBACK_ORDER
from ketasim.trials.analysis.imputation import analyse_imputed, impute, joint_mean, last_seen
from ketasim.trials.analysis.leave_one_out import leave_one_out
from ketasim.trials.analysis.repeated_fit import fit_repeated

Array = NDArray[np.float64]
DATA = Path(__file__).parent / "data"

# R package rbmi on the antidepressant trial, jump to reference, method_condmean(type = "jackknife"): estimate
# and standard error at weeks 1, 2, 4 and 6 (placebo - drug there), and the interval and p value at week 6.
# Source: vignette "Inference with Conditional Mean Imputation" of rbmi, section 3.4 (frequentist inference),
# https://insightsengineering.github.io/rbmi/articles/CondMean_Inference.html
RBMI = [(-0.092, 0.695), (1.305, 0.878), (1.929, 0.862), (2.126, 0.858)]
RBMI_LAST = (0.444, 3.807, 0.013)
# SAS "five macros", 10,000 data sets, drug - placebo at week 6. Source: rbmi,
# misc/antidepressant_analysis/results_SAS.pdf, pages 5 to 8.
SAS = {
    "at_random": -2.79516,
    "copy_increments": -2.44592,
    "copy_reference": -2.36644,
    "jump_to_reference": -2.12426,
}


def antidepressant() -> tuple[Array, NDArray[np.int64], Array]:
    table = np.genfromtxt(DATA / "antidepressant_trial.csv", delimiter=",", skip_header=4)
    return table[:, 2:], table[:, 0].astype(int), table[:, 1]


def small(seed: int, n: int = 30) -> tuple[Array, NDArray[np.int64], Array]:
    """Draw a trial of three visits where a third leaves, one never came and one missed a visit between."""
    rng = np.random.default_rng(seed)
    baseline = rng.normal(30.0, 5.0, n)
    group = np.arange(n) % 2
    y = 3.0 * rng.standard_normal((n, 1)) + 2.0 * rng.standard_normal((n, 3)) + 0.3 * baseline[:, None]
    y += group[:, None] * np.array([-1.0, -2.0, -3.0])
    y[rng.permutation(n)[: n // 3], 2] = np.nan
    y[4:6, 1:] = np.nan
    y[8] = np.nan
    y[11] = [y[11, 0], np.nan, 7.0]
    return y, group, baseline


def by_hand(y: Array, group: Array, baseline: Array, strategy: str) -> float:
    """Fit, fill each person in turn with the conditional mean, and compare by least squares."""
    design = np.column_stack([np.ones(len(y)), group, baseline])
    fit = fit_repeated(y, design, [True] * 3, structures=("unstructured",))
    coefficients = fit.coefficients.reshape(3, -1)
    other = design.copy()
    other[:, 1] = 0.0
    before = last_seen(y)
    mean = joint_mean(design @ coefficients, other @ coefficients, before, strategy)  # type: ignore[arg-type]
    mean = np.where(group[:, None] == 0, design @ coefficients, mean)
    last = y[:, 2].copy()
    for person in np.flatnonzero(np.isnan(last)):
        seen = np.flatnonzero(np.isfinite(y[person]))
        residual = y[person, seen] - mean[person, seen]
        slope = np.linalg.solve(fit.covariance[np.ix_(seen, seen)], fit.covariance[seen, 2])
        last[person] = mean[person, 2] + slope @ residual
    return ancova(last, group, baseline).differences[0].value


def jackknifed(values: list[float]) -> float:
    table, n = np.array(values), len(values)
    return math.sqrt((n - 1) / n * ((table - table.mean()) ** 2).sum())


@pytest.mark.parametrize("visit", range(4))
def test_jump_to_reference_is_that_of_rbmi(visit: int) -> None:
    y, group, baseline = antidepressant()
    found = conditional_mean_difference(y, group, baseline, strategy="jump_to_reference", visit=visit)
    value, se = RBMI[visit]
    # Half of the last digit printed.
    assert found.value == pytest.approx(-value, abs=5.01e-4)
    assert found.se == pytest.approx(se, abs=5.01e-4)
    if visit == 3:
        low, high, p = RBMI_LAST
        assert (-found.high, -found.low) == (
            pytest.approx(low, abs=5.01e-4),
            pytest.approx(high, abs=5.01e-4),
        )
        assert found.p == pytest.approx(p, abs=5.01e-4)


@pytest.mark.parametrize("strategy", SAS)
def test_estimates_are_those_of_many_imputations_by_sas(strategy: str) -> None:
    y, group, baseline = antidepressant()
    found = conditional_mean_difference(y, group, baseline, strategy=strategy)  # type: ignore[arg-type]
    # Estimates differ between data sets by 0.41: four standard errors of a mean of 10,000.
    assert found.value == pytest.approx(SAS[strategy], abs=4.0 * 0.41 / 100.0)


@pytest.mark.parametrize("strategy", SAS)
def test_estimate_and_error_are_those_of_the_long_way(strategy: str) -> None:
    y, group, baseline = small(1)
    found = conditional_mean_difference(y, group, baseline, strategy=strategy)  # type: ignore[arg-type]
    assert "unstructured" in found.method
    assert found.value == pytest.approx(by_hand(y, group, baseline, strategy), rel=1e-8)
    rest = [np.arange(len(y)) != person for person in range(len(y))]
    values = [by_hand(y[rows], group[rows], baseline[rows], strategy) for rows in rest]
    # Samples are fitted to 1e-6 of a standard error, which differ by about a fifth of one.
    assert found.se == pytest.approx(jackknifed(values), rel=1e-5)


@pytest.mark.parametrize("name", FALLBACK_ORDER)
def test_each_structure_is_fitted_without_each_person(name: str) -> None:
    y, group, baseline = small(2)
    design = np.column_stack([np.ones(len(y)), group, (baseline - baseline.mean()) / baseline.std()])
    fit = fit_repeated(y, design, [True] * 3, structures=(name,))
    found = leave_one_out(y, design, fit)
    error = np.sqrt(np.diag(fit.variance)).reshape(3, 3)
    for person in range(len(y)):
        rest = np.arange(len(y)) != person
        alone = fit_repeated(y[rest], design[rest], [True] * 3, structures=(name,))
        gap = found.coefficients[person] - alone.coefficients.reshape(3, 3)
        assert np.abs(gap / error).max() < 1e-5
        np.testing.assert_allclose(found.covariances[person], alone.covariance, rtol=1e-4)
    # Who never came changes nothing.
    np.testing.assert_allclose(found.covariances[8], fit.covariance, rtol=1e-6)


def test_complete_data_have_the_jackknife_of_two_means() -> None:
    rng = np.random.default_rng(3)
    group = np.repeat([0, 1], [11, 14])
    y = rng.normal(5.0, 2.0, (25, 2)) + group[:, None]
    found = conditional_mean_difference(y, group, strategy="copy_reference")
    # Without person i of an arm of m, its mean moves by minus the residual over m - 1.
    moves = [y[group == arm, 1] - y[group == arm, 1].mean() for arm in (0, 1)]
    variance = 24.0 / 25.0 * sum(float((each**2).sum()) / (len(each) - 1) ** 2 for each in moves)
    assert found.value == pytest.approx(y[group == 1, 1].mean() - y[group == 0, 1].mean(), rel=1e-12)
    assert found.se == pytest.approx(math.sqrt(variance), rel=1e-10)
    assert math.isinf(found.df)


def test_the_order_of_persons_and_units_do_not_matter() -> None:
    y, group, baseline = small(4)
    first = conditional_mean_difference(y, group, baseline, strategy="copy_increments")
    order = np.random.default_rng(5).permutation(len(y))
    other = conditional_mean_difference(
        y[order] + 1e5, group[order], 1e3 * baseline[order] - 1e6, strategy="copy_increments"
    )
    # 1e5 of 1e-16 are lost in outcomes of some units.
    assert (other.value, other.se) == (
        pytest.approx(first.value, rel=1e-8),
        pytest.approx(first.se, rel=1e-6),
    )


def test_a_stratum_of_one_person_is_left_with_that_person() -> None:
    y, group, baseline = small(6)
    stratum = (np.arange(len(y)) == 0).astype(float)
    y[0] = [3.0, 5.0, 40.0]
    found = conditional_mean_difference(
        y, group, np.column_stack([baseline, stratum]), strategy="jump_to_reference"
    )
    # The person has a mean of its own: the estimate is that of the others, and so is that without it.
    others = np.arange(len(y)) != 0
    rest = conditional_mean_difference(
        y[others], group[others], baseline[others], strategy="jump_to_reference"
    )
    assert found.value == pytest.approx(rest.value, rel=1e-8)
    # So the sample without that person has the estimate itself.
    values = [
        conditional_mean_difference(y[rows], group[rows], baseline[rows], strategy="jump_to_reference").value
        for rows in (others & (np.arange(len(y)) != person) for person in range(1, len(y)))
    ]
    assert found.se == pytest.approx(jackknifed([rest.value, *values]), rel=1e-5)


def test_values_after_the_deviation_count_but_do_not_inform() -> None:
    y, group, baseline = small(7, n=60)
    y = np.where(np.isnan(y), 0.3 * baseline[:, None], y)
    before = np.where((group == 1) & (np.arange(60) % 4 == 1), 1, 3)
    y[33, 2] = np.nan
    shifted = y.copy()
    off = np.flatnonzero(before == 1)
    off = off[off != 33]
    shifted[off, 2] += 8.0
    plain, moved = (
        conditional_mean_difference(each, group, baseline, strategy="jump_to_reference", before=before)
        for each in (y, shifted)
    )
    filled = y[:, 2].copy()
    filled[33] = 0.0
    # Only the least squares move, by what the same shift does to them with any filling of the one missing.
    shift = np.nan_to_num(shifted[:, 2] - y[:, 2])
    effect = [ancova(filled + each, group, baseline).differences[0].value for each in (0.0 * shift, shift)]
    assert moved.value - plain.value == pytest.approx(effect[1] - effect[0], rel=1e-8)
    assert effect[1] - effect[0] > 1.0


def test_draws_are_multiple_imputation() -> None:
    y, group, baseline = antidepressant()
    found = imputed_difference(
        y,
        group,
        baseline,
        strategy="copy_reference",
        draws="posterior",
        rng=np.random.default_rng(9),
        n_imputations=20,
    )
    done = impute(
        y, group, baseline, strategy="copy_reference", rng=np.random.default_rng(9), n_imputations=20
    )
    assert found == analyse_imputed(done, group, baseline)
    exact = imputed_difference(y, group, baseline, strategy="copy_reference")
    assert exact == conditional_mean_difference(y, group, baseline, strategy="copy_reference")
    # Rubin's rules do not know what is borrowed from the reference: SAS has 1.107, the jackknife 0.981.
    assert exact.se < 0.95 * found.se


def test_refusals_name_the_fault() -> None:
    y, group, baseline = small(10)
    with pytest.raises(StudyError, match="nearest valid name is 'jump_to_reference'"):
        conditional_mean_difference(y, group, baseline, strategy="jump_to_ref")  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="treatment: 0 is not an arm to compare"):
        conditional_mean_difference(y, group, strategy="at_random", treatment=0)
    with pytest.raises(StudyError, match="visit: 3; there are 3"):
        conditional_mean_difference(y, group, strategy="at_random", visit=3)
    with pytest.raises(StudyError, match="rng: draws are 'posterior'"):
        imputed_difference(y, group, baseline, strategy="at_random", draws="posterior")
    twice = np.column_stack([baseline, 2.0 * baseline])
    with pytest.raises(StudyError, match="cannot be told apart"):
        conditional_mean_difference(y, group, twice, strategy="at_random")
    # Of the treated, one alone comes to the last visit.
    lonely = y.copy()
    lonely[group == 1, 2] = np.nan
    lonely[1, 2] = 3.0
    with pytest.raises(StudyError, match="at visit 2 one person alone tells"):
        conditional_mean_difference(lonely, group, baseline, strategy="jump_to_reference")
