"""Causes beside the treatment: drugs, genes and lesions, and what each does to the model.

One table for the co-medication of trials and the interventions of experiments. A cause acts on an
outside input for a time, or on a parameter for good; never on a result.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import GRADES

if TYPE_CHECKING:
    from ketasim.trials.study import Arm, Study

__all__ = ["NEUTRAL", "Cause", "arm_inputs", "find_cause", "load_causes"]

#: Co-medication that no input of the model follows: what comes before the trial is in the baseline, and
#: anaesthesia acts on what is felt.
NEUTRAL = ("continued_antidepressant", "standard_of_care", "general_anaesthesia")
#: Co-medication of trials that has another name among the causes: people swallow it.
_IN_TRIALS = {"rapamycin": "sirolimus_oral"}
_COLUMNS = (
    *("name", "kind", "target", "value", "unit", "low", "high"),
    *("starts_h", "ends_h", "source", "grade", "note"),
)
_KINDS = ("input", "parameter")


@dataclass(frozen=True)
class Cause:
    """What one cause does to one target.

    Parameters
    ----------
    name : str
        Of the cause; one that acts on several targets has a row for each.
    kind : {"input", "parameter"}
        What the target is.
    target : str
        An outside input or a parameter of the model.
    value, low, high : float
        What it is put at, and the plausible range, in ``unit``.
    unit : str
        Unit of the value.
    starts_h, ends_h : float
        From when to when, in h after the first dose; infinite where there is no beginning or end.
    source, grade, note : str
        As of a parameter.
    """

    name: str
    kind: Literal["input", "parameter"]
    target: str
    value: float
    unit: str
    low: float
    high: float
    starts_h: float
    ends_h: float
    source: str
    grade: str
    note: str

    @property
    def lasting(self) -> bool:
        """Whether it is there before and after everything, and so part of the resting state."""
        return math.isinf(self.starts_h) and math.isinf(self.ends_h)


@cache
def load_causes() -> Mapping[str, tuple[Cause, ...]]:
    """Load the shipped table: what each cause does, by its name.

    Raises
    ------
    StudyError
        If the table breaks its rules.
    """
    text = (resources.files("ketasim.trials") / "causes.csv").read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise StudyError(f"causes.csv: the columns must be {', '.join(_COLUMNS)}.")
    found: dict[str, list[Cause]] = {}
    for row in reader:
        cause = _cause(f"causes.csv, line {reader.line_num}", row)
        found.setdefault(cause.name, []).append(cause)
    return {name: tuple(causes) for name, causes in found.items()}


def _cause(where: str, row: Mapping[str, str]) -> Cause:
    if row["grade"] not in GRADES:
        raise StudyError(f"{where}: {unknown_name('grade', row['grade'], GRADES)}")
    if row["kind"] not in _KINDS:
        raise StudyError(f"{where}: {unknown_name('kind', row['kind'], _KINDS)}")
    try:
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        starts, ends = float(row["starts_h"] or -math.inf), float(row["ends_h"] or math.inf)
    except ValueError as error:
        raise StudyError(f"{where}: {error}") from error
    if not low <= value <= high:
        raise StudyError(f"{where}: value {value:g} is outside its range {low:g} to {high:g}.")
    if not starts < ends:
        raise StudyError(f"{where}: it ends at {ends:g} h and begins at {starts:g} h; let it end later.")
    if row["kind"] == "parameter" and not (math.isinf(starts) and math.isinf(ends)):
        raise StudyError(f"{where}: a parameter holds for good; leave starts_h and ends_h empty.")
    return Cause(
        row["name"],
        "input" if row["kind"] == "input" else "parameter",
        row["target"],
        value,
        row["unit"],
        low,
        high,
        starts,
        ends,
        row["source"],
        row["grade"],
        row["note"],
    )


def find_cause(name: str) -> tuple[Cause, ...]:
    """What a cause does.

    Parameters
    ----------
    name : str
        Of the cause.

    Returns
    -------
    tuple of Cause
        One a target.

    Raises
    ------
    StudyError
        If there is no such cause.
    """
    causes = load_causes()
    if name not in causes:
        raise StudyError(f"{unknown_name('cause', name, causes)} 'ketasim list causes' shows them all.")
    return causes[name]


def arm_inputs(study: Study, arm: Arm) -> dict[str, float]:
    """Outside inputs of the model that are on in an arm of a trial, as long as people are in it.

    Of two drugs that act on one input the stronger counts: nobody measured how they add up.

    Raises
    ------
    StudyError
        If the co-medication is no cause, or one that changes a parameter.
    """
    taken = list(arm.comedication)
    if study.setting.new_antidepressant and "new_antidepressant" not in taken:
        taken.append("new_antidepressant")
    return _strongest(_IN_TRIALS.get(name, name) for name in taken if name not in NEUTRAL)


def _strongest(names: Iterable[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for name in names:
        for cause in find_cause(name):
            if cause.kind != "input":
                raise StudyError(f"comedication {name!r} changes the parameter {cause.target!r}: not a drug.")
            found[cause.target] = max(cause.value, found.get(cause.target, 0.0))
    return found
