"""The whole brain in neurolib, from a file that :mod:`crosscheck.cases` wrote; needs no Ketasim.

``python brain_neurolib.py brain.npz brain_neurolib.npz`` finds the resting state without noise and
simulates every condition with every seed. ``python brain_neurolib.py brain.npz --serve SECONDS`` compiles,
then simulates so many seconds with and without the BOLD signal for each line of its input, which is a seed,
and answers with a line of JSON; so that a benchmark can take turns.

The noise of neurolib is an Ornstein-Uhlenbeck process; with a time constant of one step it is white.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

# Without noise the slowest mode decays in about a second.
REST_SECONDS = 30.0
# Steps in a chunk; its length must be a multiple of the 2 s between neurolib's volumes.
CHUNK = 10_000


def model(case: Any, condition: int, seed: int, seconds: float, noise: float) -> Any:
    """A network in neurolib, not yet run."""
    from neurolib.models.ww import WWModel

    n = len(case["weights"])
    made = WWModel(Cmat=case["weights"], Dmat=np.zeros((n, n)), seed=seed)
    step = 1000.0 * float(case["step"])
    made.params.update(dict(zip(case["fixed_names"].tolist(), case["fixed"].tolist(), strict=True)))
    changing = case["changing"][condition].tolist()
    made.params.update(dict(zip(case["changing_names"].tolist(), changing, strict=True)))
    made.params.update(dt=step, sampling_dt=step, duration=1000.0 * seconds, signalV=0.0, tau_ou=step)
    # One step then adds dt sigma_ou sqrt(dt) times a standard normal number; wanted is noise sqrt(step).
    made.params.update(sigma_ou=noise * np.sqrt(float(case["step"])) / step**1.5)
    return made


def resting_rates(case: Any, condition: int) -> np.ndarray:
    """Rates of both populations in Hz where the network rests without noise, (2, n)."""
    rested = model(case, condition, 0, REST_SECONDS, 0.0)
    rested.run()
    return 1000.0 * np.array([rested.r_exc[:, -1], rested.r_inh[:, -1]])


def simulated_rates(case: Any, condition: int, seed: int) -> np.ndarray:
    """Rates of both populations in Hz, averaged over each volume, (2, volumes, n)."""
    run = model(case, condition, seed, float(case["transient"] + case["seconds"]), float(case["noise"]))
    run.run()
    steps = round(float(case["repetition"] / case["step"]))
    skipped = round(float(case["transient"] / case["step"]))
    found = []
    for values in (run.r_exc, run.r_inh):
        kept = values[:, skipped:]
        volumes = kept.shape[1] // steps
        found.append(kept[:, : volumes * steps].reshape(len(kept), volumes, steps).mean(axis=2).T)
    return 1000.0 * np.array(found)


def serve(case: Any, seconds: float) -> None:
    """Time one run for each line of input."""
    start = time.perf_counter()
    first = model(case, 0, 0, CHUNK * float(case["step"]), 0.0)
    first.run(chunkwise=True, chunksize=CHUNK, bold=True)
    print(json.dumps({"build": time.perf_counter() - start, "version": version("neurolib")}), flush=True)
    for line in sys.stdin:
        taken = {}
        for what, bold in (("seconds", True), ("without_bold", False)):
            run = model(case, 0, int(line), seconds, float(case["noise"]))
            began = time.process_time()
            run.run(chunkwise=True, chunksize=CHUNK, bold=bold)
            taken[what] = time.process_time() - began
        print(json.dumps(taken), flush=True)


def main() -> None:
    """Run all, or serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", type=Path)
    parser.add_argument("result", type=Path, nargs="?")
    parser.add_argument("--serve", type=float, metavar="SECONDS")
    options = parser.parse_args()
    # neurolib warns of old habits of its own, and says for each run that it runs.
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    with np.load(options.case) as loaded:
        case = dict(loaded)
    if options.serve is not None:
        serve(case, options.serve)
        return
    conditions, seeds = range(len(case["changing"])), case["seeds"].tolist()
    rested = [resting_rates(case, condition) for condition in conditions]
    rates = [[simulated_rates(case, condition, seed) for seed in seeds] for condition in conditions]
    np.savez(options.result, fixed_rates=np.array(rested), rates=np.array(rates), version=version("neurolib"))


if __name__ == "__main__":
    main()
