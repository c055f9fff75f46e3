"""Dose curves of what the whole brain says: connectivity, rates and distance from criticality."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ketasim.brain.criticality import EIGENVALUE_LIMIT, RATE_CHANGE_LIMIT
from ketasim.errors import ModelError
from ketasim.report.style import FAIL, INK, INK2, INK3, LINE, SMALL, STRONG, TEXT, WIDTH, bare, new_figure

__all__ = ["PANELS", "dose_figure"]

_Floats = npt.NDArray[np.float64]

#: What is drawn: title, and where it stands in a record of ``ketasim brain run --json``.
PANELS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("within DMN", ("readouts", "within_dmn")),
    ("PCC to mPFC", ("readouts", "pcc_mpfc")),
    ("insula to DMN", ("readouts", "insula_dmn")),
    ("DMN to control", ("readouts", "dmn_control")),
    ("DMN to subgenual", ("readouts", "dmn_subgenual")),
    ("all pairs", ("readouts", "whole_gbc")),
    ("prefrontal to all", ("readouts", "prefrontal_gbc")),
    ("loss of communication", ("communication_loss",)),
    ("excitatory rate, ratio", ("rate_ratios", "excitatory")),
    ("inhibitory rate, ratio", ("rate_ratios", "inhibitory")),
    ("leading eigenvalue, 1/s", ("eigenvalue_per_s",)),
    ("5 % more local weight", ("rate_change_5_percent",)),
)
_LIMITS = {"eigenvalue_per_s": EIGENVALUE_LIMIT, "rate_change_5_percent": RATE_CHANGE_LIMIT}
#: Where a curve begins without a drug, for those that are relative to it.
_ORIGINS = {"communication_loss": 0.0, "excitatory": 1.0, "inhibitory": 1.0}
_STYLES: Sequence[tuple[str, Any]] = (("#0072b2", "-"), ("#d55e00", (0, (5.0, 2.0))))

_COLUMNS = 4
_LEFT, _RIGHT, _TOP, _BOTTOM = 0.55, 0.1, 1.02, 1.02
_ACROSS, _DOWN, _HIGH = 0.58, 0.62, 1.25
_NOTE = "A research and teaching instrument."


def dose_figure(
    blocks: _Floats,
    curves: Mapping[str, Sequence[Mapping[str, Any] | None]],
    clinical: float,
    title: str,
) -> Figure:
    """Draw one panel for each read-out over the mean block of NMDA receptors.

    Parameters
    ----------
    blocks : array, shape (k,)
        Mean block, ascending.
    curves : mapping of str to sequence of mappings or None, length k
        Records by brain, at most two; None where the network is unstable.
    clinical : float
        Mean block of a clinical dose, which is marked.
    title : str
        Shown above.

    Returns
    -------
    Figure

    Raises
    ------
    ModelError
        If there is no curve, are more than two, or their lengths differ from that of the blocks.
    """
    if not 1 <= len(curves) <= len(_STYLES):
        raise ModelError(f"{len(curves)} dose curves; give 1 to {len(_STYLES)}.")
    for label, records in curves.items():
        if len(records) != len(blocks):
            raise ModelError(f"dose curve {label!r} has {len(records)} points for {len(blocks)} blocks.")
    rows = math.ceil(len(PANELS) / _COLUMNS)
    height = _TOP + rows * _HIGH + (rows - 1) * _DOWN + _BOTTOM
    figure = new_figure(height)
    wide = (WIDTH - _LEFT - _RIGHT - (_COLUMNS - 1) * _ACROSS) / _COLUMNS
    for place, (name, path) in enumerate(PANELS):
        left = _LEFT + (place % _COLUMNS) * (wide + _ACROSS)
        base = height - _TOP - (place // _COLUMNS) * (_HIGH + _DOWN) - _HIGH
        ax = figure.add_axes((left / WIDTH, base / height, wide / WIDTH, _HIGH / height))
        ax.set_title(name, loc="left", fontsize=SMALL, color=INK, pad=5.0)
        values = [np.array([_value(item, path) for item in records]) for records in curves.values()]
        _panel(ax, blocks, values, clinical, path[-1])
        if place + _COLUMNS >= len(PANELS):
            ax.set_xlabel("mean NMDA block", fontsize=SMALL, color=INK2, labelpad=2.0)
    figure.text(0.012, 1.0 - 0.1 / height, f"Dose curves: {title}", fontsize=TEXT, color=INK, va="top")
    _key(figure, list(curves), height, clinical)
    figure.text(
        0.012, 0.1 / height,
        "Connectivity: mean Fisher z over pairs of regions. Loss of communication: of mutual information, "
        "against no drug in the same brain.\n5 % more local weight: largest change of a region's rate; where "
        f"it ends, the network has no resting state. {_NOTE}",
        fontsize=SMALL - 1.0, color=INK2, va="bottom",
    )  # fmt: skip
    return figure


def _value(record: Mapping[str, Any] | None, path: Sequence[str]) -> float:
    value: Any = record
    for key in path:
        value = None if value is None else value[key]
    return float(value) if value is not None and math.isfinite(value) else math.nan


def _panel(ax: Axes, blocks: _Floats, values: Sequence[_Floats], clinical: float, name: str) -> None:
    bare(ax)
    ax.set_xlim(0.0, float(blocks[-1]))
    ticks = _ticks(float(blocks[-1]))
    ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    if not any(np.isfinite(curve).any() for curve in values):
        ax.set_yticks([])
        ax.text(
            0.5, 0.5, "not in this\nparcellation", fontsize=SMALL, color=INK3, ha="center", va="center",
            transform=ax.transAxes,
        )  # fmt: skip
        return
    ax.axvline(clinical, color=STRONG, linewidth=1.2, zorder=0.5)
    if name in _ORIGINS:
        ax.axhline(_ORIGINS[name], color=INK3, linewidth=0.8, zorder=0.6)
    if name in _LIMITS:
        ax.axhline(_LIMITS[name], color=FAIL, linewidth=1.0, linestyle=(0, (1.5, 1.5)), zorder=0.6)
    for curve, (colour, dash) in zip(values, _STYLES, strict=False):
        ax.plot(blocks, curve, color=colour, linestyle=dash, linewidth=1.7, dash_capstyle="butt")
    if name == "rate_change_5_percent":
        ax.set_ylim(bottom=0.0)
    ax.grid(axis="y", color=LINE, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.locator_params(axis="y", nbins=4)


def _ticks(end: float) -> list[float]:
    step = next(size for size in (0.05, 0.1, 0.2, 0.25) if end / size <= 5.0 or size == 0.25)
    return [step * k for k in range(int(end / step + 1e-9) + 1)]


def _key(figure: Figure, labels: Sequence[str], height: float, clinical: float) -> None:
    handles = [
        Line2D([], [], color=colour, linestyle=dash, linewidth=1.7, label=label)
        for label, (colour, dash) in zip(labels, _STYLES, strict=False)
    ]
    handles.append(Line2D([], [], color=STRONG, linewidth=1.6, label=f"clinical dose ({clinical:g})"))
    handles.append(
        Line2D([], [], color=FAIL, linewidth=1.0, linestyle=(0, (1.5, 1.5)), label="limit of a safe distance")
    )
    figure.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(0.004, 1.0 - 0.42 / height), ncols=len(handles),
        frameon=False, fontsize=SMALL, labelcolor=INK, handlelength=2.4, columnspacing=1.4, borderaxespad=0.0,
    )  # fmt: skip
