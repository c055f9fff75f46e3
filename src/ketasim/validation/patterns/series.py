"""Patterns of history: doses that add up, and relapse after one infusion, a course, and long treatment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ketasim.validation.bench import SINGLE, Bench
from ketasim.validation.patterns.pattern import (
    Check,
    Found,
    Pattern,
    at_least,
    at_most,
    between,
    pattern,
    told,
)
from ketasim.validation.patterns.picture import Band, Bars, Curve, Panel, Picture, Published
from ketasim.validation.patterns.survival import Survival, first_events, staying_well
from ketasim.validation.patterns.virtual import Arm, trial

__all__ = ["PATTERNS", "Relapses", "relapses"]

FloatArray = npt.NDArray[np.float64]

_DAY, _WEEK = 24.0, 168.0
_SIX = f"{SINGLE}, twice weekly x 3 weeks"
_SIX_STARTS = (0.0, 72.0, 168.0, 240.0, 336.0, 408.0)
_PEOPLE = 600
#: Published medians in days: derived from 50 % relapsed at day 14 among responders of day 3 (CLIN0057);
#: CLIN0163; 273 d (97 d to not estimable) in stable remission on placebo spray, abstract of daly2019.
_MEDIANS = {"one": 11.0, "six": 18.0, "long": 273.0}
_NAMES = {"one": "one infusion", "six": "six infusions", "long": "16 weeks, then placebo"}


@pattern(
    "accumulation",
    "11",
    "Serial doses add up for 3 to 4 doses, then flatten; 2x and 3x weekly are equal at day 15",
)
def _accumulation(bench: Bench) -> Found:
    run = bench.run(_SIX, 60.0)
    effects = [bench.effect(run, start + _DAY) for start in _SIX_STARTS]
    gains = [before - after for before, after in pairwise(effects)]
    people = trial(bench, "singh2016", 300, twin=True)
    end = 14.0 * _DAY
    own = {often: float(Arm(people, f"ketamine_{often}x").effect(end).mean()) for often in (2, 3)}
    scored = {often: float(Arm(people, f"ketamine_{often}x").change(end).mean()) for often in (2, 3)}
    checks = (
        at_least("gain by the second dose, typical patient", gains[0], 1.0, "points"),
        at_least("gain by the third dose", gains[1], 0.5, "points"),
        at_most(
            "gain by the sixth dose over that by the second",
            gains[-1] / gains[0] if gains[0] > 0.0 else math.nan,
            0.4,
            note="flat: less than two fifths",
        ),
        between(
            "3x minus 2x weekly at day 15, the drug itself",
            own[3] - own[2],
            -1.5,
            1.5,
            "points",
            "published scores differ by 0.7 (singh2016freq), SE about 4",
        ),
        told("3x minus 2x weekly at day 15, scored", scored[3] - scored[2], "points"),
    )
    left = Panel(
        "0.5 mg/kg twice weekly, typical patient",
        "time from the first dose, d",
        "severity against dose zero, points",
        (Curve("severity", run.times_h / _DAY, run.quantities["severity"] - run.quantities["severity"][0]),),
    )
    right = Panel(
        "Day 15 by frequency (300 an arm)",
        "",
        "change, points",
        bars=Bars(
            ("2x, drug itself", "3x, drug itself", "2x, scored", "3x, scored"),
            (own[2], own[3], scored[2], scored[3]),
            (math.nan, math.nan, -18.4, -17.7),
        ),
    )
    return Found(checks, Picture((left, right)))


@dataclass(frozen=True)
class Relapses:
    """Relapse after three histories, each by its own definition and from its own origin."""

    one: Survival
    six: Survival
    long: Survival

    def median(self, name: str) -> tuple[float, bool]:
        """Median in days, and whether it lies beyond the time followed; see :meth:`Survival.median`."""
        curve: Survival = getattr(self, name)
        return curve.median()


def relapses(bench: Bench, changed: Mapping[str, float] | None = None) -> Relapses:
    """Follow relapse after one infusion, six infusions and long treatment.

    Parameters
    ----------
    bench : Bench
        Its parameters.
    changed : mapping of str to float, optional
        Parameters to replace, in their tables' units.

    Notes
    -----
    One infusion: responders of day 3 until MADRS 22 at a visit (salloum2020), from day 3. Six: responders a
    day after the last dose until response is lost at two visits in a row (murrough2013b), from the last dose.
    Long: stable remission after 16 weeks of esketamine, randomised to placebo spray, until MADRS 22 at two
    visits in a row (daly2019), from randomisation.
    """
    return Relapses(_one(bench, changed), _six(bench, changed), _long(bench, changed))


def _one(bench: Bench, changed: Mapping[str, float] | None) -> Survival:
    arm = Arm(trial(bench, "salloum2020", {"ketamine_0_5": _PEOPLE}, changed=changed), "ketamine_0_5")
    times, scores = arm.table()
    chosen = arm.at(72.0) <= 0.5 * arm.at(0.0)
    after = times > 72.0 + 1e-6
    values = scores[chosen][:, after]
    return staying_well(*first_events(values >= 22.0, np.isfinite(values), (times[after] - 72.0) / _DAY, 1))


def _six(bench: Bench, changed: Mapping[str, float] | None) -> Survival:
    arm = Arm(trial(bench, "murrough2013b", _PEOPLE, changed=changed), "ketamine")
    times, scores = arm.table()
    start, last = 12.0 * _DAY, 11.0 * _DAY
    chosen = arm.at(start) <= 0.5 * arm.at(0.0)
    after = times > start + 1e-6
    values, entry = scores[chosen][:, after], arm.at(0.0)[chosen]
    lost = values > 0.5 * entry[:, None]
    return staying_well(*first_events(lost, np.isfinite(values), (times[after] - last) / _DAY, 2))


def _long(bench: Bench, changed: Mapping[str, float] | None) -> Survival:
    found = trial(bench, "daly2019", _PEOPLE, changed=changed).matrix("madrs")
    where = list(found.words).index("remission_placebo") if "remission_placebo" in found.words else -1
    there = found.treatment_code == where
    rows = np.flatnonzero(there.any(axis=1))
    # An arm is entered at the visit before the first one at which it was in force.
    begin = np.maximum(there[rows].argmax(axis=1) - 1, 0)
    days = (found.times_h[None, :] - found.times_h[begin][:, None]) / _DAY
    values = found.values[rows]
    seen = np.isfinite(values) & (days > 1e-6)
    return staying_well(*first_events(values >= 22.0, seen, days, 2))


def _median_checks(found: Relapses) -> list[Check]:
    checks = []
    for name, published in _MEDIANS.items():
        days, beyond = found.median(name)
        note = f"published {published:g} d"
        if beyond:
            note += "; half not reached within the follow-up: by the hazard over all of it"
        checks.append(
            between(f"median after {_NAMES[name]}", days, 0.5 * published, 2.0 * published, "d", note)
        )
    return checks


def _curve(name: str, found: Survival, *, quiet: bool = False) -> Curve:
    # A logarithmic axis has no zero.
    return Curve(name, np.maximum(found.times, 1.0), found.well, quiet=quiet, steps=True)


@pattern(
    "relapse",
    "11",
    "Relapse depends on history with one parameter set: about 11 days after one infusion, 18 after six, "
    "months after long treatment",
)
def _relapse(bench: Bench) -> Found:
    found = relapses(bench)
    medians = [found.median(name)[0] for name in _MEDIANS]
    quartiles = [found.six.quantile(share) for share in (0.25, 0.75)]
    checks = [
        *_median_checks(found),
        at_least("order: six over one", medians[1] / medians[0], 1.0),
        at_least("order: long over six", medians[2] / medians[1], 1.0),
        between(
            "first quartile after six", quartiles[0], 5.5, 22.0, "d", "published 11 d; within a factor of two"
        ),
        between(
            "third quartile after six",
            quartiles[1],
            13.5,
            54.0,
            "d",
            "published 27 d; within a factor of two",
        ),
        between(
            "still well 83 d after six", found.six.at(83.0), 0.10, 0.45, "", "published a quarter (4 of 17)"
        ),
        told("responders followed after one", float(found.one.people)),
        told("responders followed after six", float(found.six.people)),
        told("in stable remission and randomised to placebo", float(found.long.people)),
    ]
    panel = Panel(
        "Staying well, each by its own definition",
        "time from each one's own origin, d",
        "share",
        tuple(_curve(_NAMES[name], getattr(found, name)) for name in _MEDIANS),
        bands=(Band("half has relapsed", 0.495, 0.505),),
        published=(Published("each one's median", tuple(_MEDIANS.values()), (0.5, 0.5, 0.5)),),
        log_x=True,
    )
    return Found(tuple(checks), Picture((panel,)))


@pattern("consolidation", "11", "What deleting the consolidation state does to relapse")
def _consolidation(bench: Bench) -> Found:
    usual, without = relapses(bench), relapses(bench, {"mood_consolidation_weight": 0.0})
    checks = []
    for name in _MEDIANS:
        for words, found in (("with", usual), ("without", without)):
            days, beyond = found.median(name)
            note = "half not reached within the follow-up: by the hazard over all of it" if beyond else ""
            checks.append(told(f"median after {_NAMES[name]}, {words} consolidation", days, "d", note))
    for words, found in (("with", usual), ("without", without)):
        checks.append(told(f"still well 83 d after six, {words} consolidation", found.six.at(83.0)))
    effects = [
        bench.effect(bench.run(changed=changed), _DAY)
        for changed in (None, {"mood_consolidation_weight": 0.0})
    ]
    checks.append(told("effect at 24 h without over with, typical patient", effects[1] / effects[0]))
    curves = [
        _curve(f"{_NAMES[name]}, {words}", getattr(found, name), quiet=words == "without")
        for name in _MEDIANS
        for words, found in (("with", usual), ("without", without))
    ]
    panel = Panel(
        "Staying well, with the consolidation state and without its weight on mood",
        "time from each one's own origin, d",
        "share",
        tuple(curves),
        log_x=True,
    )
    return Found(tuple(checks), Picture((panel,)))


PATTERNS: tuple[Pattern, ...] = (_accumulation, _relapse, _consolidation)
