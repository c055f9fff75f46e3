"""Stage 8: nascent and mature spines in prefrontal cortex.

New spines are born half a day after their proteins, most are lost within a week,
a part matures. Stress lowers formation and speeds elimination; the drug acts on
formation alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp, hill
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Synapses"]


@dataclass(frozen=True)
class Synapses(Stage):
    """Birth, maturation and loss of dendritic spines."""

    name: ClassVar[str] = "synapses"
    title: ClassVar[str] = "Synapses"
    section: ClassVar[str] = "8"
    states: ClassVar[tuple[State, ...]] = (
        State("spine_precursors", "ratio", "proteins ready for new spines", 1.0, 1.0, positive=True),
        State("nascent", "ratio", "nascent spines", 0.1, 0.15, positive=True),
        State("mature", "ratio", "mature spines", 1.0, 0.85, positive=True),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("synaptic_protein", "ratio", "healthy"),
        Reads("stress", "ratio", "healthy"),
        Reads("spine_formation_capacity", "ratio", "healthy"),
        Reads("quinolinate_excess", "ratio"),
        Reads("immune_protection", "ratio"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("spine_erasure", "1/h", "rate at which new spines are erased by an experiment"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("spines_nascent", "ratio", "nascent spines, share of a healthy person's all", "healthy"),
        Provides("spines_mature", "ratio", "mature spines, share of a healthy person's all", "healthy"),
        Provides("spine_density", "ratio", "spine density", "healthy"),
        Provides("sv2a_binding", "ratio", "synaptic vesicle PET signal", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return formation into the room that is left, maturation and stress-dependent loss."""
        share = p.nascent_share
        # New spines compete for partners: the more there are, the fewer form.
        room = (p.nascent_room - q.spines_nascent / share) / (p.nascent_room - 1)
        slowed = exp(-p.stress_formation_loss * (q.stress - 1))
        eliminated = (
            1 + p.stress_elimination_gain * (q.stress - 1) + p.quinolinate_spine_loss * q.quinolinate_excess
        )
        leaving = 1 / p.nascent_life
        maturing = p.maturing_share * leaving
        # Healthy balance of mature spines: what matures, and steady renewal of their own, make up for loss.
        mature_loss = 1 / p.mature_life
        renewal = mature_loss * (1 - share) - maturing * share
        usual = x.spine_precursors**p.spinogenesis_exponent * q.spine_formation_capacity * slowed
        # A surplus of proteins evokes more spines, up to a limit that further doses do not lift.
        surplus = hill(x.spine_precursors, p.evoked_half, p.evoked_exponent)
        evoked = p.evoked_gain * (surplus - hill(1, p.evoked_half, p.evoked_exponent))
        formed = leaving * share * (usual + evoked) * room
        # Peripheral mTOR inhibition slows the loss of new spines, through immune cells.
        lost = (leaving - maturing) * eliminated * (1 - q.immune_protection) * x.nascent
        return Equations(
            rates={
                "spine_precursors": (q.synaptic_protein - x.spine_precursors) / p.spine_birth_lag,
                "nascent": formed - lost - (maturing + u.spine_erasure) * x.nascent,
                "mature": maturing * x.nascent
                + renewal * q.spine_formation_capacity * slowed
                - mature_loss * eliminated * x.mature,
            },
            provides={
                "spines_nascent": x.nascent,
                "spines_mature": x.mature,
                "spine_density": q.spines_nascent + q.spines_mature,
                "sv2a_binding": 1 + p.sv2a_gain * (q.spines_mature - (1 - share)),
            },
        )
