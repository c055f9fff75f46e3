"""The effect after a trial with looks: without the bias that stopping early brings."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import Floats, check_level, read_numbers
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.sequential import Boundaries, exit_chances

__all__ = ["final_estimate", "repeated_intervals"]


def final_estimate(
    z: float,
    look: int,
    boundaries: Boundaries,
    information: float,
    *,
    lower: npt.ArrayLike | None = None,
    alpha: float = 0.05,
) -> Estimate:
    """Estimate the effect after stopping: median-unbiased, with an exact interval.

    Outcomes are ordered by stage: through the upper boundary, the earlier the stronger; at one look by Z
    (Tsiatis, Rosner and Mehta 1984). The estimate is the effect under which the chance of a stronger outcome
    is one half, and the limits are where it is ``alpha / 2`` and ``1 - alpha / 2``.

    Parameters
    ----------
    z : float
        Statistic at the look where the trial stopped or ended.
    look : int
        That look, from 1.
    boundaries : Boundaries
        Of all looks up to this one at least.
    information : float
        Information at fraction 1: persons over four times the variance for two equal groups.
    lower : array_like (looks,), optional
        A binding lower boundary of one-sided looks; two-sided boundaries bring their own.
    alpha : float
        One minus the level.

    Returns
    -------
    Estimate
        Of theta; `p` is two-sided by the same ordering; `se` is that of the naive estimate.

    Raises
    ------
    StudyError
        If the look does not exist or the information is not above zero.
    """
    if not 1 <= look <= boundaries.fraction.size:
        raise StudyError(f"look: {look!r}; the boundaries have looks 1 to {boundaries.fraction.size}.")
    if not (math.isfinite(information) and information > 0.0) or not math.isfinite(z):
        raise StudyError(f"information: {information!r} and z: {z!r} must be finite, information above 0.")
    check_level(alpha)
    share = boundaries.fraction[:look]
    upper = boundaries.critical[:look].copy()
    if boundaries.two_sided:
        below = -upper
    else:
        below = np.full(look, -np.inf) if lower is None else read_numbers("lower", lower).astype(float)[:look]
    upper[-1], below[-1] = z, z

    def stronger(drift: float) -> float:
        high, _ = exit_chances(share, upper, below, drift=drift)
        return float(high.sum())

    root = math.sqrt(information)
    naive = z / math.sqrt(share[-1])
    reach = 9.0 / math.sqrt(share[0])

    def drift_with(chance: float) -> float:
        return float(brentq(lambda d: stronger(d) - chance, naive - reach, naive + reach, xtol=1e-9))

    value, low, high = (drift_with(c) / root for c in (0.5, alpha / 2.0, 1.0 - alpha / 2.0))
    tail = stronger(0.0)
    return Estimate(
        "effect",
        value,
        1.0 / math.sqrt(information * share[-1]),
        math.inf,
        low,
        high,
        z,
        min(1.0, 2.0 * min(tail, 1.0 - tail)),
        f"median unbiased, stage-wise ordering, stopped at look {look}",
    )


def repeated_intervals(
    estimates: npt.ArrayLike, boundaries: Boundaries, information: float
) -> tuple[Floats, Floats]:
    """Give intervals that hold at every look together, stop or not (Jennison and Turnbull 1989).

    Parameters
    ----------
    estimates : array_like (looks so far,)
        Naive estimate of theta at each look.
    boundaries : Boundaries
        Two-sided boundaries, whose level the intervals have.
    information : float
        Information at fraction 1.

    Returns
    -------
    low, high : ndarray (looks so far,)
        Limits.

    Raises
    ------
    StudyError
        If the boundaries are one-sided.
    """
    if not boundaries.two_sided:
        raise StudyError("boundaries: repeated intervals need two-sided boundaries; make them so.")
    values = read_numbers("estimates", estimates, finite=True)
    looks = values.shape[-1]
    half = boundaries.critical[:looks] / np.sqrt(information * boundaries.fraction[:looks])
    return values - half, values + half
