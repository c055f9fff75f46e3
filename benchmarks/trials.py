"""Measure whole trials, and write ``TRIALS.md`` and ``trials.json`` beside this file.

Three things: one large trial over 28 days with its endpoints, and many replicates of a trial of
60 patients analysed by analysis of covariance and by a mixed model for repeated measures. Each
runs in a process of its own, whose tree is watched for the memory that it takes. What is
measured is not extrapolated.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.report import machine

__all__ = ["main"]

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent
#: One infusion, five visits in four weeks, drop-out.
_MONTH = str(_HERE / "month.yaml")
#: How often the memory of the process tree is read, in s.
_INTERVAL_S = 0.25
#: Versions of solvers have nothing to do with these numbers.
_ABOUT = ("date", "processor", "system", "python")
_TITLES = {
    "large": "One large trial over 28 days, with endpoints",
    "ancova": "Replicates of a trial of 60 patients, each analysed by ANCOVA",
    "mmrm": "Replicates of a trial of 60 patients, each analysed by MMRM",
}


def main() -> None:
    """Run the benchmarks."""
    options = _parser().parse_args()
    if options.child is not None:
        print(json.dumps(_CHILDREN[options.child](options)))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    store = options.out / "trials.json"
    results: dict[str, Any] = json.loads(store.read_text(encoding="utf-8")) if store.exists() else {}
    for part in options.only or tuple(_TITLES):
        results[part] = _measured(part, options)
        store.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        (options.out / "TRIALS.md").write_text("\n".join(_text(results)) + "\n", encoding="utf-8")
        print("\n".join(_lines(part, results[part])))
    print(f"All results: {options.out / 'TRIALS.md'}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trials", description=__doc__)
    parser.add_argument(
        "--patients", type=int, default=21_000,
        help="of the large trial (%(default)s); above 20,000 only scores are kept and there is no report",
    )  # fmt: skip
    parser.add_argument("--replicates", type=int, default=10_000, help="with ANCOVA (%(default)s)")
    parser.add_argument("--mmrm-replicates", type=int, default=500, help="with MMRM (%(default)s)")
    parser.add_argument("--study", default=_MONTH, help="of the large trial (%(default)s)")
    parser.add_argument("--small-study", default=_MONTH, help="of the replicates (%(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (%(default)s)")
    parser.add_argument("--only", choices=tuple(_TITLES), action="append", help="this part alone; repeatable")
    parser.add_argument("--out", type=Path, default=_HERE, help="folder for the results")
    parser.add_argument("--child", choices=tuple(_TITLES), help=argparse.SUPPRESS)
    return parser


@dataclass
class _Clock:
    """Notes when each phase of a run was last heard of, in s since the start."""

    start: float = field(default_factory=time.perf_counter)
    ends: dict[str, float] = field(default_factory=dict)

    def __call__(self, phase: str, _done: int, _total: int) -> None:
        """Take a report of progress."""
        self.ends[phase] = time.perf_counter() - self.start

    def now(self) -> float:
        """Time since the start."""
        return time.perf_counter() - self.start


def _large(options: argparse.Namespace) -> dict[str, Any]:
    """Simulate one large trial into a folder, endpoints included."""
    clock = _Clock()
    from ketasim.api import simulate_study
    from ketasim.design.sizes import split_sizes
    from ketasim.trials import Study

    study = Study.load(options.study)
    (sizes,) = split_sizes(study, (options.patients,), "--patients")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        found = simulate_study(
            study, subjects=sizes, days=28.0, seed=1, workers=options.workers, out=out, progress=clock
        )
        seconds = clock.now()
        disk = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
        return {
            "study": study.id,
            "patients": len(found.patients),
            "not_simulated": len(found.failed),
            "kept": found.plan.keep,
            "endpoint_rows": len(found.endpoints),
            "seconds": seconds,
            "seconds_simulation": clock.ends["simulating patients"],
            "disk_mb": disk / 1e6,
        }


def _replicates(options: argparse.Namespace, method: str, replicates: int) -> dict[str, Any]:
    """Simulate and analyse many trials of 60 patients."""
    clock = _Clock()
    from ketasim.api.power import study_power
    from ketasim.trials import Study

    study = Study.load(options.small_study)
    first = study.analyses[0]
    found = study_power(
        study,
        (60,),
        replicates=replicates,
        set={f"analyses.{first.id}.method": method},
        seed=1,
        workers=options.workers,
        progress=clock,
    )
    row = found.table.iloc[0]
    return {
        "study": study.id,
        "method": method,
        "visits": len(study.visit_times_h),
        "replicates": int(row["replicates"]),
        "not_estimated": int(row["not_estimated"]),
        "power": float(row["power"]),
        "patients": 60 * int(row["replicates"]),
        "seconds": clock.now(),
    }


_CHILDREN: Mapping[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "large": _large,
    "ancova": lambda options: _replicates(options, "ancova", options.replicates),
    "mmrm": lambda options: _replicates(options, "mmrm", options.mmrm_replicates),
}


def _measured(part: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run a part in a process of its own, and watch its memory."""
    print(f"{_TITLES[part]} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.trials", "--child", part]
    for name in ("patients", "replicates", "mmrm_replicates", "study", "small_study", "workers"):
        command += [f"--{name.replace('_', '-')}", str(getattr(options, name))]
    start = time.perf_counter()
    with subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True) as child:
        memory = _Memory(child.pid)
        memory.start()
        answer, _ = child.communicate()
        memory.done.set()
        memory.join()
    if child.returncode:
        raise SystemExit(f"{part}: the run failed with code {child.returncode}; its message stands above.")
    found: dict[str, Any] = json.loads(answer)
    about = {name: value for name, value in machine().items() if name in _ABOUT}
    return {
        **found,
        "seconds_wall": time.perf_counter() - start,
        "workers": options.workers,
        "peak_rss_mb": memory.peak_rss / 1e6,
        "peak_pss_mb": memory.peak_pss / 1e6,
        "about": about,
    }


class _Memory(threading.Thread):
    """Reads the memory of a process and of all that come from it, until it is told to stop."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid = pid
        self.done = threading.Event()
        self.peak_rss = self.peak_pss = math.nan

    def run(self) -> None:
        """Keep the largest sums."""
        while not self.done.wait(_INTERVAL_S):
            found = [_memory_of(pid) for pid in _tree(self.pid)]
            if found:
                self.peak_rss = _largest(self.peak_rss, sum(rss for rss, _ in found))
                self.peak_pss = _largest(self.peak_pss, sum(pss for _, pss in found))


def _largest(one: float, other: float) -> float:
    return other if math.isnan(one) or other > one else one


def _tree(root: int) -> list[int]:
    """A process and its descendants; empty where the system does not tell."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The name of a program stands in brackets and may hold spaces.
            parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        if (Path("/proc") / str(pid)).exists():
            found.append(pid)
            waiting += children.get(pid, [])
    return found


def _memory_of(pid: int) -> tuple[float, float]:
    """Resident bytes of a process, and the same with each shared page split among those that share it."""
    try:
        lines = (Path("/proc") / str(pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0.0, 0.0
    sizes = {line.split()[0]: 1024.0 * float(line.split()[1]) for line in lines if line.endswith(" kB")}
    return sizes.get("Rss:", 0.0), sizes.get("Pss:", 0.0)


def _text(results: Mapping[str, Any]) -> list[str]:
    """The page of all results so far."""
    lines = [
        "# Whole trials",
        "",
        "Written by `python -m benchmarks.trials`. Wall-clock times of a fresh process, from the first "
        "import to the",
        "last result; other work on the machine makes them longer. Memory is the largest sum over the "
        "process and",
        "its workers, read four times a second: as the system counts it (pages that processes share count "
        "in each),",
        "and with shared pages split among them. Nothing is extrapolated.",
        "",
    ]
    for part in _TITLES:
        if part in results:
            lines += [f"## {_TITLES[part]}", "", *_lines(part, results[part]), ""]
    return lines[:-1]


def _lines(part: str, found: Mapping[str, Any]) -> list[str]:
    """What was measured, as a table."""
    seconds, patients = found["seconds"], found["patients"]
    rows = [("study", found["study"]), ("processes", f"{found['workers']}")]
    if part == "large":
        kept = "rated scales and severity" if found["kept"] == "scores" else "everything, with report"
        rows += [
            ("patients", f"{patients:,}"),
            ("not simulated", f"{found['not_simulated']:,}"),
            ("kept of each", kept),
            ("last patient simulated after", f"{found['seconds_simulation']:.1f} s"),
            ("patients a second until then", f"{patients / found['seconds_simulation']:.3g}"),
            ("all written, endpoints included, after", f"{seconds:.1f} s"),
            ("on disk", f"{found['disk_mb']:.1f} MB"),
        ]
    else:
        rows += [
            ("visits after entry", f"{found['visits']}"),
            ("replicates", f"{found['replicates']:,}"),
            ("not analysed", f"{found['not_estimated']:,}"),
            ("simulated and analysed", f"{seconds:.1f} s"),
            ("replicates a second", f"{found['replicates'] / seconds:.3g}"),
            ("power", f"{100.0 * found['power']:.1f} %"),
        ]
    rows += [
        ("patients a second, all included", f"{patients / seconds:.3g}"),
        ("peak memory of the process tree", f"{found['peak_rss_mb']:.0f} MB"),
        ("the same, shared pages split", f"{found['peak_pss_mb']:.0f} MB"),
        ("machine", "; ".join(found["about"].values())),
    ]
    return ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]


if __name__ == "__main__":
    main()
