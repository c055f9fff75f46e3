"""The small rules of a study file: times, entry rules, units of rows, names of fields."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import BaseModel

from ketasim.errors import StudyError, UnitError, unknown_name
from ketasim.population import SCALE_MAXIMUM
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study.statistics import RATE_STATISTICS, Z95, fields_fault, row_unit, value_fault
from ketasim.units import parse_duration, same_dimension

if TYPE_CHECKING:
    from ketasim.trials.study.parts import Observation

__all__ = [
    "ACTIVE_DRUGS",
    "OUTCOME_UNITS",
    "RATE_STATISTICS",
    "SCALE_TOP",
    "Z95",
    "Rule",
    "find_field",
    "observation_fault",
    "parse_rule",
    "spread_fault",
    "study_time",
    "unit_fault",
]

ACTIVE_DRUGS = ("ketamine", "esketamine", "arketamine")

#: Outcomes that any study may name, with their unit; None where a file's own unit is taken as given.
OUTCOME_UNITS: dict[str, str | None] = {
    "severity": None,
    "madrs": "points",
    "hamd17": "points",
    "suicidal_ideation": None,
    "pain_nrs": "points",
    "opioid_need": None,
    "felt_effect": "ratio",
    "belief": "probability",
    "placebo": "points",
    "cadss": "points",
    "drug_high": None,
    "systolic_pressure": "mmHg",
    "diastolic_pressure": "mmHg",
    "sbp_peak_change": "mmHg",
    "heart_rate": "1/min",
    "sedation": "points",
    "nausea": "probability",
    "bladder_risk": "probability",
    "cognition": "z_score",
    **dict.fromkeys(SCALES, "points"),
}

#: Highest total of a scale that a rule may name.
SCALE_TOP: dict[str, float] = {name: scale.maximum for name, scale in SCALES.items()}

_DAY = re.compile(r"^\s*day\s+(\d+)\s*$")
# Only whole names: a unit library would also take a deciday or a petahour.
_TIME_UNITS = (
    *("s", "min", "minute", "minutes", "h", "hr", "hour", "hours"),
    *("d", "day", "days", "wk", "week", "weeks"),
)
_TIME = re.compile(r"^\s*[-+.\deE]*\d\.?\s*([A-Za-z]+)\s*$")
_RULE = re.compile(r"^\s*(\w+)\s*(>=|<=|>|<)\s*(\d+\.?\d*)\s*$")


def study_time(text: str, field: str) -> float:
    """Read a time of a study as hours from the first dose.

    Parameters
    ----------
    text : str
        A length of time (``"2 h"``, ``"14 d"``), or a study day (``"day 8"``); day 1
        is the day of the first dose, so day 8 is 168 h.
    field : str
        Where the text stands, for the error.

    Returns
    -------
    float
        Hours, at least 0.

    Raises
    ------
    StudyError
        If the text is not a time, or lies before the first dose.
    """
    day = _DAY.match(text)
    if day is not None:
        hours = (int(day.group(1)) - 1) * 24.0
    else:
        length = _TIME.match(text)
        if length is not None and length.group(1) not in _TIME_UNITS:
            raise StudyError(
                f"{field}: {text!r}: {unknown_name('unit of time', length.group(1), _TIME_UNITS)}"
            )
        try:
            hours = parse_duration(text, field)
        except UnitError as error:
            raise StudyError(f"{error} A study day, as in 'day 8', is allowed too.") from error
    if not math.isfinite(hours) or hours < 0:
        raise StudyError(
            f"{field}: {text!r} lies before randomisation and the first dose, which is '0 h' or 'day 1'; "
            "give a later time."
        )
    return hours


@dataclass(frozen=True)
class Rule:
    """A bound on a scale, such as ``madrs >= 28`` (points)."""

    scale: str
    operator: str
    value: float

    def holds(self, score: float) -> bool:
        """Tell whether a score (points) meets the rule."""
        return {
            ">=": score >= self.value,
            "<=": score <= self.value,
            ">": score > self.value,
            "<": score < self.value,
        }[self.operator]

    def __str__(self) -> str:
        """Write the rule as in a study file."""
        return f"{self.scale} {self.operator} {self.value:g}"


def parse_rule(text: str, field: str) -> Rule:
    """Read a rule such as ``madrs >= 28``.

    Raises
    ------
    StudyError
        If the text is no rule or names an unknown scale.
    """
    match = _RULE.match(text)
    if match is None:
        raise StudyError(
            f"{field}: {text!r} is not a rule; write a scale, one of >=, >, <=, <, and a number of "
            "points, as in 'madrs >= 28'."
        )
    scale, operator, value = match.groups()
    if scale not in SCALE_MAXIMUM:
        raise StudyError(f"{field}: {unknown_name('scale', scale, SCALE_MAXIMUM)}")
    if float(value) > SCALE_MAXIMUM[scale]:
        raise StudyError(f"{field}: {text!r} is above the top of {scale} ({SCALE_MAXIMUM[scale]:g}).")
    return Rule(scale, operator, float(value))


def unit_fault(unit: str, expected: str) -> str | None:
    """Say what is wrong with a unit that must measure the same as ``expected``, or None."""
    try:
        if same_dimension(unit, expected):
            return None
    except UnitError as error:
        return f"{error} Here a unit such as {expected!r} is needed."
    return f"{unit!r} does not measure the same as {expected!r}; use {expected!r}."


def observation_fault(row: Observation, unit: str | None) -> tuple[str, str] | None:
    """Find what contradicts itself within one observation.

    Parameters
    ----------
    row : Observation
        The row.
    unit : str or None
        Unit of its quantity, if known.

    Returns
    -------
    tuple of str, or None
        The field and the fault.
    """
    if row.statistic in ("direction", "binary"):
        allowed = (-1.0, 0.0, 1.0) if row.statistic == "direction" else (0.0, 1.0)
        if row.unit != row.statistic:
            return "unit", f"{row.unit!r}: a {row.statistic} row has the unit {row.statistic!r}."
        if row.value not in allowed:
            return "value", f"{row.value:g}: allowed are {', '.join(f'{v:g}' for v in allowed)}."
    else:
        expected = row_unit(row.statistic, unit)
        if expected is not None and (fault := unit_fault(row.unit, expected)):
            return "unit", fault
    return value_fault(row) or fields_fault(row) or spread_fault(row)


class Spread(Protocol):
    """What is published of a value and its spread."""

    @property
    def value(self) -> float:
        """The value itself."""

    @property
    def spread_kind(self) -> str:
        """``none``, ``sd``, ``se``, ``ci95``, ``iqr`` or ``range``."""

    @property
    def spread_low(self) -> float | None:
        """The SD or SE, or the lower end."""

    @property
    def spread_high(self) -> float | None:
        """The upper end."""


def spread_fault(row: Spread) -> tuple[str, str] | None:
    """Say what contradicts itself in a spread, as field and text; None if all fits."""
    low, high = row.spread_low, row.spread_high
    if row.spread_kind == "none":
        if low is not None or high is not None:
            return "spread_kind", "'none', but a spread is given; name it: sd, se, ci95, iqr or range."
    elif row.spread_kind in ("sd", "se"):
        if low is None or low <= 0 or high is not None:
            text = f"{low}: a {row.spread_kind} is one number above 0 in spread_low; leave spread_high out."
            return "spread_low", text
    elif low is None or high is None or not low <= high:
        return (
            "spread_low",
            f"{low} to {high}: a {row.spread_kind} needs spread_low and a larger spread_high.",
        )
    elif not low <= row.value <= high:
        return "value", f"{row.value:g} lies outside its own {row.spread_kind} ({low:g} to {high:g})."
    return None


def find_field(study: BaseModel, path: str) -> str | None:
    """Say why a dotted field name, such as ``arms.placebo.n``, is not in a study; None if it is.

    Items of a list are named by their id, or by their number from 0.
    """
    here: Any = study
    for word in path.split("."):
        if isinstance(here, BaseModel):
            names = {field.alias or name: name for name, field in type(here).model_fields.items()}
            if word not in names:
                return unknown_name(f"field in {path!r}, at", word, names)
            here = getattr(here, names[word])
        elif isinstance(here, Mapping):
            if word not in here:
                return unknown_name(f"name in {path!r}, at", word, here)
            here = here[word]
        elif isinstance(here, tuple):
            items = {str(index): item for index, item in enumerate(here)}
            ids = {item.id: item for item in here if hasattr(item, "id")}
            if word not in ids and word not in items:
                return unknown_name(f"item in {path!r}, at", word, ids or items)
            here = ids[word] if word in ids else items[word]
        else:
            return f"{path!r} goes deeper than the file: {word!r} has nothing above it."
    return None
