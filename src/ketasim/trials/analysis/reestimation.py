"""Changing the size of a trial at a look, and counting events instead of persons."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ketasim.errors import StudyError
from ketasim.trials.analysis._samples import Flags, Floats, check_level, read_flags, read_numbers, same_length
from ketasim.trials.analysis.estimate import Estimate, two_sided_p

__all__ = [
    "cut_at",
    "events_needed",
    "reestimate_size",
    "time_of_event",
    "weighted_estimate",
    "weighted_statistic",
]


def weighted_statistic(first: npt.ArrayLike, second: npt.ArrayLike, fraction: float) -> Floats:
    """Combine the statistics of two stages with weights fixed before (Cui, Hung and Wang 1999).

    Parameters
    ----------
    first, second : array_like
        Z of the persons of each stage alone.
    fraction : float
        Share of the persons that was planned for the first stage, whatever the second became.

    Returns
    -------
    ndarray
        ``sqrt(f) first + sqrt(1 - f) second``, standard normal under no effect even if the size of the second
        stage depends on the first.
    """
    share = check_level(fraction, "fraction")
    return np.asarray(
        math.sqrt(share) * read_numbers("first", first)
        + math.sqrt(1.0 - share) * read_numbers("second", second)
    )


def weighted_estimate(
    first: tuple[float, float], second: tuple[float, float], fraction: float, *, alpha: float = 0.05
) -> Estimate:
    """Estimate the effect after a change of size, with the weights of `weighted_statistic`.

    The estimate is where the weighted statistic is zero; it is median unbiased and its interval exact if the
    trial could not stop at the look (Lawrence and Hung 2003).

    Parameters
    ----------
    first, second : tuple of float
        Estimate and standard error in the persons of each stage alone.
    fraction : float
        Planned share of the first stage.
    alpha : float
        One minus the level.

    Returns
    -------
    Estimate
        Of the effect, normal.
    """
    share = check_level(fraction, "fraction")
    if not (first[1] > 0.0 and second[1] > 0.0):
        raise StudyError(f"first, second: standard errors {first[1]!r} and {second[1]!r} must be above zero.")
    one, two = math.sqrt(share) / first[1], math.sqrt(1.0 - share) / second[1]
    value, se = (one * first[0] + two * second[0]) / (one + two), 1.0 / (one + two)
    half = float(ndtri(1.0 - check_level(alpha) / 2.0)) * se
    statistic = value / se
    words = "weighted inverse normal (Cui-Hung-Wang), median unbiased"
    p = two_sided_p(statistic, math.inf)
    return Estimate("effect", value, se, math.inf, value - half, value + half, statistic, p, words)


def reestimate_size(
    z: npt.ArrayLike,
    n_first: float,
    n_planned: float,
    n_most: float,
    *,
    critical: float = 1.959963984540054,
    power: float = 0.9,
    promising: float = 0.36,
) -> Floats:
    """Give the new total size that brings conditional power to its target, where the look is promising.

    Under the current trend and with the weights of `weighted_statistic` the second stage needs
    ``(n1 / z1^2) ((critical sqrt(n) - z1 sqrt(n1)) / sqrt(n - n1) + z_power)^2`` persons (Mehta and Pocock
    2011, equation 4).

    Parameters
    ----------
    z : array_like
        Statistic at the look, towards benefit.
    n_first, n_planned, n_most : float
        Persons at the look, planned in all, and the most that are allowed.
    critical : float
        Value to be reached at the end.
    power : float
        Target of conditional power.
    promising : float
        Lowest conditional power at which the size is raised; below it the plan stands.

    Returns
    -------
    ndarray
        Total size, between planned and most; not rounded.

    Raises
    ------
    StudyError
        If the sizes do not increase.
    """
    if not 0.0 < n_first < n_planned <= n_most:
        raise StudyError(
            f"n_first {n_first!r}, n_planned {n_planned!r}, n_most {n_most!r}: give increasing sizes above 0."
        )
    check_level(power, "power")
    check_level(promising, "promising")
    now = read_numbers("z", z)
    rest = n_planned - n_first
    shortfall = (critical * math.sqrt(n_planned) - now * math.sqrt(n_first)) / math.sqrt(rest)
    trend = np.maximum(now, 1e-12) / math.sqrt(n_first)
    # Conditional power at n2 more persons is Phi(trend sqrt(n2) - shortfall).
    least = float(ndtri(promising))
    in_zone = (now > 0.0) & (trend * math.sqrt(rest) - shortfall >= least)
    wanted = np.maximum(shortfall + float(ndtri(power)), 0.0) / trend
    raised = np.clip(n_first + wanted**2, n_planned, n_most)
    return np.where(in_zone, raised, float(n_planned))


def events_needed(
    hazard_ratio: float, *, alpha: float = 0.05, power: float = 0.9, share: float = 0.5
) -> float:
    """Give the events that a two-sided log-rank test needs (Schoenfeld 1981); not rounded.

    Parameters
    ----------
    hazard_ratio : float
        Above 0 and not 1.
    alpha, power : float
        Two-sided level, and power.
    share : float
        Share of persons in the treatment.
    """
    if not (math.isfinite(hazard_ratio) and hazard_ratio > 0.0 and hazard_ratio != 1.0):
        raise StudyError(f"hazard_ratio: {hazard_ratio!r} must be above 0 and differ from 1.")
    check_level(share, "share")
    wanted = float(ndtri(1.0 - check_level(alpha) / 2.0) + ndtri(check_level(power, "power")))
    return wanted**2 / (share * (1.0 - share) * math.log(hazard_ratio) ** 2)


def time_of_event(entry: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike, count: int) -> float:
    """Give the calendar time of the `count`-th event; infinite if there are fewer.

    Parameters
    ----------
    entry : array_like (n,)
        Calendar time at which each person entered.
    time, event : array_like (n,)
        Time from entry to the event (1) or the end of observation (0).
    count : int
        Events at which the look is taken, from 1.
    """
    start, when, happened = _course(entry, time, event)
    if count < 1:
        raise StudyError(f"count: {count!r}; a look is taken after at least one event.")
    calendar = np.sort((start + when)[happened])
    return float(calendar[count - 1]) if calendar.size >= count else math.inf


def cut_at(
    entry: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike, calendar: float
) -> tuple[Flags, Floats, Flags]:
    """Give what is known at a calendar time.

    Parameters
    ----------
    entry, time, event : array_like (n,)
        As in `time_of_event`.
    calendar : float
        Time of the look.

    Returns
    -------
    entered : ndarray (n,) of bool
        Who had entered; the others have no data yet.
    time : ndarray (n,)
        Time under observation until the look; 0 for the others.
    event : ndarray (n,) of bool
        Whether the event was seen by then.
    """
    start, when, happened = _course(entry, time, event)
    entered = start <= calendar
    known = np.clip(np.minimum(when, calendar - start), 0.0, None)
    return entered, np.where(entered, known, 0.0), entered & happened & (start + when <= calendar)


def _course(entry: npt.ArrayLike, time: npt.ArrayLike, event: npt.ArrayLike) -> tuple[Floats, Floats, Flags]:
    start = read_numbers("entry", entry, finite=True)
    when, happened = read_numbers("time", time, finite=True), read_flags("event", event) == 1.0
    same_length(entry=start, time=when, event=happened)
    return start, when, happened
