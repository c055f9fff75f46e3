"""The reference solver: SciPy's LSODA on the generated Python functions.

It is the oracle of the tests and the fallback of faster engines. Every event
restarts it, boluses are exact jumps, and each segment runs in its own time from
zero, so that shifting all times changes nothing.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.engine.codegen import GeneratedCode
from ketasim.engine.schedule import Schedule, Segment
from ketasim.engine.system import System
from ketasim.errors import AbandonedError, ModelError, SolverError, unknown_name

__all__ = ["REFERENCE_RTOL", "ReferenceEngine", "Solution"]

FloatArray = npt.NDArray[np.float64]

#: Accuracy asked of the oracle's result, relative to each state's size.
REFERENCE_RTOL = 1e-6

#: LSODA controls the error of one step, and its accumulated error on this model was measured at
#: about ten times that (``benchmarks/``). Each step is asked to be this much better than the
#: result, so that the same course in other units or steps agrees to 1e-8.
LOCAL_SAFETY = 3e-4

_MAX_STEPS = 100_000

#: What is said and warned belongs to the whole process: one thread at a time may silence it.
_QUIET = threading.Lock()


@dataclass(frozen=True)
class Solution:
    """A solved patient.

    Parameters
    ----------
    times : array, shape (n_times,)
        Output times. A value at the time of a bolus is the one before it.
    states : array, shape (n_states, n_times)
        In the order of the system's states.
    quantities : dict of str to array, shape (n_times,)
        Every read-out of the system.
    steps, evaluations : int
        Work done, summed over the segments.
    """

    times: FloatArray
    states: FloatArray
    quantities: dict[str, FloatArray]
    steps: int
    evaluations: int


@dataclass(frozen=True)
class ReferenceEngine:
    """Solves a system for one patient at a time.

    Parameters
    ----------
    system : System
        The equations.
    """

    system: System
    code: GeneratedCode = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "code", GeneratedCode(self.system))

    def functions(self, parameters: Mapping[str, float], inputs: Mapping[str, float]) -> tuple[Any, Any, Any]:
        """Right-hand side, Jacobian entries and read-outs for one patient, of single floats."""
        return self._made(self.code.scalar, parameters, inputs)

    def _made(
        self, factory: Any, parameters: Mapping[str, float], inputs: Mapping[str, float]
    ) -> tuple[Any, Any, Any]:
        p = tuple(float(parameters[symbol.name]) for symbol in self.system.parameters)
        u = tuple(float(inputs[symbol.name]) for symbol in self.system.inputs)
        made: tuple[Any, Any, Any] = factory(p, u)
        return made

    def solve(
        self,
        parameters: Mapping[str, float],
        start: FloatArray,
        schedule: Schedule,
        times: FloatArray,
        defaults: Mapping[str, float],
        rtol: float = REFERENCE_RTOL,
        stop: npt.NDArray[np.int64] | None = None,
    ) -> Solution:
        """Solve from a state at ``times[0]`` to ``times[-1]``.

        Parameters
        ----------
        parameters : mapping of str to float
            Every parameter, in the system's units.
        start : array, shape (n_states,)
            State at the first time.
        schedule : Schedule
            Doses and inputs, in the system's units.
        times : array, shape (n_times,)
            Output times, increasing.
        defaults : mapping of str to float
            Value of each input without a path of its own.
        rtol : float
            Accuracy of the result, relative to each state's size.
        stop : array of int, shape (1,), optional
            Not 0 when nobody waits for the result any more; another thread may say so meanwhile.

        Returns
        -------
        Solution

        Raises
        ------
        ModelError
            If the output times do not increase, or the schedule names a state or an
            input that does not exist.
        SolverError
            If LSODA gives up or a state is not finite; says when.
        AbandonedError
            If it was stopped.
        """
        times = np.asarray(times, dtype=np.float64)
        self._check(times, schedule)
        segments = schedule.segments(float(times[0]), float(times[-1]), defaults)
        y = np.array(start, dtype=np.float64)
        states = np.empty((len(self.system.states), len(times)))
        states[:, 0] = y
        quantities = {symbol.name: np.empty(len(times)) for symbol in self.system.quantities}
        steps = evaluations = 0
        for number, segment in enumerate(segments):
            first = number == 0
            chosen = (times > segment.start) & (times <= segment.end)
            if first:
                chosen |= times == segment.start
                self._read_out(parameters, segment, y[:, None], quantities, times == times[0])
            y = self._jumped(y, segment)
            local = times[chosen & (times > segment.start)] - segment.start
            length = segment.end - segment.start
            grid = np.unique(np.concatenate([[0.0], local, [length]]))
            path, n_steps, n_evaluations = self._segment(parameters, segment, y, grid, rtol, stop)
            steps, evaluations = steps + n_steps, evaluations + n_evaluations
            picked = path[:, np.searchsorted(grid, local)]
            columns = chosen & (times > segment.start)
            states[:, columns] = picked
            self._read_out(parameters, segment, picked, quantities, columns)
            y = path[:, -1]
        if not segments:
            inputs = schedule.inputs_at(float(times[0]), defaults)
            only = Segment(float(times[0]), float(times[0]), {}, {}, {}, inputs)
            self._read_out(parameters, only, y[:, None], quantities, times == times[0])
        return Solution(times, states, quantities, steps, evaluations)

    def _check(self, times: FloatArray, schedule: Schedule) -> None:
        if (
            times.ndim != 1
            or times.size == 0
            or not np.isfinite(times).all()
            or (np.diff(times) <= 0.0).any()
        ):
            raise ModelError("output times: give at least one; they must be finite and increase.")
        known = [symbol.name for symbol in self.system.states]
        for name in sorted(schedule.states - set(known)):
            raise ModelError(f"event: {unknown_name('state', name, known)}")

    def _jumped(self, y: FloatArray, segment: Segment) -> FloatArray:
        y = y.copy()
        index = {symbol.name: i for i, symbol in enumerate(self.system.states)}
        for state, amount in segment.jumps.items():
            y[index[state]] += amount
        for state, value in segment.settings.items():
            y[index[state]] = value
        return y

    def _read_out(
        self,
        parameters: Mapping[str, float],
        segment: Segment,
        states: FloatArray,
        quantities: dict[str, FloatArray],
        columns: npt.NDArray[np.bool_],
    ) -> None:
        if not columns.any():
            return
        _, _, read_outs = self._made(self.code.vector, parameters, segment.inputs)
        for symbol, values in zip(self.system.quantities, read_outs(states), strict=True):
            quantities[symbol.name][columns] = values

    def _segment(
        self,
        parameters: Mapping[str, float],
        segment: Segment,
        y: FloatArray,
        grid: FloatArray,
        rtol: float,
        stop: npt.NDArray[np.int64] | None,
    ) -> tuple[FloatArray, int, int]:
        # Loading it takes a quarter of a second, and a normal run never comes here.
        from scipy.integrate import ODEintWarning, odeint

        rhs, jacobian, _ = self.functions(parameters, segment.inputs)
        n = len(self.system.states)
        index = {symbol.name: i for i, symbol in enumerate(self.system.states)}
        forcing = np.zeros(n)
        for state, rate in segment.rates.items():
            forcing[index[state]] = rate
        rows, columns = self.code.jacobian_places
        flat = rows * n + columns

        def f(state: FloatArray, time: float) -> FloatArray:
            if stop is not None and stop[0]:
                raise AbandonedError("the reference solver was stopped; nobody waited for it.")
            # A complex number, from a power of a negative one, must be an error and not lose a part.
            return np.array(rhs(state.tolist(), time), dtype=np.float64) + forcing

        def jac(state: FloatArray, time: float) -> Any:
            matrix = np.zeros(n * n)
            matrix[flat] = jacobian(state.tolist(), time)
            return matrix.reshape(n, n)

        local = rtol * LOCAL_SAFETY
        absolute: Any = local * np.array(self.system.scales)  # SciPy takes an array; its stubs do not
        try:
            # What LSODA says is in its status; it need not be printed or warned about too.
            with _QUIET, contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore", ODEintWarning)
                path, info = odeint(
                    f,
                    y,
                    grid,
                    Dfun=jac,
                    rtol=local,
                    atol=absolute,
                    mxstep=_MAX_STEPS,
                    full_output=True,
                    printmessg=False,
                )
        except (ArithmeticError, ValueError, TypeError) as error:
            reason = "the equations could not be computed: " + _in_words(error)
            raise SolverError(self._failed(segment, reason)) from error
        if not np.isfinite(path).all() or "successful" not in info["message"]:
            raise SolverError(self._failed(segment, info["message"]))
        return path.T, int(info["nst"][-1]), int(info["nfe"][-1])

    @staticmethod
    def _failed(segment: Segment, reason: str) -> str:
        # The engine does not know the unit of its times; it is the hour by default.
        return (
            f"the solver stopped between {segment.start:g} and {segment.end:g} (h, unless the model has "
            f"other units): {reason.strip()}; "
            "a parameter is probably far outside its range: compare with 'ketasim list parameters'."
        )


def _in_words(error: Exception) -> str:
    """Say what an arithmetic failure inside the equations means."""
    if isinstance(error, ZeroDivisionError):
        return "something is divided by zero"
    if isinstance(error, OverflowError):
        return "a number grew without bound"
    return "a power of a negative number was needed"
