"""Power over the number of patients, a line for each way to run the trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from ketasim.report.style import (
    DRUG,
    EXPECTANCY,
    INK2,
    INK3,
    SMALL,
    STAGE_COLOURS,
    STRONG,
    WIDTH,
    ArmStyle,
    new_figure,
)
from ketasim.report.trial.layout import EDGE, KeyItem, draw_heading, heading_height, name_y, place, plain_axes

__all__ = ["TARGETS", "power_figure"]

#: Power that trials are planned for.
TARGETS = (0.8, 0.9)
_LEFT, _TALL, _BELOW = 0.75, 3.4, 0.62
#: Beyond so many curves bands hide each other, and bars stand in their place.
_MOST_BANDS = 3
_COLOURS = (DRUG, "#d55e00", "#008f68", "#b8578f", EXPECTANCY, STAGE_COLOURS["ampa"])
_DASHES: tuple[tuple[float, ...], ...] = ((), (5.0, 2.0), (2.0, 1.6), (7.0, 2.0, 1.5, 2.0), (10.0, 2.0))
_MARKERS = ("o", "s", "^", "D", "v", "P")

_WORDS = {
    "power": ("Power over the number of patients", "power"),
    "assurance": ("Assurance over the number of patients", "assurance (mean power)"),
    "null": ("Type I error over the number of patients", "share of trials that reject"),
}


def power_figure(table: pd.DataFrame, kind: str = "power", alpha: float = 0.05) -> Figure:
    """Draw power over the number of patients.

    Parameters
    ----------
    table : DataFrame
        A row a curve and size, with the columns of ``power.csv``.
    kind : str
        ``power``, ``assurance`` or ``null``.
    alpha : float
        Allowed error, which is drawn for a null.

    Returns
    -------
    Figure
        Bands or bars are 95 % intervals of the Monte-Carlo error.
    """
    title, words = _WORDS[kind]
    labels = list(dict.fromkeys(table["label"].tolist()))
    styles = {label: _style(place) for place, label in enumerate(labels)}
    items = [
        KeyItem.of_arm(label, style, _MARKERS[place % len(_MARKERS)])
        for place, (label, style) in enumerate(styles.items())
    ]
    banded = len(labels) <= _MOST_BANDS and table["n_total"].nunique() > 1
    items.append(KeyItem(f"{'bands' if banded else 'bars'}: 95 % interval of the simulation", None))
    top = heading_height(title, items)
    figure = new_figure(top + _TALL + _BELOW)
    draw_heading(figure, title, items)
    ax = place(figure, _LEFT, top, WIDTH - _LEFT - EDGE - 0.5, _TALL)
    plain_axes(ax)
    columns = ("rejected", "rejected_low", "rejected_high") if kind == "null" else ("power", "low", "high")
    for position, label in enumerate(labels):
        own = table[table["label"] == label].sort_values("n_total")
        shift = (position - 0.5 * (len(labels) - 1)) * 0.004 * np.ptp(table["n_total"])
        _draw(ax, own, columns, styles[label], _MARKERS[position % len(_MARKERS)], banded, shift)
    _finish(ax, table, columns, kind, alpha)
    ax.set_xlabel("patients in all", fontsize=SMALL, color=INK2)
    name_y(ax, words, _TALL)
    return figure


def _style(place: int) -> ArmStyle:
    return ArmStyle(_COLOURS[place % len(_COLOURS)], _DASHES[place % len(_DASHES)], False)


def _draw(
    ax: Axes,
    own: pd.DataFrame,
    columns: Sequence[str],
    style: ArmStyle,
    marker: str,
    band: bool,
    shift: float,
) -> None:
    x = own["n_total"].to_numpy(dtype=float)
    middle, low, high = (own[name].to_numpy(dtype=float) for name in columns)
    if band:
        ax.fill_between(x, low, high, color=style.colour, alpha=0.16, linewidth=0.0, zorder=1)
    else:
        x = x + shift
        ax.vlines(x, low, high, color=style.colour, linewidth=1.2, zorder=2)
    ax.plot(x, middle, marker=marker, markersize=4.5, zorder=3, **style.line())


def _finish(ax: Axes, table: pd.DataFrame, columns: Sequence[str], kind: str, alpha: float) -> None:
    """Set limits, and draw the lines that trials are planned by."""
    totals = sorted(set(table["n_total"].tolist()))
    wide = max(totals[-1] - totals[0], 2)
    ax.set_xlim(totals[0] - 0.03 * wide, totals[-1] + 0.03 * wide)
    most = float(table[columns[2]].max())
    ax.set_ylim(0.0, 1.02 if kind != "null" else max(0.1, 1.1 * most))
    if len(totals) <= 12:
        ax.set_xticks(totals, [str(total) for total in totals])
    else:
        ax.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    if kind == "null":
        ax.yaxis.set_major_locator(MaxNLocator(5))
    else:
        ax.set_yticks(np.linspace(0.0, 1.0, 6))
    ax.yaxis.set_major_formatter(lambda value, _: f"{100.0 * value:g} %")
    for target in (alpha,) if kind == "null" else TARGETS:
        at = ax.get_yaxis_transform()
        line = Line2D([0.0, 1.0], [target, target], color=INK3, linewidth=1.1, linestyle=(0, (4.0, 2.0)))
        line.set_transform(at)
        line.set_zorder(0.9)
        ax.add_line(line)
        ax.text(1.01, target, f"{100.0 * target:g} %", transform=at, fontsize=SMALL, color=INK2, va="center")
    ax.spines["bottom"].set_color(STRONG)
