"""Reference-based imputation by conditional means, with the variance of the jackknife.

What is missing is filled with its mean given what was seen, under the strategy, at the restricted maximum of
the likelihood; least squares then has the estimate that infinitely many imputations would have on average.
The standard error comes from doing all of it again without each person in turn (Wolbers and others 2022), and
so is that of the estimate in repeated trials: Rubin's is larger where a strategy borrows from the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis.covariance_structures import FALLBACK_ORDER
from ketasim.trials.analysis.estimate import Estimate, wald
from ketasim.trials.analysis.imputation import (
    Problem,
    Strategy,
    analyse_imputed,
    check_treatment,
    impute,
    joint_mean,
    read_problem,
)
from ketasim.trials.analysis.leave_one_out import decisive, leave_one_out
from ketasim.trials.analysis.posterior import Draws
from ketasim.trials.analysis.repeated_fit import fit_repeated

__all__ = ["conditional_mean_difference", "imputed_difference"]

Array = NDArray[np.float64]


def imputed_difference(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    strategy: Strategy,
    draws: Literal["none", "posterior", "bootstrap"] = "none",
    rng: np.random.Generator | None = None,
    n_imputations: int = 100,
    before: ArrayLike | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Compare arm 1 with arm 0, the reference, at the last visit, with what is missing imputed.

    Parameters
    ----------
    y, group, covariates, strategy, before
        As in `impute`.
    draws : str
        ``"none"``: conditional means and the jackknife. ``"posterior"`` or ``"bootstrap"``: multiple
        imputation and Rubin's rules.
    rng : numpy.random.Generator, optional
        Source of randomness of draws.
    n_imputations : int
        Completed data sets with draws.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Estimate
        The difference.

    Raises
    ------
    StudyError
        As `conditional_mean_difference` and `impute`, or if there are draws without source of randomness.
    """
    if draws == "none":
        return conditional_mean_difference(
            y, group, covariates, strategy=strategy, before=before, alpha=alpha
        )
    if rng is None:
        raise StudyError(f"rng: draws are {draws!r}; give a numpy.random.Generator for them.")
    done = impute(
        y,
        group,
        covariates,
        strategy=strategy,
        rng=rng,
        n_imputations=n_imputations,
        before=before,
        draws=draws,
    )
    return analyse_imputed(done, group, covariates, alpha=alpha)


def conditional_mean_difference(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    strategy: Strategy,
    reference: int = 0,
    before: ArrayLike | None = None,
    visit: int = -1,
    treatment: int = 1,
    alpha: float = 0.05,
) -> Estimate:
    """Compare an arm with arm 0 at a visit by ANCOVA after imputing conditional means.

    The covariance is the first of the structures of `fit_mmrm` that all persons, and all but any one, can be
    fitted with.

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes after baseline; nan where missing.
    group : array of int, shape (n,)
        Arm.
    covariates : array, shape (n, p) or (n,), optional
        Baseline and others, in the imputation (with coefficients for each visit) and in the ANCOVA; none
        missing.
    strategy, reference, before
        As in `impute`.
    visit, treatment : int
        The visit, 0 the first, the last by default, and the arm.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Estimate
        The difference, with the interval of the normal distribution.

    Raises
    ------
    StudyError
        If shapes do not agree, a choice is unknown, or the model cannot be fitted to all persons and to all
        but any one.
    """
    problem = read_problem(y, group, covariates, strategy, reference, before)
    check_treatment(problem.codes, treatment)
    visits = problem.outcome.shape[1]
    if not -visits <= visit < visits:
        raise StudyError(f"visit: {visit}; there are {visits}, counted from 0.")
    column = int(np.flatnonzero(problem.codes == treatment)[0])
    design = _standard(problem)
    name, parameters = _fit_all(problem.informs, design)
    values = _ancova(problem, design, strategy, reference, visit, parameters)[:, column]
    n = len(design)
    error = math.sqrt((n - 1) / n * float(((values[1:] - values[1:].mean()) ** 2).sum()))
    label = f"arm {treatment} - arm 0"
    method = f"conditional mean imputation ({strategy}, {name} covariance), ANCOVA, jackknife"
    return wald(label, float(values[0]), error, math.inf, method, alpha=alpha)


def _standard(problem: Problem) -> Array:
    """Give the design with covariates of like size about zero: sums of squares then lose no digits."""
    deviation = problem.table.std(axis=0)
    table = (problem.table - problem.table.mean(axis=0)) / np.where(deviation > 0.0, deviation, 1.0)
    design = np.concatenate([problem.design[:, : len(problem.codes)], table], axis=1)
    if np.linalg.matrix_rank(design) < design.shape[1]:
        raise StudyError("covariates: arms and covariates cannot be told apart. Leave a covariate out.")
    return design


def _fit_all(y: Array, design: Array) -> tuple[str, Draws]:
    """Fit to all persons, then without each; give the structure, and parameters of the n + 1 fits."""
    size, faults = (design.shape[1], y.shape[1]), []
    for name in FALLBACK_ORDER:
        try:
            fit = fit_repeated(y, design, [True] * size[0], structures=(name,))
            rest = leave_one_out(y, design, fit)
        except StudyError as error:
            faults.append(str(error))
            continue
        return name, Draws(
            np.concatenate([fit.coefficients.reshape(1, *size), rest.coefficients]),
            np.concatenate([fit.covariance[None], rest.covariances]),
        )
    raise StudyError(faults[-1])


@dataclass(frozen=True)
class _Alike:
    """Persons of the same arm, pattern and deviation who were not seen at the visit that is compared."""

    rows: NDArray[np.int64]
    seen: NDArray[np.int64]
    level: Array
    """Imputed values are ``level @ (1, covariates) + gain @ outcomes seen``; shape (n + 1, 1 + p)."""
    gain: Array


def _ancova(
    problem: Problem, design: Array, strategy: Strategy, reference: int, visit: int, parameters: Draws
) -> Array:
    """Give coefficients (n + 1, k) of least squares with all persons, then without each."""
    n, arms = len(design), len(problem.codes)
    outcome = problem.outcome[:, visit]
    there = np.isfinite(outcome)
    centre = outcome[there].mean()
    right = np.repeat((design[there].T @ (outcome[there] - centre))[None], n + 1, axis=0)
    own = np.where(there, outcome - centre, 0.0)
    basis = np.concatenate([np.ones((n, 1)), design[:, arms:]], axis=1)
    for alike in _alike(problem, strategy, reference, visit, parameters):
        rows, seen = alike.rows, problem.outcome[np.ix_(alike.rows, alike.seen)]
        level = alike.level.copy()
        level[:, 0] -= centre
        right += level @ (design[rows].T @ basis[rows]).T + alike.gain @ (design[rows].T @ seen).T
        own[rows] = (level[1 + rows] * basis[rows]).sum(axis=1) + (alike.gain[1 + rows] * seen).sum(axis=1)
    right[1:] -= design * own[:, None]
    cross = np.repeat((design.T @ design)[None], n + 1, axis=0)
    cross[1:] -= design[:, :, None] * design[:, None, :]
    # Decisive persons have coefficients of their own: without them the others are what they are with them.
    spared = np.concatenate([[False], decisive(design)])
    cross[spared], right[spared] = cross[0], right[0]
    return np.asarray(np.linalg.solve(cross, right[..., None])[..., 0], dtype=float)


def _alike(
    problem: Problem, strategy: Strategy, reference: int, visit: int, parameters: Draws
) -> list[_Alike]:
    visits = problem.outcome.shape[1]
    target = visit % visits
    there = np.isfinite(problem.outcome)
    key = np.column_stack([problem.arm, problem.deviating, problem.before, there])
    absent = np.flatnonzero(~there[:, target])
    kinds, place = np.unique(key[absent], axis=0, return_inverse=True)
    result = []
    for code, kind in enumerate(kinds):
        pattern = kind[3:].astype(bool)
        seen = np.flatnonzero(pattern)
        arm, elsewhere = (_level(problem.codes, parameters, each) for each in (int(kind[0]), reference))
        # The mean is linear in covariates, so that their coefficients are pieced together as means are.
        split = np.full(arm.shape[1], kind[2])
        mean = joint_mean(arm, elsewhere, split, strategy) if kind[1] else arm
        across = parameters.covariances[:, seen, target]
        inner = parameters.covariances[:, seen[:, None], seen]
        gain = np.asarray(np.linalg.solve(inner, across[..., None])[..., 0], dtype=float)
        level = mean[:, :, target] - (mean[:, :, seen] @ gain[..., None])[..., 0]
        result.append(_Alike(absent[place.reshape(-1) == code], seen, level, gain))
    return result


def _level(codes: NDArray[np.int64], parameters: Draws, arm: int) -> Array:
    """Give coefficients (n + 1, 1 + p, V) of an arm's mean by 1 and the covariates."""
    table, arms = parameters.coefficients, len(codes)
    place = int(np.flatnonzero(codes == arm)[0])
    first = table[:, 0] + (table[:, place] if place else 0.0)
    return np.concatenate([first[:, None], table[:, arms:]], axis=1)
