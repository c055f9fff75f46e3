"""The brain's networks in space: the strongest connections before, during and after a dose."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon
from scipy.spatial import ConvexHull

from ketasim.brain.connectome import Connectome
from ketasim.errors import ModelError
from ketasim.report.brain_style import NETWORK_LABELS, NETWORK_STYLES, networks_of, upper
from ketasim.report.style import INK, INK2, INK3, PAPER, SMALL, STRONG, SURFACE, TEXT, WIDTH, new_figure

__all__ = ["network_figure"]

_Floats = npt.NDArray[np.float64]

#: Inches: the first column, what is above and below, and between two rows.
_NAMES, _TOP, _BOTTOM, _BETWEEN = 1.75, 0.62, 0.95, 0.12
_RIGHT = 0.1
# Around the regions, and around the outline so that its line is not cut.
_MARGIN_MM, _LINE_MM = 12.0, 2.0
_THIN, _THICK, _MARK = 0.35, 2.4, 4.6
_BETWEEN_NETWORKS = "#8a9097"
_NOTE = "A research and teaching instrument."


@dataclass(frozen=True)
class _View:
    """One projection: which coordinates are shown, and what lies where."""

    title: str
    across: int
    sign: float
    up: int
    ends: tuple[str, str]


_VIEWS = (
    _View("from above", 0, 1.0, 1, ("left", "right")),
    _View("from behind", 0, 1.0, 2, ("left", "right")),
    _View("from the left", 1, -1.0, 2, ("front", "back")),
)


def network_figure(
    matrices: Mapping[str, _Floats], connectome: Connectome, title: str, share: float = 0.05
) -> Figure:
    """Draw regions at their places and the strongest connections between them, a row for each matrix.

    The threshold is that of the first matrix, so that a row with fewer lines has weaker connectivity.

    Parameters
    ----------
    matrices : mapping of str to array, shape (n, n)
        Correlations by label.
    connectome : Connectome
        With positions.
    title : str
        Shown above.
    share : float
        Share of all pairs that is drawn of the first matrix, above 0 and at most 1.

    Returns
    -------
    Figure

    Raises
    ------
    ModelError
        If the connectome has no positions, a matrix has another size, or the share is out of range.
    """
    positions = connectome.positions
    if positions is None:
        raise ModelError(
            f"connectome {connectome.name!r} has no positions; regions cannot be drawn in space."
        )
    if not 0.0 < share <= 1.0:
        raise ModelError(f"share of connections is {share:g}; give a number above 0 and at most 1.")
    for label, matrix in matrices.items():
        if matrix.shape != (len(positions), len(positions)):
            raise ModelError(
                f"matrix {label!r} has shape {matrix.shape}; the connectome has {len(positions)} regions."
            )
    threshold = float(np.quantile(upper(next(iter(matrices.values()))), 1.0 - share))
    strongest = max(float(upper(matrix).max()) for matrix in matrices.values())
    outlines = [_outline(positions, view) for view in _VIEWS]
    spans = [np.ptp(outline, axis=0) + 2.0 * _LINE_MM for outline in outlines]
    # One scale for all three: as many mm an inch as the width allows.
    scale = (WIDTH - _NAMES - _RIGHT) / sum(span[0] for span in spans)
    row = scale * max(span[1] for span in spans)
    height = _TOP + len(matrices) * (row + _BETWEEN) + _BOTTOM
    figure = new_figure(height)
    for place, (label, matrix) in enumerate(matrices.items()):
        base = height - _TOP - (place + 1) * (row + _BETWEEN)
        left = _NAMES
        for view, outline, span in zip(_VIEWS, outlines, spans, strict=True):
            wide = scale * span[0]
            ax = figure.add_axes((left / WIDTH, base / height, wide / WIDTH, row / height))
            _frame(ax, outline, view, row / scale, titled=place == 0)
            _edges(ax, matrix, connectome, view, threshold, strongest)
            _regions(ax, connectome, view)
            left += wide
        _name(figure, label, matrix, connectome, threshold, (base + row / 2.0) / height)
    figure.text(0.012, 1.0 - 0.1 / height, f"Networks: {title}", fontsize=TEXT, color=INK, va="top")
    _key(figure, connectome, height)
    figure.text(
        0.012, 0.1 / height,
        f"Lines: pairs with a correlation above {threshold:.2f}, the strongest {100.0 * share:g} % of the "
        f"first row; up to {strongest:.2f}, the thicker the stronger.\nIn colour within a network, grey "
        f"between two. {_NOTE}",
        fontsize=SMALL - 1.0, color=INK2, va="bottom",
    )  # fmt: skip
    return figure


def _projected(positions: _Floats, view: _View) -> _Floats:
    return np.stack([view.sign * positions[:, view.across], positions[:, view.up]], axis=1)


def _outline(positions: _Floats, view: _View) -> _Floats:
    """Convex outline at a distance around all regions, (m, 2), in mm."""
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    circle = _MARGIN_MM * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    # Circles around the regions: an outline of points alone would fail for regions on one line.
    points = (_projected(positions, view)[:, None, :] + circle).reshape(-1, 2)
    return np.asarray(points[ConvexHull(points).vertices], dtype=np.float64)


def _frame(ax: Axes, outline: _Floats, view: _View, tall: float, *, titled: bool) -> None:
    ax.add_patch(Polygon(outline, closed=True, facecolor=PAPER, edgecolor=STRONG, linewidth=0.8, zorder=0.0))
    low, high = outline.min(axis=0), outline.max(axis=0)
    middle = (low[1] + high[1]) / 2.0
    ax.set_xlim(low[0] - _LINE_MM, high[0] + _LINE_MM)
    ax.set_ylim(middle - tall / 2.0, middle + tall / 2.0)
    ax.set_axis_off()
    if titled:
        ax.set_title(view.title, fontsize=SMALL, color=INK, pad=4.0)
        for x, align, text in ((low[0], "left", view.ends[0]), (high[0], "right", view.ends[1])):
            # A convex outline leaves the corners below it empty.
            ax.text(x, low[1], f" {text} ", fontsize=SMALL - 1.5, color=INK3, ha=align, va="bottom")


def _edges(
    ax: Axes, matrix: _Floats, connectome: Connectome, view: _View, threshold: float, strongest: float
) -> None:
    rows, columns = np.nonzero(np.triu(matrix, 1) > threshold)
    ranks = np.argsort(matrix[rows, columns])
    rows, columns = rows[ranks], columns[ranks]
    places = _projected(np.asarray(connectome.positions), view)
    above = (matrix[rows, columns] - threshold) / max(strongest - threshold, 1e-9)
    networks = connectome.networks
    same = np.array([networks[i] == networks[j] for i, j in zip(rows, columns, strict=True)], dtype=bool)
    # Grey lines lie below, since there are more of them.
    for kind, chosen in ((False, ~same), (True, same)):
        lines = np.stack([places[rows[chosen]], places[columns[chosen]]], axis=1)
        colours = [NETWORK_STYLES[networks[i]][0] if kind else _BETWEEN_NETWORKS for i in rows[chosen]]
        widths = _THIN + (_THICK - _THIN) * above[chosen]
        ax.add_collection(
            LineCollection(
                list(lines), colors=colours, linewidths=widths, alpha=0.75 if kind else 0.4,
                zorder=2.0 if kind else 1.0, capstyle="round",
            )
        )  # fmt: skip


def _regions(ax: Axes, connectome: Connectome, view: _View) -> None:
    places = _projected(np.asarray(connectome.positions), view)
    for network in networks_of(connectome):
        colour, mark = NETWORK_STYLES[network]
        own = places[connectome.members(network)]
        ax.plot(
            own[:, 0], own[:, 1], mark, color=colour, markersize=_MARK, markeredgecolor=SURFACE,
            markeredgewidth=0.5, zorder=3.0,
        )  # fmt: skip


def _name(
    figure: Figure, label: str, matrix: _Floats, connectome: Connectome, threshold: float, y: float
) -> None:
    count = int((upper(matrix) > threshold).sum())
    default = connectome.members("default")
    own = int((upper(matrix[np.ix_(default, default)]) > threshold).sum())
    figure.text(0.012, y + 0.004, textwrap.fill(label, 20), fontsize=TEXT, color=INK, va="bottom")
    figure.text(
        0.012, y - 0.004, f"{count:,} pairs above {threshold:.2f},\n{own:,} within the DMN",
        fontsize=SMALL - 1.0, color=INK2, va="top",
    )  # fmt: skip


def _key(figure: Figure, connectome: Connectome, height: float) -> None:
    handles = [
        Line2D(
            [], [], linestyle="none", marker=NETWORK_STYLES[name][1], color=NETWORK_STYLES[name][0],
            markersize=5.5, markeredgecolor=SURFACE, markeredgewidth=0.4, label=NETWORK_LABELS[name],
        )
        for name in networks_of(connectome)
    ]  # fmt: skip
    figure.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(0.004, 0.5 / height), ncols=len(handles),
        frameon=False, fontsize=SMALL - 1.0, labelcolor=INK, handletextpad=0.0, columnspacing=1.0,
        borderaxespad=0.0,
    )  # fmt: skip
