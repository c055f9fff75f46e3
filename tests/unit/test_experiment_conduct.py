from __future__ import annotations

import math

import numpy as np
import pytest

import ketasim.trials.experiment.conduct as conduct
from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError, StudyError
from ketasim.model.chain import build_chain
from ketasim.model.cohort import Rested
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population.draws import Draws
from ketasim.trials.experiment import Experiment, Readings, estimates, simulate_experiment
from ketasim.trials.experiment.plan import plan_arm
from ketasim.trials.experiment.readings import Course

HEAD = """schema: 1
kind: experiment
id: demo
title: A demonstration
citation: li2010
domain: mechanism
"""
DOSE = "0.5 mg/kg ketamine iv over 40 min"


def _parse(
    arms: str, rows: str, subjects: str = "{state: healthy}", more: str = "species: human"
) -> Experiment:
    return Experiment.parse(f"{HEAD}{more}\nsubjects: {subjects}\narms:\n{arms}observations:\n{rows}")


def _row(name: str, arm: str, quantity: str, rest: str = "", unit: str = "ratio") -> str:
    rest = rest or "measure: at, time: 1 h, statistic: mean"
    return (
        f"  - {{id: {name}, arm: {arm}, quantity: {quantity}, {rest}, value: 1, unit: {unit}, "
        "use: check, citation: li2010}\n"
    )


PLAIN = _parse(
    f"  - {{id: none, regimen: none}}\n  - {{id: drug, regimen: {DOSE}}}\n",
    _row("A1", "none", "ampa_drive")
    + _row("A2", "drug", "ampa_drive")
    + _row("A3", "drug", "ketamine_venous", unit="ng/mL"),
)


def test_persons_do_not_depend_on_how_many_there_are() -> None:
    few, many = (simulate_experiment(PLAIN, per_draw=count) for count in (3, 6))
    for arm in ("none", "drug"):
        first, second = few.values(arm, "ampa_drive", "at", 1.0), many.values(arm, "ampa_drive", "at", 1.0)
        assert first.shape == (1, 3)
        np.testing.assert_array_equal(first, second[:, :3])
    other = simulate_experiment(PLAIN, per_draw=3, seed=2).values("drug", "ketamine_venous", "at", 1.0)
    assert not np.any(other == few.values("drug", "ketamine_venous", "at", 1.0))


def test_arms_have_persons_of_their_own_unless_it_is_a_crossover() -> None:
    twice = _parse(
        f"  - {{id: a, regimen: {DOSE}}}\n  - {{id: b, regimen: {DOSE}}}\n",
        _row("A1", "a + b", "ketamine_venous", unit="ng/mL"),
    )
    apart = simulate_experiment(twice, per_draw=8)
    together = simulate_experiment(twice.model_copy(update={"crossover": True}), per_draw=8)
    reading = ("ketamine_venous", "at", 1.0)
    assert not np.any(apart.values("a", *reading) == apart.values("b", *reading))
    np.testing.assert_array_equal(together.values("a", *reading), together.values("b", *reading))


def test_a_draw_at_its_centre_moves_nobody_and_another_one_does() -> None:
    typical = load_parameters()
    kinetic = [name for name, item in typical.items() if item.stage == "pharmacokinetics" and item.iiv > 0.0]
    names = tuple(kinetic[:3])
    centre = np.array([typical[name].value for name in names])
    draws = Draws(names, np.array([centre, 1.3 * centre]), centre)
    plain = simulate_experiment(PLAIN, per_draw=4)
    moved = simulate_experiment(PLAIN, draws=draws, per_draw=4, common=True)
    values = moved.values("drug", "ketamine_venous", "at", 1.0)
    np.testing.assert_array_equal(values[0], plain.values("drug", "ketamine_venous", "at", 1.0)[0])
    assert np.all(values[1] != values[0])
    apart = simulate_experiment(PLAIN, draws=draws.take([0, 0]), per_draw=4)
    twice = apart.values("drug", "ketamine_venous", "at", 1.0)
    assert np.all(twice[0] != twice[1])


def test_the_typical_person_is_that_of_the_simulator() -> None:
    typical = load_parameters()
    simulator = Simulator(build_chain())
    patient = simulator.healthy(typical)
    times = np.array([0.0, 2.0 / 3.0, 1.0])
    run = simulator.run(patient, parse_regimen(DOSE), times)
    found = simulate_experiment(PLAIN, per_draw=200).values("drug", "ketamine_venous", "at", 1.0)
    # The median person differs from the typical one by covariates only; 8 % leaves room for 200 persons.
    assert np.median(found) == pytest.approx(run.quantities["ketamine_venous"][2], rel=0.08)


def test_lasting_causes_are_part_of_the_rest_and_others_are_switched() -> None:
    experiment = _parse(
        "  - {id: plain, regimen: none}\n"
        "  - {id: mutant, regimen: none, causes: [bdnf_heterozygous]}\n"
        "  - {id: blocked, regimen: none, causes: [{cause: nbqx, from: '-0.5 h', to: 2 h}]}\n",
        "".join(
            _row(f"{arm}{time}", arm, name, f"measure: at, time: {time} h, statistic: mean")
            for arm in ("plain", "mutant", "blocked")
            for time, name in ((1, "bdnf"), (24, "bdnf"), (0, "ampa_drive"), (3, "ampa_drive"))
            if not (name == "bdnf" and arm == "blocked")
        ),
        more="species: mouse\ncrossover: true",
    )
    found = simulate_experiment(experiment, per_draw=6)
    assert not found.refused
    for arm in ("plain", "mutant"):
        rest = found.rest(arm, "bdnf")
        # Nothing is given: 1e-6 is the accuracy of the solver over a day.
        np.testing.assert_allclose(found.values(arm, "bdnf", "at", 24.0), rest, rtol=1e-6)
    # One gene is gone; animals make up for most of it.
    assert np.all(found.rest("mutant", "bdnf") < 0.95 * found.rest("plain", "bdnf"))
    # Before the block begins it is not seen; at time 0 it is on, and after 2 h no more.
    np.testing.assert_allclose(found.rest("blocked", "ampa_drive"), found.rest("plain", "ampa_drive"))
    rest = found.rest("blocked", "ampa_drive")
    assert np.all(found.values("blocked", "ampa_drive", "at", 0.0) < 0.5 * rest)
    assert np.all(found.values("blocked", "ampa_drive", "at", 3.0) > 0.5 * rest)


def test_of_two_causes_on_one_input_the_stronger_counts() -> None:
    experiment = _parse(
        "  - {id: both, regimen: none, causes: [{cause: nbqx, from: 0 h, to: 4 h, amount: 0.3},"
        " {cause: nbqx, from: 1 h, to: 2 h, amount: 0.8}]}\n",
        _row("A1", "both", "ampa_drive"),
    )
    plan = plan_arm(experiment, experiment.arm("both"), build_chain())
    values = [(time - plan.offset_h, value) for _, time, value in plan.steps]
    assert values == [(-1.0, 0.0), (0.0, 0.3), (1.0, 0.8), (2.0, 0.3), (4.0, 0.0)]
    assert plan.offset_h == 1.0  # an hour to see the rest
    assert plan.times_h[0] == 0.0


def test_what_an_arm_sets_is_neither_a_covariate_nor_a_draw() -> None:
    experiment = _parse(
        "  - {id: drug, regimen: 70 mg ketamine iv over 40 min, set: {weight: 55 kg}}\n",
        _row("A1", "drug", "ketamine_venous", unit="ng/mL"),
    )
    simulator = Simulator(build_chain())
    own, fixed = conduct.arm_parameters(experiment.arm("drug"), load_parameters())
    assert fixed == {"weight"}
    who = conduct.Who(1, *(np.arange(1, 4) for _ in range(2)), np.zeros(3, dtype=np.int64))
    draws = Draws(("weight",), np.array([[90.0]]))
    cohort = conduct.cohort_of(experiment, "healthy", who, own, fixed, draws, 2, simulator)
    assert own["weight"].value == 55.0
    assert "weight" not in cohort.varied


def test_parameter_causes_and_options_reach_the_parameters() -> None:
    experiment = _parse(
        "  - {id: met, regimen: none, causes: [met_met], options: {block_curve: gerhard2020}}\n",
        _row("A1", "met", "bdnf"),
    )
    own, fixed = conduct.arm_parameters(experiment.arm("met"), load_parameters())
    assert own["val66met_secretion"].value == 0.0
    assert fixed == {"val66met_secretion"}
    assert own["block_hill"].value == 0.6


def test_states_rest_where_they_should() -> None:
    rows = "".join(
        _row(f"{arm}1", arm, "severity", "measure: rest, statistic: mean", "points")
        for arm in ("well", "ill", "over")
    )
    experiment = _parse(
        "  - {id: well, regimen: none, state: healthy}\n  - {id: ill, regimen: none}\n"
        "  - {id: over, regimen: none, state: remitted}\n",
        rows,
        subjects="{state: depressed}",
    )
    found = simulate_experiment(experiment, per_draw=60)
    means = {arm: float(np.nanmean(found.rest(arm, "severity"))) for arm in ("well", "ill", "over")}
    # 60 persons with an SD of 5.5 points: the standard error is 0.7.
    assert means["ill"] == pytest.approx(33.0, abs=2.5)
    assert means["well"] < 4.0
    # 60 persons: the SD is known to 9 %, and the largest of them are cut.
    assert np.nanstd(found.rest("ill", "severity")) == pytest.approx(5.5, rel=0.35)


def test_animals_have_the_weight_of_the_file_and_no_human_covariates() -> None:
    experiment = _parse(
        "  - {id: drug, regimen: 10 mg/kg ketamine ip}\n",
        _row("A1", "drug", "ketamine_venous", unit="ng/mL"),
        subjects="{state: healthy, weight: {mean: 250, sd: 25, unit: g}}",
        more="species: rat",
    )
    simulator = Simulator(build_chain())
    rat = load_parameters("rat")
    numbers = np.arange(1, 401)
    who = conduct.Who(1, np.ones_like(numbers), numbers, np.zeros_like(numbers))
    cohort = conduct.cohort_of(experiment, "healthy", who, rat, (), None, 1, simulator)
    # 400 animals: the mean is known to 0.5 %, the SD to 4 %.
    assert cohort.varied["weight"].mean() == pytest.approx(0.25, rel=0.02)
    assert cohort.varied["weight"].std() == pytest.approx(0.025, rel=0.12)
    assert not {"age", "asian", "female"} & set(cohort.varied)
    assert not cohort.stress.any()


def test_human_values_move_those_of_animals_by_as_much() -> None:
    human, rat = load_parameters(), load_parameters("rat")
    name = "life_stress_size"
    changed = human.with_values({name: 2.0 * human[name].value})
    moved = conduct.species_parameters("rat", changed)
    assert moved[name].value == pytest.approx(2.0 * rat[name].value)
    assert conduct.species_parameters("human", changed) is changed
    assert conduct.species_parameters("rat") is rat


def test_people_without_rest_are_told_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = conduct.rest_of

    def some(*arguments: object, **options: object) -> Rested:
        found = plain(*arguments, **options)  # type: ignore[arg-type]
        return Rested(found.rows, found.states, {1: "no rest", 6: "none either"})

    monkeypatch.setattr(conduct, "rest_of", some)
    found = simulate_experiment(PLAIN, per_draw=5)
    assert found.refused == {("none", 0, 1): "no rest", ("drug", 0, 1): "none either"}
    values = found.values("drug", "ampa_drive", "at", 1.0)
    assert np.isnan(values).tolist() == [[False, True, False, False, False]]
    estimate = estimates(PLAIN.observations[1], found)
    assert estimate.value[0] == pytest.approx(np.nanmean(values))


def _readings(times: np.ndarray, values: np.ndarray, draws: int = 1) -> Readings:
    course = Course(times, {"madrs": values})
    return Readings({"a": course, "b": course}, draws, len(values) // draws, 0.0, {})


def test_measures_of_a_course_that_is_known() -> None:
    times = np.linspace(0.0, 10.0, 2001)
    values = np.stack([8.0 * np.exp(-0.3 * times), 2.0 * times * np.exp(-times / 2.0)])
    found = _readings(times, values)

    def of(*arguments: object) -> np.ndarray:
        return found.values("a", "madrs", *arguments)[0]  # type: ignore[arg-type]

    assert of("at", 5.0) == pytest.approx([8.0 * math.exp(-1.5), 10.0 * math.exp(-2.5)])
    assert found.rest("a", "madrs")[0].tolist() == [8.0, 0.0]
    assert of("peak", None, 10.0)[1] == pytest.approx(4.0 / math.e, rel=1e-5)
    assert of("peak_time", None, 10.0).tolist() == pytest.approx([0.0, 2.0], abs=0.006)
    assert of("peak_time", 1.0, 10.0)[1] == pytest.approx(1.0, abs=0.006)  # counted from `time`
    assert of("trough", 1.0, 3.0)[0] == pytest.approx(8.0 * math.exp(-0.9))
    # The trapezoidal rule on steps of 0.005 h is good to 1e-5.
    assert of("area", 4.0)[0] == pytest.approx(8.0 / 0.3 * (1.0 - math.exp(-1.2)), rel=1e-5)
    assert of("mean", 4.0)[0] == pytest.approx(2.0 / 0.3 * (1.0 - math.exp(-1.2)), rel=1e-5)
    assert of("area", 2.0, 4.0)[0] == pytest.approx(of("area", 4.0)[0] - of("area", 2.0)[0], rel=1e-9)
    assert of("half_life", 2.0, 8.0)[0] == pytest.approx(math.log(2.0) / 0.3, rel=1e-9)
    assert math.isnan(found.values("a", "madrs", "half_life", 0.5, 1.5)[0, 1])  # it rises there


def test_pooled_arms_stand_side_by_side_and_what_was_not_read_is_told() -> None:
    found = _readings(np.array([0.0, 1.0]), np.arange(8.0).reshape(4, 2), draws=2)
    assert found.values("a + b", "madrs", "at", 1.0).tolist() == [[1.0, 3.0, 1.0, 3.0], [5.0, 7.0, 5.0, 7.0]]
    with pytest.raises(StudyError, match="not read at 2 h"):
        found.values("a", "madrs", "at", 2.0)
    with pytest.raises(StudyError, match="unknown arm 'c'"):
        found.values("c", "madrs", "at", 1.0)
    with pytest.raises(StudyError, match="unknown quantity 'severity'"):
        found.values("a", "severity", "at", 1.0)


def _estimate(rest: str, unit: str = "points", **courses: list[list[float]]) -> float:
    arms = "".join(f"  - {{id: {name}, regimen: none}}\n" for name in courses)
    experiment = _parse(arms, _row("A1", "a", "madrs", rest, unit))
    times = np.array([0.0, 1.0])
    readings = Readings(
        {name: Course(times, {"madrs": np.array(rows)}) for name, rows in courses.items()},
        1,
        len(courses["a"]),
        0.0,
        {},
    )
    return float(estimates(experiment.observations[0], readings).value[0])


def test_statistics_by_hand() -> None:
    a = [[10.0, 6.0], [20.0, 8.0], [30.0, 10.0]]
    b = [[10.0, 10.0], [20.0, 18.0], [30.0, 20.0]]
    at = "measure: at, time: 1 h"
    assert _estimate(f"{at}, statistic: mean", a=a) == 8.0
    assert _estimate(f"{at}, statistic: change", a=a) == -12.0
    share = _estimate(f"{at}, statistic: relative_change", "ratio", a=a)
    assert share == pytest.approx(-(0.4 + 0.6 + 2 / 3) / 3)
    assert _estimate(f"{at}, statistic: difference, comparator: b", a=a, b=b) == -8.0
    assert _estimate(f"{at}, statistic: change_difference, comparator: b", a=a, b=b) == -8.0
    assert _estimate(f"{at}, statistic: ratio, comparator: b", "ratio", a=a, b=b) == 0.5
    assert _estimate(f"{at}, statistic: relative_difference, comparator: b", "ratio", a=a, b=b) == -0.5
    assert _estimate(f"{at}, statistic: sd", a=a) == 2.0
    assert _estimate(f"{at}, statistic: median, of: change", a=a) == -12.0
    # Variances 4 and 28: pooled SD 4; changes -4, -12, -20: mean -12, SD 8.
    assert _estimate(f"{at}, statistic: effect_size, comparator: b", "ratio", a=a, b=b) == -2.0
    assert _estimate(f"{at}, statistic: effect_size", "ratio", a=a) == -1.5
    with_rest = f"{at}, statistic: correlation, with_quantity: madrs, with_measure: rest"
    assert _estimate(with_rest, "ratio", a=a) == pytest.approx(1.0)
    assert _estimate(f"{with_rest}, of: change", "ratio", a=a) == pytest.approx(-1.0)


def test_shares_signs_and_what_is_retained() -> None:
    a, b = [[10.0, 6.0], [10.0, 8.0]], [[10.0, 10.0], [10.0, 12.0]]
    c, d = [[10.0, 10.0], [10.0, 10.0]], [[10.0, 20.0], [10.0, 20.0]]
    at = "measure: at, time: 1 h"

    def share(text: str, unit: str = "probability") -> float:
        return _estimate(f"{at}, statistic: {text}", unit, a=a, b=b, c=c, d=d)

    assert share("incidence, threshold: 7") == 0.5
    assert share("incidence, of: change, threshold: -5") == 1.0
    assert share("direction", "direction") == -3.0
    assert share("direction, comparator: b", "direction") == -4.0
    # 7 against 11, where 10 against 20 was to be seen: 40 % of the difference is left.
    retained = "retained, comparator: b, reference: c, reference_comparator: d"
    assert share(retained, "binary") == pytest.approx(0.4)


def test_numbers_that_cannot_be() -> None:
    with pytest.raises(StudyError, match="per_draw"):
        simulate_experiment(PLAIN, per_draw=0)
    chain = build_chain()
    experiment = _parse(
        "  - {id: drug, regimen: none, inputs: {rifampicin: 1 ratio}}\n", _row("A1", "drug", "bdnf")
    )
    inputs = {name: item for name, item in chain.inputs.items() if name != "rifampicin"}

    class Poorer:
        pass

    poorer = Poorer()
    poorer.inputs = inputs  # type: ignore[attr-defined]
    with pytest.raises(ModelError, match="rifampicin"):
        plan_arm(experiment, experiment.arm("drug"), poorer)  # type: ignore[arg-type]
