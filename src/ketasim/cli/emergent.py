"""``ketasim emergent``: what must come out of the chain, computed, pass or miss."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ketasim.cli.console import output, plain_table, write_json
from ketasim.cli.progress import watching
from ketasim.errors import KetasimError

__all__ = ["emergent"]


def emergent(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Compute this item alone; repeatable.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON: a list with an object an item.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Write a Markdown table, as in the documentation.")
    ] = False,
) -> None:
    """Compute what must emerge from the chain, item by item, and tell pass from miss."""
    from ketasim.validation import check_items, markdown, tally

    if as_json and as_markdown:
        raise KetasimError("emergent: --json and --markdown are both given; keep one.")
    with watching("building the model") as watcher:
        verdicts = check_items(names=only, progress=watcher)
    if as_json:
        write_json([asdict(verdict) for verdict in verdicts])
        return
    if as_markdown:
        print(markdown(verdicts))
        return
    screen = output()
    columns = ("section", "item", "what must emerge", "found", "outcome")
    rows = [(item.section, item.item, item.text, item.found, item.outcome) for item in verdicts]
    screen.print(plain_table(columns, rows))
    screen.print(tally(verdicts))
