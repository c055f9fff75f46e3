from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ketasim.errors import StudyError
from ketasim.trials.study import Study, study_schema
from ketasim.trials.study.check import check_study
from ketasim.trials.study.flow import Action, DecisionRule
from ketasim.trials.study.graph import entry_times
from ketasim.trials.study.people import population_spec
from ketasim.trials.study.template import new_study_text, study_designs

KETAMINE = "0.5 mg/kg ketamine iv over 40 min"
SALINE = "saline iv over 40 min"
BASE = yaml.safe_load(new_study_text("flow"))


def plan(**changes: Any) -> dict[str, Any]:
    """A small trial with a rule, as data; a change replaces a key of the file."""
    data = {
        **BASE,
        "arms": [
            {"id": "ketamine", "n": 20, "phase": "one", "regimen": KETAMINE},
            {"id": "saline", "n": 20, "phase": "one", "regimen": SALINE},
            {"id": "open", "phase": "two", "regimen": KETAMINE, "blinding": "open_label"},
        ],
        "visits": ["24 h", "7 d", "14 d", "21 d", "28 d"],
        "rules": [
            {"id": "escape", "at": ["7 d", "14 d"], "arms": ["ketamine", "saline"],
             "when": ["madrs improvement < 20 %"], "then": {"rescue": "open"}},
        ],
        "endpoints": [{"quantity": "madrs", "statistic": "change", "time": "14 d"}],
        "analyses": [
            {"id": "primary", "method": "ancova", "quantity": "madrs", "time": "14 d", "arm": "ketamine",
             "comparator": "saline"},
        ],
        "assumed": [],
    }  # fmt: skip
    return {**data, **changes}


def read(**changes: Any) -> Study:
    return Study.parse(yaml.safe_dump(plan(**changes), sort_keys=False), "flow.yaml")


def fault(**changes: Any) -> str:
    with pytest.raises(StudyError) as caught:
        read(**changes)
    message = str(caught.value)
    assert message.startswith("flow.yaml, line ")
    assert "\n" not in message
    return message


def rule(**changes: Any) -> dict[str, Any]:
    return {**plan()["rules"][0], **changes}


def analysis(**changes: Any) -> dict[str, Any]:
    return {**plan()["analyses"][0], **changes}


def arms(*changes: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**arm, **change} for arm, change in zip(plan()["arms"], changes, strict=True)]


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


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        # impossible designs of the issue
        ({"visits": ["-1 h", "14 d", "7 d"]}, "visits.0.time", "before randomisation"),
        ({"visits": ["day 0", "14 d", "7 d"]}, "visits.0.time", "before randomisation"),
        (
            {"visits": [{"time": "1 d", "window": "2 d"}, "7 d", "14 d"]},
            "visits.0.window",
            "before randomisation",
        ),
        ({"randomisation": {"strata": ["madrs >= 30", "madrs < 33"]}}, "randomisation.strata", "overlap"),
        ({"arms": arms({"n": 0}, {}, {})}, "arms.0.n", "0 is not allowed"),
        ({"rules": [rule(then={"stop": "done"})]}, "arms.2.n", "nobody can be in arm 'open'"),
        (
            {"endpoints": [{"quantity": "madrs", "statistic": "change", "time": "15 d"}]},
            "endpoints.0.time",
            "no visit",
        ),
        ({"analyses": [analysis(time="15 d")]}, "analyses.0.time", "no visit at this time"),
        ({"rules": [rule(at=["8 d"])]}, "rules.0.at.0", "no visit at this time"),
        ({"analyses": [analysis(covariates=["baseline", "agee"])]}, "analyses.0.covariates.1", "'age'"),
        ({"population": {**BASE["population"], "entry": ["agee >= 65"]}}, "population.entry.0", "'age'"),
        ({"rules": [rule(then={"rescue": "opn"})]}, "rules.0.then.rescue", "nearest valid name is 'open'"),
        ({"rules": [rule(arms=["ketamin"])]}, "rules.0.arms.0", "nearest valid name is 'ketamine'"),
        (
            {"rules": [rule(then={"randomise": {"open": 0}})]},
            "rules.0.then.randomise.open",
            "0 is not allowed",
        ),
        ({"rules": [rule(then={"randomise": {}})]}, "rules.0.then.randomise", "at least"),
        ({"arms": arms({"n": None}, {"n": None}, {})}, "arms.0.n", "nobody is randomised"),
        # times and clocks
        ({"rules": [rule(at=[7])]}, "rules.0.at.0", "7 is a bare number"),
        ({"rules": [rule(at=["0 h"])]}, "rules.0.at.0", "later than the first dose"),
        ({"rules": [rule(at=["7 d", "day 8"])]}, "rules.0.at", "given twice"),
        (
            {
                "rules": [
                    rule(),
                    {"id": "b", "clock": "arm", "at": ["5 d"], "arms": ["open"], "then": {"stop": "x"}},
                ]
            },
            "rules.1.at",
            "people who enter the arm at 168 h would be checked at 288 h",
        ),
        (
            {"rules": [rule(), {"id": "b", "at": ["7 d"], "arms": ["open"], "then": {"stop": "x"}}]},
            "rules.1.arms",
            "never acts",
        ),
        (
            {"visits": ["24 h", {"time": "7 d", "window": "1 d"}, "14 d"]},
            "visits.1.window",
            "a rule acts at this visit",
        ),
        (
            {"visits": ["7 d", "14 d", "19 d", {"time": "20 d", "window": "2 d"}]},
            "visits.3.window",
            "overlap",
        ),
        # actions
        ({"rules": [rule(then={"switch": "open", "stop": "x"})]}, "rules.0.then", "exactly one of"),
        ({"rules": [rule(then={})]}, "rules.0.then", "exactly one of"),
        ({"rules": [rule(then={"swich": "open"})]}, "rules.0.then.swich", "nearest valid name is 'switch'"),
        (
            {"rules": [rule(then={"switch": "open", "block": 4})]},
            "rules.0.then.block",
            "belongs to 'randomise'",
        ),
        ({"rules": [rule(when=[], otherwise={"stop": "x"})]}, "rules.0.otherwise", "always acts"),
        ({"rules": [rule(consecutive=2, otherwise={"stop": "x"})]}, "rules.0.otherwise", "several checks"),
        ({"rules": [rule(consecutive=3)]}, "rules.0.consecutive", "'at' has 2"),
        ({"rules": [rule(when=["madsr >= 20"])]}, "rules.0.when.0", "nearest valid name is 'madrs'"),
        ({"rules": [rule(), rule()]}, "rules.1.id", "given twice"),
        (
            {"rules": [rule(then={"randomise": {"open": 1, "saline": 1}, "block": 3})]},
            "rules.0.then.block",
            "multiple of 2",
        ),
        (
            {"rules": [rule(then={"randomise": {"open": 0.5, "saline": 1}, "block": 3})]},
            "rules.0.then.block",
            "whole numbers",
        ),
        (
            {"rules": [rule(then={"randomise": {"open": 1, "saline": 1}, "strata": ["chance 0.5"]})]},
            "rules.0.then.strata.0",
            "no stratum",
        ),
        (
            {"setting": {**BASE["setting"], "remission": None}, "rules": [rule(when=["remitter"])]},
            "rules.0.when",
            "needs setting.remission",
        ),
        (
            {
                "setting": {**BASE["setting"], "remission": {"scale": "phq9", "threshold": 4}},
                "rules": [rule(when=["remitter"])],
            },
            "rules.0.when",
            "'phq9 <= 4'",
        ),
        (
            {"visits": ["24 h", {"time": "7 d", "quantities": ["cadss"]}, "14 d"]},
            "rules.0.when.0",
            "madrs is not rated at the visit at 7 d",
        ),
        (
            {"setting": {**BASE["setting"], "remission": {"scale": "phq8", "threshold": 4}}},
            "setting.remission.scale",
            "nearest valid name is 'phq9'",
        ),
        # randomisation
        ({"randomisation": {"block": 3}}, "randomisation.block", "multiple of 2"),
        (
            {"randomisation": {"strata": ["responder"]}},
            "randomisation.strata.0",
            "not known when people are randomised",
        ),
        (
            {"randomisation": {"strata": ["phq9 >= 20"]}},
            "randomisation.strata.0",
            "not known when people are randomised",
        ),
        (
            {"randomisation": {"stages": [{"first": 40, "arms": {"open": 1}}]}},
            "randomisation.stages.0.arms.open",
            "unknown arm",
        ),
        (
            {"randomisation": {"stages": [{"first": 30, "arms": {"ketamine": 1, "saline": 1}}]}},
            "randomisation.stages",
            "the arms have 40",
        ),
        (
            {"randomisation": {"stages": [{"first": 40, "arms": {"ketamine": 3, "saline": 1}}]}},
            "arms.0.n",
            "gets 30",
        ),
        ({"enrolment": {"rate": 0}}, "enrolment.rate", "0 is not allowed"),
        # drop-out and adherence
        (
            {"dropout": [{"id": "d", "kind": "completely_at_random", "rate_per_week": 0.1, "effect": 1.0}]},
            "dropout.0.effect",
            "whatever the score",
        ),
        (
            {"dropout": [{"id": "d", "kind": "lack_of_efficacy", "rate_per_week": 0.1}]},
            "dropout.0.improvement_below",
            "needs",
        ),
        (
            {"dropout": [{"id": "d", "kind": "at_random", "rate_per_week": 0.1, "improvement_below": 0.2}]},
            "dropout.0.improvement_below",
            "only lack_of_efficacy",
        ),
        (
            {"dropout": [{"id": "d", "kind": "at_random", "rate_per_week": -0.1}]},
            "dropout.0.rate_per_week",
            "-0.1",
        ),
        (
            {"dropout": [{"id": "d", "kind": "at_randm", "rate_per_week": 0.1}]},
            "dropout.0.kind",
            "'at_random'",
        ),
        (
            {"dropout": [{"id": "d", "kind": "at_random", "rate_per_week": 0.1, "arms": ["x"]}]},
            "dropout.0.arms.0",
            "unknown arm",
        ),
        (
            {"dropout": [{"id": "d", "kind": "at_random", "rate_per_week": 0.1, "after": "28 d"}]},
            "dropout.0.after",
            "last visit",
        ),
        ({"adherence": {"missed": 1.0}}, "adherence.missed", "1.0 is not allowed"),
        # analyses
        ({"analyses": [analysis(method="ancva")]}, "analyses.0.method", "nearest valid name is 'ancova'"),
        ({"analyses": [analysis(arm="ketamin")]}, "analyses.0.arm", "nearest valid name is 'ketamine'"),
        ({"analyses": [analysis(comparator=None)]}, "analyses.0.comparator", "needs a comparator"),
        ({"analyses": [analysis(comparator="ketamine")]}, "analyses.0.comparator", "both sides"),
        ({"analyses": [analysis(arm="open")]}, "analyses.0.arm", "reached by rules"),
        ({"analyses": [analysis(origin="two")]}, "analyses.0.arm", "not an arm of phase 'two'"),
        ({"analyses": [analysis(origin="tow")]}, "analyses.0.origin", "nearest valid name is 'two'"),
        ({"analyses": [analysis(strata=True)]}, "analyses.0.strata", "no strata"),
        ({"analyses": [analysis(margin=5.0)]}, "analyses.0.margin", "only non_inferiority"),
        ({"analyses": [analysis(method="non_inferiority")]}, "analyses.0.margin", "needs this"),
        ({"analyses": [analysis(method="logrank")]}, "analyses.0.event", "needs this"),
        ({"analyses": [analysis(event=["madrs >= 22"])]}, "analyses.0.event", "only logrank and cox"),
        ({"analyses": [analysis(method="crossover")]}, "analyses.0.arm", "'one + two'"),
        ({"analyses": [analysis(method="trend")]}, "analyses.0.arm", "two arms or more"),
        (
            {"analyses": [analysis(method="responder", imputation="jump_to_reference")]},
            "analyses.0.imputation",
            "ancova or mmrm",
        ),
        ({"analyses": [analysis(), analysis()]}, "analyses.1.id", "given twice"),
        ({"analyses": [analysis(family="doses")]}, "analyses.0.family", "add it to multiplicity"),
        ({"analyses": [analysis(alpha=0.7)]}, "analyses.0.alpha", "0.7 is not allowed"),
        ({"multiplicity": [{"family": "doses", "method": "holm"}]}, "multiplicity.0.family", "two or more"),
        (
            {"monitoring": [{"id": "m", "analysis": "primry", "kind": "events", "at": 5}]},
            "monitoring.0.analysis",
            "'primary'",
        ),
        (
            {"monitoring": [{"id": "m", "analysis": "primary", "kind": "efficacy", "at": 5}]},
            "monitoring.0.spending",
            "needs",
        ),
        (
            {"monitoring": [{"id": "m", "analysis": "primary", "kind": "events", "at": 5, "power": 0.9}]},
            "monitoring.0.power",
            "leave it out",
        ),
        (
            {
                "monitoring": [
                    {
                        "id": "m",
                        "analysis": "primary",
                        "kind": "sample_size_reestimation",
                        "at": 40,
                        "maximum": 90,
                        "power": 0.9,
                    }
                ]
            },
            "monitoring.0.at",
            "before all 40",
        ),
        (
            {
                "visits": ["24 h", "7 d", {"time": "14 d", "quantities": ["cadss"]}],
                "rules": [rule(at=["7 d"])],
                "endpoints": [],
            },
            "analyses.0.quantity",
            "not rated at 14 d",
        ),
        # arms and people
        ({"arms": arms({"phase": "entry"}, {}, {})}, "arms.0.phase", "word of the language"),
        ({"arms": arms({"empirical": ["etc"]}, {}, {})}, "arms.0.empirical.0", "nearest valid name is 'ect'"),
        ({"arms": arms({"comedication": ["naltrexon"]}, {}, {})}, "arms.0.comedication.0", "'naltrexone'"),
        ({"arms": arms({"allocation": 1.2}, {}, {})}, "arms.0.allocation", "1.2 is not allowed"),
        (
            {"population": {**BASE["population"], "table": "elderley"}},
            "population.table",
            "nearest valid name is 'elderly'",
        ),
        (
            {"population": {**BASE["population"], "entry": ["phq9 >= 10"]}},
            "population.entry.0",
            "known at entry",
        ),
        (
            {"population": {**BASE["population"], "entry": ["hamd17 >= 10"]}},
            "population.entry",
            "another scale",
        ),
        (
            {"population": {**BASE["population"], "covariates": {"fractions": {"smoker": 0.2}}}},
            "population.covariates.fractions.smoker",
            "unknown covariate",
        ),
        (
            {"population": {**BASE["population"], "covariates": {"fractions": {"female": 0.2}}}},
            "population.covariates.fractions.female",
            "female_fraction",
        ),
        (
            {
                "population": {
                    **BASE["population"],
                    "covariates": {"height": {"mean": 170, "sd": 9, "unit": "kg"}},
                }
            },
            "population.covariates.height.unit",
            "use 'cm'",
        ),
        (
            {
                "population": {
                    **BASE["population"],
                    "correlations": [{"between": ["age", "agee"], "value": 0.1}],
                }
            },
            "population.correlations.0.between",
            "'age'",
        ),
        (
            {
                "population": {
                    **BASE["population"],
                    "correlations": [{"between": ["age", "age"], "value": 0.1}],
                }
            },
            "population.correlations.0.between",
            "named twice",
        ),
        (
            {
                "population": {
                    **BASE["population"],
                    "correlations": [{"between": ["age", "crp"], "value": 1.0}],
                }
            },
            "population.correlations.0.value",
            "1.0 is not allowed",
        ),
    ],
)
def test_an_impossible_design_is_refused_with_field_and_reason(
    changes: dict[str, Any], field: str, words: str
) -> None:
    message = fault(**changes)
    assert f", {field}: " in message
    assert words in message


def test_correlations_that_cannot_hold_together_are_refused() -> None:
    # Age and weight go with CRP, so they cannot go against each other.
    pairs = [
        {"between": ["age", "failed_treatments"], "value": 0.9},
        {"between": ["age", "crp"], "value": 0.9},
        {"between": ["failed_treatments", "crp"], "value": -0.9},
    ]
    message = fault(population={**BASE["population"], "correlations": pairs})
    where = r", population\.correlations\.\d\.value: \w+ with \w+: -?0\.9 cannot be true together"
    assert re.search(where, message)
    assert "not positive definite" in message
    # Against what is known of people beside: height and weight go together in the shipped table.
    hard = [
        {"between": ["height", "crp"], "value": 0.9},
        {"between": ["weight", "crp"], "value": -0.9},
    ]
    assert ", population.correlations." in fault(population={**BASE["population"], "correlations": hard})
    twice = [{"between": ["age", "crp"], "value": 0.1}, {"between": ["crp", "age"], "value": 0.2}]
    assert "given twice" in fault(population={**BASE["population"], "correlations": twice})


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
