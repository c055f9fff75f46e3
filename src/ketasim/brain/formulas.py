"""The closed form of the brain surfaces.

A read-out's departure from the healthy brain without a drug is a few smooth steps, each along one
direction of the inputs, plus a linear part::

    y(x) = sum_k a_k (T(b_k + w_k . (x - x0)) - T(b_k)) + c . (x - x0),   T(z) = z / sqrt(1 + z^2)

so that it is exactly 0 in the healthy brain x0. It uses only sums, products, squares and one root, so that
it can be written into the chain as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import BrainError
from ketasim.smooth import smooth_step

__all__ = ["INPUTS", "REFERENCE", "Surface", "departure", "evaluate"]

_Floats = NDArray[np.float64]

INPUTS = (
    "block_excitatory",
    "block_inhibitory",
    "inhibition_gain",
    "density",
    "adapted_density",
    "illness",
)
"""Inputs of the surfaces, in order: the fields of :class:`ketasim.brain.illness.BrainState`."""

REFERENCE: Mapping[str, float] = MappingProxyType(
    dict(zip(INPUTS, (0.0, 0.0, 1.0, 1.0, 1.0, 0.0), strict=True))
)
"""The healthy brain without a drug."""


@dataclass(frozen=True)
class Surface:
    """Coefficients of one read-out.

    Parameters
    ----------
    name : str
        Read-out.
    scale : str
        ``log_ratio`` or ``difference``, as in :data:`ketasim.brain.readouts.READOUTS`.
    reference : float
        Read-out in the healthy brain.
    heights, offsets : tuple of float, length k
        a and b.
    slopes : tuple of tuple of float, k of 6
        w, in the order of :data:`INPUTS`.
    linear : tuple of float, length 6
        c.
    spread : float
        Standard deviation of y over the design.
    rms : float
        Root mean square error of the fit over the design.
    rms_left_out : float
        The same, each point predicted by a fit without its fold.
    """

    name: str
    scale: str
    reference: float
    heights: tuple[float, ...]
    offsets: tuple[float, ...]
    slopes: tuple[tuple[float, ...], ...]
    linear: tuple[float, ...]
    spread: float
    rms: float
    rms_left_out: float

    def __post_init__(self) -> None:
        units = len(self.heights)
        wide = [len(row) for row in self.slopes] + [len(self.linear)]
        if len(self.offsets) != units or len(self.slopes) != units or set(wide) != {len(INPUTS)}:
            raise BrainError(
                f"surface {self.name}: {units} heights, {len(self.offsets)} offsets and {len(self.slopes)} "
                f"slopes of lengths {sorted(set(wide))}; give as many of each, and {len(INPUTS)} a slope."
            )


def departure(
    surface: Surface,
    inputs: Sequence[Any],
    power: Callable[[Any, Any], Any] = pow,
    keep: Callable[[str, Any], Any] = lambda _name, value: value,
) -> Any:
    """Departure y from the healthy brain, in ordinary arithmetic on numbers, arrays or symbols.

    Parameters
    ----------
    surface : Surface
        Coefficients.
    inputs : sequence of six
        In the order of :data:`INPUTS`.
    power : function
        As for :func:`ketasim.smooth.smooth_step`.
    keep : function
        Takes a name and a value in between, and returns what is used for it from there on: equations give it
        a name, so that it is written and differentiated once.

    Returns
    -------
    number, array or symbol
        Log ratio or difference, by ``surface.scale``.
    """
    moved = [value - start for value, start in zip(inputs, REFERENCE.values(), strict=True)]
    total: Any = 0.0
    for slope, value in zip(surface.linear, moved, strict=True):
        total = total + slope * value
    units = zip(surface.heights, surface.offsets, surface.slopes, strict=True)
    for unit, (height, offset, slopes) in enumerate(units, 1):
        z: Any = offset
        for slope, value in zip(slopes, moved, strict=True):
            z = z + slope * value
        z = keep(f"{surface.name}_unit{unit}_at", z)
        total = total + height * (smooth_step(z, power) - smooth_step(offset))
    total = keep(f"{surface.name}_sum", total)
    return total


def evaluate(surface: Surface, inputs: ArrayLike) -> _Floats:
    """Departure y from the healthy brain at many points.

    Parameters
    ----------
    surface : Surface
        Coefficients.
    inputs : array_like, shape (..., 6)
        In the order of :data:`INPUTS`.

    Returns
    -------
    array, shape (...)
        Log ratio or difference, by ``surface.scale``.

    Raises
    ------
    BrainError
        If the last axis does not hold the six inputs.
    """
    points = np.asarray(inputs, dtype=np.float64)
    if points.ndim == 0 or points.shape[-1] != len(INPUTS):
        raise BrainError(f"inputs have shape {points.shape}; the last axis must hold {', '.join(INPUTS)}.")
    return np.asarray(departure(surface, list(np.moveaxis(points, -1, 0))), dtype=np.float64)
