"""Stage 2: from unbound concentrations to the share of NMDA channels that is blocked.

Ketamine and norketamine compete for one site. The classes of cells differ by
declared, uncertain ratios; one common scale is solved so that their weighted
mean meets the in-vivo anchor. Binding and release take seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ketasim.model.stage import Derived, Equations, Provides, Reads, Stage, State, Symbols

__all__ = ["CELL_CLASSES", "Receptors", "solve_block_scale"]

#: The classes that the in-vivo anchor averages over.
CELL_CLASSES = ("pyramidal", "pv", "sst", "vip")
_BLOCKED = (*CELL_CLASSES, "habenula")

#: The search for the scale: steps at most, and the share of it below which a step is none.
_MOST_STEPS, _CLOSE = 100, 1e-15


def solve_block_scale(parameters: Mapping[str, float]) -> float:
    """Find the scale at which the anchor exposure blocks half of the channels on average.

    At the anchor the competition term is 1, so each class is blocked by
    s / (s + ratio). The weights are those of the classes.

    Parameters
    ----------
    parameters : mapping of str to float
        ``block_ratio_*`` and ``block_weight_*`` of the four classes.

    Returns
    -------
    float
    """
    ratios = [parameters[f"block_ratio_{name}"] for name in CELL_CLASSES]
    weights = [parameters[f"block_weight_{name}"] for name in CELL_CLASSES]
    total = sum(weights)
    # The mean block rises ever more slowly with the scale, and at the smallest ratio it is half at most.
    # From there Newton's steps never pass the root.
    scale = min(ratios)
    for _ in range(_MOST_STEPS):
        blocked = sum(w * scale / (scale + r) for w, r in zip(weights, ratios, strict=True)) / total
        slope = sum(w * r / (scale + r) ** 2 for w, r in zip(weights, ratios, strict=True)) / total
        step = (0.5 - blocked) / slope
        scale += step
        if step <= _CLOSE * scale:
            break
    return scale


@dataclass(frozen=True)
class Receptors(Stage):
    """Block of NMDA channels by class of cells."""

    name: ClassVar[str] = "receptors"
    title: ClassVar[str] = "Channel block"
    section: ClassVar[str] = "2"
    states: ClassVar[tuple[State, ...]] = tuple(
        State(f"block_{name}", "ratio", f"share of NMDA channels blocked, {name} cells", 0.1)
        for name in _BLOCKED
    )
    reads: ClassVar[tuple[Reads, ...]] = (
        Reads("unbound_s_ketamine_arterial", "uM"),
        Reads("unbound_r_ketamine_arterial", "uM"),
        Reads("unbound_s_norketamine", "uM"),
        Reads("unbound_r_norketamine", "uM"),
    )
    derived: ClassVar[tuple[Derived, ...]] = (
        Derived("block_scale", "ratio", "common scale that meets the in-vivo anchor", solve_block_scale),
    )
    provides: ClassVar[tuple[Provides, ...]] = (
        Provides("nmda_block_mean", "ratio", "NMDA channels blocked, weighted mean of the classes", high=1.0),
        *(
            Provides(f"nmda_block_{name}", "ratio", f"NMDA channels blocked, {name} cells", high=1.0)
            for name in _BLOCKED
        ),
        Provides("nmda_block_resting", "ratio", "NMDA channels blocked at rest, pyramidal cells", high=1.0),
    )

    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return d(block)/dt = k_off (s/ratio * x (1 - block) - block), with x the competition term."""
        competition = (
            q.unbound_s_ketamine_arterial / p.ic50_s_ketamine
            + q.unbound_r_ketamine_arterial / p.ic50_r_ketamine
            + q.unbound_s_norketamine / p.ic50_s_norketamine
            + q.unbound_r_norketamine / p.ic50_r_norketamine
        )
        rates = {}
        for name in _BLOCKED:
            blocked = x[f"block_{name}"]
            drive = competition * p.block_scale / p[f"block_ratio_{name}"]
            rates[f"block_{name}"] = p.unblock_rate * (drive * (1 - blocked) - blocked)
        weight = sum(p[f"block_weight_{name}"] for name in CELL_CLASSES)
        mean = sum(p[f"block_weight_{name}"] * x[f"block_{name}"] for name in CELL_CLASSES) / weight
        return Equations(
            rates=rates,
            provides={
                "nmda_block_mean": mean,
                **{f"nmda_block_{name}": x[f"block_{name}"] for name in _BLOCKED},
                "nmda_block_resting": p.resting_access * x.block_pyramidal,
            },
        )
