"""Scores of wirings, their margins, expected information, and what is written of them."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ketasim.api.hypotheses import Hypotheses, compare_hypotheses
from ketasim.errors import ModelError
from ketasim.inference.rivals.candidates import Information, load_candidates, mutual_information
from ketasim.inference.rivals.held import Held, Row, difference
from ketasim.inference.rivals.interventions import Intervention, InterventionScores, load_interventions
from ketasim.inference.rivals.scoring import interval_score, log_score
from ketasim.report.hypotheses_figure import evidence_figure
from ketasim.report.hypotheses_information_figure import information_figure
from ketasim.report.hypotheses_markdown import outcome_text, verdict
from ketasim.trials.works import load_work
from ketasim.validation.predict import Predicted

NAMES = ("disinhibition", "trkb", "habenula")


def predicted(observed, cells, *, statistic="change", within=4.0, n=16.0):
    kind = "sign" if statistic in ("direction", "retained") else "quantitative"
    row = SimpleNamespace(statistic=statistic, id="x", use="check")
    return Predicted(
        "study", "clinical", "human", "symptoms", row, observed, math.nan, np.asarray(cells, dtype=float),
        within, n, "sign" if kind == "sign" else "points", kind, per_draw=4.0,
    )  # fmt: skip


def test_log_score_is_a_density():
    cells = np.random.Generator(np.random.Philox(key=1)).normal(-7.0, 2.0, 40)

    def density(y):
        return math.exp(log_score(predicted(y, cells), 1.0))

    # What lies outside is the far tail of the wide part of the mixture.
    assert quad(density, -80.0, 60.0, limit=200)[0] == pytest.approx(1.0, abs=1e-4)


def test_nearer_is_better_and_one_far_row_does_not_outweigh_all():
    cells = np.full(40, -7.0)
    scores = [log_score(predicted(y, cells), 1.0) for y in (-7.0, -8.0, -10.0, -17.0)]
    assert scores == sorted(scores, reverse=True)
    # Nine predictive SDs off: a normal density alone would cost some 40 nats.
    assert scores[0] - scores[-1] < 8.0


@pytest.mark.parametrize(
    ("statistic", "outcomes"), [("direction", (-1.0, 0.0, 1.0)), ("retained", (0.0, 1.0))]
)
def test_chances_of_a_sign_add_up_to_one(statistic, outcomes):
    cells = np.random.Generator(np.random.Philox(key=2)).normal(0.4, 0.3, 40)
    total = sum(math.exp(log_score(predicted(y, cells, statistic=statistic))) for y in outcomes)
    assert total == pytest.approx(1.0, abs=1e-9)


def test_interval_score_is_the_width_and_a_penalty_for_what_is_outside():
    inside, outside = (predicted(y, np.full(40, -7.0)) for y in (-7.2, -10.0))
    sd = inside.sd(1.0)
    assert interval_score(inside, 1.0) == pytest.approx(2 * 1.959964 * sd)
    off = 3.0 - 1.959964 * sd
    assert interval_score(outside, 1.0) == pytest.approx(2 * 1.959964 * sd + 40.0 * off)
    assert math.isnan(interval_score(predicted(1.0, np.ones(40), statistic="direction")))


def test_errors_of_differences_count_studies_and_not_rows():
    one = np.array([1.0, 1.0, 1.0, -1.0])
    total, error = difference(one, np.zeros(4), ["a", "a", "a", "b"])
    assert total == pytest.approx(2.0)
    # Sums by study are 3 and -1: SD sqrt(8), times the root of two studies.
    assert error == pytest.approx(4.0)
    assert math.isnan(difference(one, np.zeros(4), ["a"] * 4)[1])


def test_information_is_zero_without_a_difference_and_full_with_a_clear_one():
    assert mutual_information(np.zeros(7), np.ones(7)) == pytest.approx(0.0, abs=1e-9)
    far = mutual_information(np.arange(8) * 100.0, np.ones(8))
    assert far == pytest.approx(3.0, abs=1e-6)


def test_information_is_that_of_an_integral():
    mean, sd = np.array([-1.0, 0.5, 2.0]), np.array([0.3, 1.0, 2.0])

    def mixed(y):
        return norm.pdf(y, mean, sd).mean()

    expected = 0.0
    for m, s in zip(mean, sd, strict=True):
        ends = (m - 8 * s, m + 8 * s)
        expected += quad(
            lambda y, m=m, s=s: norm.pdf(y, m, s) * np.log2(norm.pdf(y, m, s) / mixed(y)), *ends
        )[0]
    assert mutual_information(mean, sd) == pytest.approx(expected / 3.0, abs=1e-5)
    # In other units it is the same.
    assert mutual_information(10.0 * mean, 10.0 * sd) == pytest.approx(mutual_information(mean, sd))


def test_candidates_are_a_dozen_or_more_that_the_model_can_run():
    found = load_candidates()
    assert len(found) >= 12
    assert len({item.id for item in found}) == len(found)
    for item in found:
        (row,) = item.experiment.observations
        assert row.comparator is not None
        assert {arm.n for arm in item.experiment.arms} == {item.n}
        assert row.quantity in item.outcome


def test_tests_stand_in_shipped_files_with_the_outcome_of_their_row():
    for test in load_interventions():
        rows = {row.id: row for row in load_work(test.work).observations}
        row = rows[test.row]
        assert row.citation == test.citation
        assert row.source_kind == "measured"
        assert row.value == test.outcome, (test.id, test.work)


def made(log_scores):
    """A comparison with given log scores of four rows in two studies."""
    rows = tuple(
        Row(study, f"r{i}", domain, "symptoms", "quantitative", "madrs", "change", "arm", 24.0, -7.0)
        for i, (study, domain) in enumerate(
            [("a", "clinical"), ("a", "clinical"), ("b", "clinical"), ("c", "mechanism")]
        )
    )
    scores = np.array(log_scores, dtype=float)
    ones = np.ones_like(scores)
    held = Held(NAMES, rows, scores, ones, -7.0 * ones, ones, {})
    tests = (
        Intervention(
            "e1", ("trkb",), "A mutation blocks", 0.0, "casarotto2021", "M271", "casarotto2021", "retained"
        ),
        Intervention("f1", ("habenula",), "Local block", -1.0, "yang2018", "M248", "yang2018", "direction"),
    )
    outcomes = np.array([[1.0, 0.0, 1.0], [0.0, 0.0, -1.0]])
    met = np.array([[False, True, False], [False, False, True]])
    scored = InterventionScores(
        NAMES, tests, ("calibration", "check"), outcomes, np.where(met, -0.2, -2.0), met, {}
    )
    told = [
        Information(item, bits, np.array([-5.0, 0.0, 1.0]), np.ones(3), np.array([-5.0, 0.0, 1.0]))
        for item, bits in zip(load_candidates()[:3], (1.2, 0.5, 0.1), strict=True)
    ]
    return Hypotheses(NAMES, held, scored, told, NAMES)


CLEAR = [[-1.0, -4.0, -5.0], [-1.0, -4.1, -5.0], [-1.0, -4.0, -6.0], [-1.0, -5.0, -6.0]]
CLOSE = [[-1.0, -1.5, -5.0], [-1.0, -1.1, -5.0], [-1.0, -0.2, -6.0], [-1.0, -1.3, -6.0]]


def test_the_best_comes_first_and_others_by_how_far_they_are_behind():
    standings = made(CLEAR).standings()
    assert [item.wiring for item in standings] == ["disinhibition", "trkb", "habenula"]
    assert standings[0].behind == 0.0
    # Differences by study: 6.1, 3 and 4, whose SD is 1.5821.
    assert standings[1].behind == pytest.approx(13.1)
    assert standings[1].error == pytest.approx(math.sqrt(3) * np.std([6.1, 3.0, 4.0], ddof=1))
    assert [item.rows for item in made(CLEAR).standings("clinical")] == [3, 3, 3]
    assert made(CLEAR).standings("pk") == []


def test_no_best_is_named_within_chance():
    assert verdict(made(CLEAR)).startswith("Best on held-back rows: disinhibition, ahead of trkb by 13.1")
    words = verdict(made(CLOSE))
    assert words.startswith("No wiring is best beyond chance")
    assert "trkb" in words.split("of it:")[1]
    assert "habenula" not in words.split("of it:")[1]


def test_evidence_sums_to_nothing_over_wirings_and_finds_what_tells_two_apart():
    found = made(CLEAR)
    for item in found.evidence():
        assert item.against_mean.sum() == pytest.approx(0.0, abs=1e-9)
    assert found.telling("trkb", "disinhibition", 3)[-1][0] in ("e1", "f1", "mechanism: symptoms")
    (name, favour), *_ = found.telling("disinhibition", "trkb")
    assert name == "clinical: symptoms"
    assert favour == pytest.approx(9.1)


def test_written_files_hold_the_same_numbers(tmp_path):
    found = made(CLEAR)
    paths = {path.name: path for path in found.write(tmp_path / "rivals")}
    data = json.loads(paths["hypotheses.json"].read_text(encoding="utf-8"))
    assert data["standings"][0]["wiring"] == "disinhibition"
    assert data["tests"][0]["met"] == {"disinhibition": False, "trkb": True, "habenula": False}
    assert data["information"][0]["bits"] == 1.2
    text = paths["hypotheses.md"].read_text(encoding="utf-8")
    assert "13.1 ± " in text
    assert "kept ✗ | lost | kept ✗" in text
    for name in ("hypotheses_evidence.svg", "hypotheses_information.svg"):
        assert "<svg" in paths[name].read_text(encoding="utf-8")


def test_figures_have_a_row_for_each_piece_of_evidence_and_each_experiment():
    found = made(CLEAR)
    cells = evidence_figure(found).axes[0]
    assert len(cells.get_yticklabels()) == 4
    assert len(information_figure(found).axes[0].get_yticklabels()) == 3


@pytest.mark.parametrize(
    ("statistic", "value", "words"),
    [
        ("retained", 0.0, "lost"),
        ("retained", 1.0, "kept"),
        ("direction", -1.0, "falls"),
        ("correlation", 0.4, "+0.40"),
    ],
)
def test_outcomes_in_words(statistic, value, words):
    test = Intervention("x", ("trkb",), "", value, "", "", "", statistic)
    assert outcome_text(test, value) == words


def test_unknown_and_lonely_names_are_refused():
    with pytest.raises(ModelError, match="trkb"):
        compare_hypotheses(["trk"])
    with pytest.raises(ModelError, match="alone has no rival"):
        compare_hypotheses(["trkb"])
