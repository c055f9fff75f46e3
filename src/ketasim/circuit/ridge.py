"""Closed-form surfaces: a sum of smooth steps along directions that are found by the fit.

Every output is ``L T(y / L)`` with ``y = sum_k a_k (T(w_k x + c_k) - T(c_k)) + b x`` and
``T(z) = z / sqrt(1 + z^2)``. The units ``T(w_k x + c_k)`` are shared by all outputs. The form is exactly zero
at ``x = 0``, bounded by the limit L, has all derivatives, and needs sums, products and one square root only,
so that it can be written into equations as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import ModelError
from ketasim.smooth import smooth_step

__all__ = ["Ridge", "evaluate", "ridge_expression"]

_Floats = NDArray[np.float64]

_Power = Callable[[Any, Any], Any]


@dataclass(frozen=True, eq=False)
class Ridge:
    """Coefficients of a surface.

    Parameters
    ----------
    inputs, outputs : tuple of str
        Names, in the order of the arrays.
    weights : array, shape (units, inputs)
        Directions of the units.
    offsets : array, shape (units,)
        Where the units bend.
    gains : array, shape (outputs, units)
        How much of each unit an output takes.
    slopes : array, shape (outputs, inputs)
        Straight part.
    limit : float
        Largest value in either direction.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    weights: _Floats
    offsets: _Floats
    gains: _Floats
    slopes: _Floats
    limit: float

    @property
    def units(self) -> int:
        """Number of units."""
        return len(self.offsets)


def ridge_expression(
    weights: Any,
    offsets: Any,
    gains: Any,
    slopes: Any,
    limit: Any,
    x: Sequence[Any],
    power: _Power = pow,
    keep: Callable[[str, int, Any], Any] = lambda _part, _number, value: value,
) -> list[Any]:
    """Write all outputs in ordinary arithmetic on numbers, arrays or symbols.

    Parameters
    ----------
    weights, offsets, gains, slopes, limit
        As in :class:`Ridge`, indexed the same way; symbols are allowed.
    x : sequence
        The inputs.
    power : function
        As for :func:`ketasim.smooth.smooth_step`.
    keep : function
        Takes ``at`` (of a unit), ``step`` (of a unit) or ``sum`` (of an output before the limit), the number
        of the unit or output, and the expression; returns what is used for it from there on. Equations give
        it a name, so that it is written and differentiated once.

    Returns
    -------
    list
        One entry an output.
    """
    steps = []
    for unit, (row, offset) in enumerate(zip(weights, offsets, strict=True)):
        where = keep("at", unit, sum((w * value for w, value in zip(row, x, strict=True)), offset))
        steps.append(keep("step", unit, smooth_step(where, power) - smooth_step(offset, power)))
    result = []
    for output, (row, slope) in enumerate(zip(gains, slopes, strict=True)):
        total = sum(a * step for a, step in zip(row, steps, strict=True))
        total = keep("sum", output, total + sum(b * value for b, value in zip(slope, x, strict=True)))
        result.append(limit * smooth_step(total / limit, power))
    return result


def evaluate(ridge: Ridge, x: ArrayLike) -> _Floats:
    """Evaluate a surface.

    Parameters
    ----------
    ridge : Ridge
        The surface.
    x : array_like, shape (..., inputs)
        Where.

    Returns
    -------
    array, shape (..., outputs)

    Raises
    ------
    ModelError
        If the last axis of ``x`` does not hold the inputs.
    """
    values = np.asarray(x, dtype=np.float64)
    if values.ndim == 0 or values.shape[-1] != len(ridge.inputs):
        raise ModelError(f"x has shape {values.shape}; its last axis must hold {', '.join(ridge.inputs)}.")
    columns = list(np.moveaxis(values, -1, 0))
    found = ridge_expression(ridge.weights, ridge.offsets, ridge.gains, ridge.slopes, ridge.limit, columns)
    return np.stack(np.broadcast_arrays(*found), axis=-1)
