"""The folder of a server's long runs: one folder a run, so that a killed server finds them again.

``job.json`` says what a run is and how far it is, ``request.json`` what was asked, ``partial.json`` and
``result.json`` what came of it; ``run`` belongs to the simulation. Files are replaced whole.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ketasim.errors import KetasimError

__all__ = ["JobFolder", "StateFolder", "new_job_id"]

_ID = re.compile(r"j[0-9a-f]{16}")
_LOCK = "server.lock"
#: Servers of one user that may run at a time.
_SERVERS = 16


def new_job_id() -> str:
    """Make the id of a run, which nobody can guess and which is safe as the name of a folder."""
    return "j" + secrets.token_hex(8)


@dataclass(frozen=True)
class JobFolder:
    """What is kept of one run.

    Parameters
    ----------
    path : Path
        The folder, named by the id of the run.
    """

    path: Path

    @property
    def id(self) -> str:
        """Id of the run."""
        return self.path.name

    @property
    def run(self) -> Path:
        """Folder of the simulation itself."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """What the process wrote beside its results; for finding a fault of the program."""
        return self.path / "worker.log"

    def write(self, name: str, content: Any) -> None:
        """Replace a file of JSON, whole or not at all.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        final = self.path / f"{name}.json"
        draft = self.path / f".{name}.{os.getpid()}.part"
        try:
            with draft.open("w", encoding="utf-8") as file:
                json.dump(content, file, ensure_ascii=False, allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(final)
        except BaseException:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise

    def read(self, name: str) -> Any:
        """Content of a file of JSON; None if it is missing or damaged."""
        try:
            return json.loads((self.path / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def has(self, name: str) -> bool:
        """Whether a file of JSON is there."""
        return (self.path / f"{name}.json").is_file()

    def remove(self) -> None:
        """Delete all of it, as far as that is possible."""
        shutil.rmtree(self.path, ignore_errors=True)


class StateFolder:
    """The runs of one server, which no other server touches while it lives.

    Parameters
    ----------
    path : Path
        Folder of the runs.
    lock : file
        Held open, and locked, as long as the server lives.
    """

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def claim(cls, base: Path) -> StateFolder:
        """Take the first folder that no living server has; a killed one has none.

        Parameters
        ----------
        base : Path
            The user's folder for what outlives the program.

        Raises
        ------
        KetasimError
            If nothing can be written there.
        """
        for number in range(1, _SERVERS + 1):
            path = base / ("jobs" if number == 1 else f"jobs-{number}")
            try:
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = (path / _LOCK).open("ab")
            except OSError as error:
                raise KetasimError(
                    f"--state {base}: long runs cannot be kept there ({error.strerror}); name another folder."
                ) from error
            if _locked(lock):
                return cls(path, lock)
            lock.close()
        raise KetasimError(
            f"--state {base}: {_SERVERS} servers keep their runs there already; end one, or name another "
            "folder."
        )

    def folder(self, job: str) -> JobFolder:
        """Folder of a run, which need not exist."""
        return JobFolder(self.path / job)

    def folders(self) -> list[JobFolder]:
        """Folders of runs that are there."""
        return [
            JobFolder(item)
            for item in sorted(self.path.iterdir())
            if _ID.fullmatch(item.name) and item.is_dir() and not item.is_symlink()
        ]

    def release(self) -> None:
        """Let another server have the folder."""
        self._lock.close()


def _locked(file: IO[bytes]) -> bool:
    """Lock a file for this process; False if another one has it. The system unlocks it when we end."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
