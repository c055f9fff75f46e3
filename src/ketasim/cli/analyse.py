"""``ketasim analyse``: endpoints and analyses of a run again, without simulating anything."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.console import number, output, plain_table, span, write_json
from ketasim.cli.studies import known_quantities

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ketasim.trials.planned.again import Reanalysis

__all__ = ["analyse"]

_RIGHT = ("time", "n", "estimate", "95 % interval", "interval", "p", "adjusted p", "SD", "rejected", "trials")


def analyse(
    run: Annotated[Path, typer.Argument(metavar="RUN_FOLDER", help="Folder of a run, finished or not.")],
    study: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The same design with other endpoints or analyses."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON with every row.")] = False,
) -> None:
    """Compute the endpoints and analyses of a run again, as its study or another plan says."""
    from ketasim.cli.progress import watching
    from ketasim.trials import Study
    from ketasim.trials.planned.again import reanalyse

    plan = None if study is None else Study.load(study, known_quantities())
    with watching("reading the run") as watcher:
        found = reanalyse(run, plan, progress=watcher)
    if as_json:
        write_json(_as_data(found))
        return
    _show(found, run)


def _as_data(found: Reanalysis) -> dict[str, Any]:
    return {
        "study": found.study.id,
        "parts": found.parts,
        "parts_planned": found.parts_planned,
        "analyses": found.analyses.to_dict("records"),
        "endpoints": found.endpoints.to_dict("records"),
    }


def _show(found: Reanalysis, run: Path) -> None:
    screen = output()
    rows = found.analyses
    if rows.empty:
        screen.print(
            f"{found.study.id} plans no analyses; add a section 'analyses' to a copy of its file and name it "
            "with --study. Endpoints were computed.",
            soft_wrap=True,
        )
    elif rows["replicate"].nunique() > 1:
        screen.print(_summary(rows))
    else:
        screen.print(_single(rows))
        for row in rows[rows["note"] != ""].to_dict("records"):
            screen.print(f"{row['analysis']}: {row['note']}", soft_wrap=True, markup=False)
    if found.parts < found.parts_planned:
        screen.print(
            f"The run is not finished: {found.parts} of {found.parts_planned} parts are there, and the "
            "patients of the others are missing.",
            soft_wrap=True,
        )
    for name in ("endpoints", "analyses"):
        screen.print(f"{name}: {run / f'{name}.csv'}", soft_wrap=True, markup=False)


def _compared(row: Mapping[Hashable, Any]) -> str:
    return str(row["arm"]) + (f" - {row['comparator']}" if row["comparator"] else "")


def _single(rows: pd.DataFrame) -> Table:
    """One trial: a row an analysis."""
    cells = [
        (
            str(row["analysis"]),
            f"{row['method']}, {row['quantity']}",
            span(row["time_h"]),
            _compared(row),
            str(row["n"]) + (f" : {row['n_comparator']}" if row["comparator"] else ""),
            number(row["estimate"]),
            f"{number(row['low'])} to {number(row['high'])}",
            number(row["p"]),
            number(row["p_adjusted"]),
            "yes" if row["rejected"] else "no",
            str(row["effect_measure"]),
        )
        for row in rows.to_dict("records")
    ]
    columns = (
        *("analysis", "method", "time", "arms", "n", "estimate", "interval", "p", "adjusted p"),
        *("rejected", "estimate of"),
    )
    return plain_table(columns, cells, title="Analyses", right=_RIGHT)


def _summary(rows: pd.DataFrame) -> Table:
    """Many trials: mean and spread of the estimate, and how many reject."""
    cells = []
    for name, own in rows.groupby("analysis", sort=False):
        first = own.iloc[0]
        cells.append(
            (
                str(name),
                f"{first['method']}, {first['quantity']}",
                span(first["time_h"]),
                _compared(first.to_dict()),
                str(len(own)),
                number(float(own["estimate"].mean())),
                number(float(own["estimate"].std(ddof=1))),
                f"{own['rejected'].mean():.1%}",
                str(first["effect_measure"]),
            )
        )
    columns = ("analysis", "method", "time", "arms", "trials", "estimate", "SD", "rejected", "estimate of")
    return plain_table(columns, cells, title="Analyses of all replicates", right=_RIGHT)
