"""The four-clock axis: time since a dose on a line that changes its scale at named knots.

The page's ``axis.js`` follows the same rule. Between two knots time runs evenly; each piece has its share
of the width. Columns are equal in width, and so unequal in time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.faults import Fault, ScenarioError

__all__ = ["LONGEST_H", "Axis", "default_axis", "read_axis"]

FloatArray = npt.NDArray[np.float64]

#: Ten years.
LONGEST_H: Final = 87_660.0
_MOST_KNOTS, _MOST_COLUMNS = 64, 2000
_DEFAULT_COLUMNS: Final = 480
#: Knots of the clocks in h since the dose (the last is the end), and the widths between them.
_CLOCKS: Final = (0.0, 2.0, 24.0, 336.0)
_WIDTHS: Final = (0.035, 0.265, 0.20, 0.26, 0.24)


@dataclass(frozen=True)
class Axis:
    """A piecewise-linear axis.

    Parameters
    ----------
    knots_h : tuple of float
        Hours since the chosen dose, increasing; two or more.
    shares : tuple of float
        Widths of the pieces, one fewer, above 0; only their proportions matter.
    columns : int
        How many columns of pixels there are.
    dose : int
        Treatment visit of the first scenario that the clock starts at, from 1.

    Raises
    ------
    ScenarioError
        If a number cannot be; the path begins with ``axis``.
    """

    knots_h: tuple[float, ...]
    shares: tuple[float, ...]
    columns: int = _DEFAULT_COLUMNS
    dose: int = 1

    def __post_init__(self) -> None:
        knots, shares = self.knots_h, self.shares
        if not 2 <= len(knots) <= _MOST_KNOTS or not all(map(math.isfinite, knots)):
            _refuse("knots_h", list(knots), f"2 to {_MOST_KNOTS} finite numbers")
        if (np.diff(knots) <= 0.0).any() or max(map(abs, knots)) > LONGEST_H:
            _refuse("knots_h", list(knots), f"increasing numbers within {LONGEST_H:g} h")
        if len(shares) != len(knots) - 1 or not all(math.isfinite(s) and s > 0.0 for s in shares):
            _refuse("shares", list(shares), f"{len(knots) - 1} widths above 0, one fewer than knots")
        if not 2 <= self.columns <= _MOST_COLUMNS:
            _refuse("columns", self.columns, f"2 to {_MOST_COLUMNS} columns")
        if self.dose < 0:
            _refuse("dose", self.dose, "the number of a dose, from 1")

    @cached_property
    def edges_x(self) -> FloatArray:
        """Places of the knots on the line, from 0 to 1."""
        widths = np.array(self.shares) / math.fsum(self.shares)
        return np.concatenate([[0.0], np.cumsum(widths[:-1]), [1.0]])

    def position(self, tau_h: npt.ArrayLike) -> FloatArray:
        """Place on the line, 0 to 1, of a time since the dose."""
        return np.asarray(
            np.interp(np.asarray(tau_h, dtype=np.float64), self.knots_h, self.edges_x), dtype=np.float64
        )

    def time(self, x: npt.ArrayLike) -> FloatArray:
        """Time since the dose in h at a place on the line."""
        return np.asarray(
            np.interp(np.asarray(x, dtype=np.float64), self.edges_x, self.knots_h), dtype=np.float64
        )

    @cached_property
    def borders_h(self) -> FloatArray:
        """Times between the columns, shape (columns + 1,), in h since the dose."""
        return self.time(np.arange(self.columns + 1) / self.columns)

    @cached_property
    def centres_h(self) -> FloatArray:
        """Times at the middle of the columns, shape (columns,), in h since the dose."""
        return self.time((np.arange(self.columns) + 0.5) / self.columns)


def default_axis(end_h: float = 672.0, columns: int = _DEFAULT_COLUMNS) -> Axis:
    """The four clocks from a little before the first dose to an end.

    Parameters
    ----------
    end_h : float
        End in h since the first dose. Clocks that it does not reach are left out.
    columns : int
        How many columns of pixels.
    """
    inner = [knot for knot in _CLOCKS if knot < end_h]
    before = -2.0 * _WIDTHS[0] / _WIDTHS[1]
    knots = (before, *inner, end_h)
    return Axis(knots, _WIDTHS[: len(knots) - 1], columns)


def read_axis(given: Axis | Mapping[str, Any] | None) -> Axis:
    """Read an axis as a request has it.

    Parameters
    ----------
    given : Axis, mapping or None
        With ``knots_h`` and ``shares``, and maybe ``columns`` and ``dose``.

    Raises
    ------
    ScenarioError
        If it is not an axis.
    """
    if given is None:
        return default_axis()
    if isinstance(given, Axis):
        return given
    known = ("knots_h", "shares", "columns", "dose")
    for name in given:
        if name not in known:
            _refuse(str(name), given[name], f"one of the fields {', '.join(known)}")
    try:
        knots, shares = (tuple(float(item) for item in _listed(given, name)) for name in known[:2])
        columns, dose = int(given.get("columns", _DEFAULT_COLUMNS)), int(given.get("dose", 1))
    except (TypeError, ValueError, OverflowError) as error:
        hint = "Give knots_h and shares as lists of numbers, columns and dose as whole numbers."
        raise ScenarioError([Fault("axis", f"it cannot be read: {error}.", hint=hint)]) from error
    return Axis(knots, shares, columns, dose)


def _listed(given: Mapping[str, Any], name: str) -> Sequence[Any]:
    if name not in given:
        raise ValueError(f"{name} is missing")
    values = given[name]
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TypeError(f"{name} is no list")
    return values


def _refuse(field: str, value: object, allowed: str) -> None:
    message = f"{value!r} cannot be used; give {allowed}."
    raise ScenarioError([Fault(f"axis.{field}", message, value, allowed)])
