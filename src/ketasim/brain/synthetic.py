"""A made-up connectome, so that everything runs and is tested with nothing but Ketasim installed.

Two mirrored hemispheres of seven networks on an ellipsoid. Connections fall with distance, are stronger
within a network, and scatter log-normally, while regions differ less in their summed weights; the sizes of
these effects are estimated from a measured connectome (`ketasim.brain.wiring`). It stands for no person: use
it to learn, to test and to compare with measured ones.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from ketasim.brain.connectome import NETWORKS, ROLES, Connectome
from ketasim.brain.tables import read_table
from ketasim.brain.wiring import Wiring, balanced, default_wiring
from ketasim.errors import BrainError

__all__ = ["synthetic_connectome"]

_Floats = NDArray[np.float64]

_SHARES = tuple(f"share_{network}" for network in NETWORKS)
_SHAPE = ("axis_right", "axis_anterior", "axis_superior", "centre_anterior", "centre_superior", "scatter")
_SMALLEST = 20
# Posterior cingulate, medial prefrontal, and one more, so that each read-out of the default network differs.
_LEAST_DEFAULT = 3
_NMDA_SMOOTHING_MM = 30.0
_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class _Area:
    network: str
    name: str
    role: str
    centre: tuple[float, float, float]


def synthetic_connectome(regions: int = 60, seed: int = 0, wiring: Wiring | None = None) -> Connectome:
    """Make a connectome of two mirrored hemispheres.

    Parameters
    ----------
    regions : int
        Even, at least 20.
    seed : int
        Draws the positions within each area, the scatter of the weights and the receptor map. The same seed
        gives the same connectome on every machine.
    wiring : Wiring, optional
        How weights depend on distance and network; by default that of the shipped table.

    Returns
    -------
    Connectome
        With positions, lengths (straight lines), a smooth random NMDA receptor map that means nothing, and no
        functional connectivity (see `synthetic_people`).

    Raises
    ------
    BrainError
        If `regions` is odd or below 20.
    """
    if regions < _SMALLEST or regions % 2:
        raise BrainError(
            f"a synthetic connectome of {regions} regions: give an even number, at least {_SMALLEST}."
        )
    rng = np.random.default_rng(seed)
    numbers = read_table("synthetic.csv", (*_SHARES, *_SHAPE))
    half = regions // 2
    areas, counters = _place_areas(_allocate(half, [numbers[share] for share in _SHARES]))
    left = _positions(areas, [numbers[name] for name in _SHAPE], rng)
    positions = np.concatenate([left, left * _MIRROR])
    networks = tuple(area.network for area in areas) * 2
    weights = _weights(positions, networks, wiring or default_wiring(), rng)
    labels = [f"{a.network}_{a.name}_{k}" for a, k in zip(areas, counters, strict=True)]
    roles = {
        role: tuple(i + shift for shift in (0, half) for i, area in enumerate(areas) if area.role == role)
        for role in ROLES
    }
    return Connectome(
        name=f"synthetic ({regions} regions, seed {seed})",
        weights=weights,
        labels=tuple(f"{side}_{label}" for side in "LR" for label in labels),
        networks=networks,
        hemispheres=("left",) * half + ("right",) * half,
        homotopic=tuple(range(half, regions)) + tuple(range(half)),
        nmda=_smooth_map(left, rng),
        positions=positions,
        lengths=_distances(positions),
        source="synthetic: made from a rule and random numbers, not measured in anyone",
        roles=roles,
    )


def _allocate(half: int, shares: list[float]) -> list[int]:
    """Give each network its share of one hemisphere by largest remainder, none less than it needs."""
    least = [_LEAST_DEFAULT if network == "default" else 1 for network in NETWORKS]
    wanted = np.array(shares) * half
    counts = np.maximum(np.floor(wanted).astype(int), least)
    while counts.sum() < half:
        counts[int(np.argmax(wanted - counts))] += 1
    while counts.sum() > half:
        spare = np.where(counts > least, counts - wanted, -np.inf)
        counts[int(np.argmax(spare))] -= 1
    return [int(count) for count in counts]


def _place_areas(counts: list[int]) -> tuple[list[_Area], list[int]]:
    """Spread the regions of each network over its areas in turn, and number those that share one."""
    text = (resources.files("ketasim.brain") / "synthetic_areas.csv").read_text(encoding="utf-8")
    known: dict[str, list[_Area]] = {network: [] for network in NETWORKS}
    for row in csv.DictReader(text.splitlines()):
        centre = (float(row["right"]), float(row["anterior"]), float(row["superior"]))
        known[row["network"]].append(_Area(row["network"], row["area"], row["role"], centre))
    areas: list[_Area] = []
    counters: list[int] = []
    for network, count in zip(NETWORKS, counts, strict=True):
        options = known[network]
        areas += [options[k % len(options)] for k in range(count)]
        counters += [1 + k // len(options) for k in range(count)]
    return areas, counters


def _positions(areas: list[_Area], shape: list[float], rng: np.random.Generator) -> _Floats:
    """Centres of the left hemisphere: areas moved out to an ellipsoid, and regions scattered on it."""
    axes = np.array(shape[:3])
    middle = np.array([0.0, shape[3], shape[4]])
    scaled = _unit((np.array([area.centre for area in areas]) - middle) / axes)
    scaled = _unit(scaled + rng.normal(0.0, shape[5], scaled.shape) / axes)
    scaled[:, 0] = -np.abs(scaled[:, 0])
    moved: _Floats = scaled * axes + middle
    return moved


def _unit(vectors: _Floats) -> _Floats:
    unit: _Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def _weights(
    positions: _Floats, networks: tuple[str, ...], wiring: Wiring, rng: np.random.Generator
) -> _Floats:
    n = len(positions)
    half = n // 2
    rule = wiring.expected(_distances(positions), networks)
    near, far = (_mirrored_scatter(half, wiring.log_spread, rng) for _ in range(2))
    weights = rule * np.block([[near, wiring.heterotopic * far], [wiring.heterotopic * far, near]])
    np.fill_diagonal(weights, 0.0)
    strength = np.exp(rng.normal(0.0, wiring.strength_spread, half))
    # Independent log-normal weights would else leave a few pairs that outweigh the rest of the brain.
    weights = balanced(weights, np.tile(strength, 2))
    left = np.arange(half)
    link = wiring.homotopic * float(weights[:half, :half].sum()) / (half * (half - 1))
    weights[left, left + half] = weights[left + half, left] = link
    return weights


def _mirrored_scatter(half: int, log_spread: float, rng: np.random.Generator) -> _Floats:
    draws = np.triu(rng.normal(0.0, log_spread, (half, half)))
    scatter: _Floats = np.exp(draws + np.triu(draws, 1).T)
    return scatter


def _smooth_map(left: _Floats, rng: np.random.Generator) -> _Floats:
    kernel = np.exp(-0.5 * (_distances(left) / _NMDA_SMOOTHING_MM) ** 2)
    return np.tile(kernel @ rng.normal(size=len(left)), 2)


def _distances(positions: _Floats) -> _Floats:
    distances: _Floats = np.linalg.norm(positions[:, None, :] - positions[None, :, :], axis=2)
    return distances
