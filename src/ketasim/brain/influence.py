"""What acts on the network: receptor block, stronger inhibition, weaker or stronger connections."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import BrainError

__all__ = ["Influence"]

_Floats = NDArray[np.float64]
_BLOCKS = ("block_excitatory", "block_inhibitory")


@dataclass(frozen=True, eq=False)
class Influence:
    """What acts on the network; each field a number or one number a region.

    Parameters
    ----------
    block_excitatory, block_inhibitory : float or (n,) array
        Blocked share of the NMDA receptors of excitatory and of inhibitory cells, 0 to 1.
    inhibition_gain : float or (n,) array
        Ratio on GABA-A inhibition of excitatory cells; a benzodiazepine raises it.
    local_weight : float or (n,) array
        Ratio on recurrent excitation.
    outgoing_weight : float or (n,) array
        Ratio on what a region sends to excitatory cells of others.
    feedforward : float or (n,) array
        Ratio on the long-range excitation that inhibitory cells of a region receive.

    Raises
    ------
    BrainError
        If a block is outside 0 to 1, or a ratio is negative or not finite.
    """

    block_excitatory: ArrayLike = 0.0
    block_inhibitory: ArrayLike = 0.0
    inhibition_gain: ArrayLike = 1.0
    local_weight: ArrayLike = 1.0
    outgoing_weight: ArrayLike = 1.0
    feedforward: ArrayLike = 1.0

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            highest = 1.0 if name in _BLOCKS else np.inf
            if not bool(np.all((value >= 0.0) & (value <= highest) & np.isfinite(value))):
                allowed = "between 0 and 1" if name in _BLOCKS else "finite and not negative"
                raise BrainError(f"influence {name} is {getattr(self, name)}; every value must be {allowed}.")

    def array(self, name: str, n: int) -> _Floats:
        """One field as one number a region.

        Parameters
        ----------
        name : str
            Name of the field.
        n : int
            Number of regions.

        Returns
        -------
        (n,) array
            The values.

        Raises
        ------
        BrainError
            If the field has another number of values.
        """
        value = np.asarray(getattr(self, name), dtype=np.float64)
        if value.shape not in ((), (n,)):
            raise BrainError(
                f"influence {name} has shape {value.shape}; give one number, or one for each of {n} regions."
            )
        return np.broadcast_to(value, (n,)).copy()
