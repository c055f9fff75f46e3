"""Power of a trial as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources
from string import Template
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ketasim.report.markup import bullets, dark_rules, inline_figure, paragraph, table
from ketasim.report.purpose import PURPOSE
from ketasim.report.words import number
from ketasim.trials.study import Study

__all__ = ["interval_words", "power_page"]

_KIND = {"power": "Power", "assurance": "Assurance", "null": "Type I error"}
_HEADS = (
    "way",
    "patients",
    "by arm",
    "share of trials",
    "95 % interval",
    "mean estimate",
    "SD over trials",
    "trials",
)


def interval_words(low: float, high: float) -> str:
    """An interval of shares as per cent."""
    return f"{100.0 * low:.1f} to {100.0 * high:.1f} %"


def power_page(
    study: Study, data: Mapping[str, Any], rows: pd.DataFrame, needed: Sequence[str], figure: Figure
) -> str:
    """Write the page.

    Parameters
    ----------
    study : Study
        The design.
    data : mapping
        Kind, analysis, numbers of trials and notes, as in ``power.json``.
    rows : DataFrame
        A row a curve and size, with the columns of ``power.csv``.
    needed : sequence of str
        Patients for the usual targets, in sentences.
    figure : Figure
        Power over the number of patients.

    Returns
    -------
    str
        HTML with style and figure inside; equal results give an equal page.
    """
    kind = str(data["kind"])
    word = _KIND[kind]
    analysis = escape(f"{word} of the analysis {data['analysis']} of {study.id}")
    count = f"{data['replicates_finished']} simulated trials for each curve, seed {data['seed']}."
    stopped = "Stopped before all trials were simulated." if data["interrupted"] else ""
    body = [
        "<header>",
        f"<h1>{escape(study.title)}</h1>",
        f'<p class="quiet">{analysis}: {escape(count)}</p>',
        *([paragraph(stopped, "notice")] if stopped else []),
        paragraph(PURPOSE, "notice"),
        "</header>",
        "<section>",
        *([bullets(needed)] if needed else []),
        inline_figure(
            "power",
            figure,
            f"{word} over the number of patients; the table below has the numbers.",
            "Share of simulated trials, with the interval of the Monte-Carlo error.",
        ),
        table(_HEADS, _cells(rows, kind), word),
        bullets(data["notes"]),
        "</section>",
    ]
    files = resources.files("ketasim.report")
    style = (files / "report.css").read_text(encoding="utf-8") + dark_rules()
    page = Template((files / "page.html").read_text(encoding="utf-8"))
    return page.substitute(title=escape(f"{study.id}: {word}"), style=style, body="\n".join(body))


def _cells(rows: pd.DataFrame, kind: str) -> list[tuple[str, ...]]:
    share, low, high = (
        ("rejected", "rejected_low", "rejected_high") if kind == "null" else ("power", "low", "high")
    )
    return [
        (
            str(row["label"]),
            str(row["n_total"]),
            str(row["n_by_arm"]),
            f"{100.0 * row[share]:.1f} %",
            interval_words(row[low], row[high]),
            f"{number(row['estimate_mean'])} {row['unit']}".rstrip(),
            number(row["estimate_sd"]),
            str(row["replicates"]),
        )
        for row in rows.to_dict("records")
    ]
