"""Run a circuit over the design and fit the surfaces that the chain reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ketasim.circuit.condition import NO_DRUG
from ketasim.circuit.design import design, inputs_of
from ketasim.circuit.ensemble import Surface
from ketasim.circuit.formulas import INPUTS, LOG_LIMIT, OUTPUTS, UNITS
from ketasim.circuit.measures import NetworkActivity
from ketasim.circuit.network import SpikingNetwork, Task, run_tasks
from ketasim.circuit.ridge_fit import cross_validate, fit_ridge
from ketasim.errors import ModelError

__all__ = ["DesignRuns", "fit_surface", "read_runs", "run_design", "write_runs"]

_Floats = NDArray[np.float64]

# Seeds of the runs at rest that all others are relative to. Each point has a seed of its own: the fit
# averages over points. The first points are run once more, which shows how far single runs differ.
_REST_SEEDS = (21, 22, 23, 24, 25, 26)
_FIRST_SEED = 1000
_REPEATED = 48
_DURATION = 2000.0
# A rate below this share of rest, or a power, has no meaningful logarithm: it counts as this.
_SILENT = 0.05
# Spread of an output in the fit is that between seeds, but not below this: rates are wanted to 0.05.
_SMALLEST_SPREAD = 0.03
# Of gamma only the sign and the order matter; it must not draw the units away from the rates.
_GAMMA_SPREAD = 0.3


@dataclass(frozen=True, eq=False)
class DesignRuns:
    """What a circuit did at the points of a design.

    Parameters
    ----------
    x : array, shape (points, 7)
        Inputs; see :data:`ketasim.circuit.formulas.INPUTS`.
    logs : array, shape (points, 5)
        Natural log of each output relative to rest.
    repeats : array, shape (repeated, 5)
        The same for the first points, with another seed.
    """

    x: _Floats
    logs: _Floats
    repeats: _Floats

    @property
    def seed_spread(self) -> _Floats:
        """Standard deviation of a single run between seeds, shape (5,)."""
        difference = self.logs[: len(self.repeats)] - self.repeats
        return np.asarray(np.sqrt((difference**2).mean(axis=0) / 2.0))


def _outputs(activity: NetworkActivity) -> _Floats:
    return np.array([*activity.rates, activity.gamma])


def run_design(
    network: SpikingNetwork,
    points: int,
    threads: int = 1,
    progress: Callable[[int], None] | None = None,
) -> DesignRuns:
    """Run a network at every point of the design.

    Parameters
    ----------
    network : SpikingNetwork
        A circuit at its baseline.
    points : int
        Number of points.
    threads : int
        Runs side by side.
    progress : function, optional
        Called with the number of runs that are done.
    """
    conditions = design(points)
    tasks = [Task(NO_DRUG, seed, _DURATION) for seed in _REST_SEEDS]
    again = conditions[:_REPEATED]
    tasks += [
        Task(condition, _FIRST_SEED + number, _DURATION)
        for number, condition in enumerate(conditions + again)
    ]
    found = np.array([_outputs(run) for run in run_tasks(network, tasks, threads, progress)])
    rest = found[: len(_REST_SEEDS)].mean(axis=0)
    logs = np.log(np.maximum(found[len(_REST_SEEDS) :] / rest, _SILENT))
    return DesignRuns(
        np.array([inputs_of(condition) for condition in conditions]),
        logs[:points],
        logs[points:],
    )


def write_runs(path: Path, runs: DesignRuns) -> None:
    """Write the runs of a design, in one go, so that a file is whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"x": runs.x.round(6).tolist(), "logs": runs.logs.round(5).tolist()}
    content["repeats"] = runs.repeats.round(5).tolist()
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def read_runs(path: Path, points: int) -> DesignRuns | None:
    """Read the runs of a design, or None if the file is not there or of another design.

    Raises
    ------
    ModelError
        If the file cannot be read.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        runs = DesignRuns(np.array(content["x"]), np.array(content["logs"]), np.array(content["repeats"]))
    except (ValueError, KeyError) as error:
        raise ModelError(
            f"{path}: these are no runs of a circuit; delete the file to run them again."
        ) from error
    wanted = np.array([inputs_of(condition) for condition in design(points)])
    if runs.x.shape != wanted.shape or not np.allclose(runs.x, wanted, atol=1e-5):
        return None
    return runs


def fit_surface(runs: DesignRuns, units: int = UNITS) -> Surface:
    """Fit the surfaces and cross-validate them in four folds.

    Parameters
    ----------
    runs : DesignRuns
        What the network did.
    units : int
        Number of smooth steps that the outputs share.
    """
    spread = np.maximum(runs.seed_spread, _SMALLEST_SPREAD)
    spread[OUTPUTS.index("gamma_power")] = _GAMMA_SPREAD
    ridge = fit_ridge(runs.x, runs.logs, spread, INPUTS, OUTPUTS, units, LOG_LIMIT)
    errors = cross_validate(runs.x, runs.logs, spread, INPUTS, OUTPUTS, units, LOG_LIMIT)
    near = (runs.x[:, :4].max(axis=1) <= 0.8) & (runs.x[:, :4].min(axis=1) > 0.0)
    return Surface(
        ridge,
        dict(zip(OUTPUTS, _rms(errors), strict=True)),
        dict(zip(OUTPUTS, _rms(errors[near]), strict=True)),
        dict(zip(OUTPUTS, runs.seed_spread.tolist(), strict=True)),
    )


def _rms(errors: _Floats) -> list[float]:
    return [float(value) for value in np.sqrt((errors**2).mean(axis=0))]
