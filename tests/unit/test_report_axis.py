"""The axis of four clocks maps time to place and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.report.axis import clock_axis

ENDS = st.floats(min_value=0.05, max_value=20000.0)


@settings(max_examples=60, deadline=None)
@given(end=ENDS)
def test_monotone_and_invertible(end: float) -> None:
    axis = clock_axis(end)
    times = np.unique(np.concatenate([np.linspace(0.0, end, 200), np.array(axis.knots)]))
    places = axis.position(times)
    assert np.all(np.diff(places) > 0.0)
    assert (places[0], places[-1]) == (0.0, 1.0)
    # Two linear maps in a row lose a few units in the last place of the largest number.
    assert np.max(np.abs(axis.hours(places) - times)) <= 1e-12 * max(end, 1.0)


@settings(max_examples=60, deadline=None)
@given(end=ENDS)
def test_ticks_are_in_order_and_apart(end: float) -> None:
    axis = clock_axis(end)
    ticks = axis.ticks()
    places = axis.position([tick.time_h for tick in ticks])
    assert np.all(np.diff(places) > 0.03)
    assert (ticks[0].time_h, ticks[-1].time_h) == (0.0, end)
    assert [tick.time_h for tick in ticks if tick.seam] == list(axis.knots)


def test_clocks_of_a_month_have_their_own_units() -> None:
    axis = clock_axis(28 * 24.0)
    assert [clock.name for clock in axis.clocks] == ["minutes", "hours", "days", "weeks"]
    assert axis.knots == (0.0, 2.0, 24.0, 336.0, 672.0)
    assert [tick.text for tick in axis.ticks() if tick.seam] == ["0", "2 h", "1 d", "2 wk", "4 wk"]


def test_a_short_end_joins_the_clock_before_it() -> None:
    axis = clock_axis(26.0)
    assert axis.knots == (0.0, 2.0, 26.0)
    assert axis.clocks[-1].name == "hours"


@pytest.mark.parametrize("end", [0.0, -1.0, float("nan")])
def test_no_axis_without_a_length(end: float) -> None:
    with pytest.raises(ValueError, match="not a length of time"):
        clock_axis(end)
