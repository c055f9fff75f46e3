"""Time and error of every contender at every tolerance, in rounds in which all take turns.

A busy machine slows all of them alike, so that ratios within a round hold. Time is processor
time of one thread. The error of a patient is the largest over states and times of
``|y - reference| / max(largest |y|, typical size)``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Problem
from benchmarks.contenders import Contender, contenders
from ketasim.engine import DEFAULT_RTOL, ReferenceEngine, VectorEngine

__all__ = ["RTOLS", "Curve", "Measured", "at_error", "measure", "ratios"]

FloatArray = npt.NDArray[np.float64]

#: From loose to tight, with the default of the package among them.
RTOLS = tuple(sorted({1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, DEFAULT_RTOL}, reverse=True))
EXACT_RTOL = 1e-11

#: The same eight patients for everybody; who is fast solves them several times over, and who is
#: slow only the first few.
PATIENTS = 8
COPIES = {"Ketasim": 16, "Ketasim, one patient at a time": 2}
FEWER = {"SciPy LSODA": 2}


@dataclass(frozen=True)
class Curve:
    """What one contender needs for what it reaches.

    Parameters
    ----------
    seconds : dict of float to list of float
        For each tolerance the processor time of a patient in each round.
    errors : dict of float to list of float
        For each tolerance the error of each patient.
    failed : dict of float to str
        Tolerances at which it fails, with what it says.
    """

    seconds: dict[float, list[float]] = field(default_factory=dict)
    errors: dict[float, list[float]] = field(default_factory=dict)
    failed: dict[float, str] = field(default_factory=dict)

    def median_seconds(self, rtol: float) -> float:
        """Typical time of a patient."""
        return statistics.median(self.seconds[rtol])

    def error(self, rtol: float) -> float:
        """Error of the median patient."""
        return statistics.median(self.errors[rtol])


@dataclass(frozen=True)
class Measured:
    """Curves of all contenders on one problem.

    Parameters
    ----------
    problem : str
        Its name.
    states : int
        Number of states.
    curves : dict of str to Curve
        By contender.
    reference_gap : float
        Difference of the reference from SciPy's LSODA at its tightest, for one patient.
    """

    problem: str
    states: int
    curves: dict[str, Curve]
    reference_gap: float


def measure(problem: Problem, rounds: int) -> Measured:
    """Measure all contenders on one problem.

    Parameters
    ----------
    problem : Problem
        At least :data:`PATIENTS` patients.
    rounds : int
        How often each is timed.

    Returns
    -------
    Measured
    """
    eight = problem.first(PATIENTS)
    exact = _exact(eight)
    every = contenders(problem)
    curves = {contender.name: Curve() for contender in every}
    for contender in every:
        _find_errors(contender, eight, exact, curves[contender.name])
    counts = {name: FEWER.get(name, PATIENTS * COPIES.get(name, 1)) for name in curves}
    timed = {name: eight.first(count) for name, count in counts.items()}
    for number in range(rounds):
        print(f"{problem.name}: round {number + 1} of {rounds}", file=sys.stderr)
        for rtol in RTOLS:
            for contender in every:
                own = curves[contender.name]
                if rtol in own.failed:
                    continue
                cases = timed[contender.name]
                start = time.process_time()
                contender.run(cases, rtol)
                taken = (time.process_time() - start) / len(cases)
                own.seconds.setdefault(rtol, []).append(taken)
    return Measured(problem.name, len(problem.system.states), curves, _reference_gap(eight, exact))


def _exact(problem: Problem) -> FloatArray:
    engine = VectorEngine(problem.system, problem.forced)
    return np.array(engine.solve(problem.batch, problem.defaults, EXACT_RTOL).values)


def errors_of(problem: Problem, found: FloatArray, exact: FloatArray) -> FloatArray:
    """Error of each patient."""
    size = np.maximum(np.abs(exact).max(axis=1), np.array(problem.system.scales))
    largest: FloatArray = (np.abs(found - exact) / size[:, None]).max(axis=(1, 2))
    return largest


def _find_errors(contender: Contender, problem: Problem, exact: FloatArray, curve: Curve) -> None:
    for rtol in RTOLS:
        try:
            found = contender.run(problem, rtol)
        except Exception as error:  # each solver fails in its own way, and the table says that it does
            curve.failed[rtol] = str(error)
            continue
        curve.errors[rtol] = errors_of(problem, found, exact).tolist()


def _reference_gap(problem: Problem, exact: FloatArray) -> float:
    one = problem.first(1)
    names = [symbol.name for symbol in one.system.parameters]
    values = dict(zip(names, one.batch.parameters[0].tolist(), strict=True))
    solved = ReferenceEngine(one.system).solve(
        values, one.batch.starts[0], one.batch.schedules[0], one.batch.times[0], one.defaults, 1e-9
    )
    return float(errors_of(one, solved.states.T[None], exact[:1])[0])


def ratios(measured: Measured, peer: str, own: str, rtol: float) -> list[float]:
    """How many times as long a peer needs, round by round, at one tolerance; none if it fails."""
    theirs, ours = measured.curves[peer].seconds, measured.curves[own].seconds
    if rtol not in theirs or rtol not in ours:
        return []
    return [a / b for a, b in zip(theirs[rtol], ours[rtol], strict=True)]


def at_error(curve: Curve, error: float, number: int) -> float | None:
    """Time in one round for an error, between the tolerances around it; none outside of them."""
    points = sorted((curve.error(rtol), curve.seconds[rtol][number]) for rtol in curve.seconds)
    places = np.log([point[0] for point in points])
    wanted = float(np.log(error))
    if not points or not places[0] <= wanted <= places[-1]:
        return None
    return float(np.exp(np.interp(wanted, places, np.log([point[1] for point in points]))))


def error_ratios(measured: Measured, peer: str, own: str, error: float) -> list[float]:
    """How many times as long a peer needs, round by round, for one error; none outside its range."""
    theirs, ours = measured.curves[peer], measured.curves[own]
    rounds = max((len(values) for values in ours.seconds.values()), default=0)
    pairs = [(at_error(theirs, error, i), at_error(ours, error, i)) for i in range(rounds)]
    return [a / b for a, b in pairs if a is not None and b is not None]


def as_json(measured: Measured) -> Mapping[str, object]:
    """Everything measured, for a file."""
    return {
        "problem": measured.problem,
        "states": measured.states,
        "reference_gap": measured.reference_gap,
        "curves": {
            name: {
                f"{rtol:g}": {
                    "ms": _rounded([1e3 * value for value in curve.seconds[rtol]]),
                    "errors": _rounded(curve.errors[rtol]),
                }
                if rtol in curve.seconds
                else {"failed": curve.failed[rtol]}
                for rtol in RTOLS
            }
            for name, curve in measured.curves.items()
        },
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.4g}") for value in values]
