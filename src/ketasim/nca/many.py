"""Peaks and areas of many curves at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import ModelError
from ketasim.nca._checks import after_dose, check_method, check_number, read_curve
from ketasim.nca.trapezoids import Floats, Method, segment_areas

__all__ = ["Exposures", "analyse_many"]


@dataclass(frozen=True, eq=False)
class Exposures:
    """Peaks and areas, one value a curve, with the same meaning as in :class:`ketasim.nca.NcaResult`.

    Parameters
    ----------
    measurable : array of bool, shape (...)
        Whether any sample is above zero. Where none is, areas and concentrations are 0, and so are the two
        times, which then mean nothing.
    cmax, clast : array, shape (...)
        Largest and last concentration above zero.
    tmax, tlast : array, shape (...)
        Their times in hours after the dose.
    auc_last : array, shape (...)
        Area from the dose to tlast, in h times the unit of the concentrations.
    auc : array, shape (...)
        Area from the dose to the last sample that was analysed.
    """

    measurable: npt.NDArray[np.bool_]
    cmax: Floats
    tmax: Floats
    clast: Floats
    tlast: Floats
    auc_last: Floats
    auc: Floats


def analyse_many(
    times_h: npt.ArrayLike,
    concentrations: npt.ArrayLike,
    *,
    dose_time_h: float = 0.0,
    end_h: float = math.inf,
    method: Method = "linear-up log-down",
) -> Exposures:
    """Peaks and areas of many curves; :func:`ketasim.nca.analyse` gives the rest, one curve at a time.

    Parameters
    ----------
    times_h : array, shape (times,)
        Times in h, the same for all curves, strictly increasing, with one at the dose.
    concentrations : array, shape (..., times)
        For example subjects by times; not below zero.
    dose_time_h : float
        Time of the dose; earlier samples are left out.
    end_h : float
        End of the analysis in h after the dose; later samples are left out.
    method : {"linear-up log-down", "linear"}
        Rule for areas.

    Returns
    -------
    Exposures
        Arrays of the shape of the curves without the last axis.

    Raises
    ------
    ModelError
        If the samples cannot be used; see :func:`ketasim.nca.analyse`.
    """
    check_method(method)
    if end_h != math.inf:
        check_number("end_h", end_h, unit="h")
    times, values = read_curve(times_h, concentrations)
    if times.ndim != 1:
        raise ModelError(
            f"times_h has shape {times.shape}: all curves share one list of times here. Analyse curves with "
            "times of their own one by one."
        )
    since, inside = after_dose(times, dose_time_h, end_h)
    t, c = since[inside], values[..., inside]
    if len(t) < 2 or t[0] != 0.0:
        raise ModelError(
            f"times_h: there must be a sample at the dose, {dose_time_h:g} h, and one after it up to "
            f"{end_h:g} h. Add them, or analyse the curves one by one, which adds a value at the dose."
        )
    above = c > 0.0
    measurable = above.any(axis=-1)
    peak = c.argmax(axis=-1)
    last = np.where(measurable, len(t) - 1 - above[..., ::-1].argmax(axis=-1), 0)
    areas = segment_areas(t, c, method)
    to_last = np.where(np.arange(len(t) - 1) < last[..., None], areas, 0.0)
    return Exposures(
        measurable=np.asarray(measurable),
        cmax=np.asarray(c.max(axis=-1)),
        tmax=np.asarray(t[peak]),
        clast=np.asarray(np.take_along_axis(c, last[..., None], axis=-1)[..., 0]),
        tlast=np.asarray(t[last]),
        auc_last=np.asarray(to_last.sum(axis=-1)),
        auc=np.asarray(areas.sum(axis=-1)),
    )
