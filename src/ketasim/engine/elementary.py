"""Exponential and logarithm for vectors of any width, as LLVM IR.

A processor has no instruction for them, and a library's would be called lane by
lane. These are straight lines of additions and multiplications, the same in every
lane: no branch, no table, nothing that moves between lanes.

Error bounds, which the tests hold them to:

- ``ks_exp``: relative error at most 6e-16 for -708 <= x <= 709. Beyond, the argument is clamped:
  the result is never subnormal and never infinite.
- ``ks_log``: relative error at most 2.5e-16 for normal x > 0. Zero and negative numbers give NaN, so
  that a patient in trouble is seen; infinity counts as 2^1024, and what is subnormal as about 1e-308.
- a power is ``ks_exp(n ks_log(x))``: relative error at most 1e-15 (1 + |n log x|).

NaN in gives NaN out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

__all__ = ["definitions"]

_LOWEST, _HIGHEST = -708.0, 709.0

#: Adding this to a small number rounds it to a whole one, which then stands in the lowest bits.
_ROUNDER = 6755399441055744.0

#: log 2 in two parts; products of the first with whole numbers below 2^11 are exact.
_LOG2_HIGH, _LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10

#: Bits of sqrt(1/2): a mantissa is taken between it and its double.
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD

#: Taylor's series on |r| <= log(2)/2 and the series of atanh on |q| <= 0.172 end below 2e-16.
_EXP_TERMS, _LOG_TERMS = 13, 10


class _Lines:
    """Instructions of one function on vectors."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.real = "double" if width == 1 else f"<{width} x double>"
        self.whole = "i64" if width == 1 else f"<{width} x i64>"
        self.mask = "i1" if width == 1 else f"<{width} x i1>"
        self.lines: list[str] = []

    def line(self, text: str) -> str:
        name = f"%t{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return name

    def number(self, value: float) -> str:
        bits = f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}"
        return bits if self.width == 1 else f"splat (double {bits})"

    def integer(self, value: int) -> str:
        return str(value) if self.width == 1 else f"splat (i64 {value})"

    def real_op(self, op: str, a: str, b: str, flags: str = "contract ") -> str:
        return self.line(f"{op} {flags}{self.real} {a}, {b}")

    def whole_op(self, op: str, a: str, b: str) -> str:
        return self.line(f"{op} {self.whole} {a}, {b}")

    def bits_of(self, a: str) -> str:
        return self.line(f"bitcast {self.real} {a} to {self.whole}")

    def real_of(self, a: str) -> str:
        return self.line(f"bitcast {self.whole} {a} to {self.real}")

    def choose(self, how: str, a: str, b: str, yes: str, no: str) -> str:
        mask = self.line(f"fcmp {how} {self.real} {a}, {b}")
        return self.line(f"select {self.mask} {mask}, {self.real} {yes}, {self.real} {no}")

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Sum of powers by Estrin's scheme: short chains, so that the processor can overlap them."""
        terms, power = [self.number(value) for value in coefficients], x
        while len(terms) > 1:
            pairs = [
                self.real_op("fadd", low, self.real_op("fmul", high, power))
                for low, high in zip(terms[::2], terms[1::2], strict=False)
            ]
            terms = pairs + terms[len(terms) - len(terms) % 2 :]
            if len(terms) > 1:
                power = self.real_op("fmul", power, power)
        return terms[0]

    def function(self, name: str, result: str) -> str:
        head = f"define internal {self.real} @{name}({self.real} %x) alwaysinline {{"
        return "\n".join([head, *self.lines, f"  ret {self.real} {result}", "}"])


def definitions(width: int) -> str:
    """Return LLVM IR that defines ``ks_exp`` and ``ks_log``.

    Parameters
    ----------
    width : int
        Lanes of a vector; 1 for plain numbers.

    Returns
    -------
    str
    """
    return f"{_exponential(_Lines(width))}\n\n{_logarithm(_Lines(width))}"


def _exponential(write: _Lines) -> str:
    # Compared so that NaN passes.
    low, high = write.number(_LOWEST), write.number(_HIGHEST)
    x = write.choose("ogt", "%x", high, high, "%x")
    x = write.choose("olt", x, low, low, x)
    scaled = write.real_op("fmul", x, write.number(1.0 / math.log(2.0)), flags="")
    rounder = write.number(_ROUNDER)
    shifted = write.real_op("fadd", scaled, rounder, flags="")
    rounder_bits = struct.unpack(">q", struct.pack(">d", _ROUNDER))[0]
    power = write.whole_op("sub", write.bits_of(shifted), write.integer(rounder_bits))
    whole = write.real_op("fsub", shifted, rounder, flags="")
    rest = write.real_op("fsub", x, write.real_op("fmul", whole, write.number(_LOG2_HIGH)))
    rest = write.real_op("fsub", rest, write.real_op("fmul", whole, write.number(_LOG2_LOW)))
    value = write.polynomial(rest, [1.0 / math.factorial(i) for i in range(_EXP_TERMS)])
    exponent = write.whole_op("shl", write.whole_op("add", power, write.integer(1023)), write.integer(52))
    return write.function("ks_exp", write.real_op("fmul", value, write.real_of(exponent)))


def _logarithm(write: _Lines) -> str:
    bits = write.bits_of("%x")
    above = write.whole_op("sub", bits, write.integer(_ROOT_HALF_BITS))
    exponent = write.whole_op("ashr", above, write.integer(52))
    mantissa_bits = write.whole_op("sub", bits, write.whole_op("shl", exponent, write.integer(52)))
    mantissa = write.real_of(mantissa_bits)
    whole = write.line(f"sitofp {write.whole} {exponent} to {write.real}")
    one = write.number(1.0)
    difference = write.real_op("fsub", mantissa, one)
    quotient = write.real_op("fdiv", difference, write.real_op("fadd", mantissa, one), flags="")
    square = write.real_op("fmul", quotient, quotient)
    # log m = 2 atanh q; written as (m - 1) - q (m - 1 - 2 z P), the leading term is exact.
    series = write.polynomial(square, [2.0 / (2 * i + 3) for i in range(_LOG_TERMS - 1)])
    correction = write.real_op("fsub", difference, write.real_op("fmul", square, series))
    small = write.real_op("fsub", difference, write.real_op("fmul", quotient, correction))
    low = write.real_op("fadd", small, write.real_op("fmul", whole, write.number(_LOG2_LOW)))
    value = write.real_op("fadd", write.real_op("fmul", whole, write.number(_LOG2_HIGH)), low)
    zero, bad = write.number(0.0), write.number(math.nan)
    return write.function("ks_log", write.choose("ogt", "%x", zero, value, bad))
