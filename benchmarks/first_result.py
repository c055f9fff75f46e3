"""A process that solves some patients and ends: what a user waits for, and the memory it takes."""

from __future__ import annotations

import json
import resource
import sys

from benchmarks.cases import chain_problem, chain_simulator


def main(count: int) -> None:
    """Solve patients for 28 days, and print the severity of the last and the peak memory as JSON."""
    simulator = chain_simulator()
    problem = chain_problem(simulator, min(count, 64)).first(count)
    solved = simulator.engine().solve(problem.batch, problem.defaults, outputs=("severity",))
    # Kilobytes on Linux, bytes on macOS.
    unit = 1.0 if sys.platform == "darwin" else 1024.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    print(json.dumps({"severity": float(solved.values[-1][-1, 0]), "peak_mb": peak}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
