"""``ketasim run``: a trial from its file to a report."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.console import INTERRUPTED, REFUSED, complain, describe, number, output, plain_table, span
from ketasim.cli.experiment import run_experiment
from ketasim.cli.studies import known_quantities
from ketasim.cli.values import computable, whole_number
from ketasim.errors import KetasimError, StudyError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ketasim.api import TrialResult
    from ketasim.trials import Study

__all__ = ["run"]

#: Persons from which the size of a run is told before it starts.
_LARGE = 2_000
#: What the whole numbers count, and their least and largest value.
_SUBJECTS = ("a number of patients per arm", 1, 10_000_000)
_REPLICATES = ("a number of trials", 1, 1_000_000)
_WORKERS = ("a number of processes", 1, 1024)
_SEED = ("a seed", 0, 2**63 - 1)
#: Rough costs, measured: seconds a person and process for a day, and bytes on disk of a row and of a person.
_SECONDS_A_DAY, _ROW_DISK, _PERSON_DISK = 5e-5, 10.0, 80.0
#: Rows a person and visit: of a run that keeps everything, and of a large one that keeps scores.
_ROWS, _ROWS_LARGE, _KEEPS_SCORES = 16, 4, 20_000
_AGAIN = "Run the same command with --resume to go on, or with --force to start anew."
#: Rows of the table on the screen; the file has all.
_SHOWN = 40


def run(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A shipped name, or a study or experiment file.")
    ],
    subjects: Annotated[
        str | None, typer.Option(metavar="N", help="Patients per arm; default: the published n.")
    ] = None,
    replicates: Annotated[
        str, typer.Option(metavar="N", help="How often the whole trial is simulated, with other patients.")
    ] = "1",
    seed: Annotated[str, typer.Option(metavar="N", help="Same seed, same result.")] = "1",
    workers: Annotated[str | None, typer.Option(metavar="N", help="Processes; default: one a core.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder; default: runs/STUDY-seedSEED.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing run folder.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run that was stopped; the result is the same.")
    ] = False,
    days: Annotated[str | None, typer.Option(help="Time to simulate, as 14d; default: to the end.")] = None,
    table_format: Annotated[
        str, typer.Option("--format", help="parquet or csv, for the outcomes.")
    ] = "parquet",
    parameters: Annotated[
        Path | None, typer.Option(metavar="FILE", help="CSV with name, value, unit: replaces parameters.")
    ] = None,
    hold: Annotated[
        str, typer.Option(metavar="WHAT", help="belief or biology: is held as without the drug.")
    ] = "nothing",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler whose workers simulate.")
    ] = None,
) -> None:
    """Simulate a trial and write a report beside what was published; of an experiment, show its rows."""
    from ketasim.trials import Study, load_work

    settings: dict[str, Any] = {
        "subjects": None if subjects is None else whole_number("--subjects", subjects, *_SUBJECTS),
        "workers": None if workers is None else whole_number("--workers", workers, *_WORKERS),
        "seed": whole_number("--seed", seed, *_SEED),
        "replicates": whole_number("--replicates", replicates, *_REPLICATES),
        "days": days,
        "parameters": parameters,
        "force": force,
        "resume": resume,
        "hold": hold,
        "scheduler": scheduler,
        "table_format": table_format,
    }
    work = load_work(study, known_quantities())
    if isinstance(work, Study):
        _run_trial(work, out, settings)
        return
    with computable(f"--parameters {parameters}" if parameters else ""):
        run_experiment(work, {**settings, "out": out})


def _run_trial(study: Study, out: Path | None, settings: dict[str, Any]) -> None:
    """Simulate a trial into its folder and show what came out."""
    from ketasim.api import simulate_study
    from ketasim.cli.progress import watching

    folder = Path("runs") / f"{study.id}-seed{settings['seed']}" if out is None else out
    if settings["force"] and settings["resume"]:
        raise StudyError("--force and --resume: the first begins anew, the second goes on; give one of them.")
    _announce(study, settings["subjects"], settings["replicates"], settings["days"])
    parameters = settings["parameters"]
    origin = f"--parameters {parameters}" if parameters else ""
    with _keeping(folder), watching("building the model") as watcher, computable(origin):
        result = simulate_study(study, out=folder, progress=watcher, **settings)
    _show(result, folder)


def _announce(study: Study, subjects: int | None, replicates: int, days: str | None) -> None:
    """Tell how large a large run is, before it starts."""
    from ketasim.api.options import length_h

    persons = replicates * sum((arm.n or 0) if subjects is None else subjects for arm in study.first_arms)
    if persons < _LARGE:
        return
    end_h = max(study.times_h) if days is None else length_h(days)
    visits = 1 + sum(time <= end_h for time in study.times_h)
    rows = visits * (_ROWS_LARGE if persons > _KEEPS_SCORES else _ROWS)
    room = persons * (rows * _ROW_DISK + _PERSON_DISK) / 1e9
    work = span(persons * end_h / 24.0 * _SECONDS_A_DAY / 3600.0)
    print(
        f"{persons:,} patients: very roughly {work} of one process's work and "
        f"{room:.2g} GB on disk. Ctrl-C stops the run and keeps what is finished; "
        "--resume goes on with it.",
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
    except (KetasimError, OSError, MemoryError) as error:
        message = describe(error)
        if _stamp(manifest) not in (None, before) and "--resume" not in message:
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
    people = result.patients["arm"].value_counts()
    return any(people.get(arm.id, 0) < (arm.n or 0) for arm in result.study.first_arms)


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
        where = "they stand in the table of patients" if result.is_large else "the report lists them"
        screen.print(f"{count} {word} could not be simulated; {where}.")
    if result.is_large:
        screen.print(
            f"tables: {folder}; so many patients get no report, which shows single ones.", soft_wrap=True
        )
    else:
        screen.print(f"report: {folder / 'report.html'}", soft_wrap=True)


def _comparison_table(rows: pd.DataFrame) -> Table:
    several = rows["replicate"].nunique() > 1
    cells = [
        (
            *((str(row["replicate"] + 1),) if several else ()),
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
    first = ("trial",) if several else ()
    columns = (*first, "arm", "time", "statistic", "observed", "SE", "predicted", "SE ", "z", "unit", "use")
    right = (*first, "observed", "SE", "predicted", "SE ", "z", "time")
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
