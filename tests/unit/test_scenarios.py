"""Scenarios against the plain API, closed forms, and each other."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ketasim as ks
from ketasim.api.scenarios import (
    Axis,
    Scenario,
    ScenarioResult,
    default_axis,
    model_hash,
    parameter_hash,
    presets,
    scenario_hash,
    scenario_rows,
    solving,
    warm,
)
from ketasim.api.scenarios.models import simulator
from ketasim.engine import Solutions
from ketasim.model.hypotheses import WIRINGS
from ketasim.trials.harms.events import incidence, load_harms

INFUSION = "0.5 mg/kg ketamine iv over 40 min"
BARE: dict[str, Any] = {"control": "none", "expectancy": "none"}
#: Columns of two hours whose middles are at 1, 3, 5 ... h.
EVEN = Axis((0.0, 48.0), (1.0,), 24)


def simulate(**parts: Any) -> ScenarioResult:
    return ks.simulate_scenario({"regimen": INFUSION, **parts}, axis=EVEN)


def test_curves_are_those_of_simulate_regimen() -> None:
    person = {"weight": "82 kg", "age": 38, "sex": "male", "severity": 30}
    own = simulate(person=person, setting=BARE)
    course = ks.simulate(
        INFUSION, days="28d", weight="82 kg", severity=30.0, set={"age": "38 year"}, at=["1h", "3h", "25h"]
    )
    for name in ("ketamine_venous", "nmda_block_mean", "ampa_drive", "spine_density", "madrs", "cadss"):
        values = course.quantities[name].values
        for hours in (1.0, 3.0, 25.0):
            place = int(np.argmin(np.abs(course.times_h - hours)))
            column = int(np.argmin(np.abs(own.time_h - hours)))
            # Both are within the accuracy of the solver (1e-4), and shown to five digits.
            assert own.series[name].mid[column] == pytest.approx(values[place], rel=3e-4, abs=1e-6), name
    # The plain course is looked at every two minutes, and the venous peak comes after the infusion.
    assert own.metric("cmax") == pytest.approx(course.quantities["ketamine_venous"].values.max(), rel=5e-3)


def test_a_spike_of_a_minute_after_two_months_has_its_height_in_its_column() -> None:
    # One dose alone, at the beginning, has the same level: nothing is left of the first one.
    alone = ks.simulate_scenario({"regimen": "20 mg ketamine iv over 1 min"}, axis=default_axis(2160.0))
    late = ks.simulate_scenario(
        {"regimen": "0.1 mg/kg ketamine iv over 40 min; 20 mg ketamine iv over 1 min, at 1440 h"},
        axis=default_axis(2160.0),
    )
    row = late.series["ketamine_venous"]
    column = int(np.argmax(late.time_h > 1440.0))
    around = row.hi[column - 1 : column + 2]
    assert around.max() == pytest.approx(alone.metric("cmax"), rel=2e-3)
    # The middle of a column of hours shows nothing of it.
    assert row.mid[column - 1 : column + 2].max() < 0.5 * around.max()


def test_the_course_of_one_does_not_depend_on_the_others() -> None:
    one = {"regimen": INFUSION}
    others = ["84 mg esketamine intranasal, twice weekly x 2 weeks", {"person": {"weight": "95 kg"}}]
    (alone,), several = (
        ks.simulate_scenarios(items, axis=EVEN) for items in ([one], [others[0], one, others[1]])
    )
    assert alone.to_dict() == several[1].to_dict()


def test_switches_wirings_and_persons_compile_nothing() -> None:
    simulate()
    before = dict(simulator()._engines), dict(simulator().engine()._observers)
    simulate(person={"weight": "55 kg"}, mechanism={"wiring": "hnk", "parameters": {"clearance": "80 L/h"}})
    simulate(mechanism={"switches": {"glutamate": 0.3}})
    simulate(mechanism={"switches": {"mtorc1": 0.0, "block": 0.7}, "options": {"trapping": "slow_release"}})
    assert set(simulator()._engines) == set(before[0])
    # Rests of the switched quantities are read by an observer of their own, once.
    assert len(simulator().engine()._observers) <= len(before[1]) + 1


def test_a_switch_changes_what_is_below_and_not_what_is_above() -> None:
    plain, off = simulate(), simulate(mechanism={"switches": {"mtorc1": 0.0}})
    # The circuit reads spines, so that only what is above it stays as it was.
    for name in ("ketamine_venous", "nmda_block_mean"):
        before = plain.series[name].hi
        np.testing.assert_allclose(off.series[name].hi, before, atol=2e-4 * before.max())
    # A column's ends and its middle are the rest, within the solver's accuracy.
    np.testing.assert_allclose(off.series["mtorc1"].hi, off.rest["mtorc1"], rtol=1e-4)
    assert np.abs(plain.series["mtorc1"].hi - plain.rest["mtorc1"]).max() > 1e-3
    assert off.switched == {"mtorc1": 0.0}


def test_nobody_treated_stays_where_he_is() -> None:
    own = ks.simulate_scenario({"regimen": "none", "setting": BARE}, axis=default_axis(672.0))
    # The model promises a drift of less than half a point in a year without stress.
    np.testing.assert_allclose(own.series["madrs"].mid, 33.0, atol=0.05)
    np.testing.assert_array_equal(own.difference.mid, 0.0)
    assert own.events == ()
    assert own.rules == ()


def test_expectancy_lowers_the_score_and_leaves_the_biology() -> None:
    bare, low, high = (
        simulate(setting={"control": "saline", "expectancy": name}) for name in ("none", "low", "high")
    )
    assert bare.metric("madrs_24h") > low.metric("madrs_24h") > high.metric("madrs_24h")
    for name in ("spine_density", "cadss"):
        np.testing.assert_array_equal(bare.series[name].mid, high.series[name].mid)
    np.testing.assert_allclose(bare.control.series["madrs"].mid, 33.0, atol=0.05)
    assert high.control.series["madrs"].mid[-1] < 30.0


def test_a_control_without_treatment_is_open_and_the_others_are_blind() -> None:
    none, saline, midazolam = (
        simulate(setting={"control": name}) for name in ("none", "saline", "midazolam")
    )
    assert none.control.regimen == "none"
    assert "midazolam" in midazolam.control.regimen
    assert "mg" not in saline.control.regimen
    np.testing.assert_allclose(none.control.series["madrs"].mid, 33.0, atol=0.05)
    # Who knows that he is given the drug hopes for more than who guesses.
    assert none.metric("madrs_24h") < saline.metric("madrs_24h")


def test_what_cannot_be_felt_moves_no_belief() -> None:
    felt, masked = (
        simulate(setting={"control": "saline", "context": name}) for name in ("inpatient", "anaesthesia")
    )
    np.testing.assert_array_equal(felt.series["spine_density"].mid, masked.series["spine_density"].mid)
    assert abs(masked.metric("versus_control_24h")) < abs(felt.metric("versus_control_24h"))


def test_what_is_taken_beside_acts_and_is_measured_in_both_arms() -> None:
    plain = simulate()
    nbqx = simulate(setting={"control": "midazolam", "comedication": ["nbqx"]})
    slow = ks.simulate_scenario(
        {"regimen": "1 mg/kg ketamine oral", "setting": {"comedication": ["clarithromycin"]}}, axis=EVEN
    )
    fast = ks.simulate_scenario({"regimen": "1 mg/kg ketamine oral"}, axis=EVEN)
    assert nbqx.metric("madrs_24h") > plain.metric("madrs_24h") + 1.0
    assert slow.metric("auc") > 1.5 * fast.metric("auc")


def test_causes_with_times_of_their_own_keep_them() -> None:
    erased = simulate(setting={"control": "midazolam", "comedication": ["spine_erasure"]})
    plain = simulate()
    before, after = plain.time_h < 24.0, plain.time_h > 28.0
    np.testing.assert_allclose(
        erased.series["spine_density"].mid[before], plain.series["spine_density"].mid[before], rtol=1e-4
    )
    assert (erased.series["spine_density"].mid[after] < plain.series["spine_density"].mid[after]).all()


def test_the_clock_can_start_at_a_later_dose() -> None:
    twice = "0.5 mg/kg ketamine iv over 40 min, on days 1, 8"
    axis = Axis((-6.0, 0.0, 2.0, 24.0), (0.1, 0.5, 0.4), 480, dose=2)
    own = ks.simulate_scenario(twice, axis=axis)
    assert own.time_h[0] == pytest.approx(168.0 - 6.0, abs=0.1)
    peak = own.time_h[int(np.argmax(own.series["ketamine_venous"].mid))]
    assert peak == pytest.approx(168.0 + 2.0 / 3.0, abs=0.02)
    with pytest.raises(ks.ScenarioError) as found:
        ks.simulate_scenario(twice, axis=Axis((0.0, 2.0), (1.0,), dose=3))
    assert found.value.path == "axis.dose"
    assert found.value.nearest == "2"


def test_doses_given_together_are_one_visit() -> None:
    own = ks.simulate_scenario(
        "0.2 mg/kg ketamine iv bolus + 0.3 mg/kg/h ketamine iv over 1 h, weekly x 2", axis=EVEN
    )
    assert [event.visit for event in own.events] == [1, 1, 2, 2]
    assert own.events[1].end_h == pytest.approx(1.0)
    assert own.events[0].text == "0.2 mg/kg ketamine iv bolus"


def test_a_first_dose_on_a_later_day_is_time_zero() -> None:
    late, early = (
        ks.simulate_scenario(f"{INFUSION}, on days {days}", axis=EVEN) for days in ("3, 5", "1, 3")
    )
    assert late.events[0].time_h == 0.0
    np.testing.assert_array_equal(late.series["madrs"].mid, early.series["madrs"].mid)


def test_a_population_shows_its_typical_person() -> None:
    own = ks.simulate_scenario({"regimen": INFUSION, "population": "trd_esketamine"}, axis=EVEN)
    # The table's mean of those who entered.
    assert own.rest["madrs"] == pytest.approx(37.4, abs=0.2)
    assert "typical person" in own.sentence


@pytest.mark.parametrize("preset", presets(), ids=lambda preset: preset.id)
def test_every_preset_gives_finite_numbers(preset: Any) -> None:
    own = ks.simulate_scenario(preset.scenario, axis=default_axis(preset.axis_end_h, 120))
    data = own.to_dict()
    json.dumps(data, allow_nan=False)
    for name, row in own.series.items():
        assert ((row.lo <= row.mid) & (row.mid <= row.hi)).all(), name
    assert data["metrics"][0]["value"] is not None


@pytest.mark.parametrize("wiring", [name for name in WIRINGS if name != "default"])
def test_every_wiring_moves_something_else(wiring: str) -> None:
    plain, own = simulate(), simulate(mechanism={"wiring": wiring})
    assert own.wiring == wiring
    np.testing.assert_allclose(
        own.series["ketamine_venous"].mid, plain.series["ketamine_venous"].mid, rtol=1e-3, atol=1e-6
    )
    assert own.metric("madrs_24h") != plain.metric("madrs_24h")


def test_the_same_scenario_has_the_same_hash_however_it_is_written() -> None:
    short = Scenario(regimen=INFUSION)
    full = Scenario.model_validate(json.loads(json.dumps(short.to_data())))
    assert scenario_hash(short) == scenario_hash(full)
    assert scenario_hash(short) != scenario_hash(Scenario(regimen=f"{INFUSION}, weekly x 2"))


def test_hashes_of_the_model_are_short_and_stay() -> None:
    for digest in (model_hash, parameter_hash):
        assert re.fullmatch(r"[0-9a-f]{16}", digest())
        assert digest() == digest.__wrapped__()
    assert model_hash() != parameter_hash()


def test_rows_have_the_units_of_the_model() -> None:
    own = ks.simulate_scenario(INFUSION, axis=EVEN, variables=["hnk_venous", "madrs"])
    assert tuple(own.series) == ("hnk_venous", "madrs")
    assert own.series["hnk_venous"].unit == scenario_rows()["hnk_venous"].unit == "ng/mL"


def test_rules_pass_warn_and_fail() -> None:
    spray = {"setting": {"control": "saline"}}
    right = ks.simulate_scenario({"regimen": "56 mg esketamine intranasal", **spray}, axis=EVEN)
    wrong = ks.simulate_scenario({"regimen": "140 mg esketamine intranasal", **spray}, axis=EVEN)
    vein = simulate()
    states = {result.sentence[:3]: {rule.state for rule in result.rules} for result in (right, wrong, vein)}
    assert "fail" not in states["56 "]
    assert "pass" in states["56 "]
    assert "fail" in states["140"]
    assert wrong.metric("rules_failed") >= 1.0
    assert "warn" in states["0.5"]
    assert next(rule.state for rule in wrong.rules) == "fail"
    assert all(rule.source for rule in wrong.rules)


def test_warming_tells_how_far_it_is() -> None:
    told: list[tuple[str, int, int]] = []
    warm(lambda words, done, total: told.append((words, done, total)))
    assert [done for _, done, _ in told] == list(range(len(told)))
    assert told[-1][1] == told[-1][2]


@pytest.fixture(scope="module")
def both() -> ScenarioResult:
    scenario = {"regimen": f"{INFUSION}, twice weekly x 2 weeks", "setting": {"control": "saline"}}
    return ks.simulate_scenario(scenario, axis=default_axis(672.0, 60), bands="both", draws=24)


def test_quantiles_are_in_order(both: ScenarioResult) -> None:
    for name, row in both.series.items():
        assert row.quantiles is not None
        for prefix in ("", "people_"):
            levels = [row.quantiles[f"{prefix}{key}"] for key in ("q05", "q25", "q75", "q95")]
            for lower, upper in itertools.pairwise(levels):
                assert (lower <= upper).all(), (name, prefix)


def test_people_differ_more_than_draws_of_one_person(both: ScenarioResult) -> None:
    row = both.series["madrs"].quantiles
    assert row is not None
    widths = [row[f"{prefix}q95"][-10:] - row[f"{prefix}q05"][-10:] for prefix in ("", "people_")]
    assert (widths[0] > 0.0).all()
    assert (widths[1] > widths[0]).all()


def test_a_difference_is_taken_draw_by_draw(both: ScenarioResult) -> None:
    drug, control = both.series["madrs"].quantiles, both.control.series["madrs"].quantiles
    paired = both.difference.quantiles
    assert drug is not None
    assert control is not None
    assert paired is not None
    place = int(np.argmin(np.abs(both.time_h - 24.0)))
    apart = (drug["q95"] - control["q05"])[place] - (drug["q05"] - control["q95"])[place]
    # Placebo and severity are common to both arms of a draw, and so cancel.
    assert paired["q95"][place] - paired["q05"][place] < apart


def test_the_same_seed_gives_the_same_numbers(both: ScenarioResult) -> None:
    scenario = {"regimen": f"{INFUSION}, twice weekly x 2 weeks", "setting": {"control": "saline"}}
    again, other = (
        ks.simulate_scenario(
            scenario, axis=default_axis(672.0, 60), bands="both", draws=24, seed=seed
        ).to_dict()
        for seed in (1, 2)
    )
    assert again == both.to_dict()
    assert other["per_100"] != again["per_100"]


def test_harms_of_saline_are_the_background_of_their_visits(both: ScenarioResult) -> None:
    assert both.hundred is not None
    found = {item.id: item.control for item in both.hundred.items}
    for shown, event in (
        ("dissociation", "dissociation"),
        ("nausea", "nausea"),
        ("sedation", "sedation"),
    ):
        harm = load_harms()[event]
        expected = 100.0 * incidence(np.array([4 * harm.background]), harm.spread)
        # Two ways to integrate over frailty.
        assert found[shown] == pytest.approx(expected, rel=0.02), shown


def test_the_drug_has_more_response_and_more_harm(both: ScenarioResult) -> None:
    assert both.hundred is not None
    for item in both.hundred.items:
        assert 0.0 <= item.low <= item.value <= item.high <= 100.0
        if item.id in ("response", "dissociation", "nausea", "severe_blood_pressure"):
            assert item.value > item.control, item.id
    assert both.metric("response") == both.hundred.items[0].value


def test_ranges_of_the_table_hold_most_draws(both: ScenarioResult) -> None:
    found = {item.id: item for item in both.metrics}
    for name in ("cmax", "auc", "half_life", "madrs_24h", "versus_control_24h", "peak_cadss"):
        low, high = found[name].low, found[name].high
        assert low is not None, name
        # What is known of levels and harms is no more certain than what is known of mood.
        assert low < high, name
    assert found["rules_failed"].low is None


def test_more_people_begin_with_the_same_ones() -> None:
    few, many = (
        ks.simulate_scenario(INFUSION, axis=EVEN, people=count, seed=3).hundred for count in (16, 32)
    )
    assert few is not None
    assert many is not None
    # Some have no stable rest, and are told of in a note.
    assert 8 <= few.people <= 16
    assert few.people < many.people <= 32
    # Had the first sixteen no part in the others, a mean of chances could not be bounded so.
    for one, two in zip(few.items, many.items, strict=True):
        assert one.value * few.people <= two.value * many.people + 1e-9


@pytest.mark.parametrize("severity", [6, 20, 48])
def test_untreated_people_stay_about_as_ill_as_they_were(severity: float) -> None:
    own = ks.simulate_scenario(
        {"regimen": "none", "person": {"severity": severity}, "setting": BARE},
        axis=EVEN,
        bands="people",
        draws=64,
    )
    levels = own.series["madrs"].quantiles
    assert levels is not None
    # Symmetric about the score at entry, but for what 64 people leave to chance and the ends of the scale.
    middle = (levels["q25"][-1] + levels["q75"][-1]) / 2.0
    assert middle == pytest.approx(severity, abs=2.5)
    assert levels["q05"][-1] < severity < levels["q95"][-1]


def test_healthy_people_have_harms_and_nothing_to_respond() -> None:
    own = ks.simulate_scenario(
        {"regimen": INFUSION, "person": {"illness": "healthy"}}, axis=EVEN, bands="both", draws=8
    )
    assert own.hundred is not None
    assert own.hundred.needed is None
    assert "response" not in {item.id for item in own.hundred.items}
    assert own.metric("response") is None
    assert own.rest["madrs"] < 4.0


def let_the_first_fail(monkeypatch: pytest.MonkeyPatch, more_than: int) -> None:
    """Let the first person of a batch fail, of batches of more persons than these."""
    plain = solving._told

    def told(solutions: Solutions) -> Solutions:
        found = plain(solutions)
        failures = {0: "step too short at hour 5"} if len(found.values) > more_than else {}
        return replace(found, failures=failures)

    monkeypatch.setattr(solving, "_told", told)
    # All persons in one batch.
    monkeypatch.setattr(solving.os, "cpu_count", lambda: 1)


def test_a_typical_person_who_cannot_be_solved_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    let_the_first_fail(monkeypatch, more_than=1)
    with pytest.raises(ks.SolverError, match="step too short at hour 5"):
        ks.simulate_scenario(INFUSION, axis=EVEN)


def test_one_of_many_who_cannot_be_solved_is_left_out_and_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    let_the_first_fail(monkeypatch, more_than=2)
    own = ks.simulate_scenario(INFUSION, axis=EVEN, bands="knowledge", draws=10)
    assert any(note.startswith("1 of 10 draws") for note in own.notes)
