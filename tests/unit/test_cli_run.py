from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import ketasim.api.studies
import ketasim.api.trial_result
import ketasim.report
from ketasim.cli.application import app
from ketasim.model.parameters import ParameterSet

PROGRAM = [sys.executable, "-c", "from ketasim.cli import main; main()"]


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what takes most of a run's time and has tests of its own: sensitivities, figures, report."""
    monkeypatch.setattr(ketasim.api.trial_result, "influence", lambda *_: pd.DataFrame({"name": ["none"]}))
    monkeypatch.setattr(ketasim.report, "write_figures", lambda _, folder: folder)
    monkeypatch.setattr(ketasim.report, "write_report", lambda _, path: path)


@pytest.mark.usefixtures("_quick")
def test_run_writes_a_folder_and_shows_the_comparison(tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = [
        "run",
        "murrough2013",
        "--subjects",
        "2",
        "--workers",
        "1",
        "--format",
        "csv",
        "--out",
        str(out),
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert json.loads((out / "manifest.json").read_text(encoding="utf-8"))["status"] == "finished"
    assert list((out / "outcomes").glob("part-*.csv"))
    for text in ("observed", "predicted", "midazolam", "madrs change", str(out / "report.html")):
        assert text in result.stdout
    assert "simulating patients" in result.stderr
    again = CliRunner().invoke(app, arguments)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert CliRunner().invoke(app, [*arguments, "--force"]).exit_code == 0


@pytest.mark.usefixtures("_quick")
def test_several_trials_are_told_apart(tmp_path: Path) -> None:
    small = ["run", "murrough2013", "--subjects", "2", "--days", "1d", "--workers", "1"]
    one = CliRunner().invoke(app, [*small, "--out", str(tmp_path / "one")])
    two = CliRunner().invoke(app, [*small, "--replicates", "2", "--out", str(tmp_path / "two")])
    assert two.exit_code == 0, two.output
    assert "trial " not in one.stdout
    assert "trial " in two.stdout
    assert two.stdout.count("madrs change") == 2 * one.stdout.count("madrs change")


@pytest.mark.usefixtures("_quick")
def test_a_full_disk_is_told_with_what_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ketasim.report, "write_figures", full)
    monkeypatch.setattr(ketasim.api.studies, "chunk_size", lambda *_: 1)
    out = tmp_path / "run"
    arguments = ["run", "murrough2013", "--subjects", "1", "--workers", "1", "--out", str(out)]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    assert "2 finished parts of 2 kept" in result.stderr
    assert len(list((out / "outcomes").glob("part-*"))) == 2


def test_a_large_run_says_its_size_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ketasim.api, "simulate_study", stopped)
    result = CliRunner().invoke(app, ["run", "murrough2013", "--subjects", "1e6"])
    assert "2,000,000 patients" in result.stderr
    # All is written in parts as it goes: a size is told, and is no danger to the memory.
    assert re.search(r"very roughly [\d.]+ min of one process's work and [\d.]+ GB on disk", result.stderr)
    assert "--resume goes on with it" in result.stderr
    # Nothing ran, so the signal finds nothing to keep.
    assert result.exit_code == 130
    assert "Nothing was written" in result.stderr


def test_faults_of_the_program_keep_their_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> ParameterSet:
        raise RuntimeError("a fault")

    monkeypatch.setattr(ketasim.api, "simulate_study", broken)
    result = CliRunner().invoke(app, ["run", "murrough2013"])
    assert isinstance(result.exception, RuntimeError)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signal to a group of processes")
def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = [*PROGRAM, "run", "murrough2013", "--subjects", "400", "--workers", "2", "--out", str(out)]
    run = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 180.0
        while not list((out / "outcomes").glob("part-*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        # As from a terminal: to the workers too, and twice, as impatient people do.
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        stdout, stderr = run.communicate(timeout=120.0)
    finally:
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 130
    assert stdout == ""
    assert "Traceback" not in stderr
    assert stderr.count("Error: stopped by Ctrl-C.") == 1
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    kept = list((out / "outcomes").glob("part-*"))
    assert manifest["status"] == "interrupted"
    assert 1 <= len(kept) < manifest["parts"]
    assert f"{len(kept)} finished part" in stderr
    assert not pd.read_parquet(kept[0]).empty


@pytest.mark.skipif(os.name == "nt", reason="a pipe ends otherwise on Windows")
def test_a_reader_that_leaves_early_is_no_error() -> None:
    listing = subprocess.Popen(
        [*PROGRAM, "list", "parameters", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert listing.stdout is not None
    listing.stdout.readline()
    listing.stdout.close()
    _, stderr = listing.communicate(timeout=120.0)
    assert stderr == ""
