"""Drugs, doses and regimens as objects."""

from __future__ import annotations

import math
import pickle

import pytest

from ketasim import dosing
from ketasim.dosing import (
    DRUGS,
    ROUTES,
    Dose,
    Regimen,
    body_surface_area,
    find_drug,
    find_route,
    parse_regimen,
    repeat,
)
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


@pytest.mark.parametrize(
    ("words", "name"),
    [("s.c.", "sc"), ("Subcutaneous", "sc"), ("per rectum", "rectal"), ("nebulised", "inhaled")],
)
def test_synonyms_of_a_route(words: str, name: str) -> None:
    assert find_route(words).name == name


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
        # 180 cm and 80 kg make 2 m2 by Mosteller's formula.
        (20.0, "mg/m2", 40.0),
        (20_000.0, "ug/m2", 40.0),
        (100.0, "umol/m2", 47.54),
        (6.0, "mg/m2/h", 24.0),
        (0.1, "mg/m2/min", 24.0),
    ],
)
def test_mass_by_unit_for_80_kg_over_two_hours(amount: float, unit: str, mass: float) -> None:
    dose = dosing.iv_infusion("ketamine", amount, unit, duration_h=2.0)
    # The tolerance is the rounding of two unit conversions and a square root.
    assert dose.mass_mg(80.0, 1.8) == pytest.approx(mass, rel=1e-13)


def test_body_surface_area_is_mostellers() -> None:
    # sqrt(170 cm x 70 kg / 3600), worked out by hand to six digits.
    assert body_surface_area(70.0, 1.7) == pytest.approx(1.81812, abs=5e-6)


def test_a_dose_per_m2_asks_for_the_height() -> None:
    with pytest.raises(DoseError, match="height_m: a dose of 20 mg/m2 needs the height of the person"):
        parse_regimen("20 mg/m2 ketamine im").administrations(70.0)


@pytest.mark.parametrize("height", [0.0, -1.7, 170.0, math.nan])
def test_a_height_is_in_metres(height: float) -> None:
    with pytest.raises(DoseError, match="height_m"):
        dosing.im("ketamine", 5.0, "mg").mass_mg(70.0, height)


@pytest.mark.parametrize(
    ("drug", "share"),
    [("ketamine", 237.7 / 274.2), ("midazolam", 325.8 / 362.2), ("memantine", 179.3 / 215.8)],
)
def test_a_hydrochloride_holds_less_base_by_mass_and_as_much_by_substance(drug: str, share: float) -> None:
    route = DRUGS[drug].routes[0]
    duration = 1.0 if ROUTES[route].is_infusion else None
    by_mass = Dose(drug, route, 100.0, "mg", 0.0, duration, form="hydrochloride")
    # Molar masses as tabulated, rounded to 0.1 g/mol.
    assert by_mass.mass_mg(70.0) == pytest.approx(100.0 * share, rel=5e-4)
    for unit in ("umol", "nmol", "umol/kg"):
        salt = Dose(drug, route, 10.0, unit, 0.0, duration, form="hydrochloride")
        base = Dose(drug, route, 10.0, unit, 0.0, duration)
        assert salt.mass_mg(70.0) == base.mass_mg(70.0)


def test_an_administration_carries_uptake_steady_state_and_occasion() -> None:
    regimen = parse_regimen(
        "5 mg ketamine sc (F 0.9, ka 2.5 /h), every 8 h at steady state x 2; "
        "56 mg esketamine intranasal, at 1 h"
    )
    given = regimen.administrations(70.0)
    assert [(g.route, g.device, g.occasion) for g in given] == [
        ("sc", 0, 0),
        ("intranasal", 0, 1),
        ("intranasal", 1, 1),
        ("sc", 0, 2),
    ]
    assert [g.bioavailability for g in given] == [0.9, None, None, 0.9]
    assert [g.absorption_rate for g in given] == [2.5, None, None, 2.5]
    assert [g.steady_state_h for g in given] == [8.0, None, None, None]


def test_a_dose_by_rate_can_be_inhaled() -> None:
    assert dosing.inhaled("esketamine", 0.5, "mg/min", 1.0, bioavailability=0.6).mass_mg(70.0) == 30.0


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
        ({"drug": "memantine"}, "memantine cannot be given by 'iv'; its routes are: oral"),
        ({"form": "hydrochlorid"}, "unknown form 'hydrochlorid'; the nearest valid name is 'hydrochloride'"),
        (
            {"drug": "saline", "amount": 0.0, "form": "hydrochloride"},
            "form: saline has no hydrochloride here; state it as base",
        ),
        ({"bioavailability": 0.5}, "bioavailability: 0.5 cannot be stated for 'iv'"),
        ({"bioavailability": 0.5}, "only these routes take one: sc, rectal, inhaled. Leave it out."),
        ({"absorption_rate": 2.0}, "only these routes take one: sc, rectal. Leave it out."),
        ({"route": "inhaled", "absorption_rate": 2.0}, "absorption_rate: 2.0 cannot be stated for 'inhaled'"),
        ({"route": "inhaled", "bioavailability": 0.0}, "bioavailability: 0 is no share of a dose"),
        ({"route": "inhaled", "bioavailability": 1.5}, "it must be above 0 and at most 1"),
        ({"route": "inhaled", "bioavailability": "all"}, "bioavailability: 'all' is not a finite number"),
        ({"route": "inhaled", "duration_h": None}, "duration: a dose by 'inhaled' needs one"),
        (
            {"route": "sc", "duration_h": None},
            "bioavailability: a dose by 'sc' must state its bioavailability and absorption rate, because no "
            "human source in the evidence gives them. Write them after the route, as in "
            "'sc (F 0.9, ka 2.5 /h)', or bioavailability=0.9, absorption_rate=2.5.",
        ),
        (
            {"route": "rectal", "duration_h": None, "bioavailability": 0.25},
            "absorption_rate: a dose by 'rectal' must state its bioavailability and absorption rate",
        ),
        (
            {"route": "sc", "duration_h": None, "bioavailability": 0.9, "absorption_rate": -1.0},
            "absorption_rate: -1 /h is no rate of uptake; it must be above 0",
        ),
        (
            {
                "drug": "placebo",
                "amount": 0.0,
                "route": "sc",
                "duration_h": None,
                "bioavailability": 0.9,
            },
            "bioavailability: placebo holds no drug, so it takes none; 0.9 was given. Leave it out.",
        ),
        ({"steady_state_h": 0.0}, "steady_state_h: 0 h is not a time between doses; it must be above 0"),
        ({"steady_state_h": math.inf}, "steady_state_h: inf is not a finite number"),
        ({"steady_state_h": 0.25}, "steady_state_h: infusions of 0.5 h cannot be given every 0.25 h"),
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


def test_each_constructor_gives_its_route_and_form() -> None:
    for name, route in ROUTES.items():
        make = getattr(dosing, name)
        extra = {"duration_h": 1.0} if route.is_infusion else {}
        if route.needs_absorption:
            extra |= {"bioavailability": 0.5, "absorption_rate": 2.0}
        dose = make("ketamine", 5.0, "mg", start_h=3.0, form="hydrochloride", **extra)
        assert (dose.route, dose.form, dose.start_h) == (name, "hydrochloride", 3.0)
        assert {field: getattr(dose, field) for field in extra} == extra


def test_one_route_has_one_absorption_rate_in_a_regimen() -> None:
    fast, slow = (
        dosing.sc("ketamine", 5.0, "mg", bioavailability=0.9, absorption_rate=rate) for rate in (2.5, 1.0)
    )
    with pytest.raises(
        DoseError, match=r"absorption_rate: doses by 'sc' have (2\.5|1) /h and (2\.5|1) /h; all"
    ):
        Regimen((fast, slow))
    by_another_route = dosing.rectal("ketamine", 5.0, "mg", bioavailability=0.2, absorption_rate=1.0)
    assert len(Regimen((fast, fast.at(5.0), by_another_route)).doses) == 3


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


def test_repeat_of_a_dose_at_steady_state_follows_it_with_single_doses() -> None:
    first = dosing.oral("ketamine", 50.0, "mg").at_steady_state(8.0)
    regimen = repeat(first, every_h=8.0, n=3)
    assert [dose.steady_state_h for dose in regimen.doses] == [8.0, None, None]
    assert regimen == parse_regimen("50 mg ketamine oral, every 8 h at steady state x 3")


def test_missed_and_late_doses_leave_the_others_alone() -> None:
    course = parse_regimen("84 mg esketamine intranasal, weekly x 4")
    assert [dose.start_h for dose in course.missed(2, 4).doses] == [0.0, 336.0]
    assert [dose.start_h for dose in course.late({1: 200.0, 3: 1.5}).doses] == [168.0, 200.0, 337.5, 504.0]
    assert course.missed() == course
    assert course.missed(1, 2, 3, 4).text == "none"


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ((5,), "missed: 5 is not the number of a dose; they are numbered 1 to 4 in order of time"),
        ((0,), "missed: 0 is not the number"),
        ((1.5,), "missed: 1.5 is not the number"),
        ((True,), "missed: True is not the number"),
        ((2, 2), "missed: dose 2 is named twice; name each once"),
    ],
)
def test_a_missed_dose_must_exist(numbers: tuple[int, ...], message: str) -> None:
    with pytest.raises(DoseError) as caught:
        parse_regimen("5 mg ketamine im, weekly x 4").missed(*numbers)
    assert message in str(caught.value)


def test_nothing_can_be_missed_in_an_empty_regimen() -> None:
    with pytest.raises(DoseError, match="missed: 1 is not the number of a dose; there are none"):
        Regimen().missed(1)


@pytest.mark.parametrize(
    ("delays", "message"),
    [
        ({5: 1.0}, "late: 5 is not the number of a dose"),
        ({2: 0.0}, "late: dose 2: 0 h is no delay; it must be above 0 h"),
        ({2: -1.0}, "late: dose 2: -1 h is no delay"),
        ({2: math.nan}, "late: dose 2: nan is not a finite number"),
    ],
)
def test_a_late_dose_must_exist_and_be_later(delays: dict[int, float], message: str) -> None:
    with pytest.raises(DoseError) as caught:
        parse_regimen("5 mg ketamine im, weekly x 4").late(delays)
    assert message in str(caught.value)


def test_a_dose_at_steady_state_cannot_be_missed_or_late() -> None:
    course = parse_regimen("50 mg ketamine oral, every 8 h at steady state x 3")
    with pytest.raises(
        DoseError, match="missed: dose 1 is at steady state and stands for all doses before it"
    ):
        course.missed(1)
    with pytest.raises(DoseError, match="so it cannot be late; name a later dose"):
        course.late({1: 2.0})
    assert [dose.start_h for dose in course.missed(2).doses] == [0.0, 16.0]


def test_the_counterfactual_of_a_stated_uptake_is_a_plain_placebo() -> None:
    sham = parse_regimen(
        "5 mg ketamine hydrochloride sc (F 0.9, ka 2.5 /h), daily at steady state"
    ).without_active_drug()
    assert sham == parse_regimen("placebo sc, daily at steady state")


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
