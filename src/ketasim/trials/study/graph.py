"""Who can reach which arm of a study, when, and with what chance of the active drug."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ketasim.trials.study import Study
    from ketasim.trials.study.flow import DecisionRule

__all__ = ["allocation_on_entry", "entry_times", "rule_times", "same_time"]

_TOLERANCE_H = 1e-6


def same_time(one: float, other: float) -> bool:
    """Tell whether two times, in hours, are the same but for rounding."""
    return abs(one - other) <= _TOLERANCE_H


def rule_times(rule: DecisionRule, entered_h: float, visits_h: Sequence[float]) -> tuple[float, ...]:
    """Times at which a rule is checked in people who entered their arm at a time.

    Parameters
    ----------
    rule : DecisionRule
        The rule.
    entered_h : float
        When they entered, hours from the first dose.
    visits_h : sequence of float
        Times of the visits.

    Returns
    -------
    tuple of float
        Study times in hours, later than the entry, in order; those without a visit too.
    """
    if not rule.at:
        times = [*visits_h]
    elif rule.clock == "arm":
        times = [entered_h + time for time in rule.at_h]
    else:
        times = [*rule.at_h]
    return tuple(sorted(time for time in times if time > entered_h + _TOLERANCE_H))


def entry_times(study: Study) -> dict[str, tuple[float, ...]]:
    """Study times in hours at which people can enter each arm that can be reached.

    An arm that is not a key is reached by nobody.
    """
    visits = study.visit_times_h
    found: dict[str, set[float]] = {arm.id: {0.0} for arm in study.first_arms}
    todo = [(arm.id, 0.0) for arm in study.first_arms]
    ids = {arm.id for arm in study.arms}
    while todo:
        arm, entered = todo.pop()
        for rule in study.rules:
            if not rule.concerns(arm):
                continue
            times = {
                visit
                for time in rule_times(rule, entered, visits)
                for visit in visits
                if same_time(time, visit)
            }
            for target in ids.intersection(rule.targets):
                fresh = times - found.setdefault(target, set())
                found[target] |= fresh
                todo += [(target, time) for time in fresh]
    return {arm.id: tuple(sorted(found[arm.id])) for arm in study.arms if found.get(arm.id)}


def _flow(study: Study) -> dict[str, float]:
    """People by arm, if every rule were to act on all whom it concerns and cycles were cut."""
    flow: dict[str, float] = {arm.id: float(arm.n or 0) for arm in study.first_arms}
    wave = dict(flow)
    while wave:
        following: dict[str, float] = {}
        for rule in study.rules:
            for source, weight in wave.items():
                if not rule.concerns(source):
                    continue
                for action in rule.actions:
                    for target, share in action.weights.items():
                        if target not in flow:
                            following[target] = following.get(target, 0.0) + weight * share
        flow |= following
        wave = following
    return flow


def allocation_on_entry(study: Study, name: str) -> float:
    """Chance by design that somebody who enters an arm is given the active drug.

    Its own ``allocation`` if the file gives one. For an arm with an n, the share of active
    patients of the trial. For an arm of a randomisation, the share of active drug among its arms.
    Where people are switched: within a phase, the chance of the arm they come from, since a change
    of the dose tells them nothing; from one phase to another, the share of active drug among the
    people who enter that phase; without phases, the share of the trial.
    """
    return _allocation(study, name, frozenset())


def _allocation(study: Study, name: str, seen: frozenset[str]) -> float:
    arm = study.arm(name)
    if arm.allocation is not None:
        return arm.allocation
    if arm.n is not None:
        return study.allocation
    arms = {item.id: item for item in study.arms}
    for rule in study.rules:
        for action in rule.actions:
            if action.kind == "randomise" and name in action.targets:
                return float(sum(share for one, share in action.weights.items() if arms[one].active))
    if not arm.phase:
        return study.allocation
    for source in _sources(study, name):
        if arms[source].phase == arm.phase and source not in seen and source != name:
            return _allocation(study, source, seen | {name})
    flow = _flow(study)
    among = {
        item.id: flow.get(item.id, 0.0)
        for item in study.arms
        if item.phase == arm.phase
        and (item.n is not None or any(arms[one].phase != arm.phase for one in _sources(study, item.id)))
    }
    total = sum(among.values())
    active = sum(weight for one, weight in among.items() if arms[one].active)
    return active / total if total else study.allocation


def _sources(study: Study, name: str) -> list[str]:
    """Arms from which a rule leads to an arm, in file order."""
    rules = [rule for rule in study.rules if name in rule.targets]
    return [arm.id for arm in study.arms if any(rule.concerns(arm.id) for rule in rules)]
