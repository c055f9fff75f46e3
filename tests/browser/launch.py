"""Starts and ends what the tests of the page need: Chromium, and ``ketasim app``."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, Playwright, sync_playwright

__all__ = ["KETASIM", "Chromium", "Server", "find_chromium", "free_port"]

#: The command ``ketasim``, of the Python that runs the tests.
KETASIM = (sys.executable, "-c", "from ketasim.cli import main; main()")

#: A server says its address within seconds; a first run ever compiles for some more.
_PATIENCE_S = 120.0
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def find_chromium() -> str | None:
    """Path of the system's Chromium."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """The browser: started when first asked for, and again after it was closed."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: Browser | None = None

    def browser(self, path: str) -> Browser:
        """The running browser."""
        if self._browser is None:
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        return self._browser

    def close(self) -> None:
        """End it; nothing happens if it does not run."""
        if self._browser is not None:
            self._browser.close()
        if self._playwright is not None:
            self._playwright.stop()
        self._browser = self._playwright = None


@dataclass
class Server:
    """``ketasim app`` as a process of its own.

    Parameters
    ----------
    process : Popen
        The process.
    address : str
        As it printed it, with the token.
    state : Path
        Its state folder.
    """

    process: subprocess.Popen[str]
    address: str
    state: Path

    @classmethod
    @contextmanager
    def started(cls, state: Path, port: int = 0) -> Iterator[Server]:
        """Start a server, and end it."""
        server = cls.start(state, port)
        try:
            yield server
        finally:
            server.end()

    @classmethod
    def start(cls, state: Path, port: int = 0) -> Server:
        """Start a server that someone else ends."""
        command = [*KETASIM, "app", "--no-browser", "--port", str(port)]
        process = subprocess.Popen(
            [*command, "--state", str(state)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **_ONE_THREAD},
        )
        assert process.stdout is not None
        first = process.stdout.readline()
        if "http" not in first:
            process.kill()
            process.wait()
            process.stdout.close()
            raise RuntimeError(f"the explorer did not start: {first!r}")
        return cls(process, first[first.index("http") :].strip(), state)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def token(self) -> str:
        """The token of the address."""
        return parse_qs(urlsplit(self.address).query)["token"][0]

    @property
    def port(self) -> int:
        """The port."""
        return urlsplit(self.address).port or 80

    def call(self, path: str, body: Any = None) -> Any:
        """Ask the JSON API, without a browser; gives what it answered."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.origin}/api/v1{path}", data, headers)
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return json.load(answer)

    def warm(self) -> None:
        """Wait until it gives curves, of the typical person and of others."""
        until = time.monotonic() + _PATIENCE_S
        preset = self.call("/meta")["presets"][0]["scenario"]
        for body in ({"bands": "none", "people": 20}, {"bands": "knowledge", "draws": 8}):
            while True:
                try:
                    self.call("/simulate", {"scenarios": [preset], "variables": ["madrs"], **body})
                    break
                except urllib.error.HTTPError as refused:
                    if refused.code != 503 or time.monotonic() > until:
                        raise
                    time.sleep(0.5)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self._reap()

    def end(self) -> None:
        """End it as Ctrl-C does, or harder."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self._reap()

    def _reap(self) -> None:
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
