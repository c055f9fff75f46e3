"""The text form of a clamp."""

from __future__ import annotations

import math

import pytest

from ketasim.errors import ModelError, UnitError
from ketasim.model import Clamp, Provides, build_chain, parse_clamp

QUANTITIES = {
    "bdnf": Provides("bdnf", "ratio", "BDNF", "healthy"),
    "ketamine_venous": Provides("ketamine_venous", "mg/L", "ketamine", display="ng/mL"),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bdnf", Clamp("bdnf")),
        ("  bdnf ", Clamp("bdnf")),
        ("bdnf=1.2", Clamp("bdnf", 1.2)),
        ("bdnf = 1.2e-1 ", Clamp("bdnf", 0.12)),
        ("bdnf=120 %", Clamp("bdnf", 1.2)),
        ("bdnf@0h..24h", Clamp("bdnf", None, 0.0, 24.0)),
        ("bdnf @ 30min .. 1d", Clamp("bdnf", None, 0.5, 24.0)),
        ("bdnf@1.5h..2.5h", Clamp("bdnf", None, 1.5, 2.5)),
        ("bdnf@..24h", Clamp("bdnf", None, 0.0, 24.0)),
        ("bdnf@2h..", Clamp("bdnf", None, 2.0, math.inf)),
        ("bdnf@..", Clamp("bdnf")),
        ("bdnf=1.2@2h..3h", Clamp("bdnf", 1.2, 2.0, 3.0)),
        ("ketamine_venous=100@0h..1h", Clamp("ketamine_venous", 100.0, 0.0, 1.0)),
        ("ketamine_venous=0.1 mg/L", Clamp("ketamine_venous", 100.0)),
    ],
)
def test_forms(text: str, expected: Clamp) -> None:
    found = parse_clamp(text, QUANTITIES)
    assert found.quantity == expected.quantity
    assert found.value == (None if expected.value is None else pytest.approx(expected.value, rel=1e-12))
    assert (found.start_h, found.end_h) == (expected.start_h, expected.end_h)


def test_times_count_from_the_first_dose() -> None:
    assert parse_clamp("bdnf@1h..2h", QUANTITIES, 10.0) == Clamp("bdnf", None, 11.0, 12.0)
    assert parse_clamp("bdnf", QUANTITIES, 10.0) == Clamp("bdnf", None, 10.0, math.inf)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ModelError, "is not of the form"),
        ("=1", ModelError, "is not of the form"),
        ("bdnf@24h", ModelError, "is not of the form"),
        ("bdnf@0h-24h", ModelError, "is not of the form"),
        ("bdnf=1@", ModelError, "is not of the form"),
        ("bdnf 1", ModelError, "is not of the form"),
        ("bndf", ModelError, "unknown quantity 'bndf'; the nearest valid name is 'bdnf'"),
        ("bdnf=", ModelError, "is not of the form"),
        ("bdnf= ", UnitError, "--clamp bdnf: '' is not a number"),
        ("bdnf=high", UnitError, "--clamp bdnf: 'high' is not a number"),
        ("bdnf=1.2.3", UnitError, "--clamp bdnf"),
        ("bdnf=1e999", ModelError, "not a finite number"),
        ("ketamine_venous=1 uM", UnitError, "measure different things"),
        ("bdnf@0..24h", UnitError, "--clamp bdnf, from: '0' has no unit.*'@0h..24h'"),
        ("bdnf@0h..24", UnitError, "--clamp bdnf, to: '24' has no unit"),
        ("bdnf@0h..1kg", UnitError, "measure different things"),
        ("bdnf@5h..2h", ModelError, "must start at 0 h or later and end after its start"),
        ("bdnf@2h..2h", ModelError, "end after its start"),
        ("bdnf@-1h..2h", ModelError, "must start at 0 h or later"),
        ("bdnf@1e999h..", ModelError, "end after its start"),
    ],
)
def test_wrong_forms(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_clamp(text, QUANTITIES)


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("bdnf=-1", "at least 0"), ("nmda_block_mean=2", "at most 1"), ("severity=100", "at most 60")],
)
def test_a_value_out_of_range_is_refused(text: str, allowed: str) -> None:
    with pytest.raises(ModelError, match=allowed):
        parse_clamp(text, build_chain().quantities)


def test_cognition_may_be_held_below_zero() -> None:
    assert parse_clamp("cognition=-1.5", build_chain().quantities).value == -1.5
