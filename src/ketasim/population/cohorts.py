"""Persons by the thousand, as arrays.

Each draws from his own stretch of one counter-based stream, so that neither how
many there are nor how they are cut into chunks changes a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ketasim.errors import StudyError
from ketasim.model.cohort import Cohort
from ketasim.model.parameters import ParameterSet
from ketasim.population.streams import stream

__all__ = ["CohortSpec", "draw_cohort"]

FloatArray = npt.NDArray[np.float64]

#: A person's stretch begins at a multiple of this many numbers of 64 bits, four of which a counter gives.
_BLOCK = 4


@dataclass(frozen=True)
class CohortSpec:
    """What persons are drawn from.

    Parameters
    ----------
    severity_mean, severity_sd, severity_lower, severity_upper : float
        Latent severity at entry, in MADRS points: a normal distribution, cut.
    weight_mean, weight_sd : float
        Body weight in kg, log-normal; cut at 35 and 200 kg.
    """

    severity_mean: float = 33.0
    severity_sd: float = 5.0
    severity_lower: float = 20.0
    severity_upper: float = 50.0
    weight_mean: float = 82.0
    weight_sd: float = 18.0

    def __post_init__(self) -> None:
        if not (
            0.0 < self.severity_lower < self.severity_mean < self.severity_upper < 60.0
            and self.severity_sd > 0.0
        ):
            raise StudyError(
                f"severity: a mean of {self.severity_mean:g} with SD {self.severity_sd:g} between "
                f"{self.severity_lower:g} and {self.severity_upper:g} points cannot be drawn; give a mean "
                "between the limits, and limits between 0 and 60."
            )
        if not (35.0 < self.weight_mean < 200.0 and self.weight_sd > 0.0):
            raise StudyError(
                f"weight: a mean of {self.weight_mean:g} with SD {self.weight_sd:g} kg cannot be drawn; "
                "give a mean between 35 and 200 kg and an SD above 0."
            )


def draw_cohort(
    parameters: ParameterSet, spec: CohortSpec, *, seed: int, first: int, count: int, days: int
) -> Cohort:
    """Draw persons ``first`` to ``first + count - 1``.

    Parameters
    ----------
    parameters : ParameterSet
        Typical values; those with variability between people are varied.
    spec : CohortSpec
        Severity and weight.
    seed : int
        Names the stream.
    first, count : int
        Which persons, counted from 0.
    days : int
        Days of life stress. Another number gives other persons, as does another set of parameters
        with variability.

    Returns
    -------
    Cohort
    """
    varied = {name: item for name, item in parameters.items() if item.iiv > 0.0}
    uniform = _uniform(seed, first, count, 2 + len(varied) + days)
    normal = ndtri(uniform)
    log_sd = np.sqrt(np.log1p((spec.weight_sd / spec.weight_mean) ** 2))
    weight = spec.weight_mean * np.exp(log_sd * normal[:, 1] - 0.5 * log_sd**2)
    columns: dict[str, FloatArray] = {"weight": np.clip(weight, 35.0, 200.0)}
    for place, (name, item) in enumerate(varied.items(), start=2):
        columns[name] = item.value * np.exp(item.iiv * normal[:, place])
    return Cohort(
        parameters,
        columns,
        _cut_normal(spec, uniform[:, 0]),
        _stress(normal[:, 2 + len(varied) :], parameters["life_stress_time"].value),
    )


def _uniform(seed: int, first: int, count: int, each: int) -> FloatArray:
    """Numbers in (0, 1), shape (count, each)."""
    stretch = -(-each // _BLOCK) * _BLOCK
    generator: Any = stream(seed, "cohort").bit_generator
    generator.advance(first * stretch // _BLOCK)
    raw = generator.random_raw(count * stretch).reshape(count, stretch)[:, :each]
    return np.asarray(((raw >> 12) + 0.5) * 2.0**-52, dtype=np.float64)


def _cut_normal(spec: CohortSpec, probability: FloatArray) -> FloatArray:
    low, high = (
        ndtr((limit - spec.severity_mean) / spec.severity_sd)
        for limit in (spec.severity_lower, spec.severity_upper)
    )
    return np.asarray(spec.severity_mean + spec.severity_sd * ndtri(low + probability * (high - low)))


def _stress(normal: FloatArray, tau_h: float) -> FloatArray:
    """Life stress day by day: an Ornstein-Uhlenbeck process of unit variance."""
    kept = np.exp(-24.0 / tau_h)
    path = np.empty_like(normal)
    path[:, 0] = normal[:, 0]
    for day in range(1, normal.shape[1]):
        path[:, day] = kept * path[:, day - 1] + np.sqrt(1.0 - kept**2) * normal[:, day]
    return path
