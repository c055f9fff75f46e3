"""Many treatments with one control (Dunnett 1955): the exact multivariate t distribution by quadrature.

The statistics share the control and the error variance. Given the control's mean and the variance they are
independent, which leaves two integrals. Both are taken by the trapezoidal rule, which converges faster than
any power for these integrands, so that results repeat to the last digit: no random numbers are drawn.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import (
    Floats,
    check_level,
    read_codes,
    read_covariates,
    read_numbers,
    same_length,
)
from ketasim.trials.analysis.estimate import Estimate, quantile

__all__ = ["dunnett", "dunnett_critical", "dunnett_p"]

_Z = np.linspace(-8.5, 8.5, 86)
_Z_WEIGHTS = np.exp(-0.5 * _Z**2) / math.sqrt(2.0 * math.pi) * (_Z[1] - _Z[0])


def dunnett_p(
    statistics: npt.ArrayLike,
    n: npt.ArrayLike,
    control_n: float,
    df: float = math.inf,
    *,
    two_sided: bool = True,
) -> Floats:
    """Give single-step adjusted p values of comparisons with one control.

    Parameters
    ----------
    statistics : array_like (..., k)
        T statistics, treatment minus control; one-sided p values are for larger values.
    n : array_like (k,)
        Persons in each treatment.
    control_n : float
        Persons in the control.
    df : float
        Degrees of freedom of the error; infinite for the normal distribution.
    two_sided : bool
        Whether both directions count.

    Returns
    -------
    ndarray (..., k)
        P values.

    Raises
    ------
    StudyError
        If sizes do not fit.
    """
    t, share = read_numbers("statistics", statistics, finite=True), _loadings(n, control_n)
    if t.ndim < 1 or t.shape[-1] != share.size:
        raise StudyError(f"statistics: shape {t.shape}, but n names {share.size} treatments; make them fit.")
    _check_df(df)
    bounds = np.abs(t) if two_sided else t
    values = [1.0 - _all_below(float(bound), share, df, two_sided) for bound in bounds.ravel()]
    return np.asarray(np.clip(np.reshape(values, t.shape), 0.0, 1.0))


def dunnett_critical(
    n: npt.ArrayLike, control_n: float, df: float = math.inf, *, alpha: float = 0.05, two_sided: bool = True
) -> float:
    """Give the value that the largest statistic exceeds with chance `alpha`; parameters as in `dunnett_p`."""
    share = _loadings(n, control_n)
    check_level(alpha)
    _check_df(df)
    # Bonferroni bounds the value from above, one comparison alone from below.
    tails = 2.0 if two_sided else 1.0
    single, bonferroni = (quantile(2.0 * alpha / tails / m, df) for m in (1, share.size))
    if share.size == 1:
        return single
    return float(
        brentq(
            lambda c: _all_below(c, share, df, two_sided) - (1.0 - alpha),
            single - 0.01 * abs(single) - 0.01,
            bonferroni + 0.01 * abs(bonferroni) + 0.01,
            xtol=1e-10,
        )
    )


def dunnett(
    y: npt.ArrayLike,
    group: npt.ArrayLike,
    *,
    covariates: npt.ArrayLike | None = None,
    alpha: float = 0.05,
) -> tuple[Estimate, ...]:
    """Compare each treatment with the control, two-sided, with simultaneous intervals.

    Parameters
    ----------
    y : array_like (n,)
        Outcome; persons with NaN are left out.
    group : array_like (n,)
        0 control, then the treatments' codes.
    covariates : array_like (n, p), optional
        Columns of an analysis of covariance. The correlations of the comparisons are still taken from the
        group sizes, which holds to the order of the chance imbalance of the covariates.
    alpha : float
        One minus the simultaneous level.

    Returns
    -------
    tuple of Estimate
        One for each treatment, in the order of codes; `p` is adjusted, `low` and `high` are simultaneous.

    Raises
    ------
    StudyError
        If there is no control or no treatment, or too few persons.
    """
    outcome, arm = read_numbers("y", y), read_codes("group", group)
    x = read_covariates(covariates, same_length(y=outcome, group=arm))
    known = ~np.isnan(outcome)
    outcome, arm, x = outcome[known], arm[known], x[known]
    codes, sizes = np.unique(arm, return_counts=True)
    if codes.size < 2 or codes[0] != 0:
        raise StudyError(f"group: codes {codes.tolist()}; give the control (0) and at least one treatment.")
    design = np.column_stack([np.ones(arm.size), arm[:, None] == codes[1:], x - x.mean(axis=0)])
    df = arm.size - np.linalg.matrix_rank(design)
    if df < 1:
        raise StudyError(f"y: {arm.size} persons for {design.shape[1]} columns leave no error; use fewer.")
    inverse = np.linalg.pinv(design.T @ design)
    slopes = inverse @ design.T @ outcome
    sigma2 = float(((outcome - design @ slopes) ** 2).sum()) / float(df)
    se = np.sqrt(sigma2 * np.diag(inverse))[1 : codes.size]
    value = slopes[1 : codes.size]
    t = value / se
    half = dunnett_critical(sizes[1:], float(sizes[0]), float(df), alpha=alpha) * se
    p = dunnett_p(t, sizes[1:], float(sizes[0]), float(df))
    return tuple(
        Estimate(
            f"group {code} - group 0",
            float(value[j]),
            float(se[j]),
            float(df),
            float(value[j] - half[j]),
            float(value[j] + half[j]),
            float(t[j]),
            float(p[j]),
            "Dunnett, simultaneous interval",
        )
        for j, code in enumerate(codes[1:])
    )


def _loadings(n: npt.ArrayLike, control_n: float) -> Floats:
    """Correlation of each statistic with the control's mean: the pairs correlate by the products."""
    sizes = np.atleast_1d(read_numbers("n", n, finite=True))
    if sizes.ndim != 1 or (sizes <= 0.0).any() or not control_n > 0.0:
        raise StudyError(f"n: {sizes.tolist()} and control_n: {control_n!r}; every group needs persons.")
    return np.sqrt(sizes / (sizes + control_n))


def _check_df(df: float) -> None:
    if not df >= 1.0:
        raise StudyError(f"df: {df!r}; degrees of freedom are at least 1, or infinite.")


def _scales(df: float) -> tuple[Floats, Floats]:
    """Nodes and weights for the error's standard deviation over its true value."""
    if math.isinf(df):
        return np.ones(1), np.ones(1)
    # In log s the density falls like s^df below and like exp(-df s^2 / 2) above, around a peak of width
    # 1 / sqrt(2 df) at zero. Weights are scaled to sum to one, which spares the density's large constants.
    width = 1.0 / math.sqrt(2.0 * df)
    nodes = np.linspace(-9.0 * width - 36.0 / df, 9.0 * width, 240 if df < 8.0 else 90)
    log_density = df * nodes - 0.5 * df * np.expm1(2.0 * nodes)
    weights = np.exp(log_density - log_density.max())
    return np.exp(nodes), weights / weights.sum()


def _all_below(bound: float, share: Floats, df: float, two_sided: bool) -> float:
    """Chance that no statistic (or no absolute statistic) exceeds `bound`."""
    scale, weights = _scales(df)
    own = np.sqrt(1.0 - share**2)
    level = bound * scale[:, None, None]
    shift = share * _Z[None, :, None]
    inside = ndtr((level + shift) / own)
    if two_sided:
        inside = inside - ndtr((-level + shift) / own)
    return float(weights @ (inside.prod(axis=-1) @ _Z_WEIGHTS))
