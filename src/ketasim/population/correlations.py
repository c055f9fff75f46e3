"""How covariates go together: the shipped correlations, a study's own, and whether people can have them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import Correlation
from ketasim.population.baselines import default_correlations
from ketasim.population.covariates import ANCESTRIES, COVARIATES

__all__ = ["check_definite", "groups_of", "joined_correlations"]

_WHERE = "population: correlations"
#: A smaller eigenvalue is zero to rounding.
_SMALLEST = 1e-10
_HALVINGS = 40


def joined_correlations(given: Sequence[tuple[str, str, float]]) -> tuple[Correlation, ...]:
    """Put a study's own correlations in place of the shipped ones.

    Parameters
    ----------
    given : sequence of (str, str, float)
        Two covariates, and the correlation of the normal numbers behind them.

    Returns
    -------
    tuple of Correlation
        None that is 0.

    Raises
    ------
    StudyError
        If a name is unknown or cannot have one, a pair stands twice, or a number is impossible.
    """
    possible = [name for name in COVARIATES if name not in ANCESTRIES]
    own: dict[frozenset[str], Correlation] = {}
    for first, second, value in given:
        where = f"{_WHERE}: {first} with {second}"
        for name in (first, second):
            if name in ANCESTRIES:
                raise StudyError(f"{where}: ancestry is a group and has no correlation; leave the pair out.")
            if name not in COVARIATES:
                raise StudyError(f"{where}: {unknown_name('covariate', name, possible)}")
        if first == second:
            raise StudyError(f"{where}: a covariate goes with itself in any case; leave the pair out.")
        if not -1.0 < value < 1.0:
            raise StudyError(f"{where}: {value!r} is not a number between -1 and 1.")
        key = frozenset((first, second))
        if key in own:
            raise StudyError(f"{where}: the pair stands twice; keep one.")
        own[key] = Correlation(first, second, float(value), "assumed", "assumed")
    kept = [pair for pair in default_correlations() if frozenset((pair.first, pair.second)) not in own]
    return tuple(pair for pair in (*kept, *own.values()) if pair.correlation != 0.0)


def check_definite(pairs: Sequence[Correlation], given: Sequence[tuple[str, str, float]] = ()) -> None:
    """Refuse correlations that no people can have.

    Parameters
    ----------
    pairs : sequence of Correlation
        All of them.
    given : sequence of (str, str, float), optional
        Those of the study, which are at fault rather than the shipped ones.

    Raises
    ------
    StudyError
        If their matrix is not positive definite; names the pair that is most at fault, and the
        values that it could have beside the others.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))
    if not names:
        return
    matrix = _matrix(names, pairs)
    values, vectors = np.linalg.eigh(matrix)
    if values[0] > _SMALLEST:
        return
    weak = vectors[:, 0]
    place = {name: i for i, name in enumerate(names)}
    # The smallest eigenvalue is a sum over pairs; the most negative summand is the most at fault.
    own = {frozenset(pair[:2]) for pair in given}
    blamed = [pair for pair in pairs if frozenset((pair.first, pair.second)) in own] or pairs
    worst = min(
        blamed, key=lambda pair: pair.correlation * weak[place[pair.first]] * weak[place[pair.second]]
    )
    others = [pair for pair in pairs if pair is not worst]
    beside = _matrix(names, others)
    allowed = _allowed(beside, place[worst.first], place[worst.second])
    help_text = (
        "no value of it alone would do: make the others smaller too"
        if allowed is None
        else f"beside the others it can be {allowed[0]:.2f} to {allowed[1]:.2f}"
    )
    raise StudyError(
        f"{_WHERE}: {worst.first} with {worst.second}: {worst.correlation:g} cannot be true together with "
        f"the other correlations (the matrix is not positive definite); {help_text}."
    )


def _matrix(names: Sequence[str], pairs: Sequence[Correlation]) -> npt.NDArray[np.float64]:
    place = {name: i for i, name in enumerate(names)}
    matrix = np.eye(len(names))
    for pair in pairs:
        i, j = place[pair.first], place[pair.second]
        matrix[i, j] = matrix[j, i] = pair.correlation
    return matrix


def _allowed(matrix: npt.NDArray[np.float64], i: int, j: int) -> tuple[float, float] | None:
    """Values of one entry with which a matrix is positive definite."""

    def definite(value: float) -> bool:
        changed = matrix.copy()
        changed[i, j] = changed[j, i] = value
        return bool(np.linalg.eigvalsh(changed)[0] > _SMALLEST)

    inside = next((value for value in np.linspace(-0.99, 0.99, 199).tolist() if definite(value)), None)
    if inside is None:
        return None
    ends = []
    for end in (-1.0, 1.0):
        good, bad = inside, end
        for _ in range(_HALVINGS):
            middle = 0.5 * (good + bad)
            good, bad = (middle, bad) if definite(middle) else (good, middle)
        ends.append(good)
    return ends[0], ends[1]


def groups_of(names: Sequence[str], pairs: Sequence[Correlation]) -> frozenset[str]:
    """Return some covariates, and all that go with them directly or through others."""
    found = set(names)
    grown = True
    while grown:
        grown = False
        for pair in pairs:
            if (pair.first in found) != (pair.second in found):
                found |= {pair.first, pair.second}
                grown = True
    return frozenset(found)
