"""Published rows beside what the model predicts: the shipped scoreboard, searched and in pages."""

from __future__ import annotations

import csv
import difflib
import json
from collections.abc import Iterable
from functools import cache
from typing import Any

from ketasim.app.citations import sources_of
from ketasim.app.tables import SCOREBOARD_FILE, is_out_of_date, made_with, read_text

__all__ = ["COLUMNS", "evidence_of_stage", "evidence_reply", "scoreboard", "use_of_rows"]

PAGE = 50
_NEAREST = 3
_NUMBERS = ("time_h", "n", "observed", "observed_se", "predicted", "low", "high", "z")
#: Columns of the shipped table.
COLUMNS = (
    *("study", "id", "domain", "stage", "species", "citation", "arm", "comparator", "quantity", "statistic"),
    *("measure", "time_h", "unit", "n", "observed", "observed_se", "predicted", "low", "high", "z", "hit"),
    *("kind", "use", "source_kind", "reason", "scenario"),
)
_SEARCHED = (
    *("study", "id", "domain", "stage", "species", "citation", "arm", "comparator", "quantity", "statistic"),
    "reason",
)


def _read(row: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = dict(row)
    for name in _NUMBERS:
        found[name] = float(row[name]) if row[name] else None
    found["hit"] = {"1": True, "0": False}.get(row["hit"])
    found["scenario"] = _scenarios()[int(row["scenario"])] if row["scenario"] else None
    found["sources"] = sources_of(row["citation"])
    found["citation"] = found["sources"][0]["key"]
    found["source"] = "; ".join(source["text"] for source in found["sources"])
    return found


@cache
def _scenarios() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(read_text("scoreboard_scenarios.json"))
    return found


@cache
def scoreboard() -> tuple[dict[str, Any], ...]:
    """Every row of the scoreboard, as plain data."""
    return tuple(_read(row) for row in csv.DictReader(read_text(SCOREBOARD_FILE).splitlines()))


@cache
def _searched() -> tuple[str, ...]:
    """What a search looks at, by row."""
    return tuple(
        " ".join([*(str(row[name]) for name in _SEARCHED), row["source"]]).lower().replace("_", " ")
        for row in scoreboard()
    )


@cache
def use_of_rows() -> dict[str, str]:
    """What each row of the evidence that is scored is used for: ``calibration`` or ``check``."""
    return {row["id"]: row["use"] for row in scoreboard()}


def _found(query: str, verdict: str | None, use: str | None) -> list[dict[str, Any]]:
    words = query.lower().replace("_", " ").split()[:20]
    wanted = {"hit": True, "miss": False}.get(verdict or "")
    return [
        row
        for row, text in zip(scoreboard(), _searched(), strict=True)
        if all(word in text for word in words)
        and (wanted is None or row["hit"] is wanted)
        and (use is None or row["use"] == use)
    ]


def _nearest(query: str) -> list[dict[str, Any]]:
    """Rows of the studies, quantities or sources whose names come nearest to a search without a result."""
    names: dict[str, dict[str, Any]] = {}
    for row in scoreboard():
        for name in (row["study"], row["quantity"].replace("_", " "), row["citation"]):
            names.setdefault(name.lower(), row)
    close = difflib.get_close_matches(
        query.lower().replace("_", " ")[:100], names, n=3 * _NEAREST, cutoff=0.0
    )
    found: dict[str, dict[str, Any]] = {}
    for name in close:
        found.setdefault(names[name]["study"], names[name])
    return list(found.values())[:_NEAREST]


def evidence_reply(
    query: str, page: int, verdict: str | None = None, use: str | None = None
) -> dict[str, Any]:
    """Search the scoreboard.

    Parameters
    ----------
    query : str
        Words that must all be in a row; empty for all rows.
    page : int
        From 1; a page that does not exist is empty.
    verdict : str, optional
        ``hit`` or ``miss``.
    use : str, optional
        ``calibration`` or ``check``.

    Returns
    -------
    dict
        As :class:`~ketasim.app.contract.EvidencePage`.
    """
    rows = _found(query, verdict, use)
    first = (page - 1) * PAGE
    return {
        "rows": rows[first : first + PAGE],
        "nearest": [] if rows else _nearest(query),
        "page": page,
        "pages": max(1, -(-len(rows) // PAGE)),
        "total": len(rows),
        "hits": sum(row["hit"] is True for row in rows),
        "out_of_date": is_out_of_date("scoreboard"),
        "made_with": made_with("scoreboard"),
    }


_SHORT = (
    "study",
    "id",
    "quantity",
    "statistic",
    "time_h",
    "unit",
    "observed",
    "predicted",
    "hit",
    "citation",
)


def _short(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**{name: row[name] for name in _SHORT}, "source": row["source"]} for row in rows]


def evidence_of_stage(stage: str) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a stage that its numbers were fitted to, and those that were held out."""
    own = [row for row in scoreboard() if row["stage"] == stage]
    return {
        "used": _short(row for row in own if row["use"] == "calibration"),
        "held_out": _short(row for row in own if row["use"] == "check"),
    }
