"""The cascade of scenarios as one figure: cause runs down, time runs right on the axis of the page."""

from __future__ import annotations

import io
import json
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.api.scenarios import Axis
from ketasim.app.cascade_rows import Row
from ketasim.app.exports.about import Origin
from ketasim.app.exports.clock_ticks import clock_names, clock_ticks, seam_text
from ketasim.app.exports.scenario_tables import LETTERS, failed_rules
from ketasim.report.style import (
    DARK,
    INK,
    INK2,
    INK3,
    LINE,
    PAPER,
    SMALL,
    STAGE_COLOURS,
    STRONG,
    SURFACE,
    TEXT,
    WIDTH,
    bare,
    new_figure,
)
from ketasim.report.words import number

__all__ = ["caption", "chain_figure", "drawn"]

FloatArray = npt.NDArray[np.float64]

#: Inches: margins left and right, a row, the gap between rows, a line of text, and room above and below.
_LEFT, _RIGHT, _ROW, _GAP, _LINE, _TOP, _BOTTOM = 2.3, 0.8, 0.58, 0.12, 0.165, 0.6, 0.62
#: Strokes of A to D: stroke says which scenario, hue says which stage.
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 3.0), (9.0, 3.0, 2.0, 3.0), (2.0, 2.0))
_PAIN = "#b65a5c"
_WRAP = 118
_SETTINGS: Any = {
    "font.family": "DejaVu Sans",
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "ketasim",
}
#: Share of a row's span that a line covers.
_THIN = 0.02
#: Marks of doses that are drawn one by one at most.
_MOST_MARKS = 60


def chain_figure(
    results: Sequence[Mapping[str, Any]], rows: Sequence[Row], axis: Axis, zero_h: float, theme: str
) -> Figure:
    """Draw scenarios as the page does.

    Parameters
    ----------
    results : sequence of mapping
        Results of ``/simulate``, one to four.
    rows : sequence of Row
        Rows from top to bottom; those that a result does not have are left out.
    axis : Axis
        The axis of the results.
    zero_h : float
        Time of the dose at which the clock starts, hours since the first dose.
    theme : str
        ``light`` or ``dark``.

    Returns
    -------
    Figure
    """
    shown = [row for row in rows if row.id in results[0]["series"]]
    texts = [line for result in _titles(results) for line in textwrap.wrap(result, _WRAP)]
    below = textwrap.wrap(caption(axis, zero_h, Origin.here()), _WRAP + 12)
    top = _TOP + _LINE * len(texts)
    height = top + len(shown) * (_ROW + _GAP) + _BOTTOM + _LINE * len(below)
    figure = new_figure(height)
    tone = _Tone(theme)
    figure.set_facecolor(tone(SURFACE))
    for index, line in enumerate(texts):
        figure.text(
            0.01, 1.0 - (0.16 + _LINE * index) / height, line, fontsize=TEXT, color=tone(INK), va="center"
        )
    for index, row in enumerate(shown):
        bottom = height - top - (index + 1) * (_ROW + _GAP) + _GAP
        box = (_LEFT / WIDTH, bottom / height, 1.0 - (_LEFT + _RIGHT) / WIDTH, _ROW / height)
        ax = figure.add_axes(box)
        _ground(ax, axis, tone)
        _draw_row(ax, row, results, axis, zero_h, tone)
        if index == 0:
            _draw_doses(ax, results[0]["events"], axis, zero_h, tone)
        if index == len(shown) - 1:
            _label_times(ax, axis, tone)
    for index, line in enumerate(below):
        y = (_LINE * (len(below) - index) - 0.05) / height
        figure.text(0.01, y, line, fontsize=SMALL - 1.0, color=tone(INK2), va="center")
    return figure


class _Tone:
    """Turns a colour of day into that of the theme."""

    def __init__(self, theme: str) -> None:
        self._dark = theme == "dark"

    def __call__(self, colour: str) -> str:
        return DARK.get(colour, colour) if self._dark else colour


def _titles(results: Sequence[Mapping[str, Any]]) -> list[str]:
    told = [str(result["sentence"]) for result in results]
    if len(results) > 1:
        told = [f"{letter}: {text}" for letter, text in zip(LETTERS, told, strict=False)]
    return [*told, *failed_rules(results)]


def caption(axis: Axis, zero_h: float, origin: Origin) -> str:
    """Say what the axis is, what made the figure, and what it is not for."""
    start = "the first dose" if zero_h == 0.0 else f"the dose at {seam_text(zero_h)}"
    seams = [seam_text(hours) for hours in axis.knots_h[1:-1] if hours > 0.0]
    told = f"Time since {start}"
    if clock_names(axis) and seams:
        told += f"; the scale of the axis changes at {', '.join(seams)}, so slopes cannot be compared across"
    return f"{told}. {' '.join(origin.lines)}"


def _ground(ax: Axes, axis: Axis, tone: _Tone) -> None:
    """Clocks as faint bands, the seams between them as dotted lines."""
    bare(ax, bottom=False)
    ax.set_facecolor(tone(SURFACE))
    ax.set_xlim(0.0, 1.0)
    ax.set_xticks([])
    if clock_names(axis):
        places = axis.edges_x
        for index in range(0, len(places) - 1, 2):
            ax.axvspan(places[index], places[index + 1], facecolor=tone(PAPER), edgecolor="none", zorder=0)
        for seam in places[1:-1]:
            ax.axvline(seam, color=tone(STRONG), linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)


def _draw_row(
    ax: Axes, row: Row, results: Sequence[Mapping[str, Any]], axis: Axis, zero_h: float, tone: _Tone
) -> None:
    low, high = row.low, row.high
    hue = tone(_PAIN if row.stage == "pain" else STAGE_COLOURS.get(row.stage, INK))
    control = (results[0].get("control") or {}).get("series") or {}
    if row.group == "main" and row.id in control:
        own = np.asarray(control[row.id]["mid"], dtype=np.float64)
        ax.plot(_places(results[0], axis, zero_h), own, color=tone(INK3), linewidth=1.0, zorder=2)
    for index, result in reversed(list(enumerate(results))):
        series = result["series"].get(row.id)
        if series is None:
            continue
        lowest, highest = (np.asarray(series[name], dtype=np.float64) for name in ("lo", "hi"))
        # What rounding leaves beyond the range of the row moves nothing.
        slack = 0.005 * (row.high - row.low)
        least, most = float(lowest.min()), float(highest.max())
        low, high = (least if least < low - slack else low), (most if most > high + slack else high)
        colour = hue if index == 0 else tone(INK2)
        _curve(ax, _places(result, axis, zero_h), series, colour, _DASHES[index % len(_DASHES)])
    span = high - low
    ax.set_ylim(low - 0.06 * span, high + 0.06 * span)
    ax.set_yticks([])
    rest = results[0]["rest"].get(row.id)
    if rest is not None:
        ax.axhline(rest, color=tone(LINE), linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    _label_row(ax, row, low, high, hue, tone)


def _places(result: Mapping[str, Any], axis: Axis, zero_h: float) -> FloatArray:
    return axis.position(np.asarray(result["time_h"], dtype=np.float64) - zero_h)


def _curve(
    ax: Axes, places: FloatArray, series: Mapping[str, Any], colour: str, dash: tuple[float, ...]
) -> None:
    """Draw the course, and the least and largest value of each column, so that no spike is lost."""
    mid, low, high = (np.asarray(series[name], dtype=np.float64) for name in ("mid", "lo", "hi"))
    for inner, outer, alpha in (("q25", "q75", 0.13), ("q05", "q95", 0.11)):
        if series.get(inner) is not None:
            ax.fill_between(places, series[inner], series[outer], color=colour, alpha=alpha, linewidth=0)
    style = (0, dash) if dash else "-"
    # Where a column holds more than the line itself covers.
    tall = high - low > _THIN * max(float(high.max() - low.min()), 1e-12)
    if tall.any():
        ax.fill_between(places, low, high, where=tall, color=colour, alpha=0.55, linewidth=0.5, zorder=3)
    ax.plot(places, mid, color=colour, linestyle=style, linewidth=1.6, dash_capstyle="butt", zorder=4)


def _label_row(ax: Axes, row: Row, low: float, high: float, hue: str, tone: _Tone) -> None:
    to_left = (0.1 - _LEFT) / (WIDTH - _LEFT - _RIGHT)
    beside = (
        (to_left, 0.68, row.name, TEXT, hue, "bold"),
        (to_left, 0.26, f"{row.measure}, {row.unit}", SMALL - 1.5, tone(INK2), "normal"),
        (1.012, 0.9, number(high), SMALL - 1.0, tone(INK2), "normal"),
        (1.012, 0.08, number(low), SMALL - 1.0, tone(INK2), "normal"),
    )
    for x, y, text, size, colour, weight in beside:
        ax.text(
            x, y, text, transform=ax.transAxes, fontsize=size, color=colour, fontweight=weight, va="center"
        )


def _draw_doses(
    ax: Axes, events: Sequence[Mapping[str, Any]], axis: Axis, zero_h: float, tone: _Tone
) -> None:
    """Mark the doses of the first scenario above its first row, with their true length."""
    above = ax.get_xaxis_transform()
    first, last = axis.knots_h[0], axis.knots_h[-1]
    inside = [event for event in events if first <= float(event["time_h"]) - zero_h <= last]
    for event in inside[:_MOST_MARKS]:
        ends = axis.position([float(event["time_h"]) - zero_h, float(event["end_h"]) - zero_h])
        ax.plot(
            ends,
            [1.14, 1.14],
            transform=above,
            color=tone(INK),
            clip_on=False,
            linewidth=3.0,
            solid_capstyle="butt",
        )
        ax.plot([ends[0]], [1.14], "v", transform=above, color=tone(INK), clip_on=False, markersize=4.5)
    for middle, name in clock_names(axis):
        ax.text(
            middle,
            1.32,
            name.capitalize(),
            transform=above,
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=tone(INK2),
        )


def _label_times(ax: Axes, axis: Axis, tone: _Tone) -> None:
    ticks = clock_ticks(axis)
    ax.set_xticks([tick.place for tick in ticks], [tick.text for tick in ticks])
    for tick, label in zip(ticks, ax.get_xticklabels(), strict=True):
        label.set_fontweight("bold" if tick.seam else "normal")
        label.set_color(tone(INK if tick.seam else INK2))
        label.set_fontsize(SMALL)
    ax.spines["bottom"].set_visible(True)
    ax.spines["bottom"].set_color(tone(STRONG))


def drawn(figure: Figure, kind: str, about: Mapping[str, Any]) -> bytes:
    """Draw a figure as SVG, PNG or PDF.

    Parameters
    ----------
    figure : Figure
        The figure.
    kind : str
        ``svg``, ``png`` or ``pdf``.
    about : mapping
        Put into the file's metadata as JSON: the axis and what made it.
    """
    text = json.dumps(about, sort_keys=True)
    metadata: Mapping[str, dict[str, Any]] = {
        "svg": {"Date": None, "Creator": "Ketasim", "Description": text},
        "png": {"Software": "Ketasim", "Description": text},
        "pdf": {"CreationDate": None, "Creator": "Ketasim", "Subject": text},
    }
    buffer = io.BytesIO()
    with mpl.rc_context(_SETTINGS):
        figure.savefig(buffer, format=kind, dpi=150, metadata=metadata[kind], facecolor="auto")
    return buffer.getvalue()
