"""How a report writes numbers, times, arms and sources."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ketasim.evidence import load_publications
from ketasim.model.parameters import load_parameters
from ketasim.report.style import thin_out
from ketasim.report.words import (
    arm_label,
    interval,
    interval_text,
    number,
    signed,
    source_words,
    time_text,
    z_text,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-7.1234, "−7.12"),
        (0.30000001, "0.3"),
        (91.24, "91.2"),
        (1234.0, "1230"),
        (-0.0, "0"),
        (9.999, "10"),
        (2.5e-7, "2.5e−7"),
        (math.nan, "–"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


def test_signed_numbers_and_z() -> None:
    assert [signed(value) for value in (1.5, -1.5, 0.0)] == ["+1.5", "−1.5", "0"]
    assert [z_text(value) for value in (2.0, -2.04, 0.01, -0.01, math.nan)] == [
        "+2.0",
        "−2.0",
        "0.0",
        "0.0",
        "–",
    ]


def test_interval_is_left_out_without_an_error() -> None:
    assert interval_text(-2.0, 1.0) == "−2.0 (−4.0 to 0.0)"
    assert interval_text(-2.0, math.nan) == "−2"
    assert interval_text(math.nan, 1.0) == "–"


def test_intervals_have_equally_many_decimals() -> None:
    assert interval_text(-10.7, 3.19) == "−10.7 (−17.0 to −4.4)"
    assert interval_text(0.5, 0.1) == "0.50 (0.30 to 0.70)"
    assert interval_text(1.0, 0.004) == "1.000 (0.992 to 1.008)"


def test_few_persons_widen_an_interval_as_t_does() -> None:
    # The two-sided 95 % quantile of Student's t with 5 degrees of freedom, from any table, is 2.571.
    assert interval(0.0, 1.0, freedom=5.0) == pytest.approx((-2.571, 2.571), abs=1e-3)


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Wilson's interval worked out by hand: for none of n it is z^2 / (n + z^2).
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (60, 400, 0.1183, 0.1884)],
)
def test_rates_have_wilson_intervals(hits: int, n: int, low: float, high: float) -> None:
    share, moved = hits / n, (hits + 0.5) / (n + 1)
    error = math.sqrt(moved * (1.0 - moved) / (n + 1))
    assert interval(share, error, rate=True) == pytest.approx((low, high), abs=1e-4)


def test_rates_are_written_in_percent() -> None:
    assert interval_text(0.5, math.sqrt(0.25 / 11.0), rate=True) == "50 % (24 to 76 %)"
    assert interval_text(0.5, math.sqrt(0.25 / 401.0), rate=True) == "50.0 % (45.1 to 54.9 %)"
    assert interval_text(0.25, math.nan, rate=True) == "25 %"


def test_what_was_fitted_is_not_called_assumed() -> None:
    assert source_words("assumed", "calibrated") == "fitted here (calibration); no source gives it"
    assert source_words("assumed", "assumed") == "assumed: no source gives it"


@pytest.mark.parametrize(
    ("hours", "text"), [(2.0 / 3.0, "40 min"), (2.0, "2 h"), (24.0, "24 h"), (168.0, "7 d")]
)
def test_times(hours: float, text: str) -> None:
    assert time_text(hours) == text


@pytest.mark.parametrize(
    ("arm", "text"),
    [
        ("esketamine_84", "esketamine 84"),
        ("ketamine_0_5", "ketamine 0.5"),
        ("ketamine_0_1 + ketamine_0_5", "ketamine 0.1 + 0.5"),
        ("ketamine + saline", "ketamine + saline"),
    ],
)
def test_arms(arm: str, text: str) -> None:
    assert arm_label(arm) == text


def test_every_source_of_a_parameter_has_words() -> None:
    keys = {item.source for item in load_parameters().values()}
    assert all("_" not in source_words(key) for key in keys)
    key = str(load_publications()["key"].iloc[0])
    assert source_words(key) != key


def test_thinning_keeps_every_extreme_in_order() -> None:
    places = np.linspace(0.0, 1.0, 5001)
    values = np.zeros(5001)
    values[[1234, 1236, 4000]] = (5.0, -3.0, 2.0)
    x, y = thin_out(places, values, columns=50)
    assert len(x) <= 4 * 50
    assert np.all(np.diff(x) > 0.0)
    assert {5.0, -3.0, 2.0} <= set(y.tolist())
    assert (x[0], x[-1]) == (0.0, 1.0)
