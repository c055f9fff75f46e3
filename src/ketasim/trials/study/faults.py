"""What makes a design impossible, found between the parts of a study file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ketasim.errors import unknown_name
from ketasim.population import SCALE_MAXIMUM
from ketasim.trials.study.flow_faults import (
    dropout_faults,
    randomisation_faults,
    reach_faults,
    rule_faults,
    window_faults,
)
from ketasim.trials.study.graph import same_time
from ketasim.trials.study.parts import Observation
from ketasim.trials.study.plan_faults import (
    analysis_faults,
    origin_faults,
    origin_times,
    people_faults,
    plan_faults,
)
from ketasim.trials.study.rules import find_field
from ketasim.trials.study.statistics import COMPARED_STATISTICS

if TYPE_CHECKING:
    from ketasim.trials.study import Study
    from ketasim.trials.study.parts import Endpoint

__all__ = ["CHECKS"]

Faults = list[tuple[tuple[str | int, ...], str]]


def _arm_faults(study: Study) -> Faults:
    faults: Faults = []
    seen: set[str] = set()
    if not study.first_arms:
        return [
            (("arms", 0, "n"), "no arm has an n, so nobody is randomised; give n to the arms of the start.")
        ]
    for index, arm in enumerate(study.arms):
        if arm.id in seen:
            faults.append((("arms", index, "id"), f"arm {arm.id!r} is given twice; ids must differ."))
        seen.add(arm.id)
        at_start = arm.n is not None and "new_antidepressant" in arm.comedication
        if at_start and not study.setting.new_antidepressant:
            text = "this arm starts a new antidepressant: set setting.new_antidepressant to true."
            faults.append((("arms", index, "comedication"), text))
    starts = [start for arm in study.first_arms if (start := arm.dosing.first_start_h) is not None]
    if starts and min(starts) > 0.0:
        text = (
            f"the first dose of any arm is at {min(starts):g} h, but a study's times count from the "
            "first dose; let it start on day 1."
        )
        faults.append((("arms", 0, "regimen"), text))
    return faults


def _baseline_faults(study: Study) -> Faults:
    shared = study.population.baseline
    top = SCALE_MAXIMUM[shared.scale]
    faults: Faults = []
    places: list[tuple[tuple[str | int, ...], float]] = [(("population", "baseline", "mean"), shared.mean)]
    places += [
        (("arms", index, "baseline", "mean"), arm.baseline.mean)
        for index, arm in enumerate(study.arms)
        if arm.baseline is not None
    ]
    for path, mean in places:
        if mean > top:
            faults.append((path, f"{mean:g} is above the top of {shared.scale} ({top:g})."))
        for rule in study.population.entry_rules:
            if rule.scale != shared.scale:
                text = f"'{rule}' is on another scale than the baseline ({shared.scale}); use that scale."
                faults.append((("population", "entry"), text))
            elif not rule.holds(mean):
                text = f"a mean of {mean:g} does not meet the entry rule '{rule}' that all patients met."
                faults.append((path, text))
    return faults


def _row_faults(study: Study) -> Faults:
    ids = [arm.id for arm in study.arms]
    faults: Faults = []
    seen: set[str] = set()
    faults += _unvisited(study)
    for index, row in enumerate(study.observations):
        path = ("observations", index)
        for name in row.arms:
            if name not in ids:
                faults.append(((*path, "arm"), unknown_name("arm", name, ids)))
        if row.id in seen:
            faults.append(((*path, "id"), f"observation {row.id!r} is given twice; one value is one row."))
        seen.add(row.id)
    parts: tuple[tuple[str, tuple[Observation | Endpoint, ...]], ...] = (
        ("observations", study.observations),
        ("endpoints", study.endpoints),
    )
    for part, rows in parts:
        for index, item in enumerate(rows):
            where = (part, index, "comparator")
            named = item.comparators if isinstance(item, Observation) else (item.comparator,)
            unknown = [name for name in named if name is not None and name not in ids]
            faults += [(where, unknown_name("comparator arm", name, ids)) for name in unknown]
            if item.statistic in COMPARED_STATISTICS and item.comparator is None:
                faults.append((where, f"a {item.statistic} needs a comparator arm; one of {', '.join(ids)}."))
            for kind in ("remission", "relapse"):
                if kind in item.statistic and getattr(study.setting, kind) is None:
                    text = f"a {item.statistic} row needs setting.{kind}, which says what counts as one."
                    faults.append(((part, index, "statistic"), text))
    return faults + _other_times(study)


def _other_times(study: Study) -> Faults:
    """Second times of rows (of a correlation, a ratio or a group) at which nobody is rated."""
    faults: Faults = []
    for index, row in enumerate(study.observations):
        for field, time_h in (("with_time", row.with_time_h), ("among_time", row.among_time_h)):
            if time_h is None:
                continue
            times = [start + time_h for start in origin_times(study, row.origin)]
            rated = study.times_h
            if not any(same_time(visit, time) for visit in rated for time in times):
                text = f"{getattr(row, field)!r}: there is no visit at this time; add it to visits."
                faults.append((("observations", index, field), text))
    return faults


def _assumption_faults(study: Study) -> Faults:
    faults: Faults = []
    for index, item in enumerate(study.assumed):
        fault = find_field(study, item.field)
        if fault is not None:
            faults.append((("assumed", index, "field"), fault))
    return faults


def _unvisited(study: Study) -> Faults:
    """Endpoints at times, or of quantities, that no visit rates."""
    faults: Faults = []
    for index, item in enumerate(study.endpoints):
        if item.statistic == "relapse":
            continue
        times = [start + item.time_h for start in origin_times(study, item.origin)]
        visits = [visit for visit in study.visits if any(same_time(visit.time_h, time) for time in times)]
        if not visits:
            text = (
                f"{item.time!r}: there is no visit at this time, so nobody is rated then; add it to visits, "
                f"or take one of {', '.join(visit.time for visit in study.visits)}."
            )
            faults.append((("endpoints", index, "time"), text))
        elif all(visit.quantities and item.quantity not in visit.quantities for visit in visits):
            text = (
                f"{item.quantity!r} is not rated at the visit at {visits[0].time}; add it to the quantities "
                "of that visit."
            )
            faults.append((("endpoints", index, "quantity"), text))
    return faults


#: Every check of a whole study; the first fault found is the one that is told.
CHECKS: tuple[Callable[[Study], Iterable[tuple[tuple[str | int, ...], str]]], ...] = (
    _arm_faults,
    _baseline_faults,
    people_faults,
    randomisation_faults,
    rule_faults,
    reach_faults,
    window_faults,
    dropout_faults,
    origin_faults,
    _row_faults,
    analysis_faults,
    plan_faults,
    _assumption_faults,
)
