"""Which network each region of a parcellation belongs to, and which place it takes.

Schaefer regions carry their network in their name. For the other parcellations networks are assigned by the
name of the region: assumed anatomy, because a gyrus is often shared between networks.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.connectome import ROLES, SUBCORTICAL

__all__ = ["Region", "chosen", "role_indices", "table_rows"]


@dataclass(frozen=True)
class Region:
    """A region of a parcellation.

    Parameters
    ----------
    name : str
        Without the hemisphere.
    hemisphere : str
        ``"left"`` or ``"right"``.
    network : str
        A network, ``"subcortical"``, or empty for what is no grey matter.
    role : str
        One of the places that read-outs ask for, or empty.
    """

    name: str
    hemisphere: str
    network: str
    role: str

    @property
    def label(self) -> str:
        """Name with the hemisphere."""
        return f"{self.hemisphere[0].upper()}_{self.name}"


def table_rows(parcellation: str) -> list[dict[str, str]]:
    """Rows of the region table of a parcellation that ships with Ketasim."""
    file = resources.files("ketasim.brain.adapters") / f"regions_{parcellation}.csv"
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def chosen(regions: Sequence[Region], subcortical: bool) -> NDArray[np.intp]:
    """Indices of the regions to keep: the cortex, and the rest of the grey matter if asked for."""
    keep = [region.network != "" and (subcortical or region.network != SUBCORTICAL) for region in regions]
    return np.flatnonzero(keep)


def role_indices(regions: Sequence[Region]) -> dict[str, tuple[int, ...]]:
    """Indices of the regions that take each role."""
    return {role: tuple(i for i, region in enumerate(regions) if region.role == role) for role in ROLES}
