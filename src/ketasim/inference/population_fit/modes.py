"""Most probable deviations of each person, and the model made linear around them.

All persons move at once: each step is one batch of runs, for the differences, and one for the lengths of
the step that are tried.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import SolverError
from ketasim.inference.population_fit.predict import Predictor
from ketasim.inference.population_fit.residual import Residual

__all__ = ["Linear", "Point", "find_modes", "person_losses"]

FloatArray = npt.NDArray[np.float64]

#: Shift of a parameter for a difference, on its scale: well above what solvers leave, well below a spread.
_SHIFT = 0.01
#: Lengths of a step that are tried, and steps at most.
_LENGTHS = np.array([0.5, 0.15])
_MOST_STEPS = 12
#: No step is longer than this many spreads, and none is made that gains less than this.
_LONGEST, _GAIN = 2.0, 1e-4


@dataclass(frozen=True)
class Point:
    """Population values.

    Parameters
    ----------
    theta : array, shape (effects,)
        Typical values on their scales.
    log_omega : array, shape (random,)
        Logarithms of the spreads between people.
    log_sigma : array, shape (errors,)
        Logarithms of the parameters of the residual error.
    """

    theta: FloatArray
    log_omega: FloatArray
    log_sigma: FloatArray

    @property
    def omega(self) -> FloatArray:
        """Spreads between people, on the scales of the effects."""
        return np.exp(self.log_omega)


@dataclass(frozen=True)
class Linear:
    """The model around the modes.

    Parameters
    ----------
    eta : array, shape (persons, random)
        The modes.
    predicted : array, shape (persons, most)
        Predictions there, on the working scale.
    slopes : array, shape (persons, most, effects)
        Their derivatives over each effect, zero where there is no measurement.
    information : array, shape (persons, random, random)
        Inverse of the covariance of each person's deviations.
    losses : array, shape (persons,)
        Minus twice the log of measurement and deviations together, constants left out.
    """

    eta: FloatArray
    predicted: FloatArray
    slopes: FloatArray
    information: FloatArray
    losses: FloatArray


def person_losses(
    predictor: Predictor, residual: Residual, point: Point, predicted: FloatArray, eta: FloatArray
) -> FloatArray:
    """Minus twice the log density of measurements and deviations, without constants.

    Parameters
    ----------
    predictor, residual, point
        Data, error and population values.
    predicted : array, shape (..., persons, most)
        On the working scale.
    eta : array, shape (..., persons, random)
        Deviations.

    Returns
    -------
    array, shape (..., persons)
        Infinite where there is no prediction.
    """
    data = predictor.data
    y = residual.working(data.y, data.quantity)
    variance, _ = residual.variance(predicted, data.quantity, point.log_sigma)
    with np.errstate(invalid="ignore", divide="ignore"):
        parts = np.where(data.mask, (y - predicted) ** 2 / variance + np.log(variance), 0.0)
    loss = parts.sum(axis=-1) + ((eta / point.omega) ** 2).sum(axis=-1)
    return np.where(np.isfinite(loss), loss, np.inf)


def find_modes(
    predictor: Predictor, residual: Residual, point: Point, start: FloatArray, steps: int = _MOST_STEPS
) -> Linear:
    """Find the most probable deviations.

    Parameters
    ----------
    predictor, residual, point
        Data, error and population values.
    start : array, shape (persons, random)
        Where the search starts.
    steps : int
        Steps at most.

    Returns
    -------
    Linear

    Raises
    ------
    SolverError
        If the equations cannot be solved for a person at the start.
    """
    random = predictor.effects.random
    eta = start.copy()
    if random:
        for _ in range(steps):
            here = _linear(predictor, residual, point, eta, random, central=False)
            step = _step(predictor, residual, point, here)
            whole = _losses_at(predictor, residual, point, (eta + step)[None])[0]
            lengths = np.where(whole < here.losses - _GAIN, 1.0, 0.0)
            if not lengths.all():
                # Some need a shorter step; these few runs more are made for all.
                losses = _losses_at(predictor, residual, point, eta + _LENGTHS[:, None, None] * step)
                best = np.argmin(losses, axis=0)
                gained = losses[best, np.arange(len(eta))] < np.minimum(here.losses, whole) - _GAIN
                lengths = np.where(gained, _LENGTHS[best], lengths)
            eta = eta + lengths[:, None] * step
            if not lengths.any():
                break
    return _linear(predictor, residual, point, eta, list(range(len(predictor.effects))))


def _losses_at(predictor: Predictor, residual: Residual, point: Point, tried: FloatArray) -> FloatArray:
    """Losses at several deviations a person, shape (tries, persons)."""
    tries, count = tried.shape[:2]
    person = np.tile(np.arange(count), tries)
    z = predictor.effects.persons(point.theta, tried.reshape(tries * count, -1))
    found = residual.working(predictor.at_data(person, z), predictor.data.quantity[person])
    return person_losses(predictor, residual, point, found.reshape(tries, count, -1), tried)


def _linear(
    predictor: Predictor,
    residual: Residual,
    point: Point,
    eta: FloatArray,
    moved: list[int],
    *,
    central: bool = True,
) -> Linear:
    """The model around deviations, with slopes over the moved effects; one-sided unless central."""
    count, width = len(eta), predictor.data.y.shape[1]
    z = predictor.effects.persons(point.theta, eta)
    shifts = np.zeros((1 + (2 if central else 1) * len(moved), len(predictor.effects)))
    for at, place in enumerate(moved):
        shifts[1 + at, place] = _SHIFT
        if central:
            shifts[1 + len(moved) + at, place] = -_SHIFT
    person = np.tile(np.arange(count), len(shifts))
    every = (z[None] + shifts[:, None]).reshape(len(person), -1)
    quantity = predictor.data.quantity
    found = residual.working(predictor.at_data(person, every), quantity[person]).reshape(-1, count, width)
    _require_all(predictor, found[0])
    slopes = np.zeros((count, width, len(predictor.effects)))
    for at, place in enumerate(moved):
        above = found[1 + at]
        below = found[1 + len(moved) + at] if central else np.full(above.shape, np.nan)
        # At the edge of what the equations allow one side has no solution, and the other must do.
        up = np.where(np.isnan(above), found[0], above)
        down = np.where(np.isnan(below), found[0], below)
        sides = 2.0 - np.isnan(above).any(axis=1) - np.isnan(below).any(axis=1)
        slopes[:, :, place] = (up - down) / (np.maximum(sides, 1.0)[:, None] * _SHIFT)
    slopes *= predictor.data.mask[:, :, None]
    variance, change = residual.variance(found[0], quantity, point.log_sigma)
    weight = np.where(predictor.data.mask, 1.0 / variance + 0.5 * (change / variance) ** 2, 0.0)
    own = slopes[:, :, predictor.effects.random]
    information = np.einsum("nmr,nm,nms->nrs", own, weight, own) + np.diag(point.omega**-2.0)
    return Linear(
        eta, found[0], slopes, information, person_losses(predictor, residual, point, found[0], eta)
    )


def _require_all(predictor: Predictor, predicted: FloatArray) -> None:
    wrong = np.flatnonzero(np.isnan(predicted).any(axis=1))
    if len(wrong):
        shown = ", ".join(f"{predictor.data.ids[place]:g}" for place in wrong[:6].tolist())
        raise SolverError(
            f"the equations have no solution for ID {shown} with the values that the search came to. Fit "
            "fewer "
            "parameters, keep the priors of the tables (--prior table), or choose another parameter in which "
            "people differ."
        )


def _step(predictor: Predictor, residual: Residual, point: Point, here: Linear) -> FloatArray:
    """Gauss-Newton step of each person, shape (persons, random)."""
    data = predictor.data
    y = residual.working(data.y, data.quantity)
    variance, change = residual.variance(here.predicted, data.quantity, point.log_sigma)
    off = y - here.predicted
    pull = -off / variance + 0.5 * change * (1.0 / variance - (off / variance) ** 2)
    own = here.slopes[:, :, predictor.effects.random]
    gradient = np.einsum("nmr,nm->nr", own, np.where(data.mask, pull, 0.0)) + here.eta / point.omega**2
    step = -np.linalg.solve(here.information, gradient[:, :, None])[:, :, 0]
    longest = np.max(np.abs(step) / np.maximum(point.omega, 0.05), axis=1, keepdims=True)
    return np.asarray(step * np.minimum(1.0, _LONGEST / np.maximum(longest, 1e-12)), dtype=np.float64)
