"""``ketasim fit``: fit the model to data of your own, and forecast one patient."""

from __future__ import annotations

import sys
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import number, output, plain_table, write_json
from ketasim.cli.simulate import Settled, choices
from ketasim.cli.values import whole_number
from ketasim.cli.work import require_folder
from ketasim.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ketasim.api.fit import FitResult

__all__ = ["fit"]

_ITERATIONS, _SEED = ("a number of iterations", 0, 1000), ("a seed", 0, 2**63 - 1)
#: Times of a forecast on the screen.
_ROWS = 12


def fit(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="CSV with the columns of NONMEM.")],
    parameters: Annotated[
        list[str],
        typer.Option("--parameters", metavar="NAMES", help="Whose typical values are fitted, as a,b."),
    ],
    random: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="In which people differ; default: all that are fitted; or none."),
    ] = None,
    quantity: Annotated[str, typer.Option(metavar="NAME", help="What every DV is.")] = "",
    observe: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER=NAME", help="What a DVID (or CMT) is, as 1=madrs; repeatable."),
    ] = None,
    error: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND", help="proportional, additive, combined or lognormal; one, or one a quantity."
        ),
    ] = None,
    prior: Annotated[str, typer.Option(help="table (ranges of the tables) or none.")] = "table",
    severity: Annotated[float, typer.Option(help="Points at rest where no column BASELINE says so.")] = 33.0,
    base: Annotated[
        Path | None, typer.Option("--base", metavar="FILE", help="CSV name, value, unit: other table values.")
    ] = None,
    option: Settled = None,
    iterations: Annotated[
        str, typer.Option(metavar="N", help="At most; 0: keep the tables, fit only the persons.")
    ] = "60",
    seed: Annotated[str, typer.Option(metavar="N", help="Same seed, same result.")] = "1",
    forecast: Annotated[
        str | None, typer.Option(metavar="ID", help="Forecast this person, with --regimen.")
    ] = None,
    regimen: Annotated[str, typer.Option(metavar="TEXT", help="Doses of the forecast.")] = "",
    start: Annotated[
        str, typer.Option(metavar="TIME", help="When they begin, from his first record; default: his last.")
    ] = "",
    fresh: Annotated[bool, typer.Option("--fresh", help="Forecast without his history.")] = False,
    until: Annotated[str, typer.Option(metavar="TIME", help="Length of the forecast.")] = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FOLDER", help="Write tables, figures and a report here.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Fit parameters to an event table with measurements, as a population."""
    from ketasim.api.fit import fit_data
    from ketasim.cli.progress import watching
    from ketasim.cli.work import aside
    from ketasim.cli.work import until as ending

    require_folder("--out", out)
    count = whole_number("--iterations", iterations, *_ITERATIONS)
    named = whole_number("--seed", seed, *_SEED)
    subject = None if forecast is None else _subject(forecast)
    stop = Event()
    with watching("building the model") as watcher:
        result = aside(
            lambda: fit_data(
                data,
                parameters,
                random=random,
                quantity=quantity,
                observe=observe or (),
                error=error or "proportional",
                prior=prior,
                severity=severity,
                base=base,
                options=choices(option or []),
                iterations=count,
                seed=named,
                forecast_id=subject,
                regimen=regimen,
                start=start,
                fresh=fresh,
                until=until,
                progress=ending(stop, watcher),
                check=ending(stop, lambda: None),
            ),
            stop=stop,
        )
    page = None if out is None else result.write(out)
    if as_json:
        write_json(result.as_data())
    else:
        _show(result)
    if page is not None:
        print(f"report: {page}", file=sys.stderr)


def _subject(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ModelError(f"--forecast: {text!r} is not an ID; give the number in the column ID.") from None


def _show(result: FitResult) -> None:
    screen = output()
    found = result.as_data()
    screen.print(
        f"{found['persons']} persons, {found['observations']} measurements; minus twice the log likelihood "
        f"{found['minus_2_log_likelihood']:.2f} (sampled {found['minus_2_log_likelihood_sampled']:.2f}, "
        f"SE {found['minus_2_log_likelihood_sampled_se']:.2f}), {found['iterations']} iterations",
        soft_wrap=True,
    )
    screen.print(_population(result.parameters))
    for text in (*found["warnings"], *found["notes"]):
        screen.print(text, soft_wrap=True)
    if result.forecast is not None:
        ahead = result.forecast
        screen.print(f"Forecast for ID {ahead.subject:g}: {ahead.regimen.text}", soft_wrap=True)
        screen.print(_courses(ahead.courses))
        for text in ahead.notes:
            screen.print(text, soft_wrap=True)
    screen.print("A research and teaching instrument.")


def _population(table: pd.DataFrame) -> Table:
    columns = ("value", "kind", "estimate", "95 % interval", "unit", "table", "post/prior SD", "shrinkage")
    rows = [
        (
            str(row["name"]),
            str(row["kind"]),
            number(row["estimate"]),
            "-" if row["se"] != row["se"] else f"{number(row['low'])} to {number(row['high'])}",
            str(row["unit"]),
            number(row["table_value"]),
            number(row["posterior_over_prior_sd"]),
            number(row["shrinkage"]),
        )
        for row in table.to_dict("records")
    ]
    return plain_table(columns, rows, right=("estimate", "table", "post/prior SD", "shrinkage"))


def _courses(table: pd.DataFrame) -> Table:
    rows = []
    for name, own in table.groupby("quantity", sort=False):
        places = sorted({round(at * (len(own) - 1) / (_ROWS - 1)) for at in range(_ROWS)})
        for row in own.iloc[places].to_dict("records"):
            rows.append(
                (
                    str(name),
                    f"{row['time_h']:.4g} h",
                    f"{number(row['median'])} {row['unit']}",
                    f"{number(row['low'])} to {number(row['high'])}",
                    f"{number(row['measured_low'])} to {number(row['measured_high'])}",
                    f"{number(row['anybody_low'])} to {number(row['anybody_high'])}",
                )
            )
    columns = ("quantity", "at", "median", "his 95 %", "a measurement", "anybody")
    return plain_table(columns, rows, right=columns[1:])
