"""A long run as one figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ketasim.app.exports.about import Origin
from ketasim.report.style import INK, INK2, INK3, LINE, SMALL, STRONG, TEXT, WIDTH, bare, new_figure
from ketasim.report.words import time_text

__all__ = ["job_figure"]

#: Colours and dashes of arms; a control is grey.
_HUES = ("#2d54a0", "#a43e13", "#066a5b", "#802d7c", "#897311")
_DASHES: tuple[Any, ...] = ("-", (0, (5, 3)), (0, (9, 3, 2, 3)), (0, (2, 2)))
#: Inches: heights of a panel, of a line of text, and room above, below and beside.
_TALL, _LINE, _TOP, _BETWEEN, _BOTTOM, _LEFT, _RIGHT = 2.5, 0.165, 0.5, 0.95, 0.55, 0.75, 0.25
_WRAP = 118


def job_figure(result: Mapping[str, Any], origin: Origin) -> Figure:
    """Draw a trial (scores by visit, staying well, people of 100, estimates) or a population.

    Parameters
    ----------
    result : mapping
        As the page reads it.
    origin : Origin
        What made it; written below.

    Returns
    -------
    Figure
    """
    drawers = _trial_panels(result) if result["kind"] == "trial" else _population_panels(result)
    partly = " Preliminary: more trials were coming." if result["preliminary"] else ""
    above = textwrap.wrap(f"{result['headline']} {result['support']}{partly}", _WRAP)
    below = textwrap.wrap(" ".join((*origin.lines, _ranges(result))), _WRAP + 12)
    rows = (len(drawers) + 1) // 2
    top = _TOP + _LINE * len(above)
    height = top + rows * (_TALL + _BETWEEN) + _BOTTOM + _LINE * len(below) - 0.5
    figure = new_figure(height)
    for index, line in enumerate(above):
        y = 1.0 - (0.18 + _LINE * index) / height
        figure.text(0.01, y, line, fontsize=TEXT, color=INK, va="center")
    wide = (WIDTH - 2 * (_LEFT + _RIGHT)) / 2.0
    for index, (title, draw) in enumerate(drawers):
        left = _LEFT + (index % 2) * (wide + _LEFT + _RIGHT)
        bottom = height - top - (index // 2 + 1) * _TALL - (index // 2) * _BETWEEN
        box = (left / WIDTH, bottom / height, wide / WIDTH, _TALL / height)
        ax = figure.add_axes(box)
        bare(ax)
        ax.yaxis.grid(visible=True, color=LINE, linewidth=0.7)
        ax.set_axisbelow(True)
        ax.set_title(title, fontsize=TEXT, color=INK, loc="left", fontweight="bold", pad=12)
        draw(ax)
    for index, line in enumerate(below):
        y = (_LINE * (len(below) - index) - 0.05) / height
        figure.text(0.01, y, line, fontsize=SMALL - 1.0, color=INK2, va="center")
    return figure


def _ranges(result: Mapping[str, Any]) -> str:
    """What ranges are, in a sentence."""
    text = str(result.get("uncertainty", ""))
    return f"Shown: {text}." if text else ""


def _trial_panels(result: Mapping[str, Any]) -> list[tuple[str, Any]]:
    study = result["study"]
    panels: list[tuple[str, Any]] = [
        (f"{study['scale_label']} by visit", lambda ax: _scores(ax, result)),
        (f"Of 100 people in each arm, by {study['horizon']}", lambda ax: _of_100(ax, result)),
    ]
    if result["survival"] is not None:
        panels.append(("Staying well", lambda ax: _staying(ax, result)))
    if result["distribution"] is not None:
        panels.append(("Estimates of the trials", lambda ax: _estimates(ax, result["distribution"])))
    return panels


def _population_panels(result: Mapping[str, Any]) -> list[tuple[str, Any]]:
    panels: list[tuple[str, Any]] = [("Of 100 such people", lambda ax: _people_of_100(ax, result))]
    for course in result["courses"]:
        panels.append((f"{course['label']}, {course['unit']}", lambda ax, own=course: _course(ax, own)))
    return panels


def _styles(arms: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    found, active = {}, 0
    for arm in arms:
        if arm["control"]:
            found[arm["id"]] = {"color": INK3, "linestyle": _DASHES[1]}
        else:
            colour, dash = _HUES[active % len(_HUES)], _DASHES[active % len(_DASHES)]
            found[arm["id"]] = {"color": colour, "linestyle": dash}
            active += 1
    return found


def _scores(ax: Axes, result: Mapping[str, Any]) -> None:
    styles = _styles(result["arms"])
    last = max((row["visit_h"] for row in result["endpoints"]), default=0.0) / 24.0
    for place, arm in enumerate(result["arms"]):
        # Side by side, so that ranges do not hide each other.
        aside = 0.008 * last * (place - 0.5 * (len(result["arms"]) - 1))
        rows = [
            row
            for row in result["endpoints"]
            if row["arm"] == arm["id"]
            and row["name"] == result["study"]["scale"]
            and row["estimate"] is not None
        ]
        days = [row["visit_h"] / 24.0 + aside for row in rows]
        style = styles[arm["id"]]
        ax.plot(days, [row["estimate"] for row in rows], linewidth=1.8, label=arm["name"], **style)
        known = [row for row in rows if row["low"] is not None and row["high"] is not None]
        ax.vlines(
            [row["visit_h"] / 24.0 + aside for row in known],
            [row["low"] for row in known],
            [row["high"] for row in known],
            color=style["color"],
            linewidth=1.0,
        )
    ax.set_xlabel("days since the first dose", fontsize=SMALL, color=INK2)
    _key(ax)


def _of_100(ax: Axes, result: Mapping[str, Any]) -> None:
    styles = _styles(result["arms"])
    names = {arm["id"]: arm["name"] for arm in result["arms"]}
    rates = list(reversed(result["per_100"]))
    told: set[str] = set()
    for place, rate in enumerate(rates):
        for index, own in enumerate(rate["arms"]):
            y = place + 0.12 * (index - 0.5 * (len(rate["arms"]) - 1))
            colour = styles[own["arm"]]["color"]
            if own["low"] is not None and own["high"] is not None:
                ax.hlines(y, own["low"], own["high"], color=colour, linewidth=1.2)
            label = None if own["arm"] in told else names[own["arm"]]
            told.add(own["arm"])
            ax.plot([own["value"]], [y], "o", color=colour, markersize=5.0, label=label)
    ax.set_yticks(range(len(rates)), [textwrap.fill(rate["label"], 16) for rate in rates])
    ax.tick_params(axis="y", labelsize=SMALL - 2.0)
    ax.set_xlim(0.0, 100.0)
    _key(ax)


def _people_of_100(ax: Axes, result: Mapping[str, Any]) -> None:
    rates = list(reversed(result["per_100"]))
    for name, word, colour in (("value", "drug", _HUES[0]), ("control", "control", INK3)):
        ax.plot([rate[name] for rate in rates], range(len(rates)), "o", color=colour, label=word)
    ax.set_yticks(range(len(rates)), [textwrap.fill(rate["label"], 16) for rate in rates])
    ax.tick_params(axis="y", labelsize=SMALL - 2.0)
    ax.set_xlim(0.0, 100.0)
    _key(ax)


def _staying(ax: Axes, result: Mapping[str, Any]) -> None:
    styles = _styles(result["arms"])
    names = {arm["id"]: arm["name"] for arm in result["arms"]}
    for curve in result["survival"]["curves"]:
        days = np.asarray(curve["time_h"], dtype=np.float64) / 24.0
        share = np.array([np.nan if value is None else value for value in curve["s"]], dtype=np.float64)
        arm = curve["arm"]
        ax.step(days, 100.0 * share, where="post", linewidth=1.8, label=names[arm], **styles[arm])
    ax.set_ylim(0.0, 102.0)
    ax.set_xlabel(f"days {result['survival']['from']}; per cent", fontsize=SMALL, color=INK2)
    _key(ax)


def _estimates(ax: Axes, own: Mapping[str, Any]) -> None:
    edges = np.asarray(own["edges"], dtype=np.float64)
    ax.bar(edges[:-1], own["counts"], np.diff(edges), align="edge", color=_HUES[0], alpha=0.6, linewidth=0)
    ax.axvline(own["mean"], color=INK, linewidth=1.4)
    ax.axvline(0.0, color=STRONG, linewidth=1.0)
    ax.set_xlabel(f"{own['measure']}, {own['unit']}", fontsize=SMALL, color=INK2)


def _course(ax: Axes, course: Mapping[str, Any]) -> None:
    days = np.asarray(course["time_h"], dtype=np.float64) / 24.0
    for inner, outer in (("q05", "q95"), ("q25", "q75")):
        ax.fill_between(days, course[inner], course[outer], color=_HUES[0], alpha=0.18, linewidth=0)
    ax.plot(days, course["q50"], color=_HUES[0], linewidth=1.6)
    last = time_text(float(course["time_h"][-1]))
    ax.set_xlabel(f"days since the first dose, to {last}", fontsize=SMALL, color=INK2)


def _key(ax: Axes) -> None:
    ax.legend(fontsize=SMALL - 2.0, frameon=False, labelcolor=INK, loc="best")
