"""Smooth functions that several stages use, on symbols or numbers alike."""

from __future__ import annotations

from typing import Any

import sympy as sp

__all__ = ["hill", "logistic", "positive", "softplus"]

#: Where a concentration is this share of its half-effect value, it is as good as none.
_FLOOR = sp.Float("1e-6")


def positive(value: Any) -> Any:
    """Smooth positive part of a pure number; about 5e-7 at zero.

    Powers need a positive base, and a solver may undershoot zero by its
    tolerance: this keeps both true without a kink.
    """
    # Not value**2: SymPy would square each factor, powers and exponentials among them, anew.
    square = sp.Mul(value, value, evaluate=False) if isinstance(value, sp.Expr) else value**2
    return (value + sp.sqrt(square + _FLOOR**2)) / 2


def hill(concentration: Any, half: Any, exponent: Any) -> Any:
    """Sigmoid Emax share: c^n / (half^n + c^n)."""
    share = positive(concentration / half) ** exponent
    return share / (1 + share)


def logistic(value: Any) -> Any:
    """Logistic function, 1 / (1 + exp(-value))."""
    return 1 / (1 + sp.exp(-value))


def softplus(value: Any, steepness: Any) -> Any:
    """Smooth positive part of larger numbers: log(1 + exp(steepness * value)) / steepness."""
    return sp.log(1 + sp.exp(steepness * value)) / steepness
