"""A course of doses, and the single administrations it means for one person."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ketasim.dosing.adherence import checked_delays, checked_doses
from ketasim.dosing.dose import Dose
from ketasim.dosing.drugs import DRUGS
from ketasim.dosing.format import regimen_text
from ketasim.dosing.routes import ROUTES
from ketasim.dosing.schedule import MAX_DOSES
from ketasim.dosing.units_of_dose import checked_number
from ketasim.errors import DoseError

__all__ = ["DEVICE_GAP_H", "Administration", "Regimen", "repeat", "split_devices"]

#: Time between two nasal devices of one dose, in h (esketamine US label: 5 min).
DEVICE_GAP_H: Final = 5.0 / 60.0

_MAX_DEVICES = 100


@dataclass(frozen=True)
class Administration:
    """What enters one person by one route at one time.

    Parameters
    ----------
    time_h : float
        Start in h.
    duration_h : float
        Length of an infusion in h, which acts on [time, time + duration); 0.0 for an amount
        given at once, which is an exact jump.
    route : str
        A name of :data:`~ketasim.dosing.ROUTES`.
    drug : str
        A name of :data:`~ketasim.dosing.DRUGS`.
    amounts : tuple of (str, float)
        Model species and total amount in umol; empty for a placebo.
    device : int
        Number of the nasal device within its dose, from 0; 0 for other routes.
    bioavailability : float or None, default None
        Share of the amounts that reaches the blood, if the dose states one.
    absorption_rate : float or None, default None
        First-order rate of uptake in 1/h, if the dose states one.
    steady_state_h : float or None, default None
        Time between the doses of the endless course of which this is one, in h; None for a single dose.
    occasion : int, default 0
        Number of the dose within its regimen, from 0; the devices of one dose share it.
    """

    time_h: float
    duration_h: float
    route: str
    drug: str
    amounts: tuple[tuple[str, float], ...]
    device: int
    bioavailability: float | None = None
    absorption_rate: float | None = None
    steady_state_h: float | None = None
    occasion: int = 0


def split_devices(mass_mg: float, device_mg: float) -> tuple[float, ...]:
    """Split a nasal dose into whole devices and, last, a device with the rest.

    Parameters
    ----------
    mass_mg, device_mg : float
        Mass of the dose and of one device in mg, above 0.

    Returns
    -------
    tuple of float
        Mass by device in mg; adds up to the dose.

    Raises
    ------
    DoseError
        If more than 100 devices would be needed.
    """
    # A dose that rounding left a hair above a whole number of devices needs no extra one.
    count = max(1, math.ceil(mass_mg / device_mg * (1.0 - 1e-9)))
    if count > _MAX_DEVICES:
        raise DoseError(
            f"amount: a nasal dose of {mass_mg:g} mg would take {count} devices of {device_mg:g} mg; "
            f"at most {_MAX_DEVICES} are allowed. Check the amount and its unit."
        )
    return (device_mg,) * (count - 1) + (mass_mg - (count - 1) * device_mg,)


def administer(
    dose: Dose, weight_kg: float, height_m: float | None = None, occasion: int = 0
) -> tuple[tuple[Administration, float], ...]:
    """Turn a dose into administrations, each with its mass of free base in mg."""
    drug = DRUGS[dose.drug]
    masses: tuple[float, ...] = (dose.mass_mg(weight_kg, height_m),)
    if dose.route == "intranasal" and drug.nasal_device_mg is not None:
        masses = split_devices(masses[0], drug.nasal_device_mg)
    return tuple(
        (
            Administration(
                time_h=dose.start_h + device * DEVICE_GAP_H,
                duration_h=dose.duration_h or 0.0,
                route=dose.route,
                drug=dose.drug,
                amounts=drug.amounts_umol(mass),
                device=device,
                bioavailability=dose.bioavailability,
                absorption_rate=dose.absorption_rate,
                steady_state_h=dose.steady_state_h,
                occasion=occasion,
            ),
            mass,
        )
        for device, mass in enumerate(masses)
    )


def _order(dose: Dose) -> tuple[float | str, ...]:
    return (
        dose.start_h,
        dose.drug,
        dose.route,
        dose.amount,
        dose.unit,
        dose.form,
        # Each of these is above 0 if it is there.
        dose.duration_h or 0.0,
        dose.bioavailability or 0.0,
        dose.absorption_rate or 0.0,
        dose.steady_state_h or 0.0,
    )


def _check_absorption_rates(doses: tuple[Dose, ...]) -> None:
    """Refuse two absorption rates for one route: its depot empties at one rate."""
    rates: dict[str, float] = {}
    for dose in doses:
        if dose.absorption_rate is None:
            continue
        known = rates.setdefault(dose.route, dose.absorption_rate)
        if known != dose.absorption_rate:
            raise DoseError(
                f"absorption_rate: doses by {ROUTES[dose.route].text!r} have {known:g} /h and "
                f"{dose.absorption_rate:g} /h; all doses of one regimen by this route must have the same. "
                "Give them one rate, or simulate them apart."
            )


@dataclass(frozen=True)
class Regimen:
    """A course of doses, in the order of their starts.

    Two regimens are equal if they hold the same doses, in whatever order these were given.

    Parameters
    ----------
    doses : tuple of Dose
        May be empty: no treatment and no treatment visits.

    Raises
    ------
    DoseError
        If something else than doses is given, or more than 10,000 of them, or doses by one route
        state different absorption rates.
    """

    doses: tuple[Dose, ...] = ()

    def __post_init__(self) -> None:
        """Check the doses and sort them."""
        doses = tuple(self.doses)
        for position, dose in enumerate(doses):
            if not isinstance(dose, Dose):
                raise DoseError(f"doses[{position}]: {dose!r} is not a Dose; use parse_regimen for text.")
        if len(doses) > MAX_DOSES:
            raise DoseError(f"doses: {len(doses)} doses are more than the {MAX_DOSES} allowed.")
        _check_absorption_rates(doses)
        object.__setattr__(self, "doses", tuple(sorted(doses, key=_order)))

    def __add__(self, other: Regimen) -> Regimen:
        """Return the doses of both regimens, on one clock."""
        return Regimen(self.doses + other.doses)

    @property
    def is_empty(self) -> bool:
        """Whether there is no dose at all, not even a placebo."""
        return not self.doses

    @property
    def is_active(self) -> bool:
        """Whether any dose holds a drug."""
        return any(dose.is_active for dose in self.doses)

    @property
    def first_start_h(self) -> float | None:
        """Start of the first dose in h; None if there is no dose."""
        return self.doses[0].start_h if self.doses else None

    @property
    def last_start_h(self) -> float | None:
        """Start of the last dose in h; None if there is no dose."""
        return self.doses[-1].start_h if self.doses else None

    @property
    def text(self) -> str:
        """The regimen in words; `parse_regimen` reads it back as an equal regimen."""
        return regimen_text(self.doses)

    def shifted(self, hours: float) -> Regimen:
        """Return the same regimen so many hours later (or earlier, but not before time zero)."""
        by = checked_number(hours, "hours")
        return Regimen(tuple(dose.at(dose.start_h + by) for dose in self.doses))

    def missed(self, *numbers: int) -> Regimen:
        """Return the regimen without some of its doses; the others stay where they are.

        Parameters
        ----------
        *numbers : int
            Numbers of the doses that are not given, from 1 in order of time.

        Returns
        -------
        Regimen
            The doses that are left.

        Raises
        ------
        DoseError
            If a number does not exist or is named twice, or the dose is at steady state and so
            stands for all doses before it too.
        """
        gone = checked_doses(numbers, len(self.doses), "missed", self._steady_numbers())
        return Regimen(tuple(dose for number, dose in self._numbered() if number not in gone))

    def late(self, delays_h: Mapping[int, float]) -> Regimen:
        """Return the regimen with some of its doses later; the others stay where they are.

        Parameters
        ----------
        delays_h : mapping of int to float
            Hours by which a dose is late, above 0, by its number, from 1 in order of time.

        Returns
        -------
        Regimen
            The same doses; those in the mapping are moved. Numbers in the result follow the new
            order of time.

        Raises
        ------
        DoseError
            If a number does not exist, a delay is not above 0, or the dose is at steady state and
            so stands for all doses before it too.
        """
        delays = checked_delays(delays_h, len(self.doses), self._steady_numbers())
        return Regimen(
            tuple(dose.at(dose.start_h + delays.get(number, 0.0)) for number, dose in self._numbered())
        )

    def _numbered(self) -> tuple[tuple[int, Dose], ...]:
        return tuple(enumerate(self.doses, start=1))

    def _steady_numbers(self) -> tuple[int, ...]:
        return tuple(number for number, dose in self._numbered() if dose.steady_state_h is not None)

    def without_active_drug(self) -> Regimen:
        """Return placebos of the same routes, times and durations: the counterfactual."""
        return Regimen(tuple(dose.without_drug() for dose in self.doses))

    def mass_mg(self, weight_kg: float, height_m: float | None = None) -> float:
        """Total free base of all drugs given to a person of this weight and height, in mg."""
        return math.fsum(dose.mass_mg(weight_kg, height_m) for dose in self.doses)

    def administrations(self, weight_kg: float, height_m: float | None = None) -> tuple[Administration, ...]:
        """Turn the regimen into what enters one person, by time.

        A nasal dose is given by devices 5 min apart: whole devices of the drug's
        ``nasal_device_mg`` and, last, one with the rest. Infusions that overlap or abut stay
        apart; each acts on [time, time + duration).

        Parameters
        ----------
        weight_kg : float
            Body weight in kg, above 0; scales doses per kg.
        height_m : float or None, default None
            Body height in m; needed for doses per m2.

        Returns
        -------
        tuple of Administration
            In order of time.

        Raises
        ------
        DoseError
            If the weight or the height is out of its range, a dose per m2 meets no height, or a
            nasal dose needs more than 100 devices.
        """
        return tuple(single for single, _ in self.administrations_with_mass(weight_kg, height_m))

    def administrations_with_mass(
        self, weight_kg: float, height_m: float | None = None
    ) -> tuple[tuple[Administration, float], ...]:
        """Return `administrations`, each with its mass of free base in mg."""
        every = [
            pair
            for occasion, dose in enumerate(self.doses)
            for pair in administer(dose, weight_kg, height_m, occasion)
        ]
        return tuple(sorted(every, key=lambda pair: pair[0].time_h))


def repeat(dose: Dose, every_h: float, n: int) -> Regimen:
    """Give a dose again at equal steps, the first at its own start.

    Parameters
    ----------
    dose : Dose
        The first dose. If it is at steady state, the others follow it as single doses.
    every_h : float
        Hours from one start to the next, above 0.
    n : int
        Number of doses, 1 to 10,000.

    Returns
    -------
    Regimen
        The ``n`` doses.

    Raises
    ------
    DoseError
        If ``every_h`` or ``n`` is out of its range.
    """
    step = checked_number(every_h, "every_h")
    if step <= 0.0:
        raise DoseError(f"every_h: {step:g} h is not a step; it must be above 0.")
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= MAX_DOSES:
        raise DoseError(
            f"n: {n!r} is not a number of doses; it must be a whole number from 1 to {MAX_DOSES}."
        )
    single = dose.at_steady_state(None)
    return Regimen((dose, *(single.at(dose.start_h + index * step) for index in range(1, n))))
