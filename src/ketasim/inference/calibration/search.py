"""The search: many starts from the prior, and a local polish of the best by damped Gauss-Newton steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

from ketasim.errors import ModelError
from ketasim.inference.calibration.prior import Prior
from ketasim.inference.targets import Target

__all__ = ["Block", "Fit", "Misses", "fit", "gauss_newton", "jacobian"]

FloatArray = npt.NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: A slope beyond this is no slope: the model cannot be solved a little aside.
_STEEPEST = 1e3
#: Damping that is tried at each step, all at once.
_DAMPING = (0.0, 0.1, 0.5, 2.0, 8.0, 50.0)
#: Shares of a step that are tried, one after another, until many people are better off too.
_SHARES = (1.0, 0.5, 0.25)
#: Starts from the prior lie within so many SDs.
_SPAN = 1.5
#: Relative gain of a step below which the search has arrived.
_ARRIVED = 2e-4


class Block(Protocol):
    """Targets of one kind."""

    @property
    def aims(self) -> tuple[Target, ...]:
        """One a residual."""

    @property
    def moved_by(self) -> frozenset[str]:
        """Parameters that these targets can tell apart; by the others they do not move, or hardly."""

    @property
    def step(self) -> float:
        """Step of the differences, in prior SDs: what it changes must be far above the noise of the runs."""

    def residuals(self, z: FloatArray) -> FloatArray:
        """Misses in SDs, shape (sets, targets); NaN rows where the model has no solution."""

    def finely(self, z: FloatArray) -> FloatArray | None:
        """The same with less chance in it, at a price; None where there is no chance."""


@dataclass(frozen=True, eq=False)
class Misses:
    """Residuals of all blocks, for many sets; split over processes if there is a pool.

    Parameters
    ----------
    prior : Prior
        The free parameters.
    blocks : sequence of Block
        What is aimed at.
    """

    prior: Prior
    blocks: Sequence[Block]
    pool: Executor | None = None
    parts: int = 1

    def __call__(self, z: FloatArray) -> FloatArray:
        """Residuals at rows of standardised values, shape (sets, targets)."""
        return np.concatenate([self.of_block(number, z) for number in range(len(self.blocks))], axis=1)

    def of_block(self, number: int, z: FloatArray, *, fine: bool = False) -> FloatArray:
        """The same of one block; by few people, or finely."""
        if self.pool is None or len(z) == 1:
            return _residuals(self.blocks[number], z, fine)
        pieces = [piece for piece in np.array_split(np.arange(len(z)), self.parts) if len(piece)]
        calls = ([number] * len(pieces), [z[piece] for piece in pieces], [fine] * len(pieces))
        return np.concatenate(list(self.pool.map(_of_kept, *calls)))

    def finely(self, z: FloatArray) -> FloatArray:
        """Residuals with as little chance in them as there can be, shape (sets, targets)."""
        blocks = range(len(self.blocks))
        return np.concatenate([self.of_block(number, z, fine=True) for number in blocks], axis=1)

    def cost(self, z: FloatArray) -> FloatArray:
        """Half the sum of squares, prior included, of each row; infinite where there is no solution."""
        return costs(self(z), z)


_here: list[Misses] = []


def keep(misses: Misses) -> None:
    """Build what a worker process keeps."""
    _here[:] = [misses]


def _of_kept(number: int, z: FloatArray, fine: bool) -> FloatArray:
    return _residuals(_here[0].blocks[number], z, fine)


def _residuals(block: Block, z: FloatArray, fine: bool) -> FloatArray:
    found = block.finely(z) if fine else None
    return block.residuals(z) if found is None else found


def costs(residuals: FloatArray, z: FloatArray) -> FloatArray:
    """Half the sum of squares, prior included."""
    found = 0.5 * ((residuals**2).sum(axis=1) + (z**2).sum(axis=1))
    return np.where(np.isfinite(found), found, np.inf)


@dataclass(frozen=True, eq=False)
class Fit:
    """Where a search ended.

    Parameters
    ----------
    z : array, shape (parameters,)
        Standardised values.
    cost : float
        Half the sum of squares, prior included.
    residuals : array, shape (targets,)
        Misses.
    jacobian : array, shape (targets, parameters)
        Slopes of the misses.
    steps : int
        Steps taken.
    """

    z: FloatArray
    cost: float
    residuals: FloatArray
    jacobian: FloatArray
    steps: int

    def straight(self, z: FloatArray) -> FloatArray:
        """Misses at rows of standardised values if they followed the slopes, shape (sets, targets)."""
        return np.asarray(self.residuals + (z - self.z) @ self.jacobian.T, dtype=np.float64)

    @property
    def covariance(self) -> FloatArray:
        """Covariance of the standardised values, prior included (Laplace)."""
        square = self.jacobian.T @ self.jacobian + np.eye(len(self.z))
        return np.asarray(np.linalg.inv(square), dtype=np.float64)

    @property
    def shrinkage(self) -> FloatArray:
        """Posterior over prior SD of each parameter."""
        return np.asarray(np.sqrt(np.diag(self.covariance)), dtype=np.float64)


def jacobian(misses: Misses, points: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
    """Residuals and their slopes at some points, by differences, all in one batch.

    Parameters
    ----------
    misses : Misses
        What is aimed at.
    points : array, shape (points, parameters)
        Standardised values.

    Returns
    -------
    list of (array, array)
        Shapes (targets,) and (targets, parameters). Where the model cannot be solved a little aside,
        the slope counts as none. Both are by few people, where people are drawn.
    """
    # Steps lead inwards, so that none leaves the ranges of the tables.
    signs = np.where(points > 0.0, -1.0, 1.0)
    parts = [_block_jacobian(misses, number, points, signs) for number in range(len(misses.blocks))]
    return [
        (np.concatenate([here[place] for here, _ in parts]), np.concatenate([own[place] for _, own in parts]))
        for place in range(len(points))
    ]


def _block_jacobian(
    misses: Misses, number: int, points: FloatArray, signs: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Residuals, shape (points, targets), and slopes, shape (points, targets, parameters), of one block."""
    names = misses.prior.names
    steps = misses.blocks[number].step * signs
    tried = [place for place, name in enumerate(names) if name in misses.blocks[number].moved_by]
    moved = points[:, None, :] + steps[:, tried, None] * np.eye(len(names))[tried]
    found = misses.of_block(number, np.concatenate([points, moved.reshape(-1, len(names))]))
    here = found[: len(points)]
    aside = found[len(points) :].reshape(len(points), len(tried), -1)
    slopes = np.zeros((len(points), here.shape[1], len(names)))
    found_slopes = (aside - here[:, None, :]) / steps[:, tried, None]
    found_slopes[~np.isfinite(found_slopes) | (np.abs(found_slopes) > _STEEPEST)] = 0.0
    slopes[:, :, tried] = np.swapaxes(found_slopes, 1, 2)
    return here, slopes


def gauss_newton(
    misses: Misses, starts: FloatArray, steps: int, progress: Progress = lambda *_: None, label: str = ""
) -> list[Fit]:
    """Polish some starts side by side.

    Slopes are by few people, where people are drawn; what few people show otherwise than many is added to
    all that is tried around a point, and whether a step is better is judged by many.

    Parameters
    ----------
    misses : Misses
        What is aimed at.
    starts : array, shape (starts, parameters)
        Standardised values at which the model can be solved.
    steps : int
        Most steps.

    Returns
    -------
    list of Fit
        In the order of the starts.
    """
    points = misses.prior.inside(starts)
    nothing = np.zeros((0, 0))
    best = [
        Fit(z, float(cost), residuals, nothing, 0)
        for z, cost, residuals in zip(points, *_judged(misses, points), strict=True)
    ]
    moving = list(range(len(best)))
    for step in range(steps + 1):
        local = jacobian(misses, np.array([best[place].z for place in moving]))
        shifts = []
        for place, (few, slopes) in zip(moving, local, strict=True):
            best[place] = replace(best[place], jacobian=slopes)
            shifts.append(best[place].residuals - few)
        progress(label, step, steps)
        if step == steps:
            break
        tried = [_candidates(misses.prior, best[place]) for place in moving]
        found = misses(np.concatenate(tried)).reshape(len(moving), len(_DAMPING), -1)
        aims = {}
        for place, own, few, shift in zip(moving, tried, found, shifts, strict=True):
            values = costs(few + shift, own)
            if values.min() < best[place].cost * (1.0 - _ARRIVED):
                aims[place] = own[np.argmin(values)]
        moving = _moved(misses, best, aims, step + 1)
        if not moving:
            break
    return best


def _judged(misses: Misses, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    residuals = misses.finely(points)
    return costs(residuals, points), residuals


def _moved(misses: Misses, best: list[Fit], aims: dict[int, FloatArray], step: int) -> list[int]:
    """Go to where it is better by many people too, or a part of the way; which places have moved."""
    moved = []
    for share in _SHARES:
        places = [place for place in aims if place not in moved]
        if not places:
            break
        points = np.array([best[place].z + share * (aims[place] - best[place].z) for place in places])
        for place, z, cost, residuals in zip(places, points, *_judged(misses, points), strict=True):
            if cost < best[place].cost:
                best[place] = Fit(z, float(cost), residuals, best[place].jacobian, step)
                moved.append(place)
    return sorted(moved)


def _candidates(prior: Prior, found: Fit) -> FloatArray:
    square = found.jacobian.T @ found.jacobian + np.eye(len(found.z))
    slope = found.jacobian.T @ found.residuals + found.z
    return np.array(
        [
            prior.inside(found.z - np.linalg.solve(square + damping * np.diag(np.diag(square)), slope))
            for damping in _DAMPING
        ]
    )


def fit(
    misses: Misses,
    *,
    seed: int,
    starts: int = 96,
    kept: int = 4,
    first_steps: int = 4,
    last_steps: int = 25,
    progress: Progress = lambda *_: None,
) -> Fit:
    """Find the best values from many starts.

    Parameters
    ----------
    misses : Misses
        What is aimed at.
    seed : int
        Names the starts: a scrambled Sobol sequence over the prior.
    starts, kept : int
        Starts that are looked at, and best ones that are polished.
    first_steps, last_steps : int
        Steps of each kept start, and of the best of them afterwards.

    Returns
    -------
    Fit

    Raises
    ------
    ModelError
        If the model can be solved at none of the starts.
    """
    count = len(misses.prior.names)
    sampler = qmc.Sobol(count, seed=seed)
    power = int(np.ceil(np.log2(starts)))
    points = np.clip(ndtri(np.clip(sampler.random_base2(power), 1e-6, 1 - 1e-6)), -_SPAN, _SPAN)[:starts]
    progress("looking at starts", 0, 1)
    values = misses.cost(points)
    progress("looking at starts", 1, 1)
    order = [place for place in np.argsort(values).tolist() if np.isfinite(values[place])][:kept]
    if not order:
        raise ModelError(f"calibration: the model has no solution at any of {starts} starts of seed {seed}.")
    polished = gauss_newton(misses, points[order], first_steps, progress, "polishing starts")
    winner = min(polished, key=lambda item: item.cost)
    return gauss_newton(misses, winner.z[None], last_steps, progress, "polishing the best")[0]
