"""Reading and replacing parameters, and what the derived numbers must meet."""

from __future__ import annotations

from pathlib import Path

import pytest

from ketasim.errors import ModelError, UnitError
from ketasim.model import build_chain, load_parameters, read_overrides
from ketasim.model.receptors import CELL_CLASSES, solve_block_scale

COLUMNS = "name,value,unit,low,high,distribution,iiv,iiv_source,source,grade,note"


def test_block_scale_meets_the_anchor() -> None:
    values = {name: item.value for name, item in load_parameters().items()}
    scale = build_chain().parameter_values(load_parameters())["block_scale"]
    total = sum(values[f"block_weight_{name}"] for name in CELL_CLASSES)
    # At the anchor the competition term x is 1, and a class is blocked by s/r / (1 + s/r).
    drive = {name: scale / values[f"block_ratio_{name}"] for name in CELL_CLASSES}
    mean = sum(values[f"block_weight_{name}"] * drive[name] / (1.0 + drive[name]) for name in CELL_CLASSES)
    assert mean / total == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("ratio", [0.2, 1.0, 30.0])
def test_block_scale_of_equal_classes_is_their_ratio(ratio: float) -> None:
    values = {f"block_ratio_{name}": ratio for name in CELL_CLASSES}
    values |= {f"block_weight_{name}": 0.25 for name in CELL_CLASSES}
    assert solve_block_scale(values) == pytest.approx(ratio, rel=1e-12)


def test_values_are_replaced_in_a_copy() -> None:
    before = load_parameters()
    after = before.with_texts({"clearance": "1000 mL/min"})
    assert after["clearance"].value == pytest.approx(60.0)
    assert after["clearance"].unit == "L/h"
    assert before["clearance"].value != pytest.approx(60.0)
    assert before.values_in({"clearance": "mL/min"})["clearance"] == pytest.approx(
        before["clearance"].value * 1000.0 / 60.0
    )


@pytest.mark.parametrize(
    ("name", "text", "error", "message"),
    [
        ("clearence", "80 L/h", ModelError, "'clearence'; the nearest valid name is 'clearance'"),
        ("clearance", "80", UnitError, "--set clearance: '80' has no unit"),
        ("clearance", "80 mg/h", UnitError, "--set clearance: '80 mg/h': .*measure different things"),
        ("clearance", "much", UnitError, "--set clearance: 'much' is not a number"),
        ("clearance", "1e999 L/h", ModelError, "--set clearance: .*not a finite number"),
    ],
)
def test_wrong_values(name: str, text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        load_parameters().with_texts({name: text})


def test_unknown_species() -> None:
    with pytest.raises(ModelError, match="unknown species 'humans'; the nearest valid name is 'human'"):
        load_parameters("humans")


def test_overrides_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "own.csv"
    file.write_text("name,value,unit\nclearance,90,L/h\nweight,80000,g\n", encoding="utf-8")
    found = read_overrides(file, load_parameters())
    assert (found["clearance"].value, found["weight"].value) == (90.0, pytest.approx(80.0))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("name,value\nclearance,90\n", ModelError, "column 'unit' is missing"),
        ("", ModelError, "the file is empty"),
        ("name,value,unit\nclearance,90,kg\n", UnitError, "own.csv, line 2"),
        ("name,value,unit\nweight,80,kg\nclearanc,90,L/h\n", ModelError, "'clearance'"),
        ("name,value,unit\nclearance\n", UnitError, "own.csv, line 2"),
    ],
)
def test_wrong_override_files(tmp_path: Path, text: str, error: type[Exception], message: str) -> None:
    file = tmp_path / "own.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(error, match=message):
        read_overrides(file, load_parameters())


def test_override_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        read_overrides(tmp_path / "none.csv", load_parameters())
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(ModelError, match="cannot be read as text"):
        read_overrides(binary, load_parameters())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,1,L,2,3,normal,,,key,assumed,", "outside its range"),
        ("a,1,L,,,normal,,,key,guessed,", "unknown grade 'guessed'"),
        ("a,1,L,,,normal,,,,assumed,", "the source is empty"),
        ("a,one,L,,,normal,,,key,assumed,", "could not convert"),
        ("a,1,furlong^,,,normal,,,key,assumed,", "unknown unit"),
        ("a,inf,L,,,normal,,,key,assumed,", "finite numbers"),
        ("a,nan,L,,,normal,,,key,assumed,", "finite numbers"),
    ],
)
def test_rows_that_break_the_rules(tmp_path: Path, row: str, message: str) -> None:
    from ketasim.model.parameters import _read_table

    file = tmp_path / "stage.csv"
    file.write_text(f"{COLUMNS}\n{row}\n", encoding="utf-8")
    with pytest.raises(ModelError, match=f"stage.csv, line 2, parameter 'a': .*{message}"):
        _read_table(file)
