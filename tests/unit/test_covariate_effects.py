"""What covariates do to parameters, and the second level: uncertainty of typical values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

from ketasim.errors import StudyError
from ketasim.evidence import load_publications
from ketasim.model import Simulator, build_chain
from ketasim.model.parameters import OWN_SOURCES, Correlation, ParameterSet, load_parameters
from ketasim.population import (
    People,
    PopulationSpec,
    Variability,
    draw_fitted_sets,
    draw_parameter_sets,
    draw_people,
    load_effects,
    parameter_columns,
    people_inputs,
    typical_people,
)
from ketasim.population import effects as effects_module
from ketasim.population.draws import load_posterior
from ketasim.population.uncertainty import uncertain_parameters

TABLE = load_parameters()
SPEC = PopulationSpec(33.0, 5.0, table="clinic", fractions={"ancestry_asian": 0.3, "ancestry_japanese": 0.3})


@cache
def crowd(n: int = 400) -> People:
    return draw_people(
        SPEC,
        Variability.of(TABLE),
        seed=1,
        study="s",
        replicates=np.zeros(n, dtype=int),
        subjects=np.arange(1, n + 1),
        parents=[SPEC.parent()],
        which=np.zeros(n, dtype=int),
        days=2,
        stress_tau_h=372.0,
        stress_sd_points=5.5,
        error_sd=2.5,
    )


@dataclass(frozen=True)
class OfStudy:
    deviations: dict[str, float]


def sized(covariate: str, parameter: str, size: float) -> tuple[Any, ...]:
    """The shipped effects with one of another size."""
    found = tuple(
        dataclasses.replace(effect, size=size)
        if (effect.covariate, effect.parameter) == (covariate, parameter)
        else effect
        for effect in load_effects()
    )
    assert found != load_effects()
    return found


def test_covariates_reach_the_parameters_of_the_chain() -> None:
    people = crowd()
    columns, covariates = parameter_columns(people, TABLE), people.covariates
    for name in ("weight", "age", "female"):
        assert np.array_equal(columns[name], covariates[name]), name
    assert columns["height"] == pytest.approx(covariates["height"] / 100.0, rel=1e-15)
    assert np.array_equal(columns["cyp2b6_star6"], covariates["cyp2b6_6"])
    # Japanese are Asian too, as in the kinetic stage.
    asian = covariates["ancestry_asian"] + covariates["ancestry_japanese"]
    assert np.array_equal(columns["asian"], asian)
    assert np.array_equal(columns["japanese"], covariates["ancestry_japanese"])
    assert 0.4 < asian.mean() < 0.8


def test_deviations_act_on_the_scale_of_the_spread() -> None:
    people = crowd()
    columns = parameter_columns(people, TABLE)
    for name in ("volume_central", "nasal_fraction"):
        assert np.array_equal(columns[name], TABLE[name].varied(people.deviations[name])), name
    share = columns["nasal_fraction"]
    assert (share.min() > 0.0, share.max() < 1.0) == (True, True)
    assert set(people.deviations) <= set(columns)


def test_a_study_deviates_on_top_of_each_person() -> None:
    people = crowd()
    shift = OfStudy({"volume_central": 0.25, "placebo_slow": -0.5, "of_no_chain": 1.0})
    columns, plain = parameter_columns(people, TABLE, shift), parameter_columns(people, TABLE)
    assert columns["volume_central"] == pytest.approx(plain["volume_central"] * np.exp(0.25), rel=1e-14)
    assert columns["placebo_slow"] == pytest.approx(TABLE["placebo_slow"].value * np.exp(-0.5), rel=1e-14)
    assert "placebo_slow" not in plain
    assert "of_no_chain" not in columns
    neutral = parameter_columns(people, TABLE, OfStudy({"volume_central": 0.0}))
    assert all(np.array_equal(neutral[name], values) for name, values in plain.items())


def test_effects_of_all_scales_act() -> None:
    people = crowd()
    plain = parameter_columns(people, TABLE)
    met = people.covariates["val66met"]
    added = parameter_columns(people, TABLE, effects=sized("val66met", "val66met_secretion", -0.5))
    assert added["val66met_secretion"] == pytest.approx(1.0 - 0.5 * met, abs=1e-15)
    assert "val66met_secretion" not in plain
    high = people.covariates["hypertension"]
    logged = parameter_columns(people, TABLE, effects=sized("hypertension", "systolic_rest", 0.1))
    assert logged["systolic_rest"] == pytest.approx(plain["systolic_rest"] * np.exp(0.1 * high), rel=1e-14)
    crp = people.covariates["crp"]
    centred = parameter_columns(people, TABLE, effects=sized("crp", "immune_illness_shift", 0.05))
    ratio = centred["immune_illness_shift"] / plain["immune_illness_shift"]
    assert ratio == pytest.approx(np.exp(0.05 * (crp - 1.3)), rel=1e-13)


def test_users_of_a_drug_get_it_as_an_input_only_if_its_size_is_given() -> None:
    people = crowd()
    assert people_inputs(people) == {}
    found = people_inputs(people, sized("benzodiazepine", "benzodiazepine", 0.2))
    assert found["benzodiazepine"] == pytest.approx(0.2 * people.covariates["benzodiazepine"])
    assert 0.2 < np.mean(found["benzodiazepine"] > 0.0) < 0.6
    chain = build_chain()
    inputs = {effect.parameter for effect in load_effects() if effect.scale == "input"}
    assert inputs <= set(chain.inputs)


def test_a_chain_that_knows_less_is_no_hindrance() -> None:
    few = ParameterSet(
        {name: item for name, item in TABLE.items() if name not in ("age", "asian", "mood_time")}
    )
    columns = parameter_columns(crowd(), few)
    assert set(columns) <= set(few)
    assert "weight" in columns


def test_typical_people_have_the_typical_parameters() -> None:
    people = typical_people(SPEC, 2, [SPEC.parent()], [0, 0], 1)
    columns = parameter_columns(people, TABLE)
    personal = {effect.parameter for effect in load_effects() if effect.scale == "value"}
    # A typical patient of a trial has failed treatments behind him, which a covariate effect acts on.
    assert set(columns) <= personal | {"antidepressant_stress_gain"}


def test_effects_are_sourced_or_neutral_and_meet_a_parameter_of_the_chain() -> None:
    known = set(load_publications()["key"]) | set(OWN_SOURCES)
    chain = build_chain()
    for effect in load_effects():
        assert effect.source in known, effect
        assert effect.neutral == (effect.grade == "assumed"), effect
        if effect.scale != "input":
            assert effect.parameter in TABLE, effect
        else:
            assert effect.parameter in chain.inputs, effect
    assert {effect.parameter for effect in load_effects()} >= {"liver_function", "val66met_secretion"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"covariate": "wieght"}, "line 9: unknown covariate 'wieght'"),
        ({"scale": "lin"}, "line 9: unknown scale 'lin'"),
        ({"grade": "sure"}, "line 9: unknown grade 'sure'"),
        ({"grade": "assumed", "size": "0.3"}, "an assumed effect has size 0, not 0.3"),
    ],
)
def test_a_wrong_effect_is_refused(changes: dict[str, str], message: str) -> None:
    row = {
        "covariate": "weight",
        "parameter": "weight",
        "scale": "value",
        "size": "1",
        "centre": "0",
        "source": "kamp2020",
        "grade": "derived",
        "note": "",
    }
    with pytest.raises(StudyError, match=message):
        effects_module._effect("effects.csv, line 9", {**row, **changes})


def test_parameter_sets_fill_the_ranges_of_the_tables() -> None:
    names = uncertain_parameters(TABLE)
    sets = draw_parameter_sets(TABLE, 300, 5)
    for name in names:
        item = TABLE[name]
        values = np.array([own[name].value for own in sets])
        slack = 1e-12 * max(1.0, abs(item.high))
        assert values.min() >= item.low - slack, name
        assert values.max() <= item.high + slack, name
        middle = (item.low * item.high) ** 0.5 if item.distribution == "lognormal" else None
        if middle:
            # As many below the middle of the range as above: four standard errors of a share of 300.
            assert np.mean(values < middle) == pytest.approx(0.5, abs=4 * 0.5 / 300**0.5), name
    drawn = np.log([[own[name].value for own in sets] for name in ("mood_time", "fast_arm_time")])
    assert abs(np.corrcoef(drawn)[0, 1]) < 4 / 300**0.5
    low, high = TABLE["mood_time"].low, TABLE["mood_time"].high
    # SD of a normal number cut to its middle 95 %: 0.879 of the SD; the range is 3.92 SD wide.
    assert drawn[0].std() == pytest.approx(0.879 * np.log(high / low) / 3.92, rel=0.15)


def test_measured_and_personal_numbers_and_spreads_stay() -> None:
    names = set(uncertain_parameters(TABLE))
    assert names
    assert all(TABLE[name].grade in ("calibrated", "assumed") for name in names)
    personal = ("weight", "height", "age", "female", "asian", "japanese", "cyp2b6_star6", "illness_load")
    assert names.isdisjoint({*personal, "opioid_dose", "pain_intensity"})
    (own,) = draw_parameter_sets(TABLE, 1, 5)
    for name, item in TABLE.items():
        assert own[name].iiv == item.iiv
        if name not in names:
            assert own[name].value == item.value, name
    assert own.correlations == TABLE.correlations
    more = set(uncertain_parameters(TABLE, ("derived",)))
    assert more
    assert more.isdisjoint(names)


def test_the_second_level_is_apart_from_differences_between_people() -> None:
    first, second = draw_parameter_sets(TABLE, 2, 5)
    longer = draw_parameter_sets(TABLE, 3, 5)
    assert [own["mood_time"].value for own in longer[:2]] == [
        first["mood_time"].value,
        second["mood_time"].value,
    ]
    assert draw_parameter_sets(TABLE, 1, 6)[0]["mood_time"].value != first["mood_time"].value
    # The same people with other typical values: deviations are those of before.
    people = crowd()
    ratio = parameter_columns(people, first)["mood_time"] / first["mood_time"].value
    assert ratio == pytest.approx(np.exp(people.deviations["mood_time"]), rel=1e-13)
    wide = ParameterSet(
        TABLE, (*TABLE.correlations, Correlation("mood_time", "fast_arm_time", 0.5, "x", "assumed"))
    )
    assert draw_parameter_sets(wide, 1, 5)[0]["mood_time"].value == first["mood_time"].value
    assert draw_parameter_sets(TABLE, 0, 5) == []
    with pytest.raises(StudyError, match="n -1 is negative"):
        draw_parameter_sets(TABLE, -1, 5)
    with pytest.raises(StudyError, match="unknown grade 'guessed'"):
        draw_parameter_sets(TABLE, 1, 5, grades=("guessed",))


def test_a_persons_own_parameters_can_be_set_up_in_the_chain() -> None:
    chain = build_chain()
    assert Simulator(chain, 1e-6).chain is chain
    columns = parameter_columns(crowd(), TABLE)
    assert set(columns) <= set(chain.parameters)


def test_fitted_sets_are_those_of_the_posterior_each_once_before_any_twice() -> None:
    draws = load_posterior()
    sets = draw_fitted_sets(TABLE, len(draws) + 1, 5)
    rows = [tuple(own[name].value for name in draws.names) for own in sets]
    assert len(set(rows[:-1])) == len(draws)
    assert rows[-1] in set(rows[:-1])
    assert set(rows) == {tuple(own[name].value for name in draws.names) for own in draws.sets(TABLE)}
    other = [own["mood_time"].value for own in draw_fitted_sets(TABLE, 20, 6)]
    assert other != [own["mood_time"].value for own in sets[:20]]


def test_fitted_sets_leave_the_rest_alone_and_do_not_depend_on_their_number() -> None:
    names = load_posterior().names
    short, long = draw_fitted_sets(TABLE, 2, 5), draw_fitted_sets(TABLE, 3, 5)
    for name in TABLE:
        assert [own[name].value for own in short] == [own[name].value for own in long[:2]]
        if name not in names:
            assert short[0][name].value == TABLE[name].value
    with pytest.raises(StudyError, match="n -1 is negative"):
        draw_fitted_sets(TABLE, -1, 5)
