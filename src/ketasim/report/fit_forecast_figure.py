"""A forecast for one patient as a figure: his band beside that of anybody, and where data end."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ketasim.inference.population_fit import PopulationFit
from ketasim.inference.population_fit.forecast import Forecast
from ketasim.report.fit_layout import framed
from ketasim.report.style import DRUG, INK3
from ketasim.report.trial.layout import KeyItem

__all__ = ["forecast_figure"]

_TALL = 2.9


def forecast_figure(fit: PopulationFit, forecast: Forecast) -> Figure:
    """Draw a forecast.

    Parameters
    ----------
    fit : PopulationFit
        Names the quantities and the last measurement.
    forecast : Forecast
        What is drawn.

    Returns
    -------
    Figure
        A panel a quantity; a dotted line marks the last measurement of anybody.
    """
    names = list(dict.fromkeys(forecast.courses["quantity"].tolist()))
    title = f"Forecast for ID {forecast.subject:g}"
    items = [
        KeyItem("his median and 95 %", Line2D([], [], color=DRUG, linewidth=4.0, alpha=0.5)),
        KeyItem("a measurement, 95 %", Line2D([], [], color=DRUG, linewidth=1.0, linestyle=(0, (2.0, 1.6)))),
        KeyItem("anybody, 95 %", Line2D([], [], color=INK3, linewidth=4.0, alpha=0.35)),
        KeyItem("last measurement of anybody", Line2D([], [], color=INK3, linewidth=1.2, linestyle=":")),
    ]
    units = dict(zip(forecast.courses["quantity"], forecast.courses["unit"], strict=True))
    above = [f"{name} ({units[name]})" for name in names]
    figure, axes = framed(title, above, items, ["hours from the person's first record"] * len(names), _TALL)
    data = fit.predictor.data
    last = float(data.times_h[data.mask].max())
    for ax, name in zip(axes, names, strict=True):
        own = forecast.courses[forecast.courses["quantity"] == name]
        times = own["time_h"].to_numpy(dtype=float)
        ax.fill_between(times, own["anybody_low"], own["anybody_high"], color=INK3, alpha=0.2, linewidth=0.0)
        ax.fill_between(times, own["low"], own["high"], color=DRUG, alpha=0.35, linewidth=0.0)
        for column in ("measured_low", "measured_high"):
            ax.plot(times, own[column], color=DRUG, linewidth=0.9, linestyle=(0, (2.0, 1.6)))
        ax.plot(times, own["median"], color=DRUG, linewidth=1.6)
        if times[0] <= last <= times[-1]:
            ax.axvline(last, color=INK3, linewidth=1.2, linestyle=":")
        if np.all(own["low"].to_numpy(dtype=float) >= 0.0):
            ax.set_ylim(bottom=0.0)
    return figure
