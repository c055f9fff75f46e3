"""Sets patients up and runs the chain for them.

A patient is a set of parameter values and a severity at entry. The illness load
that gives this severity at rest is found, never written in; the run starts from
that fixed point. Many patients are set up and run at once; one is a batch of one.
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
from ketasim.engine import DEFAULT_RTOL, Batch, VectorEngine, differentiate, find_rests, grows
from ketasim.engine.schedule import Bolus, Infusion, InputPath, Reset, Schedule
from ketasim.errors import KetasimError, ModelError, SolverError, unknown_name
from ketasim.model.administration import INFUSED, events_of
from ketasim.model.chain import Chain
from ketasim.model.clamp import Clamp
from ketasim.model.parameters import ParameterSet
from ketasim.model.symptoms import affective_load_at

__all__ = ["Case", "Patient", "Run", "Sensitivity", "Simulator", "Wanted"]

FloatArray = npt.NDArray[np.float64]
_T = TypeVar("_T")

#: The state that is the mood, and the parameter that is found from it.
_MOOD, _LOAD = "affective_load", "illness_load"

#: Share of a parameter by which it is moved for a derivative.
_MOVE = 1e-4

#: Severities, in points, at which the typical patient is solved as a start for others.
_ANCHOR_STEP = 5.0
_HIGHEST_ANCHOR = 55.0

#: A resting state that departs more slowly than in two years counts as one.
_LARGEST_GROWTH = 1.0 / (2.0 * 8766.0)

#: Time after which an undisturbed person has settled: five years.
_RELAXATION_H = 5.0 * 8766.0

#: In the place of a patient who is not set up yet.
_UNSEEN = SolverError("not tried")

_NOT_FOUND = (
    "no drug-free steady state was found for this parameter set. "
    "A parameter is probably far outside its range: compare with 'ketasim list parameters'."
)


@dataclass(frozen=True)
class Patient:
    """A patient at rest before treatment.

    Parameters
    ----------
    parameters : ParameterSet
        His values, with the illness load that was found.
    state : array, shape (n_states,)
        His resting state, in the chain's units.
    life_stress : float
        Life stress at entry, in standard deviations.
    """

    parameters: ParameterSet
    state: FloatArray
    life_stress: float = 0.0


@dataclass(frozen=True)
class Wanted:
    """A patient to be set up.

    Parameters
    ----------
    parameters : ParameterSet
        His values; the illness load among them is replaced.
    severity : float
        Latent severity at rest, in points.
    life_stress : float
        Life stress at entry, in standard deviations.
    """

    parameters: ParameterSet
    severity: float
    life_stress: float = 0.0


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
    """

    patient: Patient
    regimen: Regimen
    times_h: FloatArray
    inputs: Mapping[str, InputPath] = field(default_factory=dict)
    clamps: Sequence[Clamp] = ()


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
    _anchors: dict[float, tuple[FloatArray, float]] = field(default_factory=dict, repr=False)
    _engines: dict[tuple[str, ...], VectorEngine] = field(default_factory=dict, repr=False)

    def engine(self, clamped: tuple[str, ...] = ()) -> VectorEngine:
        """The solver, with clamps on some quantities compiled in."""
        if clamped not in self._engines:
            system = self.chain.system.with_clamps(clamped)
            forced = [name for name in INFUSED if name in self.chain.states]
            self._engines[clamped] = VectorEngine(system, tuple(forced), hour=self._time)
        return self._engines[clamped]

    @cached_property
    def _search(self) -> VectorEngine:
        """The equations with the mood given and the illness load sought."""
        return VectorEngine(self.chain.system.exchanged(_MOOD, _LOAD), hour=self._time)

    @cached_property
    def _factors(self) -> dict[str, float]:
        units = self.chain.units
        return {name: units.factor(item.shown_unit) for name, item in self.chain.quantities.items()}

    @cached_property
    def _time(self) -> float:
        return self.chain.units.factor("h")

    @cached_property
    def _amount(self) -> float:
        return self.chain.units.factor("umol")

    def rest(
        self, parameters: ParameterSet, life_stress: float = 0.0, guess: FloatArray | None = None
    ) -> FloatArray:
        """Resting state for given parameters, in the chain's units."""
        engine, row = self.engine(), self._row(parameters)
        inputs = self._inputs([life_stress])
        start = self.chain.healthy_guess() if guess is None else guess
        rests = find_rests(engine, row, inputs, start[None])
        if not rests.found[0]:
            # Let him settle for years, and look again from there.
            times = np.array([0.0, _RELAXATION_H * self._time])
            defaults = {name: float(value[0]) for name, value in inputs.items()}
            settled = engine.solve(Batch(row, start[None], [Schedule()], [times]), defaults)
            if 0 in settled.failures:
                raise SolverError(_NOT_FOUND)
            rests = find_rests(engine, row, inputs, settled.values[0][-1:])
        if not rests.found[0]:
            raise SolverError(_NOT_FOUND)
        found: FloatArray = rests.states[0]
        return found

    def healthy(self, parameters: ParameterSet) -> Patient:
        """A person without illness load."""
        well = parameters.with_values({_LOAD: 0.0})
        return Patient(well, self.rest(well))

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
        """Patients whose resting severities are as given.

        Parameters
        ----------
        wanted : sequence of Wanted
            Who.

        Returns
        -------
        list of Patient or KetasimError
            An error where the parameters or the severity cannot be, no illness load gives the
            severity, or it is not stable.
        """
        results: list[Patient | KetasimError] = [self._refused(item) or _UNSEEN for item in wanted]
        places = [i for i, result in enumerate(results) if result is _UNSEEN]
        chosen = [wanted[i] for i in places]
        if not chosen:
            return results
        anchors = [self._anchor(item.severity) for item in chosen]
        states, loads, found = self._at_severity(chosen, anchors)
        for i in np.flatnonzero(~found).tolist():
            climbed = self._climbed(chosen[i])
            if climbed is not None:
                (states[i], loads[i]), found[i] = climbed, True
        owns = [
            item.parameters.with_values({_LOAD: float(load)})
            for item, load in zip(chosen, loads, strict=True)
        ]
        rows = np.concatenate([self._row(own) for own in owns])
        inputs = self._inputs([item.life_stress for item in chosen])
        unstable = grows(self.engine(), rows, inputs, states, _LARGEST_GROWTH / self._time)
        for i, (place, item) in enumerate(zip(places, chosen, strict=True)):
            if not found[i]:
                results[place] = SolverError(_NOT_FOUND)
            elif unstable[i]:
                results[place] = SolverError(
                    f"a resting severity of {item.severity:.3g} points is not stable for this parameter "
                    "set: it would tip to health or to a worse episode. Choose another severity, or less "
                    "feedback from mood."
                )
            else:
                results[place] = Patient(owns[i], states[i], item.life_stress)
        return results

    def _refused(self, wanted: Wanted) -> KetasimError | None:
        """Why a patient cannot be, if so."""
        maximum = wanted.parameters["severity_maximum"].value
        if not 0.0 < wanted.severity < maximum:
            return ModelError(
                f"{wanted.severity:g} points cannot be a resting severity, which lies between 0 and "
                f"{maximum:g}; choose a severity between 2 and 55."
            )
        try:
            self._row(wanted.parameters)
        except ModelError as error:
            return error
        return None

    def _anchor(self, severity: float) -> tuple[FloatArray, float]:
        """Resting state and load of the typical patient near a severity: where a search starts."""
        near = min(max(_ANCHOR_STEP, round(severity / _ANCHOR_STEP) * _ANCHOR_STEP), _HIGHEST_ANCHOR)
        if near not in self._anchors:
            climbed = self._climbed(Wanted(self.chain.parameters, near))
            if climbed is None:
                raise SolverError(_NOT_FOUND)
            self._anchors[near] = climbed
        return self._anchors[near]

    def _climbed(self, wanted: Wanted) -> tuple[FloatArray, float] | None:
        """Walk from health to a severity in small steps; nothing if the way is lost."""
        try:
            place = self.healthy(wanted.parameters).state, 0.0
        except SolverError:
            return None
        for level in [*np.arange(_ANCHOR_STEP, wanted.severity, _ANCHOR_STEP), wanted.severity]:
            step = Wanted(wanted.parameters, float(level), wanted.life_stress)
            states, loads, found = self._at_severity([step], [place])
            if not found[0]:
                return None
            place = states[0], float(loads[0])
        return place

    def _at_severity(
        self, wanted: Sequence[Wanted], starts: Sequence[tuple[FloatArray, float]]
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """Resting states and loads at given severities, and which were found."""
        program = self._search.program
        mood = self.engine().program.state_names.index(_MOOD)
        rows = np.empty((len(wanted), len(program.parameters)))
        guesses = np.array([state for state, _ in starts])
        guesses[:, mood] = [load for _, load in starts]
        moods = np.empty(len(wanted))
        for i, item in enumerate(wanted):
            values = self.chain.parameter_values(item.parameters)
            maximum = item.parameters["severity_maximum"].value
            moods[i] = values[_MOOD] = affective_load_at(item.severity, maximum)
            rows[i] = [values[name] for name in program.parameters]
        rests = find_rests(self._search, rows, self._inputs([item.life_stress for item in wanted]), guesses)
        loads = rests.states[:, mood].copy()
        rests.states[:, mood] = moods
        return rests.states, loads, rests.found

    def _row(self, parameters: ParameterSet) -> FloatArray:
        """Parameters as the engine takes them, shape (1, parameters)."""
        values = self.chain.parameter_values(parameters)
        return np.array([[values[name] for name in self.engine().program.parameters]])

    def _inputs(self, life_stress: Sequence[float]) -> dict[str, FloatArray]:
        """Every input of some patients at rest."""
        count = len(life_stress)
        inputs = {name: np.full(count, value) for name, value in self.chain.input_defaults().items()}
        return inputs | {"life_stress": np.array(life_stress, dtype=np.float64)}

    def baseline(self, patient: Patient) -> dict[str, float]:
        """Every quantity at rest, in its shown unit."""
        return self._read_outs(patient, {"life_stress": patient.life_stress})

    def _read_outs(self, patient: Patient, inputs: Mapping[str, float]) -> dict[str, float]:
        """Every quantity at the resting state, without clamps; inputs in the chain's units."""
        engine = self.engine()
        batch = Batch(self._row(patient.parameters), patient.state[None], [Schedule()], [np.zeros(1)])
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
        defaults = dict.fromkeys((symbol.name for symbol in engine.system.inputs), 0.0)
        defaults |= self.chain.input_defaults()
        names = tuple(self._factors) if quantities is None else tuple(quantities)
        solutions = engine.solve(self._batch(cases), defaults, self.rtol, names, workers)
        results: list[Run | SolverError] = []
        for i, case in enumerate(cases):
            if i in solutions.failures:
                results.append(SolverError(solutions.failures[i]))
                continue
            columns = solutions.values[i].T
            shown = {name: values / self._factors[name] for name, values in zip(names, columns, strict=True)}
            if case.clamps:
                # As with a bolus: a value at the time at which a clamp begins is the one before it.
                before = self._before(case)
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
            if name == _LOAD or name not in own:
                raise ModelError(f"gradient: {unknown_name('parameter', name, set(own) - {_LOAD})}")
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
        if patient.parameters[_LOAD].value == 0.0:
            return [self.healthy(own) for own in sets]
        severity = self.baseline(patient)["severity"]
        stress = patient.life_stress
        found = self.depressed_many([Wanted(own, severity, stress) for own in sets])
        return [_or_raise(other) for other in found]

    def _before(self, case: Case) -> dict[str, float]:
        """Every quantity just before the first instant."""
        start = float(case.times_h[0]) * self._time
        return self._read_outs(
            case.patient, {name: path.at(start) for name, path in self._outside(case).items()}
        )

    def _batch(self, cases: Sequence[Case]) -> Batch:
        rows: dict[int, FloatArray] = {}
        for case in cases:
            key = id(case.patient.parameters)
            if key not in rows:
                rows[key] = self._row(case.patient.parameters)
        return Batch(
            np.concatenate([rows[id(case.patient.parameters)] for case in cases]),
            np.array([case.patient.state for case in cases]),
            [self.schedule(case) for case in cases],
            [np.asarray(case.times_h, dtype=np.float64) * self._time for case in cases],
        )

    def _outside(self, case: Case) -> dict[str, InputPath]:
        """Outside inputs over time, in the chain's units."""
        given = {"life_stress": InputPath((float(case.times_h[0]),), (case.patient.life_stress,))}
        return {name: self._scaled(name, path) for name, path in {**given, **case.inputs}.items()}

    def schedule(self, case: Case) -> Schedule:
        """All that happens in a run, in the chain's units."""
        patient = case.patient
        administrations = case.regimen.administrations(patient.parameters["weight"].value)
        plain = {name: patient.parameters[name].value for name in patient.parameters}
        boluses, infusions = events_of(administrations, plain)
        clamp_paths, resets = self._clamped(patient, case.clamps, float(case.times_h[0]))
        return Schedule(
            boluses=[Bolus(b.state, b.time * self._time, b.amount * self._amount) for b in boluses],
            infusions=[
                Infusion(i.state, i.start * self._time, i.end * self._time, i.amount * self._amount)
                for i in infusions
            ],
            inputs=self._outside(case) | clamp_paths,
            resets=resets,
        )

    def _scaled(self, name: str, path: InputPath) -> InputPath:
        """A path in the chain's units."""
        if name not in self.chain.inputs:
            raise ModelError(unknown_name("input", name, self.chain.inputs))
        factor = self.chain.units.factor(self.chain.inputs[name].unit)
        times = tuple(time * self._time for time in path.times)
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
                    resets.append(Reset(state, begin * self._time, value * self._factors[name]))
            times = tuple(time * self._time for time in steps)
            paths[f"clamp_on_{name}"] = InputPath(times, tuple(switch for switch, _ in steps.values()))
            values = tuple(value * self._factors[name] for _, value in steps.values())
            paths[f"clamp_value_{name}"] = InputPath(times, values)
        return paths, resets


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
