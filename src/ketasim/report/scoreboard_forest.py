"""Published values with their intervals beside predicted ones: a long figure in parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import blended_transform_factory

from ketasim.report.style import DRUG, FAIL, INK, INK2, INK3, LINE, SMALL, WIDTH, bare, new_figure
from ketasim.report.trial.layout import EDGE, KeyItem, draw_heading, fitted, heading_height, place
from ketasim.report.words import number, records, time_text
from ketasim.trials.study.rules import Z95
from ketasim.validation.predict.classes import class_error, from_class_scale, to_class_scale

__all__ = ["ForestPart", "forest_figure", "forest_parts"]

_ROW, _BELOW, _HEAD = 0.215, 0.62, 0.1
#: Left ends of the columns of text, and of the axes, inches.
_WHAT, _NUMBERS, _AXES = 1.6, 4.7, 5.9
#: Rows of a figure, at most.
_MOST = 34

_DOMAINS = {"pk": "Kinetics", "mechanism": "Mechanism", "clinical": "Clinic", "safety": "Harms"}
#: Name of the axis of each class, and how far it reaches at most, either side of its middle.
_AXIS = {
    "points": "points of the scale",
    "rate": "share of people, %",
    "log": "value over the predicted one",
    "effect_size": "standardised difference, SD",
    "correlation": "correlation",
    "relative": "relative change, %",
    "absolute": "from the prediction, predictive SDs",
}
_RATIO_REACH, _SD_REACH = math.log(20.0), 7.0
#: How many times as far as the farthest published value an axis reaches, at most.
_FAR = 2.5


@dataclass(frozen=True)
class ForestPart:
    """Rows of one figure: one domain and one class of rows, so that they share an axis.

    Parameters
    ----------
    name, title : str
        For the page's links, and above the figure.
    row_class : str
        Which axis it has.
    rows : DataFrame
        In order of stage.
    """

    name: str
    title: str
    row_class: str
    rows: pd.DataFrame


def forest_parts(rows: pd.DataFrame) -> Iterator[ForestPart]:
    """Cut measured quantitative rows into figures by domain and class, ordered by stage, study and time.

    Parameters
    ----------
    rows : DataFrame
        Of a scoreboard.
    """
    numbers = rows[(rows["kind"] == "quantitative") & rows["z"].notna()]
    order = ["stage", "quantity", "study", "time_h", "id"]
    for domain, own in numbers.groupby("domain"):
        for row_class, unsorted in own.groupby("row_class"):
            part = unsorted.sort_values(order, kind="stable").reset_index(drop=True)
            count = math.ceil(len(part) / _MOST)
            for index, places in enumerate(np.array_split(np.arange(len(part)), count), start=1):
                title = f"{_DOMAINS.get(str(domain), str(domain))}: {_words(str(row_class))}"
                title += f" ({index} of {count})" if count > 1 else ""
                name = f"forest-{domain}-{row_class}-{index}".replace("_", "-")
                yield ForestPart(name, title, str(row_class), part.iloc[places])


def _words(row_class: str) -> str:
    return {
        "points": "rating scales",
        "rate": "rates",
        "log": "concentrations, times, ratios and SDs",
        "effect_size": "effect sizes",
        "correlation": "correlations",
        "relative": "relative changes",
        "absolute": "other quantities",
    }[row_class]


def forest_figure(part: ForestPart) -> Figure:
    """Draw one part.

    Returns
    -------
    Figure
        A line a row: the predicted value with its 95 % interval as a bar, the published one with its
        own as a mark with whiskers, red and hollow where it lies outside the bar.
    """
    rows = list(records(part.rows))
    stages = list(dict.fromkeys(str(row["stage"]) for row in rows))
    tall = _ROW * (len(rows) + len(stages) + 0.4)
    key = _key()
    top = heading_height(part.title, key) + _HEAD
    figure = new_figure(top + tall + _BELOW)
    draw_heading(figure, part.title, key)
    ax = place(figure, _AXES, top, WIDTH - _AXES - 0.25, tall)
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_ylim(tall / _ROW, 0.0)
    ax.set_yticks([])
    spans = [_spans(row) for row in rows]
    _limits(ax, part.row_class, spans)
    y, stage = 0.0, ""
    for row, span in zip(rows, spans, strict=True):
        if row["stage"] != stage:
            stage = str(row["stage"])
            _write(ax, EDGE, y + 0.5, stage.replace("_", " "), strong=True)
            y += 1.0
        _row(ax, row, span, y + 0.5)
        y += 1.0
    return figure


def _key() -> list[KeyItem]:
    bar = Line2D([], [], color=DRUG, linewidth=5.0, alpha=0.4, solid_capstyle="butt")
    inside = Line2D([], [], color=INK, marker="o", markersize=4.2, linewidth=1.0)
    outside = Line2D([], [], color=FAIL, marker="o", markerfacecolor="none", markersize=5.2, linewidth=1.0)
    return [
        KeyItem("predicted, 95 %", bar),
        KeyItem("published, 95 % where an error is given", inside),
        KeyItem("published outside the predicted interval", outside),
    ]


@dataclass(frozen=True)
class _Span:
    """Where a row's predicted and published values lie on its axis."""

    middle: float
    low: float
    high: float
    observed: float
    observed_low: float
    observed_high: float

    @property
    def ends(self) -> tuple[float, ...]:
        every = (self.low, self.high, self.observed, self.observed_low, self.observed_high)
        return tuple(end for end in every if math.isfinite(end))


def _spans(row: dict[str, Any]) -> _Span:
    """Put a row on the axis of its class; those without a common unit against their prediction."""
    kind, n = str(row["row_class"]), float(row["n"])
    if kind in ("log", "absolute"):
        size = 1.0 if kind == "log" else 1.0 / row["sd"]
        error = Z95 * size * class_error(kind, row["observed"], row["observed_se"])
        at, half = size * (row["y"] - row["mean"]), Z95 * size * row["sd"]
        return _Span(0.0, -half, half, at, at - error, at + error)
    size = 100.0 if kind in ("rate", "relative") else 1.0
    low, high = _published(kind, row, n)
    middle, first, last, at = (size * float(row[name]) for name in ("predicted", "low", "high", "observed"))
    return _Span(middle, first, last, at, size * low, size * high)


def _published(kind: str, row: dict[str, Any], n: float) -> tuple[float, float]:
    """Ends of the published 95 % interval in the unit of the row; NaN without an error."""
    y = to_class_scale(kind, row["observed"], n)
    error = class_error(kind, row["observed"], row["observed_se"], n)
    if not math.isfinite(error):
        return math.nan, math.nan
    return from_class_scale(kind, y - Z95 * error), from_class_scale(kind, y + Z95 * error)


def _limits(ax: Axes, row_class: str, spans: Sequence[_Span]) -> None:
    """Set the reach of an axis and name it."""
    ends = np.array([end for span in spans for end in span.ends])
    ax.set_xlabel(_AXIS[row_class], fontsize=SMALL, color=INK2)
    if row_class == "rate":
        ax.set_xlim(-2.0, 102.0)
    elif row_class == "correlation":
        ax.set_xlim(-1.03, 1.03)
    elif row_class in ("log", "absolute"):
        most = _RATIO_REACH if row_class == "log" else _SD_REACH
        reach = 1.05 * min(most, max(float(np.abs(ends).max()), 0.5))
        ax.set_xlim(-reach, reach)
    else:
        # One prediction that is far off must not press the others together.
        most = _FAR * max(abs(span.observed) for span in spans)
        low = max(min(float(ends.min()), 0.0), -most)
        high = min(max(float(ends.max()), 0.0), most)
        pad = 0.06 * (high - low) or 1.0
        ax.set_xlim(low - pad, high + pad)
    if row_class == "log":
        wanted = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
        ax.set_xticks([math.log(item) for item in wanted if abs(math.log(item)) <= ax.get_xlim()[1]])
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(math.exp(x), 2)))
    else:
        ax.xaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(x)))
    ax.axvline(0.0, color=INK3, linewidth=0.9)


def _row(ax: Axes, row: dict[str, Any], span: _Span, y: float) -> None:
    """Write and draw one row."""
    _write(ax, EDGE + 0.1, y, fitted(str(row["study"]), _WHAT - EDGE - 0.2))
    _write(ax, _WHAT, y, fitted(_what(row), _NUMBERS - _WHAT - 0.2))
    unit = 100.0 if row["row_class"] in ("rate", "relative") else 1.0
    mark = " %" if unit > 1.0 else ""
    text = f"{number(unit * row['observed'])} | {number(unit * row['predicted'])}{mark}"
    _write(ax, _NUMBERS, y, fitted(text, _AXES - _NUMBERS - 0.08))
    left, right = ax.get_xlim()
    ax.plot(
        [max(span.low, left), min(span.high, right)],
        [y, y],
        color=DRUG,
        alpha=0.4,
        linewidth=5.0,
        solid_capstyle="butt",
    )
    if left < span.middle < right:
        ax.plot([span.middle], [y], marker="|", markersize=7.0, color=DRUG)
    inside = bool(row["inside"])
    colour = INK if inside else FAIL
    if math.isfinite(span.observed_low):
        ends = [min(max(end, left), right) for end in (span.observed_low, span.observed_high)]
        ax.plot(ends, [y, y], color=colour, linewidth=1.0)
    at = min(max(span.observed, left), right)
    marker = "o" if at == span.observed else (">" if at == right else "<")
    ax.plot(
        [at],
        [y],
        marker=marker,
        markersize=4.2 if inside else 5.2,
        color=colour,
        markerfacecolor=colour if inside else "none",
        clip_on=False,
    )


def _what(row: dict[str, Any]) -> str:
    """Quantity, statistic, arm and time in few letters."""
    when = f", {time_text(row['time_h'])}" if math.isfinite(row["time_h"]) else ""
    against = f" v {row['comparator']}" if row["comparator"] else ""
    text = f"{row['quantity']} {row['statistic']}{when}, {row['arm']}{against}"
    return text.replace("_", " ")


def _write(ax: Axes, left: float, y: float, text: str, *, strong: bool = False) -> None:
    wide = WIDTH - _AXES - 0.25
    ax.text(
        (left - _AXES) / wide,
        y,
        text,
        transform=blended_transform_factory(ax.transAxes, ax.transData),
        fontsize=SMALL,
        va="center_baseline",
        color=INK if strong else INK2,
        fontweight="bold" if strong else "normal",
    )
