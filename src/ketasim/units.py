"""Units, read and converted once at the border; inside, numbers are plain floats.

A :class:`UnitSystem` is the coherent set in which the equations run. The
equations hold no unit constants, so any coherent set gives the same results.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from ketasim.errors import UnitError

__all__ = [
    "DEFAULT_SYSTEM",
    "UnitSystem",
    "convert",
    "dimension",
    "parse_duration",
    "parse_quantity",
    "same_dimension",
]

#: Base dimensions of the package. Rating-scale points and blood pressure have dimensions of
#: their own: nothing in the model turns them into numbers, lengths or masses.
BASE = ("[time]", "[substance]", "[length]", "[mass]", "[score]", "[blood_pressure]")

#: What pint says about the units that the package itself uses: the factor to its base units, and the
#: exponents of :data:`BASE`. pint takes longer to load than a person to simulate; it is asked about any
#: other unit. A test compares each line with it.
_USUAL: dict[str, tuple[float, tuple[float, ...]]] = {
    "s": (1.0, (1, 0, 0, 0, 0, 0)),
    "min": (60.0, (1, 0, 0, 0, 0, 0)),
    "h": (3600.0, (1, 0, 0, 0, 0, 0)),
    "hours": (3600.0, (1, 0, 0, 0, 0, 0)),
    "d": (86400.0, (1, 0, 0, 0, 0, 0)),
    "day": (86400.0, (1, 0, 0, 0, 0, 0)),
    "days": (86400.0, (1, 0, 0, 0, 0, 0)),
    "wk": (604800.0, (1, 0, 0, 0, 0, 0)),
    "week": (604800.0, (1, 0, 0, 0, 0, 0)),
    "weeks": (604800.0, (1, 0, 0, 0, 0, 0)),
    "": (1.0, (0, 0, 0, 0, 0, 0)),
    "ratio": (1.0, (0, 0, 0, 0, 0, 0)),
    "%": (0.01, (0, 0, 0, 0, 0, 0)),
    "probability": (1.0, (0, 0, 0, 0, 0, 0)),
    "z_score": (1.0, (0, 0, 0, 0, 0, 0)),
    "point": (1.0, (0, 0, 0, 0, 1, 0)),
    "points": (1.0, (0, 0, 0, 0, 1, 0)),
    "mmHg": (1.0, (0, 0, 0, 0, 0, 1)),
    "kg": (1.0, (0, 0, 0, 1, 0, 0)),
    "L": (0.0010000000000000002, (0, 0, 3, 0, 0, 0)),
    "mL": (1.0000000000000002e-06, (0, 0, 3, 0, 0, 0)),
    "uM": (0.0009999999999999998, (0, 1, -3, 0, 0, 0)),
    "g/mol": (0.001, (0, -1, 0, 1, 0, 0)),
    "mg/L": (0.0009999999999999998, (0, 0, -3, 1, 0, 0)),
    "ng/mL": (1e-06, (0, 0, -3, 1, 0, 0)),
    "1/h": (0.0002777777777777778, (-1, 0, 0, 0, 0, 0)),
    "L/h": (2.7777777777777787e-07, (-1, 0, 3, 0, 0, 0)),
    "L/h/year": (8.802246615008044e-15, (-2, 0, 3, 0, 0, 0)),
    "year": (31557600.0, (1, 0, 0, 0, 0, 0)),
    "m": (1.0, (0, 0, 1, 0, 0, 0)),
    "cm": (0.01, (0, 0, 1, 0, 0, 0)),
    "mg/h": (2.7777777777777777e-10, (-1, 0, 0, 1, 0, 0)),
    "1/min": (0.016666666666666666, (-1, 0, 0, 0, 0, 0)),
    "1/min/mmHg": (0.016666666666666666, (-1, 0, 0, 0, 0, -1)),
    "umol": (1e-06, (0, 1, 0, 0, 0, 0)),
    "g": (0.001, (0, 0, 0, 1, 0, 0)),
    "mg": (1e-06, (0, 0, 0, 1, 0, 0)),
    "ug": (1e-09, (0, 0, 0, 1, 0, 0)),
    "nmol": (1e-09, (0, 1, 0, 0, 0, 0)),
    "mg/kg": (1e-06, (0, 0, 0, 0, 0, 0)),
    "ug/kg": (1e-09, (0, 0, 0, 0, 0, 0)),
    "umol/kg": (1e-06, (0, 1, 0, -1, 0, 0)),
    "g/h": (2.7777777777777776e-07, (-1, 0, 0, 1, 0, 0)),
    "g/min": (1.6666666666666667e-05, (-1, 0, 0, 1, 0, 0)),
    "mg/min": (1.6666666666666667e-08, (-1, 0, 0, 1, 0, 0)),
    "ug/h": (2.777777777777778e-13, (-1, 0, 0, 1, 0, 0)),
    "ug/min": (1.6666666666666667e-11, (-1, 0, 0, 1, 0, 0)),
    "umol/h": (2.7777777777777777e-10, (-1, 1, 0, 0, 0, 0)),
    "umol/min": (1.6666666666666667e-08, (-1, 1, 0, 0, 0, 0)),
    "nmol/h": (2.777777777777778e-13, (-1, 1, 0, 0, 0, 0)),
    "nmol/min": (1.6666666666666667e-11, (-1, 1, 0, 0, 0, 0)),
    "mg/kg/h": (2.7777777777777777e-10, (-1, 0, 0, 0, 0, 0)),
    "mg/kg/min": (1.6666666666666667e-08, (-1, 0, 0, 0, 0, 0)),
    "ug/kg/h": (2.777777777777778e-13, (-1, 0, 0, 0, 0, 0)),
    "ug/kg/min": (1.6666666666666667e-11, (-1, 0, 0, 0, 0, 0)),
    "umol/kg/h": (2.7777777777777777e-10, (-1, 1, 0, -1, 0, 0)),
    "umol/kg/min": (1.6666666666666667e-08, (-1, 1, 0, -1, 0, 0)),
}

_OWN_UNITS = {"point": "score_point", "points": "score_point", "mmHg": "pressure_mmhg", "wk": "week"}
_OWN_WORDS = re.compile(r"\b(" + "|".join(_OWN_UNITS) + r")\b")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY = re.compile(rf"^\s*({_NUMBER})\s*(.*?)\s*$")


@cache
def _registry() -> Any:
    import pint

    registry: Any = pint.UnitRegistry(cache_folder=None)
    registry.define("score_point = [score]")
    registry.define("pressure_mmhg = [blood_pressure]")
    registry.define("ratio = []")
    registry.define("probability = []")
    registry.define("z_score = []")
    registry.define("beat = []")
    return registry


@lru_cache(maxsize=4096)
def _base(unit: str) -> tuple[float, tuple[float, ...]]:
    """Factor to pint's base units, and the exponents of :data:`BASE`."""
    return _USUAL[unit] if unit in _USUAL else _by_pint(unit)


def _by_pint(unit: str) -> tuple[float, tuple[float, ...]]:
    """The same, read by pint."""
    try:
        known = _OWN_WORDS.sub(lambda word: _OWN_UNITS[word.group()], unit)
        quantity = _registry().Quantity(1.0, known or "dimensionless").to_base_units()
    except Exception as error:  # pint raises many kinds, from its tokenizer too
        raise UnitError(
            f"unknown unit {unit!r}. Write units as in 'ng/mL', 'mg/kg', 'umol', 'h', 'min', 'd'."
        ) from error
    exponents = dict(quantity.dimensionality)
    if set(exponents) - set(BASE):
        raise UnitError(f"unit {unit!r} has a dimension that Ketasim does not use.")
    return float(quantity.magnitude), tuple(float(exponents.get(name, 0)) for name in BASE)


def dimension(unit: str) -> tuple[float, ...]:
    """Exponents of time, substance, length, mass, score and blood pressure in a unit.

    Parameters
    ----------
    unit : str
        A unit such as ``"ng/mL"``; empty or ``"ratio"`` for a pure number.

    Returns
    -------
    tuple of float
        Six exponents, in the order of the base dimensions.

    Raises
    ------
    UnitError
        If the unit is unknown.
    """
    return _base(unit)[1]


def same_dimension(first: str, second: str) -> bool:
    """Tell whether two units measure the same thing."""
    return dimension(first) == dimension(second)


def convert(value: float, source: str, target: str) -> float:
    """Convert a value between units of one dimension.

    Raises
    ------
    UnitError
        If a unit is unknown or the dimensions differ.
    """
    source_factor, source_dimension = _base(source)
    target_factor, target_dimension = _base(target)
    if source_dimension != target_dimension:
        raise UnitError(f"{source!r} cannot be converted to {target!r}: they measure different things.")
    return value if source == target else value * source_factor / target_factor


@dataclass(frozen=True)
class UnitSystem:
    """A coherent set of units for the inside of the model.

    Parameters
    ----------
    time, substance, volume, mass, score, pressure : str
        The unit of each base dimension; length follows from the volume.
    """

    time: str = "h"
    substance: str = "umol"
    volume: str = "L"
    mass: str = "mg"
    score: str = "point"
    pressure: str = "mmHg"

    def __post_init__(self) -> None:
        wanted = {"time": "h", "substance": "umol", "volume": "L", "mass": "mg", "score": "point"}
        for name, example in {**wanted, "pressure": "mmHg"}.items():
            if not same_dimension(getattr(self, name), example):
                raise UnitError(
                    f"{name}: {getattr(self, name)!r} is not a unit of {name}; give one such as {example!r}."
                )

    def factor(self, unit: str) -> float:
        """Number of this system's units in one ``unit``."""
        magnitude, (time, substance, length, mass, score, pressure) = _base(unit)
        scale: float = (
            _base(self.time)[0] ** time
            * _base(self.substance)[0] ** substance
            * _base(self.volume)[0] ** (length / 3.0)
            * _base(self.mass)[0] ** mass
            * _base(self.score)[0] ** score
            * _base(self.pressure)[0] ** pressure
        )
        return magnitude / scale


DEFAULT_SYSTEM = UnitSystem()


def parse_quantity(text: str, unit: str, field: str) -> float:
    """Read a number with its unit and return it in another unit.

    Parameters
    ----------
    text : str
        For example ``"70 kg"`` or ``"0.5 mg/kg"``. A bare number is an error
        unless ``unit`` is a pure number.
    unit : str
        The unit of the returned number.
    field : str
        What the text stands for, used in the error.

    Returns
    -------
    float
        The value in ``unit``.

    Raises
    ------
    UnitError
        If there is no number, no unit, or a unit of the wrong dimension.
    """
    match = _QUANTITY.match(str(text))
    if match is None:
        raise UnitError(f"{field}: {text!r} is not a number with a unit; write for example '1 {unit}'.")
    value, given = float(match.group(1)), match.group(2)
    if not given and any(dimension(unit)):
        raise UnitError(f"{field}: {text!r} has no unit; write for example '{match.group(1)} {unit}'.")
    try:
        return convert(value, given, unit)
    except UnitError as error:
        raise UnitError(f"{field}: {text!r}: {error} Use a unit such as {unit!r}.") from error


def parse_duration(text: str, field: str) -> float:
    """Read a length of time such as ``40min``, ``24h``, ``14d`` or ``2 weeks`` as hours."""
    bare = re.fullmatch(rf"\s*({_NUMBER})\s*", str(text))
    if bare is not None:
        number = bare.group(1)
        raise UnitError(f"{field}: {text!r} has no unit; write '{number} min', '{number} h' or '{number} d'.")
    return parse_quantity(str(text), "h", field)
