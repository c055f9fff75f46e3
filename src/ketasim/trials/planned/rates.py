"""Responders and remitters of planned analyses, and non-inferiority, for all replicates of a trial."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from ketasim.errors import StudyError
from ketasim.trials.analysis.binary import (
    exact_p,
    rate_interval,
    risk_difference,
    risk_difference_interval,
    score_statistic,
)
from ketasim.trials.analysis.binary_adjusted import cochran_mantel_haenszel, standardised_difference
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.non_inferiority import composite_response, non_inferior, non_inferior_rates
from ketasim.trials.analysis.number_needed import number_needed
from ketasim.trials.endpoints import remission_threshold
from ketasim.trials.planned.methods import ancova_findings, columns_of, unit_of
from ketasim.trials.planned.results import Finding, Findings, findings_of, one_by_one
from ketasim.trials.planned.samples import Sample
from ketasim.trials.study.parts import RESPONSE_SHARE

__all__ = ["non_inferiority_findings", "rate_findings", "responses"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def responses(sample: Sample) -> FloatArray:
    """Tell who responded or remitted, shape (n,): 1, 0, or NaN where it is not known.

    Under the composite strategy whoever had an intercurrent event, or is not known, did not.
    """
    values, start = sample.last, sample.start
    known = sample.has_result
    if sample.analysis.method == "remission":
        hit = values <= remission_threshold(sample.source.study, sample.analysis.quantity)
    else:
        hit = values <= (1.0 - RESPONSE_SHARE) * start
    found = np.where(known, hit.astype(float), np.nan)
    if sample.analysis.estimand == "composite":
        found = composite_response(found, sample.deviates[:, -1].astype(float))
    return found


def _counts(sample: Sample, hit: FloatArray) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Events and persons of the first side, then of the comparator, by replicate."""
    known, first = np.isfinite(hit), sample.group > 0
    return (
        sample.count((hit == 1.0) & first),
        sample.count(known & first),
        sample.count((hit == 1.0) & ~first),
        sample.count(known & ~first),
    )


def rate_findings(sample: Sample) -> Findings:
    """Give the rate of one side, or the difference of two.

    With covariates it is standardised by logistic regression; with strata alone it is that of Mantel
    and Haenszel; with neither it has the score interval, and Fisher's exact p stands in the note.
    """
    hit = responses(sample)
    if not sample.analysis.comparators:
        return _one_rate(sample, hit)
    if sample.covariates.shape[1] or sample.strata is not None:
        return _adjusted(sample, hit)
    return _plain(sample, hit)


def _word(sample: Sample) -> str:
    return "remission" if sample.analysis.method == "remission" else "response"


def _one_rate(sample: Sample, hit: FloatArray) -> Findings:
    events, n, _, none = _counts(sample, hit)
    some = n > 0
    safe = np.maximum(n, 1)
    rate = np.where(some, events / safe, np.nan)
    low, high = (np.where(some, each, np.nan) for each in rate_interval(
        np.minimum(events, safe), safe, alpha=sample.analysis.alpha
    ))  # fmt: skip
    nothing = np.full(len(n), np.nan)
    return Findings(
        n, none, rate, np.sqrt(rate * (1.0 - rate) / safe), nothing, low, high, nothing, nothing,
        f"rate of {_word(sample)}", "share", benefit=1.0,
        notes=["Clopper-Pearson interval" if each else "not analysed: nobody" for each in some.tolist()],
    )  # fmt: skip


def _plain(sample: Sample, hit: FloatArray) -> Findings:
    x1, n1, x0, n0 = _counts(sample, hit)
    both = (n1 > 0) & (n0 > 0)
    one, other = np.maximum(n1, 1), np.maximum(n0, 1)
    # Limits depend on the counts alone, and many replicates share theirs.
    tables, which = np.unique(np.stack([x1, one, x0, other], axis=1), axis=0, return_inverse=True)
    limits = risk_difference_interval(*tables.T, alpha=sample.analysis.alpha)
    low, high = (np.where(both, each[which], np.nan) for each in limits)
    statistic = np.where(both, score_statistic(x1, one, x0, other), np.nan)
    rates = x1 / one, x0 / other
    value = np.where(both, rates[0] - rates[1], np.nan)
    se = np.sqrt(rates[0] * (1.0 - rates[0]) / one + rates[1] * (1.0 - rates[1]) / other)
    fisher = exact_p(*tables.T)[which]
    notes = []
    for place, known in enumerate(both.tolist()):
        if not known:
            notes.append("not analysed: one side has nobody")
            continue
        estimate = Estimate("", value[place], math.nan, math.inf, low[place], high[place], 0.0, 1.0, "")
        needed = number_needed(estimate).text
        counts = f"{x1[place]} of {n1[place]} against {x0[place]} of {n0[place]}"
        notes.append(f"{counts}; Fisher's exact p {fisher[place]:.3g}; {needed}")
    return Findings(
        n1, n0, value, np.where(both, se, np.nan), np.where(both, np.inf, np.nan), low, high, statistic,
        2.0 * ndtr(-np.abs(statistic)), f"difference in rate of {_word(sample)}", "share", benefit=1.0,
        notes=notes,
    )  # fmt: skip


def _adjusted(sample: Sample, hit: FloatArray) -> Findings:
    alpha = sample.analysis.alpha
    used = np.isfinite(hit) & np.isfinite(sample.covariates).all(axis=1)

    def count(rows: IntArray) -> tuple[int, int]:
        group = sample.group[rows][used[rows]]
        return int((group == 1).sum()), int((group == 0).sum())

    def work(rows: IntArray) -> Finding:
        rows = rows[used[rows]]
        sizes = count(rows)
        if not min(sizes):
            raise StudyError("one side has nobody.")
        own, group = hit[rows], sample.group[rows]
        counts = (
            f"{int(own[group == 1].sum())} of {sizes[0]} against {int(own[group == 0].sum())} of {sizes[1]}"
        )
        estimate = _adjusted_estimate(sample, rows, own, group, alpha)
        return Finding(*sizes, estimate, f"{counts}; {estimate.method}; {number_needed(estimate).text}")

    found = one_by_one(sample.each(), work, count)
    return findings_of(found, f"adjusted difference in rate of {_word(sample)}", "share", benefit=1.0)


def _adjusted_estimate(
    sample: Sample, rows: IntArray, own: FloatArray, group: IntArray, alpha: float
) -> Estimate:
    strata = None if sample.strata is None else sample.strata[rows]
    if not sample.covariates.shape[1] and strata is not None:
        return cochran_mantel_haenszel(own, group, strata, alpha=alpha).risk_difference
    table = columns_of(sample, rows)
    # Columns of one size: the regression stops at a fixed step, whatever the unit.
    table = (table - table.mean(axis=0)) / table.std(axis=0) if table.shape[1] else table
    # One person has no spread: a side of one cannot be adjusted.
    if np.bincount(group, minlength=2).min() > 1:
        found = standardised_difference(own, group, table, alpha=alpha)
        if found.se > 0.0 and "not converged" not in found.method:
            return found
    counts = [int(each) for code in (1, 0) for each in (own[group == code].sum(), (group == code).sum())]
    plain = risk_difference(*counts, alpha=alpha)
    words = f"not adjusted, as covariates or arms separate all; {plain.method}"
    return Estimate(
        plain.label, plain.value, plain.se, plain.df, plain.low, plain.high, plain.statistic, plain.p, words
    )


def non_inferiority_findings(sample: Sample) -> Findings:
    """Judge whether a treatment is at most a margin worse: by rates of response, or by adjusted means.

    A margin below 1 is a share of responders; one of 1 or more is in points of the scale.
    """
    margin, alpha = sample.analysis.margin or 0.0, sample.analysis.alpha
    if margin >= 1.0:
        return _by_means(sample, margin, alpha)
    counts = _counts(sample, responses(sample))
    found = []
    for x1, n1, x0, n0 in zip(*(each.tolist() for each in counts), strict=True):
        if not n1 or not n0:
            found.append(Finding(n1, n0, None, "not analysed: one side has nobody"))
            continue
        judged = non_inferior_rates(x1, n1, x0, n0, margin, alpha=alpha)
        note = f"{judged.conclusion}; {x1} of {n1} against {x0} of {n0}; margin {margin:g}"
        found.append(Finding(n1, n0, _with_p(judged.estimate, judged.p), note, judged.non_inferior))
    return findings_of(found, "difference in rate of response", "share", benefit=1.0, null=-margin)


def _by_means(sample: Sample, margin: float, alpha: float) -> Findings:
    means = ancova_findings(sample)
    found = []
    for place, note in enumerate(means.notes):
        sizes = int(means.n[place]), int(means.n_comparator[place])
        if note or not means.se[place] > 0.0:
            found.append(Finding(*sizes, None, note or "not analysed: no spread"))
            continue
        names = ("estimate", "se", "df", "low", "high", "statistic", "p")
        value, se, df, low, high, statistic, p = (float(getattr(means, name)[place]) for name in names)
        estimate = Estimate("", value, se, df, low, high, statistic, p, "")
        judged = non_inferior(estimate, margin, higher_is_better=False, alpha=alpha)
        words = f"{judged.conclusion}; margin {margin:g} {means.unit}"
        found.append(Finding(*sizes, _with_p(judged.estimate, judged.p), words, judged.non_inferior))
    return findings_of(found, means.measure, unit_of(sample), null=margin)


def _with_p(estimate: Estimate, p: float) -> Estimate:
    """The estimate with the one-sided p value at the margin."""
    return Estimate(
        estimate.label, estimate.value, estimate.se, estimate.df, estimate.low, estimate.high,
        estimate.statistic, p, estimate.method,
    )  # fmt: skip
