"""Solvers that are compared, each behind one small interface.

All solve the same equations with the same starts and doses, give all states at the same
times, and get the same tolerances: ``rtol``, and for each state ``rtol`` times its typical
size, where a solver takes more than one number.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Problem
from ketasim.engine import GeneratedCode, ReferenceEngine, Segment, VectorEngine
from ketasim.engine.reference import LOCAL_SAFETY
from ketasim.interop import sbml_document

__all__ = ["Contender", "KetasimContender", "contenders", "missing_peers"]

FloatArray = npt.NDArray[np.float64]

#: What a peer needs that is not installed with Ketasim, and how to get it.
_PEERS = {
    "libRoadRunner": ("roadrunner", "pip install 'ketasim[bench]'"),
    "numbalsoda": ("numbalsoda", "pip install 'ketasim[bench]'; it is built with a Fortran compiler"),
}

_MOST_STEPS = 1_000_000


class Contender(Protocol):
    """A solver of one problem."""

    @property
    def name(self) -> str:
        """For tables."""

    def run(self, problem: Problem, rtol: float) -> FloatArray:
        """Solve every patient: all states, shape (patients, times, states)."""


@dataclass(frozen=True)
class KetasimContender:
    """The engine of this package.

    Parameters
    ----------
    name : str
        For tables.
    engine : VectorEngine
        With the width that is to be timed.
    """

    name: str
    engine: VectorEngine

    def run(self, problem: Problem, rtol: float) -> FloatArray:
        """Solve every patient on one thread."""
        solved = self.engine.solve(problem.batch, problem.defaults, rtol)
        if solved.failures:
            raise RuntimeError(f"{self.name}: {solved.failures}")
        return np.array(solved.values)


class _Lsoda(ReferenceEngine):
    """The reference solver without read-outs, which nobody else is asked for."""

    def _read_out(self, *_: Any) -> None:
        return


class ScipyContender:
    """SciPy's LSODA with the generated Python functions and their exact Jacobian."""

    name = "SciPy LSODA"

    def __init__(self, problem: Problem) -> None:
        self._engine = _Lsoda(problem.system)
        self._names = [symbol.name for symbol in problem.system.parameters]

    def run(self, problem: Problem, rtol: float) -> FloatArray:
        """Solve every patient; LSODA itself is given ``rtol``, without the reference's safety."""
        found, batch = [], problem.batch
        for row, start, schedule, times in zip(
            batch.parameters, batch.starts, batch.schedules, batch.times, strict=True
        ):
            values = dict(zip(self._names, row.tolist(), strict=True))
            asked = rtol / LOCAL_SAFETY
            solved = self._engine.solve(values, start, schedule, times, problem.defaults, asked)
            found.append(solved.states.T)
        return np.array(found)


class RoadRunnerContender:
    """libRoadRunner's CVODE on the exported SBML, compiled once.

    A patient's values, start and dose times are set in the loaded model. Few things are set
    by name, since that is slow; the rest in one call.
    """

    name = "libRoadRunner"

    def __init__(self, problem: Problem) -> None:
        import roadrunner

        system, batch = problem.system, problem.batch
        self._states = [symbol.name for symbol in system.states]
        names = [symbol.name for symbol in system.parameters]
        span = float(batch.times[0][0]), float(batch.times[0][-1])
        text = sbml_document(
            system,
            dict(zip(names, batch.parameters[0].tolist(), strict=True)),
            dict(zip(self._states, batch.starts[0].tolist(), strict=True)),
            batch.schedules[0],
            span,
            problem.defaults,
        )
        self._runner: Any = roadrunner.RoadRunner(text)
        self._runner.integrator.setValue("maximum_num_steps", _MOST_STEPS)
        self._scales = np.array(system.scales)
        place = {name: i for i, name in enumerate(self._runner.model.getGlobalParameterIds())}
        self._events = [name for name in place if name.startswith("event_")]
        self._places = [place[name] for name in (*self._states, *names, *self._events)]

    def run(self, problem: Problem, rtol: float) -> FloatArray:
        """Solve one after the other."""
        self._runner.integrator.setValue("relative_tolerance", rtol)
        self._runner.integrator.setValue("absolute_tolerance", (rtol * self._scales).tolist())
        found, batch = [], problem.batch
        for row, start, schedule, times in zip(
            batch.parameters, batch.starts, batch.schedules, batch.times, strict=True
        ):
            segments = schedule.segments(float(times[0]), float(times[-1]), problem.defaults)
            given = self._given(segments)
            values = [*start.tolist(), *row.tolist(), *(given[name] for name in self._events)]
            self._runner.reset()
            self._runner.model.setGlobalParameterValues(self._places, values)
            path = self._runner.simulate(times=times.tolist(), selections=self._states)
            found.append(np.array(path))
        return np.array(found)

    @staticmethod
    def _given(segments: list[Segment]) -> dict[str, float]:
        """Times of the events, and the infusion rates that they set."""
        given = {}
        for number, segment in enumerate(segments[1:], start=1):
            given[f"event_{number}_time"] = segment.start
            for state in segment.rates.keys() | segments[number - 1].rates.keys():
                rate = segment.rates.get(state, 0.0)
                given[f"event_{number}_infusion_into_{state}"] = rate
        return given


class NumbaLsodaContender:
    """numbalsoda: LSODA in C++ on the generated equations, compiled by Numba; Jacobian by differences."""

    name = "numbalsoda"

    def __init__(self, problem: Problem) -> None:
        self._address = _compiled_rhs(problem)
        self._inputs = [symbol.name for symbol in problem.system.inputs]
        self._index = {symbol.name: i for i, symbol in enumerate(problem.system.states)}
        # It takes one number for all states.
        self._scale = float(np.median(problem.system.scales))

    def run(self, problem: Problem, rtol: float) -> FloatArray:
        """Solve one after the other, restarting at each event."""
        return np.array([self._one(problem, i, rtol) for i in range(len(problem))])

    def _one(self, problem: Problem, i: int, rtol: float) -> FloatArray:
        from numbalsoda import lsoda

        batch, times = problem.batch, problem.batch.times[i]
        y = batch.starts[i].copy()
        found = np.empty((len(times), len(y)))
        found[0] = y
        forcing = np.zeros(len(y))
        for segment in batch.schedules[i].segments(float(times[0]), float(times[-1]), problem.defaults):
            forcing[:] = 0.0
            for state, rate in segment.rates.items():
                forcing[self._index[state]] = rate
            inputs = [segment.inputs[name] for name in self._inputs]
            data = np.concatenate([batch.parameters[i], inputs, forcing])
            chosen = (times > segment.start) & (times <= segment.end)
            length = segment.end - segment.start
            grid = np.unique(np.concatenate([[0.0], times[chosen] - segment.start, [length]]))
            path, good = lsoda(self._address, y, grid, data, rtol, rtol * self._scale, _MOST_STEPS)
            if not good:
                raise RuntimeError(f"{self.name}: patient {i} failed at {segment.start:g} h")
            found[chosen] = path[np.searchsorted(grid, times[chosen] - segment.start)]
            y = path[-1]
        return found


def _compiled_rhs(problem: Problem) -> int:
    """Address of the right-hand side as numbalsoda calls it, from the generated Python text."""
    import math

    import numba
    from numbalsoda import lsoda_sig

    system = problem.system
    tree = ast.parse(GeneratedCode(system).source)
    function = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "rhs")
    *body, last = function.body
    if not (isinstance(last, ast.Return) and isinstance(last.value, ast.Tuple)):
        raise TypeError("the generated right-hand side does not end in a tuple any more")
    values = [symbol.name for symbol in (*system.parameters, *system.inputs)]
    lines = ["def rhs(t, y, dy, p):"]
    lines += [f"    {symbol.name} = y[{i}]" for i, symbol in enumerate(system.states)]
    lines += [f"    {name} = p[{i}]" for i, name in enumerate(values)]
    # The first statement unpacks the states.
    lines += [f"    {ast.unparse(statement)}" for statement in body[1:]]
    lines += [
        f"    dy[{i}] = {ast.unparse(value)} + p[{len(values) + i}]"
        for i, value in enumerate(last.value.elts)
    ]
    namespace: dict[str, Any] = {"exp": math.exp, "log": math.log}
    exec(compile("\n".join(lines), "<benchmark>", "exec"), namespace)  # noqa: S102 - our own equations
    compiled: Any = numba.cfunc(lsoda_sig, error_model="numpy")(namespace["rhs"])
    _ALIVE.append(compiled)
    address: int = compiled.address
    return address


#: Compiled functions, which must outlive their addresses.
_ALIVE: list[Any] = []


def missing_peers() -> dict[str, str]:
    """Peers that are not installed, with what to do about each."""
    return {name: how for name, (module, how) in _PEERS.items() if importlib.util.find_spec(module) is None}


def versions() -> dict[str, str]:
    """Versions of what takes part."""
    packages = ("ketasim", "numpy", "scipy", "numba", "llvmlite", "libroadrunner", "numbalsoda")
    missing = {_PEERS[name][0] for name in missing_peers()}
    missing |= {"libroadrunner"} if "roadrunner" in missing else set()
    return {name: version(name) for name in packages if name not in missing}


def contenders(problem: Problem) -> list[Contender]:
    """All solvers that are installed, ready for a problem."""
    made: list[Contender] = [
        KetasimContender("Ketasim", VectorEngine(problem.system, problem.forced)),
        KetasimContender("Ketasim, one patient at a time", VectorEngine(problem.system, problem.forced, 1)),
        ScipyContender(problem),
    ]
    peers: dict[str, Callable[[Problem], Contender]] = {
        "libRoadRunner": RoadRunnerContender,
        "numbalsoda": NumbaLsodaContender,
    }
    missing = missing_peers()
    return made + [make(problem) for name, make in peers.items() if name not in missing]
