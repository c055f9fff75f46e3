"""Reads the tables of numbers that belong to trials: each with unit, range, source and grade."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.parameters import GRADES
from ketasim.units import convert

__all__ = ["Sourced", "read_sourced"]

_COLUMNS = ("value", "unit", "low", "high", "distribution", "source", "reference", "grade", "note")
_DISTRIBUTIONS = ("lognormal", "normal", "logitnormal", "fixed")


@dataclass(frozen=True)
class Sourced:
    """One number with its origin.

    Parameters
    ----------
    key : tuple of str
        What names the number in its table.
    value, low, high : float
        Value and plausible range, in ``unit``.
    unit, distribution, source, grade, note : str
        As for the parameters of the model.
    reference : str
        Where the source was read, or its identifier; empty where the source says all.
    """

    key: tuple[str, ...]
    value: float
    unit: str
    low: float
    high: float
    distribution: str
    source: str
    reference: str
    grade: str
    note: str


def read_sourced(table: str, keys: tuple[str, ...]) -> tuple[Sourced, ...]:
    """Read a table that lies beside this module.

    Parameters
    ----------
    table : str
        Name of the CSV file.
    keys : tuple of str
        Its first columns, which name a row.

    Returns
    -------
    tuple of Sourced
        In the order of the file.

    Raises
    ------
    ModelError
        If the columns differ or a row breaks the rules; says which line.
    """
    text = (files("ketasim.trials.scoring") / table).read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != (*keys, *_COLUMNS):
        raise ModelError(f"{table}: the columns must be {', '.join((*keys, *_COLUMNS))}.")
    return tuple(sourced_row(f"{table}, line {reader.line_num}", keys, row) for row in reader)


def sourced_row(where: str, keys: tuple[str, ...], row: Mapping[str, str]) -> Sourced:
    """Check one row and make it a number; raises ModelError that begins with ``where``."""
    if row["grade"] not in GRADES:
        raise ModelError(f"{where}: {unknown_name('grade', row['grade'], GRADES)}")
    if row["distribution"] not in _DISTRIBUTIONS:
        raise ModelError(f"{where}: {unknown_name('distribution', row['distribution'], _DISTRIBUTIONS)}")
    if not row["source"]:
        raise ModelError(f"{where}: the source is empty; write a citation key, or 'assumed'.")
    if row["source"] == "assumed" and row["grade"] != "assumed":
        raise ModelError(f"{where}: grade {row['grade']!r} without a source; write the source, or 'assumed'.")
    try:
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        convert(1.0, row["unit"], row["unit"])
    except (ValueError, UnitError) as error:
        raise ModelError(f"{where}: {error}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low <= value <= high):
        raise ModelError(f"{where}: value {value:g} is outside its range {low:g} to {high:g}.")
    if (low == high) != (row["distribution"] == "fixed"):
        raise ModelError(f"{where}: a 'fixed' number has a range without width, and only such a one.")
    texts = {name: row[name] for name in ("unit", "distribution", "source", "reference", "grade", "note")}
    return Sourced(key=tuple(row[key] for key in keys), value=value, low=low, high=high, **texts)
