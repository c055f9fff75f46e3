"""Derivatives of results, from steps that are replayed.

An adaptive solver's result jumps a little wherever a step more is taken, and
differences of it are noise. Here the steps of one run are kept, as shares of the
stretches between events, and the runs with moved parameters repeat them: the
result is then a smooth function of the parameters, and central differences are
good to eight digits. A register holds both sides of four parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.engine.records import Ending, Tape
from ketasim.engine.vector import DEFAULT_RTOL, STEP_LIMIT, Batch, VectorEngine
from ketasim.errors import ModelError, SolverError

__all__ = ["Gradient", "differentiate"]

FloatArray = npt.NDArray[np.float64]

#: As many steps as a run can take.
_TAPE = int(STEP_LIMIT)


@dataclass(frozen=True)
class Gradient:
    """Results of one patient with their derivatives.

    Parameters
    ----------
    values : array, shape (times, outputs)
        Results.
    derivatives : array, shape (moves, times, outputs)
        Change of the results over the change that was made.
    """

    values: FloatArray
    derivatives: FloatArray


def differentiate(
    engine: VectorEngine,
    base: Batch,
    moved: Batch,
    moves: Sequence[float],
    defaults: Mapping[str, float],
    rtol: float = DEFAULT_RTOL,
    outputs: Sequence[str] | None = None,
) -> Gradient:
    """Solve a patient, and find the derivatives of his results.

    Parameters
    ----------
    engine : VectorEngine
        The equations.
    base : Batch
        The patient alone.
    moved : Batch
        For each move two patients, one moved up and one moved down: their parameters, their
        start and what happens to them may all follow the move. Output times are the base's.
    moves : sequence of float
        Distance between the two of each pair, in what is moved.
    defaults, rtol, outputs
        As for :meth:`VectorEngine.solve`.

    Returns
    -------
    Gradient

    Raises
    ------
    SolverError
        If a run fails; says which.
    ModelError
        If a move changes how many events there are.
    """
    names = None if outputs is None else tuple(outputs)
    stop = np.zeros(1, dtype=np.int64)
    shares = np.zeros(_TAPE)
    written = Tape(np.zeros(2, dtype=np.int64), shares, False)
    solved = engine.march(base, defaults, rtol, names, written, stop)
    if solved.endings[0] != Ending.REACHED:
        raise SolverError("the run to differentiate failed; look at it alone.")
    if len({len(_instants(batch, i, defaults)) for batch in (base, moved) for i in range(len(batch))}) > 1:
        raise ModelError(
            "a moved parameter makes events fall together or apart: move it less, or not at all."
        )
    count = len(moved)
    read = Tape(np.zeros(count + 1, dtype=np.int64), shares, True)
    replayed = engine.march(moved, defaults, rtol, names, read, stop)
    for i in np.flatnonzero(replayed.endings != Ending.REACHED).tolist():
        raise SolverError(f"a run with move {i // 2} (of {count // 2}) failed: make the move smaller.")
    both = np.array(replayed.values).reshape(count // 2, 2, *solved.values[0].shape)
    derivatives = (both[:, 0] - both[:, 1]) / np.asarray(moves, dtype=np.float64)[:, None, None]
    return Gradient(solved.values[0], derivatives)


def _instants(batch: Batch, i: int, defaults: Mapping[str, float]) -> set[float]:
    """Times at which something happens to a patient."""
    begin, end = float(batch.times[i][0]), float(batch.times[i][-1])
    return {segment.start for segment in batch.schedules[i].segments(begin, end, defaults)}
