"""Stage 10: inflammation.

Cytokines rise with stress in some patients. Ketamine has small, widely uncertain
actions on immune cells: TNF falls, IL-6 rises for hours, and less tryptophan goes
the way to quinolinate. Quinolinate weakens astrocytic glutamate uptake and speeds
the loss of spines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Inflammation"]


@dataclass(frozen=True)
class Inflammation(Stage):
    """TNF, IL-6, CRP and the quinolinate balance."""

    name: ClassVar[str] = "inflammation"
    title: ClassVar[str] = "Inflammation"
    section: ClassVar[str] = "10"
    states: ClassVar[tuple[State, ...]] = (
        State("tnf_level", "ratio", "TNF in plasma", 1.0, 1.0),
        State("il6_level", "ratio", "IL-6 in plasma", 1.0, 1.0, positive=True),
        State("crp_level", "ratio", "CRP in plasma", 1.0, 1.0),
        State("quinolinate_balance", "ratio", "quinolinate against kynurenate", 1.0, 1.0),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("unbound_ketamine_arterial", "uM"),
        Reads("stress", "ratio", "healthy"),
        Reads("immune_shift", "ratio"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("mtor_inhibition_periphery", "ratio", "share of mTORC1 inhibited outside the brain"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("tnf", "ratio", "TNF in plasma", "healthy"),
        Provides("il6", "ratio", "IL-6 in plasma", "healthy"),
        Provides("crp", "ratio", "CRP in plasma", "healthy"),
        Provides("quinolinate", "ratio", "quinolinate against kynurenate", "healthy"),
        Provides("quinolinate_excess", "ratio", "quinolinate balance above health"),
        Provides("inflammation", "ratio", "inflammation", "healthy"),
        Provides("astrocyte_uptake", "ratio", "astrocytes' capacity to take up glutamate", "healthy"),
        Provides("immune_protection", "ratio", "share of spine loss that immune suppression prevents"),
        Provides("kynurenine", "ratio", "kynurenine against quinolinate", "healthy"),
        Provides("crp_concentration", "mg/L", "C-reactive protein in plasma"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return cytokine turnover with stress, baseline shift and weak drug actions."""
        drug = q.unbound_ketamine_arterial / (q.unbound_ketamine_arterial + p.cytokine_ic50)
        excess = q.immune_shift + p.cytokine_stress_gain * (q.stress - 1)
        aroused = 1 + excess * (1 - p.mtor_immune_share * u.mtor_inhibition_periphery)
        # Cells in a dish need far more than patients have; what is seen in patients saturates below that.
        reached = drug / (drug + p.anti_inflammatory_half)
        relieved = reached * p.anti_inflammatory_gain
        roused = p.il6_acute_gain * drug + p.il6_clinical_gain * reached
        spared = p.quinolinate_drug_loss * reached
        return Equations(
            rates={
                "tnf_level": (aroused * (1 - drug) * (1 - relieved) - x.tnf_level) / p.tnf_time,
                "il6_level": (aroused * (1 + roused) - x.il6_level) / p.il6_time,
                "crp_level": (x.il6_level**p.crp_exponent - x.crp_level) / p.crp_time,
                "quinolinate_balance": (
                    (1 + p.quinolinate_gain * (q.inflammation - 1)) * (1 - spared) - x.quinolinate_balance
                )
                / p.quinolinate_time,
            },
            provides={
                "tnf": x.tnf_level,
                "il6": x.il6_level,
                "crp": x.crp_level,
                "quinolinate": x.quinolinate_balance,
                "quinolinate_excess": x.quinolinate_balance - 1,
                "inflammation": p.inflammation_tnf_share * x.tnf_level
                + (1 - p.inflammation_tnf_share) * x.il6_level,
                "immune_protection": p.mtor_protection * u.mtor_inhibition_periphery,
                "kynurenine": 1 / x.quinolinate_balance,
                "crp_concentration": p.crp_healthy * x.crp_level,
                "astrocyte_uptake": 1 / (1 + p.quinolinate_uptake_loss * (x.quinolinate_balance - 1)),
            },
        )
