"""Means, changes, response, remission and contrasts against numbers worked out by hand."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from ketasim.errors import StudyError
from ketasim.trials import Study, endpoints
from ketasim.trials.endpoints import baselines, control_of, remission_threshold
from ketasim.trials.runs.columns import CONTRASTS, ENDPOINTS, OUTCOMES
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study.template import new_study_text

#: Sums of a few exact decimals: only rounding is left.
EXACT = 1e-12

Row = tuple[str, int, str, str, float, float]


def study(threshold: float = 12.0) -> Study:
    text = new_study_text("small").replace("threshold: 10", f"threshold: {threshold:g}")
    return Study.parse(text)


def table(rows: list[Row], replicate: int = 0) -> pd.DataFrame:
    columns = ["arm", "subject", "quantity", "statistic", "time_h", "value"]
    frame = pd.DataFrame(rows, columns=columns)
    frame = frame.assign(study="small", replicate=replicate, treatment=frame["arm"], unit="points", reason="")
    return frame[list(OUTCOMES)]


def summarise(frame: pd.DataFrame, own: Study) -> pd.DataFrame:
    return endpoints.summarise(Outcomes.of_frame(frame), own)


def contrasts(frame: pd.DataFrame, own: Study) -> pd.DataFrame:
    return endpoints.contrasts(Outcomes.of_frame(frame), own)


def scores(arm: str, subject: int, course: dict[float, float]) -> list[Row]:
    return [(arm, subject, "madrs", "score", time, value) for time, value in course.items()]


#: Changes of -16 (to exactly half), -20 (to 12), -4.
THREE = table(
    scores("ketamine", 1, {0.0: 32.0, 24.0: 16.0})
    + scores("ketamine", 2, {0.0: 32.0, 24.0: 12.0})
    + scores("ketamine", 3, {0.0: 30.0, 24.0: 26.0})
)


def at(frame: pd.DataFrame, **keys: object) -> pd.Series:
    for name, value in keys.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_mean_spread_and_change_by_hand() -> None:
    found = summarise(THREE, study())
    assert tuple(found.columns) == ENDPOINTS
    row = at(found, arm="ketamine", time_h=24.0)
    assert row["n"] == 3
    assert row["mean"] == pytest.approx(18.0, abs=EXACT)
    # Deviations -2, -6 and 8: a sum of squares of 104 over two degrees of freedom.
    assert row["sd"] == pytest.approx(math.sqrt(52.0), abs=EXACT)
    assert row["se"] == pytest.approx(math.sqrt(52.0 / 3.0), abs=EXACT)
    assert row["change_mean"] == pytest.approx(-40.0 / 3.0, abs=EXACT)
    # Changes -16, -20, -4.
    assert row["change_sd"] == pytest.approx(math.sqrt((672.0 - 1600.0 / 3.0) / 2.0), abs=1e-11)


def test_exactly_half_is_a_response_and_the_studys_threshold_is_remission() -> None:
    row = at(summarise(THREE, study(threshold=12.0)), time_h=24.0)
    assert row["response"] == pytest.approx(2 / 3)
    assert row["remission"] == pytest.approx(1 / 3)
    assert at(summarise(THREE, study(threshold=11.0)), time_h=24.0)["remission"] == 0.0


def test_a_threshold_on_another_scale_leaves_the_usual_one() -> None:
    text = new_study_text("small").replace("{scale: madrs, threshold: 10}", "{scale: hamd17, threshold: 5}")
    own = Study.parse(text)
    assert remission_threshold(own, "hamd17") == 5.0
    assert remission_threshold(own, "madrs") == 10.0


def test_one_person_has_no_spread() -> None:
    row = at(summarise(THREE[THREE["subject"] == 1], study()), time_h=24.0)
    assert row["mean"] == 16.0
    assert all(math.isnan(row[name]) for name in ("sd", "se", "change_sd"))


def test_what_is_not_scored_has_neither_response_nor_remission() -> None:
    rows: list[Row] = [("ketamine", person, "cadss", "value", 2.0, 10.0 * person) for person in (1, 2)]
    row = at(summarise(table(rows), study()), quantity="cadss")
    assert row["mean"] == 15.0
    assert math.isnan(row["response"])
    assert math.isnan(row["remission"])
    assert math.isnan(row["change_mean"])


def test_a_missing_score_is_not_counted() -> None:
    frame = pd.concat([THREE, table(scores("ketamine", 4, {0.0: 40.0, 24.0: math.nan}))], ignore_index=True)
    whole, part = (at(summarise(item, study()), time_h=24.0) for item in (THREE, frame))
    pd.testing.assert_series_equal(whole, part, check_names=False)


def test_rows_come_in_the_order_of_the_study() -> None:
    rows = scores("midazolam", 2, {0.0: 30.0, 24.0: 28.0}) + scores("ketamine", 1, {0.0: 30.0, 24.0: 20.0})
    found = summarise(table(rows), study())
    assert list(found["arm"]) == ["ketamine", "ketamine", "midazolam", "midazolam"]
    assert list(found["time_h"]) == [0.0, 24.0, 0.0, 24.0]


def test_baselines_are_the_scores_at_entry_alone() -> None:
    entry = baselines(THREE, "madrs")
    assert entry.to_dict() == {
        (0, "ketamine", 1): 32.0,
        (0, "ketamine", 2): 32.0,
        (0, "ketamine", 3): 30.0,
    }


def person(arm: str, subject: int, entry: float, score: float, drug: float, placebo: float) -> list[Row]:
    """Someone whose severity differs by ``drug`` from the one with dose zero."""
    held = {
        "severity": (30.0, 20.0 + drug),
        "severity_without_drug": (30.0, 20.0),
        "placebo": (0.0, placebo),
    }
    return [
        *scores(arm, subject, {0.0: entry, 24.0: score}),
        *(
            (arm, subject, name, "value", time, value)
            for name, values in held.items()
            for time, value in zip((0.0, 24.0), values, strict=True)
        ),
    ]


CONTRASTED = table(
    person("ketamine", 1, 32.0, 14.0, -9.0, 5.0)
    + person("ketamine", 2, 30.0, 20.0, -7.0, 4.0)
    + person("midazolam", 3, 34.0, 28.0, 0.0, 3.0)
    + person("midazolam", 4, 30.0, 28.0, 0.0, 2.0)
)


def test_a_contrast_splits_into_parts_by_hand() -> None:
    found = contrasts(CONTRASTED, study())
    assert tuple(found.columns) == CONTRASTS
    row = at(found, arm="ketamine", comparator="midazolam", time_h=24.0)
    # Changes of -14 and -4; drug -8; placebo takes 4.5 and 2.5 points.
    assert row["contrast"] == pytest.approx(-10.0, abs=EXACT)
    assert row["drug_part"] == pytest.approx(-8.0, abs=EXACT)
    assert row["expectancy_part"] == pytest.approx(-2.0, abs=EXACT)
    assert row["chance"] == pytest.approx(0.0, abs=EXACT)


def test_parts_add_up_in_every_row_and_replicate() -> None:
    random = np.random.default_rng(4)
    frames = []
    for replicate in (0, 1):
        rows: list[Row] = []
        for subject in range(8):
            arm = "ketamine" if subject < 4 else "midazolam"
            rows += person(arm, subject, *random.normal(20.0, 5.0, 4).tolist())
        frames.append(table(rows, replicate))
    found = contrasts(pd.concat(frames, ignore_index=True), study())
    assert list(found["replicate"]) == [0, 1]
    total = found["drug_part"] + found["expectancy_part"] + found["chance"]
    assert total.to_numpy() == pytest.approx(found["contrast"].to_numpy(), abs=EXACT)
    assert abs(found["contrast"].iloc[0] - found["contrast"].iloc[1]) > 0.1


def test_the_control_is_the_one_treated_at_the_same_times() -> None:
    singh = Study.load("singh2016")
    controls = {arm.id: control_of(singh, arm).id for arm in singh.arms if arm.active}
    assert controls == {"ketamine_2x": "saline_2x", "ketamine_3x": "saline_3x"}
    rows = [
        row
        for number, (arm, score) in enumerate(
            {"ketamine_2x": 18.0, "saline_2x": 27.0, "ketamine_3x": 17.0, "saline_3x": 29.0}.items()
        )
        for row in person(arm, number, 30.0, score, 0.0, 0.0)
    ]
    found = contrasts(table(rows), singh)
    assert dict(zip(found["arm"], found["comparator"], strict=True)) == controls
    assert list(found["contrast"]) == pytest.approx([-9.0, -12.0])


def test_without_a_control_there_is_no_contrast() -> None:
    alone = Study.load("murrough2013b")
    assert contrasts(CONTRASTED, alone).empty
    with pytest.raises(StudyError, match="has no control"):
        control_of(alone, alone.arms[0])


def test_contrasts_follow_time() -> None:
    later = CONTRASTED.assign(time_h=CONTRASTED["time_h"].replace(24.0, 168.0))
    both = pd.concat([later, CONTRASTED[CONTRASTED["time_h"] > 0.0]], ignore_index=True)
    found = contrasts(both, study())
    assert len(found) == 2
    assert all(a < b for a, b in pairwise(found["time_h"]))


def test_what_the_control_itself_does_is_taken_off_the_drug_part() -> None:
    rows = person("ketamine", 1, 32.0, 14.0, -9.0, 5.0) + person("midazolam", 2, 32.0, 28.0, -1.5, 3.0)
    row = at(contrasts(table(rows), study()), time_h=24.0)
    assert row["contrast"] == pytest.approx(-14.0, abs=EXACT)
    assert row["drug_part"] == pytest.approx(-7.5, abs=EXACT)
    assert row["expectancy_part"] == pytest.approx(-2.0, abs=EXACT)
    assert row["chance"] == pytest.approx(-4.5, abs=EXACT)


def test_without_people_with_dose_zero_there_is_no_split() -> None:
    alone = CONTRASTED[CONTRASTED["quantity"] != "severity_without_drug"]
    assert contrasts(alone, study()).empty


def test_a_person_counts_in_the_arm_of_his_randomisation() -> None:
    moved = THREE.assign(treatment=THREE["treatment"].mask(THREE["time_h"] > 0.0, "midazolam"))
    pd.testing.assert_frame_equal(summarise(moved, study()), summarise(THREE, study()))


def test_the_order_of_rows_changes_nothing() -> None:
    shuffled = CONTRASTED.sample(frac=1.0, random_state=3)
    pd.testing.assert_frame_equal(summarise(shuffled, study()), summarise(CONTRASTED, study()))
    pd.testing.assert_frame_equal(contrasts(shuffled, study()), contrasts(CONTRASTED, study()))
