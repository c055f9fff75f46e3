"""Circumstances of an arm that act on expectancy, and the numbers of the scoring layer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Generic

import numpy as np
import numpy.typing as npt
from typing_extensions import TypeVar

from ketasim.errors import ModelError, StudyError, unknown_name
from ketasim.model.parameters import ParameterSet, load_parameters

__all__ = ["Number", "ScoringParameters", "Setting", "load_scoring_parameters"]

#: One number for all, or one a person.
Number = float | npt.NDArray[np.float64]

N = TypeVar("N", covariant=True, default=float)


@dataclass(frozen=True)
class Setting:
    """The circumstances of an arm that act on expectancy, each from 0 to 1.

    Parameters
    ----------
    allocation : float
        Chance of active drug by design: people on active arms over all people.
    masked : float
        1 if nothing of the dose can be felt (anaesthesia): belief stays at ``allocation``.
    open_label : float
        1 if everybody knows that the drug is given: belief is 1.
    inpatient : float
        1 if care in hospital begins with the trial.
    new_antidepressant : float
        1 if a new oral drug, with its contacts, begins with the trial.
    expectancy : float
        0 removes every placebo term (no rater and no ritual, for example a quick look).

    Raises
    ------
    StudyError
        If a value is not between 0 and 1.
    """

    allocation: float = 0.5
    masked: float = 0.0
    open_label: float = 0.0
    inpatient: float = 0.0
    new_antidepressant: float = 0.0
    expectancy: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not 0.0 <= value <= 1.0:
                raise StudyError(
                    f"setting: {field.name}: {value!r} is not between 0 (no) and 1 (yes); "
                    "write a share, or leave it out."
                )

    @classmethod
    def none(cls) -> Setting:
        """Return the setting without any placebo term."""
        return cls(allocation=0.0, expectancy=0.0)


@dataclass(frozen=True)
class ScoringParameters(Generic[N]):
    """Numbers of the scoring layer; times in hours, errors in points, the rest pure numbers.

    Their meaning, range, source and grade stand in ``model/parameters/human/scoring.csv``. Persons of
    different draws have arrays of shape (persons,) where they differ (``ScoringParameters[Number]``).
    """

    placebo_gain: N
    placebo_acute: N
    placebo_acute_rise: N
    placebo_acute_decay: N
    placebo_slow: N
    placebo_slow_rise: N
    placebo_fade: N
    placebo_overlap: N
    belief_felt_weight: N
    belief_felt_floor: N
    care_inpatient: N
    care_inpatient_rise: N
    care_fade: N
    contact_new_drug: N
    contact_new_drug_rise: N
    visit_gap: float
    occasion_error: N
    rater_error: N
    hamd17_error_ratio: N
    between_study_placebo: N
    between_study_drug: N
    between_study_drug_late: N

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            # Put together from numbers that were looked at one by one.
            if isinstance(value, np.ndarray):
                continue
            if not (math.isfinite(value) and value >= 0.0):
                raise ModelError(f"scoring parameter {field.name}: {value!r} is not a number from 0 upwards.")
            if field.name.endswith(("_rise", "_decay", "_fade")) and value == 0.0:
                raise ModelError(f"scoring parameter {field.name}: a time constant must be above 0 h.")
            if field.name == "placebo_overlap" and value == 0.0:
                raise ModelError("scoring parameter placebo_overlap: an exponent must be above 0.")
            if field.name.startswith("belief_") and value > 1.0:
                raise ModelError(f"scoring parameter {field.name}: {value!r} is a share, from 0 to 1.")

    @classmethod
    def from_table(cls, table: ParameterSet) -> ScoringParameters[float]:
        """Take the values from a set of parameters, converted to this class's units.

        Raises
        ------
        ModelError
            If a parameter is missing or out of range.
        UnitError
            If a parameter has the wrong dimension.
        """
        values = table.values_in({field.name: _unit(field.name) for field in fields(cls)})
        return ScoringParameters[float](**values)

    def beside_times(self) -> ScoringParameters[N]:
        """The same with an axis for times behind that of persons."""
        arrays: dict[str, Any] = {
            field.name: value[..., None]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        return replace(self, **arrays) if arrays else self


def _unit(name: str) -> str:
    if name.endswith(("_rise", "_decay", "_fade", "_gap")):
        return "h"
    return "point" if name.endswith("_error") else "ratio"


def load_scoring_parameters(overrides: Mapping[str, float] | None = None) -> ScoringParameters:
    """Load the shipped numbers of the scoring layer.

    Parameters
    ----------
    overrides : mapping of str to float, optional
        Values to use instead, by name, in the table's units (hours, points, pure numbers).

    Returns
    -------
    ScoringParameters
        The numbers.

    Raises
    ------
    ModelError
        If a name is unknown or a value out of range.
    """
    names = [field.name for field in fields(ScoringParameters)]
    for name in overrides or {}:
        if name not in names:
            raise ModelError(unknown_name("scoring parameter", name, names))
    return ScoringParameters.from_table(load_parameters("human").with_values(overrides or {}))
