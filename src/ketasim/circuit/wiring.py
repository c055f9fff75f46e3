"""Who is connected to whom: sparse random wiring, kept by the cell that sends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ketasim.circuit.formulas import CLASSES
from ketasim.circuit.kernel import LANES, TILE
from ketasim.circuit.parameters import NetworkParameters
from ketasim.errors import ModelError

__all__ = ["FULL_SIZE", "SMALLEST", "Wiring", "wire"]

#: Number of cells that the table's conductances are written for; other sizes scale them.
FULL_SIZE = 4000
#: Below this, a class has too few cells for a rate.
SMALLEST = 400


@dataclass(frozen=True, eq=False)
class Wiring:
    """Random wiring of a network.

    Parameters
    ----------
    edges : int64 array, shape (5,)
        First cell of each class, then the number of cells.
    tiles : int64 array, shape (5,)
        First tile of each class, then the number of tiles; see :mod:`ketasim.circuit.kernel`.
    place : int64 array, shape (cells,)
        Where each cell's first variable is in the kernel's state.
    owner : int32 array, shape (lanes,)
        The cell of each lane, -1 for lanes without one.
    targets : int32 array
        Receiving cells, sending cell by sending cell, in rising order.
    segments : int64 array, shape (cells, 5)
        Where the targets of each class begin in ``targets``, and where the cell's targets end.
    threshold_offset : float32 array, shape (cells,)
        Difference of each cell's threshold from that of its class, in mV.
    """

    edges: NDArray[np.int64]
    tiles: NDArray[np.int64]
    place: NDArray[np.int64]
    owner: NDArray[np.int32]
    targets: NDArray[np.int32]
    segments: NDArray[np.int64]
    threshold_offset: NDArray[np.float32]

    @property
    def cells(self) -> int:
        """Number of cells."""
        return int(self.edges[-1])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of cells of each class, shape (4,)."""
        return np.diff(self.edges)

    def members(self, name: str) -> slice:
        """Return the cells of a class."""
        index = CLASSES.index(name)
        return slice(int(self.edges[index]), int(self.edges[index + 1]))


def wire(parameters: NetworkParameters, cells: int = FULL_SIZE, seed: int = 1) -> Wiring:
    """Draw a wiring: each pair is connected with the probability of its two classes.

    Parameters
    ----------
    parameters : NetworkParameters
        Shares of the classes, probabilities of connection, spread of thresholds.
    cells : int
        Size of the network.
    seed : int
        The same seed gives the same wiring.

    Raises
    ------
    ModelError
        If the network is smaller than :data:`SMALLEST`.
    """
    if cells < SMALLEST:
        raise ModelError(f"cells is {cells}; a network needs at least {SMALLEST} for all four classes.")
    rng = np.random.default_rng(seed)
    sizes = np.round(parameters.of_classes("share") * cells).astype(np.int64)
    edges = np.concatenate([[0], np.cumsum(sizes)])
    total = int(edges[-1])
    kind = np.repeat(np.arange(len(CLASSES)), sizes)
    chance = parameters.connection()[:, kind].astype(np.float32)
    segments = np.zeros((total, len(CLASSES) + 1), dtype=np.int64)
    rows = []
    start = 0
    for cell in range(total):
        hit = rng.random(total, dtype=np.float32) < chance[kind[cell]]
        hit[cell] = False
        row = np.flatnonzero(hit).astype(np.int32)
        segments[cell] = start + np.searchsorted(row, edges)
        start += len(row)
        rows.append(row)
    offset = rng.normal(0.0, parameters.value("threshold_spread"), total).astype(np.float32)
    return Wiring(edges, *_layout(edges, kind), np.concatenate(rows), segments, offset)


def _layout(
    edges: NDArray[np.int64], kind: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """Give each class tiles of its own; see :mod:`ketasim.circuit.kernel`."""
    tiles = np.concatenate([[0], np.cumsum(-(-np.diff(edges) // LANES))])
    cell = np.arange(edges[-1])
    lane = cell - edges[kind] + tiles[kind] * LANES
    owner = np.full(tiles[-1] * LANES, -1, dtype=np.int32)
    owner[lane] = cell
    return tiles, lane // LANES * TILE + lane % LANES, owner
