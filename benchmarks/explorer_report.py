"""The tables of ``EXPLORER.md``: each figure beside the bar that it must meet, hit or miss."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BARS", "Bar", "markdown", "percentile"]

_KB = 1000.0


def percentile(values: Sequence[float], share: float = 0.95) -> float:
    """The value below which a share of all lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True)
class Bar:
    """A figure that has a bar.

    Parameters
    ----------
    part, what : str
        Part of the results that it comes from, and what it is.
    read : callable
        Takes the part and gives the figure.
    limit : float
        The bar: what the figure must be below.
    unit : str
        Of both.
    goal : str
        What the design aimed at, where that is another number.
    """

    part: str
    what: str
    read: Callable[[Mapping[str, Any]], float]
    limit: float
    unit: str
    goal: str = ""

    def line(self, results: Mapping[str, Any]) -> str:
        """The row of the table."""
        if self.part not in results:
            return f"| {self.what} | not measured | {self.limit:g} {self.unit} | | |"
        value = self.read(results[self.part])
        met = "yes" if value < self.limit else "**no**"
        limit = f"{self.limit:g} {self.unit}"
        return f"| {self.what} | {_short(value)} {self.unit} | {limit} | {met} | {self.goal} |"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"


def _median(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda part: statistics.median(part[name])


def _late(name: str) -> Callable[[Mapping[str, Any]], float]:
    return lambda part: percentile(part[name])


#: The bars that were set; goals are those of the design.
BARS = (
    Bar("page", "slider to redrawn curves, median", _median("slider"), 150.0, "ms", "100 ms"),
    Bar("page", "the same, 95 %", _late("slider"), 300.0, "ms", "100 ms"),
    Bar("page", "slider let go to bands (16 draws first), median", _median("bands"), 500.0, "ms", "400 ms"),
    Bar("page", "the same, 95 %", _late("bands"), 500.0, "ms", "400 ms"),
    Bar("page", "slider let go to bands of all 64 draws, 95 %", _late("bands_all"), 500.0, "ms", "400 ms"),
    Bar(
        "start",
        "command to first curve, started before, median of 3",
        lambda part: statistics.median(one["curve_s"] for one in part["warm"]),
        2.0,
        "s",
    ),
    Bar(
        "start",
        "the same with a link that was never opened",
        lambda part: statistics.median(one["curve_s"] for one in part["other"]),
        2.0,
        "s",
    ),
    Bar(
        "start",
        "command to first curve, first run ever",
        lambda part: float(part["fresh"]["curve_s"]),
        10.0,
        "s",
    ),
    Bar("page", "move of the cursor, work, 95 %", _late("cursor"), 16.0, "ms"),
    Bar("page", "drawing all rows anew, two scenarios, work, 95 %", _late("redraw"), 50.0, "ms"),
    Bar("page", "opening a stage, 95 %", _late("stage"), 150.0, "ms"),
    Bar("page", "switching a mechanism, 95 %", _late("switch"), 150.0, "ms"),
    Bar(
        "weight",
        "own modules and styles before the first curve, unpacked",
        lambda part: part["first_raw"] / _KB,
        150.0,
        "kB",
    ),
    Bar("weight", "all of the first view, as sent", lambda part: part["view_wire"] / _KB, 150.0, "kB"),
    Bar("weight", "all of the first view, unpacked", lambda part: part["view_raw"] / _KB, 150.0, "kB"),
    Bar("crowd", "twenty pages for a minute, 95 %", _late("page_ms"), 1000.0, "ms"),
    Bar("crowd", "twenty clients that never rest, 95 %", _late("client_ms"), 1000.0, "ms"),
    Bar("server", "counts of 1,000 people, worst of 3", lambda part: max(part["people_s"]), 2.0, "s"),
    Bar(
        "trial",
        "1,000 trials of 200 people: first partial result, Trial view opened before",
        lambda part: float(part["ready"]["partial_s"]),
        5.0,
        "s",
    ),
    Bar("trial", "the same without that", lambda part: float(part["cold"]["partial_s"]), 5.0, "s"),
)
_NAMES = {
    "slider": "slider, one scenario",
    "slider_bands_on": "slider, bands on (they come when it rests)",
    "slider_four": "slider, four scenarios",
    "bands": "slider let go, to bands of 16 draws",
    "bands_all": "slider let go, to bands of 64 draws",
    "cursor": "move of the cursor (work)",
    "redraw": "drawing all rows, two scenarios (work)",
    "stage": "opening a stage for the first time",
    "switch": "a switch off or on",
}


_HEAD = """# The explorer

Written by `python -m benchmarks.explorer`: a real server, and Chromium without a screen, on one processor.
Times of the page run from an input event to the frame in which its effect is drawn; *work* is the processor's
part of that, without waiting for the screen. Other work on the machine makes them longer.
"""
_PROCESSOR = """The last two columns are processor time for one time of it, on all cores together, with what
else it brings about: bands and counts after a release, compiling of scripts, drawing between the events.
They hold on a busy machine too."""
_WEIGHT = """
The panels beside the chain are fetched while the first curves stand already. What is not of the first view
(trial, evidence, table, export, large view) is fetched when it is opened. plotly is not in these numbers;
only the large view asks for it.

| first answers of the API | unpacked, kB | packed, kB |
|---|---:|---:|"""
_CROWD = """
For {seconds:g} s each. A page moves its slider 100 ms after each drawn curve, and all pages share the
processor with the server; a client asks again at once.
"""
_PYTHON = """## The same curves from Python

There is no other program with such a page to compare with. Beside it stands the call that the page stands
for: one typical person with his control, eight infusions, 12 weeks, 14 rows in 480 columns; in turns, each
time with another dose.

| ms | median | 95 % |
|---|---:|---:|"""


def markdown(results: Mapping[str, Any]) -> str:
    """Write ``EXPLORER.md``."""
    lines = [
        _HEAD,
        "; ".join(f"{name} {value}" for name, value in results["about"].items()) + ".",
        _busy(results),
        "",
        "| figure | measured | bar | met | goal of the design |",
        "|---|---:|---:|---|---:|",
        *(bar.line(results) for bar in BARS),
        "",
    ]
    for part, write in _SECTIONS.items():
        if part in results:
            lines += write(results[part])
    return "\n".join(lines)


def _busy(results: Mapping[str, Any]) -> str:
    """How busy the machine was with other work before each part."""
    loads = [f"{results[part]['load']:.1f} before {part}" for part in _SECTIONS if part in results]
    return f"Load of the machine: {', '.join(loads)}."


def _spread(values: Sequence[float], digits: int = 1) -> str:
    """Median and 95 % as two cells."""
    return f"{statistics.median(values):.{digits}f} | {percentile(values):.{digits}f}"


def _page(part: Mapping[str, Any]) -> list[str]:
    lines = [
        "## On one page",
        "",
        "| ms | times | median | 95 % | largest | processor: server | browser |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, words in _NAMES.items():
        own = part[name]
        server, browser = part[f"{name}_processor_ms"]
        cells = f"{_spread(own)} | {max(own):.1f} | {server:.1f} | {browser:.1f}"
        lines.append(f"| {words} | {len(own)} | {cells} |")
    return [*lines, "", _PROCESSOR, ""]


def _start(part: Mapping[str, Any]) -> list[str]:
    fresh, again = part["fresh"], part["running_s"]
    warm, other = (
        "; ".join(f"{one['address_s']:.2f} s and {one['curve_s']:.2f} s" for one in part[name])
        for name in ("warm", "other")
    )
    return [
        "## Starting",
        "",
        "The browser is open before. From the command to its printed address, and to the first curve:",
        "",
        f"- started before, so that the first answers are kept: {warm};",
        f"- compiled before, with a link that was never opened: {other};",
        f"- with empty caches: {fresh['address_s']:.2f} s and {fresh['curve_s']:.2f} s.",
        "",
        f"A page opened on a running server has its first curve after {statistics.median(again):.2f} s",
        f"(median of {len(again)}).",
        "",
    ]


def _weight(part: Mapping[str, Any]) -> list[str]:
    def line(words: str, files: str, raw: str, packed: str) -> str:
        return f"| {words} | {part[files]} | {part[raw] / _KB:.0f} | {part[packed] / _KB:.0f} |"

    return [
        "## Weight",
        "",
        "| own modules and styles | files | unpacked, kB | packed, kB |",
        "|---|---:|---:|---:|",
        line("before the first curve, as sent", "first_files", "first_raw", "first_wire"),
        line("all of the first view, as sent", "view_files", "view_raw", "view_wire"),
        line("all, packed as small as gzip can", "files", "all_raw", "all_gzip"),
        _WEIGHT,
        *(f"| `{path}` | {raw / _KB:.1f} | {wire / _KB:.1f} |" for path, raw, wire in part["api"]),
        "",
    ]


def _crowd(part: Mapping[str, Any]) -> list[str]:
    lines = [
        "## Many at once",
        "",
        "| | answers | a second | median, ms | 95 %, ms | errors |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for words, times, faults in (
        ("pages in Chromium", part["page_ms"], part["page_faults"]),
        ("clients without a browser", part["client_ms"], part["client_faults"]),
    ):
        rate = len(times) / part["seconds"]
        line = (
            f"| {part['pages']} {words} | {len(times):,} | {rate:.1f} | {_spread(times, 0)} | {len(faults)} |"
        )
        lines.append(line)
    lines.append(_CROWD.format(seconds=part["seconds"]))
    return [*lines, *(f"- {fault}" for fault in (*part["page_faults"], *part["client_faults"])[:10]), ""]


def _server(part: Mapping[str, Any]) -> list[str]:
    ratios = [inside / python for inside, python in zip(part["inside_ms"], part["python_ms"], strict=True)]
    rows = (
        ("`ketasim.simulate_scenarios` in Python", part["python_ms"]),
        ("the server, by its own clock", part["inside_ms"]),
        ("the server, with the way there and back", part["whole_ms"]),
    )
    times = ", ".join(f"{one:.2f} s" for one in part["people_s"])
    return [
        _PYTHON,
        *(f"| {words} | {_spread(own)} |" for words, own in rows),
        "",
        f"The server takes {statistics.median(ratios):.2f} times as long as Python",
        f"(median of {len(ratios)} pairs).",
        "",
        f"Counts of 1,000 people, each with and without drug: {times} (the first finds their rests).",
        "",
    ]


def _trial(part: Mapping[str, Any]) -> list[str]:
    lines = ["## A long run", "", "1,000 trials of two arms with 100 people each over four weeks:", ""]
    words = {
        "cold": "as the first thing that is asked",
        "ready": "after a look at the list of runs, as the Trial view has it",
    }
    for name, text in words.items():
        own = part[name]
        lines += [
            f"- {text}: taken after {own['accepted_s']:.2f} s,",
            f"  first partial result after {own['partial_s']:.1f} s with {own['trials']} trials,",
            f"  at {own['people_a_second']:.0f} people a second by then.",
        ]
    return [*lines, ""]


_SECTIONS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "page": _page,
    "start": _start,
    "weight": _weight,
    "server": _server,
    "trial": _trial,
    "crowd": _crowd,
}
