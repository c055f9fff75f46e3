"""What came out of a simulated experiment: courses of persons, and numbers read from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, unknown_name

__all__ = ["AREA_AFTER_H", "PEAK_AFTER_H", "Course", "Readings", "window_of"]

FloatArray = npt.NDArray[np.float64]

#: A peak without an end is sought until so long after the last dose; an area goes on longer, until nearly
#: nothing is left of any metabolite.
PEAK_AFTER_H, AREA_AFTER_H = 24.0, 168.0
_SAME_TIME_H = 1e-6
#: A lower concentration is nothing, and has no logarithm.
_SMALLEST = 1e-300


def window_of(
    measure: str, time_h: float | None, until_h: float | None, last_dose_h: float
) -> tuple[float, float]:
    """Span of time, in h after the first dose, that a measure looks at.

    Parameters
    ----------
    measure : str
        As of :data:`~ketasim.trials.experiment.measures.Measure`.
    time_h, until_h : float or None
        As a row gives them.
    last_dose_h : float
        End of the last dose of any arm.
    """
    if measure == "rest":
        return 0.0, 0.0
    if measure == "at":
        return (0.0, 0.0) if time_h is None else (time_h, time_h)
    if measure in ("mean", "area") and until_h is None:
        return 0.0, last_dose_h + AREA_AFTER_H if time_h is None else time_h
    start = 0.0 if time_h is None else time_h
    return start, max(last_dose_h, start) + PEAK_AFTER_H if until_h is None else until_h


@dataclass(frozen=True)
class Course:
    """Courses of the persons of one arm.

    Parameters
    ----------
    times_h : array, shape (times,)
        Hours after the first dose; the first is before anything is given.
    values : dict of str to array, shape (persons, times)
        Quantities in their shown units; NaN where a person could not be simulated.
    """

    times_h: FloatArray
    values: Mapping[str, FloatArray]


@dataclass(frozen=True)
class Readings:
    """Numbers of a simulated experiment.

    Parameters
    ----------
    courses : dict of str to Course
        By arm; persons of the first draw come first.
    n_draws, per_draw : int
        Draws of the parameters, and persons of each in an arm.
    last_dose_h : float
        End of the last dose of any arm, in h after the first one.
    refused : dict of (str, int, int) to str
        Arm, draw and person (both from 0) that could not be simulated, and why.
    """

    courses: Mapping[str, Course]
    n_draws: int
    per_draw: int
    last_dose_h: float
    refused: Mapping[tuple[str, int, int], str]

    def values(
        self,
        arm: str,
        quantity: str,
        measure: str = "at",
        time_h: float | None = None,
        until_h: float | None = None,
    ) -> FloatArray:
        """One number a person.

        Parameters
        ----------
        arm : str
            An arm, or several joined by `` + ``.
        quantity : str
            A quantity that an observation of the arm names.
        measure : str
            How the course becomes a number; see :data:`~ketasim.trials.experiment.measures.Measure`.
        time_h, until_h : float, optional
            Times of the measure, in h after the first dose.

        Returns
        -------
        array, shape (draws, persons)
            In the shown unit of the quantity (an area: times h; a time: h); NaN for who could not be
            simulated. Persons of pooled arms stand side by side.

        Raises
        ------
        StudyError
            If the arm, the quantity or the time was not simulated.
        """
        parts = [
            self._of(name.strip(), quantity, measure, time_h, until_h).reshape(self.n_draws, self.per_draw)
            for name in arm.split("+")
        ]
        return np.concatenate(parts, axis=1)

    def rest(self, arm: str, quantity: str) -> FloatArray:
        """The value of each person before anything is given; as :meth:`values`."""
        return self.values(arm, quantity, "rest")

    def _of(
        self, arm: str, quantity: str, measure: str, time_h: float | None, until_h: float | None
    ) -> FloatArray:
        if arm not in self.courses:
            raise StudyError(f"readings: {unknown_name('arm', arm, self.courses)}")
        course = self.courses[arm]
        if quantity not in course.values:
            raise StudyError(
                f"readings: arm {arm!r}: {unknown_name('quantity', quantity, course.values)} Only what an "
                "observation of the arm names is read."
            )
        values = course.values[quantity]
        if measure == "rest":
            return values[:, 0]
        start, end = window_of(measure, time_h, until_h, self.last_dose_h)
        for edge in (start, end):
            if float(np.abs(course.times_h - edge).min()) > _SAME_TIME_H:
                raise StudyError(
                    f"readings: arm {arm!r} was not read at {edge:g} h; name this time when you simulate."
                )
        times = course.times_h
        inside = np.flatnonzero((times >= start - _SAME_TIME_H) & (times <= end + _SAME_TIME_H))
        return _reduced(measure, times[inside], values[:, inside])


def _reduced(measure: str, times_h: FloatArray, values: FloatArray) -> FloatArray:
    """One number a person, from his values at times within the window."""
    if measure == "at":
        return values[:, 0]
    if measure == "peak":
        return np.asarray(values.max(axis=1), dtype=np.float64)
    if measure == "trough":
        return np.asarray(values.min(axis=1), dtype=np.float64)
    if measure == "peak_time":
        missing = np.asarray(np.isnan(values).any(axis=1))
        highest = np.argmax(np.where(missing[:, None], 0.0, values), axis=1)
        return np.where(missing, np.nan, times_h[highest] - times_h[0])
    if measure in ("area", "mean"):
        area = np.asarray(np.trapezoid(values, times_h, axis=1), dtype=np.float64)
        return area if measure == "area" else area / (times_h[-1] - times_h[0])
    return _half_life(times_h, values)


def _half_life(times_h: FloatArray, values: FloatArray) -> FloatArray:
    """Half-life in h by least squares on the logarithms; NaN where nothing falls."""
    logs = np.log(np.maximum(values, _SMALLEST))
    centred = times_h - times_h.mean()
    slope = (logs @ centred) / (centred @ centred)
    falls = np.asarray(slope < 0.0)
    return np.where(falls, np.log(2.0) / np.where(falls, -slope, 1.0), np.nan)
