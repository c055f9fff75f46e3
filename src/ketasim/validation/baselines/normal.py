"""What a baseline says of a row: a normal distribution on the scale of its class, or a sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ketasim.validation.baselines.facts import RowFacts

__all__ = ["Baseline", "Normal"]


@dataclass(frozen=True)
class Normal:
    """Mean and standard deviation on the scale of the row's class."""

    mean: float
    sd: float


class Baseline(Protocol):
    """Predicts rows without a model of biology."""

    @property
    def name(self) -> str:
        """How it is called in tables."""

    def predict(self, row: RowFacts) -> Normal | None:
        """Predict a quantitative row; None where the baseline has nothing to say."""

    def sign(self, row: RowFacts) -> int | None:
        """Predict a sign row: -1, 0 or 1 (of a binary one 0 or 1); None likewise."""
