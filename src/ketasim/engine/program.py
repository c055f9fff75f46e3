"""What is known of a system to who only runs it: names, sizes and scales.

It is small and made of plain data, so that it is kept on disk beside the machine code.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

__all__ = ["Program"]

#: Prefix of the input that holds the rate of infusion into a state.
_FORCING = "infusion_into_"


@dataclass(frozen=True)
class Program:
    """A system as its kernels take it.

    Parameters
    ----------
    state_names, parameters, outside, quantities : tuple of str
        Names, in the order in which kernels take them; ``outside`` are the system's inputs.
    forced : tuple of str
        States that can be infused into.
    scales : tuple of float
        A typical size of each state.
    slots : int
        Terms without a state that are kept in memory.
    factors : int
        Numbers in the factors of the Jacobian.
    """

    state_names: tuple[str, ...]
    parameters: tuple[str, ...]
    outside: tuple[str, ...]
    quantities: tuple[str, ...]
    forced: tuple[str, ...]
    scales: tuple[float, ...]
    slots: int
    factors: int

    @cached_property
    def state_places(self) -> dict[str, int]:
        """Place of each state by name."""
        return {name: place for place, name in enumerate(self.state_names)}

    @cached_property
    def inputs(self) -> tuple[str, ...]:
        """Names of what is constant between events: inputs, then rates of infusion."""
        return (*self.outside, *map(self.forcing, self.forced))

    @staticmethod
    def forcing(state: str) -> str:
        """Name of the input that holds the rate of infusion into a state."""
        return _FORCING + state

    def to_bytes(self) -> bytes:
        """Write it; numbers come back as they are, to the last bit."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Program:
        """Read what :meth:`to_bytes` wrote."""
        found: dict[str, Any] = json.loads(raw)
        return cls(**{name: _frozen(item) for name, item in found.items()})


def _frozen(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item
