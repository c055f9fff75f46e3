"""Options that more than one way in shares, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ketasim.engine.schedule import InputPath
from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.pharmacokinetics import COMEDICATIONS
from ketasim.units import parse_duration

__all__ = ["ILLNESS", "Progress", "length_h", "require", "silent", "taken_beside", "texts"]

#: States of health that a quick look can start from.
ILLNESS = ("depressed", "healthy")

#: Called with a phase, what is done and what there is to do.
Progress = Callable[[str, int, int], None]

_LONGEST_H = 24.0 * 3660


def silent(phase: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def texts(given: str | Sequence[str], option: str) -> tuple[str, ...]:
    """One text or several, as a tuple.

    Raises
    ------
    ModelError
        If something else is given.
    """
    found = (given,) if isinstance(given, str) else tuple(given)
    for item in found:
        if not isinstance(item, str):
            raise ModelError(f"{option}: {item!r} is not text; write for example '40min'.")
    return found


def require(value: object, kinds: type | tuple[type, ...], option: str, example: str) -> None:
    """Refuse a value of the wrong type before it gets anywhere.

    Raises
    ------
    ModelError
        With the option, the value and an example of a right one.
    """
    # True is an int to Python, but never a number of anything here.
    if not isinstance(value, kinds) or isinstance(value, bool):
        raise ModelError(f"{option}: {value!r} cannot be used; give for example {example}.")


def length_h(days: str | float) -> float:
    """Time to simulate, in hours.

    Parameters
    ----------
    days : str or float
        Text with a unit, or a number of days.

    Raises
    ------
    UnitError
        If it is no length of time, or longer than ten years.
    """
    require(days, (str, int, float), "--days", "'14d', or 14 for days")
    hours = parse_duration(days, "--days") if isinstance(days, str) else 24.0 * float(days)
    if not 0.0 < hours <= _LONGEST_H:
        raise UnitError(
            f"--days: {days!r} is not a length of time that can be simulated; give up to 10 years."
        )
    return hours


def taken_beside(given: str | Sequence[str]) -> dict[str, InputPath]:
    """Inputs of what is taken beside ketamine throughout, by name.

    Raises
    ------
    ModelError
        If a drug is not one that is known to change the metabolism of ketamine.
    """
    found = {}
    for name in (text.strip().lower() for text in texts(given, "--with")):
        if name not in COMEDICATIONS:
            message = unknown_name("drug beside ketamine", name, COMEDICATIONS)
            if name == "itraconazole":
                message += " Itraconazole had no effect (peltoniemi2011): leave it out."
            raise ModelError(f"--with: {message}")
        found[name] = InputPath((0.0,), (1.0,))
    return found
