"""Published rows of trials as targets: what a trial like the published one shows under many parameter sets.

The same people are drawn under every set, so that what differs between sets is not chance: few of them for
slopes, each counted by how far he is from a threshold, and many for where a set stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from ketasim.inference.calibration.prior import SCORING, Prior
from ketasim.inference.targets import Target
from ketasim.model.chain import build_chain
from ketasim.model.simulator import Simulator
from ketasim.trials import Study, Trial, shipped_studies
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.row_people import People, RowTables
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.runs.workers import chunk_size, chunks_of, run_chunk
from ketasim.trials.study import Observation
from ketasim.trials.study.parts import RESPONSE_SHARE
from ketasim.validation.between import pooled, tamed
from ketasim.validation.predict.classes import class_error, row_class_of, to_class_scale
from ketasim.validation.predict.trial_rows import cells_of_row

__all__ = ["TrialRows", "calibration_rows"]

FloatArray = npt.NDArray[np.float64]

#: Accuracy of the runs; chance between people is far larger than their error.
_RTOL = 1e-4
#: People an arm: few for slopes, many for where a set stands.
_FEW, _MANY = 24, 240
_SEED = 20_261
#: Share of rows without anybody at which a set counts as unsolved.
_EMPTY = 0.2
#: Statistics of rows that inform the fit.
_STATISTICS = ("mean", "change", "difference", "effect_size", "response", "remission", "relapse")
#: A score this far from its threshold, in points, counts as a full hit or miss: a smooth step, so that
#: shares of few people follow the parameters.
_STEP_POINTS = 2.0
#: Half a person of two dozen is the smallest share.
_SMALLEST = 0.5 / (24 + 1)
#: Biology that trials see; glutamate to proteins is told by the targets about the typical patient alone.
_SEEN_BY_TRIALS = (
    "fast_arm_rate",
    "fast_arm_time",
    "fast_arm_ceiling",
    "plasticity_half",
    "plasticity_stress_shift",
    "evoked_gain",
    "nascent_life",
    "nascent_room",
    "mature_life",
    "stress_shift",
    "stress_feedback",
    "antidepressant_stress_gain",
    "life_stress_size",
    "mood_stress_weight",
    "mood_fast_arm_weight",
    "mood_spine_weight",
    "mood_consolidation_weight",
    "consolidation_build_time",
    "consolidation_fade_time",
)
#: Trials that last longer cost more than all others together, and are left out.
_LONGEST_H = 24.0 * 100.0
#: SD between studies by which rows are weighed, on the scale of their class: what the predictions of the fit
#: before asked for. They are fixed, so that a fit can be repeated and does not move its own weights.
_BETWEEN = {"points": 2.653, "rate": 0.7355, "effect_size": 0.168, "relapse": 1.99}
#: What the people of a trial that informs the fit are treated for.
_CONDITIONS = ("mdd", "trd", "bipolar_depression")


def calibration_rows(study: Study) -> tuple[Observation, ...]:
    """Rows of a study that may inform a fit: measured, of mood, marked for it, and with a known error."""
    if study.population.condition not in _CONDITIONS:
        return ()
    return tuple(
        row
        for row in study.observations
        if row.use == "calibration"
        and row.source_kind == "measured"
        and row.statistic in _STATISTICS
        and 0.0 < row.time_h <= _LONGEST_H
        and row_class_of(row) in ("points", "rate", "effect_size")
        and row.standard_error is not None
    )


@dataclass(frozen=True, eq=False)
class TrialRows:
    """Residuals of rows of trials.

    Parameters
    ----------
    studies : mapping of str to (Study, rows)
        Trials, each with the rows that count.
    prior : Prior
        The free parameters.
    """

    studies: Mapping[str, tuple[Study, tuple[Observation, ...]]]
    prior: Prior
    _simulators: list[Simulator] = field(default_factory=list, repr=False)

    @classmethod
    def shipped(cls, prior: Prior) -> TrialRows:
        """The shipped studies that are marked for calibration."""
        found = {}
        for name in shipped_studies():
            study = Study.load(name)
            rows = calibration_rows(study)
            if rows:
                found[name] = (
                    study.model_copy(update={"observations": rows, "endpoints": (), "analyses": ()}),
                    rows,
                )
        return cls(found, prior)

    @property
    def moved_by(self) -> frozenset[str]:
        """What trials can tell apart: mood and its mediators, stress, and scoring."""
        return frozenset((*SCORING, *_SEEN_BY_TRIALS))

    @property
    def step(self) -> float:
        """Wide: people cross thresholds one by one."""
        return 0.2

    @cached_property
    def aims(self) -> tuple[Target, ...]:
        """Each row as a target, on the scale of its class."""
        return tuple(self._aim(name, row) for name, (_, rows) in self.studies.items() for row in rows)

    def _aim(self, study: str, row: Observation) -> Target:
        kind, error = row_class_of(row), row.standard_error or 0.0
        factor = pooled(self.studies[study][0].pooled_trials)
        spread = _BETWEEN["relapse" if row.statistic == "relapse" else kind] * factor
        return Target(
            name=row.id,
            scenario=study,
            measure=row.statistic,
            quantity=row.quantity,
            time_h=row.time_h,
            value=to_class_scale(kind, row.value, row.n),
            sd=float(np.hypot(class_error(kind, row.value, error, row.n), spread)),
            basis="number",
            source=row.citation,
            note=row.arm,
        )

    def residuals(self, z: FloatArray) -> FloatArray:
        """Misses in SDs, shape (sets, rows), by few people; NaN where a set has no solution for a trial."""
        return self._misses(z, _FEW)

    def finely(self, z: FloatArray) -> FloatArray:
        """The same by many people, each of whom counts fully or not at all."""
        return self._misses(z, _MANY)

    def _misses(self, z: FloatArray, people: int) -> FloatArray:
        found = np.concatenate([self._cells(name, z, people) for name in self.studies], axis=1)
        # A row that is about nobody under a set (the relapse of responders, where none responded) tells
        # nothing; a set under which most rows are empty has no solution.
        empty = np.isnan(found)
        found = np.where(empty & (empty.mean(axis=1, keepdims=True) < _EMPTY), self._values, found)
        sds = np.array([aim.sd for aim in self.aims])
        return tamed((found - self._values) / sds)

    @cached_property
    def _values(self) -> FloatArray:
        return np.array([aim.value for aim in self.aims])

    def _cells(self, name: str, z: FloatArray, people: int) -> FloatArray:
        """What is shown by a trial under each set, shape (sets, rows), on the scales of the classes."""
        study, rows = self.studies[name]
        if not self._simulators:
            self._simulators.append(Simulator(build_chain(parameters=self.prior.base), _RTOL))
        trial = Trial(
            study,
            self._simulators[0],
            self.prior.base,
            _SEED,
            people,
            max(row.time_h for row in rows) if all(row.origin == "entry" for row in rows) else None,
            with_twin=False,
            keep="scores",
            draws=self.prior.draws(z),
            common=True,
        )
        chunks = chunks_of(trial.count * len(z), chunk_size(trial, len(z), lively=False))
        outcomes = Outcomes([run_chunk(trial, chunk).outcomes for chunk in chunks])
        tables = RowTables(study, outcomes)
        smooth = people == _FEW
        return np.stack([_cells_of(tables, row, len(z), smooth) for row in rows], axis=1)


def _cells_of(tables: RowTables, row: Observation, sets: int, smooth: bool) -> FloatArray:
    """A row under each set, shape (sets,), on the scale of its class; NaN where it is about nobody."""
    if smooth and row.statistic in ("response", "remission"):
        return _smooth_rate(tables, row)
    if smooth and row.statistic == "relapse" and row.origin == "entry":
        return _smooth_relapse(tables, row)
    cells = cells_of_row(tables, row)
    values = np.full(sets, np.nan) if cells is None else np.asarray(cells.values, dtype=np.float64)
    limit = np.log((1.0 - _SMALLEST) / _SMALLEST)
    return np.clip(values, -limit, limit) if row_class_of(row) == "rate" else values


def _smooth_rate(tables: RowTables, row: Observation) -> FloatArray:
    """Logit of the share who respond or remit, each person counted by how far he is from the threshold."""
    people = tables.people(row.arms, row)
    hits = _how_well(tables, row, people, row.statistic)
    group = tables.in_group(row.arms, row)
    found = people.moments(hits if group is None else np.where(group, hits, np.nan)).mean
    return np.asarray(logit(np.clip(found, _SMALLEST, 1.0 - _SMALLEST)), dtype=np.float64)


def _how_well(tables: RowTables, row: Observation, people: People, what: str) -> FloatArray:
    """How surely each person responds or is in remission, from 0 to 1."""
    if what == "response":
        threshold = (1.0 - RESPONSE_SHARE) * people.start
    else:
        # A total at the threshold is in: half a point more parts whole scores.
        threshold = np.full(len(people.values), remission_threshold(tables.study, row.quantity) + 0.5)
    return np.asarray(expit((threshold - people.values) / _STEP_POINTS), dtype=np.float64)


def _smooth_relapse(tables: RowTables, row: Observation) -> FloatArray:
    """Logit of the share who relapse, each person counted by how surely he was well and how ill he got."""
    relapse = tables.study.setting.relapse
    if relapse is None:
        return np.full(len(tables.replicates), np.nan)
    people = tables.people(row.arms, row, relapse.after_h)
    weight = _how_well(tables, row, people, "remission" if row.among == "remitters" else "response")
    limit = relapse.limit(people.start)
    runs: list[FloatArray] = []
    stays = np.ones(len(people.place))
    for time_h in (time for time in tables.study.times_h if relapse.after_h < time <= row.time_h):
        seen = tables.people(row.arms, row, time_h).values
        # Who has no score there does not meet the rule.
        ill = np.where(np.isnan(seen), 0.0, expit((seen - limit) / _STEP_POINTS))
        runs = [*runs, ill][-relapse.consecutive :]
        if len(runs) == relapse.consecutive:
            stays = stays * (1.0 - np.prod(runs, axis=0))
    weight = np.where(np.isnan(weight), 0.0, weight)
    share = people.moments(weight * (1.0 - stays)).mean / people.moments(weight).mean
    return np.asarray(logit(np.clip(share, _SMALLEST, 1.0 - _SMALLEST)), dtype=np.float64)
