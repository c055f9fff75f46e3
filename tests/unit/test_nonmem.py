"""NONMEM tables: what they say, what is refused, and how fast they are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.dosing import DRUGS, Dose, Regimen, parse_regimen
from ketasim.dosing.nonmem import COMPARTMENTS, nonmem_table, read_nonmem, write_nonmem
from ketasim.dosing.nonmem_columns import into_vein
from ketasim.errors import DoseError, UnitError


def rows(*given: dict[str, object]) -> pd.DataFrame:
    """Rows of a table, each an oral dose of 50 mg at 0 h with some cells changed."""
    plain: dict[str, object] = {"ID": 1, "TIME": 0.0, "AMT": 50.0, "RATE": 0.0, "DUR": 0.0, "EVID": 1}
    plain |= {"II": 0.0, "ADDL": 0, "SS": 0, "CMT": 5, "DV": np.nan, "MDV": 1}
    return pd.DataFrame([plain | cells for cells in given])


SAMPLE: dict[str, object] = {"AMT": 0.0, "EVID": 0, "MDV": 0, "CMT": 1}


def test_a_dose_may_have_further_doses() -> None:
    data = read_nonmem(rows({"II": 8.0, "ADDL": 2}))
    assert data.regimen(1) == parse_regimen("50 mg ketamine oral, every 8 h x 3")


def test_a_steady_state_is_the_first_dose_of_an_endless_course() -> None:
    data = read_nonmem(rows({"II": 8.0, "ADDL": 1, "SS": 1}, {"CMT": 15, "II": 24.0, "SS": 2}))
    expected = (
        Dose("ketamine", "oral", 50.0, "mg", steady_state_h=8.0),
        Dose("ketamine", "oral", 50.0, "mg", 8.0),
        Dose("esketamine", "oral", 50.0, "mg", steady_state_h=24.0),
    )
    assert data.regimen(1) == Regimen(expected)


def test_into_a_vein_with_a_rate_is_an_infusion_and_without_a_bolus() -> None:
    data = read_nonmem(rows({"CMT": 1}, {"CMT": 1, "RATE": 100.0}, {"CMT": 1, "DUR": 2.0}))
    assert data.regimen(1) == parse_regimen(
        "50 mg ketamine iv bolus; 50 mg ketamine iv over 30 min; 50 mg ketamine iv over 2 h"
    )


def test_only_time_and_amount_must_be_there() -> None:
    frame = pd.DataFrame({"TIME": [0.0, 1.0], "AMT": [50.0, 0.0], "DRUG": "ketamine", "ROUTE": "im"})
    data = read_nonmem(frame)
    assert data.ids == (1.0,)
    assert data.regimens == (parse_regimen("50 mg ketamine im"),)
    assert data.observations["MDV"].tolist() == [1]


def test_words_state_uptake_and_form() -> None:
    words = {"DRUG": "S-ketamine", "ROUTE": "subcutaneous", "FORM": "hydrochloride", "F": 0.9, "KA": 2.5}
    (dose,) = read_nonmem(rows(words | {"CMT": 13})).regimen(1).doses
    assert dose == Dose("esketamine", "sc", 50.0, "mg", 0.0, None, "hydrochloride", 0.9, 2.5)


def test_units_of_time_and_amount() -> None:
    frame = rows({"TIME": 30.0, "CMT": 1, "RATE": 2.5, "II": 60.0, "ADDL": 1})
    doses = read_nonmem(frame, time_unit="min", amount_unit="umol").regimen(1).doses
    assert [dose.start_h for dose in doses] == pytest.approx([0.5, 1.5], rel=1e-15)
    assert {dose.unit for dose in doses} == {"umol"}
    # One quotient and one product are rounded.
    assert [dose.duration_h for dose in doses] == pytest.approx([1.0 / 3.0] * 2, rel=1e-15)
    with pytest.raises(UnitError, match=r"amount_unit: unknown unit 'mg/kg'.*multiply"):
        read_nonmem(frame, amount_unit="mg/kg")
    with pytest.raises(UnitError, match="time_unit: 'mg' is not a unit of time"):
        read_nonmem(frame, time_unit="mg")


def test_observations_and_covariates_that_change_with_time() -> None:
    frame = rows({}, {**SAMPLE, "TIME": 1.5, "DV": 20.0}, {"TIME": 2.0, "AMT": 0.0, "EVID": 2, "CMT": 0})
    data = read_nonmem(frame.assign(WT=[70.0, 71.0, np.nan], SITE="north"))
    assert data.observations[["TIME", "DV", "CMT", "MDV"]].to_numpy().tolist() == [[1.5, 20.0, 1.0, 0.0]]
    assert data.covariates["WT"].tolist()[:2] == [70.0, 71.0]
    assert list(data.covariates.columns) == ["ID", "TIME", "WT"]
    assert len(data.regimen(1).doses) == 1


def test_a_placebo_is_a_visit() -> None:
    data = read_nonmem(rows({"EVID": 2, "AMT": 0.0, "CMT": 51, "DUR": 0.5}))
    assert data.regimen(1) == parse_regimen("placebo iv over 30 min")


def test_own_compartments() -> None:
    frame = rows({"CMT": 2})
    assert read_nonmem(frame, compartments={2: ("S-ketamine", "nasal")}).regimen(1) == parse_regimen(
        "50 mg esketamine intranasal"
    )
    with pytest.raises(
        DoseError, match=r"row 1, column CMT: 2 does not say what is given.*: 1 ketamine oral\."
    ):
        read_nonmem(frame, compartments={1: ("ketamine", "oral")})
    with pytest.raises(DoseError, match=r"compartments\[1\]: unknown drug 'ketamin'; the nearest"):
        read_nonmem(frame, compartments={1: ("ketamin", "oral")})


def test_every_drug_and_route_has_one_compartment() -> None:
    every = {(drug.name, into_vein(route)) for drug in DRUGS.values() for route in drug.routes}
    assert set(COMPARTMENTS.values()) == every
    assert len(COMPARTMENTS) == len(every)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"RATE": -1.0}, "RATE: -1 asks for a rate or duration that a NONMEM model estimates"),
        ({"RATE": -2.0}, "RATE: -2 asks for"),
        ({"CMT": 1, "RATE": 100.0, "DUR": 1.0}, "RATE: 100 over 1 is not the AMT of 50"),
        ({"RATE": 5.0}, "RATE: 5 must be 0 for the route 'oral'"),
        ({"EVID": 3}, "EVID: 3 empties the body"),
        ({"EVID": 4}, "EVID: 4 empties the body"),
        ({"EVID": 7}, "EVID: 7 is not known; allowed: 0"),
        ({"EVID": 0}, "AMT: 50 stands in an observation (EVID 0)"),
        ({"AMT": 0.0}, "AMT: a dose (EVID 1) must be above 0"),
        ({"AMT": -5.0}, "AMT: -5 must be a finite number that is not negative"),
        ({"AMT": np.inf}, "AMT: inf must be a finite number"),
        ({"AMT": "5O"}, "AMT: '5O' is not a number"),
        ({"TIME": np.nan}, "TIME: is missing"),
        ({"ADDL": 2}, "II: 0 does not fit ADDL 2"),
        ({"SS": 2}, "II: 0 does not fit SS 2"),
        ({"II": 8.0}, "II: 8 has no use without ADDL or SS"),
        ({"ADDL": 1.5, "II": 8.0}, "ADDL: 1.5 must be a whole number"),
        ({"SS": 3, "II": 8.0}, "SS: 3 is not known"),
        ({"SS": 1, "II": 8.0}, "SS: 1 would wipe out the earlier doses of this subject; write 2"),
        ({"SS": 2, "II": 8.0, "CMT": 1, "DUR": 9.0}, "II: infusions of 9 h cannot be given every 8 h"),
        ({"DV": 20.0}, "DV: 20 stands in a row that is no observation"),
        ({"MDV": 0}, "MDV: 0 must be 1 in a row that is no observation"),
        ({"MDV": 2}, "MDV: 2 is not known"),
        ({**SAMPLE}, "DV: is missing while MDV is 0"),
        ({"CMT": 99}, "CMT: 99 does not say what is given"),
        ({"CMT": 0}, "CMT: nothing does not say what is given"),
        ({"DRUG": "ketamine"}, "ROUTE: is missing; DRUG and ROUTE go together"),
        ({"DRUG": "ketamine", "ROUTE": "im"}, "CMT: 5 is ketamine oral, but DRUG and ROUTE say ketamine im"),
        ({"DRUG": "ketamin", "ROUTE": "oral"}, "DRUG: unknown drug 'ketamin'; the nearest valid name"),
        ({"CMT": 51}, "EVID: 1 does not fit placebo"),
        ({"CMT": 3}, "F: a dose by 'sc' must state its bioavailability"),
        ({"CMT": 3, "F": 1.5, "KA": 1.0}, "F: 1.5 is no share of a dose"),
        ({"F": 0.5}, "F: 0.5 cannot be stated for 'oral'"),
        ({"FORM": "salt"}, "FORM: unknown form 'salt'"),
        ({"DEVICE": 1}, "DEVICE: 1 must be 0"),
        ({"ADDL": 10_000, "II": 1.0}, "ADDL: the subject has 10002 doses by this row"),
    ],
)
def test_a_wrong_cell_names_row_and_column(cells: dict[str, object], message: str) -> None:
    frame = rows({}, cells)
    # Columns of ours are added by the wrong row alone.
    for name, blank in (("DRUG", None), ("ROUTE", None), ("F", np.nan), ("DEVICE", 0)):
        if name not in frame:
            frame[name] = blank
    with pytest.raises(DoseError) as caught:
        read_nonmem(frame)
    assert f"event table, row 2, column {message}" in str(caught.value)


def test_doses_of_one_subject_share_the_absorption_rate() -> None:
    first = {"CMT": 3, "F": 0.9, "KA": 2.5}
    with pytest.raises(DoseError, match=r"row 2, column KA: 3 /h, but row 1 has 2.5 /h; all sc doses"):
        read_nonmem(rows(first, first | {"KA": 3.0}))
    assert len(read_nonmem(rows(first, first | {"KA": 3.0, "ID": 2}))) == 2


def test_rows_of_a_subject_stand_together_in_order_of_time() -> None:
    with pytest.raises(DoseError, match=r"row 3, column ID: 1 comes back after another ID"):
        read_nonmem(rows({}, {"ID": 2}, {}))
    with pytest.raises(DoseError, match=r"row 2, column TIME: 1 is before 2 in the row above"):
        read_nonmem(rows({"TIME": 2.0}, {"TIME": 1.0}))


def test_the_first_of_many_wrong_rows_is_told_and_the_others_counted() -> None:
    with pytest.raises(DoseError, match=r"row 2, column RATE.* 2 more rows are wrong too\."):
        read_nonmem(rows({}, {"RATE": -1.0}, {"SS": 9}, {"AMT": -1.0}))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"AMT": "AMOUNT"}, r"column AMT is missing.*Is it 'AMOUNT'\?"),
        ({"AMT": "amt"}, r"unknown column 'amt'; the nearest valid name is 'AMT'"),
        ({"DV": "RATE"}, r"column RATE is there twice"),
        ({"DV": "DATE"}, r"column DATE would change what TIME means"),
    ],
)
def test_a_wrong_column(names: dict[str, str], message: str) -> None:
    with pytest.raises(DoseError, match=message):
        read_nonmem(rows({}).rename(columns=names))


def test_a_file_comes_back_as_it_was_written(tmp_path: Path) -> None:
    frame = rows({"TIME": 0.1 + 0.2}, {**SAMPLE, "TIME": 1.0 / 3.0, "DV": 1e-17}).assign(SEX=[0, 1])
    write_nonmem(read_nonmem(frame), tmp_path / "a.csv")
    text = (tmp_path / "a.csv").read_text()
    assert text.splitlines()[1].split(",")[10] == "."
    pd.testing.assert_frame_equal(read_nonmem(tmp_path / "a.csv").to_frame(), frame, check_exact=True)


def test_a_file_may_have_a_hash_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("C,ID,TIME,AMT,CMT\n.,1,0,50,5\nC,1,x,50,5\n.,1,3,-50,5\n")
    with pytest.raises(DoseError, match=r"^a\.csv, row 3, column AMT: -50"):
        read_nonmem(path)
    path.write_text("#ID,TIME,AMT,CMT\n7,0,50,5\n")
    assert read_nonmem(path).regimen(7) == parse_regimen("50 mg ketamine oral")
    with pytest.raises(DoseError, match="cannot be read as an event table"):
        read_nonmem(tmp_path / "none.csv")


def test_an_unknown_subject() -> None:
    with pytest.raises(DoseError, match="unknown ID '2'"):
        read_nonmem(rows({})).regimen(2)


def test_a_table_of_regimens_with_observations_and_covariates() -> None:
    regimens = [parse_regimen("1 mg/kg ketamine im, daily x 4"), parse_regimen("placebo im")]
    seen = pd.DataFrame({"ID": [1, 2], "TIME": [24.0, 1.0], "DV": [5.0, np.nan]})
    frame = nonmem_table(
        regimens, [60.0, 80.0], observations=seen, covariates={"WT": [60.0, 80.0]}, compact=True
    )
    assert frame[["ID", "TIME", "AMT", "EVID", "II", "ADDL", "MDV", "WT"]].to_numpy().tolist() == [
        [1.0, 0.0, 60.0, 1.0, 24.0, 3.0, 1.0, 60.0],
        [1.0, 24.0, 0.0, 0.0, 0.0, 0.0, 0.0, 60.0],
        [2.0, 0.0, 0.0, 2.0, 0.0, 0.0, 1.0, 80.0],
        [2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 80.0],
    ]
    data = read_nonmem(frame)
    assert data.regimens == (parse_regimen("60 mg ketamine im, daily x 4"), parse_regimen("placebo im"))


def test_an_observation_stands_before_a_dose_at_its_time() -> None:
    frame = nonmem_table(parse_regimen("5 mg ketamine im"), 70.0, observations=pd.DataFrame({"TIME": [0.0]}))
    assert frame["EVID"].tolist() == [0, 1]


def test_numbers_of_persons_must_agree() -> None:
    with pytest.raises(DoseError, match="weights_kg: 2 values for 1 regimens"):
        nonmem_table(Regimen(), [70.0, 80.0])
    with pytest.raises(DoseError, match="observations, row 1, column ID: no regimen has the ID 3"):
        nonmem_table([Regimen()] * 2, 70.0, observations=pd.DataFrame({"ID": [3], "TIME": [0.0]}))
    with pytest.raises(DoseError, match="covariates: 'WT' must have one value a person"):
        nonmem_table(Regimen(), 70.0, covariates={"WT": []})


def test_regimens_are_made_only_when_they_are_asked_for() -> None:
    """Ten thousand subjects must be read in seconds: so reading them makes no dose of each."""
    count = 10_000
    one = rows(
        {"ADDL": 3, "II": 24.0}, *({**SAMPLE, "TIME": float(hour), "DV": 1.0} for hour in range(1, 10))
    )
    frame = pd.concat([one] * count, ignore_index=True)
    frame["ID"] = np.repeat(np.arange(1, count + 1), len(one))
    data = read_nonmem(frame)
    assert len(data) == count
    assert "regimens" not in vars(data)
    assert data.regimen(count) == parse_regimen("50 mg ketamine oral, daily x 4")


@pytest.mark.parametrize(("column", "value"), [("ADDL", 1e19), ("CMT", 1e30)])
def test_a_whole_number_that_no_table_can_mean_is_refused(column: str, value: float) -> None:
    row = {"ID": 1, "TIME": 0.0, "AMT": 20.0, "EVID": 1, "CMT": 2, "II": 24.0, "ADDL": 2} | {column: value}
    with pytest.raises(DoseError, match=f"{column}.*at most 1e"):
        read_nonmem(pd.DataFrame([row]))
