"""How far a network stays from criticality under what acts on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.equations import jacobian
from ketasim.brain.influence import Influence
from ketasim.brain.model import BrainModel, check_stable, resting
from ketasim.brain.node_fit import load_node_targets
from ketasim.errors import BrainError

__all__ = ["EIGENVALUE_LIMIT", "RATE_CHANGE_LIMIT", "Safety", "dose_influences", "safety"]

_Floats = NDArray[np.float64]

EIGENVALUE_LIMIT = -1.5
"""A network is safe if its leading eigenvalue stays below this at every dose, in 1/s."""

RATE_CHANGE_LIMIT = 0.2
"""A network is safe if 5 % more local weight changes the rate of no region by more than this share."""

_MORE_LOCAL_WEIGHT = 1.05


@dataclass(frozen=True, eq=False)
class Safety:
    """Distance from criticality, one value an influence.

    Parameters
    ----------
    eigenvalues : (k,) array
        Leading eigenvalue, in 1/s.
    rate_changes : (k,) array
        Largest relative change of the excitatory rate of any region when all local weights rise by
        5 %; infinite if the network then has no resting state.
    mean_rate_changes : (k,) array
        The same for the mean rate over regions.
    """

    eigenvalues: _Floats
    rate_changes: _Floats
    mean_rate_changes: _Floats

    @property
    def eigenvalue(self) -> float:
        """The worst leading eigenvalue, in 1/s."""
        return float(self.eigenvalues.max())

    @property
    def rate_change(self) -> float:
        """The worst relative change of a rate."""
        return float(self.rate_changes.max())

    @property
    def safe(self) -> bool:
        """Whether both limits hold everywhere."""
        return self.eigenvalue < EIGENVALUE_LIMIT and self.rate_change < RATE_CHANGE_LIMIT


def dose_influences() -> tuple[Influence, ...]:
    """No drug, then the depths of block that the node is fitted at: 0.1 to 30 uM on the circuit's scale."""
    block = [(row.block_pyramidal, row.block_interneuron) for row in load_node_targets()]
    return (Influence(), *(Influence(block_excitatory=e, block_inhibitory=i) for e, i in block))


def safety(model: BrainModel, influences: Sequence[Influence] | None = None) -> Safety:
    """Leading eigenvalue and the effect of 5 % more local weight, under each of some influences.

    Parameters
    ----------
    model : BrainModel
        The network; its inhibition stays as it is.
    influences : sequence of Influence, optional
        Default: :func:`dose_influences`.

    Returns
    -------
    Safety
        One value an influence.

    Raises
    ------
    BrainError
        If there is no influence, or the network has no stable resting state under one.
    """
    acting = dose_influences() if influences is None else influences
    if not acting:
        raise BrainError("safety: no influence is given; give at least Influence() for no drug.")
    rows = np.array([_one(model, influence) for influence in acting])
    return Safety(*rows.T)


def _one(model: BrainModel, influence: Influence) -> tuple[float, float, float]:
    terms = model.terms(influence)
    found = resting(model, terms)
    leading = float(np.linalg.eigvals(jacobian(terms, found.s_e, found.s_i)).real.max())
    check_stable(leading)
    more = replace(terms, local_excitatory=terms.local_excitatory * _MORE_LOCAL_WEIGHT)
    try:
        moved = resting(model, more, found)
    except BrainError:
        return leading, np.inf, np.inf
    change = np.abs(moved.rate_e / found.rate_e - 1.0)
    return leading, float(change.max()), abs(float(moved.rate_e.mean() / found.rate_e.mean()) - 1.0)
