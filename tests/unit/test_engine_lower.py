"""From equations to operations: values, derivatives, order of elimination, and the rules."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import sympy as sp

from ketasim.engine import ReferenceEngine, System
from ketasim.engine.graph import Graph, Op
from ketasim.engine.lower import Lowering, lower
from ketasim.errors import ModelError
from ketasim.model import build_chain
from ketasim.model.parameters import load_parameters

X, Y = sp.symbols("x y", real=True)
K, N = sp.symbols("k n", real=True)

_FUNCTIONS = {
    Op.ADD: lambda a, b: a + b,
    Op.SUBTRACT: lambda a, b: a - b,
    Op.MULTIPLY: lambda a, b: a * b,
    Op.RECIPROCAL: lambda a: 1.0 / a,
    Op.SQRT: math.sqrt,
    Op.EXP: math.exp,
    Op.LOG: math.log,
}


def evaluated(graph: Graph, leaves: Mapping[str, float]) -> list[float]:
    """The value of every node, by the meaning of its operation."""
    values: list[float] = []
    for node in graph.nodes:
        if node.op is Op.CONSTANT:
            values.append(node.value)
        elif node.op is Op.LEAF:
            values.append(leaves[node.name])
        else:
            values.append(_FUNCTIONS[node.op](*(values[i] for i in node.operands)))
    return values


def count(program: Lowering, roots: list[int], op: Op) -> int:
    nodes = program.graph.nodes
    return sum(nodes[i].op is op and nodes[i].moving for i in program.graph.order(roots))


def test_the_chain_means_the_same_as_the_oracle() -> None:
    chain = build_chain()
    program = lower(chain.system, ("central_s",))
    parameters = chain.parameter_values(load_parameters().with_values({"illness_load": 0.7}))
    inputs = {"life_stress": 0.3, "antidepressant": 0.2, "benzodiazepine": 0.1}
    inputs = chain.input_defaults() | inputs
    rhs, jacobian, read_outs = ReferenceEngine(chain.system).functions(parameters, inputs)
    random = np.random.default_rng(1)
    state = np.abs(chain.healthy_guess() + random.uniform(0.05, 0.5, len(chain.states)))
    leaves = parameters | inputs | dict(zip(program.program.state_names, state, strict=True))
    values = evaluated(program.graph, leaves | {"infusion_into_central_s": 0.0})
    assert [values[i] for i in program.rates] == pytest.approx(
        list(rhs(state.tolist())), rel=1e-11, abs=1e-11
    )
    assert [values[i] for i in program.quantities.values()] == pytest.approx(
        list(read_outs(state.tolist())), rel=1e-11
    )
    rows, columns = ReferenceEngine(chain.system).code.jacobian_places
    for row, column, expected in zip(rows, columns, jacobian(state.tolist()), strict=True):
        node = program.jacobian.get((int(row), int(column)))
        found = 0.0 if node is None else values[node]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-11), (row, column)


def test_one_power_a_hill_term_and_reciprocals_for_divisions() -> None:
    hill = X**N / (K**N + X**N)
    system = System((X,), (K, N), (), (-hill,), {Y: hill * 2}, (1.0,), frozenset({X, K}))
    program = lower(system)
    roots = [*program.rates, *program.jacobian.values(), *program.quantities.values()]
    assert count(program, roots, Op.EXP) == 1
    assert count(program, roots, Op.LOG) == 1
    # Of the sum below, and of x for the derivative.
    assert count(program, roots, Op.RECIPROCAL) == 2


def test_what_stands_still_is_computed_apart() -> None:
    system = System((X,), (K, N), (Y,), (-sp.exp(K * N) / (1 + K) * X * Y,), {}, (1.0,))
    program = lower(system)
    # One number holds all of it: a single product is left to be done with the state.
    assert len(program.slots) == 1
    assert count(program, list(program.rates), Op.MULTIPLY) == 1
    assert count(program, list(program.rates), Op.EXP) == 0


def test_elimination_fills_little_in_an_arrow() -> None:
    states = sp.symbols("a:6", real=True)
    hub = states[0]
    rates = (-sum(states), *(hub - state for state in states[1:]))
    program = lower(System(states, (), (), rates, {}, (1.0,) * 6))
    # The hub comes when one other is left at most, so that nothing is filled in.
    assert 0 in program.elimination.order[-2:]
    assert len(program.elimination.entries) == len(program.jacobian)


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        (X**N, False),
        ((X**2 + 1) ** N, True),
        (sp.log(1 - 1 / (1 + sp.exp(X))), True),
        (sp.log(1 - X), False),
        (((X + sp.sqrt(X * X + 4)) / 2) ** N, True),
        (((X + sp.sqrt(X * X / 4 + 4)) / 2) ** N, False),
        (sp.sqrt(K**2 * X**2 / 3 + 1), True),
        (sp.exp(-X) ** N, True),
        ((K / (1 + X**2)) ** N, True),
        ((K - X**2) ** N, False),
    ],
)
def test_powers_need_what_is_positive(expression: sp.Expr, allowed: bool) -> None:
    rates = (-X, expression)
    system = System((X, Y), (K, N), (), rates, {}, (1.0, 1.0), frozenset({K}), {"y": "stage 'ampa'"})
    if allowed:
        lower(system)
    else:
        with pytest.raises(ModelError, match=r"stage 'ampa', equation of 'y': .* need not be positive"):
            lower(system)


def test_a_declared_state_may_be_a_base() -> None:
    program = lower(System((X,), (N,), (), (-(X**N),), {}, (1.0,), frozenset({X})))
    assert count(program, list(program.rates), Op.LOG) == 1


def test_unknown_functions_and_names_are_refused_where_they_are() -> None:
    with pytest.raises(ModelError, match=r"equation of 'x': .*no other function"):
        lower(System((X,), (), (), (sp.sin(X),), {}, (1.0,)))
    with pytest.raises(ModelError, match=r"equation of 'x': y: .*no state, parameter or input"):
        lower(System((X,), (), (), (-Y,), {}, (1.0,)))
    with pytest.raises(ModelError, match="nearest valid name is 'x'"):
        lower(System((X,), (), (), (-X,), {}, (1.0,)), ("xx",))
