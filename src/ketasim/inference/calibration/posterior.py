"""An ensemble of parameter sets that the targets leave possible.

A set costs a simulation of every scenario, and chains that ask the model at each step forget too slowly where
they began. So a quadratic that stands for the misses is learned around the best fit, from draws of the normal
approximation (Laplace, prior included) and from where chains end that walk on what was learned before. Then
it stays as it is, and each chain goes by rounds: a long walk on the quadratic, and one verdict of the model,
by how much better or worse it really is there than the quadratic says (Christen and Fox 2005; with walks
instead of single steps Liu 2001). A walk has two kinds of step, drawn anew each time: one that
leaves the normal approximation as it is (preconditioned Crank-Nicolson), and one along the difference of two
kept sets (ter Braak 2006). The rounds lead to the posterior whatever was learned; what was learned decides
how many verdicts agree, and how soon chains find a shoulder of the posterior that no quadratic has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from ketasim.errors import ModelError
from ketasim.inference.calibration.learned import Learned, learn, terms
from ketasim.inference.calibration.prior import EDGE, Prior
from ketasim.inference.calibration.search import Fit, Misses, costs

__all__ = ["Ensemble", "draw_ensemble"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

#: Rounds over all parameters until draws of the approximation know its ranges.
_GIBBS = 40
#: Draws of the approximation a term of the quadratic, how many are computed at once, and which share of
#: them must have a solution.
_DRAWS, _AT_ONCE, _SOLVED = 3, 200, 0.1
#: How often the ends of a walk are added to what is known, and the steps of such a walk for each parameter.
_LESSONS, _LESSON_STEPS = 4, 20
#: Length of a step that leaves the approximation as it is, at first, its bounds, and the share of steps that
#: should be taken.
_LENGTH, _SHORTEST, _LONGEST, _WANTED = 0.3, 0.02, 1.0, 0.25
#: Length of a step along the difference of two sets, times the root of twice the dimensions (2.38 is best for
#: a normal distribution); every other one is half as long.
_DIFFERENCE = 2.38


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Sets drawn from the posterior.

    Parameters
    ----------
    z : array, shape (sets, parameters)
        Standardised values.
    agreed : float
        Share of the model's verdicts that let a chain stay where its walk had led.
    moved : float
        Share of the chains that did so at least five times.
    prior_sd_ratio : array, shape (parameters,)
        SD over the sets against the prior's.
    """

    z: FloatArray
    agreed: float
    moved: float
    prior_sd_ratio: FloatArray


def draw_ensemble(
    misses: Misses,
    found: Fit,
    *,
    sets: int = 200,
    rounds: int = 30,
    walk: int = 8,
    seed: int = 1,
    exact: int | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Ensemble:
    """Draw sets from the posterior around a fit.

    Parameters
    ----------
    misses : Misses
        What was aimed at.
    found : Fit
        The best fit.
    sets, rounds : int
        Chains, at least two, each of which gives its last set, and verdicts of the model on each.
    walk : int
        Steps on what was learned before each verdict, for each parameter.
    seed : int
        Names the random numbers.
    exact : int, optional
        Blocks of targets that are computed anew for each set; the others follow the slopes of the fit.
        Default: all.
    progress : callable
        Told how many batches of sets are computed, and how many there are.

    Returns
    -------
    Ensemble

    Raises
    ------
    ModelError
        If the model has a solution nearly nowhere around the fit.
    """
    random = np.random.Generator(np.random.Philox(key=seed))
    model = _Model(misses, found, range(len(misses.blocks) if exact is None else exact))
    batches = -(-max(sets, _DRAWS * terms(model.places)) // _AT_ONCE)
    model.progress = lambda done: progress(done, batches + _LESSONS + rounds)
    walker, chains = _taught(model, batches, sets, random)
    return _judged(model, walker, chains, rounds, walk * len(found.z), random)


@dataclass(eq=False)
class _Model:
    """The model, asked for the misses of some blocks of targets; the others follow the slopes of the fit."""

    misses: Misses
    found: Fit
    blocks: range
    progress: Callable[[int], None] = lambda _: None
    asked: int = 0

    @property
    def places(self) -> IntArray:
        """Parameters by which the misses that are asked for move at the fit."""
        rows = sum(len(self.misses.blocks[number].aims) for number in self.blocks)
        return np.flatnonzero(self.found.jacobian[:rows].any(axis=0))

    def __call__(self, z: FloatArray) -> FloatArray:
        """Misses of some sets, shape (sets, misses), not finite where there is no solution."""
        own = np.concatenate([self.misses.of_block(number, z) for number in self.blocks], axis=1)
        self.asked += 1
        self.progress(self.asked)
        return own

    def excess(self, z: FloatArray, residuals: FloatArray, learned: Learned) -> FloatArray:
        """How much worse sets are than was learned; infinite where there is no solution."""
        whole = self.found.straight(z)
        whole[:, : residuals.shape[1]] = residuals
        return np.asarray(costs(whole, z) - learned.costs(z))


def _taught(
    model: _Model, batches: int, sets: int, random: np.random.Generator
) -> tuple[_Walker, FloatArray]:
    """Learn the quadratic; a walker on it, and chains that have walked."""
    found, prior = model.found, model.misses.prior
    z = _draw_within(found, np.tile(prior.inside(found.z), (batches * _AT_ONCE, 1)), random)
    residuals = np.concatenate([model(part) for part in np.array_split(z, batches)])
    solved = np.isfinite(residuals).all(axis=1)
    if solved.sum() < max(2, _SOLVED * len(z)):
        raise ModelError(
            f"posterior: of {len(z)} draws around the fit {solved.sum()} have a solution; "
            "look at the fit first."
        )
    z, residuals = z[solved], residuals[solved]
    walker = _Walker(prior, found, learn(found, model.places, z, residuals), z)
    chains = z[random.integers(len(z), size=sets)]
    for _ in range(_LESSONS):
        chains = walker.walk(chains, _LESSON_STEPS * len(found.z), random, tune=True)
        own = model(chains)
        solved = np.isfinite(own).all(axis=1)
        z, residuals = np.concatenate([z, chains[solved]]), np.concatenate([residuals, own[solved]])
        learned = learn(found, model.places, z, residuals)
        walker = _Walker(prior, found, learned, chains, walker.length)
    return walker, chains


def _judged(
    model: _Model, walker: _Walker, chains: FloatArray, rounds: int, steps: int, random: np.random.Generator
) -> Ensemble:
    """Rounds of walks on what was learned and of verdicts of the model."""
    sets = len(chains)
    excess, moves = np.full(sets, np.inf), np.zeros(sets)
    for _ in range(rounds):
        tried = walker.walk(chains, steps, random)
        values = model.excess(tried, model(tried), walker.learned)
        # A chain that stands where there is no solution, or was not judged yet, goes where there is one.
        lost = ~np.isfinite(excess) & np.isfinite(values)
        with np.errstate(invalid="ignore"):
            agreed = lost | (np.log(random.uniform(size=sets)) < excess - values)
        chains, excess = np.where(agreed[:, None], tried, chains), np.where(agreed, values, excess)
        moves += agreed
    if not np.isfinite(excess).all():
        raise ModelError(
            f"posterior: {np.sum(~np.isfinite(excess))} of {sets} chains found no set with a solution in "
            f"{rounds} rounds; look at the fit first."
        )
    moved = float((moves >= min(5, rounds)).mean())
    return Ensemble(chains, float(moves.mean() / rounds), moved, chains.std(axis=0, ddof=1))


@dataclass(eq=False)
class _Walker:
    """Chains that walk on what was learned, within the ranges of the tables."""

    prior: Prior
    found: Fit
    learned: Learned
    kept: FloatArray
    length: float = _LENGTH

    def walk(
        self, z: FloatArray, steps: int, random: np.random.Generator, *, tune: bool = False
    ) -> FloatArray:
        """Where chains end; with `tune`, the length of steps is set by how many are taken."""
        z, count = z.copy(), len(z)
        level, root = self._costs(z), np.linalg.cholesky(self.found.covariance)
        for _ in range(steps):
            by_difference = random.uniform() < 0.5
            if by_difference:
                tried = z + self._difference(z.shape, random)
                gain = level - (values := self._costs(tried))
            else:
                noise = random.standard_normal(z.shape) @ root.T
                tried = (
                    self.found.z + np.sqrt(1.0 - self.length**2) * (z - self.found.z) + self.length * noise
                )
                values = self._costs(tried)
                gain = (level - self._normal(z)) - (values - self._normal(tried))
            taken = np.log(random.uniform(size=count)) < gain
            z, level = np.where(taken[:, None], tried, z), np.where(taken, values, level)
            if tune and not by_difference:
                aim = self.length * np.exp(0.3 * (taken.mean() - _WANTED))
                self.length = float(np.clip(aim, _SHORTEST, _LONGEST))
        return z

    def _costs(self, z: FloatArray) -> FloatArray:
        inside = (self.prior.inside(z) == z).all(axis=1)
        return np.where(inside, self.learned.costs(z), np.inf)

    def _normal(self, z: FloatArray) -> FloatArray:
        """Half the square of the distance from the best fit, by the approximation."""
        away = z - self.found.z
        return np.asarray(((away @ self.found.jacobian.T) ** 2).sum(axis=1) + (away**2).sum(axis=1)) / 2.0

    def _difference(self, shape: tuple[int, ...], random: np.random.Generator) -> FloatArray:
        """Steps along the differences of two kept sets."""
        first = random.integers(len(self.kept), size=shape[0])
        second = (first + random.integers(1, len(self.kept), size=shape[0])) % len(self.kept)
        length = _DIFFERENCE / np.sqrt(2.0 * shape[1]) * random.choice([0.5, 1.0])
        return np.asarray(length * (self.kept[first] - self.kept[second]), dtype=np.float64)


def _draw_within(found: Fit, z: FloatArray, random: np.random.Generator) -> FloatArray:
    """Draws of the normal approximation within the ranges, from any sets (Gibbs)."""
    z = z.copy()
    square = found.jacobian.T @ found.jacobian + np.eye(len(found.z))
    for _ in range(_GIBBS):
        for place, own in enumerate(np.diag(square)):
            sd = 1.0 / np.sqrt(own)
            rest = (z - found.z) @ square[:, place] - (z[:, place] - found.z[place]) * own
            mean = found.z[place] - rest / own
            low, high = ndtr((-EDGE - mean) / sd), ndtr((EDGE - mean) / sd)
            shares = random.uniform(size=len(z))
            drawn = mean + sd * ndtri(low + shares * (high - low))
            # A normal that lies far outside of the range leaves the arithmetic no room: its nearer end.
            z[:, place] = np.clip(np.where(high > low, drawn, mean), -EDGE, EDGE)
    return z
