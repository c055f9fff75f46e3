"""The scoreboard as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from ketasim.report.markup import Cell, bullets, dark_rules, details, inline_figure, paragraph, table
from ketasim.report.purpose import PURPOSE
from ketasim.report.scoreboard_figures import calibration_figure, skill_figure
from ketasim.report.scoreboard_forest import forest_figure, forest_parts
from ketasim.validation.scoreboard import Scoreboard
from ketasim.validation.scoreboard.markdown import (
    HEADS,
    LEGEND,
    MISS_HEADS,
    group_lines,
    headline,
    miss_lines,
)

__all__ = ["scoreboard_page"]

_SECTIONS = (
    ("scores", "Scores"),
    ("calibration", "Are the intervals right?"),
    ("skill", "Against baselines"),
    ("forest", "Every number"),
    ("signs", "Every sign"),
    ("misses", "Rows that miss"),
)
_CALIBRATION = (
    "Left: share of published numbers inside the central interval of each level; a line above the diagonal "
    "means intervals that are too wide, one below it too narrow. Right: how far up in its predictive "
    "distribution each published number lies; a hill means too wide, a valley too narrow, "
    "a slope a lean to one side."
)
_SKILL = (
    "One less the ratio of the interval score of the model and of the baseline on the rows that the "
    "baseline predicts; above 0 the model is better. Bars below −1 are cut. The K-PD model predicts "
    "MADRS and HAM-D only."
)
_FOREST = (
    "Published and predicted value of each row (the numbers before and behind the bar), grouped by stage of "
    "the model. The blue bar holds 95 % of what a sample of the published size would give; it counts "
    "parameters, studies, people and sampling."
)


def scoreboard_page(board: Scoreboard) -> str:
    """Write the page.

    Parameters
    ----------
    board : Scoreboard
        What was scored.

    Returns
    -------
    str
        HTML with style and figures inside; an equal scoreboard gives an equal page.
    """
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title in _SECTIONS)
    failed = list(board.failed.values())
    body = [
        "<header>",
        "<h1>Evidence scoreboard</h1>",
        paragraph("Published numbers beside what Ketasim predicts for a sample of the same size.", "quiet"),
        bullets(headline(board)),
        *([paragraph("Not scored: " + " ".join(failed), "notice")] if failed else []),
        paragraph(PURPOSE, "notice"),
        f'<nav aria-label="sections">{links}</nav>',
        "</header>",
    ]
    parts = (_scores, _calibration, _skill, _forest, _signs, _misses)
    for index, ((name, title), part) in enumerate(zip(_SECTIONS, parts, strict=True), start=1):
        body.append(f'<section aria-labelledby="{name}">\n<h2 id="{name}">{index}. {escape(title)}</h2>')
        body.append(part(board))
        body.append("</section>")
    files = resources.files("ketasim.report")
    style = (files / "report.css").read_text(encoding="utf-8") + dark_rules()
    page = Template((files / "page.html").read_text(encoding="utf-8"))
    return page.substitute(title="Ketasim: evidence scoreboard", style=style, body="\n".join(body))


def _scores(board: Scoreboard) -> str:
    heads: list[Cell] = [HEADS[0], *((name, "n") for name in HEADS[1:])]
    lines = group_lines(board)
    return paragraph(LEGEND, "quiet") + "\n".join(
        table(heads, [[line[0], *((cell, "n") for cell in line[1:])] for line in own], title)
        for title, own in lines.items()
    )


def _calibration(board: Scoreboard) -> str:
    if not board.measured["z"].notna().any():
        return paragraph("No number was scored.")
    says = "Coverage of predictive intervals against their nominal level, and a histogram of places."
    return inline_figure("calibration-figure", calibration_figure(board.measured), says, _CALIBRATION)


def _skill(board: Scoreboard) -> str:
    groups = {"all": board.summary["all"], **board.summary["by_domain"], **board.summary["by_domain_and_use"]}
    if not any(item["quantitative"] for own in groups.values() for item in own["baselines"].values()):
        return paragraph("No row could be predicted by a baseline.")
    says = "Skill of the model against three baselines by domain and use."
    return inline_figure("skill-figure", skill_figure(groups, board.baselines), says, _SKILL)


def _forest(board: Scoreboard) -> str:
    found = []
    for part in forest_parts(board.measured):
        figure = forest_figure(part)
        says = f"{part.title}: published and predicted values with 95 % intervals; {len(part.rows)} rows."
        found.append(inline_figure(part.name, figure, says, f"{part.title}. Published | predicted."))
    return "\n".join([paragraph(_FOREST), *found])


def _signs(board: Scoreboard) -> str:
    signs = board.measured[board.measured["kind"] == "sign"]
    if signs.empty:
        return paragraph("No row reports a sign.")
    words = {-1: "down", 0: "no change", 1: "up"}
    lines: list[Sequence[Cell]] = []
    for row in signs.sort_values(["stage", "study", "id"], kind="stable").to_dict("records"):
        binary = row["statistic"] in ("retained", "binary")
        told = {0: "no", 1: "yes"} if binary else words
        against = f" against {row['comparator']}" if row["comparator"] else ""
        predicted = told.get(int(row["predicted"]), "–") if row["predicted"] == row["predicted"] else "–"
        lines.append(
            (
                str(row["stage"]),
                str(row["study"]),
                str(row["id"]),
                f"{row['quantity']} {row['statistic']}, {row['arm']}{against}".replace("_", " "),
                told.get(round(row["observed"]), str(row["observed"])),
                (predicted, "met" if row["hit"] else "missed"),
            )
        )
    heads = ("stage", "study", "row", "what", "published", "predicted")
    return details(f"All {len(lines)} sign rows", table(heads, lines))


def _misses(board: Scoreboard) -> str:
    lines = miss_lines(board.misses)
    return table(MISS_HEADS, lines, f"{len(lines)} rows, the farthest first") if lines else paragraph("None.")
