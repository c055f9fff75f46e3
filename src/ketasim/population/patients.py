"""Virtual patients: who enters a trial, and what is hidden in the score with which they enter."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import StudyError
from ketasim.population.spec import PopulationSpec, weight_quantile
from ketasim.population.streams import stream
from ketasim.population.truncation import Parent
from ketasim.population.variability import Variability, check_spreads, occasion_deviations, person_factors

__all__ = ["VirtualPatient", "draw_patients", "stress_path", "typical_patient"]

#: Stress may carry at most this share of the spread between people, else nothing is left to be a trait.
_LARGEST_STRESS_SHARE = 0.8
#: Error may carry at most this share of the variance that stress leaves.
_LARGEST_ERROR_SHARE = 0.9
#: The biology cannot sit exactly at the end of a scale, where its read-out has no inverse.
_SCALE_MARGIN = 0.5


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
        Factor on each parameter that varies between people, by its name; on the odds of a
        share. See :meth:`ketasim.model.Parameter.times`.
    stress : ndarray, shape (days,)
        Life stress, z, constant over each day; the first day holds ``entry_stress``.
    occasions : mapping of str to ndarray, shape (doses,)
        Deviation of each parameter that varies between doses, by its name, on the scale of its
        spread; comes on top of the factor.
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
    occasions: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


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
    variability: Variability
    split: _EntrySplit
    ages: Parent
    arm: str
    days: int
    stress_tau_h: float
    key: tuple[int, str, int]
    n_occasions: int

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
            weight_kg=float(weight_quantile(self.spec.weight_mean, self.spec.weight_sd, who[0])),
            age_y=float(self.ages.quantile(who[1])),
            sex="female" if who[2] < self.spec.female_fraction else "male",
            baseline=baseline,
            entry_stress=stress,
            entry_error=baseline - severity,
            severity_baseline=severity,
            parameters=person_factors(purpose, self.variability),
            stress=stress_path(stress, self.days, self.stress_tau_h, purpose("stress")),
            occasions=occasion_deviations(
                seed, study, replicate, subject, self.variability.occasions, self.n_occasions
            ),
        )


def draw_patients(
    spec: PopulationSpec,
    variability: Variability | Mapping[str, float],
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
    n_occasions: int = 0,
) -> tuple[VirtualPatient, ...]:
    """Draw the virtual patients of one arm.

    Parameters
    ----------
    spec : PopulationSpec
        Who is let in.
    variability : Variability or mapping of str to float
        How parameters differ; a mapping gives the SD between people by parameter name, on the
        log scale (logit for a share). The factor is ``exp(sd z)``.
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
    n_occasions : int
        Number of doses, for what varies between them.

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
    check_spreads({"stress_sd_points": stress_sd_points, "error_sd": error_sd})
    if not isinstance(variability, Variability):
        variability = Variability(variability)
    drawing = _Drawing(
        spec=spec,
        variability=variability,
        split=_EntrySplit.of(spec.parent(), stress_sd_points, error_sd),
        ages=spec.ages(),
        arm=arm,
        days=days,
        stress_tau_h=stress_tau_h,
        key=(seed, study, replicate),
        n_occasions=n_occasions,
    )
    return tuple(drawing.person(first_subject + position) for position in range(n))


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
