"""Methods of planned analyses for means and ranks, applied to all replicates of a trial."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import stdtr, stdtrit

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import AncovaMany, ancova_many
from ketasim.trials.analysis.conditional_mean import imputed_difference
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.imputation import Strategy
from ketasim.trials.analysis.mmrm import fit_mmrm
from ketasim.trials.analysis.nonparametric import linear_trend, rank_ancova
from ketasim.trials.planned.results import Finding, Findings, findings_of, one_by_one
from ketasim.trials.planned.samples import Sample, spread_over
from ketasim.trials.study.rules import OUTCOME_UNITS

__all__ = [
    "ancova_findings",
    "change_findings",
    "columns_of",
    "fit_together",
    "mean_findings",
    "unit_of",
    "varying",
]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_TOO_FEW = "not analysed: too few persons for the arms, covariates and strata"


def unit_of(sample: Sample) -> str:
    """Unit of the quantity of a sample."""
    quantity = sample.analysis.quantity
    return OUTCOME_UNITS.get(quantity) or sample.source.recorded.units().get(quantity, "")


def mean_findings(sample: Sample) -> Findings:
    """Analyse a sample of means or ranks by the method of its plan."""
    return _METHODS[sample.analysis.method](sample)


def fit_together(sample: Sample) -> AncovaMany:
    """Compare each group of a sample with group 0, in all replicates at once."""
    laid = spread_over(sample)
    table = sample.covariates[:, varying(sample.covariates[sample.has_result])]
    return ancova_many(
        laid.floats(sample.change[:, -1]),
        laid.codes(sample.group),
        laid.floats(table) if table.shape[1] else None,
        None if sample.strata is None else laid.codes(sample.strata),
        alpha=sample.analysis.alpha,
    )


def ancova_findings(sample: Sample) -> Findings:
    """Compare changes at one time, adjusted for covariates and strata."""
    if sample.analysis.imputation != "none":
        return _imputed(sample)
    measure = (
        "adjusted difference in mean change" if sample.covariates.shape[1] else "difference in mean change"
    )
    if not _both_sides(sample):
        return _nothing(sample, measure)
    many = fit_together(sample)
    known = np.isfinite(many.se[:, 0])
    return Findings(
        many.n[:, 1],
        many.n[:, 0],
        many.value[:, 0],
        many.se[:, 0],
        np.where(known, many.df, np.nan),
        many.low[:, 0],
        many.high[:, 0],
        many.statistic[:, 0],
        many.p[:, 0],
        measure,
        unit_of(sample),
        notes=["" if each else _TOO_FEW for each in known.tolist()],
    )


def change_findings(sample: Sample) -> Findings:
    """Give mean changes: of one side, or the plain difference of two."""
    if sample.analysis.comparators:
        plain = replace(sample, covariates=np.zeros((len(sample.rows), 0)), strata=None)
        return ancova_findings(plain)
    change = spread_over(sample).floats(sample.change[:, -1])
    known = np.isfinite(change)
    n = known.sum(axis=1)
    df = np.where(n > 1, n - 1.0, np.nan)
    value = np.where(n > 0, np.where(known, change, 0.0).sum(axis=1) / np.maximum(n, 1), np.nan)
    gaps = np.where(known, change - value[:, None], 0.0)
    se = np.sqrt((gaps**2).sum(axis=1) / df / np.maximum(n, 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = np.where(se > 0.0, value / se, np.nan)
    half = stdtrit(df, 1.0 - sample.analysis.alpha / 2.0) * se
    p = 2.0 * stdtr(df, -np.abs(statistic))
    notes = ["" if each > 1 else "not analysed: fewer than two persons" for each in n.tolist()]
    nobody = np.zeros(len(n), dtype=np.int64)
    low, high = value - half, value + half
    return Findings(
        n.astype(np.int64), nobody, value, se, df, low, high, statistic, p, "mean change", unit_of(sample),
        notes=notes,
    )  # fmt: skip


def _both_sides(sample: Sample) -> bool:
    seen = sample.group[sample.has_result]
    return bool((seen == 0).any() and (seen > 0).any())


def _nothing(sample: Sample, measure: str) -> Findings:
    counts = (
        sample.count(sample.has_result & (sample.group > 0)),
        sample.count(sample.has_result & (sample.group == 0)),
    )
    found = [
        Finding(n, other, None, "not analysed: one side has nobody with a value")
        for n, other in zip(counts[0].tolist(), counts[1].tolist(), strict=True)
    ]
    return findings_of(found, measure, unit_of(sample))


def _sizes(sample: Sample, used: npt.NDArray[np.bool_]) -> Callable[[IntArray], tuple[int, int]]:
    def count(rows: IntArray) -> tuple[int, int]:
        group = sample.group[rows][used[rows]]
        return int((group > 0).sum()), int((group == 0).sum())

    return count


def columns_of(sample: Sample, rows: IntArray, *, strata: bool = True) -> FloatArray:
    """Covariates, and strata as 0 and 1, that can be told apart among some persons."""
    parts = [sample.covariates[rows]]
    if sample.strata is not None and strata:
        codes = sample.strata[rows]
        parts.append((codes[:, None] == np.unique(codes)[1:]).astype(float))
    table = np.concatenate(parts, axis=1)
    return table[:, varying(table)]


def varying(table: FloatArray) -> npt.NDArray[np.bool_]:
    """Tell which columns differ between persons; one that does not tells nothing beside the mean."""
    if not len(table):
        return np.ones(table.shape[1], dtype=bool)
    # The last digits of a number that all share may differ.
    return np.asarray(np.ptp(table, axis=0) > 1e-9 * np.abs(table).max(axis=0))


def _usable(sample: Sample) -> npt.NDArray[np.bool_]:
    """Who has a value at the origin, the covariates, and at least one visit."""
    seen = np.isfinite(sample.change).any(axis=1)
    return np.asarray(seen & np.isfinite(sample.covariates).all(axis=1), dtype=bool)


def _mmrm(sample: Sample) -> Findings:
    if sample.analysis.imputation != "none":
        return _imputed(sample)
    used = _usable(sample)
    change, count = sample.change, _sizes(sample, used)

    def work(rows: IntArray) -> Finding:
        rows = rows[used[rows]]
        if not min(count(rows)):
            raise StudyError("one side has nobody with a value.")
        fit = fit_mmrm(change[rows], sample.group[rows], columns_of(sample, rows))
        note = "" if fit.fit.structure == "unstructured" else f"covariance {fit.fit.structure}"
        return Finding(*count(rows), fit.difference(alpha=sample.analysis.alpha), note)

    found = one_by_one(sample.each(), work, count)
    return findings_of(found, "adjusted difference in mean change", unit_of(sample))


def _imputed(sample: Sample) -> Findings:
    """Complete what is missing, like the comparator after an intercurrent event, and compare by ANCOVA."""
    analysis = sample.analysis
    used = np.isfinite(sample.start) & np.isfinite(sample.covariates).all(axis=1)
    change, count = sample.change, _sizes(sample, used)
    before = (~sample.deviates).sum(axis=1)
    strategy: Strategy = "at_random" if analysis.imputation == "none" else analysis.imputation

    def work(rows: IntArray) -> Finding:
        rows = rows[used[rows]]
        if not min(count(rows)):
            raise StudyError("one side has nobody with a value.")
        table, group, split = columns_of(sample, rows), sample.group[rows], before[rows]
        found = imputed_difference(
            change[rows], group, table, strategy=strategy, before=split, alpha=analysis.alpha
        )
        missing = int(np.isnan(change[rows, -1]).sum())
        note = f"{missing} of {len(rows)} values imputed ({strategy.replace('_', ' ')})"
        return Finding(*count(rows), found, note)

    found = one_by_one(sample.each(), work, count)
    return findings_of(found, "adjusted difference in mean change", unit_of(sample))


def _ranks(sample: Sample) -> Findings:
    """Compare ranks; who meets an intercurrent event under the composite strategy has the worst rank."""
    change = sample.change[:, -1].copy()
    if sample.analysis.estimand == "composite":
        change[sample.deviates[:, -1]] = np.nanmax(change, initial=0.0) + 1.0
    used = np.isfinite(change) & np.isfinite(sample.covariates).all(axis=1)
    count = _sizes(sample, used)

    def work(rows: IntArray) -> Finding:
        rows = rows[used[rows]]
        group, own = sample.group[rows], change[rows]
        if not 0 < int(group.sum()) < len(group):
            raise StudyError("one side has nobody with a value.")
        strata = None if sample.strata is None else sample.strata[rows]
        test = rank_ancova(own, group, sample.covariates[rows], strata=strata)
        signed = math.copysign(math.sqrt(max(test.statistic, 0.0)), test.direction)
        gap = float(np.median(own[group == 1]) - np.median(own[group == 0]))
        nan = math.nan
        estimate = Estimate("", gap, nan, test.df_error, nan, nan, signed, test.p, test.method)
        return Finding(*count(rows), estimate, f"{test.method}; the statistic is its signed root")

    return findings_of(one_by_one(sample.each(), work, count), "difference in median change", unit_of(sample))


def _trend(sample: Sample) -> Findings:
    """Estimate the slope of change over dose."""
    scores, unit = _doses(sample)
    used = np.isfinite(sample.change[:, -1]) & np.isfinite(sample.covariates).all(axis=1)
    count = _sizes(sample, used)

    def work(rows: IntArray) -> Finding:
        rows = rows[used[rows]]
        group = sample.group[rows]
        present = np.unique(group)
        if len(present) < 2 or present[0] != 0:
            raise StudyError("the comparator or all doses have nobody with a value.")
        table = columns_of(sample, rows)
        alpha = sample.analysis.alpha
        own = sample.change[rows, -1]
        slope = linear_trend(own, group, scores=scores[present], covariates=table, alpha=alpha)
        return Finding(*count(rows), slope)

    found = one_by_one(sample.each(), work, count)
    return findings_of(found, f"slope of change per {unit}", unit_of(sample))


def _doses(sample: Sample) -> tuple[FloatArray, str]:
    """Score of each group: the dose, if all are of one drug and unit, or else their order."""
    study, analysis = sample.source.study, sample.analysis
    scores, units = [0.0], set()
    for name in analysis.arms:
        doses = study.arm(name).dosing.doses
        if not doses:
            scores.append(0.0)
            continue
        units.add((doses[0].drug, doses[0].route, doses[0].unit))
        scores.append(doses[0].amount)
    if len(units) == 1 and len(set(scores)) == len(scores):
        return np.array(scores), f"{next(iter(units))[2]} of a dose"
    return np.arange(len(analysis.arms) + 1, dtype=np.float64), "step of dose"


_METHODS: dict[str, Callable[[Sample], Findings]] = {
    "ancova": ancova_findings,
    "mmrm": _mmrm,
    "change": change_findings,
    "rank_ancova": _ranks,
    "trend": _trend,
}
