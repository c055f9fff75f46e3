"""Clamps and switches: a quantity that is held, or kept near its rest.

A clamp holds a quantity at its baseline or at a value for a span of time. A switch lets a quantity
keep a share of its distance from rest, ``rest + share (value - rest)``, for a whole run; it is an
input of the chain, so that no share needs a kernel of its own.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ketasim.engine.system import share_names
from ketasim.errors import ModelError, UnitError, unknown_name
from ketasim.model.stage import Input, Provides
from ketasim.units import parse_duration, parse_quantity

__all__ = ["Clamp", "parse_clamp", "share_inputs", "share_settings"]

Number = TypeVar("Number", float, npt.NDArray[np.float64])

_FORM = re.compile(
    r"^\s*(?P<name>[A-Za-z]\w*)\s*(?:=(?P<value>[^@]+))?(?:@(?P<start>[^.@]*(?:\.\d[^.@]*)?)\.\.(?P<end>.*))?\s*$"
)


@dataclass(frozen=True)
class Clamp:
    """Holds a quantity.

    Parameters
    ----------
    quantity : str
        Name of the quantity.
    value : float or None
        The value in the quantity's shown unit; None for the patient's own baseline.
    start_h, end_h : float
        The span [start, end) in hours from the start of the simulation.
    """

    quantity: str
    value: float | None = None
    start_h: float = 0.0
    end_h: float = math.inf

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ModelError(f"clamp {self.quantity!r}: the value {self.value:g} is not a finite number.")
        if not 0.0 <= self.start_h < self.end_h:
            raise ModelError(
                f"clamp {self.quantity!r}: the span {self.start_h:g} h to {self.end_h:g} h must start at 0 h "
                "or later and end after its start."
            )


def parse_clamp(text: str, quantities: dict[str, Provides], offset_h: float = 0.0) -> Clamp:
    """Read ``quantity[=value][@from..to]``, such as ``ampa_drive@0h..24h``.

    Parameters
    ----------
    text : str
        The clamp. The value is in the quantity's unit, or brings its own.
    quantities : dict of str to Provides
        The quantities that exist.
    offset_h : float
        Time of the first dose, from which the span counts.

    Raises
    ------
    ModelError, UnitError
        If the form, the name, the value or a time is wrong.
    """
    match = _FORM.match(text)
    if match is None:
        raise ModelError(
            f"--clamp: {text!r} is not of the form quantity[=value][@from..to]; "
            "write for example 'ampa_drive@0h..24h' or 'bdnf=1.2'."
        )
    name = match["name"]
    if name not in quantities:
        raise ModelError(f"--clamp: {unknown_name('quantity', name, quantities)}")
    unit = quantities[name].shown_unit
    value = None
    if match["value"] is not None:
        given = match["value"].strip()
        bare = re.fullmatch(r"[-+]?[\d.]+(?:[eE][-+]?\d+)?", given) is not None
        value = parse_quantity(f"{given} {unit}" if bare else given, unit, f"--clamp {name}")
        item = quantities[name]
        if not item.low <= value <= item.high:
            upper = "" if math.isinf(item.high) else f" and at most {item.high:g}"
            raise ModelError(
                f"--clamp {name}: {given!r} is out of range; give at least {item.low:g}{upper} {unit}."
            )
    start, end = 0.0, math.inf
    if match["end"] is not None:
        try:
            start = parse_duration(match["start"], f"--clamp {name}, from") if match["start"].strip() else 0.0
            end = parse_duration(match["end"], f"--clamp {name}, to") if match["end"].strip() else math.inf
        except UnitError as error:
            raise UnitError(f"{error} Times of a clamp are written as in '@0h..24h'.") from error
    return Clamp(name, value, start + offset_h, end + offset_h)


def share_inputs(names: Sequence[str], quantities: Mapping[str, Provides]) -> dict[str, Input]:
    """Inputs by which quantities keep a share of their distance from rest; as they stand, all of it.

    Parameters
    ----------
    names : sequence of str
        Quantities.
    quantities : mapping of str to Provides
        The quantities that exist.

    Raises
    ------
    ModelError
        If a quantity does not exist, or may be negative: its rest could not be told from a share.
    """
    found: dict[str, Input] = {}
    for name in names:
        if name not in quantities:
            raise ModelError(f"switch: {unknown_name('quantity', name, quantities)}")
        item = quantities[name]
        if item.low < 0.0:
            raise ModelError(f"switch: {name!r} may be negative; a switch needs a quantity that is not.")
        kept, taken, value = share_names(name)
        found[kept] = Input(kept, "ratio", f"share kept of: {item.label}", 1.0)
        found[taken] = Input(taken, "ratio", f"share taken of: {item.label}", 0.0)
        found[value] = Input(value, item.shown_unit, f"rest of: {item.label}", 0.0)
    return found


def share_settings(name: str, share: float, rest: Number) -> dict[str, Number | float]:
    """Values of the inputs with which a quantity keeps a share of its distance from rest.

    Parameters
    ----------
    name : str
        The quantity.
    share : float
        From 0 (held at rest) to 1 (left as it is).
    rest : float or array
        In the quantity's shown unit.
    """
    kept, taken, value = share_names(name)
    return {kept: share, taken: 1.0 - share, value: rest}
