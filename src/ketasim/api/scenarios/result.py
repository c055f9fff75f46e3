"""What comes of a scenario."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.columns import five_digits
from ketasim.api.scenarios.hundred import Hundred
from ketasim.api.scenarios.metrics import Metric
from ketasim.api.scenarios.rules import RuleState

__all__ = ["ControlResult", "Event", "Peak", "ScenarioResult", "Series", "shown"]

FloatArray = npt.NDArray[np.float64]


def shown(value: float | None) -> float | None:
    """A number to five significant digits; None where there is none."""
    return None if value is None or not math.isfinite(value) else float(five_digits(value))


@dataclass(frozen=True, eq=False)
class Series:
    """One row over the columns of the axis, to five significant digits.

    Parameters
    ----------
    unit : str
        Unit of all values.
    mid, lo, hi : array, shape (columns,)
        At the middle of each column, and the least and the largest within it.
    quantiles : mapping of str to array
        ``q05``, ``q25``, ``q75`` and ``q95`` of a band; of two bands those of people begin with ``people_``.
    """

    unit: str
    mid: FloatArray
    lo: FloatArray | None = None
    hi: FloatArray | None = None
    quantiles: Mapping[str, FloatArray] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        arrays = {"lo": self.lo, "hi": self.hi, "mid": self.mid, **(self.quantiles or {})}
        found: dict[str, Any] = {"unit": self.unit}
        return found | {name: values.tolist() for name, values in arrays.items() if values is not None}


@dataclass(frozen=True)
class Event:
    """One dose: when, which visit it belongs to, and what is given."""

    time_h: float
    end_h: float
    visit: int
    drug: str
    route: str
    amount: float
    unit: str
    text: str


@dataclass(frozen=True)
class Peak:
    """Where a row is farthest from rest; ``lowest`` if that is below it."""

    row: str
    time_h: float
    value: float
    lowest: bool


@dataclass(frozen=True, eq=False)
class ControlResult:
    """The same person with the control.

    Parameters
    ----------
    id, name, regimen : str
        Which control, in words, and its doses.
    series : mapping of str to Series
        Mood, and the harms that are shown.
    """

    id: str
    name: str
    regimen: str
    series: Mapping[str, Series]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        series = {name: item.to_dict() for name, item in self.series.items()}
        return {"id": self.id, "name": self.name, "regimen": self.regimen, "series": series}


@dataclass(frozen=True, eq=False)
class ScenarioResult:
    """Courses and numbers of one scenario.

    Parameters
    ----------
    scenario_hash, sentence : str
        What was simulated.
    time_h : array, shape (columns,)
        Hours since the first dose at the middle of the columns.
    series : mapping of str to Series
        Rows by name.
    control : ControlResult
        The same person with the control.
    difference : Series
        Scored MADRS, drug less control.
    events : tuple of Event
        Doses.
    peaks : tuple of Peak
        Of the rows.
    rest : mapping of str to float
        Value of each row before treatment.
    metrics : tuple of Metric
        Numbers for a table.
    hundred : Hundred or None
        Of a hundred such people, if people were simulated.
    rules : tuple of RuleState
        Rules of supervision, the worst first.
    status : str
        ``ok``, or ``reference`` if the reference solver was needed.
    steps : int
        Steps of the solver.
    notes : tuple of str
        What a reader must be told.
    wiring : str
        The wiring.
    switched : mapping of str to float
        Switches that are not fully on.
    examples : mapping of str to array, shape (people, columns), or None
        Courses of some virtual people by row.
    """

    scenario_hash: str
    sentence: str
    time_h: FloatArray
    series: Mapping[str, Series]
    control: ControlResult
    difference: Series
    events: tuple[Event, ...]
    peaks: tuple[Peak, ...]
    rest: Mapping[str, float]
    metrics: tuple[Metric, ...]
    hundred: Hundred | None
    rules: tuple[RuleState, ...]
    status: str
    steps: int
    notes: tuple[str, ...]
    wiring: str
    switched: Mapping[str, float]
    examples: Mapping[str, FloatArray] | None = None

    def metric(self, name: str) -> float | None:
        """Value of a metric by its id."""
        return next(item.value for item in self.metrics if item.id == name)

    def to_dict(self) -> dict[str, Any]:
        """As plain data: what the page gets, every number finite and to five digits."""
        found = self._plain()
        if self.examples is not None:
            found["examples"] = {name: values.tolist() for name, values in self.examples.items()}
        return found

    def _plain(self) -> dict[str, Any]:
        return {
            "scenario_hash": self.scenario_hash,
            "sentence": self.sentence,
            "time_h": np.round(self.time_h, 6).tolist(),
            "series": {name: item.to_dict() for name, item in self.series.items()},
            "control": self.control.to_dict(),
            "difference": {"madrs": self.difference.to_dict()},
            "events": [vars(event) for event in self.events],
            "peaks": [{**vars(peak), "value": shown(peak.value)} for peak in self.peaks],
            "rest": {name: shown(value) for name, value in self.rest.items()},
            "metrics": [_metric(item) for item in self.metrics],
            "per_100": None if self.hundred is None else _rounded(self.hundred.to_dict()),
            "rules": [rule.to_dict() for rule in self.rules],
            "solver": {"status": self.status, "steps": self.steps},
            "notes": list(self.notes),
            "uses": {"wiring": self.wiring, "switched": dict(self.switched)},
        }


def _metric(item: Metric) -> dict[str, Any]:
    numbers = {name: shown(getattr(item, name)) for name in ("value", "low", "high")}
    return {"id": item.id, "name": item.name, "unit": item.unit, "compare": item.compare, **numbers}


def _rounded(data: Any) -> Any:
    """Plain data with every number to five digits."""
    if isinstance(data, dict):
        return {name: _rounded(value) for name, value in data.items()}
    if isinstance(data, list):
        return [_rounded(value) for value in data]
    return shown(data) if isinstance(data, float) else data
