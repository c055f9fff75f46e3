"""Contrasts against control split in two, harms in the first hours, and what matters most."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ketasim.report.data import ReportData
from ketasim.report.findings import Contrast, all_contrasts
from ketasim.report.style import (
    DRUG,
    EXPECTANCY,
    INK,
    INK2,
    INK3,
    LINE,
    SMALL,
    SURFACE,
    TEXT,
    ArmStyle,
    arm_styles,
    bare,
    label_arms,
    new_figure,
)
from ketasim.report.words import (
    SCALE_WORDS,
    arm_label,
    interval,
    number,
    records,
    time_text,
    unit_words,
    visit_text,
)

__all__ = [
    "HARMS",
    "HARM_HOURS",
    "contrast_figure",
    "early_groups",
    "harms_figure",
    "has_squares",
    "influence_figure",
]

#: Span of the harms that are shown, in hours after the first dose.
HARM_HOURS = 4.0
_TORNADO_ROWS = 15

#: Harms that are drawn: quantity, title with unit, and whether the change from before is shown.
HARMS: tuple[tuple[str, str, bool], ...] = (
    ("cadss", "Dissociation, CADSS points", False),
    ("systolic_pressure", "Systolic pressure, change in mmHg", True),
    ("sedation", "Alertness, MOAA/S points (5 = awake)", False),
    ("nausea", "Nausea, probability", False),
)


def contrast_figure(data: ReportData) -> Figure | None:
    """Draw each contrast against control as two stacked parts, with the published difference.

    Returns
    -------
    Figure or None
        None if there is no control arm.
    """
    found = all_contrasts(data)
    if not found:
        return None
    arms = list(dict.fromkeys(item.arm for item in found))
    figure = new_figure(3.7)
    left, gap = 0.085, 0.018
    width = (0.99 - left - gap * (len(arms) - 1)) / len(arms)
    axes: list[Axes] = []
    for index, arm in enumerate(arms):
        box = (left + index * (width + gap), 0.175, width, 0.585)
        ax = figure.add_axes(box, sharey=axes[0]) if axes else figure.add_axes(box)
        axes.append(ax)
        rows = [item for item in found if item.arm == arm]
        _draw_contrasts(ax, data, rows, crowded=len(arms) > 2)
        ax.set_title(
            f"{arm_label(arm)}\n− {arm_label(rows[0].comparator)}",
            fontsize=SMALL,
            fontweight="bold",
            color=INK,
            loc="left",
            pad=4,
        )
        if index:
            ax.tick_params(axis="y", labelleft=False)
    scale = data.study.population.baseline.scale
    axes[0].set_ylabel(f"{SCALE_WORDS[scale]} points", fontsize=SMALL, color=INK2)
    _contrast_key(figure, found)
    return figure


def _contrast_key(figure: Figure, found: list[Contrast]) -> None:
    handles: list[Patch | Line2D] = [Line2D([], [], color=INK, linewidth=2.2, label="model, whole contrast")]
    if any(math.isfinite(item.drug) for item in found):
        handles.insert(
            0, Patch(facecolor=EXPECTANCY, hatch="////", edgecolor=SURFACE, label="expectancy part")
        )
        handles.insert(0, Patch(facecolor=DRUG, label="drug part"))
    if any(math.isfinite(item.published) for item in found):
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                marker="o",
                markerfacecolor=SURFACE,
                markersize=6.0,
                linewidth=1.0,
                label="published, 95 %",
            )
        )
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.08, 0.995),
        ncols=4,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0.0,
    )


def _draw_contrasts(ax: Axes, data: ReportData, rows: list[Contrast], *, crowded: bool) -> None:
    bare(ax)
    ax.yaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    for index, item in enumerate(rows):
        if math.isfinite(item.drug):
            ax.bar(index, item.drug, width=0.5, color=DRUG)
            same = item.drug * item.expectancy > 0.0
            ax.bar(
                index,
                item.expectancy,
                bottom=item.drug if same else 0.0,
                width=0.5,
                color=EXPECTANCY,
                hatch="////",
                edgecolor=SURFACE,
                linewidth=0.0,
            )
        ax.plot([index - 0.33, index + 0.33], [item.total, item.total], color=INK, linewidth=2.2)
        if math.isfinite(item.published):
            at = index + 0.38
            if math.isfinite(item.published_se):
                ends = interval(item.published, item.published_se)
                ax.plot([at, at], ends, color=INK, linewidth=1.0)
            ax.plot(
                [at],
                [item.published],
                marker="o",
                markersize=6.0,
                markerfacecolor=SURFACE,
                markeredgecolor=INK,
                markeredgewidth=1.2,
                zorder=5,
            )
    ax.axhline(0.0, color=INK3, linewidth=0.9, zorder=3)
    ax.set_xlim(-0.6, max(len(rows) - 0.4, 0.9))
    every = math.ceil(len(rows) / (3 if crowded else 9))
    shown = list(range(0, len(rows), every))
    ax.set_xticks(shown, [visit_text(data.study, rows[item].time_h) for item in shown])
    ax.set_xlabel("visit", fontsize=SMALL, color=INK2)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def harms_figure(data: ReportData) -> Figure | None:
    """Draw harms of the typical patient in the first hours, and group means where recorded.

    Returns
    -------
    Figure or None
        None if the trajectories hold no harm.
    """
    shown = [item for item in HARMS if item[0] in data.trajectories]
    if not shown:
        return None
    figure = new_figure(5.4)
    styles = arm_styles(data.study, first=True)
    for index, (quantity, title, from_start) in enumerate(shown):
        column, line = index % 2, index // 2
        ax = figure.add_axes((0.07 + 0.5 * column, 0.555 - 0.455 * line, 0.415, 0.315))
        _draw_harm(ax, data, quantity, styles, from_start=from_start)
        ax.set_title(title, fontsize=TEXT, fontweight="bold", color=INK, loc="left", pad=6)
        if index == 0:
            seen = Line2D(
                [], [], color=INK2, marker="s", markersize=5, linestyle="none", label="group mean at a visit"
            )
            names = [(arm_label(arm), style) for arm, style in styles.items()]
            label_arms(ax, names, y=1.155, extra=[seen] if has_squares(data) else [])
        if line == 1 or index + 2 >= len(shown):
            ax.set_xlabel("hours after the first dose", fontsize=SMALL, color=INK2)
    return figure


def early_groups(data: ReportData, quantity: str, arm: str) -> list[dict[str, Any]]:
    """Rows of the endpoints of a harm that lie within the hours shown, after the first dose."""
    return [
        row
        for row in records(data.endpoints)
        if row["arm"] == arm and row["quantity"] == quantity and 0.0 < row["time_h"] <= HARM_HOURS
    ]


def has_squares(data: ReportData) -> bool:
    """Tell whether the means of the simulated groups are drawn among the harms."""
    return any(
        early_groups(data, quantity, arm.id)
        for quantity, _, from_start in HARMS
        for arm in data.study.first_arms
        if quantity in data.trajectories and not from_start
    )


def _draw_harm(
    ax: Axes, data: ReportData, quantity: str, styles: dict[str, ArmStyle], *, from_start: bool
) -> None:
    bare(ax)
    ax.yaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    time = data.trajectories["time"].to_numpy()
    early = time <= HARM_HOURS + 1e-9
    lowest, highest = np.inf, -np.inf
    for arm, style in styles.items():
        course = data.trajectories[quantity].sel(arm=arm).isel(replicate=0, subject=0).to_numpy()
        values = course[early] - (course[0] if from_start else 0.0)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        ax.plot(time[early], values, **style.line())
        if from_start:
            continue
        for row in early_groups(data, quantity, arm):
            ax.plot(
                [row["time_h"]],
                [row["mean"]],
                marker="s",
                markersize=5.0,
                color=style.colour,
                markeredgecolor=SURFACE,
                zorder=5,
            )
            lowest, highest = min(lowest, float(row["mean"])), max(highest, float(row["mean"]))
    span = max(highest - lowest, {"cadss": 2.0, "systolic_pressure": 2.0, "sedation": 0.5}.get(quantity, 0.1))
    room = 0.06 * span
    if quantity == "sedation":
        lowest, highest = min(lowest, 5.0 - span), 5.0
    ax.set_ylim(lowest - room, max(highest, lowest + span) + room)
    ax.set_xlim(0.0, HARM_HOURS)
    ax.set_xticks([0, 1, 2, 3, 4], ["0", "1", "2", "3", "4 h"])
    ax.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def influence_figure(data: ReportData) -> Figure | None:
    """Draw how far the drug's effect moves when each parameter goes to the ends of its range.

    Returns
    -------
    Figure or None
        None if the table of influences is empty.
    """
    rows = list(records(data.influence))[:_TORNADO_ROWS]
    if not rows:
        return None
    height = 0.95 + 0.29 * len(rows)
    figure = new_figure(height)
    ax = figure.add_axes((0.315, 0.52 / height, 0.45, 0.29 * len(rows) / height))
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    for line, row in enumerate(rows):
        middle = float(row["effect"])
        for key, colour, edge in (("effect_low", EXPECTANCY, line), ("effect_high", DRUG, line - 0.34)):
            end = float(row[key])
            if math.isfinite(end):
                ax.barh(edge, end - middle, left=middle, height=0.34, color=colour, align="edge")
        span = f"{number(row['low'])} to {number(row['high'])} {unit_words(row['unit'])}".strip()
        ax.text(
            1.03,
            line,
            f"{span}, {'fitted here' if row['grade'] == 'calibrated' else row['grade']}",
            transform=ax.get_yaxis_transform(),
            fontsize=SMALL,
            color=INK2,
            va="center",
        )
    ax.axvline(float(rows[0]["effect"]), color=INK, linewidth=1.0, zorder=3)
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_yticks(range(len(rows)), [str(row["name"]).replace("_", " ") for row in rows])
    ax.tick_params(axis="y", labelcolor=INK)
    at = min(24.0, float(data.trajectories["time"][-1]))
    ax.set_xlabel(f"drug-specific effect on severity at {time_text(at)}, points", fontsize=SMALL, color=INK2)
    ax.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    handles = [
        Patch(facecolor=EXPECTANCY, label="at the low end of its range"),
        Patch(facecolor=DRUG, label="at the high end"),
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.31, 1.0 - 0.06 / height),
        ncols=2,
        frameon=False,
        fontsize=SMALL,
        labelcolor=INK,
        borderaxespad=0.0,
    )
    return figure
