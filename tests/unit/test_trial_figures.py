"""Figures of a trial: what they show, that no two texts touch, and that they say what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats
from tests.unit.trial_figure_fakes import (
    LONG,
    SHORT,
    clashes,
    crossover,
    emptied,
    maintenance,
    moved,
    study_of,
    swapping,
    tables_of,
    texts_of,
    withdrawal,
)

from ketasim.errors import StudyError
from ketasim.report.trial.boxes import arm_layers
from ketasim.report.trial.check_figure import check_figure
from ketasim.report.trial.consort_figure import consort_figure
from ketasim.report.trial.course_figures import (
    mean_change_figure,
    persons_caption,
    persons_figure,
    sampled_persons,
)
from ketasim.report.trial.event_times import condition_times, first_in_a_row, happening_times, relapse_times
from ketasim.report.trial.flow_counts import trial_flow
from ketasim.report.trial.forest_figure import forest_figure
from ketasim.report.trial.harms_figure import harm_dots_figure
from ketasim.report.trial.layout import fitted, text_width, wrapped
from ketasim.report.trial.phase import trial_from
from ketasim.report.trial.plan_figure import plan_figure, rule_words
from ketasim.report.trial.section import trial_figures, trial_section
from ketasim.report.trial.subgroups import subgroup_rows
from ketasim.report.trial.survival_figure import survival_figure
from ketasim.report.trial.tables import Trial, TrialTables, arm_names, changes, one_trial, responders, scores
from ketasim.report.trial.visits import visit_axis
from ketasim.report.trial.waterfall_figure import waterfall_figure
from ketasim.trials.analysis.ancova import ancova
from ketasim.trials.analysis.survival import kaplan_meier
from ketasim.trials.study import Study

# Texts and empty cases


FIGURES = {
    "change": mean_change_figure,
    "persons": persons_figure,
    "waterfall": waterfall_figure,
    "forest": forest_figure,
    "harms": harm_dots_figure,
    "flow": consort_figure,
}


@pytest.mark.parametrize("name", FIGURES)
def test_six_arms_with_long_names_leave_no_text_on_another(name: str) -> None:
    study = study_of(LONG, n=12)
    figure = FIGURES[name](tables_of(study), study)
    assert clashes(figure) == []
    assert len(texts_of(figure)) > 12


@pytest.mark.parametrize("name", FIGURES)
def test_an_arm_that_nobody_rated_is_said_and_does_not_crash(name: str) -> None:
    study = study_of(n=8)
    tables = emptied(tables_of(study), "placebo")
    figure = FIGURES[name](tables, study)
    assert clashes(figure) == []
    told = " ".join(texts_of(figure)).replace("\N{NO-BREAK SPACE}", " ")
    said = {
        "change": "placebo (nobody rated)",
        "waterfall": "placebo: nobody rated of 8",
        "forest": "Fewer than 3 people",
        "flow": "Rated at day 29, n = 0",
    }
    assert said.get(name, "placebo") in told


@pytest.mark.parametrize("name", FIGURES)
def test_one_patient_and_no_patient_do_not_crash(name: str) -> None:
    study = study_of(SHORT[:1], n=1)
    tables = tables_of(study)
    assert clashes(FIGURES[name](tables, study)) == []
    nobody = TrialTables(*(frame.iloc[:0] for frame in (tables.patients, tables.outcomes, tables.events)))
    figure = FIGURES[name](nobody, study)
    assert figure.axes == []
    assert re.search("Nobody|no people|one arm", " ".join(texts_of(figure)))


def test_lines_are_as_wide_as_the_room_and_lose_no_word() -> None:
    text = "esketamine 84 mg twice weekly plus antidepressant-of-a-very-long-name-that-fits-nowhere"
    for room in (0.6, 1.4, 3.0):
        lines = wrapped(text, room)
        assert all(text_width(line) <= room for line in lines)
        assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    short = fitted(text, 2.0)
    assert text_width(short) <= 2.0
    assert (short[:10], short[-7:]) == (text[:10], text[-7:])


def test_visits_keep_their_distances_only_where_these_can_be_drawn() -> None:
    days = visit_axis((0.0, 168.0, 336.0, 672.0), 6.0, str)
    assert days.places == (0.0, 7.0, 14.0, 28.0)
    crowded = visit_axis((0.0, 0.7, 4.0, 24.0, 672.0), 6.0, str)
    assert crowded.places == (0.0, 1.0, 2.0, 3.0, 4.0)
    assert "not to scale" in crowded.name
    many = visit_axis(tuple(float(day) for day in range(0, 2400, 24)), 3.0, lambda time: f"day {time:g}")
    assert many.labels[-1] == "day 2376"
    assert 2 <= len(many.shown) <= 6


# What is drawn


def test_mean_change_has_the_mean_and_the_t_interval_of_those_rated() -> None:
    study = study_of(n=12)
    tables = tables_of(study)
    ax = mean_change_figure(tables, study).axes[0]
    wide = changes(tables.outcomes, "madrs")
    rows = wide[wide.index.get_level_values("arm") == "placebo"]
    line = next(line for line in ax.lines if line.get_marker() == "s")
    np.testing.assert_allclose(line.get_ydata(), [0.0, *rows.mean()], rtol=1e-12)
    values = rows[24.0].dropna()
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    ends = [segment[:, 1] for bar in ax.collections for segment in bar.get_segments()]
    assert any(np.allclose(end, [low, high], rtol=1e-9) for end in ends)
    counts = [str(int(count)) for count in rows.notna().sum()]
    shown = [text.get_text() for text in ax.texts]
    assert shown[-len(counts) - 1 :] == ["12", *counts]


def test_persons_are_sampled_by_a_fixed_rule() -> None:
    assert sampled_persons(5, 10) == [0, 1, 2, 3, 4]
    assert sampled_persons(100, 4) == [0, 25, 50, 75]
    study = study_of(n=50)
    figure = persons_figure(tables_of(study), study, most=7)
    # Seven persons, the mean and nothing else.
    assert len(figure.axes[0].lines) == 8
    assert "7 of 50 shown" in " ".join(texts_of(figure))
    assert "at most 7 persons" in persons_caption(tables_of(study), study, most=7)


def test_predictive_check_shows_quantiles_of_persons_and_of_replicates() -> None:
    study = study_of(n=15)
    tables, other = tables_of(study, replicates=6), tables_of(study, seed=9)
    figure = check_figure(tables, study, other.outcomes)
    assert clashes(figure) == []
    wide = scores(tables.outcomes, "madrs")
    rows = wide[wide.index.get_level_values("arm") == "placebo"]
    medians = rows.groupby(level="replicate").median()
    ax = figure.axes[1]
    drawn = [line.get_ydata() for line in ax.lines]
    assert any(np.allclose(y, medians.median(), rtol=1e-12) for y in drawn)
    seen = scores(other.outcomes, "madrs")
    ours = seen[seen.index.get_level_values("arm") == "placebo"]
    for share in (0.05, 0.5, 0.95):
        assert any(np.allclose(y, ours.quantile(share), rtol=1e-12) for y in drawn)
    assert len(ax.collections) == 3
    single = check_figure(tables_of(study), study, other.outcomes)
    assert len(single.axes[1].collections) == 0
    assert any("no band" in text for text in texts_of(single))


def test_predictive_check_takes_published_means_with_their_sd() -> None:
    study = Study.load("murrough2013")
    figure = check_figure(tables_of(study, replicates=5), study)
    row = next(r for r in study.observations if r.statistic == "change" and r.arm == "ketamine")
    marks = [float(line.get_ydata()[0]) for line in figure.axes[0].lines if line.get_color() == "#1c2127"]
    half = 1.6448536 * row.standard_error * np.sqrt(row.n)
    np.testing.assert_allclose(marks, [row.value - half, row.value, row.value + half], rtol=1e-6)


def test_waterfall_is_sorted_and_coloured_by_response() -> None:
    study = study_of(n=40)
    tables = tables_of(study)
    ax = waterfall_figure(tables, study, time_h=24.0).axes[0]
    bars = sorted(ax.patches, key=lambda bar: bar.get_x())
    heights = np.array([bar.get_height() for bar in bars])
    assert np.all(np.diff(heights) <= 0.0)
    wide = scores(tables.outcomes, "madrs")
    rows = wide[wide.index.get_level_values("arm") == "ketamine_0_5"][[0.0, 24.0]].dropna()
    assert len(bars) == len(rows)
    share = (rows[24.0] <= 0.5 * rows[0.0]).mean()
    assert f"response {100 * share:.0f}\N{NO-BREAK SPACE}%" in " ".join(text.get_text() for text in ax.texts)
    remitted = int((rows[24.0] <= 10).sum())
    colours = [bar.get_facecolor() for bar in bars]
    dark = [colour for colour in colours if sum(colour[:3]) < 1.5]
    assert len(dark) == remitted
    grade = responders(np.array([9.0, 12.0, 20.0, np.nan]), np.full(4, 30.0), study, "madrs")
    assert grade.tolist() == [2, 1, 0, -1]


def test_events_in_a_row_skip_a_missed_visit_and_break_at_a_good_one() -> None:
    times = np.array([1.0, 2.0, 3.0, 4.0])
    nan = np.nan
    values = np.array([[9, 9, 1, 9], [9, nan, 9, 9], [1, 1, 9, 9], [1, 1, nan, nan], [nan] * 4])
    when, event = first_in_a_row(times, values, values > 5, 2, 0.0)
    assert when.tolist() == [1.0, 1.0, 3.0, 2.0, 0.0]
    assert event.tolist() == [True, True, True, False, False]


def test_relapse_counts_responders_from_the_time_of_response() -> None:
    study = study_of(n=60)
    tables = tables_of(study)
    times = relapse_times(one_trial(tables), study)
    wide = scores(tables.outcomes, "madrs")
    chosen = wide[wide[168.0] <= 0.5 * wide[0.0]]
    assert len(times.time_h) == len(chosen)
    later = chosen[[time for time in chosen.columns if time > 168.0]]
    assert times.event.sum() == (later >= 22).any(axis=1).sum()
    assert 0 < times.event.sum() < len(times.event)
    figure = survival_figure(times, study)
    assert clashes(figure) == []
    curve = kaplan_meier(*(part[times.arm == "ketamine_0_5"] for part in (times.time_h, times.event)))
    steps = figure.axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(steps, [1.0, *curve.survival, curve.survival[-1]], rtol=1e-12)
    assert str(int((times.arm == "ketamine_0_5").sum())) in texts_of(figure)


def test_conditions_of_events_are_read_from_ratings() -> None:
    study = study_of(n=30)
    trial = one_trial(tables_of(study))
    wide = scores(trial.outcomes, "madrs")
    better = condition_times(trial, study, ["madrs improvement >= 50 %"])
    same = condition_times(trial, study, ["responder"])
    assert better.event.sum() == (wide.le(0.5 * wide[0.0], axis=0)).any(axis=1).sum()
    np.testing.assert_array_equal(better.time_h, same.time_h)
    early = condition_times(trial, study, ["responder"], among=["placebo"], until_h=24.0)
    assert early.arms == ("placebo",)
    assert early.time_h.max() == 24.0
    chosen = wide[wide.index.get_level_values("arm") == "placebo"]
    assert early.event.sum() == chosen[[4.0, 24.0]].le(0.5 * chosen[0.0], axis=0).any(axis=1).sum()
    left = happening_times(trial, study)
    assert left.event.sum() == (trial.patients["status"] == "withdrawn").sum()
    with pytest.raises(StudyError, match="cannot be told from ratings"):
        condition_times(trial, study, ["cadss peak >= 4"])


@pytest.mark.parametrize("arms", [LONG, SHORT[:1]])
def test_survival_of_many_and_of_one_arm_has_no_clash(arms: Sequence[str]) -> None:
    study = study_of(arms, n=10)
    figure = survival_figure(
        happening_times(one_trial(tables_of(study)), study, ("withdrawn", "stopped")), study
    )
    assert clashes(figure) == []
    assert "withdrawal or end of treatment" in " ".join(texts_of(figure))


def test_forest_divides_everybody_and_agrees_with_the_analysis() -> None:
    study = study_of(n=60)
    trial = one_trial(tables_of(study))
    rows = subgroup_rows(trial, "madrs", "ketamine_0_5", "placebo", 672.0)
    wide = scores(trial.outcomes, "madrs")[[0.0, 672.0]].dropna()
    group = (wide.index.get_level_values("arm") == "ketamine_0_5").astype(int)
    whole = ancova((wide[672.0] - wide[0.0]).to_numpy(), group, wide[0.0].to_numpy()).differences[0]
    assert (rows[0].value, rows[0].low, rows[0].high) == pytest.approx((whole.value, whole.low, whole.high))
    assert (rows[0].treated, rows[0].control) == (group.sum(), (1 - group).sum())
    for covariate in {row.covariate for row in rows[1:]}:
        parts = [row for row in rows if row.covariate == covariate]
        assert sum(row.treated for row in parts) == rows[0].treated
        assert sum(row.control for row in parts) == rows[0].control
    assert {"Sex", "Age", "C-reactive protein"} <= {row.covariate for row in rows}
    # A made-up effect of sex must be seen as an interaction, and only there.
    outcomes = trial.outcomes.merge(trial.patients[["subject", "female"]], on="subject")
    helped = (outcomes["female"] > 0.5) & (outcomes["arm"] == "ketamine_0_5") & (outcomes["time_h"] > 0)
    outcomes["value"] -= 12.0 * helped
    tested = subgroup_rows(
        Trial(trial.patients, outcomes, trial.events, 1, 1), "madrs", "ketamine_0_5", "placebo", 672.0
    )
    p = {row.covariate: row.interaction for row in tested if np.isfinite(row.interaction)}
    assert p["Sex"] < 0.001
    assert p["Age"] > 0.001


def test_harm_dots_count_people_once_and_are_sorted_by_difference() -> None:
    study = study_of(n=100)
    tables = tables_of(study)
    figure = harm_dots_figure(tables, study)
    left, right = figure.axes
    words = [label.get_text() for label in left.get_yticklabels()]
    people = tables.events[tables.events["kind"] == "adverse_event"].drop_duplicates(["subject", "detail"])
    counts = people.groupby(["detail", "arm"]).size().unstack(fill_value=0)
    dots = left.lines[0].get_xdata()
    names = [word.replace(" ", "_") for word in words]
    np.testing.assert_allclose(dots, counts.loc[names, "ketamine_0_5"], rtol=1e-12)
    gaps = (counts["ketamine_0_5"] - counts["placebo"]).loc[names]
    assert list(gaps) == sorted(gaps, reverse=True)
    shown = next(line for line in right.lines if len(line.get_xdata()) == len(names))
    np.testing.assert_allclose(shown.get_xdata(), gaps, rtol=1e-9, atol=1e-9)
    assert set(counts.index[(counts < 5).all(axis=1)]).isdisjoint(names)


# Trials whose arms are reached by rules


def test_flow_accounts_for_every_person() -> None:
    study = crossover()
    tables = moved(tables_of(study), study)
    flow = trial_flow(one_trial(tables), study)
    for arm, part in flow.arms.items():
        out = sum(part.targets.values()) + sum(part.withdrawn.values()) + part.missing + part.stayed
        assert out == part.entered, arm
    assert flow.randomised == {"drug_first": 20, "saline_first": 20}
    assert flow.arms["saline_second"].entered == flow.arms["drug_first"].targets["saline_second"] > 0
    assert flow.screened == tables.patients["screened"].sum()
    counted = tables.patients.assign(**{"screen_failures: madrs >= 28": 1, "screen_failures: age <= 64": 0})
    figure = consort_figure(TrialTables(counted, tables.outcomes, tables.events), study)
    assert clashes(figure) == []
    assert "not MADRS ≥ 28: 40" in " ".join(texts_of(figure))
    assert not any("age" in text for text in texts_of(figure))


@pytest.mark.parametrize("design", [crossover, withdrawal, maintenance, swapping])
def test_plan_numbers_every_rule_and_says_what_it_does(design: Callable[[], Study]) -> None:
    study = design()
    figure = plan_figure(study)
    assert clashes(figure) == []
    texts = texts_of(figure)
    for number, rule in enumerate(study.rules, start=1):
        assert str(number) in texts
        words = rule_words(rule, arm_names(study))
        assert all(arm_names(study)[arm] in words for arm in rule.targets)
    tables = moved(tables_of(study, n=9), study)
    assert clashes(consort_figure(tables, study)) == []


@pytest.mark.parametrize("name", ["daly2018_two_periods", "daly2019"])
def test_plan_of_a_shipped_study_with_many_arms_has_no_clash(name: str) -> None:
    study = Study.load(name)
    figure = plan_figure(study)
    assert clashes(figure) == []
    told = " ".join(texts_of(figure))
    assert all(arm_names(study)[arm.id].split()[0] in told for arm in study.arms)


def test_rules_are_told_in_plain_words() -> None:
    study = withdrawal()
    first, second = (rule_words(rule, arm_names(study)) for rule in study.rules)
    assert first == (
        "At day 15, in open label induction, if MADRS improvement ≥ 25 % and MADRS ≤ 30: randomise 1 : 1 to "
        "esketamine maintenance or placebo maintenance; if not, the person leaves the trial (no stable "
        "response)."
    )
    assert "at 2 checks in a row: treatment ends (relapse)" in second


def test_arms_stand_in_the_order_in_which_rules_reach_them() -> None:
    layers = arm_layers(maintenance())
    assert layers == [["induction", "placebo"], ["every_week", "rescue_infusion"], ["every_second_week"]]


def test_a_phase_counts_from_its_entry() -> None:
    study = withdrawal()
    tables = moved(tables_of(study), study)
    trial = trial_from(tables, study, origin="maintenance")
    moves = tables.events[tables.events["kind"] == "switch"].set_index("subject")
    assert set(trial.patients["subject"]) == set(moves.index)
    wide = scores(trial.outcomes, "madrs")
    before = scores(tables.outcomes, "madrs")
    for (_, arm, subject), row in wide.iterrows():
        assert arm == moves.loc[subject, "treatment"]
        whole = before.xs(subject, level="subject").iloc[0]
        assert row[0.0] == whole[whole.index <= 336.0].dropna().iloc[-1]
        np.testing.assert_array_equal(row[168.0], whole[504.0])
    figure = mean_change_figure(tables, study, origin="maintenance")
    assert clashes(figure) == []
    assert "entering maintenance" in texts_of(figure)[0] + " ".join(texts_of(figure))
    with pytest.raises(StudyError, match="maintenence"):
        mean_change_figure(tables, study, origin="maintenence")


def test_a_replicate_that_is_not_there_is_refused() -> None:
    study = study_of(n=3)
    with pytest.raises(StudyError, match="replicate: 7"):
        mean_change_figure(tables_of(study, replicates=2), study, replicate=7)
    assert one_trial(tables_of(study, replicates=2), 2).words == ", in replicate 2, one of 2"


def test_sections_hold_each_figure_with_its_caption_and_ids_of_its_own() -> None:
    study = withdrawal()
    tables = moved(tables_of(study, n=12), study)
    data = SimpleNamespace(study=study, **vars(tables))
    names = [item.name for item in trial_figures(data)]
    assert len(set(names)) == len(names)
    assert {"plan", "flow", "change", "change-maintenance", "persons", "waterfall", "relapse"} <= set(names)
    page = trial_section(data)
    parts = page.split("<h3>")[1:]
    assert len(parts) == len(names)
    for name, part in zip(names, parts, strict=True):
        assert part.count("<svg") == 1, name
        caption = re.search("<figcaption>(.*)</figcaption>", part)
        assert caption is not None
        assert caption[1].endswith("."), name
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(set(ids)) == len(ids)
