"""One published number of an experiment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from ketasim.errors import UnitError, unknown_name
from ketasim.trials.experiment.measures import (
    COMPARED,
    UNITS_OF_STATISTICS,
    Measure,
    Statistic,
    factor_to,
    measure_unit,
    statistic_unit,
)
from ketasim.trials.study.base import Identifier, Part, Text, Time
from ketasim.trials.study.rules import Z95, spread_fault, study_time

__all__ = ["ExperimentRow", "Known"]

Fault = tuple[str, str]


def _check_known(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("known_quantities", {})
    if name not in known:
        raise ValueError(unknown_name("quantity", name, known))
    return name


Known = Annotated[str, AfterValidator(_check_known)]


def _names(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(part.strip() for part in text.split("+"))


class ExperimentRow(Part):
    """One published number, to be laid beside its simulated counterpart.

    ``measure`` says how the course of one person becomes a number, ``statistic`` how the numbers
    of persons become one. Arms may be pooled, joined by `` + ``. ``of`` says whether ``incidence``,
    ``correlation``, ``sd`` and ``median`` are about values or about changes from the person's own rest.
    """

    id: Identifier
    arm: Text
    comparator: Text | None = None
    reference: Text | None = None
    reference_comparator: Text | None = None
    quantity: Known
    measure: Measure = "at"
    time: Time | None = None
    until: Time | None = None
    statistic: Statistic
    of: Literal["value", "change"] = "value"
    threshold: float | None = None
    with_quantity: Known | None = None
    with_measure: Measure = "at"
    with_time: Time | None = None
    with_until: Time | None = None
    with_statistic: Literal["value", "change"] = "value"
    value: float
    unit: str
    spread_kind: Literal["none", "sd", "se", "ci95", "iqr", "range"] = "none"
    spread_low: float | None = None
    spread_high: float | None = None
    n: int | None = Field(default=None, gt=0)
    source_kind: Literal["measured", "model_output"] = "measured"
    use: Literal["calibration", "check", "heldout"]
    citation: Text

    @model_validator(mode="after")
    def _consistent(self, info: ValidationInfo) -> Self:
        units = (info.context or {}).get("known_quantities", {})
        faults = (_field_fault, _time_fault, _value_fault, spread_fault)
        found = next((fault for check in faults if (fault := check(self)) is not None), None)
        if found is None and isinstance(units, Mapping) and self.quantity in units:
            found = _unit_fault(self, str(units[self.quantity]))
        if found is not None:
            raise PydanticCustomError("study", "{text}", {"text": found[1], "path": (found[0],)})
        return self

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms whose persons are counted together."""
        return _names(self.arm)

    @property
    def comparators(self) -> tuple[str, ...]:
        """The arms with which they are compared; empty without any."""
        return _names(self.comparator)

    @property
    def all_arms(self) -> tuple[str, ...]:
        """Every arm that the row needs."""
        named = (self.arm, self.comparator, self.reference, self.reference_comparator)
        return tuple(dict.fromkeys(name for text in named for name in _names(text)))

    @property
    def time_h(self) -> float | None:
        """``time`` in h from the first dose; None if it is left out."""
        return None if self.time is None else study_time(self.time, "observations.time")

    @property
    def until_h(self) -> float | None:
        """``until`` in h from the first dose; None if it is left out."""
        return None if self.until is None else study_time(self.until, "observations.until")

    @property
    def with_time_h(self) -> float | None:
        """``with_time`` in h from the first dose; None if it is left out."""
        return None if self.with_time is None else study_time(self.with_time, "observations.with_time")

    @property
    def with_until_h(self) -> float | None:
        """``with_until`` in h from the first dose; None if it is left out."""
        return None if self.with_until is None else study_time(self.with_until, "observations.with_until")

    @property
    def readings(self) -> tuple[tuple[str, str, float | None, float | None], ...]:
        """What must be read of each person: quantity, measure, time and until in h."""
        own = (self.quantity, self.measure, self.time_h, self.until_h)
        if self.with_quantity is None:
            return (own,)
        return (own, (self.with_quantity, self.with_measure, self.with_time_h, self.with_until_h))

    def factor(self, unit: str) -> float:
        """Number of the row's units in one of the measure's, if its quantity is shown in ``unit``.

        1 for what has no unit of its own, such as an effect size.
        """
        if self.statistic in UNITS_OF_STATISTICS:
            return 1.0
        return factor_to(self.quantity, measure_unit(self.measure, unit), self.unit)

    @property
    def standard_error(self) -> float | None:
        """Standard error of ``value`` in its unit; None where the source does not give one.

        A SD between persons is divided by the root of n; a 95 % interval is taken as normal; a share is
        binomial with half a person added to each side; an effect size and a correlation follow from n.
        """
        low, high, n = self.spread_low, self.spread_high, self.n
        if self.spread_kind == "se":
            return low
        if self.spread_kind == "ci95" and low is not None and high is not None:
            return (high - low) / (2.0 * Z95)
        if n is None or n < 2 or self.statistic in ("direction", "retained"):
            return None
        if self.statistic == "incidence":
            share = (self.value * n + 0.5) / (n + 1)
            return math.sqrt(share * (1.0 - share) / (n + 1))
        if self.statistic == "effect_size":
            return math.sqrt((4.0 if self.comparator else 1.0) / n + self.value**2 / (2 * n))
        if self.statistic == "correlation":
            return (1.0 - self.value**2) / math.sqrt(n - 1)
        if self.statistic == "sd":
            return self.value / math.sqrt(2 * (n - 1))
        alone = self.statistic in ("mean", "median", "change", "relative_change")
        return low / math.sqrt(n) if self.spread_kind == "sd" and low is not None and alone else None


def _field_fault(row: ExperimentRow) -> Fault | None:
    """Fields that the statistic needs, or has no use for."""
    kind = row.statistic
    if kind in COMPARED and row.comparator is None:
        return "comparator", f"a {kind} needs a comparator arm."
    if kind in ("mean", "median", "sd", "change", "relative_change") and row.comparator is not None:
        text = f"a {kind} is about one arm; leave the comparator out, or choose a statistic that compares."
        return "comparator", text
    if kind == "incidence" and row.comparator is not None:
        return "comparator", "an incidence is about one arm; leave the comparator out."
    needed = {
        "threshold": kind == "incidence",
        "with_quantity": kind == "correlation",
        "reference": kind == "retained",
        "reference_comparator": kind == "retained",
    }
    # What is missing is told before what is too much.
    for field, wanted in sorted(needed.items(), key=lambda item: not item[1]):
        if wanted != (getattr(row, field) is not None):
            return field, f"a {kind} needs it." if wanted else f"a {kind} has no use for it; leave it out."
    if kind == "correlation" and row.comparator is not None:
        return "comparator", "a correlation is over the persons of one arm; leave the comparator out."
    changed = kind in ("change", "change_difference", "relative_change") or row.of == "change"
    changed |= kind in ("direction", "effect_size") and row.comparator is None
    if changed and row.measure in ("area", "peak_time", "half_life", "rest"):
        return "measure", f"{row.measure!r} of one person has no change from rest; compare with another arm."
    if row.of == "change" and kind not in ("incidence", "correlation", "sd", "median"):
        return "of", f"a {kind} says itself what it is about; leave 'of' out."
    return None


def _time_fault(row: ExperimentRow) -> Fault | None:
    found = _times("", row.measure, row.time_h, row.until_h)
    if found is None and row.with_quantity is not None:
        found = _times("with_", row.with_measure, row.with_time_h, row.with_until_h)
    return found


def _times(prefix: str, measure: str, time_h: float | None, until_h: float | None) -> Fault | None:
    if measure in ("at", "half_life", "mean") and time_h is None:
        return f"{prefix}time", f"the measure {measure!r} needs a time, such as '2 h'."
    if measure == "half_life" and until_h is None:
        return f"{prefix}until", "a half-life is read between 'time' and 'until'; give both."
    if measure in ("at", "rest") and until_h is not None:
        return f"{prefix}until", f"the measure {measure!r} has no end; leave it out."
    if measure == "rest" and time_h is not None:
        return f"{prefix}time", "rest is before anything is given; leave the time out."
    if measure in ("mean", "area") and until_h is None and time_h == 0.0:
        return f"{prefix}time", f"{measure!r} goes from 0 to 'time', which must be later than 0."
    if until_h is not None and until_h <= (time_h or 0.0):
        return f"{prefix}until", f"it ends at {until_h:g} h and begins at {time_h or 0.0:g} h; end it later."
    return None


def _value_fault(row: ExperimentRow) -> Fault | None:
    allowed = {"direction": (-1.0, 0.0, 1.0), "retained": (0.0, 1.0)}.get(row.statistic)
    if allowed is not None and row.value not in allowed:
        return "value", f"{row.value:g}: allowed are {', '.join(f'{value:g}' for value in allowed)}."
    if row.statistic == "incidence" and not 0.0 <= row.value <= 1.0:
        return "value", f"{row.value:g}: write a share as a fraction from 0 to 1."
    if row.statistic == "correlation" and not -1.0 <= row.value <= 1.0:
        return "value", f"{row.value:g}: a correlation lies between -1 and 1."
    if row.statistic in ("sd", "ratio") and row.value <= 0.0:
        return "value", f"{row.value:g}: a {row.statistic} is above 0."
    return None


def _unit_fault(row: ExperimentRow, unit: str) -> Fault | None:
    expected = statistic_unit(row.statistic, measure_unit(row.measure, unit))
    if expected in ("direction", "binary"):
        if row.unit != expected:
            return "unit", f"{row.unit!r}: a {row.statistic} row has the unit {expected!r}."
        return None
    try:
        factor = factor_to(row.quantity, expected, row.unit)
    except UnitError as error:
        return "unit", f"{row.unit!r}: {error}"
    if row.statistic in UNITS_OF_STATISTICS and not math.isclose(factor, 1.0):
        return "unit", f"{row.unit!r}: write a {row.statistic} as a plain number, with the unit {expected!r}."
    return None
