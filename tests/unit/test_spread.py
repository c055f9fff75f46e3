"""Spreads between people: what a row tells of them, and how they get into the tables."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ketasim.inference.spread import DRUG, PLACEBO, SpreadFit, published_sd, write_spread
from ketasim.model.parameters import load_parameters
from ketasim.trials import Study

ROW = next(row for row in Study.load("murrough2013").observations if row.id == "CLIN0019")


def test_a_standard_error_tells_the_spread_of_an_arm() -> None:
    assert ROW.spread_kind == "se"
    assert published_sd(ROW) == pytest.approx(1.6 * 47**0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"comparator": "midazolam"},
        {"n": 5},
        {"use": "check"},
        {"statistic": "response"},
        {"origin": "arm"},
        {"source_kind": "model_output"},
        {"spread_kind": "none"},
        {"quantity": "hamd17"},
    ],
)
def test_rows_that_tell_no_spread_of_an_arm_are_left_out(change: dict[str, object]) -> None:
    assert published_sd(ROW.model_copy(update=change)) is None


def test_what_is_written_is_read_back_and_nothing_else_moves(tmp_path: Path) -> None:
    heads = ["name", "value", "iiv", "iiv_source"]
    before = [["plasticity_half", "1.8", "0.1", "assumed"], ["other", "2", "0.2", "assumed"]]
    with (tmp_path / "ampa.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([heads, *before])
    (tmp_path / "scoring.csv").write_text(
        "name,value,iiv,iiv_source\noccasion_error,1.5,,\nplacebo_gain,1,0.9,assumed\n", encoding="utf-8"
    )
    (tmp_path / "pain.csv").write_text("name,value,iiv,iiv_source\nx,1,,\n", encoding="utf-8")
    found = SpreadFit({}, {}, {"plasticity_half": 0.25, "placebo_gain": 1.5}, 2.0, ())
    write_spread(found, tmp_path)
    rows = {
        row["name"]: row
        for path in tmp_path.glob("*.csv")
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    }
    assert rows["plasticity_half"] == {
        "name": "plasticity_half",
        "value": "1.8",
        "iiv": "0.25",
        "iiv_source": "spread_calibration",
    }
    assert (rows["occasion_error"]["value"], rows["placebo_gain"]["iiv"]) == ("2", "1.5")
    assert rows["other"]["iiv"] == "0.2"


def test_fitted_spreads_ship_with_their_source() -> None:
    for name in (*DRUG, *PLACEBO):
        assert load_parameters()[name].iiv_source == "spread_calibration", name
    error = load_parameters()["occasion_error"]
    assert error.low <= error.value <= error.high
