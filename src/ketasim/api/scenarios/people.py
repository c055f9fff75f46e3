"""Who is simulated for a scenario: the typical person, draws of what is not known, and virtual people.

A block is a number of persons at rest before treatment. It depends on the person and the mechanism, not on
doses, switches or the control, and is remembered: to move a dose costs no new search for rests.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.choices import QUARTILES
from ketasim.api.scenarios.definition import Scenario
from ketasim.api.scenarios.faults import Fault, ScenarioError
from ketasim.api.scenarios.knowledge import SCORING, drawn_values
from ketasim.api.scenarios.models import read_at_rest, simulator
from ketasim.api.scenarios.plans import Plan, make_plan, person_numbers
from ketasim.api.scenarios.switching import SWITCHED
from ketasim.engine import find_rests
from ketasim.model.cohort import Cohort, at_rest
from ketasim.model.parameters import ParameterSet
from ketasim.population import (
    ANCESTRIES,
    COVARIATES,
    HARMS,
    People,
    PopulationSpec,
    Variability,
    draw_people,
    parameter_columns,
    typical_people,
)
from ketasim.trials.causes import find_cause
from ketasim.trials.scoring import ScoringParameters, error_sd
from ketasim.trials.scoring.drawn import PersonScoring

__all__ = ["MOST_PERSONS", "Block", "Kind", "block_of"]

FloatArray = npt.NDArray[np.float64]
Kind = Literal["typical", "knowledge", "people"]

#: Persons of one block: beyond it a run is a job for many cores.
MOST_PERSONS: Final = 1000
_STUDY: Final = "scenario"
#: Table that says how widely people are spread who are like the person.
_TABLE: Final = "mdd_trials"
#: A normal spread must leave room to both ends of the scale.
_ROOM_SHARE: Final = 1.0 / 3.0
#: Highest latent severity that a person is set up with: at 60 the read-out has no inverse.
_HIGHEST: Final = 58.0
_ALLELES: Final = {"*1/*1": 0.0, "*1/*6": 1.0, "*6/*6": 2.0, "val/val": 0.0, "val/met": 1.0, "met/met": 2.0}
_CAUSES: Final = {"val/met": "val_met", "met/met": "met_met"}


@dataclass(frozen=True, eq=False)
class Block:
    """Persons at rest.

    Parameters
    ----------
    cohort : Cohort
        The persons.
    rows, states : array
        As of :class:`~ketasim.model.cohort.Rested`.
    entry : array, shape (persons,)
        Score with which each enters, in MADRS points.
    hope : array, shape (persons,)
        Factor on each one's placebo terms.
    numbers : PersonScoring
        Of the scoring layer.
    lost : int
        How many were asked for and have no rest.
    """

    cohort: Cohort
    rows: FloatArray
    states: FloatArray
    entry: FloatArray
    hope: FloatArray
    numbers: PersonScoring
    lost: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def rest(self) -> dict[str, FloatArray]:
        """Quantities that switches hold, at rest, in their shown units."""
        return read_at_rest(self.rows, self.states, SWITCHED)


def block_of(plan: Plan, kind: Kind, count: int, seed: int, days: int) -> Block:
    """Persons of a scenario at rest.

    Parameters
    ----------
    plan : Plan
        The scenario.
    kind : {"typical", "knowledge", "people"}
        One typical person; the same person once for each draw of the parameters; or people.
    count : int
        How many.
    seed : int
        Names the random numbers of people.
    days : int
        Days of life stress, for people.

    Returns
    -------
    Block

    Raises
    ------
    ScenarioError
        If the typical person has no rest, or most of the others have none.
    """
    # A longer course begins with the shorter one, so blocks are kept by whole months.
    months = math.ceil(days / 28) if kind == "people" else 1
    return _block(plan.who, kind, count, seed, 28 * months)


@lru_cache(maxsize=32)
def _block(who: str, kind: Kind, count: int, seed: int, days: int) -> Block:
    scenario, hoped = _scenario(who)
    plan = make_plan(scenario)
    parameters = plan.parameters
    if kind == "people":
        people, severity = _virtual(scenario, parameters, count, seed, days)
    else:
        people = _typical(scenario, count, days)
        severity = people.severity_baseline
    columns = {name: np.full(count, value) for name, value in parameters.changed.items()}
    columns |= parameter_columns(people, parameters)
    columns |= _own(scenario, count, parameters)
    sets: Sequence[ScoringParameters] = [ScoringParameters.from_table(parameters)]
    which = np.zeros(count, dtype=np.int64)
    if kind == "knowledge":
        columns, sets = drawn_values(plan, columns, count)
        which = np.arange(count)
    known = {name: values for name, values in columns.items() if name not in SCORING}
    cohort = Cohort(parameters.origin, known, severity, people.stress)
    rows, states, kept = _rested(scenario, cohort, kind)
    spread = parameters["placebo_gain"].iiv
    hope = np.exp(people.deviations.get("placebo_gain", np.zeros(count)) + hoped * spread)
    return Block(
        cohort.part(kept),
        rows,
        states,
        people.baseline[kept],
        hope[kept],
        PersonScoring(sets, which[kept]),
        count - len(kept),
    )


def _scenario(who: str) -> tuple[Scenario, float]:
    """The scenario without doses that a text stands for, and the hope in standard deviations."""
    data = json.loads(who)
    expectancy = data.pop("expectancy")
    return Scenario.model_validate({**data, "regimen": "none"}), QUARTILES.get(expectancy, 0.0)


def _typical(scenario: Scenario, count: int, days: int) -> People:
    """The same typical person several times: as he is described, or the usual one of a population."""
    if scenario.population is not None:
        spec = PopulationSpec.of_table(scenario.population)
        everybody = np.zeros(count, dtype=np.int64)
        return typical_people(spec, count, [spec.parent()], everybody, days)
    score = np.full(count, person_numbers(scenario)["severity"])
    none = np.zeros(count)
    return People(
        np.zeros(count, dtype=np.int64),
        np.arange(1, count + 1, dtype=np.int64),
        _covariates(scenario, count),
        score,
        none,
        none,
        score.copy(),
        {},
        np.zeros((count, days)),
        dict.fromkeys(HARMS, none),
        np.ones(count, dtype=np.int64),
        {},
    )


def _covariates(scenario: Scenario, count: int) -> dict[str, FloatArray]:
    """What is known of the person, for several like him; what no field tells is absent or usual."""
    person, numbers = scenario.person, person_numbers(scenario)
    values = dict.fromkeys(COVARIATES, 0.0)
    values |= {name: numbers[name] for name in ("age", "height", "weight", "failed_treatments")}
    values["female"] = float(person.sex == "female")
    values |= {name: float(name == f"ancestry_{person.ancestry}") for name in ANCESTRIES}
    values["cyp2b6_6"], values["val66met"] = _ALLELES[person.cyp2b6], _ALLELES[person.bdnf]
    values["opioid"] = float(numbers["opioid"] > 0.0)
    return {name: np.full(count, value) for name, value in values.items()}


def _virtual(
    scenario: Scenario, parameters: ParameterSet, count: int, seed: int, days: int
) -> tuple[People, FloatArray]:
    """People like the person, or of a population, and their latent severity.

    People like the person share what is known of him and the score at entry; parameters, life stress and
    the error of the rating at entry differ.
    """
    everybody = np.zeros(count, dtype=np.int64)
    known, score = None, None
    if scenario.population is None:
        severity = person_numbers(scenario)["severity"]
        spec = _around(severity)
        known = {**_covariates(scenario, count), "screened": np.ones(count)}
        score = np.full(count, severity)
    else:
        spec = PopulationSpec.of_table(scenario.population)
    people = draw_people(
        spec,
        Variability.of(parameters),
        seed=seed,
        study=_STUDY,
        replicates=everybody,
        subjects=np.arange(1, count + 1, dtype=np.int64),
        parents=[spec.parent()],
        which=everybody,
        days=days,
        stress_tau_h=parameters["life_stress_time"].value,
        stress_sd_points=parameters["life_stress_points"].value,
        error_sd=error_sd(ScoringParameters.from_table(parameters), spec.scale),
        covariates=known,
        baseline=score,
    )
    return people, np.minimum(people.severity_baseline, _HIGHEST)


def _around(severity: float) -> PopulationSpec:
    """People about as ill as the person: else his score would be read as chance, and regress to theirs."""
    spec = PopulationSpec.of_table(_TABLE)
    room = min(severity, spec.scale_maximum - severity)
    sd = min(spec.baseline_sd, _ROOM_SHARE * room)
    return replace(spec, baseline_mean=severity, baseline_sd=sd, entry_lower=None)


def _own(scenario: Scenario, count: int, parameters: ParameterSet) -> dict[str, FloatArray]:
    """What the person has beside covariates: genes, pain and opioids."""
    numbers, person = person_numbers(scenario), scenario.person
    values: dict[str, float] = {}
    if numbers["pain"] > 0.0 or numbers["opioid"] > 0.0:
        values = {"pain_intensity": numbers["pain"], "opioid_dose": numbers["opioid"]}
    if scenario.population is None and person.bdnf in _CAUSES:
        values |= {cause.target: cause.value for cause in find_cause(_CAUSES[person.bdnf])}
    return {name: np.full(count, value) for name, value in values.items() if name in parameters}


def _rested(
    scenario: Scenario, cohort: Cohort, kind: Kind
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Rows and states of those who have a rest, and who they are."""
    if scenario.population is None and scenario.person.illness == "healthy":
        rows, states, kept = _healthy(cohort)
        reason = "no rest without illness was found"
    else:
        found = at_rest(simulator(), cohort, thorough=kind == "typical")
        kept = np.array([i for i in range(len(cohort)) if i not in found.refused], dtype=np.int64)
        rows, states = found.rows[kept], found.states[kept]
        reason = next(iter(found.refused.values()), "")
    if len(kept) < max(1, len(cohort) // 2):
        hint = "Choose another severity, or take back what was changed in the mechanism."
        raise ScenarioError([Fault("person", f"{reason.rstrip('.')}.", None, "", None, hint)])
    return rows, states, kept


def _healthy(cohort: Cohort) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """People without illness load."""
    model, count = simulator(), len(cohort)
    columns = model.chain.parameter_columns(cohort.parameters, cohort.varied)
    columns |= {"illness_load": 0.0}
    rows = np.stack(
        [np.broadcast_to(columns[name], count) for name in model.engine().program.parameters], axis=1
    )
    start = model.healthy(cohort.parameters).state
    inputs = model.finder.inputs(cohort.stress[:, 0])
    rests = find_rests(model.engine(), rows, inputs, np.repeat(start[None], count, axis=0))
    kept = np.flatnonzero(rests.found)
    return rows[kept], rests.states[kept], kept
