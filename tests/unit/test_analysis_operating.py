"""Type I error, coverage and power in 300 simulated trials a method (benchmarks.analysis has 2,000)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, nct
from scipy.stats import t as student

from ketasim.trials.analysis.ancova import ancova_many
from ketasim.trials.analysis.conditional_mean import conditional_mean_difference
from ketasim.trials.analysis.crossover import crossover
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.imputation import analyse_imputed, impute
from ketasim.trials.analysis.mmrm import fit_mmrm

Array = NDArray[np.float64]
TRIALS = 300
# Fewer of what takes ten milliseconds a trial.
FEW = 120


def drawn(
    rng: np.random.Generator, n: int, visits: int, effect: float
) -> tuple[Array, NDArray[np.int64], Array]:
    """Draw a trial: SD 8, correlation 0.5 of visits and baseline, the whole effect at each visit."""
    group = np.arange(n) % 2
    spread = 32.0 * (1.0 + np.eye(visits + 1))
    values = rng.multivariate_normal(np.zeros(visits + 1), spread, n)
    return values[:, 1:] + effect * group[:, None], group, values[:, 0]


def agrees(events: ArrayLike, expected: float = 0.05) -> bool:
    """Tell whether a number of trials is within the 99.9 % range of the binomial distribution."""
    happened = np.asarray(events)
    low, high = binom.interval(0.999, happened.size, expected)
    return bool(low <= happened.sum() <= high)


def power(effect: float, se: float, df: float) -> float:
    limit = float(student.ppf(0.975, df))
    return float(nct.sf(limit, df, effect / se))


def test_ancova_keeps_its_level_and_has_the_power_of_theory() -> None:
    n, effect = 60, 5.0
    trials = [drawn(np.random.default_rng([1, trial]), n, 1, effect) for trial in range(TRIALS)]
    y, baseline = (np.stack([trial[part] for trial in trials]) for part in (0, 2))
    group = trials[0][1]
    result = ancova_many(y[..., 0], group, baseline[..., None])
    null = ancova_many(y[..., 0] - effect * group, group, baseline[..., None])
    assert agrees(null.p < 0.05)
    assert agrees((result.low > effect) | (result.high < effect))
    # Residual SD 8 sqrt(1 - 0.5^2); a normal covariate widens the variance by 1 + 1 / (n - 4).
    se = 8.0 * math.sqrt(0.75) * math.sqrt(4.0 / n * (1.0 + 1.0 / (n - 4)))
    assert agrees(result.p < 0.05, power(effect, se, n - 3))


def mmrm_estimate(trial: int, effect: float) -> Estimate:
    rng = np.random.default_rng([2, trial])
    y, group, baseline = drawn(rng, 40, 3, effect)
    # At random: the higher the value at the second visit, the likelier the third is missing.
    y[rng.random(40) < 1.0 / (1.0 + np.exp(1.5 - y[:, 1] / 8.0)), 2] = np.nan
    return fit_mmrm(y, group, baseline).difference()


def test_mmrm_keeps_its_level_with_dropout_at_random() -> None:
    null = [mmrm_estimate(trial, 0.0) for trial in range(TRIALS)]
    other = [mmrm_estimate(trial + TRIALS, 5.0) for trial in range(FEW)]
    assert agrees([each.p < 0.05 for each in null])
    assert agrees([not each.low < 5.0 < each.high for each in other])
    # Unbiased: four standard errors of the mean.
    values = np.array([each.value for each in null])
    assert values.mean() == pytest.approx(0.0, abs=4.0 * values.std() / math.sqrt(TRIALS))
    # And the standard errors tell the spread, which 300 trials know to 4 %.
    assert np.sqrt(np.mean([each.se**2 for each in null])) == pytest.approx(values.std(), rel=0.15)


def imputed_estimate(trial: int, strategy: str, effect: float) -> Estimate:
    rng, y, group, baseline = with_leavers(trial, effect)
    done = impute(y, group, baseline, strategy=strategy, rng=rng, n_imputations=8)  # type: ignore[arg-type]
    return analyse_imputed(done, group, baseline)


def with_leavers(trial: int, effect: float) -> tuple[np.random.Generator, Array, NDArray[np.int64], Array]:
    rng = np.random.default_rng([3, trial])
    y, group, baseline = drawn(rng, 50, 2, effect)
    y[rng.random(50) < 0.2, 1] = np.nan
    return rng, y, group, baseline


@pytest.mark.parametrize(
    ("strategy", "left"),
    [
        ("at_random", 5.0),
        ("jump_to_reference", 4.0),
        ("copy_reference", 13.0 / 3.0),
        ("copy_increments", 5.0),
    ],
)
def test_conditional_means_keep_their_level(strategy: str, left: float) -> None:
    def found(trial: int, effect: float) -> Estimate:
        _, *data = with_leavers(trial, effect)
        return conditional_mean_difference(*data, strategy=strategy)  # type: ignore[arg-type]

    half = FEW // 2
    null = [found(trial, 0.0) for trial in range(half)]
    other = [found(trial + half, 5.0) for trial in range(half)]
    assert agrees([each.p < 0.05 for each in null])
    # A fifth leaves after the first visit. Who jumps to the reference loses the effect of 5; who copies it
    # keeps as a residual the third that predicts the second visit, 16 / 48, given baseline; increments of the
    # reference are nothing.
    assert agrees([not each.low < left < each.high for each in other])
    values = np.array([each.value for each in other])
    assert values.mean() == pytest.approx(left, abs=4.0 * values.std() / math.sqrt(half))
    # The errors tell the spread, which 60 trials know to 9 %.
    assert np.sqrt(np.mean([each.se**2 for each in other])) == pytest.approx(values.std(), rel=0.35)


def test_imputation_at_random_keeps_its_level() -> None:
    estimates = [imputed_estimate(trial, "at_random", 5.0) for trial in range(FEW)]
    assert agrees([not each.low < 5.0 < each.high for each in estimates])


def test_jump_to_reference_is_conservative_and_estimates_the_share_that_stays() -> None:
    estimates = [imputed_estimate(trial, "jump_to_reference", 5.0) for trial in range(FEW)]
    values = np.array([each.value for each in estimates])
    # A fifth loses the effect of 5.
    assert values.mean() == pytest.approx(4.0, abs=4.0 * values.std() / math.sqrt(FEW))
    # Rubin's variance exceeds the spread for reference-based imputation (Cro, Carpenter and Kenward 2019).
    assert np.mean([each.se for each in estimates]) > values.std()
    assert (
        np.mean([not each.low < 4.0 < each.high for each in estimates]) < binom.ppf(0.9995, FEW, 0.05) / FEW
    )


def test_crossover_keeps_its_level_and_has_the_power_of_theory() -> None:
    n, effect = 20, 5.0
    results = []
    for trial in range(TRIALS):
        rng = np.random.default_rng([4, trial])
        first = np.arange(n) % 2
        y = 5.0 * rng.standard_normal((n, 1)) + 5.0 * rng.standard_normal((n, 2))
        results.append(crossover(y, first))
    values = np.array([each.treatment.value for each in results])
    errors = np.array([each.treatment.se for each in results])
    limit = float(student.ppf(0.975, n - 2))
    assert agrees(np.abs(values / errors) > limit)
    # An effect shifts the estimate by itself and leaves the standard error.
    assert agrees((values + effect) / errors > limit, power(effect, 5.0 * math.sqrt(2.0 / n), n - 2))
    assert agrees([each.carry_over.p < 0.05 for each in results])
