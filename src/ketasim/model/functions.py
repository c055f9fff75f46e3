"""Smooth functions that several stages use, on symbols or numbers alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ketasim._lazy import lazy_module

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["exp", "hill", "logistic", "positive", "power", "softplus"]

#: Where a concentration is this share of its half-effect value, it is as good as none.
_FLOOR = "1e-6"


def exp(value: Any) -> Any:
    """Exponential, as it stands; see :func:`power`."""
    return sp.exp(value, evaluate=False)


def power(base: Any, exponent: Any) -> Any:
    """``base**exponent``, as it stands.

    SymPy asks whether terms can be zero or infinite before it takes a power of their sum. For
    sums of powers that takes longer than all the rest of the chain, and leaves them as they are.
    """
    if not isinstance(base, sp.Expr):
        return base**exponent
    from ketasim.model.finite_power import FinitePower

    return FinitePower(base, exponent, evaluate=False)


def _product(first: Any, second: Any) -> Any:
    """Product of two, as it stands."""
    return sp.Mul(first, second, evaluate=False) if isinstance(second, sp.Expr) else first * second


def positive(value: Any) -> Any:
    """Smooth positive part of a pure number; about 5e-7 at zero.

    Powers need a positive base, and a solver may undershoot zero by its
    tolerance: this keeps both true without a kink.
    """
    # Not value**2 or a halved sum: SymPy would square or halve each term, powers among them, anew.
    return _product(sp.S.Half, value + power(_product(value, value) + sp.Float(_FLOOR) ** 2, sp.S.Half))


def hill(concentration: Any, half: Any, exponent: Any) -> Any:
    """Sigmoid Emax share: c^n / (half^n + c^n)."""
    share = power(positive(concentration / half), exponent)
    return share * power(1 + share, -1)


def logistic(value: Any) -> Any:
    """Logistic function, 1 / (1 + exp(-value))."""
    return power(1 + exp(-value), -1)


def softplus(value: Any, steepness: Any) -> Any:
    """Smooth positive part of larger numbers: log(1 + exp(steepness * value)) / steepness."""
    return sp.log(1 + exp(steepness * value), evaluate=False) / steepness
