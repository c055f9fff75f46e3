"""The flow of participants, as the CONSORT statement asks for it, for any trial of arms and rules."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.report.style import INK2, SMALL, WIDTH, ArmStyle, arm_styles, new_figure
from ketasim.report.trial.boxes import (
    Box,
    arm_layers,
    arrow,
    box_at,
    box_row,
    draw_box,
    edge_ends,
    inch_axes,
    row_height,
)
from ketasim.report.trial.flow_counts import TrialFlow, trial_flow
from ketasim.report.trial.layout import (
    EDGE,
    count_text,
    draw_heading,
    empty_figure,
    heading_height,
)
from ketasim.report.trial.tables import Tables, arm_names, condition_words, first_arms, one_trial
from ketasim.report.words import visit_text
from ketasim.trials.study import Study

__all__ = ["consort_caption", "consort_figure"]

_GAP = 0.5
#: Width of a box above the arms, inches.
_HEAD = 2.5
_TITLE = "Flow of participants"

Texts = list[tuple[str, bool]]


def consort_figure(
    tables: Tables, study: Study, *, time_h: float | None = None, replicate: int | None = None
) -> Figure:
    """Draw how many were screened, randomised, moved on, lost and analysed, and why.

    Parameters
    ----------
    tables : Tables
        The results.
    study : Study
        The design; arms that people reach by rules stand in rows below those they come from.
    time_h : float, optional
        The visit of the analysis, hours; without it, the last one with a rating.
    replicate : int, optional
        Which one; without it, the first.

    Returns
    -------
    Figure
    """
    trial = one_trial(tables, replicate)
    if not len(trial.patients):
        return empty_figure(_TITLE, "The trial has no people.")
    flow = trial_flow(trial, study, time_h=time_h)
    names, styles = arm_names(study), arm_styles(study)
    top = heading_height(_TITLE)
    heads = _heads(flow, top)
    top = heads[-1].bottom
    layers = arm_layers(study)
    boxes: dict[str, Box] = {}
    for layer in layers:
        top += _GAP
        texts = [_arm_texts(arm, flow, names, study.arm(arm).phase) for arm in layer]
        row = box_row(texts, top, [styles[arm] for arm in layer])
        boxes |= dict(zip(layer, row, strict=True))
        top += row_height(row)
    top += _GAP
    ends = _analysed_rows(study, flow, styles, top, alone=len(layers) == 1)
    figure = new_figure(ends[-1][0].bottom + 0.15)
    draw_heading(figure, _TITLE)
    ax = inch_axes(figure)
    for box in (*heads, *boxes.values(), *(item for row in ends for item in row)):
        draw_box(ax, box)
    _draw_arrows(ax, flow, heads, boxes, layers)
    _draw_ends(ax, boxes, layers, ends)
    return figure


def _heads(flow: TrialFlow, top: float) -> list[Box]:
    """Boxes of those screened and refused, if it is known, and of those randomised."""
    found: list[Box] = []
    left = 0.5 * (WIDTH - _HEAD)
    if flow.screened is not None:
        screened = [(f"Screened, {count_text(flow.screened)}", True)]
        found.append(box_at(screened, left, top, _HEAD))
        aside = left + _HEAD + 0.4
        found.append(box_at(_refused(flow), aside, top, WIDTH - EDGE - aside))
        top += row_height(found) + 0.3
    return [*found, box_at(_randomised(flow), left, top, _HEAD)]


def _refused(flow: TrialFlow) -> Texts:
    refused = (flow.screened or 0) - sum(flow.randomised.values())
    found: Texts = [(f"Not eligible, {count_text(refused)}", True)]
    found += [(f"not {condition_words(name)}: {count}", False) for name, count in flow.refused.items()]
    if refused and not flow.refused:
        found.append(("reasons not recorded", False))
    return found


def _randomised(flow: TrialFlow) -> Texts:
    word = "Randomised" if len(flow.randomised) > 1 else "Enrolled"
    return [(f"{word}, {count_text(sum(flow.randomised.values()))}", True)]


def _arm_texts(arm: str, whole: TrialFlow, names: Mapping[str, str], phase: str) -> Texts:
    """Lines of an arm's box: who came, who went and why, and who stayed."""
    flow = whole.arms[arm]
    found: Texts = [(f"{names[arm]}, {count_text(flow.entered)}", True)]
    if phase and phase != names[arm]:
        found.append((phase, False))
    if not flow.entered:
        return [*found, ("nobody entered this arm", False)]
    first = whole.randomised.get(arm, 0)
    if first and flow.sources:
        found.append((f"allocated at the start: {first}", False))
    if first or len(flow.sources) > 1:
        found += [(f"from {names[source]}: {count}", False) for source, count in flow.sources.items()]
    for target, count in flow.targets.items():
        rescued = flow.rescued.get(target, 0)
        if count - rescued:
            found.append((f"moved on to {names[target]}: {count - rescued}", False))
        if rescued:
            found.append((f"rescued with {names[target]}: {rescued}", False))
    for word, reasons in (("Treatment ended", flow.stopped), ("Left the trial", flow.withdrawn)):
        if reasons:
            found.append((f"{word}: {sum(reasons.values())}", False))
            found += [(f"– {reason}: {count}", False) for reason, count in reasons.items()]
    if flow.missing:
        found.append((f"Not simulated: {flow.missing}", False))
    found.append((f"In this arm to the end: {flow.stayed}", False))
    # A count stays on the line of the word before it.
    return [(text.replace(": ", ":\N{NO-BREAK SPACE}"), bold) for text, bold in found]


def _analysed_rows(
    study: Study, flow: TrialFlow, styles: Mapping[str, ArmStyle], top: float, *, alone: bool
) -> list[list[Box]]:
    """Boxes of those analysed, by the arm to which they were first randomised.

    ``alone`` tells that each stands right below its arm, whose name needs no repeating.
    """
    names = arm_names(study)
    when = "after entry" if flow.time_h is None else f"at {visit_text(study, flow.time_h)}"
    arms = first_arms(study)
    rows: list[list[Box]] = []
    for first in range(0, len(arms), 6):
        part = arms[first : first + 6]
        texts = [
            [
                (f"Rated {when}, {count_text(flow.analysed[arm])}", True),
                (f"of {flow.randomised[arm]} allocated{'' if alone else f' to {names[arm]}'}", False),
            ]
            for arm in part
        ]
        rows.append(box_row(texts, top, [styles[arm] for arm in part]))
        top += row_height(rows[-1]) + 0.1
    return rows


def _draw_arrows(
    ax: Axes, flow: TrialFlow, heads: list[Box], boxes: Mapping[str, Box], layers: list[list[str]]
) -> None:
    """Draw the way from screening to the arms, and from arm to arm."""
    start = heads[-1]
    if len(heads) > 1:
        screened, refused = heads[:2]
        middle = screened.top + 0.5 * screened.tall
        arrow(ax, (screened.left + screened.wide, middle), (refused.left, middle))
        arrow(ax, (screened.middle, screened.bottom), (start.middle, start.top))
    firsts = [arm for layer in layers for arm in layer if arm in flow.randomised]
    for arm in firsts:
        if boxes[arm].top == boxes[firsts[0]].top:
            box = boxes[arm]
            arrow(ax, (start.middle, start.bottom), (box.middle, box.top), elbow=box.top - 0.5 * _GAP)
    for source, box in boxes.items():
        for target in flow.arms[source].targets:
            begin, end, bend = edge_ends(box, boxes[target])
            arrow(ax, begin, end, bend=bend)


def _draw_ends(ax: Axes, boxes: Mapping[str, Box], layers: list[list[str]], ends: list[list[Box]]) -> None:
    """Lead a parallel trial's arms straight to their analysis; else say how people are counted."""
    if len(layers) == 1:
        for arm, end in zip(layers[0], ends[0], strict=True):
            arrow(ax, (boxes[arm].middle, boxes[arm].bottom), (end.middle, end.top))
        return
    text = "Analysed as randomised, whatever the arm in which they ended:"
    ax.text(EDGE, ends[0][0].top - 0.14, text, fontsize=SMALL, color=INK2, va="center_baseline")


def consort_caption(
    tables: Tables, study: Study, *, time_h: float | None = None, replicate: int | None = None
) -> str:
    """Say in a sentence what :func:`consort_figure` shows."""
    trial = one_trial(tables, replicate)
    flow = trial_flow(trial, study, time_h=time_h)
    screened = "" if flow.screened is None else f"{flow.screened} candidates screened, "
    several = len(flow.refused) > 1
    note = "; a candidate may fail several criteria" if several else ""
    return (
        f"Flow of participants: {screened}{sum(flow.randomised.values())} enrolled, "
        f"{sum(sum(arm.withdrawn.values()) for arm in flow.arms.values())} who left the trial and "
        f"{sum(flow.analysed.values())} rated at the visit of the analysis, with reasons in the arm in "
        f"which people were then{note}{trial.words}."
    )
