"""What only animals need: exposure at the channel, and three clocks, from signs of experiments.

Doses of animals are many times those of people, inhibitors take an effect of a day away that they leave in
people, tests of behaviour show an effect within half an hour, and large doses undo their own effect. Four
numbers stand for it. They are fitted to the directions and yes-or-no rows of animals that may inform a fit,
by the chance of each finding in a sample of the published size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from ketasim.inference.calibration.prior import Prior
from ketasim.inference.calibration.writing import write_values
from ketasim.model.parameters import load_parameters
from ketasim.population.draws import Draws, load_posterior
from ketasim.trials.experiment import Experiment
from ketasim.trials.experiment.catalogue import shipped_experiments
from ketasim.trials.experiment.measures import SIGNS
from ketasim.trials.works import load_work
from ketasim.validation.predict import Predicted, predict_work

__all__ = ["ANIMAL_FREE", "AnimalFit", "AnimalRow", "animal_works", "calibrate_animals", "sign_chance"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: What is fitted, the same in rats and mice: their tables hold the same ranges.
ANIMAL_FREE = ("species_exposure", "fast_arm_time", "mood_time", "deep_block_time")
SPECIES = ("rat", "mouse")

#: Standardised logarithms that are tried of each parameter.
_GRID = (
    np.linspace(-0.6, 1.8, 7),
    np.linspace(-1.5, 1.5, 3),
    np.linspace(-1.8, 1.8, 4),
    np.linspace(-1.5, 1.5, 3),
)
#: Share of rows that are as they are for reasons that no value mends: keeps them from ruling the fit.
_CONTRADICTED = 0.1
#: Error of a share told as kept or lost, ``assumed``. Not that of a sample of latent severities, which
#: spread far more against an effect than tests of behaviour do: by it all shares would be alike.
_SHARE_ERROR = 0.25
_DRAWS, _PER_DRAW, _SEED = 6, 4, 1


@dataclass(frozen=True)
class AnimalRow:
    """A published sign, and the chance that the fitted model gives it."""

    study: str
    row: str
    observed: float
    chance: float


@dataclass(frozen=True, eq=False)
class AnimalFit:
    """The fit of what only animals need.

    Parameters
    ----------
    names : tuple of str
        As :data:`ANIMAL_FREE`.
    values : array, shape (names,)
        Posterior medians by the grid, in the units of the tables.
    shrinkage : array, shape (names,)
        Posterior over prior SD of the logarithms.
    grid : array, shape (points, names + 1)
        Values that were tried, and minus the logarithm of each posterior density up to a constant.
    rows : tuple of AnimalRow
        At the best point of the grid.
    """

    names: tuple[str, ...]
    values: FloatArray
    shrinkage: FloatArray
    grid: FloatArray
    rows: tuple[AnimalRow, ...]

    def write(self, folder: Path) -> None:
        """Put the values into the tables of rats and mice; ``folder`` holds a folder of each."""
        for species in SPECIES:
            write_values(self, folder / species)


def animal_works() -> list[Experiment]:
    """Experiments with animals that hold a direction or a yes-or-no row that may inform a fit."""
    found = []
    for name in shipped_experiments():
        work = load_work(name)
        if isinstance(work, Experiment) and work.species in SPECIES and _rows(work):
            found.append(work)
    return found


def _rows(work: Experiment) -> list[str]:
    return [row.id for row in work.observations if row.statistic in SIGNS and row.use == "calibration"]


def sign_chance(predicted: Predicted) -> float:
    """Chance that what was published is found: by a sample of its size, or with the error of a share.

    NaN if nothing was simulated.
    """
    if not math.isfinite(predicted.centre):
        return math.nan
    if predicted.row.statistic != "direction":
        kept = float(ndtr((predicted.centre - 0.5) / _SHARE_ERROR))
        return kept if predicted.observed else 1.0 - kept
    return predicted.chances[1 + int(predicted.observed)]


def _chances(works: list[Experiment], texts: dict[str, str], draws: Draws) -> Iterator[AnimalRow]:
    for work in works:
        arms = tuple(arm.model_copy(update={"set": {**texts, **arm.set}}) for arm in work.arms)
        own = work.model_copy(update={"arms": arms})
        wanted = _rows(work)
        for found in predict_work(own, draws=draws, per_draw=_PER_DRAW, seed=_SEED, common=True, rows=wanted):
            yield AnimalRow(work.id, found.row.id, found.observed, sign_chance(found))


def _loss(rows: list[AnimalRow], z: FloatArray) -> float:
    """Minus the logarithm of the posterior density, up to a constant."""
    chances = np.array([row.chance for row in rows])
    # A row that could not be simulated tells nothing, and a third stands for not knowing.
    chances = np.where(np.isfinite(chances), chances, 1.0 / 3.0)
    likely = (1.0 - _CONTRADICTED) * chances + _CONTRADICTED / 3.0
    return float(-np.log(likely).sum() + 0.5 * (z**2).sum())


def calibrate_animals(*, progress: Progress | None = None) -> AnimalFit:
    """Fit what only animals need to their signs, on a grid over the ranges of the tables.

    Parameters
    ----------
    progress : callable, optional
        Told the phase, how many points are done, and how many there are.

    Returns
    -------
    AnimalFit
        The same whenever it is run: draws and animals are seeded, and the same at each point.
    """
    prior = Prior(load_parameters(SPECIES[0]), ANIMAL_FREE)
    units = [prior.base[name].unit for name in ANIMAL_FREE]
    draws = load_posterior().take(np.arange(_DRAWS))
    works = animal_works()
    points = np.array(list(product(*_GRID)))
    losses, tried = np.empty(len(points)), []
    for place, z in enumerate(points):
        values = prior.values(z)
        texts = {
            name: f"{value:.6g} {unit}" for name, value, unit in zip(ANIMAL_FREE, values, units, strict=True)
        }
        rows = list(_chances(works, texts, draws))
        losses[place] = _loss(rows, z)
        tried.append(rows)
        if progress is not None:
            progress("points", place + 1, len(points))
    weights = np.exp(losses.min() - losses)
    weights /= weights.sum()
    centre = weights @ points
    spread = np.sqrt(weights @ (points - centre) ** 2)
    grid = np.column_stack([prior.values(points), losses])
    best = tuple(tried[int(np.argmin(losses))])
    return AnimalFit(ANIMAL_FREE, prior.values(centre), spread, grid, best)
