from __future__ import annotations

import math
from typing import get_args

import pytest

from ketasim.errors import StudyError
from ketasim.evidence import load_publications
from ketasim.model.chain import build_chain
from ketasim.model.parameters import OWN_SOURCES
from ketasim.trials import Study
from ketasim.trials.causes import NEUTRAL, Cause, arm_inputs, find_cause, load_causes
from ketasim.trials.study.parts import Comedication
from ketasim.units import same_dimension

EVERY = [cause for causes in load_causes().values() for cause in causes]


@pytest.mark.parametrize("cause", EVERY, ids=lambda item: f"{item.name}-{item.target}")
def test_target_exists_and_the_unit_fits(cause: Cause) -> None:
    chain = build_chain()
    targets = chain.inputs if cause.kind == "input" else chain.parameters
    assert cause.target in targets
    assert same_dimension(cause.unit, targets[cause.target].unit)
    assert cause.low <= cause.value <= cause.high
    assert cause.source in {*load_publications()["key"], *OWN_SOURCES, "assumed", "definition"}
    assert cause.note


def test_lasting_causes_have_no_ends() -> None:
    assert {cause.name for cause in EVERY if cause.lasting} >= {"bdnf_knockout", "met_met", "benzodiazepine"}
    (nbqx,) = find_cause("nbqx")
    assert not nbqx.lasting
    (new,) = find_cause("new_antidepressant")
    assert (new.starts_h, new.ends_h) == (0.0, math.inf)


def test_unknown_cause_is_told_with_the_nearest() -> None:
    with pytest.raises(StudyError, match=r"'rapamycin'.*list causes"):
        find_cause("rapamycine")


def test_every_comedication_of_a_trial_is_a_cause_or_neutral() -> None:
    study = Study.load("abdallah2020")
    arm = study.arms[0]
    for name in get_args(Comedication):
        inputs = arm_inputs(study, arm.model_copy(update={"comedication": (name,)}))
        assert bool(inputs) == (name not in NEUTRAL), name


def test_rapamycin_of_a_trial_is_swallowed() -> None:
    study = Study.load("abdallah2020")
    inputs = arm_inputs(study, study.arms[0].model_copy(update={"comedication": ("rapamycin",)}))
    (brain,) = find_cause("rapamycin")
    assert brain.target == "mtor_inhibition_brain"
    # An animal's ventricle is filled with it; a tablet hardly reaches the brain.
    assert inputs["mtor_inhibition_brain"] < 0.1 * brain.value
    assert inputs["mtor_inhibition_periphery"] > 0.5


def test_of_two_drugs_on_one_input_the_stronger_counts() -> None:
    study = Study.load("abdallah2020")
    arm = study.arms[0].model_copy(update={"comedication": ("riluzole", "lamotrigine", "mglu23_agonist")})
    values = [find_cause(name)[0].value for name in arm.comedication]
    assert arm_inputs(study, arm)["release_inhibition"] == max(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "state"}, "kind"),
        ({"grade": "sure"}, "grade"),
        ({"value": "2"}, "outside its range"),
        ({"value": "much"}, "line 2"),
        ({"starts_h": "5", "ends_h": "4"}, "let it end later"),
        ({"kind": "parameter"}, "holds for good"),
    ],
)
def test_a_row_that_breaks_the_rules(change: dict[str, str], words: str) -> None:
    from ketasim.trials import causes

    line = "a,input,b,0.5,ratio,0,1,0,4,assumed,assumed,for a test"
    row = dict(zip(causes._COLUMNS, line.split(","), strict=True))
    with pytest.raises(StudyError, match=words):
        causes._cause("causes.csv, line 2", {**row, **change})
