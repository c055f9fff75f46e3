"""What is wrong with a scenario: where, what was given, what is allowed, and what to write."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from ketasim.errors import KetasimError

__all__ = ["Fault", "ScenarioError", "collected", "told_fault", "unknown_choice"]

_Given = TypeVar("_Given")
_Found = TypeVar("_Found")
#: How other layers name what comes nearest; see :func:`ketasim.errors.unknown_name`.
_NEAREST: Final = "the nearest valid name is '"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Parameters
    ----------
    path : str
        Where in the scenario, such as ``person.weight``.
    message : str
        What is wrong, in a sentence.
    value : object
        What was given.
    allowed : str
        What is allowed, in words; empty if that needs more than a few.
    nearest : str or None
        The valid text that comes nearest.
    hint : str
        What to do.
    """

    path: str
    message: str
    value: Any = None
    allowed: str = ""
    nearest: str | None = None
    hint: str = ""

    def inside(self, path: str) -> Fault:
        """The same fault in a scenario that is a part of something."""
        return replace(self, path=f"{path}.{self.path}" if self.path else path)


class ScenarioError(KetasimError, ValueError):
    """A scenario, or how it is to be simulated, cannot be used.

    Parameters
    ----------
    faults : sequence of Fault
        At least one.
    """

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__(" ".join(_sentence(fault) for fault in self.faults))

    @property
    def path(self) -> str:
        """Where the first fault is."""
        return self.faults[0].path

    @property
    def value(self) -> Any:
        """What was given there."""
        return self.faults[0].value

    @property
    def allowed(self) -> str:
        """What is allowed there."""
        return self.faults[0].allowed

    @property
    def nearest(self) -> str | None:
        """The valid text that comes nearest."""
        return self.faults[0].nearest

    @property
    def hint(self) -> str:
        """What to do."""
        return self.faults[0].hint

    def inside(self, path: str) -> ScenarioError:
        """The same error in a scenario that is a part of something."""
        return ScenarioError([fault.inside(path) for fault in self.faults])


def _sentence(fault: Fault) -> str:
    where = f"{fault.path}: " if fault.path else ""
    hint = f" {fault.hint}" if fault.hint and fault.hint not in fault.message else ""
    return f"{where}{fault.message}{hint}"


def unknown_choice(path: str, what: str, value: str, allowed: Iterable[str]) -> Fault:
    """A name that is none of those allowed.

    Parameters
    ----------
    path, value : str
        Where, and what was given.
    what : str
        What the name stands for, such as ``"control"``.
    allowed : iterable of str
        The names that exist.
    """
    names = list(allowed)
    lowered = {name.lower(): name for name in names}
    found = difflib.get_close_matches(str(value).lower(), lowered, n=1, cutoff=0.4)
    nearest = lowered[found[0]] if found else None
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    hint = f"Write {nearest!r}." if nearest else f"Write one of: {shown}."
    return Fault(path, f"unknown {what} {value!r}.", value, shown, nearest, hint)


def told_fault(path: str, message: str, value: Any) -> Fault:
    """The fault that an error of another layer tells of, with the nearest name that it gives."""
    nearest = message.split(_NEAREST, 1)[1].split("'", 1)[0] if _NEAREST in message else None
    return Fault(path, message, value, "", nearest, f"Write {nearest!r}." if nearest else "")


def collected(faults: list[Fault], read: Callable[[_Given], _Found], given: _Given) -> _Found | None:
    """What is read, or nothing and its faults added to those found so far."""
    try:
        return read(given)
    except ScenarioError as error:
        faults.extend(error.faults)
    return None
