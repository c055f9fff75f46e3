"""Processes that work on tasks, each with a pipe of its own.

A pool of the standard library takes all results through one queue, by threads and locks: a worker that is
ended while it hands one over, as on Ctrl-C, leaves a piece of it there, and the pool waits for the rest for
ever. Here the pipe of a worker ends with the worker, and nobody but the caller waits.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from ketasim.errors import StudyError

__all__ = ["work_on_processes"]

_Setting = TypeVar("_Setting")
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")

#: Tasks that a worker has before him, so that he need not wait for the next one.
_AHEAD = 2
#: Seconds that a worker has to end when he is told to.
_PATIENCE_S = 5.0


@dataclass(eq=False)
class _Worker:
    """A process, the end of its pipe that is here, and how many tasks it has."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    tasks: int = 0


def work_on_processes(
    start: Callable[[_Setting], Callable[[_Task], _Result]],
    setting: _Setting,
    tasks: Sequence[_Task],
    workers: int,
    advice: str,
) -> Iterator[tuple[int, _Result]]:
    """Yield results as they finish, in any order.

    Parameters
    ----------
    start : function
        Called once in each process with ``setting``; gives what is called with each task.
    setting : object
        What all tasks have in common; travels once to each process.
    tasks : sequence
        What to do; each is small, results may be large.
    workers : int
        Number of processes.
    advice : str
        What to do if a worker dies, as a sentence.

    Yields
    ------
    int, object
        Place of a task, and what came of it.

    Raises
    ------
    StudyError
        If a worker dies.
    Exception
        What a worker raised.
    """
    crew: list[_Worker] = []
    coming = iter(enumerate(tasks))
    try:
        for _ in range(min(workers, len(tasks))):
            crew.append(_hired(start, setting))
        for _ in range(_AHEAD):
            for worker in crew:
                _give(worker, next(coming, None))
        while busy := [worker for worker in crew if worker.tasks]:
            ready = wait([worker.pipe for worker in busy])
            for worker in (worker for worker in busy if worker.pipe in ready):
                place, result, error = worker.pipe.recv()
                if error is not None:
                    raise error
                worker.tasks -= 1
                # Before the result is handed on, so that the worker has the next one meanwhile.
                _give(worker, next(coming, None))
                yield place, result
    except (EOFError, ConnectionError) as error:
        raise StudyError(
            "a worker process ended before its work was done: it was killed, or the machine ran out of "
            f"memory. {advice}"
        ) from error
    finally:
        _dismiss(crew)


def _hired(start: Callable[[Any], Callable[[Any], Any]], setting: Any) -> _Worker:
    """Begin a process."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(there, start, setting), daemon=True)
    process.start()
    # The process alone holds the other end now: it closes when the process ends, however that comes.
    there.close()
    return _Worker(process, here)


def _give(worker: _Worker, task: tuple[int, Any] | None) -> None:
    if task is not None:
        worker.pipe.send(task)
        worker.tasks += 1


def _dismiss(crew: Sequence[_Worker]) -> None:
    """End all processes; whatever they still work on is of no use any more."""
    for worker in crew:
        worker.process.terminate()
    for worker in crew:
        worker.process.join(_PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


def _serve(pipe: Connection, start: Callable[[Any], Callable[[Any], Any]], setting: Any) -> None:
    """Work on what comes through a pipe, until this process is ended."""
    # Ctrl-C reaches every process of the terminal; only the parent answers it, and ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work = start(setting)
        while True:
            place, task = pipe.recv()
            pipe.send((place, work(task), None))
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        pipe.send((None, None, error))
        # What the parent sends meanwhile must not break on a closed pipe: he reads this, and ends all.
        threading.Event().wait()


def _end_with_parent() -> None:
    """End this process when its parent is gone: a killed parent cannot tell its workers to end."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
