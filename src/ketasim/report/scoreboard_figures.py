"""Calibration of predictive distributions, and skill against baselines."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.special import ndtr

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
    WIDTH,
    bare,
    new_figure,
)
from ketasim.report.words import number
from ketasim.validation.scoreboard import coverage_curve

__all__ = ["calibration_figure", "skill_figure"]

_LEVELS = np.linspace(0.0, 0.99, 100)
_BINS = 10
_NAMES = {"no_effect": "no effect", "comparable": "comparable studies", "kpd": "clinical K-PD"}
_FILLS = {"no_effect": (INK3, ""), "comparable": (EXPECTANCY, "//"), "kpd": (DRUG, "..")}
#: Skill below this is drawn as an arrow's end.
_LOWEST = -1.0


def calibration_figure(rows: pd.DataFrame) -> Figure:
    """Draw two panels: coverage against nominal level, and where published values lie in the predictions.

    Parameters
    ----------
    rows : DataFrame
        Measured rows of a scoreboard; those with ``z`` count.
    """
    numbers = rows[rows["z"].notna()]
    high = 4.6
    figure = new_figure(high)
    ax = figure.add_axes((0.75 / WIDTH, 0.75 / high, 3.65 / WIDTH, 3.2 / high))
    bare(ax)
    ax.grid(color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    ax.plot([0.0, 100.0], [0.0, 100.0], color=INK3, linewidth=1.0, linestyle=(0, (4.0, 3.0)))
    drawn: tuple[tuple[str, str, Any], ...] = (
        ("all", DRUG, "-"),
        ("calibration", INK2, (0, (5.0, 2.0))),
        ("check", "#d55e00", (0, (1.6, 1.6))),
    )
    handles = [Line2D([], [], color=INK3, linestyle=(0, (4.0, 3.0)), label="as it should be")]
    for use, colour, dash in drawn:
        own = numbers if use == "all" else numbers[numbers["use"] == use]
        if not len(own):
            continue
        covered = 100.0 * coverage_curve(own["z"].to_numpy(dtype=np.float64), _LEVELS.tolist())
        ax.plot(100.0 * _LEVELS, covered, color=colour, linestyle=dash, linewidth=1.8)
        name = f"{use} rows, n = {len(own)}"
        handles.append(Line2D([], [], color=colour, linestyle=dash, linewidth=1.8, label=name))
    ax.legend(handles=handles, fontsize=SMALL, frameon=False, loc="upper left", labelcolor=INK)
    ax.set_xlim(0.0, 100.0)
    ax.set_ylim(0.0, 100.0)
    ax.set_xlabel("nominal level of the interval, %", fontsize=SMALL, color=INK2)
    ax.set_ylabel("rows inside, %", fontsize=SMALL, color=INK2)
    ax.set_title("Coverage", loc="left", fontsize=TEXT, color=INK)
    _places(figure, high, numbers)
    return figure


def _places(figure: Figure, high: float, numbers: pd.DataFrame) -> None:
    """Draw the histogram of probability integral transforms."""
    ax = figure.add_axes((5.35 / WIDTH, 0.75 / high, 3.6 / WIDTH, 3.2 / high))
    bare(ax)
    ax.yaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    at = ndtr(numbers["z"].to_numpy(dtype=np.float64))
    counts, edges = np.histogram(at, bins=_BINS, range=(0.0, 1.0))
    ax.bar(100.0 * edges[:-1], counts, width=100.0 / _BINS - 1.0, align="edge", color=DRUG, alpha=0.75)
    even = len(numbers) / _BINS
    band = 1.96 * math.sqrt(max(even * (1.0 - 1.0 / _BINS), 0.0))
    ax.axhspan(max(even - band, 0.0), even + band, color=LINE, zorder=0)
    ax.axhline(even, color=INK3, linewidth=1.0, linestyle=(0, (4.0, 3.0)))
    ax.set_xlim(0.0, 100.0)
    ax.set_xlabel("place of the published value in its prediction, %", fontsize=SMALL, color=INK2)
    ax.set_ylabel("rows", fontsize=SMALL, color=INK2)
    ax.set_title("Place in the prediction (band: chance)", loc="left", fontsize=TEXT, color=INK)


def skill_figure(groups: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> Figure:
    """Draw skill against each baseline by group.

    Parameters
    ----------
    groups : mapping
        Scores by name of a group, as in a scoreboard's summary.
    names : sequence of str
        Baselines.

    Returns
    -------
    Figure
        One less the ratio of interval scores: above 0 the model is better.
    """
    bars = [
        (group, name, own["baselines"][name])
        for group, own in groups.items()
        for name in names
        if own["baselines"][name]["quantitative"]
    ]
    tall = 0.24 * len(bars) + 0.16 * len({bar[0] for bar in bars}) + 0.1
    high = tall + 1.35
    figure = new_figure(high)
    ax = figure.add_axes((2.5 / WIDTH, 0.65 / high, (WIDTH - 4.6) / WIDTH, tall / high))
    bare(ax)
    ax.xaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)
    y, before = 0.0, ""
    middles: dict[str, list[float]] = {}
    for group, name, own in bars:
        y += 0.16 if group != before else 0.0
        before = group
        colour, hatch = _FILLS.get(name, (INK2, ""))
        skill = float(own["skill"])
        size = min(max(skill, _LOWEST), 1.0)
        ax.barh(
            y + 0.12,
            size,
            height=0.19,
            color=colour,
            alpha=0.8,
            hatch=hatch,
            edgecolor=SURFACE,
            linewidth=0.0,
        )
        text = f"{number(skill, 2)} (n = {own['quantitative']})"
        ax.text(1.04, y + 0.12, text, fontsize=SMALL, color=INK2, va="center")
        middles.setdefault(group, []).append(y + 0.12)
        y += 0.24
    ax.axvline(0.0, color=INK2, linewidth=1.0)
    ax.set_xlim(_LOWEST, 1.0)
    ax.set_ylim(max(y, 0.3) + 0.05, 0.0)
    ax.set_yticks([float(np.mean(own)) for own in middles.values()])
    ax.set_yticklabels([group.replace("_", " ") for group in middles])
    ax.tick_params(axis="y", labelsize=SMALL, colors=INK)
    ax.set_xlabel("skill: share of the baseline's interval score that is saved", fontsize=SMALL, color=INK2)
    handles = [
        Patch(facecolor=_FILLS[name][0], hatch=_FILLS[name][1], edgecolor=SURFACE, label=_NAMES[name])
        for name in names
        if name in _FILLS
    ]
    ax.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        ncols=3,
        fontsize=SMALL,
        frameon=False,
        labelcolor=INK,
        borderaxespad=0.2,
    )
    return figure
