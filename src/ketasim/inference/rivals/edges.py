"""Which paths between stages are alive in a wiring: its Jacobian while the drug is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError
from ketasim.inference.rivals.tables import best_of
from ketasim.model.cohort import Cohort, Given, at_rest, run_stretch
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator

__all__ = ["REGIMEN", "active_edges", "told_apart"]

#: Where the paths are looked at: what is given, when, and to whom (severity in points).
REGIMEN, TIME_H, SEVERITY = "0.5 mg/kg ketamine iv over 40 min", 1.0, 33.0
#: Slope, in scales of the states and per hour, below which a path counts as dead.
_ALIVE = 1e-6


def active_edges(wirings: Sequence[str], simulator: Simulator) -> dict[str, frozenset[tuple[str, str]]]:
    """Paths from a state of one stage to the rate of a state of another.

    Parameters
    ----------
    wirings : sequence of str
        Names.
    simulator : Simulator
        The model.

    Returns
    -------
    dict of str to set of (str, str)
        Of each wiring, at its best values: the states from which and to which a path is alive, in the typical
        patient an hour into :data:`REGIMEN`.

    Raises
    ------
    ModelError
        If the patient has no rest under a wiring.
    """
    draws, count = best_of(tuple(wirings)), len(wirings)
    columns = draws.columns(load_parameters(), {}, np.arange(count))
    cohort = Cohort(load_parameters(), columns, np.full(count, SEVERITY), np.zeros((count, 1)))
    rested = at_rest(simulator, cohort)
    if rested.refused:
        place, reason = next(iter(rested.refused.items()))
        raise ModelError(f"hypotheses: {wirings[place]}: {reason}")
    times = [np.array([0.0, TIME_H])] * count
    given = Given.same(parse_regimen(REGIMEN), count)
    states = run_stretch(simulator, cohort, rested.rows, rested.states, given, times, ()).finals
    return {name: _alive(simulator, rested.rows[place], states[place]) for place, name in enumerate(wirings)}


def _alive(simulator: Simulator, row: np.ndarray, state: np.ndarray) -> frozenset[tuple[str, str]]:
    engine, chain = simulator.engine(), simulator.chain
    parameters = dict(zip(engine.program.parameters, row.tolist(), strict=True))
    _, jacobian, _ = engine.reference.functions(parameters, chain.input_defaults())
    names, scales = list(chain.states), np.array(chain.system.scales)
    rows, columns = engine.reference.code.jacobian_places
    slopes = np.abs(np.array(jacobian(state.tolist()))) * scales[columns] / scales[rows] * simulator.hour
    return frozenset(
        (names[column], names[row])
        for row, column, slope in zip(rows.tolist(), columns.tolist(), slopes.tolist(), strict=True)
        if slope > _ALIVE and chain.owner[names[row]] != chain.owner[names[column]]
    )


def told_apart(
    edges: Mapping[str, frozenset[tuple[str, str]]],
) -> dict[tuple[str, str], tuple[tuple[str, str], ...]]:
    """Paths that are alive in one of two wirings and dead in the other, for every pair.

    Parameters
    ----------
    edges : mapping
        As of :func:`active_edges`.
    """
    names = list(edges)
    return {
        (first, second): tuple(sorted(edges[first] ^ edges[second]))
        for place, first in enumerate(names)
        for second in names[place + 1 :]
    }
