"""Persons as arrays: the same people, the same results, whatever they are cut into."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.api import simulate_population
from ketasim.dosing import parse_regimen
from ketasim.errors import KetasimError, ModelError, StudyError
from ketasim.model import Simulator, build_chain
from ketasim.model.cohort import Cohort, prepare_cohort
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.population import (
    People,
    PopulationSpec,
    Variability,
    draw_people,
    load_people,
    parameter_columns,
    table_names,
)

INFUSIONS = "0.5 mg/kg ketamine iv over 40 min, on days 1, 4"
DAYS = 5


@cache
def simulator() -> Simulator:
    return Simulator(build_chain(), 1e-6)


#: Severity between the ends at which a person may have no rest.
SPEC = PopulationSpec(33.0, 5.0, entry_lower=20.0, entry_upper=50.0)


def people_of(first: int, count: int, parameters: ParameterSet, seed: int = 3, days: int = DAYS) -> People:
    zeros = np.zeros(count, dtype=int)
    return draw_people(
        SPEC,
        Variability.of(parameters),
        seed=seed,
        study="population",
        replicates=zeros,
        subjects=np.arange(first + 1, first + count + 1),
        parents=[SPEC.parent()],
        which=zeros,
        days=days,
        stress_tau_h=parameters["life_stress_time"].value,
        stress_sd_points=parameters["life_stress_points"].value,
        error_sd=2.5,
    )


def drawn(
    first: int, count: int, seed: int = 3, parameters: ParameterSet | None = None, days: int = DAYS
) -> Cohort:
    own = load_parameters() if parameters is None else parameters
    people = people_of(first, count, own, seed, days)
    return Cohort(own, parameter_columns(people, own), people.severity_baseline, people.stress)


def test_a_person_does_not_depend_on_the_others_drawn() -> None:
    many, few = drawn(0, 40), drawn(17, 5)
    assert np.array_equal(many.severity[17:22], few.severity)
    assert np.array_equal(many.stress[17:22], few.stress)
    for name, values in few.varied.items():
        assert np.array_equal(many.varied[name][17:22], values), name
    assert not np.array_equal(drawn(17, 5, seed=4).severity, few.severity)


def test_a_longer_run_or_another_parameter_leaves_a_person_as_he_was() -> None:
    table = load_parameters()
    wider = ParameterSet({**table, "clearance": replace(table["clearance"], iiv=0.2)}, table.correlations)
    more, few = drawn(5, 9, parameters=wider, days=2 * DAYS), drawn(5, 9)
    assert set(more.varied) - set(few.varied) == {"clearance"}
    assert all(np.array_equal(more.varied[name], values) for name, values in few.varied.items())
    assert np.array_equal(more.stress[:, :DAYS], few.stress)
    assert np.array_equal(more.severity, few.severity)


def test_covariates_that_the_tables_do_not_know_are_left_out() -> None:
    table = {name: item for name, item in load_parameters().items() if name not in ("age", "female")}
    cohort = drawn(0, 2, parameters=ParameterSet(table))
    assert "weight" in cohort.varied
    assert not {"age", "female"} & set(cohort.varied)


def test_parameters_of_people_vary_and_go_together_as_the_tables_say() -> None:
    cohort = drawn(0, 20_000)
    own = load_parameters()["mood_time"]
    spread = np.log(cohort.varied["mood_time"] / own.value)
    assert spread.std() == pytest.approx(own.iiv, rel=0.03)
    pairs = load_parameters().correlations
    assert pairs
    for pair in pairs:
        first, second = (np.log(cohort.varied[name]) for name in (pair.first, pair.second))
        # Four standard errors at 20,000 people.
        assert np.corrcoef(first, second)[0, 1] == pytest.approx(pair.correlation, abs=0.03)


@pytest.mark.parametrize(
    "regimen",
    [
        INFUSIONS,
        "40 mg ketamine iv over 40 min",
        "0.2 mg/kg ketamine iv bolus",
        "56 mg esketamine intranasal",
    ],
)
def test_arrays_and_objects_give_the_same_course(regimen: str) -> None:
    cohort, dose = drawn(0, 12), parse_regimen(regimen)
    times = np.array([0.0, 0.5, 2.0, 24.0, 24.0 * DAYS])
    prepared = prepare_cohort(simulator(), cohort, dose, times)
    wanted = ("severity", "ketamine_arterial", "cadss")
    defaults = simulator().chain.input_defaults()
    found = simulator().engine().solve(prepared.batch, defaults, 1e-6, wanted)
    assert not found.failures
    for row, i in enumerate(prepared.places.tolist()):
        (patient,) = simulator().depressed_many([cohort.wanted(i)])
        assert not isinstance(patient, KetasimError)
        run = simulator().run(patient, dose, times, cohort.stress_path(i))
        for column, name in enumerate(wanted):
            values = found.values[row][:, column] / simulator().shown_factor(name)
            expected = run.quantities[name]
            # The arrays hold the same numbers to rounding, which moves a step within the tolerance.
            assert np.max(np.abs(values - expected)) <= 1e-5 * max(1.0, float(np.max(np.abs(expected)))), name


def test_parameters_that_others_follow_are_followed() -> None:
    cohort = drawn(0, 3)
    moved = Cohort(
        cohort.parameters,
        {**cohort.varied, "clearance": np.array([60.0, 70.0, 80.0])},
        cohort.severity,
        cohort.stress,
    )
    dose, times = parse_regimen(INFUSIONS), np.array([0.0, 1.0])
    prepared = prepare_cohort(simulator(), moved, dose, times)
    names = simulator().engine().program.parameters
    for row, i in enumerate(prepared.places.tolist()):
        values = simulator().chain.parameter_values(moved.wanted(i).parameters)
        for column, name in enumerate(names):
            if name != "illness_load":
                assert prepared.batch.parameters[row, column] == pytest.approx(values[name], rel=1e-14), name


def test_who_cannot_be_set_up_is_named() -> None:
    cohort = drawn(0, 4)
    severity = cohort.severity.copy()
    severity[2] = 80.0
    prepared = prepare_cohort(
        simulator(),
        Cohort(cohort.parameters, cohort.varied, severity, cohort.stress),
        parse_regimen(INFUSIONS),
        np.array([0.0, 1.0]),
    )
    assert prepared.places.tolist() == [0, 1, 3]
    assert "80 points cannot be a resting severity" in prepared.refused[2]
    with pytest.raises(ModelError, match="begin at 12 h"):
        prepare_cohort(simulator(), cohort, parse_regimen("none"), np.array([12.0, 48.0]))
    with pytest.raises(ModelError, match="nearest valid name is 'weight'"):
        Cohort(cohort.parameters, {"wieght": severity}, severity, cohort.stress)


def test_a_population_is_written_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"quantities": ("severity", "cadss"), "at": ("40min", "24h"), "days": "2d", "seed": 5}
    whole = simulate_population(INFUSIONS, 70, tmp_path / "whole", **options)  # type: ignore[arg-type]
    monkeypatch.setattr("ketasim.api.population._PART", 16)
    simulate_population(INFUSIONS, 70, tmp_path / "cut", workers=2, **options)  # type: ignore[arg-type]
    (only,) = whole.folder.glob("part-*.parquet")
    one = pd.read_parquet(only)
    parts = sorted((tmp_path / "cut").glob("part-*.parquet"))
    many = pd.concat([pd.read_parquet(part) for part in parts], ignore_index=True)
    assert len(parts) == 5
    pd.testing.assert_frame_equal(one, many, check_exact=True)
    assert list(one.columns) == ["subject", "weight", "entry_severity"] + [
        f"{name}@{time}" for name in ("severity", "cadss") for time in ("40min", "24h")
    ]
    assert len(one) == 70 - whole.failed
    assert (one["cadss@40min"] > 1.0).mean() > 0.9
    manifest = json.loads((tmp_path / "cut" / "manifest.json").read_text())
    assert (manifest["status"], manifest["done"], manifest["units"]["severity"]) == ("finished", 70, "points")


def test_a_population_that_is_stopped_keeps_its_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ketasim.api.population._PART", 16)

    def stop(_: str, done: int, _total: int) -> None:
        if done >= 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_population(INFUSIONS, 160, tmp_path, days="2d", at=("24h",), progress=stop)
    assert json.loads((tmp_path / "manifest.json").read_text())["status"] == "interrupted"
    assert len(list(tmp_path.glob("part-*.parquet"))) == 2
    assert not list(tmp_path.glob("*.writing"))


def test_bad_populations_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="patients: 0 is not a number of patients"):
        simulate_population(INFUSIONS, 0, tmp_path / "a")
    with pytest.raises(ModelError, match="nearest valid name is 'severity'"):
        simulate_population(INFUSIONS, 1, tmp_path / "a", quantities=("severty",))
    with pytest.raises(StudyError, match="at: '40d' is outside the 28 d"):
        simulate_population(INFUSIONS, 1, tmp_path / "a", at=("40d",))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    with pytest.raises(StudyError, match="not empty"):
        simulate_population(INFUSIONS, 1, tmp_path / "full")
    with pytest.raises(
        StudyError, match="unknown baseline table 'clinics'; the nearest valid name is 'clinic'"
    ):
        simulate_population(INFUSIONS, 1, tmp_path / "a", spec="clinics")
    assert "clinic" in table_names()


def test_a_population_is_drawn_from_the_table_that_is_named_and_can_be_kept(tmp_path: Path) -> None:
    old = simulate_population(
        "none", 40, tmp_path / "old", days="1d", at=("24h",), spec="elderly", keep_people=True, workers=1
    )
    people = load_people(old.folder / "people-00000.parquet")
    assert len(people) == 40
    assert people.covariates["age"].min() >= 65.0
    rows = pd.read_parquet(old.folder / "part-00000.parquet")
    places = rows["subject"].to_numpy() - 1
    assert np.array_equal(rows["weight"], people.covariates["weight"][places])
    assert np.array_equal(rows["entry_severity"], np.minimum(people.severity_baseline, 58.0)[places])
    manifest = json.loads((old.folder / "manifest.json").read_text())
    assert (manifest["spec"]["table"], manifest["covariate_units"]["height"]) == ("elderly", "cm")
    # Who enters is the same person whatever is kept of him.
    again = simulate_population(
        "none", 40, tmp_path / "plain", days="1d", at=("24h",), spec="elderly", workers=1
    )
    assert not list(again.folder.glob("people-*"))
    pd.testing.assert_frame_equal(
        pd.read_parquet(again.folder / "part-00000.parquet"), rows, check_exact=True
    )
