"""The figure of a claim: what the model gives, with the criteria below it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from ketasim.claims import Answer, Check
from ketasim.claims.checks import in_words
from ketasim.claims.evidence import agreement
from ketasim.claims.picture import Bars, Line, Panel
from ketasim.report.style import DRUG, INK, INK2, INK3, SMALL, STRONG, WIDTH, ArmStyle, new_figure
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
    text_width,
    wrapped,
)

__all__ = ["claim_figure"]

_COLOURS = (DRUG, "#d55e00", "#008f68", "#b8578f", "#8a6d00")
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (2.0, 1.6), (7.0, 2.0, 1.5, 2.0), (10.0, 2.0))
_MARKERS = ("o", "s", "^", "D", "v")
_TALL, _ABOVE, _BELOW, _KEY_ROW = 2.5, 0.32, 0.56, 0.19
_BAR_ROW = 0.42
#: A single panel is not wider than this, so that its lines stay readable.
_WIDEST = 6.4
_MARKS = {True: "met", False: "missed", None: "not computed"}


def claim_figure(answer: Answer) -> Figure:
    """Draw what was computed for a claim.

    Parameters
    ----------
    answer : Answer
        With its picture and its criteria.

    Returns
    -------
    Figure
        Panels side by side, and the criteria in words below them.
    """
    title = f"“{answer.text[:1].upper()}{answer.text[1:]}”: {answer.verdict}"
    panels = answer.picture.panels
    top = heading_height(title)
    keys = max((len(_key(panel)) for panel in panels), default=0) * _KEY_ROW
    tall = max((_height(panel) for panel in panels), default=_TALL)
    lines = [line for check in answer.checks for line in _words(check)] + [_published(answer)]
    figure = new_figure(top + _ABOVE + keys + tall + _BELOW + LEADING * len(lines) + 0.2)
    draw_heading(figure, title)
    room = (WIDTH - EDGE) / max(1, len(panels))
    for place_number, panel in enumerate(panels):
        left = room * place_number + _room_left(panel)
        wide = min(room - _room_left(panel) - 0.2, _WIDEST)
        axes_top = top + _ABOVE + keys
        ax = place(figure, left, axes_top, wide, tall)
        _title(ax, panel, wide, tall, keys)
        _draw(ax, panel, tall)
    _write(figure, lines, top + _ABOVE + keys + tall + _BELOW)
    return figure


def _room_left(panel: Panel) -> float:
    return 0.85 if panel.bars is None else 0.1 + left_room(_names(panel.bars), 0.5, 2.6)


def _names(bars: Bars) -> list[str]:
    return [line for name in bars.names for line in name.split("\n")]


def _height(panel: Panel) -> float:
    return _TALL if panel.bars is None else max(_TALL, _BAR_ROW * len(panel.bars.names))


def _key(panel: Panel) -> list[tuple[str, Line2D]]:
    """Names with samples of what is drawn, one a row, where there is more than one thing."""
    items = [
        (
            curve.name,
            Line2D([], [], marker=marker if curve.points else "none", markersize=4.0, **style.line()),
        )
        for curve, style, marker in zip(panel.curves, _styles(panel), _MARKERS, strict=False)
    ]
    return items


def _styles(panel: Panel) -> list[ArmStyle]:
    """A style for each curve: grey for controls, hue and dash for the others."""
    found, number = [], 0
    for curve in panel.curves:
        if curve.quiet:
            found.append(ArmStyle(INK3, (3.0, 1.6), True))
        else:
            found.append(ArmStyle(_COLOURS[number % len(_COLOURS)], _DASHES[number % len(_DASHES)], False))
            number += 1
    return found


def _title(ax: Axes, panel: Panel, wide: float, tall: float, keys: float) -> None:
    at = ax.transAxes
    words = fitted(panel.title, wide)
    height = 1.0 + (keys + 0.1) / tall
    ax.text(0.0, height, words, transform=at, fontsize=SMALL, fontweight="bold", color=INK, va="bottom")
    for row, (name, sample) in enumerate(_key(panel)):
        y = 1.0 + (keys - _KEY_ROW * row - 0.06) / tall
        sample.set_data([0.0, 0.16 / wide, 0.32 / wide], [y, y, y])
        sample.set_markevery([1])
        sample.set_transform(at)
        sample.set_clip_on(False)
        ax.add_line(sample)
        ax.text(
            0.4 / wide,
            y,
            fitted(name, wide - 0.4),
            transform=at,
            fontsize=SMALL,
            color=INK,
            va="center_baseline",
        )


def _draw(ax: Axes, panel: Panel, tall: float) -> None:
    if panel.bars is None:
        plain_axes(ax)
        _draw_curves(ax, panel)
        name_y(ax, panel.y_label, tall)
        ax.set_xlabel(panel.x_label, fontsize=SMALL, color=INK2)
    else:
        plain_axes(ax, grid="x")
        _draw_bars(ax, panel.bars, panel.lines)
        ax.set_xlabel(panel.y_label, fontsize=SMALL, color=INK2)


def _draw_curves(ax: Axes, panel: Panel) -> None:
    for curve, style, marker in zip(panel.curves, _styles(panel), _MARKERS, strict=False):
        ax.plot(
            curve.x,
            curve.y,
            zorder=2.0 if curve.quiet else 3.0,
            marker=marker if curve.points else "",
            markersize=4.0,
            **style.line(),
        )
    if panel.log_x:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(10.0, (1.0, 2.0, 5.0)))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.yaxis.set_major_locator(MaxNLocator(6))
    ax.margins(x=0.02, y=0.08)
    values = [line.y for line in panel.lines]
    if values:
        low, high = ax.get_ylim()
        rest = 0.06 * (high - low)
        ax.set_ylim(min(low, *(value - rest for value in values)), max(high, *(v + rest for v in values)))
    for line in panel.lines:
        ax.axhline(line.y, color=INK3, linewidth=1.0, linestyle=(0, (1.0, 2.0)), zorder=1.0)
        ax.text(
            0.995,
            line.y,
            line.name,
            transform=ax.get_yaxis_transform(),
            fontsize=SMALL,
            color=INK2,
            ha="right",
            va="bottom",
        )
    ax.spines["bottom"].set_color(STRONG)


def _draw_bars(ax: Axes, bars: Bars, lines: Sequence[Line]) -> None:
    places = np.arange(len(bars.names), dtype=float)
    values = np.asarray(bars.values, dtype=float)
    known = np.isfinite(values)
    ax.barh(places[known], values[known], height=0.6, color=DRUG, zorder=2.0)
    for at, value in zip(places, values, strict=True):
        text = f"{value:.3g}" if np.isfinite(value) else "not computed"
        ax.annotate(
            text,
            (max(float(value), 0.0) if np.isfinite(value) else 0.0, at),
            xytext=(4.0, 0.0),
            textcoords="offset points",
            fontsize=SMALL,
            color=INK2,
            va="center",
        )
    for line in lines:
        ax.axvline(line.y, color=INK3, linewidth=1.0, linestyle=(0, (1.0, 2.0)), zorder=2.5)
    ax.set_yticks(places, bars.names, fontsize=SMALL)
    ax.set_ylim(len(places) - 0.5, -0.5)
    low, high = min(0.0, float(np.nanmin(values, initial=0.0))), float(np.nanmax(values, initial=0.0))
    ax.set_xlim(1.15 * low, 1.25 * high if high > 0.0 else 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(5))


def _words(check: Check) -> list[str]:
    """A criterion in words, in as many lines as it needs."""
    value = "" if check.value is None else in_words(check.value, check.unit)
    role = "limit, " if check.role == "limit" else ""
    found = f": {value}" if value else ""
    text = f"{role}{_MARKS[check.passed]}: {check.name}{found} (wanted: {check.criterion})"
    return list(wrapped(text, WIDTH - 2.0 * EDGE - text_width("   ")))


def _published(answer: Answer) -> str:
    share, publications = agreement(answer.ballots)
    noun = "publication" if publications == 1 else "publications"
    return f"published: {100.0 * share:.0f} % of {publications} {noun} agree" if publications else ""


def _write(figure: Figure, lines: Sequence[str], top: float) -> None:
    high = figure.get_figheight()
    for row, line in enumerate(lines):
        y = 1.0 - (top + LEADING * row) / high
        figure.text(EDGE / WIDTH, y, line, fontsize=SMALL, color=INK2, va="top")
