"""Patterns of one infusion: when it works, how large it is, how long it lasts, and what the dose does."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ketasim.validation.bench import Bench
from ketasim.validation.patterns.pattern import (
    Found,
    Pattern,
    at_least,
    at_most,
    between,
    pattern,
    told,
)
from ketasim.validation.patterns.picture import Band, Curve, Panel, Picture, Published
from ketasim.validation.patterns.virtual import Arm, trial

__all__ = ["PATTERNS", "difference", "one_infusion"]

FloatArray = npt.NDArray[np.float64]

_DAY, _WEEK = 24.0, 168.0
_END = 2.0 / 3.0
#: Patients of each arm of the virtual trials: the standard error of a difference is about 0.8 points.
_PEOPLE = 400
_VISITS = (_END, 2.0, 4.0, _DAY, 72.0, _WEEK, 240.0, 336.0, 504.0, 672.0)
_DOSES = (0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0)
#: Of the responders of day 3 relapsed by day 14, by dose in mg/kg (CLIN0055, CLIN0057, CLIN0059).
_RELAPSED = {0.1: 0.80, 0.5: 0.50, 1.0: 0.30}


def one_infusion(bench: Bench, arm: str) -> Arm:
    """An arm (ketamine, midazolam, saline) of the virtual trial of one infusion."""
    return Arm(trial(bench, "one_infusion", _PEOPLE, twin=True), arm)


def difference(bench: Bench, control: str, time_h: float) -> float:
    """Scored change with ketamine minus that with a control, in MADRS points."""
    ketamine, other = (one_infusion(bench, name).change(time_h) for name in ("ketamine", control))
    return float(ketamine.mean() - other.mean())


def _drug(bench: Bench) -> FloatArray:
    """Mean effect of the drug itself at each visit."""
    arm = one_infusion(bench, "ketamine")
    return np.array([arm.effect(time).mean() for time in _VISITS])


@pattern("onset", "11", "Drug minus control is visible at 40 min to 2 h")
def _onset(bench: Bench) -> Found:
    run = bench.run()
    early = run.times_h <= _DAY
    course = run.quantities["severity"][early] - run.quantities["severity"][0]
    reached = np.flatnonzero(course <= -1.0)
    first = 60.0 * float(run.times_h[early][reached[0]]) if reached.size else math.nan
    drug = _drug(bench)
    checks = (
        at_most(
            "first time with 1 point less than with dose zero, typical patient",
            first,
            120.0,
            "min",
            "a point is taken as visible; no trial rates more finely",
        ),
        at_most("effect of the drug itself at 2 h, mean of patients", float(drug[1]), -1.0, "points"),
        at_most(
            "scored change against saline at 2 h",
            difference(bench, "saline", 2.0),
            -2.0,
            "points",
            "2 points are the least that a trial calls a difference; most of it is expectancy",
        ),
        told("effect of the drug itself at 40 min, mean of patients", float(drug[0]), "points"),
        told("scored change against saline at 40 min", difference(bench, "saline", _END), "points"),
    )
    hours = _VISITS[:4]
    scored = [
        Curve.of(f"scored, against {name}", hours, [difference(bench, name, t) for t in hours], quiet=quiet)
        for name, quiet in (("saline", False), ("midazolam", True))
    ]
    left = Panel(
        "The drug itself, typical patient",
        "time from the start of the infusion, h",
        "severity against dose zero, points",
        (Curve("0.5 mg/kg", run.times_h[early], course),),
        bands=(Band("visible", -12.0, -1.0),),
    )
    right = Panel(
        f"Virtual trial, {_PEOPLE} an arm",
        "time from the start of the infusion, h",
        "MADRS, points",
        tuple(scored),
    )
    return Found(checks, Picture((left, right)))


@pattern("peak", "11", "The effect is largest at 24 h: about -8 against midazolam, more against saline")
def _peak(bench: Bench) -> Found:
    drug = _drug(bench)
    against = {name: difference(bench, name, _DAY) for name in ("midazolam", "saline")}
    checks = (
        between(
            "scored change against midazolam at 24 h",
            against["midazolam"],
            -10.5,
            -5.5,
            "points",
            "published -7.7 (murrough2013: 16.5 less 8.8)",
        ),
        at_least(
            "more against saline than against midazolam at 24 h",
            against["midazolam"] - against["saline"],
            0.5,
            "points",
        ),
        at_most(
            "visit with the largest effect of the drug itself",
            _VISITS[int(np.argmin(drug))],
            _DAY,
            "h",
            "visits at 40 min, 2, 4 and 24 h, and 3 to 28 d",
        ),
        at_least("the same, not before", _VISITS[int(np.argmin(drug))], _DAY, "h"),
    )
    days = [time / _DAY for time in _VISITS[:6]]
    curves = tuple(
        Curve.of(
            f"scored, against {name}", days, [difference(bench, name, t) for t in _VISITS[:6]], quiet=quiet
        )
        for name, quiet in (("midazolam", False), ("saline", False))
    )
    own = Curve.of("the drug itself", days, drug[:6].tolist(), quiet=True)
    panel = Panel(
        f"Virtual trial, {_PEOPLE} an arm",
        "time from the infusion, d",
        "ketamine minus control, MADRS points",
        (*curves, own),
        bands=(Band("wanted at 24 h", -10.5, -5.5),),
        published=(Published("murrough2013, midazolam", (1.0,), (-7.7,)),),
    )
    return Found(checks, Picture((panel,)))


@pattern("decay", "11", "The effect has a half-life near 10 days")
def _decay(bench: Bench) -> Found:
    drug = _drug(bench)
    late = np.array(_VISITS[3:8])
    falling = drug[3:8]
    slope = float(np.polyfit(late, np.log(np.maximum(-falling, 1e-6)), 1)[0]) if falling.max() < 0.0 else 0.0
    population = math.log(2.0) / -slope / _DAY if slope < 0.0 else math.nan
    run = bench.run()
    first, week = bench.effect(run, _DAY), bench.effect(run, _WEEK)
    typical = 6.0 * math.log(2.0) / math.log(first / week) if first < week < 0.0 else math.nan
    checks = (
        between("half-life of the mean effect, 24 h to 14 d, patients", population, 6.0, 14.0, "d"),
        between("half-life from 24 h and 7 d, typical patient", typical, 6.0, 14.0, "d"),
        told("left of the effect at 28 d, mean of patients", float(drug[-1] / drug[3]), ""),
    )
    kept = run.times_h >= _DAY
    curves = (
        Curve(
            "typical patient",
            run.times_h[kept] / _DAY,
            (run.quantities["severity"] - run.quantities["severity"][0])[kept],
            quiet=True,
        ),
        Curve.of("mean of patients", [t / _DAY for t in _VISITS[3:]], drug[3:].tolist()),
        Curve(
            "half-life of 10 d",
            np.linspace(1.0, 28.0, 55),
            drug[3] * 0.5 ** ((np.linspace(1.0, 28.0, 55) - 1.0) / 10.0),
            quiet=True,
        ),
    )
    panel = Panel(
        "The drug itself", "time from the infusion, d", "severity against dose zero, points", curves
    )
    return Found(checks, Picture((panel,)))


def _relapsed(bench: Bench, dose: float) -> float:
    """Share of the responders of day 3 with MADRS 22 or more at a visit by day 14, as salloum2020 counts."""
    names = {0.1: "ketamine_0_1", 0.5: "ketamine_0_5", 1.0: "ketamine_1_0"}
    arm = Arm(trial(bench, "salloum2020", dict.fromkeys(names.values(), 600)), names[dose])
    entry, well = arm.at(0.0), arm.at(72.0)
    chosen = well <= 0.5 * entry
    after = np.stack([arm.at(day * _DAY) for day in (5.0, 7.0, 14.0)], axis=1)[chosen]
    return float((after >= 22.0).any(axis=1).mean()) if chosen.any() else math.nan


@pattern("dose", "11", "The peak saturates with dose, duration grows with it")
def _dose(bench: Bench) -> Found:
    effects = {
        hours: [
            bench.effect(bench.run(f"{dose:g} mg/kg ketamine iv over 40 min", 15.0), hours) for dose in _DOSES
        ]
        for hours in (_DAY, _WEEK, 2.0 * _WEEK)
    }
    half, whole = _DOSES.index(0.5), _DOSES.index(1.0)
    ratios = {hours: values[whole] / values[half] for hours, values in effects.items()}
    relapsed = {dose: _relapsed(bench, dose) for dose in _RELAPSED}
    checks = (
        at_most("effect of 1.0 over 0.5 mg/kg at 24 h, typical patient", ratios[_DAY], 1.25),
        at_least(
            "that ratio at day 7 over that at 24 h",
            ratios[_WEEK] / ratios[_DAY],
            1.05,
            note="duration grows if the larger dose keeps more of its own peak",
        ),
        at_least(
            "responders relapsed by day 14: 0.1 minus 0.5 mg/kg",
            relapsed[0.1] - relapsed[0.5],
            0.10,
            note="published 0.80 and 0.50 (salloum2020), small groups",
        ),
        at_least(
            "responders relapsed by day 14: 0.5 minus 1.0 mg/kg",
            relapsed[0.5] - relapsed[1.0],
            0.05,
            note="published 0.50 and 0.30 (salloum2020), small groups",
        ),
    )
    left = Panel(
        "The drug itself, typical patient",
        "dose over 40 min, mg/kg",
        "severity against dose zero, points",
        tuple(
            Curve.of(name, _DOSES, effects[hours])
            for name, hours in (("24 h", _DAY), ("7 d", _WEEK), ("14 d", 2.0 * _WEEK))
        ),
        log_x=True,
    )
    right = Panel(
        "Responders relapsed by day 14",
        "dose over 40 min, mg/kg",
        "share",
        (Curve.of("model", list(relapsed), list(relapsed.values())),),
        published=(Published("salloum2020", tuple(_RELAPSED), tuple(_RELAPSED.values())),),
        log_x=True,
    )
    return Found(checks, Picture((left, right)))


PATTERNS: tuple[Pattern, ...] = (_onset, _peak, _decay, _dose)
