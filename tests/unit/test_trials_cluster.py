"""The chunks of a trial on a Dask cluster: same result, and what is said when the cluster fails."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from ketasim.api import simulate_study
from ketasim.errors import StudyError
from ketasim.trials import Study
from ketasim.trials.runs import cluster
from ketasim.trials.runs.workers import Chunk

pytest.importorskip("distributed", reason="the cluster needs Dask: pip install 'ketasim[cluster]'")

ASKED: dict[str, Any] = {"subjects": 20, "days": "1d", "seed": 3}
ORDER = ["replicate", "subject", "quantity", "statistic", "time_h"]


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers, each a process of its own on this computer."""

    address: str
    workers: tuple[subprocess.Popen[bytes], ...]


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes that end with the test."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def dask(where: Path, started: list[subprocess.Popen[bytes]], *arguments: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1", "--no-dashboard"],
        cwd=where,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started.append(process)
    return process


def scheduler(where: Path, started: list[subprocess.Popen[bytes]]) -> str:
    file = where / "scheduler.json"
    dask(where, started, "scheduler", "--port", "0", "--scheduler-file", str(file))
    deadline = time.monotonic() + 180.0
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return str(json.loads(file.read_text(encoding="utf-8"))["address"])


@pytest.fixture
def two(tmp_path: Path, started: list[subprocess.Popen[bytes]], monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """A cluster of two workers, which a busy machine may take a while to start."""
    monkeypatch.setattr(cluster, "_PATIENCE_S", 120)
    address = scheduler(tmp_path, started)
    # Without a nanny nobody starts a killed worker again: the other one must do all that is left.
    make = ("worker", address, "--nthreads", "1", "--no-nanny")
    return Cluster(address, (dask(tmp_path, started, *make), dask(tmp_path, started, *make)))


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.load("murrough2013")


def test_one_worker_is_killed_half_way_and_the_result_is_the_same_and_then_the_other(
    two: Cluster, study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = simulate_study(study, workers=1, chunk=7, **ASKED)

    def kill_one(phase: str, done: int, total: int) -> None:
        if phase == "simulating patients" and done == 2:
            assert total == 10
            two.workers[0].kill()
            two.workers[0].wait()

    there = simulate_study(study, chunk=4, scheduler=two.address, progress=kill_one, **ASKED)
    assert two.workers[0].returncode not in (None, 0)
    assert two.workers[1].poll() is None
    pd.testing.assert_frame_equal(
        there.outcomes.sort_values(ORDER, ignore_index=True),
        here.outcomes.sort_values(ORDER, ignore_index=True),
        check_exact=True,
    )
    pd.testing.assert_frame_equal(there.patients, here.patients, check_exact=True)
    pd.testing.assert_frame_equal(there.events, here.events, check_exact=True)
    pd.testing.assert_frame_equal(there.endpoints, here.endpoints, check_exact=True)

    # Now the other one too: nobody is left, and a run must not wait for ever.
    monkeypatch.setattr(cluster, "_LOOK_S", 0.2)
    monkeypatch.setattr(cluster, "_ALONE_S", 1.0)
    out = tmp_path / "run"

    def kill_other(phase: str, _done: int, _total: int) -> None:
        if phase == "simulating patients":
            two.workers[1].kill()

    with pytest.raises(StudyError, match=r"the cluster does not go on \(.*--resume and without --scheduler"):
        simulate_study(study, chunk=4, scheduler=two.address, out=out, progress=kill_other, **ASKED)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "interrupted"
    assert manifest["parts_finished"] == len(list((out / "outcomes").glob("part-*"))) >= 1


def test_a_worker_of_another_version_refuses_to_work() -> None:
    wanted = cluster.versions() | {"numpy": "1.0"}
    # It looks before it unpickles the trial: this is none.
    with pytest.raises(StudyError, match=r"a worker of the cluster has numpy .*, and this computer 1\.0"):
        cluster._work(b"", wanted, Chunk(0, 0, 1))


@pytest.mark.parametrize("lacking", ["scheduler", "worker"])
def test_a_cluster_without_ketasim_is_told(lacking: str) -> None:
    class Client:
        """Answers as the client of a cluster does of which a part has no Ketasim."""

        def run_on_scheduler(self, function: Callable[[str], str], name: str) -> str:
            return function("no-such-package" if lacking == "scheduler" else name)

        def run(self, function: Callable[[str], str], name: str) -> dict[str, str]:
            return {"tcp://worker": function("no-such-package" if lacking == "worker" else name)}

    with pytest.raises(StudyError, match=f"the environment of a {lacking} of this cluster has no Ketasim"):
        cluster._require_ketasim(Client(), "tcp://host:8786")


def test_a_cluster_without_workers_is_told(
    tmp_path: Path, started: list[subprocess.Popen[bytes]], study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 1)
    address = scheduler(tmp_path, started)
    with pytest.raises(StudyError, match=r"the scheduler answers, but has had no worker .*dask worker"):
        simulate_study(study, chunk=20, scheduler=address, **ASKED)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense://host:1", "127.0.0.1:port"])
def test_an_address_where_nobody_answers_is_told(
    study: Study, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    with pytest.raises(StudyError, match=rf"--scheduler {address}: no Dask scheduler answers there"):
        simulate_study(study, chunk=20, scheduler=address, **ASKED)


def test_an_empty_address_starts_no_cluster(study: Study) -> None:
    with pytest.raises(StudyError, match="--scheduler ' ': this is no address"):
        simulate_study(study, scheduler=" ", **ASKED)


def test_without_dask_the_extra_is_named(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(
        StudyError, match=r'needs Dask, which is not installed.*pip install "ketasim\[cluster\]"'
    ):
        simulate_study(study, scheduler="tcp://127.0.0.1:1", **ASKED)
