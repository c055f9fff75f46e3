"""Claims about long use and access: bladder, memory, liking, supervision."""

from __future__ import annotations

import numpy as np

from ketasim.claims.checks import at_least, at_most, not_computed
from ketasim.claims.claim import Claim, Computed, claim
from ketasim.claims.picture import Bars, Curve, Panel, Picture
from ketasim.claims.work import DAY, SINGLE, Work, share
from ketasim.dosing import parse_regimen
from ketasim.dosing.supervision import PersonFacts, check_regimen
from ketasim.model.simulator import Run

__all__ = ["CLAIMS"]

#: By muscle nearly all is absorbed: about what a gram a day in the nose gives.
_HEAVY = "500 mg ketamine im, daily x 180"
_HALF_YEAR = 180.0 * DAY
_NASAL = "84 mg esketamine intranasal"


def _monthly(run: Run, name: str, label: str, *, change: bool = False) -> Curve:
    values = run.quantities[name]
    return Curve(label, run.times_h / DAY, values - values[0] if change else 100.0 * values)


@claim("bladder", "long use harms the bladder", "clinical against recreational exposure")
def _bladder(work: Work) -> Computed:
    bench = work.bench
    heavy = bench.run(_HEAVY, 188.0, well=True, fine=False)
    clinical = bench.run(f"{SINGLE}, weekly x 26", 188.0, fine=False)
    worst = [100.0 * bench.peak(run, "bladder_risk")[1] for run in (heavy, clinical)]
    checks = (
        at_least("chance of bladder symptoms after half a year of 500 mg a day", worst[0], 5.0, "%"),
        at_least(
            "chance of bladder symptoms, 500 mg a day over weekly infusions",
            share(worst[0], worst[1]),
            10.0,
            "ratio",
        ),
        at_least(
            "chance of bladder symptoms after half a year of weekly infusions",
            worst[1],
            1.0,
            "%",
            role="limit",
            note="long clinical use would have to show it too",
        ),
    )
    curves = (
        _monthly(heavy, "bladder_risk", "500 mg a day (recreational)"),
        _monthly(clinical, "bladder_risk", "0.5 mg/kg a week (clinical)"),
    )
    panel = Panel("Bladder symptoms", "time, days", "chance, %", curves)
    return Computed(checks, Picture((panel,)))


@claim("cognition", "long use harms memory", "clinical against recreational exposure")
def _cognition(work: Work) -> Computed:
    bench = work.bench
    heavy = bench.run(_HEAVY, 188.0, well=True, fine=False)
    clinical = bench.run(f"{SINGLE}, weekly x 26", 188.0, fine=False)
    # A week after the last dose, when nothing acute is left.
    left = [bench.rise(run, "cognition", _HALF_YEAR + 6.5 * DAY) for run in (heavy, clinical)]
    checks = (
        at_most(
            "cognition a week after half a year of 500 mg a day",
            left[0],
            -0.1,
            "z",
            note="a tenth of an SD; tests see no less",
        ),
        at_most(
            "cognition a week after half a year of weekly infusions",
            left[1],
            -0.1,
            "z",
            role="limit",
            note="long clinical use would have to show it too",
        ),
    )
    curves = tuple(
        Curve.of(
            label,
            [0.0, *(30.0 * month + 0.9 for month in range(1, 6)), 187.0],
            [
                bench.rise(run, "cognition", 24.0 * day)
                for day in [0.0, *(30.0 * month + 0.9 for month in range(1, 6)), 187.0]
            ],
            quiet=label.startswith("0.5"),
        )
        for label, run in (("500 mg a day (recreational)", heavy), ("0.5 mg/kg a week (clinical)", clinical))
    )
    panel = Panel("Cognition before the next dose", "time, days", "against before, z", curves)
    return Computed(checks, Picture((panel,)))


@claim("abuse", "it can be abused", "liking by dose and route; tolerance")
def _abuse(work: Work) -> Computed:
    bench = work.bench
    routes = {
        "0.5 mg/kg iv, 40 min": SINGLE,
        "0.5 mg/kg iv, bolus": "0.5 mg/kg ketamine iv bolus",
        "0.5 mg/kg im": "0.5 mg/kg ketamine im",
        "84 mg nasal": _NASAL,
        "0.5 mg/kg oral": "0.5 mg/kg ketamine oral",
    }
    high = {label: bench.peak(bench.run(text, 1.0), "drug_high")[1] for label, text in routes.items()}
    weekly = bench.run(f"{SINGLE}, weekly x 8", 56.0)
    first = float(bench.span(weekly, "drug_high", 0.0, DAY).max())
    last = float(bench.span(weekly, "drug_high", 7 * 168.0).max())
    checks = (
        at_least(
            "drug high at the usual dose, of 100",
            high["0.5 mg/kg iv, 40 min"],
            20.0,
            "points",
            note="a fifth of the scale: clearly felt",
        ),
        at_least(
            "drug high of a bolus over that of the infusion",
            share(high["0.5 mg/kg iv, bolus"], high["0.5 mg/kg iv, 40 min"]),
            1.05,
            "ratio",
            note="faster is liked more",
        ),
        at_most(
            "drug high of the eighth weekly dose over the first",
            share(last, first),
            0.95,
            "ratio",
            note="tolerance: users raise the dose",
        ),
        not_computed(
            "craving and dependence",
            "after clinical courses",
            "the chain has liking, and no dependence",
            role="limit",
        ),
    )
    panel = Panel("Drug high by route", "", "highest, 0 to 100", bars=Bars(tuple(high), tuple(high.values())))
    return Computed(checks, Picture((panel,)))


#: What is found in the first hours that a person at home could not see to.
_WATCHED = {
    "pressure up by 5 mmHg or more": ("systolic_pressure", 5.0, 1.0),
    "dissociated (CADSS above 4)": ("cadss", 4.0, 1.0),
    "sedated (MOAA/S down by 0.1)": ("sedation", -0.1, -1.0),
    "thinking slowed by 0.5 SD": ("cognition", -0.5, -1.0),
}


@claim("supervised", "it must be given under supervision", "published rules for a regimen; hours of risk")
def _supervised(work: Work) -> Computed:
    bench = work.bench
    run = bench.run(_NASAL, 1.0)
    hours = {
        label: float(
            np.ptp(run.times_h[sign * (run.quantities[name] - run.quantities[name][0]) >= sign * level])
        )
        if np.any(sign * (run.quantities[name] - run.quantities[name][0]) >= sign * level)
        else 0.0
        for label, (name, level, sign) in _WATCHED.items()
    }
    regimen = parse_regimen(f"{_NASAL}, twice weekly x 4 weeks")
    alone = PersonFacts(
        purpose="depression",
        weight_kg=70.0,
        age=44.0,
        systolic=122.0,
        diastolic=77.0,
        observation_min=0.0,
        arranged=frozenset(),
    )
    found = check_regimen(regimen, alone)
    counts = {word: float(sum(item.verdict == word for item in found)) for word in ("pass", "warn", "fail")}
    checks = (
        at_least("published rules that a course at home, unwatched, fails", counts["fail"], 1.0, "rules"),
        at_least(
            "hours in which pressure, dissociation, sedation or thinking are off, the longest",
            max(hours.values()),
            0.5,
            "h",
            note="long enough for an accident",
        ),
        at_most(
            "hours until all of them are back",
            max(hours.values()),
            4.0,
            "h",
            role="limit",
            note="supervision can end the same day",
        ),
        at_most(
            "systolic pressure above rest, highest: an emergency for most",
            float(bench.span(run, "systolic_pressure").max()) - bench.rest(run, "systolic_pressure"),
            40.0,
            "mmHg",
            role="limit",
        ),
    )
    left = Panel(
        "84 mg esketamine by nose", "", "time off, h", bars=Bars(tuple(hours), tuple(hours.values()))
    )
    right = Panel("Published rules, unwatched", "", "rules", bars=Bars(tuple(counts), tuple(counts.values())))
    return Computed(checks, Picture((left, right)))


CLAIMS: tuple[Claim, ...] = (_bladder, _cognition, _abuse, _supervised)
