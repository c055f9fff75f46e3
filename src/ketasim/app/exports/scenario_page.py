"""Scenarios as one HTML page that opens anywhere and asks nothing of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from matplotlib.figure import Figure

from ketasim.app.exports.about import Origin
from ketasim.app.exports.markup import page
from ketasim.app.exports.scenario_tables import LETTERS
from ketasim.report.markup import bullets, details, inline_figure, paragraph, table
from ketasim.report.purpose import PURPOSE
from ketasim.report.words import number, signed

__all__ = ["scenario_page"]

_WORDS = {"fail": "Fails", "warn": "Warns", "unknown": "Not known", "pass": "Passes"}


def scenario_page(
    results: Sequence[Mapping[str, Any]], figure: Figure, caption: str, python: str, origin: Origin
) -> str:
    """Write scenarios as a page: what they are, their curves, numbers, benefit, harms and rules.

    Parameters
    ----------
    results : sequence of mapping
        Results of ``/simulate``.
    figure : Figure
        The cascade, in light colours: the page's style turns them.
    caption, python : str
        Text under the figure, and the program that gives the same numbers.
    origin : Origin
        What made it.
    """
    letters = LETTERS[: len(results)]
    body = [
        "<header>",
        "<h1>From a dose to a mood</h1>",
        paragraph(origin.text, "quiet"),
        *(
            paragraph(f"{letter}: {result['sentence']}" if len(results) > 1 else str(result["sentence"]))
            for letter, result in zip(letters, results, strict=True)
        ),
        paragraph(PURPOSE, "notice"),
        "</header>",
        "<section><h2>Curves</h2>",
        inline_figure("chain", figure, _says(results[0]), caption),
        "</section>",
        "<section><h2>Numbers</h2>",
        table(*_metrics(letters, results), "By scenario, with the ratio or difference to A"),
        "</section>",
    ]
    for letter, result in zip(letters, results, strict=True):
        body.append(f"<section><h2>Scenario {letter}</h2>" if len(results) > 1 else "<section>")
        body += [*_of_100(result), *_rules(result), bullets(result["notes"]) if result["notes"] else ""]
        body.append("</section>")
    body.append(details("The program that gives these numbers", f"<pre>{escape(python)}</pre>"))
    return page("Ketasim: from a dose to a mood", body)


def _says(result: Mapping[str, Any]) -> str:
    """One sentence on the course of mood, for who cannot see the figure."""
    mood = result["series"].get("madrs")
    if mood is None:
        return f"Curves of: {result['sentence']}"
    lowest = min(mood["lo"])
    return (
        f"MADRS starts at {number(mood['mid'][0])} points, falls to {number(lowest)} and ends at "
        f"{number(mood['mid'][-1])}; {result['sentence']}"
    )


def _metrics(letters: str, results: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[tuple[str, ...]]]:
    heads = ["", *letters, *(f"{letter} to A" for letter in letters[1:])]
    rows = []
    for place, metric in enumerate(results[0]["metrics"]):
        own = [result["metrics"][place] for result in results]
        cells = [_with_unit(item["value"], item["unit"]) for item in own]
        rows.append((metric["name"], *cells, *(_beside(metric, item) for item in own[1:])))
    return heads, rows


def _with_unit(value: float | None, unit: str) -> str:
    return "–" if value is None else f"{number(value)} {unit}".strip()


def _beside(first: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The ratio or the difference to the first scenario."""
    one, two = first["value"], other["value"]
    if one is None or two is None:
        return "–"
    if first["compare"] == "ratio":
        return f"× {number(two / one)}" if one else "–"
    return signed(two - one)


def _of_100(result: Mapping[str, Any]) -> list[str]:
    found = result.get("per_100")
    if not found:
        return []
    control = str((result.get("control") or {}).get("name", "control"))
    rows = [
        (
            str(item["name"]),
            f"{number(item['value'])} ({number(item['low'])} to {number(item['high'])})",
            f"{number(item['control'])} ({number(item['control_low'])} to {number(item['control_high'])})",
        )
        for item in found["items"]
    ]
    title = f"Of 100 {found['who']} by day {number(found['horizon_h'] / 24.0)}, uncalibrated"
    shares = table(("", "this scenario", control), rows, title)
    if not found["nnt"]:
        return [shares]
    return [shares, paragraph(f"Number needed to treat for one more response: {found['nnt']['text']}.")]


def _rules(result: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            _WORDS.get(rule["state"], str(rule["state"])),
            str(rule["title"]),
            str(rule["message"]),
            str(rule["source"]),
        )
        for rule in result["rules"]
    ]
    return [table(("", "rule", "what was found", "source"), rows, "Supervision rules")] if rows else []
