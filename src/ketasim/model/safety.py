"""Stage 13: harms, acute and long-term.

Acute ones follow an effect site of S-ketamine with a weaker share of R:
dissociation (which fades with repetition), drug high, blood pressure and pulse
(without tolerance), sedation, nausea, cognition. Long-term ones follow cumulative
exposure: bladder and cognition. None of them is on the way to mood.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp, hill, positive
from ketasim.model.stage import Equations, Provides, Reads, Stage, State, Symbols

__all__ = ["Safety"]


@dataclass(frozen=True)
class Safety(Stage):
    """Dissociation, drug high, circulation, sedation, nausea, bladder and cognition."""

    name: ClassVar[str] = "safety"
    title: ClassVar[str] = "Harms"
    section: ClassVar[str] = "13"
    states: ClassVar[tuple[State, ...]] = (
        State("psychotomimetic_site", "uM", "S-ketamine equivalents at the psychotomimetic site", 0.1),
        State("psychotomimetic_tolerance", "ratio", "tolerance to the felt effect", 0.1),
        State("pressor_site", "uM", "S-ketamine at the pressor effect site", 0.1),
        State("nausea_hazard", "ratio", "hazard of nausea gathered over the last hours", 0.1),
        State("bladder_exposure", "ratio", "damage to the bladder that has not healed", 0.01),
        State("cognitive_exposure", "ratio", "long-term load on cognition", 0.01),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("unbound_s_ketamine_arterial", "uM"),
        Reads("unbound_r_ketamine_arterial", "uM"),
        Reads("unbound_norketamine_arterial", "uM"),
        Reads("midazolam_effect", "ratio"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("felt_effect", "ratio", "how strongly a dose is felt (0 to 1)", high=1.0),
        Provides("drug_high", "points", "drug high, visual analogue scale (0 to 100)"),
        Provides("cadss", "points", "dissociation, CADSS total (0 to 92)"),
        Provides("systolic_pressure", "mmHg", "systolic blood pressure"),
        Provides("diastolic_pressure", "mmHg", "diastolic blood pressure"),
        Provides("sbp_peak_change", "mmHg", "expected individual peak rise of systolic pressure"),
        Provides("heart_rate", "1/min", "heart rate"),
        Provides("sedation", "points", "alertness, MOAA/S (5 awake, 0 no response)"),
        Provides("nausea", "probability", "chance of having had nausea in the last hours", high=1.0),
        Provides("bladder_risk", "probability", "chance of bladder symptoms", high=1.0),
        Provides("cognition", "z_score", "cognition against before treatment", low=-math.inf),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return effect sites, tolerance, cumulative hazards and the read-outs."""
        mixed = q.unbound_s_ketamine_arterial + p.psychotomimetic_potency_r * q.unbound_r_ketamine_arterial
        high = hill(x.psychotomimetic_site, p.drug_high_c50, p.drug_high_exponent)
        dissociated = hill(x.psychotomimetic_site, p.dissociation_c50, p.dissociation_exponent)
        awake = 1 - hill(x.psychotomimetic_site, p.consciousness_c50, p.consciousness_exponent)
        awake = awake * (1 - p.sedation_midazolam * q.midazolam_effect)
        fresh = exp(-x.psychotomimetic_tolerance)
        felt = 1 - (1 - high * fresh) * (1 - p.felt_midazolam * q.midazolam_effect)
        rise = p.pressor_maximum * hill(x.pressor_site, p.pressor_c50, p.pressor_exponent)
        sick = hill(x.psychotomimetic_site, p.nausea_c50, p.nausea_exponent)
        total = q.unbound_s_ketamine_arterial + q.unbound_r_ketamine_arterial + q.unbound_norketamine_arterial
        slowed = hill(x.psychotomimetic_site, p.cognition_c50, p.cognition_exponent)
        return Equations(
            rates={
                "psychotomimetic_site": p.psychotomimetic_site_rate * (mixed - x.psychotomimetic_site),
                "psychotomimetic_tolerance": p.tolerance_gain * high
                - x.psychotomimetic_tolerance / p.tolerance_time,
                "pressor_site": p.pressor_site_rate * (q.unbound_s_ketamine_arterial - x.pressor_site),
                "nausea_hazard": p.nausea_rate * sick - x.nausea_hazard / p.nausea_memory_time,
                "bladder_exposure": p.bladder_rate
                * positive(total / p.bladder_reference) ** p.bladder_exponent
                - x.bladder_exposure / p.bladder_healing_time,
                "cognitive_exposure": p.cognitive_load_rate
                * positive(total / p.bladder_reference) ** p.bladder_exponent
                - x.cognitive_exposure / p.cognitive_recovery_time,
            },
            provides={
                "felt_effect": felt,
                "drug_high": p.drug_high_maximum * high * fresh,
                "cadss": p.cadss_maximum * dissociated * fresh,
                "systolic_pressure": p.systolic_rest + rise,
                "diastolic_pressure": p.diastolic_rest + p.diastolic_share * rise,
                "sbp_peak_change": p.individual_peak_factor * rise,
                "heart_rate": p.heart_rate_rest + p.heart_rate_per_pressure * rise,
                "sedation": p.alertness_maximum * awake,
                "nausea": 1 - exp(-x.nausea_hazard),
                "bladder_risk": 1 - exp(-x.bladder_exposure),
                "cognition": -p.cognition_maximum * slowed - x.cognitive_exposure,
            },
        )
