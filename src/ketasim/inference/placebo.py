"""Calibration of the scoring layer to what control arms did.

The biology of a control arm does not depend on the scoring layer, so its people are
simulated once; what is fitted afterwards is cheap. Only observations marked
``calibration`` are used, and only mean changes of arms without ketamine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from ketasim.inference.calibration import Calibration, prior, shrinkage
from ketasim.inference.targets import Target
from ketasim.model.chain import build_chain
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.model.times import output_times
from ketasim.population import SCALE_MAXIMUM
from ketasim.trials import Study, scoring, shipped_studies
from ketasim.trials.conduct.biology import Biology
from ketasim.trials.conduct.enrolment import enrol
from ketasim.trials.conduct.rating import setting_of
from ketasim.trials.conduct.stays import Plans, Stay
from ketasim.trials.conduct.trial import Trial
from ketasim.trials.study import Arm, Observation

__all__ = ["FREE_SCORING", "calibrate_scoring"]

FloatArray = npt.NDArray[np.float64]

#: What control arms can tell apart: size and decay of the acute pulse, the lasting part, hospital care.
FREE_SCORING = ("placebo_acute", "placebo_acute_decay", "placebo_slow", "care_inpatient")

#: People simulated per control arm; the same seed always draws the same ones.
_PEOPLE = 48
_SEED = 20260


@dataclass(frozen=True)
class _ControlArm:
    """A control arm with the biology of its people, before scoring."""

    trial: Trial
    arm: Arm
    rows: tuple[Observation, ...]

    @cached_property
    def times(self) -> FloatArray:
        return output_times(self.arm.dosing, self.trial.horizon, self.trial.rating_times, fine=False)

    @cached_property
    def biology(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """MADRS and felt effect over time, shape (people, times); scores at entry; placebo factors."""
        place = self.trial.study.arms.index(self.arm)
        roll = self.trial.roll(0)
        subjects = np.flatnonzero(roll.arm == place) + 1
        enrolled = enrol(self.trial, np.zeros(len(subjects), dtype=np.int64), subjects)
        plans = Plans(self.trial.study.arms, self.trial.rating_times, self.trial.horizon, 0.0)
        body = Biology(self.trial.simulator, enrolled.cohort, plans, self.trial.inputs)
        well = np.array([i for i in range(len(subjects)) if i not in body.rested.refused])
        paths = [(Stay(place, 0.0),)] * len(well)
        (group,) = body.go_on(well, paths, 0.0, self.trial.horizon, ("madrs", "felt_effect")).groups
        return (
            group.courses["madrs"],
            group.courses["felt_effect"],
            enrolled.people.baseline[group.persons],
            enrolled.hope[group.persons],
        )

    def changes(self, numbers: scoring.ScoringParameters) -> FloatArray:
        """Mean change of the scored total at each row's time."""
        madrs, felt, entry, hope = self.biology
        doses = [dose.start_h for dose in self.arm.dosing.doses]
        setting = setting_of(self.trial.study, self.arm)
        believed = scoring.belief(self.times, felt, doses, setting, numbers)
        relief = scoring.relief(self.times, doses, believed, setting, numbers, hope)
        scored = scoring.score(madrs, relief.total, 0.0, SCALE_MAXIMUM["madrs"])
        index = [int(np.argmin(np.abs(self.times - row.time_h))) for row in self.rows]
        return np.asarray((scored[:, index] - entry[:, None]).mean(axis=0), dtype=np.float64)


def _control_arms(parameters: ParameterSet) -> list[_ControlArm]:
    simulator = Simulator(build_chain(parameters=parameters), 1e-5)
    found = []
    for name in shipped_studies():
        study = Study.load(name)
        trial = Trial(study, simulator, parameters, seed=_SEED, subjects=_PEOPLE)
        for arm in study.first_arms:
            rows = tuple(
                row
                for row in study.observations
                if row.use == "calibration"
                and row.statistic == "change"
                and row.quantity == "madrs"
                and row.arm == arm.id
                and row.standard_error is not None
            )
            if rows and not arm.active:
                found.append(_ControlArm(trial, arm, rows))
    return found


def calibrate_scoring(
    parameters: ParameterSet | None = None, names: Sequence[str] = FREE_SCORING
) -> Calibration:
    """Fit sizes and times of placebo and expectancy to control arms.

    Parameters
    ----------
    parameters : ParameterSet, optional
        Ranges and the biology; default: the shipped human tables.
    names : sequence of str
        Free parameters.

    Returns
    -------
    Calibration
    """
    base = load_parameters() if parameters is None else parameters
    names = tuple(names)
    centre, sd = prior(base, names)
    arms = _control_arms(base)
    targets = tuple(
        Target(
            name=row.id,
            scenario=arm.trial.study.id,
            measure="change",
            quantity=row.quantity,
            time_h=row.time_h,
            value=row.value,
            sd=_error(row),
            basis="number",
            source=row.citation,
            note=arm.arm.id,
        )
        for arm in arms
        for row in arm.rows
    )

    def misses(z: FloatArray) -> FloatArray:
        values = dict(zip(names, np.exp(centre + sd * z).tolist(), strict=True))
        numbers = scoring.ScoringParameters.from_table(base.with_values(values))
        reached = np.concatenate([arm.changes(numbers) for arm in arms])
        return np.array([(r - t.value) / t.sd for r, t in zip(reached, targets, strict=True)])

    def residuals(z: FloatArray) -> FloatArray:
        return np.concatenate([misses(z), z])

    fit = least_squares(residuals, np.zeros(len(names)), xtol=1e-8)
    posterior = shrinkage(fit.jac)
    reached = np.array([t.value + m * t.sd for t, m in zip(targets, misses(fit.x), strict=True)])
    return Calibration(names, np.exp(centre + sd * fit.x), posterior, targets, reached, float(fit.cost))


def _error(row: Observation) -> float:
    """Standard error with what is known of the spread between trials' control arms added (2 points)."""
    return float(np.hypot(row.standard_error or 0.0, 2.0))
