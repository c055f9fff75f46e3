"""The shipped baseline tables: who is found in which kind of trial, and how traits go together.

``tables/index.csv`` names the tables; ``tables/<name>.csv`` has a row a covariate (a row a class
or an ancestry where ``group`` says so); ``correlations.csv`` holds for all of them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import GRADES, Correlation
from ketasim.population.covariates import ANCESTRIES, COVARIATES

__all__ = ["BaselineRow", "BaselineTable", "default_correlations", "load_table", "table_names"]

_COLUMNS = (
    "covariate",
    "group",
    "mean",
    "sd",
    "share",
    "unit",
    "lower",
    "upper",
    "source",
    "grade",
    "note",
)
_INDEX_COLUMNS = (
    "table",
    "title",
    "scale",
    "baseline_mean",
    "baseline_sd",
    "entry_lower",
    "source",
    "grade",
    "note",
)
_CORRELATION_COLUMNS = ("first", "second", "correlation", "source", "grade", "note")


@dataclass(frozen=True)
class BaselineRow:
    """What a table says of one covariate.

    Parameters
    ----------
    covariate : str
        Name, one of :data:`COVARIATES`.
    group : str
        A class (``1``), an ancestry, or empty.
    mean, sd, lower, upper : float
        Of those who were let in, and limits, in ``unit``; NaN for a share.
    share : float
        Share of people, or of alleles; NaN for a mean.
    unit, source, grade, note : str
        As of a parameter.
    """

    covariate: str
    group: str
    mean: float
    sd: float
    share: float
    lower: float
    upper: float
    unit: str
    source: str
    grade: str
    note: str


@dataclass(frozen=True)
class BaselineTable:
    """A population by name.

    Parameters
    ----------
    name, title : str
        Name, and what it is in plain words.
    scale : str
        Scale of the score at entry.
    baseline_mean, baseline_sd : float
        Of that score, in points.
    entry_lower : float or None
        Lowest score with which a person enters.
    source, grade, note : str
        Of the score.
    rows : tuple of BaselineRow
        Covariates.
    """

    name: str
    title: str
    scale: str
    baseline_mean: float
    baseline_sd: float
    entry_lower: float | None
    source: str
    grade: str
    note: str
    rows: tuple[BaselineRow, ...]

    def of(self, covariate: str) -> tuple[BaselineRow, ...]:
        """Rows of one covariate."""
        return tuple(row for row in self.rows if row.covariate == covariate)


def table_names() -> tuple[str, ...]:
    """Names of the shipped baseline tables, in their order."""
    return tuple(_index())


@cache
def load_table(name: str) -> BaselineTable:
    """Load a shipped baseline table.

    Parameters
    ----------
    name : str
        One of :func:`table_names`.

    Returns
    -------
    BaselineTable

    Raises
    ------
    StudyError
        If there is no such table, or it breaks its rules.
    """
    index = _index()
    if name not in index:
        raise StudyError(f"population: table: {unknown_name('baseline table', name, index)}")
    about = index[name]
    rows = tuple(
        _row(f"{name}.csv, line {line}", row) for line, row in _lines(f"tables/{name}.csv", _COLUMNS)
    )
    missing = [covariate for covariate in COVARIATES if not any(row.covariate == covariate for row in rows)]
    if missing:
        raise StudyError(f"{name}.csv: no row for {', '.join(missing)}; a table has all covariates.")
    shares = sum(row.share for row in rows if row.covariate in ANCESTRIES)
    if abs(shares - 1.0) > 1e-6:
        raise StudyError(f"{name}.csv: the shares of ancestry sum to {shares:g}; they must sum to 1.")
    return BaselineTable(
        name,
        about["title"],
        about["scale"],
        float(about["baseline_mean"]),
        float(about["baseline_sd"]),
        float(about["entry_lower"]) if about["entry_lower"] else None,
        about["source"],
        about["grade"],
        about["note"],
        rows,
    )


@cache
def default_correlations() -> tuple[Correlation, ...]:
    """Correlations between covariates that hold in every table unless a study gives its own.

    They are those of the standard normal numbers behind the covariates: of the values of a normal
    covariate, of the logarithms of a log-normal one, and tetrachoric or biserial for yes and no.
    """
    found = []
    for line, row in _lines("correlations.csv", _CORRELATION_COLUMNS):
        where = f"correlations.csv, line {line}"
        _check_source(where, row)
        value = float(row["correlation"])
        if not -1.0 < value < 1.0:
            raise StudyError(f"{where}: correlation {value:g} is not between -1 and 1.")
        found.append(Correlation(row["first"], row["second"], value, row["source"], row["grade"]))
    return tuple(found)


@cache
def _index() -> Mapping[str, Mapping[str, str]]:
    found = {}
    for line, row in _lines("tables/index.csv", _INDEX_COLUMNS):
        _check_source(f"index.csv, line {line}", row)
        found[row["table"]] = row
    return found


def _lines(name: str, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    """Rows of a shipped file with their line numbers."""
    item = resources.files(__package__).joinpath(*name.split("/"))
    reader = csv.DictReader(item.read_text(encoding="utf-8").splitlines())
    if tuple(reader.fieldnames or ()) != columns:
        raise StudyError(f"{name}: the columns must be {', '.join(columns)}.")
    return [(reader.line_num, dict(row)) for row in reader]


def _check_source(where: str, row: Mapping[str, str]) -> None:
    if row["grade"] not in GRADES:
        raise StudyError(f"{where}: {unknown_name('grade', row['grade'], GRADES)}")
    if not row["source"]:
        raise StudyError(f"{where}: the source is empty; write a citation key, or 'assumed'.")


def _row(where: str, row: Mapping[str, str]) -> BaselineRow:
    name = row["covariate"]
    if name not in COVARIATES:
        raise StudyError(f"{where}: {unknown_name('covariate', name, COVARIATES)}")
    covariate = COVARIATES[name]
    _check_source(where, row)
    if row["unit"] != covariate.unit:
        raise StudyError(f"{where}: unit {row['unit']!r} of {name!r}; its unit is {covariate.unit}.")
    try:
        numbers = {
            key: float(row[key]) if row[key] else math.nan
            for key in ("mean", "sd", "share", "lower", "upper")
        }
    except ValueError as error:
        raise StudyError(f"{where}: {error}") from error
    if math.isnan(numbers["share"]) == math.isnan(numbers["mean"]):
        raise StudyError(f"{where}: give {name!r} either a mean with SD and limits, or a share.")
    if not (math.isnan(numbers["share"]) or 0.0 <= numbers["share"] <= 1.0):
        raise StudyError(f"{where}: share {numbers['share']:g} of {name!r} is not between 0 and 1.")
    return BaselineRow(
        name,
        row["group"],
        unit=row["unit"],
        source=row["source"],
        grade=row["grade"],
        note=row["note"],
        **numbers,
    )
