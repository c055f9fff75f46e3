"""How the fitted model and the data agree: predictions, residuals, and simulated data beside the real."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtri

from ketasim.inference.population_fit.fit import PopulationFit
from ketasim.inference.population_fit.marginal import Marginal

__all__ = ["Diagnostics", "diagnose"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Percentiles of a visual predictive check, and the interval of each over simulated data sets.
_PERCENTILES = (10.0, 50.0, 90.0)
_INTERVAL = (2.5, 97.5)
_MOST_BINS = 10


@dataclass(frozen=True)
class Diagnostics:
    """Tables of a fit.

    Parameters
    ----------
    rows : pandas.DataFrame
        A row a measurement: ``ID, TIME, line, quantity, unit, DV, PRED, IPRED, IWRES, CWRES, NPDE``. ``PRED``
        is the typical person's (at no deviation), ``IPRED`` the person's own; residuals are in units of their
        standard deviation on the scale of the error.
    vpc : pandas.DataFrame
        A row a quantity, bin of time and percentile: ``quantity, unit, time_h, n, percentile, observed,
        low, median, high`` (prediction-corrected; the interval is over simulated data sets).
    """

    rows: pd.DataFrame
    vpc: pd.DataFrame


def diagnose(fit: PopulationFit, *, samples: int = 300, seed: int = 1) -> Diagnostics:
    """Lay a fit beside its data.

    Parameters
    ----------
    fit : PopulationFit
        What was fitted.
    samples : int
        Simulated data sets.
    seed : int
        Names their random numbers.

    Returns
    -------
    Diagnostics
    """
    predictor, residual, data = fit.predictor, fit.residual, fit.predictor.data
    count, random = fit.linear.eta.shape
    typical = predictor.effects.persons(fit.point.theta, np.zeros((count, random)))
    pred = residual.working(predictor.at_data(np.arange(count), typical), data.quantity)
    y = residual.working(data.y, data.quantity)
    variance, _ = residual.variance(fit.linear.predicted, data.quantity, fit.point.log_sigma)
    simulated = _simulated(fit, samples, np.random.default_rng([seed, 1]))
    rows = pd.DataFrame(
        {
            "ID": np.broadcast_to(np.array(data.ids)[:, None], y.shape)[data.mask],
            "TIME": data.times_h[data.mask],
            "line": data.line[data.mask],
            "quantity": np.array(predictor.names)[data.quantity[data.mask]],
            "unit": np.array([item.unit for item in data.observed])[data.quantity[data.mask]],
            "DV": data.y[data.mask],
            "PRED": residual.natural(pred, data.quantity)[data.mask],
            "IPRED": residual.natural(fit.linear.predicted, data.quantity)[data.mask],
            "IWRES": ((y - fit.linear.predicted) / np.sqrt(variance))[data.mask],
            "CWRES": _conditional(fit)[data.mask],
            "NPDE": _npde(y, simulated, data.mask)[data.mask],
        }
    )
    return Diagnostics(rows, _vpc(fit, pred, y, simulated))


def _conditional(fit: PopulationFit) -> FloatArray:
    """Conditional weighted residuals: decorrelated with the covariance at the modes."""
    marginal = Marginal(fit.predictor, fit.residual, fit.point, fit.linear)
    covariance, off, _ = marginal.covariance(marginal.start)
    values, vectors = np.linalg.eigh(covariance)
    root = np.einsum("nij,nj,nkj->nik", vectors, 1.0 / np.sqrt(values), vectors)
    return np.asarray(np.einsum("nij,nj->ni", root, off))


def _simulated(fit: PopulationFit, samples: int, rng: np.random.Generator) -> FloatArray:
    """Simulated data sets of the same design, on the working scale: (samples, persons, most)."""
    predictor, residual, data = fit.predictor, fit.residual, fit.predictor.data
    count, random = fit.linear.eta.shape
    person = np.tile(np.arange(count), samples)
    eta = rng.standard_normal((samples * count, random)) * fit.point.omega
    found = predictor.at_data(person, predictor.effects.persons(fit.point.theta, eta))
    working = residual.working(found, data.quantity[person])
    variance, _ = residual.variance(working, data.quantity[person], fit.point.log_sigma)
    drawn = working + rng.standard_normal(working.shape) * np.sqrt(variance)
    return np.asarray(drawn.reshape(samples, count, -1))


def _npde(y: FloatArray, simulated: FloatArray, mask: npt.NDArray[np.bool_]) -> FloatArray:
    """Normalised prediction distribution errors: of measurements decorrelated as the simulated are."""
    found = np.full(y.shape, np.nan)
    for person in range(len(y)):
        inside = mask[person]
        own = simulated[:, person, inside]
        own = own[np.isfinite(own).all(axis=1)]
        count = int(inside.sum())
        if len(own) <= count + 1:
            continue
        centre = own.mean(axis=0)
        covariance = np.cov(own, rowvar=False).reshape(count, count)
        values, vectors = np.linalg.eigh(covariance)
        root = vectors @ np.diag(1.0 / np.sqrt(np.maximum(values, 1e-12 * values[-1]))) @ vectors.T
        apart, seen = (own - centre) @ root.T, (y[person, inside] - centre) @ root.T
        share = (apart < seen).mean(axis=0)
        # Nothing lies beyond what so many simulations can tell.
        least = 1.0 / (2.0 * len(own))
        found[person, inside] = ndtri(np.clip(share, least, 1.0 - least))
    return found


def _bins(times: FloatArray) -> IntArray:
    """Bin of each time: every time its own if there are few, else equal parts."""
    unique = np.unique(times)
    if len(unique) <= _MOST_BINS:
        return np.searchsorted(unique, times)
    edges = np.unique(np.quantile(times, np.linspace(0.0, 1.0, _MOST_BINS + 1)[1:-1]))
    return np.searchsorted(edges, times, side="right")


def _vpc(fit: PopulationFit, pred: FloatArray, y: FloatArray, simulated: FloatArray) -> pd.DataFrame:
    """Percentiles of measured and simulated data by time, corrected for the typical person's prediction."""
    data, residual = fit.predictor.data, fit.residual
    found = []
    for place, item in enumerate(data.observed):
        inside = data.mask & (data.quantity == place)
        times = data.times_h[inside]
        if not len(times):
            continue
        bins = _bins(times)
        for own in np.unique(bins):
            here = bins == own
            typical = pred[inside][here]
            seen, drawn = y[inside][here], simulated[:, inside][:, here]
            middle = float(np.median(typical))
            corrected = _corrected(seen, typical, middle, residual.kinds[place])
            others = _corrected(drawn, typical, middle, residual.kinds[place])
            levels = np.nanpercentile(others, _PERCENTILES, axis=1)
            for level, each, values in zip(
                _PERCENTILES, np.percentile(corrected, _PERCENTILES), levels, strict=True
            ):
                low, median, high = np.percentile(values, (_INTERVAL[0], 50.0, _INTERVAL[1]))
                shown = _shown(np.array([each, low, median, high]), residual.kinds[place])
                found.append(
                    (item.name, item.unit, float(np.median(times[here])), int(here.sum()), level, *shown)
                )
    columns = ["quantity", "unit", "time_h", "n", "percentile", "observed", "low", "median", "high"]
    return pd.DataFrame(found, columns=columns)


def _corrected(values: FloatArray, typical: FloatArray, middle: float, kind: str) -> FloatArray:
    """Measurements as if all had the prediction in the middle of their bin."""
    if kind == "proportional" and np.all(typical > 0.0):
        return values * (middle / typical)
    return values + (middle - typical)


def _shown(values: FloatArray, kind: str) -> list[float]:
    return list((np.exp(values) if kind == "lognormal" else values).tolist())
