"""Compiled kernels on disk, and what else follows from the equations.

An entry may be machine code that will be run, so it is only believed if it is whole,
was stored under this very key, and lies where nobody else can write. Whatever does
not fit is made again. A disk that cannot be used costs time, never a run.

An entry is a file ``<key>.kernel``: a magic text, the version of this format, the
key, the payload's length and SHA-256, the SHA-256 of all that, and the payload.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import stat
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["KernelCache", "default_cache"]

_log = logging.getLogger("ketasim.engine")

_MAGIC = b"KETASIM KERNEL\r\n"
_VERSION = 2
#: Magic, version, key, length and digest of the payload; little-endian, without gaps.
_FIELDS = struct.Struct("<16sI64sQ32s")
_DIGEST = hashlib.sha256().digest_size
_HEADER = _FIELDS.size + _DIGEST
_KEY = re.compile(r"[0-9a-f]{64}")
_SUFFIX = ".kernel"
#: How the name of an unfinished entry starts.
_PARTIAL = ".ketasim-"
_LARGEST_COUNT, _LARGEST_BYTES = 512, 200_000_000
#: Seconds after which an unfinished entry belongs to a process that was killed.
_STALE = 3600.0
#: Bits by which others could write.
_OTHERS = stat.S_IWGRP | stat.S_IWOTH
# Never through a link; never waiting for the other end of a pipe. Windows has neither flag.
_OPEN = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@dataclass(frozen=True)
class KernelCache:
    """Entries by key in a folder.

    Processes may share a folder: an entry appears whole or not at all. At most 512
    entries or 200 MB are kept; what was not used for longest goes first.

    Parameters
    ----------
    folder : Path or None
        Where they are; None for no disk at all. It is made, for this user alone, when
        the first entry is kept. On POSIX, a folder that belongs to someone else or that
        others can write (also by group) is not used.
    """

    folder: Path | None

    @staticmethod
    def make_key(*parts: str | bytes) -> str:
        """Return a digest of some texts, in which no two lists of texts look alike.

        Everything that machine code follows from must be among them: the model's code,
        how it is compiled, the versions of llvmlite and LLVM, and the processor's name,
        features and triple. The cache itself checks none of these.

        Parameters
        ----------
        *parts : str or bytes
            Texts; a str stands for its UTF-8 bytes.

        Returns
        -------
        str
            64 hexadecimal digits.
        """
        digest = hashlib.sha256()
        for part in parts:
            raw = part.encode() if isinstance(part, str) else part
            digest.update(len(raw).to_bytes(8, "little"))
            digest.update(raw)
        return digest.hexdigest()

    def get_or_make(self, key: str, make: Callable[[], bytes]) -> bytes:
        """Return an entry, or make and keep it.

        Parameters
        ----------
        key : str
            From :meth:`make_key`.
        make : function
            Makes the entry. What it raises is raised here, and nothing is kept.

        Returns
        -------
        bytes
            The entry. A disk that fails, in whatever way, only means that it was made.

        Raises
        ------
        ValueError
            If the key is not one of :meth:`make_key`; a file is named by it.
        """
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def find(self, key: str) -> bytes | None:
        """Return an entry, or None if there is none; errors as of :meth:`get_or_make`."""
        path = self._path(key)
        return None if path is None else _read(path, key)

    def keep(self, key: str, entry: bytes) -> None:
        """Keep an entry if that is possible; errors as of :meth:`get_or_make`."""
        path = self._path(key)
        if path is not None:
            _keep(path, key, entry)

    def _path(self, key: str) -> Path | None:
        if not _KEY.fullmatch(key):
            raise ValueError(f"kernel cache: {key!r} is not a key; use KernelCache.make_key")
        return None if self.folder is None else self.folder / f"{key}{_SUFFIX}"


def default_cache() -> KernelCache:
    r"""Return the user's cache: the folder ``KETASIM_CACHE_DIR``, or the system's place for caches.

    That place is ``$XDG_CACHE_HOME/ketasim`` or ``~/.cache/ketasim``, on macOS
    ``~/Library/Caches/ketasim`` and on Windows ``%LOCALAPPDATA%\ketasim\Cache``.
    ``KETASIM_CACHE_DIR=off``, or an empty one, is no disk at all; so is a missing home.

    Returns
    -------
    KernelCache
        The cache; its folder need not exist yet.
    """
    given = os.environ.get("KETASIM_CACHE_DIR")
    if given is not None and given.strip().lower() in ("", "off"):
        return KernelCache(None)
    try:
        return KernelCache(_user_folder() if given is None else Path(given).expanduser())
    except RuntimeError:  # there is no home
        _log.debug("kernel cache: no home folder is known; compiled code is not kept")
        return KernelCache(None)


def _user_folder() -> Path:
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "ketasim" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ketasim"
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG rules say that a relative path is to be ignored.
    return (named if named.is_absolute() else Path.home() / ".cache") / "ketasim"


def _header(key: str, payload: bytes) -> bytes:
    fields = _FIELDS.pack(_MAGIC, _VERSION, key.encode(), len(payload), hashlib.sha256(payload).digest())
    return fields + hashlib.sha256(fields).digest()


def _read(path: Path, key: str) -> bytes | None:
    """Return the payload of an entry, or None if there is none to be believed."""
    try:
        if not _is_private(path.parent):
            return None
        with open(path, "rb", opener=lambda name, _: os.open(name, _OPEN)) as file:
            status = os.fstat(file.fileno())
            regular = stat.S_ISREG(status.st_mode) and _is_ours(status)
            # What is larger than all entries together is none, and is not read into memory.
            sound = regular and _HEADER <= status.st_size <= _LARGEST_BYTES
            raw = file.read() if sound else b""
    except OSError as error:
        if not isinstance(error, FileNotFoundError):
            _log.debug("kernel cache: %s could not be read: %s", path, error)
        return None
    payload = raw[_HEADER:]
    # One comparison sees another magic, version, key, length or digest.
    if raw[:_HEADER] != _header(key, payload):
        _log.debug("kernel cache: %s is damaged or foreign; it is made again", path)
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return payload


def _keep(path: Path, key: str, payload: bytes) -> None:
    """Write an entry if that is possible."""
    folder = path.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(folder):
            _log.debug(
                "kernel cache: %s belongs to someone else or others can write in it, so it is not used; "
                "make it yours alone (chmod 700) or set KETASIM_CACHE_DIR",
                folder,
            )
            return
        handle, partial = tempfile.mkstemp(dir=folder, prefix=_PARTIAL, suffix=_SUFFIX)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_header(key, payload))
                file.write(payload)
            os.replace(partial, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial)
            raise
        _shrink(folder, path)
    except OSError as error:
        _log.debug("kernel cache: %s could not be kept: %s", path, error)


def _shrink(folder: Path, newest: Path) -> None:
    """Drop the entries that were not used for longest, beyond what the folder may hold.

    Only files with the names of entries are touched, whatever else the user keeps there. An
    entry that another process removes meanwhile is gone already.
    """
    entries: list[tuple[bool, float, int, Path]] = []
    for path in folder.glob(f"*{_SUFFIX}"):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if path.name.startswith(_PARTIAL):
                if time.time() - status.st_mtime > _STALE:
                    path.unlink()
            elif _KEY.fullmatch(path.stem) and not stat.S_ISDIR(status.st_mode):
                # The newest is kept also where a clock is wrong.
                entries.append((path == newest, status.st_mtime, status.st_size, path))
    entries.sort(reverse=True)
    total = 0
    for count, (_, _, size, path) in enumerate(entries, start=1):
        total += size
        if count > _LARGEST_COUNT or total > _LARGEST_BYTES:
            with contextlib.suppress(OSError):
                path.unlink()


def _is_private(folder: Path) -> bool:
    """Whether a folder, and a link that leads to it, belong to this user, and nobody else can write in it."""
    status = folder.stat()
    return stat.S_ISDIR(status.st_mode) and _is_ours(status) and _is_owned(folder.lstat())


def _is_ours(status: os.stat_result) -> bool:
    """Whether a file or folder belongs to this user and nobody else can write it."""
    return _is_owned(status) and (sys.platform == "win32" or not status.st_mode & _OTHERS)


def _is_owned(status: os.stat_result) -> bool:
    if sys.platform == "win32":  # files there have no owner of this kind
        return True
    return status.st_uid == os.geteuid()
