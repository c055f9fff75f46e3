"""Claims about how fast relief comes, how long it stays, and what repetition does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ketasim.claims.checks import at_least, at_most
from ketasim.claims.claim import Claim, Computed, claim
from ketasim.claims.picture import Curve, Line, Panel, Picture
from ketasim.claims.work import DAY, SINGLE, WEEK, Work, share
from ketasim.dosing import parse_regimen
from ketasim.trials.scoring import ScoringParameters, Setting, expectation

__all__ = ["CLAIMS", "response"]

FloatArray = npt.NDArray[np.float64]

_SIX = f"{SINGLE}, twice weekly x 3 weeks"
_SIX_STARTS = (0.0, 72.0, 168.0, 240.0, 336.0, 408.0)
#: The same, and then one a week for twelve weeks.
_KEPT_DAYS = (1, 4, 8, 11, 15, 18, *range(25, 25 + 12 * 7, 7))
_KEPT = f"{SINGLE}, on days {', '.join(str(day) for day in _KEPT_DAYS)}"
_IN_A_TRIAL = "one_infusion"


def response(times_h: FloatArray, scores: FloatArray) -> FloatArray:
    """Whether a score is down to half of that at entry.

    Parameters
    ----------
    times_h : array, shape (times,)
        The first is entry.
    scores : array, shape (persons, times)
        NaN where a person was not seen, which counts as no response.

    Returns
    -------
    array of float, shape (persons, times)
        0 or 1.
    """
    entry = scores[:, int(np.argmin(times_h))][:, None]
    return np.where(scores <= 0.5 * entry, 1.0, 0.0)


def _expected(work: Work, regimen: str, days: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Times (h), points of the drug and points of expectancy, against no treatment, in an open setting."""
    run = work.bench.run(regimen, days)
    doses = parse_regimen(regimen)
    setting = Setting(open_label=1.0, allocation=1.0)
    hoped = expectation(
        run.times_h, run.quantities, doses, setting, ScoringParameters.from_table(work.parameters)
    )
    severity = run.quantities["severity"]
    return run.times_h, severity[0] - severity, np.asarray(hoped.placebo, dtype=np.float64)


@claim("hours", "relief comes within hours", "drug part and expectancy part by hour")
def _hours(work: Work) -> Computed:
    times, drug, hope = _expected(work, SINGLE, 8.0)

    def at(values: FloatArray, hours: float) -> float:
        return float(np.interp(hours, times, values))

    checks = (
        at_least(
            "severity taken away by the drug at 4 h",
            at(drug, 4.0),
            2.0,
            "points",
            note="2 points are the least that a trial calls a difference",
        ),
        at_least("severity taken away by the drug at 24 h", at(drug, DAY), 2.0, "points"),
        at_least(
            "drug part of all relief at 2 h, given in the open",
            share(at(drug, 2.0), at(drug, 2.0) + at(hope, 2.0)),
            0.5,
            "ratio",
            role="limit",
            note="else most of the first relief is hope",
        ),
    )
    kept = times <= 72.0
    panel = Panel(
        "Relief, given in the open",
        "time from the infusion, h",
        "points taken away",
        (Curve("drug", times[kept], drug[kept]), Curve("expectancy", times[kept], hope[kept], True)),
    )
    return Computed(checks, Picture((panel,)))


@claim(
    "weeks-ssri",
    "ordinary antidepressants take weeks",
    "arm with a conventional antidepressant by week",
    "antidepressant_route",
)
def _weeks_ssri(work: Work) -> Computed:
    bench = work.bench
    run = bench.run("none", 43.0, inputs={"antidepressant": 1.0})
    late = bench.effect(run, 6.0 * WEEK)
    weeks = [0.0, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    gained = [share(bench.effect(run, week * WEEK), late) for week in weeks]
    checks = (
        at_most(
            "effect of a conventional antidepressant at week 6", late, -2.0, "points", note="it works at all"
        ),
        at_most(
            "share at week 1 of its effect at week 6",
            gained[2],
            0.5,
            "ratio",
            note="less than half in the first week",
        ),
        at_least(
            "share at week 2 of its effect at week 6",
            gained[3],
            0.2,
            "ratio",
            role="limit",
            note="weeks, but not without anything before",
        ),
    )
    ketamine = bench.run()
    panel = Panel(
        "Mood",
        "time, weeks",
        "severity, change in points",
        (
            Curve.of("conventional antidepressant", weeks, [late * part for part in gained]),
            Curve.of(
                "one infusion of ketamine",
                [0.0, 1 / 42, 1 / 7, 0.5, 1.0, 2.0, 3.0, 4.0],
                [
                    bench.effect(ketamine, week * WEEK)
                    for week in (0.0, 1 / 42, 1 / 7, 0.5, 1.0, 2.0, 3.0, 4.0)
                ],
                quiet=True,
            ),
        ),
    )
    return Computed(checks, Picture((panel,)))


@claim(
    "outlasts",
    "the effect outlasts the drug",
    "plasma half-life against the half-life of the effect",
    "trapping",
)
def _outlasts(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    name = "ketamine_venous"
    levels = [bench.at(run, name, hours) for hours in (6.0, 12.0)]
    plasma = 6.0 * math.log(2.0) / math.log(levels[0] / levels[1])
    first, last = bench.effect(run, DAY), bench.effect(run, WEEK)
    kept = 6.0 * DAY * math.log(2.0) / math.log(first / last) if first < last < 0.0 else math.nan
    checks = (
        at_least("half-life of the effect over that in plasma", share(kept, plasma), 5.0, "ratio"),
        at_most(
            "level in plasma at 24 h, share of the peak",
            share(bench.at(run, name, DAY), bench.peak(run, name)[1]),
            0.05,
            "ratio",
            note="the drug has gone",
        ),
        at_least("effect left at 24 h", -first, 2.0, "points"),
        at_least("effect left at day 7", -last, 2.0, "points", role="limit"),
    )
    times = run.times_h[run.times_h <= 14.0 * DAY]
    level = run.quantities[name][: len(times)]
    relief = run.quantities["severity"][0] - run.quantities["severity"][: len(times)]
    panel = Panel(
        "Drug and effect",
        "time from the infusion, days",
        "share of the highest",
        (
            Curve("ketamine in plasma", times / DAY, level / level.max(), True),
            Curve("effect on mood", times / DAY, relief / relief.max()),
        ),
    )
    return Computed(checks, Picture((panel,)))


@claim(
    "two-weeks",
    "it can last up to two weeks",
    "share still responding by day after one infusion (virtual trial)",
)
def _two_weeks(work: Work) -> Computed:
    curves = []
    held: dict[str, FloatArray] = {}
    for arm in ("ketamine", "midazolam"):
        times, scores = work.scores(_IN_A_TRIAL, arm)
        yes = response(times, scores)
        begun = yes[:, int(np.argmin(np.abs(times - DAY)))] > 0.5
        after = times >= DAY - 1e-9
        # A responder who was down once has relapsed, even if a later rating is low again.
        still = np.minimum.accumulate(yes[begun][:, after], axis=1).mean(axis=0)
        held[arm] = still
        curves.append(
            Curve(
                f"{arm} ({int(begun.sum())} responders)",
                times[after] / DAY,
                100.0 * still,
                arm == "midazolam",
                True,
            )
        )
    days = curves[0].x
    ketamine = held["ketamine"]
    checks = (
        at_least(
            "share of responders on day 1 who never fell back until day 14",
            float(np.interp(14.0, days, ketamine)),
            0.1,
            "ratio",
            note="'can': one in ten or more",
        ),
        at_most(
            "share of responders on day 1 who never fell back until day 28",
            float(np.interp(28.0, days, ketamine)),
            0.1,
            "ratio",
            role="limit",
            note="'up to': few stay well for four weeks",
        ),
        at_least(
            "share of responders on day 1 who stay so for two weeks, as what most have",
            float(np.interp(14.0, days, ketamine)),
            0.5,
            "ratio",
            role="limit",
        ),
    )
    panel = Panel(
        "Responders of day 1 who stay so",
        "time from the infusion, days",
        "still responding, %",
        tuple(curves),
    )
    return Computed(checks, Picture((panel,)))


def _half_gone(work: Work, regimen: str, last_h: float, days: float) -> float:
    """Days from a day after the last dose until half of the effect there is gone; NaN if never."""
    bench = work.bench
    run = bench.run(regimen, days, fine=False)
    best = bench.effect(run, last_h + DAY)
    after = run.times_h >= last_h + DAY
    effects = run.quantities["severity"][after] - bench.rest(run, "severity")
    gone = np.flatnonzero(effects > 0.5 * best)
    return float(run.times_h[after][gone[0]] - last_h - DAY) / DAY if gone.size and best < -1.0 else math.nan


@claim("repeat", "repeated infusions keep it up", "single, six and maintenance; relapse")
def _repeat(work: Work) -> Computed:
    bench = work.bench
    six = bench.run(_SIX, 60.0)
    kept = bench.run(_KEPT, 140.0, fine=False)
    single = bench.run(days=60.0)
    last = bench.effect(six, _SIX_STARTS[-1] + DAY)
    weekly = [bench.effect(kept, (day - 1) * DAY - 1.0) for day in _KEPT_DAYS[7:]]
    days = [_half_gone(work, SINGLE, 0.0, 90.0), _half_gone(work, _SIX, _SIX_STARTS[-1], 120.0)]
    checks = (
        at_least(
            "effect a day after the sixth infusion over that after the first",
            share(last, bench.effect(six, DAY)),
            1.2,
            "ratio",
        ),
        at_least(
            "days until half is lost after six over those after one", share(days[1], days[0]), 1.2, "ratio"
        ),
        at_least(
            "weakest effect before a weekly dose of maintenance, share of that after the sixth",
            share(max(weekly), last),
            0.5,
            "ratio",
        ),
        at_least(
            "days until half is lost after six and nothing more",
            days[1],
            90.0,
            "d",
            role="limit",
            note="without maintenance it does not stay for months",
        ),
    )
    curves = tuple(
        Curve(label, run.times_h / DAY, run.quantities["severity"], quiet)
        for label, run, quiet in (
            ("one infusion", single, True),
            ("six in three weeks", six, False),
            ("six, then weekly", kept, False),
        )
    )
    rest = bench.rest(single, "severity")
    panel = Panel(
        "Mood",
        "time from the first infusion, days",
        "severity, points",
        curves,
        None,
        (Line("before", rest),),
    )
    return Computed(checks, Picture((panel,)))


CLAIMS: tuple[Claim, ...] = (_hours, _weeks_ssri, _outlasts, _two_weeks, _repeat)
