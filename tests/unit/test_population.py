from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from scipy.stats import truncnorm

from ketasim.errors import ModelError, StudyError
from ketasim.model import ParameterSet, Simulator, build_chain
from ketasim.model.parameters import Correlation, load_parameters
from ketasim.population import (
    PopulationSpec,
    Variability,
    draw_patients,
    occasion_deviations,
    parent_normal,
    stream,
    stress_path,
    typical_patient,
)
from ketasim.trials import Study, Trial

TAU = 372.0
COMMON = {
    "seed": 1,
    "study": "daly2018",
    "replicate": 0,
    "arm": "placebo",
    "first_subject": 1,
    "days": 2,
    "stress_tau_h": TAU,
    "stress_sd_points": 5.5,
    "error_sd": 2.5,
}
SPEC = PopulationSpec(35.0, 5.18, entry_lower=28.0)


@pytest.fixture(scope="module")
def crowd():
    return draw_patients(SPEC, {"clearance": 0.2}, 3000, **COMMON)


@pytest.mark.parametrize(
    ("mean", "sd", "lower", "upper"),
    [(35.0, 5.18, 28, 60), (35.0, 4.22, 28, 60), (25.1, 8.3, 0, 60), (29.0, 0.5, 28, 60), (40, 2.5, 35, 45)],
)
def test_the_parent_shows_the_reported_mean_and_sd(mean, sd, lower, upper):
    parent = parent_normal(mean, sd, lower, upper)
    a, b = (lower - parent.mean) / parent.sd, (upper - parent.mean) / parent.sd
    # SciPy's truncated normal is the reference; 1e-6 is the tolerance of the root search.
    assert truncnorm.mean(a, b, parent.mean, parent.sd) == pytest.approx(mean, abs=1e-6)
    assert truncnorm.std(a, b, parent.mean, parent.sd) == pytest.approx(sd, abs=1e-6)
    assert abs(parent.mean - mean) <= 1.5 * sd


def test_the_quantiles_are_those_of_the_truncated_normal():
    u = np.array([0.0, 1e-6, 0.2, 0.5, 0.9, 1.0])
    for mean in (20.0, 35.0):  # a cut-off above the parent mean, and one below
        parent = parent_normal(35.0, 5.18, 28.0, 60.0)
        parent = type(parent)(mean, 6.0, 28.0, 60.0, 0.0, 0.0)
        a, b = (28.0 - mean) / 6.0, (60.0 - mean) / 6.0
        assert parent.quantile(u) == pytest.approx(truncnorm.ppf(u, a, b, mean, 6.0), rel=1e-8)


def test_limits_that_contradict_the_reported_sd_are_moved_only_with_leave():
    # Daly 2018, 28 mg: with an excess of 3.3 above the limit, no normal distribution has an SD of 3.8.
    kept = parent_normal(31.3, 3.8, 28.0, 60.0)
    moved = parent_normal(31.3, 3.8, 28.0, 60.0, (0.0, 60.0))
    assert (kept.lower, kept.upper) == (28.0, 60.0)
    assert kept.shown_mean == pytest.approx(31.3, abs=1e-6)
    assert kept.shown_sd < 3.7
    assert 20.0 < moved.lower < 28.0
    assert (moved.shown_mean, moved.shown_sd) == pytest.approx((31.3, 3.8), abs=1e-6)


def test_an_sd_that_no_limit_allows_gives_the_nearest_one():
    parent = parent_normal(2.0, 2.0, 0.0, 60.0, (0.0, 60.0))
    assert parent.shown_mean == pytest.approx(2.0, abs=1e-6)
    assert 1.4 < parent.shown_sd < 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((35.0, 0.0, 28.0, 60.0), "positive number"),
        ((35.0, float("nan"), 28.0, 60.0), "positive number"),
        ((27.0, 5.0, 28.0, 60.0), "does not lie between the entry limits 28 and 60"),
        ((28.5, 5.0, 28.0, 60.0), "cannot come from limits 28 to 60"),
    ],
)
def test_an_impossible_baseline_is_refused(arguments, message):
    with pytest.raises(StudyError, match=message):
        parent_normal(*arguments)


def test_the_people_look_like_the_reported_ones(crowd):
    baseline = np.array([p.baseline for p in crowd])
    weight = np.array([p.weight_kg for p in crowd])
    age = np.array([p.age_y for p in crowd])
    # Four standard errors at 3,000 people: SD/sqrt(n) of a mean, about SD/sqrt(2n) of an SD.
    assert baseline.mean() == pytest.approx(35.0, abs=0.38)
    assert baseline.std() == pytest.approx(5.18, abs=0.30)
    assert baseline.min() >= 28.0
    assert weight.mean() == pytest.approx(82.0, abs=1.4)
    assert weight.std() == pytest.approx(18.0, abs=1.6)
    assert age.mean() == pytest.approx(46.7, abs=0.9)
    assert (age.min() >= 18.0, age.max() <= 65.0) == (True, True)
    assert np.mean([p.sex == "female" for p in crowd]) == pytest.approx(0.68, abs=0.035)


def test_factors_are_log_normal_with_median_one(crowd):
    logs = np.log([p.parameters["clearance"] for p in crowd])
    assert logs.mean() == pytest.approx(0.0, abs=4 * 0.2 / 3000**0.5)
    assert logs.std() == pytest.approx(0.2, abs=4 * 0.2 / 6000**0.5)


def test_the_score_at_entry_is_severity_and_error(crowd):
    for p in crowd[:50]:
        assert p.severity_baseline + p.entry_error == pytest.approx(p.baseline, rel=1e-12)
        assert p.stress[0] == p.entry_stress
        assert 0.0 < p.severity_baseline < 60.0


def test_people_let_in_above_a_cut_off_get_better_by_themselves(crowd):
    parent = SPEC.parent()
    error = np.array([p.entry_error for p in crowd])
    stress = np.array([p.entry_stress for p in crowd])
    # A normal variable's expected part of the excess above its mean is its share of the variance.
    above = 35.0 - parent.mean
    assert error.mean() == pytest.approx(2.5**2 / parent.sd**2 * above, abs=4 * 2.5 / 3000**0.5)
    assert stress.mean() == pytest.approx(5.5 / parent.sd**2 * above, abs=4 / 3000**0.5)
    assert error.mean() > 0.3
    assert 5.5 * stress.mean() > 1.0


def test_without_a_cut_off_nobody_gets_better_by_himself():
    people = draw_patients(PopulationSpec(30.0, 6.0), {}, 3000, **COMMON)
    assert np.mean([p.entry_error for p in people]) == pytest.approx(0.0, abs=4 * 2.5 / 3000**0.5)
    assert np.mean([p.entry_stress for p in people]) == pytest.approx(0.0, abs=4 / 3000**0.5)
    # Stress, error and trait make up the whole spread: its variance at entry is that of the score.
    true = np.array([p.severity_baseline for p in people])
    assert np.std([p.entry_error for p in people]) == pytest.approx(2.5, rel=4 / 6000**0.5)
    assert np.std([p.entry_stress for p in people]) == pytest.approx(1.0, rel=4 / 6000**0.5)
    assert true.var() == pytest.approx(36.0 - 6.25, rel=4 * (2 / 3000) ** 0.5)


def test_a_narrow_baseline_still_leaves_room_for_a_trait():
    people = draw_patients(PopulationSpec(30.0, 1.5), {}, 500, **{**COMMON, "stress_sd_points": 20.0})
    assert np.std([p.severity_baseline for p in people]) < 1.5
    assert np.std([p.entry_error for p in people]) < 1.5


def test_the_ends_of_the_scale_are_kept_free():
    people = draw_patients(PopulationSpec(2.0, 1.4), {}, 500, **COMMON)
    assert min(p.severity_baseline for p in people) >= 0.5
    assert all(p.baseline >= 0.0 for p in people)
    assert all(p.severity_baseline + p.entry_error == pytest.approx(p.baseline) for p in people)


def test_stress_is_stationary_and_forgets_with_its_time_constant():
    random = stream(1, "test")
    paths = np.array([stress_path(float(random.standard_normal()), 40, TAU, random) for _ in range(3000)])
    assert paths.std(axis=0) == pytest.approx(np.ones(40), abs=0.06)
    for lag in (1, 15, 30):
        found = np.corrcoef(paths[:, 0], paths[:, lag])[0, 1]
        assert found == pytest.approx(np.exp(-24.0 * lag / TAU), abs=0.073)


def test_stress_cannot_be_written_to_and_a_patient_can_be_sent_to_a_worker(crowd):
    with pytest.raises(ValueError, match="read-only"):
        crowd[0].stress[0] = 1.0
    again = pickle.loads(pickle.dumps(crowd[0]))
    assert again.parameters == crowd[0].parameters
    assert again.stress.tolist() == crowd[0].stress.tolist()


def test_the_typical_patient_has_no_deviation():
    p = typical_patient(SPEC, ["clearance", "spine_gain"], days=7)
    assert p.parameters == {"clearance": 1.0, "spine_gain": 1.0}
    assert (p.baseline, p.severity_baseline, p.entry_error, p.entry_stress) == (35.0, 35.0, 0.0, 0.0)
    assert p.stress.tolist() == [0.0] * 7
    assert (p.weight_kg, p.age_y, p.sex) == (82.0, 46.7, "female")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "madr"}, "nearest valid name is 'madrs'"),
        ({"female_fraction": 68.0}, "female_fraction 68.0 is not between 0 and 1"),
        ({"weight_mean": 820.0}, "weight 820.0"),
        ({"weight_sd": -1.0}, "the SD must not be negative"),
        ({"entry_lower": 40.0, "entry_upper": 30.0}, "lower one must be below"),
    ],
)
def test_an_impossible_population_is_refused(changes, message):
    with pytest.raises(StudyError, match=message):
        PopulationSpec(**{"baseline_mean": 35.0, "baseline_sd": 5.0, **changes})


def test_errors_at_drawing_name_the_field():
    with pytest.raises(StudyError, match=r"population: baseline: mean 27.0 does not lie between"):
        draw_patients(PopulationSpec(27.0, 5.0, entry_lower=28.0), {}, 1, **COMMON)
    with pytest.raises(StudyError, match=r"population: age: mean 16.0"):
        draw_patients(PopulationSpec(30.0, 5.0, age_mean=16.0), {}, 1, **COMMON)
    with pytest.raises(StudyError, match="n -1 is negative"):
        draw_patients(SPEC, {}, -1, **COMMON)
    with pytest.raises(StudyError, match=r"variability of 'clearance': -0\.2"):
        draw_patients(SPEC, {"clearance": -0.2}, 1, **COMMON)
    with pytest.raises(StudyError, match="days: 0 is too few"):
        draw_patients(SPEC, {}, 1, **{**COMMON, "days": 0})
    with pytest.raises(StudyError, match="time constant"):
        draw_patients(SPEC, {}, 1, **{**COMMON, "stress_tau_h": 0.0})
    with pytest.raises(StudyError, match="days: 0 is too few"):
        typical_patient(SPEC, days=0)


def test_nobody_is_a_valid_number_of_people():
    assert draw_patients(SPEC, {}, 0, **COMMON) == ()


PAIR = (Correlation("volume", "clearance", 0.6, "otto2021", "derived"),)
SPREADS = {"volume": 0.3, "clearance": 0.2}


def test_parameters_go_together_between_people():
    people = draw_patients(SPEC, Variability(SPREADS, PAIR), 3000, **COMMON)
    logs = np.log([[p.parameters[name] for name in SPREADS] for p in people]).T
    # Four standard errors at 3,000 people: (1 - r^2)/sqrt(n) of a correlation, SD/sqrt(2n) of an SD.
    assert np.corrcoef(logs)[0, 1] == pytest.approx(0.6, abs=4 * 0.64 / 3000**0.5)
    assert logs.std(axis=1) == pytest.approx([0.3, 0.2], rel=4 / 6000**0.5)


def test_an_uncorrelated_parameter_more_or_a_dose_more_leaves_a_person_as_he_was():
    (plain,) = draw_patients(SPEC, Variability(SPREADS, PAIR, {"share": 0.2}), 1, n_occasions=2, **COMMON)
    wider = Variability({"new": 0.4, **SPREADS}, PAIR, {"length": 0.4, "share": 0.2})
    (more,) = draw_patients(SPEC, wider, 1, n_occasions=5, **COMMON)
    assert {name: more.parameters[name] for name in SPREADS} == plain.parameters
    assert more.occasions["share"][:2].tolist() == plain.occasions["share"].tolist()
    assert more.stress.tolist() == plain.stress.tolist()


def test_correlations_that_cannot_be_are_refused_when_people_are_drawn():
    pairs = [("a", "b", 0.9), ("b", "c", 0.9), ("a", "c", -0.9)]
    impossible = Variability(
        dict.fromkeys("abc", 0.1), tuple(Correlation(*pair, "key", "derived") for pair in pairs)
    )
    with pytest.raises(ModelError, match="not positive definite"):
        draw_patients(SPEC, impossible, 1, **COMMON)


def test_doses_of_one_person_differ_as_much_as_asked_and_not_in_common():
    drawn = [occasion_deviations(1, "s", 0, i, {"share": 0.25, "length": 0.4}, 3) for i in range(1, 1001)]
    share = np.array([found["share"] for found in drawn])
    length = np.array([found["length"] for found in drawn])
    # Four standard errors at 3,000 deviations.
    assert share.std() == pytest.approx(0.25, rel=4 / 6000**0.5)
    assert length.std() == pytest.approx(0.4, rel=4 / 6000**0.5)
    assert np.corrcoef(share.ravel(), length.ravel())[0, 1] == pytest.approx(0.0, abs=4 / 3000**0.5)
    # 1,000 pairs of doses.
    assert np.corrcoef(share[:, 0], share[:, 1])[0, 1] == pytest.approx(0.0, abs=4 / 1000**0.5)
    assert occasion_deviations(1, "s", 0, 1, {"share": 0.25}, 0)["share"].shape == (0,)
    with pytest.raises(ValueError, match="read-only"):
        drawn[0]["share"][0] = 1.0


def test_doses_of_another_person_study_or_replicate_are_others():
    keys = [(1, "s", 0, 1), (2, "s", 0, 1), (1, "t", 0, 1), (1, "s", 1, 1), (1, "s", 0, 2)]
    assert len({float(occasion_deviations(*key, {"share": 0.25}, 1)["share"][0]) for key in keys}) == 5


def test_the_variability_of_the_tables_is_taken_whole():
    table = load_parameters()
    found = Variability.of(table)
    assert found.correlations == table.correlations
    assert found.people["volume_central"] == table["volume_central"].iiv
    assert set(found.occasions) == {name for name, item in table.items() if item.iov > 0.0}
    assert min(found.people.values()) > 0.0


def test_errors_of_variability_name_the_field():
    with pytest.raises(StudyError, match=r"variability of 'share': -0\.1"):
        Variability({}, (), {"share": -0.1})
    with pytest.raises(StudyError, match="n_occasions -1 is negative"):
        occasion_deviations(1, "s", 0, 1, {"share": 0.1}, -1)


def test_the_typical_patient_is_the_same_at_every_dose():
    assert typical_patient(SPEC).occasions == {}


def test_a_trial_hands_on_age_sex_shares_and_the_doses_of_a_person():
    table = load_parameters()
    items = {**table, "mucosal_duration": dataclasses.replace(table["mucosal_duration"], iov=0.4)}
    own = ParameterSet(items, table.correlations)
    study = Study.load("daly2018")
    trial = Trial(study, Simulator(build_chain()), own, subjects=20)
    arm = max(study.arms, key=lambda item: len(item.dosing.doses))
    people = trial.people(arm)
    assert {p.sex for p in people} == {"female", "male"}
    for person in people:
        wanted = trial.wanted(person).parameters
        assert (wanted["weight"].value, wanted["age"].value) == (person.weight_kg, person.age_y)
        assert wanted["female"].value == (1.0 if person.sex == "female" else 0.0)
        share, factor = wanted["nasal_fraction"].value, person.parameters["nasal_fraction"]
        odds = table["nasal_fraction"].value / (1.0 - table["nasal_fraction"].value)
        assert share / (1.0 - share) == pytest.approx(odds * factor, rel=1e-12)
        assert len(person.occasions["mucosal_duration"]) == len(arm.dosing.doses) > 1
    typical = trial.typical(arm)
    assert (typical.parameters, typical.occasions) == ({}, {})
    # A table that does not know age and sex is no hindrance.
    plain = ParameterSet({name: item for name, item in items.items() if name not in ("age", "female")})
    wanted = dataclasses.replace(trial, parameters=plain).wanted(people[0]).parameters
    assert wanted["weight"].value == people[0].weight_kg
    assert "age" not in wanted
