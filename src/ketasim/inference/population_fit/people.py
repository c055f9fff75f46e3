"""Who the persons of a data set are: weight, age and the like, and the points at which they rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing.nonmem import NonmemData
from ketasim.errors import DoseError

__all__ = ["SEVERITY", "read_people"]

FloatArray = npt.NDArray[np.float64]

#: Columns of NONMEM data sets and the parameters that they set, with the factor to the table's unit.
_COVARIATES: Mapping[str, tuple[str, float]] = {
    "WT": ("weight", 1.0),
    "WEIGHT": ("weight", 1.0),
    "AGE": ("age", 1.0),
    "HT": ("height", 0.01),
    "SEX": ("female", 1.0),
    "FEMALE": ("female", 1.0),
    "ASIAN": ("asian", 1.0),
    "JAPANESE": ("japanese", 1.0),
    "CYP2B6_STAR6": ("cyp2b6_star6", 1.0),
    "LIVER_FUNCTION": ("liver_function", 1.0),
}
_SHARES = ("female", "asian", "japanese")
#: Column of the severity at rest, in points, and what it must lie between.
SEVERITY, _LEAST, _MOST = "BASELINE", 2.0, 55.0


def read_people(
    data: NonmemData, frame: pd.DataFrame, ids: Sequence[float], where: str, lines: Sequence[int]
) -> tuple[dict[str, FloatArray], list[str]]:
    """Read what persons bring along: the first value of each column that is known.

    Parameters
    ----------
    data, frame : NonmemData, pandas.DataFrame
        The table, read and as it came.
    ids : sequence of float
        The persons.
    where, lines : str, sequence of int
        Name of the file, and the line of each row.

    Returns
    -------
    dict of str to array, shape (persons,)
        Parameters in the units of their tables; :data:`SEVERITY` in points.
    list of str
        What a reader should know.

    Raises
    ------
    DoseError
        If a person has no value, or one that cannot be; names file, line and column.
    """
    found: dict[str, FloatArray] = {}
    notes: list[str] = []
    for column in frame.columns:
        name, factor = _COVARIATES.get(str(column).upper(), ("", 1.0))
        if str(column).upper() == SEVERITY:
            name = SEVERITY
        if not name or column not in data.covariates.columns:
            continue
        own = np.empty(len(ids))
        for place, subject in enumerate(ids):
            cells = data.covariates.loc[data.covariates["ID"] == subject, column].dropna()
            if cells.empty:
                raise DoseError(
                    f"{where}: column {column}: ID {subject:g} has no value; give each person one, or "
                    "drop the "
                    "column."
                )
            own[place] = factor * float(cells.iloc[0])
            _check_covariate(name, own[place], f"{where}, line {lines[cells.index[0]]}, column {column}")
            if cells.nunique() > 1 and len(notes) < 8:
                notes.append(f"ID {subject:g} has several values of {column}; the first holds throughout.")
        found[name] = own
    if "weight" not in found:
        notes.append("No column WT: everybody weighs 70 kg.")
    return found, notes


def _check_covariate(name: str, value: float, where: str) -> None:
    if name in _SHARES and value not in (0.0, 1.0):
        raise DoseError(f"{where}: {value:g} must be 1 (yes; SEX: a woman) or 0.")
    if name == SEVERITY and not _LEAST <= value <= _MOST:
        raise DoseError(f"{where}: {value:g} points at rest must lie from {_LEAST:g} to {_MOST:g}.")
    if name in ("weight", "height", "age", "liver_function") and not value > 0.0:
        raise DoseError(f"{where}: {value:g} must be above 0.")
