"""The persons or animals of an experiment, as the model takes them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ketasim.model.cohort import Cohort
from ketasim.model.parameters import ParameterSet
from ketasim.model.simulator import Simulator
from ketasim.population import (
    COVARIATES,
    People,
    PopulationSpec,
    Variability,
    draw_people,
    load_effects,
    parameter_columns,
    people_inputs,
    uniforms,
)
from ketasim.population.draws import Draws
from ketasim.population.margins import normal_scores
from ketasim.trials import scoring
from ketasim.trials.experiment.definition import Experiment
from ketasim.trials.experiment.parts import State, Subjects
from ketasim.units import convert

__all__ = ["Who", "cohort_of"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Latent severity at rest of those whom a file does not tell: mean and SD in MADRS points.
_SEVERITIES: Mapping[State, tuple[float, float]] = {
    "healthy": (1.5, 1.2),
    "depressed": (33.0, 5.5),
    "stressed": (33.0, 5.5),
    "remitted": (5.0, 2.0),
}
#: Near the end of the scale the read-out has no inverse.
_HIGHEST_SEVERITY = 58.0
_SCORING = frozenset(field.name for field in fields(scoring.ScoringParameters))


@dataclass(frozen=True)
class Who:
    """Names of persons.

    Parameters
    ----------
    seed : int
        Of the run.
    stream : array of int, shape (persons,)
        Replicate that names their random numbers.
    subject : array of int, shape (persons,)
        Number of each within it, from 1.
    draw : array of int, shape (persons,)
        Draw of the parameters that each has, from 0.
    """

    seed: int
    stream: IntArray
    subject: IntArray
    draw: IntArray

    def __len__(self) -> int:
        return len(self.subject)


def cohort_of(
    experiment: Experiment,
    state: State,
    who: Who,
    parameters: ParameterSet,
    own: Collection[str],
    draws: Draws | None,
    days: int,
    simulator: Simulator,
) -> Cohort:
    """Draw persons in one state and set them up for the model.

    Parameters
    ----------
    experiment : Experiment
        Says who takes part.
    state : str
        Their state.
    who : Who
        Names them.
    parameters : ParameterSet
        Typical values.
    own : collection of str
        Parameters that the arm sets itself: neither a covariate nor a draw changes them.
    draws : Draws or None
        Draws of typical values.
    days : int
        Days of life stress.
    simulator : Simulator
        Knows the inputs.
    """
    human = experiment.species == "human"
    people = _drawn(experiment, state, who, parameters, days)
    columns = parameter_columns(people, parameters, None, None if human else ())
    if human:
        # A value that the arm sets is not that of the person's covariate.
        facts = {effect.parameter for effect in load_effects() if effect.scale == "value"}
        columns = {name: values for name, values in columns.items() if name not in facts or name not in own}
    elif experiment.subjects.weight is not None:
        columns["weight"] = _weights(experiment, who)
    columns |= _in_pain(experiment.subjects, len(who))
    if draws is not None:
        kept = draws.only(name for name in draws.names if name not in own and name not in _SCORING)
        columns = kept.columns(parameters, columns, who.draw)
    known = simulator.chain.inputs
    inputs = people_inputs(people) if human else {}
    return Cohort(
        parameters,
        columns,
        np.minimum(people.severity_baseline, _HIGHEST_SEVERITY),
        np.zeros_like(people.stress) if state == "healthy" else people.stress,
        {name: values for name, values in inputs.items() if name in known},
    )


def _drawn(experiment: Experiment, state: State, who: Who, parameters: ParameterSet, days: int) -> People:
    spec = _spec(experiment, state)
    return draw_people(
        spec,
        Variability.of(parameters),
        seed=who.seed,
        study=experiment.id,
        replicates=who.stream,
        subjects=who.subject,
        parents=[spec.parent()],
        which=np.zeros(len(who), dtype=np.int64),
        days=days,
        stress_tau_h=parameters["life_stress_time"].value,
        stress_sd_points=parameters["life_stress_points"].value,
        error_sd=0.0,
    )


def _spec(experiment: Experiment, state: State) -> PopulationSpec:
    """What persons in a state are drawn from; the score at entry is their latent severity."""
    subjects = experiment.subjects
    mean, sd = _SEVERITIES[state]
    if state != "healthy":
        # Without an SD of its own a given severity has a share of it as SD.
        usual = sd / mean if state == "remitted" else sd
        given = subjects.severity
        if given is not None:
            mean, sd = given, min(sd, usual * given if state == "remitted" else 0.3 * given)
        sd = subjects.severity_sd or sd
    table = subjects.table or ("healthy" if state == "healthy" else "mdd_trials")
    if experiment.species != "human":
        return PopulationSpec(baseline_mean=mean, baseline_sd=sd, table=table)
    continuous = {
        name: (_in_unit(item.mean, item.unit, name), _in_unit(item.sd, item.unit, name))
        for name, item in subjects.continuous.items()
    }
    return PopulationSpec(
        baseline_mean=mean, baseline_sd=sd, table=table, continuous=continuous, fractions=subjects.shares
    )


def _in_unit(value: float, unit: str, covariate: str) -> float:
    wanted = COVARIATES[covariate].unit
    return value if unit == wanted else convert(value, unit, wanted)


def _weights(experiment: Experiment, who: Who) -> FloatArray:
    """Weights of animals in kg: log-normal, with the mean and SD of the file."""
    given = experiment.subjects.weight
    if given is None:
        return np.zeros(0)
    mean, sd = (convert(value, given.unit, "kg") for value in (given.mean, given.sd))
    spread = math.sqrt(math.log1p((sd / mean) ** 2))
    z = normal_scores(uniforms(who.seed, experiment.id, who.stream, who.subject, "animal", "weight"))
    return np.asarray(mean * np.exp(spread * z - 0.5 * spread**2), dtype=np.float64)


def _in_pain(subjects: Subjects, count: int) -> dict[str, FloatArray]:
    given = {"pain_intensity": subjects.pain, "opioid_dose": subjects.opioid_mg_h}
    return {name: np.full(count, value) for name, value in given.items() if value is not None}
