"""A regimen of one person as an event table with the columns of NONMEM, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim.dosing.regimen import Regimen
from ketasim.errors import DoseError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EVENT_COLUMNS", "event_table", "regimen_from_table"]

#: Columns of an event table, in order.
EVENT_COLUMNS = (
    "TIME", "AMT", "RATE", "DUR", "EVID", "II", "SS", "CMT", "DRUG", "ROUTE", "F", "KA", "DEVICE",
)  # fmt: skip


def event_table(regimen: Regimen, weight_kg: float, height_m: float | None = None) -> pd.DataFrame:
    """Write what a regimen gives to one person as an event table.

    Parameters
    ----------
    regimen : Regimen
        The doses.
    weight_kg : float
        Body weight in kg, above 0.
    height_m : float or None, default None
        Body height in m; needed for doses per m2.

    Returns
    -------
    pandas.DataFrame
        The columns `EVENT_COLUMNS`, as in `nonmem_table`; a row an administration, so that each nasal
        device has one.

    Raises
    ------
    DoseError
        If weight or height is out of range, or a nasal dose needs more than 100 devices.
    """
    # Late: a regimen that is only simulated needs no table.
    from ketasim.dosing.nonmem_write import nonmem_table

    frame = nonmem_table(regimen, weight_kg, heights_m=height_m, devices=True)
    return frame[list(EVENT_COLUMNS)]


def regimen_from_table(frame: pd.DataFrame) -> Regimen:
    """Read a regimen from an event table of one person.

    The table holds masses, so the doses come back in mg, whatever unit they had before; the
    devices of one nasal dose come back as one dose.

    Parameters
    ----------
    frame : pandas.DataFrame
        As written by `event_table`, or any table that `read_nonmem` reads, of one subject and without
        covariates.

    Returns
    -------
    Regimen
        The doses.

    Raises
    ------
    DoseError
        As in `read_nonmem`; or if there are several subjects.
    """
    from ketasim.dosing.nonmem import read_nonmem

    data = read_nonmem(frame, covariates=())
    if len(data) > 1:
        raise DoseError(
            f"event table, column ID: {len(data)} subjects are in it; use read_nonmem for several."
        )
    return data.regimens[0] if data.regimens else Regimen()
