"""Schedules as the arrays that the driver reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.engine.lower import Program
from ketasim.engine.records import Action, Events
from ketasim.engine.schedule import Schedule
from ketasim.errors import ModelError, unknown_name

__all__ = ["EventTable", "event_table"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class EventTable:
    """What happens to each patient.

    Parameters
    ----------
    events : Events
        Everything after the first instant and at it, in order of time.
    inputs : array, shape (patients, inputs)
        Inputs before any event: their defaults, and no infusion.
    """

    events: Events
    inputs: FloatArray


def event_table(
    program: Program,
    schedules: Sequence[Schedule],
    begins: Sequence[float],
    ends: Sequence[float],
    defaults: Mapping[str, float],
) -> EventTable:
    """Write schedules as arrays.

    Parameters
    ----------
    program : Program
        Its states and inputs number the targets.
    schedules : sequence of Schedule
        One a patient.
    begins, ends : sequences of float
        First and last time of each patient.
    defaults : mapping of str to float
        Value of every input without a path.

    Raises
    ------
    ModelError
        If a schedule names a state or an input that does not exist, or infuses into a state
        that the program cannot infuse into.
    """
    places = _Places(program)
    rows: list[list[tuple[float, int, int, float]]] = []
    for schedule, begin, end in zip(schedules, begins, ends, strict=True):
        rows.append(_rows(places, schedule, begin, end, defaults))
    offsets = np.zeros(len(rows) + 1, dtype=np.int64)
    offsets[1:] = np.cumsum([len(own) for own in rows])
    flat = [row for own in rows for row in own]
    columns = list(zip(*flat, strict=True)) if flat else [(), (), (), ()]
    types = (np.float64, np.int64, np.int64, np.float64)
    times, kinds, targets, values = (np.array(c, dtype=t) for c, t in zip(columns, types, strict=True))
    inputs = np.zeros((len(rows), len(program.inputs)))
    for name, value in defaults.items():
        if name in places.inputs:
            inputs[:, places.inputs[name]] = value
    return EventTable(Events(offsets, times, kinds, targets, values), inputs)


class _Places:
    """Where states and inputs stand."""

    def __init__(self, program: Program) -> None:
        self.states = {symbol.name: place for place, symbol in enumerate(program.system.states)}
        self.inputs = {name: place for place, name in enumerate(program.inputs)}
        self.rates = {name: self.inputs[program.forcing(name)] for name in program.forced}


def _rows(
    places: _Places, schedule: Schedule, begin: float, end: float, defaults: Mapping[str, float]
) -> list[tuple[float, int, int, float]]:
    for name in sorted(schedule.states - set(places.states)):
        raise ModelError(f"event: {unknown_name('state', name, places.states)}")
    found: list[tuple[float, int, int, float]] = []
    inputs: Mapping[str, float] = defaults
    rates: Mapping[str, float] = {}
    for segment in schedule.segments(begin, end, defaults):
        at = segment.start
        for name, value in segment.inputs.items():
            if value != inputs.get(name):
                found.append((at, Action.SET_INPUT, places.inputs[name], value))
        for name in sorted(rates.keys() | segment.rates.keys()):
            rate = segment.rates.get(name, 0.0)
            if rate != rates.get(name, 0.0):
                if name not in places.rates:
                    raise ModelError(f"infusion: the engine was not made for infusions into {name!r}.")
                found.append((at, Action.SET_RATE, places.rates[name], rate))
        found += [(at, Action.ADD, places.states[name], amount) for name, amount in segment.jumps.items()]
        found += [(at, Action.SET_STATE, places.states[name], to) for name, to in segment.settings.items()]
        inputs, rates = segment.inputs, segment.rates
    return found
