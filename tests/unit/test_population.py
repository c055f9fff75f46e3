"""People: who enters, what is hidden in the score at entry, and their exact form on disk."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.stats import truncnorm

from ketasim.errors import ModelError, StudyError
from ketasim.model.parameters import Correlation, load_parameters
from ketasim.population import (
    HARMS,
    Parent,
    People,
    PopulationSpec,
    Variability,
    draw_covariates,
    draw_occasions,
    draw_people,
    load_people,
    parent_normal,
    save_people,
    typical_people,
)
from ketasim.population.entry import refused_scores, share_inside

TAU = 372.0
MANY = 4000
SPEC = PopulationSpec(35.0, 5.18, entry_lower=28.0)
PAIR = (Correlation("volume", "clearance", 0.6, "otto2021", "derived"),)
SPREADS = {"volume": 0.3, "clearance": 0.2}


def drawn(spec: PopulationSpec = SPEC, n: int = MANY, **changes: Any) -> People:
    options: dict[str, Any] = {
        "variability": Variability({"clearance": 0.2}),
        "seed": 1,
        "study": "daly2018",
        "replicates": np.zeros(n, dtype=int),
        "subjects": np.arange(1, n + 1),
        "parents": [spec.parent()],
        "which": np.zeros(n, dtype=int),
        "days": 2,
        "stress_tau_h": TAU,
        "stress_sd_points": 5.5,
        "error_sd": 2.5,
        **changes,
    }
    return draw_people(spec, options.pop("variability"), **options)


@pytest.fixture(scope="module")
def crowd() -> People:
    return drawn()


@pytest.mark.parametrize(
    ("mean", "sd", "lower", "upper"),
    [(35.0, 5.18, 28, 60), (35.0, 4.22, 28, 60), (25.1, 8.3, 0, 60), (29.0, 0.5, 28, 60), (40, 2.5, 35, 45)],
)
def test_the_parent_shows_the_reported_mean_and_sd(
    mean: float, sd: float, lower: float, upper: float
) -> None:
    parent = parent_normal(mean, sd, lower, upper)
    a, b = (lower - parent.mean) / parent.sd, (upper - parent.mean) / parent.sd
    # SciPy's truncated normal is the reference; 1e-6 is the tolerance of the root search.
    assert truncnorm.mean(a, b, parent.mean, parent.sd) == pytest.approx(mean, abs=1e-6)
    assert truncnorm.std(a, b, parent.mean, parent.sd) == pytest.approx(sd, abs=1e-6)
    assert abs(parent.mean - mean) <= 1.5 * sd


def test_the_quantiles_are_those_of_the_truncated_normal() -> None:
    u = np.array([0.0, 1e-6, 0.2, 0.5, 0.9, 1.0])
    for mean in (20.0, 35.0):  # a cut-off above the parent mean, and one below
        parent = Parent(mean, 6.0, 28.0, 60.0, 0.0, 0.0)
        a, b = (28.0 - mean) / 6.0, (60.0 - mean) / 6.0
        assert parent.quantile(u) == pytest.approx(truncnorm.ppf(u, a, b, mean, 6.0), rel=1e-8)


def test_limits_that_contradict_the_reported_sd_are_moved_only_with_leave() -> None:
    # Daly 2018, 28 mg: with an excess of 3.3 above the limit, no normal distribution has an SD of 3.8.
    kept = parent_normal(31.3, 3.8, 28.0, 60.0)
    moved = parent_normal(31.3, 3.8, 28.0, 60.0, (0.0, 60.0))
    assert (kept.lower, kept.upper) == (28.0, 60.0)
    assert kept.shown_mean == pytest.approx(31.3, abs=1e-6)
    assert kept.shown_sd < 3.7
    assert 20.0 < moved.lower < 28.0
    assert (moved.shown_mean, moved.shown_sd) == pytest.approx((31.3, 3.8), abs=1e-6)


def test_an_sd_that_no_limit_allows_gives_the_nearest_one() -> None:
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
def test_an_impossible_baseline_is_refused(arguments: Sequence[float], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        parent_normal(*arguments)


def test_scores_have_the_reported_moments_after_the_cut(crowd: People) -> None:
    # Four standard errors: SD/sqrt(n) of a mean, SD/sqrt(2n) of an SD.
    assert crowd.baseline.mean() == pytest.approx(35.0, abs=4 * 5.18 / MANY**0.5)
    assert crowd.baseline.std() == pytest.approx(5.18, abs=4 * 5.18 / (2 * MANY) ** 0.5)
    assert crowd.baseline.min() >= 28.0


def test_each_person_has_the_baseline_of_his_arm() -> None:
    parents = [parent_normal(31.0, 4.0, 20.0, 60.0), parent_normal(40.0, 3.0, 20.0, 60.0)]
    which = np.arange(MANY) % 2
    people = drawn(parents=parents, which=which)
    for place, mean, sd in ((0, 31.0, 4.0), (1, 40.0, 3.0)):
        scores = people.baseline[which == place]
        assert scores.mean() == pytest.approx(mean, abs=4 * sd / (MANY / 2) ** 0.5)
        assert scores.std() == pytest.approx(sd, abs=4 * sd / MANY**0.5)


def test_the_score_at_entry_is_severity_and_error(crowd: People) -> None:
    assert crowd.severity_baseline + crowd.entry_error == pytest.approx(crowd.baseline, rel=1e-12)
    assert np.array_equal(crowd.stress[:, 0], crowd.entry_stress)
    assert crowd.severity_baseline.min() > 0.0
    assert crowd.severity_baseline.max() < 60.0


def test_people_let_in_above_a_cut_off_get_better_by_themselves(crowd: People) -> None:
    parent = SPEC.parent()
    # A normal variable's expected part of the excess above its mean is its share of the variance.
    above = 35.0 - parent.mean
    error, stress = crowd.entry_error, crowd.entry_stress
    assert error.mean() == pytest.approx(2.5**2 / parent.sd**2 * above, abs=4 * 2.5 / MANY**0.5)
    assert stress.mean() == pytest.approx(5.5 / parent.sd**2 * above, abs=4 / MANY**0.5)
    assert error.mean() > 0.3
    assert 5.5 * stress.mean() > 1.0


def test_error_and_stress_follow_from_the_score_as_in_a_joint_normal_distribution() -> None:
    # Unlimited entry on a scale that is wide against the spread: all three parts are normal.
    people = drawn(PopulationSpec(30.0, 6.0), 20_000)
    points = min(5.5, 0.8 * 6.0)
    error = min(2.5**2, 0.9 * (36.0 - points**2)) ** 0.5
    expected = {"stress": points / 6.0, "error": error / 6.0}
    # Standard error of a correlation: at most 1/sqrt(n).
    assert np.corrcoef(people.entry_stress, people.baseline)[0, 1] == pytest.approx(
        expected["stress"], abs=4 / 20_000**0.5
    )
    assert np.corrcoef(people.entry_error, people.baseline)[0, 1] == pytest.approx(
        expected["error"], abs=4 / 20_000**0.5
    )
    assert np.corrcoef(people.entry_error, people.entry_stress)[0, 1] == pytest.approx(
        0.0, abs=4 / 20_000**0.5
    )


def test_without_a_cut_off_nobody_gets_better_by_himself() -> None:
    people = drawn(PopulationSpec(30.0, 6.0))
    assert people.entry_error.mean() == pytest.approx(0.0, abs=4 * 2.5 / MANY**0.5)
    assert people.entry_stress.mean() == pytest.approx(0.0, abs=4 / MANY**0.5)
    # Stress, error and trait make up the whole spread: its variance at entry is that of the score.
    assert people.entry_error.std() == pytest.approx(2.5, rel=4 / (2 * MANY) ** 0.5)
    assert people.entry_stress.std() == pytest.approx(1.0, rel=4 / (2 * MANY) ** 0.5)
    assert people.severity_baseline.var() == pytest.approx(36.0 - 6.25, rel=4 * (2 / MANY) ** 0.5)


def test_a_narrow_baseline_still_leaves_room_for_a_trait() -> None:
    people = drawn(PopulationSpec(30.0, 1.5), 500, stress_sd_points=20.0)
    assert people.severity_baseline.std() < 1.5
    assert people.entry_error.std() < 1.5


def test_the_ends_of_the_scale_are_kept_free() -> None:
    people = drawn(PopulationSpec(2.0, 1.4), 500)
    assert people.severity_baseline.min() >= 0.5
    assert people.baseline.min() >= 0.0
    assert people.severity_baseline + people.entry_error == pytest.approx(people.baseline)


def test_refused_scores_are_counted_as_often_as_the_parent_says(crowd: People) -> None:
    share = share_inside(SPEC.parent(), 60.0)
    assert 0.5 < share < 0.95
    refused = crowd.screen_failures["madrs >= 28"]
    # Geometric: mean (1-p)/p, SD sqrt(1-p)/p.
    assert refused.mean() == pytest.approx(
        (1 - share) / share, abs=4 * (1 - share) ** 0.5 / share / MANY**0.5
    )
    assert np.mean(refused == 0) == pytest.approx(share, abs=4 * (share * (1 - share) / MANY) ** 0.5)
    assert np.array_equal(crowd.screened, 1 + refused)
    assert drawn(PopulationSpec(30.0, 6.0), 5).screen_failures == {}


def test_more_candidates_with_a_score_in_range_bring_more_refusals() -> None:
    u = np.random.default_rng(1).random(20_000)
    shares = np.full(20_000, 0.4)
    one, five = (refused_scores(shares, np.full(20_000, k), u) for k in (1, 5))
    # Negative binomial: mean k(1-p)/p, variance k(1-p)/p^2.
    assert one.mean() == pytest.approx(1.5, abs=4 * (0.6 / 0.16 / 20_000) ** 0.5)
    assert five.mean() == pytest.approx(7.5, abs=4 * (5 * 0.6 / 0.16 / 20_000) ** 0.5)
    assert refused_scores(np.ones(3), np.ones(3, dtype=int), u[:3]).tolist() == [0, 0, 0]


def test_stress_is_stationary_and_forgets_with_its_time_constant() -> None:
    people = drawn(PopulationSpec(30.0, 8.0), days=70)
    assert people.stress.std(axis=0) == pytest.approx(np.ones(70), abs=4.5 / (2 * MANY) ** 0.5)
    for first, lag in ((0, 1), (0, 15), (0, 30), (20, 40)):
        found = np.corrcoef(people.stress[:, first], people.stress[:, first + lag])[0, 1]
        assert found == pytest.approx(np.exp(-24.0 * lag / TAU), abs=4 / MANY**0.5)


def test_deviations_have_the_spread_and_go_together() -> None:
    people = drawn(variability=Variability(SPREADS, PAIR))
    logs = np.array([people.deviations[name] for name in SPREADS])
    # Four standard errors: (1 - r^2)/sqrt(n) of a correlation, SD/sqrt(2n) of an SD.
    assert np.corrcoef(logs)[0, 1] == pytest.approx(0.6, abs=4 * 0.64 / MANY**0.5)
    assert logs.std(axis=1) == pytest.approx([0.3, 0.2], rel=4 / (2 * MANY) ** 0.5)
    assert logs.mean(axis=1) == pytest.approx([0.0, 0.0], abs=4 * 0.3 / MANY**0.5)


def test_frailty_is_standard_normal_and_of_each_harm_its_own(crowd: People) -> None:
    assert tuple(crowd.frailty) == HARMS
    table = np.array(list(crowd.frailty.values()))
    assert table.mean(axis=1) == pytest.approx(np.zeros(len(HARMS)), abs=4 / MANY**0.5)
    assert table.std(axis=1) == pytest.approx(np.ones(len(HARMS)), abs=4 / (2 * MANY) ** 0.5)
    off = np.corrcoef(table) - np.eye(len(HARMS))
    assert np.abs(off).max() < 4 / MANY**0.5


def test_another_parameter_or_a_longer_run_leaves_a_person_as_he_was() -> None:
    plain = drawn(n=40, variability=Variability(SPREADS, PAIR))
    wider = Variability({"new": 0.4, **SPREADS}, PAIR)
    more = drawn(n=40, variability=wider, days=80)
    assert all(np.array_equal(more.deviations[name], plain.deviations[name]) for name in SPREADS)
    assert np.array_equal(more.stress[:, :2], plain.stress)
    assert np.array_equal(more.baseline, plain.baseline)


def test_covariates_drawn_before_are_taken_over() -> None:
    who: dict[str, Any] = {"replicates": np.zeros(30, dtype=int), "subjects": np.arange(1, 31)}
    columns = draw_covariates(SPEC, seed=1, study="daly2018", **who)
    again = drawn(n=30, covariates=columns)
    first = drawn(n=30)
    assert all(np.array_equal(again.covariates[name], first.covariates[name]) for name in first.covariates)
    assert np.array_equal(again.baseline, first.baseline)
    assert np.array_equal(again.screened, first.screened)


def test_correlations_that_cannot_be_are_refused_when_people_are_drawn() -> None:
    pairs = [("a", "b", 0.9), ("b", "c", 0.9), ("a", "c", -0.9)]
    impossible = Variability(
        dict.fromkeys("abc", 0.1), tuple(Correlation(*pair, "key", "derived") for pair in pairs)
    )
    with pytest.raises(ModelError, match="not positive definite"):
        drawn(n=1, variability=impossible)


def test_doses_of_one_person_differ_as_much_as_asked_and_not_in_common() -> None:
    who: dict[str, Any] = {
        "seed": 1,
        "study": "s",
        "replicates": np.zeros(1000, int),
        "subjects": np.arange(1, 1001),
    }
    found = draw_occasions({"share": 0.25, "length": 0.4}, 40, **who)
    share, length = found["share"], found["length"]
    assert share.shape == (1000, 40)
    # Four standard errors at 40,000 deviations.
    assert share.std() == pytest.approx(0.25, rel=4 / 80_000**0.5)
    assert length.std() == pytest.approx(0.4, rel=4 / 80_000**0.5)
    assert np.corrcoef(share.ravel(), length.ravel())[0, 1] == pytest.approx(0.0, abs=4 / 40_000**0.5)
    # Doses on both sides of the end of a block of 32 are as independent as others: 1,000 pairs.
    for first, second in ((0, 1), (31, 32)):
        assert np.corrcoef(share[:, first], share[:, second])[0, 1] == pytest.approx(0.0, abs=4 / 1000**0.5)
    shorter = draw_occasions({"share": 0.25}, 3, **who)["share"]
    assert np.array_equal(share[:, :3], shorter)
    assert draw_occasions({"share": 0.25}, 0, **who)["share"].shape == (1000, 0)


def test_the_variability_of_the_tables_is_taken_whole() -> None:
    table = load_parameters()
    found = Variability.of(table)
    assert found.correlations == table.correlations
    assert found.people["volume_central"] == table["volume_central"].iiv
    assert set(found.occasions) == {name for name, item in table.items() if item.iov > 0.0}
    assert min(found.people.values()) > 0.0


def test_typical_people_have_no_deviation() -> None:
    parents = [SPEC.parent(), parent_normal(40.0, 5.0, 20.0, 60.0)]
    people = typical_people(SPEC, 3, parents, [0, 1, 0], 7)
    assert people.baseline == pytest.approx([35.0, 40.0, 35.0], abs=1e-6)
    assert np.array_equal(people.severity_baseline, people.baseline)
    assert not people.deviations
    for zero in (people.stress, people.entry_error, people.entry_stress, *people.frailty.values()):
        assert not np.any(zero)
    assert people.stress.shape == (3, 7)
    one = {name: values[0] for name, values in people.covariates.items()}
    assert (one["weight"], one["age"], one["female"]) == (82.0, 46.7, 1.0)
    assert (one["ancestry_white"], one["ancestry_asian"], one["cyp2b6_6"]) == (1.0, 0.0, 0.0)
    # The median of C-reactive protein, far below its mean.
    assert 1.0 < one["crp"] < 1.6


def same(first: People, second: People) -> None:
    """Refuse people who differ in one bit."""
    for name in ("replicate", "subject", "baseline", "entry_stress", "entry_error", "severity_baseline"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes(), name
    assert first.stress.tobytes() == second.stress.tobytes()
    assert first.screened.tobytes() == second.screened.tobytes()
    for group in ("covariates", "deviations", "frailty", "screen_failures"):
        mine, other = getattr(first, group), getattr(second, group)
        assert list(mine) == list(other), group
        for name in mine:
            assert mine[name].tobytes() == other[name].tobytes(), (group, name)
            assert mine[name].dtype == other[name].dtype, (group, name)


def test_people_are_saved_and_loaded_bit_for_bit(tmp_path: Path) -> None:
    people = drawn(n=50, days=30, variability=Variability(SPREADS, PAIR))
    people.stress[3, 4] = np.nextafter(0.0, 1.0)  # the smallest number that there is
    people.stress[4, 5] = -0.0
    save_people(people, tmp_path / "new" / "people.parquet")
    same(load_people(tmp_path / "new" / "people.parquet"), people)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["people.parquet"]
    same(People.from_table(people.to_table()), people)
    same(People.from_table(people.part(slice(0, 0)).to_table()), people.part(slice(0, 0)))
    same(pickle.loads(pickle.dumps(people)), people)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such file"):
        load_people(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("subject\n1\n")
    with pytest.raises(StudyError, match="cannot be read as Parquet"):
        load_people(tmp_path / "text.parquet")
    pq.write_table(pa.table({"subject": [1, 2]}), tmp_path / "other.parquet")
    with pytest.raises(
        StudyError, match=r"other\.parquet: people: this table was not written by save_people"
    ):
        load_people(tmp_path / "other.parquet")


def test_some_people_can_be_taken_out(crowd: People) -> None:
    few = crowd.part(np.array([5, 2]))
    assert few.subject.tolist() == [6, 3]
    assert few.covariates["weight"].tolist() == crowd.covariates["weight"][[5, 2]].tolist()
    assert few.stress.tolist() == crowd.stress[[5, 2]].tolist()
    women = crowd.part(crowd.covariates["female"] > 0.5)
    assert 0 < len(women) < len(crowd)
    assert women.frailty["nausea"].shape == (len(women),)


def test_errors_at_drawing_name_the_field() -> None:
    with pytest.raises(StudyError, match=r"population: baseline: mean 27.0 does not lie between"):
        drawn(PopulationSpec(27.0, 5.0, entry_lower=28.0), 1)
    with pytest.raises(StudyError, match=r"variability of 'clearance': -0\.2"):
        drawn(n=1, variability=Variability({"clearance": -0.2}))
    with pytest.raises(StudyError, match=r"variability of 'share': -0\.1"):
        Variability({}, (), {"share": -0.1})
    with pytest.raises(StudyError, match="days: 0 is too few"):
        drawn(n=1, days=0)
    with pytest.raises(StudyError, match="time constant"):
        drawn(n=1, stress_tau_h=0.0)
    with pytest.raises(StudyError, match="'error_sd'"):
        drawn(n=1, error_sd=-1.0)
    with pytest.raises(StudyError, match="days: 0 is too few"):
        typical_people(SPEC, 1, [SPEC.parent()], [0], 0)
    with pytest.raises(StudyError, match="name one of 1 parents for each of 2 people"):
        typical_people(SPEC, 2, [SPEC.parent()], [0, 1], 1)
    with pytest.raises(ModelError, match="1 replicates and 2 subjects"):
        drawn(n=2, replicates=[0])
    with pytest.raises(StudyError, match="n_occasions -1 is negative"):
        draw_occasions({"share": 0.1}, -1, seed=1, study="s", replicates=[0], subjects=[1])
    people = drawn(n=2)
    with pytest.raises(StudyError, match="people: baseline has 1 values and there are 2 people"):
        People(**{**vars(people), "baseline": people.baseline[:1]})


def test_nobody_is_a_valid_number_of_people() -> None:
    nobody = drawn(n=0)
    assert (len(nobody), nobody.stress.shape) == (0, (0, 2))
