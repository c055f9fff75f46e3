"""``ketasim circuit``: the spiking prefrontal network, run and looked at."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.circuit_ensemble import ensemble, signs, tabulate
from ketasim.cli.circuit_settings import (
    NO_DRUG_LABEL,
    Gains,
    Setting,
    block_conditions,
    channel_state,
    settings,
)
from ketasim.cli.circuit_summary import summarise, summary_table
from ketasim.cli.console import output
from ketasim.cli.values import whole_number
from ketasim.cli.work import aside, draw, require_file, require_folder, to_screen, write_numbers
from ketasim.errors import ModelError, unknown_name

if TYPE_CHECKING:
    from ketasim.circuit.measures import NetworkActivity
    from ketasim.circuit.network import SpikingNetwork

__all__ = ["circuit"]

_MEAN_BLOCKS = "0,0.1,0.24,0.5"
_SHORTEST, _LONGEST = 1.0, 60.0
_MOST_CELLS = 20_000
_RASTER_MS = 1000.0
_SEEDS, _THREADS = ("a number of seeds", 1, 100), ("a number of threads", 1, 1024)

circuit = typer.Typer(no_args_is_help=True, help="The spiking prefrontal network behind the chain's circuit.")


@circuit.callback()
def _circuit() -> None:
    """Work with the spiking prefrontal network behind the chain's circuit."""


@circuit.command("run", epilog="Example: ketasim circuit run --mean-block 0,0.24,0.5 --out circuit")
def run(
    block: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS=SHARE,...", help="Block by class, as pyramidal=0.2,pv=0.4; repeatable."),
    ] = None,
    mean_block: Annotated[
        str | None,
        typer.Option(metavar="SHARES", help=f"Means over all cells; default: {_MEAN_BLOCKS}."),
    ] = None,
    ic50: Annotated[
        str | None,
        typer.Option(metavar="A,B,C,D", help="What shares out a mean: pyramidal, PV, SST, VIP."),
    ] = None,
    state: Annotated[
        str, typer.Option(help="fixed, or kinetic: block follows the channel's state.")
    ] = "fixed",
    trapped: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Blockers kept by a closed channel, as 0.86.")
    ] = None,
    gaba_a_gain: Annotated[float, typer.Option(help="Ratio; above 1 for a benzodiazepine.")] = 1.0,
    release_gain: Annotated[float, typer.Option(help="Ratio; below 1 for lamotrigine or mGlu2/3.")] = 1.0,
    density: Annotated[float, typer.Option(help="Synapses between pyramidal cells, ratio.")] = 1.0,
    sst_gain: Annotated[float, typer.Option(help="What SST cells release, ratio.")] = 1.0,
    name: Annotated[
        str | None, typer.Option("--circuit", metavar="NAME", help="Default: the most likely one.")
    ] = None,
    depressed: Annotated[bool, typer.Option("--depressed", help="Start from the depressed circuit.")] = False,
    cells: Annotated[str, typer.Option(metavar="N", help="Size of the network.")] = "4000",
    seconds: Annotated[float, typer.Option(help="Length of a run; half a second is not counted.")] = 2.5,
    seeds: Annotated[str, typer.Option(metavar="N", help="Runs of each setting.")] = "3",
    threads: Annotated[str | None, typer.Option(metavar="N", help="Default: one a core.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw rasters and spectra into this folder.")
    ] = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers; - for the screen.")
    ] = None,
) -> None:
    """Run the network under block and other drugs; show rates, gamma, E/I, bursts and cells that wake."""
    if mean_block is None and not block:
        mean_block = _MEAN_BLOCKS
    blocks = block_conditions(block or [], mean_block, ic50)
    gains = Gains(gaba_a_gain, release_gain, density, sst_gain)
    chosen = settings(blocks, gains, channel_state(state, trapped), _baseline(depressed=depressed))
    size = _size(cells)
    repeats = whole_number("--seeds", seeds, *_SEEDS)
    workers = (os.cpu_count() or 1) if threads is None else whole_number("--threads", threads, *_THREADS)
    if not _SHORTEST <= seconds <= _LONGEST:
        raise ModelError(
            f"--seconds: {seconds:g} is out of range; a run lasts from {_SHORTEST:g} to {_LONGEST:g} s. "
            "For finer numbers take more --seeds."
        )
    require_file("--json", as_json)
    require_folder("--out", out)
    circuit_name, network, runs = _computed(name, size, chosen, repeats, 1000.0 * seconds, workers)
    rows = summarise(chosen, runs)
    facts = {
        "circuit": circuit_name,
        "depressed": depressed,
        "cells": network.wiring.cells,
        "seconds": seconds,
        "seeds": repeats,
        "ratios_to": NO_DRUG_LABEL,
    }
    if out is not None:
        _draw(out, network, chosen, runs, f"circuit {circuit_name}, {network.wiring.cells:,} cells")
    _tell({**facts, "settings": rows}, as_json)


def _baseline(*, depressed: bool) -> Any:
    """Return the circuit to which nothing was done."""
    from ketasim.circuit.condition import NO_DRUG

    if not depressed:
        return NO_DRUG
    from ketasim.circuit.ensemble import depressed_condition

    return depressed_condition()


def _size(cells: str) -> int:
    from ketasim.circuit.wiring import SMALLEST

    return whole_number("--cells", cells, "a number of cells", SMALLEST, _MOST_CELLS)


def _computed(
    name: str | None, cells: int, chosen: Sequence[Setting], seeds: int, duration: float, threads: int
) -> tuple[str, SpikingNetwork, Mapping[str, Sequence[NetworkActivity]]]:
    """Build the network and run each setting with each seed."""
    from ketasim.circuit.ensemble import circuit_names, load_circuit
    from ketasim.circuit.network import Task, build_network, run_tasks
    from ketasim.cli.progress import watching

    names = tuple(circuit_names())
    if name is not None and name not in names:
        raise ModelError(f"--circuit: {unknown_name('circuit', name, names)}")
    found = names[0] if name is None else name
    tasks = [Task(setting.condition, seed, duration) for setting in chosen for seed in range(1, seeds + 1)]
    with watching("building the network") as watcher:
        network = aside(build_network, load_circuit(found), cells)
        done = run_tasks(
            network, tasks, threads, lambda count: watcher("running the network", count, len(tasks))
        )
    runs = {setting.label: done[place * seeds : (place + 1) * seeds] for place, setting in enumerate(chosen)}
    return found, network, runs


def _draw(
    folder: Path,
    network: SpikingNetwork,
    chosen: Sequence[Setting],
    runs: Mapping[str, Sequence[NetworkActivity]],
    title: str,
) -> None:
    """Write both figures; a raster is the first second that was counted of the first seed."""
    from ketasim.circuit.network import WARM_MS
    from ketasim.report.circuit_figure import raster_figure, spectrum_figure

    rasters = {}
    for setting in chosen:
        # The same seed gives the same spikes, so a short run again is enough.
        first = runs[setting.label][0]
        until = WARM_MS + min(first.counted_ms, _RASTER_MS)
        spikes = int(first.population[round(WARM_MS) : round(until)].sum())
        rasters[setting.label] = aside(network.run, setting.condition, 1, until, spikes)
    named = (
        ("raster", raster_figure(rasters, title)),
        ("spectra", spectrum_figure(runs, NO_DRUG_LABEL, title)),
    )
    draw(folder, named)


def _tell(found: Mapping[str, Any], as_json: Path | None) -> None:
    """Show the table, or write JSON to the screen in its place; a file comes beside the table."""
    write_numbers(found, as_json)
    if to_screen(as_json):
        return
    screen = output()
    state = "depressed" if found["depressed"] else "healthy"
    runs = "1 run" if found["seeds"] == 1 else f"{found['seeds']} runs"
    screen.print(
        f"Circuit {found['circuit']}, {state}, {found['cells']:,} cells; {runs} of {found['seconds']:g} s "
        f"each. In brackets: ratio to {found['ratios_to']}.",
        soft_wrap=True,
    )
    screen.print(summary_table(found["settings"]))
    screen.print(
        "Bursts: share of pyramidal spikes. Woken, silenced: pyramidal cells against the undrugged circuit "
        f"under other input; the row {found['ratios_to']!r} is what that does by itself. The size of gamma "
        "is not calibrated. A research and teaching instrument.",
        soft_wrap=True,
    )


circuit.command("signs", epilog="Example: ketasim circuit signs --out figures")(signs)
circuit.command("tabulate", epilog="Example: ketasim circuit tabulate --points 512")(tabulate)
circuit.command("ensemble", epilog="Example: ketasim circuit ensemble --work work --write made")(ensemble)
