"""The search for a state in which nothing changes."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import System, VectorEngine, find_rests, grows

A, B, SUPPLY = sp.symbols("a b supply", real=True)
LOSS = sp.Symbol("loss", real=True)


def feedback() -> System:
    """Supply meets a quadratic loss; b follows a. At rest a = sqrt(supply / loss), b = exp(-a)."""
    rates = (SUPPLY - LOSS * A**2, sp.exp(-A) - B)
    return System((A, B), (LOSS,), (SUPPLY,), rates, {}, (1.0, 1.0))


@pytest.mark.parametrize("width", [1, 8])
def test_rest_of_a_known_system(width: int) -> None:
    supplies = np.array([1e-4, 1.0, 400.0])
    engine = VectorEngine(feedback(), width=width)
    found = find_rests(engine, np.ones((3, 1)), {"supply": supplies}, np.tile([3.0, 0.0], (3, 1)))
    assert found.found.all()
    root = np.sqrt(supplies)
    # Newton's method ends at rounding, relative to the scales.
    assert found.states[:, 0] == pytest.approx(root, rel=1e-9)
    assert found.states[:, 1] == pytest.approx(np.exp(-root), abs=1e-12)


def test_who_has_no_rest_is_told_apart_from_who_has() -> None:
    engine = VectorEngine(feedback())
    supplies = np.array([4.0, -1.0, 9.0])
    found = find_rests(engine, np.ones((3, 1)), {"supply": supplies}, np.tile([3.0, 0.0], (3, 1)))
    assert found.found.tolist() == [True, False, True]
    alone = find_rests(engine, np.ones((1, 1)), {"supply": supplies[2:]}, np.array([[3.0, 0.0]]))
    assert np.array_equal(found.states[2], alone.states[0])


def test_a_singular_jacobian_finds_nothing() -> None:
    engine = VectorEngine(System((A, B), (), (), (A - B, B - A), {}, (1.0, 1.0)))
    assert not find_rests(engine, np.empty((1, 0)), {}, np.array([[1.0, 2.0]])).found[0]


def test_exchange_finds_the_parameter_at_which_a_state_rests() -> None:
    engine = VectorEngine(feedback().exchanged("a", "loss"))
    # The parameter is now a, given as 2; the first unknown is the loss.
    found = find_rests(engine, np.array([[2.0]]), {"supply": np.array([1.0])}, np.array([[1.0, 0.0]]))
    assert found.found[0]
    assert found.states[0] == pytest.approx([0.25, np.exp(-2.0)], rel=1e-9)


def test_growth_is_told_by_sign() -> None:
    rate = sp.Symbol("rate", real=True)
    engine = VectorEngine(System((A, B), (rate,), (), (rate * A, A - B), {}, (1.0, 1.0)))
    rates = np.array([[-0.5], [0.01], [0.5]])
    assert grows(engine, rates, {}, np.zeros((3, 2)), 0.1).tolist() == [False, False, True]
