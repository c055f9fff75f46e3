"""Numbers that need two curves: accumulation, and how much metabolite there is for a parent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.nca._checks import check_number
from ketasim.nca.result import NcaResult
from ketasim.units import convert, same_dimension

__all__ = ["Accumulation", "MetaboliteRatio", "accumulation", "metabolite_ratio"]

Basis = Literal["infinity", "last", "interval"]
_AREAS: Mapping[str, str] = {"infinity": "auc_infinity", "last": "auc_last", "interval": "auc_interval"}


@dataclass(frozen=True)
class Accumulation:
    """How much a later dose of a course shows above the first; pure numbers.

    Parameters
    ----------
    interval_h : float
        The dosing interval in h.
    area, cmax, ctrough : float or None
        Ratios, later over first, of the area over the interval, the peak in it and the value at its end.
    expected : float or None
        ``1 / (1 - exp(-lambda_z interval))`` with the terminal rate constant of the first dose: the ratio of
        areas at steady state if one exponential holds (Gibaldi and Perrier 1982).
    reasons : mapping of str to str
        For each number that is ``None``, why.
    """

    interval_h: float
    area: float | None
    cmax: float | None
    ctrough: float | None
    expected: float | None
    reasons: Mapping[str, str]


def accumulation(first: NcaResult, later: NcaResult) -> Accumulation:
    """Compare a later dose of a course with the first.

    Parameters
    ----------
    first, later : NcaResult
        The same substance after equal doses, both analysed with the same ``interval_h``.

    Returns
    -------
    Accumulation
        The ratios.

    Raises
    ------
    ModelError
        If an interval is missing, or intervals or doses differ.
    UnitError
        If the units of concentration do not measure the same thing.
    """
    interval = _same_interval("first", first, "later", later)
    amounts = [
        None if each.settings.dose is None else (each.settings.dose, each.settings.dose_unit)
        for each in (first, later)
    ]
    if amounts[0] is not None and amounts[1] is not None:
        (one, unit), (two, other) = amounts[0], amounts[1]
        if not math.isclose(one, convert(two, other, unit), rel_tol=1e-9):
            raise ModelError(
                f"dose: {one:g} {unit} first and {two:g} {other} later; accumulation compares equal doses. "
                "Analyse two equal doses."
            )
    numbers: dict[str, float | str] = {
        name: _ratio(later, first, source)
        for name, source in (("area", "auc_interval"), ("cmax", "cmax_interval"), ("ctrough", "ctrough"))
    }
    rate = first.lambda_z
    numbers["expected"] = (
        f"first: {first.reasons['lambda_z']}" if rate is None else -1.0 / math.expm1(-rate * interval)
    )
    known = {name: None if isinstance(entry, str) else entry for name, entry in numbers.items()}
    return Accumulation(
        interval_h=interval,
        area=known["area"],
        cmax=known["cmax"],
        ctrough=known["ctrough"],
        expected=known["expected"],
        reasons={name: entry for name, entry in numbers.items() if isinstance(entry, str)},
    )


@dataclass(frozen=True)
class MetaboliteRatio:
    """Area of a metabolite over that of its parent; pure numbers.

    Parameters
    ----------
    basis : str
        Which areas were compared: ``"infinity"``, ``"last"`` or ``"interval"``.
    by_mass, by_amount : float or None
        Ratio of areas in mass, and in amount of substance, per volume.
    reason : str or None
        Why there is no ratio, if there is none.
    """

    basis: str
    by_mass: float | None
    by_amount: float | None
    reason: str | None


def metabolite_ratio(
    parent: NcaResult,
    metabolite: NcaResult,
    parent_molar_mass: float,
    metabolite_molar_mass: float,
    *,
    basis: Basis = "infinity",
) -> MetaboliteRatio:
    """Compare the area of a metabolite with that of its parent.

    Parameters
    ----------
    parent, metabolite : NcaResult
        The two curves after one dose.
    parent_molar_mass, metabolite_molar_mass : float
        Molar masses in g/mol.
    basis : {"infinity", "last", "interval"}
        Which areas are compared. Areas to the last samples compare only what was measured.

    Returns
    -------
    MetaboliteRatio
        The ratio by mass and by amount.

    Raises
    ------
    ModelError
        If a molar mass is not above zero, the basis is unknown, or the intervals differ.
    UnitError
        If the concentrations are not both by mass or both by amount.
    """
    if basis not in _AREAS:
        raise ModelError(f"basis: {unknown_name('kind of area', basis, _AREAS)}")
    check_number("parent_molar_mass", parent_molar_mass, unit="g/mol")
    check_number("metabolite_molar_mass", metabolite_molar_mass, unit="g/mol")
    if basis == "interval":
        _same_interval("parent", parent, "metabolite", metabolite)
    unit = parent.settings.concentration_unit
    by_amount = same_dimension(unit, "uM")
    if not by_amount and not same_dimension(unit, "mg/L"):
        raise UnitError(
            f"concentration_unit: {unit!r} is neither mass nor amount per volume; analyse concentrations in "
            "a unit such as 'ng/mL' or 'uM'."
        )
    ratio = _ratio(metabolite, parent, _AREAS[basis])
    if isinstance(ratio, str):
        return MetaboliteRatio(basis, None, None, ratio)
    heavier = metabolite_molar_mass / parent_molar_mass
    if by_amount:
        return MetaboliteRatio(basis, ratio * heavier, ratio, None)
    return MetaboliteRatio(basis, ratio, ratio / heavier, None)


def _ratio(upper: NcaResult, lower: NcaResult, name: str) -> float | str:
    """One number of a result over that of another in the same unit, or why it cannot be had."""
    factor = convert(1.0, upper.settings.concentration_unit, lower.settings.concentration_unit)
    above, below = getattr(upper, name), getattr(lower, name)
    for value, result in ((above, upper), (below, lower)):
        if value is None:
            return f"{name}: {result.reasons[name]}"
    if below == 0.0:
        return f"{name} is zero in the curve that is compared with"
    return float(above) * factor / float(below)


def _same_interval(name: str, result: NcaResult, other_name: str, other: NcaResult) -> float:
    one, two = result.settings.interval_h, other.settings.interval_h
    if one is None or two is None or not math.isclose(one, two, rel_tol=1e-9):
        shown = ["none" if interval is None else f"{interval:g} h" for interval in (one, two)]
        raise ModelError(
            f"interval_h: {shown[0]} ({name}) and {shown[1]} ({other_name}); analyse both curves with the "
            "same interval_h."
        )
    return one
