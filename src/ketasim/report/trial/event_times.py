"""Times to an event, worked out from the ratings and the happenings of a trial."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.errors import StudyError
from ketasim.report.trial.phase import phase_entries
from ketasim.report.trial.tables import (
    Trial,
    column_at,
    condition_words,
    event_words,
    first_arms,
    scores,
    times_of,
)
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.study import Study
from ketasim.trials.study.conditions import Condition, parse_condition
from ketasim.trials.study.parts import RESPONSE_LOST, RESPONSE_SHARE

__all__ = ["EventTimes", "condition_times", "first_in_a_row", "happening_times", "relapse_times"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_KEYS = ["replicate", "arm", "subject"]
_HAPPENINGS = {"withdrawn": "withdrawal", "stopped": "end of treatment", "switch": "switch of treatment"}
_PLAIN = ("level", "improvement", "change", "response", "remission")


@dataclass(frozen=True)
class EventTimes:
    """Time to an event of each person, or to the end of observation.

    Parameters
    ----------
    arm : array of str, shape (n,)
        The arm by which people are grouped.
    time_h : array, shape (n,)
        Hours from the origin.
    event : array of bool, shape (n,)
        Whether the event happened; if not, observation ended at that time.
    arms : tuple of str
        All groups in order, those without a person too.
    word : str
        What the event is.
    origin : str
        What time counts from.
    """

    arm: npt.NDArray[np.object_]
    time_h: FloatArray
    event: BoolArray
    arms: tuple[str, ...]
    word: str
    origin: str


def happening_times(trial: Trial, study: Study, kinds: Sequence[str] = ("withdrawn",)) -> EventTimes:
    """Take the first of some happenings from the table of events.

    Parameters
    ----------
    trial : Trial
        One replicate.
    study : Study
        The design.
    kinds : sequence of str
        Kinds of events, such as ``withdrawn``, ``stopped``, ``rescue``.

    Returns
    -------
    EventTimes
        From the first dose. Observation ends when a person leaves the trial, or at the last visit.
    """
    people = trial.patients
    end = max(study.times_h, default=0.0)
    rows = trial.events[trial.events["kind"].isin(list(kinds))]
    first = rows.groupby(_KEYS, observed=True)["time_h"].min()
    happened = first.reindex(pd.MultiIndex.from_frame(people[_KEYS])).to_numpy(dtype=np.float64)
    left = pd.to_numeric(people["left_h"], errors="coerce").to_numpy(dtype=np.float64)
    last = np.fmin(left, end)
    event = np.isfinite(happened)
    word = " or ".join(_HAPPENINGS.get(kind, event_words(kind)) for kind in kinds)
    return EventTimes(
        people["arm"].astype(object).to_numpy(),
        np.where(event, happened, last),
        event,
        first_arms(study),
        word,
        "from the first dose",
    )


def relapse_times(trial: Trial, study: Study, among: str = "responders") -> EventTimes:
    """Find relapses as the study defines them.

    Parameters
    ----------
    trial : Trial
        One replicate.
    study : Study
        The design, with ``setting.relapse``.
    among : str
        ``responders`` or ``remitters``, at the time at which response is established.

    Returns
    -------
    EventTimes
        From that time; people who had not responded by then are left out.

    Raises
    ------
    StudyError
        If the study has no relapse rule.
    """
    relapse = study.setting.relapse
    if relapse is None:
        raise StudyError(f"{study.id}: setting.relapse is empty; say there what counts as a relapse.")
    scale = study.population.baseline.scale
    wide = scores(trial.outcomes, scale)
    score, entry = column_at(wide, relapse.after_h), column_at(wide, 0.0)
    arms = first_arms(study)
    origin = f"from {relapse.after}, among {among}"
    limit = remission_threshold(study, scale)
    chosen = score <= (limit if among == "remitters" else (1.0 - RESPONSE_SHARE) * entry)
    wide, entry = wide[chosen], entry[chosen]
    later = [time for time in times_of(wide) if time > relapse.after_h + 1e-6]
    values = wide[later].to_numpy(dtype=np.float64)
    if relapse.rule == RESPONSE_LOST:
        met = values > RESPONSE_SHARE * entry[:, None]
    else:
        rule = parse_condition(relapse.rule, "setting.relapse.rule", None)
        met = _met(values, entry, entry, rule, study, scale)
    when, event = first_in_a_row(np.array(later), values, met, relapse.consecutive, relapse.after_h)
    arm = np.array(wide.index.get_level_values("arm"), dtype=object)
    return EventTimes(arm, when - relapse.after_h, event, arms, "relapse", origin)


def condition_times(
    trial: Trial,
    study: Study,
    conditions: Sequence[str],
    *,
    consecutive: int = 1,
    origin: str = "entry",
    among: Sequence[str] = (),
    until_h: float = math.inf,
) -> EventTimes:
    """Find the first visit at which any of some conditions on a scale holds.

    Parameters
    ----------
    trial : Trial
        One replicate.
    study : Study
        The design.
    conditions : sequence of str
        As in ``event`` of an analysis: ``madrs >= 22``, ``madrs improvement < 50 %``, ``not responder``.
    consecutive : int
        At so many visits in a row; the event is at the first of these.
    origin : str
        ``entry``, or the label of a phase: time then counts from entering an arm of it, people are
        grouped by that arm, and ``since arm`` is the last score before.
    among : sequence of str
        Arms that are shown; empty for all of the origin.
    until_h : float
        End of observation, hours from the origin.

    Returns
    -------
    EventTimes

    Raises
    ------
    StudyError
        If a condition is not about a rated scale.
    """
    parsed, rated = _parsed(conditions, study.population.baseline.scale)
    wide = scores(trial.outcomes, rated)
    arm, entered = phase_entries(trial, study, origin)
    wide = wide.reindex(arm.index)
    times = np.array(times_of(wide))
    values = wide.to_numpy(dtype=np.float64)
    start = entered.to_numpy(dtype=np.float64)
    since = times[None, :] - start[:, None]
    after = (since > 1e-6) & (since <= until_h + 1e-6)
    entry = column_at(wide, 0.0)
    reference = _last_before(times, values, start)
    met = np.zeros(values.shape, dtype=bool)
    for item in parsed:
        met |= _met(values, reference if item.since == "arm" else entry, entry, item, study, rated)
    values = np.where(after, values, np.nan)
    when, event = first_in_a_row(times, values, met & after, consecutive, start)
    arms = tuple(item for item in first_arms(study, origin) if not among or item in among)
    word = " or ".join(condition_words(text) for text in conditions)
    begins = "from the first dose" if origin == "entry" else f"from entering {origin}"
    shown = arm.isin(arms).to_numpy()
    return EventTimes(arm.to_numpy(object)[shown], (when - start)[shown], event[shown], arms, word, begins)


def _parsed(conditions: Sequence[str], scale: str) -> tuple[list[Condition], str]:
    """Read conditions, and find the one scale that they are about."""
    parsed = [parse_condition(text, "event", None) for text in conditions]
    named = {item.subject for item in parsed if item.form in ("level", "improvement", "change")}
    for item in parsed:
        if item.form not in _PLAIN or item.is_covariate or len(named) > 1:
            raise StudyError(
                f"event: {item.text!r} cannot be told from ratings of one scale; use its level, improvement, "
                "change, response or remission."
            )
    return parsed, next(iter(named), scale)


def _last_before(times: FloatArray, values: FloatArray, start: FloatArray) -> FloatArray:
    """Last score at or before a time of each person; NaN if there is none."""
    found = np.full(len(values), np.nan)
    for column, time in enumerate(times.tolist()):
        use = (time <= start + 1e-6) & np.isfinite(values[:, column])
        found = np.where(use, values[:, column], found)
    return found


def _met(
    values: FloatArray, reference: FloatArray, entry: FloatArray, item: Condition, study: Study, scale: str
) -> BoolArray:
    """Tell at which visits a condition holds; shape (n, times). Never where nobody was rated."""
    compare: Mapping[str, npt.NDArray[np.bool_]]
    shown = values
    limit = item.value
    operator = item.operator
    if item.form == "remission":
        limit = remission_threshold(study, scale)
    elif item.form == "change":
        shown = values - reference[:, None]
    elif item.form in ("improvement", "response"):
        base = (entry if item.form == "response" and item.since == "entry" else reference)[:, None]
        shown = np.divide(base - values, base, out=np.full(values.shape, np.nan), where=base > 0.0)
    compare = {">=": shown >= limit, "<=": shown <= limit, ">": shown > limit, "<": shown < limit}
    held = compare[operator]
    return np.asarray((~held if item.negated else held) & np.isfinite(shown), dtype=bool)


def first_in_a_row(
    times_h: FloatArray,
    values: FloatArray,
    met: BoolArray,
    consecutive: int,
    start_h: float | FloatArray,
) -> tuple[FloatArray, BoolArray]:
    """Find the first of so many visits in a row at which something holds.

    Parameters
    ----------
    times_h : array, shape (times,)
        Sorted times of the visits.
    values : array, shape (n, times)
        Scores; NaN where a person was not rated, which neither breaks nor lengthens a row.
    met : array of bool, shape (n, times)
        Whether it holds.
    consecutive : int
        Visits in a row.
    start_h : float or array, shape (n,)
        Beginning of observation.

    Returns
    -------
    time_h, event : arrays, shape (n,)
        Time of the first visit of the row, or of the last rating; and whether there was such a row.
    """
    count = len(values)
    when = np.broadcast_to(np.asarray(start_h, dtype=np.float64), (count,)).copy()
    event = np.zeros(count, dtype=bool)
    run = np.zeros(count, dtype=np.int64)
    began = np.full(count, math.nan)
    for column, time in enumerate(times_h.tolist()):
        rated = np.isfinite(values[:, column]) & ~event
        holds = rated & met[:, column]
        began = np.where(holds & (run == 0), time, began)
        run = np.where(holds, run + 1, np.where(rated, 0, run))
        now = holds & (run >= consecutive)
        when = np.where(rated, time, when)
        when = np.where(now, began, when)
        event |= now
    return when, event
