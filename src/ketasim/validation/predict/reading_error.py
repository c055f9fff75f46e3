"""What a single reading of an experiment has of its own: the assay, the sample, the moment.

Experiments have no raters. Without this, persons would differ by what the model varies alone, and an
experiment of a dozen animals would see effects that no assay could show.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError, unknown_name
from ketasim.model.parameters import GRADES
from ketasim.population import stream

__all__ = ["ReadingError", "error_of", "load_reading_errors", "read_with_error"]

FloatArray = npt.NDArray[np.float64]

_COLUMNS = ("quantity", "kind", "value", "low", "high", "source", "grade", "note")
_KINDS = ("relative", "absolute")


@dataclass(frozen=True)
class ReadingError:
    """Error of one reading.

    Parameters
    ----------
    quantity : str
        Quantity, or stage of the model whose quantities have no row of their own.
    kind : str
        ``relative``: ``value`` is the SD over the value; ``absolute``: the SD in the shown unit.
    value, low, high : float
        SD and its plausible range.
    source, grade, note : str
        As of a parameter.
    """

    quantity: str
    kind: str
    value: float
    low: float
    high: float
    source: str
    grade: str
    note: str


@cache
def load_reading_errors() -> dict[str, ReadingError]:
    """Load the shipped table, by quantity or stage.

    Raises
    ------
    ModelError
        If a row breaks its rules; says which line.
    """
    text = (files(__package__) / "reading_error.csv").read_text(encoding="utf-8")
    reader = csv.DictReader(text.splitlines())
    if tuple(reader.fieldnames or ()) != _COLUMNS:
        raise ModelError(f"reading_error.csv: the columns must be {', '.join(_COLUMNS)}.")
    found: dict[str, ReadingError] = {}
    for row in reader:
        where = f"reading_error.csv, line {reader.line_num}"
        for what, name, allowed in (("kind", row["kind"], _KINDS), ("grade", row["grade"], GRADES)):
            if name not in allowed:
                raise ModelError(f"{where}: {unknown_name(what, name, allowed)}")
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        if not 0.0 <= low <= value <= high or row["quantity"] in found or not row["source"]:
            raise ModelError(
                f"{where}: a quantity stands once, has a source, and its value lies within low and high; "
                f"here are {row['quantity']!r}, {row['source']!r} and {value:g} of {low:g} to {high:g}."
            )
        found[row["quantity"]] = ReadingError(
            row["quantity"], row["kind"], value, low, high, row["source"], row["grade"], row["note"]
        )
    return found


def error_of(quantity: str, stage: str) -> ReadingError | None:
    """Error of a quantity: its own, else that of its stage; None if neither has one."""
    table = load_reading_errors()
    return table.get(quantity) or table.get(stage)


def read_with_error(
    values: FloatArray, error: ReadingError | None, measure: str, seed: int, *key: str
) -> FloatArray:
    """Values as they were read.

    Parameters
    ----------
    values : array
        What the model holds, in the shown unit.
    error : ReadingError, optional
        Of one reading.
    measure : str
        Times and half-lives are read from a course and have none of it.
    seed : int
        Of the run.
    *key : str
        Names the random numbers: work, arm, quantity, time.

    Returns
    -------
    array
        A relative error keeps the sign of a value.
    """
    if error is None or error.value == 0.0 or measure in ("peak_time", "half_life"):
        return values
    z = stream(seed, "reading", *key).standard_normal(values.shape)
    if error.kind == "absolute":
        return np.asarray(values + error.value * z, dtype=np.float64)
    spread = np.sqrt(np.log1p(error.value**2))
    # Log-normal with the same mean.
    return np.asarray(values * np.exp(spread * z - 0.5 * spread**2), dtype=np.float64)
