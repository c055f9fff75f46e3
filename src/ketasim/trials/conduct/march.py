"""Conducts a trial: visit after visit, each deciding what comes next.

Between visits at which something may change the biology runs without a break. At a visit
persons are rated, some leave, and rules move some to other arms. Nothing that happens to
a person depends on another person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ketasim.population import draw_occasions
from ketasim.trials.conduct.biology import Biology, Group, Stretch
from ketasim.trials.conduct.decisions import Seen, assigned, due, holds
from ketasim.trials.conduct.enrolment import Enrolled, enrol
from ketasim.trials.conduct.leaving import AtVisit, is_unseen, leavers, missed_doses
from ketasim.trials.conduct.progress import Event, Progress
from ketasim.trials.conduct.rating import Rater
from ketasim.trials.conduct.stays import Plans, Stay
from ketasim.trials.harms.events import adverse_events
from ketasim.trials.harms.exposure import PEAKS
from ketasim.trials.study.flow import Action, DecisionRule

if TYPE_CHECKING:
    from ketasim.trials.conduct.trial import Trial

__all__ = ["Conducted", "conduct"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_SAME_TIME_H = 1e-6


@dataclass(frozen=True)
class Conducted:
    """Some patients of a trial, and all that was seen of them.

    Parameters
    ----------
    enrolled : Enrolled
        Who.
    visits_h : array, shape (visits,)
        When they were due to be rated.
    scores, values, peaks : dict of str to array, shape (persons, visits)
        Rated totals, quantities of the model, and their largest since the visit before. NaN where
        a person was not seen.
    treatment : array of int, shape (persons, visits)
        Place of the arm in force.
    reason : array of str, shape (persons, visits)
        Why a person was not seen; empty where he was.
    progress : Progress
        Where each stands at the end, and what happened on the way.
    """

    enrolled: Enrolled
    visits_h: FloatArray
    scores: dict[str, FloatArray]
    values: dict[str, FloatArray]
    peaks: dict[str, FloatArray]
    treatment: IntArray
    reason: npt.NDArray[np.object_]
    progress: Progress


def conduct(trial: Trial, replicates: IntArray, subjects: IntArray) -> Conducted:
    """Simulate some patients of a trial from entry to end.

    Parameters
    ----------
    trial : Trial
        The trial.
    replicates, subjects : array of int, shape (patients,)
        Which trial, and which patient of it, from 1.
    """
    return _Conduct(trial, enrol(trial, replicates, subjects)).run()


@dataclass
class _Conduct:
    trial: Trial
    enrolled: Enrolled
    scores: dict[str, FloatArray] = field(default_factory=dict)
    values: dict[str, FloatArray] = field(default_factory=dict)
    peaks: dict[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        trial, count = self.trial, len(self.enrolled)
        study = trial.study
        self.visits = np.array(trial.rating_times)
        self.entry = self.enrolled.people.baseline
        self.rater = Rater(
            study, self.enrolled.numbers, trial.settings, trial.rated, self.enrolled.who, self.entry,
            self.enrolled.cohort.severity, self.enrolled.hope, trial.hold,
        )  # fmt: skip
        chance = np.array([setting.allocation for setting in trial.settings])
        missed = self._missed(self.enrolled.arm, 0.0)
        paths = [
            (Stay(arm, 0.0, missed=own),) for arm, own in zip(self.enrolled.arm.tolist(), missed, strict=True)
        ]
        self.progress = Progress.start(paths, self.entry, chance[self.enrolled.arm])
        self.arm_scores: dict[str, FloatArray] = {study.population.baseline.scale: self.entry.copy()}
        self.harms = np.zeros(count, dtype=np.int64)
        # All that will be recorded, so that tables have the same rows whoever is there to be seen.
        own = ("severity_without_drug",) if trial.with_twin else ()
        kinds = (trial.rated, (*trial.quantities, *own, "belief", "placebo"), trial.peaks)
        for store, names in zip((self.scores, self.values, self.peaks), kinds, strict=True):
            store.update({name: np.full((count, len(self.visits)), np.nan) for name in names})
        self.treatment = np.repeat(self.enrolled.arm[:, None], len(self.visits), axis=1)
        self.reason = np.full((count, len(self.visits)), "", dtype=object)

    @cached_property
    def biology(self) -> Biology:
        trial = self.trial
        plans = Plans(trial.study.arms, trial.rating_times, trial.horizon, trial.scoring.visit_gap)
        who, spreads = self.enrolled.who, trial.variability.occasions
        occasions = draw_occasions(
            spreads,
            trial.most_doses,
            seed=who.seed,
            study=who.study,
            replicates=who.replicate,
            subjects=who.subject,
        )
        # Of many draws those far off are left out, and reported, rather than searched for.
        thorough = trial.draws is None
        return Biology(
            trial.simulator, self.enrolled.cohort, plans, trial.inputs, occasions, thorough=thorough
        )

    @cached_property
    def twin(self) -> Biology:
        return self.biology.twin()

    def run(self) -> Conducted:
        """March from visit to visit."""
        progress, trial = self.progress, self.trial
        for person, text in self.biology.rested.refused.items():
            progress.fail(person, text)
        for begin, end in trial.stretches:
            there = np.flatnonzero(progress.in_trial)
            if not len(there):
                self.treatment[:, self.visits > begin + _SAME_TIME_H] = progress.arms[:, None]
                break
            self._stretch(there, begin, end)
        own = self.scores[self._scale]
        unseen = np.isnan(own) & (self.reason == "")
        self.reason[unseen] = np.broadcast_to(progress.reason[:, None], own.shape)[unseen]
        return Conducted(
            self.enrolled, self.visits, self.scores, self.values, self.peaks,
            self.treatment, self.reason, progress,
        )  # fmt: skip

    def _stretch(self, there: IntArray, begin: float, end: float) -> None:
        progress = self.progress
        paths = [progress.paths[person] for person in there.tolist()]
        stretch = self.biology.go_on(there, paths, begin, end, self.trial.recorded)
        failed = dict(stretch.failed)
        pairs = [(group, group) for group in stretch.groups]
        if self.trial.with_twin:
            pairs, others = self._with_twins(stretch)
            failed |= others
        for person, text in failed.items():
            progress.fail(person, text)
        inside = (self.visits > begin + _SAME_TIME_H) & (self.visits <= end + _SAME_TIME_H)
        if begin == 0.0:
            inside |= self.visits <= _SAME_TIME_H
        # In order of time: whoever leaves at a visit has no later session, and a visit knows no later harm.
        since = begin
        for visit in np.flatnonzero(inside).tolist():
            self._sessions(pairs, since, self.visits[visit])
            self._visit(visit, pairs)
            since = self.visits[visit]
        self._sessions(pairs, since, end)
        for group, _ in pairs:
            progress.strongest[group.persons] = self.rater.strongest(group, end, progress)
        self._decide(end)

    def _with_twins(self, stretch: Stretch) -> tuple[list[tuple[Group, Group]], dict[int, str]]:
        """Groups beside the same persons with dose zero, and who of these could not be solved."""
        twin, pairs = self.twin, []
        treated = [group for group in stretch.groups if group.plan.regimen.is_active]
        for group in stretch.groups:
            if not group.plan.regimen.is_active:
                twin.states[group.persons] = self.biology.states[group.persons]
                pairs.append((group, group))
        if not treated:
            return pairs, {}
        members = np.sort(np.concatenate([group.persons for group in treated]))
        paths = [self.progress.paths[person] for person in members.tolist()]
        found = twin.go_on(members, paths, stretch.begin_h, stretch.end_h, self.trial.of_twin)
        for group in treated:
            for other in found.groups:
                if other.plan.path == group.plan.path:
                    known = np.isin(group.persons, other.persons)
                    pairs.append((group.part(known), other))
        return pairs, found.failed

    def _sessions(self, pairs: list[tuple[Group, Group]], begin: float, end: float) -> None:
        """Adverse events of the treatment visits that begin in a span, of those who are still there."""
        who, progress = self.enrolled.who, self.progress
        for group, _ in pairs:
            there = progress.in_trial[group.persons]
            persons = group.persons[there]
            for start, over in group.sessions(begin, end):
                peaks = {name: group.extreme(name, start - _SAME_TIME_H, over)[there] for name in PEAKS}
                progress.sessions[persons] += 1
                session = progress.sessions[persons]
                frailty = {name: z[persons] for name, z in self.enrolled.people.frailty.items()}

                def drawn(harm: str, start: float = start, persons: IntArray = persons) -> FloatArray:
                    return who.uniforms("harm", harm, f"{start:.6g}")[persons]

                active = np.full(len(persons), group.plan.is_active(start, over))
                found = adverse_events(peaks, active, frailty, session, drawn)
                arm = group.plan.path[-1].arm
                for harm in sorted(found):
                    for person in persons[found[harm]].tolist():
                        progress.events.append(Event(person, start, "adverse_event", harm, arm))
                        self.harms[person] += 1

    def _visit(self, visit: int, pairs: list[tuple[Group, Group]]) -> None:
        time, progress = float(self.visits[visit]), self.progress
        count = len(self.enrolled)
        scores = {name: np.full(count, np.nan) for name in self.trial.rated}
        belief, placebo = np.full(count, np.nan), np.full(count, np.nan)
        rated_h = self._rated_h(time)
        for group, other in pairs:
            persons = group.persons
            scored = other if self.trial.hold == "biology" else group
            rated = self.rater.rate(group, time, rated_h[persons], scored, progress)
            for name, values in rated.scores.items():
                scores[name][persons] = values
            belief[persons], placebo[persons] = rated.belief, rated.placebo
        self._leave(visit, scores[self._scale], unseen=True)
        seen = progress.in_trial
        self._keep(visit, pairs, rated_h, seen)
        kept = {**scores, "belief": belief, "placebo": placebo}
        for name, values in kept.items():
            store = self.scores if name in scores else self.values
            store[name][seen, visit] = values[seen]
        progress.last_score = np.where(seen, scores[self._scale], progress.last_score)
        for name, seen_values in {**self.values, **self.scores}.items():
            self.arm_scores.setdefault(name, seen_values[:, visit].copy())
        progress.belief = np.where(np.isnan(belief), progress.belief, belief)
        self.treatment[:, visit] = progress.arms
        self.reason[:, visit] = progress.reason
        self._leave(visit, scores[self._scale], unseen=False)
        self.harms[:] = 0

    def _keep(
        self, visit: int, pairs: list[tuple[Group, Group]], rated_h: FloatArray, seen: npt.NDArray[np.bool_]
    ) -> None:
        """Note what the model holds of those who are seen."""
        time = float(self.visits[visit])
        before = float(self.visits[visit - 1]) if visit else -1.0
        for group, other in pairs:
            here = seen[group.persons]
            persons = group.persons[here]
            for name in self.trial.quantities:
                self.values[name][persons, visit] = group.between(name, rated_h[group.persons])[here]
            if self.trial.with_twin:
                without = other.between("severity", rated_h[group.persons])
                self.values["severity_without_drug"][persons, visit] = without[here]
            for name in self.trial.peaks:
                self.peaks[name][persons, visit] = group.extreme(name, before, time)[here]

    @property
    def _scale(self) -> str:
        return self.trial.study.population.baseline.scale

    def _rated_h(self, time: float) -> FloatArray:
        """When each person is rated: within the visit's window, and not beyond the stretch."""
        window = self.trial.windows_h.get(time, 0.0)
        if window == 0.0:
            return np.full(len(self.enrolled), time)
        drawn = self.enrolled.who.uniforms("window", f"{time:.6g}")
        return np.maximum(time + (2.0 * drawn - 1.0) * window, 0.0)

    def _leave(self, visit: int, score: FloatArray, *, unseen: bool) -> None:
        """Let those leave who leave at this visit: before it, so that it is not seen, or after it."""
        trial, progress = self.trial, self.progress
        time = float(self.visits[visit])
        if time <= 0.0:
            return
        arms = trial.study.arms
        for dropout in trial.study.dropout:
            if is_unseen(dropout) != unseen:
                continue
            concerned = (
                np.array([dropout.concerns(arm.id) for arm in arms])[progress.arms] & progress.in_trial
            )
            if dropout.leaves == "treatment":
                concerned &= progress.on_treatment
            before = float(self.visits[visit - 1]) if visit else 0.0
            at = AtVisit(time, before, score, progress.last_score, self.entry, self.harms, concerned)
            gone = np.flatnonzero(leavers(dropout, at, self.enrolled.who))
            for person in gone.tolist():
                if dropout.leaves == "treatment":
                    progress.stop(person, time, dropout.id)
                else:
                    progress.leave(person, time, dropout.id)

    def _decide(self, time: float) -> None:
        """Let rules act, each person meeting one at most."""
        trial, progress = self.trial, self.progress
        places = np.flatnonzero(np.abs(self.visits - time) < _SAME_TIME_H)
        if not len(places) or not trial.study.rules:
            return
        seen = self._seen(int(places[0]))
        arms, entered = progress.arms, progress.entered_h
        free = progress.in_trial.copy()
        for rule in trial.study.rules:
            concerned = np.array([rule.concerns(arm.id) for arm in trial.study.arms])[arms]
            checked = concerned & due(rule, time, entered) & free
            met = checked.copy()
            for number, condition in enumerate(rule.conditions):
                met &= holds(condition, seen, self.enrolled.who, f"{rule.id} {number}")
            held = progress.held.setdefault(rule.id, np.zeros(len(progress), dtype=np.int64))
            held[checked] = np.where(met[checked], held[checked] + 1, 0)
            acts = met & (held >= rule.consecutive)
            self._act(rule, rule.then, acts, seen)
            free &= ~acts
            if rule.otherwise is not None:
                missed = checked & ~met
                self._act(rule, rule.otherwise, missed, seen)
                free &= ~missed
        for name, values in seen.values.items():
            entered_now = np.flatnonzero(progress.entered_h > entered)
            if name in self.arm_scores:
                self.arm_scores[name][entered_now] = values[entered_now]

    def _seen(self, visit: int) -> Seen:
        trial, progress = self.trial, self.progress
        values = {name: store[:, visit] for name, store in {**self.values, **self.scores}.items()}
        doses = np.zeros(len(progress), dtype=np.int64)
        for person, path in enumerate(progress.paths):
            sessions = self.biology.plans.of(path).sessions_h
            doses[person] = int(np.sum((sessions >= path[-1].start_h) & (sessions < self.visits[visit])))
        return Seen(
            float(self.visits[visit]),
            values,
            {name: store[:, visit] for name, store in self.peaks.items()},
            self.enrolled.people.covariates,
            {name: store[:, 0] for name, store in {**self.values, **self.scores}.items()},
            self.arm_scores,
            trial.remission,
            self._scale,
            doses,
        )

    def _act(self, rule: DecisionRule, action: Action, chosen: npt.NDArray[np.bool_], seen: Seen) -> None:
        progress, study = self.progress, self.trial.study
        persons = np.flatnonzero(chosen)
        if not len(persons):
            return
        if action.kind in ("stop", "withdraw"):
            reason = action.stop or action.withdraw or ""
            for person in persons.tolist():
                if action.kind == "stop":
                    progress.stop(person, seen.time_h, reason)
                else:
                    progress.leave(person, seen.time_h, reason)
            return
        purpose = f"{rule.id} {seen.time_h:.6g}"
        targets = assigned(action, seen, self.enrolled.who, purpose)
        places = {arm.id: place for place, arm in enumerate(study.arms)}
        for name in sorted(set(targets[persons].tolist())):
            members = persons[targets[persons] == name]
            arms = np.full(len(progress), places[name])
            missed = self._missed(arms, seen.time_h)
            for person in members.tolist():
                before = study.arms[progress.paths[person][-1].arm].id
                stay = Stay(places[name], seen.time_h, missed=missed[person])
                kind = "rescue" if action.kind == "rescue" else "switch"
                progress.enter(person, stay, kind, f"{before} to {name} by {rule.id}")
            target = study.arms[places[name]]
            if target.empirical or not target.dosing.is_empty:
                progress.belief[members] = self.trial.settings[places[name]].allocation

    def _missed(self, arm: IntArray, start: float) -> list[tuple[int, ...]]:
        """Doses that each person will miss in the arm that he enters."""
        study, who = self.trial.study, self.enrolled.who
        found: list[tuple[int, ...]] = [()] * len(arm)
        if study.adherence is None:
            return found
        for place in np.unique(arm).tolist():
            own = missed_doses(study.adherence, study.arms, place, start, who, self.trial.scoring.visit_gap)
            for person in np.flatnonzero(arm == place).tolist():
                found[person] = own[person]
        return found
