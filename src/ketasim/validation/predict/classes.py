"""Classes of published rows, and the scale on which each is predicted and scored."""

from __future__ import annotations

import math
from typing import Any

from ketasim.errors import KetasimError, unknown_name
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study.statistics import QUOTIENT_STATISTICS, RATE_STATISTICS

__all__ = [
    "ROW_CLASSES",
    "SIGN_STATISTICS",
    "class_error",
    "from_class_scale",
    "row_class_of",
    "spread_class_of",
    "to_class_scale",
]

#: Classes, and in words what they hold and on which scale they are predicted.
ROW_CLASSES: dict[str, str] = {
    "points": "means, changes and differences of rating scales, in points",
    "rate": "response, remission, relapse and incidence, as logits",
    "log": "concentrations, areas, times, positive ratios and SDs, as logarithms",
    "effect_size": "standardised differences",
    "correlation": "correlations, as Fisher's z",
    "relative": "relative changes and differences of rates",
    "absolute": "all else, in its own unit",
    "sign": "directions, and yes or no",
}
SIGN_STATISTICS = ("direction", "binary", "retained")

_RELATIVE = ("relative_change", "relative_difference", "response_difference", "change_ratio")
#: Statistics that are on the scale of the values themselves.
_VALUES = ("mean", "median")
_MEASURES_OF_VALUE = ("at", "peak", "trough", "mean", "rest")
#: What is made of points: shares of persons whose total is below a limit, and standardised differences.
_OF_POINTS = ("response", "remission", "effect_size")
#: Correlations beyond this have no useful Fisher's z.
_MOST_CORRELATION = 0.999
#: Persons in whose place a rate without a number of persons is taken.
_RATE_N = 50.0
_LARGEST_LOG = 700.0


def spread_class_of(row: Any, row_class: str) -> str:
    """Rows that differ alike between studies: those of a class, with two exceptions.

    What is made of the total of a scale is of the class of its points: what is particular to a trial moves
    everybody's total, and with it the share beyond a limit, and the change in standard deviations. Relapse
    is apart from other rates: whether somebody relapses depends on a rule of the study and on its visits too.

    Parameters
    ----------
    row : Observation
        Of a study or an experiment.
    row_class : str
        Its class.
    """
    if row.statistic in _OF_POINTS and row.quantity in SCALES:
        return "points"
    return "relapse" if row_class == "rate" and row.statistic == "relapse" else row_class


def row_class_of(row: Any) -> str:
    """Class of a published row, from its statistic, quantity, unit and value alone.

    Parameters
    ----------
    row : Observation
        Of a study or an experiment.

    Returns
    -------
    str
        One of :data:`ROW_CLASSES`.
    """
    statistic, measure = row.statistic, getattr(row, "measure", "at") or "at"
    if statistic in SIGN_STATISTICS:
        return "sign"
    if statistic in RATE_STATISTICS:
        return "rate"
    if statistic in ("effect_size", "correlation"):
        return str(statistic)
    if statistic in _RELATIVE:
        return "relative"
    if statistic in ("sd", "ratio", *QUOTIENT_STATISTICS):
        return "log" if row.value > 0.0 else "absolute"
    if row.quantity in SCALES and measure in _MEASURES_OF_VALUE:
        return "points"
    if statistic in _VALUES and row.value > 0.0 and _is_positive(row.unit, measure):
        return "log"
    return "absolute"


def _is_positive(unit: str, measure: str) -> bool:
    """Whether values of this unit are concentrations, areas, times or ratios."""
    if measure in ("area", "peak_time", "half_life"):
        return True
    return "/mL" in unit or "/L" in unit or unit.endswith("M") or unit in ("ratio", "h", "min", "d")


def _check(row_class: str) -> None:
    if row_class not in ROW_CLASSES:
        raise KetasimError(f"prediction: {unknown_name('class of rows', row_class, ROW_CLASSES)}")


def to_class_scale(row_class: str, value: float, n: float | None = None) -> float:
    """Put a value on the scale of its class.

    Parameters
    ----------
    row_class : str
        One of :data:`ROW_CLASSES`.
    value : float
        In the unit of the row; rates are fractions.
    n : float, optional
        Persons of a rate: half a person is added to each side, so that 0 and 1 are finite.

    Returns
    -------
    float
        NaN for a value that the class does not have, such as the logarithm of a negative one.

    Raises
    ------
    KetasimError
        If the class is unknown.
    """
    _check(row_class)
    if not math.isfinite(value):
        return math.nan
    if row_class == "rate":
        share = _smooth(value, n)
        return math.log(share / (1.0 - share)) if 0.0 < share < 1.0 else math.nan
    if row_class == "log":
        return math.log(value) if value > 0.0 else math.nan
    if row_class == "correlation":
        return math.atanh(min(max(value, -_MOST_CORRELATION), _MOST_CORRELATION))
    return float(value)


def _smooth(share: float, n: float | None) -> float:
    people = n if n is not None and n > 0.0 and math.isfinite(n) else _RATE_N
    return (share * people + 0.5) / (people + 1.0)


def from_class_scale(row_class: str, value: float) -> float:
    """Put a value of the class's scale back into the unit of the row.

    Raises
    ------
    KetasimError
        If the class is unknown.
    """
    _check(row_class)
    if row_class == "rate":
        return 0.5 * (1.0 + math.tanh(0.5 * value))
    if row_class == "log":
        return math.exp(min(value, _LARGEST_LOG))
    if row_class == "correlation":
        return math.tanh(value)
    return float(value)


def class_error(row_class: str, value: float, error: float, n: float | None = None) -> float:
    """Standard error of a published value on the scale of its class.

    Parameters
    ----------
    row_class : str
        One of :data:`ROW_CLASSES`.
    value, error : float
        In the unit of the row.
    n : float, optional
        Persons of a rate.

    Returns
    -------
    float
        By the slope of the scale at the value; NaN where the class does not have the value.

    Raises
    ------
    KetasimError
        If the class is unknown.
    """
    _check(row_class)
    if row_class == "rate":
        share = _smooth(value, n)
        return error / (share * (1.0 - share))
    if row_class == "log":
        return error / value if value > 0.0 else math.nan
    if row_class == "correlation":
        return error / (1.0 - min(abs(value), _MOST_CORRELATION) ** 2)
    return error
