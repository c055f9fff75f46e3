"""Stage 3: firing of four cell classes and gamma power, from block, GABA, release and synaptic density.

The closed forms are surfaces of a spiking prefrontal network (``ketasim.circuit``); nothing is read from a
table at run time. Block of interneurons lifts inhibition from pyramidal cells; deep block lowers all. The
network is one of an ensemble: the option ``circuit`` takes another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.circuit.formulas import log_ratios
from ketasim.model.functions import exp, power
from ketasim.model.stage import Between, Equations, Input, Provides, Reads, Stage, Symbols

__all__ = ["Circuit"]


@dataclass(frozen=True)
class Circuit(Stage):
    """Rates of pyramidal, PV, SST and VIP cells, and gamma power (sign only)."""

    name: ClassVar[str] = "circuit"
    title: ClassVar[str] = "Circuit"
    section: ClassVar[str] = "3"
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("nmda_block_pyramidal", "ratio"),
        Reads("nmda_block_pv", "ratio"),
        Reads("nmda_block_sst", "ratio"),
        Reads("nmda_block_vip", "ratio"),
        Reads("interneuron_sensitivity", "ratio"),
        Reads("gaba_tone", "ratio", "healthy"),
        Reads("spine_density", "ratio", "healthy"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("benzodiazepine", "ratio", "GABA-A receptors that hold a benzodiazepine, as a share"),
        Input("release_inhibition", "ratio", "share of glutamate release that a drug prevents"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("pyramidal_rate", "ratio", "firing of pyramidal cells", "healthy"),
        Provides("pv_rate", "ratio", "firing of PV interneurons", "healthy"),
        Provides("sst_rate", "ratio", "firing of SST interneurons", "healthy"),
        Provides("vip_rate", "ratio", "firing of VIP interneurons", "healthy"),
        Provides("gamma_power", "ratio", "gamma power, sign only: its size is not calibrated", "healthy"),
        Provides("interneuron_rate", "ratio", "firing of PV and SST interneurons, mean", "healthy"),
        Provides("beta_power", "ratio", "beta power at rest, sign only", "healthy"),
        Provides("slow_power", "ratio", "delta, theta and alpha power, sign only", "healthy"),
        Provides("release_gain", "ratio", "glutamate released per spike"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return the exponential of each surface."""
        release = 1 - u.release_inhibition
        # What is bound makes each event of inhibition larger; a GABA deficit makes it smaller.
        gaba_a = q.gaba_tone * (1 + p.benzodiazepine_gaba_gain * u.benzodiazepine)
        # Rival mechanisms cut the path; lost GluN2B leaves interneurons little to be blocked.
        inside = p.circuit_weight * q.interneuron_sensitivity
        inputs = (
            p.circuit_weight * q.nmda_block_pyramidal,
            inside * q.nmda_block_pv,
            inside * q.nmda_block_sst,
            inside * q.nmda_block_vip,
            gaba_a - 1,
            release - 1,
            q.spine_density - 1,
        )
        steps = Between()
        logs = log_ratios(lambda name: p[name], inputs, power, steps)
        rates = {output: exp(value) for output, value in logs.items()}
        read_outs = {
            "interneuron_rate": (q.pv_rate + q.sst_rate) / 2,
            "beta_power": 1 + p.beta_gain * (q.pv_rate - 1),
            "slow_power": 1 + p.slow_gain * (q.sst_rate - 1),
            "release_gain": release,
        }
        return Equations(rates={}, provides={**rates, **read_outs}, between=steps)
