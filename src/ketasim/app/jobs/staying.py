"""Staying well: how long people keep their response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.app.jobs.question import TrialQuestion
from ketasim.report.trial.event_times import first_in_a_row, relapse_times
from ketasim.report.trial.tables import TrialTables, one_trial
from ketasim.report.words import visit_text
from ketasim.trials.analysis.survival import kaplan_meier
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = ["Curve", "curves", "staying_times", "staying_words"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Columns of :func:`staying_times`.
COLUMNS = ("replicate", "arm", "time_h", "event")
#: Trials whose curves make the range: more change it little and take long.
_RANGED = 200


def staying_words(question: TrialQuestion) -> tuple[str, str, str]:
    """What is followed, the event, and from when, in words."""
    relapse = question.study.setting.relapse
    if relapse is None:
        return (
            "people who respond, until a visit at which they do not",
            "response lost",
            "from the first visit with a response",
        )
    since = visit_text(question.study, relapse.after_h)
    return f"responders at {since}, until they relapse", "relapse", f"from {since}, among responders"


def staying_times(
    question: TrialQuestion, recorded: Outcomes, patients: pd.DataFrame, events: pd.DataFrame
) -> pd.DataFrame:
    """Find how long people stayed well.

    With a relapse rule in the study: until relapse, among responders at its time. Without: from the first
    visit with a response to the first later one without.

    Returns
    -------
    DataFrame
        Columns :data:`COLUMNS`, a row a person who was followed; ``event`` 0 is the last rating.
    """
    if question.study.setting.relapse is not None:
        return _relapses(question, recorded, patients, events)
    table = recorded.matrix(question.scale)
    times, values = table.times_h, table.values
    response = values <= (1.0 - RESPONSE_SHARE) * table.entry[:, None]
    response &= (times > 0.0)[None, :]
    chosen = response.any(axis=1)
    start = times[response.argmax(axis=1)]
    later = np.where(times[None, :] > start[:, None], values, np.nan)[chosen]
    met = ~response[chosen] & np.isfinite(later)
    when, event = first_in_a_row(times, later, met, 1, start[chosen])
    return _frame(table.replicate[chosen], table.arm[chosen], when - start[chosen], event)


def _relapses(
    question: TrialQuestion, recorded: Outcomes, patients: pd.DataFrame, events: pd.DataFrame
) -> pd.DataFrame:
    tables = TrialTables(patients, recorded.frame(), events)
    parts = []
    for replicate in sorted(int(item) for item in patients["replicate"].unique()):
        found = relapse_times(one_trial(tables, replicate), question.study)
        parts.append(_frame(np.full(len(found.arm), replicate), found.arm, found.time_h, found.event))
    return pd.concat(parts, ignore_index=True)


def _frame(
    replicate: npt.NDArray[np.int64], arm: npt.NDArray[np.generic], time_h: FloatArray, event: BoolArray
) -> pd.DataFrame:
    # Who was never seen after the origin says nothing.
    seen = (time_h > 0.0) | event
    return pd.DataFrame(
        {
            "replicate": replicate[seen],
            "arm": arm.astype(str)[seen],
            "time_h": time_h[seen],
            "event": event[seen].astype(int),
        },
        columns=list(COLUMNS),
    )


@dataclass(frozen=True)
class Curve:
    """Share of an arm's people who are still well.

    Parameters
    ----------
    arm : str
        The arm.
    time_h, share, low, high : array, shape (times,)
        Hours since the origin; the range is that over trials, or of 95 % in a single one.
    at_risk : array, shape (times,)
        People still followed just before each time, in a trial on average.
    """

    arm: str
    time_h: FloatArray
    share: FloatArray
    low: FloatArray
    high: FloatArray
    at_risk: FloatArray


def curves(times: pd.DataFrame, arms: tuple[str, ...], trials: int) -> list[Curve]:
    """Estimate the Kaplan-Meier curve of each arm over all trials together.

    Parameters
    ----------
    times : DataFrame
        From :func:`staying_times`.
    arms : tuple of str
        All arms; one of whom nobody was followed has no curve.
    trials : int
        Trials that were simulated.
    """
    found = []
    for arm in arms:
        own = times[times["arm"] == arm] if len(times) else times
        if not len(own):
            continue
        when = own["time_h"].to_numpy(dtype=np.float64)
        event = own["event"].to_numpy(dtype=np.int64)
        pooled = kaplan_meier(when, event)
        grid = np.unique(np.concatenate([[0.0], when]))
        share = _at(pooled.at(grid))
        if trials > 1:
            low, high = _range(own, grid)
        else:
            steps = np.searchsorted(pooled.times, grid, side="right")
            low = np.concatenate([[1.0], pooled.low])[steps]
            high = np.concatenate([[1.0], pooled.high])[steps]
        followed = len(when) - np.searchsorted(np.sort(when), grid, side="left")
        found.append(Curve(arm, grid, share, low, high, followed / max(trials, 1)))
    return found


def _at(values: FloatArray) -> FloatArray:
    """Carry a curve on to where others are still followed."""
    return np.asarray(pd.Series(values).ffill().to_numpy(dtype=np.float64))


def _range(own: pd.DataFrame, grid: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Limits between which nine of ten trials lie, at each time."""
    single = []
    for _, rows in list(own.groupby("replicate", sort=True))[:_RANGED]:
        one = kaplan_meier(rows["time_h"].to_numpy(dtype=np.float64), rows["event"].to_numpy(dtype=np.int64))
        single.append(_at(one.at(grid)))
    low, high = np.quantile(np.array(single), (0.05, 0.95), axis=0)
    return low, high
