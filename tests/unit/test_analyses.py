"""Planned analyses: each method gives what it gives by itself, and each estimand changes what it should."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from tests.unit.analyses_fakes import Fake, fake, study

from ketasim.errors import StudyError
from ketasim.trials.analysis.ancova import ancova
from ketasim.trials.analysis.binary import risk_difference
from ketasim.trials.analysis.binary_adjusted import cochran_mantel_haenszel, standardised_difference
from ketasim.trials.analysis.conditional_mean import imputed_difference
from ketasim.trials.analysis.dunnett import dunnett
from ketasim.trials.analysis.mmrm import fit_mmrm
from ketasim.trials.analysis.multiplicity import hochberg
from ketasim.trials.analysis.non_inferiority import non_inferior_rates
from ketasim.trials.analysis.nonparametric import linear_trend, rank_ancova
from ketasim.trials.planned.analyse import analyse
from ketasim.trials.runs.columns import ANALYSES
from ketasim.trials.study.template import new_study_text

#: Two computations of the same formula differ by rounding only.
SAME = 1e-9
PAIR = "quantity: madrs, time: 14 d, arm: ketamine, comparator: midazolam"


def run(data: Fake, plan: str, **more: object) -> pd.DataFrame:
    own = study(plan) if isinstance(plan, str) else plan
    return analyse(data.recorded, data.patients, data.events, own, **more)  # type: ignore[arg-type]


def one(data: Fake, analysis: str) -> pd.Series:
    found = run(data, f"analyses: [{{id: a, {analysis}}}]")
    assert tuple(found.columns) == ANALYSES
    return found[found["analysis"] == "a"].iloc[0]


def same(row: pd.Series, estimate: object, *names: str) -> None:
    pairs = {"estimate": "value"}
    for name in names or ("estimate", "se", "df", "low", "high", "statistic", "p"):
        wanted = getattr(estimate, pairs.get(name, name))
        assert row[name] == pytest.approx(wanted, rel=SAME, abs=SAME), name


def group_of(data: Fake) -> np.ndarray:
    return (data.arm == "ketamine").astype(int)


def change_of(data: Fake, visit: int = -1) -> np.ndarray:
    return data.values[:, visit] - data.values[:, 0]


def gappy() -> Fake:
    """Forty persons, of whom three of one arm and one of the other leave."""
    data = fake()
    for person, time in ((0, 24.0), (2, 168.0), (4, 24.0), (1, 168.0)):
        data.withdraw(person, time)
    return data


def test_ancova_is_ancova_of_the_change() -> None:
    data = gappy()
    table = np.column_stack([data.values[:, 0], data.patients["age"]])
    row = one(data, f"method: ancova, {PAIR}, covariates: [baseline, age]")
    same(row, ancova(change_of(data), group_of(data), table).differences[0])
    assert (row["n"], row["n_comparator"]) == (17, 19)
    assert (row["unit"], row["rejected"]) == ("points", row["p"] < 0.05)
    assert row["effect_measure"] == "adjusted difference in mean change"


def test_strata_are_those_of_the_randomisation() -> None:
    data = gappy()
    strata = (data.patients["stratum"] == "1").to_numpy().astype(int)
    plan = study(
        f'randomisation: {{strata: ["madrs >= 32"]}}\n'
        f"analyses: [{{id: a, method: ancova, {PAIR}, strata: true}}]"
    )
    found = analyse(data.recorded, data.patients, data.events, plan).iloc[0]
    same(found, ancova(change_of(data), group_of(data), data.values[:, 0], strata).differences[0])


def test_many_replicates_are_each_by_itself() -> None:
    data = fake(6, 30)
    rows = np.flatnonzero(data.replicate == 2)
    data.withdraw(int(rows[3]), 24.0)
    plan = f"""analyses:
  - {{id: a, method: ancova, {PAIR}}}
  - {{id: r, method: responder, {PAIR}, covariates: []}}
  - {{id: m, method: mmrm, {PAIR}}}"""
    found = run(data, plan)
    assert found["replicate"].tolist() == [r for r in range(6) for _ in range(3)]
    table = data.patients["replicate"] == 2
    alone = analyse(data.recorded, data.patients[table], data.events, study(plan))
    pd.testing.assert_frame_equal(found[found["replicate"] == 2].reset_index(drop=True), alone)


def test_fewer_patients_are_a_smaller_trial() -> None:
    data = gappy()
    first = data.patients[data.patients["subject"] <= 20]
    found = analyse(
        data.recorded, first, data.events, study(f"analyses: [{{id: a, method: ancova, {PAIR}}}]")
    )
    want = ancova(change_of(data)[:20], group_of(data)[:20], data.values[:20, 0]).differences[0]
    same(found.iloc[0], want)


def test_mmrm_sees_every_visit_after_entry() -> None:
    data = gappy()
    change = data.values[:, 1:] - data.values[:, :1]
    want = fit_mmrm(change, group_of(data), data.values[:, :1]).difference()
    same(one(data, f"method: mmrm, {PAIR}"), want)
    # At 24 h there are two visits: 2 h and 24 h.
    early = fit_mmrm(change[:, :2], group_of(data), data.values[:, :1]).difference()
    same(one(data, f"method: mmrm, {PAIR.replace('14 d', '24 h')}"), early)


def test_change_of_one_arm_and_of_two() -> None:
    data = gappy()
    own = change_of(data)[group_of(data) == 1]
    own = own[np.isfinite(own)]
    row = one(data, "method: change, quantity: madrs, time: 14 d, arm: ketamine")
    assert row["estimate"] == pytest.approx(own.mean(), rel=SAME)
    assert row["se"] == pytest.approx(own.std(ddof=1) / math.sqrt(17), rel=SAME)
    assert (row["n"], row["n_comparator"], row["comparator"]) == (17, 0, "")
    same(one(data, f"method: change, {PAIR}"), ancova(change_of(data), group_of(data)).differences[0])


def test_rates_adjusted_by_strata_by_covariates_or_by_nothing() -> None:
    data = fake(n=80, effect=-12.0)
    hit = (data.values[:, -1] <= 0.5 * data.values[:, 0]).astype(float)
    group = group_of(data)
    counts = [int(x) for code in (1, 0) for x in (hit[group == code].sum(), (group == code).sum())]
    plain = one(data, f"method: responder, {PAIR}, covariates: []")
    same(plain, risk_difference(*counts))
    assert "Fisher's exact p" in plain["note"]
    assert "NNTB" in plain["note"]
    z = data.values[:, :1]
    want = standardised_difference(hit, group, (z - z.mean()) / z.std())
    same(one(data, f"method: responder, {PAIR}"), want)
    strata = (data.patients["stratum"] == "1").to_numpy().astype(int)
    text = f"method: responder, {PAIR}, strata: true, covariates: []"
    plan = study(f'randomisation: {{strata: ["madrs >= 32"]}}\nanalyses: [{{id: a, {text}}}]')
    found = analyse(data.recorded, data.patients, data.events, plan).iloc[0]
    same(found, cochran_mantel_haenszel(hit, group, strata).risk_difference)


def test_a_rate_of_one_arm_is_exact() -> None:
    data = fake(effect=-12.0)
    row = one(data, "method: remission, quantity: madrs, time: 14 d, arm: ketamine")
    own = data.values[group_of(data) == 1, -1] <= 10.0
    assert row["estimate"] == pytest.approx(own.mean())
    assert row["low"] <= row["estimate"] <= row["high"]
    assert math.isnan(row["p"])


def test_a_separated_rate_says_that_it_is_not_adjusted() -> None:
    data = fake()
    data.values[group_of(data) == 1, -1] = 5.0
    data.values[group_of(data) == 0, -1] = 40.0
    row = one(data, f"method: responder, {PAIR}")
    assert row["estimate"] == pytest.approx(1.0)
    assert "not adjusted" in row["note"]
    assert row["p"] < 1e-6


def test_ranks_and_trend() -> None:
    data = gappy()
    row = one(data, f"method: rank_ancova, {PAIR}")
    test = rank_ancova(change_of(data), group_of(data), data.values[:, 0])
    assert row["p"] == pytest.approx(test.p, rel=SAME)
    assert abs(row["statistic"]) == pytest.approx(math.sqrt(test.statistic), rel=SAME)
    assert math.copysign(1.0, row["statistic"]) == test.direction
    base = new_study_text("small").replace(
        "  - id: midazolam",
        "  - {id: low, n: 20, regimen: 0.2 mg/kg ketamine iv over 40 min}\n  - id: midazolam",
    )
    doses = fake(n=60, arms=("ketamine", "low", "midazolam"))
    text = "quantity: madrs, time: 14 d, arm: low + ketamine, comparator: midazolam"
    plan = study(f"analyses: [{{id: a, method: trend, {text}}}]", base=base)
    found = analyse(doses.recorded, doses.patients, doses.events, plan).iloc[0]
    code = np.array([{"midazolam": 0, "low": 1, "ketamine": 2}[arm] for arm in doses.arm])
    start = doses.values[:, :1]
    same(found, linear_trend(change_of(doses), code, scores=[0.0, 0.2, 0.5], covariates=start))
    assert "mg/kg" in found["effect_measure"]


def test_non_inferiority_counts_failures_and_has_a_one_sided_p() -> None:
    data = fake(effect=-12.0)
    data.withdraw(0, 24.0)
    hit = (data.values[:, -1] <= 0.5 * data.values[:, 0]) & np.isfinite(data.values[:, -1])
    group = group_of(data)
    counts = [int(x) for code in (1, 0) for x in (hit[group == code].sum(), (group == code).sum())]
    row = one(data, f"method: non_inferiority, {PAIR}, margin: 0.1, estimand: composite")
    want = non_inferior_rates(*counts, 0.1)
    same(row, want.estimate, "estimate", "low", "high")
    assert row["p"] == pytest.approx(want.p, rel=SAME)
    assert row["rejected"] == want.non_inferior
    assert want.conclusion in row["note"]
    points = one(data, f"method: non_inferiority, {PAIR}, margin: 3")
    assert points["unit"] == "points"
    assert points["rejected"] == (points["high"] < 3.0)


def test_estimands_change_the_scores_that_they_should() -> None:
    data = fake()
    # Rescue of two persons: one right after 24 h, one after 7 d; both are rated to the end.
    data.happen(0, 24.0, "rescue")
    data.happen(2, 168.0, "rescue")
    group, start = group_of(data), data.values[:, 0]

    def found(estimand: str) -> pd.Series:
        return one(data, f"method: ancova, {PAIR}, estimand: {estimand}, intercurrent: [rescue]")

    def by_hand(first: float, second: float) -> object:
        last = data.values[:, -1].copy()
        last[0], last[2] = first, second
        return ancova(last - start, group, start).differences[0]

    values = data.values
    same(found("treatment_policy"), by_hand(values[0, -1], values[2, -1]))
    same(found("hypothetical"), by_hand(np.nan, np.nan))
    same(found("composite"), by_hand(start[0], start[2]))
    # The visit of the event itself was rated before it: 24 h is the third visit, 7 d the fourth.
    same(found("while_on_treatment"), by_hand(values[0, 2], values[2, 3]))
    other = one(data, f"method: ancova, {PAIR}, estimand: hypothetical, intercurrent: [stopped]")
    same(other, by_hand(values[0, -1], values[2, -1]))


def test_estimands_of_rates() -> None:
    data = fake(effect=-14.0)
    treated = np.flatnonzero(group_of(data) == 1)
    # All responders of the first arm are rescued after 24 h, and one of the others leaves.
    for person in treated.tolist():
        data.values[person, -1] = 5.0
        data.happen(person, 24.0, "rescue")
    data.withdraw(1, 24.0)
    text = f"method: responder, {PAIR}, covariates: []"
    assert one(data, f"{text}, estimand: composite")["estimate"] <= 0.0
    policy = one(data, f"{text}, estimand: treatment_policy")
    assert policy["note"].startswith("20 of 20")
    # Not known is failure under the composite strategy, and missing under treatment policy.
    assert one(data, f"{text}, estimand: composite")["n_comparator"] == 20
    assert policy["n_comparator"] == 19
    gone = one(data, f"{text}, estimand: hypothetical")
    assert (gone["n"], gone["rejected"]) == (0, False)
    assert "nobody" in gone["note"]


def test_who_leaves_unseen_at_the_visit_itself_has_left_before_it() -> None:
    data = fake()
    data.values[0, -1] = np.nan
    data.happen(0, 336.0, "withdrawn")
    row = one(data, f"method: ancova, {PAIR}, estimand: while_on_treatment")
    last = data.values[:, -1].copy()
    last[0] = data.values[0, -2]
    same(row, ancova(last - data.values[:, 0], group_of(data), data.values[:, 0]).differences[0])


def test_imputation_is_by_conditional_means() -> None:
    data = gappy()
    start, group = data.values[:, :1], group_of(data)
    change = data.values[:, 1:] - start
    before = np.full(40, 4)
    for person, visits in ((0, 2), (2, 3), (4, 2), (1, 3)):
        before[person] = visits
    want = imputed_difference(change, group, start, strategy="jump_to_reference", before=before)
    plan = f"""analyses:
  - {{id: m, method: mmrm, {PAIR}}}
  - {{id: j, method: mmrm, {PAIR}, imputation: jump_to_reference}}"""
    found = run(data, plan, seed=7).set_index("analysis")
    same(found.loc["j"], want)
    assert found.loc["j", "note"] == "4 of 40 values imputed (jump to reference)"
    # What is imputed from the comparator shrinks the difference.
    assert abs(found.loc["j", "estimate"]) < abs(found.loc["m", "estimate"])
    # The order of the file, and what else is in it, change nothing.
    alone = run(data, plan, seed=7, only=["j"])
    assert alone["p"].tolist() == [found.loc["j", "p"]]


def test_families_adjust_and_reject() -> None:
    data = fake(20, 24, effect=-4.0)
    pair = "quantity: madrs, arm: ketamine, comparator: midazolam, method: ancova"
    plan = f"""analyses:
  - {{id: day, time: 24 h, {pair}, family: f}}
  - {{id: week, time: 7 d, {pair}, family: f}}
  - {{id: alone, time: 14 d, {pair}}}
multiplicity: [{{family: f, method: hochberg}}]"""
    found = run(data, plan).pivot(index="replicate", columns="analysis")
    raw = found["p"][["day", "week"]].to_numpy(float)
    np.testing.assert_allclose(found["p_adjusted"][["day", "week"]].to_numpy(float), hochberg(raw), rtol=SAME)
    assert (found["p_adjusted"]["alone"] == found["p"]["alone"]).all()
    assert (found["rejected"]["day"] == (found["p_adjusted"]["day"] <= 0.05)).all()
    # Somewhere the family takes a rejection back, or this test shows nothing.
    assert (found["p"]["day"] <= 0.05).sum() > found["rejected"]["day"].sum()
    fixed = run(data, plan.replace("hochberg", "fixed_sequence")).pivot(index="replicate", columns="analysis")
    np.testing.assert_allclose(fixed["p_adjusted"]["week"].to_numpy(float), raw.max(axis=1), rtol=SAME)
    # One member asked for alone is still adjusted for the other.
    some = run(data, plan, only=["week"])
    assert set(some["analysis"]) == {"week"}
    np.testing.assert_array_equal(some["p_adjusted"], found["p_adjusted"]["week"])


def test_dunnett_uses_one_model_with_all_arms() -> None:
    base = new_study_text("small").replace(
        "  - id: midazolam",
        "  - {id: low, n: 20, regimen: 0.2 mg/kg ketamine iv over 40 min}\n  - id: midazolam",
    )
    data = fake(n=60, arms=("ketamine", "low", "midazolam"))
    rest = "method: ancova, quantity: madrs, time: 14 d, comparator: midazolam, family: d"
    plan = study(
        f"analyses: [{{id: low, arm: low, {rest}}}, {{id: high, arm: ketamine, {rest}}}]\n"
        "multiplicity: [{family: d, method: dunnett}]",
        base=base,
    )
    found = analyse(data.recorded, data.patients, data.events, plan).set_index("analysis")
    code = np.array([{"midazolam": 0, "low": 1, "ketamine": 2}[arm] for arm in data.arm])
    want = dunnett(change_of(data), code, covariates=data.values[:, 0])
    # Dunnett's integrals are good to about ten digits.
    assert found.loc["low", "p_adjusted"] == pytest.approx(want[0].p, abs=1e-8)
    assert found.loc["high", "p_adjusted"] == pytest.approx(want[1].p, abs=1e-8)
    assert (found["p_adjusted"] > found["p"]).all()


def test_pooled_arms_count_together() -> None:
    base = new_study_text("small").replace(
        "  - id: midazolam",
        "  - {id: low, n: 20, regimen: 0.2 mg/kg ketamine iv over 40 min}\n  - id: midazolam",
    )
    data = fake(n=60, arms=("ketamine", "low", "midazolam"))
    text = "method: ancova, quantity: madrs, time: 14 d, arm: ketamine + low, comparator: midazolam"
    plan = study(f"analyses: [{{id: a, {text}}}]", base=base)
    found = analyse(data.recorded, data.patients, data.events, plan).iloc[0]
    code = (data.arm != "midazolam").astype(int)
    same(found, ancova(change_of(data), code, data.values[:, 0]).differences[0])
    assert (found["n"], found["n_comparator"]) == (40, 20)


def test_what_cannot_be_analysed_says_why() -> None:
    data = fake()
    data.values[group_of(data) == 0, -1] = np.nan
    plan = f"""analyses:
  - {{id: a, method: ancova, {PAIR}}}
  - {{id: m, method: mmrm, {PAIR}}}
  - {{id: r, method: rank_ancova, {PAIR}}}"""
    found = run(data, plan)
    assert found["estimate"].isna().all()
    assert not found["rejected"].any()
    assert found["note"].str.startswith("not analysed: ").all()


def test_bad_questions_are_refused() -> None:
    data = fake()
    plan = study(f"analyses: [{{id: primary, method: ancova, {PAIR}}}]")
    with pytest.raises(StudyError, match="primary"):
        analyse(data.recorded, data.patients, data.events, plan, only=["primery"])
    with pytest.raises(StudyError, match="no patients"):
        analyse(data.recorded, data.patients[:0], data.events, plan)
    other = data.patients.assign(subject=data.patients["subject"] + 100)
    with pytest.raises(StudyError, match="no outcomes"):
        analyse(data.recorded, other, data.events, plan)
    with pytest.raises(StudyError, match="covariate 'weight'"):
        run(data, f"analyses: [{{id: a, method: ancova, {PAIR}, covariates: [weight]}}]")
    with pytest.raises(StudyError, match="hamd17"):
        run(data, f"analyses: [{{id: a, method: ancova, {PAIR.replace('madrs', 'hamd17')}}}]")
    assert analyse(data.recorded, data.patients, data.events, study("")).empty


def test_a_null_effect_is_rejected_in_one_of_twenty() -> None:
    data = fake(2000, 20, effect=0.0, seed=5)
    found = run(data, f"analyses: [{{id: a, method: ancova, {PAIR}}}]")
    # Four binomial standard errors of 2000 trials.
    assert abs(found["rejected"].mean() - 0.05) < 4.0 * math.sqrt(0.05 * 0.95 / 2000)
    z = np.sign(found["statistic"]) * -ndtri(found["p"] / 2.0)
    assert z.std() == pytest.approx(1.0, abs=4.0 / math.sqrt(2.0 * 2000))
