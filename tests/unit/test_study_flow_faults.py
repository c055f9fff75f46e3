"""Flows that cannot be: each is refused with its field and the reason."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.unit.study_flow_plans import BASE, analysis, arms, fault, rule


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
