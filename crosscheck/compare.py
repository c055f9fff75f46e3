"""Compare what Ketasim and its peers found: ``python -m crosscheck.compare FOLDER``; fails if they differ."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Comparison", "brain_table", "circuit_table", "compare_means", "excess_of_noise"]

CLASSES = ("pyramidal", "PV", "SST", "VIP")
#: Largest relative difference of a mean rate between two programs.
MOST = 0.05
#: Resting states are compared without noise, so that only rounding and their tolerances differ.
MOST_AT_REST = 1e-6
#: The difference of two connectivity matrices may be so many times what the seeds alone make.
MOST_EXCESS = 1.3


@dataclass(frozen=True)
class Comparison:
    """Means over seeds in two programs.

    Parameters
    ----------
    ours, theirs : float
        The means.
    difference : float
        Relative difference of theirs from ours.
    noise : float
        Its standard error from the spread between seeds.
    """

    ours: float
    theirs: float
    difference: float
    noise: float

    @property
    def close(self) -> bool:
        """Whether the difference is small enough; a rate that is not a number is not."""
        return abs(self.difference) <= MOST


def compare_means(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> Comparison:
    """Compare two sets of runs, one number a seed; each set needs at least two."""
    means = float(ours.mean()), float(theirs.mean())
    variance = sum(float(runs.var(ddof=1) / len(runs) / runs.mean() ** 2) for runs in (ours, theirs))
    ratio = means[1] / means[0]
    return Comparison(*means, ratio - 1.0, ratio * math.sqrt(variance))


def excess_of_noise(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    """How many times as large two mean matrices differ as seeds alone would make them, (seeds, n, n) each.

    Root mean square over the pairs above the diagonal; without a difference about 1.
    """
    upper = np.triu_indices(ours.shape[1], 1)
    first, second = (runs[:, upper[0], upper[1]] for runs in (ours, theirs))
    expected = first.var(axis=0, ddof=1) / len(first) + second.var(axis=0, ddof=1) / len(second)
    found = (first.mean(axis=0) - second.mean(axis=0)) ** 2
    return float(np.sqrt(found.mean() / expected.mean()))


def circuit_table(ours: Any, theirs: Any) -> tuple[list[str], bool]:
    """Rates of each class in each condition beside those of Brian2, and whether all are close."""
    lines = [
        f"Circuit, mean rates in Hz over {len(ours['seeds'])} seeds, Ketasim and Brian2 {theirs['version']}",
        f"{'block':10}{'class':12}{'Ketasim':>9}{'Brian2':>9}{'differs by':>12}{'of it noise':>13}",
    ]
    good = True
    for c, name in enumerate(ours["names"]):
        for q, cell in enumerate(CLASSES):
            found = compare_means(ours["rates"][c, :, q], theirs["rates"][c, :, q])
            good &= found.close
            noise = f"+-{100.0 * found.noise:.1f} %"
            lines.append(
                f"{name:10}{cell:12}{found.ours:9.2f}{found.theirs:9.2f}{100.0 * found.difference:10.1f} %"
                f"{noise:>13}{'' if found.close else '  MORE THAN 5 %'}"
            )
    return lines, good


def brain_table(ours: Any, theirs: Any) -> tuple[list[str], bool]:
    """Resting rates, rates under noise and connectivity beside those of neurolib; whether all are close."""
    lines = [f"Whole brain, {len(ours['weights'])} regions, Ketasim and neurolib {theirs['version']}"]
    good = True
    for c, name in enumerate(ours["names"]):
        rest = float(np.abs(theirs["fixed_rates"][c] / ours["fixed_rates"][c] - 1.0).max())
        means = [runs["rates"][c].mean(axis=(0, 2)) for runs in (ours, theirs)]
        largest = float(np.abs(means[1] / means[0] - 1.0).max())
        fc = [
            np.array([np.corrcoef(excitatory.T) for excitatory in runs["rates"][c][:, 0]])
            for runs in (ours, theirs)
        ]
        excess = excess_of_noise(*fc)
        upper = np.triu_indices(fc[0].shape[1], 1)
        r = float(np.corrcoef(*(runs.mean(axis=0)[upper] for runs in fc))[0, 1])
        checks = (
            (rest <= MOST_AT_REST, f"resting rates differ by at most {rest:.1e}"),
            (largest <= MOST, f"mean rates under noise by at most {100.0 * largest:.2f} %"),
            (
                excess <= MOST_EXCESS,
                f"connectivity by {excess:.2f} times what {len(fc[0])} seeds alone make (r = {r:.3f})",
            ),
        )
        for passed, text in checks:
            good &= passed
            lines.append(f"{name:10}{text}{'' if passed else '  TOO MUCH'}")
    return lines, good


def main() -> int:
    """Print both tables; 1 if something differs by more than it may."""
    folder = Path(sys.argv[1])
    good = True
    for own, peer, table in (
        ("circuit.npz", "circuit_brian2.npz", circuit_table),
        ("brain.npz", "brain_neurolib.npz", brain_table),
    ):
        with np.load(folder / own) as ours, np.load(folder / peer) as theirs:
            lines, passed = table(dict(ours), dict(theirs))
        print("\n".join(lines), end="\n\n")
        good &= passed
    print("The programs agree." if good else "The programs do NOT agree.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
