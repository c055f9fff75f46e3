"""Many persons who differ in numbers only, under one regimen: arrays instead of objects.

What a person costs outside the kernels is then a few microseconds, so that a
million of them are a matter of minutes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.engine import Batch, Schedule
from ketasim.engine.events import EventTable, event_table
from ketasim.engine.records import Action, Events
from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError, ModelError, unknown_name
from ketasim.model.administration import events_of
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import Patient, Wanted
from ketasim.model.simulator import Case, Simulator

__all__ = ["Cohort", "Prepared", "prepare_cohort"]

FloatArray = npt.NDArray[np.float64]

#: Body weights, in kg, at which a dose is looked at.
_PROBES = (50.0, 100.0)


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
    columns = _columns(simulator, cohort)
    states, loads, refused = _rests(simulator, cohort, columns)
    columns = {**columns, "illness_load": loads * _factor(simulator, "illness_load")}
    kept = np.array([i for i in range(len(cohort)) if i not in refused], dtype=np.int64)
    program = simulator.engine().program
    rows = np.stack([np.broadcast_to(columns[name], len(cohort)) for name in program.parameters], axis=1)
    schedules = _Schedules(simulator, cohort, regimen, times_h, states, loads, kept)
    table = _events(simulator, cohort, schedules, kept)
    times = np.asarray(times_h, dtype=np.float64) * simulator.hour
    batch = Batch(rows[kept], states[kept], schedules, [times] * len(kept), table)
    return Prepared(batch, kept, refused)


def _columns(simulator: Simulator, cohort: Cohort) -> dict[str, FloatArray | float]:
    """Parameters as the engine takes them, one number or one a person."""
    chain = simulator.chain
    columns: dict[str, FloatArray | float] = dict(chain.parameter_values(cohort.parameters))
    for name, values in cohort.varied.items():
        columns[name] = values * _factor(simulator, name)
    for stage in chain.stages:
        names = [name for name in chain.stage_parameters[stage.name] if name in cohort.parameters]
        plain = {name: cohort.parameters[name].value for name in names}
        for derived in stage.derived:
            seen = _Seen(plain)
            derived.compute(seen)
            moved = [name for name in seen.names if name in cohort.varied]
            if moved:
                factor = chain.units.factor(derived.unit)
                columns[derived.name] = np.array(
                    [
                        derived.compute(plain | {name: float(cohort.varied[name][i]) for name in moved})
                        * factor
                        for i in range(len(cohort))
                    ]
                )
    return columns


class _Seen(dict[str, float]):
    """Remembers which of its items are read."""

    def __init__(self, items: Mapping[str, float]) -> None:
        super().__init__(items)
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> float:
        self.names.add(name)
        return super().__getitem__(name)


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


class _Schedules(Sequence[Schedule]):
    """Schedules of persons, each made when it is asked for."""

    def __init__(
        self,
        simulator: Simulator,
        cohort: Cohort,
        regimen: Regimen,
        times_h: FloatArray,
        states: FloatArray,
        loads: FloatArray,
        places: npt.NDArray[np.int64],
    ) -> None:
        self._simulator, self._cohort, self.regimen, self._times = simulator, cohort, regimen, times_h
        self._states, self._loads, self._places = states, loads, places

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Schedule]:
        return (self.of(int(place)) for place in self._places)

    @overload
    def __getitem__(self, item: int) -> Schedule: ...
    @overload
    def __getitem__(self, item: slice) -> Sequence[Schedule]: ...
    def __getitem__(self, item: int | slice) -> Schedule | Sequence[Schedule]:
        if isinstance(item, slice):
            return [self.of(int(place)) for place in self._places[item]]
        return self.of(int(self._places[item]))

    def of(self, i: int, **changed: float) -> Schedule:
        """Schedule of a person of the cohort, with other values of some parameters."""
        wanted = self._cohort.wanted(i)
        own = wanted.parameters.with_values({"illness_load": float(self._loads[i]), **changed})
        patient = Patient(own, self._states[i], wanted.life_stress)
        return self._simulator.schedule(Case(patient, self.regimen, self._times, self._cohort.inputs(i)))

    @property
    def span(self) -> tuple[float, float]:
        """First and last time, in the chain's units."""
        return float(self._times[0]) * self._simulator.hour, float(self._times[-1]) * self._simulator.hour


def _events(
    simulator: Simulator, cohort: Cohort, schedules: _Schedules, kept: npt.NDArray[np.int64]
) -> EventTable | None:
    """Write what happens to all as arrays, if only weight and stress change it."""
    if not len(kept):
        return None
    first, (begin, end) = int(kept[0]), schedules.span
    if _read_by_doses(cohort, schedules.regimen) & set(cohort.varied):
        return None
    program, defaults = simulator.engine().program, simulator.chain.input_defaults()
    weight = cohort.varied.get("weight")
    # What is given is a line in the weight: two weights tell it. They are the same for everybody,
    # so that no person's doses follow from who is first.
    probes = [schedules.of(first, weight=kilograms) for kilograms in _PROBES]
    found = event_table(program, probes, [begin] * 2, [end] * 2, defaults)
    low, high = (_part(found, i) for i in range(2))
    alike = all(np.array_equal(a, b) for a, b in zip(low[1:4], high[1:4], strict=True))
    if not alike:
        return None
    stress_input = program.inputs.index("life_stress")
    is_stress = (low.kinds == Action.SET_INPUT) & (low.targets == stress_input)
    count, per_person = len(kept), len(low.times) - int(is_stress.sum())
    days = np.arange(cohort.stress.shape[1]) * 24.0 * simulator.hour
    inside = (days >= begin) & (days < end)
    times = np.concatenate([low.times[~is_stress], days[inside]])
    order = np.argsort(times, kind="stable")
    kinds = np.concatenate([low.kinds[~is_stress], np.full(inside.sum(), int(Action.SET_INPUT))])
    targets = np.concatenate([low.targets[~is_stress], np.full(inside.sum(), stress_input)])
    values = np.empty((count, len(times)))
    slope = (high.values - low.values)[~is_stress] / (_PROBES[1] - _PROBES[0])
    own = np.full(count, cohort.parameters["weight"].value) if weight is None else weight[kept]
    values[:, :per_person] = low.values[~is_stress] + slope * (own - _PROBES[0])[:, None]
    values[:, per_person:] = cohort.stress[kept][:, inside]
    inputs = np.repeat(found.inputs[:1], count, axis=0)
    events = Events(
        np.arange(count + 1, dtype=np.int64) * len(times),
        np.tile(times[order], count),
        np.tile(kinds[order].astype(np.int64), count),
        np.tile(targets[order].astype(np.int64), count),
        np.ascontiguousarray(values[:, order]).ravel(),
    )
    return EventTable(events, inputs)


def _read_by_doses(cohort: Cohort, regimen: Regimen) -> set[str]:
    """Parameters beside the weight that decide what a dose becomes."""
    plain = _Seen({name: item.value for name, item in cohort.parameters.items()})
    events_of(regimen.administrations(plain["weight"]), plain)
    return plain.names - {"weight"}


def _factor(simulator: Simulator, parameter: str) -> float:
    """One of the parameter's units in the chain's."""
    return simulator.chain.units.factor(simulator.chain.parameters[parameter].unit)


def _part(table: EventTable, i: int) -> Events:
    """Events of one person."""
    events = table.events
    own = slice(int(events.offsets[i]), int(events.offsets[i + 1]))
    return Events(
        events.offsets, events.times[own], events.kinds[own], events.targets[own], events.values[own]
    )
