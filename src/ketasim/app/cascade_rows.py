"""The rows of the page, and the arrows between them, from two tables."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Edge", "Row", "load_edges", "load_rows"]


@dataclass(frozen=True)
class Row:
    """One row: a quantity of the model as it is shown.

    Parameters
    ----------
    id : str
        Name of the quantity.
    stage, name, measure, about : str
        Its stage, what it is called, what is measured, and more on that.
    unit : str
        Unit on the page.
    scale : float
        What a value in the model's shown unit is multiplied by.
    low, high : float
        Range that is drawn, in ``unit``.
    digits : int
        Significant figures.
    clock : str
        The clock on which it mostly moves.
    group : str
        ``main``, ``harms`` or ``more``.
    colour : str
        Name of a colour of the style.
    zero : float or None
        Value of a line that means nothing there, if there is one.
    log_allowed : bool
        Whether a logarithmic range can be had.
    """

    id: str
    stage: str
    name: str
    measure: str
    about: str
    unit: str
    scale: float
    low: float
    high: float
    digits: int
    clock: str
    group: str
    colour: str
    zero: float | None
    log_allowed: bool


@dataclass(frozen=True)
class Edge:
    """An arrow between rows: its sign, and whether it is the chain, the fast arm, a bar or a branch."""

    child: str
    parent: str
    sign: int
    kind: str

    def as_data(self) -> dict[str, Any]:
        """The parent and how it acts, as plain data."""
        return {"id": self.parent, "sign": self.sign, "kind": self.kind}


def _table(name: str) -> list[dict[str, str]]:
    text = (resources.files("ketasim.app") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


@cache
def load_rows() -> Mapping[str, Row]:
    """Every row by the name of its quantity, from top to bottom."""
    return {
        row["id"]: Row(
            **{name: row[name] for name in ("id", "stage", "name", "measure", "about", "unit")},
            scale=float(row["scale"]),
            low=float(row["low"]),
            high=float(row["high"]),
            digits=int(row["digits"]),
            **{name: row[name] for name in ("clock", "group", "colour")},
            zero=float(row["zero"]) if row["zero"] else None,
            log_allowed=row["log_allowed"] == "1",
        )
        for row in _table("rows.csv")
    }


@cache
def load_edges() -> tuple[Edge, ...]:
    """Every arrow."""
    return tuple(
        Edge(row["child"], row["parent"], int(row["sign"]), row["kind"]) for row in _table("edges.csv")
    )
