"""A regimen as an event table with NONMEM-like columns, and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ketasim.dosing._messages import unknown_word
from ketasim.dosing.dose import Dose
from ketasim.dosing.drugs import DRUGS, Drug, find_drug
from ketasim.dosing.regimen import DEVICE_GAP_H, Regimen, split_devices
from ketasim.dosing.routes import Route, find_route
from ketasim.errors import DoseError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EVENT_COLUMNS", "event_table", "regimen_from_table"]

#: Columns of an event table, in order.
EVENT_COLUMNS = ("TIME", "AMT", "RATE", "DUR", "EVID", "DRUG", "ROUTE", "DEVICE")

_REQUIRED = ("TIME", "AMT", "DRUG", "ROUTE")
_OBSERVATION, _DOSE, _VISIT = 0, 1, 2

# Two ways to write one number in a table (AMT and RATE x DUR, TIME and DEVICE) agree if they do
# to the digits that people write down.
_TOLERANCE = 1e-6


def event_table(regimen: Regimen, weight_kg: float) -> pd.DataFrame:
    """Write what a regimen gives to one person as an event table.

    Parameters
    ----------
    regimen : Regimen
        The doses.
    weight_kg : float
        Body weight in kg, above 0.

    Returns
    -------
    pandas.DataFrame
        A row an administration, by time: ``TIME`` (h), ``AMT`` (mg free base), ``RATE`` (mg/h; 0 if
        not an infusion), ``DUR`` (h; 0 if not an infusion), ``EVID`` (1 a dose, 2 a visit with a
        placebo), ``DRUG``, ``ROUTE``, ``DEVICE`` (nasal device within its dose, from 0). An infusion
        acts on [TIME, TIME + DUR).

    Raises
    ------
    DoseError
        If the weight is not above 0, or a nasal dose needs more than 100 devices.
    """
    # Late: a regimen that is only simulated needs no table.
    import pandas as pd

    rows = [
        (
            single.time_h,
            mass,
            mass / single.duration_h if single.duration_h else 0.0,
            single.duration_h,
            _DOSE if single.amounts else _VISIT,
            single.drug,
            single.route,
            single.device,
        )
        for single, mass in regimen.administrations_with_mass(weight_kg)
    ]
    frame = pd.DataFrame(rows, columns=list(EVENT_COLUMNS))
    kinds = dict.fromkeys(EVENT_COLUMNS[:4], "float64") | dict.fromkeys(("EVID", "DEVICE"), "int64")
    return frame.astype(kinds | dict.fromkeys(("DRUG", "ROUTE"), "str"))


@dataclass(frozen=True)
class _Row:
    number: int
    time_h: float
    mass_mg: float
    duration_h: float
    drug: Drug
    route: Route
    device: int


def regimen_from_table(frame: pd.DataFrame) -> Regimen:
    """Read a regimen from an event table of one person.

    The table holds masses, so the doses come back in mg, whatever unit they had before; the
    devices of one nasal dose come back as one dose.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns as written by `event_table`. ``TIME``, ``AMT``, ``DRUG`` and ``ROUTE`` must be
        there. An infusion needs ``RATE`` or ``DUR``. ``EVID`` is 1 if left out, rows with 0
        (observations) are skipped; ``DEVICE`` is 0 if left out.

    Returns
    -------
    Regimen
        The doses.

    Raises
    ------
    DoseError
        If a column is missing or unknown, or a value cannot be used; the message names the row
        (the first is row 1) and the column.
    """
    for column in frame.columns:
        if column not in EVENT_COLUMNS:
            raise DoseError(
                f"event table: {unknown_word('column', str(column), EVENT_COLUMNS)} "
                "The table is of one person; drop columns that say nothing about doses."
            )
    missing = [column for column in _REQUIRED if column not in frame.columns]
    if missing:
        raise DoseError(f"event table: column {missing[0]} is missing; {', '.join(_REQUIRED)} must be there.")
    rows = []
    for number, cells in enumerate(frame.to_dict("records"), start=1):
        named = {str(column): value for column, value in cells.items()}
        row = _read_row(number, named)
        if row is not None:
            rows.append(row)
    return Regimen(tuple(_join_devices(rows)))


def _wrong(number: int, column: str, message: str) -> DoseError:
    return DoseError(f"event table, row {number}, column {column}: {message}")


def _number(number: int, cells: Mapping[str, object], column: str, default: float = 0.0) -> float:
    cell = cells.get(column, default)
    try:
        value = float(str(cell))
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0.0:
        raise _wrong(number, column, f"{cell!r} must be a finite number that is not negative.")
    return value


def _whole(number: int, cells: Mapping[str, object], column: str, default: int) -> int:
    value = _number(number, cells, column, default)
    if value != int(value):
        raise _wrong(number, column, f"{value:g} must be a whole number.")
    return int(value)


def _read_row(number: int, cells: Mapping[str, object]) -> _Row | None:
    event = _whole(number, cells, "EVID", _DOSE)
    if event == _OBSERVATION:
        return None
    if event not in (_DOSE, _VISIT):
        raise _wrong(
            number, "EVID", f"{event} is not known; allowed: 0 (skipped), 1 (dose), 2 (placebo visit)."
        )
    try:
        drug = find_drug(str(cells["DRUG"]))
    except DoseError as error:
        raise _wrong(number, "DRUG", str(error)) from error
    try:
        route = find_route(str(cells["ROUTE"]))
    except DoseError as error:
        raise _wrong(number, "ROUTE", str(error)) from error
    mass = _number(number, cells, "AMT")
    if drug.is_active and mass == 0.0:
        raise _wrong(
            number, "AMT", f"a dose of {drug.name} must be above 0 mg; a visit has the drug 'placebo'."
        )
    if drug.is_active != (event == _DOSE) and "EVID" in cells:
        raise _wrong(
            number, "EVID", f"{event} does not fit {drug.name}; 1 is a dose, 2 a visit with a placebo."
        )
    device = _whole(number, cells, "DEVICE", 0)
    if device and (route.name != "intranasal" or drug.nasal_device_mg is None):
        raise _wrong(number, "DEVICE", f"{device} must be 0; only nasal doses of a drug have devices.")
    duration = _duration(number, cells, mass, route)
    return _Row(number, _number(number, cells, "TIME"), mass, duration, drug, route, device)


def _duration(number: int, cells: Mapping[str, object], mass: float, route: Route) -> float:
    rate, duration = _number(number, cells, "RATE"), _number(number, cells, "DUR")
    if not route.is_infusion:
        for column, value in (("RATE", rate), ("DUR", duration)):
            if value:
                raise _wrong(number, column, f"{value:g} must be 0 for the route {route.name!r}.")
        return 0.0
    if duration == 0.0:
        if rate == 0.0 or mass == 0.0:
            raise _wrong(number, "DUR", "an iv_infusion needs a duration above 0 h (or a RATE in mg/h).")
        return mass / rate
    if rate and not math.isclose(rate * duration, mass, rel_tol=_TOLERANCE):
        raise _wrong(number, "RATE", f"{rate:g} mg/h over {duration:g} h is not the AMT of {mass:g} mg.")
    return duration


def _dose(row: _Row, mass: float) -> Dose:
    duration = row.duration_h if row.route.is_infusion else None
    try:
        return Dose(row.drug.name, row.route.name, mass, "mg", row.time_h, duration)
    except DoseError as error:
        raise DoseError(f"event table, row {row.number}: {error}") from error


def _join_devices(rows: list[_Row]) -> list[Dose]:
    """Put the devices of each nasal dose back together."""
    sessions: list[list[_Row]] = []
    for row in sorted(rows, key=lambda row: (row.time_h, row.device)):
        if row.device == 0:
            sessions.append([row])
            continue
        for session in sessions:
            if _continues(session, row):
                session.append(row)
                break
        else:
            raise _wrong(
                row.number,
                "DEVICE",
                f"no full device {row.device - 1} of {row.drug.name} is given 5 min before this one.",
            )
    return [_session_dose(session) for session in sessions]


def _continues(session: list[_Row], row: _Row) -> bool:
    first, last = session[0], session[-1]
    full = DRUGS[row.drug.name].nasal_device_mg
    return (
        full is not None
        and last.drug == row.drug
        and last.route == row.route
        and last.device == row.device - 1
        and math.isclose(
            row.time_h, first.time_h + row.device * DEVICE_GAP_H, rel_tol=1e-9, abs_tol=_TOLERANCE
        )
        and math.isclose(last.mass_mg, full, rel_tol=_TOLERANCE)
    )


def _session_dose(session: list[_Row]) -> Dose:
    first, full = session[0], session[0].drug.nasal_device_mg
    mass = math.fsum(row.mass_mg for row in session)
    if first.route.name == "intranasal" and full is not None:
        over = [row for row in session if row.mass_mg > full * (1.0 + _TOLERANCE)]
        # A first row above one device is a whole dose, written without its devices.
        if over and (len(session) > 1 or over[0].device):
            raise _wrong(
                over[0].number, "AMT", f"{over[0].mass_mg:g} mg is more than one device of {full:g} mg."
            )
        if not over and len(split_devices(mass, full)) != len(session):
            raise _wrong(session[-1].number, "DEVICE", f"{mass:g} mg do not take {len(session)} devices.")
    return _dose(first, mass)
