"""The terminal phase: which samples it takes, and its rate constant."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ketasim.nca.trapezoids import Floats

__all__ = ["TerminalPhase", "best_phase", "chosen_phase"]

#: A fit with more samples is preferred unless it costs more than this in adjusted r squared: the tolerance
#: that the programs of the field share.
R_SQUARED_TOLERANCE = 1e-4
FEWEST_SAMPLES = 3

#: A fall of the logarithm below this over all samples of a fit is rounding, not elimination.
_NO_FALL = 1e-10


@dataclass(frozen=True)
class TerminalPhase:
    """A log-linear fit to the last part of a curve.

    Parameters
    ----------
    rate : float
        Terminal rate constant in 1/h, above zero.
    clast_predicted : float
        Concentration of the fitted line at the last sample above zero.
    r_squared_adjusted : float
        Share of the variance of log concentration that the line explains, adjusted for the number of samples.
    times, values : tuple of float
        The samples used: hours after the dose, and concentrations.
    """

    rate: float
    clast_predicted: float
    r_squared_adjusted: float
    times: tuple[float, ...]
    values: tuple[float, ...]


def best_phase(times: Floats, values: Floats, after: float) -> TerminalPhase | str:
    """Find the terminal phase by the best adjusted r squared.

    Fits take the last three samples above zero, the last four, and so on, all of them after the peak and the
    end of the infusion. Of the falling fits within 1e-4 of the best adjusted r squared, the one with most
    samples is taken (Gabrielsson and Weiner 2012, Methods Mol Biol 929:377).

    Parameters
    ----------
    times, values : array, shape (times,)
        Hours after the dose and concentrations.
    after : float
        The later of the peak and the end of the infusion that the samples must follow.

    Returns
    -------
    TerminalPhase or str
        The phase, or why there is none.
    """
    usable = (values > 0.0) & (times > after)
    t, c = times[usable], values[usable]
    if len(t) < FEWEST_SAMPLES:
        return (
            f"only {len(t)} samples above zero lie after {after:g} h, the peak or the end of the infusion; "
            f"a half-life needs {FEWEST_SAMPLES}"
        )
    slopes, scores = _nested_fits(t - t[-1], np.log(c) - math.log(c[-1]))
    falls = -slopes * (t[-1] - t)[::-1][FEWEST_SAMPLES - 1 :]
    candidates = (falls > _NO_FALL) & np.isfinite(scores)
    if not candidates.any():
        return "no set of last samples falls, so there is no terminal phase"
    best = scores[candidates].max()
    most = int(np.flatnonzero(candidates & (scores >= best - R_SQUARED_TOLERANCE))[-1])
    count = most + FEWEST_SAMPLES
    return _fit(t[-count:], c[-count:], t[-1])


def chosen_phase(times: Floats, values: Floats, start: float, end: float) -> TerminalPhase | str:
    """Fit the terminal phase to all samples above zero within a range that the user chose.

    Parameters
    ----------
    times, values : array, shape (times,)
        Hours after the dose and concentrations, at least one above zero.
    start, end : float
        The range in hours after the dose, both ends included.

    Returns
    -------
    TerminalPhase or str
        The phase, or why there is none.
    """
    usable = (values > 0.0) & (times >= start) & (times <= end)
    t, c = times[usable], values[usable]
    if len(t) < FEWEST_SAMPLES:
        return (
            f"only {len(t)} samples above zero lie from {start:g} to {end:g} h; a half-life needs "
            f"{FEWEST_SAMPLES}"
        )
    return _fit(t, c, float(times[values > 0.0][-1]))


def _nested_fits(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Slopes and adjusted r squared of the last 3, 4, ... samples, from running sums."""
    x, y = x[::-1], y[::-1]
    n = np.arange(1.0, len(x) + 1.0)
    sum_x, sum_y = np.cumsum(x), np.cumsum(y)
    keep = slice(FEWEST_SAMPLES - 1, None)
    n, sxx, sxy, syy = (
        part[keep]
        for part in (
            n,
            np.cumsum(x * x) - sum_x**2 / n,
            np.cumsum(x * y) - sum_x * sum_y / n,
            np.cumsum(y * y) - sum_y**2 / n,
        )
    )
    level = syy <= 0.0
    r_squared = np.where(level, -np.inf, sxy**2 / (sxx * np.where(level, 1.0, syy)))
    return sxy / sxx, 1.0 - (1.0 - np.minimum(r_squared, 1.0)) * (n - 1.0) / (n - 2.0)


def _fit(times: Floats, values: Floats, tlast: float) -> TerminalPhase | str:
    """One regression of log concentration on time, about the means so that no digits are lost."""
    logs = np.log(values)
    x, y = times - times.mean(), logs - logs.mean()
    slope = float(x @ y / (x @ x))
    if -slope * float(times[-1] - times[0]) <= _NO_FALL:
        return "the samples chosen for the terminal phase do not fall"
    spread = float(y @ y)
    residuals = y - slope * x
    freedom = len(times) - 2
    adjusted = 1.0 - float(residuals @ residuals) / spread * (len(times) - 1) / freedom
    predicted = math.exp(float(logs.mean()) + slope * (tlast - float(times.mean())))
    return TerminalPhase(
        -slope,
        predicted,
        adjusted,
        tuple(float(time) for time in times),
        tuple(float(value) for value in values),
    )
