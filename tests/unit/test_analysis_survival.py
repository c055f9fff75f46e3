"""Time to an event, checked with the leukaemia trial of Freireich et al. (1963, Blood 21:699)."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest
from scipy import stats

from ketasim.errors import StudyError
from ketasim.trials.analysis.hazards import cox_score_chi2, hazard_ratio, hazard_ratio_many
from ketasim.trials.analysis.survival import (
    kaplan_meier,
    log_rank,
    log_rank_many,
    median_time,
    numbers_at_risk,
    restricted_mean,
    restricted_mean_difference,
)

# Weeks of remission on 6-mercaptopurine (0: still in remission) and on placebo.
DRUG = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35], dtype=float)
RELAPSED = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0])
PLACEBO = np.array([1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23], dtype=float)
EVERY = np.ones(21)
TIME = np.concatenate([PLACEBO, DRUG])
EVENT = np.concatenate([EVERY, RELAPSED])
GROUP = np.repeat([0, 1], 21)


def test_kaplan_meier_as_published() -> None:
    curve = kaplan_meier(DRUG, RELAPSED)
    # Survival and standard error as tabled from these data by Cox and Oakes (1984) and in many texts.
    assert curve.times.tolist() == [6, 7, 10, 13, 16, 22, 23]
    assert curve.at_risk.tolist() == [21, 17, 15, 12, 11, 7, 6]
    assert curve.survival == pytest.approx([0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=6e-4)
    assert curve.se == pytest.approx([0.0764, 0.0869, 0.0963, 0.1068, 0.1141, 0.1282, 0.1346], abs=5.1e-5)
    library = stats.ecdf(stats.CensoredData.right_censored(DRUG, RELAPSED == 0)).sf
    assert curve.at(library.quantiles) == pytest.approx(library.probabilities, rel=1e-12)
    limits = library.confidence_interval(method="log-log")
    assert curve.low == pytest.approx(limits.low.evaluate(curve.times), rel=1e-9)
    assert curve.high == pytest.approx(limits.high.evaluate(curve.times), rel=1e-9)
    assert np.isnan(curve.at(36.0))
    assert curve.at([0.0, 5.9, 6.0]) == pytest.approx([1.0, 1.0, 18 / 21], rel=1e-12)


def test_numbers_at_risk() -> None:
    assert numbers_at_risk(DRUG, [0, 6, 6.5, 10, 35, 36]).tolist() == [21, 21, 17, 15, 1, 0]


def test_median_as_published() -> None:
    # R's survfit prints for these data, log interval: 23 (16 to none) and 8 (4 to 12).
    drug, placebo = (
        median_time(kaplan_meier(t, e, interval="log")) for t, e in ((DRUG, RELAPSED), (PLACEBO, EVERY))
    )
    assert (drug.value, drug.low, drug.high) == (23.0, 16.0, math.inf)
    assert (placebo.value, placebo.low, placebo.high) == (8.0, 4.0, 12.0)
    # On a stretch at exactly one half the middle is the median, as it is of the numbers 1 to 4.
    assert median_time(kaplan_meier([1, 2, 3, 4], np.ones(4))).value == 2.5
    assert median_time(kaplan_meier([1, 2, 3, 4], np.zeros(4))).value == math.inf


def test_log_rank_as_published() -> None:
    found = log_rank(TIME, EVENT, GROUP)
    # 16.79, with 9 and 21 relapses seen and 19.3 and 10.7 expected (Cox and Oakes 1984, R's survdiff).
    assert found.chi2 == pytest.approx(16.793, abs=5e-4)
    assert found.observed.tolist() == [21.0, 9.0]
    assert found.expected == pytest.approx([10.7, 19.3], abs=0.06)
    assert found.z < 0.0
    assert found.chi2 == pytest.approx(found.z**2, rel=1e-12)
    # survdiff(rho = 1) prints 14.5.
    assert log_rank(TIME, EVENT, GROUP, rho=1.0).chi2 == pytest.approx(14.5, abs=0.05)
    library = stats.logrank(
        stats.CensoredData.right_censored(PLACEBO, EVERY == 0),
        stats.CensoredData.right_censored(DRUG, RELAPSED == 0),
    )
    assert found.p == pytest.approx(library.pvalue, rel=1e-9)


def test_log_rank_over_strata_and_groups() -> None:
    once = log_rank(TIME, EVENT, GROUP)
    double = np.repeat([0, 1], TIME.size)
    twice = log_rank(np.tile(TIME, 2), np.tile(EVENT, 2), np.tile(GROUP, 2), strata=double)
    # Observed, expected and variance all double.
    assert twice.chi2 == pytest.approx(2.0 * once.chi2, rel=1e-12)
    # A stratum of one group only adds nothing to the difference.
    more = log_rank(
        np.append(TIME, [3.0, 4.0]),
        np.append(EVENT, [1, 1]),
        np.append(GROUP, [1, 1]),
        strata=np.append(np.zeros(42), [1, 1]),
    )
    assert more.chi2 == pytest.approx(once.chi2, rel=1e-12)
    three = log_rank(TIME, EVENT, np.concatenate([np.zeros(21), np.tile([4, 9], 11)[:21]]))
    assert three.df == 2.0
    assert three.chi2 >= once.chi2  # the split of one group can only add
    assert math.isnan(three.z)


def test_log_rank_of_many_trials_is_that_of_each() -> None:
    rng = np.random.default_rng(4)
    time = np.ceil(rng.exponential(10.0, size=(5, 30)))
    event = (rng.random((5, 30)) < 0.7).astype(float)
    group = np.tile([0, 1], 15)
    for rho, gamma in ((0.0, 0.0), (1.0, 0.0), (0.5, 2.0)):
        z, p = log_rank_many(time, event, group, rho=rho, gamma=gamma)
        each = [log_rank(t, e, group, rho=rho, gamma=gamma) for t, e in zip(time, event, strict=True)]
        assert z == pytest.approx([one.z for one in each], rel=1e-9)
        assert p == pytest.approx([one.p for one in each], rel=1e-9)


def test_log_rank_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    trials, n = 2000, 100
    group = np.tile([0, 1], n // 2)
    life, left = rng.exponential(1.0, (trials, n)), rng.uniform(0.2, 2.5, (trials, n))
    event = (life <= left).astype(float)
    time = np.ceil(10.0 * np.minimum(life, left))  # visits make ties
    for rho, gamma in ((0.0, 0.0), (0.0, 1.0)):
        _, p = log_rank_many(time, event, group, rho=rho, gamma=gamma)
        # Three Monte-Carlo standard errors of 2000 trials are 1.5 %.
        assert abs(np.mean(p < 0.05) - 0.05) < 0.015


def test_cox_as_published() -> None:
    # Log hazard ratios: 1.572 (0.412) with Efron's, 1.509 (0.410) with Breslow's rule for ties (R's coxph).
    found = hazard_ratio(TIME, EVENT, GROUP)
    assert math.log(found.value) == pytest.approx(-1.572, abs=5e-4)
    assert found.se == pytest.approx(0.4124, abs=5e-5)
    breslow = hazard_ratio(TIME, EVENT, GROUP, ties="breslow")
    assert math.log(breslow.value) == pytest.approx(-1.509, abs=5e-4)
    assert breslow.se == pytest.approx(0.4096, abs=5e-5)
    assert found.low < found.value < found.high < 1.0
    # A covariate that is the same for all in a stratum would say nothing; this one varies.
    adjusted = hazard_ratio(TIME, EVENT, GROUP, covariates=np.arange(42.0) % 5.0, strata=np.tile([0, 1], 21))
    assert adjusted.method.endswith("stratified")
    assert adjusted.value != found.value


def test_cox_of_many_trials_is_that_of_each() -> None:
    rng = np.random.default_rng(12)
    time, event = np.ceil(rng.exponential(6.0, size=(6, 42))), (rng.random((6, 42)) < 0.8).astype(float)
    time[0], event[0] = TIME, EVENT
    for ties in ("efron", "breslow"):
        slope, se = hazard_ratio_many(time, event, GROUP, ties=ties)
        each = [hazard_ratio(t, e, GROUP, ties=ties) for t, e in zip(time, event, strict=True)]
        # The library's search stops at a gradient of about 1e-5.
        assert slope == pytest.approx([math.log(one.value) for one in each], abs=1e-5)
        assert se == pytest.approx([one.se for one in each], rel=1e-5)
    slope, se = hazard_ratio_many(TIME[None], np.where(GROUP == 1, 0, 1)[None], GROUP)
    assert slope[0] == -math.inf
    assert np.isnan(se[0])


def test_score_test_is_the_log_rank_test_without_ties() -> None:
    rng = np.random.default_rng(9)
    time, event = rng.exponential(size=60), (rng.random(60) < 0.7).astype(float)
    group, strata = np.tile([0, 1], 30), np.repeat([0, 1, 2], 20)
    for ties in ("efron", "breslow"):
        assert cox_score_chi2(time, event, group, ties=ties) == pytest.approx(
            log_rank(time, event, group).chi2, rel=1e-9
        )
        assert cox_score_chi2(time, event, group, strata=strata, ties=ties) == pytest.approx(
            log_rank(time, event, group, strata=strata).chi2, rel=1e-9
        )
    # With the ties of the leukaemia trial they differ: coxph prints 15.93 (Breslow) and 17.25 (Efron).
    assert cox_score_chi2(TIME, EVENT, GROUP) == pytest.approx(15.93, abs=0.005)
    assert cox_score_chi2(TIME, EVENT, GROUP, ties="efron") == pytest.approx(17.25, abs=0.005)


def test_cox_keeps_its_level_and_covers() -> None:
    rng = np.random.default_rng(2)
    trials, n = 2000, 80
    group = np.tile([0, 1], n // 2)
    for ratio in (1.0, 0.5):
        life = rng.exponential(np.where(group == 1, 1.0 / ratio, 1.0), (trials, n))
        left = rng.uniform(0.5, 3.0, (trials, n))
        slope, se = hazard_ratio_many(np.minimum(life, left), (life <= left).astype(float), group)
        covered = np.mean(np.abs(slope - math.log(ratio)) < 1.96 * se)
        # Three Monte-Carlo standard errors of 2000 trials: 1.5 %. At ratio 1 this is the type I error.
        assert abs(covered - 0.95) < 0.015


def test_no_event_in_a_group() -> None:
    event = np.where(GROUP == 1, 0, 1)
    found = hazard_ratio(TIME, event, GROUP)
    assert found.value == 0.0
    assert found.p == log_rank(TIME, event, GROUP).p
    assert "no finite estimate" in found.method
    # Events in both groups, but never while both are at risk.
    apart = hazard_ratio([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1], [0, 0, 1, 1])
    assert (apart.value, apart.low, apart.high) == (0.0, 0.0, math.inf)
    assert hazard_ratio_many([[1.0, 2.0, 3.0, 4.0]], [[1, 1, 1, 1]], [0, 0, 1, 1])[0][0] == -math.inf
    with pytest.raises(StudyError, match="nobody had the event"):
        hazard_ratio(TIME, np.zeros(42), GROUP)


def test_cox_without_statsmodels_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.duration.hazard_regression", None)
    with pytest.raises(StudyError, match=r"pip install ketasim\[trial\]"):
        hazard_ratio(TIME, EVENT, GROUP)


def test_restricted_mean() -> None:
    # Without censoring it is the mean, with the variance of a mean (divisor n).
    placebo = restricted_mean(PLACEBO, EVERY, 23.0)
    assert placebo.value == pytest.approx(PLACEBO.mean(), rel=1e-12)
    assert placebo.se == pytest.approx(PLACEBO.std() / math.sqrt(21), rel=1e-12)
    early = restricted_mean(PLACEBO, EVERY, 10.0)
    cut = np.minimum(PLACEBO, 10.0)
    assert (early.value, early.se) == pytest.approx((cut.mean(), cut.std() / math.sqrt(21)), rel=1e-12)
    # SAS LIFETEST prints a mean of 17.909 to 23 weeks with standard error 1.647 for the drug; its variance
    # has the further factor m / (m - 1) for m = 9 relapses.
    drug = restricted_mean(DRUG, RELAPSED, 23.0)
    assert drug.value == pytest.approx(17.909, abs=5e-4)
    assert drug.se * math.sqrt(9 / 8) == pytest.approx(1.647, abs=5e-4)
    gap = restricted_mean_difference(TIME, EVENT, GROUP, 23.0)
    assert gap.value == pytest.approx(drug.value - placebo.value, rel=1e-12)
    with pytest.raises(StudyError, match="at most 35"):
        restricted_mean(DRUG, RELAPSED, 40.0)


def test_intervals_of_curve_and_restricted_mean_cover() -> None:
    rng = np.random.default_rng(6)
    hit_curve = hit_mean = 0
    truth = 1.0 - math.exp(-1.0)  # both S(1) = exp(-1) and the mean to 1 follow from unit hazard
    for _ in range(800):
        life, left = rng.exponential(size=60), rng.uniform(0.5, 3.0, 60)
        time, event = np.minimum(life, left), (life <= left).astype(float)
        curve = kaplan_meier(time, event)
        place = np.searchsorted(curve.times, 1.0, side="right") - 1
        hit_curve += curve.low[place] < math.exp(-1.0) < curve.high[place]
        mean = restricted_mean(time, event, 1.0)
        hit_mean += mean.low < truth < mean.high
    # Three Monte-Carlo standard errors of 800 trials: 2.3 %.
    assert abs(hit_curve / 800 - 0.95) < 0.023
    assert abs(hit_mean / 800 - 0.95) < 0.023


def test_impossible_input_is_refused() -> None:
    with pytest.raises(StudyError, match="below zero"):
        kaplan_meier([-1.0, 2.0], [1, 1])
    with pytest.raises(StudyError, match="shapes differ"):
        kaplan_meier([1.0, 2.0], [1])
    with pytest.raises(StudyError, match="nearest valid name is 'log-log'"):
        kaplan_meier([1.0], [1], interval="loglog")
    with pytest.raises(StudyError, match="at least two groups"):
        log_rank([1.0, 2.0], [1, 1], [0, 0])
    with pytest.raises(StudyError, match="nearest valid name is 'efron'"):
        hazard_ratio(TIME, EVENT, GROUP, ties="effron")
