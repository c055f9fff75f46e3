"""Reading of one evidence table from a file, with strict column types."""

from __future__ import annotations

from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import pandas as pd

from ketasim.errors import EvidenceError, unknown_name
from ketasim.evidence.vocabulary import CORRECTIONS, OBSERVATIONS, PARAMETERS, PUBLICATIONS, TableSpec

__all__ = ["SPECS", "cell_line", "read_folder_table", "shipped_table"]

SPECS = {spec.name: spec for spec in (OBSERVATIONS, PARAMETERS, PUBLICATIONS, CORRECTIONS)}


def cell_line(position: int) -> int:
    """Line of a data row in its file, where the header is line 1."""
    return position + 2


@cache
def _shipped(name: str) -> pd.DataFrame:
    spec = SPECS[name]
    source = resources.files("ketasim.evidence").joinpath("data", spec.file_name)
    return _read(source, spec, spec.file_name)


def shipped_table(name: str) -> pd.DataFrame:
    """Return a fresh copy of one of the package's own tables.

    Parameters
    ----------
    name : {'observations', 'parameters', 'publications', 'corrections'}
        The table.

    Returns
    -------
    pandas.DataFrame
        Text columns as ``str`` (empty where nothing is told), numbers as float64 (NaN where
        nothing is told).
    """
    return _shipped(name).copy()


def read_folder_table(folder: Path | str, name: str, *, optional: bool = False) -> pd.DataFrame | None:
    """Read one table from a folder of the user.

    Parameters
    ----------
    folder : pathlib.Path or str
        A folder that holds ``observations.csv``, ``parameters.csv``, ``publications.csv`` or
        ``corrections.csv``.
    name : str
        The table to read.
    optional : bool, default False
        Whether a missing file is accepted.

    Returns
    -------
    pandas.DataFrame or None
        The table; None if it is optional and missing.

    Raises
    ------
    EvidenceError
        If the folder or the file is missing, is no table, lacks a column, has an unknown one, or
        holds text where a number belongs.
    """
    spec = SPECS[name]
    root = Path(folder)
    if not root.is_dir():
        raise EvidenceError(f"{root}: there is no such folder. Give a folder that holds {spec.file_name!r}.")
    path = root / spec.file_name
    if not path.is_file():
        if optional:
            return None
        found = ", ".join(sorted(item.name for item in root.glob("*.csv"))) or "no csv file"
        raise EvidenceError(f"{path}: there is no such file; the folder holds {found}.")
    return _read(path, spec, str(path))


def _read(source: Traversable, spec: TableSpec, label: str) -> pd.DataFrame:
    try:
        with source.open("rb") as stream:
            frame = pd.read_csv(stream, dtype=str, keep_default_na=False, na_filter=False, index_col=False)
    except pd.errors.EmptyDataError as error:
        raise EvidenceError(f"{label}: the file is empty; it needs a header with {spec.required}.") from error
    except (pd.errors.ParserError, UnicodeDecodeError, OSError) as error:
        raise EvidenceError(f"{label}: not a comma-separated table in UTF-8: {error}") from error
    _check_header([str(column) for column in frame.columns], spec, label)
    for column, default in spec.optional.items():
        if column not in frame.columns:
            frame[column] = default
    for column in spec.columns:
        if column in spec.numeric:
            frame[column] = _numbers(frame, column, label)
    order = [column for column in frame.columns if column in spec.columns]
    return frame[order]


def _check_header(header: list[str], spec: TableSpec, label: str) -> None:
    for column in header:
        if column not in spec.columns:
            raise EvidenceError(f"{label}, line 1: {unknown_name('column', column, spec.columns)}")
    doubled = sorted({column for column in header if header.count(column) > 1})
    if doubled:
        raise EvidenceError(f"{label}, line 1: column {doubled[0]!r} is there twice; keep one.")
    missing = [column for column in spec.required if column not in header]
    if missing:
        raise EvidenceError(
            f"{label}, line 1: column {', '.join(map(repr, missing))} is missing. "
            f"Needed are: {', '.join(spec.required)}. Leave a cell empty where nothing is told."
        )


def _numbers(frame: pd.DataFrame, column: str, label: str) -> pd.Series[float]:
    text = frame[column].str.strip()
    numbers = pd.to_numeric(text.where(text != ""), errors="coerce").astype("float64")
    bad = (numbers.isna() & (text != "")) | numbers.abs().eq(float("inf"))
    if bad.any():
        position = int(bad.to_numpy().argmax())
        row = frame["id"].iloc[position]
        raise EvidenceError(
            f"{label}, line {cell_line(position)}, row {row!r}, column {column!r}: {text.iloc[position]!r} "
            f"is not a number. Write a plain finite number such as 0.5, or leave the cell empty."
        )
    return numbers
