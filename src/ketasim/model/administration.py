"""Turns administrations into exact events on the states of the chain.

Where a dose goes is a matter of the patient's parameters (nasal fraction,
swallowed share, length of a zero-order stage), so it is worked out here, once a
patient, and never inside the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from ketasim.dosing import Administration
from ketasim.engine.schedule import Bolus, Infusion
from ketasim.errors import DoseError

__all__ = ["INFUSED", "events_of"]

Event = Bolus | Infusion
Values = Mapping[str, float]

#: States that a dose can flow into over time; into others it falls at once.
INFUSED = (
    *(
        f"{name}_{e}"
        for name in ("central", "mucosa", "gut_swallowed", "gut_oral", "gut_prolonged")
        for e in ("s", "r")
    ),
    "midazolam_central",
)

_ENANTIOMER = {"s_ketamine": "s", "r_ketamine": "r"}


def events_of(
    administrations: Iterable[Administration], values: Values
) -> tuple[tuple[Bolus, ...], tuple[Infusion, ...]]:
    """Return boluses and infusions in h and umol.

    Parameters
    ----------
    administrations : iterable of Administration
        What is given, in h and umol.
    values : mapping of str to float
        The patient's parameters in the units of their tables (h, ratios).

    Returns
    -------
    tuple of Bolus, tuple of Infusion
    """
    found: list[Event] = []
    for given in administrations:
        for species, amount in given.amounts:
            if species == "midazolam":
                found += _midazolam(given, amount)
            else:
                found += _ROUTES[given.route](given, _ENANTIOMER[species], amount, values)
    boluses = tuple(event for event in found if isinstance(event, Bolus))
    return boluses, tuple(event for event in found if isinstance(event, Infusion))


def _put(state: str, start: float, duration: float, amount: float) -> Event:
    if duration > 0.0:
        return Infusion(state, start, start + duration, amount)
    return Bolus(state, start, amount)


def _midazolam(given: Administration, amount: float) -> list[Event]:
    if given.route not in ("iv_infusion", "iv_bolus"):
        raise DoseError(f"route: midazolam by {given.route} is not modelled; give it iv.")
    return [_put("midazolam_central", given.time_h, given.duration_h, amount)]


def _intravenous(given: Administration, e: str, amount: float, _values: Values) -> list[Event]:
    return [_put(f"central_{e}", given.time_h, given.duration_h, amount)]


def _intramuscular(given: Administration, e: str, amount: float, values: Values) -> list[Event]:
    return [_put(f"muscle_{e}", given.time_h, 0.0, amount * values["intramuscular_fraction"])]


def _intranasal(given: Administration, e: str, amount: float, values: Values) -> list[Event]:
    taken = values["nasal_fraction"] * (values["nasal_fraction_later"] if given.device else 1.0)
    swallowed = (1.0 - taken) * values["nasal_swallowed_fraction"]
    return [
        _put(f"nose_{e}", given.time_h, 0.0, amount * taken),
        _put(f"gut_swallowed_{e}", given.time_h, values["swallowed_duration"], amount * swallowed),
    ]


def _oral(given: Administration, e: str, amount: float, values: Values) -> list[Event]:
    return [_put(f"gut_oral_{e}", given.time_h, values["oral_duration"], amount)]


def _oral_prolonged(given: Administration, e: str, amount: float, values: Values) -> list[Event]:
    return [_put(f"gut_prolonged_{e}", given.time_h, values["prolonged_duration"], amount)]


def _sublingual(given: Administration, e: str, amount: float, values: Values) -> list[Event]:
    taken = values["mucosal_fraction"]
    later = given.time_h + values["mucosal_swallowing_delay"]
    return [
        _put(f"mucosa_{e}", given.time_h, values["mucosal_duration"], amount * taken),
        _put(f"gut_swallowed_{e}", later, values["swallowed_duration"], amount * (1.0 - taken)),
    ]


_ROUTES: dict[str, Callable[[Administration, str, float, Values], list[Event]]] = {
    "iv_infusion": _intravenous,
    "iv_bolus": _intravenous,
    "im": _intramuscular,
    "intranasal": _intranasal,
    "oral": _oral,
    "oral_prolonged_release": _oral_prolonged,
    "sublingual": _sublingual,
}
