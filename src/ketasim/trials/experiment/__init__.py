"""Experiments: what is not a trial with raters, from its file to numbers beside the published ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ketasim._lazy import lazy_loader

if TYPE_CHECKING:
    from ketasim.trials.experiment.catalogue import read_experiment_text, shipped_experiments
    from ketasim.trials.experiment.conduct import simulate_experiment
    from ketasim.trials.experiment.definition import Experiment, experiment_schema
    from ketasim.trials.experiment.estimate import Estimate, estimates
    from ketasim.trials.experiment.parts import CauseUse, ExperimentArm, Subjects
    from ketasim.trials.experiment.readings import Readings
    from ketasim.trials.experiment.rows import ExperimentRow

__all__ = [
    "CauseUse",
    "Estimate",
    "Experiment",
    "ExperimentArm",
    "ExperimentRow",
    "Readings",
    "Subjects",
    "estimates",
    "experiment_schema",
    "read_experiment_text",
    "shipped_experiments",
    "simulate_experiment",
]

#: Where each public name lives: the names of the files must not wait for the model.
_HOMES = {
    "ketasim.trials.experiment.catalogue": ("read_experiment_text", "shipped_experiments"),
    "ketasim.trials.experiment.conduct": ("simulate_experiment",),
    "ketasim.trials.experiment.definition": ("Experiment", "experiment_schema"),
    "ketasim.trials.experiment.estimate": ("Estimate", "estimates"),
    "ketasim.trials.experiment.parts": ("CauseUse", "ExperimentArm", "Subjects"),
    "ketasim.trials.experiment.readings": ("Readings",),
    "ketasim.trials.experiment.rows": ("ExperimentRow",),
}

# Hidden from type checkers, which would else accept any misspelt name.
if not TYPE_CHECKING:
    __getattr__ = lazy_loader(__name__, _HOMES)
