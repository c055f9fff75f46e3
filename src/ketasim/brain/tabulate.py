"""Surfaces of the whole brain for the chain: read-outs over states of the brain, in closed form.

The brain is computed at the points of a space-filling design, and a smooth closed form is fitted to each
read-out. The design follows what can occur: block of excitatory cells up to its limit with interneurons
more or less sensitive, and inhibition adapted to a density not far from the present one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.conditions import Conditions, load_conditions
from ketasim.brain.couplings import Coupling
from ketasim.brain.criticality import EIGENVALUE_LIMIT
from ketasim.brain.fitting import fit_ridge
from ketasim.brain.formulas import INPUTS, REFERENCE, Surface
from ketasim.brain.illness import HEALTHY, BrainState
from ketasim.brain.model import BrainModel
from ketasim.brain.readouts import READOUTS, network_readouts
from ketasim.brain.surfaces import FORMAT_VERSION, BrainSurfaces, load_surfaces, write_surfaces
from ketasim.errors import BrainError

__all__ = [
    "DESIGN",
    "FORMAT_VERSION",
    "UNITS",
    "BrainSurfaces",
    "design_states",
    "load_surfaces",
    "tabulate_brain",
    "write_surfaces",
]

_Floats = NDArray[np.float64]

DESIGN: Mapping[str, tuple[float, float]] = {
    "block_excitatory": (0.0, 0.75),
    "selectivity": (0.7, 5.0),
    "inhibition_gain": (0.9, 1.25),
    "density": (0.65, 1.2),
    "density_over_adapted": (0.85, 1.2),
    "illness": (0.0, 2.0),
}
"""Ranges of the design. ``selectivity``: odds of block of interneurons over those of excitatory cells."""

UNITS = (2, 4, 6, 8)
"""Numbers of smooth steps that are tried; cross-validation chooses, for each read-out."""

# More unsafe points than this mean that the design is too wide for the brain.
_MOST_UNSAFE = 0.2
# Past the point where the resting branch ends a network settles on a branch of very high rates, where it is
# stable again but no longer the brain that was meant. A region above this multiple of rest counts as there.
_RUN_AWAY = 5.0
# A read-out that has fallen to this share of the healthy one counts as this: its logarithm has no meaning.
_LEAST_RATIO = 0.02


def design_states(points: int, seed: int) -> list[BrainState]:
    """States of a space-filling design (scrambled Sobol sequence).

    Parameters
    ----------
    points : int
        How many; a power of 2 fills best, and others are cut from the next one.
    seed : int
        Of the scrambling.

    Returns
    -------
    list of BrainState
        Ratios are spread evenly in their logarithm.

    Raises
    ------
    BrainError
        If there is less than one point.
    """
    if points < 1:
        raise BrainError(f"a design of {points} points is empty; give 1 or more.")
    from scipy.stats import qmc  # slow to load, and of no use to who only reads a table

    sobol = qmc.Sobol(len(DESIGN), rng=np.random.default_rng(seed))
    unit = sobol.random_base2(math.ceil(math.log2(points)))[:points]
    states = []
    for row in unit:
        at = {}
        for share, (name, (low, high)) in zip(row, DESIGN.items(), strict=True):
            at[name] = low * (high / low) ** share if low > 0.0 else low + (high - low) * share
        odds = at["selectivity"] * at["block_excitatory"] / (1.0 - at["block_excitatory"])
        states.append(
            BrainState(
                at["block_excitatory"],
                odds / (1.0 + odds),
                at["inhibition_gain"],
                at["density"],
                at["density"] / at["density_over_adapted"],
                at["illness"],
            )
        )
    return states


def _values(states: Sequence[BrainState]) -> _Floats:
    return np.array([[getattr(state, name) for name in INPUTS] for state in states], dtype=np.float64)


def _departure(scale: str, value: float, reference: float) -> float:
    if scale == "difference":
        return value - reference
    return math.log(max(value / reference, _LEAST_RATIO))


def tabulate_brain(
    model: BrainModel,
    coupling: Coupling,
    points: int = 512,
    seed: int = 0,
    units: Sequence[int] = UNITS,
    conditions: Conditions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> BrainSurfaces:
    """Compute the brain over a design and fit its surfaces.

    Parameters
    ----------
    model : BrainModel
        A healthy brain without long-range inhibition.
    coupling : Coupling
        How density acts.
    points : int
        Size of the design.
    seed : int
        Of the design, the starts and the folds: the same seed gives the same file.
    units : sequence of int
        Numbers of smooth steps to try, ascending.
    conditions : Conditions, optional
        Default: the shipped ones.
    progress : function, optional
        Called with the number of steps done and their total.

    Returns
    -------
    BrainSurfaces
        One surface a read-out.

    Raises
    ------
    BrainError
        If the healthy brain is unstable, more than a fifth of the points are unsafe, or too few points are
        given for a fit.
    """
    healthy = coupling.healthy(model, conditions)
    reference = coupling.readouts(healthy, HEALTHY, conditions)
    names = [name for name, value in reference.items() if value is not None]
    total = points + len(names)

    def step(done: int) -> None:
        if progress is not None:
            progress(done, total)

    kept, found = _computed(coupling, healthy, design_states(points, seed), conditions, step)
    unsafe = points - len(kept)
    if unsafe > _MOST_UNSAFE * points:
        raise BrainError(
            f"{unsafe} of {points} states of {model.connectome.name!r} with coupling {coupling.name!r} are "
            "unsafe; take a brain farther from criticality."
        )
    moved = _values(kept) - np.array(list(REFERENCE.values()))
    random = np.random.default_rng(seed)
    surfaces = {}
    for done, name in enumerate(names, points + 1):
        start = float(reference[name] or 0.0)
        column = [_departure(READOUTS[name].scale, float(row[name] or 0.0), start) for row in found]
        surfaces[name] = _surface(name, start, moved, np.array(column), units, random)
        step(done)
    return BrainSurfaces(
        connectome=model.connectome.name,
        source=model.connectome.source,
        coupling=coupling.name,
        points=len(kept),
        unsafe=unsafe,
        seed=seed,
        limits=dict(DESIGN),
        node=asdict(model.node),
        conditions=asdict(load_conditions() if conditions is None else conditions),
        surfaces=surfaces,
    )


def _computed(
    coupling: Coupling,
    healthy: BrainModel,
    states: Sequence[BrainState],
    conditions: Conditions | None,
    step: Callable[[int], None],
) -> tuple[list[BrainState], list[dict[str, float | None]]]:
    """The states that are safe, and their read-outs."""
    kept: list[BrainState] = []
    found: list[dict[str, float | None]] = []
    for done, state in enumerate(states, 1):
        values = _at(coupling, healthy, state, conditions)
        if values is not None:
            kept.append(state)
            found.append(values)
        step(done)
    return kept, found


def _at(
    coupling: Coupling, healthy: BrainModel, state: BrainState, conditions: Conditions | None
) -> dict[str, float | None] | None:
    """Read-outs in one state; None if the network is too near to criticality there or has run away."""
    try:
        found = coupling.connectivity(healthy, state, conditions)
    except BrainError:
        return None
    away = found.fixed.rate_e.max() > _RUN_AWAY * healthy.node.target_rate
    if away or found.eigenvalue >= EIGENVALUE_LIMIT:
        return None
    return network_readouts(found.fc, healthy.connectome)


def _surface(
    name: str,
    reference: float,
    moved: _Floats,
    y: _Floats,
    units: Sequence[int],
    random: np.random.Generator,
) -> Surface:
    fit = fit_ridge(moved, y, units, random)
    return Surface(
        name,
        READOUTS[name].scale,
        reference,
        tuple(fit.heights.tolist()),
        tuple(fit.offsets.tolist()),
        tuple(tuple(row) for row in fit.slopes.tolist()),
        tuple(fit.linear.tolist()),
        float(y.std()),
        fit.rms,
        fit.rms_left_out,
    )
