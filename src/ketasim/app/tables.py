"""Tables that a committed command has written into the package, and with what model they were made."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

from ketasim.api.scenarios import model_hash, parameter_hash

__all__ = ["CLAIMS_FILE", "MADE_WITH_FILE", "SCOREBOARD_FILE", "is_out_of_date", "made_with", "read_text"]

SCOREBOARD_FILE = "scoreboard.csv"
CLAIMS_FILE = "claims.json"
MADE_WITH_FILE = "made_with.json"


def read_text(name: str) -> str:
    """Return the text of a table of this package."""
    return (resources.files("ketasim.app") / "data" / name).read_text(encoding="utf-8")


@cache
def _all_made_with() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(read_text(MADE_WITH_FILE))
    return found


def made_with(name: str) -> dict[str, Any]:
    """Return the version, model and parameters that a table was made with."""
    return _all_made_with().get(name, {})


def is_out_of_date(name: str) -> bool:
    """Whether the model or its parameters have changed since a table was made."""
    about = made_with(name)
    return (about.get("model_hash"), about.get("parameter_hash")) != (model_hash(), parameter_hash())
