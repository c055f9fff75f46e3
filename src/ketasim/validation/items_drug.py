"""Emergent items of sections 1 to 3: plasma, channel block, circuit."""

from __future__ import annotations

import math

import numpy as np

from ketasim.circuit.blocks import blocks_at_mean
from ketasim.circuit.condition import NO_DRUG, Condition
from ketasim.circuit.ensemble import load_circuit
from ketasim.circuit.network import Task, build_network, run_tasks
from ketasim.circuit.parameters import NetworkParameters
from ketasim.circuit.signs import CLINICAL_BLOCK
from ketasim.model.clamp import Clamp
from ketasim.model.receptors import CELL_CLASSES
from ketasim.validation.bench import SINGLE, Bench, Finding, Item, must, spell

__all__ = ["ITEMS"]

_NASAL = "84 mg esketamine intranasal"
_ANAESTHESIA = "2 mg/kg ketamine iv bolus"

#: Total racemate in ng/mL and the mean block that it must give.
_BLOCK = {185.0: 0.24, 640.0: 0.52, 2200.0: 0.78}

_DOSES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_END = 2.0 / 3.0
_CLINICAL = Condition(blocks_at_mean(CLINICAL_BLOCK))


@must(
    "1",
    "84 mg nasal esketamine: venous S peak about that of 0.5 mg/kg racemate over 40 min (ratio 0.8 to 1.3)",
)
def _nasal_peak(bench: Bench) -> Finding:
    nasal, racemate = (bench.peak(bench.run(text, 3.0), "s_ketamine_venous")[1] for text in (_NASAL, SINGLE))
    ratio = nasal / racemate
    return f"{nasal:.0f} against {racemate:.0f} ng/mL, ratio {ratio:.2f}", 0.8 <= ratio <= 1.3


@must(
    "1", "84 mg nasal esketamine: S AUC about twice that of 0.5 mg/kg racemate over 40 min (ratio 1.6 to 2.5)"
)
def _nasal_area(bench: Bench) -> Finding:
    nasal, racemate = (bench.area(bench.run(text, 3.0), "s_ketamine_venous") for text in (_NASAL, SINGLE))
    ratio = nasal / racemate
    return f"{nasal:.0f} against {racemate:.0f} ng h/mL, ratio {ratio:.2f}", 1.6 <= ratio <= 2.5


def _metabolite_ratio(bench: Bench, regimen: str) -> float:
    run = bench.run(regimen, 5.0)
    return bench.area(run, "norketamine_venous") / bench.area(run, "ketamine_venous")


@must("1", "Norketamine to ketamine AUC about 1.8 after an infusion (1.4 to 2.2)")
def _norketamine_iv(bench: Bench) -> Finding:
    ratio = _metabolite_ratio(bench, SINGLE)
    return f"ratio {ratio:.2f}", 1.4 <= ratio <= 2.2


@must("1", "Norketamine to ketamine AUC 14 to 22 after oral prolonged release (80 mg)")
def _norketamine_oral(bench: Bench) -> Finding:
    ratio = _metabolite_ratio(bench, "80 mg ketamine oral prolonged release")
    return f"ratio {ratio:.1f}", 14.0 <= ratio <= 22.0


@must("1", "Oral bioavailability 0.08 to 0.23 (AUC oral to iv at 0.5 mg/kg)")
def _oral_bioavailability(bench: Bench) -> Finding:
    oral, vein = (
        bench.area(bench.run(text, 5.0), "ketamine_arterial") for text in ("0.5 mg/kg ketamine oral", SINGLE)
    )
    return f"F {oral / vein:.3f}", 0.08 <= oral / vein <= 0.23


def _with(bench: Bench, regimen: str, drug: str) -> float:
    """S-ketamine area beside a drug that changes metabolism, over that without."""
    areas = [
        bench.area(bench.run(regimen, 5.0, inputs=inputs), "s_ketamine_venous")
        for inputs in ({drug: 1.0}, None)
    ]
    return areas[0] / areas[1]


@must("1", "Rifampicin: oral AUC to about 0.14 (0.10 to 0.18), iv AUC to about 0.86 (0.78 to 0.94)")
def _rifampicin(bench: Bench) -> Finding:
    oral, vein = (
        _with(bench, text, "rifampicin")
        for text in ("0.3 mg/kg esketamine oral", "0.1 mg/kg esketamine iv over 20 min")
    )
    return f"oral {oral:.2f}, iv {vein:.2f}", 0.10 <= oral <= 0.18 and 0.78 <= vein <= 0.94


@must("1", "Ticlopidine raises the AUC of a nasal dose to 1.29 (within 25 %), though it was not fitted")
def _nasal_ticlopidine(bench: Bench) -> Finding:
    ratio = _with(bench, _NASAL, "ticlopidine")
    return f"ratio {ratio:.2f}", 0.75 * 1.29 <= ratio <= 1.25 * 1.29


@must("1", "After 2 mg/kg iv, plasma passes 1100 to 640 ng/mL at a plausible time of waking (5 to 25 min)")
def _waking_time(bench: Bench) -> Finding:
    run = bench.run(_ANAESTHESIA, 1.0)
    parts, holds = [], False
    for site in ("arterial", "venous"):
        first, last = (
            60.0 * bench.falls_through(run, f"ketamine_{site}", level) for level in (1100.0, 640.0)
        )
        parts.append(f"{site} {spell(first, 'min')} to {spell(last, 'min')}")
        holds = holds or (first <= 25.0 and last >= 5.0)
    return ", ".join(parts), holds


@must(
    "1",
    "Anaesthesia (MOAA/S under 2) near 2200 ng/mL, and 2 mg/kg iv reaches it; awake (over 4) at 185 ng/mL",
)
def _anaesthesia(bench: Bench) -> Finding:
    reached = bench.peak(bench.run(_ANAESTHESIA, 1.0), "ketamine_arterial")[1]
    run = bench.run("60 mg/kg ketamine iv over 20 h", 1.0, well=True)
    rising = run.times_h <= 20.0
    arterial, alert = run.quantities["ketamine_arterial"][rising], run.quantities["sedation"][rising]
    deep, light = (float(np.interp(level, arterial, alert)) for level in (2200.0, 185.0))
    found = f"peak {reached:.0f} ng/mL; MOAA/S {deep:.2f} at 2200, {light:.2f} at 185 ng/mL"
    return found, deep < 2.0 and light > 4.0 and reached > 2200.0 and float(arterial.max()) > 2200.0


@must("2", "Mean block by ketamine alone about 0.24, 0.52 and 0.78 (within 0.05) at 185, 640 and 2200 ng/mL")
def _block_levels(bench: Bench) -> Finding:
    # Both enantiomers are held, with no metabolite: block lags by seconds only.
    free = bench.parameters["unbound_fraction"].value / bench.parameters["molar_mass_ketamine"].value
    found = {}
    for level in _BLOCK:
        half = 0.5 * level * free
        held = tuple(Clamp(f"unbound_{e}_ketamine_arterial", half, 0.0, 24.0) for e in ("s", "r"))
        found[level] = bench.at(bench.run("none", 1.0, well=True, clamps=held), "nmda_block_mean", 12.0)
    holds = all(abs(found[level] - wanted) <= 0.05 for level, wanted in _BLOCK.items())
    return ", ".join(f"{value:.2f} at {level:.0f}" for level, value in found.items()), holds


@must("2", "Interneurons are blocked more than pyramidal cells at the end of 0.5 mg/kg")
def _block_order(bench: Bench) -> Finding:
    run = bench.run()
    found = {name: bench.at(run, f"nmda_block_{name}", _END) for name in CELL_CLASSES}
    words = ", ".join(f"{name} {value:.2f}" for name, value in found.items())
    return words, all(value > found["pyramidal"] for name, value in found.items() if name != "pyramidal")


@must("3", "PV and SST firing fall, pyramidal firing and gamma rise at the end of 0.5 mg/kg over 40 min")
def _disinhibition(bench: Bench) -> Finding:
    run = bench.run()
    names = {"pv_rate": -1.0, "sst_rate": -1.0, "pyramidal_rate": 1.0, "gamma_power": 1.0}
    found = {name: bench.rise(run, name, _END) for name in names}
    words = ", ".join(f"{name} {100 * value / bench.rest(run, name):+.0f} %" for name, value in found.items())
    return words, all(sign * found[name] > 0.0 for name, sign in names.items())


@must(
    "3",
    "Then all falls with dose: pyramidal firing and gamma are an inverted U, at 10 mg/kg below rest",
)
def _inverted_u(bench: Bench) -> Finding:
    parts, holds = [], True
    for name in ("pyramidal_rate", "gamma_power"):
        runs = [bench.run(f"{dose:g} mg/kg ketamine iv over 40 min", 1.0) for dose in _DOSES]
        ratios = [bench.at(run, name, _END) / bench.rest(run, name) for run in runs]
        top = int(np.argmax(ratios))
        parts.append(
            f"{name} highest ({ratios[top]:.2f} of rest) at {_DOSES[top]:g} mg/kg, {ratios[-1]:.2f} at 10"
        )
        holds = holds and 0 < top < len(_DOSES) - 1 and ratios[top] > 1.0 and ratios[-1] < 1.0
    return "; ".join(parts), holds


@must(
    "3", "Uniform block (all classes alike) does almost nothing: log pyramidal firing moves by less than 0.1"
)
def _uniform_block(bench: Bench) -> Finding:
    run = bench.run(days=1.0, changed={f"block_ratio_{name}": 4.0 for name in CELL_CLASSES})
    logs = np.log(bench.span(run, "pyramidal_rate") / bench.rest(run, "pyramidal_rate"))
    largest = float(logs[int(np.argmax(np.abs(logs)))])
    return f"largest departure {largest:+.3f} (factor {math.exp(largest):.2f})", abs(largest) < 0.1


@must("3", "VIP blocked as hard as SST takes the rise of pyramidal firing away")
def _vip_like_sst(bench: Bench) -> Finding:
    run = bench.run(days=1.0, changed={"block_ratio_vip": bench.parameters["block_ratio_sst"].value})
    during = bench.span(run, "pyramidal_rate", 0.0, _END) / bench.rest(run, "pyramidal_rate")
    usual = bench.span(bench.run(), "pyramidal_rate", 0.0, _END).max() / bench.rest(
        bench.run(), "pyramidal_rate"
    )
    found = f"highest {during.max():.3f}, lowest {during.min():.3f} of rest; as shipped, highest {usual:.3f}"
    return found, bool(during.max() <= 1.0 + 1e-6 and usual > 1.0)


@must(
    "3",
    "NMDA receptors on the external drive onto interneurons make disinhibition work: without them, with AMPA "
    "in their place, less than half of the rise is left in the default circuit",
)
def _external_drive(_bench: Bench) -> Finding:
    usual = load_circuit()
    without = {f"external_nmda_{name}": 0.0 for name in CELL_CLASSES if name != "pyramidal"}
    changed = NetworkParameters("without", {**usual.values, **without})
    rises = []
    for parameters in (usual, changed):
        network = build_network(parameters)
        tasks = [Task(condition, seed) for condition in (NO_DRUG, _CLINICAL) for seed in (1, 2)]
        rates = [run.rates[0] for run in run_tasks(network, tasks)]
        rises.append(100.0 * (sum(rates[2:]) / sum(rates[:2]) - 1.0))
    return f"{rises[0]:+.0f} % with them, {rises[1]:+.0f} % without", rises[1] < 0.5 * rises[0]


ITEMS: tuple[Item, ...] = (
    _nasal_peak,
    _nasal_area,
    _norketamine_iv,
    _norketamine_oral,
    _oral_bioavailability,
    _rifampicin,
    _nasal_ticlopidine,
    _waking_time,
    _anaesthesia,
    _block_levels,
    _block_order,
    _disinhibition,
    _inverted_u,
    _uniform_block,
    _vip_like_sst,
    _external_drive,
)
