"""The rules of the evidence tables, checked row by row."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from functools import cache

import pandas as pd

from ketasim.errors import UnitError, unknown_name
from ketasim.evidence import vocabulary as words
from ketasim.units import dimension

__all__ = ["problems_of"]

_SNAKE = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*\Z")
_KEY = re.compile(r"[a-z0-9_]+\Z")
_YEAR = re.compile(r"(1[89]|20)\d\d\Z")

#: Slack for a printed estimate that lies on the edge of its printed interval, in units of the
#: interval's width: estimate and limits are rounded one by one.
_ROUNDING = 0.01

Row = dict[str, object]
Fault = tuple[str, str]


def problems_of(tables: dict[str, pd.DataFrame], known_publications: set[str]) -> list[str]:
    """List the faults of a set of tables.

    Parameters
    ----------
    tables : dict of str to pandas.DataFrame
        Tables by name, as read from file.
    known_publications : set of str
        Keys that a row may cite.

    Returns
    -------
    list of str
        One sentence a fault.
    """
    problems: list[str] = []
    checkers: dict[str, Callable[[Row], Iterator[Fault]]] = {
        "observations": _observation_faults,
        "parameters": _parameter_faults,
        "publications": _publication_faults,
    }
    for name, checker in checkers.items():
        if name in tables:
            for row in _rows(tables[name]):
                problems += [_sentence(name, row, *fault) for fault in checker(row)]
    for name in ("observations", "parameters"):
        if name in tables:
            problems += _citation_problems(name, tables[name], known_publications)
            problems += _duplicate_problems(name, tables[name])
    problems += _identity_problems(tables)
    problems += _correction_problems(tables)
    return problems


def _rows(frame: pd.DataFrame) -> list[Row]:
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def _sentence(table: str, row: Row, column: str, what: str) -> str:
    name = row.get("id", row.get("key"))
    return f"{table}.csv, row {name!r}, column {column!r}: {what}"


def _text(row: Row, column: str) -> str:
    return str(row[column])


def _number(row: Row, column: str) -> float:
    return float(str(row[column]))


def _word(row: Row, column: str, allowed: tuple[str, ...]) -> Iterator[Fault]:
    if _text(row, column) not in allowed:
        yield column, unknown_name(column, _text(row, column), allowed)


@cache
def _unit_fault(unit: str) -> str | None:
    if unit in (*words.SIGN_UNITS, words.UNSTATED):
        return None
    try:
        dimension(unit)
    except UnitError as error:
        return f"{error} For sign tests write 'direction' or 'binary'; for an effect size 'ratio'."
    return None


def _unit(row: Row, column: str) -> Iterator[Fault]:
    fault = _unit_fault(_text(row, column))
    if fault:
        yield column, fault


def _common_faults(row: Row) -> Iterator[Fault]:
    yield from _word(row, "domain", words.DOMAINS)
    yield from _word(row, "species", words.SPECIES)
    yield from _word(row, "drug", words.DRUGS)
    yield from _word(row, "seen", words.SEEN)
    yield from _word(row, "spread_kind", words.SPREAD_KINDS)
    yield from _unit(row, "unit")
    if not _SNAKE.match(_text(row, "quantity")):
        yield (
            "quantity",
            f"{_text(row, 'quantity')!r} is not a name; write it in small letters as 'madrs_change'.",
        )
    url = _text(row, "source_url")
    if url and not url.startswith(("https://", "http://")):
        yield "source_url", f"{url!r} is not a web address; give 'https://...' or leave the cell empty."


def _observation_faults(row: Row) -> Iterator[Fault]:
    yield from _common_faults(row)
    yield from _word(row, "route", words.ROUTES)
    yield from _word(row, "statistic", words.STATISTICS)
    yield from _word(row, "source_kind", words.SOURCE_KINDS)
    yield from _word(row, "sampling_site", words.SAMPLING_SITES)
    yield from _unit(row, "dose_unit")
    if _text(row, "domain") != "pk" and _text(row, "sampling_site") != "not_applicable":
        yield "sampling_site", f"{_text(row, 'sampling_site')!r} is for pk rows; write 'not_applicable'."
    yield from _value_faults(row)
    yield from _spread_faults(row, "spread_low", "spread_high")
    for column, positive in (("n", True), ("time_h", False), ("dose", False), ("duration_min", False)):
        value = _number(row, column)
        if value < 0 or (positive and value == 0):
            yield column, f"{value:g} is out of range; give a number above zero or leave the cell empty."


def _parameter_faults(row: Row) -> Iterator[Fault]:
    yield from _common_faults(row)
    # Some constants carry a bound or an interval without saying of which kind it is.
    if _text(row, "spread_kind") != "none":
        yield from _spread_faults(row, "low", "high")


def _value_faults(row: Row) -> Iterator[Fault]:
    value, unit = _number(row, "value"), _text(row, "unit")
    if math.isnan(value):
        if _text(row, "spread_kind") == "none" and not _text(row, "note"):
            yield (
                "value",
                "is empty and the note is too; give a number, an interval or the words of the source.",
            )
        return
    if not unit:
        yield "unit", "is empty beside a value; write 'ratio' for a pure number."
    if unit == "direction" and value not in (-1, 0, 1):
        yield "value", f"{value:g} is no direction; write -1, 0 or 1."
    if unit == "binary" and value not in (0, 1):
        yield "value", f"{value:g} is no answer to yes or no; write 0 or 1."
    if unit == "probability":
        lowest = -1.0 if _text(row, "statistic") == "difference" else 0.0
        if not lowest <= value <= 1.0:
            yield "value", f"{value:g} is no fraction; write 0.25 for 25 percent."


def _spread_faults(row: Row, low_name: str, high_name: str) -> Iterator[Fault]:
    kind, value = _text(row, "spread_kind"), _number(row, "value")
    low, high = _number(row, low_name), _number(row, high_name)
    if kind == "none":
        if not (math.isnan(low) and math.isnan(high)):
            yield "spread_kind", "is 'none' beside a spread; say which kind it is or empty the cells."
    elif kind in ("sd", "se"):
        if not low >= 0:
            yield low_name, f"must hold the {kind}, zero or more; it holds {low:g}."
        if not math.isnan(high):
            yield high_name, f"must be empty for {kind}; it holds {high:g}."
    elif kind in words.SPREAD_KINDS:
        slack = _ROUNDING * abs(high - low)
        if not low <= high:
            yield low_name, f"{low:g} and {high:g} are not the lower and the upper limit."
        elif not math.isnan(value) and not low - slack <= value <= high + slack:
            yield "value", f"{value:g} lies outside its own limits {low:g} to {high:g}."


def _publication_faults(row: Row) -> Iterator[Fault]:
    if not _KEY.match(_text(row, "key")):
        yield "key", f"{_text(row, 'key')!r} is not a key; use small letters, digits and underscores."
    year = _text(row, "year")
    if year and not _YEAR.match(year):
        yield "year", f"{year!r} is not a year; write four digits or leave the cell empty."
    if not any(_text(row, column) for column in ("authors", "title", "identifier")):
        yield "title", "is empty, and so are the authors and the identifier; give at least one."


def _citation_problems(name: str, frame: pd.DataFrame, known: set[str]) -> list[str]:
    problems = []
    for row in _rows(frame):
        keys = [key for key in _text(row, "citation").split(";") if key]
        if not keys and row["seen"] == "seen":
            problems.append(
                _sentence(name, row, "citation", "a row that was seen needs the key of its source.")
            )
        problems += [
            _sentence(name, row, "citation", unknown_name("publication", key, known))
            for key in keys
            if key not in known
        ]
    return problems


def _duplicate_problems(name: str, frame: pd.DataFrame) -> list[str]:
    problems = []
    first = {str(row["id"]): row for row in _rows(frame)}
    for row in first.values():
        target = _text(row, "duplicate_of")
        if not target:
            continue
        other = first.get(target)
        if other is None:
            problems.append(_sentence(name, row, "duplicate_of", unknown_name("row", target, first)))
        elif other["duplicate_of"] or target == row["id"]:
            problems.append(
                _sentence(name, row, "duplicate_of", f"{target!r} is not a first row; name that one.")
            )
        elif row["seen"] == "seen" and other["seen"] == "recalled":
            what = f"{target!r} is recalled, so dropping this row would hide what was seen; swap the two."
            problems.append(_sentence(name, row, "duplicate_of", what))
    return problems


def _identity_problems(tables: dict[str, pd.DataFrame]) -> list[str]:
    problems = []
    seen: dict[str, str] = {}
    for name, column in (("observations", "id"), ("parameters", "id"), ("publications", "key")):
        for position, key in enumerate(tables[name][column] if name in tables else ()):
            label = f"{column} {key}"
            if not key:
                problems.append(
                    f"{name}.csv, line {position + 2}: the {column} is empty; give each row its own."
                )
            elif label in seen:
                problems.append(f"{name}.csv, row {key!r}: the {column} is already in {seen[label]}.csv.")
            seen[label] = name
    return problems


def _correction_problems(tables: dict[str, pd.DataFrame]) -> list[str]:
    if "corrections" not in tables:
        return []
    problems = []
    by_id: dict[str, dict[str, Row]] = {
        name: {str(row["id"]): row for row in _rows(tables[name])}
        for name in ("observations", "parameters")
        if name in tables
    }
    for row in _rows(tables["corrections"]):
        faults = list(_word(row, "action", words.ACTIONS)) + list(_word(row, "table", tuple(by_id)))
        if not faults:
            faults = list(_correction_faults(row, by_id[_text(row, "table")]))
        problems += [_sentence("corrections", row, *fault) for fault in faults]
    return problems


def _correction_faults(row: Row, target_rows: dict[str, Row]) -> Iterator[Fault]:
    target = target_rows.get(_text(row, "id"))
    if target is None:
        yield "id", unknown_name("row", _text(row, "id"), target_rows)
        return
    column = _text(row, "column")
    if column not in target:
        yield "column", unknown_name("column", column, target)
        return
    for needed in ("reason", "source"):
        if not _text(row, needed):
            yield needed, "is empty; nothing is corrected without one."
    if row["action"] == "correct" and not _same(target[column], _text(row, "corrected")):
        yield (
            "corrected",
            f"the table holds {target[column]!r}, not the corrected {_text(row, 'corrected')!r}.",
        )


def _same(held: object, wanted: str) -> bool:
    if isinstance(held, float):
        try:
            return held == float(wanted)
        except ValueError:
            return False
    return str(held) == wanted
