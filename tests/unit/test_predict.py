"""Predictions of published rows: variance by its parts, each statistic, and signs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy.stats import binom, norm

from ketasim.errors import KetasimError
from ketasim.model.chain import build_chain
from ketasim.trials.row_people import Moments, People
from ketasim.validation.predict import Predicted, cells
from ketasim.validation.predict.classes import (
    ROW_CLASSES,
    class_error,
    from_class_scale,
    row_class_of,
    spread_class_of,
    to_class_scale,
)
from ketasim.validation.predict.experiment_rows import cells_of_reading
from ketasim.validation.predict.reading_error import (
    ReadingError,
    error_of,
    load_reading_errors,
    read_with_error,
)
from ketasim.validation.predict.samples import sample_size

EXACT = 1e-12


def row(**fields: Any) -> Any:
    own = {
        "id": "r", "arm": "a", "arms": ("a",), "comparator": None, "comparators": (), "quantity": "madrs",
        "statistic": "change", "measure": "at", "time_h": 24.0, "until_h": None, "of": "value",
        "unit": "points", "value": -10.0, "n": 20, "standard_error": None, "threshold": None,
        "with_quantity": None, "with_measure": "at", "with_time_h": None, "with_until_h": None,
        "with_statistic": "value", "reference": None, "reference_comparator": None,
    }  # fmt: skip
    return SimpleNamespace(**own | fields)


def predicted(values: list[float], row_class: str = "points", **fields: Any) -> Predicted:
    own = {
        "study": "s", "domain": "clinical", "species": "human", "stage": "symptoms", "row": row(),
        "observed": -10.0, "observed_se": math.nan, "cells": np.array(values), "within": 64.0, "n": 16.0,
        "row_class": row_class, "kind": "quantitative",
    }  # fmt: skip
    return Predicted(**own | fields)


# ---- the distribution ------------------------------------------------------------------------------------


def test_variance_is_that_of_parameters_and_of_the_sample() -> None:
    values = [-20.0, -10.0, -14.0, -8.0]
    item = predicted(values)
    # What 8 persons a draw bring about is taken off; the sample of 16 is put on.
    parameter = float(np.var(values, ddof=1)) - 64.0 / 8.0
    assert item.parameter_variance == pytest.approx(parameter, rel=EXACT)
    assert item.sd() == pytest.approx(math.sqrt(parameter + 64.0 / 16.0), rel=EXACT)
    assert item.sd(between=3.0, factor=2.0) == pytest.approx(2 * math.sqrt(parameter + 4.0 + 9.0), rel=EXACT)
    found = item.interval()
    assert found.predicted == pytest.approx(-13.0, rel=EXACT)
    half = norm.ppf(0.975) * item.sd()
    assert (found.low, found.high) == pytest.approx((-13.0 - half, -13.0 + half), rel=EXACT)
    assert item.z() == pytest.approx(3.0 / item.sd(), rel=EXACT)


def test_draws_that_differ_less_than_chance_add_nothing() -> None:
    assert predicted([-10.0, -10.1, -9.9]).parameter_variance == 0.0


def test_a_draw_without_persons_counts_nothing() -> None:
    item = predicted([-20.0, -10.0, math.nan], sizes=np.array([8.0, 8.0, 0.0]))
    assert item.centre == pytest.approx(-15.0, rel=EXACT)
    assert item.parameter_variance == pytest.approx(50.0 - 8.0, rel=EXACT)
    assert math.isnan(predicted([math.nan, math.nan]).centre)


def test_groups_of_unequal_size_give_back_the_variance_they_were_made_with() -> None:
    random = np.random.default_rng(7)
    sizes = random.integers(1, 9, 4000).astype(np.float64)
    values = 3.0 * random.standard_normal(4000) + 8.0 * random.standard_normal(4000) / np.sqrt(sizes)
    item = predicted(values.tolist(), sizes=sizes)
    # 4000 groups tell a variance to about 4 % (with the noise of small groups); 15 % is four of these.
    assert item.parameter_variance == pytest.approx(9.0, rel=0.15)


def test_intervals_come_back_in_the_unit_of_the_row() -> None:
    item = predicted([math.log(90.0), math.log(110.0)], "log", within=0.04, n=4.0, observed=100.0)
    found = item.interval()
    assert found.low < found.predicted < found.high
    assert found.predicted == pytest.approx(math.sqrt(90.0 * 110.0), rel=EXACT)
    assert found.high / found.predicted == pytest.approx(found.predicted / found.low, rel=1e-9)
    with pytest.raises(KetasimError, match="level"):
        item.interval(level=1.0)


@pytest.mark.parametrize(
    ("row_class", "value"), [("rate", 0.3), ("log", 2.5), ("correlation", -0.4), ("points", -3.0)]
)
def test_scales_go_there_and_back(row_class: str, value: float) -> None:
    large = 1e12  # so many persons that half a person does not count
    assert from_class_scale(row_class, to_class_scale(row_class, value, large)) == pytest.approx(
        value, rel=1e-9
    )
    step = 1e-6
    slope = (to_class_scale(row_class, value + step, large) - to_class_scale(row_class, value, large)) / step
    assert class_error(row_class, value, 0.1, large) == pytest.approx(0.1 * slope, rel=1e-4)


def test_values_outside_a_class_have_no_place_on_its_scale() -> None:
    assert math.isnan(to_class_scale("log", -1.0))
    assert math.isfinite(to_class_scale("rate", 0.0, 20))
    with pytest.raises(KetasimError, match="points"):
        to_class_scale("point", 1.0)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"statistic": "difference"}, "points"),
        ({"statistic": "response"}, "rate"),
        ({"statistic": "response_odds_ratio", "value": 2.0}, "log"),
        ({"statistic": "sd", "value": 9.0}, "log"),
        ({"statistic": "mean", "quantity": "s_ketamine_venous", "unit": "ng/mL", "value": 90.0}, "log"),
        ({"statistic": "mean", "quantity": "cadss", "unit": "points", "value": 9.0}, "absolute"),
        ({"statistic": "relative_change", "quantity": "glutamate"}, "relative"),
        ({"statistic": "retained", "quantity": "mtorc1"}, "sign"),
        ({"statistic": "correlation"}, "correlation"),
    ],
)
def test_classes(fields: dict[str, Any], expected: str) -> None:
    assert row_class_of(row(**fields)) == expected
    assert expected in ROW_CLASSES


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"statistic": "difference"}, "points"),
        ({"statistic": "response"}, "points"),
        ({"statistic": "remission", "quantity": "hamd17"}, "points"),
        ({"statistic": "effect_size"}, "points"),
        ({"statistic": "effect_size", "quantity": "glutamate"}, "effect_size"),
        ({"statistic": "relapse"}, "relapse"),
        ({"statistic": "incidence", "quantity": "cadss"}, "rate"),
    ],
)
def test_what_is_made_of_a_total_differs_between_studies_as_points_do(
    fields: dict[str, Any], expected: str
) -> None:
    assert spread_class_of(row(**fields), row_class_of(row(**fields))) == expected


# ---- statistics ------------------------------------------------------------------------------------------


def people(values: np.ndarray, start: np.ndarray | None = None) -> People:
    draws, each = values.shape
    rest = np.zeros_like(values) if start is None else start
    return People(np.repeat(np.arange(draws), each), rest.ravel(), values.ravel(), draws)


def test_moments_leave_out_what_is_missing() -> None:
    found = Moments.of(np.array([0, 0, 0, 1, 2]), np.array([1.0, 3.0, np.nan, 5.0, np.nan]), 3)
    assert found.n.tolist() == [2.0, 1.0, 0.0]
    assert found.mean[:2].tolist() == [2.0, 5.0]
    assert found.variance[0] == 2.0
    assert np.isnan([found.mean[2], found.variance[1], found.variance[2]]).all()


def test_means_and_differences() -> None:
    one, two = people(np.array([[1.0, 3.0], [4.0, 8.0]])), people(np.array([[0.0, 2.0], [1.0, 1.0]]))
    found = cells.versus(cells.of_mean(one.moments(one.values)), cells.of_mean(two.moments(two.values)))
    assert found.values.tolist() == [1.0, 5.0]
    # Variances within draws: (2 + 8) / 2 and (2 + 0) / 2.
    assert found.within == pytest.approx(6.0, rel=EXACT)
    assert found.sizes.tolist() == [2.0, 2.0]


def test_a_rate_by_moments_gives_back_how_draws_differ() -> None:
    random = np.random.default_rng(11)
    shares = random.beta(6.0, 14.0, 6000)
    hits = (random.random((6000, 8)) < shares[:, None]).astype(np.float64)
    found = cells.of_rate(people(hits).moments(hits.ravel()))
    item = predicted(found.values.tolist(), "rate", within=found.within, sizes=found.sizes)
    # A straight line through the mean: variance of the share over (p q)^2.
    expected = (0.3 * 0.7 / 21.0) / (0.3 * 0.7) ** 2
    # 6000 groups of 8 tell it to about 5 %.
    assert item.parameter_variance == pytest.approx(expected, rel=0.2)
    assert from_class_scale("rate", item.centre) == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("n", [5, 33, 200])
def test_a_rare_rate_varies_as_its_binomial_does(n: int) -> None:
    hits = np.zeros((50, 8))
    hits[0, 0] = 1.0
    found = cells.in_sample(cells.of_rate(people(hits).moments(hits.ravel())), float(n))
    share = 1.5 / 401.0
    counts = np.arange(n + 1)
    logits = np.log((counts + 0.5) / (n - counts + 0.5))
    chances = binom.pmf(counts, n, share)
    mean = chances @ logits
    assert found.within / n == pytest.approx(chances @ (logits - mean) ** 2, rel=1e-8)
    # The published 0 of n is where such samples lie, not far below: half of those of 200 have none.
    item = predicted(found.values.tolist(), "rate", within=found.within, n=float(n), observed=0.0)
    assert abs(item.z()) < 1.2


def test_a_shift_of_everybody_moves_a_share_as_the_density_at_its_limit_says() -> None:
    random = np.random.default_rng(8)
    totals = random.normal(0.0, 10.0, (4000, 8))
    share, worse, better = (people((totals + shift <= -5.0).astype(float)) for shift in (0.0, 3.0, -3.0))
    found = cells.moved_by(
        cells.of_rate(share.moments(share.values)),
        worse.moments(worse.values),
        better.moments(better.values),
        6.0,
    )
    at = float(norm.cdf(-0.5))
    exact = norm.pdf(-0.5) / 10.0 / (at * (1.0 - at))
    assert found.per_point == pytest.approx(exact, rel=0.03)  # 32,000 persons, and a step of 0.3 SD: 2 %
    # In a large sample the logit is as it is; in a small one half a person on each side flattens it.
    large, small = (cells.in_sample(found, n).per_point or math.nan for n in (1e4, 6.0))
    assert large == pytest.approx(found.per_point, rel=0.01)
    assert small < large


@pytest.mark.parametrize("limit", [-30.0, -24.0, -5.0, 14.0])
def test_a_share_varies_between_trials_as_trials_that_are_off_show(limit: float) -> None:
    """Against trials of 13 people, each moved by its own normal amount, counted one by one."""
    random = np.random.default_rng(8)
    totals = random.normal(0.0, 10.0, (4000, 8))
    share, worse, better = (people((totals + shift <= limit).astype(float)) for shift in (0.0, 3.0, -3.0))
    found = cells.in_sample(
        cells.moved_by(
            cells.of_rate(share.moments(share.values)),
            worse.moments(worse.values),
            better.moments(better.values),
            6.0,
        ),
        13.0,
    )
    own = {"within": found.within, "n": 13.0, "noise": found.noise, "per_point": found.per_point}
    item = predicted(found.values.tolist(), "rate", **own)
    shifts = random.normal(0.0, 3.0, 200_000)
    hits = random.binomial(13, norm.cdf((limit - shifts) / 10.0))
    seen = np.log((hits + 0.5) / (13.0 - hits + 0.5))
    assert item.sd(between=3.0 * item.per_point) == pytest.approx(seen.std(), rel=0.02)


def test_a_limit_that_nobody_is_near_is_given_a_least_density() -> None:
    nobody = people(np.zeros((10, 8)))
    moments = nobody.moments(nobody.values)
    assert (cells.moved_by(cells.of_rate(moments), moments, moments, 6.0).per_point or 0.0) > 0.0


def test_people_rate_a_high_as_differently_as_was_published() -> None:
    """A coefficient of variation of 0.51 (jonkman2018_no); people of the model differ by 0.29."""
    error = error_of("drug_high", "safety")
    assert error is not None
    people = np.random.default_rng(3).lognormal(np.log(46.0), 0.29, 200_000)
    read = read_with_error(people, error, "at", 1, "any")
    assert read.std() / read.mean() == pytest.approx(0.51, abs=0.03)


def test_rates_without_any_event_stay_finite() -> None:
    hits = np.zeros((20, 8))
    found = cells.in_sample(cells.of_rate(people(hits).moments(hits.ravel())), 20.0)
    assert np.isfinite(found.values).all()
    assert 0.0 < found.within < math.inf


def test_spread_effect_size_and_correlation_over_all_draws() -> None:
    random = np.random.default_rng(5)
    draws, each = 3000, 8
    base = random.standard_normal((draws, each))
    values = -12.0 + 6.0 * base
    own = people(values)
    moments = own.moments(own.values)
    spread = cells.of_sd(moments)
    assert math.exp(np.mean(spread.values)) == pytest.approx(6.0, rel=0.02)  # 24,000 persons: 0.5 %
    effect = cells.of_effect_size(moments)
    assert np.mean(effect.values) == pytest.approx(-2.0, rel=0.02)
    assert effect.within == pytest.approx(1.0 + 2.0, rel=0.04)
    assert effect.per_point == pytest.approx(1.0 / 6.0, rel=0.02)
    other = 0.6 * base + 0.8 * random.standard_normal((draws, each))
    joined = cells.of_correlation(own, own.values, other.ravel())
    item = predicted(joined.values.tolist(), "correlation", within=1.0, sizes=joined.sizes)
    assert math.tanh(item.centre) == pytest.approx(0.6, abs=0.02)
    # One correlation in all draws: what is left beyond chance is nearly nothing beside 1 / (8 - 3).
    assert item.parameter_variance < 0.02


def test_an_effect_size_against_a_group_has_twice_the_variance() -> None:
    random = np.random.default_rng(6)
    one, two = people(random.standard_normal((2000, 8)) - 1.0), people(random.standard_normal((2000, 8)))
    found = cells.of_effect_size(one.moments(one.values), two.moments(two.values))
    assert np.mean(found.values) == pytest.approx(-1.0, abs=0.03)
    assert found.within == pytest.approx(2.0 + 0.25, abs=0.05)


def test_quotients_of_changes_and_of_rates() -> None:
    first, second = (
        cells.Cells(np.array(values), 1.0, np.full(2, 8.0)) for values in ([-6.0, -10.0], [-12.0, -20.0])
    )
    found = cells.of_ratio_of_changes(first, second)
    assert found.row_class == "log"
    assert np.exp(found.values).tolist() == pytest.approx([0.5, 0.5], rel=EXACT)
    opposite = cells.of_ratio_of_changes(first, cells.Cells(-second.values, 1.0, second.sizes))
    assert opposite.row_class == "relative"
    assert opposite.values.tolist() == pytest.approx([-0.5, -0.5], rel=EXACT)


def test_values_that_are_not_positive_have_no_logarithm() -> None:
    own = people(np.array([[1.0, 2.0], [-3.0, 1.0]]))
    assert cells.of_log_mean(own.moments(own.values)).row_class == "absolute"


# ---- samples ---------------------------------------------------------------------------------------------


def work(**sizes: int | None) -> Any:
    return SimpleNamespace(arms=[SimpleNamespace(id=name, n=n) for name, n in sizes.items()])


def test_size_of_the_sample() -> None:
    found = cells.Cells(np.zeros(2), 64.0, np.full(2, 8.0))
    assert sample_size(work(a=30), row(n=25), "points", found) == 25.0
    assert sample_size(work(a=30), row(n=None), "points", found) == 30.0
    assert sample_size(work(a=None), row(n=None), "points", found) == 12.0
    # A published error without a number: the number at which the model's spread gives it.
    assert sample_size(work(a=30), row(n=None, standard_error=2.0), "points", found) == 16.0
    both = {"comparator": "b", "comparators": ("b",)}
    assert sample_size(work(a=20, b=60), row(n=80, **both), "points", found) == pytest.approx(30.0, rel=EXACT)
    assert sample_size(work(a=20, b=20), row(n=18, **both), "points", found) == 18.0
    assert sample_size(work(a=None, b=None), row(n=16, **both), "points", found) == 8.0


# ---- signs -----------------------------------------------------------------------------------------------


def sign(values: list[float], observed: float, **fields: Any) -> Predicted:
    own = {"row": row(statistic="direction"), "observed": observed, "kind": "sign", "within": 1.0}
    return predicted(values, "sign", **own | fields)


def test_signs_of_effects_and_of_none() -> None:
    assert sign([0.5, 0.7, 0.6], 1.0).sign == 1.0
    assert sign([-0.5, -0.7, -0.6], 1.0).sign == -1.0
    # Less than a hundredth of the spread between persons.
    assert sign([0.003, 0.006, 0.0045], 1.0).sign == 0.0
    # No more than what draws differ by.
    assert sign([1.0, -0.9, 0.3, -0.2], 1.0).sign == 0.0


def test_a_null_result_is_judged_by_its_sample() -> None:
    # 0.5 SD in 8 persons: power 0.29. In 100: 0.999.
    values = [0.5, 0.5, 0.5]
    small, large = sign(values, 0.0, n=8.0), sign(values, 0.0, n=100.0)
    assert small.power == pytest.approx(norm.sf(1.959964 - 0.5 * math.sqrt(8)), abs=1e-3)
    assert (small.sign, large.sign) == (0.0, 1.0)
    # Where a rise was found it is a rise, whatever the power.
    assert sign(values, 1.0, n=8.0).sign == 1.0
    assert sum(small.chances) == pytest.approx(1.0, rel=EXACT)
    assert small.chances[1] > large.chances[1]
    assert math.isnan(small.z())
    assert math.isnan(small.interval().low)


def test_retained_is_half_or_more() -> None:
    about = {"row": row(statistic="retained")}
    assert sign([0.6, 0.8], 1.0, **about).sign == 1.0
    assert sign([0.1, 0.3], 1.0, **about).sign == 0.0


# ---- experiments -----------------------------------------------------------------------------------------


SHIFTS = {"vehicle": 0.0, "ketamine": 2.0, "blocked": 0.5}


class Fake:
    """Readings with numbers that are known."""

    def values(self, arm: str, *_: Any) -> Any:
        return 10.0 + SHIFTS[arm] + np.random.default_rng(1).standard_normal((400, 8))

    def rest(self, *_: Any) -> Any:
        return np.full((400, 8), 10.0)


def read(statistic: str, **fields: Any) -> cells.Cells:
    own = {
        "arms": ("ketamine",),
        "comparators": ("vehicle",),
        "quantity": "mtorc1",
        "unit": "ratio",
        "value": 1.0,
    }
    return cells_of_reading(Fake(), row(statistic=statistic, **own | fields))


def test_statistics_of_experiments() -> None:
    # 3200 persons with a SD of 1 about 10: means to 0.02.
    for statistic, expected in (
        ("difference", 2.0), ("change_difference", 2.0), ("direction", 2.0),
        ("ratio", math.log(1.2)), ("relative_difference", 0.2), ("effect_size", 2.0),
    ):  # fmt: skip
        assert np.mean(read(statistic).values) == pytest.approx(expected, rel=0.06), statistic
    alone = {"comparators": ()}
    for statistic, expected in (("mean", math.log(12.0)), ("change", 2.0), ("relative_change", 0.2)):
        assert np.mean(read(statistic, **alone).values) == pytest.approx(expected, rel=0.05), statistic
    hits = read("incidence", threshold=12.0, **alone)
    assert from_class_scale("rate", float(np.mean(hits.values))) == pytest.approx(0.5, abs=0.03)


def test_retained_weighs_one_effect_against_another() -> None:
    reference = {"reference": "ketamine", "reference_comparator": "vehicle"}
    whole = read("retained", **reference)
    assert np.mean(whole.values) == pytest.approx(1.0, abs=0.02)
    blocked = read("retained", arms=("blocked",), **reference)
    assert np.mean(blocked.values) == pytest.approx(0.25, abs=0.05)


# ---- readings --------------------------------------------------------------------------------------------


def test_a_reading_has_an_error_of_its_own() -> None:
    known = np.full((1000, 8), 2.0)
    relative = ReadingError("x", "relative", 0.3, 0.1, 0.5, "assumed", "assumed", "")
    seen = read_with_error(known, relative, "at", 1, "w", "arm", "x", "at 1 None")
    # 8000 numbers: mean to 0.3 % and SD to 1 % of itself.
    assert seen.mean() == pytest.approx(2.0, rel=0.02)
    assert seen.std() == pytest.approx(0.6, rel=0.05)
    assert (seen > 0.0).all()
    again = read_with_error(known, relative, "at", 1, "w", "arm", "x", "at 1 None")
    other = read_with_error(known, relative, "at", 1, "w", "arm", "x", "at 2 None")
    assert np.array_equal(seen, again)
    assert not np.array_equal(seen, other)
    # A time is read from a course.
    assert read_with_error(known, relative, "peak_time", 1, "w") is known
    absolute = ReadingError("x", "absolute", 3.0, 1.0, 5.0, "assumed", "assumed", "")
    assert read_with_error(known, absolute, "at", 1, "w").std() == pytest.approx(3.0, rel=0.05)


def test_every_stage_that_experiments_read_has_an_error() -> None:
    table = load_reading_errors()
    assert {"circuit", "glutamate", "neurotrophin", "synapses", "networks", "pharmacokinetics"} <= set(table)
    assert error_of("bdnf_plasma", "neurotrophin") is table["bdnf_plasma"]
    assert error_of("eef2", "neurotrophin") is table["neurotrophin"]
    assert error_of("spare_time", "leisure") is None
    names = {*build_chain().quantities, *build_chain().owner.values()}
    assert set(table) <= names
