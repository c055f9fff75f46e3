"""``ketasim pk-scores``: published concentrations and exposures beside the model's."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ketasim.cli.console import number, output, plain_table, write_json
from ketasim.cli.values import require_figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ketasim.model.options import Choice
    from ketasim.validation.pharmacokinetics import Error, PkScores

__all__ = ["pk_scores"]

_ERRORS = ("group", "rows are", "n", "median absolute error", "within two-fold")
#: The one source of whole time courses of all species.
_COURSES = "kamp2020bja"
_ROWS = (
    "row",
    "source",
    "regimen",
    "what",
    "statistic",
    "at h",
    "published",
    "model",
    "error",
    "kind",
    "use",
)

_CONSTANTS = ("constant", "value", "95 % range", "spread between people", "grade", "source", "note")
_OPTIONS = ("option", "choice", "sets", "sources", "why")
_STAGE = "pharmacokinetics"
#: A choice that sets more numbers than this only says how many.
_MOST_SETTINGS = 4


def pk_scores(
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write the tables of the documentation.")
    ] = False,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw published against model: .svg, .png or .pdf.")
    ] = None,
    courses: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the published time courses: .svg, .png or .pdf."),
    ] = None,
) -> None:
    """Compare every published concentration and exposure with the model."""
    from ketasim.validation.pharmacokinetics import score_readings

    if figure is not None:
        require_figure("--figure", figure)
    if courses is not None:
        require_figure("--courses", courses)
    scores = score_readings()
    if figure is not None:
        from ketasim.report.pk_score_figure import write_pk_score_figure

        write_pk_score_figure(scores.rows, figure)
        print(f"figure: {figure}", file=sys.stderr)
    if courses is not None:
        _draw_courses(scores, courses)
    if as_json:
        shown = ["row", "citation", "regimen", "quantity", "site", "statistic", "time_h", "value", "unit"]
        shown += ["predicted", "error", "kind", "use", "route"]
        write_json(
            {
                "headline": [vars(error) for error in scores.headline],
                "leaning": [vars(error) for error in scores.leaning],
                "by_route": [vars(error) for error in scores.by_route],
                "by_species": [vars(error) for error in scores.by_species],
                "by_source": [vars(error) for error in scores.by_source],
                "rows": scores.rows[shown].to_dict("records"),
                "far": scores.far[["row", "citation", "why"]].to_dict("records"),
            }
        )
        return
    parts: dict[str, tuple[Sequence[str], list[tuple[str, ...]]]] = {
        "Headline": (_ERRORS, _error_rows([*scores.headline, *scores.leaning])),
        "By route": (_ERRORS, _error_rows(scores.by_route)),
        "By species": (_ERRORS, _error_rows(scores.by_species)),
        "By source": (_ERRORS, _error_rows(scores.by_source)),
        "Beyond two-fold": (("row", "source", "what", "published", "model", "why"), _far(scores)),
    }
    if markdown:
        parts["Every row"] = (_ROWS, _every(scores))
        for title, (columns, rows) in parts.items():
            print(f"### {title}\n\n" + "\n".join(_lines(columns, rows)) + "\n")
        print("## Constants\n\n" + "\n".join(_lines(_CONSTANTS, _constants())) + "\n")
        print("## Options by name\n\n" + "\n".join(_lines(_OPTIONS, _options())))
        return
    screen = output()
    for title, (columns, rows) in parts.items():
        screen.print(plain_table(columns, rows, title=title))


def _draw_courses(scores: PkScores, path: Path) -> None:
    """Draw every time course of the source that published whole ones."""
    import numpy as np

    from ketasim.dosing import parse_regimen
    from ketasim.model.kinetics import simulate_kinetics
    from ketasim.report.pk_course_figure import PkCourse, write_pk_course_figure

    own = scores.rows[(scores.rows["citation"] == _COURSES) & (scores.rows["statistic"] == "value_at")]
    found = []
    for regimen, rows in own.groupby("regimen", sort=True):
        times = np.linspace(0.0, float(rows["time_h"].max()) + 0.25, 241)
        run = simulate_kinetics(parse_regimen(str(regimen)), times)
        found.append(PkCourse(str(regimen), times, run.quantities, rows))
    write_pk_course_figure(found, _COURSES, path)
    print(f"courses: {path}", file=sys.stderr)


def _error_rows(errors: Iterable[Error]) -> list[tuple[str, ...]]:
    return [
        (
            error.group,
            error.kind.replace("_", " "),
            str(error.n),
            _share(error),
            f"{error.within_two_fold} of {error.n}" if error.n else "",
        )
        for error in errors
    ]


def _share(error: Error) -> str:
    from ketasim.validation.pharmacokinetics import UNVALIDATED

    if error.group in UNVALIDATED:
        return "not validated"
    return "not scored: fewer than 5 rows" if error.median is None else f"{100.0 * error.median:.1f} %"


def _far(scores: PkScores) -> list[tuple[str, ...]]:
    return [
        (
            str(row["row"]),
            str(row["citation"]),
            f"{row['quantity']} {row['statistic']}" + f" {_hours(row['time_h'], ' h')}".rstrip(),
            f"{number(float(row['value']))} {row['unit']}",
            number(float(row["predicted"])),
            str(row["why"]),
        )
        for _, row in scores.far.iterrows()
    ]


def _every(scores: PkScores) -> list[tuple[str, ...]]:
    return [
        (
            str(row["row"]),
            str(row["citation"]),
            str(row["regimen"]) + ("" if row["modifier"] == "none" else f", {row['modifier']}"),
            f"{row['quantity']}, {row['site']}",
            str(row["statistic"]),
            _hours(row["time_h"]),
            f"{number(float(row['value']))} {row['unit']}",
            number(float(row["predicted"])),
            f"{100.0 * row['error']:+.0f} %",
            str(row["kind"]).replace("_", " "),
            str(row["use"]),
        )
        for _, row in scores.rows.iterrows()
    ]


def _constants() -> list[tuple[str, ...]]:
    """Constants of the stage, with what the fit says of each."""
    from ketasim.model.parameters import load_parameters

    return [
        (
            name,
            f"{number(own.value)} {own.unit}".removesuffix(" ratio"),
            "fixed" if own.low == own.high else f"{number(own.low)} to {number(own.high)}",
            "" if not own.iiv else number(own.iiv),
            own.grade,
            own.source,
            own.note,
        )
        for name, own in load_parameters().items()
        if own.stage == _STAGE
    ]


def _options() -> list[tuple[str, ...]]:
    """Disputes that can be settled by name; the default choice is marked."""
    from ketasim.model.options import load_options

    return [
        (
            option.name,
            f"{choice.name} (default)" if choice.name == option.default else choice.name,
            _settings(choice),
            ", ".join(choice.sources),
            choice.note,
        )
        for option in load_options().values()
        for choice in option.choices.values()
    ]


def _settings(choice: Choice) -> str:
    """What a choice sets; the surface of another circuit has hundreds of numbers."""
    if len(choice.settings) > _MOST_SETTINGS:
        return f"{len(choice.settings)} numbers"
    told = ", ".join(f"{own.parameter} = {number(own.value)} {own.unit}" for own in choice.settings)
    return told or "nothing"


def _hours(time: float, unit: str = "") -> str:
    """A time, or nothing where a row has none."""
    return f"{time:.3g}{unit}" if math.isfinite(time) else ""


def _lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return head + ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
