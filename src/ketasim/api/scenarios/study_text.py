"""Scenarios as the text of a study file: the same doses, people and setting, as a trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, get_args

import yaml

from ketasim.api.scenarios.definition import Scenario, read_scenario
from ketasim.api.scenarios.faults import Fault, ScenarioError
from ketasim.api.scenarios.plans import Plan, make_plan, person_numbers
from ketasim.api.scenarios.words import scenario_sentence
from ketasim.model.hypotheses import DEFAULT_WIRING
from ketasim.model.parameters import ParameterSet
from ketasim.population import ANCESTRIES, load_table
from ketasim.trials.causes import find_cause
from ketasim.trials.study.parts import Comedication

__all__ = ["study_gaps", "study_parameters", "to_parameter_file", "to_study"]

_TABLE: Final = "mdd_trials"
_PER_ARM: Final = 30
#: Tables of people in whom two treatments or more have failed.
_RESISTANT: Final = ("trd_esketamine", "elderly", "clinic")
_VISITS: Final = ("2 h", "24 h", "3 d", "7 d", "14 d", "21 d", "28 d")
_CARE: Final = {"outpatient": "outpatient", "inpatient": "inpatient", "anaesthesia": "surgery"}
_GENES: Final = {"val/met": "val_met", "met/met": "met_met"}
_EXAMPLE: Final = "Not in the scenario: set for the study file."


def to_study(scenarios: Scenario | Mapping[str, Any] | Sequence[Any]) -> str:
    """Write scenarios as a study file with an arm for each and one for the control.

    Parameters
    ----------
    scenarios : Scenario, mapping, or sequence of them
        People and setting are those of the first.

    Returns
    -------
    str
        YAML that ``ketasim check-study`` reads. What a study file cannot say stands in its notes; see
        :func:`study_gaps`. Its typical person has the numbers of the scenario, if it is run with
        :func:`study_parameters`.

    Raises
    ------
    ScenarioError
        If a scenario cannot be used, or is of a healthy person.
    """
    plans = _plans(scenarios)
    first = plans[0]
    data: dict[str, Any] = {
        "schema": 1,
        "id": f"scenario_{first.hash[:8]}",
        "title": scenario_sentence(first),
        "citation": f"scenario_{first.hash[:8]}",
        "species": "human",
        "population": _population(first),
        "setting": _setting(first),
        "arms": _arms(plans),
        "visits": list(_VISITS),
        "endpoints": _endpoints(),
        "assumed": [
            {"field": field, "reason": _EXAMPLE}
            for field in ("population.baseline.sd", *(f"arms.{name}.n" for name in _names(plans)), "visits")
        ],
        "notes": [
            "A research and teaching instrument, not for treating a person.",
            *(f"Not in this file: {gap}" for gap in study_gaps([plan.scenario for plan in plans])),
        ],
    }
    return str(yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100))


def study_gaps(scenarios: Scenario | Mapping[str, Any] | Sequence[Any]) -> tuple[str, ...]:
    """What of scenarios a study file cannot say, in sentences."""
    plans = _plans(scenarios)
    found = []
    for plan in plans:
        own = plan.scenario
        kept = get_args(Comedication)
        others = [name for name in own.setting.comedication if name not in kept]
        said = {
            "switches": ", ".join(own.mechanism.switches) if plan.switches else "",
            "what is taken beside": ", ".join(others),
            "expectancy": own.setting.expectancy if own.setting.expectancy != "middle" else "",
            "CYP2B6": own.person.cyp2b6 if own.person.cyp2b6 != "*1/*1" else "",
        }
        found += [f"{what} ({text})." for what, text in said.items() if text]
        if plan.parameters.changed or own.person.bdnf in _GENES:
            words = "wiring, options and parameters" if _mechanism(own) else "the gene of BDNF"
            found.append(f"{words}; give them as a parameter file (--parameters).")
    if len({(plan.scenario.person, plan.scenario.population) for plan in plans}) > 1:
        found.append("people of the other scenarios; all arms have those of the first.")
    if len({_setting_key(plan) for plan in plans}) > 1:
        found.append("settings of the other scenarios; all arms have that of the first.")
    return tuple(dict.fromkeys(found))


def study_parameters(scenario: Scenario | Mapping[str, Any]) -> ParameterSet:
    """Typical values with which a study of a scenario is to be run: wiring, options and changes in place."""
    (plan,) = _plans(scenario)
    gene = plan.scenario.person.bdnf
    causes = find_cause(_GENES[gene]) if gene in _GENES and plan.scenario.population is None else ()
    return plan.parameters.with_values({cause.target: cause.value for cause in causes})


def to_parameter_file(scenario: Scenario | Mapping[str, Any]) -> str:
    """Write what :func:`study_parameters` changes as the CSV file that ``--parameters`` reads."""
    found = study_parameters(scenario)
    lines = [f"{name},{value!r},{found[name].unit}" for name, value in found.changed.items()]
    return "\n".join(["name,value,unit", *lines, ""])


def _mechanism(scenario: Scenario) -> bool:
    own = scenario.mechanism
    return own.wiring != DEFAULT_WIRING or bool(own.options) or bool(own.parameters)


def _plans(scenarios: Scenario | Mapping[str, Any] | Sequence[Any]) -> list[Plan]:
    several = [scenarios] if isinstance(scenarios, (Scenario, Mapping, str)) else list(scenarios)
    plans = [make_plan(read_scenario(item)) for item in several]
    for plan in plans:
        if plan.scenario.population is None and plan.scenario.person.illness == "healthy":
            message = "a study file is about patients; this person is healthy."
            raise ScenarioError([Fault("person.illness", message, "healthy", "depressed", "depressed")])
    return plans


def _population(plan: Plan) -> dict[str, Any]:
    scenario = plan.scenario
    if scenario.population is not None:
        table = load_table(scenario.population)
        entry = [] if table.entry_lower is None else [f"{table.scale} >= {table.entry_lower:g}"]
        return {
            "condition": "trd" if scenario.population in _RESISTANT else "mdd",
            "baseline": {"scale": table.scale, "mean": table.baseline_mean, "sd": table.baseline_sd},
            "entry": entry,
            "table": scenario.population,
        }
    numbers, person = person_numbers(scenario), scenario.person
    units = {"weight": "kg", "height": "cm", "age": "year", "failed_treatments": "treatments"}
    covariates: dict[str, Any] = {
        name: {"mean": numbers[name], "sd": 0.0, "unit": unit}
        for name, unit in units.items()
        if numbers[name] > 0.0
    }
    covariates["female_fraction"] = float(person.sex == "female")
    shares = {name: float(name == f"ancestry_{person.ancestry}") for name in ANCESTRIES}
    found: dict[str, Any] = {
        "condition": "trd" if numbers["failed_treatments"] >= 2.0 else "mdd",
        "baseline": {"scale": "madrs", "mean": numbers["severity"], "sd": load_table(_TABLE).baseline_sd},
        "entry": [],
        "table": _TABLE,
        "covariates": {**covariates, "fractions": {**shares, "opioid": float(numbers["opioid"] > 0.0)}},
    }
    if numbers["pain"] > 0.0 or numbers["opioid"] > 0.0:
        found["pain"] = {"mean": numbers["pain"], "sd": 0.0, "opioid": numbers["opioid"]}
    return found


def _setting_key(plan: Plan) -> tuple[Any, ...]:
    own = plan.scenario.setting
    return own.control, own.expectancy, own.context, "new_antidepressant" in own.comedication


def _setting(plan: Plan) -> dict[str, Any]:
    own = plan.scenario.setting
    control: str = own.control
    if control == "saline" and all(dose.route == "intranasal" for dose in plan.regimen.doses):
        control = "placebo_spray" if plan.regimen.doses else control
    return {
        "care": _CARE[own.context],
        "control": control,
        "blinding": "open_label" if control == "none" else "double_blind",
        "new_antidepressant": "new_antidepressant" in own.comedication,
        "remission": {"scale": "madrs", "threshold": 10},
    }


def _names(plans: Sequence[Plan]) -> list[str]:
    drugs = ["drug"] if len(plans) == 1 else [f"scenario_{letter}" for letter in "abcdefgh"[: len(plans)]]
    return [*drugs, "control"]


def _arms(plans: Sequence[Plan]) -> list[dict[str, Any]]:
    first, known = plans[0], get_args(Comedication)
    regimens = [*(plan.regimen for plan in plans), first.control]
    beside = [*(plan.scenario.setting.comedication for plan in plans), first.scenario.setting.comedication]
    # Whether a new antidepressant is begun is a matter of the trial, and so of the first scenario.
    begun = "new_antidepressant" in first.scenario.setting.comedication
    other_setting = () if begun else ("new_antidepressant",)
    open_label = first.scenario.setting.control == "none"
    found = []
    for name, regimen, taken in zip(_names(plans), regimens, beside, strict=True):
        arm: dict[str, Any] = {
            "id": name,
            "n": _PER_ARM,
            "regimen": regimen.text,
            "comedication": [drug for drug in taken if drug in known and drug not in other_setting],
            "masked": first.scenario.setting.context == "anaesthesia",
            "allocation": 0.5,
        }
        if open_label:
            arm["allocation"] = float(regimen.is_active)
            arm["blinding"] = "open_label" if regimen.is_active else "double_blind"
        found.append(arm)
    return found


def _endpoints() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for time in ("24 h", "28 d"):
        found.append({"quantity": "madrs", "statistic": "change", "time": time})
        found.append({"quantity": "madrs", "statistic": "difference", "time": time, "comparator": "control"})
    found += [{"quantity": "madrs", "statistic": name, "time": "28 d"} for name in ("response", "remission")]
    return found
