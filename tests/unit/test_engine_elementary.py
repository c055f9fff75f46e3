"""The vector functions against their stated error bounds."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from ketasim.engine import elementary
from ketasim.engine.cache import KernelCache
from ketasim.engine.native import Library, load_library

Function = Callable[[np.ndarray], np.ndarray]
WIDTHS = (1, 2, 4, 8)


def _wrapper(name: str, width: int) -> str:
    vector = "double" if width == 1 else f"<{width} x double>"
    return f"""define void @do_{name}(ptr %x, ptr %o) {{
  %v = load {vector}, ptr %x, align 8
  %r = call {vector} @ks_{name}({vector} %v)
  store {vector} %r, ptr %o, align 8
  ret void
}}"""


@cache
def library(width: int) -> Library:
    parts = [elementary.definitions(width), _wrapper("exp", width), _wrapper("log", width)]
    return load_library("\n".join(parts), ("do_exp", "do_log"), KernelCache(None))


def compute(name: str, width: int, x: np.ndarray) -> np.ndarray:
    pointer = ctypes.c_void_p
    function = ctypes.CFUNCTYPE(None, pointer, pointer)(library(width).addresses[f"do_{name}"])
    padded = np.concatenate([x, np.ones(-len(x) % width)])
    result = np.empty_like(padded)
    for start in range(0, len(padded), width):
        function(padded.ctypes.data + 8 * start, result.ctypes.data + 8 * start)
    return result[: len(x)]


def exact(function: Callable[..., np.ndarray], x: np.ndarray) -> np.ndarray:
    """With more digits, where the machine has them."""
    return function(x.astype(np.longdouble))


@pytest.mark.parametrize("width", WIDTHS)
def test_exp_keeps_its_bound_over_its_range(width: int) -> None:
    random = np.random.default_rng(1)
    edges = np.array([-708.0, -1e-300, 0.0, 1e-300, 709.0, np.log(2.0) / 2.0, -np.log(2.0) / 2.0])
    x = np.concatenate([random.uniform(-708.0, 709.0, 20_000), random.normal(0.0, 1.0, 20_000), edges])
    true = exact(np.exp, x)
    assert np.max(np.abs(compute("exp", width, x) - true) / true) <= 6e-16


@pytest.mark.parametrize("width", WIDTHS)
def test_log_keeps_its_bound_over_its_range(width: int) -> None:
    random = np.random.default_rng(2)
    edges = np.array([2.3e-308, 1.7e308, 0.5, 2.0, np.sqrt(0.5), np.sqrt(2.0), 1.0 + 2e-16, 1.0 - 1e-16])
    spread = np.exp(random.uniform(-708.0, 709.0, 20_000))
    near_one = 1.0 + random.normal(0.0, 1e-4, 10_000)
    x = np.concatenate([spread, random.uniform(0.4, 2.5, 20_000), near_one, edges])
    true = exact(np.log, x)
    assert np.max(np.abs(compute("log", width, x) - true) / np.abs(true)) <= 2.5e-16
    assert compute("log", width, np.ones(1))[0] == 0.0


@pytest.mark.parametrize("width", WIDTHS)
def test_powers_keep_their_bound(width: int) -> None:
    random = np.random.default_rng(3)
    base, exponent = np.exp(random.uniform(-10.0, 10.0, 20_000)), random.uniform(-12.0, 12.0, 20_000)
    found = compute("exp", width, exponent * compute("log", width, base))
    true = base.astype(np.longdouble) ** exponent.astype(np.longdouble)
    bound = 1e-15 * (1.0 + np.abs(exponent * np.log(base)))
    assert np.all(np.abs(found - true) / true <= bound)


@pytest.mark.parametrize("width", WIDTHS)
def test_what_is_out_of_range(width: int) -> None:
    strange = np.array([np.nan, np.inf, -np.inf, 1e9, -1e9])
    found = compute("exp", width, strange)
    assert np.isnan(found[0])
    assert np.isfinite(found[1:]).all()
    assert (found[1:] >= np.finfo(float).tiny).all()
    assert np.isnan(compute("log", width, np.array([np.nan, -1.0, 0.0, -np.inf]))).all()
    assert compute("log", width, np.array([np.inf]))[0] == pytest.approx(1024.0 * np.log(2.0))


@pytest.mark.parametrize("name", ["exp", "log"])
def test_a_lane_does_not_see_its_neighbours(name: str) -> None:
    random = np.random.default_rng(4)
    x = random.uniform(0.1, 5.0, 8)
    together = compute(name, 8, x)
    for lane in range(8):
        others = np.full(8, np.nan)
        others[lane] = x[lane]
        assert compute(name, 8, others)[lane] == together[lane]
