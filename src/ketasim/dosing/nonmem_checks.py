"""What can be wrong with the cells of one row of an event table."""

from __future__ import annotations

import numpy as np

from ketasim.dosing.nonmem_cells import Cells, IntArray, Problems

__all__ = ["DOSE", "OBSERVATION", "OTHER", "check_events", "check_numbers"]

#: Values of ``EVID``.
OBSERVATION, DOSE, OTHER = 0, 1, 2

# Columns that only a dose may fill.
_OF_A_DOSE = ("AMT", "RATE", "DUR", "ADDL", "II", "SS")


#: Whole numbers beyond this are a slip, and would not fit into memory as such.
_LARGEST = 1e9


def check_numbers(cells: Cells, problems: Problems) -> None:
    """Check what can be said of each cell alone."""
    numbers = cells.numbers
    for name in ("ID", "TIME"):
        if name in cells.present:
            problems.add(np.isnan(numbers[name]), name, lambda _: "is missing; each row needs one.")
    rate = numbers["RATE"]
    problems.add(
        np.isin(rate, (-1.0, -2.0)),
        "RATE",
        lambda at: (
            f"{rate[at]:g} asks for a rate or duration that a NONMEM model estimates, and this table has no "
            "such model; write the RATE, or the duration in DUR."
        ),
    )
    for name, values in numbers.items():
        if name in ("ID", "DV"):
            continue
        problems.add(
            values < 0.0,
            name,
            lambda at, values=values: f"{values[at]:g} must be a finite number that is not negative.",  # type: ignore[misc]
        )
        if name in ("EVID", "ADDL", "SS", "CMT", "MDV", "DEVICE"):
            problems.add(
                ((values != np.floor(values)) | (values > _LARGEST)) & ~np.isnan(values),
                name,
                lambda at, values=values: f"{values[at]:g} must be a whole number, at most {_LARGEST:g}.",  # type: ignore[misc]
            )
    _check_codes(cells, problems)


def _check_codes(cells: Cells, problems: Problems) -> None:
    """Check the cells that may only hold some whole numbers."""
    numbers = cells.numbers
    evid, steady, mdv = numbers["EVID"], numbers["SS"], numbers["MDV"]
    problems.add(
        np.isin(evid, (3.0, 4.0)),
        "EVID",
        lambda at: (
            f"{evid[at]:g} empties the body, which no person's does; give what follows an ID of its own, "
            "with TIME from 0 again."
        ),
    )
    problems.add(
        evid > 2.0,
        "EVID",
        lambda at: f"{evid[at]:g} is not known; allowed: 0 (observation), 1 (dose), 2 (other, or a placebo).",
    )
    problems.add(
        steady > 2.0,
        "SS",
        lambda at: f"{steady[at]:g} is not known; allowed: 0 (no), 1, 2 (on top of others).",
    )
    problems.add(
        mdv > 1.0, "MDV", lambda at: f"{mdv[at]:g} is not known; allowed: 0 (DV is there), 1 (is not)."
    )


def check_events(cells: Cells, event: IntArray, problems: Problems) -> None:
    """Check which cells fit observations, doses and other events."""
    numbers = cells.numbers
    idle = event != DOSE
    kinds = {OBSERVATION: "an observation (EVID 0)", OTHER: "an event that is no dose (EVID 2)"}
    for name in _OF_A_DOSE:
        values = numbers[name]
        # The visit of a placebo infusion lasts; NONMEM itself knows no DUR.
        wrong = idle & (values > 0.0) & ~((event == OTHER) & (name == "DUR"))
        problems.add(
            wrong,
            name,
            lambda at, values=values: (  # type: ignore[misc]
                f"{values[at]:g} stands in {kinds[int(event[at])]}; write 0, or EVID 1 if it is a dose."
            ),
        )
    amount, interval, additional, steady = (numbers[name] for name in ("AMT", "II", "ADDL", "SS"))
    problems.add(
        (event == DOSE) & (amount <= 0.0),
        "AMT",
        lambda _: (
            "a dose (EVID 1) must be above 0; a visit without drug has EVID 2 and DRUG 'placebo'. A constant "
            "infusion since ever is written as a long infusion."
        ),
    )
    dose = event == DOSE
    for name, values in (("ADDL", additional), ("SS", steady)):
        problems.add(
            dose & (values > 0.0) & (interval == 0.0),
            "II",
            lambda at, name=name, values=values: (
                f"0 does not fit {name} {values[at]:g}; write the time between doses."
            ),  # type: ignore[misc]
        )
    problems.add(
        dose & (interval > 0.0) & (additional == 0.0) & (steady == 0.0),
        "II",
        lambda at: (
            f"{interval[at]:g} has no use without ADDL or SS; write how many doses follow in ADDL, or 0."
        ),
    )
    mdv, value = numbers["MDV"], numbers["DV"]
    problems.add(
        (event != OBSERVATION) & (np.nan_to_num(value) != 0.0),
        "DV",
        lambda at: f"{value[at]:g} stands in a row that is no observation; give it a row with EVID 0.",
    )
    problems.add(
        (event != OBSERVATION) & (mdv == 0.0),
        "MDV",
        lambda _: "0 must be 1 in a row that is no observation.",
    )
    problems.add(
        (event == OBSERVATION) & (mdv == 0.0) & np.isnan(value),
        "DV",
        lambda _: "is missing while MDV is 0; write the value, or MDV 1.",
    )
