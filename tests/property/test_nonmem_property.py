"""What holds for every NONMEM table."""

from __future__ import annotations

from dataclasses import replace
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import DRUGS, FORMS, ROUTES, Dose, Regimen
from ketasim.dosing.nonmem import COMPARTMENTS, nonmem_table, read_nonmem, write_nonmem

HOURS = st.one_of(st.integers(0, 400).map(float), st.floats(0.0, 1e4))
ACTIVE = sorted(number for number, (drug, _) in COMPARTMENTS.items() if DRUGS[drug].is_active)


@st.composite
def doses(draw: st.DrawFn) -> Dose:
    drug = DRUGS[draw(st.sampled_from(sorted(DRUGS)))]
    route = ROUTES[draw(st.sampled_from(drug.routes))]
    unit = draw(st.sampled_from(("mg", "mg/kg", "mg/m2", "umol")))
    duration = draw(st.floats(0.01, 6.0)) if route.is_infusion else None
    share = drug.is_active and (
        route.needs_absorption or (route.takes_bioavailability and draw(st.booleans()))
    )
    return Dose(
        drug.name,
        route.name,
        draw(st.floats(0.01, 3.0)) if drug.is_active else 0.0,
        unit,
        draw(HOURS),
        duration,
        draw(st.sampled_from(FORMS)) if drug.salt_factor is not None else "base",
        draw(st.floats(0.01, 1.0)) if share else None,
        # Doses of a person by one route share their rate.
        2.5 if drug.is_active and route.needs_absorption else None,
        draw(st.one_of(st.none(), st.floats(6.0, 48.0))) if drug.is_active else None,
    )


@st.composite
def regimens(draw: st.DrawFn) -> Regimen:
    course = [
        dose.at(dose.start_h + index * step).at_steady_state(dose.steady_state_h if index == 0 else None)
        for dose, step, count in draw(
            st.lists(st.tuples(doses(), st.sampled_from([8.0, 24.0, 0.1]), st.integers(1, 5)), max_size=3)
        )
        for index in range(count)
    ]
    return Regimen(tuple(course))


def in_mg(regimen: Regimen, weight: float, height: float) -> Regimen:
    """The same regimen with each dose as the mass that this person gets."""
    return Regimen(
        tuple(
            replace(dose, amount=dose.mass_mg(weight, height), unit="mg", form="base")
            for dose in regimen.doses
        )
    )


@given(st.lists(regimens(), min_size=1, max_size=3), st.floats(30.0, 150.0), st.booleans())
@settings(max_examples=60, deadline=None)
def test_regimens_read_back_from_their_table(courses: list[Regimen], weight: float, compact: bool) -> None:
    frame = nonmem_table(courses, weight, heights_m=1.7, compact=compact)
    data = read_nonmem(frame)
    given = {name + 1: in_mg(course, weight, 1.7) for name, course in enumerate(courses) if course.doses}
    assert {name: data.regimen(name) for name in data.ids} == given
    again = nonmem_table(list(data.regimens), weight, ids=[int(name) for name in data.ids], compact=compact)
    pd.testing.assert_frame_equal(again, frame, check_exact=True)


@given(regimens(), st.floats(30.0, 150.0))
@settings(max_examples=40, deadline=None)
def test_nasal_devices_read_back_as_their_doses(course: Regimen, weight: float) -> None:
    frame = nonmem_table(course, weight, heights_m=1.7, devices=True)
    (*read,) = read_nonmem(frame).regimens
    expected, found = in_mg(course, weight, 1.7).doses, read[0].doses if read else ()
    plain = [replace(dose, amount=1.0) if dose.is_active else dose for dose in expected]
    assert sorted(map(repr, plain)) == sorted(
        repr(replace(dose, amount=1.0) if dose.is_active else dose) for dose in found
    )
    # Rounding of the sum over the devices of one dose.
    assert sorted(dose.amount for dose in found) == pytest.approx(
        sorted(d.amount for d in expected), rel=1e-12
    )


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    rows: list[dict[str, object]] = []
    for name in range(draw(st.integers(1, 3))):
        for time in sorted(draw(st.lists(HOURS, min_size=1, max_size=5))):
            row: dict[str, object] = {"ID": name, "TIME": time, "AMT": 0.0, "EVID": 0, "CMT": 1, "II": 0.0}
            row |= {"RATE": 0.0, "ADDL": 0, "DV": draw(st.one_of(st.none(), st.floats(-1e3, 1e3)))}
            number = draw(st.sampled_from(ACTIVE))
            route = COMPARTMENTS[number][1]
            if draw(st.booleans()) and not ROUTES[route].takes_bioavailability:
                row |= {"AMT": draw(st.floats(0.1, 100.0)), "EVID": 1, "CMT": number, "DV": None}
                row["RATE"] = draw(st.sampled_from([0.0, 20.0])) if route == "iv_infusion" else 0.0
                row |= draw(st.sampled_from([{}, {"II": 12.0, "ADDL": 2}, {"II": 0.7, "ADDL": 1}]))
            rows.append(
                row | {"WT": draw(st.floats(40.0, 120.0)), "SITE": draw(st.sampled_from(["a", "b c"]))}
            )
    frame = pd.DataFrame(rows)
    optional = draw(st.lists(st.sampled_from(["WT", "SITE"]), unique=True))
    frame = frame.drop(columns=optional).astype({"DV": "float64"})
    return frame[draw(st.permutations(list(frame.columns)))]


@given(tables(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_table_comes_back_exactly(frame: pd.DataFrame, by_file: bool) -> None:
    before = frame.copy()
    data = read_nonmem(frame)
    if by_file:
        with TemporaryDirectory() as folder:
            write_nonmem(data, f"{folder}/table.csv")
            data = read_nonmem(f"{folder}/table.csv")
    pd.testing.assert_frame_equal(data.to_frame(), before, check_exact=True)
    pd.testing.assert_frame_equal(frame, before, check_exact=True)


@given(tables())
@settings(max_examples=60, deadline=None)
def test_doses_are_the_rows_written_out_by_hand(frame: pd.DataFrame) -> None:
    data = read_nonmem(frame)
    for name, rows in frame.groupby("ID"):
        expected = [
            (row.TIME + index * row.II, row.AMT, row.AMT / row.RATE if row.RATE else None)
            for row in rows.itertuples()
            if row.EVID == 1
            for index in range(row.ADDL + 1)
        ]
        found = [(dose.start_h, dose.amount, dose.duration_h) for dose in data.regimen(float(name)).doses]
        assert sorted(found, key=repr) == sorted(expected, key=repr)
