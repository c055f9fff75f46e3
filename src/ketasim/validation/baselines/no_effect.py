"""The first baseline: nothing that is given does anything."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ketasim.trials.scoring.scales import SCALES
from ketasim.validation.baselines.facts import QUOTIENTS, RowFacts, known_baseline
from ketasim.validation.baselines.normal import Normal

__all__ = ["NoEffect"]

#: Rows of other studies below which a wider group gives the SD.
_FEWEST = 8


@dataclass(frozen=True)
class NoEffect:
    """No change, no difference, a ratio of one; rates of control arms; mean concentrations of the drug.

    Parameters
    ----------
    training : tuple of RowFacts
        Measured calibration rows. What is said of a row never uses rows of its own publication.
    """

    training: tuple[RowFacts, ...]
    name: str = "no_effect"

    def predict(self, row: RowFacts) -> Normal | None:
        """Predict; the SD is the root mean square of what other publications are off."""
        if row.row_class == "sign":
            return None
        middle = _middle(row, self._others(row))
        if not math.isfinite(middle):
            return None
        every = [(item.domain, off) for item, off in self._off.get(row.group, ()) if _apart(item, row)]
        near = [off for domain, off in every if domain == row.domain]
        group = near if len(near) >= _FEWEST else [off for _, off in every]
        return Normal(middle, float(np.sqrt(np.mean(np.square(group))))) if len(group) >= 2 else None

    def _others(self, row: RowFacts) -> list[RowFacts]:
        return [item for item in self._by_group.get(row.group, ()) if _apart(item, row)]

    @cached_property
    def _by_group(self) -> dict[str, list[RowFacts]]:
        found: dict[str, list[RowFacts]] = {}
        for item in self.training:
            found.setdefault(item.group, []).append(item)
        return found

    @cached_property
    def _off(self) -> dict[str, list[tuple[RowFacts, float]]]:
        """How far each row is from what the others say of it, by group."""
        found: dict[str, list[tuple[RowFacts, float]]] = {}
        for item in self.training:
            off = item.y - _middle(item, self._others(item))
            if math.isfinite(off):
                found.setdefault(item.group, []).append((item, off))
        return found

    def sign(self, row: RowFacts) -> int | None:
        """No difference; and what is given beside a drug takes nothing from it."""
        return 1 if row.statistic == "retained" else 0


def _apart(one: RowFacts, other: RowFacts) -> bool:
    return one.citation != other.citation and one.study != other.study


def _middle(row: RowFacts, others: Sequence[RowFacts]) -> float:
    """Value on the class's scale if nothing did anything."""
    if row.statistic in QUOTIENTS:
        # A ratio of 1, on the scale of its class.
        return 0.0 if row.row_class == "log" else 1.0
    if row.row_class == "points" and row.statistic in ("mean", "median"):
        return known_baseline(row.arms, row.quantity) if row.quantity in SCALES else math.nan
    if row.row_class == "rate":
        own = _mean(others, lambda item: item.statistic == row.statistic and item.side == "control")
        for holds in (lambda item: item.side == "control", lambda item: item.statistic == row.statistic):
            own = own if math.isfinite(own) else _mean(others, holds)
        return own
    if row.row_class == "log" or (row.row_class == "absolute" and row.statistic in ("mean", "median", "sd")):
        alike = _mean(
            others,
            lambda item: (
                item.quantity == row.quantity
                and item.statistic == row.statistic
                and item.measure == row.measure
            ),
        )
        if math.isfinite(alike):
            return alike
        return _mean(others, lambda item: item.measure == row.measure and item.statistic == row.statistic)
    return 0.0


def _mean(rows: Sequence[RowFacts], holds: Callable[[RowFacts], bool]) -> float:
    found = [row.y for row in rows if holds(row) and math.isfinite(row.y)]
    return float(np.mean(found)) if found else math.nan
