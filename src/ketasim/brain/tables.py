"""Parameter tables of the whole brain: one number a row, with its range, source and grade."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path

from ketasim.errors import BrainError, unknown_name

__all__ = ["TABLE_COLUMNS", "read_table"]

TABLE_COLUMNS = ("name", "value", "unit", "low", "high", "distribution", "source", "grade", "note")
_GRADES = ("measured", "derived", "calibrated", "assumed")
_DISTRIBUTIONS = ("fixed", "normal", "lognormal", "logitnormal")


def read_table(file: str | Path, names: Sequence[str]) -> Mapping[str, float]:
    """Read the values of a parameter table.

    Parameters
    ----------
    file : str or Path
        The bare name of a table that ships with this package, or a path.
    names : sequence of str
        The rows that the table must have: these and no others, in any order.

    Returns
    -------
    mapping of str to float
        Values by name.

    Raises
    ------
    BrainError
        If the file is missing, a row is missing, doubled or unknown, or a row breaks the rules of
        grades and ranges; names the file, the line and the column.
    """
    shipped = resources.files("ketasim.brain") / str(file)
    if isinstance(file, str) and "/" not in file and shipped.is_file():
        text = shipped.read_text(encoding="utf-8")
    elif Path(file).is_file():
        text = Path(file).read_text(encoding="utf-8")
    else:
        raise BrainError(f"parameter table {file}: there is no such file.")
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != TABLE_COLUMNS:
        raise BrainError(f"{file}: the columns must be {', '.join(TABLE_COLUMNS)}.")
    values: dict[str, float] = {}
    for row in reader:
        where = f"{file}, line {reader.line_num}"
        if row["name"] not in names:
            raise BrainError(f"{where}: {unknown_name('parameter', row['name'], names)}")
        if row["name"] in values:
            raise BrainError(f"{where}: parameter {row['name']!r} stands there twice; remove one row.")
        values[row["name"]] = _value(where, row)
    missing = [name for name in names if name not in values]
    if missing:
        raise BrainError(f"{file}: no row for {', '.join(missing)}; add it.")
    return values


def _value(where: str, row: Mapping[str, str]) -> float:
    low, value, high = (_number(where, row, column) for column in ("low", "value", "high"))
    if not low <= value <= high:
        raise BrainError(f"{where}: {row['name']} is {value:g}, outside its range {low:g} to {high:g}.")
    for column, allowed in (("grade", _GRADES), ("distribution", _DISTRIBUTIONS)):
        if row[column] not in allowed:
            raise BrainError(f"{where}: {unknown_name(column, row[column], allowed)}")
    if not row["source"]:
        raise BrainError(f"{where}: {row['name']} has no source; write one, or 'assumed'.")
    return value


def _number(where: str, row: Mapping[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise BrainError(f"{where}: {column} is {row[column]!r}; write a finite number.")
    return number
