"""Cells of an event table as arrays, and the list of what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing.nonmem_columns import NUMBERS, TEXTS
from ketasim.errors import DoseError

__all__ = ["BoolArray", "Cells", "FloatArray", "IntArray", "Problems", "read_cells"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# What stands for an empty cell in a column of words.
_EMPTY = ("", ".", "nan", "none", "na", "<na>")


@dataclass
class Problems:
    """What is wrong in a table, found column by column and told by row.

    Parameters
    ----------
    where : str
        What the table is called in messages.
    rows : array of int
        Row number of each entry of the arrays that are checked, from 1.
    """

    where: str
    rows: IntArray
    _first: tuple[int, str] | None = None
    _wrong: set[int] = field(default_factory=set)

    def add(self, wrong: BoolArray, column: str, say: Callable[[int], str]) -> None:
        """Note the entries that are wrong; ``say`` gives the message for one of them."""
        places = np.flatnonzero(wrong)
        if not len(places):
            return
        self._wrong.update(places.tolist())
        place = int(places[0])
        # Of two faults in one row, the one that was looked for first is told.
        if self._first is None or place < self._first[0]:
            self._first = (place, f"column {column}: {say(place)}")

    def raise_first(self) -> None:
        """Raise a DoseError that tells the first wrong row, and how many others there are."""
        if self._first is None:
            return
        place, message = self._first
        others = len(self._wrong) - 1
        more = f" {others} more row{'s are' if others > 1 else ' is'} wrong too." if others else ""
        raise DoseError(f"{self.where}, row {self.rows[place]}, {message}{more}")


@dataclass(frozen=True, eq=False)
class Cells:
    """Columns of a table as arrays of equal length.

    Parameters
    ----------
    rows : array of int
        Row in the table, from 1.
    numbers : mapping of str to array
        Every column of `NUMBERS`, missing cells at their default.
    words : mapping of str to array of object
        Every column of `TEXTS`, missing cells as empty text.
    covariates : mapping of str to array
        Other numeric columns; NaN where missing.
    present : frozenset of str
        Columns that the table has.
    """

    rows: IntArray
    numbers: Mapping[str, FloatArray]
    words: Mapping[str, npt.NDArray[np.object_]]
    covariates: Mapping[str, FloatArray]
    present: frozenset[str]


def _words(column: pd.Series) -> npt.NDArray[np.object_]:
    """Cells as stripped text, each different one looked at once."""
    codes, unique = pd.factorize(column, use_na_sentinel=True)
    plain = [str(word).strip() for word in unique]
    plain = ["" if word.lower() in _EMPTY else word for word in plain]
    return np.array([*plain, ""], dtype=object)[codes]


def _as_numbers(column: pd.Series) -> tuple[FloatArray, BoolArray]:
    """Cells as floats, NaN where missing, and where there is text that is no number."""
    if pd.api.types.is_numeric_dtype(column.dtype):
        plain = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return plain, np.zeros(len(plain), dtype=np.bool_)
    words = _words(column)
    missing = words == ""
    numbers = np.asarray(pd.to_numeric(pd.Series(words), errors="coerce"), dtype=np.float64)
    return numbers, np.isnan(numbers) & ~missing


def read_cells(table: pd.DataFrame, where: str) -> Cells:
    """Turn a table with checked column names into arrays.

    Parameters
    ----------
    table : pandas.DataFrame
        The table. Rows whose column ``C`` holds a ``C`` are comments.
    where : str
        What the table is called in messages.

    Returns
    -------
    Cells
        The rows that are no comments.

    Raises
    ------
    DoseError
        If a cell of a numeric column holds text, or a number that is not finite.
    """
    rows = np.arange(1, len(table) + 1, dtype=np.int64)
    if "C" in table.columns:
        kept = np.array([word.upper() != "C" for word in _words(table["C"])], dtype=np.bool_)
        table, rows = table.loc[kept], rows[kept]
    problems = Problems(where, rows)
    numbers: dict[str, FloatArray] = {}
    covariates: dict[str, FloatArray] = {}
    for name in table.columns:
        if name in TEXTS or name == "C":
            continue
        column = table[name]
        values, text = _as_numbers(column)
        # A column without any number is a label, kept in the table and used for nothing.
        if name not in NUMBERS and bool(text.any()) and not bool(np.isfinite(values).any()):
            continue
        cells = column.to_list() if bool(text.any()) else []
        problems.add(
            text,
            name,
            lambda at, cells=cells: (
                f"{cells[at]!r} is not a number; write a number, or '.' if it is missing."
            ),  # type: ignore[misc]
        )
        problems.add(
            np.isinf(values),
            name,
            lambda at, values=values: f"{values[at]:g} must be a finite number.",  # type: ignore[misc]
        )
        (numbers if name in NUMBERS else covariates)[name] = values
    problems.raise_first()
    present = frozenset((*numbers, *(name for name in TEXTS if name in table.columns)))
    for name, default in NUMBERS.items():
        values = numbers.get(name, np.full(len(rows), np.nan))
        numbers[name] = values if default is None else np.where(np.isnan(values), default, values)
    empty = np.full(len(rows), "", dtype=object)
    words = {name: _words(table[name]) if name in present else empty for name in TEXTS}
    return Cells(rows, numbers, words, covariates, present)
