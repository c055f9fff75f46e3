"""The closed form of the circuit surfaces as the chain reads it: names of inputs, outputs and coefficients.

The form itself is :mod:`ketasim.circuit.ridge`. Why it looks as it does is told in
``docs/design/spiking-circuit.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ketasim.circuit.ridge import Ridge, ridge_expression

__all__ = ["CLASSES", "INPUTS", "LOG_LIMIT", "OUTPUTS", "UNITS", "coefficients_of", "log_ratios"]

CLASSES = ("pyramidal", "pv", "sst", "vip")
OUTPUTS = ("pyramidal_rate", "pv_rate", "sst_rate", "vip_rate", "gamma_power")
#: Inputs of the surfaces: blocks, and gains as differences from 1, so that all are zero in health.
INPUTS = ("block_pyramidal", "block_pv", "block_sst", "block_vip", "gaba_a_gain", "release_gain", "density")
#: Smooth steps that the outputs of a circuit share.
UNITS = 16
# Natural log of the largest departure from baseline that a surface can give, in either direction.
LOG_LIMIT = 4.5


def _unit(number: int) -> str:
    return f"unit{number + 1:02d}"


def _weight(unit: int, name: str) -> str:
    return f"circuit_{_unit(unit)}_{name}"


def _offset(unit: int) -> str:
    return f"circuit_{_unit(unit)}_offset"


def coefficients_of(ridge: Ridge) -> dict[str, float]:
    """Name every coefficient of a surface as the chain does.

    Parameters
    ----------
    ridge : Ridge
        With :data:`INPUTS`, :data:`OUTPUTS` and :data:`UNITS` units.

    Returns
    -------
    dict of str to float
        All are ratios.
    """
    found = {}
    for unit in range(ridge.units):
        for name, value in zip(ridge.inputs, ridge.weights[unit], strict=True):
            found[_weight(unit, name)] = float(value)
        found[_offset(unit)] = float(ridge.offsets[unit])
    for output, gains, slopes in zip(ridge.outputs, ridge.gains, ridge.slopes, strict=True):
        for unit, value in enumerate(gains):
            found[f"{output}_{_unit(unit)}"] = float(value)
        for name, value in zip(ridge.inputs, slopes, strict=True):
            found[f"{output}_{name}"] = float(value)
    return found


def log_ratios(
    value: Callable[[str], Any],
    x: Sequence[Any],
    power: Callable[[Any, Any], Any] = pow,
    keep: Callable[[str, Any], Any] = lambda _name, value: value,
) -> dict[str, Any]:
    """Log ratio of every output to the healthy circuit, in ordinary arithmetic on numbers or symbols.

    Parameters
    ----------
    value : function
        From the name of a coefficient to its value or symbol.
    x : sequence of seven
        Inputs, in the order of :data:`INPUTS`.
    power : function
        Takes a base and an exponent; the model has its own for symbols.
    keep : function
        Takes a name and a value in between, and returns what is used for it from there on.

    Returns
    -------
    dict of str to number or expression
        By output.
    """
    units = range(UNITS)
    found = ridge_expression(
        [[value(_weight(unit, name)) for name in INPUTS] for unit in units],
        [value(_offset(unit)) for unit in units],
        [[value(f"{output}_{_unit(unit)}") for unit in units] for output in OUTPUTS],
        [[value(f"{output}_{name}") for name in INPUTS] for output in OUTPUTS],
        LOG_LIMIT,
        x,
        power,
        lambda part, number, value: keep(
            f"circuit_{OUTPUTS[number] if part == 'sum' else _unit(number)}_{part}", value
        ),
    )
    return dict(zip(OUTPUTS, found, strict=True))
