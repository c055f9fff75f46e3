"""Turns what persons are given into what lands in the states of the chain.

Where a dose goes is a matter of the person's parameters (nasal fraction,
swallowed share, length of a zero-order stage), so it is worked out here, for all
persons at once, and never inside the equations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.dosing import DRUGS
from ketasim.dosing.dose_table import DoseTable
from ketasim.errors import DoseError
from ketasim.model.pharmacokinetics import GIVEN_RATES

__all__ = ["INFUSED", "Deposits", "Values", "deposits_of", "given_rates"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: The value of a parameter for entries of a dose table.
Values = Callable[[str, DoseTable], FloatArray]

#: States that a dose can flow into over time; into others it falls at once.
INFUSED = (
    *(
        f"{name}_{e}"
        for name in ("central", "mucosa", "gut_swallowed", "gut_oral", "gut_prolonged")
        for e in ("s", "r")
    ),
    "midazolam_central",
)


@dataclass(frozen=True)
class Deposits:
    """Amounts that land in one state.

    Parameters
    ----------
    state : str
        Where.
    subject : array of int
        Place of the person.
    start_h, duration_h : array
        In h; 0 for an amount that falls at once.
    amount : array
        In umol.
    entry : array of int
        The entry of the dose table that it comes from.
    """

    state: str
    subject: IntArray
    start_h: FloatArray
    duration_h: FloatArray
    amount: FloatArray
    entry: IntArray


#: Where a share of a dose goes: state without its enantiomer, delay and duration in h, and the share.
_Share = tuple[str, FloatArray | float, FloatArray | float, FloatArray | float]


def deposits_of(table: DoseTable, values: Values) -> list[Deposits]:
    """Return what lands where.

    Parameters
    ----------
    table : DoseTable
        What is given.
    values : callable
        Gives a parameter, in the unit of its table, for each entry of a dose table.

    Returns
    -------
    list of Deposits
        A part a state; the placebo leaves none.

    Raises
    ------
    DoseError
        If a drug is given by a route that the model does not know for it.
    """
    found = []
    for drug in dict.fromkeys(table.drug.tolist()):
        for route in dict.fromkeys(table.route[table.drug == drug].tolist()):
            entries = np.flatnonzero((table.drug == drug) & (table.route == route))
            found += list(_landing(table.rows(entries), entries, drug, route, values))
    return found


def given_rates(table: DoseTable) -> Iterator[tuple[str, DoseTable]]:
    """Inputs that come with doses, each with the entries whose ``absorption_rate`` it holds."""
    for route, depot in _GIVEN_DEPOTS.items():
        chosen = table.route == route
        if chosen.any():
            yield GIVEN_RATES[depot], table.rows(chosen)


def _landing(part: DoseTable, entries: IntArray, drug: str, route: str, values: Values) -> Iterator[Deposits]:
    known = DRUGS[drug]
    for species, share in known.moieties.items():
        amount = part.mass_mg / known.molar_mass_g_mol * 1000.0 * share
        for place, delay, duration, taken in _shares(species, route, part, values):
            suffix = _ENANTIOMER.get(species)
            yield Deposits(
                state=place if suffix is None else f"{place}_{suffix}",
                subject=part.subject,
                start_h=part.time_h + delay,
                duration_h=np.broadcast_to(np.asarray(duration, dtype=np.float64), amount.shape),
                amount=amount * taken,
                entry=entries,
            )


def _shares(species: str, route: str, part: DoseTable, values: Values) -> list[_Share]:
    if species in _ENANTIOMER:
        return _ROUTES[route](part, values)
    if species == "midazolam" and route in ("iv_infusion", "iv_bolus"):
        return [("midazolam_central", 0.0, part.duration_h, 1.0)]
    if species == "memantine" and route == "oral":
        return [("memantine_gut", 0.0, 0.0, values("memantine_fraction", part))]
    raise DoseError(f"route: {species} by {route} is not modelled.")


_ENANTIOMER = {"s_ketamine": "s", "r_ketamine": "r"}

#: Routes whose rate of absorption comes with the dose, and their depots.
_GIVEN_DEPOTS = {"sc": "subcutis", "rectal": "rectum"}


def _intravenous(part: DoseTable, _values: Values) -> list[_Share]:
    return [("central", 0.0, part.duration_h, 1.0)]


def _intramuscular(part: DoseTable, values: Values) -> list[_Share]:
    return [("muscle", 0.0, 0.0, values("intramuscular_fraction", part))]


def _intraperitoneal(part: DoseTable, values: Values) -> list[_Share]:
    # Taken up as from muscle; the share that the liver takes on the way is lost.
    return [("muscle", 0.0, 0.0, values("intraperitoneal_fraction", part))]


def _as_given(part: DoseTable, _values: Values) -> list[_Share]:
    # What does not reach blood as ketamine is lost: no source says what becomes of it.
    return [(_GIVEN_DEPOTS[str(part.route[0])], 0.0, 0.0, part.bioavailability)]


def _inhaled(part: DoseTable, values: Values) -> list[_Share]:
    # From the lung straight into arterial blood, as fast as the nebuliser gives it.
    stated = np.isfinite(part.bioavailability)
    taken = np.where(stated, part.bioavailability, values("inhaled_fraction", part))
    return [("central", 0.0, part.duration_h, taken)]


def _intranasal(part: DoseTable, values: Values) -> list[_Share]:
    japanese = 1.0 + values("japanese", part) * (values("japanese_nasal_ratio", part) - 1.0)
    later = np.where(part.device > 0, values("nasal_fraction_later", part), 1.0)
    taken = np.minimum(1.0, values("nasal_fraction", part) * japanese * later)
    swallowed = (1.0 - taken) * values("nasal_swallowed_fraction", part)
    return [
        ("nose", 0.0, 0.0, taken),
        ("gut_swallowed", 0.0, values("swallowed_duration", part), swallowed),
    ]


def _oral(part: DoseTable, values: Values) -> list[_Share]:
    return [("gut_oral", 0.0, values("oral_duration", part), 1.0)]


def _oral_prolonged(part: DoseTable, values: Values) -> list[_Share]:
    return [("gut_prolonged", 0.0, values("prolonged_duration", part), 1.0)]


def _sublingual(part: DoseTable, values: Values) -> list[_Share]:
    taken = values("mucosal_fraction", part)
    delay = values("mucosal_swallowing_delay", part)
    return [
        ("mucosa", 0.0, values("mucosal_duration", part), taken),
        ("gut_swallowed", delay, values("swallowed_duration", part), 1.0 - taken),
    ]


_ROUTES: Mapping[str, Callable[[DoseTable, Values], list[_Share]]] = {
    "iv_infusion": _intravenous,
    "iv_bolus": _intravenous,
    "im": _intramuscular,
    "ip": _intraperitoneal,
    "sc": _as_given,
    "rectal": _as_given,
    "inhaled": _inhaled,
    "intranasal": _intranasal,
    "oral": _oral,
    "oral_prolonged_release": _oral_prolonged,
    "sublingual": _sublingual,
}
