"""What the figures on the axis of four clocks share: their rows, their ground and their labels."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ketasim.report.axis import ClockAxis
from ketasim.report.style import (
    INK,
    INK2,
    INK3,
    LINE,
    PAPER,
    SMALL,
    STAGE_COLOURS,
    STRONG,
    TEXT,
    WIDTH,
    bare,
)
from ketasim.report.words import number

__all__ = [
    "BOTTOM",
    "CHAIN_ROWS",
    "GAP",
    "LEFT",
    "RIGHT",
    "ROW",
    "ClockRow",
    "draw_ground",
    "label_row",
    "label_times",
    "mark_start",
    "name_clocks",
    "set_range",
]


@dataclass(frozen=True)
class ClockRow:
    """One row: a quantity, the stage that owns it, its name and unit, and the least span shown.

    ``least`` (in ``unit``) keeps a curve that hardly moves from being blown up to look like an effect.
    """

    quantity: str
    stage: str
    title: str
    unit: str
    least: float


#: The chain in causal order. The fast arm leaves the AMPA stage and acts on mood directly.
CHAIN_ROWS = (
    ClockRow("ketamine_venous", "pharmacokinetics", "Plasma ketamine", "ng/mL, venous, total", 5.0),
    ClockRow("nmda_block_mean", "receptors", "NMDA block", "share of channels, mean", 0.02),
    ClockRow("pyramidal_rate", "circuit", "Pyramidal firing", "healthy = 1", 0.05),
    ClockRow("glutamate", "glutamate", "Glutamate", "healthy = 1", 0.05),
    ClockRow("ampa_drive", "ampa", "AMPA drive", "healthy = 1", 0.05),
    ClockRow("bdnf", "neurotrophin", "BDNF", "healthy = 1", 0.05),
    ClockRow("mtorc1", "translation", "mTORC1", "healthy = 1", 0.05),
    ClockRow("synaptic_protein", "translation", "Synaptic protein", "healthy = 1", 0.05),
    ClockRow("spine_density", "synapses", "Spine density", "healthy = 1", 0.05),
    ClockRow("dmn_connectivity", "networks", "Default mode network", "healthy = 1; read-out", 0.05),
    ClockRow("inflammation", "inflammation", "Inflammation", "healthy = 1", 0.05),
    ClockRow("fast_arm", "ampa", "Fast arm", "healthy = 1; AMPA to mood", 0.05),
    ClockRow("severity", "symptoms", "Severity", "MADRS points, latent", 2.0),
)

#: Inches: margins left and right, a row, the gap between rows, and room below the last one.
LEFT, RIGHT, ROW, GAP, BOTTOM = 2.42, 1.2, 0.56, 0.13, 0.52


def draw_ground(ax: Axes, axis: ClockAxis) -> None:
    """Draw what all rows share: the clocks as faint bands, the seams between them as dotted lines."""
    bare(ax, bottom=False)
    ax.set_xlim(0.0, 1.0)
    ax.set_xticks([])
    for index in range(0, len(axis.clocks), 2):
        ax.axvspan(axis.places[index], axis.places[index + 1], facecolor=PAPER, edgecolor="none", zorder=0)
    for seam in axis.places[1:-1]:
        ax.axvline(seam, color=STRONG, linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)


def set_range(ax: Axes, low: float, high: float, least: float) -> None:
    """Set the vertical range with room for the line, and two or three ticks inside it."""
    short = max(0.0, least - (high - low)) / 2.0
    low, high = low - short, high + short
    room = 0.1 * (high - low)
    ax.set_ylim(low - room, high + room)
    ticks = MaxNLocator(nbins=3, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    inside = [float(tick) for tick in ticks if low - room <= tick <= high + room]
    ax.set_yticks(inside if len(inside) <= 3 else [inside[0], inside[-1]])
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    ax.yaxis.grid(visible=True, color=LINE, linewidth=0.7)
    ax.set_axisbelow(True)


def mark_start(ax: Axes, value: float) -> None:
    """Draw the value at the start as a thin dotted line, unlike the dashes of the arms."""
    ax.axhline(value, color=INK3, linewidth=0.9, linestyle=(0, (1, 3)), zorder=1)


def label_row(ax: Axes, row: ClockRow, low: float, high: float) -> None:
    """Write name and unit left of a row, and the lowest and highest value right of it."""
    to_left = (0.04 - LEFT) / (WIDTH - LEFT - RIGHT)
    beside = (
        (to_left, 0.62, row.title, TEXT, STAGE_COLOURS[row.stage], "bold"),
        (to_left, 0.2, row.unit, SMALL, INK2, "normal"),
        (1.012, 0.62, f"{_near_zero(low, high)} to", SMALL, INK2, "normal"),
        (1.012, 0.2, _near_zero(high, high), SMALL, INK2, "normal"),
    )
    for x, y, text, size, colour, weight in beside:
        ax.text(
            x, y, text, transform=ax.transAxes, fontsize=size, color=colour, fontweight=weight, va="center"
        )


def _near_zero(value: float, largest: float) -> str:
    """Write a value; what rounding left of a zero is written as zero."""
    return "0" if abs(value) < 1e-6 * abs(largest) else number(value)


def name_clocks(ax: Axes, axis: ClockAxis, above: float = 5.0) -> None:
    """Write the name of each clock over the first row, some points above it."""
    for middle, name in _middles(axis):
        ax.annotate(
            name.capitalize(),
            (middle, 1.0),
            xycoords="axes fraction",
            xytext=(0, above),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=SMALL,
            color=INK2,
        )


def label_times(ax: Axes, axis: ClockAxis) -> None:
    """Write the ticks of each clock, and its name, under the last row."""
    ticks = axis.ticks()
    ax.set_xticks([float(axis.position(tick.time_h)) for tick in ticks], [tick.text for tick in ticks])
    for tick, label in zip(ticks, ax.get_xticklabels(), strict=True):
        label.set_fontweight("bold" if tick.seam else "normal")
        label.set_color(INK if tick.seam else INK2)
        label.set_fontsize(SMALL)
    ax.spines["bottom"].set_visible(True)
    for index, (middle, name) in enumerate(_middles(axis)):
        ax.annotate(
            f"{name} after the first dose" if index == 0 else name,
            (middle, 0.0),
            xycoords="axes fraction",
            xytext=(0, -18),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=SMALL,
            color=INK2,
        )


def _middles(axis: ClockAxis) -> list[tuple[float, str]]:
    """Place of the middle of each clock, and its name."""
    return [
        (0.5 * (axis.places[index] + axis.places[index + 1]), clock.name)
        for index, clock in enumerate(axis.clocks)
    ]
