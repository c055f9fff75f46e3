"""A trial from entry to end: who else is there changes nothing, and what happens happens in its order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import yaml

from ketasim.errors import StudyError
from ketasim.model.chain import build_chain
from ketasim.model.cohort import Cohort, Rested, at_rest
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator
from ketasim.trials import Study, Trial
from ketasim.trials.conduct import biology
from ketasim.trials.conduct.march import Conducted, conduct
from ketasim.trials.conduct.recording import Tables, record
from ketasim.trials.study.catalogue import read_study_text

DAY = 24.0

#: A trial in which everything happens: strata, a window, escape, all kinds of drop-out, missed sessions.
BUSY = """
schema: 1
id: busy
title: Everything at once
citation: daly2018
species: human
population:
  condition: trd
  baseline: {scale: madrs, mean: 34, sd: 5}
  entry: ["madrs >= 28", "age <= 64"]
setting: {care: outpatient, control: saline, blinding: double_blind}
enrolment: {rate: 2}
randomisation: {block: 4, strata: ["madrs >= 34"]}
arms:
  - {id: drug, n: 10, regimen: "0.5 mg/kg ketamine iv over 40 min, twice weekly x 4 weeks"}
  - {id: saline, n: 10, regimen: "saline iv over 40 min, twice weekly x 4 weeks"}
  - {id: open, blinding: open_label, regimen: "0.5 mg/kg ketamine iv over 40 min, twice weekly x 2 weeks"}
visits: [2 h, {time: 3 d, window: 12 h}, 7 d, 14 d, 21 d, 28 d]
rules:
  - {id: escape, at: [14 d], arms: [drug, saline], when: ["madrs improvement < 20 %"], then: {rescue: open}}
  - {id: some, at: [7 d], when: ["cadss change >= 0", "chance 10 %"], then: {stop: by chance}}
dropout:
  - {id: lost, kind: completely_at_random, rate_per_week: 0.03}
  - {id: seen, kind: at_random, rate_per_week: 0.03, effect: 0.5}
  - {id: unseen, kind: not_at_random, rate_per_week: 0.03, effect: 0.5}
  - {id: lack, kind: lack_of_efficacy, rate_per_week: 0.05, improvement_below: 0.2, after: 7 d}
  - {id: harm, kind: adverse_event, rate_per_week: 0.01, leaves: treatment}
adherence: {missed: 0.1, person_sd: 1}
endpoints:
  - {quantity: madrs, statistic: change, time: 28 d}
  - {quantity: qids_sr16, statistic: change, time: 28 d}
"""


@cache
def simulator() -> Simulator:
    # Coarse, for speed: what must be equal is so to the bit.
    return Simulator(build_chain(), 1e-4)


def busy(edit: Callable[[dict[str, Any]], None] | None = None) -> Study:
    data = yaml.safe_load(BUSY)
    if edit is not None:
        edit(data)
    return Study.parse(yaml.safe_dump(data), "busy", tuple(simulator().chain.quantities))


def trial_of(study: Study, **options: Any) -> Trial:
    return Trial(study, simulator(), load_parameters(), **{"seed": 4, **options})


def run(
    study: Study, places: npt.ArrayLike | None = None, replicates: int = 1, **options: Any
) -> tuple[Conducted, Tables]:
    """Simulate some places of the replicates in a row, all if none are named."""
    trial = trial_of(study, **options)
    place = np.arange(trial.count * replicates) if places is None else np.asarray(places)
    found = conduct(trial, place // trial.count, place % trial.count + 1)
    return found, record(trial, found)


def sorted_frames(*tables: Tables) -> list[pd.DataFrame]:
    """The three tables of parts as plain frames in a fixed order of rows and columns."""
    frames = []
    keys = {
        "outcomes": ["replicate", "subject", "quantity", "statistic", "time_h"],
        "patients": ["replicate", "subject"],
        "events": ["replicate", "subject", "time_h", "kind", "detail"],
    }
    for kind, key in keys.items():
        parts = [getattr(table, kind).to_pandas() for table in tables]
        frame = pd.concat(
            [part.astype({c: str for c in part if part[c].dtype == "category"}) for part in parts]
        )
        frames.append(frame.sort_values(key, kind="stable").sort_index(axis=1).reset_index(drop=True))
    return frames


def identical(left: list[pd.DataFrame], right: list[pd.DataFrame]) -> None:
    for one, other in zip(left, right, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def shipped(name: str, turned: bool = False) -> Study:
    data = yaml.safe_load(read_study_text(name)[0])
    if turned:
        data["arms"] = data["arms"][::-1]
    return Study.parse(yaml.safe_dump(data), name)


def without_rules(data: dict[str, Any]) -> None:
    data["rules"], data["arms"] = [], data["arms"][:2]


def turn(data: dict[str, Any]) -> None:
    data["arms"] = data["arms"][::-1]


# --- who else is there ---


@pytest.mark.parametrize("size", [1, 5])
def test_the_size_of_a_chunk_changes_no_bit(size: int) -> None:
    whole = sorted_frames(run(busy(), replicates=2, subjects=3)[1])
    edges = [*range(0, 12, size), 12]
    parts = [run(busy(), np.arange(*edge), replicates=2, subjects=3)[1] for edge in pairwise(edges)]
    identical(sorted_frames(*parts), whole)


def test_the_order_of_the_people_changes_no_bit() -> None:
    whole = sorted_frames(run(busy(), subjects=8)[1])
    mixed = np.random.default_rng(1).permutation(16)
    identical(sorted_frames(run(busy(), mixed, subjects=8)[1]), whole)


def test_the_order_of_the_arms_in_the_file_changes_no_bit() -> None:
    identical(sorted_frames(run(busy(turn), subjects=8)[1]), sorted_frames(run(busy(), subjects=8)[1]))


@pytest.mark.parametrize("name", ["daly2018_two_periods", "zarate2006", "loo2023", "anand2023"])
def test_the_order_of_the_arms_of_shipped_designs_changes_no_bit(name: str) -> None:
    one, other = (run(shipped(name, turned), subjects=4, end_h=22 * DAY)[1] for turned in (False, True))
    identical(sorted_frames(other), sorted_frames(one))


def test_a_person_is_the_same_in_any_call() -> None:
    whole = sorted_frames(run(busy(), replicates=3, subjects=4)[1])
    alone = sorted_frames(run(busy(), [2 * 8 + 5], subjects=4)[1])
    for one, all_of_them in zip(alone, whole, strict=True):
        own = all_of_them[(all_of_them["replicate"] == 2) & (all_of_them["subject"] == 6)]
        pd.testing.assert_frame_equal(one, own.reset_index(drop=True), check_exact=True)


def test_replicates_and_seeds_are_other_people() -> None:
    frame = sorted_frames(run(busy(), replicates=2, subjects=4)[1])[1]
    first, second = (frame.loc[frame["replicate"] == r, "baseline"].to_numpy() for r in (0, 1))
    assert (first != second).all()
    other = sorted_frames(run(busy(), subjects=4, seed=5)[1])[1]["baseline"].to_numpy()
    assert (first != other).all()


def test_without_twins_the_same_people_are_seen() -> None:
    with_twin, without = (sorted_frames(run(busy(), subjects=5, with_twin=on)[1])[0] for on in (True, False))
    shared = with_twin[with_twin["quantity"] != "severity_without_drug"].reset_index(drop=True)
    pd.testing.assert_frame_equal(shared, without, check_exact=True)


def test_without_drug_severity_is_that_of_the_twin() -> None:
    found, _ = run(busy(without_rules), subjects=8)
    saline = found.enrolled.arm == 1
    severity, twin = found.values["severity"], found.values["severity_without_drug"]
    np.testing.assert_array_equal(severity[saline], twin[saline])
    seen = ~np.isnan(severity[~saline][:, 2])
    # People differ in how much the drug does: most are better by it, nobody is worse.
    gain = twin[~saline][seen, 2] - severity[~saline][seen, 2]
    assert (gain > -1e-6).all()
    assert (gain > 0.5).mean() > 0.5


# --- the order of what happens ---


@cache
def many() -> tuple[Conducted, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    found, tables = run(busy(), subjects=120)
    return found, *sorted_frames(tables)


def test_every_way_to_leave_and_every_kind_of_event_occurs() -> None:
    found, _, patients, events = many()
    assert {"lost", "seen", "unseen", "lack"} <= set(patients["left_reason"])
    assert {"harm", "by chance"} <= set(patients["stopped_reason"])
    assert set(events["kind"]) == {"rescue", "stopped", "withdrawn", "missed_dose", "adverse_event"}
    assert set(patients["status"]) <= {"completed", "withdrawn", "not simulated"}
    left, stayed = (patients["status"] == status for status in ("withdrawn", "completed"))
    assert left.any()
    assert patients.loc[left, "left_h"].notna().all()
    assert patients.loc[~left, "left_h"].isna().all()
    assert (patients.loc[stayed, "left_reason"] == "").all()
    # About one person in fifty has no stable rest (docs/calibration.md): of 240 five, hardly above eleven.
    nowhere = ~(left | stayed)
    assert nowhere.sum() <= 11
    assert patients.loc[nowhere, "left_reason"].str.contains("resting severity").all()
    assert len(found.progress) == 240


def test_nothing_happens_to_those_who_have_left() -> None:
    _, outcomes, patients, events = many()
    left = patients.set_index("subject")["left_h"].fillna(np.inf)
    assert (events["time_h"] <= events["subject"].map(left)).all()
    sessions = events[events["kind"] == "adverse_event"]
    assert (sessions["time_h"] < sessions["subject"].map(left)).all()
    score = outcomes[(outcomes["quantity"] == "madrs") & (outcomes["statistic"] == "score")]
    gone = score["time_h"] > score["subject"].map(left)
    assert gone.any()
    assert score.loc[gone, "value"].isna().all()
    assert score.loc[gone, "reason"].str.startswith("withdrawn: ").all()


def test_who_leaves_before_a_visit_is_not_seen_at_it_and_who_leaves_after_it_is() -> None:
    _, outcomes, patients, _ = many()
    score = outcomes[(outcomes["quantity"] == "madrs") & (outcomes["statistic"] == "score")]
    at = score.set_index(["subject", "time_h"])["value"]
    for reason, seen in (("lost", False), ("seen", False), ("unseen", False), ("lack", True)):
        own = patients[patients["left_reason"] == reason]
        assert len(own)
        for subject, time in zip(own["subject"], own["left_h"], strict=True):
            assert np.isfinite(at[subject, time]) == seen, reason


def test_who_leaves_treatment_is_rated_on_and_gets_nothing_more() -> None:
    found, outcomes, patients, events = many()
    stopped = patients[patients["stopped_h"].notna() & patients["left_h"].isna()]
    rescued = set(events.loc[events["kind"] == "rescue", "subject"])
    score = outcomes[(outcomes["quantity"] == "madrs") & (outcomes["statistic"] == "score")]
    harms = events[events["kind"] == "adverse_event"]
    looked_at = 0
    for subject, time in zip(stopped["subject"], stopped["stopped_h"], strict=True):
        if subject in rescued:
            continue
        looked_at += 1
        own = score[(score["subject"] == subject) & (score["time_h"] > time)]
        assert own["value"].notna().all()
        assert not ((harms["subject"] == subject) & (harms["time_h"] >= time)).any()
        path = found.progress.paths[subject - 1]
        assert path[-1].end_h == time
    assert looked_at > 3


def test_a_harm_that_has_not_happened_yet_makes_nobody_leave() -> None:
    def edit(data: dict[str, Any]) -> None:
        without_rules(data)
        del data["adherence"]
        # Certain to leave at the first visit after a harm.
        data["dropout"] = [{"id": "harm", "kind": "adverse_event", "rate_per_week": 1e6}]

    _, tables = run(busy(edit), subjects=30)
    _, patients, events = sorted_frames(tables)
    first = events[events["kind"] == "adverse_event"].groupby("subject")["time_h"].min()
    visits = np.array([2.0, 72.0, 168.0, 336.0, 504.0, 672.0])
    left = patients.set_index("subject")["left_h"]
    late = 0
    for subject, time in left.items():
        if np.isnan(time):
            assert subject not in first.index
            continue
        # The next visit after the session in which it happened.
        assert time == visits[np.searchsorted(visits, first[subject], side="right")]
        late += time > 2.0
    assert late >= 1


def test_missed_doses_are_not_given() -> None:
    found, _, _, events = many()
    trial = trial_of(busy(), subjects=120)
    missed = events[events["kind"] == "missed_dose"]
    assert len(missed) > 20
    for person, path in enumerate(found.progress.paths):
        own = missed[missed["subject"] == person + 1]
        for stay in path:
            doses = trial.study.arms[stay.arm].dosing.doses
            given = {stay.start_h + doses[i].start_h for i in range(len(doses)) if i not in stay.missed}
            assert {time for time in given if time < stay.end_h}.isdisjoint(own["time_h"])
            assert 0 not in stay.missed


def test_a_missed_dose_is_missed_by_the_body() -> None:
    def asked(data: dict[str, Any]) -> None:
        without_rules(data)
        data["dropout"] = []
        data["visits"] = ["2 h", "74 h", "28 d"]

    def all_taken(data: dict[str, Any]) -> None:
        asked(data)
        del data["adherence"]

    some, full = run(busy(asked), subjects=20)[0], run(busy(all_taken), subjects=20)[0]
    missed = np.array([1 in path[0].missed for path in some.progress.paths]) & (some.enrolled.arm == 0)
    complete = np.array([path[0].missed == () for path in some.progress.paths])
    assert missed.any()
    assert complete.any()
    # The second session is at 72 h; two hours later its peak is in the one and not in the other.
    peak = {name: part.peaks["cadss"][:, 2] for name, part in (("some", some), ("full", full))}
    assert (peak["some"][missed] < peak["full"][missed]).all()
    np.testing.assert_array_equal(some.values["severity"][complete], full.values["severity"][complete])


def test_conditions_may_ask_for_changes_of_what_the_model_holds() -> None:
    def edit(data: dict[str, Any]) -> None:
        data["dropout"] = []
        del data["adherence"]
        data["visits"] = [
            {"time": t, "quantities": ["madrs", "qids_sr16", "systolic_pressure"]}
            for t in ("40 min", "7 d", "28 d")
        ]
        without_rules(data)
        when = ["systolic_pressure change >= 10 since arm"]
        data["rules"] = [{"id": "pressure", "at": ["40 min"], "when": when, "then": {"stop": "pressure"}}]

    found, _ = run(busy(edit), subjects=10)
    pressure = found.values["systolic_pressure"]
    rise = pressure[:, 1] - pressure[:, 0] >= 10.0
    assert rise.any()
    assert not rise.all()
    np.testing.assert_array_equal(~np.isnan(found.progress.stopped_h), rise)


def test_people_are_rated_within_the_window_of_a_visit() -> None:
    def exact(data: dict[str, Any]) -> None:
        data["visits"][1] = "3 d"

    def plain(data: dict[str, Any]) -> None:
        without_rules(data)
        data["dropout"] = []

    def both(data: dict[str, Any]) -> None:
        plain(data)
        exact(data)

    spread, fixed = run(busy(plain), subjects=10)[0], run(busy(both), subjects=10)[0]
    for visit in (0, 1, 3, 4):
        np.testing.assert_array_equal(spread.scores["madrs"][:, visit], fixed.scores["madrs"][:, visit])
    assert (spread.values["severity"][:, 2] != fixed.values["severity"][:, 2]).all()
    saline = spread.enrolled.arm == 1
    twin = spread.values["severity_without_drug"]
    np.testing.assert_array_equal(spread.values["severity"][saline], twin[saline])


def test_whoever_has_no_rest_is_reported_whatever_the_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(own: Simulator, cohort: Cohort) -> Rested:
        found = at_rest(own, cohort)
        severe = np.flatnonzero(cohort.severity > 36.0).tolist()
        return replace(found, refused={**found.refused, **dict.fromkeys(severe, "too ill")})

    monkeypatch.setattr(biology, "at_rest", refusing)
    whole = sorted_frames(run(busy(), subjects=5)[1])
    outcomes, patients, events = whole
    failed = patients["severity_entry"] > 36.0
    assert 0 < failed.sum() < 10
    assert ((patients["status"] == "not simulated") == failed).all()
    assert (patients.loc[failed, "left_reason"] == "too ill").all()
    assert (patients.loc[failed, "guess"] == "").all()
    rows = outcomes[outcomes["subject"].isin(patients.loc[failed, "subject"])]
    assert rows["value"].isna().all()
    assert (rows["reason"] == "not simulated: too ill").all()
    assert not events["subject"].isin(patients.loc[failed, "subject"]).any()
    # A part without anybody to be seen has the same rows.
    order = np.argsort(~failed.to_numpy(), kind="stable")
    parts = [run(busy(), places, subjects=5)[1] for places in np.split(order, [int(failed.sum())])]
    identical(sorted_frames(*parts), whole)


# --- what cannot be ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": 0}, "subjects: 0 is not a number of patients"),
        ({"subjects": {"drug": 0}}, "subjects: drug: 0 is not a number of patients"),
        ({"subjects": {"dru": 3}}, "subjects: .*drug"),
        ({"end_h": 0.0}, "days: 0 d is not a length of time"),
        ({"hold": "beliefs"}, "hold: .*belief"),
        ({"hold": "biology", "with_twin": False}, "needs the patients with dose zero"),
    ],
)
def test_a_trial_refuses_what_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        _ = trial_of(busy(), **change).sizes


def test_stretches_end_where_something_may_change() -> None:
    trial = trial_of(busy())
    # Drop-out from treatment may act at every visit; without it only the rules' visits matter.
    assert [end for _, end in trial.stretches] == [2.0, 72.0, 168.0, 336.0, 504.0, 672.0]
    fewer = trial_of(busy(lambda data: data.update(dropout=data["dropout"][:4])))
    assert fewer.stretches == [(0.0, 168.0), (168.0, 336.0), (336.0, 672.0)]

    def nothing(data: dict[str, Any]) -> None:
        without_rules(data)
        data["dropout"] = []

    none = busy(nothing)
    assert trial_of(none, end_h=100.0).stretches == [(0.0, 100.0)]
