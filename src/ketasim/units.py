"""Units, read and converted once at the border; inside, numbers are plain floats.

A :class:`UnitSystem` is the coherent set in which the equations run. The
equations hold no unit constants, so any coherent set gives the same results.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import pint

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

_OWN_UNITS = {"point": "score_point", "points": "score_point", "mmHg": "pressure_mmhg", "wk": "week"}
_OWN_WORDS = re.compile(r"\b(" + "|".join(_OWN_UNITS) + r")\b")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_QUANTITY = re.compile(rf"^\s*({_NUMBER})\s*(.*?)\s*$")


@cache
def _registry() -> Any:
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
