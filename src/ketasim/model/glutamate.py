"""Stage 4: glutamate and GABA outside the cells, and the slow loss of mGlu5 receptors.

Release follows pyramidal firing; astrocytes take glutamate up by a saturable
transport, which inflammation weakens; presynaptic autoreceptors end a surge within
hours; an episode of depression starts with too
little GABA. mGlu5 receptors are internalised by excess glutamate and come back
over days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.stage import Equations, Provides, Reads, Stage, State, Symbols

__all__ = ["Glutamate"]


@dataclass(frozen=True)
class Glutamate(Stage):
    """Extracellular glutamate, GABA and surface mGlu5."""

    name: ClassVar[str] = "glutamate"
    title: ClassVar[str] = "Glutamate and GABA"
    section: ClassVar[str] = "4"
    states: ClassVar[tuple[State, ...]] = (
        State("glutamate_outside", "ratio", "extracellular glutamate", 1.0, 1.0, positive=True),
        State("glutamine_pool", "ratio", "astrocytic glutamine that refills release", 1.0, 1.0),
        State(
            "autoreceptor_tone", "ratio", "tone on presynaptic mGlu2/3 autoreceptors", 1.0, 1.0, positive=True
        ),
        State("gaba_outside", "ratio", "extracellular GABA", 1.0, 1.0),
        State("mglur5_internalised", "ratio", "share of mGlu5 receptors taken inside", 0.1, 0.1),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("pyramidal_rate", "ratio", "healthy"),
        Reads("sst_rate", "ratio", "healthy"),
        Reads("pv_rate", "ratio", "healthy"),
        Reads("release_gain", "ratio"),
        Reads("gaba_synthesis", "ratio", "healthy"),
        Reads("astrocyte_uptake", "ratio", "healthy"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("glutamate", "ratio", "extracellular glutamate", "healthy"),
        Provides("glutamine_enrichment", "ratio", "glutamate cycling into glutamine", "healthy"),
        Provides("gaba", "ratio", "extracellular GABA", "healthy"),
        Provides("gaba_tone", "ratio", "GABA made per unit of inhibitory firing", "healthy"),
        Provides("mglur5_surface", "ratio", "mGlu5 receptors on the surface", "healthy"),
        Provides("mrs_glx", "ratio", "glutamate and glutamine by magnetic resonance", "healthy"),
        Provides("mrs_gaba", "ratio", "GABA by magnetic resonance", "healthy"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return release minus saturable uptake, each scaled so that health is 1."""
        outside = x.glutamate_outside
        # Autoreceptors sense what is outside and turn release down within the hour.
        braked = x.autoreceptor_tone**p.autoreceptor_exponent
        release = q.pyramidal_rate * q.release_gain * x.glutamine_pool / braked
        uptake = (
            q.astrocyte_uptake * outside * (1 + p.uptake_saturation) / (1 + p.uptake_saturation * outside)
        )
        inhibition = p.gaba_sst_share * q.sst_rate + (1 - p.gaba_sst_share) * q.pv_rate
        inside = x.mglur5_internalised
        rest = p.mglur5_rest
        return Equations(
            rates={
                "glutamate_outside": p.glutamate_uptake_rate * (release - uptake),
                "glutamine_pool": p.glutamine_rate
                * (
                    1
                    + p.glutamine_recycling * (uptake - 1)
                    - p.glutamine_use * (release - 1)
                    - x.glutamine_pool
                ),
                "autoreceptor_tone": (outside - x.autoreceptor_tone) / p.autoreceptor_time,
                "gaba_outside": p.gaba_uptake_rate * (q.gaba_synthesis * inhibition - x.gaba_outside),
                # Perisynaptic receptors see far more than is seen outside: a steep law, as of the AMPA drive.
                "mglur5_internalised": p.mglur5_recovery_rate
                * (rest * (1 - inside) * outside**p.mglur5_exponent - (1 - rest) * inside),
            },
            provides={
                "glutamate": outside,
                "glutamine_enrichment": uptake,
                "gaba": x.gaba_outside,
                "gaba_tone": q.gaba_synthesis,
                "mglur5_surface": (1 - inside) / (1 - rest),
                "mrs_glx": 1 + p.mrs_glx_sensitivity * (outside - 1),
                "mrs_gaba": 1 + p.mrs_gaba_sensitivity * (x.gaba_outside - 1),
            },
        )
