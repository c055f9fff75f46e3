"""The generated functions against SymPy's own evaluation and against differences, on the whole chain."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import GeneratedCode, ReferenceEngine, System
from ketasim.errors import ModelError
from ketasim.model import Chain, build_chain


@cache
def chain() -> Chain:
    return build_chain()


@cache
def engine() -> ReferenceEngine:
    return ReferenceEngine(chain().system)


def states(seed: int) -> np.ndarray:
    """The healthy guess, moved by up to a third of each state's size; amounts stay positive."""
    random = np.random.default_rng(seed)
    guess, scales = chain().healthy_guess(), np.array(chain().system.scales)
    return guess + scales * random.uniform(0.02, 0.35, len(guess))


def values(inputs: float = 0.1) -> tuple[dict[str, float], dict[str, float]]:
    return chain().parameter_values(chain().parameters), dict.fromkeys(chain().inputs, inputs)


def sympy_course(y: np.ndarray) -> tuple[list[float], list[float]]:
    """Rates and read-outs by substitution: slow, and independent of the code generator."""
    system = chain().system
    parameters, inputs = values()
    numbers: dict[sp.Symbol, float] = dict(zip(system.states, y.tolist(), strict=True))
    numbers |= {symbol: parameters[symbol.name] for symbol in system.parameters}
    numbers |= {symbol: inputs[symbol.name] for symbol in system.inputs}
    read_outs = []
    for name, expression in system.quantities.items():
        numbers[name] = float(expression.subs({s: numbers[s] for s in expression.free_symbols}))
        read_outs.append(numbers[name])
    rates = [float(rate.subs({s: numbers[s] for s in rate.free_symbols})) for rate in system.rates]
    return rates, read_outs


def test_generated_code_equals_sympy() -> None:
    y = states(1)
    rates, read_outs = sympy_course(y)
    rhs, _, read = engine().functions(*values())
    sizes = np.array(chain().system.scales)
    # Only the order of the operations differs, so rounding is all that may.
    assert np.max(np.abs(np.array(rhs(y.tolist())) - rates) / (np.abs(rates) + sizes)) < 1e-12
    assert np.allclose(read(y.tolist()), read_outs, rtol=1e-12, atol=1e-13)


def test_scalar_and_vector_forms_agree() -> None:
    parameters, inputs = values()
    columns = np.stack([states(seed) for seed in range(5)], axis=1)
    _, _, one_by_one = engine().functions(parameters, inputs)
    p = tuple(parameters[symbol.name] for symbol in chain().system.parameters)
    u = tuple(inputs[symbol.name] for symbol in chain().system.inputs)
    _, _, at_once = engine().code.vector(p, u)
    together = np.array([np.broadcast_to(row, 5) for row in at_once(columns)])
    single = np.array([one_by_one(column.tolist()) for column in columns.T]).T
    # NumPy's exp and the C library's may differ in the last bits.
    assert np.allclose(together, single, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_jacobian_equals_central_differences(seed: int) -> None:
    rhs, jacobian, _ = engine().functions(*values())
    y, scales = states(seed), np.array(chain().system.scales)
    n = len(y)
    found = np.zeros((n, n))
    found[engine().code.jacobian_places] = jacobian(y.tolist())
    expected = np.empty((n, n))
    for j in range(n):
        step = np.zeros(n)
        step[j] = 3e-6 * scales[j]
        ahead, behind = np.array(rhs((y + step).tolist())), np.array(rhs((y - step).tolist()))
        expected[:, j] = (ahead - behind) / (2.0 * step[j])
    # In units of each state's size. Rounding of the rates, divided by the step, leaves about
    # 1e-16 / 3e-6 of the largest term of a row; the step itself leaves its square times a third
    # derivative, and powers of ten and more make that large: about 1e-8.
    scaled = np.abs(found - expected) * scales[None, :] / scales[:, None]
    rows = np.max(np.abs(expected) * scales[None, :] / scales[:, None], axis=1)
    assert np.max(scaled / (1.0 + rows)[:, None]) < 1e-7


def test_jacobian_of_a_clamped_chain_has_empty_rows_where_a_state_is_held() -> None:
    clamped = ReferenceEngine(chain().system.with_clamps(("nmda_block_mean", "consolidation")))
    parameters, inputs = values()
    on = {symbol.name: 1.0 for symbol in clamped.system.inputs if symbol.name.startswith("clamp")}
    rhs, jacobian, read = clamped.functions(parameters, {**inputs, **on})
    y = states(4)
    n, held = len(y), list(chain().states).index("consolidation_state")
    matrix = np.zeros((n, n))
    matrix[clamped.code.jacobian_places] = jacobian(y.tolist())
    assert rhs(y.tolist())[held] == 0.0
    assert not matrix[held].any()
    names = [symbol.name for symbol in clamped.system.quantities]
    assert read(y.tolist())[names.index("nmda_block_mean")] == 1.0
    assert read(y.tolist())[names.index("consolidation")] == y[held]


def test_system_without_dependence_on_states_has_an_empty_jacobian() -> None:
    a = sp.Symbol("a", real=True)
    rhs, jacobian, read_outs = GeneratedCode(System((a,), (), (), (sp.Integer(2),), {}, (1.0,))).scalar(
        (), ()
    )
    assert rhs([5.0]) == (2.0,)
    assert jacobian([5.0]) == ()
    assert read_outs([5.0]) == ()


@pytest.mark.parametrize("power", [-2, -1, sp.Rational(-1, 2), sp.Rational(1, 3), 2, 3, 4, 5, 2.5])
def test_powers(power: float) -> None:
    a, b = sp.symbols("a b", real=True)
    code = GeneratedCode(System((a,), (b,), (), ((a + b) ** power,), {}, (1.0,)))
    rhs, jacobian, _ = code.scalar((1.5,), ())
    assert rhs([0.7])[0] == pytest.approx(2.2 ** float(power), rel=1e-14)
    assert jacobian([0.7])[0] == pytest.approx(float(power) * 2.2 ** (float(power) - 1.0), rel=1e-14)


def test_derivatives_go_through_read_outs() -> None:
    a, b, first, second = sp.symbols("a b first second", real=True)
    quantities = {first: sp.exp(a), second: first * b + sp.log(first)}
    code = GeneratedCode(System((a, b), (), (), (second, first * second), quantities, (1.0, 1.0)))
    _, jacobian, _ = code.scalar((), ())
    e, y = math.exp(0.3), [0.3, 2.0]
    matrix = np.zeros((2, 2))
    matrix[code.jacobian_places] = jacobian(y)
    by_hand = [[2.0 * e + 1.0, e], [e * (2.0 * e + 0.3) + e * (2.0 * e + 1.0), e * e]]
    assert np.allclose(matrix, by_hand, rtol=1e-14, atol=0.0)


@pytest.mark.parametrize("function", [sp.sin, sp.tanh, sp.Abs, lambda a: sp.Max(a, 0)])
def test_function_that_back_ends_do_not_know(function: object) -> None:
    a = sp.Symbol("a", real=True)
    with pytest.raises(ModelError, match="may use exp and log"):
        _ = GeneratedCode(System((a,), (), (), (function(a),), {}, (1.0,))).source  # type: ignore[operator]


@pytest.mark.parametrize("name", ["lambda", "y", "exp", "two words", "1st"])
def test_name_that_the_generated_text_cannot_use(name: str) -> None:
    a = sp.Symbol(name, real=True)
    with pytest.raises(ModelError, match="cannot be the name"):
        _ = GeneratedCode(System((a,), (), (), (-a,), {}, (1.0,))).source


def test_clamp_of_an_unknown_quantity() -> None:
    with pytest.raises(ModelError, match="'glutamat'; the nearest valid name is 'glutamate'"):
        chain().system.with_clamps(("glutamat",))
