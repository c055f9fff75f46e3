"""Who is let into a trial: what is reported of them, and the distributions behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from ketasim.errors import StudyError, unknown_name
from ketasim.population.truncation import Parent, parent_normal

__all__ = ["SCALE_MAXIMUM", "WEIGHT_LIMITS", "PopulationSpec", "weight_quantile"]

#: Highest total of the scales in which a baseline may be given.
SCALE_MAXIMUM: Mapping[str, float] = {"madrs": 60.0, "hamd17": 52.0}

#: Body weights of adults, in kg.
WEIGHT_LIMITS = (35.0, 200.0)


def weight_quantile(mean: float, sd: float, probability: ArrayLike) -> NDArray[np.float64]:
    """Log-normal body weight within human limits, by the inverse distribution function.

    Parameters
    ----------
    mean, sd : float
        Of the uncut weights, in kg.
    probability : array_like
        Between 0 and 1.

    Returns
    -------
    ndarray
        In kg, in the shape of ``probability``.
    """
    spread = np.sqrt(np.log1p((sd / mean) ** 2))
    weight = mean * np.exp(spread * ndtri(np.asarray(probability, dtype=np.float64)) - 0.5 * spread**2)
    return np.asarray(np.clip(weight, *WEIGHT_LIMITS), dtype=np.float64)


@dataclass(frozen=True)
class PopulationSpec:
    """Who is let into a trial.

    Parameters
    ----------
    baseline_mean, baseline_sd : float
        Scored total of those who entered, in points.
    scale : str
        ``madrs`` or ``hamd17``.
    entry_lower, entry_upper : float or None
        Lowest and highest total with which a person may enter; None without a limit.
    weight_mean, weight_sd : float
        In kg; log-normal. The default 82 (18) is `assumed`: typical of adults in
        the United States, two thirds of them women.
    age_mean, age_sd, age_lower, age_upper : float
        In years. Default 46.7 (11.2) (zarate2006), entry from 18 to 65 (`assumed`).
    female_fraction : float
        From 0 to 1. Default 0.68: 353 of 518 (jones2022sex).

    Raises
    ------
    StudyError
        If a value is impossible; the message names the field.
    """

    baseline_mean: float
    baseline_sd: float
    scale: str = "madrs"
    entry_lower: float | None = None
    entry_upper: float | None = None
    weight_mean: float = 82.0
    weight_sd: float = 18.0
    age_mean: float = 46.7
    age_sd: float = 11.2
    age_lower: float = 18.0
    age_upper: float = 65.0
    female_fraction: float = 0.68

    def __post_init__(self) -> None:
        if self.scale not in SCALE_MAXIMUM:
            raise StudyError(f"population: baseline: {unknown_name('scale', self.scale, SCALE_MAXIMUM)}")
        if not 0.0 <= self.female_fraction <= 1.0:
            raise StudyError(
                f"population: female_fraction {self.female_fraction!r} is not between 0 and 1; "
                "write a fraction such as 0.68, not a percentage."
            )
        low, high = WEIGHT_LIMITS
        if not (low < self.weight_mean < high and self.weight_sd >= 0.0):
            raise StudyError(
                f"population: weight {self.weight_mean!r} (SD {self.weight_sd!r}) kg: the mean must lie "
                f"between {low:g} and {high:g} kg and the SD must not be negative."
            )
        lower, upper = self.limits
        if not lower < upper:
            raise StudyError(
                f"population: entry limits {lower:g} and {upper:g}: the lower one must be below the "
                f"upper one and both within 0 to {self.scale_maximum:g}."
            )

    @property
    def scale_maximum(self) -> float:
        """Highest total of the scale, in points."""
        return SCALE_MAXIMUM[self.scale]

    @property
    def limits(self) -> tuple[float, float]:
        """Entry limits, within the scale."""
        lower = 0.0 if self.entry_lower is None else max(0.0, self.entry_lower)
        upper = self.scale_maximum if self.entry_upper is None else min(self.scale_maximum, self.entry_upper)
        return lower, upper

    def parent(self) -> Parent:
        """Return the normal population that shows this baseline between the entry limits.

        The limits are moved where no normal distribution could show the reported mean and
        SD between them; see :func:`parent_normal`.
        """
        ends = (0.0, self.scale_maximum)
        try:
            return parent_normal(self.baseline_mean, self.baseline_sd, *self.limits, ends)
        except StudyError as error:
            raise StudyError(f"population: baseline: {error}") from error

    def ages(self) -> Parent:
        """Return the normal population behind the ages."""
        try:
            return parent_normal(self.age_mean, self.age_sd, self.age_lower, self.age_upper)
        except StudyError as error:
            raise StudyError(f"population: age: {error}") from error
