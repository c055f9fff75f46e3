"""What every planned analysis of a trial starts from: its persons, and what happened to them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.errors import StudyError
from ketasim.trials.runs.outcomes import Matrix, Outcomes
from ketasim.trials.study import Study

__all__ = ["SAME_TIME_H", "Entered", "Persons", "Source"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
TextArray = npt.NDArray[np.str_]

#: Times closer than this, in h, are one.
SAME_TIME_H = 1e-6


@dataclass(frozen=True)
class Persons:
    """The persons of some replicates, in order of replicate and number.

    Parameters
    ----------
    replicate, subject : array of int, shape (n,)
        Who.
    arm : array of str, shape (n,)
        The arm to which each was randomised.
    enrolled_h : array, shape (n,)
        When each was enrolled, h after the first.
    stratum : array of int, shape (n,)
        Code of the stratum of the first randomisation.
    table : DataFrame
        The rows of the patients, in the same order; holds the covariates.
    happenings : dict of str to (array of int, array)
        By kind of event, the places of the persons whom it befell, and its times in h.
    """

    replicate: IntArray
    subject: IntArray
    arm: TextArray
    enrolled_h: FloatArray
    stratum: IntArray
    table: pd.DataFrame
    happenings: dict[str, tuple[IntArray, FloatArray]]

    @classmethod
    def of(cls, patients: pd.DataFrame, events: pd.DataFrame) -> Persons:
        """Read the tables of a run; persons who could not be simulated are left out.

        Raises
        ------
        StudyError
            If there is nobody.
        """
        table = patients
        if "status" in table:
            table = table[table["status"] != "not simulated"]
        if not len(table):
            raise StudyError("analyses: there are no patients to analyse; simulate some first.")
        keys = table["replicate"].to_numpy(np.int64), table["subject"].to_numpy(np.int64)
        own = _keys(*keys)
        if (np.diff(own) <= 0).any():
            order = np.argsort(own, kind="stable")
            table, own = table.iloc[order], own[order]
        replicate, subject = (table[name].to_numpy(np.int64) for name in ("replicate", "subject"))
        stratum = np.zeros(len(table), dtype=np.int64)
        if "stratum" in table:
            stratum = pd.factorize(table["stratum"], sort=True)[0].astype(np.int64)
        enrolled = table["enrolled_h"].to_numpy(np.float64) if "enrolled_h" in table else np.zeros(len(table))
        found: dict[str, tuple[IntArray, FloatArray]] = {}
        if len(events):
            kinds = events["kind"].astype(str).to_numpy()
            whom = _keys(events["replicate"].to_numpy(np.int64), events["subject"].to_numpy(np.int64))
            place = np.minimum(np.searchsorted(own, whom), len(own) - 1)
            known = own[place] == whom
            times = events["time_h"].to_numpy(np.float64)
            for kind in np.unique(kinds).tolist():
                rows = known & (kinds == kind)
                found[kind] = place[rows], times[rows]
        return cls(
            replicate, subject, table["arm"].astype(str).to_numpy(np.str_), enrolled, stratum, table, found
        )

    def __len__(self) -> int:
        return len(self.subject)

    def rows(self, matrix: Matrix) -> IntArray:
        """Rows of a matrix that hold the persons, in their order.

        Raises
        ------
        StudyError
            If somebody is not in it.
        """
        if np.array_equal(matrix.subject, self.subject) and np.array_equal(matrix.replicate, self.replicate):
            return np.arange(len(self))
        own, theirs = _keys(self.replicate, self.subject), _keys(matrix.replicate, matrix.subject)
        place = np.minimum(np.searchsorted(theirs, own), len(theirs) - 1)
        missing = theirs[place] != own
        if missing.any():
            first = int(np.flatnonzero(missing)[0])
            raise StudyError(
                f"analyses: patient {self.subject[first]} of replicate {self.replicate[first]} has no "
                "outcomes; give the patients and the outcomes of one run."
            )
        return place.astype(np.int64)

    def first(self, kinds: Collection[str], after_h: FloatArray) -> FloatArray:
        """Study time of the first event of some kinds later than a time of each person; infinite without."""
        found = np.full(len(self), np.inf)
        for kind in kinds:
            place, times = self.happenings.get(kind, (np.zeros(0, np.int64), np.zeros(0)))
            later = times > after_h[place] + SAME_TIME_H
            np.minimum.at(found, place[later], times[later])
        return found

    def covariate(self, name: str) -> FloatArray:
        """A covariate of each person.

        Raises
        ------
        StudyError
            If the patients of the run do not have it.
        """
        if name not in self.table:
            raise StudyError(
                f"analyses: covariate {name!r} is not in the table of patients; take another, or run "
                "the trial again."
            )
        return self.table[name].to_numpy(np.float64)


def _keys(replicate: IntArray, subject: IntArray) -> IntArray:
    # More persons than this in one replicate do not fit in memory.
    return replicate * np.int64(2**32) + subject


@dataclass(frozen=True)
class Source:
    """All that an analysis is worked out from.

    Parameters
    ----------
    recorded : Outcomes
        What was seen.
    persons : Persons
        Whose values are looked at.
    study : Study
        The design.
    seed : int
        Of the run: names the random numbers of conditions of chance.
    """

    recorded: Outcomes
    persons: Persons
    study: Study
    seed: int = 1
    _entered: dict[tuple[str, ...], Entered] = field(default_factory=dict, repr=False)

    @cached_property
    def replicates(self) -> IntArray:
        """Numbers of the replicates, sorted."""
        return np.unique(self.persons.replicate)

    def place(self, rows: IntArray) -> IntArray:
        """Place of the replicate of some persons among all."""
        return np.searchsorted(self.replicates, self.persons.replicate[rows]).astype(np.int64)

    def enter(self, arms: Sequence[str], matrix: Matrix) -> Entered:
        """When each person first entered one of some arms, and which."""
        key = tuple(arms)
        if key not in self._entered:
            self._entered[key] = _entering(matrix, self.persons.rows(matrix), arms)
        return self._entered[key]


@dataclass(frozen=True)
class Entered:
    """First entry into one of some arms.

    Parameters
    ----------
    arm : array of str, shape (n,)
        Which; empty for who entered none.
    start_h : array, shape (n,)
        Study time; NaN for who entered none.
    """

    arm: TextArray
    start_h: FloatArray


def _entering(matrix: Matrix, rows: IntArray, arms: Sequence[str]) -> Entered:
    treatment = matrix.treatment_code[rows]
    there = np.isin(matrix.words, list(arms))[treatment]
    seen = there.any(axis=1)
    first = there.argmax(axis=1)
    # An arm is entered at the visit before the first one at which it was in force.
    start = matrix.times_h[np.maximum(first - 1, 0)]
    which = np.where(seen, matrix.words[treatment[np.arange(len(rows)), first]], "")
    return Entered(which, np.where(seen, start, np.nan))
