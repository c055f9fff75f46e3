"""The tables of ``RESULTS.md``."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.contenders import missing_peers, versions
from benchmarks.dosing import MOST
from benchmarks.measure import RTOLS, Measured, at_error, error_ratios, ratios
from ketasim.engine.vector import DEFAULT_RTOL

__all__ = ["BARS", "Bar", "machine", "text"]

NOMINAL = (1e-4, 1e-6)
ERRORS = (1e-3, 1e-4, 1e-5, 1e-6)
OWN, ALONE, PEER = "Ketasim", "Ketasim, one patient at a time", "libRoadRunner"


@dataclass(frozen=True)
class Bar:
    """A ratio to libRoadRunner that the engine must reach on the chain.

    Parameters
    ----------
    what : str
        In words.
    least : float
        The ratio.
    own : str
        Whose time is divided by.
    rtol, error : float, optional
        At one tolerance, or at one achieved error.
    """

    what: str
    least: float
    own: str
    rtol: float | None = None
    error: float | None = None

    def reached(self, measured: Measured) -> list[float]:
        """Ratio of each round; none without libRoadRunner."""
        if PEER not in measured.curves:
            return []
        if self.rtol is not None:
            return ratios(measured, PEER, self.own, self.rtol)
        return error_ratios(measured, PEER, self.own, self.error or 0.0)


BARS = (
    Bar("same tolerance, 1e-6", 20.0, OWN, rtol=1e-6),
    Bar("same achieved error, 1e-5", 40.0, OWN, error=1e-5),
    Bar("one patient at a time, same tolerance, 1e-6", 3.5, ALONE, rtol=1e-6),
)


def machine() -> dict[str, str]:
    """Where and when, and with what."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **versions(),
    }


def bars(measured: Measured) -> list[str]:
    """A line for each bar, with whether it is met."""
    lines = [
        "| bar, against libRoadRunner on the chain | at least | median | range | met |",
        "|---|---:|---:|---:|---|",
    ]
    for bar in BARS:
        found = bar.reached(measured)
        if not found:
            lines.append(f"| {bar.what} | {bar.least:g} | | | not measured |")
            continue
        median = statistics.median(found)
        met = "yes" if median >= bar.least else "**no**"
        spread = f"{min(found):.1f} to {max(found):.1f}"
        lines.append(f"| {bar.what} | {bar.least:g} | {median:.1f} | {spread} | {met} |")
    return lines


def text(
    measured: Sequence[Measured],
    scaled: Mapping[str, Any],
    dosed: Mapping[str, Any],
    about: Mapping[str, str],
    rounds: int,
) -> str:
    """Write ``RESULTS.md``."""
    lines = ["# Benchmark results", "", "Written by `make bench`. What is measured and how: `README.md`.", ""]
    lines += ["; ".join(f"{name} {value}" for name, value in about.items()) + f"; {rounds} rounds.", ""]
    chain = next((item for item in measured if item.problem == "chain"), None)
    if chain is not None:
        lines += [*bars(chain), "", *_default(chain), "", "![work and precision](work_precision.svg)", ""]
    for item in measured:
        lines += _problem(item)
    lines += ["## Not measured", ""]
    lines += [f"- {name}: not installed here; {how}." for name, how in missing_peers().items()]
    lines += ["- AMICI: needs SWIG and a C++ compiler for every model; tried apart, see `README.md`.", ""]
    return "\n".join([*lines, *_scaling(scaled), *individual(dosed)])


def _default(chain: Measured) -> list[str]:
    own = chain.curves[OWN]
    errors = own.errors[DEFAULT_RTOL]
    return [
        f"The default tolerance, {DEFAULT_RTOL:g}, is chosen from this figure: the error is then "
        f"{own.error(DEFAULT_RTOL):.1e} for the median patient and {max(errors):.1e} for the worst of "
        f"{len(errors)}, at {1e3 * own.median_seconds(DEFAULT_RTOL):.2f} ms a patient.",
    ]


def _problem(measured: Measured) -> list[str]:
    title = f"## {measured.problem[0].upper()}{measured.problem[1:]}, {measured.states} states"
    names = list(measured.curves)
    lines = [
        title,
        "",
        "Processor time a patient in ms, median (range), and error of the median patient:",
        "",
    ]
    lines += [_row(["rtol", *names]), "|---|" + "---|" * len(names)]
    for rtol in RTOLS:
        lines.append(_row([f"{rtol:g}", *(_cell(measured, name, rtol) for name in names)]))
    lines += ["", "How many times as long as Ketasim, median (range) of the rounds:", ""]
    others = [name for name in names if name != OWN]
    lines += [_row(["at the same", *others]), "|---|" + "---|" * len(others)]
    for rtol in NOMINAL:
        cells = [_ratio(ratios(measured, name, OWN, rtol)) for name in others]
        lines.append(_row([f"tolerance, {rtol:g}", *cells]))
    for error in ERRORS:
        if at_error(measured.curves[OWN], error, 0) is None:
            continue
        cells = [_ratio(error_ratios(measured, name, OWN, error)) for name in others]
        lines.append(_row([f"achieved error, {error:g}", *cells]))
    gap = f"{measured.reference_gap:.0e}"
    return [*lines, "", f"The reference and SciPy's LSODA at its tightest differ by {gap}.", ""]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(measured: Measured, name: str, rtol: float) -> str:
    curve = measured.curves[name]
    if rtol in curve.failed:
        return "fails"
    times = [1e3 * value for value in curve.seconds[rtol]]
    spread = f"{min(times):.3g} to {max(times):.3g}"
    return f"{statistics.median(times):.3g} ({spread}), {curve.error(rtol):.0e}"


def _ratio(found: Sequence[float]) -> str:
    if not found:
        return "not reached"
    return f"{statistics.median(found):.1f} ({min(found):.1f} to {max(found):.1f})"


def _patients(count: str) -> str:
    return "1 patient" if count == "1" else f"{int(count):,} patients"


def _scaling(scaled: Mapping[str, Any]) -> list[str]:
    if not scaled:
        return []
    rates = scaled["patients_a_second"]
    sizes = list(next(iter(rates.values())))
    lines = [
        "## Scaling of the chain",
        "",
        "At the default tolerance; wall-clock time on a machine that others may use.",
        "",
    ]
    lines += [_row(["patients a second", *(_patients(size) for size in sizes)])]
    lines += ["|---|" + "---:|" * len(sizes)]
    for threads, row in rates.items():
        name = "1 thread" if threads == "1" else f"{threads} threads"
        lines.append(_row([name, *(f"{row[size]:,.0f}" for size in sizes)]))
    first, memory, one = scaled["first_result"], scaled["peak_mb"], scaled["one_patient_ms"]
    made = scaled["derivatives"]
    lines += ["", "| what | |", "|---|---:|"]
    lines += [
        f"| a patient of the {name}, all states kept | {ms:.2f} ms |" for name, ms in scaled["states"].items()
    ]
    lines += [f"| one patient alone, {name} | {ms:.1f} ms |" for name, ms in one.items()]
    lines += [
        f"| from the start of Python to one patient's course, nothing compiled | {first['cold']:.1f} s |"
    ]
    lines += [f"| the same with compiled kernels on disk | {first['warm']:.1f} s |"]
    lines += [f"| peak memory, {_patients(count)} | {mb:.0f} MB |" for count, mb in memory.items()]
    lines += [
        f"| 30 derivatives of severity, steps replayed | {made['replayed_ms']:.0f} ms |",
        f"| the same by differences of 60 plain runs | {made['plain_ms']:.0f} ms |",
        f"| that patient's plain run alone | {made['one_run_ms']:.1f} ms |",
        "",
        f"Of these parameters, spread over the table, {made['parameters']:.0f} move severity. Relative "
        f"error of these derivatives, against replay at rtol 1e-10: {made['replayed_error']:.0e} (median) "
        f"and {made['replayed_worst']:.0e} (worst) with replayed steps, {made['plain_error']:.0e} and "
        f"{made['plain_worst']:.0e} with plain runs.",
        "",
        f"Load of the machine when this began: {scaled['load']:.1f} waiting processes.",
        "",
    ]
    return lines


def individual(dosed: Mapping[str, Any]) -> list[str]:
    """What people who differ in all that concerns their doses cost; see :mod:`benchmarks.dosing`."""
    if not dosed:
        return []
    lines = [
        "## Individual people and regimens",
        "",
        "Everybody with covariates, a route, an amount and a time of his own, against everybody alike; 24 h, "
        "one thread, wall-clock time, parameters and events written included. Ratios are medians (range).",
        "",
        _row(["model", "people", "individual, s", "alike, s", "ratio", "written", f"at most {MOST:g}"]),
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name in ("plasma and block", "chain"):
        own = dosed[name]
        seconds = {crowd: statistics.median(taken) for crowd, taken in own["seconds"].items()}
        for crowd, found in own["ratios"].items():
            met = "yes" if statistics.median(found) <= MOST else "**no**"
            alike = f"{seconds[crowd]:.2f} ({crowd})"
            ratio = f"{statistics.median(found):.2f} ({min(found):.2f} to {max(found):.2f})"
            cells = [name, f"{own['people']:,}", f"{seconds['individual']:.2f}", alike, ratio]
            lines.append(_row([*cells, f"{100.0 * own['written']:.0f} %", met]))
    lines += ["", "Written: the share of the time of individual people before the solver begins."]
    return [*lines, f"Load of the machine when this began: {dosed['load']:.1f} waiting processes.", ""]
