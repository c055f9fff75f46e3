"""``ketasim power``: how many patients a trial needs, and what if it were run in another way."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import INTERRUPTED, complain, number, output, plain_table, write_json
from ketasim.cli.values import computable, whole_number
from ketasim.errors import ModelError

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.api.power import PowerResult

__all__ = ["power"]

_REPLICATES = ("a number of simulated trials", 2, 1_000_000)
_SETS = ("a number of draws", 1, 10_000)
_SEED, _WORKERS = ("a seed", 0, 2**63 - 1), ("a number of processes", 1, 1024)
_TITLES = {"power": "Power", "assurance": "Assurance", "null": "Type I error"}


Changed = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change a field of the study; repeatable."),
]
Replaced = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter", metavar="NAME=VALUE", help="Replace a parameter, as placebo_gain=0.5; repeatable."
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option(
        "--what-if",
        metavar="'LABEL: PATH=VALUE; ...'",
        help="A further curve with these changes; parameter.NAME replaces a parameter; repeatable.",
    ),
]
Assurance = Annotated[
    bool, typer.Option("--assurance", help="Let studies differ, and draw uncertain parameters.")
]
Sets = Annotated[
    str | None,
    typer.Option(
        "--sets", metavar="N", help="Draws of the parameters for --assurance; default: 25; 1: none."
    ),
]
Null = Annotated[bool, typer.Option("--null", help="Treat everybody as the control: type I error.")]
Better = Annotated[
    str | None,
    typer.Option("--better", help="Wanted direction of the estimate, lower or higher; default: found."),
]
Folder = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Write tables, figure and page here.")
]


def power(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="A shipped name, or a study file.")],
    n: Annotated[
        str, typer.Option("--n", metavar="SIZES", help="Patients in all, as 50:400, 50:400:50 or 60,120.")
    ],
    replicates: Annotated[str, typer.Option(metavar="N", help="Simulated trials.")] = "500",
    analysis: Annotated[
        str | None, typer.Option(metavar="ID", help="An analysis of the study; default: its first.")
    ] = None,
    set_: Changed = None,
    parameter: Replaced = None,
    what_if: Beside = None,
    assurance: Assurance = False,
    sets: Sets = None,
    null: Null = False,
    better: Better = None,
    seed: Annotated[str, typer.Option(metavar="N", help="Same seed, same result.")] = "1",
    workers: Annotated[str | None, typer.Option(metavar="N", help="Processes; default: one a core.")] = None,
    out: Folder = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Compute the power of a trial over its number of patients, from whole simulated trials."""
    from ketasim.api.power import study_power
    from ketasim.cli.progress import watching
    from ketasim.cli.studies import known_quantities
    from ketasim.design.what_if import parse_assignment
    from ketasim.trials import Study

    if out is not None and out.exists() and not out.is_dir():
        raise ModelError(f"--out {out}: this is a file; name a folder.")
    fields = [parse_assignment(text, "--set") for text in set_ or []]
    values = [parse_assignment(text, "--parameter") for text in parameter or []]
    for option, pairs in (("--set", fields), ("--parameter", values)):
        _refuse_twice(option, [name for name, _ in pairs])
    count = whole_number("--replicates", replicates, *_REPLICATES)
    origin = "; ".join(f"--parameter {text}" for text in parameter or [])
    with watching("building the model") as watcher, computable(origin):
        result = study_power(
            Study.load(study, known_quantities()),
            n,
            replicates=count,
            analysis=analysis,
            set=dict(fields),
            parameter=dict(values),
            what_if=what_if or (),
            assurance=assurance,
            sets=None if sets is None else whole_number("--sets", sets, *_SETS),
            null=null,
            better=better,
            seed=whole_number("--seed", seed, *_SEED),
            workers=None if workers is None else whole_number("--workers", workers, *_WORKERS),
            progress=watcher,
        )
    _give(result, out, as_json=as_json)
    if result.interrupted:
        complain(
            f"stopped by Ctrl-C after {result.finished} of {count} trials; the numbers are those of the "
            "finished ones."
        )
        raise typer.Exit(INTERRUPTED)


def _give(result: PowerResult, out: Path | None, *, as_json: bool) -> None:
    """Write the files, and show the numbers."""
    if out is not None:
        result.write(out)
    if as_json:
        write_json(result.as_data())
    else:
        _show(result)
    if out is not None:
        print(f"power: {out / 'power.html'}", file=sys.stderr)


def _refuse_twice(option: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ModelError(f"{option}: {name!r} is given twice; keep one.")


def _show(result: PowerResult) -> None:
    screen = output()
    screen.print(_table(result))
    for item in result.needed:
        screen.print(item.words)
    lost = int(result.table["not_estimated"].max())
    if lost:
        rows = result.replicates
        notes = rows[rows["estimate"].isna() & (rows["note"] != "")]["note"]
        why = "" if notes.empty else f" Most often {notes.mode().iloc[0].rstrip('.')}."
        screen.print(f"Up to {lost} trials of a size gave no estimate; they count as not rejecting.{why}")
    for note in result.notes:
        screen.print(note)


def _table(result: PowerResult) -> Table:
    from ketasim.report.power_page import interval_words

    null = result.kind == "null"
    share, low, high = ("rejected", "rejected_low", "rejected_high") if null else ("power", "low", "high")
    rows = [
        (
            str(row["label"]),
            str(row["n_total"]),
            str(row["n_by_arm"]),
            f"{100.0 * row[share]:.1f} %",
            interval_words(row[low], row[high]),
            number(row["estimate_mean"]),
            number(row["estimate_sd"]),
            str(row["unit"]),
        )
        for row in result.table.to_dict("records")
    ]
    word = _TITLES[result.kind]
    columns = ("way", "n", "by arm", word.lower(), "95 % interval", "mean estimate", "SD", "unit")
    title = f"{word} of {result.analysis} of {result.study.id}; {result.finished} simulated trials"
    return plain_table(
        columns, rows, title=title, right=("n", word.lower(), "95 % interval", "mean estimate", "SD")
    )
