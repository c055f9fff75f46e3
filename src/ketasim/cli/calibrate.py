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

#: What can be fitted: the way from dose to plasma, the biology given that, the scoring layer given both; and
#: how far the targets leave the fitted biology open.
_LAYERS = ("pharmacokinetics", "biology", "scoring", "uncertainty")
_MAX_STEPS = 25


def calibrate_model(
    layer: Annotated[
        str, typer.Argument(metavar="LAYER", help="pharmacokinetics, biology, scoring, uncertainty.")
    ],
    write: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put the values into the parameter tables of this folder."),
    ] = None,
    workers: Annotated[str, typer.Option(metavar="N", help="Processes (pharmacokinetics: threads).")] = "1",
    without: Annotated[
        str,
        typer.Option(metavar="SOURCE", help="Leave rows of a citation or a route out (pharmacokinetics)."),
    ] = "",
) -> None:
    """Fit parameters to targets and tell what was reached, and what the targets could not tell."""
    from ketasim.inference import calibrate, calibrate_scoring, write_values
    from ketasim.inference.calibration import INFORMED

    if layer not in _LAYERS:
        raise ModelError(f"calibrate: {unknown_name('layer', layer, _LAYERS)}")
    if write is not None and not any(write.glob("*.csv")):
        raise ModelError(f"--write {write}: there is no parameter table in this folder.")
    processes = whole_number("--workers", workers, "a number of processes", 1, 1024)
    if layer == "pharmacokinetics":
        _kinetics(write, processes, without)
        return
    if without:
        raise ModelError(f"--without {without}: only the fit of the pharmacokinetics leaves rows out.")
    if layer == "uncertainty":
        _uncertainty(write, processes)
        return
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


def _uncertainty(write: Path | None, workers: int) -> None:
    """Tell how far each fitted parameter was narrowed at the shipped values, and write the covariance."""
    from ketasim.inference.calibration import INFORMED
    from ketasim.inference.uncertainty import fit_covariance, write_covariance

    with watching("derivatives") as watcher:
        found = fit_covariance(
            workers=workers, progress=lambda done, total: watcher("parameters", done, total)
        )
    values = [
        (name, f"{share:.2f}", "narrowed" if share <= INFORMED else "as wide as its prior, or nearly")
        for name, share in zip(found.names, found.shrinkage, strict=True)
    ]
    screen = output()
    screen.print(plain_table(("parameter", "posterior/prior SD", "reading"), values))
    if write is not None:
        screen.print(f"Written to {write_covariance(found, write)}.")


def _kinetics(write: Path | None, workers: int, without: str) -> None:
    """Fit the pharmacokinetics, and tell how far each source and route is met."""
    from ketasim.evidence.readings import load_readings
    from ketasim.inference.calibration import INFORMED
    from ketasim.inference.kinetics import calibrate_kinetics, write_kinetics

    readings = load_readings(use=("fit", "check"))
    known = sorted({*readings["citation"], *readings["route"]})
    if without and without not in known:
        raise ModelError(f"--without: {unknown_name('source or route', without, known)}")
    if without and write is not None:
        raise ModelError("--write: a fit that leaves rows out is for looking at; leave out --without.")
    with watching("fitting") as watcher:
        fit = calibrate_kinetics(
            max_steps=_MAX_STEPS,
            workers=workers,
            progress=lambda step: watcher("steps", step, _MAX_STEPS),
            without=without,
        )
    screen = output()
    values = [
        (name, number(value), f"{share:.2f}", "calibrated" if share <= INFORMED else "stays near its prior")
        for name, value, share in zip(fit.names, fit.values, fit.shrinkage, strict=True)
    ]
    screen.print(plain_table(("parameter", "value", "posterior/prior SD", "reading"), values))
    for column in ("route", "citation"):
        rows = [
            (f"{name}, left out" if name == without else name, kind, str(n), f"{100.0 * error:.1f} %")
            for name, kind, n, error in fit.errors(column)
        ]
        screen.print(plain_table((column, "rows are", "n", "median absolute error"), rows))
    screen.print(f"Half the robust sum of squares, priors included: {fit.cost:.4g}.")
    if write is not None:
        write_kinetics(fit, write)
        screen.print(f"Written to the tables in {write} and the options beside them.")
