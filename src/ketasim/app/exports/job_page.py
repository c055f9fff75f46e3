"""A long run as one HTML page that opens anywhere and asks nothing of the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ketasim.app.exports.about import Origin
from ketasim.app.exports.job_figures import job_figure
from ketasim.app.exports.markup import page
from ketasim.report.markup import bullets, inline_figure, paragraph, table
from ketasim.report.purpose import PURPOSE
from ketasim.report.words import number, time_text

__all__ = ["job_page"]

Row = Mapping[str, Any]


def job_page(result: Row, origin: Origin) -> str:
    """Write the page of a trial or of a population.

    Parameters
    ----------
    result : mapping
        As the explorer reads it.
    origin : Origin
        What made it.
    """
    partly = "Preliminary: more trials were coming." if result["preliminary"] else ""
    stopped = f"Stopped at {result['people']:,} people." if result["stopped"] else ""
    body = [
        "<header>",
        f"<h1>{escape(str(result['name']))}</h1>",
        paragraph(origin.text, "quiet"),
        paragraph(str(result["headline"]), "answer"),
        paragraph(str(result["support"])),
        *(paragraph(text, "notice") for text in (partly, stopped) if text),
        paragraph(PURPOSE, "notice"),
        "</header>",
        "<section>",
        inline_figure(
            "result", job_figure(result, origin), str(result["headline"]), str(result.get("uncertainty", ""))
        ),
        "</section>",
    ]
    sections = _trial(result) if result["kind"] == "trial" else _population(result)
    body += [f"<section>{section}</section>" for section in sections if section]
    body.append(f"<section>{bullets([*result['notes'], *_command(result)])}</section>")
    return page(f"Ketasim: {result['name']}", body)


def _command(result: Row) -> list[str]:
    return [f"The same on the command line: {result['command']}"] if result["command"] else []


def _trial(result: Row) -> list[str]:
    names = {arm["id"]: arm["name"] for arm in result["arms"]}
    scores = [
        (row["label"], names[row["arm"]], time_text(row["visit_h"]), _range(row, "estimate"), row["unit"])
        for row in result["endpoints"]
    ]
    return [
        table(("scale", "arm", "visit", "mean (range)", "unit"), scores, "Scores by visit"),
        _of_100(result, names),
        _needed(result),
        _harms(result, names),
        _completers(result, names),
        _groups(result),
        _published(result),
        _power(result),
    ]


def _range(row: Row, name: str) -> str:
    if row[name] is None:
        return "–"
    middle = number(row[name])
    if row["low"] is None or row["high"] is None:
        return middle
    return f"{middle} ({number(row['low'])} to {number(row['high'])})"


def _of_100(result: Row, names: Mapping[str, str]) -> str:
    rows = [
        (rate["label"], names[own["arm"]], _range(own, "value"))
        for rate in result["per_100"]
        for own in rate["arms"]
    ]
    return table(("", "arm", "people of 100 (range)"), rows, "Of 100 people") if rows else ""


def _needed(result: Row) -> str:
    return paragraph(str(result["nnt"]["sentence"])) if result["nnt"] else ""


def _harms(result: Row, names: Mapping[str, str]) -> str:
    rows = [
        (harm["label"], names[own["arm"]], _range(own, "per_100"), _shown(own["nnh"]))
        for harm in result["harms"]
        for own in harm["arms"]
    ]
    heads = ("adverse event", "arm", "people of 100 (range)", "number needed to harm")
    return table(heads, rows, "Harms") if rows else ""


def _shown(value: float | None) -> str:
    return "–" if value is None else number(value)


def _completers(result: Row, names: Mapping[str, str]) -> str:
    rows = [
        (
            names[own["arm"]],
            number(own["randomised"]),
            number(own["completed"]),
            "; ".join(f"{item['reason']} {number(item['n'])}" for item in own["reasons"]) or "–",
            number(own["not_simulated"]),
        )
        for own in result["completers"]
    ]
    heads = ("arm", "randomised", "completed", "left, by reason", "not simulated")
    return table(heads, rows, "People of a trial, on average")


def _groups(result: Row) -> str:
    rows = [
        (row["group"], row["level"], _range(row, "estimate"), f"{number(row['n'])}")
        for row in result["groups"]
    ]
    heads = ("", "people", "difference (range), points", "treated")
    return table(heads, rows, "Difference by group") if rows else ""


def _published(result: Row) -> str:
    rows = [
        (
            row["arm"],
            f"{row['quantity']} {row['statistic']}",
            time_text(row["time_h"]),
            number(row["observed"]),
            _shown(row["predicted"]),
            {True: "hit", False: "miss", None: "–"}[row["hit"]],
            str(row["citation"]),
        )
        for row in result["published"]
    ]
    heads = ("arm", "statistic", "time", "published", "simulated", "", "source")
    return table(heads, rows, "Published beside simulated") if rows else ""


def _power(result: Row) -> str:
    own = result["power"]
    if own is None:
        return ""
    share = f"{100.0 * own['value']:.1f} % ({100.0 * own['low']:.1f} to {100.0 * own['high']:.1f} %)"
    text = f"{own['label']}: power {share}, from {own['trials']:,} simulated trials at α {own['alpha']:g}."
    return paragraph(text)


def _population(result: Row) -> list[str]:
    rows: Sequence[tuple[str, ...]] = [
        (
            rate["label"],
            f"{number(rate['value'])} ({number(rate['low'])} to {number(rate['high'])})",
            f"{number(rate['control'])} ({number(rate['control_low'])} to {number(rate['control_high'])})",
        )
        for rate in result["per_100"]
    ]
    return [
        paragraph(str(result["sentence"])),
        table(("", "drug", "control"), rows, f"Of 100 {result['who']}"),
        _needed(result),
    ]
