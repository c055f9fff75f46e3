"""A trial that can be simulated: a study joined with the model, a seed and a size.

Everything about a person follows from the study, the seed and his number, so that
neither order, chunk nor worker can change a result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, unknown_name
from ketasim.model.parameters import ParameterSet
from ketasim.model.simulator import Simulator
from ketasim.model.times import output_times
from ketasim.population import SCALE_MAXIMUM, Variability
from ketasim.population.draws import Draws
from ketasim.trials.causes import arm_inputs
from ketasim.trials.conduct.enrolment import Roll, make_roll
from ketasim.trials.conduct.rating import Hold, setting_of
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.harms.exposure import PEAKS
from ketasim.trials.scoring.parameters import ScoringParameters, Setting
from ketasim.trials.scoring.scales import SCALES
from ketasim.trials.study import Study

__all__ = ["HOLDS", "Keep", "Trial"]

IntArray = npt.NDArray[np.int64]

#: What is recorded: all, or rated scales and what they are made of.
Keep = Literal["all", "scores"]

#: What :attr:`Trial.hold` may be.
HOLDS: tuple[Hold, ...] = ("nothing", "belief", "biology")

#: What every trial records beside the quantities that its file asks for.
_ALWAYS = ("cadss", "felt_effect", "systolic_pressure", "sedation", "nausea")
#: Peaks that are kept for each visit.
_KEPT_PEAKS = (*PEAKS, "systolic_pressure", "heart_rate")
#: What the scoring layer reads.
_FOR_SCORING = ("severity", "madrs", "felt_effect")

#: Scoring parameter that is a definition, and no quantity of which one could be uncertain.
_DEFINITION = "visit_gap"

#: Patients of one replicate whose list is remembered; longer ones alone.
_REMEMBERED = 100_000


@dataclass(frozen=True)
class Trial:
    """A study with the model, a seed and a size.

    Parameters
    ----------
    study : Study
        The design.
    simulator : Simulator
        The model.
    parameters : ParameterSet
        Typical values.
    seed : int
        Names the random streams.
    subjects : int, mapping of str to int, or None
        Patients of each arm to which patients are randomised, or of each by name; None for the
        published numbers.
    end_h : float or None
        Last time that is simulated; None for the last visit.
    with_twin : bool
        Whether each patient is also simulated with dose zero.
    hold : str
        ``nothing``; ``belief``: nobody's belief moves; ``biology``: scored is the same person with
        dose zero.
    between_study : bool
        Whether each replicate has an effect of its own, as one trial differs from the next.
    keep : str
        ``all``, or ``scores``: rated scales, severity, belief and placebo only.
    draws : Draws, optional
        Draws of the typical values: the first replicate has the first one, and so on, beginning anew
        after the last. Left out, all have those of ``parameters``.
    common : bool
        Whether every replicate has the random numbers of the first one, so that replicates differ by
        their draws alone.

    Raises
    ------
    StudyError
        If a size, a time or a name cannot be.
    """

    study: Study
    simulator: Simulator
    parameters: ParameterSet
    seed: int = 1
    subjects: int | Mapping[str, int] | None = None
    end_h: float | None = None
    with_twin: bool = True
    hold: Hold = "nothing"
    between_study: bool = False
    keep: Keep = "all"
    draws: Draws | None = None
    common: bool = False
    # Not a thing to be given: a copy with another seed or size has a list of its own.
    _rolls: dict[int, Roll] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.subjects, int) and self.subjects < 1:
            raise StudyError(f"subjects: {self.subjects} is not a number of patients; give 1 or more.")
        if self.end_h is not None and self.end_h <= 0.0:
            raise StudyError(f"days: {self.end_h / 24:g} d is not a length of time; give more than 0.")
        if self.hold not in HOLDS:
            raise StudyError(f"hold: {unknown_name('word', self.hold, HOLDS)}")
        if self.hold == "biology" and not self.with_twin:
            raise StudyError("hold: biology needs the patients with dose zero; leave them on.")
        if self.study.population.baseline.scale not in SCALE_MAXIMUM:
            raise StudyError(
                f"{self.study.id}: population.baseline.scale: "
                f"{unknown_name('scale', self.study.population.baseline.scale, SCALE_MAXIMUM)}"
            )
        if self.draws is not None:
            self._check(self.draws)

    def _check(self, draws: Draws) -> None:
        for name in draws.names:
            if name not in self.parameters:
                raise StudyError(f"draws: {unknown_name('parameter', name, self.parameters)}")
        if _DEFINITION in draws.names:
            raise StudyError(
                f"draws: {_DEFINITION} says which doses are one treatment visit, the same in all draws; "
                "leave it out of them."
            )

    @cached_property
    def rating_times(self) -> tuple[float, ...]:
        """Times at which patients are rated within the simulated span, in h: entry, and the visits."""
        # Days and hours are converted apart: a visit at the last time must not be lost to rounding.
        limit = np.inf if self.end_h is None else self.end_h + 1e-9
        return tuple(sorted({0.0, *(time for time in self.study.times_h if time <= limit)}))

    @cached_property
    def horizon(self) -> float:
        """Last simulated time, in h."""
        return self.end_h if self.end_h is not None else max(self.study.times_h)

    @cached_property
    def days(self) -> int:
        """Days of life stress."""
        return int(np.ceil(self.horizon / 24.0)) + 1

    @cached_property
    def stretches(self) -> list[tuple[float, float]]:
        """Spans between the visits at which what a patient gets may change, in h."""
        changes = set(self.study.rule_times_h)
        if any(item.leaves == "treatment" for item in self.study.dropout):
            changes |= set(self.study.decision_times_h)
        inner = sorted(time for time in changes if 0.0 < time < self.horizon - 1e-9)
        edges = [0.0, *inner, self.horizon]
        return list(pairwise(edges))

    @cached_property
    def windows_h(self) -> dict[float, float]:
        """Half width of the window of each visit that has one, in h, by its time."""
        fixed = {time for stretch in self.stretches for time in stretch}
        return {
            visit.time_h: visit.window_h
            for visit in self.study.visits
            if visit.window_h > 0.0 and visit.time_h not in fixed
        }

    @cached_property
    def _asked(self) -> tuple[str, ...]:
        study = self.study
        asked: list[str] = [study.population.baseline.scale]
        asked += [item.quantity for item in study.endpoints]
        asked += [item.quantity for item in study.analyses]
        asked += [item.quantity for item in study.observations]
        asked += [name for visit in study.visits for name in visit.quantities]
        conditions = [condition for rule in study.rules for condition in rule.conditions]
        actions = [action for rule in study.rules for action in rule.actions]
        conditions += [condition for action in actions for condition in action.conditions]
        conditions += [condition for item in study.analyses for condition in item.conditions]
        asked += [condition.subject for condition in conditions if condition.subject]
        return tuple(dict.fromkeys(asked))

    @cached_property
    def rated(self) -> tuple[str, ...]:
        """Scales that a rater writes down."""
        return tuple(name for name in self._asked if name in SCALE_MAXIMUM or name in SCALES)

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """Quantities of the model that are kept at each visit, severity among them."""
        known = self.simulator.chain.quantities
        always = _ALWAYS if self.keep == "all" else ()
        names = dict.fromkeys((*self._asked, *always, "severity"))
        return tuple(name for name in names if name in known and name not in self.rated)

    @cached_property
    def peaks(self) -> tuple[str, ...]:
        """Quantities whose extreme value since the visit before is kept."""
        known = self.simulator.chain.quantities
        in_rules = [c.subject for rule in self.study.rules for c in rule.conditions if c.form == "peak"]
        wanted = _KEPT_PEAKS if self.keep == "all" else ()
        return tuple(name for name in dict.fromkeys((*wanted, *in_rules)) if name in known)

    @cached_property
    def recorded(self) -> tuple[str, ...]:
        """Everything that the engine must put out."""
        return tuple(dict.fromkeys((*self.quantities, *self.peaks, *PEAKS, *_FOR_SCORING, *self._bases)))

    @cached_property
    def _bases(self) -> tuple[str, ...]:
        """Quantities of the model that rated scales start from."""
        bases = (SCALES[name].base or name if name in SCALES else name for name in self.rated)
        return tuple(dict.fromkeys(bases))

    @cached_property
    def of_twin(self) -> tuple[str, ...]:
        """What is needed of patients with dose zero."""
        return tuple(dict.fromkeys(("severity", "madrs", *self._bases)))

    @cached_property
    def remission(self) -> dict[str, float]:
        """Largest total that counts as remission, by scale."""
        return {scale: remission_threshold(self.study, scale) for scale in self.rated}

    @cached_property
    def scoring(self) -> ScoringParameters:
        """Numbers of the scoring layer."""
        return ScoringParameters.from_table(self.parameters)

    @cached_property
    def scoring_sets(self) -> tuple[ScoringParameters, ...]:
        """Numbers of the scoring layer of each draw; a single set if they are the same in all."""
        names = [field.name for field in fields(ScoringParameters)]
        own = None if self.draws is None else self.draws.only(names)
        if own is None or not own.names:
            return (self.scoring,)
        return tuple(map(ScoringParameters.from_table, own.sets(self.parameters)))

    def draw_of(self, replicates: IntArray) -> IntArray:
        """Draw of each replicate, from 0; 0 without draws."""
        return replicates % len(self.draws) if self.draws is not None else np.zeros_like(replicates)

    def streams_of(self, replicates: IntArray) -> IntArray:
        """Replicate whose random numbers each replicate has."""
        return np.zeros_like(replicates) if self.common else replicates

    @cached_property
    def variability(self) -> Variability:
        """How parameters differ between people, and between the doses of one person."""
        return Variability.of(self.parameters)

    @cached_property
    def inputs(self) -> list[dict[str, float]]:
        """Outside inputs that are on in each arm."""
        return [arm_inputs(self.study, arm) for arm in self.study.arms]

    @cached_property
    def settings(self) -> list[Setting]:
        """Circumstances of each arm that act on expectancy."""
        return [setting_of(self.study, arm) for arm in self.study.arms]

    @cached_property
    def most_doses(self) -> int:
        """More doses than any patient gets: deviations between doses are drawn for so many."""
        stays = 1 + len(self.stretches)
        return sum(sorted(len(arm.dosing.doses) for arm in self.study.arms)[-stays:]) * (
            1 if len(self.study.rules) == 0 else stays
        )

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Patients of each arm to which patients are randomised, by name."""
        first = {arm.id: arm.n or 0 for arm in self.study.first_arms}
        if self.subjects is None:
            return first
        if isinstance(self.subjects, int):
            return dict.fromkeys(first, self.subjects)
        for name, size in self.subjects.items():
            if name not in first:
                raise StudyError(f"subjects: {unknown_name('arm', name, first)}")
            if size < 1:
                raise StudyError(f"subjects: {name}: {size} is not a number of patients; give 1 or more.")
        return first | dict(self.subjects)

    @cached_property
    def largest_grid(self) -> int:
        """Output times of the arm that has the most of them."""
        grids = [
            output_times(arm.dosing, self.horizon, self.rating_times, fine=False) for arm in self.study.arms
        ]
        return max(len(grid) for grid in grids)

    @property
    def count(self) -> int:
        """Patients of one replicate."""
        return sum(self.sizes.values())

    def roll(self, replicate: int) -> Roll:
        """The list of all patients of one replicate, in order of enrolment."""
        if replicate not in self._rolls:
            while len(self._rolls) * self.count > _REMEMBERED:
                self._rolls.pop(next(iter(self._rolls)))
            self._rolls[replicate] = make_roll(self.study, self.sizes, self.seed, replicate)
        return self._rolls[replicate]
