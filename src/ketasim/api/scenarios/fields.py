"""The fields of a person, for a form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, get_args

from ketasim.api.scenarios.definition import Person
from ketasim.api.scenarios.plans import LIMITS

__all__ = ["PersonField", "person_fields"]


@dataclass(frozen=True)
class PersonField:
    """One field of a person.

    Parameters
    ----------
    id, label : str
        As written in a scenario, and in words.
    unit : str
        Unit; empty for a choice.
    low, high, step : float or None
        Range and step of a number.
    default : str, float or int
        As a scenario has it.
    choices : tuple of str or None
        What can be chosen; None for a number.
    text : bool
        Whether the value is text with its unit, and not a bare number.
    note : str
        What it does in this model.
    """

    id: str
    label: str
    unit: str
    low: float | None
    high: float | None
    step: float | None
    default: str | float | int
    choices: tuple[str, ...] | None
    text: bool
    note: str


_WORDS: Final = {
    "weight": ("Weight", 1.0, "clearances and volumes of all drugs; doses per kg"),
    "height": ("Height", 1.0, "doses per m2 only"),
    "age": ("Age", 1.0, "blood flow through the liver falls from 60 years on"),
    "sex": ("Sex", None, "no effect unless the option sex_clearance is chosen"),
    "ancestry": ("Ancestry", None, "metabolism in Asian people, and the nasal share in Japanese people"),
    "illness": ("State", None, "depressed, or healthy without illness load"),
    "severity": ("Severity (MADRS)", 1.0, "severity at rest; the illness load that gives it is found"),
    "failed_treatments": ("Failed treatments", 1.0, "each takes about a quarter of what a newly started "
                          "antidepressant does"),
    "bdnf": ("BDNF Val66Met", None, "activity-dependent release of BDNF; the size in people is not known"),
    "cyp2b6": ("CYP2B6", None, "no effect unless the option cyp2b6_star6 is chosen"),
    "pain": ("Pain (0 to 10)", 1.0, "pain before treatment"),
    "opioid": ("Opioids taken", 0.5, "oral morphine equivalents; tolerance and sparing"),
}  # fmt: skip
#: Fields that are text with a unit.
_UNITS: Final = {"weight": "kg", "height": "cm", "opioid": "mg/h"}


def person_fields() -> tuple[PersonField, ...]:
    """Every field of a person, in the order of the form."""
    person, found = Person(), []
    for name, (label, step, note) in _WORDS.items():
        default = getattr(person, name)
        if name in LIMITS:
            low, high, unit = LIMITS[name]
            found.append(PersonField(name, label, unit, low, high, step, default, None, name in _UNITS, note))
        else:
            choices = tuple(str(item) for item in get_args(Person.model_fields[name].annotation))
            found.append(PersonField(name, label, "", None, None, None, default, choices, False, note))
    return tuple(found)
