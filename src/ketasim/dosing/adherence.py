"""Doses that are missed or late: checks of their numbers, and the words for them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ketasim.dosing.units_of_dose import checked_number
from ketasim.errors import DoseError, UnitError
from ketasim.units import parse_duration

__all__ = ["Departures", "checked_delays", "checked_doses", "parse_departures", "split_departures"]

_CLAUSE = re.compile(r",\s*(?=(?:miss|skip)\w*|(?:late|doses?)\b)", re.IGNORECASE)
_MISSING = re.compile(r"missing doses? (?P<list>.+)")
_LATE = re.compile(r"doses? (?P<list>.+) late by (?P<delay>.+)")
_HELP = "write 'missing doses 3, 5' or 'dose 2 late by 24 h' after the schedule."


@dataclass(frozen=True)
class Departures:
    """How a course departs from its plan.

    Parameters
    ----------
    missed : frozenset of int
        Numbers of the doses that are not given, from 1 in order of time.
    delays_h : mapping of int to float
        Hours by which other doses are late, by number.
    """

    missed: frozenset[int] = frozenset()
    delays_h: Mapping[int, float] = field(default_factory=dict)


def checked_doses(
    numbers: tuple[int, ...], count: int, what: str, fixed: Iterable[int] = ()
) -> frozenset[int]:
    """Check the numbers of doses that are missed or late.

    Parameters
    ----------
    numbers : tuple of int
        From 1 in order of time.
    count : int
        How many doses there are.
    what : str
        ``"missed"`` or ``"late"``, for the message.
    fixed : iterable of int
        Numbers of the doses at steady state, which stand for all before them too.

    Returns
    -------
    frozenset of int
        The numbers.

    Raises
    ------
    DoseError
        If a number is not whole, does not exist, is named twice or is at steady state.
    """
    held = set(fixed)
    seen: set[int] = set()
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= count:
            exist = f"they are numbered 1 to {count} in order of time" if count else "there are none"
            raise DoseError(f"{what}: {number!r} is not the number of a dose; {exist}.")
        if number in seen:
            raise DoseError(f"{what}: dose {number} is named twice; name each once.")
        if number in held:
            raise DoseError(
                f"{what}: dose {number} is at steady state and stands for all doses before it too, "
                f"so it cannot be {what}; name a later dose, or state the doses one by one."
            )
        seen.add(number)
    return frozenset(seen)


def checked_delays(delays_h: Mapping[int, float], count: int, fixed: Iterable[int] = ()) -> dict[int, float]:
    """Check the hours by which doses are late, by number; see `checked_doses`."""
    checked_doses(tuple(delays_h), count, "late", fixed)
    delays = {number: checked_number(hours, f"late: dose {number}") for number, hours in delays_h.items()}
    for number, hours in delays.items():
        if hours <= 0.0:
            raise DoseError(f"late: dose {number}: {hours:g} h is no delay; it must be above 0 h.")
    return delays


def split_departures(when: str) -> tuple[str, list[str]]:
    """Split the words after a dose into its schedule and the clauses for missed and late doses."""
    first, *clauses = _CLAUSE.split(f",{when}")
    return first.lstrip(",").strip(), [clause.strip(" ,") for clause in clauses]


def parse_departures(clauses: Iterable[str], count: int, fixed: Iterable[int] = ()) -> Departures:
    """Read clauses such as ``missing doses 3, 5`` and ``dose 2 late by 24 h``.

    Parameters
    ----------
    clauses : iterable of str
        From `split_departures`.
    count : int
        How many doses the schedule has.
    fixed : iterable of int
        Numbers of the doses at steady state.

    Returns
    -------
    Departures
        All clauses together.

    Raises
    ------
    DoseError
        If a clause is not one of the two, a number does not exist or is named twice, or a time is
        not a time.
    """
    missed: list[int] = []
    delays: dict[int, float] = {}
    for clause in clauses:
        plain = " ".join(clause.lower().split())
        missing, late = _MISSING.fullmatch(plain), _LATE.fullmatch(plain)
        if missing is not None:
            missed += _numbers(missing["list"], clause)
        elif late is not None:
            hours = _delay(late["delay"])
            for number in _numbers(late["list"], clause):
                if number in delays:
                    raise DoseError(f"late: dose {number} is named twice; name each once.")
                delays[number] = hours
        else:
            raise DoseError(f"{clause!r} is not understood; {_HELP}")
    gone = checked_doses(tuple(missed), count, "missed", fixed)
    both = sorted(gone & set(delays))
    if both:
        raise DoseError(f"dose {both[0]} is both missed and late; name it once.")
    return Departures(gone, checked_delays(delays, count, fixed))


def _numbers(words: str, clause: str) -> list[int]:
    pieces = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", words)
    wrong = [piece for piece in pieces if not re.fullmatch(r"\d{1,9}", piece)]
    if wrong:
        raise DoseError(f"{clause!r}: {wrong[0]!r} is not the number of a dose; {_HELP}")
    return [int(piece) for piece in pieces]


def _delay(text: str) -> float:
    try:
        return parse_duration(text, "late by")
    except UnitError as error:
        raise DoseError(f"{error} A delay is a number with a unit, as in 'dose 2 late by 24 h'.") from error
