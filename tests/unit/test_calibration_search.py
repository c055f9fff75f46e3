"""The search and the posterior on problems whose answers are known in closed form."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from ketasim.errors import ModelError
from ketasim.inference.calibration.posterior import draw_ensemble
from ketasim.inference.calibration.prior import BIOLOGY, FREE, Prior
from ketasim.inference.calibration.search import Misses, costs, fit, gauss_newton, jacobian
from ketasim.inference.calibration.typical import TypicalTargets
from ketasim.inference.targets import Target, load_targets
from ketasim.model.parameters import load_parameters

NAMES = ("mood_time", "fast_arm_time", "nascent_life")
FloatArray = npt.NDArray[np.float64]


def target(name: str) -> Target:
    return Target(name, "none", "at", "severity", 0.0, 0.0, 1.0, "assumed", "assumed", "")


class OfNames:
    """What all blocks of these tests share."""

    @property
    def moved_by(self) -> frozenset[str]:
        return frozenset(NAMES)

    @property
    def step(self) -> float:
        return 0.02

    def finely(self, z: FloatArray) -> None:
        """None: nothing here is chance."""


@dataclass(frozen=True, eq=False)
class Linear(OfNames):
    """Residuals A z - b; without a solution beyond a wall."""

    matrix: FloatArray
    aim: FloatArray
    wall: float = np.inf

    @property
    def aims(self) -> tuple[Target, ...]:
        return tuple(target(str(place)) for place in range(len(self.aim)))

    def residuals(self, z: FloatArray) -> FloatArray:
        found = z @ self.matrix.T - self.aim
        found[z[:, 0] > self.wall] = np.nan
        return found


@dataclass(frozen=True, eq=False)
class Banana(OfNames):
    """A curved valley with a second, worse one."""

    @property
    def aims(self) -> tuple[Target, ...]:
        return (target("valley"), target("along"), target("third"))

    def residuals(self, z: FloatArray) -> FloatArray:
        valley = 8.0 * (z[:, 1] - z[:, 0] ** 2 + 0.5)
        return np.stack([valley, 3.0 * (np.sin(2.0 * z[:, 0]) - 0.8), z[:, 2] - 0.3], axis=1)


@dataclass(frozen=True, eq=False)
class Shouldered(OfNames):
    """No quadratic has such shoulders; only the first parameter matters."""

    @property
    def aims(self) -> tuple[Target, ...]:
        return (target("step"),)

    def residuals(self, z: FloatArray) -> FloatArray:
        return 2.0 * np.tanh(2.0 * z[:, :1]) - 0.5


@dataclass(frozen=True, eq=False)
class FewPeople(Linear):
    """Few people show everything a little otherwise than many."""

    shift: FloatArray = field(default_factory=lambda: np.zeros(3))

    def residuals(self, z: FloatArray) -> FloatArray:
        return super().residuals(z) + self.shift

    def finely(self, z: FloatArray) -> FloatArray:
        return super().residuals(z)


@dataclass(frozen=True, eq=False)
class Wrong(FewPeople):
    """By few people one parameter should rise, by many it should not."""

    def finely(self, z: FloatArray) -> FloatArray:
        return super().residuals(z) + 40.0 * z[:, :1] ** 2


MATRIX = np.array([[3.0, 0.5, 0.0], [0.0, 2.0, 1.0], [1.0, 0.0, 0.2]])
AIM = np.array([1.0, -0.5, 0.3])


@pytest.fixture
def prior() -> Prior:
    return Prior(load_parameters(), NAMES)


def closed_form() -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of the posterior of a linear problem."""
    covariance = np.linalg.inv(MATRIX.T @ MATRIX + np.eye(3))
    return covariance @ MATRIX.T @ AIM, covariance


def test_slopes_are_those_of_the_problem_at_both_sides_of_zero(prior: Prior) -> None:
    misses = Misses(prior, [Linear(MATRIX, AIM)])
    points = np.array([[0.5, -0.5, 1.0], [-1.0, 1.9, 0.0]])
    for (residuals, slopes), point in zip(jacobian(misses, points), points, strict=True):
        assert slopes == pytest.approx(MATRIX, abs=1e-10)
        assert residuals == pytest.approx(MATRIX @ point - AIM)


def test_one_step_solves_a_linear_problem(prior: Prior) -> None:
    mean, covariance = closed_form()
    found = gauss_newton(Misses(prior, [Linear(MATRIX, AIM)]), np.array([[1.0, -1.0, 0.5]]), 3)[0]
    assert found.z == pytest.approx(mean, abs=1e-8)
    assert found.covariance == pytest.approx(covariance, abs=1e-8)
    assert found.shrinkage == pytest.approx(np.sqrt(np.diag(covariance)))


def test_what_few_people_show_otherwise_does_not_move_the_fit(prior: Prior) -> None:
    mean, _ = closed_form()
    block = FewPeople(MATRIX, AIM, shift=np.array([0.8, -0.6, 0.5]))
    found = gauss_newton(Misses(prior, [block]), np.array([[1.0, -1.0, 0.5]]), 3)[0]
    assert found.z == pytest.approx(mean, abs=1e-8)
    assert found.residuals == pytest.approx(MATRIX @ mean - AIM, abs=1e-8)


def test_a_step_that_many_people_do_not_like_is_shortened_or_not_taken(prior: Prior) -> None:
    misses = Misses(prior, [Wrong(MATRIX, AIM)])
    start = np.zeros((1, 3))
    before = float(costs(misses.finely(start), start)[0])
    found = gauss_newton(misses, start, 6)[0]
    assert found.cost <= before
    # The cost is that of many people at the point that is returned, not of the few who gave the slopes.
    assert found.cost == pytest.approx(float(costs(misses.finely(found.z[None]), found.z[None])[0]))


def test_seeds_of_a_curved_problem_agree_within_two_percent(prior: Prior) -> None:
    losses = [fit(Misses(prior, [Banana()]), seed=seed).cost for seed in (1, 2, 3)]
    assert max(losses) / min(losses) - 1.0 < 0.02
    # No better point on a fine grid of the first two, with the third at its own optimum.
    grid = np.array([[a, b, 0.15] for a in np.linspace(-1.9, 1.9, 191) for b in np.linspace(-1.9, 1.9, 191)])
    assert min(losses) <= float(costs(Banana().residuals(grid), grid).min()) + 1e-6


def test_starts_without_a_solution_are_passed_over(prior: Prior) -> None:
    mean, _ = closed_form()
    assert mean[0] < 0.6
    found = fit(Misses(prior, [Linear(MATRIX, AIM, wall=0.6)]), seed=1)
    assert found.z == pytest.approx(mean, abs=1e-6)
    with pytest.raises(ModelError, match="no solution at any of"):
        fit(Misses(prior, [Linear(MATRIX, AIM, wall=-9.0)]), seed=1, starts=8)


def test_an_ensemble_has_the_moments_of_the_posterior(prior: Prior) -> None:
    mean, covariance = closed_form()
    misses = Misses(prior, [Linear(MATRIX, AIM)])
    best = gauss_newton(misses, np.zeros((1, 3)), 3)[0]
    found = draw_ensemble(misses, best, sets=1500, rounds=5, seed=4)
    # Where the problem is straight nothing is to be learned, and the model agrees with every walk.
    assert found.agreed > 0.999
    assert found.moved == 1.0
    # What the ranges of the tables leave of the closed form, by rejection; four standard errors.
    wide = np.random.Generator(np.random.Philox(key=5)).multivariate_normal(mean, covariance, 100_000)
    kept = wide[(prior.inside(wide) == wide).all(axis=1)]
    error = 4.0 * np.sqrt(np.diag(covariance).max() / 1500)
    assert found.z.mean(axis=0) == pytest.approx(kept.mean(axis=0), abs=error)
    assert np.cov(found.z.T) == pytest.approx(np.cov(kept.T), abs=0.1)
    assert len(np.unique(found.z, axis=0)) == 1500


def test_an_ensemble_is_exact_where_the_quadratic_is_wrong(prior: Prior) -> None:
    """The model has the last word: its verdicts lead to the posterior by any way of walking."""
    misses = Misses(prior, [Shouldered()])
    best = gauss_newton(misses, np.zeros((1, 3)), 12)[0]
    found = draw_ensemble(misses, best, sets=1000, rounds=60, walk=7, seed=6)
    assert found.agreed < 0.95
    grid = np.linspace(-1.95, 1.95, 2001)
    points = np.zeros((len(grid), 3))
    points[:, 0] = grid
    density = np.exp(-costs(Shouldered().residuals(points), points))
    density /= density.sum()
    mean = float(density @ grid)
    sd = float(np.sqrt(density @ (grid - mean) ** 2))
    assert found.z[:, 0].mean() == pytest.approx(mean, abs=4.0 * sd / np.sqrt(1000))
    assert found.z[:, 0].std() == pytest.approx(sd, rel=0.1)
    below = float(density[grid < 0.0].sum())
    assert (found.z[:, 0] < 0.0).mean() == pytest.approx(below, abs=0.065)


def test_chains_of_two_seeds_have_forgotten_where_they_began(prior: Prior) -> None:
    misses = Misses(prior, [Banana()])
    best = fit(misses, seed=1)
    one, two = (draw_ensemble(misses, best, sets=1000, seed=seed) for seed in (1, 2))
    error = 4.0 * np.sqrt(one.z.var(axis=0) * 2.0 / 1000)
    assert (np.abs(one.z.mean(axis=0) - two.z.mean(axis=0)) < error).all()
    assert one.z.std(axis=0) == pytest.approx(two.z.std(axis=0), rel=0.15)


def test_an_ensemble_follows_a_curve_that_the_normal_approximation_does_not(prior: Prior) -> None:
    misses = Misses(prior, [Banana()])
    best = fit(misses, seed=1)
    found = draw_ensemble(misses, best, sets=400, seed=2)
    spread = np.array([item.std() for item in Banana().residuals(found.z).T])
    straight = best.z + np.random.Generator(np.random.Philox(3)).standard_normal((400, 3)) @ (
        np.linalg.cholesky(best.covariance).T
    )
    # In the valley the first residual varies as its unit error says, and straight draws leave it.
    assert spread[0] == pytest.approx(1.0, abs=0.3)
    assert Banana().residuals(straight)[:, 0].std() > spread[0]


def test_blocks_that_are_not_computed_follow_their_slopes(prior: Prior) -> None:
    both = Misses(prior, [Linear(MATRIX[:1], AIM[:1]), Linear(MATRIX[1:], AIM[1:])])
    best = gauss_newton(both, np.zeros((1, 3)), 3)[0]
    every = draw_ensemble(both, best, sets=50, rounds=5, seed=5)
    first = draw_ensemble(both, best, sets=50, rounds=5, seed=5, exact=1)
    # A straight problem follows its slopes exactly, up to the error of the differences.
    assert first.z == pytest.approx(every.z, abs=1e-6)


def test_sets_without_a_solution_are_not_drawn(prior: Prior) -> None:
    mean, _ = closed_form()
    misses = Misses(prior, [Linear(MATRIX, AIM, wall=float(mean[0]))])
    best = gauss_newton(Misses(prior, [Linear(MATRIX, AIM)]), np.zeros((1, 3)), 3)[0]
    found = draw_ensemble(misses, best, sets=100, rounds=10, seed=1)
    assert (found.z[:, 0] <= mean[0]).all()
    nowhere = Misses(prior, [Linear(MATRIX, AIM, wall=-9.0)])
    with pytest.raises(ModelError, match="draws around the fit 0 have a solution"):
        draw_ensemble(nowhere, best, sets=10, rounds=5, seed=1)


def test_values_of_a_search_stay_inside_the_tables(prior: Prior) -> None:
    far = prior.inside(np.full(3, 9.0))
    for name, value in zip(NAMES, prior.values(far), strict=True):
        assert value < load_parameters()[name].high


def test_typical_targets_of_many_sets_are_those_of_each_alone() -> None:
    prior = Prior(load_parameters(), BIOLOGY)
    block = TypicalTargets(load_targets(), prior)
    here = prior.inside(prior.here())
    aside = here.copy()
    aside[BIOLOGY.index("mood_time")] += 0.1
    both = block.reached(np.stack([here, aside]))
    # A lane of the solver does not know its neighbours; rest is found to the accuracy of the runs.
    assert both[1] == pytest.approx(block.reached(aside[None])[0], rel=1e-6, abs=1e-6)
    names = [item.name for item in block.aims]
    assert both[0, names.index("effect_2h")] != both[1, names.index("effect_2h")]
    assert np.isfinite(both).all()


def test_what_is_free_is_named_once_and_scoring_is_apart() -> None:
    assert len(set(FREE)) == len(FREE)
    stages = {name: load_parameters()[name].stage for name in FREE}
    assert {name for name in FREE if stages[name] == "scoring"} == set(FREE) - set(BIOLOGY)
