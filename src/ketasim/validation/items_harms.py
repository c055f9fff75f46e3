"""Emergent items of sections 12 and 13: pain and harms."""

from __future__ import annotations

import numpy as np

from ketasim.validation.bench import SINGLE, Bench, Finding, Item, must
from ketasim.validation.items_population import cancer_pain

__all__ = ["ITEMS"]

_DAY = 24.0
_END = 2.0 / 3.0
_EIGHT = f"{SINGLE}, weekly x 8"
_EIGHTH = 7.0 * 168.0
_ANAESTHESIA = "2 mg/kg ketamine iv bolus"

#: By muscle nearly all is absorbed, so 500 mg is about what a gram in the nose gives, in one event a day.
_HEAVY = "500 mg ketamine im, daily x 180"


@must("12", "0.3 mg/kg S-ketamine iv takes 2 to 5 points off a pain of 7, its largest effect within 30 min")
def _analgesia(bench: Bench) -> Finding:
    run = bench.run("0.3 mg/kg esketamine iv bolus", 1.0, well=True, changed={"pain_intensity": 7.0})
    early = 7.0 - float(bench.span(run, "pain_nrs", 0.0, 0.5).min())
    return f"{early:.1f} points, {7.0 - bench.at(run, 'pain_nrs', 2.0):.1f} at 2 h", 2.0 <= early <= 5.0


def _opioid_spared(bench: Bench, opioid: float) -> tuple[float, float]:
    """Opioid spared over a day in mg, and as a share of the usual use."""
    run = bench.run(days=2.0, well=True, changed={"pain_intensity": 7.0, "opioid_dose": opioid})
    usual = _DAY * bench.rest(run, "opioid_need")
    spared = usual - bench.area(run, "opioid_need", _DAY)
    return spared, spared / usual


@must(
    "12",
    "Opioid sparing grows with opioid tolerance: from 2 to 10 mg/h of usual use, more than in proportion",
)
def _opioid_sparing(bench: Bench) -> Finding:
    (low, low_share), (high, high_share) = (_opioid_spared(bench, dose) for dose in (2.0, 10.0))
    found = f"{low:.1f} mg ({100 * low_share:.0f} %) and {high:.1f} mg ({100 * high_share:.0f} %) in a day"
    return found, low > 0.0 and high > 5.0 * low


@must(
    "13",
    "Dissociation peaks at the end of the infusion (30 to 50 min) and is gone by 2 h (under 5 % of its peak)",
)
def _dissociation(bench: Bench) -> Finding:
    run = bench.run()
    time, top = bench.peak(run, "cadss")
    left = bench.at(run, "cadss", 2.0)
    found = f"peak {top:.1f} at {60 * time:.0f} min, {left:.2f} at 2 h"
    return found, top > 1.0 and 30.0 <= 60.0 * time <= 50.0 and left < 0.05 * top


@must("13", "Dissociation fades with repetition: the peak of the eighth weekly dose is 20 to 60 % lower")
def _dissociation_fades(bench: Bench) -> Finding:
    run = bench.run(_EIGHT, 56.0)
    first, last = bench.span(run, "cadss", 0.0, 24.0).max(), bench.span(run, "cadss", _EIGHTH).max()
    fall = 100.0 * (1.0 - float(last / first))
    return f"{first:.1f} and {last:.1f}, {fall:.0f} % lower", 20.0 <= fall <= 60.0


@must("13", "Drug high is about 50 of 100 at 71 ng/mL S-ketamine without tolerance (40 to 60)")
def _drug_high(bench: Bench) -> Finding:
    # Slow enough for the effect site to keep pace: minutes against hours.
    run = bench.run("1.6 mg/kg esketamine iv over 12 h", 1.0, well=True, changed={"tolerance_gain": 0.0})
    rising = run.times_h <= 12.0
    level, high = run.quantities["s_ketamine_arterial"][rising], run.quantities["drug_high"][rising]
    found = float(np.interp(71.0, level, high))
    return f"{found:.0f}", 40.0 <= found <= 60.0 and float(level.max()) > 71.0


@must(
    "13",
    "Mean systolic pressure is up by 3 to 10 mmHg at 40 min and back 90 min after the end (within 2 mmHg)",
)
def _pressure(bench: Bench) -> Finding:
    run = bench.run()
    rise, later_on = (bench.rise(run, "systolic_pressure", time) for time in (_END, _END + 1.5))
    return f"{rise:+.1f} mmHg at 40 min, {later_on:+.1f} at 130 min", 3.0 <= rise <= 10.0 and later_on < 2.0


@must("13", "Blood pressure has no tolerance: the eighth weekly rise equals the first within 2 %")
def _pressure_without_tolerance(bench: Bench) -> Finding:
    run = bench.run(_EIGHT, 56.0)
    rest = bench.rest(run, "systolic_pressure")
    first = float(bench.span(run, "systolic_pressure", 0.0, 24.0).max()) - rest
    last = float(bench.span(run, "systolic_pressure", _EIGHTH).max()) - rest
    return f"{first:.2f} and {last:.2f} mmHg", first > 0.5 and abs(last / first - 1.0) <= 0.02


@must("13", "0.5 mg/kg over 40 min leaves a person awake (MOAA/S over 4)")
def _awake(bench: Bench) -> Finding:
    lowest = float(bench.span(bench.run(), "sedation").min())
    return f"lowest MOAA/S {lowest:.2f}", lowest > 4.0


@must("13", "2 mg/kg iv takes consciousness (MOAA/S under 2) within 2 min")
def _unconscious(bench: Bench) -> Finding:
    lowest = float(bench.span(bench.run(_ANAESTHESIA, 1.0), "sedation", 0.0, 2.0 / 60.0).min())
    return f"lowest MOAA/S {lowest:.2f}", lowest < 2.0


@must("13", "Waking (MOAA/S back to 3) after 2 mg/kg iv comes at 640 to 1100 ng/mL, arterial or venous")
def _waking_level(bench: Bench) -> Finding:
    run = bench.run(_ANAESTHESIA, 1.0)
    alert = run.quantities["sedation"]
    lowest = int(np.argmin(alert))
    if alert[lowest] > 3.0:
        return "never under MOAA/S 3", False
    time = float(np.interp(3.0, alert[lowest:], run.times_h[lowest:]))
    levels = [bench.at(run, f"ketamine_{site}", time) for site in ("arterial", "venous")]
    found = f"at {60 * time:.0f} min, arterial {levels[0]:.0f}, venous {levels[1]:.0f} ng/mL"
    return found, any(640.0 <= level <= 1100.0 for level in levels)


@must("13", "Acute cognition falls during 0.5 mg/kg (under -0.3 z) and is back the next day (within 0.05 z)")
def _cognition(bench: Bench) -> Finding:
    run = bench.run()
    lowest, next_day = float(bench.span(run, "cognition").min()), bench.rise(run, "cognition", _DAY)
    return f"lowest {lowest:.2f} z, {next_day:z.3f} z at 24 h", lowest < -0.3 and abs(next_day) <= 0.05


@must("13", "Bladder: clinical use (twice weekly x 4 weeks) stays under 0.5 %")
def _bladder_clinical(bench: Bench) -> Finding:
    risk = 100.0 * bench.peak(bench.run(f"{SINGLE}, twice weekly x 4 weeks", 30.0), "bladder_risk")[1]
    return f"{risk:.3f} %", risk < 0.5


@must(
    "13", "Bladder: heavy daily use (500 mg im a day for half a year, like 1 g a day by nose) brings over 5 %"
)
def _bladder_heavy(bench: Bench) -> Finding:
    risk = 100.0 * bench.peak(bench.run(_HEAVY, 181.0, well=True, fine=False), "bladder_risk")[1]
    return f"{risk:.1f} %", risk > 5.0


ITEMS: tuple[Item, ...] = (
    _analgesia,
    _opioid_sparing,
    cancer_pain,
    _dissociation,
    _dissociation_fades,
    _drug_high,
    _pressure,
    _pressure_without_tolerance,
    _awake,
    _unconscious,
    _waking_level,
    _cognition,
    _bladder_clinical,
    _bladder_heavy,
)
