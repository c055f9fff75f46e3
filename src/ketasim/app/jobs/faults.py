"""What can go wrong with long runs beside what goes wrong with all input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ketasim import errors
from ketasim.errors import KetasimError

__all__ = ["BusyError", "ChangedError", "NoSuchJobError", "problem_error"]


class BusyError(KetasimError):
    """The queue of long runs is full."""


class ChangedError(KetasimError):
    """A run was begun with another model, or other values."""


class NoSuchJobError(KetasimError, LookupError):
    """There is no such run."""


def problem_error(problem: Mapping[str, Any]) -> KetasimError | None:
    """The error of Ketasim that a process told of; None if it was none.

    Parameters
    ----------
    problem : mapping
        ``kind``, the name of a class, and ``message``.
    """
    kind = getattr(errors, str(problem.get("kind")), None)
    if isinstance(kind, type) and issubclass(kind, KetasimError):
        return kind(str(problem.get("message")))
    return None
