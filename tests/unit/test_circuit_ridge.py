from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from ketasim.circuit.formulas import INPUTS, OUTPUTS, UNITS, coefficients_of, log_ratios
from ketasim.circuit.ridge import Ridge, evaluate, ridge_expression
from ketasim.circuit.ridge_fit import cross_validate, fit_ridge
from ketasim.errors import ModelError
from ketasim.smooth import smooth_step


def made(units: int, inputs: int, outputs: int, seed: int) -> Ridge:
    rng = np.random.default_rng(seed)
    return Ridge(
        tuple(f"x{k}" for k in range(inputs)),
        tuple(f"y{k}" for k in range(outputs)),
        rng.normal(0.0, 2.0, (units, inputs)),
        rng.normal(0.0, 1.0, units),
        rng.normal(0.0, 1.0, (outputs, units)),
        rng.normal(0.0, 0.5, (outputs, inputs)),
        4.5,
    )


@pytest.mark.parametrize("value", [-3.0, 0.0, 0.4, 1e8])
def test_step_is_that_of_the_formula(value: float) -> None:
    assert smooth_step(value) == pytest.approx(value / np.sqrt(1.0 + value**2), rel=1e-15)


def test_a_surface_is_zero_at_zero_and_bounded() -> None:
    ridge = made(6, 4, 3, 1)
    np.testing.assert_array_equal(evaluate(ridge, np.zeros(4)), np.zeros(3))
    far = evaluate(ridge, 1e6 * np.random.default_rng(2).normal(size=(50, 4)))
    assert (np.abs(far) <= 4.5).all()
    assert (np.abs(far) > 4.4).any()


def test_evaluation_agrees_with_the_formula_written_out_once_more() -> None:
    ridge = made(5, 3, 2, 3)
    x = np.array([0.3, -0.2, 0.9])
    z = ridge.weights @ x + ridge.offsets
    total = (
        ridge.gains @ (z / np.sqrt(1 + z**2) - ridge.offsets / np.sqrt(1 + ridge.offsets**2))
        + ridge.slopes @ x
    )
    np.testing.assert_allclose(evaluate(ridge, x), total / np.sqrt(1.0 + (total / 4.5) ** 2), rtol=1e-12)


def test_symbols_give_the_same_numbers() -> None:
    ridge = made(3, 2, 1, 4)
    x, y = sp.symbols("x y")
    written = ridge_expression(ridge.weights, ridge.offsets, ridge.gains, ridge.slopes, 4.5, (x, y))[0]
    assert float(written.subs({x: 0.4, y: -0.7})) == pytest.approx(evaluate(ridge, [0.4, -0.7])[0], rel=1e-12)


def test_a_fit_finds_a_surface_of_its_own_form() -> None:
    truth = made(2, 3, 2, 5)
    rng = np.random.default_rng(6)
    x = rng.uniform(-1.0, 1.0, (300, 3))
    y = evaluate(truth, x)
    fit = fit_ridge(x, y, [0.03, 0.03], truth.inputs, truth.outputs, 4, 4.5, penalty=1e-4, starts=4)
    fresh = rng.uniform(-1.0, 1.0, (200, 3))
    # A hundredth of what is fitted: the penalty and the local search leave that much.
    error = np.sqrt(((evaluate(fit, fresh) - evaluate(truth, fresh)) ** 2).mean(axis=0))
    assert (error < 0.01 * evaluate(truth, fresh).std(axis=0)).all()


def test_unknown_values_do_not_move_the_fit() -> None:
    truth = made(2, 2, 2, 7)
    x = np.random.default_rng(8).uniform(-1.0, 1.0, (120, 2))
    y = evaluate(truth, x)
    holes = y.copy()
    holes[::3, 1] = np.nan
    names = (truth.inputs, truth.outputs)
    fit = fit_ridge(x, holes, [0.03, 0.03], *names, 3, 4.5, penalty=1e-4, starts=4)
    assert np.abs(evaluate(fit, x) - y).max() < 0.05


def test_cross_validation_sees_noise_that_the_fit_cannot_know() -> None:
    rng = np.random.default_rng(9)
    x = rng.uniform(-1.0, 1.0, (400, 2))
    y = np.column_stack([0.5 * x[:, 0] - 0.3 * x[:, 1] + 0.1 * rng.standard_normal(400)])
    errors = cross_validate(x, y, [0.1], ("a", "b"), ("y",), 2, 4.5)
    # The noise has a standard deviation of 0.1; of 400 values it is known to 3.5 %, and a fit adds a little.
    assert 0.09 < errors.std() < 0.115


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.zeros((5, 2)), np.zeros((4, 1)), "give a row a point"),
        (np.zeros((5, 2)), np.zeros((5, 1)), "run more points"),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(x: np.ndarray, y: np.ndarray, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        fit_ridge(x, y, [0.1], ("a", "b"), ("y",), 3, 4.5)


def test_inputs_of_another_number_are_refused() -> None:
    with pytest.raises(ModelError, match="its last axis must hold x0, x1"):
        evaluate(made(2, 2, 1, 1), np.zeros((4, 3)))


def test_named_coefficients_give_the_surface_again() -> None:
    ridge = made(UNITS, len(INPUTS), len(OUTPUTS), 10)
    named = Ridge(INPUTS, OUTPUTS, ridge.weights, ridge.offsets, ridge.gains, ridge.slopes, ridge.limit)
    coefficients = coefficients_of(named)
    assert len(coefficients) == UNITS * (len(INPUTS) + 1) + len(OUTPUTS) * (UNITS + len(INPUTS))
    x = [0.2, 0.4, 0.47, 0.3, -0.1, 0.0, -0.2]
    found = log_ratios(coefficients.__getitem__, x)
    np.testing.assert_allclose([found[name] for name in OUTPUTS], evaluate(named, x), rtol=1e-12)
