"""What looks at a trial before its end have in common: who is in first, and a statistic towards benefit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ketasim.trials.planned.kinds import sample_behind
from ketasim.trials.planned.phases import TwoPhases
from ketasim.trials.planned.results import Findings
from ketasim.trials.planned.samples import Sample
from ketasim.trials.study.analysis import Analysis

__all__ = ["benefit_z", "first_persons", "noted"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def benefit_z(found: Findings, analysis: Analysis) -> FloatArray:
    """Normal statistic of each replicate, positive towards benefit; NaN without a p value."""
    p = np.clip(found.p, 1e-300, 1.0)
    if analysis.method == "non_inferiority":
        return np.asarray(-ndtri(p))
    sign = np.sign(np.where(np.isfinite(found.statistic), found.statistic, found.estimate - found.null))
    return np.asarray(found.benefit * sign * -ndtri(p / 2.0))


def first_persons(data: Sample | TwoPhases) -> IntArray:
    """Count, for each person, those of the replicate with a result who began earlier, shape (n,)."""
    sample = sample_behind(data)
    subject = sample.source.persons.subject[sample.rows]
    order = np.lexsort((subject, sample.calendar_h, sample.place))
    known = data.has_result[order].astype(np.int64)
    running = np.cumsum(known) - known
    place = sample.place[order]
    begin = np.searchsorted(place, np.arange(sample.replicates))
    base = running[np.minimum(begin, max(len(running) - 1, 0))] if len(running) else np.zeros(1, np.int64)
    found = np.empty(len(order), dtype=np.int64)
    found[order] = running - base[place]
    return found


def noted(found: Findings, words: Sequence[str]) -> Findings:
    """Add a note for each replicate."""
    notes = found.notes or [""] * len(found.n)
    return replace(found, notes=["; ".join(filter(None, pair)) for pair in zip(notes, words, strict=True)])
