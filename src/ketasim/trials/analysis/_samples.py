"""What the methods are given, checked before anything is computed."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError

Floats: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]


def read_numbers(field: str, given: npt.ArrayLike, *, finite: bool = False) -> Floats:
    """Read an array of numbers (NaN is a missing value unless `finite`)."""
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise StudyError(f"{field}: {given!r} is not an array of numbers ({error}). Give numbers.") from error
    wrong = ~np.isfinite(values) if finite else np.isinf(values)
    if wrong.any():
        where = tuple(int(part) for part in np.argwhere(wrong)[0])
        place = f"{field}[{', '.join(map(str, where))}]" if where else field
        raise StudyError(f"{place}: {values[where]} is not allowed here; give finite numbers.")
    return values


def read_codes(field: str, given: npt.ArrayLike) -> Integers:
    """Read whole numbers from 0, such as arms or strata."""
    values = read_numbers(field, given, finite=True)
    if values.size and ((values < 0.0) | (values != np.round(values))).any():
        raise StudyError(f"{field}: codes must be whole numbers from 0; 0 is the comparator in a group.")
    return values.astype(np.int64)


def read_flags(field: str, given: npt.ArrayLike, *, missing: bool = False) -> Floats:
    """Read an array of 0 and 1 as floats; NaN is let through if `missing`."""
    values = read_numbers(field, given, finite=not missing)
    if not np.isin(values[~np.isnan(values)], (0.0, 1.0)).all():
        raise StudyError(f"{field}: only 0 and 1 (false and true) are allowed; give one of them per person.")
    return values


def read_covariates(given: npt.ArrayLike | None, n: int) -> Floats:
    """Read covariates of shape (n, p), or (n,) for one; none gives shape (n, 0)."""
    if given is None:
        return np.zeros((n, 0))
    values = read_numbers("covariates", given, finite=True)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or values.shape[0] != n:
        raise StudyError(f"covariates: shape {values.shape}; give one row for each of the {n} persons.")
    return values


def same_length(**arrays: npt.NDArray[np.generic]) -> int:
    """Return the common length of one-dimensional arrays, or say which differ."""
    shapes = {name: array.shape for name, array in arrays.items()}
    lengths = {shape[0] for shape in shapes.values() if len(shape) == 1}
    if len(lengths) != 1 or any(len(shape) != 1 for shape in shapes.values()):
        shown = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise StudyError(f"shapes differ: {shown}. Give one value for each person, in the same order.")
    return int(lengths.pop())


def check_level(alpha: float, field: str = "alpha") -> float:
    """Return a probability strictly between 0 and 1."""
    if not (math.isfinite(alpha) and 0.0 < alpha < 1.0):
        raise StudyError(f"{field}: {alpha!r} is not between 0 and 1; give for example 0.05.")
    return float(alpha)


def two_groups(group: Integers) -> None:
    """Refuse groups other than a comparator (0) and one treatment (1), both with persons."""
    found = sorted(set(group.tolist()))
    if found != [0, 1]:
        raise StudyError(
            f"group: codes {found}; this method compares group 1 with group 0 and needs persons in both."
        )
