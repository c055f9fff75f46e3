"""Many persons who differ in numbers only: arrays instead of objects.

What a person costs outside the kernels is then a few microseconds, so that a
million of them are a matter of minutes. A run can be cut: each stretch goes on from the
states in which the one before it ended, so that visits can change what is given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.engine import Batch, Solutions
from ketasim.engine.events import Flows, Happenings, Marks, Schedules, merged_events
from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError, ModelError, unknown_name
from ketasim.model.happenings import doses_given
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import Wanted, parameter_rows
from ketasim.model.simulator import Simulator
from ketasim.model.steady_state import placed_at_start

__all__ = [
    "Cohort",
    "Given",
    "InputStep",
    "Prepared",
    "Rested",
    "at_rest",
    "prepare_cohort",
    "prepare_stretch",
    "run_stretch",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cohort:
    """Persons as arrays.

    Parameters
    ----------
    parameters : ParameterSet
        What is the same for all.
    varied : dict of str to array, shape (persons,)
        Parameters in which they differ, weight among them, in the units of their tables.
    severity : array, shape (persons,)
        Latent severity at entry, in points.
    stress : array, shape (persons, days)
        Life stress day by day, in standard deviations.
    inputs : dict of str to array, shape (persons,)
        Outside inputs that were there long before and go on, in their units.
    """

    parameters: ParameterSet
    varied: Mapping[str, FloatArray]
    severity: FloatArray
    stress: FloatArray
    inputs: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.varied:
            if name not in self.parameters:
                raise ModelError(f"cohort: {unknown_name('parameter', name, self.parameters)}")

    def __len__(self) -> int:
        return len(self.severity)

    def part(self, places: IntArray) -> Cohort:
        """Some of them."""
        return replace(
            self,
            varied={name: values[places] for name, values in self.varied.items()},
            severity=self.severity[places],
            stress=self.stress[places],
            inputs={name: values[places] for name, values in self.inputs.items()},
        )

    def wanted(self, i: int) -> Wanted:
        """One person as an object."""
        own = self.parameters.with_values({name: float(values[i]) for name, values in self.varied.items()})
        return Wanted(own, float(self.severity[i]), float(self.stress[i, 0]))

    def stress_path(self, i: int) -> dict[str, InputPath]:
        """Life stress of one person."""
        days = 24.0 * np.arange(self.stress.shape[1])
        return {"life_stress": InputPath(tuple(days.tolist()), tuple(self.stress[i].tolist()))}


@dataclass(frozen=True)
class InputStep:
    """An outside input that changes for some persons.

    Parameters
    ----------
    name : str
        The input.
    person : array of int
        Places in the cohort.
    time_h, value : array, shape as ``person``
        From when it has which value, in its unit.
    """

    name: str
    person: IntArray
    time_h: FloatArray
    value: FloatArray


@dataclass(frozen=True)
class Given:
    """What persons are given, from the start to the end of a run.

    Parameters
    ----------
    plans : tuple of Regimen
        The different courses of doses.
    which : array of int, shape (persons,)
        The plan of each.
    occasions : dict of str to array, shape (persons, doses)
        How far parameters that act when a dose is given are off from one dose to the next, on the
        scale of :meth:`Parameter.varied`.
    steps : sequence of InputStep
        Changes of outside inputs.
    """

    plans: tuple[Regimen, ...]
    which: IntArray
    occasions: Mapping[str, FloatArray] = field(default_factory=dict)
    steps: Sequence[InputStep] = ()

    @classmethod
    def same(cls, regimen: Regimen, persons: int) -> Given:
        """One plan for all."""
        return cls((regimen,), np.zeros(persons, dtype=np.int64))

    def without_active_drug(self) -> Given:
        """The same visits with dose zero."""
        return replace(self, plans=tuple(plan.without_active_drug() for plan in self.plans))

    def doses(self, bodies: Sequence[FloatArray]) -> DoseTable:
        """All doses as one table; ``bodies`` are weights in kg and heights in m."""
        parts = []
        for place, plan in enumerate(self.plans):
            persons = np.flatnonzero(self.which == place)
            own = dose_table(plan, *(body[persons] for body in bodies))
            parts.append(replace(own, subject=persons[own.subject]))
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])}
        table = DoseTable(**columns)
        return table.rows(np.lexsort((table.time_h, table.subject)))


@dataclass(frozen=True)
class Rested:
    """A cohort at rest before treatment.

    Parameters
    ----------
    rows : array, shape (persons, parameters)
        Parameters as the engine takes them, the illness load among them.
    states : array, shape (persons, states)
        In the chain's units.
    refused : dict of int to str
        Who has no rest, and why.
    """

    rows: FloatArray
    states: FloatArray
    refused: dict[int, str]


@dataclass(frozen=True)
class Prepared:
    """A cohort that is ready to run.

    Parameters
    ----------
    batch : Batch
        Those who can be run.
    places : array of int
        Which persons of the cohort these are.
    refused : dict of int to str
        The others, and why.
    """

    batch: Batch
    places: IntArray
    refused: dict[int, str]


def at_rest(simulator: Simulator, cohort: Cohort, *, thorough: bool = True) -> Rested:
    """Find where persons rest at their severities.

    Parameters
    ----------
    simulator : Simulator
        The model.
    cohort : Cohort
        Who.
    thorough : bool
        Whether those who are not found at first are looked for one by one, which takes long. Of draws
        far from the tables hardly one in a hundred of them is found so.

    Returns
    -------
    Rested
        A person's part does not depend on who else is in the cohort.
    """
    columns = simulator.chain.parameter_columns(cohort.parameters, cohort.varied)
    inputs = {
        name: values * simulator.chain.units.factor(simulator.chain.inputs[name].unit)
        for name, values in cohort.inputs.items()
    }
    states, loads, rest = simulator.finder.at_rest(columns, cohort.severity, cohort.stress[:, 0], inputs)
    refused: dict[int, str] = {}
    for i in np.flatnonzero(~rest).tolist():
        if not thorough or any(values[i] != 0.0 for values in cohort.inputs.values()):
            refused[i] = (
                f"no stable rest at {cohort.severity[i]:.3g} points was found with what this person takes."
            )
            continue
        # One by one there are more ways to look.
        (patient,) = simulator.depressed_many([cohort.wanted(i)])
        if isinstance(patient, KetasimError):
            refused[i] = str(patient)
        else:
            states[i], loads[i] = patient.state, patient.parameters["illness_load"].value
    columns = {**columns, "illness_load": loads * _factor(simulator, "illness_load")}
    program = simulator.engine().program
    rows = parameter_rows(columns, program.parameters, len(cohort))
    return Rested(rows, states, refused)


def prepare_cohort(simulator: Simulator, cohort: Cohort, regimen: Regimen, times_h: FloatArray) -> Prepared:
    """Set persons up at rest, and write what happens to them.

    Parameters
    ----------
    simulator : Simulator
        The model.
    cohort : Cohort
        Who.
    regimen : Regimen
        What all are given.
    times_h : array, shape (n_times,)
        Output times of all, in hours.

    Returns
    -------
    Prepared
        A person's part does not depend on who else is in the cohort.
    """
    if times_h[0] != 0.0:
        raise ModelError(
            f"cohort: the times begin at {times_h[0]:g} h; let them begin at 0, as life stress does."
        )
    found = at_rest(simulator, cohort)
    kept = np.array([i for i in range(len(cohort)) if i not in found.refused], dtype=np.int64)
    batch = prepare_stretch(
        simulator,
        cohort.part(kept),
        found.rows[kept],
        found.states[kept],
        Given.same(regimen, len(kept)),
        [np.asarray(times_h, dtype=np.float64)] * len(kept),
    )
    return Prepared(batch, kept, found.refused)


def prepare_stretch(
    simulator: Simulator,
    cohort: Cohort,
    rows: FloatArray,
    states: FloatArray,
    given: Given,
    times_h: Sequence[FloatArray],
) -> Batch:
    """Write a stretch of a run: from the first to the last output time of each person.

    Parameters
    ----------
    simulator : Simulator
        The model.
    cohort : Cohort
        Who.
    rows, states : array
        As of :class:`Rested`; the states are those at each person's first time, before anything that
        happens at it.
    given : Given
        All doses and inputs, those before the stretch too: an infusion that is on goes on.
    times_h : sequence of arrays
        Output times of each, in hours.

    Returns
    -------
    Batch
    """
    program = simulator.engine().program
    happenings, left = _happenings(simulator, cohort, given, rows)
    times = [own * simulator.hour for own in times_h]
    begins, ends = (np.array([own[place] for own in times]) for place in (0, -1))
    starts, later = placed_at_start(left, states, begins)
    happenings = happenings._replace(jumps=Marks.joined([happenings.jumps, later]))
    table = merged_events(program, happenings, begins, ends, simulator.chain.input_defaults())
    return Batch(rows, starts, Schedules(program, happenings, len(cohort)), times, table)


def run_stretch(
    simulator: Simulator,
    cohort: Cohort,
    rows: FloatArray,
    states: FloatArray,
    given: Given,
    times_h: Sequence[FloatArray],
    quantities: Sequence[str],
) -> Solutions:
    """Run a stretch; parameters as for :func:`prepare_stretch`.

    Returns
    -------
    Solutions
        Values are in the shown units of the quantities; ``finals`` are where the next stretch begins.
    """
    batch = prepare_stretch(simulator, cohort, rows, states, given, times_h)
    solutions = simulator.engine().solve(
        batch, simulator.chain.input_defaults(), simulator.rtol, tuple(quantities)
    )
    factors = np.array([simulator.shown_factor(name) for name in quantities])
    return replace(solutions, values=[values / factors for values in solutions.values])


@dataclass(frozen=True)
class _CohortValues:
    """Parameters of the persons of a cohort, for entries of a dose table."""

    cohort: Cohort
    occasions: Mapping[str, FloatArray]

    def __call__(self, name: str, entries: DoseTable) -> FloatArray:
        parameter = self.cohort.parameters[name]
        values = (
            self.cohort.varied[name][entries.subject]
            if name in self.cohort.varied
            else np.full(len(entries), parameter.value)
        )
        if name not in self.occasions:
            return values
        return parameter.at(values, self.occasions[name][entries.subject, entries.occasion])


def _happenings(
    simulator: Simulator, cohort: Cohort, given: Given, rows: FloatArray
) -> tuple[Happenings, Marks]:
    """Doses, life stress day by day and other inputs, and what doses before a steady state left."""
    program, count = simulator.engine().program, len(cohort)
    values = _CohortValues(cohort, given.occasions)
    bodies = [
        cohort.varied.get(name, np.full(count, cohort.parameters[name].value))
        for name in ("weight", "height")
    ]
    table = given.doses(bodies)
    found = doses_given(program, simulator.chain.units, table, values)
    left, flowing = simulator.earlier_doses.left(program, table, values, rows, lambda *_: {})
    days = cohort.stress.shape[1]
    marks = [
        found.inputs,
        Marks(
            np.repeat(np.arange(count), days),
            np.full(count * days, program.inputs.index("life_stress")),
            np.tile(np.arange(days) * 24.0 * simulator.hour, count),
            cohort.stress.ravel(),
        ),
    ]
    everyone, start = np.arange(count), np.zeros(count)
    lasting = [InputStep(name, everyone, start, values) for name, values in cohort.inputs.items()]
    for step in [*lasting, *given.steps]:
        if step.name not in simulator.chain.inputs:
            raise ModelError(unknown_name("input", step.name, simulator.chain.inputs))
        factor = simulator.chain.units.factor(simulator.chain.inputs[step.name].unit)
        target = np.full(len(step.person), program.inputs.index(step.name))
        marks.append(Marks(step.person, target, step.time_h * simulator.hour, step.value * factor))
    happenings = found._replace(flows=Flows.joined([found.flows, flowing]), inputs=Marks.joined(marks))
    return happenings, left


def _factor(simulator: Simulator, parameter: str) -> float:
    """One of the parameter's units in the chain's."""
    return simulator.chain.units.factor(simulator.chain.parameters[parameter].unit)
