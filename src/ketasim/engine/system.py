"""What the engine solves: ordinary differential equations as SymPy expressions.

The model builds one :class:`System` from its stages. Every form of the equations
(the NumPy oracle here, other back ends later) is generated from it, so that no
equation is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from ketasim._lazy import lazy_module
from ketasim.errors import ModelError, unknown_name

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["System"]


@dataclass(frozen=True)
class System:
    """A set of ordinary differential equations with algebraic read-outs.

    Parameters
    ----------
    states, parameters, inputs : tuple of sympy.Symbol
        What the expressions are made of. An input is constant between events.
    rates : tuple of sympy.Expr
        One rate of change a state, in the order of ``states``.
    quantities : dict of sympy.Symbol to sympy.Expr
        Read-outs, each after the ones that it uses.
    scales : tuple of float
        A typical size of each state, for the absolute tolerance.
    positive : frozenset of sympy.Symbol
        States and parameters that are above zero; powers and logarithms need that.
    origins : dict of str to str
        Where the equation of a state or quantity comes from, for messages.
    """

    states: tuple[sp.Symbol, ...]
    parameters: tuple[sp.Symbol, ...]
    inputs: tuple[sp.Symbol, ...]
    rates: tuple[sp.Expr, ...]
    quantities: dict[sp.Symbol, sp.Expr]
    scales: tuple[float, ...]
    positive: frozenset[sp.Symbol] = frozenset()
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, name: str) -> str:
        """Say which equation a message is about, and where it comes from."""
        equation = f"equation of {name!r}"
        return f"{self.origins[name]}, {equation}" if name in self.origins else equation

    @cached_property
    def quantity_partials(self) -> dict[sp.Symbol, dict[sp.Symbol, sp.Expr]]:
        """Direct partial derivatives of each quantity by the symbols it uses."""
        return {name: self._partials(expression) for name, expression in self.quantities.items()}

    @cached_property
    def rate_partials(self) -> tuple[dict[sp.Symbol, sp.Expr], ...]:
        """Direct partial derivatives of each rate by states and quantities."""
        return tuple(self._partials(rate) for rate in self.rates)

    def _partials(self, expression: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
        moving = set(self.states) | set(self.quantities)
        used = sorted(expression.free_symbols & moving, key=str)
        return {symbol: sp.diff(expression, symbol) for symbol in used}

    def with_clamps(self, names: tuple[str, ...]) -> System:
        """Return a system in which quantities can be held at a value.

        Each clamped quantity gets two inputs, a switch (0 or 1) and a value. A
        quantity that is a state is held by stopping its rate: what it had before
        the clamp is its start after it. Any other quantity is replaced where it
        is read.

        Parameters
        ----------
        names : tuple of str
            Names of quantities.

        Raises
        ------
        ModelError
            If a name is not a quantity of the system.
        """
        known = {symbol.name: symbol for symbol in self.quantities}
        rates = list(self.rates)
        quantities = dict(self.quantities)
        inputs = list(self.inputs)
        for name in names:
            if name not in known:
                raise ModelError(f"clamp: {unknown_name('quantity', name, known)}")
            switch, value = clamp_symbols(name)
            inputs += [switch, value]
            expression = quantities[known[name]]
            if expression in self.states:
                index = self.states.index(expression)
                rates[index] = (1 - switch) * rates[index]
            else:
                quantities[known[name]] = (1 - switch) * expression + switch * value
        return replace(self, inputs=tuple(inputs), rates=tuple(rates), quantities=quantities)

    def with_shares(self, names: tuple[str, ...]) -> System:
        """Return a system in which quantities can keep a share of their distance from a value.

        Each gets three inputs (:func:`share_names`): the share that is kept (1 leaves the
        quantity as it is, bit for bit), the share that is taken (one less the other), and the value
        that it is drawn to. Whatever reads the quantity reads what is left. A state goes on by its
        own rate underneath, so that a share between 0 and 1 has a meaning for it too.

        Parameters
        ----------
        names : tuple of str
            Names of quantities that are never negative.

        Raises
        ------
        ModelError
            If a name is not a quantity of the system.
        """
        known = {symbol.name: symbol for symbol in self.quantities}
        rates, inputs, positive = list(self.rates), list(self.inputs), set(self.positive)
        quantities, first = dict(self.quantities), {}
        for name in names:
            if name not in known:
                raise ModelError(f"switch: {unknown_name('quantity', name, known)}")
            symbol, whole = known[name], quantities[known[name]]
            kept, taken, value = (sp.Symbol(own, real=True) for own in share_names(name))
            inputs += [kept, taken, value]
            positive |= {kept, taken, value}
            left = kept * whole + taken * value
            if whole not in self.states:
                quantities[symbol] = left
                continue
            # Needs nothing but the state, so that it can stand before all that may read it now.
            first[symbol] = left
            del quantities[symbol]
            own = self.states.index(whole)
            rates = [rate if i == own else rate.xreplace({whole: symbol}) for i, rate in enumerate(rates)]
            quantities = {other: item.xreplace({whole: symbol}) for other, item in quantities.items()}
        return replace(
            self,
            inputs=tuple(inputs),
            rates=tuple(rates),
            quantities={**first, **quantities},
            positive=frozenset(positive),
        )

    def exchanged(self, state: str, parameter: str) -> System:
        """Return a system in which a state is given and a parameter is sought.

        The two trade places; what was the state's rate is then zero where the parameter
        lets the state rest.

        Parameters
        ----------
        state, parameter : str
            Their names.
        """
        x, p = sp.Symbol(state, real=True), sp.Symbol(parameter, real=True)
        return replace(
            self,
            states=tuple(p if symbol == x else symbol for symbol in self.states),
            parameters=tuple(x if symbol == p else symbol for symbol in self.parameters),
        )

    def held_state(self, name: str) -> int | None:
        """Index of the state that a quantity is, or None if it is computed."""
        expression = self.quantities[sp.Symbol(name, real=True)]
        return self.states.index(expression) if expression in self.states else None


def clamp_symbols(name: str) -> tuple[sp.Symbol, sp.Symbol]:
    """Return the switch and the value input of a clamped quantity."""
    return sp.Symbol(f"clamp_on_{name}", real=True), sp.Symbol(f"clamp_value_{name}", real=True)


def share_names(name: str) -> tuple[str, str, str]:
    """Return names of the inputs of a quantity that can keep a share: kept, taken, what it is drawn to."""
    return f"share_kept_{name}", f"share_taken_{name}", f"drawn_to_{name}"
