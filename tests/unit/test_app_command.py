"""``ketasim app`` and ``ketasim app-tables``: what is refused, what is written, and how it ends."""

from __future__ import annotations

import importlib
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app

pytest.importorskip("fastapi", reason="the explorer needs the extra 'app'")
import httpx

from ketasim.app.settings import AppSettings


def run(*words: str) -> Any:
    return CliRunner().invoke(app, list(words))


def refused(*words: str) -> str:
    found = run(*words)
    assert found.exit_code == 2
    assert "Traceback" not in found.output
    return str(found.output)


@pytest.mark.parametrize("port", ["99999", "-1", "eight", "80.5"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    assert "--port" in refused("app", "--no-browser", "--port", port)


def test_a_port_that_is_taken_is_said_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        words = refused("app", "--no-browser", "--port", port, "--state", str(tmp_path))
    assert f"--port {port}" in words
    assert "--port 0" in words


def test_an_address_of_another_computer_is_refused(tmp_path: Path) -> None:
    # 192.0.2.0/24 is kept for documents: no computer has such an address.
    words = refused("app", "--no-browser", "--port", "0", "--host", "192.0.2.7", "--state", str(tmp_path))
    assert "192.0.2.7" in words


def test_without_the_extra_the_way_to_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    home = importlib.import_module("ketasim.cli.app")
    monkeypatch.setattr(home, "find_spec", lambda name: None if name == "uvicorn" else object())
    words = refused("app", "--no-browser")
    assert "uvicorn" in words
    assert "ketasim[app]" in words
    assert "fastapi" not in words


def test_a_state_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "--state" in refused("app", "--no-browser", "--port", "0", "--state", str(tmp_path / "file"))


@pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is a signal of POSIX here")
def test_it_serves_the_printed_address_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    start = [sys.executable, "-c", "from ketasim.cli import main; main()", "app"]
    command = [*start, "--no-browser", "--port", "0", "--state", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = process.stdout.readline().removeprefix("Ketasim explorer: ").strip()
            # The port is open before the model is there: the first reply waits for it.
            with httpx.Client(follow_redirects=True, timeout=300.0) as browser:
                page = browser.get(address)
                assert page.status_code == 200
                assert "token" not in str(page.url)
                assert browser.get(str(page.url.join("/static/main.js"))).status_code == 200
            assert httpx.get(str(page.url), timeout=300.0).status_code == 401
        finally:
            process.send_signal(signal.SIGINT)
            rest, complaints = process.communicate(timeout=300.0)
    assert process.returncode == 0
    assert "has stopped" in rest
    assert "Traceback" not in complaints


def test_the_address_is_one_that_a_browser_can_open() -> None:
    assert AppSettings(host="0.0.0.0", port=8000, token="x").address == "http://127.0.0.1:8000/?token=x"
    assert AppSettings(host="::1", port=8000, token="x").address == "http://[::1]:8000/?token=x"


ANSWER = {
    "id": "nmda",
    "claim": "ketamine blocks NMDA receptors at antidepressant doses",
    "verdict": "supported",
    "reasons": ["The model meets 1 of 1 core criteria."],
    "evidence": [{"citation": "daly2018;murrough2013"}, {"citation": "daly2018"}],
}
ROW = {
    "study": "murrough2013",
    "id": "CLIN0019",
    "domain": "clinical",
    "stage": "symptoms",
    "species": "human",
    "citation": "murrough2013",
    "arm": "ketamine",
    "quantity": "madrs",
    "statistic": "change",
    "time_h": 24.0,
    "observed": -16.5,
    "predicted": -14.2069884,
    "low": None,
    "hit": True,
    "use": "calibration",
}


def test_tables_are_written_from_what_was_computed(tmp_path: Path) -> None:
    board, answers, out = tmp_path / "board.json", tmp_path / "claims.json", tmp_path / "out"
    missed = {**ROW, "id": "x", "study": "nobody1999", "hit": False, "predicted": None}
    summary = {"settings": {"draws": 2, "seed": 1}}
    board.write_text(json.dumps({"summary": summary, "rows": [ROW, missed]}))
    answers.write_text(json.dumps([ANSWER]))
    found = run("app-tables", "--scoreboard", str(board), "--claims", str(answers), "--out", str(out))
    assert found.exit_code == 0, found.output
    claims = json.loads((out / "claims.json").read_text())
    assert claims[0]["citations"] == ["daly2018", "murrough2013"]
    lines = (out / "scoreboard.csv").read_text().splitlines()
    assert len(lines) == 3
    names = lines[0].split(",")
    first = dict(zip(names, lines[1].split(","), strict=True))
    assert (first["predicted"], first["low"], first["hit"]) == ("-14.207", "", "1")
    scenarios = json.loads((out / "scoreboard_scenarios.json").read_text())
    own = scenarios[int(first["scenario"])]
    assert own["regimen"] == "0.5 mg/kg ketamine iv over 40 min"
    assert own["setting"]["control"] == "midazolam"
    assert own["person"]["severity"] == 32.6
    # A study that is not shipped has no scenario.
    assert dict(zip(names, lines[2].split(","), strict=True))["scenario"] == ""
    made = json.loads((out / "made_with.json").read_text())
    assert made["scoreboard"]["settings"] == summary["settings"]
    assert made["claims"]["model_hash"] == made["scoreboard"]["model_hash"]


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--scoreboard", "{", "not JSON"),
        ("--scoreboard", "[]", "ketasim validate --json"),
        ("--scoreboard", "{}", "ketasim validate --json"),
        ("--claims", "{}", "ketasim claims --json"),
        ("--claims", '[{"id": 1}]', "ketasim claims --json"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, option: str, text: str, words: str) -> None:
    file, answers = tmp_path / "given.json", tmp_path / "claims.json"
    file.write_text(text)
    answers.write_text(json.dumps([ANSWER]))
    given = [option, str(file)] + ([] if option == "--claims" else ["--claims", str(answers)])
    found = refused("app-tables", *given, "--out", str(tmp_path / "out"))
    assert words in " ".join(found.split())
