"""Emergent items of section 11: mood over hours, weeks and series of doses."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from ketasim.validation.bench import SINGLE, Bench, Finding, Item, must, spell
from ketasim.validation.items_population import (
    patient_spread,
    placebo_and_null_trials,
    relapse_medians,
)

__all__ = ["ITEMS"]

_DAY = 24.0
_WEEK = 168.0
_DOUBLE = "1 mg/kg ketamine iv over 40 min"
_SIX = f"{SINGLE}, twice weekly x 3 weeks"
_SIX_STARTS = (0.0, 72.0, 168.0, 240.0, 336.0, 408.0)
_LONG = "84 mg esketamine intranasal, weekly x 16"


@must("11", "The effect is visible at 2 h (more than 1 point)")
def _onset(bench: Bench) -> Finding:
    effect = bench.effect(bench.run(), 2.0)
    return f"{effect:.2f} points at 2 h", effect < -1.0


@must("11", "The effect is largest at 12 to 48 h")
def _largest(bench: Bench) -> Finding:
    run = bench.run()
    lowest = int(np.argmin(run.quantities["severity"]))
    time, effect = float(run.times_h[lowest]), bench.effect(run, float(run.times_h[lowest]))
    return f"{effect:.2f} points at {time:.0f} h", effect < 0.0 and 12.0 <= time <= 48.0


@must("11", "About -8 points at 24 h (-10.5 to -5.5)")
def _effect_at_day_one(bench: Bench) -> Finding:
    effect = bench.effect(bench.run(), _DAY)
    return f"{effect:.2f} points", -10.5 <= effect <= -5.5


@must("11", "The effect's half-life is near 10 days (6 to 14, from 24 h and 7 d)")
def _effect_half_life(bench: Bench) -> Finding:
    first, last = (bench.effect(bench.run(), hours) for hours in (_DAY, _WEEK))
    if not first < last < 0.0:
        return f"{first:.2f} points at 24 h, {last:.2f} at 7 d: no decay to measure", False
    half = 6.0 * math.log(2.0) / math.log(first / last)
    return f"{half:.1f} d ({first:.2f} points at 24 h, {last:.2f} at 7 d)", 6.0 <= half <= 14.0


def _dose_ratio(bench: Bench, time_h: float) -> float:
    usual = bench.effect(bench.run(), time_h)
    return bench.effect(bench.run(_DOUBLE), time_h) / usual if usual else float("nan")


@must("11", "The peak saturates with dose: 1.0 over 0.5 mg/kg under 1.25 at 24 h")
def _saturates(bench: Bench) -> Finding:
    ratio = _dose_ratio(bench, _DAY)
    return f"ratio {ratio:.2f}", bench.effect(bench.run(), _DAY) < 0.0 and 0.0 < ratio < 1.25


@must("11", "Duration grows with dose: 1.0 over 0.5 mg/kg is more at day 7 than at 24 h")
def _duration_grows(bench: Bench) -> Finding:
    early, late = _dose_ratio(bench, _DAY), _dose_ratio(bench, _WEEK)
    return f"ratio {late:.2f} at day 7, {early:.2f} at 24 h", bench.effect(
        bench.run(), _WEEK
    ) < 0.0 and late > early


@must("11", "Serial doses (twice weekly x 3 weeks) add up for 3 to 4 doses and flatten")
def _serial_doses(bench: Bench) -> Finding:
    run = bench.run(_SIX, 60.0)
    effects = [bench.effect(run, start + _DAY) for start in _SIX_STARTS]
    gains = [-(after - before) for before, after in pairwise(effects)]
    adds = gains[0] > 0.2 and gains[1] > 0.0
    flat = abs(gains[-1]) < 0.5 * max(gains[:2])
    return "a day after each dose " + ", ".join(f"{effect:.1f}" for effect in effects), adds and flat


@must("11", "Infusions 2 and 3 times a week are equal at day 15 (within 1.5 points)")
def _frequency(bench: Bench) -> Finding:
    twice, thrice = (
        bench.effect(bench.run(f"{SINGLE}, {often} weekly x 2 weeks", 16.0), 14.0 * _DAY)
        for often in ("twice", "three times")
    )
    found = f"{twice:.2f} and {thrice:.2f} points"
    return found, twice < -1.0 and thrice < -1.0 and abs(twice - thrice) <= 1.5


@must("11", "Nasal esketamine 28, 56 and 84 mg twice weekly is graded at day 8 (each step more than 5 %)")
def _nasal_graded(bench: Bench) -> Finding:
    effects = [
        bench.effect(bench.run(f"{dose} mg esketamine intranasal, on days 1, 4", 9.0), _WEEK)
        for dose in (28, 56, 84)
    ]
    words = ", ".join(f"{effect:.2f}" for effect in effects) + " points"
    return words, effects[0] < 0.0 and all(b < 1.05 * a for a, b in pairwise(effects))


def _conventional(bench: Bench) -> tuple[float, float]:
    run = bench.run("none", 43.0, inputs={"antidepressant": 1.0})
    return bench.effect(run, _WEEK), bench.effect(run, 6.0 * _WEEK)


@must("11", "A conventional antidepressant is worth 3 to 5 points at week 6")
def _antidepressant_size(bench: Bench) -> Finding:
    _, late = _conventional(bench)
    return f"{late:.2f} points", -5.0 <= late <= -3.0


@must("11", "A conventional antidepressant has a third of its week-6 gap at week 1 (0.2 to 0.5)")
def _antidepressant_onset(bench: Bench) -> Finding:
    early, late = _conventional(bench)
    share = early / late if late else float("nan")
    return f"share {share:.2f}", late < 0.0 and 0.2 <= share <= 0.5


@must("11", "Suicidal ideation falls within a day (by more than 20 %)")
def _ideation(bench: Bench) -> Finding:
    run = bench.run()
    change = 100.0 * bench.rise(run, "suicidal_ideation", _DAY) / bench.rest(run, "suicidal_ideation")
    return f"{change:+.0f} %", change < -20.0


def _kept_days(bench: Bench, regimen: str, last_dose_h: float, days: float) -> float:
    """Days from a day after the last dose until half of the effect there is gone."""
    run = bench.run(regimen, days, fine=False)
    begin = last_dose_h + _DAY
    best = bench.effect(run, begin)
    after = run.times_h >= begin
    times, effects = run.times_h[after], run.quantities["severity"][after] - bench.rest(run, "severity")
    gone = np.flatnonzero(effects > 0.5 * best)
    return float(times[gone[0]] - begin) / _DAY if best < -1.0 and gone.size else float("nan")


@must(
    "11",
    "Relapse depends on history: half is lost later after six doses than after one, and after long treatment",
)
def _relapse_order(bench: Bench) -> Finding:
    one = _kept_days(bench, SINGLE, 0.0, 90.0)
    six = _kept_days(bench, _SIX, _SIX_STARTS[-1], 120.0)
    long = _kept_days(bench, _LONG, 15.0 * _WEEK, 365.0)
    days = [spell(value, "d", ".0f") for value in (one, six, long)]
    found = f"{days[0]} after one, {days[1]} after six, {days[2]} after 16 weekly nasal doses"
    return found, one < six < long


ITEMS: tuple[Item, ...] = (
    _onset,
    _largest,
    _effect_at_day_one,
    _effect_half_life,
    _saturates,
    _duration_grows,
    _serial_doses,
    _frequency,
    _nasal_graded,
    _antidepressant_size,
    _antidepressant_onset,
    _ideation,
    _relapse_order,
    relapse_medians,
    patient_spread,
    placebo_and_null_trials,
)
