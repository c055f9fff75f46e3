"""Stage 12: pain over minutes to days, opioid need and sparing.

Ketamine and norketamine act at an effect site on pain itself and on central
sensitisation, which recovers within a day or two. Opioid tolerance grows with
use and is partly undone by NMDA block. Without a painful condition all is zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import hill
from ketasim.model.stage import Equations, Provides, Reads, Stage, State, Symbols

__all__ = ["Pain"]


@dataclass(frozen=True)
class Pain(Stage):
    """Pain score, sensitisation, opioid tolerance and opioid need."""

    name: ClassVar[str] = "pain"
    title: ClassVar[str] = "Pain"
    section: ClassVar[str] = "12"
    states: ClassVar[tuple[State, ...]] = (
        State("analgesic_site", "uM", "S-ketamine at the analgesic effect site", 0.1),
        State("sensitisation", "ratio", "central sensitisation", 1.0, 1.0),
        State("tolerance_to_opioids", "ratio", "opioid tolerance", 1.0, 1.0),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("unbound_s_ketamine_arterial", "uM"),
        Reads("unbound_r_ketamine_arterial", "uM"),
        Reads("unbound_norketamine_arterial", "uM"),
        Reads("nmda_block_mean", "ratio"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("pain_nrs", "points", "pain, numeric rating scale (0 to 10)"),
        Provides("opioid_need", "mg/h", "oral morphine equivalents needed"),
        Provides("opioid_tolerance", "ratio", "opioid tolerance; 1 without opioids"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return an effect site, NMDA-dependent sensitisation and tolerance, and the score."""
        entering = (
            q.unbound_s_ketamine_arterial
            + p.analgesic_potency_r * q.unbound_r_ketamine_arterial
            + p.analgesic_potency_norketamine * q.unbound_norketamine_arterial
        )
        relief = p.analgesia_maximum * hill(x.analgesic_site, p.analgesia_c50, p.analgesia_exponent)
        need = p.opioid_dose * x.tolerance_to_opioids * x.sensitisation * (1 - relief)
        # Tolerance at rest is 1 + its gain times the usual opioid dose.
        usual = 1 + p.opioid_tolerance_gain * p.opioid_dose / p.opioid_dose_reference
        return Equations(
            rates={
                "analgesic_site": p.analgesic_site_rate * (entering - x.analgesic_site),
                "sensitisation": (1 - p.sensitisation_block_gain * q.nmda_block_mean - x.sensitisation)
                / p.sensitisation_time,
                "tolerance_to_opioids": (
                    usual * (1 - p.opioid_tolerance_block_gain * q.nmda_block_mean) - x.tolerance_to_opioids
                )
                / p.opioid_tolerance_time,
            },
            provides={
                "pain_nrs": p.pain_intensity * x.sensitisation * (1 - relief),
                "opioid_need": need,
                "opioid_tolerance": x.tolerance_to_opioids,
            },
        )
