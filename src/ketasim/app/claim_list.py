"""Claims with their verdicts, as answered by a committed command, and the scenario that shows each."""

from __future__ import annotations

import csv
import json
from functools import cache
from importlib import resources
from typing import Any

from ketasim.app.citations import sources_of
from ketasim.app.tables import CLAIMS_FILE, is_out_of_date, made_with, read_text

__all__ = ["claims_reply"]


def _pairs(text: str) -> dict[str, str]:
    """Read ``name=value name=value``."""
    return dict(item.split("=", 1) for item in text.split())


def _person(text: str) -> dict[str, Any]:
    counts = ("failed_treatments", "pain")
    return {name: int(value) if name in counts else value for name, value in _pairs(text).items()}


def claim_scenario(row: dict[str, str]) -> dict[str, Any]:
    """Return the scenario of a row of the table."""
    return {
        "schema": 1,
        "regimen": row["regimen"],
        "person": _person(row["person"]),
        "population": None,
        "setting": {
            "control": row["control"],
            "expectancy": "middle",
            "comedication": row["comedication"].split(),
            "context": "outpatient",
        },
        "mechanism": {
            "wiring": row["wiring"],
            "switches": {name: float(value) for name, value in _pairs(row["switches"]).items()},
            "options": _pairs(row["options"]),
            "parameters": {},
        },
    }


@cache
def claim_scenarios() -> dict[str, dict[str, Any]]:
    """The scenario of each claim that has one, with what to look at."""
    text = (resources.files("ketasim.app") / "claim_scenarios.csv").read_text(encoding="utf-8")
    return {
        row["claim"]: {
            "scenario": claim_scenario(row),
            "view": {"end_h": float(row["end_h"]), "open": row["open"], "note": row["note"]},
        }
        for row in csv.DictReader(text.splitlines())
    }


@cache
def claims_reply() -> dict[str, Any]:
    """Return every claim as :class:`~ketasim.app.contract.Claims`."""
    cards = []
    for item in json.loads(read_text(CLAIMS_FILE)):
        shown = claim_scenarios().get(item["id"], {"scenario": None, "view": None})
        cards.append({**item, "sources": sources_of(";".join(item["citations"])), **shown})
    return {
        "claims": cards,
        "out_of_date": is_out_of_date("claims"),
        "made_with": made_with("claims"),
    }
