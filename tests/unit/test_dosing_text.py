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


def test_a_hydrochloride_dose_becomes_free_base() -> None:
    salt = parse_regimen("100 mg ketamine hydrochloride im").doses[0]
    # 237.7 g/mol of base in 274.2 g/mol of salt, as tabulated; rounded to four digits.
    assert salt.amount == pytest.approx(100.0 * 237.7 / 274.2, rel=2e-4)
    assert parse_regimen("10 umol ketamine HCl im").doses[0].amount == 10.0


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
        ("5 mg ketamine rectal", "route 'rectal' is not available"),
        ("5 mg ketamine sc over 40 min", "route 'sc' is not available"),
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
