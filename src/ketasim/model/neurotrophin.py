"""Stage 6: eEF2, BDNF and TrkB.

AMPA drive releases BDNF; block of NMDA channels at rest lowers the
phosphorylation of eEF2, which frees translation; BDNF activates TrkB. BDNF is
made, packed and released in turn, so that its rise is no single exponential.
Plasma BDNF is a read-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Neurotrophin"]

#: Steps between demand and released BDNF: made, packed, released. Each takes an equal part of the time.
_STEPS = 3


@dataclass(frozen=True)
class Neurotrophin(Stage):
    """Phosphorylated eEF2, BDNF from synthesis to release, active TrkB, plasma BDNF."""

    name: ClassVar[str] = "neurotrophin"
    title: ClassVar[str] = "BDNF, TrkB, eEF2"
    section: ClassVar[str] = "6"
    states: ClassVar[tuple[State, ...]] = (
        State("eef2_phosphorylated", "ratio", "phosphorylated eEF2", 1.0, 1.0, positive=True),
        State("bdnf_made", "ratio", "BDNF as it is made", 1.0, 1.0),
        State("bdnf_packed", "ratio", "BDNF packed in vesicles", 1.0, 1.0),
        State("bdnf_released", "ratio", "released BDNF", 1.0, 1.0),
        State("trkb_active", "ratio", "active TrkB", 1.0, 1.0, positive=True),
        State("bdnf_in_plasma", "ratio", "BDNF in plasma", 1.0, 1.0),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("plasticity_drive", "ratio", "healthy"),
        Reads("nmda_block_resting", "ratio"),
        Reads("stress", "ratio", "healthy"),
        Reads("antidepressant_drive", "ratio"),
        Reads("occupancy_trkb", "ratio"),
        Reads("antidepressant_given", "ratio"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("eef2k_inhibition", "ratio", "share of eEF2 kinase inhibited"),
        Input("bdnf_loss", "ratio", "share of BDNF lost: 0.5 in heterozygous, 1 in knock-out animals"),
        Input("trkb_site_loss", "ratio", "share of TrkB without the transmembrane site"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("eef2", "ratio", "phosphorylated eEF2", "healthy"),
        Provides("bdnf", "ratio", "released BDNF", "healthy"),
        Provides("trkb", "ratio", "active TrkB", "healthy"),
        Provides("bdnf_plasma", "ratio", "BDNF in plasma", "healthy"),
        Provides("trkb_site", "ratio", "share of TrkB whose transmembrane site is whole", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return basal, activity-driven and eEF2-gated release, and saturable receptor activation."""
        active = q.plasticity_drive / (p.bdnf_half_drive + q.plasticity_drive)
        active_rest = 1 / (p.bdnf_half_drive + 1)
        site = 1 - u.trkb_site_loss
        # Met lowers what is secreted at rest a little, and what activity and drugs add in full.
        basal = 1 - p.bdnf_basal_met * (1 - p.val66met_secretion)
        secretion = basal + p.val66met_secretion * (
            p.bdnf_activity_gain * (active - active_rest)
            + p.bdnf_antidepressant_gain * q.antidepressant_drive * site
        )
        derepressed = p.bdnf_eef2_gain * (1 - x.eef2_phosphorylated)
        suppression = 1 / (1 + p.bdnf_stress_suppression * (q.stress - 1))
        # Animals with one gene make up for most of the loss; with none there is nothing to make up with.
        lost = u.bdnf_loss * (1 - p.bdnf_compensation * (1 - u.bdnf_loss) * 2)
        bound = x.bdnf_released * (1 + p.trkb_half_bdnf) / (x.bdnf_released + p.trkb_half_bdnf)
        demand = suppression * (1 - lost) * (secretion + derepressed)
        step = p.bdnf_time / _STEPS
        # Conventional drugs activate TrkB at once, without BDNF.
        acute = p.trkb_direct_gain * q.occupancy_trkb + p.trkb_antidepressant_gain * q.antidepressant_given
        # What the receptor adds to its rest needs the site, whatever drives it.
        answer = (bound * (1 + acute) - 1) * (1 - p.trkb_site_need * (1 - site))
        unblocked = 1 - p.resting_weight * p.eef2_block_gain * q.nmda_block_resting
        return Equations(
            rates={
                "eef2_phosphorylated": p.eef2_rate
                * (unblocked * (1 - p.eef2k_share * u.eef2k_inhibition) - x.eef2_phosphorylated),
                "bdnf_made": (demand - x.bdnf_made) / step,
                "bdnf_packed": (x.bdnf_made - x.bdnf_packed) / step,
                "bdnf_released": (x.bdnf_packed - x.bdnf_released) / step,
                "trkb_active": (1 + answer - x.trkb_active) / p.trkb_time,
                "bdnf_in_plasma": (1 + p.bdnf_plasma_share * (x.bdnf_released - 1) - x.bdnf_in_plasma)
                / p.bdnf_plasma_time,
            },
            provides={
                "eef2": x.eef2_phosphorylated,
                "bdnf": x.bdnf_released,
                "trkb": x.trkb_active,
                "bdnf_plasma": x.bdnf_in_plasma,
                "trkb_site": site,
            },
        )
