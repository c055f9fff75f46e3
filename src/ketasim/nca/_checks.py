"""What an analysis is given, checked before anything is computed."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError, unknown_name
from ketasim.nca.trapezoids import METHODS, Floats

#: Two times closer than this, relative to the time of the dose (at least 1 h), are the same time. Times
#: that come from minutes or days carry rounding of this order.
_SAME_TIME = 1e-9


def read_curve(times_h: npt.ArrayLike, concentrations: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Read samples and refuse those that cannot be analysed; the last axis is time."""
    times, values = _numbers("times_h", times_h), _numbers("concentrations", concentrations)
    if times.ndim == 0 or values.ndim == 0 or times.shape[-1] != values.shape[-1]:
        raise ModelError(
            f"times_h has shape {times.shape} and concentrations has shape {values.shape}: "
            "give one concentration for each time."
        )
    if times.shape[-1] < 2:
        raise ModelError(f"times_h: {times.shape[-1]} sample; an area needs at least two. Add samples.")
    _refuse("times_h", times, ~np.isfinite(times), "is not finite; remove the sample or correct its time.")
    _refuse(
        "concentrations",
        values,
        ~np.isfinite(values),
        "is not finite; remove the sample (a missing value is not zero).",
    )
    _refuse(
        "concentrations",
        values,
        values < 0.0,
        "is below zero; set what lies below the limit of quantification (or the solver's tolerance) to 0, or "
        "end the curve before it.",
    )
    late = np.diff(times, axis=-1) <= 0.0
    if late.any():
        row = tuple(int(part) for part in np.argwhere(late)[0])
        first, second = times[row], times[(*row[:-1], row[-1] + 1)]
        raise ModelError(
            f"times_h: {second:g} h follows {first:g} h at position {row[-1] + 1}; times must increase. "
            "Sort the samples and keep one for each time."
        )
    return times, values


def _numbers(field: str, given: npt.ArrayLike) -> Floats:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{field}: {given!r} is not an array of numbers ({error}). Give numbers.") from error


def _refuse(field: str, values: Floats, wrong: npt.NDArray[np.bool_], why: str) -> None:
    if wrong.any():
        where = tuple(int(part) for part in np.argwhere(wrong)[0])
        position = ", ".join(str(part) for part in where)
        raise ModelError(f"{field}[{position}]: {values[where]:g} {why}")


def check_number(field: str, value: float, *, unit: str, positive: bool = True) -> float:
    """Return a finite number above zero (or not below it), or say what is wrong with it."""
    allowed = "above 0" if positive else "0 or above"
    if not (math.isfinite(value) and (value > 0.0 if positive else value >= 0.0)):
        raise ModelError(f"{field}: {value!r} must be a finite number {allowed}; give it in {unit}.")
    return float(value)


def check_range(field: str, given: tuple[float, float]) -> tuple[float, float]:
    """Return a range of times after the dose, or say what is wrong with it."""
    if len(given) != 2:
        raise ModelError(f"{field}: {given!r} is not a range; give (from, to) in hours after the dose.")
    start, end = given
    if not (math.isfinite(start) and math.isfinite(end) and 0.0 <= start < end):
        raise ModelError(
            f"{field}: ({start!r}, {end!r}) must have 0 <= from < to; give hours after the dose."
        )
    return float(start), float(end)


def check_method(method: str) -> None:
    """Refuse an unknown rule for areas."""
    if method not in METHODS:
        raise ModelError(f"method: {unknown_name('rule for areas', method, METHODS)}")


def after_dose(times: Floats, dose_time_h: float, end_h: float) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Times counted from the dose, and which of them lie from the dose to the end of the analysis."""
    if not math.isfinite(dose_time_h):
        raise ModelError(f"dose_time_h: {dose_time_h!r} must be a finite number of hours.")
    slack = _SAME_TIME * max(1.0, abs(dose_time_h))
    since = times - dose_time_h
    since = np.where(np.abs(since) <= slack, 0.0, since)
    since = np.where(np.abs(since - end_h) <= slack, end_h, since) if math.isfinite(end_h) else since
    return since, (since >= 0.0) & (since <= end_h)
