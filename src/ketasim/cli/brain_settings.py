"""What the brain is looked at under: options of the command line become states with names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ketasim.errors import BrainError

if TYPE_CHECKING:
    from ketasim.brain import BrainState, Conditions, Coupling

__all__ = [
    "HEALTHY_LABEL",
    "MEAN_BLOCKS",
    "NO_DRUG_LABEL",
    "Setting",
    "block_of_mean",
    "doses_by_cell",
    "doses_by_mean",
    "settings",
]

#: What every change is relative to, and the brain that a depressed one is compared with.
NO_DRUG_LABEL, HEALTHY_LABEL = "no drug", "healthy brain"
#: From none over sub-clinical, clinical and awakening to anaesthesia.
MEAN_BLOCKS = "0,0.1,0.24,0.5,0.78"
_MOST_DOSES = 8
_AFTER = ((24.0, "24 h after"), (48.0, "2 d after"), (240.0, "10 d after"))


@dataclass(frozen=True)
class Setting:
    """A state of the brain under the name that tables and figures give it.

    Parameters
    ----------
    label : str
        Its name.
    kind : str
        ``healthy``, ``before``, ``during``, ``midazolam`` or ``after``.
    state : BrainState
        What the brain is like.
    """

    label: str
    kind: str
    state: BrainState


def _numbers(option: str, text: str) -> list[float]:
    found = []
    for part in text.split(","):
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise BrainError(f"{option}: {part.strip()!r} is not a number; give for example 0.1,0.24.")
        found.append(value)
    return found


def block_of_mean(mean: float, conditions: Conditions | None = None) -> tuple[float, float]:
    """Block of excitatory and of inhibitory cells at a mean block over all cells.

    The mean is that of ``ketasim circuit``: over pyramidal, PV, SST and VIP cells by their shares, at one
    concentration. The brain has two kinds of cell, blocked as its conditions say at that concentration.

    Parameters
    ----------
    mean : float
        From 0 to below 1.
    conditions : Conditions, optional
        Default: the shipped ones.

    Raises
    ------
    ModelError
        If the mean is not in that range.
    """
    from ketasim.brain import load_conditions
    from ketasim.circuit.blocks import CLASS_IC50, blocks_at_mean

    given = load_conditions() if conditions is None else conditions
    pyramidal = blocks_at_mean(mean)[0]
    return given.block(CLASS_IC50[0] * pyramidal / (1.0 - pyramidal))


def doses_by_mean(text: str) -> dict[str, tuple[float, float]]:
    """Read ``--dose-block``: a label and both blocks each, without repeats and without 0.

    Raises
    ------
    BrainError
        If a value is no fraction below 1, or there are too many.
    """
    found = {}
    for mean in _numbers("--dose-block", text):
        if not 0.0 <= mean < 1.0:
            raise BrainError(f"--dose-block: {mean:g} is out of range; a mean block is from 0 to below 1.")
        found[f"mean block {mean:g}"] = block_of_mean(mean)
    return _few({label: block for label, block in found.items() if block[0] > 0.0})


def doses_by_cell(excitatory: str | None, inhibitory: str | None) -> dict[str, tuple[float, float]]:
    """Read ``--block-excitatory`` and ``--block-inhibitory``, as many values each; one left out is 0.

    Raises
    ------
    BrainError
        If a value is no fraction, their numbers differ, or there are too many.
    """
    first = [] if excitatory is None else _numbers("--block-excitatory", excitatory)
    second = [] if inhibitory is None else _numbers("--block-inhibitory", inhibitory)
    if first and second and len(first) != len(second):
        raise BrainError(
            f"--block-excitatory has {len(first)} values and --block-inhibitory {len(second)}; give as many "
            "of each, they are taken in pairs."
        )
    first, second = first or [0.0] * len(second), second or [0.0] * len(first)
    for option, values in (("--block-excitatory", first), ("--block-inhibitory", second)):
        for value in values:
            if not 0.0 <= value <= 1.0:
                raise BrainError(f"{option}: {value:g} is out of range; a block is from 0 to 1.")
    pairs = [pair for pair in zip(first, second, strict=True) if any(pair)]
    return _few({f"block E {e:g}, I {i:g}": (e, i) for e, i in pairs})


def _few(found: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    if len(found) > _MOST_DOSES:
        raise BrainError(f"{len(found)} doses were given; tables and figures hold at most {_MOST_DOSES}.")
    return found


def settings(
    doses: dict[str, tuple[float, float]],
    coupling: Coupling,
    *,
    ill: bool = False,
    midazolam: bool = False,
    conditions: Conditions | None = None,
) -> list[Setting]:
    """Lay out what is computed: references first, then doses, midazolam, and the days after a dose.

    Parameters
    ----------
    doses : dict of str to (float, float)
        Block of excitatory and inhibitory cells by label.
    coupling : Coupling
        Says whether inhibition follows density after a dose.
    ill : bool
        Whether the brain is depressed; a healthy one then stands first.
    midazolam : bool
        Whether it is looked at under midazolam too.
    conditions : Conditions, optional
        Default: the shipped ones.

    Returns
    -------
    list of Setting
        One is called :data:`NO_DRUG_LABEL`. The days after are those after one clinical dose, whatever
        doses are given.
    """
    from ketasim.brain import HEALTHY, density_course, depressed, load_conditions, state_after

    given = load_conditions() if conditions is None else conditions
    before = depressed(conditions=given) if ill else HEALTHY
    course = density_course(before.density, adapts=coupling.adapts, conditions=given)
    found = [Setting(HEALTHY_LABEL, "healthy", HEALTHY)] if ill else []
    found.append(Setting(NO_DRUG_LABEL, "before", before))
    for label, block in doses.items():
        found.append(Setting(label, "during", _blocked(before, block)))
    if midazolam:
        state = replace(before, inhibition_gain=given.midazolam_inhibition)
        found.append(Setting("midazolam", "midazolam", state))
    found += [Setting(label, "after", state_after(before, course, hours)) for hours, label in _AFTER]
    return found


def _blocked(state: BrainState, block: Sequence[float]) -> BrainState:
    return replace(state, block_excitatory=block[0], block_inhibitory=block[1])
