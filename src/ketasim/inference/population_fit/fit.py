"""The population fit.

First modes of the persons and population values of the linear model, in turns, until both stand still; then
two rounds with the likelihood without approximation, over draws of each person's parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ketasim.errors import DoseError, ModelError
from ketasim.inference.population_fit.importance import Importance, importance
from ketasim.inference.population_fit.marginal import Marginal
from ketasim.inference.population_fit.modes import Linear, Point, find_modes
from ketasim.inference.population_fit.predict import Predictor
from ketasim.inference.population_fit.residual import Residual
from ketasim.inference.population_fit.sampled import Sampled
from ketasim.inference.population_fit.summary import Covariance, covariance_of, findings

__all__ = ["PopulationFit", "fit_population"]

FloatArray = npt.NDArray[np.float64]

#: When the search ends: the largest change of a typical value, and of the log of a spread or an error.
_STILL, _STILL_LOG = 2e-4, 4e-3
#: What the loss may still do where spreads and errors trade against each other.
_STILL_LOSS = 2e-3
_REACH, _SHORTEST_REACH = 0.4, 0.01
#: Rounds with the sampled likelihood after it, and how far each may go.
_ROUNDS, _SHORT_REACH = 2, 0.2
#: A spread below this is none.
_GONE = 0.02


@dataclass(frozen=True)
class PopulationFit:
    """What a fit gives.

    Parameters
    ----------
    predictor, residual : Predictor, Residual
        Data, model and kinds of error.
    point : Point
        The fitted population values.
    linear : Linear
        Modes of the persons there, and the model around them.
    covariance : Covariance
        Of the fitted values, with what it says of how well the data tell them.
    loss : float
        Minus twice the log likelihood (FOCEI), priors not included.
    importance : Importance
        The same without approximation, by importance sampling, and the persons' posteriors.
    history : array, shape (iterations, 1 + values)
        Loss with priors, and the values, after each iteration.
    converged : bool
        Whether the search stood still before its last iteration.
    warnings : tuple of str
        What a reader should know.
    """

    predictor: Predictor
    residual: Residual
    point: Point
    linear: Linear
    covariance: Covariance
    loss: float
    importance: Importance
    history: FloatArray
    converged: bool
    warnings: tuple[str, ...]

    @property
    def shrinkage(self) -> FloatArray:
        """One minus the SD of the modes over the spread, of each effect in which people differ."""
        if len(self.linear.eta) < 2:
            return np.full(len(self.point.omega), np.nan)
        return np.asarray(1.0 - np.std(self.linear.eta, axis=0, ddof=1) / self.point.omega)

    @property
    def error_shrinkage(self) -> float:
        """One minus the SD of measurements around the persons' own courses, in units of the error."""
        data = self.predictor.data
        variance, _ = self.residual.variance(self.linear.predicted, data.quantity, self.point.log_sigma)
        y = self.residual.working(data.y, data.quantity)
        return float(1.0 - np.std(((y - self.linear.predicted) / np.sqrt(variance))[data.mask]))


def fit_population(
    predictor: Predictor,
    residual: Residual,
    *,
    iterations: int = 60,
    samples: int = 200,
    seed: int = 1,
    progress: Callable[[int, float], None] | None = None,
) -> PopulationFit:
    """Fit population values.

    Parameters
    ----------
    predictor : Predictor
        Data, model and effects.
    residual : Residual
        The error of each quantity.
    iterations : int
        At most; with 0 the values of the tables stay, and only the persons are fitted.
    samples : int
        Deviations drawn of each person for the likelihood without approximation.
    seed : int
        Names the random numbers of these.
    progress : callable, optional
        Called with the number of an iteration and its loss.

    Returns
    -------
    PopulationFit

    Raises
    ------
    DoseError
        If a measurement cannot have the error that is asked for; names file, line and column.
    ModelError
        If no measurement depends on a parameter.
    SolverError
        If the equations cannot be solved for a person.
    """
    effects = predictor.effects
    spreads = np.log([effects.items[place].spread for place in effects.random])
    point = Point(effects.start, np.asarray(spreads, dtype=np.float64), residual.start)
    _check_measurements(predictor, residual)
    eta = np.zeros((len(predictor.data), len(effects.random)))
    linear = find_modes(predictor, residual, point, eta)
    _check_influence(predictor, residual, point, linear)
    marginal = Marginal(predictor, residual, point, linear)
    history = [np.append(marginal.loss(marginal.start)[0], marginal.start)]
    reach, converged = _REACH, iterations == 0
    for iteration in range(1, iterations + 1):
        vector = marginal.improved(reach)
        point = marginal.at(vector)
        linear = find_modes(predictor, residual, point, _carried(linear.eta, marginal, point))
        before, marginal = history[-1], Marginal(predictor, residual, point, linear)
        loss = marginal.loss(marginal.start)[0]
        history.append(np.append(loss, vector))
        if progress is not None:
            progress(iteration, loss)
        moved = np.abs(vector - before[1:])
        count = len(effects.estimated)
        still = bool((moved[:count] < _STILL).all() and (moved[count:] < _STILL_LOG).all())
        if still or (iteration > 2 and abs(loss - before[0]) < _STILL_LOSS and np.all(moved < 0.02)):
            converged = True
            break
        # Turns that overshoot come to rest with shorter steps.
        reach = max(_SHORTEST_REACH, 0.5 * reach) if loss > before[0] + 0.1 else min(_REACH, 1.3 * reach)
    for _ in range(_ROUNDS if iterations and effects.random else 0):
        drawn = importance(predictor, residual, point, linear, samples=samples, seed=seed)
        vector = Sampled(marginal, drawn).improved(_SHORT_REACH)
        point = marginal.at(vector)
        linear = find_modes(predictor, residual, point, _carried(linear.eta, marginal, point))
        marginal = Marginal(predictor, residual, point, linear)
    drawn = importance(predictor, residual, point, linear, samples=samples, seed=seed)
    loss_of = Sampled(marginal, drawn).loss if effects.random else marginal.loss
    covariance = covariance_of(marginal, marginal.start, loss_of)
    steps = np.array(history)
    return PopulationFit(
        predictor=predictor,
        residual=residual,
        point=point,
        linear=linear,
        covariance=covariance,
        loss=_likelihood(point, linear, predictor),
        importance=drawn,
        history=steps,
        converged=converged,
        warnings=tuple(findings(marginal, covariance, drawn, converged, iterations, _GONE)),
    )


def _likelihood(point: Point, linear: Linear, predictor: Predictor) -> float:
    """Minus twice the log likelihood by Laplace's approximation at the modes, error and mode together."""
    measured = predictor.data.mask.sum()
    _, logs = np.linalg.slogdet(linear.information)
    spreads = 2.0 * len(linear.eta) * point.log_omega.sum()
    return float(linear.losses.sum() + logs.sum() + spreads + measured * np.log(2.0 * np.pi))


def _carried(eta: FloatArray, marginal: Marginal, point: Point) -> FloatArray:
    """Deviations with which persons stay where they were when the typical values move."""
    effects = marginal.predictor.effects
    moved = (point.theta - marginal.point.theta)[effects.random]
    return eta - moved


def _check_measurements(predictor: Predictor, residual: Residual) -> None:
    """Refuse measurements that cannot be: none above zero where a log or a share is taken of it."""
    data = predictor.data
    everyone = np.arange(len(data))
    start = predictor.effects.persons(
        predictor.effects.start, np.zeros((len(data), len(predictor.effects.random)))
    )
    predicted = predictor.at_data(everyone, start)
    _require_solution(predictor, predicted)
    for person, place in zip(*np.nonzero(data.mask), strict=True):
        kind = residual.kinds[data.quantity[person, place]]
        where = f"{data.where}, line {data.line[person, place]}, column DV"
        value, name = data.y[person, place], data.observed[data.quantity[person, place]].name
        if kind == "lognormal" and not value > 0.0:
            raise DoseError(
                f"{where}: {value:g} has no logarithm; --error lognormal needs values above 0. Write MDV "
                "1 in this "
                "row, or use --error combined."
            )
        size = residual.sizes[data.quantity[person, place]]
        if kind in ("lognormal", "proportional") and abs(predicted[person, place]) < 1e-8 * size:
            raise DoseError(
                f"{where}: {name} is 0 in the model at {data.times_h[person, place]:g} h (nothing was "
                "given before), "
                f"and --error {kind} allows no scatter around 0. Write MDV 1 in this row, or use --error "
                "combined."
            )


def _require_solution(predictor: Predictor, predicted: FloatArray) -> None:
    wrong = np.flatnonzero(np.isnan(predicted).any(axis=1))
    if len(wrong):
        shown = ", ".join(f"{predictor.data.ids[place]:g}" for place in wrong[:6].tolist())
        raise ModelError(
            f"{predictor.data.where}: with the values of the tables the equations have no solution for "
            f"ID {shown}; "
            "check his weight, age and points at rest (BASELINE), and his doses."
        )


def _check_influence(predictor: Predictor, residual: Residual, point: Point, linear: Linear) -> None:
    """Refuse a parameter that moves nothing that was measured."""
    variance, _ = residual.variance(linear.predicted, predictor.data.quantity, point.log_sigma)
    told = np.abs(linear.slopes) / np.sqrt(variance)[:, :, None]
    for place, item in enumerate(predictor.effects.items):
        if not told[:, :, place].max() > 1e-6:
            names = ", ".join(predictor.names)
            raise ModelError(
                f"--parameters: no measurement in {predictor.data.where} depends on {item.name}; the "
                "observed "
                f"quantities are {names}. Leave it out, or add measurements that it moves."
            )
