"""Who leaves and who misses a session: the hazard that is written is the one that acts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ketasim.dosing import parse_regimen
from ketasim.trials import Study
from ketasim.trials.conduct.decisions import Who
from ketasim.trials.conduct.leaving import AtVisit, is_unseen, leavers, missed_doses
from ketasim.trials.study.flow import Adherence, DropOut

MANY = 40_000
WEEK = 168.0


def who(count: int = MANY) -> Who:
    return Who(7, "some", np.zeros(count, dtype=np.int64), np.arange(1, count + 1))


def visit(**change: Any) -> AtVisit:
    count = len(change.get("score", np.zeros(MANY)))
    base: dict[str, Any] = {
        "time_h": 3 * WEEK,
        "previous_h": WEEK,
        "score": np.full(count, 30.0),
        "last_score": np.full(count, 30.0),
        "entry_score": np.full(count, 30.0),
        "harms": np.zeros(count, dtype=np.int64),
        "concerned": np.ones(count, dtype=bool),
    }
    return AtVisit(**{**base, **change})


def dropout(kind: str, **change: Any) -> DropOut:
    return DropOut.model_validate({"id": "some", "kind": kind, "rate_per_week": 0.1, **change})


def share(rule: DropOut, at: AtVisit) -> float:
    return float(leavers(rule, at, who(len(at.score))).mean())


#: Four binomial errors of a share among 40,000.
NEAR = 0.01


def test_the_chance_is_that_of_a_constant_hazard_over_the_interval() -> None:
    rule = dropout("completely_at_random")
    assert share(rule, visit()) == pytest.approx(1.0 - np.exp(-0.2), abs=NEAR)
    assert share(rule, visit(previous_h=2 * WEEK)) == pytest.approx(1.0 - np.exp(-0.1), abs=NEAR)


def test_nobody_leaves_before_the_time_from_which_people_leave() -> None:
    assert share(dropout("completely_at_random", after="3 weeks"), visit()) == 0.0
    half = dropout("completely_at_random", after="2 weeks")
    assert share(half, visit()) == pytest.approx(1.0 - np.exp(-0.1), abs=NEAR)


def test_only_those_concerned_leave() -> None:
    concerned = np.arange(MANY) % 2 == 0
    gone = leavers(dropout("completely_at_random", rate_per_week=5.0), visit(concerned=concerned), who())
    assert not gone[~concerned].any()
    assert gone[concerned].mean() > 0.99


@pytest.mark.parametrize(("kind", "seen"), [("at_random", "last_score"), ("not_at_random", "score")])
def test_the_effect_is_a_log_hazard_ratio_per_ten_points_of_the_score_it_looks_at(
    kind: str, seen: str
) -> None:
    rule = dropout(kind, effect=0.7)
    higher = np.full(MANY, 40.0)
    other = "score" if seen == "last_score" else "last_score"
    assert share(rule, visit(**{seen: higher})) == pytest.approx(1.0 - np.exp(-0.2 * np.exp(0.7)), abs=NEAR)
    assert share(rule, visit(**{other: higher})) == pytest.approx(1.0 - np.exp(-0.2), abs=NEAR)


def test_who_leaves_completely_at_random_does_not_depend_on_any_score() -> None:
    rule = dropout("completely_at_random")
    scores = np.linspace(0.0, 60.0, MANY)
    gone = leavers(rule, visit(score=scores, last_score=scores[::-1]), who())
    assert (gone == leavers(rule, visit(), who())).all()
    difference = scores[gone].mean() - scores[~gone].mean()
    # Four errors: the SD of the scores is 17.3, and 7,200 leave.
    assert abs(difference) < 4.0 * 17.3 / np.sqrt(0.18 * 0.82 * MANY)


def test_lack_of_efficacy_concerns_only_improvements_below_the_limit() -> None:
    rule = dropout("lack_of_efficacy", improvement_below=0.25, rate_per_week=1.0)
    scores = np.linspace(10.0, 40.0, MANY)
    gone = leavers(rule, visit(score=scores), who())
    limit = 0.75 * 30.0
    assert not gone[scores <= limit].any()
    assert gone[scores > limit].mean() == pytest.approx(1.0 - np.exp(-2.0), abs=NEAR)
    unseen = np.where(scores > limit, np.nan, scores)
    assert not leavers(rule, visit(score=unseen), who()).any()


def test_the_rate_of_adverse_events_is_per_event_since_the_last_visit() -> None:
    rule = dropout("adverse_event")
    for events in (0, 1, 4):
        harms = np.full(MANY, events)
        assert share(rule, visit(harms=harms)) == pytest.approx(1.0 - np.exp(-0.2 * events), abs=NEAR)


def test_visits_and_rules_draw_apart() -> None:
    rule = dropout("completely_at_random", rate_per_week=0.35)
    one, other = (
        leavers(rule, visit(), who()),
        leavers(rule, visit(time_h=5 * WEEK, previous_h=3 * WEEK), who()),
    )
    named = leavers(rule.model_copy(update={"id": "another"}), visit(), who())
    for second in (other, named):
        # Independent: four errors of a correlation at 40,000.
        assert abs(np.corrcoef(one, second)[0, 1]) < 0.02


def test_which_ways_to_leave_come_before_the_visit() -> None:
    unseen = {"completely_at_random", "at_random", "not_at_random"}
    for kind in (*unseen, "lack_of_efficacy", "adverse_event"):
        more = {"improvement_below": 0.5} if kind == "lack_of_efficacy" else {}
        assert is_unseen(dropout(kind, **more)) == (kind in unseen)


def arms() -> Study:
    study = Study.load("daly2018")
    regimens = ("56 mg esketamine intranasal, twice weekly x 4 weeks", "none")
    parts = [
        arm.model_copy(update={"regimen": text}) for arm, text in zip(study.arms, regimens, strict=False)
    ]
    return study.model_copy(update={"arms": tuple(parts)})


def missed(adherence: Adherence | None, place: int = 0, count: int = 4000) -> list[tuple[int, ...]]:
    return missed_doses(adherence, arms().arms, place, 0.0, who(count), 6.0)


def test_a_share_of_the_sessions_is_missed_but_never_the_first() -> None:
    found = missed(Adherence(missed=0.2))
    assert len(parse_regimen(arms().arms[0].regimen).doses) == 8
    counts = np.bincount([place for row in found for place in row], minlength=8) / len(found)
    assert counts[0] == 0.0
    # Four binomial errors at 4,000.
    assert counts[1:] == pytest.approx(np.full(7, 0.2), abs=0.026)


def test_people_differ_in_what_they_miss() -> None:
    alike = [len(row) for row in missed(Adherence(missed=0.2))]
    apart = [len(row) for row in missed(Adherence(missed=0.2, person_sd=1.5))]
    # Binomial for people who are alike: 7 x 0.2 x 0.8.
    assert np.var(alike) == pytest.approx(1.12, rel=0.1)
    assert np.var(apart) > 2.0 * np.var(alike)


def test_nobody_misses_anything_without_a_rule_or_without_sessions() -> None:
    assert set(missed(None)) == {()}
    assert set(missed(Adherence(missed=0.0))) == {()}
    assert set(missed(Adherence(missed=0.5), place=1)) == {()}


def test_doses_of_one_session_are_missed_together() -> None:
    regimen = "20 mg ketamine iv over 20 min, at 0 h, 1 h, 24 h, 25 h"
    study = arms()
    arm = study.arms[0].model_copy(update={"regimen": regimen})
    found = missed_doses(Adherence(missed=0.5), [arm], 0, 0.0, who(200), 6.0)
    assert set(found) == {(), (2, 3)}
