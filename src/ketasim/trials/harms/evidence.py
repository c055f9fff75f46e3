"""Published incidences of harms by person, as the derivation of their chances needs them."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from ketasim.errors import EvidenceError
from ketasim.evidence import load_observations

__all__ = ["Share", "Target", "load_targets"]

_Z95 = 1.959964
_Row = Mapping[Any, Any]


@dataclass(frozen=True)
class Share:
    """A published share of people with at least one event.

    Parameters
    ----------
    value : float
        From 0 to 1.
    low, high : float
        95 % Wilson interval; or the range, where studies were reported as one.
    n : float
        People behind it; nan if not reported.
    """

    value: float
    low: float
    high: float
    n: float

    @classmethod
    def counted(cls, value: float, n: float) -> Share:
        """Return a share with its Wilson interval."""
        if not n > 0.0:
            return cls(value, value, value, math.nan)
        square = _Z95**2 / n
        middle = (value + 0.5 * square) / (1.0 + square)
        half = math.sqrt(square * (value * (1.0 - value) + 0.25 * square)) / (1.0 + square)
        return cls(value, max(middle - half, 0.0), min(middle + half, 1.0), n)


@dataclass(frozen=True)
class Target:
    """What is published of one harm.

    Parameters
    ----------
    placebo, drug : Share
        People with an event in four weeks of two visits; ``drug`` over all doses together.
    doses : mapping of float to float
        How the people on drug are shared out over doses in mg.
    by_dose : mapping of float to Share
        By dose in mg, where it was reported.
    week : Share or None
        In the first week, in other people on drug.
    ratio : float or None
        Incidence at 28 mg or less over that at 56 mg or more, of a meta-analysis. Nothing is derived from
        it: it is there to be compared with.
    sources, week_sources, ratio_sources : tuple of str
        Citation keys.
    """

    placebo: Share
    drug: Share
    doses: Mapping[float, float]
    by_dose: Mapping[float, Share]
    week: Share | None
    ratio: float | None
    sources: tuple[str, ...]
    week_sources: tuple[str, ...]
    ratio_sources: tuple[str, ...]


def load_targets() -> dict[str, Target]:
    """Read the published incidences that stand behind ``harms.csv``.

    Returns
    -------
    dict of str to Target
        By harm, in the order of ``harm_targets.csv``, which names the rows of the evidence.

    Raises
    ------
    EvidenceError
        If a row is not among those that were seen in a source, or lacks its comparator.
    """
    text = resources.files("ketasim.trials.harms").joinpath("harm_targets.csv").read_text(encoding="utf-8")
    seen = {str(row["id"]): row for row in load_observations("safety").to_dict("records")}
    return {row["harm"]: _target(row, seen) for row in csv.DictReader(text.splitlines())}


def _target(row: Mapping[str, str], seen: Mapping[str, _Row]) -> Target:
    drug, week, ratio = (
        [_row(name, seen) for name in row[column].split(";") if name]
        for column in ("drug_rows", "week_rows", "ratio_rows")
    )
    shares = [_share(found) for found in drug]
    by_dose = {
        float(found["dose"]): share for found, share in zip(drug, shares, strict=True) if _has_dose(found)
    }
    total = math.fsum(share.n for share in shares)
    return Target(
        placebo=_placebo(drug[0]),
        drug=shares[0]
        if len(shares) == 1
        else Share.counted(math.fsum(share.value * share.n for share in shares) / total, total),
        # A pooled row does not say who had which dose: halves.
        doses={dose: share.n / total for dose, share in by_dose.items()} or {56.0: 0.5, 84.0: 0.5},
        by_dose=by_dose,
        week=_share(week[0]) if week else None,
        ratio=float(ratio[0]["value"]) / float(ratio[1]["value"]) if ratio else None,
        sources=_citations(drug),
        week_sources=_citations(week),
        ratio_sources=_citations(ratio),
    )


def _row(name: str, seen: Mapping[str, _Row]) -> _Row:
    if name not in seen:
        raise EvidenceError(
            f"harm_targets.csv: {name!r} is not a row of observations.csv that was seen in a source; "
            "only such rows may stand behind a number."
        )
    return seen[name]


def _has_dose(row: _Row) -> bool:
    return not math.isnan(float(row["dose"]))


def _citations(rows: Iterable[_Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(row["citation"]) for row in rows))


def _share(row: _Row) -> Share:
    """Share of people with an event: from the count where the row has one, for shares are rounded."""
    counted = re.match(r"(\d+)/(\d+)", str(row["note"]))
    value = int(counted[1]) / int(counted[2]) if counted else float(row["value"])
    return Share.counted(value, float(row["n"]))


def _placebo(row: _Row) -> Share:
    """The share on placebo, which the evidence keeps as text beside the share on drug."""
    text = str(row["comparator"])
    across = re.search(r"(\d+)-(\d+)%", text)
    if across is not None:
        low, high = float(across[1]) / 100.0, float(across[2]) / 100.0
        return Share(0.5 * (low + high), low, high, math.nan)
    found = re.search(r"n=(\d+)\)?:?\s*([\d.]+)%\s*(?:\((\d+)\))?", text)
    if found is None:
        raise EvidenceError(
            f"observations.csv: {row['id']}: comparator {text!r} does not tell people and share on placebo, "
            "such as 'placebo (n=113) 3.5%'."
        )
    n = float(found[1])
    return Share.counted(float(found[3]) / n if found[3] else float(found[2]) / 100.0, n)
