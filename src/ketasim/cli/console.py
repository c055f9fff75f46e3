"""What goes to the screen: tables, JSON, numbers and complaints."""

from __future__ import annotations

import errno
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = [
    "INTERRUPTED",
    "REFUSED",
    "complain",
    "describe",
    "number",
    "output",
    "plain_table",
    "span",
    "without_nan",
    "write_json",
]

#: Exit code for input that cannot be used.
REFUSED = 2
#: Exit code after Ctrl-C: 128 and the number of the signal.
INTERRUPTED = 130

#: Columns of a table that goes to a file or another program.
_PIPE_WIDTH = 140


def output() -> Console:
    """The console for results: the terminal's width, or a wide page when there is none."""
    width = None if sys.stdout.isatty() else _PIPE_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False)


def complain(message: str) -> None:
    """Write one paragraph to the error stream."""
    print("Error: " + " ".join(message.split()), file=sys.stderr, flush=True)


def describe(error: BaseException) -> str:
    """Say in plain words what went wrong.

    Parameters
    ----------
    error : BaseException
        An error of Ketasim, which speaks for itself, or one of the system.

    Returns
    -------
    str
        One sentence or more.
    """
    if isinstance(error, MemoryError):
        return "this computer has not enough memory for that; use fewer --subjects or fewer --workers."
    if not isinstance(error, OSError):
        return str(error)
    where = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{where}; make room, or write to another place."
    reason = error.strerror or str(error)
    return f"a file cannot be read or written{where}: {reason}. Check the path and who may write there."


def without_nan(value: Any) -> Any:
    """Copy plain data with null in place of numbers that JSON does not have."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def write_json(value: Any) -> None:
    """Write plain data as JSON to the output."""
    sys.stdout.write(json.dumps(without_nan(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def number(value: Any) -> str:
    """A number with four significant figures; a dash if there is none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    # Adding zero turns a negative zero into a plain one.
    return str(value) if isinstance(value, (str, int)) else f"{value + 0.0:.4g}"


def span(hours: float | None, digits: int = 3) -> str:
    """A length of time in the unit that reads best; a dash if there is none."""
    if hours is None or not math.isfinite(hours):
        return "-"
    size = abs(hours)
    if 0.0 < size < 1.0 / 60.0:
        return f"{3600.0 * hours:.{digits}g} s"
    if size < 2.0:
        return f"{60.0 * hours:.{digits}g} min"
    return f"{hours:.{digits}g} h" if size < 72.0 else f"{hours / 24.0:.{digits}g} d"


def plain_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str = "", right: Sequence[str] = ()
) -> Table:
    """Lay out text in columns; long cells are folded, never cut.

    Parameters
    ----------
    columns : sequence of str
        Headings.
    rows : iterable of sequence of str
        Cells, as plain text.
    title : str
        Shown above.
    right : sequence of str
        Columns that are set flush right.
    """
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table
