"""What raters write down at a visit, and what patients believe.

Reads the biology of persons and changes nothing in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ketasim.population import SCALE_MAXIMUM
from ketasim.trials import scoring
from ketasim.trials.conduct.biology import Group
from ketasim.trials.conduct.decisions import Who
from ketasim.trials.conduct.progress import Progress
from ketasim.trials.scoring import Setting
from ketasim.trials.scoring.drawn import PersonScoring
from ketasim.trials.scoring.empirical import empirical_relief
from ketasim.trials.scoring.scales import SCALES, from_base
from ketasim.trials.study import Arm, Study

__all__ = ["Hold", "Rated", "Rater", "setting_of"]

FloatArray = npt.NDArray[np.float64]

#: What may be held still: what people believe, or what the drug does to the body.
Hold = Literal["nothing", "belief", "biology"]


class Rated(NamedTuple):
    """Persons of a group at one visit.

    Parameters
    ----------
    scores : dict of str to array
        Rated totals by scale.
    belief, placebo : array
        Belief of having the drug, and the points that placebo and expectancy take from a MADRS.
    """

    scores: dict[str, FloatArray]
    belief: FloatArray
    placebo: FloatArray


@dataclass(frozen=True)
class Rater:
    """Rates the persons of a trial.

    Parameters
    ----------
    study : Study
        The design.
    numbers : PersonScoring
        Of the scoring layer.
    settings : sequence of Setting
        Circumstances of each arm that act on expectancy.
    scales : sequence of str
        What is rated.
    who : Who
        Names the persons' random numbers.
    entry : array, shape (persons,)
        Rated totals at entry, on the study's scale.
    start : array, shape (persons,)
        Latent severity at entry, in MADRS points.
    hope : array, shape (persons,)
        Factor on each one's placebo terms.
    hold : str
        With ``belief`` everybody believes what the design says and nothing is felt; with
        ``biology`` the score is that of the same person with dose zero.
    """

    study: Study
    numbers: PersonScoring
    settings: Sequence[Setting]
    scales: Sequence[str]
    who: Who
    entry: FloatArray
    start: FloatArray
    hope: FloatArray
    hold: Hold = "nothing"

    def belief(self, group: Group, time_h: float, progress: Progress) -> FloatArray:
        """Belief of each person of a group at a time of the stretch."""
        place = group.plan.path[-1].arm
        arm, setting = self.study.arms[place], self.settings[place]
        before = progress.belief[group.persons]
        if arm.dosing.is_empty and not arm.empirical and len(group.plan.path) > 1:
            return before
        if self.hold == "belief":
            return np.full(len(group.persons), setting.allocation)
        first = group.plan.first_doses_h[-1]
        strongest = self.strongest(group, time_h, progress)
        numbers = self.numbers.of(group.persons)
        return scoring.believed(strongest, bool(time_h > first), setting, numbers)

    def strongest(self, group: Group, time_h: float, progress: Progress) -> FloatArray:
        """Largest felt effect since the current arm's first dose, up to a time of the stretch."""
        felt = group.courses["felt_effect"]
        first = group.plan.first_doses_h[-1]
        inside = (group.times_h >= first) & (group.times_h <= time_h + 1e-9)
        now = np.clip(felt[:, inside], 0.0, 1.0).max(axis=1, initial=0.0)
        return np.asarray(np.maximum(progress.strongest[group.persons], now), dtype=np.float64)

    def relief(self, group: Group, time_h: float, belief: FloatArray) -> FloatArray:
        """What placebo, expectancy and treatments known by their course take from the logit of a score."""
        path, plan = group.plan.path, group.plan
        setting = self.settings[path[-1].arm]
        starts = [stay.start_h for stay in path if self.settings[stay.arm].new_antidepressant > 0.0]
        if starts:
            setting = replace(setting, new_antidepressant=1.0)
        hope = self.hope[group.persons]
        found = scoring.relief(
            [time_h],
            plan.sessions_h,
            belief[:, None],
            setting,
            self.numbers.of(group.persons),
            hope,
            min(starts, default=0.0),
        ).total[:, 0]
        return found + self._empirical(group, time_h, "mood")

    def _empirical(self, group: Group, time_h: float, outcome: str) -> FloatArray:
        """Relief by treatments that are known by their course only, of all arms so far."""
        path = group.plan.path
        arms = [self.study.arms[stay.arm] for stay in path]
        total = np.zeros(len(group.persons))
        doses = np.unique([dose.start_h for dose in group.plan.regimen.doses])
        for place, (stay, arm) in enumerate(zip(group.plan.path, arms, strict=True)):
            if not arm.empirical:
                continue
            end = min(stay.end_h, math.inf if place + 1 == len(arms) else path[place + 1].start_h)
            # Single doses, not visits: rescue within hours is a dose of its own.
            own = doses[(doses >= stay.start_h) & (doses < end)] - stay.start_h
            total += empirical_relief(
                arm.empirical,
                [time_h - stay.start_h],
                own,
                self._normal(group, "empirical"),
                outcome=outcome,
                end_h=end - stay.start_h,
            )[:, 0]
        return total

    def rate(
        self, group: Group, time_h: float, rated_h: FloatArray, other: Group, progress: Progress
    ) -> Rated:
        """Rate the persons of a group at a visit.

        Parameters
        ----------
        group : Group
            Who.
        time_h : float
            The visit as planned.
        rated_h : array, shape (persons,)
            When each was rated.
        other : Group
            The same persons whose biology is scored: those with dose zero, if biology is held.
        progress : Progress
            Belief and what was felt until the stretch.
        """
        belief = self.belief(group, time_h, progress)
        madrs = other.between("madrs", rated_h)
        alone = self.relief(group, time_h, belief)
        overlap = self.numbers.of(group.persons).placebo_overlap
        relief = scoring.shared(alone, madrs, self.start[group.persons], overlap)
        placebo = scoring.placebo(madrs, relief)
        scores = {
            scale: self._score(scale, group, other, time_h, rated_h, relief)
            for scale in dict.fromkeys([self.study.population.baseline.scale, *self.scales])
        }
        return Rated(scores, belief, placebo)

    def _score(
        self,
        scale: str,
        group: Group,
        other: Group,
        time_h: float,
        rated_h: FloatArray,
        relief: FloatArray,
    ) -> FloatArray:
        """Totals on one scale."""
        if scale == self.study.population.baseline.scale and time_h <= 0.0:
            return self.entry[group.persons].copy()
        visit = f"{time_h:.6g}"
        if scale in SCALE_MAXIMUM:
            sd = self.numbers.error_sd(scale, group.persons)
            error = sd * self._normal(group, "score", scale, visit)
            return scoring.score(other.between(scale, rated_h), relief, error, SCALE_MAXIMUM[scale])
        base = SCALES[scale].base
        if not base:
            # Pain has no placebo terms of its own yet: nothing that was read tells their size.
            pain = self._empirical(group, time_h, "pain")
            return scoring.score(other.between(scale, rated_h), pain, 0.0, SCALES[scale].maximum)
        # A link starts from a total without the rater's error: the other scale has one of its own.
        total = scoring.score(other.between(base, rated_h), relief, 0.0, SCALES[scale].base_totals[-1])
        person = self._normal(group, "link", scale)
        return from_base(scale, total, person, self._normal(group, "link", scale, visit))

    def _normal(self, group: Group, *purpose: str) -> FloatArray:
        return np.asarray(ndtri(self.who.uniforms(*purpose)[group.persons]), dtype=np.float64)


def setting_of(study: Study, arm: Arm) -> Setting:
    """Circumstances of an arm of a study that act on expectancy."""
    return Setting(
        allocation=study.allocation_of(arm.id),
        masked=float(arm.masked),
        open_label=float(study.blinding_of(arm.id) == "open_label"),
        # Surgery is care in hospital too: nobody has told the two apart.
        inpatient=float(study.setting.care in ("inpatient", "surgery")),
        new_antidepressant=float(_new_drug(study, arm)),
    )


def _new_drug(study: Study, arm: Arm) -> bool:
    """Whether a new oral antidepressant, with its contacts, goes with an arm."""
    return study.setting.new_antidepressant or "new_antidepressant" in arm.comedication
