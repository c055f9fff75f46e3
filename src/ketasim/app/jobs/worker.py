"""The process of one long run: ``python -m ketasim.app.jobs.worker``.

It reads lines on its standard input: the folder of a run, then perhaps ``stop``. It writes lines of JSON
``{"event", "data"}`` on its standard output. When its input ends the server is gone, and so it ends too:
what is finished is on disk.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from ketasim.app.jobs.runs import Reporter, run_job
from ketasim.app.jobs.state import JobFolder
from ketasim.errors import KetasimError

__all__ = ["main"]

#: By how much other work goes before this one.
_NICE = 10
#: Exit code of a process whose server is gone.
_ORPHAN = 75


class _Lines:
    """Writes events, a line each, and listens for ``stop``."""

    def __init__(self, out: IO[str], commands: IO[str]) -> None:
        self._out = out
        self._commands = commands
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def send(self, event: str, data: Mapping[str, Any]) -> None:
        """Write an event."""
        line = json.dumps({"event": event, "data": data}, ensure_ascii=False, allow_nan=False)
        with self._lock:
            self._out.write(line + "\n")
            self._out.flush()

    def stop_asked(self) -> bool:
        """Whether the run is to end with what it has."""
        return self._stop.is_set()

    def listen(self) -> None:
        """Read commands until the server is gone, then end this process."""
        for line in self._commands:
            if line.strip() == "stop":
                self._stop.set()
        os._exit(_ORPHAN)


def main() -> int:
    """Wait for a run, do it, and say how it ended.

    Returns
    -------
    int
        0, also if the run failed in a way that was said.
    """
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(_NICE)
    # The answer has a channel of its own: whatever a library prints must not get into it.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _load()
    name = sys.stdin.readline().strip()
    if not name:
        return 0
    folder = JobFolder(Path(name))
    with folder.log.open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 2)
        os.dup2(log.fileno(), 1)
    lines = _Lines(out, sys.stdin)
    threading.Thread(target=lines.listen, daemon=True).start()
    try:
        run_job(folder, Reporter(lines.send, lines.stop_asked))
    except KetasimError as error:
        lines.send("failed", {"kind": type(error).__name__, "message": str(error)})
    except (OSError, MemoryError) as error:
        lines.send("failed", {"kind": "system", "message": _reason(error)})
    except Exception:
        traceback.print_exc()
        lines.send("failed", {"kind": "fault", "message": ""})
    return 0


def _load() -> None:
    """Load what every run needs, while perhaps there is none yet."""
    for module in ("ketasim.app.jobs.trial", "ketasim.app.jobs.population"):
        importlib.import_module(module)


def _reason(error: OSError | MemoryError) -> str:
    if isinstance(error, MemoryError):
        return "There is not enough memory for this run; ask for fewer people in a trial."
    return f"A file of the run could not be read or written ({error.strerror or error})."


if __name__ == "__main__":
    sys.exit(main())
