from __future__ import annotations

import math

import pandas as pd
import pytest

from ketasim.errors import StudyError
from ketasim.trials.harms.incidence import incidence_table, printed_incidences


def trial(counts: dict[str, dict[str, int]], sizes: dict[str, int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many people of each arm with one event each, by harm."""
    patients, events, subject = [], [], 0
    for arm, size in sizes.items():
        for place in range(size):
            subject += 1
            patients.append({"replicate": 0, "subject": subject, "arm": arm, "left_h": math.nan})
            for harm, by_arm in counts.items():
                if place < by_arm.get(arm, 0):
                    events.append(
                        {
                            "replicate": 0, "subject": subject, "arm": arm, "time_h": 1.0,
                            "kind": "adverse_event", "detail": harm, "treatment": arm,
                        }
                    )  # fmt: skip
    return pd.DataFrame(events), pd.DataFrame(patients)


#: Published as 26.1 % of 115 against 3.5 % of 113 people (fedgchin2019), and as 8.7 % against 6.2 %.
COUNTS = {
    "dissociation": {"esk": 30, "placebo": 4},
    "anxiety": {"esk": 10, "placebo": 7},
    "vomiting": {"esk": 5, "placebo": 2},
}
SIZES = {"esk": 115, "placebo": 113}


def test_a_published_table_is_printed_as_published() -> None:
    table = incidence_table(*trial(COUNTS, SIZES), comparator="placebo")
    # Vomiting stays under 5 % in both arms.
    assert list(table["harm"]) == ["dissociation"] * 2 + ["anxiety"] * 2
    first, control = table.iloc[0], table.iloc[1]
    assert (first["n"], first["persons"], first["events"]) == (115, 30, 30)
    assert first["percent"] == pytest.approx(26.1, abs=0.05)
    assert control["percent"] == pytest.approx(3.5, abs=0.05)
    assert first["risk_difference"] == pytest.approx(30 / 115 - 4 / 113)
    assert first["nnh"] == pytest.approx(1.0 / (30 / 115 - 4 / 113))
    assert control["comparator"] == ""
    assert math.isnan(control["risk_difference"])
    printed = printed_incidences(table)
    assert list(printed.columns) == [
        "Adverse event", "esk (n = 115)", "placebo (n = 113)", "esk - placebo, % (95 % CI)",
        "esk - placebo, NNH",
    ]  # fmt: skip
    line = printed.iloc[0]
    assert line["Adverse event"] == "Dissociation"
    assert line["esk (n = 115)"] == "30 (26.1 %) [30]"
    assert line["esk - placebo, % (95 % CI)"].startswith("22.5 (")
    assert line["esk - placebo, NNH"].startswith("NNTH 4.44 (")


def test_interval_is_that_of_miettinen_and_nurminen() -> None:
    """The limits solve the score equation with the constrained variance, here found by another way."""
    table = incidence_table(*trial(COUNTS, SIZES), comparator="placebo")
    row = table.iloc[0]
    x1, n1, x0, n0 = 30, 115, 4, 113

    def score(difference: float) -> float:
        # Constrained maximum of the likelihood by bisection on its derivative.
        low, high = max(0.0, -difference) + 1e-12, min(1.0, 1.0 - difference) - 1e-12
        p0 = p1 = 0.0
        for _ in range(200):
            p0 = 0.5 * (low + high)
            p1 = p0 + difference
            slope = x1 / p1 - (n1 - x1) / (1 - p1) + x0 / p0 - (n0 - x0) / (1 - p0)
            low, high = (p0, high) if slope > 0 else (low, p0)
        variance = (p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0) * (n1 + n0) / (n1 + n0 - 1)
        return (x1 / n1 - x0 / n0 - difference) / math.sqrt(variance)

    assert score(row["low"]) == pytest.approx(1.959964, abs=1e-4)
    assert score(row["high"]) == pytest.approx(-1.959964, abs=1e-4)


def test_interval_of_nnh_runs_through_infinity_where_nothing_is_shown() -> None:
    table = incidence_table(*trial(COUNTS, SIZES), comparator="placebo")
    anxiety = table[table["harm"] == "anxiety"].iloc[0]
    assert anxiety["low"] < 0.0 < anxiety["high"]
    assert "inf" in anxiety["nnh_text"]
    same = incidence_table(*trial({"nausea": {"a": 3, "b": 3}}, {"a": 10, "b": 10}), comparator="b")
    assert math.isinf(same.iloc[0]["nnh"])
    fewer = incidence_table(*trial({"nausea": {"a": 1, "b": 6}}, {"a": 10, "b": 10}), comparator="b")
    assert fewer.iloc[0]["nnh"] == pytest.approx(-2.0)


def test_persons_count_once_and_events_every_time() -> None:
    events, patients = trial({"nausea": {"a": 2}}, {"a": 4, "b": 4})
    again = events.assign(time_h=200.0)
    other = events.assign(kind="missed_dose", detail="nausea")
    table = incidence_table(pd.concat([events, again, other]), patients)
    row = table[table["arm"] == "a"].iloc[0]
    assert (row["persons"], row["events"], row["percent"]) == (2, 4, 50.0)
    assert list(table[table["arm"] == "b"]["events"]) == [0]


def test_threshold_takes_what_is_just_on_it() -> None:
    events, patients = trial({"nausea": {"a": 1}, "anxiety": {"a": 2}}, {"a": 20, "b": 20})
    assert set(incidence_table(events, patients)["harm"]) == {"nausea", "anxiety"}
    assert set(incidence_table(events, patients, threshold=0.06)["harm"]) == {"anxiety"}
    assert incidence_table(events, patients, threshold=0.2).empty
    assert printed_incidences(incidence_table(events, patients, threshold=0.2)).empty


def test_weeks_have_their_own_people_at_risk() -> None:
    events, patients = trial({"nausea": {"a": 2}}, {"a": 4, "b": 4})
    events.loc[1, "time_h"] = 7 * 24.0
    patients.loc[patients["subject"] == 4, "left_h"] = 100.0
    table = incidence_table(events, patients, comparator="b", by_week=True)
    own = table[table["arm"] == "a"].set_index("week")
    assert list(own.index) == [1, 2]
    assert list(own["n"]) == [4, 3]
    assert list(own["persons"]) == [1, 1]
    assert own.loc[2, "risk_difference"] == pytest.approx(1 / 3)
    assert list(printed_incidences(table)["Week"]) == ["1", "2"]


def test_replicates_are_apart_or_together() -> None:
    events, patients = trial({"nausea": {"a": 3}}, {"a": 10, "b": 10})
    second = trial({"nausea": {"a": 7}}, {"a": 10, "b": 10})
    events = pd.concat([events, second[0].assign(replicate=1)])
    patients = pd.concat([patients, second[1].assign(replicate=1)])
    assert incidence_table(events, patients, replicate=1).iloc[0]["persons"] == 7
    both = incidence_table(events, patients).iloc[0]
    assert (both["n"], both["persons"]) == (20, 10)


def test_randomised_arm_counts_not_the_treatment() -> None:
    events, patients = trial({"nausea": {"a": 3}}, {"a": 10, "b": 10})
    table = incidence_table(events.assign(arm="b", treatment="b"), patients)
    assert list(table["persons"]) == [3, 0]


def test_nobody_with_an_event_gives_an_empty_table() -> None:
    events, patients = trial({"nausea": {"a": 1}}, {"a": 4, "b": 4})
    for by_week in (False, True):
        assert incidence_table(events.iloc[:0], patients, comparator="b", by_week=by_week).empty


def test_errors_name_the_field() -> None:
    events, patients = trial({"nausea": {"a": 1}}, {"a": 4, "b": 4})
    with pytest.raises(StudyError, match=r"comparator: unknown arm 'c'"):
        incidence_table(events, patients, comparator="c")
    with pytest.raises(StudyError, match=r"threshold: 5 is no share"):
        incidence_table(events, patients, threshold=5)
    with pytest.raises(StudyError, match=r"events: the column 'detail' is missing"):
        incidence_table(events.drop(columns="detail"), patients)
    with pytest.raises(StudyError, match=r"patients: the column 'left_h' is missing"):
        incidence_table(events, patients.drop(columns="left_h"), by_week=True)
    with pytest.raises(StudyError, match=r"patients: nobody is in replicate 3"):
        incidence_table(events, patients, replicate=3)
