"""The population fit: recovery of what data were simulated with, its likelihood, its forecasts."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ketasim.api.fit import FitResult, fit_data
from ketasim.dosing import parse_regimen
from ketasim.errors import ModelError
from ketasim.inference.population_fit import Effects, Residual, choose_effects
from ketasim.inference.population_fit.importance import importance
from ketasim.inference.population_fit.marginal import Marginal
from ketasim.inference.population_fit.modes import find_modes
from ketasim.inference.population_fit.sampled import Sampled
from ketasim.inference.population_fit.simulate import Truth, simulate_data
from ketasim.model.parameters import load_parameters

REGIMEN = "0.5 mg/kg ketamine iv over 40 min"
TRUTH = Truth(
    {"clearance": 80.0, "volume_deep": 250.0},
    {"clearance": 0.18, "volume_deep": 0.35},
    {"ketamine_venous": ("proportional", 0.12)},
)
NAMES = ["clearance", "volume_deep"]


def written(folder: Path, persons: int, times: tuple[float, ...], seed: int) -> Path:
    """A data file of persons who were simulated with the truth above."""
    weights = np.round(np.random.default_rng(seed).normal(75.0, 10.0, persons), 1).tolist()
    table = simulate_data(
        TRUTH, [parse_regimen(REGIMEN)] * persons, [("ketamine_venous", times)], weights_kg=weights, seed=seed
    )
    path = folder / "data.csv"
    table.to_csv(path, index=False, na_rep=".")
    return path


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> FitResult:
    """24 persons with six samples each, fitted without priors, and a forecast for one."""
    path = written(tmp_path_factory.mktemp("fit"), 24, (0.5, 1.0, 2.0, 4.0, 8.0, 16.0), 2)
    return fit_data(
        path,
        NAMES,
        quantity="ketamine_venous",
        prior="none",
        forecast_id=5,
        regimen="1 mg/kg ketamine iv over 40 min",
        start="24 h",
    )


def test_finds_what_data_were_simulated_with(result: FitResult) -> None:
    found = result.parameters.set_index(["name", "kind"])["estimate"]
    # The sampling error of 24 persons is 4 to 8 % of typical values and 15 % of spreads.
    for name, value in TRUTH.values.items():
        assert found[name, "typical"] == pytest.approx(value, rel=0.15)
    for name, value in TRUTH.spreads.items():
        assert found[name, "spread"] == pytest.approx(value, rel=0.40)
    # 144 measurements tell the error to 6 %.
    assert found["ketamine_venous", "proportional error"] == pytest.approx(0.12, rel=0.2)
    assert result.fit.converged
    assert result.fit.warnings == ()


def test_intervals_and_errors_belong_together(result: FitResult) -> None:
    rows = result.parameters
    assert (rows["low"] < rows["estimate"]).all()
    assert (rows["estimate"] < rows["high"]).all()
    own = rows[rows["name"] == "clearance"].iloc[0]
    # On the log scale: high / low = exp(2 * 1.96 * se / estimate), by the definition of the delta method.
    assert math.log(own["high"] / own["low"]) == pytest.approx(3.92 * own["se"] / own["estimate"], rel=1e-3)


def test_approximate_and_sampled_likelihood_agree(result: FitResult) -> None:
    # Six samples a person make deviations nearly normal: what the approximation leaves is a fraction of a
    # unit of -2 log L for each ten persons.
    gap = abs(result.fit.loss - result.fit.importance.loss)
    assert gap < 3.0 * result.fit.importance.loss_error + 2.5


def test_estimates_have_the_highest_likelihood(result: FitResult) -> None:
    # Of the likelihood without approximation: moved values are worse by more than its Monte-Carlo error.
    fit = result.fit
    for place, move in ((0, 0.12), (1, 0.25)):
        theta = fit.point.theta.copy()
        theta[place] += move
        point = replace(fit.point, theta=theta)
        linear = find_modes(fit.predictor, fit.residual, point, fit.linear.eta)
        other = importance(fit.predictor, fit.residual, point, linear, samples=200, seed=1)
        assert other.loss > fit.importance.loss + 2.0 * other.loss_error


@pytest.mark.parametrize("kind", ["linear", "sampled"])
def test_gradient_is_that_of_the_loss(result: FitResult, kind: str) -> None:
    fit = result.fit
    marginal = Marginal(fit.predictor, fit.residual, fit.point, fit.linear)
    loss = marginal.loss if kind == "linear" else Sampled(marginal, fit.importance).loss
    vector = marginal.start + np.linspace(-0.1, 0.15, len(marginal.start))
    _, gradient = loss(vector)
    for place in range(len(vector)):
        move = np.zeros(len(vector))
        move[place] = 1e-5
        slope = (loss(vector + move)[0] - loss(vector - move)[0]) / 2e-5
        # Central differences of a smooth function: what is left is rounding, 1e-16 * 1e3 / 1e-5.
        assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-4)


def test_sampled_loss_falls_on_values_without_differences_too(result: FitResult) -> None:
    # The same with a value in which people do not differ: its slopes come from the linear model.
    fit = result.fit
    items = (fit.predictor.effects.items[0], replace(fit.predictor.effects.items[1], random=False))
    predictor = replace(fit.predictor, effects=Effects(items))
    point = replace(fit.point, log_omega=fit.point.log_omega[:1])
    linear = find_modes(predictor, fit.residual, point, fit.linear.eta[:, :1])
    draws = importance(predictor, fit.residual, point, linear, samples=40, seed=2)
    loss = Sampled(Marginal(predictor, fit.residual, point, linear), draws).loss
    vector = Marginal(predictor, fit.residual, point, linear).start + 0.02
    move = np.array([0.0, 1e-5, 0.0, 0.0])
    slope = (loss(vector + move)[0] - loss(vector - move)[0]) / 2e-5
    assert loss(vector)[1][1] == pytest.approx(slope, rel=1e-5, abs=1e-4)


def test_modes_are_stationary(result: FitResult) -> None:
    fit = result.fit
    again = find_modes(fit.predictor, fit.residual, fit.point, np.zeros_like(fit.linear.eta))
    # From anywhere the same modes are found, to a small part of a person's own standard deviation.
    sd = np.sqrt(np.linalg.inv(fit.linear.information).diagonal(axis1=1, axis2=2))
    assert np.max(np.abs(again.eta - fit.linear.eta) / sd) < 0.1


def test_residuals_of_the_true_model_are_standard_normal(result: FitResult) -> None:
    rows = result.diagnostics.rows
    for name in ("CWRES", "NPDE"):
        values = rows[name].to_numpy()
        # 144 values: the standard errors of mean and SD are 0.08 and 0.06; four of them are allowed.
        assert abs(values.mean()) < 0.33
        assert 0.75 < values.std() < 1.25
    assert len(rows) == 144
    own = np.corrcoef(np.log(rows["DV"]), np.log(rows["IPRED"]))[0, 1]
    typical = np.corrcoef(np.log(rows["DV"]), np.log(rows["PRED"]))[0, 1]
    assert own > typical


def test_predictive_check_holds_the_data(result: FitResult) -> None:
    table = result.diagnostics.vpc
    inside = (table["low"] <= table["observed"]) & (table["observed"] <= table["high"])
    # 18 percentiles in 95 % intervals of the true model.
    assert inside.mean() >= 0.8
    assert (table["low"] <= table["high"]).all()


def test_forecast_is_narrower_than_anybody_and_ends_where_data_end(result: FitResult) -> None:
    ahead = result.forecast
    assert ahead is not None
    late = ahead.courses[ahead.courses["time_h"].between(26.0, 36.0)]
    assert ((late["high"] - late["low"]) < 0.7 * (late["anybody_high"] - late["anybody_low"])).all()
    assert (late["measured_high"] - late["measured_low"] > late["high"] - late["low"]).all()
    assert ahead.start_h == 24.0
    assert any("later than 16 h" in note for note in ahead.notes)
    assert any("larger than any in the data" in note for note in ahead.notes)
    # His history comes first: at 24 h, before the new dose, some of the old one is left.
    assert ahead.courses["median"].iloc[0] > 0.5
    removed = ahead.individual.set_index("parameter")["variance_removed"]
    assert (removed > 0.3).all()


def test_report_and_tables_are_written(result: FitResult, tmp_path: Path) -> None:
    page = result.write(tmp_path / "out").read_text(encoding="utf-8")
    assert "Fit to data.csv" in page
    assert page.count("<svg") == 6
    rows = pd.read_csv(tmp_path / "out" / "observations.csv")
    assert list(rows.columns)[:5] == ["ID", "TIME", "line", "quantity", "unit"]
    for name in ("parameters", "individuals", "vpc", "forecast"):
        assert len(pd.read_csv(tmp_path / "out" / f"{name}.csv")) > 0
    assert (tmp_path / "out" / "fit.json").read_text(encoding="utf-8").count("NaN") == 0


def test_priors_hold_what_data_do_not_tell(tmp_path: Path) -> None:
    # Two early samples tell next to nothing of the deep volume.
    path = written(tmp_path, 6, (0.5, 1.0), 4)
    found = fit_data(path, NAMES, random="clearance", quantity="ketamine_venous").parameters
    own = found[(found["name"] == "volume_deep") & (found["kind"] == "typical")].iloc[0]
    assert own["posterior_over_prior_sd"] > 0.6
    assert own["prior_low"] < own["estimate"] < own["prior_high"]


def test_no_iterations_keep_the_tables(tmp_path: Path) -> None:
    path = written(tmp_path, 3, (0.5, 2.0, 8.0), 5)
    found = fit_data(path, "clearance", quantity="ketamine_venous", iterations=0)
    table = load_parameters()["clearance"]
    assert found.parameters["estimate"].iloc[0] == pytest.approx(table.value, rel=1e-9)
    # The persons are fitted all the same.
    assert np.abs(found.fit.linear.eta).max() > 0.01


def test_same_seed_same_result(tmp_path: Path) -> None:
    path = written(tmp_path, 4, (0.5, 4.0), 6)
    first, second = (fit_data(path, "clearance", quantity="ketamine_venous", seed=3) for _ in range(2))
    assert first.as_data()["individuals"] == second.as_data()["individuals"]
    assert first.fit.importance.loss == second.fit.importance.loss


def test_work_ends_when_it_is_told_to(tmp_path: Path) -> None:
    path = written(tmp_path, 4, (0.5, 4.0), 7)
    calls = []

    def stop() -> None:
        calls.append(1)
        if len(calls) > 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_data(path, "clearance", quantity="ketamine_venous", check=stop)
    assert len(calls) == 4


def test_scores_are_fitted_with_the_whole_chain(tmp_path: Path) -> None:
    truth = Truth({"mood_fast_arm_weight": 0.9}, {"mood_fast_arm_weight": 0.35}, {"madrs": ("additive", 1.0)})
    table = simulate_data(
        truth, [parse_regimen(REGIMEN)] * 8, [("madrs", (4.0, 24.0, 72.0))], weights_kg=[75.0] * 8, seed=8
    )
    path = tmp_path / "scores.csv"
    table.assign(BASELINE=33).to_csv(path, index=False, na_rep=".")
    found = fit_data(
        path, "mood_fast_arm_weight", observe="1=madrs", error="additive", prior="none", iterations=3
    ).parameters
    # Eight persons who differ by 0.35: the typical value has a standard error of 13 %; 2.7 of them.
    assert found["estimate"].iloc[0] == pytest.approx(0.9, rel=0.35)


def test_residual_variances() -> None:
    residual = Residual.of(["combined", "lognormal"], np.array([10.0, 5.0]))
    quantity = np.array([0, 1])
    logs = np.log([2.0, 0.1, 0.3])
    variance, slope = residual.variance(np.array([30.0, math.log(5.0)]), quantity, logs)
    # 2^2 + (0.1 * 30)^2, and 0.3^2 on the log scale; the floor is 1e-4 of the proportional part squared.
    assert variance == pytest.approx([13.0, 0.09], rel=1e-6)
    assert slope == pytest.approx([2.0 * 0.01 * 30.0, 0.0])
    values = np.array([30.0, 5.0])
    assert residual.natural(residual.working(values, quantity), quantity) == pytest.approx(values)


def test_effects_move_on_their_scales() -> None:
    effects = choose_effects(load_parameters(), ["clearance", "gut_survival"], ["clearance"])
    assert [item.scale for item in effects.items] == ["log", "logit"]
    persons = effects.persons(effects.start, np.array([[0.3]]))
    values = effects.values(persons)[0]
    table = load_parameters()
    assert values == pytest.approx([table["clearance"].varied(0.3), table["gut_survival"].value])
    # The range of a table holds 95 % of the prior.
    low, high = (effects.start[0] + side * 1.959964 * effects.items[0].prior_sd for side in (-1.0, 1.0))
    assert math.exp(high - low) == pytest.approx(table["clearance"].high / table["clearance"].low, rel=1e-6)


@pytest.mark.parametrize(
    ("estimated", "random", "says"),
    [
        (["clearence"], None, "the nearest valid name is 'clearance'"),
        (["clearance", "clearance"], None, "named twice"),
        (["weight"], None, "a person brings along"),
        (["molar_mass_hnk"], None, "is fixed in its table"),
        (["clearance"], ["hepatic_flow_slope"], "cannot differ by a factor"),
        (["mood_time"], None, "belongs to the stage symptoms"),
        ([], [], "nothing to fit"),
    ],
)
def test_refuses_parameters_that_cannot_be_fitted(
    estimated: list[str], random: list[str] | None, says: str
) -> None:
    with pytest.raises(ModelError, match=says):
        choose_effects(load_parameters(), estimated, random, stages=["pharmacokinetics"])


def test_shares_of_people_who_do_not_differ_are_empty() -> None:
    effects = choose_effects(load_parameters(), ["clearance"], [])
    assert isinstance(effects, Effects)
    assert effects.random == []
    assert effects.persons(effects.start, np.zeros((3, 0))).shape == (3, 1)
