"""Real patients from a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ketasim.errors import StudyError
from ketasim.population import COVARIATES, People, PopulationSpec, Variability, people_from_csv
from ketasim.population.real import read_patients

SPEC = PopulationSpec(33.0, 5.0, entry_lower=25.0, table="clinic", entry=[("age", "<=", 60)])
GOOD = """subject,weight [kg],height [m],age [year],female,score,hypertension,ancestry_asian,cyp2b6_6
A-1,82.5,1.80,44,no,31,1,0,0
A-2,61,1.62,70,yes,36,no,1,2
B-7,74.25,1.70,29,1,27,yes,0,1
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "patients.csv"
    path.write_text(text, encoding="utf-8")
    return path


def made(path: Path, **changes: Any) -> People:
    options: dict[str, Any] = {
        "seed": 1,
        "study": "clinic",
        "days": 3,
        "stress_tau_h": 372.0,
        "stress_sd_points": 4.0,
        "error_sd": 2.0,
        **changes,
    }
    return people_from_csv(path, SPEC, Variability({"clearance": 0.2}), **options)


def test_what_the_file_says_is_kept_and_the_rest_is_drawn(tmp_path: Path) -> None:
    path = written(tmp_path, GOOD)
    people = made(path)
    assert read_patients(path).subject == ("A-1", "A-2", "B-7")
    assert people.subject.tolist() == [1, 2, 3]
    assert people.baseline.tolist() == [31.0, 36.0, 27.0]
    got = people.covariates
    assert set(got) == set(COVARIATES)
    assert got["weight"].tolist() == [82.5, 61.0, 74.25]
    assert got["height"] == pytest.approx([180.0, 162.0, 170.0])
    # A patient of 70 years stays, although the rule of the population would refuse him.
    assert got["age"].tolist() == [44.0, 70.0, 29.0]
    assert got["female"].tolist() == [0.0, 1.0, 1.0]
    assert got["hypertension"].tolist() == [1.0, 0.0, 1.0]
    assert got["cyp2b6_6"].tolist() == [0.0, 2.0, 1.0]
    assert got["ancestry_asian"].tolist() == [0.0, 1.0, 0.0]
    assert got["ancestry_other"].tolist() == [1.0, 0.0, 1.0]
    assert len(set(got["crp"].tolist())) == 3
    assert people.severity_baseline + people.entry_error == pytest.approx(people.baseline)
    assert people.screened.tolist() == [1, 1, 1]


def test_stress_and_error_at_entry_follow_from_the_score(tmp_path: Path) -> None:
    lines = ["weight [kg],age [year],female,score"] + [f"70,40,1,{score}" for score in [28, 40] * 2000]
    people = made(written(tmp_path, "\n".join(lines)))
    parent = SPEC.parent()
    for score in (28.0, 40.0):
        here = people.baseline == score
        expected = 2.0**2 / parent.sd**2 * (score - parent.mean)
        # Four standard errors of a mean of 2,000 errors of at most 2 points.
        assert people.entry_error[here].mean() == pytest.approx(expected, abs=4 * 2.0 / 2000**0.5)
        expected = 4.0 / parent.sd**2 * (score - parent.mean)
        assert people.entry_stress[here].mean() == pytest.approx(expected, abs=4 / 2000**0.5)


def test_a_patient_does_not_depend_on_those_below_him(tmp_path: Path) -> None:
    three = made(written(tmp_path, GOOD))
    two = made(written(tmp_path, "\n".join(GOOD.splitlines()[:3])))
    for name, values in two.covariates.items():
        assert np.array_equal(values, three.covariates[name][:2]), name
    assert np.array_equal(two.stress, three.stress[:2])
    other = made(written(tmp_path, GOOD), replicate=1)
    assert np.array_equal(other.baseline, three.baseline)
    assert not np.any(other.deviations["clearance"] == three.deviations["clearance"])


def test_pounds_are_converted_and_blank_lines_skipped(tmp_path: Path) -> None:
    found = read_patients(written(tmp_path, "weight (lb),age [year],female,score\n\n154.3,40,yes,30\n,,,\n"))
    assert found.covariates["weight"] == pytest.approx([69.99], abs=0.01)
    assert len(found) == 1


HEAD = "weight [kg],age [year],female,score"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        (HEAD, "it names the columns and has no patient"),
        ("age [year],female,score\n40,1,30", "line 1: column 'weight' is missing; needed are weight, age"),
        ("weight,age [year],female,score\n", r"line 1: column 'weight' lacks its unit; write weight \[kg\]"),
        (
            "weight [cm],age [year],female,score\n",
            r"column 'weight': unit 'cm' does not fit; write weight \[kg\]",
        ),
        ("weight [kg],age [year],female [kg],score\n", "column 'female' has no unit"),
        (HEAD + ",wieght [kg]\n", "line 1: unknown column 'wieght'; the nearest valid name is 'weight'"),
        (HEAD + ",score\n", "line 1: column 'score' stands twice"),
        (HEAD + "\n70,40,1", "line 2: 3 values and 4 columns"),
        (HEAD + "\n70,40,1,30\n70,,1,30", "line 3: age: an empty cell is not a number"),
        (HEAD + "\n70,NaN,1,30", "line 2: age: 'NaN' is not a number"),
        (HEAD + "\nheavy,40,1,30", "line 2: weight: 'heavy' is not a number"),
        (HEAD + "\n-70,40,1,30", "line 2: weight: -70 is outside 25 to 350 kg"),
        (HEAD + "\n70,12,1,30", "line 2: age: 12 is outside 18 to 110 year"),
        (HEAD + "\n70,40,0.5,30", "line 2: female: '0.5' is not a whole number"),
        (HEAD + "\n70,40,2,30", "line 2: female: 2 is outside 0 to 1"),
        (HEAD + "\n70,40,1,61", "line 2: score: 61 is outside 0 to 60 points"),
        (HEAD + ",ancestry_white,ancestry_asian\n70,40,1,30,1,1", "patient 1 has more than one ancestry"),
    ],
)
def test_a_wrong_file_is_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(StudyError, match=message) as caught:
        made(path)
    assert "patients.csv" in str(caught.value)


def test_a_missing_or_unreadable_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such file"):
        made(tmp_path / "none.csv")
    (tmp_path / "raw.csv").write_bytes(b"\xff\xfe\x00weight")
    with pytest.raises(StudyError, match="cannot be read as text"):
        made(tmp_path / "raw.csv")
