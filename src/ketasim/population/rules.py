"""Entry rules on covariates."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, unknown_name
from ketasim.population.covariates import COVARIATES

__all__ = ["EntryRule", "entry_rules"]

_OPERATORS: Mapping[str, Callable[[Any, float], Any]] = {
    ">=": operator.ge,
    ">": operator.gt,
    "<=": operator.le,
    "<": operator.lt,
}


@dataclass(frozen=True)
class EntryRule:
    """One rule: who may enter.

    Parameters
    ----------
    covariate, operator : str
        Name of the covariate, and ``>=``, ``>``, ``<=`` or ``<``.
    value : float
        In the unit of the covariate.
    """

    covariate: str
    operator: str
    value: float

    @property
    def text(self) -> str:
        """As it is written in a study file."""
        return f"{self.covariate} {self.operator} {self.value:g}"

    def holds(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        """Who meets it."""
        return np.asarray(_OPERATORS[self.operator](values, self.value), dtype=np.bool_)

    def narrowed(self, window: tuple[float, float]) -> tuple[float, float]:
        """Limits within which it holds."""
        lower, upper = window
        if self.operator in (">=", ">"):
            return max(lower, self.value), upper
        return lower, min(upper, self.value)


def entry_rules(given: Sequence[tuple[str, str, float]]) -> tuple[EntryRule, ...]:
    """Read rules.

    Parameters
    ----------
    given : sequence of (str, str, float)
        Covariate, operator, value.

    Raises
    ------
    StudyError
        If a covariate or an operator is unknown, or a value is not a number.
    """
    found = []
    for covariate, sign, value in given:
        where = f"population: entry: {covariate} {sign} {value}"
        if covariate not in COVARIATES:
            raise StudyError(f"{where}: {unknown_name('covariate', covariate, COVARIATES)}")
        if sign not in _OPERATORS:
            raise StudyError(f"{where}: {sign!r} is none of {', '.join(_OPERATORS)}.")
        if not math.isfinite(value):
            raise StudyError(f"{where}: {value!r} is not a finite number.")
        found.append(EntryRule(covariate, sign, float(value)))
    return tuple(found)
