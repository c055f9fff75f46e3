"""Study files: the language in which a trial is written, and what it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.trials.study.definition import (
        Adherence,
        Analysis,
        Arm,
        ArmBaseline,
        Assumption,
        Baseline,
        Correlation,
        Covariates,
        DecisionRule,
        Distribution,
        DropOut,
        Endpoint,
        Enrolment,
        Monitoring,
        Multiplicity,
        Observation,
        Pain,
        Population,
        Randomisation,
        Relapse,
        Remission,
        Setting,
        Study,
        Visit,
        study_schema,
    )

__all__ = [
    "Adherence",
    "Analysis",
    "Arm",
    "ArmBaseline",
    "Assumption",
    "Baseline",
    "Correlation",
    "Covariates",
    "DecisionRule",
    "Distribution",
    "DropOut",
    "Endpoint",
    "Enrolment",
    "Monitoring",
    "Multiplicity",
    "Observation",
    "Pain",
    "Population",
    "Randomisation",
    "Relapse",
    "Remission",
    "Setting",
    "Study",
    "Visit",
    "study_schema",
]

# The names of the shipped studies must not wait for the language. Hidden from type checkers, which would
# else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(__name__, {"ketasim.trials.study.definition": tuple(__all__)})
