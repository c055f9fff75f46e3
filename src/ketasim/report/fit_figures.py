"""Figures of a population fit: what was measured beside what is predicted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.special import ndtri

from ketasim.inference.population_fit import PopulationFit
from ketasim.inference.population_fit.diagnostics import Diagnostics
from ketasim.inference.population_fit.forecast import Forecast
from ketasim.report.fit_forecast_figure import forecast_figure
from ketasim.report.fit_layout import framed
from ketasim.report.style import DRUG, EXPECTANCY, INK3
from ketasim.report.trial.layout import KeyItem, empty_figure

__all__ = ["fit_figures"]

FloatArray = npt.NDArray[np.float64]

_OTHER = "#d55e00"
_TALL = 2.1
#: Panels of single persons.
_MOST_PANELS = 12
#: Decades that a measurement must span before its axes are logarithmic.
_DECADES = 1.0


def fit_figures(
    fit: PopulationFit, diagnostics: Diagnostics, courses: pd.DataFrame, forecast: Forecast | None
) -> dict[str, tuple[Figure, str]]:
    """Draw a fit.

    Parameters
    ----------
    fit : PopulationFit
        The fit.
    diagnostics : Diagnostics
        Its tables.
    courses : pandas.DataFrame
        Courses of single persons, as of ``courses_table``.
    forecast : Forecast or None
        Of one person.

    Returns
    -------
    dict of str to (Figure, str)
        Figure and caption by name.
    """
    found = {
        "observed": (_observed(diagnostics.rows), "Measured against predicted: each point is a measurement."),
        "residuals": (
            _residuals(diagnostics.rows),
            "Residuals in units of their standard deviation: without trend and mostly within 2 if the "
            "model holds.",
        ),
        "vpc": (
            _predictive(diagnostics.vpc),
            "Visual predictive check, corrected for the typical prediction: lines are percentiles of "
            "the data, "
            "bands hold 95 % of those of simulated data sets.",
        ),
        "deviations": (
            _deviations(fit),
            "Deviations of the persons over the spread between people; the curve is the standard "
            "normal. With much "
            "shrinkage the persons' own values say little.",
        ),
        "persons": (
            _persons(diagnostics.rows, courses),
            "The first persons: measurements, their own course and that of the typical person with "
            "their doses.",
        ),
    }
    if forecast is not None:
        found["forecast"] = (
            forecast_figure(fit, forecast),
            "Forecast: 95 % of the person's posterior, of what would be measured, and of anybody with "
            "his covariates.",
        )
    return found


def _spread_out(values: FloatArray) -> bool:
    """Whether values are above zero and span enough for a log axis."""
    return bool(len(values) and values.min() > 0.0 and np.log10(values.max() / values.min()) > _DECADES)


def _observed(rows: pd.DataFrame) -> Figure:
    panels = [(name, column) for name in rows["quantity"].unique() for column in ("PRED", "IPRED")]
    words = {"PRED": "typical person", "IPRED": "the person's own"}
    units = dict(zip(rows["quantity"], rows["unit"], strict=True))
    names = [f"{name} measured ({units[name]})" for name, _ in panels]
    below = [f"predicted for {words[column]}" for _, column in panels]
    figure, axes = framed("Measured against predicted", names, [], below, 2.9)
    for ax, (name, column) in zip(axes, panels, strict=True):
        both = rows.loc[rows["quantity"] == name, [column, "DV"]].to_numpy(dtype=np.float64)
        low, high = float(both.min()), float(both.max())
        if _spread_out(both.ravel()):
            ax.set_xscale("log")
            ax.set_yscale("log")
            ends = (low / 1.3, high * 1.3)
        else:
            room = 0.05 * max(high - low, 1e-9)
            ends = (low - room, high + room)
        ax.plot(ends, ends, color=INK3, linewidth=1.0)
        _points(ax, both[:, 0], both[:, 1])
        ax.set_xlim(ends)
        ax.set_ylim(ends)
    return figure


def _points(ax: Axes, x: FloatArray, y: FloatArray) -> None:
    ax.plot(x, y, "o", color=DRUG, markersize=3.0, alpha=0.6, markeredgewidth=0.0)


def _residuals(rows: pd.DataFrame) -> Figure:
    columns = (("TIME", "CWRES"), ("PRED", "CWRES"), ("TIME", "NPDE"))
    names = ["CWRES over time", "CWRES over the typical prediction", "NPDE over time", "NPDE, quantiles"]
    below = ["hours", "prediction, in the unit of each quantity", "hours", "standard normal"]
    figure, axes = framed("Residuals", names, [], below, _TALL)
    for ax, (x, y) in zip(axes, columns, strict=False):
        places, values = rows[x].to_numpy(dtype=float), rows[y].to_numpy(dtype=float)
        ax.axhline(0.0, color=INK3, linewidth=1.0)
        for side in (-1.96, 1.96):
            ax.axhline(side, color=INK3, linewidth=0.8, linestyle=(0, (4.0, 2.0)))
        _points(ax, places, values)
        if _spread_out(places[places > 0.0]):
            ax.set_xscale("symlog", linthresh=float(places[places > 0.0].min()))
            ax.set_xlim(left=0.0)
    values = np.sort(rows["NPDE"].dropna().to_numpy(dtype=float))
    if len(values):
        axes[3].plot((-3.0, 3.0), (-3.0, 3.0), color=INK3, linewidth=1.0)
        _points(axes[3], ndtri((np.arange(len(values)) + 0.5) / len(values)), values)
    return figure


def _predictive(table: pd.DataFrame) -> Figure:
    quantities = list(dict.fromkeys(zip(table["quantity"], table["unit"], strict=True)))
    dashed = Line2D([], [], color=DRUG, linewidth=1.0, linestyle=(0, (4.0, 2.0)))
    items = [
        KeyItem("data: 10th, 50th and 90th percentile", Line2D([], [], color=_OTHER, linewidth=1.5)),
        KeyItem("simulated: median of each", dashed),
    ]
    names = [f"{name} ({unit})" for name, unit in quantities]
    figure, axes = framed("Visual predictive check", names, items, ["hours"] * len(names), 3.0)
    for ax, (name, _) in zip(axes, quantities, strict=True):
        own = table[table["quantity"] == name]
        for level in sorted(own["percentile"].unique()):
            rows = own[own["percentile"] == level].sort_values("time_h")
            times = rows["time_h"].to_numpy(dtype=float)
            colour = DRUG if level == 50.0 else EXPECTANCY
            ax.fill_between(times, rows["low"], rows["high"], color=colour, alpha=0.25, linewidth=0.0)
            ax.plot(times, rows["median"], color=DRUG, linewidth=1.0, linestyle=(0, (4.0, 2.0)))
            ax.plot(times, rows["observed"], "o-", color=_OTHER, linewidth=1.5, markersize=3.0)
        if _spread_out(own[["observed", "low", "high"]].to_numpy(dtype=float).ravel()):
            ax.set_yscale("log")
    return figure


def _deviations(fit: PopulationFit) -> Figure:
    places, title = fit.predictor.effects.random, "Differences between people"
    if not places:
        return empty_figure(title, "People were not allowed to differ in this fit.")
    names = [
        f"{fit.predictor.effects.names[place]}: spread {omega:.3f}, shrinkage {100.0 * shrunk:.0f} %"
        for place, omega, shrunk in zip(places, fit.point.omega, fit.shrinkage, strict=True)
    ]
    figure, axes = framed(title, names, [], ["deviation over spread"] * len(names), _TALL)
    x = np.linspace(-3.5, 3.5, 141)
    for at, ax in enumerate(axes):
        scaled = fit.linear.eta[:, at] / fit.point.omega[at]
        ax.hist(scaled, bins=np.linspace(-3.5, 3.5, 22).tolist(), density=True, color=DRUG, alpha=0.45)
        ax.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi), color=INK3, linewidth=1.2)
        ax.plot(scaled, np.full(len(scaled), -0.02), "|", color=DRUG, markersize=6.0)
    return figure


def _persons(rows: pd.DataFrame, courses: pd.DataFrame) -> Figure:
    units = dict(zip(rows["quantity"], rows["unit"], strict=True))
    kinds = list(units)
    subjects = list(dict.fromkeys(courses["ID"]))[: max(2, _MOST_PANELS // len(kinds))]
    panels = [(subject, name) for name in kinds for subject in subjects]
    names = [f"ID {subject:g}: {name} ({units[name]})" for subject, name in panels]
    items = [
        KeyItem("measured", Line2D([], [], color=_OTHER, marker="o", linestyle="none", markersize=4.0)),
        KeyItem("the person's own course", Line2D([], [], color=DRUG, linewidth=1.5)),
        KeyItem("typical person", Line2D([], [], color=INK3, linewidth=1.2, linestyle=(0, (4.0, 2.0)))),
    ]
    figure, axes = framed("Single persons", names, items, ["hours"] * len(names), 1.7)
    for ax, (subject, name) in zip(axes, panels, strict=True):
        own = courses[(courses["ID"] == subject) & (courses["quantity"] == name)]
        seen = rows[(rows["ID"] == subject) & (rows["quantity"] == name)]
        last = float(rows.loc[rows["quantity"] == name, "TIME"].max())
        times = own["time_h"].to_numpy(dtype=float)
        for column, colour, dash in (("PRED", INK3, (0, (4.0, 2.0))), ("IPRED", DRUG, "-")):
            ax.plot(times, own[column], color=colour, linewidth=1.3, linestyle=dash)
        ax.plot(seen["TIME"], seen["DV"], "o", color=_OTHER, markersize=3.5)
        measured = seen["DV"].to_numpy(dtype=float)
        ax.set_xlim(0.0, 1.05 * max(last, 1e-3))
        if _spread_out(measured):
            ax.set_yscale("log")
            ax.set_ylim(0.5 * measured.min(), 2.0 * max(measured.max(), float(own["IPRED"].max())))
    return figure
