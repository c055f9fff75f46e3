"""``ketasim explain``: why a trial's drug-specific effect happens."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import output, plain_table, write_json
from ketasim.cli.progress import watching
from ketasim.cli.values import require_figure, whole_number

if TYPE_CHECKING:
    from ketasim.api.explain import Explanation
    from ketasim.inference.explain import Mediation

__all__ = ["explain"]

_SHOWN = 12


def explain(
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A shipped study, or the path of a study file.")
    ],
    clamp: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Quantity or group to hold from the first dose on; repeatable: held together.",
        ),
    ] = None,
    arm: Annotated[
        str | None, typer.Option(metavar="ARM", help="One active arm; default: the mean of all.")
    ] = None,
    sobol: Annotated[
        bool, typer.Option("--sobol", help="Shares of the variance and local slopes too.")
    ] = False,
    sets: Annotated[str, typer.Option(metavar="N", help="Draws of the posterior for intervals.")] = "40",
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw what is lost (.svg, .png, .pdf).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Hold stages of the chain, and tell the share of the drug-specific effect that is lost."""
    from ketasim.api.explain import explain_study
    from ketasim.trials import Study

    count = whole_number("--sets", sets, "a number of draws", 0, 200)
    if figure is not None:
        require_figure("--figure", figure)
    with watching("building the model") as watcher:
        found = explain_study(
            Study.load(study), clamps=clamp or (), arm=arm, sets=count, sobol=sobol, progress=watcher
        )
    if figure is not None:
        from ketasim.report.explain_figure import write_explain_figure

        write_explain_figure(found.study, found.mediations, figure)
        print(f"figure: {figure}", file=sys.stderr)
    if as_json:
        write_json(found.to_dict())
        return
    _show(found)


def _percent(value: float) -> str:
    return "" if value != value else f"{100.0 * value:.0f} %"


def _share(item: Mediation, time: str) -> str:
    """Share that is lost, with its interval if there is one."""
    low, high = (_percent(ends[time]) for ends in (item.lost_low, item.lost_high))
    return f"{_percent(item.lost[time])} ({low} to {high})" if low else _percent(item.lost[time])


def _show(found: Explanation) -> None:
    screen = output()
    effect = found.mediations[0].effect
    words = ", ".join(f"{value:.1f} points at {time}" for time, value in effect.items())
    arms = ", ".join(found.arms)
    screen.print(f"{found.study} ({arms}): drug-specific effect of the typical patient: {words}.")
    rows = [
        (item.name, ", ".join(item.held), *(_share(item, time) for time in effect))
        for item in found.mediations
    ]
    screen.print(plain_table(("held", "quantities", *(f"lost at {time}" for time in effect)), rows))
    if found.sensitivities is None:
        return
    shares = found.sensitivities
    screen.print(
        f"Variance of the effect at 24 h, ties between stages cut: {shares.variance:.2f} points squared; "
        f"parameters of stages 2 to 9 carry {_percent(shares.biology_share)} of it."
    )
    stages = [
        (str(row["stage"]), str(row["parameters"]), _percent(row["first"]), _percent(row["total"]))
        for row in shares.by_stage.to_dict("records")
    ]
    screen.print(plain_table(("stage", "parameters", "first", "total"), stages))
    local = [
        (str(row["name"]), str(row["stage"]), f"{row['slope']:+.2f}", f"{row['points_per_sd']:+.2f}")
        for row in shares.local.head(_SHOWN).to_dict("records")
    ]
    screen.print(plain_table(("parameter", "stage", "points per log unit", "points per posterior SD"), local))
