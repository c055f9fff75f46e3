from __future__ import annotations

import dataclasses

import pytest

from ketasim.errors import StudyError
from ketasim.population import COVARIATES
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study.conditions import BINARY_COVARIATES, COVARIATE_NAMES, overlapping, parse_condition
from ketasim.trials.study.rules import SCALE_TOP


@pytest.mark.parametrize(
    ("text", "subject", "form", "operator", "value", "since", "negated"),
    [
        ("madrs >= 20", "madrs", "level", ">=", 20.0, "entry", False),
        ("hamd17<18.5", "hamd17", "level", "<", 18.5, "entry", False),
        ("  phq9   <=  4 ", "phq9", "level", "<=", 4.0, "entry", False),
        ("madrs improvement < 50 %", "madrs", "improvement", "<", 0.5, "entry", False),
        ("madrs improvement >= 0.25", "madrs", "improvement", ">=", 0.25, "entry", False),
        ("madrs improvement < -10%", "madrs", "improvement", "<", -0.1, "entry", False),
        ("madrs improvement < 50 % since arm", "madrs", "improvement", "<", 0.5, "arm", False),
        ("madrs change >= 5", "madrs", "change", ">=", 5.0, "entry", False),
        ("pain_nrs change > -2 since arm", "pain_nrs", "change", ">", -2.0, "arm", False),
        ("madrs change >= 5 since entry", "madrs", "change", ">=", 5.0, "entry", False),
        ("cadss peak >= 4", "cadss", "peak", ">=", 4.0, "entry", False),
        ("nausea peak > 30 %", "nausea", "peak", ">", 0.3, "entry", False),
        ("responder", "", "response", ">=", 0.5, "entry", False),
        ("not responder", "", "response", ">=", 0.5, "entry", True),
        ("responder since arm", "", "response", ">=", 0.5, "arm", False),
        ("remitter", "", "remission", "<=", 0.0, "entry", False),
        ("not remitter", "", "remission", "<=", 0.0, "entry", True),
        ("age >= 65", "age", "level", ">=", 65.0, "entry", False),
        ("female > 0.5", "female", "level", ">", 0.5, "entry", False),
        ("chance 0.2", "", "chance", "<", 0.2, "entry", False),
        ("chance 20 %", "", "chance", "<", 0.2, "entry", False),
        ("doses >= 6", "", "doses", ">=", 6.0, "arm", False),
    ],
)
def test_every_form_is_read(
    text: str, subject: str, form: str, operator: str, value: float, since: str, negated: bool
) -> None:
    found = parse_condition(text, "rules.when")
    assert (found.subject, found.form, found.operator, found.since, found.negated) == (
        subject,
        form,
        operator,
        since,
        negated,
    )
    # A percentage is divided by 100: rounding only.
    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.text == text
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.value = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not a condition"),
        ("madrs", "is not a condition"),
        ("madrs = 20", "is not a condition"),
        ("madrs >= twenty", "is not a condition"),
        ("madrs >= 20 points", "is not a condition"),
        ("madrs >= 20; import os", "is not a condition"),
        ("madsr >= 20", "nearest valid name is 'madrs'"),
        ("agee >= 20", "nearest valid name is 'age'"),
        ("madrs improvment < 50 %", "nearest valid name is 'improvement'"),
        ("madrs >= 61", "above the top of madrs (60)"),
        ("madrs >= 50 %", "is not a share"),
        ("age >= 50 %", "is not a share"),
        ("madrs improvement < 50", "write '50 %'"),
        ("madrs improvement > 150 %", "more than 100 %"),
        ("madrs >= 20 since arm", "belongs to an improvement or a change"),
        ("cadss peak >= 4 since arm", "belongs to an improvement or a change"),
        ("madrs change >= 5 since visit", "unknown reference 'visit'"),
        ("age change > 3", "does not change in a trial"),
        ("remitter since arm", "remission is a score"),
        ("chance 0", "lies between 0 and 1"),
        ("chance 1", "lies between 0 and 1"),
        ("chance 20", "write '20 %'"),
        ("chance -0.2", "lies between 0 and 1"),
        ("doses >= 50 %", "counted in the arm"),
        ("doses >= -1", "counted in the arm"),
    ],
)
def test_what_is_no_condition_is_refused_with_field_and_remedy(text: str, words: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_condition(text, "rules.when")
    message = str(caught.value)
    assert message.startswith("rules.when: ")
    assert words in message
    assert "\n" not in message


def test_other_quantities_must_be_named_by_the_caller() -> None:
    with pytest.raises(StudyError, match="unknown scale, quantity or covariate 'spine_density'"):
        parse_condition("spine_density >= 1.2", "when")
    assert parse_condition("spine_density >= 1.2", "when", ("spine_density",)).subject == "spine_density"
    assert parse_condition("anything >= 1.2", "when", None).subject == "anything"


def test_names_are_those_of_the_layers_below() -> None:
    assert set(COVARIATE_NAMES) == set(COVARIATES)
    assert {name for name in COVARIATES if COVARIATES[name].kind == "binary"} == set(BINARY_COVARIATES)
    assert {name: scale.maximum for name, scale in SCALES.items()} == SCALE_TOP
    assert parse_condition("age >= 65", "when").is_covariate
    assert not parse_condition("madrs >= 20", "when").is_covariate


@pytest.mark.parametrize(
    ("operator", "at", "below", "above"),
    [
        (">=", True, False, True),
        (">", False, False, True),
        ("<=", True, True, False),
        ("<", False, True, False),
    ],
)
def test_comparison(operator: str, at: bool, below: bool, above: bool) -> None:
    condition = parse_condition(f"madrs {operator} 20", "when")
    assert (condition.compares(20.0), condition.compares(19.0), condition.compares(21.0)) == (
        at,
        below,
        above,
    )


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ("madrs >= 33", "madrs < 33", False),
        ("madrs > 33", "madrs <= 33", False),
        ("madrs >= 33", "madrs <= 33", True),
        ("madrs >= 30", "madrs < 33", True),
        ("madrs >= 33", "madrs >= 28", True),
        ("age < 40", "age >= 65", False),
        ("age < 65", "age < 40", True),
        ("madrs >= 33", "age >= 65", False),
        ("madrs >= 33", "hamd17 >= 20", False),
        ("responder", "not responder", False),
        ("responder", "responder", True),
        ("madrs improvement < 25 %", "madrs improvement >= 50 %", False),
        ("madrs change >= 5", "madrs change >= 5 since arm", False),
    ],
)
def test_strata_overlap_only_where_one_person_can_meet_both(one: str, other: str, both: bool) -> None:
    first, second = parse_condition(one, "strata"), parse_condition(other, "strata")
    assert overlapping(first, second) is both
    assert overlapping(second, first) is both
