"""The people whom a published row is about, in all replicates of a run at once.

What is computed from them (means, rates, contrasts) is done for every replicate in one go: each person
carries the place of his replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.runs.outcomes import Outcomes, statistic_of
from ketasim.trials.study import Observation, Study
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = ["Moments", "People", "RowTables"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_SAME_TIME_H = 1e-6


@dataclass(frozen=True, eq=False)
class Moments:
    """Number, mean and variance of each replicate.

    Parameters
    ----------
    n : array, shape (replicates,)
        Values that are there.
    mean : array, shape (replicates,)
        NaN without a value.
    variance : array, shape (replicates,)
        Of a sample; NaN with fewer than two values.
    """

    n: FloatArray
    mean: FloatArray
    variance: FloatArray

    @classmethod
    def of(cls, place: IntArray, values: FloatArray, replicates: int) -> Moments:
        """Of values of persons; NaN is left out.

        Parameters
        ----------
        place : array of int, shape (persons,)
            Replicate of each, from 0.
        values : array, shape (persons,)
            Values.
        replicates : int
            How many there are.
        """
        known = ~np.isnan(values)
        place, values = place[known], values[known]
        n = np.bincount(place, minlength=replicates).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.bincount(place, values, replicates) / n
            squares = np.bincount(place, (values - mean[place]) ** 2, replicates)
            variance = np.where(n > 1, squares / (n - 1.0), np.nan)
        return cls(n, mean, variance)

    @property
    def error(self) -> FloatArray:
        """Standard error of the mean."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.sqrt(self.variance / self.n), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class People:
    """Persons of a row.

    Parameters
    ----------
    place : array of int, shape (persons,)
        Replicate of each, from 0.
    start, values : array, shape (persons,)
        Values at the row's origin and at its time; NaN where one is missing.
    replicates : int
        How many replicates there are.
    """

    place: IntArray
    start: FloatArray
    values: FloatArray
    replicates: int

    @property
    def change(self) -> FloatArray:
        """Values less those at the origin."""
        return self.values - self.start

    def moments(self, values: FloatArray) -> Moments:
        """Moments of something that is known of each person."""
        return Moments.of(self.place, values, self.replicates)

    def among(self, group: BoolArray) -> People:
        """Some of the persons."""
        return replace(self, place=self.place[group], start=self.start[group], values=self.values[group])


@dataclass(frozen=True)
class RowTables:
    """Outcomes of a run as the rows of its study need them.

    Parameters
    ----------
    study : Study
        Holds the rows.
    outcomes : Outcomes
        What was seen of patients.
    """

    study: Study
    outcomes: Outcomes

    @cached_property
    def replicates(self) -> IntArray:
        """Replicates, in order."""
        return np.unique(self.outcomes.matrix(self.study.population.baseline.scale).replicate)

    @cached_property
    def _kinds(self) -> frozenset[tuple[str, str]]:
        return frozenset(self.outcomes.kinds())

    @property
    def last_h(self) -> float:
        """Last visit."""
        return float(self.outcomes.matrix(self.study.population.baseline.scale).times_h[-1])

    def people(
        self,
        arms: Sequence[str],
        row: Observation,
        time_h: float | None = None,
        quantity: str | None = None,
        *,
        from_entry: bool = False,
    ) -> People:
        """People of some arms with a row's quantity at its origin, and at its time.

        Parameters
        ----------
        arms : sequence of str
            Arms that are counted together.
        row : Observation
            Gives the quantity, the origin and the time.
        time_h : float, optional
            Another time, counted from the origin.
        quantity : str, optional
            Another quantity.
        from_entry : bool
            Whether the start is the value at entry into the trial, whatever the origin.

        Returns
        -------
        People
            In the same order for every time and quantity; nobody where there is no such visit or the
            quantity was not recorded.
        """
        quantity = quantity or row.quantity
        time_h = row.time_h if time_h is None else time_h
        nobody = People(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0), len(self.replicates))
        if (quantity, statistic_of(quantity)) not in self._kinds:
            return nobody
        table = self.outcomes.matrix(quantity)
        if row.origin == "entry":
            found = table.at(time_h)
            if found is None:
                return nobody
            arm, start, values = table.arm, table.entry, found
        else:
            phase = [item.id for item in self.study.arms if item.phase == row.origin]
            arm, start, values = table.since(arms if row.origin == "arm" else phase, time_h)
        if from_entry:
            start = table.entry
        members = np.isin(arm, list(arms))
        place = np.searchsorted(self.replicates, table.replicate[members])
        return People(place, start[members], values[members], len(self.replicates))

    def responded(
        self, arms: Sequence[str], row: Observation, time_h: float, shift: float = 0.0
    ) -> FloatArray:
        """1 for each person who responded by a time, 0 for the others, NaN where it is not known.

        With a ``shift``, as it were if everybody had so many points more.
        """
        people = self.people(arms, row, time_h)
        # Who has no score is not counted, neither as well nor as ill.
        known = ~np.isnan(people.values) & ~np.isnan(people.start)
        return np.where(known, people.values + shift <= (1 - RESPONSE_SHARE) * people.start, np.nan)

    def in_group(self, arms: Sequence[str], row: Observation) -> BoolArray | None:
        """Who belongs to the group that a row of response or remission is about; None if all do."""
        if row.among is None or row.among_time_h is None:
            return None
        if row.among == "remitters":
            return np.asarray(self.remitted(arms, row, row.among_time_h) == 1.0)
        wanted = 1.0 if row.among == "responders" else 0.0
        return np.asarray(self.responded(arms, row, row.among_time_h) == wanted)

    def remitted(
        self, arms: Sequence[str], row: Observation, time_h: float, shift: float = 0.0
    ) -> FloatArray:
        """1 for each person in remission at a time, 0 for the others, NaN where it is not known.

        With a ``shift``, as it were if everybody had so many points more.
        """
        people = self.people(arms, row, time_h)
        threshold = remission_threshold(self.study, row.quantity)
        return np.where(np.isnan(people.values), np.nan, people.values + shift <= threshold)

    def relapsed(self, arms: Sequence[str], row: Observation) -> tuple[People, FloatArray] | None:
        """Those who were well at the start of follow-up, and 1 for each who relapsed by the row's time.

        Where a row counts from a phase, its rules chose who entered: all of these are followed, from there.

        Returns
        -------
        tuple or None
            None if the study has no rule of relapse, or no visit lies in the time.
        """
        relapse = self.study.setting.relapse
        if relapse is None:
            return None
        if row.origin != "entry":
            people = self.people(arms, row, 0.0)
            times, chosen = self._offsets(row.time_h), np.ones(len(people.place), dtype=bool)
            entry = self.people(arms, row, 0.0, from_entry=True).start
        else:
            well = self.remitted if row.among == "remitters" else self.responded
            chosen = well(arms, row, relapse.after_h) == 1.0
            people = self.people(arms, row, relapse.after_h).among(chosen)
            times = [time for time in self.study.times_h if relapse.after_h < time <= row.time_h]
            entry = people.start
            if row.time_h > self.last_h + 1e-9:
                return None
        if not times:
            return None
        met = np.vectorize(relapse.met, otypes=[bool])
        run = np.zeros(len(people.place), dtype=np.int64)
        relapsed = np.zeros(len(people.place), dtype=bool)
        for time_h in times:
            seen = self.people(arms, row, time_h)
            if not len(seen.place):
                # At a visit at which nobody was seen nobody is relapsed.
                run[:] = 0
                continue
            values = seen.values[chosen]
            # Persons of a phase have visits of their own: who has none at this time is passed over.
            skipped = np.isnan(values) & (row.origin != "entry")
            # A missing score does not meet the rule.
            # Who was not seen has no number to compare, which numpy would warn of.
            with np.errstate(invalid="ignore"):
                bad = met(values, entry)
            run = np.where(skipped, run, np.where(bad, run + 1, 0))
            relapsed |= run >= relapse.consecutive
        return people, relapsed.astype(np.float64)

    def _offsets(self, limit_h: float) -> list[float]:
        """Times of visits as they count from where a rule may have let a person into a phase."""
        starts = {0.0, *self.study.rule_times_h}
        found = {round(time - start, 6) for start in starts for time in self.study.times_h if time > start}
        return sorted(time for time in found if 0.0 < time <= limit_h + _SAME_TIME_H)
