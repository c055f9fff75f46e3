"""What only animals need is fitted to their signs, and written where it is read."""

from __future__ import annotations

import math
import shutil
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ketasim.inference import animals
from ketasim.inference.animals import ANIMAL_FREE, AnimalFit, calibrate_animals, sign_chance
from ketasim.model.parameters import load_parameters
from ketasim.trials.works import load_work
from ketasim.validation.predict import Predicted

DRAWS = 40


def predicted(statistic: str, observed: float, centre: float, within: float = 1.0) -> Predicted:
    """A sign row of ten animals whose cells lie around a centre without other spread."""
    cells = centre + 1e-6 * np.linspace(-1.0, 1.0, DRAWS)
    row = SimpleNamespace(statistic=statistic, id="row")
    nan = math.nan
    return Predicted(
        "study", "mechanism", "rat", "symptoms", row, observed, nan, cells, within, 10.0, "sign", "sign"
    )


def test_chances_of_a_direction_are_those_of_its_sample() -> None:
    # A difference of three standard errors: found at 5 % with the chance of a normal deviate above -1.04.
    effect = 3.0 / math.sqrt(10.0)
    assert sign_chance(predicted("direction", 1.0, effect)) == pytest.approx(0.8508, abs=2e-3)
    assert sign_chance(predicted("direction", -1.0, effect)) < 1e-5
    found = [sign_chance(predicted("direction", value, effect)) for value in (-1.0, 0.0, 1.0)]
    assert sum(found) == pytest.approx(1.0)


def test_chances_of_yes_and_no_are_about_a_half() -> None:
    assert sign_chance(predicted("retained", 1.0, 0.5)) == pytest.approx(0.5, abs=1e-3)
    # Two errors of a share above a half.
    kept = sign_chance(predicted("retained", 1.0, 1.0))
    assert kept == pytest.approx(0.9772, abs=1e-3)
    assert sign_chance(predicted("retained", 0.0, 1.0)) == pytest.approx(1.0 - kept)


def test_only_rows_of_animals_that_may_inform_are_used() -> None:
    works = animals.animal_works()
    assert {work.species for work in works} == {"rat", "mouse"}
    for work in works:
        uses = {row.use for row in work.observations if row.id in animals._rows(work)}
        assert uses == {"calibration"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One experiment, two draws, and two values of the exposure with the clocks at their centres."""
    monkeypatch.setattr(animals, "animal_works", lambda: [load_work("moghaddam1997")])
    monkeypatch.setattr(animals, "_GRID", (np.array([-2.5, 1.5]), *[np.zeros(1)] * 3))
    monkeypatch.setattr(animals, "_DRAWS", 2)


@pytest.mark.usefixtures("small")
def test_the_fit_tells_every_point_and_repeats() -> None:
    fit = calibrate_animals()
    assert fit.names == ANIMAL_FREE
    assert fit.grid.shape == (2, len(ANIMAL_FREE) + 1)
    low, high = fit.grid
    # Only a deep block lowers glutamate at 200 mg/kg; at a tenth of the exposure no dose does.
    assert high[-1] < low[-1]
    # The posterior median lies between the two, nearer to the better one.
    assert math.sqrt(low[0] * high[0]) < fit.values[0] < high[0]
    chances = {row.row: row.chance for row in fit.rows}
    assert set(chances) == {"M026", "M027", "M028", "M029", "M030"}
    again = calibrate_animals()
    assert np.array_equal(fit.grid, again.grid)


def test_values_go_into_the_tables_of_both_animals(tmp_path: Path) -> None:
    with resources.as_file(resources.files("ketasim.model.parameters")) as shipped:
        for species in ("rat", "mouse"):
            shutil.copytree(shipped / species, tmp_path / species)
    values = np.array([0.5, 4.0, 1.5, 3.0])
    fit = AnimalFit(ANIMAL_FREE, values, np.array([0.3, 0.9, 0.9, 0.9]), np.empty((0, 5)), ())
    fit.write(tmp_path)
    for species in ("rat", "mouse"):
        text = "".join(
            path.read_text(encoding="utf-8") for path in sorted((tmp_path / species).glob("*.csv"))
        )
        assert "species_exposure,0.5,ratio" in text
        assert "mood_time,1.5,h" in text
        assert "fit: posterior SD 0.30 of the prior SD" in text


def test_animals_differ_from_people_in_what_is_fitted() -> None:
    people = load_parameters()
    for species in ("rat", "mouse"):
        own = load_parameters(species)
        assert all(own[name].value != people[name].value for name in ANIMAL_FREE)
