"""The spiking circuit beside Brian2 on the same network, and on one and two threads.

Processor time of one thread, in rounds in which all take turns. Threads are compared by wall-clock time.
Brian2 writes, compiles and runs a program of its own; what is timed is its run, by its own clock, which
counts processor time.
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
from crosscheck.cases import circuit_arrays, circuit_network

from benchmarks.peer import Peer
from ketasim.circuit.condition import NO_DRUG
from ketasim.circuit.network import SpikingNetwork, Task, run_tasks

__all__ = ["LEAST", "LEAST_THREADS", "circuit", "circuit_lines"]

#: The bars: against Brian2 on one thread, and of two threads against one.
LEAST, LEAST_THREADS = 3.0, 1.8
ROUNDS, QUICK_ROUNDS = 5, 3
DURATION_MS, QUICK_DURATION_MS = 3000.0, 1500.0
OWN, PEER = "Ketasim", "Brian2"
#: Replicates that the threads share; even, so that none waits for the other.
REPLICATES = 4


def circuit(quick: bool, python: Path) -> dict[str, Any]:
    """Measure.

    Parameters
    ----------
    quick : bool
        Fewer rounds and shorter runs.
    python : Path
        Python of the peers' environment; without it Brian2 is left out.

    Returns
    -------
    dict
        ``seconds`` of a run by contender and round, ``build`` and ``rates`` by contender, ``threads`` (see
        :func:`threads`), and what was run.
    """
    network = circuit_network()
    rounds = QUICK_ROUNDS if quick else ROUNDS
    duration = QUICK_DURATION_MS if quick else DURATION_MS
    network.run(NO_DRUG, 1, 1000.0)
    return {
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "cells": network.wiring.cells,
        "synapses": len(network.wiring.targets),
        "duration_ms": duration,
        **beside_brian(network, rounds, duration, python),
        "threads": threads(network, rounds, duration),
    }


def beside_brian(network: SpikingNetwork, rounds: int, duration: float, python: Path) -> dict[str, Any]:
    """Time all contenders in turns."""
    seconds: dict[str, list[float]] = {OWN: []}
    rates: dict[str, list[list[float]]] = {OWN: []}
    about: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        case = Path(folder, "circuit.npz")
        np.savez(case, **circuit_arrays(network, [NO_DRUG.block], [1], duration))
        peer = None
        if python.exists():
            peer = stack.enter_context(closing(Peer(python, "circuit_brian2.py", [str(case), "--serve"])))
            about = peer.about
            seconds[PEER], rates[PEER] = [], []
        for seed in range(1, rounds + 1):
            start = time.process_time()
            activity = network.run(NO_DRUG, seed, duration)
            seconds[OWN].append(time.process_time() - start)
            rates[OWN].append(activity.rates.tolist())
            if peer is not None:
                said = peer.run(seed)
                seconds[PEER].append(said["seconds"])
                rates[PEER].append(said["rates"])
    return {
        "seconds": seconds,
        "rates": {name: np.mean(found, axis=0).tolist() for name, found in rates.items()},
        "build": {PEER: about["build"]} if about else {},
        "version": about.get("version", ""),
    }


def threads(network: SpikingNetwork, rounds: int, duration: float) -> dict[str, dict[str, list[float]]]:
    """Wall-clock and processor time of the same replicates by one and by two threads, in turns."""
    tasks = [Task(NO_DRUG, seed, duration) for seed in range(1, REPLICATES + 1)]
    found: dict[str, dict[str, list[float]]] = {count: {"wall": [], "processor": []} for count in ("1", "2")}
    for _ in range(rounds):
        for count, taken in found.items():
            wall, processor = time.perf_counter(), time.process_time()
            run_tasks(network, tasks, int(count))
            taken["wall"].append(time.perf_counter() - wall)
            taken["processor"].append(time.process_time() - processor)
    return found


def _ratios(longer: Sequence[float], shorter: Sequence[float]) -> list[float]:
    return [a / b for a, b in zip(longer, shorter, strict=True)]


def _spread(values: Sequence[float], digits: int = 1) -> str:
    return f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def _met(values: Sequence[float], least: float) -> str:
    return "yes" if statistics.median(values) >= least else "**no**"


def circuit_lines(measured: Mapping[str, Any]) -> list[str]:
    """Write the tables."""
    seconds, length = measured["seconds"], measured["duration_ms"] / 1000.0
    version = measured["version"]
    lines = [
        "## Spiking circuit",
        "",
        f"{measured['cells']:,} cells, {measured['synapses']:,} connections, steps of 0.1 ms, {length:g} s "
        "without drug; processor time of one thread, median (range) of the rounds. "
        + (f"Brian2 {version}." if version else "Brian2 is not installed here."),
        "",
        "| program | s for 10 s | times as long as Ketasim | before the run, s | PYR, PV, SST, VIP in Hz |",
        "|---|---:|---:|---:|---|",
    ]
    for name, taken in seconds.items():
        build = measured["build"].get(name)
        cells = [
            name,
            _spread([10.0 / length * value for value in taken], 2),
            "1" if name == OWN else _spread(_ratios(taken, seconds[OWN])),
            "" if build is None else f"{build:.0f}",
            ", ".join(f"{rate:.1f}" for rate in measured["rates"][name]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", *_bars(measured)]


def _bars(measured: Mapping[str, Any]) -> list[str]:
    seconds = measured["seconds"]
    lines = ["| bar | at least | found | met |", "|---|---:|---:|---|"]
    if PEER in seconds:
        found = _ratios(seconds[PEER], seconds[OWN])
        lines.append(f"| {PEER}, on one thread | {LEAST:g} | {_spread(found)} | {_met(found, LEAST)} |")
    else:
        lines.append(f"| {PEER}, on one thread | {LEAST:g} | | not measured |")
    one, two = (measured["threads"][count] for count in ("1", "2"))
    wall = _ratios(one["wall"], two["wall"])
    free = [2.0 * ratio for ratio in _ratios(one["processor"], two["processor"])]
    return [
        *lines,
        f"| two threads over {REPLICATES} replicates, wall-clock time | {LEAST_THREADS:g} | "
        f"{_spread(wall, 2)} | {_met(wall, LEAST_THREADS)} |",
        "",
        f"By processor time two threads are {_spread(free, 2)} times as fast as one: what wall-clock time "
        "would show on two cores that nobody else uses. Load when this began: "
        f"{measured['load']:.1f} waiting processes.",
        "",
    ]
