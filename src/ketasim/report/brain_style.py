"""How the networks of the brain are told apart in figures: an order, a colour and a mark each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.brain.connectome import NETWORKS, SUBCORTICAL, Connectome

__all__ = ["NETWORK_LABELS", "NETWORK_STYLES", "network_order", "networks_of", "upper"]

_Floats = npt.NDArray[np.float64]

#: What a network is called in a figure.
NETWORK_LABELS: Mapping[str, str] = {
    "visual": "visual",
    "somatomotor": "somatomotor",
    "dorsal_attention": "dorsal attention",
    "salience": "salience",
    "limbic": "limbic",
    "control": "control",
    "default": "default mode",
    SUBCORTICAL: "subcortical",
}

#: Colour and mark of each; colour never carries a network alone.
NETWORK_STYLES: Mapping[str, tuple[str, str]] = {
    "visual": ("#5b3a8c", "v"),
    "somatomotor": ("#0072b2", "s"),
    "dorsal_attention": ("#008f68", "^"),
    "salience": ("#cc6fa4", "D"),
    "limbic": ("#56b4e9", "p"),
    "control": ("#dd9a00", "h"),
    "default": ("#b3301a", "o"),
    SUBCORTICAL: ("#697079", "X"),
}


def networks_of(connectome: Connectome) -> list[str]:
    """Networks that have regions, in the order of figures."""
    return [name for name in (*NETWORKS, SUBCORTICAL) if name in connectome.networks]


def network_order(connectome: Connectome) -> npt.NDArray[np.intp]:
    """Indices of all regions, by network and within it left before right, shape (n,)."""
    ranks = {name: rank for rank, name in enumerate(networks_of(connectome))}
    keys = [
        (ranks[network], side, index)
        for index, (network, side) in enumerate(zip(connectome.networks, connectome.hemispheres, strict=True))
    ]
    return np.array([index for *_, index in sorted(keys)], dtype=np.intp)


def upper(matrix: npt.NDArray[Any]) -> _Floats:
    """Entries above the diagonal, one a pair of regions."""
    return np.asarray(matrix[np.triu_indices(len(matrix), 1)], dtype=np.float64)
