"""The spiking circuit under block: rasters, spectra of the field, and rates."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.measures import GAMMA_HZ, NetworkActivity
from ketasim.circuit.network import STEP_MS
from ketasim.report.style import INK, INK2, LINE, SMALL, TEXT, WIDTH, bare, new_figure

__all__ = ["CLASS_LABELS", "CLASS_STYLES", "raster_figure", "spectrum_figure"]

FloatArray = npt.NDArray[np.floating[Any]]

#: What a cell class is called in a figure, and its colour, mark and dashes.
CLASS_LABELS: Mapping[str, str] = {"pyramidal": "pyramidal", "pv": "PV", "sst": "SST", "vip": "VIP"}
CLASS_STYLES: Mapping[str, tuple[str, str, Any]] = {
    "pyramidal": ("#d55e00", "o", "-"),
    "pv": ("#0072b2", "s", (0, (5.0, 2.0))),
    "sst": ("#008f68", "^", (0, (7.0, 2.0, 1.5, 2.0))),
    "vip": ("#b8578f", "D", (0, (2.0, 1.6))),
}

_COLUMNS = 4
#: Cells of each class in a raster, and empty rows between the classes.
_SHOWN, _GAP = (100, 40, 40, 30), 6
_BIN_MS, _TICK_MS = 5, 400.0
#: Inches: a raster, the strip below it, what is between rows of rasters, and the ends.
_RASTER, _STRIP, _BETWEEN, _TOP, _BOTTOM = 2.35, 0.6, 0.4, 0.62, 0.98
_LEFT, _RIGHT, _SPACE = 0.95, 0.12, 0.16
#: Inches: a row of spectra, what is above the first, and left edge and width of both columns.
_ROW, _HEAD, _SPECTRA, _FIRING = 0.68, 0.72, (2.15, 3.5), (6.0, 3.05)
_FILLED = 0.86
_FIELD = "#2d54a0"
_FINE = (0.25, 0.4, 0.6, 0.8, 1.0, 1.25, 1.6, 2.0, 2.5, 4.0)
_COARSE = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_HIGHEST_HZ = 110.0
_NOTE = "A research and teaching instrument."


def raster_figure(rasters: Mapping[str, NetworkActivity], title: str) -> Figure:
    """Draw the spikes of some cells of each class, and below them the rate of all pyramidal cells.

    Parameters
    ----------
    rasters : mapping of str to NetworkActivity
        Runs with spikes kept, by label; a panel each. All have the same cells.
    title : str
        Shown above.

    Returns
    -------
    Figure
    """
    panels = len(rasters)
    columns, rows = min(panels, _COLUMNS), math.ceil(panels / _COLUMNS)
    row_height = _RASTER + _STRIP + 0.06 + _BETWEEN
    height = _TOP + rows * row_height - _BETWEEN + _BOTTOM
    figure = new_figure(height)
    wide = (WIDTH - _LEFT - _RIGHT - (columns - 1) * _SPACE) / columns
    rates = {label: _binned(run) for label, run in rasters.items()}
    highest = 1.08 * max(float(rate.max(initial=1.0)) for _, rate in rates.values())
    for place, (label, run) in enumerate(rasters.items()):
        column, row = place % columns, place // columns
        left = (_LEFT + column * (wide + _SPACE)) / WIDTH
        base = height - _TOP - (row + 1) * row_height + _BETWEEN
        ax = figure.add_axes((left, (base + _STRIP + 0.06) / height, wide / WIDTH, _RASTER / height))
        _raster(ax, run, named=column == 0)
        ax.set_title(label, loc="left", fontsize=SMALL, color=INK, pad=3.0)
        strip = figure.add_axes((left, base / height, wide / WIDTH, _STRIP / height))
        time, rate = rates[label]
        _strip(strip, time, rate, highest, named=column == 0, timed=place + columns >= panels)
    _title(figure, f"Spikes: {title}")
    shown = ", ".join(
        f"{min(many, int(size))} of {size:,} {CLASS_LABELS[name]}"
        for name, many, size in zip(CLASSES, _SHOWN, np.diff(next(iter(rasters.values())).edges), strict=True)
    )
    figure.text(
        0.012, 0.1 / height,
        f"Each mark is a spike; cells shown: {shown}.\nBelow: mean rate of all pyramidal cells, in steps of "
        f"{_BIN_MS} ms. {_NOTE}",
        fontsize=SMALL - 1.0, color=INK2, va="bottom",
    )  # fmt: skip
    return figure


def _title(figure: Figure, text: str) -> None:
    figure.text(0.012, 1.0 - 0.1 / figure.get_figheight(), text, fontsize=TEXT, color=INK, va="top")


def _raster(ax: Axes, run: NetworkActivity, *, named: bool) -> None:
    time = run.raster[:, 0] * STEP_MS - run.warm_ms
    top = 0.0
    for index, (name, many) in enumerate(zip(CLASSES, _SHOWN, strict=True)):
        first, after = int(run.edges[index]), int(run.edges[index + 1])
        chosen = np.linspace(first, after - 1, min(many, after - first)).astype(int)
        row = np.full(int(run.edges[-1]), -1)
        row[chosen] = np.arange(len(chosen))
        own = row[run.raster[:, 1]]
        colour = CLASS_STYLES[name][0]
        _marks(ax, time[own >= 0], top + own[own >= 0], colour)
        if named:
            text = CLASS_LABELS[name]
            ax.text(
                -0.03, top + len(chosen) / 2.0, text, color=colour, fontsize=SMALL, ha="right", va="center",
                transform=ax.get_yaxis_transform(),
            )  # fmt: skip
        top += len(chosen) + _GAP
    bare(ax, bottom=False)
    ax.set_xlim(0.0, run.counted_ms)
    ax.set_ylim(top - _GAP + 1.0, -2.0)
    ax.set_xticks([])
    ax.set_yticks([])


def _marks(ax: Axes, time: FloatArray, row: npt.NDArray[Any], colour: str) -> None:
    """Draw upright marks as one broken line, which is the smallest in a file."""
    gap = np.full(len(time), np.nan)
    x = np.stack([time, time, gap], axis=1).ravel()
    y = np.stack([row - 0.15, row + 1.15, gap], axis=1).ravel()
    ax.plot(x, y, color=colour, linewidth=0.75, solid_capstyle="butt")


def _binned(run: NetworkActivity) -> tuple[FloatArray, FloatArray]:
    """Rate of all pyramidal cells after the warm-up: times in ms, and Hz."""
    counted = run.population[round(run.warm_ms) :, 0]
    bins = counted[: len(counted) // _BIN_MS * _BIN_MS].reshape(-1, _BIN_MS).sum(axis=1, dtype=np.float64)
    return np.arange(len(bins)) * float(_BIN_MS), bins * (1000.0 / _BIN_MS) / float(run.edges[1])


def _strip(ax: Axes, time: FloatArray, rate: FloatArray, highest: float, *, named: bool, timed: bool) -> None:
    # A step ends where the next begins, so the last one needs an end.
    edges, steps = np.append(time, len(time) * _BIN_MS), np.append(rate, rate[-1:])
    ax.fill_between(edges, steps, step="post", color=CLASS_STYLES["pyramidal"][0], linewidth=0.0)
    bare(ax)
    ax.set_xlim(0.0, float(len(time) * _BIN_MS))
    ax.set_ylim(0.0, highest)
    ax.set_xticks(np.arange(0.0, len(time) * _BIN_MS - _TICK_MS / 4.0, _TICK_MS))
    half = float(f"{highest / 1.3:.1g}")
    ax.set_yticks([0.0, half], ["0", f"{half:g}"] if named else ["", ""])
    ax.grid(axis="y", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    if named:
        ax.set_ylabel("Hz", fontsize=SMALL, color=INK2)
    if timed:
        ax.set_xlabel("time (ms)", fontsize=SMALL, color=INK2, labelpad=2.0)
    else:
        ax.set_xticklabels([])


def spectrum_figure(runs: Mapping[str, Sequence[NetworkActivity]], reference: str, title: str) -> Figure:
    """Draw a row for each setting: the power spectrum of the field, and the rates relative to a reference.

    Parameters
    ----------
    runs : mapping of str to sequence of NetworkActivity
        One run a seed, by label; the same seeds in the same order.
    reference : str
        The label that rates are relative to; its spectrum is drawn again behind the others.
    title : str
        Shown above.

    Returns
    -------
    Figure
    """
    height = _HEAD + len(runs) * _ROW + _BOTTOM
    figure = new_figure(height)
    frequency, known = _mean_spectrum(runs[reference])
    spectra = {label: _mean_spectrum(repeats)[1] for label, repeats in runs.items()}
    powers = np.concatenate(list(spectra.values()))
    limits = float(powers.min()) / 1.5, float(powers.max()) * 1.5
    for place, (label, power) in enumerate(spectra.items()):
        base = (height - _HEAD - (place + 1) * _ROW) / height
        ax = figure.add_axes((_SPECTRA[0] / WIDTH, base, _SPECTRA[1] / WIDTH, _FILLED * _ROW / height))
        _spectrum(ax, frequency, power, known, limits)
        figure.text(
            (_SPECTRA[0] - 0.5) / WIDTH, base + 0.5 * _FILLED * _ROW / height, textwrap.fill(label, 20),
            fontsize=SMALL, color=INK, ha="right", va="center",
        )  # fmt: skip
        if place == 0:
            # Level with the title beside it, whose axes begin at the top of the row.
            above = 6.0 + 72.0 * (1.0 - _FILLED) * _ROW
            ax.set_title("Power of the field (pA²/Hz)", loc="left", fontsize=TEXT, color=INK, pad=above)
        if place == len(spectra) - 1:
            ax.set_xlabel("frequency (Hz)", fontsize=SMALL, color=INK2)
        else:
            ax.set_xticklabels([])
    ax = figure.add_axes(
        (_FIRING[0] / WIDTH, _BOTTOM / height, _FIRING[1] / WIDTH, len(runs) * _ROW / height)
    )
    _ratios(ax, runs, reference)
    _title(figure, f"Spectra and rates: {title}")
    figure.text(
        0.012, 0.1 / height,
        f"Shaded: gamma, whose size is not calibrated: read its sign. Thin line: {reference}. Field: sizes "
        "of AMPA and GABA-A\ncurrents into pyramidal cells, added. Bars: SD between runs with other input. "
        f"{_NOTE}",
        fontsize=SMALL - 1.0, color=INK2, va="bottom",
    )  # fmt: skip
    return figure


def _mean_spectrum(repeats: Sequence[NetworkActivity]) -> tuple[FloatArray, FloatArray]:
    frequency = repeats[0].spectrum()[0]
    shown = (frequency > 0.0) & (frequency <= _HIGHEST_HZ)
    return frequency[shown], np.mean([run.spectrum()[1][shown] for run in repeats], axis=0)


def _spectrum(
    ax: Axes, frequency: FloatArray, power: FloatArray, known: FloatArray, limits: tuple[float, float]
) -> None:
    ax.axvspan(*GAMMA_HZ, color=LINE, alpha=0.7, linewidth=0.0)
    ax.fill_between(frequency, limits[0], power, color=_FIELD, alpha=0.25, linewidth=0.0)
    ax.plot(frequency, power, color=_FIELD, linewidth=1.5)
    ax.plot(frequency, known, color=INK, linewidth=0.8)
    bare(ax)
    ax.set_yscale("log")
    ax.minorticks_off()
    ax.set_ylim(limits)
    decades = np.arange(math.ceil(math.log10(limits[0])), math.floor(math.log10(limits[1])) + 1)
    # Few enough to be told apart in a low row.
    ax.set_yticks(10.0 ** decades[:: math.ceil(len(decades) / 3)])
    ax.set_xlim(0.0, _HIGHEST_HZ)


def _ratios(ax: Axes, runs: Mapping[str, Sequence[NetworkActivity]], reference: str) -> None:
    before = np.array([run.rates for run in runs[reference]])
    ax.axvline(1.0, color=INK2, linewidth=1.0)
    lowest, highest = 0.8, 1.25
    for place, repeats in enumerate(runs.values()):
        rates = np.array([run.rates for run in repeats])
        for index, name in enumerate(CLASSES):
            if not (rates[:, index].all() and before[:, index].all()):
                # A silent class has no place on a log axis.
                continue
            ratio = rates[:, index] / before[:, index]
            mean, sd = float(ratio.mean()), float(ratio.std(ddof=1)) if len(ratio) > 1 else 0.0
            low = min(sd, 0.9 * mean)
            colour, mark, _ = CLASS_STYLES[name]
            ax.errorbar(
                mean, place + 0.17 * (index - 1.5), xerr=[[low], [sd]], fmt=mark, color=colour,
                markersize=4.8, linewidth=1.2,
            )  # fmt: skip
            lowest, highest = min(lowest, mean - low), max(highest, mean + sd)
    bare(ax)
    ax.set_xscale("log")
    ax.set_xlim(lowest / 1.1, highest * 1.1)
    steps = _FINE if highest / lowest < 5.0 else _COARSE
    ticks = [tick for tick in steps if lowest / 1.1 <= tick <= highest * 1.1]
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    # The marks of a row are level with the middle of its spectrum.
    ax.set_ylim(len(runs) - 0.5 * _FILLED, 0.5 * _FILLED - 1.0)
    ax.set_yticks([])
    ax.grid(axis="x", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_title("Rate", loc="left", fontsize=TEXT, color=INK)
    ax.set_xlabel(f"ratio to {reference} (log scale)", fontsize=SMALL, color=INK2)
    key = [
        Line2D([], [], color=CLASS_STYLES[name][0], marker=CLASS_STYLES[name][1], markersize=4.8,
               linestyle="none", label=CLASS_LABELS[name])
        for name in CLASSES
    ]  # fmt: skip
    ax.legend(
        handles=key, fontsize=SMALL - 1.0, frameon=False, labelcolor=INK, ncols=4, loc="lower right",
        bbox_to_anchor=(1.02, 1.0), handletextpad=0.1, columnspacing=0.7, borderaxespad=0.2,
    )  # fmt: skip
