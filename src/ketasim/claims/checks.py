"""What a claim asks of the model: a computed number, a stated criterion, and whether it is met."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Role", "at_least", "at_most", "between", "in_words", "not_computed"]

#: ``core``: the claim falls with it. ``limit``: the claim holds with less than it says.
Role = Literal["core", "limit"]


@dataclass(frozen=True)
class Check:
    """A criterion of a claim, with the number that was computed for it.

    Parameters
    ----------
    name : str
        What was computed.
    value : float or None
        The number; None if it could not be computed, NaN if it never happens within the run.
    unit : str
        Its unit; empty for pure numbers.
    criterion : str
        In words, as ``at least 0.1``.
    passed : bool or None
        None if it could not be computed.
    role : {'core', 'limit'}
        What depends on it.
    note : str
        Why the bound is what it is, or why nothing could be computed.
    """

    name: str
    value: float | None
    unit: str
    criterion: str
    passed: bool | None
    role: Role = "core"
    note: str = ""


def _check(
    name: str, value: float, unit: str, low: float, high: float, criterion: str, role: Role, note: str
) -> Check:
    value = float(value)
    # NaN is what never happens: it meets no bound.
    passed = bool(low <= value <= high) if math.isfinite(value) else value == high
    return Check(name, value, unit, criterion, passed, role, note)


def in_words(value: float, unit: str) -> str:
    """Write a number with its unit, ``never`` for NaN; the unit of pure numbers is left out."""
    if math.isnan(value):
        return "never"
    return f"{value:.3g}" if unit in ("", "ratio") else f"{value:.3g} {unit}"


def at_least(
    name: str, value: float, low: float, unit: str = "", *, role: Role = "core", note: str = ""
) -> Check:
    """Ask that a number is not below a bound.

    Parameters
    ----------
    name : str
        What was computed.
    value, low : float
        The number and the bound, in ``unit``.
    unit : str
        Empty for pure numbers.
    role : {'core', 'limit'}
        What depends on it.
    note : str
        Why the bound is what it is.
    """
    return _check(name, value, unit, low, math.inf, f"at least {in_words(low, unit)}", role, note)


def at_most(
    name: str, value: float, high: float, unit: str = "", *, role: Role = "core", note: str = ""
) -> Check:
    """Ask that a number is not above a bound; see :func:`at_least`."""
    return _check(name, value, unit, -math.inf, high, f"at most {in_words(high, unit)}", role, note)


def between(
    name: str, value: float, low: float, high: float, unit: str = "", *, role: Role = "core", note: str = ""
) -> Check:
    """Ask that a number lies within two bounds; see :func:`at_least`."""
    return _check(name, value, unit, low, high, f"{low:.3g} to {in_words(high, unit)}", role, note)


def not_computed(name: str, criterion: str, reason: str, *, unit: str = "", role: Role = "core") -> Check:
    """Name a criterion for which the model has no number, with the reason."""
    return Check(name, None, unit, criterion, None, role, reason)
