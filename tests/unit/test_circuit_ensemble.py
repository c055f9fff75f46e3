from __future__ import annotations

import json
import math
from dataclasses import replace
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from ketasim.circuit import CLASSES, circuit_names, depressed_condition, load_circuit, load_ensemble
from ketasim.circuit.blocks import ANTAGONISTS, CLASS_IC50, blocks_at, blocks_at_mean, subunit_blocks
from ketasim.circuit.building import best_draws, build_ensemble, sign_shares
from ketasim.circuit.design import RANGES, design, inputs_of
from ketasim.circuit.ensemble import read_ensemble, write_ensemble
from ketasim.circuit.formulas import INPUTS, OUTPUTS, UNITS, coefficients_of
from ketasim.circuit.ridge import evaluate
from ketasim.circuit.screening import Screened, drawn, read_screened, screen_draws, table_hash
from ketasim.circuit.signs import CLINICAL_BLOCK, SIGNS, log_likelihood, probes
from ketasim.circuit.tabulate import DesignRuns, fit_surface, read_runs, write_runs
from ketasim.errors import ModelError
from ketasim.evidence import load_observations
from ketasim.model.circuits import circuit_values, draw_circuits, write_circuit_table
from ketasim.model.parameters import load_parameters

ENSEMBLE = load_ensemble()
FIRST = ENSEMBLE.circuits[0]
# As the design says them: what the default circuit must do at the clinical dose.
CLINICAL = blocks_at_mean(CLINICAL_BLOCK)


def at(circuit: object, *conditions: tuple[float, float, float, float]) -> np.ndarray:
    inputs = np.zeros((len(conditions), len(INPUTS)))
    inputs[:, :4] = conditions
    return np.exp(evaluate(circuit.surface.ridge, inputs))  # type: ignore[attr-defined]


def test_at_least_twenty_circuits_ship_with_weights() -> None:
    assert len(ENSEMBLE.circuits) >= 20
    assert ENSEMBLE.weights.sum() == pytest.approx(1.0, abs=1e-3)
    assert (np.diff(ENSEMBLE.weights) <= 0.0).all()
    assert ENSEMBLE.tables == table_hash()
    assert circuit_names()[0] == FIRST.name


def test_circuits_are_the_draws_that_they_are_named_after() -> None:
    for circuit in ENSEMBLE.circuits:
        again = drawn(int(circuit.name.removeprefix("draw-")))
        for name, value in circuit.parameters.values.items():
            # Written with five digits.
            assert value == pytest.approx(again.value(name), rel=1e-4), name


def test_weights_are_the_likelihoods_of_the_published_signs() -> None:
    likelihood = np.array([log_likelihood(circuit.effects) for circuit in ENSEMBLE.circuits])
    expected = np.exp(likelihood - likelihood.max())
    np.testing.assert_allclose(ENSEMBLE.weights, expected / expected.sum(), rtol=5e-3)


def test_default_circuit_shows_the_signs_of_class_wise_block() -> None:
    clinical, deep = at(FIRST, CLINICAL, blocks_at_mean(0.78))
    pyramidal, pv, sst, _, gamma = clinical
    assert pv < 0.97
    assert sst < 0.97
    assert pyramidal > 1.1
    assert gamma > 1.2
    assert deep[0] < pyramidal
    uniform = math.exp(FIRST.effects["uniform"])
    assert abs(uniform - 1.0) < 0.07


def test_surfaces_agree_with_the_probes_that_they_were_not_fitted_to() -> None:
    found = np.log(at(FIRST, CLINICAL)[0, :4])
    probed = [FIRST.effects[f"{name}_clinical"] for name in CLASSES]
    # The error of a surface where a drug goes, and what single runs differ by; see the circuit's page.
    np.testing.assert_allclose(found, probed, atol=0.12)


def test_errors_of_the_default_are_those_that_the_chain_may_count_on() -> None:
    # The aim is 0.05 for all rates; SST and VIP cells, which silence each other, miss it.
    assert FIRST.surface.near_error["pyramidal_rate"] <= 0.05
    assert FIRST.surface.near_error["pv_rate"] <= 0.055


def test_chain_holds_the_first_circuit_and_the_option_takes_others() -> None:
    table = load_parameters()
    for name, value in circuit_values(FIRST.name).items():
        assert table[name].value == pytest.approx(value, rel=1e-4), name
    other = ENSEMBLE.circuits[3].name
    changed = table.with_options({"circuit": other})
    for name, value in circuit_values(other).items():
        assert changed[name].value == pytest.approx(value, rel=1e-12), name
    assert table.with_options({"circuit": FIRST.name}).changed == {}


def test_circuits_are_drawn_by_their_weights() -> None:
    drawn_names = draw_circuits(np.random.default_rng(1), 4000)
    share = drawn_names.count(FIRST.name) / 4000  # type: ignore[attr-defined]
    weight = ENSEMBLE.weights[0] / ENSEMBLE.weights.sum()
    # Four standard errors of a count.
    assert abs(share - weight) < 4.0 * math.sqrt(weight * (1.0 - weight) / 4000)
    with pytest.raises(ModelError, match="must not be negative"):
        draw_circuits(np.random.default_rng(1), -1)


def test_an_ensemble_survives_its_file(tmp_path: Path) -> None:
    write_ensemble(tmp_path / "ensemble.json", ENSEMBLE)
    again = read_ensemble(tmp_path / "ensemble.json")
    shipped = (resources.files("ketasim.circuit") / "ensemble.json").read_text(encoding="utf-8")
    assert (tmp_path / "ensemble.json").read_text(encoding="utf-8") == shipped
    assert [sign.shown for sign in again.signs] == [sign.shown for sign in ENSEMBLE.signs]
    write_circuit_table(tmp_path / "circuit.csv", again)
    table = resources.files("ketasim.model.parameters") / "human" / "circuit.csv"
    assert (tmp_path / "circuit.csv").read_text(encoding="utf-8") == table.read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "{}", '{"version": 99}', '{"version": 1, "signs": []}'])
def test_a_file_that_is_no_ensemble_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=r"broken\.json"):
        read_ensemble(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_ensemble(tmp_path / "absent.json")


def test_an_unknown_circuit_is_answered_with_the_nearest() -> None:
    with pytest.raises(ModelError, match=f"nearest valid name is '{FIRST.name}'"):
        load_circuit(FIRST.name + "x")


def test_depressed_circuit_has_less_of_all_that_is_lost() -> None:
    found = depressed_condition()
    assert 0.0 < found.gaba_a_gain < 1.0
    assert 0.0 < found.density < 1.0
    assert 0.0 < found.sst_gain < 1.0
    assert found.block == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("mean", [0.05, 0.24, 0.52, 0.9])
def test_blocks_meet_their_mean(mean: float) -> None:
    blocks = np.array(blocks_at_mean(mean))
    assert blocks @ [0.80, 0.08, 0.07, 0.05] == pytest.approx(mean, rel=1e-9)
    odds = blocks / (1.0 - blocks)
    np.testing.assert_allclose(odds * CLASS_IC50, odds[0] * CLASS_IC50[0], rtol=1e-9)


def test_blocks_that_cannot_be_are_refused() -> None:
    assert blocks_at(0.0) == (0.0, 0.0, 0.0, 0.0)
    assert blocks_at(2.0, (5.0, 2.0, math.inf, 3.0))[2] == 0.0
    with pytest.raises(ModelError, match="finite and not negative"):
        blocks_at(-1.0)
    with pytest.raises(ModelError, match="give four values above 0"):
        blocks_at(1.0, (1.0, 2.0))
    with pytest.raises(ModelError, match="fraction from 0 to below 1"):
        blocks_at_mean(1.0)
    with pytest.raises(ModelError, match="keep it below that"):
        blocks_at_mean(0.9, (math.inf, 2.0, 1.5, 3.0))


def test_subunits_share_out_block() -> None:
    pyramidal, pv, sst, _ = subunit_blocks("ketamine", 1.0)
    assert pyramidal == pytest.approx(0.5 / 6.4 + 0.5 / 6.1, rel=1e-12)
    assert pyramidal < pv < sst
    # A GluN2B antagonist spares classes without that subunit.
    blocks = subunit_blocks("glun2b_antagonist", 0.5)
    assert blocks[0] == max(blocks)
    for name in ANTAGONISTS:
        assert subunit_blocks(name, 0.0) == (0.0, 0.0, 0.0, 0.0)
    with pytest.raises(ModelError, match="nearest valid name is 'memantine'"):
        subunit_blocks("memantin", 1.0)


def test_design_fills_its_ranges_and_grows_from_its_beginning() -> None:
    found = np.array([inputs_of(condition) for condition in design(256)])
    lows, highs = (np.array([RANGES[name][k] for name in INPUTS]) for k in (0, 1))
    lows[4:] -= 1.0
    highs[4:] -= 1.0
    assert (found >= lows - 1e-9).all()
    assert (found <= highs + 1e-9).all()
    # A Sobol sequence of a quarter of a thousand points leaves no empty eighth at the ends of a gain.
    for k in (4, 5, 6):
        shares = (found[:, k] - lows[k]) / (highs[k] - lows[k])
        assert min((shares < 0.125).sum(), (shares > 0.875).sum()) > 15
    assert design(200)[:100] == design(256)[:100]
    assert any(0.0 in condition.block and max(condition.block) > 0.0 for condition in design(256))


def test_runs_survive_their_file_and_others_are_not_taken(tmp_path: Path) -> None:
    x = np.array([inputs_of(condition) for condition in design(20)])
    rng = np.random.default_rng(3)
    runs = DesignRuns(x, rng.normal(size=(20, 5)), rng.normal(size=(4, 5)))
    write_runs(tmp_path / "a" / "runs.json", runs)
    again = read_runs(tmp_path / "a" / "runs.json", 20)
    assert again is not None
    np.testing.assert_allclose(again.logs, runs.logs, atol=1e-5)
    assert read_runs(tmp_path / "a" / "runs.json", 21) is None
    assert read_runs(tmp_path / "absent.json", 20) is None
    (tmp_path / "broken.json").write_text("{", encoding="utf-8")
    with pytest.raises(ModelError, match="delete the file"):
        read_runs(tmp_path / "broken.json", 20)


def test_a_surface_is_found_again_from_noisy_runs() -> None:
    x = np.array([inputs_of(condition) for condition in design(400)])
    truth = evaluate(FIRST.surface.ridge, x)
    rng = np.random.default_rng(4)
    noisy = truth + 0.01 * rng.standard_normal(truth.shape)
    repeats = truth[:48] + 0.01 * rng.standard_normal((48, 5))
    found = fit_surface(DesignRuns(x, noisy, repeats), units=4)
    assert found.seed_spread["pyramidal_rate"] == pytest.approx(0.01, rel=0.4)
    assert found.ridge.units == 4
    # Four units cannot follow ten, but most of what the network does.
    assert found.error["pyramidal_rate"] < 0.5 * truth[:, 0].std()


def screened(index: int, shift: float = 0.0) -> Screened:
    effects = {name: value + shift for name, value in FIRST.effects.items()}
    return Screened(index, "", FIRST.rest, 0.5, FIRST.drive, effects)


def test_likely_draws_come_first_and_too_few_are_refused() -> None:
    refused = Screened(0, "synchrony", FIRST.rest, 2.0, FIRST.drive, {})
    draws = [refused, screened(1, 0.4), screened(2)]
    assert [one.index for one in best_draws(draws, 2)] == [2, 1]
    with pytest.raises(ModelError, match="only 2 of 3 draws have a plausible baseline, and 3"):
        best_draws(draws, 3)


def test_shares_have_wilson_intervals() -> None:
    draws = [screened(k, 0.0 if k % 2 else 2.0) for k in range(10)]
    by_name = {sign.name: sign for sign in sign_shares(draws)}
    half = by_name["pv_falls"]
    assert (half.shown, half.accepted) == (5, 10)
    # Wilson's interval of 5 out of 10.
    assert half.interval == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_a_contradiction_counts_against_a_circuit() -> None:
    risen = {sign.effect: 0.0 for sign in SIGNS}
    more = {**risen, "pyramidal_clinical": 0.5}
    # M002 and M004 speak for a rise, M023 against it: twice 0.9 and once 0.1, against a circuit without one.
    nothing = 0.1 + 0.8 * 0.5 * math.erfc(2.5 / math.sqrt(2.0))
    without = 2.0 * math.log(nothing) + math.log(1.0 - nothing)
    with_rise = 2.0 * math.log(0.9) + math.log(0.1)
    assert log_likelihood(more) - log_likelihood(risen) == pytest.approx(with_rise - without, rel=1e-6)


def test_every_observation_of_a_sign_was_read_in_its_source() -> None:
    # The loader leaves out what was only recalled.
    seen = set(load_observations()["id"])
    for sign in SIGNS:
        assert seen >= {*sign.observations, *sign.against}, sign.name


def test_probes_differ_in_what_they_are_named_after() -> None:
    found = probes()
    assert found["rest"][0].block == (0.0,) * 4
    assert len(set(found["uniform"][0].block)) == 1
    assert found["vip_as_sst"][0].block[3] == pytest.approx(found["vip_as_sst"][0].block[2])
    assert found["benzodiazepine_clinical"][0] == replace(found["clinical"][0], gaba_a_gain=1.25)


def test_a_screening_goes_on_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "draws.jsonl"
    lines = [
        {
            "index": k,
            "refused": "synchrony",
            "rest": [3.0, 12.0, 8.0, 8.0],
            "synchrony": 2.0,
            "drive": [1.0, 1.0, 1.0, 1.0],
            "effects": {},
            "tables": table_hash(),
        }
        for k in range(3)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    found = screen_draws(path, 3)
    assert [one.index for one in found] == [0, 1, 2]
    assert not any(one.accepted for one in found)
    path.write_text(json.dumps({**lines[0], "tables": "other"}) + "\n", encoding="utf-8")
    with pytest.raises(ModelError, match="line 1: drawn with other tables"):
        read_screened(path)
    path.write_text("{\n", encoding="utf-8")
    with pytest.raises(ModelError, match="line 1: this is no line of a screening"):
        screen_draws(path, 3)


def test_an_ensemble_of_a_few_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="at least 20 circuits"):
        build_ensemble(tmp_path, 30, 5, 128)


def test_the_table_of_the_chain_has_every_coefficient() -> None:
    coefficients = set(coefficients_of(FIRST.surface.ridge))
    assert len(coefficients) == UNITS * 8 + len(OUTPUTS) * (UNITS + 7)
    rest = {name for name, item in load_parameters().items() if item.stage == "circuit"} - coefficients
    assert rest == {"benzodiazepine_gaba_gain", "circuit_weight", "beta_gain", "slow_gain"}
