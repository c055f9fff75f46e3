"""``ketasim hypotheses``: rival mechanisms on the same footing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import complain, output, plain_table
from ketasim.cli.progress import watching
from ketasim.cli.values import whole_number
from ketasim.cli.work import require_file, require_folder, to_screen, write_numbers
from ketasim.errors import ModelError

if TYPE_CHECKING:
    from ketasim.api.hypotheses import Hypotheses

__all__ = ["hypotheses"]


def hypotheses(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Wirings, two or more; none: all.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all as JSON; - is the screen.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write numbers, tables and figures into it.")
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Write Markdown to the screen.")] = False,
    sets: Annotated[str, typer.Option(metavar="N", help="Draws around the fit of each wiring.")] = "30",
    per_draw: Annotated[str, typer.Option(metavar="N", help="People an arm in each draw.")] = "4",
    seed: Annotated[str, typer.Option(metavar="N", help="Same seed, same result.")] = "1",
) -> None:
    """Compare rival mechanisms: on rows that no fit has seen, by interventions, and by what would decide."""
    if markdown and to_screen(json_file):
        raise ModelError("hypotheses: --markdown and --json - both go to the screen; keep one.")
    drawn = whole_number("--sets", sets, "a number of draws", 2, 10_000)
    people = whole_number("--per-draw", per_draw, "a number of people an arm in each draw", 1, 10_000)
    number_of_seed = whole_number("--seed", seed, "a seed", 0, 2**63 - 1)
    require_file("--json", json_file)
    require_folder("--out", out)
    from ketasim.api.hypotheses import compare_hypotheses

    with watching("reading studies") as watcher:
        found = compare_hypotheses(
            names or (), sets=drawn, per_draw=people, seed=number_of_seed, progress=watcher
        )
    write_numbers(found.to_dict() if json_file is not None else {}, json_file)
    if out is not None:
        for path in found.write(out):
            print(f"written: {path}", file=sys.stderr)
    if markdown:
        print(found.markdown())
    elif not to_screen(json_file):
        _show(found)
    for name, reason in {**found.held.failed, **found.tests.failed}.items():
        complain(f"{name}: {reason}")


def _show(found: Hypotheses) -> None:
    from ketasim.report.hypotheses_markdown import (
        DOMAINS,
        STANDING_HEADS,
        intervention_lines,
        standing_lines,
        verdict,
    )

    screen = output()
    for domain, title in DOMAINS.items():
        standings = found.standings(domain)
        if standings:
            table = plain_table(
                STANDING_HEADS, standing_lines(standings), title=f"{title} ({standings[0].rows})"
            )
            screen.print(table, "\n")
    heads = ("test", "foretold", "source", "published", *found.wirings)
    screen.print(plain_table(heads, intervention_lines(found), title="Interventions; ✗: not met"), "\n")
    rows = [
        (f"{item.bits:.2f}", item.candidate.title, item.candidate.outcome, str(item.candidate.n))
        for item in found.information
    ]
    screen.print(
        plain_table(
            ("bits", "experiment", "outcome", "n an arm"),
            rows,
            title="Experiments that would decide",
            right=("bits",),
        ),
        "\n",
    )
    screen.print(verdict(found))
