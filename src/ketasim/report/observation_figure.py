"""Every published number beside the simulated one."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ketasim.report.data import ReportData
from ketasim.report.findings import freedom, is_met
from ketasim.report.style import (
    FAIL,
    INK,
    INK2,
    INK3,
    LINE,
    SMALL,
    SURFACE,
    TEXT,
    WIDTH,
    ArmStyle,
    arm_styles,
    bare,
    new_figure,
)
from ketasim.report.words import (
    SCALE_WORDS,
    arm_label,
    interval,
    number,
    records,
    unit_words,
    visit_text,
    z_text,
)
from ketasim.trials.study.rules import RATE_STATISTICS

__all__ = ["Group", "grouped", "observation_figure"]

Group = tuple[str, str, str, list[dict[str, Any]]]

_ROW, _HEAD, _FOOT, _TOP = 0.235, 0.42, 0.42, 0.34
_LEFT, _RIGHT = 2.9, 1.35


def grouped(data: ReportData) -> list[Group]:
    """Group compared rows by quantity, statistic and unit, sorted by arm and time.

    Returns
    -------
    list of (quantity, statistic, unit, rows)
    """
    order = {arm.id: index for index, arm in enumerate(data.study.arms)}
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for row in records(data.comparison):
        groups.setdefault((row["quantity"], row["statistic"], row["unit"]), []).append(row)

    def by_arm(row: dict[str, Any]) -> tuple[int, str, float]:
        first = row["arm"].split("+")[0].strip()
        return order.get(first, len(order)), row["arm"], row["time_h"]

    return [(*key, sorted(rows, key=by_arm)) for key, rows in groups.items()]


def observation_figure(data: ReportData) -> Figure | None:
    """Draw observed and predicted values of each published number, with z.

    Parameters
    ----------
    data : ReportData
        Its ``comparison`` and ``study`` are used.

    Returns
    -------
    Figure or None
        None if there is nothing to compare with.
    """
    groups = grouped(data)
    if not groups:
        return None
    styles = arm_styles(data.study)
    count = sum(len(rows) for *_, rows in groups)
    height = _TOP + count * _ROW + len(groups) * (_HEAD + _FOOT)
    figure = new_figure(height)
    _key(figure, height)
    top = _TOP
    for quantity, statistic, unit, rows in groups:
        tall = len(rows) * _ROW
        box = (
            _LEFT / WIDTH,
            1.0 - (top + _HEAD + tall) / height,
            1.0 - (_LEFT + _RIGHT) / WIDTH,
            tall / height,
        )
        ax = figure.add_axes(box)
        _draw_group(ax, data, rows, styles)
        title = f"{SCALE_WORDS.get(quantity, quantity.replace('_', ' '))}, {statistic}"
        at_left = (0.04 - _LEFT) / (WIDTH - _LEFT - _RIGHT)
        ax.annotate(
            title,
            (at_left, 1.0),
            xycoords="axes fraction",
            xytext=(0, 6),
            textcoords="offset points",
            fontsize=TEXT,
            fontweight="bold",
            color=INK,
        )
        ax.set_xlabel(unit_words(unit) or "% of patients", fontsize=SMALL, color=INK2, labelpad=2)
        if statistic in ("direction", "binary", "ratio"):
            ax.set_xlabel({"direction": "−1 down, 0 same, 1 up"}.get(statistic, statistic), fontsize=SMALL)
        top += _HEAD + tall + _FOOT
    return figure


def _key(figure: Figure, height: float) -> None:
    marks = [("published, used to calibrate", "o", INK2), ("published, check only", "o", SURFACE)]
    handles = [
        Line2D(
            [],
            [],
            marker=marker,
            markerfacecolor=face,
            markeredgecolor=INK2,
            markersize=6.0,
            color=INK2,
            linewidth=1.0,
            label=label,
        )
        for label, marker, face in marks
    ]
    handles.append(
        Line2D(
            [],
            [],
            marker="|",
            markersize=9,
            markeredgewidth=2.2,
            color=INK3,
            linewidth=4.0,
            alpha=0.6,
            label="model",
        )
    )
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.012, 1.0 - 0.04 / height),
        ncols=3,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0.0,
        borderpad=0.0,
    )
    at = 1.0 - (_RIGHT - 0.03 * (WIDTH - _LEFT - _RIGHT)) / WIDTH
    figure.text(at, 1.0 - 0.14 / height, "z", fontsize=SMALL, color=INK2, va="center")


def _draw_group(ax: Axes, data: ReportData, rows: list[dict[str, Any]], styles: dict[str, ArmStyle]) -> None:
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    names = []
    for line, row in enumerate(rows):
        first = row["arm"].split("+")[0].strip()
        colour = styles[first].colour if first in styles else INK2
        _draw_pair(ax, line, row, colour, freedom(data, row))
        against = f" − {arm_label(row['comparator'])}" if row["comparator"] else ""
        names.append(f"{arm_label(row['arm'])}{against}, {visit_text(data.study, row['time_h'])}")
    ax.set_yticks(range(len(rows)), [name if len(name) < 42 else f"{name[:40]}…" for name in names])
    ax.tick_params(axis="y", labelsize=SMALL, labelcolor=INK)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    factor = 100.0 if rows[0]["statistic"] in RATE_STATISTICS else 1.0
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(factor * value)))
    ax.margins(x=0.04)


def _draw_pair(ax: Axes, line: int, row: dict[str, Any], colour: str, free: float) -> None:
    rate = row["statistic"] in RATE_STATISTICS
    predicted, error = float(row["predicted"]), float(row["predicted_se"])
    if math.isfinite(predicted):
        if math.isfinite(error):
            ends = interval(predicted, error, rate=rate, freedom=free)
            ax.plot(ends, [line, line], color=INK3, linewidth=4.0, alpha=0.35, solid_capstyle="butt")
        ax.plot([predicted], [line], marker="|", markersize=9, markeredgewidth=2.2, color=INK3)
    observed, spread = float(row["observed"]), float(row["observed_se"])
    if math.isfinite(spread):
        ends = interval(observed, spread, rate=rate)
        ax.plot(ends, [line, line], color=colour, linewidth=1.1)
    face = colour if row["use"] == "calibration" else SURFACE
    marker = "D" if row["use"] == "heldout" else "o"
    ax.plot(
        [observed],
        [line],
        marker=marker,
        markersize=6.0,
        markerfacecolor=face,
        markeredgecolor=colour,
        markeredgewidth=1.3,
        zorder=5,
    )
    z = float(row["z"])
    text = "no error given" if not math.isfinite(z) else z_text(z)
    missed = math.isfinite(z) and not is_met(z)
    ax.text(
        1.03,
        line,
        f"{text}  missed" if missed else text,
        transform=ax.get_yaxis_transform(),
        fontsize=SMALL,
        color=FAIL if missed else INK2,
        va="center",
        fontweight="bold" if missed else "normal",
    )
