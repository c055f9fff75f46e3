"""The search for a state in which nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import ReferenceEngine, System, fixed_point
from ketasim.errors import SolverError

A, B, SUPPLY = sp.symbols("a b supply", real=True)


def feedback() -> ReferenceEngine:
    """Supply meets a quadratic loss; b follows a. At rest a = sqrt(supply), b = exp(-a)."""
    rates = (SUPPLY - A**2, sp.exp(-A) - B)
    return ReferenceEngine(System((A, B), (), (SUPPLY,), rates, {}, (1.0, 1.0)))


@pytest.mark.parametrize("supply", [1e-4, 1.0, 400.0])
def test_rest_of_a_known_system(supply: float) -> None:
    found = fixed_point(feedback(), {}, {"supply": supply}, np.array([3.0, 0.0]))
    root = np.sqrt(supply)
    # Newton's method ends at rounding, relative to the scales.
    assert found[0] == pytest.approx(root, rel=1e-9)
    assert found[1] == pytest.approx(np.exp(-root), abs=1e-12)


def test_no_rest_is_an_error() -> None:
    with pytest.raises(SolverError, match="no drug-free steady state"):
        fixed_point(feedback(), {}, {"supply": -1.0}, np.array([3.0, 0.0]))


def test_singular_jacobian_is_an_error() -> None:
    engine = ReferenceEngine(System((A, B), (), (), (A - B, B - A), {}, (1.0, 1.0)))
    with pytest.raises(SolverError, match="no drug-free steady state"):
        fixed_point(engine, {}, {}, np.array([1.0, 2.0]))
