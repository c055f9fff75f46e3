"""One curve from the dose on: its start, its tail, and areas over any range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ketasim.errors import ModelError
from ketasim.nca._checks import after_dose
from ketasim.nca.result import NcaSettings
from ketasim.nca.trapezoids import Floats, Method, cut, segment_areas, segment_moments, value_at

__all__ = ["Profile", "read_profile"]


@dataclass(frozen=True)
class Profile:
    """The samples from the dose on, with a value at the dose itself.

    Parameters
    ----------
    times, values : array, shape (times,)
        Hours after the dose, from 0, and concentrations.
    start : str
        Where the value at the dose comes from.
    before : float or None
        The last concentration that shows what earlier doses left, if a sample shows it.
    method : Method
        The rule of the areas.
    """

    times: Floats
    values: Floats
    start: str
    before: float | None
    method: Method

    @property
    def sampled(self) -> tuple[Floats, Floats]:
        """Times and values of the samples alone."""
        first = 0 if self.start == "sample" else 1
        return self.times[first:], self.values[first:]

    def value(self, time: float, rate: float | None) -> float | str:
        """Concentration at a time after the dose, or why it is unknown.

        Beyond the last sample it follows the terminal phase. After a last sample of zero it stays zero.
        """
        if time <= self.times[-1]:
            return value_at(self.times, self.values, time, self.method)
        if self.values[-1] == 0.0:
            return 0.0
        if rate is None:
            return self._beyond(time)
        return float(self.values[-1] * math.exp(-rate * (time - self.times[-1])))

    def integrals(self, start: float, end: float, rate: float | None) -> tuple[float, float] | str:
        """Area and first moment over a range after the dose, or why they are unknown."""
        last, final = float(self.times[-1]), float(self.values[-1])
        area = moment = 0.0
        if start < min(end, last):
            times, values = cut(self.times, self.values, start, min(end, last), self.method)
            area = float(segment_areas(times, values, self.method).sum())
            moment = float(segment_moments(times, values, self.method).sum())
        if end <= last or final == 0.0:
            return area, moment
        if rate is None:
            return self._beyond(end)
        opening = max(start, last)
        first, second = (
            final * math.exp(-rate * (time - last)) if math.isfinite(time) else 0.0 for time in (opening, end)
        )
        closing = end * second if math.isfinite(end) else 0.0
        tail = (first - second) / rate
        return area + tail, moment + (opening * first - closing + tail) / rate

    def _beyond(self, time: float) -> str:
        return (
            f"the samples end {self.times[-1]:g} h after the dose, before {time:g} h, and there is no "
            "terminal phase to extrapolate with"
        )


def read_profile(times: Floats, values: Floats, settings: NcaSettings) -> Profile:
    """Take the samples of one dose from a curve, and add a value at the dose if none was sampled.

    The value at the dose follows the custom of the field: after a bolus, the line through the logarithms
    of the first two samples; else zero, or at steady state the smallest sample (Gabrielsson and Weiner 2012).

    Parameters
    ----------
    times, values : array, shape (times,)
        A checked curve.
    settings : NcaSettings
        What is asked.

    Returns
    -------
    Profile
        At least two samples, counted from the dose.

    Raises
    ------
    ModelError
        If fewer than two samples lie in the part of the curve that is analysed.
    """
    interval = math.inf if settings.interval_h is None else settings.interval_h
    end = interval if settings.end_h is None else settings.end_h
    since, inside = after_dose(times, settings.dose_time_h, end)
    t, c = since[inside], values[inside]
    if len(t) < 2:
        span = (
            f"{settings.dose_time_h:g} h on"
            if math.isinf(end)
            else f"{settings.dose_time_h:g} h for {end:g} h"
        )
        raise ModelError(
            f"times_h: {len(t)} samples lie from {span}, the part to analyse, and two are needed. "
            "Check dose_time_h, interval_h and end_h, or add samples."
        )
    earlier = values[since < 0.0]
    before = float(earlier[-1]) if len(earlier) else None
    if t[0] == 0.0:
        # A sample at the start of an infusion or of an absorption still shows earlier doses alone.
        return Profile(t, c, "sample", before if settings.bolus else float(c[0]), settings.method)
    value, start = _start(t, c, settings)
    return Profile(np.r_[0.0, t], np.r_[value, c], start, before, settings.method)


def _start(t: Floats, c: Floats, settings: NcaSettings) -> tuple[float, str]:
    """Concentration at a dose at which there is no sample, and where it comes from."""
    if settings.bolus and c[0] >= c[1] and c[0] > 0.0:
        if c[1] > 0.0:
            rise = float(np.log(c[0]) - np.log(c[1])) * float(t[0] / (t[1] - t[0]))
            exponent = rise + math.log(float(c[0]))
            if exponent < math.log(np.finfo(np.float64).max):
                return math.exp(exponent), "back-extrapolated"
        return float(c[0]), "first sample"
    if settings.steady_state:
        return float(c.min()), "smallest sample"
    return 0.0, "zero"
