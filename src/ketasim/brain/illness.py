"""Healthy and depressed brain: one set of declared shifts, and the course of density after a dose.

Depression is two shifts in the prefrontal regions of the control and default networks: fewer spines,
and weaker inhibition of excitatory cells. What either does to connectivity is found, not written in.
Where density acts is the coupling's business (:mod:`ketasim.brain.couplings`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ketasim.brain.conditions import Conditions, load_conditions
from ketasim.errors import BrainError

__all__ = ["HEALTHY", "BrainState", "DensityCourse", "density_course", "depressed"]


@dataclass(frozen=True)
class BrainState:
    """What the brain is like at one time: the inputs of the surfaces, in their order.

    Parameters
    ----------
    block_excitatory, block_inhibitory : float
        Share of blocked NMDA receptors on the two kinds of cell, 0 to 1.
    inhibition_gain : float
        Ratio of GABA-A inhibition of excitatory cells to no drug.
    density : float
        Spine density of prefrontal control and default regions; healthy = 1.
    adapted_density : float
        The density to which local inhibition has adapted; healthy = 1.
    illness : float
        Strength of the illness, which weakens inhibition; 0 healthy, 1 a typical episode.

    Raises
    ------
    BrainError
        If a number is not finite or outside what it can be.
    """

    block_excitatory: float = 0.0
    block_inhibitory: float = 0.0
    inhibition_gain: float = 1.0
    density: float = 1.0
    adapted_density: float = 1.0
    illness: float = 0.0

    def __post_init__(self) -> None:
        for name in ("block_excitatory", "block_inhibitory"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BrainError(f"state of the brain: {name} is {getattr(self, name)}; it lies in 0 to 1.")
        for name in ("inhibition_gain", "density", "adapted_density"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise BrainError(f"state of the brain: {name} is {getattr(self, name)}; it is above 0.")
        if not 0.0 <= self.illness < math.inf:
            raise BrainError(f"state of the brain: illness is {self.illness}; it is 0 or more.")


HEALTHY = BrainState()
"""The reference of every read-out: no illness, no drug."""


def depressed(strength: float = 1.0, conditions: Conditions | None = None) -> BrainState:
    """A depressed brain without a drug, long enough ill that inhibition has adapted to its density.

    Parameters
    ----------
    strength : float
        0 is healthy, 1 a typical episode.
    conditions : Conditions, optional
        Default: the shipped ones.

    Returns
    -------
    BrainState
        Density falls geometrically with strength.

    Raises
    ------
    BrainError
        If the strength is negative.
    """
    given = load_conditions() if conditions is None else conditions
    if not 0.0 <= strength < math.inf:
        raise BrainError(f"the strength of the illness is {strength}; it is 0 or more.")
    density = given.density_depressed**strength
    return replace(HEALTHY, density=density, adapted_density=density, illness=strength)


@dataclass(frozen=True)
class DensityCourse:
    """Density after one dose at time 0, and the density to which inhibition has adapted.

    The gain rises linearly, stays, and decays with a half-life. The adapted density follows with one time
    constant and is exact (solved piece by piece, no steps).

    Parameters
    ----------
    baseline : float
        Density before the dose.
    gain : float
        Largest relative gain.
    rise_start, rise_end, plateau_end, half_life : float
        Course of the gain, in h.
    adaptation_time : float
        In h; infinite where inhibition does not adapt.
    """

    baseline: float
    gain: float
    rise_start: float
    rise_end: float
    plateau_end: float
    half_life: float
    adaptation_time: float

    def share(self, hours: float) -> float:
        """Share of the largest gain that is there at a time after the dose, 0 to 1."""
        if hours <= self.rise_start:
            return 0.0
        if hours < self.rise_end:
            return (hours - self.rise_start) / (self.rise_end - self.rise_start)
        if hours <= self.plateau_end:
            return 1.0
        return float(0.5 ** ((hours - self.plateau_end) / self.half_life))

    def density(self, hours: float) -> float:
        """Density at a time after the dose; healthy = 1."""
        return self.baseline * (1.0 + self.gain * self.share(hours))

    def adapted(self, hours: float) -> float:
        """Density to which inhibition has adapted at a time after the dose; healthy = 1."""
        if math.isinf(self.adaptation_time) or hours <= self.rise_start:
            return self.baseline
        tau = self.adaptation_time
        # y' = (share - y) / tau, with share a line, then 1, then an exponential.
        ends = (min(hours, self.rise_end), min(hours, self.plateau_end))
        width = self.rise_end - self.rise_start
        first = ends[0] - self.rise_start
        y = (first - tau * -math.expm1(-first / tau)) / width
        if hours > self.rise_end:
            y = 1.0 + (y - 1.0) * math.exp(-(ends[1] - self.rise_end) / tau)
        if hours > self.plateau_end:
            y = _follow_decay(y, hours - self.plateau_end, tau, self.half_life / math.log(2.0))
        return self.baseline * (1.0 + self.gain * y)


def _follow_decay(start: float, hours: float, tau: float, life: float) -> float:
    """Solution of y' = (exp(-t / life) - y) / tau at a time."""
    fading = math.exp(-hours / tau)
    difference = 1.0 / tau - 1.0 / life
    # Equal times make the quotient 0 / 0; its limit is t exp(-t / tau) / tau.
    if abs(difference) * hours < 1e-9:
        return start * fading + hours / tau * fading
    return start * fading + (math.exp(-hours / life) - fading) / (tau * difference)


def density_course(baseline: float, *, adapts: bool, conditions: Conditions | None = None) -> DensityCourse:
    """Course of density after a clinical dose.

    Parameters
    ----------
    baseline : float
        Density before the dose; healthy = 1.
    adapts : bool
        Whether local inhibition follows density.
    conditions : Conditions, optional
        Default: the shipped ones.

    Returns
    -------
    DensityCourse
        With the gain and the times of the conditions.
    """
    given = load_conditions() if conditions is None else conditions
    return DensityCourse(
        baseline,
        given.density_gain,
        given.density_rise_start,
        given.density_rise_end,
        given.density_plateau_end,
        given.density_half_life,
        given.adaptation_time if adapts else math.inf,
    )
