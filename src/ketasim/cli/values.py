"""Values that a user gives: read, bounded, and told apart from faults of the program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ketasim.errors import ModelError, SolverError, unknown_name

__all__ = ["FIGURES", "computable", "require_figure", "require_place", "whole_number"]

#: Kinds of figure that can be written.
FIGURES = (".svg", ".png", ".pdf")


def whole_number(option: str, text: str, what: str, low: int, high: int) -> int:
    """Read a whole number that was given to an option.

    Parameters
    ----------
    option, text : str
        The option and what was given, such as ``"20"`` or ``"1e3"``.
    what : str
        What it counts, for the error.
    low, high : int
        The smallest and the largest value allowed.

    Returns
    -------
    int

    Raises
    ------
    ModelError
        If it is no whole number, or out of range.
    """
    try:
        # Plain digits are not read as a float, which would round a large seed.
        value = int(text) if text.strip().lstrip("+-").isdigit() else int(float(text))
        whole = value == float(text)
    except (ValueError, OverflowError):
        value, whole = low, False
    if not whole:
        raise ModelError(f"{option}: {text!r} is not {what}; give a whole number from {low} to {high:,}.")
    if not low <= value <= high:
        raise ModelError(
            f"{option}: {text} is out of range; give {what} from {low} to {high:,}. The nearest value "
            f"allowed is {min(max(value, low), high)}."
        )
    return value


@contextmanager
def computable(origin: str) -> Iterator[None]:
    """Blame values that a user has set when they break the arithmetic of the model.

    Parameters
    ----------
    origin : str
        The option and its values; empty if nothing was set, and then nothing is caught.

    Raises
    ------
    ModelError
        In place of an arithmetic error, such as a division by zero, or of a failure to solve.
    """
    try:
        yield
    except (ArithmeticError, SolverError) as error:
        if not origin:
            raise
        raise ModelError(
            f"{origin}: the equations cannot be computed with this ({error}). Times, volumes and masses must "
            "be above 0; 'ketasim list parameters' shows the range of each parameter."
        ) from error


def require_place(option: str, path: Path) -> None:
    """Refuse a path at which no file can be written.

    Raises
    ------
    ModelError
        If it is a folder, or its folder does not exist.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise ModelError(f"{option} {path}: this is not a file in an existing folder; choose another path.")


def require_figure(option: str, path: Path) -> None:
    """Refuse a figure that cannot be written, before anything is simulated.

    Raises
    ------
    ModelError
        If the ending is no kind of figure, or no file can be written there.
    """
    if path.suffix.lower() not in FIGURES:
        raise ModelError(
            f"{option} {path}: {unknown_name('kind of figure', path.suffix, FIGURES)} "
            f"Write for example {path.stem or 'figure'}.svg."
        )
    require_place(option, path)
