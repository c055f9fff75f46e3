"""``ketasim brain couplings`` and ``ketasim brain tabulate``: the rule on late signs, and surfaces."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ketasim.cli.brain_source import (
    DEFAULT_COUPLING,
    CouplingName,
    FittedFile,
    LabelsFile,
    Named,
    Symmetrise,
    WeightsFile,
    chosen_connectome,
    chosen_coupling,
    safe_model,
)
from ketasim.cli.console import number, output, plain_table
from ketasim.cli.values import whole_number
from ketasim.cli.work import require_file, to_screen, write_numbers

if TYPE_CHECKING:
    from rich.table import Table

    from ketasim.brain import BrainSurfaces, Conditions, Verdict, VerdictRow

__all__ = ["couplings", "tabulate"]

_CHECKS = {
    "pcc_mpfc_lower_24h": "PCC-mPFC lower, 24 h",
    "insula_dmn_normalised_2d": "insula-DMN normal, 2 d",
    "insula_dmn_back_10d": "back, 10 d",
    "safe": "safe",
}
_POINTS, _SEED = ("a number of points", 256, 16_384), ("a seed", 0, 2**32 - 1)


def couplings(
    connectome: Named = None,
    weights: WeightsFile = None,
    labels: LabelsFile = None,
    symmetrise: Symmetrise = False,
    fitted: FittedFile = None,
    as_json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all numbers; - for the screen.")
    ] = None,
) -> None:
    """Apply the rule that decides how spine density may act on networks; show every number of it."""
    from ketasim.brain import COUPLINGS, Verdict, decide, load_conditions
    from ketasim.cli.progress import watching

    require_file("--json", as_json)
    regions = chosen_connectome(connectome, weights, labels, symmetrise=symmetrise)
    limits = load_conditions()
    with watching("finding the strongest safe weights") as watcher:
        whole = safe_model(regions, fitted)
        rows: list[VerdictRow] = []
        for item in COUPLINGS.values():
            rows += decide(whole.model, [item], conditions=limits).rows
            watcher("trying couplings", len(rows), len(COUPLINGS))
    verdict = Verdict(regions.name, tuple(rows))
    write_numbers(_verdict_record(verdict, whole.weights), as_json)
    if to_screen(as_json):
        return
    screen = output()
    screen.print(f"{regions.name}; weights {whole.weights}.", soft_wrap=True)
    screen.print(_number_table(verdict))
    screen.print(_sign_table(verdict))
    for line in _verdict_words(verdict, limits):
        screen.print(line, soft_wrap=True)


def _verdict_record(verdict: Verdict, weights: str) -> dict[str, Any]:
    return {
        "connectome": verdict.connectome,
        "weights": weights,
        "chosen": verdict.chosen,
        "nearest": verdict.nearest,
        "couplings": [
            {**row.record(), "worst_state": row.criticality.where, "courses": _courses(row.courses)}
            for row in verdict.rows
        ],
    }


def _courses(courses: Mapping[str, Mapping[float, Mapping[str, float | None]]]) -> list[dict[str, Any]]:
    return [
        {"brain": brain, "time_h": hours, "readouts": dict(readouts)}
        for brain, times in courses.items()
        for hours, readouts in times.items()
    ]


def _number_table(verdict: Verdict) -> Table:
    columns = (
        "coupling",
        "PCC-mPFC at 24 h, change",
        "insula-DMN gap",
        "closed at 2 d",
        "closed at 10 d",
        "worst eigenvalue, 1/s",
        "5 % more weight",
    )
    cells = [
        (
            row.coupling.name,
            _signed(row.signs.pcc_mpfc_change),
            _signed(row.signs.insula_gap),
            _percent(row.signs.insula_closed_2d),
            _percent(row.signs.insula_closed_10d),
            "unstable" if row.criticality.eigenvalue is None else f"{row.criticality.eigenvalue:.2f}",
            _percent(row.criticality.rate_change),
        )
        for row in verdict.rows
    ]
    title = "Late signs in the depressed brain (Fisher z), and the worst of all doses and times"
    return plain_table(columns, cells, title=title, right=columns[1:])


def _sign_table(verdict: Verdict) -> Table:
    columns = ("coupling", *_CHECKS.values(), "passes", "density acts as")
    cells = [
        (
            row.coupling.name,
            *("yes" if row.checks[name] else "no" for name in _CHECKS),
            "yes" if row.passes else "no",
            row.coupling.title,
        )
        for row in verdict.rows
    ]
    return plain_table(columns, cells, title="The rule")


def _verdict_words(verdict: Verdict, limits: Conditions) -> list[str]:
    from ketasim.brain import EIGENVALUE_LIMIT, NO_COUPLING, RATE_CHANGE_LIMIT
    from ketasim.brain.couplings import REFERENCE_COUPLING

    found = [f"Verdict: {verdict.chosen}."]
    if verdict.chosen == NO_COUPLING:
        found.append(f"Nearest to the signs, for a mere read-out: {verdict.nearest}.")
    if all(row.signs.insula_gap is None for row in verdict.rows):
        found.append("This parcellation has no insula, so that no coupling can show its signs.")
    found.append(
        f"Lower: by {limits.change_least:g} or more. Gap: healthy minus depressed, {limits.gap_least:g} or "
        f"more. Normal: {100.0 * limits.gap_closed:g} % or more of it closed, and not overshot by as much. "
        f"Safe: eigenvalue below {EIGENVALUE_LIMIT:g} /s, and 5 % more local weight moves no rate by "
        f"{100.0 * RATE_CHANGE_LIMIT:g} % or more. {REFERENCE_COUPLING!r} is a reference, not a candidate."
    )
    return found


def _signed(value: float | None) -> str:
    return "not here" if value is None else f"{round(value, 4) + 0.0:+.4f}"


def _percent(share: float | None) -> str:
    if share is None:
        return "not here"
    return f"{100.0 * share:.0f} %" if abs(share) < float("inf") else "no rest"


def tabulate(
    write: Annotated[Path, typer.Option(metavar="FILE", help="Write the surfaces here, as JSON.")],
    connectome: Named = None,
    weights: WeightsFile = None,
    labels: LabelsFile = None,
    symmetrise: Symmetrise = False,
    fitted: FittedFile = None,
    coupling: CouplingName = DEFAULT_COUPLING,
    points: Annotated[
        str, typer.Option(metavar="N", help="Size of the design; a power of 2 is best.")
    ] = "512",
    seed: Annotated[str, typer.Option(metavar="N", help="The same seed gives the same file.")] = "0",
) -> None:
    """Compute the brain over a space-filling design and fit closed-form surfaces for the chain."""
    from ketasim.brain import tabulate_brain, write_surfaces
    from ketasim.cli.progress import watching

    size, start = whole_number("--points", points, *_POINTS), whole_number("--seed", seed, *_SEED)
    require_file("--write", write)
    how = chosen_coupling(coupling)
    regions = chosen_connectome(connectome, weights, labels, symmetrise=symmetrise)
    with watching("finding the strongest safe weights") as watcher:
        whole = safe_model(regions, fitted)
        surfaces = tabulate_brain(
            whole.model,
            how,
            size,
            start,
            progress=lambda done, total: watcher("computing and fitting", done, total),
        )
    write_surfaces(surfaces, write)
    print(f"surfaces: {write}", file=sys.stderr)
    screen = output()
    screen.print(
        f"{surfaces.connectome}, weights {whole.weights}, coupling {surfaces.coupling}: {surfaces.points} "
        f"points fitted, {surfaces.unsafe} left out as unsafe.",
        soft_wrap=True,
    )
    screen.print(_surface_table(surfaces))
    screen.print(
        "Spread: SD over the design. Left out: rms error of each point as predicted without its fold. Both "
        "in natural log for a log_ratio, else in Fisher z.",
        soft_wrap=True,
    )


def _surface_table(surfaces: BrainSurfaces) -> Table:
    columns: Sequence[str] = ("read-out", "scale", "healthy", "spread", "rms", "left out", "steps")
    cells = [
        (
            item.name,
            item.scale,
            number(item.reference),
            f"{item.spread:.4f}",
            f"{item.rms:.4f}",
            f"{item.rms_left_out:.4f}",
            str(len(item.heights)),
        )
        for item in surfaces.surfaces.values()
    ]
    return plain_table(columns, cells, right=columns[2:])
