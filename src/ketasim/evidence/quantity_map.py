"""What in the model answers a published quantity, and which published rows nothing can answer."""

from __future__ import annotations

import csv
from functools import cache
from importlib import resources

import pandas as pd

from ketasim.errors import EvidenceError, unknown_name

__all__ = ["STATUSES", "load_not_expressible", "load_quantity_map"]

#: ``modelled``: an output of the model or of a trial answers it. ``not_modelled``: nothing does.
STATUSES = ("modelled", "not_modelled")

_MAP_FILE = "quantity_map.csv"
_MAP_COLUMNS = ("domain", "quantity", "output", "statistic", "status", "reason")
_LEFT_OUT = "not_expressible"
_LEFT_OUT_COLUMNS = ("id", "reason")


def load_quantity_map(domain: str | None = None) -> pd.DataFrame:
    """Load the map from published quantities to outputs.

    Parameters
    ----------
    domain : str, optional
        ``pk``, ``mechanism``, ``clinical`` or ``safety``; default: all.

    Returns
    -------
    pandas.DataFrame
        One row a pair of ``domain`` and ``quantity``. ``output`` names quantities of the model,
        rating scales or harms, joined by ``;`` (empty where nothing answers); ``statistic`` says
        how they are read; ``status`` is one of :data:`STATUSES`; ``reason`` says why a quantity is
        not modelled, or what its output leaves out.

    Raises
    ------
    EvidenceError
        If the domain is unknown.
    """
    frame = pd.DataFrame(list(_map_rows()), columns=list(_MAP_COLUMNS), dtype=str)
    if domain is None:
        return frame
    domains = sorted(set(frame["domain"]))
    if domain not in domains:
        raise EvidenceError(f"domain: {unknown_name('domain', domain, domains)}")
    return frame[frame["domain"].eq(domain)].reset_index(drop=True)


def load_not_expressible() -> pd.DataFrame:
    """Load the rows of evidence that no shipped study or experiment can answer, with the reason.

    Returns
    -------
    pandas.DataFrame
        ``id`` of the row in the evidence and ``reason``, in the order of the files.

    Raises
    ------
    EvidenceError
        If a shipped file has other columns.
    """
    folder = resources.files("ketasim.evidence").joinpath("data")
    names = sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.name.startswith(_LEFT_OUT) and entry.name.endswith(".csv")
    )
    rows = [row for name in names for row in _rows(name, _LEFT_OUT_COLUMNS)]
    return pd.DataFrame(rows, columns=list(_LEFT_OUT_COLUMNS), dtype=str)


@cache
def _map_rows() -> tuple[tuple[str, ...], ...]:
    return _rows(_MAP_FILE, _MAP_COLUMNS)


def _rows(name: str, columns: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Read a shipped table as text, once it is known to have the right columns."""
    text = resources.files("ketasim.evidence").joinpath("data", name).read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    if tuple(header) != columns:
        raise EvidenceError(f"{name}: the columns are {', '.join(header)}; make them {', '.join(columns)}.")
    return tuple(tuple(row) for row in rows)
