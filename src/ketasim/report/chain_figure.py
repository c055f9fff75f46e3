"""The chain in one figure: cause runs down, time runs right."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.report.axis import ClockAxis, clock_axis
from ketasim.report.clock_rows import (
    BOTTOM,
    CHAIN_ROWS,
    GAP,
    LEFT,
    RIGHT,
    ROW,
    ClockRow,
    draw_ground,
    label_row,
    label_times,
    mark_start,
    name_clocks,
    set_range,
)
from ketasim.report.data import ReportData
from ketasim.report.style import (
    INK,
    INK3,
    SMALL,
    SURFACE,
    WIDTH,
    ArmStyle,
    arm_styles,
    new_figure,
    thin_out,
)
from ketasim.report.words import arm_label

__all__ = ["chain_figure", "rest_is_drawn", "shares_start"]

# Inches: the lane of an arm's doses, and room above the first lane.
_LANE, _TOP = 0.2, 0.34


def chain_figure(data: ReportData) -> Figure:
    """Draw each stage's time course for the typical patient of each arm.

    Parameters
    ----------
    data : ReportData
        Its ``trajectories`` (hours from the first dose) and ``study`` are used.

    Returns
    -------
    Figure
    """
    rows = [row for row in CHAIN_ROWS if row.quantity in data.trajectories]
    styles = arm_styles(data.study, first=True)
    lanes = _LANE * len(styles)
    height = _TOP + lanes + GAP + len(rows) * (ROW + GAP) + BOTTOM
    figure = new_figure(height)
    axis = clock_axis(float(data.trajectories["time"][-1]))

    def place(top: float, tall: float) -> Axes:
        box = (LEFT / WIDTH, 1.0 - (top + tall) / height, 1.0 - (LEFT + RIGHT) / WIDTH, tall / height)
        return figure.add_axes(box)

    dose_axes = place(_TOP, lanes)
    _draw_doses(dose_axes, data, axis, styles)
    name_clocks(dose_axes, axis)
    top = _TOP + lanes + GAP
    for index, row in enumerate(rows):
        ax = place(top + index * (ROW + GAP), ROW)
        _draw_row(ax, row, data, axis, styles)
        if row is rows[-1]:
            label_times(ax, axis)
    return figure


def _draw_doses(ax: Axes, data: ReportData, axis: ClockAxis, styles: dict[str, ArmStyle]) -> None:
    """Give each arm a lane: its name, a sample of its line, and its doses with their true length."""
    draw_ground(ax, axis)
    count = len(styles)
    ax.set_ylim(count - 0.5, -0.5)
    ax.set_yticks([])
    to_left = -LEFT / (WIDTH - LEFT - RIGHT)
    end = axis.knots[-1]
    for lane, (arm_id, style) in enumerate(styles.items()):
        ax.text(
            to_left + 0.115,
            lane,
            arm_label(arm_id),
            fontsize=SMALL,
            color=INK,
            va="center",
        )
        ax.plot([to_left + 0.02, to_left + 0.095], [lane, lane], clip_on=False, **style.line())
        for dose in data.study.arm(arm_id).dosing.doses:
            if dose.start_h > end:
                continue
            begin = float(axis.position(dose.start_h))
            until = float(axis.position(dose.start_h + (dose.duration_h or 0.0)))
            ax.plot([begin, until], [lane, lane], color=style.colour, linewidth=4.0, solid_capstyle="butt")
            face = style.colour if dose.amount > 0.0 and not style.control else SURFACE
            ax.plot(
                [begin],
                [lane],
                marker="v",
                markersize=5.5,
                markerfacecolor=face,
                markeredgecolor=style.colour,
                clip_on=False,
                zorder=5,
            )
    ax.text(1.012, 0.5, "doses", transform=ax.transAxes, fontsize=SMALL, color=INK3, va="center")


def rest_is_drawn(data: ReportData, row: ClockRow) -> bool:
    """Tell whether a row has a line at rest: all arms start there and none stays, which would cover it."""
    curves = data.trajectories[row.quantity].isel(replicate=0, subject=0).transpose("arm", "time").to_numpy()
    moved = np.abs(curves - curves[:, :1]).max(axis=1)
    span = max(float(curves.max() - curves.min()), row.least)
    return shares_start(data, row) and bool(moved.min() > 0.02 * span)


def shares_start(data: ReportData, row: ClockRow) -> bool:
    """Tell whether all arms start a row at the same value, or nearly."""
    starts = data.trajectories[row.quantity].isel(replicate=0, subject=0, time=0).to_numpy()
    return bool(starts.max() - starts.min() < 0.2 * row.least)


def _draw_row(
    ax: Axes, row: ClockRow, data: ReportData, axis: ClockAxis, styles: dict[str, ArmStyle]
) -> None:
    draw_ground(ax, axis)
    variable = data.trajectories[row.quantity]
    places = axis.position(data.trajectories["time"].to_numpy())
    curves = {
        arm: np.asarray(variable.sel(arm=arm).isel(replicate=0, subject=0).to_numpy(), dtype=np.float64)
        for arm in styles
    }
    # Controls first, so that the coloured lines lie on top.
    for arm, style in sorted(styles.items(), key=lambda item: not item[1].control):
        x, y = thin_out(places, curves[arm])
        ax.plot(x, y, **style.line(2.2 if row.quantity == "severity" else 1.7))
    low = min(float(np.nanmin(curve)) for curve in curves.values())
    high = max(float(np.nanmax(curve)) for curve in curves.values())
    if rest_is_drawn(data, row):
        mark_start(ax, next(iter(curves.values()))[0])
    set_range(ax, low, high, row.least)
    label_row(ax, row, low, high)
