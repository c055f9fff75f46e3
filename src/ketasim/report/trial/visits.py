"""Visits along an axis, and the numbers of people that stand under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.transforms import blended_transform_factory

from ketasim.report.style import INK, INK2, SMALL, ArmStyle
from ketasim.report.trial.layout import LEADING, fitted, text_width
from ketasim.report.words import time_text

__all__ = ["VisitAxis", "counts_height", "draw_counts", "draw_visits", "even_ticks", "visit_axis"]

#: Least distance of neighbouring visits at true distances, inches.
_CLOSE = 0.16
#: Below the axis: the visits, the name of the axis, and the word above the counts, inches.
_TICKS, _NAME = 0.24, 0.24
#: Units of round times (h), their signs, and the steps that are usual in them.
_STEPS: tuple[tuple[float, str, tuple[float, ...]], ...] = (
    (1.0, "h", (1.0, 2.0, 4.0, 6.0)),
    (24.0, "d", (1.0, 2.0, 7.0)),
    (168.0, "wk", (1.0, 2.0, 4.0, 8.0, 13.0, 26.0, 52.0)),
)


@dataclass(frozen=True)
class VisitAxis:
    """Where visits stand on an axis.

    Parameters
    ----------
    times_h : tuple of float
        Times of the visits, sorted, hours.
    places : tuple of float
        Where each stands: days, or its number in order.
    labels : tuple of str
        Text under each; empty where there is no room.
    name : str
        What the axis shows.
    """

    times_h: tuple[float, ...]
    places: tuple[float, ...]
    labels: tuple[str, ...]
    name: str

    @property
    def span(self) -> tuple[float, float]:
        """Limits of the axis."""
        first, last = self.places[0], self.places[-1]
        room = 0.05 * (last - first) if last > first else 0.5
        return first - room, last + room

    @property
    def shown(self) -> tuple[tuple[float, str], ...]:
        """Places with a label, and the labels."""
        return tuple((place, label) for place, label in zip(self.places, self.labels, strict=True) if label)


def visit_axis(times_h: Sequence[float], wide: float, words: Callable[[float], str]) -> VisitAxis:
    """Place visits on an axis: at true distances, or side by side where they would crowd.

    Parameters
    ----------
    times_h : sequence of float
        Sorted times, hours; at least one.
    wide : float
        Width of the axis, inches.
    words : callable
        Writes a time.
    """
    times = tuple(float(time) for time in times_h)
    labels = tuple(words(time) for time in times)
    length = (times[-1] - times[0]) or 1.0
    gaps = [0.9 * wide * (b - a) / length for a, b in pairwise(times)]
    if not gaps or min(gaps) >= _CLOSE:
        places = tuple(time / 24.0 for time in times)
        name = "visits, to scale"
    else:
        places = tuple(float(index) for index in range(len(times)))
        name = "visits in order, not to scale"
    return VisitAxis(times, places, _with_room(places, labels, wide), name)


def _with_room(places: Sequence[float], labels: Sequence[str], wide: float) -> tuple[str, ...]:
    """Keep the labels that do not touch: the last one always, and from the first on what fits."""
    length = (places[-1] - places[0]) or 1.0
    middle = [0.9 * wide * (place - places[0]) / length for place in places]
    half = [0.5 * text_width(label) + 0.06 for label in labels]
    kept = [""] * len(labels)
    kept[-1] = labels[-1]
    end = -1e9
    for index in range(len(labels) - 1):
        clear = middle[index] - half[index] >= end
        if clear and middle[index] + half[index] <= middle[-1] - half[-1]:
            kept[index] = labels[index]
            end = middle[index] + half[index]
    return tuple(kept)


def draw_visits(ax: Axes, axis: VisitAxis) -> None:
    """Put the visits under an axes."""
    ax.set_xlim(*axis.span)
    ax.set_xticks([place for place, _ in axis.shown], [label for _, label in axis.shown])
    # Away from the lowest number of the other axis.
    ax.tick_params(axis="x", pad=6)
    ax.set_xlabel(axis.name, fontsize=SMALL, color=INK2)


def even_ticks(end_h: float, wide: float) -> list[tuple[float, str]]:
    """Round times from 0 to an end, as many as fit: times in hours, and their texts."""
    for unit, word, steps in _STEPS:
        for step in steps:
            count = int(end_h / (step * unit) + 1e-9)
            if count <= min(9, wide / 0.55):
                found = [(index * step * unit, f"{index * step:g} {word}") for index in range(count + 1)]
                return found if count else [(0.0, "0"), (end_h, time_text(end_h))]
    return [(0.0, "0"), (end_h, time_text(end_h))]


def counts_height(rows: int) -> float:
    """Room that the ticks, the name of the axis and rows of counts take under an axes, inches."""
    return _TICKS + _NAME + LEADING * (rows + 1) + 0.12


def draw_counts(
    ax: Axes,
    title: str,
    ticks: Sequence[float],
    rows: Mapping[str, tuple[str, ArmStyle, Sequence[str]]],
    left: float,
    tall: float,
) -> None:
    """Write counts under an axes, a row an arm.

    Parameters
    ----------
    ax : Axes
        Its ticks are above the counts.
    title : str
        What is counted.
    ticks : sequence of float
        Places along the axis.
    rows : mapping of str to (name, ArmStyle, texts)
        A text for each tick.
    left, tall : float
        Room at the left of the axes, and its height, inches.
    """
    wide = ax.get_position().width * ax.figure.get_figwidth()  # type: ignore[union-attr]
    both = blended_transform_factory(ax.transAxes, ax.transAxes)
    columns = blended_transform_factory(ax.transData, ax.transAxes)
    start = -(left - 0.12) / wide
    top = _TICKS + _NAME + 0.1
    ax.text(start, -top / tall, title, transform=both, fontsize=SMALL, color=INK2, va="center")
    for index, (name, style, texts) in enumerate(rows.values(), start=1):
        y = -(top + index * LEADING) / tall
        ends = [start, start + 0.24 / wide]
        ax.add_line(Line2D(ends, [y, y], transform=both, clip_on=False, **style.line()))
        room = left - 0.12 - 0.3 - 0.28
        ax.text(
            start + 0.3 / wide,
            y,
            fitted(name, room),
            transform=both,
            fontsize=SMALL,
            color=INK,
            va="center",
        )
        for tick, text in zip(ticks, texts, strict=True):
            ax.text(tick, y, text, transform=columns, fontsize=SMALL, color=INK2, ha="center", va="center")
