"""Planned analyses that put two phases together: crossovers and sequential parallel designs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ketasim.errors import StudyError
from ketasim.trials.analysis.crossover import crossover
from ketasim.trials.analysis.estimate import Estimate
from ketasim.trials.analysis.sequential_parallel import sequential_parallel
from ketasim.trials.planned.data import Source
from ketasim.trials.planned.methods import unit_of
from ketasim.trials.planned.results import Finding, Findings, findings_of
from ketasim.trials.planned.samples import Sample, sample_of
from ketasim.trials.study.analysis import Analysis

__all__ = ["TwoPhases", "phases_of", "two_phase_findings"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_DEFAULT_WEIGHT = 0.5


@dataclass(frozen=True)
class TwoPhases:
    """Those who entered the first phase of an analysis, and what became of them in the second.

    Parameters
    ----------
    first : Sample
        The first phase; time and baseline count from entering it.
    second : array, shape (n, 2)
        Value at the time of the analysis, and baseline, in the second phase; NaN for who is not in it.
    second_group : array of int, shape (n,)
        1 the arm, 0 the comparator of the second phase, -1 for who is not in it.
    second_covariates : array, shape (n, p)
        As in the first phase, the baseline that of the second.
    """

    first: Sample
    second: FloatArray
    second_group: IntArray
    second_covariates: FloatArray

    @property
    def outcomes(self) -> FloatArray:
        """By phase, shape (n, 2): changes since entering it if the plan names the baseline, else values."""
        changes = "baseline" in self.first.analysis.covariates
        start = np.stack([self.first.start, self.second[:, 1]], axis=1)
        values = np.stack([self.first.last, self.second[:, 0]], axis=1)
        return values - start if changes else np.where(np.isnan(start), np.nan, values)

    @property
    def has_result(self) -> BoolArray:
        """Who has the values that the analysis needs: both periods of a crossover, or the first stage."""
        known = np.isfinite(self.outcomes)
        return np.asarray(known.all(axis=1) if self.first.analysis.method == "crossover" else known[:, 0])

    def part(self, chosen: BoolArray) -> TwoPhases:
        """Some of the persons."""
        return TwoPhases(
            self.first.part(chosen),
            self.second[chosen],
            self.second_group[chosen],
            self.second_covariates[chosen],
        )


def phases_of(source: Source, analysis: Analysis) -> TwoPhases:
    """Take both phases of an analysis from the outcomes of a trial.

    The estimand acts in each phase, on intercurrent events since entering it.
    """
    samples = []
    for arm, comparator in zip(analysis.arms, analysis.comparators, strict=True):
        plan = analysis.model_copy(update={"arm": arm, "comparator": comparator})
        samples.append(sample_of(source, plan, among=(arm, comparator)))
    first, second = samples
    first = replace(first, analysis=analysis)
    count = len(first.rows)
    place = np.searchsorted(first.rows, second.rows)
    known = place < count
    known[known] = first.rows[place[known]] == second.rows[known]
    group = np.full(count, -1, dtype=np.int64)
    group[place[known]] = second.group[known]
    values = np.full((count, 2), np.nan)
    values[place[known]] = np.stack([second.last, second.start], axis=1)[known]
    covariates = np.full((count, second.covariates.shape[1]), np.nan)
    covariates[place[known]] = second.covariates[known]
    # A crossover is from one to the other; the second stage of the other design is for those on comparator.
    right = group == 1 - first.group if analysis.method == "crossover" else first.group == 0
    values[~right] = np.nan
    return TwoPhases(first, values, np.where(right, group, -1), covariates)


def two_phase_findings(phases: TwoPhases) -> list[Findings]:
    """Analyse both phases in all replicates: the treatment first, then its parts."""
    if phases.first.analysis.method == "crossover":
        return _crossover(phases)
    return _sequential_parallel(phases)


def _crossover(phases: TwoPhases) -> list[Findings]:
    sample, outcomes = phases.first, phases.outcomes
    names = ("treatment", "period", "carry_over", "first_period")
    found: dict[str, list[Finding]] = {name: [] for name in names}
    for rows in sample.each():
        first = sample.group[rows]
        both = np.isfinite(outcomes[rows]).all(axis=1)
        sizes = int((both & (first == 1)).sum()), int((both & (first == 0)).sum())
        try:
            result = crossover(outcomes[rows], first, alpha=sample.analysis.alpha)
        except StudyError as error:
            for name in names:
                found[name].append(Finding(*sizes, None, f"not analysed: {str(error).rstrip('.')}"))
            continue
        carried = result.carry_over
        words = f"n by sequence; carry-over {carried.value:.3g} (p {carried.p:.3g})"
        if carried.p < 0.1:
            words += ": the treatment may still act in the second period, which biases this estimate"
        notes = {"treatment": words, "first_period": "free of carry-over, between persons"}
        for name in names:
            estimate: Estimate = getattr(result, name)
            found[name].append(Finding(*sizes, estimate, notes.get(name, "")))
    word = "change" if "baseline" in sample.analysis.covariates else "score"
    measures = {
        "treatment": f"difference in {word} within persons",
        "period": f"difference in {word} of the periods",
        "carry_over": f"carry-over in the sum of both periods' {word}",
        "first_period": f"difference in {word}, first period",
    }
    unit = unit_of(sample)
    return [
        findings_of(found[name], measures[name], unit, part="" if name == "treatment" else name)
        for name in names
    ]


def _sequential_parallel(phases: TwoPhases) -> list[Findings]:
    sample = phases.first
    analysis = sample.analysis
    weight = _DEFAULT_WEIGHT if analysis.weight is None else analysis.weight
    y1 = sample.change[:, -1]
    y2 = phases.second[:, 0] - phases.second[:, 1]
    y1 = np.where(np.isfinite(sample.covariates).all(axis=1), y1, np.nan)
    y2 = np.where(np.isfinite(phases.second_covariates).all(axis=1), y2, np.nan)
    names = ("pooled", "stage1", "stage2")
    found: dict[str, list[Finding]] = {name: [] for name in names}
    for rows in sample.each():
        groups = sample.group[rows], np.maximum(phases.second_group[rows], 0)
        known = np.isfinite(y1[rows]), np.isfinite(y2[rows])
        sizes = [
            (int((seen & (group == 1)).sum()), int((seen & (group == 0)).sum()))
            for seen, group in zip(known, groups, strict=True)
        ]
        each = {"pooled": sizes[0], "stage1": sizes[0], "stage2": sizes[1]}
        try:
            result = sequential_parallel(
                y1[rows],
                groups[0],
                y2[rows],
                groups[1],
                weight=weight,
                covariates1=sample.covariates[rows] if sample.covariates.shape[1] else None,
                covariates2=phases.second_covariates[rows] if sample.covariates.shape[1] else None,
                alpha=analysis.alpha,
            )
        except StudyError as error:
            for name in names:
                found[name].append(Finding(*each[name], None, f"not analysed: {str(error).rstrip('.')}"))
            continue
        words = f"weight {weight:g} on stage 1; {sizes[1][0]} and {sizes[1][1]} in stage 2"
        for name in names:
            note = words if name == "pooled" else ""
            found[name].append(Finding(*each[name], getattr(result, name), note))
    measures = ("pooled difference in mean change", "difference in mean change", "difference in mean change")
    unit = unit_of(sample)
    return [
        findings_of(found[name], measure, unit, part="" if name == "pooled" else name)
        for name, measure in zip(names, measures, strict=True)
    ]
