"""Where the persons of an experiment rest before anything is given."""

from __future__ import annotations

import numpy as np

from ketasim.dosing import Regimen
from ketasim.engine import find_rests, grows
from ketasim.errors import SolverError
from ketasim.model.cohort import Cohort, Given, Rested, at_rest, run_stretch
from ketasim.model.simulator import Simulator
from ketasim.trials.experiment.parts import State

__all__ = ["rest_of"]

#: A rest that departs more slowly than in two years counts as one.
_LARGEST_GROWTH = 1.0 / (2.0 * 8766.0)
#: After five years an undisturbed person has settled.
_RELAXATION_H = 5.0 * 8766.0
_NO_REST = "no stable rest without illness was found for this person's parameters and causes."


def rest_of(simulator: Simulator, cohort: Cohort, state: State, *, thorough: bool = True) -> Rested:
    """Find where persons rest before anything is given.

    Parameters
    ----------
    simulator : Simulator
        The model.
    cohort : Cohort
        Persons in one state.
    state : str
        The healthy have no illness load; of others the load that gives their severity is found.
    thorough : bool
        As of :func:`~ketasim.model.cohort.at_rest`.

    Returns
    -------
    Rested
        Who has none is refused.
    """
    if state == "healthy":
        return _healthy(simulator, cohort)
    return at_rest(simulator, cohort, thorough=thorough)


def _healthy(simulator: Simulator, cohort: Cohort) -> Rested:
    chain, engine, finder = simulator.chain, simulator.engine(), simulator.finder
    count = len(cohort)
    columns = {**chain.parameter_columns(cohort.parameters, cohort.varied), "illness_load": 0.0}
    rows = np.stack([np.broadcast_to(columns[name], count) for name in engine.program.parameters], axis=1)
    others = {
        name: values * chain.units.factor(chain.inputs[name].unit) for name, values in cohort.inputs.items()
    }
    inputs = finder.inputs(cohort.stress[:, 0]) | others
    try:
        start = finder.healthy(cohort.parameters).state
    except SolverError:
        start = chain.healthy_guess()
    rests = find_rests(engine, rows, inputs, np.tile(start, (count, 1)))
    lost = np.flatnonzero(~rests.found)
    if len(lost):
        # Let them settle for years, and look again from there.
        settled = run_stretch(
            simulator,
            cohort.part(lost),
            rows[lost],
            np.tile(start, (len(lost), 1)),
            Given.same(Regimen(), len(lost)),
            [np.array([0.0, _RELAXATION_H])] * len(lost),
            (),
        )
        theirs = {name: values[lost] for name, values in inputs.items()}
        again = find_rests(engine, rows[lost], theirs, settled.finals)
        rests.states[lost], rests.found[lost] = again.states, again.found
    unstable = grows(engine, rows, inputs, rests.states, _LARGEST_GROWTH / simulator.hour)
    refused = dict.fromkeys(np.flatnonzero(~rests.found | unstable).tolist(), _NO_REST)
    return Rested(rows, rests.states, refused)
