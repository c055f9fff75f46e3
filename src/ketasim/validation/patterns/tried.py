"""What was tried where a pattern is missed: one row a thing tried, filled by hand."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping
from importlib import resources

from ketasim.errors import ModelError, unknown_name

__all__ = ["load_tried"]

_COLUMNS = ["pattern", "tried"]


def load_tried(known: Collection[str], text: str | None = None) -> Mapping[str, tuple[str, ...]]:
    """Read what was tried, by pattern.

    Parameters
    ----------
    known : collection of str
        Names of patterns.
    text : str, optional
        The table in place of the shipped one.

    Raises
    ------
    ModelError
        If a row names no pattern or says nothing.
    """
    shipped = resources.files("ketasim.validation.patterns") / "tried.csv"
    rows = csv.DictReader((shipped.read_text(encoding="utf-8") if text is None else text).splitlines())
    if rows.fieldnames != _COLUMNS:
        raise ModelError(f"tried.csv: columns {rows.fieldnames}; give {', '.join(_COLUMNS)}.")
    found: dict[str, list[str]] = {}
    for number, row in enumerate(rows, start=2):
        if row["pattern"] not in known:
            raise ModelError(f"tried.csv, line {number}: {unknown_name('pattern', row['pattern'], known)}")
        if not (row["tried"] or "").strip():
            raise ModelError(f"tried.csv, line {number}: tried is empty; say what was tried.")
        found.setdefault(row["pattern"], []).append(row["tried"].strip())
    return {name: tuple(items) for name, items in found.items()}
