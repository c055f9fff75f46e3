"""Data sets made by the model: for demonstrations, tests of recovery, and checks of a fit."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing import Regimen, nonmem_table
from ketasim.errors import ModelError
from ketasim.inference.population_fit.data import FitData, Observed
from ketasim.inference.population_fit.effects import choose_effects
from ketasim.inference.population_fit.predict import Predictor, simulator_for
from ketasim.inference.population_fit.residual import Residual
from ketasim.model.parameters import load_parameters

__all__ = ["Truth", "simulate_data"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """Population values that a data set is made with.

    Parameters
    ----------
    values : dict of str to float
        Typical values in the units of the tables, of parameters that are off the tables.
    spreads : dict of str to float
        Standard deviations between people, on the log scale (logit for shares).
    errors : dict of str to (str, float)
        Kind of error of each measured quantity, and its size: a share for a proportional or log-normal
        error, an amount in the shown unit for an additive one.
    """

    values: Mapping[str, float] = field(default_factory=dict)
    spreads: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, tuple[str, float]] = field(default_factory=dict)


def simulate_data(
    truth: Truth,
    regimens: Sequence[Regimen],
    samples: Sequence[tuple[str, Sequence[float]]],
    *,
    weights_kg: Sequence[float],
    seed: int,
    severity: float = 33.0,
) -> pd.DataFrame:
    """Make a data set.

    Parameters
    ----------
    truth : Truth
        Population values.
    regimens : sequence of Regimen
        What each person is given.
    samples : sequence of (str, sequence of float)
        Each measured quantity with its times in hours; ``DVID`` counts them from 1.
    weights_kg : sequence of float
        Of each person.
    seed : int
        Names the random numbers.
    severity : float
        Points of everybody at rest.

    Returns
    -------
    pandas.DataFrame
        An event table with ``DVID`` and ``WT``.

    Raises
    ------
    ModelError
        If a parameter is unknown, or the equations have no solution for somebody.
    """
    rng = np.random.default_rng(seed)
    count = len(regimens)
    names = tuple(dict.fromkeys((*truth.values, *truth.spreads)))
    base = load_parameters().with_values(truth.values)
    spread_names = list(truth.spreads)
    effects = choose_effects(base, [], spread_names) if spread_names else choose_effects(base, names, [])
    eta = rng.standard_normal((count, len(spread_names))) * np.array([truth.spreads[n] for n in spread_names])
    data = _blank(regimens, samples, weights_kg, severity)
    predictor = Predictor(simulator_for([name for name, _ in samples]), data, effects, base)
    predicted = predictor.at_data(np.arange(count), effects.persons(effects.start, eta))
    if np.isnan(predicted).any():
        raise ModelError("simulate_data: no solution for somebody; smaller spreads keep all within reach.")
    kinds = [truth.errors[name][0] for name, _ in samples]
    residual = Residual.of(kinds, np.array([max(1e-12, abs(truth.errors[name][1])) for name, _ in samples]))
    if "combined" in kinds:
        raise ModelError("simulate_data: an error has one size; give proportional, additive or lognormal.")
    logs = np.array([math.log(truth.errors[name][1]) for name, _ in samples])
    working = residual.working(predicted, data.quantity)
    variance, _ = residual.variance(working, data.quantity, logs)
    noise = rng.standard_normal(working.shape) * np.sqrt(variance)
    measured = residual.natural(working + noise, data.quantity)
    rows = [
        {
            "ID": data.ids[i],
            "TIME": data.times_h[i, j],
            "DV": measured[i, j],
            "CMT": 0,
            "j": data.quantity[i, j] + 1,
        }
        for i in range(count)
        for j in range(data.y.shape[1])
    ]
    return _table(pd.DataFrame(rows), regimens, weights_kg)


def _table(seen: pd.DataFrame, regimens: Sequence[Regimen], weights_kg: Sequence[float]) -> pd.DataFrame:
    """The event table of measurements and doses; measurements are told apart by ``DVID``."""
    seen = seen.assign(CMT=seen["j"])
    table = nonmem_table(
        list(regimens), list(weights_kg), observations=seen, covariates={"WT": list(weights_kg)}
    )
    is_seen = table["EVID"] == 0
    table["DVID"] = np.where(is_seen, table["CMT"], 0)
    table.loc[is_seen, "CMT"] = 0
    kept = ["ID", "TIME", "AMT", "RATE", "EVID", "MDV", "CMT", "DVID", "DV", "WT", "DRUG", "ROUTE"]
    return table[kept]


def _blank(
    regimens: Sequence[Regimen],
    samples: Sequence[tuple[str, Sequence[float]]],
    weights_kg: Sequence[float],
    severity: float,
) -> FitData:
    """Persons and times without measurements."""
    count = len(regimens)
    quantity = np.concatenate([np.full(len(times), place) for place, (_, times) in enumerate(samples)])
    times = np.concatenate([np.asarray(own, dtype=np.float64) for _, own in samples])
    order = np.argsort(times, kind="stable")
    shape = (count, len(times))
    chain = simulator_for([name for name, _ in samples]).chain
    observed = tuple(
        Observed(name, chain.quantities[name].label, chain.quantities[name].shown_unit, place + 1, "")
        for place, (name, _) in enumerate(samples)
    )
    return FitData(
        where="simulated",
        ids=tuple(float(i) for i in range(1, count + 1)),
        regimens=tuple(regimens),
        covariates={"weight": np.asarray(weights_kg, dtype=np.float64)},
        severity=np.full(count, severity),
        observed=observed,
        times_h=np.broadcast_to(times[order], shape),
        y=np.zeros(shape),
        quantity=np.broadcast_to(quantity[order], shape),
        line=np.zeros(shape, dtype=np.int64),
        mask=np.ones(shape, dtype=np.bool_),
    )
