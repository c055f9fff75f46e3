"""The statistics of a published row: what each needs, in which unit, and how uncertain its value is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ketasim.trials.study.parts import Observation

__all__ = [
    "COMPARED_STATISTICS",
    "QUOTIENT_STATISTICS",
    "RATE_STATISTICS",
    "Z95",
    "EndpointStatistic",
    "RowStatistic",
    "fields_fault",
    "row_unit",
    "standard_error",
    "value_fault",
]

#: Half width of a 95 % interval of a normal distribution, in standard deviations.
Z95 = 1.959964

#: What a planned or shipped study may tabulate in its arms.
EndpointStatistic = Literal[
    "mean",
    "change",
    "difference",
    "sd",
    "response",
    "remission",
    "relapse",
    "ratio",
    "direction",
    "binary",
]

#: What a published value may be.
RowStatistic = Literal[
    "mean",
    "change",
    "difference",
    "sd",
    "response",
    "remission",
    "relapse",
    "ratio",
    "direction",
    "binary",
    "median_change",
    "effect_size",
    "correlation",
    "improved",
    "incidence",
    "response_odds_ratio",
    "remission_odds_ratio",
    "response_risk_ratio",
    "remission_risk_ratio",
    "response_difference",
    "change_ratio",
]

#: Shares of people, as fractions.
RATE_STATISTICS = ("response", "remission", "relapse", "improved", "incidence")
#: Quotients of rates: of odds or of shares, arm over comparator.
QUOTIENT_STATISTICS = (
    "response_odds_ratio",
    "remission_odds_ratio",
    "response_risk_ratio",
    "remission_risk_ratio",
)
#: Statistics that are about two arms.
COMPARED_STATISTICS = ("difference", "ratio", "response_difference", *QUOTIENT_STATISTICS)

_PLAIN_RATIOS = ("ratio", "effect_size", "correlation", "change_ratio", *QUOTIENT_STATISTICS)


def row_unit(statistic: str, unit: str | None) -> str | None:
    """Unit that a row's value must have, given the unit of its quantity (None: any)."""
    if statistic in RATE_STATISTICS or statistic == "response_difference":
        return "probability"
    return "ratio" if statistic in _PLAIN_RATIOS else unit


def value_fault(row: Observation) -> tuple[str, str] | None:
    """Say what is wrong with the value of a row, as field and text; None if it can be."""
    text = f"{row.value:g} {row.unit}: "
    if row.statistic in RATE_STATISTICS and (row.unit == "percent" or not 0 <= row.value <= 1):
        return "value", text + "write a rate as a fraction from 0 to 1, unit probability."
    if row.statistic == "response_difference" and (row.unit == "percent" or not -1 <= row.value <= 1):
        return "value", text + "write a difference of rates as a fraction from -1 to 1, unit probability."
    if row.statistic == "correlation" and not -1 < row.value < 1:
        return "value", text + "a correlation lies between -1 and 1."
    if row.statistic in QUOTIENT_STATISTICS and row.value <= 0:
        return "value", text + f"a {row.statistic} is above 0."
    return None


def fields_fault(row: Observation) -> tuple[str, str] | None:
    """Say which field a row lacks or has without need, as field and text; None if all fit."""
    needs = {
        "threshold": ("improved", "incidence"),
        "with_quantity": ("correlation",),
        "with_time": ("correlation", "change_ratio"),
    }
    for field, statistics in needs.items():
        given = getattr(row, field) is not None
        if given and row.statistic not in statistics:
            return field, f"has no meaning for a {row.statistic} row, only for {' and '.join(statistics)}."
        if not given and row.statistic in statistics:
            return "statistic", f"a row of kind {row.statistic} needs {field}; add it."
    if row.among is not None and row.statistic not in ("relapse", "response", "remission"):
        return "among", (
            "only a relapse row, or one of response or remission with among_time, has a group; remove it "
            f"from this {row.statistic} row."
        )
    at_a_time = row.among is not None and row.statistic != "relapse"
    if at_a_time != (row.among_time is not None):
        return (
            "among_time",
            "goes with among in a response or remission row: give both (the time at which the group is "
            "told apart), or neither.",
        )
    if row.among == "non_responders" and row.statistic == "relapse":
        return "among", "'non_responders' cannot relapse; allowed here are responders and remitters."
    return None


def standard_error(row: Observation) -> float | None:
    """Standard error of a row's value in its unit; None where the source does not give one.

    A SD is divided by the root of n (for a reported SD: by that of 2(n - 1)); a 95 % interval is
    taken as normal, that of a quotient of rates as normal in its logarithm; a rate is binomial with
    half a person added to each side, so that 0 and 1 have an error too; an effect size and a
    correlation have that of normal samples, an effect size against a comparator that of two groups
    of n / 2.

    Parameters
    ----------
    row : Observation
        The row.

    Returns
    -------
    float or None
        In the unit of the row.
    """
    low, high, n = row.spread_low, row.spread_high, row.n
    if row.spread_kind == "se":
        return low
    if row.spread_kind == "ci95" and low is not None and high is not None:
        if row.statistic in QUOTIENT_STATISTICS and low > 0.0:
            return row.value * math.log(high / low) / (2 * Z95)
        return (high - low) / (2 * Z95)
    if n is None:
        return None
    return _from_size(row, n)


def _from_size(row: Observation, n: int) -> float | None:
    if row.statistic in RATE_STATISTICS:
        share = (row.value * n + 0.5) / (n + 1)
        return math.sqrt(share * (1 - share) / (n + 1))
    if n < 2:
        return None
    if row.statistic == "effect_size":
        return math.sqrt((4.0 if row.comparator else 1.0) / n + row.value**2 / (2 * n))
    if row.statistic == "correlation":
        return (1 - row.value**2) / math.sqrt(n - 1)
    if row.statistic == "sd":
        return row.value / math.sqrt(2 * (n - 1))
    if row.spread_kind == "sd" and row.spread_low is not None and row.statistic in ("mean", "change"):
        return row.spread_low / math.sqrt(n)
    return None
