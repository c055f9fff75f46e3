"""Regimens as a NONMEM event table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from ketasim.dosing.dose import Dose
from ketasim.dosing.nonmem_columns import NONMEM_COLUMNS, compartment_of
from ketasim.dosing.regimen import Regimen, administer
from ketasim.errors import DoseError

__all__ = ["nonmem_table"]

_WHOLE = ("EVID", "ADDL", "SS", "CMT", "MDV", "DEVICE")
_WORDS = ("DRUG", "ROUTE")
#: FORM is left out: masses are written as free base.
_WRITTEN = tuple(name for name in NONMEM_COLUMNS if name != "FORM")

# Fewer equal steps than this say nothing about a course, unless they are all there is.
_SHORTEST_COURSE = 3


def nonmem_table(
    regimens: Regimen | Sequence[Regimen],
    weights_kg: float | Sequence[float],
    *,
    heights_m: float | Sequence[float] | None = None,
    ids: Sequence[int] | None = None,
    observations: pd.DataFrame | None = None,
    covariates: Mapping[str, Sequence[float]] | None = None,
    compact: bool = False,
    devices: bool = False,
) -> pd.DataFrame:
    """Write what persons are given, and when they are observed, as one event table.

    Parameters
    ----------
    regimens : Regimen or sequence of Regimen
        The doses of each person.
    weights_kg : float or sequence of float
        Body weight in kg, one for all or one a person.
    heights_m : float or sequence of float, optional
        Body height in m; needed for doses per m2.
    ids : sequence of int, optional
        ``ID`` of each person; default 1, 2, ...
    observations : pandas.DataFrame, optional
        ``TIME`` (h) and, if there are several persons, ``ID``; may hold ``DV``, ``CMT`` and ``MDV``. An
        observation at the time of a dose stands before it.
    covariates : mapping of str to sequence of float, optional
        One value a person.
    compact : bool, default False
        Write doses at equal steps as one row with ``ADDL`` and ``II``.
    devices : bool, default False
        Write each device of a nasal dose as a row of its own.

    Returns
    -------
    pandas.DataFrame
        Sorted by person and ``TIME`` (h): ``AMT`` in mg of free base, ``RATE`` in mg/h and ``DUR`` in h
        (0 if not an infusion, which acts on [TIME, TIME + DUR)), ``KA`` in 1/h. A placebo is a row with
        ``EVID`` 2; its steady state, which is that of nothing, is not written.

    Raises
    ------
    DoseError
        If numbers of persons differ, a weight or height is out of range, or an observation has no
        ``TIME`` or an unknown ``ID``.
    """
    every = (regimens,) if isinstance(regimens, Regimen) else tuple(regimens)
    weights = _each(weights_kg, len(every), "weights_kg")
    heights = [None] * len(every) if heights_m is None else _each(heights_m, len(every), "heights_m")
    names = list(range(1, len(every) + 1)) if ids is None else list(ids)
    if len(names) != len(every) or len(set(names)) != len(names):
        raise DoseError(f"ids: {len(names)} for {len(every)} regimens; give each person one of their own.")
    seen = _observed(observations, names)
    rows: list[dict[str, object]] = []
    for name, regimen, weight, height in zip(names, every, weights, heights, strict=True):
        mine = [*seen.get(name, []), *_dose_rows(regimen, weight, height, compact=compact, devices=devices)]
        # Sorting keeps the order of what is at one time: observations first, then doses.
        rows += [
            {"ID": name, **row} for row in _with_steady(sorted(mine, key=lambda row: float(str(row["TIME"]))))
        ]
    frame = pd.DataFrame(rows, columns=list(_WRITTEN))
    kinds = dict.fromkeys(_WRITTEN, "float64") | dict.fromkeys(("ID", *_WHOLE), "int64")
    frame = frame.astype(kinds | dict.fromkeys(_WORDS, "str"))
    for column, values in (covariates or {}).items():
        if column in _WRITTEN or len(values) != len(names):
            raise DoseError(
                f"covariates: {column!r} must have one value a person ({len(names)}), and a name that is no "
                f"column of the table."
            )
        frame[column] = frame["ID"].map(dict(zip(names, values, strict=True))).astype("float64")
    return frame


def _each(values: float | Sequence[float], count: int, field: str) -> list[float]:
    found = [float(values)] * count if isinstance(values, int | float) else [float(value) for value in values]
    if len(found) != count:
        raise DoseError(f"{field}: {len(found)} values for {count} regimens; give one, or one a person.")
    return found


def _observed(frame: pd.DataFrame | None, names: Sequence[int]) -> dict[int, list[dict[str, object]]]:
    """Rows of observations by ID."""
    found: dict[int, list[dict[str, object]]] = {}
    if frame is None:
        return found
    needed = ("TIME",) if len(names) == 1 else ("ID", "TIME")
    for column in needed:
        if column not in frame.columns:
            raise DoseError(
                f"observations: column {column} is missing; {' and '.join(needed)} must be there."
            )
    blank: dict[str, object] = dict.fromkeys(("AMT", "RATE", "DUR", "II"), 0.0)
    blank |= dict.fromkeys(("EVID", "ADDL", "SS", "DEVICE"), 0) | dict.fromkeys(("F", "KA"), math.nan)
    for number, cells in enumerate(frame.to_dict("records"), start=1):
        name = int(cells.get("ID", names[0]))
        if name not in names:
            raise DoseError(f"observations, row {number}, column ID: no regimen has the ID {name}.")
        value = float(cells.get("DV", math.nan))
        missing = int(cells.get("MDV", math.isnan(value)))
        row = {"TIME": float(cells["TIME"]), "DV": value, "MDV": missing, "CMT": int(cells.get("CMT", 0))}
        found.setdefault(name, []).append({**blank, **row, "DRUG": None, "ROUTE": None})
    return found


def _dose_rows(
    regimen: Regimen, weight: float, height: float | None, *, compact: bool, devices: bool
) -> Iterator[dict[str, object]]:
    # Two doses at one time are in order of their mass, however it was written: a table that was read has no
    # other order to give.
    masses = (
        replace(dose, amount=dose.mass_mg(weight, height), unit="mg", form="base") for dose in regimen.doses
    )
    doses = Regimen(tuple(masses)).doses
    courses = _courses(doses) if compact else [(dose, dose.steady_state_h or 0.0, 0) for dose in doses]
    for dose, step, further in courses:
        pairs = administer(dose, weight, height) if devices else ()
        singles = [(single.time_h, mass, single.device) for single, mass in pairs]
        for time, mass, device in singles or [(dose.start_h, dose.mass_mg(weight, height), 0)]:
            length = dose.duration_h or 0.0
            yield {
                "TIME": time,
                "AMT": mass,
                "RATE": mass / length if length else 0.0,
                "DUR": length,
                "EVID": 1 if dose.is_active else 2,
                "II": step if dose.is_active else 0.0,
                "ADDL": further,
                "SS": 1 if dose.is_active and dose.steady_state_h else 0,
                "CMT": compartment_of(dose.drug, dose.route),
                "DV": math.nan,
                "MDV": 1,
                "DRUG": dose.drug,
                "ROUTE": dose.route,
                "F": math.nan if dose.bioavailability is None else dose.bioavailability,
                "KA": math.nan if dose.absorption_rate is None else dose.absorption_rate,
                "DEVICE": device,
            }


def _with_steady(rows: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Write a steady state that adds to earlier doses as SS 2."""
    dosed = False
    for row in rows:
        yield {**row, "SS": 2} if row["SS"] and dosed else row
        dosed = dosed or row["EVID"] == 1


def _courses(doses: Sequence[Dose]) -> list[tuple[Dose, float, int]]:
    """Find doses at equal steps: the first, the step in h, and how many follow it."""
    found: list[tuple[Dose, float, int]] = []
    alike: dict[Dose, list[Dose]] = {}
    for dose in doses:
        if dose.is_active:
            alike.setdefault(replace(dose, start_h=0.0, steady_state_h=None), []).append(dose)
        else:
            found.append((dose, 0.0, 0))
    for course in alike.values():
        place = 0
        while place < len(course):
            count, step = _run(course, place)
            if count < _SHORTEST_COURSE and not (place == 0 and count == len(course)):
                count, step = 1, course[place].steady_state_h or 0.0
            found.append((course[place], step, count - 1))
            place += count
    return found


def _run(course: Sequence[Dose], place: int) -> tuple[int, float]:
    """Count the doses from ``place`` on that a row with II and ADDL gives back exactly."""
    first = course[place]
    if place + 1 == len(course):
        return 1, first.steady_state_h or 0.0
    step = first.steady_state_h or course[place + 1].start_h - first.start_h
    count = 1
    for dose in course[place + 1 :]:
        if step <= 0.0 or dose.steady_state_h is not None or first.start_h + count * step != dose.start_h:
            break
        count += 1
    return count, step
