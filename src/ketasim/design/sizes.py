"""Sample sizes: read from text, and split over the arms of a trial."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from ketasim.errors import StudyError
from ketasim.trials.conduct.allocation import smallest_ratio
from ketasim.trials.study import Study

__all__ = ["arm_words", "parse_sizes", "simulated_sizes", "split_sizes"]

_EXAMPLE = "'50:400', '50:400:50' or '60,120'"
#: About so many sizes if no step is given, and most that may be asked for.
_USUAL, _MOST_SIZES = 8, 60
#: Largest trial, in patients.
_LARGEST = 100_000
#: Fewest patients of an arm: with one there is no spread.
_FEWEST = 2


def parse_sizes(text: str, option: str = "--n") -> tuple[int, ...]:
    """Read total numbers of patients: ``START:STOP``, ``START:STOP:STEP``, or a list.

    Parameters
    ----------
    text : str
        For example ``50:400``, in about eight steps of a round number; ``50:400:50``; ``60,120``.
    option : str
        For the errors.

    Returns
    -------
    tuple of int
        Rising, each once.

    Raises
    ------
    StudyError
        If it is none of these.
    """
    plain = text.replace(" ", "").replace("_", "")
    if ":" in plain:
        sizes = _range(plain, text, option)
    else:
        sizes = [_whole(part, text, option) for part in plain.split(",")]
    if len(set(sizes)) > _MOST_SIZES:
        raise StudyError(f"{option}: {text!r} gives {len(set(sizes))} sizes; {_MOST_SIZES} are the most.")
    return tuple(sorted(set(sizes)))


def _range(plain: str, text: str, option: str) -> list[int]:
    parts = plain.split(":")
    if len(parts) not in (2, 3):
        raise StudyError(f"{option}: {text!r} is not a range of sizes; write {_EXAMPLE}.")
    start, stop, *rest = (_whole(part, text, option) for part in parts)
    if stop < start:
        raise StudyError(f"{option}: {text!r} falls from {start} to {stop}; write '{stop}:{start}'.")
    step = rest[0] if rest else _round_step((stop - start) / (_USUAL - 1))
    sizes = list(range(start, stop + 1, step))
    return sizes if sizes[-1] == stop else [*sizes, stop]


def _round_step(wish: float) -> int:
    """The round number next to a step."""
    if wish <= 1.0:
        return 1
    ten = 10.0 ** math.floor(math.log10(wish))
    nearest = min((1.0, 2.0, 2.5, 5.0, 10.0), key=lambda factor: abs(factor * ten - wish))
    return max(1, round(nearest * ten))


def _whole(part: str, text: str, option: str) -> int:
    if not re.fullmatch(r"\d+", part) or not 0 < int(part) <= _LARGEST:
        raise StudyError(
            f"{option}: {part!r} in {text!r} is not a number of patients from 1 to {_LARGEST:,}; write "
            f"{_EXAMPLE}."
        )
    return int(part)


def split_sizes(study: Study, totals: Sequence[int], option: str = "--n") -> list[dict[str, int]]:
    """Split total numbers of patients over the arms in the ratio of the study.

    Parameters
    ----------
    study : Study
        The ratio is that of the n of its arms.
    totals : sequence of int
        All patients.
    option : str
        For the errors.

    Returns
    -------
    list of dict of str to int
        Patients by arm; what is left over goes to the arms with the largest remainder, and never
        takes one from an arm that had it with fewer patients in all.

    Raises
    ------
    StudyError
        If an arm would have fewer than two patients.
    """
    weights = {arm.id: arm.n or 0 for arm in study.first_arms}
    found: list[dict[str, int]] = []
    for total in totals:
        sizes = _split(weights, total)
        if min(sizes.values()) < _FEWEST:
            least = next(
                n for n in range(total, _LARGEST * 1000) if min(_split(weights, n).values()) >= _FEWEST
            )
            ratio = ":".join(str(weight) for weight in weights.values())
            raise StudyError(
                f"{option}: {total} patients are too few for the {len(weights)} arms of {study.id} "
                f"({', '.join(weights)}; {ratio}): each needs {_FEWEST}. Give {least} or more."
            )
        found.append(sizes)
    return found


def simulated_sizes(study: Study, largest: dict[str, int]) -> dict[str, int]:
    """Patients of each arm in the trial that holds all smaller ones.

    Parameters
    ----------
    study : Study
        Blocks and strata need the ratio of its arms exactly: there the trial is the next larger one that
        has it.
    largest : dict of str to int
        Patients of each arm at the largest size that is asked for.
    """
    if study.randomisation is None:
        return largest
    ratio = smallest_ratio({arm.id: arm.n or 0 for arm in study.first_arms})
    times = -(-sum(largest.values()) // sum(ratio.values()))
    return {name: times * ratio[name] for name in largest}


def arm_words(study: Study, sizes: Sequence[dict[str, int]]) -> dict[int, str]:
    """Say how each size is split over the arms; with stages of enrolment that follows from the file."""
    staged = study.randomisation is not None and bool(study.randomisation.stages)
    return {
        sum(own.values()): "by the stages of enrolment"
        if staged
        else " + ".join(f"{size} {arm}" for arm, size in own.items())
        for own in sizes
    }


def _split(weights: dict[str, int], total: int) -> dict[str, int]:
    """Split by the method of Sainte-Lague, with which no arm loses when the total grows."""
    all_weights = sum(weights.values())
    # A start that no arm exceeds in the end.
    sizes = {name: max(0, total * weight // all_weights - 1) for name, weight in weights.items()}
    while sum(sizes.values()) < total:
        # Of equal claims, the larger arm's comes first, and then the earlier one's.
        name = max(weights, key=lambda arm: (weights[arm] / (2 * sizes[arm] + 1), weights[arm]))
        sizes[name] += 1
    return sizes
