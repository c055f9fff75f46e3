"""The typical patient of each arm as labelled trajectories, with and without the drug."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ketasim._lazy import lazy_module
from ketasim.errors import SolverError
from ketasim.model.cohort import Given, InputStep, at_rest, run_stretch
from ketasim.model.times import output_times
from ketasim.population import typical_people
from ketasim.trials import scoring
from ketasim.trials.causes import arm_inputs
from ketasim.trials.conduct.enrolment import cohort_of
from ketasim.trials.conduct.rating import setting_of
from ketasim.trials.conduct.trial import Trial
from ketasim.trials.study import Arm
from ketasim.trials.study.people import population_spec

if TYPE_CHECKING:
    import xarray as xr
else:
    xr = lazy_module("xarray")

__all__ = ["course_variable", "typical_trajectories"]

FloatArray = npt.NDArray[np.float64]

#: Times closer than this are one.
_SAME_TIME_H = 1e-9


def typical_trajectories(trial: Trial) -> xr.Dataset:
    """Simulate the typical patient of every arm to which patients are randomised, on a fine grid of times.

    Parameters
    ----------
    trial : Trial
        The study joined with the model.

    Returns
    -------
    xarray.Dataset
        Dimensions ``replicate, arm, subject, time`` (hours); one variable a quantity, each
        with ``units``, ``long_name`` and ``source``. ``severity_without_drug`` is the same
        person with dose zero; ``belief`` and ``placebo`` come from the scoring layer. No rule acts.

    Raises
    ------
    SolverError
        If the typical patient of an arm cannot be simulated.
    """
    arms = trial.study.first_arms
    grids = [output_times(arm.dosing, trial.horizon, trial.rating_times) for arm in arms]
    times = np.unique(np.concatenate(grids))
    # Times of two arms that rounding tore apart are one.
    times = times[np.concatenate([[True], np.diff(times) > _SAME_TIME_H])]
    chain = trial.simulator.chain
    courses, without = _courses(trial, arms, times)
    hoped = [
        scoring.expectation(
            times,
            {name: course[place] for name, course in courses.items()},
            arm.dosing,
            setting_of(trial.study, arm),
            trial.scoring,
        )
        for place, arm in enumerate(arms)
    ]
    data = {
        name: course_variable(courses[name], item.shown_unit, item.label, f"stage {chain.owner[name]}")
        for name, item in chain.quantities.items()
    }
    label = "latent severity with dose zero"
    data["severity_without_drug"] = course_variable(without, "points", label, "model")
    belief = np.array([course.belief for course in hoped])
    data["belief"] = course_variable(belief, "ratio", "belief of having the drug", "scoring")
    placebo = np.array([course.placebo for course in hoped])
    label = "points that placebo and expectancy take from the MADRS"
    data["placebo"] = course_variable(placebo, "points", label, "scoring")
    coords = {"replicate": [0], "arm": [arm.id for arm in arms], "subject": ["typical"], "time": times}
    dataset = xr.Dataset(data, coords=coords, attrs={"study": trial.study.id, "seed": trial.seed})
    dataset["time"].attrs = {"units": "h", "long_name": "time from the first dose"}
    return dataset


def _courses(
    trial: Trial, arms: Sequence[Arm], times: FloatArray
) -> tuple[dict[str, FloatArray], FloatArray]:
    """Every quantity of the typical patients, shape (arms, times), and their severity with dose zero."""
    study, count = trial.study, len(arms)
    parents = [population_spec(study, arm.id).parent() for arm in arms]
    people = typical_people(population_spec(study), count, parents, np.arange(count), trial.days)
    cohort = cohort_of(trial, people)
    rested = at_rest(trial.simulator, cohort)
    steps = [
        InputStep(name, np.array([place]), np.zeros(1), np.array([value]))
        for place, arm in enumerate(arms)
        for name, value in arm_inputs(study, arm).items()
    ]
    given = Given(tuple(arm.dosing for arm in arms), np.arange(count), steps=steps)
    names = tuple(trial.simulator.chain.quantities)
    found = []
    for own, wanted in ((given, names), (given.without_active_drug(), ("severity",))):
        solved = run_stretch(
            trial.simulator, cohort, rested.rows, rested.states, own, [times] * count, wanted
        )
        for place, text in (rested.refused | solved.failures).items():
            raise SolverError(f"{study.id}: the typical patient of arm {arms[place].id!r}: {text}")
        found.append(np.stack(solved.values))
    courses = {name: found[0][:, :, place] for place, name in enumerate(names)}
    return courses, found[1][:, :, 0]


def course_variable(values: np.ndarray, unit: str, label: str, source: str) -> xr.Variable:
    """Label time courses, shape (times,) or (arms, times), as one replicate with one subject an arm."""
    attributes = {"units": unit, "long_name": label, "source": source}
    shaped = np.atleast_2d(values)[None, :, None, :]
    return xr.Variable(("replicate", "arm", "subject", "time"), shaped, attributes)
