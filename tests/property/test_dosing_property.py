"""What holds for every regimen."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import (
    DOSE_UNITS,
    DRUGS,
    ROUTES,
    Dose,
    Regimen,
    event_table,
    parse_regimen,
    regimen_from_table,
)

WEIGHTS = st.floats(10.0, 300.0)
# Round times of schedules, and times that no schedule has.
STARTS = st.one_of(st.integers(0, 60).map(lambda day: 24.0 * day), st.floats(0.0, 1e5))


@st.composite
def doses(draw: st.DrawFn) -> Dose:
    drug = DRUGS[draw(st.sampled_from(sorted(DRUGS)))]
    route = ROUTES[draw(st.sampled_from(drug.routes))]
    units = [name for name, unit in DOSE_UNITS.items() if route.is_infusion or unit.per_time is None]
    unit = DOSE_UNITS[draw(st.sampled_from(units))]
    # At most 1 g a dose for the heaviest person, so that no nasal dose needs too many devices.
    largest = {"g": 0.1, "mg": 100.0}.get(unit.amount, 100.0) / (100.0 if unit.per_kg else 1.0)
    amount = draw(st.floats(1e-6, largest)) if drug.is_active else 0.0
    duration = draw(st.one_of(st.integers(1, 120).map(lambda m: m / 60.0), st.floats(1e-3, 200.0)))
    return Dose(
        drug.name, route.name, amount, unit.name, draw(STARTS), duration if route.is_infusion else None
    )


@st.composite
def regimens(draw: st.DrawFn) -> Regimen:
    several = draw(st.lists(doses(), max_size=4))
    repeated = [
        dose.at(dose.start_h + step * index)
        for dose, step, count in draw(
            st.lists(
                st.tuples(doses(), st.sampled_from([0.0, 12.0, 24.0, 72.0, 168.0, 1 / 3]), st.integers(1, 6)),
                max_size=2,
            )
        )
        for index in range(count)
    ]
    return Regimen(tuple(several + repeated))


@given(regimens())
@settings(max_examples=150, deadline=None)
def test_text_reads_back_as_the_same_regimen(regimen: Regimen) -> None:
    assert parse_regimen(regimen.text) == regimen
    assert parse_regimen(regimen.text).text == regimen.text


@given(regimens(), WEIGHTS)
@settings(max_examples=60, deadline=None)
def test_no_mass_is_lost_in_administrations_or_table(regimen: Regimen, weight: float) -> None:
    total = math.fsum(dose.mass_mg(weight) for dose in regimen.doses)
    # Rounding of one product and one difference a device.
    assert regimen.mass_mg(weight) == pytest.approx(total, rel=1e-12)
    assert float(event_table(regimen, weight)["AMT"].sum()) == pytest.approx(total, rel=1e-12)
    molar = math.fsum(
        amount * DRUGS[single.drug].molar_mass_g_mol / 1000.0
        for single in regimen.administrations(weight)
        for _, amount in single.amounts
    )
    assert molar == pytest.approx(total, rel=1e-12)


@given(regimens(), WEIGHTS, st.floats(0.0, 1e4))
@settings(max_examples=60, deadline=None)
def test_a_shift_moves_times_and_nothing_else(regimen: Regimen, weight: float, hours: float) -> None:
    before, after = regimen.administrations(weight), regimen.shifted(hours).administrations(weight)

    def content(single: object) -> tuple[object, ...]:
        return tuple(getattr(single, name) for name in ("drug", "route", "device", "duration_h", "amounts"))

    # Times that were a rounding apart may trade places, so each side is put in one order.
    assert sorted(map(content, before), key=repr) == sorted(map(content, after), key=repr)
    # One rounding of a sum below 1.2e5 h.
    assert [single.time_h for single in after] == pytest.approx([s.time_h + hours for s in before], abs=1e-10)


@given(regimens(), WEIGHTS)
@settings(max_examples=60, deadline=None)
def test_the_counterfactual_has_the_same_doses_without_drug(regimen: Regimen, weight: float) -> None:
    sham = regimen.without_active_drug()
    where = sorted((dose.start_h, dose.route, dose.duration_h or 0.0) for dose in regimen.doses)
    assert sorted((dose.start_h, dose.route, dose.duration_h or 0.0) for dose in sham.doses) == where
    assert all(single.amounts == () for single in sham.administrations(weight))


@given(regimens(), WEIGHTS)
@settings(max_examples=60, deadline=None)
def test_a_table_reads_back_as_a_regimen_with_the_same_table(regimen: Regimen, weight: float) -> None:
    frame = event_table(regimen, weight)
    again = event_table(regimen_from_table(frame), weight)
    order = ["TIME", "DRUG", "ROUTE", "AMT", "DUR"]
    first = frame.sort_values(order).reset_index(drop=True)
    second = again.sort_values(order).reset_index(drop=True)
    assert list(first["DRUG"]) == list(second["DRUG"])
    assert list(first["DEVICE"]) == list(second["DEVICE"])
    # Rounding of the sum over the devices of one dose.
    assert list(first["AMT"]) == pytest.approx(list(second["AMT"]), rel=1e-10, abs=1e-12)
    assert list(first["TIME"]) == list(second["TIME"])
