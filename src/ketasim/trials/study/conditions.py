"""Conditions of a study file: what must hold of a person for a rule to act, or to enter a stratum.

One line of text each, such as ``madrs improvement < 50 %`` or ``age >= 65``. Here they are
read and checked; the trial evaluates them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from ketasim.errors import StudyError, unknown_name
from ketasim.population import COVARIATES
from ketasim.trials.study.rules import OUTCOME_UNITS, SCALE_TOP

__all__ = [
    "BINARY_COVARIATES",
    "COVARIATE_NAMES",
    "Condition",
    "Form",
    "overlapping",
    "parse_condition",
]

Form = Literal["level", "improvement", "change", "peak", "response", "remission", "chance", "doses"]

#: Covariates that a condition may name.
COVARIATE_NAMES = tuple(COVARIATES)
#: Those that are shares of a population: 1 if a person has it, else 0.
BINARY_COVARIATES = tuple(name for name, item in COVARIATES.items() if item.kind == "binary")

_NUMBER = r"(?P<value>[+-]?\d+\.?\d*(?:[eE][+-]?\d+)?)\s*(?P<percent>%?)"
_COMPARED = re.compile(
    rf"^(?P<name>[A-Za-z]\w*)(?:\s+(?P<form>[a-z]+))?\s*(?P<operator>>=|<=|>|<)\s*{_NUMBER}"
    r"(?:\s+since\s+(?P<since>\w+))?$"
)
_NAMED = re.compile(r"^(?P<negated>not\s+)?(?P<name>responder|remitter)(?:\s+since\s+(?P<since>\w+))?$")
_CHANCE = re.compile(rf"^chance\s+{_NUMBER}$")
_FORMS = ("improvement", "change", "peak")
_ALLOWED = (
    "write a scale, quantity or covariate with >=, >, <= or < and a number ('madrs >= 20', 'age >= 65'); "
    "'madrs improvement < 50 %', 'madrs change >= 5' or 'cadss peak >= 4'; 'responder', 'remitter' or "
    "'not responder'; 'chance 0.2'; or 'doses >= 6'"
)


@dataclass(frozen=True)
class Condition:
    """One condition, read from the text of a study file.

    Parameters
    ----------
    text : str
        As written in the file.
    subject : str
        A scale, quantity or covariate; empty for response, remission, chance and doses.
    form : str
        ``level``: the score or covariate itself; ``improvement``: share of the reference score
        that is gone; ``change``: points above the reference score; ``peak``: largest value since
        the previous visit; ``response``, ``remission``: as the study defines them on its
        baseline scale; ``chance``: true for this share of the people asked; ``doses``:
        treatment visits in this arm.
    operator : str
        ``>=``, ``<=``, ``>`` or ``<``.
    value : float
        Points, the unit of the quantity or covariate, a number of visits, or a share (0 to 1)
        for improvement, response and chance.
    since : str
        ``entry`` or ``arm``: the reference score is that at entry, or on entering the arm.
    negated : bool
        Whether the opposite is asked.
    """

    text: str
    subject: str
    form: Form
    operator: str
    value: float
    since: Literal["entry", "arm"] = "entry"
    negated: bool = False

    @property
    def is_covariate(self) -> bool:
        """Whether the condition is about a covariate, which never changes in a trial."""
        return self.subject in COVARIATE_NAMES

    def compares(self, number: float) -> bool:
        """Tell whether a number stands in the condition's relation to its value."""
        return {
            ">=": number >= self.value,
            "<=": number <= self.value,
            ">": number > self.value,
            "<": number < self.value,
        }[self.operator]


def parse_condition(text: str, field: str, known: Collection[str] | None = ()) -> Condition:
    """Read a condition of a study file.

    Parameters
    ----------
    text : str
        One line; see :class:`Condition` for what it may say. A number may carry ``%``.
    field : str
        Where the text stands, for the error.
    known : collection of str or None
        Names that count as quantities besides the outcomes and the covariates; None accepts
        any name, for a text that was checked before.

    Returns
    -------
    Condition

    Raises
    ------
    StudyError
        If the text is no condition, names something unknown, or gives a value that cannot be.

    Notes
    -----
    ``responder`` has the form ``response`` with the value 0.5 (improvement of half or more) and
    ``remitter`` the form ``remission``, whose threshold is the study's.
    """
    line = " ".join(text.split())
    if (named := _NAMED.match(line)) is not None:
        return _named(text, field, named)
    if (chance := _CHANCE.match(line)) is not None:
        share = _share(text, field, chance)
        if not 0.0 < share < 1.0:
            raise StudyError(f"{field}: {text!r}: a chance lies between 0 and 1 (or 0 % and 100 %).")
        return Condition(text, "", "chance", "<", share)
    found = _COMPARED.match(line)
    if found is None:
        raise StudyError(f"{field}: {text!r} is not a condition; {_ALLOWED}.")
    return _compared(text, field, found, known)


def _named(text: str, field: str, found: re.Match[str]) -> Condition:
    since = _since(text, field, found)
    response = found["name"] == "responder"
    if since == "arm" and not response:
        raise StudyError(f"{field}: {text!r}: remission is a score, not a change; leave 'since {since}' out.")
    return Condition(
        text,
        "",
        "response" if response else "remission",
        ">=" if response else "<=",
        0.5 if response else 0.0,
        since,
        found["negated"] is not None,
    )


def _since(text: str, field: str, found: re.Match[str]) -> Literal["entry", "arm"]:
    word = found["since"] or "entry"
    if word not in ("entry", "arm"):
        raise StudyError(f"{field}: {text!r}: {unknown_name('reference', word, ('entry', 'arm'))}")
    return "arm" if word == "arm" else "entry"


def _share(text: str, field: str, found: re.Match[str]) -> float:
    value = float(found["value"])
    if found["percent"]:
        return value / 100.0
    if abs(value) > 1.0:
        raise StudyError(
            f"{field}: {text!r}: {value:g} is no share; write '{value:g} %', or a number up to 1."
        )
    return value


def _compared(text: str, field: str, found: re.Match[str], known: Collection[str] | None) -> Condition:
    name, word, operator = found["name"], found["form"] or "level", found["operator"]
    since = _since(text, field, found)
    if name == "doses" and word == "level":
        if found["percent"] or found["since"] or float(found["value"]) < 0:
            raise StudyError(
                f"{field}: {text!r}: doses are counted in the arm, as a whole number: 'doses >= 6'."
            )
        return Condition(text, "", "doses", operator, float(found["value"]), "arm")
    if word not in ("level", *_FORMS):
        raise StudyError(f"{field}: {text!r}: {unknown_name('word', word, _FORMS)}")
    names = {*OUTCOME_UNITS, *COVARIATE_NAMES, *(known or ())}
    if known is not None and name not in names:
        raise StudyError(f"{field}: {text!r}: {unknown_name('scale, quantity or covariate', name, names)}")
    if name in COVARIATE_NAMES and (word != "level" or found["since"]):
        raise StudyError(
            f"{field}: {text!r}: {name} does not change in a trial; write '{name} {operator} ...'."
        )
    if found["since"] and word in ("level", "peak"):
        raise StudyError(
            f"{field}: {text!r}: 'since' belongs to an improvement or a change; leave it out, or write "
            f"'{name} improvement' or '{name} change'."
        )
    if word == "improvement":
        value = _share(text, field, found)
        if value > 1.0:
            raise StudyError(f"{field}: {text!r}: nobody improves by more than 100 %.")
    else:
        value = _level(text, field, name, found)
    form: Form = "level"
    for each in ("improvement", "change", "peak"):
        if word == each:
            form = each
    return Condition(text, name, form, operator, value, since)


def _level(text: str, field: str, name: str, found: re.Match[str]) -> float:
    value = float(found["value"])
    if found["percent"]:
        if OUTCOME_UNITS.get(name) == "probability" or name in BINARY_COVARIATES:
            return value / 100.0
        raise StudyError(
            f"{field}: {text!r}: {name} is not a share; give a number without '%', or write "
            f"'{name} improvement'."
        )
    if name in SCALE_TOP and abs(value) > SCALE_TOP[name]:
        raise StudyError(f"{field}: {text!r} is above the top of {name} ({SCALE_TOP[name]:g}).")
    return value


def overlapping(one: Condition, other: Condition) -> bool:
    """Tell whether one person can meet both of two conditions on the same subject and form.

    Conditions about different things never count as overlapping: they divide people crosswise.

    Parameters
    ----------
    one, other : Condition
        Two conditions.

    Returns
    -------
    bool
        True if the ranges they allow have a value in common.
    """
    if (one.subject, one.form, one.since) != (other.subject, other.form, other.since):
        return False
    if one.form in ("response", "remission"):
        return one.negated == other.negated
    if one.form == "chance":
        return False
    upper = [item for item in (one, other) if item.operator.startswith("<")]
    lower = [item for item in (one, other) if item.operator.startswith(">")]
    if not upper or not lower:
        return True
    low, high = lower[0], upper[0]
    if low.value == high.value:
        return low.operator == ">=" and high.operator == "<="
    return low.value < high.value
