"""The plan of a trial: its arms, the rules that move people between them, and what the rules say."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.report.style import INK, INK2, PAPER, SMALL, STRONG, WIDTH, arm_styles, new_figure
from ketasim.report.trial.boxes import (
    Box,
    Point,
    arm_layers,
    arrow,
    box_row,
    draw_box,
    edge_ends,
    inch_axes,
    row_height,
    rule_edges,
)
from ketasim.report.trial.layout import (
    EDGE,
    LEADING,
    count_text,
    draw_heading,
    heading_height,
    wrapped,
)
from ketasim.report.trial.tables import arm_names, condition_words, first_arms
from ketasim.report.words import number, visit_text
from ketasim.trials.study import Arm, Study
from ketasim.trials.study.flow import Action, DecisionRule

__all__ = ["plan_caption", "plan_figure", "rule_words"]

_TITLE = "Plan of the trial"
_GAP, _PLAIN_GAP = 0.85, 0.5
_NUMBER = 0.3
#: Visits that are listed in full.
_MOST_VISITS = 16
#: Where along an arrow its number may stand, best first.
_SHARES = (0.5, 0.38, 0.62, 0.28, 0.72, 0.44, 0.56, 0.2, 0.8, 0.33, 0.67, 0.14, 0.86, 0.08, 0.92)
_CONDITIONS = {
    "healthy": "healthy people",
    "mdd": "people with major depression",
    "trd": "people with treatment-resistant depression",
    "bipolar_depression": "people with bipolar depression",
}


def plan_figure(study: Study) -> Figure:
    """Draw the arms of a study as boxes and its rules as numbered arrows, with the rules in words below.

    Parameters
    ----------
    study : Study
        Any design.

    Returns
    -------
    Figure
        Arms to which people are randomised at the start stand in the first row.
    """
    names, styles = arm_names(study), arm_styles(study)
    layers, edges = arm_layers(study), rule_edges(study)
    top = heading_height(_TITLE)
    start = box_row([_entry(study)], top)[0]
    top = start.bottom
    boxes: dict[str, Box] = {}
    for index, layer in enumerate(layers):
        top += _GAP if index else _PLAIN_GAP
        row = box_row([_arm(study, study.arm(arm)) for arm in layer], top, [styles[arm] for arm in layer])
        boxes |= dict(zip(layer, row, strict=True))
        top += row_height(row)
    rules = [wrapped(rule_words(rule, names), WIDTH - 2.0 * EDGE - _NUMBER) for rule in study.rules]
    top += 0.3 if not edges else 0.55
    rated = wrapped(_visits(study), WIDTH - 2.0 * EDGE)
    lines = sum(len(rule) for rule in rules) + len(rated)
    figure = new_figure(top + LEADING * lines + 0.06 * len(rules) + 0.2)
    draw_heading(figure, _TITLE)
    ax = inch_axes(figure)
    for box in (start, *boxes.values()):
        draw_box(ax, box)
    for arm in first_arms(study):
        box = boxes[arm]
        if box.top == boxes[first_arms(study)[0]].top:
            arrow(ax, (start.middle, start.bottom), (box.middle, box.top), elbow=box.top - 0.5 * _PLAIN_GAP)
    _draw_edges(ax, boxes, [(edge.source, edge.target, edge.rule) for edge in edges])
    _write_rules(ax, rules, rated, top)
    return figure


def _visits(study: Study) -> str:
    """List the visits, or the first and the last of many."""
    times = [visit_text(study, time) for time in study.times_h if time > 0.0]
    if len(times) > _MOST_VISITS:
        return f"Rated at entry and at {len(times)} visits: {', '.join(times[:4])} … {times[-1]}"
    return f"Rated at: entry, {', '.join(times)}"


def _entry(study: Study) -> list[tuple[str, bool]]:
    arms = [study.arm(arm) for arm in first_arms(study)]
    people = sum(arm.n or 0 for arm in arms)
    condition = study.population.condition
    who = _CONDITIONS.get(condition, f"people with {condition.replace('_', ' ')}")
    found = [(f"{who[0].upper()}{who[1:]}, {count_text(people)}", True)]
    if study.population.entry:
        found.append((", ".join(condition_words(text) for text in study.population.entry), False))
    if len(arms) > 1:
        strata = ", ".join(condition_words(text) for text in _strata(study))
        found.append((f"randomised {_ratio([float(arm.n or 0) for arm in arms])}", False))
        if strata:
            found.append((f"by strata: {strata}", False))
    return found


def _strata(study: Study) -> tuple[str, ...]:
    return () if study.randomisation is None else study.randomisation.strata


def _ratio(weights: list[float]) -> str:
    """Write weights as a ratio of small whole numbers, where they are one."""
    whole = [round(weight) for weight in weights]
    if all(abs(weight - count) < 1e-9 for weight, count in zip(weights, whole, strict=True)):
        divisor = math.gcd(*whole) or 1
        return " : ".join(str(count // divisor) for count in whole)
    return " : ".join(number(weight) for weight in weights)


def _arm(study: Study, arm: Arm) -> list[tuple[str, bool]]:
    name = arm_names(study)[arm.id]
    found = [(name if arm.n is None else f"{name}, {count_text(arm.n)}", True)]
    if arm.phase and arm.phase != name:
        found.append((arm.phase, False))
    found.append((arm.regimen if arm.dosing.doses else "no study drug", False))
    if arm.comedication:
        found.append(("with " + ", ".join(item.replace("_", " ") for item in arm.comedication), False))
    if study.blinding_of(arm.id) != study.setting.blinding:
        found.append((study.blinding_of(arm.id).replace("_", " "), False))
    if arm.masked:
        found.append(("masked: cannot be felt", False))
    leaves = [
        str(index)
        for index, rule in enumerate(study.rules, start=1)
        if rule.concerns(arm.id) and any(action.kind in ("stop", "withdraw") for action in rule.actions)
    ]
    if leaves:
        found.append((f"may end here by rule {' or '.join(leaves)}", False))
    # A phase may be called what its blinding is.
    return list(dict.fromkeys(found))


def rule_words(rule: DecisionRule, names: dict[str, str]) -> str:
    """Say in words when a rule acts, on whom, and what it does.

    Parameters
    ----------
    rule : DecisionRule
        A rule of a study.
    names : dict of str to str
        Names of the arms by id.
    """
    clock = " after entering the arm" if rule.clock == "arm" else ""
    when = f"At {', '.join(rule.at)}{clock}" if rule.at else "At every visit"
    whom = f", in {' and '.join(names[arm] for arm in rule.arms)}" if rule.arms else ""
    conditions = " and ".join(condition_words(text) for text in rule.when)
    row = f" at {rule.consecutive} checks in a row" if rule.consecutive > 1 else ""
    if not conditions:
        return f"{when}{whom}: {_action_words(rule.then, names)}."
    otherwise = f"; if not, {_action_words(rule.otherwise, names)}" if rule.otherwise is not None else ""
    return f"{when}{whom}, if {conditions}{row}: {_action_words(rule.then, names)}{otherwise}."


def _action_words(action: Action, names: dict[str, str]) -> str:
    targets = " or ".join(names[arm] for arm in action.targets)
    if action.kind == "switch":
        return f"go on to {targets}"
    if action.kind == "rescue":
        return f"rescue with {targets}"
    if action.randomise is not None:
        return f"randomise {_ratio(list(action.randomise.values()))} to {targets}"
    if action.kind == "stop":
        return f"treatment ends ({action.stop}), and the person stays in the trial"
    return f"the person leaves the trial ({action.withdraw})"


def _draw_edges(ax: Axes, boxes: dict[str, Box], edges: list[tuple[str, str, int]]) -> None:
    """Draw an arrow for each pair of arms, with the numbers of its rules where no other number is."""
    taken: list[Point] = []
    rules: dict[tuple[str, str], list[int]] = {}
    for source, target, rule in edges:
        rules.setdefault((source, target), []).append(rule)
    for (source, target), numbers in rules.items():
        start, end, bend = edge_ends(boxes[source], boxes[target])
        arrow(ax, start, end, bend=bend)
        text = ", ".join(str(item) for item in numbers)
        at = _free_place(start, end, bend, taken, list(boxes.values()))
        taken.append(at)
        ax.text(
            *at,
            text,
            fontsize=SMALL,
            color=INK,
            ha="center",
            va="center",
            zorder=6,
            bbox={"boxstyle": "round,pad=0.25", "facecolor": PAPER, "edgecolor": STRONG, "linewidth": 0.8},
        )


def _free_place(start: Point, end: Point, bend: float, taken: list[Point], boxes: list[Box]) -> Point:
    """A point on an arrow off the boxes and not close to those given; the middle if there is none."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    for share in _SHARES:
        # The curve is quadratic, with a control point off the middle of the straight line.
        off = 2.0 * share * (1.0 - share) * bend
        at = start[0] + share * dx + off * -dy, start[1] + share * dy + off * dx
        free = all(abs(at[0] - x) > 0.34 or abs(at[1] - y) > 0.26 for x, y in taken)
        if free and not any(_covers(box, at) for box in boxes):
            return at
    return start[0] + 0.5 * dx - 0.5 * bend * dy, start[1] + 0.5 * dy + 0.5 * bend * dx


def _covers(box: Box, at: Point) -> bool:
    """Tell whether a number at a point would touch a box."""
    across = box.left - 0.16 < at[0] < box.left + box.wide + 0.16
    return across and box.top - 0.13 < at[1] < box.bottom + 0.13


def _write_rules(ax: Axes, rules: list[tuple[str, ...]], rated: tuple[str, ...], top: float) -> None:
    """Write each rule after its number, and then the visits."""
    y = top
    for index, lines in enumerate(rules, start=1):
        ax.text(EDGE, y, str(index), fontsize=SMALL, color=INK, fontweight="bold", va="top")
        for line in lines:
            ax.text(EDGE + _NUMBER, y, line, fontsize=SMALL, color=INK, va="top")
            y += LEADING
        y += 0.06
    for line in rated:
        ax.text(EDGE, y, line, fontsize=SMALL, color=INK2, va="top")
        y += LEADING


def plan_caption(study: Study) -> str:
    """Say in a sentence what :func:`plan_figure` shows."""
    if not study.rules:
        return "The arms of the trial, to which people are randomised at the start, and its visits."
    rules = "1 rule" if len(study.rules) == 1 else f"{len(study.rules)} rules"
    return (
        "The arms of the trial as boxes, the first row those to which people are randomised at the start, "
        f"and its {rules} as numbered arrows, in words below; at one visit at most one rule acts on a "
        "person, the first that fits."
    )
