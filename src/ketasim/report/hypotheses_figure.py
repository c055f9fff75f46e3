"""Which evidence tells rival mechanisms apart: a row a piece of evidence, a column a wiring."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from ketasim.inference.rivals.comparison import Comparison, Evidence
from ketasim.report.style import INK, INK2, SMALL, TEXT, WIDTH, bare, new_figure

__all__ = ["evidence_figure", "evidence_label"]

#: Inches: a row, what is above and below the cells, and left of them.
_ROW, _TOP, _BOTTOM, _LEFT, _RIGHT = 0.27, 1.25, 0.5, 4.2, 0.95
#: Nats at which colour ends.
_MOST = 6.0
_LABEL = 50


def evidence_figure(found: Comparison) -> Figure:
    """Draw by how much each piece of evidence speaks for or against each wiring.

    Parameters
    ----------
    found : Comparison
        The comparison.

    Returns
    -------
    Figure
        Numbers are sums of log scores less the mean over wirings, in nats; what no wiring is told by is left
        out.
    """
    items = [item for item in found.evidence() if np.ptp(item.against_mean) >= 0.1]
    tall = _ROW * max(len(items), 1)
    height = _TOP + _BOTTOM + tall
    figure = new_figure(height)
    box = (_LEFT / WIDTH, _BOTTOM / height, 1.0 - (_LEFT + _RIGHT) / WIDTH, tall / height)
    ax = figure.add_axes(box)
    values = np.array([item.against_mean for item in items]).reshape(len(items), len(found.wirings))
    norm = TwoSlopeNorm(0.0, -_MOST, _MOST)
    image = ax.imshow(np.clip(values, -_MOST, _MOST), cmap="RdBu", norm=norm, aspect="auto")
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            ink = "#ffffff" if abs(value) > 0.65 * _MOST else INK
            ax.text(j, i, f"{value:+.1f}", ha="center", va="center", fontsize=SMALL - 2.0, color=ink)
    _label(ax, found, items)
    bar = figure.add_axes((1.0 - 0.75 / WIDTH, box[1], 0.14 / WIDTH, box[3]))
    figure.colorbar(image, cax=bar).ax.tick_params(labelsize=SMALL - 1.0, length=0)
    title = "Which evidence tells the mechanisms apart"
    note = "Log score less the mean of all wirings, in nats. Above 0 the evidence speaks for the wiring."
    figure.text(0.1 / WIDTH, 1.0 - 0.3 / height, title, fontsize=TEXT, weight="bold")
    figure.text(0.1 / WIDTH, 0.15 / height, note, fontsize=SMALL, color=INK2)
    return figure


def evidence_label(item: Evidence, found: Comparison) -> str:
    """What a piece of evidence is, in words."""
    if item.kind != "test":
        return f"held-back rows, {item.name} ({item.rows})"
    tests = [test for test in found.tests.tests if test.id == item.name]
    text = tests[0].predicts
    text = text if len(text) <= _LABEL else f"{text[: _LABEL - 1].rstrip()}…"
    return f"{item.name}  {text}"


def _label(ax: Axes, found: Comparison, items: list[Evidence]) -> None:
    ax.set_xticks(range(len(found.wirings)), [name.replace("_", " ") for name in found.wirings])
    ax.set_yticks(range(len(items)), [evidence_label(item, found) for item in items], fontsize=SMALL - 1.0)
    ax.xaxis.tick_top()
    bare(ax)
    ax.tick_params(axis="x", labelsize=SMALL - 1.0, labelrotation=35.0, length=0)
    ax.tick_params(axis="y", length=0)
    for name in ax.get_xticklabels():
        name.set_horizontalalignment("left")
    for side in ax.spines.values():
        side.set_visible(False)
