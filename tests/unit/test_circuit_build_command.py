from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ketasim.circuit import load_ensemble
from ketasim.cli.application import app

RUNNER = CliRunner()


def refused(*arguments: str) -> str:
    result = RUNNER.invoke(app, ["circuit", *arguments])
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


def test_signs_are_told_with_their_intervals() -> None:
    result = RUNNER.invoke(app, ["circuit", "signs", "--markdown"])
    assert result.exit_code == 0
    ensemble = load_ensemble()
    assert f"{ensemble.draws} draws, {ensemble.accepted} with a plausible baseline" in result.output
    for sign in ensemble.signs:
        assert f"| {sign.title} | {sign.shown} of {sign.accepted} |" in result.output
    for circuit in ensemble.circuits:
        assert f"| {circuit.name} |" in result.output


def test_the_page_shows_what_the_command_prints() -> None:
    page = (Path(__file__).parents[2] / "docs" / "circuit.md").read_text(encoding="utf-8")
    result = RUNNER.invoke(app, ["circuit", "signs", "--markdown"])
    assert page.endswith(result.output)


def test_signs_are_drawn(tmp_path: Path) -> None:
    result = RUNNER.invoke(app, ["circuit", "signs", "--out", str(tmp_path / "figures")])
    assert result.exit_code == 0, result.output
    made = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert made == ["circuit_ensemble.png", "circuit_ensemble.svg"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tabulate", "--circuit", "drow-0201"), "--circuit: unknown circuit 'drow-0201'"),
        (("tabulate", "--points", "12"), "--points"),
        (("tabulate", "--points", "many"), "--points"),
        (("tabulate", "--threads", "0"), "--threads"),
        (("tabulate", "--out", "absent/runs.json"), "--out absent/runs.json"),
        (("ensemble", "--work", "w", "--keep", "5"), "--keep"),
        (("ensemble", "--work", "w", "--draws", "10"), "--draws"),
        (("ensemble", "--work", "w", "--draws", "30", "--keep", "31"), "--keep"),
    ],
)
def test_what_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in refused(*arguments)
    assert not any(tmp_path.iterdir())


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")
    assert "is a file; choose a folder" in refused("ensemble", "--work", str(file))
    assert "is a file; choose a folder" in refused("signs", "--out", str(file))
