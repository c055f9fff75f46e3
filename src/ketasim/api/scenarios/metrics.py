"""Numbers of a scenario that a table lays side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.rows import PLACES
from ketasim.nca import METHODS, segment_areas

__all__ = [
    "LATEST_H",
    "METRICS",
    "TERMINAL_H",
    "TIMES_H",
    "Measured",
    "Metric",
    "metric_values",
    "metrics_of",
]

FloatArray = npt.NDArray[np.float64]

#: Times at which the score is read: 24 h, day 7 and day 28 after the first dose.
TIMES_H: Final = {"24h": 24.0, "7d": 168.0, "28d": 672.0}
#: Every scenario is run to here at least.
LATEST_H: Final = 672.0
#: Hours after the last dose at which the level is read for the half-life.
TERMINAL_H: Final = (8.0, 12.0, 16.0, 20.0, 24.0)


@dataclass(frozen=True)
class Metric:
    """One number.

    Parameters
    ----------
    id, name, unit : str
        What it is.
    compare : {"ratio", "difference"}
        How two scenarios are compared.
    value, low, high : float or None
        The typical person's, and the 5 to 95 % range of what is not known; None where it is not computed.
    """

    id: str
    name: str
    unit: str
    compare: Literal["ratio", "difference"]
    value: float | None = None
    low: float | None = None
    high: float | None = None


_WORDS = {"24h": "24 h", "7d": "day 7", "28d": "day 28"}
#: What is told, in the order of the table.
METRICS: Final[tuple[Metric, ...]] = (
    Metric("cmax", "Highest venous level", "ng/mL", "ratio"),
    Metric("auc", "Area under the level to day 28", "ng h/mL", "ratio"),
    Metric("half_life", "Half-life in plasma, 8 to 24 h after the last dose", "h", "ratio"),
    Metric("peak_block", "Peak NMDA block", "%", "ratio"),
    *(Metric(f"madrs_{key}", f"MADRS at {words}", "points", "difference") for key, words in _WORDS.items()),
    *(
        Metric(f"versus_control_{key}", f"MADRS against control at {words}", "points", "difference")
        for key, words in _WORDS.items()
    ),
    Metric("response", "Response, of 100", "of 100", "difference"),
    Metric("remission", "Remission, of 100", "of 100", "difference"),
    Metric("peak_cadss", "Highest dissociation (CADSS)", "points", "difference"),
    Metric("peak_systolic_rise", "Largest systolic rise", "mmHg", "difference"),
    Metric("rules_failed", "Supervision rules failed", "rules", "difference"),
)


@dataclass(frozen=True, eq=False)
class Measured:
    """Courses of persons, with the drug and with the control.

    Parameters
    ----------
    times_h : array, shape (times,)
        Output times.
    values : array, shape (persons, times, outputs)
        With the drug.
    scores, control_scores : array, shape (persons, times)
        Scored MADRS.
    last_dose_h : float
        End of the last dose of the drug.
    area : array of int
        Places of the times between which areas are added up.
    """

    times_h: FloatArray
    values: FloatArray
    scores: FloatArray
    control_scores: FloatArray
    last_dose_h: float
    area: npt.NDArray[np.int64]


def metric_values(measured: Measured) -> dict[str, FloatArray]:
    """What follows from courses, for each person.

    Returns
    -------
    dict of str to array, shape (persons,)
        By the name of the metric; NaN where there is none, as the half-life of nothing.
    """
    times = measured.times_h
    until = times <= LATEST_H + 1e-9
    ketamine, block, cadss, pressure = (
        measured.values[:, until, PLACES[name]]
        for name in ("ketamine_venous", "nmda_block_mean", "cadss", "systolic_pressure")
    )
    level = measured.values[:, measured.area, PLACES["ketamine_venous"]]
    found = {
        "cmax": ketamine.max(axis=1),
        "auc": segment_areas(times[measured.area], np.maximum(level, 0.0), METHODS[0]).sum(axis=1),
        "half_life": _half_lives(times[until], ketamine, measured.last_dose_h),
        "peak_block": 100.0 * block.max(axis=1),
        "peak_cadss": cadss.max(axis=1),
        "peak_systolic_rise": (pressure - pressure[:, :1]).max(axis=1),
    }
    for key, hours in TIMES_H.items():
        place = int(np.argmin(np.abs(times - hours)))
        found[f"madrs_{key}"] = measured.scores[:, place]
        found[f"versus_control_{key}"] = measured.scores[:, place] - measured.control_scores[:, place]
    return found


def metrics_of(
    typical: Mapping[str, float | None], spread: Mapping[str, FloatArray] | None
) -> tuple[Metric, ...]:
    """The table of one scenario.

    Parameters
    ----------
    typical : mapping of str to float or None
        Values of the typical person.
    spread : mapping of str to array, optional
        Values of the same person under draws of what is not known.
    """
    found = []
    for metric in METRICS:
        value = typical.get(metric.id)
        low = high = None
        if spread is not None and metric.id in spread and value is not None:
            own = spread[metric.id][np.isfinite(spread[metric.id])]
            low, high = (float(end) for end in np.quantile(own, (0.05, 0.95))) if len(own) else (None, None)
        found.append(Metric(metric.id, metric.name, metric.unit, metric.compare, value, low, high))
    return tuple(found)


def _half_lives(times: FloatArray, level: FloatArray, last_h: float) -> FloatArray:
    """Half-lives by a line through the logarithm of the level, after the last dose."""
    inside = (times >= last_h + TERMINAL_H[0] - 1e-9) & (times <= last_h + TERMINAL_H[-1] + 1e-9)
    none = np.full(len(level), np.nan)
    if inside.sum() < 3 or (level[:, inside] <= 0.0).any():
        return none
    slopes = np.polyfit(times[inside], np.log(level[:, inside].T), 1)[0]
    return np.where(slopes < 0.0, np.log(2.0) / -np.minimum(slopes, -1e-12), none)
