"""Room on a figure, in inches: headings, keys, panels, and text that is broken where it would not fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.lines import Line2D

from ketasim.report.style import INK, INK2, LINE, SMALL, TEXT, WIDTH, ArmStyle, bare, new_figure

__all__ = [
    "EDGE",
    "LEADING",
    "Grid",
    "KeyItem",
    "count_text",
    "draw_heading",
    "empty_figure",
    "fitted",
    "heading_height",
    "left_room",
    "name_y",
    "panel_grid",
    "place",
    "plain_axes",
    "text_width",
    "wrapped",
]

#: Room at the left and right edges of a figure, and the height of a line of small text, in inches.
EDGE, LEADING = 0.12, 0.175
_TITLE_LEADING, _KEY_ROW, _SAMPLE = 0.2, 0.22, 0.36
_BETWEEN = 0.22
_MOST_COLUMNS = 3
#: Size at which letters are measured, points.
_LARGE = 100.0


def count_text(count: int) -> str:
    """Write a number of people so that no line breaks inside it."""
    return f"n = {count}".replace(" ", "\N{NO-BREAK SPACE}")


def text_width(text: str, size: float = SMALL, *, bold: bool = False) -> float:
    """Width of a line of text in inches, with what coarse pixels add to it."""
    return 1.03 * size / 72.0 * sum(_advance(letter, bold) for letter in text)


@lru_cache(maxsize=1024)
def _advance(letter: str, bold: bool) -> float:
    """Width of a letter, in sizes of the font."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")))
    font.set_size(_LARGE, 72.0)
    # In 65536ths of a point.
    return float(font.load_char(ord(letter), flags=LoadFlags.NO_HINTING).linearHoriAdvance) / 65536.0 / _LARGE


def wrapped(text: str, room: float, size: float = SMALL, *, bold: bool = False) -> tuple[str, ...]:
    """Break a text into lines that are not wider than ``room`` (inches); a word that is wider is cut."""
    lines: list[str] = []
    for whole in text.split(" "):
        word = whole
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size, bold=bold) <= room:
            lines[-1] = longer
            continue
        while text_width(word, size, bold=bold) > room and len(word) > 1:
            most = next(
                count
                for count in range(len(word) - 1, 0, -1)
                if count == 1 or text_width(word[:count], size, bold=bold) <= room
            )
            lines.append(word[:most])
            word = word[most:]
        lines.append(word)
    return tuple(lines)


def fitted(text: str, room: float, size: float = SMALL) -> str:
    """Leave out the middle of a text that is wider than ``room`` (inches)."""
    if text_width(text, size) <= room:
        return text
    for kept in range(len(text) - 1, 1, -1):
        head = math.ceil(0.7 * kept)
        short = f"{text[:head].rstrip()}…{text[len(text) - (kept - head) :].lstrip()}"
        if text_width(short, size) <= room:
            return short
    return "…"


@dataclass(frozen=True)
class KeyItem:
    """A line of a key: its name and a line or marker that stands for it; None for words alone."""

    name: str
    sample: Line2D | None

    @classmethod
    def of_arm(cls, name: str, style: ArmStyle, marker: str = "") -> KeyItem:
        """Make the item of an arm."""
        return cls(name, Line2D([], [], marker=marker or "none", markersize=4.5, **style.line()))


def _key_rows(items: Sequence[KeyItem]) -> list[list[tuple[float, str, KeyItem]]]:
    """Place the items of a key row by row: distance from the left edge, and the text that fits."""
    rows: list[list[tuple[float, str, KeyItem]]] = []
    at = math.inf
    room = WIDTH - 2.0 * EDGE
    for item in items:
        sample = 0.0 if item.sample is None else _SAMPLE + 0.08
        text = fitted(item.name, room - sample)
        width = sample + text_width(text)
        if at + width > room:
            rows.append([])
            at = 0.0
        rows[-1].append((EDGE + at, text, item))
        at += width + _BETWEEN
    return rows


def heading_height(title: str, items: Sequence[KeyItem] = ()) -> float:
    """Height of a title and the key below it, in inches, with the room under them."""
    lines = wrapped(title, WIDTH - 2.0 * EDGE, TEXT, bold=True)
    return 0.12 + _TITLE_LEADING * len(lines) + _KEY_ROW * len(_key_rows(items)) + 0.14


def draw_heading(figure: Figure, title: str, items: Sequence[KeyItem] = ()) -> None:
    """Write a title at the top left of a figure, and a key below it."""
    high = figure.get_figheight()
    top = 0.12
    for line in wrapped(title, WIDTH - 2.0 * EDGE, TEXT, bold=True):
        figure.text(
            EDGE / WIDTH, 1.0 - top / high, line, fontsize=TEXT, fontweight="bold", color=INK, va="top"
        )
        top += _TITLE_LEADING
    for row in _key_rows(items):
        top += _KEY_ROW
        y = 1.0 - (top - 0.09) / high
        for left, text, item in row:
            start = left
            if item.sample is not None:
                _draw_sample(figure, item.sample, left, y)
                start += _SAMPLE + 0.08
            figure.text(start / WIDTH, y, text, fontsize=SMALL, color=INK, va="center_baseline")


def _draw_sample(figure: Figure, sample: Line2D, left: float, y: float) -> None:
    """Put the sample of a key at its place (inches from the left, share of the height)."""
    sample.set_transform(figure.transFigure)
    marked = sample.get_linestyle() in ("None", "none")
    middle = left + 0.5 * _SAMPLE
    ends = [middle] if marked else [left, middle, left + _SAMPLE]
    sample.set_data([x / WIDTH for x in ends], [y] * len(ends))
    sample.set_markevery([0] if marked else [1])
    figure.add_artist(sample)


def place(figure: Figure, left: float, top: float, wide: float, tall: float) -> Axes:
    """Put axes on a figure; all in inches from its top left corner."""
    high = figure.get_figheight()
    return figure.add_axes((left / WIDTH, 1.0 - (top + tall) / high, wide / WIDTH, tall / high))


def plain_axes(ax: Axes, *, grid: str = "y") -> None:
    """Give axes the common look: no frame, pale lines across one direction."""
    bare(ax)
    lines = ax.yaxis if grid == "y" else ax.xaxis
    lines.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)


def name_y(ax: Axes, text: str, tall: float) -> None:
    """Write what the vertical axis shows along it, in as many lines as fit its height (inches)."""
    ax.set_ylabel("\n".join(wrapped(text, tall)), fontsize=SMALL, color=INK2)


def left_room(names: Sequence[str], least: float = 0.75, most: float = 2.0) -> float:
    """Room for the longest of some names beside an axes, in inches, within limits."""
    return min(most, max(least, max((text_width(name) for name in names), default=0.0) + 0.2))


@dataclass(frozen=True)
class Grid:
    """Panels of equal size, a name above each.

    Parameters
    ----------
    columns : int
        Panels in a row.
    names : tuple of tuple of str
        Lines of text above each panel.
    tall, wide : float
        Size of a panel, inches.
    left, below : float
        Room at the left of each row, and below each panel, inches.
    """

    columns: int
    names: tuple[tuple[str, ...], ...]
    tall: float
    wide: float
    left: float
    below: float

    @property
    def _above(self) -> list[float]:
        """Room above each row of panels."""
        rows = range(0, len(self.names), self.columns)
        return [
            LEADING * max(len(name) for name in self.names[row : row + self.columns]) + 0.12 for row in rows
        ]

    @property
    def height(self) -> float:
        """Height of all, inches."""
        return sum(self._above) + len(self._above) * (self.tall + self.below)

    def axes(self, figure: Figure, top: float) -> list[Axes]:
        """Make the axes of all panels, ``top`` inches below the upper edge of the figure."""
        found = []
        step = self.wide + 0.22
        for row, above in enumerate(self._above):
            top += above
            for column, lines in enumerate(self.names[row * self.columns : (row + 1) * self.columns]):
                ax = place(figure, self.left + column * step, top, self.wide, self.tall)
                ax.text(
                    0.0,
                    1.0 + 0.07 / self.tall,
                    "\n".join(lines),
                    transform=ax.transAxes,
                    fontsize=SMALL,
                    color=INK,
                    va="bottom",
                    linespacing=1.2,
                )
                if column:
                    ax.tick_params(axis="y", labelleft=False)
                found.append(ax)
            top += self.tall + self.below
        return found


def panel_grid(names: Sequence[str], tall: float = 2.1, left: float = 0.75, below: float = 0.62) -> Grid:
    """Plan panels side by side, three in a row at most.

    Parameters
    ----------
    names : sequence of str
        What stands above each panel; it is broken into lines as wide as the panel.
    tall, left, below : float
        Height of a panel, room at the left of each row and below each panel, inches.
    """
    count = max(1, len(names))
    columns = 2 if count == 4 else min(count, _MOST_COLUMNS)
    wide = (WIDTH - left - EDGE - 0.22 * (columns - 1)) / columns
    lines = tuple(wrapped(name, wide) for name in names)
    return Grid(columns, lines, tall, wide, left, below)


def empty_figure(title: str, reason: str) -> Figure:
    """Make a small figure that says why there is nothing to draw."""
    lines = wrapped(reason, WIDTH - 2.0 * EDGE)
    top = heading_height(title)
    figure = new_figure(top + LEADING * len(lines) + 0.2)
    draw_heading(figure, title)
    high = figure.get_figheight()
    figure.text(
        EDGE / WIDTH,
        1.0 - top / high,
        "\n".join(lines),
        fontsize=SMALL,
        color=INK2,
        va="top",
        linespacing=1.3,
    )
    return figure
