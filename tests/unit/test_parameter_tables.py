"""The shipped parameter tables: what every row must have, and that something reads it."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib import resources

import numpy as np
import pytest

from ketasim.dosing import DRUGS, ROUTES, Dose, Regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.evidence import load_publications
from ketasim.inference import load_targets
from ketasim.inference.calibration import FREE, SCORING
from ketasim.model import STAGES, ParameterSet, Simulator, build_chain, load_parameters
from ketasim.model.administration import deposits_of
from ketasim.model.parameters import GRADES, OWN_SOURCES
from ketasim.trials import Study, Trial
from ketasim.trials.conduct.enrolment import enrol
from ketasim.trials.scoring import ScoringParameters

DISTRIBUTIONS = {"lognormal", "normal", "logitnormal", "fixed"}
TABLE = load_parameters()
SOURCES = set(load_publications()["key"]) | set(OWN_SOURCES)


class Watched(Mapping[str, float]):
    """Values by name that remember which of them were asked for."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> float:
        self.asked.add(name)
        return TABLE[name].value

    def __iter__(self) -> Iterator[str]:
        return iter(TABLE)

    def __len__(self) -> int:
        return len(TABLE)


class WatchedSet(ParameterSet):
    """Parameters that remember which of them were asked for by name; going through all is no such thing."""

    asked: set[str]

    def __getitem__(self, name: str):
        self.asked.add(name)
        return super().__getitem__(name)

    def items(self):
        return dict(TABLE.items()).items()


@pytest.mark.parametrize("column", ["source", "iiv_source", "iov_source"])
def test_every_source_is_a_publication_or_one_of_our_own(column: str) -> None:
    wrong = {name: getattr(item, column) for name, item in TABLE.items()}
    if column != "source":
        wrong = {name: source for name, source in wrong.items() if source}
    assert {name: source for name, source in wrong.items() if source not in SOURCES} == {}


def test_correlations_have_known_sources() -> None:
    assert TABLE.correlations
    assert {pair.source for pair in TABLE.correlations} - SOURCES == set()


def test_every_source_of_our_own_is_used() -> None:
    used = {item.source for item in TABLE.values()} | {item.iiv_source for item in TABLE.values()}
    assert set(OWN_SOURCES) - used == set()


def test_targets_of_the_calibration_name_known_sources() -> None:
    assert {target.name: target.source for target in load_targets() if target.source not in SOURCES} == {}


def test_free_parameters_of_the_calibrations_exist_and_are_not_fixed() -> None:
    free = list(FREE)
    assert len(free) == len(set(free))
    assert {name for name in free if TABLE[name].distribution == "fixed"} == set()
    assert {TABLE[name].stage for name in SCORING} == {"scoring"}


def test_every_number_has_grade_unit_range_and_distribution() -> None:
    wrong = {
        name: item
        for name, item in TABLE.items()
        if item.grade not in GRADES
        or not item.unit.strip()
        or item.distribution not in DISTRIBUTIONS
        or not item.low <= item.value <= item.high
        or not item.iiv >= 0.0
        or not math.isfinite(item.value)
    }
    assert wrong == {}


def test_what_is_not_fixed_has_a_range_with_width_and_the_rest_has_none() -> None:
    # A number that may be wrong must say by how much; a fixed one (a molar mass) need not.
    wrong = [
        name for name, item in TABLE.items() if (item.distribution == "fixed") != (item.low == item.high)
    ]
    assert wrong == []


def test_ranges_fit_the_distributions() -> None:
    for name, item in TABLE.items():
        if item.distribution == "lognormal":
            assert item.low > 0.0, name
        if item.distribution == "logitnormal":
            assert item.low >= 0.0, name
            assert item.high <= 1.0, name


def test_variability_and_its_source_come_together() -> None:
    wrong = [
        name
        for name, item in TABLE.items()
        if (item.iiv > 0.0) != bool(item.iiv_source) or (item.iov > 0.0) != bool(item.iov_source)
    ]
    assert wrong == []


def test_only_what_acts_when_a_dose_is_given_varies_between_doses() -> None:
    # A rate inside the equations is one number for a whole run.
    varied = {name for name, item in TABLE.items() if item.iov > 0.0}
    acting = read_by_administration() - read_by_equations() - read_by_derived()
    assert varied - acting == set()


def test_nobody_measured_what_is_assumed() -> None:
    wrong = [
        name
        for name, item in TABLE.items()
        if item.source == "assumed" and item.grade in ("measured", "derived")
    ]
    assert wrong == []


def test_tables_belong_to_stages_or_scoring() -> None:
    assert {item.stage for item in TABLE.values()} - {stage.name for stage in STAGES} == {"scoring"}


def test_no_name_stands_twice() -> None:
    folder = resources.files("ketasim.model.parameters") / "human"
    names = [
        row["name"]
        for item in folder.iterdir()
        if item.name.endswith(".csv")
        for row in csv.DictReader(item.read_text(encoding="utf-8").splitlines())
    ]
    assert len(names) == len(set(names)) == len(TABLE)


def read_by_equations() -> set[str]:
    return {symbol.name for symbol in build_chain().system.parameters}


def read_by_derived() -> set[str]:
    watched = Watched()
    for stage in STAGES:
        for derived in stage.derived:
            derived.compute(watched)
    return watched.asked


def read_by_administration() -> set[str]:
    """What is read when each active drug is given by each route; 200 mg take several nasal devices."""
    asked = {"weight", "height"}  # by the table of doses

    def value(name: str, entries: DoseTable) -> np.ndarray:
        asked.add(name)
        return np.full(len(entries), 0.5)

    for drug in DRUGS.values():
        for name in drug.routes if drug.is_active else ():
            route = ROUTES[name]
            uptake = {"bioavailability": 0.8, "absorption_rate": 2.0} if route.needs_absorption else {}
            dose = Dose(drug.name, name, 200.0, "mg", 0.0, 0.5 if route.is_infusion else None, **uptake)
            deposits_of(dose_table(Regimen((dose,)), np.array([70.0])), value)
    return asked


def read_by_people() -> set[str]:
    """What is read when the people of a trial are drawn and set up."""
    watched = WatchedSet(TABLE)
    watched.asked = set()
    study = Study.load("daly2018")
    trial = Trial(study, Simulator(build_chain()), watched, subjects=1)
    enrol(trial, np.zeros(1, dtype=np.int64), np.ones(1, dtype=np.int64))
    # Doses per m2 are worked out before any parameter is looked at.
    return watched.asked | {"weight", "height"}


def test_every_parameter_is_read_by_something() -> None:
    read = read_by_equations() | read_by_derived() | read_by_administration() | read_by_people()
    read |= {field.name for field in fields(ScoringParameters)}
    assert set(TABLE) - read == set()


@pytest.mark.parametrize(
    ("drug", "parameter"), [("ketamine", "molar_mass_ketamine"), ("midazolam", "molar_mass_midazolam")]
)
def test_doses_and_concentrations_use_one_molar_mass(drug: str, parameter: str) -> None:
    # Dosing is below the model and has its own copy; both are rounded to a tenth.
    assert DRUGS[drug].molar_mass_g_mol == pytest.approx(TABLE[parameter].value, abs=0.05)
