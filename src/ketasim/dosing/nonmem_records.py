"""What the rows of an event table say, after every check."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ketasim.dosing.dose import Dose
from ketasim.dosing.drugs import DRUGS, find_drug
from ketasim.dosing.nonmem_cells import BoolArray, Cells, FloatArray, IntArray, Problems
from ketasim.dosing.nonmem_checks import DOSE, OBSERVATION, OTHER, check_events, check_numbers
from ketasim.dosing.nonmem_columns import into_vein
from ketasim.dosing.routes import ROUTES, find_route
from ketasim.dosing.schedule import MAX_DOSES
from ketasim.errors import DoseError
from ketasim.units import convert

__all__ = ["TOLERANCE", "Records", "read_records"]

# Two ways to write one number in a table (AMT and RATE x DUR, TIME and DEVICE) agree if they do
# to the digits that people write down.
TOLERANCE = 1e-6

#: Column in which a fault of a field of `Dose` is to be mended.
_COLUMN_OF = {
    "drug": "DRUG", "route": "ROUTE", "amount": "AMT", "unit": "AMT", "start_h": "TIME", "duration": "DUR",
    "form": "FORM", "bioavailability": "F", "absorption_rate": "KA", "steady_state_h": "II",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Records:
    """Rows of a table as arrays of equal length, times in h.

    Parameters
    ----------
    where : str
        What the table is called in messages.
    amount_unit : str
        Unit of ``amount``.
    row, subject : array of int
        Row in the table from 1; place of the subject from 0, never falling.
    event : array of int
        0 an observation, 1 a dose, 2 another event.
    time_h, amount, duration_h, interval_h : array
        Start, amount, length (0 for none), and time between additional or steady-state doses.
    additional, steady, device : array of int
        ``ADDL``, ``SS`` and ``DEVICE``.
    bioavailability, absorption_rate : array
        NaN if not given; the rate in 1/h.
    treatment : array of int
        Place in ``treatments``; -1 if the row gives nothing.
    treatments : tuple of (str, str, str)
        Drug, route and form.
    """

    where: str
    amount_unit: str
    row: IntArray
    subject: IntArray
    event: IntArray
    time_h: FloatArray
    amount: FloatArray
    duration_h: FloatArray
    interval_h: FloatArray
    additional: IntArray
    steady: IntArray
    device: IntArray
    bioavailability: FloatArray
    absorption_rate: FloatArray
    treatment: IntArray
    treatments: tuple[tuple[str, str, str], ...]

    def dose(self, at: int, time_h: float, amount: float, *, steady: bool) -> Dose:
        """Make the dose of a row, at a time (h) and of an amount."""
        drug, route, form = self.treatments[self.treatment[at]]
        values = (self.bioavailability[at], self.absorption_rate[at])
        share, rate = (None if math.isnan(value) else float(value) for value in values)
        length = float(self.duration_h[at]) or None
        every = float(self.interval_h[at]) if steady else None
        return Dose(drug, route, amount, self.amount_unit, time_h, length, form, share, rate, every)


def read_records(
    cells: Cells,
    compartments: Mapping[int, tuple[str, str]],
    *,
    time_unit: str,
    amount_unit: str,
    where: str,
) -> tuple[Records, FloatArray]:
    """Check every row and say what it is.

    Parameters
    ----------
    cells : Cells
        The table.
    compartments : mapping of int to (str, str)
        Drug and route by ``CMT``.
    time_unit, amount_unit, where : str
        Units, and what the table is called in messages.

    Returns
    -------
    Records
        What each row says.
    array
        The ``ID`` of each subject.

    Raises
    ------
    DoseError
        Naming the first wrong row and its column, and how many more rows are wrong.
    """
    problems = Problems(where, cells.rows)
    check_numbers(cells, problems)
    problems.raise_first()
    event = _events(cells)
    subject, ids = _subjects(cells, problems)
    check_events(cells, event, problems)
    treatment, treatments = _treatments(cells, event, compartments, problems)
    problems.raise_first()
    numbers = cells.numbers
    hours = convert(1.0, time_unit, "h")
    records = Records(
        where=where,
        amount_unit=amount_unit,
        row=cells.rows,
        subject=subject,
        event=event,
        time_h=numbers["TIME"] * hours,
        amount=numbers["AMT"],
        duration_h=_durations(cells, treatment, treatments, problems) * hours,
        interval_h=numbers["II"] * hours,
        additional=numbers["ADDL"].astype(np.int64),
        steady=numbers["SS"].astype(np.int64),
        device=numbers["DEVICE"].astype(np.int64),
        bioavailability=numbers["F"],
        absorption_rate=numbers["KA"] / hours,
        treatment=treatment,
        treatments=_with_boluses(treatments),
    )
    problems.raise_first()
    records = _told_apart(records, cells)
    _check_courses(records, problems)
    problems.raise_first()
    _check_doses(records, problems)
    problems.raise_first()
    return records, ids


def _is_placebo(cells: Cells) -> BoolArray:
    words = cells.words["DRUG"]
    found = np.zeros(len(words), dtype=np.bool_)
    for word in set(words.tolist()) - {""}:
        try:
            inert = not find_drug(word).is_active
        except DoseError:
            continue
        found |= (words == word) & inert
    return found


def _events(cells: Cells) -> IntArray:
    """Return ``EVID``; without that column, a row with AMT is a dose and a placebo without DV a visit."""
    if "EVID" in cells.present:
        return cells.numbers["EVID"].astype(np.int64)
    event = np.where(cells.numbers["AMT"] > 0.0, DOSE, OBSERVATION)
    return np.where((event == 0) & _is_placebo(cells) & np.isnan(cells.numbers["DV"]), OTHER, event)


def _subjects(cells: Cells, problems: Problems) -> tuple[IntArray, FloatArray]:
    """Number the subjects; their rows must stand together, in the order of time."""
    count = len(cells.rows)
    ids = cells.numbers["ID"] if "ID" in cells.present else np.ones(count)
    if count == 0:
        return np.zeros(0, dtype=np.int64), ids
    starts = np.concatenate(([True], ids[1:] != ids[:-1]))
    subject = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    seen = np.ones(len(first), dtype=np.bool_)
    seen[np.unique(ids[first], return_index=True)[1]] = False
    again = np.zeros(count, dtype=np.bool_)
    again[first[seen]] = True
    problems.add(
        again,
        "ID",
        lambda at: (
            f"{ids[at]:g} comes back after another ID; put all rows of a subject together, or rename it."
        ),
    )
    time = cells.numbers["TIME"]
    earlier = np.concatenate(([False], (time[1:] < time[:-1]) & ~starts[1:]))
    problems.add(
        earlier,
        "TIME",
        lambda at: f"{time[at]:g} is before {time[at - 1]:g} in the row above; sort each subject by TIME.",
    )
    return subject.astype(np.int64), ids[first]


def _found(
    words: np.ndarray, used: BoolArray, column: str, names: dict[str, str], problems: Problems
) -> np.ndarray:
    """Turn words into names by a finder, telling those that are unknown."""
    plain = words.copy()
    for word in sorted(set(words[used].tolist()) - {""}):
        try:
            name = find_drug(word).name if column == "DRUG" else find_route(word).name
        except DoseError as error:
            message = str(error)
            problems.add(used & (words == word), column, lambda _, message=message: message)  # type: ignore[misc]
            name = ""
        names[word] = name
        plain[words == word] = name
    return plain


def _treatments(
    cells: Cells, event: IntArray, compartments: Mapping[int, tuple[str, str]], problems: Problems
) -> tuple[IntArray, list[tuple[str, str, str]]]:
    """Find drug, route and form of each row that gives something (or a placebo)."""
    dose = event == DOSE
    number = cells.numbers["CMT"].astype(np.int64)
    inert = [key for key, (drug, _) in compartments.items() if not DRUGS[drug].is_active]
    words = (cells.words["DRUG"], cells.words["ROUTE"])
    told = (words[0] != "") | (words[1] != "")
    used = dose | ((event == OTHER) & np.where(told, _is_placebo(cells), np.isin(number, inert)))
    for column, mine, other in (("DRUG", *words), ("ROUTE", words[1], words[0])):
        problems.add(
            used & told & (mine == "") & (other != ""),
            column,
            lambda _: "is missing; DRUG and ROUTE go together, or leave both out and give CMT.",
        )
    drugs = _found(words[0], used & told, "DRUG", {}, problems)
    routes = _found(words[1], used & told, "ROUTE", {}, problems)
    shown = ", ".join(f"{key} {drug} {route}" for key, (drug, route) in compartments.items())
    unknown = used & ~told & ~np.isin(number, list(compartments))
    column = "CMT" if "CMT" in cells.present else "DRUG"
    problems.add(
        unknown,
        column,
        lambda at: (
            f"{number[at] or 'nothing'} does not say what is given; add the columns DRUG and ROUTE, or one "
            f"of the compartments: {shown}."
        ),
    )
    _check_compartments(number, used, told, drugs, routes, compartments, problems)
    problems.add(
        dose & np.isin(drugs, [name for name, drug in DRUGS.items() if not drug.is_active]),
        "EVID",
        lambda at: f"1 does not fit {drugs[at]}, which holds no drug; a visit with a placebo has EVID 2.",
    )
    forms = np.where(cells.words["FORM"] == "", "base", cells.words["FORM"])
    keys = {
        key: place
        for place, key in enumerate(sorted(set(zip(drugs[used], routes[used], forms[used], strict=True))))
    }
    treatment = np.full(len(event), -1, dtype=np.int64)
    places = np.flatnonzero(used)
    treatment[places] = [keys[drugs[at], routes[at], forms[at]] for at in places]
    return treatment, list(keys)


def _check_compartments(
    number: IntArray,
    used: BoolArray,
    told: BoolArray,
    drugs: np.ndarray,
    routes: np.ndarray,
    compartments: Mapping[int, tuple[str, str]],
    problems: Problems,
) -> None:
    """Fill in drug and route where only CMT tells them, and tell where both do and differ."""
    for key, (drug, route) in compartments.items():
        here = used & (number == key)
        drugs[here & ~told], routes[here & ~told] = drug, route
        same = (drugs == drug) & np.array([into_vein(name) == route for name in routes], dtype=np.bool_)
        problems.add(
            here & told & (drugs != "") & (routes != "") & ~same,
            "CMT",
            lambda at, drug=drug, route=route: (  # type: ignore[misc]
                f"{number[at]} is {drug} {route}, but DRUG and ROUTE say {drugs[at]} {routes[at]}; correct "
                "one, leave CMT out, or give your own numbers by compartments=."
            ),
        )


def _with_boluses(treatments: list[tuple[str, str, str]]) -> tuple[tuple[str, str, str], ...]:
    """Put, behind the treatments, the same with a bolus in place of an infusion."""
    boluses = [
        (drug, "iv_bolus" if route == "iv_infusion" else route, form) for drug, route, form in treatments
    ]
    return (*treatments, *boluses)


def _told_apart(records: Records, cells: Cells) -> Records:
    """Make boluses of the doses into a vein that only ``CMT`` names and that have no length."""
    by_number = (cells.words["ROUTE"] == "") & (records.treatment >= 0) & (records.duration_h == 0.0)
    half = len(records.treatments) // 2
    return replace(records, treatment=np.where(by_number, records.treatment + half, records.treatment))


def _durations(
    cells: Cells, treatment: IntArray, treatments: list[tuple[str, str, str]], problems: Problems
) -> FloatArray:
    """Length of each infusion, from DUR or else from AMT and RATE."""
    amount, rate, duration = (cells.numbers[name] for name in ("AMT", "RATE", "DUR"))
    given = treatment >= 0
    brief = [place for place, (_, route, _) in enumerate(treatments) if not ROUTES[route].is_infusion]
    for name, values in (("RATE", rate), ("DUR", duration)):
        problems.add(
            np.isin(treatment, brief) & (values > 0.0),
            name,
            lambda at, values=values: (  # type: ignore[misc]
                f"{values[at]:g} must be 0 for the route {treatments[treatment[at]][1]!r}."
            ),
        )
    both = given & (rate > 0.0) & (duration > 0.0)
    problems.add(
        both & (np.abs(rate * duration - amount) > TOLERANCE * amount),
        "RATE",
        lambda at: (
            f"{rate[at]:g} over {duration[at]:g} is not the AMT of {amount[at]:g}; correct or drop one."
        ),
    )
    by_rate = np.divide(amount, rate, out=np.zeros_like(amount), where=rate > 0.0)
    return np.where(given, np.where(duration > 0.0, duration, by_rate), 0.0)


def _check_courses(records: Records, problems: Problems) -> None:
    """Check what a subject's doses mean for each other."""
    dose = records.event == DOSE
    starts = np.searchsorted(records.subject, records.subject)
    count = np.cumsum(np.where(dose, 1, 0))
    before = count - dose - np.where(starts > 0, count[starts - 1], 0) if len(count) else count
    problems.add(
        (records.steady == 1) & (before > 0),
        "SS",
        lambda _: "1 would wipe out the earlier doses of this subject; write 2, which adds to them.",
    )
    given = np.where(records.treatment >= 0, 1 + records.additional, 0)
    total = np.cumsum(given)
    total = total - np.where(starts > 0, total[starts - 1], 0) if len(total) else total
    problems.add(
        (total > MAX_DOSES) & (records.treatment >= 0),
        "ADDL" if bool(records.additional.any()) else "ID",
        lambda at: f"the subject has {total[at]} doses by this row; at most {MAX_DOSES} are allowed.",
    )
    for route in ("sc", "rectal"):
        _check_one_rate(records, route, problems)


def _check_one_rate(records: Records, route: str, problems: Problems) -> None:
    """Check that the doses of a subject by a route state one absorption rate."""
    kinds = [place for place, key in enumerate(records.treatments) if key[1] == route]
    rates = records.absorption_rate
    places = np.flatnonzero(np.isin(records.treatment, kinds) & ~np.isnan(rates))
    _, first, inverse = np.unique(records.subject[places], return_index=True, return_inverse=True)
    leader = np.arange(len(rates))
    leader[places] = places[first[inverse]]
    wrong = np.zeros(len(rates), dtype=np.bool_)
    wrong[places] = rates[places] != rates[leader[places]]
    problems.add(
        wrong,
        "KA",
        lambda at: (
            f"{rates[at]:g} /h, but row {records.row[leader[at]]} has {rates[leader[at]]:g} /h; all {route} "
            "doses of a subject share one rate."
        ),
    )


def _check_doses(records: Records, problems: Problems) -> None:
    """Make one dose of each kind; a kind is what `Dose` could refuse it for."""
    places = np.flatnonzero(records.treatment >= 0)
    if not len(places):
        return
    steady = records.steady[places] > 0
    share, rate = records.bioavailability[places], records.absorption_rate[places]
    lengths = np.where(steady, records.duration_h[places], records.duration_h[places] > 0.0)
    intervals = np.where(steady, records.interval_h[places], 0.0)
    kinds = np.column_stack(
        (
            records.treatment[places],
            np.nan_to_num(share, nan=-1.0),
            np.nan_to_num(rate, nan=-1.0),
            lengths,
            intervals,
        )
    )
    _, first, inverse = np.unique(kinds, axis=0, return_index=True, return_inverse=True)
    for kind, place in enumerate(first):
        at = int(places[place])
        try:
            records.dose(at, 0.0, float(records.amount[at]), steady=bool(steady[place]))
        except DoseError as error:
            field, _, rest = str(error).partition(": ")
            column = _COLUMN_OF.get(field, "FORM" if "form" in field else "DRUG")
            message = rest if field in _COLUMN_OF else str(error)
            wrong = np.zeros(len(records.row), dtype=np.bool_)
            wrong[places[inverse.ravel() == kind]] = True
            problems.add(wrong, column, lambda _, message=message: message)  # type: ignore[misc]
    rate_given = records.device > 0
    takers = [
        place
        for place, (drug, route, _) in enumerate(records.treatments)
        if ROUTES[route].name == "intranasal" and DRUGS[drug].nasal_device_mg is not None
    ]
    problems.add(
        rate_given & (records.treatment >= 0) & ~np.isin(records.treatment, takers),
        "DEVICE",
        lambda at: f"{records.device[at]} must be 0; only nasal doses of a drug have devices.",
    )
