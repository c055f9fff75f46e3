"""Published concentrations and exposures against the model's, on log axes, by route."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ketasim.report.course_figure import COURSE_FORMATS
from ketasim.report.style import INK, INK2, LINE, SMALL, TEXT, WIDTH, bare, new_figure

__all__ = ["pk_score_figure", "write_pk_score_figure"]

_HEIGHT = 4.9
_STYLES = {
    "iv": ("o", "#0072b2"),
    "nasal": ("^", "#d55e00"),
    "film": ("s", "#008f68"),
    "oral": ("D", "#b8578f"),
    "oral PR": ("v", "#8a6d00"),
    "other": ("P", "#697079"),
}
_CONCENTRATION = ("value_at", "cmax")


def pk_score_figure(rows: pd.DataFrame) -> Figure:
    """Draw two panels: concentrations, and all else.

    Parameters
    ----------
    rows : pandas.DataFrame
        ``value``, ``predicted``, ``route``, ``kind`` and ``statistic`` of each published row.

    Returns
    -------
    Figure
        Filled marks were measured; hollow ones are another model's output or a review's.
    """
    figure = new_figure(_HEIGHT)
    is_concentration = rows["statistic"].isin(_CONCENTRATION)
    panels = (
        ("Concentrations", "ng/mL", rows[is_concentration]),
        ("Areas, times, clearances, ratios", "each in its unit", rows[~is_concentration]),
    )
    for place, (title, unit, part) in enumerate(panels):
        left = (0.8 + place * 4.55) / WIDTH
        ax = figure.add_axes((left, 0.85 / _HEIGHT, 3.7 / WIDTH, 3.4 / _HEIGHT))
        both = np.concatenate([part["value"].to_numpy(), part["predicted"].to_numpy()])
        low, high = both.min() / 1.6, both.max() * 1.6
        ends = np.array([low, high])
        ax.plot(ends, ends, color=INK2, linewidth=1.2)
        for factor in (0.5, 2.0):
            ax.plot(ends, factor * ends, color=INK2, linewidth=0.9, linestyle=(0, (4.0, 3.0)))
        for name, (mark, colour) in _STYLES.items():
            known = part["route"] == name if name != "other" else ~part["route"].isin(list(_STYLES))
            for measured in (False, True):
                own = part[known & ((part["kind"] == "measured") == measured)]
                ax.plot(
                    own["value"],
                    own["predicted"],
                    mark,
                    color=colour,
                    markersize=4.6,
                    markerfacecolor=colour if measured else "none",
                    markeredgewidth=0.9,
                    linestyle="none",
                    label=name if measured else None,
                )
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_xlim(low, high)
        ax.set_ylim(low, high)
        bare(ax)
        ax.grid(color=LINE, linewidth=0.7)
        ax.set_axisbelow(True)
        ax.set_title(title, loc="left", fontsize=TEXT, color=INK)
        ax.set_xlabel(f"published, {unit}", fontsize=SMALL, color=INK2)
        ax.set_ylabel(f"model, {unit}", fontsize=SMALL, color=INK2)
        if place == 0:
            ax.legend(fontsize=SMALL, frameon=False, loc="upper left", labelcolor=INK, handletextpad=0.3)
    figure.text(
        0.012,
        0.1 / _HEIGHT,
        "Line: equal; dashed: two-fold. Filled: measured; hollow: another model's output or a review's.",
        fontsize=SMALL,
        color=INK2,
        va="bottom",
    )
    return figure


def write_pk_score_figure(rows: pd.DataFrame, path: Path) -> Path:
    """Write :func:`pk_score_figure` to a file whose ending (.svg, .png, .pdf) says the format.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.write_bytes(COURSE_FORMATS[path.suffix.lower()](pk_score_figure(rows)))
    return path
