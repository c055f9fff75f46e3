"""What a rater writes down: the biology's read-out, placebo, expectancy and error.

Placebo and expectancy divide the odds of the score, so that they meet the same
ceiling as the biology; nothing here flows back into it. Section 11b of the design.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ketasim.dosing import Regimen
from ketasim.errors import StudyError, unknown_name
from ketasim.trials.scoring.parameters import Number, ScoringParameters, Setting, load_scoring_parameters

__all__ = [
    "Expectation",
    "Relief",
    "ScoringParameters",
    "Setting",
    "belief",
    "believed",
    "error_sd",
    "expectation",
    "load_scoring_parameters",
    "placebo",
    "relief",
    "score",
    "shared",
    "visit_starts",
]

Array = NDArray[np.float64]


def visit_starts(dose_times_h: ArrayLike, gap_h: float) -> Array:
    """Times at which a treatment visit begins: doses closer than a gap belong to one visit.

    Two halves of one infusion, or the devices of one nasal dose, are one visit.

    Parameters
    ----------
    dose_times_h : array_like
        Times of the doses, of placebo too, in hours.
    gap_h : float
        A dose less than this after the visit's first one belongs to the visit.

    Returns
    -------
    ndarray
        In order of time.
    """
    starts: list[float] = []
    for time in sorted(np.asarray(dose_times_h, dtype=np.float64).ravel().tolist()):
        if not starts or time - starts[-1] >= gap_h:
            starts.append(time)
    return np.array(starts, dtype=np.float64)


def belief(
    time_h: ArrayLike,
    felt_effect: ArrayLike,
    dose_times_h: ArrayLike,
    setting: Setting,
    parameters: ScoringParameters,
) -> Array:
    """Belief of having got the drug.

    Parameters
    ----------
    time_h : array_like, shape (times,)
        Increasing, in hours; dense enough to catch the peak of what is felt.
    felt_effect : array_like, shape (..., times)
        What is felt of the dose, 0 to 1, from the chain.
    dose_times_h : array_like
        Times of the doses, of placebo too.
    setting : Setting
        Circumstances of the arm.
    parameters : ScoringParameters
        Numbers of the scoring layer.

    Returns
    -------
    ndarray, shape (..., times)
        From 0 to 1. It is the chance by design until the first dose, then
        ``(1 - w) allocation + w d`` with ``d`` the largest felt effect since the first
        dose, at least the floor. Masked, it stays; open, it is 1.

    Raises
    ------
    StudyError
        If the times do not increase or the shapes differ.

    Notes
    -----
    Form of the feasibility fit (2026). Masking acts on what is felt, never on biology.
    """
    time = _times(time_h)
    felt = np.asarray(felt_effect, dtype=np.float64)
    if felt.shape[-1:] != time.shape:
        raise StudyError(
            f"felt effect has shape {felt.shape}, but there are {time.size} times; "
            "its last axis must be the times."
        )
    doses = np.asarray(dose_times_h, dtype=np.float64).ravel()
    first = doses.min() if doses.size else np.inf
    since = np.where(time >= first, np.clip(felt, 0.0, 1.0), 0.0)
    return believed(np.maximum.accumulate(since, axis=-1), time > first, setting, parameters)


def believed(
    strongest: ArrayLike, begun: ArrayLike, setting: Setting, parameters: ScoringParameters[Number]
) -> Array:
    """Belief of having got the drug, from the strongest effect felt so far.

    Parameters
    ----------
    strongest : array_like
        Largest felt effect since the first dose, 0 to 1.
    begun : array_like of bool
        Whether a dose was given; until then belief is the chance by design.
    setting, parameters
        As for :func:`belief`.

    Returns
    -------
    ndarray
        From 0 to 1, in the shape of both arrays together.
    """
    weight = parameters.belief_felt_weight
    felt = np.maximum(strongest, parameters.belief_felt_floor)
    moved = np.where(begun, (1.0 - weight) * setting.allocation + weight * felt, setting.allocation)
    blind = setting.masked * setting.allocation + (1.0 - setting.masked) * moved
    return np.asarray(setting.open_label + (1.0 - setting.open_label) * blind, dtype=np.float64)


class Relief(NamedTuple):
    """What placebo and expectancy take from the logit of a score.

    Parameters
    ----------
    acute : ndarray
        Part that comes and goes with a treatment visit.
    slow : ndarray
        Part that lasts: belief, care in hospital, contact with a new drug.
    """

    acute: Array
    slow: Array

    @property
    def total(self) -> Array:
        """Both parts together."""
        return self.acute + self.slow


def relief(
    time_h: ArrayLike,
    dose_times_h: ArrayLike,
    trust: ArrayLike,
    setting: Setting,
    parameters: ScoringParameters[Number],
    person_factor: ArrayLike = 1.0,
    contact_from_h: float = 0.0,
) -> Relief:
    """Relief of a score through placebo and expectancy, on the logit scale.

    Parameters
    ----------
    time_h : array_like, shape (times,)
        Increasing, in hours; 0 is the first dose of the trial.
    dose_times_h : array_like
        Times of the doses, of placebo too.
    trust : array_like, shape (..., times)
        Belief of having got the drug, from :func:`belief`.
    setting, parameters
        Circumstances of the arm and numbers of the layer.
    person_factor : array_like, shape (...)
        Each person's factor on all terms.
    contact_from_h : float
        When the new oral drug, with its contacts, was begun.

    Returns
    -------
    Relief
        Two arrays of shape (..., times), from 0 upwards; exactly 0 without placebo terms.

    Raises
    ------
    StudyError
        If the times do not increase.

    Notes
    -----
    With ``A = g b a pulse(t)`` and ``S = g (b s u(t) + inpatient + contact)`` the odds of the score are
    divided by ``1 + A + S``: slow is ``log(1 + S)``, acute is the rest. Hope ``u`` fades since the last visit
    with treatment, active or not; care and contact wear off since they began. The
    sum under one logarithm is the saturating read-out of summed drives of the feasibility
    fit (2026); added up on the logit scale, open-label relief came out twice too large.
    """
    time = _times(time_h)
    p = parameters.beside_times()
    visits = visit_starts(dose_times_h, p.visit_gap)
    gain = np.asarray(person_factor, dtype=np.float64)[..., None] * p.placebo_gain * setting.expectancy
    faith = np.asarray(trust, dtype=np.float64)
    acute = gain * faith * p.placebo_acute * _pulse(time, visits, p)
    lasting = p.placebo_slow * _hope(time, visits, p) if visits.size else 0.0
    care = setting.inpatient * p.care_inpatient * _course(time, p.care_inpatient_rise, p.care_fade)
    since = time - contact_from_h
    contact = (
        setting.new_antidepressant * p.contact_new_drug * _course(since, p.contact_new_drug_rise, p.care_fade)
    )
    slow = gain * (faith * lasting + care + contact)
    return Relief(np.log1p(acute / (1.0 + slow)), np.log1p(slow))


def _rise(elapsed: Array, constant: Number) -> Array:
    return np.asarray(-np.expm1(-np.maximum(elapsed, 0.0) / constant), dtype=np.float64)


def _hope(time: Array, visits: Array, p: ScoringParameters[Number]) -> Array:
    """Lasting hope: each visit with treatment lets it rise towards 1, and it fades since the last one."""

    def since(level: Number, elapsed: Array) -> Array:
        risen = 1.0 - (1.0 - level) * np.exp(-elapsed / p.placebo_slow_rise)
        return np.asarray(risen * np.exp(-elapsed / p.placebo_fade), dtype=np.float64)

    hope, level = np.zeros(1), np.zeros(1)
    for place, visit in enumerate(visits):
        hope = np.where(time >= visit, since(level, np.maximum(time - visit, 0.0)), hope)
        if place + 1 < len(visits):
            level = since(level, visits[place + 1] - visit)
    return hope


def _course(elapsed: Array, rise: Number, fade: Number) -> Array:
    """What lasts, and wears off over months."""
    return _rise(elapsed, rise) * np.asarray(np.exp(-np.maximum(elapsed, 0.0) / fade), dtype=np.float64)


def _pulse(time: Array, visits: Array, p: ScoringParameters[Number]) -> Array:
    """Acute expectancy per visit: the largest of the visits' pulses, so that visits do not add up."""
    pulse = np.zeros_like(time)
    for visit in visits:
        elapsed = np.maximum(time - visit, 0.0)
        one = _rise(elapsed, p.placebo_acute_rise) * np.exp(-elapsed / p.placebo_acute_decay)
        pulse = np.maximum(pulse, one)
    return pulse


def _times(time_h: ArrayLike) -> Array:
    time = np.asarray(time_h, dtype=np.float64)
    if time.ndim != 1 or not np.isfinite(time).all() or (np.diff(time) <= 0.0).any():
        raise StudyError("scoring: the times must be one finite, increasing sequence, in hours.")
    return time


def shared(
    total_relief: ArrayLike,
    unscored: ArrayLike,
    at_entry: ArrayLike,
    overlap: Number = 1.0,
    scale_maximum: float = 60.0,
) -> Array:
    """Relief by placebo and expectancy where biology has already relieved: both share one ceiling.

    Parameters
    ----------
    total_relief : array_like
        On the logit scale, of a person whom nothing else has relieved.
    unscored, at_entry : array_like
        The biology's read-out now and at entry, in points.
    overlap : float or array_like
        Exponent ``k`` of the sum of both drives: at 1 they add, and the larger it is, the more those whom
        one would have relieved are those whom the other relieves.
    scale_maximum : float
        Highest total of the scale.

    Returns
    -------
    ndarray
        On the logit scale; ``total_relief`` where biology stands as at entry.

    Notes
    -----
    With the drives of placebo ``P`` (the relief is ``log(1 + P)``) and of biology ``B``, which has divided
    the odds by ``1 + B``, the odds are divided by ``1 + (P^k + B^k)^(1/k)`` in all. What is left to placebo
    is the logarithm of that over ``1 + B``. Where biology has got worse, ``B < 0``, the drives add.
    """
    total = np.asarray(unscored, dtype=np.float64)
    start = np.asarray(at_entry, dtype=np.float64)
    edge = 1e-6 * scale_maximum
    total, start = (np.clip(value, edge, scale_maximum - edge) for value in (total, start))
    biology = (scale_maximum - total) / total * start / (scale_maximum - start) - 1.0
    placebo_drive = np.expm1(np.asarray(total_relief, dtype=np.float64))
    better = np.maximum(biology, 0.0)
    largest = np.maximum(np.maximum(better, placebo_drive), edge)
    # Over the larger of the two, no power overflows.
    powers = (better / largest) ** overlap + (placebo_drive / largest) ** overlap
    together = largest * powers ** (1.0 / np.asarray(overlap)) + np.minimum(biology, 0.0)
    relief_left = np.log1p(together) - np.log1p(biology)
    return np.where(placebo_drive > 0.0, relief_left, 0.0)


def placebo(unscored: ArrayLike, total_relief: ArrayLike, scale_maximum: float = 60.0) -> Array:
    """Points that placebo and expectancy take from a total.

    Parameters
    ----------
    unscored : array_like
        The biology's read-out, in points.
    total_relief : array_like
        On the logit scale, same shape or one that broadcasts.
    scale_maximum : float
        Highest total of the scale: 60 for MADRS, 52 for HAM-D 17.

    Returns
    -------
    ndarray
        ``m - M expit(logit(m / M) - relief)``, written without the logit so that it
        holds at both ends of the scale; exactly 0 where relief is.
    """
    total = np.clip(np.asarray(unscored, dtype=np.float64), 0.0, scale_maximum)
    left = np.exp(-np.asarray(total_relief, dtype=np.float64))
    rest = scale_maximum - total
    # A total at the very top has no rest and so no relief; its denominator is never 0 for a finite relief.
    return np.asarray(total * rest * (1.0 - left) / (total * left + rest), dtype=np.float64)


class Expectation(NamedTuple):
    """What a person believes, and what that takes from a MADRS.

    Parameters
    ----------
    belief : ndarray
        Belief of having got the drug.
    relief : ndarray
        Placebo and expectancy on the logit scale.
    placebo : ndarray
        The same in MADRS points.
    """

    belief: Array
    relief: Array
    placebo: Array


def expectation(
    time_h: ArrayLike,
    quantities: Mapping[str, Array],
    regimen: Regimen,
    setting: Setting,
    parameters: ScoringParameters,
    person_factor: float = 1.0,
) -> Expectation:
    """Belief, relief and placebo points of one person along his time courses.

    Parameters
    ----------
    time_h : array_like, shape (times,)
        Hours.
    quantities : mapping of str to ndarray, shape (times,)
        The chain's courses; ``felt_effect`` and ``madrs`` are used.
    regimen : Regimen
        His doses, of placebo too.
    setting, parameters, person_factor
        As for :func:`belief` and :func:`relief`.
    """
    doses = [dose.start_h for dose in regimen.doses]
    trust = belief(time_h, quantities["felt_effect"], doses, setting, parameters)
    madrs = quantities["madrs"]
    alone = relief(time_h, doses, trust, setting, parameters, person_factor).total
    total = shared(alone, madrs, madrs[0], parameters.placebo_overlap)
    return Expectation(trust, total, placebo(madrs, total))


def score(
    unscored: ArrayLike,
    total_relief: ArrayLike,
    error: ArrayLike = 0.0,
    scale_maximum: float = 60.0,
) -> Array:
    """Total that a rater writes down.

    Parameters
    ----------
    unscored : array_like
        The biology's read-out, in points.
    total_relief : array_like
        On the logit scale; ``Relief.total``.
    error : array_like
        Occasion and rater error, in points; their SD is :func:`error_sd`.
    scale_maximum : float
        Highest total of the scale.

    Returns
    -------
    ndarray
        Between 0 and ``scale_maximum``.
    """
    seen = np.asarray(unscored, dtype=np.float64) - placebo(unscored, total_relief, scale_maximum)
    return np.asarray(np.clip(seen + np.asarray(error), 0.0, scale_maximum), dtype=np.float64)


def error_sd(parameters: ScoringParameters, scale: str = "madrs") -> float:
    """SD of occasion and rater error together, in points of ``madrs`` or ``hamd17``.

    Raises
    ------
    StudyError
        If the scale is unknown.
    """
    ratio = {"madrs": 1.0, "hamd17": parameters.hamd17_error_ratio}
    if scale not in ratio:
        raise StudyError(unknown_name("scale", scale, ratio))
    return ratio[scale] * math.hypot(parameters.occasion_error, parameters.rater_error)
