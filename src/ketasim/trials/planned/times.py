"""Time to an event of a planned analysis: the first visit at which one of its conditions holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.trials.conduct.decisions import Seen, Who, holds
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.planned.data import SAME_TIME_H
from ketasim.trials.planned.samples import Sample
from ketasim.trials.runs.outcomes import Matrix
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study.conditions import Condition

__all__ = ["Times", "times_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Times:
    """Time to the event of each person of a sample, or to the end of observation.

    Parameters
    ----------
    sample : Sample
        Whose.
    time_h : array, shape (n,)
        Hours since the origin: the first visit of the row at which a condition held, or the last rating.
    event : array of bool, shape (n,)
        Whether the event happened.
    known_h : array, shape (n,)
        Hours since the origin at which an event was known: the last visit of its row. Infinite without one.
    """

    sample: Sample
    time_h: FloatArray
    event: BoolArray
    known_h: FloatArray

    @property
    def known_calendar_h(self) -> FloatArray:
        """When each event was known, h after the first person was enrolled; infinite without one."""
        return self.sample.calendar_h + self.known_h


@dataclass(frozen=True)
class _Course:
    """Values of the persons of a sample at all visits."""

    times_h: FloatArray
    values: dict[str, FloatArray]
    peaks: dict[str, FloatArray]


def times_of(sample: Sample, *, until_h: FloatArray | None = None) -> Times:
    """Find the time to the event of an analysis.

    Parameters
    ----------
    sample : Sample
        Of the analysis; its own values are not looked at.
    until_h : array, shape (n,), optional
        Hours since the origin after which nothing is seen, as when the trial ends. Whoever began later
        (a negative number) is left out.

    Returns
    -------
    Times
        Observation ends with the last rating up to the time of the analysis. By the estimand,
        an intercurrent event is the event too (`composite`), ends observation (`hypothetical`,
        `while_on_treatment`), or is looked past (`treatment_policy`).

    Raises
    ------
    StudyError
        If a condition is about something that was not recorded, or counts doses.
    """
    if until_h is not None:
        began = until_h >= 0.0
        sample, until_h = sample.part(began), until_h[began]
    analysis = sample.analysis
    conditions = analysis.conditions
    course = _course(sample, conditions)
    since = course.times_h[None, :] - sample.start_h[:, None]
    end = np.full(len(sample.rows), analysis.time_h)
    if until_h is not None:
        end = np.minimum(end, until_h)
    if analysis.estimand in ("hypothetical", "while_on_treatment"):
        end = np.minimum(end, sample.event_h)
    inside = (since > SAME_TIME_H) & (since <= end[:, None] + SAME_TIME_H)
    arrays = [*course.values.values(), *course.peaks.values()] or [_own(sample).values]
    rated = inside & np.any([np.isfinite(each) for each in arrays], axis=0)
    met = _met(sample, course, conditions) & rated
    found = _first_in_a_row(since, rated, met, analysis.consecutive)
    if analysis.estimand == "composite":
        # Who leaves at a visit unseen has his event there, so that the visit itself is looked at too.
        own = np.where(sample.event_h <= end + SAME_TIME_H, sample.event_h, np.inf)
        earlier = own < np.where(found.event, found.time_h, np.inf)
        found = _Found(
            np.where(earlier, own, found.time_h), found.event | earlier, np.where(earlier, own, found.known_h)
        )
    return Times(sample, found.time_h, found.event, found.known_h)


def _own(sample: Sample) -> Matrix:
    matrix = sample.source.recorded.matrix(sample.analysis.quantity)
    lines = sample.source.persons.rows(matrix)[sample.rows]
    return replace(matrix, values=matrix.values[lines])


def _course(sample: Sample, conditions: Sequence[Condition]) -> _Course:
    """Read what the conditions are about."""
    recorded, persons = sample.source.recorded, sample.source.persons
    scale = sample.source.study.population.baseline.scale
    values: dict[str, FloatArray] = {}
    peaks: dict[str, FloatArray] = {}
    times = recorded.matrix(sample.analysis.quantity).times_h
    for condition in conditions:
        if condition.form == "doses":
            raise StudyError(
                f"analyses: {sample.analysis.id}: event: {condition.text!r}: what people were "
                "given is not in the outcomes; name a score, a quantity or a covariate."
            )
        if condition.form == "chance" or condition.is_covariate:
            continue
        name = condition.subject or scale
        kept, statistic = (peaks, "peak") if condition.form == "peak" else (values, None)
        if name not in kept:
            matrix = recorded.matrix(name, statistic)
            kept[name] = matrix.values[persons.rows(matrix)[sample.rows]]
    return _Course(times, values, peaks)


def _met(sample: Sample, course: _Course, conditions: Sequence[Condition]) -> BoolArray:
    """Tell at which visits any condition holds, shape (n, visits)."""
    source, rows = sample.source, sample.rows
    persons, study = source.persons, source.study
    count = len(rows)
    covariates = {
        item.subject: persons.covariate(item.subject)[rows] for item in conditions if item.is_covariate
    }
    begin = np.abs(course.times_h[None, :] - sample.start_h[:, None]).argmin(axis=1)
    start = {name: values[np.arange(count), begin] for name, values in course.values.items()}
    entry = {name: values[:, 0] for name, values in course.values.items()}
    who = Who(source.seed, study.id, persons.replicate[rows], persons.subject[rows])
    met = np.zeros((count, len(course.times_h)), dtype=bool)
    for visit, time in enumerate(course.times_h.tolist()):
        seen = Seen(
            time,
            {name: values[:, visit] for name, values in course.values.items()},
            {name: values[:, visit] for name, values in course.peaks.items()},
            covariates,
            entry,
            start,
            {name: remission_threshold(study, name) for name in course.values if name in SCALES},
            study.population.baseline.scale,
            np.zeros(count, dtype=np.int64),
        )
        for number, condition in enumerate(conditions):
            met[:, visit] |= holds(condition, seen, who, f"{sample.analysis.id} {number}")
    return met


@dataclass(frozen=True)
class _Found:
    time_h: FloatArray
    event: BoolArray
    known_h: FloatArray


def _first_in_a_row(since: FloatArray, rated: BoolArray, met: BoolArray, consecutive: int) -> _Found:
    """Find the first of so many rated visits in a row at which something holds.

    A visit at which a person was not rated neither breaks nor lengthens a row.
    """
    count = len(since)
    time, known = np.zeros(count), np.full(count, np.inf)
    began = np.zeros(count)
    run = np.zeros(count, dtype=np.int64)
    event = np.zeros(count, dtype=bool)
    for visit in range(since.shape[1]):
        here = rated[:, visit] & ~event
        hit = here & met[:, visit]
        began = np.where(hit & (run == 0), since[:, visit], began)
        run = np.where(hit, run + 1, np.where(here, 0, run))
        now = hit & (run >= consecutive)
        time = np.where(here, since[:, visit], time)
        time = np.where(now, began, time)
        known = np.where(now, since[:, visit], known)
        event |= now
    return _Found(time, event, known)
