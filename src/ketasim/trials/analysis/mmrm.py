"""Mixed model for repeated measures (MMRM): treatment by visit, baseline by visit, any covariance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import StudyError
from ketasim.trials.analysis._inputs import read_arms
from ketasim.trials.analysis._samples import read_covariates, read_numbers
from ketasim.trials.analysis.covariance_structures import FALLBACK_ORDER
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.repeated import Degrees, FTest, RepeatedFit
from ketasim.trials.analysis.repeated_fit import fit_repeated

__all__ = ["Mmrm", "fit_mmrm"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Mmrm:
    """A fitted mixed model for repeated measures.

    Parameters
    ----------
    fit : RepeatedFit
        Coefficients, covariance, the structure used and those that failed.
    groups : tuple of int
        Codes of the arms; 0 is the comparator.
    average : array, shape (p,)
        Means of the other covariates over persons with a visit, at which adjusted means are given.
    seen : array of int, shape (groups, V)
        Persons seen by arm and visit.
    """

    fit: RepeatedFit
    groups: tuple[int, ...]
    average: Array
    seen: NDArray[np.int64]

    def _covariates(self, group: int) -> Array:
        if group not in self.groups:
            raise StudyError(f"group: {group} is not an arm; arms are {list(self.groups)}.")
        dummies = np.array([float(each == group) for each in self.groups if each != self.groups[0]])
        return np.concatenate([[1.0], dummies, self.average])

    def mean(
        self, group: int, visit: int, *, degrees: Degrees = "kenward-roger", alpha: float = 0.05
    ) -> Estimate:
        """Give the adjusted mean of an arm at a visit (0 = first).

        Raises
        ------
        StudyError
            If there is no such arm or visit.
        """
        contrast = self.fit.vector(self._covariates(group), visit)
        return self.fit.contrast(contrast, f"mean of arm {group}", degrees=degrees, alpha=alpha)

    def difference(
        self,
        visit: int = -1,
        group: int = 1,
        comparator: int = 0,
        *,
        degrees: Degrees = "kenward-roger",
        alpha: float = 0.05,
    ) -> Estimate:
        """Give the adjusted difference of two arms at a visit (the last by default).

        Raises
        ------
        StudyError
            If there is no such arm or visit.
        """
        contrast = self._difference(visit, group, comparator)
        label = f"arm {group} - arm {comparator}"
        return self.fit.contrast(contrast, label, degrees=degrees, alpha=alpha)

    def average_difference(
        self, group: int = 1, comparator: int = 0, *, degrees: Degrees = "kenward-roger", alpha: float = 0.05
    ) -> Estimate:
        """Give the difference of two arms averaged over all visits with equal weight.

        Raises
        ------
        StudyError
            If there is no such arm.
        """
        rows = [self._difference(visit, group, comparator) for visit in range(self.fit.visits)]
        label = f"arm {group} - arm {comparator}, mean of visits"
        return self.fit.contrast(np.mean(rows, axis=0), label, degrees=degrees, alpha=alpha)

    def test(
        self, which: Literal["treatment", "interaction"], *, degrees: Degrees = "kenward-roger"
    ) -> FTest:
        """Test that arms do not differ at any visit, or that their differences are the same at all visits."""
        by_visit = [
            np.stack([self._difference(visit, group, self.groups[0]) for visit in range(self.fit.visits)])
            for group in self.groups[1:]
        ]
        if which == "interaction":
            by_visit = [rows[1:] - rows[:-1] for rows in by_visit]
        return self.fit.test(np.concatenate(by_visit), degrees=degrees)

    def _difference(self, visit: int, group: int, comparator: int) -> Array:
        return self.fit.vector(self._covariates(group) - self._covariates(comparator), visit)


def fit_mmrm(
    y: ArrayLike,
    group: ArrayLike,
    covariates: ArrayLike | None = None,
    *,
    covariates_by_visit: bool | Sequence[bool] = True,
    structures: Sequence[str] = FALLBACK_ORDER,
    information: Literal["observed", "expected"] = "observed",
) -> Mmrm:
    """Fit an MMRM by restricted maximum likelihood (Mallinckrodt and others 2008).

    Each arm has a mean at each visit. People who miss visits stay in; the result is unbiased if what is
    missing depends only on what was seen.

    Parameters
    ----------
    y : array, shape (n, V)
        Outcomes at the visits after baseline, or changes; nan where missing.
    group : array of int, shape (n,)
        Arm; 0 is the comparator.
    covariates : array, shape (n, p) or (n,), optional
        Baseline, strata (as 0 and 1) and others, without intercept; none missing.
    covariates_by_visit : bool or sequence of bool
        Whether a covariate has a coefficient of its own at each visit; one for all or one for each.
    structures : sequence of str
        Covariance structures, tried in this order until one can be fitted: the fit says which was used.
    information : str
        As in `fit_repeated`.

    Returns
    -------
    Mmrm
        The fit, to be asked for means, differences and tests.

    Raises
    ------
    StudyError
        If shapes do not agree, a covariate is missing, an arm has nobody at a visit, or nothing can be
        fitted.
    """
    outcome = read_numbers("y", y)
    if outcome.ndim != 2:
        raise StudyError(f"y: shape {outcome.shape}; give one row a person and one column a visit.")
    arm = read_arms(group, len(outcome))
    table = read_covariates(covariates, len(outcome))
    codes = np.unique(arm)
    dummies = (arm[:, None] == codes[1:]).astype(float)
    count = table.shape[1]
    own = (
        [covariates_by_visit] * count if isinstance(covariates_by_visit, bool) else list(covariates_by_visit)
    )
    if len(own) != count:
        raise StudyError(f"covariates_by_visit: {len(own)} given for {count} covariates. Give one for each.")
    fit = fit_repeated(
        outcome,
        np.concatenate([np.ones((len(outcome), 1)), dummies, table], axis=1),
        [True] * len(codes) + own,
        names=[
            "intercept",
            *(f"arm {code}" for code in codes[1:]),
            *(f"covariate {i}" for i in range(count)),
        ],
        structures=structures,
        information=information,
    )
    there = np.isfinite(outcome)
    used = there.any(axis=1)
    return Mmrm(
        fit=fit,
        groups=tuple(int(code) for code in codes),
        average=table[used].mean(axis=0),
        seen=np.stack([there[arm == code].sum(axis=0) for code in codes]),
    )
