"""Schedules as published texts and forms write them, brought to a few words that can be compared."""

from __future__ import annotations

import re

__all__ = ["schedule_class"]

#: The first pattern that is found names the schedule.
_CLASSES = (
    (re.compile(r"\b(?:3\s*x\s*/?\s*w|three times)"), "three times weekly"),
    (re.compile(r"\b(?:2\s*x\s*/?\s*w|twice)"), "twice weekly"),
    (re.compile(r"every other day|every 2 d"), "every 2 days"),
    (re.compile(r"every (?:2|two) w"), "every 2 weeks"),
    (re.compile(r"every (?:4|four) w"), "every 4 weeks"),
    (re.compile(r"\bweekly\b"), "weekly"),
    (re.compile(r"\bdaily\b"), "daily"),
    (re.compile(r"\b(?:single|once|acute|1 dose|one dose|crossover|during infusion)\b"), "single"),
)


def schedule_class(text: str) -> str:
    """Return the schedule that a text speaks of.

    Parameters
    ----------
    text : str
        Such as ``"2x/wk x4 wk + new oral antidepressant"``, ``"twice weekly"`` or ``"once"``; nothing
        stands for a single dose.

    Returns
    -------
    str
        ``single``, ``daily``, ``weekly``, ``twice weekly``, ``three times weekly``, ``every 2 days``,
        ``every 2 weeks``, ``every 4 weeks`` or ``repeated``.
    """
    plain = text.lower().strip()
    if not plain:
        return "single"
    return next((name for pattern, name in _CLASSES if pattern.search(plain)), "repeated")
