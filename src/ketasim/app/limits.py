"""How much one request may ask for: one table, which the page shows too."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType

from ketasim.errors import ModelError, unknown_name

__all__ = ["Limit", "limit", "load_limits"]


@dataclass(frozen=True)
class Limit:
    """The most that a request may ask for.

    Parameters
    ----------
    id : str
        Its name.
    value : float
        The limit, in ``unit``.
    unit, words : str
        What is counted, and what the limit is on, in words.
    command : str
        The call on the command line that has no such limit; empty if there is none.
    """

    id: str
    value: float
    unit: str
    words: str
    command: str

    @property
    def text(self) -> str:
        """The limit as a sentence without its end."""
        return f"{self.words}: at most {self.value:,.10g} {self.unit}"


@cache
def load_limits() -> Mapping[str, Limit]:
    """Every limit by its name."""
    text = (resources.files("ketasim.app") / "limits.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return MappingProxyType(
        {
            row["id"]: Limit(row["id"], float(row["value"]), row["unit"], row["words"], row["command"])
            for row in rows
        }
    )


def limit(name: str) -> Limit:
    """Return a limit by its name.

    Raises
    ------
    ModelError
        If there is no such limit.
    """
    limits = load_limits()
    if name not in limits:
        raise ModelError(unknown_name("limit", name, limits))
    return limits[name]
