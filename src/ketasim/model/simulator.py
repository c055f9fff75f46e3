"""Sets a patient up and runs the chain for him.

A patient is a set of parameter values and a severity at entry. The illness load
that gives this severity at rest is found, never written in; the run starts from
that fixed point.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.engine.reference import DEFAULT_RTOL, ReferenceEngine, Solution
from ketasim.engine.schedule import Bolus, Infusion, InputPath, Reset, Schedule
from ketasim.engine.steady import fixed_point, fixed_point_at, growth_rate
from ketasim.errors import ModelError, SolverError, unknown_name
from ketasim.model.administration import events_of
from ketasim.model.chain import Chain
from ketasim.model.clamp import Clamp
from ketasim.model.parameters import ParameterSet
from ketasim.model.symptoms import affective_load_at

__all__ = ["Patient", "Run", "Simulator"]

FloatArray = npt.NDArray[np.float64]

#: Severities, in points, at which the typical patient is solved as a start for others.
_ANCHOR_STEP = 5.0
_HIGHEST_ANCHOR = 55.0

#: A resting state that departs more slowly than in two years counts as one.
_LARGEST_GROWTH = 1.0 / (2.0 * 8766.0)

#: Time after which an undisturbed person has settled: five years.
_RELAXATION_H = 5.0 * 8766.0


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
class Simulator:
    """Runs a chain for one patient after another.

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
    _engines: dict[tuple[str, ...], ReferenceEngine] = field(default_factory=dict, repr=False)

    def engine(self, clamped: tuple[str, ...] = ()) -> ReferenceEngine:
        """The solver, with clamps on some quantities compiled in."""
        if clamped not in self._engines:
            self._engines[clamped] = ReferenceEngine(self.chain.system.with_clamps(clamped))
        return self._engines[clamped]

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
        values = self.chain.parameter_values(parameters)
        inputs = {**self.chain.input_defaults(), "life_stress": life_stress}
        start = self.chain.healthy_guess() if guess is None else guess
        return fixed_point(self.engine(), values, inputs, start, relaxation=_RELAXATION_H * self._time)

    def healthy(self, parameters: ParameterSet) -> Patient:
        """A person without illness load."""
        well = parameters.with_values({"illness_load": 0.0})
        return Patient(well, self.rest(well))

    def depressed(self, parameters: ParameterSet, severity: float, life_stress: float = 0.0) -> Patient:
        """A patient whose resting severity is as given.

        Parameters
        ----------
        parameters : ParameterSet
            His values; the illness load among them is replaced.
        severity : float
            Latent severity at rest, in points.
        life_stress : float
            Life stress at entry, in standard deviations.

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
        maximum = parameters["severity_maximum"].value
        if not 0.0 < severity < maximum:
            raise ModelError(
                f"{severity:g} points cannot be a resting severity, which lies between 0 and {maximum:g}; "
                "choose a severity between 2 and 55."
            )
        state, load = self._anchor(severity)
        try:
            state, load = self._at_severity(parameters, severity, life_stress, state, load)
        except SolverError:
            state, load = self._climbed(parameters, severity, life_stress)
        own = parameters.with_values({"illness_load": load})
        inputs = {**self.chain.input_defaults(), "life_stress": life_stress}
        growth = growth_rate(self.engine(), self.chain.parameter_values(own), inputs, state)
        if growth * self._time > _LARGEST_GROWTH:
            raise SolverError(
                f"a resting severity of {severity:.3g} points is not stable for this parameter set: it would "
                "tip to health or to a worse episode. Choose another severity, or less feedback from mood."
            )
        return Patient(own, state, life_stress)

    def _anchor(self, severity: float) -> tuple[FloatArray, float]:
        """Resting state and load of the typical patient near a severity: where a search starts."""
        near = min(max(_ANCHOR_STEP, round(severity / _ANCHOR_STEP) * _ANCHOR_STEP), _HIGHEST_ANCHOR)
        if near not in self._anchors:
            self._anchors[near] = self._climbed(self.chain.parameters, near, 0.0)
        return self._anchors[near]

    def _climbed(
        self, parameters: ParameterSet, severity: float, life_stress: float
    ) -> tuple[FloatArray, float]:
        """Walk from health to a severity in small steps."""
        state, load = self.healthy(parameters).state, 0.0
        for level in [*np.arange(_ANCHOR_STEP, severity, _ANCHOR_STEP), severity]:
            state, load = self._at_severity(parameters, float(level), life_stress, state, load)
        return state, load

    def _at_severity(
        self, parameters: ParameterSet, severity: float, life_stress: float, state: FloatArray, load: float
    ) -> tuple[FloatArray, float]:
        maximum = parameters["severity_maximum"].value
        return fixed_point_at(
            self.engine(),
            self.chain.parameter_values(parameters),
            {**self.chain.input_defaults(), "life_stress": life_stress},
            state,
            held=("affective_load", affective_load_at(severity, maximum)),
            free=("illness_load", load),
        )

    def baseline(self, patient: Patient) -> dict[str, float]:
        """Every quantity at rest, in its shown unit."""
        return self._read_outs(patient, {"life_stress": patient.life_stress})

    def _read_outs(self, patient: Patient, inputs: Mapping[str, float]) -> dict[str, float]:
        """Every quantity at the resting state, without clamps; inputs in the chain's units."""
        values = self.chain.parameter_values(patient.parameters)
        _, _, read_outs = self.engine().functions(values, {**self.chain.input_defaults(), **inputs})
        names = [symbol.name for symbol in self.chain.system.quantities]
        found = zip(names, read_outs(patient.state.tolist()), strict=True)
        return {name: float(value) / self._factors[name] for name, value in found}

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
        patient : Patient
            At rest at ``times_h[0]``.
        regimen : Regimen
            His doses.
        times_h : array, shape (n_times,)
            Output times in hours, increasing.
        inputs : mapping of str to InputPath, optional
            Outside inputs over time, in hours and in the units of the inputs.
        clamps : sequence of Clamp
            Quantities to hold.

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
        weight = patient.parameters["weight"].value
        administrations = regimen.administrations(weight)
        plain = {name: patient.parameters[name].value for name in patient.parameters}
        boluses, infusions = events_of(administrations, plain)
        given = {"life_stress": InputPath((float(times_h[0]),), (patient.life_stress,)), **(inputs or {})}
        outside = {name: self._scaled(name, path) for name, path in given.items()}
        clamp_paths, resets = self._clamped(patient, clamps, float(times_h[0]))
        schedule = Schedule(
            boluses=[Bolus(b.state, b.time * self._time, b.amount * self._amount) for b in boluses],
            infusions=[
                Infusion(i.state, i.start * self._time, i.end * self._time, i.amount * self._amount)
                for i in infusions
            ],
            inputs=outside | clamp_paths,
            resets=resets,
        )
        engine = self.engine(tuple(sorted({clamp.quantity for clamp in clamps})))
        defaults = self.chain.input_defaults()
        defaults |= {symbol.name: 0.0 for symbol in engine.system.inputs if symbol.name not in defaults}
        solution = engine.solve(
            self.chain.parameter_values(patient.parameters),
            patient.state,
            schedule,
            np.asarray(times_h, dtype=np.float64) * self._time,
            defaults,
            self.rtol,
        )
        run = self._shown(solution)
        if clamps:
            # As with a bolus: a value at the time at which a clamp begins is the one before it.
            start = float(solution.times[0])
            before = self._read_outs(patient, {name: path.at(start) for name, path in outside.items()})
            for name, value in before.items():
                run.quantities[name][0] = value
        return run

    def _scaled(self, name: str, path: InputPath) -> InputPath:
        """A path in the chain's units."""
        if name not in self.chain.inputs:
            raise ModelError(unknown_name("input", name, self.chain.inputs))
        factor = self.chain.units.factor(self.chain.inputs[name].unit)
        times = tuple(time * self._time for time in path.times)
        return InputPath(times, tuple(value * factor for value in path.values))

    def _shown(self, solution: Solution) -> Run:
        return Run(
            solution.times / self._time,
            {name: values / self._factors[name] for name, values in solution.quantities.items()},
            solution.steps,
        )

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
