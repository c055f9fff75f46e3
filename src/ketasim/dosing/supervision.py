"""Check a regimen against published rules of supervision: labels and consensus statements.

Only rules that were read in a source are applied; those that are merely remembered are named and
applied to nothing. A rule that needs something nobody told is answered "cannot tell", with what is
missing. This package knows nothing of the evidence tables, so the rules' table names their rows.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Literal

from ketasim.dosing.regimen import Regimen
from ketasim.errors import DoseError, unknown_name

__all__ = [
    "ARRANGEMENTS",
    "HISTORY",
    "PURPOSES",
    "TAKEN",
    "Finding",
    "PersonFacts",
    "Rule",
    "Verdict",
    "check_regimen",
    "supervision_rules",
]

Verdict = Literal["pass", "warn", "fail", "cannot tell", "not applicable"]

#: What a regimen can be for, in words.
PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "depression": "treatment-resistant depression",
        "suicidality": "depression with acute suicidal thoughts or behaviour",
        "acute_pain": "acute pain",
        "chronic_pain": "chronic pain",
        "anaesthesia": "anaesthesia",
    }
)

#: What a person can have or have had that a rule asks for, in words.
HISTORY: Mapping[str, str] = MappingProxyType(
    {
        "aneurysmal_disease": "aneurysmal vascular disease",
        "arteriovenous_malformation": "arteriovenous malformation",
        "intracerebral_haemorrhage": "intracerebral haemorrhage",
        "hypersensitivity": "hypersensitivity to ketamine or esketamine",
        "uncontrolled_cardiovascular": "poorly controlled cardiovascular disease",
        "pregnancy": "pregnancy",
        "psychosis": "active or poorly controlled psychosis",
        "raised_intracranial_pressure": "raised intracranial pressure",
        "raised_intraocular_pressure": "raised intraocular pressure",
        "substance_abuse": "active substance abuse",
    }
)

#: What a person can take beside it that a rule asks for, with its kind.
TAKEN: Mapping[str, str] = MappingProxyType(
    {
        "benzodiazepine": "CNS depressant",
        "opioid": "CNS depressant",
        "alcohol": "CNS depressant",
        "psychostimulant": "raises blood pressure",
        "mao_inhibitor": "raises blood pressure",
    }
)

#: What a clinic can have arranged that a rule asks for, in words.
ARRANGEMENTS: Mapping[str, str] = MappingProxyType(
    {
        "pulse_oximetry": "pulse oximetry in every session",
        "certified_setting": "a setting certified for controlled supply (US: REMS)",
        "no_driving": "no driving before the next day, after restful sleep",
        "liver_tests": "liver tests every 1 to 2 days",
    }
)

_NONE = "none"
_HEPATIC = ("none", "A", "B", "C")
#: Values outside these are slips of the keyboard, not persons.
_BOUNDS = {
    "weight_kg": (1.0, 400.0),
    "height_m": (0.4, 2.6),
    "age": (0.0, 120.0),
    "systolic": (40.0, 320.0),
    "diastolic": (20.0, 220.0),
}


@dataclass(frozen=True)
class PersonFacts:
    """What is known of a person and of how a session is run; None is not known.

    Parameters
    ----------
    purpose : str
        One of :data:`PURPOSES`.
    weight_kg, height_m, age : float or None
        Body and age in years.
    systolic, diastolic : float or None
        Blood pressure before the dose, in mmHg.
    hepatic : str or None
        Child-Pugh class: ``none``, ``A``, ``B`` or ``C``.
    history, taking, arranged : frozenset of str or None
        Names of :data:`HISTORY`, :data:`TAKEN` and :data:`ARRANGEMENTS`; an empty set if it is known that
        there is none of them. ``arranged`` holds what is known to be arranged and is never complete.
    food_min, liquid_min, nasal_min : float or None
        Minutes between the last food, liquid, and nasal steroid or decongestant, and the dose.
    observation_min, pressure_min : float or None
        Minutes after the dose for which the person is watched, and at which blood pressure is taken.
    push_s : float or None
        Seconds over which a bolus into a vein is pushed.
    benefit : bool or None
        Whether there is a benefit at the end of induction.

    Raises
    ------
    DoseError
        If a value is impossible or a name unknown.
    """

    purpose: str = "depression"
    weight_kg: float | None = None
    height_m: float | None = None
    age: float | None = None
    systolic: float | None = None
    diastolic: float | None = None
    hepatic: str | None = None
    history: frozenset[str] | None = None
    taking: frozenset[str] | None = None
    arranged: frozenset[str] = frozenset()
    food_min: float | None = None
    liquid_min: float | None = None
    nasal_min: float | None = None
    observation_min: float | None = None
    pressure_min: float | None = None
    push_s: float | None = None
    benefit: bool | None = None

    def __post_init__(self) -> None:
        if self.purpose not in PURPOSES:
            raise DoseError(f"purpose: {unknown_name('purpose', self.purpose, PURPOSES)}")
        if self.hepatic is not None and self.hepatic not in _HEPATIC:
            raise DoseError(
                f"hepatic: {unknown_name('Child-Pugh class', self.hepatic, _HEPATIC)} Give none, A, B or C."
            )
        for field, names in (("history", HISTORY), ("taking", TAKEN), ("arranged", ARRANGEMENTS)):
            for name in sorted(getattr(self, field) or ()):
                if name not in names:
                    raise DoseError(f"{field}: {unknown_name(field, name, names)}")
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                low, high = _BOUNDS.get(item.name, (0.0, 1e6))
                if not (math.isfinite(value) and low <= value <= high):
                    raise DoseError(
                        f"{item.name}: {value!r} is out of range; it must be from {low:g} to {high:g}."
                    )
        if self.systolic is not None and self.diastolic is not None and self.systolic <= self.diastolic:
            raise DoseError(
                f"systolic: {self.systolic:g} mmHg is not above the diastolic {self.diastolic:g} mmHg; "
                "exchange the two, or correct one."
            )


@dataclass(frozen=True)
class Rule:
    """A published rule.

    Parameters
    ----------
    name, title : str
        Name in tables and heading for a reader.
    evidence, citation : str
        Row of the evidence tables and key of the publication.
    value : float
        The limit in ``unit``; nan if the rule has none.
    unit : str
        Empty without a limit.
    seen : bool
        Whether it was read in the source. If not, it is recalled only, and no rule here.
    words : str
        What it says.
    """

    name: str
    title: str
    evidence: str
    citation: str
    value: float
    unit: str
    seen: bool
    words: str


@dataclass(frozen=True)
class Finding:
    """What a rule says of a regimen.

    Parameters
    ----------
    rule, title : str
        The rule.
    verdict : {'pass', 'warn', 'fail', 'cannot tell', 'not applicable'}
        ``cannot tell`` if something is missing that the rule needs.
    message : str
        The value found, the limit, and what is missing.
    source : str
        Key of the publication.
    evidence : str
        Row of the evidence tables.
    """

    rule: str
    title: str
    verdict: Verdict
    message: str
    source: str
    evidence: str


@cache
def supervision_rules() -> Mapping[str, Rule]:
    """Load the published rules.

    Returns
    -------
    mapping of str to Rule
        By name, in the order in which they are checked.
    """
    text = resources.files("ketasim.dosing").joinpath("supervision.csv").read_text(encoding="utf-8")
    return MappingProxyType(
        {
            row["rule"]: Rule(
                row["rule"],
                row["title"],
                row["evidence"],
                row["citation"],
                float(row["value"] or "nan"),
                row["unit"],
                row["status"] == "seen",
                row["words"],
            )
            for row in csv.DictReader(text.splitlines())
        }
    )


def check_regimen(regimen: Regimen, facts: PersonFacts | None = None) -> list[Finding]:
    """Check a regimen against the published rules of supervision.

    Parameters
    ----------
    regimen : Regimen
        What is to be given.
    facts : PersonFacts, optional
        What is known of the person and the session; default: nothing.

    Returns
    -------
    list of Finding
        Rules that are about what is given, and the recalled ones about it, which are never applied. No
        finding if no dose holds ketamine, esketamine or arketamine.

    Raises
    ------
    DoseError
        If a dose per m2 meets no height.
    """
    from ketasim.dosing.supervision_rules import findings

    return findings(regimen, PersonFacts() if facts is None else facts, supervision_rules())
