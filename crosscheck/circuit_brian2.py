"""The spiking circuit in Brian2, from a file that :mod:`crosscheck.cases` wrote; needs no Ketasim.

``python circuit_brian2.py circuit.npz circuit_brian2.npz`` runs every condition with every seed.
``python circuit_brian2.py circuit.npz --serve`` compiles, then runs the first condition once for each line of
its input, which is a seed, and answers with a line of JSON; so that a benchmark can take turns.

Written from the equations, not from Ketasim's kernel: exponentials are true ones, every state is double
precision, and Brian2 queues the spikes. Three things follow Ketasim's clock, since they would else be
differences of the method: conductances decay exactly; a spike is seen by its targets ``delay`` after it in
the update that follows; a cell rests for as many steps as its refractory time has, the spike's own not
counted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

EQUATIONS = """
dv/dt = (leak * (rest - v) + leak * sharp * exp(clip((v - threshold) / sharp, -20, 9))
         - (ampa + nmda * conducts / (1 + 0.280112 * magnesium * exp(-0.062 * v))) * v
         - (gaba0 + gaba1 + gaba2) * (v + 70) - gabab * (v + 95) - w
        ) / (capacitance * ms) : 1 (unless refractory)
dw/dt = -w / (slow * ms) : 1
dampa/dt = -ampa / ampa_time : 1
dnmda/dt = -nmda / nmda_time : 1
dgabab/dt = -gabab / gabab_time : 1
dgaba0/dt = -gaba0 / gaba0_time : 1
dgaba1/dt = -gaba1 / gaba1_time : 1
dgaba2/dt = -gaba2 / gaba2_time : 1
dgate/dt = -gate / nmda_time : 1
released : 1
conducts : 1
spikes : integer
capacitance : 1 (constant)
leak : 1 (constant)
rest : 1 (constant)
threshold : 1 (constant)
sharp : 1 (constant)
back : 1 (constant)
step : 1 (constant)
slow : 1 (constant)
pause : second (constant)
from_ampa : 1 (constant)
from_nmda : 1 (constant)
from_pv : 1 (constant)
from_sst : 1 (constant)
from_vip : 1 (constant)
from_gabab : 1 (constant)
"""
RESET = """
v = back
w += step
released = gate_step * (1 - gate)
gate += released
spikes += int(t >= warm)
"""
# What a spike does, by the class of the cell that sends it.
ARRIVALS = (
    "ampa_post += from_ampa_post; nmda_post += from_nmda_post * released_pre",
    "gaba0_post += from_pv_post",
    "gaba1_post += from_sst_post; gabab_post += from_gabab_post",
    "gaba2_post += from_vip_post",
)
# A binomial of so many trials is a Poisson number to a few parts in 100,000, and is drawn faster.
TRIALS = 10_000
SEED_VARIABLE = "CROSSCHECK_SEED"


@dataclass(frozen=True)
class Brian:
    """The compiled network."""

    device: Any
    group: Any
    kind: np.ndarray
    counted: float
    build_seconds: float

    def run(self, block: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
        """Rates of the four classes in Hz, and processor time of the run in s."""
        os.environ[SEED_VARIABLE] = str(seed)
        self.device.run(with_output=False, run_args={self.group.conducts: 1.0 - block[self.kind]})
        spikes = self.group.variables["spikes"].get_value()
        rates = np.bincount(self.kind, spikes) / np.bincount(self.kind) / self.counted
        return rates, float(self.device._last_run_time)


def build(case: Any, folder: str, single: bool) -> Brian:
    """Write the network for Brian2's stand-alone mode and compile it."""
    from brian2 import Network, defaultclock, device, float32, ms, prefs, set_device

    start = time.perf_counter()
    if single:
        prefs.core.default_float_dtype = float32
    # By default make would start all compilers at once.
    prefs.devices.cpp_standalone.extra_make_args_unix = [f"-j{os.cpu_count() or 1}"]
    set_device("cpp_standalone", build_on_run=False)
    dt = float(case["dt"])
    defaultclock.dt = dt * ms
    kind = np.repeat(np.arange(4), np.diff(case["edges"]))
    group = cells(case, kind)
    parts = [group, *synapses(case, group, kind)]
    # Each run of the compiled program reads its seed from the environment.
    seed = f'std::atol(std::getenv("{SEED_VARIABLE}"))'
    device.insert_code("main", f"brian::_random_generators[0].seed({seed});")
    group.v = "rest + 12 * rand()"
    group.conducts = 1.0
    network = Network(*parts, *background(case, group))
    network.run(float(case["duration"]) * ms, namespace={})
    device.build(directory=folder, run=False, compile=True, with_output=False)
    counted = (float(case["duration"]) - float(case["warm"])) / 1000.0
    return Brian(device, group, kind, counted, time.perf_counter() - start)


def constants(case: Any) -> dict[str, Any]:
    """Numbers in the equations; decay times are those with which Euler's method decays exactly."""
    from brian2 import ms

    dt = float(case["dt"])
    names = ("ampa_time", "nmda_time", "gabab_time", "gaba0_time", "gaba1_time", "gaba2_time")
    times = dt / -np.expm1(-dt / case["decays"])
    found: dict[str, Any] = {name: float(value) * ms for name, value in zip(names, times, strict=True)}
    found |= {"magnesium": float(case["magnesium"]), "gate_step": float(case["gate_step"])}
    return found | {"warm": float(case["warm"]) * ms}


def cells(case: Any, kind: np.ndarray) -> Any:
    """All cells as one group, with the properties of each class."""
    from brian2 import NeuronGroup, ms

    group = NeuronGroup(
        len(kind),
        EQUATIONS,
        threshold="v > -30",
        reset=RESET,
        refractory="pause",
        method="euler",
        namespace=constants(case),
        name="cells",
    )
    capacitance, leak, rest, threshold, sharp, back, pause, step, slow = case["cell"].T
    values = {
        "capacitance": capacitance,
        "leak": leak,
        "rest": rest,
        "sharp": sharp,
        "back": back,
        "step": step,
        "slow": slow,
        "from_ampa": case["ampa"],
        "from_nmda": case["nmda"],
        "from_pv": case["gaba"][0],
        "from_sst": case["gaba"][1],
        "from_vip": case["gaba"][2],
        "from_gabab": case["gabab"],
    }
    for name, of_class in values.items():
        setattr(group, name, of_class[kind])
    group.threshold = threshold[kind] + case["offset"]
    # Brian2 counts the step of the spike itself.
    group.pause = (pause[kind] + float(case["dt"])) * ms
    return group


def synapses(case: Any, group: Any, kind: np.ndarray) -> list[Any]:
    """Connections, by the class of the sender."""
    from brian2 import Synapses, ms

    sender = np.repeat(np.arange(len(kind)), np.diff(case["pointers"]))
    # Brian2 delivers after the update of a step, Ketasim before that of the next.
    delay = (float(case["delay"]) - float(case["dt"])) * ms
    made = []
    for index, arrival in enumerate(ARRIVALS):
        chosen = kind[sender] == index
        made.append(Synapses(group, group, on_pre=arrival, delay=delay, name=f"from_class_{index}"))
        made[-1].connect(i=sender[chosen], j=case["targets"][chosen])
    return made


def background(case: Any, group: Any) -> list[Any]:
    """External events; one event acts on AMPA and on NMDA of the same cell at once."""
    from brian2 import BinomialFunction

    made = []
    for index in range(4):
        part = group[int(case["edges"][index]) : int(case["edges"][index + 1])]
        mean = float(case["drive"][index] * case["dt"])
        events = BinomialFunction(TRIALS, mean / TRIALS, approximate=False)
        ampa, nmda = float(case["external_ampa"][index]), float(case["external_nmda"][index])
        # A part shares the names of its whole.
        group.namespace[f"events_{index}"] = events
        code = f"now = events_{index}()\nampa += {ampa!r} * now\nnmda += {nmda!r} * now"
        made.append(part.run_regularly(code, when="before_groups", name=f"background_{index}"))
        made.append(part)
    return made


def main() -> None:
    """Run all, or serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", type=Path)
    parser.add_argument("result", type=Path, nargs="?")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument(
        "--single", action="store_true", help="single precision, as Ketasim (default: double)"
    )
    options = parser.parse_args()
    import brian2

    with np.load(options.case) as loaded:
        case = dict(loaded)
    with tempfile.TemporaryDirectory() as folder:
        brian = build(case, folder, options.single)
        if options.serve:
            print(json.dumps({"build": brian.build_seconds, "version": brian2.__version__}), flush=True)
            for line in sys.stdin:
                rates, seconds = brian.run(case["blocks"][0], int(line))
                print(json.dumps({"seconds": seconds, "rates": rates.tolist()}), flush=True)
            return
        rates = np.zeros_like(case["rates"])
        for place in np.ndindex(rates.shape[:2]):
            rates[place], seconds = brian.run(case["blocks"][place[0]], int(case["seeds"][place[1]]))
            print(f"Brian2 {brian2.__version__}: run {place} took {seconds:.1f} s", file=sys.stderr)
    np.savez(options.result, rates=rates, version=brian2.__version__)


if __name__ == "__main__":
    main()
