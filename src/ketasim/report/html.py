"""The report as one HTML file that opens anywhere and asks nothing of the network."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

from ketasim.report.analyses_section import analyses_section
from ketasim.report.closing import harms_section, influence_section, limits_section
from ketasim.report.data import ReportData
from ketasim.report.findings import answer, few_simulated
from ketasim.report.markup import dark_rules, paragraph
from ketasim.report.purpose import PURPOSE
from ketasim.report.sections import chain_section, contrast_section, design_section, outcome_section
from ketasim.report.trial.section import trial_section

__all__ = ["report_html", "write_report"]


def _analyses(data: ReportData) -> str:
    return analyses_section(data.study, data.analyses)


_SECTIONS: tuple[tuple[str, str, Callable[[ReportData], str]], ...] = (
    ("design", "The question and the design", design_section),
    ("stages", "The chain, from dose to mood", chain_section),
    ("results", "Outcomes, simulated and published", outcome_section),
    ("parts", "Drug and expectancy", contrast_section),
    ("analyses", "The planned analyses", _analyses),
    ("trial", "The trial, patient by patient", trial_section),
    ("safety", "Harms in the first hours", harms_section),
    ("matters", "The parameters that matter most", influence_section),
    ("limits", "Limits", limits_section),
)


def report_html(data: ReportData) -> str:
    """Write the report of a run as HTML text.

    Parameters
    ----------
    data : ReportData
        The results of one run. Equal data give equal text.

    Returns
    -------
    str
        A whole page: style and figures are inside.
    """
    links = "".join(f'<a href="#{name}">{escape(title)}</a>' for name, title, _ in _SECTIONS)
    warning = few_simulated(data)
    body = [
        "<header>",
        f"<h1>{escape(data.study.title)}</h1>",
        paragraph(f"A simulation of the trial {data.study.id} with Ketasim.", "quiet"),
        paragraph(answer(data), "answer"),
        *([paragraph(warning, "notice")] if warning else []),
        paragraph(PURPOSE, "notice"),
        f'<nav aria-label="sections">{links}</nav>',
        "</header>",
    ]
    for index, (name, title, section) in enumerate(_SECTIONS, start=1):
        body.append(f'<section aria-labelledby="{name}">\n<h2 id="{name}">{index}. {escape(title)}</h2>')
        body.append(section(data))
        body.append("</section>")
    files = resources.files(__package__)
    style = (files / "report.css").read_text(encoding="utf-8") + dark_rules()
    page = Template((files / "page.html").read_text(encoding="utf-8"))
    return page.substitute(title=escape(f"{data.study.id}: Ketasim"), style=style, body="\n".join(body))


def write_report(data: ReportData, path: Path) -> Path:
    """Write the report as one file.

    Parameters
    ----------
    data : ReportData
        The results of one run.
    path : Path
        The file; its folder is made if it does not exist.

    Returns
    -------
    Path
        The same path.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_html(data), encoding="utf-8")
    return path
