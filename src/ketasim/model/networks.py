"""Stage 9: connectivity of large networks, as a read-out with zero weight on mood.

What block, inhibition, density and illness do to connectivity is read from closed-form surfaces of a
whole-brain model (``ketasim.brain``). No way in which density may act passes the rule on late signs there:
hence the zero weight. It acts through the control network's hold on the default mode, the only way that has
the directions of what was published. Midazolam loosens the default mode as much as ketamine does.

Prefrontal global connectivity rises in people while networks loosen, which that model cannot do; it keeps an
empirical form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ketasim.brain.formulas import departure
from ketasim.brain.surfaces import load_surfaces
from ketasim.model.functions import exp, power
from ketasim.model.stage import Between, Equations, Provides, Reads, Stage, State, Symbols

__all__ = ["Networks"]

#: Read-outs that need no memory: what is provided, and the surface behind it.
_AT_ONCE = {
    "pcc_mpfc_change": "pcc_mpfc",
    "insula_dmn_change": "insula_dmn",
    "dmn_control_change": "dmn_control",
}


@dataclass(frozen=True)
class Networks(Stage):
    """Default mode, salience and global connectivity, and communication between regions."""

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
        Reads("nmda_block_pyramidal", "ratio"),
        Reads("nmda_block_pv", "ratio"),
        Reads("nmda_block_sst", "ratio"),
        Reads("spine_density", "ratio", "healthy"),
        Reads("network_shift", "ratio"),
        Reads("network_illness", "ratio"),
        Reads("midazolam_effect", "ratio"),
        Reads("inflammation", "ratio", "healthy"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("dmn_connectivity", "ratio", "default mode network connectivity", "healthy"),
        Provides("salience_connectivity", "ratio", "salience network connectivity", "healthy"),
        Provides("global_connectivity", "ratio", "prefrontal global connectivity", "healthy"),
        Provides("control_on_dmn", "ratio", "control network's hold on the default mode", "healthy"),
        Provides("pcc_mpfc_change", "ratio", "posterior cingulate to prefrontal, Fisher z above healthy"),
        Provides("insula_dmn_change", "ratio", "insula to default mode, Fisher z above healthy"),
        Provides("dmn_control_change", "ratio", "default mode to control network, Fisher z above healthy"),
        Provides("communication", "ratio", "information that regions share", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return connectivities that relax to the surfaces, and the slow re-adaptation of inhibition."""
        surfaces = load_surfaces().surfaces
        brain = (
            q.nmda_block_pyramidal,
            # The brain's one kind of interneuron lies between the two that are blocked most.
            (q.nmda_block_pv + q.nmda_block_sst) / 2,
            1 + p.midazolam_inhibition_gain * q.midazolam_effect,
            q.spine_density,
            x.adapted_density,
            q.network_illness,
        )
        steps = Between()

        def surface(name: str) -> Any:
            return departure(surfaces[name], brain, power, steps)

        within_dmn = surface("within_dmn")
        dmn = exp(q.network_shift + p.dmn_inflammation_gain * (q.inflammation - 1) + within_dmn)
        salience = exp(surface("within_salience"))
        at_once = {name: surface(behind) for name, behind in _AT_ONCE.items()}
        # What the whole brain gives alone is a hundredth of the gap that was seen to close and open again.
        hold = q.control_on_dmn - 1
        at_once["insula_dmn_change"] -= p.insula_hold_gain * hold * q.network_illness
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
                "control_on_dmn": q.spine_density / x.adapted_density,
                "communication": exp(surface("mutual_information")),
                **at_once,
            },
            between=steps,
        )
