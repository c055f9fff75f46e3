"""The evidence as tables: load, filter, and name the sources."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ketasim.errors import EvidenceError, unknown_name
from ketasim.evidence.checks import problems_of
from ketasim.evidence.reading import SPECS, read_folder_table, shipped_table

__all__ = [
    "check_tables",
    "citation_text",
    "load_corrections",
    "load_observations",
    "load_parameters",
    "load_publications",
]

Names = str | Iterable[str] | None


def load_observations(
    domain: Names = None,
    citation: Names = None,
    quantity: Names = None,
    *,
    seen_only: bool = True,
    duplicates: bool = False,
    excluded: bool = False,
    folder: Path | str | None = None,
) -> pd.DataFrame:
    """Load published results.

    Parameters
    ----------
    domain : str or iterable of str, optional
        ``pk``, ``mechanism``, ``clinical`` or ``safety``.
    citation : str or iterable of str, optional
        Keys of publications.
    quantity : str or iterable of str, optional
        Names of quantities, as in the column ``quantity``.
    seen_only : bool, default True
        Leave out rows that were written from memory. Such rows are for orientation only: never
        compare a model with them and never show them as evidence.
    duplicates : bool, default False
        Keep the second row for a number that has two.
    excluded : bool, default False
        Keep rows that the table of corrections excludes.
    folder : pathlib.Path or str, optional
        A folder with tables of your own, in place of the shipped ones. They are checked on loading.

    Returns
    -------
    pandas.DataFrame
        One row a reported number, in the order of the file. ``value`` is in ``unit``, ``time_h``
        in hours, ``duration_min`` in minutes; rates are fractions of 1. Columns that start with
        ``reported_`` hold what the collected table said where it was put into other words.

    Raises
    ------
    EvidenceError
        If a name in a filter is unknown, or a table of the user breaks the rules.
    """
    frame = _table("observations", folder)
    return _filtered(
        frame,
        {"domain": domain, "citation": citation, "quantity": quantity},
        seen_only=seen_only,
        duplicates=duplicates,
        dropped=set() if excluded else _excluded_ids("observations", folder),
    )


def load_parameters(
    domain: Names = None,
    citation: Names = None,
    quantity: Names = None,
    *,
    seen_only: bool = True,
    duplicates: bool = False,
    excluded: bool = False,
    folder: Path | str | None = None,
) -> pd.DataFrame:
    """Load published constants: pharmacokinetics, binding, sizes of effects, supervision rules.

    Parameters
    ----------
    domain, citation, quantity : str or iterable of str, optional
        As in :func:`load_observations`.
    seen_only, duplicates, excluded : bool
        As in :func:`load_observations`.
    folder : pathlib.Path or str, optional
        A folder with tables of your own, in place of the shipped ones.

    Returns
    -------
    pandas.DataFrame
        One row a constant. ``reference_weight_kg`` is the body weight for which a clearance or a
        volume is given, where the source scales it. With ``spread_kind`` ``sd`` or ``se`` the
        spread is in ``low``.

    Raises
    ------
    EvidenceError
        If a name in a filter is unknown, or a table of the user breaks the rules.
    """
    frame = _table("parameters", folder)
    return _filtered(
        frame,
        {"domain": domain, "citation": citation, "quantity": quantity},
        seen_only=seen_only,
        duplicates=duplicates,
        dropped=set() if excluded else _excluded_ids("parameters", folder),
    )


def load_publications(*, folder: Path | str | None = None) -> pd.DataFrame:
    """Load the list of publications.

    Parameters
    ----------
    folder : pathlib.Path or str, optional
        A folder with tables of your own; its publications come on top of the shipped ones.

    Returns
    -------
    pandas.DataFrame
        ``key``, ``authors``, ``year``, ``title``, ``journal``, ``identifier`` (DOI, PubMed or
        registry number, or volume and page), ``domains`` and ``recalled_fields``, which names the
        fields that were written from memory. A field that nobody read is empty.

    Raises
    ------
    EvidenceError
        If the user's file cannot be read.
    """
    shipped = shipped_table("publications")
    own = None if folder is None else read_folder_table(folder, "publications", optional=True)
    if own is None:
        return shipped
    return pd.concat([own, shipped[~shipped["key"].isin(own["key"])]], ignore_index=True)


def load_corrections(*, folder: Path | str | None = None) -> pd.DataFrame:
    """Load the open table of corrections.

    An ``exclude`` takes a row out of what the loaders return by default. A ``correct`` row says
    that the table holds ``corrected`` where the source prints ``reported``. A ``flag`` changes
    nothing and tells what to beware of.

    Parameters
    ----------
    folder : pathlib.Path or str, optional
        A folder with tables of your own; without ``corrections.csv`` the result is empty.

    Returns
    -------
    pandas.DataFrame
        ``id``, ``table``, ``column``, ``action``, ``reported``, ``corrected``, ``reason``, ``source``.

    Raises
    ------
    EvidenceError
        If the user's file cannot be read.
    """
    if folder is None:
        return shipped_table("corrections")
    own = read_folder_table(folder, "corrections", optional=True)
    return pd.DataFrame(columns=list(SPECS["corrections"].columns), dtype=str) if own is None else own


def citation_text(key: str, *, folder: Path | str | None = None) -> str:
    """Name a publication for a reader, such as ``"Daly EJ et al. 2018, JAMA Psychiatry"``.

    Parameters
    ----------
    key : str
        Key of a publication, or several joined by ``;``.
    folder : pathlib.Path or str, optional
        A folder with tables of your own.

    Returns
    -------
    str
        First author (two if there are two), year and journal. The title, or else the identifier,
        stands in for authors that were not read.

    Raises
    ------
    EvidenceError
        If the key is unknown.
    """
    publications = load_publications(folder=folder).set_index("key")
    names = [part.strip() for part in key.split(";")]
    for name in names:
        if name not in publications.index:
            raise EvidenceError(f"citation: {unknown_name('publication', name, publications.index)}")
    return "; ".join(
        _one_citation({str(field): str(text) for field, text in publications.loc[name].items()})
        for name in names
    )


def check_tables(folder: Path | str | None = None) -> list[str]:
    """Check every rule of the evidence tables.

    Parameters
    ----------
    folder : pathlib.Path or str, optional
        A folder with tables of your own, in place of the shipped ones.

    Returns
    -------
    list of str
        One sentence a fault, with file, row, column, value and what is allowed; empty if all is
        well.
    """
    tables: dict[str, pd.DataFrame] = {}
    try:
        for name in SPECS:
            frame = shipped_table(name) if folder is None else read_folder_table(folder, name, optional=True)
            if frame is not None:
                tables[name] = frame
    except EvidenceError as error:
        return [str(error)]
    if not tables.keys() & {"observations", "parameters"}:
        return [f"{folder}: neither 'observations.csv' nor 'parameters.csv' is there; give at least one."]
    return problems_of(tables, known_publications=set(load_publications(folder=folder)["key"]))


def _table(name: str, folder: Path | str | None) -> pd.DataFrame:
    """Return a table as it is on file, once it is known to be sound."""
    if folder is None:
        return shipped_table(name)
    frame = read_folder_table(folder, name)
    problems = check_tables(folder)
    if frame is None or problems:
        more = f" ({len(problems) - 1} more; check_tables lists all)" if len(problems) > 1 else ""
        raise EvidenceError(f"{folder}: {problems[0]}{more}")
    return frame


def _excluded_ids(table: str, folder: Path | str | None) -> set[str]:
    corrections = load_corrections(folder=folder)
    hit = corrections["action"].eq("exclude") & corrections["table"].eq(table)
    return set(corrections.loc[hit, "id"])


def _filtered(
    frame: pd.DataFrame,
    wanted: dict[str, Names],
    *,
    seen_only: bool,
    duplicates: bool,
    dropped: set[str],
) -> pd.DataFrame:
    keep = ~frame["id"].isin(list(dropped))
    if seen_only:
        keep &= frame["seen"].eq("seen")
    if not duplicates:
        keep &= frame["duplicate_of"].eq("")
    for column, names in wanted.items():
        if names is not None:
            keep &= _matches(frame[column], column, {names} if isinstance(names, str) else set(names))
    return frame[keep].reset_index(drop=True)


def _matches(cells: pd.Series[str], column: str, names: set[str]) -> pd.Series[bool]:
    parts = [cell.split(";") for cell in cells]
    known = {part for row in parts for part in row if part}
    for name in sorted(names):
        if name not in known:
            raise EvidenceError(f"{column}: {unknown_name(column, name, known)}")
    return pd.Series([not names.isdisjoint(row) for row in parts], index=cells.index, dtype=bool)


def _one_citation(publication: dict[str, str]) -> str:
    text = re.sub(r"\s*;?\s*\(incl\..*\)", "", publication["authors"])
    people = [part.strip() for part in re.split(r"[;,]", text) if part.strip(" .")]
    # Some lists stop early and say so; the words then stand in the last part.
    shortened = "et al" in text
    first = re.sub(r"\s*et al\.?$", "", people[0]).strip() if people else ""
    if not first:
        who = f'"{publication["title"]}"' if publication["title"] else publication["identifier"]
    elif shortened or len(people) > 2:
        who = f"{first} et al."
    else:
        who = " and ".join(people)
    return ", ".join(
        part for part in (f"{who} {publication['year']}".strip(), publication["journal"]) if part
    )
