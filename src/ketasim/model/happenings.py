"""What happens to persons in a run, in the chain's units: doses, outside inputs, clamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ketasim.dosing.dose_table import DoseTable
from ketasim.engine.events import Flows, Happenings, Marks
from ketasim.engine.program import Program
from ketasim.engine.schedule import InputPath, Reset
from ketasim.errors import ModelError, unknown_name
from ketasim.model.administration import Values, deposits_of, given_rates
from ketasim.units import UnitSystem

__all__ = ["doses_given", "marked_paths", "marked_settings"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def doses_given(program: Program, units: UnitSystem, table: DoseTable, values: Values) -> Happenings:
    """Jumps, flows and inputs that doses make.

    Parameters
    ----------
    program : Program
        Its states and inputs number the targets.
    units : UnitSystem
        Those of the program.
    table : DoseTable
        What is given.
    values : callable
        See :func:`~ketasim.model.administration.deposits_of`.

    Returns
    -------
    Happenings

    Raises
    ------
    ModelError
        If a dose goes where the program has no state.
    """
    hour, amount = units.factor("h"), units.factor("umol")
    jumps: list[Marks] = []
    flows: list[Flows] = []
    inputs: list[Marks] = []
    for part in deposits_of(table, values):
        if part.state not in program.state_places:
            raise ModelError(f"dose: {unknown_name('state', part.state, program.state_places)}")
        target = np.full(len(part.subject), program.state_places[part.state])
        start, size = part.start_h * hour, part.amount * amount
        end = (part.start_h + part.duration_h) * hour
        at_once = part.duration_h <= 0.0
        jumps.append(Marks(part.subject, target, start, size).picked(at_once))
        flows.append(Flows(part.subject, target, start, end, size).picked(~at_once))
    for name, doses in given_rates(table):
        target = np.full(len(doses), program.inputs.index(name))
        rate = doses.absorption_rate * units.factor("1/h")
        inputs.append(Marks(doses.subject, target, doses.time_h * hour, rate))
    return Happenings(Marks.joined(jumps), Flows.joined(flows), Marks.joined(inputs), Marks.joined([]))


def marked_paths(program: Program, paths: Sequence[Mapping[str, InputPath]]) -> Marks:
    """Outside inputs of persons as marks; one mapping a person, in the program's units."""
    places = {name: place for place, name in enumerate(program.inputs)}
    parts = []
    for person, own in enumerate(paths):
        for name, path in own.items():
            count = len(path.times)
            parts.append(
                Marks(np.full(count, person), np.full(count, places[name]),
                      np.array(path.times), np.array(path.values))
            )  # fmt: skip
    return Marks.joined(parts)


def marked_settings(program: Program, resets: Sequence[Sequence[Reset]]) -> Marks:
    """States that are put at a value as marks; one sequence a person, in the program's units."""
    return Marks.of_rows(
        [
            (person, program.state_places[reset.state], reset.time, reset.value)
            for person, own in enumerate(resets)
            for reset in own
        ]
    )
