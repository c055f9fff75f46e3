"""Plasma and block under one regimen: curves by species, block by class, and published points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.report.course_figure import COURSE_FORMATS
from ketasim.report.style import INK, INK2, LINE, SMALL, STRONG, TEXT, WIDTH, bare, new_figure

__all__ = ["pk_figure", "write_pk_figure"]

FloatArray = npt.NDArray[np.float64]

_COLOURS = ("#0072b2", "#d55e00", "#008f68", "#b8578f", "#8a6d00", "#697079")
_DASHES = ("-", (0, (5.0, 2.0)), (0, (1.5, 1.5)), (0, (7.0, 2.0, 1.5, 2.0)), (0, (3.0, 1.0)), "-")
_MARKS = ("o", "s", "^", "D", "v", "P")
_HEIGHT = 7.4
#: A curve that never comes to this share of the highest of its panel is left out.
_LEAST = 0.005
#: Decades below the highest point that are drawn.
_DECADES = 3.0

_BLOCKS = {
    "nmda_block_mean": "mean of the classes",
    "nmda_block_pyramidal": "pyramidal",
    "nmda_block_pv": "PV",
    "nmda_block_sst": "SST",
    "nmda_block_vip": "VIP",
}


def pk_figure(
    times_h: FloatArray,
    quantities: Mapping[str, FloatArray],
    observations: pd.DataFrame,
    title: str,
    until_h: float,
) -> Figure:
    """Draw ketamine, its metabolites and the block.

    Parameters
    ----------
    times_h : array, shape (times,)
        Hours from the first dose.
    quantities : mapping of str to array, shape (times,)
        Concentrations in ng/mL and blocks as shares.
    observations : pandas.DataFrame
        Published rows: those that are values at a time, or peaks with a time, are drawn.
    title : str
        Shown above.
    until_h : float
        End of the time axis.

    Returns
    -------
    Figure
    """
    figure = new_figure(_HEIGHT)
    both = all(quantities[f"{e}_ketamine_venous"].max() > 0.0 for e in ("s", "r"))
    enantiomers = ("", "s_", "r_") if both else ("s_",) if quantities["s_ketamine_venous"].max() else ("r_",)
    ketamine = [f"{e}ketamine_{site}" for e in enantiomers for site in ("venous", "arterial")]
    panels = (
        ("Ketamine", ketamine),
        ("Norketamine", [f"{e}norketamine_venous" for e in enantiomers]),
        ("Hydroxy- and dehydronorketamine", [f"{e}{n}_venous" for n in ("hnk", "dhnk") for e in enantiomers]),
    )
    shown = times_h <= until_h + 1e-9
    for place, (name, wanted) in enumerate(panels):
        ax = _axes(figure, place)
        _concentrations(ax, times_h[shown], {n: quantities[n][shown] for n in wanted}, observations, until_h)
        ax.set_title(name, loc="left", fontsize=TEXT, color=INK)
    ax = _axes(figure, 3)
    for index, (name, label) in enumerate(_BLOCKS.items()):
        ax.plot(times_h[shown], quantities[name][shown], label=label, **_line(index))
    ax.set_title("NMDA channels blocked", loc="left", fontsize=TEXT, color=INK)
    _finish(ax, "share of channels", until_h)
    ax.set_ylim(0.0, 1.0)
    figure.text(0.012, 1.0 - 0.1 / _HEIGHT, title, fontsize=TEXT, color=INK, va="top", wrap=True)
    figure.text(
        0.012, 0.1 / _HEIGHT,
        "Marks: as published, with spread, not scaled; a peak without a time stands at the model's. "
        "A research and teaching instrument.",
        fontsize=SMALL, color=INK2, va="bottom",
    )  # fmt: skip
    return figure


def _axes(figure: Figure, place: int) -> Axes:
    wide, high = 3.75 / WIDTH, 2.55 / _HEIGHT
    left = (0.75 + (place % 2) * 4.55) / WIDTH
    bottom = (0.8 + (1 - place // 2) * 3.3) / _HEIGHT
    return figure.add_axes((left, bottom, wide, high))


def _line(index: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "linestyle": _DASHES[index % len(_DASHES)],
        "linewidth": 1.6,
    }


def _concentrations(
    ax: Axes,
    times: FloatArray,
    curves: Mapping[str, FloatArray],
    observations: pd.DataFrame,
    until_h: float,
) -> None:
    top = max(float(values.max()) for values in curves.values())
    if not top > 0.0:
        ax.set_yticks([])
        ax.text(0.5, 0.5, "none", transform=ax.transAxes, ha="center", fontsize=TEXT, color=INK2)
        _finish(ax, "ng/mL in plasma", until_h)
        return
    shown = [name for name, values in curves.items() if values.max() > _LEAST * top]
    highest = top
    for index, name in enumerate(shown):
        values = np.where(curves[name] > 0.0, curves[name], np.nan)
        ax.plot(times, values, label=_spoken(name), **_line(index))
        points = _points(observations, name, float(times[np.argmax(curves[name])]))
        if points:
            at, found, below, above = zip(*points, strict=True)
            ax.errorbar(
                at, found, yerr=(below, above), fmt=_MARKS[index % len(_MARKS)], linestyle="none",
                color=_COLOURS[index % len(_COLOURS)], markersize=4.5, markeredgecolor=INK,
                markeredgewidth=0.6, elinewidth=1.0, capsize=2.0, zorder=3,
            )  # fmt: skip
            highest = max(highest, *found)
    ax.set_yscale("log")
    ax.set_ylim(top * 10.0**-_DECADES, highest * 2.0)
    _finish(ax, "ng/mL in plasma", until_h)


def _points(observations: pd.DataFrame, name: str, peak_h: float) -> list[tuple[float, float, float, float]]:
    """Published values of a quantity: time, value and the spread below and above.

    A peak without a time stands at that of the model.
    """
    species, site = name.rsplit("_", 1)
    own = observations[observations["quantity"] == species]
    if species.removeprefix("s_").removeprefix("r_") == "ketamine":
        # Of metabolites both sites are the same.
        own = own[own["site"] == site]
    found = []
    for row in own.to_dict("records"):
        if row["statistic"] == "value_at" and np.isfinite(row["time_h"]):
            found.append((float(row["time_h"]), float(row["value"]), *_spread(row)))
        elif row["statistic"] == "cmax":
            when = own[(own["statistic"] == "tmax") & (own["citation"] == row["citation"])]["value"]
            found.append((float(when.iloc[0]) if len(when) else peak_h, float(row["value"]), *_spread(row)))
    return found


def _spread(row: Mapping[Any, Any]) -> tuple[float, float]:
    """Length of the error bar below and above a published value; nothing where no spread was given."""
    kind, value, low, high = (row[name] for name in ("spread_kind", "value", "spread_low", "spread_high"))
    if kind in ("sd", "se") and np.isfinite(low):
        # On a log scale a bar may not reach zero.
        return min(float(low), 0.9 * value), float(low)
    if kind not in ("none", "sd", "se") and np.isfinite(low) and np.isfinite(high):
        return max(value - float(low), 0.0), max(float(high) - value, 0.0)
    return 0.0, 0.0


def _spoken(name: str) -> str:
    """A quantity in words."""
    species, site = name.rsplit("_", 1)
    words = {"hnk": "HNK", "dhnk": "DHNK"}
    enantiomer, base = (species[0].upper() + "-", species[2:]) if species[1] == "_" else ("", species)
    where = f", {site}" if base == "ketamine" else ""
    return f"{enantiomer}{words.get(base, base)}{where}"


def _finish(ax: Axes, unit: str, until_h: float) -> None:
    bare(ax)
    ax.grid(axis="y", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlim(0.0, until_h)
    ax.set_xlabel("hours from the first dose", fontsize=SMALL, color=INK2)
    ax.set_ylabel(unit, fontsize=SMALL, color=INK2)
    if not ax.get_legend_handles_labels()[0]:
        return
    legend = ax.legend(
        fontsize=SMALL - 1.0, frameon=True, framealpha=0.85, edgecolor=STRONG, labelcolor=INK,
        loc="best", handlelength=2.4, borderpad=0.3, labelspacing=0.25,
    )  # fmt: skip
    legend.get_frame().set_linewidth(0.6)


def write_pk_figure(
    times_h: FloatArray,
    quantities: Mapping[str, FloatArray],
    observations: pd.DataFrame,
    doses: Sequence[tuple[float, float]],
    title: str,
    path: Path,
) -> Path:
    """Write :func:`pk_figure` to a file whose ending says the format.

    Parameters
    ----------
    times_h, quantities, observations, title
        As there.
    doses : sequence of (float, float)
        Start and length of each dose in hours; the axis ends a day after the last.
    path : Path
        ``.svg``, ``.png`` or ``.pdf``.

    Returns
    -------
    Path

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    last = max(start + length for start, length in doses)
    seen = observations["time_h"].max() if len(observations) else 0.0
    until = min(float(times_h[-1]), max(last + 12.0, float(np.nan_to_num(seen))))
    figure = pk_figure(times_h, quantities, observations, title, until)
    path.write_bytes(COURSE_FORMATS[path.suffix.lower()](figure))
    return path
