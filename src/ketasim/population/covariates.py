"""What is known of a person before treatment: names, units and kinds of the covariates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

__all__ = ["ANCESTRIES", "COVARIATES", "HARMS", "Covariate", "Kind"]

Kind = Literal["continuous", "binary", "ordinal"]


@dataclass(frozen=True)
class Covariate:
    """One covariate.

    Parameters
    ----------
    name, unit, label : str
        Public name, unit of its values, and what it is in plain words.
    kind : {"continuous", "binary", "ordinal"}
        Any number within limits; 1 or 0; or whole numbers from 0.
    low, high : float
        No person has a value outside these.
    """

    name: str
    unit: str
    label: str
    kind: Kind
    low: float = 0.0
    high: float = 1.0


#: Groups of ancestry: a person has 1 in exactly one of these covariates. Japanese are not counted as Asian.
ANCESTRIES = (
    "ancestry_white",
    "ancestry_black",
    "ancestry_asian",
    "ancestry_japanese",
    "ancestry_other",
)


def _mapping(*items: Covariate) -> Mapping[str, Covariate]:
    return {item.name: item for item in items}


#: Every covariate by its name.
COVARIATES: Mapping[str, Covariate] = _mapping(
    Covariate("female", "ratio", "woman", "binary"),
    Covariate("age", "year", "age", "continuous", 18.0, 110.0),
    Covariate("height", "cm", "height", "continuous", 100.0, 230.0),
    Covariate("weight", "kg", "body weight", "continuous", 25.0, 350.0),
    *(
        Covariate(name, "ratio", f"{name.removeprefix('ancestry_')} ancestry", "binary")
        for name in ANCESTRIES
    ),
    Covariate("cyp2b6_6", "alleles", "CYP2B6*6 alleles", "ordinal", 0.0, 2.0),
    Covariate("val66met", "alleles", "BDNF 66Met alleles", "ordinal", 0.0, 2.0),
    Covariate(
        "hepatic_impairment",
        "class",
        "liver impairment (1 to 3: Child-Pugh A to C)",
        "ordinal",
        0.0,
        3.0,
    ),
    Covariate("failed_treatments", "treatments", "antidepressants that failed", "ordinal", 0.0, 40.0),
    Covariate("crp", "mg/L", "C-reactive protein", "continuous", 0.0, 500.0),
    Covariate("anxiety", "ratio", "anxiety disorder beside depression", "binary"),
    Covariate("ptsd", "ratio", "post-traumatic stress disorder", "binary"),
    Covariate("alcohol_family_history", "ratio", "first-degree relative with alcohol use disorder", "binary"),
    Covariate("benzodiazepine", "ratio", "takes a benzodiazepine", "binary"),
    Covariate("antidepressant", "ratio", "takes an antidepressant at entry", "binary"),
    Covariate("opioid", "ratio", "takes an opioid", "binary"),
    Covariate("hypertension", "ratio", "arterial hypertension", "binary"),
)

#: Harms to which a person is more or less prone; one standard normal number each.
HARMS = (
    "dissociation",
    "nausea",
    "dizziness",
    "sedation",
    "hypertension",
    "headache",
    "anxiety",
    "bladder",
)
