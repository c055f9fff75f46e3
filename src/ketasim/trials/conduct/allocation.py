"""Who is randomised to which arm.

Allocation follows from the seed, the study, the replicate and the order of enrolment. Arms
count by name, so that their order in the file changes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.population import stream

__all__ = ["allocate", "block_labels", "smallest_ratio"]

IntArray = npt.NDArray[np.int64]
Key = tuple[str | int, ...]


def smallest_ratio(sizes: Mapping[str, int]) -> dict[str, int]:
    """Sizes of arms as the smallest whole numbers in the same ratio, by name.

    Raises
    ------
    StudyError
        If no arm has a patient.
    """
    common = math.gcd(*sizes.values()) if sizes else 0
    if common == 0:
        raise StudyError("randomisation: no arm has a patient; give at least one arm an n of 1 or more.")
    return {name: sizes[name] // common for name in sorted(sizes)}


def block_labels(ratio: Mapping[str, float], block: int, count: int, key: Key, seed: int) -> list[str]:
    """Labels of ``count`` patients in a row, in permuted blocks.

    Parameters
    ----------
    ratio : mapping of str to float
        Weight of each label.
    block : int
        Patients in a block, a multiple of the sum of the ratio.
    count : int
        How many labels.
    key : tuple
        Names the random stream; more labels begin with the same ones.
    seed : int
        Seed of the run.

    Returns
    -------
    list of str

    Raises
    ------
    StudyError
        If the block does not hold the ratio a whole number of times.
    """
    names = sorted(ratio)
    total = sum(ratio.values())
    shares = [ratio[name] * block / total for name in names]
    if block < 1 or any(abs(share - round(share)) > 1e-9 for share in shares):
        ratios = ":".join(f"{ratio[name]:g}" for name in names)
        raise StudyError(
            f"randomisation.block: {block} patients cannot be split {ratios} ({', '.join(names)}); "
            f"give a multiple of {total:g}."
        )
    one = np.repeat(np.arange(len(names)), [round(share) for share in shares])
    random = stream(seed, *key)
    blocks = [random.permutation(one) for _ in range(-(-count // block))]
    codes = np.concatenate(blocks)[:count] if blocks else np.zeros(0, dtype=np.int64)
    return [names[code] for code in codes.tolist()]


def allocate(
    sizes: Mapping[str, int],
    *,
    seed: int,
    study: str,
    replicate: int,
    block: int | None = None,
    stratum: npt.NDArray[np.str_] | None = None,
    stages: Sequence[tuple[int | None, Mapping[str, float]]] = (),
) -> npt.NDArray[np.str_]:
    """Allocate patients in order of enrolment.

    Parameters
    ----------
    sizes : mapping of str to int
        Patients by arm.
    seed, study, replicate
        Name the random stream.
    block : int, optional
        Size of permuted blocks; None: the whole trial is one block, so that each arm gets exactly
        its size.
    stratum : array of str, shape (patients,), optional
        Each has blocks of its own.
    stages : sequence of (first patients or None, ratio by arm)
        Other ratios for the first patients, one stage after another.

    Returns
    -------
    array of str, shape (patients,)
        Name of the arm of each.
    """
    total = sum(sizes.values())
    smallest = smallest_ratio(sizes)
    if block is None and stratum is None and not stages:
        names = np.repeat(sorted(sizes), [sizes[name] for name in sorted(sizes)])
        return np.asarray(stream(seed, study, replicate, "allocation").permutation(names), dtype=np.str_)
    where = np.full(total, "", dtype=np.str_) if stratum is None else stratum
    ratios: list[Mapping[str, float]] = [ratio for _, ratio in stages]
    stage = np.full(total, len(stages), dtype=np.int64)
    first = 0
    for place, (count, _) in enumerate(stages):
        end = total if count is None else min(total, first + count)
        stage[first:end] = place
        first = end
    ratios.append(smallest)
    found = np.empty(total, dtype=object)
    for place, ratio in enumerate(ratios):
        size = block if block is not None else round(sum(ratio.values()))
        for name in sorted(set(where[stage == place].tolist())):
            members = np.flatnonzero((stage == place) & (where == name))
            key = (study, replicate, "allocation", place, name)
            found[members] = block_labels(ratio, size, len(members), key, seed)
    return found.astype(np.str_)
