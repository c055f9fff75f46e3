"""What a report says in numbers: contrasts, published counterparts, and rows met or missed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ketasim.report.data import ReportData
from ketasim.report.words import SCALE_WORDS, arm_label, interval_text, number, records, visit_text
from ketasim.trials.study import Arm, Observation

__all__ = [
    "MET",
    "Contrast",
    "Course",
    "all_contrasts",
    "answer",
    "control_arm",
    "courses",
    "few_simulated",
    "freedom",
    "headline_time",
    "is_met",
    "published_contrast",
    "score_statistic",
    "simulated_counts",
    "tally",
    "treated_arm",
    "visit_times",
]

#: A published number is met if it lies within this many standard errors.
MET = 2.0


@dataclass(frozen=True)
class Contrast:
    """An active arm against control at one visit, in points of the primary scale.

    ``total_se`` is the sampling error of the simulated groups, with ``freedom`` degrees.
    ``drug`` and ``expectancy`` are NaN where the run did not split the contrast;
    ``published`` and ``published_se`` where nothing was published; ``derived`` tells that the
    published number was worked out from the two arms' own results.
    """

    arm: str
    comparator: str
    time_h: float
    total: float
    total_se: float
    freedom: float
    drug: float
    expectancy: float
    published: float
    published_se: float
    derived: bool


@dataclass(frozen=True)
class Course:
    """A statistic of one arm over visits, its standard error and the persons; equally long."""

    times_h: tuple[float, ...]
    values: tuple[float, ...]
    errors: tuple[float, ...]
    counts: tuple[float, ...]


def control_arm(data: ReportData) -> Arm | None:
    """Return the first arm without ketamine, or None."""
    return next((arm for arm in data.study.first_arms if not arm.active), None)


def treated_arm(data: ReportData) -> Arm:
    """Return the last arm with ketamine (the highest dose, by custom), or else the last arm."""
    return next((arm for arm in reversed(data.study.first_arms) if arm.active), data.study.first_arms[-1])


def visit_times(data: ReportData) -> tuple[float, ...]:
    """Times after the first dose at which the primary scale was rated, hours."""
    rows = data.endpoints[data.endpoints["quantity"] == data.study.population.baseline.scale]
    return tuple(sorted(float(time) for time in rows["time_h"].unique() if time > 0.0))


def headline_time(data: ReportData) -> float | None:
    """Visit nearest to 24 h; None if nobody was rated."""
    times = visit_times(data)
    return min(times, key=lambda time: (abs(math.log(time / 24.0)), time)) if times else None


def score_statistic(data: ReportData) -> str:
    """Tell whether most scores of the primary scale were published as ``mean`` or as ``change``."""
    scale = data.study.population.baseline.scale
    kinds = [row.statistic for row in data.study.observations if row.quantity == scale]
    return "mean" if kinds.count("mean") > kinds.count("change") else "change"


def courses(data: ReportData, statistic: str) -> dict[str, Course]:
    """Give a statistic of the primary scale at each visit, by arm.

    Parameters
    ----------
    data : ReportData
        Its ``endpoints`` are used.
    statistic : str
        ``mean``, ``change`` (points), ``response`` or ``remission`` (fractions).

    Returns
    -------
    dict of str to Course
        Standard errors are those of the simulated groups.
    """
    scale = data.study.population.baseline.scale
    found = {}
    for arm in data.study.first_arms:
        rows = [
            row
            for row in records(data.endpoints)
            if row["arm"] == arm.id and row["quantity"] == scale and row["time_h"] > 0.0
        ]
        rows.sort(key=lambda row: row["time_h"])
        points = [_point(row, statistic) for row in rows]
        found[arm.id] = Course(
            tuple(row[0] for row in points),
            tuple(row[1] for row in points),
            tuple(row[2] for row in points),
            tuple(float(row["n"]) for row in rows),
        )
    return found


def simulated_counts(data: ReportData) -> dict[str, int]:
    """Persons simulated in each arm; the least of all replicates."""
    people = data.outcomes.drop_duplicates(["replicate", "arm", "subject"])
    counts = people.groupby(["replicate", "arm"], observed=True).size().groupby("arm", observed=True).min()
    return {arm.id: int(counts.get(arm.id, 0)) for arm in data.study.first_arms}


def few_simulated(data: ReportData) -> str:
    """Warn in one sentence if fewer patients were simulated than were in the trial; else say nothing."""
    counts = simulated_counts(data)
    short = [arm.id for arm in data.study.first_arms if counts[arm.id] < (arm.n or 0)]
    if not short:
        return ""
    low, high = min(counts[arm] for arm in short), max(counts[arm] for arm in short)
    many = f"{low} to {high}" if low < high else f"{low}"
    where = "an arm" if len(short) == len(counts) else f"in {', '.join(arm_label(arm) for arm in short)}"
    people = "patient" if high == 1 else "patients"
    return (
        f"Only {many} {people} {where} {'was' if high == 1 else 'were'} simulated, fewer than in the trial: "
        "intervals are wide, so meeting a published number says little."
    )


def freedom(data: ReportData, row: Mapping[str, Any]) -> float:
    """Degrees of freedom of the simulated error beside a published number.

    Parameters
    ----------
    data : ReportData
        Its ``endpoints`` are used.
    row : mapping
        A row of the ``comparison``.

    Returns
    -------
    float
        Persons less one, or Welch's for a difference; infinity for what is not a mean.
    """
    if row["statistic"] not in ("mean", "change", "difference"):
        return math.inf
    ends = data.endpoints
    ends = ends[(ends["quantity"] == row["quantity"]) & np.isclose(ends["time_h"], row["time_h"])]
    groups = []
    for names in (row["arm"], row["comparator"]):
        part = ends[ends["arm"].isin([name.strip() for name in names.split("+")])]
        count = float(part.groupby("replicate")["n"].sum().min()) if len(part) else math.nan
        groups.append((math.sqrt(float((part["change_sd"] ** 2).mean()) / count), count))
    (error, count), (other, other_count) = groups
    if row["statistic"] == "difference":
        return _welch(error, count, other, other_count)
    return count - 1.0 if count > 1.0 else math.inf


def _welch(error: float, count: float, other: float, other_count: float) -> float:
    """Degrees of freedom of a difference of two means, after Welch and Satterthwaite."""
    if not (count > 1.0 and other_count > 1.0 and error**2 + other**2 > 0.0):
        return math.inf
    return (error**2 + other**2) ** 2 / (error**4 / (count - 1.0) + other**4 / (other_count - 1.0))


def _point(row: dict[str, Any], statistic: str) -> tuple[float, float, float]:
    time, count = float(row["time_h"]), max(float(row["n"]), 1.0)
    if statistic == "mean":
        return time, float(row["mean"]), float(row["sd"]) / math.sqrt(count)
    if statistic == "change":
        return time, float(row["change_mean"]), float(row["change_sd"]) / math.sqrt(count)
    share = float(row[statistic])
    # Half a person on each side, as for published rates, so that 0 and 1 have an error too.
    moved = (share * count + 0.5) / (count + 1.0)
    return time, share, math.sqrt(moved * (1.0 - moved) / (count + 1.0))


def published_contrast(
    data: ReportData, arm: str, comparator: str, time_h: float
) -> tuple[float, float, bool]:
    """Find the published difference of two arms, or else the difference of their published changes.

    A change that was not published is the score less the arm's own baseline, with the error of
    the score.

    Returns
    -------
    value, error, derived
        NaN where there is none.
    """
    scale = data.study.population.baseline.scale
    rows = [
        row for row in data.study.observations if row.quantity == scale and abs(row.time_h - time_h) < 1e-6
    ]
    for row in rows:
        if row.statistic == "difference" and row.arm == arm and row.comparator == comparator:
            error = row.standard_error
            return row.value, math.nan if error is None else error, False
    treated, control = _published_change(data, arm, rows), _published_change(data, comparator, rows)
    if treated is None or control is None:
        return math.nan, math.nan, False
    return treated[0] - control[0], math.hypot(treated[1], control[1]), True


def _published_change(data: ReportData, arm: str, rows: list[Observation]) -> tuple[float, float] | None:
    """Find an arm's published change, or its published score less its own baseline, with error."""
    for statistic in ("change", "mean"):
        for row in rows:
            if row.statistic != statistic or row.arm != arm:
                continue
            own = data.study.arm(arm).baseline
            if statistic == "mean" and own is None:
                continue
            start = own.mean if statistic == "mean" and own is not None else 0.0
            error = row.standard_error
            return row.value - start, math.nan if error is None else error
    return None


def all_contrasts(data: ReportData) -> list[Contrast]:
    """List each active arm's contrast against control at each visit, in order of arm and time."""
    split = [row for row in records(data.contrasts) if row["replicate"] == data.contrasts["replicate"].min()]
    if split:
        rows = [
            (r["arm"], r["comparator"], r["time_h"], r["contrast"], r["drug_part"], r["expectancy_part"])
            for r in split
        ]
    else:
        rows = _unsplit(data)
    errors = {
        (arm, time): (error, count)
        for arm, course in courses(data, "change").items()
        for time, error, count in zip(course.times_h, course.errors, course.counts, strict=True)
    }
    found = []
    for arm, comparator, time_h, total, drug, expectancy in rows:
        published = published_contrast(data, arm, comparator, time_h)
        own, other = (errors.get((name, time_h), (math.nan, math.nan)) for name in (arm, comparator))
        error, free = math.hypot(own[0], other[0]), _welch(*own, *other)
        found.append(
            Contrast(arm, comparator, float(time_h), total, error, free, drug, expectancy, *published)
        )
    return found


def _unsplit(data: ReportData) -> list[tuple[str, str, float, float, float, float]]:
    control = control_arm(data)
    if control is None:
        return []
    changes = courses(data, "change")
    base = dict(zip(changes[control.id].times_h, changes[control.id].values, strict=True))
    return [
        (arm.id, control.id, time, value - base[time], math.nan, math.nan)
        for arm in data.study.first_arms
        if arm.active
        for time, value in zip(changes[arm.id].times_h, changes[arm.id].values, strict=True)
        if time in base
    ]


def answer(data: ReportData) -> str:
    """Answer the study's question in one sentence of plain words.

    Returns
    -------
    str
        The contrast of the last active arm against control near 24 h with its two parts and
        its published counterpart; without a control, the change of that arm.
    """
    time = headline_time(data)
    arm = treated_arm(data)
    if time is None:
        return "Nobody was rated in the simulated time, so there is no answer yet."
    when = visit_text(data.study, time)
    scale = data.study.population.baseline.scale
    unit = f"{SCALE_WORDS.get(scale, scale)} points"
    found = [item for item in all_contrasts(data) if item.arm == arm.id and item.time_h == time]
    if not found:
        return _answer_without_control(data, arm, time, when, unit)
    item = found[0]
    parts = (
        f" (drug part {number(item.drug)}, expectancy part {number(item.expectancy)})"
        if math.isfinite(item.drug)
        else ""
    )
    published = f"published {interval_text(item.published, item.published_se)}"
    if not math.isfinite(item.published):
        published = "no published difference at this visit"
    elif item.derived:
        published += ", worked out from the two arms' results"
    return (
        f"{arm_label(arm.id).capitalize()} against {arm_label(item.comparator)} at {when}: "
        f"model {interval_text(item.total, item.total_se, freedom=item.freedom)} {unit}{parts}; {published}."
    )


def _answer_without_control(data: ReportData, arm: Arm, time: float, when: str, unit: str) -> str:
    course = courses(data, "change")[arm.id]
    points = zip(course.times_h, course.values, course.errors, course.counts, strict=True)
    value, error, count = next((row[1:] for row in points if row[0] == time), (math.nan, math.nan, math.nan))
    scale = data.study.population.baseline.scale
    rows = [
        row
        for row in data.study.observations
        if row.statistic == "change" and row.quantity == scale and row.arm == arm.id and row.time_h == time
    ]
    published = "no published change at this visit"
    if rows:
        spread = rows[0].standard_error
        published = f"published {interval_text(rows[0].value, math.nan if spread is None else spread)}"
    return (
        f"{arm_label(arm.id).capitalize()}, at {when}: change from baseline in the model "
        f"{interval_text(value, error, freedom=count - 1.0)} {unit}; {published}. "
        "There is no control arm to compare with."
    )


def is_met(z: float) -> bool:
    """Tell whether a published number lies within :data:`MET` standard errors of the model's."""
    return math.isfinite(z) and abs(z) <= MET


def tally(comparison: pd.DataFrame) -> tuple[int, int, int]:
    """Count published numbers that are met, that are missed, and that cannot be scored."""
    z = comparison["z"].to_numpy(dtype=np.float64)
    scored = int(np.isfinite(z).sum())
    met = sum(is_met(float(value)) for value in z)
    return met, scored - met, len(z) - scored
