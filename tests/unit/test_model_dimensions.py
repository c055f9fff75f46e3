"""Dimensions of expressions, and the names that the errors give to them."""

from __future__ import annotations

import pytest
import sympy as sp

from ketasim.errors import UnitError
from ketasim.model.dimensions import infer, show, times
from ketasim.units import dimension

AMOUNT, VOLUME, RATE, SHARE, TIME = sp.symbols("amount volume rate share time", real=True)
KNOWN = {
    AMOUNT: dimension("umol"),
    VOLUME: dimension("L"),
    RATE: dimension("1/h"),
    SHARE: dimension("ratio"),
    TIME: dimension("h"),
}


@pytest.mark.parametrize(
    ("expression", "unit"),
    [
        (AMOUNT / VOLUME, "uM"),
        (RATE * AMOUNT, "umol/h"),
        (RATE * AMOUNT + AMOUNT / TIME, "umol/h"),
        (VOLUME ** sp.Rational(1, 3), "dm"),
        (VOLUME**0.75 * VOLUME**0.25, "L"),
        (sp.exp(-RATE * TIME), "ratio"),
        (sp.log(1 + SHARE), "ratio"),
        (SHARE**SHARE, "ratio"),
        ((RATE * TIME) ** (1 + SHARE), "ratio"),
        (2 * SHARE + 1, "ratio"),
        (sp.Integer(3), "ratio"),
    ],
)
def test_right_expressions(expression: sp.Expr, unit: str) -> None:
    # Fractional powers are rounded to nine digits, so that thirds add up to one.
    assert infer(expression, KNOWN) == pytest.approx(dimension(unit), abs=1e-8)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (AMOUNT + VOLUME, "are added"),
        (AMOUNT + 1, "are added"),
        (AMOUNT / VOLUME - AMOUNT, "are added"),
        (RATE * (AMOUNT + TIME), "are added"),
        (sp.exp(AMOUNT), "amount must be a pure number here, but is substance\\^1"),
        (sp.exp(-TIME), "must be a pure number"),
        (sp.log(VOLUME), "volume must be a pure number here, but is length\\^3"),
        (SHARE**TIME, "time must be a pure number"),
        (AMOUNT**SHARE, "amount \\(substance\\^1\\) is raised to the power share"),
        (2**AMOUNT, "amount must be a pure number"),
    ],
)
def test_wrong_expressions(expression: sp.Expr, message: str) -> None:
    with pytest.raises(UnitError, match=message):
        infer(expression, KNOWN)


def test_product_and_words() -> None:
    assert times(dimension("umol"), dimension("L"), -1.0) == dimension("uM")
    assert show(dimension("ratio")) == "a pure number"
    assert show(dimension("mg/L")) == "length^-3 mass^1"
