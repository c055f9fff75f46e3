"""The typical patient of each arm as labelled trajectories, with and without the drug."""

from __future__ import annotations

import numpy as np
import xarray as xr

from ketasim.model.times import output_times
from ketasim.trials.trial import Trial

__all__ = ["course_variable", "typical_trajectories"]

#: Times closer than this are one.
_SAME_TIME_H = 1e-9


def typical_trajectories(trial: Trial) -> xr.Dataset:
    """Simulate the typical patient of every arm on a fine grid of times.

    Parameters
    ----------
    trial : Trial
        The study joined with the model.

    Returns
    -------
    xarray.Dataset
        Dimensions ``replicate, arm, subject, time`` (hours); one variable a quantity, each
        with ``units``, ``long_name`` and ``source``. ``severity_without_drug`` is the same
        person with dose zero; ``belief`` and ``placebo`` come from the scoring layer.
    """
    grids = [output_times(arm.dosing, trial.horizon, trial.rating_times) for arm in trial.study.arms]
    times = np.unique(np.concatenate(grids))
    # Times of two arms that rounding tore apart are one.
    times = times[np.concatenate([[True], np.diff(times) > _SAME_TIME_H])]
    courses = [trial.scored(arm, trial.typical(arm), times) for arm in trial.study.arms]
    chain = trial.simulator.chain

    data: dict[str, xr.Variable] = {}
    for name, item in chain.quantities.items():
        values = np.array([course.run.quantities[name] for course in courses])
        data[name] = course_variable(values, item.shown_unit, item.label, f"stage {chain.owner[name]}")
    without = np.array([course.without_drug.quantities["severity"] for course in courses])
    label = "latent severity with dose zero"
    data["severity_without_drug"] = course_variable(without, "points", label, "model")
    belief = np.array([course.hoped.belief for course in courses])
    data["belief"] = course_variable(belief, "ratio", "belief of having the drug", "scoring")
    placebo = np.array([course.hoped.placebo for course in courses])
    label = "points that placebo and expectancy take from the MADRS"
    data["placebo"] = course_variable(placebo, "points", label, "scoring")
    arms = [arm.id for arm in trial.study.arms]
    coords = {"replicate": [trial.replicate], "arm": arms, "subject": ["typical"], "time": times}
    dataset = xr.Dataset(data, coords=coords, attrs={"study": trial.study.id, "seed": trial.seed})
    dataset["time"].attrs = {"units": "h", "long_name": "time from the first dose"}
    return dataset


def course_variable(values: np.ndarray, unit: str, label: str, source: str) -> xr.Variable:
    """Label time courses, shape (times,) or (arms, times), as one replicate with one subject an arm."""
    attributes = {"units": unit, "long_name": label, "source": source}
    shaped = np.atleast_2d(values)[None, :, None, :]
    return xr.Variable(("replicate", "arm", "subject", "time"), shaped, attributes)
