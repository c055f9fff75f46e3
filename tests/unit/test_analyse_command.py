"""The command that analyses a run again, on a small real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from ketasim.api import simulate_study
from ketasim.api.studies import TrialResult
from ketasim.cli.application import app
from ketasim.report.analyses_section import analyses_section
from ketasim.trials import Study
from ketasim.trials.planned.again import reanalyse
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.columns import ANALYSES, ENDPOINTS

PLAN = """
analyses:
  - {id: primary, method: ancova, quantity: madrs, time: 24 h, arm: ketamine, comparator: midazolam,
     family: both}
  - {id: responders, method: responder, quantity: madrs, time: 24 h, arm: ketamine, comparator: midazolam,
     estimand: composite, family: both}
multiplicity: [{family: both, method: holm}]
"""


@pytest.fixture(scope="module")
def small() -> Study:
    """The shipped study; runs of it are cut at one day, so that they are quick."""
    return Study.load("murrough2013")


@pytest.fixture(scope="module")
def result(small: Study) -> TrialResult:
    return simulate_study(small, subjects=8, workers=1, days=1.0)


@pytest.fixture
def folder(result: TrialResult, small: Study, tmp_path: Path) -> Path:
    """What a run of the study leaves on disk, as far as an analysis reads it."""
    from ketasim.trials.runs.folder import RunFolder

    made = RunFolder.create(tmp_path / "run")
    for kind, table in (
        ("outcomes", result.recorded.parts[0]),
        ("patients", result.patients),
        ("events", result.events),
    ):
        path = made.part(kind, 0)
        if isinstance(table, pd.DataFrame):
            table.to_parquet(path, index=False)
        else:
            import pyarrow.parquet as pq

            pq.write_table(table, path)
    made.write_study(small)
    made.write_manifest(
        {
            "study": small.id,
            "study_hash": "a",
            "parameter_hash": "b",
            "seed": 1,
            "format": "parquet",
            "parts": 1,
            "status": "finished",
        }
    )
    return made.path


def call(*arguments: object) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, ["analyse", *map(str, arguments)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.exit_code, found.stdout, found.stderr


def refused(*arguments: object) -> str:
    code, _, error = call(*arguments)
    assert code == 2
    return " ".join(error.split())


def other_plan(study: Study, text: str = PLAN, **changes: object) -> str:
    """The study's file with another plan."""
    import yaml

    data: dict[str, Any] = yaml.safe_load(study.dump())
    for name in ("analyses", "multiplicity", "monitoring"):
        data.pop(name, None)
    return yaml.safe_dump({**data, **yaml.safe_load(text), **changes}, sort_keys=False)


def test_the_runs_own_plan_again_is_that_of_the_run(folder: Path, result: TrialResult, small: Study) -> None:
    code, out, _ = call(folder)
    assert code == 0
    want = analyse(result.recorded, result.patients, result.events, small)
    got = pd.read_csv(folder / "analyses.csv", keep_default_na=False, na_values=[""])
    assert tuple(got.columns) == ANALYSES
    assert got["analysis"].tolist() == want["analysis"].tolist()
    # The file has ten digits.
    assert got["p"].tolist() == pytest.approx(want["p"].tolist(), rel=1e-9)
    endpoints = pd.read_csv(folder / "endpoints.csv")
    assert tuple(endpoints.columns) == ENDPOINTS
    assert len(endpoints) == len(result.endpoints)
    for name in want["analysis"]:
        assert name in out
    assert "adjusted p" in out


def test_another_plan_gives_what_a_new_run_with_it_gives(folder: Path, small: Study, tmp_path: Path) -> None:
    file = tmp_path / "changed.yaml"
    file.write_text(other_plan(small), encoding="utf-8")
    code, out, _ = call(folder, "--study", file, "--json")
    assert code == 0
    found = json.loads(out, parse_constant=pytest.fail)
    plan = Study.parse(file.read_text(encoding="utf-8"))
    fresh = simulate_study(plan, subjects=8, workers=1, days=1.0)
    want = analyse(fresh.recorded, fresh.patients, fresh.events, plan)
    assert [row["analysis"] for row in found["analyses"]] == ["primary", "responders"]
    for name in ("estimate", "p", "p_adjusted", "low", "high"):
        got = [row[name] for row in found["analyses"]]
        assert got == pytest.approx(want[name].tolist(), rel=1e-12)
    assert found["analyses"][0]["rejected"] in (True, False)
    assert found["parts"] == found["parts_planned"] == 1
    # The design of the run stays; the plan that was used is kept beside it.
    assert Study.load(folder / "study.yaml") == small
    assert Study.load(folder / "study_analysed.yaml") == plan


def test_another_design_is_refused_with_what_differs(folder: Path, small: Study, tmp_path: Path) -> None:
    file = tmp_path / "changed.yaml"
    text = other_plan(small).replace("midazolam iv over 40 min", "midazolam iv over 50 min")
    assert text != other_plan(small)
    file.write_text(text, encoding="utf-8")
    message = refused(folder, "--study", file)
    assert "arms differ from those of the run" in message
    assert "Only endpoints, analyses, multiplicity and monitoring may change" in message
    bare = other_plan(small, endpoints=[], observations=[], assumed=[])
    renamed = bare.replace("id: midazolam", "id: control").replace(
        "comparator: midazolam", "comparator: control"
    )
    file.write_text(renamed, encoding="utf-8")
    message = refused(folder, "--study", file)
    assert "The run has the arms ketamine, midazolam, and the file ketamine, control" in message


def test_what_was_not_recorded_is_named(folder: Path, small: Study, tmp_path: Path) -> None:
    file = tmp_path / "changed.yaml"
    file.write_text(other_plan(small, PLAN.replace("quantity: madrs", "quantity: hamd17")), encoding="utf-8")
    message = refused(folder, "--study", file)
    assert "hamd17" in message
    assert "not recorded" in message


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, folder: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "nowhere")
    assert "manifest.json" in refused(tmp_path)
    (folder / "outcomes" / "part-00000.parquet").unlink()
    message = refused(folder)
    assert "no part of this run is finished" in message
    assert "--resume" in message


def test_an_unfinished_run_is_analysed_as_far_as_it_goes(folder: Path, result: TrialResult) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest |= {"parts": 3, "status": "interrupted"}
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    # Patients are written before the outcomes: those of an unfinished part have none yet.
    others = result.patients.assign(subject=result.patients["subject"] + 1000)
    others.to_parquet(folder / "patients" / "part-00001.parquet", index=False)
    code, out, _ = call(folder)
    assert code == 0
    assert "1 of 3 parts" in " ".join(out.split())
    found = reanalyse(folder)
    assert found.analyses["n"].max() <= 8


def test_a_damaged_part_is_a_clear_error(folder: Path) -> None:
    (folder / "outcomes" / "part-00000.parquet").write_bytes(b"PAR1 cut short")
    assert "cannot be read" in refused(folder)


def test_many_replicates_are_shown_as_means(folder: Path, result: TrialResult) -> None:
    import pyarrow.parquet as pq

    path = folder / "outcomes" / "part-00000.parquet"
    outcomes = pq.read_table(path).to_pandas()
    for kind, table in (("outcomes", outcomes), ("patients", result.patients), ("events", result.events)):
        table.assign(replicate=1).to_parquet(folder / kind / "part-00001.parquet", index=False)
    code, out, _ = call(folder)
    assert code == 0
    assert "Analyses of all replicates" in out
    assert "rejected" in out


def test_a_study_without_a_plan_says_how_to_get_one(folder: Path, small: Study) -> None:
    bare = small.model_copy(update={"analyses": (), "multiplicity": (), "monitoring": ()})
    (folder / "study.yaml").write_text(bare.dump(), encoding="utf-8")
    code, out, _ = call(folder)
    assert code == 0
    assert "plans no analyses" in out
    assert (folder / "analyses.csv").read_text(encoding="utf-8").startswith("study,replicate,analysis")


def test_the_report_says_it_in_words(result: TrialResult, small: Study) -> None:
    plan = Study.parse(other_plan(small))
    found = analyse(result.recorded, result.patients, result.events, plan)
    html = analyses_section(plan, found)
    assert html.count("<table>") == 1
    assert "ketamine against midazolam, MADRS at 24 h" in html
    assert "Holm&#x27;s procedure" in html
    assert "Estimand (composite): end of treatment, rescue treatment or withdrawal counts as failure" in html
    assert "Estimand (treatment policy)" in html
    bare = analyses_section(plan, found[:0])
    assert "plans no analyses" in bare
