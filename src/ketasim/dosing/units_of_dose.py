"""Units in which a dose can be stated, and the body surface area that some of them need."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ketasim.dosing._messages import unknown_word
from ketasim.errors import DoseError

__all__ = ["DOSE_UNITS", "DoseUnit", "body_surface_area", "find_unit"]

_TALLEST_M = 3.0


@dataclass(frozen=True)
class DoseUnit:
    """A unit in which a dose can be stated.

    Parameters
    ----------
    name : str
        For example ``"mg/kg"``.
    amount : str
        The unit of mass or substance in it.
    per_kg : bool
        Whether it counts per kg of body weight.
    per_time : str or None
        ``"h"`` or ``"min"`` for a rate, else None.
    per_m2 : bool, default False
        Whether it counts per m2 of body surface.
    """

    name: str
    amount: str
    per_kg: bool
    per_time: str | None
    per_m2: bool = False

    @property
    def is_substance(self) -> bool:
        """Whether it counts molecules, of which a salt holds as many as its base."""
        return self.amount in ("umol", "nmol")


def _all_units() -> dict[str, DoseUnit]:
    bases = [(amount, amount, "") for amount in ("g", "mg", "ug", "umol", "nmol")]
    bases += [(f"{amount}/{per}", amount, per) for per in ("kg", "m2") for amount in ("mg", "ug", "umol")]
    units = [
        DoseUnit(f"{name}/{time}" if time else name, amount, per == "kg", time, per == "m2")
        for time in (None, "h", "min")
        for name, amount, per in bases
    ]
    return {unit.name: unit for unit in units}


#: Every unit of a dose by name; those with a ``per_time`` are rates of an infusion.
DOSE_UNITS: Mapping[str, DoseUnit] = MappingProxyType(_all_units())

_UNIT_ALIASES = (
    (r"[\u00b5\u03bc]", "u"),
    (r"\s+", ""),
    (r"^mcg\b", "ug"),
    (r"/m(\u00b2|\^2|\*\*2)", "/m2"),
    (r"/(hr|hour)$", "/h"),
    (r"/minute$", "/min"),
)


def find_unit(name: str) -> DoseUnit:
    """Find a unit of dose by name, in any case and with either sign for micro.

    Parameters
    ----------
    name : str
        For example ``"mg/kg"``, ``"mg/m2"`` or ``"µg/kg/min"``.

    Returns
    -------
    DoseUnit
        The entry of :data:`DOSE_UNITS`.

    Raises
    ------
    DoseError
        If it is no unit of dose; the message gives the nearest one.
    """
    key = str(name).lower()
    for pattern, plain in _UNIT_ALIASES:
        key = re.sub(pattern, plain, key)
    if key not in DOSE_UNITS:
        amounts = [unit.name for unit in DOSE_UNITS.values() if unit.per_time is None]
        raise DoseError(
            f"{unknown_word('dose unit', str(name), DOSE_UNITS, amounts)} "
            "An infusion may also be a rate: one of these /h or /min."
        )
    return DOSE_UNITS[key]


def checked_number(value: object, field: str) -> float:
    """Return a finite number as a float, or raise a DoseError that names the field."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise DoseError(f"{field}: {value!r} is not a finite number.")
    return float(value)


def checked_weight(weight_kg: object) -> float:
    """Return a body weight in kg, or raise a DoseError that names the field."""
    weight = checked_number(weight_kg, "weight_kg")
    if weight <= 0.0:
        raise DoseError(f"weight_kg: {weight:g} kg is not a body weight; it must be above 0.")
    return weight


def checked_height(height_m: object) -> float:
    """Return a body height in m, or raise a DoseError that names the field."""
    height = checked_number(height_m, "height_m")
    if not 0.0 < height <= _TALLEST_M:
        raise DoseError(
            f"height_m: {height:g} m is not a body height; give metres, above 0 and at most {_TALLEST_M:g}."
        )
    return height


def mosteller(weight_kg: Any, height_m: Any) -> Any:
    """Body surface area in m2 of numbers or arrays that have been checked; see `body_surface_area`."""
    return (height_m * 100.0 * weight_kg / 3600.0) ** 0.5


def body_surface_area(weight_kg: float, height_m: float) -> float:
    """Body surface area by Mosteller's formula, sqrt(height in cm x weight in kg / 3600).

    Parameters
    ----------
    weight_kg : float
        Body weight in kg, above 0.
    height_m : float
        Body height in m, above 0 and at most 3.

    Returns
    -------
    float
        Area in m2.

    Raises
    ------
    DoseError
        If the weight or the height is out of its range.

    Notes
    -----
    Mosteller RD. Simplified calculation of body-surface area. N Engl J Med 1987;317:1098.
    """
    return float(mosteller(checked_weight(weight_kg), checked_height(height_m)))
