"""What the commands of circuit and brain share: places to write, figures, JSON, and compiled work."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, TypeVar

from ketasim.cli.console import without_nan, write_json
from ketasim.cli.values import require_place
from ketasim.errors import ModelError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["aside", "draw", "require_file", "require_folder", "to_screen", "until", "write_numbers"]

_Result = TypeVar("_Result")


def require_file(option: str, path: Path | None) -> None:
    """Refuse a file that cannot be written, before anything is computed; ``-`` is the screen.

    Raises
    ------
    ModelError
        If it is a folder, its folder does not exist, or nothing may be written there.
    """
    if path is None or str(path) == "-":
        return
    require_place(option, path)
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ModelError(f"{option} {path}: nothing may be written there; choose another path.")


def require_folder(option: str, path: Path | None) -> None:
    """Refuse a folder that cannot be made or written, before anything is computed.

    Raises
    ------
    ModelError
        If a file is in its way, or nothing may be written where it would be.
    """
    if path is None:
        return
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir():
        raise ModelError(f"{option} {path}: {there} is a file; choose a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ModelError(f"{option} {path}: nothing may be written in {there}; choose another folder.")


def aside(work: Callable[..., _Result], *arguments: Any, stop: Event | None = None) -> _Result:
    """Do compiled work in another thread: Ctrl-C inside it would come out as a fault of the compiler.

    After Ctrl-C the work is waited for; ``stop`` is set before, so that work which reports through
    :func:`until` ends at its next report.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(work, *arguments).result()
        except BaseException:
            if stop is not None:
                stop.set()
            raise


def until(stop: Event, report: Callable[..., None]) -> Callable[..., None]:
    """Return a report of progress that ends the work once ``stop`` is set."""

    def tell(*arguments: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        report(*arguments)

    return tell


def draw(folder: Path, figures: Iterable[tuple[str, Figure]]) -> None:
    """Write figures by name into a folder, which is made, and say so on the error stream."""
    from ketasim.report.style import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures:
        for path in save_figure(figure, folder, name):
            print(f"figure: {path}", file=sys.stderr)


def to_screen(path: Path | None) -> bool:
    """Whether JSON was asked for in place of tables."""
    return str(path) == "-"


def write_numbers(found: Any, path: Path | None) -> None:
    """Write plain data as JSON to the screen (``-``) or to a file, or not at all (None)."""
    if path is None:
        return
    if to_screen(path):
        write_json(found)
        return
    text = json.dumps(without_nan(found), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    print(f"JSON: {path}", file=sys.stderr)
