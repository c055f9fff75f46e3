"""What rules see and do: conditions on scores, peaks and covariates, times of checks, second lists."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ketasim.trials.conduct.decisions import Seen, Who, assigned, due, holds, strata_of
from ketasim.trials.study.conditions import parse_condition
from ketasim.trials.study.flow import Action, DecisionRule

NAN = np.nan


def who(count: int = 4, replicate: int = 0) -> Who:
    return Who(3, "some", np.full(count, replicate), np.arange(1, count + 1))


def seen(**change: Any) -> Seen:
    """Four persons at day 7: improved by half, hardly improved, worse, not seen."""
    base: dict[str, Any] = {
        "time_h": 168.0,
        "values": {"madrs": np.array([15.0, 28.0, 36.0, NAN]), "cadss": np.array([0.0, 1.0, 8.0, NAN])},
        "peaks": {"cadss": np.array([3.0, 4.0, 30.0, NAN])},
        "covariates": {"age": np.array([64.0, 65.0, 66.0, 70.0])},
        "entry": {"madrs": np.full(4, 30.0), "cadss": np.zeros(4)},
        "arm_entry": {"madrs": np.array([20.0, 40.0, 36.0, 30.0]), "cadss": np.zeros(4)},
        "remission": {"madrs": 15.0},
        "scale": "madrs",
        "doses": np.array([0, 1, 2, 6]),
    }
    return Seen(**{**base, **change})


def met(text: str, purpose: str = "rule 0", **change: Any) -> list[bool]:
    return holds(parse_condition(text, "when", None), seen(**change), who(), purpose).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("madrs >= 28", [False, True, True, False]),
        ("madrs > 28", [False, False, True, False]),
        ("madrs <= 28", [True, True, False, False]),
        ("madrs < 28", [True, False, False, False]),
        ("madrs improvement >= 50 %", [True, False, False, False]),
        ("madrs improvement < 20 %", [False, True, True, False]),
        ("madrs improvement < 0 %", [False, False, True, False]),
        # Since entering the arm: 25 % better, 30 % better, the same.
        ("madrs improvement >= 25 % since arm", [True, True, False, False]),
        ("madrs change >= 5", [False, False, True, False]),
        ("madrs change <= -12 since arm", [False, True, False, False]),
        ("cadss change >= 8", [False, False, True, False]),
        ("cadss peak >= 4", [False, True, True, False]),
        ("responder", [True, False, False, False]),
        ("not responder", [False, True, True, False]),
        ("responder since arm", [False, False, False, False]),
        ("remitter", [True, False, False, False]),
        ("not remitter", [False, True, True, False]),
        ("age >= 65", [False, True, True, True]),
        ("doses >= 2", [False, False, True, True]),
    ],
)
def test_conditions_and_nobody_meets_one_about_a_missing_score(text: str, expected: list[bool]) -> None:
    assert met(text) == expected


def test_someone_without_points_at_entry_has_not_improved() -> None:
    entry = {"madrs": np.array([0.0, 30.0, 30.0, 30.0])}
    values = {"madrs": np.array([0.0, 15.0, 15.0, 15.0])}
    assert met("madrs improvement >= 50 %", entry=entry, values=values) == [False, True, True, True]


def test_chance_holds_for_its_share_and_is_drawn_anew_by_rule_and_visit() -> None:
    everybody, condition = who(20_000), parse_condition("chance 20 %", "when")
    draws = [
        holds(condition, seen(time_h=time), everybody, purpose)
        for time, purpose in ((168.0, "one"), (336.0, "one"), (168.0, "two"))
    ]
    for drawn in draws:
        # Four binomial errors at 20,000.
        assert drawn.mean() == pytest.approx(0.2, abs=0.012)
    for other in draws[1:]:
        assert abs(np.corrcoef(draws[0], other)[0, 1]) < 0.03
    again = holds(condition, seen(), who(500), "one")
    np.testing.assert_array_equal(again, draws[0][:500])


def rule(**given: Any) -> DecisionRule:
    return DecisionRule.model_validate({"id": "some", "then": {"stop": "why"}, **given})


def test_a_rule_without_times_is_checked_at_every_visit_later_than_the_entry() -> None:
    entered = np.array([0.0, 168.0, 336.0])
    assert due(rule(), 168.0, entered).tolist() == [True, False, False]
    assert due(rule(), 336.0, entered).tolist() == [True, True, False]


def test_the_clock_of_the_study_and_that_of_the_arm() -> None:
    entered = np.array([0.0, 72.0, 168.0])
    study, arm = rule(at=["7 d", "14 d"]), rule(at=["7 d"], clock="arm")
    assert due(study, 168.0, entered).tolist() == [True, True, False]
    assert due(study, 240.0, entered).tolist() == [False, False, False]
    assert due(arm, 168.0, entered).tolist() == [True, False, False]
    assert due(arm, 240.0, entered).tolist() == [False, True, False]
    assert due(arm, 336.0, entered).tolist() == [False, False, True]


def test_strata_say_which_conditions_hold() -> None:
    conditions = [parse_condition(text, "strata", None) for text in ("madrs >= 28", "age >= 65")]
    assert strata_of(conditions, seen(), who(), "some").tolist() == ["00", "11", "11", "01"]
    assert strata_of([], seen(), who(), "some").tolist() == [""] * 4


def large(count: int) -> Seen:
    severe = np.where(np.arange(count) % 3 == 0, 40.0, 20.0)
    return seen(values={"madrs": severe})


def randomised(count: int, replicate: int = 0, **action: Any) -> npt.NDArray[np.str_]:
    whole = Action.model_validate({"randomise": {"a": 2, "b": 1}, **action})
    return assigned(whole, large(count), who(count, replicate), "again 168")


def test_a_switch_leads_everybody_to_its_arm() -> None:
    action = Action.model_validate({"switch": "a"})
    assert assigned(action, seen(), who(), "some").tolist() == ["a"] * 4


def test_a_second_randomisation_without_blocks_has_its_shares() -> None:
    labels = randomised(20_000)
    # Four binomial errors at 20,000.
    assert (labels == "a").mean() == pytest.approx(2.0 / 3.0, abs=0.014)
    np.testing.assert_array_equal(labels[:100], randomised(100))
    assert (randomised(100, replicate=1) != labels[:100]).any()
    turned = Action.model_validate({"randomise": {"b": 1, "a": 2}})
    np.testing.assert_array_equal(assigned(turned, large(100), who(100), "again 168"), labels[:100])


def test_with_blocks_everybody_has_a_place_on_the_list_of_his_stratum() -> None:
    labels = randomised(60, block=6)
    for block in labels.reshape(-1, 6):
        assert Counter(block.tolist()) == {"a": 4, "b": 2}
    np.testing.assert_array_equal(labels[:17], randomised(17, block=6))
    apart = randomised(60, block=6, strata=["madrs >= 28"])
    severe = large(60).values["madrs"] >= 28
    assert (apart[severe] != labels[severe]).any()
    assert (apart[~severe] != labels[~severe]).any()


def test_nobodys_arm_depends_on_who_else_is_randomised() -> None:
    action = Action.model_validate({"randomise": {"a": 1, "b": 1}, "block": 4, "strata": ["madrs >= 28"]})
    everybody = assigned(action, large(40), who(40), "again 168")
    few = np.array([4, 9, 23, 38])
    part = Who(3, "some", np.zeros(4, dtype=np.int64), few + 1)
    own = seen(values={"madrs": large(40).values["madrs"][few]})
    np.testing.assert_array_equal(assigned(action, own, part, "again 168"), everybody[few])
