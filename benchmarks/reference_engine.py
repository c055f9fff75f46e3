"""Times the reference engine beside other solvers on the same equations, in one run.

Every solver gets the same generated right-hand side, the same events, output times and
local tolerances. They take turns, so that a busy machine slows all of them alike. Run it
with ``python benchmarks/reference_engine.py``; it prints the table of ``README.md``.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy
from scipy.integrate import odeint, solve_ivp

from ketasim.dosing import parse_regimen
from ketasim.engine.reference import DEFAULT_RTOL, LOCAL_SAFETY, ReferenceEngine
from ketasim.engine.schedule import Segment
from ketasim.model.chain import build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Patient, Simulator
from ketasim.model.times import output_times

FloatArray = npt.NDArray[np.float64]

REGIMENS = {
    "one infusion": "0.5 mg/kg ketamine iv over 40 min",
    "eight infusions": "0.5 mg/kg ketamine iv over 40 min, twice weekly x 4 weeks",
}
DAYS = 28.0
SEVERITY = 33.0
#: The engine asks each step for LOCAL_SAFETY times what is asked of the result; this makes it 1e-12 a step.
EXACT_RTOL = 1e-12 / LOCAL_SAFETY
NOTHING = 1e-9


@dataclass(frozen=True)
class Peer(ReferenceEngine):
    """The reference engine with one thing exchanged: solver, Jacobian or functions.

    Parameters
    ----------
    method : str
        ``odeint``, or a method of :func:`scipy.integrate.solve_ivp`.
    analytic : bool
        Whether the solver gets the generated Jacobian, or makes its own by differences.
    numpy_functions : bool
        Whether the equations call NumPy's ``exp`` and ``log`` on single numbers, or ``math``'s.
    """

    method: str = "odeint"
    analytic: bool = True
    numpy_functions: bool = False

    def functions(self, parameters: Mapping[str, float], inputs: Mapping[str, float]) -> tuple[Any, Any, Any]:
        """Right-hand side, Jacobian entries and read-outs for one patient."""
        factory = self.code.vector if self.numpy_functions else self.code.scalar
        return self._made(factory, parameters, inputs)

    def _segment(
        self,
        parameters: Mapping[str, float],
        segment: Segment,
        y: FloatArray,
        grid: FloatArray,
        rtol: float,
    ) -> tuple[FloatArray, int, int]:
        rhs, entries, _ = self.functions(parameters, segment.inputs)
        names = [symbol.name for symbol in self.system.states]
        forcing: FloatArray = np.array([segment.rates.get(name, 0.0) for name in names])
        n = len(names)
        rows, columns = self.code.jacobian_places
        places = rows * n + columns

        def f(t: float, state: FloatArray) -> FloatArray:
            return np.array(rhs(state.tolist(), t), dtype=np.float64) + forcing

        def jacobian(t: float, state: FloatArray) -> FloatArray:
            matrix = np.zeros(n * n)
            matrix[places] = entries(state.tolist(), t)
            return matrix.reshape(n, n)

        given = jacobian if self.analytic else None
        tolerances: dict[str, Any] = {
            "rtol": rtol * LOCAL_SAFETY,
            "atol": rtol * LOCAL_SAFETY * np.array(self.system.scales),
        }
        if self.method == "odeint":
            options: Any = {"Dfun": given, "tfirst": True, "mxstep": 100_000, "full_output": True}
            path, info = odeint(f, y, grid, **options, **tolerances)
            return path.T, int(info["nst"][-1]), int(info["nfe"][-1])
        options = {"method": self.method, "t_eval": grid, "jac": given}
        found: Any = solve_ivp(f, (0.0, float(grid[-1])), y, **options, **tolerances)
        if not found.success:
            raise RuntimeError(found.message)
        return np.asarray(found.y, dtype=np.float64), 0, int(found.nfev)


PEERS: dict[str, dict[str, Any] | None] = {
    "Ketasim reference engine": None,
    "the same, Jacobian by differences": {"analytic": False},
    "the same, NumPy functions": {"numpy_functions": True},
    "solve_ivp LSODA": {"method": "LSODA"},
    "solve_ivp LSODA, Jacobian by differences": {"method": "LSODA", "analytic": False},
    "solve_ivp BDF": {"method": "BDF"},
    "solve_ivp BDF, Jacobian by differences": {"method": "BDF", "analytic": False},
    "solve_ivp Radau": {"method": "Radau"},
    "solve_ivp Radau, Jacobian by differences": {"method": "Radau", "analytic": False},
}


def simulators(rtol: float) -> dict[str, Simulator]:
    """One simulator a peer, all on one chain."""
    chain = build_chain()
    found = {}
    for name, options in PEERS.items():
        engine = ReferenceEngine(chain.system) if options is None else Peer(chain.system, **options)
        found[name] = Simulator(chain, rtol)
        found[name]._engines[()] = engine
    return found


def runner(simulator: Simulator, patient: Patient, text: str) -> Callable[[], dict[str, FloatArray]]:
    """A function that simulates the patient."""
    regimen = parse_regimen(text)
    times = output_times(regimen, 24.0 * DAYS, fine=False)
    return lambda: simulator.run(patient, regimen, times).quantities


def error(found: Mapping[str, FloatArray], exact: Mapping[str, FloatArray]) -> float:
    """Largest error of any quantity at any time, relative to the largest value of that quantity.

    What is never above ``NOTHING`` is rounding around zero, such as the effect of a drug not given.
    """
    sizes = {name: float(np.abs(values).max()) for name, values in exact.items()}
    return max(
        float(np.abs(found[name] - values).max()) / sizes[name]
        for name, values in exact.items()
        if sizes[name] > NOTHING
    )


def measure(repeats: int) -> None:
    """Print medians of processor time, ratios and errors as a table."""
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy {scipy.__version__}")
    every = simulators(DEFAULT_RTOL)
    first = next(iter(every.values()))
    patient = first.depressed(load_parameters(), SEVERITY)
    exact_simulator = Simulator(first.chain, EXACT_RTOL)
    for title, text in REGIMENS.items():
        exact = runner(exact_simulator, patient, text)()
        runs = {name: runner(simulator, patient, text) for name, simulator in every.items()}
        # The first run of each also compiles its functions, and is not timed.
        errors = {name: error(run(), exact) for name, run in runs.items()}
        seconds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(repeats):
            for name, run in runs.items():
                start = time.process_time()
                run()
                seconds[name].append(time.process_time() - start)
        medians = {name: statistics.median(values) for name, values in seconds.items()}
        own = medians[next(iter(medians))]
        print(f"\n{title}, {DAYS:g} d\n\n| solver | ms | ratio | largest error |\n|---|---:|---:|---:|")
        for name, value in medians.items():
            print(f"| {name} | {1e3 * value:.0f} | {value / own:.1f} | {errors[name]:.0e} |")


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--repeats", type=int, default=5, help="timed runs of each solver")
    measure(arguments.parse_args().repeats)
