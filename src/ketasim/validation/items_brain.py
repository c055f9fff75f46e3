"""Emergent items of sections 8 to 10: synapses, networks, inflammation."""

from __future__ import annotations

import numpy as np

from ketasim.model.clamp import Clamp
from ketasim.validation.bench import NO_DRUG, SINGLE, Bench, Finding, Item, later, must, spell
from ketasim.validation.items_population import crp_share

__all__ = ["ITEMS"]

_DAY = 24.0
_WEEK = 168.0
_MIDAZOLAM = "0.045 mg/kg midazolam iv over 40 min"
_SPINES = ("spines_nascent", "spines_mature")


@must("8", "Stress as in an episode, for 21 days, takes 15 to 35 % of a healthy person's spines")
def _chronic_stress(bench: Bench) -> Finding:
    stress = bench.rest(bench.run(), "stress") - 1.0
    shocks = stress / bench.parameters["life_stress_size"].value
    run = bench.run("none", 21.0, well=True, inputs={"life_stress": shocks})
    change = 100.0 * (bench.at(run, "spine_density", 21.0 * _DAY) / bench.rest(run, "spine_density") - 1.0)
    return f"{change:+.1f} %", -35.0 <= change <= -15.0


@must("8", "Spines are born late: density up by less than 1 % at 3 h and more than 2 % at 24 h")
def _birth_lag(bench: Bench) -> Finding:
    run = bench.run()
    early, late = (
        100.0 * bench.rise(run, "spine_density", h) / bench.rest(run, "spine_density") for h in (3.0, _DAY)
    )
    return f"{early:+.2f} % at 3 h, {late:+.2f} % at 24 h", early < 1.0 and late > 2.0


@must("8", "What is gained at 24 h are nascent, weak spines (over 80 % of the gain)")
def _nascent_first(bench: Bench) -> Finding:
    gains = [bench.rise(bench.run(), name, _DAY) for name in _SPINES]
    total = sum(gains)
    share = gains[0] / total if total > 0.0 else float("nan")
    return f"nascent {gains[0]:+.2g}, mature {gains[1]:+.2g} of healthy density", share > 0.80


@must("8", "The gain in spines is lost with a half-life of 4 to 7 days (1 to 14)")
def _spine_loss(bench: Bench) -> Finding:
    run = bench.run()
    time, top = bench.peak(run, "spine_density")
    rest = bench.rest(run, "spine_density")
    half = (bench.falls_through(run, "spine_density", 0.5 * (top + rest)) - time) / _DAY
    found = f"peak {100 * (top / rest - 1):+.1f} % at {time / _DAY:.1f} d, half lost after {spell(half, 'd')}"
    return found, 1.0 <= half <= 14.0


@must(
    "8",
    "The drug acts on formation, not on elimination: with protein and stress held, density moves under 0.1 %",
)
def _elimination_unchanged(bench: Bench) -> Finding:
    run = bench.run(days=8.0, clamps=(Clamp("synaptic_protein"), Clamp("stress")))
    density = bench.span(run, "spine_density")
    moved = 100.0 * float(np.abs(density / density[0] - 1.0).max())
    return f"{moved:.3f} %", moved < 0.1


@must("8", "Human SV2A binding is unchanged at 24 h (under 1 %)")
def _sv2a(bench: Bench) -> Finding:
    run = bench.run()
    change = 100.0 * bench.rise(run, "sv2a_binding", _DAY) / bench.rest(run, "sv2a_binding")
    return f"{change:+.2f} %", abs(change) < 1.0


@must(
    "8",
    "Erasing new spines at 24 h ends the maintained effect (over 60 % lost at day 7), not the first",
)
def _erased_spines(bench: Bench) -> Finding:
    usual = bench.run()
    erased = bench.run(days=8.0, clamps=tuple(Clamp(name, None, _DAY) for name in _SPINES))
    late, kept = bench.effect(usual, _WEEK), bench.effect(erased, _WEEK)
    first = abs(bench.effect(erased, 4.0) - bench.effect(usual, 4.0))
    found = f"{kept:.2f} against {late:.2f} points at day 7; at 4 h the same within {first:.1g}"
    return found, late < 0.0 and kept / late <= 0.40 and first < 0.01


def _dmn_fall(bench: Bench, regimen: str) -> float:
    run = bench.run(regimen, 2.0)
    return float(bench.rest(run, "dmn_connectivity") - bench.span(run, "dmn_connectivity", 0.0, 2.0).min())


@must("9", "Midazolam lowers acute default-mode connectivity as much as ketamine (ratio 0.7 to 1.4)")
def _midazolam_dmn(bench: Bench) -> Finding:
    ketamine = _dmn_fall(bench, SINGLE)
    midazolam = _dmn_fall(bench, _MIDAZOLAM)
    ratio = midazolam / ketamine if ketamine > 0.0 else float("nan")
    return f"-{midazolam:.3f} against -{ketamine:.3f}, ratio {ratio:.2f}", 0.7 <= ratio <= 1.4


@must("9", "Midazolam, which loosens the default mode too, does not lift mood (under 0.5 points at 24 h)")
def _midazolam_mood(bench: Bench) -> Finding:
    effect = bench.effect(bench.run(_MIDAZOLAM, 2.0), _DAY)
    return f"{effect:z.2f} points", abs(effect) < 0.5


@must("9", "Default-mode connectivity is lower at 24 h than before (by more than 0.5 %)")
def _dmn_late(bench: Bench) -> Finding:
    run = bench.run()
    change = 100.0 * bench.rise(run, "dmn_connectivity", _DAY) / bench.rest(run, "dmn_connectivity")
    return f"{change:+.2f} %", change < -0.5


@must("9", "Default-mode connectivity is back by 10 days (under a third of the change at 2 days)")
def _dmn_back(bench: Bench) -> Finding:
    run = bench.run()
    early, late = (bench.rise(run, "dmn_connectivity", days * _DAY) for days in (2.0, 10.0))
    return f"{late:+.4f} at 10 d against {early:+.4f} at 2 d", early < 0.0 and abs(late) < abs(early) / 3.0


@must("9", "Networks have zero weight on mood: holding the default mode leaves severity as it is")
def _networks_weightless(bench: Bench) -> Finding:
    usual, held = bench.run(days=8.0), bench.run(days=8.0, clamps=(Clamp("dmn_connectivity"),))
    moved = float(np.abs(usual.quantities["severity"] - held.quantities["severity"]).max())
    # The solver's steps follow all states, so the last digits may differ.
    return f"largest change {moved:.1g} points", moved < 1e-2


@must("10", "TNF falls a little (0.1 to 15 %)")
def _tnf_falls(bench: Bench) -> Finding:
    run = bench.run()
    change = 100.0 * (bench.span(run, "tnf", 0.0, _DAY).min() / bench.rest(run, "tnf") - 1.0)
    return f"{change:+.3f} %", -15.0 <= change <= -0.1


@must("10", "IL-6 does not fall in the first 6 h (not under -0.1 %)")
def _il6_not_down(bench: Bench) -> Finding:
    relative = bench.span(bench.run(), "il6", 0.0, 6.0) / bench.rest(bench.run(), "il6") - 1.0
    low, high = 100.0 * float(relative.min()), 100.0 * float(relative.max())
    return f"{low:+.2f} to {high:+.2f} %", low >= -0.1


@must(
    "10", "Inflammation hardly carries the effect: held at baseline, the effect at 24 h changes by under 10 %"
)
def _inflammation_small(bench: Bench) -> Finding:
    usual = bench.effect(bench.run(), _DAY)
    held = bench.effect(bench.run(days=2.0, clamps=(Clamp("inflammation"),)), _DAY)
    change = 100.0 * (held / usual - 1.0) if usual else float("nan")
    return f"{held:.2f} against {usual:.2f} points, {change:+.1f} %", usual < 0.0 and abs(change) < 10.0


@must("10", "A depressed patient starts with more inflammation than a healthy adult")
def _inflamed_at_rest(bench: Bench) -> Finding:
    ill, well = (bench.rest(bench.run(NO_DRUG, 1.0, well=well), "inflammation") for well in (False, True))
    return f"{ill:.2f} against {well:.2f}", ill > 1.01 * well


ITEMS: tuple[Item, ...] = (
    _chronic_stress,
    _birth_lag,
    _nascent_first,
    _spine_loss,
    _elimination_unchanged,
    _sv2a,
    _erased_spines,
    _midazolam_dmn,
    _midazolam_mood,
    _dmn_late,
    _dmn_back,
    _networks_weightless,
    later(
        "distance_from_criticality",
        "9",
        "The whole brain is stable at every dose (leading eigenvalue below -1.5 /s)",
        "depends on the connectome: `ketasim brain fit` and `ketasim brain couplings` tell it for each",
    ),
    _tnf_falls,
    _il6_not_down,
    _inflammation_small,
    _inflamed_at_rest,
    crp_share,
)
