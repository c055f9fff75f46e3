"""What harms follow: exposures, made of peaks of the model's own quantities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError, unknown_name

__all__ = ["EXPOSURES", "PEAKS", "exposure"]

FloatArray = npt.NDArray[np.float64]

#: Quantities whose extreme value since the dose is needed: the largest, but of ``sedation`` (alertness on
#: MOAA/S, 5 awake) the smallest.
PEAKS = ("felt_effect", "cadss", "sedation", "nausea", "sbp_peak_change")

#: What a harm can follow, with the peaks it is made of and its unit.
EXPOSURES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "felt_effect": (("felt_effect",), "ratio"),
    "drowsiness": (("felt_effect", "sedation"), "ratio"),
    "cadss": (("cadss",), "points"),
    "nausea_hazard": (("nausea",), "ratio"),
    "systolic_rise": (("sbp_peak_change",), "mmHg"),
}

_AWAKE = 5.0
#: A chance of one has an infinite hazard; the model's never gets there.
_MOST_CHANCE = 1.0 - 1e-12


def exposure(name: str, peaks: Mapping[str, npt.ArrayLike]) -> FloatArray:
    """Turn peaks of the model's quantities into what a harm follows.

    Parameters
    ----------
    name : {'felt_effect', 'drowsiness', 'cadss', 'nausea_hazard', 'systolic_rise'}
        ``felt_effect`` (0 to 1), ``cadss`` (points) and ``systolic_rise`` (mmHg) are peaks as they are.
        ``nausea_hazard`` is the hazard behind the chance of nausea. ``drowsiness`` is the share of being
        neither free of felt effects nor awake, ``1 - (1 - felt_effect) * alertness / 5``: at trial doses
        alertness itself hardly moves, and under anaesthesia it says all.
    peaks : mapping of str to array
        The largest value since the dose of each quantity of :data:`PEAKS`; of ``sedation`` the smallest.

    Returns
    -------
    array
        Not below 0.

    Raises
    ------
    StudyError
        If the exposure is unknown, or one of its peaks is missing or is no number.
    """
    if name not in EXPOSURES:
        raise StudyError(f"exposure: {unknown_name('exposure', name, EXPOSURES)}")
    parts = []
    for quantity in EXPOSURES[name][0]:
        if quantity not in peaks:
            raise StudyError(
                f"peaks: {quantity!r} is missing, which {name!r} is made of; give its extreme value since "
                f"the dose. Peaks given: {', '.join(sorted(peaks)) or 'none'}."
            )
        values = np.asarray(peaks[quantity], dtype=np.float64)
        if np.isnan(values).any():
            raise StudyError(
                f"peaks: {quantity!r} has no value for {int(np.isnan(values).sum())} people; leave out those "
                "who were not simulated."
            )
        parts.append(values)
    if name == "drowsiness":
        awake = np.clip(parts[1] / _AWAKE, 0.0, 1.0)
        return np.asarray(1.0 - np.clip(1.0 - parts[0], 0.0, 1.0) * awake)
    if name == "nausea_hazard":
        return np.asarray(-np.log1p(-np.clip(parts[0], 0.0, _MOST_CHANCE)))
    return np.maximum(parts[0], 0.0)
