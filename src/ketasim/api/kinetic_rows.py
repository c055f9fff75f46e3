"""Published rows that are near a regimen, and how far a regimen is from what was published."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ketasim.dosing import DRUGS, Regimen, parse_regimen
from ketasim.model.parameters import ParameterSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["is_ketamine", "nearest_readings", "option_notes", "regimen_notes"]

#: Routes whose course in people no row of the evidence lets us check, and what to say.
_UNVALIDATED = {
    "im": "one doubtful published row: the rate of absorption is assumed",
    "sc": "no published human row: share and rate are the ones that you gave",
    "rectal": "no published human curve: share and rate are the ones that you gave",
    "inhaled": "three published rows of doubtful origin: the course is not validated",
}
_ROUTE_GROUPS = {
    "iv_infusion": ("iv",),
    "iv_bolus": ("iv",),
    "intranasal": ("nasal",),
    "oral": ("oral",),
    "oral_prolonged_release": ("oral PR",),
    "sublingual": ("sublingual", "film"),
    "inhaled": ("inhaled",),
    "im": ("im",),
    "sc": ("sc",),
    "rectal": ("rectal",),
}
#: What is told of a published row.
_SHOWN_COLUMNS = (
    "row",
    "citation",
    "regimen",
    "quantity",
    "site",
    "statistic",
    "time_h",
    "value",
    "unit",
    "spread_kind",
    "spread_low",
    "spread_high",
    "n",
    "kind",
    "ancestry",
    "age_y",
)
#: Rows are near if their dose is within this factor.
_NEAR = 1.5
#: A dose this many times beyond those that were published is told.
_FAR = 2.0


def is_ketamine(drug: str) -> bool:
    """Whether a drug is ketamine or one enantiomer of it."""
    moieties = set(DRUGS[drug].moieties)
    return bool(moieties) and moieties <= {"s_ketamine", "r_ketamine"}


def regimen_notes(regimen: Regimen, weight_kg: float, height_m: float, duration_h: float) -> tuple[str, ...]:
    """Say what a reader of the curves of a regimen should know.

    Parameters
    ----------
    regimen : Regimen
        With its first dose at time zero.
    weight_kg, height_m : float
        Who takes it.
    duration_h : float
        Length of the simulation in hours.

    Returns
    -------
    tuple of str
        One sentence each: routes that are not validated, steady state, no ketamine, doses far from
        all that were published, and a simulation that ends too early.
    """
    active = [dose for dose in regimen.doses if dose.is_active]
    found = [
        f"The route {route} is not validated: {_UNVALIDATED[route]}."
        for route in dict.fromkeys(dose.route for dose in active)
        if route in _UNVALIDATED
    ]
    if any(dose.steady_state_h is not None for dose in active):
        found.append(
            "Steady state holds for plasma and block, not for trapped channels; areas are of one interval."
        )
    if not any(is_ketamine(dose.drug) for dose in active):
        found.append("No dose is of ketamine: there is no exposure to show, only what happens at receptors.")
    found += _range_notes(regimen, weight_kg, height_m)
    if duration_h < max(dose.end_h for dose in active) - 1e-9:
        found.append("The simulation ends before the last dose does: peaks and areas are of what was seen.")
    return tuple(found)


#: Options that act through a property of the person, which is told by another option of the command.
_PERSONAL_OPTIONS = {
    "sex_clearance": ("female", "--female"),
    "cyp2b6_star6": ("cyp2b6_star6", "--set 'cyp2b6_star6=2 ratio'"),
}


def option_notes(options: Mapping[str, str], parameters: ParameterSet) -> tuple[str, ...]:
    """Say which chosen options change nothing in this person.

    Parameters
    ----------
    options : mapping of str to str
        Choices by name of the option.
    parameters : ParameterSet
        The person's.

    Returns
    -------
    tuple of str
        One sentence each.
    """
    return tuple(
        f"The option {name} changes nothing in this person: add {word}."
        for name, (parameter, word) in _PERSONAL_OPTIONS.items()
        if options.get(name, "none") != "none" and parameters[parameter].value == 0.0
    )


def _range_notes(regimen: Regimen, weight_kg: float, height_m: float) -> tuple[str, ...]:
    """Say which doses are more than two-fold outside those published for their drug and route."""
    from ketasim.evidence.readings import load_readings

    readings = load_readings(use=("fit", "check"))
    active = [dose for dose in regimen.doses if dose.is_active and is_ketamine(dose.drug)]
    found = []
    for drug, route in dict.fromkeys((dose.drug, dose.route) for dose in active):
        rows = readings[readings["route"].isin(_ROUTE_GROUPS[route])]
        studied = [
            dose.mass_mg(70.0, 1.70) / 70.0
            for text in rows["regimen"].unique()
            for dose in parse_regimen(text).doses
            if dose.is_active and dose.drug == drug
        ]
        mine = [dose for dose in active if (dose.drug, dose.route) == (drug, route)]
        # The largest, because a course that is steered to a target ends in many small doses.
        given = max(dose.mass_mg(weight_kg, height_m) for dose in mine) / weight_kg
        if studied and not min(studied) / _FAR <= given <= max(studied) * _FAR:
            found.append(
                f"{given:.2g} mg/kg of {drug} by {route} is far outside what was published "
                f"({min(studied):.2g} to {max(studied):.2g} mg/kg): nothing was checked there."
            )
    return tuple(found)


def nearest_readings(regimen: Regimen, weight_kg: float = 70.0, height_m: float = 1.70) -> pd.DataFrame:
    """Published rows for the regimen that is most like this one.

    Like is: the same drug by the same group of routes, as many doses (a course of equal doses is
    looked at by its first), and a dose a kilogram within a factor of 1.5. Of those the ones with
    the nearest dose and length are taken.

    Parameters
    ----------
    regimen : Regimen
        A regimen.
    weight_kg, height_m : float
        Who takes it.

    Returns
    -------
    pandas.DataFrame
        ``row, citation, published_regimen, quantity, site, statistic, time_h, value, unit,
        spread_kind, spread_low, spread_high, n, kind, ancestry, age_y``; values as published, not
        scaled to this dose. Empty if nothing is near.
    """
    from ketasim.evidence.readings import load_readings

    columns = list(_SHOWN_COLUMNS)
    readings = load_readings(use=("fit", "check"))
    active = [dose for dose in regimen.doses if is_ketamine(dose.drug)]
    if not active:
        return readings.iloc[:0][columns].rename(columns={"regimen": "published_regimen"})
    groups = _ROUTE_GROUPS[active[0].route]
    mine = _signature(regimen, weight_kg, height_m)
    distance = {}
    plain = readings[readings["route"].isin(groups) & (readings["modifier"] == "none")]
    for text in plain["regimen"].unique():
        other = parse_regimen(text)
        theirs = _signature(other, 70.0, 1.70)
        if theirs[:2] == mine[:2]:
            off = abs(np.log(theirs[2] / mine[2])) + 0.25 * abs(theirs[3] - mine[3])
            if abs(np.log(theirs[2] / mine[2])) <= np.log(_NEAR) + 1e-9:
                distance[text] = off
    if not distance:
        return readings.iloc[:0][columns].rename(columns={"regimen": "published_regimen"})
    best = min(distance.values())
    near = [text for text, off in distance.items() if off <= best + 1e-9]
    chosen = plain[plain["regimen"].isin(near)]
    return chosen[columns].rename(columns={"regimen": "published_regimen"}).reset_index(drop=True)


def _signature(regimen: Regimen, weight_kg: float, height_m: float) -> tuple[str, int, float, float]:
    """Drug, whether one dose or how many, mg a kilogram in all, and hours of giving."""
    active = [dose for dose in regimen.doses if is_ketamine(dose.drug)]
    if len({dose.at(0.0) for dose in active}) == 1:
        active = active[:1]
    mass = sum(dose.mass_mg(weight_kg, height_m) for dose in active) / weight_kg
    return active[0].drug, len(active), mass, sum(dose.duration_h or 0.0 for dose in active)
