"""Stage 11: from biology to severity.

One latent severity follows, with a delay of hours, what the declared mediators
say: the fast arm, spines, stress, inflammation, and a slow consolidation that
builds while the person is well. Scales are read-outs of it. A share of suicidal
ideation has its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from ketasim._lazy import lazy_module
from ketasim.model.functions import logistic
from ketasim.model.stage import Equations, Provides, Reads, Stage, State, Symbols

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["Symptoms", "affective_load_at"]


def affective_load_at(severity: Any, maximum: Any) -> Any:
    """The affective load at which severity rests, of numbers or arrays: the read-out's inverse, a logit."""
    return np.log(severity / (maximum - severity))


@dataclass(frozen=True)
class Symptoms(Stage):
    """Severity, its read-outs, suicidal ideation and consolidation."""

    name: ClassVar[str] = "symptoms"
    title: ClassVar[str] = "Symptoms"
    section: ClassVar[str] = "11"
    states: ClassVar[tuple[State, ...]] = (
        State("affective_load", "ratio", "sum of what weighs on mood, logit scale", 1.0, -4.0),
        State("consolidation_state", "ratio", "consolidation of being well", 1.0, 1.0),
        State("ideation_own", "ratio", "suicidal ideation beside mood", 1.0, 0.02),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("fast_arm", "ratio", "healthy"),
        Reads("spine_density", "ratio", "healthy"),
        Reads("stress", "ratio", "healthy"),
        Reads("inflammation", "ratio", "healthy"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("severity", "points", "latent severity of depression", high=60.0),
        Provides("madrs", "points", "MADRS total before scoring", high=60.0),
        Provides("hamd17", "points", "HAM-D 17 total before scoring", high=52.0),
        Provides("suicidal_ideation", "points", "suicidal ideation, Scale for Suicide Ideation (0 to 38)"),
        Provides("consolidation", "ratio", "consolidation of being well", "healthy"),
    )

    borrowed: ClassVar[tuple[str, ...]] = ("severity_healthy",)

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return the mediators' sum on a logit scale, read out between 0 and the scale's maximum."""
        weight = (
            p.mood_stress_weight * (q.stress - 1)
            + p.mood_inflammation_weight * (q.inflammation - 1)
            - p.mood_fast_arm_weight * (q.fast_arm - 1)
            - p.mood_spine_weight * (q.spine_density - 1)
            - p.mood_consolidation_weight * (x.consolidation_state - 1)
        )
        maximum = p.severity_maximum
        healthy = sp.log(p.severity_healthy / (maximum - p.severity_healthy))
        share = logistic(x.affective_load)
        build = (1 - share) ** p.consolidation_exponent / p.consolidation_build_time
        build_healthy = (1 - p.severity_healthy / maximum) ** p.consolidation_exponent / (
            p.consolidation_build_time
        )
        # Share that a healthy person has consolidated; it makes the healthy value 1.
        level = build_healthy / (build_healthy + 1 / p.consolidation_fade_time)
        own = logistic(
            p.ideation_threshold
            + p.ideation_stress_weight * (q.stress - 1)
            - p.ideation_fast_arm_weight * (q.fast_arm - 1)
        )
        ideation = p.ideation_mood_share * share + (1 - p.ideation_mood_share) * x.ideation_own
        return Equations(
            rates={
                "affective_load": (healthy + weight - x.affective_load) / p.mood_time,
                "consolidation_state": build * (1 / level - x.consolidation_state)
                - x.consolidation_state / p.consolidation_fade_time,
                "ideation_own": (own - x.ideation_own) / p.ideation_time,
            },
            provides={
                "severity": maximum * share,
                "madrs": q.severity,
                "hamd17": p.hamd17_per_madrs * q.madrs,
                "suicidal_ideation": p.ideation_maximum * ideation,
                "consolidation": x.consolidation_state,
            },
        )
