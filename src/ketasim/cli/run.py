"""``ketasim run``: a trial from its file to a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import INTERRUPTED, REFUSED, complain, describe, number, output, plain_table, span
from ketasim.cli.studies import known_quantities
from ketasim.cli.values import computable, whole_number
from ketasim.errors import KetasimError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ketasim.api import TrialResult
    from ketasim.trials import Study

__all__ = ["run"]

#: Persons from which the size of a run is told before it starts.
_LARGE = 2_000
#: Persons from which their outcomes fill the memory of a common computer.
_HEAVY = 200_000
#: What the whole numbers count, and their least and largest value. No computer holds the outcomes of more
#: patients.
_SUBJECTS = ("a number of patients per arm", 1, 10_000_000)
_WORKERS = ("a number of processes", 1, 1024)
_SEED = ("a seed", 0, 2**63 - 1)
#: Rough costs, measured: seconds a person and process for a month's course, bytes a row of outcomes in
#: memory and on disk.
_SECONDS, _ROW_MEMORY, _ROW_DISK = 0.3, 150.0, 5.0
_AGAIN = "Run the same command with --force to start anew."
#: Rows of the table on the screen; the file has all.
_SHOWN = 40


def run(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A shipped name, or a study file.")],
    subjects: Annotated[
        str | None, typer.Option(metavar="N", help="Patients per arm; default: the published n.")
    ] = None,
    seed: Annotated[str, typer.Option(metavar="N", help="Same seed, same result.")] = "1",
    workers: Annotated[str | None, typer.Option(metavar="N", help="Processes; default: one a core.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; default: runs/STUDY-seedSEED.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run folder.")] = False,
    days: Annotated[str | None, typer.Option(help="Time to simulate, as 14d; default: to the end.")] = None,
    table_format: Annotated[
        str, typer.Option("--format", help="parquet or csv, for the outcomes.")
    ] = "parquet",
    parameters: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with name, value, unit: replaces parameters.")
    ] = None,
) -> None:
    """Simulate a trial and write a report beside what was published."""
    from ketasim.api import simulate_study
    from ketasim.cli.progress import watching
    from ketasim.trials import Study

    size = None if subjects is None else whole_number("--subjects", subjects, *_SUBJECTS)
    processes = None if workers is None else whole_number("--workers", workers, *_WORKERS)
    number_of_seed = whole_number("--seed", seed, *_SEED)
    chosen = Study.load(study, known_quantities())
    folder = Path("runs") / f"{chosen.id}-seed{number_of_seed}" if out is None else out
    _announce(chosen, size)
    origin = f"--parameters {parameters}" if parameters else ""
    with _keeping(folder), watching("building the model") as watcher, computable(origin):
        result = simulate_study(
            chosen,
            subjects=size,
            seed=number_of_seed,
            workers=processes,
            days=days,
            parameters=parameters,
            out=folder,
            force=force,
            table_format=table_format,
            progress=watcher,
        )
    _show(result, folder)


def _announce(study: Study, subjects: int | None) -> None:
    """Tell how large a large run is, before it starts."""
    persons = sum(arm.n if subjects is None else subjects for arm in study.arms)
    if persons < _LARGE:
        return
    rows = persons * (len(study.times_h) + 1) * 15
    print(
        f"{persons:,} patients: very roughly {span(persons * _SECONDS / 3600.0)} of one process's work, "
        f"{rows * _ROW_DISK / 1e9:.2g} GB on disk and {rows * _ROW_MEMORY / 1e9:.2g} GB of memory. "
        "Ctrl-C stops the run and keeps what is finished.",
        file=sys.stderr,
    )
    if persons > _HEAVY:
        print(
            "Warning: the outcomes of all patients are held in memory until the report is made. Fewer "
            "--subjects are safer: beyond some thousands per arm the group means hardly change.",
            file=sys.stderr,
            flush=True,
        )


@contextmanager
def _keeping(folder: Path) -> Iterator[None]:
    """Say what is kept of a run that was stopped or failed half-way."""
    manifest = folder / "manifest.json"
    before = _stamp(manifest)
    try:
        yield
    except KeyboardInterrupt as error:
        kept = _kept(folder) if _stamp(manifest) not in (None, before) else "Nothing was written."
        complain(f"stopped by Ctrl-C. {kept}")
        raise typer.Exit(INTERRUPTED) from error
    except (KetasimError, OSError, MemoryError, BrokenProcessPool) as error:
        message = describe(error)
        if isinstance(error, BrokenProcessPool):
            message = (
                "a worker process was ended from outside, most often because the memory was full; use fewer "
                "--workers or --subjects."
            )
        if _stamp(manifest) not in (None, before):
            message = f"{message} {_kept(folder)}"
        complain(message)
        raise typer.Exit(REFUSED) from error


def _stamp(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None


def _kept(folder: Path) -> str:
    """Name the finished parts in a run folder."""
    done = len(list((folder / "outcomes").glob("part-*")))
    try:
        total = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["parts"]
    except (OSError, ValueError, KeyError):
        total = "all"
    if done == 0:
        return f"No part was finished; {folder} holds the study and the manifest. {_AGAIN}"
    word = "part" if done == 1 else "parts"
    return f"{done} finished {word} of {total} kept in {folder / 'outcomes'}; there is no report. {_AGAIN}"


def _small(result: TrialResult) -> bool:
    """Whether an arm of the run has fewer patients than the published one."""
    people = result.outcomes.groupby("arm")["subject"].nunique()
    return any(people.get(arm.id, 0) < arm.n for arm in result.study.arms)


def _show(result: TrialResult, folder: Path) -> None:
    """Lay published beside simulated, and say where the report is."""
    screen = output()
    rows = result.comparison
    screen.print(_endpoint_table(result) if rows.empty else _comparison_table(rows))
    scored = rows["z"].dropna()
    if len(scored):
        hits = int((scored.abs() <= 2.0).sum())
        screen.print(f"{hits} of {len(scored)} scored published values within two standard errors.")
        if _small(result):
            screen.print(
                "An arm has fewer patients than in the trial: its errors are wide, "
                "so meeting a value says little."
            )
    if len(rows) > _SHOWN:
        screen.print(f"{len(rows) - _SHOWN} more rows in {folder / 'comparison.csv'}")
    if result.failed:
        count = len(result.failed)
        word = "person" if count == 1 else "persons"
        screen.print(f"{count} {word} could not be simulated; the report lists them.")
    screen.print(f"report: {folder / 'report.html'}", soft_wrap=True)


def _comparison_table(rows: pd.DataFrame) -> Table:
    cells = [
        (
            str(row["arm"]) + (f" - {row['comparator']}" if row["comparator"] else ""),
            span(row["time_h"]),
            f"{row['quantity']} {row['statistic']}",
            number(row["observed"]),
            number(row["observed_se"]),
            number(row["predicted"]),
            number(row["predicted_se"]),
            "-" if row["z"] != row["z"] else f"{row['z']:.1f}",
            str(row["unit"]),
            str(row["use"]),
        )
        for row in rows.head(_SHOWN).to_dict("records")
    ]
    columns = ("arm", "time", "statistic", "observed", "SE", "predicted", "SE ", "z", "unit", "use")
    right = ("observed", "SE", "predicted", "SE ", "z", "time")
    return plain_table(columns, cells, title="Published beside simulated", right=right)


def _endpoint_table(result: TrialResult) -> Table:
    """Simulated means of the main scale, for a study without published values."""
    rows = result.endpoints
    rows = rows[rows["quantity"] == result.study.population.baseline.scale]
    cells = [
        (
            str(row["arm"]),
            span(row["time_h"]),
            str(row["quantity"]),
            str(row["n"]),
            number(row["mean"]),
            number(row["sd"]),
            number(row["change_mean"]),
            number(row["response"]),
        )
        for row in rows.head(_SHOWN).to_dict("records")
    ]
    columns = ("arm", "time", "quantity", "n", "mean", "SD", "change", "response")
    title = "Simulated (this study has no published values)"
    return plain_table(columns, cells, title=title, right=columns[1:2] + columns[3:])
