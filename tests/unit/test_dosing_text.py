"""Regimens as text."""

from __future__ import annotations

import pytest

from ketasim.dosing import parse_regimen
from ketasim.errors import DoseError

DAY = 24.0


def starts(schedule: str) -> list[float]:
    """Days on which a nasal dose with this schedule is given."""
    return [dose.start_h / DAY for dose in parse_regimen(f"84 mg esketamine intranasal, {schedule}").doses]


@pytest.mark.parametrize(
    ("schedule", "days"),
    [
        ("once", [0]),
        ("daily x 3", [0, 1, 2]),
        ("daily x 3 days", [0, 1, 2]),
        ("weekly x 3", [0, 7, 14]),
        ("once weekly x 2 weeks", [0, 7]),
        ("twice weekly x 2 weeks", [0, 3, 7, 10]),
        ("2x/week x 2 weeks", [0, 3, 7, 10]),
        ("2x weekly × 2 weeks", [0, 3, 7, 10]),
        ("twice a week x2 weeks", [0, 3, 7, 10]),
        ("three times weekly x 2 weeks", [0, 2, 4, 7, 9, 11]),
        ("3x/week x 1 week", [0, 2, 4]),
        ("every 3 days x 3", [0, 3, 6]),
        ("every 12 h x 4", [0, 0.5, 1, 1.5]),
        ("every week x 2", [0, 7]),
        ("every other day x 3", [0, 2, 4]),
        ("on day 1", [0]),
        ("on day 3", [2]),
        ("on days 1, 4, 8, 11", [0, 3, 7, 10]),
        ("on days 1, 4 and 8", [0, 3, 7]),
        ("at 0 h, 72 h", [0, 3]),
        ("at 36 h", [1.5]),
    ],
)
def test_schedules(schedule: str, days: list[float]) -> None:
    assert starts(schedule) == days


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("0.5 mg/kg ketamine iv over 40 min", "0.5 mg/kg ketamine iv over 40 min"),
        (" 0.50mg/kg  KETAMINE i.v. over 0.5 h ", "0.5 mg/kg ketamine iv over 30 min"),
        (
            "84 mg esketamine nasal, twice weekly x 4 weeks",
            "84 mg esketamine intranasal, twice weekly x 4 weeks",
        ),
        ("5 \u00b5g/kg/min (R,S)-ketamine intravenous over 120 min", "5 ug/kg/min ketamine iv over 2 h"),
        ("240 mg ketamine oral prolonged-release, every 12 h x 14", None),
        ("50 mg S-ketamine buccal", "50 mg esketamine sublingual"),
        (
            "100 mg ketamine po; 25 mg ketamine im, on day 2",
            "100 mg ketamine oral; 25 mg ketamine im, on day 2",
        ),
        (
            "0.1 mg/kg ketamine iv bolus\n\n20 mg ketamine im\n",
            "20 mg ketamine im; 0.1 mg/kg ketamine iv bolus",
        ),
        ("placebo intranasal, on days 1, 4", "placebo intranasal, on days 1, 4"),
        ("saline iv over 40 min, weekly x 4", "saline iv over 40 min, weekly x 4"),
        ("0.045 mg/kg midazolam iv over 40 min", "0.045 mg/kg midazolam iv over 40 min"),
        ("120 mg/m\u00b2 ketamine iv over 40 min", "120 mg/m2 ketamine iv over 40 min"),
        ("3 mg / m2 / hr ketamine iv over 2 h", "3 mg/m2/h ketamine iv over 2 h"),
        ("10 umol/kg ketamine im", "10 umol/kg ketamine im"),
        ("0.5 mg/kg ketamine HCl iv over 40 min", "0.5 mg/kg ketamine hydrochloride iv over 40 min"),
        ("0.5 mg/kg ketamine base im", "0.5 mg/kg ketamine im"),
        ("0.5 mg/kg ketamine sc (F 0.9, ka 2.5 /h)", "0.5 mg/kg ketamine sc (F 0.9, ka 2.5 /h)"),
        ("5 mg (R,S)-ketamine s.c. (ka = 2.51/h, f=0.9)", "5 mg ketamine sc (F 0.9, ka 2.51 /h)"),
        ("5 mg ketamine sc (F 0.9, ka 2.5 1/h)", "5 mg ketamine sc (F 0.9, ka 2.5 /h)"),
        (
            "50 mg ketamine rectal (F 25 %, ka 0.025 per min), daily x 3",
            "50 mg ketamine rectal (F 0.25, ka 1.5 /h), daily x 3",
        ),
        ("0.5 mg/kg esketamine inhaled over 20 min", "0.5 mg/kg esketamine inhaled over 20 min"),
        (
            "0.5 mg/kg esketamine inhaled over 20 min (F 0.6), weekly x 2",
            "0.5 mg/kg esketamine inhaled (F 0.6) over 20 min, weekly x 2",
        ),
        (
            "20 mg memantine hydrochloride oral, every 24 h at steady-state x 3",
            "20 mg memantine hydrochloride oral, daily at steady state x 3",
        ),
        (
            "50 mg ketamine oral, every 8 h at steady state x 1",
            "50 mg ketamine oral, every 8 h at steady state",
        ),
        ("5 mg ketamine im, every 2 days at steady state x 2 from 48 h", None),
        ("placebo sc, weekly at steady state x 2", "placebo sc, weekly at steady state x 2"),
        ("None", "none"),
    ],
)
def test_canonical_text(text: str, canonical: str | None) -> None:
    regimen = parse_regimen(text)
    if canonical is not None:
        assert regimen.text == canonical
    assert parse_regimen(regimen.text) == regimen


def test_a_placebo_keeps_its_visits() -> None:
    regimen = parse_regimen("placebo intranasal, twice weekly x 4 weeks")
    assert len(regimen.doses) == 8
    assert not regimen.is_empty
    assert not regimen.is_active


def test_a_hydrochloride_dose_stays_what_it_says() -> None:
    salt = parse_regimen("100 mg ketamine hydrochloride im").doses[0]
    assert (salt.amount, salt.unit, salt.form) == (100.0, "mg", "hydrochloride")


def test_steady_state_marks_the_first_dose_only() -> None:
    course = parse_regimen("50 mg ketamine oral, every 8 h at steady state x 3 from 48 h")
    assert [(d.start_h, d.steady_state_h) for d in course.doses] == [(48.0, 8.0), (56.0, None), (64.0, None)]
    one = parse_regimen("50 mg ketamine oral, every 8 h at steady state")
    assert [(d.start_h, d.steady_state_h) for d in one.doses] == [(0.0, 8.0)]


def test_a_plus_gives_doses_together_on_one_schedule() -> None:
    course = parse_regimen(
        "0.2 mg/kg ketamine iv bolus + 0.3 mg/kg/h ketamine iv over 2 h + 5 mg ketamine im"
    )
    assert [(d.route, d.start_h) for d in course.doses] == [("iv_bolus", 0), ("iv_infusion", 0), ("im", 2)]
    pair = "0.2 mg/kg ketamine iv bolus+0.3 mg/kg/h ketamine iv over 2 h"
    again = parse_regimen(f"{pair}, weekly x 2 then 1 mg ketamine im")
    assert [d.start_h for d in again.doses] == [0, 0, 168, 168, 336]
    assert [d.start_h for d in parse_regimen(f"{pair} then 1 mg ketamine im").doses] == [0, 0, 2]
    steady = parse_regimen(f"{pair}, every 8 h at steady state x 2").doses
    assert [d.steady_state_h for d in steady] == [8, 8, None, None]


def test_a_plus_in_a_number_or_a_name_joins_nothing() -> None:
    assert parse_regimen("1e+1 mg S(+)-ketamine im") == parse_regimen("10 mg esketamine im")
    assert parse_regimen("+5 mg ketamine im + +5 mg ketamine im").text == "5 mg ketamine im; 5 mg ketamine im"


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("weekly x 4, missing doses 2, 4", [0, 336]),
        ("weekly x 4, missing dose 2 and 3", [0, 504]),
        ("weekly x 4, dose 2 late by 24 h", [0, 192, 336, 504]),
        ("weekly x 4, dose 2 late by 1 d, missing dose 1, doses 3, 4 late by 30 min", [192, 336.5, 504.5]),
        ("on days 1, 4, 8, missing dose 2", [0, 168]),
        ("dose 1 late by 2 h", [2]),
        ("missing dose 1", []),
        ("every 8 h at steady state x 3, missing dose 2", [0, 16]),
    ],
)
def test_missed_and_late_doses(words: str, hours: list[float]) -> None:
    regimen = parse_regimen(f"5 mg ketamine im, {words}")
    assert [dose.start_h for dose in regimen.doses] == hours
    assert parse_regimen(regimen.text) == regimen


def test_doses_given_together_are_missed_together() -> None:
    course = parse_regimen("5 mg ketamine iv bolus + 5 mg ketamine iv over 1 h, daily x 3, missing dose 2")
    assert [dose.start_h for dose in course.doses] == [0, 0, 48, 48]


def test_what_is_missed_or_late_does_not_move_the_next_part() -> None:
    course = parse_regimen(
        "5 mg ketamine im, daily x 2, missing dose 2, dose 1 late by 90 h then 5 mg ketamine im"
    )
    assert [dose.start_h for dose in course.doses] == [48, 90]


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        (
            "1 mg ketamine iv over 20 min then 1 mg ketamine iv over 20 min then 1 mg ketamine im",
            [0, 20 / 60, 40 / 60],
        ),
        (
            "1 mg ketamine im, twice weekly x 2 weeks then 1 mg ketamine im, weekly x 2",
            [0, 72, 168, 240, 336, 504],
        ),
        ("1 mg ketamine im, daily x 2, then 1 mg ketamine im", [0, 24, 48]),
        ("1 mg ketamine im, on day 1 then 1 mg ketamine im, on day 3", [0, 48]),
        ("1 mg ketamine im, weekly x 2; 1 mg ketamine im, at 1 h", [0, 1, 168]),
    ],
)
def test_then_follows_on_and_a_semicolon_counts_from_zero(text: str, hours: list[float]) -> None:
    # Sums of a third of an hour differ from the quotient by rounding only.
    assert [dose.start_h for dose in parse_regimen(text).doses] == pytest.approx(hours, rel=1e-15)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the regimen is empty; for no doses write 'none'"),
        (" ; ", "the regimen is empty"),
        ("foo", "a dose begins with its amount and unit"),
        ("ketamine 0.5 mg/kg iv over 40 min", "ketamine needs an amount and a unit in front of it"),
        ("0.5 ketamine iv over 40 min", "the amount '0.5' has no unit"),
        ("0.5", "the amount '0.5' has no unit"),
        ("0,5 mg/kg ketamine iv over 40 min", "0,5 is not a number; write decimals with a point"),
        ("0.5.1 mg/kg ketamine im", "a dose begins with its amount"),
        (
            "0.5 mg/kgg ketamine iv over 40 min",
            "unknown dose unit 'mg/kgg'; the nearest valid name is 'mg/kg'",
        ),
        ("5 h ketamine im", "unknown dose unit 'h'"),
        (
            "-0.5 mg/kg ketamine iv over 40 min",
            "amount: -0.5 mg/kg of ketamine is not a dose; it must be above 0",
        ),
        ("0 mg ketamine im", "must be above 0"),
        ("1e999 mg ketamine im", "amount: inf is not a finite number"),
        ("5 mg", "the drug is missing; drugs are ketamine, esketamine"),
        ("0.5 mg/kg ketamin iv over 40 min", "unknown drug 'ketamin'; the nearest valid name is 'ketamine'"),
        ("5 mg nitrous oxide inhaled", "unknown drug 'nitrous oxide'"),
        ("5 mg ketamine", "the route is missing"),
        ("5 mg ketamine intranasl", "unknown route 'intranasl'; the nearest valid name is 'intranasal'"),
        (
            "5 mg ketamine rectal",
            "no human source in the evidence gives them. Write them after the route, as in",
        ),
        ("5 mg ketamine sc over 40 min", "a dose by 'sc' has no duration"),
        ("5 mg ketamine sc (F 0.9)", "absorption_rate: a dose by 'sc' must state"),
        ("5 mg ketamine sc (F 0.9, ka 2.5)", "ka: '2.5' cannot be read; write it as in 'ka 2.5 /h'"),
        ("5 mg ketamine sc (F 0.9 mg, ka 2.5 /h)", "F: '0.9 mg' cannot be read; write it as in 'F 0.9'"),
        ("5 mg ketamine sc (F 0,9, ka 2.5 /h)", "'9' in '(F 0,9, ka 2.5 /h)' is not understood; write them"),
        ("5 mg ketamine sc (F 0.9, k 2.5 /h)", "unknown value 'k'; the nearest valid name is 'ka'"),
        ("5 mg ketamine sc (F 0.9, F 0.8)", "F is stated twice in '(F 0.9, F 0.8)'; state it once"),
        ("5 mg ketamine sc (F 0.9) (ka 2.5 /h)", "'(ka 2.5 /h)' is a second bracket; put F and ka into one"),
        ("5 mg ketamine sc (F 0.9, ka 2.5 /h", "a '(' is not closed"),
        ("5 mg ketamine sc F 0.9)", "a ')' has no '(' before it"),
        ("5 mg ketamine sc (F 1.9, ka 2.5 /h)", "bioavailability: 1.9 is no share of a dose"),
        ("5 mg ketamine im (F 0.9)", "bioavailability: 0.9 cannot be stated for 'im'"),
        ("5 mg ketamine inhaled", "duration: a dose by 'inhaled' needs one, as in 'inhaled over 20 min'"),
        ("placebo sc (F 0.9, ka 2.5 /h)", "placebo holds no drug, so it takes none"),
        (
            "5 mg ketamine sc (F 0.9, ka 2.5 /h); 5 mg ketamine sc (F 0.9, ka 2 /h)",
            "all doses of one regimen by this route must have the same",
        ),
        ("5 mg/m3 ketamine im", "unknown dose unit 'mg/m3'; the nearest valid name is 'mg/m2'"),
        (
            "5 mg ketamine hydrochlorid im",
            "unknown form 'hydrochlorid'; the nearest valid name is 'hydrochloride'",
        ),
        ("5 mg memantine im", "memantine cannot be given by 'im'; its routes are: oral"),
        ("5 mg ketamine im +", "'+' must stand between two doses"),
        ("1 mg ketamine im + 1 mg ketamine im, daily x 6000", "more than 10000 doses"),
        ("5 mg ketamine im, weekly x 4, missing doses 5", "they are numbered 1 to 4 in order of time"),
        ("5 mg ketamine im, weekly x 4, missing doses 2, 2", "missed: dose 2 is named twice"),
        (
            "5 mg ketamine im, weekly x 4, missed dose 2",
            "'missed dose 2' is not understood; write 'missing doses",
        ),
        (
            "5 mg ketamine im, weekly x 4, dose 2 late",
            "'dose 2 late' is not understood; write 'missing doses 3, 5'",
        ),
        ("5 mg ketamine im, weekly x 4, dose two late by 3 h", "'two' is not the number of a dose"),
        ("5 mg ketamine im, weekly x 4, dose 2 late by 3", "late by: '3' has no unit"),
        ("5 mg ketamine im, weekly x 4, dose 2 late by -3 h", "late: dose 2: -3 h is no delay"),
        (
            "5 mg ketamine im, weekly x 4, dose 2 late by 3 h, missing dose 2",
            "dose 2 is both missed and late",
        ),
        ("5 mg ketamine im, weekly x 4, doses 1, 1 late by 4 h", "late: dose 1 is named twice"),
        ("5 mg ketamine im, daily at steady state x 6, missing dose 1", "missed: dose 1 is at steady state"),
        ("5 mg ketamine im, daily at steady state x 6, dose 1 late by 2 h", "so it cannot be late"),
        (
            "5 mg ketamine im, at steady state",
            "does not say how far apart the doses are; write 'every 8 h at",
        ),
        ("5 mg ketamine im, every 8 at steady state", "time between doses: '8' has no unit"),
        ("5 mg ketamine im, every 8 h at steady stat", "nearest valid name is 'every 8 h at steady state'"),
        ("5 mg ketamine im, every 8 h at steady state from 2", "time of the first dose: '2' has no unit"),
        (
            "5 mg ketamine iv over 9 h, every 8 h at steady state",
            "infusions of 9 h cannot be given every 8 h",
        ),
        ("0.5 mg/kg ketamine iv", "an iv infusion needs one, as in 'iv over 40 min'"),
        ("0.5 mg/kg ketamine iv over", "duration: '' is not a number with a unit"),
        ("0.5 mg/kg ketamine iv over 40", "duration: '40' has no unit"),
        ("0.5 mg/kg ketamine iv over 40 mg", "duration: '40 mg'"),
        ("0.5 mg/kg ketamine iv over -40 min", "duration: '-40 min' must be above 0"),
        ("0.5 mg/kg ketamine iv over 40 min weekly x 2", "'weekly x 2' follows the duration; put a comma"),
        ("5 mg ketamine im weekly x 2", "'weekly x 2' follows the route 'im'"),
        ("5 mg ketamine iv bolus over 2 min", "a dose by 'iv bolus' has no duration"),
        ("5 mg/h ketamine oral", "unit: 'mg/h' is a rate"),
        ("5 mg placebo oral", "placebo holds no drug, so it takes no amount"),
        ("placebo", "the route is missing"),
        ("5 mg ketamine im, fortnightly", "unknown schedule 'fortnightly'. Allowed: once; daily x 5"),
        ("5 mg ketamine im, weeky x 4", "nearest valid name is 'weekly x 4'"),
        ("5 mg ketamine im, weekly x four", "number of weeks: 'four' is not a whole number above 0"),
        ("5 mg ketamine im, weekly x 0", "number of weeks: '0' is not a whole number"),
        ("5 mg ketamine im, twice weekly x 4", "does not say whether it counts weeks or doses"),
        ("5 mg ketamine im, 5x/week x 4 weeks", "5 times a week is not known"),
        ("5 mg ketamine im, every 3 x 4", "time between doses: '3' has no unit"),
        ("5 mg ketamine im, every 0 h x 4", "time between doses: '0 h' must be above 0"),
        ("5 mg ketamine im, on days 0, 4", "day (the first is day 1): '0' is not"),
        ("5 mg ketamine im, on days 1, 1", "'1, 1' names a time twice"),
        ("5 mg ketamine im, at 0, 72 h", "time of a dose: '0' has no unit"),
        ("5 mg ketamine im, at -1 h", "time of a dose: '-1 h' must be finite and not negative"),
        ("5 mg ketamine im, daily x 10001", "more than the 10000 doses"),
        ("5 mg ketamine im, daily x 99999999999999", "is not a whole number above 0"),
        ("5 mg ketamine im, 3x/week x 9000 weeks", "more than the 10000 doses"),
        ("5 mg ketamine im, daily x 9999; 5 mg ketamine im, daily x 9", "more than 10000 doses"),
        ("none; 5 mg ketamine im", "'none' must stand alone"),
        ("5 mg ketamine im then", "'then' must stand between two doses"),
        ("then 5 mg ketamine im", "'then' must stand between two doses"),
        ("5 mg ketamine im, on days 1, 4 then 5 mg ketamine im", "'then' does not say when this part begins"),
        (
            "5 mg ketamine im, weekly x 4 then 5 mg ketamine im, on day 2",
            "starts before the part in front of it",
        ),
        ("5 mg placebo hydrochloride oral", "placebo has no hydrochloride"),
    ],
)
def test_a_wrong_text_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(DoseError) as caught:
        parse_regimen(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_names_the_part_and_shows_a_right_text() -> None:
    with pytest.raises(DoseError) as caught:
        parse_regimen("5 mg ketamine im; 5 mgg ketamine im, on day 2")
    assert str(caught.value).startswith("dose part 2 of 2, '5 mgg ketamine im, on day 2': unknown dose unit")
    assert "'0.5 mg/kg ketamine iv over 40 min'" in str(caught.value)


def test_a_regimen_must_be_text() -> None:
    with pytest.raises(DoseError, match="a regimen is a text, not 5"):
        parse_regimen(5)  # type: ignore[arg-type]
