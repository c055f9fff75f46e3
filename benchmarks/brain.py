"""The whole brain beside neurolib on the same network, and connectivity by linear theory.

Processor time of one thread, in rounds in which both take turns. neurolib moves blood at every step of the
gates and Ketasim at every tenth, so that neurolib is also timed without the BOLD signal.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
from crosscheck.cases import BRAIN_STEP, brain_arrays, peer_brain

from benchmarks.peer import Peer
from ketasim.brain import BrainModel, Influence, brain_model, linear_connectivity
from ketasim.brain.simulation import simulate
from ketasim.brain.synthetic import synthetic_connectome

__all__ = ["LEAST", "MOST_SECONDS", "brain", "brain_lines"]

#: The bars: against neurolib, and wall-clock time of linear connectivity.
LEAST, MOST_SECONDS = 3.0, 0.15
REGIONS = 100
ROUNDS, QUICK_ROUNDS = 5, 3
SECONDS, QUICK_SECONDS = 60.0, 20.0
LINEAR_REPEATS = 9
OWN, PEER, BARE = "Ketasim", "neurolib", "neurolib without BOLD"
# As between neurolib's volumes.
_REPETITION = 2.0


def brain(quick: bool, python: Path) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    quick : bool
        Fewer rounds and shorter runs.
    python : Path
        Python of the peers' environment; without it neurolib is left out.

    Returns
    -------
    dict
        ``seconds`` of a run by contender and round, ``linear`` with wall-clock and processor time, and what
        was run.
    """
    rounds, length = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    return {
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "regions": REGIONS,
        "length": length,
        **beside_neurolib(peer_brain(REGIONS, strongest=True), rounds, length, python),
        "linear": linear(brain_model(synthetic_connectome(REGIONS))),
    }


def _simulate(model: BrainModel, length: float, seed: int) -> None:
    simulate(model, None, length, seed, step=BRAIN_STEP, repetition=_REPETITION, transient=0.0)


def beside_neurolib(model: BrainModel, rounds: int, length: float, python: Path) -> dict[str, Any]:
    """Time both in turns."""
    seconds: dict[str, list[float]] = {OWN: []}
    _simulate(model, 2.0 * _REPETITION, 0)
    about: dict[str, Any] = {"version": ""}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        case = Path(folder, "brain.npz")
        np.savez(case, **brain_arrays(model, [Influence()]))
        peer = None
        if python.exists():
            peer = Peer(python, "brain_neurolib.py", [str(case), "--serve", f"{length:g}"])
            stack.enter_context(closing(peer))
            about = peer.about
            seconds |= {PEER: [], BARE: []}
        for seed in range(1, rounds + 1):
            start = time.process_time()
            _simulate(model, length, seed)
            seconds[OWN].append(time.process_time() - start)
            if peer is not None:
                said = peer.run(seed)
                seconds[PEER].append(said["seconds"])
                seconds[BARE].append(said["without_bold"])
    return {"seconds": seconds, "version": about["version"]}


def linear(model: BrainModel) -> dict[str, list[float]]:
    """Wall-clock and processor time of connectivity by linear theory, in s."""
    linear_connectivity(model)
    found: dict[str, list[float]] = {"wall": [], "processor": []}
    for _ in range(LINEAR_REPEATS):
        wall, processor = time.perf_counter(), time.process_time()
        linear_connectivity(model)
        found["wall"].append(time.perf_counter() - wall)
        found["processor"].append(time.process_time() - processor)
    return found


def _spread(values: Sequence[float], digits: int) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def brain_lines(measured: Mapping[str, Any]) -> list[str]:
    """Write the tables."""
    seconds, regions = measured["seconds"], measured["regions"]
    steps = measured["length"] / BRAIN_STEP
    lines = [
        "## Whole brain",
        "",
        f"{regions} regions, the same weights, steps of 1 ms, {measured['length']:g} s; processor time of "
        "one thread, median (range) of the rounds. "
        + (f"neurolib {measured['version']}." if measured["version"] else "neurolib is not installed here."),
        "",
        "| program | ns a region and step | times as long as Ketasim |",
        "|---|---:|---:|",
    ]
    for name, taken in seconds.items():
        ratio = [a / b for a, b in zip(taken, seconds[OWN], strict=True)]
        each = [1e9 * value / steps / regions for value in taken]
        lines.append(f"| {name} | {_spread(each, 0)} | {'1' if name == OWN else _spread(ratio, 1)} |")
    lines += ["", "| bar | | found | met |", "|---|---:|---:|---|"]
    if PEER in seconds:
        ratio = [a / b for a, b in zip(seconds[PEER], seconds[OWN], strict=True)]
        met = "yes" if statistics.median(ratio) >= LEAST else "**no**"
        lines.append(f"| neurolib, a region and step | at least {LEAST:g} | {_spread(ratio, 1)} | {met} |")
    else:
        lines.append(f"| neurolib, a region and step | at least {LEAST:g} | | not measured |")
    wall, processor = measured["linear"]["wall"], measured["linear"]["processor"]
    met = "yes" if statistics.median(wall) < MOST_SECONDS else "**no**"
    lines += [
        f"| linear connectivity, wall-clock s | less than {MOST_SECONDS:g} | {_spread(wall, 3)} | {met} |",
        "",
        f"Linear connectivity takes {_spread(processor, 3)} s of processor time. Load when this began: "
        f"{measured['load']:.1f} waiting processes.",
        "",
    ]
    return lines
