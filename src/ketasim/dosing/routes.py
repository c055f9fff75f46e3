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
    is_infusion : bool
        Whether a dose by this route lasts for a stated time.
    """

    name: str
    text: str
    is_infusion: bool = False


_TABLE = (
    Route("iv_infusion", "iv", is_infusion=True),
    Route("iv_bolus", "iv bolus"),
    Route("im", "im"),
    Route("intranasal", "intranasal"),
    Route("oral", "oral"),
    Route("oral_prolonged_release", "oral prolonged release"),
    Route("sublingual", "sublingual"),
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
    "nasal": "intranasal",
    "po": "oral",
    "oral solution": "oral",
    "prolonged release": "oral_prolonged_release",
    "oral extended release": "oral_prolonged_release",
    "buccal": "sublingual",
}

# People use these, but no source in the evidence gives a human bioavailability and rate for them.
_UNAVAILABLE = ("sc", "subcutaneous", "rectal", "inhaled", "inhalation", "nebulised", "nebulized")


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
        If the route is unknown, or known but not available because no source gives its human
        bioavailability and rate (subcutaneous, rectal, inhaled).
    """
    key = _key(str(words))
    if key in _SYNONYMS:
        return ROUTES[_SYNONYMS[key]]
    available = ", ".join(route.text for route in _TABLE)
    if key in _UNAVAILABLE:
        raise DoseError(
            f"route {words!r} is not available: no source gives its bioavailability and absorption rate "
            f"in humans. Use one of: {available}."
        )
    raise DoseError(unknown_word("route", str(words), (route.text for route in _TABLE)))


def longest_route(words: list[str]) -> int:
    """Count the leading words that make up a route, available or not; 0 if none do."""
    for count in range(min(3, len(words)), 0, -1):
        key = _key(" ".join(words[:count]))
        if key in _SYNONYMS or key in _UNAVAILABLE:
            return count
    return 0
