"""Stage 0: illness. What makes and keeps a depressive episode.

Depression is a set of declared shifts, all scaled by one number, the illness
load: more stress, less GABA, fewer new spines, a shifted network, more
inflammation. The depressed state is the fixed point that follows. Mood feeds
back on stress, which keeps an episode going and pulls a patient back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.functions import exp, softplus
from ketasim.model.stage import Equations, Input, Provides, Reads, Stage, State, Symbols

__all__ = ["Illness"]


@dataclass(frozen=True)
class Illness(Stage):
    """Stress load with its feedback from mood, and the shifts that an episode brings."""

    name: ClassVar[str] = "illness"
    title: ClassVar[str] = "Illness"
    section: ClassVar[str] = "0"
    states: ClassVar[tuple[State, ...]] = (
        State("stress_axis", "ratio", "activity of the stress axis", 1.0, 1.0),
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("severity", "points"),
        Reads("antidepressant_drive", "ratio"),
        Reads("trkb_site", "ratio", "healthy"),
    )
    inputs: ClassVar[tuple[Input, ...]] = (
        Input("life_stress", "ratio", "life stress of the day, in standard deviations"),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("stress", "ratio", "stress load", "healthy"),
        Provides("gaba_synthesis", "ratio", "capacity to make GABA", "healthy"),
        Provides("spine_formation_capacity", "ratio", "capacity to form spines", "healthy"),
        Provides("network_shift", "ratio", "shift of the default mode network by illness"),
        Provides("network_illness", "ratio", "weaker inhibition of networks by illness"),
        Provides("immune_shift", "ratio", "shift of cytokine release by illness"),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return rates and read-outs; the fixed point without load and at the healthy severity is 1."""
        feedback = p.stress_feedback * (q.severity - p.severity_healthy) / p.severity_reference
        # A conventional drug restores the feedback that turns the stress axis down, by the site of TrkB.
        sited = 1 - p.antidepressant_site_need * (1 - q.trkb_site)
        treated = p.antidepressant_stress_gain * q.antidepressant_drive * sited
        strain = p.illness_load * p.stress_shift + feedback
        # What goes with the episode: it is halved in remission, and a conventional drug lowers it.
        episode = (x.stress_axis - 1) / p.gaba_stress_reference
        target = 1 + strain - treated + p.life_stress_size * u.life_stress
        # A smooth floor: stress can be low but not negative.
        floored = softplus(target - p.stress_floor, p.stress_steepness)
        at_rest = softplus(1 - p.stress_floor, p.stress_steepness)
        return Equations(
            rates={"stress_axis": (1 + floored - at_rest - x.stress_axis) / p.stress_axis_time},
            provides={
                "stress": x.stress_axis,
                "gaba_synthesis": exp(
                    -p.gaba_shift * ((1 - p.gaba_state_share) * p.illness_load + p.gaba_state_share * episode)
                ),
                "spine_formation_capacity": exp(-p.spine_formation_shift * p.illness_load),
                "network_shift": p.network_illness_shift
                * ((1 - p.network_state_share) * p.illness_load + p.network_state_share * episode),
                "network_illness": p.network_illness_strength * p.illness_load,
                "immune_shift": p.immune_illness_shift * p.illness_load,
            },
        )
