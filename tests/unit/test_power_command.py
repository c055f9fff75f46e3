"""``ketasim power``: its table, its files and its errors."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from ketasim.api import power as power_module
from ketasim.cli.application import app
from ketasim.design.curve import Needed
from ketasim.design.runs import Done, Question, Task, tasks_of
from ketasim.report.power_figure import power_figure
from ketasim.report.style import figure_svg

ANCOVA = ("--set", "analyses.primary.method=ancova")


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["power", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def made(question: Question, task: Task) -> Done:
    """Trials whose power rises with the size, as if they had been simulated."""
    parts = []
    for own in question.sizes:
        total = sum(own.values())
        replicate = np.arange(task.first, task.first + task.count)
        success = (7 * replicate) % 10 < (total // 10) - task.curve
        parts.append(
            pd.DataFrame(
                {
                    "label": question.curves[task.curve].label,
                    "set": task.chosen,
                    "replicate": replicate,
                    "n_total": total,
                    "analysis": "primary",
                    "n": float(own["ketamine"]),
                    "n_comparator": float(own["midazolam"]),
                    "estimate": -7.0,
                    "se": 2.0,
                    "p": 0.01,
                    "effect_measure": "difference in mean change",
                    "unit": "points",
                    "rejected": success,
                    "success": success,
                    "not_simulated": 0.0,
                    "note": "",
                }
            )
        )
    return Done(task, pd.concat(parts, ignore_index=True), "")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[Question]:
    """Takes the place of the simulation; the questions that were asked."""
    asked: list[Question] = []

    def run(question: Question, _: int | None) -> Iterator[Done]:
        asked.append(question)
        for task in tasks_of(question, 2048):
            yield made(question, task)

    monkeypatch.setattr(power_module, "run_tasks", run)
    return asked


def test_a_small_trial_from_its_file_to_json() -> None:
    code, out, err = call(
        "murrough2013",
        "--n",
        "12,24",
        "--replicates",
        "4",
        "--workers",
        "1",
        "--seed",
        "3",
        "--json",
        *ANCOVA,
    )
    assert code == 0
    assert "Error" not in err
    found = json.loads(out, parse_constant=pytest.fail)
    assert (found["study"], found["analysis"], found["kind"]) == ("murrough2013", "primary", "power")
    assert found["replicates_finished"] == 4
    small, large = found["curves"]["as planned"]
    assert (small["n_total"], large["n_total"]) == (12, 24)
    assert small["n_by_arm"] == "8 ketamine + 4 midazolam"
    for row in (small, large):
        assert row["replicates"] == 4
        assert 0.0 <= row["low"] <= row["power"] <= row["high"] <= 1.0
        assert row["unit"] == "points"
    # Four trials of 24: ketamine lowers the score by more than chance in their mean.
    assert large["estimate_mean"] < 0.0
    assert large["estimate_sd"] < small["estimate_sd"] * 2.0
    assert any("first patients" in note for note in found["notes"])


def test_table_shows_each_curve_and_the_patients_needed(quick: list[Question]) -> None:
    code, out, _ = call(
        "murrough2013",
        *("--n", "20:100:20", "--replicates", "100", *ANCOVA),
        *("--what-if", "less hope: parameter.placebo_gain=0.5; setting.care=inpatient"),
    )
    assert code == 0
    assert "Power of primary of murrough2013; 100 simulated trials" in out
    rows = [line for line in out.splitlines() if line.startswith(("as planned  ", "less hope  "))]
    assert len(rows) == 10
    assert "60.0 %" in rows[2]
    assert "50.0 %" in rows[7]
    assert "as planned: 80 % with " in out
    assert "less hope: 90 %" in out
    assert "--analysis names another: responders" in out
    other = quick[0].curves[1]
    assert other.planned.study.setting.care == "inpatient"
    assert other.parameters[0]["placebo_gain"].value == 0.5
    assert quick[0].curves[0].planned.study.setting.care == "outpatient"


def test_folder_holds_tables_figure_page_and_studies(quick: list[Question], tmp_path: Path) -> None:
    out = tmp_path / "asked"
    code, text, err = call(
        "murrough2013",
        *("--n", "20,40,80", "--replicates", "50", "--json", "--out", str(out), *ANCOVA),
        *("--what-if", "masked: arms.ketamine.masked=true"),
    )
    assert code == 0
    assert str(out / "power.html") in err
    names = {item.name for item in out.iterdir()}
    assert names == {
        *("power.csv", "needed.csv", "replicates.csv", "power.json", "power.svg", "power.png", "power.html"),
        *("study.yaml", "study-1.yaml"),
    }
    assert json.loads((out / "power.json").read_text(encoding="utf-8")) == json.loads(text)
    with (out / "power.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["as planned"] * 3 + ["masked"] * 3
    with (out / "replicates.csv").open(encoding="utf-8", newline="") as file:
        assert sum(1 for _ in csv.DictReader(file)) == 2 * 3 * 50
    assert "masked: true" in (out / "study-1.yaml").read_text(encoding="utf-8")
    page = (out / "power.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "research and teaching instrument" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert len(quick) == 1


def test_null_shows_type_one_error_and_no_size(quick: list[Question]) -> None:
    code, out, _ = call("murrough2013", "--n", "20,40", "--replicates", "20", "--null", *ANCOVA)
    assert code == 0
    assert "Type I error of primary" in out
    assert "80 % with" not in out
    assert "every rejection is an error" in out
    null = quick[0].curves[0].planned.study
    assert null.arm("ketamine").regimen == null.arm("midazolam").regimen


def test_ctrl_c_shows_what_is_finished_and_leaves_with_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(question: Question, _: int | None) -> Iterator[Done]:
        yield made(question, tasks_of(question, 2048)[0])
        raise KeyboardInterrupt

    monkeypatch.setattr(power_module, "run_tasks", run)
    code, out, err = call("murrough2013", "--n", "20,40", "--replicates", "400", *ANCOVA)
    assert code == 130
    assert "as planned" in out
    assert "stopped by Ctrl-C after 10 of 400 trials" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("murrough2013", "--n", "many"), "'many'"),
        (("murrough2013", "--n", "3"), "each needs 2"),
        (("murrough201", "--n", "60"), "'murrough2013'"),
        (("murrough2013", "--n", "60", "--analysis", "respnders"), "'responders'"),
        (("murrough2013", "--n", "60", "--set", "setting.control"), "PATH=VALUE"),
        (("murrough2013", "--n", "60", "--set", "setting.control=salin"), "'saline'"),
        (("murrough2013", "--n", "60", *ANCOVA, *ANCOVA), "given twice"),
        (("murrough2013", "--n", "60", "--parameter", "placebo_gian=1"), "'placebo_gain'"),
        (("murrough2013", "--n", "60", "--parameter", "placebo_gain=much"), "placebo_gain"),
        (("murrough2013", "--n", "60", "--what-if", "masked"), "--what-if"),
        (("murrough2013", "--n", "60", "--replicates", "1"), "--replicates"),
        (("murrough2013", "--n", "60", "--sets", "3"), "--assurance"),
        (("murrough2013", "--n", "60", "--better", "up"), "lower"),
        (("aanhetrot2010", "--n", "60", "--null"), "compares with nothing"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_paragraph(arguments: tuple[str, ...], words: str) -> None:
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert len(err.strip().splitlines()) == 1
    assert words in err


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    there = tmp_path / "file"
    there.touch()
    code, _, err = call("murrough2013", "--n", "60", "--out", str(there))
    assert code == 2
    assert "name a folder" in err


def test_sentence_of_patients_needed() -> None:
    found = Needed("a", 0.8, 61, 55, None).words
    assert found == "a: 80 % with 61 patients (95 % interval 55 to more than simulated)."
    assert Needed("a", 0.9, None, None, None, "Too many.").words == "a: 90 %: Too many."


@pytest.mark.parametrize("labels", [("a",), ("a", "b", "c", "d", "e")])
def test_figure_has_a_line_for_each_curve_and_one_for_each_target(labels: tuple[str, ...]) -> None:
    rows = [
        {"label": label, "n_total": n, "power": n / 100, "low": n / 110, "high": n / 90}
        for label in labels
        for n in (20, 50, 80)
    ]
    figure = power_figure(pd.DataFrame(rows))
    (ax,) = figure.axes
    drawn = [line for line in ax.lines if len(line.get_xdata()) == 3]
    assert len(drawn) == len(labels)
    # Neither colour nor dash alone tells curves apart.
    looks = {(line.get_color(), line.get_marker()) for line in drawn}
    assert len(looks) == len(labels)
    assert [text.get_text() for text in ax.texts] == ["80 %", "90 %"]
    assert figure_svg(figure) == figure_svg(power_figure(pd.DataFrame(rows)))
