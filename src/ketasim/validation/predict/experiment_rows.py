"""Cells of the rows of an experiment: each measure and each statistic, in every draw at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ketasim.trials.experiment.rows import ExperimentRow
from ketasim.trials.row_people import Moments, People
from ketasim.validation.predict.cells import (
    Cells,
    of_correlation,
    of_effect_size,
    of_log_mean,
    of_mean,
    of_median,
    of_rate,
    of_relative,
    of_sd,
    versus,
)
from ketasim.validation.predict.classes import row_class_of

__all__ = ["Readable", "cells_of_reading"]

FloatArray = npt.NDArray[np.float64]
Reader = Callable[[FloatArray, str, str, str, float | None, float | None], FloatArray]


class Readable(Protocol):
    """What was read of the persons of an experiment, shape (draws, persons of a draw) each."""

    def values(
        self, arm: str, quantity: str, measure: str, time_h: float | None, until_h: float | None
    ) -> FloatArray:
        """A measure of the course of each person of an arm."""

    def rest(self, arm: str, quantity: str) -> FloatArray:
        """The same person's value before anything is given."""


class _Read:
    """The persons of a row."""

    def __init__(self, readings: Readable, row: ExperimentRow, reader: Reader) -> None:
        self.readings, self.row, self.reader = readings, row, reader

    def people(self, arms: Sequence[str], *, other: bool = False) -> People:
        """Values of pooled arms, with rest as the start; ``other`` reads what a correlation is with."""
        row = self.row
        key = (
            (row.with_quantity or row.quantity, row.with_measure, row.with_time_h, row.with_until_h)
            if other
            else (row.quantity, row.measure, row.time_h, row.until_h)
        )
        values = np.concatenate(
            [self.reader(self.readings.values(arm, *key), arm, *key) for arm in arms], axis=1
        )
        at_rest = (key[0], "rest", None, None)
        rest = np.concatenate(
            [self.reader(self.readings.rest(arm, key[0]), arm, *at_rest) for arm in arms], axis=1
        )
        draws, each = values.shape
        return People(np.repeat(np.arange(draws), each), rest.ravel(), values.ravel(), draws)

    def values(self, arms: Sequence[str]) -> Moments:
        people = self.people(arms)
        return people.moments(people.values)

    def changes(self, arms: Sequence[str]) -> Moments:
        people = self.people(arms)
        return people.moments(people.change)


def _as_it_is(values: FloatArray, *_: object) -> FloatArray:
    """A reading without an error of its own."""
    return values


def cells_of_reading(readings: Readable, row: ExperimentRow, reader: Reader = _as_it_is) -> Cells:
    """Cells of a row of an experiment.

    Parameters
    ----------
    readings : Readable
        What was read.
    row : ExperimentRow
        The row.
    reader : callable
        Makes of what the model holds what is read: values, arm, quantity, measure, time and until.

    Returns
    -------
    Cells
        In the unit in which the quantity is shown.
    """
    return _STATISTICS[row.statistic](_Read(readings, row, reader))


def _of(read: _Read) -> tuple[People, FloatArray]:
    """People, and of each the value or the change that the row is about."""
    people = read.people(read.row.arms)
    return people, people.change if read.row.of == "change" else people.values


def _mean(read: _Read) -> Cells:
    found = read.values(read.row.arms)
    return of_log_mean(found) if row_class_of(read.row) == "log" else of_mean(found)


def _median(read: _Read) -> Cells:
    people, values = _of(read)
    return of_median(people, values, log=row_class_of(read.row) == "log")


def _sd(read: _Read) -> Cells:
    people, values = _of(read)
    return of_sd(people.moments(values))


def _change(read: _Read) -> Cells:
    return of_mean(read.changes(read.row.arms))


def _relative_change(read: _Read) -> Cells:
    people = read.people(read.row.arms)
    known = np.isfinite(people.values) & np.isfinite(people.start)
    together = float(np.cov(people.values[known], people.start[known])[0, 1]) if known.sum() > 1 else 0.0
    return of_relative(people.moments(people.values), people.moments(people.start), together, paired=True)


def _difference(read: _Read) -> Cells:
    return versus(of_mean(read.values(read.row.arms)), of_mean(read.values(read.row.comparators)))


def _change_difference(read: _Read) -> Cells:
    return versus(of_mean(read.changes(read.row.arms)), of_mean(read.changes(read.row.comparators)))


def _ratio(read: _Read) -> Cells:
    return versus(of_log_mean(read.values(read.row.arms)), of_log_mean(read.values(read.row.comparators)))


def _relative_difference(read: _Read) -> Cells:
    return of_relative(read.values(read.row.arms), read.values(read.row.comparators), paired=False)


def _effect_size(read: _Read) -> Cells:
    if read.row.comparators:
        return of_effect_size(read.values(read.row.arms), read.values(read.row.comparators))
    return of_effect_size(read.changes(read.row.arms))


def _correlation(read: _Read) -> Cells:
    people, values = _of(read)
    other = read.people(read.row.arms, other=True)
    with_values = other.change if read.row.with_statistic == "change" else other.values
    return of_correlation(people, values, with_values)


def _incidence(read: _Read) -> Cells:
    people, values = _of(read)
    threshold = read.row.threshold if read.row.threshold is not None else np.nan
    return of_rate(people.moments(np.where(np.isnan(values), np.nan, values > threshold)))


def _direction(read: _Read) -> Cells:
    return _difference(read) if read.row.comparators else _change(read)


def _retained(read: _Read) -> Cells:
    """Share of a reference effect that is left, on a straight line about the one in all draws."""
    row = read.row
    arms = [tuple(part.strip() for part in (name or "").split("+")) for name in _reference(row)]
    left = _difference(read)
    whole = versus(*(of_mean(read.values(names)) for names in arms))
    known = np.isfinite(left.values) & np.isfinite(whole.values)
    effect = float(whole.values[known].mean()) if known.any() else np.nan
    kept = float(left.values[known].mean()) / effect if effect else np.nan
    values = kept + (left.values - kept * whole.values) / effect if effect else left.values * np.nan
    within = (left.within + kept**2 * whole.within) / effect**2 if effect else 1.0
    return Cells(values, within, left.sizes)


def _reference(row: ExperimentRow) -> tuple[str | None, str | None]:
    return row.reference, row.reference_comparator


_STATISTICS: dict[str, Callable[[_Read], Cells]] = {
    "mean": _mean,
    "median": _median,
    "sd": _sd,
    "change": _change,
    "relative_change": _relative_change,
    "difference": _difference,
    "change_difference": _change_difference,
    "ratio": _ratio,
    "relative_difference": _relative_difference,
    "effect_size": _effect_size,
    "correlation": _correlation,
    "incidence": _incidence,
    "direction": _direction,
    "retained": _retained,
}
