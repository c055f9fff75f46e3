"""Dosing rules: limits hold at any course of checks, titration moves as told, nothing is remembered."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import Dose, Regimen, iv_bolus, iv_infusion, parse_regimen, repeat
from ketasim.dosing.dose import im
from ketasim.dosing.rules import DosingRule, Fixed, PatientControlled, StopWhen, Titration
from ketasim.errors import DoseError

PRESS = iv_bolus("ketamine", 5.0, "mg")
INFUSION = iv_infusion("ketamine", 0.3, "mg/kg", 2.0 / 3.0)
#: Times that differ by rounding only count as one.
SAME = 1e-9


def follow(
    rule: DosingRule,
    checks: Sequence[float],
    values: Sequence[float],
    quantity: str,
    before: tuple[Dose, ...] = (),
) -> list[Dose]:
    """Doses that a rule gives at checks with such values."""
    found = list(before)
    for check, value in zip(checks, values, strict=True):
        found += rule({quantity: value}, check, tuple(found))
    return found[len(before) :]


def pain_control(**kw: Any) -> PatientControlled:
    return PatientControlled(
        **{"dose": PRESS, "lock_out_h": 0.2, "quantity": "pain_nrs", "threshold": 4.0, **kw}
    )


def titration(**kw: Any) -> Titration:
    plain = {
        "dose": INFUSION,
        "step": 0.1,
        "quantity": "dissociation",
        "low": 10.0,
        "high": 20.0,
        "lowest": 0.1,
        "highest": 0.5,
        "every_h": 24.0,
    }
    return Titration(**{**plain, **kw})


COURSES = st.lists(
    st.tuples(st.floats(1e-3, 0.4), st.floats(0.0, 10.0)), min_size=1, max_size=60
)  # (time since the last check, pain)


@settings(max_examples=60, deadline=None)
@given(
    course=COURSES,
    lock_out=st.floats(0.02, 1.5),
    per_hour=st.one_of(st.none(), st.integers(1, 5)),
    in_total=st.one_of(st.none(), st.integers(1, 8)),
)
def test_lock_out_and_limits_are_never_broken(
    course: list[tuple[float, float]], lock_out: float, per_hour: int | None, in_total: int | None
) -> None:
    rule = pain_control(lock_out_h=lock_out, most_per_h=per_hour, most_in_total=in_total)
    checks, pains = [], []
    for gap, pain in course:
        checks.append((checks[-1] if checks else 0.0) + gap)
        pains.append(pain)
    starts = [dose.start_h for dose in follow(rule, checks, pains, "pain_nrs")]
    assert all(later - sooner >= lock_out - SAME for sooner, later in itertools.pairwise(starts))
    if per_hour is not None:
        assert all(sum(t - 1.0 + SAME < s <= t for s in starts) <= per_hour for t in starts)
    assert len(starts) <= (in_total or math.inf)
    # Every press that nothing forbids is served.
    for check, pain in zip(checks, pains, strict=True):
        earlier = [s for s in starts if s < check]
        locked = any(s > check - lock_out + SAME for s in earlier)
        full = per_hour is not None and sum(s > check - 1.0 + SAME for s in earlier) >= per_hour
        spent = in_total is not None and len(earlier) >= in_total
        assert (check in starts) == (pain >= 4.0 and not (locked or full or spent))


def test_press_at_the_end_of_the_lock_out_counts_in_spite_of_rounding() -> None:
    checks = [0.1 * i for i in range(10)]
    found = follow(pain_control(lock_out_h=0.3), checks, [9.0] * 10, "pain_nrs")
    assert [round(dose.start_h, 9) for dose in found] == [0.0, 0.3, 0.6, 0.9]


def test_patient_control_counts_its_own_doses_only() -> None:
    others = (INFUSION, iv_bolus("ketamine", 20.0, "mg"), im("ketamine", 5.0, "mg"))
    assert follow(pain_control(), [0.1], [4.0], "pain_nrs", others) == [PRESS.at(0.1)]
    assert follow(pain_control(), [0.1], [4.0], "pain_nrs", (PRESS,)) == []


def test_patient_control_presses_at_the_threshold_from_either_side() -> None:
    for value, below, pressed in [(4.0, False, 1), (3.9, False, 0), (4.0, True, 1), (4.1, True, 0)]:
        assert len(follow(pain_control(below=below), [0.0], [value], "pain_nrs")) == pressed


def test_titration_moves_one_step_towards_the_range() -> None:
    checks = [24.0 * i for i in range(9)]
    seen = [0.0, 5.0, 5.0, 9.9, 10.0, 20.0, 20.1, 50.0, 15.0]
    found = follow(titration(), checks, seen, "dissociation")
    assert [dose.start_h for dose in found] == checks
    expected = [0.3, 0.4, 0.5, 0.5, 0.5, 0.5, 0.4, 0.3, 0.3]
    assert [dose.amount for dose in found] == pytest.approx(expected, rel=1e-12)
    assert {replace(dose, amount=0.3, start_h=0.0) for dose in found} == {INFUSION}


def test_titration_against_a_quantity_that_falls_with_the_dose() -> None:
    rule = titration(quantity="pain_nrs", low=2.0, high=4.0, rises_with_dose=False)
    found = follow(rule, [0.0, 24.0, 48.0, 72.0, 96.0], [8.0, 8.0, 3.0, 1.0, 1.0], "pain_nrs")
    assert [dose.amount for dose in found] == pytest.approx([0.3, 0.4, 0.4, 0.3, 0.2], rel=1e-12)


def test_titration_keeps_its_limits_and_its_pace() -> None:
    low = follow(titration(), [24.0 * i for i in range(6)], [99.0] * 6, "dissociation")
    assert [dose.amount for dose in low] == pytest.approx([0.3, 0.2, 0.1, 0.1, 0.1, 0.1], rel=1e-12)
    hourly = follow(titration(), [float(i) for i in range(50)], [15.0] * 50, "dissociation")
    assert [dose.start_h for dose in hourly] == [0.0, 24.0, 48.0]


@settings(max_examples=30, deadline=None)
@given(course=st.lists(st.tuples(st.floats(0.5, 60.0), st.floats(0.0, 40.0)), min_size=1, max_size=30))
def test_rules_replay_from_state_time_and_doses(course: list[tuple[float, float]]) -> None:
    """A fresh, equal rule asked again at any check, in any order, gives what the first one gave."""
    make: list[Callable[[], DosingRule]] = [
        titration,
        lambda: PatientControlled(PRESS, 2.0, "dissociation", 15.0, most_per_h=1, most_in_total=9),
        lambda: StopWhen(titration(), "dissociation", 30.0),
    ]
    for fresh in make:
        rule, given, asked = fresh(), list[Dose](), []
        check = 0.0
        for gap, value in course:
            check += gap
            doses = tuple(rule({"dissociation": value}, check, tuple(given)))
            asked.append((value, check, tuple(given), doses))
            given += doses
        for value, time, so_far, doses in reversed(asked):
            assert tuple(fresh()({"dissociation": value}, time, so_far)) == doses
            # The order in which doses were written down says nothing.
            assert tuple(rule({"dissociation": value}, time, so_far[::-1])) == doses


def test_stop_when_holds_back_while_the_threshold_is_reached() -> None:
    rule = StopWhen(titration(quantity="severity", low=0.0, high=60.0), "severity", 10.0, below=True)
    found = follow(rule, [0.0, 24.0, 48.0, 72.0], [30.0, 10.0, 9.0, 11.0], "severity")
    assert [dose.start_h for dose in found] == [0.0, 72.0]
    above = StopWhen(pain_control(), "pain_nrs", 8.0)
    assert [len(above({"pain_nrs": v}, 0.0, ())) for v in (7.9, 8.0, 3.0)] == [1, 0, 0]


def test_fixed_gives_its_regimen_once() -> None:
    regimen = parse_regimen(
        "0.5 mg/kg ketamine iv over 40 min, twice weekly x 2 weeks; 10 mg ketamine iv bolus"
    )
    assert Regimen(tuple(Fixed(regimen)({}, 0.0, ()))) == regimen
    assert Fixed(regimen)({}, 0.0, regimen.doses) == ()
    daily = [24.0 * i for i in range(14)]
    ahead = follow(Fixed(regimen, ahead_h=24.0), daily, [0.0] * 14, "severity")
    assert Regimen(tuple(ahead)) == regimen
    assert [dose.start_h for dose in ahead] == [dose.start_h for dose in regimen.doses]


def test_fixed_keeps_two_equal_doses_two() -> None:
    twice = Regimen((PRESS, PRESS))
    assert Fixed(twice)({}, 0.0, ()) == (PRESS, PRESS)
    assert Fixed(twice)({}, 0.0, (PRESS,)) == (PRESS,)


def test_stopped_dose_of_a_fixed_regimen_is_missed_not_late() -> None:
    rule = StopWhen(Fixed(repeat(INFUSION, 24.0, 4), ahead_h=24.0), "severity", 50.0)
    found = follow(rule, [0.0, 24.0, 48.0, 72.0], [30.0, 55.0, 30.0, 30.0], "severity")
    assert [dose.start_h for dose in found] == [0.0, 48.0, 72.0]


def test_unknown_quantity_and_missing_value_at_a_check() -> None:
    with pytest.raises(DoseError, match="nearest valid name is 'pain_nrs'"):
        pain_control(quantity="pain_nsr")({"pain_nrs": 5.0}, 0.0, ())
    with pytest.raises(DoseError, match="dissociation is nan at the check"):
        titration()({"dissociation": math.nan}, 0.0, ())
    with pytest.raises(DoseError, match="stopping: unknown quantity"):
        StopWhen(pain_control(), "severity", 1.0)({"pain_nrs": 5.0}, 0.0, ())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: pain_control(lock_out_h=0.0), "lock_out_h: 0 is out of range"),
        (lambda: pain_control(dose=INFUSION), "lock_out_h: 0.2 h is shorter than the dose itself"),
        (lambda: pain_control(dose="5 mg"), "is not a Dose"),
        (lambda: pain_control(threshold=math.inf), "threshold: inf is not a finite number"),
        (lambda: pain_control(most_per_h=0), "most_per_h: 0 is not a number of doses"),
        (lambda: pain_control(most_in_total=1.5), "most_in_total: 1.5 is not a number of doses"),
        (lambda: pain_control(most_in_total=True), "most_in_total: True is not a number of doses"),
        (lambda: pain_control(dose=replace(im("ketamine", 5.0, "mg"), steady_state_h=8.0)), "endless course"),
        (lambda: titration(step=0.0), "step: 0 is out of range"),
        (lambda: titration(every_h=0.5), "every_h: 0.5 h is shorter than the dose itself"),
        (lambda: titration(low=30.0), r"low: 30 is above high \(20\)"),
        (lambda: titration(lowest=0.6), r"lowest: 0.6 is above highest \(0.5\)"),
        (lambda: titration(lowest=0.4), "its amount of 0.3 mg/kg is outside the limits, 0.4 to 0.5"),
        (lambda: titration(dose=INFUSION.without_drug()), "placebo holds no drug"),
        (lambda: Fixed("none"), "is not a Regimen"),  # type: ignore[arg-type]
        (lambda: Fixed(Regimen(), ahead_h=0.0), "ahead_h: 0 is out of range"),
        (lambda: StopWhen(Regimen(), "severity", 10.0), "is not a rule"),  # type: ignore[arg-type]
        (lambda: StopWhen(titration(), "severity", math.nan), "threshold: nan"),
    ],
)
def test_impossible_settings_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(DoseError, match=message):
        make()
