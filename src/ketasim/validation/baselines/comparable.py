"""The second baseline: the mean of comparable rows of other publications."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ketasim.validation.baselines.facts import RowFacts, known_baseline
from ketasim.validation.baselines.normal import Normal

__all__ = ["Comparable", "time_bin"]

#: Upper ends of the bins of time, hours.
_BINS_H = (1.5, 6.0, 36.0, 96.0, 252.0, 504.0, 1344.0)
#: Rows, and publications, that make a group.
_FEWEST_ROWS, _FEWEST_SOURCES = 3, 2
#: Rows whose weight the variance of the whole class has in that of a group.
_PRIOR_ROWS = 3.0

_LEVELS: tuple[Callable[[RowFacts], tuple[object, ...]], ...] = (
    lambda row: (row.quantity, _statistic(row), row.measure, row.side, time_bin(row.time_h), row.species),
    lambda row: (row.quantity, _statistic(row), row.measure, row.side, time_bin(row.time_h)),
    lambda row: (row.quantity, _statistic(row), row.measure, row.side),
    lambda row: (row.quantity, _statistic(row), row.measure),
    lambda row: (row.domain, _statistic(row), row.measure, row.side),
    lambda row: (row.domain, _statistic(row)),
    lambda row: (row.domain, row.side),
    lambda row: (row.domain,),
    lambda _: (),
)


def time_bin(time_h: float) -> int:
    """Number of the bin in which a time lies; -1 without one."""
    return bisect_right(_BINS_H, time_h) if math.isfinite(time_h) else -1


def _statistic(row: RowFacts) -> str:
    """Statistic of a row; a mean total on a scale is taken as the change from entry that it means."""
    return "change" if math.isfinite(_entry(row)) else row.statistic


def _entry(row: RowFacts) -> float:
    """Total at entry of a row that is a mean total on a scale; NaN of any other row."""
    is_total = row.row_class == "points" and row.statistic in ("mean", "median") and not row.others
    return known_baseline(row.arms, row.quantity) if is_total else math.nan


def _value(row: RowFacts) -> float:
    """What is averaged: the published number on its class's scale, a mean total as a change."""
    entry = _entry(row)
    return row.y - entry if math.isfinite(entry) else row.y


@dataclass(frozen=True)
class Comparable:
    """Mean of the nearest group of calibration rows of other publications.

    Rows of the same class are alike if quantity, statistic, arm kind (with the drug, without, contrast),
    bin of time and species agree; if there are fewer than three of them from two publications,
    these are given up one after another.

    Parameters
    ----------
    training : tuple of RowFacts
        Measured calibration rows.
    """

    training: tuple[RowFacts, ...]
    name: str = "comparable"

    def predict(self, row: RowFacts) -> Normal | None:
        """Predict with the group's mean; its variance is drawn towards that of the class."""
        if row.row_class == "sign":
            return None
        others = self._others(row)
        group = self._group(row, others)
        if len(group) < 2:
            return None
        values = np.array([_value(item) for item in group])
        whole = np.array([_value(item) for item in others if item.domain == row.domain])
        whole = whole if whole.size >= 2 else np.array([_value(item) for item in others])
        count = float(values.size)
        squares = float(np.sum((values - values.mean()) ** 2)) + _PRIOR_ROWS * float(np.var(whole))
        variance = squares / (count - 1.0 + _PRIOR_ROWS) * (1.0 + 1.0 / count)
        if variance <= 0.0:
            return None
        entry = _entry(row)
        middle = float(values.mean()) + (entry if math.isfinite(entry) else 0.0)
        return Normal(middle, math.sqrt(variance))

    def sign(self, row: RowFacts) -> int | None:
        """The most frequent sign of comparable rows; None without any."""
        group = self._group(row, self._others(row))
        if not group:
            return None
        values = sorted(round(item.value) for item in group)
        return max(sorted(set(values)), key=values.count)

    def _others(self, row: RowFacts) -> list[RowFacts]:
        """Rows of the kind and of other publications, whatever they are about."""
        return self._apart(row, len(_LEVELS) - 1)

    def _apart(self, row: RowFacts, level: int) -> list[RowFacts]:
        alike = self._index.get((level, _kind(row), _LEVELS[level](row)), ())
        return [item for item in alike if item.citation != row.citation and item.study != row.study]

    @cached_property
    def _index(self) -> dict[tuple[object, ...], list[RowFacts]]:
        """Rows by level, kind and what is alike on that level."""
        found: dict[tuple[object, ...], list[RowFacts]] = {}
        for item in self.training:
            if math.isfinite(item.y):
                for level, key in enumerate(_LEVELS):
                    found.setdefault((level, _kind(item), key(item)), []).append(item)
        return found

    def _group(self, row: RowFacts, others: Sequence[RowFacts]) -> list[RowFacts]:
        for level in range(len(_LEVELS)):
            group = self._apart(row, level)
            if len(group) >= _FEWEST_ROWS and len({item.citation for item in group}) >= _FEWEST_SOURCES:
                return group
        return list(others)


def _kind(row: RowFacts) -> tuple[object, ...]:
    """What rows must share to be compared at all: class, unit, and being a contrast or a yes-or-no."""
    if row.row_class == "sign":
        return "sign", row.statistic in ("binary", "retained")
    return row.group, row.side == "contrast"
