"""Claims about BDNF, mTOR, synapses and circuits."""

from __future__ import annotations

import numpy as np

from ketasim.claims.checks import Check, at_least, at_most, not_computed
from ketasim.claims.claim import Claim, Computed, claim
from ketasim.claims.picture import Bars, Curve, Line, Panel, Picture
from ketasim.claims.work import DAY, SINGLE, WEEK, Work, share
from ketasim.engine.schedule import InputPath
from ketasim.model.hypotheses import DEFAULT_WIRING, WIRINGS, load_wiring_values
from ketasim.model.simulator import Run
from ketasim.validation.bench import NO_DRUG

__all__ = ["CLAIMS", "MYSTERY"]

#: Inhibition of mTORC1 for a day: into the brain of an animal, and what an oral dose brings there.
_IN_BRAIN = {"mtor_inhibition_brain": InputPath((0.0, DAY), (0.9, 0.0))}
_BY_MOUTH = {"mtor_inhibition_brain": InputPath((0.0, DAY), (0.05, 0.0))}
_TWO_WEEKS = 2.0 * WEEK


def _gain(work: Work, run: Run) -> float:
    """Largest rise of spine density, as a share of its resting value."""
    bench = work.bench
    return float(bench.span(run, "spine_density").max()) / bench.rest(run, "spine_density") - 1.0


def _over_rest(name: str, run: Run, quantity: str, last_h: float) -> Curve:
    kept = run.times_h <= last_h
    values = run.quantities[quantity][kept]
    return Curve(name, run.times_h[kept], values / values[0])


@claim("bdnf", "BDNF rises quickly", "BDNF time course; Val66Met", "hnk_efficacy")
def _bdnf(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    time, top = bench.peak(run, "bdnf")
    plasma = bench.span(run, "bdnf_plasma", 0.0, DAY).max() / bench.rest(run, "bdnf_plasma")
    carrier = bench.run(changed={"val66met_secretion": 0.0})
    checks = (
        at_least("highest released BDNF over rest", top / bench.rest(run, "bdnf"), 1.05, "ratio"),
        at_most(
            "time of the peak of BDNF", time, 8.0, "h", note="quickly: within hours, as in the experiments"
        ),
        at_most(
            "share of the spine gain left in Met/Met",
            share(_gain(work, carrier), _gain(work, run)),
            0.5,
            "ratio",
        ),
        at_least(
            "highest BDNF in plasma over rest",
            float(plasma),
            1.02,
            "ratio",
            role="limit",
            note="what a blood test of people could show",
        ),
    )
    panel = Panel(
        "BDNF",
        "time from the infusion, h",
        "over rest",
        (
            _over_rest("released in the brain", run, "bdnf", 48.0),
            _over_rest("in plasma", run, "bdnf_plasma", 48.0),
            _over_rest("released, Met/Met", carrier, "bdnf", 48.0),
        ),
    )
    return Computed(checks, Picture((panel,)))


@claim(
    "mtor",
    "the mTOR pathway is switched on and makes synaptic proteins",
    "mTORC1 pulse, protein pool; rapamycin in the brain and by mouth",
)
def _mtor(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    first, top = bench.peak(run, "mtorc1")
    protein_time, protein = bench.peak(run, "synaptic_protein")
    inhibited = bench.run(days=15.0, inputs=_IN_BRAIN)
    alone = bench.run(NO_DRUG, 15.0, inputs=_IN_BRAIN)
    # At 24 h, as li2010 counted, and against the inhibitor alone: what the drug adds.
    added = bench.at(inhibited, "spine_density", DAY) - bench.at(alone, "spine_density", DAY)
    checks = (
        at_least("highest mTORC1 activity over rest", top / bench.rest(run, "mtorc1"), 1.1, "ratio"),
        at_least(
            "highest pool of synaptic proteins over rest",
            protein / bench.rest(run, "synaptic_protein"),
            1.02,
            "ratio",
        ),
        at_least("hours from the peak of mTORC1 to that of proteins", protein_time - first, 0.5, "h"),
        at_most(
            "share of the spine gain at 24 h left with 90 % of mTORC1 inhibited in the brain",
            share(added, bench.rise(run, "spine_density", DAY)),
            0.3,
            "ratio",
        ),
        at_least(
            "share of the effect at 24 h that sirolimus by mouth takes",
            work.lost(DAY, inputs=_BY_MOUTH),
            0.5,
            "ratio",
            role="limit",
            note="in people the block by a drug has not been shown",
        ),
        at_least(
            "share of the effect at 24 h that inhibition in the brain takes",
            work.lost(DAY, inputs=_IN_BRAIN),
            0.5,
            "ratio",
            role="limit",
            note="the first day need not run through new proteins",
        ),
    )
    return Computed(checks, _mtor_picture(work, run, inhibited, alone))


def _mtor_picture(work: Work, run: Run, inhibited: Run, alone: Run) -> Picture:
    """Draw the pathway, and what the drug adds to spines with and without an inhibitor."""
    bench = work.bench
    left = Panel(
        "Pathway",
        "time from the infusion, h",
        "over rest",
        (
            _over_rest("mTORC1", run, "mtorc1", 72.0),
            _over_rest("synaptic protein", run, "synaptic_protein", 72.0),
        ),
    )
    days = np.linspace(0.0, 3.0, 73)
    gains = {
        "ketamine": [100.0 * bench.rise(run, "spine_density", day * DAY) for day in days],
        "with rapamycin in the brain": [
            100.0 * (bench.at(inhibited, "spine_density", h) - bench.at(alone, "spine_density", h))
            for h in days * DAY
        ],
    }
    right = Panel(
        "Spines that the drug adds",
        "time from the infusion, days",
        "gain, % of a healthy density",
        tuple(Curve.of(name, days.tolist(), values, points=False) for name, values in gains.items()),
    )
    return Picture((left, right))


@claim("synapse-loss", "depressed people have fewer synapses in prefrontal cortex", "illness fixed point")
def _synapse_loss(work: Work) -> Computed:
    severities = (8.0, 15.0, 20.0, 25.0, 33.0, 40.0)
    found = [100.0 * (work.rest_at(severity, "spine_density") - 1.0) for severity in severities]
    checks = (
        at_most(
            "spine density in the typical patient against health",
            100.0 * (work.ill_over_well("spine_density") - 1.0),
            -5.0,
            "%",
            note="less would not be seen in tissue",
        ),
        at_most(
            "spine density in mild depression (15 points) against health", found[1], -5.0, "%", role="limit"
        ),
    )
    panel = Panel(
        "Spines at rest",
        "severity, MADRS points",
        "density against health, %",
        (Curve.of("patients at rest", severities, found),),
        None,
        (Line("health", 0.0),),
    )
    return Computed(checks, Picture((panel,)))


@claim("regrow", "one dose regrows them", "nascent and mature spines; SV2A read-out")
def _regrow(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    rest = bench.rest(run, "spine_density")
    gain = _gain(work, run) * rest
    lost = bench.rest(bench.run("none", 1.0, well=True), "spine_density") - rest
    sv2a = 100.0 * bench.rise(run, "sv2a_binding", DAY) / bench.rest(run, "sv2a_binding")
    checks = (
        at_least("largest rise of spine density", 100.0 * gain / rest, 2.0, "%"),
        at_least(
            "share of the lost spines that it gives back",
            share(gain, lost),
            0.5,
            "ratio",
            role="limit",
            note="regrows: half or more of what was lost",
        ),
        at_least(
            "share of the gain still there at two weeks",
            share(bench.rise(run, "spine_density", _TWO_WEEKS), gain),
            0.5,
            "ratio",
            role="limit",
        ),
        at_least(
            "rise of SV2A binding at 24 h", sv2a, 2.0, "%", role="limit", note="what imaging could show"
        ),
    )
    kept = run.times_h <= 28.0 * DAY
    curves = tuple(
        Curve(label, run.times_h[kept] / DAY, run.quantities[name][kept] - run.quantities[name][0])
        for label, name in (("nascent", "spines_nascent"), ("mature", "spines_mature"))
    )
    panel = Panel(
        "New spines",
        "time from the infusion, days",
        "gain, share of a healthy density",
        curves,
        None,
        (Line("lost to illness", lost),),
    )
    return Computed(checks, Picture((panel,)))


#: Quantities in which a circuit or a network may be said to be reset, with their words.
_CIRCUITS = {
    "pyramidal_rate": "pyramidal firing",
    "gamma_power": "gamma power",
    "dmn_connectivity": "default mode",
    "insula_dmn_change": "insula to default mode",
}


def _returned(work: Work, name: str, time_h: float) -> float:
    """Share of the distance between illness and health that is closed at a time."""
    bench = work.bench
    run = bench.run()
    well = bench.rest(bench.run("none", 1.0, well=True), name)
    return share(bench.rise(run, name, time_h), well - bench.rest(run, name))


@claim(
    "reset",
    "it resets circuits",
    "circuit and network state before, at 24 h, and at two weeks",
    "network_baseline",
)
def _reset(work: Work) -> Computed:
    bench = work.bench
    run = bench.run()
    name = "insula_dmn_change"
    moved = {
        label: 100.0 * abs(bench.rise(run, quantity, DAY)) / max(abs(bench.rest(run, quantity)), 1e-9)
        for quantity, label in _CIRCUITS.items()
        if quantity != name
    }
    checks = (
        at_least(
            "largest change of a circuit at 24 h",
            max(moved.values()),
            1.0,
            "%",
            note="changed after the drug has gone",
        ),
        at_least(
            "insula to default mode: share of the way back to health at 2 days",
            _returned(work, name, 2.0 * DAY),
            0.25,
            "ratio",
            note="what evans2018 saw, a quarter as the least",
        ),
        at_least(
            "insula to default mode: share of the way back at two weeks",
            _returned(work, name, _TWO_WEEKS),
            0.25,
            "ratio",
            role="limit",
            note="a reset would stay",
        ),
    )
    times = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 7.0, 10.0, 14.0])
    curves = tuple(
        Curve.of(label, times.tolist(), [100.0 * _returned(work, quantity, day * DAY) for day in times])
        for quantity, label in _CIRCUITS.items()
        if quantity in ("dmn_connectivity", name)
    )
    panel = Panel(
        "Return towards health",
        "time from the infusion, days",
        "way back, %",
        curves,
        None,
        (Line("health", 100.0),),
    )
    bars = Bars(tuple(moved), tuple(moved.values()))
    return Computed(checks, Picture((panel, Panel("Moved at 24 h", "", "change, %", bars=bars))))


@claim(
    "mystery",
    "nobody knows exactly how it works",
    "published interventions against the default mechanism; rival mechanisms",
    "opioid_permission",
    "trkb_binding",
    "bdnf_dependence",
    "hnk_efficacy",
    "habenula_path",
)
def _mystery(work: Work) -> Computed:
    outcomes = _interventions(work)
    known = {label: left for label, (left, _) in outcomes.items() if left is not None}
    wrong = [label for label, left in known.items() if (left >= 0.5) != bool(outcomes[label][1])]
    missing = [label for label in outcomes if label not in known]
    contested: list[Check] = [
        at_least(
            f"interventions that the default mechanism gets wrong ({', '.join(wrong) or 'none'})",
            float(len(wrong)),
            1.0,
            f"of {len(known)}",
            note="a mechanism that is known would explain each of them",
        )
    ]
    if missing:
        contested.append(
            not_computed(
                f"interventions without a model: {', '.join(missing)}",
                "retained or abolished, as published",
                "the model has no such input",
                role="limit",
            )
        )
    contested.append(_rivals(work))
    names = tuple(f"{label}\n(published: {'kept' if outcomes[label][1] else 'lost'})" for label in known)
    bars = Bars(names, tuple(100.0 * min(1.5, max(0.0, left)) for left in known.values()))
    panel = Panel("Effect left", "", "left, %", bars=bars, lines=(Line("half", 50.0),))
    return Computed(tuple(contested), Picture((panel,)))


def _rivals(work: Work) -> Check:
    """Whether another mechanism, once calibrated, gives a comparable effect."""
    name = "rival mechanisms whose effect at 24 h is within a factor of two of the default's"
    values = load_wiring_values()
    rivals = [wiring for wiring in WIRINGS if wiring != DEFAULT_WIRING and values.get(wiring)]
    if not rivals:
        return not_computed(name, "at least 1", "no rival has calibrated values", role="limit")
    usual = work.bench.effect(work.bench.run(), DAY)
    ratios = [share(other.bench.effect(other.bench.run(), DAY), usual) for other in map(work.wired, rivals)]
    return at_least(
        name,
        float(sum(0.5 <= ratio <= 2.0 for ratio in ratios)),
        1.0,
        f"of {len(rivals)}",
        role="limit",
        note="with one alone left, the mechanism would be known",
    )


def _interventions(work: Work) -> dict[str, tuple[float | None, int]]:
    """Share of the effect that is left by the default mechanism, and what was published (1 kept, 0 lost)."""
    always = InputPath((0.0,), (1.0,))
    table: dict[str, tuple[str, InputPath, float, int]] = {
        "NBQX": ("ampa_antagonist", InputPath((0.0, 6.0), (0.9, 0.0)), DAY, 0),
        "rapamycin in the brain": ("mtor_inhibition_brain", _IN_BRAIN["mtor_inhibition_brain"], DAY, 0),
        "sirolimus by mouth": ("mtor_inhibition_brain", _BY_MOUTH["mtor_inhibition_brain"], DAY, 1),
        "naltrexone": ("opioid_antagonist", InputPath((0.0,), (0.9,)), DAY, 0),
        "GluN2B lost, interneurons": ("glun2b_loss_interneurons", always, DAY, 0),
        "GluN2B lost, pyramidal": ("glun2b_loss_pyramidal", always, DAY, 1),
        "half of BDNF lost": ("bdnf_loss", InputPath((0.0,), (0.5,)), DAY, 1),
        "TrkB site mutant": ("trkb_site_loss", always, DAY, 0),
    }
    found: dict[str, tuple[float | None, int]] = {}
    for label, (name, path, hours, published) in table.items():
        left = 1.0 - work.lost(hours, inputs={name: path}, regimen=SINGLE) if work.takes(name) else None
        found[label] = (left, published)
    return found


CLAIMS: tuple[Claim, ...] = (_bdnf, _mtor, _synapse_loss, _regrow, _reset)
MYSTERY: Claim = _mystery
