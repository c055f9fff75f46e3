"""Stage 7: mTORC1, translation, synaptic proteins and surface GluA1.

TrkB switches mTORC1 on; a feedback through Rheb switches it off again within
hours, even under a constant drive. Translation lags, the pool of synaptic
proteins lives for days. Surface GluA1 follows the pool, and what was just made
is on the surface before the pool has grown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Translation"]


@dataclass(frozen=True)
class Translation(Stage):
    """mTORC1 with its feedback, translation, the protein pool and surface GluA1."""

    name: ClassVar[str] = "translation"
    title: ClassVar[str] = "mTORC1 and translation"
    section: ClassVar[str] = "7"
    states: ClassVar[tuple[State, ...]] = (
        State("mtorc1_active", "ratio", "active mTORC1", 1.0, 1.0, positive=True),
        State("rheb_feedback", "ratio", "feedback on mTORC1 through Rheb", 1.0, 1.0, positive=True),
        State("translation_activity", "ratio", "synaptic translation", 1.0, 1.0),
        State("protein_pool", "ratio", "pool of synaptic proteins", 1.0, 1.0, positive=True),
        State("glua1_on_surface", "ratio", "surface GluA1", 1.0, 1.0),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("trkb", "ratio", "healthy"),
        Reads("eef2", "ratio", "healthy"),
        Reads("late_stage_gate", "ratio"),
        Reads("gaba_tone", "ratio", "healthy"),
        Reads("glun2b_brake", "ratio", "healthy"),
        Reads("fast_arm", "ratio", "healthy"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("mtor_inhibition_brain", "ratio", "share of mTORC1 inhibited in the brain"),
        Input("translation_inhibition", "ratio", "share of protein synthesis inhibited"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("mtorc1", "ratio", "active mTORC1", "healthy"),
        Provides("translation", "ratio", "synaptic translation", "healthy"),
        Provides("synaptic_protein", "ratio", "pool of synaptic proteins", "healthy"),
        Provides("glua1_surface", "ratio", "surface GluA1", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return a saturable drive divided by its feedback, a lagged synthesis and a slow pool."""
        n = p.mtorc1_exponent
        drive = q.trkb**n * (p.mtorc1_half_trkb**n + 1) / (p.mtorc1_half_trkb**n + q.trkb**n)
        # Extrasynaptic GluN2B holds mTORC1 down; without it the drive is larger.
        released = exp(p.extrasynaptic_gain * (1 - q.glun2b_brake))
        # No inhibitor takes all: else activity would be at zero, where its law ends.
        left = 1 - (1 - p.mtor_uninhibited) * u.mtor_inhibition_brain
        allowed = drive * released * left / x.rheb_feedback**p.rheb_exponent
        asked = (x.mtorc1_active / q.eef2**p.eef2_translation_exponent) ** p.translation_exponent
        # Ribosomes are not without end: when an inhibitor is gone at once, mTORC1 meets no feedback.
        made = asked * (1 + p.translation_ceiling) / (asked + p.translation_ceiling)
        # Too little GABA is answered by fewer surface receptors (homeostasis).
        kept = x.protein_pool**p.glua1_exponent * q.gaba_tone**p.glua1_gaba_exponent
        # At rest as much is made as is lost: new receptors count only while there are more or fewer.
        fresh = exp(p.glua1_new_gain * (x.translation_activity - x.protein_pool))
        # What the fast arm is at the membrane: receptors that activity inserts before any are made.
        inserted = 1 + p.glua1_insertion_gain * (q.fast_arm - 1)
        return Equations(
            rates={
                "mtorc1_active": (allowed - x.mtorc1_active) / p.mtorc1_time,
                "rheb_feedback": (x.mtorc1_active - x.rheb_feedback) / p.rheb_time,
                "translation_activity": (made * (1 - u.translation_inhibition) - x.translation_activity)
                / p.translation_time,
                "protein_pool": (x.translation_activity - x.protein_pool) / p.protein_time
                - p.deep_block_protein_loss * (1 - q.late_stage_gate) * (x.protein_pool - 1),
                "glua1_on_surface": (kept * fresh * inserted - x.glua1_on_surface) / p.glua1_time,
            },
            provides={
                "mtorc1": x.mtorc1_active,
                "translation": x.translation_activity,
                "synaptic_protein": x.protein_pool,
                "glua1_surface": x.glua1_on_surface,
            },
        )
