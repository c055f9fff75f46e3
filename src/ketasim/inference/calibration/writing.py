"""Puts fitted values into the parameter tables, and a posterior ensemble beside the population."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.inference.calibration.prior import INFORMED

__all__ = ["Fitted", "write_values"]

FloatArray = npt.NDArray[np.float64]

#: What an earlier fit has left at the end of a note.
_FIT_NOTE = re.compile(r"(?:^|\s*\|\s*)fit: posterior SD .*$")


class Fitted(Protocol):
    """What a fit has found."""

    @property
    def names(self) -> tuple[str, ...]:
        """Free parameters."""

    @property
    def values(self) -> FloatArray:
        """Their values, in the units of their tables."""

    @property
    def shrinkage(self) -> FloatArray:
        """Posterior over prior SD."""


def write_values(
    result: Fitted, folder: Path, described: Mapping[str, Mapping[str, str]] | None = None
) -> None:
    """Put calibrated values into the parameter tables.

    A parameter that the targets narrowed gets the grade ``calibrated``; one that they
    did not keeps its grade, unless that was ``calibrated``: then it is ``assumed``. Both
    say how far they were narrowed. ``described`` has more to write of a parameter, by column.

    Raises
    ------
    ModelError
        If a value lies outside its range, with which the tables could not be read again,
        or a name stands in no table; nothing is written then.
    """
    fitted = zip(result.values.tolist(), result.shrinkage.tolist(), strict=True)
    new = dict(zip(result.names, fitted, strict=True))
    tables = {path: _rows(path) for path in sorted(folder.glob("*.csv"))}
    tables = {path: rows for path, rows in tables.items() if any(row["name"] in new for row in rows)}
    found = [row for rows in tables.values() for row in rows if row["name"] in new]
    missing = sorted(set(new) - {row["name"] for row in found})
    if missing:
        raise ModelError(
            f"{folder}: no table has the parameter {missing[0]!r}; choose the folder of its species."
        )
    for row in found:
        value, shrink = new[row["name"]]
        row.update((described or {}).get(row["name"], {}))
        row["value"] = f"{value:.6g}"
        if not float(row["low"]) <= float(row["value"]) <= float(row["high"]):
            raise ModelError(
                f"parameter {row['name']!r}: the fitted value {value:.6g} is outside its range "
                f"{row['low']} to {row['high']} {row['unit']}; reconsider the range or the targets."
            )
        if shrink <= INFORMED:
            row["grade"] = "calibrated"
        elif row["grade"] == "calibrated":
            row["grade"] = "assumed"
        note = _FIT_NOTE.sub("", row["note"])
        row["note"] = f"{note} | fit: posterior SD {shrink:.2f} of the prior SD".removeprefix(" | ")
    for path, rows in tables.items():
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
