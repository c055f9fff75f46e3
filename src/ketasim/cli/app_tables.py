"""``ketasim app-tables``: the verdicts that the explorer shows, written from what was computed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ketasim.cli.progress import watching
from ketasim.cli.work import require_folder
from ketasim.errors import StudyError

__all__ = ["app_tables"]


def app_tables(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the tables, made if need be.")],
    scoreboard: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What 'ketasim validate --json FILE' wrote.")
    ] = None,
    claims: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="What 'ketasim claims --json' wrote; none: answered now."),
    ] = None,
) -> None:
    """Write the scoreboard and the verdicts on claims that `ketasim app` shows.

    Both files must come from this very model: the tables are marked as made with it.
    """
    require_folder("--out", out)
    board = None if scoreboard is None else _read("--scoreboard", scoreboard)
    answers = None if claims is None else _read("--claims", claims)
    if answers is None:
        from ketasim.api.claims import answer_claims

        with watching("answering claims") as watcher:
            answers = [answer.as_data() for answer in answer_claims(progress=watcher)]
    from ketasim.app.making import check_answers, check_board, write_claims, write_scoreboard

    # Nothing is written before all of it is known to be usable.
    check_answers(answers)
    if board is not None:
        check_board(board)
    out.mkdir(parents=True, exist_ok=True)
    print(f"{write_claims(answers, out)} claims are written to {out}.")
    if board is not None:
        print(f"{write_scoreboard(board, out)} rows of the scoreboard are written to {out}.")


def _read(option: str, path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{option} {path}: this is not JSON ({error}).") from error
