"""What the chain is calibrated to: targets with their sources, and how each is computed.

All targets are about the typical patient. A table beside this file names them; a
target whose source gives only a direction or a bracket has a wide SD.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources

import numpy as np
import numpy.typing as npt

from ketasim.dosing import Regimen, parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.model.clamp import Clamp
from ketasim.model.parameters import ParameterSet
from ketasim.model.patients import Patient
from ketasim.model.simulator import Run, Simulator
from ketasim.model.times import output_times

__all__ = ["SCENARIOS", "Bench", "Scenario", "Target", "load_targets"]

#: Severity of the typical patient in all targets, in MADRS points.
SEVERITY = 33.0


@dataclass(frozen=True)
class Target:
    """One number that the chain should meet.

    Parameters
    ----------
    name, scenario, measure, quantity : str
        What is computed: a measure of a quantity in a scenario.
    time_h : float or None
        Time after the first dose, where the measure needs one.
    value, sd : float
        Target and its standard deviation.
    basis, source, note : str
        ``number`` if the value was read, ``derived`` if it follows from numbers that were,
        ``direction`` if only a sign or an order was read and the size is ours, ``assumed``
        if nobody knows; the citation key; and what was reported.
    """

    name: str
    scenario: str
    measure: str
    quantity: str
    time_h: float | None
    value: float
    sd: float
    basis: str
    source: str
    note: str


@cache
def load_targets() -> tuple[Target, ...]:
    """Load the shipped targets."""
    text = (resources.files(__package__) / "targets.csv").read_text(encoding="utf-8")
    return tuple(
        Target(
            row["name"],
            row["scenario"],
            row["measure"],
            row["quantity"],
            float(row["time_h"]) if row["time_h"] else None,
            float(row["value"]),
            float(row["sd"]),
            row["basis"],
            row["source"],
            row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    )


@dataclass(frozen=True)
class Scenario:
    """A regimen for the typical patient, with clamps."""

    regimen: str
    days: float
    clamps: tuple[Clamp, ...] = ()
    inputs: tuple[tuple[str, float], ...] = ()


_SINGLE = "0.5 mg/kg ketamine iv over 40 min"

SCENARIOS: Mapping[str, Scenario] = {
    "single": Scenario(_SINGLE, 90),
    "double": Scenario("1 mg/kg ketamine iv over 40 min", 8),
    "low": Scenario("0.1 mg/kg ketamine iv over 40 min", 2),
    "tenfold": Scenario("5 mg/kg ketamine iv over 40 min", 2),
    "esketamine_84": Scenario("84 mg esketamine intranasal, on days 1, 4", 8),
    "esketamine_28": Scenario("28 mg esketamine intranasal, on days 1, 4", 8),
    "twice_weekly": Scenario(f"{_SINGLE}, on days 1, 4, 8, 11", 15),
    "thrice_weekly": Scenario(f"{_SINGLE}, on days 1, 3, 5, 8, 10, 12", 15),
    "three_hours_apart": Scenario(f"{_SINGLE}, at 0 h, 3 h", 1),
    "antidepressant": Scenario("none", 42, inputs=(("antidepressant", 1.0),)),
    "ampa_clamped": Scenario(_SINGLE, 2, (Clamp("ampa_drive"),)),
    "spines_clamped": Scenario(_SINGLE, 8, (Clamp("spines_nascent"), Clamp("spines_mature"))),
}


@dataclass(frozen=True)
class Bench:
    """The typical patient under one parameter set; runs each scenario once.

    Parameters
    ----------
    simulator : Simulator
        The model.
    parameters : ParameterSet
        The values to try.
    """

    simulator: Simulator
    parameters: ParameterSet
    _known: Patient | None = None
    _runs: dict[str, Run] = field(default_factory=dict, repr=False)

    @cached_property
    def patient(self) -> Patient:
        """The typical patient at rest."""
        return self.simulator.depressed(self.parameters, SEVERITY) if self._known is None else self._known

    def keep(self, name: str, run: Run) -> None:
        """Keep the run of a scenario that was made together with others."""
        self._runs[name] = run

    @cached_property
    def rest(self) -> dict[str, float]:
        """Every quantity at rest."""
        return self.simulator.baseline(self.patient)

    def run(self, name: str) -> Run:
        """Time courses of a scenario."""
        if name not in self._runs:
            scenario = SCENARIOS[name]
            regimen = parse_regimen(scenario.regimen)
            times = output_times(regimen, 24.0 * scenario.days)
            inputs = {given: InputPath((0.0,), (value,)) for given, value in scenario.inputs}
            self._runs[name] = self.simulator.run(self.patient, regimen, times, inputs, scenario.clamps)
        return self._runs[name]

    def value(self, target: Target) -> float:
        """Compute what a target is about."""
        return float(getattr(self, f"_{target.measure}")(target))

    def _at(self, target: Target) -> float:
        if target.quantity == "illness_load":
            return self.patient.parameters["illness_load"].value
        return self.rest[target.quantity]

    def _stress_step(self, target: Target) -> float:
        """Rise per standard deviation of life stress when stress stays up for some time."""
        step, end = 0.5, target.time_h or 0.0
        inputs = {"life_stress": InputPath((0.0,), (step,))}
        run = self.simulator.run(self.patient, Regimen(), np.array([0.0, end]), inputs)
        values = run.quantities[target.quantity]
        return float(values[-1] - values[0]) / step

    def _stressed(self, target: Target) -> float:
        """Share of its value that a quantity keeps when a healthy person's stress is that of an episode."""
        healthy = self.simulator.healthy(self.parameters)
        held = (Clamp("stress", self.rest["stress"]),)
        end = target.time_h or 0.0
        run = self.simulator.run(healthy, Regimen(), np.array([0.0, end]), clamps=held)
        values = run.quantities[target.quantity]
        return float(values[-1] / values[0])

    def _course(self, target: Target) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        run = self.run(target.scenario)
        return run.times_h, run.quantities[target.quantity]

    def _ratio(self, target: Target) -> float:
        times, values = self._course(target)
        return float(np.interp(target.time_h or 0.0, times, values) / values[0])

    def _peak_ratio(self, target: Target) -> float:
        _, values = self._course(target)
        return float(values.max() / values[0])

    def _peak_time(self, target: Target) -> float:
        """Time of the highest value, refined by a parabola through its neighbours."""
        times, values = self._course(target)
        top = int(np.argmax(values))
        if not 0 < top < len(times) - 1:
            return float(times[top])
        a, b, _ = np.polyfit(times[top - 1 : top + 2] - times[top], values[top - 1 : top + 2], 2)
        return float(times[top] - b / (2.0 * a))

    def _effect(self, target: Target) -> float:
        """Severity minus severity with dose zero, which without stress noise is the resting one."""
        times, values = self._course(target)
        return float(np.interp(target.time_h or 0.0, times, values) - values[0])

    def _against(self, target: Target, other: str) -> float:
        times, values = self.run(other).times_h, self.run(other).quantities[target.quantity]
        return self._effect(target) / float(np.interp(target.time_h or 0.0, times, values) - values[0])

    def _effect_ratio(self, target: Target) -> float:
        return self._against(target, "single")

    def _effect_ratio_84(self, target: Target) -> float:
        return self._against(target, "esketamine_84")

    def _effect_ratio_twice(self, target: Target) -> float:
        return self._against(target, "twice_weekly")

    def _second_rise(self, target: Target) -> float:
        """Rise by a second dose at some time beyond what the first leaves, over the rise by the first."""
        times, values = self._course(target)
        single = self.run("single")
        first = single.quantities[target.quantity]
        extra = values - np.interp(times, single.times_h, first)
        return float(extra[times >= (target.time_h or 0.0)].max() / (first.max() - first[0]))

    def _persistence(self, target: Target) -> float:
        """Effect as a share of that at 24 h after the first dose."""
        times, values = self._course(target)
        return self._effect(target) / float(np.interp(24.0, times, values) - values[0])
