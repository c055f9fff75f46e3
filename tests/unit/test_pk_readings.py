"""The table that ties published exposures to regimens is whole, sound and in one set of units."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from ketasim import evidence
from ketasim.dosing import parse_regimen
from ketasim.errors import EvidenceError
from ketasim.evidence import readings
from ketasim.evidence.readings import load_readings


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return load_readings().set_index("row")


def test_every_seen_human_row_is_tied_or_has_a_reason(table: pd.DataFrame) -> None:
    for load in (evidence.load_observations, evidence.load_parameters):
        rows = load("pk", duplicates=True)
        human = rows.loc[rows["species"].isin(["human", "human_children"]), "id"]
        assert set(human) - set(table.index) == set()


def test_no_row_is_from_memory(table: pd.DataFrame) -> None:
    recalled: set[str] = set()
    for load in (evidence.load_observations, evidence.load_parameters):
        rows = load(seen_only=False, duplicates=True, excluded=True)
        recalled |= set(rows.loc[rows["seen"].eq("recalled"), "id"])
    assert {"pk_o018", "pk_p121", "pk_p144"} <= recalled
    assert recalled.isdisjoint(table.index)


def test_every_regimen_is_read_and_gives_an_active_dose(table: pd.DataFrame) -> None:
    tied = table[table["use"] != "none"]
    for text in tied["regimen"].unique():
        assert any(dose.is_active for dose in parse_regimen(text).doses), text


def test_rows_left_out_say_why_and_carry_nothing(table: pd.DataFrame) -> None:
    out = table[table["use"] == "none"]
    assert (out["reason"].str.len() > 0).all()
    assert out["value"].isna().all()
    assert (out["weight_share"] == 0.0).all()
    assert {"pk_o020", "pk_o1137", "pk_o1138"} <= set(out.index)


def test_values_are_positive_and_in_the_unit_of_their_read_out(table: pd.DataFrame) -> None:
    tied = table[table["use"] != "none"]
    assert (tied["value"] > 0.0).all()
    assert list(tied["unit"]) == [readings.READ_OUTS[name] for name in tied["statistic"]]


@pytest.mark.parametrize(
    ("row", "value", "unit"),
    [
        ("pk_o1001", 0.1137 * 237.7, "ng/mL"),  # uM of ketamine by its molar mass
        ("pk_o1120", 0.2157 * 239.7, "ng/mL"),  # uM of HNK
        ("pk_o1091", 0.0005 * 221.7, "ng/mL"),  # uM of DHNK
        ("pk_o003", 4.7 * 223.7, "ng/mL"),  # uM of norketamine
        ("pk_o021", 96.0, "ng/mL"),
        ("pk_o015", math.sqrt(70.0 * 160.0), "ng/mL"),  # geometric middle of a range
        ("pk_p117", math.sqrt(7.0 * 12.0), "h"),
        ("pk_p119", math.sqrt(20.0 * 40.0) / 60.0, "h"),
        ("pk_p122", 18.1 * 70.0 * 60.0 / 1000.0, "L/h"),  # mL/min/kg of 70 kg
        ("pk_p125", 1620.0 * 60.0 / 1000.0, "L/h"),
        ("pk_p127", 6.6 * 70.0, "L"),
        ("pk_p150", 0.86, "ratio"),  # a printed change of -14 %
        ("pk_p151", 0.14, "ratio"),
    ],
)
def test_conversions(table: pd.DataFrame, row: str, value: float, unit: str) -> None:
    # The inputs carry at most five digits; the arithmetic here is exact but for rounding.
    assert table.loc[row, "value"] == pytest.approx(value, rel=1e-12)
    assert table.loc[row, "unit"] == unit


def test_spreads_follow_the_value(table: pd.DataFrame) -> None:
    # The SD of 3.2 mL/min/kg becomes L/h of 70 kg as the clearance does.
    assert table.loc["pk_p122", "spread_low"] == pytest.approx(3.2 * 4.2, rel=1e-12)
    assert table.loc["pk_o001", "spread_low"] == pytest.approx(0.8 * 237.7, rel=1e-12)
    low, value, high = (table.loc["pk_p149", name] for name in ("spread_low", "value", "spread_high"))
    assert (low, value, high) == (2.4, 3.0, 3.6)


def test_time_courses_and_model_output_are_marked(table: pd.DataFrame) -> None:
    curves = table[table["citation"] == "kamp2020bja"]
    assert len(curves) == 120
    assert set(curves["kind"]) == {"measured"}
    assert set(curves["site"] + " " + curves["site_basis"]) == {"arterial inferred"}
    faint = curves[curves["reason"].str.contains("faint")]
    assert set(faint["quantity"]) == {"r_norketamine", "hnk"}
    assert set(faint["weight_share"]) == {0.1}
    nasal = table[table["citation"].eq("perezruixo2021") & table["route"].eq("nasal")]
    assert set(nasal["kind"]) == {"model_output"}
    assert nasal["ancestry"].value_counts()["japanese"] == 24


def test_infusion_after_the_film_keeps_the_film(table: pd.DataFrame) -> None:
    doses = parse_regimen(table.loc["pk_o040", "regimen"]).doses
    assert [dose.route for dose in doses] == ["sublingual", "iv_infusion"]
    assert doses[1].start_h == table.loc["pk_o040", "time_h"] == 6.0


def test_filter_by_use() -> None:
    fitted = load_readings(use="fit")
    assert set(fitted["use"]) == {"fit"}
    both = load_readings(use=("fit", "check"))
    assert len(fitted) < len(both) < len(load_readings())
    with pytest.raises(EvidenceError, match="'fit'"):
        load_readings(use="fitt")


def test_a_change_to_the_result_stays_with_the_caller() -> None:
    first = load_readings()
    first["value"] = 0.0
    assert (load_readings(use="fit")["value"] > 0.0).all()


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("statistic", "c_max", "unknown statistic 'c_max'"),
        ("quantity", "s_ketamin", "'s_ketamine'"),
        ("site", "capillary", "valid names are arterial, venous"),
        ("use", "fitted", "'fit'"),
        ("regimen", "", "is empty"),
        ("reference", "ketamine", "be empty otherwise"),
        ("modifier", "rifampicin", "goes with a modifier ratio"),
        ("weight_share", 1.5, "no share"),
        ("kind", "model_output", "disagrees"),
        ("row", "pk_o018", "from memory"),
        ("row", "pk_o9999", "no such row"),
        ("row", "pk_o1137", "second row"),
    ],
)
def test_a_fault_is_named_with_its_line(column: str, text: object, said: str) -> None:
    frame = readings._shipped()
    line = int((frame["row"] == "pk_o021").to_numpy().argmax())
    if column == "row":
        frame = frame[frame["row"] != text].reset_index(drop=True)
        line = int((frame["row"] == "pk_o021").to_numpy().argmax())
    frame.loc[line, column] = text
    problems = list(readings._problems(readings._join(frame)))
    assert len(problems) >= 1
    assert all(problem.startswith(f"line {line + 2},") for problem in problems)
    assert pd.Series(problems).str.contains(said).any()
