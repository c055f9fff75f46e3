"""What comes next for one patient: his own parameters, a new regimen, and how much his data have told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from ketasim.dosing import Regimen
from ketasim.errors import ModelError
from ketasim.inference.population_fit.fit import PopulationFit
from ketasim.model.times import output_times

__all__ = ["Forecast", "forecast"]

FloatArray = npt.NDArray[np.float64]

_LEVELS = (2.5, 50.0, 97.5)
#: Hours after the last dose to which a forecast of a mood and of a concentration go, if nothing is said.
_MOOD_TAIL_H, _KINETIC_TAIL_H = 336.0, 24.0
#: Below this share of the population's variance removed, a forecast is that of anybody.
_LITTLE = 0.1


@dataclass(frozen=True)
class Forecast:
    """A forecast for one patient.

    Parameters
    ----------
    subject : float
        His ``ID``.
    regimen : Regimen
        What he is given, his history included, in hours from his first record.
    start_h : float
        From when on it is new.
    courses : pandas.DataFrame
        ``quantity, unit, time_h, low, median, high`` (95 % of his posterior), ``measured_low,
        measured_high`` (with the scatter of a measurement), ``anybody_low, anybody_high`` (a person of
        whom only the covariates are known), ``variance_removed`` (share of the variance between such
        persons that his data have removed).
    individual : pandas.DataFrame
        ``parameter, unit, typical, value, low, high, variance_removed``.
    notes : tuple of str
        Where the forecast goes beyond the data.
    """

    subject: float
    regimen: Regimen
    start_h: float
    courses: pd.DataFrame
    individual: pd.DataFrame
    notes: tuple[str, ...]


def forecast(
    fit: PopulationFit,
    subject: float,
    regimen: Regimen,
    *,
    start_h: float | None = None,
    fresh: bool = False,
    until_h: float | None = None,
    samples: int = 400,
    seed: int = 1,
) -> Forecast:
    """Forecast a regimen for one of the persons of a fit.

    Parameters
    ----------
    fit : PopulationFit
        Population values, and the person's posterior.
    subject : float
        His ``ID``.
    regimen : Regimen
        The new doses; hour 0 of it is ``start_h``.
    start_h : float, optional
        When it begins, in hours from his first record. Default: his last dose or measurement.
    fresh : bool
        Leave his history out: the regimen begins at hour 0, in a person who was given nothing.
    until_h : float, optional
        End, in hours from the start of the new regimen. Default: a day after its last dose, or two weeks
        where more than concentrations are observed.
    samples : int
        Draws from his posterior.
    seed : int
        Names the random numbers.

    Returns
    -------
    Forecast

    Notes
    -----
    The population values are taken as known.

    Raises
    ------
    ModelError
        If there is no such person, or a time does not fit.
    """
    data, predictor = fit.predictor.data, fit.predictor
    if subject not in data.ids:
        shown = ", ".join(f"{own:g}" for own in data.ids[:12]) + (", ..." if len(data.ids) > 12 else "")
        raise ModelError(f"--forecast: no ID {subject:g} with a measurement; there are {shown}.")
    place = data.ids.index(subject)
    begin, whole = _placed(fit, place, regimen, start_h, fresh)
    tail = _MOOD_TAIL_H if "life_stress" in predictor.simulator.chain.inputs else _KINETIC_TAIL_H
    last = max([dose.end_h for dose in regimen.doses], default=0.0)
    length = last + tail if until_h is None else until_h
    if not length > 0.0:
        raise ModelError(f"--until: {length:g} h must be above 0, counted from the start of the new regimen.")
    times = output_times(whole, begin + length, fine=False)
    rng = np.random.default_rng([seed, 2])
    own = fit.importance.resampled(place, samples, rng)
    anybody = rng.standard_normal((samples, fit.linear.eta.shape[1])) * fit.point.omega
    both = predictor.effects.persons(fit.point.theta, np.concatenate([own, anybody]))
    person = np.full(len(both), place)
    runs = predictor.courses(person, both, [times] * len(both), [whole] * len(both))
    found = np.stack(runs)
    ahead = times >= begin - 1e-9
    return Forecast(
        subject,
        whole,
        begin,
        _courses(fit, times[ahead], found[:samples, ahead], found[samples:, ahead], rng),
        _individual(fit, own),
        tuple(_beyond(fit, place, regimen, begin + length, own)),
    )


def _placed(
    fit: PopulationFit, place: int, regimen: Regimen, start_h: float | None, fresh: bool
) -> tuple[float, Regimen]:
    """When the new regimen begins, and all doses."""
    data = fit.predictor.data
    if fresh:
        if start_h is not None:
            raise ModelError("--start: leave it out with --fresh, where the new regimen begins at hour 0.")
        return 0.0, regimen
    history = data.regimens[place]
    last = float(data.times_h[place][data.mask[place]].max())
    last = max([last, *(dose.end_h for dose in history.doses)])
    begin = last if start_h is None else start_h
    if begin < 0.0:
        raise ModelError(f"--start: {begin:g} h lies before the first record; give 0 h or later.")
    # What he would have been given later is replaced by the new doses.
    kept = tuple(dose for dose in history.doses if dose.start_h < begin)
    if any(dose.steady_state_h is not None for dose in regimen.doses) and kept:
        raise ModelError(
            "--regimen: a course at steady state has no history; use --fresh, or give single doses."
        )
    moved = tuple(replace(dose, start_h=dose.start_h + begin) for dose in regimen.doses)
    return begin, Regimen((*kept, *moved))


def _courses(
    fit: PopulationFit, times: FloatArray, own: FloatArray, anybody: FloatArray, rng: np.random.Generator
) -> pd.DataFrame:
    parts = []
    for place, item in enumerate(fit.predictor.data.observed):
        quantity = np.full(own.shape[:2], place)
        working = fit.residual.working(own[:, :, place], quantity)
        variance, _ = fit.residual.variance(working, quantity, fit.point.log_sigma)
        noisy = fit.residual.natural(
            working + rng.standard_normal(working.shape) * np.sqrt(variance), quantity
        )
        if fit.residual.kinds[place] == "proportional":
            noisy = np.maximum(noisy, 0.0)
        low, median, high = np.nanpercentile(own[:, :, place], _LEVELS, axis=0)
        seen_low, _, seen_high = np.nanpercentile(noisy, _LEVELS, axis=0)
        any_low, _, any_high = np.nanpercentile(anybody[:, :, place], _LEVELS, axis=0)
        wide = np.nanvar(anybody[:, :, place], axis=0)
        left = np.nanvar(own[:, :, place], axis=0)
        removed = np.where(wide > 0.0, 1.0 - left / np.where(wide > 0.0, wide, 1.0), np.nan)
        parts.append(
            pd.DataFrame(
                {
                    "quantity": item.name,
                    "unit": item.unit,
                    "time_h": times,
                    "low": low,
                    "median": median,
                    "high": high,
                    "measured_low": seen_low,
                    "measured_high": seen_high,
                    "anybody_low": any_low,
                    "anybody_high": any_high,
                    "variance_removed": removed,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _individual(fit: PopulationFit, own: FloatArray) -> pd.DataFrame:
    """His parameters: median and 95 % of the posterior."""
    effects, rows = fit.predictor.effects, []
    for at, place in enumerate(effects.random):
        item = effects.items[place]
        low, median, high = np.percentile(item.value(fit.point.theta[place] + own[:, at]), _LEVELS)
        typical = float(item.value(fit.point.theta[place]))
        removed = 1.0 - float(np.var(own[:, at]) / fit.point.omega[at] ** 2)
        rows.append((item.name, item.unit, typical, median, low, high, removed))
    columns = ["parameter", "unit", "typical", "value", "low", "high", "variance_removed"]
    return pd.DataFrame(rows, columns=columns)


def _beyond(fit: PopulationFit, place: int, regimen: Regimen, end: float, own: FloatArray) -> list[str]:
    """Say where a forecast rests on the model and not on the data."""
    data = fit.predictor.data
    notes = ["The population values are taken as known: the bands leave out how uncertain they are."]
    inside = data.mask[place]
    for number, item in enumerate(data.observed):
        if not np.any(inside & (data.quantity[place] == number)):
            notes.append(
                f"{item.name} was never measured in this person: his course follows from other quantities."
            )
    last = float(data.times_h[data.mask].max())
    if end > last + 1e-9:
        notes.append(
            f"No measurement of anybody lies later than {last:g} h; what follows to {end:g} h is the "
            "model's alone."
        )
    seen = {(dose.drug, dose.route) for given in data.regimens for dose in given.doses}
    for drug, route in dict.fromkeys((dose.drug, dose.route) for dose in regimen.doses if dose.is_active):
        if (drug, route) not in seen:
            notes.append(f"Nobody in the data was given {drug} by {route.replace('_', ' ')}.")
    notes += _larger(fit, place, regimen)
    for at, number in enumerate(fit.predictor.effects.random):
        removed = 1.0 - float(np.var(own[:, at]) / fit.point.omega[at] ** 2)
        if removed < _LITTLE:
            notes.append(
                f"His data say next to nothing of his {fit.predictor.effects.names[number]}: there he is "
                "anybody."
            )
    return notes


def _larger(fit: PopulationFit, place: int, regimen: Regimen) -> list[str]:
    """A note if a dose is larger than any in the data."""
    data = fit.predictor.data
    weights = data.covariates.get("weight", np.full(len(data), 70.0))
    heights = data.covariates.get("height", np.full(len(data), 1.7))

    def masses(given: Regimen, weight: float, height: float) -> Sequence[float]:
        return [dose.mass_mg(weight, height) for dose in given.doses if dose.is_active]

    most = max(
        (
            mass
            for given, weight, height in zip(data.regimens, weights.tolist(), heights.tolist(), strict=True)
            for mass in masses(given, weight, height)
        ),
        default=0.0,
    )
    new = max(masses(regimen, float(weights[place]), float(heights[place])), default=0.0)
    if new > 1.001 * most:
        return [f"The largest new dose, {new:.3g} mg, is larger than any in the data, {most:.3g} mg."]
    return []
