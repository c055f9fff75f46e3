"""Power from whole simulated trials: against theory, nested sizes, and what is made of the numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ketasim.api import power as power_module
from ketasim.api.power import study_power
from ketasim.design.curve import needed_sizes, power_curve, wilson
from ketasim.design.nested import Simulated, analyse_sizes, kept_by_size
from ketasim.design.planned import choose_analysis, favourable, wanted
from ketasim.design.runs import Curve, Done, Question, Task, run_tasks, tasks_of
from ketasim.design.sizes import arm_words, split_sizes
from ketasim.design.usable import usable_rows
from ketasim.design.what_if import changed
from ketasim.errors import ModelError, SolverError, StudyError
from ketasim.model.parameters import load_parameters
from ketasim.trials import Study
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.outcomes import Outcomes
from ketasim.trials.study.template import new_study_text

REPLICATES = 1200
SIZES = (20, 40, 60, 100)
SD = 8.0


@pytest.fixture(scope="module")
def study() -> Study:
    """Two arms of equal size, randomised in blocks."""
    return changed(
        Study.load("murrough2013"),
        {
            "arms.ketamine.n": "20",
            "arms.midazolam.n": "20",
            "randomisation": "{block: 4}",
            "analyses": "[{id: primary, method: change, quantity: madrs, time: 24 h, arm: ketamine, "
            "comparator: midazolam}]",
        },
    )


def normal_scores(effect: float, replicates: int, total: int, seed: int) -> Simulated:
    """Whole trials whose changes are normal: independent of entry, so that theory holds exactly."""
    rng = np.random.default_rng(seed)
    replicate = np.repeat(np.arange(replicates), total)
    subject = np.tile(np.arange(1, total + 1), replicates)
    treated = np.tile(np.arange(total) % 2 == 0, replicates)
    entry = rng.normal(32.0, 3.0, len(subject))
    after = entry + rng.normal(0.0, SD, len(subject)) - effect * treated
    arm = np.where(treated, "ketamine", "midazolam")
    common: dict[str, Any] = {"replicate": replicate, "subject": subject, "arm": arm}
    patients = pd.DataFrame({**common, "status": "completed", "stratum": "", "baseline": entry})
    rows = {"study": "s", "quantity": "madrs", "statistic": "score", "unit": "points", "reason": ""}
    frames = [
        pd.DataFrame({**common, **rows, "time_h": time, "value": value})
        for time, value in ((0.0, entry), (24.0, after))
    ]
    events = pd.DataFrame({"replicate": [], "subject": [], "kind": [], "time_h": []})
    return Simulated(Outcomes.of_frame(pd.concat(frames, ignore_index=True)), patients, events)


def replicates_of(study: Study, effect: float, seed: int = 5) -> pd.DataFrame:
    simulated = normal_scores(effect, REPLICATES, SIZES[-1], seed)
    planned = choose_analysis(study)
    rows = analyse_sizes(
        simulated, planned, split_sizes(study, SIZES), analyse, seed=1, direction=wanted(planned.analysis)
    )
    rows.insert(0, "set", 0)
    rows.insert(0, "label", "as planned")
    return rows


def t_power(effect: float, total: int) -> float:
    """Chance that a two-sided t test at 5 % rejects in the right direction."""
    df, shift = total - 2, effect / SD * np.sqrt(total / 4.0)
    return float(stats.nct.sf(stats.t.ppf(0.975, df), df, shift))


def test_power_of_normal_scores_is_that_of_theory(study: Study) -> None:
    rows = replicates_of(study, 6.0)
    table = power_curve(rows, arm_words(study, split_sizes(study, SIZES)))
    for row in table.to_dict("records"):
        exact = t_power(6.0, row["n_total"])
        error = np.sqrt(exact * (1.0 - exact) / REPLICATES)
        # Three and a half standard errors: one run in 500 of four sizes would miss by chance; seed fixed.
        assert abs(row["power"] - exact) < 3.5 * error
        assert row["low"] < row["power"] < row["high"]
        assert row["estimate_mean"] == pytest.approx(
            -6.0, abs=3.5 * SD * 2 / np.sqrt(row["n_total"] * REPLICATES)
        )
        assert row["estimate_sd"] == pytest.approx(2 * SD / np.sqrt(row["n_total"]), rel=0.08)
    for item in needed_sizes(rows):
        exact_n = next(n for n in range(20, 200) if t_power(6.0, n) >= item.target)
        assert item.low is not None
        assert item.high is not None
        assert item.n is not None
        # The line is exact for a normal test; from 20 patients on a t test differs from it by about one.
        assert item.low - 1 <= exact_n <= item.high + 1
        assert item.low < item.n < item.high
        assert item.note == ""


def test_without_an_effect_five_in_a_hundred_reject_half_of_them_in_the_wanted_direction(
    study: Study,
) -> None:
    table = power_curve(replicates_of(study, 0.0), {})
    error = np.sqrt(0.05 * 0.95 / REPLICATES)
    for row in table.to_dict("records"):
        assert abs(row["rejected"] - 0.05) < 3.5 * error
        assert abs(row["power"] - 0.025) < 3.5 * np.sqrt(0.025 * 0.975 / REPLICATES)


def test_an_effect_in_the_wrong_direction_is_no_success(study: Study) -> None:
    rows = replicates_of(study, -20.0)
    assert rows["rejected"].mean() > 0.99
    assert not rows["success"].any()


def question(study: Study, totals: Sequence[int], replicates: int = 2, seed: int = 4) -> Question:
    planned = choose_analysis(study)
    curve = Curve("as planned", planned, [load_parameters()], "lower")
    return Question([curve], split_sizes(study, totals), replicates, seed=seed)


def test_smaller_size_of_a_blocked_trial_is_a_fresh_run_of_that_size(study: Study) -> None:
    # A seed whose people all have a stable rest: about one in fifty has none, and would be missing below.
    (nested,) = run_tasks(question(study, (8, 14), seed=5), 1)
    (fresh,) = run_tasks(question(study, (8,), seed=5), 1)
    small = nested.rows[nested.rows["n_total"] == 8].reset_index(drop=True)
    assert len(small) == 2
    numbers = ["estimate", "se", "p"]
    # The same patients; only sums may be rounded in another order.
    np.testing.assert_allclose(small[numbers], fresh.rows[numbers], rtol=1e-12)
    assert (small["n"] == 4).all()
    # Fourteen end amid a block of four: sixteen are simulated, and the last two left out.
    large = nested.rows[nested.rows["n_total"] == 14]
    assert (large["n"] + large["n_comparator"] == 14).all()


def test_first_patients_of_each_arm_without_blocks(study: Study) -> None:
    loose = study.model_copy(update={"randomisation": None})
    arms = ["a", "b", "b", "b", "a", "a", "a", "b"]
    patients = pd.DataFrame(
        {
            "replicate": [1] * 8 + [0] * 8,
            "subject": [*range(8, 0, -1), *range(1, 9)],
            "arm": arms[::-1] + arms,
        }
    )
    kept = patients[kept_by_size(loose, patients, {"a": 2, "b": 1})]
    # The first two of a and the first of b, by number and not by row.
    assert kept[kept["replicate"] == 0]["subject"].tolist() == [1, 2, 5]
    assert sorted(kept[kept["replicate"] == 1]["subject"]) == [1, 2, 5]
    blocked = patients[kept_by_size(study, patients, {"a": 2, "b": 1})]
    assert sorted(blocked[blocked["replicate"] == 1]["subject"]) == [1, 2, 3]


def test_tasks_cover_all_trials_once_and_curves_take_turns(study: Study) -> None:
    asked = question(study, (60,), replicates=103)
    curves = [
        asked.curves[0],
        Curve("other", asked.curves[0].planned, asked.curves[0].parameters * 1, "lower"),
    ]
    tasks = tasks_of(Question(curves, asked.sizes, 103), 2048)
    for curve in (0, 1):
        places = [
            place
            for task in tasks
            if task.curve == curve
            for place in range(task.first, task.first + task.count)
        ]
        assert places == list(range(103))
    assert [task.curve for task in tasks[:4]] == [0, 1, 0, 1]
    sets = [Curve("a", asked.curves[0].planned, asked.curves[0].parameters * 4, "lower")]
    by_set = {task.chosen: 0 for task in tasks_of(Question(sets, asked.sizes, 103), 2048)}
    assert list(by_set) == [0, 1, 2, 3]


def test_study_without_analyses_gets_one_that_is_told() -> None:
    text = new_study_text("mine")
    lines = text[: text.index("\nanalyses:")] if "\nanalyses:" in text else text
    planned = choose_analysis(Study.parse(lines).model_copy(update={"analyses": (), "multiplicity": ()}))
    only = planned.analysis
    assert only.method == "ancova"
    assert only.quantity == planned.study.population.baseline.scale
    assert not planned.study.arm(only.comparators[0]).active
    assert planned.study.arm(only.arms[0]).active
    assert "names no analyses" in planned.note
    assert only.arm in planned.note
    last = max(item.time_h for item in planned.study.endpoints if item.quantity == only.quantity)
    assert only.time_h == last


def test_analysis_is_chosen_by_name_with_its_family_only() -> None:
    study = Study.load("singh2016a")
    planned = choose_analysis(study, "high")
    assert [item.id for item in planned.study.analyses] == ["low", "high"]
    assert planned.note == ""
    loose = study.model_copy(update={"multiplicity": ()})
    assert [item.id for item in choose_analysis(loose, "high").study.analyses] == ["high"]
    with pytest.raises(StudyError, match="'high'"):
        choose_analysis(study, "hihg")
    with pytest.raises(StudyError, match="no analyses"):
        choose_analysis(study.model_copy(update={"analyses": ()}), "high")


@pytest.mark.parametrize(
    ("method", "event", "direction"),
    [
        ("ancova", "", "lower"),
        ("responder", "", "higher"),
        ("logrank", "madrs >= 22", "lower"),
        ("cox", "madrs change >= 5", "lower"),
        ("cox", "responder", "higher"),
        ("logrank", "not responder", "lower"),
        ("logrank", "madrs improvement >= 50 %", "higher"),
    ],
)
def test_wanted_direction_follows_from_the_analysis(
    study: Study, method: str, event: str, direction: str
) -> None:
    (base,) = study.analyses
    update: dict[str, Any] = {"method": method, "event": (event,) if event else ()}
    assert wanted(base.model_copy(update=update)) == direction


def test_a_ratio_is_compared_with_one_and_its_logarithm_with_zero() -> None:
    assert favourable("lower", 0.8, "hazard ratio")
    assert not favourable("lower", 0.8, "log hazard ratio")
    assert favourable("higher", 0.2, "difference in rate of response")
    assert not favourable("higher", float("nan"), "odds ratio")


def test_wilson_interval_matches_a_published_example() -> None:
    # Newcombe 1998, Stat Med 17, 857, table I, method 3: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20)[0] == 0.0
    assert wilson(20, 20)[1] == 1.0


def made_rows(hits: np.ndarray, sets: np.ndarray, totals: Sequence[int]) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "label": "a", "set": sets, "replicate": np.arange(len(hits)), "n_total": total,
                "analysis": "x", "n": 1.0, "n_comparator": 1.0, "estimate": 0.0, "se": 1.0, "p": 0.5,
                "effect_measure": "", "unit": "",
                "rejected": hits[:, place], "success": hits[:, place], "not_simulated": 0.0, "note": "",
            }
        )
        for place, total in enumerate(totals)
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def test_interval_widens_where_trials_share_draws_of_the_parameters() -> None:
    # Ten draws, each with power 0 or 1: a hundred trials say no more than ten.
    hits = np.repeat(np.arange(10) % 2 == 0, 10)[:, None]
    shared = power_curve(made_rows(hits, np.repeat(np.arange(10), 10), (20,)), {20: "10 a"}).iloc[0]
    apart = power_curve(made_rows(hits, np.zeros(100, dtype=int), (20,)), {20: "10 a"}).iloc[0]
    assert shared["power"] == apart["power"] == 0.5
    assert (apart["low"], apart["high"]) == pytest.approx(wilson(50, 100))
    # The variance between ten draws has 9 in its denominator, so that nine count.
    assert (shared["low"], shared["high"]) == pytest.approx(wilson(4.5, 9))


def test_flat_or_falling_power_gives_no_size_and_says_so() -> None:
    rng = np.random.default_rng(1)
    hits = rng.random((200, 3)) < np.array([0.5, 0.4, 0.3])
    for item in needed_sizes(made_rows(hits, np.zeros(200, dtype=int), (20, 40, 60))):
        assert (item.n, item.low, item.high) == (None, None, None)
        assert "more than the 60" in item.note
    sure = np.ones((200, 3), dtype=bool)
    (first, _) = needed_sizes(made_rows(sure, np.zeros(200, dtype=int), (20, 40, 60)))
    assert first.n is None
    assert "20 patients of the smallest trial are enough" in first.note
    assert needed_sizes(made_rows(sure[:, :1], np.zeros(200, dtype=int), (20,))) == []


def done(curve: int, chosen: int, first: int, lost: float, label: str = "as planned") -> Done:
    rows = made_rows(np.ones((2, 1), dtype=bool), np.full(2, chosen), (40,)).assign(
        label=label, not_simulated=lost
    )
    rows["replicate"] += first
    return Done(Task(curve, chosen, first, 2), rows, "no rest" if lost else "")


def test_draws_with_which_the_model_fails_are_left_out_of_all_curves(study: Study) -> None:
    planned = choose_analysis(study)
    curves = [Curve(label, planned, [load_parameters()] * 2, "lower") for label in ("as planned", "b")]
    asked = Question(curves, split_sizes(study, (40,)), 4)
    finished = [done(0, 0, 0, 0.0), done(1, 0, 0, 0.05, "b"), done(0, 1, 2, 0.0), done(1, 1, 2, 0.4, "b")]
    rows, said = usable_rows(finished, asked)
    assert set(rows["set"]) == {0}
    assert rows["label"].tolist() == ["as planned"] * 2 + ["b"] * 2
    assert "1 of 2 draws" in said[0]
    assert "2.50%" in said[1]
    with pytest.raises(SolverError, match="no rest"):
        usable_rows([done(0, 0, 0, 1.0)], Question(curves[:1], asked.sizes, 2))


def test_stopped_by_ctrl_c_keeps_what_is_finished(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object) -> Iterator[Done]:
        yield done(0, 0, 0, 0.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(power_module, "run_tasks", stopped)
    seen: list[tuple[str, int, int]] = []
    found = study_power(study, (40,), replicates=10, progress=lambda *step: seen.append(step))
    assert found.interrupted
    assert found.finished == 2
    assert found.as_data()["replicates_asked"] == 10
    assert seen == [("simulating trials", 0, 10), ("simulating trials", 2, 10)]
    # Of two curves one has no trial yet: nothing can be said.
    with pytest.raises(KeyboardInterrupt):
        study_power(study, (40,), replicates=10, what_if=["m: arms.ketamine.masked=true"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"replicates": 1}, "--replicates: 1"),
        ({"sets": 5}, "--assurance"),
        ({"sets": 0, "assurance": True}, "--sets: 0"),
        ({"better": "hiher"}, "'higher'"),
        ({"analysis": "primry"}, "'primary'"),
        ({"parameter": {"placebo_gian": "0.5"}}, "'placebo_gain'"),
        ({"what_if": ["m: arms.ketamine.masked=true", "m: setting.care=inpatient"]}, "two curves"),
        ({"what_if": ["more: arms.ketamine.n=60"]}, "another ratio"),
        ({"what_if": ["m: parameter.placebo_gian=1"]}, "'placebo_gain'"),
        ({"set": {"arms.ketamin.masked": "true"}}, "'ketamine'"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_simulated(
    study: Study, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], words: str
) -> None:
    monkeypatch.setattr(power_module, "run_tasks", lambda *_: pytest.fail("simulated"))
    with pytest.raises((StudyError, ModelError)) as caught:
        study_power(study, "20:40", **options)
    assert words in str(caught.value)


def test_assurance_draws_parameters_and_lets_studies_differ_but_keeps_what_was_asked(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Question] = []

    def noted(question: Question, _: int | None) -> Iterator[Done]:
        asked.append(question)
        yield done(0, 0, 0, 0.0)

    monkeypatch.setattr(power_module, "run_tasks", noted)
    study_power(study, (40,), replicates=10, assurance=True, sets=3, parameter={"placebo_gain": "0.4"})
    (one,) = asked
    assert one.between_study
    drawn = one.curves[0].parameters
    assert len(drawn) == 3
    assert {item["placebo_gain"].value for item in drawn} == {0.4}
    assert len({item["fast_arm_ceiling"].value for item in drawn}) == 3
    study_power(study, (40,), replicates=10, assurance=True, sets=1)
    assert asked[1].between_study
    assert asked[1].curves[0].parameters == [load_parameters()]
    study_power(study, (40,), replicates=10)
    assert not asked[2].between_study
