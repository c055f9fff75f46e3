"""A system that is derived when its equations are wanted, and known by a digest before that.

To derive the equations of a large model and to print its kernels takes longer than to run them. Where a
digest tells that nothing has changed, machine code that lies on the disk is found without either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ketasim.engine.cache import KernelCache
from ketasim.engine.system import System

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """How to make a system.

    Parameters
    ----------
    make : function
        Derives it; called once, and only if it is needed.
    digest : str, optional
        A text that is another one whenever the system is: of everything that it is derived from, and
        derived with. Without it nothing can be found on the disk before the system is made.
    """

    make: Callable[[], System]
    digest: str | None = None

    @cached_property
    def system(self) -> System:
        """The equations."""
        return self.make()

    def with_clamps(self, names: tuple[str, ...]) -> Recipe:
        """As :meth:`System.with_clamps`."""
        return self._changed(lambda: self.system.with_clamps(names), "clamps", *names) if names else self

    def exchanged(self, state: str, parameter: str) -> Recipe:
        """As :meth:`System.exchanged`."""
        return self._changed(lambda: self.system.exchanged(state, parameter), "exchanged", state, parameter)

    def _changed(self, make: Callable[[], System], *how: str) -> Recipe:
        return Recipe(make, None if self.digest is None else KernelCache.make_key(self.digest, *how))
