"""The whole fit: targets, search by several seeds, what was reached, and how far each parameter is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.inference.calibration.posterior import Ensemble, draw_ensemble
from ketasim.inference.calibration.prior import BIOLOGY, FREE, Prior
from ketasim.inference.calibration.search import Block, Fit, Misses, costs, fit, gauss_newton, jacobian, keep
from ketasim.inference.calibration.typical import TypicalTargets
from ketasim.inference.targets import load_targets
from ketasim.model.parameters import ParameterSet, load_parameters

__all__ = ["Calibration", "Reached", "calibrate", "ensemble_around", "misses_of"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Seeds of the search; their losses must agree.
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Reached:
    """A target and what the fit makes of it.

    Parameters
    ----------
    name, where : str
        The target, and its scenario or study.
    value, sd : float
        What is aimed at, and its error; of a trial's row on the scale on which it is compared.
    z : float
        Miss in SDs.
    basis, source : str
        As of :class:`~ketasim.inference.targets.Target`.
    """

    name: str
    where: str
    value: float
    sd: float
    z: float
    basis: str
    source: str

    @property
    def reached(self) -> float:
        """What the fit gives."""
        return self.value + self.z * self.sd


@dataclass(frozen=True, eq=False)
class Calibration:
    """The outcome of a calibration.

    Parameters
    ----------
    prior : Prior
        The free parameters.
    fits : dict of int to Fit
        Of each seed.
    targets : tuple of Reached
        What was aimed at, and what the best fit gives.
    """

    prior: Prior
    fits: dict[int, Fit]
    targets: tuple[Reached, ...]

    @property
    def best(self) -> Fit:
        """The fit with the smallest loss."""
        return min(self.fits.values(), key=lambda found: found.cost)

    @property
    def names(self) -> tuple[str, ...]:
        """Free parameters."""
        return self.prior.names

    @property
    def values(self) -> FloatArray:
        """Their best values, in the units of their tables."""
        return self.prior.values(self.best.z)

    @property
    def shrinkage(self) -> FloatArray:
        """Posterior over prior SD, on the log scale."""
        return self.best.shrinkage

    @property
    def cost(self) -> float:
        """Half the sum of squares, prior included."""
        return self.best.cost

    @property
    def spread(self) -> float:
        """Largest loss of a seed over the smallest, minus 1."""
        found = [item.cost for item in self.fits.values()]
        return max(found) / min(found) - 1.0


def _blocks(prior: Prior, trials: bool) -> list[Block]:
    blocks: list[Block] = [TypicalTargets(load_targets(), prior)]
    if trials:
        from ketasim.inference.calibration.trial_rows import TrialRows

        blocks.append(TrialRows.shipped(prior))
    return blocks


def _start(base: ParameterSet, names: tuple[str, ...], trials: bool) -> None:
    prior = Prior(base, names)
    keep(Misses(prior, _blocks(prior, trials)))


@contextmanager
def misses_of(
    base: ParameterSet, names: Sequence[str], *, trials: bool = True, workers: int = 1
) -> Iterator[Misses]:
    """Residuals of the shipped targets, over some processes.

    Parameters
    ----------
    base : ParameterSet
        Ranges, and what is not free.
    names : sequence of str
        Free parameters.
    trials : bool
        Whether rows of trials count, or only targets about the typical patient.
    workers : int
        Processes.
    """
    prior = Prior(base, tuple(names))
    blocks = _blocks(prior, trials)
    if workers == 1:
        yield Misses(prior, blocks)
        return
    with ProcessPoolExecutor(workers, initializer=_start, initargs=(base, prior.names, trials)) as pool:
        # Pieces smaller than a share of each process: none waits long for another.
        yield Misses(prior, blocks, pool, 2 * workers)


def calibrate(
    parameters: ParameterSet | None = None,
    *,
    names: Sequence[str] | None = None,
    trials: bool = True,
    seeds: Sequence[int] = SEEDS,
    workers: int = 1,
    starts: int = 96,
    last_steps: int = 8,
    progress: Progress = lambda *_: None,
) -> Calibration:
    """Fit the free parameters to the targets, from many starts, by each seed.

    Parameters
    ----------
    parameters : ParameterSet, optional
        Ranges, and what is not free; default: the shipped human tables.
    names : sequence of str, optional
        Free parameters; default: biology and scoring, or biology alone without trials.
    trials : bool
        Whether rows of trials count too. The search by many starts goes by the targets about the typical
        patient; what it finds is polished against all.
    seeds : sequence of int
        Each is a search of its own.
    workers : int
        Processes.
    starts : int
        Points of the prior at which a search looks.
    last_steps : int
        Most steps of the polish against all targets.
    progress : callable
        Told what is done, how much of it, and how much in all.

    Returns
    -------
    Calibration
    """
    base = load_parameters() if parameters is None else parameters
    biology = tuple(name for name in (names or FREE) if name in BIOLOGY or names is not None)
    fits: dict[int, Fit] = {}
    with misses_of(base, biology, trials=False, workers=workers) as misses:
        for seed in seeds:
            fits[seed] = fit(misses, seed=seed, starts=starts, progress=progress)
        prior, blocks = misses.prior, misses.blocks
    if trials:
        free = tuple(dict.fromkeys((*biology, *(names or FREE))))
        with misses_of(base, free, workers=workers) as misses:
            start = np.array([_start_of(misses.prior, prior, found) for found in fits.values()])
            polished = gauss_newton(misses, start, last_steps, progress, "polishing against trials")
            fits = dict(zip(fits, polished, strict=True))
            prior, blocks = misses.prior, misses.blocks
    best = min(fits.values(), key=lambda found: found.cost)
    return Calibration(prior, fits, _reached(blocks, best))


def _start_of(prior: Prior, before: Prior, found: Fit) -> FloatArray:
    """Where a fit with fewer free parameters ended; the others start where the tables stand."""
    start = prior.here()
    places = {name: place for place, name in enumerate(prior.names)}
    for name, value in zip(before.names, found.z, strict=True):
        start[places[name]] = value
    return start


def _reached(blocks: Sequence[Block], found: Fit) -> tuple[Reached, ...]:
    aims = [aim for block in blocks for aim in block.aims]
    return tuple(
        Reached(aim.name, aim.scenario, aim.value, aim.sd, float(z), aim.basis, aim.source)
        for aim, z in zip(aims, found.residuals, strict=True)
    )


def ensemble_around(
    parameters: ParameterSet | None = None,
    *,
    names: Sequence[str] = FREE,
    trials: bool = True,
    sets: int = 200,
    workers: int = 1,
    seed: int = 1,
    progress: Progress = lambda *_: None,
) -> tuple[Prior, Fit, Ensemble]:
    """Draw a posterior ensemble around the values of the tables.

    Parameters
    ----------
    parameters, names, trials, workers, progress
        As of :func:`calibrate`.
    sets : int
        Sets that are kept.
    seed : int
        Names the random numbers.

    Returns
    -------
    Prior, Fit, Ensemble
        The free parameters; slopes and covariance at the tables' values; the sets. Targets about the typical
        patient are computed anew for each proposal; rows of trials follow their slopes, since each costs a
        hundred virtual trials.
    """
    base = load_parameters() if parameters is None else parameters
    with misses_of(base, names, trials=trials, workers=workers) as misses:
        z = misses.prior.inside(misses.prior.here())
        ((_, slopes),) = jacobian(misses, z[None])
        (residuals,) = misses.finely(z[None])
        progress("slopes", 1, 1)
        here = Fit(z, float(costs(residuals[None], z[None])[0]), residuals, slopes, 0)
        found = draw_ensemble(
            misses,
            here,
            sets=sets,
            seed=seed,
            exact=1,
            progress=lambda done, total: progress("sets", done, total),
        )
    return misses.prior, here, found
