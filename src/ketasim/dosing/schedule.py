"""Words for when a dose is given again, and back."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ketasim.dosing._messages import unknown_word
from ketasim.errors import DoseError, UnitError
from ketasim.units import parse_duration

__all__ = ["MAX_DOSES", "Schedule", "parse_schedule", "schedule_text", "steady_text", "time_text"]

#: No regimen may hold more doses than this: 27 years of daily doses.
MAX_DOSES = 10_000

_DAY_H = 24.0
_WEEK_H = 168.0

#: Days of the week, from 0, on which a dose falls when it is given so many times a week.
_WEEK_DAYS = {1: (0,), 2: (0, 3), 3: (0, 2, 4)}

_FORMS = (
    "once",
    "daily x 5",
    "weekly x 4",
    "twice weekly x 4 weeks",
    "three times weekly x 2 weeks",
    "every 3 days x 6",
    "every 12 h x 4",
    "every 8 h at steady state",
    "every 8 h at steady state x 6",
    "every 8 h at steady state x 6 from 48 h",
    "on day 1",
    "on days 1, 4, 8, 11",
    "at 0 h, 72 h",
)


@dataclass(frozen=True)
class Schedule:
    """When a dose is given.

    Parameters
    ----------
    starts_h : tuple of float
        Times of the doses in h.
    span_h : float or None
        Length of the schedule in h, at the end of which a part joined by ``then`` begins; None
        for one dose, which ends when its infusion does.
    is_list : bool
        Whether the days or times are named. They always count from time zero.
    steady_state_h : float or None
        If given, the first dose is one of an endless course at this interval in h.
    """

    starts_h: tuple[float, ...]
    span_h: float | None = None
    is_list: bool = False
    steady_state_h: float | None = None


_COUNT = r"(?P<count>\S+)"
_STEADY = r"(?:(?P<word>daily|weekly)|every (?P<step>.+?)),? at steady[- ]state"
_TIMES = {"once": 1, "twice": 2, "two": 2, "thrice": 3, "three": 3}
_PER_WEEK = rf"(?P<times>\d+|{'|'.join(_TIMES)})\s*(?:times|x)?\s*(?:weekly|/\s*(?:week|wk)|(?:a|per) week)"


def _whole(text: str, what: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text) or int(text) == 0:
        raise DoseError(f"{what}: {text!r} is not a whole number above 0.")
    number = int(text)
    if number > MAX_DOSES:
        raise DoseError(f"{what}: {number} is more than the {MAX_DOSES} doses that a regimen may hold.")
    return number


def _hours(text: str, what: str) -> float:
    try:
        hours = parse_duration(text, what)
    except UnitError as error:
        raise DoseError(str(error)) from error
    if not math.isfinite(hours) or hours < 0.0:
        raise DoseError(f"{what}: {text!r} must be finite and not negative.")
    return hours


def _once(_: re.Match[str]) -> Schedule:
    return Schedule((0.0,))


def _regular(step_h: float, count: int) -> Schedule:
    return Schedule(tuple(index * step_h for index in range(count)), span_h=count * step_h)


def _daily(match: re.Match[str]) -> Schedule:
    return _regular(_DAY_H, _whole(match["count"], "number of days"))


def _weekly(match: re.Match[str]) -> Schedule:
    return _regular(_WEEK_H, _whole(match["count"], "number of weeks"))


def _per_week(match: re.Match[str]) -> Schedule:
    times = _TIMES.get(match["times"]) or _whole(match["times"], "times a week")
    if times not in _WEEK_DAYS:
        raise DoseError(
            f"{times} times a week is not known; once, twice and three times a week are. "
            "Name the days instead, as in 'on days 1, 2, 4, 5'."
        )
    if not match["weeks"]:
        raise DoseError(
            f"{match.group()!r} does not say whether it counts weeks or doses; "
            f"write for example '{match.group()} weeks'."
        )
    weeks = _whole(match["count"], "number of weeks")
    _whole(str(weeks * times), "number of doses")
    starts = tuple(week * _WEEK_H + day * _DAY_H for week in range(weeks) for day in _WEEK_DAYS[times])
    return Schedule(starts, span_h=weeks * _WEEK_H)


def _step(words: str) -> float:
    plain = re.sub(r"^other\b", "2", words)
    step = _hours(plain if re.match(r"[-+.\d]", plain) else f"1 {plain}", "time between doses")
    if step == 0.0:
        raise DoseError(f"time between doses: {words!r} must be above 0.")
    return step


def _every(match: re.Match[str]) -> Schedule:
    return _regular(_step(match["step"]), _whole(match["count"], "number of doses"))


def _steady(match: re.Match[str]) -> Schedule:
    step = {"daily": _DAY_H, "weekly": _WEEK_H}.get(match["word"]) or _step(match["step"])
    count = _whole(match["count"], "number of doses") if match["count"] else 1
    first = _hours(match["first"], "time of the first dose") if match["first"] else 0.0
    starts = tuple(first + index * step for index in range(count))
    # A course whose first time is named counts from time zero, as a list does.
    named = match["first"] is not None
    return Schedule(starts, None if named else count * step, is_list=named, steady_state_h=step)


def _steady_without_step(match: re.Match[str]) -> Schedule:
    raise DoseError(
        f"{match.group()!r} does not say how far apart the doses are; write 'every 8 h at steady state', and "
        "'every 8 h at steady state x 6' for the first of six doses at steady state."
    )


def _list(entries: str, read: Callable[[str], float]) -> Schedule:
    pieces = re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", entries)
    if len(pieces) > MAX_DOSES:
        raise DoseError(f"{len(pieces)} doses are more than the {MAX_DOSES} that a regimen may hold.")
    starts = sorted(read(piece) for piece in pieces)
    if len(set(starts)) < len(starts):
        raise DoseError(f"{entries!r} names a time twice; name each once.")
    return Schedule(tuple(starts), is_list=True)


def _on_days(match: re.Match[str]) -> Schedule:
    return _list(match["list"], lambda piece: (_whole(piece, "day (the first is day 1)") - 1) * _DAY_H)


def _at_times(match: re.Match[str]) -> Schedule:
    return _list(match["list"], lambda piece: _hours(piece, "time of a dose"))


_READERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Schedule]], ...] = (
    (re.compile("once"), _once),
    (re.compile(rf"daily x {_COUNT}(?: days?)?"), _daily),
    (re.compile(rf"weekly x {_COUNT}(?: weeks?)?"), _weekly),
    (re.compile(rf"{_PER_WEEK} x {_COUNT}(?P<weeks> weeks?)?"), _per_week),
    (re.compile(r"at steady[- ]state.*"), _steady_without_step),
    (re.compile(rf"{_STEADY}(?: x {_COUNT})?(?: from (?P<first>.+))?"), _steady),
    (re.compile(rf"every (?P<step>.+?) x {_COUNT}"), _every),
    (re.compile(r"on days? (?P<list>.+)"), _on_days),
    (re.compile(r"at (?P<list>.+)"), _at_times),
)


def parse_schedule(text: str) -> Schedule:
    """Read the words for when a dose is given.

    Parameters
    ----------
    text : str
        One of the forms ``once``, ``daily x 5``, ``weekly x 4``, ``twice weekly x 4 weeks`` (days
        0 and 3 of each week; also ``2x/week``), ``three times weekly x 2 weeks`` (days 0, 2, 4),
        ``every 3 days x 6``, ``on days 1, 4`` (day 1 begins at time zero) or ``at 0 h, 72 h``.
        ``every 8 h at steady state`` is one dose of an endless course, at time zero or at the time
        after ``from``; with ``x 6`` five more doses follow it.

    Returns
    -------
    Schedule
        Times in h.

    Raises
    ------
    DoseError
        If the words are not one of these forms, or ask for more than 10,000 doses.
    """
    plain = re.sub(r"\s*[×*]\s*", " x ", text.lower())
    plain = re.sub(r"\bx(?=\d)", "x ", " ".join(plain.split()))
    for pattern, read in _READERS:
        match = pattern.fullmatch(plain)
        if match is not None:
            return read(match)
    raise DoseError(unknown_word("schedule", text, _FORMS))


def _number(value: float) -> str:
    return repr(value).removesuffix(".0")


def time_text(hours: float) -> str:
    """Write a time in the plainest unit that reads back as exactly these hours."""
    if hours != int(hours):
        minutes = f"{_number(round(hours * 60.0, 6))} min"
        if parse_duration(minutes, "time") == hours:
            return minutes
    return f"{_number(hours)} h"


def _step_text(hours: float) -> str:
    days = f"{_number(hours / _DAY_H)} days"
    return days if hours % _DAY_H == 0.0 and parse_duration(days, "step") == hours else time_text(hours)


def steady_text(first_h: float, step_h: float, count: int) -> str:
    """Write a course at steady state, from its first time in h, so that it reads back exactly."""
    step = {_DAY_H: "daily", _WEEK_H: "weekly"}.get(step_h) or f"every {_step_text(step_h)}"
    words = f"{step} at steady state"
    words += f" x {count}" if count > 1 else ""
    return words + (f" from {time_text(first_h)}" if first_h else "")


def _candidates(starts: Sequence[float]) -> Iterator[str]:
    count, step = len(starts), starts[1] - starts[0]
    yield f"daily x {count}"
    yield f"weekly x {count}"
    # One week is plainer as a list of days, and two doses as a list of times.
    if count > 3:
        yield f"twice weekly x {count // 2} weeks"
        yield f"three times weekly x {count // 3} weeks"
    if count > 2:
        yield f"every {_step_text(step)} x {count}"


def _says(text: str, starts: Sequence[float]) -> bool:
    try:
        return parse_schedule(text).starts_h == tuple(starts)
    except DoseError:
        return False


def schedule_text(starts_h: Sequence[float]) -> str:
    """Write times of doses in the shortest words that read back as exactly these times.

    Parameters
    ----------
    starts_h : sequence of float
        Rising times in h, at least one.

    Returns
    -------
    str
        Empty for a single dose at time zero.
    """
    if tuple(starts_h) == (0.0,):
        return ""
    if len(starts_h) > 1:
        for text in _candidates(starts_h):
            if _says(text, starts_h):
                return text
    if all(start % _DAY_H == 0.0 for start in starts_h):
        days = ", ".join(_number(start / _DAY_H + 1.0) for start in starts_h)
        text = f"on {'day' if len(starts_h) == 1 else 'days'} {days}"
        if _says(text, starts_h):
            return text
    return "at " + ", ".join(time_text(start) for start in starts_h)
