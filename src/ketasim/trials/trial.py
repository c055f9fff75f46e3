"""A trial that can be simulated: a study joined with the model.

Everything about a person follows from the study, the seed and his number, so
that neither order, chunk nor worker can change a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.engine.schedule import InputPath
from ketasim.errors import KetasimError, SolverError, StudyError, unknown_name
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import Wanted
from ketasim.model.simulator import Case, Run, Simulator
from ketasim.model.times import output_times
from ketasim.population import (
    SCALE_MAXIMUM,
    PopulationSpec,
    Variability,
    VirtualPatient,
    draw_patients,
    stream,
    typical_patient,
)
from ketasim.trials import scoring
from ketasim.trials.columns import OUTCOMES
from ketasim.trials.scoring import Setting
from ketasim.trials.study import Arm, Study

__all__ = ["Scored", "Trial"]

#: Highest latent severity that a patient is set up with, in MADRS points: at 60 the read-out has no inverse.
_HIGHEST_SEVERITY = 58.0

#: What every trial records beside the quantities that its file asks for.
_ALWAYS = ("cadss", "felt_effect", "systolic_pressure", "sedation", "nausea")

#: What the scoring layer and the comparison with dose zero read.
_FOR_SCORING = ("severity", "madrs", "felt_effect")


@dataclass(frozen=True)
class Scored:
    """A person's time courses with the scoring layer on top.

    Parameters
    ----------
    run, without_drug : Run
        With the regimen, and with dose zero on the same stress path.
    hoped : Expectation
        Belief of having the drug, and what placebo takes from the score.
    """

    run: Run
    without_drug: Run
    hoped: scoring.Expectation


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
    seed, replicate : int
        Name the random streams.
    subjects : int or None
        Patients per arm; None for the published number.
    end_h : float or None
        Last time that is simulated; None for the last visit.
    """

    study: Study
    simulator: Simulator
    parameters: ParameterSet
    seed: int = 1
    replicate: int = 0
    subjects: int | None = None
    end_h: float | None = None

    def __post_init__(self) -> None:
        if self.subjects is not None and self.subjects < 1:
            raise StudyError(f"subjects: {self.subjects} is not a number of patients; give 1 or more.")
        if self.end_h is not None and self.end_h <= 0.0:
            raise StudyError(f"days: {self.end_h / 24:g} d is not a length of time; give more than 0.")
        if self.study.population.baseline.scale not in SCALE_MAXIMUM:
            raise StudyError(
                f"{self.study.id}: population.baseline.scale: "
                f"{unknown_name('scale', self.study.population.baseline.scale, SCALE_MAXIMUM)}"
            )

    @cached_property
    def rating_times(self) -> tuple[float, ...]:
        """Times at which patients are rated and that lie within the simulated span, in h."""
        # Days and hours are converted apart: a visit at the last time must not be lost to rounding.
        limit = np.inf if self.end_h is None else self.end_h + 1e-9
        return tuple(time for time in self.study.times_h if time <= limit)

    @cached_property
    def horizon(self) -> float:
        """Last simulated time, in h."""
        return self.end_h if self.end_h is not None else max(self.study.times_h)

    @cached_property
    def quantities(self) -> tuple[str, ...]:
        """What is recorded for each person."""
        asked = [endpoint.quantity for endpoint in self.study.endpoints]
        asked += [observation.quantity for observation in self.study.observations]
        asked += [name for visit in self.study.visits for name in visit.quantities]
        scale = self.study.population.baseline.scale
        names = dict.fromkeys((scale, *asked, *_ALWAYS))
        # Severity is recorded in any case, beside its counterfactual.
        return tuple(name for name in names if name in self._known and name != "severity")

    @property
    def _known(self) -> Mapping[str, object]:
        return self.simulator.chain.quantities

    @cached_property
    def scoring(self) -> scoring.ScoringParameters:
        """Numbers of the scoring layer."""
        return scoring.ScoringParameters.from_table(self.parameters)

    def size(self, arm: Arm) -> int:
        """Patients of an arm."""
        return arm.n if self.subjects is None else self.subjects

    def people(self, arm: Arm) -> tuple[VirtualPatient, ...]:
        """Draw the patients of an arm; numbers run on from arm to arm."""
        before = self.study.arms[: self.study.arms.index(arm)]
        return draw_patients(
            self._spec(arm),
            self.variability,
            self.size(arm),
            seed=self.seed,
            study=self.study.id,
            replicate=self.replicate,
            arm=arm.id,
            first_subject=1 + sum(self.size(other) for other in before),
            days=int(np.ceil(self.horizon / 24.0)) + 1,
            stress_tau_h=self.parameters["life_stress_time"].value,
            stress_sd_points=self.parameters["life_stress_points"].value,
            error_sd=scoring.error_sd(self.scoring, self.study.population.baseline.scale),
            n_occasions=len(arm.dosing.doses),
        )

    @cached_property
    def variability(self) -> Variability:
        """How parameters differ between people, and between the doses of one person."""
        return Variability.of(self.parameters)

    def typical(self, arm: Arm) -> VirtualPatient:
        """The typical patient of an arm: no deviation, no life stress, no error."""
        return typical_patient(self._spec(arm), arm=arm.id, days=int(np.ceil(self.horizon / 24.0)) + 1)

    def _spec(self, arm: Arm) -> PopulationSpec:
        population, baseline = self.study.population, self.study.baseline(arm.id)
        rules = [rule for rule in population.entry_rules if rule.scale == baseline.scale]
        lower = [rule.value for rule in rules if rule.operator in (">=", ">")]
        upper = [rule.value for rule in rules if rule.operator in ("<=", "<")]
        covariates = population.covariates
        given: dict[str, float] = {}
        for name in ("weight", "age"):
            distribution = getattr(covariates, name)
            if distribution is not None:
                given |= {f"{name}_mean": distribution.mean, f"{name}_sd": distribution.sd}
        if covariates.female_fraction is not None:
            given["female_fraction"] = covariates.female_fraction
        return PopulationSpec(
            baseline_mean=baseline.mean,
            baseline_sd=baseline.sd,
            scale=baseline.scale,
            entry_lower=max(lower) if lower else None,
            entry_upper=min(upper) if upper else None,
            **given,
        )

    def setting(self, arm: Arm) -> Setting:
        """Circumstances of an arm that act on expectancy."""
        study = self.study
        started = study.setting.new_antidepressant or "new_antidepressant" in arm.comedication
        return scoring.Setting(
            allocation=study.allocation,
            masked=float(arm.masked),
            open_label=float(study.setting.blinding == "open_label"),
            # Surgery is care in hospital too: nobody has told the two apart.
            inpatient=float(study.setting.care in ("inpatient", "surgery")),
            new_antidepressant=float(started),
        )

    def wanted(self, person: VirtualPatient) -> Wanted:
        """Say how a person is to be set up: his parameters, and his severity at entry."""
        values = {name: self.parameters[name].times(factor) for name, factor in person.parameters.items()}
        covariates = {
            "weight": person.weight_kg,
            "age": person.age_y,
            "female": float(person.sex == "female"),
        }
        # A chain of someone's own may know fewer of them.
        values |= {name: value for name, value in covariates.items() if name in self.parameters}
        own = self.parameters.with_values(values)
        scale = self.study.population.baseline.scale
        points = person.severity_baseline
        if scale == "hamd17":
            points = points / self.parameters["hamd17_per_madrs"].value
        return Wanted(own, min(points, _HIGHEST_SEVERITY), person.entry_stress)

    def scored(self, arm: Arm, person: VirtualPatient, times: np.ndarray | None = None) -> Scored:
        """Simulate a person with and without the drug, and put the scoring layer on top.

        Parameters
        ----------
        arm, person
            Who, and what he gets.
        times : array, shape (n_times,), optional
            Output times in hours; default: visits, and enough around each dose to catch peaks.

        Raises
        ------
        SolverError
            If he has no rest at his severity, or his equations cannot be solved.
        """
        (found,) = self.scored_many(arm, [person], times, tuple(self._known))
        if isinstance(found, KetasimError):
            raise found
        return found

    def scored_many(
        self,
        arm: Arm,
        people: Sequence[VirtualPatient],
        times: np.ndarray | None = None,
        quantities: Sequence[str] | None = None,
    ) -> list[Scored | KetasimError]:
        """Simulate persons at once; see :meth:`scored`.

        Parameters
        ----------
        arm, people, times
            Who, and what they get.
        quantities : sequence of str, optional
            What their courses hold; default: what the trial records.

        Returns
        -------
        list of Scored or KetasimError
            An error for each person that could not be simulated.
        """
        regimen = arm.dosing
        if times is None:
            times = output_times(regimen, self.horizon, self.rating_times, fine=False)
        names = tuple(dict.fromkeys((*(quantities or self.quantities), *_FOR_SCORING)))
        patients = self.simulator.depressed_many([self.wanted(person) for person in people])
        rested = [
            (person, patient)
            for person, patient in zip(people, patients, strict=True)
            if not isinstance(patient, KetasimError)
        ]
        cases = [
            Case(patient, regimen, times, self._inputs(arm, person), occasions=person.occasions)
            for person, patient in rested
        ]
        runs = iter(self.simulator.run_many(cases, names))
        without = runs
        if regimen.is_active:
            controls = [replace(case, regimen=regimen.without_active_drug()) for case in cases]
            without = iter(self.simulator.run_many(controls, ("severity",)))
        found: list[Scored | KetasimError] = []
        for person, patient in zip(people, patients, strict=True):
            if isinstance(patient, KetasimError):
                found.append(patient)
                continue
            run = next(runs)
            control = next(without) if regimen.is_active else run
            found.append(self._with_hope(arm, person, run, control))
        return found

    def _with_hope(
        self, arm: Arm, person: VirtualPatient, run: Run | SolverError, control: Run | SolverError
    ) -> Scored | KetasimError:
        for item in (run, control):
            if isinstance(item, SolverError):
                return item
        assert isinstance(run, Run)
        assert isinstance(control, Run)
        hope = person.parameters.get("placebo_gain", 1.0)
        setting = self.setting(arm)
        hoped = scoring.expectation(run.times_h, run.quantities, arm.dosing, setting, self.scoring, hope)
        return Scored(run, control, hoped)

    def _inputs(self, arm: Arm, person: VirtualPatient) -> dict[str, InputPath]:
        """Life stress day by day, and co-medication."""
        inputs = {"life_stress": InputPath(tuple(24.0 * np.arange(len(person.stress))), tuple(person.stress))}
        if self.setting(arm).new_antidepressant:
            inputs["antidepressant"] = InputPath((0.0,), (1.0,))
        return inputs

    def outcomes(self, arm: Arm, person: VirtualPatient) -> pd.DataFrame:
        """What is recorded of a person: entry and every visit, scored and unscored.

        Returns
        -------
        DataFrame
            The columns of :data:`~ketasim.trials.columns.OUTCOMES`; ``statistic`` is
            ``score`` for what a rater writes and ``value`` for what the model holds.
        """
        return self.recorded(arm, person, self.scored(arm, person))

    def recorded(self, arm: Arm, person: VirtualPatient, found: Scored) -> pd.DataFrame:
        """What is recorded of a person whose courses are known; see :meth:`outcomes`."""
        index = np.searchsorted(found.run.times_h, np.array(self.rating_times) - 1e-9)
        visits = np.array(self.rating_times)
        values = {name: found.run.quantities[name][index] for name in self.quantities}
        extra = {
            "severity": found.run.quantities["severity"][index],
            "severity_without_drug": found.without_drug.quantities["severity"][index],
            "belief": found.hoped.belief[index],
            "placebo": found.hoped.placebo[index],
        }
        scale = self.study.population.baseline.scale
        rows = [self._rows(scale, "score", [0.0], [person.baseline])] if 0.0 not in visits else []
        for name, course in values.items():
            if name in SCALE_MAXIMUM:
                rows.append(
                    self._rows(name, "score", visits, self._scores(person, name, course, found, index))
                )
            else:
                rows.append(self._rows(name, "value", visits, course))
        rows += [self._rows(name, "value", visits, course) for name, course in extra.items()]
        columns = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
        frame = pd.DataFrame(columns)
        frame["study"], frame["replicate"] = self.study.id, self.replicate
        frame["arm"], frame["subject"] = arm.id, person.subject
        return frame[list(OUTCOMES)]

    def _scores(
        self, person: VirtualPatient, scale: str, course: np.ndarray, found: Scored, index: np.ndarray
    ) -> np.ndarray:
        random = stream(self.seed, self.study.id, self.replicate, person.subject, "score", scale)
        errors = scoring.score_errors(len(course), random, self.scoring, scale)
        scored = scoring.score(course, found.hoped.relief[index], errors, SCALE_MAXIMUM[scale])
        if scale == self.study.population.baseline.scale:
            return np.where(np.array(self.rating_times) <= 0.0, person.baseline, scored)
        return scored

    def _rows(
        self, quantity: str, statistic: str, times: npt.ArrayLike, values: npt.ArrayLike
    ) -> dict[str, np.ndarray]:
        if quantity in self._known:
            unit = self.simulator.chain.quantities[quantity].shown_unit
        else:
            unit = {"severity_without_drug": "points", "belief": "ratio", "placebo": "points"}[quantity]
        count = np.size(values)
        return {
            "quantity": np.full(count, quantity, dtype=object),
            "statistic": np.full(count, statistic, dtype=object),
            "time_h": np.asarray(times, dtype=np.float64),
            "unit": np.full(count, unit, dtype=object),
            "value": np.asarray(values, dtype=np.float64),
            "reason": np.full(count, "", dtype=object),
        }
