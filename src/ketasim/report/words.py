"""Plain words for a report: numbers, times, arms and sources as a reader expects them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd

from ketasim._lazy import lazy_module
from ketasim.errors import EvidenceError
from ketasim.evidence import citation_text
from ketasim.model.parameters import OWN_SOURCES
from ketasim.trials.study import Endpoint, Observation, Study, Visit
from ketasim.trials.study.rules import Z95

if TYPE_CHECKING:
    from scipy import optimize, special
else:
    optimize = lazy_module("scipy.optimize")
    special = lazy_module("scipy.special")

__all__ = [
    "SCALE_WORDS",
    "arm_label",
    "interval",
    "interval_text",
    "number",
    "records",
    "signed",
    "source_words",
    "time_text",
    "unit_words",
    "visit_text",
    "z_text",
]

MINUS = "\N{MINUS SIGN}"

#: Scales as they are printed.
SCALE_WORDS = {"madrs": "MADRS", "hamd17": "HAM-D 17"}

#: The underscore of an id that stands for a decimal point, as in ``ketamine_0_5``.
_DECIMAL = re.compile(r"(?<=\b\d)_(?=\d)|(?<=_\d)_(?=\d)")

_UNITS = {
    "ratio": "",
    "probability": "",
    "point": "points",
    "dimensionless": "",
    "z_score": "SD",
    "direction": "",
    "binary": "",
}


def number(value: float, digits: int = 3) -> str:
    """Write a number with three significant figures, a true minus sign and no false zeros.

    Parameters
    ----------
    value : float
        Any number; not finite gives a dash.
    digits : int
        Significant figures.

    Returns
    -------
    str
    """
    if not math.isfinite(value):
        return "–"
    if value == 0.0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size > 6:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        text = f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    else:
        text = f"{round(value, digits - 1 - size):.{max(0, digits - 1 - size)}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "0") else text.replace("-", MINUS)


def signed(value: float, digits: int = 3) -> str:
    """Write a number as :func:`number` does, with a plus sign if it is above zero."""
    text = number(value, digits)
    return f"+{text}" if math.isfinite(value) and value > 0.0 and text != "0" else text


def interval(
    middle: float, error: float, *, rate: bool = False, freedom: float = math.inf
) -> tuple[float, float]:
    """Ends of a 95 % interval, in the unit of the value.

    Parameters
    ----------
    middle, error : float
        Value and standard error, both finite.
    rate : bool
        Whether the value is a fraction. Its interval is Wilson's, for the number of persons that
        has this error.
    freedom : float
        Degrees of freedom of the error of a mean: the t quantile is taken, and the normal one
        where there is no end to them.
    """
    if rate:
        return _wilson(middle, _persons(middle, error))
    half = error * (float(special.stdtrit(freedom, 0.975)) if math.isfinite(freedom) else Z95)
    return middle - half, middle + half


def _persons(share: float, error: float) -> float:
    """Find the number of persons whose rate has this error, half a person added to each side."""

    def excess(n: float) -> float:
        return (share * n + 0.5) * ((1.0 - share) * n + 0.5) / (n + 1.0) ** 3 - error**2

    most = 1e9
    if excess(0.0) <= 0.0 or excess(most) >= 0.0:
        return 0.0 if excess(0.0) <= 0.0 else most
    return float(optimize.brentq(excess, 0.0, most))


def _wilson(share: float, n: float) -> tuple[float, float]:
    square = Z95**2
    middle = share * n + 0.5 * square
    half = Z95 * math.sqrt(share * (1.0 - share) * n + 0.25 * square)
    return max(0.0, (middle - half) / (n + square)), min(1.0, (middle + half) / (n + square))


def interval_text(middle: float, error: float, *, rate: bool = False, freedom: float = math.inf) -> str:
    """Write a value with its 95 % interval, such as ``−7.2 (−9.1 to −4.9)`` or ``18 % (9 to 34 %)``.

    The value and both ends have equally many decimals, as many as the width of the interval deserves.

    Parameters
    ----------
    middle, error : float
        Value and standard error; the interval is left out if the error is not finite.
    rate, freedom
        As in :func:`interval`. A rate is written in percent.
    """
    if not math.isfinite(middle):
        return "–"
    if not math.isfinite(error):
        return f"{number(100.0 * middle)} %" if rate else number(middle)
    low, high = interval(middle, error, rate=rate, freedom=freedom)
    if rate:
        # With fewer persons than this a tenth of a percent says nothing.
        digits = 0 if _persons(middle, error) < 200.0 else 1
        value, first, last = (_fixed(100.0 * item, digits) for item in (middle, low, high))
        return f"{value} % ({first} to {last} %)"
    half = 0.5 * (high - low)
    digits = 1 if half >= 0.5 else 2 if half <= 0.0 else max(2, -math.floor(math.log10(half)))
    value, first, last = (_fixed(item, digits) for item in (middle, low, high))
    return f"{value} ({first} to {last})"


def _fixed(value: float, digits: int) -> str:
    """Write a number with so many decimals and a true minus sign."""
    text = f"{value:.{digits}f}"
    return text.replace("-", MINUS if float(text) else "")


def z_text(z: float) -> str:
    """Write a z score with one decimal and its sign."""
    if not math.isfinite(z):
        return "–"
    text = f"{z:+.1f}".replace("-", MINUS)
    return "0.0" if text.endswith("0.0") and len(text) == 4 else text


def time_text(hours: float) -> str:
    """Write a time from the first dose in the unit that suits it."""
    if hours < 2.0 - 1e-9:
        return f"{number(hours * 60.0)} min"
    if hours <= 48.0 + 1e-9:
        return f"{number(hours)} h"
    return f"{number(hours / 24.0)} d"


def visit_text(study: Study, hours: float) -> str:
    """Write the time of a visit in the study file's own words, or else as a plain time."""
    parts: tuple[Visit | Endpoint | Observation, ...] = (
        *study.visits,
        *study.endpoints,
        *study.observations,
    )
    for part in parts:
        if abs(part.time_h - hours) < 1e-6:
            return part.time
    return "entry" if hours == 0.0 else time_text(hours)


def arm_label(arm: str) -> str:
    """Write the id of an arm, or of arms counted together, for a reader."""
    parts = [_DECIMAL.sub(".", part.strip()).replace("_", " ") for part in arm.split("+")]
    first = f"{parts[0].split(' ')[0]} "
    if all(part.startswith(first) for part in parts):
        parts[1:] = [part.removeprefix(first) for part in parts[1:]]
    return " + ".join(parts)


def unit_words(unit: str) -> str:
    """Write a unit for a reader; empty where the number needs none."""
    return _UNITS.get(unit, unit.replace("uM", "µM"))


def source_words(key: str, grade: str = "") -> str:
    """Name a source in plain words: a publication, or what else a number comes from.

    ``grade`` is that of a parameter, if it is one: what was calibrated is not assumed.
    """
    if key == "assumed" and grade == "calibrated":
        return "fitted here (calibration); no source gives it"
    if key in OWN_SOURCES:
        return OWN_SOURCES[key]
    try:
        return citation_text(key)
    except EvidenceError:
        return key.replace("_", " ")


def records(frame: pd.DataFrame) -> Iterable[dict[str, Any]]:
    """Go through the rows of a table as plain dictionaries."""
    return ({str(key): value for key, value in row.items()} for row in frame.to_dict("records"))
