"""``ketasim population``: one regimen, many virtual patients."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli.console import INTERRUPTED, complain, output
from ketasim.cli.values import whole_number

__all__ = ["population"]

_PATIENTS = ("a number of patients", 1, 100_000_000)
_SEED, _WORKERS = ("a seed", 0, 2**63 - 1), ("a number of threads", 1, 1024)


def population(
    regimen: Annotated[str, typer.Argument(metavar="REGIMEN", help="Doses as text, or none.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the results go.")],
    patients: Annotated[str, typer.Option(help="How many virtual patients.")] = "1000",
    quantity: Annotated[
        list[str] | None, typer.Option(help="What is kept of each; repeatable. Default: severity.")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="TIMES", help="When it is kept, as 40min,24h,7d.")
    ] = None,
    days: Annotated[str, typer.Option(help="Time to simulate.")] = "28d",
    table: Annotated[
        str, typer.Option(metavar="NAME", help="Who they are: a baseline table such as trd_esketamine.")
    ] = "mdd_trials",
    seed: Annotated[str, typer.Option(help="Names the random numbers.")] = "1",
    workers: Annotated[str | None, typer.Option(help="Threads; default: one a core.")] = None,
    people: Annotated[
        bool, typer.Option("--people", help="Write who they are, too: covariates, deviations, stress.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the results that are there.")] = False,
) -> None:
    """Simulate many virtual patients under a regimen, and write a row for each."""
    from ketasim.api.population import simulate_population
    from ketasim.cli.progress import watching

    count = whole_number("--patients", patients, *_PATIENTS)
    threads = None if workers is None else whole_number("--workers", workers, *_WORKERS)
    times = [part.strip() for text in at or ("24h,7d",) for part in text.split(",")]
    try:
        with watching("building the model") as watcher:
            found = simulate_population(
                regimen,
                count,
                out,
                quantities=tuple(quantity or ("severity",)),
                at=times,
                days=days,
                spec=table,
                seed=whole_number("--seed", seed, *_SEED),
                workers=threads,
                keep_people=people,
                force=force,
                progress=watcher,
            )
    except KeyboardInterrupt as error:
        complain(
            f"stopped by Ctrl-C. The parts in {out} are kept; manifest.json says how many patients they hold."
        )
        raise typer.Exit(INTERRUPTED) from error
    screen = output()
    screen.print(
        f"{found.patients - found.failed:,} of {found.patients:,} patients in {found.folder}", soft_wrap=True
    )
    if found.failed:
        screen.print(
            f"{found.failed:,} could not be simulated: see {found.folder / 'failed.csv'}", soft_wrap=True
        )
