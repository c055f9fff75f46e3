"""Switches: a stage that is held at the person's own rest, or keeps a part of its way from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["SWITCHED", "SWITCHES", "Switch", "switches"]


@dataclass(frozen=True)
class Switch:
    """One switch.

    Parameters
    ----------
    id, name : str
        As written in a scenario, and in words.
    row : str
        The row of the cascade that it stands at.
    stage : str
        The stage of the model.
    quantities : tuple of str
        What is held: all that the stage hands on, and what is shown of it.
    """

    id: str
    name: str
    row: str
    stage: str
    quantities: tuple[str, ...]


_TABLE = (
    Switch(
        "block",
        "NMDA block",
        "nmda_block_mean",
        "receptors",
        (
            "nmda_block_mean",
            "nmda_block_pyramidal",
            "nmda_block_pv",
            "nmda_block_sst",
            "nmda_block_vip",
            "nmda_block_resting",
            "glun2b_brake",
            "habenula_release",
        ),
    ),
    Switch(
        "circuit",
        "cortical circuit",
        "pyramidal_rate",
        "circuit",
        (
            "pyramidal_rate",
            "pv_rate",
            "sst_rate",
            "vip_rate",
            "interneuron_rate",
            "gamma_power",
            "release_gain",
        ),
    ),
    Switch("glutamate", "glutamate surge", "glutamate", "glutamate", ("glutamate",)),
    Switch("ampa", "AMPA throughput", "ampa_drive", "ampa", ("ampa_drive",)),
    Switch("fast_arm", "fast arm to mood", "ampa_drive", "ampa", ("fast_arm",)),
    Switch("trkb", "TrkB", "trkb", "neurotrophin", ("trkb",)),
    Switch("mtorc1", "mTORC1", "mtorc1", "translation", ("mtorc1",)),
    Switch("synapses", "new synapses", "spine_density", "synapses", ("spine_density",)),
    Switch(
        "networks",
        "brain networks",
        "dmn_connectivity",
        "networks",
        ("dmn_connectivity", "salience_connectivity", "global_connectivity"),
    ),
    Switch(
        "inflammation",
        "inflammation",
        "tnf",
        "inflammation",
        (
            "tnf",
            "il6",
            "crp",
            "quinolinate_excess",
            "inflammation",
            "astrocyte_uptake",
            "immune_protection",
        ),
    ),
    Switch("dissociation", "what is felt", "cadss", "safety", ("felt_effect", "cadss", "drug_high")),
)

#: Every switch by its id, in causal order.
SWITCHES: Mapping[str, Switch] = {item.id: item for item in _TABLE}

#: Every quantity that some switch holds.
SWITCHED: tuple[str, ...] = tuple(name for item in _TABLE for name in item.quantities)


def switches() -> tuple[Switch, ...]:
    """Every switch, in causal order."""
    return _TABLE
