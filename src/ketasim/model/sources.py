"""A digest of all that the equations are derived from, known before they are derived."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ketasim._begun import BEGUN
from ketasim.engine.cache import KernelCache

__all__ = ["PACKAGES", "source_digest"]

#: Packages that equations are written in, read from or derived with; also the modules of ``ketasim`` itself.
PACKAGES = ("brain", "circuit", "dosing", "engine", "model")
_KINDS = (".py", ".csv", ".json")
#: Libraries that decide what an expression looks like.
_LIBRARIES = ("sympy", "mpmath", "numpy")
#: Clocks of files run in steps, and may lag a little, in seconds.
_CLOCK_S = 1.0


@cache
def source_digest(*others: str) -> str | None:
    """Digest of the files of the package, and of what they are read by.

    Parameters
    ----------
    *others : str
        More files, relative to the package.

    Returns
    -------
    str or None
        None if a file changed after this process had begun: what was loaded may then be older than
        what the file holds. Also if there are no files, as where the package is run from an archive.
    """
    parts: list[str | bytes] = [platform.python_version(), *map(_version, _LIBRARIES)]
    root = Path(__file__).parents[1]
    try:
        for path in (*_files(root), *(root / other for other in others)):
            status = path.stat()
            if max(status.st_mtime, status.st_ctime) > BEGUN - _CLOCK_S:
                return None
            parts += [path.relative_to(root).as_posix(), path.read_bytes()]
    except OSError:
        return None
    return KernelCache.make_key(*parts)


def _files(root: Path) -> Iterator[Path]:
    yield from sorted(path for path in root.iterdir() if path.suffix in _KINDS)
    for package in PACKAGES:
        yield from sorted(path for path in (root / package).rglob("*") if path.suffix in _KINDS)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "unknown"
