"""The scoreboard: scores of known distributions, signs, groups, files that cannot be read, JSON and page."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from ketasim.api.validation import ScoreboardResult
from ketasim.errors import KetasimError, ModelError, StudyError
from ketasim.report.scoreboard_forest import forest_parts
from ketasim.trials import Study
from ketasim.validation.baselines import facts_of
from ketasim.validation.between import Between, fit_between, load_between, write_between
from ketasim.validation.predict.classes import row_class_of, to_class_scale
from ketasim.validation.predict.predicted import Predicted
from ketasim.validation.scoreboard import (
    balanced_accuracy,
    board_markdown,
    board_of,
    coverage_curve,
    interval_score,
    load_reasons,
    read_works,
    shipped_facts,
)
from ketasim.validation.scoreboard.metrics import summarise_rows

_STUDIES = ("daly2018", "murrough2013", "lii2023", "salloum2020")
_SETTINGS = {"draws": 50, "per_draw": 8, "seed": 1}
_WITHIN = {"points": 81.0, "rate": 5.0, "sign": 1.0}


def _predictions(works: list[Study], *, extra: float = 0.0, seed: int = 1) -> list[Predicted]:
    """Predictions around which published values lie as they should, with a spread of studies beside it."""
    random = np.random.default_rng(seed)
    made = []
    for work in works:
        for row in work.observations:
            row_class = row_class_of(row)
            within, n = _WITHIN.get(row_class, 1.0), row.n or 12
            y = to_class_scale(row_class, row.value, n)
            middle = y + random.normal(0.0, math.sqrt(within / n + extra**2))
            cells = middle + random.normal(0.0, math.sqrt(within / 8.0), 50)
            error = math.nan if row.standard_error is None else row.standard_error
            about = (work.id, "clinical", "human", "symptoms", row, row.value, error, cells, within, float(n))
            kind = "sign" if row_class == "sign" else "quantitative"
            made.append(Predicted(*about, row_class, kind))
    return made


@pytest.fixture(scope="module")
def board() -> ScoreboardResult:
    works = [Study.load(name) for name in _STUDIES]
    facts = [row for work in works for row in facts_of(work)]
    made = board_of(_predictions(works), works, {}, _SETTINGS, Between({}, {}), facts)
    return ScoreboardResult(
        made.rows, made.baselines, made.settings, made.works, {"x.yaml": "x.yaml: broken"}
    )


@pytest.fixture
def few_shipped(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only these teach the baselines: reading all that is shipped takes seconds."""
    monkeypatch.setattr("ketasim.trials.works.shipped_works", lambda: ("daly2018", "lii2023", "murrough2013"))
    shipped_facts.cache_clear()
    yield
    shipped_facts.cache_clear()


def test_the_interval_score_is_smallest_for_the_right_spread() -> None:
    def expected(sd: float) -> float:
        return float(quad(lambda y: norm.pdf(y) * interval_score(y, 0.0, sd), -9.0, 9.0, limit=200)[0])

    # Gneiting and Raftery 2007: a proper score, so that truth has the best expectation.
    assert expected(1.0) < expected(0.9)
    assert expected(1.0) < expected(1.1)
    # Width of 3.92, and 40 times the mean excess over 1.96: 2 · (pdf − 1.96 · 0.025).
    assert expected(1.0) == pytest.approx(
        3.91993 + 40.0 * 2.0 * (norm.pdf(1.959964) - 1.959964 * 0.025), rel=1e-5
    )
    assert float(interval_score(5.0, 0.0, 1.0)) == pytest.approx(3.919928 + 40.0 * (5.0 - 1.959964))


def test_coverage_of_normal_deviates_is_nominal() -> None:
    z = np.random.default_rng(5).standard_normal(40_000)
    found = coverage_curve(z, (0.5, 0.8, 0.95))
    # Four binomial standard errors.
    assert found == pytest.approx([0.5, 0.8, 0.95], abs=0.01)


def test_balanced_accuracy_weighs_signs_and_not_rows() -> None:
    observed = [1.0] * 8 + [0.0, 0.0]
    assert balanced_accuracy(observed, [1] * 10) == pytest.approx(0.5)
    assert balanced_accuracy(observed, [*[1] * 8, 0, None]) == pytest.approx(0.75)
    assert math.isnan(balanced_accuracy([], []))


def test_predictions_as_they_should_be_cover_95_percent(board: ScoreboardResult) -> None:
    own = board.summary["all"]
    assert own["quantitative"] > 60
    # Binomial error of some 80 rows: 2.4 points; three of them.
    assert own["inside_95"] == pytest.approx(0.95, abs=0.075)
    assert own["half_sd"]["inside_95"] < own["inside_95"] - 0.15
    assert own["double_sd"]["interval_score"] > own["interval_score"]


def test_all_sign_rows_count_together_and_by_kind() -> None:
    rows = pd.DataFrame(
        [
            ("direction", 1.0, 1.0), ("direction", 0.0, 1.0), ("direction", -1.0, -1.0),
            ("retained", 1.0, 0.0), ("retained", 0.0, 0.0), ("retained", 0.0, 0.0),
        ],
        columns=["statistic", "observed", "predicted"],
    ).assign(kind="sign")  # fmt: skip
    empty = ("z", "inside", "score", "inside_half", "score_half", "inside_double", "score_double")
    own = summarise_rows(rows.assign(**dict.fromkeys(empty, math.nan)), ())
    assert (own["sign_rows"], own["signs"], own["binary"]) == (6, 3, 3)
    assert own["sign_accuracy"] == pytest.approx((1.0 + 0.0 + 1.0) / 3.0)
    assert own["binary_accuracy"] == pytest.approx((0.0 + 1.0) / 2.0)
    assert own["sign_row_accuracy"] == pytest.approx((0.5 + 2.0 / 3.0 + 1.0) / 3.0)


def test_scores_are_those_of_the_rows(board: ScoreboardResult) -> None:
    numbers = board.rows[board.rows["kind"] == "quantitative"]
    row = numbers.iloc[0]
    assert row["z"] == pytest.approx((row["y"] - row["mean"]) / row["sd"])
    assert row["low"] < row["predicted"] < row["high"]
    assert bool(row["inside"]) == (row["low"] <= row["observed"] <= row["high"])
    skill = board.summary["all"]["baselines"]["kpd"]
    common = numbers[numbers["kpd_score"].notna()]
    assert skill["quantitative"] == len(common)
    assert skill["skill"] == pytest.approx(1.0 - common["score"].mean() / common["kpd_score"].mean())


def test_rows_of_another_model_are_never_in_the_headline(board: ScoreboardResult) -> None:
    rows = board.rows.copy()
    rows.loc[rows.index[:5], "source_kind"] = "model_output"
    other = ScoreboardResult(rows, board.baselines, board.settings, board.works)
    assert other.summary["all"]["rows"] == board.summary["all"]["rows"] - 5
    assert other.summary["model_output"]["rows"] == 5


def test_misses_are_listed_with_a_reason_or_as_unexplained(board: ScoreboardResult) -> None:
    misses = board.misses
    missed = board.rows["hit"].map(lambda hit: hit is False or hit is np.False_)
    assert len(misses) == int(missed.sum()) > 0
    assert misses["z"].abs().is_monotonic_decreasing
    assert set(misses["reason"]) <= {"unexplained", *load_reasons().values()}
    text = board_markdown(board)
    assert all(str(row) in text for row in misses["id"])
    assert "x.yaml: broken" in text


def test_json_has_a_summary_and_plain_rows(board: ScoreboardResult, tmp_path: Path) -> None:
    board.to_json(tmp_path / "board.json")
    found = json.loads((tmp_path / "board.json").read_text(encoding="utf-8"))
    assert set(found) == {"summary", "rows"}
    assert len(found["rows"]) == len(board.rows)
    wanted = (
        "study quantity statistic arm time_h observed predicted low high z kind use id domain stage row_class"
    )
    for row in found["rows"]:
        assert set(wanted.split()) <= set(row)
        assert (row["z"] is None) == (row["kind"] == "sign")


def test_the_page_is_one_file_with_every_figure(board: ScoreboardResult, tmp_path: Path) -> None:
    text = board.write_html(tmp_path / "board.html").read_text(encoding="utf-8")
    # One for calibration, one for skill, and the parts of the forest.
    parts = list(forest_parts(board.measured))
    assert text.count("<figure id=") == 2 + len(parts)
    assert sum(len(part.rows) for part in parts) == board.summary["all"]["quantitative"]
    assert "http" not in text.replace("http://www.w3.org", "")


def test_null_results_are_judged_by_the_power_of_their_sample() -> None:
    def predicted(effect: float, n: float) -> float:
        row = Study.load("daly2018").observations[0].model_copy(update={"statistic": "direction"})
        cells = np.random.default_rng(2).normal(effect, 0.35, 200)
        about = ("a", "mechanism", "rat", "ampa", row, 0.0, math.nan, cells, 1.0, n)
        return Predicted(*about, "sign", "sign").sign

    # Power of 12 for half an SD is 0.41, that of 40 is 0.89.
    assert (predicted(0.5, 12.0), predicted(0.5, 40.0), predicted(0.0, 40.0)) == (0.0, 1.0, 0.0)


def _points(extra: float, seeds: int) -> list[Predicted]:
    """Calibration rows in points whose studies differ by so much, from some seeds."""
    works = [Study.load(name) for name in _STUDIES]
    return [
        item
        for seed in range(seeds)
        for item in _predictions(works, extra=extra, seed=seed)
        if item.row_class == "points" and item.row.use == "calibration"
    ]


def test_a_spread_between_studies_is_found_again() -> None:
    made = _points(3.0, 20)
    found = fit_between(made)
    # Some 300 rows: the SD of an SD is about 4 % of it, and sampling adds as much.
    assert len(made) > 200
    assert found.sd("points", "clinical") == pytest.approx(3.0, rel=0.15)
    assert found.sd("points", "pk") == found.values["points", "all"]
    assert found.sd("correlation", "clinical") == 0.0


def test_a_study_moves_a_share_by_what_its_points_bring_across_the_limit() -> None:
    found = Between({("points", "all"): 3.0, ("rate", "all"): 9.0}, {})
    work = Study.load("daly2018")
    row = work.observations[0].model_copy(update={"statistic": "response"})
    about = ("a", "clinical", "human", "symptoms", row, 0.4, math.nan, np.zeros(50), 4.0, 20.0)
    share = Predicted(*about, "rate", "quantitative", per_point=0.16)
    pool = replace(share, trials=9)
    assert found.of(share) == pytest.approx(0.48)
    assert found.of(pool) == pytest.approx(0.48 * math.sqrt(0.5 + 0.5 / 9.0))


def test_one_row_that_is_far_off_does_not_widen_all_others() -> None:
    made = _points(2.0, 10)
    plain = fit_between(made).sd("points", "clinical")
    wild = [*made, replace(made[0], cells=made[0].cells + 200.0)]
    # By its square it would count as an SD of more than 10 for each of some 150 rows.
    assert 200.0 / math.sqrt(len(wild)) > 10.0
    assert plain <= fit_between(wild).sd("points", "clinical") < 2.0 * plain


def test_nothing_between_studies_is_found_where_chance_explains_all() -> None:
    works = [Study.load(name) for name in _STUDIES]
    made = [
        item for seed in range(10) for item in _predictions(works, seed=seed) if item.row_class == "points"
    ]
    # Below a third of the sampling SD of a usual arm (9 points by 20 people).
    assert fit_between(made).sd("points", "clinical") < 0.7


def test_the_table_between_studies_is_read_as_it_is_written(tmp_path: Path) -> None:
    found = Between(
        {("points", "all"): 2.5, ("points", "clinical"): 2.0},
        {("points", "all"): 30, ("points", "clinical"): 20},
    )
    path = write_between(found, tmp_path / "between.csv")
    assert load_between(path) == found
    path.write_text(path.read_text(encoding="utf-8").replace("2.5", "-2.5"), encoding="utf-8")
    with pytest.raises(ModelError, match="at least 0"):
        load_between(path)


def test_files_that_cannot_be_read_are_named_and_the_others_are_kept(tmp_path: Path) -> None:
    (tmp_path / "random_name.yaml").write_text(_shipped("murrough2013"), encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("schema: 1\nid: broken\n", encoding="utf-8")
    works, failed = read_works([tmp_path, "murrough2013"])
    assert [work.id for work in works] == ["murrough2013", "murrough2013_2"]
    assert len(failed) == 1
    assert "broken.yaml" in next(iter(failed))


def _shipped(name: str) -> str:
    from ketasim.trials.study.catalogue import read_study_text

    return read_study_text(name)[0]


def test_a_folder_without_works_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no study or experiment"):
        read_works([tmp_path])


def test_an_unknown_domain_names_the_nearest() -> None:
    from ketasim.validation import validate

    with pytest.raises(KetasimError, match="clinical"):
        validate(["murrough2013"], 2, 2, only="clinic")


@pytest.mark.usefixtures("few_shipped")
def test_a_study_is_scored_from_its_file_to_its_rows() -> None:
    from ketasim.api import validate

    told: list[str] = []
    own = validate(
        ["murrough2013"], 4, 4, 1, 1, lambda phase, done, total: told.append(f"{phase} {done}/{total}")
    )
    assert isinstance(own.rows, pd.DataFrame)
    assert own.rows["predicted"].notna().all()
    assert told[-1].endswith("1/1")
    again = validate(["murrough2013"], 4, 4, 1, 1)
    pd.testing.assert_frame_equal(own.rows, again.rows)
