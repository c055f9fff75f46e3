"""Designs 1 to 8 of published trials, each from its shipped file: the special rule really acts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.design_runs import DAY, arms, edited, run, same, simulator

from ketasim.model.parameters import load_parameters
from ketasim.trials import Study, Trial
from ketasim.trials.study.catalogue import shipped_studies

# --- all files ---


@pytest.mark.parametrize("name", shipped_studies())
def test_every_shipped_study_runs_from_its_file(name: str) -> None:
    ran = run(name, 2)
    patients, outcomes = ran.patients, ran.tables.outcomes.to_pandas()
    assert len(patients) == 2 * len(ran.trial.study.first_arms)
    assert (patients["status"] != "not simulated").any()
    # A value is there, or a reason why it is not.
    assert (outcomes["value"].isna() == (outcomes["reason"] != "")).all()
    scores = outcomes[(outcomes["statistic"] == "score") & (outcomes["quantity"] == ran.scale)]
    assert set(scores["time_h"]) == {0.0, *ran.trial.study.times_h}
    assert scores["value"].notna().any()


# --- 1: crossover ---


def _berman(first: str, switch_d: int) -> Study:
    """The crossover of Berman with another drug in the first period, and another day of the switch."""

    def edit(data: dict[str, Any]) -> None:
        for arm in data["arms"]:
            if arm["id"] == "ketamine_1":
                arm["regimen"] = first
        after = [switch_d + d for d in (1, 3)]
        data["visits"] = [
            {"time": f"{day} d", "quantities": ["severity", "madrs", "hamd25"]}
            for day in (1, 3, switch_d, *after)
        ]
        for rule in data["rules"]:
            rule["at"] = [f"{switch_d} d"]
        data["observations"], data["assumed"] = [], []

    return edited("berman2000", edit)


def test_carry_over_changes_the_second_period_and_a_long_washout_ends_it() -> None:
    differences = {}
    for switch_d in (7, 56):
        drug, placebo = (
            run(_berman(first, switch_d), 6)
            for first in ("0.5 mg/kg ketamine iv over 40 min", "saline iv over 40 min")
        )
        second = drug.arm == "ketamine_1"
        assert (drug.in_force((switch_d + 3) * DAY)[second] == "saline_2").all()
        at = (switch_d + 3) * DAY
        change = drug.value("severity", at) - placebo.value("severity", at)
        # The other order did not change: everybody there is the same person with the same drugs.
        np.testing.assert_array_equal(change[~second], 0.0)
        differences[switch_d] = float(np.nanmean(change[second]))
    assert differences[7] < -1.0
    assert abs(differences[56]) < 0.5 * abs(differences[7])


def test_the_second_period_asks_for_the_illness_to_be_back() -> None:
    ran = run("zarate2006", 60)
    first = {7: np.ones(120, dtype=bool), 14: np.zeros(120, dtype=bool)}
    first[14] = ~(ran.moved("to_saline", 7 * DAY) | ran.moved("to_ketamine", 7 * DAY))
    for day in (7, 14):
        time = day * DAY
        ill = ran.there(time) & first[day] & (ran.score(time, "hamd17") >= ran.limit("to_saline"))
        same(ran.moved("to_saline", time) | ran.moved("to_ketamine", time), ill)
    well = ran.there(14 * DAY) & first[14] & (ran.score(14 * DAY, "hamd17") < ran.limit("to_saline"))
    same(ran.ended("withdrawn", "not ill enough for period 2", 14 * DAY), well)
    # More people are well a week after ketamine than after saline.
    assert (ran.arm[well] == "ketamine_1").sum() > (ran.arm[well] == "saline_1").sum()
    between = ran.ended("withdrawn", "between_periods")
    assert between.any()
    assert not (between & well).any()


def test_a_scale_of_another_illness_decides_on_the_second_period() -> None:
    ran = run("feder2014", 25)
    time = 14 * DAY
    score, limit = ran.score(time, "caps5"), ran.limit("to_ketamine")
    same(ran.moved("to_midazolam") | ran.moved("to_ketamine"), score >= limit)
    same(ran.ended("stopped", "no longer ill enough for period 2"), score < limit)
    # Whoever is not treated again is rated to the end. Who has no stable rest (one in fifty) is never rated.
    seen = (ran.patients["status"] != "not simulated").to_numpy()
    assert seen.mean() > 0.9
    np.testing.assert_array_equal(~np.isnan(score), seen)
    np.testing.assert_array_equal(~np.isnan(ran.score(21 * DAY)), seen)


# --- 2: parallel, unequal, active control ---


@pytest.mark.parametrize("name", ["murrough2013", "fava2020", "daly2018"])
def test_unequal_allocation_is_exact(name: str) -> None:
    ran = run(name, end_h=2 * DAY)
    sizes = {arm.id: arm.n for arm in ran.trial.study.arms}
    assert len(set(sizes.values())) > 1
    assert ran.patients["arm"].astype(str).value_counts().to_dict() == sizes


def test_an_active_control_is_felt() -> None:
    def silence(data: dict[str, Any]) -> None:
        arms(data)["midazolam"]["regimen"] = "saline iv over 40 min"

    sizes = {"ketamine": 10, "midazolam": 10}
    ran, silent = run("murrough2013", sizes), run(edited("murrough2013", silence), sizes)
    felt = ran.found.peaks["felt_effect"][:, ran.place(24.0)]
    control = ran.arm == "midazolam"
    quiet = silent.found.peaks["felt_effect"][:, silent.place(24.0)]
    assert felt[control].mean() > quiet[control].mean() + 0.05
    assert felt[~control].mean() > felt[control].mean()
    assert ran.value("belief", 24.0)[control].mean() > silent.value("belief", 24.0)[control].mean()


# --- 3: randomised again ---


def test_placebo_patients_who_are_still_ill_are_randomised_again_by_severity() -> None:
    ran = run(
        "daly2018_two_periods", {"placebo": 60, "esketamine_28": 4, "esketamine_56": 4, "esketamine_84": 4}
    )
    time = 7 * DAY
    placebo = (ran.arm == "placebo") & ran.there(time)
    ill = ran.score(time) >= ran.limit("again")
    same(ran.moved("again", time), placebo & ill)
    assert (ran.moved("placebo_goes_on", time) == (placebo & ~ill)).all()
    after = ran.in_force(8 * DAY)
    doses = {"placebo_2", "esketamine_28_2", "esketamine_56_2", "esketamine_84_2"}
    for severe in (True, False):
        group = placebo & ill & ((ran.score(time) >= 28) == severe)
        assert set(after[group]) <= doses
        assert len(set(after[group])) >= 3
    treated = ran.there(time) & (ran.arm == "esketamine_56")
    assert set(after[treated]) == {"stay_56"}


def test_delayed_start_concerns_only_those_on_placebo_who_did_not_respond() -> None:
    ran = run("singh2016a", 20)
    time = 3 * DAY
    responder, there = ran.improvement(time) >= 0.5, ran.there(time)
    same(ran.moved("placebo_rest"), there & (ran.arm == "placebo") & ~responder)
    low = ran.arm == "esketamine_0_2"
    after = ran.in_force(74.0)
    assert set(after[low & there & ~responder]) == {"from_0_2_to_0_4"}
    assert set(after[low & there & responder]) == {"again_0_2"}
    assert set(after[ran.moved("placebo_rest")]) == {"from_placebo_0_2", "from_placebo_0_4"}


# --- 4: early escape ---


def test_early_escape_moves_exactly_those_who_meet_its_condition() -> None:
    ran = run("singh2016b", 20)
    double_blind = ("ketamine_2x", "saline_2x", "ketamine_3x", "saline_3x")
    for day in (14, 21, 28):
        time = day * DAY
        due = ran.there(time) & np.isin(ran.in_force(time), double_blind)
        met = due & (ran.improvement(time) < ran.limit("escape_2x"))
        moved = ran.moved("escape_2x", time) | ran.moved("escape_3x", time)
        np.testing.assert_array_equal(moved, met)
    escaped = ran.moved("escape_2x") | ran.moved("escape_3x")
    saline = np.char.startswith(ran.arm, "saline")
    assert escaped[saline].sum() > escaped[~saline].sum()
    # As often as before, and openly.
    last = ran.in_force(42 * DAY)
    assert set(last[escaped & np.char.endswith(ran.arm, "2x")]) == {"open_2x"}
    now = escaped & ran.there(42 * DAY)
    np.testing.assert_array_equal(ran.value("belief", 42 * DAY)[now], 1.0)
    # Each is counted once, as rescue.
    rescues = [event.person for event in ran.events("rescue")]
    assert len(rescues) == len(set(rescues)) == escaped.sum()
    assert not ran.events("switch")


# --- 5: chained phases ---


def test_a_course_that_relapse_triggers_comes_only_after_relapse() -> None:
    ran = run("phillips2019", 25)
    begun = np.full(50, np.nan)
    for day in (14, 21, 28, 35):
        time = day * DAY
        waiting = np.isin(ran.in_force(time), ("ketamine_2", "midazolam_2"))
        met = ran.there(time) & waiting & (ran.improvement(time) < ran.limit("relapsed"))
        moved = ran.moved("relapsed", time)
        np.testing.assert_array_equal(moved, met)
        begun[moved] = time
    assert len(set(begun[~np.isnan(begun)])) > 1
    never = np.isnan(begun)
    assert never.any()
    assert not np.isin(ran.in_force(77 * DAY)[never], ("course", "maintenance")).any()
    for time in set(begun[~never]):
        member, end = begun == time, time + 14 * DAY
        respond = ran.improvement(end) >= 0.5
        np.testing.assert_array_equal(ran.moved("responders_go_on", end)[member], respond[member])
        stopped = ran.ended("stopped", "no response to the course", end)
        np.testing.assert_array_equal(stopped[member], ~respond[member])


# --- 6: amendment and titration ---


def test_an_amendment_changes_the_ratio_and_the_dose_rises_only_without_improvement() -> None:
    ran = run("loo2023")
    patients = ran.patients
    early = patients["subject"] <= 68
    for part, cohort, size in ((early, "fixed", 34), (~early, "guided", 53)):
        counts = patients.loc[part, "arm"].astype(str).value_counts().to_dict()
        assert counts == {f"{cohort}_ketamine": size, f"{cohort}_midazolam": size}
    assert (np.diff(patients["enrolled_h"]) >= 0.0).all()
    steps = [
        (7, "guided_ketamine", "ketamine_up_1", 0.6),
        (14, "ketamine_0_6", "ketamine_up_2", 0.75),
        (21, "ketamine_0_75", "ketamine_up_3", 0.9),
    ]
    for day, source, rule, dose in steps:
        time = day * DAY
        met = ran.there(time) & (ran.in_force(time) == source) & (ran.improvement(time) < 0.5)
        same(ran.moved(rule), met)
        person = int(np.flatnonzero(met)[0])
        given = dict(ran.doses(person))
        assert given[time] == pytest.approx(dose)
    fixed = np.char.startswith(ran.arm, "fixed")
    assert not any(ran.moved(rule)[fixed].any() for _, _, rule, _ in steps)


def test_stages_keep_their_shares_in_a_smaller_trial() -> None:
    trial = Trial(Study.load("loo2023"), simulator(), load_parameters(), subjects=5)
    names = np.array([arm.id for arm in trial.study.arms])[trial.roll(0).arm]
    fixed = np.char.startswith(names, "fixed")
    # 68 of 174 are in the first stage, as are 8 of 20.
    assert fixed.sum() == 8
    assert fixed[:8].all()


# --- 7: lead-in ---


def test_only_those_whom_the_lead_in_did_not_help_are_randomised() -> None:
    def edit(data: dict[str, Any]) -> None:
        data["visits"] = [
            {"time": time, "quantities": ["madrs", "antidepressant_drive"]} for time in data["visits"]
        ]

    ran = run(edited("popova2019", edit), 60)
    time = 28 * DAY
    met = ran.there(time) & (ran.improvement(time) <= ran.limit("no_response"))
    met &= ran.score(time) >= ran.limit("no_response", 1)
    same(ran.moved("no_response"), met)
    same(ran.ended("withdrawn", "helped by the lead-in"), ran.there(time) & ~met)
    started = ran.in_force(29 * DAY)[met]
    assert abs((started == "esketamine").sum() - (started == "placebo").sum()) <= 12
    # The new oral drug starts with the spray, in both arms, on a clock of its own.
    drive = [ran.value("antidepressant_drive", day * DAY)[met] for day in (14, 28, 35, 55)]
    np.testing.assert_array_equal(drive[0], 0.0)
    np.testing.assert_array_equal(drive[1], 0.0)
    there = ran.there(55 * DAY)[met]
    assert (drive[3][there] > drive[2][there]).all()
    assert (drive[2][ran.there(35 * DAY)[met]] > 0.0).all()
    # The dose rises by the improvement since that randomisation.
    after = 31 * DAY
    since = (ran.score(time) - ran.score(after)) / ran.score(time)
    due = ran.there(after) & (ran.in_force(after) == "esketamine")
    same(ran.moved("more"), due & (since < 0.5))


# --- 8: elderly, sample size looked at again ---


def test_entry_rules_choose_the_elderly_and_their_dose_follows_the_score() -> None:
    ran = run("ochsross2020", 20)
    patients = ran.patients
    assert (patients["age"] >= 65).all()
    assert (patients["screened"] > 1).any()
    same((patients["stratum"] == "1").to_numpy(), (patients["age"] >= 75).to_numpy())
    for stratum, own in patients.groupby("stratum"):
        blocks = (own["arm"] == "esketamine").to_numpy()[: 4 * (len(own) // 4)].reshape(-1, 4)
        assert (blocks.sum(axis=1) == 2).all(), stratum
    first = ran.there(72.0) & (ran.arm == "esketamine") & (ran.improvement(72.0) < 0.5)
    same(ran.moved("to_56"), first)
    look = ran.trial.study.monitoring[0]
    assert (look.kind, look.at) == ("sample_size_reestimation", 50)
