"""Reference-based multiple imputation: those who stop are taken to go on like the comparator arm.

The model is that of Carpenter, Roger and Kenward (2013): outcomes of an arm are multivariate normal with a
mean for each visit that depends on covariates, and one covariance for all arms. A person's values after the
deviation are drawn from the conditional distribution given those before, in a joint distribution whose mean
is pieced together from the person's own arm and the reference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis._inputs import read_arms
from ketasim.trials.analysis._samples import read_covariates, read_numbers
from ketasim.trials.analysis.ancova import ancova_many
from ketasim.trials.analysis.estimate import Estimate, wald
from ketasim.trials.analysis.posterior import Draws, bootstrap_draws, fill, find_holes, posterior_draws

__all__ = [
    "Imputed",
    "Problem",
    "Strategy",
    "analyse_imputed",
    "check_treatment",
    "impute",
    "joint_mean",
    "last_seen",
    "pool",
    "read_problem",
]

Array = NDArray[np.float64]
Strategy = Literal["at_random", "jump_to_reference", "copy_reference", "copy_increments"]


@dataclass(frozen=True)
class Imputed:
    """Completed data sets.

    Parameters
    ----------
    values : array, shape (M, n, V)
        Outcomes of M data sets; what was seen is the same in all.
    strategy : str
        How what is missing after the deviation was drawn.
    draws : str
        Where the parameters came from: ``"posterior"`` or ``"bootstrap"``.
    """

    values: Array
    strategy: str
    draws: str


def last_seen(y: ArrayLike) -> NDArray[np.int64]:
    """Give each person's number of visits up to the last that was seen: there the deviation begins."""
    there = np.isfinite(read_numbers("y", y))
    visits = there.shape[1]
    return np.where(there.any(axis=1), visits - there[:, ::-1].argmax(axis=1), 0)


def joint_mean(own: Array, reference: Array, before: NDArray[np.int64], strategy: Strategy) -> Array:
    """Give the mean of the joint distribution that a person's values are imputed from.

    Parameters
    ----------
    own, reference : array, shape (..., n, V)
        Means that the person would have in the own arm and in the reference arm.
    before : array of int, shape (n,)
        Visits before the deviation; V, and the own arm throughout, if there is none.
    strategy : str
        ``"at_random"``: the own arm throughout. ``"jump_to_reference"``: the reference from the deviation on.
        ``"copy_reference"``: the reference throughout, so that what was seen before the deviation counts as a
        residual about the reference. ``"copy_increments"``: from the deviation on, the own mean at the last
        visit before it plus the changes of the reference since; the reference's mean if there was no visit.

    Returns
    -------
    array, shape (..., n, V)
        The mean.

    Raises
    ------
    StudyError
        If the strategy is unknown.
    """
    if strategy not in get_args(Strategy):
        raise StudyError(f"strategy: {unknown_name('strategy', strategy, get_args(Strategy))}")
    if strategy == "at_random":
        return own
    if strategy == "copy_reference":
        return np.where(before[:, None] < own.shape[-1], reference, own)
    after = np.arange(own.shape[-1]) >= before[:, None]
    if strategy == "jump_to_reference":
        return np.where(after, reference, own)
    rows = np.arange(len(before))
    last = np.maximum(before - 1, 0)
    gap = np.where(before > 0, own[..., rows, last] - reference[..., rows, last], 0.0)
    return np.where(after, reference + gap[..., None], own)


def impute(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    strategy: Strategy,
    rng: np.random.Generator,
    n_imputations: int = 100,
    reference: int = 0,
    before: ArrayLike | None = None,
    draws: Literal["posterior", "bootstrap"] = "posterior",
) -> Imputed:
    """Complete a trial's data many times.

    Visits missed before the deviation are drawn from the same joint distribution as those after it. For the
    reference arm all strategies are the same. Values seen after a deviation do not inform the model (unless
    imputation is at random) but are kept, and what is missing is drawn given them too.

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes after baseline; nan where missing.
    group : array of int, shape (n,)
        Arm.
    covariates : array, shape (n, p) or (n,), optional
        Baseline and others, each with a coefficient for each visit; none missing.
    strategy : str
        See `joint_mean`.
    rng : numpy.random.Generator
        Source of randomness.
    n_imputations : int
        Number M of data sets, at least 2.
    reference : int
        The arm that others come to be like.
    before : array of int, shape (n,), optional
        Visits before the deviation; up to the last visit seen if not given.
    draws : str
        ``"posterior"``: parameters from their posterior distribution by data augmentation; ``"bootstrap"``:
        from fits of resampled persons.

    Returns
    -------
    Imputed
        The data sets.

    Raises
    ------
    StudyError
        If shapes do not agree, a choice is unknown, or the model cannot be fitted.
    """
    if n_imputations < 2:
        raise StudyError(f"n_imputations: {n_imputations}; at least 2 are needed to see how they differ.")
    problem = read_problem(y, group, covariates, strategy, reference, before)
    parameters = _parameters(problem, draws, rng, n_imputations)
    elsewhere = _design(np.full(len(problem.arm), reference), problem.codes, problem.table)
    values = _complete(problem, elsewhere, strategy, parameters, rng)
    return Imputed(values=values, strategy=strategy, draws=draws)


def _parameters(problem: Problem, draws: str, rng: np.random.Generator, count: int) -> Draws:
    if draws == "posterior":
        return posterior_draws(problem.informs, problem.design, rng, count)
    if draws == "bootstrap":
        return bootstrap_draws(problem.informs, problem.design, problem.arm, rng, count)
    raise StudyError(f"draws: {unknown_name('source of parameters', draws, ('posterior', 'bootstrap'))}")


@dataclass(frozen=True)
class Problem:
    """What is to be imputed: n persons, V visits, G arms, p covariates.

    Parameters
    ----------
    outcome, informs : array, shape (n, V)
        Outcomes, and those that inform the model: none after the deviation of a person who deviates.
    arm : array of int, shape (n,)
        Arm.
    codes : array of int, shape (G,)
        The arms that there are.
    table : array, shape (n, p)
        Covariates.
    design : array, shape (n, G + p)
        Intercept, arms but the first, covariates.
    before : array of int, shape (n,)
        Visits before the deviation; V for those who do not deviate.
    deviating : array of bool, shape (n,)
        Whose mean changes with the deviation: all outside the reference arm, unless it is at random.
    """

    outcome: Array
    informs: Array
    arm: NDArray[np.int64]
    codes: NDArray[np.int64]
    table: Array
    design: Array
    before: NDArray[np.int64]
    deviating: NDArray[np.bool_]


def read_problem(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None,
    strategy: Strategy,
    reference: int,
    before: ArrayLike | None,
) -> Problem:
    """Check what `impute` is given, and tell what informs the model.

    Raises
    ------
    StudyError
        If shapes do not agree or a choice is unknown.
    """
    outcome = read_numbers("y", y)
    if outcome.ndim != 2:
        raise StudyError(f"y: shape {outcome.shape}; give one row a person and one column a visit.")
    n, visits = outcome.shape
    arm, table = read_arms(group, n), read_covariates(covariates, n)
    codes = np.unique(arm)
    if reference not in codes:
        raise StudyError(f"reference: {reference} is not an arm; arms are {codes.tolist()}.")
    split = last_seen(outcome) if before is None else _read_before(before, n, visits)
    # Before anything is drawn, so that a wrong name costs no time.
    joint_mean(np.zeros((1, visits)), np.zeros((1, visits)), np.zeros(1, dtype=np.int64), strategy)
    after = np.arange(visits) >= split[:, None]
    deviating = (arm != reference) & (strategy != "at_random")
    return Problem(
        outcome=outcome,
        informs=np.where(after & deviating[:, None], np.nan, outcome),
        arm=arm,
        codes=codes,
        table=table,
        design=_design(arm, codes, table),
        before=np.where(deviating, split, visits),
        deviating=deviating,
    )


def _read_before(before: ArrayLike, n: int, visits: int) -> NDArray[np.int64]:
    split = np.asarray(before, dtype=np.int64)
    if split.shape != (n,) or (split < 0).any() or (split > visits).any():
        raise StudyError(f"before: give a number of visits from 0 to {visits} for each of {n} persons.")
    return split


def _design(arm: NDArray[np.int64], codes: NDArray[np.int64], table: Array) -> Array:
    dummies = (arm[:, None] == codes[1:]).astype(float)
    return np.concatenate([np.ones((len(arm), 1)), dummies, table], axis=1)


def _complete(
    problem: Problem, elsewhere: Array, strategy: Strategy, parameters: Draws, rng: np.random.Generator
) -> Array:
    values = np.repeat(problem.outcome[None], len(parameters.coefficients), axis=0)
    own, reference = problem.design @ parameters.coefficients, elsewhere @ parameters.coefficients
    pieced = joint_mean(own, reference, problem.before, strategy)
    mean = np.where(problem.deviating[:, None], pieced, own)
    fill(values, mean, parameters.covariances, find_holes(np.isfinite(problem.outcome)), rng)
    return values


def check_treatment(codes: NDArray[np.int64], treatment: int) -> None:
    """Refuse an arm that is not there or is the comparator.

    Raises
    ------
    StudyError
        If it is.
    """
    if treatment == 0 or treatment not in codes:
        raise StudyError(f"treatment: {treatment} is not an arm to compare; arms are {codes.tolist()}.")


def analyse_imputed(
    imputed: Imputed,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    *,
    visit: int = -1,
    treatment: int = 1,
    alpha: float = 0.05,
) -> Estimate:
    """Compare an arm with arm 0 at a visit by ANCOVA in each completed data set, and pool.

    Parameters
    ----------
    imputed : Imputed
        The completed data sets.
    group, covariates, strata
        As in `ancova`.
    visit : int
        The visit, 0 the first; the last by default.
    treatment : int
        The arm.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Estimate
        The pooled difference.

    Raises
    ------
    StudyError
        If the arm does not exist or the analysis fails.
    """
    codes = np.unique(np.asarray(group))
    check_treatment(codes, treatment)
    place = int(np.flatnonzero(codes == treatment)[0]) - 1
    many = ancova_many(imputed.values[:, :, visit], group, covariates, strata)
    value, se = many.value[:, place], many.se[:, place]
    if not np.isfinite(se).all():
        raise StudyError("covariates: they do not tell arms, covariates and strata apart. Leave some out.")
    label = f"arm {treatment} - arm 0"
    method = (
        f"multiple imputation ({imputed.strategy}, {len(value)} data sets, {imputed.draws} draws), ANCOVA"
    )
    return pool(value, se**2, float(many.df[0]), label, method, alpha=alpha)


def pool(
    values: ArrayLike,
    variances: ArrayLike,
    df_complete: float,
    label: str,
    method: str,
    *,
    alpha: float = 0.05,
) -> Estimate:
    """Pool estimates from completed data sets by Rubin's rules, df by Barnard and Rubin (1999).

    Parameters
    ----------
    values, variances : array, shape (M,)
        Estimates and their squared standard errors, M at least 2.
    df_complete : float
        Degrees of freedom that the analysis of complete data has; may be infinite.
    label, method : str
        As in `Estimate`.
    alpha : float
        One minus the level of the interval.

    Returns
    -------
    Estimate
        The pooled estimate.

    Raises
    ------
    StudyError
        If there are fewer than two estimates or shapes differ.
    """
    value, within = np.asarray(values, dtype=float), np.asarray(variances, dtype=float)
    m = value.size
    if value.ndim != 1 or within.shape != value.shape or m < 2:
        raise StudyError(f"values: shapes {value.shape} and {within.shape}; give two or more of each.")
    inside, between = float(within.mean()), float(value.var(ddof=1))
    total = inside + (1.0 + 1.0 / m) * between
    share = (1.0 + 1.0 / m) * between / total
    observed = 1.0 - share
    if not math.isinf(df_complete):
        observed *= (df_complete + 1.0) / (df_complete + 3.0) * df_complete
    # Equal estimates in all data sets: nothing was missing, and the analysis has its own degrees of freedom.
    # 1e-12 is the rounding of a variance of equal numbers.
    if share < 1e-12:
        df = df_complete
    else:
        old = (m - 1) / share**2
        df = old if math.isinf(df_complete) else old * observed / (old + observed)
    return wald(label, float(value.mean()), math.sqrt(total), df, method, alpha=alpha)
