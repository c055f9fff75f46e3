"""What is wrong with a scenario is told with its place, what is allowed, and what comes nearest."""

from __future__ import annotations

from typing import Any

import pytest

import ketasim as ks
from ketasim.api.scenarios import (
    Scenario,
    comedications,
    contexts,
    controls,
    expectancies,
    person_fields,
    populations,
    read_scenario,
)
from ketasim.api.scenarios.plans import make_plan


def faults_of(data: dict[str, Any] | str) -> tuple[Any, ...]:
    with pytest.raises(ks.ScenarioError) as found:
        make_plan(read_scenario(data))
    return found.value.faults


@pytest.mark.parametrize(
    ("data", "path", "nearest"),
    [
        ({"regimen": "0.5 mg/kg ketamin iv over 40 min"}, "regimen", "ketamine"),
        ({"person": {"weight": "700 kg"}}, "person.weight", "350 kg"),
        ({"person": {"weight": "70"}}, "person.weight", None),
        ({"person": {"weight": {"value": 70, "unit": "h"}}}, "person.weight", None),
        ({"person": {"severity": 80}}, "person.severity", "55"),
        ({"person": {"sex": "femal"}}, "person.sex", "female"),
        ({"persn": {}}, "persn", "person"),
        ({"person": {"wait": "70 kg"}}, "person.wait", "weight"),
        ({"population": "mdd_trial"}, "population", "mdd_trials"),
        ({"setting": {"control": "midazolm"}}, "setting.control", "midazolam"),
        ({"setting": {"comedication": ["naltrexon"]}}, "setting.comedication.0", "naltrexone"),
        ({"mechanism": {"wiring": "disinhibtion"}}, "mechanism.wiring", "disinhibition"),
        ({"mechanism": {"switches": {"amp": 0.5}}}, "mechanism.switches.amp", "ampa"),
        ({"mechanism": {"switches": {"ampa": 1.5}}}, "mechanism.switches.ampa", None),
        ({"mechanism": {"options": {"traping": "none"}}}, "mechanism.options.traping", "trapping"),
        ({"mechanism": {"options": {"trapping": "nothing"}}}, "mechanism.options.trapping", "none"),
        (
            {"mechanism": {"parameters": {"clearence": "80 L/h"}}},
            "mechanism.parameters.clearence",
            "clearance",
        ),
        ({"mechanism": {"parameters": {"weight": "80 kg"}}}, "mechanism.parameters.weight", None),
    ],
)
def test_a_fault_names_its_place_and_what_comes_nearest(
    data: dict[str, Any], path: str, nearest: str | None
) -> None:
    (fault,) = faults_of(data)
    assert fault.path == path
    if nearest is not None:
        assert fault.nearest == nearest
    assert fault.message
    assert fault.hint or fault.allowed


@pytest.mark.parametrize("value", ["80", "-3 L/h", "80 kg"])
def test_a_parameter_must_have_a_value_that_can_be(value: str) -> None:
    (fault,) = faults_of({"mechanism": {"parameters": {"clearance": value}}})
    assert fault.path == "mechanism.parameters.clearance"
    assert "L/h" in fault.allowed
    assert fault.nearest is not None
    assert fault.value == value


def test_all_faults_are_told_at_once() -> None:
    found = faults_of(
        {
            "regimen": "5 apples",
            "person": {"weight": "7 kg", "age": 9},
            "mechanism": {"wiring": "x", "switches": {"y": 0.0}},
            "setting": {"comedication": ["z"]},
        }
    )
    assert {fault.path for fault in found} == {
        "regimen",
        "person.weight",
        "person.age",
        "mechanism.wiring",
        "mechanism.switches.y",
        "setting.comedication.0",
    }


@pytest.mark.parametrize("text", ["{", '{"regimen": 3}', "[]", '{"schema": 2}', "{" * 50])
def test_text_that_is_no_scenario_is_refused(text: str) -> None:
    with pytest.raises(ks.ScenarioError):
        make_plan(read_scenario(text))


def test_too_many_doses_are_refused() -> None:
    (fault,) = faults_of({"regimen": "1 mg ketamine iv bolus, every 1 h x 5000"})
    assert fault.path == "regimen"
    assert "1000 doses" in fault.allowed


def test_faults_of_several_scenarios_name_which() -> None:
    with pytest.raises(ks.ScenarioError) as found:
        ks.simulate_scenarios(["none", {"person": {"age": 200}}])
    assert found.value.path == "scenarios.1.person.age"
    with pytest.raises(ks.ScenarioError) as found:
        ks.simulate_scenario({"person": {"age": 200}})
    assert found.value.path == "person.age"


@pytest.mark.parametrize(
    ("how", "path"),
    [
        ({"bands": "some"}, "bands"),
        ({"draws": 1}, "draws"),
        ({"draws": 10**6}, "draws"),
        ({"people": -1}, "people"),
        ({"people": True}, "people"),
        ({"seed": -1}, "seed"),
        ({"variables": ["mood"]}, "variables.0"),
    ],
)
def test_how_it_is_simulated_is_looked_at_too(how: dict[str, Any], path: str) -> None:
    with pytest.raises(ks.ScenarioError) as found:
        ks.simulate_scenarios(["none"], **how)
    assert found.value.path == path


@pytest.mark.parametrize("scenarios", [[], ["none"] * 9, "none"])
def test_nothing_and_too_much_are_refused(scenarios: Any) -> None:
    with pytest.raises(ks.ScenarioError) as found:
        ks.simulate_scenarios(scenarios)
    assert found.value.path == "scenarios"


def test_an_amount_may_be_a_number_and_its_unit() -> None:
    text = make_plan(Scenario.model_validate({"person": {"weight": "80 kg"}}))
    both = make_plan(Scenario.model_validate({"person": {"weight": {"value": 80, "unit": "kg"}}}))
    grams = make_plan(Scenario.model_validate({"person": {"weight": "80000 g"}}))
    assert text.regimen == both.regimen == grams.regimen


def test_every_choice_that_is_offered_can_be_made() -> None:
    fields = {field.id: field for field in person_fields()}
    for name, field in fields.items():
        for choice in field.choices or ():
            make_plan(Scenario.model_validate({"person": {name: choice}}))
        if field.low is not None:
            unit = f" {field.unit}"
            for value in (field.low, field.high):
                given = f"{value:g}{unit}" if field.text else value
                make_plan(Scenario.model_validate({"person": {name: given}}))
    for choice in comedications():
        make_plan(Scenario.model_validate({"setting": {"comedication": [choice.id]}}))
    for key, choices in (("control", controls()), ("expectancy", expectancies()), ("context", contexts())):
        for choice in choices:
            make_plan(Scenario.model_validate({"setting": {key: choice.id}}))
    for choice in populations():
        make_plan(Scenario.model_validate({"population": choice.id}))


def test_more_than_fits_on_a_machine_is_refused_before_it_is_solved() -> None:
    daily = {"regimen": "25 mg ketamine oral, daily x 400", "setting": {"control": "saline"}}
    with pytest.raises(ks.ScenarioError) as found:
        ks.simulate_scenarios([daily] * 4, bands="knowledge", draws=200)
    assert found.value.path == "draws"
    assert "too many" in str(found.value)
