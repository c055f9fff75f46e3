"""Predictions of whole works: trials and experiments under draws of the parameters."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from ketasim.errors import KetasimError, StudyError
from ketasim.model.parameters import load_parameters
from ketasim.population.draws import Draws, load_posterior
from ketasim.trials import Study
from ketasim.trials.comparison import compare
from ketasim.trials.works import load_work
from ketasim.validation.predict import Predicted, predict_work, predict_works
from ketasim.validation.predict.models import simulator_of
from ketasim.validation.predict.trials import simulated_rows

ROWS = ("CLIN0246", "CLIN0258", "CLIN0270")


@cache
def draws() -> Draws:
    return load_posterior().take(np.arange(6))


@cache
def trial() -> Study:
    return Study.load("daly2018")


@cache
def of_trial() -> tuple[Predicted, ...]:
    return tuple(predict_work(trial(), draws=draws(), per_draw=4, seed=2, rows=ROWS))


def test_rows_of_a_trial_are_predicted_in_its_order() -> None:
    found = of_trial()
    assert [item.row.id for item in found] == list(ROWS)
    assert [item.row_class for item in found] == ["points", "rate", "rate"]
    for item in found:
        assert (item.study, item.domain, item.species, item.stage) == (
            "daly2018", "clinical", "human", "symptoms",
        )  # fmt: skip
        assert item.cells.shape == (6,)
        interval = item.interval()
        assert interval.low < interval.predicted < interval.high
    # The published number of the arm.
    assert found[0].n == 12.0


def test_no_more_of_a_trial_is_simulated_than_rows_need() -> None:
    rows = [row for row in trial().observations if row.id in ROWS]
    parameters = load_parameters()
    tables = simulated_rows(
        trial(), rows, draws().take([0]), 4, 2, simulator=simulator_of(parameters), parameters=parameters
    )
    matrix = tables.outcomes.matrix("madrs")
    arms, counts = np.unique(matrix.arm, return_counts=True)
    assert dict(zip(arms.tolist(), counts.tolist(), strict=True)) == {
        "placebo": 1, "esketamine_28": 1, "esketamine_56": 1, "esketamine_84": 4,
    }  # fmt: skip
    assert matrix.times_h[-1] == max(row.time_h for row in rows)


def test_cells_are_what_is_laid_beside_published_numbers() -> None:
    rows = [row for row in trial().observations if row.id in ROWS]
    parameters = load_parameters()
    tables = simulated_rows(
        trial(), rows, draws(), 4, 2, simulator=simulator_of(parameters), parameters=parameters
    )
    table = compare(tables.outcomes, trial())
    change = table[table["id"] == ROWS[0]]["predicted"].to_numpy()
    cells = of_trial()[0].cells
    assert cells[np.isfinite(cells)] == pytest.approx(change, rel=1e-12)


def test_the_same_seed_gives_the_same_prediction_and_another_does_not() -> None:
    same, other = (
        predict_work(trial(), draws=draws(), per_draw=4, seed=seed, rows=ROWS[:1])[0] for seed in (2, 3)
    )
    # Fewer rows, fewer arms are needed; nobody depends on who else is there.
    assert np.array_equal(same.cells, of_trial()[0].cells, equal_nan=True)
    assert not np.array_equal(other.cells, of_trial()[0].cells, equal_nan=True)


def test_an_experiment_is_predicted_from_its_readings() -> None:
    work = load_work("li2010")
    found = predict_work(work, draws=draws(), per_draw=4)
    assert [item.row.id for item in found] == [row.id for row in work.observations]
    assert {item.species for item in found} == {"rat"}
    assert {item.domain for item in found} == {work.domain}
    for item in found:
        assert item.kind == ("sign" if item.row.statistic in ("direction", "retained") else "quantitative")
        assert item.sign in (-1.0, 0.0, 1.0)
        # Blots differ between animals by more than the model lets them differ.
        assert item.within > 0.0


def test_works_come_in_their_order_and_one_that_fails_is_told() -> None:
    told: list[tuple[str, str]] = []
    seen: list[tuple[int, int]] = []

    def failed(work: object, error: KetasimError) -> None:
        told.append((work.id, str(error)))  # type: ignore[attr-defined]

    works = [load_work("li2010"), trial()]
    first = works[0].observations[0].id
    found = predict_works(
        works, draws=draws(), per_draw=2, workers=1, rows=(first, *ROWS),
        progress=lambda _, done, total: seen.append((done, total)), failed=failed,
    )  # fmt: skip
    assert [item.study for item in found] == ["li2010", *["daly2018"] * 3]
    assert seen == [(1, 2), (2, 2)]
    assert not told
    with pytest.raises(StudyError, match="per_draw"):
        predict_works(works, draws=draws(), per_draw=0, workers=1)
    predict_works(works, draws=draws(), per_draw=0, workers=1, failed=failed)
    assert sorted(name for name, _ in told) == ["daly2018", "li2010"]
    with pytest.raises(StudyError, match="workers"):
        predict_works(works, draws=draws(), workers=0)
