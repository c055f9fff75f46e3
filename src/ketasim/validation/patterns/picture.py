"""What the figure of a pattern shows, as numbers; how it is drawn is a matter of the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Band", "Bars", "Curve", "Panel", "Picture", "Published"]

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
    steps : bool
        Level until the next point, as survival is.
    """

    name: str
    x: FloatArray
    y: FloatArray
    quiet: bool = False
    points: bool = False
    steps: bool = False

    @classmethod
    def of(
        cls, name: str, x: Sequence[float], y: Sequence[float], *, quiet: bool = False, points: bool = True
    ) -> Curve:
        """Make a line of plain numbers."""
        return cls(name, np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64), quiet, points)


@dataclass(frozen=True)
class Published:
    """Published numbers, drawn as open marks: x, y, and the name of where they come from."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True)
class Band:
    """The range of a criterion on the axis of values, from ``low`` to ``high``, with its name."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class Bars:
    """Bars of a panel: one a name, from zero; NaN where there is no number.

    Parameters
    ----------
    names : tuple of str
        One a row.
    values : tuple of float
        What the model gives.
    published : tuple of float
        What was published, drawn as open marks; NaN where nothing was. Empty for none.
    """

    names: tuple[str, ...]
    values: tuple[float, ...]
    published: tuple[float, ...] = ()


@dataclass(frozen=True)
class Panel:
    """Axes with curves or with bars.

    Parameters
    ----------
    title, x_label, y_label : str
        Words with units. Of bars ``y_label`` names the axis of values.
    curves : tuple of Curve
        Lines.
    bars : Bars, optional
        In place of lines.
    bands : tuple of Band
        Ranges of criteria.
    published : tuple of Published
        Published numbers.
    log_x : bool
        Whether the horizontal axis of curves is logarithmic.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...] = ()
    bars: Bars | None = None
    bands: tuple[Band, ...] = ()
    published: tuple[Published, ...] = ()
    log_x: bool = False


@dataclass(frozen=True)
class Picture:
    """Panels side by side."""

    panels: tuple[Panel, ...]
