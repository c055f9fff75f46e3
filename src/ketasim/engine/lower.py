"""Lowers a system to what kernels are written from: operations, Jacobian and elimination order.

Terms without a state are set apart: they are computed once a patient and input
change, not at every step. The Jacobian is taken on the graph, and its sparse
factors are planned here, so that the factorisation is straight-line code too.
The rules that equations must keep are checked here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from ketasim._lazy import lazy_module
from ketasim.engine.graph import Graph, Node, Op
from ketasim.engine.program import Program
from ketasim.engine.system import System
from ketasim.errors import ModelError, unknown_name

if TYPE_CHECKING:
    import sympy as sp
else:
    sp = lazy_module("sympy")

__all__ = ["Elimination", "Lowering", "lower"]


@dataclass(frozen=True)
class Elimination:
    """How a sparse matrix with a full diagonal is factorised without pivoting.

    Parameters
    ----------
    order : tuple of int
        Rows and columns in the order in which they are eliminated.
    entries : tuple of (int, int)
        Rows and columns of the factors' non-zeros, by row.
    """

    order: tuple[int, ...]
    entries: tuple[tuple[int, int], ...]

    @cached_property
    def position(self) -> dict[int, int]:
        """Place of each row in the order."""
        return {row: place for place, row in enumerate(self.order)}

    def right_of(self, row: int) -> list[int]:
        """Columns of a row that are eliminated after it."""
        return [j for i, j in self.entries if i == row and self.position[j] > self.position[row]]

    def below(self, column: int) -> list[int]:
        """Rows with an entry in a column that are eliminated after it."""
        return [i for i, j in self.entries if j == column and self.position[i] > self.position[column]]


@dataclass(frozen=True)
class Lowering:
    """A system as operations.

    Parameters
    ----------
    system : System
        What was lowered.
    forced : tuple of str
        States that can be infused into.
    graph : Graph
        All operations.
    states : tuple of int
        Nodes of the states.
    rates : tuple of int
        Nodes of the rates of change, infusions included.
    quantities : dict of str to int
        Node of each read-out.
    jacobian : dict of (int, int) to int
        Node of each derivative of a rate (row) by a state (column) that is not zero.
    """

    system: System
    forced: tuple[str, ...]
    graph: Graph
    states: tuple[int, ...]
    rates: tuple[int, ...]
    quantities: dict[str, int]
    jacobian: dict[tuple[int, int], int]

    @cached_property
    def program(self) -> Program:
        """What is known of it to who only runs it."""
        system = self.system
        return Program(
            state_names=tuple(symbol.name for symbol in system.states),
            parameters=tuple(symbol.name for symbol in system.parameters),
            outside=tuple(symbol.name for symbol in system.inputs),
            quantities=tuple(self.quantities),
            forced=self.forced,
            scales=tuple(float(scale) for scale in system.scales),
            slots=len(self.slots),
            factors=len(self.elimination.entries),
        )

    @cached_property
    def slots(self) -> dict[int, int]:
        """Nodes that stand still and that moving ones or results need, with their places in memory."""
        results = [*self.rates, *self.jacobian.values(), *self.quantities.values()]
        nodes = self.graph.nodes
        wanted = {number for number in results if not nodes[number].moving}
        for number in self.graph.order(results):
            if nodes[number].moving:
                wanted.update(i for i in nodes[number].operands if not nodes[i].moving)
        kept = sorted(number for number in wanted if nodes[number].op is not Op.CONSTANT)
        return {number: place for place, number in enumerate(kept)}

    @cached_property
    def elimination(self) -> Elimination:
        """Fill-reducing order: at each turn the diagonal entry that costs least (Markowitz)."""
        # A diagonal entry that is 0 by itself is no pivot before others have filled it.
        size = len(self.states)
        empty = {i for i in range(size) if (i, i) not in self.jacobian}
        rows = [{j for j in range(size) if (i, j) in self.jacobian or i == j} for i in range(size)]
        columns = [{i for i in range(size) if j in rows[i]} for j in range(size)]
        left, order = set(range(size)), []
        while left:
            costs = {
                k: (k in empty, (len(rows[k] & left) - 1) * (len(columns[k] & left) - 1), k) for k in left
            }
            chosen = min(left, key=costs.__getitem__)
            order.append(chosen)
            left.discard(chosen)
            for i in columns[chosen] & left:
                rows[i] |= rows[chosen] & left
                for j in rows[chosen] & left:
                    columns[j].add(i)
        entries = tuple((i, j) for i in range(size) for j in sorted(rows[i]))
        return Elimination(tuple(order), entries)


def lower(system: System, forced: Iterable[str] = ()) -> Lowering:
    """Lower a system.

    Parameters
    ----------
    system : System
        The equations.
    forced : iterable of str
        States that can be infused into.

    Returns
    -------
    Lowering

    Raises
    ------
    ModelError
        If a state to infuse into does not exist, an equation uses a function other than
        exp and log, or takes a power or logarithm of what need not be positive. Names the
        equation and where it comes from.
    """
    names = [symbol.name for symbol in system.states]
    given = tuple(dict.fromkeys(forced))
    for name in given:
        if name not in names:
            raise ModelError(f"infusion: {unknown_name('state', name, names)}")
    graph = Graph()
    states = tuple(graph.leaf(symbol, moving=True) for symbol in system.states)
    for symbol in (*system.parameters, *system.inputs):
        graph.leaf(symbol, moving=False)
    signs = _Signs(graph, {symbol.name for symbol in system.positive})
    quantities = {}
    for symbol, expression in system.quantities.items():
        with signs.checked(system, symbol.name):
            quantities[symbol.name] = graph.define(symbol, expression)
    rates = []
    for name, expression in zip(names, system.rates, strict=True):
        with signs.checked(system, name):
            rate = graph.build(expression)
        if name in given:
            rate = graph.add(rate, graph.leaf(sp.Symbol(Program.forcing(name), real=True), moving=False))
        rates.append(rate)
    found = graph.derivatives(rates, {number: column for column, number in enumerate(states)})
    jacobian = {(row, column): node for row, by in enumerate(found) for column, node in by.items()}
    return Lowering(system, given, graph, states, tuple(rates), quantities, jacobian)


class _Signs:
    """Proves that what a power or logarithm is taken of is positive, as far as rules of signs go."""

    def __init__(self, graph: Graph, positive: set[str]) -> None:
        self._graph = graph
        self._positive = positive
        self._known: dict[int, bool] = {}
        self._seen = 0

    def checked(self, system: System, equation: str) -> _Checked:
        """Check what is built inside, and name the equation in errors."""
        return _Checked(self, system.origin(equation))

    def check(self, where: str) -> None:
        """Check the nodes that were built since the last check."""
        nodes = self._graph.nodes
        for number in range(self._seen, len(nodes)):
            node = nodes[number]
            # What stands still is a number by the time that it is used; the patient's status tells.
            if node.op in (Op.LOG, Op.SQRT) and node.moving and not self.positive(node.operands[0]):
                inside = _in_words(nodes, node.operands[0])
                raise ModelError(
                    f"{where}: it takes a power, root or logarithm of {inside}, which need not be positive. "
                    "Use positive(...) of model/functions.py, or declare the state or parameter positive."
                )
        self._seen = len(nodes)

    def positive(self, number: int) -> bool:
        """Whether a node is above zero whatever the states are."""
        if number not in self._known:
            self._known[number] = self._proved(self._graph.nodes[number])
        return self._known[number]

    def _proved(self, node: Node) -> bool:
        nodes = self._graph.nodes
        match node.op:
            case Op.CONSTANT:
                return node.value > 0.0
            case Op.LEAF:
                return node.name in self._positive
            case Op.EXP:
                return True
            case Op.RECIPROCAL | Op.SQRT:
                return self.positive(node.operands[0])
            case Op.MULTIPLY:
                return all(map(self.positive, node.operands))
            case Op.ADD:
                a, b = node.operands
                both = self._not_negative(a) and self._not_negative(b)
                some = self.positive(a) or self.positive(b)
                return (both and some) or self._is_smooth_part(a, b) or self._is_smooth_part(b, a)
            case Op.SUBTRACT:
                a, b = node.operands
                return nodes[a].op is Op.CONSTANT and nodes[a].value >= 1.0 and self._below_one(b)
        return False

    def _not_negative(self, number: int) -> bool:
        """Whether a node is positive, or a product in which all else is squared."""
        coefficient, factors = self._factors(number)
        return coefficient > 0.0 and all(
            power % 2 == 0 or self.positive(factor) for factor, power in factors.items()
        )

    def _factors(self, number: int) -> tuple[float, Counter[int]]:
        """Write a node as a number times powers of nodes that are no products."""
        node = self._graph.nodes[number]
        if node.op is Op.CONSTANT:
            return node.value, Counter()
        if node.op is Op.MULTIPLY:
            (a, left), (b, right) = map(self._factors, node.operands)
            return a * b, Counter({key: left[key] + right[key] for key in left | right})
        if node.op is Op.RECIPROCAL:
            a, below = self._factors(node.operands[0])
            return (1.0 / a if a else 0.0), Counter({key: -power for key, power in below.items()})
        return 1.0, Counter({number: 1})

    def _below_one(self, number: int) -> bool:
        """1 / (1 + something positive)."""
        nodes = self._graph.nodes
        if nodes[number].op is not Op.RECIPROCAL:
            return False
        inside = nodes[nodes[number].operands[0]]
        if inside.op is not Op.ADD:
            return False
        pairs = (inside.operands, inside.operands[::-1])
        return any(
            nodes[a].op is Op.CONSTANT and nodes[a].value >= 1.0 and self.positive(b) for a, b in pairs
        )

    def _is_smooth_part(self, value: int, root: int) -> bool:
        """A v + b sqrt(c v^2 + something positive), with b sqrt(c) at least as large as a."""
        nodes = self._graph.nodes
        scale, single = self._factors(root)
        if scale <= 0.0 or len(single) != 1 or single.total() != 1:
            return False
        inside = nodes[next(iter(single))]
        if inside.op is not Op.SQRT or nodes[inside.operands[0]].op is not Op.ADD:
            return False
        a, b = nodes[inside.operands[0]].operands
        return any(
            self._is_square(square, value, scale) and self.positive(rest) for square, rest in ((a, b), (b, a))
        )

    def _is_square(self, number: int, value: int, scale: float) -> bool:
        """Whether scale^2 times a node is at least the square of another."""
        coefficient, factors = self._factors(value)
        found_coefficient, found = self._factors(number)
        wanted = Counter({key: 2 * power for key, power in factors.items()})
        return found == wanted and found_coefficient * scale**2 >= coefficient**2 * (1.0 - 1e-12)


class _Checked:
    """Checks signs when its block ends, and says in errors which equation was being built."""

    def __init__(self, signs: _Signs, where: str) -> None:
        self._signs, self._where = signs, where

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._signs.check(self._where)
        elif isinstance(error, ModelError):
            raise ModelError(f"{self._where}: {error}") from error


def _in_words(nodes: list[Node], number: int) -> str:
    """Name the leaves that a node is made of."""
    found: set[str] = set()
    waiting = [number]
    while waiting:
        node = nodes[waiting.pop()]
        if node.op is Op.LEAF:
            found.add(node.name)
        waiting.extend(node.operands)
    names = ", ".join(repr(name) for name in sorted(found))
    return f"something made of {names}" if len(found) != 1 else names
