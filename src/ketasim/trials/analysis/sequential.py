"""Trials with looks: spending of alpha, boundaries, chances of stopping, conditional power.

The statistic of a look is Z = S / sqrt(I), where the score S has mean ``theta * I`` and variance I, the
information (persons over four times the variance for two equal groups, or events over four for the log-rank
test). ``theta`` is the effect. Chances are found by the recursive integration of Armitage, McPherson and Rowe
(1969) as in chapter 19 of Jennison and Turnbull (2000).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from ketasim.errors import StudyError, unknown_name
from ketasim.trials.analysis._samples import Floats, check_level, read_numbers

__all__ = [
    "Boundaries",
    "classical_boundaries",
    "conditional_power",
    "exit_chances",
    "futility_bound",
    "predictive_power",
    "spending_boundaries",
    "spent",
]

_SPENDING = ("obrien_fleming", "pocock", "linear")
_CLASSICAL = {"pocock": 0.0, "obrien_fleming": -0.5}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(160)


@dataclass(frozen=True)
class Boundaries:
    """Critical values of the looks.

    Parameters
    ----------
    fraction : ndarray (looks,)
        Information of each look over that of the last.
    critical : ndarray (looks,)
        A trial stops for efficacy if Z (its absolute value if two-sided) reaches this.
    spent : ndarray (looks,)
        Chance, with no effect, of having stopped by each look.
    two_sided : bool
        Whether both directions stop the trial.
    """

    fraction: Floats
    critical: Floats
    spent: Floats
    two_sided: bool


def spent(fraction: npt.ArrayLike, kind: str, *, alpha: float = 0.05, two_sided: bool = True) -> Floats:
    """Give the alpha spent by a share of the information (Lan and DeMets 1983).

    Parameters
    ----------
    fraction : array_like
        Share of the information, above 0 and at most 1.
    kind : {"obrien_fleming", "pocock", "linear"}
        ``2 - 2 Phi(z / sqrt(t))``, ``alpha log(1 + (e - 1) t)``, or ``alpha t``, for each direction.
    alpha : float
        All alpha, over both directions if two-sided.
    two_sided : bool
        Whether alpha is shared by both directions.

    Returns
    -------
    ndarray
        Alpha spent, over both directions if two-sided.

    Raises
    ------
    StudyError
        If `kind` is unknown or a share is out of range.
    """
    share = _fractions(fraction)
    sides = 2.0 if two_sided else 1.0
    side = check_level(alpha) / sides
    if kind == "obrien_fleming":
        used = 2.0 * ndtr(-ndtri(1.0 - side / 2.0) / np.sqrt(share))
    elif kind == "pocock":
        used = side * np.log1p((math.e - 1.0) * share)
    elif kind == "linear":
        used = side * share
    else:
        raise StudyError(f"kind: {unknown_name('spending function', kind, _SPENDING)}")
    return np.asarray(sides * used)


def spending_boundaries(
    fraction: npt.ArrayLike, kind: str, *, alpha: float = 0.05, two_sided: bool = True
) -> Boundaries:
    """Give the critical values that spend alpha as a function says, at any shares of information.

    Parameters as in `spent`; `fraction` (looks,) increases and need not end at 1.

    Returns
    -------
    Boundaries
        Values that do not depend on looks to come, so that looks may move (Lan and DeMets 1983).
    """
    share = _fractions(fraction)
    used = spent(share, kind, alpha=alpha, two_sided=two_sided)
    critical = np.zeros(share.size)
    density = _Density(share, 0.0)
    for look, step in enumerate(np.diff(used, prepend=0.0)):
        target = float(step) / (2.0 if two_sided else 1.0)
        critical[look] = density.value_with_tail(target)
        density.keep(-critical[look] if two_sided else -np.inf, critical[look])
    return Boundaries(share, critical, used, two_sided)


def classical_boundaries(looks: int, kind: str, *, alpha: float = 0.05, two_sided: bool = True) -> Boundaries:
    """Give the critical values of Pocock (1977) or O'Brien and Fleming (1979) for equally spaced looks.

    Parameters
    ----------
    looks : int
        Number of looks, the last among them.
    kind : {"pocock", "obrien_fleming"}
        The same value at each look, or one that falls with the root of the information.
    alpha : float
        All alpha.
    two_sided : bool
        Whether both directions stop the trial.

    Returns
    -------
    Boundaries
        With the last value as in tables 2.1 and 2.3 of Jennison and Turnbull (2000).
    """
    if kind not in _CLASSICAL:
        raise StudyError(f"kind: {unknown_name('boundary', kind, _CLASSICAL)}")
    if looks < 1:
        raise StudyError(f"looks: {looks!r}; give at least one.")
    check_level(alpha)
    share = np.arange(1, looks + 1) / looks
    shape = share ** _CLASSICAL[kind]

    def used(constant: float) -> Floats:
        upper, lower = exit_chances(
            share, constant * shape, -constant * shape if two_sided else None, drift=0.0
        )
        return np.cumsum(upper + lower)

    single = float(ndtri(1.0 - alpha / (2.0 if two_sided else 1.0)))
    constant = float(brentq(lambda c: float(used(c)[-1]) - alpha, single - 0.01, single + 3.0, xtol=1e-11))
    return Boundaries(share, constant * shape, used(constant), two_sided)


def exit_chances(
    fraction: npt.ArrayLike,
    upper: npt.ArrayLike,
    lower: npt.ArrayLike | None = None,
    *,
    drift: float = 0.0,
) -> tuple[Floats, Floats]:
    """Give the chances of leaving through the upper and the lower boundary at each look.

    Parameters
    ----------
    fraction : array_like (looks,)
        Shares of the information, increasing.
    upper, lower : array_like (looks,)
        Critical values of Z; no lower boundary if `lower` is None. The two may meet at the last look.
    drift : float
        ``theta sqrt(I)`` at all the information: the mean of Z at share 1.

    Returns
    -------
    high, low : ndarray (looks,)
        Chances. Power is the sum of `high`; what is missing to 1 went on past the last look.
    """
    share = _fractions(fraction)
    above = np.broadcast_to(np.asarray(upper, dtype=np.float64), share.shape)
    below = np.full(share.shape, -np.inf) if lower is None else np.asarray(lower, dtype=np.float64)
    below = np.broadcast_to(below, share.shape)
    if (below > above).any():
        raise StudyError("lower: a lower boundary lies above the upper one; exchange or correct them.")
    density = _Density(share, drift)
    high, low = np.zeros(share.size), np.zeros(share.size)
    for look in range(share.size):
        high[look] = density.tail(float(above[look]))
        low[look] = density.tail_below(float(below[look]))
        density.keep(float(below[look]), float(above[look]))
    return high, low


class _Density:
    """Density of the score among trials that go on, from look to look, at Gauss-Legendre points."""

    def __init__(self, share: Floats, drift: float) -> None:
        self.share = share
        self.drift = drift
        self.look = 0
        self.points: Floats = np.zeros(1)
        self.mass: Floats = np.ones(1)

    @property
    def _step(self) -> float:
        before = self.share[self.look - 1] if self.look else 0.0
        return float(self.share[self.look] - before)

    def tail(self, z: float) -> float:
        """Chance that Z at this look is above `z`, after going on so far."""
        return self._beyond(z, 1.0)

    def tail_below(self, z: float) -> float:
        """Chance that Z at this look is below `z`, after going on so far."""
        return self._beyond(z, -1.0)

    def _beyond(self, z: float, sign: float) -> float:
        score = z * math.sqrt(self.share[self.look])
        mean = self.points + self.drift * self._step
        return float(self.mass @ ndtr(sign * (mean - score) / math.sqrt(self._step)))

    def value_with_tail(self, target: float) -> float:
        """Find the Z that is exceeded with chance `target`."""
        if target <= 0.0 or self.tail(8.5) >= target:
            return 8.5 if target > 0.0 else math.inf
        return float(brentq(lambda z: self.tail(z) - target, -8.5, 8.5, xtol=1e-11))

    def keep(self, lower: float, upper: float) -> None:
        """Go on to the next look with the trials between two values of Z."""
        t = float(self.share[self.look])
        middle, reach = self.drift * t, 9.0 * math.sqrt(t)
        low = max(lower * math.sqrt(t), middle - reach)
        high = max(min(upper * math.sqrt(t), middle + reach), low)
        points = (high - low) / 2.0 * _NODES + (high + low) / 2.0
        gap = points[:, None] - self.points - self.drift * self._step
        kernel = np.exp(-0.5 * gap**2 / self._step) / math.sqrt(2.0 * math.pi * self._step)
        self.mass = (high - low) / 2.0 * _WEIGHTS * (kernel @ self.mass)
        self.points = points
        self.look += 1


def conditional_power(
    z: npt.ArrayLike,
    fraction: npt.ArrayLike,
    critical: float,
    *,
    drift: npt.ArrayLike | None = None,
) -> Floats:
    """Give the chance that Z ends above `critical`, given Z at an earlier look (Lan and Wittes 1988).

    Parameters
    ----------
    z, fraction : array_like
        Statistic now (towards benefit), and the share of the information it rests on, below 1.
    critical : float
        Value to be reached at the end.
    drift : array_like, optional
        Mean of Z at the end that is assumed for the rest; None takes the current trend ``z / sqrt(t)``.

    Returns
    -------
    ndarray
        Chances.
    """
    now, t = read_numbers("z", z), _fractions(fraction, below_one=True)
    rest = now / np.sqrt(t) if drift is None else np.asarray(drift, dtype=np.float64)
    return np.asarray(ndtr((now * np.sqrt(t) + rest * (1.0 - t) - critical) / np.sqrt(1.0 - t)))


def predictive_power(z: npt.ArrayLike, fraction: npt.ArrayLike, critical: float) -> Floats:
    """Average conditional power over what the data so far say of the effect (flat prior; Spiegelhalter 1986).

    Parameters as in `conditional_power`.
    """
    now, t = read_numbers("z", z), _fractions(fraction, below_one=True)
    return np.asarray(ndtr((now - critical * np.sqrt(t)) / np.sqrt(1.0 - t)))


def futility_bound(
    fraction: npt.ArrayLike, critical: float, *, power: float = 0.2, drift: npt.ArrayLike | None = None
) -> Floats:
    """Give the Z at a look below which conditional power is under `power`; parameters as there.

    A bound that is not binding: the critical values of `Boundaries` stay valid if a trial goes on below it.
    """
    t = _fractions(fraction, below_one=True)
    needed = critical + float(ndtri(check_level(power, "power"))) * np.sqrt(1.0 - t)
    if drift is None:
        return np.asarray(needed * np.sqrt(t))
    return np.asarray((needed - np.asarray(drift, dtype=np.float64) * (1.0 - t)) / np.sqrt(t))


def _fractions(given: npt.ArrayLike, *, below_one: bool = False) -> Floats:
    share = np.atleast_1d(read_numbers("fraction", given, finite=True))
    limit = 1.0 if below_one else 1.0 + 1e-9
    if (share <= 0.0).any() or (share >= 1.0 if below_one else share > limit).any():
        raise StudyError(
            f"fraction: {share.tolist()}; shares of the information lie above 0 and "
            f"{'below' if below_one else 'up to'} 1."
        )
    if not below_one and (np.diff(share) <= 0.0).any():
        raise StudyError(f"fraction: {share.tolist()}; each look needs more information than the one before.")
    return np.asarray(share.reshape(np.shape(given)) if below_one else share)
