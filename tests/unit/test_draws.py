"""Draws of typical values: how they move persons, and what a trial makes of them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from ketasim.errors import ModelError, StudyError
from ketasim.model.chain import build_chain
from ketasim.model.parameters import Parameter, ParameterSet, load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population.draws import Draws, load_posterior, read_draws
from ketasim.trials.conduct.enrolment import Enrolled, enrol
from ketasim.trials.conduct.march import Conducted, conduct
from ketasim.trials.conduct.trial import Trial
from ketasim.trials.scoring import ScoringParameters, believed, error_sd, relief
from ketasim.trials.scoring.drawn import PersonScoring
from ketasim.trials.scoring.parameters import Setting
from ketasim.trials.study import Study

#: A few units in the last place: sums and products are taken in another order.
EXACT = 1e-12
BIOLOGY, SCORING = "fast_arm_ceiling", "placebo_acute"


def item(distribution: str, value: float = 0.4) -> Parameter:
    return Parameter("x", "s", value, "ratio", 0.1, 0.9, distribution, 0.0, "", "assumed", "assumed", "")


def drawn(*values: float, name: str = "x", centre: float | None = None) -> Draws:
    centres = None if centre is None else np.array([centre])
    return Draws((name,), np.array(values)[:, None], centres)


FIRST = np.array([0, 0])


def test_a_draw_is_a_factor_on_a_value_and_on_the_odds_of_a_share_and_else_a_sum() -> None:
    person = np.array([0.4, 0.5])
    moved = drawn(0.6).shifted(item("lognormal"), person, FIRST)
    assert moved == pytest.approx([0.6, 0.75], rel=EXACT)
    # Odds 2/3 become 3/2: a factor of 9/4 on everybody's odds.
    moved = drawn(0.6).shifted(item("logitnormal"), person, FIRST)
    assert moved == pytest.approx([0.6, 2.25 / 3.25], rel=EXACT)
    moved = drawn(0.6).shifted(item("normal"), person, FIRST)
    assert moved == pytest.approx([0.6, 0.7], rel=EXACT)


def test_a_draw_that_is_the_table_changes_no_bit() -> None:
    person = np.array([0.1, 0.3, 1.0 / 3.0, 0.7])
    for distribution in ("lognormal", "logitnormal", "normal"):
        moved = drawn(0.4).shifted(item(distribution), person, np.zeros(4, dtype=np.int64))
        assert np.array_equal(moved, person)


def test_from_nothing_there_is_no_factor() -> None:
    moved = drawn(0.2).shifted(item("lognormal", 0.0), np.zeros(2), FIRST)
    assert moved == pytest.approx([0.2, 0.2], rel=EXACT)


def test_with_centres_another_table_moves_by_as_much() -> None:
    draws = drawn(0.6, centre=0.3)
    rat = item("lognormal", 0.4)
    assert draws.shifted(rat, np.array([0.4, 0.5]), FIRST) == pytest.approx([0.8, 1.0], rel=EXACT)
    # The very table gets the draw's own number.
    assert draws.shifted(item("lognormal", 0.3), 0.3, FIRST).tolist() == [0.6, 0.6]


def test_sets_become_draws_and_come_back() -> None:
    parameters = load_parameters()
    sets = [parameters.with_values({BIOLOGY: value, SCORING: 5.0}) for value in (0.5, 0.7)]
    draws = Draws.of(parameters, sets)
    assert set(draws.names) == {BIOLOGY, SCORING}
    assert len(draws) == 2
    for own, back in zip(sets, draws.sets(parameters), strict=True):
        assert back.changed == own.changed
    assert draws.take([1]).sets(parameters)[0][BIOLOGY].value == 0.7
    assert draws.only([SCORING, "unknown"]).names == (SCORING,)


def test_a_file_gives_back_the_draws(tmp_path: Path) -> None:
    parameters = load_parameters()
    draws = Draws.of(parameters, [parameters.with_values({BIOLOGY: value}) for value in (0.5, 0.625)])
    draws.write(tmp_path / "draws.csv")
    back = read_draws(tmp_path / "draws.csv")
    assert back.names == draws.names
    assert np.array_equal(back.values, draws.values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("number,fast_arm_ceiling\n1,2\n", "line 1: the first column must be 'draw'"),
        ("draw,fast_arm_cieling\n1,2\n", "line 1: .*fast_arm_ceiling"),
        ("draw,fast_arm_ceiling\n1,two\n", "line 2: fast_arm_ceiling: 'two' is not a number"),
        ("draw,fast_arm_ceiling\n1\n", "line 2: 1 fields"),
        ("draw,fast_arm_ceiling\n1,nan\n", "fast_arm_ceiling: the value of draw 1 is nan"),
        ("draw,fast_arm_ceiling\n", "no draw"),
    ],
)
def test_a_wrong_file_says_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "d.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=message):
        read_draws(tmp_path / "d.csv")


def test_draws_must_fit_their_names() -> None:
    with pytest.raises(ModelError, match="shape"):
        Draws(("a", "b"), np.ones((3, 1)))
    with pytest.raises(ModelError, match="twice"):
        Draws(("a", "a"), np.ones((3, 2)))
    with pytest.raises(ModelError, match="parameter"):
        drawn(1.0).shifted(load_parameters()[BIOLOGY], 1.0, FIRST)


def test_the_shipped_posterior_fits_the_tables() -> None:
    draws, parameters = load_posterior(), load_parameters()
    assert len(draws) >= 200
    inside = [
        parameters[name].low * (1 - 1e-6) <= value <= parameters[name].high * (1 + 1e-6)
        for name, column in zip(draws.names, draws.values.T, strict=True)
        for value in column
    ]
    # Eight digits are written, so that a bound may be passed by its last one.
    assert all(inside)


# ---- the scoring layer -----------------------------------------------------------------------------------


def numbers(**values: float) -> ScoringParameters:
    return ScoringParameters.from_table(load_parameters().with_values(values))


def test_persons_of_different_draws_are_scored_as_alone() -> None:
    sets = [
        numbers(),
        numbers(
            placebo_acute=6.0, placebo_acute_rise=1.0, placebo_slow_rise=100.0, belief_felt_weight=0.5,
            rater_error=1.5,
        ),
    ]  # fmt: skip
    which = np.array([1, 0, 1])
    together = PersonScoring(sets, which)
    persons = np.array([0, 1, 2])
    setting = Setting(0.5, inpatient=1.0)
    strongest, hope = np.array([0.2, 0.4, 0.6]), np.array([1.0, 0.5, 2.0])
    belief = believed(strongest, True, setting, together.of(persons))
    found = relief([30.0], [0.0, 24.0], belief[:, None], setting, together.of(persons), hope).total[:, 0]
    for i, own in enumerate(which.tolist()):
        alone = believed(strongest[i], True, setting, sets[own])
        assert belief[i] == alone
        total = relief([30.0], [0.0, 24.0], [alone], setting, sets[own], hope[i]).total[0]
        assert found[i] == pytest.approx(total, rel=EXACT)
    assert np.array_equal(
        together.error_sd("madrs", persons), [error_sd(sets[own], "madrs") for own in which.tolist()]
    )


def test_a_single_set_stays_plain_numbers() -> None:
    plain = numbers()
    assert PersonScoring((plain,), np.zeros(3, dtype=np.int64)).of(np.array([0, 2])) is plain


# ---- a trial ---------------------------------------------------------------------------------------------


@cache
def simulator() -> Simulator:
    return Simulator(build_chain())


@cache
def study() -> Study:
    return Study.load("daly2018")


def trial(parameters: ParameterSet | None = None, **options: object) -> Trial:
    defaults = {"seed": 3, "subjects": 2, "end_h": 24.0, "with_twin": False, "keep": "scores"}
    return Trial(study(), simulator(), parameters or load_parameters(), **defaults | options)


def enrolled(own: Trial, replicates: list[int], each: int = 8) -> Enrolled:
    place = np.repeat(np.array(replicates), each)
    return enrol(own, place, np.tile(np.arange(1, each + 1), len(replicates)))


def conducted(own: Trial, replicates: list[int], each: int = 8) -> Conducted:
    place = np.repeat(np.array(replicates), each)
    return conduct(own, place, np.tile(np.arange(1, each + 1), len(replicates)))


@cache
def two_draws() -> Draws:
    parameters = load_parameters()
    typical = parameters[BIOLOGY].value, parameters[SCORING].value
    sets = [
        parameters.with_values({BIOLOGY: typical[0] * factor, SCORING: typical[1] * factor})
        for factor in (0.9, 1.1)
    ]
    return Draws.of(parameters, sets)


def test_each_replicate_is_the_trial_with_its_draw() -> None:
    parameters, draws = load_parameters(), two_draws()
    together = conducted(trial(draws=draws, between_study=True), [0, 1, 2])
    for replicate, own in ((0, 0), (1, 1), (2, 0)):
        alone = conducted(trial(draws.sets(parameters)[own], between_study=True), [replicate])
        here = together.enrolled.replicate == replicate
        # The same persons; a resting state is looked for from the typical patient, who is another here.
        assert together.scores["madrs"][here] == pytest.approx(alone.scores["madrs"], abs=1e-3)
        assert np.array_equal(together.enrolled.hope[here], alone.enrolled.hope)


def test_a_draw_that_is_the_table_is_the_trial_without_draws() -> None:
    parameters = load_parameters()
    names = (BIOLOGY, SCORING)
    table = Draws(names, np.array([[parameters[name].value for name in names]]))
    plain, same = conducted(trial(), [0, 1]), conducted(trial(draws=table), [0, 1])
    assert np.array_equal(plain.scores["madrs"], same.scores["madrs"], equal_nan=True)


def test_persons_do_not_depend_on_their_neighbours() -> None:
    own = trial(draws=two_draws(), between_study=True)
    together, alone = conducted(own, [0, 1]), conducted(own, [1])
    here = together.enrolled.replicate == 1
    assert np.array_equal(together.scores["madrs"][here], alone.scores["madrs"])


def test_with_common_numbers_replicates_differ_by_their_draws_alone() -> None:
    own = enrolled(trial(draws=two_draws(), common=True, between_study=True), [0, 1, 2])
    first, second, third = (own.replicate == number for number in range(3))
    for column in (own.people.baseline, own.hope, own.cohort.varied["weight"], own.arm):
        assert np.array_equal(column[first], column[second])
    assert np.array_equal(own.cohort.varied[BIOLOGY][first], own.cohort.varied[BIOLOGY][third])
    ratio = own.cohort.varied[BIOLOGY][second] / own.cohort.varied[BIOLOGY][first]
    assert ratio == pytest.approx(11.0 / 9.0, rel=EXACT)


def test_numbers_of_the_entry_are_those_of_the_draw() -> None:
    parameters = load_parameters()
    values = np.array([[1.0, 1.0], [3.0, 3.0]])
    draws = Draws(("rater_error", "life_stress_points"), values)
    together = enrolled(trial(draws=draws), [0, 1, 2])
    for replicate, own in ((0, 0), (1, 1), (2, 0)):
        named = dict(zip(draws.names, values[own].tolist(), strict=True))
        alone = enrolled(trial(parameters.with_values(named)), [replicate])
        here = together.replicate == replicate
        assert np.array_equal(together.people.entry_error[here], alone.people.entry_error)
        assert np.array_equal(together.people.stress[here], alone.people.stress)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(StudyError, match="visit_gap"):
        trial(draws=Draws(("visit_gap",), np.array([[3.0]])))
    with pytest.raises(StudyError, match="fast_arm_ceiling"):
        trial(draws=Draws(("fast_arm_cieling",), np.array([[3.0]])))


def test_persons_without_a_rest_are_reported_and_left_out() -> None:
    top = load_parameters()["severity_maximum"].value
    # On a scale that ends at 10 points nobody can be as ill as these people are.
    own = trial(draws=Draws(("severity_maximum",), np.array([[top], [10.0]])))
    found = conducted(own, [0, 1])
    here = found.enrolled.replicate == 0
    assert np.isfinite(found.scores["madrs"][here]).all()
    assert np.isnan(found.scores["madrs"][~here]).all()
    assert all(reason.startswith("not simulated") for reason in found.progress.reason[~here])
