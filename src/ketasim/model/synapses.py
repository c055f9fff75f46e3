"""Stage 8: nascent and mature spines in prefrontal cortex.

New spines are born half a day after their proteins. Most are lost within days; a
part settles, ripens for one or two weeks and matures. Nascent spines are both.
Stress lowers formation and speeds elimination; the drug acts on formation alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp, hill
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Synapses"]

#: Steps from protein to a new spine: proteins at the site, filopodia, filopodia in contact. In each an
#: equal part of the lag.
_BIRTH_STEPS = 3
#: Steps from a settled spine to a mature one, chosen so that mature spines miss one exponential by a tenth
#: with some margin.
_RIPENING_STEPS = 4
_RIPENING = tuple(f"ripening_{step}" for step in range(1, _RIPENING_STEPS + 1))


@dataclass(frozen=True)
class Synapses(Stage):
    """Birth, maturation and loss of dendritic spines."""

    name: ClassVar[str] = "synapses"
    title: ClassVar[str] = "Synapses"
    section: ClassVar[str] = "8"
    states: ClassVar[tuple[State, ...]] = (
        State("spine_precursors", "ratio", "proteins ready for new spines", 1.0, 1.0, positive=True),
        State("filopodia", "ratio", "filopodia", 1.0, 1.0, positive=True),
        State("filopodia_in_contact", "ratio", "filopodia in contact with an axon", 1.0, 1.0, positive=True),
        State("unsettled", "ratio", "nascent spines that are lost or settle", 0.1, 0.075, positive=True),
        *(
            State(name, "ratio", f"settled nascent spines, part {step}", 0.02, 0.02, positive=True)
            for step, name in enumerate(_RIPENING, 1)
        ),
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
        """Return formation into the room that is left, ripening and stress-dependent loss."""
        share = p.nascent_share
        # New spines compete for partners: the more there are, the fewer form.
        room = (p.nascent_room - q.spines_nascent / share) / (p.nascent_room - 1)
        slowed = exp(-p.stress_formation_loss * (q.stress - 1))
        eliminated = (
            1 + p.stress_elimination_gain * (q.stress - 1) + p.quinolinate_spine_loss * q.quinolinate_excess
        )
        leaving = 1 / p.nascent_life
        # Lives of the two kinds: at a healthy balance their numbers have the ratio of ripening_share to
        # the rest, and the mean life of all is nascent_life. Stress moves both alike, so that the shares
        # shape courses and leave every rest as it is.
        deciding = leaving / (1 - p.ripening_share)
        settling = p.maturing_share * deciding * x.unsettled
        ripening = _RIPENING_STEPS * p.maturing_share * leaving / p.ripening_share
        # Healthy balance of mature spines: what matures, and steady renewal of their own, make up for loss.
        mature_loss = 1 / p.mature_life
        renewal = mature_loss * (1 - share) - p.maturing_share * leaving * share
        ready = x.filopodia_in_contact
        usual = ready**p.spinogenesis_exponent * q.spine_formation_capacity * slowed
        # A surplus of proteins evokes more spines, up to a limit that further doses do not lift. A part of
        # what forms at rest is evoked too, so that a lack of proteins takes it away and never more.
        evoked = p.evoked_gain * hill(ready, p.evoked_half, p.evoked_exponent)
        at_rest = 1 + p.evoked_gain * hill(1, p.evoked_half, p.evoked_exponent)
        formed = leaving * share * (usual + evoked) / at_rest * room
        # Peripheral mTOR inhibition slows the loss of new spines, through immune cells.
        lost = (1 - p.maturing_share) * deciding * eliminated * (1 - q.immune_protection) * x.unsettled
        birth = p.spine_birth_lag / _BIRTH_STEPS
        moving = [settling, *(ripening * x[name] for name in _RIPENING)]
        return Equations(
            rates={
                "spine_precursors": (q.synaptic_protein - x.spine_precursors) / birth,
                "filopodia": (x.spine_precursors - x.filopodia) / birth,
                "filopodia_in_contact": (x.filopodia - x.filopodia_in_contact) / birth,
                "unsettled": formed - lost - settling - u.spine_erasure * x.unsettled,
                **{
                    name: moving[place] - moving[place + 1] - u.spine_erasure * x[name]
                    for place, name in enumerate(_RIPENING)
                },
                "mature": moving[-1]
                + renewal * q.spine_formation_capacity * slowed
                - mature_loss * eliminated * x.mature,
            },
            provides={
                "spines_nascent": x.unsettled + sum(x[name] for name in _RIPENING),
                "spines_mature": x.mature,
                "spine_density": q.spines_nascent + q.spines_mature,
                "sv2a_binding": 1 + p.sv2a_gain * (q.spines_mature - (1 - share)),
            },
        )
