"""What the page on virtual patients shows is what the program does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from ketasim.errors import StudyError
from ketasim.population import COVARIATES, PopulationSpec, load_effects, load_people, load_table, table_names

PAGE = (Path(__file__).parents[2] / "docs" / "population.md").read_text(encoding="utf-8")


def test_the_example_runs_and_saves_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(block, found)  # noqa: S102 -- the example of the page itself
    people = load_people(tmp_path / "people.parquet")
    assert len(people) == 200
    assert people.covariates["age"].max() <= 64.0
    assert people.baseline.tolist() == found["people"].baseline.tolist()


def test_the_table_of_tables_has_the_numbers_of_the_tables() -> None:
    rows = {
        cells[0].split("`")[1]: cells
        for line in PAGE.splitlines()
        if line.startswith("| `") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    assert tuple(rows) == table_names()
    for name, cells in rows.items():
        table = load_table(name)
        for covariate, cell in (("age", cells[3]), ("weight", cells[5])):
            (row,) = table.of(covariate)
            mean, sd = re.fullmatch(r"([\d.]+) \(([\d.]+)\)", cell).groups()  # type: ignore[union-attr]
            assert (float(mean), float(sd)) == (row.mean, row.sd), (name, covariate)
        assert float(cells[4].removesuffix(" %")) == pytest.approx(100 * table.of("female")[0].share, abs=0.5)
        mean, sd = re.search(r"([\d.]+) \(([\d.]+)\)", cells[2]).groups()  # type: ignore[union-attr]
        assert float(mean) == table.baseline_mean, name
        assert float(sd) == pytest.approx(table.baseline_sd, abs=0.05), name


def test_the_message_of_an_impossible_matrix_is_the_one_shown() -> None:
    with pytest.raises(StudyError) as caught:
        PopulationSpec(33.0, 5.0, correlations=[("female", "weight", 0.9)])
    assert str(caught.value) in " ".join(PAGE.split())


def test_every_covariate_is_named() -> None:
    for name in COVARIATES:
        short = "_" + name.removeprefix("ancestry_") if name.startswith("ancestry_") else name
        assert f"`{name}`" in PAGE or f"`{short}`" in PAGE, name
    acting = {effect.covariate for effect in load_effects() if not effect.neutral}
    assert acting == {
        *("weight", "height", "age", "female", "ancestry_asian", "ancestry_japanese", "cyp2b6_6"),
        "failed_treatments",
    }
