"""Turns a system's expressions into plain Python functions.

One text is made for each system: the body of a factory that takes parameters
and inputs and returns the right-hand side, its Jacobian and the read-outs. With
scalar functions it feeds SciPy's solvers; with NumPy functions the same text
evaluates the read-outs at many times at once.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.function import Application
from sympy.printing.pycode import PythonCodePrinter

from ketasim.engine.system import System
from ketasim.errors import ModelError

__all__ = ["GeneratedCode"]

#: Functions that every back end knows.
_FUNCTIONS = (sp.exp, sp.log)
#: Names that the generated text uses itself.
_RESERVED = frozenset({"exp", "log", "make", "p", "u", "y", "t", "rhs", "jacobian", "read_outs"})


class _Printer(PythonCodePrinter):  # type: ignore[misc]
    """Prints numbers as floats and functions by their bare names."""

    def _print_Rational(self, expr: Any) -> str:
        return repr(float(expr))

    def _print_Integer(self, expr: Any) -> str:
        return repr(float(expr))

    def _print_exp(self, expr: Any) -> str:
        return f"exp({self._print(expr.args[0])})"

    def _print_log(self, expr: Any) -> str:
        return f"log({self._print(expr.args[0])})"

    def _print_Pow(self, expr: Any, rational: bool = False) -> str:  # noqa: ARG002
        base, exponent = self.parenthesize(expr.base, 1000), expr.exp
        if exponent == -1:
            return f"(1.0/{base})"
        if exponent.is_Integer and 2 <= exponent <= 4:
            return "(" + "*".join([base] * int(exponent)) + ")"
        return f"{base}**{self.parenthesize(exponent, 1000)}"


def _names(symbols: Sequence[sp.Symbol]) -> str:
    return "".join(f"{symbol.name}, " for symbol in symbols)


@dataclass(frozen=True)
class GeneratedCode:
    """The functions of one system, as text and compiled.

    Parameters
    ----------
    system : System
        The equations.
    """

    system: System

    @cached_property
    def source(self) -> str:
        """The generated text of the factory ``make(p, u)``."""
        system, show = self.system, _Printer().doprint
        self._check()
        unpack_states = [f"({_names(system.states)}) = y"]
        read_outs = [f"{name.name} = {show(rhs)}" for name, rhs in system.quantities.items()]
        needed = self._needed_by_rates()
        before_rates = [
            f"{name.name} = {show(rhs)}" for name, rhs in system.quantities.items() if name in needed
        ]
        rates = ", ".join(show(rate) for rate in system.rates)
        derivative_lines, entries = self._jacobian(show, needed)
        blocks = [
            ("rhs(y, t=0.0)", [*unpack_states, *before_rates, f"return ({rates},)"]),
            (
                "jacobian(y, t=0.0)",
                [
                    *unpack_states,
                    *before_rates,
                    *derivative_lines,
                    f"return ({''.join(f'{entry}, ' for entry in entries)})",
                ],
            ),
            ("read_outs(y)", [*unpack_states, *read_outs, f"return ({_names(tuple(system.quantities))})"]),
        ]
        lines = ["def make(p, u):"]
        if system.parameters:
            lines.append(f"    ({_names(system.parameters)}) = p")
        if system.inputs:
            lines.append(f"    ({_names(system.inputs)}) = u")
        for head, body in blocks:
            lines.append(f"    def {head}:")
            lines += [f"        {line}" for line in body]
        lines.append("    return rhs, jacobian, read_outs")
        return "\n".join(lines)

    @cached_property
    def jacobian_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows and columns of the Jacobian's structural non-zeros."""
        places = np.array(self._pattern, dtype=np.intp).reshape(-1, 2)
        return places[:, 0], places[:, 1]

    @cached_property
    def scalar(self) -> Callable[..., Any]:
        """The factory with functions of single floats, fast for one patient."""
        return self._compile(math.exp, math.log)

    @cached_property
    def vector(self) -> Callable[..., Any]:
        """The factory with NumPy functions, for arrays of times or patients."""
        return self._compile(np.exp, np.log)

    def _check(self) -> None:
        """Refuse what the generated text could not say."""
        system = self.system
        for symbol in (*system.states, *system.parameters, *system.inputs, *system.quantities):
            name = symbol.name
            if not name.isidentifier() or keyword.iskeyword(name) or name in _RESERVED:
                raise ModelError(f"{name!r} cannot be the name of a state, parameter or quantity; rename it.")
        for expression in (*system.rates, *system.quantities.values()):
            for call in expression.atoms(Application):
                if not isinstance(call, _FUNCTIONS):
                    raise ModelError(
                        f"{call}: equations may use exp and log, and powers, but no other function."
                    )

    def _compile(self, exp: Callable[..., Any], log: Callable[..., Any]) -> Callable[..., Any]:
        namespace: dict[str, Any] = {"exp": exp, "log": log}
        exec(compile(self.source, "<ketasim equations>", "exec"), namespace)  # noqa: S102
        factory: Callable[..., Any] = namespace["make"]
        return factory

    def _needed_by_rates(self) -> set[sp.Symbol]:
        needed: set[sp.Symbol] = set()
        for rate in self.system.rates:
            needed |= rate.free_symbols
        for name, expression in reversed(self.system.quantities.items()):
            if name in needed:
                needed |= expression.free_symbols
        return needed & set(self.system.quantities)

    @cached_property
    def _state_dependence(self) -> dict[sp.Symbol, list[sp.Symbol]]:
        """For each quantity the states that it depends on, directly or through others."""
        found: dict[sp.Symbol, list[sp.Symbol]] = {}
        position = {state: i for i, state in enumerate(self.system.states)}
        for name, partials in self.system.quantity_partials.items():
            states: set[sp.Symbol] = set()
            for symbol in partials:
                states |= {symbol} if symbol in position else set(found[symbol])
            found[name] = sorted(states, key=lambda state: position[state])
        return found

    @cached_property
    def _pattern(self) -> list[tuple[int, int]]:
        position = {state: i for i, state in enumerate(self.system.states)}
        places = set()
        for row, partials in enumerate(self.system.rate_partials):
            for symbol in partials:
                states = [symbol] if symbol in position else self._state_dependence[symbol]
                places |= {(row, position[state]) for state in states}
        return sorted(places)

    def _jacobian(
        self, show: Callable[[sp.Expr], str], needed: set[sp.Symbol]
    ) -> tuple[list[str], list[str]]:
        """Lines for the derivatives of quantities, then one expression an entry (chain rule)."""
        position = {state: i for i, state in enumerate(self.system.states)}

        def total(partials: dict[sp.Symbol, sp.Expr], state: sp.Symbol) -> str:
            terms = []
            for symbol, partial in partials.items():
                if symbol == state:
                    terms.append(f"({show(partial)})")
                elif symbol not in position and state in self._state_dependence[symbol]:
                    terms.append(f"({show(partial)})*d_{symbol.name}_{state.name}")
            return " + ".join(terms)

        lines = [
            f"d_{name.name}_{state.name} = {total(self.system.quantity_partials[name], state)}"
            for name in self.system.quantities
            if name in needed
            for state in self._state_dependence[name]
        ]
        entries = [
            total(self.system.rate_partials[row], self.system.states[column]) for row, column in self._pattern
        ]
        return lines, entries
