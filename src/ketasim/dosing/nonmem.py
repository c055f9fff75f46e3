"""NONMEM event tables of many subjects, read without loss."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from ketasim.dosing._messages import unknown_word
from ketasim.dosing.nonmem_cells import FloatArray, IntArray, read_cells
from ketasim.dosing.nonmem_columns import COMPARTMENTS, NONMEM_COLUMNS, checked_compartments
from ketasim.dosing.nonmem_doses import read_regimen
from ketasim.dosing.nonmem_records import Records, read_records
from ketasim.dosing.nonmem_write import nonmem_table
from ketasim.dosing.regimen import Regimen
from ketasim.dosing.units_of_dose import DOSE_UNITS
from ketasim.errors import DoseError, UnitError
from ketasim.units import dimension, same_dimension

__all__ = ["COMPARTMENTS", "NONMEM_COLUMNS", "NonmemData", "nonmem_table", "read_nonmem", "write_nonmem"]

_REQUIRED = ("TIME", "AMT")

# Other columns of NONMEM that would change what the rest means.
_CLOCKS = ("DATE", "DAT1", "DAT2", "DAT3")


@dataclass(frozen=True, eq=False)
class NonmemData:
    """An event table and what it says; made by `read_nonmem`.

    Parameters
    ----------
    ids : tuple of float
        ``ID`` of each subject, in the order of the table.
    dv_unit : str
        Unit of ``DV``.
    observations : pandas.DataFrame
        The rows with ``EVID`` 0: ``ID``, ``TIME`` (h), ``DV``, ``CMT`` and ``MDV``, by their place in
        the table.
    covariates : pandas.DataFrame
        Every row: ``ID``, ``TIME`` (h) and each covariate, NaN where missing.
    """

    ids: tuple[float, ...]
    dv_unit: str
    observations: pd.DataFrame
    covariates: pd.DataFrame
    _records: Records = field(repr=False)
    _starts: IntArray = field(repr=False)
    _table: pd.DataFrame = field(repr=False)

    def __len__(self) -> int:
        """Return the number of subjects."""
        return len(self.ids)

    def regimen(self, subject: float) -> Regimen:
        """Return the doses of the subject with this ``ID``.

        Raises
        ------
        DoseError
            If no subject has it.
        """
        if subject not in self._place:
            raise DoseError(unknown_word("ID", str(subject), (f"{each:g}" for each in self.ids[:12])))
        return self._regimen(self._place[subject])

    @cached_property
    def regimens(self) -> tuple[Regimen, ...]:
        """The doses of every subject, in the order of ``ids``; made when first asked for."""
        return tuple(self._regimen(place) for place in range(len(self.ids)))

    @cached_property
    def _place(self) -> dict[float, int]:
        return {subject: place for place, subject in enumerate(self.ids)}

    def _regimen(self, place: int) -> Regimen:
        return read_regimen(self._records, int(self._starts[place]), int(self._starts[place + 1]))

    def to_frame(self) -> pd.DataFrame:
        """Return the table as it came: values, order, kinds and index."""
        return self._table.copy()


def read_nonmem(
    table: pd.DataFrame | Path | str,
    *,
    compartments: Mapping[int, tuple[str, str]] | None = None,
    time_unit: str = "h",
    amount_unit: str = "mg",
    dv_unit: str = "ng/mL",
    covariates: Collection[str] | None = None,
) -> NonmemData:
    """Read an event table with the columns of NONMEM.

    Parameters
    ----------
    table : pandas.DataFrame, pathlib.Path or str
        The table, or a file with commas between cells and ``.`` where one is missing. ``TIME`` and
        ``AMT`` must be there; without ``ID`` it is one subject. Beside the columns of NONMEM (``ID TIME
        AMT RATE DUR EVID II ADDL SS CMT DV MDV``) these mean something: ``DRUG`` and ``ROUTE`` (else
        ``CMT`` says both), ``FORM`` (what AMT is of: base or hydrochloride), ``F`` and ``KA`` (uptake of
        the dose), ``DEVICE`` (nasal device within its dose, from 0), ``C`` (a row with a ``C`` is a
        comment). ``EVID`` 2 with the drug ``placebo`` is a visit without drug. Without ``EVID``, a row
        with AMT is a dose. Any other numeric column is a covariate.
    compartments : mapping of int to (str, str), optional
        Drug and route by ``CMT``; default `COMPARTMENTS`.
    time_unit : str, default "h"
        Unit of ``TIME``, ``DUR`` and ``II``, and of the time in ``RATE`` and ``KA``.
    amount_unit : str, default "mg"
        Unit of ``AMT``, and of the amount in ``RATE``: a mass or an amount of substance.
    dv_unit : str, default "ng/mL"
        Unit of ``DV``.
    covariates : collection of str, optional
        If given, other columns than these are errors.

    Returns
    -------
    NonmemData
        Regimens, observations and covariates by subject. ``SS`` 1 and 2 both give the first dose of the
        row as one of an endless course; ``ADDL`` gives further doses.

    Raises
    ------
    DoseError
        If a column is missing, unknown or doubled, the file cannot be read, or a row contradicts itself
        or the rows above; the message names the row (the first with data is row 1) and the column.
    UnitError
        If a unit is unknown or does not fit.
    """
    _check_units(time_unit, amount_unit, dv_unit)
    where = "event table"
    if isinstance(table, str | Path):
        where, table = Path(table).name, _read_file(Path(table))
    own = table.copy()
    _check_columns(own, covariates, where)
    cells = read_cells(own, where)
    records, ids = read_records(
        cells,
        checked_compartments(compartments),
        time_unit=time_unit,
        amount_unit=DOSE_UNITS[amount_unit].name,
        where=where,
    )
    starts = np.searchsorted(records.subject, np.arange(len(ids) + 1)).astype(np.int64)
    keys = pd.DataFrame({"ID": ids[records.subject], "TIME": records.time_h}, index=records.row - 1)
    data = NonmemData(
        ids=tuple(ids.tolist()),
        dv_unit=dv_unit,
        observations=_observations(keys, records, cells.numbers),
        covariates=keys.assign(**cells.covariates),
        _records=records,
        _starts=starts,
        _table=own,
    )
    # Doses are made late, but what can be wrong with the devices must be told now.
    for place in np.unique(records.subject[records.device > 0]).tolist():
        data._regimen(place)
    return data


def _observations(keys: pd.DataFrame, records: Records, numbers: Mapping[str, FloatArray]) -> pd.DataFrame:
    value, missing = numbers["DV"], numbers["MDV"]
    told = np.where(np.isnan(missing), np.isnan(value), missing).astype(np.int64)
    frame = keys.assign(DV=value, CMT=numbers["CMT"].astype(np.int64), MDV=told)
    seen: pd.DataFrame = frame.loc[records.event == 0]
    return seen


def _check_units(time_unit: str, amount_unit: str, dv_unit: str) -> None:
    if not same_dimension(time_unit, "h"):
        raise UnitError(
            f"time_unit: {time_unit!r} is not a unit of time; give one such as 'h', 'min' or 'd'."
        )
    plain = [name for name, unit in DOSE_UNITS.items() if name == unit.amount]
    if amount_unit not in plain:
        raise UnitError(
            f"amount_unit: {unknown_word('unit', amount_unit, plain)} AMT is what one person gets: multiply "
            "doses per kg by the weight."
        )
    dimension(dv_unit)


def _read_file(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, na_values=["."], skipinitialspace=True)
    except (OSError, ValueError) as error:
        raise DoseError(
            f"{path}: cannot be read as an event table ({error}). It must be text with a line of column "
            "names, commas between cells and '.' where a cell is missing."
        ) from error
    names = [str(name).strip() for name in frame.columns]
    return frame.set_axis([names[0].removeprefix("#"), *names[1:]], axis="columns")


def _check_columns(table: pd.DataFrame, covariates: Collection[str] | None, where: str) -> None:
    names = [str(name) for name in table.columns]
    for place, name in enumerate(names):
        if name in names[:place]:
            raise DoseError(f"{where}: column {name} is there twice; drop or rename one.")
        if name not in NONMEM_COLUMNS and name.upper() in NONMEM_COLUMNS:
            raise DoseError(f"{where}: unknown column {name!r}; the nearest valid name is {name.upper()!r}.")
    for name in _REQUIRED:
        if name not in names:
            others = [each for each in names if each not in NONMEM_COLUMNS]
            near = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
            hint = f" Is it {near[0]!r}? Then rename it." if near else ""
            raise DoseError(
                f"{where}: column {name} is missing; {' and '.join(_REQUIRED)} must be there.{hint} "
                f"Columns found: {', '.join(names)}."
            )
    for name in names:
        if name in _CLOCKS:
            raise DoseError(
                f"{where}: column {name} would change what TIME means; turn both into a TIME that counts "
                f"from each subject's first row, and drop {name}."
            )
        if covariates is not None and name not in (*NONMEM_COLUMNS, "C", *covariates):
            raise DoseError(
                f"{where}: {unknown_word('column', name, (*NONMEM_COLUMNS, *covariates))} "
                "Drop columns that say nothing about doses."
            )


def write_nonmem(data: NonmemData | pd.DataFrame, path: Path | str) -> None:
    """Write an event table as a file that `read_nonmem` and NONMEM read.

    Parameters
    ----------
    data : NonmemData or pandas.DataFrame
        The table; a frame is written as it is, without its index.
    path : pathlib.Path or str
        The file: commas between cells, ``.`` where a cell is missing, numbers with all their digits.
    """
    frame = data.to_frame() if isinstance(data, NonmemData) else data
    frame.to_csv(path, index=False, na_rep=".", lineterminator="\n")
