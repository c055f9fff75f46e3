"""Planned analyses of times to an event, of two phases, and with looks before the end."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from tests.unit.analyses_fakes import Fake, fake, study

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import ancova
from ketasim.trials.analysis.crossover import crossover
from ketasim.trials.analysis.hazards import hazard_ratio
from ketasim.trials.analysis.reestimation import reestimate_size, weighted_estimate
from ketasim.trials.analysis.sequential import conditional_power, spending_boundaries
from ketasim.trials.analysis.sequential_parallel import sequential_parallel
from ketasim.trials.analysis.survival import kaplan_meier, log_rank
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.study import Study
from ketasim.trials.study.template import new_study_text

SAME = 1e-9
PAIR = "quantity: madrs, time: 14 d, arm: ketamine, comparator: midazolam"
EVENT = 'event: ["madrs >= 22"]'

#: Two periods of a week: those on ketamine go on with midazolam, and the other way round.
CROSSED = (
    new_study_text("small")
    .replace("    n: 20                          # patients\n", "    n: 20\n    phase: one\n")
    .replace(
        "    n: 20\n    regimen: 0.045",
        "    n: 20\n    phase: one\n    regimen: 0.045",
    )
    .replace(
        "visits:",
        """  - {id: ketamine_2, phase: two, regimen: 0.5 mg/kg ketamine iv over 40 min}
  - {id: midazolam_2, phase: two, regimen: 0.045 mg/kg midazolam iv over 40 min}

rules:
  - {id: to_midazolam, at: [7 d], arms: [ketamine], then: {switch: midazolam_2}}
  - {id: to_ketamine, at: [7 d], arms: [midazolam], then: {switch: ketamine_2}}

visits:""",
        1,
    )
)


def run(data: Fake, plan: Study) -> pd.DataFrame:
    return analyse(data.recorded, data.patients, data.events, plan)


def one(data: Fake, analysis: str) -> pd.Series:
    return run(data, study(f"analyses: [{{id: a, {analysis}}}]")).iloc[0]


def group_of(data: Fake) -> np.ndarray:
    return (data.arm == "ketamine").astype(int)


def courses(rows: list[list[float]], arms: str) -> Fake:
    """Persons with scores at entry, 2 h, 24 h, 7 d and 14 d; k and m are the arms."""
    data = fake(n=len(rows))
    data.values = np.array(rows, dtype=float)
    data.arm = np.array([{"k": "ketamine", "m": "midazolam"}[letter] for letter in arms], dtype=object)
    data.treatment = np.repeat(data.arm[:, None], 5, axis=1)
    data.patients = data.patients.assign(arm=data.arm)
    return data


NAN = math.nan
#: First visit at 22 or above: 24 h; none, seen to 14 d; 7 d; none, seen to 24 h; 2 h; 14 d.
SIX = [
    [30, 20, 22, 10, 10],
    [30, 20, 20, 10, 10],
    [30, 10, 10, 25, 25],
    [30, 10, 10, NAN, NAN],
    [30, 25, 10, 30, 30],
    [30, 10, NAN, 10, 30],
]
TIMES = np.array([24.0, 336.0, 168.0, 24.0, 2.0, 336.0])
EVENTS = np.array([1, 0, 1, 0, 1, 1])
GROUP = np.array([1, 1, 1, 0, 0, 0])


def test_log_rank_and_cox_are_of_the_first_visit_with_the_event() -> None:
    data = courses(SIX, "kkkmmm")
    row = one(data, f"method: logrank, {PAIR}, {EVENT}")
    test = log_rank(TIMES, EVENTS, GROUP)
    assert row["statistic"] == pytest.approx(test.z, rel=SAME)
    assert row["p"] == pytest.approx(test.p, rel=SAME)
    assert row["note"].startswith("2 events of 3, median 7 d against 2 events of 3")
    gap = test.observed[1] - test.expected[1]
    assert row["estimate"] == pytest.approx(math.exp(gap / (gap**2 / test.chi2)), rel=SAME)
    cox = one(data, f"method: cox, {PAIR}, {EVENT}, covariates: []")
    assert cox["estimate"] == pytest.approx(hazard_ratio(TIMES, EVENTS, GROUP).value, rel=1e-6)
    assert cox["effect_measure"] == "hazard ratio"


def test_one_side_is_a_curve() -> None:
    data = courses(SIX, "kkkkkk")
    row = one(data, f"method: logrank, quantity: madrs, time: 14 d, arm: ketamine, {EVENT}")
    curve = kaplan_meier(TIMES, EVENTS)
    assert row["estimate"] == pytest.approx(1.0 - curve.survival[-1], rel=SAME)
    early = one(data, f"method: logrank, quantity: madrs, time: 7 d, arm: ketamine, {EVENT}")
    assert early["estimate"] == pytest.approx(1.0 - curve.at(168.0), rel=SAME)
    # Who has the event later has not had it by then.
    assert early["note"].startswith("3 events of 6")


def test_visits_in_a_row_count_from_the_first_and_a_missed_one_does_not_break_them() -> None:
    data = courses(
        [
            [30, 25, 25, 10, 10],
            [30, 25, NAN, 25, 10],
            [30, 25, 10, 25, 25],
            [30, 25, 10, 10, 25],
        ],
        "kkkk",
    )
    text = f"method: logrank, quantity: madrs, time: 14 d, arm: ketamine, {EVENT}, consecutive: 2"
    row = one(data, text)
    curve = kaplan_meier([2.0, 2.0, 168.0, 336.0], [1, 1, 1, 0])
    assert row["estimate"] == pytest.approx(1.0 - curve.survival[-1], rel=SAME)


def test_any_condition_of_any_kind_is_the_event() -> None:
    data = courses(SIX, "kkkkkk")
    data.patients["age"] = [70.0, 70.0, 40.0, 40.0, 40.0, 40.0]

    def share(event: str) -> float:
        text = f"method: logrank, quantity: madrs, time: 14 d, arm: ketamine, event: {event}"
        found = one(data, text)
        return int(found["note"].split(" ")[0])

    assert share('["madrs >= 22"]') == 4
    # Half of 30 or less is a response: all but the second person reach 15, he at 7 d.
    assert share('["responder"]') == 6
    assert share('["madrs improvement < 20 %"]') == 3
    assert share('["age >= 65"]') == 2
    assert share('["age >= 65", "madrs >= 22"]') == 5
    with pytest.raises(StudyError, match="what people were given"):
        share('["doses >= 2"]')


def test_estimands_of_times() -> None:
    data = courses(SIX, "kkkmmm")
    # The third is rescued after 24 h, before his event; the second after 7 d.
    data.happen(2, 24.0, "rescue").happen(1, 168.0, "rescue")

    def found(estimand: str) -> float:
        row = one(data, f"method: logrank, {PAIR}, {EVENT}, estimand: {estimand}, intercurrent: [rescue]")
        return float(row["p"])

    def by_hand(times: list[float], events: list[int]) -> float:
        return log_rank([24.0, *times, *TIMES[3:]], [1, *events, *EVENTS[3:]], GROUP).p

    assert found("treatment_policy") == pytest.approx(log_rank(TIMES, EVENTS, GROUP).p, rel=SAME)
    assert found("hypothetical") == pytest.approx(by_hand([168.0, 24.0], [0, 0]), rel=SAME)
    assert found("while_on_treatment") == found("hypothetical")
    assert found("composite") == pytest.approx(by_hand([168.0, 24.0], [1, 1]), rel=SAME)


def test_a_phase_begins_when_its_arm_is_entered() -> None:
    plan = study(
        "analyses: [{id: a, method: ancova, quantity: madrs, time: 7 d, origin: two, arm: ketamine_2, "
        "comparator: midazolam_2}, {id: t, method: logrank, quantity: madrs, time: 7 d, origin: two, "
        f"arm: ketamine_2, comparator: midazolam_2, {EVENT}}}]",
        base=CROSSED,
    )
    data = crossed()
    # One never entered the second phase.
    data.treatment[0, 4] = "ketamine"
    found = run(data, plan).set_index("analysis")
    inside = np.arange(len(data.arm)) > 0
    change = (data.values[:, 4] - data.values[:, 3])[inside]
    group = (data.arm == "midazolam").astype(int)[inside]
    want = ancova(change, group, data.values[inside, 3]).differences[0]
    assert found.loc["a", "estimate"] == pytest.approx(want.value, rel=SAME)
    assert found.loc["a", "p"] == pytest.approx(want.p, rel=SAME)
    assert (found.loc["a", "n"], found.loc["a", "n_comparator"]) == (group.sum(), (1 - group).sum())
    event = data.values[inside, 4] >= 22.0
    assert found.loc["t", "p"] == pytest.approx(log_rank(np.full(39, 168.0), event, group).p, rel=SAME)


def crossed(carried: float = 0.0) -> Fake:
    """Forty persons who cross over after a week; ketamine takes 8 points, of which some stay."""
    data = fake(effect=0.0, seed=3)
    first = data.arm == "ketamine"
    data.values[first, 1:4] -= 8.0
    data.values[~first, 4] -= 8.0
    data.values[first, 4] -= carried
    second = np.where(first, "midazolam_2", "ketamine_2").astype(object)
    data.treatment[:, 4] = second
    for person in range(40):
        data.happen(person, 168.0, "switch", str(second[person]))
    return data


CROSSOVER = (
    "analyses: [{id: a, method: crossover, quantity: madrs, time: 7 d, covariates: [COVARIATES], "
    "arm: ketamine + ketamine_2, comparator: midazolam + midazolam_2}]"
)


def test_crossover_takes_both_periods_from_entering_each() -> None:
    data = crossed()
    first = (data.arm == "ketamine").astype(int)
    changes = np.stack([data.values[:, 3] - data.values[:, 0], data.values[:, 4] - data.values[:, 3]], axis=1)
    scores = data.values[:, [3, 4]]
    for covariates, values in (("baseline", changes), ("", scores)):
        plan = study(CROSSOVER.replace("COVARIATES", covariates), base=CROSSED)
        found = run(data, plan).set_index("analysis")
        want = crossover(values, first)
        for name in ("treatment", "period", "carry_over", "first_period"):
            row = found.loc["a" if name == "treatment" else f"a/{name}"]
            assert row["estimate"] == pytest.approx(getattr(want, name).value, rel=SAME)
            assert row["p"] == pytest.approx(getattr(want, name).p, rel=SAME)


def test_crossover_sees_and_tells_carry_over() -> None:
    plan = study(CROSSOVER.replace("COVARIATES", ""), base=CROSSED)
    clean, carried = (run(crossed(points), plan).set_index("analysis") for points in (0.0, 12.0))
    moved = carried.loc["a", "estimate"] - clean.loc["a", "estimate"]
    # Carry-over of c points in the second period biases the effect by c / 2 towards none.
    assert moved == pytest.approx(6.0, rel=SAME)
    assert carried.loc["a/carry_over", "p"] < 0.01
    assert "may still act" in carried.loc["a", "note"]
    assert carried.loc["a/first_period", "estimate"] == clean.loc["a/first_period", "estimate"]


def test_sequential_parallel_is_for_the_comparators_non_responders() -> None:
    rng = np.random.default_rng(2)
    data = fake(n=60, seed=4)
    placebo = np.flatnonzero(data.arm == "midazolam")
    again = placebo[rng.random(len(placebo)) < 0.7]
    drug = again[: len(again) // 2]
    data.treatment[again, 4] = "midazolam_2"
    data.treatment[drug, 4] = "ketamine_2"
    plan = study(
        "analyses: [{id: a, method: sequential_parallel, quantity: madrs, time: 7 d, weight: 0.6, "
        "arm: ketamine + ketamine_2, comparator: midazolam + midazolam_2}]",
        base=CROSSED,
    )
    found = run(data, plan).set_index("analysis")
    y1 = data.values[:, 3] - data.values[:, 0]
    y2 = np.full(60, np.nan)
    y2[again] = (data.values[:, 4] - data.values[:, 3])[again]
    second = np.zeros(60, dtype=int)
    second[drug] = 1
    want = sequential_parallel(
        y1,
        (data.arm == "ketamine").astype(int),
        y2,
        second,
        weight=0.6,
        covariates1=data.values[:, :1],
        covariates2=data.values[:, 3:4],
    )
    for name, estimate in (("a", want.pooled), ("a/stage1", want.stage1), ("a/stage2", want.stage2)):
        assert found.loc[name, "estimate"] == pytest.approx(estimate.value, rel=SAME)
        assert found.loc[name, "p"] == pytest.approx(estimate.p, rel=SAME)
    assert (found.loc["a/stage2", "n"], found.loc["a/stage2", "n_comparator"]) == (
        len(drug),
        len(again) - len(drug),
    )


def looked(data: Fake, look: str, analysis: str = f"method: ancova, {PAIR}") -> pd.DataFrame:
    plan = study(f"analyses: [{{id: a, {analysis}}}]\nmonitoring: [{{id: look, analysis: a, {look}}}]")
    return run(data, plan).set_index(["replicate", "analysis"])


def by_hand(data: Fake, rows: np.ndarray) -> object:
    change = data.values[rows, -1] - data.values[rows, 0]
    return ancova(change, group_of(data)[rows], data.values[rows, 0]).differences[0]


def test_a_look_is_at_the_first_who_have_a_result() -> None:
    data = fake(effect=-3.0)
    data.withdraw(3, 24.0)
    found = looked(data, "kind: efficacy, at: 20, spending: obrien_fleming")
    # The fourth has no result, so that the first 20 with one end with number 21.
    early, late = by_hand(data, np.arange(21)), by_hand(data, np.arange(40))
    assert found.loc[(0, "a/look"), "p"] == pytest.approx(early.p, rel=SAME)
    limits = spending_boundaries([20 / 39, 1.0], "obrien_fleming")
    crossed = -ndtri(early.p / 2.0) >= limits.critical[0]
    assert found.loc[(0, "a/look"), "rejected"] == crossed
    assert not crossed
    assert found.loc[(0, "a"), "estimate"] == pytest.approx(late.value, rel=SAME)
    assert found.loc[(0, "a"), "rejected"] == (-ndtri(late.p / 2.0) >= limits.critical[1])


def test_enrolment_and_not_number_orders_a_look() -> None:
    data = fake(effect=-3.0)
    data.patients["enrolled_h"] = data.patients["enrolled_h"].to_numpy()[::-1]
    found = looked(data, "kind: efficacy, at: 20, spending: pocock")
    assert found.loc[(0, "a/look"), "p"] == pytest.approx(by_hand(data, np.arange(20, 40)).p, rel=SAME)


def test_a_trial_that_stops_early_concludes_what_the_look_saw() -> None:
    data = fake(effect=-15.0)
    found = looked(data, "kind: efficacy, at: 20, spending: pocock")
    early = by_hand(data, np.arange(20))
    assert found.loc[(0, "a"), "estimate"] == pytest.approx(early.value, rel=SAME)
    assert found.loc[(0, "a"), "rejected"]
    assert "stopped at look look" in found.loc[(0, "a"), "note"]
    # Nothing was spent before the first look, so that its p value is the plain one.
    assert found.loc[(0, "a"), "p_adjusted"] == pytest.approx(early.p, rel=1e-6)


def test_looks_keep_the_error_of_the_trial() -> None:
    data = fake(1000, 24, effect=0.0, seed=11)
    found = looked(data, "kind: efficacy, at: 12, spending: pocock").xs("a", level="analysis")
    # Normal boundaries for t statistics of 12 and 24 persons err a little more; four binomial errors beside.
    assert abs(found["rejected"].mean() - 0.05) < 0.012 + 4.0 * math.sqrt(0.05 * 0.95 / 1000)
    assert found["note"].str.contains("stopped").mean() > 0.01
    agree = found["rejected"] == (found["p_adjusted"] <= 0.05)
    assert agree.all()


def test_futility_stops_a_drug_that_does_nothing() -> None:
    data = fake(200, 24, effect=0.0, seed=12)
    found = looked(data, "kind: futility, at: 12, power: 0.3").xs("a", level="analysis")
    stopped = found["note"].str.contains("futile")
    # Conditional power under the trend is below 0.3 if z is below about 1.0: in five of six null trials.
    assert 0.7 < stopped.mean() < 0.95
    assert not found.loc[stopped, "rejected"].any()
    look = looked(data, "kind: futility, at: 12, power: 0.3").xs("a/look", level="analysis")
    z = -np.sign(look["statistic"]) * -ndtri(look["p"] / 2.0)
    chance = conditional_power(z.to_numpy(float), np.full(len(z), 0.5), ndtri(0.975))
    np.testing.assert_array_equal(chance < 0.3, stopped)


def test_the_size_is_raised_and_stages_are_combined_as_planned() -> None:
    data = fake(n=80, effect=-4.0, seed=3)
    found = looked(data, "kind: sample_size_reestimation, at: 20, maximum: 80, power: 0.9")
    first = by_hand(data, np.arange(20))
    z = -math.copysign(-ndtri(first.p / 2.0), first.statistic)
    size = math.ceil(reestimate_size(z, 20, 40, 80, power=0.9))
    assert 40 < size < 80
    second = by_hand(data, np.arange(20, size))
    want = weighted_estimate((first.value, first.se), (second.value, second.se), 0.5)
    assert found.loc[(0, "a"), "estimate"] == pytest.approx(want.value, rel=SAME)
    assert found.loc[(0, "a"), "p"] == pytest.approx(want.p, rel=SAME)
    assert found.loc[(0, "a"), "n"] + found.loc[(0, "a"), "n_comparator"] == size
    small = fake(n=40, effect=-4.0, seed=3)
    small.values[:] = data.values[:40]
    told = looked(small, "kind: sample_size_reestimation, at: 20, maximum: 80, power: 0.9")
    assert "of whom 40 were simulated" in told.loc[(0, "a"), "note"]


def test_a_trial_of_events_ends_with_the_last_one_it_needs() -> None:
    data = courses(SIX, "kkkmmm")
    data.patients["enrolled_h"] = [0.0, 0.0, 0.0, 0.0, 1000.0, 30.0]
    found = looked(data, "kind: events, at: 2", f"method: logrank, {PAIR}, {EVENT}")
    # Events at 24 h, at 168 h, at 30 + 336 h and at 1000 + 2 h: the trial ends at 168 h.
    times, events = [24.0, 168.0, 168.0, 24.0, 2.0], [1, 0, 1, 0, 0]
    want = log_rank(times, events, [1, 1, 1, 0, 0])
    assert found.loc[(0, "a"), "p"] == pytest.approx(want.p, rel=SAME)
    assert (found.loc[(0, "a"), "n"], found.loc[(0, "a"), "n_comparator"]) == (3, 2)
    assert "ended with event 2, 7 d after" in found.loc[(0, "a"), "note"]
    never = looked(data, "kind: events, at: 6", f"method: logrank, {PAIR}, {EVENT}")
    assert "fewer than 6 events" in never.loc[(0, "a"), "note"]
    early = looked(data, "kind: efficacy, at: 1, spending: pocock", f"method: logrank, {PAIR}, {EVENT}").loc[
        (0, "a/look")
    ]
    assert early["note"].startswith("1 events of 3")
