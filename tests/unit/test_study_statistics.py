"""The statistics of published rows: what each needs, its unit, and its standard error."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from ketasim.errors import StudyError
from ketasim.trials.study import Observation, Study

ROW = {
    "id": "row_1",
    "arm": "drug",
    "quantity": "madrs",
    "statistic": "change",
    "time": "24 h",
    "value": -10.0,
    "unit": "points",
    "source_kind": "measured",
    "use": "check",
    "citation": "somebody2020",
}
SIZE = {"statistic": "effect_size", "unit": "ratio", "value": -0.8}
RATE = {"statistic": "response", "unit": "probability", "value": 0.4}
ODDS = {"statistic": "response_odds_ratio", "unit": "ratio", "value": 4.0, "comparator": "placebo"}
LINKED = {"statistic": "correlation", "unit": "ratio", "value": -0.4}
TEXT = """
schema: 1
id: two_arms
title: Two arms
citation: somebody2020
species: human
population:
  condition: trd
  baseline: {scale: madrs, mean: 32, sd: 6}
setting: {care: outpatient, control: saline, remission: {scale: madrs, threshold: 10}}
arms:
  - {id: drug, n: 20, regimen: 0.5 mg/kg ketamine iv over 40 min}
  - {id: saline, n: 10, regimen: saline iv over 40 min}
  - {id: midazolam, n: 10, regimen: 0.045 mg/kg midazolam iv over 40 min}
visits: [2 h, 24 h]
observations:
  - ROW
"""


def row(**changes: object) -> Observation:
    return Observation.model_validate({**ROW, **changes})


def study(text: str) -> Study:
    head = "id: row_1, arm: drug, quantity: madrs, source_kind: measured, use: check, citation: somebody2020"
    return Study.parse(TEXT.replace("ROW", "{" + head + ", " + text + "}"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"statistic": "improved", "unit": "probability", "value": 0.5}, "needs threshold"),
        ({"threshold": 10.0}, "no meaning for a change row"),
        (LINKED, "needs with_quantity"),
        ({**LINKED, "with_quantity": "cadss"}, "needs with_time"),
        ({**LINKED, "with_quantity": "cadss", "with_time": "40 min", "value": -1.2}, "between -1 and 1"),
        ({"statistic": "change_ratio", "unit": "ratio", "value": 0.6}, "needs with_time"),
        ({**ODDS, "value": 0.0}, "above 0"),
        ({**SIZE, "unit": "points"}, "does not measure the same as 'ratio'"),
        ({"statistic": "response_difference", "unit": "probability", "value": 1.2}, "from -1 to 1"),
        ({**RATE, "among": "responders"}, "give both"),
        ({**RATE, "among_time": "12 d"}, "give both"),
        ({**SIZE, "among": "responders"}, "has a group"),
        ({**RATE, "statistic": "relapse", "among": "non_responders"}, "cannot relapse"),
        ({**RATE, "statistic": "improved", "threshold": 10.0, "unit": "percent", "value": 65.0}, "fraction"),
    ],
)
def test_a_row_that_lacks_or_contradicts_something_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        row(**changes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # Two groups of 50: variance 1/50 + 1/50 + 0.64 / 200.
        ({**SIZE, "comparator": "placebo", "n": 100}, math.sqrt(0.04 + 0.0032)),
        # One group of 25 against itself: 1/25 + 0.64 / 50.
        ({**SIZE, "n": 25}, math.sqrt(0.04 + 0.0128)),
        ({**LINKED, "with_quantity": "cadss", "with_time": "40 min", "n": 50}, 0.84 / 7),
        # The interval from 2 to 8 is symmetric in the logarithm; its half width there is ln 2.
        ({**ODDS, "spread_kind": "ci95", "spread_low": 2.0, "spread_high": 8.0}, 4 * math.log(2) / 1.959964),
        (ODDS, None),
        # (0.5 * 9 + 0.5) / 10 = 0.5.
        ({**RATE, "statistic": "incidence", "threshold": 4.0, "value": 0.5, "n": 9}, math.sqrt(0.025)),
        ({"statistic": "median_change", "n": 30}, None),
    ],
)
def test_standard_errors(changes: dict[str, object], expected: float | None) -> None:
    found = row(**changes).standard_error
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-12))


def test_arms_may_be_pooled_on_both_sides() -> None:
    text = "comparator: saline + midazolam, statistic: effect_size, time: 24 h, value: -0.6, unit: ratio"
    assert study(text).observations[0].comparators == ("saline", "midazolam")
    with pytest.raises(StudyError, match="nearest valid name is 'midazolam'"):
        study(text.replace("midazolam", "midazolm"))


def test_what_compares_needs_a_comparator_and_what_remits_its_definition() -> None:
    text = "statistic: remission_risk_ratio, time: 24 h, value: 2.0, unit: ratio"
    with pytest.raises(StudyError, match="needs a comparator arm"):
        study(text)
    assert study("comparator: saline, " + text).observations[0].value == 2.0
    without = TEXT.replace(", remission: {scale: madrs, threshold: 10}", "")
    with pytest.raises(StudyError, match=r"needs setting\.remission"):
        Study.parse(
            without.replace(
                "ROW",
                "{id: row_1, arm: drug, quantity: madrs, source_kind: measured, use: check, citation: x, "
                f"comparator: saline, {text}}}",
            )
        )


def test_the_other_time_of_a_row_needs_a_visit() -> None:
    text = "statistic: change_ratio, time: 2 h, with_time: WHEN, value: 0.7, unit: ratio"
    assert study(text.replace("WHEN", "24 h")).observations[0].with_time_h == 24.0
    with pytest.raises(StudyError, match="no visit at this time"):
        study(text.replace("WHEN", "36 h"))
