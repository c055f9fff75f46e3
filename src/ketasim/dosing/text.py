"""Regimens written as text, read into objects.

A regimen is one or more parts, joined by ``;``, a line break or ``then``. A part is
``<amount> <unit> <drug> <route> [over <duration>] [, <schedule>]``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ketasim.dosing.dose import Dose, find_unit
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.regimen import Regimen
from ketasim.dosing.routes import Route, find_route, longest_route
from ketasim.dosing.schedule import MAX_DOSES, Schedule, parse_schedule
from ketasim.errors import DoseError, UnitError
from ketasim.units import parse_duration

__all__ = ["parse_regimen"]

_EXAMPLES = (
    "'0.5 mg/kg ketamine iv over 40 min'",
    "'84 mg esketamine intranasal, twice weekly x 4 weeks'",
    "'placebo intranasal, on days 1, 4'",
    "'none'",
)
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\d.])", re.IGNORECASE)
_JOINERS = re.compile(r"(;|\r?\n|\bthen\b)", re.IGNORECASE)
_SALT = ("hydrochloride", "hcl")
_SHOWN = 120


@dataclass(frozen=True)
class _Part:
    text: str
    after_previous: bool


def parse_regimen(text: str) -> Regimen:
    """Read a regimen from text.

    Parameters
    ----------
    text : str
        For example ``"0.5 mg/kg ketamine iv over 40 min"``, ``"84 mg esketamine intranasal,
        twice weekly x 4 weeks"``, ``"saline iv over 40 min, weekly x 4"`` or ``"none"``.

        Parts joined by ``;`` or a line break all count from time zero. A part after ``then``
        begins where the part before it ends: at the end of its weeks, days or steps, or, for a
        single dose, at the end of its infusion. Days and times named one by one
        (``on days 1, 4``, ``at 72 h``) always count from time zero; day 1 begins at time zero.

        Doses are free base; ``ketamine hydrochloride`` doses are converted to free base.
        A placebo (or saline) takes a route but no amount. An infusion acts on [start, end).

    Returns
    -------
    Regimen
        The doses; empty for ``none``.

    Raises
    ------
    DoseError
        Naming the part that is wrong, what is allowed, and examples.
    """
    if not isinstance(text, str):
        raise DoseError(f"a regimen is a text, not {text!r}. Examples: {', '.join(_EXAMPLES)}.")
    if text.strip().lower() == "none":
        return Regimen()
    parts = _split(text)
    doses: list[Dose] = []
    ended: float | None = 0.0
    for number, part in enumerate(parts, start=1):
        where = f"dose {_shown(part.text)}"
        if len(parts) > 1:
            where = f"dose part {number} of {len(parts)}, {_shown(part.text)}"
        try:
            last_start = doses[-1].start_h if doses else 0.0
            new, ended = _read_part(part, last_start, ended)
            if len(doses) + len(new) > MAX_DOSES:
                raise DoseError(f"the regimen would hold more than {MAX_DOSES} doses.")
        except DoseError as error:
            raise DoseError(f"{where}: {error} Examples: {', '.join(_EXAMPLES)}.") from error
        doses += new
    return Regimen(tuple(doses))


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _split(text: str) -> list[_Part]:
    pieces = _JOINERS.split(text)
    parts: list[_Part] = []
    joiner = ""
    for index in range(0, len(pieces), 2):
        words = " ".join(pieces[index].split()).strip(" ,")
        if index and pieces[index - 1].strip():
            joiner = pieces[index - 1].lower()
        if not words:
            continue
        parts.append(_Part(words, after_previous=joiner == "then"))
        joiner = ""
    if joiner == "then" or (parts and parts[0].after_previous):
        raise DoseError(f"dose {_shown(text.strip())}: 'then' must stand between two doses.")
    if not parts:
        raise DoseError(f"the regimen is empty; for no doses write 'none'. Examples: {', '.join(_EXAMPLES)}.")
    return parts


def _read_part(part: _Part, last_start: float, ended: float | None) -> tuple[list[Dose], float | None]:
    """Read the doses of a part and where it ends (None after a list of days or times)."""
    # The comma of "(R,S)-ketamine" is not the one before a schedule.
    plain = re.sub(r"\(\s*([rs])\s*,\s*([rs])\s*\)", r"\1\2", part.text, flags=re.IGNORECASE)
    head, comma, when = plain.partition(",")
    if re.fullmatch(r"[-+]?\d+", head.strip()) and re.match(r"\d", when):
        raise DoseError(f"{head.strip()},{when.split()[0]!s} is not a number; write decimals with a point.")
    dose = _read_head(head.strip())
    schedule = parse_schedule(when.strip()) if comma else Schedule((0.0,))
    offset = 0.0
    if part.after_previous and schedule.is_list and schedule.starts_h[0] < last_start:
        raise DoseError(
            "this part comes after 'then' but starts before the part in front of it; use ';' instead."
        )
    if part.after_previous and not schedule.is_list:
        if ended is None:
            raise DoseError(
                "after a list of days or times, 'then' does not say when this part begins; "
                "name its days too, as in ', on days 8, 15'."
            )
        offset = ended
    doses = [dose.at(offset + start) for start in schedule.starts_h]
    if schedule.is_list:
        return doses, None
    return doses, doses[-1].end_h if schedule.span_h is None else offset + schedule.span_h


def _read_head(head: str) -> Dose:
    """Read ``<amount> <unit> <drug> <route> [over <duration>]`` as a dose at time zero."""
    if head.lower() == "none":
        raise DoseError("'none' must stand alone; leave this part out.")
    before, over, length = _partition_over(head)
    duration = _read_duration(length) if over else None
    match = _NUMBER.match(before)
    if match is None:
        drug, rest = _read_drug(before.split(), amount_given=False)
        return Dose(drug.name, _read_route(rest).name, 0.0, "mg", 0.0, duration)
    amount = float(match.group())
    unit, words = _read_unit(match.group(), before[match.end() :])
    drug, rest = _read_drug(words, amount_given=True)
    if rest and rest[0].lower() in _SALT:
        if drug.salt_factor is None:
            raise DoseError(f"{drug.name} has no hydrochloride.")
        # An amount of substance is the same for salt and base; only a mass shrinks.
        amount *= 1.0 if "mol" in unit else drug.salt_factor
        rest = rest[1:]
    return Dose(drug.name, _read_route(rest).name, amount, unit, 0.0, duration)


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
            "duration (iv only), or a comma and a schedule."
        )
    return find_route(" ".join(words))
