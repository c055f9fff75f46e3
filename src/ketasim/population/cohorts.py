"""Persons by the thousand, as arrays.

Every purpose (a parameter, a day of stress) has a counter-based stream of its own, in
which each person has his place: neither how many there are, nor how they are cut into
chunks, nor another parameter, nor a longer run changes a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ketasim.errors import StudyError
from ketasim.model.cohort import Cohort
from ketasim.model.parameters import ParameterSet, correlated
from ketasim.population.spec import weight_quantile
from ketasim.population.streams import stream
from ketasim.population.truncation import Parent, parent_normal
from ketasim.population.variability import Variability

__all__ = ["CohortSpec", "draw_cohort"]

FloatArray = npt.NDArray[np.float64]

#: Numbers of 64 bits that one count of the generator gives.
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
    age_mean, age_sd, age_lower, age_upper : float
        In years, as of those drawn: a normal distribution, cut. Defaults as of
        :class:`~ketasim.population.PopulationSpec`.
    female_fraction : float
        From 0 to 1; default as there.

    Raises
    ------
    StudyError
        If a value is impossible; the message names the field.
    """

    severity_mean: float = 33.0
    severity_sd: float = 5.0
    severity_lower: float = 20.0
    severity_upper: float = 50.0
    weight_mean: float = 82.0
    weight_sd: float = 18.0
    age_mean: float = 46.7
    age_sd: float = 11.2
    age_lower: float = 18.0
    age_upper: float = 65.0
    female_fraction: float = 0.68

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
        if not 0.0 <= self.female_fraction <= 1.0:
            raise StudyError(
                f"female_fraction: {self.female_fraction!r} is not between 0 and 1; write a fraction such "
                "as 0.68, not a percentage."
            )
        self.ages()

    def ages(self) -> Parent:
        """Return the normal population behind the ages."""
        try:
            return parent_normal(self.age_mean, self.age_sd, self.age_lower, self.age_upper)
        except StudyError as error:
            raise StudyError(f"age: {error}") from error


def draw_cohort(
    parameters: ParameterSet, spec: CohortSpec, *, seed: int, first: int, count: int, days: int
) -> Cohort:
    """Draw persons ``first`` to ``first + count - 1``.

    Parameters
    ----------
    parameters : ParameterSet
        Typical values; those with variability between people are varied.
    spec : CohortSpec
        Severity, weight, age and sex.
    seed : int
        Names the streams.
    first, count : int
        Which persons, counted from 0.
    days : int
        Days of life stress; more of them leave the first ones as they are.

    Returns
    -------
    Cohort
        Age and sex are among what varies only if the tables have ``age`` and ``female``. Nothing
        varies between the doses of one person here: that needs a trial.
    """

    def uniform(*purpose: str | int) -> FloatArray:
        return _uniform(seed, first, count, *purpose)

    variability = Variability.of(parameters)
    normal = {name: ndtri(uniform("parameter", name)) for name in variability.people}
    covariates = {
        "weight": weight_quantile(spec.weight_mean, spec.weight_sd, uniform("weight")),
        "age": spec.ages().quantile(uniform("age")),
        "female": (uniform("sex") < spec.female_fraction).astype(np.float64),
    }
    columns = {name: values for name, values in covariates.items() if name in parameters}
    for name, deviates in correlated(normal, variability.correlations).items():
        columns[name] = parameters[name].varied(variability.people[name] * deviates)
    kicks = np.stack([ndtri(uniform("stress", day)) for day in range(days)], axis=1)
    return Cohort(
        parameters,
        columns,
        _cut_normal(spec, uniform("severity")),
        _stress(kicks, parameters["life_stress_time"].value),
    )


def _uniform(seed: int, first: int, count: int, *purpose: str | int) -> FloatArray:
    """Numbers in (0, 1) of some persons for one purpose, shape (count,)."""
    generator: Any = stream(seed, "cohort", *purpose).bit_generator
    generator.advance(first // _BLOCK)
    before = first % _BLOCK
    raw = generator.random_raw(before + count)[before:]
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
