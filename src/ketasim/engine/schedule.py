"""Events and inputs of one patient, as data.

An infusion acts on [start, end). Overlapping and abutting infusions into one
state are summed into one list of rates, so that a dose split in two abutting
halves is the same input, bit for bit. A bolus is an exact jump.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ketasim.errors import ModelError, unknown_name

__all__ = ["CANCELLED", "Bolus", "Infusion", "InputPath", "Reset", "Schedule", "Segment"]

#: Changes of a rate that are below this share of the largest one have cancelled each other.
CANCELLED = 1e-13


@dataclass(frozen=True)
class Bolus:
    """An amount added to a state at one time."""

    state: str
    time: float
    amount: float

    def __post_init__(self) -> None:
        _require_finite(f"bolus into {self.state!r}", self.time, self.amount)


@dataclass(frozen=True)
class Infusion:
    """An amount put into a state at a constant rate on [start, end)."""

    state: str
    start: float
    end: float
    amount: float

    def __post_init__(self) -> None:
        _require_finite(f"infusion into {self.state!r}", self.start, self.end, self.amount)
        if not self.start < self.end:
            raise ModelError(
                f"infusion into {self.state!r}: it ends at {self.end:g}, which is not after its start at "
                f"{self.start:g}; give it a length, or give a bolus."
            )

    @property
    def rate(self) -> float:
        """Amount a unit of time."""
        return self.amount / (self.end - self.start)


@dataclass(frozen=True)
class InputPath:
    """A piecewise-constant input: ``values[i]`` holds from ``times[i]`` on."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.times) != len(self.values) or not self.times:
            raise ModelError("an input path needs as many values as times, and at least one.")
        _require_finite("input path", *self.times, *self.values)
        if any(b <= a for a, b in pairwise(self.times)):
            raise ModelError("the times of an input path must increase.")

    def at(self, time: float) -> float:
        """Value at a time; the first value holds before the first time too."""
        index = bisect_right(self.times, time) - 1
        return self.values[max(index, 0)]


@dataclass(frozen=True)
class Reset:
    """A state set to a value at one time (the start of a clamp)."""

    state: str
    time: float
    value: float

    def __post_init__(self) -> None:
        _require_finite(f"reset of {self.state!r}", self.time, self.value)


@dataclass(frozen=True)
class Segment:
    """A stretch of time without events: from ``start``, with jumps made first."""

    start: float
    end: float
    jumps: Mapping[str, float]
    settings: Mapping[str, float]
    rates: Mapping[str, float]
    inputs: Mapping[str, float]


@dataclass(frozen=True)
class Schedule:
    """All that happens to one patient.

    Parameters
    ----------
    boluses, infusions : sequences
        What is given.
    inputs : mapping of str to InputPath
        Inputs that differ from their defaults.
    resets : sequence of Reset
        States that are set to a value; at one time, after the boluses.
    """

    boluses: Sequence[Bolus] = ()
    infusions: Sequence[Infusion] = ()
    inputs: Mapping[str, InputPath] = field(default_factory=dict)
    resets: Sequence[Reset] = ()

    @property
    def states(self) -> frozenset[str]:
        """Names of the states that something is done to."""
        events: tuple[Bolus | Infusion | Reset, ...] = (*self.boluses, *self.infusions, *self.resets)
        return frozenset(event.state for event in events)

    def inputs_at(self, time: float, defaults: Mapping[str, float]) -> dict[str, float]:
        """Value of every input from a time on.

        Raises
        ------
        ModelError
            If a path is given for an input that does not exist.
        """
        for name in self.inputs:
            if name not in defaults:
                raise ModelError(unknown_name("input", name, defaults))
        return {
            name: self.inputs[name].at(time) if name in self.inputs else value
            for name, value in defaults.items()
        }

    def segments(self, start: float, end: float, defaults: Mapping[str, float]) -> list[Segment]:
        """Cut [start, end] at every event.

        Parameters
        ----------
        start, end : float
            The stretch to solve.
        defaults : mapping of str to float
            The value of every input that has no path.

        Returns
        -------
        list of Segment
            In order of time, without gaps; none if the stretch has no length. What was
            infused before ``start`` goes on; a bolus before it has been given already.

        Raises
        ------
        ModelError
            If a path is given for an input that does not exist.
        """
        changes = self._rate_changes()
        times = {start, end}
        for per_state in changes.values():
            times.update(per_state)
        times.update(bolus.time for bolus in self.boluses)
        times.update(reset.time for reset in self.resets)
        for path in self.inputs.values():
            times.update(path.times)
        edges = sorted(time for time in times if start <= time <= end)
        rates = {
            state: sum(change for time, change in per_state.items() if time < start)
            for state, per_state in changes.items()
        }
        found = []
        for left, right in pairwise(edges):
            rates = self._updated(rates, changes, left)
            found.append(
                Segment(
                    start=left,
                    end=right,
                    jumps=_summed(bolus for bolus in self.boluses if bolus.time == left),
                    settings={reset.state: reset.value for reset in self.resets if reset.time == left},
                    rates={state: rate for state, rate in rates.items() if rate != 0.0},
                    inputs=self.inputs_at(left, defaults),
                )
            )
        return found

    def _rate_changes(self) -> dict[str, dict[float, float]]:
        """Change of the infusion rate of each state by time; changes that cancel are no event."""
        pieces: dict[str, dict[float, list[float]]] = defaultdict(lambda: defaultdict(list))
        for infusion in self.infusions:
            pieces[infusion.state][infusion.start].append(infusion.rate)
            pieces[infusion.state][infusion.end].append(-infusion.rate)
        changes: dict[str, dict[float, float]] = {}
        for state, per_time in pieces.items():
            size = max(abs(value) for values in per_time.values() for value in values)
            summed = {time: float(np.sum(values)) for time, values in per_time.items()}
            changes[state] = {time: value for time, value in summed.items() if abs(value) > CANCELLED * size}
        return changes

    @staticmethod
    def _updated(
        rates: Mapping[str, float], changes: Mapping[str, Mapping[float, float]], time: float
    ) -> dict[str, float]:
        updated = {}
        for state, per_time in changes.items():
            rate = rates[state] + per_time.get(time, 0.0)
            size = max(abs(change) for change in per_time.values())
            updated[state] = 0.0 if abs(rate) < 10.0 * CANCELLED * size else rate
        return updated


def _require_finite(what: str, *values: float) -> None:
    if not all(math.isfinite(value) for value in values):
        shown = ", ".join(f"{value:g}" for value in values)
        raise ModelError(f"{what}: times and values must be finite numbers, not {shown}.")


def _summed(boluses: Iterable[Bolus]) -> dict[str, float]:
    amounts: dict[str, float] = defaultdict(float)
    for bolus in boluses:
        amounts[bolus.state] += bolus.amount
    return dict(amounts)
