"""Published results as votes on a claim.

The table ``evidence.csv`` names rows of the evidence, and says within which bounds a value agrees
with the claim. The vote follows from the value alone:

- ``null`` if the row reports no detectable change, its 95 % interval (or 1.96 standard errors) holds
  the value of no effect, or it lies between the bounds ``null_low`` and ``null_high``;
- ``agree`` if it lies within ``low`` and ``high``;
- ``contradict`` otherwise.

Each publication has one voice, however many of its rows are named, and a null is no agreement.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Literal

from ketasim.errors import EvidenceError, unknown_name
from ketasim.evidence import load_observations, load_parameters

__all__ = ["Ballot", "Named", "Vote", "agreement", "count_votes", "named_rows", "read_named_rows"]

Vote = Literal["agree", "contradict", "null"]

_COLUMNS = ("claim", "row", "against", "compare", "low", "high", "null_low", "null_high", "role", "question")
_COMPARE = ("", "difference", "ratio")
_ROLES = ("vote", "limit")
#: Half width of a 95 % interval in standard errors.
_WIDE = 1.96


@dataclass(frozen=True)
class Named:
    """A line of the table: a row of the evidence and the question that it answers.

    Parameters
    ----------
    claim, row : str
        Names of a claim and of a row of the evidence.
    against, compare : str
        A second row, and whether the difference to it or the ratio is looked at; empty for the value itself.
    low, high : float
        Bounds within which the claim is agreed with; infinite where there is none.
    null_low, null_high : float
        Bounds within which nothing was found; NaN if there are none.
    role : str
        ``vote``, or ``limit``: it does not vote, but if it contradicts, the claim has a limit.
    question : str
        What is asked, in words.
    """

    claim: str
    row: str
    against: str
    compare: str
    low: float
    high: float
    null_low: float
    null_high: float
    role: str
    question: str


@dataclass(frozen=True)
class Ballot:
    """How a published result votes on a claim.

    Parameters
    ----------
    row, citation : str
        Row of the evidence and key of its publication.
    value, unit : float, str
        What was compared: the value, or the difference or ratio of two rows.
    vote : {'agree', 'contradict', 'null'}
        See the module.
    role, question : str
        As of :class:`Named`.
    """

    row: str
    citation: str
    value: float
    unit: str
    vote: Vote
    role: str
    question: str


@dataclass(frozen=True)
class _Row:
    citation: str
    value: float
    unit: str
    statistic: str
    spread_kind: str
    spread_low: float
    spread_high: float


@cache
def _rows() -> Mapping[str, _Row]:
    """Every row that was seen in a source, by name."""
    found = {}
    for item in load_observations().to_dict("records"):
        spread = (item["spread_kind"], float(item["spread_low"]), float(item["spread_high"]))
        statistic = str(item["statistic"])
        found[str(item["id"])] = _Row(
            item["citation"], float(item["value"]), item["unit"], statistic, *spread
        )
    for item in load_parameters().to_dict("records"):
        found[str(item["id"])] = _Row(
            item["citation"], float(item["value"]), item["unit"], "value", "none", math.nan, math.nan
        )
    return found


@cache
def named_rows() -> tuple[Named, ...]:
    """Load the shipped table.

    Returns
    -------
    tuple of Named
        In the order of the table.

    Raises
    ------
    EvidenceError
        If the table breaks its rules.
    """
    with resources.as_file(resources.files("ketasim.claims") / "evidence.csv") as path:
        return read_named_rows(path)


def read_named_rows(path: Path) -> tuple[Named, ...]:
    """Read a table of rows and questions.

    Parameters
    ----------
    path : Path
        A CSV file with the columns of :class:`Named`.

    Returns
    -------
    tuple of Named

    Raises
    ------
    EvidenceError
        If a column is missing or unknown, a row of the evidence is unknown, was never seen in a source or
        holds no number, or a bound cannot be read; names the line.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != _COLUMNS:
            raise EvidenceError(f"{path.name}, line 1: the columns must be {', '.join(_COLUMNS)}.")
        return tuple(_named(f"{path.name}, line {reader.line_num}", line) for line in reader)


def _named(where: str, line: Mapping[str, str]) -> Named:
    for column, allowed in (("compare", _COMPARE), ("role", _ROLES)):
        if line[column] not in allowed:
            raise EvidenceError(f"{where}, {column}: {unknown_name(column, line[column], allowed)}")
    if bool(line["against"]) != bool(line["compare"]):
        raise EvidenceError(f"{where}: 'against' and 'compare' go together; give both or neither.")
    for column in ("row", "against"):
        name = line[column]
        if name and name not in _rows():
            raise EvidenceError(
                f"{where}, {column}: {unknown_name('row of the evidence', name, _rows())} "
                "Only rows that were seen in a source can vote."
            )
        if name and not math.isfinite(_rows()[name].value):
            raise EvidenceError(f"{where}, {column}: {name!r} holds no number; choose a row that does.")
    return Named(
        line["claim"],
        line["row"],
        line["against"],
        line["compare"],
        _bound(where, "low", line["low"], -math.inf),
        _bound(where, "high", line["high"], math.inf),
        _bound(where, "null_low", line["null_low"], math.nan),
        _bound(where, "null_high", line["null_high"], math.nan),
        line["role"],
        line["question"],
    )


def _bound(where: str, column: str, text: str, missing: float) -> float:
    if not text:
        return missing
    try:
        return float(text)
    except ValueError as error:
        raise EvidenceError(f"{where}, {column}: {text!r} is no number; give one or leave it out.") from error


def count_votes(claim: str, table: tuple[Named, ...] | None = None) -> tuple[Ballot, ...]:
    """Let the published results of a claim vote.

    Parameters
    ----------
    claim : str
        Name of the claim.
    table : tuple of Named, optional
        Default: the shipped one.

    Returns
    -------
    tuple of Ballot
        In the order of the table.
    """
    return tuple(_ballot(item) for item in (named_rows() if table is None else table) if item.claim == claim)


def _ballot(item: Named) -> Ballot:
    row = _rows()[item.row]
    value, unit, citation = row.value, row.unit, row.citation
    if item.against:
        other = _rows()[item.against]
        value = row.value - other.value if item.compare == "difference" else row.value / other.value
        unit = row.unit if item.compare == "difference" else "ratio"
        citation = ";".join(dict.fromkeys((*row.citation.split(";"), *other.citation.split(";"))))
        name = f"{item.row} against {item.against}"
    else:
        name = item.row
    return Ballot(name, citation, value, unit, _vote(item, row, value), item.role, item.question)


def _vote(item: Named, row: _Row, value: float) -> Vote:
    nothing = item.null_low <= value <= item.null_high
    # A vote against survives an interval that holds no effect only where nothing is the claim.
    if nothing or (not item.against and _holds_no_effect(row) and not item.low <= 0.0 <= item.high):
        return "null"
    return "agree" if item.low <= value <= item.high else "contradict"


def _holds_no_effect(row: _Row) -> bool:
    if row.statistic not in ("effect_size", "difference", "ratio", "correlation"):
        return False
    middle = 1.0 if row.statistic == "ratio" else 0.0
    if row.spread_kind == "ci95":
        # Some sources print the size of a difference without its sign, with the interval likewise.
        ends = sorted((row.spread_low, row.spread_high))
        return ends[0] <= middle <= ends[1]
    if row.spread_kind == "se" and math.isfinite(row.spread_low):
        return abs(row.value - middle) < _WIDE * row.spread_low
    return False


def agreement(ballots: tuple[Ballot, ...]) -> tuple[float, int]:
    """Return the mean share of agreeing rows over publications, and how many publications vote.

    Parameters
    ----------
    ballots : tuple of Ballot
        Those that only set limits are passed over.

    Returns
    -------
    share : float
        From 0 to 1; NaN without votes.
    publications : int
    """
    by_source: dict[str, list[bool]] = {}
    for ballot in ballots:
        if ballot.role == "vote":
            by_source.setdefault(ballot.citation, []).append(ballot.vote == "agree")
    if not by_source:
        return math.nan, 0
    return sum(sum(own) / len(own) for own in by_source.values()) / len(by_source), len(by_source)
