"""Sets patients up: finds where each rests before treatment.

The illness load that gives a severity at rest is found, never written in. Many
patients are found at once; one is a batch of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.engine import Batch, VectorEngine, find_rests, grows
from ketasim.engine.schedule import Schedule
from ketasim.errors import KetasimError, ModelError, SolverError
from ketasim.model.chain import Chain
from ketasim.model.parameters import ParameterSet
from ketasim.model.symptoms import affective_load_at

__all__ = ["LOAD", "Patient", "PatientFinder", "Wanted", "parameter_rows"]

FloatArray = npt.NDArray[np.float64]

#: The state that is the mood, and the parameter that is found from it.
_MOOD, LOAD = "affective_load", "illness_load"

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
class PatientFinder:
    """Finds where patients rest.

    Parameters
    ----------
    chain : Chain
        The joined model.
    engine : VectorEngine
        Its equations.
    hour : float
        An hour in the chain's unit of time.
    """

    chain: Chain
    engine: VectorEngine
    hour: float
    _anchors: dict[float, tuple[FloatArray, float]] = field(default_factory=dict, repr=False)

    @cached_property
    def _search(self) -> VectorEngine:
        """The equations with the mood given and the illness load sought."""
        return VectorEngine(self.chain.recipe.exchanged(_MOOD, LOAD), hour=self.hour)

    def rest(
        self, parameters: ParameterSet, life_stress: float = 0.0, guess: FloatArray | None = None
    ) -> FloatArray:
        """Resting state for given parameters, in the chain's units."""
        engine, row = self.engine, self.row(parameters)
        inputs = self.inputs([life_stress])
        start = self.chain.healthy_guess() if guess is None else guess
        rests = find_rests(engine, row, inputs, start[None])
        if not rests.found[0]:
            # Let him settle for years, and look again from there.
            times = np.array([0.0, _RELAXATION_H * self.hour])
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
        well = parameters.with_values({LOAD: 0.0})
        return Patient(well, self.rest(well))

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
        anchors = [self._start(item.severity) for item in chosen]
        states, loads, found = self._at_severity(chosen, anchors)
        for i in np.flatnonzero(~found).tolist():
            climbed = self._climbed(chosen[i])
            if climbed is not None:
                (states[i], loads[i]), found[i] = climbed, True
        owns = [
            item.parameters.with_values({LOAD: float(load)}) for item, load in zip(chosen, loads, strict=True)
        ]
        rows = self.rows(owns)
        inputs = self.inputs([item.life_stress for item in chosen])
        unstable = grows(self.engine, rows, inputs, states, _LARGEST_GROWTH / self.hour)
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
            self.row(wanted.parameters)
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

    def _start(self, severity: float) -> tuple[FloatArray, float]:
        """Where a search starts; nowhere, and it finds nothing, if the typical patient has no such rest."""
        try:
            return self._anchor(severity)
        except (SolverError, ValueError):
            return np.full(len(self.chain.states), np.nan), np.nan

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
        names = self._search.program.parameters
        rows = np.empty((len(wanted), len(names)))
        moods = np.empty(len(wanted))
        for i, item in enumerate(wanted):
            values = self.chain.parameter_values(item.parameters)
            maximum = item.parameters["severity_maximum"].value
            moods[i] = values[_MOOD] = affective_load_at(item.severity, maximum)
            rows[i] = [values[name] for name in names]
        guesses = np.array([state for state, _ in starts])
        loads = np.array([load for _, load in starts])
        inputs = self.inputs([item.life_stress for item in wanted])
        return self._sought(rows, moods, inputs, guesses, loads)

    def _sought(
        self,
        rows: FloatArray,
        moods: FloatArray,
        inputs: Mapping[str, FloatArray],
        guesses: FloatArray,
        loads: FloatArray,
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """Resting states and loads for rows of parameters, the moods among them."""
        mood = self.engine.program.state_names.index(_MOOD)
        starts = np.array(guesses)
        starts[:, mood] = loads
        rests = find_rests(self._search, rows, dict(inputs), starts)
        found_loads = rests.states[:, mood].copy()
        rests.states[:, mood] = moods
        return rests.states, found_loads, rests.found

    def at_rest(
        self,
        columns: Mapping[str, FloatArray | float],
        severity: FloatArray,
        life_stress: FloatArray,
        others: Mapping[str, FloatArray] | None = None,
    ) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
        """Find many patients' rest without making an object of each.

        Parameters
        ----------
        columns : mapping of str to float or array, shape (patients,)
            Every parameter of the equations, in the chain's units.
        severity, life_stress : array, shape (patients,)
            As for :class:`Wanted`.
        others : mapping of str to array, shape (patients,), optional
            Further inputs that are there at rest, in the chain's units.

        Returns
        -------
        states : array, shape (patients, states)
        loads : array, shape (patients,)
            Illness loads that give the severities.
        rests : array of bool, shape (patients,)
            Whether a patient was found and his rest is stable.
        """
        levels = [self._start(float(value)) for value in severity]
        # A severity off the scale has no mood, and is not found.
        inside = np.clip(severity, 1e-3, np.asarray(columns["severity_maximum"]) - 1e-3)
        moods = np.where(inside == severity, affective_load_at(inside, columns["severity_maximum"]), np.nan)
        given = {**columns, _MOOD: moods}
        states, loads, found = self._sought(
            parameter_rows(given, self._search.program.parameters, len(severity)),
            np.asarray(moods, dtype=np.float64),
            self.inputs(life_stress) | dict(others or {}),
            np.array([state for state, _ in levels]),
            np.array([load for _, load in levels]),
        )
        rows = parameter_rows({**columns, LOAD: loads}, self.engine.program.parameters, len(severity))
        inputs = self.inputs(life_stress) | dict(others or {})
        unstable = grows(self.engine, rows, inputs, states, _LARGEST_GROWTH / self.hour)
        return states, loads, found & ~unstable

    def row(self, parameters: ParameterSet) -> FloatArray:
        """Parameters as the engine takes them, shape (1, parameters)."""
        values = self.chain.parameter_values(parameters)
        return np.array([[values[name] for name in self.engine.program.parameters]])

    def rows(self, people: Sequence[ParameterSet]) -> FloatArray:
        """Parameters of many as the engine takes them, shape (people, parameters)."""
        # Persons differ from the set that they were made from in a few values: only these are looked at.
        names = self.engine.program.parameters
        found = np.empty((len(people), len(names)))
        groups: dict[int, list[int]] = {}
        for place, own in enumerate(people):
            groups.setdefault(id(own.origin), []).append(place)
        for places in groups.values():
            origin, changes = people[places[0]].origin, [people[place].changed for place in places]
            varied = {
                name: np.array([own.get(name, origin[name].value) for own in changes])
                for name in dict.fromkeys(name for own in changes for name in own)
            }
            found[places] = parameter_rows(self.chain.parameter_columns(origin, varied), names, len(places))
        return found

    def inputs(self, life_stress: Sequence[float] | FloatArray) -> dict[str, FloatArray]:
        """Every input of some patients at rest."""
        count = len(life_stress)
        inputs = {name: np.full(count, value) for name, value in self.chain.input_defaults().items()}
        return inputs | {"life_stress": np.array(life_stress, dtype=np.float64)}


def parameter_rows(columns: Mapping[str, FloatArray | float], names: Sequence[str], count: int) -> FloatArray:
    """Parameters as the engine takes them, shape (patients, parameters)."""
    rows = np.empty((count, len(names)))
    for place, name in enumerate(names):
        rows[:, place] = columns[name]
    return rows
