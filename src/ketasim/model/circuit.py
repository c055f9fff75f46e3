"""Stage 3: firing of four cell classes and gamma power under class-wise block.

The closed forms are surfaces fitted to runs of a spiking prefrontal network
(``ketasim.circuit``); nothing is read from a table at run time. Block of
interneurons lifts inhibition from pyramidal cells; deep block lowers all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from ketasim.circuit.formulas import OUTPUTS, coefficient_names, drive
from ketasim.model.functions import exp, power
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, Symbols

__all__ = ["Circuit"]

#: Coefficients that carry what a lost inhibition does to pyramidal cells.
_DISINHIBITION = ("pyramidal_rate_swing", "gamma_power_swing")


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
        Reads("gaba_tone", "ratio", "healthy"),
        Reads("spine_density", "ratio", "healthy"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("benzodiazepine", "ratio", "share of disinhibition that a benzodiazepine prevents"),
        Input("release_inhibition", "ratio", "share of glutamate release that a drug prevents"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("pyramidal_rate", "ratio", "firing of pyramidal cells", "healthy"),
        Provides("pv_rate", "ratio", "firing of PV interneurons", "healthy"),
        Provides("sst_rate", "ratio", "firing of SST interneurons", "healthy"),
        Provides("vip_rate", "ratio", "firing of VIP interneurons", "healthy"),
        Provides("gamma_power", "ratio", "gamma power, sign only: its size is not calibrated", "healthy"),
        Provides("release_gain", "ratio", "glutamate released per spike"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return the exponential of each surface; pyramidal firing also follows synaptic density."""
        # Lifting inhibition is worth less where GABA is scarce, and less again where a
        # benzodiazepine makes the inhibition that remains count for more.
        lifted = q.gaba_tone**p.gaba_gain_exponent * (1 - u.benzodiazepine)
        block = (q.nmda_block_pyramidal, q.nmda_block_pv, q.nmda_block_sst, q.nmda_block_vip)
        rates: dict[str, Any] = {}
        for output in OUTPUTS:
            coefficients = [
                p[name] * lifted if name in _DISINHIBITION else p[name] for name in coefficient_names(output)
            ]
            rates[output] = exp(drive(output, coefficients, block, p.circuit_log_limit, power))
        rates["pyramidal_rate"] *= q.spine_density**p.density_rate_exponent
        return Equations(rates={}, provides={**rates, "release_gain": 1 - u.release_inhibition})
