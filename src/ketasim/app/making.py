"""Writes the tables of verdicts that the page shows: the scoreboard and the claims, as computed before."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ketasim.api.scenarios import model_hash, parameter_hash, read_scenario
from ketasim.app.citations import split_keys
from ketasim.app.scoreboard import COLUMNS
from ketasim.app.tables import CLAIMS_FILE, MADE_WITH_FILE, SCOREBOARD_FILE
from ketasim.errors import KetasimError, StudyError
from ketasim.trials import Study
from ketasim.trials.experiment import Experiment
from ketasim.trials.experiment.catalogue import shipped_experiments
from ketasim.trials.study.catalogue import shipped_studies
from ketasim.validation.scoreboard.board import load_reasons

__all__ = ["check_answers", "check_board", "write_claims", "write_scoreboard"]

SCENARIOS_FILE = "scoreboard_scenarios.json"
_CONTROLS = {"saline": "saline", "midazolam": "midazolam", "placebo_spray": "saline", "none": "none"}
_CONTEXTS = {"outpatient": "outpatient", "inpatient": "inpatient"}
_DIGITS = 5


def check_board(board: Any) -> None:
    """Refuse what is no scoreboard.

    Raises
    ------
    StudyError
        If it does not have the rows that ``ketasim validate --json`` writes.
    """
    rows = board.get("rows") if isinstance(board, Mapping) else None
    wanted = {"study", "id", "arm", "hit", "predicted"}
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) and wanted <= set(row) for row in rows):
        raise StudyError(
            "--scoreboard: the file has no rows of scores; give what 'ketasim validate --json' wrote."
        )


def check_answers(answers: Any) -> None:
    """Refuse what is no list of answers to claims.

    Raises
    ------
    StudyError
        If it does not hold what ``ketasim claims --json`` writes.
    """
    wanted = {"id", "claim", "verdict", "reasons", "evidence"}
    known = isinstance(answers, list) and all(
        isinstance(item, Mapping) and wanted <= set(item) for item in answers
    )
    if not known:
        raise StudyError("--claims: the file holds no answers; give what 'ketasim claims --json' wrote.")


def write_scoreboard(board: Mapping[str, Any], folder: Path) -> int:
    """Write the compact scoreboard.

    Parameters
    ----------
    board : mapping
        What ``ketasim validate --json`` wrote.
    folder : Path
        Where the tables go.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    StudyError
        If it is not a scoreboard.
    OSError
        If a file cannot be written.
    """
    check_board(board)
    reasons = load_reasons()
    finder = _Scenarios()
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in board["rows"]:
        missed = row["hit"] is False or row["predicted"] is None
        reason = reasons.get((row["study"], row["id"]), "") if missed else ""
        found = finder.number(row)
        line = {name: _cell(row.get(name)) for name in COLUMNS}
        writer.writerow({**line, "reason": reason, "scenario": "" if found is None else found})
    (folder / SCOREBOARD_FILE).write_text(text.getvalue(), encoding="utf-8")
    _write_json(folder / SCENARIOS_FILE, finder.scenarios)
    settings = board.get("summary", {}).get("settings", {})
    _note(folder, "scoreboard", {"settings": settings})
    return len(board["rows"])


def write_claims(answers: Sequence[Mapping[str, Any]], folder: Path) -> int:
    """Write the verdicts on all claims.

    Parameters
    ----------
    answers : sequence of mapping
        What ``ketasim claims --json`` wrote.
    folder : Path
        Where the table goes.

    Returns
    -------
    int
        Claims.

    Raises
    ------
    StudyError
        If these are not answers.
    OSError
        If the file cannot be written.
    """
    check_answers(answers)
    cards = [
        {
            **{name: item[name] for name in ("id", "claim", "verdict", "reasons")},
            "citations": _keys(item["evidence"]),
        }
        for item in answers
    ]
    _write_json(folder / CLAIMS_FILE, cards)
    _note(folder, "claims", {})
    return len(cards)


def _keys(ballots: Sequence[Mapping[str, Any]]) -> list[str]:
    return sorted({key for ballot in ballots for key in split_keys(ballot["citation"])})


def _write_json(path: Path, value: Any) -> None:
    lines = [json.dumps(item, ensure_ascii=False, allow_nan=False) for item in value]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _note(folder: Path, table: str, more: Mapping[str, Any]) -> None:
    """Write down with which model a table was made."""
    path = folder / MADE_WITH_FILE
    known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    known[table] = {
        "version": version("ketasim"),
        "model_hash": model_hash(),
        "parameter_hash": parameter_hash(),
        **more,
    }
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)


class _Scenarios:
    """Finds the scenario of a row's arm, and numbers each once."""

    def __init__(self) -> None:
        self.scenarios: list[dict[str, Any]] = []
        self._known: dict[tuple[str, str], int | None] = {}

    def number(self, row: Mapping[str, Any]) -> int | None:
        """Return the number of the scenario of a row; None if the page can show none."""
        key = (str(row["study"]), str(row["arm"]))
        if key not in self._known:
            scenario = _scenario(*key)
            if scenario is not None and scenario not in self.scenarios:
                self.scenarios.append(scenario)
            self._known[key] = None if scenario is None else self.scenarios.index(scenario)
        return self._known[key]


def _scenario(work: str, arm: str) -> dict[str, Any] | None:
    """Return the scenario of an arm of a study or of an experiment in people; None if there is none."""
    if work in shipped_studies():
        found = _of_study(Study.load(work), arm)
    elif work in shipped_experiments():
        found = _of_experiment(Experiment.load(work), arm)
    else:
        return None
    if found is None:
        return None
    try:
        return read_scenario(found).to_data()
    except KetasimError:
        # A course that is longer than a page can hold, or an arm of something else than a dose.
        return None


def _of_study(study: Study, name: str) -> dict[str, Any] | None:
    arm = next((item for item in study.arms if item.id == name.split(" + ")[0]), None)
    if arm is None or arm.empirical:
        return None
    person: dict[str, Any] = {}
    if study.population.condition == "healthy":
        person["illness"] = "healthy"
    elif study.population.baseline.scale == "madrs":
        mean = arm.baseline.mean if arm.baseline is not None else study.population.baseline.mean
        person["severity"] = round(min(max(mean, 10.0), 55.0), 1)
    return {
        "regimen": arm.regimen,
        "person": person,
        "setting": {
            "control": _CONTROLS[study.setting.control] if arm.active else "none",
            "context": _CONTEXTS.get(study.setting.care, "outpatient"),
        },
    }


def _of_experiment(experiment: Experiment, name: str) -> dict[str, Any] | None:
    arm = next((item for item in experiment.arms if item.id == name.split(" + ")[0]), None)
    # Causes are experiments on the chain that a scenario has other words for.
    if experiment.species != "human" or arm is None or arm.causes or arm.inputs:
        return None
    well = (arm.state or experiment.subjects.state) == "healthy"
    return {
        "regimen": arm.regimen,
        "person": {"illness": "healthy"} if well else {},
        "setting": {"control": "none"},
        "mechanism": {"options": dict(arm.options), "parameters": dict(arm.set)},
    }
