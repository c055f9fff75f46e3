"""Scores of published rows: what counts, what does not, and what the page says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from ketasim.model.parameters import load_parameters
from ketasim.report.pk_course_figure import PkCourse, pk_course_figure, write_pk_course_figure
from ketasim.report.pk_score_figure import pk_score_figure
from ketasim.validation.pharmacokinetics import FEWEST, PkScores, score_readings

PAGE = Path(__file__).parents[2] / "docs" / "pharmacokinetics.md"


def made_up(ratios: list[float], **changed: object) -> pd.DataFrame:
    """Rows whose prediction is so many times the published value."""
    row: dict[str, object] = {
        "citation": "someone2020", "route": "iv", "quantity": "ketamine", "kind": "measured",
        "statistic": "cmax", "time_h": np.nan, "reason": "", "modifier": "none", "use": "fit",
    }  # fmt: skip
    frame = pd.DataFrame([row | changed for _ in ratios])
    ratio = np.array(ratios)
    return frame.assign(
        row=[f"r{i}" for i in range(len(ratios))], value=100.0, predicted=100.0 * ratio, error=ratio - 1.0
    )


def test_error_is_the_median_of_the_size_whichever_the_sign() -> None:
    (error,) = PkScores(made_up([0.5, 0.8, 1.1, 1.3, 2.0])).by_species
    assert error.n == 5
    assert error.median == pytest.approx(0.3)
    # Two-fold itself is still within two-fold.
    assert error.within_two_fold == 5


def test_a_group_needs_five_rows_for_a_score() -> None:
    few = made_up([1.0] * (FEWEST - 1), route="oral")
    enough = made_up([1.2] * FEWEST)
    found = {error.group: error for error in PkScores(pd.concat([few, enough])).by_route}
    assert found["oral"].median is None
    assert found["oral"].n == FEWEST - 1
    assert found["iv"].median == pytest.approx(0.2)


def test_measured_rows_and_output_of_models_are_never_mixed() -> None:
    measured = made_up([1.1] * 5, route="nasal")
    output = made_up([1.5] * 6, route="nasal", kind="model_output")
    scores = PkScores(pd.concat([measured, output]))
    by_kind = {error.kind: error for error in scores.by_route if error.group == "nasal"}
    assert by_kind["measured"].median == pytest.approx(0.1)
    assert by_kind["model_output"].median == pytest.approx(0.5)
    everything, _, _, nasal = scores.headline
    assert (everything.n, nasal.n) == (5, 6)


def test_hydroxynorketamine_counts_in_the_first_headline_and_not_in_the_second() -> None:
    scores = PkScores(pd.concat([made_up([1.1] * 5), made_up([3.0] * 20, quantity="s_hnk")]))
    everything, without, *_ = scores.headline
    assert everything.median == pytest.approx(2.0)
    assert without.median == pytest.approx(0.1)


def test_what_the_headline_leans_on_is_told() -> None:
    frame = pd.concat(
        [
            made_up([1.0] * 9, citation="large2020"),
            made_up([1.4] * 5),
            made_up([1.0] * 3, route="oral", modifier="ticlopidine", citation="beside2012"),
            made_up([1.6] * 5, route="oral", citation="mouth1990", use="check"),
        ]
    )
    found = {error.group: (error.n, error.median) for error in PkScores(frame).leaning}
    assert found["fitted"] == (17, pytest.approx(0.0))
    assert found["not fitted"] == (5, pytest.approx(0.6))
    assert found["all without large2020"] == (13, pytest.approx(0.4))
    assert found["iv without large2020"] == (5, pytest.approx(0.4))
    assert found["all without ratios of a comedication"] == (19, pytest.approx(0.4))
    assert found["oral without ratios of a comedication"] == (5, pytest.approx(0.6))


def test_rows_far_off_take_their_reason_from_what_they_are_or_from_their_own_remark() -> None:
    frame = pd.concat(
        [
            made_up([0.4], citation="kamp2020bja", time_h=0.25),
            made_up([3.0], quantity="hnk"),
            made_up([2.1], reason="timing unknown"),
            made_up([0.45]),
            made_up([1.9, 0.6]),
        ]
    )
    why = PkScores(frame).far["why"].tolist()
    assert len(why) == 4
    assert "digitised" in why[0]
    assert "hnk_scale" in why[1]
    assert why[2:] == ["timing unknown", "not explained"]


def test_other_parameters_give_other_scores() -> None:
    own = load_parameters()
    slower = own.with_values({"clearance": 0.6 * own["clearance"].value})
    shipped, changed = (score_readings(values).headline[2].median for values in (own, slower))
    assert shipped is not None
    assert changed is not None
    assert changed > 1.5 * shipped


def test_score_figure_has_every_row_once() -> None:
    rows = score_readings().rows
    axes = pk_score_figure(rows).axes
    drawn = sum(len(line.get_xdata()) for ax in axes for line in ax.lines if line.get_marker() != "None")
    assert drawn == len(rows)
    assert [ax.get_xscale() for ax in axes] == ["log", "log"]


def course() -> PkCourse:
    rows = pd.DataFrame(
        {"quantity": ["s_ketamine", "r_ketamine", "hnk"], "site": "arterial", "time_h": [0.5, 0.5, 1.0],
         "value": [40.0, 45.0, 3.0]}
    )  # fmt: skip
    names = [f"{name}_arterial" for name in rows["quantity"]]
    return PkCourse("a dose", np.linspace(0.0, 2.0, 5), dict.fromkeys(names, np.arange(5.0)), rows)


def test_course_figure_has_a_panel_a_species_with_units(tmp_path: Path) -> None:
    figure = pk_course_figure([course(), course()], "someone2020")
    assert isinstance(figure, Figure)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["Ketamine", "Hydroxynorketamine"] * 2
    assert all((ax.get_xlabel(), ax.get_ylabel()) == ("hours", "ng/mL") for ax in figure.axes)
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["S", "R"]
    path = write_pk_course_figure([course()], "someone2020", tmp_path / "course.svg")
    assert "<svg" in path.read_text(encoding="utf-8")


def test_the_page_holds_every_row_and_the_present_values() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    cells = {parts[1]: parts for parts in ([c.strip() for c in line.split("|")] for line in lines)}
    rows = score_readings().rows
    assert len(rows) > 250
    for row, published, predicted in rows[["row", "value", "predicted"]].itertuples(index=False):
        own = cells[row]
        # Four digits are printed.
        assert float(own[7].split()[0].replace(",", "")) == pytest.approx(published, rel=1e-3), row
        assert float(own[8].replace(",", "")) == pytest.approx(predicted, rel=2e-3), row
