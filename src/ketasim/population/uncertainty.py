"""The second level: how uncertain the typical values are.

Kept apart from differences between people: a set drawn here holds for everybody of a run. Two ways: the
fitted biology together, as its targets leave it open; or every uncertain parameter by itself, over its range.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, SupportsIndex

import numpy as np

from ketasim._lazy import lazy_module
from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import GRADES, Parameter, ParameterSet
from ketasim.population.draws import load_posterior
from ketasim.population.effects import load_effects
from ketasim.population.streams import FloatArray, uniforms

if TYPE_CHECKING:
    from scipy import special
else:
    special = lazy_module("scipy.special")

__all__ = [
    "UNCERTAIN_GRADES",
    "draw_fitted_sets",
    "draw_parameter_sets",
    "uncertain_parameters",
]

#: Grades whose parameters are uncertain; what was measured or follows from it stays.
UNCERTAIN_GRADES = ("calibrated", "assumed")
#: The range of a table is taken as the middle 95 % of the distribution.
_WIDTH = 2.0 * 1.959963984540054
_STUDY = "parameter uncertainty"
#: Facts of a person or of a disease, found for each patient and no constant of the model.
_PERSONAL = ("illness_load", "pain_intensity", "opioid_dose")


def uncertain_parameters(
    parameters: ParameterSet, grades: Collection[str] = UNCERTAIN_GRADES
) -> tuple[str, ...]:
    """Names of the parameters whose typical values are uncertain.

    Parameters
    ----------
    parameters : ParameterSet
        The tables.
    grades : collection of str
        Grades that count as uncertain.

    Returns
    -------
    tuple of str
        In the order of the tables. Facts of a person (weight, ancestry, illness) are none.

    Raises
    ------
    StudyError
        If a grade is unknown.
    """
    for grade in grades:
        if grade not in GRADES:
            raise StudyError(f"parameter uncertainty: {unknown_name('grade', grade, GRADES)}")
    personal = {*_PERSONAL, *(effect.parameter for effect in load_effects() if effect.scale == "value")}
    return tuple(
        name
        for name, item in parameters.items()
        if item.grade in grades
        and item.distribution != "fixed"
        and item.low < item.high
        and name not in personal
    )


def draw_parameter_sets(
    parameters: ParameterSet,
    n: int,
    seed: SupportsIndex,
    *,
    grades: Collection[str] = UNCERTAIN_GRADES,
) -> list[ParameterSet]:
    """Draw typical values from their ranges.

    Parameters
    ----------
    parameters : ParameterSet
        The tables.
    n : int
        Number of sets.
    seed : int
        Names the random numbers; a longer list begins with the shorter one.
    grades : collection of str
        Grades of the parameters that are drawn.

    Returns
    -------
    list of ParameterSet
        Spreads and correlations between people stay as they are.

    Raises
    ------
    StudyError
        If ``n`` is negative or a grade is unknown.

    Notes
    -----
    The distribution is that of the table's column (normal, or normal on the log or logit scale), with
    the range as its middle 95 %, cut at the range. Parameters are independent of each other: the
    tables say nothing of how a fit ties them together, so that sets differ more than a posterior would.
    """
    if n < 0:
        raise StudyError(f"parameter sets: n {n!r} is negative; give the number of sets.")
    names = uncertain_parameters(parameters, grades)
    zeros, numbers = np.zeros(n, dtype=np.int64), np.arange(1, n + 1, dtype=np.int64)
    drawn: Mapping[str, FloatArray] = {
        name: _values(parameters[name], uniforms(seed, _STUDY, zeros, numbers, name)) for name in names
    }
    return [
        parameters.with_values({name: float(values[i]) for name, values in drawn.items()}) for i in range(n)
    ]


def _values(item: Parameter, u: FloatArray) -> FloatArray:
    """Values of one parameter at probabilities within its range."""
    # The range is the middle 95 %: probabilities are drawn from there.
    z = special.ndtri(0.025 + 0.95 * u)
    low, high = item.low, item.high
    if item.distribution == "logitnormal" and low > 0.0 and high < 1.0:
        ends = float(special.logit(low)), float(special.logit(high))
        return np.asarray(special.expit(_between(*ends, z)), dtype=np.float64)
    if item.distribution == "lognormal" and low > 0.0:
        return np.exp(_between(math.log(low), math.log(high), z))
    return _between(low, high, z)


def _between(low: float, high: float, z: FloatArray) -> FloatArray:
    """A normal number whose middle 95 % is the range."""
    return 0.5 * (low + high) + (high - low) / _WIDTH * z


def draw_fitted_sets(parameters: ParameterSet, n: int, seed: SupportsIndex) -> list[ParameterSet]:
    """Draw typical values of what was fitted together, as its targets leave them open.

    Parameters
    ----------
    parameters : ParameterSet
        What is moved, as far as the shipped posterior is off its own centre.
    n : int
        Number of sets.
    seed : int
        Names the random numbers; a longer list begins with the shorter one.

    Returns
    -------
    list of ParameterSet
        What the calibration does not fit stays as it is.

    Raises
    ------
    StudyError
        If ``n`` is negative.

    Notes
    -----
    Sets of the shipped posterior in a random order, none twice before all are used.
    """
    if n < 0:
        raise StudyError(f"parameter sets: n {n!r} is negative; give the number of sets.")
    draws = load_posterior()
    rounds = range(-(-n // len(draws)))
    numbers = np.arange(1, len(draws) + 1, dtype=np.int64)
    orders = [
        np.argsort(uniforms(seed, _STUDY, np.full(len(draws), turn), numbers, "posterior")) for turn in rounds
    ]
    if not orders:
        return []
    return draws.take(np.concatenate(orders)[:n]).sets(parameters)
