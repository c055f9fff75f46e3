from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest
from typer.testing import CliRunner

from ketasim.circuit import load_ensemble
from ketasim.cli.application import app
from ketasim.cli.work import aside, until

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


def test_work_ends_at_its_next_report_once_it_is_to_stop() -> None:
    stop, told = Event(), []

    def work() -> None:
        tell = until(stop, told.append)
        for number in range(5):
            tell(number)
            if number == 1:
                stop.set()

    with pytest.raises(KeyboardInterrupt):
        aside(work, stop=stop)
    assert told == [0, 1]


def test_a_stopped_build_keeps_what_is_finished_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ketasim.circuit.building.build_ensemble", stopped)
    result = RUNNER.invoke(app, ["circuit", "ensemble", "--work", str(tmp_path / "work")])
    assert result.exit_code == 130
    assert "goes on from there" in " ".join(result.stderr.split())
