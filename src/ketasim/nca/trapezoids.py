"""Areas and first moments between samples, and values between them, by one rule.

`linear-up log-down` takes a rising or level segment as a straight line and a falling one as an exponential
(Gabrielsson and Weiner 2012, Methods Mol Biol 929:377). An exponential needs two values above zero; a
segment that falls to zero is a straight line.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

__all__ = ["METHODS", "Floats", "Method", "cut", "segment_areas", "segment_moments", "value_at"]

Floats = npt.NDArray[np.float64]
Method = Literal["linear-up log-down", "linear"]

#: The rules by which areas are computed.
METHODS: tuple[Method, ...] = ("linear-up log-down", "linear")

#: Below this fall of the logarithm the closed form of the first moment loses digits to cancellation, and its
#: series with seven terms is exact to rounding.
_SMALL_FALL = 0.05
_SERIES = (1 / 2, -1 / 3, 1 / 8, -1 / 30, 1 / 144, -1 / 840, 1 / 5760)


def _falls(before: Floats, after: Floats, method: Method) -> npt.NDArray[np.bool_]:
    """Tell which segments are exponentials."""
    if method == "linear":
        return np.zeros(np.broadcast(before, after).shape, dtype=np.bool_)
    return (after < before) & (after > 0.0)


def _log_fall(before: Floats, after: Floats, falling: npt.NDArray[np.bool_]) -> Floats:
    """``log(before / after)`` of the falling segments, and 1 elsewhere.

    Neighbours that are almost equal keep all digits through log1p; far ones must not overflow in a ratio.
    """
    high = np.where(falling, before, np.e)
    low = np.where(falling, after, 1.0)
    near = high < 2.0 * low
    close = np.log1p(np.where(near, high - low, 0.0) / np.where(near, low, 1.0))
    return np.asarray(np.where(near, close, np.log(high) - np.log(low)), dtype=np.float64)


def segment_areas(times: Floats, values: Floats, method: Method) -> Floats:
    """Area under each segment of a curve.

    Parameters
    ----------
    times : array, shape (..., times)
        Strictly increasing along the last axis.
    values : array, shape (..., times)
        Concentrations, not below zero.
    method : Method
        The rule; see the module.

    Returns
    -------
    array, shape (..., times - 1)
        Areas in the unit of the values times that of the times.
    """
    width = np.diff(times, axis=-1)
    before, after = values[..., :-1], values[..., 1:]
    falling = _falls(before, after, method)
    fall = _log_fall(before, after, falling)
    # Halves first: the sum of two large values must not overflow.
    straight = 0.5 * before + 0.5 * after
    return np.asarray(width * np.where(falling, (before - after) / fall, straight), dtype=np.float64)


def segment_moments(times: Floats, values: Floats, method: Method) -> Floats:
    """Area under time times concentration, for each segment of a curve.

    A straight segment follows the convention of the field: the trapezoid over the products at its two ends.
    A falling one is the exact integral over the exponential.

    Parameters
    ----------
    times, values : array, shape (..., times)
        As in :func:`segment_areas`; time zero is the dose.
    method : Method
        The rule; see the module.

    Returns
    -------
    array, shape (..., times - 1)
        First moments in the unit of the values times the square of that of the times.
    """
    width = np.diff(times, axis=-1)
    before, after = values[..., :-1], values[..., 1:]
    falling = _falls(before, after, method)
    fall = _log_fall(before, after, falling)
    straight = 0.5 * width * (times[..., :-1] * before + times[..., 1:] * after)
    small = fall < _SMALL_FALL
    large = np.where(small, 1.0, fall)
    closed = (-np.expm1(-large) - large * np.exp(-large)) / large**2
    shape = np.where(small, np.polynomial.polynomial.polyval(fall, _SERIES), closed)
    curved = times[..., :-1] * segment_areas(times, values, method) + before * width**2 * shape
    return np.asarray(np.where(falling, curved, straight), dtype=np.float64)


def value_at(times: Floats, values: Floats, time: float, method: Method) -> float:
    """Concentration at a time within the samples, by the rule of the areas.

    Parameters
    ----------
    times, values : array, shape (times,)
        The curve.
    time : float
        Not before the first sample and not after the last.
    method : Method
        The rule; see the module.

    Returns
    -------
    float
        In the unit of the values.
    """
    right = int(np.searchsorted(times, time))
    if times[right] == time:
        return float(values[right])
    before, after = values[right - 1 : right], values[right : right + 1]
    share = (time - times[right - 1]) / (times[right] - times[right - 1])
    falling = _falls(before, after, method)
    if falling[0]:
        return float(before[0] * np.exp(-share * _log_fall(before, after, falling)[0]))
    return float((1.0 - share) * before[0] + share * after[0])


def cut(times: Floats, values: Floats, start: float, end: float, method: Method) -> tuple[Floats, Floats]:
    """Cut a curve to a range within its samples; values at the two ends follow the rule of the areas.

    Parameters
    ----------
    times, values : array, shape (times,)
        The curve.
    start, end : float
        The range, within the samples, ``start < end``.
    method : Method
        The rule; see the module.

    Returns
    -------
    times, values : array, shape (samples in the range and its two ends,)
        The part of the curve.
    """
    inside = (times > start) & (times < end)
    first, last = (value_at(times, values, edge, method) for edge in (start, end))
    return np.r_[start, times[inside], end], np.r_[first, values[inside], last]
