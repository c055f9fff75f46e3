"""Virtual patients: who enters a trial, and what is hidden in the score with which they enter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from ketasim.errors import StudyError, unknown_name
from ketasim.population.streams import stream
from ketasim.population.truncation import Parent, parent_normal

__all__ = [
    "SCALE_MAXIMUM",
    "PopulationSpec",
    "VirtualPatient",
    "draw_patients",
    "stress_path",
    "typical_patient",
]

#: Highest total of the scales in which a baseline may be given.
SCALE_MAXIMUM: Mapping[str, float] = {"madrs": 60.0, "hamd17": 52.0}

#: Stress may carry at most this share of the spread between people, else nothing is left to be a trait.
_LARGEST_STRESS_SHARE = 0.8
#: Error may carry at most this share of the variance that stress leaves.
_LARGEST_ERROR_SHARE = 0.9
#: The biology cannot sit exactly at the end of a scale, where its read-out has no inverse.
_SCALE_MARGIN = 0.5
_WEIGHT_LIMITS = (35.0, 200.0)


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
        if not (_WEIGHT_LIMITS[0] < self.weight_mean < _WEIGHT_LIMITS[1] and self.weight_sd >= 0.0):
            raise StudyError(
                f"population: weight {self.weight_mean!r} (SD {self.weight_sd!r}) kg: the mean must lie "
                f"between {_WEIGHT_LIMITS[0]:g} and {_WEIGHT_LIMITS[1]:g} kg and the SD must not be negative."
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


@dataclass(frozen=True, eq=False)
class VirtualPatient:
    """One person, as the chain and the scoring layer need him or her.

    Parameters
    ----------
    subject : int
        Number of the person in the study.
    arm : str
        Arm of the study.
    weight_kg, age_y : float
        Body weight and age.
    sex : {"female", "male"}
        Sex.
    baseline : float
        Total that was scored at entry, in points.
    entry_stress : float
        Life stress at entry, z.
    entry_error : float
        Occasion and rater error within ``baseline``, in points.
    severity_baseline : float
        ``baseline - entry_error``: what the biology must give at entry, in points.
    parameters : mapping of str to float
        Factor on each parameter that varies between people, by its name.
    stress : ndarray, shape (days,)
        Life stress, z, constant over each day; the first day holds ``entry_stress``.
    """

    subject: int
    arm: str
    weight_kg: float
    age_y: float
    sex: Literal["female", "male"]
    baseline: float
    entry_stress: float
    entry_error: float
    severity_baseline: float
    parameters: Mapping[str, float]
    stress: NDArray[np.float64]


def stress_path(entry: float, days: int, tau_h: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Draw life stress as an Ornstein-Uhlenbeck process of unit variance, one value a day.

    Parameters
    ----------
    entry : float
        Value of the first day, z.
    days : int
        Number of days, at least 1.
    tau_h : float
        Time constant in hours, above 0.
    random : numpy.random.Generator
        Source of the numbers; a longer path begins with the shorter one.

    Returns
    -------
    ndarray, shape (days,)
        z; ``z[d+1] = e z[d] + sqrt(1 - e^2) xi`` with ``e = exp(-24 h / tau)``,
        the exact transition of the process. Cannot be written to.

    Raises
    ------
    StudyError
        If there is no day or the time constant is not positive.
    """
    if days < 1:
        raise StudyError(f"days: {days!r} is too few; a stress path needs at least 1 day.")
    if not tau_h > 0.0:
        raise StudyError(f"stress time constant: {tau_h!r} h must be above 0.")
    keep = math.exp(-24.0 / tau_h)
    kicks = math.sqrt(-math.expm1(-48.0 / tau_h)) * random.standard_normal(days - 1)
    path = np.empty(days)
    path[0] = entry
    for day, kick in enumerate(kicks):
        path[day + 1] = keep * path[day] + kick
    path.flags.writeable = False
    return path


@dataclass(frozen=True)
class _EntrySplit:
    """How the variance of the parent population splits into stress, error and trait, in points."""

    parent: Parent
    stress_sd: float
    error_sd: float
    trait_sd: float

    @classmethod
    def of(cls, parent: Parent, stress_sd: float, error_sd: float) -> _EntrySplit:
        stress = min(stress_sd, _LARGEST_STRESS_SHARE * parent.sd)
        rest = parent.sd**2 - stress**2
        error = min(error_sd**2, _LARGEST_ERROR_SHARE * rest)
        return cls(parent, stress, math.sqrt(error), math.sqrt(rest - error))

    def given(self, baseline: float, z_stress: float, z_error: float) -> tuple[float, float]:
        """Stress (z) and error (points) at entry from their normal distribution given the total."""
        variance = self.parent.sd**2
        above = baseline - self.parent.mean
        stress = above * self.stress_sd / variance + math.sqrt(1.0 - self.stress_sd**2 / variance) * z_stress
        rest = self.error_sd**2 + self.trait_sd**2
        error = self.error_sd**2 / rest * (above - self.stress_sd * stress)
        return stress, error + self.error_sd * self.trait_sd / math.sqrt(rest) * z_error


@dataclass(frozen=True)
class _Drawing:
    """What all people of an arm share while they are drawn."""

    spec: PopulationSpec
    variability: Mapping[str, float]
    split: _EntrySplit
    ages: Parent
    arm: str
    days: int
    stress_tau_h: float
    key: tuple[int, str, int]

    def person(self, subject: int) -> VirtualPatient:
        """Draw one person; every purpose has a random stream of its own."""
        seed, study, replicate = self.key

        def purpose(*name: str) -> np.random.Generator:
            return stream(seed, study, replicate, subject, *name)

        who = purpose("covariates").random(3)
        entry = purpose("entry")
        baseline = float(self.split.parent.quantile(entry.random()))
        stress, error = self.split.given(
            baseline, float(entry.standard_normal()), float(entry.standard_normal())
        )
        highest = self.spec.scale_maximum - _SCALE_MARGIN
        severity = min(max(baseline - error, _SCALE_MARGIN), highest)
        return VirtualPatient(
            subject=subject,
            arm=self.arm,
            weight_kg=_weight(self.spec, float(who[0])),
            age_y=float(self.ages.quantile(who[1])),
            sex="female" if who[2] < self.spec.female_fraction else "male",
            baseline=baseline,
            entry_stress=stress,
            entry_error=baseline - severity,
            severity_baseline=severity,
            parameters={
                name: math.exp(sd * purpose("parameter", name).standard_normal())
                for name, sd in self.variability.items()
            },
            stress=stress_path(stress, self.days, self.stress_tau_h, purpose("stress")),
        )


def draw_patients(
    spec: PopulationSpec,
    variability: Mapping[str, float],
    n: int,
    *,
    seed: int,
    study: str,
    replicate: int,
    arm: str,
    first_subject: int,
    days: int,
    stress_tau_h: float,
    stress_sd_points: float,
    error_sd: float,
) -> tuple[VirtualPatient, ...]:
    """Draw the virtual patients of one arm.

    Parameters
    ----------
    spec : PopulationSpec
        Who is let in.
    variability : mapping of str to float
        Log-scale SD between people by parameter name; the factor is ``exp(sd z)``.
    n : int
        Number of people.
    seed, study, replicate, arm, first_subject
        Name the people: ``seed``, ``study``, ``replicate`` and the subject number key
        every random stream. The arm does not, so that the same number is the same
        person in another arm; give arms different numbers for different people.
    days : int
        Length of the stress path.
    stress_tau_h : float
        Time constant of life stress, in hours.
    stress_sd_points : float
        Points of the scale per unit of stress z; at most 0.8 of the parent SD is used.
    error_sd : float
        SD of occasion and rater error at entry, in points.

    Returns
    -------
    tuple of VirtualPatient
        In the order of their numbers.

    Raises
    ------
    StudyError
        If a number is negative or the baseline is impossible.

    Notes
    -----
    The total at entry is normal between the entry limits. Given the total, stress and
    error at entry follow their joint normal distribution, so that people who were
    let in because of a bad day or a harsh rater get better without treatment.
    """
    if n < 0:
        raise StudyError(f"arm {arm!r}: n {n!r} is negative; give the number of people.")
    for name, sd in {**variability, "stress_sd_points": stress_sd_points, "error_sd": error_sd}.items():
        if not (math.isfinite(sd) and sd >= 0.0):
            raise StudyError(f"variability of {name!r}: {sd!r} is not a number from 0 upwards.")
    drawing = _Drawing(
        spec=spec,
        variability=variability,
        split=_EntrySplit.of(spec.parent(), stress_sd_points, error_sd),
        ages=spec.ages(),
        arm=arm,
        days=days,
        stress_tau_h=stress_tau_h,
        key=(seed, study, replicate),
    )
    return tuple(drawing.person(first_subject + position) for position in range(n))


def _weight(spec: PopulationSpec, probability: float) -> float:
    """Log-normal weight within human limits, in kg, by the inverse distribution function."""
    spread = math.sqrt(math.log1p((spec.weight_sd / spec.weight_mean) ** 2))
    weight = spec.weight_mean * math.exp(spread * float(ndtri(probability)) - 0.5 * spread**2)
    return min(max(weight, _WEIGHT_LIMITS[0]), _WEIGHT_LIMITS[1])


def typical_patient(
    spec: PopulationSpec,
    variability: Iterable[str] = (),
    *,
    days: int = 1,
    arm: str = "typical",
    subject: int = 0,
) -> VirtualPatient:
    """Return the typical patient: mean covariates, no deviation, no life stress, no error.

    Parameters
    ----------
    spec : PopulationSpec
        Gives baseline, weight, age and the more frequent sex.
    variability : iterable of str
        Names of the parameters that vary between people; their factors are 1.
    days : int
        Length of the stress path, which is 0.
    arm, subject
        Labels.

    Returns
    -------
    VirtualPatient
        The typical patient.

    Raises
    ------
    StudyError
        If there is no day.
    """
    if days < 1:
        raise StudyError(f"days: {days!r} is too few; a stress path needs at least 1 day.")
    calm = np.zeros(days)
    calm.flags.writeable = False
    return VirtualPatient(
        subject=subject,
        arm=arm,
        weight_kg=spec.weight_mean,
        age_y=spec.age_mean,
        sex="female" if spec.female_fraction >= 0.5 else "male",
        baseline=spec.baseline_mean,
        entry_stress=0.0,
        entry_error=0.0,
        severity_baseline=spec.baseline_mean,
        parameters=dict.fromkeys(variability, 1.0),
        stress=calm,
    )
