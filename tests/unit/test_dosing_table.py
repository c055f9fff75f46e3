"""Regimens as event tables."""

from __future__ import annotations

import pandas as pd
import pytest

from ketasim.dosing import EVENT_COLUMNS, Regimen, event_table, parse_regimen, regimen_from_table
from ketasim.errors import DoseError


def table(**columns: object) -> pd.DataFrame:
    """One right row, with some columns changed."""
    row: dict[str, object] = {"TIME": 0.0, "AMT": 35.0, "RATE": 70.0, "DUR": 0.5, "EVID": 1}
    row |= {"DRUG": "ketamine", "ROUTE": "iv_infusion", "DEVICE": 0}
    return pd.DataFrame([row | columns])


def test_the_columns_and_values_of_an_event_table() -> None:
    regimen = parse_regimen(
        "0.5 mg/kg ketamine iv over 30 min; 30 mg esketamine nasal, at 24 h; placebo oral, at 48 h"
    )
    frame = event_table(regimen, 70.0)
    assert tuple(frame.columns) == EVENT_COLUMNS
    assert list(frame["TIME"]) == [0.0, 24.0, 24.0 + 5.0 / 60.0, 48.0]
    assert list(frame["AMT"]) == [35.0, 28.0, 2.0, 0.0]
    assert list(frame["RATE"]) == [70.0, 0.0, 0.0, 0.0]
    assert list(frame["DUR"]) == [0.5, 0.0, 0.0, 0.0]
    assert list(frame["EVID"]) == [1, 1, 1, 2]
    assert list(frame["DEVICE"]) == [0, 0, 1, 0]
    assert list(frame["ROUTE"]) == ["iv_infusion", "intranasal", "intranasal", "oral"]


def test_an_empty_regimen_gives_an_empty_table_of_the_same_kinds() -> None:
    empty, full = event_table(Regimen(), 70.0), event_table(parse_regimen("5 mg ketamine im"), 70.0)
    assert len(empty) == 0
    assert list(empty.dtypes) == list(full.dtypes)
    assert regimen_from_table(empty) == Regimen()


def test_a_table_reads_back_as_the_doses_in_mg() -> None:
    regimen = parse_regimen(
        "0.5 mg/kg ketamine iv over 40 min; 84 mg esketamine nasal, on days 2, 5; saline im, at 9 h"
    )
    read = regimen_from_table(event_table(regimen, 70.0))
    assert read == parse_regimen(
        "35 mg ketamine iv over 40 min; 84 mg esketamine nasal, on days 2, 5; saline im, at 9 h"
    )


def test_nasal_doses_at_one_time_read_back_apart() -> None:
    regimen = parse_regimen("30 mg esketamine nasal; 58 mg esketamine nasal; 84 mg ketamine nasal")
    assert regimen_from_table(event_table(regimen, 70.0)) == regimen


def test_optional_columns_may_be_left_out() -> None:
    frame = table().drop(columns=["RATE", "EVID", "DEVICE"])
    assert regimen_from_table(frame) == parse_regimen("35 mg ketamine iv over 30 min")
    assert regimen_from_table(table().drop(columns=["DUR"])) == parse_regimen("35 mg ketamine iv over 30 min")


def test_a_whole_nasal_dose_in_one_row_is_one_dose() -> None:
    frame = table(AMT=84.0, RATE=0.0, DUR=0.0, DRUG="esketamine", ROUTE="intranasal")
    assert regimen_from_table(frame) == parse_regimen("84 mg esketamine intranasal")


def test_observation_rows_are_skipped() -> None:
    frame = pd.concat([table(), table(EVID=0, AMT=0.0, RATE=0.0, DUR=0.0)])
    assert regimen_from_table(frame) == regimen_from_table(table())


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"AMT": -1.0}, "row 2, column AMT: -1 must be a finite number that is not negative"),
        ({"AMT": float("nan")}, "row 2, column AMT"),
        ({"AMT": "much"}, "row 2, column AMT: 'much'"),
        ({"AMT": 0.0}, "row 2, column AMT: a dose (EVID 1) must be above 0"),
        ({"TIME": -1.0}, "row 2, column TIME"),
        (
            {"DRUG": "ketamin"},
            "row 2, column DRUG: unknown drug 'ketamin'; the nearest valid name is 'ketamine'",
        ),
        ({"ROUTE": "ivv"}, "row 2, column ROUTE: unknown route 'ivv'"),
        ({"EVID": 4}, "row 2, column EVID: 4 empties the body"),
        ({"EVID": 2}, "row 2, column AMT: 35 stands in an event that is no dose (EVID 2)"),
        ({"EVID": 1.5}, "row 2, column EVID: 1.5 must be a whole number"),
        ({"RATE": 60.0}, "row 2, column RATE: 60 over 0.5 is not the AMT of 35"),
        ({"RATE": 0.0, "DUR": 0.0}, "row 2, column DUR: an iv infusion needs one"),
        ({"ROUTE": "im"}, "row 2, column RATE: 70 must be 0 for the route 'im'"),
        ({"DEVICE": 1}, "row 2, column DEVICE: 1 must be 0"),
    ],
)
def test_a_wrong_value_names_row_and_column(columns: dict[str, object], message: str) -> None:
    frame = pd.concat([table(), table(**columns)])
    with pytest.raises(DoseError) as caught:
        regimen_from_table(frame)
    assert message in str(caught.value)


def test_devices_must_follow_each_other() -> None:
    frame = event_table(parse_regimen("84 mg esketamine intranasal"), 70.0)
    with pytest.raises(DoseError, match=r"row 2, column DEVICE: no full device 1 of esketamine"):
        regimen_from_table(frame.drop(index=1))
    with pytest.raises(DoseError, match=r"row 3, column AMT: 40 mg is more than one device of 28 mg"):
        regimen_from_table(frame.assign(AMT=[28.0, 28.0, 40.0]))


def test_a_wrong_column_gets_the_nearest_name() -> None:
    with pytest.raises(DoseError, match=r"unknown column 'AMOUNT'.*Allowed: ID; TIME; AMT"):
        regimen_from_table(table().assign(AMOUNT=1.0))
    with pytest.raises(DoseError, match="column AMT is missing"):
        regimen_from_table(table().drop(columns=["AMT"]))
