"""Equations as a graph of scalar operations, each distinct operation once.

SymPy expressions come in; what comes out is straight-line code: sums and products
of two, reciprocals, square roots, exponentials and logarithms. An operation that
was built before is found again by its operands, so that common parts are computed
once without a search for them. Derivatives are taken on the graph, where they
share the work of the values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

from ketasim._lazy import lazy_module
from ketasim.errors import ModelError

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["Graph", "Node", "Op"]

#: Integer powers up to this one are products.
_LARGEST_PRODUCT = 16


class Op(Enum):
    """What a node does with its operands."""

    CONSTANT = "constant"
    LEAF = "leaf"
    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    RECIPROCAL = "reciprocal"
    SQRT = "sqrt"
    EXP = "exp"
    LOG = "log"


@dataclass(frozen=True)
class Node:
    """One operation.

    Parameters
    ----------
    op : Op
        What is done.
    operands : tuple of int
        Numbers of the nodes that it is done to.
    value : float
        Of a constant.
    name : str
        Of a leaf.
    moving : bool
        Whether it follows the states; if not, it changes only with parameters and inputs.
    """

    op: Op
    operands: tuple[int, ...] = ()
    value: float = 0.0
    name: str = ""
    moving: bool = False


@dataclass
class Graph:
    """Operations in an order in which each comes after its operands.

    Parameters
    ----------
    nodes : list of Node
        The operations; a node is known by its place in this list.
    """

    nodes: list[Node] = field(default_factory=list)
    _known: dict[tuple[Any, ...], int] = field(default_factory=dict, repr=False)
    _made: dict[Any, int] = field(default_factory=dict, repr=False)

    def constant(self, value: float) -> int:
        """Return the node of a number."""
        return self._node(Op.CONSTANT, value=float(value))

    def leaf(self, symbol: sp.Symbol, *, moving: bool) -> int:
        """Return the node of a state, a parameter or an input, and let expressions mean it by its symbol."""
        number = self._node(Op.LEAF, name=symbol.name, moving=moving)
        self._made[symbol] = number
        return number

    def define(self, symbol: sp.Symbol, expression: sp.Expr) -> int:
        """Build an expression, and let later ones mean it by a symbol."""
        number = self.build(expression)
        self._made[symbol] = number
        return number

    def build(self, expression: sp.Expr) -> int:
        """Return the node of an expression.

        Raises
        ------
        ModelError
            If it holds a function other than exp and log, or a symbol that was not defined.
        """
        found = self._made.get(expression)
        if found is None:
            found = self._built(expression)
            self._made[expression] = found
        return found

    def add(self, a: int, b: int) -> int:
        """Return a + b."""
        x, y = self._constant_of(a), self._constant_of(b)
        if x == 0.0:
            return b
        if y == 0.0:
            return a
        if x is not None and y is not None:
            return self.constant(x + y)
        return self._node(Op.ADD, *sorted((a, b)))

    def subtract(self, a: int, b: int) -> int:
        """Return a - b."""
        x, y = self._constant_of(a), self._constant_of(b)
        if a == b:
            return self.constant(0.0)
        if y == 0.0:
            return a
        if x is not None and y is not None:
            return self.constant(x - y)
        return self._node(Op.SUBTRACT, a, b)

    def multiply(self, a: int, b: int) -> int:
        """Return a * b."""
        for x, other in ((self._constant_of(a), b), (self._constant_of(b), a)):
            if x == 0.0:
                return self.constant(0.0)
            if x == 1.0:
                return other
            if x is not None and self._constant_of(other) is not None:
                return self.constant(x * self.nodes[other].value)
        return self._node(Op.MULTIPLY, *sorted((a, b)))

    def reciprocal(self, a: int) -> int:
        """Return 1 / a."""
        node = self.nodes[a]
        if node.op is Op.RECIPROCAL:
            return node.operands[0]
        if node.op is Op.CONSTANT and node.value != 0.0:
            return self.constant(1.0 / node.value)
        return self._node(Op.RECIPROCAL, a)

    def function(self, op: Op, a: int) -> int:
        """Return the square root, exponential or logarithm of a node."""
        node = self.nodes[a]
        if node.op is Op.CONSTANT and (op is Op.EXP or node.value > 0.0):
            compute = {Op.SQRT: math.sqrt, Op.EXP: math.exp, Op.LOG: math.log}[op]
            return self.constant(compute(node.value))
        return self._node(op, a)

    def order(self, roots: Iterable[int]) -> list[int]:
        """Return the nodes that some nodes need, themselves included, operands first."""
        needed = set(roots)
        for number in range(max(needed, default=-1), -1, -1):
            if number in needed:
                needed.update(self.nodes[number].operands)
        return sorted(needed)

    def derivatives(self, roots: Sequence[int], by: Mapping[int, int]) -> list[dict[int, int]]:
        """Differentiate nodes by leaves.

        Parameters
        ----------
        roots : sequence of int
            What to differentiate.
        by : mapping of int to int
            Leaves, and the numbers by which the result calls them.

        Returns
        -------
        list of dict of int to int
            For each root the derivatives that are not zero.
        """
        one = self.constant(1.0)
        found: dict[int, dict[int, int]] = {}
        for number in self.order(roots):
            if not self.nodes[number].moving:
                found[number] = {}
            elif number in by:
                found[number] = {by[number]: one}
            else:
                found[number] = self._chain_rule(number, found)
        return [found[root] for root in roots]

    def _chain_rule(self, number: int, known: Mapping[int, dict[int, int]]) -> dict[int, int]:
        node = self.nodes[number]
        first = known[node.operands[0]] if node.operands else {}
        match node.op:
            case Op.ADD | Op.SUBTRACT:
                join = self.add if node.op is Op.ADD else self.subtract
                second, zero = known[node.operands[1]], self.constant(0.0)
                keys = sorted(first.keys() | second.keys())
                return {key: join(first.get(key, zero), second.get(key, zero)) for key in keys}
            case Op.MULTIPLY:
                a, b = node.operands
                return self._sum_of_scaled((first, b), (known[b], a))
            case Op.RECIPROCAL:
                slope = self.multiply(self.constant(-1.0), self.multiply(number, number))
            case Op.SQRT:
                slope = self.multiply(self.constant(0.5), self.reciprocal(number))
            case Op.EXP:
                slope = number
            case Op.LOG:
                slope = self.reciprocal(node.operands[0])
            case _:
                return {}
        return self._sum_of_scaled((first, slope))

    def _sum_of_scaled(self, *terms: tuple[Mapping[int, int], int]) -> dict[int, int]:
        total: dict[int, int] = {}
        for derivatives, factor in terms:
            for key, value in derivatives.items():
                scaled = self.multiply(factor, value)
                total[key] = self.add(total[key], scaled) if key in total else scaled
        return total

    def _constant_of(self, number: int) -> float | None:
        node = self.nodes[number]
        return node.value if node.op is Op.CONSTANT else None

    def _node(
        self, op: Op, *operands: int, value: float = 0.0, name: str = "", moving: bool | None = None
    ) -> int:
        key = (op, operands, value, name)
        if key not in self._known:
            follows = any(self.nodes[i].moving for i in operands) if moving is None else moving
            self._known[key] = len(self.nodes)
            self.nodes.append(Node(op, operands, value, name, follows))
        return self._known[key]

    def _built(self, expression: sp.Expr) -> int:
        if expression.is_Number or expression.is_NumberSymbol:
            return self.constant(float(expression))
        if expression.is_Add:
            return self._sum(expression.args)
        if expression.is_Mul:
            return self._product(expression.args)
        if expression.is_Pow:
            return self._power(expression.base, expression.exp)
        if isinstance(expression, sp.exp):
            return self.function(Op.EXP, self.build(expression.args[0]))
        if isinstance(expression, sp.log):
            return self.function(Op.LOG, self.build(expression.args[0]))
        if expression.is_Symbol:
            raise ModelError(f"{expression}: an equation uses a name that is no state, parameter or input.")
        raise ModelError(f"{expression}: equations may use exp and log, and powers, but no other function.")

    def _sum(self, terms: Sequence[sp.Expr]) -> int:
        """Add terms; those that stand still first, so that their sum is computed once a patient."""
        plus, minus = [], []
        for term in terms:
            coefficient, rest = term.as_coeff_Mul()
            if coefficient.is_negative:
                minus.append(self.build(-coefficient * rest))
            else:
                plus.append(self.build(term))
        if not minus:
            return self._joined(plus, self.add)
        negative = self._joined(minus, self.add)
        if not plus:
            return self.multiply(self.constant(-1.0), negative)
        return self.subtract(self._joined(plus, self.add), negative)

    def _product(self, factors: Sequence[sp.Expr]) -> int:
        """Multiply factors; all denominators that move share one reciprocal."""
        above, below = [], []
        for factor in factors:
            base, exponent = factor.as_base_exp()
            if exponent.is_number and exponent.is_negative:
                below.append(self._power(base, -exponent))
            else:
                above.append(self.build(factor))
        still = [number for number in below if not self.nodes[number].moving]
        moving = [number for number in below if self.nodes[number].moving]
        for group in (still, moving):
            if group:
                above.append(self.reciprocal(self._joined(group, self.multiply)))
        return self._joined(above, self.multiply)

    def _power(self, base: sp.Expr, exponent: sp.Expr) -> int:
        inner = self.build(base)
        if exponent.is_number and exponent.is_negative:
            return self.reciprocal(self._power(base, -exponent))
        if exponent.is_Integer and 0 < exponent <= _LARGEST_PRODUCT:
            return self._integer_power(inner, int(exponent))
        if exponent == sp.Rational(1, 2) or (exponent.is_Float and float(exponent) == 0.5):
            return self.function(Op.SQRT, inner)
        log = self.function(Op.LOG, inner)
        return self.function(Op.EXP, self.multiply(self.build(exponent), log))

    def _integer_power(self, base: int, exponent: int) -> int:
        if exponent == 1:
            return base
        half = self._integer_power(base, exponent // 2)
        square = self.multiply(half, half)
        return self.multiply(square, base) if exponent % 2 else square

    def _joined(self, numbers: Sequence[int], join: Any) -> int:
        """Join nodes pairwise: first what stands still, then in the order of their making."""
        ranked = sorted(numbers, key=lambda i: (self.nodes[i].op is not Op.CONSTANT, self.nodes[i].moving, i))
        total = ranked[0]
        for number in ranked[1:]:
            total = join(total, number)
        return total
