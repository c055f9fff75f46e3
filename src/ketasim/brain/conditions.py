"""Conditions in which the whole brain is looked at: illness, doses, courses and what counts as a sign.

Each number stands in ``conditions.csv`` with its range, source and grade.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from ketasim.brain.tables import read_table
from ketasim.errors import BrainError

__all__ = ["Conditions", "load_conditions"]


@dataclass(frozen=True)
class Conditions:
    """Every number that the comparison of couplings needs beside a brain.

    Parameters
    ----------
    density_depressed : float
        Density of spines in prefrontal control and default regions in an episode; healthy = 1.
    density_gain : float
        Relative gain of density after a clinical dose.
    density_rise_start, density_rise_end, density_plateau_end, density_half_life : float
        Course of that gain, in h: it rises linearly, stays, and decays.
    adaptation_time : float
        Time in h with which local inhibition follows density.
    inhibition_loss, inhibition_compensated : float
        Inhibition lost in an episode in prefrontal control and default regions, and the share of it that
        homeostasis has made good.
    half_block_excitatory, half_block_inhibitory, clinical_concentration : float
        Concentrations in uM: of half block at the two kinds of cell, and at a clinical dose.
    midazolam_inhibition : float
        Gain of inhibition under midazolam.
    feedforward_share : float
        Long-range inhibition from control to default regions, in units of the excitation on that path.
    antidepressant_density_gain : float
        Relative gain of density after 12 weeks of a conventional antidepressant.
    change_least, gap_least, null_band : float
        In Fisher z: the least change with a sign, the least difference that can be normalised, and the
        largest change that still counts as none.
    gap_closed : float
        Share of the difference to healthy that must be closed, and the overshoot that is allowed.

    Raises
    ------
    BrainError
        If the order of times, a share or a sign is impossible.
    """

    density_depressed: float
    density_gain: float
    density_rise_start: float
    density_rise_end: float
    density_plateau_end: float
    density_half_life: float
    adaptation_time: float
    inhibition_loss: float
    inhibition_compensated: float
    half_block_excitatory: float
    half_block_inhibitory: float
    clinical_concentration: float
    midazolam_inhibition: float
    feedforward_share: float
    antidepressant_density_gain: float
    change_least: float
    gap_least: float
    null_band: float
    gap_closed: float

    def __post_init__(self) -> None:
        times = (self.density_rise_start, self.density_rise_end, self.density_plateau_end)
        if not 0.0 <= times[0] < times[1] <= times[2]:
            raise BrainError(
                f"the course of density has its times at {times} h; start, end of the rise and end of the "
                "plateau must follow one another."
            )
        for name in ("density_depressed", "density_half_life", "adaptation_time", "half_block_excitatory"):
            if not getattr(self, name) > 0.0:
                raise BrainError(f"condition {name} is {getattr(self, name)}; it must be above 0.")
        for name in ("inhibition_loss", "inhibition_compensated", "gap_closed"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BrainError(f"condition {name} is {getattr(self, name)}; a share lies between 0 and 1.")

    @property
    def net_inhibition_loss(self) -> float:
        """Loss of inhibition in an episode that is left after homeostasis."""
        return self.inhibition_loss * (1.0 - self.inhibition_compensated)

    def block(self, concentration: float) -> tuple[float, float]:
        """Block of excitatory and inhibitory cells at a concentration in uM on the circuit's scale.

        Raises
        ------
        BrainError
            If the concentration is negative.
        """
        if not concentration >= 0.0:
            raise BrainError(f"the concentration is {concentration} uM; it cannot be negative.")
        return (
            concentration / (concentration + self.half_block_excitatory),
            concentration / (concentration + self.half_block_inhibitory),
        )


@cache
def load_conditions(path: str | Path | None = None) -> Conditions:
    """Load the conditions.

    Parameters
    ----------
    path : str or Path, optional
        A table with the columns and rows of the shipped ``conditions.csv``, which is the default.

    Raises
    ------
    BrainError
        If the file is missing or a row breaks the rules.
    """
    names = [field.name for field in fields(Conditions)]
    return Conditions(**read_table("conditions.csv" if path is None else Path(path), names))
