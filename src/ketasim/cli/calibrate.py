"""``ketasim calibrate``: fit the free parameters to the named targets, repeatably."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli.console import number, output, plain_table
from ketasim.cli.progress import watching
from ketasim.cli.values import whole_number
from ketasim.errors import ModelError, unknown_name

__all__ = ["calibrate_model"]

#: What can be fitted: the chain's biology, or the scoring layer given the biology.
_LAYERS = ("biology", "scoring")
_MAX_STEPS = 25


def calibrate_model(
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="biology or scoring.")],
    write: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put the values into the parameter tables of this folder."),
    ] = None,
    workers: Annotated[str, typer.Option(metavar="N", help="Processes.")] = "1",
) -> None:
    """Fit parameters to targets and tell what was reached, and what the targets could not tell."""
    from ketasim.inference import calibrate, calibrate_scoring, write_values
    from ketasim.inference.calibration import INFORMED

    if layer not in _LAYERS:
        raise ModelError(f"calibrate: {unknown_name('layer', layer, _LAYERS)}")
    if write is not None and not any(write.glob("*.csv")):
        raise ModelError(f"--write {write}: there is no parameter table in this folder.")
    processes = whole_number("--workers", workers, "a number of processes", 1, 1024)
    with watching("fitting") as watcher:
        if layer == "biology":
            result = calibrate(
                workers=processes,
                max_steps=_MAX_STEPS,
                progress=lambda step, *_: watcher("steps", step, _MAX_STEPS),
            )
        else:
            result = calibrate_scoring()
    screen = output()
    targets = [
        (t.name, t.scenario, number(t.value), number(t.sd), number(r), f"{z:+.1f}", t.basis, t.source)
        for t, r, z in zip(result.targets, result.reached, result.z, strict=True)
    ]
    screen.print(
        plain_table(("target", "where", "aimed at", "SD", "reached", "z", "basis", "source"), targets)
    )
    values = [
        (name, number(value), f"{share:.2f}", "calibrated" if share <= INFORMED else "stays near its prior")
        for name, value, share in zip(result.names, result.values, result.shrinkage, strict=True)
    ]
    screen.print(plain_table(("parameter", "value", "posterior/prior SD", "reading"), values))
    screen.print(f"Half the sum of squares, priors included: {result.cost:.4g}.")
    if write is not None:
        write_values(result, write)
        screen.print(f"Written to the tables in {write}.")
