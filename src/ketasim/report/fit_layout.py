"""Panels of the figures of a fit: each has axes, numbers and units of its own."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.report.style import INK, INK2, SMALL, WIDTH, new_figure
from ketasim.report.trial.layout import (
    EDGE,
    LEADING,
    KeyItem,
    draw_heading,
    heading_height,
    place,
    plain_axes,
    wrapped,
)

__all__ = ["framed"]

#: Room for the numbers at the left of a panel and for those below it, in inches.
_LEFT, _BELOW = 0.62, 0.62
_MOST_COLUMNS = 3


def framed(
    title: str, names: Sequence[str], items: Sequence[KeyItem], x: Sequence[str], tall: float
) -> tuple[Figure, list[Axes]]:
    """Make a figure with a heading and a panel for each name.

    Parameters
    ----------
    title : str
        Heading.
    names : sequence of str
        What stands above each panel.
    items : sequence of KeyItem
        The key.
    x : sequence of str
        What each horizontal axis shows.
    tall : float
        Height of a panel in inches.

    Returns
    -------
    Figure
    list of Axes
    """
    columns = 2 if len(names) in (2, 4) else min(max(len(names), 1), _MOST_COLUMNS)
    wide = (WIDTH - EDGE) / columns - _LEFT
    lines = [wrapped(name, wide) for name in names]
    above = LEADING * max(len(own) for own in lines) + 0.12
    rows = -(-len(names) // columns)
    top = heading_height(title, items)
    figure = new_figure(top + rows * (above + tall + _BELOW))
    draw_heading(figure, title, items)
    axes = []
    for at, own in enumerate(lines):
        row, column = divmod(at, columns)
        left = _LEFT + column * (wide + _LEFT)
        ax = place(figure, left, top + row * (above + tall + _BELOW) + above, wide, tall)
        plain_axes(ax)
        ax.tick_params(labelsize=SMALL - 1.5)
        ax.text(
            0.0,
            1.0 + 0.07 / tall,
            "\n".join(own),
            transform=ax.transAxes,
            fontsize=SMALL,
            color=INK,
            va="bottom",
            linespacing=1.2,
        )
        ax.set_xlabel(x[at], fontsize=SMALL, color=INK2)
        axes.append(ax)
    return figure, axes
