"""Fitted values as tables: population, persons, and their courses."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from ketasim.inference.population_fit.fit import PopulationFit

__all__ = ["courses_table", "individuals_table", "parameters_table"]

_Z95 = 1.959963984540054
_POINTS = 160
_COLUMNS = (
    "name",
    "kind",
    "estimate",
    "unit",
    "se",
    "low",
    "high",
    "table_value",
    "prior_low",
    "prior_high",
    "posterior_over_prior_sd",
    "shrinkage",
)


def parameters_table(fit: PopulationFit) -> pd.DataFrame:
    """Fitted values of the population.

    Returns
    -------
    pandas.DataFrame
        ``name, kind, estimate, unit, se, low, high, table_value, prior_low, prior_high,
        posterior_over_prior_sd, shrinkage``. ``kind`` is ``typical``, ``spread`` (SD between people on the
        log scale, or logit for a share) or an error. Standard errors are on the scale of the estimate (delta
        method), the 95 % interval is that of the scale of the fit; NaN where there is none.
    """
    effects, point, se = fit.predictor.effects, fit.point, fit.covariance.se
    rows: list[dict[str, object]] = []
    at = 0
    for place, item in enumerate(effects.items):
        theta = float(point.theta[place])
        error = float(se[at]) if item.estimated else 0.0
        at += item.estimated
        low, value, high = (float(item.value(np.array(theta + side * error))) for side in (-_Z95, 0.0, _Z95))
        slope = {"log": value, "logit": value * (1.0 - value)}.get(item.scale, 1.0)
        has_prior = item.estimated and math.isfinite(item.prior_sd)
        prior = [item.start + side * _Z95 * item.prior_sd if has_prior else math.nan for side in (-1.0, 1.0)]
        ends = [float(item.value(np.array(each))) for each in prior]
        rows.append(
            {
                "name": item.name,
                "kind": "typical" if item.estimated else "typical, held",
                "estimate": value,
                "unit": item.unit,
                "se": slope * error,
                "low": low,
                "high": high,
                "table_value": float(item.value(np.array(item.start))),
                "prior_low": ends[0],
                "prior_high": ends[1],
                "posterior_over_prior_sd": error / item.prior_sd if has_prior else math.nan,
            }
        )
    for place, omega, shrunk in zip(
        effects.random, point.omega.tolist(), fit.shrinkage.tolist(), strict=True
    ):
        item = effects.items[place]
        name = {"logit": "SD of the logit"}.get(item.scale, "SD of the log")
        rows.append(_on_log(item.name, "spread", omega, name, float(se[at])) | {"shrinkage": shrunk})
        at += 1
    for (number, part), value in zip(fit.residual.names, np.exp(point.log_sigma).tolist(), strict=True):
        observed = fit.predictor.data.observed[number]
        log = fit.residual.kinds[number] == "lognormal"
        unit = "SD of the log" if log else observed.unit if part == "additive" else "ratio"
        kind = f"{'lognormal' if log else part} error"
        rows.append(_on_log(observed.name, kind, value, unit, float(se[at])))
        at += 1
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _on_log(name: str, kind: str, value: float, unit: str, error: float) -> dict[str, object]:
    ends = [value * math.exp(side * _Z95 * error) for side in (-1.0, 1.0)]
    return {"name": name, "kind": kind, "estimate": value, "unit": unit, "se": value * error,
            "low": ends[0], "high": ends[1]}  # fmt: skip


def individuals_table(fit: PopulationFit) -> pd.DataFrame:
    """Parameters of the persons.

    Returns
    -------
    pandas.DataFrame
        ``ID, parameter, unit, value, eta, eta_sd``: most probable value, its deviation on the scale of the
        fit, and the standard deviation of the person's posterior.
    """
    effects, data = fit.predictor.effects, fit.predictor.data
    spread = fit.importance.sd()
    rows = []
    for person, subject in enumerate(data.ids):
        for at, place in enumerate(effects.random):
            item, eta = effects.items[place], float(fit.linear.eta[person, at])
            value = float(item.value(np.array(fit.point.theta[place] + eta)))
            rows.append((subject, item.name, item.unit, value, eta, float(spread[person, at])))
    return pd.DataFrame(rows, columns=["ID", "parameter", "unit", "value", "eta", "eta_sd"])


def courses_table(fit: PopulationFit, most: int) -> pd.DataFrame:
    """Courses of the first persons, each his own and that of the typical person with his doses.

    Returns
    -------
    pandas.DataFrame
        ``ID, quantity, time_h, IPRED, PRED``.
    """
    data, effects = fit.predictor.data, fit.predictor.effects
    persons = np.arange(min(most, len(data)))
    times = []
    for person in persons.tolist():
        last = float(data.times_h[person][data.mask[person]].max())
        starts = [dose.start_h for dose in data.regimens[person].doses if dose.start_h < last]
        near = [start + step for start in starts[-40:] for step in (0.05, 0.2, 0.4, 0.7, 1.0, 1.5, 2.5)]
        grid = np.concatenate([np.linspace(0.0, max(last, 0.1), _POINTS), [t for t in near if t < last]])
        times.append(np.unique(np.round(grid, 6)))
    eta = fit.linear.eta[persons]
    both = np.concatenate(
        [effects.persons(fit.point.theta, eta), effects.persons(fit.point.theta, 0.0 * eta)]
    )
    runs = fit.predictor.courses(np.tile(persons, 2), both, [*times, *times])
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "ID": data.ids[person],
                    "quantity": item.name,
                    "time_h": times[person],
                    "IPRED": runs[person][:, place],
                    "PRED": runs[len(persons) + person][:, place],
                }
            )
            for person in persons.tolist()
            for place, item in enumerate(data.observed)
        ],
        ignore_index=True,
    )
