"""Claims about channel block, glutamate, GABA and AMPA receptors."""

from __future__ import annotations

from ketasim.claims.checks import Check, at_least, at_most, not_computed
from ketasim.claims.claim import Claim, Computed, claim
from ketasim.claims.picture import Bars, Curve, Line, Panel, Picture
from ketasim.claims.work import AMPA_BLOCKED, DAY, END, SINGLE, Work, infusion, share
from ketasim.errors import KetasimError
from ketasim.validation.bench import Bench

__all__ = ["CLAIMS"]

#: Doses of an infusion of 40 min, in mg/kg: a fifth of the usual one to deep anaesthesia.
_DOSES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_RAT_DOSES = (5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 200.0)
_CLASSES = ("pyramidal", "pv", "sst", "vip")
_DOSE_AXIS = "dose over 40 min, mg/kg"


@claim(
    "nmda",
    "ketamine blocks NMDA receptors at antidepressant doses",
    "mean and class-wise block over dose",
    "block_curve",
    "trapping",
)
def _nmda(work: Work) -> Computed:
    bench = work.bench
    runs = {dose: bench.run(infusion(dose), 1.0) for dose in _DOSES}
    mean = bench.at(runs[0.5], "nmda_block_mean", END)
    checks = (
        at_least(
            "mean NMDA block at the end of 0.5 mg/kg", mean, 0.1, "ratio", note="a tenth of all channels"
        ),
        at_least(
            "mean NMDA block at the end of 0.5 mg/kg, as a good part of all channels",
            mean,
            1.0 / 3.0,
            "ratio",
            role="limit",
            note="less than a third leaves most of the function",
        ),
        at_most(
            "mean NMDA block a day later",
            bench.at(runs[0.5], "nmda_block_mean", 23.9),
            0.1,
            "ratio",
            role="limit",
            note="the block does not stay as long as the effect",
        ),
    )
    names = {"mean of the classes": "nmda_block_mean"} | {
        name.upper() if len(name) <= 3 else name: f"nmda_block_{name}" for name in _CLASSES
    }
    curves = tuple(
        Curve.of(label, _DOSES, [100.0 * bench.at(runs[dose], name, END) for dose in _DOSES])
        for label, name in names.items()
    )
    panel = Panel("NMDA channels blocked at the end", _DOSE_AXIS, "blocked, %", curves, log_x=True)
    return Computed(checks, Picture((panel,)))


def _peak_ratio(bench: Bench, regimen: str, name: str, hours: float = 4.0) -> float:
    run = bench.run(regimen, 1.0)
    return float(bench.span(run, name, 0.0, hours).max()) / bench.rest(run, name)


def _mean_ratio(bench: Bench, regimen: str, name: str, hours: float = 2.0) -> float:
    run = bench.run(regimen, 1.0)
    return bench.area(run, name, hours) / hours / bench.rest(run, name)


def _rat(work: Work, name: str) -> tuple[Curve | None, str]:
    """Mean of a quantity over two hours against dose in rats, or why there is none."""
    try:
        values = [_mean_ratio(work.rat, f"{dose:g} mg/kg ketamine ip", name) for dose in _RAT_DOSES]
    except KetasimError as error:
        return None, f"no rat: {error}"
    return Curve.of("rat, ip, mean of 2 h", _RAT_DOSES, values), ""


def _rat_check(work: Work, name: str, role_name: str) -> tuple[Check, tuple[Panel, ...]]:
    curve, reason = _rat(work, "glutamate")
    if curve is None:
        return not_computed(name, "at least 1.02", reason, unit="ratio", role="limit"), ()
    panel = Panel(
        "Glutamate, rat", "dose ip, mg/kg", "glutamate over rest", (curve,), None, (Line("rest", 1.0),), True
    )
    best = float(curve.y[1:4].min())
    if role_name == "rise":
        return at_least(name, best, 1.02, "ratio", role="limit", note="as moghaddam1997 found"), (panel,)
    return at_most(
        name, float(curve.y[-1]) / best, 1.0, "ratio", role="limit", note="as moghaddam1997 found"
    ), (panel,)


@claim(
    "surge",
    "blocking NMDA receptors increases glutamate release",
    "glutamate against dose, rat and human",
    "block_curve",
    "mrs_sensitivity",
)
def _surge(work: Work) -> Computed:
    bench = work.bench
    human = [_peak_ratio(bench, infusion(dose), "glutamate") for dose in _DOSES]
    rate = _peak_ratio(bench, SINGLE, "pyramidal_rate")
    in_rats, panels = _rat_check(
        work, "glutamate in rats at 10 to 30 mg/kg, least of three over rest", "rise"
    )
    checks = (
        at_least(
            "highest glutamate after 0.5 mg/kg over rest",
            human[_DOSES.index(0.5)],
            1.05,
            "ratio",
            note="under 5 % no study of this size would see it",
        ),
        at_least("highest firing of pyramidal cells over rest", rate, 1.02, "ratio"),
        at_least(
            "glutamate and glutamine by magnetic resonance, highest over rest",
            _peak_ratio(bench, SINGLE, "mrs_glx"),
            1.05,
            "ratio",
            role="limit",
            note="what a scan of a person could show",
        ),
        in_rats,
    )
    curve = Curve.of("human, highest", _DOSES, human)
    panel = Panel(
        "Glutamate, human", _DOSE_AXIS, "glutamate over rest", (curve,), None, (Line("rest", 1.0),), True
    )
    return Computed(checks, Picture((panel, *panels)))


@claim(
    "low-not-high",
    "low doses do it, high doses do not",
    "inverted U of firing, glutamate and the late effect",
    "block_curve",
    "hnk_efficacy",
)
def _low_not_high(work: Work) -> Computed:
    bench = work.bench
    runs = [bench.run(infusion(dose), 8.0) for dose in _DOSES]
    rates = [bench.at(run, "pyramidal_rate", END) / bench.rest(run, "pyramidal_rate") for run in runs]
    glutamate = [bench.at(run, "glutamate", END) / bench.rest(run, "glutamate") for run in runs]
    effects = [-bench.effect(run, DAY) for run in runs]
    in_rats, panels = _rat_check(work, "glutamate in rats at 200 mg/kg over that at 10 to 30", "fall")
    checks = (
        at_least("highest firing of pyramidal cells over rest, any dose", max(rates), 1.02, "ratio"),
        at_most(
            "firing of pyramidal cells at 10 mg/kg over rest",
            rates[-1],
            1.0,
            "ratio",
            note="no more than no dose",
        ),
        at_most(
            "rise of glutamate at 10 mg/kg, share of the highest rise",
            share(glutamate[-1] - 1.0, max(glutamate) - 1.0),
            0.5,
            "ratio",
        ),
        at_most(
            "effect on mood at 24 h of 10 mg/kg, share of the largest",
            share(effects[-1], max(effects)),
            0.5,
            "ratio",
            role="limit",
            note="half or less counts as not doing it",
        ),
        at_least(
            "effect on mood at 24 h of 0.5 mg/kg over that of 1 mg/kg",
            share(effects[_DOSES.index(0.5)], effects[_DOSES.index(1.0)]),
            1.0,
            "ratio",
            role="limit",
            note="within the doses given to patients more is not less",
        ),
        in_rats,
    )
    left = Panel(
        "At the end of the infusion",
        _DOSE_AXIS,
        "over rest",
        (Curve.of("pyramidal firing", _DOSES, rates), Curve.of("glutamate", _DOSES, glutamate)),
        None,
        (Line("rest", 1.0),),
        True,
    )
    right = Panel(
        "Effect on mood at 24 h",
        _DOSE_AXIS,
        "severity taken away, points",
        (Curve.of("typical patient", _DOSES, effects),),
        log_x=True,
    )
    return Computed(checks, Picture((left, right, *panels)))


@claim(
    "balance",
    "it restores a glutamate-GABA imbalance",
    "GABA deficit at baseline, after one dose, and in remission",
)
def _balance(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    well = bench.rest(bench.run("none", 1.0, well=True), "gaba")
    deficit = well - bench.rest(run, "gaba")
    days = (1.0, 3.0, 7.0, 14.0)
    closed = [share(bench.rise(run, "gaba", day * DAY), deficit) for day in days]
    remitted = share(well - work.rest_at(8.0, "gaba"), deficit)
    checks = (
        at_least("GABA below health at rest, share of health", share(deficit, well), 0.03, "ratio"),
        at_least(
            "share of the deficit that is closed a day after one dose",
            closed[0],
            0.25,
            "ratio",
            note="a quarter would be seen as a partial return",
        ),
        at_most("deficit in remission, share of that in an episode", remitted, 0.75, "ratio"),
        at_least("share of the deficit closed a week after one dose", closed[2], 0.25, "ratio", role="limit"),
    )
    curve = Curve("patient, one infusion", run.times_h / DAY, run.quantities["gaba"] / well)
    panel = Panel(
        "GABA",
        "time from the infusion, days",
        "GABA over health",
        (curve,),
        None,
        (Line("health", 1.0), Line("remission (8 points)", work.rest_at(8.0, "gaba") / well)),
    )
    return Computed(checks, Picture((panel,)))


@claim("gaba-depletion", "depression comes with less GABA", "illness fixed point against healthy")
def _gaba_depletion(work: Work) -> Computed:
    severities = (8.0, 15.0, 20.0, 25.0, 33.0, 40.0)
    bench = work.bench
    well = bench.rest(bench.run("none", 1.0, well=True), "gaba")
    found = [100.0 * (work.rest_at(severity, "gaba") / well - 1.0) for severity in severities]
    checks = (
        at_most(
            "GABA at rest in the typical patient against health",
            100.0 * (work.ill_over_well("gaba") - 1.0),
            -3.0,
            "%",
            note="smaller than what spectroscopy tells from nothing",
        ),
        at_most(
            "GABA at rest at the edge of remission (8 points) against health",
            found[0],
            -3.0,
            "%",
            role="limit",
        ),
    )
    panel = Panel(
        "GABA at rest",
        "severity, MADRS points",
        "GABA against health, %",
        (Curve.of("patients at rest", severities, found),),
        None,
        (Line("health", 0.0),),
    )
    return Computed(checks, Picture((panel,)))


@claim("ampa", "the surge acts through AMPA receptors", "AMPA throughput and AMPA antagonist", "hnk_efficacy")
def _ampa(work: Work) -> Computed:
    bench = work.bench
    usual = bench.run()
    blocked = bench.run(days=8.0, inputs=AMPA_BLOCKED)
    lost = {hours: work.lost(hours, inputs=AMPA_BLOCKED) for hours in (4.0, DAY, 168.0)}
    rise = bench.peak(usual, "ampa_drive")[1] / bench.rest(usual, "ampa_drive")
    checks = (
        at_least("highest AMPA throughput over rest", rise, 1.05, "ratio"),
        at_least(
            "share of the effect at 24 h that an AMPA antagonist takes",
            lost[DAY],
            0.5,
            "ratio",
            note="an effect that acts through it falls by half or more",
        ),
        at_least("share of the effect at day 7 that it takes", lost[168.0], 0.5, "ratio", role="limit"),
    )
    curves = tuple(
        Curve(name, run.times_h, run.quantities["severity"], quiet)
        for name, run, quiet in (
            ("ketamine", usual, False),
            ("with AMPA receptors blocked for 6 h", blocked, True),
        )
    )
    shown = tuple(Curve(c.name, c.x[c.x <= 192.0] / DAY, c.y[c.x <= 192.0], c.quiet) for c in curves)
    panel = Panel("Mood", "time from the infusion, days", "severity, points", shown)
    bars = Bars(
        tuple(f"{hours:g} h" for hours in lost), tuple(100.0 * min(1.5, max(-0.5, v)) for v in lost.values())
    )
    right = Panel("Effect lost without AMPA", "", "lost, %", bars=bars)
    return Computed(checks, Picture((panel, right)))


CLAIMS: tuple[Claim, ...] = (_nmda, _surge, _low_not_high, _balance, _gaba_depletion, _ampa)
