"""The axis of many clocks and the columns of pixels, against what they must be by definition."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.api.scenarios import Axis, ScenarioError, default_axis
from ketasim.api.scenarios.axis import read_axis
from ketasim.api.scenarios.columns import close_times, column_extremes, five_digits
from ketasim.dosing import parse_regimen

gaps = st.lists(st.floats(0.01, 500.0), min_size=1, max_size=12)
widths = st.lists(st.floats(0.02, 5.0), min_size=12, max_size=12)


@given(gaps, widths, st.floats(-100.0, 100.0))
def test_an_axis_rises_and_is_its_own_inverse(steps: list[float], shares: list[float], start: float) -> None:
    knots = (start, *(start + np.cumsum(steps)).tolist())
    axis = Axis(knots, tuple(shares[: len(steps)]))
    x = np.linspace(0.0, 1.0, 301)
    tau = axis.time(x)
    assert (np.diff(tau) > 0.0).all()
    # Within a piece the map is a straight line: what is left is rounding.
    np.testing.assert_allclose(axis.position(tau), x, atol=1e-9)
    np.testing.assert_allclose(axis.position(knots), axis.edges_x, atol=1e-12)


def test_seams_of_the_four_clocks_stand_where_their_widths_put_them() -> None:
    axis = default_axis()
    assert axis.knots_h[1:] == (0.0, 2.0, 24.0, 336.0, 672.0)
    np.testing.assert_allclose(axis.position([0.0, 2.0, 24.0, 336.0]), [0.035, 0.3, 0.5, 0.76], atol=1e-12)
    # 40 min lies a third into the two hours of the first clock.
    assert axis.position(2.0 / 3.0) == pytest.approx(0.035 + 0.265 / 3.0, abs=1e-12)


def test_a_short_axis_has_no_clock_that_it_does_not_reach() -> None:
    axis = default_axis(24.0)
    assert axis.knots_h[1:] == (0.0, 2.0, 24.0)
    assert len(axis.shares) == 3


def test_shares_count_in_proportion() -> None:
    one, ten = Axis((0.0, 2.0, 8.0), (1.0, 3.0)), Axis((0.0, 2.0, 8.0), (10.0, 30.0))
    np.testing.assert_allclose(one.edges_x, [0.0, 0.25, 1.0], atol=1e-15)
    np.testing.assert_array_equal(one.edges_x, ten.edges_x)


@pytest.mark.parametrize(
    ("given_axis", "path"),
    [
        ({"knots_h": [0.0], "shares": []}, "axis.knots_h"),
        ({"knots_h": [0.0, 2.0, 2.0], "shares": [1, 1]}, "axis.knots_h"),
        ({"knots_h": [0.0, float("nan")], "shares": [1]}, "axis.knots_h"),
        ({"knots_h": [0.0, 2.0], "shares": [1, 1]}, "axis.shares"),
        ({"knots_h": [0.0, 2.0], "shares": [0]}, "axis.shares"),
        ({"knots_h": [0.0, 2.0], "shares": [1], "columns": 1}, "axis.columns"),
        ({"knots_h": [0.0, 2.0], "shares": [1], "columns": 10**6}, "axis.columns"),
        ({"knots_h": [0.0, 2.0], "shares": [1], "dose": -1}, "axis.dose"),
        ({"knots_h": [0.0, 2.0], "shares": [1], "knot": 1}, "axis.knot"),
        ({"knots_h": "0, 2", "shares": [1]}, "axis"),
        ({"shares": [1]}, "axis"),
        ({"knots_h": [0.0, "two"], "shares": [1]}, "axis"),
    ],
)
def test_what_is_no_axis_is_refused_with_its_place(given_axis: dict[str, object], path: str) -> None:
    with pytest.raises(ScenarioError) as found:
        read_axis(given_axis)
    assert found.value.path == path


def test_a_column_holds_the_least_and_the_largest_value_within_it() -> None:
    borders = np.array([0.0, 1.0, 2.0, 3.0])
    times = np.array([0.0, 0.5, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0])
    # A spike between two borders, narrower than a column, and a fall in the last column.
    values = np.array([1.0, 1.0, 1.0, 50.0, 1.0, 1.0, -7.0, 1.0])[:, None]
    low, high = column_extremes(times, values, borders)
    np.testing.assert_array_equal(high[:, 0], [1.0, 50.0, 1.0])
    np.testing.assert_array_equal(low[:, 0], [1.0, 1.0, -7.0])


@given(st.integers(0, 2**31 - 1))
def test_columns_together_hold_every_value(seed: int) -> None:
    rng = np.random.default_rng(seed)
    borders = np.sort(rng.uniform(0.0, 100.0, 21))
    times = np.unique(np.concatenate([borders, rng.uniform(borders[0], borders[-1], 200)]))
    values = rng.normal(size=(len(times), 2))
    low, high = column_extremes(times, values, borders)
    for column in range(20):
        inside = (times >= borders[column]) & (times <= borders[column + 1])
        np.testing.assert_array_equal(high[column], values[inside].max(axis=0))
        np.testing.assert_array_equal(low[column], values[inside].min(axis=0))


def test_the_end_of_an_infusion_and_the_moment_after_a_bolus_are_looked_at() -> None:
    times = close_times(parse_regimen("0.5 mg/kg ketamine iv over 40 min; 20 mg ketamine iv bolus, at 30 h"))
    assert np.abs(times - 2.0 / 3.0).min() < 1e-9
    after = times[times > 30.0] - 30.0
    assert 0.0 < after.min() <= 1e-3


def test_many_doses_are_looked_at_less_closely_but_each_of_them() -> None:
    regimen = parse_regimen("25 mg ketamine oral, daily x 300")
    times = np.unique(close_times(regimen))
    starts = np.array([dose.start_h for dose in regimen.doses])
    assert len(times) < 10 * len(starts)
    for start in starts:
        assert ((times > start) & (times <= start + 1.0)).sum() >= 2


@given(st.floats(-1e12, 1e12))
def test_five_digits_are_off_by_half_a_unit_of_the_fifth_at_most(value: float) -> None:
    shown = float(five_digits(value))
    assert abs(shown - value) <= 0.5000001e-4 * abs(value) + 1e-12
    assert len(json.dumps(shown).lstrip("-").replace(".", "").strip("0").split("e")[0]) <= 6
