"""Guesses by arm, and the indices of blinding, against numbers worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from ketasim.report.trial.counts import guess_part, incidence_part
from ketasim.trials.endpoints import compared_with
from ketasim.trials.scoring.blinding import BLINDING, blinding_table
from ketasim.trials.study import Study
from ketasim.trials.study.template import new_study_text


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.parse(new_study_text("small"))


def people(**guesses: tuple[int, int, int]) -> pd.DataFrame:
    """Persons by arm: how many guess active, control, and were not asked."""
    rows = [
        (arm, word)
        for arm, counts in guesses.items()
        for word, count in zip(("active", "control", ""), counts, strict=True)
        for _ in range(count)
    ]
    frame = pd.DataFrame(rows, columns=["arm", "guess"])
    return frame.assign(replicate=0, subject=range(1, len(frame) + 1), left_h=float("nan"))


def test_bang_by_hand(study: Study) -> None:
    found = blinding_table(people(ketamine=(8, 2, 3), midazolam=(4, 6, 0)), study).set_index("arm")
    assert tuple(found.reset_index()[list(BLINDING)].columns) == BLINDING
    # 8 of 10 right and 2 wrong; 6 of 10 right and 4 wrong. Those who were not asked do not count.
    assert found.loc["ketamine", "value"] == pytest.approx(0.6)
    assert found.loc["midazolam", "value"] == pytest.approx(0.2)
    assert found.loc["ketamine", "n"] == 10
    assert found.loc["ketamine", "low"] < 0.6 < found.loc["ketamine", "high"]
    assert found.loc["all", "index"] == "James"
    # More right guesses than by chance.
    assert found.loc["all", "value"] < 0.5


def test_nobody_asked_gives_no_row(study: Study) -> None:
    silent = people(ketamine=(0, 0, 4), midazolam=(0, 0, 4))
    assert blinding_table(silent, study).empty
    assert blinding_table(silent.drop(columns="guess"), study).empty


def test_james_needs_both_sides(study: Study) -> None:
    found = blinding_table(people(ketamine=(3, 1, 0), midazolam=(0, 0, 4)), study)
    assert found["index"].tolist() == ["Bang"]


def test_categories_of_large_tables_do_as_well(study: Study) -> None:
    frame = people(ketamine=(8, 2, 3), midazolam=(4, 6, 0))
    as_category = frame.astype({"arm": "category", "guess": "category"})
    pd.testing.assert_frame_equal(blinding_table(as_category, study), blinding_table(frame, study))


class _Tables:
    """The three tables of a run."""

    def __init__(self, patients: pd.DataFrame, events: pd.DataFrame) -> None:
        self.patients, self.events, self.outcomes = patients, events, pd.DataFrame()


def test_the_report_shows_both(study: Study) -> None:
    patients = people(ketamine=(8, 2, 0), midazolam=(4, 6, 0))
    events = pd.DataFrame(
        [(0, subject, 0.0, "adverse_event", "nausea", "ketamine") for subject in (1, 2, 3)],
        columns=["replicate", "subject", "time_h", "kind", "detail", "arm"],
    )
    tables = _Tables(patients, events)
    text = guess_part(tables, study)
    assert "Bang 0.6" in text
    assert "James" in text
    assert "3 (30.0 %) [3]" in incidence_part(tables, study)
    assert "Nobody had an adverse event" in incidence_part(_Tables(patients, events.iloc[:0]), study)
    assert guess_part(_Tables(patients.assign(guess=""), events), study) == ""


def test_all_are_compared_with_the_control_of_the_first_active_arm(study: Study) -> None:
    assert compared_with(study) == "midazolam"
    assert compared_with(Study.load("murrough2013b")) is None
