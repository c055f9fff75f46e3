"""The clinical evidence as study and experiment files: every row that was read is used or accounted for."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import resources
from pathlib import Path

import pytest

from ketasim.evidence import load_observations
from ketasim.trials.study import Observation, Study
from ketasim.trials.study.catalogue import shipped_studies
from ketasim.trials.works import load_work

PACKAGE = Path(str(resources.files("ketasim")))
#: Clinical publications whose numbers are about persons without raters, as experiments.
EXPERIMENTS = ("brinck2021pca", "chen_bdnf", "hindawi2021", "kenney2022", "sickle_series2018")


@cache
def seen() -> frozenset[str]:
    """Rows of the clinical evidence that were read in a source."""
    return frozenset(load_observations("clinical")["id"])


@cache
def observed() -> frozenset[str]:
    """Rows of the evidence that some shipped file has as an observation."""
    files = [*(PACKAGE / "studies").glob("*.yaml"), *(PACKAGE / "experiments").glob("*.yaml")]
    names = {name for file in files for name in re.findall(r"\bid: (CLIN[\w-]+)", file.read_text("utf-8"))}
    return frozenset(name.partition("-")[0] for name in names)


def listed() -> dict[str, str]:
    """Rows that are no observation of a file, with the reason."""
    text = (PACKAGE / "evidence/data/not_expressible_clinical.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["reason"] for row in rows}


@cache
def rows() -> tuple[tuple[Study, Observation], ...]:
    """Every observation of every shipped study."""
    studies = [Study.load(name) for name in shipped_studies()]
    return tuple((study, row) for study in studies for row in study.observations)


def test_every_seen_row_is_an_observation_or_is_listed() -> None:
    assert seen() - observed() == set(listed())
    assert len(seen() & observed()) > 2 * len(listed())


def test_every_reason_says_something() -> None:
    assert all(len(reason.split()) >= 4 for reason in listed().values())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_clinical_experiments_load(name: str) -> None:
    work = load_work(name)
    assert work.citation == name
    published = load_observations("clinical")
    ids = set(published.loc[published["citation"] == name, "id"])
    assert work.observations
    assert {row.id.partition("-")[0] for row in work.observations} <= ids


def test_a_number_that_is_new_is_laid_beside_and_not_fitted_by_its_author() -> None:
    assert {row.use for _, row in rows()} <= {"calibration", "check", "heldout"}
    assert all(row.source_kind == "measured" for _, row in rows())


def test_improvement_is_negative_wherever_a_score_is_compared() -> None:
    signed = [row for _, row in rows() if row.statistic == "effect_size"]
    assert len(signed) >= 10
    assert all(row.value < 0 for row in signed)


def test_quotients_of_rates_are_within_their_intervals_and_compare_arms() -> None:
    quotients = [row for _, row in rows() if row.statistic.endswith(("odds_ratio", "risk_ratio"))]
    assert len(quotients) >= 12
    for row in quotients:
        assert row.comparators
        if row.spread_kind == "ci95":
            assert row.standard_error is not None
            assert row.standard_error > 0


def test_a_group_told_apart_at_another_time_is_a_share_of_its_arm() -> None:
    grouped = {row.id: (row.among, row.among_time_h) for _, row in rows() if row.among_time is not None}
    assert grouped == {
        "CLIN0165": ("responders", 288.0),
        "CLIN0166-ill": ("non_responders", 288.0),
        "CLIN0325": ("non_responders", 24.0),
        "CLIN0326": ("non_responders", 24.0),
    }


def test_pools_are_said_to_overlap_with_single_trials() -> None:
    pools = ("han2016", "kishimoto2016", "price2022", "dean2021_saline", "dean2021_midazolam", "xu2016")
    for name in pools:
        study = Study.load(name)
        assert any("not independent" in note for note in study.notes)
        assert any(item.field.startswith("arms.") for item in study.assumed)
