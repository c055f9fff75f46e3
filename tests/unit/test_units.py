"""Units: reading, converting, dimensions, and what is refused."""

from __future__ import annotations

import pytest

from ketasim.errors import UnitError
from ketasim.units import UnitSystem, convert, dimension, parse_duration, parse_quantity, same_dimension


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("70 kg", "kg", 70.0),
        ("70000 g", "kg", 70.0),
        ("0.5 mg/kg", "mg/kg", 0.5),
        (".5mg", "mg", 0.5),
        ("5.mg", "mg", 5.0),
        ("-1.5e-3 mol", "umol", -1500.0),
        ("+2 mL", "L", 0.002),
        ("185 ng/mL", "mg/L", 0.185),
        ("1.42 uM", "umol/L", 1.42),
        ("1.42 µmol/L", "uM", 1.42),
        ("  3   h ", "min", 180.0),
        ("0.3", "ratio", 0.3),
        ("0.3", "", 0.3),
        ("30 %", "ratio", 0.3),
        ("7 points", "points", 7.0),
        ("120 mmHg", "mmHg", 120.0),
        ("72 beat/min", "1/h", 4320.0),
    ],
)
def test_quantities(text: str, unit: str, value: float) -> None:
    assert parse_quantity(text, unit, "field") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("40min", 2.0 / 3.0),
        ("24h", 24.0),
        ("14d", 336.0),
        ("2 weeks", 336.0),
        ("1wk", 168.0),
        ("90 s", 0.025),
        ("0 h", 0.0),
    ],
)
def test_durations(text: str, hours: float) -> None:
    assert parse_duration(text, "field") == pytest.approx(hours, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("", "kg", "dose: '' is not a number with a unit; write for example '1 kg'"),
        ("heavy", "kg", "is not a number with a unit"),
        ("nan kg", "kg", "is not a number with a unit"),
        ("70", "kg", "dose: '70' has no unit; write for example '70 kg'"),
        ("70 h", "kg", "'h' cannot be converted to 'kg': they measure different things"),
        ("70 kgs_", "kg", "unknown unit 'kgs_'"),
        ("70 kg kg", "kg", "measure different things"),
        ("70 5 kg", "kg", "unknown unit '5 kg'"),
        ("1.2.3 kg", "kg", "unknown unit"),
        ("20 degC", "kg", "has a dimension that Ketasim does not use"),
        ("3 points", "ratio", "measure different things"),
        ("3 mmHg", "points", "measure different things"),
        ("3 )(", "kg", "unknown unit"),
    ],
)
def test_refused(text: str, unit: str, message: str) -> None:
    with pytest.raises(UnitError) as caught:
        parse_quantity(text, unit, "dose")
    assert message in str(caught.value)
    assert str(caught.value).startswith("dose: ")


def test_conversion() -> None:
    assert convert(1.0, "d", "h") == pytest.approx(24.0, rel=1e-15)
    assert convert(0.1, "uM", "uM") == 0.1
    assert convert(convert(0.123, "ng/mL", "g/L"), "g/L", "ng/mL") == pytest.approx(0.123, rel=1e-14)
    with pytest.raises(UnitError, match="'uM' cannot be converted to 'ng/mL'"):
        convert(1.0, "uM", "ng/mL")


def test_dimensions() -> None:
    assert dimension("L") == (0.0, 0.0, 3.0, 0.0, 0.0, 0.0)
    assert dimension("mg/L") == (0.0, 0.0, -3.0, 1.0, 0.0, 0.0)
    assert dimension("umol/h") == (-1.0, 1.0, 0.0, 0.0, 0.0, 0.0)
    assert dimension("points") == (0.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    assert dimension("mmHg") == (0.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    assert dimension("") == dimension("ratio") == dimension("mg/kg") == (0.0,) * 6
    assert same_dimension("ng/mL", "g/L")
    assert not same_dimension("ng/mL", "uM")
    # Blood pressure is not a force on an area here: nothing in the model makes it one.
    assert not same_dimension("mmHg", "kg/h^2/m")


def test_unit_system_is_coherent() -> None:
    units = UnitSystem(time="min", substance="nmol", volume="mL", mass="g")
    assert units.factor("h") == pytest.approx(60.0)
    assert units.factor("umol") == pytest.approx(1e3)
    assert units.factor("uM") == pytest.approx(1.0)
    assert units.factor("mg/L") == pytest.approx(1e-6)
    assert units.factor("L/h") == pytest.approx(1000.0 / 60.0)
    assert units.factor("g/mol") == pytest.approx(1e-9)
    assert units.factor("points") == units.factor("mmHg") == units.factor("ratio") == 1.0
    # A product of units has the product of their factors: that is what coherent means.
    assert units.factor("mg") == pytest.approx(units.factor("umol") * units.factor("mg/umol"), rel=1e-14)


@pytest.mark.parametrize("wrong", [{"time": "kg"}, {"mass": "umol"}, {"volume": "m"}, {"score": "ratio"}])
def test_unit_system_of_wrong_dimensions(wrong: dict[str, str]) -> None:
    with pytest.raises(UnitError, match=f"{next(iter(wrong))}: .*is not a unit of"):
        UnitSystem(**wrong)
