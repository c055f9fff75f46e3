"""Log-rank tests, hazard ratios and curves of planned analyses, for all replicates of a trial."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ketasim.errors import StudyError
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.hazards import hazard_ratio
from ketasim.trials.analysis.survival import kaplan_meier, log_rank, median_time
from ketasim.trials.planned.methods import columns_of
from ketasim.trials.planned.results import Finding, Findings, findings_of, one_by_one
from ketasim.trials.planned.times import Times

__all__ = ["survival_findings"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_DAY_H = 24.0


def survival_findings(times: Times) -> Findings:
    """Compare times to an event by the method of the plan, or give the curve of one side.

    An event counts as bad: a hazard ratio below 1 is a benefit.
    """
    sample = times.sample
    analysis = sample.analysis

    def count(rows: IntArray) -> tuple[int, int]:
        group = sample.group[rows]
        return int((group > 0).sum()), int((group == 0).sum())

    def work(rows: IntArray) -> Finding:
        sizes = count(rows)
        if not sizes[0] or (analysis.comparators and not sizes[1]):
            raise StudyError("one side has nobody.")
        if not analysis.comparators:
            return _one_curve(times, rows, sizes)
        if analysis.method == "cox":
            return _cox(times, rows, sizes)
        return _log_rank(times, rows, sizes)

    found = one_by_one(sample.each(), work, count)
    if not analysis.comparators:
        return findings_of(found, f"share with the event by {analysis.time}", "share")
    return findings_of(found, "hazard ratio", "ratio", null=1.0)


def _words(times: Times, rows: IntArray) -> str:
    """Events and medians of both sides."""
    parts = []
    for code in np.unique(times.sample.group[rows])[::-1].tolist():
        own = rows[times.sample.group[rows] == code]
        median = median_time(kaplan_meier(times.time_h[own] / _DAY_H, times.event[own])).value
        shown = "not reached" if math.isinf(median) else f"{median:.3g} d"
        parts.append(f"{int(times.event[own].sum())} events of {len(own)}, median {shown}")
    return " against ".join(parts)


def _one_curve(times: Times, rows: IntArray, sizes: tuple[int, int]) -> Finding:
    analysis = times.sample.analysis
    curve = kaplan_meier(times.time_h[rows], times.event[rows], alpha=analysis.alpha)
    place = int(np.searchsorted(curve.times, analysis.time_h * (1.0 + 1e-12), side="right")) - 1
    share, se, low, high = 0.0, 0.0, math.nan, math.nan
    if place >= 0:
        share, se = 1.0 - float(curve.survival[place]), float(curve.se[place])
        low, high = 1.0 - float(curve.high[place]), 1.0 - float(curve.low[place])
    note = _words(times, rows)
    if curve.last < analysis.time_h * (1.0 - 1e-9):
        note += f"; last rated at {curve.last / _DAY_H:.3g} d"
    nan = math.nan
    return Finding(*sizes, Estimate("", share, se, nan, low, high, nan, nan, "Kaplan-Meier"), note)


def _log_rank(times: Times, rows: IntArray, sizes: tuple[int, int]) -> Finding:
    sample = times.sample
    strata = None if sample.strata is None else sample.strata[rows]
    test = log_rank(times.time_h[rows], times.event[rows], sample.group[rows], strata=strata)
    gap = float(test.observed[1] - test.expected[1])
    if not test.chi2 > 0.0:
        if not times.event[rows].any():
            raise StudyError(f"nobody had the event; {_words(times, rows)}.")
        estimate = Estimate("", 1.0, math.nan, math.inf, math.nan, math.nan, 0.0, 1.0, test.method)
        return Finding(*sizes, estimate, _words(times, rows))
    # The score over its variance is the first step of a Newton search for the log hazard ratio.
    variance = gap**2 / test.chi2
    slope, se = gap / variance, 1.0 / math.sqrt(variance)
    half = float(ndtri(1.0 - sample.analysis.alpha / 2.0)) * se
    limits = math.exp(slope - half), math.exp(slope + half)
    estimate = Estimate("", math.exp(slope), se, math.inf, *limits, test.z, test.p, test.method)
    return Finding(
        *sizes, estimate, f"{_words(times, rows)}; hazard ratio by one step from the log-rank score"
    )


def _cox(times: Times, rows: IntArray, sizes: tuple[int, int]) -> Finding:
    sample = times.sample
    known = np.isfinite(sample.covariates[rows]).all(axis=1)
    rows = rows[known]
    table = columns_of(sample, rows, strata=False)
    # Columns around zero and of one size keep the search for the maximum stable.
    table = (table - table.mean(axis=0)) / table.std(axis=0) if table.shape[1] else table
    found = hazard_ratio(
        times.time_h[rows],
        times.event[rows],
        sample.group[rows],
        covariates=table,
        strata=None if sample.strata is None else sample.strata[rows],
        alpha=sample.analysis.alpha,
    )
    return Finding(*sizes, found, f"{_words(times, rows)}; {found.method}")
