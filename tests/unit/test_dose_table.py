"""What many persons are given as columns, against dose objects one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ketasim.dosing import DOSE_UNITS, DRUGS, ROUTES, Dose, Regimen, parse_regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.dosing.regimen import split_devices
from ketasim.errors import DoseError

WEIGHTS, HEIGHTS = np.array([50.0, 71.5, 120.0]), np.array([1.55, 1.7, 1.98])
#: Two ways to the same product of three or four numbers.
ROUNDING = 1e-14


def masses(text: str) -> tuple[list[float], list[float]]:
    """Mass of the one dose of a regimen for three people: as a column, and by the dose itself."""
    regimen = parse_regimen(text)
    (dose,) = regimen.doses
    expected = [dose.mass_mg(*body) for body in zip(WEIGHTS.tolist(), HEIGHTS.tolist(), strict=True)]
    return dose_table(regimen, WEIGHTS, HEIGHTS).mass_mg.tolist(), expected


@pytest.mark.parametrize(
    "text",
    [
        "35 mg ketamine iv over 40 min",
        "0.5 mg/kg ketamine iv over 40 min",
        "20 mg/m2 ketamine iv over 40 min",
        "100 umol ketamine iv over 40 min",
        "2 umol/kg esketamine iv over 40 min",
        "0.3 mg/kg/h ketamine iv over 40 min",
        "0.5 mg/kg ketamine hydrochloride iv over 40 min",
        "40 mg esketamine hydrochloride im",
        "0.02 mg/kg midazolam iv bolus",
        "20 mg memantine oral",
    ],
)
def test_masses_are_those_of_the_dose(text: str) -> None:
    column, expected = masses(text)
    assert column == pytest.approx(expected, rel=ROUNDING)


def test_masses_by_hand() -> None:
    # The surface of a body of 71.5 kg and 1.7 m by Mosteller, and the molar mass of ketamine (237.7 g/mol).
    assert masses("20 mg/m2 ketamine im")[0][1] == pytest.approx(20.0 * np.sqrt(170.0 * 71.5 / 3600.0))
    assert masses("100 umol ketamine im")[0] == pytest.approx([23.77] * 3, rel=1e-9)
    salt, base = (masses(f"100 mg ketamine {form}im")[0][0] for form in ("hydrochloride ", ""))
    assert base == 100.0
    assert salt == pytest.approx(100.0 * 237.7 / (237.7 + 36.46), rel=1e-4)


def test_one_regimen_for_all_is_the_same_for_each() -> None:
    regimen = parse_regimen(
        "0.5 mg/kg ketamine iv over 40 min, every 72 h x 4; 84 mg esketamine nasal, at 5 h"
    )
    one, each = dose_table(regimen, WEIGHTS), dose_table([regimen] * 3, WEIGHTS)
    for name in vars(one):
        np.testing.assert_array_equal(getattr(one, name), getattr(each, name), err_msg=name)


def test_each_has_his_own() -> None:
    texts = ("50 mg ketamine im", "placebo oral", "1 mg/kg ketamine iv bolus, at 0 h, 6 h")
    table = dose_table([parse_regimen(text) for text in texts], WEIGHTS)
    assert table.subject.tolist() == [0, 2, 2]
    assert table.route.tolist() == ["im", "iv_bolus", "iv_bolus"]
    assert table.mass_mg.tolist() == [50.0, 120.0, 120.0]
    assert table.time_h.tolist() == [0.0, 0.0, 6.0]


def test_a_nasal_dose_is_split_into_devices_five_minutes_apart() -> None:
    regimen = parse_regimen(
        "1 mg/kg esketamine nasal, at 2 h; 10 mg ketamine nasal, at 9 h; 5 mg esketamine oral, at 12 h"
    )
    table = dose_table(regimen, WEIGHTS)
    for person, weight in enumerate(WEIGHTS.tolist()):
        own = table.rows((table.subject == person) & (table.occasion == 0))
        parts = split_devices(weight, 28.0)
        assert own.mass_mg.tolist() == list(parts)
        assert own.device.tolist() == list(range(len(parts)))
        assert own.time_h.tolist() == pytest.approx([2.0 + k / 12.0 for k in range(len(parts))])
    # Ten mg of the racemate fit into one device, and what is swallowed needs none.
    assert len(table.rows(table.occasion > 0)) == 6
    assert not table.rows(table.occasion > 0).device.any()


def test_occasions_count_placebos_too() -> None:
    regimen = parse_regimen("5 mg ketamine im; placebo im, at 24 h; 5 mg ketamine im, at 48 h")
    table = dose_table(regimen, np.array([70.0]))
    assert table.occasion.tolist() == [0, 2]
    assert table.time_h.tolist() == [0.0, 48.0]


def test_what_a_dose_does_not_state_is_not_a_number() -> None:
    table = dose_table(
        parse_regimen(
            "20 mg ketamine im; 20 mg ketamine sc (F 0.9, ka 2.5 /h), every 8 h at steady state from 5 h"
        ),
        np.array([70.0]),
    )
    assert table.route.tolist() == ["im", "sc"]
    for name, value in (("bioavailability", 0.9), ("absorption_rate", 2.5), ("steady_state_h", 8.0)):
        plain, stated = getattr(table, name)
        assert np.isnan(plain)
        assert stated == value


@pytest.mark.parametrize("regimen", [Regimen(), parse_regimen("placebo oral, daily x 3"), []])
def test_nothing_active_is_an_empty_table(regimen: Regimen | list[Regimen]) -> None:
    table = dose_table(regimen, WEIGHTS if isinstance(regimen, Regimen) else np.zeros(0))
    assert len(table) == 0
    assert table.mass_mg.dtype == np.float64
    assert table.subject.dtype == np.int64


def test_too_many_devices_are_refused() -> None:
    with pytest.raises(DoseError, match="devices"):
        dose_table(parse_regimen("28 mg/kg esketamine nasal"), np.array([70.0, 101.0]))


def test_a_dose_per_m2_needs_the_height_and_no_other_does() -> None:
    with pytest.raises(DoseError, match="height"):
        dose_table(parse_regimen("20 mg/m2 ketamine im"), WEIGHTS)
    both = parse_regimen("20 mg/m2 ketamine im; 20 mg ketamine im, at 1 h")
    assert dose_table(both, WEIGHTS, HEIGHTS).mass_mg[1::2].tolist() == [20.0] * 3


@st.composite
def regimens(draw: st.DrawFn) -> Regimen:
    """Doses of any drug by any of its routes, in any unit."""
    doses = []
    for _ in range(draw(st.integers(0, 4))):
        drug = DRUGS[draw(st.sampled_from(sorted(DRUGS)))]
        route = ROUTES[draw(st.sampled_from(sorted(drug.routes)))]
        units = [unit for unit in DOSE_UNITS.values() if route.is_infusion or unit.per_time is None]
        unit = draw(st.sampled_from(units))
        most = 0.001 if unit.amount == "g" else 1.0
        active = drug.is_active
        salt = active and drug.salt_factor is not None and draw(st.booleans())
        doses.append(
            Dose(
                drug.name,
                route.name,
                draw(st.floats(1e-3, 1.0)) * most if active else 0.0,
                unit.name,
                draw(st.sampled_from([0.0, 1.5, 24.0, 1.0 / 3.0])),
                draw(st.sampled_from([0.5, 2.0 / 3.0, 7.0])) if route.is_infusion else None,
                form="hydrochloride" if salt else "base",
                bioavailability=0.4 if active and route.takes_bioavailability else None,
                absorption_rate=1.25 if active and route.needs_absorption else None,
                steady_state_h=draw(st.sampled_from([None, 8.0, 24.0])),
            )
        )
    return Regimen(tuple(doses))


def entries(table: DoseTable, person: int) -> list[tuple[object, ...]]:
    """What a person is given, without the masses."""
    own = table.rows(table.subject == person)
    columns = (own.drug, own.route, own.time_h, own.duration_h, own.device, own.occasion)
    stated = (own.bioavailability, own.absorption_rate, own.steady_state_h)
    lists = [column.tolist() for column in columns]
    lists += [[None if np.isnan(value) else value for value in column.tolist()] for column in stated]
    return sorted(zip(*lists, strict=True), key=lambda row: row[:6])


@given(st.lists(regimens(), min_size=1, max_size=3), st.floats(30.0, 200.0), st.floats(1.3, 2.1))
@settings(max_examples=80)
def test_a_table_is_what_the_administrations_are(
    several: list[Regimen], weight: float, height: float
) -> None:
    people = np.arange(len(several))
    table = dose_table(several, weight + people, np.full(len(several), height))
    for person, regimen in enumerate(several):
        pairs = [p for p in regimen.administrations_with_mass(weight + person, height) if p[0].amounts]
        expected = sorted(
            (a.drug, a.route, a.time_h, a.duration_h, a.device, a.occasion,
             a.bioavailability, a.absorption_rate, a.steady_state_h)
            for a, _ in pairs
        )  # fmt: skip
        assert [row[:2] + row[4:] for row in entries(table, person)] == [
            row[:2] + row[4:] for row in expected
        ]
        own = table.rows(table.subject == person)
        by_place = {(a.occasion, a.device): (a, mass) for a, mass in pairs}
        for occasion, device, time, length, mass in zip(
            own.occasion.tolist(), own.device.tolist(), own.time_h, own.duration_h, own.mass_mg, strict=True
        ):
            administration, given_mass = by_place[occasion, device]
            assert time == pytest.approx(administration.time_h, rel=ROUNDING)
            assert length == administration.duration_h
            # The rest in a last device is a difference: rounding of the whole dose stays in it.
            assert abs(mass - given_mass) <= 1e-13 * max(28.0 * (1 + device), mass)
