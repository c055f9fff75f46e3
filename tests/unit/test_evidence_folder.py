"""A folder of the user's own tables loads, and a broken one says what is wrong and where."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from ketasim import evidence
from ketasim.errors import EvidenceError

Change = Callable[[pd.DataFrame], None]


def write(folder: Path, change: Change | None = None, drop: str | None = None) -> Path:
    """Write two shipped rows as a user's table, after a change to them."""
    rows = evidence.load_observations(citation="daly2018", quantity="madrs_change").head(2).astype(object)
    rows = rows.where(rows.notna(), "")
    if change is not None:
        change(rows)
    if drop is not None:
        rows = rows.drop(columns=drop)
    rows.to_csv(folder / "observations.csv", index=False)
    return folder


def put(column: str, value: object) -> Change:
    """Set a cell of the second row."""

    def change(rows: pd.DataFrame) -> None:
        rows.loc[1, column] = value

    return change


def test_a_folder_with_the_same_columns_loads(tmp_path: Path) -> None:
    rows = evidence.load_observations(folder=write(tmp_path))
    shipped = evidence.load_observations(citation="daly2018", quantity="madrs_change").head(2)
    pd.testing.assert_frame_equal(rows[shipped.columns], shipped)
    assert evidence.check_tables(tmp_path) == []
    assert len(evidence.load_corrections(folder=tmp_path)) == 0


def test_columns_that_may_be_left_out_get_their_default(tmp_path: Path) -> None:
    folder = write(tmp_path, drop="statistic")
    assert set(evidence.load_observations(folder=folder)["statistic"]) == {"value"}


def test_own_publications_and_corrections_are_used(tmp_path: Path) -> None:
    write(tmp_path, put("citation", "mine2030"))
    (tmp_path / "publications.csv").write_text(
        "key,authors,year,title,journal,identifier\nmine2030,Mine A; Other B,2030,A trial,Trials,\n"
    )
    row = evidence.load_observations(folder=tmp_path).loc[1, "id"]
    (tmp_path / "corrections.csv").write_text(
        "id,table,column,action,reported,corrected,reason,source\n"
        f"{row},observations,value,exclude,,,printed twice with two values,the paper\n"
    )
    assert evidence.citation_text("mine2030", folder=tmp_path) == "Mine A and Other B 2030, Trials"
    assert row not in set(evidence.load_observations(folder=tmp_path)["id"])
    assert row in set(evidence.load_observations(folder=tmp_path, excluded=True)["id"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put("value", "minus nine"), r"line 3, row 'CLIN0244', column 'value': 'minus nine'.*number"),
        (put("value", "inf"), r"column 'value': 'inf'.*finite"),
        (put("unit", "ampere"), r"row 'CLIN0244', column 'unit': unit 'ampere' has a dimension"),
        (put("unit", "furlongg"), r"row 'CLIN0244', column 'unit': unknown unit 'furlongg'"),
        (put("unit", ""), r"column 'unit': is empty beside a value"),
        (put("drug", "esketamin"), r"column 'drug': unknown drug 'esketamin'; the nearest.*'esketamine'"),
        (put("route", "nasal"), r"column 'route': unknown route 'nasal'; the nearest.*'intranasal'"),
        (put("seen", "recaled"), r"column 'seen'.*'recalled'"),
        (put("spread_kind", "sdd"), r"column 'spread_kind'.*'sd'"),
        (put("spread_kind", "none"), r"column 'spread_kind': is 'none' beside a spread"),
        (put("spread_kind", "ci95"), r"lower and the upper limit"),
        (put("spread_low", -1), r"column 'spread_low': must hold the se"),
        (put("source_kind", "measurd"), r"column 'source_kind'.*'measured'"),
        (put("sampling_site", "venous"), r"column 'sampling_site'.*not_applicable"),
        (put("citation", "daly2081"), r"column 'citation'.*'daly2018'"),
        (put("citation", ""), r"column 'citation'.*needs the key of its source"),
        (put("duplicate_of", "CLIN9999"), r"column 'duplicate_of': unknown row 'CLIN9999'"),
        (put("id", "CLIN0243"), r"row 'CLIN0243': the id is already in observations.csv"),
        (put("n", 0), r"column 'n': 0 is out of range"),
        (put("time_h", -2), r"column 'time_h': -2 is out of range"),
        (put("quantity", "MADRS change"), r"column 'quantity'.*small letters"),
        (put("source_url", "C:/papers/daly.pdf"), r"column 'source_url'.*web address"),
    ],
)
def test_a_broken_cell_gives_its_error(tmp_path: Path, change: Change, message: str) -> None:
    folder = write(tmp_path, change)
    with pytest.raises(EvidenceError, match=message):
        evidence.load_observations(folder=folder)
    assert evidence.check_tables(folder) != []


@pytest.mark.parametrize(
    ("unit", "value", "message"),
    [
        ("direction", 0.5, "no direction"),
        ("binary", 2, "yes or no"),
        ("probability", 55, "0.25 for 25 percent"),
    ],
)
def test_a_value_must_fit_its_unit(tmp_path: Path, unit: str, value: float, message: str) -> None:
    def change(rows: pd.DataFrame) -> None:
        rows.loc[1, ["unit", "value"]] = [unit, value]

    with pytest.raises(EvidenceError, match=message):
        evidence.load_observations(folder=write(tmp_path, change))


def test_a_value_outside_its_own_interval_is_an_error(tmp_path: Path) -> None:
    def change(rows: pd.DataFrame) -> None:
        rows.loc[1, ["spread_kind", "spread_low", "spread_high"]] = ["ci95", 1, 2]

    with pytest.raises(EvidenceError, match="outside its own limits 1 to 2"):
        evidence.load_observations(folder=write(tmp_path, change))


def test_a_seen_row_may_not_hide_behind_a_recalled_one(tmp_path: Path) -> None:
    def change(rows: pd.DataFrame) -> None:
        rows.loc[0, "seen"] = "recalled"
        rows.loc[1, "duplicate_of"] = rows.loc[0, "id"]

    with pytest.raises(EvidenceError, match=r"is recalled.*swap the two"):
        evidence.load_observations(folder=write(tmp_path, change))


def test_a_wrong_correction_is_reported(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "corrections.csv").write_text(
        "id,table,column,action,reported,corrected,reason,source\n"
        "CLIN0243,observations,value,correct,-9.7,-97,a misprint,the paper\n"
        "CLIN0243,observations,valu,flag,,,a misprint,the paper\n"
        "CLIN0243,observations,value,flag,,,,the paper\n"
        "CLIN0243,observations,value,drop,,,a misprint,the paper\n"
    )
    held, column, reason, action = evidence.check_tables(tmp_path)
    assert "holds -9.7, not the corrected '-97'" in held
    assert "'value'" in column
    assert "reason" in reason
    assert "unknown action 'drop'" in action


def test_a_missing_column_and_an_unknown_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="column 'seen' is missing"):
        evidence.load_observations(folder=write(tmp_path, drop="seen"))
    frame = pd.read_csv(write(tmp_path) / "observations.csv").rename(columns={"spread_low": "spread_lo"})
    frame.to_csv(tmp_path / "observations.csv", index=False)
    with pytest.raises(EvidenceError, match=r"line 1: unknown column 'spread_lo'; the nearest.*'spread_low'"):
        evidence.load_observations(folder=tmp_path)


def test_a_missing_folder_file_or_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no such folder"):
        evidence.load_observations(folder=tmp_path / "nowhere")
    with pytest.raises(EvidenceError, match=r"no such file; the folder holds no csv file"):
        evidence.load_observations(folder=tmp_path)
    (tmp_path / "observations.csv").write_text("")
    with pytest.raises(EvidenceError, match="the file is empty"):
        evidence.load_observations(folder=tmp_path)
    (tmp_path / "observations.csv").write_bytes(b"\xff\xfe\x00id")
    with pytest.raises(EvidenceError, match="UTF-8"):
        evidence.load_observations(folder=tmp_path)
