"""Simulates an experiment: all arms, draws and persons in a few runs of the model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.model.chain import build_chain
from ketasim.model.cohort import Cohort, Given, InputStep, run_stretch
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population import Variability, draw_occasions
from ketasim.population.draws import Draws
from ketasim.trials.experiment.definition import Experiment
from ketasim.trials.experiment.measures import SIGNS
from ketasim.trials.experiment.parts import State
from ketasim.trials.experiment.people import Who, cohort_of
from ketasim.trials.experiment.plan import ArmPlan, arm_parameters, end_of_doses, plan_arm
from ketasim.trials.experiment.readings import Course, Readings
from ketasim.trials.experiment.rest import rest_of

__all__ = ["simulate_experiment", "species_parameters"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Persons that are solved together: enough for the solver, few enough for the memory.
_TOGETHER = 4_000


@cache
def _shipped_simulator() -> Simulator:
    return Simulator(build_chain())


def species_parameters(species: str, human: ParameterSet | None = None) -> ParameterSet:
    """Typical values of a species.

    Parameters
    ----------
    species : str
        ``human``, ``rat`` or ``mouse``.
    human : ParameterSet, optional
        Human values other than those shipped; what differs in them differs in animals by as much.
    """
    own = load_parameters(species)
    if human is None:
        return own
    if species == "human":
        return human
    moved = Draws.of(load_parameters(), [human])
    return moved.sets(own)[0] if moved.names else own


@dataclass(frozen=True)
class _Group:
    """Arms whose persons can be run together: one state, one set of parameters."""

    state: State
    parameters: ParameterSet
    own: frozenset[str]
    plans: list[ArmPlan]


def simulate_experiment(
    experiment: Experiment,
    *,
    draws: Draws | None = None,
    per_draw: int = 8,
    seed: int = 1,
    common: bool = False,
    parameters: ParameterSet | None = None,
    simulator: Simulator | None = None,
    times_h: Iterable[float] = (),
) -> Readings:
    """Simulate an experiment.

    Parameters
    ----------
    experiment : Experiment
        What is done to whom.
    draws : Draws, optional
        Draws of typical values; left out, there is one, that of the tables.
    per_draw : int
        Persons of each arm in each draw.
    seed : int
        Names the random numbers.
    common : bool
        Whether the same persons are taken in all draws, which differ by the draw alone then.
    parameters : ParameterSet, optional
        Human values other than those shipped.
    simulator : Simulator, optional
        The model; default: the shipped one.
    times_h : iterable of float
        Times to be read in every arm beside those of the observations, in h after the first dose.

    Returns
    -------
    Readings
        Arms have persons of their own, unless it is a crossover or signs alone are reported. What becomes
        of a person does not depend on how many there are.

    Raises
    ------
    StudyError
        If the number of persons cannot be.
    ModelError
        If a cause, an option or a parameter does not exist in this model.
    """
    if per_draw < 1:
        raise StudyError(f"per_draw: {per_draw} is not a number of persons; give 1 or more.")
    model = _shipped_simulator() if simulator is None else simulator
    typical = species_parameters(experiment.species, parameters)
    count = 1 if draws is None else len(draws)
    plans = [plan_arm(experiment, arm, model.chain, times_h) for arm in experiment.arms]
    courses: dict[str, Course] = {}
    refused: dict[tuple[str, int, int], str] = {}
    for group in _grouped(experiment, plans, typical):
        found = _run_group(experiment, group, model, draws, count, per_draw, seed, common, refused)
        courses |= found
    in_order = {arm.id: courses[arm.id] for arm in experiment.arms}
    return Readings(in_order, count, per_draw, end_of_doses(experiment), refused)


def _grouped(experiment: Experiment, plans: Sequence[ArmPlan], typical: ParameterSet) -> list[_Group]:
    found: dict[tuple[object, ...], _Group] = {}
    for plan in plans:
        parameters, own = arm_parameters(plan.arm, typical)
        state = experiment.state_of(plan.arm.id)
        changed = {name: parameters[name].value for name in parameters.changed}
        key = (state, own, tuple(sorted(changed.items())))
        found.setdefault(key, _Group(state, parameters, own, [])).plans.append(plan)
    return list(found.values())


def _quantities(experiment: Experiment, plans: Sequence[ArmPlan]) -> list[str]:
    arms = {plan.arm.id for plan in plans}
    rows = [row for row in experiment.observations if arms & set(row.all_arms)]
    return list(dict.fromkeys(name for row in rows for name, *_ in row.readings))


def _run_group(
    experiment: Experiment,
    group: _Group,
    simulator: Simulator,
    draws: Draws | None,
    count: int,
    per_draw: int,
    seed: int,
    common: bool,
    refused: dict[tuple[str, int, int], str],
) -> dict[str, Course]:
    """Courses of the arms of a group; who could not be simulated is added to ``refused``."""
    names = _quantities(experiment, group.plans)
    each = count * per_draw
    shape = {plan.arm.id: (each, len(plan.times_h)) for plan in group.plans}
    values = {arm: {name: np.full(size, np.nan) for name in names} for arm, size in shape.items()}
    which = np.repeat(np.arange(len(group.plans)), each)
    place = np.tile(np.arange(each), len(group.plans))
    days = int(np.ceil(max(plan.times_h[-1] for plan in group.plans) / 24.0)) + 1
    for start in range(0, len(which) if names else 0, _TOGETHER):
        part = slice(start, start + _TOGETHER)
        who = _who(experiment, group, which[part], place[part], per_draw, seed, common)
        cohort = cohort_of(experiment, group.state, who, group.parameters, group.own, draws, days, simulator)
        cohort = _with_inputs(cohort, group.plans, which[part], simulator)
        solved, failed = _solved(experiment, group, simulator, cohort, who, which[part], names, draws is None)
        for i, (arm_place, own) in enumerate(zip(which[part].tolist(), place[part].tolist(), strict=True)):
            arm = group.plans[arm_place].arm.id
            if i in failed:
                refused[arm, own // per_draw, own % per_draw] = failed[i]
                continue
            for column, name in enumerate(names):
                values[arm][name][own] = solved[i][:, column]
    return {plan.arm.id: Course(plan.times_h - plan.offset_h, values[plan.arm.id]) for plan in group.plans}


def _who(
    experiment: Experiment,
    group: _Group,
    which: IntArray,
    place: IntArray,
    per_draw: int,
    seed: int,
    common: bool,
) -> Who:
    """Names of persons: the same in every arm of a crossover, else each arm has its own.

    Where signs alone are reported, arms share their persons too: chance between few of them would hide a
    small effect, and no spread is read from them.
    """
    order = {arm.id: position for position, arm in enumerate(experiment.arms)}
    arms = np.array([order[plan.arm.id] for plan in group.plans])[which]
    draw = place // per_draw
    person = place % per_draw
    signs = all(row.statistic in SIGNS for row in experiment.observations)
    shared = experiment.crossover or (signs and bool(experiment.observations))
    subject = 1 + (person if shared else person * len(experiment.arms) + arms)
    return Who(seed, np.ones_like(draw) if common else draw + 1, subject, draw)


def _with_inputs(cohort: Cohort, plans: Sequence[ArmPlan], which: IntArray, simulator: Simulator) -> Cohort:
    """The cohort with what is there at rest in each arm."""
    inputs: dict[str, FloatArray] = dict(cohort.inputs)
    for name in dict.fromkeys(name for plan in plans for name in plan.resting):
        default = simulator.chain.inputs[name].default
        own = np.array([plan.resting.get(name, default) for plan in plans], dtype=np.float64)[which]
        # Of a cause and a covariate that act on one input the stronger counts.
        inputs[name] = np.maximum(own, inputs[name]) if name in inputs else own
    return Cohort(cohort.parameters, cohort.varied, cohort.severity, cohort.stress, inputs)


def _solved(
    experiment: Experiment,
    group: _Group,
    simulator: Simulator,
    cohort: Cohort,
    who: Who,
    which: IntArray,
    names: Sequence[str],
    thorough: bool,
) -> tuple[Mapping[int, FloatArray], dict[int, str]]:
    """Values of persons by place, shape (times, names), and who could not be simulated."""
    # Where parameters are drawn, a few who would need a search of their own are left out.
    rested = rest_of(simulator, cohort, group.state, thorough=thorough)
    failed = dict(rested.refused)
    kept = np.array([i for i in range(len(cohort)) if i not in failed], dtype=np.int64)
    if not len(kept):
        return {}, failed
    doses = max(len(plan.regimen.doses) for plan in group.plans)
    spreads = Variability.of(group.parameters).occasions if doses else {}
    occasions = draw_occasions(
        spreads,
        doses,
        seed=who.seed,
        study=experiment.id,
        replicates=who.stream[kept],
        subjects=who.subject[kept],
    )
    given = Given(
        tuple(plan.regimen for plan in group.plans), which[kept], occasions, _steps(group.plans, which[kept])
    )
    times = [group.plans[place].times_h for place in which[kept].tolist()]
    solutions = run_stretch(
        simulator, cohort.part(kept), rested.rows[kept], rested.states[kept], given, times, names
    )
    failed |= {int(kept[place]): text for place, text in solutions.failures.items()}
    return {int(kept[place]): values for place, values in enumerate(solutions.values)}, failed


def _steps(plans: Sequence[ArmPlan], which: IntArray) -> list[InputStep]:
    found = []
    for place, plan in enumerate(plans):
        persons = np.flatnonzero(which == place)
        for name, time, value in plan.steps:
            found.append(InputStep(name, persons, np.full(len(persons), time), np.full(len(persons), value)))
    return found
