"""Names and numbers of NONMEM event tables: columns, defaults and compartments."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ketasim.dosing.drugs import DRUGS, find_drug
from ketasim.dosing.routes import find_route
from ketasim.errors import DoseError

__all__ = ["COMPARTMENTS", "NONMEM_COLUMNS", "NUMBERS", "TEXTS", "checked_compartments"]

#: Numeric columns that mean the same as in NONMEM, except for the last three, which are ours; and the
#: value that stands for a missing column or cell (None: not a number).
NUMBERS: Mapping[str, float | None] = MappingProxyType(
    {
        "ID": None,
        "TIME": None,
        "AMT": 0.0,
        "RATE": 0.0,
        "DUR": 0.0,
        "EVID": 0.0,
        "II": 0.0,
        "ADDL": 0.0,
        "SS": 0.0,
        "CMT": 0.0,
        "DV": None,
        "MDV": None,
        "F": None,
        "KA": None,
        "DEVICE": 0.0,
    }
)

#: Columns of words, all ours. NONMEM itself must drop them (``$INPUT ... DRUG=DROP``).
TEXTS = ("DRUG", "ROUTE", "FORM")

#: Every column with a meaning, in the order in which tables are written. Any other numeric column is a
#: covariate.
NONMEM_COLUMNS = (
    "ID", "TIME", "AMT", "RATE", "DUR", "EVID", "II", "ADDL", "SS", "CMT", "DV", "MDV",
    "DRUG", "ROUTE", "FORM", "F", "KA", "DEVICE",
)  # fmt: skip

# A drug has a decade and a route a last digit, so that a number never changes when others are added.
_TENS = {"ketamine": 0, "esketamine": 10, "arketamine": 20, "midazolam": 30, "memantine": 40}
_TENS |= {"placebo": 50, "saline": 60}
_UNITS = {"iv_infusion": 1, "im": 2, "sc": 3, "intranasal": 4, "oral": 5}
_UNITS |= {"oral_prolonged_release": 6, "sublingual": 7, "rectal": 8, "inhaled": 9}
# There are more routes than digits.
_UNITS |= {"ip": 100}

#: Drug and route of a dose by its ``CMT``, for tables without ``DRUG`` and ``ROUTE``. The tens are the
#: drug (0 ketamine, 10 esketamine, 20 arketamine, 30 midazolam, 40 memantine, 50 placebo, 60 saline) and
#: the last digit is the route (1 iv, 2 im, 3 sc, 4 intranasal, 5 oral, 6 oral prolonged release,
#: 7 sublingual, 8 rectal, 9 inhaled; 100 more for ip). A dose into an iv compartment is an infusion if it
#: has ``RATE`` or ``DUR``, else a bolus.
COMPARTMENTS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        tens + unit: (drug, route)
        for drug, tens in _TENS.items()
        for route, unit in _UNITS.items()
        if route in DRUGS[drug].routes
    }
)


def checked_compartments(given: Mapping[int, tuple[str, str]] | None) -> Mapping[int, tuple[str, str]]:
    """Return compartments with plain names, an iv bolus told as ``iv_infusion``.

    Parameters
    ----------
    given : mapping of int to (str, str) or None
        Drug and route by number; None for :data:`COMPARTMENTS`.

    Returns
    -------
    mapping
        The same, with the names of drugs and routes.

    Raises
    ------
    DoseError
        If a number is not above 0, or a drug or route is unknown or they do not fit.
    """
    if given is None:
        return COMPARTMENTS
    found: dict[int, tuple[str, str]] = {}
    for number, pair in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise DoseError(f"compartments: {number!r} is not a number of a compartment, 1 or above.")
        if isinstance(pair, str) or len(pair) != 2:
            raise DoseError(
                f"compartments[{number}]: {pair!r} must be a drug and a route, as in ('ketamine', 'oral')."
            )
        try:
            drug, route = find_drug(pair[0]), find_route(pair[1])
        except DoseError as error:
            raise DoseError(f"compartments[{number}]: {error}") from error
        if route.name not in drug.routes:
            raise DoseError(
                f"compartments[{number}]: {drug.name} cannot be given by {route.text!r}; "
                f"its routes are: {', '.join(drug.routes)}."
            )
        found[number] = (drug.name, into_vein(route.name))
    return MappingProxyType(found)


def into_vein(route: str) -> str:
    """Return the route, with one name for both ways into a vein: their compartment is the same."""
    return "iv_infusion" if route == "iv_bolus" else route


def compartment_of(drug: str, route: str) -> int:
    """Return the ``CMT`` of a drug and route in :data:`COMPARTMENTS`."""
    return _TENS[drug] + _UNITS[into_vein(route)]
