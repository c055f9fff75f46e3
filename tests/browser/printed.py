"""How the page writes numbers, once more in Python, so that what is printed can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

__all__ = ["printed", "printed_change", "printed_in", "to_number"]

_MINUS = "\u2212"


def printed(value: float, digits: int = 3) -> str:
    """A number with at most some significant digits, a true minus sign and no false zeros."""
    if value == 0.0:
        return "0"
    places = min(6, max(0, digits - 1 - math.floor(math.log10(abs(value)))))
    if abs(value) >= 1e4:
        text = f"{float(f'{abs(value):.{digits}g}'):,.0f}"
    else:
        text = _half_up(abs(value), places)
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if float(text.replace(",", "")) == 0.0 else ("" if value > 0 else _MINUS) + text


def printed_in(row: Mapping[str, Any], value: float) -> str:
    """A value as a row prints it: what its range cannot show is 0, unless a log scale could."""
    low, high = row["range"]
    small = not row["log_allowed"] and abs(value) < (high - low) / 2000.0
    return printed(0.0 if small else value, row["digits"])


def printed_change(change: float, value: float) -> str:
    """A change with its sign, to the decimals in which the value itself is read."""
    rounded = math.copysign(float(_half_up(abs(change), 2 if abs(value) < 10 else 1)), change)
    text = printed(rounded)
    return f"+{text}" if rounded > 0 else text


def _half_up(value: float, places: int) -> str:
    """As JavaScript's toFixed: exact binary value, a tie goes up (Python's goes to the even digit)."""
    return f"{Decimal(value).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


def to_number(text: str) -> float:
    """The number that a printed text begins with."""
    head = text.strip().split()[0]
    return float(head.replace(_MINUS, "-").replace(",", "").replace("+", ""))
