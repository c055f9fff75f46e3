"""Where the network is run for its surfaces: a space-filling design over all that the chain can do to it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from ketasim.circuit.blocks import CLASS_IC50, blocks_at, blocks_at_mean
from ketasim.circuit.condition import Condition
from ketasim.circuit.formulas import INPUTS

__all__ = ["RANGES", "design", "inputs_of"]

#: Lowest and highest value in the design: of blocks, and of gains (not their differences from 1).
RANGES = {
    "block_pyramidal": (0.0, 0.85),
    "block_pv": (0.0, 0.95),
    "block_sst": (0.0, 0.95),
    "block_vip": (0.0, 0.95),
    "gaba_a_gain": (0.8, 1.35),
    "release_gain": (0.6, 1.1),
    "density": (0.7, 1.2),
}
# Most points lie where a drug with uncertain class ratios takes the network; the others have blocks that do
# not go together, some of them zero, as after a knockdown in one class.
_TOGETHER = 0.8
_CONCENTRATION = (0.15, 30.0)
_RATIO_SPREAD = math.log(1.5)
_ABSENT = 0.3
# Along the axis that most patients travel, with nothing else changed.
_ANCHORS = (0.05, 0.1, 0.17, 0.24, 0.32, 0.41, 0.52, 0.65, 0.78)
_SEED = 7


def inputs_of(condition: Condition) -> NDArray[np.float64]:
    """Inputs of a condition, shape (7,), in the order of :data:`ketasim.circuit.formulas.INPUTS`."""
    gains = (condition.gaba_a_gain, condition.release_gain, condition.density)
    return np.array([*condition.block, *(gain - 1.0 for gain in gains)])


def _at(fraction: float, bounds: tuple[float, float]) -> float:
    return bounds[0] + fraction * (bounds[1] - bounds[0])


def _blocks(kind: float, u: NDArray[np.float64]) -> tuple[float, float, float, float]:
    limits = [RANGES[name] for name in INPUTS[:4]]
    if kind < _TOGETHER:
        low, high = (math.log(value) for value in _CONCENTRATION)
        spreads = [0.0, *((2.0 * fraction - 1.0) * _RATIO_SPREAD for fraction in u[1:4])]
        ic50 = [half * math.exp(spread) for half, spread in zip(CLASS_IC50, spreads, strict=True)]
        found = blocks_at(math.exp(_at(float(u[0]), (low, high))), ic50)
    else:
        a, b, c, d = (max(0.0, (fraction - _ABSENT) / (1.0 - _ABSENT)) for fraction in u[:4].tolist())
        found = (a, b, c, d)
    first, second, third, fourth = (
        min(value, bounds[1]) for value, bounds in zip(found, limits, strict=True)
    )
    return first, second, third, fourth


def design(points: int) -> list[Condition]:
    """Return the conditions of a design: anchors first, then a scrambled Sobol sequence.

    Parameters
    ----------
    points : int
        How many in all. A longer design begins with the points of a shorter one.
    """
    anchors = [Condition(blocks_at_mean(mean)) for mean in _ANCHORS]
    drawn = qmc.Sobol(8, seed=np.random.default_rng(_SEED)).random_base2(max(3, math.ceil(math.log2(points))))
    found = list(anchors)
    for row in drawn[: max(0, points - len(anchors))]:
        gains = [_at(float(u), RANGES[name]) for u, name in zip(row[5:8], INPUTS[4:], strict=True)]
        gaba, release, density = gains
        blocks = _blocks(float(row[4]), row[:4])
        found.append(Condition(blocks, gaba_a_gain=gaba, release_gain=release, density=density))
    return found[:points]
