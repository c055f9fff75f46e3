"""Covariates: shipped tables, their moments and correlations, and who is screened out."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import multivariate_normal, norm

from ketasim.errors import StudyError
from ketasim.evidence import load_publications
from ketasim.model.parameters import OWN_SOURCES
from ketasim.population import (
    ANCESTRIES,
    COVARIATES,
    PopulationSpec,
    baselines,
    draw_covariates,
    load_table,
    table_names,
)
from ketasim.population.baselines import default_correlations
from ketasim.population.screening import FAILURE

MANY = 30_000
PLAIN = {"baseline_mean": 33.0, "baseline_sd": 5.0}


@cache
def of_table(name: str) -> dict[str, npt.NDArray[Any]]:
    return drawn(PopulationSpec.of_table(name))


def drawn(spec: PopulationSpec, n: int = MANY, **changes: Any) -> dict[str, npt.NDArray[Any]]:
    who = {"seed": 7, "study": "s", "replicates": np.zeros(n, dtype=int), "subjects": np.arange(1, n + 1)}
    return draw_covariates(spec, **{**who, **changes})


def kurtosis(values: npt.NDArray[np.float64]) -> float:
    return float(np.mean((values - values.mean()) ** 4) / values.var() ** 2)


@pytest.mark.parametrize("name", table_names())
def test_moments_are_those_of_the_table_after_the_limits(name: str) -> None:
    columns = of_table(name)
    for row in load_table(name).rows:
        values = columns[row.covariate]
        if np.isfinite(row.mean):
            where = (name, row.covariate)
            assert values.min() >= row.lower, where
            assert values.max() <= row.upper, where
            # Four standard errors; that of an SD holds the kurtosis, large for a heavy tail. Rounding and
            # limits move the moments of whole numbers: half a tenth of the SD is let through.
            off = 0.05 * row.sd if COVARIATES[row.covariate].kind == "ordinal" else 0.0
            assert values.mean() == pytest.approx(row.mean, abs=4 * row.sd / MANY**0.5 + off), where
            error = row.sd * ((kurtosis(values) - 1) / 4 / MANY) ** 0.5 if row.sd else 0.0
            assert values.std() == pytest.approx(row.sd, abs=4 * error + off), where
        elif COVARIATES[row.covariate].kind == "binary":
            error = 4 * (row.share * (1 - row.share) / MANY) ** 0.5
            assert values.mean() == pytest.approx(row.share, abs=error), (name, row.covariate)
            assert set(values.tolist()) <= {0.0, 1.0}
        elif row.covariate == "hepatic_impairment":
            found = float(np.mean(values == float(row.group)))
            assert found == pytest.approx(row.share, abs=4 * (row.share / MANY) ** 0.5), (name, row.group)


@pytest.mark.parametrize("name", ["mdd_trials", "suicidal_inpatients"])
def test_alleles_follow_ancestry_and_everybody_has_one(name: str) -> None:
    columns = of_table(name)
    together = np.sum([columns[ancestry] for ancestry in ANCESTRIES], axis=0)
    assert set(together.tolist()) == {1.0}
    for gene in ("cyp2b6_6", "val66met"):
        rows = load_table(name).of(gene)
        own = {row.group: row.share for row in rows}
        for ancestry in ANCESTRIES:
            here = columns[ancestry] > 0.5
            if here.sum() < 100:
                continue
            frequency = own.get(ancestry, own[""])
            error = 4 * (frequency * (1 - frequency) / 2 / here.sum()) ** 0.5
            assert columns[gene][here].mean() / 2 == pytest.approx(frequency, abs=error), (gene, ancestry)
            # Both alleles are independent of each other.
            both = np.mean(columns[gene][here] == 2.0)
            assert both == pytest.approx(frequency**2, abs=4 * (frequency**2 / here.sum()) ** 0.5)


def test_crp_is_that_of_depressed_people() -> None:
    crp = of_table("mdd_trials")["crp"]
    # osimo2019: 27 % above 3 mg/L and 58 % above 1 mg/L.
    assert np.mean(crp > 3.0) == pytest.approx(0.27, abs=4 * (0.27 * 0.73 / MANY) ** 0.5)
    assert np.mean(crp > 1.0) == pytest.approx(0.58, abs=4 * (0.58 * 0.42 / MANY) ** 0.5)
    assert crp.max() > 50.0


def latent(values: npt.NDArray[np.float64], name: str) -> npt.NDArray[np.float64]:
    """The normal number behind a continuous covariate, to a straight line."""
    return np.log(values) if name in ("weight", "crp") else values


@pytest.mark.parametrize("pair", default_correlations(), ids=lambda pair: f"{pair.first}-{pair.second}")
def test_correlations_are_those_of_the_table(pair: Any) -> None:
    # A table where neither of the two is absent, and limits cut little.
    columns = of_table("clinic")
    first, second = pair.first, pair.second
    binary = [name for name in (first, second) if COVARIATES[name].kind == "binary"]
    if len(binary) == 2:
        shares = [columns[name].mean() for name in binary]
        both = float(np.mean(columns[first] * columns[second]))
        # Share of people who have both, if two normal numbers are cut at the same shares.
        expected = multivariate_normal.cdf(
            norm.ppf(shares), cov=[[1.0, pair.correlation], [pair.correlation, 1.0]]
        )
        assert both == pytest.approx(float(expected), abs=4 * (both * (1 - both) / MANY) ** 0.5)
        return
    if binary:
        (other,) = {first, second} - set(binary)
        share = columns[binary[0]].mean()
        found = np.corrcoef(columns[binary[0]], latent(columns[other], other))[0, 1]
        # Biserial: the point-biserial correlation is smaller by the height of the density at the cut.
        expected = pair.correlation * norm.pdf(norm.ppf(share)) / (share * (1 - share)) ** 0.5
    else:
        found = np.corrcoef(latent(columns[first], first), latent(columns[second], second))[0, 1]
        expected = pair.correlation
    # Four standard errors, and 0.02 for limits and rounding, which weaken a correlation.
    assert found == pytest.approx(expected, abs=4 / MANY**0.5 + 0.02)


def test_what_is_in_no_pair_is_independent() -> None:
    columns = of_table("clinic")
    assert np.corrcoef(columns["age"], columns["height"])[0, 1] == pytest.approx(0.0, abs=4 / MANY**0.5)
    assert np.corrcoef(columns["opioid"], columns["ptsd"])[0, 1] == pytest.approx(0.0, abs=4 / MANY**0.5)


def test_a_study_gives_its_own_numbers() -> None:
    spec = PopulationSpec(
        **PLAIN,
        continuous={"age": (71.0, 4.0), "crp": (8.0, 9.0), "failed_treatments": (4.0, 1.5)},
        fractions={"female": 0.3, "hypertension": 0.6, "ancestry_japanese": 1.0, "cyp2b6_6": 0.5},
        correlations=[("age", "weight", -0.4), ("female", "height", 0.0)],
    )
    columns = drawn(spec)
    for name, (mean, sd) in spec.continuous.items():
        assert columns[name].mean() == pytest.approx(mean, abs=4 * sd / MANY**0.5 + 0.01)
        assert columns[name].std() == pytest.approx(sd, rel=0.05)
    for name in ("female", "hypertension"):
        assert columns[name].mean() == pytest.approx(spec.fractions[name], abs=4 * 0.5 / MANY**0.5)
    assert set(columns["ancestry_japanese"].tolist()) == {1.0}
    assert columns["cyp2b6_6"].mean() / 2 == pytest.approx(0.5, abs=4 * 0.5 / (2 * MANY) ** 0.5)
    together = np.corrcoef(columns["age"], np.log(columns["weight"]))[0, 1]
    assert together == pytest.approx(-0.4, abs=0.03)
    assert np.corrcoef(columns["female"], columns["height"])[0, 1] == pytest.approx(0.0, abs=4 / MANY**0.5)


def test_a_studys_own_mean_is_that_of_those_who_enter() -> None:
    spec = PopulationSpec(
        **PLAIN,
        continuous={"age": (40.0, 9.0), "weight": (75.0, 9.0)},
        entry=[("age", "<=", 55), ("weight", "<", 95)],
    )
    columns = drawn(spec)
    assert columns["age"].max() <= 55.0
    assert columns["age"].mean() == pytest.approx(40.0, abs=4 * 9 / MANY**0.5)
    assert columns["age"].std() == pytest.approx(9.0, rel=0.02)
    assert columns["weight"].max() < 95.0
    assert columns["weight"].mean() == pytest.approx(75.0, abs=4 * 9 / MANY**0.5)
    assert columns["weight"].std() == pytest.approx(9.0, rel=0.02)


def test_a_studys_own_rule_may_go_beyond_the_table() -> None:
    # mdd_trials ends at 65 years; a study up to 75 with its own mean and SD has older people.
    spec = PopulationSpec(
        **PLAIN, continuous={"age": (52.0, 13.0)}, entry=[("age", "<=", 75), ("age", ">=", 21)]
    )
    age = drawn(spec)["age"]
    assert (age.min() >= 21.0, 70.0 < age.max() <= 75.0) == (True, True)
    assert age.mean() == pytest.approx(52.0, abs=4 * 13 / MANY**0.5)
    assert age.std() == pytest.approx(13.0, rel=0.02)
    without = drawn(PopulationSpec(**PLAIN, entry=[("age", "<=", 75)]))["age"]
    assert without.max() <= 65.0


def test_candidates_are_drawn_until_they_may_enter_and_the_others_are_counted() -> None:
    rules = [("hypertension", "<", 0.5), ("age", "<=", 50), ("benzodiazepine", "<", 0.5)]
    spec = PopulationSpec.of_table("clinic", entry=rules)
    free, columns = of_table("clinic"), drawn(spec)
    assert columns["hypertension"].max() == 0.0
    assert columns["age"].max() <= 50.0
    assert columns["benzodiazepine"].max() == 0.0
    passes = [free["hypertension"] < 0.5, free["age"] <= 50, free["benzodiazepine"] < 0.5]
    share = float(np.mean(np.all(passes, axis=0)))
    # Geometric: SD of the number of candidates sqrt(1-p)/p; the reference share has an error of its own.
    error = 4 * 2**0.5 * (1 - share) ** 0.5 / share / MANY**0.5
    assert columns["screened"].mean() == pytest.approx(1 / share, abs=error)
    refused = {name: values for name, values in columns.items() if name.startswith(FAILURE)}
    assert list(refused) == [f"{FAILURE}{a} {b} {c:g}" for a, b, c in rules]
    assert np.array_equal(columns["screened"], 1 + sum(refused.values()))
    first = float(np.mean(~passes[0]))
    assert refused[f"{FAILURE}hypertension < 0.5"].mean() == pytest.approx(first / share, abs=2 * error)
    # The young are lighter only through what the table ties together: nothing here.
    assert columns["weight"].mean() < free["weight"].mean()
    assert columns["ptsd"].mean() == pytest.approx(free["ptsd"].mean(), abs=0.05)


def test_rules_on_an_ancestry_or_an_allele_hold() -> None:
    spec = PopulationSpec(**PLAIN, entry=[("ancestry_asian", ">", 0.5), ("val66met", ">=", 1)])
    columns = drawn(spec, 2000)
    assert columns["ancestry_asian"].min() == 1.0
    assert columns["val66met"].min() == 1.0
    # Of two Met alleles, given at least one: f^2 / (1 - (1-f)^2) at a frequency of 0.46.
    expected = 0.46**2 / (1 - 0.54**2)
    assert np.mean(columns["val66met"] == 2.0) == pytest.approx(expected, abs=4 * 0.5 / 2000**0.5)


def test_a_person_is_the_same_whoever_else_is_screened() -> None:
    spec = PopulationSpec.of_table("clinic", entry=[("hypertension", "<", 0.5), ("age", "<=", 50)])
    many = drawn(spec, 300)
    picked = np.array([250, 17, 40])
    few = drawn(spec, replicates=np.zeros(3, dtype=int), subjects=picked)
    for name, values in few.items():
        assert np.array_equal(values, many[name][picked - 1]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": "madr"}, "nearest valid name is 'madrs'"),
        ({"fractions": {"female": 68.0}}, "female 68.0 is not between 0 and 1"),
        ({"fractions": {"femal": 0.5}}, "unknown covariate 'femal'; the nearest valid name is 'female'"),
        ({"fractions": {"age": 0.5}}, "age: it is no share of people"),
        ({"fractions": {"ancestry_white": 0.7, "ancestry_asian": 0.6}}, "ancestry sum to 1.3"),
        ({"continuous": {"wieght": (80, 10)}}, "the nearest valid name is 'weight'"),
        ({"continuous": {"ptsd": (0.2, 0.1)}}, "ptsd: it has no mean; give a share"),
        ({"continuous": {"weight": (820.0, 10.0)}}, "weight: mean 820"),
        ({"continuous": {"weight": (82.0, -1.0)}}, "the SD must not be negative"),
        ({"continuous": {"age": (12.0, 3.0)}}, "age: mean 12"),
        ({"continuous": {"age": (19.0, 30.0)}}, "population: age: mean 19"),
        ({"continuous": {"weight": (40.0, 90.0)}}, "population: weight: mean 40"),
        ({"entry_lower": 40.0, "entry_upper": 30.0}, "lower one must be below"),
        (
            {"table": "mdd_trial"},
            "table: unknown baseline table 'mdd_trial'; the nearest valid name is 'mdd_trials'",
        ),
        ({"entry": [("agee", ">", 30)]}, "entry: agee > 30: unknown covariate 'agee'"),
        ({"entry": [("age", "=>", 30)]}, "'=>' is none of >=, >, <=, <"),
        ({"entry": [("age", ">", float("nan"))]}, "not a finite number"),
        ({"correlations": [("age", "wieght", 0.1)]}, "age with wieght: unknown covariate 'wieght'"),
        ({"correlations": [("age", "age", 0.1)]}, "goes with itself"),
        ({"correlations": [("age", "weight", 1.0)]}, "1.0 is not a number between -1 and 1"),
        ({"correlations": [("age", "crp", 0.1), ("crp", "age", 0.2)]}, "crp with age: the pair stands twice"),
        ({"correlations": [("age", "ancestry_asian", 0.1)]}, "ancestry is a group and has no correlation"),
    ],
)
def test_an_impossible_population_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        PopulationSpec(**{**PLAIN, **changes})


def test_a_matrix_that_is_not_positive_definite_names_the_pair_and_what_would_do() -> None:
    # Women are shorter (-0.85) and height goes with weight (0.45): women cannot be much heavier.
    with pytest.raises(StudyError, match=r"female with weight: 0\.9 cannot be true together") as caught:
        PopulationSpec(**PLAIN, correlations=[("female", "weight", 0.9)])
    assert "not positive definite" in str(caught.value)
    low, high = (float(word) for word in str(caught.value).rstrip(".").split(" can be ")[1].split(" to "))
    # The ends are just possible, and what lies beyond is not.
    PopulationSpec(**PLAIN, correlations=[("female", "weight", high - 0.01)])
    PopulationSpec(**PLAIN, correlations=[("female", "weight", low + 0.01)])
    for beyond in (low - 0.01, high + 0.01):
        with pytest.raises(StudyError, match="female with weight"):
            PopulationSpec(**PLAIN, correlations=[("female", "weight", beyond)])


def test_rules_that_hardly_anybody_meets_are_refused_with_the_worst_of_them() -> None:
    spec = PopulationSpec.of_table("healthy", entry=[("female", ">", 0.5), ("age", ">=", 44.9)])
    with pytest.raises(StudyError, match="fewer than 1 in 1,000 of 'healthy' may enter") as caught:
        drawn(spec, 10)
    assert "'age >= 44.9' refuses most" in str(caught.value)
    none = PopulationSpec.of_table("healthy", entry=[("opioid", ">", 0.5)])
    with pytest.raises(StudyError, match=r"'opioid > 0\.5' refuses most, 100\.0%"):
        drawn(none, 10)


def test_every_number_of_the_tables_has_a_known_source() -> None:
    known = set(load_publications()["key"]) | set(OWN_SOURCES)
    for name in table_names():
        table = load_table(name)
        for row in (*table.rows, table):
            assert row.source in known, (name, row)
            # What no source gives is assumed, and what is assumed claims no source.
            assert (row.source == "assumed") == (row.grade == "assumed"), (name, row)
    for pair in default_correlations():
        assert pair.source in known
        assert (pair.source == "assumed") == (pair.grade == "assumed"), pair
        assert {pair.first, pair.second} <= set(COVARIATES)


def test_the_tables_that_were_promised_are_there() -> None:
    names = ("mdd_trials", "trd_esketamine", "suicidal_inpatients", "elderly", "clinic", "healthy", "pain")
    assert table_names() == names
    assert PopulationSpec(**PLAIN).table == "mdd_trials"


def test_a_table_that_breaks_its_rules_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    good = baselines._lines("tables/healthy.csv", baselines._COLUMNS)

    def with_row(place: int, **changes: str) -> None:
        rows = [(line, {**row, **changes} if i == place else row) for i, (line, row) in enumerate(good)]
        monkeypatch.setattr(
            baselines, "_lines", lambda name, columns: rows if "healthy" in name else original(name, columns)
        )
        baselines.load_table.cache_clear()
        baselines.load_table("healthy")

    original = baselines._lines
    for changes, message in (
        ({"covariate": "femle"}, "line 2: unknown covariate 'femle'"),
        ({"unit": "kg"}, "line 2: unit 'kg' of 'female'; its unit is ratio"),
        ({"share": "1.5"}, "line 2: share 1.5 of 'female' is not between 0 and 1"),
        ({"mean": "1"}, "either a mean with SD and limits, or a share"),
        ({"grade": "good"}, "line 2: unknown grade 'good'"),
        ({"source": ""}, "line 2: the source is empty"),
        ({"covariate": "ptsd"}, "no row for female"),
    ):
        with pytest.raises(StudyError, match=message):
            with_row(0, **changes)
    monkeypatch.undo()
    baselines.load_table.cache_clear()
    assert load_table("healthy").of("female")[0].share == 0.5


def test_a_spec_can_be_changed_as_a_dataclass() -> None:
    spec = PopulationSpec.of_table("elderly")
    other = dataclasses.replace(spec, table="pain")
    assert (other.baseline_mean, other.baseline_table.name) == (spec.baseline_mean, "pain")
