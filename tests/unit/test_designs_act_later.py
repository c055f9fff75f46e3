"""Designs 9 to 18 of published trials, each from its shipped file: the special rule really acts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.design_runs import DAY, WEEK, Ran, arms, edited, run, same

from ketasim.trials.study.catalogue import shipped_studies

# --- 9: randomised withdrawal ---


def test_only_stable_patients_are_randomised_to_withdrawal() -> None:
    ran = run("daly2019", 60, end_h=30 * WEEK)
    weeks = (13, 14, 15, 16)
    optimised = ran.in_force(16 * WEEK) == "optimisation"
    there = ran.there(16 * WEEK) & optimised
    scores = np.stack([ran.score(week * WEEK) for week in weeks])
    stable_remission = there & (scores <= 12).all(axis=0)
    response = np.stack([ran.improvement(week * WEEK) >= 0.5 for week in (15, 16)]).all(axis=0)
    same(ran.moved("stable_remission"), stable_remission)
    stable_response = there & ~stable_remission & response
    assert (ran.moved("stable_response") == stable_response).all()
    unstable = there & ~stable_remission & ~response
    np.testing.assert_array_equal(ran.ended("withdrawn", "not stable after 16 weeks"), unstable)
    refused = ran.ended("withdrawn", "no response to the induction")
    same(refused, ran.there(4 * WEEK) & (ran.improvement(4 * WEEK) < 0.5))
    after = ran.in_force(18 * WEEK)
    assert set(after[stable_remission]) == {"remission_esketamine", "remission_placebo"}
    assert set(after[stable_response]) <= {"response_esketamine", "response_placebo"}
    assert not np.isin(
        after[~(stable_remission | stable_response)], ("remission_placebo", "response_placebo")
    ).any()


def test_a_relapse_is_two_visits_in_a_row_and_ends_treatment_but_not_rating() -> None:
    def low(data: dict[str, Any]) -> None:
        # Few of the model's stable patients reach 22 points, so a relapse begins earlier here.
        next(rule for rule in data["rules"] if rule["id"] == "relapse")["when"] = ["madrs >= 8"]

    ran = run(edited("daly2019", low), 40, end_h=30 * WEEK)
    visits = [time for time in ran.times if time > 16 * WEEK]
    stopped = ran.found.progress.stopped_h
    assert (~np.isnan(stopped)).any()
    randomised = ran.moved("stable_remission") | ran.moved("stable_response")
    for person in np.flatnonzero(randomised).tolist():
        run_of, expected = 0, np.nan
        for time in visits:
            run_of = run_of + 1 if ran.score(time)[person] >= 8 else 0
            if run_of == 2:
                expected = time
                break
        np.testing.assert_equal(stopped[person], expected)
        if not np.isnan(expected):
            assert all(start < expected for start, _ in ran.doses(person))
            later = [ran.score(time)[person] for time in visits if time > expected]
            left = ran.found.progress.left_h[person]
            assert np.isfinite(later).all() or not np.isnan(left)


# --- 10: interval by severity ---


def test_the_interval_follows_the_severity() -> None:
    def low(data: dict[str, Any]) -> None:
        # The model's patients hardly relapse at 22 points; with lower limits every branch is taken.
        for rule in data["rules"]:
            rule["when"] = [
                {"madrs >= 22": "madrs >= 9", "madrs <= 12": "madrs <= 4"}.get(w, w)
                for w in rule.get("when", [])
            ]

    ran = run(edited("wajs2020", low), 30)
    chosen: list[str] = []
    for time in ran.times[ran.times >= 56 * DAY]:
        before, score, there = ran.in_force(time), ran.score(time), ran.there(time)
        for person in np.flatnonzero(there).tolist():
            if time == ran.times[-1]:
                continue
            if score[person] >= 9 and before[person] != "induction_again":
                expected = "induction_again"
            elif score[person] > 4:
                expected = "weekly"
            else:
                expected = "every_4_weeks" if before[person].startswith("every") else "every_2_weeks"
            following = ran.times[ran.place(time) + 1]
            assert ran.in_force(following)[person] == expected
            chosen.append(expected)
    assert set(chosen) == {"induction_again", "weekly", "every_2_weeks", "every_4_weeks"}


# --- 11: emergency, with standard care ---


def test_admission_acts_in_both_arms() -> None:
    inside = run("canuso2018", 10)
    outside = run(edited("canuso2018", lambda data: data["setting"].update(care="outpatient")), 10)
    lower = outside.score(24.0) - inside.score(24.0)
    seen = ~np.isnan(lower)
    assert seen.sum() >= 18
    assert (lower[seen] >= 0.0).all()
    assert np.mean(lower[seen]) > 1.0
    np.testing.assert_array_equal(inside.value("severity", 24.0), outside.value("severity", 24.0))


def test_strata_are_balanced_within_each_block_and_a_second_infusion_follows() -> None:
    ran = run("abbar2022", end_h=3 * DAY)
    patients = ran.patients
    assert set(patients["stratum"]) == {"00", "01", "10", "11"}
    severe = patients["stratum"].str[0] == "1"
    same(severe.to_numpy(), (patients["baseline"] >= 35).to_numpy())
    for _, own in patients.groupby("stratum"):
        blocks = (own["arm"] == "ketamine").to_numpy()[: 4 * (len(own) // 4)].reshape(-1, 4)
        assert (blocks.sum(axis=1) == 2).all()
    assert [start for start, _ in ran.doses(0)] == [0.0, 24.0]


# --- 12: open, against ECT and quetiapine ---


def test_people_withdraw_before_treatment_and_sessions_end_with_remission() -> None:
    ran = run("anand2023", 150, end_h=30 * DAY)
    start = 2 * DAY
    for arm, chance in (("ketamine", 0.025), ("ect", 0.163)):
        group = ran.arm == f"assigned_{arm}"
        never = ran.ended(
            "withdrawn", "before the first session" if arm == "ect" else "before the first infusion"
        )
        # Three binomial errors.
        error = 3.0 * np.sqrt(chance * (1.0 - chance) / group.sum())
        assert never[group].mean() == pytest.approx(chance, abs=error)
        assert not never[~group].any()
    for day in (9, 16):
        time = day * DAY
        met = ran.there(time) & (ran.in_force(time) == "ect") & (ran.score(time) <= 10)
        same(ran.moved("ect_until_remission", time), met)
        for person in np.flatnonzero(met)[:3].tolist():
            starts = [begin for begin, _ in ran.doses(person)]
            assert start <= min(starts)
            assert max(starts) < time


@pytest.mark.parametrize(
    ("name", "treated", "arm", "drug", "time", "least"),
    [
        ("anand2023", "ect", "assigned_ect", "ect", 16 * DAY, 3.0),
        ("reif2023", "quetiapine", "quetiapine", "quetiapine", 8 * WEEK, 1.0),
    ],
)
def test_comparators_without_biology_act(
    name: str, treated: str, arm: str, drug: str, time: float, least: float
) -> None:
    def without(data: dict[str, Any]) -> None:
        for item in data["arms"]:
            item.pop("empirical", None)
        data["rules"] = [rule for rule in data["rules"] if rule["id"].startswith("begin")]
        data["dropout"] = []
        data["assumed"] = []
        data["analyses"] = []
        data["endpoints"] = []
        data.pop("multiplicity", None)
        data["arms"] = [a for a in data["arms"] if "n" in a or a["id"] in ("ketamine", "ect")]

    def with_drug(data: dict[str, Any]) -> None:
        kept = {item["id"]: item.get("empirical") for item in data["arms"]}
        without(data)
        for item in data["arms"]:
            if kept[item["id"]]:
                item["empirical"] = kept[item["id"]]

    on, off = (run(edited(name, edit), 12, end_h=time) for edit in (with_drug, without))
    assert drug in on.trial.study.arm(treated).empirical
    group = (on.arm == arm) & ~np.isnan(on.score(time)) & ~np.isnan(off.score(time))
    gain = off.score(time)[group] - on.score(time)[group]
    assert gain.mean() > least
    # The chain knows nothing of it.
    np.testing.assert_array_equal(on.value("severity", time)[group], off.value("severity", time)[group])


def test_whoever_stops_treatment_is_still_rated_and_lack_of_efficacy_needs_a_small_improvement() -> None:
    ran = run("reif2023", 40)
    progress = ran.found.progress
    stopped = ~np.isnan(progress.stopped_h)
    assert stopped.sum() > 5
    assert np.isnan(progress.left_h).all()
    fine = progress.reason == ""
    assert np.isfinite(ran.score(32 * WEEK)[stopped & fine]).all()
    for event in ran.events("stopped"):
        improvement = ran.improvement(event.time_h)[event.person]
        if event.detail == "lack":
            assert improvement < 0.25
        elif event.detail == "lack of efficacy":
            assert improvement < 0.1
        assert all(start < event.time_h for start, _ in ran.doses(event.person))
    assert {"lack", "lack of efficacy"} & {event.detail for event in ran.events("stopped")}


# --- 13: open series ---


def test_an_open_series_goes_on_for_responders_and_everybody_knows_the_drug() -> None:
    ran = run("aanhetrot2010", 24, end_h=20 * DAY)
    respond = ran.improvement(24.0) >= 0.5
    same(ran.moved("responders_go_on"), respond)
    same(ran.ended("withdrawn", "no response to the first infusion"), ~respond)
    np.testing.assert_array_equal(ran.value("belief", 24.0), 1.0)
    person = int(np.flatnonzero(respond)[0])
    days = [start / DAY for start, _ in ran.doses(person)]
    # Days 2, 4, ... of the course count from its start, a day after the first infusion.
    assert days == pytest.approx([0, 2, 4, 7, 9, 11])


# --- 14: mechanism probes ---


def test_rapamycin_acts_on_translation_and_naltrexone_takes_what_tone_permits() -> None:
    asked = ["severity", "mtorc1"]

    def pair(name: str) -> tuple[Ran, Ran]:
        def edit(data: dict[str, Any], with_probe: bool) -> None:
            scale = data["population"]["baseline"]["scale"]
            data["visits"] = [{"time": time, "quantities": [*asked, scale]} for time in data["visits"]]
            for item in data["arms"]:
                if not with_probe:
                    item.pop("comedication", None)

        with_probe, without = (edited(name, lambda data, on=on: edit(data, on)) for on in (True, False))
        return run(with_probe, 8, end_h=7 * DAY), run(without, 8, end_h=7 * DAY)

    on, off = pair("abdallah2020")
    given = on.arm == "rapamycin_1"
    # A twentieth of mTOR is inhibited: little reaches the brain.
    ratio = on.value("mtorc1", 4.0)[given] / off.value("mtorc1", 4.0)[given]
    assert (ratio < 1.0).all()
    assert (ratio > 0.8).all()
    np.testing.assert_array_equal(on.value("severity", 24.0)[~given], off.value("severity", 24.0)[~given])
    assert (on.value("severity", 24.0)[given] != off.value("severity", 24.0)[given]).all()
    on, off = pair("williams2018")
    blocked = on.arm == "naltrexone_1"
    # In some the drug does little, and then there is little to take.
    assert (on.value("severity", 24.0)[blocked] > off.value("severity", 24.0)[blocked] + 1.0).mean() > 0.6
    np.testing.assert_array_equal(on.value("severity", 24.0)[~blocked], off.value("severity", 24.0)[~blocked])


def _without_lamotrigine(data: dict[str, Any]) -> None:
    del arms(data)["lamotrigine"]["comedication"]


def test_the_second_probe_is_randomised_among_responders() -> None:
    ran = run("mathew2010", 25)
    first, plain = ran.arm == "lamotrigine", run(edited("mathew2010", _without_lamotrigine), 25)
    # Less glutamate is released, so ketamine does less.
    assert (ran.value("severity", 24.0)[first] > plain.value("severity", 24.0)[first]).mean() > 0.9
    np.testing.assert_array_equal(ran.value("severity", 24.0)[~first], plain.value("severity", 24.0)[~first])
    time = 3 * DAY
    respond = ran.there(time) & (ran.improvement(time) >= 0.5)
    same(ran.moved("responders"), respond)
    same(ran.ended("withdrawn", "no response to the infusion"), ran.there(time) & ~respond)
    after = ran.in_force(7 * DAY)[respond]
    assert set(after) == {"riluzole", "placebo"}


# --- 15: masking ---


def test_masking_changes_belief_only_and_biology_not_by_a_bit() -> None:
    def unmask(data: dict[str, Any]) -> None:
        for item in data["arms"]:
            item["masked"] = False

    masked, felt = run("lii2023", 8), run(edited("lii2023", unmask), 8)
    assert set(masked.found.values) == set(felt.found.values)
    for name in set(masked.found.values) - {"belief", "placebo"}:
        np.testing.assert_array_equal(masked.found.values[name], felt.found.values[name], err_msg=name)
    for name, peaks in masked.found.peaks.items():
        np.testing.assert_array_equal(peaks, felt.found.peaks[name], err_msg=name)
    np.testing.assert_allclose(masked.found.values["belief"], 0.5, rtol=0.0, atol=1e-12)
    drug = masked.arm == "ketamine"
    assert (felt.value("belief", DAY)[drug] > 0.6).mean() > 0.5
    assert (felt.value("belief", DAY)[~drug] < 0.5).all()
    assert np.abs(masked.score(DAY) - felt.score(DAY)).max() > 0.5


# --- 16: enrichment ---


def test_enrichment_randomises_only_the_well() -> None:
    ran = run("glue2024", 60, end_h=36 * DAY)
    time = 7 * DAY
    met = ran.there(time) & (ran.score(time) <= 12) & (ran.improvement(time) >= 0.5)
    same(ran.moved("responders"), met)
    same(ran.ended("withdrawn", "no response to the enrichment"), ran.there(time) & ~met)
    assert len(set(ran.in_force(14 * DAY)[met])) >= 4
    relapse = ran.ended("stopped", "relapse")
    for person in np.flatnonzero(relapse).tolist():
        assert ran.score(ran.found.progress.stopped_h[person])[person] >= 22


# --- 17: pain ---


def test_the_dose_follows_the_pain_and_toxicity_stops_it() -> None:
    ran = run("hardy2012", 25)
    fall = ran.score(24.0, "pain_nrs") - ran.found.scores["pain_nrs"][:, 0]
    toxic = ran.found.peaks["cadss"][:, ran.place(24.0)] >= 30
    due = ran.there(24.0) & ~toxic & (fall > -2)
    group = ran.arm == "ketamine_100"
    np.testing.assert_array_equal(ran.moved("ketamine_up_1"), due & group)
    np.testing.assert_array_equal(ran.moved("placebo_up_1"), due & ~group)
    assert fall[group].mean() < fall[~group].mean() - 0.1
    np.testing.assert_array_equal(ran.ended("stopped", "toxicity", 24.0), ran.there(24.0) & toxic)


def test_morphine_acts_on_pain_and_rescue_is_counted() -> None:
    ran = run("motov2015", 25)
    for minutes in (30, 60):
        time = minutes / 60.0
        due = np.isin(ran.in_force(time), ("ketamine", "morphine"))
        met = due & (ran.score(time, "pain_nrs") >= 5)
        np.testing.assert_array_equal(ran.moved("still_in_pain", time), met)
    assert len(ran.events("rescue")) == ran.moved("still_in_pain").sum() > 0
    morphine = ran.arm == "morphine"
    entry = ran.found.scores["pain_nrs"][:, 0]
    assert (ran.score(0.5, "pain_nrs") < entry)[morphine].all()
    # A dose half an hour after the first is a dose of its own.
    rescued = ran.moved("still_in_pain", 0.5)
    assert (ran.score(1.0, "pain_nrs") < ran.score(0.5, "pain_nrs") - 0.1)[rescued].all()


def test_people_of_a_study_of_pain_are_in_pain() -> None:
    acute, chronic = run("motov2015", 150, end_h=0.25), run("hardy2012", 150, end_h=12.0)
    for ran, mean, sd in ((acute, 8.6, 1.4), (chronic, 5.5, 1.5)):
        entry = ran.found.scores["pain_nrs"][:, 0]
        # A few in a thousand have no rest in the model, and are reported.
        entry = entry[~np.isnan(entry)]
        assert len(entry) > 290
        assert 0.0 < entry.min() < entry.max() < 10.0
        # The normal distribution that the file names is cut at the ends of the scale: by much near 10.
        assert mean - 0.45 < entry.mean() < mean + 0.3
        assert 0.6 * sd < entry.std() < 1.1 * sd
    assert np.nanmin(chronic.found.values["opioid_need"][:, 0]) > 0.0
    assert np.nanmax(acute.found.values["opioid_need"][:, 0]) == 0.0


# --- 18: a clinic ---


def test_a_clinic_raises_doses_misses_visits_and_loses_the_ill() -> None:
    def lose(data: dict[str, Any]) -> None:
        data["dropout"] = [{"id": "ill", "kind": "not_at_random", "rate_per_week": 0.25, "effect": 1.0}]
        data["assumed"] = []

    def keep(data: dict[str, Any]) -> None:
        data["dropout"], data["assumed"] = [], []

    lost, kept = (run(edited("mcintyre2020", edit), 120) for edit in (lose, keep))
    met = kept.improvement(7 * DAY, "qids_sr16") < 0.5
    met &= kept.found.peaks["cadss"][:, kept.place(7 * DAY)] < 30
    same(kept.moved("more"), met)
    # The score that nobody saw is that of the same people in a trial that nobody leaves.
    unseen, seen = [], []
    for event in lost.events("withdrawn"):
        place = lost.place(event.time_h)
        assert np.isnan(lost.found.scores["madrs"][event.person, place:]).all()
        assert np.isfinite(lost.found.scores["madrs"][event.person, :place]).all()
        unseen.append(kept.improvement(event.time_h)[event.person])
    for time in lost.times[1:]:
        seen += kept.improvement(float(time))[~np.isnan(lost.score(float(time)))].tolist()
    assert len(unseen) > 10
    assert np.mean(unseen) < np.mean(seen) - 0.1
    still = ~np.isnan(lost.score(72.0))
    np.testing.assert_array_equal(lost.score(72.0)[still], kept.score(72.0)[still])
    missed = [event for event in lost.tables.events.to_pylist() if event["kind"] == "missed_dose"]
    assert missed
    assert all(
        re.fullmatch(r"dose [234]", event["detail"]) for event in missed if event["treatment"] == "clinic"
    )


# --- the page ---

PAGE = (Path(__file__).parents[2] / "docs" / "trials.md").read_text(encoding="utf-8")


def test_the_page_names_all_designs_and_its_example_runs() -> None:
    rows = re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, 19))
    named = {name for _, cell in rows for name in re.findall(r"`(\w+)`", cell)}
    assert named <= set(shipped_studies())
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    found: dict[str, Any] = {}
    exec(block, found)  # noqa: S102 -- the example of the page itself
    assert len(found["result"].patients) == 16
    assert found["result"].recorded.matrix("madrs").values.shape == (16, 14)
