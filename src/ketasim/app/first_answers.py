"""What a page asks for first, kept on the disk beside the compiled kernels.

A page that opens asks for the facts of the model and for its first curves, the same at each start. While the
program is still being loaded, such a question is answered with what the same program answered before: the
files of the package, the versions of what it computes with, and the question must all be the same. What was
never asked, or by another version, waits until the program is there.
"""

from __future__ import annotations

import json
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ketasim._begun import BEGUN
from ketasim.app.paths import API
from ketasim.engine.cache import KernelCache, default_cache

__all__ = ["FirstAnswers"]

#: What is kept: always the same answer to the same question, asked by every page as it opens.
_KEPT = (("GET", f"{API}/meta"), ("POST", f"{API}/simulate"))
_LIBRARIES = ("numpy", "numba", "llvmlite", "fastapi")
_KINDS = (".py", ".csv", ".json", ".yaml")
#: Clocks of files run in steps, and may lag a little, in seconds.
_CLOCK_S = 1.0
#: How many questions of a start, and the largest answer that is kept, in bytes.
_MOST, _LARGEST = 4, 2_000_000
#: Headers that say what a body is.
_OF_BODY = ("content-type", "content-length", "content-encoding")


class FirstAnswers:
    """Answers of earlier starts, and the first of this one for later starts.

    Parameters
    ----------
    kept : KernelCache, optional
        Where they are; default: the user's cache.
    """

    def __init__(self, kept: KernelCache | None = None) -> None:
        self._kept = default_cache() if kept is None else kept
        self._left = _MOST

    def wants(self, scope: Scope) -> bool:
        """Whether a question is one of the first."""
        return self._left > 0 and (scope["method"], scope["path"]) in _KEPT

    async def answer(self, scope: Scope, body: bytes, send: Send) -> bool:
        """Answer as an earlier start did; whether there was such an answer."""
        key = _key(scope, body)
        found = None if key is None else self._kept.find(key)
        if found is None:
            return False
        self._left -= 1
        head, _, payload = found.partition(b"\n")
        headers = dict(json.loads(head))
        # A browser that was here before has the facts of the model already.
        known = "etag" in headers and headers["etag"] in Headers(scope=scope).get("if-none-match", "")
        if known:
            headers = {name: value for name, value in headers.items() if name not in _OF_BODY}
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 304 if known else 200, "headers": raw})
        await send({"type": "http.response.body", "body": b"" if known else payload})
        return True

    async def ask(self, app: ASGIApp, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Let the program answer, and keep what it says if the question is one of the first."""
        key = _key(scope, body) if self.wants(scope) else None
        heard: list[Message] = []

        async def hear(message: Message) -> None:
            if key is not None:
                heard.append(message)
            await send(message)

        await app(scope, receive, hear)
        if key is None or not heard or heard[0]["status"] != 200:
            return
        payload = b"".join(message.get("body", b"") for message in heard[1:])
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in heard[0]["headers"]]
        if len(payload) <= _LARGEST:
            self._left -= 1
            self._kept.keep(key, json.dumps(headers).encode() + b"\n" + payload)


def _key(scope: Scope, body: bytes) -> str | None:
    """Under what an answer is kept; None if that cannot be known."""
    stamp = _stamp()
    if stamp is None:
        return None
    packing = Headers(scope=scope).get("accept-encoding", "")
    asked = (scope["method"], scope["path"], scope.get("query_string", b""), packing, body)
    return KernelCache.make_key("first answer", stamp, *asked)


@cache
def _stamp() -> str | None:
    """What answers follow from: files by time and size, as Python itself knows them again; and versions.

    None if a file changed after this process had begun: what was loaded may then be older.
    """
    root = Path(__file__).parents[1]
    parts = [platform.python_version(), platform.machine(), *map(_version, _LIBRARIES)]
    try:
        for path in sorted(path for path in root.rglob("*") if path.suffix in _KINDS):
            status = path.stat()
            if max(status.st_mtime, status.st_ctime) > BEGUN - _CLOCK_S:
                return None
            parts.append(f"{path.relative_to(root).as_posix()} {status.st_size} {status.st_mtime_ns}")
    except OSError:
        return None
    return KernelCache.make_key(*parts)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "unknown"
