"""Trials with looks: boundaries, chances, conditional power, changes of size, estimates after stopping."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq

from ketasim.errors import StudyError
from ketasim.trials.analysis.reestimation import (
    cut_at,
    events_needed,
    reestimate_size,
    time_of_event,
    weighted_estimate,
    weighted_statistic,
)
from ketasim.trials.analysis.sequential import (
    Boundaries,
    classical_boundaries,
    conditional_power,
    exit_chances,
    futility_bound,
    predictive_power,
    spending_boundaries,
    spent,
)
from ketasim.trials.analysis.sequential_estimate import final_estimate, repeated_intervals

FIFTHS = np.arange(1, 6) / 5


# Jennison and Turnbull (2000), tables 2.1 to 2.4: constants of two-sided tests at 5 %, and the largest
# information over that of a fixed trial at power 90 %.
@pytest.mark.parametrize(
    ("kind", "looks", "constant", "inflation"),
    [
        ("pocock", 2, 2.178, 1.100),
        ("pocock", 3, 2.289, 1.151),
        ("pocock", 5, 2.413, 1.207),
        ("obrien_fleming", 2, 1.977, 1.007),
        ("obrien_fleming", 3, 2.004, 1.016),
        ("obrien_fleming", 5, 2.040, 1.026),
    ],
)
def test_classical_boundaries_as_published(kind: str, looks: int, constant: float, inflation: float) -> None:
    found = classical_boundaries(looks, kind)
    assert found.critical[-1] == pytest.approx(constant, abs=6e-4)
    expected = 1.0 if kind == "pocock" else math.sqrt(looks)
    assert found.critical[0] / found.critical[-1] == pytest.approx(expected, rel=1e-12)

    def power(drift: float) -> float:
        high, _ = exit_chances(found.fraction, found.critical, -found.critical, drift=drift)
        return float(high.sum())

    drift = brentq(lambda d: power(d) - 0.9, 1.0, 6.0)
    fixed = stats.norm.ppf(0.975) + stats.norm.ppf(0.9)
    assert (drift / fixed) ** 2 == pytest.approx(inflation, abs=6e-4)


def test_spending_boundaries_as_published() -> None:
    # Five equal looks, two-sided 5 %, as printed by the program of Lan and DeMets (Reboussin et al. 2000) and
    # by gsDesign's sfLDOF and sfLDPocock.
    assert spending_boundaries(FIFTHS, "obrien_fleming").critical == pytest.approx(
        [4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=1.5e-4
    )
    assert spending_boundaries(FIFTHS, "pocock").critical == pytest.approx(
        [2.4380, 2.4268, 2.4101, 2.3966, 2.3860], abs=1.5e-4
    )
    two = spending_boundaries([2 / 3, 1.0], "obrien_fleming", alpha=0.025, two_sided=False)
    assert two.critical == pytest.approx([2.509, 1.993], abs=6e-4)
    assert spent(1.0, "pocock")[()] == pytest.approx(0.05, rel=1e-12)
    assert spent([0.5, 1.0], "linear", alpha=0.1) == pytest.approx([0.05, 0.1], rel=1e-12)


def test_boundaries_spend_what_they_say_and_one_look_is_a_fixed_trial() -> None:
    bounds = spending_boundaries([0.3, 0.45, 0.9, 1.0], "obrien_fleming")
    high, low = exit_chances(bounds.fraction, bounds.critical, -bounds.critical)
    # The integration and the root are good to about 1e-10.
    assert np.cumsum(high + low) == pytest.approx(bounds.spent, abs=1e-9)
    assert classical_boundaries(1, "pocock").critical[0] == pytest.approx(1.959964, abs=1e-6)
    # With boundaries nobody reaches, the last look is the plain normal test.
    high, low = exit_chances([0.2, 0.6, 1.0], [20.0, 20.0, 1.5], [-20.0, -20.0, 1.5], drift=0.7)
    assert high[-1] == pytest.approx(stats.norm.sf(1.5 - 0.7), abs=1e-9)
    assert high.sum() + low.sum() == pytest.approx(1.0, abs=1e-9)


def walks(rng: np.random.Generator, trials: int, fraction: np.ndarray, drift: float) -> np.ndarray:
    """Statistics of looks: a score with independent increments."""
    steps = np.diff(fraction, prepend=0.0)
    score = np.cumsum(rng.normal(drift * steps, np.sqrt(steps), (trials, fraction.size)), axis=1)
    return score / np.sqrt(fraction)


def stops(z: np.ndarray, bounds: Boundaries) -> np.ndarray:
    hit = np.abs(z) >= bounds.critical
    return np.where(hit.any(axis=1), hit.argmax(axis=1), bounds.fraction.size - 1)


def test_chances_and_level_by_simulation() -> None:
    rng = np.random.default_rng(1)
    trials = 20_000
    for kind in ("obrien_fleming", "pocock"):
        bounds = spending_boundaries(FIFTHS, kind)
        null = walks(rng, trials, FIFTHS, 0.0)
        error = np.mean((np.abs(null) >= bounds.critical).any(axis=1))
        # Three Monte-Carlo standard errors of 20,000 trials: 0.5 %.
        assert abs(error - 0.05) < 0.005
        z = walks(rng, trials, FIFTHS, 2.5)
        first = stops(z, bounds)
        up = z[np.arange(trials), first] >= bounds.critical[first]
        seen = np.array([np.mean(up & (first == look)) for look in range(5)])
        high, _ = exit_chances(FIFTHS, bounds.critical, -bounds.critical, drift=2.5)
        assert seen == pytest.approx(high, abs=0.011)  # three standard errors of a chance near one half


def test_conditional_and_predictive_power() -> None:
    # Lan and Wittes (1988): half way at Z = 1, with B = 0.7071 and the trend 1.4142.
    assert conditional_power(1.0, 0.5, 1.96)[()] == pytest.approx(
        stats.norm.sf((1.96 - math.sqrt(2.0)) / math.sqrt(0.5)), rel=1e-12
    )
    assert conditional_power(1.0, 0.5, 1.96, drift=3.24)[()] == pytest.approx(
        stats.norm.sf((1.96 - math.sqrt(0.5) - 1.62) / math.sqrt(0.5)), rel=1e-12
    )
    rng = np.random.default_rng(2)
    z, t = 1.4, 0.6
    trend = z / math.sqrt(t)
    rest = rng.normal(trend * (1 - t), math.sqrt(1 - t), 100_000)
    assert conditional_power(z, t, 1.96)[()] == pytest.approx(
        np.mean(z * math.sqrt(t) + rest > 1.96),
        abs=0.005,  # three standard errors
    )
    drift = rng.normal(trend, 1 / math.sqrt(t), 100_000)
    rest = rng.normal(drift * (1 - t), math.sqrt(1 - t))
    assert predictive_power(z, t, 1.96)[()] == pytest.approx(
        np.mean(z * math.sqrt(t) + rest > 1.96), abs=0.005
    )


def test_futility_bound_is_where_conditional_power_is_low() -> None:
    for drift in (None, 3.24):
        bound = futility_bound([0.4, 0.5], 1.96, power=0.2, drift=drift)
        assert conditional_power(bound, [0.4, 0.5], 1.96, drift=drift) == pytest.approx(0.2, rel=1e-9)
    # Stopping there only lowers the chance of a claim.
    low = np.array([float(futility_bound(0.5, 1.96)), 1.96])
    high, _ = exit_chances([0.5, 1.0], [np.inf, 1.96], low)
    assert high.sum() < 0.025


def test_changed_size_keeps_its_level_only_with_weights() -> None:
    rng = np.random.default_rng(3)
    trials, first, planned, most = 20_000, 100, 200, 400
    z1 = rng.normal(size=trials)
    size = reestimate_size(z1, first, planned, most)
    z2 = rng.normal(size=trials)
    weighted = weighted_statistic(z1, z2, first / planned)
    # One-sided 2.5 %; three Monte-Carlo standard errors are 0.33 %.
    assert abs(np.mean(weighted > 1.959964) - 0.025) < 0.0034
    # A rule made to win: stop early when ahead, quadruple when behind. Plain pooling then errs too often.
    greedy = np.where(z1 > 1.5, first + 1.0, 2000.0)
    naive = (math.sqrt(first) * z1 + np.sqrt(greedy - first) * z2) / np.sqrt(greedy)
    assert np.mean(naive > 1.959964) > 0.03
    assert size.min() >= planned
    assert size.max() <= most


def test_new_size_reaches_the_power_asked_for() -> None:
    z, first, planned = np.array([1.5, 1.7, 1.9]), 50.0, 100.0
    size = reestimate_size(z, first, planned, 1000.0, power=0.9)
    # Weighted final statistic under the trend: mean of the second stage is trend * sqrt(n2).
    mean = math.sqrt(0.5) * z + math.sqrt(0.5) * z / math.sqrt(first) * np.sqrt(size - first)
    assert stats.norm.sf((1.959964 - mean) / math.sqrt(0.5)) == pytest.approx(0.9, abs=1e-6)
    # Not promising, and already strong: the plan stands.
    assert reestimate_size([-0.5, 0.4, 3.0], first, planned, 1000.0) == pytest.approx(planned)


def test_weighted_estimate_is_median_unbiased_and_covers() -> None:
    rng = np.random.default_rng(4)
    trials, effect, first = 4000, 0.25, 50
    mean1 = rng.normal(effect, 1 / math.sqrt(first), trials)
    size = reestimate_size(mean1 * math.sqrt(first), first, 100, 300)
    second = size - first
    mean2 = rng.normal(effect, 1 / np.sqrt(second))
    found = [
        weighted_estimate((a, 1 / math.sqrt(first)), (b, 1 / math.sqrt(n)), 0.5)
        for a, b, n in zip(mean1, mean2, second, strict=True)
    ]
    # Three Monte-Carlo standard errors of 4000 trials: 2.4 % of one half, 1.0 % of 95 %.
    assert abs(np.mean([one.value > effect for one in found]) - 0.5) < 0.024
    assert abs(np.mean([one.low < effect < one.high for one in found]) - 0.95) < 0.0104
    # Without a change it is the plain pooled mean.
    assert weighted_estimate((0.2, 0.1), (0.4, 0.1), 0.5).value == pytest.approx(0.3, rel=1e-12)


def test_estimate_after_stopping() -> None:
    # Stopping at the first look tells no more than a trial of that size: the plain estimate and p.
    bounds = spending_boundaries([0.5, 1.0], "obrien_fleming", alpha=0.025, two_sided=False)
    early = final_estimate(3.2, 1, bounds, 20.0)
    assert early.value == pytest.approx(3.2 / math.sqrt(10.0), abs=1e-8)
    assert early.low == pytest.approx((3.2 - 1.959964) / math.sqrt(10.0), abs=1e-6)
    assert early.p == pytest.approx(2 * stats.norm.sf(3.2), rel=1e-6)
    # p equals alpha for a result just at the last boundary, by either form of it.
    last = final_estimate(float(bounds.critical[1]), 2, bounds, 20.0)
    assert last.p == pytest.approx(0.05, abs=1e-6)
    assert last.low == pytest.approx(0.0, abs=1e-6)
    # Negative results mirror positive ones if boundaries are two-sided.
    both = spending_boundaries([0.5, 1.0], "obrien_fleming")
    up, down = (final_estimate(sign * 2.3, 2, both, 20.0) for sign in (1.0, -1.0))
    assert down.value == pytest.approx(-up.value, abs=1e-7)
    assert (down.low, down.high) == pytest.approx((-up.high, -up.low), abs=1e-7)
    assert down.p == pytest.approx(up.p, rel=1e-7)


def test_estimate_after_stopping_is_median_unbiased_and_covers() -> None:
    rng = np.random.default_rng(5)
    bounds = spending_boundaries(np.arange(1, 4) / 3, "pocock")
    z = walks(rng, 1500, bounds.fraction, 2.5)
    first = stops(z, bounds)
    end = z[np.arange(first.size), first]
    naive = end / np.sqrt(bounds.fraction[first])
    # The chance of a stronger outcome at the true effect is uniform: this is what makes limits exact.
    chance = np.empty(first.size)
    for place, (value, look) in enumerate(zip(end, first, strict=True)):
        upper = bounds.critical[: look + 1].copy()
        lower = -upper
        upper[-1] = lower[-1] = value
        chance[place] = exit_chances(bounds.fraction[: look + 1], upper, lower, drift=2.5)[0].sum()
    # Three Monte-Carlo standard errors of 1500 trials: 3.9 % of one half, 1.7 % of 95 %.
    assert abs(np.mean(chance < 0.5) - 0.5) < 0.039
    assert abs(np.mean((chance > 0.025) & (chance < 0.975)) - 0.95) < 0.017
    some = [
        final_estimate(float(a), int(b) + 1, bounds, 1.0) for a, b in zip(end[:40], first[:40], strict=True)
    ]
    assert [one.low < 2.5 < one.high for one in some] == ((chance > 0.025) & (chance < 0.975))[:40].tolist()
    # The naive estimate is biased upwards, by a fifth of its standard error or more here.
    assert naive.mean() - 2.5 > 0.2
    # Repeated intervals hold at all looks at once.
    low, high = repeated_intervals(z / np.sqrt(bounds.fraction), bounds, 1.0)
    assert abs(np.mean(((low < 2.5) & (high > 2.5)).all(axis=1)) - 0.95) < 0.017


def test_looks_by_events() -> None:
    # Schoenfeld (1981): 4 (1.96 + 1.28)^2 / log(0.5)^2 is 88 events.
    assert math.ceil(events_needed(0.5)) == 88
    entry, time, event = [0.0, 1.0, 2.0, 8.0], [3.0, 4.0, 9.0, 1.0], [1, 0, 1, 1]
    assert time_of_event(entry, time, event, 1) == 3.0
    assert time_of_event(entry, time, event, 2) == 9.0
    assert time_of_event(entry, time, event, 4) == math.inf
    entered, known, seen = cut_at(entry, time, event, 5.0)
    assert entered.tolist() == [True, True, True, False]
    assert known.tolist() == [3.0, 4.0, 3.0, 0.0]
    assert seen.tolist() == [True, False, False, False]
    _, _, at_the_event = cut_at(entry, time, event, 9.0)
    assert at_the_event.sum() == 2


def test_impossible_input_is_refused() -> None:
    with pytest.raises(StudyError, match="more information than the one before"):
        spending_boundaries([0.5, 0.5], "pocock")
    with pytest.raises(StudyError, match="nearest valid name is 'pocock'"):
        spent(0.5, "pocok")
    with pytest.raises(StudyError, match="below 1"):
        conditional_power(1.0, 1.0, 1.96)
    with pytest.raises(StudyError, match="looks 1 to 5"):
        final_estimate(2.0, 6, classical_boundaries(5, "pocock"), 1.0)
    with pytest.raises(StudyError, match="increasing sizes"):
        reestimate_size(1.0, 100, 50, 200)
    with pytest.raises(StudyError, match="lies above the upper"):
        exit_chances([1.0], [1.0], [2.0])
