"""One estimated number with its uncertainty: what every analysis of a trial gives back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ketasim._lazy import lazy_module
from ketasim.errors import StudyError

if TYPE_CHECKING:
    from scipy import special
else:
    special = lazy_module("scipy.special")

__all__ = ["Estimate", "wald"]


@dataclass(frozen=True)
class Estimate:
    """An estimated number, its interval and the two-sided test that it is zero (or what `label` says).

    Parameters
    ----------
    label : str
        What is estimated, for example ``"ketamine - placebo"``.
    value : float
        The estimate, in the unit of the analysed outcome or on the scale that `label` names.
    se : float
        Its standard error; nan if the method has none.
    df : float
        Degrees of freedom of the reference distribution; infinite for the normal distribution.
    low, high : float
        Limits of the 95 % interval unless the analysis was asked for another level.
    statistic : float
        The test statistic; nan if the test is exact and has none.
    p : float
        Two-sided p value.
    method : str
        How it was computed, in the words of a report.
    """

    label: str
    value: float
    se: float
    df: float
    low: float
    high: float
    statistic: float
    p: float
    method: str

    def interval(self, alpha: float = 0.05) -> tuple[float, float]:
        """Give the symmetric interval ``value -+ quantile * se`` on the scale of the estimate.

        Methods with an interval of another form (exact, score) have it in `low` and `high` only.

        Parameters
        ----------
        alpha : float
            One minus the level, above 0 and below 1.

        Returns
        -------
        tuple of float
            Lower and upper limit; nan without a standard error.

        Raises
        ------
        StudyError
            If `alpha` is not between 0 and 1.
        """
        half = quantile(alpha, self.df) * self.se
        return self.value - half, self.value + half


def quantile(alpha: float, df: float) -> float:
    """Give the upper ``alpha / 2`` quantile of Student's t, or of the normal one if `df` is infinite.

    Raises
    ------
    StudyError
        If `alpha` is not between 0 and 1.
    """
    if not 0.0 < alpha < 1.0:
        raise StudyError(
            f"alpha: {alpha!r} is not between 0 and 1. Give for example 0.05 for a 95 % interval."
        )
    upper = 1.0 - alpha / 2.0
    return float(special.ndtri(upper)) if math.isinf(df) else float(special.stdtrit(df, upper))


def two_sided_p(statistic: float, df: float) -> float:
    """Give the two-sided p value of a t statistic, or of a normal one if `df` is infinite."""
    return 2.0 * float(
        special.ndtr(-abs(statistic)) if math.isinf(df) else special.stdtr(df, -abs(statistic))
    )


def wald(
    label: str, value: float, se: float, df: float, method: str, *, alpha: float = 0.05, null: float = 0.0
) -> Estimate:
    """Make an estimate with the interval and test of Student's t (normal if `df` is infinite).

    Parameters
    ----------
    label, method : str
        As in `Estimate`.
    value, se : float
        Estimate and standard error. Without a usable standard error (nan, or zero) statistic and p are nan.
    df : float
        Degrees of freedom, above 0; infinite for the normal distribution.
    alpha : float
        One minus the level of the interval.
    null : float
        The value that the test compares with.

    Returns
    -------
    Estimate
        The estimate.

    Raises
    ------
    StudyError
        If `alpha` is not between 0 and 1.
    """
    half = quantile(alpha, df) * se
    statistic = (value - null) / se if se > 0.0 else math.nan
    return Estimate(
        label=label,
        value=value,
        se=se,
        df=df,
        low=value - half,
        high=value + half,
        statistic=statistic,
        p=two_sided_p(statistic, df),
        method=method,
    )
