"""Connectivity matrices by network, and what changed in them."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, FuncNorm, Normalize
from matplotlib.figure import Figure

from ketasim.brain.connectome import Connectome
from ketasim.errors import ModelError
from ketasim.report.brain_style import NETWORK_LABELS, NETWORK_STYLES, network_order, networks_of, upper
from ketasim.report.style import INK, INK2, LINE, SMALL, SURFACE, TEXT, WIDTH, bare, new_figure

__all__ = ["matrix_figure"]

_Floats = npt.NDArray[np.float64]

_COLUMNS = 4
#: Inches: left edge, space between and right of panels, what is above, below and between blocks of rows.
_LEFT, _SPACE, _RIGHT, _TOP, _BOTTOM, _BETWEEN = 1.2, 0.14, 0.78, 0.36, 0.72, 0.16
_STRIP, _TITLE, _GAP = 0.06, 0.34, 0.1
#: Names of networks, in units of the height of a matrix.
_LEAST_APART = 0.07
#: Values beyond this share of all pairs do not stretch a scale.
_STRETCH = 0.995
_VALUES, _SIGNED = "YlGnBu", "PuOr_r"
_NOTE = "A research and teaching instrument."


@dataclass(frozen=True, eq=False)
class _Scale:
    """Numbers to colours, and where the scale is labelled."""

    norm: Normalize
    cmap: Colormap
    ticks: tuple[float, ...]


def matrix_figure(
    matrices: Mapping[str, _Floats], connectome: Connectome, reference: str, title: str
) -> Figure:
    """Draw correlation matrices, regions ordered by network, and below each what differs from a reference.

    All matrices share one scale, and all differences another, on which colour goes with the square root so
    that small ones are seen beside large ones.

    Parameters
    ----------
    matrices : mapping of str to array, shape (n, n)
        Correlations by label; a column each.
    connectome : Connectome
        Of these regions.
    reference : str
        The label that differences are relative to.
    title : str
        Shown above.

    Returns
    -------
    Figure

    Raises
    ------
    ModelError
        If the reference is not among the matrices, or a matrix has another size.
    """
    _check(matrices, connectome, reference)
    order = network_order(connectome)
    drawn = {label: _ordered(matrix, order) for label, matrix in matrices.items()}
    differences = {label: matrix - drawn[reference] for label, matrix in drawn.items() if label != reference}
    value_scale = _value_scale(np.concatenate([upper(matrix) for matrix in drawn.values()]))
    difference_scale = _difference_scale([upper(matrix) for matrix in differences.values()])
    columns, blocks = min(len(drawn), _COLUMNS), math.ceil(len(drawn) / _COLUMNS)
    side = (WIDTH - _LEFT - _RIGHT - (_COLUMNS - 1) * _SPACE) / _COLUMNS
    block = _TITLE + 2.0 * side + _GAP
    height = _TOP + blocks * (block + _BETWEEN) - _BETWEEN + _BOTTOM
    figure = new_figure(height)

    def axes(place: int, row: int) -> Axes:
        left = _LEFT + (place % _COLUMNS) * (side + _SPACE)
        top = _TOP + (place // _COLUMNS) * (block + _BETWEEN) + _TITLE + row * (side + _GAP)
        return figure.add_axes((left / WIDTH, 1.0 - (top + side) / height, side / WIDTH, side / height))

    for place, (label, matrix) in enumerate(drawn.items()):
        first = place % _COLUMNS == 0
        ax = axes(place, 0)
        _panel(ax, matrix, connectome, value_scale, named=first)
        ax.set_title(textwrap.fill(label, 24), loc="left", fontsize=SMALL, color=INK, pad=10.0)
        if label in differences:
            below = axes(place, 1)
            _panel(below, differences[label], connectome, difference_scale, named=first)
    bars = _LEFT + columns * (side + _SPACE)
    _bar(figure, axes(columns - 1, 0), bars, value_scale, "correlation")
    if differences:
        _bar(figure, axes(columns - 1, 1), bars, difference_scale, f"difference from {reference}")
    _words(figure, title, reference)
    return figure


def _words(figure: Figure, title: str, reference: str) -> None:
    height = figure.get_figheight()
    figure.text(0.012, 1.0 - 0.1 / height, f"Connectivity: {title}", fontsize=TEXT, color=INK, va="top")
    figure.text(
        0.012, 0.1 / height,
        "Each row and column is a region, in the order of networks, within each the left hemisphere first. "
        f"Above: correlation of signals.\nBelow: difference from {reference}; its colours go with the square "
        "root, so that small ones are seen. Colours are cut\n"
        f"at the ends of the scales. {_NOTE}",
        fontsize=SMALL - 1.0, color=INK2, va="bottom",
    )  # fmt: skip


def _check(matrices: Mapping[str, _Floats], connectome: Connectome, reference: str) -> None:
    if reference not in matrices:
        raise ModelError(f"no matrix is called {reference!r}; there are {', '.join(matrices)}.")
    n = connectome.n_regions
    for label, matrix in matrices.items():
        if matrix.shape != (n, n):
            raise ModelError(f"matrix {label!r} has shape {matrix.shape}; the connectome has {n} regions.")


def _ordered(matrix: _Floats, order: npt.NDArray[np.intp]) -> _Floats:
    """Reorder, and leave out the diagonal, which says nothing."""
    found = np.array(matrix[np.ix_(order, order)], dtype=np.float64)
    np.fill_diagonal(found, np.nan)
    return found


def _rounded(value: float) -> float:
    """Round up to one figure, or to one and a half: 0.12 to 0.15, 0.34 to 0.4."""
    size = 10.0 ** math.floor(math.log10(value))
    return next(
        step * size for step in (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if step * size >= value - 1e-12
    )


def _largest(values: _Floats) -> float:
    return _rounded(max(float(np.quantile(np.abs(values), _STRETCH)), 1e-3))


def _value_scale(values: _Floats) -> _Scale:
    """Sequential from 0 if hardly anything is negative, else diverging about 0."""
    high = min(_largest(values), 1.0)
    signed = float(np.quantile(values, 1.0 - _STRETCH)) < -0.1 * high
    low = -high if signed else 0.0
    return _Scale(
        Normalize(low, high), _colours(_SIGNED if signed else _VALUES), (low, (low + high) / 2.0, high)
    )


def _difference_scale(values: list[_Floats]) -> _Scale:
    high = _largest(np.concatenate(values)) if values else 1.0
    norm = FuncNorm((_signed_root, _signed_square), -high, high)
    return _Scale(norm, _colours(_SIGNED), (-high, -high / 4.0, 0.0, high / 4.0, high))


def _signed_root(x: Any) -> Any:
    return np.sign(x) * np.sqrt(np.abs(x))


def _signed_square(x: Any) -> Any:
    return np.sign(x) * np.square(x)


def _colours(name: str) -> Colormap:
    return mpl.colormaps[name].with_extremes(bad=LINE)


def _panel(ax: Axes, matrix: _Floats, connectome: Connectome, scale: _Scale, *, named: bool) -> None:
    n = len(matrix)
    ax.imshow(matrix, norm=scale.norm, cmap=scale.cmap, interpolation="nearest", aspect="auto")
    bare(ax, bottom=False)
    ax.set_xticks([])
    ax.set_yticks([])
    start, last = 0, 0.0
    width = _STRIP / (ax.get_position().width * WIDTH)
    for network in networks_of(connectome):
        count = connectome.networks.count(network)
        colour = NETWORK_STYLES[network][0]
        # Strips of colour beside the rows and above the columns, in units of the axes.
        for x, y, wide, high in (
            (-1.6 * width, 1.0 - (start + count) / n, width, count / n),
            (start / n, 1.0 + 0.6 * width, count / n, width),
        ):
            ax.add_patch(_patch(x, y, wide, high, colour, ax))
        if start:
            for line in (ax.axhline, ax.axvline):
                line(start - 0.5, color=SURFACE, linewidth=0.7)
        if named:
            # Names of small networks that are neighbours would lie on each other.
            last = max((start + count / 2.0) / n, last + _LEAST_APART)
            ax.text(
                -2.4 * width, 1.0 - last, NETWORK_LABELS[network], fontsize=SMALL - 1.5, color=INK2,
                ha="right", va="center", transform=ax.transAxes,
            )  # fmt: skip
        start += count


def _patch(x: float, y: float, wide: float, high: float, colour: str, ax: Axes) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), wide, high, color=colour, linewidth=0.0, transform=ax.transAxes, clip_on=False)


def _bar(figure: Figure, beside: Axes, left: float, scale: _Scale, label: str) -> None:
    place = beside.get_position()
    beside.remove()
    ax = figure.add_axes((left / WIDTH, place.y0, 0.11 / WIDTH, place.height))
    bar = figure.colorbar(ScalarMappable(scale.norm, scale.cmap), cax=ax)
    bar.outline.set_visible(False)
    bar.set_ticks(list(scale.ticks), labels=[f"{tick:.3g}".replace("-", "−") for tick in scale.ticks])
    ax.minorticks_off()
    ax.tick_params(length=0, labelsize=SMALL - 1.5, colors=INK2, pad=2.0)
    bar.set_label(label, fontsize=SMALL - 1.0, color=INK2, labelpad=4.0)
