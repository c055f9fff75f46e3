"""``ketasim brain couplings``, ``fit`` and ``tabulate``: the rule, fits to people, and surfaces."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.brain_command import MADE_UP, command, files, fitted, model, numbers, refusal, write_brain

from ketasim import brain as package
from ketasim.brain.couplings import COUPLINGS
from ketasim.brain.fit_scores import score
from ketasim.brain.formulas import Surface
from ketasim.brain.linear import linear_connectivity
from ketasim.brain.model import BrainModel, brain_model
from ketasim.brain.people import synthetic_people
from ketasim.brain.rule import decide
from ketasim.brain.tabulate import DESIGN, BrainSurfaces, load_surfaces
from ketasim.cli import brain_fit
from ketasim.errors import BrainError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of the made-up brain."""
    return write_brain(tmp_path_factory.mktemp("brain"))


def test_the_rule_is_that_of_the_package(folder: Path, tmp_path: Path) -> None:
    code, text, _ = command("couplings", *fitted(folder), "--json", tmp_path / "n.json")
    assert code == 0
    found = json.loads((tmp_path / "n.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    verdict = decide(model(folder))
    assert found["chosen"] == verdict.chosen
    assert found["nearest"] == verdict.nearest
    assert [row["coupling"] for row in found["couplings"]] == list(COUPLINGS)
    for shown, row in zip(found["couplings"], verdict.rows, strict=True):
        for name, value in row.record().items():
            wanted = pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value
            assert shown[name] == wanted
        assert len(shown["courses"]) == 8
    assert f"Verdict: {verdict.chosen}." in text
    for name in COUPLINGS:
        # Once with its numbers, once with its signs.
        assert sum(line.startswith(f"{name} ") for line in text.splitlines()) == 2


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Correlations of two groups of made-up people."""
    place = tmp_path_factory.mktemp("people")
    made = synthetic_people(MADE_UP, people=8, seed=2)
    for name, matrix in made.connectome.functional.items():
        np.save(place / f"{name}.npy", matrix)
    return place


def functional(people: Path) -> list[str | Path]:
    return ["--functional", f"a={people / 'a.npy'}", "--functional", f"b={people / 'b.npy'}"]


def test_a_fit_is_scored_on_who_was_not_fitted_and_can_be_used(
    folder: Path, people: Path, tmp_path: Path
) -> None:
    place = tmp_path / "fit.json"
    words = ["fit", *files(folder), *functional(people), "--rounds", "1", "--write", place]
    code, text, error = command(*words, "--json", tmp_path / "n.json", "--out", tmp_path / "out")
    assert code == 0
    assert f"weights: {place}" in error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["fit.png", "fit.svg"]
    assert "Connectivity is fitted here, not predicted." in text
    found = json.loads((tmp_path / "n.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert found["fitted"] == ["a"]
    first, second = (np.load(people / f"{name}.npy") for name in ("a", "b"))
    assert found["means_correlate"] == pytest.approx(score(first, second).correlation, rel=1e-9)
    weights = np.array(json.loads(place.read_text(encoding="utf-8"))["weights"])
    fc = linear_connectivity(brain_model(model(folder).connectome, weights=weights)).fc
    row = found["held_out"][0]
    assert row["group"] == "b"
    # The file keeps eight digits.
    assert row["model"] == pytest.approx(score(fc, second).correlation, rel=1e-5)
    assert row["structure"] == pytest.approx(score(MADE_UP.weights, second).correlation, rel=1e-9)
    assert row["mean_of_fitted"] == pytest.approx(score(first, second).correlation, rel=1e-9)
    assert found["safe"] is True
    assert len(found["by_dose"]) == len(package.dose_influences())
    used = numbers("run", *files(folder), "--fitted", place, "--dose-block", "0.24")
    assert used["weights"] == "fitted to a"
    assert all(item["safe"] for item in used["settings"])


def test_who_is_fitted_and_who_is_not() -> None:
    everyone = {f"person {k}": np.eye(20) for k in range(1, 6)}
    many = replace(MADE_UP, functional=everyone)
    default = brain_fit._people(many, [], [])
    assert list(default.fitted) == ["person 1", "person 2", "person 3"]
    assert list(default.held_out) == ["person 4", "person 5"]
    named = brain_fit._people(many, ["person 5"], ["person 1"])
    assert (list(named.fitted), list(named.held_out)) == (["person 5"], ["person 1"])
    assert len(brain_fit._people(many, [], ["person 5"]).fitted) == 4
    for fit, held_out, said in (
        (["persn 1"], [], "'person 1'"),
        (["person 1"], ["person 1"], "nobody can be both"),
        ([], list(everyone), "everybody is held out"),
    ):
        with pytest.raises(BrainError, match=said):
            brain_fit._people(many, fit, held_out)


def test_a_weak_test_is_called_weak() -> None:
    row = {"model": 0.9, "mean_of_fitted": 0.99}
    alike = brain_fit._honest({"held_out": [row], "means_correlate": 0.998})
    assert alike[0].startswith("A weak test: ")
    assert "with r 0.990, the model with 0.900: it adds a mechanism, not accuracy." in alike[1]
    harder = brain_fit._honest({"held_out": [{**row, "mean_of_fitted": 0.6}], "means_correlate": 0.7})
    assert not any("weak" in text or "not accuracy" in text for text in harder)
    assert "with r 0.600, the model with 0.900." in harder[1]
    assert "Nobody was held out" in brain_fit._honest({"held_out": []})[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--functional", "a"], ["--functional a", "controls=controls.csv"]),
        (["--functional", "a=x.csv", "--functional", "a=y.csv"], ["'a' is there already"]),
        (["--functional", "a=x.csv"], ["--functional", "add --weights and --labels"]),
        (["--connectome", "synthetic"], ["no functional connectivity", "'ketasim brain run' needs no fit"]),
        (["--rounds", "0"], ["--rounds"]),
    ],
)
def test_what_cannot_be_fitted_is_told(words: list[str], said: list[str]) -> None:
    error = refusal("fit", *words)
    for part in said:
        assert part in error


def test_surfaces_are_tabulated_as_asked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    surface = Surface(
        "within_dmn", "log_ratio", 0.2, (1.0,), (0.0,), ((0.1,) * 6,), (0.2,) * 6, 0.3, 0.01, 0.02
    )
    named = {"within_dmn": surface}
    made = BrainSurfaces("made up", "nobody", "recurrent", 250, 6, 5, dict(DESIGN), {}, {}, named)

    def made_up(whole: BrainModel, how: Any, points: int, seed: int, *, progress: Any) -> BrainSurfaces:
        asked.extend((whole.n_regions, how.name, points, seed))
        progress(1, 1)
        return made

    monkeypatch.setattr(package, "tabulate_brain", made_up)
    words = ["tabulate", *fitted(folder), "--coupling", "recurrent", "--points", "256", "--seed", "5"]
    code, text, error = command(*words, "--write", tmp_path / "s.json")
    assert code == 0
    assert asked == [20, "recurrent", 256, 5]
    assert load_surfaces(tmp_path / "s.json") == made
    assert "250 points fitted, 6 left out" in text
    assert "computing and fitting" in error
    assert any(line.split()[:2] == ["within_dmn", "log_ratio"] for line in text.splitlines())
    too_few = refusal("tabulate", "--points", "8", "--write", tmp_path / "t.json")
    assert "--points" in too_few
    assert not (tmp_path / "t.json").exists()


def test_the_command_alone_loads_no_brain() -> None:
    code = (
        "import sys, ketasim.cli.brain; print({'numba', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.strip() == "set()"
