"""The vector functions against their stated error bounds."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Sequence
from functools import cache

import mpmath as mp
import numpy as np
import pytest

from ketasim.engine import elementary
from ketasim.engine.cache import KernelCache
from ketasim.engine.native import Library, load_library

WIDTHS = (1, 2, 4, 8)
ARITHMETIC = [pytest.param(True, id="fused"), pytest.param(False, id="not-fused")]
MANY = 20_000
#: Bounds of what 53 bits can tell are only seen with more of them; some machines have none.
LONG = np.finfo(np.longdouble).nmant > 60
Target = Callable[[mp.mpf], mp.mpf]


def wrapper(name: str, width: int) -> str:
    vector = "double" if width == 1 else f"<{width} x double>"
    # A power as the engine writes it: its logarithm can be shared.
    power = f"""%l = call {vector} @ks_log({vector} %v)
  %p = fmul contract {vector} %w, %l
  %r = call {vector} @ks_exp({vector} %p)"""
    body = power if name == "pow" else f"%r = call {vector} @ks_{name}({vector} %v)"
    return f"""define void @do_{name}(ptr %x, ptr %n, ptr %o) {{
  %v = load {vector}, ptr %x, align 8
  %w = load {vector}, ptr %n, align 8
  {body}
  store {vector} %r, ptr %o, align 8
  ret void
}}"""


@cache
def library(width: int, fused: bool) -> Library:
    text = elementary.definitions(width)
    if not fused:  # as on a processor that has no such instruction
        text = text.replace("contract ", "")
    names = ("exp", "log", "pow")
    parts = [text, *(wrapper(name, width) for name in names)]
    return load_library(lambda: "\n".join(parts), tuple(f"do_{name}" for name in names), KernelCache(None))


def compute(
    name: str, width: int, x: np.ndarray, n: np.ndarray | None = None, fused: bool = True
) -> np.ndarray:
    pointer = ctypes.c_void_p
    address = library(width, fused).addresses[f"do_{name}"]
    function = ctypes.CFUNCTYPE(None, pointer, pointer, pointer)(address)
    rest = np.ones(-len(x) % width)
    padded = np.concatenate([x, rest])
    second = np.concatenate([np.ones(len(x)) if n is None else n, rest])
    result = np.empty_like(padded)
    places = [array.ctypes.data for array in (padded, second, result)]
    for start in range(0, len(padded), width):
        function(*(place + 8 * start for place in places))
    return result[: len(x)]


def around(values: Sequence[float]) -> np.ndarray:
    """Each value with the doubles next to it."""
    at = np.array(values)
    return np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf)])


def errors(found: np.ndarray, true: np.ndarray) -> np.ndarray:
    return np.abs((found.astype(np.longdouble) - true) / true)


@cache
def exp_arguments() -> np.ndarray:
    random = np.random.default_rng(1)
    # Halves of log 2 are where the rest changes its sign; 1 + 4e-3 is where 1 + r would round worst.
    halves = around((np.arange(-2040, 2040) + 0.5) * np.log(2.0) / 2.0)
    edges = np.array([-708.0, 709.0, 0.0, 1e-300, -1e-300, 5e-324, 0.003789320261520124])
    spread = [random.uniform(-708.0, 709.0, MANY), random.uniform(-0.36, 0.36, MANY), halves, edges]
    return np.concatenate(spread).clip(-708.0, 709.0)


@cache
def log_arguments() -> np.ndarray:
    random = np.random.default_rng(2)
    tiny = np.finfo(np.float64)
    seams = around([2.0**i * factor for i in range(-1020, 1022, 7) for factor in (1.0, np.sqrt(0.5))])
    edges = np.array([tiny.tiny, tiny.max, *np.nextafter(1.0, [0.0, 2.0])])
    # The bound is nearly reached where a mantissa near sqrt(1/2) or sqrt(2) cancels half of log 2.
    near = [random.uniform(0.7, 0.72, MANY), random.uniform(0.35, 0.36, MANY)]
    spread = [np.exp(random.uniform(-708.0, 709.0, MANY)), random.uniform(0.4, 2.6, MANY)]
    return np.concatenate([*near, *spread, 1.0 + random.normal(0.0, 1e-4, MANY), seams, edges])


@pytest.mark.skipif(not LONG, reason="needs numbers with more digits than a double")
@pytest.mark.parametrize("fused", ARITHMETIC)
@pytest.mark.parametrize("width", WIDTHS)
def test_exp_keeps_its_bound_over_its_range(width: int, fused: bool) -> None:
    x = exp_arguments()
    true = np.exp(x.astype(np.longdouble))
    assert errors(compute("exp", width, x, fused=fused), true).max() <= 2e-16
    assert compute("exp", width, np.array([0.0, -0.0]), fused=fused).tolist() == [1.0, 1.0]


@pytest.mark.skipif(not LONG, reason="needs numbers with more digits than a double")
@pytest.mark.parametrize("fused", ARITHMETIC)
@pytest.mark.parametrize("width", WIDTHS)
def test_log_keeps_its_bound_over_its_range(width: int, fused: bool) -> None:
    x = log_arguments()
    x = x[x != 1.0]
    true = np.log(x.astype(np.longdouble))
    assert errors(compute("log", width, x, fused=fused), true).max() <= 2.5e-16
    assert compute("log", width, np.ones(1), fused=fused).tolist() == [0.0]


@pytest.mark.skipif(not LONG, reason="needs numbers with more digits than a double")
@pytest.mark.parametrize("fused", ARITHMETIC)
@pytest.mark.parametrize("width", WIDTHS)
def test_powers_keep_their_bound(width: int, fused: bool) -> None:
    random = np.random.default_rng(3)
    base = np.exp(np.concatenate([random.uniform(-10.0, 10.0, MANY), random.normal(0.0, 0.1, MANY)]))
    wanted = np.concatenate([random.uniform(-100.0, 100.0, MANY), random.uniform(-700.0, 700.0, MANY)])
    n = wanted / np.log(base)
    depth = n.astype(np.longdouble) * np.log(base.astype(np.longdouble))
    bound = 3e-16 + 4e-16 * np.abs(depth)
    true = np.exp(depth)
    assert (errors(compute("pow", width, base, n, fused), true) <= bound).all()


@pytest.mark.skipif(not LONG, reason="needs numbers with more digits than a double")
def test_the_oracle_agrees_with_arbitrary_precision() -> None:
    """The bounds are measured against 64 bits, so those must be right to far less."""
    with mp.workdps(40):
        for own, true, x in ((np.exp, mp.exp, exp_arguments()), (np.log, mp.log, log_arguments())):
            some = x[(x != 0.0) & (x != 1.0)][::600]
            for value, found in zip(some.tolist(), own(some.astype(np.longdouble)), strict=True):
                high = float(found)
                both = mp.mpf(high) + mp.mpf(float(found - np.longdouble(high)))
                assert abs(both / true(mp.mpf(value)) - 1) < 2e-19


@pytest.mark.parametrize("fused", ARITHMETIC)
@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_out_of_range(width: int, fused: bool) -> None:
    bounds = compute("exp", width, np.array([-708.0, 709.0]), fused=fused)
    beyond = np.array([-np.inf, -1e9, -708.5, 709.5, 1e9, np.inf])
    assert compute("exp", width, beyond, fused=fused).tolist() == [bounds[0]] * 3 + [bounds[1]] * 3
    assert bounds[0] >= np.finfo(float).tiny
    assert np.isfinite(bounds[1])
    bad = np.array([np.nan, -1.0, 0.0, -0.0, -5e-324, -np.inf])
    assert np.isnan(compute("log", width, bad, fused=fused)).all()
    assert np.isnan(compute("pow", width, bad, np.full(6, 0.5), fused)).all()
    assert compute("log", width, np.array([np.inf]), fused=fused)[0] == pytest.approx(1024.0 * np.log(2.0))
    below = compute("log", width, np.array([5e-324, 1e-310, 1e-308, 2.2e-308]), fused=fused)
    assert ((np.log(1.1e-308) < below) & (below < np.log(2.3e-308))).all()
    assert (np.diff(below) > 0.0).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_powers_with_simple_results(width: int) -> None:
    base = np.array([1.0, 3.0, 1e-300, 1e300, 1e300, 1e300, 2.0])
    n = np.array([7.3, 0.0, 0.0, 0.0, 9.0, -9.0, np.nan])
    top, bottom = compute("exp", width, np.array([1e9, -1e9]))
    found = compute("pow", width, base, n)
    assert found[:6].tolist() == [1.0, 1.0, 1.0, 1.0, top, bottom]
    assert np.isnan(found[6])


@pytest.mark.parametrize("name", ["exp", "log", "pow"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nan_survives_whatever_it_carries(width: int, name: str) -> None:
    """Files bring NaN with marks in the low bits, R's NA among them; exp builds exponents from those."""
    marks = np.array([0x7FF80000000007A2, 0x7FF8000000000FFF, 0x7FF8000000000801, 0xFFF80000000003FF])
    assert np.isnan(compute(name, width, marks.astype(np.uint64).view(np.float64))).all()


@pytest.mark.parametrize("name", ["exp", "log", "pow"])
@pytest.mark.parametrize("width", [2, 4, 8])
def test_a_lane_does_not_see_its_neighbours(width: int, name: str) -> None:
    random = np.random.default_rng(4)
    x, n = random.uniform(0.1, 5.0, width), random.uniform(-3.0, 3.0, width)
    together = compute(name, width, x, n)
    for lane in range(width):
        for neighbour in (np.nan, -np.inf, 0.0, 5e-324, 1e308):
            others = np.full(width, neighbour)
            others[lane] = x[lane]
            assert compute(name, width, others, n)[lane] == together[lane]
        turned = compute(name, width, np.roll(x, lane), np.roll(n, lane))
        assert turned.tolist() == np.roll(together, lane).tolist()


def test_widths_agree() -> None:
    """Within the sum of two bounds, though in practice they are the same bits."""
    x = exp_arguments()[:MANY]
    for name, values, bound in (("exp", x, 4e-16), ("log", np.exp(x), 5e-16)):
        narrow = compute(name, 1, values)
        for width in WIDTHS[1:]:
            assert (np.abs(compute(name, width, values) - narrow) <= bound * np.abs(narrow)).all()


@pytest.mark.parametrize("width", WIDTHS)
def test_there_is_no_branch_no_table_and_nothing_between_lanes(width: int) -> None:
    real = {"fadd", "fsub", "fmul", "fdiv", "fcmp", "select", "bitcast", "sitofp"}
    allowed = real | {"add", "sub", "shl", "ashr", "and"}
    text = elementary.definitions(width)
    assert set(re.findall(r"= (\w+)", text)) <= allowed


def best_polynomial(
    target: Target, weight: Target, degree: int, low: mp.mpf, high: mp.mpf
) -> tuple[list[mp.mpf], mp.mpf]:
    """Remez' exchange: the polynomial with the smallest largest weighted error, and that error."""

    def nodes(count: int) -> list[mp.mpf]:
        return [(low + high - (high - low) * mp.cos(mp.pi * i / count)) / 2 for i in range(count + 1)]

    size = degree + 2
    grid, points = nodes(400), nodes(size - 1)
    known = [(target(x), weight(x)) for x in grid]
    for _ in range(6):
        rows = [[x**j for j in range(degree + 1)] + [(-1) ** i / weight(x)] for i, x in enumerate(points)]
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix([target(x) for x in points]))
        terms = list(solution)[:-1]
        wrong = [w * (mp.polyval(terms[::-1], x) - t) for x, (t, w) in zip(grid, known, strict=True)]
        peaks: list[int] = []  # the largest error of each run of one sign
        for i, value in enumerate(wrong):
            if not peaks or (value > 0) != (wrong[peaks[-1]] > 0):
                peaks.append(i)
            elif abs(value) > abs(wrong[peaks[-1]]):
                peaks[-1] = i
        assert len(peaks) == size
        points = [grid[i] for i in peaks]
    return terms, max(abs(value) for value in wrong)


def exp_case() -> tuple[Target, Target, mp.mpf, mp.mpf]:
    half = mp.log(2) / 2
    # At 0 the quotient is 1/2 and the weight 0; a little aside is near enough, and no division by 0.
    aside = mp.mpf(10) ** -12
    return (
        lambda r: (mp.exp(r) - 1 - r) / r**2 if abs(r) > aside else mp.mpf(1) / 2,
        lambda r: (abs(r) + aside) ** 2 / mp.exp(r),
        -half,
        half,
    )


def log_case() -> tuple[Target, Target, mp.mpf, mp.mpf]:
    # As above. Moving z itself moves the target too, so by less than is asked for.
    aside = mp.mpf(10) ** -25

    def whole(z: mp.mpf) -> mp.mpf:
        q = mp.sqrt(z + aside)
        return 2 * mp.atanh(q) / q

    return (
        lambda z: (whole(z) - 2) / (z + aside),
        lambda z: (z + aside) / whole(z),
        mp.mpf(0),
        ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2,
    )


@pytest.mark.parametrize(
    ("terms", "case", "stated"),
    [
        pytest.param(elementary._EXP_TERMS, exp_case, 4e-18, id="exp"),
        pytest.param(elementary._LOG_TERMS, log_case, 2e-18, id="log"),
    ],
)
def test_the_polynomials_are_the_best_of_their_degree(
    terms: Sequence[float], case: Callable[[], tuple[Target, Target, mp.mpf, mp.mpf]], stated: float
) -> None:
    with mp.workdps(50):
        target, weight, low, high = case()
        best, error = best_polynomial(target, weight, len(terms) - 1, low, high)
        assert error <= stated
        # Rounded to doubles they move by up to 1e-17, which is a tenth of a rounding of the result.
        between = [low + (high - low) * i / 200 for i in range(201)]
        for x in between:
            moved = mp.polyval(list(terms)[::-1], x) - mp.polyval(best[::-1], x)
            assert abs(weight(x) * moved) <= 1e-17
