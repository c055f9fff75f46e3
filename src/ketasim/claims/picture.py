"""What the figure of a claim shows, as numbers; how it is drawn is a matter of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Bars", "Curve", "Line", "Panel", "Picture"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A line of a panel.

    Parameters
    ----------
    name : str
        As in the key.
    x, y : array, shape (n,)
        In the units of the axes.
    quiet : bool
        Drawn grey, as controls are.
    points : bool
        With a marker at each point.
    """

    name: str
    x: FloatArray
    y: FloatArray
    quiet: bool = False
    points: bool = False

    @classmethod
    def of(
        cls, name: str, x: Sequence[float], y: Sequence[float], *, quiet: bool = False, points: bool = True
    ) -> Curve:
        """Make a line of plain numbers."""
        return cls(name, np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), quiet, points)


@dataclass(frozen=True)
class Bars:
    """Bars of a panel: one a name; NaN where there is no number."""

    names: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Line:
    """A horizontal line that a criterion or a publication gives, with its name."""

    name: str
    y: float


@dataclass(frozen=True)
class Panel:
    """Axes with curves or with bars.

    Parameters
    ----------
    title, x_label, y_label : str
        Words with units; bars need no ``x_label``.
    curves : tuple of Curve
        Lines.
    bars : Bars, optional
        In place of lines.
    lines : tuple of Line
        Levels to compare with.
    log_x : bool
        Whether the horizontal axis is logarithmic.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = ()
    bars: Bars | None = None
    lines: tuple[Line, ...] = ()
    log_x: bool = False


@dataclass(frozen=True)
class Picture:
    """Panels side by side."""

    panels: tuple[Panel, ...]
