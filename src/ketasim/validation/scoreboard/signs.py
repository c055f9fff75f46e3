"""Rows that report a direction, or yes and no."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ketasim.validation.predict.predicted import Predicted

__all__ = ["BINARY", "balanced_accuracy", "sign_range"]

#: Statistics that say yes (1) or no (0).
BINARY = ("retained", "binary")


def sign_range(item: Predicted) -> tuple[float, float]:
    """Signs at both ends of the 95 % range of parameter draws; NaN if nothing was computed."""
    cells = item.cells[np.isfinite(item.cells)]
    if cells.size == 0:
        return math.nan, math.nan
    low, high = (float(end) for end in np.quantile(cells, (0.025, 0.975)))
    if item.row.statistic in BINARY:
        return float(low >= 0.5), float(high >= 0.5)
    return float(np.sign(low)), float(np.sign(high))


def balanced_accuracy(observed: Sequence[float], predicted: Sequence[float | None]) -> float:
    """Mean over published signs of the share that is met; a row without a prediction is not met.

    Returns
    -------
    float
        NaN without rows.
    """
    hits: dict[int, list[bool]] = {}
    for value, guess in zip(observed, predicted, strict=True):
        hits.setdefault(round(value), []).append(guess is not None and round(value) == guess)
    return float(np.mean([np.mean(own) for own in hits.values()])) if hits else math.nan
