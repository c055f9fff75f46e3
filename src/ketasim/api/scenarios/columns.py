"""Courses as a screen can show them: the least, the largest and the middle of every column of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen

__all__ = ["area_times", "close_times", "column_extremes", "five_digits", "peak_times"]

FloatArray = npt.NDArray[np.float64]

#: Hours after the begin and the end of a dose at which curves are looked at: a bolus acts at once, and the
#: first value after it is the one that counts.
_FULL: Final = np.array(
    [
        *(1e-4, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 2 / 3, 0.8, 1.0, 1.25),
        *(1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0, 24.0),
    ]
)
_SPARSE: Final = np.array([1e-4, 0.02, 0.1, 0.25, 0.5, 1.0, 2.0, 6.0])
_FEW: Final = np.array([1e-4, 0.05, 0.5, 1.0])
#: Hours after begin and end of a dose, and after the last one, between which the level is straight or falls
#: as an exponential to 0.3 % of the area; and fewer of them, for courses of many doses.
_AREA: Final = np.array(
    [0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 18.0, 24.0, 36.0, 48.0]
)
_AREA_END: Final = np.array([72.0, 100.0, 150.0, 240.0, 400.0])
_AREA_SPARSE: Final = np.array([0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 12.0, 24.0])
#: Doses up to which all of the first, and all of the second, are taken.
_MANY, _VERY_MANY = 40, 200
#: Minutes after a dose at which harms look for peaks.
_HARM_MINUTES: Final = (10, 20, 30, 40, 50, 60, 90, 120, 180, 240, 360, 480)


def close_times(regimen: Regimen) -> FloatArray:
    """Times at which the course of a drug must be looked at, whatever the axis.

    Parameters
    ----------
    regimen : Regimen
        Its doses, placebo too.

    Returns
    -------
    array
        In h, in any order.
    """
    doses = regimen.doses
    after = _FULL if len(doses) <= _MANY else _SPARSE if len(doses) <= _VERY_MANY else _FEW
    starts, ends = (np.array([getattr(dose, name) for dose in doses]) for name in ("start_h", "end_h"))
    parts = [starts, ends, (starts[:, None] + after).ravel()]
    longer = ends > starts
    parts.append((ends[longer][:, None] + after).ravel())
    return np.concatenate(parts)


def area_times(regimen: Regimen) -> FloatArray:
    """Times between which the area under the level is added up, whatever the axis.

    Parameters
    ----------
    regimen : Regimen
        Its doses, placebo too.

    Returns
    -------
    array
        In h, increasing.
    """
    doses = regimen.doses
    after = _AREA if len(doses) <= _VERY_MANY else _AREA_SPARSE
    both = np.unique(
        np.array([time for dose in doses for time in (dose.start_h, dose.end_h)], dtype=np.float64)
    )
    return np.unique(
        np.concatenate([both, (both[:, None] + after).ravel(), *(end + _AREA_END for end in both[-1:])])
    )


def peak_times(starts_h: Sequence[float] | FloatArray) -> FloatArray:
    """Times at which peaks after treatment visits are looked for, as the chances of harms were derived.

    Returns
    -------
    array, shape (visits, times)
    """
    return np.asarray(starts_h, dtype=np.float64)[:, None] + np.array((0, *_HARM_MINUTES)) / 60.0


def column_extremes(
    times_h: FloatArray, values: FloatArray, borders_h: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Least and largest value within each column, its borders included.

    Parameters
    ----------
    times_h : array, shape (times,)
        Increasing; the borders are among them.
    values : array, shape (times, rows)
        Values at these times.
    borders_h : array, shape (columns + 1,)
        Increasing times.

    Returns
    -------
    low, high : array, shape (columns, rows)
    """
    first = np.searchsorted(times_h, borders_h[:-1] - 1e-12)
    beyond = np.searchsorted(times_h, borders_h[1:] + 1e-12, side="right")
    # A column takes its right border too, which is the left one of the next: slices that overlap.
    places = np.stack([first, beyond], axis=1).ravel()
    padded = np.concatenate([values, values[-1:]])
    low = np.minimum.reduceat(padded, places, axis=0)[::2]
    high = np.maximum.reduceat(padded, places, axis=0)[::2]
    return low, high


def five_digits(values: npt.ArrayLike) -> FloatArray:
    """Values rounded to five significant digits; what is as good as nothing becomes 0."""
    given = np.asarray(values, dtype=np.float64)
    size = np.abs(given)
    tiny = size < 1e-12
    exponent = np.floor(np.log10(np.where(tiny, 1.0, size)))
    scale = 10.0 ** (4.0 - exponent)
    rounded = np.round(given * scale) / scale
    return np.asarray(np.where(tiny, 0.0, rounded), dtype=np.float64)
