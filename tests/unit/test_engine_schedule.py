"""Events as data: what is cut where, and what holds in between."""

from __future__ import annotations

import math

import pytest

from ketasim.engine import Bolus, Infusion, InputPath, Reset, Schedule
from ketasim.errors import ModelError


def test_abutting_halves_give_the_same_segments_as_the_whole() -> None:
    whole = Schedule(infusions=[Infusion("a", 1.0, 1.0 + 2.0 / 3.0, 35.0)])
    half = 1.0 + 1.0 / 3.0
    halves = Schedule(infusions=[Infusion("a", 1.0, half, 17.5), Infusion("a", half, 1.0 + 2.0 / 3.0, 17.5)])
    first, second = whole.segments(0.0, 5.0, {}), halves.segments(0.0, 5.0, {})
    assert [(s.start, s.end) for s in first] == [(s.start, s.end) for s in second]
    for one, two in zip(first, second, strict=True):
        # The rate of a half is 17.5 / (1/3), that of the whole 35 / (2/3): equal but for rounding.
        assert dict(two.rates) == pytest.approx(dict(one.rates), rel=1e-14)


def test_overlapping_infusions_are_summed() -> None:
    schedule = Schedule(infusions=[Infusion("a", 0.0, 2.0, 20.0), Infusion("a", 1.0, 3.0, 4.0)])
    rates = {(s.start, s.end): dict(s.rates) for s in schedule.segments(0.0, 4.0, {})}
    assert rates == {(0.0, 1.0): {"a": 10.0}, (1.0, 2.0): {"a": 12.0}, (2.0, 3.0): {"a": 2.0}, (3.0, 4.0): {}}


def test_infusions_into_two_states_do_not_touch_each_other() -> None:
    schedule = Schedule(infusions=[Infusion("a", 0.0, 2.0, 20.0), Infusion("b", 1.0, 2.0, 4.0)])
    assert [dict(s.rates) for s in schedule.segments(0.0, 3.0, {})] == [
        {"a": 10.0},
        {"a": 10.0, "b": 4.0},
        {},
    ]


def test_rate_is_exactly_zero_after_many_overlapping_infusions() -> None:
    infusions = [Infusion("a", 0.1 * i, 0.1 * i + 0.7, 0.3 + 0.01 * i) for i in range(50)]
    segments = Schedule(infusions=infusions).segments(0.0, 100.0, {})
    assert segments[-1].rates == {}
    given = sum((s.end - s.start) * s.rates.get("a", 0.0) for s in segments)
    assert given == pytest.approx(sum(i.amount for i in infusions), rel=1e-12)


def test_infusion_before_the_first_time_goes_on_and_bolus_before_it_is_not_repeated() -> None:
    schedule = Schedule(boluses=[Bolus("a", 0.5, 9.0)], infusions=[Infusion("a", 0.0, 2.0, 20.0)])
    segments = schedule.segments(1.0, 3.0, {})
    assert [(s.start, s.end, dict(s.rates), dict(s.jumps)) for s in segments] == [
        (1.0, 2.0, {"a": 10.0}, {}),
        (2.0, 3.0, {}, {}),
    ]


def test_infusion_that_ended_at_the_first_time_is_over() -> None:
    segments = Schedule(infusions=[Infusion("a", 0.0, 1.0, 20.0)]).segments(1.0, 2.0, {})
    assert [dict(s.rates) for s in segments] == [{}]


def test_events_outside_the_stretch_cut_nothing() -> None:
    schedule = Schedule(
        boluses=[Bolus("a", 9.0, 1.0)],
        infusions=[Infusion("a", 7.0, 8.0, 1.0)],
        inputs={"u": InputPath((-5.0, 6.0), (1.0, 2.0))},
        resets=[Reset("a", 9.0, 0.0)],
    )
    (only,) = schedule.segments(0.0, 5.0, {"u": 0.0, "v": 3.0})
    assert (only.start, only.end, dict(only.rates), dict(only.jumps), dict(only.settings)) == (
        0.0,
        5.0,
        {},
        {},
        {},
    )
    assert only.inputs == {"u": 1.0, "v": 3.0}


def test_stretch_without_length_has_no_segments() -> None:
    assert Schedule(boluses=[Bolus("a", 1.0, 1.0)]).segments(1.0, 1.0, {}) == []


def test_input_interval_holds_from_its_time_on() -> None:
    path = InputPath((1.0, 2.0), (5.0, 6.0))
    assert [path.at(t) for t in (0.0, 1.0, math.nextafter(2.0, 0.0), 2.0, 9.0)] == [5.0, 5.0, 5.0, 6.0, 6.0]
    segments = Schedule(inputs={"u": path}).segments(0.0, 3.0, {"u": 0.0})
    assert [(s.start, s.inputs["u"]) for s in segments] == [(0.0, 5.0), (1.0, 5.0), (2.0, 6.0)]


def test_boluses_at_one_time_are_summed_by_state() -> None:
    schedule = Schedule(boluses=[Bolus("a", 1.0, 1.0), Bolus("a", 1.0, 2.0), Bolus("b", 1.0, 4.0)])
    assert [dict(s.jumps) for s in schedule.segments(0.0, 2.0, {})] == [{}, {"a": 3.0, "b": 4.0}]


@pytest.mark.parametrize(("start", "end"), [(1.0, 1.0), (2.0, 1.0)])
def test_infusion_needs_a_length(start: float, end: float) -> None:
    with pytest.raises(ModelError, match=r"infusion into 'a'.*not after its start"):
        Infusion("a", start, end, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_events_must_be_finite(bad: float) -> None:
    with pytest.raises(ModelError, match=r"bolus into 'a'.*finite"):
        Bolus("a", 0.0, bad)
    with pytest.raises(ModelError, match=r"infusion into 'a'.*finite"):
        Infusion("a", 0.0, bad, 1.0)
    with pytest.raises(ModelError, match=r"reset of 'a'.*finite"):
        Reset("a", 0.0, bad)
    with pytest.raises(ModelError, match=r"input path.*finite"):
        InputPath((0.0,), (bad,))


@pytest.mark.parametrize(("times", "values"), [((), ()), ((0.0,), (1.0, 2.0))])
def test_input_path_needs_a_value_a_time(times: tuple[float, ...], values: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="as many values as times"):
        InputPath(times, values)


def test_times_of_an_input_path_must_increase() -> None:
    with pytest.raises(ModelError, match="must increase"):
        InputPath((0.0, 0.0), (1.0, 2.0))
