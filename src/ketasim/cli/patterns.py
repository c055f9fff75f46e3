"""``ketasim patterns``: what mood and the stages before it must show, with criteria, figures and misses."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import output, plain_table, write_json
from ketasim.cli.progress import watching
from ketasim.errors import KetasimError, ModelError

if TYPE_CHECKING:
    from ketasim.validation.patterns import Shown

__all__ = ["patterns"]


def patterns(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME ...]", help="Patterns to compute; default: all.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FOLDER", help="Write a figure for each pattern here (SVG)."),
    ] = None,
    png: Annotated[bool, typer.Option("--png", help="Write the figures as PNG in place of SVG.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON: a list with an object a pattern.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown, as in the documentation.")
    ] = False,
) -> None:
    """Compute the patterns that the model must show, each with stated criteria; a miss is shown as a miss."""
    from ketasim.report.patterns_figure import write_pattern_figures
    from ketasim.validation.patterns import count_outcomes, patterns_markdown, show_patterns

    if as_json and as_markdown:
        raise KetasimError("patterns: --json and --markdown are both given; keep one.")
    if png and out is None:
        raise KetasimError("patterns: --png needs --out FOLDER.")
    if out is not None and out.exists() and not out.is_dir():
        raise ModelError(f"--out {out}: this is a file; name a folder.")
    with watching("building the model") as watcher:
        shown = show_patterns(names, progress=watcher)
    figures = {} if out is None else write_pattern_figures(shown, out, "png" if png else "svg")
    if as_json:
        write_json(
            [item.as_data(str(figures[item.name]) if item.name in figures else None) for item in shown]
        )
    elif as_markdown:
        # The documentation keeps its figures in one folder beside its pages.
        print(patterns_markdown(shown, {name: f"images/{path.name}" for name, path in figures.items()}))
    else:
        for item in shown:
            _show(item)
        output().print(count_outcomes(shown))
    for path in figures.values():
        print(f"figure: {path}", file=sys.stderr)


def _show(item: Shown) -> None:
    """Show one pattern: its criteria, and what was tried where it misses."""
    screen = output()
    screen.print(f"{item.name}: {item.text}: {item.outcome}", soft_wrap=True, markup=False)
    words = {True: "met", False: "missed", None: "reported"}
    rows = [
        (check.name, check.in_words, check.criterion, words[check.passed], check.note)
        for check in item.checks
    ]
    screen.print(plain_table(("what", "model", "wanted", "outcome", "note"), rows))
    for tried in item.tried:
        screen.print(f"  tried: {tried}", soft_wrap=True, markup=False)
    screen.print()
