"""Rival mechanisms: how ketamine may act, as wirings of the one chain.

A wiring keeps, adds or cuts paths: it fixes the parameters that weigh them. What it leaves open is
calibrated with the same effort as the default; the values stand in ``parameters/wirings.csv``.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType

from ketasim.errors import ModelError, unknown_name
from ketasim.model.parameters import ParameterSet

__all__ = ["DEFAULT_WIRING", "WIRINGS", "Wiring", "load_wiring_values", "wired"]

#: The chain as the tables have it.
DEFAULT_WIRING = "default"


@dataclass(frozen=True)
class Wiring:
    """A rival mechanism.

    Parameters
    ----------
    name, text : str
        Public name, and what it says.
    fixed : dict of str to float
        Parameters that keep, add or cut a path, in the units of their tables.
    free : dict of str to (float, float)
        Parameters that only this wiring leaves open, each with its range (95 %).
    cuts : str
        What it does without.
    """

    name: str
    text: str
    fixed: Mapping[str, float]
    free: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    cuts: str = "nothing"


#: Small shares of other mechanisms that the default holds; a rival stands for its own alone.
_ALONE = {"habenula_gain": 0.0, "opioid_permission": 0.0}
_NO_CIRCUIT = {**_ALONE, "circuit_weight": 0.0}
_NO_RESTING = {"resting_weight": 0.0}
#: The path to efficacy does without NMDA channels.
_NO_BLOCK = {**_NO_CIRCUIT, **_NO_RESTING, "block_cost_weight": 0.0}

#: The seven wirings of the model's description, section 15, and the default.
WIRINGS: Mapping[str, Wiring] = MappingProxyType(
    {
        wiring.name: wiring
        for wiring in (
            Wiring(
                DEFAULT_WIRING,
                "disinhibition with opioid tone, and small shares of block at rest and the habenula",
                {},
            ),
            Wiring(
                "disinhibition",
                "block of interneurons drives a surge of glutamate",
                {**_ALONE, **_NO_RESTING},
                cuts="paths of resting and extrasynaptic channels",
            ),
            Wiring(
                "resting_nmda",
                "block of channels at rest lowers eEF2 phosphorylation and frees BDNF",
                _NO_CIRCUIT,
                {"bdnf_eef2_gain": (2.0, 40.0), "trkb_fast_gain": (0.02, 20.0)},
                cuts="path of the circuit",
            ),
            Wiring(
                "extrasynaptic",
                "extrasynaptic GluN2B on pyramidal cells holds mTORC1 down",
                {**_NO_CIRCUIT, **_NO_RESTING},
                {"extrasynaptic_gain": (0.5, 10.0), "mtorc1_fast_gain": (0.01, 100.0)},
                cuts="path of the circuit",
            ),
            Wiring(
                "hnk",
                "hydroxynorketamine raises AMPA throughput directly",
                _NO_BLOCK,
                {"hnk_ampa_gain": (0.3, 10.0), "hnk_ampa_half": (0.03, 1.0)},
                cuts="NMDA block on the path to mood",
            ),
            Wiring(
                "trkb",
                "ketamine binds TrkB",
                _NO_BLOCK,
                {"trkb_direct_gain": (5.0, 1000.0), "trkb_fast_gain": (0.02, 20.0)},
                cuts="NMDA block on the path to mood",
            ),
            Wiring(
                "habenula",
                "block trapped for a day takes habenular bursts away",
                {
                    "opioid_permission": 0.0,
                    "circuit_weight": 0.0,
                    **_NO_RESTING,
                    "trapping_entry_habenula": 1.0,
                },
                {"habenula_gain": (1.0, 300.0)},
                cuts="path of the circuit",
            ),
            Wiring(
                "opioid",
                "the fast arm grows only with opioid tone",
                {"habenula_gain": 0.0},
                {"opioid_permission": (0.9, 0.999)},
            ),
        )
    }
)


@cache
def load_wiring_values() -> Mapping[str, Mapping[str, float]]:
    """Calibrated values of each wiring, by its name and that of the parameter; empty before a calibration."""
    table = resources.files("ketasim.model.parameters") / "wirings.csv"
    found: dict[str, dict[str, float]] = {name: {} for name in WIRINGS}
    if table.is_file():
        for row in csv.DictReader(table.read_text(encoding="utf-8").splitlines()):
            found[row["wiring"]][row["parameter"]] = float(row["value"])
    return found


def wired(parameters: ParameterSet, name: str) -> ParameterSet:
    """Parameters of a wiring: what it fixes, and what was calibrated for it. The default is the tables.

    Parameters
    ----------
    parameters : ParameterSet
        The tables.
    name : str
        One of :data:`WIRINGS`.

    Returns
    -------
    ParameterSet

    Raises
    ------
    ModelError
        If there is no such wiring.
    """
    if name not in WIRINGS:
        raise ModelError(unknown_name("wiring", name, WIRINGS))
    if name == DEFAULT_WIRING:
        # What stands in its table is a fit like that of the rivals; the chain itself is fitted to more.
        return parameters
    return parameters.with_values({**WIRINGS[name].fixed, **load_wiring_values()[name]})
