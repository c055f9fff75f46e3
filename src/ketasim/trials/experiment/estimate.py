"""From the numbers of persons to the statistic that a row of an experiment reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.trials.experiment.definition import model_quantities
from ketasim.trials.experiment.readings import Readings
from ketasim.trials.experiment.rows import ExperimentRow

__all__ = ["Estimate", "estimates"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A statistic in each draw.

    Parameters
    ----------
    value : array, shape (draws,)
        In the row's unit. For ``direction`` the difference or change whose sign is meant, in the unit of the
        quantity; for ``retained`` the share of the reference's difference that is left.
    persons : array, shape (draws, persons)
        What each person of the arm contributes to ``value``, in the same unit; empty for statistics that
        are no mean over persons.
    """

    value: FloatArray
    persons: FloatArray


def estimates(row: ExperimentRow, readings: Readings) -> Estimate:
    """Compute the statistic of a row.

    Parameters
    ----------
    row : ExperimentRow
        The row.
    readings : Readings
        Of its experiment.

    Returns
    -------
    Estimate
        Persons who could not be simulated are left out; NaN in a draw without any.
    """
    kind = row.statistic
    own = _numbers(row, readings, row.arm, kind)
    factor = row.factor(model_quantities().get(row.quantity, "ratio"))
    if kind in ("mean", "change", "relative_change"):
        return _mean_of(own * factor)
    if kind == "direction":
        if row.comparator is None:
            return _mean_of(own)
        return _mean_of(own - _mean(_numbers(row, readings, row.comparator, kind))[:, None])
    if kind == "median":
        return _only(_by_draw(_median, own) * factor)
    if kind == "sd":
        return _only(_sd(own) * factor)
    if kind == "incidence":
        above = np.where(np.isnan(own), np.nan, own > (row.threshold or 0.0))
        return _mean_of(above)
    if kind == "correlation":
        return _only(_correlation(own, _partner(row, readings)))
    if kind == "retained":
        return _only(_retained(row, readings, own))
    return _compared(row, readings, own, factor)


def _numbers(row: ExperimentRow, readings: Readings, arm: str, kind: str) -> FloatArray:
    """One number a person, as the statistic takes it."""
    values = readings.values(arm, row.quantity, row.measure, row.time_h, row.until_h)
    changed = kind in ("change", "change_difference", "relative_change") or row.of == "change"
    changed |= kind in ("direction", "effect_size") and row.comparator is None
    if not changed:
        return values
    rest = readings.rest(arm, row.quantity)
    return (values - rest) / rest if kind == "relative_change" else values - rest


def _partner(row: ExperimentRow, readings: Readings) -> FloatArray:
    name = row.with_quantity or row.quantity
    values = readings.values(row.arm, name, row.with_measure, row.with_time_h, row.with_until_h)
    return values - readings.rest(row.arm, name) if row.with_statistic == "change" else values


def _compared(row: ExperimentRow, readings: Readings, own: FloatArray, factor: float) -> Estimate:
    kind = row.statistic
    if row.comparator is None:
        return _only(_mean(own) / _sd(own))
    other = _numbers(row, readings, row.comparator, kind)
    beside = _mean(other)[:, None]
    if kind == "effect_size":
        pooled = np.sqrt(0.5 * (_sd(own) ** 2 + _sd(other) ** 2))
        return _only((_mean(own) - beside[:, 0]) / pooled)
    if kind == "ratio":
        return _mean_of(own / beside)
    if kind == "relative_difference":
        return _mean_of(own / beside - 1.0)
    return _mean_of((own - beside) * factor)


def _retained(row: ExperimentRow, readings: Readings, own: FloatArray) -> FloatArray:
    """Share of the reference's difference that is left in the arm."""
    comparator, reference, plain = (
        _mean(_numbers(row, readings, name or row.arm, row.statistic))
        for name in (row.comparator, row.reference, row.reference_comparator)
    )
    return np.asarray((_mean(own) - comparator) / (reference - plain), dtype=np.float64)


def _by_draw(reduce: Callable[[FloatArray], float], values: FloatArray) -> FloatArray:
    """Reduce over the persons of each draw who could be simulated; NaN without any."""
    found = np.full(len(values), np.nan)
    for draw, row in enumerate(values):
        left = row[~np.isnan(row)]
        if len(left):
            found[draw] = reduce(left)
    return found


def _median(values: FloatArray) -> float:
    return float(np.median(values))


def _mean(values: FloatArray) -> FloatArray:
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    total = np.where(there, values, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _sd(values: FloatArray) -> FloatArray:
    there = ~np.isnan(values)
    count = there.sum(axis=1)
    off = np.where(there, values - _mean(values)[:, None], 0.0)
    return np.where(count > 1, np.sqrt((off**2).sum(axis=1) / np.maximum(count - 1, 1)), np.nan)


def _correlation(own: FloatArray, other: FloatArray) -> FloatArray:
    there = ~(np.isnan(own) | np.isnan(other))
    first, second = (np.where(there, values, np.nan) for values in (own, other))
    a, b = (np.where(there, values - _mean(values)[:, None], 0.0) for values in (first, second))
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(size > 0.0, (a * b).sum(axis=1) / np.where(size > 0.0, size, 1.0), np.nan)


def _mean_of(persons: FloatArray) -> Estimate:
    return Estimate(_mean(persons), persons)


def _only(value: FloatArray) -> Estimate:
    return Estimate(value, np.empty((len(value), 0)))
