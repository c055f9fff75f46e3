"""What holds for every regimen."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import (
    DOSE_UNITS,
    DRUGS,
    ROUTES,
    Administration,
    Dose,
    Regimen,
    event_table,
    parse_regimen,
    regimen_from_table,
)

WEIGHTS = st.floats(10.0, 300.0)
# Round times of schedules, and times that no schedule has.
STARTS = st.one_of(st.integers(0, 60).map(lambda day: 24.0 * day), st.floats(0.0, 1e5))


HEIGHTS = st.floats(1.2, 2.2)
# One rate a route, as a regimen must have.
RATES = {"sc": 2.5, "rectal": 1.0 / 3.0}


@st.composite
def doses(draw: st.DrawFn, plain: bool = False) -> Dose:
    """A dose of any kind; a plain one is what a table of masses can hold."""
    drug = DRUGS[draw(st.sampled_from(sorted(DRUGS)))]
    routes = [ROUTES[name] for name in drug.routes]
    route = draw(st.sampled_from([r for r in routes if not (plain and r.takes_bioavailability)]))
    units = [name for name, unit in DOSE_UNITS.items() if route.is_infusion or unit.per_time is None]
    unit = DOSE_UNITS[draw(st.sampled_from([u for u in units if not (plain and DOSE_UNITS[u].per_m2)]))]
    # At most 1 g a dose for the heaviest person, so that no nasal dose needs too many devices.
    scale = 100.0 if unit.per_kg or unit.per_m2 else 1.0
    amount = draw(st.floats(1e-6, (0.1 if unit.amount == "g" else 100.0) / scale)) if drug.is_active else 0.0
    duration = draw(st.one_of(st.integers(1, 120).map(lambda m: m / 60.0), st.floats(1e-3, 200.0)))
    salt = not plain and drug.salt_factor is not None and draw(st.booleans())
    share = draw(st.floats(1e-3, 1.0)) if drug.is_active and route.takes_bioavailability else None
    if route.name == "inhaled" and draw(st.booleans()):
        share = None
    return Dose(
        drug.name,
        route.name,
        amount,
        unit.name,
        draw(STARTS),
        duration if route.is_infusion else None,
        form="hydrochloride" if salt else "base",
        bioavailability=share,
        absorption_rate=RATES.get(route.name) if drug.is_active else None,
    )


@st.composite
def regimens(draw: st.DrawFn, plain: bool = False) -> Regimen:
    several = draw(st.lists(doses(plain=plain), max_size=4))
    steps = st.sampled_from([0.0, 12.0, 24.0, 72.0, 168.0, 1 / 3])
    courses = draw(st.lists(st.tuples(doses(plain=plain), steps, st.integers(1, 6)), max_size=2))
    repeated = [
        dose.at(dose.start_h + step * index) for dose, step, count in courses for index in range(count)
    ]
    return Regimen(tuple(several + repeated + ([] if plain else draw(steady_courses()))))


@st.composite
def steady_courses(draw: st.DrawFn) -> list[Dose]:
    """Doses at steady state, some with doses that follow at their step or at another one."""
    found: list[Dose] = []
    for dose in draw(st.lists(doses(), max_size=2)):
        step = (dose.duration_h or 0.0) + draw(st.sampled_from([8.0, 24.0, 168.0, 1 / 3]))
        gap = draw(st.sampled_from([step, 1.0]))
        found.append(dose.at_steady_state(step))
        found += [dose.at(dose.start_h + k * gap) for k in range(1, draw(st.integers(1, 4)))]
    return found


@given(regimens())
@settings(max_examples=150, deadline=None)
def test_text_reads_back_as_the_same_regimen(regimen: Regimen) -> None:
    assert parse_regimen(regimen.text) == regimen
    assert parse_regimen(regimen.text).text == regimen.text


@given(regimens(), WEIGHTS, HEIGHTS)
@settings(max_examples=60, deadline=None)
def test_no_mass_is_lost_in_administrations(regimen: Regimen, weight: float, height: float) -> None:
    total = math.fsum(dose.mass_mg(weight, height) for dose in regimen.doses)
    # Rounding of one product and one difference a device.
    assert regimen.mass_mg(weight, height) == pytest.approx(total, rel=1e-12)
    molar = math.fsum(
        amount * DRUGS[single.drug].molar_mass_g_mol / 1000.0
        for single in regimen.administrations(weight, height)
        for _, amount in single.amounts
    )
    assert molar == pytest.approx(total, rel=1e-12)


@given(regimens(), regimens(), WEIGHTS, HEIGHTS)
@settings(max_examples=40, deadline=None)
def test_two_regimens_together_give_what_each_gives(
    first: Regimen, second: Regimen, weight: float, height: float
) -> None:
    def content(*parts: Regimen) -> Counter[Administration]:
        # Only the count of doses knows of the other regimen.
        every = [single for part in parts for single in part.administrations(weight, height)]
        return Counter(replace(single, occasion=0) for single in every)

    assert content(first + second) == content(first, second)


@given(regimens(), WEIGHTS, HEIGHTS)
@settings(max_examples=40, deadline=None)
def test_occasions_count_the_doses_and_devices_share_them(
    regimen: Regimen, weight: float, height: float
) -> None:
    given_ = regimen.administrations(weight, height)
    assert {single.occasion for single in given_} == set(range(len(regimen.doses)))
    assert len({(single.occasion, single.device) for single in given_}) == len(given_)


@given(doses(), WEIGHTS, HEIGHTS)
@settings(max_examples=60, deadline=None)
def test_twice_the_amount_is_twice_the_mass(dose: Dose, weight: float, height: float) -> None:
    # Doubling is exact in binary.
    assert replace(dose, amount=2.0 * dose.amount).mass_mg(weight, height) == 2.0 * dose.mass_mg(
        weight, height
    )


@given(regimens(), st.data())
@settings(max_examples=60, deadline=None)
def test_missed_and_late_doses_keep_count(regimen: Regimen, data: st.DataObject) -> None:
    free = [number for number, dose in enumerate(regimen.doses, start=1) if dose.steady_state_h is None]
    numbers = data.draw(st.lists(st.sampled_from(free), unique=True)) if free else []
    left = regimen.missed(*numbers)
    assert len(left.doses) == len(regimen.doses) - len(numbers)
    assert not Counter(left.doses) - Counter(regimen.doses)
    assert parse_regimen(left.text) == left
    late = regimen.late(dict.fromkeys(numbers, 5.5))
    moved = Counter(
        dose.at(dose.start_h + 5.5) if number in numbers else dose
        for number, dose in enumerate(regimen.doses, start=1)
    )
    assert Counter(late.doses) == moved
    assert parse_regimen(late.text) == late


@given(regimens(), WEIGHTS, HEIGHTS, st.floats(0.0, 1e4))
@settings(max_examples=60, deadline=None)
def test_a_shift_moves_times_and_nothing_else(
    regimen: Regimen, weight: float, height: float, hours: float
) -> None:
    before = regimen.administrations(weight, height)
    after = regimen.shifted(hours).administrations(weight, height)

    def content(single: Administration) -> Administration:
        return replace(single, time_h=0.0, occasion=0)

    # Times that were a rounding apart may trade places, so each side is put in one order.
    assert sorted(map(content, before), key=repr) == sorted(map(content, after), key=repr)
    # One rounding of a sum below 1.2e5 h.
    assert [single.time_h for single in after] == pytest.approx([s.time_h + hours for s in before], abs=1e-10)


@given(regimens(), WEIGHTS, HEIGHTS)
@settings(max_examples=60, deadline=None)
def test_the_counterfactual_has_the_same_doses_without_drug(
    regimen: Regimen, weight: float, height: float
) -> None:
    sham = regimen.without_active_drug()
    where = sorted((dose.start_h, dose.route, dose.duration_h or 0.0) for dose in regimen.doses)
    assert sorted((dose.start_h, dose.route, dose.duration_h or 0.0) for dose in sham.doses) == where
    assert all(single.amounts == () for single in sham.administrations(weight, height))


@given(regimens(plain=True), WEIGHTS)
@settings(max_examples=60, deadline=None)
def test_a_table_reads_back_as_a_regimen_with_the_same_table(regimen: Regimen, weight: float) -> None:
    frame = event_table(regimen, weight)
    # Rounding of one difference a device.
    assert float(frame["AMT"].sum()) == pytest.approx(regimen.mass_mg(weight), rel=1e-12)
    again = event_table(regimen_from_table(frame), weight)
    order = ["TIME", "DRUG", "ROUTE", "AMT", "DUR"]
    first = frame.sort_values(order).reset_index(drop=True)
    second = again.sort_values(order).reset_index(drop=True)
    assert list(first["DRUG"]) == list(second["DRUG"])
    assert list(first["DEVICE"]) == list(second["DEVICE"])
    # Rounding of the sum over the devices of one dose.
    assert list(first["AMT"]) == pytest.approx(list(second["AMT"]), rel=1e-10, abs=1e-12)
    assert list(first["TIME"]) == list(second["TIME"])
