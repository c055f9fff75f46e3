"""What a stage of the causal chain is.

A stage is one file: a small class that says which states it has, what it reads
from other stages and what it provides, and one method that returns rates and
read-outs as ordinary arithmetic on symbols. Its parameters stand in a table of
the same name under ``model/parameters``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from ketasim._lazy import lazy_module
from ketasim.errors import ModelError, unknown_name

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["Between", "Derived", "Equations", "Input", "Provides", "Reads", "Stage", "State", "Symbols"]


@dataclass(frozen=True)
class State:
    """A quantity that the solver integrates.

    Parameters
    ----------
    name, unit, label : str
        Public name, unit and plain description.
    scale : float
        A typical size in ``unit``; the solver's absolute tolerance follows it.
    healthy : float
        First guess of the healthy resting value, in ``unit``.
    positive : bool
        Whether it is above zero for good, so that equations may take powers of it.
    """

    name: str
    unit: str
    label: str
    scale: float = 1.0
    healthy: float = 0.0
    positive: bool = False


@dataclass(frozen=True)
class Provides:
    """A quantity that a stage gives to others and to the user.

    ``reference`` says what a ratio is relative to: ``healthy`` (a healthy
    person's resting value is 1) or ``none`` for an absolute quantity.
    ``display`` is the unit in which it is shown; it has the dimension of ``unit``.
    ``low`` and ``high`` bound what a clamp may set, in the shown unit.
    """

    name: str
    unit: str
    label: str
    reference: str = "none"
    display: str = ""
    low: float = 0.0
    high: float = math.inf

    @property
    def shown_unit(self) -> str:
        """The unit in which values leave the package."""
        return self.display or self.unit


@dataclass(frozen=True)
class Reads:
    """A quantity that a stage needs from another one."""

    name: str
    unit: str
    reference: str = "none"


@dataclass(frozen=True)
class Input:
    """Something from outside that is constant between events, such as life stress."""

    name: str
    unit: str
    label: str
    default: float = 0.0


@dataclass(frozen=True)
class Derived:
    """A parameter that is computed from others when a patient is set up.

    ``compute`` gets the stage's parameters by name, each in its table's unit: numbers, or
    arrays with one number a person.
    """

    name: str
    unit: str
    label: str
    compute: Callable[[Mapping[str, Any]], Any]


class Between(dict[str, Any]):
    """Named pure numbers inside a stage: calling it keeps an expression and returns its symbol."""

    def __call__(self, name: str, expression: Any) -> sp.Symbol:
        """Keep an expression under a name; the symbol stands for it."""
        if name in self:
            raise ModelError(f"{name!r} is kept twice; name each value of a stage once.")
        self[name] = expression
        return sp.Symbol(name, real=True)


@dataclass(frozen=True)
class Equations:
    """What a stage's method returns.

    Parameters
    ----------
    rates : dict of str to expression
        Rate of change of each state.
    provides : dict of str to expression
        Value of each provided quantity.
    between : Between, optional
        Pure numbers that the stage's own equations use by name, so that each is written, and
        differentiated, once.
    """

    rates: dict[str, Any]
    provides: dict[str, Any]
    between: Between = field(default_factory=Between)


class Symbols:
    """Symbols by name, as attributes or items; a name that was not declared is an error."""

    def __init__(self, symbols: Mapping[str, sp.Symbol], owner: str, kind: str) -> None:
        self._symbols = dict(symbols)
        self._owner = owner
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        try:
            return self._symbols[name]
        except KeyError:
            message = unknown_name(self._kind, name, self._symbols)
            raise ModelError(f"stage {self._owner!r}: {message} Declare it in the stage.") from None


@dataclass(frozen=True)
class Stage(ABC):
    """Base of all stages; see the module's text."""

    name: ClassVar[str]
    title: ClassVar[str]
    section: ClassVar[str]
    states: ClassVar[tuple[State, ...]] = ()
    reads: ClassVar[tuple[Reads, ...]] = ()
    provides: ClassVar[tuple[Provides, ...]] = ()
    inputs: ClassVar[tuple[Input, ...]] = ()
    derived: ClassVar[tuple[Derived, ...]] = ()
    borrowed: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def equations(self, x: Symbols, p: Symbols, q: Symbols, u: Symbols) -> Equations:
        """Return rates and read-outs.

        Parameters
        ----------
        x, p, q, u : Symbols
            The stage's states, its parameters, the quantities that it reads or
            provides, and its inputs.
        """
