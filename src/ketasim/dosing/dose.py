"""One dose, and short ways to make one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ketasim.dosing._messages import unknown_word
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.routes import ROUTES, Route, find_route
from ketasim.dosing.units_of_dose import (
    DOSE_UNITS,
    DoseUnit,
    body_surface_area,
    checked_height,
    checked_number,
    checked_weight,
    find_unit,
)
from ketasim.errors import DoseError
from ketasim.units import convert

__all__ = [
    "FORMS",
    "Dose",
    "checked_number",
    "im",
    "inhaled",
    "intranasal",
    "ip",
    "iv_bolus",
    "iv_infusion",
    "oral",
    "oral_prolonged_release",
    "rectal",
    "sc",
    "sublingual",
]

#: What a stated mass can be a mass of.
FORMS = ("base", "hydrochloride")


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
        Above 0; exactly 0 for a placebo.
    unit : str
        One of :data:`DOSE_UNITS`. If it is a rate, the amount given is rate x duration.
    start_h : float, default 0.0
        Hours from time zero, not negative.
    duration_h : float or None, default None
        Length of an infusion or inhalation in h, above 0; None for every other route. It acts on
        [start, start + duration): it is on at its start and off at its end, so two abutting
        infusions never overlap.
    form : str, default "base"
        One of :data:`FORMS`: what a stated mass is of. An amount of substance is the same for both.
    bioavailability : float or None, default None
        Share of the dose that reaches the blood, above 0 and at most 1. Needed for ``sc`` and
        ``rectal``, for which no human source in the evidence gives one; optional for ``inhaled``,
        where None means the model's own parameter; None for every other route and for a placebo.
    absorption_rate : float or None, default None
        First-order rate in 1/h, above 0, for ``sc`` and ``rectal``; None for every other route.
    steady_state_h : float or None, default None
        If given, the dose is one of an endless course of equal doses this many h apart, which has
        gone on since long before; above 0, and not below ``duration_h``. The doses that follow are
        doses of their own.

    Raises
    ------
    DoseError
        If a value is out of its range, a name is unknown, or drug, form, unit, route, duration,
        bioavailability and absorption rate do not fit each other.
    """

    drug: str
    route: str
    amount: float
    unit: str
    start_h: float = 0.0
    duration_h: float | None = None
    form: str = "base"
    bioavailability: float | None = None
    absorption_rate: float | None = None
    steady_state_h: float | None = None

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
        form = _checked_form(self.form, drug)
        amount = _checked_amount(self.amount, unit, drug, route)
        bioavailability = _checked_uptake(self.bioavailability, "bioavailability", drug, route)
        absorption_rate = _checked_uptake(self.absorption_rate, "absorption_rate", drug, route)
        steady_state = _checked_steady_state(self.steady_state_h, duration)
        # A frozen dataclass can only be completed this way.
        object.__setattr__(self, "drug", drug.name)
        object.__setattr__(self, "route", route.name)
        object.__setattr__(self, "unit", unit.name if drug.is_active else "mg")
        object.__setattr__(self, "amount", amount)
        object.__setattr__(self, "start_h", start + 0.0)
        object.__setattr__(self, "duration_h", duration)
        object.__setattr__(self, "form", form)
        object.__setattr__(self, "bioavailability", bioavailability)
        object.__setattr__(self, "absorption_rate", absorption_rate)
        object.__setattr__(self, "steady_state_h", steady_state)

    @property
    def is_active(self) -> bool:
        """Whether the dose holds any drug (a placebo does not)."""
        return DRUGS[self.drug].is_active

    @property
    def end_h(self) -> float:
        """End of the infusion in h, or the start of any other dose."""
        return self.start_h + (self.duration_h or 0.0)

    def mass_mg(self, weight_kg: float, height_m: float | None = None) -> float:
        """Total free base given to a person of this weight and height, in mg.

        Parameters
        ----------
        weight_kg : float
            Body weight in kg, above 0.
        height_m : float or None, default None
            Body height in m; needed for a dose per m2 (see `body_surface_area`).

        Returns
        -------
        float
            Mass in mg; 0 for a placebo.

        Raises
        ------
        DoseError
            If the weight or the height is out of its range, or a dose per m2 meets no height.
        """
        weight = checked_weight(weight_kg)
        height = None if height_m is None else checked_height(height_m)
        unit, drug = DOSE_UNITS[self.unit], DRUGS[self.drug]
        total = self.amount
        if unit.per_kg:
            total *= weight
        if unit.per_m2:
            if height is None:
                raise DoseError(
                    f"height_m: a dose of {self.amount:g} {self.unit} needs the height of the person for the "
                    "body surface area; give the height in m, or state the dose per kg or in mg."
                )
            total *= body_surface_area(weight, height)
        if unit.per_time is not None and self.duration_h is not None:
            total *= convert(self.duration_h, "h", unit.per_time)
        if unit.is_substance:
            return convert(total, unit.amount, "mmol") * drug.molar_mass_g_mol
        # The salt factor is there whenever the form is hydrochloride; see _checked_form.
        factor = drug.salt_factor if self.form == "hydrochloride" else None
        return convert(total, unit.amount, "mg") * (1.0 if factor is None else factor)

    def at(self, start_h: float) -> Dose:
        """Return the same dose at another time (h)."""
        return replace(self, start_h=start_h)

    def at_steady_state(self, every_h: float | None) -> Dose:
        """Return the same dose as one of an endless course at this interval (h), or None for a single one."""
        return replace(self, steady_state_h=every_h)

    def without_drug(self) -> Dose:
        """Return a placebo of the same route, times and duration; a placebo stays as it is."""
        if not self.is_active:
            return self
        return replace(
            self,
            drug="placebo",
            amount=0.0,
            unit="mg",
            form="base",
            bioavailability=None,
            absorption_rate=None,
        )


def _checked_form(value: object, drug: Drug) -> str:
    form = str(value).strip().lower()
    if form not in FORMS:
        raise DoseError(unknown_word("form", str(value), FORMS))
    if form == "hydrochloride" and drug.salt_factor is None:
        raise DoseError(
            f"form: {drug.name} has no hydrochloride here; state it as base, or leave the form out."
        )
    return form


def _takes(route: Route, field: str) -> bool:
    return route.needs_absorption if field == "absorption_rate" else route.takes_bioavailability


def _checked_uptake(value: float | None, field: str, drug: Drug, route: Route) -> float | None:
    """Check the bioavailability or the absorption rate of a dose."""
    if value is None:
        if drug.is_active and route.needs_absorption:
            raise DoseError(
                f"{field}: a dose by {route.text!r} must state its bioavailability and absorption rate, "
                "because no human source in the evidence gives them. Write them after the route, as in "
                f"'{route.text} (F 0.9, ka 2.5 /h)', or bioavailability=0.9, absorption_rate=2.5."
            )
        return None
    if not drug.is_active:
        raise DoseError(
            f"{field}: {drug.name} holds no drug, so it takes none; {value!r} was given. Leave it out."
        )
    if not _takes(route, field):
        takers = ", ".join(other.text for other in ROUTES.values() if _takes(other, field))
        raise DoseError(
            f"{field}: {value!r} cannot be stated for {route.text!r}, whose uptake the model knows; "
            f"only these routes take one: {takers}. Leave it out."
        )
    number = checked_number(value, field)
    if field == "bioavailability" and not 0.0 < number <= 1.0:
        raise DoseError(f"{field}: {number:g} is no share of a dose; it must be above 0 and at most 1.")
    if number <= 0.0:
        raise DoseError(f"{field}: {number:g} /h is no rate of uptake; it must be above 0.")
    return number


def _checked_steady_state(value: float | None, duration: float | None) -> float | None:
    if value is None:
        return None
    interval = checked_number(value, "steady_state_h")
    if interval <= 0.0:
        raise DoseError(
            f"steady_state_h: {interval:g} h is not a time between doses; it must be above 0, as in "
            "'every 8 h at steady state'."
        )
    if duration is not None and duration > interval:
        raise DoseError(
            f"steady_state_h: infusions of {duration:g} h cannot be given every {interval:g} h; "
            "the time between doses must be at least the duration."
        )
    return interval


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
            f"unit: {unit.name!r} is a rate, and only a dose that lasts (iv or inhaled) has one; "
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
    if value is None and route.name == "iv_infusion":
        raise DoseError("duration: an iv infusion needs one, as in 'iv over 40 min'; or write 'iv bolus'.")
    if value is None:
        raise DoseError(f"duration: a dose by {route.text!r} needs one, as in '{route.text} over 20 min'.")
    duration = checked_number(value, "duration")
    if duration <= 0.0:
        raise DoseError(
            f"duration: {duration:g} h is not a duration; it must be above 0, as in 'over 40 min'."
        )
    return duration


def iv_infusion(
    drug: str, amount: float, unit: str, duration_h: float, start_h: float = 0.0, *, form: str = "base"
) -> Dose:
    """Make an iv infusion at a constant rate over ``[start_h, start_h + duration_h)``; see `Dose`."""
    return Dose(drug, "iv_infusion", amount, unit, start_h, duration_h, form)


def iv_bolus(drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base") -> Dose:
    """Make an iv bolus: an exact jump at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "iv_bolus", amount, unit, start_h, form=form)


def im(drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base") -> Dose:
    """Make an intramuscular dose at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "im", amount, unit, start_h, form=form)


def ip(drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base") -> Dose:
    """Make an intraperitoneal dose, for animals, at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "ip", amount, unit, start_h, form=form)


def intranasal(drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base") -> Dose:
    """Make a nasal dose whose first device is used at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "intranasal", amount, unit, start_h, form=form)


def oral(drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base") -> Dose:
    """Make an oral solution or plain tablet at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "oral", amount, unit, start_h, form=form)


def oral_prolonged_release(
    drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base"
) -> Dose:
    """Make a prolonged-release tablet at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "oral_prolonged_release", amount, unit, start_h, form=form)


def sublingual(drug: str, amount: float, unit: str, start_h: float = 0.0, *, form: str = "base") -> Dose:
    """Make a sublingual or buccal dose at ``start_h`` (h); see `Dose`."""
    return Dose(drug, "sublingual", amount, unit, start_h, form=form)


def sc(
    drug: str,
    amount: float,
    unit: str,
    start_h: float = 0.0,
    *,
    bioavailability: float | None = None,
    absorption_rate: float | None = None,
    form: str = "base",
) -> Dose:
    """Make a subcutaneous dose at ``start_h`` (h) that states its own uptake; see `Dose`.

    Only a placebo may leave out ``bioavailability`` and ``absorption_rate`` (1/h).
    """
    return Dose(drug, "sc", amount, unit, start_h, None, form, bioavailability, absorption_rate)


def rectal(
    drug: str,
    amount: float,
    unit: str,
    start_h: float = 0.0,
    *,
    bioavailability: float | None = None,
    absorption_rate: float | None = None,
    form: str = "base",
) -> Dose:
    """Make a rectal dose at ``start_h`` (h) that states its own uptake; see `Dose`.

    Only a placebo may leave out ``bioavailability`` and ``absorption_rate`` (1/h).
    """
    return Dose(drug, "rectal", amount, unit, start_h, None, form, bioavailability, absorption_rate)


def inhaled(
    drug: str,
    amount: float,
    unit: str,
    duration_h: float,
    start_h: float = 0.0,
    *,
    bioavailability: float | None = None,
    form: str = "base",
) -> Dose:
    """Make a dose inhaled at a constant rate over ``[start_h, start_h + duration_h)``; see `Dose`.

    Without a ``bioavailability`` the model's own parameter counts.
    """
    return Dose(drug, "inhaled", amount, unit, start_h, duration_h, form, bioavailability)
