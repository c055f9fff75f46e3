"""How much the model's success hangs on its parts: its measures on problems with known answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from ketasim.dosing import parse_regimen
from ketasim.engine.schedule import InputPath
from ketasim.errors import ModelError
from ketasim.inference.calibration.prior import Prior
from ketasim.inference.robustness import (
    Rows,
    compare,
    corrupt,
    coverage,
    delay_chain,
    delay_parameters,
    flags,
    group_of,
    mean_difference,
    padding_table,
    permuted_draws,
    score_flags,
)
from ketasim.inference.robustness.corruption import robust_spread
from ketasim.inference.robustness.delay import FILTER, REPLACED, delay_targets
from ketasim.inference.robustness.permutation import stages_of
from ketasim.inference.robustness.synthetic import recover
from ketasim.inference.targets import Target
from ketasim.model.parameters import load_parameters
from ketasim.model.simulator import Simulator
from ketasim.population.draws import Draws
from ketasim.trials.works import load_work
from ketasim.validation.between import Between
from ketasim.validation.predict import Predicted
from ketasim.validation.scoreboard import interval_score


@dataclass(frozen=True)
class _Row:
    id: str
    use: str = "calibration"
    source_kind: str = "measured"
    statistic: str = "mean"
    citation: str = "nobody"
    arm: str = "drug"
    arms: tuple[str, ...] = ("drug",)
    comparators: tuple[str, ...] = ()


def _predicted(study: str, number: int, observed: float, cells: np.ndarray, row_class: str) -> Predicted:
    return Predicted(
        study=study,
        domain="clinical",
        species="human",
        stage="symptoms",
        row=_Row(f"{study}_{number}"),
        observed=observed,
        observed_se=math.nan,
        cells=cells,
        within=25.0 if row_class == "points" else 0.16,
        n=40.0,
        row_class=row_class,
        kind="quantitative",
        per_draw=8.0,
    )


def _rows(seed: int = 3, studies: int = 40) -> Rows:
    """Numbers that a model foretells with parameters, samples and studies that differ by 2 points or 0.3."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal(40)
    found = []
    for study in range(studies):
        for number, (row_class, middle, within, between) in enumerate(
            (("points", -14.0, 25.0, 2.0), ("log", 4.0, 0.16, 0.3))
        ):
            own = middle + 0.1 * middle * random.standard_normal()
            cells = own + 0.3 * math.sqrt(within) * shared * 0.2
            cells = cells + random.standard_normal(40) * math.sqrt(within / 8.0)
            y = own + random.standard_normal() * math.hypot(between, math.sqrt(within / 40.0))
            observed = y if row_class == "points" else math.exp(y)
            found.append(_predicted(f"s{study}", number, observed, cells, row_class))
    return Rows.of(found)


def test_difference_by_hand() -> None:
    found = mean_difference(
        np.array([1.0, 2.0, 3.0, math.nan]), np.array([0.0, 0.0, 0.0, 1.0]), ["a", "a", "b", "b"]
    )
    # Mean 2; deviations of the studies add up to -1 and +1: sqrt(2 * 2 / 1) / 3.
    assert (found.rows, found.studies, found.mean) == (3, 2, 2.0)
    assert found.standard_error == pytest.approx(2.0 / 3.0, rel=1e-12)
    assert found.in_errors == pytest.approx(3.0, rel=1e-12)


def test_copies_of_rows_within_studies_tell_nothing_new() -> None:
    off = np.random.default_rng(1).standard_normal(30)
    names = [f"s{place}" for place in range(30)]
    once = mean_difference(off, np.zeros(30), names)
    copied = mean_difference(np.repeat(off, 5), np.zeros(150), list(np.repeat(names, 5)))
    assert copied.standard_error == pytest.approx(once.standard_error, rel=1e-12)
    assert once.standard_error == pytest.approx(float(off.std(ddof=1)) / math.sqrt(30), rel=1e-12)


def test_a_single_study_has_no_error() -> None:
    found = mean_difference(np.ones(3), np.zeros(3), ["a"] * 3)
    assert found.mean == 1.0
    assert math.isnan(found.standard_error)
    assert math.isnan(found.in_errors)


def _scored(z: np.ndarray) -> pd.DataFrame:
    columns: dict[str, object] = {
        "kind": "quantitative",
        "z": z,
        "use": np.where(z > 0.0, "check", "calibration"),
    }
    for end, factor in (("", 1.0), ("_half", 0.5), ("_double", 2.0)):
        columns[f"inside{end}"] = np.abs(z) <= factor * 1.959964
        columns[f"score{end}"] = interval_score(z, 0.0 * z, np.full(z.shape, factor))
    return pd.DataFrame(columns)


def test_padding_of_right_and_of_padded_intervals() -> None:
    z = np.random.default_rng(2).standard_normal(20_000)
    lines = {(line["use"], line["factor"]): line for line in padding_table(_scored(z))}
    # Chances of a normal within 0.98 and 1.96 SDs; 20 000 draws have an error below 0.35 points.
    assert lines["all", "0.5"]["inside_95"] == pytest.approx(0.673, abs=0.012)
    assert lines["all", "1"]["inside_95"] == pytest.approx(0.95, abs=0.006)
    assert lines["all", "2"]["interval_score"] > lines["all", "1"]["interval_score"]
    assert lines["all", "0.5"]["interval_score"] > lines["all", "1"]["interval_score"]
    assert lines["check", "1"]["rows"] + lines["calibration", "1"]["rows"] == lines["all", "1"]["rows"]
    padded = {line["factor"]: line for line in padding_table(_scored(0.2 * z)) if line["use"] == "all"}
    # Intervals five times too wide: halving costs no coverage, and betters the score.
    assert padded["1"]["inside_95"] - padded["0.5"]["inside_95"] < 0.001
    assert padded["0.5"]["interval_score"] < padded["1"]["interval_score"]


def test_padding_without_numbers_is_an_error() -> None:
    with pytest.raises(ModelError, match="no row has a number"):
        padding_table(_scored(np.array([math.nan])))


def test_permuted_draws_keep_stages_and_lose_what_ties_them() -> None:
    parameters = load_parameters()
    names = ("fast_arm_rate", "fast_arm_time", "mood_time", "nascent_life")
    shared = np.random.default_rng(4).standard_normal(300)
    values = np.exp(np.column_stack([shared * (place + 1.0) for place in range(4)]))
    draws = Draws(names, values)
    found = permuted_draws(draws, parameters, seed=1)
    assert stages_of(draws, parameters) == {"ampa": (0, 1), "symptoms": (2,), "synapses": (3,)}
    assert np.array_equal(np.sort(found.values, axis=0), np.sort(values, axis=0))
    logs = np.log(found.values)
    assert np.allclose(logs[:, 1], 2.0 * logs[:, 0], rtol=1e-9)
    # Correlations of 300 independent pairs have an SD of 0.06.
    assert abs(np.corrcoef(logs[:, 0], logs[:, 2])[0, 1]) < 0.25
    assert np.corrcoef(np.log(values).T)[0, 2] > 0.999
    assert np.array_equal(found.values, permuted_draws(draws, parameters, seed=1).values)


def test_corruption_takes_a_fifth_and_names_it() -> None:
    values = np.arange(1.0, 101.0)
    wrong = corrupt(values, seed=5)
    changed = wrong.values != values
    assert np.array_equal(np.flatnonzero(changed), wrong.places)
    assert len(wrong.places) == 20
    assert set(np.round(wrong.values[changed] / values[changed], 9)) == {3.0, -1.0}


def test_spread_is_not_led_by_wrong_rows() -> None:
    random = np.random.default_rng(6)
    off = random.standard_normal(400) * math.hypot(2.0, 1.0)
    variance = np.ones(400)
    clean = robust_spread(off, variance)
    off[:80] += 40.0
    # SD between studies 2; the SD of an estimate from 400 rows is about 0.1, and the grid's steps are 12 %.
    assert clean == pytest.approx(2.0, rel=0.25)
    assert robust_spread(off, variance) == pytest.approx(2.0, rel=0.25)
    assert float(off.std()) > 10.0


def test_no_spread_is_found_where_there_is_none() -> None:
    off = 0.8 * np.random.default_rng(7).standard_normal(300)
    assert robust_spread(off, np.ones(300)) < 0.2


def test_wrong_numbers_are_flagged_and_right_ones_are_not() -> None:
    rows = _rows()
    between = Between({("points", "all"): 2.0, ("log", "all"): 0.3}, {})
    wrong = corrupt(rows.values, seed=8)
    found = score_flags(rows, between, wrong, flags(rows, wrong.values))
    assert found["corrupted"] == round(0.2 * len(rows.items))
    assert found["outside"] >= 0.8 * found["corrupted"]
    assert found["impossible"] > 0
    assert found["found"] / found["outside"] >= 0.9
    # One in a hundred is outside by chance; 3 of 64 would be far too many.
    assert found["false_alarms"] <= 0.05 * found["clean"]
    assert flags(rows, rows.values).mean() <= 0.05


def test_rows_without_a_number_cannot_be_looked_at() -> None:
    with pytest.raises(ModelError, match="measured number"):
        Rows.of([])


class _Linear:
    """Targets that are straight lines in the parameters: the posterior is normal and known."""

    def __init__(self, matrix: np.ndarray, data: np.ndarray, names: tuple[str, ...]) -> None:
        self.matrix, self.data, self.moved_by = matrix, data, frozenset(names)
        self.aims: tuple[Target, ...] = ()
        self.step = 1e-2

    def residuals(self, z: np.ndarray) -> np.ndarray:
        return z @ self.matrix.T - self.data

    def finely(self, z: np.ndarray) -> None:
        """None: nothing here is chance."""


def test_recovery_of_a_linear_problem_is_exact_and_covers() -> None:
    names = ("fast_arm_rate", "fast_arm_time", "mood_time", "nascent_life")
    prior = Prior(load_parameters(), names)
    matrix = np.array([[2.0, 0.5, 0.0, 0.0], [0.0, 1.0, -1.0, 0.0], [0.3, 0.0, 0.5, 0.0]])
    covariance = np.linalg.inv(matrix.T @ matrix + np.eye(4))
    random = np.random.default_rng(9)
    slopes, sets = [], []
    for number in range(30):
        truth = np.clip(random.standard_normal(4), -1.9, 1.9)
        data = matrix @ truth + random.standard_normal(3)
        item = recover(
            lambda own: [_Linear(matrix, own, names)],
            prior,
            truth,
            data,
            seed=number + 1,
            starts=8,
            sets=200,
            rounds=3,
        )
        centre = prior.inside(covariance @ matrix.T @ data)
        if not (np.abs(centre) > 1.95).any():
            # Slopes by differences of straight lines are exact but for rounding; the search stops at a
            # relative gain of 2e-4.
            assert np.allclose(item.found, centre, atol=0.05)
            assert np.allclose(item.shrinkage, np.sqrt(np.diag(covariance)), rtol=1e-6)
        assert item.cost <= item.cost_at_truth + 1e-9
        slopes.append(item.by_slopes)
        sets.append(item.by_ensemble)
    for hits in (slopes, sets):
        found = coverage(hits)
        assert found.count == 120
        # 90 % of 120 intervals have a binomial error of 2.7 points.
        assert found.share == pytest.approx(0.9, abs=0.09)


def test_coverage_knows_that_parameters_of_one_data_set_go_together() -> None:
    apart = coverage([np.array([True] * 9 + [False])] * 10)
    together = coverage([np.array([True] * 10)] * 9 + [np.array([False] * 10)])
    assert apart.share == together.share == pytest.approx(0.9)
    assert apart.standard_error == pytest.approx(math.sqrt(0.09 / 100), rel=1e-9)
    assert together.standard_error == pytest.approx(math.sqrt(9.0 * 1.0 + 81.0) / 100, rel=1e-9)
    assert math.isnan(coverage([np.zeros(0, dtype=bool)]).share)


def test_the_filter_is_two_delays_in_a_row() -> None:
    parameters = delay_parameters()
    simulator = Simulator(delay_chain(parameters), 1e-6)
    assert not {stage.name for stage in simulator.chain.stages} & set(REPLACED)
    patient = simulator.depressed(parameters, 33.0)
    regimen = parse_regimen("0.5 mg/kg ketamine iv over 40 min")
    times = np.linspace(0.0, 72.0, 7201)
    run = simulator.run(patient, regimen, times).quantities
    rise, fall, half, gain = (parameters[name].value for name in FILTER)
    block = run["nmda_block_pyramidal"]
    kernel = (np.exp(-times / fall) - np.exp(-times / rise)) / (fall - rise)
    expected = np.convolve(block, kernel)[: len(times)] * (times[1] - times[0])
    rest = run["fast_arm"] - 1.0
    found = half * rest / (gain - rest)
    # The sum over steps of 36 s is off by a step's length over the rise: 0.4 %.
    assert np.max(np.abs(found - expected)) < 0.01 * expected.max()
    assert np.all(run["spine_density"] == 1.0)
    assert run["severity"].min() < run["severity"][0] - 0.5


def test_the_filter_knows_no_antagonist() -> None:
    parameters = delay_parameters()
    simulator = Simulator(delay_chain(parameters), 1e-6)
    patient = simulator.depressed(parameters, 33.0)
    regimen = parse_regimen("0.5 mg/kg ketamine iv over 40 min")
    times = np.array([0.0, 24.0, 168.0])
    held = {
        name: InputPath((0.0,), (0.9,)) for name in ("ampa_antagonist", "mtor_inhibition_brain", "bdnf_loss")
    }
    usual = simulator.run(patient, regimen, times).quantities["severity"]
    beside = simulator.run(patient, regimen, times, held).quantities["severity"]
    # The same equations, solved with other steps.
    assert np.max(np.abs(usual - beside)) < 1e-3


def test_the_filter_is_aimed_at_what_it_has() -> None:
    found = {target.name for target in delay_targets()}
    assert {"effect_24h", "tenfold_24h", "antidepressant_6wk"} <= found
    assert not {"mtorc1_size", "spines_24h", "ampa_clamp_24h", "spine_clamp_7d"} & found


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("maeng2008", "knock-out"), ("fedgchin2019", "enantiomer"), ("murrough2013", "other")],
)
def test_rows_are_grouped_by_what_is_given(name: str, wanted: str) -> None:
    work = load_work(name)
    assert wanted in {group_of(work, row) for row in work.observations}


def test_contest_scores_what_both_predict() -> None:
    work = load_work("murrough2013")
    cells = np.random.default_rng(10).standard_normal(20)
    items = []
    for number, row in enumerate(work.observations[:3]):
        base = _predicted(work.id, number, -10.0, cells - 10.0, "points")
        items.append(Predicted(**{**vars(base), "row": row}))
    far = [Predicted(**{**vars(item), "cells": cells - 20.0}) for item in items[:2]]
    spread = {"chain": Between({}, {}), "filter": Between({}, {})}
    contest = compare([work], items, far, spread)
    assert [row["id"] for row in contest.rows] == [row.id for row in work.observations[:2]]
    assert all(row["chain"] > row["filter"] for row in contest.rows)
    assert contest.difference(("knock-out",)).rows == 0
    groups = tuple({row["group"] for row in contest.rows})
    every = contest.difference(groups, only="unfitted")
    against = contest.difference(groups, only="unfitted", contrasts=True)
    assert every.rows == sum(row["unfitted"] for row in contest.rows)
    assert against.rows == sum(row["unfitted"] and row["contrast"] for row in contest.rows)
