"""One dose, its units, and short ways to make one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from ketasim.dosing._messages import unknown_word
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.routes import ROUTES, Route, find_route
from ketasim.errors import DoseError
from ketasim.units import convert

__all__ = [
    "DOSE_UNITS",
    "Dose",
    "find_unit",
    "im",
    "intranasal",
    "iv_bolus",
    "iv_infusion",
    "oral",
    "oral_prolonged_release",
    "sublingual",
]


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
    """

    name: str
    amount: str
    per_kg: bool
    per_time: str | None


def _all_units() -> dict[str, DoseUnit]:
    bases = [(amount, amount, False) for amount in ("g", "mg", "ug", "umol", "nmol")]
    bases += [(f"{amount}/kg", amount, True) for amount in ("mg", "ug", "umol")]
    units = [DoseUnit(name, amount, per_kg, None) for name, amount, per_kg in bases]
    units += [
        DoseUnit(f"{name}/{time}", amount, per_kg, time)
        for name, amount, per_kg in bases
        for time in ("h", "min")
    ]
    return {unit.name: unit for unit in units}


#: Every unit of a dose by name; those with a ``per_time`` are rates of an infusion.
DOSE_UNITS: Mapping[str, DoseUnit] = MappingProxyType(_all_units())

_UNIT_ALIASES = (
    (r"[\u00b5\u03bc]", "u"),
    (r"\s+", ""),
    (r"^mcg\b", "ug"),
    (r"/(hr|hour)$", "/h"),
    (r"/minute$", "/min"),
)


def find_unit(name: str) -> DoseUnit:
    """Find a unit of dose by name, in any case and with either sign for micro.

    Parameters
    ----------
    name : str
        For example ``"mg/kg"`` or ``"µg/kg/min"``.

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


@dataclass(frozen=True)
class Dose:
    """One dose of one drug, given once.

    Parameters
    ----------
    drug : str
        A name or synonym of :data:`DRUGS`; kept as the name.
    route : str
        A name or the words of one of :data:`ROUTES`; kept as the name.
    amount : float
        Above 0; exactly 0 for a placebo. Free base.
    unit : str
        One of :data:`DOSE_UNITS`. If it is a rate, the amount given is rate x duration.
    start_h : float, default 0.0
        Hours from time zero, not negative.
    duration_h : float or None, default None
        Length of an infusion in h, above 0; None for every other route. An infusion acts on
        [start, start + duration): it is on at its start and off at its end, so two abutting
        infusions never overlap.

    Raises
    ------
    DoseError
        If a value is out of its range, a name is unknown, or unit, route and duration do not
        fit each other.
    """

    drug: str
    route: str
    amount: float
    unit: str
    start_h: float = 0.0
    duration_h: float | None = None

    def __post_init__(self) -> None:
        """Check every field and store its plain name or float."""
        drug, route, unit = find_drug(self.drug), find_route(self.route), find_unit(self.unit)
        if route.name not in drug.routes:
            routes = ", ".join(ROUTES[name].text for name in drug.routes)
            raise DoseError(
                f"route: {drug.name} cannot be given by {route.text!r}; its routes are: {routes}."
            )
        start = checked_number(self.start_h, "start_h")
        if start < 0.0:
            raise DoseError(f"start_h: {start:g} h is before time zero; doses start at 0 h or later.")
        duration = _checked_duration(self.duration_h, route)
        amount = _checked_amount(self.amount, unit, drug, route)
        # A frozen dataclass can only be completed this way.
        object.__setattr__(self, "drug", drug.name)
        object.__setattr__(self, "route", route.name)
        object.__setattr__(self, "unit", unit.name if drug.is_active else "mg")
        object.__setattr__(self, "amount", amount)
        object.__setattr__(self, "start_h", start + 0.0)
        object.__setattr__(self, "duration_h", duration)

    @property
    def is_active(self) -> bool:
        """Whether the dose holds any drug (a placebo does not)."""
        return DRUGS[self.drug].is_active

    @property
    def end_h(self) -> float:
        """End of the infusion in h, or the start of any other dose."""
        return self.start_h + (self.duration_h or 0.0)

    def mass_mg(self, weight_kg: float) -> float:
        """Total free base given to a person of this weight, in mg.

        Parameters
        ----------
        weight_kg : float
            Body weight in kg, above 0.

        Returns
        -------
        float
            Mass in mg; 0 for a placebo.

        Raises
        ------
        DoseError
            If the weight is not a finite number above 0.
        """
        weight = checked_number(weight_kg, "weight_kg")
        if weight <= 0.0:
            raise DoseError(f"weight_kg: {weight:g} kg is not a body weight; it must be above 0.")
        unit = DOSE_UNITS[self.unit]
        total = self.amount * (weight if unit.per_kg else 1.0)
        if unit.per_time is not None and self.duration_h is not None:
            total *= convert(self.duration_h, "h", unit.per_time)
        if unit.amount in ("umol", "nmol"):
            return convert(total, unit.amount, "mmol") * DRUGS[self.drug].molar_mass_g_mol
        return convert(total, unit.amount, "mg")

    def at(self, start_h: float) -> Dose:
        """Return the same dose at another time (h)."""
        return replace(self, start_h=start_h)

    def without_drug(self) -> Dose:
        """Return a placebo of the same route, time and duration; a placebo stays as it is."""
        return replace(self, drug="placebo", amount=0.0, unit="mg") if self.is_active else self


def _checked_amount(value: float, unit: DoseUnit, drug: Drug, route: Route) -> float:
    amount = checked_number(value, "amount")
    if not drug.is_active:
        if amount != 0.0:
            raise DoseError(
                f"amount: {drug.name} holds no drug, so it takes no amount; {amount:g} was given."
            )
        return 0.0
    if amount <= 0.0:
        raise DoseError(
            f"amount: {amount:g} {unit.name} of {drug.name} is not a dose; it must be above 0. "
            "For visits without drug write 'placebo' and the route; for no visits at all write 'none'."
        )
    if unit.per_time is not None and not route.is_infusion:
        raise DoseError(
            f"unit: {unit.name!r} is a rate, and only an iv infusion has one; "
            f"for {route.text!r} give an amount, such as {unit.name.rsplit('/', 1)[0]!r}."
        )
    return amount


def _checked_duration(value: float | None, route: Route) -> float | None:
    if not route.is_infusion:
        if value is not None:
            raise DoseError(
                f"duration: a dose by {route.text!r} has no duration; leave it out, or give an iv infusion."
            )
        return None
    if value is None:
        raise DoseError("duration: an iv infusion needs one, as in 'iv over 40 min'; or write 'iv bolus'.")
    duration = checked_number(value, "duration")
    if duration <= 0.0:
        raise DoseError(
            f"duration: {duration:g} h is not a duration; it must be above 0, as in 'over 40 min'."
        )
    return duration


def iv_infusion(drug: str, amount: float, unit: str, duration_h: float, start_h: float = 0.0) -> Dose:
    """Make an iv infusion at a constant rate over ``[start_h, start_h + duration_h)``; see `Dose`."""
    return Dose(drug, "iv_infusion", amount, unit, start_h, duration_h)


def iv_bolus(drug: str, amount: float, unit: str, start_h: float = 0.0) -> Dose:
    """Make an iv bolus: an exact jump at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "iv_bolus", amount, unit, start_h)


def im(drug: str, amount: float, unit: str, start_h: float = 0.0) -> Dose:
    """Make an intramuscular dose at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "im", amount, unit, start_h)


def intranasal(drug: str, amount: float, unit: str, start_h: float = 0.0) -> Dose:
    """Make a nasal dose whose first device is used at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "intranasal", amount, unit, start_h)


def oral(drug: str, amount: float, unit: str, start_h: float = 0.0) -> Dose:
    """Make an oral solution or plain tablet at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "oral", amount, unit, start_h)


def oral_prolonged_release(drug: str, amount: float, unit: str, start_h: float = 0.0) -> Dose:
    """Make a prolonged-release tablet at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "oral_prolonged_release", amount, unit, start_h)


def sublingual(drug: str, amount: float, unit: str, start_h: float = 0.0) -> Dose:
    """Make a sublingual or buccal dose at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "sublingual", amount, unit, start_h)
