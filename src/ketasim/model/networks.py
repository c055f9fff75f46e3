"""Stage 9: connectivity of large networks, as a read-out with zero weight on mood.

Acute block loosens the default mode and salience networks and raises global
connectivity. Later, more spines strengthen the control network's hold on the
default mode, until inhibition re-adapts. Midazolam loosens the default mode as
much as ketamine does, which is why it does not drive mood.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp
from ketasim.model.stage import Equations, Provides, Reads, Stage, State, Symbols

__all__ = ["Networks"]


@dataclass(frozen=True)
class Networks(Stage):
    """Default mode, salience and global connectivity."""

    name: ClassVar[str] = "networks"
    title: ClassVar[str] = "Networks"
    section: ClassVar[str] = "9"
    states: ClassVar[tuple[State, ...]] = (
        State("dmn", "ratio", "connectivity within the default mode network", 1.0, 1.0),
        State("salience", "ratio", "connectivity within the salience network", 1.0, 1.0),
        State("global_state", "ratio", "global brain connectivity of prefrontal cortex", 1.0, 1.0),
        State("adapted_density", "ratio", "spine density to which inhibition has adapted", 1.0, 1.0),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("nmda_block_mean", "ratio"),
        Reads("spine_density", "ratio", "healthy"),
        Reads("network_shift", "ratio"),
        Reads("midazolam_effect", "ratio"),
        Reads("inflammation", "ratio", "healthy"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("dmn_connectivity", "ratio", "default mode network connectivity", "healthy"),
        Provides("salience_connectivity", "ratio", "salience network connectivity", "healthy"),
        Provides("global_connectivity", "ratio", "prefrontal global connectivity", "healthy"),
        Provides("control_on_dmn", "ratio", "control network's hold on the default mode", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return connectivities that relax to log-linear targets, and the slow re-adaptation."""
        hold = q.spine_density / x.adapted_density
        loosened = p.dmn_block_loss * q.nmda_block_mean + p.dmn_midazolam_loss * q.midazolam_effect
        dmn = exp(
            q.network_shift
            + p.dmn_inflammation_gain * (q.inflammation - 1)
            - loosened
            - p.dmn_control_loss * (q.control_on_dmn - 1)
        )
        salience = exp(-p.salience_block_loss * q.nmda_block_mean)
        overall = exp(p.global_block_gain * q.nmda_block_mean + p.global_density_gain * (q.spine_density - 1))
        return Equations(
            rates={
                "dmn": (dmn - x.dmn) / p.network_time,
                "salience": (salience - x.salience) / p.network_time,
                "global_state": (overall - x.global_state) / p.network_time,
                "adapted_density": (q.spine_density - x.adapted_density) / p.inhibition_adaptation_time,
            },
            provides={
                "dmn_connectivity": x.dmn,
                "salience_connectivity": x.salience,
                "global_connectivity": x.global_state,
                "control_on_dmn": hold,
            },
        )
