"""A fitted linear model for repeated measures, and the contrasts and tests that it can be asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis.estimate import Estimate, wald

__all__ = ["Attempt", "Degrees", "FTest", "RepeatedFit", "Standardised"]

Array = NDArray[np.float64]
Degrees = Literal["kenward-roger", "satterthwaite", "between-within"]


@dataclass(frozen=True)
class Attempt:
    """One covariance structure that was tried.

    Parameters
    ----------
    structure : str
        Its name.
    converged : bool
        Whether its fit can be used.
    steps : int
        Newton steps taken.
    reason : str
        Why the fit cannot be used; empty if it can.
    """

    structure: str
    converged: bool
    steps: int
    reason: str


@dataclass(frozen=True)
class FTest:
    """An F test of several contrasts: statistic (scaled), degrees of freedom, p value and method."""

    statistic: float
    numerator: int
    denominator: float
    p: float
    method: str


@dataclass(frozen=True)
class Standardised:
    """The fit to centred and scaled data, in which tests are computed: large means then cost no digits.

    Parameters
    ----------
    turn, offset : array, shapes (p, p) and (p,)
        The coefficients of the data as given are ``turn @ coefficients + offset``.
    coefficients, variance, adjusted : array
        As in `RepeatedFit`, of the standardised data.
    slopes : array, shape (m, p, p)
        Derivatives of the inverse of `variance` by the parameters of the covariance.
    weights : array, shape (m, m)
        Covariance of those parameters.
    """

    turn: Array
    offset: Array
    coefficients: Array
    variance: Array
    adjusted: Array
    slopes: Array
    weights: Array


@dataclass(frozen=True)
class RepeatedFit:
    """A fitted model: n persons, V visits, q covariates, p coefficients, m covariance parameters.

    Parameters
    ----------
    attempts : tuple of Attempt
        The structures tried, in order; the last is the one used.
    deviance : float
        Minus twice the restricted log-likelihood.
    covariance : array, shape (V, V)
        Covariance of a person's visits, squared units of the outcome.
    parameters : array, shape (m,)
        Parameters of the structure.
    coefficients : array, shape (p,)
        By covariate, and within a covariate by visit if it has a coefficient of its own at each.
    variance : array, shape (p, p)
        Their asymptotic covariance.
    adjusted : array, shape (p, p)
        The same with the small-sample adjustment of Kenward and Roger (1997).
    by_visit : array of bool, shape (q,)
        Which covariates have a coefficient for each visit.
    names : tuple of str
        Names of the covariates.
    n_persons, n_observations : int
        Persons with at least one visit, and visits seen.
    """

    attempts: tuple[Attempt, ...]
    deviance: float
    covariance: Array
    parameters: Array
    coefficients: Array
    variance: Array
    adjusted: Array
    by_visit: NDArray[np.bool_]
    names: tuple[str, ...]
    n_persons: int
    n_observations: int
    _inside: Standardised

    @property
    def structure(self) -> str:
        """Name of the covariance structure used."""
        return self.attempts[-1].structure

    @property
    def visits(self) -> int:
        """Number of visits."""
        return len(self.covariance)

    def vector(self, covariates: ArrayLike, visit: int) -> Array:
        """Give the contrast for covariates `covariates`, shape (q,), at a visit (0 = first), shape (p,).

        Raises
        ------
        StudyError
            If there is no such visit.
        """
        if not -self.visits <= visit < self.visits:
            raise StudyError(f"visit: {visit} does not exist; visits are numbered 0 to {self.visits - 1}.")
        parts = []
        for value, own in zip(np.asarray(covariates, dtype=float), self.by_visit, strict=True):
            part = np.zeros(self.visits if own else 1)
            part[visit if own else 0] = value
            parts.append(part)
        return np.concatenate(parts)

    def contrast(
        self, contrast: ArrayLike, label: str, *, degrees: Degrees = "kenward-roger", alpha: float = 0.05
    ) -> Estimate:
        """Estimate a linear combination of coefficients.

        Parameters
        ----------
        contrast : array, shape (p,)
            The weights, for example from `vector`.
        label : str
            What it is.
        degrees : str
            ``"kenward-roger"`` (adjusted standard error), ``"satterthwaite"`` (the same degrees of freedom
            for one contrast, standard error not adjusted) or ``"between-within"`` (naive: persons less
            covariates, as SAS gives to all effects under an unstructured covariance).
        alpha : float
            One minus the level of the interval.

        Returns
        -------
        Estimate
            The estimate with its t test.

        Raises
        ------
        StudyError
            If the contrast is zero or of a wrong length, or `degrees` is unknown.
        """
        given = self._check(np.atleast_2d(np.asarray(contrast, dtype=float)), degrees)[0]
        inside, weights = self._inside, given @ self._inside.turn
        spread = inside.adjusted if degrees == "kenward-roger" else inside.variance
        return wald(
            label,
            float(weights @ inside.coefficients + given @ inside.offset),
            math.sqrt(float(weights @ spread @ weights)),
            self._denominator(weights, degrees),
            f"repeated measures, {self.structure} covariance, REML, {degrees} df",
            alpha=alpha,
        )

    def test(self, contrasts: ArrayLike, *, degrees: Degrees = "kenward-roger") -> FTest:
        """Test that several contrasts, shape (l, p), are all zero.

        ``"satterthwaite"`` combines the degrees of freedom of the independent directions (Fai and
        Cornelius 1996).

        Raises
        ------
        StudyError
            If the contrasts depend on each other or have a wrong shape, or `degrees` is unknown.
        """
        given = self._check(np.atleast_2d(np.asarray(contrasts, dtype=float)), degrees)
        inside, rows = self._inside, given @ self._inside.turn
        count = len(rows)
        value = rows @ inside.coefficients + given @ inside.offset
        spread = rows @ (inside.adjusted if degrees == "kenward-roger" else inside.variance) @ rows.T
        statistic = float(value @ np.linalg.solve(spread, value)) / count
        if degrees == "kenward-roger":
            scale, denominator = self._scaled(rows)
            statistic *= scale
        elif degrees == "satterthwaite":
            _, directions = np.linalg.eigh(spread)
            each = np.array([self._denominator(row, degrees) for row in directions.T @ rows])
            useful = float((each[each > 2.0] / (each[each > 2.0] - 2.0)).sum())
            denominator = 2.0 * useful / (useful - count) if useful > count else 0.0
        else:
            denominator = float(self.n_persons - len(self.by_visit))
        p = float(fdtrc(count, denominator, statistic)) if denominator > 0.0 else math.nan
        return FTest(statistic, count, denominator, p, f"{self.structure} covariance, REML, {degrees} df")

    def _check(self, rows: Array, degrees: str) -> Array:
        if degrees not in get_args(Degrees):
            raise StudyError(f"degrees: {unknown_name('method', degrees, get_args(Degrees))}")
        if rows.ndim != 2 or rows.shape[1] != len(self.coefficients):
            raise StudyError(
                f"contrast: shape {rows.shape}, but there are {len(self.coefficients)} coefficients. "
                "Make it with `vector`."
            )
        if np.linalg.matrix_rank(rows) < len(rows):
            raise StudyError("contrast: zero, or one is a combination of the others. Leave it out.")
        return rows

    def _denominator(self, weights: Array, degrees: str) -> float:
        if degrees == "between-within":
            return float(self.n_persons - len(self.by_visit))
        changed = self._inside.variance @ weights
        slopes = np.einsum("i,kij,j->k", changed, self._inside.slopes, changed)
        spread = float(weights @ changed)
        return float(2.0 * spread**2 / (slopes @ self._inside.weights @ slopes))

    def _scaled(self, rows: Array) -> tuple[float, float]:
        """Give scale and denominator of Kenward and Roger (1997), their section 3.2."""
        count = len(rows)
        variance = self._inside.variance
        theta = rows.T @ np.linalg.solve(rows @ variance @ rows.T, rows)
        turned = theta @ variance @ self._inside.slopes @ variance
        weights = self._inside.weights
        traces = np.trace(turned, axis1=1, axis2=2)
        one = float(traces @ weights @ traces)
        two = float((weights * np.einsum("kij,lji->kl", turned, turned)).sum())
        if two <= 0.0:
            return 1.0, math.inf
        b = (one + 6.0 * two) / (2.0 * count)
        g = ((count + 1.0) * one - (count + 4.0) * two) / ((count + 2.0) * two)
        base = 3.0 * count + 2.0 * (1.0 - g)
        c1, c2, c3 = g / base, (count - g) / base, (count + 2.0 - g) / base
        mean = 1.0 / (1.0 - two / count)
        scatter = 2.0 / count * (1.0 + c1 * b) / ((1.0 - c2 * b) ** 2 * (1.0 - c3 * b))
        ratio = scatter / (2.0 * mean**2)
        denominator = 4.0 + (count + 2.0) / (count * ratio - 1.0)
        return denominator / (mean * (denominator - 2.0)), denominator
