from __future__ import annotations

import doctest
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ketasim.errors import ModelError, StudyError
from ketasim.evidence import load_publications
from ketasim.model.parameters import OWN_SOURCES
from ketasim.population import SCALE_MAXIMUM
from ketasim.trials.scoring.scales import (
    SCALE_TOP,
    SCALES,
    from_base,
    from_madrs,
    scale_named,
    scales_from_rows,
)
from ketasim.trials.scoring.sourced import read_sourced, sourced_row

KEYS = ("scale", "item", "base_total")
ROWS = read_sourced("scales.csv", KEYS)
LINKED = [name for name, scale in SCALES.items() if scale.base]
OF_MADRS = [name for name, scale in SCALES.items() if scale.base == "madrs"]


def test_the_scales_of_the_design_are_there() -> None:
    assert set(SCALES) >= {"madrs", "hamd17", "hamd6", "hamd21", "hamd24", "qids_sr16", "phq9"}
    assert set(SCALES) >= {"ssi", "cgi_ss", "caps5", "pcl5", "ies_r", "hama", "pain_nrs"}
    assert SCALE_TOP["madrs"] == SCALE_MAXIMUM["madrs"]
    assert SCALE_TOP["hamd17"] == SCALE_MAXIMUM["hamd17"]


def test_thresholds_are_those_in_use() -> None:
    remission = {name: scale.remission for name, scale in SCALES.items()}
    assert remission["madrs"] == 10.0
    assert remission["hamd17"] == 7.0
    assert remission["qids_sr16"] == 5.0
    assert remission["phq9"] == 4.0  # below 5 in whole numbers
    assert remission["ssi"] == 3.0
    assert SCALES["caps5"].response == 0.3
    assert SCALES["madrs"].response == SCALES["qids_sr16"].response == 0.5


# Pairs of totals that sources print. Whole numbers on both scales: within one point.
@pytest.mark.parametrize(
    ("scale", "base_total", "published"),
    [
        ("qids_sr16", 7.5, 5.0),  # Carmody 2006, Liu 2014
        ("qids_sr16", 21.9, 12.5),
        ("qids_sr16", 31.9, 17.6),
        ("hamd6", 7.0, 4.0),  # Carmody 2006, HAM-D
        ("hamd21", 16.0, 17.0),  # conversion table of the IDS, rows that make no knot
        ("hamd24", 16.0, 20.5),
        ("hamd21", 23.0, 26.0),
        ("hamd24", 23.0, 31.5),
        ("hama", 28.4, 20.8),  # Bauer 2009
    ],
)
def test_published_pairs_are_met(scale: str, base_total: float, published: float) -> None:
    assert SCALES[scale].linked(base_total) == pytest.approx(published, abs=1.0)


def test_an_independent_course_of_treatment_is_met() -> None:
    # Fifty patients before, during and after ECT: MADRS 39.04, 32.66, 16.42 and QIDS 20.53, 16.78, 10.27,
    # with standard errors of 0.6 to 1.0; two of them.
    found = SCALES["qids_sr16"].linked([39.04, 32.66, 16.42])
    assert found == pytest.approx([20.53, 16.78, 10.27], abs=1.5)


@pytest.mark.parametrize("name", LINKED)
def test_links_rise_from_floor_to_top(name: str) -> None:
    scale = SCALES[name]
    grid = np.linspace(0.0, scale.base_totals[-1], 400)
    totals = scale.linked(grid)
    assert (np.diff(totals) > 0.0).all()
    assert totals[0] >= 0.0
    assert totals[-1] <= scale.maximum


@given(
    st.sampled_from(LINKED),
    st.floats(0.0, 60.0),
    st.floats(-8.0, 8.0),
    st.floats(-8.0, 8.0),
)
def test_totals_stay_on_the_scale(name: str, scored: float, person: float, occasion: float) -> None:
    assert 0.0 <= float(from_base(name, scored, person, occasion)) <= SCALE_TOP[name]


def test_arrays_broadcast_and_nothing_is_random() -> None:
    scored = np.linspace(8.0, 30.0, 12).reshape(3, 4)
    person, occasion = np.array([[-1.0], [0.0], [2.0]]), np.zeros((3, 4))
    found = from_madrs("phq9", scored, person, occasion)
    assert found.shape == (3, 4)
    assert found.tolist() == from_madrs("phq9", scored, person, occasion).tolist()
    assert found[1].tolist() == SCALES["phq9"].linked(scored[1]).tolist()
    # The person's own part is the same at all his ratings.
    away = found[2] - SCALES["phq9"].linked(scored[2])
    assert away == pytest.approx(np.full(4, 2.0 * SCALES["phq9"].person_sd), abs=1e-9)


@pytest.mark.parametrize(
    ("scale", "low", "high"),
    # Read: PHQ-9 with a rated scale 0.61 and 0.72; CAPS-5 with self-rated depression 0.54 and 0.72. The
    # QIDS has no published number that was read: it must agree more than the PHQ-9 and less than perfectly.
    [("qids_sr16", 0.75, 0.90), ("phq9", 0.61, 0.82), ("caps5", 0.54, 0.72)],
)
def test_correlation_with_a_rated_madrs_is_about_as_published(scale: str, low: float, high: float) -> None:
    random = np.random.default_rng(20)
    n = 20_000  # error of a correlation below 0.01
    latent = np.clip(21.9 + 10.7 * random.standard_normal(n), 0.0, 60.0)
    rated = np.clip(latent + 2.5 * random.standard_normal(n), 0.0, 60.0)
    other = from_madrs(scale, latent, random.standard_normal(n), random.standard_normal(n))
    assert low < np.corrcoef(rated, other)[0, 1] < high


def test_two_ratings_of_a_person_agree_more_than_those_of_two_people() -> None:
    random = np.random.default_rng(21)
    n = 20_000
    person = random.standard_normal(n)
    first, second = (
        from_madrs("qids_sr16", np.full(n, 30.0), person, random.standard_normal(n)) for _ in "ab"
    )
    scale = SCALES["qids_sr16"]
    expected = scale.person_sd**2 / scale.residual_sd**2
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(expected, abs=0.02)  # three errors of n people


def test_every_number_has_a_source_that_can_be_found() -> None:
    known = set(load_publications()["key"]) | set(OWN_SOURCES)
    # A publication that the evidence tables lack must say where it was read.
    assert [row.key for row in ROWS if row.source not in known and not row.reference] == []
    assert [row.key for row in ROWS if row.source == "assumed" and row.grade != "assumed"] == []


def test_what_has_no_published_link_says_so() -> None:
    grades = {row.key[0]: set() for row in ROWS}
    for row in ROWS:
        if row.key[1] == "link" and row.source != "scale_definition":
            grades[row.key[0]].add(row.grade)
    for name in ("caps5", "pcl5", "ies_r", "cgi_ss", "hamd25"):
        assert grades[name] == {"assumed"}, name
    for name in ("qids_sr16", "hamd21", "hamd24", "hamd6"):
        assert "assumed" not in grades[name], name


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: scale_named("phq-9"), ["unknown scale 'phq-9'", "'phq9'"]),
        (lambda: from_madrs("hamd21", 20.0), ["hamd21", "follows 'hamd17'", "phq9"]),
        (lambda: from_madrs("madrs", 20.0), ["madrs", "given by the chain"]),
        (lambda: from_base("hamd17", 20.0), ["hamd17", "given by the chain", "score"]),
    ],
)
def test_what_has_no_link_is_refused(call, words: list[str]) -> None:
    with pytest.raises(StudyError) as error:
        call()
    for word in words:
        assert word in str(error.value)


def without(*key: str) -> list:
    return [row for row in ROWS if row.key[: len(key)] != key]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (without("phq9", "maximum"), ["phq9", "maximum is missing"]),
        (without("phq9", "occasion_sd"), ["phq9", "occasion_sd is missing"]),
        (without("phq9", "link", "60"), ["phq9", "rise from 0 to 60"]),
        ([*ROWS, replace(ROWS[0], key=("phq9", "remission", ""))], ["phq9", "remission stands twice"]),
        ([*ROWS, replace(ROWS[0], key=("phq8", "maximum", ""))], ["unknown scale 'phq8'", "'phq9'"]),
        ([*ROWS, replace(ROWS[0], key=("phq9", "maxima", ""))], ["phq9", "unknown item 'maxima'"]),
        (
            [*without("phq9", "link", "31.9"), replace(ROWS[0], key=("phq9", "link", "70"), value=99.0)],
            ["phq9", "rise from 0 to 60"],
        ),
        (
            [replace(row, value=99.0) if row.key == ("phq9", "link", "60") else row for row in ROWS],
            ["phq9", "within 0 to 27"],
        ),
    ],
)
def test_a_broken_table_is_refused(rows: list, words: list[str]) -> None:
    with pytest.raises(ModelError) as error:
        scales_from_rows(rows)
    for word in words:
        assert word in str(error.value)


GOOD = {
    "name": "x",
    "value": "1",
    "unit": "h",
    "low": "0.5",
    "high": "2",
    "distribution": "lognormal",
    "source": "daly2018",
    "reference": "",
    "grade": "derived",
    "note": "",
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grade": "guessed"}, "unknown grade 'guessed'"),
        ({"distribution": "log"}, "unknown distribution 'log'"),
        ({"source": ""}, "source is empty"),
        ({"source": "assumed"}, "without a source"),
        ({"value": "3"}, "outside its range"),
        ({"value": "one"}, "could not convert"),
        ({"unit": "parsec2"}, "parsec2"),
        ({"distribution": "fixed"}, "without width"),
        ({"low": "1", "high": "1"}, "without width"),
    ],
)
def test_a_row_without_its_origin_is_refused(change: dict[str, str], words: str) -> None:
    assert sourced_row("t.csv, line 2", ("name",), GOOD).value == 1.0
    with pytest.raises(ModelError, match=r"t\.csv, line 2") as error:
        sourced_row("t.csv, line 2", ("name",), {**GOOD, **change})
    assert words in str(error.value)


def test_a_table_with_other_columns_is_refused() -> None:
    with pytest.raises(ModelError, match=r"scales\.csv: the columns must be name, value"):
        read_sourced("scales.csv", ("name",))


def test_the_examples_of_the_guide_give_what_it_shows() -> None:
    guide = Path(__file__).parents[2] / "docs" / "scoring.md"
    blocks = re.findall(r"^```pycon\n(.*?)^```$", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, guide.name, str(guide), 0)
    said: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=said.append)
    assert found.failed == 0, "".join(said)
    assert found.attempted == 12  # else the blocks were not found
