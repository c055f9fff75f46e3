"""Sends the chunks of a trial to the workers of a Dask cluster."""

from __future__ import annotations

import pickle
import threading
import time
from collections.abc import Iterator, Sequence
from importlib import metadata
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from ketasim.errors import KetasimError, StudyError
from ketasim.trials.runs.folder import versions

if TYPE_CHECKING:
    from ketasim.trials.conduct.recording import Tables
    from ketasim.trials.conduct.trial import Trial
    from ketasim.trials.runs.workers import Chunk, TrialPlan

__all__ = ["run_on_cluster"]

#: Seconds to wait for the scheduler and for its first worker.
_PATIENCE_S = 20
#: Chunks that wait for each thread of a worker beside the one it runs, so that results never pile up.
_AHEAD = 2
#: Seconds between looks at whether the cluster has workers, and seconds without one until it is given up.
_LOOK_S, _ALONE_S = 2.0, 120.0
_HOW = (
    "start a scheduler with 'dask scheduler', and workers in an environment with the same Ketasim with "
    "'dask worker ADDRESS --nthreads 1'"
)


class _Built(threading.local):
    """The trial that a thread of a worker built last; threads share none, since a trial remembers things."""

    pickled: bytes = b""
    trial: Trial | None = None

    def of(self, pickled: bytes) -> Trial:
        """Build a trial once a thread."""
        if self.trial is None or self.pickled != pickled:
            plan: TrialPlan = pickle.loads(pickled)
            self.trial, self.pickled = plan.build(), pickled
        return self.trial


_built = _Built()


def _work(pickled: bytes, wanted: dict[str, str], chunk: Chunk) -> Tables:
    """Simulate a chunk; runs on a worker."""
    from ketasim.trials.runs.workers import run_chunk

    # Before anything is unpickled: another version may not even be able to.
    here = versions()
    for name, version in wanted.items():
        if here[name] != version:
            raise StudyError(
                f"--scheduler: a worker of the cluster has {name} {here[name]}, and this computer {version}: "
                "the results could differ; install the same versions on both."
            )
    return run_chunk(_built.of(pickled), chunk)


def run_on_cluster(plan: TrialPlan, chunks: Sequence[Chunk], scheduler: str) -> Iterator[tuple[int, Tables]]:
    """Yield results as workers of a cluster finish them, in any order.

    A chunk whose worker dies is given to another one, until it has ended as many workers as Dask's
    setting ``distributed.scheduler.allowed-failures`` lets it.

    Parameters
    ----------
    plan : TrialPlan
        What workers build their trial from.
    chunks : sequence of Chunk
        What to do.
    scheduler : str
        Address of the scheduler, such as ``tcp://host:8786``.

    Yields
    ------
    int, Tables
        Number of the chunk, and what came of it.

    Raises
    ------
    StudyError
        If Dask is not installed, there is no such scheduler, it has no workers, a worker has other
        versions than this process, or the cluster fails.
    """
    pickled, wanted = pickle.dumps(plan), versions()
    client = _connected(scheduler)
    ready: SimpleQueue[Any] = SimpleQueue()
    numbers: dict[Any, int] = {}
    coming = iter(chunks)
    try:
        while True:
            # Workers come and go: as many chunks are under way as there is room for now.
            room = max(1, _threads(client, scheduler)) * (1 + _AHEAD)
            while len(numbers) < room and (chunk := next(coming, None)) is not None:
                future = client.submit(_work, pickled, wanted, chunk, pure=False)
                numbers[future.key] = chunk.number
                future.add_done_callback(ready.put)
            if not numbers:
                return
            future = _next(ready, client, scheduler)
            found = _result(future, scheduler)
            number = numbers.pop(future.key)
            future.release()
            yield number, found
    finally:
        client.close()


def _next(ready: SimpleQueue[Any], client: Any, scheduler: str) -> Any:
    """Wait for a chunk, but not for ever when nobody is left to work on it."""
    seen = time.monotonic()
    while True:
        try:
            return ready.get(timeout=_LOOK_S)
        except Empty:
            if _threads(client, scheduler):
                seen = time.monotonic()
            if time.monotonic() - seen > _ALONE_S:
                raise _given_up(scheduler, f"it has had no worker for {_ALONE_S:.0f} s") from None


def _threads(client: Any, scheduler: str) -> int:
    """Threads of all workers that the cluster has now."""
    try:
        return int(sum(client.nthreads().values()))
    except Exception as error:
        if not _is_of_cluster(error):
            raise
        raise _given_up(scheduler, str(error)) from error


def _given_up(scheduler: str, reason: str) -> StudyError:
    return StudyError(
        f"--scheduler {scheduler}: the cluster does not go on ({reason}). What is finished is kept; go on "
        "with --resume when the cluster is back, or with --resume and without --scheduler on this machine."
    )


def _connected(scheduler: str) -> Any:
    """A client of the scheduler, when that has a worker."""
    try:
        from distributed import Client
    except ImportError as error:
        raise StudyError(
            "--scheduler: a cluster needs Dask, which is not installed; install it with "
            "'pip install \"ketasim[cluster]\"', or leave --scheduler out to use this machine."
        ) from error
    # Without an address Dask would make a cluster of its own.
    if not scheduler.strip():
        raise StudyError(f"--scheduler {scheduler!r}: this is no address; give one such as tcp://host:8786.")
    try:
        make: Any = Client
        client = make(scheduler, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise StudyError(
            f"--scheduler {scheduler}: no Dask scheduler answers there ({error}); give an address such as "
            f"tcp://host:8786, or {_HOW}."
        ) from error
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError as error:
        client.close()
        raise StudyError(
            f"--scheduler {scheduler}: the scheduler answers, but has had no worker for {_PATIENCE_S} s; "
            f"{_HOW}."
        ) from error
    try:
        _require_ketasim(client, scheduler)
    except BaseException:
        client.close()
        raise
    return client


def _require_ketasim(client: Any, scheduler: str) -> None:
    """Refuse a cluster without Ketasim: its processes would die of the first part that they get."""
    # A function of Python itself: one of Ketasim could not even arrive.
    for where, ask in (("scheduler", client.run_on_scheduler), ("worker", client.run)):
        try:
            ask(metadata.version, "ketasim")
        except ImportError as error:
            raise StudyError(
                f"--scheduler {scheduler}: the environment of a {where} of this cluster has no Ketasim; "
                f"{_HOW}."
            ) from error


def _result(future: Any, scheduler: str) -> Any:
    """What came of a chunk; every failure of the cluster, whatever its kind, is one of ours."""
    try:
        return future.result(timeout=_ALONE_S)
    except KetasimError:
        raise
    except ImportError as error:
        raise StudyError(
            f"--scheduler {scheduler}: a worker of the cluster lacks a package ({error}); {_HOW}."
        ) from error
    except Exception as error:
        if not _is_of_cluster(error):
            raise
        raise _given_up(scheduler, str(error)) from error


def _is_of_cluster(error: Exception) -> bool:
    from concurrent.futures import CancelledError

    from distributed.scheduler import KilledWorker

    return isinstance(error, (KilledWorker, CancelledError, OSError, TimeoutError, MemoryError))
