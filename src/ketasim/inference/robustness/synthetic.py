"""Calibration on synthetic data: how often intervals hold the parameters that the data come from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.inference.calibration.posterior import draw_ensemble
from ketasim.inference.calibration.prior import BIOLOGY, INFORMED, Prior
from ketasim.inference.calibration.search import Block, Misses, fit
from ketasim.inference.calibration.typical import TypicalTargets
from ketasim.inference.targets import Target, load_targets
from ketasim.model.chain import build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator

__all__ = ["Coverage", "Recovered", "coverage", "informed", "recover", "synthetic_calibration"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Half width of a 90 % interval in SDs, and its ends.
_Z90, _ENDS = 1.644854, (0.05, 0.95)
#: Accuracy of the runs, as in the calibration.
_RTOL = 1e-4
#: Draws of the prior that are tried for one set of known parameters.
_TRIED = 20


class _Reaching(Protocol):
    """Something that says what sets of parameters reach."""

    def reached(self, z: FloatArray) -> FloatArray:
        """What is reached, shape (sets, targets)."""


@dataclass(frozen=True, eq=False)
class Recovered:
    """One synthetic data set.

    Parameters
    ----------
    truth, found : array, shape (parameters,)
        Standardised values: those that the data come from, and those of the fit.
    shrinkage : array, shape (parameters,)
        Posterior over prior SD.
    low, high : array, shape (parameters,)
        Ends of the 90 % interval of the ensemble.
    cost, cost_at_truth : float
        Half the sum of squares, prior included.
    """

    truth: FloatArray
    found: FloatArray
    shrinkage: FloatArray
    low: FloatArray
    high: FloatArray
    cost: float
    cost_at_truth: float

    @property
    def by_slopes(self) -> npt.NDArray[np.bool_]:
        """Whether the normal approximation's 90 % interval holds each truth."""
        return np.asarray(np.abs(self.truth - self.found) <= _Z90 * self.shrinkage)

    @property
    def by_ensemble(self) -> npt.NDArray[np.bool_]:
        """Whether the ensemble's does."""
        return np.asarray((self.low <= self.truth) & (self.truth <= self.high))


@dataclass(frozen=True)
class Coverage:
    """How often intervals hold the truth.

    Parameters
    ----------
    share, standard_error : float
        Share, and its error with data sets as what varies.
    count : int
        Intervals.
    """

    share: float
    standard_error: float
    count: int


def coverage(hits: Sequence[npt.NDArray[np.bool_]]) -> Coverage:
    """Pool what several data sets show.

    Parameters
    ----------
    hits : sequence of array of bool
        One array a data set, whatever its length.

    Returns
    -------
    Coverage
        Parameters of one data set go together; the error is between data sets, or the binomial one if that
        is larger.
    """
    whole = np.concatenate([np.asarray(own, dtype=np.float64) for own in hits])
    if not len(whole):
        return Coverage(math.nan, math.nan, 0)
    share = float(whole.mean())
    sums = np.array([float((np.asarray(own) - share).sum()) for own in hits])
    between = math.sqrt(float((sums**2).sum())) / len(whole)
    binomial = math.sqrt(share * (1.0 - share) / len(whole))
    return Coverage(share, max(between, binomial), len(whole))


def recover(
    blocks_of: Callable[[FloatArray], Sequence[Block]],
    prior: Prior,
    truth: FloatArray,
    data: FloatArray,
    *,
    seed: int,
    starts: int = 48,
    steps: int = 25,
    sets: int = 200,
    rounds: int = 12,
) -> Recovered:
    """Fit one synthetic data set as the calibration fits the published one.

    Parameters
    ----------
    blocks_of : callable
        Blocks of targets at given data.
    prior : Prior
        The free parameters.
    truth : array, shape (parameters,)
        Standardised values that the data come from; used for the comparison alone.
    data : array, shape (targets,)
        The data.
    seed, starts, steps, sets, rounds : int
        Of the search and of the ensemble.
    """
    misses = Misses(prior, list(blocks_of(data)))
    found = fit(misses, seed=seed, starts=starts, kept=2, last_steps=steps)
    ensemble = draw_ensemble(misses, found, sets=sets, rounds=rounds, seed=seed)
    low, high = np.quantile(ensemble.z, _ENDS, axis=0)
    at_truth = float(misses.cost(truth[None])[0])
    return Recovered(truth, found.z, found.shrinkage, low, high, found.cost, at_truth)


def _truth(random: np.random.Generator, prior: Prior, block: _Reaching) -> tuple[FloatArray, FloatArray]:
    """Known parameters and what they reach: draws of the prior, until the model has a solution."""
    for _ in range(_TRIED):
        z = random.standard_normal(len(prior.names))
        while True:
            off = prior.inside(z) != z
            if not off.any():
                break
            z[off] = random.standard_normal(int(off.sum()))
        reached = block.reached(z[None])[0]
        if np.isfinite(reached).all():
            return z, reached
    raise ModelError(f"synthetic data: the model has no solution at any of {_TRIED} draws of the prior.")


def synthetic_calibration(
    datasets: int = 12,
    *,
    seed: int = 1,
    targets: Sequence[Target] | None = None,
    progress: Progress = lambda *_: None,
    names: Sequence[str] = BIOLOGY,
    workers: int = 1,
) -> list[Recovered]:
    """Calibrate to synthetic data of known parameters.

    Parameters
    ----------
    datasets : int
        How many data sets; each has parameters of its own, drawn from the prior within its ranges.
    seed : int
        Names parameters, noise and searches.
    targets : sequence of Target, optional
        What is measured, each with the SD of its noise; default: the shipped ones.
    progress : callable
        Told what is done, how much of it, and how much in all.
    names : sequence of str
        Free parameters.
    workers : int
        Processes.

    Returns
    -------
    list of Recovered
        One a data set.
    """
    aims = tuple(load_targets() if targets is None else targets)
    calls = ([seed] * datasets, range(datasets), [aims] * datasets, [tuple(names)] * datasets)
    found = []
    with ExitStack() as stack:
        spread = map if workers == 1 else stack.enter_context(ProcessPoolExecutor(workers)).map
        for item in spread(_recovered, *calls):
            found.append(item)
            progress("synthetic data", len(found), datasets)
    return found


def _recovered(seed: int, number: int, aims: tuple[Target, ...], names: tuple[str, ...]) -> Recovered:
    """Make one data set, and fit it."""
    prior = Prior(load_parameters(), names)
    simulator = Simulator(build_chain(parameters=prior.base), _RTOL)
    sds = np.array([aim.sd for aim in aims])

    def blocks_of(data: FloatArray) -> Sequence[Block]:
        own = tuple(replace(aim, value=value) for aim, value in zip(aims, data.tolist(), strict=True))
        return [TypicalTargets(own, prior, [simulator])]

    random = np.random.Generator(np.random.Philox(key=[seed, number]))
    truth, reached = _truth(random, prior, TypicalTargets(aims, prior, [simulator]))
    data = reached + sds * random.standard_normal(len(sds))
    return recover(blocks_of, prior, truth, data, seed=number + 1)


def informed(items: Sequence[Recovered], hits: Sequence[npt.NDArray[np.bool_]]) -> Coverage:
    """Coverage of the parameters that the data tell something of."""
    return coverage([own[item.shrinkage <= INFORMED] for item, own in zip(items, hits, strict=True)])
