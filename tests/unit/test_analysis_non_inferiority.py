"""Non-inferiority by interval and by test."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ketasim.errors import StudyError
from ketasim.trials.analysis.binary import risk_difference_interval, score_statistic
from ketasim.trials.analysis.estimate import Estimate, wald
from ketasim.trials.analysis.non_inferiority import composite_response, non_inferior, non_inferior_rates


def test_ketamine_against_ect_as_published() -> None:
    # Anand et al. (2023, NEJM 388:2315): response 55.4 % of 195 and 41.2 % of 170, difference 14.2 points
    # (95 % CI 3.9 to 24.2), margin 10 points, P < 0.001 for non-inferiority.
    found = non_inferior_rates(108, 195, 70, 170, 0.10)
    assert 100 * found.estimate.value == pytest.approx(14.2, abs=0.05)
    assert (100 * found.estimate.low, 100 * found.estimate.high) == pytest.approx((3.9, 24.2), abs=0.05)
    assert found.p < 0.001
    assert found.non_inferior
    assert found.conclusion == "superior"


@pytest.mark.parametrize(
    ("value", "conclusion"),
    [
        (5.0, "superior"),
        (0.5, "non-inferior"),
        (-2.5, "non-inferior, inferior within the margin"),
        (-3.5, "inferior"),
        (-4.5, "inferior"),
    ],
)
def test_what_an_interval_says(value: float, conclusion: str) -> None:
    # Half width 1.96: the margin of 5 is excluded above a value of -3.04.
    assert non_inferior(wald("", value, 1.0, math.inf, ""), 5.0).conclusion == conclusion
    # A symptom score turns around.
    turned = non_inferior(wald("", -value, 1.0, math.inf, ""), 5.0, higher_is_better=False)
    assert turned.conclusion == conclusion
    assert turned.bound == pytest.approx(-value + 1.959964, abs=1e-6)


def test_wide_interval_is_inconclusive() -> None:
    assert non_inferior(wald("", -1.0, 4.0, 20.0, ""), 5.0).conclusion == "inconclusive"


def test_interval_and_test_agree() -> None:
    for df in (12.0, math.inf):
        for value in np.linspace(-6.0, 2.0, 33):
            found = non_inferior(wald("", float(value), 1.3, df, ""), 4.0)
            assert found.non_inferior == (found.p < 0.025)
    for events in range(0, 31, 3):
        for higher in (True, False):
            rates = non_inferior_rates(events, 30, 14, 28, 0.15, higher_is_better=higher)
            assert rates.non_inferior == (rates.p < 0.025)


def test_level_at_the_margin_and_coverage() -> None:
    rng = np.random.default_rng(1)
    n, margin, rate = 90, 0.15, 0.55
    x1, x0 = rng.binomial(n, rate - margin, 5000), rng.binomial(n, rate, 5000)
    # One-sided 2.5 % at the margin itself; discreteness and three Monte-Carlo standard errors: 0.8 %.
    claims = np.mean(score_statistic(x1, n, x0, n, -margin) > 1.959964)
    assert abs(claims - 0.025) < 0.008
    low, high = risk_difference_interval(x1, n, x0, n)
    assert abs(np.mean((low < -margin) & (-margin < high)) - 0.95) < 0.012
    # The vectorised statistic is that of the judgement.
    for a, b in zip(x1[:20], x0[:20], strict=True):
        claim = non_inferior_rates(int(a), n, int(b), n, margin).non_inferior
        assert claim == bool(score_statistic(a, n, b, n, -margin) > 1.959964)


def test_composite_failure() -> None:
    response = [1, 1, 0, np.nan, 1, np.nan]
    stopped = [0, 1, 0, 0, 0, 1]
    assert composite_response(response, stopped).tolist() == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]


def test_impossible_input_is_refused() -> None:
    with pytest.raises(StudyError, match="margin"):
        non_inferior(wald("", 1.0, 1.0, math.inf, ""), 0.0)
    with pytest.raises(StudyError, match="10 points"):
        non_inferior_rates(5, 10, 5, 10, 10.0)
    with pytest.raises(StudyError, match="no standard error"):
        non_inferior(Estimate("x", 1.0, math.nan, math.inf, 0.0, 2.0, 0.0, 0.5, ""), 1.0)
