"""Who enters a trial: people drawn, randomised, and set up for the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ketasim.model.cohort import Cohort
from ketasim.population import (
    People,
    draw_covariates,
    parameter_columns,
    people_inputs,
)
from ketasim.trials import scoring
from ketasim.trials.conduct.allocation import allocate
from ketasim.trials.conduct.decisions import Seen, Who, strata_of
from ketasim.trials.conduct.people import drawn_people
from ketasim.trials.scoring.drawn import PersonScoring
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.scoring.study_effect import StudyEffect, study_effect
from ketasim.trials.study import Study
from ketasim.trials.study.flow import Randomisation
from ketasim.trials.study.people import population_spec

if TYPE_CHECKING:
    from ketasim.trials.conduct.trial import Trial

__all__ = ["Enrolled", "Roll", "cohort_of", "enrol", "make_roll"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Highest latent severity that a patient is set up with, in MADRS points: at 60 the read-out has no inverse.
_HIGHEST_SEVERITY = 58.0
_WEEK_H = 168.0
#: Parameters of the scoring layer.
_SCORING = frozenset(field.name for field in fields(scoring.ScoringParameters))


@dataclass(frozen=True)
class Roll:
    """The list of all patients of one replicate, in order of enrolment.

    Parameters
    ----------
    arm : array of int, shape (patients,)
        Place of the arm to which each is randomised.
    stratum : array of str
        Which of the strata's conditions each meets; empty without strata.
    enrolled_h : array
        When each is enrolled, in h after the first; 0 if the study names no rate.
    """

    arm: IntArray
    stratum: npt.NDArray[np.str_]
    enrolled_h: FloatArray


@dataclass(frozen=True)
class Enrolled:
    """Patients who are ready to be simulated together.

    Parameters
    ----------
    people : People
        Who they are.
    who : Who
        Names their random numbers.
    arm, stratum, enrolled_h
        As of :class:`Roll`.
    cohort : Cohort
        The same for the model.
    hope : array
        Factor on each one's placebo terms: the person's and the study's.
    replicate : array of int
        Trial that each belongs to; ``who`` names the trial whose random numbers he has.
    numbers : PersonScoring
        Of the scoring layer.
    """

    people: People
    who: Who
    arm: IntArray
    stratum: npt.NDArray[np.str_]
    enrolled_h: FloatArray
    cohort: Cohort
    hope: FloatArray
    replicate: IntArray
    numbers: PersonScoring

    def __len__(self) -> int:
        return len(self.who)


def make_roll(study: Study, sizes: dict[str, int], seed: int, replicate: int) -> Roll:
    """Randomise all patients of one replicate.

    Parameters
    ----------
    study : Study
        The design.
    sizes : dict of str to int
        Patients by arm.
    seed, replicate : int
        Name the random numbers.
    """
    count = sum(sizes.values())
    design = study.randomisation
    subjects = np.arange(1, count + 1, dtype=np.int64)
    who = Who(seed, study.id, np.full(count, replicate, dtype=np.int64), subjects)
    stratum = np.full(count, "", dtype=np.str_)
    if design is not None and design.strata:
        stratum = _strata(study, who)
    labels = allocate(
        sizes,
        seed=seed,
        study=study.id,
        replicate=replicate,
        block=None if design is None else design.block,
        stratum=stratum if design is not None and design.strata else None,
        stages=() if design is None else _stages(design, count),
    )
    places = {arm.id: place for place, arm in enumerate(study.arms)}
    arm = np.array([places[name] for name in labels.tolist()], dtype=np.int64)
    enrolled = np.zeros(count)
    if study.enrolment is not None:
        gaps = -np.log(who.uniforms("enrolment")) * _WEEK_H / study.enrolment.rate
        enrolled = np.cumsum(gaps) - gaps[0]
    return Roll(arm, stratum, enrolled)


def _stages(design: Randomisation, count: int) -> list[tuple[int, Mapping[str, float]]]:
    """Stages of enrolment: the same shares of all patients as in the file, whatever the trial's size."""
    ends = np.cumsum([stage.first for stage in design.stages])
    scaled = [round(end * count / ends[-1]) for end in ends.tolist()]
    sizes = np.diff([0, *scaled]).tolist()
    return [(size, stage.arms) for size, stage in zip(sizes, design.stages, strict=True)]


def _strata(study: Study, who: Who) -> npt.NDArray[np.str_]:
    spec = population_spec(study)
    drawn = draw_covariates(
        spec, seed=who.seed, study=who.study, replicates=who.replicate, subjects=who.subject
    )
    score = spec.parent().quantile(drawn["entry_u"])
    nothing = np.zeros(len(who), dtype=np.int64)
    covariates = {name: np.asarray(values, dtype=np.float64) for name, values in drawn.items()}
    seen = Seen(0.0, {spec.scale: score}, {}, covariates, {}, {}, {}, spec.scale, nothing)
    conditions = () if study.randomisation is None else study.randomisation.conditions
    return strata_of(conditions, seen, who, "randomisation")


def enrol(trial: Trial, replicates: IntArray, subjects: IntArray) -> Enrolled:
    """Draw and randomise some patients of a trial.

    Parameters
    ----------
    trial : Trial
        The trial.
    replicates, subjects : array of int, shape (patients,)
        Which trial, and which patient of it, from 1.
    """
    study = trial.study
    streams, draw = trial.streams_of(replicates), trial.draw_of(replicates)
    rolls = {replicate: trial.roll(replicate) for replicate in np.unique(streams).tolist()}
    pick = list(zip(streams.tolist(), (subjects - 1).tolist(), strict=True))
    arm = np.array([rolls[r].arm[s] for r, s in pick], dtype=np.int64)
    stratum = np.array([rolls[r].stratum[s] for r, s in pick], dtype=np.str_)
    enrolled = np.array([rolls[r].enrolled_h[s] for r, s in pick])
    who = Who(trial.seed, study.id, streams, subjects)
    numbers = PersonScoring(trial.scoring_sets, np.minimum(draw, len(trial.scoring_sets) - 1))
    people = drawn_people(trial, who, arm, draw, numbers)
    factor, shift = _study_effects(trial, replicates)
    hope = factor * np.exp(people.deviations.get("placebo_gain", np.zeros(len(who))))
    cohort = cohort_of(trial, people, shift, who.uniforms("pain"), draw)
    return Enrolled(people, who, arm, stratum, enrolled, cohort, hope, replicates, numbers)


def _study_effects(trial: Trial, replicates: IntArray) -> tuple[FloatArray, dict[str, FloatArray]]:
    """Factor on each person's placebo terms, and deviations of his parameters, that his study has."""
    own, place = np.unique(replicates, return_inverse=True)
    sets = trial.scoring_sets
    effects = [
        study_effect(sets[min(draw, len(sets) - 1)], seed=trial.seed, study=trial.study.id, replicate=stream)
        if trial.between_study
        else StudyEffect()
        for draw, stream in zip(trial.draw_of(own).tolist(), trial.streams_of(own).tolist(), strict=True)
    ]
    names = sorted({name for effect in effects for name in effect.deviations})
    factor = np.array([effect.placebo_factor for effect in effects])
    shifts = {name: np.array([effect.deviations.get(name, 0.0) for effect in effects]) for name in names}
    return factor[place], {name: values[place] for name, values in shifts.items()}


def cohort_of(
    trial: Trial,
    people: People,
    shift: dict[str, FloatArray] | None = None,
    pain: FloatArray | float = 0.5,
    draw: IntArray | None = None,
) -> Cohort:
    """People as the model takes them.

    Parameters
    ----------
    trial : Trial
        Gives the parameters, and the scale of the baseline.
    people : People
        Who.
    shift : dict of str to array, optional
        Further deviations of parameters: those of the study.
    pain : array or float
        Share of people in less pain at entry, if the study is about pain.
    draw : array of int, optional
        Draw of the parameters that each has; left out, all have those of the tables.
    """
    if shift:
        deviations = dict(people.deviations)
        for name, values in shift.items():
            deviations[name] = deviations.get(name, np.zeros(len(people))) + values
        people = replace(people, deviations=deviations)
    points = people.severity_baseline
    columns = {**parameter_columns(people, trial.parameters), **_in_pain(trial.study, people, pain)}
    if trial.draws is not None and draw is not None:
        # Typical values of the scoring layer are none of the body's: they are in the persons' numbers.
        own = trial.draws.only(name for name in trial.draws.names if name not in _SCORING)
        columns = own.columns(trial.parameters, columns, draw)
    if trial.study.population.baseline.scale == "hamd17":
        points = points / columns.get("hamd17_per_madrs", trial.parameters["hamd17_per_madrs"].value)
    known = trial.simulator.chain.inputs
    return Cohort(
        trial.parameters,
        columns,
        np.minimum(points, _HIGHEST_SEVERITY),
        people.stress,
        {name: values for name, values in people_inputs(people).items() if name in known},
    )


def _in_pain(study: Study, people: People, pain: FloatArray | float) -> dict[str, FloatArray]:
    """Pain and opioid use of people at entry: a normal distribution between the ends of the scale."""
    given = study.population.pain
    if given is None:
        return {}
    intensity = np.full(len(people), given.mean)
    if given.sd > 0.0:
        edges = (np.array([0.0, SCALES["pain_nrs"].maximum]) - given.mean) / given.sd
        low, high = ndtr(edges)
        intensity = given.mean + given.sd * ndtri(low + (high - low) * np.broadcast_to(pain, len(people)))
    takes = people.covariates["opioid"] > 0.5
    return {"pain_intensity": intensity, "opioid_dose": np.where(takes, given.opioid, 0.0)}
