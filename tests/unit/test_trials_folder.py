"""The run folder: what it refuses, what it keeps, and that tables come back as they went."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from ketasim.errors import StudyError
from ketasim.model.parameters import load_parameters
from ketasim.trials import Study
from ketasim.trials.columns import OUTCOMES
from ketasim.trials.folder import RunFolder, fingerprint, versions

MANIFEST = {"study": "small", "study_hash": "a", "parameter_hash": "b", "status": "running"}


def outcomes(arm: str, first: int) -> pd.DataFrame:
    values = [1.0 / 3.0, 0.1 + 0.2, math.pi * 1e-9, math.nan]
    frame = pd.DataFrame({"subject": range(first, first + 4), "value": values})
    frame = frame.assign(study="7", replicate=0, arm=arm, quantity="madrs", statistic="score", time_h=24.0)
    frame = frame.assign(unit="points", reason=["", "", "", "left the trial"])
    return frame[list(OUTCOMES)]


def run_folder(path: Path) -> RunFolder:
    folder = RunFolder.create(path)
    folder.write_manifest(MANIFEST)
    return folder


def test_an_existing_folder_is_refused(tmp_path: Path) -> None:
    run_folder(tmp_path / "run")
    with pytest.raises(StudyError, match="add --force"):
        RunFolder.create(tmp_path / "run")


def test_force_replaces_a_run_whole(tmp_path: Path) -> None:
    old = run_folder(tmp_path / "run")
    old.write_part(3, outcomes("a", 1))
    new = RunFolder.create(tmp_path / "run", force=True)
    assert [path.name for path in new.path.iterdir()] == ["outcomes"]
    assert new.read_outcomes().empty


def test_force_may_fill_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert (RunFolder.create(tmp_path / "run", force=True).path / "outcomes").is_dir()


@pytest.mark.parametrize("name", ["thesis.txt", "manifest.json"])
def test_a_foreign_folder_is_refused_even_with_force(tmp_path: Path, name: str) -> None:
    kept = tmp_path / "mine" / name
    kept.parent.mkdir()
    kept.write_text('{"name": "a web page"}', encoding="utf-8")
    with pytest.raises(StudyError, match="not a run folder"):
        RunFolder.create(kept.parent, force=True)
    assert kept.read_text(encoding="utf-8") == '{"name": "a web page"}'


def test_a_file_is_refused_even_with_force(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StudyError, match="a file and not a folder"):
        RunFolder.create(tmp_path / "file", force=True)


@pytest.mark.parametrize("name", ["file/run", "x" * 300])
def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(StudyError, match="cannot be written"):
        RunFolder.create(tmp_path / name)


@pytest.mark.parametrize("table_format", ["parquet", "csv"])
def test_outcomes_come_back_bit_for_bit_in_the_order_of_their_parts(
    tmp_path: Path, table_format: str
) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format=table_format)  # type: ignore[arg-type]
    # Names that a table reader takes for missing values or numbers.
    parts = [outcomes("none", 1), outcomes("12", 5)]
    for number in (1, 0):
        folder.write_part(number, parts[number])
    pd.testing.assert_frame_equal(
        folder.read_outcomes(), pd.concat(parts, ignore_index=True), check_exact=True
    )


@pytest.mark.parametrize("table_format", ["parquet", "csv"])
def test_a_part_without_persons_changes_nothing(tmp_path: Path, table_format: str) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format=table_format)  # type: ignore[arg-type]
    folder.write_part(0, outcomes("a", 1).iloc[:0])
    folder.write_part(1, outcomes("a", 1))
    pd.testing.assert_frame_equal(folder.read_outcomes(), outcomes("a", 1), check_exact=True)


def test_a_part_that_fails_half_way_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format="csv")
    folder.write_part(0, outcomes("a", 1))

    def half(_: pd.DataFrame, path: Path, *, index: bool) -> None:
        assert not index
        path.write_text("study,repl", encoding="utf-8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", half)
    for number in (0, 1):
        with pytest.raises(OSError, match="No space left"):
            folder.write_part(number, outcomes("b", 5))
    monkeypatch.undo()
    pd.testing.assert_frame_equal(folder.read_outcomes(), outcomes("a", 1), check_exact=True)


def test_a_manifest_is_replaced_whole(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    folder.write_manifest({**MANIFEST, "status": "finished"})
    assert folder.read_manifest()["status"] == "finished"
    with pytest.raises(TypeError):
        folder.write_manifest({"status": object()})
    assert folder.read_manifest()["status"] == "finished"


def test_the_resolved_study_reads_back(tmp_path: Path) -> None:
    study = Study.load("daly2018")
    folder = RunFolder.create(tmp_path / "run")
    folder.write_study(study)
    assert Study.load(folder.path / "study.yaml") == study


def test_a_fingerprint_follows_the_content() -> None:
    parameters = load_parameters()
    changed = parameters.with_values({"weight": 71.5})
    assert fingerprint(parameters) == fingerprint(parameters.with_values({}))
    assert fingerprint(parameters) != fingerprint(changed)
    assert fingerprint(Study.load("daly2018")) != fingerprint(Study.load("lii2023"))


def test_versions_name_what_results_depend_on() -> None:
    assert {"python", "ketasim", "numpy", "scipy", "sympy"} <= versions().keys()
