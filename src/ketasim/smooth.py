"""The smooth step that all closed-form surfaces are made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["smooth_step"]


def smooth_step(x: Any, power: Callable[[Any, Any], Any] = pow) -> Any:
    """Smooth odd step ``x / sqrt(1 + x^2)``: slope 1 at zero, limits -1 and 1.

    Parameters
    ----------
    x : number, array or symbol
        Where.
    power : function
        Takes a base and an exponent; the model has its own for symbols.
    """
    return x / power(1.0 + power(x, 2), 0.5)
