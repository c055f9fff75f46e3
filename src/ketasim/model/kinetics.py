"""Stages 1, 2 and 14 alone: concentrations and block, without what they do to a mood.

Nobody needs a resting state here: before the first dose everything is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen
from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError
from ketasim.model.chain import build_chain
from ketasim.model.comparators import Comparators
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.patients import Patient
from ketasim.model.pharmacokinetics import Pharmacokinetics
from ketasim.model.receptors import Receptors
from ketasim.model.simulator import Case, Run, Simulator

__all__ = ["KINETIC_RTOL", "KINETIC_STAGES", "kinetic_simulator", "simulate_kinetics", "untreated"]

FloatArray = npt.NDArray[np.float64]

KINETIC_STAGES = (Pharmacokinetics(), Comparators(), Receptors())

#: Concentrations over many half-lives cost little, and are looked at on a log scale.
KINETIC_RTOL = 1e-7


@cache
def kinetic_simulator() -> Simulator:
    """The simulator of these stages; who is simulated brings his own parameters."""
    return Simulator(build_chain(KINETIC_STAGES, load_parameters()), KINETIC_RTOL)


def untreated(parameters: ParameterSet) -> Patient:
    """A person with these parameters and nothing in him."""
    return Patient(parameters, np.zeros(len(kinetic_simulator().chain.states)))


def simulate_kinetics(
    regimen: Regimen,
    times_h: FloatArray,
    *,
    parameters: ParameterSet | None = None,
    inputs: Mapping[str, float | InputPath] | None = None,
) -> Run:
    """Simulate plasma and block of one person.

    Parameters
    ----------
    regimen : Regimen
        His doses.
    times_h : array, shape (n_times,)
        Output times in hours, increasing; doses before the first count too.
    parameters : ParameterSet, optional
        His values. Default: the shipped human ones.
    inputs : mapping of str to float or InputPath, optional
        Outside inputs, such as ``{"rifampicin": 1.0}``: a number holds throughout.

    Returns
    -------
    Run
        Every quantity of the three stages, in its shown unit.

    Raises
    ------
    ModelError
        If an input does not exist.
    SolverError
        If the equations cannot be solved.
    """
    own = load_parameters() if parameters is None else parameters
    wanted = np.asarray(times_h, dtype=np.float64)
    first = regimen.first_start_h
    # A run begins with an empty body: not after a dose.
    early = len(wanted) > 0 and first is not None and first < wanted[0]
    times = np.concatenate([[first], wanted]) if early else wanted
    paths = {
        name: value if isinstance(value, InputPath) else InputPath((float(times[0]),), (float(value),))
        for name, value in (inputs or {}).items()
    }
    (found,) = simulate_kinetics_many([Case(untreated(own), regimen, times, paths)])
    if isinstance(found, KetasimError):
        raise found
    if early:
        shown = {name: values[1:] for name, values in found.quantities.items()}
        return Run(found.times_h[1:], shown, found.steps)
    return found


def simulate_kinetics_many(
    cases: Sequence[Case], quantities: Sequence[str] | None = None, workers: int = 1
) -> list[Run | KetasimError]:
    """Simulate plasma and block of many; see :meth:`Simulator.run_many`."""
    return list(kinetic_simulator().run_many(cases, quantities, workers))
