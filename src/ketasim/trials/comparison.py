"""Lays published numbers beside the simulated ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.runs.columns import COMPARISON
from ketasim.trials.runs.outcomes import Outcomes, statistic_of
from ketasim.trials.study import Observation, Study
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = ["compare"]

#: Change that counts as 'no detectable change' in a direction row, in standard errors.
_DETECTABLE = 1.96


@dataclass(frozen=True)
class _Table:
    """Outcomes of one replicate as a person-by-time table a quantity."""

    study: Study
    outcomes: Outcomes
    replicate: int

    def values(self, arms: tuple[str, ...], row: Observation, time_h: float | None = None) -> pd.Series:
        """Values of a row's quantity at its time, or at another, counted from its origin."""
        return self.pair(arms, row, row.time_h if time_h is None else time_h)[1]

    def change(self, arms: tuple[str, ...], row: Observation) -> pd.Series:
        start, values = self.pair(arms, row, row.time_h)
        return values - start

    def pair(self, arms: tuple[str, ...], row: Observation, time_h: float) -> tuple[pd.Series, pd.Series]:
        """Values of a row's quantity at its origin and at a time counted from it, of the same persons."""
        nobody = pd.Series(dtype="float64")
        if (row.quantity, statistic_of(row.quantity)) not in self.outcomes.kinds():
            return nobody, nobody
        table = self.outcomes.matrix(row.quantity)
        members = table.replicate == self.replicate
        if row.origin == "entry":
            found = table.at(time_h)
            if found is None:
                return nobody, nobody
            arm, start, values = table.arm, table.entry, found
        else:
            phase = [item.id for item in self.study.arms if item.phase == row.origin]
            arm, start, values = table.since(arms if row.origin == "arm" else phase, time_h)
        members &= np.isin(arm, arms)
        index = table.subject[members]
        return pd.Series(start[members], index=index), pd.Series(values[members], index=index)

    @property
    def last_h(self) -> float:
        """Last visit."""
        return float(self.outcomes.matrix(self.study.population.baseline.scale).times_h[-1])


Estimate = tuple[float, float]


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
    rows = []
    for replicate in np.unique(outcomes.matrix(study.population.baseline.scale).replicate).tolist():
        table = _Table(study, outcomes, replicate)
        for observation in study.observations:
            found = _predict(table, observation)
            if found is None:
                continue
            predicted, error = found
            observed_se = observation.standard_error
            spread = math.hypot(observed_se, error) if observed_se is not None else math.nan
            rows.append(
                {
                    "study": study.id,
                    "replicate": replicate,
                    "id": observation.id,
                    "arm": observation.arm,
                    "comparator": observation.comparator or "",
                    "quantity": observation.quantity,
                    "statistic": observation.statistic,
                    "time_h": observation.time_h,
                    "unit": observation.unit,
                    "observed": observation.value,
                    "observed_se": math.nan if observed_se is None else observed_se,
                    "predicted": predicted,
                    "predicted_se": error,
                    "z": (observation.value - predicted) / spread if spread > 0.0 else math.nan,
                    "use": observation.use,
                    "source_kind": observation.source_kind,
                    "citation": observation.citation,
                }
            )
    return pd.DataFrame(rows, columns=list(COMPARISON))


def _predict(table: _Table, observation: Observation) -> Estimate | None:
    # A relapse is counted over the whole course, so it needs no value at one time.
    if observation.statistic != "relapse" and table.values(observation.arms, observation).dropna().empty:
        return None
    predictor = _PREDICTORS.get(observation.statistic)
    return None if predictor is None else predictor(table, observation)


def _mean(values: pd.Series) -> Estimate:
    clean = values.dropna()
    if clean.empty:
        return math.nan, math.nan
    error = float(clean.std(ddof=1) / math.sqrt(len(clean))) if len(clean) > 1 else math.nan
    return float(clean.mean()), error


def _share(hits: pd.Series) -> Estimate:
    """A rate with its binomial error; half a person on each side keeps 0 and 1 finite."""
    n = len(hits)
    if n == 0:
        return math.nan, math.nan
    hits = hits.astype(bool)
    smooth = (hits.sum() + 0.5) / (n + 1)
    return float(hits.mean()), math.sqrt(smooth * (1 - smooth) / (n + 1))


def _of_mean(table: _Table, row: Observation) -> Estimate:
    return _mean(table.values(row.arms, row))


def _of_change(table: _Table, row: Observation) -> Estimate:
    return _mean(table.change(row.arms, row))


def _of_sd(table: _Table, row: Observation) -> Estimate:
    values = table.values(row.arms, row).dropna()
    n = len(values)
    if n < 2:
        return math.nan, math.nan
    sd = float(values.std(ddof=1))
    return sd, sd / math.sqrt(2 * (n - 1))


def _of_difference(table: _Table, row: Observation) -> Estimate:
    mean, error = _of_change(table, row)
    other, other_error = _mean(table.change((row.comparator or "",), row))
    return mean - other, math.hypot(error, other_error)


def _of_ratio(table: _Table, row: Observation) -> Estimate:
    mean, error = _of_mean(table, row)
    if row.comparator:
        other, other_error = _mean(table.values((row.comparator,), row))
    else:
        other, other_error = _mean(table.pair(row.arms, row, row.time_h)[0])
    if other == 0.0:
        return math.nan, math.nan
    # The error of a quotient of independent means, written so that a mean of 0 has one too.
    return mean / other, math.hypot(error, mean / other * other_error) / abs(other)


def _of_direction(table: _Table, row: Observation) -> Estimate:
    mean, error = _of_difference(table, row) if row.comparator else _of_change(table, row)
    if math.isnan(mean) or math.isnan(error):
        return math.nan, math.nan
    if abs(mean) <= _DETECTABLE * error:
        return 0.0, 0.0
    return math.copysign(1.0, mean), 0.0


def _responded(table: _Table, row: Observation, time_h: float) -> pd.Series:
    start, values = table.pair(row.arms, row, time_h)
    # Who has no score is not counted, neither as well nor as ill.
    known = values.notna() & start.notna()
    return (values <= (1 - RESPONSE_SHARE) * start)[known]


def _of_response(table: _Table, row: Observation) -> Estimate:
    return _share(_responded(table, row, row.time_h))


def _remitted(table: _Table, row: Observation, time_h: float) -> pd.Series:
    threshold = remission_threshold(table.study, row.quantity)
    return table.values(row.arms, row, time_h).dropna() <= threshold


def _of_remission(table: _Table, row: Observation) -> Estimate:
    return _share(_remitted(table, row, row.time_h))


def _of_relapse(table: _Table, row: Observation) -> Estimate | None:
    """Share of those well at the start of follow-up who met the rule by the time."""
    relapse = table.study.setting.relapse
    if relapse is None:
        return None
    well = _remitted if row.among == "remitters" else _responded
    at_start = well(table, row, relapse.after_h)
    members = at_start.index[at_start]
    visits = [time for time in table.study.times_h if relapse.after_h < time <= row.time_h]
    if len(members) == 0 or not visits or row.time_h > table.last_h + 1e-9:
        return None
    run = pd.Series(0, index=members)
    relapsed = pd.Series(False, index=members)
    for time_h in visits:
        starts, scores = (part.reindex(members) for part in table.pair(row.arms, row, time_h))
        bad = pd.Series(
            [relapse.met(score, start) for score, start in zip(scores, starts, strict=True)], index=members
        )
        run = (run + 1).where(bad, 0)
        relapsed |= run >= relapse.consecutive
    return _share(relapsed)


_PREDICTORS: dict[str, Callable[[_Table, Observation], Estimate | None]] = {
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
