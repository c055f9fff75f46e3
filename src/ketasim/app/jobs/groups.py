"""The difference between arms in parts of the people: sums of each trial, from which it follows exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.app.jobs.question import TrialQuestion
from ketasim.report.trial.subgroups import LEAST_PEOPLE, Subgroup, subgroup_rows, subgroups
from ketasim.report.trial.tables import TrialTables, one_trial
from ketasim.trials.runs.outcomes import Outcomes

__all__ = ["GroupRow", "group_rows", "group_sums", "single_rows"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Covariates that divide people alike in every trial; the median of the score at entry would not.
_COVARIATES = (
    *("female", "age", "failed_treatments", "benzodiazepine", "antidepressant", "crp", "weight", "anxiety"),
    *("ptsd", "alcohol_family_history", "val66met", "hypertension"),
)
_SUMS = ("n", "x", "y", "xx", "xy")


@dataclass(frozen=True)
class GroupRow:
    """A part of the people: mean numbers in a trial, and the difference with its range."""

    covariate: str
    name: str
    treated: float
    control: float
    value: float
    low: float
    high: float


def group_sums(question: TrialQuestion, recorded: Outcomes, patients: pd.DataFrame) -> pd.DataFrame:
    """Sum scores at entry and changes, by trial, part of the people and side.

    Parameters
    ----------
    patients : DataFrame
        Sorted by replicate and subject.

    Returns
    -------
    DataFrame
        Columns ``replicate, covariate, name, side`` (1 treated, 0 control) and the sums ``n, x, y, xx, xy``
        of entry x and change y. Empty where nothing is compared.
    """
    treated, control = question.sides
    table = recorded.matrix(question.scale)
    score = table.at(question.horizon_h)
    if not control or score is None:
        return pd.DataFrame(columns=["replicate", "covariate", "name", "side", *_SUMS])
    entry, change = table.entry, score - table.entry
    rated = np.isfinite(entry) & np.isfinite(change)
    side = np.where(np.isin(table.arm, treated), 1, np.where(np.isin(table.arm, control), 0, -1))
    names, code = np.unique(table.replicate, return_inverse=True)
    everybody = Subgroup("", "all", np.ones(len(entry), dtype=bool))
    parts = []
    for group in (everybody, *subgroups(patients, _COVARIATES)):
        for one in (1, 0):
            members = rated & (side == one) & group.members
            parts.append(_sums(group, one, names, code[members], entry[members], change[members]))
    return pd.concat(parts, ignore_index=True)


def _sums(
    group: Subgroup,
    side: int,
    names: npt.NDArray[np.int64],
    code: npt.NDArray[np.int64],
    x: FloatArray,
    y: FloatArray,
) -> pd.DataFrame:
    weights = {"n": np.ones(len(x)), "x": x, "y": y, "xx": x * x, "xy": x * y}
    sums = {key: np.bincount(code, weights=value, minlength=len(names)) for key, value in weights.items()}
    about = {"replicate": names, "covariate": group.covariate, "name": group.name, "side": side}
    return pd.DataFrame({**about, **sums})


def group_rows(sums: pd.DataFrame) -> list[GroupRow]:
    """Difference in change, adjusted for the score at entry, in each part of the people; over trials.

    Each trial is an analysis of covariance with one slope for both sides, which its sums determine. The
    value is the mean over trials, the range that of nine in ten.

    Parameters
    ----------
    sums : DataFrame
        From :func:`group_sums`, of several trials.
    """
    found = []
    for (covariate, name), own in sums.groupby(["covariate", "name"], sort=False):
        wide = own.pivot(index="replicate", columns="side", values=list(_SUMS)).fillna(0.0)
        sides = [{key: wide[(key, side)].to_numpy(dtype=np.float64) for key in _SUMS} for side in (1, 0)]
        enough = (sides[0]["n"] >= LEAST_PEOPLE) & (sides[1]["n"] >= LEAST_PEOPLE)
        counts = [float(side["n"].mean()) for side in sides]
        if not enough.any():
            continue
        treated, control = ({key: value[enough] for key, value in side.items()} for side in sides)
        value = _adjusted(treated, control)
        low, high = np.quantile(value, (0.05, 0.95))
        middle = float(value.mean())
        found.append(
            GroupRow(str(covariate), str(name), counts[0], counts[1], middle, float(low), float(high))
        )
    return _of_several(found)


def _adjusted(treated: dict[str, FloatArray], control: dict[str, FloatArray]) -> FloatArray:
    """Difference in means of the change at equal scores at entry, shape (trials,)."""
    sides = (treated, control)
    means = [(side["x"] / side["n"], side["y"] / side["n"]) for side in sides]
    spread = sum(side["xx"] - side["n"] * x * x for side, (x, _) in zip(sides, means, strict=True))
    joint = sum(side["xy"] - side["n"] * x * y for side, (x, y) in zip(sides, means, strict=True))
    # Scores at entry that everybody shares have no slope.
    flat = spread <= 1e-9
    slope = np.where(flat, 0.0, joint / np.where(flat, 1.0, spread))
    (x1, y1), (x0, y0) = means
    return np.asarray(y1 - y0 - slope * (x1 - x0), dtype=np.float64)


def _of_several(rows: list[GroupRow]) -> list[GroupRow]:
    """Leave out covariates of which only one part has enough people."""
    return [
        row
        for row in rows
        if not row.covariate or sum(other.covariate == row.covariate for other in rows) > 1
    ]


def single_rows(
    question: TrialQuestion, recorded: Outcomes, patients: pd.DataFrame, events: pd.DataFrame
) -> list[GroupRow]:
    """Difference in each part of the people of a single trial, with its interval of 95 %."""
    treated, control = question.sides
    if len(treated) != 1 or len(control) != 1:
        return []
    trial = one_trial(TrialTables(patients, recorded.frame(), events))
    rows = subgroup_rows(
        trial, question.scale, treated[0], control[0], question.horizon_h, columns=_COVARIATES
    )
    return _of_several(
        [
            GroupRow(row.covariate, row.name, row.treated, row.control, row.value, row.low, row.high)
            for row in rows
            if np.isfinite(row.value)
        ]
    )
