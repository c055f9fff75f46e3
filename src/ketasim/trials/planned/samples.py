"""What one planned analysis sees of its persons: baseline, values by visit, intercurrent events.

Times count from the origin of the analysis: entry into the trial, or entering an arm of a phase.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ketasim.trials.planned.data import SAME_TIME_H, Source
from ketasim.trials.runs.outcomes import Matrix
from ketasim.trials.study import Study
from ketasim.trials.study.analysis import Analysis

__all__ = ["Sample", "Spread", "sample_of", "spread_over"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_DECIMALS = 6


@dataclass(frozen=True)
class Sample:
    """What one analysis of means, rates or ranks sees.

    Parameters
    ----------
    analysis : Analysis
        The plan.
    source : Source
        Where it comes from.
    rows : array of int, shape (n,)
        Places of its persons among all, in order of replicate and number.
    place : array of int, shape (n,)
        Place of each one's replicate.
    group : array of int, shape (n,)
        0 the comparator, then the other side: 1, or 1, 2, ... where arms stay apart.
    start, start_h : array, shape (n,)
        Value and study time at the origin.
    times_h : array, shape (V,)
        Visits since the origin, up to that of the analysis, the last.
    values : array, shape (n, V)
        What counts by the estimand; NaN where missing.
    event_h : array, shape (n,)
        First intercurrent event since the origin; infinite without one.
    deviates : array of bool, shape (n, V)
        Visits from the intercurrent event on.
    covariates : array, shape (n, p)
        Those that the plan names.
    strata : array of int, shape (n,), or None
        If the plan has them.
    """

    analysis: Analysis
    source: Source
    rows: IntArray
    place: IntArray
    group: IntArray
    start: FloatArray
    start_h: FloatArray
    times_h: FloatArray
    values: FloatArray
    event_h: FloatArray
    deviates: BoolArray
    covariates: FloatArray
    strata: IntArray | None

    @property
    def replicates(self) -> int:
        """Number of replicates."""
        return len(self.source.replicates)

    @property
    def last(self) -> FloatArray:
        """Values at the time of the analysis."""
        return self.values[:, -1]

    @property
    def change(self) -> FloatArray:
        """Changes since the origin, shape (n, V)."""
        return self.values - self.start[:, None]

    @property
    def has_result(self) -> BoolArray:
        """Who has a value that the analysis can use."""
        return np.isfinite(self.last) & np.isfinite(self.start)

    @property
    def calendar_h(self) -> FloatArray:
        """When each began, h after the first was enrolled."""
        return self.source.persons.enrolled_h[self.rows] + self.start_h

    def part(self, chosen: BoolArray) -> Sample:
        """Some of the persons; all replicates stay."""
        names = ("rows", "place", "group", "start", "start_h", "values", "event_h", "deviates", "covariates")
        parts = {name: getattr(self, name)[chosen] for name in names}
        strata = None if self.strata is None else self.strata[chosen]
        return replace(self, strata=strata, **parts)

    def count(self, chosen: BoolArray) -> IntArray:
        """Persons by replicate among some."""
        return np.bincount(self.place[chosen], minlength=self.replicates).astype(np.int64)

    def each(self) -> list[IntArray]:
        """Places of the persons of each replicate."""
        edges = np.searchsorted(self.place, np.arange(self.replicates + 1))
        return [np.arange(begin, end) for begin, end in pairwise(edges.tolist())]


@dataclass(frozen=True)
class Spread:
    """Persons laid out as replicates by places; the last places of a smaller replicate are empty."""

    row: IntArray
    column: IntArray
    shape: tuple[int, int]

    def floats(self, values: FloatArray) -> FloatArray:
        """Lay values out, shape (R, places, ...); NaN where there is nobody."""
        found = np.full((*self.shape, *values.shape[1:]), np.nan)
        found[self.row, self.column] = values
        return found

    def codes(self, values: IntArray) -> IntArray:
        """Lay codes out; 0 where there is nobody."""
        found = np.zeros(self.shape, dtype=np.int64)
        found[self.row, self.column] = values
        return found


def spread_over(sample: Sample) -> Spread:
    """Lay the persons of a sample out by replicate."""
    counts = np.bincount(sample.place, minlength=sample.replicates)
    begin = np.concatenate([[0], np.cumsum(counts)[:-1]])
    column = np.arange(len(sample.place)) - begin[sample.place]
    return Spread(sample.place, column.astype(np.int64), (sample.replicates, int(counts.max(initial=0))))


def sample_of(
    source: Source, analysis: Analysis, *, apart: bool = False, among: Sequence[str] | None = None
) -> Sample:
    """Take from the outcomes of a trial what an analysis sees.

    Parameters
    ----------
    source : Source
        Outcomes, persons, study.
    analysis : Analysis
        The plan.
    apart : bool
        Whether the arms on the first side are groups of their own, in the order of the file.
    among : sequence of str, optional
        Arms from entering one of which time counts; without it, the origin of the plan.

    Returns
    -------
    Sample
        With the estimand's strategy done for means: `hypothetical` leaves out what was seen after an
        intercurrent event, `while_on_treatment` puts the last value before it in its place, and
        `composite` the value at the origin.

    Raises
    ------
    StudyError
        If the quantity, or a covariate, was not recorded.
    """
    persons = source.persons
    matrix = source.recorded.matrix(analysis.quantity)
    group, start_h = _groups(source, analysis, matrix, apart, among)
    rows = np.flatnonzero(group >= 0)
    start_h, lines = start_h[rows], persons.rows(matrix)[rows]
    times = _offsets(source.study, analysis, matrix, start_h)
    start = _gather(matrix, lines, start_h, np.zeros(1))[:, 0]
    values = _gather(matrix, lines, start_h, times)
    happened = np.full(len(persons), np.nan)
    happened[rows] = start_h
    event_h = persons.first(analysis.intercurrent, happened)[rows] - start_h
    late = times[None, :] - event_h[:, None]
    # What is seen at the visit of an event was rated before it; who is unseen there had left by then.
    deviates = (late > SAME_TIME_H) | ((late >= -SAME_TIME_H) & np.isnan(values))
    own = [start if name == "baseline" else persons.covariate(name)[rows] for name in analysis.covariates]
    return Sample(
        analysis=analysis,
        source=source,
        rows=rows,
        place=source.place(rows),
        group=group[rows],
        start=start,
        start_h=start_h,
        times_h=times,
        values=_by_estimand(values, start, deviates, analysis.estimand),
        event_h=event_h,
        deviates=deviates,
        covariates=np.column_stack(own) if own else np.zeros((len(rows), 0)),
        strata=persons.stratum[rows] if analysis.strata else None,
    )


def _groups(
    source: Source, analysis: Analysis, matrix: Matrix, apart: bool, among: Sequence[str] | None
) -> tuple[IntArray, FloatArray]:
    """Group of each person, -1 for who is not in the analysis, and when it began for him."""
    persons = source.persons
    arm, start_h = persons.arm, np.zeros(len(persons))
    if among is None and analysis.origin != "entry":
        among = [item.id for item in source.study.arms if item.phase == analysis.origin]
    if among is not None:
        entered = source.enter(among, matrix)
        arm, start_h = entered.arm, entered.start_h
    group = np.full(len(persons), -1, dtype=np.int64)
    for name in analysis.comparators:
        group[arm == name] = 0
    for number, name in enumerate(analysis.arms):
        group[arm == name] = number + 1 if apart else 1
    return group, start_h


def _by_estimand(values: FloatArray, start: FloatArray, deviates: BoolArray, estimand: str) -> FloatArray:
    if estimand == "treatment_policy" or not deviates.any():
        return values
    if estimand == "hypothetical":
        return np.where(deviates, np.nan, values)
    if estimand == "composite":
        return np.where(deviates, start[:, None], values)
    kept = np.where(deviates, np.nan, values)
    last = np.full(len(values), np.nan)
    found = values.copy()
    for visit in range(values.shape[1]):
        last = np.where(np.isnan(kept[:, visit]), last, kept[:, visit])
        found[:, visit] = np.where(deviates[:, visit], last, values[:, visit])
    return found


def _rated(study: Study, quantity: str, times_h: FloatArray) -> FloatArray:
    """Visits at which a quantity is rated by plan."""
    unrated = {
        visit.time_h for visit in study.visits if visit.quantities and quantity not in visit.quantities
    }
    asked = {item.time_h for item in study.endpoints if item.quantity == quantity}
    asked |= {item.time_h for item in study.observations if item.quantity == quantity}
    skipped = np.array(sorted(unrated - asked))
    keep = [not np.isclose(skipped, time).any() for time in times_h.tolist()]
    kept: FloatArray = times_h[np.array(keep, dtype=bool)]
    return kept


def _offsets(study: Study, analysis: Analysis, matrix: Matrix, start_h: FloatArray) -> FloatArray:
    """Visits since the origin that all have who can be seen at the time of the analysis, the last."""
    visits = _rated(study, analysis.quantity, matrix.times_h)
    end = round(analysis.time_h, _DECIMALS)
    shared: set[float] | None = None
    for start in np.unique(start_h).tolist():
        since = np.round(visits - start, _DECIMALS)
        inside = set(since[(since > SAME_TIME_H) & (since < end + SAME_TIME_H)].tolist())
        if any(math.isclose(time, end, abs_tol=SAME_TIME_H) for time in inside):
            shared = inside if shared is None else shared & inside
    earlier = sorted(time for time in shared or () if time < end - SAME_TIME_H)
    return np.array([*earlier, end])


def _gather(matrix: Matrix, lines: IntArray, start_h: FloatArray, offsets: FloatArray) -> FloatArray:
    """Values at times since each person's start, shape (n, offsets); NaN where there is no visit."""
    found = np.full((len(lines), len(offsets)), np.nan)
    for start in np.unique(start_h).tolist():
        members = np.flatnonzero(start_h == start)
        for column, offset in enumerate(offsets.tolist()):
            near = np.flatnonzero(np.abs(matrix.times_h - start - offset) < 10 * SAME_TIME_H)
            if len(near):
                found[members, column] = matrix.values[lines[members], near[0]]
    return found
