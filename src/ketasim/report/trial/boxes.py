"""Boxes of text in rows, and arrows between them, for pictures of a trial's flow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle

from ketasim.report.style import INK, INK2, SMALL, STRONG, SURFACE, WIDTH, ArmStyle
from ketasim.report.trial.layout import EDGE, LEADING, wrapped
from ketasim.trials.study import Study

__all__ = [
    "Box",
    "Edge",
    "Point",
    "arm_layers",
    "arrow",
    "box_at",
    "box_row",
    "draw_box",
    "edge_ends",
    "inch_axes",
    "row_height",
    "rule_edges",
]

Point = tuple[float, float]

#: Room within a box, between boxes, and boxes side by side at most.
_INSIDE, _BETWEEN, _MOST = 0.09, 0.16, 6
_WIDEST = 3.4


@dataclass(frozen=True)
class Box:
    """A box of text at its place; all in inches from the top left corner of the figure.

    Parameters
    ----------
    lines : tuple of (str, bool)
        Lines of text, and whether each is bold.
    left, top, wide, tall : float
        Its place and size.
    style : ArmStyle or None
        The arm that it stands for, if any.
    """

    lines: tuple[tuple[str, bool], ...]
    left: float
    top: float
    wide: float
    tall: float
    style: ArmStyle | None = None

    @property
    def middle(self) -> float:
        """Its middle from left to right."""
        return self.left + 0.5 * self.wide

    @property
    def bottom(self) -> float:
        """Its lower edge."""
        return self.top + self.tall


@dataclass(frozen=True)
class Edge:
    """A way from an arm to another by a rule (its number, from 1)."""

    source: str
    target: str
    rule: int


def rule_edges(study: Study) -> list[Edge]:
    """All ways that the rules of a study open, in the order of the rules."""
    ids = [arm.id for arm in study.arms]
    return [
        Edge(source, target, number)
        for number, rule in enumerate(study.rules, start=1)
        for source in ids
        if rule.concerns(source)
        for target in rule.targets
        if target != source
    ]


def arm_layers(study: Study) -> list[list[str]]:
    """Sort the arms by how few rules lead to them from the start; a row of the picture each.

    Returns
    -------
    list of list of str
        Arms in file order within a row; a row holds six at most.
    """
    reached = [arm.id for arm in study.arms if arm.n is not None]
    layers = [reached]
    seen = set(reached)
    edges = rule_edges(study)
    while layers[-1]:
        following = {edge.target for edge in edges if edge.source in layers[-1]} - seen
        layers.append([arm.id for arm in study.arms if arm.id in following])
        seen |= following
    return [row for layer in layers for row in _rows(layer)]


def _rows(layer: list[str]) -> list[list[str]]:
    """Divide the arms of a layer into rows of about equal length."""
    if not layer:
        return []
    size = math.ceil(len(layer) / math.ceil(len(layer) / _MOST))
    return [layer[first : first + size] for first in range(0, len(layer), size)]


def box_row(
    texts: Sequence[Sequence[tuple[str, bool]]], top: float, styles: Sequence[ArmStyle | None] = ()
) -> list[Box]:
    """Lay out boxes side by side over the width of a figure, as tall as the fullest of them.

    Parameters
    ----------
    texts : sequence of sequence of (str, bool)
        Paragraphs of each box, and whether they are bold.
    top : float
        Upper edge of the row, inches.
    styles : sequence of ArmStyle or None
        The arm of each box.
    """
    count = len(texts)
    wide = min(_WIDEST, (WIDTH - 2.0 * EDGE - _BETWEEN * (count - 1)) / max(1, count))
    step = (WIDTH - 2.0 * EDGE) / max(1, count)
    given = list(styles) or [None] * count
    boxes = [
        box_at(text, EDGE + (index + 0.5) * step - 0.5 * wide, top, wide, given[index])
        for index, text in enumerate(texts)
    ]
    tall = row_height(boxes)
    return [replace(box, tall=tall) for box in boxes]


def box_at(
    text: Sequence[tuple[str, bool]], left: float, top: float, wide: float, style: ArmStyle | None = None
) -> Box:
    """Make a box as tall as its text; see :func:`box_row` and :class:`Box`."""
    lines = tuple(
        (line, bold)
        for words, bold in text
        for line in wrapped(words, wide - 2.0 * _INSIDE - 0.05, bold=bold)
    )
    return Box(lines, left, top, wide, LEADING * len(lines) + 2.0 * _INSIDE, style)


def row_height(boxes: Sequence[Box]) -> float:
    """Height of a row of boxes, inches."""
    return max((box.tall for box in boxes), default=0.0)


def inch_axes(figure: Figure) -> Axes:
    """Axes over a whole figure, in inches from its top left corner."""
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_xlim(0.0, WIDTH)
    ax.set_ylim(figure.get_figheight(), 0.0)
    ax.set_axis_off()
    return ax


def draw_box(ax: Axes, box: Box) -> None:
    """Draw a box and its text; an arm's colour stands at its left edge."""
    ax.add_patch(
        Rectangle(
            (box.left, box.top),
            box.wide,
            box.tall,
            facecolor=SURFACE,
            edgecolor=STRONG,
            linewidth=1.0,
            zorder=3,
        )
    )
    if box.style is not None:
        ends = [box.top + 0.01, box.bottom - 0.01]
        ax.plot([box.left + 0.02] * 2, ends, zorder=4, **box.style.line(3.6))
    for index, (text, bold) in enumerate(box.lines):
        ax.text(
            box.left + _INSIDE + 0.03,
            box.top + _INSIDE + (index + 0.5) * LEADING,
            text,
            fontsize=SMALL,
            color=INK,
            fontweight="bold" if bold else "normal",
            va="center_baseline",
            zorder=5,
        )


def arrow(
    ax: Axes,
    start: Point,
    end: Point,
    *,
    elbow: float = math.nan,
    bend: float = 0.0,
) -> None:
    """Draw an arrow between two points, straight, bent, or with a corner at a height ``elbow`` (inches)."""
    if math.isfinite(elbow) and abs(start[0] - end[0]) > 1e-6:
        xs, ys = [start[0], start[0], end[0]], [start[1], elbow, elbow]
        ax.plot(xs, ys, color=INK2, linewidth=1.0, solid_joinstyle="miter", zorder=2)
        start = (end[0], elbow)
    ax.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="-|>",
            mutation_scale=9.0,
            color=INK2,
            linewidth=1.0,
            shrinkA=0.0,
            shrinkB=0.0,
            zorder=2,
            connectionstyle=f"arc3,rad={bend}",
        )
    )


def edge_ends(source: Box, target: Box) -> tuple[Point, Point, float]:
    """Where an arrow between two boxes begins and ends, and its bend; ways to and fro lie apart."""
    if target.top > source.top:
        return (source.middle - 0.15, source.bottom), (target.middle - 0.15, target.top), 0.0
    if target.top < source.top:
        return (source.middle + 0.15, source.top), (target.middle + 0.15, target.bottom), 0.0
    right = target.middle > source.middle
    # The way back is nested in the way there.
    side = 0.35 if right else -0.15
    low = source.bottom
    ends = (source.middle - side, low), (target.middle + side, low)
    span = max(1e-6, abs(ends[1][0] - ends[0][0]))
    depth = 0.9 if right else 0.45
    return (*ends, (1.0 if right else -1.0) * min(0.5, depth / span))
