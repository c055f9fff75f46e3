"""One dose as text: ``<amount> <unit> <drug> [hydrochloride] <route> [(F .., ka ..)] [over <duration>]``."""

from __future__ import annotations

import math
import re

from ketasim.dosing._messages import unknown_word
from ketasim.dosing.dose import FORMS, Dose
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.routes import Route, find_route, longest_route
from ketasim.dosing.units_of_dose import find_unit
from ketasim.errors import DoseError, UnitError
from ketasim.units import parse_duration, parse_quantity

__all__ = ["parse_dose"]

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\d.])", re.IGNORECASE)
_FORM_WORDS = {"base": "base", "hydrochloride": "hydrochloride", "hcl": "hydrochloride"}
# Brackets with a number in them; those of "(R,S)-ketamine" have none.
_UPTAKE = re.compile(r"\(([^()]*\d[^()]*)\)")
_UPTAKE_ENTRY = re.compile(r"([a-z]+)\s*[=:]?\s*(.*)", re.IGNORECASE)
_UPTAKE_HELP = "write them as in '(F 0.9, ka 2.5 /h)'."


def parse_dose(text: str) -> Dose:
    """Read one dose, at time zero.

    Parameters
    ----------
    text : str
        For example ``"0.5 mg/kg ketamine hydrochloride iv over 40 min"`` or ``"50 mg ketamine
        rectal (F 0.25, ka 1.5 /h)"``. A placebo (or saline) takes a route but no amount.

    Returns
    -------
    Dose
        The dose.

    Raises
    ------
    DoseError
        Saying what is missing, unknown or left over.
    """
    if text.lower() == "none":
        raise DoseError("'none' must stand alone; leave this part out.")
    plain, bioavailability, absorption_rate = _take_uptake(text)
    before, over, length = _partition_over(plain)
    duration = _read_duration(length) if over else None
    match = _NUMBER.match(before)
    if match is None:
        amount, unit = 0.0, "mg"
        drug, rest = _read_drug(before.split(), amount_given=False)
    else:
        amount = float(match.group())
        unit, words = _read_unit(match.group(), before[match.end() :])
        drug, rest = _read_drug(words, amount_given=True)
    form = "base"
    if rest and rest[0].lower() in _FORM_WORDS:
        form, rest = _FORM_WORDS[rest[0].lower()], rest[1:]
    elif not longest_route(rest) and longest_route(rest[1:]):
        # One strange word between a drug and a route can only be meant for the form.
        raise DoseError(unknown_word("form", rest[0], FORMS))
    route = _read_route(rest)
    return Dose(drug.name, route.name, amount, unit, 0.0, duration, form, bioavailability, absorption_rate)


def _take_uptake(text: str) -> tuple[str, float | None, float | None]:
    """Take the bracket with bioavailability and absorption rate out of a text, and read it."""
    found = _UPTAKE.findall(text)
    if len(found) > 1:
        raise DoseError(f"'({found[1]})' is a second bracket; put F and ka into one; {_UPTAKE_HELP}")
    if not found:
        return text, None, None
    values: dict[str, float] = {}
    for entry in found[0].split(","):
        match = _UPTAKE_ENTRY.fullmatch(entry.strip())
        if match is None:
            raise DoseError(f"{entry.strip()!r} in '({found[0]})' is not understood; {_UPTAKE_HELP}")
        name = {"f": "F", "ka": "ka"}.get(match.group(1).lower())
        if name is None:
            raise DoseError(f"{unknown_word('value', match.group(1), ('F', 'ka'))} Write {_UPTAKE_HELP[6:]}")
        if name in values:
            raise DoseError(f"{name} is stated twice in '({found[0]})'; state it once.")
        values[name] = _read_uptake(name, match.group(2))
    return _UPTAKE.sub(" ", text).strip(), values.get("F"), values.get("ka")


def _read_uptake(name: str, words: str) -> float:
    # "2.5 /h" and "2.5 per h" are how people write "2.5 1/h".
    plain = re.sub(r"(?<=[\d.])(?:\s*/|\s*per\b|\s+1\s*/)\s*", " 1/", words) if name == "ka" else words
    try:
        return parse_quantity(plain, "1/h" if name == "ka" else "ratio", name)
    except UnitError as error:
        example = "ka 2.5 /h" if name == "ka" else "F 0.9"
        raise DoseError(f"{name}: {words!r} cannot be read; write it as in '{example}'.") from error


def _partition_over(head: str) -> tuple[str, bool, str]:
    match = re.search(r"\sover\b", head, re.IGNORECASE)
    if match is None:
        return head, False, ""
    return head[: match.start()], True, head[match.end() :].strip()


def _read_duration(text: str) -> float:
    match = _NUMBER.match(text)
    words = text[match.end() :].split() if match else []
    if len(words) > 1:
        raise DoseError(f"{' '.join(words[1:])!r} follows the duration; put a comma before a schedule.")
    try:
        hours = parse_duration(text, "duration")
    except UnitError as error:
        raise DoseError(f"{error} A duration is a number with a unit, as in 'over 40 min'.") from error
    if not math.isfinite(hours) or hours <= 0.0:
        raise DoseError(f"duration: {text!r} must be above 0, as in 'over 40 min'.")
    return hours


def _read_unit(number: str, after: str) -> tuple[str, list[str]]:
    words = re.sub(r"\s*/\s*", "/", after).split()
    if not words or _leading_drug(words)[0] is not None:
        raise DoseError(f"the amount {number!r} has no unit; write for example '{number} mg/kg'.")
    return find_unit(words[0]).name, words[1:]


def _leading_drug(words: list[str]) -> tuple[Drug | None, int]:
    for count in range(min(3, len(words)), 0, -1):
        try:
            return find_drug(" ".join(words[:count])), count
        except DoseError:
            continue
    return None, 0


def _read_drug(words: list[str], *, amount_given: bool) -> tuple[Drug, list[str]]:
    drug, count = _leading_drug(words)
    if drug is None:
        if not amount_given:
            raise DoseError(
                "a dose begins with its amount and unit, as in '0.5 mg/kg'; only a placebo has none."
            )
        if not words:
            raise DoseError(f"the drug is missing; drugs are {', '.join(DRUGS)}.")
        # The words in front of a known route are the drug's name, whatever their number.
        ends = [index for index in range(1, len(words)) if longest_route(words[index:])]
        find_drug(" ".join(words[: ends[0] if ends else 1]))
        raise DoseError(f"no drug was found in {' '.join(words)!r}.")
    if not amount_given and drug.is_active:
        raise DoseError(
            f"{drug.name} needs an amount and a unit in front of it, as in '0.5 mg/kg {drug.name}'."
        )
    return drug, words[count:]


def _read_route(words: list[str]) -> Route:
    count = longest_route(words)
    if not words:
        raise DoseError(
            "the route is missing; add one such as 'iv over 40 min', 'intranasal', 'im' or 'oral'."
        )
    if 0 < count < len(words):
        route = find_route(" ".join(words[:count]))
        raise DoseError(
            f"{' '.join(words[count:])!r} follows the route {route.text!r}; after a route comes 'over' and a "
            "duration (iv and inhaled only), or a comma and a schedule."
        )
    return find_route(" ".join(words))
