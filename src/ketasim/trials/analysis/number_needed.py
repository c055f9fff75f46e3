"""Number needed to treat and to harm, with an interval that may run through infinity."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis.estimate import Estimate

__all__ = ["NumberNeeded", "number_needed"]


@dataclass(frozen=True)
class NumberNeeded:
    """How many must be treated for one more to have the event.

    Parameters
    ----------
    value : float
        One over the size of the risk difference; infinite if it is zero.
    direction : {"benefit", "harm"}
        Which way the estimate points.
    low, high : float
        Limits; the interval runs through infinity if their directions differ.
    low_direction, high_direction : {"benefit", "harm"}
        Direction of each limit.
    text : str
        As a report prints it, for example ``"NNTB 10 (NNTH 20 to inf to NNTB 4)"``.
    """

    value: float
    direction: str
    low: float
    high: float
    low_direction: str
    high_direction: str
    text: str


def number_needed(difference: Estimate, *, event: str = "benefit") -> NumberNeeded:
    """Turn a risk difference into a number needed to treat or to harm, with Altman's interval.

    The limits are the inverses of those of the difference. If those have different signs, the interval runs
    through infinity and is written so (Altman 1998, BMJ 317:1309).

    Parameters
    ----------
    difference : Estimate
        A risk difference, treatment minus comparator.
    event : {"benefit", "harm"}
        Whether the event is wished for (response) or not (an adverse event).

    Returns
    -------
    NumberNeeded
        Number, limits and text.

    Raises
    ------
    StudyError
        If `event` is neither.
    """
    if event not in ("benefit", "harm"):
        raise StudyError(f"event: {unknown_name('kind of event', event, ('benefit', 'harm'))}")
    other = "harm" if event == "benefit" else "benefit"

    def turned(gain: float) -> tuple[float, str]:
        return (math.inf if gain == 0.0 else 1.0 / abs(gain)), (event if gain >= 0.0 else other)

    value, direction = turned(difference.value)
    low, low_direction = turned(difference.low)
    high, high_direction = turned(difference.high)
    short = {"benefit": "NNTB", "harm": "NNTH"}
    if low_direction != high_direction:
        limits = f"{short[low_direction]} {low:.3g} to inf to {short[high_direction]} {high:.3g}"
    else:
        limits = f"{min(low, high):.3g} to {max(low, high):.3g}"
    text = f"{short[direction]} {value:.3g} ({limits})"
    return NumberNeeded(value, direction, low, high, low_direction, high_direction, text)
