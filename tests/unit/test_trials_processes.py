"""Worker processes with pipes: results, faults, deaths, and an end in the middle of a result."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ketasim.errors import ModelError, StudyError
from ketasim.trials.runs.processes import work_on_processes

ADVICE = "Try again."


def doubling(by: int) -> Callable[[int], int]:
    return lambda task: by * task


def naming(_: Any) -> Callable[[int], int]:
    def work(_: int) -> int:
        time.sleep(0.02)
        return os.getpid()

    return work


def faulty(where: str) -> Callable[[int], int]:
    if where == "start":
        raise ModelError("no such model.")

    def work(task: int) -> int:
        if task == 3:
            raise ModelError("no such person.")
        return task

    return work


def dying(_: Any) -> Callable[[int], int]:
    def work(task: int) -> int:
        if task == 1:
            os.kill(os.getpid(), signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
        return task

    return work


def large(_: Any) -> Callable[[int], Any]:
    # Far more than a pipe holds: it is in the middle of handing this over for as long as nobody reads.
    return lambda task: np.full(4_000_000, float(task))


def children() -> list[Any]:
    return multiprocessing.active_children()


def test_every_task_is_done_once_and_no_process_stays() -> None:
    found = dict(work_on_processes(doubling, 2, range(50, 80), 3, ADVICE))
    assert found == {place: 2 * (50 + place) for place in range(30)}
    assert children() == []


def test_all_processes_work() -> None:
    found = [process for _, process in work_on_processes(naming, None, range(24), 3, ADVICE)]
    assert len(set(found)) == 3
    assert os.getpid() not in found


@pytest.mark.parametrize(("where", "message"), [("start", "no such model"), ("work", "no such person")])
def test_what_a_worker_raises_is_raised_here(where: str, message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        list(work_on_processes(faulty, where, range(20), 2, ADVICE))
    assert "in a worker process" in caught.value.__notes__[0]
    assert children() == []


def test_a_worker_that_dies_is_told_of() -> None:
    with pytest.raises(StudyError, match=r"a worker process ended .* Try again\."):
        list(work_on_processes(dying, None, range(8), 2, ADVICE))
    assert children() == []


def test_workers_that_are_ended_while_they_hand_over_results_keep_nobody_waiting() -> None:
    """As on Ctrl-C, which ends them: a pool of the standard library may wait for ever for the rest."""
    coming = work_on_processes(large, None, range(8), 2, ADVICE)
    next(coming)
    # Long enough for both to be in the middle of their next results.
    time.sleep(0.3)
    for worker in children():
        worker.terminate()
        worker.join(60.0)
    began = time.monotonic()
    with pytest.raises(StudyError, match="a worker process ended"):
        list(coming)
    # At once, but for a busy machine.
    assert time.monotonic() - began < 60.0


def test_who_stops_asking_ends_the_workers() -> None:
    coming = work_on_processes(large, None, range(8), 2, ADVICE)
    next(coming)
    assert len(children()) == 2
    coming.close()
    assert children() == []
