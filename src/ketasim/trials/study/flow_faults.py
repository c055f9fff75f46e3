"""What makes the flow of people through a trial impossible: strata, rules, arms nobody reaches."""

from __future__ import annotations

from itertools import combinations, pairwise
from math import gcd
from typing import TYPE_CHECKING

from ketasim.errors import unknown_name
from ketasim.trials.study.conditions import Condition, overlapping
from ketasim.trials.study.graph import entry_times, rule_times, same_time

if TYPE_CHECKING:
    from ketasim.trials.study import Study
    from ketasim.trials.study.flow import Action, DecisionRule, Randomisation

__all__ = [
    "dropout_faults",
    "randomisation_faults",
    "reach_faults",
    "rule_faults",
    "window_faults",
]

Place = tuple[str | int, ...]
Faults = list[tuple[Place, str]]


def _overlaps(conditions: tuple[Condition, ...], place: Place) -> Faults:
    return [
        (
            place,
            f"the strata {one.text!r} and {other.text!r} overlap: one person can be in both. Give ranges "
            "that share no value, as in 'age < 65' and 'age >= 65'.",
        )
        for one, other in combinations(conditions, 2)
        if overlapping(one, other)
    ]


def randomisation_faults(study: Study) -> Faults:
    """Find what is wrong with the blocks, strata and stages of the first randomisation."""
    plan = study.randomisation
    if plan is None:
        return []
    faults: Faults = []
    scale = study.population.baseline.scale
    for index, item in enumerate(plan.conditions):
        place = ("randomisation", "strata", index)
        if item.form != "level" or not (item.is_covariate or item.subject == scale):
            text = (
                f"{item.text!r} is not known when people are randomised; a stratum is a range of the entry "
                f"score ({scale}) or of a covariate."
            )
            faults.append((place, text))
    faults += _overlaps(plan.conditions, ("randomisation", "strata"))
    people = [arm.n for arm in study.first_arms if arm.n is not None]
    if not plan.stages:
        faults += _block_faults(plan.block, people, ("randomisation", "block"))
    return faults + _stage_faults(study, plan)


def _block_faults(block: int | None, shares: list[int], place: Place) -> Faults:
    smallest = sum(shares) // gcd(*shares)
    if block is not None and block % smallest:
        text = (
            f"{block}: a block holds every arm by its ratio, so it is a multiple of {smallest}: "
            f"{smallest}, {2 * smallest}, ..."
        )
        return [(place, text)]
    return []


def _stage_faults(study: Study, plan: Randomisation) -> Faults:
    faults: Faults = []
    ids = [arm.id for arm in study.first_arms]
    for index, stage in enumerate(plan.stages):
        for name in stage.arms:
            if name not in ids:
                text = unknown_name("arm with an n", name, ids)
                faults.append((("randomisation", "stages", index, "arms", name), text))
    if not plan.stages or faults:
        return faults
    total = sum(arm.n or 0 for arm in study.first_arms)
    staged = sum(stage.first for stage in plan.stages)
    if staged != total:
        text = f"the stages enrol {staged} people, but the arms have {total} by their n; make them agree."
        faults.append((("randomisation", "stages"), text))
    for index, arm in enumerate(study.arms):
        share = sum(
            stage.first * stage.arms.get(arm.id, 0.0) / sum(stage.arms.values()) for stage in plan.stages
        )
        # Each stage may end in the middle of a block.
        if arm.n is not None and abs(share - arm.n) > len(plan.stages):
            text = f"{arm.n}: by the stages of the randomisation this arm gets {share:g}; make them agree."
            faults.append((("arms", index, "n"), text))
    return faults


def _action_faults(study: Study, action: Action, place: Place) -> Faults:
    ids = [arm.id for arm in study.arms]
    faults: Faults = []
    for name in action.targets:
        if name not in ids:
            text = unknown_name("arm", name, ids)
            where = (action.kind, name) if action.kind == "randomise" else (action.kind,)
            faults.append(((*place, *where), text))
    for index, item in enumerate(action.conditions):
        if item.form in ("chance", "doses"):
            text = f"{item.text!r} is no stratum; take a score, a change, response, remission or a covariate."
            faults.append(((*place, "strata", index), text))
    faults += _overlaps(action.conditions, (*place, "strata"))
    if action.randomise is not None and action.block is not None:
        weights = [*action.randomise.values()]
        if any(weight != int(weight) for weight in weights):
            faults.append(((*place, "block"), "blocks need whole numbers as weights, as in {a: 2, b: 1}."))
        else:
            faults += _block_faults(action.block, [int(weight) for weight in weights], (*place, "block"))
    return faults


def rule_faults(study: Study) -> Faults:
    """Find rules about or towards arms that do not exist, at times without a visit."""
    faults: Faults = []
    ids = [arm.id for arm in study.arms]
    visits = study.visit_times_h
    seen: set[str] = set()
    for index, rule in enumerate(study.rules):
        place: Place = ("rules", index)
        if rule.id in seen:
            faults.append(((*place, "id"), f"rule {rule.id!r} is given twice; ids must differ."))
        seen.add(rule.id)
        for number, name in enumerate(rule.arms):
            if name not in ids:
                faults.append(((*place, "arms", number), unknown_name("arm", name, ids)))
        faults += _action_faults(study, rule.then, (*place, "then"))
        if rule.otherwise is not None:
            faults += _action_faults(study, rule.otherwise, (*place, "otherwise"))
        conditions = [*rule.conditions, *(item for act in rule.actions for item in act.conditions)]
        if any(item.form == "remission" for item in conditions) and (fault := _remission_fault(study)):
            faults.append(((*place, "when"), fault))
        if rule.clock == "study":
            faults += [
                ((*place, "at", number), _no_visit(rule.at[number], study))
                for number, time in enumerate(rule.at_h)
                if not any(same_time(time, visit) for visit in visits)
            ]
            faults += _unrated(study, rule, place)
    return faults


def _remission_fault(study: Study) -> str | None:
    remission, scale = study.setting.remission, study.population.baseline.scale
    if remission is None:
        return "'remitter' needs setting.remission, which says what counts as one."
    if remission.scale != scale:
        return (
            f"'remitter' is about the scale of the baseline ({scale}), but setting.remission is on "
            f"{remission.scale}; write the score itself: '{remission.scale} <= {remission.threshold:g}'."
        )
    return None


def _unrated(study: Study, rule: DecisionRule, place: Place) -> Faults:
    """Find conditions about something that is not rated at the visit of the rule."""
    faults: Faults = []
    scale = study.population.baseline.scale
    for visit in study.visits:
        if not visit.quantities or not any(same_time(visit.time_h, time) for time in rule.at_h):
            continue
        for index, item in enumerate(rule.conditions):
            named = item.subject or (scale if item.form in ("response", "remission") else "")
            if named and not item.is_covariate and named not in visit.quantities:
                text = (
                    f"{named} is not rated at the visit at {visit.time}; add it to that visit's quantities."
                )
                faults.append(((*place, "when", index), text))
    return faults


def _no_visit(time: str, study: Study) -> str:
    return (
        f"{time!r}: there is no visit at this time, so nobody is rated and the rule cannot act; add it to "
        f"visits, or take one of {', '.join(visit.time for visit in study.visits)}."
    )


def reach_faults(study: Study) -> Faults:
    """Find arms that nobody can reach, and checks of an arm's clock that meet no visit."""
    faults: Faults = []
    entered = entry_times(study)
    visits = study.visit_times_h
    for index, arm in enumerate(study.arms):
        if arm.id not in entered:
            text = (
                f"nobody can be in arm {arm.id!r}: it has no n, and no rule leads to it from an arm that "
                "people are in; give it n, or a rule whose 'then' names it."
            )
            faults.append((("arms", index, "n"), text))
    for index, rule in enumerate(study.rules):
        starts = {time for arm, times in entered.items() if rule.concerns(arm) for time in times}
        for start in sorted(starts):
            for time in rule_times(rule, start, visits):
                if rule.clock == "study" or not rule.at or time > visits[-1]:
                    continue
                if not any(same_time(time, visit) for visit in visits):
                    text = (
                        f"people who enter the arm at {start:g} h would be checked at {time:g} h, where "
                        "there is no visit; add the visit."
                    )
                    faults.append((("rules", index, "at"), text))
        if not any(
            rule_times(rule, start, visits) and rule_times(rule, start, visits)[0] <= visits[-1]
            for start in starts
        ):
            text = (
                "nobody whom this rule is about is there at any of its times, so it never acts; look at its "
                "arms and times."
            )
            faults.append((("rules", index, "arms" if rule.arms else "at"), text))
    return faults


def window_faults(study: Study) -> Faults:
    """Find windows that reach before randomisation, into each other, or over a decision."""
    faults: Faults = []
    decided = study.rule_times_h if study.rules else ()
    order = sorted(range(len(study.visits)), key=lambda index: study.visits[index].time_h)
    for index, visit in enumerate(study.visits):
        if visit.window is None:
            continue
        place = ("visits", index, "window")
        if visit.window_h > visit.time_h:
            text = f"{visit.window!r} before {visit.time} is before randomisation; make the window smaller."
            faults.append((place, text))
        if any(same_time(visit.time_h, time) for time in decided):
            text = "a rule acts at this visit, so it has no window; take the window away."
            faults.append((place, text))
    for one, other in pairwise(order):
        early, late = study.visits[one], study.visits[other]
        if early.time_h + early.window_h > late.time_h - late.window_h and (early.window_h or late.window_h):
            which = other if late.window_h else one
            text = f"the windows of the visits at {early.time} and {late.time} overlap; make them smaller."
            faults.append((("visits", which, "window"), text))
    return faults


def dropout_faults(study: Study) -> Faults:
    """Find drop-out that is given twice or is about arms that do not exist."""
    faults: Faults = []
    ids = [arm.id for arm in study.arms]
    seen: set[str] = set()
    for index, item in enumerate(study.dropout):
        if item.id in seen:
            faults.append(
                (("dropout", index, "id"), f"drop-out {item.id!r} is given twice; ids must differ.")
            )
        seen.add(item.id)
        for number, name in enumerate(item.arms):
            if name not in ids:
                faults.append((("dropout", index, "arms", number), unknown_name("arm", name, ids)))
        if item.after_h >= study.visit_times_h[-1]:
            text = f"{item.after!r} is not before the last visit, so nobody can leave; give an earlier time."
            faults.append((("dropout", index, "after"), text))
    return faults
