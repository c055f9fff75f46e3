from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.unit.study_flow_plans import BASE, KETAMINE, SALINE, arms, fault, plan, read, rule

from ketasim.errors import StudyError
from ketasim.trials.study import Study, study_schema
from ketasim.trials.study.check import check_study
from ketasim.trials.study.flow import Action, DecisionRule
from ketasim.trials.study.graph import entry_times
from ketasim.trials.study.people import population_spec
from ketasim.trials.study.template import new_study_text, study_designs


def test_a_trial_as_a_state_machine() -> None:
    study = read()
    assert [arm.id for arm in study.first_arms] == ["ketamine", "saline"]
    assert study.arms[2].n is None
    assert study.phases == ("one", "two")
    assert study.allocation == 0.5
    assert [study.blinding_of(arm.id) for arm in study.arms] == ["double_blind", "double_blind", "open_label"]
    assert study.rule_times_h == (168.0, 336.0)
    assert study.decision_times_h == (168.0, 336.0)
    assert entry_times(study) == {"ketamine": (0.0,), "saline": (0.0,), "open": (168.0, 336.0)}
    assert Study.parse(study.dump()) == study
    assert hash(Study.parse(study.dump())) == hash(study)


def test_a_rule_without_times_is_checked_at_every_visit_after_the_entry() -> None:
    study = read(rules=[rule(at=[])])
    assert study.rule_times_h == (24.0, 168.0, 336.0, 504.0, 672.0)
    assert entry_times(study)["open"] == study.rule_times_h


def test_times_of_an_arms_own_clock_count_from_the_entry() -> None:
    back = {"id": "back", "clock": "arm", "at": ["7 d"], "arms": ["open"], "then": {"switch": "ketamine"}}
    study = read(rules=[rule(), back])
    # Entered at 7 d or 14 d, checked a week later; then once more round.
    assert entry_times(study)["ketamine"] == (0.0, 336.0, 504.0)
    assert study.rule_times_h == (168.0, 336.0, 504.0)


def test_a_rule_for_all_leaves_out_those_it_leads_to() -> None:
    every = DecisionRule.model_validate({"id": "r", "then": {"switch": "open"}}, strict=False)
    assert every.concerns("ketamine")
    assert not every.concerns("open")
    named = DecisionRule.model_validate(
        {"id": "r", "arms": ["open"], "then": {"switch": "open"}}, strict=False
    )
    assert named.concerns("open")


def test_drop_out_acts_at_visits_from_its_start_on() -> None:
    study = read(
        rules=[], arms=plan()["arms"][:2],
        dropout=[{"id": "d", "kind": "at_random", "rate_per_week": 0.1, "effect": 0.2, "after": "10 d"}],
    )  # fmt: skip
    assert study.decision_times_h == (336.0, 504.0, 672.0)
    assert study.dropout[0].concerns("saline")


def test_allocation_on_entry() -> None:
    split = [rule(then={"randomise": {"open": 3, "more": 1}})]
    both = [*plan()["arms"], {"id": "more", "phase": "two", "regimen": SALINE}]
    study = read(arms=both, rules=split)
    assert study.allocation_of("open") == study.allocation_of("more") == 0.75
    # Crossover: whoever enters the second period gets the other drug; the share follows the n.
    crossed = read(
        arms=[
            {"id": "a", "n": 10, "phase": "one", "regimen": KETAMINE},
            {"id": "b", "n": 30, "phase": "one", "regimen": SALINE},
            {"id": "a2", "phase": "two", "regimen": SALINE},
            {"id": "b2", "phase": "two", "regimen": KETAMINE},
        ],
        rules=[
            {"id": "r1", "at": ["14 d"], "arms": ["a"], "then": {"switch": "a2"}},
            {"id": "r2", "at": ["14 d"], "arms": ["b"], "then": {"switch": "b2"}},
        ],
        analyses=[],
    )
    assert crossed.allocation_of("a") == 0.25
    assert crossed.allocation_of("a2") == crossed.allocation_of("b2") == 0.75
    # A change of dose within a phase tells nothing; a stated belief is taken as it is.
    within = read(arms=arms({}, {}, {"phase": "one", "blinding": None}))
    assert within.allocation_of("open") == 0.5
    stated = read(arms=arms({}, {}, {"allocation": 0.9}))
    assert stated.allocation_of("open") == 0.9


def test_people_are_those_of_the_file() -> None:
    people = {
        **BASE["population"],
        "table": "elderly",
        "entry": ["madrs >= 24", "age >= 65", "hypertension < 0.5"],
        "covariates": {
            "height": {"mean": 1.7, "sd": 0.1, "unit": "m"},
            "failed_treatments": {"mean": 3, "sd": 1, "unit": "treatments"},
            "female_fraction": 0.6,
            "fractions": {"benzodiazepine": 0.3},
        },
        "correlations": [{"between": ["age", "crp"], "value": 0.1}],
    }
    study = read(population=people)
    spec = population_spec(study)
    assert (spec.table, spec.entry_lower) == ("elderly", 24.0)
    assert spec.entry == (("age", ">=", 65.0), ("hypertension", "<", 0.5))
    assert spec.continuous["height"] == pytest.approx((170.0, 10.0), rel=1e-12)
    assert spec.continuous["failed_treatments"] == (3.0, 1.0)
    assert spec.fractions == {"benzodiazepine": 0.3, "female": 0.6}
    assert study.population.covariate_rules == spec.entry
    assert [rule.scale for rule in study.population.entry_rules] == ["madrs"]


def test_actions() -> None:
    action = Action.model_validate({"randomise": {"a": 3, "b": 1}}, strict=False)
    assert (action.kind, action.targets, dict(action.weights)) == (
        "randomise",
        ("a", "b"),
        {"a": 0.75, "b": 0.25},
    )
    stop = Action.model_validate({"stop": "harm"})
    assert (stop.kind, stop.targets, dict(stop.weights)) == ("stop", (), {})
    rescue = Action.model_validate({"rescue": "a"})
    assert (rescue.kind, rescue.targets, dict(rescue.weights)) == ("rescue", ("a",), {"a": 1.0})


def test_rows_may_count_from_a_phase_or_from_their_own_arm() -> None:
    row = {
        "id": "r1", "arm": "open", "quantity": "madrs", "statistic": "change", "time": "7 d", "value": -9.0,
        "unit": "points", "spread_kind": "se", "spread_low": 1.0, "source_kind": "measured", "use": "check",
        "citation": "daly2018",
    }  # fmt: skip
    for origin in ("two", "arm"):
        study = read(observations=[{**row, "origin": origin}])
        assert study.observations[0].origin == origin
        # It adds no visit: 7 d after entering is another study time for each person.
        assert study.times_h == study.visit_times_h
    assert "nearest valid name is 'two'" in fault(observations=[{**row, "origin": "tow"}])
    late = [{"quantity": "madrs", "statistic": "change", "time": "20 d", "origin": "two"}]
    assert ", endpoints.0.time: " in fault(endpoints=late)


def test_check_tells_the_flow_in_words(tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    data = plan(
        randomisation={"block": 4, "strata": ["madrs >= 30"]},
        enrolment={"rate": 2},
        adherence={"missed": 0.05, "person_sd": 1},
        dropout=[{"id": "d", "kind": "lack_of_efficacy", "rate_per_week": 0.1, "improvement_below": 0.2}],
        monitoring=[{"id": "m", "analysis": "primary", "kind": "futility", "at": 20, "power": 0.2}],
    )
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    lines = check_study(file)
    for line in (
        "randomisation: blocks of 4, strata madrs >= 30",
        "enrolment: 2 people a week",
        "rule escape: people in ketamine, saline, at 7 d, 14 d, if madrs improvement < 20 %: they get rescue "
        "treatment, open",
        "reached: open from ketamine, saline, at 7 d, 14 d, open_label, chance of active drug 1.00",
        "drop-out d: all arms: 0.1 a week leave the trial, for lack of efficacy (improvement under 20 %)",
        "adherence: 5 % of later sessions are missed, person SD 1",
        "analysis primary: analysis of covariance of madrs at 14 d, ketamine against saline "
        "(treatment policy)",
        "look m: at 20 results of primary: stop if the conditional power is under 20 %",
    ):
        assert line in lines
    assert any(line.startswith("arm open (two): reached by rules, 1 dose") for line in lines)


@pytest.mark.parametrize("design", study_designs())
def test_every_template_is_a_valid_study_without_warnings(design: str, tmp_path: Path) -> None:
    text = new_study_text("mine", design)
    assert "@" not in text
    file = tmp_path / f"{design}.yaml"
    file.write_text(text, encoding="utf-8")
    study = Study.load(file)
    assert study.id == "mine"
    assert Study.parse(study.dump()) == study
    assert not [line for line in check_study(file) if line.startswith("warning")]
    assert study_designs()[design].endswith(".")


def test_there_is_a_template_for_each_kind_of_design() -> None:
    assert len(study_designs()) == 18
    with pytest.raises(StudyError, match="nearest valid name is 'crossover'"):
        new_study_text("mine", "crosover")
    with pytest.raises(StudyError, match="All are cohort, crossover"):
        new_study_text("mine", "xyz")


def test_the_schema_knows_the_new_parts() -> None:
    schema = study_schema()
    json.dumps(schema)
    keys = {
        "randomisation",
        "enrolment",
        "rules",
        "dropout",
        "adherence",
        "analyses",
        "multiplicity",
        "monitoring",
    }
    assert keys <= set(schema["properties"])
    assert {"DecisionRule", "Action", "DropOut", "Analysis", "Monitoring"} <= set(schema["$defs"])
    assert schema["$defs"]["Action"]["additionalProperties"] is False
