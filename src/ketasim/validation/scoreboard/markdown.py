"""The scoreboard in words and tables: the lines that the screen, the page and the documentation share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from ketasim.validation.scoreboard.board import Scoreboard

__all__ = ["HEADS", "LEGEND", "MISS_HEADS", "board_markdown", "group_lines", "headline", "miss_lines"]

#: What the columns of the tables of scores mean.
LEGEND = (
    "in 95 %: numbers inside the 95 % interval; score: mean interval score, in usual effects of the class "
    "of row, lower is better; met: balanced accuracy of all sign rows, and of directions and yes-or-no rows "
    "apart; skill: share of a baseline's interval score that is saved, against no effect, the mean of "
    "comparable studies (alike) and the K-PD model."
)
#: Columns of the tables of scores.
HEADS = (
    "group",
    "rows",
    "numbers",
    "in 95 %",
    "score",
    "mean abs z",
    "signs",
    "met",
    "directions",
    "met",
    "yes/no",
    "met",
    "skill: none",
    "alike",
    "K-PD",
)
MISS_HEADS = ("study", "row", "what", "published", "predicted", "95 % interval", "z", "use", "reason")
_GROUPS = (
    ("by_use", "By use"),
    ("by_domain", "By domain"),
    ("by_domain_and_use", "By domain and use"),
    ("check_in_no_pool", "Check rows whose patients are in no pool that informs the fit"),
    ("by_stage", "By stage"),
    ("by_species", "By species"),
    ("by_row_class", "By class of row"),
)


def _share(value: float) -> str:
    return "–" if not math.isfinite(value) else f"{100.0 * value:.0f} %"


def _number(value: Any, digits: int = 3) -> str:
    if value is None or not math.isfinite(value):
        return "–"
    return f"{value + 0.0:.{digits}g}"


def _line(name: str, own: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        name.replace("_", " "),
        str(own["rows"]),
        str(own["quantitative"]),
        _share(own["inside_95"]),
        _number(own["interval_score"]),
        _number(own["mean_abs_z"]),
        str(own["sign_rows"]),
        _share(own["sign_row_accuracy"]),
        str(own["signs"]),
        _share(own["sign_accuracy"]),
        str(own["binary"]),
        _share(own["binary_accuracy"]),
        *(_number(item["skill"], 2) for item in own["baselines"].values()),
    )


def group_lines(board: Scoreboard) -> dict[str, list[tuple[str, ...]]]:
    """Tables of scores with the columns of :data:`HEADS`, by title."""
    summary = board.summary
    found = {"All": [_line("all measured rows", summary["all"])]}
    for key, title in _GROUPS:
        found[title] = [_line(name, own) for name, own in summary[key].items()]
    if summary["model_output"]["rows"]:
        found["Apart: what other models printed"] = [_line("model output", summary["model_output"])]
    return found


def headline(board: Scoreboard) -> list[str]:
    """What the scoreboard says, in sentences."""
    own = board.summary["all"]
    settings = board.summary["settings"]
    lines = [
        f"{own['rows']} measured rows of {board.works} studies and experiments; "
        f"{settings['draws']} parameter draws by {settings['per_draw']} people an arm, "
        f"seed {settings['seed']}.",
        f"{_share(own['inside_95'])} of {own['quantitative']} numbers lie inside the 95 % interval; "
        f"{_share(own['half_sd']['inside_95'])} would with all SDs halved, "
        f"{_share(own['double_sd']['inside_95'])} with all doubled.",
        f"Interval score {_number(own['interval_score'])} (lower is better), "
        f"{_number(own['half_sd']['interval_score'])} with all SDs halved, "
        f"{_number(own['double_sd']['interval_score'])} with all doubled.",
        f"Balanced accuracy {_share(own['sign_row_accuracy'])} of {own['sign_rows']} sign rows: "
        f"{_share(own['sign_accuracy'])} of {own['signs']} directions, "
        f"{_share(own['binary_accuracy'])} of {own['binary']} yes-or-no rows.",
    ]
    if own["not_predicted"]:
        lines.append(f"{own['not_predicted']} rows got no prediction; they count as misses of their kind.")
    if board.left_out:
        lines.append(
            f"{len(board.left_out)} rows are of statistics that are not predicted; they are not scored."
        )
    if board.failed:
        lines.append(f"Files or works that could not be scored: {len(board.failed)}; they are named below.")
    return lines


def _when(time_h: float) -> str:
    if not math.isfinite(time_h):
        return ""
    return f" at {time_h:.4g} h" if time_h <= 72.0 else f" at {time_h / 24.0:.4g} d"


def miss_lines(misses: pd.DataFrame) -> list[tuple[str, ...]]:
    """One line a miss, with the columns of :data:`MISS_HEADS`."""
    found: list[tuple[str, ...]] = []
    for row in misses.to_dict("records"):
        against = f" against {row['comparator']}" if row["comparator"] else ""
        what = f"{row['quantity']} {row['statistic']}, {row['arm']}{against}{_when(row['time_h'])}"
        is_sign = row["kind"] == "sign"
        ends = "" if is_sign else f"{_number(row['low'])} to {_number(row['high'])}"
        found.append(
            (
                str(row["study"]),
                str(row["id"]),
                what,
                f"{_number(row['observed'])} {row['unit']}",
                _number(row["predicted"]),
                ends,
                "" if is_sign else _number(row["z"], 2),
                str(row["use"]),
                str(row["reason"]),
            )
        )
    return found


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> list[str]:
    top = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    # A bar or a line break in a cell would end it.
    cells = ([" ".join(cell.replace("|", "/").split()) for cell in line] for line in lines)
    return top + ["| " + " | ".join(line) + " |" for line in cells]


def board_markdown(board: Scoreboard) -> str:
    """Write the committed table: scores by group, and every row that misses on a line of its own.

    Returns
    -------
    str
        Markdown without a final line break.
    """
    parts = [
        "# Scoreboard",
        "",
        "Written by `ketasim validate --markdown`; see [Validation](validation.md).",
        "",
    ]
    parts += [*(f"- {line}" for line in headline(board)), "", f"Columns: {LEGEND}"]
    for title, lines in group_lines(board).items():
        parts += ["", f"## {title}", "", *_table(HEADS, lines)]
    misses = board.misses
    parts += ["", "## Rows that miss", "", f"{len(misses)} rows, the farthest first.", ""]
    parts += _table(MISS_HEADS, miss_lines(misses))
    if board.left_out:
        parts += ["", "## Statistics that are not predicted", "", ", ".join(board.left_out) + "."]
    if board.failed:
        parts += ["", "## Not scored", "", *(f"- {reason}" for reason in board.failed.values())]
    return "\n".join(parts)
