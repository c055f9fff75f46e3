"""Differences of scores between two predictions of the same rows, with errors that know studies."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Difference", "mean_difference"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """Mean of what the first prediction scores above the second.

    Parameters
    ----------
    rows, studies : int
        How many there are.
    mean, standard_error : float
        A row; the error counts rows of one study as one (cluster-robust). NaN with fewer than two studies.
    """

    rows: int
    studies: int
    mean: float
    standard_error: float

    @property
    def in_errors(self) -> float:
        """The mean in standard errors."""
        return self.mean / self.standard_error if self.standard_error > 0.0 else math.nan

    def as_dict(self) -> dict[str, float]:
        """Plain numbers."""
        return {**asdict(self), "in_errors": self.in_errors}


def mean_difference(first: FloatArray, second: FloatArray, studies: Sequence[str]) -> Difference:
    """Compare scores of the same rows.

    Parameters
    ----------
    first, second : array, shape (rows,)
        Scores, higher is better; rows in which either is not finite do not count.
    studies : sequence of str, length rows
        Study of each row.

    Returns
    -------
    Difference
    """
    off = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    known = np.isfinite(off)
    off, names = off[known], np.asarray(studies, dtype=object)[known]
    groups = list(dict.fromkeys(names.tolist()))
    if not len(off):
        return Difference(0, 0, math.nan, math.nan)
    mean = float(off.mean())
    if len(groups) < 2:
        return Difference(len(off), len(groups), mean, math.nan)
    sums = np.array([(off[names == name] - mean).sum() for name in groups])
    count = len(groups)
    error = math.sqrt(float((sums**2).sum()) * count / (count - 1.0)) / len(off)
    return Difference(len(off), count, mean, error)
