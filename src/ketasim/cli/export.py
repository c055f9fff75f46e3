"""``ketasim export``: the model in other people's formats."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ketasim.cli.simulate import RegimenCommand, assignments
from ketasim.cli.values import computable, require_place
from ketasim.errors import ModelError

__all__ = ["export"]

export = typer.Typer(no_args_is_help=True, help="Write the model in other people's formats.")


@export.callback()
def _formats() -> None:
    """Write the model in other people's formats."""


@export.command(
    "sbml",
    cls=RegimenCommand,
    epilog='Example: ketasim export sbml "0.5 mg/kg ketamine iv over 40 min" --out chain.xml',
)
def sbml(
    regimen: Annotated[str, typer.Argument(metavar="REGIMEN", help="Doses as text, or none.")] = "none",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write; default: the screen.")
    ] = None,
    days: Annotated[str, typer.Option(help="Doses later than this after the first are left out.")] = "14d",
    weight: Annotated[str, typer.Option(help="Body weight.")] = "70 kg",
    illness: Annotated[str, typer.Option(help="depressed or healthy.")] = "depressed",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE UNIT", help="Replace a parameter; repeatable."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the whole chain for one person under a regimen as SBML, with events for the doses."""
    from ketasim.api import export_sbml

    if out is not None:
        _check(out, force=force)
    with computable("--set " + "; ".join(set_) if set_ else ""):
        text = export_sbml(regimen, days=days, weight=weight, illness=illness, set=assignments(set_ or []))
    if out is None:
        sys.stdout.write(text)
        return
    out.write_text(text, encoding="utf-8")
    print(f"SBML: {out}", file=sys.stderr)


def _check(out: Path, *, force: bool) -> None:
    """Refuse a file that cannot be written before anything is computed."""
    require_place("--out", out)
    if out.exists() and not force:
        raise ModelError(f"--out {out}: this file exists; choose another, or replace it with --force.")
