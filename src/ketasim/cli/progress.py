"""Progress of a long run: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ketasim.cli.console import span

__all__ = ["Watcher", "watching"]

#: Plain lines a phase, at most: one in a tenth of the work.
_LINES = 10


@dataclass
class Watcher:
    """Told by a run how far it is.

    Parameters
    ----------
    bars : rich.progress.Progress or None
        The bars of a terminal; None for plain lines.
    opening : rich.progress.TaskID or None
        The bar shown before the first report; it goes when the first phase begins.
    """

    bars: Progress | None
    opening: TaskID | None = None
    _tasks: dict[str, TaskID] = field(default_factory=dict)
    _shown: dict[str, int] = field(default_factory=dict)
    _start: float = field(default_factory=time.monotonic)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` parts of a phase are finished."""
        if self.bars is None:
            self._line(phase, done, total)
            return
        if self.opening is not None:
            self.bars.remove_task(self.opening)
            self.opening = None
        if phase not in self._tasks:
            self._tasks[phase] = self.bars.add_task(phase, total=total)
        self.bars.update(self._tasks[phase], completed=done, total=total)

    def _line(self, phase: str, done: int, total: int) -> None:
        """Write a line when a phase begins, at its first part, and at each tenth of it."""
        tenth = done * _LINES // max(total, 1)
        first = phase not in self._shown
        if not first and tenth <= self._shown[phase]:
            return
        self._shown[phase] = tenth
        if total == 1:
            if first:
                print(phase, file=sys.stderr, flush=True)
            return
        left = ""
        if 0 < done < total:
            hours = (time.monotonic() - self._start) / done * (total - done) / 3600.0
            left = f", about {span(hours, 2)} left"
        print(f"{phase}: {done} of {total} parts{left}", file=sys.stderr, flush=True)


@contextmanager
def watching(first: str) -> Iterator[Watcher]:
    """Show progress on the error stream while the block runs.

    Parameters
    ----------
    first : str
        What goes on before the first report; shown on a terminal only.
    """
    if not sys.stderr.isatty():
        yield Watcher(None)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Transient: an error or a result then stands alone.
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        opening = bars.add_task(first, total=None)
        yield Watcher(bars, opening)
