"""Stage 5: AMPA throughput and the fast arm.

More glutamate on AMPA receptors strengthens synapses within hours, as long as
some NMDA function is left; stress raises the drive that this takes. Deep block
shuts the stage for hours and undoes what has built up. The fast arm is not gated
by new spines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp, hill
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Ampa"]


@dataclass(frozen=True)
class Ampa(Stage):
    """AMPA drive, the fast arm, and the memory of deep block."""

    name: ClassVar[str] = "ampa"
    title: ClassVar[str] = "AMPA throughput and the fast arm"
    section: ClassVar[str] = "5"
    states: ClassVar[tuple[State, ...]] = (
        State("fast_gain", "ratio", "strength of the fast arm", 1.0, 1.0),
        State("deep_block_memory", "ratio", "memory of deep NMDA block on pyramidal cells", 0.02),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("glutamate", "ratio", "healthy"),
        Reads("glua1_surface", "ratio", "healthy"),
        Reads("nmda_block_pyramidal", "ratio"),
        Reads("stress", "ratio", "healthy"),
        Reads("unbound_r_hnk_arterial", "uM"),
        Reads("habenula_release", "ratio"),
        Reads("felt_effect", "ratio"),
        Reads("opioid_tolerance", "ratio"),
        Reads("trkb", "ratio", "healthy"),
        Reads("mtorc1", "ratio", "healthy"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("ampa_antagonist", "ratio", "share of AMPA receptors blocked by an antagonist"),
        Input("opioid_antagonist", "ratio", "share of opioid receptors held by an antagonist"),
        Input("opioid_agonist", "ratio", "opioid agonist, as a share of its full effect"),
        Input(
            "nmda_modulator",
            "ratio",
            "positive modulator of NMDA receptors, share of full effect",
        ),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("ampa_drive", "ratio", "AMPA throughput", "healthy"),
        Provides("nmda_function_left", "ratio", "synaptic NMDA function that is left"),
        Provides("late_stage_gate", "ratio", "how open the late stage is after deep block"),
        Provides("plasticity_drive", "ratio", "AMPA-driven plasticity with NMDA function left", "healthy"),
        Provides("fast_arm", "ratio", "strength of the fast arm", "healthy"),
        Provides("lhb_bursts", "ratio", "burst firing of the lateral habenula", "healthy"),
        Provides("opioid_tone", "ratio", "opioid tone", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return growth towards a ceiling by a steep function of AMPA drive, return to 1, and erasure.

        Insertion into what room the ceiling leaves follows the drive, removal does not. At the drive of
        rest both cancel at 1, with the time constant ``fast_arm_time``; without drive the fast arm falls
        to a floor above 0, whatever the values.
        """
        hnk = q.unbound_r_hnk_arterial / (q.unbound_r_hnk_arterial + p.hnk_ampa_half)
        direct = 1 + p.hnk_ampa_gain * hnk
        drive = q.glua1_surface * q.glutamate**p.ampa_exponent * direct * (1 - u.ampa_antagonist)
        # Stress raises the drive that plasticity needs: the threshold that moves with life.
        threshold = p.plasticity_half * exp(p.plasticity_stress_shift * (q.stress - 1))
        relative = hill(q.ampa_drive, threshold, p.plasticity_exponent)
        at_rest = hill(1, p.plasticity_half, p.plasticity_exponent)
        shut = hill(x.deep_block_memory, p.deep_block_half, p.deep_block_exponent)
        erased = p.deep_block_erasure * (1 - q.late_stage_gate) * x.fast_gain
        growth = (
            (q.plasticity_drive - 1)
            + p.habenula_gain * q.stress * q.habenula_release
            + p.trkb_fast_gain * (q.trkb - 1) * (1 - u.ampa_antagonist)
            + p.mtorc1_fast_gain * (q.mtorc1 - 1) * (1 - u.ampa_antagonist)
            + p.dissociation_gain * q.felt_effect
        )
        tone = (1 - u.opioid_antagonist) * (1 + p.opioid_agonist_gain * u.opioid_agonist) / q.opioid_tolerance
        tonic = 2 * hill(q.opioid_tone, 1, p.opioid_exponent)
        permitted = 1 - p.opioid_permission + p.opioid_permission * tonic
        # Only a part of the return to rest hangs on the drive: without it the fast arm falls to a floor.
        rate = p.fast_arm_rate / (1 + p.fast_arm_rate * p.fast_arm_time * p.fast_arm_ceiling)
        built = rate * growth * permitted * (p.fast_arm_ceiling - x.fast_gain)
        enhanced = 1 + p.nmda_modulator_gain * u.nmda_modulator
        return Equations(
            rates={
                "fast_gain": (1 - x.fast_gain) / p.fast_arm_time + built - erased,
                "deep_block_memory": (p.block_cost_weight * q.nmda_block_pyramidal - x.deep_block_memory)
                / p.deep_block_time,
            },
            provides={
                "ampa_drive": drive,
                "nmda_function_left": 1 - p.block_cost_weight * q.nmda_block_pyramidal,
                "late_stage_gate": 1 - shut,
                # Tone permits what AMPA throughput starts: without it days of benefit are lost, not hours.
                "plasticity_drive": relative
                / at_rest
                * q.nmda_function_left
                * enhanced
                * q.late_stage_gate
                * permitted,
                "fast_arm": x.fast_gain,
                "lhb_bursts": (1 + p.habenula_stress_gain * (q.stress - 1)) * (1 - q.habenula_release),
                "opioid_tone": tone,
            },
        )
