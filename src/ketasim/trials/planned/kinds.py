"""Which method a planned analysis calls."""

from __future__ import annotations

from ketasim.trials.planned.data import Source
from ketasim.trials.planned.methods import mean_findings
from ketasim.trials.planned.phases import TwoPhases, phases_of, two_phase_findings
from ketasim.trials.planned.rates import non_inferiority_findings, rate_findings
from ketasim.trials.planned.results import Findings
from ketasim.trials.planned.samples import Sample, sample_of
from ketasim.trials.planned.survival import survival_findings
from ketasim.trials.planned.times import Times, times_of
from ketasim.trials.study.analysis import EVENT_METHODS, TWO_PHASES, Analysis

__all__ = ["Data", "data_of", "findings_of_data", "sample_behind"]

#: What an analysis looks at, by its kind.
Data = Sample | TwoPhases | Times


def data_of(source: Source, analysis: Analysis) -> Data:
    """Take from the outcomes of a trial what an analysis looks at.

    Raises
    ------
    StudyError
        If a quantity or covariate was not recorded.
    """
    if analysis.method in TWO_PHASES:
        return phases_of(source, analysis)
    sample = sample_of(source, analysis, apart=analysis.method == "trend")
    return times_of(sample) if analysis.method in EVENT_METHODS else sample


def sample_behind(data: Data) -> Sample:
    """The sample that holds the persons of an analysis."""
    if isinstance(data, TwoPhases):
        return data.first
    return data.sample if isinstance(data, Times) else data


def findings_of_data(data: Data) -> list[Findings]:
    """Compute a planned analysis in all replicates: the analysis itself first, then its parts."""
    if isinstance(data, TwoPhases):
        return two_phase_findings(data)
    if isinstance(data, Times):
        return [survival_findings(data)]
    if data.analysis.method in ("responder", "remission"):
        return [rate_findings(data)]
    if data.analysis.method == "non_inferiority":
        return [non_inferiority_findings(data)]
    return [mean_findings(data)]
