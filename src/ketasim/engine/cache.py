"""Compiled kernels on disk.

An entry is machine code that will be run, so it is only believed if it is whole,
was stored under this very key, and lies where nobody else can write. Whatever does
not fit is made again. A disk that cannot be used costs time, never a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KernelCache", "default_cache"]

_log = logging.getLogger("ketasim.engine")

_MAGIC = b"KETASIM KERNEL 1\n"
_DIGEST = hashlib.sha256().digest_size
_SUFFIX = ".kernel"
_LARGEST_COUNT, _LARGEST_BYTES = 128, 200_000_000
#: Bits by which others could write.
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class KernelCache:
    """Entries by key in a folder.

    Parameters
    ----------
    folder : Path or None
        Where they are; None for no disk at all.
    """

    folder: Path | None

    @staticmethod
    def make_key(*parts: str) -> str:
        """Return a digest of some texts, in which no two lists of texts look alike.

        Everything that machine code follows from must be among them: the model, the
        version of the compiler, and the processor's name and features.
        """
        digest = hashlib.sha256()
        for part in parts:
            raw = part.encode()
            digest.update(len(raw).to_bytes(8, "little") + raw)
        return digest.hexdigest()

    def get_or_make(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return an entry, or make and keep it.

        Parameters
        ----------
        key : str
            From :meth:`make_key`.
        make : function
            Makes the entry.
        """
        if self.folder is None:
            return make()
        found = self._read(key)
        if found is None:
            found = make()
            self._keep(key, found)
        return found

    def _path(self, key: str) -> Path:
        assert self.folder is not None  # asked by every caller
        return self.folder / f"{key}{_SUFFIX}"

    def _read(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            if not (_is_ours(path.parent) and _is_ours(path) and stat.S_ISREG(path.lstat().st_mode)):
                return None
            raw = path.read_bytes()
        except OSError:
            return None
        head = _MAGIC + key.encode()
        payload = raw[len(head) + _DIGEST :]
        if raw != head + hashlib.sha256(payload).digest() + payload or not payload:
            _log.debug("kernel cache: %s is damaged or of another kind; it is made again", path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return payload

    def _keep(self, key: str, payload: bytes) -> None:
        path = self._path(key)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=path.parent, prefix=".", suffix=_SUFFIX, delete=False
            ) as file:
                try:
                    file.write(_MAGIC + key.encode() + hashlib.sha256(payload).digest() + payload)
                    file.close()
                    os.replace(file.name, path)
                except BaseException:
                    file.close()
                    os.unlink(file.name)
                    raise
            self._shrink()
        except OSError as error:
            _log.debug("kernel cache: %s could not be kept: %s", path, error)

    def _shrink(self) -> None:
        """Drop the entries that were not used for longest, beyond what the folder may hold."""
        assert self.folder is not None
        entries = [(path.stat(), path) for path in self.folder.glob(f"[!.]*{_SUFFIX}")]
        entries.sort(key=lambda entry: entry[0].st_mtime, reverse=True)
        total = 0
        for count, (status, path) in enumerate(entries, start=1):
            total += status.st_size
            if count > _LARGEST_COUNT or total > _LARGEST_BYTES:
                path.unlink(missing_ok=True)


def default_cache() -> KernelCache:
    """Return the user's cache: ``KETASIM_CACHE_DIR``, or his folder for caches.

    ``KETASIM_CACHE_DIR=off`` is no disk at all.
    """
    given = os.environ.get("KETASIM_CACHE_DIR")
    if given in ("off", ""):
        return KernelCache(None)
    if given is not None:
        return KernelCache(Path(given))
    try:
        return KernelCache(_user_folder() / "ketasim")
    except (RuntimeError, KeyError):  # there is no home
        return KernelCache(None)


def _user_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"])
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _is_ours(path: Path) -> bool:
    """Whether a file or folder belongs to this user and nobody else can write it."""
    if sys.platform == "win32":
        return True
    status = path.lstat()
    return status.st_uid == os.geteuid() and not status.st_mode & _OTHERS
