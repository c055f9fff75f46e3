"""Reference-based imputation: conditional means by hand, SAS on published data, the posterior, pooling."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import ancova
from ketasim.trials.analysis.imputation import (
    Imputed,
    Strategy,
    analyse_imputed,
    impute,
    joint_mean,
    last_seen,
    pool,
)
from ketasim.trials.analysis.mmrm import fit_mmrm
from ketasim.trials.analysis.posterior import conditional, find_holes, posterior_draws

Array = NDArray[np.float64]
DATA = Path(__file__).parent / "data"

# SAS "five macros" on the antidepressant trial, week 6, 10,000 data sets: drug minus placebo and its standard
# error. Source: R package rbmi, misc/antidepressant_analysis/results_SAS.pdf, pages 5 to 8.
SAS = {
    "at_random": (-2.79516, 1.11445),
    "copy_increments": (-2.44592, 1.10742),
    "copy_reference": (-2.36644, 1.10747),
    "jump_to_reference": (-2.12426, 1.12750),
}


def antidepressant() -> tuple[Array, NDArray[np.int64], Array]:
    table = np.genfromtxt(DATA / "antidepressant_trial.csv", delimiter=",", skip_header=4)
    return table[:, 2:], table[:, 0].astype(int), table[:, 1]


def complete(seed: int, n: int = 60) -> tuple[Array, NDArray[np.int64], Array]:
    rng = np.random.default_rng(seed)
    baseline = rng.normal(30.0, 5.0, n)
    spread = 9.0 * (0.6 + 0.4 * np.eye(3))
    y = rng.multivariate_normal(np.zeros(3), spread, n) + 0.3 * baseline[:, None]
    group = np.arange(n) % 2
    y += group[:, None] * np.array([-1.0, -2.0, -3.0])
    return y, group, baseline


def completed(
    y: Array, group: Array, baseline: Array, strategy: Any, seed: int, count: int, draws: Any = "posterior"
) -> Imputed:
    rng = np.random.default_rng(seed)
    return impute(y, group, baseline, strategy=strategy, rng=rng, n_imputations=count, draws=draws)


def test_joint_means_by_hand() -> None:
    own = np.array([[-4.0, -8.0, -12.0]] * 3)
    reference = np.array([[-1.0, -2.0, -3.0]] * 3)
    before = np.array([0, 1, 2])
    assert joint_mean(own, reference, before, "at_random").tolist() == own.tolist()
    assert joint_mean(own, reference, before, "copy_reference").tolist() == reference.tolist()
    jump = [[-1.0, -2.0, -3.0], [-4.0, -2.0, -3.0], [-4.0, -8.0, -3.0]]
    assert joint_mean(own, reference, before, "jump_to_reference").tolist() == jump
    # Increments of the reference are -1 and -1, from the own mean at the last visit before the deviation.
    increments = [[-1.0, -2.0, -3.0], [-4.0, -5.0, -6.0], [-4.0, -8.0, -9.0]]
    assert joint_mean(own, reference, before, "copy_increments").tolist() == increments
    # Who does not deviate stays in the own arm, and what such a person misses is at random.
    strategies: tuple[Strategy, ...] = ("copy_reference", "jump_to_reference", "copy_increments")
    for strategy in strategies:
        assert joint_mean(own, reference, np.array([3, 3, 3]), strategy).tolist() == own.tolist()
    with pytest.raises(StudyError, match="nearest valid name is 'jump_to_reference'"):
        joint_mean(own, reference, before, "jump_to_ref")  # type: ignore[arg-type]


def test_conditional_distribution_by_hand() -> None:
    covariance = np.array([[4.0, 2.0], [2.0, 9.0]])
    first, nothing = find_holes(np.array([[True, False], [False, False], [True, True]]))[::-1]
    assert (first.rows.tolist(), nothing.rows.tolist()) == ([0], [1])
    gain, root = conditional(covariance[None], first)
    # Slope 2/4, remaining variance 9 - 2 * 2 / 4.
    assert (gain.tolist(), root.tolist()) == ([[[0.5]]], [[[math.sqrt(8.0)]]])
    gain, root = conditional(covariance[None], nothing)
    assert gain.shape == (1, 2, 0)
    np.testing.assert_allclose(root[0] @ root[0].T, covariance, rtol=1e-15)


@pytest.mark.parametrize("strategy", ["jump_to_reference", "copy_reference", "copy_increments"])
def test_a_person_is_imputed_about_the_conditional_mean(strategy: str) -> None:
    y, group, baseline = complete(1, n=1500)
    y[1, 1:] = np.nan
    seen = y[1, 0]
    done = completed(y, group, baseline, strategy, 2, 200)
    # With 1,500 persons the parameters are known to some 3 %: reference mean 0.3 * baseline at all visits,
    # own mean 1, 2, 3 lower; covariance 9 with correlation 0.6.
    reference = 0.3 * baseline[1]
    residual = {
        "jump_to_reference": (reference, seen - (reference - 1.0)),
        "copy_reference": (reference, seen - reference),
        "copy_increments": (reference - 1.0, seen - (reference - 1.0)),
    }[strategy]
    expected = residual[0] + 0.6 * residual[1]
    drawn = done.values[:, 1, 1:]
    remaining = 9.0 * (1.0 - 0.36)
    # Four standard errors of the mean of 200 draws plus 0.4 for the parameters.
    assert np.abs(drawn.mean(axis=0) - expected).max() < 4.0 * math.sqrt(remaining / 200.0) + 0.4
    assert drawn.var(axis=0) == pytest.approx(remaining, rel=0.4)
    np.testing.assert_array_equal(done.values[:, 1, 0], np.full(200, seen))


@pytest.mark.parametrize("strategy", SAS)
def test_the_antidepressant_trial_agrees_with_sas(strategy: str) -> None:
    y, group, baseline = antidepressant()
    done = completed(y, group, baseline, strategy, 3, 200)
    estimate = analyse_imputed(done, group, baseline)
    value, se = SAS[strategy]
    # Estimates differ between data sets by 0.41: 200 data sets leave a Monte-Carlo error of 0.029, four of
    # which are allowed. The standard error has 1 % of Monte-Carlo error, and priors of the covariance differ.
    assert estimate.value == pytest.approx(value, abs=0.12)
    assert estimate.se == pytest.approx(se, rel=0.04)


def test_strategies_are_in_order_and_bootstrap_agrees() -> None:
    y, group, baseline = antidepressant()
    estimates = {}
    for strategy in SAS:
        done = completed(y, group, baseline, strategy, 4, 25, draws="bootstrap")
        estimates[strategy] = analyse_imputed(done, group, baseline)
    values = [estimates[strategy].value for strategy in SAS]
    # The same random numbers in all: the order of the published results must be met.
    assert values == sorted(values)
    for strategy, (value, se) in SAS.items():
        # 25 data sets: 0.08 of Monte-Carlo error, four of which are allowed; 3 % in the standard error.
        assert estimates[strategy].value == pytest.approx(value, abs=0.33)
        assert estimates[strategy].se == pytest.approx(se, rel=0.12)


def test_nothing_missing_is_the_analysis_of_complete_data() -> None:
    y, group, baseline = complete(5)
    done = impute(
        y, group, baseline, strategy="jump_to_reference", rng=np.random.default_rng(6), n_imputations=5
    )
    exact = ancova(y[:, 2], group, baseline).differences[0]
    pooled = analyse_imputed(done, group, baseline)
    # 1e-12: rounding of means of equal numbers.
    for name in ("value", "se", "df", "low", "high", "p"):
        assert getattr(pooled, name) == pytest.approx(getattr(exact, name), rel=1e-10)


def test_dropouts_of_the_reference_arm_do_not_depend_on_the_strategy() -> None:
    y, group, baseline = complete(7)
    y[group == 0, 2] = np.where(np.arange(30) < 10, np.nan, y[group == 0, 2])
    runs = [
        impute(y, group, baseline, strategy=strategy, rng=np.random.default_rng(8), n_imputations=4).values
        for strategy in ("at_random", "jump_to_reference", "copy_reference", "copy_increments")
    ]
    for other in runs[1:]:
        np.testing.assert_array_equal(runs[0], other)


def test_jump_to_reference_shrinks_the_effect_by_the_dropouts() -> None:
    y, group, baseline = complete(9, n=2000)
    leaves = (group == 1) & (np.arange(2000) % 8 == 1)
    y[leaves, :] = np.nan
    done = completed(y, group, baseline, "jump_to_reference", 10, 20)
    estimate = analyse_imputed(done, group, baseline)
    # A quarter of the arm left before the first visit: three quarters of the effect of -3 remain. The
    # standard error of 2,000 persons is 0.13.
    assert estimate.value == pytest.approx(-2.25, abs=4 * 0.13)
    assert estimate.value > ancova(y[:, 2], group, baseline).differences[0].value + 0.4


def test_the_posterior_of_complete_data_has_its_known_moments() -> None:
    y, group, _ = complete(11, n=40)
    design = np.column_stack([np.ones(40), group])
    draws = posterior_draws(y, design, np.random.default_rng(12), 1500)
    fit = fit_mmrm(y, group).fit
    # Inverse Wishart with 38 df: mean S / (38 - 3 - 1); S is 38 times the restricted estimate. Coefficients:
    # about the estimate with the variance of the fit times 38 / (38 - 3 - 1). Errors of 1,500 draws: 2 %.
    inflation = 38.0 / 34.0
    np.testing.assert_allclose(draws.covariances.mean(axis=0), fit.covariance * inflation, rtol=0.05)
    flat = draws.coefficients.reshape(1500, -1)
    error = np.sqrt(np.diag(fit.variance) * inflation)
    assert (np.abs(flat.mean(axis=0) - fit.coefficients) < 4.5 * error / math.sqrt(1500)).all()
    np.testing.assert_allclose(flat.std(axis=0), error, rtol=0.06)


def test_same_seed_same_data_and_other_seed_other_data() -> None:
    y, group, baseline = antidepressant()
    first, again, other = (
        impute(
            y, group, baseline, strategy="at_random", rng=np.random.default_rng(seed), n_imputations=3
        ).values
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    missing = np.isnan(y)
    assert (first[:, missing] != other[:, missing]).all()
    np.testing.assert_array_equal(
        first[:, ~missing], np.broadcast_to(y[~missing], (3, int((~missing).sum())))
    )


def test_values_after_the_deviation_are_kept_but_do_not_inform() -> None:
    y, group, baseline = complete(13, n=400)
    off = (group == 1) & (np.arange(400) % 4 == 1)
    before = np.where(off, 1, 3)
    # After stopping, the values are wild: if they informed the model, the others' imputations would be too.
    wild = y.copy()
    wild[off, 1:] += 1000.0
    wild[3, 2] = np.nan
    done = impute(
        wild,
        group,
        baseline,
        strategy="jump_to_reference",
        rng=np.random.default_rng(14),
        n_imputations=30,
        before=before,
    )
    np.testing.assert_array_equal(done.values[:, off], np.broadcast_to(wild[off], (30, off.sum(), 3)))
    # Person 3 is at random: 4 standard deviations about the truth's range.
    assert np.abs(done.values[:, 3, 2] - y[3, 2]).max() < 25.0


def test_last_seen_counts_up_to_the_last_visit() -> None:
    y = np.array([[1.0, 2.0, 3.0], [1.0, np.nan, 3.0], [np.nan, 2.0, np.nan], [np.nan, np.nan, np.nan]])
    assert last_seen(y).tolist() == [3, 3, 2, 0]


def test_pooling_by_hand() -> None:
    # Estimates 1, 2, 3 with variance 4: W = 4, B = 1, T = 4 + 4/3 = 16/3, lambda = 1/4, df_old = 2 * 16 = 32;
    # Barnard and Rubin 1999 with 20 complete df: observed = 21/23 * 20 * 3/4, df = 1 / (1/32 + 1/observed).
    pooled = pool([1.0, 2.0, 3.0], [4.0, 4.0, 4.0], 20.0, "a", "m")
    assert (pooled.value, pooled.se) == (2.0, pytest.approx(math.sqrt(16.0 / 3.0), rel=1e-14))
    observed = 21.0 / 23.0 * 20.0 * 0.75
    assert pooled.df == pytest.approx(1.0 / (1.0 / 32.0 + 1.0 / observed), rel=1e-14)
    assert pool([1.0, 2.0, 3.0], [4.0, 4.0, 4.0], math.inf, "a", "m").df == pytest.approx(32.0, rel=1e-14)
    with pytest.raises(StudyError, match="two or more"):
        pool([1.0], [1.0], 10.0, "a", "m")


def test_refusals_name_the_fault() -> None:
    y, group, baseline = complete(15)
    rng = np.random.default_rng(16)
    with pytest.raises(StudyError, match="strategy: unknown strategy 'j2r'"):
        impute(y, group, baseline, strategy="j2r", rng=rng)  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="reference: 4 is not an arm"):
        impute(y, group, baseline, strategy="at_random", rng=rng, reference=4)
    with pytest.raises(StudyError, match="n_imputations: 1"):
        impute(y, group, baseline, strategy="at_random", rng=rng, n_imputations=1)
    with pytest.raises(StudyError, match="draws: unknown source of parameters"):
        impute(y, group, baseline, strategy="at_random", rng=rng, draws="mcmc")  # type: ignore[arg-type]
    with pytest.raises(StudyError, match="before: give a number of visits from 0 to 3"):
        impute(y, group, baseline, strategy="at_random", rng=rng, before=np.full(60, 4))
    with pytest.raises(StudyError, match="too few to impute from"):
        impute(y[:4], group[:4], baseline[:4], strategy="at_random", rng=rng)
    done = impute(y, group, baseline, strategy="at_random", rng=rng, n_imputations=2)
    with pytest.raises(StudyError, match="treatment: 0 is not an arm to compare"):
        analyse_imputed(done, group, treatment=0)
