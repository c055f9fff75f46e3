"""``ketasim claims``: what is said about ketamine, with a computation, evidence and a verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import number, output, plain_table, write_json
from ketasim.cli.progress import watching
from ketasim.cli.simulate import Replaced, Settled, assignments, choices
from ketasim.cli.values import computable
from ketasim.errors import KetasimError, ModelError

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.claims import Answer

__all__ = ["claims"]


def claims(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID ...]", help="Claims to answer; default: all.")
    ] = None,
    set_: Replaced = None,
    option: Settled = None,
    wiring: Annotated[
        str | None, typer.Option(metavar="NAME", help="Compute with a rival mechanism, as hnk.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write a figure for each claim here (SVG).")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON: a list with an object a claim.")
    ] = False,
    as_markdown: Annotated[
        bool, typer.Option("--markdown", help="Write Markdown, as in the documentation.")
    ] = False,
) -> None:
    """Answer what is said about ketamine: the computation, the published evidence, and a verdict."""
    from ketasim.api.claims import answer_claims, write_claim_figures
    from ketasim.report.claims_table import claims_markdown, count_verdicts

    if as_json and as_markdown:
        raise KetasimError("claims: --json and --markdown are both given; keep one.")
    if out is not None and out.exists() and not out.is_dir():
        raise ModelError(f"--out {out}: this is a file; name a folder.")
    changed = assignments(set_ or [])
    with watching("building the model") as watcher, computable("--set " + "; ".join(set_) if set_ else ""):
        answers = answer_claims(
            ids, set=changed, options=choices(option or []), wiring=wiring, progress=watcher
        )
    figures = {} if out is None else write_claim_figures(answers, out)
    if as_json:
        paths = {name: str(path) for name, path in figures.items()}
        write_json([answer.as_data(paths.get(answer.name)) for answer in answers])
    elif as_markdown:
        print(claims_markdown(answers))
    else:
        screen = output()
        if ids:
            for answer in answers:
                _show(answer)
        else:
            rows = [(item.name, item.text, item.verdict, " ".join(item.reasons)) for item in answers]
            screen.print(plain_table(("id", "claim", "verdict", "why"), rows))
        screen.print(count_verdicts(answers))
        if out is None:
            screen.print("Figures: --out FOLDER writes one for each claim.")
    for path in figures.values():
        print(f"figure: {path}", file=sys.stderr)


def _show(answer: Answer) -> None:
    """Show one claim in full."""
    screen = output()
    screen.print(f"{answer.name}: “{answer.text}”: {answer.verdict}", soft_wrap=True, markup=False)
    for reason in answer.reasons:
        screen.print(f"  {reason}", soft_wrap=True, markup=False)
    screen.print(_computation(answer))
    screen.print(_evidence(answer))
    if answer.choices:
        screen.print(_disputes(answer))
    screen.print()


def _computation(answer: Answer) -> Table:
    words = {True: "met", False: "missed", None: "not computed"}
    rows = [
        (
            check.role,
            check.name,
            "never" if check.value is not None and check.value != check.value else number(check.value),
            check.unit,
            check.criterion,
            words[check.passed],
            check.note,
        )
        for check in answer.checks
    ]
    columns = ("role", "computed", "value", "unit", "wanted", "outcome", "why, or why not")
    return plain_table(columns, rows, title="Computation", right=("value",))


def _evidence(answer: Answer) -> Table:
    rows = [
        (
            ballot.row,
            ballot.citation,
            number(ballot.value),
            ballot.unit,
            ballot.question,
            f"{ballot.vote} (limit)" if ballot.role == "limit" else ballot.vote,
        )
        for ballot in answer.ballots
    ]
    columns = ("row", "publication", "value", "unit", "question", "vote")
    return plain_table(columns, rows, title="Evidence", right=("value",))


def _disputes(answer: Answer) -> Table:
    rows = [
        (
            item.option,
            f"{item.choice}{' (taken)' if item.current else ''}",
            "yes" if item.settled else "no",
            item.verdict,
        )
        for item in answer.choices
    ]
    columns = ("option", "choice", "settled", "verdict with it")
    return plain_table(columns, rows, title="Disputed options")
