"""Who leaves a trial or its treatment, and who misses a treatment visit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtri

from ketasim.trials.conduct.decisions import Who
from ketasim.trials.scoring import visit_starts
from ketasim.trials.study import Arm
from ketasim.trials.study.flow import Adherence, DropOut

__all__ = ["AtVisit", "is_unseen", "leavers", "missed_doses"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_WEEK_H = 168.0
#: ``effect`` of a drop-out is per so many points.
_POINTS = 10.0


@dataclass(frozen=True)
class AtVisit:
    """What drop-out looks at when a visit is due.

    Parameters
    ----------
    time_h, previous_h : float
        The visit, and the one before it.
    score, last_score, entry_score : array, shape (persons,)
        Rated totals now (whether seen or not), at the last visit that was seen, and at entry.
    harms : array of int
        Adverse events since the last visit.
    concerned : array of bool
        Who is in the trial, and on treatment if only that can be left.
    """

    time_h: float
    previous_h: float
    score: FloatArray
    last_score: FloatArray
    entry_score: FloatArray
    harms: npt.NDArray[np.int64]
    concerned: BoolArray


def is_unseen(dropout: DropOut) -> bool:
    """Whether those who leave this way leave before the visit, so that it is not seen."""
    return dropout.kind in ("completely_at_random", "at_random", "not_at_random")


def leavers(dropout: DropOut, visit: AtVisit, who: Who) -> BoolArray:
    """Tell who leaves between the visit before and this one.

    Parameters
    ----------
    dropout : DropOut
        The rule.
    visit : AtVisit
        What is known.
    who : Who
        Names the random numbers.

    Returns
    -------
    array of bool, shape (persons,)

    Notes
    -----
    The chance over an interval of ``w`` weeks is ``1 - exp(-rate w exp(effect x / 10))`` with ``x``
    the points above entry. For adverse events the rate is per week and event since the last visit.
    """
    weeks = (visit.time_h - max(visit.previous_h, dropout.after_h)) / _WEEK_H
    if weeks <= 0.0:
        return np.zeros(len(who), dtype=bool)
    score = visit.score if dropout.kind == "not_at_random" else visit.last_score
    above = np.nan_to_num(score - visit.entry_score)
    hazard = dropout.rate_per_week * weeks * np.exp(dropout.effect * above / _POINTS)
    if dropout.kind == "lack_of_efficacy":
        limit = 1.0 - (dropout.improvement_below or 0.0)
        hazard = np.where(visit.score > limit * visit.entry_score, hazard, 0.0)
    elif dropout.kind == "adverse_event":
        hazard = hazard * visit.harms
    chance = -np.expm1(-hazard)
    drawn = who.uniforms("dropout", dropout.id, f"{visit.time_h:.6g}")
    return np.asarray((drawn < chance) & visit.concerned, dtype=bool)


def missed_doses(
    adherence: Adherence | None, arms: Sequence[Arm], place: int, start_h: float, who: Who, gap_h: float
) -> list[tuple[int, ...]]:
    """Doses of an arm that each person will miss: all of a treatment visit, from the second one on.

    Parameters
    ----------
    adherence : Adherence or None
        Share that is missed, and how people differ.
    arms : sequence of Arm
        Those of the study.
    place : int
        The arm that is entered.
    start_h : float
        When; names the random numbers.
    who : Who
        The persons.
    gap_h : float
        Doses closer than this are one visit.

    Returns
    -------
    list of tuple of int
        Places of the doses in the arm's regimen.
    """
    doses = [dose.start_h for dose in arms[place].dosing.doses]
    sessions = visit_starts(doses, gap_h)
    if adherence is None or adherence.missed == 0.0 or len(sessions) < 2:
        return [()] * len(who)
    spread = adherence.person_sd * ndtri(who.uniforms("adherence"))
    chance = expit(math.log(adherence.missed / (1.0 - adherence.missed)) + spread)
    of_session = np.searchsorted(sessions, np.array(doses) + 1e-9, side="right") - 1
    missed = np.zeros((len(who), len(doses)), dtype=bool)
    for session in range(1, len(sessions)):
        drawn = who.uniforms("missed", arms[place].id, f"{start_h:.6g}", session) < chance
        missed[:, of_session == session] = drawn[:, None]
    return [tuple(np.flatnonzero(row).tolist()) for row in missed]
