"""Published harms as experiment files: whole, and as the evidence has them."""

from __future__ import annotations

import csv
import math
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from ketasim.evidence import load_observations, load_parameters
from ketasim.model import build_chain
from ketasim.trials.experiment import Experiment
from ketasim.trials.works import load_work, shipped_works
from ketasim.units import convert

PACKAGE = Path(str(resources.files("ketasim")))
#: Rows whose value is told in other words than in the evidence, and what the file has.
IN_OTHER_WORDS = {
    # Times and counts that are read as a sign at a time.
    "SAF-O-002": 1.0,
    "SAF-O-013": 0.0,
    "SAF-O-024": 0.0,
    "SAF-O-059": 0.0,
    "SAF-O-071": 0.0,
    "SAF-O-179": 0.0,
    "SAF-O-180": -1.0,
    "SAF-O-182": 0.0,
    "SAF-O-189": 1.0,
    "SAF-O-206": -1.0,
    "SAF-O-208": 0.0,
    # Words without a number.
    "SAF-O-011": 1.0,
    "SAF-O-083": 1.0,
    # Middle of a printed range of shares, and of one minus it.
    "SAF-O-014": 0.725,
    "SAF-O-183": 0.455,
    # A level above which effects were there, and how long they last.
    "SAF-P-005": 1.0,
    "SAF-P-003": 1.0,
    # A level at which an effect is half of its maximum.
    "pk_p259": 50.0,
    "pk_p260": 0.5,
    # A level at which half are awake.
    "pk_o002": 0.5,
    "pk_o006": 0.5,
    "pk_o007": 0.5,
    # Middle of the items of a scale of 100 points, printed as shares of it.
    "SAF-O-028": 63.0,
}


@cache
def experiments() -> dict[str, Experiment]:
    """Load the experiment files about harms."""
    found = {name: load_work(name) for name in shipped_works() if name.startswith("safety_")}
    return {name: work for name, work in found.items() if isinstance(work, Experiment)}


def evidence() -> dict[str, dict[str, Any]]:
    """Rows of the evidence that count, by name."""
    rows = [*load_parameters().to_dict("records"), *load_observations().to_dict("records")]
    return {str(row["id"]): {str(name): value for name, value in row.items()} for row in rows}


@cache
def observed() -> frozenset[str]:
    """Rows of the evidence that some shipped work has as an observation."""
    files = [*(PACKAGE / "experiments").glob("*.yaml"), *(PACKAGE / "studies").glob("*.yaml")]
    names = {name for file in files for name in re.findall(r"\bid: ([\w-]+)", file.read_text("utf-8"))}
    rows = evidence()
    return frozenset(name if name in rows else name.rsplit("-", 1)[0] for name in names)


def listed() -> dict[str, str]:
    """Rows that are no observation of a work, with the reason."""
    text = (PACKAGE / "evidence/data/not_expressible_safety.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert len({row["id"] for row in rows}) == len(rows)
    return {row["id"]: row["reason"] for row in rows}


def test_every_row_that_was_seen_is_an_observation_or_is_listed() -> None:
    seen = set(load_observations("safety")["id"])
    assert len(seen) > 150
    missing = sorted(seen - observed() - set(listed()))
    assert not missing, f"neither an observation of a work nor in not_expressible_safety.csv: {missing}"


def test_what_is_listed_is_a_row_with_a_reason_and_no_observation() -> None:
    rows = set(load_observations("safety")["id"])
    for name, reason in listed().items():
        assert name in rows
        assert len(reason) > 10
        assert name not in observed(), f"{name} is an observation: take it out of not_expressible_safety.csv"


def test_values_are_those_of_the_evidence() -> None:
    rows = evidence()
    compared = 0
    for experiment in experiments().values():
        for row in experiment.observations:
            if row.id not in rows:
                continue
            line = rows[row.id]
            if row.id in IN_OTHER_WORDS:
                assert row.value == IN_OTHER_WORDS[row.id], row.id
                continue
            unit = {"point": "points", "beat/min": "1/min"}.get(line["unit"], line["unit"])
            printed = line["value"] if unit == row.unit else convert(line["value"], unit, row.unit)
            assert row.value == pytest.approx(printed, rel=1e-6), row.id
            printed_n = line.get("n", math.nan)
            if row.n is not None and not math.isnan(printed_n):
                assert row.n == printed_n, row.id
            compared += 1
    assert compared > 20


def test_citations_are_those_of_the_evidence() -> None:
    rows = evidence()
    for experiment in experiments().values():
        for row in experiment.observations:
            name = row.id if row.id in rows else row.id.rsplit("-", 1)[0]
            assert name in rows, f"{experiment.id}: {row.id} is no row of the evidence"
            assert row.citation == rows[name]["citation"] == experiment.citation
            assert rows[name].get("source_kind", "measured") == row.source_kind


def test_quantities_are_of_the_chain_and_of_harms() -> None:
    known = set(build_chain().quantities)
    for experiment in experiments().values():
        assert experiment.domain == "safety"
        assert experiment.observations
        assert {row.quantity for row in experiment.observations} <= known


def test_signs_say_how_many_people_they_rest_on() -> None:
    """A row of 'no detectable change' is judged by the power of its sample; labels print none."""
    without = {
        experiment.id
        for experiment in experiments().values()
        for row in experiment.observations
        if row.statistic == "direction" and experiment.n_of(row) is None
    }
    assert without == {"safety_pi_spravato_2020", "safety_jnj_sedation"}


def test_an_assumed_dose_is_called_assumed() -> None:
    """Doses that were recalled and not read must be named under ``assumed``."""
    rows = evidence()
    for experiment in experiments().values():
        recalled = any(
            "dose" in str(rows[row.id].get("recalled_fields", "")).split(";")
            for row in experiment.observations
            if row.id in rows
        )
        if recalled:
            assert any(item.field.endswith(".regimen") for item in experiment.assumed), experiment.id
