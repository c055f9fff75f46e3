"""Emergent items of sections 4 to 7: glutamate, AMPA, neurotrophins, translation."""

from __future__ import annotations

import numpy as np

from ketasim.engine.schedule import InputPath
from ketasim.model.clamp import Clamp
from ketasim.model.simulator import Run
from ketasim.validation.bench import NO_DRUG, SINGLE, Bench, Finding, Item, must, spell
from ketasim.validation.items_population import (
    bdnf_heterozygous,
    gaba_in_remission,
    mrs_dispute,
    rat_efflux,
    sirolimus_two_weeks,
)

__all__ = ["ITEMS"]

_DAY = 24.0
#: Present from the dose on and then gone, as an antagonist with a short life is.
_AMPA_ANTAGONIST = {"ampa_antagonist": InputPath((0.0, 6.0), (1.0, 0.0))}
_STAGES = ("bdnf", "mtorc1", "synaptic_protein", "spine_density")


def _share(part: float, whole: float) -> float:
    """Part of a whole; NaN, which passes no test, when there is no whole."""
    return part / whole if abs(whole) > 1e-9 else float("nan")


@must("4", "The glutamate surge is off by 2 to 3 h: at 3 h at most 20 % of its peak is left")
def _glutamate_off(bench: Bench) -> Finding:
    run = bench.run()
    time, top = bench.peak(run, "glutamate")
    left = _share(bench.rise(run, "glutamate", 3.0), top - bench.rest(run, "glutamate"))
    return f"peak at {60 * time:.0f} min, {100 * left:z.0f} % left at 3 h", 0.0 < time < 2.0 and left <= 0.20


@must("4", "Glutamine enrichment +13 % in healthy adults (8 to 18 %, mean of the first hour)")
def _glutamine_enrichment(bench: Bench) -> Finding:
    run = bench.run(days=1.0, well=True)
    rest = bench.rest(run, "glutamine_enrichment")
    gain = 100.0 * (bench.area(run, "glutamine_enrichment", 1.0) / rest - 1.0)
    return f"{gain:+.2f} %", 8.0 <= gain <= 18.0


@must("4", "Depression starts with a GABA deficit (GABA at rest 3 to 25 % below health)")
def _gaba_deficit(bench: Bench) -> Finding:
    ill, well = (bench.rest(bench.run("none", 1.0, well=well), "gaba") for well in (False, True))
    change = 100.0 * (ill / well - 1.0)
    return f"{change:+.1f} %", -25.0 <= change <= -3.0


@must("4", "mGlu5 receptors on the surface are still low at 24 h (about -14 %; -20 to -8 %)")
def _mglur5_low(bench: Bench) -> Finding:
    run = bench.run()
    low = 100.0 * (bench.span(run, "mglur5_surface").min() / bench.rest(run, "mglur5_surface") - 1.0)
    change = 100.0 * bench.rise(run, "mglur5_surface", _DAY) / bench.rest(run, "mglur5_surface")
    return f"{change:+.1f} % at 24 h, lowest {low:+.1f} %", -20.0 <= change <= -8.0


@must(
    "5", "An AMPA antagonist from the dose to 6 h (NBQX) abolishes the effect at 24 h: at most 20 % is left"
)
def _nbqx(bench: Bench) -> Finding:
    usual = bench.effect(bench.run(), _DAY)
    blocked = bench.effect_against_none(_DAY, inputs=_AMPA_ANTAGONIST)
    left = _share(blocked, usual)
    return f"{blocked:.2f} against {usual:.2f} points, {100 * left:z.0f} % left", usual < 0.0 and left <= 0.20


@must("5", "AMPA drive held at baseline takes at least 80 % of the effect at 24 h")
def _ampa_clamp(bench: Bench) -> Finding:
    usual = bench.effect(bench.run(), _DAY)
    left = _share(bench.effect(bench.run(days=2.0, clamps=(Clamp("ampa_drive"),)), _DAY), usual)
    return f"{100 * left:z.0f} % left of {usual:.2f} points", usual < 0.0 and left <= 0.20


@must("5", "Too much block cuts the late stage: 5 mg/kg has -50 to 25 % of the effect of 0.5 mg/kg at 24 h")
def _deep_block(bench: Bench) -> Finding:
    usual = bench.effect(bench.run(), _DAY)
    deep = bench.effect(bench.run("5 mg/kg ketamine iv over 40 min"), _DAY)
    left = _share(deep, usual)
    return f"{deep:.2f} against {usual:.2f} points, {100 * left:.0f} %", usual < 0.0 and -0.50 <= left < 0.25


@must("5", "Onset is not gated by spines: with spines held, at most 10 % of the effect at 2 to 4 h is lost")
def _onset_without_spines(bench: Bench) -> Finding:
    held = bench.run(days=8.0, clamps=(Clamp("spines_nascent"), Clamp("spines_mature")))
    kept = [_share(bench.effect(held, hours), bench.effect(bench.run(), hours)) for hours in (2.0, 3.0, 4.0)]
    return f"at least {100 * min(kept):.1f} % kept", bench.effect(bench.run(), 4.0) < 0.0 and min(
        kept
    ) >= 0.90


@must("6", "BDNF is a pulse: 0.5 to 8 h above half of its peak")
def _bdnf_pulse(bench: Bench) -> Finding:
    run = bench.run()
    time, top = bench.peak(run, "bdnf")
    half = bench.rest(run, "bdnf") + 0.5 * (top - bench.rest(run, "bdnf"))
    rising = run.times_h <= time
    up = float(np.interp(half, run.quantities["bdnf"][rising], run.times_h[rising]))
    width = bench.falls_through(run, "bdnf", half) - up
    return f"{spell(width, 'h')}, peak at {time:.1f} h", time > 0.0 and 0.5 <= width <= 8.0


@must("6", "Phosphorylated eEF2 falls while channels at rest are blocked")
def _eef2_falls(bench: Bench) -> Finding:
    run = bench.run()
    change = 100.0 * (bench.span(run, "eef2", 0.0, 4.0).min() / bench.rest(run, "eef2") - 1.0)
    return f"{change:+.1f} %", change < -1.0


@must("6", "Met/Met: under 30 % of the spine gain is left, but over 30 % of the effect at 2 h")
def _met_met(bench: Bench) -> Finding:
    usual, carrier = bench.run(), bench.run(changed={"val66met_secretion": 0.0})
    gains = [
        bench.span(run, "spine_density").max() - bench.rest(run, "spine_density") for run in (carrier, usual)
    ]
    spines = _share(float(gains[0]), float(gains[1]))
    early = _share(bench.effect(carrier, 2.0), bench.effect(usual, 2.0))
    late = _share(bench.effect(carrier, 168.0), bench.effect(usual, 168.0))
    found = (
        f"spine gain {100 * spines:.0f} %, effect {100 * early:.0f} % at 2 h and {100 * late:.0f} % at 7 d"
    )
    return found, bench.effect(usual, 2.0) < 0.0 and spines < 0.30 and early > 0.30


@must(
    "7", "Under a constant drive (TrkB held at 1.5) mTORC1 peaks and falls below 60 % of its peak rise by 6 h"
)
def _mtorc1_adapts(bench: Bench) -> Finding:
    run = bench.run(NO_DRUG, 1.0, well=True, clamps=(Clamp("trkb", 1.5),))
    time, top = bench.peak(run, "mtorc1")
    left = _share(bench.rise(run, "mtorc1", 6.0), top - bench.rest(run, "mtorc1"))
    return (
        f"peak {top:.2f} at {time:.1f} h, {100 * left:.0f} % of the rise at 6 h",
        time < 6.0 and left < 0.60,
    )


def _second_rise(bench: Bench, hours: float) -> float:
    """Rise of mTORC1 by a second infusion over the first one's, as a share of the first one's rise."""
    single = bench.run()
    twice = bench.run(f"{SINGLE}, at 0 h, {hours:g} h", 3.0)
    extra = twice.quantities["mtorc1"] - np.interp(twice.times_h, single.times_h, single.quantities["mtorc1"])
    after = extra[twice.times_h >= hours]
    return _share(float(after.max()), bench.peak(single, "mtorc1")[1] - bench.rest(single, "mtorc1"))


@must(
    "7",
    "A second infusion at 3 h raises mTORC1 less (under 90 %), at 24 h nearly whole (over 80 %, and more)",
)
def _second_pulse(bench: Bench) -> Finding:
    soon, late = _second_rise(bench, 3.0), _second_rise(bench, 24.0)
    return (
        f"{100 * soon:.0f} % at 3 h, {100 * late:.0f} % at 24 h",
        soon < 0.90 and late > 0.80 and late > soon,
    )


def _with_inhibitor(bench: Bench, share: float) -> float:
    inputs = {"mtor_inhibition_brain": InputPath((0.0, _DAY), (share, 0.0))}
    return _share(bench.effect_against_none(72.0, inputs=inputs), bench.effect(bench.run(), 72.0))


@must(
    "7",
    "Rapamycin in the brain (90 % of mTORC1 inhibited for a day) takes the late effect: under 30 % at 3 d",
)
def _rapamycin(bench: Bench) -> Finding:
    left = _with_inhibitor(bench, 0.9)
    return f"{100 * left:z.0f} % left of {bench.effect(bench.run(), 72.0):.2f} points", left < 0.30


@must(
    "7",
    "Oral sirolimus hardly reaches the brain (5 % inhibited for a day) and does not block: over 70 % at 3 d",
)
def _sirolimus(bench: Bench) -> Finding:
    left = _with_inhibitor(bench, 0.05)
    return f"{100 * left:z.0f} % left", left > 0.70


def _half_time(bench: Bench, run: Run, name: str) -> tuple[float, float]:
    """Time of a peak, and hours from there until half of the departure is gone."""
    time, top = bench.peak(run, name)
    return time, bench.falls_through(run, name, 0.5 * (top + bench.rest(run, name))) - time


@must("7", "Proteins lag mTORC1 by hours and live about 3 days (half gone in 1 to 4 days)")
def _protein_life(bench: Bench) -> Finding:
    run = bench.run()
    first = bench.peak(run, "mtorc1")[0]
    time, half = _half_time(bench, run, "synaptic_protein")
    found = f"peak {time - first:.1f} h after that of mTORC1, half gone in {spell(half / _DAY, 'd')}"
    return found, time - first >= 1.0 and 1.0 <= half / _DAY <= 4.0


@must("7", "BDNF, mTORC1, protein and spines peak in this order")
def _peak_order(bench: Bench) -> Finding:
    times = [bench.peak(bench.run(), name)[0] for name in _STAGES]
    words = ", ".join(f"{name} {time:.1f} h" for name, time in zip(_STAGES, times, strict=True))
    return words, times[0] > 0.0 and times == sorted(set(times))


ITEMS: tuple[Item, ...] = (
    _glutamate_off,
    _glutamine_enrichment,
    _gaba_deficit,
    gaba_in_remission,
    _mglur5_low,
    rat_efflux,
    mrs_dispute,
    _nbqx,
    _ampa_clamp,
    _deep_block,
    _onset_without_spines,
    _bdnf_pulse,
    _eef2_falls,
    _met_met,
    bdnf_heterozygous,
    _mtorc1_adapts,
    _second_pulse,
    _rapamycin,
    _sirolimus,
    sirolimus_two_weeks,
    _protein_life,
    _peak_order,
)
