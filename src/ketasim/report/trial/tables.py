"""What the figures of a trial read: its persons, their ratings and what happened to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.errors import StudyError, unknown_name
from ketasim.report.words import SCALE_WORDS, arm_label, time_text, visit_text
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.study import Study
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = [
    "Tables",
    "Trial",
    "TrialTables",
    "arm_names",
    "changes",
    "column_at",
    "condition_words",
    "event_words",
    "first_arms",
    "one_trial",
    "rated_times",
    "responders",
    "scale_words",
    "scores",
    "times_of",
]

FloatArray = npt.NDArray[np.float64]


#: Words of ids that are written otherwise.
_WORDS = {"cadss": "CADSS", "madrs": "MADRS"}


class Tables(Protocol):
    """The three tables of simulated trials, of one study and any number of replicates."""

    @property
    def patients(self) -> pd.DataFrame:
        """A row a person."""

    @property
    def outcomes(self) -> pd.DataFrame:
        """A row a person, quantity, statistic and time."""

    @property
    def events(self) -> pd.DataFrame:
        """A row for each thing that happened to a person."""


@dataclass(frozen=True)
class TrialTables:
    """The three tables by themselves.

    Parameters
    ----------
    patients, outcomes, events : DataFrame
        As :class:`Tables` says.
    """

    patients: pd.DataFrame
    outcomes: pd.DataFrame
    events: pd.DataFrame


@dataclass(frozen=True)
class Trial:
    """One replicate of a trial: its tables, its number, and how many replicates there were.

    ``origin`` is what its times count from: ``entry``, or the label of a phase that was entered.
    """

    patients: pd.DataFrame
    outcomes: pd.DataFrame
    events: pd.DataFrame
    replicate: int
    replicates: int
    origin: str = "entry"

    def arms(self, study: Study) -> tuple[str, ...]:
        """Ids of the arms by which people are grouped, in the order of the file."""
        return first_arms(study, self.origin)

    def at(self, study: Study, time_h: float) -> str:
        """Write a time (hours from the origin) in the words of the study file, or plainly."""
        if self.origin == "entry":
            return visit_text(study, time_h)
        return "entry" if time_h == 0.0 else time_text(time_h)

    @property
    def since(self) -> str:
        """What changes are measured from."""
        return "entry" if self.origin == "entry" else f"entering {self.origin}"

    @property
    def words(self) -> str:
        """End of a sentence that says which replicate this is; empty if there is only one."""
        return f", in replicate {self.replicate}, one of {self.replicates}" if self.replicates > 1 else ""


def one_trial(tables: Tables, replicate: int | None = None) -> Trial:
    """Take one replicate out of the tables.

    Parameters
    ----------
    tables : Tables
        Of one study.
    replicate : int, optional
        Its number; without one, the first that is there.

    Returns
    -------
    Trial

    Raises
    ------
    StudyError
        If there is no such replicate.
    """
    numbers = sorted({int(item) for item in tables.patients["replicate"].unique()})
    if not numbers:
        return Trial(tables.patients, tables.outcomes, tables.events, 0, 0)
    chosen = numbers[0] if replicate is None else replicate
    if chosen not in numbers:
        raise StudyError(
            f"replicate: {chosen} is not among the results; take one of {numbers[0]} to {numbers[-1]}."
        )

    def part(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
        chosen_rows = frame if len(numbers) == 1 else frame[frame["replicate"] == chosen]
        return chosen_rows.assign(**{column: chosen_rows[column].astype(str) for column in columns})

    patients = part(tables.patients, "arm", "status")
    events = part(tables.events, "arm", "kind", "detail", "treatment")
    return Trial(patients, part(tables.outcomes), events, chosen, len(numbers))


def first_arms(study: Study, origin: str = "entry") -> tuple[str, ...]:
    """Ids of the arms to which people are allocated at the start or in a phase, in the order of the file.

    Raises
    ------
    StudyError
        If no arm has that phase.
    """
    if origin == "entry":
        return tuple(arm.id for arm in study.arms if arm.n is not None)
    found = tuple(arm.id for arm in study.arms if arm.phase == origin)
    if not found:
        raise StudyError(f"{study.id}: {unknown_name('phase', origin, ('entry', *study.phases))}")
    return found


def arm_names(study: Study) -> dict[str, str]:
    """Names of all arms as they are printed, by id."""
    return {arm.id: arm_label(arm.id) for arm in study.arms}


def scale_words(scale: str) -> str:
    """Name a scale or quantity as it is printed."""
    return SCALE_WORDS.get(scale, scale.replace("_", " "))


def event_words(text: str) -> str:
    """Write a reason or the name of an event for a reader."""
    words = " ".join(_WORDS.get(word, word) for word in str(text).replace("_", " ").split())
    return words or "no reason recorded"


def condition_words(text: str) -> str:
    """Write a condition of a study file for a reader."""
    words = [SCALE_WORDS.get(word, word.replace("_", " ")) for word in text.split()]
    return " ".join({">=": "≥", "<=": "≤"}.get(word, word) for word in words)


def scores(outcomes: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Lay the rated scores of a scale side by side, a row a person and a column a time.

    Parameters
    ----------
    outcomes : DataFrame
        Of one or more replicates.
    quantity : str
        The scale.

    Returns
    -------
    DataFrame
        Index ``replicate, arm, subject``, columns the times in hours, sorted; NaN where a person was not
        rated.
    """
    rows = outcomes[(outcomes["quantity"] == quantity) & (outcomes["statistic"] == "score")]
    # Words repeated in every row may come as categories, which do not mix with plain words.
    rows = rows.assign(arm=rows["arm"].astype(str))
    wide = rows.set_index(["replicate", "arm", "subject", "time_h"])["value"].unstack("time_h")
    return wide.astype(float).sort_index(axis=1)


def changes(outcomes: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Subtract each person's score at entry from the scores; as :func:`scores`, without the entry."""
    wide = scores(outcomes, quantity)
    later = wide[[time for time in times_of(wide) if time > 0.0]]
    entry = column_at(wide, 0.0)
    return later.sub(entry, axis=0)


def times_of(wide: pd.DataFrame) -> tuple[float, ...]:
    """Times of the columns that :func:`scores` gives, hours."""
    return tuple(float(time) for time in wide.columns.to_numpy())


def column_at(wide: pd.DataFrame, time_h: float) -> FloatArray:
    """Scores of all persons at a time (hours), from what :func:`scores` gives; NaN if there was no visit."""
    for place, time in enumerate(times_of(wide)):
        if abs(time - time_h) < 1e-6:
            return wide.iloc[:, place].to_numpy(dtype=np.float64)
    return np.full(len(wide), np.nan)


def rated_times(outcomes: pd.DataFrame, quantity: str) -> tuple[float, ...]:
    """Times after entry at which anybody has a score of a scale, hours."""
    rows = outcomes[(outcomes["quantity"] == quantity) & (outcomes["statistic"] == "score")]
    rows = rows[rows["value"].notna() & (rows["time_h"] > 0.0)]
    return tuple(sorted(float(time) for time in rows["time_h"].unique()))


def responders(score: FloatArray, entry: FloatArray, study: Study, scale: str) -> npt.NDArray[np.int64]:
    """Grade each person: 0 neither, 1 response without remission, 2 remission; -1 not rated.

    Parameters
    ----------
    score, entry : array, shape (n,)
        Scores at a visit and at entry, points; NaN if not rated.
    study : Study
        Says what remission is.
    scale : str
        The scale of both.

    Returns
    -------
    array of int, shape (n,)
    """
    rated = np.isfinite(score) & np.isfinite(entry)
    grade = np.where(score <= (1.0 - RESPONSE_SHARE) * entry, 1, 0)
    try:
        limit = remission_threshold(study, scale)
    except KeyError:  # a scale without a usual limit
        limit = -np.inf
    grade = np.where(score <= limit, 2, grade)
    return np.where(rated, grade, -1).astype(np.int64)
