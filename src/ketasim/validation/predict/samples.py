"""Size of the sample behind a published row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ketasim.validation.predict.cells import Cells
from ketasim.validation.predict.classes import class_error
from ketasim.validation.predict.predicted import USUAL_N

__all__ = ["sample_size"]

#: A published number of persons up to this share of both groups together is taken as that of one of them.
_ONE_GROUP = 0.75


def sample_size(work: Any, row: Any, row_class: str, cells: Cells) -> float:
    """Persons behind a row, counted as :class:`~ketasim.validation.predict.Predicted` does.

    Parameters
    ----------
    work : Study or Experiment
        Gives the sizes of the arms.
    row : Observation
        The row.
    row_class : str
        Its class.
    cells : Cells
        What one person contributes, from which a published error without a number of persons tells it.

    Returns
    -------
    float
        That of the row; else as its error implies; else that of its arms; else the usual one. Of two
        groups the harmonic mean of one group's: a row names both groups together, unless its number is
        nearer to that of one of them.
    """
    own, other = _size_of(work, row.arms), _size_of(work, row.comparators)
    if row.n is not None:
        found = _of_one_group(float(row.n), own, other) if row.comparators else float(row.n)
    else:
        found = _implied(row, row_class, cells)
        if math.isnan(found):
            found = _harmonic(own, other) if row.comparators else own
    found = USUAL_N if math.isnan(found) else found
    return max(found - cells.lost, 1.0)


def _size_of(work: Any, names: Sequence[str]) -> float:
    """Persons of some arms; NaN if that of one is not published."""
    sizes = [arm.n for arm in work.arms if arm.id in names]
    if not sizes or any(size is None for size in sizes):
        return math.nan
    return float(sum(sizes))


def _harmonic(own: float, other: float) -> float:
    return 2.0 / (1.0 / own + 1.0 / other)


def _of_one_group(n: float, own: float, other: float) -> float:
    """One group's size from a published one and the sizes of the arms."""
    if math.isnan(own) or math.isnan(other):
        return 0.5 * n
    if n <= _ONE_GROUP * (own + other):
        # Groups of unequal size stay so.
        return min(n, _harmonic(own, other))
    return n / (own + other) * _harmonic(own, other)


def _implied(row: Any, row_class: str, cells: Cells) -> float:
    """Size at which the model's own spread gives the published error; NaN without one."""
    error = row.standard_error
    if error is None or not error > 0.0 or row_class == "sign":
        return math.nan
    scaled = class_error(row_class, row.value, error)
    return cells.within / scaled**2 + cells.lost if scaled > 0.0 and cells.within > 0.0 else math.nan
