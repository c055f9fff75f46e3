"""The work-precision figure."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.measure import Measured
from ketasim.engine.vector import DEFAULT_RTOL

__all__ = ["draw"]

#: Okabe and Ito's colours, which colour-blind people can tell apart, and a marker each.
_STYLES = {
    "Ketasim": ("#0072B2", "o"),
    "Ketasim, one patient at a time": ("#56B4E9", "s"),
    "libRoadRunner": ("#D55E00", "^"),
    "numbalsoda": ("#009E73", "D"),
    "SciPy LSODA": ("#000000", "v"),
}


def draw(measured: Measured, path: Path) -> None:
    """Draw time against error.

    Parameters
    ----------
    measured : Measured
        What was measured.
    path : Path
        Where to write; the ending gives the format.
    """
    figure = Figure(figsize=(8.0, 5.2), layout="constrained")
    axes = figure.add_subplot()
    for name, curve in measured.curves.items():
        colour, marker = _STYLES[name]
        tolerances = sorted(curve.seconds)
        errors = [curve.error(rtol) for rtol in tolerances]
        times = [1e3 * curve.median_seconds(rtol) for rtol in tolerances]
        axes.plot(errors, times, color=colour, marker=marker, markersize=8, linewidth=2, label=name)
    own = measured.curves["Ketasim"]
    if DEFAULT_RTOL in own.seconds:
        axes.annotate(
            f"default, rtol {DEFAULT_RTOL:g}",
            (own.error(DEFAULT_RTOL), 1e3 * own.median_seconds(DEFAULT_RTOL)),
            xytext=(0, -26),
            textcoords="offset points",
            ha="center",
            fontsize=12,
            color=_STYLES["Ketasim"][0],
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.invert_xaxis()
    low, high = axes.get_ylim()
    axes.set_ylim(low * 0.6, high)
    axes.set_xlabel("largest error of any state (share of its size); better to the right", fontsize=13)
    axes.set_ylabel("processor time a patient (ms)", fontsize=13)
    axes.set_title(f"The {measured.problem}, {measured.states} states, 28 days, 8 infusions", fontsize=13)
    axes.tick_params(labelsize=12)
    axes.grid(visible=True, which="major", color="#DDDDDD")
    figure.legend(loc="outside lower center", ncols=2, fontsize=12, frameon=False)
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
