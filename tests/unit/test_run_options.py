"""``ketasim run`` as a new user tries it: odd options get one clear paragraph and exit code 2."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

import ketasim.api
from ketasim.cli.application import app
from ketasim.trials.runs import cluster


def refused(*arguments: str) -> str:
    """The paragraph that a command gives."""
    result = CliRunner().invoke(app, ["run", "murrough2013", *arguments])
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--replicates", "0"], ["--replicates: 0 is out of range", "from 1 to 1,000,000"]),
        (["--replicates", "many"], ["--replicates: 'many' is not a number of trials", "whole number"]),
        (["--replicates", "2.5"], ["--replicates: '2.5' is not a number of trials"]),
        (["--subjects", "0"], ["--subjects: 0 is out of range"]),
        (["--subjects", "1e7", "--replicates", "1e6"], ["are more than 100,000,000", "other seeds"]),
        (["--workers", "0"], ["--workers: 0 is out of range"]),
        (["--seed", "-1"], ["--seed: -1 is out of range"]),
        (["--days", "14"], ["--days: '14' has no unit", "'14 d'"]),
        (["--days", "1min"], ["no visit lies within the simulated span", "larger --days"]),
        (["--days", "20y"], ["--days"]),
        (["--hold", "believe"], ["--hold: unknown word 'believe'", "'belief'"]),
        (["--format", "xlsx"], ["--format: unknown format 'xlsx'", "csv, parquet"]),
        (["--resume", "--force"], ["--force and --resume", "give one of them"]),
        (["--scheduler", ""], ["--scheduler", "no address"]),
        (["--parameters", "missing.csv"], ["missing.csv"]),
    ],
)
def test_odd_options_are_refused_in_one_paragraph(arguments: Sequence[str], told: Sequence[str]) -> None:
    said = refused(*arguments)
    for text in told:
        assert text in said


def test_resuming_what_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    said = refused("--resume", "--out", "photos")
    assert "--resume photos: there is no run of Ketasim here" in said
    assert list((tmp_path / "photos").iterdir()) == []


def test_a_scheduler_that_nobody_started_is_told_with_what_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="without Dask another paragraph is given")
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    said = refused("--subjects", "2", "--days", "1d", "--scheduler", "tcp://127.0.0.1:1", "--out", "run")
    assert "--scheduler tcp://127.0.0.1:1: no Dask scheduler answers there" in said
    assert "dask scheduler" in said
    assert "dask worker ADDRESS" in said
    # The folder was made: the way on is named.
    assert "--resume" in said


def test_a_million_patients_say_how_large_they_are_first(monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ketasim.api, "simulate_study", stopped)

    def gigabytes(*more: str) -> float:
        result = CliRunner().invoke(app, ["run", "murrough2013", *more])
        assert result.exit_code == 130
        assert "Nothing was written" in result.stderr
        first = result.stderr.splitlines()[0]
        assert first.startswith("1,000,000 patients: very roughly ")
        assert first.endswith("Ctrl-C stops the run and keeps what is finished; --resume goes on with it.")
        return float(first.split(" GB on disk")[0].split()[-1])

    whole = gigabytes("--subjects", "500000")
    # As many in small trials take the same room; fewer visits take less.
    assert gigabytes("--subjects", "50", "--replicates", "10000") == whole > 0.0
    assert gigabytes("--subjects", "500000", "--days", "1h") < whole
