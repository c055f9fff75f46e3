"""Output times that follow the doses: dense while things move fast, sparse later."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen

__all__ = ["output_times"]

FloatArray = npt.NDArray[np.float64]

#: Hours after a dose: every 2 min for 3 h, every 10 min to 12 h, hourly to 2 d.
_FINE = np.concatenate([np.arange(0, 90) / 30.0, 3.0 + np.arange(0, 54) / 6.0, 12.0 + np.arange(0, 37)])
#: The same for populations, where only peaks and visits matter.
_COARSE = np.array([0.0, 0.1, 0.2, 0.35, 0.5, 0.6, 2.0 / 3.0, 0.75, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0, 8.0])

_BACKGROUND_H = 4.0


def output_times(
    regimen: Regimen, end_h: float, extra_h: Iterable[float] = (), *, fine: bool = True
) -> FloatArray:
    """Return increasing output times from 0 to ``end_h``.

    Parameters
    ----------
    regimen : Regimen
        Its doses (placebo too) are followed closely, to the end of an infusion and after.
    end_h : float
        Last time, in hours.
    extra_h : iterable of float
        Times that must be among them, such as visits.
    fine : bool
        Whether the curves are to be drawn, or only peaks and visits are needed.

    Returns
    -------
    array, shape (n_times,)
    """
    after = _FINE if fine else _COARSE
    step = _BACKGROUND_H if fine else 24.0
    times = [np.arange(0.0, end_h, step), np.array([0.0, end_h]), np.array(list(extra_h), dtype=np.float64)]
    for dose in regimen.doses:
        times.append(dose.start_h + after)
        if dose.duration_h:
            times.append(np.array([dose.start_h + dose.duration_h]))
            # After a long infusion the fall is followed as closely as the rise.
            if dose.duration_h > 2.0:
                times.append(dose.start_h + dose.duration_h + after)
    found = np.unique(np.concatenate(times))
    found = found[(found >= 0.0) & (found <= end_h)]
    # Times that rounding tore apart are one.
    keep = np.concatenate([[True], np.diff(found) > 1e-9])
    kept = found[keep]
    kept[-1] = end_h
    return np.asarray(kept, dtype=np.float64)
