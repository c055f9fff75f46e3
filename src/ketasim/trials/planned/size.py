"""A look that may make a trial larger: sample-size re-estimation of a planned analysis."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from ketasim.trials.analysis.reestimation import reestimate_size, weighted_estimate, weighted_statistic
from ketasim.trials.analysis.sequential import conditional_power
from ketasim.trials.planned.kinds import Data, findings_of_data, sample_behind
from ketasim.trials.planned.looks import benefit_z, first_persons, noted
from ketasim.trials.planned.results import Findings
from ketasim.trials.planned.samples import Sample
from ketasim.trials.planned.times import Times
from ketasim.trials.study.analysis import Monitoring

__all__ = ["resized"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


def resized(data: Data, main: Findings, look: Monitoring) -> tuple[Findings, Findings]:
    """Let a look raise the number of persons, and combine both stages with the weights of the plan.

    The trial must have been simulated with as many persons as the plan allows at most; if there are fewer,
    all of them are taken, and the note says how many were asked for.

    Parameters
    ----------
    data : Sample or TwoPhases
        What the analysis sees of everybody who was simulated.
    main : Findings
        The analysis of all of them.
    look : Monitoring
        The look.

    Returns
    -------
    main : Findings
        The analysis of those whom the trial would have had.
    seen : Findings
        What the look found.
    """
    sample = sample_behind(data)
    if isinstance(data, Times):
        nothing = replace(findings_of_data(data)[0], part=look.id, rejected=np.zeros(len(main.n), dtype=bool))
        words = [f"look {look.id}: the size of a trial of times is its events; it was not taken"]
        return noted(main, words * len(main.n)), noted(nothing, ["not taken"] * len(main.n))
    there = sample.count(data.has_result)
    planned = np.minimum(_planned(sample), there)
    earlier = first_persons(data)
    seen = findings_of_data(data.part(earlier < look.at))[0]
    z = benefit_z(seen, sample.analysis)
    critical = float(ndtri(1.0 - sample.analysis.alpha / 2.0))
    power = look.power or 0.9
    most = max(look.maximum or 0, _planned(sample))
    taken = (planned > look.at) & np.isfinite(z)
    wanted = planned.copy()
    words = ["not taken: too few results for a look before the end"] * len(z)
    for place in np.flatnonzero(taken).tolist():
        size = int(planned[place])
        raised = float(
            reestimate_size(z[place], look.at, size, max(most, size), critical=critical, power=power)
        )
        wanted[place] = math.ceil(raised - 1e-9)
        chance = float(conditional_power(z[place], look.at / size, critical))
        words[place] = (
            f"after {look.at} of {size}: conditional power {chance:.2g}, total {int(wanted[place])}"
        )
        if wanted[place] > there[place]:
            words[place] += f", of whom {int(there[place])} were simulated"
    last = np.minimum(wanted, there)[sample.place]
    second = findings_of_data(data.part((earlier >= look.at) & (earlier < last)))[0]
    all_of_them = findings_of_data(data.part(earlier < last))[0]
    combined = _combined(all_of_them, seen, second, look.at / np.maximum(planned, 1), taken, sample)
    silent = np.zeros(len(z), dtype=bool)
    return noted(combined, words), noted(replace(seen, part=look.id, rejected=silent), words)


def _planned(sample: Sample) -> int:
    """Persons that the file plans for the arms of the analysis."""
    arms = {*sample.analysis.arms, *sample.analysis.comparators}
    return sum(arm.n or 0 for arm in sample.source.study.arms if arm.id in arms)


def _combined(
    whole: Findings,
    first: Findings,
    second: Findings,
    fraction: FloatArray,
    taken: npt.NDArray[np.bool_],
    sample: Sample,
) -> Findings:
    """Put the estimates of both stages together; where no look was taken the whole stands."""
    alpha, one_sided = sample.analysis.alpha, sample.analysis.method == "non_inferiority"
    names = ("estimate", "se", "df", "low", "high", "statistic", "p")
    arrays = {name: getattr(whole, name).copy() for name in names}
    usable = taken & (first.se > 0.0) & (second.se > 0.0) & np.isfinite(second.estimate)
    for place in np.flatnonzero(usable).tolist():
        pairs = [(float(part.estimate[place]), float(part.se[place])) for part in (first, second)]
        found = weighted_estimate(pairs[0], pairs[1], float(fraction[place]), alpha=alpha)
        values = (found.value, found.se, found.df, found.low, found.high, found.statistic, found.p)
        for name, value in zip(names, values, strict=True):
            arrays[name][place] = value
        if one_sided:
            gain = whole.benefit * (found.value - whole.null) / found.se
            arrays["p"][place] = float(0.5 * math.erfc(gain / math.sqrt(2.0)))
    # A test on ranks has no standard error: its statistics are combined instead.
    both = benefit_z(first, sample.analysis), benefit_z(second, sample.analysis)
    ranked = taken & ~usable & np.isfinite(both[0]) & np.isfinite(both[1])
    for place in np.flatnonzero(ranked).tolist():
        z = whole.benefit * float(weighted_statistic(both[0][place], both[1][place], float(fraction[place])))
        arrays["statistic"][place], arrays["df"][place] = z, math.inf
        arrays["p"][place] = math.erfc(abs(z) / math.sqrt(2.0))
    usable |= ranked
    rejected = whole.rejected
    if one_sided:
        rejected = np.asarray(arrays["p"] <= alpha / 2.0)
    notes = [
        "; ".join(filter(None, (note, "both stages combined with the weights of the plan"))) if here else note
        for note, here in zip(whole.notes, usable.tolist(), strict=True)
    ]
    return replace(whole, notes=notes, rejected=rejected, **arrays)
