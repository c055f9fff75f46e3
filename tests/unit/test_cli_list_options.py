"""``ketasim list options``: every choice, its default and what it sets."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app
from ketasim.model import load_options, load_parameters


def listed(*flags: str) -> str:
    found = CliRunner().invoke(app, ["list", "options", *flags])
    assert found.exit_code == 0
    return found.stdout


def test_every_choice_is_listed_with_one_default_an_option() -> None:
    rows = json.loads(listed("--json"))
    shown = [(row["option"], row["choice"]) for row in rows]
    assert shown == [(o.name, c.name) for o in load_options().values() for c in o.choices.values()]
    defaults = {row["option"]: row["choice"] for row in rows if row["default"]}
    assert defaults == {option.name: option.default for option in load_options().values()}
    assert sum(row["default"] for row in rows) == len(load_options())


def test_a_choice_tells_what_it_sets_and_who_says_so() -> None:
    (row,) = [row for row in json.loads(listed("--json")) if row["choice"] == "sigtermans2009"]
    assert row["sets"] == ["clearance_ratio_female = 1.2 ratio"]
    assert row["source"] == ["sigtermans2009"]
    # The default of this dispute leaves the table at 1.
    assert load_parameters()["clearance_ratio_female"].value == pytest.approx(1.0)


def test_the_table_marks_defaults_in_words() -> None:
    lines = listed().splitlines()
    assert lines[0].split()[:3] == ["option", "choice", "default"]
    assert sum(" yes " in line for line in lines) == len(load_options())
    assert not any(" False " in line or " True " in line for line in lines)
