"""Measure, and write ``RESULTS.md``, ``NEURAL.md``, their numbers as JSON and the figure beside this file."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from benchmarks import figure, report
from benchmarks.brain import brain, brain_lines
from benchmarks.cases import Problem, chain_problem, chain_simulator, timing_problem
from benchmarks.circuit import circuit, circuit_lines
from benchmarks.dosing import dosing
from benchmarks.measure import PATIENTS, as_json, measure
from benchmarks.peer import PEERS_PYTHON
from benchmarks.scaling import scaling

ROUNDS, QUICK_ROUNDS = 7, 2
PARTS = ("engine", "neural")


def main() -> None:
    """Run the benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two rounds and fewer patients")
    parser.add_argument("--rounds", type=int, help=f"rounds of all solvers (default {ROUNDS})")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the results")
    parser.add_argument("--part", choices=PARTS, help="only the engine, or only the neural levels")
    parser.add_argument(
        "--peers", type=Path, default=PEERS_PYTHON, help="Python that has Brian2 and neurolib (%(default)s)"
    )
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.part != "neural":
        engine(options)
    if options.part != "engine":
        neural(options)


def neural(options: argparse.Namespace) -> None:
    """Measure the spiking circuit and the whole brain into files of their own."""
    about = report.machine()
    measured = {
        "circuit": circuit(options.quick, options.peers),
        "brain": brain(options.quick, options.peers),
    }
    text = json.dumps({"about": about, **measured}, indent=1) + "\n"
    (options.out / "neural.json").write_text(text, encoding="utf-8")
    lines = ["# Benchmark results of the neural levels", ""]
    lines += ["Written by `make bench`. What is measured and how: `README.md`.", ""]
    lines += ["; ".join(f"{name} {value}" for name, value in about.items()) + ".", ""]
    lines += [*circuit_lines(measured["circuit"]), *brain_lines(measured["brain"])]
    (options.out / "NEURAL.md").write_text("\n".join(lines), encoding="utf-8")
    print(f"Results of the neural levels: {options.out / 'NEURAL.md'}")


def engine(options: argparse.Namespace) -> None:
    """Measure the engine beside other solvers."""
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    problems: tuple[Callable[[], Problem], ...] = (
        lambda: chain_problem(chain_simulator(), PATIENTS),
        lambda: timing_problem(PATIENTS),
    )
    measured = [measure(make(), rounds) for make in problems]
    about = report.machine()
    figure.draw(measured[0], options.out / "work_precision.svg")
    scaled = scaling(options.quick)
    dosed = dosing(options.quick)
    results = {
        "about": about,
        "rounds": rounds,
        "bars": {bar.what: {"least": bar.least, "rounds": bar.reached(measured[0])} for bar in report.BARS},
        "work_precision": [as_json(item) for item in measured],
        "scaling": scaled,
        "dosing": dosed,
    }
    (options.out / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = report.text(measured, scaled, dosed, about, rounds)
    (options.out / "RESULTS.md").write_text(text, encoding="utf-8")
    print("\n".join([*report.bars(measured[0]), *report.individual(dosed)]))
    print(f"All results: {options.out / 'RESULTS.md'}")


if __name__ == "__main__":
    main()
