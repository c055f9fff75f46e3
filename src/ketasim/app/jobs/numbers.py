"""Numbers of results as JSON has them: a few digits, and null where there is none."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.design.curve import wilson

__all__ = ["plain_json", "range_of", "wilson_100"]

FloatArray = npt.NDArray[np.float64]

#: Significant digits that are sent.
_DIGITS = 6


def plain_json(value: Any) -> Any:
    """Copy results as plain data: rounded, NumPy's types gone, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): plain_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_json(item) for item in value]
    if isinstance(value, np.ndarray):
        return [plain_json(item) for item in value.tolist()]
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None
    return value


def range_of(values: FloatArray) -> tuple[float, float]:
    """Limits between which nine of ten trials lie; NaN if there are fewer than two."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return math.nan, math.nan
    low, high = np.quantile(known, (0.05, 0.95))
    return float(low), float(high)


def wilson_100(people: float, n: float) -> tuple[float, float]:
    """Interval of 95 % of a rate, in people of 100."""
    low, high = wilson(people, n)
    return 100.0 * low, 100.0 * high
