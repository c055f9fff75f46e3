"""How parameters go together between people: a table of correlations, and deviates that follow it."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ketasim.errors import ModelError, unknown_name
from ketasim.model.parameters.grades import GRADES

__all__ = ["Correlation", "check_correlations", "correlated", "read_correlations"]

_COLUMNS = ("first", "second", "correlation", "source", "grade")

_Deviate = TypeVar("_Deviate", float, NDArray[np.float64])


@dataclass(frozen=True)
class Correlation:
    """How two parameters go together between people.

    Parameters
    ----------
    first, second : str
        Names of the parameters.
    correlation : float
        Of their deviations on the scale of their spread (log, or logit for a share); between -1 and 1.
    source, grade : str
        As of a parameter.
    """

    first: str
    second: str
    correlation: float
    source: str
    grade: str


def read_correlations(path: Path) -> tuple[Correlation, ...]:
    """Read a table with the columns ``first, second, correlation, source, grade``.

    Parameters
    ----------
    path : Path
        A CSV file.

    Returns
    -------
    tuple of Correlation
        In the order of the file.

    Raises
    ------
    ModelError
        If a row is wrong; says which line and field.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise ModelError(f"{path.name}: the columns must be {', '.join(_COLUMNS)}.")
        return tuple(_correlation(f"{path.name}, line {reader.line_num}", row) for row in reader)


def _correlation(where: str, row: Mapping[str, str]) -> Correlation:
    if row["grade"] not in GRADES:
        raise ModelError(f"{where}: {unknown_name('grade', row['grade'], GRADES)}")
    if not row["source"]:
        raise ModelError(
            f"{where}: the source is empty; write a citation key, or 'assumed' where none is known."
        )
    try:
        value = float(row["correlation"])
    except ValueError:
        value = math.nan
    if not -1.0 < value < 1.0:
        raise ModelError(
            f"{where}: correlation {row['correlation']!r} is not a number between -1 and 1; divide a "
            "covariance by both standard deviations."
        )
    return Correlation(row["first"], row["second"], value, row["source"], row["grade"])


def check_correlations(pairs: Sequence[Correlation], spreads: Mapping[str, float]) -> None:
    """Refuse correlations that no people can have.

    Parameters
    ----------
    pairs : sequence of Correlation
        The table.
    spreads : mapping of str to float
        Standard deviation between people by the name of each parameter, 0 without one.

    Raises
    ------
    ModelError
        If a parameter does not exist or does not vary between people, a pair stands twice, or
        the whole is not positive definite.
    """
    seen: set[frozenset[str]] = set()
    for pair in pairs:
        where = f"correlation of {pair.first!r} with {pair.second!r}"
        for name in (pair.first, pair.second):
            if name not in spreads:
                raise ModelError(f"{where}: {unknown_name('parameter', name, spreads)}")
            if not spreads[name] > 0.0:
                raise ModelError(
                    f"{where}: {name!r} does not vary between people; give it a spread in the column iiv, "
                    "or take the pair out."
                )
        if pair.first == pair.second:
            raise ModelError(f"{where}: a parameter goes with itself in any case; take the row out.")
        key = frozenset((pair.first, pair.second))
        if key in seen:
            raise ModelError(f"{where}: the pair stands twice; keep one row.")
        seen.add(key)
    _factor(_names(pairs), tuple(pairs))


def correlated(deviates: Mapping[str, _Deviate], pairs: Sequence[Correlation]) -> dict[str, _Deviate]:
    """Let independent standard normal deviates go together.

    Parameters
    ----------
    deviates : mapping of str to float or array, shape (persons,)
        Standard normal numbers by the name of the parameter, each from a stream of its own.
    pairs : sequence of Correlation
        Pairs of which a parameter has no deviate do not count.

    Returns
    -------
    dict of str to float or array
        Standard normal numbers with these correlations, in the order of ``deviates``. One that
        is in no pair stays as it is, whatever else is there; so does the first of its group in the
        order of ``pairs``.

    Raises
    ------
    ModelError
        If the correlations are not positive definite.

    Notes
    -----
    ``z' = L z`` with the Cholesky factor ``L`` of the correlation matrix. Each sum is taken term by
    term in one order, so that a person's numbers are bit for bit the same alone and in an array.
    """
    within = tuple(pair for pair in pairs if pair.first in deviates and pair.second in deviates)
    names = _names(within)
    moved = dict(deviates)
    for name, row in zip(names, _factor(names, within), strict=True):
        terms = [share * deviates[other] for other, share in zip(names, row, strict=True) if share != 0.0]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        moved[name] = total
    return moved


def _names(pairs: Sequence[Correlation]) -> tuple[str, ...]:
    """Parameters of some pairs, each once, in their order."""
    return tuple(dict.fromkeys(name for pair in pairs for name in (pair.first, pair.second)))


@lru_cache(maxsize=64)
def _factor(names: tuple[str, ...], pairs: tuple[Correlation, ...]) -> tuple[tuple[float, ...], ...]:
    """Rows of the lower triangular factor of the correlation matrix."""
    place = {name: i for i, name in enumerate(names)}
    matrix = np.eye(len(names))
    for pair in pairs:
        i, j = place[pair.first], place[pair.second]
        matrix[i, j] = matrix[j, i] = pair.correlation
    try:
        lower = np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        raise ModelError(
            f"correlations of {', '.join(names)}: no people can have all of them at once (the matrix is not "
            "positive definite); make them smaller, or give the pairs that are missing."
        ) from None
    return tuple(tuple(row) for row in lower.tolist())
