"""A scenario made ready: its doses, its parameters and what acts beside, all looked at and in numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from ketasim.api.scenarios.axis import LONGEST_H
from ketasim.api.scenarios.choices import MIDAZOLAM, populations
from ketasim.api.scenarios.definition import Amount, Scenario, as_text, scenario_hash
from ketasim.api.scenarios.faults import Fault, ScenarioError, collected, told_fault, unknown_choice
from ketasim.api.scenarios.mechanisms import Step, beside_steps, typical_values
from ketasim.api.scenarios.switching import SWITCHES
from ketasim.dosing import Dose, Regimen, parse_regimen
from ketasim.errors import KetasimError
from ketasim.model.parameters import ParameterSet, load_parameters
from ketasim.population import COVARIATES
from ketasim.trials.scoring import Setting, visit_starts
from ketasim.units import parse_quantity

__all__ = ["LIMITS", "MOST_DOSES", "Plan", "dose_text", "make_plan", "person_numbers"]

FloatArray = npt.NDArray[np.float64]

#: Doses of a scenario: a dose a day for more than two years.
MOST_DOSES: Final = 1000
#: Before the first dose or cause a run begins this much earlier, at rest.
_LEAD_H: Final = 0.01
#: Least and largest value of the fields of a person, and their units.
LIMITS: Final[Mapping[str, tuple[float, float, str]]] = {
    "weight": (COVARIATES["weight"].low, COVARIATES["weight"].high, "kg"),
    "height": (COVARIATES["height"].low, COVARIATES["height"].high, "cm"),
    "age": (COVARIATES["age"].low, COVARIATES["age"].high, "years"),
    "severity": (2.0, 55.0, "points"),
    "failed_treatments": (0.0, COVARIATES["failed_treatments"].high, "treatments"),
    "pain": (0.0, 10.0, "points"),
    "opioid": (0.0, 50.0, "mg/h"),
}


@dataclass(frozen=True)
class Plan:
    """A scenario that can be run.

    Parameters
    ----------
    scenario : Scenario
        As it was given.
    regimen, control : Regimen
        Doses of both arms; the first dose of the drug is at 0 h.
    parameters : ParameterSet
        Typical values: wiring, options and changed parameters are in them.
    fixed : tuple of str
        Parameters that the scenario sets and that no draw moves.
    steps : tuple of Step
        What acts beside, in both arms.
    switches : mapping of str to float
        Switches that are not fully on.
    """

    scenario: Scenario
    regimen: Regimen
    control: Regimen
    parameters: ParameterSet
    fixed: tuple[str, ...]
    steps: tuple[Step, ...]
    switches: Mapping[str, float]

    @cached_property
    def hash(self) -> str:
        """See :func:`~ketasim.api.scenarios.definition.scenario_hash`."""
        return scenario_hash(self.scenario)

    @cached_property
    def who(self) -> str:
        """Text that is the same for two scenarios with the same person and mechanism, switches apart."""
        data = self.scenario.to_data()
        data["mechanism"].pop("switches")
        parts = {name: data[name] for name in ("person", "population", "mechanism")}
        return json.dumps({**parts, "expectancy": self.scenario.setting.expectancy}, sort_keys=True)

    @property
    def healthy(self) -> bool:
        """Whether the person has no illness load."""
        return self.scenario.population is None and self.scenario.person.illness == "healthy"

    @property
    def start_h(self) -> float:
        """When a run begins."""
        return min([0.0, *(step.start_h for step in self.steps if math.isfinite(step.start_h))]) - _LEAD_H

    @cached_property
    def visits_h(self) -> FloatArray:
        """When treatment visits begin."""
        gap = self.parameters["visit_gap"].value
        return visit_starts([dose.start_h for dose in self.regimen.doses], gap)

    @cached_property
    def settings(self) -> tuple[Setting, Setting]:
        """Circumstances of drug and control that act on expectancy."""
        own = self.scenario.setting
        hospital = float(own.context in ("inpatient", "anaesthesia"))
        common: dict[str, float] = {
            "inpatient": hospital,
            "masked": float(own.context == "anaesthesia"),
            "new_antidepressant": float("new_antidepressant" in own.comedication),
            "expectancy": float(own.expectancy != "none"),
        }
        if own.control != "none":
            return (Setting(**common), Setting(**common))
        # Nobody is blinded, and who is given nothing has nothing to hope for.
        known = float(self.regimen.is_active)
        return (
            Setting(**{**common, "allocation": known, "open_label": known}),
            Setting(**{**common, "allocation": 0.0}),
        )


def make_plan(scenario: Scenario) -> Plan:
    """Look at all that a scenario says, and make it ready.

    Raises
    ------
    ScenarioError
        With every fault that was found, each with its path.
    """
    return _planned(json.dumps(scenario.to_data(), sort_keys=True))


@lru_cache(maxsize=256)
def _planned(text: str) -> Plan:
    scenario = Scenario.model_validate_json(text)
    faults: list[Fault] = []
    regimen = collected(faults, _regimen, scenario.regimen) or Regimen()
    collected(faults, person_numbers, scenario)
    if scenario.population is not None:
        names = [choice.id for choice in populations()]
        if scenario.population not in names:
            faults.append(unknown_choice("population", "population", scenario.population, names))
    found = collected(faults, typical_values, scenario.mechanism)
    steps = collected(faults, beside_steps, scenario.setting.comedication)
    faults += [
        unknown_choice(f"mechanism.switches.{name}", "switch", name, SWITCHES)
        for name in scenario.mechanism.switches
        if name not in SWITCHES
    ]
    if faults or found is None or steps is None:
        raise ScenarioError(faults)
    off = {name: share for name, share in scenario.mechanism.switches.items() if share < 1.0}
    control = _control(scenario, regimen)
    return Plan(scenario, regimen, control, *found, steps, dict(sorted(off.items())))


def _regimen(text: str) -> Regimen:
    try:
        found = parse_regimen(text)
    except KetasimError as error:
        example = "Write for example '0.5 mg/kg ketamine iv over 40 min, twice weekly x 4 weeks', or 'none'."
        told = told_fault("regimen", str(error).split(" Examples:")[0], text)
        allowed = "doses in words: amount, drug, route, length and schedule"
        raise ScenarioError([Fault("regimen", told.message, text, allowed, told.nearest, example)]) from error
    last = max((dose.end_h for dose in found.doses), default=0.0)
    if len(found.doses) > MOST_DOSES or last > LONGEST_H:
        shown = f"{len(found.doses)} doses until hour {last:.6g}"
        allowed = f"at most {MOST_DOSES} doses within {LONGEST_H / 8766:.0f} years"
        raise ScenarioError([Fault("regimen", f"{shown} are too many; {allowed}.", text, allowed)])
    return found.shifted(-(found.first_start_h or 0.0)) if found.doses else found


def _control(scenario: Scenario, regimen: Regimen) -> Regimen:
    """Doses of the control: the same visits, and nothing or midazolam at them."""
    if scenario.setting.control == "none" or regimen.is_empty:
        return Regimen()
    plain = regimen.without_active_drug()
    if scenario.setting.control == "saline":
        return plain
    starts = visit_starts(
        [dose.start_h for dose in regimen.doses], load_parameters()["visit_gap"].value
    ).tolist()
    (dose,) = parse_regimen(MIDAZOLAM).doses
    return Regimen(tuple(dose.at(start) for start in starts))


def person_numbers(scenario: Scenario) -> dict[str, float]:
    """Numbers of the person, in the units of the fields.

    Raises
    ------
    ScenarioError
        If a field is out of range.
    """
    person = scenario.person
    found: dict[str, float] = {}
    faults: list[Fault] = []
    for name, (low, high, unit) in LIMITS.items():
        given = getattr(person, name)
        value = _number(f"person.{name}", given, unit, faults)
        if math.isfinite(value) and not low <= value <= high:
            allowed = f"{low:g} to {high:g} {unit}"
            message = f"{as_text(given)!r} is out of range; give {allowed}."
            near = min(max(value, low), high)
            text = f"{near:g}" if isinstance(given, (int, float)) else f"{near:g} {unit}"
            faults.append(Fault(f"person.{name}", message, as_text(given), allowed, text))
        found[name] = value
    if faults:
        raise ScenarioError(faults)
    return found


def _number(path: str, given: Amount | float, unit: str, faults: list[Fault]) -> float:
    if isinstance(given, (int, float)):
        return float(given)
    text = as_text(given)
    try:
        return parse_quantity(text, unit, path)
    except KetasimError as error:
        low, high, _ = LIMITS[path.rpartition(".")[2]]
        allowed = f"{low:g} to {high:g} {unit}, with its unit"
        message = str(error).removeprefix(f"{path}: ")
        faults.append(
            Fault(path, message, text, allowed, None, f"Write for example '{max(low, 1.0):g} {unit}'.")
        )
        return math.nan


def dose_text(dose: Dose) -> str:
    """One dose in words, without its time."""
    return Regimen((dose.at(0.0).at_steady_state(None),)).text
