"""What is fitted to: event tables with measurements, read into arrays a row a person."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing import Regimen
from ketasim.dosing.nonmem import NonmemData, read_nonmem
from ketasim.errors import DoseError, ModelError, UnitError, unknown_name
from ketasim.inference.population_fit.people import SEVERITY, read_people
from ketasim.model.chain import Chain
from ketasim.units import convert

__all__ = ["LEFT_OUT", "FitData", "Observed", "read_fit_data", "read_observe"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: In place of a quantity: measurements that are not looked at.
LEFT_OUT = "none"
_OBSERVE = re.compile(r"^\s*(\d+)\s*=\s*([A-Za-z0-9_]+)\s*(?:(?:in\s+|\[)\s*([^\]]+?)\s*\]?)?\s*$")


@dataclass(frozen=True)
class Observed:
    """A quantity of the model that was measured.

    Parameters
    ----------
    name, label, unit : str
        Quantity, what it is in words, and its shown unit, in which all measurements are held.
    number : int
        Its ``DVID`` or ``CMT``; 0 if every measurement is one of it.
    given_unit : str
        Unit of ``DV`` in the file.
    """

    name: str
    label: str
    unit: str
    number: int
    given_unit: str


@dataclass(frozen=True, eq=False)
class FitData:
    """Persons, their doses, and what was measured in them.

    Parameters
    ----------
    where : str
        Name of the file.
    ids : tuple of float
        ``ID`` of each person who was measured.
    regimens : tuple of Regimen
        Their doses.
    covariates : dict of str to array, shape (persons,)
        Parameters that persons bring along, in the units of their tables.
    severity : array, shape (persons,)
        Points at rest; only models of a mood read it.
    observed : tuple of Observed
        What was measured.
    times_h, y : array, shape (persons, most)
        Times and measurements, in order of time; zero where ``mask`` is not set.
    quantity, line : array of int, shape (persons, most)
        Place in ``observed``, and line of the file.
    mask : array of bool, shape (persons, most)
        Where there is a measurement.
    notes : tuple of str
        What a reader should know of how the file was read.
    """

    where: str
    ids: tuple[float, ...]
    regimens: tuple[Regimen, ...]
    covariates: Mapping[str, FloatArray]
    severity: FloatArray
    observed: tuple[Observed, ...]
    times_h: FloatArray
    y: FloatArray
    quantity: IntArray
    line: IntArray
    mask: npt.NDArray[np.bool_]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, persons: Sequence[int] | IntArray) -> FitData:
        """Some of the persons."""
        at = np.asarray(persons, dtype=np.int64)
        return replace(
            self,
            ids=tuple(self.ids[place] for place in at.tolist()),
            regimens=tuple(self.regimens[place] for place in at.tolist()),
            covariates={name: values[at] for name, values in self.covariates.items()},
            severity=self.severity[at],
            times_h=self.times_h[at],
            y=self.y[at],
            quantity=self.quantity[at],
            line=self.line[at],
            mask=self.mask[at],
        )

    def sizes(self) -> FloatArray:
        """Median size of the measurements of each quantity."""
        found = []
        for place in range(len(self.observed)):
            values = np.abs(self.y[self.mask & (self.quantity == place)])
            found.append(float(np.median(values[values > 0.0])) if np.any(values > 0.0) else 1.0)
        return np.array(found)


def read_observe(texts: Sequence[str], quantity: str, chain: Chain) -> tuple[Observed, ...]:
    """Read what the measurements are of.

    Parameters
    ----------
    texts : sequence of str
        Such as ``"1=s_ketamine_venous"``, ``"2=madrs in points"``, or ``"3=none"`` for measurements that are
        left out.
    quantity : str
        The quantity of every measurement, in place of ``texts``; or empty.
    chain : Chain
        Has the quantities.

    Returns
    -------
    tuple of Observed

    Raises
    ------
    ModelError
        If a text cannot be read, a quantity is unknown, or nothing or both is given.
    UnitError
        If a unit measures something else than the quantity.
    """
    if bool(texts) == bool(quantity):
        raise ModelError(
            "--observe: say what DV is: --quantity ketamine_venous if all of it is one quantity, else "
            "--observe 1=ketamine_venous --observe 2=madrs, by the number in the column DVID (or CMT)."
        )
    pairs = [f"0={quantity}"] if quantity else list(texts)
    option = "--quantity" if quantity else "--observe"
    found: list[Observed] = []
    for text in pairs:
        match = _OBSERVE.match(text)
        if match is None:
            raise ModelError(
                f"{option} {text!r}: write the number in DVID or CMT, '=' and a quantity, as in "
                "1=ketamine_venous, or with a unit as in '1=ketamine_venous in ug/L'."
            )
        number, name, unit = int(match.group(1)), match.group(2), match.group(3)
        if number in (item.number for item in found):
            raise ModelError(f"{option}: the number {number} is given twice; give each quantity its own.")
        if name == LEFT_OUT:
            found.append(Observed(name, "left out", "", number, ""))
            continue
        if name not in chain.quantities:
            raise ModelError(
                f"{option}: {unknown_name('quantity', name, chain.quantities)} 'ketasim list quantities' "
                "shows them all."
            )
        item = chain.quantities[name]
        _factor(unit or item.shown_unit, item.shown_unit, f"{option} {name}")
        found.append(Observed(name, item.label, item.shown_unit, number, unit or item.shown_unit))
    if all(item.name == LEFT_OUT for item in found):
        raise ModelError(f"{option}: every measurement would be left out; name a quantity.")
    # What is left out comes last, so that the others keep their places.
    return tuple(sorted(found, key=lambda item: item.name == LEFT_OUT))


def _factor(unit: str, wanted: str, where: str) -> float:
    """Size of a unit in another one."""
    try:
        return convert(1.0, unit, wanted)
    except UnitError as error:
        raise UnitError(
            f"{where}: {error} Convert DV to {wanted} beforehand (a concentration in moles by its molar "
            "mass), "
            "or choose the quantity that was measured."
        ) from error


def read_fit_data(path: Path | str, observed: Sequence[Observed], *, severity: float = 33.0) -> FitData:
    """Read an event table with measurements.

    Parameters
    ----------
    path : Path or str
        The file, with the columns of :func:`ketasim.dosing.read_nonmem`; ``DVID`` or ``CMT`` numbers the
        quantity of a measurement, ``UNIT`` may name its unit, ``WT AGE HT SEX`` and the like say who a
        person is (``SEX``: 1 a woman, 0 a man; ``HT`` in cm), and ``BASELINE`` his points at rest.
    observed : sequence of Observed
        What is measured.
    severity : float
        Points at rest of persons without ``BASELINE``.

    Returns
    -------
    FitData
        Persons without a measurement are left out, with a note.

    Raises
    ------
    DoseError
        If the file cannot be read, a column is missing or a cell is wrong; names file, line and column.
    UnitError
        If a measurement is in a unit of something else.
    """
    place = Path(path)
    if not place.is_file():
        raise DoseError(
            f"{place}: there is no such file; give a table with the columns ID, TIME, AMT and DV."
        )
    lines = _lines(place)
    try:
        data = read_nonmem(place)
    except DoseError as error:
        raise DoseError(_by_line(str(error), lines)) from error
    return _arrays(data, place.name, lines, tuple(observed), severity)


def _lines(path: Path) -> list[int]:
    """Line of the file of each row with data; rows that are empty are none."""
    text = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [number for number, line in enumerate(text, start=1) if line.strip()][1:]


def _by_line(message: str, lines: Sequence[int]) -> str:
    """Say the line of the file in place of the row of the table."""

    def named(match: re.Match[str]) -> str:
        row = int(match.group(1))
        return f", line {lines[row - 1]}" if 0 < row <= len(lines) else match.group(0)

    return re.sub(r", row (\d+)", named, message)


def _arrays(
    data: NonmemData, where: str, lines: Sequence[int], observed: tuple[Observed, ...], severity: float
) -> FitData:
    frame = data.to_frame()
    rows = data.observations
    if "DV" not in frame.columns:
        raise DoseError(f"{where}, line 1: column DV is missing; it holds what was measured.")
    rows = rows[rows["MDV"] == 0]
    if rows.empty:
        raise DoseError(
            f"{where}: column DV: no observation is there; a measurement is a row with EVID 0, MDV 0 and "
            "a DV."
        )
    column = "DVID" if "DVID" in frame.columns else "CMT"
    number = data.covariates["DVID"] if column == "DVID" else data.observations["CMT"]
    quantity = _quantities(rows, number, column, observed, where, lines)
    looked_at = np.array([observed[place].name != LEFT_OUT for place in quantity])
    if not looked_at.any():
        raise DoseError(f"{where}: column {column}: --observe names no quantity for any measurement.")
    rows, quantity = rows[looked_at], quantity[looked_at]
    observed = tuple(item for item in observed if item.name != LEFT_OUT)
    values = _values(rows, quantity, frame, observed, where, lines)
    table = pd.DataFrame(
        {
            "ID": rows["ID"],
            "TIME": rows["TIME"],
            "DV": values,
            "q": quantity,
            "line": [lines[row] for row in rows.index],
        }
    )
    ids = tuple(subject for subject in data.ids if bool((table["ID"] == subject).any()))
    people = [table[table["ID"] == subject] for subject in ids]
    most = max(len(own) for own in people)

    def padded(name: str) -> FloatArray:
        found = np.zeros((len(ids), most))
        for place, own in enumerate(people):
            found[place, : len(own)] = own[name].to_numpy(dtype=np.float64)
        return found

    covariates, notes = read_people(data, frame, ids, where, lines)
    notes += _left_out(data, ids)
    return FitData(
        where=where,
        ids=ids,
        regimens=tuple(_tidy(data.regimen(subject)) for subject in ids),
        covariates={name: values for name, values in covariates.items() if name != SEVERITY},
        severity=covariates.get(SEVERITY, np.full(len(ids), severity)),
        observed=observed,
        times_h=padded("TIME"),
        y=padded("DV"),
        quantity=padded("q").astype(np.int64),
        line=padded("line").astype(np.int64),
        mask=np.arange(most) < np.array([[len(own)] for own in people]),
        notes=tuple(notes),
    )


def _tidy(regimen: Regimen) -> Regimen:
    """The same with lengths of infusions without the digits that AMT over RATE leaves."""
    doses = [
        replace(dose, duration_h=round(60.0 * dose.duration_h, 6) / 60.0) if dose.duration_h else dose
        for dose in regimen.doses
    ]
    return Regimen(tuple(doses))


def _left_out(data: NonmemData, ids: Sequence[float]) -> list[str]:
    left = [subject for subject in data.ids if subject not in ids]
    if not left:
        return []
    shown = ", ".join(f"{subject:g}" for subject in left[:8]) + (", ..." if len(left) > 8 else "")
    return [f"{len(left)} persons without a measurement are left out: ID {shown}."]


def _quantities(
    rows: pd.DataFrame,
    number: pd.Series,
    column: str,
    observed: Sequence[Observed],
    where: str,
    lines: Sequence[int],
) -> IntArray:
    """Place in ``observed`` of each measurement."""
    if len(observed) == 1 and observed[0].number == 0:
        return np.zeros(len(rows), dtype=np.int64)
    places = {item.number: place for place, item in enumerate(observed)}
    found = np.empty(len(rows), dtype=np.int64)
    for at, row in enumerate(rows.index.tolist()):
        own = float(number.loc[row])
        if own not in places:
            raise DoseError(
                f"{where}, line {lines[row]}, column {column}: {own:g} stands for no quantity; --observe "
                "names "
                f"{', '.join(f'{key}={observed[place].name}' for key, place in places.items())}. "
                f"Name it there ({own:g}=none leaves it out), or write MDV 1 in this row."
            )
        found[at] = places[int(own)]
    return found


def _values(
    rows: pd.DataFrame,
    quantity: IntArray,
    frame: pd.DataFrame,
    observed: Sequence[Observed],
    where: str,
    lines: Sequence[int],
) -> FloatArray:
    """Measurements in the shown units of their quantities."""
    found = rows["DV"].to_numpy(dtype=np.float64).copy()
    for at, (row, place) in enumerate(zip(rows.index.tolist(), quantity.tolist(), strict=True)):
        item = observed[place]
        unit = item.given_unit
        if "UNIT" in frame.columns and isinstance(frame["UNIT"].iloc[row], str):
            unit = str(frame["UNIT"].iloc[row]).strip()
        found[at] *= _factor(unit, item.unit, f"{where}, line {lines[row]}, column DV")
    return found
