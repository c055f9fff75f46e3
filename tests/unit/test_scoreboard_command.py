"""``ketasim validate`` from its arguments to its files and exit codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app
from ketasim.trials.study.catalogue import read_study_text
from ketasim.validation.scoreboard import shipped_facts

_FEW = ("--draws", "2", "--per-draw", "2", "--workers", "1")


@pytest.fixture
def few_shipped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only these teach the baselines: reading all that is shipped takes seconds."""
    monkeypatch.setattr("ketasim.trials.works.shipped_works", lambda: ("daly2018", "lii2023", "murrough2013"))
    shipped_facts.cache_clear()
    yield
    shipped_facts.cache_clear()


def _run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["validate", *arguments])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.usefixtures("few_shipped")
def test_a_broken_file_is_named_and_the_others_are_scored(tmp_path: Path) -> None:
    (tmp_path / "any_name.yaml").write_text(read_study_text("murrough2013")[0], encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("schema: 1\n", encoding="utf-8")
    out = tmp_path / "board.json"
    code, screen, errors = _run(str(tmp_path), "--json", str(out), *_FEW)
    assert code == 2
    assert "broken.yaml" in errors
    assert "By domain" in screen
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [row["id"] for row in found["rows"]] == ["CLIN0019", "CLIN0020"]
    assert list(found["summary"]["failed"]) == [str(tmp_path / "broken.yaml")]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--draws", "none"), "--draws"),
        (("--only", "clinic"), "clinical"),
        (("no_such_study",), "no_such_study"),
        (("--json", "-", "--markdown"), "keep one"),
        (("--html", "no_folder/page.html"), "--html"),
    ],
)
def test_what_cannot_be_used_is_refused_in_words(arguments: tuple[str, ...], said: str) -> None:
    code, _, errors = _run(*arguments)
    assert code == 2
    assert said in errors
    assert "Traceback" not in errors


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    code, _, errors = _run(str(tmp_path))
    assert code == 2
    assert str(tmp_path) in errors
