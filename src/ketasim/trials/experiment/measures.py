"""Measures and statistics of an experiment: what each needs, and in which unit it comes."""

from __future__ import annotations

from typing import Literal

from ketasim.errors import UnitError
from ketasim.evidence.readings import QUANTITIES as MOLAR_MASSES
from ketasim.trials.study.rules import study_time
from ketasim.units import convert, same_dimension

__all__ = [
    "COMPARED",
    "SIGNS",
    "UNITS_OF_STATISTICS",
    "Measure",
    "Statistic",
    "factor_to",
    "measure_unit",
    "relative_time",
    "statistic_unit",
]

#: How the course of one person becomes a number.
Measure = Literal["at", "rest", "peak", "trough", "peak_time", "mean", "area", "half_life"]

#: How the numbers of persons become one.
Statistic = Literal[
    "mean",
    "median",
    "sd",
    "change",
    "relative_change",
    "difference",
    "change_difference",
    "ratio",
    "relative_difference",
    "effect_size",
    "correlation",
    "incidence",
    "direction",
    "retained",
]

#: Statistics that cannot be without a comparator.
#: Statistics that are signs, or yes and no.
SIGNS = ("direction", "retained")
COMPARED = ("difference", "change_difference", "ratio", "relative_difference", "retained")

#: Unit of the statistics that do not come in that of the measure.
UNITS_OF_STATISTICS = {
    "relative_change": "ratio",
    "ratio": "ratio",
    "relative_difference": "ratio",
    "effect_size": "ratio",
    "correlation": "ratio",
    "incidence": "probability",
    "direction": "direction",
    "retained": "binary",
}


def relative_time(text: str, field: str) -> float:
    """Read a time that may lie before the first dose, such as ``-1 h``.

    Parameters
    ----------
    text : str
        As :func:`~ketasim.trials.study.rules.study_time` takes it, with a minus sign before the first dose.
    field : str
        Where the text stands, for the error.

    Returns
    -------
    float
        Hours after the first dose.

    Raises
    ------
    StudyError
        If the text is not a time.
    """
    plain = text.strip()
    return -study_time(plain[1:], field) if plain.startswith("-") else study_time(plain, field)


def measure_unit(measure: str, unit: str) -> str:
    """Unit of a measure of a quantity that is shown in ``unit``."""
    if measure in ("peak_time", "half_life"):
        return "h"
    return f"{unit}*h" if measure == "area" else unit


def statistic_unit(statistic: str, unit: str) -> str:
    """Unit of a statistic of measures in ``unit``."""
    return UNITS_OF_STATISTICS.get(statistic, unit)


def _molar_mass(quantity: str) -> float | None:
    """Molar mass in g/mol of what a concentration is about; None if it is not one of ketamine's."""
    name = quantity.removeprefix("unbound_").removesuffix("_venous").removesuffix("_arterial")
    return MOLAR_MASSES.get(name)


def factor_to(quantity: str, given: str, wanted: str) -> float:
    """Number of ``wanted`` units in one ``given`` unit of a quantity.

    Parameters
    ----------
    quantity : str
        Name of the quantity; a concentration can be in mass or in amount.
    given, wanted : str
        Units.

    Returns
    -------
    float

    Raises
    ------
    UnitError
        If the units do not measure the same.
    """
    if same_dimension(given, wanted):
        return convert(1.0, given, wanted)
    mass = _molar_mass(quantity)
    for by_mass, by_amount in (("ng/mL", "uM"), ("ng*h/mL", "uM*h")):
        if mass is None:
            break
        if same_dimension(given, by_mass) and same_dimension(wanted, by_amount):
            return convert(1.0, given, by_mass) / mass * convert(1.0, by_amount, wanted)
        if same_dimension(given, by_amount) and same_dimension(wanted, by_mass):
            return convert(1.0, given, by_amount) * mass * convert(1.0, by_mass, wanted)
    raise UnitError(f"{wanted!r} does not measure the same as {given!r}; use {given!r}.")
