from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ketasim.cli.application import app
from ketasim.cli.console import number, span, without_nan

INFUSION = "0.5 mg/kg ketamine iv over 40 min"


def call(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def refused(*arguments: str | Path) -> str:
    """Return the one paragraph of a refusal."""
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    assert err.startswith("Error: ")
    assert err.count("\n") == 1
    return err


@pytest.fixture(scope="module")
def course() -> dict[str, dict[str, object]]:
    code, out, _ = call("simulate", INFUSION, "--days", "1d", "--at", "40min,2h", "--at", "24h", "--json")
    assert code == 0
    found: dict[str, dict[str, object]] = json.loads(out, parse_constant=pytest.fail)["quantities"]
    return found


def test_simulate_json_has_the_promised_keys(course: dict[str, dict[str, object]]) -> None:
    keys = {
        "unit", "baseline", "peak", "peak_time_h", "return_time_h",
        "min", "min_time_h", "max", "max_time_h", "at",
    }  # fmt: skip
    for name, found in course.items():
        assert set(found) == keys, name
        assert list(found["at"]) == ["40min", "2h", "24h"], name  # type: ignore[call-overload]


def test_simulate_json_has_every_listed_quantity_in_its_unit(course: dict[str, dict[str, object]]) -> None:
    rows = json.loads(call("list", "quantities", "--json")[1])
    assert {row["name"]: row["unit"] for row in rows} == {name: row["unit"] for name, row in course.items()}


def test_simulate_table_names_stages_times_and_quantities() -> None:
    code, out, _ = call("simulate", "none", "--days", "1d", "--at", "24h", "--illness", "healthy")
    assert code == 0
    for text in ("Channel block", "ketamine_venous", "madrs", "24h", "ng/mL", "healthy"):
        assert text in out


def test_simulate_draws_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "course.svg"
    code, _, err = call("simulate", INFUSION, "--days", "2d", "--figure", path)
    assert code == 0
    assert str(path) in err
    assert path.read_text(encoding="utf-8").rstrip().endswith("</svg>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-0.5 mg/kg ketamine iv over 40 min"], ["-0.5", "above 0"]),
        (["0.5 mg/kg ketamin iv over 40 min"], ["'ketamin'", "'ketamine'"]),
        ([""], ["empty", "none"]),
        ([INFUSION, "--days", "0d"], ["--days", "'0d'"]),
        ([INFUSION, "--days", "14"], ["--days", "'14'", "no unit"]),
        ([INFUSION, "--weight", "70"], ["--weight", "70 kg"]),
        ([INFUSION, "--set", "mood_time"], ["--set", "name=value unit"]),
        ([INFUSION, "--set", "mood_tim=5 h"], ["'mood_tim'", "'mood_time'"]),
        ([INFUSION, "--set", "mood_time=5 kg"], ["--set mood_time", "'kg'", "'h'"]),
        ([INFUSION, "--set", "clearance=-5 L/h"], ["--set clearance", "negative"]),
        ([INFUSION, "--set", "mood_time=5 h", "--set", "mood_time=6 h"], ["mood_time", "twice"]),
        ([INFUSION, "--figure", "course.gif"], ["--figure", "'.gif'", "svg"]),
        ([INFUSION, "--figure", "nowhere/course.svg"], ["--figure", "folder"]),
    ],
)
def test_simulate_refuses(arguments: list[str], words: list[str]) -> None:
    message = refused("simulate", *arguments)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--at", "40"], ["--at", "'40'", "no unit"]),
        (["--clamp", "ampa_driv"], ["--clamp", "'ampa_driv'", "'ampa_drive'"]),
        (["--illness", "health"], ["--illness", "'healthy'"]),
        (["--set", "mood_time=0 h"], ["--set mood_time=0 h", "above 0"]),
    ],
)
def test_simulate_refuses_what_only_the_model_knows(arguments: list[str], words: list[str]) -> None:
    message = refused("simulate", INFUSION, "--days", "1d", *arguments)
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["dally2018"], ["'dally2018'", "'daly2018'"]),
        (["nosuch.yaml"], ["nosuch.yaml", "does not exist"]),
        (["daly2018", "--subjects", "0"], ["--subjects", "0", "is 1"]),
        (["daly2018", "--subjects", "-5"], ["--subjects", "-5"]),
        (["daly2018", "--subjects", "1e9"], ["--subjects", "1e9", "10,000,000"]),
        (["daly2018", "--subjects", "2.5"], ["--subjects", "whole number"]),
        (["daly2018", "--workers", "0"], ["--workers", "0"]),
        (["daly2018", "--seed", "-1"], ["--seed", "-1"]),
        (["daly2018", "--seed", "abc"], ["--seed", "'abc'"]),
        (["daly2018", "--format", "xls"], ["--format", "'xls'", "parquet"]),
        (["daly2018", "--days", "0 d"], ["--days"]),
    ],
)
def test_run_refuses(arguments: list[str], words: list[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    message = refused("run", *arguments, "--out", out)
    assert not out.exists()
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nam,value,unit\n", ["'name'"]),
        ("name,value,unit\nclearence,80,L/h\n", ["'clearence'", "'clearance'"]),
        ("name,value,unit\nclearance,80,kg\n", ["line 2", "'kg'", "'L/h'"]),
    ],
)
def test_run_refuses_wrong_parameter_files(text: str, words: list[str], tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text, encoding="utf-8")
    message = refused("run", "murrough2013", "--parameters", file, "--out", tmp_path / "run")
    for word in words:
        assert word in message


def test_run_refuses_existing_and_impossible_folders(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    note = tmp_path / "kept" / "note.txt"
    note.write_text("mine", encoding="utf-8")
    small = ("run", "murrough2013", "--subjects", "1", "--out")
    assert "--force" in refused(*small, tmp_path / "kept")
    # --force replaces run folders, and nothing else.
    assert "not a run folder" in refused(*small, tmp_path / "kept", "--force")
    assert note.read_text(encoding="utf-8") == "mine"
    assert "cannot be written" in refused(*small, note / "run")


@pytest.mark.parametrize("kind", ["studies", "drugs", "quantities", "parameters", "stages"])
def test_list_gives_the_same_names_as_table_and_as_json(kind: str) -> None:
    rows = json.loads(call("list", kind, "--json")[1])
    names = [row["name"] for row in rows]
    assert len(names) == len(set(names)) > 0
    table = call("list", kind)[1]
    assert [name for name in names if name not in table] == []


def test_list_parameters_has_value_unit_source_and_grade() -> None:
    for row in json.loads(call("list", "parameters", "--json")[1]):
        assert row["low"] <= row["value"] <= row["high"]
        assert row["source"]
        assert row["grade"] in ("measured", "derived", "calibrated", "assumed")
        assert "unit" in row


def test_list_refuses_an_unknown_kind() -> None:
    assert "'parameters'" in refused("list", "parametrs")


def test_new_study_is_written_checked_and_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    assert call("new-study", "mine", "--out", file)[0] == 0
    assert call("new-study", "mine")[1] == file.read_text(encoding="utf-8")
    code, out, _ = call("check-study", file)
    assert code == 0
    for word in ("study mine", "arm ketamine", "arm midazolam", "visits: 2 h", "observations: none"):
        assert word in out
    file.write_text("mine", encoding="utf-8")
    assert "--force" in refused("new-study", "mine", "--out", file)
    assert file.read_text(encoding="utf-8") == "mine"
    assert call("new-study", "mine", "--out", file, "--force")[0] == 0
    assert "a file" in refused("new-study", "mine", "--out", tmp_path)
    assert "cannot be read or written" in refused("new-study", "mine", "--out", file / "below.yaml")


@pytest.mark.parametrize(
    ("text", "word"), [("", "is empty"), ("a: [1,\n", "not valid YAML"), ("idd: mine\n", "'id'")]
)
def test_check_study_refuses_broken_files(text: str, word: str, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(text, encoding="utf-8")
    message = refused("check-study", file)
    assert word in message
    assert str(file) in message


def test_check_study_refuses_a_folder(tmp_path: Path) -> None:
    assert str(tmp_path) in refused("check-study", tmp_path)


def test_schema_is_a_json_schema_that_refuses_unknown_keys() -> None:
    schema = json.loads(call("schema")[1])
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert schema["additionalProperties"] is False
    assert "arms" in schema["required"]


def test_system_info_tells_versions() -> None:
    facts = json.loads(call("system-info", "--json")[1])
    assert facts["cores"] >= 1
    assert facts["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["versions"]["ketasim"] in call("--version")[1]


def test_usage_errors_leave_with_2() -> None:
    assert CliRunner().invoke(app, ["run", "daly2018", "--nosuch"]).exit_code == 2
    assert CliRunner().invoke(app, ["simulate"]).exit_code == 2


def test_version_and_help_do_not_load_the_model() -> None:
    script = (
        "import sys\n"
        "from ketasim.cli.application import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "print(sorted({'sympy', 'scipy', 'pandas', 'numpy', 'matplotlib'} & set(sys.modules)))\n"
    )
    for arguments in (["--version"], ["run", "--help"]):
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, encoding="utf-8", check=True
        )
        assert done.stdout.rstrip().endswith("[]")


def test_the_package_loads_its_names_when_they_are_used() -> None:
    import ketasim
    from ketasim import Study
    from ketasim.trials.study import Study as Original

    assert Study is Original
    assert [name for name in ketasim.__all__ if not hasattr(ketasim, name)] == []
    assert set(ketasim.__all__) <= set(dir(ketasim))
    with pytest.raises(AttributeError, match="nosuch"):
        _ = ketasim.nosuch  # type: ignore[attr-defined]


def test_json_has_no_number_that_json_lacks() -> None:
    assert without_nan({"a": [1.5, math.nan, (math.inf,)], "b": None}) == {
        "a": [1.5, None, [None]],
        "b": None,
    }


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0.0, "0 min"), (5 / 3600, "5 s"), (2 / 3, "40 min"), (24.0, "24 h"), (168.0, "7 d"), (None, "-")],
)
def test_spans_are_told_in_the_unit_that_reads_best(hours: float | None, text: str) -> None:
    assert span(hours) == text


def test_numbers_are_short_and_have_no_negative_zero() -> None:
    assert [number(value) for value in (-0.0, 186.244, math.nan, None, 3)] == ["0", "186.2", "-", "-", "3"]
