"""Writes instructions of LLVM IR on vectors, and operations of a graph as such instructions."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ketasim.engine.graph import Graph, Node, Op

__all__ = ["Evaluator", "Function", "bits_of", "suffix_of"]


@dataclass
class Function:
    """One function being written."""

    width: int
    lines: list[str] = field(default_factory=list)
    _count: int = 0
    _loops: int = 0
    _block: str = "entry"

    @property
    def vector(self) -> str:
        """Type of a vector."""
        return "double" if self.width == 1 else f"<{self.width} x double>"

    @property
    def mask(self) -> str:
        """Type of a vector of truths."""
        return "i1" if self.width == 1 else f"<{self.width} x i1>"

    def line(self, text: str) -> str:
        """Write an instruction that yields a value, and return the value's name."""
        name = f"%v{self._count}"
        self._count += 1
        self.lines.append(f"  {name} = {text}")
        return name

    def do(self, text: str) -> None:
        """Write an instruction without a value."""
        self.lines.append(f"  {text}")

    def constant(self, value: float) -> str:
        """The same number in every lane."""
        bits = bits_of(value)
        return bits if self.width == 1 else f"splat (double {bits})"

    def add(self, a: str, b: str) -> str:
        """A + b; may be fused with a product."""
        return self.line(f"fadd contract {self.vector} {a}, {b}")

    def subtract(self, a: str, b: str) -> str:
        """A - b; may be fused with a product."""
        return self.line(f"fsub contract {self.vector} {a}, {b}")

    def multiply(self, a: str, b: str) -> str:
        """A * b; may be fused with a sum."""
        return self.line(f"fmul contract {self.vector} {a}, {b}")

    def divide(self, a: str, b: str) -> str:
        """A / b."""
        return self.line(f"fdiv {self.vector} {a}, {b}")

    def reciprocal(self, a: str) -> str:
        """1 / a."""
        return self.divide(self.constant(1.0), a)

    def call(self, name: str, *arguments: str) -> str:
        """Result of a function of vectors."""
        given = ", ".join(f"{self.vector} {argument}" for argument in arguments)
        return self.line(f"call {self.vector} @{name}({given})")

    def intrinsic(self, name: str, *arguments: str) -> str:
        """Result of one of LLVM's own functions."""
        return self.call(f"llvm.{name}.{suffix_of(self.width)}", *arguments)

    def compare(self, how: str, a: str, b: str) -> str:
        """Truths of a comparison, which LLVM calls such as ``ole``."""
        return self.line(f"fcmp {how} {self.vector} {a}, {b}")

    def select(self, mask: str, a: str, b: str) -> str:
        """A where the mask is true, else b."""
        return self.line(f"select {self.mask} {mask}, {self.vector} {a}, {self.vector} {b}")

    def loop(
        self, size: int, body: Callable[[str, Sequence[str]], Sequence[str]], start: Sequence[str] = ()
    ) -> list[str]:
        """Repeat for each row; the body gets the row's number and what it returned for the one before.

        Written as a loop where rows are alike: straight lines would not fit where the
        processor keeps instructions.
        """
        number = self._loops
        self._loops += 1
        before, here, after = self._block, f"loop{number}", f"after{number}"
        index, carried = f"%i{number}", [f"%carried{number}_{k}" for k in range(len(start))]
        self.do(f"br label %{here}")
        head = len(self.lines)
        self._block = here
        found = body(index, carried)
        self.do(f"%next{number} = add i64 {index}, 1")
        self.do(f"%done{number} = icmp eq i64 %next{number}, {size}")
        self.do(f"br i1 %done{number}, label %{after}, label %{here}")
        # What is carried is known only now that the body is written.
        phis = [f"  {index} = phi i64 [ 0, %{before} ], [ %next{number}, %{here} ]"]
        for name, first, last in zip(carried, start, found, strict=True):
            phis.append(f"  {name} = phi {self.vector} [ {first}, %{before} ], [ {last}, %{here} ]")
        self.lines[head:head] = [f"{here}:", *phis]
        self.lines.append(f"{after}:")
        self._block = after
        return list(found)

    def row(self, array: str, place: int | str) -> str:
        """Address of a row."""
        if place == 0:
            return array
        return self.line(f"getelementptr inbounds {self.vector}, ptr {array}, i64 {place}")

    def load(self, array: str, place: int | str) -> str:
        """A row of an array."""
        return self.line(f"load {self.vector}, ptr {self.row(array, place)}, align {8 * self.width}")

    def store(self, value: str, array: str, place: int | str) -> None:
        """Put a value into a row of an array."""
        self.do(f"store {self.vector} {value}, ptr {self.row(array, place)}, align {8 * self.width}")

    def spread(self, scalar: str) -> str:
        """The same number in every lane."""
        if self.width == 1:
            return scalar
        one = self.line(f"insertelement {self.vector} poison, double {scalar}, i64 0")
        zeros = f"<{self.width} x i32> zeroinitializer"
        return self.line(f"shufflevector {self.vector} {one}, {self.vector} poison, {zeros}")

    def weighted(self, weights: Sequence[float], values: Sequence[str], start: str) -> str:
        """Sum of values times weights, added to what is there."""
        total = start
        for weight, value in zip(weights, values, strict=True):
            total = self.add(total, self.multiply(self.constant(weight), value))
        return total

    def text(self, head: str) -> str:
        """The finished function."""
        return "\n".join([f"define {head} {{", "entry:", *self.lines, "}"])


def bits_of(value: float) -> str:
    """A number as LLVM reads it without rounding."""
    return f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}"


def suffix_of(width: int) -> str:
    """What the names of LLVM's own functions end in."""
    return "f64" if width == 1 else f"v{width}f64"


class Evaluator:
    """Writes nodes of a graph into a function, each once and just before its first use."""

    def __init__(self, function: Function, graph: Graph, leaves: Callable[[int, Node], str]) -> None:
        self._function = function
        self._nodes = graph.nodes
        self._leaves = leaves
        self._names: dict[int, str] = {}

    def __call__(self, root: int) -> str:
        """Write what a node needs and the node; return its name."""
        waiting = [root]
        while waiting:
            number = waiting[-1]
            if number in self._names:
                waiting.pop()
                continue
            found = self._leaves(number, self._nodes[number])
            if found:
                self._names[number] = found
                continue
            missing = [i for i in reversed(self._nodes[number].operands) if i not in self._names]
            if missing:
                waiting.extend(missing)
            else:
                self._names[number] = self._written(self._nodes[number])
        return self._names[root]

    def _written(self, node: Node) -> str:
        write, operands = self._function, [self._names[i] for i in node.operands]
        match node.op:
            case Op.CONSTANT:
                return write.constant(node.value)
            case Op.ADD:
                return write.add(*operands)
            case Op.SUBTRACT:
                return write.subtract(*operands)
            case Op.MULTIPLY:
                return write.multiply(*operands)
            case Op.RECIPROCAL:
                return write.reciprocal(*operands)
            case Op.SQRT:
                return write.intrinsic("sqrt", *operands)
            case Op.EXP:
                return write.call("ks_exp", *operands)
            case Op.LOG:
                return write.call("ks_log", *operands)
        raise AssertionError(f"a leaf without a place: {node.name}")  # every leaf has one
