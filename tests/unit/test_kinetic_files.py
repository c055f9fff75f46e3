"""Published concentrations and exposures as experiment files: whole, and as the readings have them."""

from __future__ import annotations

import csv
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from ketasim.dosing import parse_regimen
from ketasim.evidence import load_observations
from ketasim.evidence.readings import load_readings
from ketasim.trials.experiment import Experiment
from ketasim.trials.study.rules import study_time
from ketasim.trials.works import load_work, shipped_works

PACKAGE = Path(str(resources.files("ketasim")))
MEASURES = {
    "value_at": "at",
    "cmax": "peak",
    "tmax": "peak_time",
    "auc_0_6h": "area",
    "auc_0_24h": "area",
    "auc_inf": "area",
    "half_life": "half_life",
    "bioavailability": "area",
    "auc_modifier_ratio": "area",
    "clearance_modifier_ratio": "area",
}
RATIOS = ("bioavailability", "auc_modifier_ratio", "clearance_modifier_ratio")


@cache
def experiments() -> dict[str, Experiment]:
    """Load the experiment files about kinetics."""
    found = {name: load_work(name) for name in shipped_works() if name.startswith("pk_")}
    return {name: work for name, work in found.items() if isinstance(work, Experiment)}


@cache
def observed() -> frozenset[str]:
    """Rows of the evidence that some shipped work has as an observation."""
    files = [*(PACKAGE / "experiments").glob("*.yaml"), *(PACKAGE / "studies").glob("*.yaml")]
    names = {name for file in files for name in re.findall(r"\bid: ([\w-]+)", file.read_text("utf-8"))}
    rows = set(load_observations(seen_only=False, duplicates=True, excluded=True)["id"])
    rows |= set(load_readings()["row"])
    return frozenset(name if name in rows else name.rsplit("-", 1)[0] for name in names)


def listed() -> dict[str, str]:
    """Rows that are no observation of a work, with the reason."""
    text = (PACKAGE / "evidence/data/not_expressible_pk.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["reason"] for row in rows}


def readings() -> list[tuple[Experiment, Any, dict[str, Any]]]:
    """Observations of the files beside their line of the readings."""
    table = load_readings(use=("fit", "check")).to_dict("records")
    lines: dict[str, dict[str, Any]] = {str(row["row"]): {str(k): v for k, v in row.items()} for row in table}
    return [
        (experiment, row, lines[row.id])
        for experiment in experiments().values()
        for row in experiment.observations
        if row.id in lines
    ]


def arm_of(experiment: Experiment, name: str | None) -> Any:
    """Arm of an experiment by its name."""
    return next(arm for arm in experiment.arms if arm.id == name)


def test_every_row_that_was_seen_is_an_observation_or_is_listed() -> None:
    seen = set(load_observations("pk")["id"])
    assert len(seen) > 200
    missing = sorted(seen - observed() - set(listed()))
    assert not missing, f"neither an observation of a work nor in not_expressible_pk.csv: {missing}"


def test_what_is_listed_is_a_row_with_a_reason_and_no_observation() -> None:
    rows = set(load_observations("pk")["id"]) | set(load_readings()["row"])
    for name, reason in listed().items():
        assert name in rows
        assert len(reason) > 10
        assert name not in observed(), f"{name} is an observation: take it out of not_expressible_pk.csv"


def test_every_reading_with_a_regimen_is_an_observation_or_is_listed() -> None:
    tied = set(load_readings(use=("fit", "check"))["row"])
    assert not sorted(tied - observed() - set(listed()))


def test_values_spreads_and_numbers_are_those_of_the_readings() -> None:
    rows = readings()
    assert len(rows) > 250
    for experiment, row, line in rows:
        where = f"{experiment.id}, {row.id}"
        # The files hold seven digits.
        assert row.value == pytest.approx(line["value"], rel=1e-6), where
        assert row.measure == MEASURES[line["statistic"]], where
        assert row.statistic in (("ratio",) if line["statistic"] in RATIOS else ("mean", "median")), where
        assert row.quantity == f"{line['quantity']}_{line['site']}", where
        assert row.source_kind == ("model_output" if line["kind"] == "model_output" else "measured"), where
        assert row.citation == line["citation"] == experiment.citation, where
        if line["spread_kind"] in ("sd", "se", "ci95", "range", "iqr"):
            assert row.spread_kind == line["spread_kind"], where
            assert row.spread_low == pytest.approx(line["spread_low"], rel=1e-6), where
        if line["n"] > 0:
            assert row.n == line["n"], where


def test_doses_people_and_times_are_those_of_the_readings() -> None:
    for experiment, row, line in readings():
        where = f"{experiment.id}, {row.id}"
        arm = arm_of(experiment, row.arm)
        assert parse_regimen(arm.regimen) == parse_regimen(line["regimen"]), where
        assert experiment.subjects.weight is not None, where
        if line["statistic"] not in ("clearance", "bioavailability"):
            assert experiment.subjects.weight.mean == line["weight_kg"], where
        assert experiment.subjects.age is not None, where
        assert experiment.subjects.age.mean == line["age_y"], where
        assert (experiment.subjects.ancestry or "none") == line["ancestry"], where
        if line["statistic"] in ("value_at", "half_life"):
            assert study_time(row.time, "time") == pytest.approx(line["time_h"], abs=5e-4), where
        if line["statistic"].startswith("auc_0_"):
            assert study_time(row.time, "time") == float(line["statistic"][6:-1]), where


def test_a_ratio_has_the_same_dose_on_both_sides_and_one_difference() -> None:
    ratios = [(e, row) for e in experiments().values() for row in e.observations if row.statistic == "ratio"]
    assert len(ratios) > 10
    for experiment, row in ratios:
        one, other = arm_of(experiment, row.arm), arm_of(experiment, row.comparator)
        doses = [parse_regimen(arm.regimen) for arm in (one, other)]
        assert doses[0].mass_mg(70.0) == pytest.approx(doses[1].mass_mg(70.0), rel=1e-9), row.id
        assert {dose.drug for dose in doses[0].doses} == {dose.drug for dose in doses[1].doses}, row.id
        same = [doses[0] == doses[1], one.inputs == other.inputs, one.set == other.set]
        assert same.count(False) == 1, f"{row.id}: the arms differ in more than one thing, or in none"


def test_no_row_is_called_fitted_by_its_author() -> None:
    for experiment in experiments().values():
        assert experiment.domain == "pk"
        assert experiment.species == "human"
        assert {row.use for row in experiment.observations} <= {"check", "calibration", "heldout"}
