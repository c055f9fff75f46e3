"""Claims about what is felt and measured in the first hours: dissociation, euphoria, pressure, nausea."""

from __future__ import annotations

from ketasim.claims.checks import at_least, at_most, not_computed
from ketasim.claims.claim import Claim, Computed, claim
from ketasim.claims.picture import Bars, Curve, Line, Panel, Picture
from ketasim.claims.work import AMPA_BLOCKED, DAY, Work, infusion, share
from ketasim.model.clamp import Clamp
from ketasim.model.simulator import Run

__all__ = ["CLAIMS"]

_DOSES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
_DOSE_AXIS = "dose over 40 min, mg/kg"
_FELT = (Clamp("felt_effect", 0.0), Clamp("cadss", 0.0))


def _early(label: str, run: Run, name: str, *, change: bool = False, last_h: float = 6.0) -> Curve:
    kept = run.times_h <= last_h
    values = run.quantities[name][kept]
    return Curve(label, run.times_h[kept], values - values[0] if change else values)


@claim(
    "dissociation",
    "it cuts people off for a while",
    "CADSS time course, communication between regions",
)
def _dissociation(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    time, top = bench.peak(run, "cadss")
    cut = 100.0 * (
        1.0 - float(bench.span(run, "communication", 0.0, 2.0).min()) / bench.rest(run, "communication")
    )
    checks = (
        at_least(
            "highest CADSS after 0.5 mg/kg",
            top,
            4.0,
            "points",
            note="above 4 counts as dissociation in the trials",
        ),
        at_most("time of the highest CADSS", time, 2.0, "h"),
        at_most(
            "CADSS at 2 h, share of the peak",
            share(bench.at(run, "cadss", 2.0), top),
            0.1,
            "ratio",
            note="for a while: gone at discharge",
        ),
        at_least("largest loss of communication between regions", cut, 2.0, "%", role="limit"),
    )
    values = run.quantities["communication"]
    kept = run.times_h <= 6.0
    right = Panel(
        "Between regions",
        "time from the infusion, h",
        "information shared, against rest, %",
        (Curve("communication", run.times_h[kept], 100.0 * (values[kept] / values[0] - 1.0)),),
    )
    left = Panel(
        "Dissociation", "time from the infusion, h", "CADSS, points", (_early("0.5 mg/kg", run, "cadss"),)
    )
    return Computed(checks, Picture((left, right)))


@claim(
    "needed-trip",
    "the trip is what heals",
    "dissociation off and on the path; dose by dose",
    "dissociation_on_path",
)
def _needed_trip(work: Work) -> Computed:
    bench = work.bench
    lost = {hours: work.lost(hours, clamps=_FELT) for hours in (4.0, DAY, 168.0)}
    runs = [bench.run(infusion(dose), 8.0) for dose in _DOSES]
    felt = [float(bench.span(run, "cadss", 0.0, 2.0).max()) for run in runs]
    effects = [-bench.effect(run, DAY) for run in runs]
    quarter, usual, double = (_DOSES.index(dose) for dose in (0.25, 0.5, 1.0))
    # An AMPA antagonist leaves what is felt, and takes the drug's own way to mood.
    alone = 1.0 - work.lost(DAY, inputs=AMPA_BLOCKED)
    checks = (
        at_least(
            "share of the effect at 24 h that the trip carries: lost without it, or left with it alone",
            max(lost[DAY], alone),
            0.5,
            "ratio",
            note="what heals is worth half of it or more",
        ),
        at_least(
            "share of the effect at 24 h that is lost when nothing is felt",
            lost[DAY],
            0.5,
            "ratio",
            role="limit",
            note="needed: the effect goes with it",
        ),
        at_least(
            "rise of the effect from 0.25 to 1 mg/kg, as a share of that of dissociation",
            share(share(effects[double], effects[quarter]) - 1.0, share(felt[double], felt[quarter]) - 1.0),
            0.5,
            "ratio",
            role="limit",
            note="effect and trip would grow together",
        ),
    )
    both = Panel(
        "By dose, over 0.5 mg/kg",
        _DOSE_AXIS,
        "ratio to 0.5 mg/kg",
        (
            Curve.of("highest CADSS", _DOSES, [value / felt[usual] for value in felt]),
            Curve.of("effect at 24 h", _DOSES, [value / effects[usual] for value in effects]),
        ),
    )
    bars = Bars(tuple(f"{h:g} h" for h in lost), tuple(100.0 * min(1.5, max(-0.5, v)) for v in lost.values()))
    right = Panel("Effect lost when nothing is felt", "", "lost, %", bars=bars, lines=(Line("half", 50.0),))
    return Computed(checks, Picture((both, right)))


@claim("euphoria-high", "higher doses bring euphoria and hallucinations", "drug high and perception by dose")
def _euphoria(work: Work) -> Computed:
    bench = work.bench
    runs = [bench.run(infusion(dose), 1.0) for dose in _DOSES]
    high = [bench.peak(run, "drug_high")[1] for run in runs]
    felt = [bench.peak(run, "cadss")[1] for run in runs]
    usual, double = _DOSES.index(0.5), _DOSES.index(1.0)
    checks = (
        at_least("drug high at 1 mg/kg over that at 0.5", share(high[double], high[usual]), 1.1, "ratio"),
        at_least("drug high at 1 mg/kg, of 100", high[double], 50.0, "points", note="half of the scale"),
        at_least("CADSS at 1 mg/kg over that at 0.5", share(felt[double], felt[usual]), 1.1, "ratio"),
        at_most(
            "drug high at 0.1 mg/kg, of 100",
            high[0],
            50.0,
            "points",
            role="limit",
            note="else it does not need a higher dose",
        ),
        not_computed(
            "hallucinations",
            "more at 1 than at 0.5 mg/kg",
            "the chain has a scale of dissociation, and none of hallucinations",
            role="limit",
        ),
    )
    left = Panel("Drug high", _DOSE_AXIS, "highest, 0 to 100", (Curve.of("typical patient", _DOSES, high),))
    right = Panel(
        "Dissociation", _DOSE_AXIS, "highest CADSS, points", (Curve.of("typical patient", _DOSES, felt),)
    )
    return Computed(checks, Picture((left, right)))


@claim(
    "transient",
    "dizziness, nausea, pulse and pressure rise are short-lived",
    "time courses and incidences after one infusion",
)
def _transient(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    checks = (
        at_most(
            "systolic pressure above rest at 4 h",
            bench.rise(run, "systolic_pressure", 4.0),
            2.0,
            "mmHg",
            note="the label lets it last about 4 h",
        ),
        at_most("pulse above rest at 4 h", bench.rise(run, "heart_rate", 4.0), 2.0, "1/min"),
        at_most(
            "chance of nausea in the last hours, a day later",
            bench.at(run, "nausea", 23.9),
            0.05,
            "probability",
        ),
        at_most("CADSS at 2 h", bench.at(run, "cadss", 2.0), 1.0, "points"),
        at_most(
            "highest systolic pressure above rest",
            float(bench.span(run, "systolic_pressure").max()) - bench.rest(run, "systolic_pressure"),
            20.0,
            "mmHg",
            role="limit",
            note="short-lived is not small",
        ),
        not_computed(
            "dizziness", "gone at 4 h", "the chain has nausea, and no state for dizziness", role="limit"
        ),
    )
    left = Panel(
        "Pressure and pulse",
        "time from the infusion, h",
        "above rest, mmHg and beats a minute",
        tuple(
            _early(label, run, name, change=True)
            for label, name in (("systolic pressure", "systolic_pressure"), ("pulse", "heart_rate"))
        ),
    )
    right = Panel(
        "Nausea",
        "time from the infusion, h",
        "chance in the last hours",
        (_early("0.5 mg/kg", run, "nausea", last_h=24.0),),
    )
    return Computed(checks, Picture((left, right)))


CLAIMS: tuple[Claim, ...] = (_dissociation, _needed_trip, _euphoria, _transient)
