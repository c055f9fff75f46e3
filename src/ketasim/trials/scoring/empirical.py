"""Comparators without biology: quetiapine, ECT and morphine as curves of relief.

Each takes something from the logit of a score, as placebo does, and knows nothing of
the chain. Section 14 of the design.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.errors import ModelError, StudyError, unknown_name
from ketasim.trials.scoring.sourced import read_sourced
from ketasim.units import convert

__all__ = ["EMPIRICAL", "EmpiricalParameters", "empirical_relief", "load_empirical_parameters"]

Array = NDArray[np.float64]

#: Empirical treatments, and what they act on: ``mood`` (all depression scales) or ``pain``.
EMPIRICAL: Mapping[str, str] = MappingProxyType({"quetiapine": "mood", "ect": "mood", "morphine": "pain"})


@dataclass(frozen=True)
class EmpiricalParameters:
    """Numbers of the empirical treatments; times in hours, the rest pure numbers.

    Their meaning, range, source and grade stand in ``trials/scoring/empirical.csv``.
    """

    quetiapine_relief: float
    quetiapine_time: float
    quetiapine_person_sd: float
    ect_relief: float
    ect_sessions: float
    ect_fade_time: float
    ect_person_sd: float
    morphine_relief: float
    morphine_rise: float
    morphine_fade: float
    morphine_person_sd: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0.0):
                raise ModelError(f"empirical parameter {field.name}: {value!r} is not a number from 0 up.")
            if field.name.endswith(("_time", "_rise", "_fade", "_sessions")) and value == 0.0:
                raise ModelError(f"empirical parameter {field.name}: it must be above 0.")


def load_empirical_parameters(overrides: Mapping[str, float] | None = None) -> EmpiricalParameters:
    """Load the shipped numbers.

    Parameters
    ----------
    overrides : mapping of str to float, optional
        Values to use instead, by name, in hours and pure numbers.

    Raises
    ------
    ModelError
        If a name is unknown or a value out of range.
    """
    names = [field.name for field in fields(EmpiricalParameters)]
    for name in overrides or {}:
        if name not in names:
            raise ModelError(unknown_name("empirical parameter", name, names))
    values = {}
    for row in read_sourced("empirical.csv", ("name",)):
        unit = "h" if row.unit == "h" else "ratio"
        values[row.key[0]] = convert(row.value, row.unit, unit)
    return EmpiricalParameters(**{**values, **(overrides or {})})


def empirical_relief(
    names: Sequence[str],
    time_h: ArrayLike,
    session_times_h: ArrayLike = (),
    person_z: ArrayLike = 0.0,
    parameters: EmpiricalParameters | None = None,
    *,
    outcome: str = "mood",
    end_h: ArrayLike = np.inf,
) -> Array:
    """Relief of a score through empirical treatments, on the logit scale.

    Parameters
    ----------
    names : sequence of str
        Of :data:`EMPIRICAL`; those that act on another outcome give nothing.
    time_h : array_like, shape (times,) or (n, times)
        Hours since the treatment began; nothing is given before 0.
    session_times_h : array_like, shape (sessions,)
        ECT sessions, or doses of morphine, in hours since the treatment began. A rating at
        the time of a session comes before it. Quetiapine is taken daily and needs none.
    person_z : array_like, shape () or (n,)
        One standard normal a person: he responds alike to all named treatments.
    parameters : EmpiricalParameters, optional
        The shipped ones if left out.
    outcome : str
        ``mood`` or ``pain``.
    end_h : array_like, shape () or (n,)
        When the treatment ends; later sessions are not given, and what daily quetiapine
        built fades as it rose.

    Returns
    -------
    ndarray, shape (n, times)
        From 0 upwards, to be added to the relief of :func:`ketasim.trials.scoring.relief`;
        (1, times) if all arguments are of one person.

    Raises
    ------
    StudyError
        If a name or the outcome is unknown.
    """
    p = parameters or load_empirical_parameters()
    if outcome not in EMPIRICAL.values():
        raise StudyError(unknown_name("outcome", outcome, set(EMPIRICAL.values())))
    for name in names:
        if name not in EMPIRICAL:
            raise StudyError(unknown_name("empirical treatment", name, EMPIRICAL))
    time = np.atleast_2d(np.asarray(time_h, dtype=np.float64))
    z = np.asarray(person_z, dtype=np.float64).reshape(-1, 1)
    end = np.asarray(end_h, dtype=np.float64).reshape(-1, 1)
    sessions = np.sort(np.asarray(session_times_h, dtype=np.float64).ravel())
    total = np.zeros(np.broadcast_shapes(time.shape, z.shape, end.shape))
    for name in names:
        if EMPIRICAL[name] == outcome:
            factor = np.exp(getattr(p, f"{name}_person_sd") * z)
            total = total + factor * _curve(name, time, end, sessions, p)
    return np.asarray(total, dtype=np.float64)


def _curve(name: str, time: Array, end: Array, sessions: Array, p: EmpiricalParameters) -> Array:
    if name == "quetiapine":
        return _quetiapine(time, end, p)
    return (_ect if name == "ect" else _morphine)(time, end, sessions, p)


def _quetiapine(time: Array, end: Array, p: EmpiricalParameters) -> Array:
    taken = np.clip(time, 0.0, np.maximum(end, 0.0))
    since_end = np.maximum(time - np.maximum(end, 0.0), 0.0)
    built = -np.expm1(-taken / p.quetiapine_time)
    return np.asarray(p.quetiapine_relief * built * np.exp(-since_end / p.quetiapine_time))


def _ect(time: Array, end: Array, sessions: Array, p: EmpiricalParameters) -> Array:
    counted = np.zeros(np.broadcast_shapes(time.shape, end.shape))
    for session in sessions:
        since = time - session
        lasting = np.exp(-np.maximum(since, 0.0) / p.ect_fade_time)
        counted = counted + np.where((since > 0.0) & (session < end), lasting, 0.0)
    return np.asarray(-p.ect_relief * np.expm1(-counted / p.ect_sessions))


def _morphine(time: Array, end: Array, sessions: Array, p: EmpiricalParameters) -> Array:
    total = np.zeros(np.broadcast_shapes(time.shape, end.shape))
    for session in sessions:
        since = np.maximum(time - session, 0.0)
        pulse = -np.expm1(-since / p.morphine_rise) * np.exp(-since / p.morphine_fade)
        total = total + np.where(session < end, p.morphine_relief * pulse, 0.0)
    return np.asarray(total)
