"""Output times, summaries of courses, and where each route puts a dose."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.dosing import DRUGS, ROUTES, Dose, Regimen, iv_bolus, parse_regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.errors import DoseError
from ketasim.model import load_parameters, output_times, summarise_course
from ketasim.model.administration import Deposits, deposits_of, given_rates

VALUES = {name: item.value for name, item in load_parameters().items()}


def value(name: str, entries: DoseTable) -> np.ndarray:
    return np.full(len(entries), VALUES[name])


def table(regimen: Regimen | str) -> DoseTable:
    doses = parse_regimen(regimen) if isinstance(regimen, str) else regimen
    return dose_table(doses, np.array([70.0]), np.array([1.7]))


def events(regimen: Regimen | str) -> list[Deposits]:
    return deposits_of(table(regimen), value)


def amounts(found: list[Deposits]) -> dict[str, float]:
    total: dict[str, float] = {}
    for part in found:
        total[part.state] = total.get(part.state, 0.0) + float(part.amount.sum())
    return total


def any_dose(drug: str, route: str) -> Dose:
    """A dose of 200 mg with all that its route asks for."""
    known = ROUTES[route]
    uptake = {"bioavailability": 0.8, "absorption_rate": 2.0} if known.needs_absorption else {}
    return Dose(drug, route, 200.0, "mg", 0.0, 0.5 if known.is_infusion else None, **uptake)


@pytest.mark.parametrize("fine", [True, False])
@pytest.mark.parametrize("first", [0.0, 0.1, 7.3])
def test_times_increase_and_hold_what_was_asked(fine: bool, first: float) -> None:
    regimen = parse_regimen("0.5 mg/kg ketamine iv over 40 min, twice weekly x 2 weeks").shifted(first)
    visits = [first + 1.0 / 3.0, first + 24.0, first + 100.1]
    times = output_times(regimen, first + 336.0, visits, fine=fine)
    assert times[0] == 0.0
    assert times[-1] == first + 336.0
    assert np.diff(times).min() > 1e-9
    for wanted in [*visits, *(dose.start_h + (dose.duration_h or 0.0) for dose in regimen.doses)]:
        assert np.min(np.abs(times - wanted)) < 1e-9


def test_times_end_exactly_where_asked_even_beside_another_time() -> None:
    times = output_times(Regimen(()), 48.0, [np.nextafter(48.0, 0.0), 60.0, -1.0])
    assert times[-1] == 48.0
    assert times[0] == 0.0
    assert np.diff(times).min() > 1e-9


def test_long_infusions_are_followed_after_their_end_too() -> None:
    times = output_times(parse_regimen("0.5 mg/kg/h ketamine iv over 40 h"), 60.0)
    around = times[(times >= 40.0) & (times <= 43.0)]
    assert np.diff(around).max() < 1.01 / 30.0


def test_summary_of_a_course_with_a_known_shape() -> None:
    times = np.linspace(0.0, 10.0, 101)
    values = 1.0 + np.where(times < 2.0, times, 2.0 * np.exp(-(times - 2.0)))
    found = summarise_course(times, values, "ratio", {"40min": 2.0 / 3.0, "5h": 5.0})
    assert (found["baseline"], found["peak"], found["peak_time_h"]) == (
        1.0,
        pytest.approx(3.0),
        pytest.approx(2.0),
    )
    # 5 % of the peak departure is left after ln 20; the chord of a step of 0.1 h is off by 0.001 h.
    assert found["return_time_h"] == pytest.approx(2.0 + np.log(20.0), abs=2e-3)
    assert found["at"]["40min"] == pytest.approx(1.0 + 2.0 / 3.0, rel=1e-12)
    assert (found["min"], found["min_time_h"], found["max_time_h"]) == (1.0, 0.0, pytest.approx(2.0))


def test_peak_is_the_largest_departure_in_either_direction() -> None:
    found = summarise_course(np.arange(4.0), np.array([2.0, 3.0, 0.5, 2.0]), "ratio", {})
    assert (found["peak"], found["peak_time_h"]) == (0.5, 2.0)
    assert (found["max"], found["min"]) == (3.0, 0.5)


def test_return_at_the_last_output_counts() -> None:
    found = summarise_course(np.arange(4.0), np.array([1.0, 3.0, 2.0, 1.0]), "ratio", {})
    # From 2 to 1 in an hour, the departure falls to 5 % of 2 after 0.9 h.
    assert found["return_time_h"] == pytest.approx(2.9, rel=1e-12)


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 1.0, 1.0, 1.0],
        [1.0, 1.0 + 1e-12, 1.0, 1.0],
        [1.0, 2.0, 2.0, 1.5],
        [1.0, 2.0, 1.0, 1.2],
    ],
    ids=["never moved", "rounding", "still away", "came back and left"],
)
def test_no_return_is_null(values: list[float]) -> None:
    assert summarise_course(np.arange(4.0), np.array(values), "ratio", {})["return_time_h"] is None


def test_racemate_is_half_and_half_and_esketamine_is_s() -> None:
    racemate, s_only = events("70 mg ketamine iv bolus"), events("70 mg esketamine iv bolus")
    assert amounts(racemate)["central_s"] == pytest.approx(amounts(racemate)["central_r"])
    assert sum(amounts(racemate).values()) == pytest.approx(
        70_000.0 / VALUES["molar_mass_ketamine"], rel=1e-3
    )
    assert set(amounts(s_only)) == {"central_s"}


def test_infusion_keeps_its_span() -> None:
    found = events("0.5 mg/kg ketamine iv over 40 min")
    assert {(part.state, *part.start_h, *part.duration_h) for part in found} == {
        ("central_s", 0.0, 2.0 / 3.0),
        ("central_r", 0.0, 2.0 / 3.0),
    }


def test_nasal_dose_is_split_between_nose_and_throat() -> None:
    found = events("84 mg esketamine intranasal")
    given = sum(amount for a in parse_regimen("84 mg esketamine intranasal").administrations(70.0)
                for _, amount in a.amounts)  # fmt: skip
    first, later = VALUES["nasal_fraction"], VALUES["nasal_fraction"] * VALUES["nasal_fraction_later"]
    nose = given * (first + 2.0 * later) / 3.0
    swallowed = VALUES["nasal_swallowed_fraction"] * (given - nose)
    assert amounts(found) == {
        "nose_s": pytest.approx(nose, rel=1e-12),
        "gut_swallowed_s": pytest.approx(swallowed, rel=1e-12),
    }
    (nasal,) = (part for part in found if part.state == "nose_s")
    assert list(nasal.start_h) == pytest.approx([0.0, 5.0 / 60.0, 10.0 / 60.0])
    assert list(nasal.duration_h) == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "states", "share"),
    [
        ("50 mg ketamine im", {"muscle"}, VALUES["intramuscular_fraction"]),
        ("50 mg ketamine oral", {"gut_oral"}, 1.0),
        ("50 mg ketamine oral prolonged release", {"gut_prolonged"}, 1.0),
        ("50 mg ketamine sublingual", {"mucosa", "gut_swallowed"}, 1.0),
        ("50 mg ketamine sc (F 0.8, ka 2 /h)", {"subcutis"}, 0.8),
        ("50 mg ketamine rectal (F 0.25, ka 1 /h)", {"rectum"}, 0.25),
        ("50 mg ketamine inhaled over 20 min", {"central"}, VALUES["inhaled_fraction"]),
        ("50 mg ketamine inhaled (F 0.5) over 20 min", {"central"}, 0.5),
    ],
)
def test_other_routes(text: str, states: set[str], share: float) -> None:
    found = amounts(events(text))
    assert {state.rsplit("_", 1)[0] for state in found} == states
    given = sum(amount for a in parse_regimen(text).administrations(70.0) for _, amount in a.amounts)
    assert sum(found.values()) == pytest.approx(share * given, rel=1e-12)


@pytest.mark.parametrize("drug", [name for name, drug in DRUGS.items() if drug.is_active])
def test_every_drug_has_a_place_by_each_of_its_routes(drug: str) -> None:
    for route in DRUGS[drug].routes:
        assert amounts(events(Regimen((any_dose(drug, route),))))


def test_a_rate_that_comes_with_a_dose_is_an_input() -> None:
    both = table(
        "50 mg ketamine sc (F 0.8, ka 2 /h); 50 mg ketamine rectal (F 0.25, ka 1 /h); 5 mg ketamine im"
    )
    found = {name: list(part.absorption_rate) for name, part in given_rates(both)}
    assert found == {"subcutaneous_absorption_rate": [2.0], "rectal_absorption_rate": [1.0]}


def test_japanese_ancestry_raises_nasal_uptake_and_never_above_all() -> None:
    def japanese(name: str, entries: DoseTable) -> np.ndarray:
        changed = {"japanese": 1.0, "nasal_fraction": 0.9}
        return np.full(len(entries), changed.get(name, VALUES[name]))

    found = amounts(deposits_of(table("28 mg esketamine intranasal"), japanese))
    assert found["nose_s"] == pytest.approx(28_000.0 / 237.7)
    assert found["gut_swallowed_s"] == pytest.approx(0.0, abs=1e-9)


def test_placebo_and_nothing_are_no_events() -> None:
    assert events("saline iv over 40 min") == []
    assert events("none") == []


def test_midazolam_goes_into_its_own_compartment() -> None:
    assert set(amounts(events("0.02 mg/kg midazolam iv over 40 min"))) == {"midazolam_central"}
    right = table("5 mg midazolam iv bolus")
    wrong = DoseTable(**(vars(right) | {"route": np.array(["intranasal"])}))
    with pytest.raises(DoseError, match="midazolam by intranasal is not modelled"):
        deposits_of(wrong, value)


def test_start_of_a_bolus() -> None:
    (part,) = events(Regimen((iv_bolus("esketamine", 10.0, "mg", 3.5),)))
    assert (list(part.start_h), list(part.duration_h)) == ([3.5], [0.0])
