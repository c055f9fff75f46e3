"""Which experiment would tell rival mechanisms apart best, and what each of them foretells of it."""

from __future__ import annotations

from matplotlib.figure import Figure

from ketasim.inference.rivals.comparison import Comparison
from ketasim.report.style import DRUG, INK2, LINE, SMALL, TEXT, WIDTH, bare, new_figure

__all__ = ["WIRING_MARKS", "information_figure"]

#: Mark and colour of each wiring.
WIRING_MARKS = {
    "default": ("D", "#4e555e"),
    "disinhibition": ("o", "#0072b2"),
    "resting_nmda": ("s", "#d55e00"),
    "extrasynaptic": ("^", "#008f68"),
    "hnk": ("v", "#b8578f"),
    "trkb": ("P", "#8a6d00"),
    "habenula": ("X", "#802d7c"),
    "opioid": ("*", "#b3371f"),
}
#: Inches: a row, what is above and below, and left of the bars.
_ROW, _TOP, _BOTTOM, _LEFT = 0.34, 0.95, 0.7, 3.9


def information_figure(found: Comparison) -> Figure:
    """Draw the expected information of each experiment, and the outcome that each wiring foretells.

    Parameters
    ----------
    found : Comparison
        The comparison.

    Returns
    -------
    Figure
        Left the bits; right the outcome under each wiring over the mean predictive SD.
    """
    items = found.information
    height = _TOP + _BOTTOM + _ROW * len(items)
    figure = new_figure(height)
    base, tall = _BOTTOM / height, _ROW * len(items) / height
    bars = figure.add_axes((_LEFT / WIDTH, base, 1.6 / WIDTH, tall))
    marks = figure.add_axes(((_LEFT + 1.85) / WIDTH, base, 1.0 - (_LEFT + 2.0) / WIDTH, tall))
    places = range(len(items))
    bars.barh(places, [item.bits for item in items], height=0.6, color=DRUG)
    bars.set_yticks(places, [item.candidate.title for item in items], fontsize=SMALL - 1.5)
    bars.set_xlabel("expected information (bits)", fontsize=SMALL, color=INK2)
    for row, item in enumerate(items):
        usual = float(item.sd.mean())
        for name, value in zip(found.rivals, item.mean.tolist(), strict=True):
            mark, colour = WIRING_MARKS[name]
            marks.plot(
                value / usual, row, mark, color=colour, markersize=5.5, alpha=0.85, linestyle="none",
                label=name.replace("_", " ") if row == 0 else None,
            )  # fmt: skip
    marks.axvline(0.0, color=LINE, linewidth=0.8, zorder=0)
    marks.set_xlabel("foretold outcome, in predictive SDs", fontsize=SMALL, color=INK2)
    marks.set_yticks([])
    for ax in (bars, marks):
        ax.set_ylim(len(items) - 0.4, -0.6)
        bare(ax)
    marks.legend(
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize=SMALL - 1.5,
        handletextpad=0.2, columnspacing=0.9,
    )  # fmt: skip
    figure.text(
        0.1 / WIDTH, 1.0 - 0.3 / height, "Which experiment would decide best", fontsize=TEXT, weight="bold"
    )
    return figure
