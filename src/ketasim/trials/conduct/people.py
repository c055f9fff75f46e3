"""People of a trial, drawn with the numbers of the draw to which each belongs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ketasim.population import People, draw_people
from ketasim.trials.conduct.decisions import Who
from ketasim.trials.scoring.drawn import PersonScoring
from ketasim.trials.study.people import population_spec

if TYPE_CHECKING:
    from ketasim.trials.conduct.trial import Trial

__all__ = ["drawn_people"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def drawn_people(trial: Trial, who: Who, arm: IntArray, draw: IntArray, numbers: PersonScoring) -> People:
    """Draw the people of a trial.

    Parameters
    ----------
    trial : Trial
        The trial.
    who : Who
        Names them.
    arm, draw : array of int, shape (persons,)
        Arm to which each is randomised, and draw of the parameters that he has.
    numbers : PersonScoring
        Of the scoring layer; gives the error at entry.
    """
    study, scale = trial.study, trial.study.population.baseline.scale
    spec = population_spec(study)
    parents = [population_spec(study, item.id).parent() for item in study.arms]
    every = np.arange(len(who))
    settings = np.stack(
        [
            _of_draw(trial, "life_stress_time", draw),
            _of_draw(trial, "life_stress_points", draw),
            np.broadcast_to(numbers.error_sd(scale, every), len(who)),
        ],
        axis=1,
    )
    kinds, kind = np.unique(settings, axis=0, return_inverse=True)
    groups = [np.flatnonzero(kind.ravel() == place) for place in range(len(kinds))]
    parts = [
        draw_people(
            spec,
            trial.variability,
            seed=who.seed,
            study=who.study,
            replicates=who.replicate[places],
            subjects=who.subject[places],
            parents=parents,
            which=arm[places],
            days=trial.days,
            stress_tau_h=tau,
            stress_sd_points=points,
            error_sd=error,
        )
        for places, (tau, points, error) in zip(groups, kinds.tolist(), strict=True)
    ]
    return parts[0] if len(parts) == 1 else _joined(parts, groups)


def _of_draw(trial: Trial, name: str, draw: IntArray) -> FloatArray:
    """A parameter that is the same for all people of a draw."""
    item = trial.parameters[name]
    if trial.draws is None or name not in trial.draws.names:
        return np.full(len(draw), item.value)
    return trial.draws.shifted(item, item.value, draw)


def _joined(parts: Sequence[People], groups: Sequence[IntArray]) -> People:
    """People of several groups in the order of their places."""
    order = np.argsort(np.concatenate(groups))
    found: dict[str, Any] = {}
    for field in fields(People):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], Mapping):
            found[field.name] = {
                name: np.concatenate([part[name] for part in values])[order] for name in values[0]
            }
        else:
            found[field.name] = np.concatenate(values)[order]
    return People(**found)
