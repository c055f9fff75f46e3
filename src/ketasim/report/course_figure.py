"""One person under one regimen: the chain from plasma to mood and harms, on the axis of four clocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.errors import ModelError, unknown_name
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
from ketasim.report.style import (
    INK,
    INK2,
    SMALL,
    STAGE_COLOURS,
    TEXT,
    WIDTH,
    figure_pdf,
    figure_png,
    figure_svg,
    new_figure,
    thin_out,
)

__all__ = ["COURSE_FORMATS", "course_figure", "write_course_figure"]

#: Kinds of file that can be written, and how each is drawn.
COURSE_FORMATS: Mapping[str, Callable[[Figure], bytes]] = {
    ".svg": lambda figure: figure_svg(figure).encode("utf-8"),
    ".png": figure_png,
    ".pdf": figure_pdf,
}

_HARMS = (
    ClockRow("cadss", "safety", "Dissociation", "CADSS points", 2.0),
    ClockRow("systolic_pressure", "safety", "Systolic pressure", "mmHg", 5.0),
)

#: Room above the first row, for the title, the clocks and the doses, in inches.
_TOP = 0.72

Doses = Sequence[tuple[float, float]]


def course_figure(trajectories: xr.Dataset, doses: Doses = (), title: str = "") -> Figure:
    """Draw the main quantities of one person, a row a stage.

    Parameters
    ----------
    trajectories : xarray.Dataset
        Dimensions ``replicate, arm, subject, time`` with one person; time in hours from the
        first dose.
    doses : sequence of (float, float)
        Start from the first dose and length of each dose, in hours.
    title : str
        Shown above, such as the regimen in words.

    Returns
    -------
    Figure
    """
    rows = [row for row in (*CHAIN_ROWS, *_HARMS) if row.quantity in trajectories]
    height = _TOP + len(rows) * (ROW + GAP) + BOTTOM
    figure = new_figure(height)
    times = trajectories["time"].to_numpy()
    axis = clock_axis(float(times[-1]))
    places = axis.position(times)
    wide = 1.0 - (LEFT + RIGHT) / WIDTH
    for index, row in enumerate(rows):
        bottom = height - _TOP - (index + 1) * (ROW + GAP) + GAP
        ax = figure.add_axes((LEFT / WIDTH, bottom / height, wide, ROW / height))
        draw_ground(ax, axis)
        _draw_row(ax, row, places, trajectories[row.quantity].to_numpy().reshape(-1))
        if index == 0:
            _draw_doses(ax, axis, doses)
            name_clocks(ax, axis, above=10.0)
        if index == len(rows) - 1:
            label_times(ax, axis)
    figure.text(0.012, 1.0 - 0.12 / height, title, fontsize=TEXT, color=INK, va="top", wrap=True)
    return figure


def _draw_row(ax: Axes, row: ClockRow, places: np.ndarray, values: np.ndarray) -> None:
    mark_start(ax, float(values[0]))
    ax.plot(*thin_out(places, values), color=STAGE_COLOURS[row.stage], linewidth=1.7)
    low, high = float(np.min(values)), float(np.max(values))
    set_range(ax, low, high, row.least)
    label_row(ax, row, low, high)


def _draw_doses(ax: Axes, axis: ClockAxis, doses: Doses) -> None:
    """Mark each dose above the first row, with its true length."""
    shown = [(start, length) for start, length in doses if start <= axis.knots[-1]]
    above = ax.get_xaxis_transform()
    for start, length in shown:
        ends = [float(axis.position(start)), float(axis.position(start + length))]
        ax.plot(
            ends,
            [1.13, 1.13],
            transform=above,
            color=INK,
            clip_on=False,
            linewidth=3.0,
            solid_capstyle="butt",
        )
        ax.plot([ends[0]], [1.13], "v", transform=above, color=INK, clip_on=False, markersize=5.0)
    if shown:
        word = "dose" if len(shown) == 1 else f"{len(shown)} doses"
        ax.text(1.012, 1.13, word, transform=ax.transAxes, fontsize=SMALL, color=INK2, va="center")


def write_course_figure(trajectories: xr.Dataset, doses: Doses, path: str | Path, title: str = "") -> Path:
    """Write :func:`course_figure` to a file.

    Parameters
    ----------
    trajectories, doses, title
        As there.
    path : str or Path
        The ending says the format: ``.svg``, ``.png`` or ``.pdf``.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ModelError
        If the ending is none of these.
    OSError
        If the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in COURSE_FORMATS:
        raise ModelError(f"figure {path}: {unknown_name('kind of figure', kind, COURSE_FORMATS)}")
    path.write_bytes(COURSE_FORMATS[kind](course_figure(trajectories, doses, title)))
    return path
