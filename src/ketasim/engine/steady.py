"""Drug-free fixed points of a system: a damped Newton method, with relaxation as its fallback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.engine.reference import ReferenceEngine
from ketasim.engine.schedule import Schedule
from ketasim.errors import SolverError

__all__ = ["fixed_point", "fixed_point_at", "growth_rate"]

FloatArray = npt.NDArray[np.float64]

_NOT_FOUND = (
    "no drug-free steady state was found for this parameter set. "
    "A parameter is probably far outside its range: compare with 'ketasim list parameters'."
)


def fixed_point(
    engine: ReferenceEngine,
    parameters: Mapping[str, float],
    inputs: Mapping[str, float],
    guess: FloatArray,
    *,
    relaxation: float | None = None,
) -> FloatArray:
    """Find the state near a guess in which nothing changes.

    Parameters
    ----------
    engine : ReferenceEngine
        The equations.
    parameters, inputs : mapping of str to float
        Everything that the equations read, in the system's units.
    guess : array, shape (n_states,)
        Start of the search.
    relaxation : float, optional
        Where Newton's method fails, let the system run for this long and try again from
        there; in the system's unit of time.

    Returns
    -------
    array, shape (n_states,)

    Raises
    ------
    SolverError
        If no fixed point is found.
    """
    problem = _Problem.of(engine, parameters, inputs)
    try:
        return _newton(problem, np.array(guess, dtype=np.float64))
    except SolverError:
        if relaxation is None:
            raise
    times = np.array([0.0, relaxation])
    relaxed = engine.solve(parameters, np.array(guess), Schedule(), times, inputs)
    return _newton(problem, relaxed.states[:, -1])


def fixed_point_at(
    engine: ReferenceEngine,
    parameters: Mapping[str, float],
    inputs: Mapping[str, float],
    guess: FloatArray,
    *,
    held: tuple[str, float],
    free: tuple[str, float],
) -> tuple[FloatArray, float]:
    """Find the parameter value at which a state rests where it is wanted.

    Feedback through the held state is cut while searching, which makes this far better
    behaved than searching among resting states.

    Parameters
    ----------
    engine, parameters, inputs, guess
        As for :func:`fixed_point`.
    held : tuple of str and float
        Name of a state, and the value at which it must rest.
    free : tuple of str and float
        Name of a parameter, and the first guess of its value.

    Returns
    -------
    array, shape (n_states,)
        The resting state.
    float
        The parameter's value.

    Raises
    ------
    SolverError
        If nothing is found.
    """
    names = [symbol.name for symbol in engine.system.states]
    column, name = names.index(held[0]), free[0]

    def problem_at(value: float) -> _Problem:
        return _Problem.of(engine, {**parameters, name: value}, inputs)

    y, value = np.array(guess, dtype=np.float64), free[1]
    y[column] = held[1]
    problem = problem_at(value)
    rates = problem.rates(y)
    best = np.inf
    for _ in range(80):
        nudge = 1e-6 * max(1.0, abs(value))
        slope = (problem_at(value + nudge).rates(y) - rates) / nudge
        step = problem.step(y, rates, replaced=(column, slope))
        size = float(np.max(np.abs(step) / problem.scales))
        if not np.isfinite(size):
            break
        share = min(1.0, 0.3 / size)
        change = share * step
        value += float(change[column] / problem.scales[column])
        change[column] = 0.0
        y = y + change
        problem = problem_at(value)
        rates = problem.rates(y)
        # The slope is a difference quotient, so the last digits come slowly; below 1e-8 a step
        # that no longer halves is as good as it gets.
        if size < 1e-12 or (size < 1e-8 and size >= 0.5 * best):
            return y, value
        best = min(best, size)
    raise SolverError(_NOT_FOUND)


def growth_rate(
    engine: ReferenceEngine, parameters: Mapping[str, float], inputs: Mapping[str, float], state: FloatArray
) -> float:
    """Rate at which the least stable deviation from a fixed point grows; negative if it fades."""
    problem = _Problem.of(engine, parameters, inputs)
    return float(np.linalg.eigvals(problem.matrix(state)).real.max())


@dataclass(frozen=True)
class _Problem:
    rhs: Callable[..., Any]
    jacobian: Callable[..., Any]
    scales: FloatArray
    flat: npt.NDArray[np.intp]

    @classmethod
    def of(
        cls, engine: ReferenceEngine, parameters: Mapping[str, float], inputs: Mapping[str, float]
    ) -> _Problem:
        rhs, jacobian, _ = engine.functions(parameters, inputs)
        n = len(engine.system.states)
        flat = np.ravel_multi_index(engine.code.jacobian_places, (n, n))
        return cls(rhs, jacobian, np.array(engine.system.scales), flat)

    def rates(self, y: FloatArray) -> FloatArray:
        """Rates, or NaN where the equations cannot be evaluated."""
        try:
            return np.array(self.rhs(y.tolist()), dtype=np.float64)
        except (ArithmeticError, TypeError, ValueError):
            return np.full(len(y), np.nan)

    def matrix(self, y: FloatArray) -> FloatArray:
        """Jacobian, shape (n_states, n_states)."""
        n = len(y)
        flat = np.zeros(n * n)
        flat[self.flat] = self.jacobian(y.tolist())
        return flat.reshape(n, n)

    def step(
        self, y: FloatArray, rates: FloatArray, replaced: tuple[int, FloatArray] | None = None
    ) -> FloatArray:
        """Newton step, each state counted by its own size.

        With ``replaced`` a state is held, and its column is another unknown's; the step
        of that unknown comes back times the state's scale.
        """
        try:
            columns = self.matrix(y) * self.scales
            if replaced is not None:
                columns[:, replaced[0]] = replaced[1]
            return np.asarray(self.scales * np.linalg.solve(columns, -rates))
        except (np.linalg.LinAlgError, ArithmeticError, TypeError, ValueError) as error:
            raise SolverError(_NOT_FOUND) from error


def _newton(problem: _Problem, y: FloatArray) -> FloatArray:
    rates = problem.rates(y)
    best = np.inf
    for _ in range(80):
        step = problem.step(y, rates)
        size = float(np.max(np.abs(step) / problem.scales))
        if not np.isfinite(size):
            break
        # Rounding ends the descent at about 1e-13; below 1e-9 a step that no longer halves is the end.
        if size < 1e-13 or (size < 1e-9 and size >= 0.5 * best):
            return y + step
        best = min(best, size)
        y, rates = _damped(problem, y, step, rates, size)
    raise SolverError(_NOT_FOUND)


def _damped(
    problem: _Problem, y: FloatArray, step: FloatArray, rates: FloatArray, size: float
) -> tuple[FloatArray, FloatArray]:
    """Shorten a Newton step until the equations can be evaluated and the rates fall."""
    norm = float(np.linalg.norm(rates / problem.scales))
    share = min(1.0, 0.5 / size)
    for _ in range(30):
        candidate = y + share * step
        found = problem.rates(candidate)
        fell = float(np.linalg.norm(found / problem.scales)) <= norm * (1 + 1e-9) + 1e-14
        if np.isfinite(found).all() and fell:
            return candidate, found
        share *= 0.5
    raise SolverError(_NOT_FOUND)
