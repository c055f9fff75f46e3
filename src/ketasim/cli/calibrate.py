"""``ketasim calibrate``: fit what is free to named targets, repeatably, and tell what they could not tell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli.console import number, output, plain_table
from ketasim.cli.progress import watching
from ketasim.cli.values import whole_number
from ketasim.errors import ModelError, unknown_name

__all__ = ["calibrate_model"]

#: What can be fitted, in this order: which studies may inform a fit; the way from dose to plasma; how much
#: people differ; biology and scoring together; the sets that the targets leave possible; what only animals
#: need; the rival mechanisms; what studies differ by; and the clinical K-PD model beside which all is laid.
_LAYERS = (
    "split",
    "pharmacokinetics",
    "spread",
    "biology",
    "posterior",
    "animals",
    "wirings",
    "between",
    "kpd",
)
_MAX_STEPS = 25


def calibrate_model(
    layer: Annotated[str, typer.Argument(metavar="LAYER", help=", ".join(_LAYERS) + ".")],
    write: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put the values into the tables of this folder."),
    ] = None,
    workers: Annotated[str, typer.Option(metavar="N", help="Processes (pharmacokinetics: threads).")] = "1",
    without: Annotated[
        str,
        typer.Option(metavar="SOURCE", help="Leave rows of a citation or a route out (pharmacokinetics)."),
    ] = "",
    seeds: Annotated[
        str, typer.Option(metavar="N", help="Searches, each from starts of its own (biology, wirings).")
    ] = "3",
    sets: Annotated[str, typer.Option(metavar="N", help="Sets that are drawn (posterior).")] = "200",
) -> None:
    """Fit parameters to targets and tell what was reached, and what the targets could not tell."""
    if layer not in _LAYERS:
        raise ModelError(f"calibrate: {unknown_name('layer', layer, _LAYERS)}")
    if write is not None and not any(write.glob("*/*.csv" if layer == "animals" else "*.csv")):
        raise ModelError(f"--write {write}: there is no table in this folder.")
    processes = whole_number("--workers", workers, "a number of processes", 1, 1024)
    searches = whole_number("--seeds", seeds, "a number of searches", 1, 100)
    drawn = whole_number("--sets", sets, "a number of sets", 2, 100_000)
    if without and layer != "pharmacokinetics":
        raise ModelError(f"--without {without}: only the fit of the pharmacokinetics leaves rows out.")
    run: dict[str, Callable[[], None]] = {
        "split": lambda: _split(write),
        "pharmacokinetics": lambda: _kinetics(write, processes, without),
        "spread": lambda: _spread(write),
        "biology": lambda: _biology(write, processes, searches),
        "posterior": lambda: _posterior(write, processes, drawn),
        "animals": lambda: _animals(write),
        "wirings": lambda: _wirings(write, processes, searches),
        "between": lambda: _between(write, processes),
        "kpd": lambda: _kpd(write),
    }
    run[layer]()


def _kpd(write: Path | None) -> None:
    from ketasim.cli.validate import calibrate_kpd

    calibrate_kpd(write)


def _between(write: Path | None, workers: int) -> None:
    from ketasim.cli.validate import calibrate_between

    calibrate_between(write, workers)


def _split(write: Path | None) -> None:
    """Say which studies may inform a fit; with a folder of files, mark their rows."""
    from ketasim.validation.split import assign, mark_files, shipped_works_of, write_split

    works = shipped_works_of()
    found = assign(works)
    rows = [(work.domain, work.name, found[work.name].use, found[work.name].reason) for work in works]
    screen = output()
    screen.print(plain_table(("domain", "study", "use", "reason"), rows))
    if write is not None:
        changed = mark_files()
        screen.print(f"Written to {write_split(works, write)}; {changed} study files were marked anew.")


def _spread(write: Path | None) -> None:
    """Fit how much people differ to published standard deviations of change."""
    from ketasim.inference.spread import calibrate_spread, write_spread

    with watching("fitting") as watcher:
        found = calibrate_spread(progress=watcher)
    screen = output()
    rows = [(study, arm, number(time), number(sd), number(own)) for study, arm, time, sd, own in found.rows]
    screen.print(plain_table(("study", "arm", "time, h", "published SD", "reached"), rows))
    factors = [(name, number(value), f"{found.shrinkage[name]:.2f}") for name, value in found.factors.items()]
    screen.print(plain_table(("factor on", "value", "posterior/prior SD"), factors))
    if write is not None:
        write_spread(found, write)
        screen.print(f"Written to the tables in {write}.")


def _biology(write: Path | None, workers: int, searches: int) -> None:
    """Fit biology and scoring to targets about the typical patient and to rows of trials."""
    from ketasim.inference.calibration import INFORMED, calibrate, write_values

    with watching("fitting") as watcher:
        result = calibrate(workers=workers, seeds=range(1, searches + 1), progress=watcher)
    screen = output()
    targets = [
        (t.name, t.where, number(t.value), number(t.sd), number(t.reached), f"{t.z:+.1f}", t.basis, t.source)
        for t in result.targets
    ]
    screen.print(
        plain_table(("target", "where", "aimed at", "SD", "reached", "z", "basis", "source"), targets)
    )
    values = [
        (name, number(value), f"{share:.2f}", "calibrated" if share <= INFORMED else "stays near its prior")
        for name, value, share in zip(result.names, result.values, result.shrinkage, strict=True)
    ]
    screen.print(plain_table(("parameter", "value", "posterior/prior SD", "reading"), values))
    losses = ", ".join(f"{found.cost:.4g} (seed {seed})" for seed, found in result.fits.items())
    screen.print(f"Half the sum of squares, priors included: {losses}; they differ by {result.spread:.2%}.")
    if write is not None:
        write_values(result, write)
        screen.print(f"Written to the tables in {write}.")


def _animals(write: Path | None) -> None:
    """Fit what only animals need to their directions and yes-or-no rows."""
    from ketasim.inference.animals import calibrate_animals
    from ketasim.inference.calibration import INFORMED

    with watching("points") as watcher:
        found = calibrate_animals(progress=watcher)
    screen = output()
    rows = [(row.study, row.row, f"{row.observed:+.0f}", f"{row.chance:.2f}") for row in found.rows]
    screen.print(plain_table(("study", "row", "published", "its chance"), rows))
    values = [
        (name, number(value), f"{share:.2f}", "calibrated" if share <= INFORMED else "stays near its prior")
        for name, value, share in zip(found.names, found.values, found.shrinkage, strict=True)
    ]
    screen.print(plain_table(("parameter", "value", "posterior/prior SD", "reading"), values))
    if write is not None:
        found.write(write)
        screen.print(f"Written to the tables of animals in {write}.")


def _posterior(write: Path | None, workers: int, sets: int) -> None:
    """Draw sets that the targets leave possible around the tables' values."""
    from ketasim.inference.calibration import INFORMED, ensemble_around
    from ketasim.population.draws import POSTERIOR_FILE

    with watching("slopes") as watcher:
        prior, found, ensemble = ensemble_around(workers=workers, sets=sets, progress=watcher)
    rows = [
        (
            name,
            f"{share:.2f}",
            f"{own:.2f}",
            "narrowed" if own <= INFORMED else "as wide as its prior, or nearly",
        )
        for name, share, own in zip(prior.names, found.shrinkage, ensemble.prior_sd_ratio, strict=True)
    ]
    screen = output()
    screen.print(plain_table(("parameter", "by slopes", "of the sets", "reading"), rows))
    screen.print(
        f"Loss at the tables' values {found.cost:.4g}. The model agreed with {ensemble.agreed:.0%} of the "
        f"walks of {len(ensemble.z)} chains; {ensemble.moved:.0%} of the chains moved five times or more."
    )
    if write is not None:
        path = write / POSTERIOR_FILE
        prior.draws(ensemble.z).write(path)
        screen.print(f"Written to {path}.")


def _wirings(write: Path | None, workers: int, searches: int) -> None:
    """Fit each rival mechanism to the targets about the typical patient."""
    from ketasim.inference.rivals import calibrate_wirings, write_wirings

    with watching("fitting") as watcher:
        found = calibrate_wirings(workers=workers, seeds=range(1, searches + 1), progress=watcher)
    rows = [
        (name, f"{item.cost:.4g}", f"{item.spread:.2%}", str(len(item.names))) for name, item in found.items()
    ]
    screen = output()
    screen.print(plain_table(("wiring", "loss", "seeds differ by", "free parameters"), rows))
    if write is not None:
        screen.print(f"Written to {write_wirings(found, write)}.")


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
