"""Checks that every equation of a stage is right in its dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ketasim._lazy import lazy_module
from ketasim.errors import UnitError

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["Dimension", "infer", "times"]

#: Exponents of the package's base dimensions.
Dimension = tuple[float, ...]

NONE: Dimension = (0.0,) * 6
TIME: Dimension = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
_NAMES = ("time", "substance", "length", "mass", "score", "pressure")


def times(first: Dimension, second: Dimension, power: float = 1.0) -> Dimension:
    """Dimension of ``first * second**power``."""
    return tuple(round(a + power * b, 9) for a, b in zip(first, second, strict=True))


def show(dimension: Dimension) -> str:
    """Write a dimension in words."""
    parts = [f"{name}^{power:g}" for name, power in zip(_NAMES, dimension, strict=True) if power]
    return " ".join(parts) or "a pure number"


def infer(expression: sp.Expr, known: Mapping[sp.Symbol, Dimension]) -> Dimension:
    """Return the dimension of an expression.

    Raises
    ------
    UnitError
        If things of different dimension are added, or a power, exponential or
        logarithm is taken of something with a dimension.
    """
    if expression.is_Symbol:
        return known[expression]
    if expression.is_number:
        return NONE
    if expression.is_Add:
        found = [(term, infer(term, known)) for term in expression.args]
        for term, dimension in found[1:]:
            if dimension != found[0][1]:
                raise UnitError(
                    f"{found[0][0]} ({show(found[0][1])}) and {term} ({show(dimension)}) are added."
                )
        return found[0][1]
    if expression.is_Mul:
        total = NONE
        for factor in expression.args:
            total = times(total, infer(factor, known))
        return total
    if expression.is_Pow:
        base = infer(expression.base, known)
        if base == NONE:
            _require_number(expression.exp, known)
            return NONE
        if not expression.exp.is_number:
            raise UnitError(f"{expression.base} ({show(base)}) is raised to the power {expression.exp}.")
        return times(NONE, base, float(expression.exp))
    for argument in expression.args:
        _require_number(argument, known)
    return NONE


def _require_number(expression: sp.Expr, known: Mapping[sp.Symbol, Dimension]) -> None:
    dimension = infer(expression, known)
    if dimension != NONE:
        raise UnitError(f"{expression} must be a pure number here, but is {show(dimension)}.")
