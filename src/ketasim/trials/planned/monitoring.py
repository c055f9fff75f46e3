"""Looks at a planned analysis before the end of the trial, and what they make of its result.

The first persons by enrolment are analysed as the whole trial is; in analyses of times the trial is cut
at the calendar time of an event instead. What happens after the trial has stopped is not seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ketasim.trials.analysis.sequential import (
    Boundaries,
    conditional_power,
    exit_chances,
    spending_boundaries,
)
from ketasim.trials.planned.kinds import Data, findings_of_data, sample_behind
from ketasim.trials.planned.looks import benefit_z, first_persons, noted
from ketasim.trials.planned.results import NUMBERS, Findings
from ketasim.trials.planned.size import resized
from ketasim.trials.planned.times import Times, times_of
from ketasim.trials.study.analysis import Analysis, Monitoring

__all__ = ["monitored"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

_DAY_H = 24.0


def monitored(data: Data, looks: Sequence[Monitoring]) -> list[Findings]:
    """Compute a planned analysis with its looks.

    Parameters
    ----------
    data : Sample, TwoPhases or Times
        What the analysis sees if the trial goes on to its end.
    looks : sequence of Monitoring
        Those of this analysis, in any order.

    Returns
    -------
    list of Findings
        The analysis as the trial ends, its parts, and what each look found.
    """
    data, ended = _ended(data, looks)
    whole = findings_of_data(data)
    main, parts = whole[0], list(whole[1:])
    main = noted(main, ended)
    tests = sorted(
        (look for look in looks if look.kind in ("efficacy", "futility")), key=lambda look: look.at
    )
    if tests:
        main, seen = _stopped(data, main, tests, looks)
        parts += seen
    for look in looks:
        if look.kind == "sample_size_reestimation":
            main, seen_part = resized(data, main, look)
            parts.append(seen_part)
        elif look.kind == "events" and not isinstance(data, Times):
            words = [f"look {look.id}: only times to an event have a number of events; it was not taken"]
            main = noted(main, words * len(main.n))
    return [main, *parts]


def _time_of(times: Times, count: int) -> FloatArray:
    """Calendar time of the count-th known event of each replicate; infinite if there are fewer."""
    found = np.full(times.sample.replicates, np.inf)
    calendar = times.known_calendar_h
    for place, rows in enumerate(times.sample.each()):
        own = np.sort(calendar[rows][np.isfinite(calendar[rows])])
        if len(own) >= count:
            found[place] = own[count - 1]
    return found


def _cut(times: Times, calendar_h: FloatArray) -> Times:
    """What is known of times at a calendar time of each replicate."""
    return times_of(times.sample, until_h=calendar_h[times.sample.place] - times.sample.calendar_h)


def _ended(data: Data, looks: Sequence[Monitoring]) -> tuple[Data, list[str]]:
    """End the trial when as many events have happened as the plan asks for."""
    count = sample_behind(data).replicates
    counts = [look.at for look in looks if look.kind == "events"]
    if not counts or not isinstance(data, Times):
        return data, [""] * count
    wanted = min(counts)
    at = _time_of(data, wanted)
    words = [
        f"ended with event {wanted}, {time / _DAY_H:.4g} d after the first was enrolled"
        if math.isfinite(time)
        else f"fewer than {wanted} events: all are followed to the end"
        for time in at.tolist()
    ]
    return _cut(data, at), words


@dataclass(frozen=True)
class _Look:
    plan: Monitoring
    found: Findings
    z: FloatArray
    reached: BoolArray


def _look_at(data: Data, plan: Monitoring) -> _Look:
    """Analyse what is there at a look."""
    analysis = sample_behind(data).analysis
    if isinstance(data, Times):
        at = _time_of(data, plan.at)
        reached = np.isfinite(at)
        found = findings_of_data(_cut(data, at))[0]
    else:
        earlier = first_persons(data)
        sample = sample_behind(data)
        reached = sample.count(data.has_result) > plan.at
        found = findings_of_data(data.part(earlier < plan.at))[0]
    found = replace(found, part=plan.id)
    return _Look(plan, found, np.where(reached, benefit_z(found, analysis), np.nan), reached)


def _totals(data: Data, looks: Sequence[Monitoring]) -> IntArray:
    """Persons with a result, or events, at the end of each replicate."""
    planned = [look.at for look in looks if look.kind == "events"]
    if isinstance(data, Times):
        if planned:
            return np.full(data.sample.replicates, min(planned), dtype=np.int64)
        return data.sample.count(data.event)
    return sample_behind(data).count(data.has_result)


def _stopped(
    data: Data, main: Findings, tests: Sequence[Monitoring], looks: Sequence[Monitoring]
) -> tuple[Findings, list[Findings]]:
    """Let looks stop the trial, for efficacy or as futile, and test at the end with what is left."""
    analysis = sample_behind(data).analysis
    seen = [_look_at(data, plan) for plan in tests]
    totals = _totals(data, looks)
    final_z = benefit_z(main, analysis)
    judge = _Judge(analysis, seen, {})
    verdicts = [
        judge.verdict(place, int(totals[place]), float(final_z[place])) for place in range(len(totals))
    ]
    rejected = np.array([each.rejected for each in verdicts], dtype=bool)
    p = np.array([each.p for each in verdicts])
    stopped = np.array([each.stop for each in verdicts], dtype=np.int64)
    # What the trial concludes rests on what was seen until it stopped.
    for number, look in enumerate(seen):
        main = _instead(main, look.found, stopped == number)
    main = noted(replace(main, rejected=rejected, p_adjusted=p), [each.words for each in verdicts])
    parts = []
    for number, look in enumerate(seen):
        words = [each.looks[number][0] for each in verdicts]
        crossed = np.array([each.looks[number][1] for each in verdicts], dtype=bool)
        parts.append(noted(replace(look.found, rejected=crossed), words))
    return main, parts


def _instead(main: Findings, other: Findings, where: BoolArray) -> Findings:
    names = ("n", "n_comparator", *NUMBERS)
    arrays = {name: np.where(where, getattr(other, name), getattr(main, name)) for name in names}
    notes = [
        theirs if here else own
        for here, own, theirs in zip(where.tolist(), main.notes, other.notes, strict=True)
    ]
    return replace(main, notes=notes, **arrays)


@dataclass(frozen=True)
class _Verdict:
    rejected: bool
    p: float
    stop: int  #: number of the look that stopped the trial; -1 if none did
    words: str
    looks: list[tuple[str, bool]]  #: of each look, what it says and whether it stopped for efficacy


@dataclass(frozen=True)
class _Judge:
    """Goes through the looks of one replicate."""

    analysis: Analysis
    seen: Sequence[_Look]
    made: dict[tuple[float, ...], Boundaries]

    def verdict(self, place: int, total: int, final_z: float) -> _Verdict:
        """Say where the trial stops, and what it concludes."""
        taken = [n for n, look in enumerate(self.seen) if look.reached[place] and look.plan.at < total]
        tests = [n for n in taken if self.seen[n].plan.kind == "efficacy"]
        limits = self._boundaries([self.seen[n].plan.at / total for n in tests], tests)
        final = float(limits.critical[-1])
        told = [("not taken: too few results for a look before the end", False)] * len(self.seen)
        for n in taken:
            plan, z = self.seen[n].plan, float(self.seen[n].z[place])
            share = plan.at / total
            if plan.kind == "efficacy":
                rank = tests.index(n)
                critical = float(limits.critical[rank])
                crossed = abs(z) >= critical if limits.two_sided else z >= critical
                says = "stops the trial" if crossed else "goes on"
                told[n] = (f"at {share:.0%} of the information: critical z {critical:.3g}, {says}", crossed)
                if crossed:
                    p = _stagewise(z, rank, limits)
                    return _Verdict(True, p, n, f"stopped at look {plan.id}, after {plan.at}", told)
                continue
            chance = float(conditional_power(z, share, final)) if math.isfinite(z) else math.nan
            futile = chance < (plan.power or 0.0)
            says = "stops the trial as futile" if futile else "goes on"
            told[n] = (f"at {share:.0%} of the information: conditional power {chance:.2g}, {says}", False)
            if futile:
                p = float(self.seen[n].found.p[place])
                return _Verdict(False, p, n, f"stopped as futile at look {plan.id}, after {plan.at}", told)
        crossed = abs(final_z) >= final if limits.two_sided else final_z >= final
        p = _stagewise(final_z, len(tests), limits)
        return _Verdict(bool(crossed), p, -1, f"critical z at the end {final:.3g}" if tests else "", told)

    def _boundaries(self, shares: list[float], tests: list[int]) -> Boundaries:
        key = (*shares, 1.0)
        if key not in self.made:
            kinds = [self.seen[n].plan.spending for n in tests]
            two_sided = self.analysis.method != "non_inferiority"
            alpha = self.analysis.alpha if two_sided else self.analysis.alpha / 2.0
            spending = kinds[0] or "obrien_fleming" if kinds else "obrien_fleming"
            self.made[key] = spending_boundaries(np.array(key), spending, alpha=alpha, two_sided=two_sided)
        return self.made[key]


def _stagewise(z: float, rank: int, limits: Boundaries) -> float:
    """P value of what was seen when the trial stopped: earlier is stronger (Tsiatis and others 1984)."""
    if not math.isfinite(z):
        return math.nan
    share = limits.fraction[: rank + 1]
    upper = limits.critical[: rank + 1].copy()
    lower = -upper if limits.two_sided else np.full(rank + 1, -np.inf)
    upper[-1] = z
    lower[-1] = z if limits.two_sided else -np.inf
    high, _ = exit_chances(share, upper, lower)
    tail = float(high.sum())
    return min(1.0, 2.0 * min(tail, 1.0 - tail)) if limits.two_sided else tail
