"""``ketasim simulate``: one person, one regimen, a quick look."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ketasim.cli.console import number, output, plain_table, span, write_json
from ketasim.cli.values import computable, require_figure
from ketasim.errors import ModelError

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.api import Course
    from ketasim.model.parameters import ParameterSet

__all__ = ["Beside", "RegimenCommand", "Replaced", "Settled", "assignments", "choices", "simulate"]

#: What the table shows of each stage; --json has all.
_MAIN = (
    "ketamine_venous",
    "norketamine_venous",
    "nmda_block_mean",
    "nmda_block_pyramidal",
    "pyramidal_rate",
    "pv_rate",
    "sst_rate",
    "vip_rate",
    "glutamate",
    "gaba",
    "ampa_drive",
    "fast_arm",
    "eef2",
    "bdnf",
    "trkb",
    "mtorc1",
    "synaptic_protein",
    "spines_nascent",
    "spines_mature",
    "spine_density",
    "dmn_connectivity",
    "inflammation",
    "stress",
    "severity",
    "madrs",
    "suicidal_ideation",
    "consolidation",
    "pain_nrs",
    "felt_effect",
    "cadss",
    "systolic_pressure",
    "heart_rate",
    "sedation",
    "nausea",
    "cognition",
    "placebo",
)


#: Options that other commands about one regimen have too.
Replaced = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE UNIT", help="Replace a parameter; repeatable."),
]
Settled = Annotated[
    list[str] | None,
    typer.Option(
        "--option", metavar="NAME=CHOICE", help="Settle a dispute, as hnk_scale=hasan2021; repeatable."
    ),
]
Beside = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="DRUG", help="Taken beside it, as rifampicin; repeatable."),
]


class RegimenCommand(TyperCommand):
    """Takes a regimen that starts with a minus sign for a regimen, so that its error is the dose's own."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move such a regimen behind ``--``, where nothing is an option."""
        for index, arg in enumerate(args):
            value_of_option = index > 0 and args[index - 1].startswith("--") and "=" not in args[index - 1]
            if re.match(r"-\.?\d", arg) and not value_of_option and "--" not in args:
                args = [*args[:index], *args[index + 1 :], "--", arg]
                break
        found: list[str] = super().parse_args(ctx, args)
        return found


def simulate(
    regimen: Annotated[str, typer.Argument(metavar="REGIMEN", help="Doses as text, or none.")],
    days: Annotated[str, typer.Option(help="Time after the first dose.")] = "14d",
    weight: Annotated[str, typer.Option(help="Body weight.")] = "70 kg",
    illness: Annotated[str, typer.Option(help="depressed or healthy.")] = "depressed",
    set_: Replaced = None,
    option: Settled = None,
    beside: Beside = None,
    wiring: Annotated[
        str, typer.Option(metavar="NAME", help="A rival mechanism, as trkb; see ketasim hypotheses.")
    ] = "",
    clamp: Annotated[
        list[str] | None,
        typer.Option(metavar="QUANTITY[=VALUE][@FROM..TO]", help="Hold a quantity; repeatable."),
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="TIMES", help="Times from the first dose, as 40min,24h,7d.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the chain: .svg, .png or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON with every quantity.")] = False,
) -> None:
    """Simulate one typical person under a regimen, from plasma to mood and harms."""
    from ketasim.api import simulate_regimen

    if figure is not None:
        require_figure("--figure", figure)
    times = [part.strip() for text in at or () for part in text.split(",")]
    changed = assignments(set_ or [])
    parameters = _wired(wiring) if wiring else None
    with computable("--set " + "; ".join(set_) if set_ else ""):
        course = simulate_regimen(
            regimen,
            days=days,
            weight=weight,
            illness=illness,
            parameters=parameters,
            set=changed,
            options=choices(option or []),
            beside=beside or (),
            clamp=clamp or (),
            at=times,
        )
    summary = course.summary(times)
    if figure is not None:
        _draw(course, figure)
    if as_json:
        write_json({"quantities": summary})
        return
    screen = output()
    screen.print(f"{course.regimen.text}; {illness}, {weight}, {days}", soft_wrap=True)
    screen.print(_table(course, summary, times))
    screen.print(
        "Back: within 5 % of the peak's departure from baseline. The placebo points are what a rater would "
        "see on top; they are not in severity or madrs. Every quantity: --json."
    )


def choices(texts: list[str]) -> dict[str, str]:
    """Read ``name=choice`` texts."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, choice = (part.strip() for part in text.partition("="))
        if not sign or not name or not choice:
            raise ModelError(
                f"--option: {text!r} is not of the form 'name=choice'; write for example "
                "'hnk_scale=hasan2021'. 'ketasim list options' shows them all."
            )
        if found.get(name, choice) != choice:
            raise ModelError(f"--option: {name!r} is given twice; keep one.")
        found[name] = choice
    return found


def assignments(texts: list[str]) -> dict[str, str]:
    """Read ``name=value unit`` texts."""
    found: dict[str, str] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not name or not value:
            raise ModelError(
                f"--set: {text!r} is not of the form 'name=value unit'; write for example 'mood_time=5 h'."
            )
        if name in found:
            raise ModelError(f"--set: {name!r} is given twice; keep one.")
        found[name] = value
    return found


def _wired(name: str) -> ParameterSet:
    """Typical values under a rival mechanism."""
    from ketasim.model.hypotheses import wired
    from ketasim.model.parameters import load_parameters

    return wired(load_parameters(), name)


def _draw(course: Course, path: Path) -> None:
    from ketasim.report.course_figure import write_course_figure

    first = course.regimen.first_start_h or 0.0
    doses = [(dose.start_h - first, dose.duration_h or 0.0) for dose in course.regimen.doses]
    write_course_figure(course.trajectories, doses, path, course.regimen.text)
    print(f"figure: {path}", file=sys.stderr)


def _table(course: Course, summary: dict[str, dict[str, Any]], times: list[str]) -> Table:
    from ketasim.model.chain import STAGES

    titles = {f"stage {stage.name}": stage.title for stage in STAGES} | {"scoring": "Expectancy (open label)"}
    columns = ("quantity", "unit", "baseline", "peak", "at", "back", *times, "what it is")
    rows: list[tuple[str, ...]] = []
    stage = ""
    for name in _ordered(course):
        quantity = course.quantities[name]
        if quantity.source != stage:
            stage = quantity.source
            rows.append((titles[stage], *("" for _ in columns[1:])))
        rows.append((f"  {name}", *_course_cells(summary[name], times), quantity.label))
    return plain_table(columns, rows, right=("baseline", "peak", "at", "back", *times))


def _ordered(course: Course) -> list[str]:
    """Return the main quantities in the order of the chain."""
    return [name for name in course.quantities if name in _MAIN]


def _course_cells(found: dict[str, Any], times: list[str]) -> tuple[str, ...]:
    """Unit, baseline, peak with its time, return and values at times, of one quantity."""
    size = max(abs(found["baseline"]), abs(found["peak"]))

    def shown(value: float) -> str:
        # What is left of a drug after weeks is nothing.
        return number(0.0 if abs(value) < 1e-6 * size else value)

    moved = abs(found["peak"] - found["baseline"]) > 1e-9 * size
    return (
        found["unit"],
        shown(found["baseline"]),
        shown(found["peak"]) if moved else "-",
        span(found["peak_time_h"]) if moved else "-",
        span(found["return_time_h"]),
        *(shown(found["at"][time]) for time in times),
    )
