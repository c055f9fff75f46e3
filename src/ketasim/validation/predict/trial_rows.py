"""Cells of the rows of a trial: each statistic of a study's language, in every draw at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ketasim.trials.row_people import Moments, RowTables
from ketasim.trials.study import Observation
from ketasim.validation.predict.cells import (
    Cells,
    moved_by,
    of_correlation,
    of_effect_size,
    of_log_mean,
    of_mean,
    of_median,
    of_rate,
    of_ratio_of_changes,
    of_relative,
    of_sd,
    of_share,
    of_share_log,
    versus,
)
from ketasim.validation.predict.classes import row_class_of

__all__ = ["PREDICTED_STATISTICS", "cells_of_row"]

FloatArray = npt.NDArray[np.float64]

#: Points of a scale by which totals are moved to see how a share follows: about what trials differ by.
_SHIFT = 3.0


def cells_of_row(tables: RowTables, row: Observation) -> Cells | None:
    """Cells of a row of a trial.

    Parameters
    ----------
    tables : RowTables
        Of a run with one replicate a draw.
    row : Observation
        The row.

    Returns
    -------
    Cells or None
        None if the row's statistic is not predicted, or nobody has what it is about.
    """
    find = _STATISTICS.get(row.statistic)
    return None if find is None else find(tables, row)


def _values(tables: RowTables, row: Observation, arms: Sequence[str]) -> Moments:
    people = tables.people(arms, row)
    return people.moments(people.values)


def _changes(
    tables: RowTables, row: Observation, arms: Sequence[str], time_h: float | None = None
) -> Moments:
    people = tables.people(arms, row, time_h)
    return people.moments(people.change)


def _mean(tables: RowTables, row: Observation) -> Cells:
    found = _values(tables, row, row.arms)
    return of_log_mean(found) if row_class_of(row) == "log" else of_mean(found)


def _change(tables: RowTables, row: Observation) -> Cells:
    return of_mean(_changes(tables, row, row.arms))


def _median_change(tables: RowTables, row: Observation) -> Cells:
    people = tables.people(row.arms, row)
    return of_median(people, people.change, log=False)


def _difference(tables: RowTables, row: Observation, time_h: float | None = None) -> Cells:
    own = of_mean(_changes(tables, row, row.arms, time_h))
    return versus(own, of_mean(_changes(tables, row, row.comparators, time_h)))


def _sd(tables: RowTables, row: Observation) -> Cells:
    return of_sd(_values(tables, row, row.arms))


def _ratio(tables: RowTables, row: Observation) -> Cells:
    own = _values(tables, row, row.arms)
    if row.comparators:
        other = _values(tables, row, row.comparators)
        return versus(of_log_mean(own), of_log_mean(other))
    people = tables.people(row.arms, row)
    start = people.moments(people.start)
    off = _product(people.values, people.start)
    relative = of_relative(own, start, off, paired=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        logs = np.log1p(relative.values)
    base = float(np.nanmean(1.0 + relative.values)) if np.isfinite(relative.values).any() else math.nan
    return Cells(logs, relative.within / base**2, relative.sizes)


def _product(values: FloatArray, start: FloatArray) -> float:
    """Covariance over persons."""
    known = np.isfinite(values) & np.isfinite(start)
    return float(np.cov(values[known], start[known])[0, 1]) if known.sum() > 1 else 0.0


def _direction(tables: RowTables, row: Observation) -> Cells:
    return (_difference if row.comparators else _change)(tables, row)


def _effect_size(tables: RowTables, row: Observation) -> Cells:
    other = _changes(tables, row, row.comparators) if row.comparators else None
    return of_effect_size(_changes(tables, row, row.arms), other)


def _correlation(tables: RowTables, row: Observation) -> Cells:
    people = tables.people(row.arms, row)
    other = tables.people(row.arms, row, row.with_time_h, row.with_quantity)
    if len(other.place) != len(people.place):
        return Cells(np.full(people.replicates, np.nan), 1.0, np.zeros(people.replicates))
    with_values = other.change if row.with_statistic == "change" else other.values
    return of_correlation(people, people.change, with_values)


def _change_ratio(tables: RowTables, row: Observation) -> Cells:
    if row.comparators:
        return of_ratio_of_changes(_difference(tables, row), _difference(tables, row, row.with_time_h))
    earlier = of_mean(_changes(tables, row, row.arms, row.with_time_h))
    return of_ratio_of_changes(_change(tables, row), earlier)


def _hits(tables: RowTables, row: Observation, arms: Sequence[str], kind: str, shift: float = 0.0) -> Moments:
    """Shares of those who responded or are in remission, if everybody had so many points more."""
    found = (tables.responded if kind == "response" else tables.remitted)(arms, row, row.time_h, shift)
    group = tables.in_group(arms, row)
    people = tables.people(arms, row)
    return people.moments(found if group is None else np.where(group, found, np.nan))


def _rate(kind: str) -> Callable[[RowTables, Observation], Cells]:
    def found(tables: RowTables, row: Observation) -> Cells:
        worse, better = (_hits(tables, row, row.arms, kind, step) for step in (_SHIFT, -_SHIFT))
        return moved_by(of_rate(_hits(tables, row, row.arms, kind)), worse, better, 2.0 * _SHIFT)

    return found


def _quotient(kind: str, scale: Callable[[Moments], Cells]) -> Callable[[RowTables, Observation], Cells]:
    """Of odds or of shares of two groups, as logarithms; or the difference of shares."""

    def found(tables: RowTables, row: Observation) -> Cells:
        own, other = (_hits(tables, row, arms, kind) for arms in (row.arms, row.comparators))
        return versus(scale(own), scale(other))

    return found


def _relapse(tables: RowTables, row: Observation) -> Cells | None:
    found = tables.relapsed(row.arms, row)
    return None if found is None else of_rate(found[0].moments(found[1]))


def _improved(tables: RowTables, row: Observation) -> Cells:
    people = tables.people(row.arms, row)
    hits = people.change <= -(row.threshold or 0.0)
    return of_rate(people.moments(np.where(np.isnan(people.change), np.nan, hits)))


def _incidence(tables: RowTables, row: Observation) -> Cells:
    people = tables.people(row.arms, row)
    hits = people.values >= (row.threshold or 0.0)
    return of_rate(people.moments(np.where(np.isnan(people.values), np.nan, hits)))


_STATISTICS: dict[str, Callable[[RowTables, Observation], Cells | None]] = {
    "mean": _mean,
    "change": _change,
    "median_change": _median_change,
    "difference": _difference,
    "sd": _sd,
    "ratio": _ratio,
    "direction": _direction,
    "effect_size": _effect_size,
    "correlation": _correlation,
    "change_ratio": _change_ratio,
    "response": _rate("response"),
    "remission": _rate("remission"),
    "relapse": _relapse,
    "improved": _improved,
    "incidence": _incidence,
    "response_odds_ratio": _quotient("response", of_rate),
    "remission_odds_ratio": _quotient("remission", of_rate),
    "response_risk_ratio": _quotient("response", of_share_log),
    "remission_risk_ratio": _quotient("remission", of_share_log),
    "response_difference": _quotient("response", of_share),
}

#: Statistics of a study's rows that are predicted.
PREDICTED_STATISTICS = tuple(_STATISTICS)
