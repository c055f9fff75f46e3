"""Runs the chain for patients: doses, inputs and clamps in, time courses out.

A run starts where the patient rests. Many are run at once; one is a batch of one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.dosing.dose_table import DoseTable, dose_table
from ketasim.engine import DEFAULT_RTOL, Batch, VectorEngine, differentiate
from ketasim.engine.events import Flows, Happenings, Marks, Schedules, merged_events
from ketasim.engine.schedule import InputPath, Reset, Schedule
from ketasim.errors import KetasimError, ModelError, SolverError, unknown_name
from ketasim.model.administration import INFUSED
from ketasim.model.chain import Chain
from ketasim.model.clamp import Clamp
from ketasim.model.happenings import doses_given, marked_paths, marked_settings
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import LOAD, Patient, PatientFinder, Wanted
from ketasim.model.steady_state import EarlierDoses, placed_at_start

__all__ = ["Case", "Run", "Sensitivity", "Simulator"]

FloatArray = npt.NDArray[np.float64]
_T = TypeVar("_T")


#: Share of a parameter by which it is moved for a derivative.
_MOVE = 1e-4


@dataclass(frozen=True)
class Case:
    """A run to be made.

    Parameters
    ----------
    patient : Patient
        At rest at ``times_h[0]``.
    regimen : Regimen
        His doses.
    times_h : array, shape (n_times,)
        Output times in hours, increasing.
    inputs : mapping of str to InputPath
        Outside inputs over time, in hours and in the units of the inputs.
    clamps : sequence of Clamp
        Quantities to hold.
    occasions : mapping of str to array, shape (n_doses,)
        How far parameters that act when a dose is given are off from one dose to the next, on the
        scale of :meth:`Parameter.varied`.
    """

    patient: Patient
    regimen: Regimen
    times_h: FloatArray
    inputs: Mapping[str, InputPath] = field(default_factory=dict)
    clamps: Sequence[Clamp] = ()
    occasions: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Time courses of one patient.

    Parameters
    ----------
    times_h : array, shape (n_times,)
        Hours from the start.
    quantities : dict of str to array, shape (n_times,)
        Every quantity in its shown unit.
    steps : int
        Steps that the solver took.
    """

    times_h: FloatArray
    quantities: dict[str, FloatArray]
    steps: int


@dataclass(frozen=True)
class Sensitivity:
    """A run with the derivatives of its quantities.

    Parameters
    ----------
    run : Run
        The run itself.
    derivatives : dict of str to dict of str to array, shape (n_times,)
        For each parameter and quantity: change of the quantity, in its shown unit, over the
        change of the parameter, in the unit of its table.
    """

    run: Run
    derivatives: dict[str, dict[str, FloatArray]]


@dataclass(frozen=True)
class Simulator:
    """Runs a chain for patients.

    Parameters
    ----------
    chain : Chain
        The joined model.
    rtol : float
        Accuracy of the results, relative to each state's size.
    """

    chain: Chain
    rtol: float = DEFAULT_RTOL
    _engines: dict[tuple[str, ...], VectorEngine] = field(default_factory=dict, repr=False)

    def engine(self, clamped: tuple[str, ...] = ()) -> VectorEngine:
        """The solver, with clamps on some quantities compiled in."""
        if clamped not in self._engines:
            recipe = self.chain.recipe.with_clamps(clamped)
            forced = [name for name in INFUSED if name in self.chain.states]
            self._engines[clamped] = VectorEngine(recipe, tuple(forced), hour=self.hour)
        return self._engines[clamped]

    @cached_property
    def _factors(self) -> dict[str, float]:
        units = self.chain.units
        return {name: units.factor(item.shown_unit) for name, item in self.chain.quantities.items()}

    def shown_factor(self, quantity: str) -> float:
        """Size of a quantity's shown unit in the chain's units."""
        return self._factors[quantity]

    @cached_property
    def hour(self) -> float:
        """An hour in the chain's unit of time."""
        return self.chain.units.factor("h")

    @cached_property
    def earlier_doses(self) -> EarlierDoses:
        """Works out what the earlier doses of a steady state left."""
        return EarlierDoses(self.chain)

    @cached_property
    def finder(self) -> PatientFinder:
        """Finds where patients rest."""
        return PatientFinder(self.chain, self.engine(), self.hour)

    def healthy(self, parameters: ParameterSet) -> Patient:
        """A person without illness load."""
        return self.finder.healthy(parameters)

    def depressed(self, parameters: ParameterSet, severity: float, life_stress: float = 0.0) -> Patient:
        """A patient whose resting severity is as given.

        Parameters
        ----------
        parameters, severity, life_stress
            As for :class:`Wanted`.

        Returns
        -------
        Patient

        Raises
        ------
        ModelError
            If the severity is off the scale.
        SolverError
            If no illness load gives it, or it is not stable.
        """
        return _or_raise(self.depressed_many([Wanted(parameters, severity, life_stress)])[0])

    def depressed_many(self, wanted: Sequence[Wanted]) -> list[Patient | KetasimError]:
        """Patients whose resting severities are as given; see :class:`PatientFinder`."""
        return self.finder.depressed_many(wanted)

    def baseline(self, patient: Patient) -> dict[str, float]:
        """Every quantity at rest, in its shown unit."""
        return self._read_outs(patient, {"life_stress": patient.life_stress})

    def _read_outs(self, patient: Patient, inputs: Mapping[str, float]) -> dict[str, float]:
        """Every quantity at the resting state, without clamps; inputs in the chain's units."""
        engine = self.engine()
        batch = Batch(self.finder.row(patient.parameters), patient.state[None], [Schedule()], [np.zeros(1)])
        defaults = {**self.chain.input_defaults(), **inputs}
        names = tuple(self._factors)
        values = engine.solve(batch, defaults, outputs=names).values[0][0]
        return {name: float(value) / self._factors[name] for name, value in zip(names, values, strict=True)}

    def run(
        self,
        patient: Patient,
        regimen: Regimen,
        times_h: FloatArray,
        inputs: Mapping[str, InputPath] | None = None,
        clamps: Sequence[Clamp] = (),
    ) -> Run:
        """Simulate a patient.

        Parameters
        ----------
        patient, regimen, times_h, inputs, clamps
            As for :class:`Case`.

        Returns
        -------
        Run

        Raises
        ------
        ModelError
            If an input or a clamped quantity does not exist, or two clamps hold one quantity at once.
        SolverError
            If the equations cannot be solved.
        """
        return _or_raise(self.run_many([Case(patient, regimen, times_h, inputs or {}, clamps)])[0])

    def run_many(
        self, cases: Sequence[Case], quantities: Sequence[str] | None = None, workers: int = 1
    ) -> list[Run | SolverError]:
        """Simulate patients.

        Parameters
        ----------
        cases : sequence of Case
            Who, and what happens to them; all with clamps on the same quantities.
        quantities : sequence of str, optional
            What is wanted; default: every quantity.
        workers : int
            Threads.

        Returns
        -------
        list of Run or SolverError
            An error where the equations cannot be solved.

        Raises
        ------
        ModelError
            If an input or a quantity does not exist, or two clamps hold one quantity at once.
        """
        if not cases:
            return []
        clamped = {tuple(sorted({clamp.quantity for clamp in case.clamps})) for case in cases}
        if len(clamped) > 1:
            raise ModelError("clamps: cases that run together must hold the same quantities.")
        engine = self.engine(clamped.pop())
        defaults = dict.fromkeys(engine.program.outside, 0.0)
        defaults |= self.chain.input_defaults()
        names = tuple(self._factors) if quantities is None else tuple(quantities)
        batch = self._batch(cases, engine)
        solutions = engine.solve(batch, defaults, self.rtol, names, workers)
        results: list[Run | SolverError] = []
        for i, case in enumerate(cases):
            if i in solutions.failures:
                results.append(SolverError(solutions.failures[i]))
                continue
            columns = solutions.values[i].T
            shown = {name: values / self._factors[name] for name, values in zip(names, columns, strict=True)}
            if case.clamps:
                # As with a bolus: a value at the time at which a clamp begins is the one before it.
                before = self._before(case, batch.starts[i])
                for name in names:
                    shown[name][0] = before[name]
            times = np.asarray(case.times_h, dtype=np.float64)
            results.append(Run(times, shown, int(solutions.steps[i])))
        return results

    def gradient(
        self, case: Case, names: Sequence[str], quantities: Sequence[str] | None = None
    ) -> Sensitivity:
        """Simulate a patient, and find how results follow his parameters.

        The severity at rest stays as it is: for each change the illness load that gives it is
        found anew. A person without illness load stays without.

        Parameters
        ----------
        case : Case
            Who, and what happens to him; without clamps.
        names : sequence of str
            Parameters.
        quantities : sequence of str, optional
            What is wanted; default: every quantity.

        Returns
        -------
        Sensitivity

        Raises
        ------
        ModelError
            If a parameter or quantity does not exist, or is the illness load itself.
        SolverError
            If a patient has no rest, or a run fails.
        """
        own = case.patient.parameters
        for name in names:
            if name == LOAD or name not in own:
                raise ModelError(f"gradient: {unknown_name('parameter', name, set(own) - {LOAD})}")
        if case.clamps:
            raise ModelError("gradient: leave out the clamps; a clamped run has no gradient here.")
        wanted = tuple(self._factors) if quantities is None else tuple(quantities)
        moves = [_MOVE * max(abs(own[name].value), 1e-6) for name in names]
        sets = [
            own.with_values({name: own[name].value + sign * move})
            for name, move in zip(names, moves, strict=True)
            for sign in (1.0, -1.0)
        ]
        cases = [replace(case, patient=patient) for patient in self._same_severity(case.patient, sets)]
        found = differentiate(
            self.engine(),
            self._batch([case]),
            self._batch(cases),
            [2.0 * move for move in moves],
            self.chain.input_defaults(),
            self.rtol,
            wanted,
        )

        def shown(values: FloatArray) -> dict[str, FloatArray]:
            return {name: row / self._factors[name] for name, row in zip(wanted, values.T, strict=True)}

        run = Run(np.asarray(case.times_h, dtype=np.float64), shown(found.values), 0)
        return Sensitivity(run, dict(zip(names, map(shown, found.derivatives), strict=True)))

    def _same_severity(self, patient: Patient, sets: Sequence[ParameterSet]) -> list[Patient]:
        """Patients with other parameters who rest at the same severity."""
        if patient.parameters[LOAD].value == 0.0:
            stress = patient.life_stress
            return [Patient(own, self.finder.rest(own, stress, patient.state), stress) for own in sets]
        severity = self.baseline(patient)["severity"]
        stress = patient.life_stress
        found = self.depressed_many([Wanted(own, severity, stress) for own in sets])
        return [_or_raise(other) for other in found]

    def _before(self, case: Case, state: FloatArray) -> dict[str, float]:
        """Every quantity just before the first instant, from the state at it."""
        start = float(case.times_h[0]) * self.hour
        inputs = {name: path.at(start) for name, path in self._outside(case).items()}
        return self._read_outs(replace(case.patient, state=state), inputs)

    def _batch(self, cases: Sequence[Case], engine: VectorEngine | None = None) -> Batch:
        engine = self.engine() if engine is None else engine
        parameters = self.finder.rows([case.patient.parameters for case in cases])
        happenings, left = self._happenings(cases, engine, parameters)
        times = [np.asarray(case.times_h, dtype=np.float64) * self.hour for case in cases]
        begins, ends = (np.array([own[place] for own in times]) for place in (0, -1))
        starts = np.array([case.patient.state for case in cases])
        starts, later = placed_at_start(left, starts, begins)
        happenings = happenings._replace(jumps=Marks.joined([happenings.jumps, later]))
        return Batch(
            parameters,
            starts,
            Schedules(engine.program, happenings, len(cases)),
            times,
            merged_events(engine.program, happenings, begins, ends, self.chain.input_defaults()),
        )

    def _happenings(
        self, cases: Sequence[Case], engine: VectorEngine, rows: FloatArray
    ) -> tuple[Happenings, Marks]:
        """All that happens in runs, and apart from it what doses before a steady state left."""
        people = [case.patient.parameters for case in cases]
        bodies = [np.array([own[name].value for own in people]) for name in ("weight", "height")]
        table = dose_table([case.regimen for case in cases], *bodies)
        values = _CaseValues(cases)
        found = doses_given(engine.program, self.chain.units, table, values)
        outside = [self._outside(case) for case in cases]

        def outside_at(person: int, time_h: float) -> dict[str, float]:
            return {name: path.at(time_h * self.hour) for name, path in outside[person].items()}

        left, flowing = self.earlier_doses.left(engine.program, table, values, rows, outside_at)
        clamped = [self._clamped(case.patient, case.clamps, float(case.times_h[0])) for case in cases]
        paths = [plain | own for plain, (own, _) in zip(outside, clamped, strict=True)]
        happenings = found._replace(
            flows=Flows.joined([found.flows, flowing]),
            inputs=Marks.joined([found.inputs, marked_paths(engine.program, paths)]),
            settings=marked_settings(engine.program, [resets for _, resets in clamped]),
        )
        return happenings, left

    def _outside(self, case: Case) -> dict[str, InputPath]:
        """Outside inputs over time, in the chain's units."""
        given = {}
        if "life_stress" in self.chain.inputs:
            given["life_stress"] = InputPath((float(case.times_h[0]),), (case.patient.life_stress,))
        return {name: self._scaled(name, path) for name, path in {**given, **case.inputs}.items()}

    def schedule(self, case: Case) -> Schedule:
        """All that happens in a run, in the chain's units."""
        engine = self.engine(tuple(sorted({clamp.quantity for clamp in case.clamps})))
        happenings, left = self._happenings([case], engine, self.finder.row(case.patient.parameters))
        happenings = happenings._replace(jumps=Marks.joined([happenings.jumps, left]))
        return Schedules(engine.program, happenings, 1)[0]

    def _scaled(self, name: str, path: InputPath) -> InputPath:
        """A path in the chain's units."""
        if name not in self.chain.inputs:
            raise ModelError(unknown_name("input", name, self.chain.inputs))
        factor = self.chain.units.factor(self.chain.inputs[name].unit)
        times = tuple(time * self.hour for time in path.times)
        return InputPath(times, tuple(value * factor for value in path.values))

    def _clamped(
        self, patient: Patient, clamps: Iterable[Clamp], start: float
    ) -> tuple[dict[str, InputPath], list[Reset]]:
        """Switch and value inputs of each clamp in the chain's units, and the states set at its start."""
        paths: dict[str, InputPath] = {}
        resets: list[Reset] = []
        groups = _by_quantity(clamps)
        rest = self.baseline(patient) if groups else {}
        for name, group in groups.items():
            if name not in rest:
                raise ModelError(f"clamp: {unknown_name('quantity', name, rest)}")
            steps = {start: (0.0, rest[name])}
            for clamp in group:
                if clamp.end_h <= start:
                    continue
                begin = max(clamp.start_h, start)
                value = rest[name] if clamp.value is None else clamp.value
                steps[begin] = (1.0, value)
                if math.isfinite(clamp.end_h):
                    steps[clamp.end_h] = (0.0, value)
                held = self.chain.system.held_state(name)
                if held is not None:
                    state = self.chain.system.states[held].name
                    resets.append(Reset(state, begin * self.hour, value * self._factors[name]))
            times = tuple(time * self.hour for time in steps)
            paths[f"clamp_on_{name}"] = InputPath(times, tuple(switch for switch, _ in steps.values()))
            values = tuple(value * self._factors[name] for _, value in steps.values())
            paths[f"clamp_value_{name}"] = InputPath(times, values)
        return paths, resets


class _CaseValues:
    """Parameters of the persons of some runs, for entries of a dose table."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self._cases = cases
        self._plain: dict[str, FloatArray] = {}

    def __call__(self, name: str, entries: DoseTable) -> FloatArray:
        if name not in self._plain:
            self._plain[name] = np.array([case.patient.parameters[name].value for case in self._cases])
        values = self._plain[name][entries.subject]
        own = [case.occasions.get(name) for case in self._cases]
        if all(deviations is None for deviations in own):
            return values
        off = np.array(
            [
                0.0 if own[person] is None else own[person][occasion]
                for person, occasion in zip(entries.subject.tolist(), entries.occasion.tolist(), strict=True)
            ]
        )
        parameter = self._cases[0].patient.parameters[name]
        return parameter.at(values, off)


def _by_quantity(clamps: Iterable[Clamp]) -> dict[str, list[Clamp]]:
    """Clamps of each quantity in order of time; two that hold it at once are an error."""
    groups: dict[str, list[Clamp]] = {}
    for clamp in sorted(clamps, key=lambda item: item.start_h):
        group = groups.setdefault(clamp.quantity, [])
        if group and clamp.start_h < group[-1].end_h:
            raise ModelError(
                f"clamp {clamp.quantity!r}: the span from {clamp.start_h:g} h overlaps with the one from "
                f"{group[-1].start_h:g} h to {group[-1].end_h:g} h; make them follow each other."
            )
        group.append(clamp)
    return groups


def _or_raise(found: _T | KetasimError) -> _T:
    if isinstance(found, KetasimError):
        raise found
    return found
