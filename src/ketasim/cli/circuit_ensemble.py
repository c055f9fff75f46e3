"""``ketasim circuit signs``, ``tabulate`` and ``ensemble``: the circuits behind the chain."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import INTERRUPTED, complain, number, output, plain_table
from ketasim.cli.values import whole_number
from ketasim.cli.work import aside, draw, require_file, require_folder, until
from ketasim.errors import ModelError, unknown_name

if TYPE_CHECKING:
    from ketasim.circuit.ensemble import Ensemble, Surface
    from ketasim.circuit.ensemble import SignShare as CountedSign

__all__ = ["ensemble", "signs", "tabulate"]

_FEWEST_POINTS, _MOST_POINTS = 128, 16_384
_MOST_DRAWS = 100_000
_CURVE_POINTS = 60
_DEEPEST = 0.8


def signs(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the tables as Markdown.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Draw dose curves and signs into this folder.")
    ] = None,
) -> None:
    """Tell which share of plausible circuits shows each sign, and what the shipped circuits do."""
    from ketasim.circuit.ensemble import load_ensemble

    require_folder("--out", out)
    _report(load_ensemble(), markdown=markdown)
    if out is not None:
        _draw(load_ensemble(), out)


def tabulate(
    name: Annotated[
        str | None, typer.Option("--circuit", metavar="NAME", help="Default: the most likely one.")
    ] = None,
    points: Annotated[str, typer.Option(metavar="N", help="Points of the design.")] = "512",
    threads: Annotated[str | None, typer.Option(metavar="N", help="Default: one a core.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep what the network did at each point.")
    ] = None,
) -> None:
    """Run one circuit over the design, fit its surfaces, and tell their cross-validated error."""
    from ketasim.circuit.ensemble import circuit_names
    from ketasim.circuit.network import load_network
    from ketasim.circuit.tabulate import fit_surface, run_design, write_runs
    from ketasim.cli.progress import watching

    names = circuit_names()
    if name is not None and name not in names:
        raise ModelError(f"--circuit: {unknown_name('circuit', name, names)}")
    wanted = whole_number("--points", points, "a number of points", _FEWEST_POINTS, _MOST_POINTS)
    workers = _workers(threads)
    require_file("--out", out)
    stop = Event()
    with watching("building the network") as watcher:
        network = aside(load_network, name)
        runs = aside(
            run_design,
            network,
            wanted,
            workers,
            until(stop, lambda done: watcher("running the network", done, wanted)),
            stop=stop,
        )
        if out is not None:
            write_runs(out, runs)
        surface = aside(fit_surface, runs)
    screen = output()
    screen.print(
        f"Circuit {name or names[0]}: {wanted:,} points. Errors are cross-validated, in natural log."
    )
    screen.print(plain_table(_ERROR_COLUMNS, _error_rows({name or names[0]: surface})))
    if out is not None:
        print(f"runs: {out}", file=sys.stderr)


def ensemble(
    work: Annotated[
        Path, typer.Option(metavar="FOLDER", help="What was run is kept here; a stopped build goes on.")
    ],
    draws: Annotated[str, typer.Option(metavar="N", help="Circuits to draw.")] = "300",
    keep: Annotated[str, typer.Option(metavar="N", help="Circuits to keep.")] = "24",
    points: Annotated[
        str, typer.Option(metavar="N", help="Points of each design; the first has twice.")
    ] = "512",
    threads: Annotated[str | None, typer.Option(metavar="N", help="Default: one a core.")] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write ensemble.json and the chain's circuit.csv here."),
    ] = None,
) -> None:
    """Draw circuits, keep the plausible and likely ones, run and fit each: what the chain reads."""
    from ketasim.circuit.building import FEWEST, build_ensemble
    from ketasim.circuit.ensemble import write_ensemble
    from ketasim.cli.progress import watching
    from ketasim.model.circuits import write_circuit_table

    many = whole_number("--draws", draws, "a number of draws", FEWEST, _MOST_DRAWS)
    kept = whole_number("--keep", keep, "a number of circuits", FEWEST, many)
    wanted = whole_number("--points", points, "a number of points", _FEWEST_POINTS, _MOST_POINTS)
    workers = _workers(threads)
    require_folder("--work", work)
    require_folder("--write", write)
    stop = Event()
    try:
        with watching("drawing circuits") as watcher:
            found = aside(build_ensemble, work, many, kept, wanted, workers, until(stop, watcher), stop=stop)
    except KeyboardInterrupt as error:
        complain(
            f"stopped by Ctrl-C; what is finished is in {work}, and the same command goes on from there."
        )
        raise typer.Exit(INTERRUPTED) from error
    _report(found, markdown=False)
    if write is not None:
        write.mkdir(parents=True, exist_ok=True)
        write_ensemble(write / "ensemble.json", found)
        write_circuit_table(write / "circuit.csv", found)
        print(f"written: {write / 'ensemble.json'} and {write / 'circuit.csv'}", file=sys.stderr)


def _workers(threads: str | None) -> int:
    if threads is None:
        return os.cpu_count() or 1
    return whole_number("--threads", threads, "a number of threads", 1, 1024)


_SIGN_COLUMNS = ("sign", "shown by", "share", "95 %", "goes with (rank correlation)")
_ERROR_COLUMNS = ("circuit", "output", "error", "where a drug goes", "between seeds")
_CIRCUIT_COLUMNS = ("circuit", "weight", "pyramidal", "PV", "SST", "VIP", "uniform", "VIP as SST", "deep")
_EFFECTS = (
    "pyramidal_clinical",
    "pv_clinical",
    "sst_clinical",
    "vip_clinical",
    "uniform",
    "vip_as_sst",
    "anaesthetic",
)


def _sign_rows(shares: Iterable[CountedSign]) -> list[tuple[str, ...]]:
    return [
        (
            sign.title,
            f"{sign.shown} of {sign.accepted}",
            f"{100.0 * sign.share:.0f} %",
            "{:.0f} to {:.0f} %".format(*(100.0 * end for end in sign.interval)),
            ", ".join(f"{name} {value:+.2f}" for name, value in sign.causes),
        )
        for sign in shares
    ]


def _error_rows(surfaces: Mapping[str, Surface]) -> list[tuple[str, ...]]:
    return [
        (name, output_name, f"{error:.3f}", f"{surface.near_error[output_name]:.3f}", f"{spread:.3f}")
        for name, surface in surfaces.items()
        for (output_name, error), spread in zip(
            surface.error.items(), surface.seed_spread.values(), strict=True
        )
    ]


def _circuit_rows(found: Ensemble) -> list[tuple[str, ...]]:
    return [
        (
            circuit.name,
            f"{circuit.weight:.3f}",
            *(number(math.exp(circuit.effects[name])) for name in _EFFECTS),
        )
        for circuit in found.circuits
    ]


def _report(found: Ensemble, *, markdown: bool) -> None:
    first = found.circuits[0]
    tables = (
        (_SIGN_COLUMNS, _sign_rows(found.signs)),
        (_CIRCUIT_COLUMNS, _circuit_rows(found)),
        (_ERROR_COLUMNS, _error_rows({first.name: first.surface})),
    )
    refused = ", ".join(f"{why} {count}" for why, count in found.refused.items())
    head = (
        f"{found.draws} draws, {found.accepted} with a plausible baseline (refused: {refused}); "
        f"{len(found.circuits)} kept, worth {found.effective_size:.1f} of equal weight."
    )
    if markdown:
        print(head)
        for columns, rows in tables:
            print()
            print("| " + " | ".join(columns) + " |")
            print("|" + "---|" * len(columns))
            for row in rows:
                print("| " + " | ".join(row) + " |")
        return
    screen = output()
    screen.print(head, soft_wrap=True)
    for columns, rows in tables:
        screen.print(plain_table(columns, rows))


def _draw(found: Ensemble, folder: Path) -> None:
    """Dose curves of all circuits along the clinical axis, and the share of circuits behind each sign."""
    import numpy as np

    from ketasim.circuit.blocks import blocks_at_mean
    from ketasim.circuit.condition import Condition
    from ketasim.circuit.design import inputs_of
    from ketasim.circuit.formulas import OUTPUTS
    from ketasim.circuit.ridge import evaluate
    from ketasim.report.circuit_ensemble_figure import SignShare, circuit_ensemble_figure

    means = np.linspace(0.0, _DEEPEST, _CURVE_POINTS)
    inputs = np.array([inputs_of(Condition(blocks_at_mean(float(mean)))) for mean in means])
    ratios = np.exp(np.array([evaluate(circuit.surface.ridge, inputs) for circuit in found.circuits]))
    curves = {output_name: ratios[:, :, k] for k, output_name in enumerate(OUTPUTS)}
    title = f"{len(found.circuits)} circuits, {found.accepted} plausible of {found.draws} drawn"
    shares = [SignShare(sign.title, sign.share, *sign.interval) for sign in found.signs]
    figure = circuit_ensemble_figure(means, curves, found.weights, shares, title)
    draw(folder, [("circuit_ensemble", figure)])
