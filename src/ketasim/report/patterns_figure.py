"""The figure of a pattern: what the model gives beside what was published, with the criteria below it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ketasim.report.style import (
    DRUG,
    INK,
    INK2,
    INK3,
    LINE,
    SMALL,
    WIDTH,
    ArmStyle,
    figure_png,
    figure_svg,
    new_figure,
)
from ketasim.report.trial.layout import (
    EDGE,
    LEADING,
    draw_heading,
    fitted,
    heading_height,
    left_room,
    name_y,
    place,
    plain_axes,
    wrapped,
)
from ketasim.validation.patterns import Check, Shown
from ketasim.validation.patterns.picture import Bars, Curve, Panel

__all__ = ["patterns_figure", "write_pattern_figures"]

_COLOURS = (DRUG, "#d55e00", "#008f68", "#b8578f", "#8a6d00")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (2.0, 1.6), (7.0, 2.0, 1.5, 2.0), (10.0, 2.0))
_MARKERS = ("o", "s", "^", "D", "v", "P")
_PUBLISHED = "#b3371f"
_TALL, _ABOVE, _BELOW, _KEY_ROW, _BAR_ROW = 2.5, 0.32, 0.6, 0.19, 0.36
#: A single panel is not wider than this, so that its lines stay readable.
_WIDEST = 6.4
#: Small files for pages.
_SMALL_DPI = 80
_MARKS = {True: "met", False: "missed", None: "reported"}


def patterns_figure(shown: Shown) -> Figure:
    """Draw what was computed for a pattern.

    Parameters
    ----------
    shown : Shown
        With its picture and its criteria.

    Returns
    -------
    Figure
        Panels side by side, and the criteria in words below them.
    """
    title = f"{shown.text}: {shown.outcome}"
    panels = shown.picture.panels
    top = heading_height(title)
    keys = max(len(_key(panel)) for panel in panels) * _KEY_ROW
    tall = max(_height(panel) for panel in panels)
    lines = [line for check in shown.checks for line in _words(check)]
    foot = top + _ABOVE + keys + tall + _BELOW
    figure = new_figure(foot + LEADING * len(lines) + 0.2)
    draw_heading(figure, title)
    room = (WIDTH - EDGE) / len(panels)
    for number, panel in enumerate(panels):
        left = room * number + _room_left(panel)
        wide = min(room - _room_left(panel) - 0.2, _WIDEST)
        ax = place(figure, left, top + _ABOVE + keys, wide, tall)
        _title(ax, panel, wide, tall, keys)
        _draw(ax, panel, tall)
    high = figure.get_figheight()
    for row, line in enumerate(lines):
        y = 1.0 - (foot + LEADING * row) / high
        figure.text(EDGE / WIDTH, y, line, fontsize=SMALL, color=INK2, va="top")
    return figure


def write_pattern_figures(
    shown: Sequence[Shown], folder: Path | str, kind: Literal["svg", "png"] = "svg"
) -> dict[str, Path]:
    """Write the figure of each pattern.

    Parameters
    ----------
    shown : sequence of Shown
        What to draw.
    folder : Path or str
        Made if it does not exist.
    kind : str
        ``svg``, or ``png``, which is small enough for a page.

    Returns
    -------
    dict of str to Path
        By the name of the pattern: ``pattern_<name>.svg``.

    Raises
    ------
    OSError
        If a file cannot be written.
    """
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    paths = {}
    for item in shown:
        path = paths[item.name] = where / f"pattern_{item.name}.{kind}"
        figure = patterns_figure(item)
        if kind == "svg":
            path.write_text(figure_svg(figure), encoding="utf-8")
        else:
            path.write_bytes(figure_png(figure, _SMALL_DPI))
    return paths


def _room_left(panel: Panel) -> float:
    return 0.85 if panel.bars is None else 0.1 + left_room(panel.bars.names, 0.5, 2.2)


def _height(panel: Panel) -> float:
    return _TALL if panel.bars is None else max(_TALL, _BAR_ROW * len(panel.bars.names))


def _styles(panel: Panel) -> list[ArmStyle]:
    """A style for each curve: grey for controls, hue and dash for the others."""
    found, number, quiet = [], 0, 0
    for curve in panel.curves:
        if curve.quiet:
            found.append(ArmStyle(INK3, _DASHES[1 + quiet % 4], True))
            quiet += 1
        else:
            found.append(ArmStyle(_COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)], False))
            number += 1
    return found


def _open_mark() -> dict[str, Any]:
    return {
        "marker": "D",
        "markersize": 6.0,
        "markerfacecolor": "none",
        "markeredgecolor": _PUBLISHED,
        "linestyle": "none",
    }


def _marker(curve: Curve, number: int) -> str:
    return _MARKERS[number % len(_MARKERS)] if curve.points else ""


def _key(panel: Panel) -> list[tuple[str, Line2D]]:
    """Names with samples of what is drawn, one a row."""
    items = [
        (curve.name, Line2D([], [], marker=_marker(curve, number), markersize=4.0, **style.line()))
        for number, (curve, style) in enumerate(zip(panel.curves, _styles(panel), strict=True))
    ]
    items += [(f"published: {item.name}", Line2D([], [], **_open_mark())) for item in panel.published]
    if panel.bars is not None and np.isfinite(panel.bars.published).any():
        items.append(("published", Line2D([], [], **_open_mark())))
    items += [(f"criterion: {band.name}", Line2D([], [], color=LINE, linewidth=6.0)) for band in panel.bands]
    return items


def _title(ax: Axes, panel: Panel, wide: float, tall: float, keys: float) -> None:
    at = ax.transAxes
    height = 1.0 + (keys + 0.1) / tall
    words = fitted(panel.title, wide)
    ax.text(0.0, height, words, transform=at, fontsize=SMALL, fontweight="bold", color=INK, va="bottom")
    for row, (name, sample) in enumerate(_key(panel)):
        y = 1.0 + (keys - _KEY_ROW * row - 0.06) / tall
        sample.set_data([0.0, 0.16 / wide, 0.32 / wide], [y, y, y])
        sample.set_markevery([1])
        sample.set_transform(at)
        sample.set_clip_on(False)
        ax.add_line(sample)
        said = fitted(name, wide - 0.4)
        ax.text(0.4 / wide, y, said, transform=at, fontsize=SMALL, color=INK, va="center_baseline")


def _draw(ax: Axes, panel: Panel, tall: float) -> None:
    if panel.bars is None:
        plain_axes(ax)
        _draw_curves(ax, panel)
        name_y(ax, panel.y_label, tall)
        ax.set_xlabel(panel.x_label, fontsize=SMALL, color=INK2)
    else:
        plain_axes(ax, grid="x")
        _draw_bars(ax, panel.bars)
        ax.set_xlabel(panel.y_label, fontsize=SMALL, color=INK2)


def _draw_curves(ax: Axes, panel: Panel) -> None:
    for number, (curve, style) in enumerate(zip(panel.curves, _styles(panel), strict=True)):
        ax.plot(
            curve.x,
            curve.y,
            zorder=2.0 if curve.quiet else 3.0,
            marker=_marker(curve, number),
            markersize=4.0,
            drawstyle="steps-post" if curve.steps else "default",
            **style.line(),
        )
    for item in panel.published:
        ax.plot(item.x, item.y, zorder=4.0, **_open_mark())
    if panel.log_x:
        ax.set_xscale("log")
        low, high = ax.get_xlim()
        wide = high / low > 200.0
        ax.xaxis.set_major_locator(LogLocator(10.0, (1.0,) if wide else (1.0, 2.0, 5.0)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.margins(x=0.02, y=0.08)
    low, high = ax.get_ylim()
    for band in panel.bands:
        # A criterion may reach far beyond what is drawn; only what is drawn counts for the axis.
        if band.high - band.low < 2.0 * (high - low):
            low, high = min(low, band.low), max(high, band.high)
        ax.axhspan(band.low, band.high, color=LINE, zorder=0.5, linewidth=0.0)
    ax.set_ylim(low, high)


def _draw_bars(ax: Axes, bars: Bars) -> None:
    places = np.arange(len(bars.names), dtype=float)
    values = np.asarray(bars.values, dtype=float)
    known = np.isfinite(values)
    ax.barh(places[known], values[known], height=0.6, color=DRUG, zorder=2.0)
    published = np.asarray(bars.published or np.full(len(places), np.nan), dtype=float)
    ax.plot(published, places, zorder=4.0, **_open_mark())
    for at, value, mark in zip(places, values, published, strict=True):
        left = np.isfinite(value) and value < 0.0
        # Beyond the published mark, so that neither hides the other.
        beyond = [item for item in (value, mark) if np.isfinite(item)] or [0.0]
        ax.annotate(
            f"{value:.3g}" if np.isfinite(value) else "none",
            (min(beyond) if left else max(beyond), at),
            xytext=(-7.0 if left else 7.0, 0.0),
            textcoords="offset points",
            fontsize=SMALL,
            color=INK2,
            va="center",
            ha="right" if left else "left",
        )
    ax.set_yticks(places, bars.names, fontsize=SMALL)
    ax.set_ylim(len(places) - 0.5, -0.5)
    every = np.concatenate([values, published])
    low, high = min(0.0, float(np.nanmin(every))), max(0.0, float(np.nanmax(every)))
    span = high - low or 1.0
    ax.set_xlim(low - (0.2 * span if low < 0.0 else 0.0), high + (0.2 * span if high > 0.0 else 0.0))
    ax.xaxis.set_major_locator(MaxNLocator(5))


def _words(check: Check) -> list[str]:
    """A criterion in words, in as many lines as it needs."""
    wanted = "" if check.passed is None else f" (wanted: {check.criterion})"
    text = f"{_MARKS[check.passed]}: {check.name}: {check.in_words}{wanted}"
    return list(wrapped(text, WIDTH - 2.0 * EDGE - 0.2))
