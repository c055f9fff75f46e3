"""What is lost when stages are held: a row a stage, a mark a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from ketasim.inference.explain.mediation import Mediation
from ketasim.report.style import (
    DRUG,
    EXPECTANCY,
    INK2,
    LINE,
    SMALL,
    TEXT,
    bare,
    figure_pdf,
    figure_png,
    figure_svg,
    new_figure,
)

__all__ = ["explain_figure", "write_explain_figure"]

_MARKS = (("o", DRUG), ("s", "#d55e00"), ("^", EXPECTANCY))
_ROW, _FRAME = 0.34, 1.5
_OFFSET = 0.22


def explain_figure(study: str, mediations: Sequence[Mediation]) -> Figure:
    """Draw the share of the drug-specific effect that is lost.

    Parameters
    ----------
    study : str
        Name for the heading.
    mediations : sequence of Mediation
        What was held.

    Returns
    -------
    Figure
        Intervals are the middle 90 % over the posterior.
    """
    figure = new_figure(_FRAME + _ROW * 1.4 * len(mediations))
    ax = figure.add_axes((0.24, 0.62 / figure.get_figheight(), 0.72, 1.0 - 1.4 / figure.get_figheight()))
    times = list(mediations[0].lost)
    for row, item in enumerate(mediations):
        for place, time in enumerate(times):
            marker, colour = _MARKS[place % len(_MARKS)]
            y = row + _OFFSET * (place - (len(times) - 1) / 2.0)
            low, high = item.lost_low[time], item.lost_high[time]
            if low == low:
                ax.plot([100.0 * low, 100.0 * high], [y, y], color=colour, linewidth=1.4, alpha=0.6)
            ax.plot(
                100.0 * item.lost[time], y, marker, color=colour, markersize=5,
                label=f"at {time}" if row == 0 else None, linestyle="none",
            )  # fmt: skip
    for share in (0, 50, 100):
        ax.axvline(share, color=LINE, linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(mediations)), [item.name.replace("_", " ") for item in mediations], fontsize=TEXT)
    ax.set_ylim(len(mediations) - 0.4, -0.6)
    ax.set_xlim(-25, 125)
    ax.set_xlabel("share of the drug-specific effect that is lost (%)", fontsize=SMALL, color=INK2)
    bare(ax)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, fontsize=SMALL)
    title = f"{study}: what is lost when a stage is held from the first dose on"
    figure.text(0.02, 1.0 - 0.3 / figure.get_figheight(), title, fontsize=TEXT, weight="bold")
    return figure


def write_explain_figure(study: str, mediations: Sequence[Mediation], path: Path) -> None:
    """Write the figure as SVG, PNG or PDF, by the ending of the path.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    figure = explain_figure(study, mediations)
    kind = path.suffix.lower()
    if kind == ".svg":
        path.write_text(figure_svg(figure), encoding="utf-8")
    else:
        path.write_bytes(figure_pdf(figure) if kind == ".pdf" else figure_png(figure))
