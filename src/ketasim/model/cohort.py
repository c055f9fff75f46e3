"""Many persons who differ in numbers only, under one regimen: arrays instead of objects.

What a person costs outside the kernels is then a few microseconds, so that a
million of them are a matter of minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.engine import Batch
from ketasim.engine.events import Flows, Happenings, Marks, Schedules, merged_events
from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError, ModelError, unknown_name
from ketasim.model.happenings import doses_given
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import Wanted
from ketasim.model.simulator import Simulator
from ketasim.model.steady_state import placed_at_start

__all__ = ["Cohort", "Prepared", "prepare_cohort"]

FloatArray = npt.NDArray[np.float64]


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
    """

    parameters: ParameterSet
    varied: Mapping[str, FloatArray]
    severity: FloatArray
    stress: FloatArray

    def __post_init__(self) -> None:
        for name in self.varied:
            if name not in self.parameters:
                raise ModelError(f"cohort: {unknown_name('parameter', name, self.parameters)}")

    def __len__(self) -> int:
        return len(self.severity)

    def wanted(self, i: int) -> Wanted:
        """One person as an object."""
        own = self.parameters.with_values({name: float(values[i]) for name, values in self.varied.items()})
        return Wanted(own, float(self.severity[i]), float(self.stress[i, 0]))

    def inputs(self, i: int) -> dict[str, InputPath]:
        """Life stress of one person."""
        days = 24.0 * np.arange(self.stress.shape[1])
        return {"life_stress": InputPath(tuple(days.tolist()), tuple(self.stress[i].tolist()))}


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
    places: npt.NDArray[np.int64]
    refused: dict[int, str]


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
    columns = simulator.chain.parameter_columns(cohort.parameters, cohort.varied)
    states, loads, refused = _rests(simulator, cohort, columns)
    columns = {**columns, "illness_load": loads * _factor(simulator, "illness_load")}
    kept = np.array([i for i in range(len(cohort)) if i not in refused], dtype=np.int64)
    program = simulator.engine().program
    rows = np.stack([np.broadcast_to(columns[name], len(cohort)) for name in program.parameters], axis=1)
    happenings, left = _happenings(simulator, cohort, regimen, kept, rows[kept])
    times = np.asarray(times_h, dtype=np.float64) * simulator.hour
    begins, ends = (np.full(len(kept), times[place]) for place in (0, -1))
    starts, later = placed_at_start(left, states[kept], begins)
    happenings = happenings._replace(jumps=Marks.joined([happenings.jumps, later]))
    table = merged_events(program, happenings, begins, ends, simulator.chain.input_defaults())
    schedules = Schedules(program, happenings, len(kept))
    batch = Batch(rows[kept], starts, schedules, [times] * len(kept), table)
    return Prepared(batch, kept, refused)


def _rests(
    simulator: Simulator, cohort: Cohort, columns: Mapping[str, FloatArray | float]
) -> tuple[FloatArray, FloatArray, dict[int, str]]:
    """Resting states and illness loads, and who has none."""
    states, loads, rest = simulator.finder.at_rest(columns, cohort.severity, cohort.stress[:, 0])
    refused: dict[int, str] = {}
    for i in np.flatnonzero(~rest).tolist():
        # One by one there are more ways to look.
        (patient,) = simulator.depressed_many([cohort.wanted(i)])
        if isinstance(patient, KetasimError):
            refused[i] = str(patient)
        else:
            states[i], loads[i] = patient.state, patient.parameters["illness_load"].value
    return states, loads, refused


@dataclass(frozen=True)
class _CohortValues:
    """Parameters of the persons of a cohort, for entries of a dose table."""

    cohort: Cohort
    places: npt.NDArray[np.int64]

    def __call__(self, name: str, entries: DoseTable) -> FloatArray:
        if name in self.cohort.varied:
            return self.cohort.varied[name][self.places[entries.subject]]
        return np.full(len(entries), self.cohort.parameters[name].value)


def _happenings(
    simulator: Simulator,
    cohort: Cohort,
    regimen: Regimen,
    places: npt.NDArray[np.int64],
    rows: FloatArray,
) -> tuple[Happenings, Marks]:
    """Doses and life stress day by day of some of a cohort, and what doses before a steady state left."""
    program, count = simulator.engine().program, len(places)
    values = _CohortValues(cohort, places)
    bodies = [
        cohort.varied[name][places]
        if name in cohort.varied
        else np.full(count, cohort.parameters[name].value)
        for name in ("weight", "height")
    ]
    table = dose_table(regimen, *bodies)
    found = doses_given(program, simulator.chain.units, table, values)
    left, flowing = simulator.earlier_doses.left(program, table, values, rows, lambda *_: {})
    days = cohort.stress.shape[1]
    stress = Marks(
        np.repeat(np.arange(count), days),
        np.full(count * days, program.inputs.index("life_stress")),
        np.tile(np.arange(days) * 24.0 * simulator.hour, count),
        cohort.stress[places].ravel(),
    )
    happenings = found._replace(
        flows=Flows.joined([found.flows, flowing]),
        inputs=Marks.joined([found.inputs, stress]),
    )
    return happenings, left


def _factor(simulator: Simulator, parameter: str) -> float:
    """One of the parameter's units in the chain's."""
    return simulator.chain.units.factor(simulator.chain.parameters[parameter].unit)
