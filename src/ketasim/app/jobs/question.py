"""What is asked of a simulated trial: its main comparison, its horizon, and what its arms are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from ketasim.design.planned import Planned, choose_analysis, wanted
from ketasim.errors import StudyError
from ketasim.report.words import SCALE_WORDS, arm_label, visit_text
from ketasim.trials.endpoints import compared_with
from ketasim.trials.study import Study

__all__ = ["TrialQuestion"]


@dataclass(frozen=True)
class TrialQuestion:
    """A trial as its results are looked at.

    Parameters
    ----------
    study : Study
        The design.
    names : mapping of str to str
        Names of arms by id; arms that are not named are called as in a report.
    """

    study: Study
    names: Mapping[str, str]

    @cached_property
    def planned(self) -> Planned | None:
        """The analysis that power is about; None where the study has none and none can be proposed."""
        try:
            return choose_analysis(self.study)
        except StudyError:
            return None

    @property
    def analysed(self) -> Study:
        """The study with its planned analyses, or with the one proposed."""
        if self.study.analyses or self.planned is None:
            return self.study
        return self.planned.study

    @property
    def direction(self) -> str:
        """Which way the estimate is wanted, ``lower`` or ``higher``."""
        return "lower" if self.planned is None else wanted(self.planned.analysis)

    @property
    def scale(self) -> str:
        """The scale on which people are rated."""
        return self.study.population.baseline.scale

    @property
    def scale_words(self) -> str:
        """The scale as it is printed."""
        return SCALE_WORDS.get(self.scale, self.scale)

    @cached_property
    def horizon_h(self) -> float:
        """When rates and differences are looked at: the time of the main analysis, or the last visit.

        Hours since the first dose. An analysis that counts from a later phase, or the time to an event,
        has no such visit.
        """
        last = max(self.study.times_h)
        if self.planned is None:
            return last
        analysis = self.planned.analysis
        rated = any(abs(time - analysis.time_h) < 1e-6 for time in self.study.times_h)
        return analysis.time_h if rated and analysis.origin == "entry" else last

    @property
    def horizon_words(self) -> str:
        """The horizon in words, such as ``day 28``."""
        return visit_text(self.study, self.horizon_h)

    @property
    def arms(self) -> tuple[str, ...]:
        """Arms to which people are randomised at the start."""
        return tuple(arm.id for arm in self.study.first_arms)

    @cached_property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Arms that are compared, and arms with which; the latter empty if nothing is compared."""
        if self.planned is not None and self.planned.analysis.origin == "entry":
            treated, control = self.planned.analysis.arms, self.planned.analysis.comparators
            if {*treated, *control} <= {*self.arms}:
                return treated, control
        control_id = compared_with(self.study)
        active = tuple(arm.id for arm in self.study.first_arms if arm.active)
        if control_id is None or not active:
            return active[:1] or self.arms[:1], ()
        return active[:1], (control_id,)

    def name(self, arm: str) -> str:
        """Name of an arm, or of arms joined by `` + ``."""
        parts = [part.strip() for part in arm.split("+")]
        return " + ".join(self.names.get(part) or arm_label(part) for part in parts)

    def plain_name(self, arm: str) -> str:
        """Name of an arm inside a sentence."""
        name = self.name(arm)
        # Letters of arms and short names in capitals stay as they are.
        return name[:1].lower() + name[1:] if name[1:2].islower() else name
