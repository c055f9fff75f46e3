"""A study with some fields changed: found by path, checked as a file is, and the same people."""

from __future__ import annotations

import numpy as np
import pytest

from ketasim.design import WhatIf, changed, null_study, parse_what_if
from ketasim.errors import StudyError
from ketasim.model.parameters import load_parameters
from ketasim.trials import Study
from ketasim.trials.runs.outcomes import Matrix, Outcomes
from ketasim.trials.runs.workers import Chunk, TrialPlan, run_chunk


@pytest.fixture(scope="module")
def study() -> Study:
    return Study.load("murrough2013")


def test_no_change_gives_an_equal_study(study: Study) -> None:
    assert changed(study, {}) == study


@pytest.mark.parametrize(
    ("path", "value", "read"),
    [
        ("setting.control", "saline", lambda s: s.setting.control == "saline"),
        ("arms.ketamine.masked", "true", lambda s: s.arm("ketamine").masked is True),
        ("arms.ketamine.baseline.mean", "30", lambda s: s.baseline("ketamine").mean == 30.0),
        ("visits.7 d.window", "6 h", lambda s: s.visits[1].window_h == 6.0),
        ("endpoints.0.time", "7 d", lambda s: s.endpoints[0].time_h == 168.0),
        ("assumed.arms.ketamine.baseline.reason", "why", lambda s: s.assumed[0].reason == "why"),
        ("analyses.primary.method", "ancova", lambda s: s.analyses[0].method == "ancova"),
        ("arms.ketamine.baseline", "null", lambda s: s.arm("ketamine").baseline is None),
        ("adherence.missed", "0.1", lambda s: s.adherence is not None and s.adherence.missed == 0.1),
        (
            "population.covariates.fractions.ptsd",
            "0.4",
            lambda s: s.population.covariates.fractions.get("ptsd") == 0.4,
        ),
    ],
)
def test_each_kind_of_path_changes_its_field_alone(study: Study, path: str, value: str, read: object) -> None:
    assert callable(read)
    assert not read(study) if path != "arms.ketamine.baseline" else study.arm("ketamine").baseline
    found = changed(study, {path: value})
    assert read(found)
    section = path.split(".")[0]
    assert found.id == study.id
    for name in type(study).model_fields:
        if name != section:
            assert getattr(found, name) == getattr(study, name)


def test_items_of_a_list_with_an_id_are_found_by_it_and_lists_are_given_whole() -> None:
    daly = changed(
        Study.load("murrough2013"),
        {
            "dropout": "[{id: early, kind: completely_at_random, rate_per_week: 0.1}]",
            "dropout.early.rate_per_week": "0.05",
        },
    )
    assert [item.rate_per_week for item in daly.dropout] == [0.05]


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("arms.ketamin.masked", "true", "'ketamine'"),
        ("setting.contrl", "saline", "'control'"),
        ("seting.control", "saline", "'setting'"),
        ("setting.control", "salin", "'saline'"),
        ("setting.control.kind", "saline", "setting.control is 'midazolam'"),
        ("arms.ketamine.masked", "perhaps", "masked"),
        ("arms.9.masked", "true", "0 to 1"),
        ("dropout.early.rate_per_week", "0.1", "empty list"),
        ("arms..masked", "true", "single dots"),
        ("visits", "[24 h", "cannot be read"),
        ("id", "other", "must stay 'murrough2013'"),
        ("visits", "[7 d]", "24 h"),
        ("population.baseline.mean", "30", "arms.ketamine.baseline.mean"),
        ("arms.ketamine.n", "0", "greater than 0"),
    ],
)
def test_errors_name_path_and_remedy(study: Study, path: str, value: str, words: str) -> None:
    with pytest.raises(StudyError) as caught:
        changed(study, {path: value})
    message = str(caught.value)
    assert message.startswith("--set")
    assert path in message
    assert words in message
    # There is no file whose line the reader could look at.
    assert ", line " not in message


def test_what_if_is_read_with_label_changes_and_parameters() -> None:
    found = parse_what_if("no mask, less hope: arms.a.masked=false; parameter.placebo_gain=0.5")
    assert found == WhatIf("no mask, less hope", {"arms.a.masked": "false"}, {"placebo_gain": "0.5"})
    alone = parse_what_if("setting.control=saline")
    assert alone.label == "setting.control=saline"
    # A semicolon or colon within a value is part of it.
    text = "sprays: arms.a.regimen=28 mg esketamine intranasal at 0 h; 28 mg esketamine intranasal at 5 min"
    assert list(parse_what_if(text).changes) == ["arms.a.regimen"]


@pytest.mark.parametrize("text", ["masked", "label: masked", "a: x=1; x=2", "a: =2", "a: x="])
def test_what_if_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match="--what-if"):
        parse_what_if(text)


def simulated(study: Study) -> Outcomes:
    sizes = {"ketamine": 4, "midazolam": 4}
    plan = TrialPlan(study, load_parameters(), 3, sizes, 24.0, with_twin=False)
    return Outcomes([run_chunk(plan.build(), Chunk(0, 0, 8)).outcomes])


def test_masked_lowers_the_contrast_and_changes_no_biology_by_a_bit(study: Study) -> None:
    # As shipped two of three people get ketamine, and hope as much as those who feel it: there masking moves
    # the contrast by 0.03 points. With even chances those who feel it believe more than by design.
    even = changed(study, {"arms.ketamine.n": "20", "arms.midazolam.n": "20"})
    plain, masked = simulated(even), simulated(changed(even, {"arms.ketamine.masked": "true"}))
    assert plain.kinds() == masked.kinds()
    # Belief and what it does are of the mind; all else that the model holds is biology.
    biology = [kind for kind in plain.kinds() if kind[1] != "score" and kind[0] not in ("belief", "placebo")]
    assert {("severity", "value"), ("cadss", "peak"), ("systolic_pressure", "peak")} <= set(biology)
    for kind in biology:
        np.testing.assert_array_equal(plain.matrix(*kind).values, masked.matrix(*kind).values)
    # Masked, belief stays at the chance by design; who believes less scores higher, and nobody else moves.
    arm = plain.matrix("belief").arm == "ketamine"
    belief, blind = (found.matrix("belief").at(24.0) for found in (plain, masked))
    felt, hidden = (found.matrix("madrs").at(24.0) for found in (plain, masked))
    assert belief is not None
    assert blind is not None
    assert felt is not None
    assert hidden is not None
    assert (belief[arm] > 0.5).all()
    assert (blind[arm] == 0.5).all()
    assert (hidden[arm] > felt[arm]).all()
    np.testing.assert_array_equal(hidden[~arm], felt[~arm])
    before, after = contrast(plain.matrix("madrs")), contrast(masked.matrix("madrs"))
    # Ketamine is better in both, by less if nobody can feel it.
    assert before < after < 0.0


def contrast(scores: Matrix) -> float:
    at = scores.at(24.0)
    assert at is not None
    change = at - scores.entry
    return float(change[scores.arm == "ketamine"].mean() - change[scores.arm == "midazolam"].mean())


def test_null_treats_all_compared_arms_as_the_control_and_keeps_beliefs() -> None:
    study = Study.load("singh2016a")
    null = null_study(study)
    for name in ("esketamine_0_2", "esketamine_0_4"):
        assert null.arm(name).regimen == study.arm("placebo").regimen
    # Nobody is told: the chance by design stays that of the planned trial.
    assert study.allocation > 0.5
    for arm in null.first_arms:
        assert null.allocation_of(arm.id) == study.allocation
    # Arms that no analysis compares stay.
    assert null.arm("again_0_4") == study.arm("again_0_4").model_copy(
        update={"allocation": study.allocation_of("again_0_4"), "blinding": "double_blind"}
    )


def test_null_of_a_crossover_gives_the_control_in_both_periods() -> None:
    study = Study.load("zarate2006")
    (analysis, *_) = [item for item in study.analyses if item.method == "crossover"]
    null = null_study(study)
    regimens = {null.arm(name).regimen for name in (*analysis.arms, *analysis.comparators)}
    assert len(regimens) == 1
    assert not any(arm.active for arm in null.arms if arm.id in (*analysis.arms, *analysis.comparators))


def test_null_of_what_has_none_is_refused() -> None:
    with pytest.raises(StudyError, match="compares with nothing"):
        null_study(Study.load("aanhetrot2010"))
    with pytest.raises(StudyError, match="non-inferiority"):
        null_study(Study.load("anand2023"))
