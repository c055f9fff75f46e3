"""The run folder: what it refuses, what it keeps, and that tables come back as they went."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from ketasim.errors import StudyError
from ketasim.model.parameters import load_parameters
from ketasim.trials import Study
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.runs.columns import EVENTS, OUTCOMES
from ketasim.trials.runs.folder import KINDS, Format, RunFolder, fingerprint, parse_format, versions

MANIFEST = {"study": "small", "study_hash": "a", "parameter_hash": "b", "status": "running"}
FORMATS: tuple[Format, ...] = ("parquet", "csv")


def outcomes(arm: str, first: int) -> pd.DataFrame:
    """Four persons at one visit; numbers that a careless writer would round."""
    values = [1.0 / 3.0, 0.1 + 0.2, math.pi * 1e-9, math.nan]
    frame = pd.DataFrame({"subject": range(first, first + 4), "value": values})
    frame = frame.assign(study="7", replicate=0, arm=arm, treatment=arm, quantity="madrs", statistic="score")
    frame = frame.assign(time_h=24.0, unit="points", reason=["", "", "", 'withdrawn: "moved", far'])
    return frame[list(OUTCOMES)]


def patients(arm: str, first: int) -> pd.DataFrame:
    frame = pd.DataFrame({"subject": range(first, first + 4), "left_h": [math.nan, 24.0, 0.1, math.nan]})
    frame = frame.assign(study="7", replicate=0, arm=arm, stratum="", screened=1, baseline=1.0 / 7.0)
    return frame.assign(status="completed", guess="active", age=40.25, **{"screen_failures: age <= 64": 2})


def events(arm: str, first: int) -> pd.DataFrame:
    frame = pd.DataFrame({"subject": [first], "time_h": [1.0 / 3.0]})
    return frame.assign(
        study="7", replicate=0, arm=arm, kind="missed_dose", detail="dose 2", treatment=arm
    ).loc[:, list(EVENTS)]


def tables(arm: str, first: int) -> Tables:
    frames = (outcomes(arm, first), patients(arm, first), events(arm, first))
    return Tables(*(pa.Table.from_pandas(frame, preserve_index=False) for frame in frames))


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
    old.write_part(3, tables("a", 1))
    old.write_table("endpoints", outcomes("a", 1))
    new = RunFolder.create(tmp_path / "run", force=True)
    assert {path.name for path in new.path.iterdir()} == set(KINDS)
    assert all(new.parts(kind) == [] for kind in KINDS)


def test_force_may_fill_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    assert (RunFolder.create(tmp_path / "run", force=True).path / "outcomes").is_dir()


def test_force_replaces_what_a_link_points_to_and_keeps_the_link(tmp_path: Path) -> None:
    run_folder(tmp_path / "far").write_part(0, tables("a", 1))
    try:
        (tmp_path / "run").symlink_to(tmp_path / "far", target_is_directory=True)
    except OSError:
        pytest.skip("this system does not let everybody make links")
    RunFolder.create(tmp_path / "run", force=True)
    assert (tmp_path / "run").is_symlink()
    assert list((tmp_path / "far" / "outcomes").iterdir()) == []


def test_a_run_is_one_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed while its folder is made, or while that of an old run is emptied, it can be begun again."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "run"
    monkeypatch.setattr(RunFolder, "write_manifest", killed)
    with pytest.raises(KeyboardInterrupt):
        RunFolder.create(path, about=MANIFEST)
    monkeypatch.undo()
    # A draft of the manifest is not the work of somebody else.
    (path / "manifest.json.part").write_text("{", encoding="utf-8")
    RunFolder.create(path, force=True, about=MANIFEST).write_part(0, tables("a", 1))
    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        RunFolder.create(path, force=True, about=MANIFEST)
    monkeypatch.undo()
    assert RunFolder.create(path, force=True, about=MANIFEST).read_manifest() == MANIFEST


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


@pytest.mark.parametrize("table_format", FORMATS)
def test_tables_come_back_bit_for_bit_in_the_order_of_their_parts(
    tmp_path: Path, table_format: Format
) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format=table_format)
    # Names that a table reader takes for missing values or numbers.
    for number, (arm, first) in {1: ("12", 5), 0: ("none", 1)}.items():
        folder.write_part(number, tables(arm, first))
    for kind, make in (("outcomes", outcomes), ("patients", patients), ("events", events)):
        expected = pd.concat([make("none", 1), make("12", 5)], ignore_index=True)
        found = folder.outcomes().frame() if kind == "outcomes" else folder.table(kind)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_parts_are_in_the_order_of_their_numbers_however_many(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    for number in (100_000, 99_999, 7):
        folder.write_part(number, tables("a", 1))
    assert [int(path.stem[5:]) for path in folder.parts("events")] == [7, 99_999, 100_000]


@pytest.mark.parametrize("table_format", FORMATS)
def test_a_part_without_events_changes_nothing(tmp_path: Path, table_format: Format) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format=table_format)
    none = tables("b", 5)
    folder.write_part(0, Tables(none.outcomes, none.patients, none.events.slice(0, 0)))
    folder.write_part(1, tables("a", 1))
    assert folder.finished([4, 4]) == {0, 1}
    pd.testing.assert_frame_equal(folder.table("events"), events("a", 1), check_exact=True)


@pytest.mark.parametrize("table_format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_part_counts_as_finished_when_all_its_tables_are_whole(
    tmp_path: Path, table_format: Format, kind: str
) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format=table_format)
    for number in range(4):
        folder.write_part(number, tables("a", 1))
    assert folder.finished([4] * 4) == {0, 1, 2, 3}
    # A part that is not of this run, and one with other patients.
    assert folder.finished([4, 4, 4]) == {0, 1, 2}
    assert folder.finished([4, 5, 4, 4]) == {0, 2, 3}
    content = folder.part(kind, 1).read_bytes()
    folder.part(kind, 1).write_bytes(content[: len(content) - 9])
    folder.part(kind, 2).write_bytes(b"")
    folder.part(kind, 3).unlink()
    assert folder.finished([4] * 4) == {0}


@pytest.mark.parametrize("table_format", FORMATS)
def test_a_part_that_fails_half_way_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table_format: Format
) -> None:
    folder = RunFolder.create(tmp_path / "run", table_format=table_format)
    folder.write_part(0, tables("a", 1))
    before = {path: path.read_bytes() for path in folder.path.glob("*/*")}

    def half(_: pa.Table, path: Path, **__: object) -> None:
        path.write_bytes(b"study,repl")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", half)
    monkeypatch.setattr("pyarrow.csv.write_csv", half)
    for number in (0, 1):
        with pytest.raises(StudyError, match=r"the disk is full.*finished are kept.*--resume"):
            folder.write_part(number, tables("b", 5))
    assert {path: path.read_bytes() for path in folder.path.glob("*/*")} == before


def test_a_manifest_is_replaced_whole(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run")
    folder.write_manifest({**MANIFEST, "status": "finished"})
    assert folder.read_manifest()["status"] == "finished"
    with pytest.raises(TypeError):
        folder.write_manifest({"status": object()})
    assert folder.read_manifest()["status"] == "finished"


def test_a_run_is_reopened_only_as_what_it_was(tmp_path: Path) -> None:
    run_folder(tmp_path / "run")
    content = {**MANIFEST, "format": "csv", "versions": {"a": "1", "b": "2"}}
    (tmp_path / "run" / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    assert RunFolder.reopen(tmp_path / "run", {"study": "small"}).table_format == "csv"
    with pytest.raises(StudyError, match="begun with study 'small', and now it is 'large'"):
        RunFolder.reopen(tmp_path / "run", {"study": "large"})
    with pytest.raises(StudyError, match="begun with versions: b '2', and now it is '3'"):
        RunFolder.reopen(tmp_path / "run", {"versions": {"a": "1", "b": "3"}})
    with pytest.raises(StudyError, match="begun with colour None, and now it is 'red'"):
        RunFolder.reopen(tmp_path / "run", {"colour": "red"})


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(StudyError, match=r"--format: unknown format 'parket'; the nearest .* 'parquet'"):
        parse_format("parket")


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
    assert {"python", "ketasim", "numpy", "scipy", "sympy", "llvmlite", "numba"} <= versions().keys()
