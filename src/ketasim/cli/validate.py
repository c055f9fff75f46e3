"""``ketasim validate``: every published row beside the model's prediction, and beside three baselines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import REFUSED, complain, number, output, plain_table
from ketasim.cli.progress import watching
from ketasim.cli.values import whole_number
from ketasim.cli.work import require_file, to_screen, write_numbers
from ketasim.errors import KetasimError

if TYPE_CHECKING:
    from ketasim.validation import Scoreboard

__all__ = ["calibrate_between", "calibrate_kpd", "validate"]

#: Misses on the screen; the JSON file, the page and the Markdown table have all.
_SHOWN = 25
#: Tables on the screen.
_TITLES = ("All", "By use", "By domain", "By domain and use", "Apart: what other models printed")
_DRAWS = ("a number of parameter draws", 2, 100_000)
_PER_DRAW = ("a number of people an arm in each draw", 2, 100_000)
_SEED = ("a seed", 0, 2**63 - 1)
_WORKERS = ("a number of processes", 1, 1024)


def validate(
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Study or experiment files, folders of them, or shipped names; none: all that is shipped.",
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all as JSON; - is the screen.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with figures, one file.")
    ] = None,
    draws: Annotated[str, typer.Option(metavar="N", help="Parameter draws.")] = "200",
    per_draw: Annotated[str, typer.Option(metavar="N", help="People an arm in each draw.")] = "8",
    seed: Annotated[str, typer.Option(metavar="N", help="Same seed, same result.")] = "1",
    workers: Annotated[str, typer.Option(metavar="N", help="Processes.")] = "2",
    only: Annotated[
        str, typer.Option(metavar="DOMAIN", help="pk, mechanism, clinical or safety: its works alone.")
    ] = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the table of the documentation to the screen.")
    ] = False,
) -> None:
    """Simulate studies and experiments, and score every published number against its prediction."""
    if markdown and to_screen(json_file):
        raise KetasimError("validate: --markdown and --json - both go to the screen; keep one.")
    sizes = (whole_number("--draws", draws, *_DRAWS), whole_number("--per-draw", per_draw, *_PER_DRAW))
    number_of_seed = whole_number("--seed", seed, *_SEED)
    processes = whole_number("--workers", workers, *_WORKERS)
    require_file("--json", json_file)
    require_file("--html", html)
    from ketasim.api import validate as score

    with watching("reading studies") as watcher:
        board = score(paths or None, *sizes, number_of_seed, processes, watcher, only=only)
    write_numbers(board.to_json() if json_file is not None else {}, json_file)
    if html is not None:
        board.write_html(html)
        print(f"page: {html}", file=sys.stderr)
    if markdown:
        from ketasim.validation import board_markdown

        print(board_markdown(board))
    elif not to_screen(json_file):
        _show(board)
    for reason in board.failed.values():
        complain(reason)
    if not board.complete:
        raise typer.Exit(REFUSED)


def _show(board: Scoreboard) -> None:
    """Print the tables by use and domain, and the farthest misses."""
    from ketasim.validation.scoreboard.markdown import (
        HEADS,
        LEGEND,
        MISS_HEADS,
        group_lines,
        headline,
        miss_lines,
    )

    screen = output()
    screen.print(LEGEND, "\n")
    for title, lines in group_lines(board).items():
        if title in _TITLES:
            screen.print(plain_table(HEADS, lines, title=title, right=HEADS[1:]))
            screen.print()
    misses = miss_lines(board.misses)
    if misses:
        shown = f"Misses, the farthest {_SHOWN} of {len(misses)}" if len(misses) > _SHOWN else "Misses"
        screen.print(plain_table(MISS_HEADS, misses[:_SHOWN], title=shown, right=("predicted", "z")))
        screen.print()
    for line in headline(board):
        screen.print(line)


def calibrate_kpd(write: Path | None) -> None:
    """Fit the K-PD baseline to the clinical calibration rows of all shipped studies.

    Parameters
    ----------
    write : Path, optional
        Folder in which ``kpd.csv`` is written.
    """
    from ketasim.validation.baselines import fit_kpd, write_kpd
    from ketasim.validation.baselines.kpd import KPD_FILE
    from ketasim.validation.scoreboard import shipped_facts

    with watching("reading studies") as watcher:
        fit = fit_kpd(shipped_facts(), progress=lambda done, total: watcher("starts", done, total))
    screen = output()
    values = [
        (item.name, number(item.value), item.unit, f"{share:.2f}", item.note.split(" | ")[0])
        for item, share in zip(fit.parameters, fit.shrinkage, strict=True)
    ]
    screen.print(plain_table(("parameter", "value", "unit", "posterior/prior SD", "meaning"), values))
    screen.print(
        f"{fit.rows} rows; log-likelihood {fit.log_likelihood:.2f}; {fit.agreed} of {fit.starts} starts end "
        f"within 1 of it, {fit.spread:.2g} apart."
    )
    if write is not None:
        screen.print(f"Written to {write_kpd(fit, write / KPD_FILE)}.")


def calibrate_between(write: Path | None, workers: int, draws: int = 200, per_draw: int = 8) -> None:
    """Fit the SDs between studies to the calibration rows of all shipped works.

    Parameters
    ----------
    write : Path, optional
        Folder in which ``between.csv`` is written.
    workers : int
        Processes.
    draws, per_draw : int
        Parameter draws, and people an arm in each.
    """
    from ketasim.validation import fit_between, write_between
    from ketasim.validation.between import BETWEEN_FILE
    from ketasim.validation.scoreboard import predict_all, read_works

    with watching("reading studies") as watcher:
        works, failed = read_works(None)
        predicted, unsolved = predict_all(works, draws, per_draw, 1, workers, watcher)
    found = fit_between(predicted)
    screen = output()
    lines = [
        (row_class, domain, number(sd), str(found.rows[row_class, domain]))
        for (row_class, domain), sd in found.values.items()
    ]
    screen.print(plain_table(("class", "domain", "SD between studies", "rows"), lines))
    for reason in (failed | unsolved).values():
        complain(reason)
    if write is not None:
        screen.print(f"Written to {write_between(found, write / BETWEEN_FILE)}.")
