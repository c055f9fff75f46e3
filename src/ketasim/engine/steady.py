"""Points at which nothing changes: Newton's method for many patients at once.

To find the parameter at which a state rests where it is wanted, the two trade
places (:meth:`System.exchanged`) and the same search is made: feedback through the
state is cut while searching, which behaves far better than searching among
resting states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.engine import driver, records
from ketasim.engine.vector import VectorEngine

__all__ = ["Rests", "find_rests", "grows"]

FloatArray = npt.NDArray[np.float64]

_ITERATIONS = 80
#: A move is at most this share of a state's size.
_LARGEST_MOVE = 0.3


@dataclass(frozen=True)
class Rests:
    """Where patients rest.

    Parameters
    ----------
    states : array, shape (patients, states)
        Resting states; where none was found, the last one tried.
    found : array of bool, shape (patients,)
        Whether nothing changes there.
    """

    states: FloatArray
    found: npt.NDArray[np.bool_]


def find_rests(
    engine: VectorEngine, parameters: FloatArray, inputs: Mapping[str, FloatArray], guesses: FloatArray
) -> Rests:
    """Find states near guesses in which nothing changes.

    Parameters
    ----------
    engine : VectorEngine
        The equations.
    parameters : array, shape (patients, parameters)
        In the order of the system's parameters.
    inputs : mapping of str to array, shape (patients,)
        Every input.
    guesses : array, shape (patients, states)
        Starts of the search.

    Returns
    -------
    Rests
        A patient's result does not depend on the others.
    """
    states = np.array(guesses, dtype=np.float64)
    found, _ = _settled(engine, parameters, inputs, states, _ITERATIONS, 0.0)
    return Rests(states, found)


def grows(
    engine: VectorEngine,
    parameters: FloatArray,
    inputs: Mapping[str, FloatArray],
    states: FloatArray,
    rate: float,
) -> npt.NDArray[np.bool_]:
    """Whether some deviation from a fixed point grows faster than at a rate.

    The sign of det(rate - J), a product of pivots, tells an odd number of such modes. What
    tips a patient into or out of an episode is one real mode, a positive feedback; a pair
    that spirals outwards is not seen.

    Parameters
    ----------
    engine, parameters, inputs
        As for :func:`find_rests`.
    states : array, shape (patients, states)
        Fixed points.
    rate : float
        Growth a unit of time that counts as none.
    """
    _, signs = _settled(engine, parameters, inputs, np.array(states, dtype=np.float64), 0, rate)
    return ~(signs > 0.0)


def _settled(
    engine: VectorEngine,
    parameters: FloatArray,
    inputs: Mapping[str, FloatArray],
    states: FloatArray,
    iterations: int,
    shift: float,
) -> tuple[npt.NDArray[np.bool_], FloatArray]:
    """Move states to rest, in place; returns which came to it, and the sign of the determinant."""
    program = engine.program
    outside = np.zeros((len(states), len(program.inputs)))
    for place, name in enumerate(program.inputs):
        if name in inputs:
            outside[:, place] = inputs[name]
    found = np.zeros(len(states), dtype=np.bool_)
    signs = np.zeros(len(states))
    driver.run_settle(
        engine.kernels["setup"],
        engine.kernels["newton"],
        records.allocate(program, 0, engine.lanes),
        np.ascontiguousarray(parameters, dtype=np.float64),
        outside,
        states,
        np.array(program.scales),
        shift,
        _LARGEST_MOVE,
        iterations,
        found,
        signs,
    )
    return found, signs
