"""Claims about brain networks and inflammation."""

from __future__ import annotations

from ketasim.claims.checks import at_least, at_most, not_computed
from ketasim.claims.claim import Claim, Computed, claim
from ketasim.claims.picture import Bars, Curve, Line, Panel, Picture
from ketasim.claims.work import DAY, SINGLE, WEEK, Work, share
from ketasim.model.clamp import Clamp

__all__ = ["CLAIMS"]

_MIDAZOLAM = "0.045 mg/kg midazolam iv over 40 min"
#: Quantities that would stand for the default mode's link to the subgenual cortex, if the model has one.
_SUBGENUAL = ("dmn_subgenual_change", "rumination")
_CYTOKINES = {"TNF": "tnf", "IL-6": "il6", "CRP": "crp", "inflammation": "inflammation"}


@claim(
    "dmn-over",
    "the default mode network is overactive in depression",
    "network baseline by option",
    "network_baseline",
)
def _dmn_over(work: Work) -> Computed:
    ratio = work.ill_over_well("dmn_connectivity")
    severities = (8.0, 15.0, 20.0, 25.0, 33.0, 40.0)
    found = [100.0 * (work.rest_at(severity, "dmn_connectivity") - 1.0) for severity in severities]
    check = at_least(
        "default mode connectivity at rest against health",
        100.0 * (ratio - 1.0),
        2.0,
        "%",
        note="less than what imaging tells from nothing",
    )
    panel = Panel(
        "Default mode at rest",
        "severity, MADRS points",
        "connectivity against health, %",
        (Curve.of("patients at rest", severities, found),),
        None,
        (Line("health", 0.0),),
    )
    return Computed((check,), Picture((panel,)))


def _fall(work: Work, regimen: str) -> float:
    """Largest fall of default mode connectivity in the first two hours, as a share of rest."""
    bench = work.bench
    run = bench.run(regimen, 2.0)
    return 1.0 - float(bench.span(run, "dmn_connectivity", 0.0, 2.0).min()) / bench.rest(
        run, "dmn_connectivity"
    )


@claim(
    "dmn-down",
    "ketamine quietens it",
    "default mode connectivity, acute and late; midazolam arm",
    "network_baseline",
)
def _dmn_down(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    ketamine, midazolam = (100.0 * _fall(work, regimen) for regimen in (SINGLE, _MIDAZOLAM))
    late = 100.0 * bench.rise(run, "dmn_connectivity", DAY) / bench.rest(run, "dmn_connectivity")
    checks = (
        at_least("largest fall in the first two hours", ketamine, 2.0, "%"),
        at_most("change at 24 h", late, -0.5, "%", note="clearly off zero; no study gives a size"),
        at_least(
            "fall by ketamine over that by midazolam",
            share(ketamine, midazolam),
            1.5,
            "ratio",
            role="limit",
            note="a sedative that does not lift mood must do it less",
        ),
    )
    curves = []
    for label, regimen, quiet in (("ketamine", SINGLE, False), ("midazolam", _MIDAZOLAM, True)):
        course = bench.run(regimen, 14.0)
        values = course.quantities["dmn_connectivity"]
        curves.append(Curve(label, course.times_h, 100.0 * (values / values[0] - 1.0), quiet))
    acute = tuple(Curve(c.name, c.x[c.x <= 6.0], c.y[c.x <= 6.0], c.quiet) for c in curves)
    slow = tuple(Curve(c.name, c.x / DAY, c.y, c.quiet) for c in curves)
    label = "connectivity against rest, %"
    return Computed(
        checks,
        Picture(
            (
                Panel("Default mode, first hours", "time from the infusion, h", label, acute),
                Panel("Two weeks", "time from the infusion, days", label, slow),
            )
        ),
    )


@claim(
    "rumination",
    "less rumination follows",
    "default mode to subgenual cortex, where it is computable",
    "network_baseline",
)
def _rumination(work: Work) -> Computed:
    name = next((item for item in _SUBGENUAL if work.has(item)), None)
    bench = work.bench
    run = bench.run()
    if name is None:
        check = not_computed(
            "link of the default mode to the subgenual cortex at 24 h",
            "at most -0.5 % of its distance from health",
            "no parcellation of the model holds the subgenual cortex, and there is no scale of rumination",
        )
        name, title = (
            "dmn_connectivity",
            "Default mode (the link to the subgenual cortex is not in the model)",
        )
    else:
        title = "Default mode to subgenual cortex"
        before = bench.rest(run, name)
        change = 100.0 * share(bench.rise(run, name, DAY), abs(before))
        check = at_most("change of the link at 24 h", change, -0.5, "%")
    values = run.quantities[name]
    kept = run.times_h <= 14.0 * DAY
    curve = Curve("typical patient", run.times_h[kept] / DAY, values[kept])
    panel = Panel(title, "time from the infusion, days", "ratio to health", (curve,))
    return Computed((check,), Picture((panel,)))


@claim(
    "inflammation",
    "inflammation plays a part in some depressions",
    "baseline inflammation, severity and response",
)
def _inflammation(work: Work) -> Computed:
    ratios = {label: work.ill_over_well(name) for label, name in _CYTOKINES.items()}
    bench = work.bench
    shift = work.parameters["immune_illness_shift"].value
    factors = (0.0, 0.5, 1.0, 2.0, 4.0)
    effects = [
        bench.effect(bench.run(days=2.0, changed={"immune_illness_shift": f * shift}), DAY) for f in factors
    ]
    weight = work.parameters["mood_inflammation_weight"].value
    level = bench.rest(bench.run(), "inflammation") - bench.rest(
        bench.run("none", 1.0, well=True), "inflammation"
    )
    checks = (
        at_least(
            "inflammation at rest in the typical patient over health", ratios["inflammation"], 1.02, "ratio"
        ),
        at_least(
            "push of inflammation on mood, on the scale on which drives of mood add up",
            weight * level,
            0.01,
            "ratio",
            note="more than nothing: a hundredth of a logit",
        ),
        at_least(
            "share of the effect at 24 h that four times the immune shift takes",
            1.0 - share(effects[-1], effects[2]),
            0.1,
            "ratio",
            role="limit",
            note="whether inflamed patients answer less",
        ),
    )
    left = Panel(
        "At rest, over health",
        "",
        "ratio",
        bars=Bars(tuple(ratios), tuple(ratios.values())),
        lines=(Line("health", 1.0),),
    )
    right = Panel(
        "Effect of one infusion at 24 h",
        "immune shift, times that of the typical patient",
        "severity, points",
        (Curve.of("patients of 33 points", factors, effects),),
    )
    return Computed(checks, Picture((left, right)))


@claim(
    "anti-inflammatory",
    "ketamine is anti-inflammatory, and that helps",
    "cytokines after a dose; effect with the path held",
    "anti_inflammatory",
)
def _anti_inflammatory(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    tnf = 100.0 * (bench.span(run, "tnf", 0.0, DAY).min() / bench.rest(run, "tnf") - 1.0)
    held = bench.run(days=8.0, clamps=(Clamp("inflammation"),))
    lost = {hours: 1.0 - share(bench.effect(held, hours), bench.effect(run, hours)) for hours in (DAY, WEEK)}
    checks = (
        at_most("lowest TNF in the first day against rest", float(tnf), -1.0, "%"),
        at_least(
            "share of the effect that is lost with inflammation held, the larger of 24 h and day 7",
            max(lost.values()),
            0.1,
            "ratio",
            note="under a tenth it does not help to speak of",
        ),
    )
    curves = []
    for label, name in list(_CYTOKINES.items())[:3]:
        kept = run.times_h <= 3.0 * DAY
        values = run.quantities[name][kept]
        curves.append(Curve(label, run.times_h[kept], 100.0 * (values / values[0] - 1.0)))
    left = Panel("Cytokines", "time from the infusion, h", "against rest, %", tuple(curves))
    days = held.times_h / DAY
    kept = run.times_h <= 8.0 * DAY
    right = Panel(
        "Mood",
        "time from the infusion, days",
        "severity, points",
        (
            Curve("ketamine", run.times_h[kept] / DAY, run.quantities["severity"][kept]),
            Curve("inflammation held", days, held.quantities["severity"], True),
        ),
    )
    return Computed(checks, Picture((left, right)))


CLAIMS: tuple[Claim, ...] = (_dmn_over, _dmn_down, _rumination, _inflammation, _anti_inflammatory)
