"""A population fit as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from importlib import resources
from string import Template
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ketasim.report.markup import bullets, dark_rules, inline_figure, paragraph, table
from ketasim.report.purpose import PURPOSE
from ketasim.report.words import number

__all__ = ["fit_page"]

_HEADS = ("value", "kind", "estimate", "95 % interval", "unit", "table", "posterior / prior SD", "shrinkage")
_METHOD = (
    "Method: typical values on the log scale (logit for shares), normal deviations of the persons "
    "there; the model "
    "is made linear around each person's most probable deviations, and the likelihood with the "
    "covariance of this "
    "linear model is made as large as it can be, in turns, until both stand still (FOCE with interaction)."
)


def fit_page(
    data: Mapping[str, Any], parameters: pd.DataFrame, figures: Mapping[str, tuple[Figure, str]]
) -> str:
    """Write the page.

    Parameters
    ----------
    data : mapping
        As of ``fit.json``.
    parameters : pandas.DataFrame
        Population values.
    figures : mapping of str to (Figure, str)
        Figure and caption by name.

    Returns
    -------
    str
        HTML with style and figures inside; equal results give an equal page.
    """
    title = f"Fit to {data['file']}"
    body = [
        "<header>",
        f"<h1>{escape(title)}</h1>",
        paragraph(
            f"{data['persons']} persons, {data['observations']} measurements of "
            f"{', '.join(data['quantities'])}.",
            "quiet",
        ),
        paragraph(PURPOSE, "notice"),
        "</header>",
        _section("population", "Population", _population(data, parameters)),
        *([_section("ahead", "Forecast", _ahead(data, figures))] if "forecast" in data else []),
        _section("checks", "Does the model hold", _drawn(figures, [n for n in figures if n != "forecast"])),
    ]
    files = resources.files("ketasim.report")
    style = (files / "report.css").read_text(encoding="utf-8") + dark_rules()
    page = Template((files / "page.html").read_text(encoding="utf-8"))
    return page.substitute(title=escape(title), style=style, body="\n".join(body))


def _section(name: str, title: str, inside: str) -> str:
    return f'<section aria-labelledby="{name}">\n<h2 id="{name}">{escape(title)}</h2>\n{inside}\n</section>'


def _population(data: Mapping[str, Any], parameters: pd.DataFrame) -> str:
    rows = [
        (
            str(row["name"]),
            str(row["kind"]),
            number(float(row["estimate"])),
            "–" if pd.isna(row["se"]) else f"{number(float(row['low']))} to {number(float(row['high']))}",
            str(row["unit"]),
            number(float(row["table_value"])),
            number(float(row["posterior_over_prior_sd"])),
            "–" if pd.isna(row["shrinkage"]) else f"{100.0 * float(row['shrinkage']):.0f} %",
        )
        for row in parameters.to_dict("records")
    ]
    ended = "came to rest" if data["converged"] else "did not come to rest"
    told = [
        f"The search {ended} after {data['iterations']} iterations. Minus twice the log likelihood: "
        f"{data['minus_2_log_likelihood']:.2f}; by importance sampling "
        f"{data['minus_2_log_likelihood_sampled']:.2f} (SE {data['minus_2_log_likelihood_sampled_se']:.2f}).",
        f"Priors: {'ranges of the parameter tables' if data['prior'] == 'table' else 'none'}. Errors: "
        f"{', '.join(data['errors'])}; shrinkage of the residuals {100.0 * data['error_shrinkage']:.0f} %.",
        *data["notes"],
    ]
    warned = [paragraph(text, "notice") for text in data["warnings"]]
    return "\n".join(
        [*warned, table(_HEADS, rows, "Fitted values"), bullets(told), paragraph(_METHOD, "quiet")]
    )


def _ahead(data: Mapping[str, Any], figures: Mapping[str, tuple[Figure, str]]) -> str:
    ahead = data["forecast"]
    rows = [
        (
            str(row["parameter"]),
            number(float(row["typical"])),
            number(float(row["value"])),
            f"{number(float(row['low']))} to {number(float(row['high']))}",
            str(row["unit"]),
            f"{100.0 * float(row['variance_removed']):.0f} %",
        )
        for row in ahead["individual"]
    ]
    heads = ("parameter", "typical", "his", "95 % interval", "unit", "variance removed by his data")
    return "\n".join(
        [
            paragraph(
                f"ID {ahead['id']:g}: {ahead['regimen']}. The new doses begin at {ahead['start_h']:g} h."
            ),
            _drawn(figures, ["forecast"]),
            table(heads, rows, "His parameters"),
            bullets(ahead["notes"]),
        ]
    )


def _drawn(figures: Mapping[str, tuple[Figure, str]], names: list[str]) -> str:
    return "\n".join(
        inline_figure(name, figures[name][0], figures[name][1], figures[name][1]) for name in names
    )
