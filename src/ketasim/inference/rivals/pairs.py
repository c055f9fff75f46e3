"""In what two wirings disagree: interventions whose outcomes differ in sign or by three tenths."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ketasim.inference.rivals.candidates import Candidate

__all__ = ["disagree", "disagreements"]

FloatArray = npt.NDArray[np.float64]

#: Part of the larger outcome by which two differ to count.
_SHARE = 0.3
#: Smallest outcome that is one: in points of severity, and in shares of a healthy value.
_SMALLEST_POINTS, _SMALLEST_RATIO = 0.5, 0.02


def disagree(first: float, second: float, smallest: float) -> bool:
    """Whether two outcomes differ in sign, or by three tenths of the larger.

    Parameters
    ----------
    first, second : float
        Outcomes.
    smallest : float
        Size from which an outcome is one; if neither reaches it, both are none.
    """
    larger = max(abs(first), abs(second))
    return bool(larger >= smallest and abs(first - second) > _SHARE * larger)


def disagreements(
    wirings: Sequence[str], candidates: Sequence[Candidate], outcomes: FloatArray
) -> dict[tuple[str, str], tuple[str, ...]]:
    """Interventions in which two wirings disagree, for every pair.

    Parameters
    ----------
    wirings : sequence of str
        The columns.
    candidates : sequence of Candidate
        The rows.
    outcomes : array, shape (candidates, wirings)
        As of :func:`ketasim.inference.rivals.candidates.effects`.

    Returns
    -------
    dict of (str, str) to tuple of str
        Ids of the interventions. A difference in sign of two outcomes that count is always one of more than
        three tenths.
    """
    found = {}
    for i, first in enumerate(wirings):
        for j in range(i + 1, len(wirings)):
            found[first, wirings[j]] = tuple(
                item.id
                for item, row in zip(candidates, outcomes, strict=True)
                if disagree(row[i], row[j], _smallest(item))
            )
    return found


def _smallest(candidate: Candidate) -> float:
    severity = candidate.experiment.observations[0].quantity == "severity"
    return _SMALLEST_POINTS if severity else _SMALLEST_RATIO
