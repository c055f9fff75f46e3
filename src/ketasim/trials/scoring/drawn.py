"""Numbers of the scoring layer of persons who belong to different draws of the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.trials.scoring.expectancy import error_sd
from ketasim.trials.scoring.parameters import Number, ScoringParameters

__all__ = ["PersonScoring"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PersonScoring:
    """Numbers of the scoring layer, each person with those of his draw.

    Parameters
    ----------
    sets : sequence of ScoringParameters
        One a draw, or a single one that holds for all.
    which : array of int, shape (persons,)
        Place in ``sets`` of each person's.
    """

    sets: Sequence[ScoringParameters]
    which: IntArray

    @cached_property
    def _columns(self) -> dict[str, FloatArray]:
        """Numbers in which the sets differ, one a person."""
        found = {}
        for field in fields(ScoringParameters):
            values = np.array([getattr(own, field.name) for own in self.sets], dtype=np.float64)
            if (values != values[0]).any():
                found[field.name] = values[self.which]
        return found

    def of(self, persons: IntArray) -> ScoringParameters[Number]:
        """Numbers of some persons, by place: arrays of that length where the draws differ."""
        first = self.sets[0]
        if not self._columns:
            return first
        values: dict[str, Any] = {field.name: getattr(first, field.name) for field in fields(first)}
        values |= {name: column[persons] for name, column in self._columns.items()}
        return ScoringParameters[Number](**values)

    def error_sd(self, scale: str, persons: IntArray) -> Number:
        """SD of occasion and rater error of some persons; see :func:`~ketasim.trials.scoring.error_sd`."""
        if len(self.sets) == 1:
            return error_sd(self.sets[0], scale)
        return np.array([error_sd(own, scale) for own in self.sets])[self.which[persons]]
