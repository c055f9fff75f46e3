"""Stage 2: from unbound concentrations to the share of NMDA channels that is blocked.

All species compete for one site. What reaches the site lags behind plasma by
seconds; the block follows by a Hill curve. The classes of cells differ by
declared, uncertain ratios; one common scale is solved so that their weighted
mean meets the in-vivo anchor. A blocker can be trapped in a closed channel and
leave it slowly (an option). Occupancy of other targets is shown beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ketasim._lazy import lazy_module
from ketasim.model.functions import positive, power
from ketasim.model.stage import Derived, Equations, Input, Provides, Reads, Stage, State, Symbols

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["CELL_CLASSES", "POOLS", "TARGETS", "Receptors", "solve_block_scale"]

#: The classes that the in-vivo anchor averages over.
CELL_CLASSES = ("pyramidal", "pv", "sst", "vip")
_BLOCKED = (*CELL_CLASSES, "habenula")

#: Species of this drug that compete for the site; their IC50s are ``ic50_<name>``.
_COMPETITORS = tuple(f"{e}_{name}" for name in ("ketamine", "norketamine", "hnk", "dhnk") for e in ("s", "r"))
#: Sites of action in parallel: ketamine and its metabolites, and the comparators.
_BLOCKERS = ("ketamine", "memantine", "mk801")

#: Pools of channels and what they are; the first needs no word of its own.
POOLS = {
    "": "channels that open with synaptic events",
    "resting": "synaptic channels at rest",
    "extrasynaptic": "extrasynaptic channels",
}

#: Other targets: the species that reach each, with the constant ``ki_<target>`` (or ``ki_<target>_<e>``).
TARGETS = {
    "mu_opioid": ("mu-opioid receptor", {"ketamine": "ki_mu_opioid"}),
    "kappa_opioid": ("kappa-opioid receptor", {"ketamine": "ki_kappa_opioid"}),
    "delta_opioid": ("delta-opioid receptor", {"ketamine": "ki_delta_opioid"}),
    "hcn1": ("HCN1 channel", {"ketamine": "ki_hcn1"}),
    "m1": ("muscarinic M1 receptor", {"ketamine": "ki_m1"}),
    "alpha7": ("alpha7 nicotinic receptor", {"ketamine": "ki_alpha7", "dhnk": "ki_alpha7_dhnk"}),
    "alpha4beta2": ("alpha4beta2 nicotinic receptor", {"ketamine": "ki_alpha4beta2"}),
    "alpha3beta4": (
        "alpha3beta4 nicotinic receptor",
        {"ketamine": "ki_alpha3beta4", "norketamine": "ki_alpha3beta4_norketamine"},
    ),
    "dat": ("dopamine transporter", {"s_ketamine": "ki_dat_s", "r_ketamine": "ki_dat_r"}),
    "trkb": ("TrkB transmembrane site", {"ketamine": "ki_trkb"}),
    "d2": ("dopamine D2 receptor", {"ketamine": "ki_d2"}),
}

#: The search for the scale: steps at most, and the share of it below which a step is none.
_MOST_STEPS, _CLOSE = 100, 1e-15

#: What the smooth positive part of nothing is.
_NOTHING = "5e-7"


def solve_block_scale(parameters: Mapping[str, Any]) -> Any:
    """Find the scale at which the anchor exposure blocks half of the channels on average.

    At the anchor the competition term is 1, so each class is blocked by
    s^h / (s^h + ratio^h). The weights are those of the classes.

    Parameters
    ----------
    parameters : mapping of str to float or array
        ``block_ratio_*`` and ``block_weight_*`` of the four classes, and ``block_hill``.

    Returns
    -------
    float or array
    """
    hill = parameters["block_hill"]
    ratios = [parameters[f"block_ratio_{name}"] ** hill for name in CELL_CLASSES]
    weights = [parameters[f"block_weight_{name}"] for name in CELL_CLASSES]
    total = sum(weights)
    # The mean block rises ever more slowly with the scale, and at the smallest ratio it is half at most.
    # From there Newton's steps never pass the root.
    scale = reduce(np.minimum, ratios)
    for _ in range(_MOST_STEPS):
        blocked = sum(w * scale / (scale + r) for w, r in zip(weights, ratios, strict=True)) / total
        slope = sum(w * r / (scale + r) ** 2 for w, r in zip(weights, ratios, strict=True)) / total
        step = (0.5 - blocked) / slope
        # Who has arrived stays, so that nobody's last digit depends on who else is still on the way.
        moving = step > _CLOSE * scale
        scale = np.where(moving, scale + step, scale)
        if not np.any(moving):
            break
    return scale ** (1.0 / hill)


def _block_quantities() -> tuple[Provides, ...]:
    found = [
        Provides("nmda_block_mean", "ratio", "NMDA channels blocked, weighted mean of the classes", high=1.0)
    ]
    for cell in _BLOCKED:
        for pool, words in POOLS.items():
            label = f"NMDA channels blocked, {cell} cells" + (f", {words}" if pool else "")
            found.append(Provides(_block_name(cell, pool), "ratio", label, high=1.0))
    return tuple(found)


def _block_name(cell: str, pool: str) -> str:
    """Quantity of a class and a pool; without a class it is the one of pyramidal cells, which others read."""
    if not pool:
        return f"nmda_block_{cell}"
    return f"nmda_block_{pool}" if cell == "pyramidal" else f"nmda_block_{cell}_{pool}"


@dataclass(frozen=True)
class Receptors(Stage):
    """Block of NMDA channels by class of cells and pool, and occupancy of other targets."""

    name: ClassVar[str] = "receptors"
    title: ClassVar[str] = "Channel block"
    section: ClassVar[str] = "2"
    states: ClassVar[tuple[State, ...]] = (
        *(
            State(f"site_{name}", "ratio", f"{name} at the channel, over its half-blocking level", 0.1)
            for name in _BLOCKERS
        ),
        *(
            State(
                f"trapped_{name}",
                "ratio",
                f"share of NMDA channels with a trapped blocker, {name} cells",
                0.1,
            )
            for name in _BLOCKED
        ),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        *(Reads(f"unbound_{name}_arterial", "uM") for name in _COMPETITORS),
        Reads("unbound_ketamine_arterial", "uM"),
        Reads("unbound_norketamine_arterial", "uM"),
        Reads("unbound_dhnk_arterial", "uM"),
        Reads("unbound_memantine", "uM"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("unbound_mk801", "uM", "MK-801 (dizocilpine) in plasma, unbound"),
        Input("glun2b_antagonist", "ratio", "share of GluN2B channels held by a selective antagonist"),
        Input("glun2b_loss_pyramidal", "ratio", "GluN2B lost from pyramidal cells, as a share"),
        Input("glun2b_loss_interneurons", "ratio", "GluN2B lost from interneurons, as a share"),
        Input("habenula_local_block", "ratio", "habenular channels blocked by a local injection, as a share"),
        Input("habenula_activity", "ratio", "habenular firing while the drug is there, above the usual"),
    )
    derived: ClassVar[tuple[Derived, ...]] = (
        Derived("block_scale", "ratio", "common scale that meets the in-vivo anchor", solve_block_scale),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        *_block_quantities(),
        Provides("glun2b_brake", "ratio", "extrasynaptic GluN2B function left on pyramidal cells", "healthy"),
        Provides("interneuron_sensitivity", "ratio", "share of interneurons' block that GluN2B loss leaves"),
        Provides("habenula_release", "ratio", "share of habenular bursts that block takes away", high=1.0),
        *(
            Provides(f"occupancy_{name}", "ratio", f"{label}, occupied share", high=1.0)
            for name, (label, _) in TARGETS.items()
        ),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return d(site)/dt = k (C / IC50 - site), trapping, and the blocks that follow."""
        reaching = {
            "ketamine": sum(q[f"unbound_{name}_arterial"] / p[f"ic50_{name}"] for name in _COMPETITORS),
            "memantine": q.unbound_memantine / p.ic50_memantine,
            "mk801": u.unbound_mk801 / p.ic50_mk801,
        }
        # Animals need many times the human exposure for the same effect; nobody knows why.
        reaching = {name: p.species_exposure * level for name, level in reaching.items()}
        rates = {f"site_{name}": p.site_rate * (reaching[name] - x[f"site_{name}"]) for name in _BLOCKERS}
        provided = {}
        for pool in POOLS:
            drive = self._drive(x, p, pool)
            for name in _BLOCKED:
                ratio = power(p[f"block_ratio_{name}"], p.block_hill)
                open_block = drive / (drive + ratio)
                trapped = x[f"trapped_{name}"]
                provided[_block_name(name, pool)] = open_block + (1 - open_block) * trapped
                if not pool:
                    entering, leaving = (
                        p[f"trapping_{way}{'_habenula' if name == 'habenula' else ''}"]
                        for way in ("entry", "release")
                    )
                    # A channel must open to trap: a firing habenula traps more.
                    opened = 1 + u.habenula_activity if name == "habenula" else 1
                    rates[f"trapped_{name}"] = (
                        entering * opened * p.trapping_share * open_block * (1 - trapped) - leaving * trapped
                    )
        weight = sum(p[f"block_weight_{name}"] for name in CELL_CLASSES)
        provided["nmda_block_mean"] = (
            sum(p[f"block_weight_{name}"] * q[f"nmda_block_{name}"] for name in CELL_CLASSES) / weight
        )
        provided |= self._interventions(p, q, u)
        return Equations(rates, {**provided, **self._occupancies(p, q)})

    @staticmethod
    def _interventions(p: Symbols, q: Symbols, u: Symbols) -> dict[str, Any]:
        """What is left for the drug to act on where receptors are lost or held by another drug."""
        held = (1 - u.glun2b_loss_pyramidal) * (1 - u.glun2b_antagonist)
        return {
            "glun2b_brake": held * (1 - q.nmda_block_extrasynaptic),
            "interneuron_sensitivity": 1 - p.interneuron_glun2b_share * u.glun2b_loss_interneurons,
            "habenula_release": 1 - (1 - q.nmda_block_habenula) * (1 - u.habenula_local_block),
        }

    @staticmethod
    def _drive(x: Symbols, p: Symbols, pool: str) -> Any:
        """What competes in a pool, on the common scale, to the power of the Hill exponent."""
        total = sum(x[f"site_{name}"] * (p[f"{pool}_access_{name}"] if pool else 1) for name in _BLOCKERS)
        return power(positive(p.block_scale * total), p.block_hill) - power(sp.Float(_NOTHING), p.block_hill)

    @staticmethod
    def _occupancies(p: Symbols, q: Symbols) -> dict[str, Any]:
        found = {}
        for name, (_, reached_by) in TARGETS.items():
            bound = sum(q[f"unbound_{species}_arterial"] / p[ki] for species, ki in reached_by.items())
            found[f"occupancy_{name}"] = bound / (1 + bound)
        return found
