"""The way of people through a study, and its analyses, told in sentences."""

from __future__ import annotations

from ketasim.trials.study import Study
from ketasim.trials.study.analysis import TWO_PHASES, Analysis, Monitoring
from ketasim.trials.study.flow import Action, DecisionRule, DropOut
from ketasim.trials.study.graph import entry_times
from ketasim.units import convert

__all__ = ["flow_lines", "plan_lines"]

_KINDS = {
    "completely_at_random": "whatever their score",
    "at_random": "by their last rated score",
    "not_at_random": "by a score that is then not seen",
    "lack_of_efficacy": "for lack of efficacy",
    "adverse_event": "for an adverse event",
}
_METHODS = {
    "ancova": "analysis of covariance",
    "rank_ancova": "analysis of covariance of ranks",
    "mmrm": "mixed model for repeated measures",
    "responder": "share of responders",
    "remission": "share in remission",
    "logrank": "time to event, log-rank test",
    "cox": "time to event, Cox model",
    "crossover": "crossover",
    "sequential_parallel": "sequential parallel design, both phases pooled",
    "non_inferiority": "non-inferiority",
    "trend": "trend over doses",
    "change": "mean change",
}


def hours(time_h: float) -> str:
    """Write a time in hours as a reader would: minutes, hours, days or weeks."""
    if 0.0 < time_h < 1.0:
        return f"{time_h * 60:g} min"
    if time_h >= 24.0 and time_h % 24.0 == 0.0:
        days = convert(time_h, "h", "d")
        return f"{days:g} d"
    return f"{time_h:g} h"


def _times(times_h: tuple[float, ...]) -> str:
    shown = [hours(time) for time in times_h]
    return ", ".join(shown if len(shown) <= 6 else [*shown[:4], "...", shown[-1]])


def _action(action: Action) -> str:
    if action.kind == "stop":
        return f"treatment stops ({action.stop}), and they stay in the trial"
    if action.kind == "withdraw":
        return f"they leave the trial ({action.withdraw})"
    if action.kind == "rescue":
        return f"they get rescue treatment, {action.rescue}"
    if action.kind == "switch":
        return f"they switch to {action.switch}"
    shares = ", ".join(f"{arm} {share * 100:.3g} %" for arm, share in action.weights.items())
    block = f", in blocks of {action.block}" if action.block is not None else ""
    strata = f", apart by {' and '.join(action.strata)}" if action.strata else ""
    return f"they are randomised: {shares}{block}{strata}"


def _rule(rule: DecisionRule) -> str:
    if rule.arms:
        who = ", ".join(rule.arms)
    else:
        who = "any arm" if not rule.targets else f"any arm but {', '.join(rule.targets)}"
    when = f"at {_times(rule.at_h)}" if rule.at else "at every visit"
    if rule.clock == "arm":
        when += " after entering the arm"
    what = f"if {' and '.join(rule.when)}" if rule.when else "all"
    if rule.consecutive > 1:
        what += f" at {rule.consecutive} checks in a row"
    rest = f"; otherwise {_action(rule.otherwise)}" if rule.otherwise is not None else ""
    return f"rule {rule.id}: people in {who}, {when}, {what}: {_action(rule.then)}{rest}"


def _dropout(item: DropOut) -> str:
    who = ", ".join(item.arms) or "all arms"
    why = _KINDS[item.kind]
    if item.improvement_below is not None:
        why += f" (improvement under {item.improvement_below * 100:g} %)"
    if item.effect:
        why += f", log hazard ratio {item.effect:g} per 10 points"
    after = f" from {hours(item.after_h)} on" if item.after_h else ""
    leaves = "the trial" if item.leaves == "trial" else "treatment only"
    return f"drop-out {item.id}: {who}: {item.rate_per_week:g} a week leave {leaves}{after}, {why}"


def flow_lines(study: Study) -> list[str]:
    """Tell who is randomised how, who can reach which arm, and who leaves.

    Parameters
    ----------
    study : Study
        A valid study.

    Returns
    -------
    list of str
        One line for each thing that the file says; none for what it leaves out.
    """
    lines = []
    plan = study.randomisation
    if plan is not None:
        block = "one block" if plan.block is None else f"blocks of {plan.block}"
        strata = f", strata {' and '.join(plan.strata)}" if plan.strata else ""
        stages = "; then ".join(
            f"the next {stage.first} {', '.join(f'{arm} {weight:g}' for arm, weight in stage.arms.items())}"
            for stage in plan.stages
        )
        lines.append(f"randomisation: {block}{strata}{': ' if stages else ''}{stages}")
    if study.enrolment is not None:
        lines.append(f"enrolment: {study.enrolment.rate:g} people a week")
    lines += [_rule(rule) for rule in study.rules]
    entered = entry_times(study)
    for arm in study.arms:
        if arm.n is None:
            sources = [
                other.id
                for other in study.arms
                if any(rule.concerns(other.id) and arm.id in rule.targets for rule in study.rules)
            ]
            lines.append(
                f"reached: {arm.id} from {', '.join(sources)}, at {_times(entered[arm.id])}, "
                f"{study.blinding_of(arm.id)}, chance of active drug {study.allocation_of(arm.id):.2f}"
            )
    lines += [_dropout(item) for item in study.dropout]
    if study.adherence is not None:
        spread = f", person SD {study.adherence.person_sd:g}" if study.adherence.person_sd else ""
        lines.append(f"adherence: {study.adherence.missed * 100:g} % of later sessions are missed{spread}")
    return lines


def _analysis(item: Analysis) -> str:
    against = f" against {item.comparator}" if item.comparator is not None else ""
    if item.method in TWO_PHASES:
        origin = " after entering each arm"
    else:
        origin = "" if item.origin == "entry" else f" after entering phase {item.origin!r}"
    extra = [item.estimand.replace("_", " ")]
    if item.margin is not None:
        extra.append(f"margin {item.margin:g}")
    if item.event:
        row = f" at {item.consecutive} visits in a row" if item.consecutive > 1 else ""
        extra.append(f"event {' or '.join(item.event)}{row}")
    if item.imputation != "none":
        extra.append(item.imputation.replace("_", " "))
    if item.family is not None:
        extra.append(f"family {item.family}")
    what = f"{_METHODS[item.method]} of {item.quantity} at {hours(item.time_h)}{origin}"
    return f"analysis {item.id}: {what}, {item.arm}{against} ({'; '.join(extra)})"


def _look(item: Monitoring) -> str:
    unit = "events" if item.kind == "events" else "results"
    tail = {
        "events": "the trial ends",
        "efficacy": f"stop if it is shown ({item.spending} spending)",
        "futility": f"stop if the conditional power is under {(item.power or 0) * 100:g} %",
        "sample_size_reestimation": f"up to {item.maximum} patients, for a conditional power of "
        f"{(item.power or 0) * 100:g} %",
    }[item.kind]
    return f"look {item.id}: at {item.at} {unit} of {item.analysis}: {tail}"


def plan_lines(study: Study) -> list[str]:
    """Tell what is analysed how, and when somebody looks before the end.

    Parameters
    ----------
    study : Study
        A valid study.

    Returns
    -------
    list of str
        One line for each analysis, family and look.
    """
    lines = [_analysis(item) for item in study.analyses]
    for plan in study.multiplicity:
        members = [item.id for item in study.analyses if item.family == plan.family]
        lines.append(f"family {plan.family}: {plan.method.replace('_', ' ')} over {', '.join(members)}")
    return lines + [_look(item) for item in study.monitoring]
