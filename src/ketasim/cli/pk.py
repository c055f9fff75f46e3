"""``ketasim pk``: plasma, exposure, block and published rows of one regimen."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.console import number, output, plain_table, span, write_json
from ketasim.cli.simulate import Beside, Replaced, Settled, assignments, choices
from ketasim.cli.values import computable, require_figure

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

    from ketasim.api.kinetics import PkResult

__all__ = ["pk"]

_MOST_ROWS, _MOST_TARGETS = 20, 4


def pk(
    regimen: Annotated[str, typer.Argument(metavar="REGIMEN", help="Doses as text.")],
    weight: Annotated[str, typer.Option(help="Body weight.")] = "70 kg",
    height: Annotated[str, typer.Option(help="Body height, for doses per m2.")] = "1.70 m",
    age: Annotated[float, typer.Option(help="Age in years.")] = 40.0,
    female: Annotated[bool, typer.Option("--female", help="A woman.")] = False,
    ancestry: Annotated[str, typer.Option(help="none, asian or japanese.")] = "none",
    beside: Beside = None,
    option: Settled = None,
    set_: Replaced = None,
    duration: Annotated[
        str | None, typer.Option(help="Time from the first dose; default: four days after the last.")
    ] = None,
    at: Annotated[
        list[str] | None, typer.Option(metavar="TIMES", help="Times from the first dose, as 40min,24h.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the curves: .svg, .png or .pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON with every curve.")] = False,
) -> None:
    """Show plasma concentrations, exposure, channel block and what was published for a regimen."""
    from ketasim.api.kinetics import simulate_pk
    from ketasim.units import parse_duration

    if figure is not None:
        require_figure("--figure", figure)
    times = [part.strip() for text in at or () for part in text.split(",")]
    changed = assignments(set_ or [])
    with computable("--set " + "; ".join(set_) if set_ else ""):
        result = simulate_pk(
            regimen,
            weight=weight,
            height=height,
            age=age,
            female=female,
            ancestry=ancestry,
            beside=beside or (),
            options=choices(option or []),
            set=changed,
            duration=duration,
            at=times,
        )
    labels = {text: parse_duration(text, "--at") for text in times}
    if figure is not None:
        from ketasim.report.pk_figure import write_pk_figure

        doses = [(dose.start_h, dose.duration_h or 0.0) for dose in result.regimen.doses]
        title = result.regimen.text
        write_pk_figure(result.times_h, result.quantities, result.observations, doses, title, figure)
        print(f"figure: {figure}", file=sys.stderr)
    if as_json:
        write_json(result.to_dict(labels))
        return
    screen = output()
    screen.print(f"{result.regimen.text}; {number(result.mass_mg)} mg free base, {weight}", soft_wrap=True)
    for note in result.notes:
        screen.print(note, soft_wrap=True)
    if result.exposure:
        screen.print(_exposure(result, labels))
    screen.print(_block(result))
    screen.print(_targets(result), soft_wrap=True)
    if result.accumulation:
        grown = result.accumulation
        screen.print(
            f"Last dose over first: peak {grown['cmax']:.2f}, area {grown['auc']:.2f} "
            f"(every {span(grown['interval_h'])})."
        )
    _published(screen, result)
    screen.print("Every curve, enantiomer and pool: --json. A research and teaching instrument.")


def _exposure(result: PkResult, labels: dict[str, float]) -> Table:
    columns = ("in plasma", "Cmax", "at", "AUC 24 h", "AUC", "half-life", "CL", "Vss", "AUC/parent")
    rows = []
    apparent = False
    for name, found in result.exposure.items():
        cleared = found.get("clearance")
        if cleared is None and found.get("clearance_over_f") is not None:
            cleared, apparent = found["clearance_over_f"], True
        values, _, _ = result.curve(name)
        rows.append(
            (
                name.replace("_venous", ", venous").replace("_arterial", ", arterial"),
                number(found["cmax"]),
                span(found["tmax"]),
                number(found.get("auc_0_24h")),
                number(found.get("auc_infinity", found.get("auc_interval"))),
                span(found["half_life"]),
                number(cleared),
                number(found.get("volume_ss")),
                number(found.get("auc_over_parent")),
                *(number(_at(result, values, time)) for time in labels.values()),
            )
        )
    unit = "CL/F in L/h: not all was given by vein" if apparent else "CL in L/h, Vss in L"
    return plain_table(
        (*columns, *labels), rows, title=f"Exposure (ng/mL, ng*h/mL; {unit})", right=(*columns[1:], *labels)
    )


def _at(result: PkResult, values: Any, time: float) -> float:
    import numpy as np

    return float(np.interp(time, result.times_h, values))


def _block(result: PkResult) -> Table:
    mean = f"mean of {span(min(24.0, float(result.times_h[-1])))}"
    columns = ("NMDA channels blocked", "peak", "at", mean, "above 0.2")
    rows = [
        (
            name.replace("_", " "),
            f"{found['peak']:.3f}",
            span(found["peak_time_h"]),
            f"{found['mean_24h']:.3f}",
            span(found["hours_above_0.2"]),
        )
        for name, found in result.occupancy.items()
        if "_" not in name
    ]
    return plain_table(columns, rows, title="Block by class and pool", right=columns[1:])


def _targets(result: PkResult) -> str:
    """The other targets that are reached most, in words."""
    reached = sorted(result.targets.values(), key=lambda item: -item["peak"])[:_MOST_TARGETS]
    others = ", ".join(f"{item['label']} {item['peak']:.2f}" for item in reached)
    return f"Other targets, share occupied at most: {others}."


def _published(screen: Any, result: PkResult) -> None:
    rows = result.observations
    if rows.empty:
        screen.print("No published row is near this drug, route and dose.")
        return
    texts = rows["published_regimen"].unique()
    cells = [
        (
            row.citation,
            f"{row.quantity}, {row.site}",
            row.statistic,
            span(row.time_h) if row.time_h == row.time_h else "",
            f"{number(row.value)} {row.unit}",
            number(_model(result, row)),
            row.kind.replace("_", " "),
        )
        for row in _rows(rows.head(_MOST_ROWS))
    ]
    columns = ("source", "what", "statistic", "at", "published", "model here", "kind")
    more = f" (first {_MOST_ROWS} of {len(rows)}; all: --json)" if len(rows) > _MOST_ROWS else ""
    title = f"Published for {'; '.join(texts[:3])}{more}"
    screen.print(plain_table(columns, cells, title=title, right=("published", "model here")))


def _rows(frame: pd.DataFrame) -> list[Any]:
    """Rows with names, which type checkers cannot know."""
    return list(frame.itertuples(index=False))


def _model(result: PkResult, row: Any) -> float | None:
    """The same number of this simulation, where it is one of the table."""
    name = f"{row.quantity}_{row.site}"
    if row.statistic == "value_at" and name in result.quantities:
        # Beyond its ends a curve is not known, and its last value must not stand in for it.
        inside = 0.0 <= row.time_h <= result.times_h[-1] + 1e-9
        return _at(result, result.quantities[name], row.time_h) if inside else None
    found = result.exposure.get(name)
    key = {"cmax": "cmax", "tmax": "tmax", "auc_0_24h": "auc_0_24h", "auc_inf": "auc_infinity",
           "half_life": "half_life", "clearance": "clearance", "vss": "volume_ss"}  # fmt: skip
    # The row counts peaks from its own time, which is not the first dose.
    if found is None or row.statistic not in key or row.time_h == row.time_h:
        return None
    return found.get(key[row.statistic])
