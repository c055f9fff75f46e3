"""How the engine scales: patients, threads, states, memory, time to a first result, derivatives."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.cases import Problem, chain_problem, chain_simulator, timing_problem, with_daily_stress
from ketasim.engine import DEFAULT_RTOL, Batch, VectorEngine, differentiate

__all__ = ["scaling"]

FloatArray = npt.NDArray[np.float64]

PATIENTS = (1, 10, 100, 1_000, 10_000)
THREADS = (1, 2)
REPEATS = 5
#: Beyond this many patients one run is long enough to be repeated less often.
MANY, FEW_REPEATS = 1_000, 3
#: Patients that differ; larger numbers repeat them.
DIFFERENT = 1_000
DERIVATIVES = 30
MOVE = 1e-4
#: Tolerance of the derivatives that the others are compared with.
EXACT_RTOL = 1e-10
_ROOT = Path(__file__).resolve().parent.parent


def scaling(quick: bool) -> dict[str, object]:
    """Measure everything.

    Parameters
    ----------
    quick : bool
        At most a thousand patients.

    Returns
    -------
    dict
        Plain numbers for a file: wall-clock times in seconds, memory in megabytes.
    """
    simulator = chain_simulator()
    chain = chain_problem(simulator, 100 if quick else DIFFERENT)
    sizes = [size for size in PATIENTS if size <= (MANY if quick else max(PATIENTS))]
    timing = timing_problem(100)
    return {
        # Absent on Windows.
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "patients_a_second": patients_a_second(chain, sizes),
        "states": {
            f"{problem.name}, {len(problem.system.states)} states": 1e3 * a_patient(problem)
            for problem in (timing, chain)
        },
        "first_result": first_result(),
        "peak_mb": {str(count): in_new_process(count, {})["peak_mb"] for count in (1, max(sizes))},
        "one_patient_ms": one_patient(chain),
        "derivatives": derivatives(chain),
    }


def _median(run: Callable[[], object], repeats: int, clock: Callable[[], float]) -> float:
    run()
    taken = []
    for _ in range(repeats):
        start = clock()
        run()
        taken.append(clock() - start)
    return statistics.median(taken)


def _engine(problem: Problem) -> VectorEngine:
    return VectorEngine(problem.system, problem.forced)


def patients_a_second(problem: Problem, sizes: list[int]) -> dict[str, dict[str, float]]:
    """By threads and patients; wall-clock time, 60 values of one state each being kept."""
    engine, found = _engine(problem), {}
    for threads in THREADS:
        row = {}
        for size in sizes:
            cases = problem.first(size)
            repeats = FEW_REPEATS if size >= MANY else REPEATS

            def run(cases: Problem = cases, threads: int = threads) -> object:
                return engine.solve(cases.batch, cases.defaults, outputs=_SOME, workers=threads)

            row[str(size)] = size / _median(run, repeats, time.perf_counter)
        found[str(threads)] = row
    return found


_SOME = ("severity",)


def a_patient(problem: Problem) -> float:
    """Processor time of a patient among a hundred, in seconds; all states kept."""
    engine, cases = _engine(problem), problem.first(96)
    return _median(lambda: engine.solve(cases.batch, cases.defaults), REPEATS, time.process_time) / 96


def one_patient(problem: Problem) -> dict[str, float]:
    """Milliseconds for one patient alone, with and without a new life stress every day."""
    engine = _engine(problem)
    found = {}
    for name, one in (
        ("eight infusions", problem),
        ("the same and daily stress", with_daily_stress(problem)),
    ):
        case = one.first(1)

        def run(case: Problem = case) -> object:
            return engine.solve(case.batch, case.defaults, outputs=_SOME)

        found[name] = 1e3 * _median(run, 3 * REPEATS, time.perf_counter)
    return found


def in_new_process(count: int, environment: dict[str, str]) -> dict[str, float]:
    """Solve patients in a process of its own; adds how long it lived."""
    paths = os.pathsep.join([str(_ROOT / "src"), str(_ROOT)])
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_result", str(count)],
        env={**os.environ, "PYTHONPATH": paths, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    said: dict[str, float] = json.loads(done.stdout)
    return said | {"seconds": time.perf_counter() - start}


def first_result() -> dict[str, float]:
    """Seconds from the start of Python to one patient's course, without and with compiled kernels."""
    with tempfile.TemporaryDirectory() as folder:
        places = {
            "KETASIM_CACHE_DIR": str(Path(folder, "kernels")),
            "NUMBA_CACHE_DIR": str(Path(folder, "numba")),
        }
        cold = in_new_process(1, places)["seconds"]
        warm = statistics.median(in_new_process(1, places)["seconds"] for _ in range(3))
    return {"cold": cold, "warm": warm}


def derivatives(problem: Problem) -> dict[str, float]:
    """Derivatives of severity by 30 parameters: replayed steps against differences of plain runs."""
    engine, one = _engine(problem), problem.first(1)
    row = one.batch.parameters[0]
    usable = np.flatnonzero(row > 0.0)
    chosen = usable[np.linspace(0, len(usable) - 1, DERIVATIVES).astype(int)]
    rows = np.repeat(row[None], 2 * DERIVATIVES, axis=0)
    for i, place in enumerate(chosen):
        rows[2 * i, place] *= 1.0 + MOVE
        rows[2 * i + 1, place] *= 1.0 - MOVE
    count = len(rows)
    moved = Batch(
        rows,
        np.repeat(one.batch.starts, count, axis=0),
        list(one.batch.schedules) * count,
        list(one.batch.times) * count,
    )
    distances = [2.0 * MOVE * float(row[place]) for place in chosen]

    def alone() -> object:
        return engine.solve(one.batch, one.defaults, outputs=_SOME)

    def replayed(rtol: float = DEFAULT_RTOL) -> FloatArray:
        found = differentiate(engine, one.batch, moved, distances, one.defaults, rtol, _SOME)
        elasticities: FloatArray = found.derivatives[..., 0] * row[chosen][:, None]
        return elasticities

    def plain(rtol: float = DEFAULT_RTOL) -> FloatArray:
        values = np.array(engine.solve(moved, one.defaults, rtol, _SOME).values)[..., 0]
        elasticities: FloatArray = (values[::2] - values[1::2]) / (2.0 * MOVE)
        return elasticities

    truth = replayed(EXACT_RTOL)
    exact = np.abs(truth).max(axis=1)
    # What moves severity by a billionth of the largest effect, or not at all, has no relative error.
    matters = exact > 1e-9 * exact.max()

    def errors(found: FloatArray) -> FloatArray:
        relative: FloatArray = np.abs(found - truth).max(axis=1)[matters] / exact[matters]
        return relative

    replays, plains = errors(replayed()), errors(plain())
    return {
        "replayed_ms": 1e3 * _median(replayed, REPEATS, time.process_time),
        "plain_ms": 1e3 * _median(plain, REPEATS, time.process_time),
        "one_run_ms": 1e3 * _median(alone, REPEATS, time.process_time),
        "parameters": int(matters.sum()),
        "replayed_error": float(np.median(replays)),
        "replayed_worst": float(replays.max()),
        "plain_error": float(np.median(plains)),
        "plain_worst": float(plains.max()),
    }
