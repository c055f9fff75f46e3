"""Drugs, doses and regimens as objects."""

from __future__ import annotations

import math
import pickle

import pytest

from ketasim import dosing
from ketasim.dosing import DRUGS, ROUTES, Dose, Regimen, find_drug, find_route, parse_regimen, repeat
from ketasim.errors import DoseError


def test_the_shares_of_every_active_drug_add_up_to_one() -> None:
    for drug in DRUGS.values():
        assert drug.is_active == bool(drug.moieties)
        if drug.is_active:
            assert sum(drug.moieties.values()) == 1.0
        assert set(drug.routes) <= set(ROUTES)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("Ketamine", "ketamine"),
        ("racemic ketamine", "ketamine"),
        ("(R,S)-ketamine", "ketamine"),
        ("S-ketamine", "esketamine"),
        ("(S)-ketamine", "esketamine"),
        ("(R)-Ketamine", "arketamine"),
        ("normal saline", "saline"),
    ],
)
def test_synonyms_of_a_drug(words: str, name: str) -> None:
    assert find_drug(words).name == name


def test_a_misspelt_drug_gets_the_nearest_name() -> None:
    with pytest.raises(DoseError, match=r"unknown drug 'ketamin'; the nearest valid name is 'ketamine'"):
        find_drug("ketamin")


@pytest.mark.parametrize("route", ["sc", "s.c.", "rectal", "Inhaled"])
def test_a_route_without_a_sourced_bioavailability_is_refused_with_those_that_exist(route: str) -> None:
    with pytest.raises(DoseError, match=r"not available: no source.*iv, iv bolus, im, intranasal"):
        find_route(route)


def test_half_of_a_racemic_dose_is_each_enantiomer() -> None:
    (given,) = parse_regimen("0.5 mg/kg ketamine iv over 40 min").administrations(70.0)
    # 35 mg of free base at 237.7 g/mol; the tolerance is rounding only.
    expected = 35.0 / 237.7 * 1000.0 / 2.0
    assert dict(given.amounts) == pytest.approx({"s_ketamine": expected, "r_ketamine": expected}, rel=1e-14)
    assert (given.time_h, given.duration_h, given.route, given.device) == (0.0, 40.0 / 60.0, "iv_infusion", 0)


@pytest.mark.parametrize(
    ("amount", "unit", "mass"),
    [
        (35.0, "mg", 35.0),
        (0.5, "mg/kg", 40.0),
        (0.035, "g", 35.0),
        (500.0, "ug/kg", 40.0),
        (10.0, "umol", 2.377),
        (10_000.0, "nmol", 2.377),
        (1.0, "umol/kg", 19.016),
        (10.0, "ug/kg/min", 96.0),
        (6.0, "mg/h", 12.0),
        (0.15, "mg/kg/h", 24.0),
    ],
)
def test_mass_by_unit_for_80_kg_over_two_hours(amount: float, unit: str, mass: float) -> None:
    dose = dosing.iv_infusion("ketamine", amount, unit, duration_h=2.0)
    # The tolerance is the rounding of two unit conversions.
    assert dose.mass_mg(80.0) == pytest.approx(mass, rel=1e-13)


def test_names_are_stored_in_their_plain_form() -> None:
    dose = Dose("S-ketamine", "nasal", 84, "MG")
    assert dose == Dose("esketamine", "intranasal", 84.0, "mg")
    assert isinstance(dose.amount, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"drug": "ketamin"}, "nearest valid name is 'ketamine'"),
        ({"route": "ivv"}, "unknown route 'ivv'; the nearest valid name is 'iv'"),
        ({"unit": "mg/kgg"}, "unknown dose unit 'mg/kgg'; the nearest valid name is 'mg/kg'"),
        ({"amount": 0.0}, "amount: 0 mg/kg of ketamine is not a dose"),
        ({"amount": -0.5}, "must be above 0"),
        ({"amount": math.inf}, "amount: inf is not a finite number"),
        ({"amount": True}, "amount: True is not a finite number"),
        ({"amount": "5"}, "amount: '5' is not a finite number"),
        ({"start_h": -1.0}, "start_h: -1 h is before time zero"),
        ({"start_h": math.nan}, "start_h: nan is not a finite number"),
        ({"duration_h": None}, "an iv infusion needs one"),
        ({"duration_h": 0.0}, "duration: 0 h is not a duration"),
        ({"route": "im"}, "a dose by 'im' has no duration"),
        ({"route": "im", "duration_h": None, "unit": "mg/h"}, "'mg/h' is a rate"),
        ({"drug": "placebo"}, "placebo holds no drug, so it takes no amount"),
        ({"drug": "midazolam", "route": "oral", "duration_h": None}, "midazolam cannot be given by 'oral'"),
    ],
)
def test_a_wrong_dose_names_the_field(change: dict[str, object], message: str) -> None:
    fields: dict[str, object] = {
        "drug": "ketamine",
        "route": "iv_infusion",
        "amount": 0.5,
        "unit": "mg/kg",
        "duration_h": 0.5,
    }
    with pytest.raises(DoseError) as caught:
        Dose(**(fields | change))  # type: ignore[arg-type]
    assert message in str(caught.value)


@pytest.mark.parametrize("weight", [0.0, -70.0, math.nan])
def test_a_weight_must_be_above_zero(weight: float) -> None:
    with pytest.raises(DoseError, match="weight_kg"):
        parse_regimen("5 mg ketamine im").administrations(weight)


def test_each_constructor_gives_its_route() -> None:
    for name in ROUTES:
        make = getattr(dosing, name)
        dose = (
            make("ketamine", 5.0, "mg", duration_h=1.0)
            if ROUTES[name].is_infusion
            else make("ketamine", 5.0, "mg")
        )
        assert dose.route == name


def test_esketamine_is_sprayed_by_devices_of_28_mg_five_minutes_apart() -> None:
    given = parse_regimen("84 mg esketamine intranasal").administrations(70.0)
    assert [single.device for single in given] == [0, 1, 2]
    assert [single.time_h for single in given] == pytest.approx([0.0, 5.0 / 60.0, 10.0 / 60.0], rel=1e-15)
    assert len({single.amounts for single in given}) == 1


@pytest.mark.parametrize(
    ("text", "masses"),
    [
        ("28 mg esketamine intranasal", [28.0]),
        ("30 mg esketamine intranasal", [28.0, 2.0]),
        ("10 mg esketamine intranasal", [10.0]),
        ("50 mg ketamine intranasal", [50.0]),
        ("120 mg ketamine intranasal", [50.0, 50.0, 20.0]),
        ("1.2 mg/kg esketamine intranasal", [28.0, 28.0, 28.0]),
    ],
)
def test_a_nasal_dose_is_whole_devices_and_a_rest(text: str, masses: list[float]) -> None:
    table = dosing.event_table(parse_regimen(text), 70.0)
    assert list(table["AMT"]) == pytest.approx(masses, rel=1e-14)


def test_an_absurd_nasal_dose_is_refused() -> None:
    with pytest.raises(DoseError, match="would take 358 devices of 28 mg"):
        parse_regimen("10 g esketamine intranasal").administrations(70.0)


def test_a_regimen_is_sorted_and_does_not_depend_on_the_order_given() -> None:
    late, early = dosing.im("ketamine", 5.0, "mg", 24.0), dosing.im("ketamine", 5.0, "mg")
    assert Regimen((late, early)) == Regimen((early, late))
    assert Regimen((late, early)).doses == (early, late)
    assert (Regimen((late, early)).first_start_h, Regimen((late, early)).last_start_h) == (0.0, 24.0)


def test_a_regimen_takes_doses_only() -> None:
    with pytest.raises(DoseError, match=r"doses\[0\]: '5 mg' is not a Dose"):
        Regimen(("5 mg",))  # type: ignore[arg-type]


def test_the_empty_regimen() -> None:
    empty = Regimen()
    assert empty.is_empty
    assert empty.first_start_h is None
    assert empty.last_start_h is None
    assert empty.administrations(70.0) == ()
    assert empty.text == "none"
    assert empty.without_active_drug() == empty


def test_the_counterfactual_keeps_visits_and_loses_the_drug() -> None:
    active = parse_regimen("0.5 mg/kg ketamine iv over 40 min, weekly x 3; saline iv over 40 min, at 300 h")
    sham = active.without_active_drug()
    assert active.is_active
    assert not sham.is_active
    assert sham.text == ("placebo iv over 40 min, weekly x 3; saline iv over 40 min, at 300 h")
    assert all(single.amounts == () for single in sham.administrations(70.0))


def test_repeat_counts_from_the_dose_itself() -> None:
    regimen = repeat(dosing.im("ketamine", 5.0, "mg", start_h=2.0), every_h=12.0, n=3)
    assert [dose.start_h for dose in regimen.doses] == [2.0, 14.0, 26.0]


@pytest.mark.parametrize(("every_h", "n"), [(0.0, 2), (-1.0, 2), (12.0, 0), (12.0, 2.5), (12.0, 10_001)])
def test_repeat_refuses_what_is_no_repetition(every_h: float, n: int) -> None:
    with pytest.raises(DoseError, match=r"every_h|n:"):
        repeat(dosing.im("ketamine", 5.0, "mg"), every_h, n)


def test_a_shift_to_before_time_zero_is_refused() -> None:
    with pytest.raises(DoseError, match="before time zero"):
        parse_regimen("5 mg ketamine im").shifted(-1.0)


def test_abutting_infusions_stay_apart() -> None:
    given = parse_regimen("10 mg ketamine iv over 20 min then 10 mg ketamine iv over 20 min").administrations(
        70.0
    )
    assert len(given) == 2
    assert given[1].time_h == given[0].time_h + given[0].duration_h


def test_regimens_travel_to_other_processes() -> None:
    regimen = parse_regimen("84 mg esketamine intranasal, twice weekly x 4 weeks")
    assert pickle.loads(pickle.dumps(regimen)) == regimen
