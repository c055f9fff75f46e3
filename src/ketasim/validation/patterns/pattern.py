"""A pattern: what mood over hours and months must look like, as numbers with stated criteria and a figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from ketasim.validation.bench import Bench
from ketasim.validation.patterns.picture import Picture

__all__ = [
    "Check",
    "Found",
    "Outcome",
    "Pattern",
    "Shown",
    "at_least",
    "at_most",
    "between",
    "outcome_of",
    "pattern",
    "told",
]

Outcome = Literal["pass", "miss", "reported"]


@dataclass(frozen=True)
class Check:
    """A number with the criterion that it must meet.

    Parameters
    ----------
    name : str
        What was computed.
    value : float
        NaN is what never happens within the run.
    unit : str
        Empty for pure numbers.
    criterion : str
        In words, as ``-10.5 to -5.5 points``; ``reported`` where nothing is asked.
    passed : bool or None
        None where nothing is asked.
    note : str
        Where the criterion comes from, or how the number was found.
    """

    name: str
    value: float
    unit: str
    criterion: str
    passed: bool | None
    note: str = ""

    @property
    def in_words(self) -> str:
        """The number with its unit."""
        return _spelt(self.value, self.unit)


def _spelt(value: float, unit: str) -> str:
    if math.isnan(value):
        return "never"
    number = f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def _check(name: str, value: float, low: float, high: float, unit: str, words: str, note: str) -> Check:
    value = float(value)
    return Check(name, value, unit, words, not math.isnan(value) and low <= value <= high, note)


def at_least(name: str, value: float, low: float, unit: str = "", note: str = "") -> Check:
    """Ask that a number is not below a bound; NaN meets no bound."""
    return _check(name, value, low, math.inf, unit, f"at least {_spelt(low, unit)}", note)


def at_most(name: str, value: float, high: float, unit: str = "", note: str = "") -> Check:
    """Ask that a number is not above a bound; NaN meets no bound."""
    return _check(name, value, -math.inf, high, unit, f"at most {_spelt(high, unit)}", note)


def between(name: str, value: float, low: float, high: float, unit: str = "", note: str = "") -> Check:
    """Ask that a number lies within two bounds; NaN meets no bound."""
    return _check(name, value, low, high, unit, f"{low:.3g} to {_spelt(high, unit)}", note)


def told(name: str, value: float, unit: str = "", note: str = "") -> Check:
    """Report a number of which nothing is asked."""
    return Check(name, float(value), unit, "reported", None, note)


@dataclass(frozen=True)
class Found:
    """What was computed for a pattern: checks, and what its figure shows."""

    checks: tuple[Check, ...]
    picture: Picture


@dataclass(frozen=True)
class Pattern:
    """Something that the course of mood or of a stage must show.

    Parameters
    ----------
    name : str
        As in ``ketasim patterns NAME``.
    section : str
        Section of the model's description.
    text : str
        What must be seen.
    compute : callable
        Computes it in a bench.
    """

    name: str
    section: str
    text: str
    compute: Callable[[Bench], Found]


def pattern(name: str, section: str, text: str) -> Callable[[Callable[[Bench], Found]], Pattern]:
    """Make a pattern of the function that computes it."""

    def wrap(compute: Callable[[Bench], Found]) -> Pattern:
        return Pattern(name, section, text, compute)

    return wrap


@dataclass(frozen=True)
class Shown:
    """What a pattern came to.

    Parameters
    ----------
    name, section, text : str
        The pattern.
    outcome : str
        ``pass`` if every criterion is met, else ``miss``; ``reported`` where nothing is asked.
    checks : tuple of Check
        Numbers with their criteria.
    picture : Picture
        What the figure shows.
    tried : tuple of str
        What was tried where it misses.
    """

    name: str
    section: str
    text: str
    outcome: Outcome
    checks: tuple[Check, ...]
    picture: Picture
    tried: tuple[str, ...] = ()

    def as_data(self, figure: str | None = None) -> dict[str, Any]:
        """Plain data for JSON; NaN becomes null."""
        return {
            "name": self.name,
            "section": self.section,
            "text": self.text,
            "outcome": self.outcome,
            "checks": [
                {
                    "name": check.name,
                    "value": check.value if math.isfinite(check.value) else None,
                    "unit": check.unit,
                    "criterion": check.criterion,
                    "passed": check.passed,
                    "note": check.note,
                }
                for check in self.checks
            ],
            "tried": list(self.tried),
            "figure": figure,
        }


def outcome_of(found: Found) -> Outcome:
    """One outcome for all checks of a pattern."""
    asked = [check.passed for check in found.checks if check.passed is not None]
    if not asked:
        return "reported"
    return "pass" if all(asked) else "miss"
