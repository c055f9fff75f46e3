"""Regimens written as text, read into objects.

A regimen is one or more parts, joined by ``;``, a line break or ``then``. A part is
``<dose> [+ <dose> ...] [, <schedule>] [, missing doses <numbers>] [, dose <number> late by <time>]``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ketasim.dosing.adherence import parse_departures, split_departures
from ketasim.dosing.dose import Dose
from ketasim.dosing.dose_text import parse_dose
from ketasim.dosing.regimen import Regimen
from ketasim.dosing.schedule import MAX_DOSES, Schedule, parse_schedule
from ketasim.errors import DoseError

__all__ = ["parse_regimen"]

_EXAMPLES = (
    "'0.5 mg/kg ketamine iv over 40 min'",
    "'84 mg esketamine intranasal, twice weekly x 4 weeks'",
    "'placebo intranasal, on days 1, 4'",
    "'none'",
)
_JOINERS = re.compile(r"(;|\r?\n|\bthen\b)", re.IGNORECASE)
# A plus between two doses; not that of a number such as +5 or 1e+3, nor that of S(+)-ketamine.
_TOGETHER = re.compile(r"(?<=\S)(?<![\d.]e)(?<!\()\s*\+\s*(?!\))", re.IGNORECASE)
_SHOWN = 120


@dataclass(frozen=True)
class _Part:
    text: str
    after_previous: bool


@dataclass(frozen=True)
class _Clock:
    """Where the parts read so far have come to.

    Parameters
    ----------
    last_start_h : float
        The latest planned start in h.
    ended_h : float or None
        Where the last part ends in h; None after a list of days or times.
    """

    last_start_h: float = 0.0
    ended_h: float | None = 0.0


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

        Doses joined by ``+`` are given together, on one schedule: the second begins where the
        first ends (after a bolus: at once), as in ``"0.2 mg/kg ketamine iv bolus + 0.3 mg/kg/h
        ketamine iv over 2 h, weekly x 4"``. ``missing doses 3, 5`` and ``dose 2 late by 24 h``,
        after the schedule, number its times from 1; doses given together share a number. They
        change no other dose, and not where the part ends. ``every 8 h at steady state`` is one
        dose of an endless course, ``every 8 h at steady state x 6`` that dose and five more.

        A mass is of free base unless it is said to be of ``hydrochloride``, as in ``"50 mg ketamine
        hydrochloride im"``. Doses by ``sc`` and ``rectal`` state their bioavailability and
        absorption rate, as in ``"0.5 mg/kg ketamine sc (F 0.9, ka 2.5 /h)"``. A placebo (or saline)
        takes a route but no amount. An infusion acts on [start, end).

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
    return _parsed(text)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Regimen:
    """Read a text once: a study asks for the doses of an arm again and again."""
    if text.strip().lower() == "none":
        return Regimen()
    doses = _read_parts(_split(text))
    try:
        return Regimen(tuple(doses))
    except DoseError as error:
        raise DoseError(f"dose {_shown(text.strip())}: {error}") from error


def _read_parts(parts: list[_Part]) -> list[Dose]:
    doses: list[Dose] = []
    clock = _Clock()
    for number, part in enumerate(parts, start=1):
        where = f"dose {_shown(part.text)}"
        if len(parts) > 1:
            where = f"dose part {number} of {len(parts)}, {_shown(part.text)}"
        try:
            new, clock = _read_part(part, clock)
            if len(doses) + len(new) > MAX_DOSES:
                raise DoseError(f"the regimen would hold more than {MAX_DOSES} doses.")
        except DoseError as error:
            raise DoseError(f"{where}: {error} Examples: {', '.join(_EXAMPLES)}.") from error
        doses += new
    return doses


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


def _partition_comma(text: str) -> tuple[str, str]:
    """Split at the first comma that is not in brackets, as that of "(R,S)-ketamine" is."""
    depth = 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if depth < 0:
            raise DoseError("a ')' has no '(' before it; write for example 'sc (F 0.9, ka 2.5 /h)'.")
        if letter == "," and depth == 0:
            return text[:index].strip(), text[index + 1 :].strip()
    if depth:
        raise DoseError("a '(' is not closed; write for example 'sc (F 0.9, ka 2.5 /h)'.")
    return text.strip(), ""


def _read_part(part: _Part, clock: _Clock) -> tuple[list[Dose], _Clock]:
    """Read the doses of a part, and where it leaves the clock."""
    head, when = _partition_comma(part.text)
    if re.fullmatch(r"[-+]?\d+", head) and re.match(r"\d", when):
        raise DoseError(f"{head},{when.split()[0]!s} is not a number; write decimals with a point.")
    together = _read_together(head)
    words, clauses = split_departures(when)
    schedule = parse_schedule(words) if words else Schedule((0.0,))
    if len(together) * len(schedule.starts_h) > MAX_DOSES:
        raise DoseError(f"the regimen would hold more than {MAX_DOSES} doses.")
    fixed = () if schedule.steady_state_h is None else (1,)
    departures = parse_departures(clauses, len(schedule.starts_h), fixed)
    offset = _offset(part, schedule, clock)
    doses: list[Dose] = []
    for number, start in enumerate(schedule.starts_h, start=1):
        if number in departures.missed:
            continue
        late = departures.delays_h.get(number, 0.0)
        steady = schedule.steady_state_h if number in fixed else None
        doses += [dose.at(offset + start + late + dose.start_h).at_steady_state(steady) for dose in together]
    last = together[-1].at(offset + schedule.starts_h[-1] + together[-1].start_h)
    ended = last.end_h if schedule.span_h is None else offset + schedule.span_h
    last_start = max(clock.last_start_h, last.start_h)
    return doses, _Clock(last_start, None if schedule.is_list else ended)


def _offset(part: _Part, schedule: Schedule, clock: _Clock) -> float:
    """Where the times of a part count from, in h."""
    if not part.after_previous:
        return 0.0
    if schedule.is_list:
        if schedule.starts_h[0] < clock.last_start_h:
            raise DoseError(
                "this part comes after 'then' but starts before the part in front of it; use ';' instead."
            )
        return 0.0
    if clock.ended_h is None:
        raise DoseError(
            "after a list of days or times, 'then' does not say when this part begins; "
            "name its days too, as in ', on days 8, 15'."
        )
    return clock.ended_h


def _read_together(text: str) -> list[Dose]:
    """Read doses joined by a plus; each begins where the one before it ends."""
    doses: list[Dose] = []
    for words in _TOGETHER.split(text):
        if not words.strip():
            raise DoseError("'+' must stand between two doses.")
        doses.append(parse_dose(words.strip()).at(doses[-1].end_h if doses else 0.0))
    return doses
