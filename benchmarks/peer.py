"""A program in another environment that runs a network whenever it is asked to, so that all take turns."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["PEERS_PYTHON", "Peer"]

_ROOT = Path(__file__).resolve().parent.parent
_BIN = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
#: Python of the environment that `make crosscheck` makes.
PEERS_PYTHON = _ROOT.joinpath(".venv-crosscheck", *_BIN)


class Peer:
    """One script of the folder ``crosscheck`` with its option ``--serve``; :meth:`close` ends it.

    Parameters
    ----------
    python : Path
        Python of its environment.
    script : str
        Name of the script.
    arguments : sequence of str
        What it is given.

    Attributes
    ----------
    about : dict
        What it said when it was ready: ``build`` in s and ``version``.
    """

    def __init__(self, python: Path, script: str, arguments: Sequence[str]) -> None:
        # Its errors go where ours go; its threads are limited like those of everybody else.
        self._process = subprocess.Popen(
            [str(python), str(_ROOT / "crosscheck" / script), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "NUMBA_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        self.about = self._answer()

    def _answer(self) -> dict[str, Any]:
        stdout = self._process.stdout
        line = stdout.readline() if stdout is not None else ""
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended before it answered")
        found: dict[str, Any] = json.loads(line)
        return found

    def run(self, seed: int) -> dict[str, Any]:
        """Let it run once."""
        stdin = self._process.stdin
        if stdin is None:
            raise RuntimeError("the peer has no input")
        stdin.write(f"{seed}\n")
        stdin.flush()
        return self._answer()

    def close(self) -> None:
        """Let it end, and wait until it has."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
