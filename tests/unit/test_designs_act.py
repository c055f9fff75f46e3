"""The designs of published trials, each from its shipped file: the rule that makes it special really acts."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import yaml

from ketasim.model.chain import build_chain
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator
from ketasim.trials import Study, Trial
from ketasim.trials.conduct.march import Conducted, conduct
from ketasim.trials.conduct.recording import Tables, record
from ketasim.trials.conduct.stays import Plans
from ketasim.trials.study.catalogue import read_study_text, shipped_studies

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

WEEK = 168.0
DAY = 24.0


@cache
def simulator() -> Simulator:
    # Coarse, for speed: rules compare scores, and what is compared bit by bit is coarse on both sides.
    return Simulator(build_chain(), 1e-4)


@dataclass(frozen=True)
class Ran:
    """A simulated trial, with what tests ask of it."""

    trial: Trial
    found: Conducted
    tables: Tables

    @property
    def times(self) -> FloatArray:
        return self.found.visits_h

    @property
    def arm(self) -> npt.NDArray[np.str_]:
        """The arm to which each was randomised."""
        names = np.array([arm.id for arm in self.trial.study.arms])
        return names[self.found.enrolled.arm]

    def place(self, time_h: float) -> int:
        (place,) = np.flatnonzero(np.isclose(self.times, time_h))
        return int(place)

    def score(self, time_h: float, scale: str = "madrs") -> FloatArray:
        return self.found.scores[scale][:, self.place(time_h)]

    def value(self, name: str, time_h: float) -> FloatArray:
        return self.found.values[name][:, self.place(time_h)]

    def improvement(self, time_h: float, scale: str = "madrs") -> FloatArray:
        entry = self.found.scores[scale][:, 0]
        return (entry - self.score(time_h, scale)) / entry

    def in_force(self, time_h: float) -> npt.NDArray[np.str_]:
        """The arm in which each is when he is rated at a visit."""
        names = np.array([arm.id for arm in self.trial.study.arms])
        return names[self.found.treatment[:, self.place(time_h)]]

    def there(self, time_h: float) -> BoolArray:
        """Who is seen at a visit and is not lost right after it."""
        left = self.found.progress.left_h
        gone = np.isin(np.arange(len(left)), [e.person for e in self.events("withdrawn", time_h)])
        lost = np.zeros(len(left), dtype=bool)
        drop = {item.id for item in self.trial.study.dropout}
        for event in self.events("withdrawn", time_h):
            lost[event.person] = event.detail in drop
        return ~np.isnan(self.found.scores[self.scale][:, self.place(time_h)]) & ~(gone & lost)

    def limit(self, rule: str, place: int = 0) -> float:
        """The number in a condition of a rule, as the file has it."""
        (found,) = (item for item in self.trial.study.rules if item.id == rule)
        return found.conditions[place].value

    @property
    def scale(self) -> str:
        return self.trial.study.population.baseline.scale

    def events(self, kind: str, time_h: float | None = None) -> list[Any]:
        return [
            event
            for event in self.found.progress.events
            if event.kind == kind and (time_h is None or np.isclose(event.time_h, time_h))
        ]

    def moved(self, rule: str, time_h: float | None = None) -> BoolArray:
        """Whom a rule led to another arm, at one visit or ever."""
        return self._members(lambda e: e.detail.endswith(f" by {rule}"), ("switch", "rescue"), time_h)

    def ended(self, kind: str, reason: str, time_h: float | None = None) -> BoolArray:
        """Who was stopped or withdrawn for a reason."""
        return self._members(lambda e: e.detail == reason, (kind,), time_h)

    def _members(
        self, wanted: Callable[[Any], bool], kinds: tuple[str, ...], time_h: float | None
    ) -> BoolArray:
        found = np.zeros(len(self.found.enrolled), dtype=bool)
        for kind in kinds:
            for event in self.events(kind, time_h):
                found[event.person] |= wanted(event)
        return found

    def doses(self, person: int) -> list[tuple[float, float]]:
        """Start and amount (as in the regimen's own unit) of all that a person is given."""
        trial = self.trial
        plans = Plans(trial.study.arms, trial.rating_times, trial.horizon, trial.scoring.visit_gap)
        regimen = plans.of(self.found.progress.paths[person]).regimen
        return [(dose.start_h, dose.amount) for dose in regimen.doses]

    @property
    def patients(self) -> pd.DataFrame:
        return self.tables.patients.to_pandas()


def edited(name: str, edit: Callable[[dict[str, Any]], None]) -> Study:
    """A shipped study with something changed; quantities of the model may be named at visits."""
    data = yaml.safe_load(read_study_text(name)[0])
    edit(data)
    return Study.parse(yaml.safe_dump(data), name, tuple(simulator().chain.quantities))


def run(study: str | Study, subjects: int | Mapping[str, int] | None = None, **options: Any) -> Ran:
    design = Study.load(study) if isinstance(study, str) else study
    options = {"seed": 1, "with_twin": False, **options}
    trial = Trial(design, simulator(), load_parameters(), subjects=subjects, **options)
    place = np.arange(trial.count, dtype=np.int64)
    found = conduct(trial, np.zeros_like(place), place + 1)
    return Ran(trial, found, record(trial, found))


def same(left: BoolArray, right: BoolArray) -> None:
    """Two groups of persons are the same, and neither nobody nor everybody."""
    assert left.any()
    assert not left.all()
    np.testing.assert_array_equal(left, right)


def arms(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {arm["id"]: arm for arm in data["arms"]}


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
    ill = ran.score(time, "caps5") >= ran.limit("to_ketamine")
    same(ran.moved("to_midazolam") | ran.moved("to_ketamine"), ill)
    same(ran.ended("stopped", "no longer ill enough for period 2"), ~ill)
    # Whoever is not treated again is rated to the end.
    assert not np.isnan(ran.score(21 * DAY)).any()


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


def test_rapamycin_acts_on_translation_and_naltrexone_on_nothing_of_the_path_to_mood() -> None:
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
    np.testing.assert_array_equal(on.value("severity", 24.0), off.value("severity", 24.0))


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
