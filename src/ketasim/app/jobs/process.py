"""The process of a long run, as the server sees it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["WorkerProcess"]

#: How the process of a run is begun.
COMMAND = (sys.executable, "-m", "ketasim.app.jobs.worker")


class WorkerProcess:
    """A process that waits for a run, does it, and ends.

    It begins to load the model at once, so that a run that is given to it later starts faster.
    """

    def __init__(self) -> None:
        self._is_read = False
        options: dict[str, Any] = {}
        if sys.platform == "win32":
            options["creationflags"] = subprocess.BELOW_NORMAL_PRIORITY_CLASS
        else:
            # A group of its own: Ctrl-C in the terminal is answered by the server alone, and all that the
            # process starts is ended with it.
            options["start_new_session"] = True
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", **options
        )

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def begin(self, folder: Path) -> None:
        """Give it a run.

        Parameters
        ----------
        folder : Path
            Folder of the run.
        """
        self._command(str(folder))

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what it tells of its run until it ends.

        Yields
        ------
        str, dict
            Name of an event and its data.
        """
        if self._process.stdout is None:
            return
        self._is_read = True
        with self._process.stdout as lines:
            for line in lines:
                # A process that was killed leaves half a line.
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    told = json.loads(line)
                    yield str(told["event"]), dict(told["data"])
        self._process.wait()
        self._close()

    def stop(self) -> None:
        """Ask it to end with what it has."""
        self._command("stop")

    def kill(self) -> None:
        """End it and all that it started, now."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._close()

    @property
    def code(self) -> int | None:
        """Its exit code; None while it lives."""
        return self._process.poll()

    def _close(self) -> None:
        """Let the pipes go; who reads one closes it."""
        for pipe in (self._process.stdin, None if self._is_read else self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def _command(self, line: str) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError, ValueError):
                self._process.stdin.write(line + "\n")
                self._process.stdin.flush()
