"""A full disk: told in one paragraph; what is finished stays whole, and the run goes on later."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import xarray as xr
from typer.testing import CliRunner, Result

import ketasim.api.studies
import ketasim.api.trial_result
import ketasim.report
import ketasim.trials.runs.folder
import ketasim.trials.runs.workers
from ketasim.cli.application import app
from ketasim.errors import StudyError
from ketasim.trials.conduct.recording import Tables
from ketasim.trials.runs.folder import KINDS, RunFolder

RUN = ["run", "murrough2013", "--subjects", "8", "--days", "1d", "--workers", "1"]
#: Patients of a part; two arms of 8 make four parts.
PART, PARTS = 4, 4
#: A file that is always full: writing to it is refused by the system itself.
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Small parts; and leave out sensitivities, figures, report and typical patients: they see none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ketasim.trials.runs.workers, "_FEWEST", PART)
        patch.setattr(ketasim.api.trial_result, "influence", lambda *_: pd.DataFrame({"name": ["none"]}))
        patch.setattr(
            ketasim.api.trial_result,
            "typical_trajectories",
            lambda _: xr.Dataset(coords={"time": [0.0, 24.0]}),
        )
        patch.setattr(ketasim.report, "write_figures", lambda _, folder: folder)
        patch.setattr(ketasim.report, "write_report", lambda _, path: path)
        yield


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    assert run(out).exit_code == 0
    return out


def run(out: Path, *more: str) -> Result:
    return CliRunner().invoke(app, [*RUN, "--out", str(out), *more])


def files(out: Path) -> dict[str, bytes]:
    """Every table of a run; Parquet files of the same rows are the same bytes."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for pattern in ("*/part-*", "*.csv")
        for path in sorted(out.glob(pattern))
    }


def require_told(result: Result, out: Path) -> None:
    """One paragraph, exit code 2, and what to do."""
    assert result.exit_code == 2
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert "the disk is full" in errors[0]
    assert "--resume" in errors[0]
    assert str(out) in errors[0]
    assert "Traceback" not in result.stderr


@needs_full
def test_a_disk_that_fills_keeps_finished_parts_and_the_run_goes_on(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, whole = tmp_path / "run", files(unbroken)
    real = RunFolder.write_part
    # One more part is finished each time, and then another table of the next one does not fit.
    for done, kind in enumerate(KINDS, 1):

        def filling(self: RunFolder, number: int, tables: Tables, done: int = done, kind: str = kind) -> None:
            if number == done:
                (out / kind / f".part-{number:05d}.parquet").symlink_to(FULL)
            real(self, number, tables)

        monkeypatch.setattr(RunFolder, "write_part", filling)
        require_told(run(out, *(["--resume"] if done > 1 else [])), out)
        left = files(out)
        for number in range(done):
            for name in KINDS:
                part = f"{name}/part-{number:05d}.parquet"
                assert left[part] == whole[part]
        # The last table of a part is the outcomes: without them it does not count.
        assert len(list((out / "outcomes").glob("*part-*"))) == done
        manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        assert (manifest["status"], manifest["parts_finished"]) == ("interrupted", done)
    monkeypatch.undo()
    again = run(out, "--resume")
    assert again.exit_code == 0, again.stderr
    assert files(out) == whole


@needs_full
def test_a_disk_that_fills_at_the_endpoints_leaves_no_half_of_them(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    real = RunFolder.write_table

    def filling(self: RunFolder, name: str, table: pd.DataFrame) -> None:
        if name == "comparison":
            (out / ".comparison.csv").symlink_to(FULL)
        real(self, name, table)

    monkeypatch.setattr(RunFolder, "write_table", filling)
    require_told(run(out), out)
    monkeypatch.undo()
    assert not (out / "comparison.csv").exists()
    assert run(out, "--resume").exit_code == 0
    assert files(out) == files(unbroken)


def test_a_disk_too_full_for_the_manifest_gives_the_same_message(
    tmp_path: Path, unbroken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    real, written = ketasim.trials.runs.folder.pq.write_table, [0]

    def filling(table: object, path: Path, **options: object) -> None:
        written[0] += 1
        if written[0] <= len(KINDS):
            real(table, path, **options)
            return
        # From here on nothing fits, the manifest neither.
        path.write_bytes(b"PAR1")
        monkeypatch.setattr(Path, "write_text", full)
        full()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ketasim.trials.runs.folder.pq, "write_table", filling)
    require_told(run(out), out)
    monkeypatch.undo()
    assert len(files(out)) == len(KINDS)
    assert not list(out.glob("*/.part-*"))
    # As after a kill.
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["status"] == "running"
    assert run(out, "--resume").exit_code == 0
    assert files(out) == files(unbroken)


def test_a_folder_that_cannot_be_written_any_more_is_told(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run")
    (tmp_path / "run" / "endpoints.csv").mkdir()
    with pytest.raises(StudyError, match=r"--out .*run: a file could not be written \(.*irectory.*--resume"):
        folder.write_table("endpoints", pd.DataFrame({"a": [1]}))
