"""A process that solves some patients and ends: what a user waits for, and the memory it takes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.cases import chain_problem, chain_simulator


def main(count: int) -> None:
    """Solve patients for 28 days, and print the severity of the last and the peak memory as JSON."""
    simulator = chain_simulator()
    problem = chain_problem(simulator, min(count, 64)).first(count)
    solved = simulator.engine().solve(problem.batch, problem.defaults, outputs=("severity",))
    print(json.dumps({"severity": float(solved.values[-1][-1, 0]), "peak_mb": peak_mb()}))


def peak_mb() -> float:
    """Peak resident memory of this process in megabytes; NaN where the system does not tell.

    ``getrusage`` would not do: on Linux a new process starts with the peak of its parent.
    """
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="utf-8").splitlines() if status.exists() else []
    return next(
        (float(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM")), float("nan")
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
