"""Long runs of one server: one at a time, the rest in a queue with an end, all of them on disk."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ketasim.app.jobs.faults import BusyError, NoSuchJobError
from ketasim.app.jobs.process import WorkerProcess
from ketasim.app.jobs.record import ENDED, Event, JobRecord, State, now_text
from ketasim.app.jobs.state import StateFolder, new_job_id
from ketasim.app.limits import limit
from ketasim.errors import KetasimError

__all__ = ["JobPool"]

_log = logging.getLogger("ketasim.app")
#: Times that a run is taken up again by itself after its server was killed.
_TRIES = 3
#: Seconds that a process waits for a run.
_SPARE_S = 600.0


class JobPool:
    """Holds the runs of a server, and does one after another.

    All methods may be called from any thread; none waits for a run.

    Parameters
    ----------
    state : StateFolder
        Where runs are kept.
    hashes : callable
        Gives ``model_hash``, ``parameter_hash`` and ``version``.
    """

    def __init__(self, state: StateFolder, hashes: Callable[[], Mapping[str, str]]) -> None:
        self._state = state
        self._hashes = hashes
        self._lock = threading.RLock()
        self._records: dict[str, JobRecord] = {}
        self._process: WorkerProcess | None = None
        self._running: str | None = None
        self._spare: WorkerProcess | None = None
        self._begun = False
        self._closed = False

    @classmethod
    def open(cls, base: Path, hashes: Callable[[], Mapping[str, str]] = dict) -> JobPool:
        """Open the runs that are kept in a folder.

        Those that a killed server left half-way are in the queue again; :meth:`begin` goes on with them.

        Raises
        ------
        KetasimError
            If nothing can be written there.
        """
        pool = cls(StateFolder.claim(base), hashes)
        for folder in pool._state.folders():
            record = JobRecord.load(folder)
            if record is None:
                # It was killed before it was written down: nobody knows of it.
                folder.remove()
                continue
            pool._records[record.id] = record
            if record.state not in ENDED:
                pool._take_up(record)
        return pool

    def _take_up(self, record: JobRecord) -> None:
        """Put a run that was half-way when its server ended into the queue again."""
        again = record.state == "queued" or record.attempts < _TRIES
        record.note = (
            "The app was ended while this ran; it goes on where it was."
            if again
            else f"The app ended {record.attempts} times while this ran; press Resume to try again."
        )
        self._set(record, "queued" if again else "interrupted")

    def begin(self) -> None:
        """Start to work."""
        with self._lock:
            self._begun = True
            self._next()

    def prepare(self) -> None:
        """Let a process load the model, so that the next run starts at once."""
        with self._lock:
            idle = self._begun and not self._closed and self._running is None
            if idle and (self._spare is None or not self._spare.is_alive):
                self._spare = WorkerProcess()
                timer = threading.Timer(_SPARE_S, self._drop, [self._spare])
                timer.daemon = True
                timer.start()

    def _drop(self, process: WorkerProcess) -> None:
        """End a process that waited in vain: it holds some hundred megabytes."""
        with self._lock:
            if self._spare is process:
                self._spare = None
                process.kill()

    def submit(
        self, kind: str, name: str, request: Mapping[str, Any], total: int, trials: int, estimate_s: float
    ) -> JobRecord:
        """Put a run into the queue.

        Parameters
        ----------
        kind, name : str
            What it is.
        request : mapping
            What is asked, as plain data.
        total, trials : int
            People in all, and trials.
        estimate_s : float
            Roughly how long it takes.

        Raises
        ------
        BusyError
            If too many wait; says which one runs, and about how long it takes.
        KetasimError
            If it cannot be written down.
        """
        with self._lock:
            self._refuse_if_full()
            self._make_room()
            folder = self._state.folder(new_job_id())
            try:
                folder.path.mkdir(mode=0o700)
                folder.write("request", dict(request))
                record = JobRecord(folder, kind, name, total, trials, estimate_s)
                record.tell("state", {"state": record.state})
                record.save()
            except OSError as error:
                folder.remove()
                raise KetasimError(
                    f"The run cannot be written down ({error.strerror}); make room on the disk, or start the "
                    "app with another --state."
                ) from error
            self._records[record.id] = record
            self._next()
            return record

    def _refuse_if_full(self) -> None:
        waiting = sum(record.state == "queued" for record in self._records.values())
        most = int(limit("jobs_queued").value)
        running = self._records.get(self._running or "")
        if waiting < most + (running is None):
            return
        told = ""
        if running is not None:
            left = (running.progress or {}).get("eta_s")
            about = "" if left is None else f", about {left:.0f} s left"
            told = f"{running.name} runs{about}; "
        raise BusyError(
            f"{told}{waiting} runs wait, and no more than {most} can. Stop one of them, or try again later."
        )

    def _make_room(self) -> None:
        """Delete the oldest ended runs beyond what is kept."""
        ended = [record for record in self._records.values() if record.state in ENDED]
        ended.sort(key=lambda record: record.finished or "")
        for record in ended[: max(0, len(ended) - int(limit("jobs_kept").value) + 1)]:
            self._forget(record)

    def get(self, job: str) -> JobRecord:
        """Return a run.

        Raises
        ------
        NoSuchJobError
            If there is none of that id.
        """
        with self._lock:
            if job not in self._records:
                raise NoSuchJobError("There is no such run; it may have been deleted. GET /jobs lists them.")
            return self._records[job]

    def all(self) -> list[JobRecord]:
        """Every run, the newest first."""
        with self._lock:
            return sorted(self._records.values(), key=lambda record: record.order, reverse=True)

    def position(self, record: JobRecord) -> int:
        """How many runs are before one; 0 for the one that runs, or is next."""
        with self._lock:
            return self._queue().index(record) if record.state == "queued" else 0

    def stop(self, job: str) -> JobRecord:
        """Ask a run to end with what it has; one that has not begun ends at once.

        Raises
        ------
        NoSuchJobError
            If there is none of that id.
        """
        with self._lock:
            record = self.get(job)
            if record.state == "queued" and not record.folder.run.exists():
                self._end(record, "stopped")
            elif record.state not in ENDED:
                record.stop_asked = True
                if record.id == self._running:
                    self._set(record, "stopping")
                    if self._process is not None:
                        self._process.stop()
            return record

    def resume(self, job: str) -> JobRecord:
        """Put a run that was stopped, failed or was interrupted into the queue again.

        Raises
        ------
        NoSuchJobError
            If there is none of that id.
        BusyError
            If too many wait.
        """
        with self._lock:
            record = self.get(job)
            if record.state in ("stopped", "failed", "interrupted"):
                self._refuse_if_full()
                record.attempts, record.stop_asked, record.finished, record.problem = 0, False, None, None
                record.order = time.time_ns()
                record.events.pop("done", None)
                record.events.pop("failed", None)
                self._set(record, "queued")
                self._next()
            return record

    def delete(self, job: str) -> None:
        """End a run and forget it.

        Raises
        ------
        NoSuchJobError
            If there is none of that id.
        """
        with self._lock:
            record = self.get(job)
            if record.id == self._running and self._process is not None:
                self._process.kill()
            self._forget(record)

    def events(self, record: JobRecord, last: int) -> list[Event]:
        """Events of a run that are newer than one."""
        with self._lock:
            return record.since(last)

    @property
    def is_closed(self) -> bool:
        """Whether the server ends."""
        return self._closed

    def close(self) -> None:
        """End the process of the run that is under way; the next server goes on with it."""
        with self._lock:
            self._closed = True
            for process in (self._process, self._spare):
                if process is not None:
                    process.kill()
            self._spare = None
            record = self._records.get(self._running or "")
            if record is not None:
                # The user ended the server: that is no reason to doubt the run.
                record.attempts = max(0, record.attempts - 1)
                self._save(record)
            self._state.release()

    def _queue(self) -> list[JobRecord]:
        waiting = [record for record in self._records.values() if record.state == "queued"]
        return sorted(waiting, key=lambda record: record.order)

    def _next(self) -> None:
        """Begin the next run if none is under way."""
        waiting = self._queue()
        if not self._begun or self._closed or self._running is not None or not waiting:
            return
        record = waiting[0]
        self._running = record.id
        record.attempts += 1
        self._set(record, "running")
        threading.Thread(target=self._work, args=(record,), daemon=True).start()

    def _work(self, record: JobRecord) -> None:
        """Follow the process of a run to its end."""
        try:
            record.folder.write("hashes", dict(self._hashes()))
            with self._lock:
                if self._closed or record.id not in self._records:
                    return
                process, self._spare = self._spare, None
                if process is None or not process.is_alive:
                    process = WorkerProcess()
                self._process = process
                process.begin(record.folder.path)
                if record.stop_asked:
                    process.stop()
            said = False
            for name, data in process.events():
                self._told(record, name, data)
                said = said or name in ("done", "failed")
            # A run that said its last word may be in the queue again before its process has ended.
            if not said:
                self._gone(record, process)
        except OSError as error:
            with self._lock:
                self._fail(record, "system", f"The process of the run cannot begin ({error.strerror}).")
        except Exception as error:  # whatever it is, the next run must not wait for this one
            _log.error("a long run failed", exc_info=error)
            with self._lock:
                self._fail(record, "fault", "")
        finally:
            with self._lock:
                self._running = self._process = None
                self._next()

    def _told(self, record: JobRecord, name: str, data: dict[str, Any]) -> None:
        with self._lock:
            if record.id not in self._records or record.state in ENDED:
                return
            if name == "note":
                record.note = str(data["text"])
            elif name == "done":
                state: State = "finished" if data["state"] == "finished" else "stopped"
                self._end(record, state)
            elif name == "failed":
                self._fail(record, str(data["kind"]), str(data["message"]))
            else:
                first = record.progress is None
                if name == "progress":
                    record.progress = data
                record.tell(name, data)
                if first or name == "partial":
                    self._save(record)

    def _gone(self, record: JobRecord, process: WorkerProcess) -> None:
        """Say what is known of a process that ended without a word."""
        with self._lock:
            if self._closed or record.id not in self._records or record.state in ENDED:
                return
            self._fail(
                record,
                "gone",
                f"The process of this run ended (exit code {process.code}): it was killed, or the machine "
                "ran out of memory. What is finished is kept; Resume goes on with it.",
            )

    def _fail(self, record: JobRecord, kind: str, message: str) -> None:
        record.problem = {"kind": kind, "message": message}
        self._end(record, "failed")

    def _end(self, record: JobRecord, state: State) -> None:
        record.finished = now_text()
        record.events.pop("partial", None)
        self._set(record, state)
        # The last word: whoever follows the run hangs up on it.
        if state == "failed":
            record.tell("failed", record.problem or {})
        else:
            record.tell("done", {"state": state})

    def _set(self, record: JobRecord, state: State) -> None:
        record.state = state
        record.tell("state", {"state": state})
        self._save(record)

    def _save(self, record: JobRecord) -> None:
        """Write a run down; a full disk does not end it."""
        try:
            record.save()
        except OSError as error:
            _log.warning("a long run could not be written down: %s", error)

    def _forget(self, record: JobRecord) -> None:
        self._records.pop(record.id, None)
        record.is_gone = True
        with contextlib.suppress(OSError):
            record.folder.remove()
