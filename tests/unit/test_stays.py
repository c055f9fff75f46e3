"""A way through the arms of a trial as one course of doses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ketasim.trials import Study
from ketasim.trials.conduct.stays import Path, Plans, Stay
from ketasim.trials.study import Arm

DAY = 24.0
REGIMENS = {
    "drug": "0.5 mg/kg ketamine iv over 40 min, on days 1, 4, 8",
    "saline": "saline iv over 40 min, on days 1, 4, 8",
    "nothing": "none",
    "twice": "10 mg ketamine iv over 20 min, at 0 h, 1 h",
}


def arms() -> list[Arm]:
    base = Study.load("daly2018").arms[0]
    return [base.model_copy(update={"id": name, "regimen": text}) for name, text in REGIMENS.items()]


def plans(end_h: float = 28 * DAY) -> Plans:
    return Plans(arms(), [0.0, 2.0, 7 * DAY, 14 * DAY], end_h, 6.0)


def starts(path: Path, end_h: float = 28 * DAY) -> list[float]:
    return [dose.start_h / DAY for dose in plans(end_h).of(path).regimen.doses]


DRUG, SALINE, NOTHING, TWICE = range(4)


def test_one_stay_is_its_arm() -> None:
    plan = plans().of((Stay(DRUG, 0.0),))
    assert [dose.start_h for dose in plan.regimen.doses] == [0.0, 72.0, 168.0]
    assert plan.regimen == arms()[DRUG].dosing
    np.testing.assert_array_equal(plan.sessions_h, [0.0, 72.0, 168.0])


def test_a_second_stay_begins_where_the_first_ends_and_takes_the_dose_due_then() -> None:
    path = (Stay(DRUG, 0.0, 7 * DAY), Stay(SALINE, 7 * DAY))
    assert starts(path) == [0.0, 3.0, 7.0, 10.0, 14.0]
    plan = plans().of(path)
    assert [dose.is_active for dose in plan.regimen.doses] == [True, True, False, False, False]
    np.testing.assert_array_equal(plan.stay_starts_h, [0.0, 168.0])
    np.testing.assert_array_equal(plan.first_doses_h, [0.0, 168.0])
    assert plan.is_active(0.0, 100.0)
    assert not plan.is_active(100.0, 400.0)


def test_treatment_that_ended_gives_no_dose_at_its_end_or_later() -> None:
    assert starts((Stay(DRUG, 0.0, 72.0),)) == [0.0]
    assert starts((Stay(DRUG, 0.0, 72.1),)) == [0.0, 3.0]


def test_missed_doses_are_left_out_and_the_others_keep_their_times() -> None:
    assert starts((Stay(DRUG, 0.0, missed=(1,)),)) == [0.0, 7.0]
    assert starts((Stay(DRUG, 0.0, 168.0, (1,)), Stay(DRUG, 168.0, missed=(2,)))) == [0.0, 7.0, 10.0]


def test_nothing_is_given_after_the_end_of_the_trial() -> None:
    assert starts((Stay(DRUG, 0.0),), end_h=73.0) == [0.0, 3.0]
    # A dose at the last visit could show nowhere.
    assert starts((Stay(DRUG, 0.0),), end_h=72.0) == [0.0]


def test_an_arm_without_doses_has_no_first_one() -> None:
    plan = plans().of((Stay(DRUG, 0.0, 100.0), Stay(NOTHING, 168.0)))
    assert plan.first_doses_h[1] == math.inf
    assert plans().of((Stay(NOTHING, 0.0),)).sessions_h.size == 0


def test_doses_within_hours_are_one_session() -> None:
    np.testing.assert_array_equal(plans().of((Stay(TWICE, 0.0),)).sessions_h, [0.0])


def test_a_path_is_planned_once() -> None:
    known = plans()
    path = (Stay(DRUG, 0.0),)
    assert known.of(path) is known.of((Stay(DRUG, 0.0),))
    assert known.of(path) is not known.of((Stay(DRUG, 0.0, missed=(1,)),))


def test_times_of_a_stretch_hold_both_ends_once_and_every_visit_between() -> None:
    plan = plans().of((Stay(DRUG, 0.0),))
    times = plan.times_between(2.0, 10 * DAY)
    assert times[0] == 2.0
    assert times[-1] == 10 * DAY
    assert (np.diff(times) > 1e-9).all()
    assert 168.0 in times
    # The end of the second infusion is a peak.
    assert np.abs(times - (72.0 + 2.0 / 3.0)).min() < 1e-9
    assert plan.times_h[0] == 0.0
    assert plan.times_h[-1] == pytest.approx(28 * DAY)
