"""What acts on the network: block by class, gains, density, and how a channel's state matters."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from ketasim.circuit.formulas import CLASSES
from ketasim.errors import ModelError, unknown_name

__all__ = ["FIXED_BLOCK", "NO_DRUG", "ChannelState", "Condition"]


@dataclass(frozen=True)
class ChannelState:
    """How the block of a channel follows its state.

    ``B' = (o x (1 - B) - B (1 - t + t o)) / T`` for each cell, with x the odds of block when the cell is
    as active as its class is at rest, o the cell's open share relative to that, t ``trapped`` and T
    ``time``. With everything trapped the block at rest does not depend on activity; with nothing trapped an
    active cell is blocked more.

    Parameters
    ----------
    kinetic : bool
        False: each class has the block it is given, whatever its cells do.
    trapped : float
        Share of blocked channels that keep their blocker when they close, from 0 to 1.
    time : float
        Time constant of unblocking at rest, in ms. Shorter than in life, so that a run of seconds settles.
    """

    kinetic: bool = False
    trapped: float = 1.0
    time: float = 300.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.trapped <= 1.0:
            raise ModelError(f"trapped is {self.trapped:g}; it is a share from 0 to 1.")
        if not self.time > 0.0:
            raise ModelError(f"time is {self.time:g} ms; it must be above 0.")


FIXED_BLOCK = ChannelState()


@dataclass(frozen=True)
class Condition:
    """One setting of what acts on the network; all gains are ratios to the healthy circuit.

    Parameters
    ----------
    block : tuple of four floats
        Block of NMDA channels of pyramidal, PV, SST and VIP cells, from 0 to 1.
    gaba_a_gain : float
        Of every GABA-A conductance: above 1 with a benzodiazepine, below 1 in a GABA deficit.
    release_gain : float
        Of glutamate released by the circuit's own pyramidal cells: below 1 with an mGlu2/3 agonist
        or lamotrigine.
    density : float
        Of synapses between pyramidal cells (healthy = 1).
    sst_gain : float
        Of everything that SST cells release: below 1 where they are weak.
    state : ChannelState
        Whether block follows the state of the channel.

    Raises
    ------
    ModelError
        If a block is not from 0 to 1, or a gain is not finite and above 0.
    """

    block: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    gaba_a_gain: float = 1.0
    release_gain: float = 1.0
    density: float = 1.0
    sst_gain: float = 1.0
    state: ChannelState = field(default=FIXED_BLOCK)

    def __post_init__(self) -> None:
        if len(self.block) != len(CLASSES):
            raise ModelError(f"block has {len(self.block)} entries; it needs one for {', '.join(CLASSES)}.")
        for name, value in zip(CLASSES, self.block, strict=True):
            if not 0.0 <= value <= 1.0:
                raise ModelError(f"block of {name} is {value:g}; a block is a fraction from 0 to 1.")
        for name in ("gaba_a_gain", "release_gain", "density", "sst_gain"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0.0):
                raise ModelError(f"{name} is {value:g}; a gain is finite and above 0 (no change: 1).")

    def with_block(self, **blocks: float) -> Condition:
        """Return the same condition with other blocks, by class, such as ``pv=0.3``."""
        unknown = set(blocks) - set(CLASSES)
        if unknown:
            raise ModelError(unknown_name("cell class", min(unknown), CLASSES))
        first, second, third, fourth = (
            blocks.get(name, old) for name, old in zip(CLASSES, self.block, strict=True)
        )
        return replace(self, block=(first, second, third, fourth))


NO_DRUG = Condition()
