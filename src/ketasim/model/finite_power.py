"""A power that SymPy knows to be finite; apart, since its class needs SymPy to be loaded."""

from __future__ import annotations

import sympy as sp

__all__ = ["FinitePower"]


class FinitePower(sp.Pow):  # type: ignore[misc]
    """A power that SymPy knows to be finite. It does not equal a plain one; the engine merges both."""

    is_finite = True
