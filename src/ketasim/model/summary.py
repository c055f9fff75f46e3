"""Numbers that say what a time course does: baseline, peak, return, values at times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RETURN_SHARE", "summarise_course"]

FloatArray = npt.NDArray[np.float64]

#: A quantity has returned when it stays within this share of its largest departure.
RETURN_SHARE = 0.05


def summarise_course(
    times_h: FloatArray, values: FloatArray, unit: str, at: Mapping[str, float]
) -> dict[str, Any]:
    """Summarise one quantity of one person.

    Parameters
    ----------
    times_h : array, shape (n_times,)
        Hours, increasing; the first value is the baseline.
    values : array, shape (n_times,)
        The course.
    unit : str
        Its unit.
    at : mapping of str to float
        Labels and times at which values are wanted.

    Returns
    -------
    dict
        ``unit, baseline, peak, peak_time_h, return_time_h, min, min_time_h, max,
        max_time_h, at``. The peak is the largest departure from baseline; the return is
        the first time after it from which the departure stays within 5 % of the peak's,
        or None.
    """
    baseline = float(values[0])
    departure = values - baseline
    peak = int(np.argmax(np.abs(departure)))
    low, high = int(np.argmin(values)), int(np.argmax(values))
    limit = RETURN_SHARE * abs(departure[peak])
    outside = np.flatnonzero(np.abs(departure) > limit)
    moved = abs(departure[peak]) > 1e-9 * max(1.0, abs(baseline))
    back = None
    if moved and outside.size and outside[-1] + 1 < len(values):
        back = _crossing(times_h, np.abs(departure), int(outside[-1]), limit)
    return {
        "unit": unit,
        "baseline": baseline,
        "peak": float(values[peak]),
        "peak_time_h": float(times_h[peak]),
        "return_time_h": back,
        "min": float(values[low]),
        "min_time_h": float(times_h[low]),
        "max": float(values[high]),
        "max_time_h": float(times_h[high]),
        "at": {label: float(np.interp(time, times_h, values)) for label, time in at.items()},
    }


def _crossing(times_h: FloatArray, departure: FloatArray, last: int, limit: float) -> float:
    """Time between two outputs at which the departure falls to the limit."""
    before, after = departure[last], departure[last + 1]
    share = (before - limit) / (before - after)
    return float(times_h[last] + share * (times_h[last + 1] - times_h[last]))
