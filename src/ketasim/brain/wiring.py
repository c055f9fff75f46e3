"""How connection strength depends on distance and network, and its estimate from a measured connectome.

``python -m ketasim.brain.wiring cubnm-schaefer100 --write PATH`` makes the rows of ``wiring.csv``.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.brain.connectome import Connectome
from ketasim.brain.tables import TABLE_COLUMNS, read_table
from ketasim.errors import BrainError

__all__ = ["Wiring", "balanced", "default_wiring", "estimate_wiring", "write_wiring"]

_Floats = NDArray[np.float64]

_NAMES = ("distance_constant", "within_network", "log_spread", "heterotopic", "homotopic", "strength_spread")
_UNITS = ("mm", "ratio", "ln", "ratio", "ratio", "ln")
_NOTES = (
    "distance between centres over which weights within a hemisphere fall to 1/e",
    "weight within a network over that between networks at the same distance",
    "standard deviation of the log weight about the rule",
    "weight across the midline over that within a hemisphere at the same distance",
    "weight of mirror regions over the mean weight within a hemisphere",
    "standard deviation of the log of a region's summed weights",
)
# Row sums are met to 1e-6 or better long before.
_BALANCING_STEPS = 200
# A standard error of a log estimate times this makes the range of a table.
_RANGE = 2.0


@dataclass(frozen=True)
class Wiring:
    """Rule for connection strengths.

    Within a hemisphere ln w = constant - d / distance_constant + ln(within_network) for two regions of one
    network, with a scatter of `log_spread`.

    Parameters
    ----------
    distance_constant : float
        In mm.
    within_network, heterotopic, homotopic : float
        Ratios: same network; across the midline; mirror regions over the mean within a hemisphere.
    log_spread, strength_spread : float
        Standard deviation of ln w, and of the log of a region's summed weights.
    errors : tuple of float
        Standard error of the logarithm of each, in the order of the table; empty if not estimated.
    """

    distance_constant: float
    within_network: float
    log_spread: float
    heterotopic: float
    homotopic: float
    strength_spread: float
    errors: tuple[float, ...] = ()

    def expected(self, distances: ArrayLike, networks: Sequence[str]) -> _Floats:
        """Weight by the rule within a hemisphere, for every pair, shape (n, n), in any unit."""
        names = np.asarray(networks)
        same = names[:, None] == names[None, :]
        decay = np.exp(-np.asarray(distances, dtype=np.float64) / self.distance_constant)
        return np.where(same, self.within_network, 1.0) * decay


def balanced(weights: ArrayLike, strength: ArrayLike) -> _Floats:
    """Scale rows and columns alike until the row sums are as given.

    Symmetric Sinkhorn iteration: the result is D W D with a diagonal D.

    Parameters
    ----------
    weights : array_like, shape (n, n)
        Symmetric, not negative, each region joined to another.
    strength : array_like, shape (n,)
        Row sums to reach, positive.

    Returns
    -------
    numpy.ndarray, shape (n, n)
    """
    matrix = np.asarray(weights, dtype=np.float64)
    wanted = np.asarray(strength, dtype=np.float64)
    scale = np.ones(len(matrix))
    for _ in range(_BALANCING_STEPS):
        scale = np.sqrt(scale * wanted / (matrix @ scale))
    scaled: _Floats = scale[:, None] * matrix * scale[None, :]
    return (scaled + scaled.T) / 2.0


def default_wiring() -> Wiring:
    """Rule of the shipped table ``wiring.csv``."""
    values = read_table("wiring.csv", _NAMES)
    return Wiring(
        distance_constant=values["distance_constant"],
        within_network=values["within_network"],
        log_spread=values["log_spread"],
        heterotopic=values["heterotopic"],
        homotopic=values["homotopic"],
        strength_spread=values["strength_spread"],
    )


def estimate_wiring(connectome: Connectome) -> Wiring:
    """Estimate the rule by least squares on the log weights.

    Parameters
    ----------
    connectome : Connectome
        With positions and mirror regions.

    Returns
    -------
    Wiring
        With standard errors that take the pairs as independent, so they are too small.

    Raises
    ------
    BrainError
        If the connectome has no positions or no pair of mirror regions that is joined.
    """
    if connectome.positions is None:
        raise BrainError(f"connectome {connectome.name!r} has no positions; the wiring rule needs them.")
    n = connectome.n_regions
    rows, columns = np.triu_indices(n, 1)
    weight = connectome.weights[rows, columns]
    distance = np.linalg.norm(connectome.positions[rows] - connectome.positions[columns], axis=1)
    side = np.asarray(connectome.hemispheres)
    near = side[rows] == side[columns]
    network = np.asarray(connectome.networks)
    same = network[rows] == network[columns]
    mirror = np.asarray(connectome.homotopic)[rows] == columns
    joined = weight > 0.0
    if not (mirror & joined).any():
        raise BrainError(f"connectome {connectome.name!r} has no joined mirror regions.")
    design = np.column_stack([np.ones(len(weight)), -distance, same])
    log_weight = np.log(np.where(joined, weight, 1.0))
    fitted = near & joined
    beta = np.linalg.lstsq(design[fitted], log_weight[fitted], rcond=None)[0]
    residual = log_weight - design @ beta
    spread = float(residual[fitted].std(ddof=3))
    error = spread * np.sqrt(np.diag(np.linalg.inv(design[fitted].T @ design[fitted])))
    across = ~near & joined & ~mirror
    pairs = weight[mirror]
    strength = np.log(connectome.weights.sum(axis=1))
    errors = (
        float(error[1] / beta[1]),
        float(error[2]),
        float(1.0 / np.sqrt(2.0 * fitted.sum())),
        float(residual[across].std() / np.sqrt(across.sum())),
        float(pairs.std() / pairs.mean() / np.sqrt(len(pairs))),
        float(1.0 / np.sqrt(2.0 * n)),
    )
    return Wiring(
        distance_constant=float(1.0 / beta[1]),
        within_network=float(np.exp(beta[2])),
        log_spread=spread,
        heterotopic=float(np.exp(residual[across].mean())),
        homotopic=float(pairs.mean() / weight[near].mean()),
        strength_spread=float(strength.std(ddof=1)),
        errors=errors,
    )


def write_wiring(path: str | Path, wiring: Wiring, source: str) -> None:
    """Write an estimate as a parameter table; ranges are two standard errors on the log scale.

    Raises
    ------
    BrainError
        If the rule was not estimated, so that it has no errors.
    """
    if len(wiring.errors) != len(_NAMES):
        raise BrainError("this wiring rule was not estimated: there are no standard errors to write.")
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(TABLE_COLUMNS)
        for name, unit, note, error in zip(_NAMES, _UNITS, _NOTES, wiring.errors, strict=True):
            value = getattr(wiring, name)
            low, high = value * np.exp(-_RANGE * error), value * np.exp(_RANGE * error)
            row = (
                name,
                f"{value:.4g}",
                unit,
                f"{low:.4g}",
                f"{high:.4g}",
                "lognormal",
                source,
                "derived",
                note,
            )
            writer.writerow(row)


def main(arguments: Sequence[str] | None = None) -> None:
    """Estimate the rule from an installed connectome, print it, and write it if asked."""
    from ketasim.brain.adapters import load_connectome

    parser = argparse.ArgumentParser(prog="python -m ketasim.brain.wiring", description=__doc__)
    parser.add_argument("connectome", help="name, such as cubnm-schaefer100")
    parser.add_argument("--write", type=Path, metavar="PATH", help="write the rows of the parameter table")
    options = parser.parse_args(arguments)
    connectome = load_connectome(options.connectome)
    wiring = estimate_wiring(connectome)
    for name, unit in zip(_NAMES, _UNITS, strict=True):
        print(f"{name} {getattr(wiring, name):.4g} {unit}")
    if options.write is not None:
        source = f"estimated by ketasim.brain.wiring from {connectome.name}; {connectome.source}"
        write_wiring(options.write, wiring, source)


if __name__ == "__main__":
    main()
