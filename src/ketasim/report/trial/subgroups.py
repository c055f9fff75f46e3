"""Subgroups of a trial's people by covariates, and the arms' difference in each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import chdtrc

from ketasim.errors import StudyError
from ketasim.report.trial.tables import Trial, column_at, scores
from ketasim.trials.analysis.ancova import ancova

__all__ = ["LEAST_PEOPLE", "Row", "Subgroup", "subgroup_rows", "subgroups"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: People of each arm that a difference and its error need at least.
LEAST_PEOPLE = 3


@dataclass(frozen=True)
class Subgroup:
    """A part of the people: the covariate, its own name, and who is in it, shape (n,)."""

    covariate: str
    name: str
    members: BoolArray


@dataclass(frozen=True)
class Row:
    """A subgroup's numbers of people and its difference; NaN where there are too few.

    ``interaction`` is the p value of Cochran's Q over the subgroups of the covariate, on the first
    row of a covariate only.
    """

    covariate: str
    name: str
    treated: int
    control: int
    value: float
    low: float
    high: float
    interaction: float = math.nan


def _cut(limit: float, below: str, above: str) -> Callable[[FloatArray], list[tuple[str, BoolArray]]]:
    return lambda values: [(below, values <= limit), (above, values > limit)]


def _ages(values: FloatArray) -> list[tuple[str, BoolArray]]:
    return [
        ("under 45 years", values < 45.0),
        ("45 to 64 years", (values >= 45.0) & (values < 65.0)),
        ("65 years and over", values >= 65.0),
    ]


def _halves(values: FloatArray) -> list[tuple[str, BoolArray]]:
    middle = float(np.nanmedian(values)) if np.isfinite(values).any() else math.nan
    return [(f"up to {middle:.3g} points", values <= middle), (f"above {middle:.3g} points", values > middle)]


_YES_NO = _cut(0.5, "no", "yes")
#: Column of the patients, what it is called, and how it divides them.
_DIVISIONS: tuple[tuple[str, str, Callable[[FloatArray], list[tuple[str, BoolArray]]]], ...] = (
    ("female", "Sex", _cut(0.5, "men", "women")),
    ("age", "Age", _ages),
    ("baseline", "Severity at entry (median)", _halves),
    ("failed_treatments", "Failed treatments", _cut(2.5, "up to 2", "3 or more")),
    ("benzodiazepine", "Benzodiazepine", _YES_NO),
    ("antidepressant", "Antidepressant", _YES_NO),
    ("crp", "C-reactive protein", _cut(3.0, "up to 3 mg/L", "above 3 mg/L")),
    ("weight", "Weight", _cut(80.0, "up to 80 kg", "above 80 kg")),
    ("anxiety", "Anxiety", _YES_NO),
    ("ptsd", "Post-traumatic stress disorder", _YES_NO),
    ("alcohol_family_history", "Alcoholism in the family", _YES_NO),
    ("val66met", "BDNF Val66Met", _cut(0.5, "no Met allele", "Met carrier")),
    ("hypertension", "Hypertension", _YES_NO),
)


def subgroups(patients: pd.DataFrame, columns: Sequence[str] = ()) -> list[Subgroup]:
    """Divide people by their covariates.

    Parameters
    ----------
    patients : DataFrame
        A row a person.
    columns : sequence of str
        Covariates; empty for all that this module knows.

    Returns
    -------
    list of Subgroup
        In a fixed order. A covariate that is not in the table, or by which everybody is alike, is
        left out.
    """
    found: list[Subgroup] = []
    for column, word, divide in _DIVISIONS:
        if column not in patients.columns or (columns and column not in columns):
            continue
        values = pd.to_numeric(patients[column], errors="coerce").to_numpy(dtype=np.float64)
        parts = [Subgroup(word, name, members) for name, members in divide(values) if members.any()]
        if len(parts) > 1:
            found += parts
    return found


def subgroup_rows(
    trial: Trial, scale: str, arm: str, comparator: str, time_h: float, columns: Sequence[str] = ()
) -> list[Row]:
    """Estimate the difference in change between two arms, in all people and in each subgroup.

    Each is an analysis of covariance of the change with the score at entry, among those rated.

    Returns
    -------
    list of Row
        All people first.
    """
    wide = scores(trial.outcomes, scale)
    keys = pd.MultiIndex.from_frame(trial.patients[["replicate", "arm", "subject"]])
    wide = wide.reindex(keys)
    entry, score = column_at(wide, 0.0), column_at(wide, time_h)
    arms = trial.patients["arm"].astype(str).to_numpy()
    rated = np.isfinite(entry) & np.isfinite(score)
    treated, control = rated & (arms == arm), rated & (arms == comparator)
    everybody = Subgroup("", "all", np.ones(len(arms), dtype=bool))
    rows: list[Row] = []
    spreads: list[float] = []
    for group in (everybody, *_met(subgroups(trial.patients, columns), treated | control)):
        row, error = _row(group, score - entry, entry, treated, control)
        rows.append(row)
        spreads.append(error)
    return _with_interaction(rows, spreads)


def _met(groups: Sequence[Subgroup], analysed: BoolArray) -> list[Subgroup]:
    """Leave out subgroups with nobody, and covariates with one subgroup left."""
    found = [group for group in groups if (group.members & analysed).any()]
    return [group for group in found if sum(other.covariate == group.covariate for other in found) > 1]


def _row(
    group: Subgroup, change: FloatArray, entry: FloatArray, treated: BoolArray, control: BoolArray
) -> tuple[Row, float]:
    """Analyse one subgroup; also gives the standard error."""
    one, other = treated & group.members, control & group.members
    counts = int(one.sum()), int(other.sum())
    nothing = Row(group.covariate, group.name, *counts, math.nan, math.nan, math.nan), math.nan
    if min(counts) < LEAST_PEOPLE:
        return nothing
    chosen = one | other
    # An entry score that everybody shares says nothing and has no slope.
    covariates = entry[chosen] if np.ptp(entry[chosen]) > 0.0 else None
    try:
        found = ancova(change[chosen], one[chosen].astype(np.int64), covariates).differences[0]
    except StudyError:  # few people whose score at entry tells the arm cannot be analysed
        return nothing
    return Row(group.covariate, group.name, *counts, found.value, found.low, found.high), found.se


def _with_interaction(rows: list[Row], errors: list[float]) -> list[Row]:
    """Test whether the subgroups of each covariate differ, by Cochran's Q."""
    found = list(rows)
    for covariate in dict.fromkeys(row.covariate for row in rows if row.covariate):
        places = [place for place, row in enumerate(rows) if row.covariate == covariate]
        usable = [place for place in places if math.isfinite(errors[place]) and errors[place] > 0.0]
        if len(usable) < 2:
            continue
        values = np.array([rows[place].value for place in usable])
        weights = np.array([errors[place] for place in usable]) ** -2.0
        middle = float((weights * values).sum() / weights.sum())
        q = float((weights * (values - middle) ** 2).sum())
        first = rows[places[0]]
        found[places[0]] = Row(
            first.covariate,
            first.name,
            first.treated,
            first.control,
            first.value,
            first.low,
            first.high,
            float(chdtrc(len(usable) - 1.0, q)),
        )
    return found
