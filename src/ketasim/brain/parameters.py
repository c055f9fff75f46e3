"""Parameters of a node of the whole brain: an excitatory and an inhibitory population."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from ketasim.brain.tables import read_table
from ketasim.errors import BrainError

__all__ = ["NodeParameters", "load_node_parameters"]

_SHARES = (
    "nmda_recurrent_excitatory",
    "nmda_recurrent_inhibitory",
    "nmda_external_excitatory",
    "nmda_external_inhibitory",
)
_MAY_BE_ZERO = (*_SHARES, "noise", "global_coupling", "local_weight", "receptor_slope")


@dataclass(frozen=True)
class NodeParameters:
    """What all nodes have in common; the table ``node.csv`` says where each number comes from.

    Parameters
    ----------
    drive : float
        External current I0, in nA.
    share_excitatory, share_inhibitory : float
        Shares W_E and W_I of that current.
    local_weight : float
        Weight w_plus of recurrent excitation.
    coupling : float
        Current J of a fully open NMDA gate, in nA.
    gain_excitatory, gain_inhibitory : float
        Slope a of the transfer function, in 1/nC.
    threshold_excitatory, threshold_inhibitory : float
        Offset b of the transfer function, in Hz.
    curvature_excitatory, curvature_inhibitory : float
        Bend d of the transfer function, in s.
    time_excitatory, time_inhibitory : float
        Decay of the NMDA and of the GABA gate, in s.
    opening : float
        Opening gamma of the NMDA gate per spike.
    noise : float
        Standard deviation of the white noise on both gates, in 1/sqrt(s).
    target_rate : float
        Excitatory rate without drug, in Hz.
    global_coupling : float
        Factor G on the long-range weights.
    nmda_recurrent_excitatory, nmda_recurrent_inhibitory : float
        Shares f of synaptic excitation that NMDA block removes, 0 to 1.
    nmda_external_excitatory, nmda_external_inhibitory : float
        Shares x of the external current that NMDA block removes, 0 to 1. Excitatory cells are
        disinhibited only if x of inhibitory cells is the larger one.
    receptor_slope : float
        Relative change of the four shares per standard deviation of a receptor density map.

    Raises
    ------
    BrainError
        If a share is outside 0 to 1 or a number has the wrong sign.
    """

    drive: float
    share_excitatory: float
    share_inhibitory: float
    local_weight: float
    coupling: float
    gain_excitatory: float
    threshold_excitatory: float
    curvature_excitatory: float
    gain_inhibitory: float
    threshold_inhibitory: float
    curvature_inhibitory: float
    time_excitatory: float
    time_inhibitory: float
    opening: float
    noise: float
    target_rate: float
    global_coupling: float
    nmda_recurrent_excitatory: float
    nmda_recurrent_inhibitory: float
    nmda_external_excitatory: float
    nmda_external_inhibitory: float
    receptor_slope: float

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if not (value > 0.0 or (value == 0.0 and name in _MAY_BE_ZERO)) or value == float("inf"):
                kind = "finite and not negative" if name in _MAY_BE_ZERO else "finite and above 0"
                raise BrainError(f"node parameter {name} is {value}; it must be {kind}.")
        for name in _SHARES:
            if getattr(self, name) > 1.0:
                raise BrainError(
                    f"node parameter {name} is {getattr(self, name)}; a share lies between 0 and 1."
                )


@cache
def load_node_parameters(path: str | Path | None = None) -> NodeParameters:
    """Load the parameters of a node.

    Parameters
    ----------
    path : str or Path, optional
        A table with the columns and rows of the shipped ``node.csv``, which is the default.

    Returns
    -------
    NodeParameters
        The values of the table.

    Raises
    ------
    BrainError
        If the file is missing or a row breaks the rules.
    """
    names = [field.name for field in fields(NodeParameters)]
    return NodeParameters(**read_table("node.csv" if path is None else Path(path), names))
