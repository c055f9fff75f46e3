"""What co-medication of an arm does to the model: outside inputs that it switches on."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from ketasim.trials.study import Arm, Study

__all__ = ["NEUTRAL", "Modifier", "arm_inputs", "load_modifiers"]

#: Co-medication that no input of the model follows: what comes before the trial is in the baseline,
#: anaesthesia acts on what is felt, and opioid receptors are not on the default path to mood.
NEUTRAL = ("continued_antidepressant", "standard_of_care", "general_anaesthesia", "naltrexone")


class Modifier(NamedTuple):
    """A drug beside the treatment, and what it does to an input of the model."""

    name: str
    input: str
    value: float
    unit: str
    low: float
    high: float
    source: str
    grade: str
    note: str


@cache
def load_modifiers() -> Mapping[str, Modifier]:
    """The shipped table, by name of the drug."""
    text = (resources.files("ketasim.trials.conduct") / "modifiers.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    found = {}
    for row in rows:
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        found[row["name"]] = Modifier(
            row["name"], row["input"], value, row["unit"], low, high, row["source"], row["grade"], row["note"]
        )
    return found


def arm_inputs(study: Study, arm: Arm) -> dict[str, float]:
    """Outside inputs of the model that are on in an arm.

    Of two drugs that act on one input the stronger counts: nobody measured how they add up.
    """
    taken = list(arm.comedication)
    if study.setting.new_antidepressant and "new_antidepressant" not in taken:
        taken.append("new_antidepressant")
    found: dict[str, float] = {}
    for name in taken:
        if name not in NEUTRAL:
            modifier = load_modifiers()[name]
            found[modifier.input] = max(modifier.value, found.get(modifier.input, 0.0))
    return found
