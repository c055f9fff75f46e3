"""Exponential and logarithm for vectors of any width, as LLVM IR.

A processor has no instruction for them, and a library's would be called lane by
lane. These are straight lines of additions and multiplications, the same in every
lane: no branch, no table, nothing that moves between lanes.

Error bounds, which the tests hold them to, with and without fused multiply-adds:

- ``ks_exp``: relative error at most 2e-16 for -708 <= x <= 709; exp(0) is 1. Beyond, the argument is
  clamped: the result is never subnormal and never infinite.
- ``ks_log``: relative error at most 2.5e-16 for normal x > 0; log(1) is 0. Zero and negative numbers
  give NaN, so that a patient in trouble is seen; infinity counts as 2^1024, and what is subnormal as
  something between 1.1e-308 and 2.3e-308.
- a power is ``ks_exp(n ks_log(x))``, whose logarithm other terms share: relative error at most
  3e-16 + 4e-16 |n log x| while -708 <= n log x <= 709. That is 4e-14 where n log x is 100.

NaN in gives NaN out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

__all__ = ["definitions"]

_LOWEST, _HIGHEST = -708.0, 709.0

#: Adding this to a small number rounds it to a whole one, which then stands in the lowest bits, and
#: moved by the 1023 that a double's exponent has on top.
_ROUNDER = 6755399441055744.0 + 1023.0

#: log 2 in two parts; products of the first with whole numbers below 2^11 are exact.
_LOG2_HIGH, _LOG2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10

#: Bits of sqrt(1/2): a mantissa is taken between it and its double.
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD

#: exp r = 1 + r + r^2 Q(r) for |r| <= log(2)/2: relative error 4e-18 before rounding (a minimax
#: polynomial, which a test finds again).
_EXP_TERMS = (
    0.5000000000000011,
    0.16666666666666413,
    0.041666666666530267,
    0.008333333333494336,
    0.0013888888943597458,
    0.00019841269506772576,
    2.4801493136377255e-05,
    2.7557586273491486e-06,
    2.7630233863601e-07,
    2.5000069863642652e-08,
)

#: 2 atanh(q)/q = 2 + z P(z) with z = q^2, for q = (m - 1)/(m + 1) and sqrt(1/2) <= m <= sqrt(2): 2e-18.
_LOG_TERMS = (
    0.6666666666666734,
    0.39999999999416375,
    0.285714287420147,
    0.22222198610873808,
    0.1818356240024989,
    0.1531409896277244,
    0.14795473880094784,
)


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

    def multiply_add(self, a: str, b: str, c: str) -> str:
        return self.real_op("fadd", self.real_op("fmul", a, b), c)

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """Sum of powers: pairs of terms, joined by Horner's rule in the square.

        One multiplication more than Horner's rule, in chains half as long. Estrin's scheme is shorter
        still and takes two more; it was slower, as many of these run side by side.
        """
        terms = [self.number(value) for value in coefficients]
        pairs = [self.multiply_add(high, x, low) for low, high in zip(terms[::2], terms[1::2], strict=False)]
        if len(terms) % 2:
            pairs.append(terms[-1])
        square = self.real_op("fmul", x, x)
        total = pairs.pop()
        while pairs:
            total = self.multiply_add(total, square, pairs.pop())
        return total

    def function(self, name: str, result: str) -> str:
        head = f"define internal {self.real} @{name}({self.real} %x) alwaysinline {{"
        return "\n".join([head, *self.lines, f"  ret {self.real} {result}", "}"])


def definitions(width: int) -> str:
    """Return LLVM IR that defines ``ks_exp`` and ``ks_log``.

    It declares nothing, so that it can stand in any module.

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
    rounder = write.number(_ROUNDER)
    shifted = write.multiply_add(x, write.number(1.0 / math.log(2.0)), rounder)
    whole = write.real_op("fsub", shifted, rounder, flags="")
    rest = write.real_op("fsub", x, write.real_op("fmul", whole, write.number(_LOG2_HIGH)))
    rest = write.real_op("fsub", rest, write.real_op("fmul", whole, write.number(_LOG2_LOW)))
    # What stands above the lowest bits falls out: 2^whole is left.
    scale = write.real_of(write.whole_op("shl", write.bits_of(shifted), write.integer(52)))
    square = write.real_op("fmul", rest, rest)
    above_one = write.multiply_add(square, write.polynomial(rest, _EXP_TERMS), rest)
    # The 1 is added last, in the scale of the result, so that it costs one rounding. NaN stays NaN,
    # whatever its scale, as this is arithmetic and not an addition of exponents.
    return write.function("ks_exp", write.multiply_add(above_one, scale, scale))


def _logarithm(write: _Lines) -> str:
    bits = write.bits_of("%x")
    above = write.whole_op("sub", bits, write.integer(_ROOT_HALF_BITS))
    exponent = write.whole_op("ashr", above, write.integer(52))
    fraction = write.whole_op("and", above, write.integer(2**52 - 1))
    mantissa = write.real_of(write.whole_op("add", fraction, write.integer(_ROOT_HALF_BITS)))
    whole = write.line(f"sitofp {write.whole} {exponent} to {write.real}")
    one = write.number(1.0)
    # A true division: estimates with Newton steps, and a longer polynomial without, were slower.
    difference = write.real_op("fsub", mantissa, one)
    quotient = write.real_op("fdiv", difference, write.real_op("fadd", mantissa, one), flags="")
    square = write.real_op("fmul", quotient, quotient)
    # log m = 2 atanh q; written as (m - 1) - q (m - 1 - z P), the leading term is exact.
    series = write.polynomial(square, _LOG_TERMS)
    correction = write.real_op("fsub", difference, write.real_op("fmul", square, series))
    small = write.real_op("fsub", difference, write.real_op("fmul", quotient, correction))
    low = write.multiply_add(whole, write.number(_LOG2_LOW), small)
    value = write.multiply_add(whole, write.number(_LOG2_HIGH), low)
    zero, bad = write.number(0.0), write.number(math.nan)
    return write.function("ks_log", write.choose("ogt", "%x", zero, value, bad))
