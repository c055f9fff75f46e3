from __future__ import annotations

import csv
import math
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ketasim.brain.conditions import load_conditions
from ketasim.brain.couplings import COUPLINGS, Coupling, coupling, expected_influences, feedforward_inhibition
from ketasim.brain.illness import HEALTHY, BrainState, DensityCourse, density_course, depressed
from ketasim.brain.model import BrainModel, brain_model, fixed_point
from ketasim.brain.readouts import prefrontal
from ketasim.brain.rule import (
    NO_COUPLING,
    Criticality,
    LateSigns,
    Verdict,
    VerdictRow,
    decide,
    state_after,
)
from ketasim.brain.scores import score_rows
from ketasim.brain.sensitivity import rule_sensitivity
from ketasim.brain.synthetic import synthetic_connectome
from ketasim.errors import BrainError
from ketasim.evidence import load_observations

_LIMITS = load_conditions()


@pytest.fixture(scope="module")
def model() -> BrainModel:
    # Weaker than the connectome's own weights, so that every state here is far from criticality.
    connectome = synthetic_connectome(30)
    return brain_model(connectome, weights=0.5 * connectome.weights)


def _rates(model: BrainModel, one: Coupling, state: BrainState) -> np.ndarray:
    return fixed_point(*one.at(one.healthy(model), state)).rate_e


@pytest.mark.parametrize("adaptation", [168.0, 120.0 / math.log(2.0), 30.0])
@pytest.mark.parametrize("hours", [3.0, 6.0, 15.0, 24.0, 40.0, 48.0, 100.0, 240.0, 2000.0])
def test_adapted_density_solves_its_equation(adaptation: float, hours: float) -> None:
    course = DensityCourse(0.8, 0.1, 6.0, 24.0, 48.0, 120.0, adaptation)
    found = solve_ivp(
        lambda t, y: (course.density(float(t)) - y) / adaptation,
        (0.0, hours),
        [0.8],
        rtol=1e-10,
        atol=1e-12,
        max_step=6.0,
    )
    # The course has corners, which cost the solver some of its digits.
    assert course.adapted(hours) == pytest.approx(found.y[0, -1], rel=1e-7)


def test_frozen_inhibition_stays_and_density_follows_its_named_course() -> None:
    course = density_course(0.8, adapts=False)
    assert [course.adapted(t) for t in (0.0, 48.0, 240.0)] == [0.8, 0.8, 0.8]
    at = [course.density(t) / 0.8 - 1.0 for t in (0.0, 24.0, 48.0, 48.0 + _LIMITS.density_half_life)]
    gain = _LIMITS.density_gain
    np.testing.assert_allclose(at, [0.0, gain, gain, gain / 2.0], atol=1e-15)


def test_every_coupling_rests_at_the_target_rate_when_healthy(model: BrainModel) -> None:
    for one in COUPLINGS.values():
        # Inhibition is solved in closed form, the fixed point by Newton's method to 1e-11 in the gates.
        np.testing.assert_allclose(_rates(model, one, HEALTHY), model.node.target_rate, rtol=1e-7)


def test_full_adaptation_restores_rates_at_any_density(model: BrainModel) -> None:
    for one in COUPLINGS.values():
        for density in (0.7, 1.2):
            state = replace(HEALTHY, density=density, adapted_density=density)
            np.testing.assert_allclose(_rates(model, one, state), model.node.target_rate, rtol=1e-7)


def test_density_acts_where_the_coupling_says(model: BrainModel) -> None:
    connectome = model.connectome
    sites = {
        "recurrent": prefrontal(connectome),
        "control_density": prefrontal(connectome, "control"),
        "control_inhibition": connectome.members("default"),
    }
    for name, regions in sites.items():
        change = _rates(model, COUPLINGS[name], replace(HEALTHY, density=1.1)) - model.node.target_rate
        sign = -1.0 if name == "control_inhibition" else 1.0
        assert (sign * change[regions] > 0.0).all(), name
        others = np.setdiff1d(np.arange(len(change)), regions)
        # Other regions only follow through long-range paths.
        assert np.abs(change[others]).mean() < 0.5 * np.abs(change[regions]).mean(), name


def test_illness_weakens_prefrontal_inhibition_alone(model: BrainModel) -> None:
    one = COUPLINGS["recurrent"]
    _, influence = one.at(model, BrainState(inhibition_gain=1.1, illness=2.0))
    gain = influence.array("inhibition_gain", model.n_regions)
    expected = np.full(model.n_regions, 1.1)
    expected[prefrontal(model.connectome)] *= 1.0 - 2.0 * _LIMITS.net_inhibition_loss
    np.testing.assert_allclose(gain, expected, rtol=1e-15)
    with pytest.raises(BrainError, match="leaves no inhibition"):
        one.at(model, BrainState(illness=1000.0))


def test_long_range_inhibition_has_only_its_own_paths(model: BrainModel) -> None:
    connectome = model.connectome
    paths = feedforward_inhibition(connectome, model.weights, 0.5)
    rows, columns = connectome.members("default"), prefrontal(connectome, "control")
    np.testing.assert_array_equal(paths[np.ix_(rows, columns)], 0.5 * model.weights[np.ix_(rows, columns)])
    paths[np.ix_(rows, columns)] = 0.0
    assert not paths.any()
    with pytest.raises(BrainError, match="0 or more"):
        feedforward_inhibition(connectome, model.weights, -1.0)
    with pytest.raises(BrainError, match="has nothing to act on"):
        feedforward_inhibition(connectome, np.zeros_like(model.weights), 1.0)


def test_expected_influences_cover_what_the_couplings_do(model: BrainModel) -> None:
    expected = expected_influences(model.connectome, (0.0, 1.3))
    assert len(expected) == 8
    ill = replace(depressed(), density=depressed().density * (1.0 + _LIMITS.density_gain))
    block_e, block_i = _LIMITS.block(1.3)
    state = replace(ill, block_excitatory=block_e, block_inhibitory=block_i)
    _, met = COUPLINGS["recurrent"].at(model, state)
    last, n = expected[-1], model.n_regions
    for name in ("block_excitatory", "block_inhibitory", "inhibition_gain"):
        np.testing.assert_allclose(met.array(name, n), last.array(name, n), rtol=1e-12)
    # Relative to the density to which inhibition has adapted.
    adapted = np.ones(n)
    adapted[prefrontal(model.connectome)] = ill.adapted_density
    np.testing.assert_allclose(
        met.array("local_weight", n) / adapted, last.array("local_weight", n), rtol=1e-12
    )


def test_depressed_is_adapted_and_scales_with_strength() -> None:
    assert depressed(0.0) == HEALTHY
    one, two = depressed(), depressed(2.0)
    assert one.density == one.adapted_density == _LIMITS.density_depressed
    assert two.density == pytest.approx(_LIMITS.density_depressed**2)
    with pytest.raises(BrainError, match="strength of the illness is -1"):
        depressed(-1.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"block_excitatory": 1.2}, "lies in 0 to 1"),
        ({"density": 0.0}, "is above 0"),
        ({"inhibition_gain": math.nan}, "is above 0"),
        ({"illness": -0.1}, "is 0 or more"),
    ],
)
def test_an_impossible_state_is_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(BrainError, match=message):
        BrainState(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"density_rise_end": 3.0}, "must follow one another"),
        ({"inhibition_compensated": 1.5}, "share lies between 0 and 1"),
        ({"adaptation_time": 0.0}, "must be above 0"),
    ],
)
def test_impossible_conditions_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(BrainError, match=message):
        replace(_LIMITS, **change)


def test_names_are_checked() -> None:
    with pytest.raises(BrainError, match="nearest valid name is 'recurrent'"):
        coupling("recurent")
    with pytest.raises(BrainError, match="nearest valid name is 'feedforward'"):
        Coupling("x", "x", "feedforwards", False)
    with pytest.raises(BrainError, match="cannot be negative"):
        _LIMITS.block(-1.0)


def _signs(**changes: float | None) -> LateSigns:
    good: dict[str, float | None] = {
        "pcc_mpfc_change": -0.02,
        "pcc_mpfc_change_healthy": -0.02,
        "insula_gap": -0.05,
        "insula_closed_2d": 0.7,
        "insula_closed_10d": 0.1,
    }
    return LateSigns(**{**good, **changes})


@pytest.mark.parametrize(
    ("changes", "lower", "normalised", "back"),
    [
        ({}, True, True, True),
        ({"pcc_mpfc_change": -0.001}, False, True, True),
        ({"pcc_mpfc_change": 0.02}, False, True, True),
        ({"pcc_mpfc_change": None}, False, True, True),
        ({"insula_gap": 0.001}, True, False, False),
        ({"insula_closed_2d": 0.45}, True, False, False),
        ({"insula_closed_2d": 1.6}, True, False, False),
        ({"insula_closed_10d": 0.4}, True, True, False),
        ({"insula_closed_2d": 1.4, "insula_closed_10d": 0.6}, True, True, False),
        ({"insula_gap": None}, True, False, False),
    ],
)
def test_each_late_sign_follows_its_definition(
    changes: dict[str, float | None], lower: bool, normalised: bool, back: bool
) -> None:
    signs = _signs(**changes)
    assert (signs.lower(_LIMITS), signs.normalised(_LIMITS), signs.back(_LIMITS)) == (lower, normalised, back)


def test_safety_needs_both_limits_and_a_stable_network() -> None:
    assert Criticality(-1.6, 0.1, "").safe
    assert not Criticality(-1.4, 0.1, "").safe
    assert not Criticality(-1.6, 0.3, "").safe
    assert not Criticality(None, None, "").safe


def test_the_first_candidate_that_passes_is_chosen_and_never_the_reference() -> None:
    safe = Criticality(-2.0, 0.1, "")
    good = {name: VerdictRow(one, _signs(), safe, {}, _LIMITS) for name, one in COUPLINGS.items()}
    assert Verdict("x", (good["recurrent"],)).chosen == NO_COUPLING
    assert Verdict("x", tuple(good.values())).chosen == "recurrent_adapting"
    bad = replace(good["recurrent_adapting"], criticality=Criticality(-1.0, 0.1, ""))
    rest = (good["recurrent"], bad, good["control_inhibition"], good["control_density"])
    assert Verdict("x", rest).chosen == "control_inhibition"


def test_the_nearest_candidate_has_the_most_signs() -> None:
    safe = Criticality(-2.0, 0.1, "")
    signs = {
        "recurrent": _signs(),
        "recurrent_adapting": _signs(pcc_mpfc_change=0.1, insula_closed_2d=-1.0),
        "control_inhibition": _signs(insula_closed_2d=0.3),
        "control_density": _signs(insula_closed_2d=0.3),
    }
    rows = tuple(VerdictRow(COUPLINGS[name], one, safe, {}, _LIMITS) for name, one in signs.items())
    assert Verdict("x", rows).chosen == NO_COUPLING
    assert Verdict("x", rows).nearest == "control_inhibition"
    # Of equal signs the directions decide, whatever the sizes.
    tiny = _signs(pcc_mpfc_change=-1e-4, insula_gap=1e-4, insula_closed_2d=0.2, insula_closed_10d=0.05)
    wrong = _signs(pcc_mpfc_change=1e-4, insula_gap=1e-4, insula_closed_2d=-0.2, insula_closed_10d=-0.05)
    signs = {"recurrent_adapting": wrong, "control_inhibition": tiny}
    equal = tuple(VerdictRow(COUPLINGS[name], one, safe, {}, _LIMITS) for name, one in signs.items())
    assert equal[0].checks == equal[1].checks
    assert Verdict("x", equal).nearest == "control_inhibition"
    with pytest.raises(BrainError, match="no candidate"):
        _ = Verdict("x", rows[:1]).nearest


def test_a_verdict_holds_the_numbers_of_the_states_it_names(model: BrainModel) -> None:
    one = COUPLINGS["recurrent_adapting"]
    row = decide(model, [one], (0.0, 1.0)).rows[0]
    course = density_course(_LIMITS.density_depressed, adapts=True)
    before, day = depressed(), state_after(depressed(), course, 24.0)
    read = [one.readouts(model, state)["pcc_mpfc"] for state in (before, day)]
    assert read[0] is not None
    assert read[1] is not None
    assert row.signs.pcc_mpfc_change == pytest.approx(read[1] - read[0], rel=1e-9)
    record = row.record()
    assert record["passes"] is all(row.checks.values())
    assert set(row.courses) == {"healthy", "depressed"}


def test_more_recurrent_weight_brings_the_network_nearer_to_criticality(model: BrainModel) -> None:
    rows = rule_sensitivity({"small": model}, {"density_gain": (0.05, 0.3)}, (0.0,))
    assert [(row.condition, row.value) for row in rows] == [
        ("none", None),
        ("adapts", None),
        ("density_gain", 0.05),
        ("density_gain", 0.3),
    ]
    little, much = (row.verdict.rows[0].criticality.eigenvalue for row in rows[2:])
    assert little is not None
    assert much is not None
    assert much > little
    with pytest.raises(BrainError, match="nearest valid name is 'density_gain'"):
        rule_sensitivity({"small": model}, {"density_gains": (0.1,)})


def _row(id: str, quantity: str, value: float, seen: str = "seen") -> dict[str, object]:
    return {"id": id, "citation": "someone2020", "quantity": quantity, "value": value, "seen": seen}


def test_observations_are_scored_by_sign(model: BrainModel) -> None:
    rows = [
        _row("M178", "dmn_connectivity_effect", -0.77),
        _row("M175", "dmn_connectivity_effect", -0.63, "recalled"),
        _row("M205", "dmn_core_to_dmpfc_fc", -0.2),
        _row("K001", "no network row", 1.0),
    ]
    first, second, third = score_rows(rows, model, COUPLINGS["control_inhibition"])
    # Stronger inhibition lowers rates, hence gains, hence correlations.
    assert (first.outcome, first.experiment, first.readout) == ("hit", "healthy, midazolam", "within_dmn")
    assert first.predicted is not None
    assert first.predicted < 0.0
    assert (second.outcome, third.outcome) == ("excluded", "not modelled")
    opposite = score_rows([{**rows[0], "value": 0.77}], model, COUPLINGS["control_inhibition"])
    assert opposite[0].outcome == "miss"


def test_every_network_row_is_in_the_evidence_and_only_what_was_seen_is_scored(model: BrainModel) -> None:
    table = load_observations(seen_only=False)
    scores = score_rows(table.to_dict("records"), model, COUPLINGS["recurrent"])
    ids = {row["id"] for row in csv.DictReader(_rows_text().splitlines())}
    assert {score.id for score in scores} == ids
    seen = dict(zip(table["id"], table["seen"], strict=True))
    for score in scores:
        assert (score.outcome == "excluded") == (seen[score.id] != "seen"), score.id
        assert (score.predicted is None) == (score.outcome in ("excluded", "not modelled")), score.id


def _rows_text() -> str:
    return resources.files("ketasim.brain").joinpath("network_rows.csv").read_text(encoding="utf-8")


def test_observations_that_do_not_fit_the_table_are_refused(model: BrainModel) -> None:
    reference = COUPLINGS["recurrent"]
    with pytest.raises(BrainError, match="'dmn_connectivity_effect' is expected"):
        score_rows([_row("M178", "another", 1.0)], model, reference)
    incomplete = _row("M178", "dmn_connectivity_effect", 1.0)
    del incomplete["seen"]
    with pytest.raises(BrainError, match="has no 'seen'"):
        score_rows([incomplete], model, reference)
