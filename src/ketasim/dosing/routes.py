"""The routes by which a drug can be given, and their names in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from ketasim.dosing._messages import unknown_word
from ketasim.errors import DoseError

__all__ = ["ROUTES", "Route", "find_route"]


@dataclass(frozen=True)
class Route:
    """A way of giving a drug.

    Parameters
    ----------
    name : str
        The name used in objects and tables.
    text : str
        The words used in a dose text.
    is_infusion : bool, default False
        Whether a dose by this route lasts for a stated time (and may be stated as a rate).
    takes_bioavailability : bool, default False
        Whether a bioavailability may be stated with a dose.
    needs_absorption : bool, default False
        Whether a bioavailability and an absorption rate must be stated with a dose, because no
        human source in the evidence gives them.
    """

    name: str
    text: str
    is_infusion: bool = False
    takes_bioavailability: bool = False
    needs_absorption: bool = False


_TABLE = (
    Route("iv_infusion", "iv", is_infusion=True),
    Route("iv_bolus", "iv bolus"),
    Route("im", "im"),
    Route("ip", "ip"),
    Route("intranasal", "intranasal"),
    Route("oral", "oral"),
    Route("oral_prolonged_release", "oral prolonged release"),
    Route("sublingual", "sublingual"),
    Route("sc", "sc", takes_bioavailability=True, needs_absorption=True),
    Route("rectal", "rectal", takes_bioavailability=True, needs_absorption=True),
    Route("inhaled", "inhaled", is_infusion=True, takes_bioavailability=True),
)

#: Every route by name.
ROUTES: Mapping[str, Route] = MappingProxyType({route.name: route for route in _TABLE})

_SYNONYMS = {
    **{route.text: route.name for route in _TABLE},
    **{route.name.replace("_", " "): route.name for route in _TABLE},
    "intravenous": "iv_infusion",
    "intravenous infusion": "iv_infusion",
    "intravenous bolus": "iv_bolus",
    "intramuscular": "im",
    "intraperitoneal": "ip",
    "nasal": "intranasal",
    "po": "oral",
    "oral solution": "oral",
    "prolonged release": "oral_prolonged_release",
    "oral extended release": "oral_prolonged_release",
    "buccal": "sublingual",
    "subcutaneous": "sc",
    "per rectum": "rectal",
    "inhalation": "inhaled",
    "nebulised": "inhaled",
    "nebulized": "inhaled",
}


def _key(words: str) -> str:
    return " ".join(re.sub(r"[_-]", " ", words.lower().replace(".", "")).split())


def find_route(words: str) -> Route:
    """Find a route by its name or its words, in any case.

    Parameters
    ----------
    words : str
        For example ``"iv"``, ``"iv_infusion"``, ``"nasal"`` or ``"oral prolonged release"``.

    Returns
    -------
    Route
        The entry of :data:`ROUTES`.

    Raises
    ------
    DoseError
        If the route is unknown; the message gives the nearest one.
    """
    key = _key(str(words))
    if key in _SYNONYMS:
        return ROUTES[_SYNONYMS[key]]
    raise DoseError(unknown_word("route", str(words), (route.text for route in _TABLE)))


def longest_route(words: list[str]) -> int:
    """Count the leading words that make up a route; 0 if none do."""
    for count in range(min(3, len(words)), 0, -1):
        if _key(" ".join(words[:count])) in _SYNONYMS:
            return count
    return 0
