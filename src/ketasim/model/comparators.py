"""Stage 14: what is given beside or instead of ketamine.

Midazolam, the active control, in two compartments with an effect site; memantine,
another channel blocker, by mouth in one; and a conventional antidepressant, whose
slow adaptation acts on the same growth-factor node as ketamine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.stage import Equations, Input, Provides, Stage, State, Symbols

__all__ = ["Comparators"]


@dataclass(frozen=True)
class Comparators(Stage):
    """Midazolam, memantine and a conventional antidepressant."""

    name: ClassVar[str] = "comparators"
    title: ClassVar[str] = "Comparators"
    section: ClassVar[str] = "14"
    states: ClassVar[tuple[State, ...]] = (
        State("midazolam_central", "umol", "midazolam, central", 1.0),
        State("midazolam_peripheral", "umol", "midazolam, peripheral", 1.0),
        State("midazolam_effect_site", "uM", "midazolam at its effect site", 0.05),
        State("memantine_gut", "umol", "memantine in the gut", 50.0),
        State("memantine_central", "umol", "memantine in the body", 50.0),
        State("antidepressant_adaptation", "ratio", "slow adaptation to a conventional antidepressant", 0.1),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("antidepressant", "ratio", "conventional antidepressant, newly started (0 or 1)"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("midazolam_plasma", "mg/L", "midazolam in plasma, total", display="ng/mL"),
        Provides("midazolam_effect", "ratio", "midazolam at its effect site, share of the full effect"),
        Provides("memantine_plasma", "mg/L", "memantine in plasma, total", display="ng/mL"),
        Provides("unbound_memantine", "uM", "memantine in plasma, unbound"),
        Provides("antidepressant_drive", "ratio", "drive of a conventional antidepressant"),
        Provides("antidepressant_given", "ratio", "conventional antidepressant, newly started (0 or 1)"),
    )

    borrowed: ClassVar[tuple[str, ...]] = ("weight", "weight_reference", "allometric_exponent")

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return the kinetics of both drugs, the effect of midazolam, and the adaptation."""
        size = p.weight / p.weight_reference
        plasma = x.midazolam_central / (size * p.midazolam_volume)
        peripheral = x.midazolam_peripheral / (size * p.midazolam_volume_peripheral)
        exchange = p.midazolam_flow * (plasma - peripheral)
        site = x.midazolam_effect_site
        memantine = x.memantine_central / (size * p.memantine_volume)
        absorbed = p.memantine_absorption_rate * x.memantine_gut
        flow = size**p.allometric_exponent
        return Equations(
            rates={
                "midazolam_central": -p.midazolam_clearance * plasma - exchange,
                "midazolam_peripheral": exchange,
                "midazolam_effect_site": p.midazolam_effect_rate * (plasma - site),
                "memantine_gut": -absorbed,
                "memantine_central": absorbed - flow * p.memantine_clearance * memantine,
                "antidepressant_adaptation": (u.antidepressant - x.antidepressant_adaptation)
                / p.antidepressant_time,
            },
            provides={
                "midazolam_plasma": p.molar_mass_midazolam * plasma,
                "midazolam_effect": site / (site + p.midazolam_half_effect),
                "memantine_plasma": p.molar_mass_memantine * memantine,
                "unbound_memantine": p.memantine_unbound_fraction * memantine,
                "antidepressant_drive": x.antidepressant_adaptation,
                "antidepressant_given": u.antidepressant,
            },
        )
