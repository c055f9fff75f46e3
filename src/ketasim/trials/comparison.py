"""Lays published numbers beside the simulated ones."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.trials.row_people import RowTables
from ketasim.trials.runs.columns import COMPARISON
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study import Observation, Study

__all__ = ["compare"]

FloatArray = npt.NDArray[np.float64]

#: Change that counts as 'no detectable change' in a direction row, in standard errors.
_DETECTABLE = 1.96

#: Value and error of each replicate.
Estimate = tuple[FloatArray, FloatArray]


def compare(outcomes: Outcomes, study: Study) -> pd.DataFrame:
    """Predict every observation of a study that lies in the simulated span.

    Parameters
    ----------
    outcomes : Outcomes
        What was seen of patients.
    study : Study
        Holds the observations.

    Returns
    -------
    DataFrame
        The columns of :data:`~ketasim.trials.runs.columns.COMPARISON`. ``predicted_se`` is the
        sampling error of the simulated groups; ``z`` is empty where no error was published.
    """
    tables = RowTables(study, outcomes)
    found = [
        (row, *estimate) for row in study.observations if (estimate := _predict(tables, row)) is not None
    ]
    rows = [
        _laid_beside(study, row, replicate, float(values[place]), float(errors[place]))
        for place, replicate in enumerate(tables.replicates.tolist())
        for row, known, values, errors in found
        if known[place]
    ]
    return pd.DataFrame(rows, columns=list(COMPARISON))


def _laid_beside(
    study: Study, row: Observation, replicate: int, predicted: float, error: float
) -> dict[str, object]:
    observed_se = row.standard_error
    spread = math.hypot(observed_se, error) if observed_se is not None else math.nan
    return {
        "study": study.id,
        "replicate": replicate,
        "id": row.id,
        "arm": row.arm,
        "comparator": row.comparator or "",
        "quantity": row.quantity,
        "statistic": row.statistic,
        "time_h": row.time_h,
        "unit": row.unit,
        "observed": row.value,
        "observed_se": math.nan if observed_se is None else observed_se,
        "predicted": predicted,
        "predicted_se": error,
        "z": (row.value - predicted) / spread if spread > 0.0 else math.nan,
        "use": row.use,
        "source_kind": row.source_kind,
        "citation": row.citation,
    }


def _predict(
    tables: RowTables, row: Observation
) -> tuple[npt.NDArray[np.bool_], FloatArray, FloatArray] | None:
    """Which replicates have something to be laid beside a row, their values and errors."""
    predictor = _PREDICTORS.get(row.statistic)
    if predictor is None:
        return None
    if row.statistic == "relapse":
        # A relapse is counted over the whole course, so it needs no value at one time.
        found = tables.relapsed(row.arms, row)
        if found is None:
            return None
        known = found[0].moments(found[1]).n > 0
    else:
        people = tables.people(row.arms, row)
        known = people.moments(people.values).n > 0
    return None if not known.any() else (known, *predictor(tables, row))


def _of_mean(tables: RowTables, row: Observation) -> Estimate:
    people = tables.people(row.arms, row)
    found = people.moments(people.values)
    return found.mean, found.error


def _of_change(tables: RowTables, row: Observation) -> Estimate:
    people = tables.people(row.arms, row)
    found = people.moments(people.change)
    return found.mean, found.error


def _of_sd(tables: RowTables, row: Observation) -> Estimate:
    people = tables.people(row.arms, row)
    found = people.moments(people.values)
    sd = np.sqrt(found.variance)
    return sd, sd / np.sqrt(np.where(found.n > 1, 2.0 * (found.n - 1.0), np.nan))


def _of_difference(tables: RowTables, row: Observation) -> Estimate:
    mean, error = _of_change(tables, row)
    people = tables.people(row.comparators, row)
    other = people.moments(people.change)
    return mean - other.mean, np.hypot(error, other.error)


def _of_ratio(tables: RowTables, row: Observation) -> Estimate:
    mean, error = _of_mean(tables, row)
    people = tables.people(row.comparators or row.arms, row)
    other = people.moments(people.values if row.comparators else people.start)
    base = np.where(other.mean == 0.0, np.nan, other.mean)
    # The error of a quotient of independent means, written so that a mean of 0 has one too.
    return mean / base, np.hypot(error, mean / base * other.error) / np.abs(base)


def _of_direction(tables: RowTables, row: Observation) -> Estimate:
    mean, error = (_of_difference if row.comparators else _of_change)(tables, row)
    sign = np.where(np.abs(mean) <= _DETECTABLE * error, 0.0, np.sign(mean))
    unknown = np.isnan(mean) | np.isnan(error)
    return np.where(unknown, np.nan, sign), np.where(unknown, np.nan, 0.0)


def _of_response(tables: RowTables, row: Observation) -> Estimate:
    return _share(tables, row, tables.responded(row.arms, row, row.time_h))


def _of_remission(tables: RowTables, row: Observation) -> Estimate:
    return _share(tables, row, tables.remitted(row.arms, row, row.time_h))


def _of_relapse(tables: RowTables, row: Observation) -> Estimate:
    found = tables.relapsed(row.arms, row)
    if found is None:
        nobody = np.full(len(tables.replicates), np.nan)
        return nobody, nobody
    counted = found[0].moments(found[1])
    return _rate(counted.mean, counted.n)


def _share(tables: RowTables, row: Observation, hits: FloatArray) -> Estimate:
    group = tables.in_group(row.arms, row)
    found = tables.people(row.arms, row).moments(hits if group is None else np.where(group, hits, np.nan))
    return _rate(found.mean, found.n)


def _rate(share: FloatArray, n: FloatArray) -> Estimate:
    """A rate with its binomial error; half a person on each side keeps 0 and 1 finite."""
    smooth = (share * n + 0.5) / (n + 1.0)
    return share, np.sqrt(smooth * (1.0 - smooth) / (n + 1.0))


_PREDICTORS: dict[str, Callable[[RowTables, Observation], Estimate]] = {
    "mean": _of_mean,
    "change": _of_change,
    "sd": _of_sd,
    "difference": _of_difference,
    "ratio": _of_ratio,
    "direction": _of_direction,
    "response": _of_response,
    "remission": _of_remission,
    "relapse": _of_relapse,
}
